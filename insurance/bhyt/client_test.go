package bhyt_test

import (
	"bytes"
	"context"
	"crypto/md5"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"go.uber.org/goleak"

	"github.com/tapcheck/tapcheck/insurance"
	"github.com/tapcheck/tapcheck/insurance/bhyt"
	"github.com/tapcheck/tapcheck/insurance/bhyt/localgateway"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var (
	now = time.Date(2026, 11, 23, 8, 15, 3, 0, insurance.Vietnam)
	an  = insurance.Request{Number: "001099012345", FullName: "Nguyễn Văn An", DateOfBirth: "1999-01-01", Sex: "male"}
)

func clock() time.Time { return now }

// gateway starts a local gateway whose clock stands still.
func gateway(t testing.TB, o localgateway.Options) (*localgateway.Gateway, string) {
	t.Helper()
	if o.Now == nil {
		o.Now = clock
	}
	g := localgateway.New(o)
	base, err := g.Start(context.Background(), "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = g.Close() })
	return g, base
}

func newClient(t testing.TB, base string, change func(*bhyt.Config)) *bhyt.Client {
	t.Helper()
	a := localgateway.New(localgateway.Options{}).Account()
	c := bhyt.Config{BaseURL: base, Username: a.Username, Password: bhyt.Secret(a.Password), StaffName: a.StaffName, StaffNumber: bhyt.Secret(a.StaffNumber), Now: clock}
	if change != nil {
		change(&c)
	}
	k, err := bhyt.New(c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = k.Close() })
	return k
}

// Each persona of the demonstration, as chip and gateway know them.
func TestPersonas(t *testing.T) {
	_, base := gateway(t, localgateway.Options{Delay: time.Hour})
	client := newClient(t, base, func(c *bhyt.Config) { c.Timeout = 200 * time.Millisecond })
	type want struct {
		state   insurance.State
		code    string
		advice  string
		err     error
		card    *insurance.Card
		differs []insurance.Difference
	}
	card := func(code, from, to, facility string, rate int, five string) *insurance.Card {
		return &insurance.Card{Code: code, From: from, To: to, RegisteredFacility: facility, BenefitRate: rate, FiveYearsFrom: five}
	}
	lan := card("GD4240723456786", "2026-01-01", "2026-12-31", "24003", 80, "2028-10-01")
	lan.Next, lan.Area = "DN4240723456786", "K1"
	for name, c := range map[string]struct {
		q insurance.Request
		w want
	}{
		"an":    {an, want{insurance.Eligible, "000", "PROCEED", nil, card("GD4010123456789", "2026-01-01", "2026-12-31", "01004", 80, "2027-01-01"), nil}},
		"binh":  {insurance.Request{Number: "079185004321", FullName: "Trần Thị Bình", DateOfBirth: "1985-07-12", Sex: "female"}, want{insurance.NotEligible, "010", "NOT_COVERED", nil, card("DN4790223456781", "2025-01-01", "2025-12-31", "79013", 80, "2024-06-01"), nil}},
		"cuong": {insurance.Request{Number: "048072000123", FullName: "Lê Quốc Cường", DateOfBirth: "1972-03-05", Sex: "male"}, want{insurance.NotEligible, "050", "ASK_INSURANCE_CARD", nil, nil, nil}},
		"dung":  {insurance.Request{Number: "031192007788", FullName: "Phạm Thị Dung", DateOfBirth: "1992-11-30", Sex: "female"}, want{insurance.Check, "060", "CHECK_IDENTITY", nil, nil, []insurance.Difference{{Field: "fullName", Kind: "value"}}}},
		"giang": {insurance.Request{Number: "092088001357", FullName: "Đỗ Hoàng Giang", DateOfBirth: "1988-09-09", Sex: "male"}, want{err: insurance.ErrUnreachable}},
		"hoa":   {insurance.Request{Number: "036155002468", FullName: "Hoàng Thị Hoa", DateOfBirth: "1955-02-20", Sex: "female"}, want{err: insurance.ErrUnreachable}},
		"khanh": {insurance.Request{Number: "001216009753", FullName: "Vũ Minh Khánh", DateOfBirth: "2016-06-01", Sex: "male"}, want{insurance.Eligible, "000", "PROCEED", nil, card("TE1010623456785", "2026-01-01", "2026-12-31", "01004", 100, ""), nil}},
		"lan":   {insurance.Request{Number: "024301006420", FullName: "Mai Thị Lan", DateOfBirth: "2001-04-18", Sex: "female"}, want{insurance.Eligible, "004", "PROCEED", nil, lan, nil}},

		"an by card code":          {insurance.Request{CardCode: "gd4010123456789", FullName: "NGUYEN VAN AN", DateOfBirth: "1999"}, want{insurance.Eligible, "000", "PROCEED", nil, card("GD4010123456789", "2026-01-01", "2026-12-31", "01004", 80, "2027-01-01"), []insurance.Difference{{Field: "fullName", Kind: "diacritics"}, {Field: "dateOfBirth", Kind: "precision"}}}},
		"an by insurance number":   {insurance.Request{Number: "0123456789", FullName: "Nguyễn Văn An", DateOfBirth: "1999-01-01"}, want{insurance.Eligible, "000", "PROCEED", nil, card("GD4010123456789", "2026-01-01", "2026-12-31", "01004", 80, "2027-01-01"), nil}},
		"an born on another day":   {insurance.Request{Number: "001099012345", FullName: "Nguyễn Văn An", DateOfBirth: "1999-02-01"}, want{insurance.Check, "070", "CHECK_IDENTITY", nil, nil, []insurance.Difference{{Field: "dateOfBirth", Kind: "value"}}}},
		"nobody":                   {insurance.Request{Number: "001099000000", FullName: "Nguyễn Văn An", DateOfBirth: "1999-01-01"}, want{insurance.NotEligible, "050", "ASK_INSURANCE_CARD", nil, nil, nil}},
		"card of no province":      {insurance.Request{CardCode: "GD4000123456789", FullName: "Nguyễn Văn An", DateOfBirth: "1999-01-01"}, want{insurance.Check, "052", "FIX_INPUT", nil, nil, nil}},
		"number of the wrong form": {insurance.Request{Number: "12345", FullName: "Nguyễn Văn An", DateOfBirth: "1999-01-01"}, want{err: insurance.ErrRequest}},
		"card of the wrong form":   {insurance.Request{CardCode: "GD901012345678X", FullName: "Nguyễn Văn An", DateOfBirth: "1999-01-01"}, want{err: insurance.ErrRequest}},
		"no name":                  {insurance.Request{Number: "001099012345", FullName: " \u200b", DateOfBirth: "1999-01-01"}, want{err: insurance.ErrRequest}},
		"endless name":             {insurance.Request{Number: "001099012345", FullName: strings.Repeat("An ", 5000), DateOfBirth: "1999-01-01"}, want{err: insurance.ErrRequest}},
		"no date of birth":         {insurance.Request{Number: "001099012345", FullName: "Nguyễn Văn An"}, want{err: insurance.ErrRequest}},
		"no such date":             {insurance.Request{Number: "001099012345", FullName: "Nguyễn Văn An", DateOfBirth: "1999-02-30"}, want{err: insurance.ErrRequest}},
	} {
		t.Run(name, func(t *testing.T) {
			e, err := client.Check(context.Background(), c.q)
			if c.w.err != nil {
				if !errors.Is(err, c.w.err) {
					t.Errorf("error %v, want %v", err, c.w.err)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			want := insurance.Eligibility{State: c.w.state, Source: "bhyt-gateway", AsOf: now, Code: c.w.code, Advice: c.w.advice, Card: c.w.card, Differences: c.w.differs}
			if d := cmp.Diff(want, e, cmpopts.IgnoreFields(insurance.Eligibility{}, "Raw", "Text", "TextEN"),
				cmpopts.IgnoreFields(insurance.Difference{}, "Cause", "Between", "Advice")); d != "" {
				t.Error(d)
			}
		})
	}
}

// Each scenario of the gateway is one kind of error, or is survived.
func TestScenarios(t *testing.T) {
	for scenario, want := range map[localgateway.Scenario]error{
		localgateway.Normal:             nil,
		localgateway.Down:               insurance.ErrUnreachable,
		localgateway.Late:               insurance.ErrUnreachable,
		localgateway.Drip:               insurance.ErrUnreachable,
		localgateway.Cut:                insurance.ErrUnreachable,
		localgateway.HTML503:            insurance.ErrUnreachable,
		localgateway.HTML:               insurance.ErrGarbage,
		localgateway.Garbage:            insurance.ErrGarbage,
		localgateway.Truncated:          insurance.ErrGarbage,
		localgateway.Huge:               insurance.ErrGarbage,
		localgateway.Redirect:           insurance.ErrGarbage,
		localgateway.UnauthorizedOnce:   nil,
		localgateway.UnauthorizedHTTP:   nil,
		localgateway.UnauthorizedAlways: insurance.ErrRejected,
		localgateway.Forbidden:          insurance.ErrRejected,
		localgateway.History:            nil,
		localgateway.Restless:           nil,
		localgateway.Nulls:              nil,
		localgateway.Absurd:             nil,
		localgateway.LookedUp:           nil,
		localgateway.TCVN3:              nil,
		localgateway.TCVN3Bytes:         nil,
		localgateway.VNI:                nil,
		localgateway.Coded400:           nil,
		localgateway.Overloaded:         nil,
		localgateway.TooMany:            insurance.ErrUnreachable,
		localgateway.HistoryDown:        nil,
		"code:100":                      insurance.ErrUnreachable,
		"code:054":                      insurance.ErrRejected,
		"code:205":                      insurance.ErrRequest,
		"code:ZZ9":                      nil,
	} {
		for _, when := range []string{"from the first call", "after a good one"} {
			t.Run(string(scenario)+" "+when, func(t *testing.T) {
				g, base := gateway(t, localgateway.Options{Delay: time.Hour})
				client := newClient(t, base, func(c *bhyt.Config) {
					if scenario == localgateway.Late || scenario == localgateway.Drip { // what never ends is waited for
						c.Timeout = 500 * time.Millisecond
					}
				})
				if when == "after a good one" {
					if _, err := client.Check(context.Background(), an); err != nil {
						t.Fatal(err)
					}
				}
				if err := g.Set(scenario); err != nil {
					t.Fatal(err)
				}
				e, err := client.Check(context.Background(), an)
				if !errors.Is(err, want) || (err == nil) != (want == nil) {
					t.Fatalf("error %v, want %v", err, want)
				}
				if scenario == "code:ZZ9" && (e.State != insurance.Unknown || e.Code != "ZZ9" || e.Text == "") {
					t.Errorf("%+v", e)
				}
				if strings.Contains(string(e.Raw), "J18") {
					t.Error("a diagnosis is kept")
				}
				if want == insurance.ErrRejected || scenario == localgateway.TooMany { // who refuses, or says when, is not asked again at once
					return
				}
				// And it is well again as soon as the gateway is.
				if err := g.Set(localgateway.Normal); err != nil {
					t.Fatal(err)
				}
				if e, err := client.Check(context.Background(), an); err != nil || e.State != insurance.Eligible {
					t.Errorf("afterwards: %v %v", e.State, err)
				}
			})
		}
	}
}

// A persistent 401 costs one new token and one more look-up, not a loop.
func TestOneRefreshOneRetry(t *testing.T) {
	for scenario, want := range map[localgateway.Scenario]localgateway.Calls{
		localgateway.UnauthorizedOnce:   {Token: 2, Lookup: 3},
		localgateway.UnauthorizedHTTP:   {Token: 2, Lookup: 3},
		localgateway.UnauthorizedAlways: {Token: 2, Lookup: 3},
		localgateway.Forbidden:          {Token: 2, Lookup: 3},
	} {
		g, base := gateway(t, localgateway.Options{})
		client := newClient(t, base, nil)
		_, _ = client.Check(context.Background(), an)
		_ = g.Set(scenario)
		_, _ = client.Check(context.Background(), an)
		if d := cmp.Diff(want, g.Calls()); d != "" {
			t.Errorf("%s: %s", scenario, d)
		}
	}
}

func TestWrongAccount(t *testing.T) {
	for name, change := range map[string]func(*bhyt.Config){
		"password":     func(c *bhyt.Config) { c.Password = "another" },
		"user":         func(c *bhyt.Config) { c.Username = "99999_BV" },
		"staff number": func(c *bhyt.Config) { c.StaffNumber = "001180000002" },
		"staff name":   func(c *bhyt.Config) { c.StaffName = "Lê Văn Thu" },
	} {
		g, base := gateway(t, localgateway.Options{})
		client := newClient(t, base, change)
		for n := range 5 {
			_, err := client.Check(context.Background(), an)
			if !errors.Is(err, insurance.ErrRejected) || errors.Is(err, insurance.ErrUnreachable) {
				t.Errorf("%s: %v", name, err)
			}
			if asked := !errors.Is(err, insurance.ErrNotAsked); asked != (n == 0 || strings.HasPrefix(name, "staff")) { // staff is refused by the look-up
				t.Errorf("%s, look-up %d: says that the gateway was asked: %v", name, n, asked)
			}
		}
		if n := g.Calls().Token; n != 1 {
			t.Errorf("%s: %d tries to log in", name, n)
		}
	}
	// After half a minute it is tried again.
	g, base := gateway(t, localgateway.Options{})
	at := now
	client := newClient(t, base, func(c *bhyt.Config) { c.Password, c.Now = "another", func() time.Time { return at } })
	for range 2 {
		_, _ = client.Check(context.Background(), an)
		at = at.Add(31 * time.Second)
	}
	if n := g.Calls().Token; n != 2 {
		t.Errorf("%d tries to log in, want 2", n)
	}
}

// Only the gateway gives result codes. What refuses the log-in without one, such as a proxy in between, is a refusal too,
// and nobody makes up a code for it.
func TestRefusedLogInKeepsItsCode(t *testing.T) {
	for name, c := range map[string]struct {
		status       int
		answer, code string
	}{
		"the gateway, by code":        {200, `{"maKetQua":"401"}`, "401"},
		"the gateway, by both":        {401, `{"maKetQua":"401"}`, "401"},
		"the gateway, as a number":    {401, `{"maKetQua":401}`, "401"},
		"no right to look up":         {403, `{"maKetQua":"403"}`, "403"},
		"another code":                {403, `{"maKetQua":"054"}`, "054"},
		"a proxy's page":              {403, `<html><body>Access denied</body></html>`, ""},
		"a proxy that wants a log-in": {401, `<html>`, ""},
		"nothing":                     {401, ``, ""},
		"JSON of somebody else":       {403, `{"error":"forbidden"}`, ""},
		"a code that is none":         {403, `{"maKetQua":"denied by policy 17"}`, ""},
	} {
		s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(c.status)
			_, _ = io.WriteString(w, c.answer)
		}))
		_, err := newClient(t, s.URL, nil).Check(context.Background(), an)
		s.Close()
		var coded *insurance.CodeError
		got := ""
		if errors.As(err, &coded) {
			got = coded.Code
		}
		if !errors.Is(err, insurance.ErrRejected) || got != c.code {
			t.Errorf("%s: code %q, %v; want code %q", name, got, err, c.code)
		}
	}
}

