package console

import (
	"context"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/tapcheck/tapcheck/agent/catalog"
	"github.com/tapcheck/tapcheck/agent/checkin"
	"github.com/tapcheck/tapcheck/agent/keys"
	"github.com/tapcheck/tapcheck/agent/settings"
)

// running starts what tells the pages.
func (d *desk) running() {
	ctx, stop := context.WithCancel(d.t.Context())
	done := make(chan struct{})
	go func() {
		defer close(done)
		d.k.Run(ctx)
	}()
	d.t.Cleanup(func() {
		stop()
		<-done
	})
}

// watching asks for news after since, in the background.
func (d *desk) watching(token, session string, since float64) <-chan response {
	c := make(chan response, 1)
	go func() {
		c <- d.do(request{method: "GET", path: fmt.Sprintf("/watch?since=%d", int(since)), token: token, session: session})
	}()
	return c
}

// seq asks for what there is.
func (d *desk) seq(token, session string) float64 {
	d.t.Helper()
	r := <-d.watching(token, session, 0)
	if r.status != 200 {
		d.t.Fatalf("watch: %d %s", r.status, r.raw)
	}
	return r.body["seq"].(float64)
}

func get(t *testing.T, c <-chan response) response {
	t.Helper()
	select {
	case r := <-c:
		return r
	case <-time.After(20 * time.Second):
		t.Fatal("no news")
	}
	return response{}
}

// The queue of one session of the PC is nobody else's business, and neither is what may be answered in it.
func TestQueueIsOfOneSession(t *testing.T) {
	d := newDesk(t)
	d.running()
	mine, theirs := d.operator("hoa", home), d.operator("minh", other)
	for token, want := range map[string]string{mine: "r1", theirs: "r2"} {
		session := home
		if token == theirs {
			session = other
		}
		r := get(t, d.watching(token, session, 0))
		queue := r.body["queue"].([]any)
		if len(queue) != 1 || queue[0].(map[string]any)["ref"] != want || strings.Contains(string(r.raw), "uid:") {
			t.Errorf("%s", r.raw)
		}
		if _, there := r.body["pairing"]; there {
			t.Error("an operator is told about pairing")
		}
	}
	for _, c := range []struct {
		ref, key string
		status   int
		id       catalog.ID
	}{
		{"r1", `{"can":"123456"}`, 200, ""}, {"r2", `{"can":"123456"}`, 404, catalog.JobUnknown}, {"nothing", `{"can":"123456"}`, 404, catalog.JobUnknown},
		{"r1", `{"can":"12345"}`, 422, catalog.KeyMalformed}, {"r1", `{"qr":"https://example.org"}`, 422, catalog.QRForeign}, {"", `{}`, 400, catalog.BadRequest},
	} {
		r := d.do(request{method: "POST", path: "/jobs/provide", token: mine, body: fmt.Sprintf(`{"ref":%q,"key":%s}`, c.ref, c.key)})
		if r.status != c.status || r.id != c.id {
			t.Errorf("%+v: %d %s", c, r.status, r.raw)
		}
	}
	if !slices.Equal(d.jobs.provided, []string{"r1"}) {
		t.Errorf("provided: %q", d.jobs.provided)
	}
}

// A hospital that has an order and form of its own gets its texts from there, and the page is told so.
func TestCopyInTheHospitalsForm(t *testing.T) {
	plain := newDesk(t)
	plain.running()
	if r := plain.do(request{method: "GET", path: "/state"}); r.body["copyMapped"] != false {
		t.Errorf("%s", r.raw)
	}
	if r := plain.do(request{method: "POST", path: "/copy", token: plain.operator("hoa", home), body: `{"result":{}}`}); r.id != catalog.NotAvailable {
		t.Errorf("%d %s", r.status, r.raw)
	}
	d := newDesk(t, func(c *Config) {
		c.Copy = func(r checkin.Result) []string {
			return []string{strings.ToUpper(r.Identity.FullName), string(r.Means)}
		}
	})
	d.running()
	r := d.do(request{method: "POST", path: "/copy", token: d.operator("hoa", home), body: `{"result":{"means":"chip","identity":{"fullName":"Nguyễn Văn An"},"unknown":1}}`})
	if r.status != 200 || fmt.Sprint(r.body["texts"]) != "[NGUYỄN VĂN AN chip]" {
		t.Errorf("%d %s", r.status, r.raw)
	}
}

