package bhyt_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"os/exec"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/tapcheck/tapcheck/insurance"
	"github.com/tapcheck/tapcheck/insurance/bhyt"
	"github.com/tapcheck/tapcheck/insurance/bhyt/localgateway"
)

// A hundred desks that check in at once share one token, also when it is refused to all of them at once.
func TestHundredAtOnce(t *testing.T) {
	g, base := gateway(t, localgateway.Options{Latency: 5 * time.Millisecond})
	client := newClient(t, base, nil)
	all := func() {
		t.Helper()
		var wg sync.WaitGroup
		for range 100 {
			wg.Go(func() {
				if e, err := client.Check(context.Background(), an); err != nil || e.State != insurance.Eligible {
					t.Errorf("%v %v", e.State, err)
				}
			})
		}
		wg.Wait()
	}
	all()
	if d := cmp.Diff(localgateway.Calls{Token: 1, Lookup: 100}, g.Calls()); d != "" {
		t.Error(d)
	}
	_ = g.Set(localgateway.UnauthorizedOnce) // and every token is void
	all()
	if n := g.Calls().Token; n != 2 {
		t.Errorf("%d tokens", n)
	}
}

// No more calls than are allowed are at the gateway at the same time, and who waits for his turn in vain has asked nobody.
func TestParallel(t *testing.T) {
	var now, most atomic.Int64
	release := make(chan struct{})
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		if r.URL.Path == bhyt.PathToken {
			_, _ = io.WriteString(w, `{"maKetQua":"200","APIKey":{"access_token":"a","id_token":"i"}}`)
			return
		}
		n := now.Add(1)
		defer now.Add(-1)
		for m := most.Load(); n > m && !most.CompareAndSwap(m, n); m = most.Load() {
		}
		<-release
		_, _ = io.WriteString(w, `{"maKetQua":"000"}`)
	}))
	defer s.Close()
	client := newClient(t, s.URL, func(c *bhyt.Config) { c.Parallel = 3 })
	var wg sync.WaitGroup
	for range 20 {
		wg.Go(func() {
			if _, err := client.Check(context.Background(), an); err != nil {
				t.Error(err)
			}
		})
	}
	for now.Load() < 3 {
		time.Sleep(time.Millisecond)
	}
	ctx, cancel := context.WithCancel(context.Background())
	time.AfterFunc(20*time.Millisecond, cancel)
	if _, err := client.Check(ctx, an); !errors.Is(err, insurance.ErrNotAsked) || !errors.Is(err, context.Canceled) {
		t.Errorf("who waited in vain: %v", err)
	}
	close(release)
	wg.Wait()
	if most.Load() != 3 {
		t.Errorf("%d at the same time", most.Load())
	}
}

// History is a call of its own, form-urlencoded, with the same fields; what goes wrong with it is its own affair.
func TestHistory(t *testing.T) {
	g, base := gateway(t, localgateway.Options{})
	client := newClient(t, base, nil)
	h, err := client.History(context.Background(), an)
	if err != nil || h.Code != "200" || !h.AsOf.Equal(now) || len(h.Visits) != 2 || h.More {
		t.Fatalf("%+v %v", h, err)
	}
	want := insurance.Visit{ID: "202500000001", Facility: "01004", From: now.AddDate(0, 0, -90).Truncate(time.Minute), To: now.AddDate(0, 0, -90).Add(3 * time.Hour).Truncate(time.Minute),
		Diagnosis: "Viêm họng cấp (mô phỏng)", Discharge: "1", Outcome: "2", Reason: "1"}
	if d := cmp.Diff(want, h.Visits[0]); d != "" {
		t.Error(d)
	}
	if got := g.Calls(); got != (localgateway.Calls{Token: 1, History: 1}) {
		t.Errorf("%+v", got)
	}
	nobody := an
	nobody.Number = "001099000000"
	if h, err := client.History(context.Background(), nobody); err != nil || h.Visits != nil {
		t.Errorf("of nobody: %+v %v", h, err)
	}
	another := an
	another.FullName = "Nguyễn Văn Khác"
	if h, err := client.History(context.Background(), another); err != nil || h.Visits != nil {
		t.Errorf("of somebody who is asked about by another name: %+v %v", h, err)
	}
	_ = g.Set(localgateway.UnauthorizedOnce)
	if _, err := client.Check(context.Background(), an); err != nil {
		t.Error(err)
	}
	_ = g.Set(localgateway.HistoryDown)
	for range 6 {
		if _, err := client.History(context.Background(), an); !errors.Is(err, insurance.ErrUnreachable) {
			t.Error(err)
		}
	}
	if e, err := client.Check(context.Background(), an); err != nil || e.State != insurance.Eligible || e.History != nil {
		t.Errorf("a look-up beside it: %+v %v", e, err)
	}
}