// The token is used until 60 s before its end, which the gateway gives in UTC with seven digits.
func TestTokenLife(t *testing.T) {
	var after atomic.Int64
	clock := func() time.Time { return now.Add(time.Duration(after.Load())) }
	g, base := gateway(t, localgateway.Options{TokenLife: 10 * time.Minute, Now: clock})
	client := newClient(t, base, func(c *bhyt.Config) { c.Now = clock })
	for _, step := range []struct {
		after time.Duration
		want  int
	}{{0, 1}, {9*time.Minute - time.Second, 1}, {9 * time.Minute, 2}, {15 * time.Minute, 2}, {18*time.Minute + time.Second, 3}} {
		after.Store(int64(step.after))
		if _, err := client.Check(context.Background(), an); err != nil {
			t.Fatal(err)
		}
		for g.Calls().Token < step.want { // the refresh goes on beside the look-up
			time.Sleep(time.Millisecond)
		}
		if _, err := client.Check(context.Background(), an); err != nil {
			t.Fatal(err)
		}
		if got := g.Calls().Token; got != step.want {
			t.Errorf("after %v: %d tokens, want %d", step.after, got, step.want)
		}
	}
}

// Whatever the gateway says of a token's end, it is used, and not asked for at each look-up.
func TestTokenOdd(t *testing.T) {
	for name, c := range map[string]struct {
		answer string
		want   error
	}{
		"no end":        {`{"maKetQua":"200","APIKey":{"access_token":"a","id_token":"i"}}`, nil},
		"end is no end": {`{"maKetQua":"200","APIKey":{"access_token":"a","id_token":"i","expires_in":"soon"}}`, nil},
		"seconds":       {`{"maKetQua":200,"APIKey":{"access_token":"a","id_token":"i","expires_in":3600}}`, nil},
		"long over":     {`{"maKetQua":"200","APIKey":{"access_token":"a","id_token":"i","expires_in":"2001-08-29T08:33:08.5454145Z"}}`, nil},
		"without Z":     {`{"maKetQua":"200","APIKey":{"access_token":"a","id_token":"i","expires_in":"2099-08-29T08:33:08.5454145"}}`, nil},
		"no id":         {`{"maKetQua":"200","APIKey":{"access_token":"a"}}`, nil},
		"no key":        {`{"maKetQua":"200"}`, insurance.ErrGarbage},
		"null key":      {`{"maKetQua":"200","APIKey":null}`, insurance.ErrGarbage},
		"empty token":   {`{"maKetQua":"200","APIKey":{"access_token":""}}`, insurance.ErrGarbage},
		"endless token": {`{"maKetQua":"200","APIKey":{"access_token":"` + strings.Repeat("a", 9000) + `"}}`, insurance.ErrGarbage},
		"no code":       {`{"APIKey":{"access_token":"a"}}`, insurance.ErrGarbage},
		"refused":       {`{"maKetQua":"401"}`, insurance.ErrRejected},
		"portal fault":  {`{"maKetQua":"500"}`, insurance.ErrUnreachable},
		"odd code":      {`{"maKetQua":"999"}`, insurance.ErrGarbage},
		"no JSON":       {`<html></html>`, insurance.ErrGarbage},
	} {
		t.Run(name, func(t *testing.T) {
			var tokens atomic.Int64
			s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if r.URL.Path == bhyt.PathToken {
					tokens.Add(1)
					_, _ = io.WriteString(w, c.answer)
					return
				}
				_, _ = io.WriteString(w, `{"maKetQua":"000"}`)
			}))
			defer s.Close()
			client := newClient(t, s.URL, nil)
			for range 3 {
				if _, err := client.Check(context.Background(), an); !errors.Is(err, c.want) || (err == nil) != (c.want == nil) {
					t.Errorf("error %v, want %v", err, c.want)
				}
			}
			if c.want == nil && tokens.Load() != 1 {
				t.Errorf("%d tokens for three look-ups", tokens.Load())
			}
		})
	}
}