func TestWatchWakesUp(t *testing.T) {
	d := newDesk(t)
	d.running()
	token := d.operator("hoa", home)
	seq := d.seq(token, home)

	// Something in the queue.
	waiting := d.watching(token, home, seq)
	d.jobs.changed <- struct{}{}
	if r := get(t, waiting); r.status != 200 || r.body["seq"].(float64) <= seq {
		t.Fatalf("%d %s", r.status, r.raw)
	}
	// A number of another run of the agent is answered at once.
	if r := get(t, d.watching(token, home, 1e9)); r.status != 200 {
		t.Errorf("%d %s", r.status, r.raw)
	}
	// One page cannot hold any number of connections.
	mine, _ := d.k.sessions.byToken(token)
	for range maxWaiting {
		if !d.k.sessions.wait(mine.id) {
			t.Fatal("too few polls may wait")
		}
	}
	if r := get(t, d.watching(token, home, 0)); r.status != 429 || r.id != catalog.RateLimited {
		t.Errorf("one more: %d %s", r.status, r.id)
	}
	for range maxWaiting {
		d.k.sessions.waited(mine.id)
	}
	// The lock ends it.
	seq = d.seq(token, home)
	waiting = d.watching(token, home, seq)
	d.post("/lock", token, m{})
	for {
		r := get(t, waiting)
		if r.status == 401 && r.id == catalog.ConsoleLocked {
			break
		}
		if r.status != 200 {
			t.Fatalf("%d %s", r.status, r.raw)
		}
		waiting = d.watching(token, home, r.body["seq"].(float64))
	}
}

// Who has been idle is locked while his page waits for news, and not only when it has waited enough (get gives up before).
func TestIdleLockEndsAWatch(t *testing.T) {
	d := newDesk(t)
	d.running()
	token := d.operator("hoa", home)
	waiting := d.watching(token, home, d.seq(token, home))
	d.clock.pass(d.k.set().IdleTime())
	for r := get(t, waiting); r.id != catalog.ConsoleLocked; r = get(t, waiting) {
		if r.status != 200 {
			t.Fatalf("%d %s", r.status, r.raw)
		}
		waiting = d.watching(token, home, r.body["seq"].(float64))
	}
}

