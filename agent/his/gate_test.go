package his

import (
	"bufio"
	"context"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/tapcheck/tapcheck/agent/catalog"
	"github.com/tapcheck/tapcheck/agent/checkin"
	"github.com/tapcheck/tapcheck/agent/keys"
)

// gatePaths are the routes of testdata/his/gate.tsv.
var gatePaths = map[string]string{
	"socket": "/v1", "discovery": "/.well-known/tapcheck.json", "console": "/console/", "api": "/console/api/state", "docs": "/docs/x.json",
	"client": "/client/tapcheck.mjs", "help": "/help/INTERNAL", "other": "/nosuch",
}

// TestGateLetsInOnlyLoopbackHostOriginTokenSession holds the gate's rule: each row of testdata/his/gate.tsv is a request as it
// comes over the wire, with what it must be answered.
func TestGateLetsInOnlyLoopbackHostOriginTokenSession(t *testing.T) {
	var pairing *keys.Pairing
	r := newRig(t, func(c *Config) {
		store := c.Tokens.(*keys.TokenStore)
		pairing = keys.NewPairing(store)
		c.Pairing, c.Tokens, c.Pages = pairing, vouching{store}, pages()
		c.Help = http.HandlerFunc(func(http.ResponseWriter, *http.Request) {})
		c.Origins = []string{"https://listed.example"}
		c.Limits.Connections = 1000 // those of the rows before may not have left yet
		c.Session = func(_ context.Context, _, remote netip.AddrPort) (string, error) {
			switch remote.Port() {
			case 50009:
				return "", ErrNoSession
			case 51001:
				return "uid:1001", nil
			}
			return "uid:1000", nil
		}
	})
	r.secrets["CONSOLE"], r.secrets["WRONG"] = consoleSession, "wrong"
	// One job of everybody's.
	for name, client := range map[string]string{
		"WEB": "https://his.example", "OTHER": "http://10.0.0.7:8080", "CONSOLE": ConsoleClient,
		"DESKTOP": "desktop:" + r.ids["DESKTOP"], "DESKTOP2": "desktop:" + r.ids["DESKTOP2"],
	} {
		r.engine.jobs[checkin.Owner{Client: client, Session: "uid:1000", User: r.server.c.User("uid:1000")}] = map[string]checkin.State{name: checkin.Waiting}
		r.engine.jobs[checkin.Owner{Client: client, Session: "uid:1001", User: r.server.c.User("uid:1001")}] = map[string]checkin.State{name + "@1001": checkin.Waiting}
	}
	l := newPipeListener()
	r.run([]net.Listener{l})

	raw, err := os.ReadFile("../../testdata/his/gate.tsv")
	if err != nil {
		t.Fatal(err)
	}
	rows := 0
	for i, line := range strings.Split(strings.TrimSpace(string(raw)), "\n") {
		if strings.HasPrefix(line, "#") {
			continue
		}
		rows++
		f := strings.Split(line, "\t")
		if len(f) != 7 {
			t.Fatalf("line %d has %d columns", i+1, len(f))
		}
		route, peer, host, origin, auth, more, want := f[0], f[1], f[2], f[3], f[4], f[5], f[6]
		t.Run(fmt.Sprintf("line %d", i+1), func(t *testing.T) {
			with := map[string]string{"method": "GET", "sub": Subprotocol}
			for _, kv := range strings.Fields(strings.Trim(more, "-")) {
				k, v, _ := strings.Cut(kv, "=")
				with[k] = v
			}
			pairing.Close()
			if with["window"] == "open" {
				openWindow(t, pairing)
			}
			var req strings.Builder
			req.WriteString(with["method"] + " " + gatePaths[route] + " HTTP/1.1\r\n")
			header := func(name, values string) {
				if values == "-" || values == "" {
					return
				}
				for _, v := range strings.Split(values, "|") {
					req.WriteString(name + ": " + r.expand(strings.Replace(v, "EMPTY", "", 1)) + "\r\n")
				}
			}
			header("Host", host)
			header("Origin", origin)
			header("Authorization", auth)
			header("Sec-Fetch-Site", with["site"])
			if route == "socket" {
				req.WriteString("Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n")
				if with["sub"] != "NONE" {
					header("Sec-WebSocket-Protocol", strings.ReplaceAll(with["sub"], ",", ", "))
				}
			}
			c := l.dial(peer)
			defer c.Close()
			if _, err := io.WriteString(c, req.String()+"\r\n"); err != nil {
				t.Fatal(err)
			}
			in := bufio.NewReader(c)
			resp, err := http.ReadResponse(in, &http.Request{Method: with["method"]})
			if err != nil {
				t.Fatal(err)
			}
			body := ""
			if resp.StatusCode != http.StatusSwitchingProtocols {
				b, _ := io.ReadAll(resp.Body)
				body = string(b)
			}
			got := fmt.Sprint(resp.StatusCode)
			if reason := resp.Header.Get(ReasonHeader); reason != "" && resp.StatusCode != http.StatusOK {
				got += " " + reason
				var w catalog.Wire
				if with["method"] != "HEAD" && (json.Unmarshal([]byte(body), &w) != nil || string(w.ID) != reason || w.Text == "") {
					t.Errorf("body %q does not explain %s", body, reason)
				}
			}
			switch {
			case route == "discovery":
				got += " " + readable(t, resp, origin, body)
			case resp.StatusCode == http.StatusSwitchingProtocols && with["open"] != "":
				got += openAndAsk(t, c, in, r.secrets[with["open"]], with["job"])
			case resp.Header.Get("Access-Control-Allow-Origin") != "":
				got += " readable"
				if cors := resp.Header.Get("Access-Control-Allow-Origin"); cors != origin || resp.Header.Get("Vary") != "Origin" {
					t.Errorf("echoes %q", cors)
				}
			}
			if got != want {
				t.Errorf("%s %s: Host %q, Origin %q, Authorization %q, %s: got %q, want %q", route, peer, host, origin, auth, more, got, want)
			}
			for name, secret := range r.secrets {
				if name != "WRONG" && strings.Contains(body, secret) {
					t.Error("the answer echoes a token")
				}
			}
		})
	}
	if rows < 500 {
		t.Errorf("only %d rows", rows)
	}
	log := r.logged()
	for _, leak := range []string{"evil", "his.example", "new.example", r.secrets["DESKTOP"], "50000"} {
		if strings.Contains(log, leak) {
			t.Errorf("the log holds %q", leak)
		}
	}
	if n := r.server.Refused(); n[catalog.OriginDenied] < 150 || n[catalog.HostDenied] < 25 || n[catalog.PeerDenied] < 20 || n[catalog.TokenRejected] < 30 {
		t.Errorf("refusals were not counted: %v", n)
	}
	if lines := strings.Count(log, "refused "); lines == 0 || lines > 20 {
		t.Errorf("%d log lines about refusals: a hostile page could fill the disk", lines)
	}
}

