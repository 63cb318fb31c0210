package relay_test

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log"
	"math/big"
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
	"go.uber.org/goleak"

	"github.com/tapcheck/tapcheck/insurance"
	"github.com/tapcheck/tapcheck/insurance/relay"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var an = insurance.Request{Number: "001099012345", FullName: "Nguyễn Văn An", DateOfBirth: "1999-01-01", Sex: "male", Operator: "lt.hoa", Desk: "tiep-don-1"}

// authority issues certificates.
type authority struct {
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
}

func newAuthority(t testing.TB) authority {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	c := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "Hospital"}, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour), IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign}
	der, err := x509.CreateCertificate(rand.Reader, c, c, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	if c, err = x509.ParseCertificate(der); err != nil {
		t.Fatal(err)
	}
	return authority{c, key}
}

func (a authority) pool() *x509.CertPool {
	p := x509.NewCertPool()
	p.AddCert(a.cert)
	return p
}

func (a authority) issue(t testing.TB, change func(*x509.Certificate)) tls.Certificate {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	c := &x509.Certificate{
		SerialNumber: big.NewInt(time.Now().UnixNano()), Subject: pkix.Name{CommonName: "x"}, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
	}
	if change != nil {
		change(c)
	}
	der, err := x509.CreateCertificate(rand.Reader, c, a.cert, key.Public(), a.key)
	if err != nil {
		t.Fatal(err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}
}

// house is a hospital with a relay in it.
type house struct {
	ca   authority
	url  string
	desk tls.Certificate
}

func newHouse(t testing.TB, handler http.HandlerFunc, change func(*httptest.Server, authority)) house {
	t.Helper()
	h := house{ca: newAuthority(t)}
	h.desk = h.ca.issue(t, nil)
	s := httptest.NewUnstartedServer(handler)
	s.Config.ErrorLog = log.New(io.Discard, "", 0)
	s.TLS = &tls.Config{MinVersion: tls.VersionTLS13, Certificates: []tls.Certificate{h.ca.issue(t, nil)}, ClientAuth: tls.RequireAndVerifyClientCert, ClientCAs: h.ca.pool()}
	if change != nil {
		change(s, h.ca)
	}
	s.StartTLS()
	t.Cleanup(s.Close)
	h.url = s.URL
	return h
}

func (h house) client(t testing.TB, change func(*relay.Config)) *relay.Client {
	t.Helper()
	c := relay.Config{URL: h.url, Cert: h.desk, CA: h.ca.pool()}
	if change != nil {
		change(&c)
	}
	k, err := relay.New(c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = k.Close() })
	return k
}

// says answers everything the same.
func says(status int, body string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(status)
		_, _ = io.WriteString(w, body)
	}
}

const covered = `{"eligibility":{"state":"eligible","source":"bhyt-gateway","asOf":"2026-01-02T08:00:00+07:00","code":"000","text":"Thông tin thẻ BHYT chính xác","advice":"PROCEED",` +
	`"card":{"code":"GD4010123456789","from":"2020-01-01","to":"2099-12-31","registeredFacility":"01004","benefitRate":100}},"raw":"eyJtYUtldFF1YSI6IjAwMCJ9"}`

