package console

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/fstest"
	"time"

	"github.com/pquerna/otp/totp"
	"go.uber.org/goleak"

	"github.com/tapcheck/tapcheck/agent/catalog"
	"github.com/tapcheck/tapcheck/agent/catalog/catalogtest"
	"github.com/tapcheck/tapcheck/agent/checkin"
	"github.com/tapcheck/tapcheck/agent/keys"
	"github.com/tapcheck/tapcheck/agent/settings"
)

func TestMain(m *testing.M) {
	goleak.VerifyTestMain(m, goleak.Cleanup(func(status int) { catalogtest.Exit("agent/console", status) }))
}

// What the desk of the tests knows by heart.
const (
	pin      = "402917"
	password = "chín con trâu trắng"
	home     = "uid:1000" // session of the operating system of most tests
	other    = "uid:1001"
)

// clock is the time of a test.
type clock struct {
	mu sync.Mutex
	t  time.Time
}

func (c *clock) now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.t
}

func (c *clock) pass(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.t = c.t.Add(d)
}

// jobs is an engine that knows two jobs.
type jobs struct {
	changed chan struct{}

	mu       sync.Mutex
	provided []string
}

func (j *jobs) Queue() []checkin.Queued {
	return []checkin.Queued{
		{Ref: "r1", Client: "https://his.example", State: checkin.Waiting, WantsKey: true, Session: home},
		{Ref: "r2", Client: "desktop:t1", State: checkin.Running, Session: other},
	}
}

func (j *jobs) QueueWatch(ctx context.Context) <-chan struct{} { return j.changed }

func (j *jobs) ProvideByRef(_ context.Context, ref string, p checkin.Provision) error {
	if _, err := checkin.ParseKey(*p.Key); err != nil {
		return err
	}
	j.mu.Lock()
	defer j.mu.Unlock()
	j.provided = append(j.provided, ref)
	return nil
}

type osKey struct{}

// desk is a console behind a real HTTP server. The header Test-Session stands for what the gate finds out.
type desk struct {
	t       *testing.T
	dir     string
	k       *Console
	clock   *clock
	jobs    *jobs
	tokens  *keys.TokenStore
	pairing *keys.Pairing
	url     string
	totp    map[string]string // secrets, by administrator
	log     *bytes.Buffer
	logMu   sync.Mutex
}

func newDesk(t testing.TB, change ...func(*Config)) *desk {
	t.Helper()
	d := &desk{dir: t.TempDir(), clock: &clock{t: time.Date(2026, 11, 28, 8, 0, 0, 0, time.UTC)}, jobs: &jobs{changed: make(chan struct{}, 1)}, totp: map[string]string{}, log: &bytes.Buffer{}}
	if tt, ok := t.(*testing.T); ok {
		d.t = tt
	}
	data := filepath.Join(d.dir, "data")
	accounts, err := OpenAccounts(data)
	if err != nil {
		t.Fatal(err)
	}
	if d.tokens, err = keys.OpenTokens(data); err != nil {
		t.Fatal(err)
	}
	d.pairing = keys.NewPairing(d.tokens)
	file := filepath.Join(d.dir, "tapcheck.toml")
	if err := os.WriteFile(file, []byte("# of the hospital\ndesk = \"quầy 1\" # at the door\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	s, err := settings.Load(file)
	if err != nil {
		t.Fatal(err)
	}
	c := Config{
		DataDir: data, Version: "test", Settings: s, SettingsFile: file, Accounts: accounts, Tokens: d.tokens, Pairing: d.pairing, Engine: d.jobs,
		Page: fstest.MapFS{
			"index.html": {Data: []byte("<!doctype html><title>page</title>")}, "js/main.js": {Data: []byte("export {}")}, "page.go": {Data: []byte("package page")},
		},
		Health: func(catalog.Lang) []HealthItem { return []HealthItem{{ID: "NO_READER", Severity: "down", Title: "t"}} },
		Access: func() any { return map[string]any{"origins": []string{}} },
		Bundle: func(context.Context) (string, []byte, error) { return "bundle.zip", []byte("PK"), nil },
		Session: func(ctx context.Context) string {
			s, _ := ctx.Value(osKey{}).(string)
			return s
		},
		OSUser: func(session string) (string, error) {
			switch session {
			case home:
				return "hoa", nil
			case other:
				return "minh", nil
			}
			return "", errors.New("nobody")
		},
		Log: func(event string, fields map[string]any) {
			d.logMu.Lock()
			defer d.logMu.Unlock()
			_ = json.NewEncoder(d.log).Encode([]any{event, fields})
		},
	}
	for _, f := range change {
		f(&c)
	}
	accounts.now = d.clock.now
	d.k, err = newConsole(c, d.clock.now, cost{memory: 64, time: 1})
	if err != nil {
		t.Fatal(err)
	}
	mux := http.NewServeMux()
	mux.Handle("/console/", d.k.Handler())
	mux.Handle("/console/api/", d.k.API())
	mux.Handle(ProofPrefix, d.k.Proofs())
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		mux.ServeHTTP(w, r.WithContext(context.WithValue(r.Context(), osKey{}, r.Header.Get("Test-Session"))))
	}))
	t.Cleanup(func() {
		server.Close()
		http.DefaultClient.CloseIdleConnections()
	})
	d.url = server.URL
	return d
}