// A scan goes to one console, of its session of the PC, once.
func TestScans(t *testing.T) {
	d := newDesk(t)
	d.running()
	const qr = "001099012345|099012345|Nguyễn Văn An|01011999|Nam|Hà Nội|15042022"
	if d.k.Scan(home, qr) {
		t.Error("it is taken where nobody is logged in")
	}
	first, theirs := d.operator("hoa", home), d.operator("minh", other)
	d.clock.pass(time.Second)
	second := d.login("hoa", home)
	scans := func(token, session string) []string {
		r := get(t, d.watching(token, session, 0))
		var texts []string
		for _, s := range r.body["scans"].([]any) {
			texts = append(texts, s.(map[string]any)["text"].(string))
		}
		return texts
	}
	if !d.k.Scan(home, qr) {
		t.Error("it is not taken")
	}
	for who, want := range map[string]int{"first": 0, "theirs": 0} {
		token, session := first, home
		if who == "theirs" {
			token, session = theirs, other
		}
		if got := scans(token, session); len(got) != want {
			t.Errorf("%s: %q", who, got)
		}
	}
	if got := scans(second, home); len(got) != 1 || got[0] != qr {
		t.Errorf("the console that was used last: %q", got)
	}
	if got := scans(second, home); len(got) != 0 {
		t.Errorf("twice: %q", got)
	}
	// Where nobody knows at whose place the scanner is, it is not guessed.
	d.clock.pass(time.Second)
	d.do(request{method: "POST", path: "/touch", token: theirs, session: other, body: "{}"})
	if d.k.Scan("", qr) {
		t.Error("a scan was guessed into one of two sessions")
	}
	d.do(request{method: "POST", path: "/lock", token: theirs, session: other, body: "{}"})
	if !d.k.Scan("", qr) {
		t.Error("only one session has a console that is open")
	}
	if got := scans(second, home); len(got) != 1 {
		t.Errorf("%q", got)
	}
	// It is not kept for long, nor any number of them, nor for who has locked.
	for i := range 2 * maxScans {
		d.k.Scan(home, fmt.Sprint("card ", i))
	}
	if got := scans(second, home); len(got) != maxScans || got[0] != fmt.Sprint("card ", maxScans) {
		t.Errorf("%q", got)
	}
	d.k.Scan(home, qr)
	d.clock.pass(scanLife)
	if got := scans(second, home); len(got) != 0 {
		t.Errorf("an old one: %q", got)
	}
	d.k.Scan(home, qr)
	d.post("/lock", second, m{})
	d.post("/unlock", second, m{"pin": pin})
	if got := scans(second, home); len(got) != 0 {
		t.Errorf("from before the lock: %q", got)
	}
	for _, text := range []string{"", strings.Repeat("x", maxScanText+1)} {
		if d.k.Scan(home, text) {
			t.Errorf("%d bytes are taken", len(text))
		}
	}
	d.logMu.Lock()
	defer d.logMu.Unlock()
	if strings.Contains(d.log.String(), "Nguyễn") {
		t.Error("a scan is in the log")
	}
}

// Pairing stands under the eyes of the administrator who has opened it.
func TestPairingWindow(t *testing.T) {
	for name, end := range map[string]func(d *desk, admin string){
		"closed":  func(d *desk, admin string) { d.post("/pairing/close", admin, m{}) },
		"locked":  func(d *desk, admin string) { d.post("/lock", admin, m{}) },
		"logout":  func(d *desk, admin string) { d.post("/logout", admin, m{}) },
		"idle":    func(d *desk, admin string) { d.clock.pass(d.k.set().IdleTime()); d.k.sweep() },
		"removed": func(d *desk, admin string) { _ = d.k.c.Accounts.Remove("trưởng"); d.k.sweep() },
	} {
		t.Run(name, func(t *testing.T) {
			d := newDesk(t)
			d.running()
			admin := d.admin("trưởng")
			for _, body := range []m{{"minutes": 0}, {"minutes": 11}, {"minutes": 5, "rights": []string{"root"}}, {"minutes": 5, "fields": []string{"soul"}}} {
				if r := d.post("/pairing/open", admin, body); r.id != catalog.BadRequest {
					t.Errorf("%v: %d %s", body, r.status, r.id)
				}
			}
			if r := d.post("/pairing/open", admin, m{"minutes": 5, "rights": []string{"read"}, "fields": []string{"number"}}); r.status != 200 || r.body["open"] != true {
				t.Fatalf("open: %d %s", r.status, r.raw)
			}
			if _, err := d.pairing.Start("https://his.example"); err != nil {
				t.Fatal(err)
			}
			r := get(t, d.watching(admin, home, 0))
			p := r.body["pairing"].(map[string]any)
			one := p["requests"].([]any)[0].(map[string]any)
			if p["open"] != true || one["origin"] != "https://his.example" || len(one["code"].(string)) != 6 || one["triesLeft"] != float64(keys.PairingTries) {
				t.Errorf("%s", r.raw)
			}
			end(d, admin)
			if _, open := d.pairing.Window(); open {
				t.Error("the window is still open")
			}
		})
	}
}