// What goes to the relay is what the contract says, over TLS with both certificates, and nothing of it is secret.
func TestOnTheWire(t *testing.T) {
	var got relay.Question
	var path, peer string
	h := newHouse(t, func(w http.ResponseWriter, r *http.Request) {
		path, peer = r.Method+" "+r.URL.String(), r.TLS.PeerCertificates[0].Subject.CommonName
		if err := json.NewDecoder(r.Body).Decode(&got); err != nil {
			t.Error(err)
		}
		says(200, covered)(w, r)
	}, nil)
	q := an
	q.Staff, q.Care = &insurance.Staff{Name: "Lê Thị Thu", Number: "001180000001"}, &insurance.Care{Setting: insurance.CareInpatient}
	e, err := h.client(t, nil).Check(context.Background(), q)
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(an, got.Request); d != "" || path != "POST /v1/eligibility" || peer != "x" {
		t.Error(path, peer, d)
	}
	want := insurance.Eligibility{
		State: insurance.Eligible, Source: "relay", AsOf: time.Date(2026, 1, 2, 8, 0, 0, 0, insurance.Vietnam), Code: "000", Text: "Thông tin thẻ BHYT chính xác", Advice: "PROCEED", Raw: []byte(`{"maKetQua":"000"}`),
		Card: &insurance.Card{Code: "GD4010123456789", From: "2020-01-01", To: "2099-12-31", RegisteredFacility: "01004", BenefitRate: 80},
	}
	if d := cmp.Diff(want, e); d != "" {
		t.Error(d)
	}
}

// Whoever is not the hospital's relay, or is not let in by it, is somebody's to look at; the patient waits for neither.
func TestCertificates(t *testing.T) {
	stranger := newAuthority(t)
	serve := func(change func(*x509.Certificate)) func(*httptest.Server, authority) {
		return func(s *httptest.Server, a authority) { s.TLS.Certificates = []tls.Certificate{a.issue(t, change)} }
	}
	for name, c := range map[string]struct {
		server func(*httptest.Server, authority)
		client func(*relay.Config)
		want   string
	}{
		"another CA's relay":  {func(s *httptest.Server, _ authority) { s.TLS.Certificates = []tls.Certificate{stranger.issue(t, nil)} }, nil, "the relay's certificate is not accepted"},
		"expired":             {serve(func(c *x509.Certificate) { c.NotAfter = time.Now().Add(-time.Minute) }), nil, "the relay's certificate is not accepted"},
		"not valid yet":       {serve(func(c *x509.Certificate) { c.NotBefore = time.Now().Add(time.Minute) }), nil, "the relay's certificate is not accepted"},
		"another name":        {serve(func(c *x509.Certificate) { c.IPAddresses = []net.IP{net.IPv4(127, 0, 0, 2)} }), nil, "the relay's certificate is not accepted"},
		"a desk's as relay's": {serve(func(c *x509.Certificate) { c.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth} }), nil, "the relay's certificate is not accepted"},
		"TLS 1.2": {func(s *httptest.Server, _ authority) {
			s.TLS.MinVersion, s.TLS.MaxVersion = tls.VersionTLS12, tls.VersionTLS12
		}, nil, "this desk's certificate is not accepted"}, // as an alert of the server
		"a desk of another CA": {nil, func(c *relay.Config) { c.Cert = stranger.issue(t, nil) }, "this desk's certificate is not accepted"},
		"a desk's that is over": {func(s *httptest.Server, a authority) {}, func(c *relay.Config) {
			c.Cert = stranger.issue(t, func(x *x509.Certificate) { x.NotAfter = time.Now().Add(-time.Minute) })
		}, "this desk's certificate is not accepted"},
	} {
		t.Run(name, func(t *testing.T) {
			asked := atomic.Int64{}
			h := newHouse(t, func(w http.ResponseWriter, r *http.Request) { asked.Add(1); says(200, covered)(w, r) }, c.server)
			_, err := h.client(t, c.client).Check(context.Background(), an)
			if !errors.Is(err, insurance.ErrRejected) || !strings.HasSuffix(fmt.Sprint(err), ": "+c.want) {
				t.Error(err)
			}
			if asked.Load() != 0 {
				t.Error("the question was told")
			}
		})
	}
	t.Run("a desk without one", func(t *testing.T) {
		h := newHouse(t, says(200, covered), nil)
		if _, err := relay.New(relay.Config{URL: h.url, CA: h.ca.pool()}); err == nil {
			t.Error("was taken")
		}
	})
}