// openAndAsk opens a session and asks for a job, over a connection that was upgraded; it tells what was answered.
func openAndAsk(t *testing.T, c net.Conn, in *bufio.Reader, token, job string) string {
	t.Helper()
	_ = c.SetDeadline(time.Now().Add(20 * time.Second)) // a broken agent must not hang the test
	call := func(id int, method string, params map[string]any) (m message) {
		raw, _ := json.Marshal(map[string]any{"jsonrpc": "2.0", "id": id, "method": method, "params": params})
		frame := append([]byte{0x81, 0x80 | 126}, binary.BigEndian.AppendUint16(nil, uint16(len(raw)))...)
		if len(raw) < 126 {
			frame = []byte{0x81, 0x80 | byte(len(raw))}
		}
		if _, err := c.Write(append(append(frame, 0, 0, 0, 0), raw...)); err != nil { // the mask is zero
			t.Fatal(err)
		}
		for string(m.ID) != fmt.Sprint(id) {
			var head [2]byte
			if _, err := io.ReadFull(in, head[:]); err != nil || head[0] != 0x81 {
				t.Fatalf("%x, %v", head, err)
			}
			n := uint64(head[1])
			if n == 126 {
				var long [2]byte
				_, _ = io.ReadFull(in, long[:])
				n = uint64(binary.BigEndian.Uint16(long[:]))
			}
			raw := make([]byte, n)
			m = message{}
			if _, err := io.ReadFull(in, raw); err != nil || json.Unmarshal(raw, &m) != nil {
				t.Fatal(err)
			}
		}
		return m
	}
	params := map[string]any{"protocol": 1, "token": token} // a desktop program may say it again; it stays who it was
	if m := call(1, "session.open", params); m.Error != nil {
		return " " + string(m.Error.Data.ID)
	}
	if job == "" {
		return " open"
	}
	m := call(2, "job.status", map[string]any{"jobId": job})
	if m.Error != nil {
		return " open " + string(m.Error.Data.ID)
	}
	var st checkin.JobStatus
	if err := json.Unmarshal(m.Result, &st); err != nil {
		t.Fatal(err)
	}
	return " open " + string(st.State)
}