// What comes back of a history is taken over as far as it is one.
func TestHistoryAnswers(t *testing.T) {
	long := `[` + strings.TrimSuffix(strings.Repeat(`{"maCSKCB":"79013","ngayVao":"202501020800"},`, 250), ",") + `]`
	for name, c := range map[string]struct {
		status       int
		body         string
		want         error
		visits, code string
		more         bool
	}{
		"null":           {200, `{"maKetQua":"200","dsLichSuKCB2025":null}`, nil, "", "200", false},
		"none":           {200, `{"maKetQua":"000"}`, nil, "", "000", false},
		"a text":         {200, `{"maKetQua":"200","dsLichSuKCB2025":"x"}`, nil, "", "200", false},
		"odd entries":    {200, `{"maKetQua":200,"dsLichSuKCB2025":[null,7,"x",[],{},{"tenBenh":"A\u0000\u202eB","ngayVao":"99999999","kqDieuTri":"khỏi","lyDoVV":2,"maHoSo":"<b>"}]}`, nil, " AB 2 ", "200", false},
		"newest first":   {200, `{"maKetQua":"200","dsLichSuKCB2025":[{"tenBenh":"cũ","ngayVao":"20250101"},{"tenBenh":"mới","ngayVao":"20260101083000"},{"tenBenh":"không rõ"}]}`, nil, " mới   cũ   không rõ  ", "200", false},
		"many":           {200, `{"maKetQua":"200","dsLichSuKCB2025":` + long + `}`, nil, strings.Repeat("79013   ", 200), "200", true},
		"no right":       {403, `{"maKetQua":"403"}`, insurance.ErrRejected, "", "", false},
		"a page":         {200, `<html>`, insurance.ErrGarbage, "", "", false},
		"half":           {200, `{"maKetQua":"200","dsLichSuKCB2025":[{"tenBenh":"`, insurance.ErrGarbage, "", "", false},
		"no code":        {200, `{"dsLichSuKCB2025":[]}`, insurance.ErrGarbage, "", "", false},
		"portal fault":   {200, `{"maKetQua":"101"}`, insurance.ErrUnreachable, "", "101", false},
		"10 MB":          {200, `{"maKetQua":"200","ghiChu":"` + strings.Repeat("x", 10<<20) + `"}`, insurance.ErrGarbage, "", "", false},
		"not found":      {404, ``, insurance.ErrRejected, "", "", false},
		"4xx, and coded": {400, `{"maKetQua":"205"}`, insurance.ErrRequest, "", "205", false},
	} {
		t.Run(name, func(t *testing.T) {
			h, err := newClient(t, canned(t, c.status, c.body), nil).History(context.Background(), an)
			if !errors.Is(err, c.want) || (err == nil) != (c.want == nil) {
				t.Fatalf("%v, want %v", err, c.want)
			}
			got := ""
			for _, v := range h.Visits {
				got += fmt.Sprintf("%s%s %s %s ", v.Facility, map[bool]string{true: " "}[v.Facility == ""]+v.Diagnosis, v.Reason, v.Outcome)
			}
			if fields := strings.Fields; strings.Join(fields(got), " ") != strings.Join(fields(c.visits), " ") || h.Code != c.code || h.More != c.more {
				t.Errorf("%q %q %v", got, h.Code, h.More)
			}
		})
	}
}