// Many look-ups wait for one token; who leaves early disturbs nobody; and when all have left, the fetch is given up.
func TestOneTokenForMany(t *testing.T) {
	var tokens atomic.Int64
	entered, release, left := make(chan struct{}), make(chan struct{}), make(chan struct{}, 10)
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == bhyt.PathToken {
			_, _ = io.Copy(io.Discard, r.Body)
			if tokens.Add(1) == 1 {
				close(entered)
			}
			select {
			case <-release:
			case <-r.Context().Done():
				left <- struct{}{}
				return
			}
			_, _ = io.WriteString(w, `{"maKetQua":"200","APIKey":{"access_token":"a","id_token":"i"}}`)
			return
		}
		_, _ = io.WriteString(w, `{"maKetQua":"000"}`)
	}))
	defer s.Close()
	client := newClient(t, s.URL, nil)

	impatient, leave := context.WithCancel(context.Background())
	var wg sync.WaitGroup
	results, early := make(chan error, 100), make(chan error, 1)
	wg.Add(1)
	go func() { defer wg.Done(); _, err := client.Check(impatient, an); early <- err }()
	<-entered // the impatient one began the fetch
	for range 100 {
		wg.Add(1)
		go func() { defer wg.Done(); _, err := client.Check(context.Background(), an); results <- err }()
	}
	leave()
	if err := <-early; !errors.Is(err, context.Canceled) || errors.Is(err, insurance.ErrUnreachable) {
		t.Errorf("who left got %v", err)
	}
	close(release)
	wg.Wait()
	for range 100 {
		if err := <-results; err != nil {
			t.Error(err)
		}
	}
	// The one who left may have been the only one at that moment: then the others began another.
	if n := tokens.Load(); n > 2 {
		t.Errorf("%d tokens for 100 look-ups", n)
	}

	tokens.Store(0)
	entered, release = make(chan struct{}), make(chan struct{})
	for len(left) > 0 {
		<-left
	}
	alone := newClient(t, s.URL, nil)
	ctx, cancel := context.WithCancel(context.Background())
	go func() { <-entered; cancel() }()
	if _, err := alone.Check(ctx, an); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
	<-left // the gateway sees that nobody wants it any more
	close(release)
}

