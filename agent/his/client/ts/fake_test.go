package ts_test

import (
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/gorilla/websocket"

	"github.com/tapcheck/tapcheck/agent/his"
	"github.com/tapcheck/tapcheck/agent/keys"
)

// fake is a program at a port of the agent's that is not the agent, or an agent of another version. It writes down what
// it hears: that is what it could have learnt.
type fake struct {
	port int
	keys *keys.Keys

	// What it says; each may be left out.
	discovery map[string]any // members that differ from an agent's
	relayTo   string         // host:port of the real agent, to which everything is handed on
	noSocket  bool           // refuses the websocket
	hello     map[string]any // members of agent.hello that differ
	answers   map[string]answer

	t     *testing.T
	mu    sync.Mutex
	heard strings.Builder
	socks []*websocket.Conn
}

// answer to a request: its result, and what follows. A nil result is no answer at all.
type answer func(f *fake, ws *websocket.Conn, params json.RawMessage) (result any)

// run serves at the port until the end of the test.
func (f *fake) run(t *testing.T, port int) *fake {
	t.Helper()
	f.t, f.port = t, port
	if f.keys == nil {
		f.keys = newKeys(t)
	}
	l, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", port))
	if err != nil {
		t.Fatal(err)
	}
	s := httptest.NewUnstartedServer(f)
	_ = s.Listener.Close()
	s.Listener = l
	s.Start()
	t.Cleanup(func() {
		f.drop()
		s.CloseClientConnections()
		s.Close()
	})
	return f
}

func newKeys(t *testing.T) *keys.Keys {
	t.Helper()
	k, err := keys.Open(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	return k
}

// drop cuts every websocket.
func (f *fake) drop() {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, ws := range f.socks {
		_ = ws.Close()
	}
	f.socks = nil
}

func (f *fake) listen(what ...string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, w := range what {
		f.heard.WriteString(w + "\n")
	}
}

// learnt says whether it has heard a secret or was asked to open a session.
func (f *fake) learnt(secret string) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	heard := f.heard.String()
	return strings.Contains(heard, secret) || strings.Contains(heard, "session.open") || strings.Contains(heard, "pairing.confirm")
}

func (f *fake) prove(tag, nonce string, challenge []byte) map[string]any {
	n, _ := base64.RawURLEncoding.DecodeString(nonce)
	message := slices.Concat([]byte(tag), n, challenge, binary.BigEndian.AppendUint16(nil, uint16(f.port)), []byte(f.instance()))
	signature, err := f.keys.SignES256(message)
	if err != nil {
		f.t.Error(err)
	}
	return map[string]any{
		"algorithm": "ES256", "publicKey": f.keys.PublicJWK(), "signature": base64.RawURLEncoding.EncodeToString(signature),
		"instanceId": f.instance(), "port": f.port,
	}
}

// instance is its own, or the one that it pretends to be.
func (f *fake) instance() string {
	if id, ok := f.discovery["instanceId"].(string); ok {
		return id
	}
	return f.keys.InstanceID()
}

func (f *fake) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	f.listen(r.URL.String(), r.Header.Get("Authorization"))
	w.Header().Set("Access-Control-Allow-Origin", "*")
	switch r.URL.Path {
	case "/.well-known/tapcheck.json":
		if f.relayTo != "" {
			f.relayDiscovery(w, r)
			return
		}
		d := map[string]any{
			"allowed": true, "agent": map[string]any{"name": "tapcheck"}, "protocol": map[string]int{"min": 1, "max": 1}, "instanceId": f.instance(),
			"simulator": false, "proof": f.prove(his.DiscoveryTag, r.URL.Query().Get("nonce"), nil),
		}
		for k, v := range f.discovery {
			if d[k] = v; v == nil {
				delete(d, k)
			}
		}
		_ = json.NewEncoder(w).Encode(d)
	case "/v1":
		if f.noSocket {
			w.WriteHeader(http.StatusServiceUnavailable)
			return
		}
		up := websocket.Upgrader{Subprotocols: []string{his.Subprotocol}, CheckOrigin: func(*http.Request) bool { return true }}
		ws, err := up.Upgrade(w, r, nil)
		if err != nil {
			return
		}
		defer ws.Close()
		f.mu.Lock()
		f.socks = append(f.socks, ws)
		f.mu.Unlock()
		if f.relayTo != "" {
			f.relaySocket(ws, r)
			return
		}
		f.serve(ws)
	}
}