// In whose name is asked: the operator's own where he is registered, else the department's, else the facility's; and what a
// caller says goes before all.
func TestStaff(t *testing.T) {
	g, base := gateway(t, localgateway.Options{})
	all := g.Registered()
	staff, err := bhyt.ParseStaff(fmt.Appendf(nil, "\ufeff[[staff]]\nname = %q\nnumber = %q\noperators = [\"tv.phuc\", \"phuc2\"]\n[[staff]]\nname = \"Không Đăng Ký\"\nnumber = \"001190000009\"\noperators = [\"moi\"]\n"+
		"[[staff]]\nname = %q\nnumber = %q\ndesks = [\"cap-cuu\"]\n", all[1].Name, all[1].Number, all[2].Name, all[2].Number))
	if err != nil || staff.Len() != 4 {
		t.Fatal(staff.Len(), err)
	}
	var seen []string
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		b, _ := io.ReadAll(r.Body)
		var q bhyt.LookupRequest
		if r.URL.Path == bhyt.PathLookup && json.Unmarshal(b, &q) == nil {
			seen = append(seen, q.HoTenCb+" "+q.CccdCb)
		}
		r.Body = io.NopCloser(strings.NewReader(string(b)))
		g.ServeHTTP(w, r)
	}))
	defer s.Close()
	_ = base
	client := newClient(t, s.URL, func(c *bhyt.Config) { c.Staff = staff })
	for _, c := range []struct {
		operator, desk string
		staff          *insurance.Staff
		want           insurance.Staff
		code           string
	}{
		{"", "", nil, all[0], ""},
		{"tv.phuc", "", nil, all[1], ""},
		{"phuc2", "cap-cuu", nil, all[1], ""},
		{"nobody", "cap-cuu", nil, all[2], ""},
		{"nobody", "tiep-don", nil, all[0], ""},
		{"TV.PHUC", "", nil, all[0], ""}, // ids are compared as they are written
		{"moi", "cap-cuu", nil, insurance.Staff{Name: "Không Đăng Ký", Number: "001190000009"}, "054"},
		{"tv.phuc", "cap-cuu", &all[2], all[2], ""},
		{"", "", &insurance.Staff{Name: "Trần Văn Nhầm", Number: all[1].Number}, insurance.Staff{Name: "Trần Văn Nhầm", Number: all[1].Number}, "055"},
	} {
		q := an
		q.Operator, q.Desk, q.Staff = c.operator, c.desk, c.staff
		seen = nil
		_, err := client.Check(context.Background(), q)
		var coded *insurance.CodeError
		got := ""
		if errors.As(err, &coded) {
			got = coded.Code
		}
		if got != c.code || (err == nil) != (c.code == "") || len(seen) != 1 || seen[0] != c.want.Name+" "+c.want.Number {
			t.Errorf("%q at %q: %v %q", c.operator, c.desk, err, seen)
		}
	}
	q := an
	q.Staff = &insurance.Staff{Name: "x", Number: "1"}
	if _, err := client.Check(context.Background(), q); !errors.Is(err, insurance.ErrRequest) || !errors.Is(err, insurance.ErrNotAsked) {
		t.Error(err)
	}
}

func TestStaffFile(t *testing.T) {
	const one = "[[staff]]\nname = \"SECRETNAME\"\nnumber = \"001180000001\"\n"
	for name, raw := range map[string]string{
		"no TOML": "staff = [", "another field": one + "operators = [\"a\"]\nphone = \"SECRETNAME\"\n", "wrong type": "staff = 7\n", "no number": "[[staff]]\nname = \"SECRETNAME\"\noperators = [\"a\"]\n",
		"short number": "[[staff]]\nname = \"SECRETNAME\"\nnumber = \"0011\"\noperators = [\"a\"]\n", "nobody's": one, "no name": "[[staff]]\nnumber = \"001180000001\"\noperators = [\"a\"]\n",
		"twice": one + "operators = [\"a\", \"a\"]\n", "in two": one + "operators = [\"a\"]\n" + one + "operators = [\"a\"]\n", "empty id": one + "desks = [\"\"]\n",
		"no UTF-8": "\xff", "too long": strings.Repeat("#\n", 1<<20),
	} {
		if _, err := bhyt.ParseStaff([]byte(raw)); err == nil || strings.Contains(err.Error(), "SECRET") || strings.Contains(err.Error(), "0011") {
			t.Errorf("%s: %v", name, err)
		}
	}
	if s, err := bhyt.ParseStaff(nil); err != nil || s.Len() != 0 {
		t.Error("an empty file knows nobody:", err)
	}
}

