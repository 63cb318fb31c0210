package his

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/gorilla/websocket"

	hisclient "github.com/tapcheck/tapcheck/agent/his/client"
	"github.com/tapcheck/tapcheck/agent/keys"
)

// impostor is a program that took a port of ours first. It keeps everything that it is sent.
type impostor struct {
	port int
	mu   sync.Mutex
	got  strings.Builder
}

// Write implements io.Writer.
func (i *impostor) Write(b []byte) (int, error) {
	i.mu.Lock()
	defer i.mu.Unlock()
	return i.got.Write(b)
}

// recorded is a connection to it.
type recorded struct {
	net.Conn
	to io.Writer
}

func (r recorded) Read(b []byte) (int, error) {
	n, err := r.Conn.Read(b)
	_, _ = r.to.Write(b[:n])
	return n, err
}

func newImpostor(t *testing.T, serve func(i *impostor, c net.Conn)) *impostor {
	t.Helper()
	l, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	i := &impostor{port: l.Addr().(*net.TCPAddr).Port}
	var wg sync.WaitGroup
	wg.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			wg.Go(func() {
				defer c.Close()
				_ = c.SetDeadline(time.Now().Add(10 * time.Second))
				serve(i, recorded{c, i})
			})
		}
	})
	t.Cleanup(func() { _ = l.Close(); wg.Wait() })
	return i
}

// TestAProgramThatTookThePortLearnsNothing: whatever it does, a client that knows the agent's key gives it neither token nor
// assertion. Each of them is asked by a desktop program, whose token goes out with the connection, and by a page, whose
// token goes out with session.open.
func TestAProgramThatTookThePortLearnsNothing(t *testing.T) {
	real := start(t, nil)
	jwk := real.keys.PublicJWK()
	known, err := hisclient.PublicKey(jwk.X, jwk.Y)
	if err != nil {
		t.Fatal(err)
	}
	// What the agent once signed for somebody who asked, both ways.
	oldDiscovery := httpGet(t, fmt.Sprintf("http://127.0.0.1:%d/.well-known/tapcheck.json?nonce=%s", real.port, strings.Repeat("A", 43)))
	old := real.dial("https://his.example", "")
	oldHello := old.expectMethod("agent.hello")
	oldProof := old.call("agent.prove", map[string]string{"nonce": strings.Repeat("A", 43)})
	ownKeys, err := keys.Open(t.TempDir() + "/data")
	if err != nil {
		t.Fatal(err)
	}

	// talk answers discovery with a body, and on a websocket agent.hello and whatever prove says.
	talk := func(discovery func(nonce string) string, hello json.RawMessage, prove func(params json.RawMessage, challenge string) any) func(i *impostor, c net.Conn) {
		return func(i *impostor, c net.Conn) {
			in := bufio.NewReader(c)
			for {
				req, err := http.ReadRequest(in)
				if err != nil {
					return
				}
				if req.URL.Path != "/v1" {
					body := discovery(req.URL.Query().Get("nonce"))
					_, _ = fmt.Fprintf(c, "HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s", len(body), body)
					continue
				}
				ws, err := (&websocket.Upgrader{Subprotocols: []string{Subprotocol}}).Upgrade(hijacked{c, in}, req, nil)
				if err != nil {
					return
				}
				_ = ws.WriteJSON(map[string]any{"jsonrpc": "2.0", "method": "agent.hello", "params": hello})
				for {
					var m struct {
						ID     int
						Method string
						Params json.RawMessage
					}
					_, raw, err := ws.ReadMessage()
					if err != nil || json.Unmarshal(raw, &m) != nil {
						return
					}
					_, _ = i.Write(raw)
					var h struct{ Challenge string }
					_ = json.Unmarshal(hello, &h)
					var result any = map[string]any{}
					if m.Method == "agent.prove" {
						result = prove(m.Params, h.Challenge)
					}
					if ws.WriteJSON(map[string]any{"jsonrpc": "2.0", "id": m.ID, "result": result}) != nil {
						return
					}
				}
			}
		}
	}
	text := func(v any) string { raw, _ := json.Marshal(v); return string(raw) }
	// signed is a proof with the impostor's own key, which is right in everything else.
	signed := func(i *impostor, tag, nonce, challenge string) proof {
		s := &Server{c: Config{Identity: ownKeys}}
		n, _ := proofNonce(nonce)
		ch, _ := proofNonce(challenge)
		p, err := s.prove(tag, n, ch, uint16(i.port))
		if err != nil {
			t.Error(err)
		}
		return p
	}
	for name, serve := range map[string]func(i *impostor, c net.Conn){
		"says nothing": func(_ *impostor, c net.Conn) { _, _ = io.Copy(io.Discard, c) },
		"hangs up":     func(_ *impostor, c net.Conn) { _, _ = c.Read(make([]byte, 1)) },
		"is another thing": func(_ *impostor, c net.Conn) {
			_, _ = io.WriteString(c, "220 mail ready\r\n")
			_, _ = io.Copy(io.Discard, c)
		},
		"answers without end": func(_ *impostor, c net.Conn) {
			_, _ = c.Read(make([]byte, 4096))
			_, _ = io.WriteString(c, "HTTP/1.1 200 OK\r\nContent-Length: 1000000000\r\n\r\n")
			for {
				if _, err := c.Write(make([]byte, 64<<10)); err != nil {
					return
				}
			}
		},
		"has no proof": talk(func(string) string { return `{"allowed":true}` }, oldHello.Params, func(json.RawMessage, string) any { return map[string]any{} }),
		"has a proof of wrong types": talk(func(string) string { return `{"proof":{"signature":7,"port":"x"}}` }, oldHello.Params,
			func(json.RawMessage, string) any { return []int{1} }),
		"replays an old proof": talk(func(string) string { return oldDiscovery }, oldHello.Params, func(json.RawMessage, string) any { return oldProof.Result }),
		"replays an old proof with its own port": talk(
			func(string) string {
				return strings.ReplaceAll(oldDiscovery, fmt.Sprintf(`"port":%d`, real.port), `"port":PORT`)
			}, oldHello.Params,
			func(json.RawMessage, string) any {
				return json.RawMessage(strings.ReplaceAll(string(oldProof.Result), fmt.Sprintf(`"port":%d`, real.port), `"port":1`))
			}),
		"signs with a key of its own": func(i *impostor, c net.Conn) {
			talk(func(nonce string) string {
				return text(map[string]any{"allowed": true, "proof": signed(i, DiscoveryTag, nonce, "")})
			}, oldHello.Params,
				func(params json.RawMessage, challenge string) any {
					var p struct{ Nonce string }
					_ = json.Unmarshal(params, &p)
					return signed(i, ProveTag, p.Nonce, challenge)
				})(i, c)
		},
		"hands everything on to the agent": func(_ *impostor, c net.Conn) {
			out, err := net.Dial("tcp4", fmt.Sprintf("127.0.0.1:%d", real.port))
			if err != nil {
				return
			}
			defer out.Close()
			go func() { _, _ = io.Copy(c, out); _ = c.Close() }()
			// With the agent's port in Host, so that its gate lets it through.
			in := bufio.NewReader(c)
			for {
				line, err := in.ReadString('\n')
				if err != nil {
					return
				}
				if strings.HasPrefix(line, "Host: ") {
					line = fmt.Sprintf("Host: 127.0.0.1:%d\r\n", real.port)
				}
				_, _ = io.WriteString(out, line)
				if line == "\r\n" {
					break
				}
			}
			_, _ = io.Copy(out, in)
		},
	} {
		for who, o := range map[string]hisclient.Options{"desktop": {Bearer: real.secrets["DESKTOP"]}, "page": {Origin: "https://his.example"}} {
			t.Run(name+"/"+who, func(t *testing.T) {
				i := newImpostor(t, func(i *impostor, c net.Conn) { serve(i, c) })
				ctx, cancel := context.WithTimeout(t.Context(), time.Second)
				defer cancel()
				o.Addr, o.Key = fmt.Sprintf("127.0.0.1:%d", i.port), known
				cl, err := hisclient.Dial(ctx, o)
				if err == nil {
					_ = cl.Call(ctx, "session.open", map[string]any{"protocol": 1, "token": real.secrets["WEB"]}, nil)
					_ = cl.Close()
					t.Error("the client takes it for the agent")
				}
				i.mu.Lock()
				defer i.mu.Unlock()
				for token, secret := range real.secrets {
					if strings.Contains(i.got.String(), secret) {
						t.Errorf("it learns %s:\n%s", token, i.got.String())
					}
				}
				if strings.Contains(i.got.String(), "Authorization") || strings.Contains(i.got.String(), "session.open") {
					t.Errorf("it gets more than a question:\n%s", i.got.String())
				}
			})
		}
	}
}