// Check ends with its context, and says which end it was.
func TestContext(t *testing.T) {
	g, base := gateway(t, localgateway.Options{Delay: time.Hour})
	client := newClient(t, base, nil)
	if _, err := client.Check(context.Background(), an); err != nil {
		t.Fatal(err)
	}
	for _, scenario := range []localgateway.Scenario{localgateway.Late, localgateway.Drip} {
		_ = g.Set(scenario)
		ctx, cancel := context.WithTimeout(context.Background(), 20*time.Millisecond)
		if _, err := client.Check(ctx, an); !errors.Is(err, insurance.ErrUnreachable) || !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("%s, over time: %v", scenario, err)
		}
		cancel()
		ctx, cancel = context.WithCancel(context.Background())
		stop := time.AfterFunc(10*time.Millisecond, cancel)
		if _, err := client.Check(ctx, an); !errors.Is(err, context.Canceled) || errors.Is(err, insurance.ErrUnreachable) {
			t.Errorf("%s, cancelled: %v", scenario, err)
		}
		stop.Stop()
		cancel()
	}
	before := g.Calls()
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if _, err := client.Check(ctx, an); !errors.Is(err, context.Canceled) || !errors.Is(err, insurance.ErrNotAsked) {
		t.Error(err)
	}
	if _, err := client.Check(context.Background(), insurance.Request{Number: "1"}); !errors.Is(err, insurance.ErrRequest) || !errors.Is(err, insurance.ErrNotAsked) {
		t.Error(err)
	}
	if g.Calls() != before {
		t.Error("somebody was asked for nobody")
	}
}