func TestAnswers(t *testing.T) {
	for name, c := range map[string]struct {
		handler http.HandlerFunc
		want    error
		code    string
	}{
		"covered":               {says(200, covered), nil, "000"},
		"unreachable":           {says(200, `{"error":"unreachable"}`), insurance.ErrUnreachable, ""},
		"portal fault":          {says(200, `{"error":"unreachable","code":"101","raw":"e30="}`), insurance.ErrUnreachable, "101"},
		"not asked":             {says(200, `{"error":"not_asked"}`), insurance.ErrNotAsked, ""},
		"rejected":              {says(200, `{"error":"rejected","code":"054"}`), insurance.ErrRejected, "054"},
		"request":               {says(200, `{"error":"request","code":"205"}`), insurance.ErrRequest, "205"},
		"garbage of the portal": {says(200, `{"error":"garbage"}`), insurance.ErrGarbage, ""},
		"a new error":           {says(200, `{"error":"on_holiday"}`), insurance.ErrGarbage, ""},
		"both":                  {says(200, `{"error":"rejected","eligibility":{"state":"eligible"}}`), insurance.ErrRejected, ""},
		"endless code":          {says(200, `{"error":"rejected","code":"0123456789"}`), insurance.ErrGarbage, ""},
		"neither":               {says(200, `{}`), insurance.ErrGarbage, ""},
		"null":                  {says(200, `null`), insurance.ErrGarbage, ""},
		"a list":                {says(200, `[]`), insurance.ErrGarbage, ""},
		"nothing":               {says(200, ``), insurance.ErrGarbage, ""},
		"half":                  {says(200, covered[:60]), insurance.ErrGarbage, ""},
		"two":                   {says(200, covered+covered), insurance.ErrGarbage, ""},
		"no UTF-8":              {says(200, "{\"eligibility\":{\"state\":\"eligible\",\"text\":\"\xff\"}}"), insurance.ErrGarbage, ""},
		"no such state":         {says(200, `{"eligibility":{"state":"rich"}}`), insurance.ErrGarbage, ""},
		"pending is no answer":  {says(200, `{"eligibility":{"state":"pending"}}`), insurance.ErrGarbage, ""},
		"wrong types":           {says(200, `{"eligibility":{"state":7}}`), insurance.ErrGarbage, ""},
		"a page": {func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "text/html")
			_, _ = io.WriteString(w, "<html></html>")
		}, insurance.ErrGarbage, ""},
		"10 MB":     {says(200, `{"eligibility":{"state":"eligible","text":"`+strings.Repeat("x", 10<<20)+`"}}`), insurance.ErrGarbage, ""},
		"forbidden": {says(403, `{}`), insurance.ErrRejected, ""},
		"too many":  {says(429, ``), insurance.ErrUnreachable, ""},
		"not now":   {says(503, `<html>`), insurance.ErrUnreachable, ""},
		"not found": {says(404, ``), insurance.ErrGarbage, ""},
		"redirect": {func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, "https://127.0.0.1:9/elsewhere", http.StatusTemporaryRedirect)
		}, insurance.ErrGarbage, ""},
		"cut": {func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }, insurance.ErrUnreachable, ""},
		"cut in the middle": {func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "application/json")
			_, _ = io.WriteString(w, covered[:60])
			_ = http.NewResponseController(w).Flush()
			panic(http.ErrAbortHandler)
		}, insurance.ErrUnreachable, ""},
		"silent": {func(_ http.ResponseWriter, r *http.Request) { _, _ = io.Copy(io.Discard, r.Body); <-r.Context().Done() }, insurance.ErrUnreachable, ""},
		"drip": {func(w http.ResponseWriter, r *http.Request) {
			_, _ = io.Copy(io.Discard, r.Body)
			w.Header().Set("Content-Type", "application/json")
			for r.Context().Err() == nil {
				_, _ = io.WriteString(w, " ")
				_ = http.NewResponseController(w).Flush()
				time.Sleep(5 * time.Millisecond)
			}
		}, insurance.ErrUnreachable, ""},
	} {
		t.Run(name, func(t *testing.T) {
			timeout := 10 * time.Second
			if name == "silent" || name == "drip" {
				timeout = 200 * time.Millisecond
			}
			h := newHouse(t, c.handler, nil)
			e, err := h.client(t, func(k *relay.Config) { k.Timeout = timeout }).Check(context.Background(), an)
			if !errors.Is(err, c.want) || (err == nil) != (c.want == nil) {
				t.Fatalf("error %v, want %v", err, c.want)
			}
			if e.Code != c.code {
				t.Errorf("code %q, want %q", e.Code, c.code)
			}
			var coded *insurance.CodeError
			if c.want != nil && c.code != "" && !errors.As(err, &coded) {
				t.Errorf("the code is not in %v", err)
			}
		})
	}
}