// The training system's answers are true of nobody, and say so.
func TestTraining(t *testing.T) {
	if c := newClient(t, bhyt.Training, nil); c.Name() != insurance.SourceTraining {
		t.Error(c.Name())
	}
	if c := newClient(t, bhyt.Production, nil); c.Name() != insurance.SourceGateway {
		t.Error(c.Name())
	}
	g := localgateway.New(localgateway.Options{Now: clock})
	s := httptest.NewServer(g)
	defer s.Close()
	client := newClient(t, s.URL, nil)
	e, err := client.Check(context.Background(), an)
	if err != nil || e.Source != client.Name() {
		t.Error(e.Source, err)
	}
}

// Who else looked a card up is told, but for ourselves, and nothing of what they were told.
func TestLookedUpBy(t *testing.T) {
	g, base := gateway(t, localgateway.Options{})
	_ = g.Set(localgateway.LookedUp)
	e, err := newClient(t, base, nil).Check(context.Background(), an)
	if err != nil {
		t.Fatal(err)
	}
	at := func(d time.Duration) time.Time { return now.Add(-d).Truncate(time.Minute) }
	want := []insurance.LookUp{{Facility: "01025", At: at(40 * time.Minute), Code: "000"}, {Facility: "01013", At: at(95 * time.Minute), Code: "070"}, {Facility: "79013", At: at(26 * time.Hour), Code: "000"}}
	if d := cmp.Diff(want, e.LookedUpBy); d != "" {
		t.Error(d)
	}
	if strings.Contains(string(e.Raw), "01025") {
		t.Error("the list is kept as it came")
	}
}

// The card has to be valid on the day of the visit, not on that of a look-up that comes later.
func TestDayOfTheVisit(t *testing.T) {
	_, base := gateway(t, localgateway.Options{})
	client := newClient(t, base, nil)
	q := an
	for day, want := range map[string]insurance.State{"2026-12-31": insurance.Eligible, "2027-01-01": insurance.Check, "2025-12-31": insurance.Check, "2026-01-01": insurance.Eligible} {
		at, _ := time.ParseInLocation(time.DateOnly, day, insurance.Vietnam)
		q.At = at.Add(23 * time.Hour)
		if e, err := client.Check(context.Background(), q); err != nil || e.State != want {
			t.Errorf("%s: %v %v", day, e.State, err)
		}
	}
}

// A token in its last minute is used while the next one is fetched, and goes on to be where that fails; not a moment longer.
func TestTokenInItsLastMinute(t *testing.T) {
	var mu sync.Mutex
	at := now
	clock := func() time.Time { mu.Lock(); defer mu.Unlock(); return at }
	set := func(d time.Duration) { mu.Lock(); defer mu.Unlock(); at = now.Add(d) }
	g, base := gateway(t, localgateway.Options{TokenLife: 10 * time.Minute, Now: clock})
	client := newClient(t, base, func(c *bhyt.Config) { c.Now = clock })
	check := func() error { _, err := client.Check(context.Background(), an); return err }
	if err := check(); err != nil {
		t.Fatal(err)
	}
	_ = g.Set(localgateway.TokenDown)
	set(9*time.Minute + 30*time.Second)
	for range 5 {
		if err := check(); err != nil {
			t.Error("in its last minute:", err)
		}
	}
	set(10*time.Minute + time.Second)
	if err := check(); !errors.Is(err, insurance.ErrUnreachable) {
		t.Error("after its end:", err)
	}
	_ = g.Set(localgateway.Normal)
	if err := check(); err != nil {
		t.Error(err)
	}
}