// A connection that the gateway has given up costs one quick repeat and no failure.
func TestStaleConnection(t *testing.T) {
	var calls atomic.Int64
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == bhyt.PathLookup && calls.Add(1) == 1 {
			c, _, err := http.NewResponseController(w).Hijack()
			if err == nil {
				_ = c.Close()
			}
			return
		}
		if r.URL.Path == bhyt.PathToken {
			_, _ = io.WriteString(w, `{"maKetQua":"200","APIKey":{"access_token":"a","id_token":"i"}}`)
			return
		}
		_, _ = io.WriteString(w, `{"maKetQua":"000"}`)
	}))
	defer s.Close()
	if _, err := newClient(t, s.URL, nil).Check(context.Background(), an); err != nil {
		t.Error(err)
	}
	if calls.Load() != 2 {
		t.Errorf("%d calls", calls.Load())
	}
}

// After five failures in a row nobody waits for a gateway that is down.
func TestBreaker(t *testing.T) {
	g, base := gateway(t, localgateway.Options{})
	client := newClient(t, base, nil)
	_ = g.Set(localgateway.HTML503)
	for range 5 {
		if _, err := client.Check(context.Background(), an); !errors.Is(err, insurance.ErrUnreachable) || errors.Is(err, insurance.ErrNotAsked) {
			t.Fatal(err)
		}
	}
	before := g.Calls()
	if _, err := client.Check(context.Background(), an); !errors.Is(err, insurance.ErrNotAsked) || !errors.Is(err, insurance.ErrUnreachable) {
		t.Error(err)
	}
	if g.Calls() != before {
		t.Error("the gateway was asked nevertheless")
	}
	// Persons that are refused, and bad questions, are no failures of the gateway.
	_, base = gateway(t, localgateway.Options{})
	client = newClient(t, base, nil)
	for range 10 {
		_, _ = client.Check(context.Background(), insurance.Request{Number: "1"})
		if _, err := client.Check(context.Background(), insurance.Request{Number: "001099000000", FullName: "X", DateOfBirth: "1999"}); err != nil {
			t.Fatal(err)
		}
	}
}