// What a relay says is taken over as far as it is what it should be.
func TestHostileAnswer(t *testing.T) {
	const said = `{"eligibility":{"state":"eligible","code":"000","text":"a\u0000b\u202ec\nd","advice":"<script>","reason":"X","asOf":"2999-01-01T00:00:00Z",
		"route":{"proposal":"1.1","decided":true},"history":{"visits":[{"diagnosis":"Viêm phổi"}]},
		"card":{"code":"'; DROP","from":"2026-13-01","to":"tomorrow","registeredFacility":"<b>","area":"K9","benefitRate":1000},
		"differences":[{"field":"fullName","kind":"value","cause":"other_person","advice":"no id"},{"field":"<b>","kind":"value"}],
		"lookedUpBy":[{"facility":"79013","at":"2026-01-01T00:00:00Z","code":"000"},{"facility":"x","code":"far too long"},{"facility":" "}]}}`
	h := newHouse(t, says(200, said), nil)
	at := time.Now().Truncate(time.Second)
	e, err := h.client(t, func(c *relay.Config) { c.Now = func() time.Time { return at } }).Check(context.Background(), an)
	if err != nil {
		t.Fatal(err)
	}
	want := insurance.Eligibility{
		State: insurance.Check, Source: "relay", AsOf: at, Code: "000", Text: "abc d", Advice: "CHECK_PAPERS", Card: &insurance.Card{},
		Differences: []insurance.Difference{{Field: "fullName", Kind: "value", Cause: "other_person"}},
		LookedUpBy:  []insurance.LookUp{{Facility: "79013", At: time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC), Code: "000"}},
	}
	if d := cmp.Diff(want, e); d != "" {
		t.Error(d)
	}
}

func TestHistory(t *testing.T) {
	h := newHouse(t, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != relay.PathHistory {
			t.Error(r.URL.Path)
		}
		says(200, `{"history":{"code":"200","visits":[{"facility":"79013","diagnosis":"Viêm\n phổi","from":"2025-03-01T08:00:00+07:00"}]}}`)(w, r)
	}, nil)
	got, err := h.client(t, nil).History(context.Background(), an)
	if err != nil || len(got.Visits) != 1 || got.Visits[0].Diagnosis != "Viêm phổi" || got.Code != "200" || got.AsOf.IsZero() {
		t.Errorf("%+v %v", got, err)
	}
	for body, want := range map[string]error{`{}`: insurance.ErrGarbage, `{"error":"rejected","code":"403"}`: insurance.ErrRejected, covered: insurance.ErrGarbage} {
		h := newHouse(t, says(200, body), nil)
		if _, err := h.client(t, nil).History(context.Background(), an); !errors.Is(err, want) {
			t.Errorf("%s: %v", body, err)
		}
	}
}