// hijacked lets a websocket be upgraded on a raw connection.
type hijacked struct {
	net.Conn
	in *bufio.Reader
}

func (h hijacked) Header() http.Header { return http.Header{} }
func (h hijacked) WriteHeader(int)     {}
func (h hijacked) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	return h.Conn, bufio.NewReadWriter(h.in, bufio.NewWriter(h.Conn)), nil
}

func httpGet(t *testing.T, url string) string {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	resp, err := http.DefaultTransport.RoundTrip(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	raw, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	http.DefaultTransport.(*http.Transport).CloseIdleConnections()
	return string(raw)
}

// The agent itself is recognised both ways, and then works as ever.
func TestTheAgentIsRecognised(t *testing.T) {
	r := start(t, nil)
	jwk := r.keys.PublicJWK()
	known, err := hisclient.PublicKey(jwk.X, jwk.Y)
	if err != nil {
		t.Fatal(err)
	}
	for who, o := range map[string]hisclient.Options{"desktop": {Bearer: r.secrets["DESKTOP"]}, "page": {Origin: "https://his.example"}} {
		o.Addr, o.Key = fmt.Sprintf("127.0.0.1:%d", r.port), known
		c, err := hisclient.Dial(t.Context(), o)
		if err != nil {
			t.Fatal(who, err)
		}
		if n := <-c.Notifications(); n.Method != "agent.hello" {
			t.Errorf("%s: the first is %s", who, n.Method)
		}
		params := map[string]any{"protocol": 1}
		if o.Origin != "" {
			params["token"] = r.secrets["WEB"]
		}
		if err := c.Call(t.Context(), "session.open", params, nil); err != nil {
			t.Error(who, err)
		}
		_ = c.Close()
		// Another agent is not this one.
		o.Key, err = hisclient.PublicKey(jwk.X, jwk.X)
		if err == nil {
			t.Error("a point that is not on the curve is a key")
		}
		other, _ := keys.Open(t.TempDir() + "/data")
		o.Key, _ = hisclient.PublicKey(other.PublicJWK().X, other.PublicJWK().Y)
		if _, err := hisclient.Dial(t.Context(), o); !errors.Is(err, hisclient.ErrImpostor) {
			t.Errorf("%s: another agent's key: %v", who, err)
		}
	}
}