// A caller without patience is no failure of the gateway, and keeps nobody from asking; a gateway that had its time is one.
func TestImpatientCallers(t *testing.T) {
	var answers atomic.Bool
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == bhyt.PathToken {
			_, _ = io.WriteString(w, `{"maKetQua":"200","APIKey":{"access_token":"a","id_token":"i"}}`)
			return
		}
		_, _ = io.Copy(io.Discard, r.Body)
		if answers.Load() {
			_, _ = io.WriteString(w, `{"maKetQua":"000"}`)
			return
		}
		<-r.Context().Done()
	}))
	defer s.Close()
	client := newClient(t, s.URL, func(c *bhyt.Config) { c.Timeout = time.Second })
	for range 10 {
		ctx, cancel := context.WithTimeout(context.Background(), 20*time.Millisecond)
		if _, err := client.Check(ctx, an); !errors.Is(err, context.DeadlineExceeded) || !errors.Is(err, insurance.ErrUnreachable) {
			t.Error(err)
		}
		cancel()
	}
	answers.Store(true)
	if _, err := client.Check(context.Background(), an); err != nil {
		t.Errorf("who waits is not asked for: %v", err)
	}
	answers.Store(false)
	var all sync.WaitGroup
	for range 5 {
		all.Go(func() {
			ctx, cancel := context.WithTimeout(context.Background(), 500*time.Millisecond)
			defer cancel()
			_, _ = client.Check(ctx, an)
		})
	}
	all.Wait()
	if _, err := client.Check(context.Background(), an); !errors.Is(err, insurance.ErrNotAsked) {
		t.Errorf("a gateway that hung five times: %v", err)
	}
}

// What is sent is what the gateway's description says.
func TestOnTheWire(t *testing.T) {
	type sent struct {
		path, contentType string
		query             url.Values
		body              map[string]string
	}
	var mu sync.Mutex
	var all []sent
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		x := sent{path: r.Method + " " + r.URL.Path, contentType: r.Header.Get("Content-Type"), query: r.URL.Query()}
		_ = json.NewDecoder(r.Body).Decode(&x.body)
		mu.Lock()
		all = append(all, x)
		mu.Unlock()
		if r.URL.Path == bhyt.PathToken {
			_, _ = io.WriteString(w, `{"maKetQua":"200","APIKey":{"access_token":"acc+/=","id_token":"idt"}}`)
			return
		}
		_, _ = io.WriteString(w, `{"maKetQua":"000"}`)
	}))
	defer s.Close()
	if _, err := newClient(t, s.URL, nil).Check(context.Background(), an); err != nil {
		t.Fatal(err)
	}
	a := localgateway.New(localgateway.Options{}).Account()
	sum := md5.Sum([]byte(a.Password))
	hash := hex.EncodeToString(sum[:])
	want := []sent{
		{"POST /api/token/take", "application/json; charset=utf-8", url.Values{}, map[string]string{"username": a.Username, "password": hash}},
		{"POST /api/egw/KQNhanLichSuKCB2024", "application/json; charset=utf-8",
			url.Values{"token": {"acc+/="}, "id_token": {"idt"}, "username": {a.Username}, "password": {hash}},
			map[string]string{"maThe": "001099012345", "hoTen": "Nguyễn Văn An", "ngaySinh": "01/01/1999", "hoTenCb": a.StaffName, "cccdCb": a.StaffNumber}},
	}
	if d := cmp.Diff(want, all, cmp.AllowUnexported(sent{})); d != "" {
		t.Error(d)
	}
}