func TestSettingsAPI(t *testing.T) {
	d := newDesk(t)
	admin := d.admin("trưởng")
	list := func() map[string]map[string]any {
		r := d.do(request{method: "GET", path: "/settings", token: admin})
		out := map[string]map[string]any{}
		for _, s := range r.body["settings"].([]any) {
			one := s.(map[string]any)
			out[one["name"].(string)] = one
			if one["value"] == nil || one["default"] == nil || one["allowed"].(map[string]any)["vi"] == "" || one["doc"].(map[string]any)["en"] == "" {
				t.Errorf("not whole: %v", one)
			}
		}
		return out
	}
	before := list()
	if before["desk"]["value"] != "quầy 1" || before["console.idle_ms"]["live"] != true || before["his.ports"]["live"] != false || before["trust.folder"]["fileOnly"] != true {
		t.Errorf("%v", before)
	}
	r := d.do(request{method: "PUT", path: "/settings", token: admin, body: `{"console.idle_ms":60000,"his.max_connections":30}`})
	if r.status != 200 || fmt.Sprint(r.body["applied"], r.body["restart"]) != "[console.idle_ms] [his.max_connections]" {
		t.Fatalf("%d %s", r.status, r.raw)
	}
	if d.k.set().IdleMs != 60_000 || d.do(request{method: "GET", path: "/state"}).body["idleMs"] != float64(60_000) {
		t.Error("what is said to be in force is not")
	}
	after := list()
	if after["his.max_connections"]["value"] != float64(30) || after["his.max_connections"]["restart"] != true || after["console.idle_ms"]["restart"] != nil {
		t.Errorf("%v", after["his.max_connections"])
	}
	raw, err := os.ReadFile(d.k.c.SettingsFile)
	if err != nil || !strings.HasPrefix(string(raw), "# of the hospital\ndesk = \"quầy 1\" # at the door\n") {
		t.Errorf("%s, %v", raw, err)
	}
	for body, want := range map[string]struct {
		status int
		id     catalog.ID
	}{
		`{"console.idle_ms":1}`: {422, catalog.ConfigInvalid}, `{"his.port":1}`: {422, catalog.ConfigInvalid}, `{"desk":1}`: {422, catalog.ConfigInvalid},
		`{"trust.folder":"/tmp"}`: {409, catalog.ConsoleSettingsFile}, `{}`: {400, catalog.BadRequest},
	} {
		if r := d.do(request{method: "PUT", path: "/settings", token: admin, body: body}); r.status != want.status || r.id != want.id {
			t.Errorf("%s: %d %s", body, r.status, r.raw)
		}
	}
	if again, _ := os.ReadFile(d.k.c.SettingsFile); string(again) != string(raw) {
		t.Error("what was refused has changed the file")
	}
	// A file that somebody has damaged meanwhile is shown with its problem, and not written over.
	if err := os.WriteFile(d.k.c.SettingsFile, []byte("desk = 1\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if r := d.do(request{method: "GET", path: "/settings", token: admin}); len(r.body["problems"].([]any)) != 1 {
		t.Errorf("%s", r.raw)
	}
	if r := d.do(request{method: "PUT", path: "/settings", token: admin, body: `{"desk":"b"}`}); r.id != catalog.ConfigInvalid {
		t.Errorf("%d %s", r.status, r.raw)
	}
	// Two administrators at once lose nothing.
	if err := os.WriteFile(d.k.c.SettingsFile, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	var all sync.WaitGroup
	for i, name := range []string{"his.max_connections", "his.max_frame_bytes", "his.requests_per_second", "console.idle_ms", "checkin.wait_for_card_ms"} {
		all.Go(func() {
			if r := d.do(request{method: "PUT", path: "/settings", token: admin, body: fmt.Sprintf(`{%q:%d}`, name, []int{31, 70000, 51, 70000, 7000}[i])}); r.status != 200 {
				t.Errorf("%s: %d %s", name, r.status, r.raw)
			}
		})
	}
	all.Wait()
	if s, err := settings.Load(d.k.c.SettingsFile); err != nil || s.HIS.MaxConnections != 31 || s.HIS.MaxFrameBytes != 70_000 || s.HIS.RequestsPerSecond != 51 || s.Console.IdleMs != 70_000 || s.Checkin.WaitForCardMs != 7000 {
		t.Errorf("%+v, %v", s, err)
	}
}

// TestWhoHasLeftIsLocked: a login in a session where nobody is present any more is locked, and no other.
func TestWhoHasLeftIsLocked(t *testing.T) {
	d := newDesk(t)
	admin := d.admin("trưởng")
	state := func() int { return d.do(request{method: "GET", path: "/settings", token: admin}).status }
	if n := d.k.LockAbsent(func(string) bool { return true }); n != 0 || state() != 200 {
		t.Errorf("%d are locked while somebody is present: %d", n, state())
	}
	var asked []string
	if n := d.k.LockAbsent(func(session string) bool { asked = append(asked, session); return session != home }); n != 1 || state() == 200 {
		t.Errorf("%d are locked: %d (asked for %q)", n, state(), asked)
	}
	if n := d.k.LockAbsent(func(string) bool { return false }); n != 0 {
		t.Errorf("%d are locked once more", n)
	}
}

// TestSettingsThatAPolicyDecides are shown with their place, locked, and are not changed here.
func TestSettingsThatAPolicyDecides(t *testing.T) {
	var saved []settings.Loaded
	d := newDesk(t, func(c *Config) {
		c.SettingsOver = func() []settings.Layer {
			return append(settings.Environment([]string{"TAPCHECK_SET_HIS_MAX_CONNECTIONS=9"}), settings.Layer{Kind: settings.FromPolicy, Place: "/etc/p.toml", TOML: "desk = \"quầy 7\"\n"})
		}
		c.Saved = func(l settings.Loaded) { saved = append(saved, l) }
	})
	admin := d.admin("trưởng")
	r := d.do(request{method: "GET", path: "/settings", token: admin})
	seen := map[string]string{}
	for _, s := range r.body["settings"].([]any) {
		one := s.(map[string]any)
		seen[one["name"].(string)] = fmt.Sprint(one["value"], " ", one["source"], " ", one["place"], " ", one["locked"])
	}
	for name, want := range map[string]string{
		"desk": "quầy 7 policy /etc/p.toml true", "his.max_connections": "9 environment TAPCHECK_SET_HIS_MAX_CONNECTIONS true", "language": "vi default <nil> <nil>",
	} {
		if seen[name] != want {
			t.Errorf("%s: %s, want %s", name, seen[name], want)
		}
	}
	for _, body := range []string{`{"desk":"b"}`, `{"his.max_connections":4}`} {
		if r := d.do(request{method: "PUT", path: "/settings", token: admin, body: body}); r.status != 409 || r.id != catalog.ConsoleSettingsFile {
			t.Errorf("%s: %d %s", body, r.status, r.raw)
		}
	}
	if r := d.do(request{method: "PUT", path: "/settings", token: admin, body: `{"console.idle_ms":60000}`}); r.status != 200 || len(saved) != 1 || saved[0].Settings.Desk != "quầy 7" {
		t.Errorf("%d %s, told %d", r.status, r.raw, len(saved))
	}
	if raw, err := os.ReadFile(d.k.c.SettingsFile); err != nil || strings.Contains(string(raw), "quầy 7") || strings.Contains(string(raw), "max_connections") {
		t.Errorf("what a policy decides stands in the file: %s, %v", raw, err)
	}
}

// Where the service may not write the file, it says so and nothing is lost.
func TestSettingsFileThatCannotBeWritten(t *testing.T) {
	d := newDesk(t)
	d.k.c.SettingsFile = filepath.Join(d.dir, "missing", "tapcheck.toml")
	admin := d.admin("trưởng")
	r := d.do(request{method: "PUT", path: "/settings", token: admin, body: `{"desk":"b"}`})
	if r.status != 409 || r.id != catalog.ConsoleSettingsFile || strings.Contains(string(r.raw), d.dir) {
		t.Errorf("%d %s", r.status, r.raw)
	}
	if r := d.do(request{method: "GET", path: "/settings", token: admin}); r.status != 200 || len(r.body["problems"].([]any)) != 0 {
		t.Errorf("no file is an empty one: %d %s", r.status, r.raw)
	}
	d.k.c.SettingsFile = ""
	if r := d.do(request{method: "PUT", path: "/settings", token: admin, body: `{"desk":"b"}`}); r.id != catalog.NotAvailable {
		t.Errorf("no file at all: %d %s", r.status, r.raw)
	}
}

func TestTokensAPI(t *testing.T) {
	d := newDesk(t)
	admin := d.admin("trưởng")
	for _, body := range []m{
		{}, {"origin": "https://his.example/path"}, {"origin": "https://his.example", "desktop": true}, {"origin": "https://his.example", "rights": []string{"root"}}, {"desktop": true, "days": -1}, {"desktop": true, "days": 4000}, {"desktop": true, "label": "a\nb"},
	} {
		if r := d.post("/tokens", admin, body); r.id != catalog.BadRequest {
			t.Errorf("%v: %d %s", body, r.status, r.id)
		}
	}
	r := d.post("/tokens", admin, m{"origin": "https://HIS.example", "label": "quầy 1", "days": 30})
	secret := r.text("secret")
	if r.status != 200 || r.text("origin") != "https://his.example" || secret == "" || r.body["live"] != true {
		t.Fatalf("%d %s", r.status, r.raw)
	}
	if _, err := d.tokens.Check(secret, "https://his.example"); err != nil {
		t.Error(err)
	}
	list := d.do(request{method: "GET", path: "/tokens", token: admin})
	if strings.Contains(string(list.raw), secret) || strings.Contains(string(list.raw), "sha256") || len(list.body["tokens"].([]any)) != 1 {
		t.Errorf("%s", list.raw)
	}
	if r := d.post("/tokens/"+r.text("id")+"/revoke", admin, m{}); r.status != 200 {
		t.Errorf("%d %s", r.status, r.raw)
	}
	if _, err := d.tokens.Check(secret, "https://his.example"); err == nil {
		t.Error("it still works")
	}
}

// The page's token opens the websocket of this PC's own pages, and nothing else; a HIS's token is what it was.
func TestTokensOfBothKinds(t *testing.T) {
	d := newDesk(t, func(c *Config) { c.Simulated = true })
	token := d.operator("hoa", home)
	his, _, err := d.tokens.Add(keys.TokenRequest{Origin: "https://his.example"})
	if err != nil {
		t.Fatal(err)
	}
	tokens := d.k.With(d.tokens)
	for name, c := range map[string]struct {
		secret, origin string
		ok             bool
	}{
		"page": {token, "http://127.0.0.1:27480", true}, "page at localhost": {token, "http://localhost:27480", true}, "page over IPv6": {token, "http://[::1]:27480", true},
		"the page's token elsewhere": {token, "https://his.example", false}, "as a desktop program": {token, "", false}, "at a name that looks like this PC": {token, "http://127.0.0.1.example", false},
		"HIS": {his, "https://his.example", true}, "the HIS's token in the page": {his, "http://127.0.0.1:27480", false}, "cut": {token[:len(token)-1], "http://127.0.0.1:27480", false},
	} {
		got, err := tokens.Check(c.secret, c.origin)
		if (err == nil) != c.ok || err == nil && !tokens.Valid(got.ID) {
			t.Errorf("%s: %v", name, err)
		}
		if err == nil && c.secret == token && (!got.Has(keys.RightSimulator) || slices.Contains(got.Fields, "religion") || len(got.Fields) != len(keys.DefaultFields)) {
			t.Errorf("%s: %+v", name, got)
		}
	}
	if tokens.Valid("console-made-up") || tokens.Valid("t-made-up") {
		t.Error("a made-up id is valid")
	}
}

func TestAccessAndBundle(t *testing.T) {
	d := newDesk(t)
	admin := d.admin("trưởng")
	if r := d.do(request{method: "GET", path: "/bundle", token: admin}); string(r.raw) != "PK" || r.header.Get("Content-Type") != "application/zip" || r.header.Get("Content-Disposition") != `attachment; filename=bundle.zip` {
		t.Errorf("%v %q", r.header, r.raw)
	}
	d.k.c.Bundle, d.k.c.Access = nil, nil
	for _, path := range []string{"/bundle", "/access"} {
		if r := d.do(request{method: "GET", path: path, token: admin}); r.id != catalog.NotAvailable {
			t.Errorf("%s: %d %s", path, r.status, r.raw)
		}
	}
	d.k.c.Bundle = func(context.Context) (string, []byte, error) { panic("Nguyễn Văn An") }
	r := d.do(request{method: "GET", path: "/bundle", token: admin})
	d.logMu.Lock()
	defer d.logMu.Unlock()
	if r.id != catalog.Internal || strings.Contains(string(r.raw)+d.log.String(), "Nguyễn") {
		t.Errorf("%d %s", r.status, r.raw)
	}
}

// TestEveryConsoleIDIsProvoked says where each error of the console is provoked; the tests are above and beside.
func TestEveryConsoleIDIsProvoked(t *testing.T) {
	d := newDesk(t)
	admin, token := d.admin("trưởng"), d.operator("hoa", home)
	said := map[catalog.ID]func() response{
		catalog.ConsoleLoginFailed:  func() response { return d.post("/login", "", m{"user": "nobody", "pin": "1"}) },
		catalog.ConsoleSessionEnded: func() response { return d.post("/touch", "", m{}) },
		catalog.ConsoleForbidden:    func() response { return d.do(request{method: "GET", path: "/accounts", token: token}) },
		catalog.ConsoleSetupSecret:  func() response { return d.post("/setup", "", m{"secret": "x"}) },
		catalog.ConsoleAccount:      func() response { return d.post("/accounts", admin, m{"name": "hoa", "pin": pin}) },
		catalog.ConsoleSettingsFile: func() response {
			return d.do(request{method: "PUT", path: "/settings", token: admin, body: `{"trust.folder":"x"}`})
		},
		catalog.ConsoleLocked: func() response {
			d.post("/lock", token, m{})
			return d.post("/touch", token, m{})
		},
		catalog.ConsoleTooManyTries: func() response {
			for range 2 * freeTries {
				d.post("/login", "", m{"user": "hoa", "pin": "1"})
			}
			return d.post("/login", "", m{"user": "hoa", "pin": "1"})
		},
	}
	ids := slices.Sorted(maps.Keys(said))
	slices.SortFunc(ids, func(a, b catalog.ID) int { // the lock and the delay come last
		last := func(id catalog.ID) int {
			return slices.Index([]catalog.ID{catalog.ConsoleLocked, catalog.ConsoleTooManyTries}, id)
		}
		return last(a) - last(b)
	})
	for _, id := range ids {
		if r := said[id](); r.id != id {
			t.Errorf("%s: got %d %s", id, r.status, r.raw)
		}
	}
	for _, e := range catalog.Entries() {
		if strings.HasPrefix(string(e.ID), "CONSOLE_") && said[e.ID] == nil {
			t.Errorf("nothing provokes %s", e.ID)
		}
	}
}

func TestNewNeedsItsParts(t *testing.T) {
	if _, err := New(Config{DataDir: t.TempDir()}); err == nil {
		t.Error("a console of nothing")
	}
}