// request is one call of the API as a page would make it, but for what is set.
type request struct {
	method, path, token, session, origin, body string
	header                                     map[string]string
}

type response struct {
	status int
	id     catalog.ID // of an error
	header http.Header
	body   map[string]any
	raw    []byte
}

func (r response) text(name string) string {
	s, _ := r.body[name].(string)
	return s
}

func (d *desk) do(r request) response {
	req, err := http.NewRequest(r.method, d.url+"/console/api"+r.path, strings.NewReader(r.body))
	if err != nil {
		d.t.Fatal(err)
	}
	if r.body != "" || r.method != http.MethodGet {
		req.Header.Set("Content-Type", "application/json")
	}
	switch r.origin {
	case "":
		req.Header.Set("Origin", d.url)
		if r.method == http.MethodGet {
			req.Header.Del("Origin")
			req.Header.Set("Sec-Fetch-Site", "same-origin")
		}
	case "none":
	default:
		req.Header.Set("Origin", r.origin)
	}
	if r.session == "" {
		r.session = home
	}
	if r.session != "none" {
		req.Header.Set("Test-Session", r.session)
	}
	if r.token != "" {
		req.Header.Set("Authorization", "Bearer "+r.token)
	}
	for k, v := range r.header {
		req.Header.Set(k, v)
	}
	answer, err := http.DefaultClient.Do(req)
	if err != nil {
		d.t.Fatal(err)
	}
	defer answer.Body.Close()
	out := response{status: answer.StatusCode, header: answer.Header}
	if out.raw, err = io.ReadAll(answer.Body); err != nil {
		d.t.Fatal(err)
	}
	_ = json.Unmarshal(out.raw, &out.body)
	var e struct {
		Error struct {
			Code    int
			Message string
			Data    struct{ ID, Text, Next, Help string }
		}
	}
	if json.Unmarshal(out.raw, &e) == nil && e.Error.Message != "" {
		out.id = catalog.ID(e.Error.Data.ID)
		catalogtest.Saw(out.id)
		if e.Error.Code != catalog.Code(out.id) || e.Error.Data.Text == "" || e.Error.Data.Next == "" || e.Error.Data.Help != catalog.HelpPath(out.id) {
			d.t.Errorf("%s %s: the error is not whole: %s", r.method, r.path, out.raw)
		}
	}
	return out
}

func (d *desk) post(path, token string, body any) response {
	raw, err := json.Marshal(body)
	if err != nil {
		d.t.Fatal(err)
	}
	return d.do(request{method: http.MethodPost, path: path, token: token, body: string(raw)})
}

// m is a JSON object.
type m = map[string]any

// operator makes an operator and logs in.
func (d *desk) operator(name, session string) string {
	d.t.Helper()
	if _, there := d.k.c.Accounts.Find(name); !there {
		one, err := newOperator(context.Background(), d.k.hasher, name, pin, "")
		if err != nil {
			d.t.Fatal(err)
		}
		if err := d.k.c.Accounts.add(one); err != nil {
			d.t.Fatal(err)
		}
	}
	return d.login(name, session)
}

func (d *desk) login(name, session string) string {
	d.t.Helper()
	raw, _ := json.Marshal(m{"user": name, "pin": pin})
	r := d.do(request{method: http.MethodPost, path: "/login", session: session, body: string(raw)})
	if r.status != http.StatusOK || r.text("token") == "" {
		d.t.Fatalf("login of %s: %d %s", name, r.status, r.raw)
	}
	return r.text("token")
}

// admin makes an administrator, by setup or by another one, and logs in.
func (d *desk) admin(name string) string {
	d.t.Helper()
	if d.k.c.Accounts.NeedsAdministrator() {
		secret := d.setupSecret()
		r := d.post("/setup", "", m{"secret": secret, "name": name, "password": password})
		if r.status != http.StatusOK {
			d.t.Fatalf("setup: %d %s", r.status, r.raw)
		}
		d.totp[name] = r.text("secret32")
		r = d.post("/setup/confirm", "", m{"ticket": r.text("ticket"), "code": d.code(name)})
		if r.status != http.StatusOK || r.text("role") != "admin" {
			d.t.Fatalf("setup: %d %s", r.status, r.raw)
		}
		return r.text("token")
	}
	d.clock.pass(30 * time.Second) // the last code was used
	r := d.post("/login", "", m{"user": name, "pin": password})
	r = d.post("/login/totp", "", m{"ticket": r.text("ticket"), "code": d.code(name)})
	if r.status != http.StatusOK {
		d.t.Fatalf("login of %s: %d %s", name, r.status, r.raw)
	}
	return r.text("token")
}

// code is what the authenticator app shows now.
func (d *desk) code(name string) string {
	d.t.Helper()
	code, err := totp.GenerateCode(d.totp[name], d.clock.now())
	if err != nil {
		d.t.Fatal(err)
	}
	return code
}

func (d *desk) setupSecret() string {
	d.t.Helper()
	path, err := OpenSetup(d.k.c.DataDir, d.k.c.Accounts)
	if err != nil || path == "" {
		d.t.Fatalf("no setup secret: %v", err)
	}
	if _, err := keys.ReadPrivate(path); err != nil { // judges who can read it
		d.t.Errorf("the setup secret's file: %v", err)
	}
	raw, err := os.ReadFile(path)
	if err != nil {
		d.t.Fatal(err)
	}
	return strings.TrimSpace(string(raw))
}