// What is overloaded is asked again at once, a little later, and not for ever; what says when to come back is left alone until then.
func TestRepeats(t *testing.T) {
	for name, c := range map[string]struct {
		status []int
		header string
		calls  int64
		want   error
	}{
		"once 502":             {[]int{502}, "", 2, nil},
		"503, then 504":        {[]int{503, 504}, "", 3, nil},
		"503 for ever":         {[]int{503, 503, 503, 503, 503}, "", 3, insurance.ErrUnreachable},
		"500 is an answer":     {[]int{500}, "", 1, insurance.ErrUnreachable},
		"404 is one":           {[]int{404}, "", 1, insurance.ErrRejected},
		"503 that says when":   {[]int{503}, "30", 1, insurance.ErrUnreachable},
		"429 that says when":   {[]int{429}, "Mon, 23 Nov 2026 01:16:00 GMT", 1, insurance.ErrUnreachable},
		"429 that says not":    {[]int{429}, "", 1, insurance.ErrUnreachable},
		"503 that makes sense": {[]int{503}, "soon", 2, nil},
	} {
		t.Run(name, func(t *testing.T) {
			var calls atomic.Int64
			s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				_, _ = io.Copy(io.Discard, r.Body)
				if r.URL.Path == bhyt.PathToken {
					_, _ = io.WriteString(w, `{"maKetQua":"200","APIKey":{"access_token":"a","id_token":"i"}}`)
					return
				}
				if n := int(calls.Add(1)); n <= len(c.status) {
					if c.header != "" {
						w.Header().Set("Retry-After", c.header)
					}
					w.WriteHeader(c.status[n-1])
					return
				}
				_, _ = io.WriteString(w, `{"maKetQua":"000"}`)
			}))
			defer s.Close()
			at := now
			client := newClient(t, s.URL, func(k *bhyt.Config) { k.Now = func() time.Time { return at } })
			_, err := client.Check(context.Background(), an)
			if !errors.Is(err, c.want) || (err == nil) != (c.want == nil) || calls.Load() != c.calls {
				t.Fatalf("%d calls, %v", calls.Load(), err)
			}
			if !strings.HasSuffix(name, "says when") {
				return
			}
			if _, err := client.Check(context.Background(), an); !errors.Is(err, insurance.ErrNotAsked) || calls.Load() != c.calls {
				t.Errorf("asked before it is time: %v", err)
			}
			if _, err := client.History(context.Background(), an); !errors.Is(err, insurance.ErrNotAsked) {
				t.Errorf("history: %v", err)
			}
			at = at.Add(3 * time.Minute)
			if _, err := client.Check(context.Background(), an); err != nil {
				t.Error(err)
			}
		})
	}
}

// Each field of an answer may be missing, null, of another type, endless or absurd: the answer is then less, never another.
func TestEveryFieldBad(t *testing.T) {
	whole := map[string]any{
		"maKetQua": "000", "ghiChu": "Thẻ còn giá trị sử dụng!", "maThe": "GD4010123456789", "hoTen": "Nguyễn Văn An", "ngaySinh": "01/01/1999", "gioiTinh": "Nam", "diaChi": "Hà Nội", "maDKBD": "01004",
		"cqBHXH": "BHXH", "gtTheTu": "01/01/2026", "gtTheDen": "31/12/2026", "maKV": "K1", "ngayDu5Nam": "01/01/2027", "maSoBHXH": "0123456789", "maTheCu": "GD4010123456780", "maTheMoi": "GD4010123456781",
		"gtTheTuMoi": "01/01/2027", "gtTheDenMoi": "31/12/2027", "maDKBDMoi": "01004", "tenDKBDMoi": "Bệnh viện", "dsLichSuKCB2018": nil, "dsLichSuKT2018": []any{map[string]any{"userKT": "79013_BV", "thoiGianKT": "202611230801", "maLoi": "000"}},
	}
	bad := map[string]any{
		"missing": nil, "null": json.RawMessage("null"), "number": 7, "fraction": 1e300, "bool": true, "list": []any{"x"}, "object": map[string]any{"a": "b"}, "empty": "", "blank": " \t", "endless": strings.Repeat("Ấ", 20000),
		"control": "\x00\x1b[31m\u202e", "markup": "<script>alert(1)</script>", "absurd date": "31/02/2026", "year 0": "01/01/0000", "year 9999": "31/12/9999", "digits": strings.Repeat("9", 400), "lost": "Nguy\ufffdn", "deep": json.RawMessage(strings.Repeat("[", 2000) + strings.Repeat("]", 2000)),
	}
	var body atomic.Value
	body.Store("")
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == bhyt.PathToken {
			_, _ = io.WriteString(w, `{"maKetQua":"200","APIKey":{"access_token":"a","id_token":"i"}}`)
			return
		}
		_, _ = io.WriteString(w, body.Load().(string))
	}))
	defer s.Close()
	client := newClient(t, s.URL, nil)
	ask := func(m map[string]any) (insurance.Eligibility, error) {
		b, err := json.Marshal(m)
		if err != nil {
			t.Fatal(err)
		}
		body.Store(string(b))
		return client.Check(context.Background(), an)
	}
	good, err := ask(whole)
	if err != nil || good.State != insurance.Eligible {
		t.Fatalf("%+v %v", good, err)
	}
	for field := range whole {
		for name, v := range bad {
			m := map[string]any{}
			for k, x := range whole {
				m[k] = x
			}
			if m[field] = v; name == "missing" {
				delete(m, field)
			}
			e, err := ask(m)
			where := field + " " + name
			if field == "maKetQua" {
				// A code that is none is no answer, and one that nobody knows says nothing.
				if err == nil && e.State != insurance.Unknown || err != nil && !errors.Is(err, insurance.ErrGarbage) {
					t.Errorf("%s: %s %v", where, e.State, err)
				}
				continue
			}
			if err != nil {
				t.Errorf("%s: %v", where, err)
				continue
			}
			if e.State != insurance.Eligible && e.State != insurance.Check || e.Code != "000" {
				t.Errorf("%s: %s", where, e.State)
			}
			shown, _ := json.Marshal(e)
			if len(shown) > 4096 || len(e.Raw) > 16<<10 || strings.Contains(string(shown), "script") || strings.ContainsAny(string(shown), "\x1b\u202e") {
				t.Errorf("%s: %d bytes shown, %d kept", where, len(shown), len(e.Raw))
			}
			if c := e.Card; c != nil {
				for _, d := range []string{c.From, c.To, c.FiveYearsFrom} {
					if _, err := time.Parse(time.DateOnly, d); d != "" && err != nil {
						t.Errorf("%s: date %q", where, d)
					}
				}
			}
		}
	}
}