// No error and no log line holds a URL, a token, the account or the person, in any failure.
func TestNothingLeaks(t *testing.T) {
	var out locked
	log.SetOutput(&out)
	defer log.SetOutput(io.Discard)
	a := localgateway.New(localgateway.Options{}).Account()
	sum := md5.Sum([]byte(a.Password))
	hash := hex.EncodeToString(sum[:])
	secrets := []string{a.Username, a.Password, hash, strings.ToUpper(hash), a.StaffName, a.StaffNumber, "token=", "KQNhan", "http://", "https://",
		an.Number, an.FullName, "NGUYEN VAN AN", "Nguyen", url.QueryEscape(an.FullName), "GD4010123456789", "Hoàn Kiếm", "127.0.0.1"}
	note := func(event string, fields map[string]any) { fmt.Fprintln(&out, event, fields) }
	told := func(err error) {
		for e := err; e != nil; e = errors.Unwrap(e) {
			fmt.Fprintf(&out, "%v %+v %q\n", e, e, e)
		}
		var ue *url.Error
		var oe *net.OpError
		if errors.As(err, &ue) || errors.As(err, &oe) {
			t.Errorf("%v still carries an error of the network", err)
		}
	}
	for _, scenario := range []localgateway.Scenario{localgateway.Normal, localgateway.Down, localgateway.Late, localgateway.Garbage, localgateway.HTML, localgateway.Truncated,
		localgateway.Cut, localgateway.Huge, localgateway.Redirect, localgateway.UnauthorizedAlways, localgateway.Forbidden, "code:205", "code:100"} {
		g, base := gateway(t, localgateway.Options{Delay: time.Hour})
		client := newClient(t, base, func(c *bhyt.Config) { c.Log, c.Timeout = note, 150*time.Millisecond })
		_, _ = client.Check(context.Background(), an)
		_ = g.Set(scenario)
		_, err := client.Check(context.Background(), an)
		told(err)
		fmt.Fprintf(&out, "%v %+v\n", client.Name(), bhyt.Config{Password: "x"}.Password)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	_ = l.Close()
	for _, base := range []string{"http://" + l.Addr().String(), "https://nowhere.invalid"} {
		client := newClient(t, base, func(c *bhyt.Config) { c.Log = note })
		_, err := client.Check(context.Background(), an)
		if !errors.Is(err, insurance.ErrUnreachable) {
			t.Errorf("%s: %v", base, err)
		}
		told(err)
	}
	for _, c := range []bhyt.Config{
		{BaseURL: "http://egw.example/secret?token=1", Username: a.Username, Password: bhyt.Secret(a.Password), StaffName: a.StaffName, StaffNumber: bhyt.Secret(a.StaffNumber)},
		{BaseURL: bhyt.Production, Username: strings.Repeat(a.Username, 20), Password: bhyt.Secret(a.Password)},
		{BaseURL: bhyt.Production, Username: "x", Password: bhyt.Secret(a.Password), StaffName: a.StaffName, StaffNumber: bhyt.Secret("x" + a.StaffNumber)},
	} {
		_, err := bhyt.New(c)
		if err == nil {
			t.Error("a wrong setting was taken")
		} else if strings.Contains(err.Error(), a.Username) || strings.Contains(err.Error(), "secret") || strings.Contains(err.Error(), a.StaffNumber) {
			t.Errorf("the error tells a value: %v", err)
		}
	}
	for _, s := range secrets {
		if strings.Contains(out.String(), s) {
			t.Errorf("%q was told:\n%s", s, out.String())
		}
	}
}

// locked is a buffer that goroutines share.
type locked struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *locked) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *locked) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

func TestSecretIsSilent(t *testing.T) {
	s := bhyt.Secret("mật khẩu")
	j, err := json.Marshal(map[string]any{"s": s})
	if err != nil {
		t.Fatal(err)
	}
	for _, got := range []string{fmt.Sprint(s), fmt.Sprintf("%v %+v %#v %s %q %x %d", s, s, s, s, s, s, s), fmt.Sprintf("%+v", bhyt.Config{Password: s}), fmt.Sprintf("%#v", bhyt.Config{Password: s}), string(j), s.String()} {
		if strings.Contains(got, "mật") || strings.Contains(got, hex.EncodeToString([]byte("mật"))) || !strings.Contains(got, "[redacted]") {
			t.Errorf("%s", got)
		}
	}
}

func TestSettings(t *testing.T) {
	good := func() bhyt.Config {
		return bhyt.Config{BaseURL: bhyt.Production, Username: "01004_BV", Password: "p", StaffName: "Lê Thị Thu", StaffNumber: "001180000001"}
	}
	for name, change := range map[string]func(*bhyt.Config){
		"plain http":       func(c *bhyt.Config) { c.BaseURL = "http://egw.example" },
		"http localhost":   func(c *bhyt.Config) { c.BaseURL = "http://localhost:80" }, // a name may mean anything
		"http lookalike":   func(c *bhyt.Config) { c.BaseURL = "http://127.0.0.1.example" },
		"no scheme":        func(c *bhyt.Config) { c.BaseURL = "egw.baohiemxahoi.gov.vn" },
		"other scheme":     func(c *bhyt.Config) { c.BaseURL = "ftp://egw.example" },
		"user in URL":      func(c *bhyt.Config) { c.BaseURL = "https://u:p@egw.example" },
		"path in URL":      func(c *bhyt.Config) { c.BaseURL = "https://egw.example/api" },
		"query in URL":     func(c *bhyt.Config) { c.BaseURL = "https://egw.example?x=1" },
		"no user":          func(c *bhyt.Config) { c.Username = "" },
		"no password":      func(c *bhyt.Config) { c.Password = "" },
		"no staff":         func(c *bhyt.Config) { c.StaffName = " " },
		"no staff number":  func(c *bhyt.Config) { c.StaffNumber = "" },
		"staff number":     func(c *bhyt.Config) { c.StaffNumber = "00118000000a" },
		"negative timeout": func(c *bhyt.Config) { c.Timeout = -1 },
	} {
		c := good()
		change(&c)
		if _, err := bhyt.New(c); err == nil {
			t.Errorf("%s was taken", name)
		}
	}
	for _, base := range []string{bhyt.Production, bhyt.Training + "/", "http://127.0.0.1:8080", "http://[::1]:8080"} {
		c := good()
		c.BaseURL = base
		if _, err := bhyt.New(c); err != nil {
			t.Errorf("%s: %v", base, err)
		}
	}
}

