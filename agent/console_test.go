package agent

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"github.com/tapcheck/tapcheck/agent/catalog"
	"github.com/tapcheck/tapcheck/agent/console"
	"github.com/tapcheck/tapcheck/agent/his"
	"github.com/tapcheck/tapcheck/agent/his/client"
	"github.com/tapcheck/tapcheck/agent/keys"
	"github.com/tapcheck/tapcheck/agent/settings"
	"github.com/tapcheck/tapcheck/icao/trust"
	"github.com/tapcheck/tapcheck/reader/virtual"
)

// serving is an agent that runs.
type serving struct {
	t    *testing.T
	addr string
	dir  string
}

func serve(t *testing.T, change func(*Options)) *serving {
	t.Helper()
	ctx, stop := context.WithCancel(context.Background())
	s := settings.Default()
	s.HIS.Ports = []int{0}
	o := Options{
		Settings: s, DataDir: filepath.Join(t.TempDir(), "data"), Version: "test", Log: zerolog.Nop(), Readers: virtual.New(),
		Trust: func() (*trust.Store, *trust.Report, error) { return &trust.Store{}, nil, nil },
	}
	o.SettingsFile = filepath.Join(filepath.Dir(o.DataDir), "tapcheck.toml")
	if change != nil {
		change(&o)
	}
	ready, ended := make(chan Ready, 1), make(chan error, 1)
	o.Ready = func(r Ready) { ready <- r }
	go func() { ended <- Run(ctx, o) }()
	t.Cleanup(func() {
		stop()
		http.DefaultClient.CloseIdleConnections()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
	select {
	case r := <-ready:
		return &serving{t, r.Addr, o.DataDir}
	case err := <-ended:
		ended <- err
		t.Fatal(err)
	}
	return nil
}

// call asks the console's API as its page does.
func (s *serving) call(method, path, token string, body any, change ...func(*http.Request)) (status int, answer map[string]any, raw []byte) {
	s.t.Helper()
	var content io.Reader
	if body != nil {
		b, err := json.Marshal(body)
		if err != nil {
			s.t.Fatal(err)
		}
		content = bytes.NewReader(b)
	}
	req, err := http.NewRequest(method, "http://"+s.addr+"/console/api"+path, content)
	if err != nil {
		s.t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/json")
	if method == http.MethodGet {
		req.Header.Set("Sec-Fetch-Site", "same-origin")
	} else {
		req.Header.Set("Origin", "http://"+s.addr)
	}
	if token != "" {
		req.Header.Set("Authorization", "Bearer "+token)
	}
	for _, f := range change {
		f(req)
	}
	r, err := http.DefaultClient.Do(req)
	if err != nil {
		s.t.Fatal(err)
	}
	defer r.Body.Close()
	if raw, err = io.ReadAll(r.Body); err != nil {
		s.t.Fatal(err)
	}
	_ = json.Unmarshal(raw, &answer)
	return r.StatusCode, answer, raw
}

// operator makes an operator, as the PC's administrator does with a command while the agent runs, and logs in.
func (s *serving) operator(name string) string {
	s.t.Helper()
	accounts, err := console.OpenAccounts(s.dir)
	if err != nil {
		s.t.Fatal(err)
	}
	if err := accounts.AddOperator(s.t.Context(), name, "402917", ""); err != nil {
		s.t.Fatal(err)
	}
	status, answer, raw := s.call("POST", "/login", "", map[string]string{"user": name, "pin": "402917"})
	token, _ := answer["token"].(string)
	if status != 200 || token == "" {
		s.t.Fatalf("login: %d %s", status, raw)
	}
	return token
}

func (s *serving) dial(origin string) *client.Client {
	s.t.Helper()
	c, err := client.Dial(s.t.Context(), client.Options{Addr: s.addr, Origin: origin})
	if err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(func() { _ = c.Close() })
	return c
}

// The page works the agent through the same gate and the same websocket as any HIS, as long as its login lives.
func TestConsoleThroughTheGate(t *testing.T) {
	s := serve(t, nil)
	own := "http://" + s.addr
	status, state, _ := s.call("GET", "/state", "", nil)
	if status != 200 || state["setup"] != true || state["version"] != "test" {
		t.Errorf("state: %d %v", status, state)
	}
	if _, err := keys.ReadPrivate(filepath.Join(s.dir, console.SetupFileName)); err != nil { // judges who can read it
		t.Errorf("the setup secret: %v", err)
	}
	token := s.operator("hoa")

	// The gate stands before it: nobody else's page, no other name, no form.
	for name, change := range map[string]func(*http.Request){
		"another origin":   func(r *http.Request) { r.Header.Set("Origin", "https://his.example") },
		"null":             func(r *http.Request) { r.Header.Set("Origin", "null") },
		"no origin":        func(r *http.Request) { r.Header.Del("Origin") },
		"another name":     func(r *http.Request) { r.Host = "his.example" },
		"from other pages": func(r *http.Request) { r.Header.Del("Origin"); r.Header.Set("Sec-Fetch-Site", "cross-site") },
	} {
		if status, _, raw := s.call("POST", "/touch", token, map[string]any{}, change); status != 403 {
			t.Errorf("%s: %d %s", name, status, raw)
		}
	}

	// The websocket, in the operator's name whatever the page says.
	open := map[string]any{"protocol": 1, "client": map[string]string{"name": "console"}, "token": token, "operator": map[string]string{"id": "director"}}
	c := s.dial(own)
	if err := c.Call(t.Context(), "session.open", open, nil); err != nil {
		t.Fatal(err)
	}
	var list struct {
		Checkins []struct{ Operator, Desk any }
	}
	job := map[string]any{"jobId": "j1", "means": "number", "insurance": "off", "subject": map[string]string{"number": "001099012345", "fullName": "Nguyễn Văn An", "dateOfBirth": "1999-01-01"}}
	if err := c.Call(t.Context(), "checkin.start", job, nil); err != nil {
		t.Fatal(err)
	}
	for note := range c.Notifications() {
		if note.Method == "job.result" {
			if !strings.Contains(string(note.Params), `"operator":{"id":"hoa","source":"console"}`) {
				t.Errorf("%s", note.Params)
			}
			break
		}
	}
	if err := c.Call(t.Context(), "checkin.list", map[string]any{"since": time.Now().Add(-time.Hour).Format(time.RFC3339)}, &list); err != nil || len(list.Checkins) != 1 {
		t.Errorf("list: %v, %v", list, err)
	}
	// A page of an allowed origin cannot use the console's token, and the console's page cannot use a HIS's.
	tokens, err := keys.OpenTokens(s.dir)
	if err != nil {
		t.Fatal(err)
	}
	hisToken, _, err := tokens.Add(keys.TokenRequest{Origin: "https://his.example"})
	if err != nil {
		t.Fatal(err)
	}
	for origin, secret := range map[string]string{"https://his.example": token, own: hisToken} {
		var e *client.Error
		if err := s.dial(origin).Call(t.Context(), "session.open", map[string]any{"protocol": 1, "token": secret}, nil); !errors.As(err, &e) || e.Data.ID != catalog.TokenRejected {
			t.Errorf("%s: %v", origin, err)
		}
	}

	// Another program's job that wants a key is in the console's queue, and gets it from there.
	h := s.dial("https://his.example")
	if err := h.Call(t.Context(), "session.open", map[string]any{"protocol": 1, "token": hisToken}, nil); err != nil {
		t.Fatal(err)
	}
	if err := h.Call(t.Context(), "checkin.start", map[string]any{"jobId": "patient-001099012345", "means": "chip"}, nil); err != nil {
		t.Fatal(err)
	}
	status, news, raw := s.call("GET", "/watch?since=0", token, nil)
	if status != 200 || strings.Contains(string(raw), "001099012345") {
		t.Fatalf("watch: %d %s", status, raw)
	}
	queue := news["queue"].([]any)
	if len(queue) != 1 || queue[0].(map[string]any)["client"] != "https://his.example" || queue[0].(map[string]any)["wantsKey"] != true {
		t.Fatalf("queue: %s", raw)
	}
	provide := map[string]any{"ref": queue[0].(map[string]any)["ref"], "key": map[string]string{"can": "012345"}}
	if status, _, raw := s.call("POST", "/jobs/provide", token, provide); status != 200 {
		t.Errorf("provide: %d %s", status, raw)
	}
	_, news, raw = s.call("GET", "/watch?since=0", token, nil)
	if news["queue"].([]any)[0].(map[string]any)["wantsKey"] != false {
		t.Errorf("after the key: %s", raw)
	}

	// Locked: the websocket ends with it.
	if status, _, raw := s.call("POST", "/lock", token, map[string]any{}); status != 200 {
		t.Fatalf("lock: %d %s", status, raw)
	}
	if err := c.Call(t.Context(), "reader.list", map[string]any{}, nil); !errors.Is(err, client.ErrClosed) {
		t.Errorf("a locked console is still served: %v", err)
	}
	if err := s.dial(own).Call(t.Context(), "session.open", open, nil); err == nil {
		t.Error("a locked console opens a websocket")
	}
	if status, _, raw := s.call("POST", "/unlock", token, map[string]string{"pin": "402917"}); status != 200 {
		t.Fatalf("unlock: %d %s", status, raw)
	}
	if err := s.dial(own).Call(t.Context(), "session.open", open, nil); err != nil {
		t.Error(err)
	}
}

// Accounts that somebody has damaged keep everybody out of the page, and no HIS out of the agent.
func TestDamagedAccountsKeepNoHISOut(t *testing.T) {
	var token string
	s := serve(t, func(o *Options) {
		if err := keys.Claim(o.DataDir, false); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(o.DataDir, console.AccountsFileName), []byte("{"), 0o600); err != nil {
			t.Fatal(err)
		}
		store, err := keys.OpenTokens(o.DataDir)
		if err != nil {
			t.Fatal(err)
		}
		if token, _, err = store.Add(keys.TokenRequest{Origin: "https://his.example"}); err != nil {
			t.Fatal(err)
		}
	})
	h := s.dial("https://his.example")
	if err := h.Call(t.Context(), "session.open", map[string]any{"protocol": 1, "token": token}, nil); err != nil {
		t.Fatal(err)
	}
	var status struct{ Health []struct{ ID string } }
	if err := h.Call(t.Context(), "agent.status", map[string]any{}, &status); err != nil || !strings.Contains(fmt.Sprint(status), "CONSOLE_ACCOUNTS_UNREADABLE") {
		t.Errorf("%v, %v", status, err)
	}
	if code, answer, raw := s.call("GET", "/state", "", nil); code != 200 || answer["setup"] != false {
		t.Errorf("state: %d %s", code, raw)
	}
	if code, _, raw := s.call("POST", "/login", "", map[string]string{"user": "hoa", "pin": "402917"}); code != 401 {
		t.Errorf("login: %d %s", code, raw)
	}
	if _, err := os.Stat(filepath.Join(s.dir, console.SetupFileName)); !os.IsNotExist(err) {
		t.Errorf("a setup secret was made: %v", err)
	}
}

// What is wrong is what is wrong now: a program that was let in meanwhile is one, and one that was shut out is none.
func TestHealthKnowsWhoMayConnect(t *testing.T) {
	s := serve(t, nil)
	token := s.operator("hoa")
	tokens, err := keys.OpenTokens(s.dir)
	if err != nil {
		t.Fatal(err)
	}
	nobody := func() bool {
		t.Helper()
		code, _, raw := s.call("GET", "/health", token, nil)
		if code != 200 {
			t.Fatalf("health: %d %s", code, raw)
		}
		return strings.Contains(string(raw), "NO_CLIENT_ALLOWED")
	}
	if !nobody() {
		t.Error("nobody was let in yet, and nothing says so")
	}
	_, made, err := tokens.Add(keys.TokenRequest{Desktop: true})
	if err != nil {
		t.Fatal(err)
	}
	if nobody() {
		t.Error("a program was let in, and it says that none may connect")
	}
	if err := tokens.Revoke(made.ID); err != nil {
		t.Fatal(err)
	}
	if !nobody() {
		t.Error("the only program was shut out, and nothing says so")
	}
}

// An access log that cannot be read keeps nobody from being admitted.
func TestUnreadableAccessLogKeepsNobodyOut(t *testing.T) {
	s := serve(t, func(o *Options) {
		if err := keys.Claim(o.DataDir, false); err != nil {
			t.Fatal(err)
		}
		if err := os.Symlink(his.AccessFile, filepath.Join(o.DataDir, his.AccessFile)); err != nil { // it leads to itself
			t.Fatal(err)
		}
	})
	if code, _, raw := s.call("GET", "/state", "", nil); code != 200 {
		t.Errorf("state: %d %s", code, raw)
	}
}