// readable says what the page of an origin can read of a discovery answer, as browsers decide it.
func readable(t *testing.T, resp *http.Response, origin, body string) string {
	t.Helper()
	if !strings.Contains(resp.Header.Get("Vary"), "Origin") {
		t.Error("no Vary: Origin")
	}
	cors := resp.Header.Values("Access-Control-Allow-Origin")
	if resp.Header.Get("Access-Control-Allow-Credentials") != "" {
		t.Error("credentials are allowed")
	}
	var d map[string]any
	_ = json.Unmarshal([]byte(body), &d)
	switch {
	case resp.StatusCode != http.StatusOK:
		if len(cors) > 0 {
			t.Errorf("a refusal is readable for %q", cors)
		}
		return "nothing"
	case origin == "-":
		if len(cors) > 0 {
			t.Errorf("echoes %q without an Origin", cors)
		}
	case len(cors) != 1 || cors[0] != origin:
		t.Errorf("echoes %q", cors)
	}
	if d["allowed"] == false && d["pairing"] == true {
		if len(d) != 2 {
			t.Errorf("a refused page learns %s", body)
		}
		return "refused pairing"
	}
	if d["allowed"] == false {
		if len(d) != 1 {
			t.Errorf("a refused page learns %s", body)
		}
		return "refused"
	}
	for _, k := range []string{"agent", "protocol", "url", "subprotocol", "instanceId", "simulator"} {
		if _, ok := d[k]; !ok {
			t.Errorf("%s is missing in %s", k, body)
		}
	}
	if d["url"] != "ws://127.0.0.1:27480/v1" {
		t.Errorf("url is %v", d["url"])
	}
	return "allowed"
}

func TestOtherPathsAndMethods(t *testing.T) {
	r := start(t, nil)
	base := fmt.Sprintf("http://127.0.0.1:%d", r.port)
	for _, c := range []struct {
		method, path, origin string
		status               int
		reason               catalog.ID
	}{
		{"GET", "/", "https://his.example", 404, catalog.NotAvailable},
		{"GET", "/", "https://evil.example", 403, catalog.OriginDenied},
		{"GET", "//v1", "https://evil.example", 403, catalog.OriginDenied},
		{"GET", "/v1/../v1", "https://evil.example", 403, catalog.OriginDenied},
		{"GET", "/v1/", "https://his.example", 404, catalog.NotAvailable},
		{"GET", "/v1", "https://his.example", 400, catalog.BadRequest},
		{"POST", "/v1", "https://his.example", 400, catalog.BadRequest},
		{"POST", "/.well-known/tapcheck.json", "https://his.example", 405, catalog.BadRequest},
		{"OPTIONS", "/.well-known/tapcheck.json", "https://his.example", 405, catalog.BadRequest},
		{"OPTIONS", "/.well-known/tapcheck.json", "https://evil.example", 403, catalog.OriginDenied},
		{"GET", "/debug/pprof/", "", 404, catalog.NotAvailable},
	} {
		req, err := http.NewRequestWithContext(t.Context(), c.method, base+c.path, nil)
		if err != nil {
			t.Fatal(err)
		}
		if c.origin != "" {
			req.Header.Set("Origin", c.origin)
		}
		resp, err := http.DefaultTransport.RoundTrip(req)
		if err != nil {
			t.Fatal(err)
		}
		_, _ = io.Copy(io.Discard, resp.Body)
		_ = resp.Body.Close()
		if resp.StatusCode != c.status || resp.Header.Get(ReasonHeader) != string(c.reason) {
			t.Errorf("%s %s from %q: %d %s, want %d %s", c.method, c.path, c.origin, resp.StatusCode, resp.Header.Get(ReasonHeader), c.status, c.reason)
		}
		if resp.Header.Get("Cache-Control") != "no-store" {
			t.Errorf("%s %s may be cached", c.method, c.path)
		}
	}
	http.DefaultTransport.(*http.Transport).CloseIdleConnections()
}