func TestTLS(t *testing.T) {
	g := localgateway.New(localgateway.Options{Now: clock})
	s := httptest.NewUnstartedServer(g)
	s.Config.ErrorLog = log.New(io.Discard, "", 0)
	s.StartTLS()
	defer s.Close()
	if _, err := newClient(t, s.URL, nil).Check(context.Background(), an); !errors.Is(err, insurance.ErrUnreachable) {
		t.Errorf("a certificate that nobody trusts: %v", err)
	}
	client := newClient(t, s.URL, func(c *bhyt.Config) {
		c.RootCAs = s.Client().Transport.(*http.Transport).TLSClientConfig.RootCAs
	})
	if e, err := client.Check(context.Background(), an); err != nil || e.State != insurance.Eligible {
		t.Errorf("%v %v", e.State, err)
	}
}

// A proxy carries the encrypted connection and sees a host name, nothing more; plain http goes through none.
func TestProxy(t *testing.T) {
	s := httptest.NewTLSServer(localgateway.New(localgateway.Options{Now: clock}))
	defer s.Close()
	var seen locked
	proxy := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprintln(&seen, r.Method, r.RequestURI, r.Header)
		there, err := net.Dial("tcp", s.Listener.Addr().String())
		if err != nil {
			t.Error(err)
			return
		}
		here, _, err := http.NewResponseController(w).Hijack()
		if err != nil {
			t.Error(err)
			return
		}
		_, _ = io.WriteString(here, "HTTP/1.1 200 OK\r\n\r\n")
		go func() { _, _ = io.Copy(there, here); _ = there.Close() }()
		_, _ = io.Copy(here, there)
		_ = here.Close()
	}))
	defer proxy.Close()
	through, err := bhyt.ParseProxy(proxy.URL)
	if err != nil {
		t.Fatal(err)
	}
	client := newClient(t, "https://example.com", func(c *bhyt.Config) { // which the server has a certificate for
		c.Proxy, c.RootCAs = through, s.Client().Transport.(*http.Transport).TLSClientConfig.RootCAs
	})
	if e, err := client.Check(context.Background(), an); err != nil || e.State != insurance.Eligible {
		t.Fatalf("%v %v", e.State, err)
	}
	_ = client.Close()
	if got, want := seen.String(), "CONNECT example.com:443"; !strings.HasPrefix(got, want) || strings.Contains(got, "BV") || strings.Contains(got, "egw") {
		t.Errorf("the proxy saw %s", got)
	}

	// What is on this machine goes through none, encrypted or not.
	_, base := gateway(t, localgateway.Options{})
	for _, base := range []string{base, s.URL} {
		client = newClient(t, base, func(c *bhyt.Config) {
			c.Proxy = func(*http.Request) (*url.URL, error) { t.Error("went to a proxy"); return nil, nil }
			c.RootCAs = s.Client().Transport.(*http.Transport).TLSClientConfig.RootCAs
		})
		if _, err := client.Check(context.Background(), an); err != nil {
			t.Error(err)
		}
	}
}

// Look-ups one after another share a connection.
func TestConnectionIsKept(t *testing.T) {
	var opened atomic.Int64
	s := httptest.NewUnstartedServer(localgateway.New(localgateway.Options{Now: clock}))
	s.Config.ConnState = func(_ net.Conn, state http.ConnState) {
		if state == http.StateNew {
			opened.Add(1)
		}
	}
	s.Start()
	defer s.Close()
	client := newClient(t, s.URL, nil)
	for range 20 {
		if _, err := client.Check(context.Background(), an); err != nil {
			t.Fatal(err)
		}
	}
	if n := opened.Load(); n != 1 {
		t.Errorf("%d connections for 20 look-ups", n)
	}
}

func TestParseProxy(t *testing.T) {
	r := httptest.NewRequest(http.MethodPost, "https://gateway.example/", nil)
	for in, want := range map[string]string{"none": "", "http://proxy.example:3128": "http://proxy.example:3128", "https://proxy.example/": "https://proxy.example"} {
		f, err := bhyt.ParseProxy(in)
		if err != nil {
			t.Errorf("%s: %v", in, err)
			continue
		}
		got := ""
		if u, _ := f(r); u != nil {
			got = u.String()
		}
		if got != want {
			t.Errorf("%s: %q, want %q", in, got, want)
		}
	}
	for _, in := range []string{"proxy.example:3128", "socks5://proxy.example", "http://user:secret@proxy.example", "http://proxy.example/path", "http://", "http://proxy.example?x=1"} {
		if _, err := bhyt.ParseProxy(in); err == nil || strings.Contains(err.Error(), "secret") {
			t.Errorf("%s: %v", in, err)
		}
	}
}