func (f *fake) serve(ws *websocket.Conn) {
	challenge := make([]byte, 32)
	hello := map[string]any{
		"agent": map[string]any{"name": "tapcheck"}, "protocol": map[string]int{"min": 1, "max": 1}, "capabilities": []string{"checkin.start"},
		"challenge": base64.RawURLEncoding.EncodeToString(challenge), "time": "2026-11-23T08:00:00+07:00", "instanceId": f.instance(),
		"simulator": false, "health": []any{},
	}
	for k, v := range f.hello {
		if hello[k] = v; v == nil {
			delete(hello, k)
		}
	}
	f.tell(ws, "agent.hello", hello)
	for {
		_, frame, err := ws.ReadMessage()
		if err != nil {
			return
		}
		f.listen(string(frame))
		var q struct {
			ID     json.RawMessage
			Method string
			Params json.RawMessage
		}
		_ = json.Unmarshal(frame, &q)
		var result any
		switch a, ok := f.answers[q.Method]; {
		case ok:
			result = a(f, ws, q.Params)
		case q.Method == "agent.prove":
			var p struct{ Nonce string }
			_ = json.Unmarshal(q.Params, &p)
			result = f.prove(his.ProveTag, p.Nonce, challenge)
		case q.Method == "session.open":
			result = map[string]any{"sessionId": "s", "protocol": 1, "language": "en", "rights": map[string]any{}}
		}
		switch r := result.(type) {
		case nil:
		case wireError:
			_ = ws.WriteJSON(map[string]any{"jsonrpc": "2.0", "id": q.ID, "error": map[string]any{"code": -1, "message": "no", "data": map[string]any{"id": string(r), "text": "No."}}})
		default:
			_ = ws.WriteJSON(map[string]any{"jsonrpc": "2.0", "id": q.ID, "result": result})
		}
	}
}

// wireError is an answer that is an error with this id.
type wireError string

func (f *fake) tell(ws *websocket.Conn, method string, params any) {
	_ = ws.WriteJSON(map[string]any{"jsonrpc": "2.0", "method": method, "params": params})
}

// relayDiscovery asks the real agent the same question, as the same page.
func (f *fake) relayDiscovery(w http.ResponseWriter, r *http.Request) {
	q, err := http.NewRequestWithContext(r.Context(), http.MethodGet, "http://"+f.relayTo+r.URL.String(), nil)
	if err != nil {
		f.t.Error(err)
		return
	}
	q.Header.Set("Origin", r.Header.Get("Origin"))
	resp, err := http.DefaultClient.Do(q)
	if err != nil {
		return
	}
	defer resp.Body.Close()
	_, _ = io.Copy(w, resp.Body)
}

func (f *fake) relaySocket(page *websocket.Conn, r *http.Request) {
	d := websocket.Dialer{Subprotocols: []string{his.Subprotocol}}
	real, resp, err := d.DialContext(r.Context(), "ws://"+f.relayTo+"/v1", http.Header{"Origin": r.Header["Origin"]})
	if err != nil {
		return
	}
	_ = resp.Body.Close()
	defer real.Close()
	go func() {
		for {
			kind, frame, err := real.ReadMessage()
			if err != nil || page.WriteMessage(kind, frame) != nil {
				_ = page.Close()
				return
			}
		}
	}()
	for {
		kind, frame, err := page.ReadMessage()
		if err != nil {
			return
		}
		f.listen(string(frame))
		if real.WriteMessage(kind, frame) != nil {
			return
		}
	}
}

// junk is a program that knows nothing of Tapcheck: it answers everything with something, readable by every page.
func junk(t *testing.T, port int, body string) {
	t.Helper()
	l, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", port))
	if err != nil {
		t.Fatal(err)
	}
	s := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Access-Control-Allow-Origin", "*")
		_, _ = io.WriteString(w, body)
	}))
	_ = s.Listener.Close()
	s.Listener = l
	s.Start()
	t.Cleanup(func() {
		s.CloseClientConnections()
		s.Close()
	})
}

// silent is a program that takes connections and never says anything.
func silent(t *testing.T, port int) {
	t.Helper()
	l, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", port))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
}