// Any page can make the browser ask without an Origin, as often as it likes (<img src="http://127.0.0.1:…/help/X">), in the
// session of the desk that the HIS works at. Whoever asks too often is refused, and nobody else: neither its own way in by
// another route, nor other pages and programs.
func TestFloodKeepsOutNobodyElse(t *testing.T) {
	flooders := map[string]struct{ path, origin, token string }{
		"a page without an Origin": {"/help/INTERNAL", "", ""},
		"an allowed page":          {"/.well-known/tapcheck.json", "http://10.0.0.7:8080", ""},
		"an allowed page's socket": {"/v1", "http://10.0.0.7:8080", ""},
		"a desktop program":        {"/v1", "", "DESKTOP2"},
	}
	for name, f := range flooders {
		t.Run(name, func(t *testing.T) {
			r := start(t, func(c *Config) {
				c.Limits = Limits{RequestsPerSecond: 1}
				c.Help = http.HandlerFunc(func(http.ResponseWriter, *http.Request) {})
			})
			get := func(path, origin, token string) (status int, reason string) {
				t.Helper()
				req, err := http.NewRequestWithContext(t.Context(), "GET", fmt.Sprintf("http://127.0.0.1:%d%s", r.port, path), nil)
				if err != nil {
					t.Fatal(err)
				}
				if origin != "" {
					req.Header.Set("Origin", origin)
				}
				if token != "" {
					req.Header.Set("Authorization", "Bearer "+r.secrets[token])
				}
				resp, err := http.DefaultTransport.RoundTrip(req)
				if err != nil {
					t.Fatal(err)
				}
				_, _ = io.Copy(io.Discard, resp.Body)
				_ = resp.Body.Close()
				return resp.StatusCode, resp.Header.Get(ReasonHeader)
			}
			limited := 0
			for range 20 {
				if status, reason := get(f.path, f.origin, f.token); status == http.StatusTooManyRequests && reason == string(catalog.RateLimited) {
					limited++
				}
			}
			if limited == 0 {
				t.Error("the flood was not limited")
			}
			r.open("https://his.example", "WEB")
			r.open("", "DESKTOP")
			if f.origin != "" {
				if status, reason := get("/help/INTERNAL", "", ""); status != http.StatusOK {
					t.Errorf("a request without an Origin: %d %s", status, reason)
				}
			}
			m := r.open("", "MINIMAL").call("agent.status", nil)
			var status struct{ Refused map[catalog.ID]int }
			if err := json.Unmarshal(m.Result, &status); err != nil || status.Refused[catalog.RateLimited] < limited {
				t.Errorf("agent.status tells of %v, %v; want %d", status.Refused, err, limited)
			}
			http.DefaultTransport.(*http.Transport).CloseIdleConnections()
		})
	}
}

// Help is for every program of this PC, and for no page but one that is allowed or follows a link to it.
func TestHelpStandsBehindTheGate(t *testing.T) {
	r := start(t, func(c *Config) {
		c.Help = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { _, _ = io.WriteString(w, "help for "+r.URL.Path) })
	})
	for _, c := range []struct {
		path, host, origin string
		status             int
		body               string
	}{
		{"/help/INTERNAL", "", "", 200, "help for /help/INTERNAL"},
		{"/help/INTERNAL", "", "https://his.example", 200, "help for /help/INTERNAL"},
		{"/help/INTERNAL", "", "https://evil.example", 403, "ORIGIN_DENIED"},
		{"/help/INTERNAL", "", "null", 403, "ORIGIN_DENIED"},
		{"/help/INTERNAL", "evil.example", "", 403, "HOST_DENIED"},
		{"/helpless", "", "", 404, "NOT_AVAILABLE"},
		{"/help", "", "", 404, "NOT_AVAILABLE"},
	} {
		req, err := http.NewRequestWithContext(t.Context(), "GET", fmt.Sprintf("http://127.0.0.1:%d%s", r.port, c.path), nil)
		if err != nil {
			t.Fatal(err)
		}
		req.Host = c.host
		if c.origin != "" {
			req.Header.Set("Origin", c.origin)
		}
		resp, err := http.DefaultTransport.RoundTrip(req)
		if err != nil {
			t.Fatal(err)
		}
		body, _ := io.ReadAll(resp.Body)
		_ = resp.Body.Close()
		if resp.StatusCode != c.status || !strings.Contains(string(body), c.body) || resp.Header.Get("Access-Control-Allow-Origin") != "" {
			t.Errorf("%+v: %d %s", c, resp.StatusCode, body)
		}
	}
	http.DefaultTransport.(*http.Transport).CloseIdleConnections()
}