// A relay that is down is left alone; a caller without patience, and a person that nobody knows, count for nothing.
func TestLeftAlone(t *testing.T) {
	var calls atomic.Int64
	answer := atomic.Value{}
	answer.Store(`{"error":"request"}`)
	h := newHouse(t, func(w http.ResponseWriter, r *http.Request) {
		calls.Add(1)
		if answer.Load() == "silence" {
			_, _ = io.Copy(io.Discard, r.Body)
			<-r.Context().Done()
			return
		}
		says(200, answer.Load().(string))(w, r)
	}, nil)
	client := h.client(t, func(c *relay.Config) { c.Timeout = time.Second })
	for range 6 {
		if _, err := client.Check(context.Background(), an); !errors.Is(err, insurance.ErrRequest) {
			t.Error(err)
		}
	}
	answer.Store("silence")
	for range 6 {
		ctx, cancel := context.WithTimeout(context.Background(), 20*time.Millisecond)
		if _, err := client.Check(ctx, an); !errors.Is(err, context.DeadlineExceeded) || !errors.Is(err, insurance.ErrUnreachable) {
			t.Error(err)
		}
		cancel()
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if _, err := client.Check(ctx, an); !errors.Is(err, context.Canceled) || errors.Is(err, insurance.ErrUnreachable) {
		t.Error(err)
	}
	answer.Store(`{"error":"unreachable"}`)
	for range 5 {
		if _, err := client.Check(context.Background(), an); errors.Is(err, insurance.ErrNotAsked) {
			t.Error(err)
		}
	}
	before := calls.Load()
	if _, err := client.Check(context.Background(), an); !errors.Is(err, insurance.ErrNotAsked) || calls.Load() != before {
		t.Error(err)
	}
}

// No error and no log line holds an address or anything of the person.
func TestNothingLeaks(t *testing.T) {
	var mu sync.Mutex
	var out bytes.Buffer
	note := func(event string, fields map[string]any) {
		mu.Lock()
		defer mu.Unlock()
		fmt.Fprintln(&out, event, fields)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	_ = l.Close()
	for _, c := range []struct {
		handler http.HandlerFunc
		url     string
	}{{says(200, covered), ""}, {says(500, "no"), ""}, {says(200, `{"error":"rejected","code":"054"}`), ""},
		{func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }, ""}, {says(200, ""), "https://" + l.Addr().String()}, {says(200, ""), "https://nowhere.invalid"}} {
		h := newHouse(t, c.handler, nil)
		_, err := h.client(t, func(k *relay.Config) {
			k.Log = note
			if c.url != "" {
				k.URL = c.url
			}
		}).Check(context.Background(), an)
		fmt.Fprintf(&out, "%v %+v %q\n", err, err, err)
		var ue *url.Error
		var oe *net.OpError
		if errors.As(err, &ue) || errors.As(err, &oe) {
			t.Errorf("%v still carries an error of the network", err)
		}
	}
	for _, s := range []string{an.Number, "Nguy", "127.0.0.1", "nowhere", "https://", "GD4", "lt.hoa"} {
		if strings.Contains(out.String(), s) {
			t.Errorf("%q was told: %s", s, out.String())
		}
	}
}

func TestSettings(t *testing.T) {
	h := newHouse(t, says(200, covered), nil)
	for name, change := range map[string]func(*relay.Config){
		"plain http": func(c *relay.Config) { c.URL = "http://127.0.0.1:1" }, "no host": func(c *relay.Config) { c.URL = "https://" }, "a path": func(c *relay.Config) { c.URL = "https://relay.example/v1" },
		"a user": func(c *relay.Config) { c.URL = "https://u:p@relay.example" }, "a query": func(c *relay.Config) { c.URL = "https://relay.example?x=1" },
		"no certificate": func(c *relay.Config) { c.Cert = tls.Certificate{} }, "no CA": func(c *relay.Config) { c.CA = nil }, "negative timeout": func(c *relay.Config) { c.Timeout = -1 },
	} {
		c := relay.Config{URL: h.url, Cert: h.desk, CA: h.ca.pool()}
		change(&c)
		if _, err := relay.New(c); err == nil {
			t.Errorf("%s was taken", name)
		}
	}
}