// TestProxyFromEnvironment asks this test's program again, for the environment is read once.
func TestProxyFromEnvironment(t *testing.T) {
	if target := os.Getenv("TAPCHECK_TEST_PROXIED"); target != "" {
		f, err := bhyt.ParseProxy("")
		if err != nil {
			t.Fatal(err)
		}
		u, err := f(&http.Request{URL: &url.URL{Scheme: "https", Host: target}})
		fmt.Printf("by %v %v\n", u, err)
		return
	}
	for target, want := range map[string]string{"egw.baohiemxahoi.gov.vn": "by http://proxy.example:3128 <nil>", "inside.example": "by <nil> <nil>", "127.0.0.1:8080": "by <nil> <nil>"} {
		c := exec.Command(os.Args[0], "-test.run=^TestProxyFromEnvironment$")
		c.Env = append(os.Environ(), "TAPCHECK_TEST_PROXIED="+target, "HTTPS_PROXY=http://proxy.example:3128", "NO_PROXY=inside.example")
		out, err := c.CombinedOutput()
		if err != nil || !strings.Contains(string(out), want) {
			t.Errorf("%s: %v\n%s", target, err, out)
		}
	}
}

// An account that is let in and may not look up is not tried at every patient; what it may not do is one thing, and the rest goes on.
func TestNoRightToLookUp(t *testing.T) {
	for _, scenario := range []localgateway.Scenario{localgateway.Forbidden, localgateway.UnauthorizedAlways} {
		at := now
		g, base := gateway(t, localgateway.Options{Now: func() time.Time { return at }})
		client := newClient(t, base, func(c *bhyt.Config) { c.Now = func() time.Time { return at } })
		_ = g.Set(scenario)
		for n := range 5 {
			_, err := client.Check(context.Background(), an)
			if !errors.Is(err, insurance.ErrRejected) || errors.Is(err, insurance.ErrNotAsked) != (n > 0) {
				t.Errorf("%s, patient %d: %v", scenario, n, err)
			}
		}
		if d := cmp.Diff(localgateway.Calls{Token: 2, Lookup: 2}, g.Calls()); d != "" {
			t.Errorf("%s: %s", scenario, d)
		}
		if _, err := client.History(context.Background(), an); err != nil && scenario == localgateway.UnauthorizedAlways {
			t.Errorf("%s: history: %v", scenario, err)
		}
		_ = g.Set(localgateway.Normal)
		at = at.Add(31 * time.Second)
		if e, err := client.Check(context.Background(), an); err != nil || e.State != insurance.Eligible {
			t.Errorf("%s, half a minute later: %v", scenario, err)
		}
	}
}
