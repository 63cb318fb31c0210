package his

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/gorilla/websocket"

	"github.com/tapcheck/tapcheck/agent/catalog"
	"github.com/tapcheck/tapcheck/agent/keys"
)

const newOrigin = "https://new.example"

// pairRig serves with pairing, whose window is closed.
func pairRig(t testing.TB, change func(c *Config)) (*rig, *keys.Pairing) {
	t.Helper()
	var p *keys.Pairing
	r := start(t, func(c *Config) {
		p = keys.NewPairing(c.Tokens.(*keys.TokenStore))
		c.Pairing = p
		if change != nil {
			change(c)
		}
	})
	t.Cleanup(p.Close)
	return r, p
}

func openWindow(t testing.TB, p *keys.Pairing) {
	t.Helper()
	if err := p.Open("admin", time.Minute, []string{keys.RightRead}, []string{"number", "fullName"}); err != nil {
		t.Fatal(err)
	}
}

func shown(t testing.TB, p *keys.Pairing, origin string) string {
	t.Helper()
	w, _ := p.Window()
	for _, r := range w.Requests {
		if r.Origin == origin {
			return r.Code
		}
	}
	t.Fatal("the console shows no code for", origin)
	return ""
}

// idOf is the id of an answer's error, or "".
func idOf(m message) catalog.ID {
	if m.Error == nil {
		return ""
	}
	return catalog.ID(m.Error.Data.ID)
}

// TestAPageIsPaired is the whole way: refused, paired with the code from the console, in on the same socket, and later by
// the token alone.
func TestAPageIsPaired(t *testing.T) {
	r, p := pairRig(t, nil)
	if reason := r.refusal(newOrigin); reason != string(catalog.OriginDenied) {
		t.Fatalf("before the window: %q", reason)
	}
	openWindow(t, p)
	c := r.dial(newOrigin, "")
	var hello struct {
		Capabilities []string
		Health       []HealthItem
	}
	if err := json.Unmarshal(c.expectMethod("agent.hello").Params, &hello); err != nil || !slices.Equal(hello.Capabilities, []string{"agent.prove", "pairing.confirm", "pairing.start"}) {
		t.Errorf("%v, hello offers %v", err, hello.Capabilities)
	}
	// Nothing else answers, whatever comes with it.
	for method := range r.server.methods {
		if strings.HasPrefix(method, "pairing.") || method == "agent.prove" { // whose agent it is, is asked before all else
			continue
		}
		if id := idOf(c.call(method, map[string]any{"protocol": 1, "token": r.secrets["WEB"], "jobId": "x"})); id != catalog.OriginDenied {
			t.Errorf("%s answers %q", method, id)
		}
	}
	if id := idOf(c.call("pairing.confirm", map[string]string{"code": "123456"})); id != catalog.PairingEnded {
		t.Errorf("confirmed without a start: %q", id)
	}
	var started struct {
		ExpiresAt time.Time
		Tries     int
	}
	if m := c.call("pairing.start", map[string]any{}); m.Error != nil || json.Unmarshal(m.Result, &started) != nil || started.Tries != 5 || strings.Contains(string(m.Result), shown(t, p, newOrigin)) {
		t.Fatalf("%+v", m)
	}
	if m := c.call("pairing.confirm", map[string]string{"code": "x"}); idOf(m) != catalog.PairingCode || fmt.Sprint(m.Error.Data.Detail["triesLeft"]) != "4" {
		t.Errorf("%+v", m.Error)
	}
	if id := idOf(c.call("session.open", map[string]any{"protocol": 1, "token": "x"})); id != catalog.OriginDenied {
		t.Errorf("a session before the code: %q", id)
	}
	m := c.call("pairing.confirm", map[string]string{"code": shown(t, p, newOrigin)})
	var paired struct {
		Token, TokenID, InstanceID string
		Rights, Fields             []string
		PublicKey                  keys.JWK
	}
	if m.Error != nil || json.Unmarshal(m.Result, &paired) != nil || paired.PublicKey != r.keys.PublicJWK() || paired.InstanceID != r.keys.InstanceID() {
		t.Fatalf("%+v", m)
	}
	if !slices.Equal(paired.Rights, []string{keys.RightRead}) || !slices.Equal(paired.Fields, []string{"number", "fullName"}) {
		t.Errorf("%+v", paired)
	}
	if m := c.call("session.open", map[string]any{"protocol": 1, "token": paired.Token}); m.Error != nil {
		t.Fatal(m.Error.Data.ID)
	}
	if m := c.call("checkin.start", map[string]any{"jobId": "1", "means": "chip"}); m.Error != nil {
		t.Error(m.Error.Data.ID)
	}
	p.Close()
	// The window is closed; the token lives.
	r.secrets["NEW"] = paired.Token
	r.open(newOrigin, "NEW")
	if log := r.logged(); strings.Contains(log, paired.Token) || strings.Contains(log, "new.example") {
		t.Error("the log holds the token or the origin")
	}
	// A revoked one must be paired anew.
	if err := r.tokens.Revoke(paired.TokenID); err != nil || r.refusal(newOrigin) == "" {
		t.Error("a revoked origin gets in:", err)
	}
}

// refusal is why an origin does not get a websocket, or "" where it does.
func (r *rig) refusal(origin string) string {
	r.t.Helper()
	d := websocket.Dialer{Subprotocols: []string{Subprotocol}, HandshakeTimeout: 5 * time.Second}
	ws, resp, err := d.DialContext(r.t.Context(), fmt.Sprintf("ws://127.0.0.1:%d/v1", r.port), http.Header{"Origin": {origin}})
	if err == nil {
		_ = ws.Close()
		return ""
	}
	if resp == nil {
		r.t.Fatal(err)
	}
	return resp.Header.Get(ReasonHeader)
}

// Each row is a page with an open window that gives wrong things to pairing; none of them ends in a token.
func TestPairingRefusesWhatIsWrong(t *testing.T) {
	for name, c := range map[string]struct {
		origin, token string // of who asks; a new origin unless it is said
		before        func(r *rig, p *keys.Pairing, c *client)
		method        string
		params        any
		want          catalog.ID
	}{
		"no code":           {method: "pairing.confirm", want: catalog.BadRequest},
		"empty code":        {method: "pairing.confirm", params: map[string]any{"code": ""}, want: catalog.BadRequest},
		"nothing in it":     {method: "pairing.start", want: ""},
		"code is a number":  {method: "pairing.confirm", params: map[string]any{"code": 123456}, want: catalog.BadRequest},
		"code is a list":    {method: "pairing.confirm", params: map[string]any{"code": []string{"123456"}}, want: catalog.BadRequest},
		"code is an object": {method: "pairing.confirm", params: map[string]any{"code": map[string]any{}}, want: catalog.BadRequest},
		"code is null":      {method: "pairing.confirm", params: map[string]any{"code": nil}, want: catalog.BadRequest},
		"code of 33 bytes":  {method: "pairing.confirm", params: map[string]any{"code": strings.Repeat("1", 33)}, want: catalog.BadRequest},
		"code of two lines": {method: "pairing.confirm", params: map[string]any{"code": "123\n456"}, want: catalog.BadRequest},
		"params are a list": {method: "pairing.confirm", params: []string{"123456"}, want: catalog.BadRequest},
		"code with spaces":  {method: "pairing.confirm", params: map[string]any{"code": " 000000"}, want: catalog.PairingCode},
		"nothing started": {method: "pairing.confirm", params: map[string]any{"code": "123456"}, want: catalog.PairingEnded,
			before: func(_ *rig, p *keys.Pairing, _ *client) { p.Close(); openWindow(t, p) }},
		"fifth wrong code": {method: "pairing.confirm", params: map[string]any{"code": "x"}, want: catalog.PairingEnded,
			before: func(_ *rig, p *keys.Pairing, _ *client) {
				for range keys.PairingTries - 1 {
					_, _, _ = p.Confirm(newOrigin, "x")
				}
			}},
		"window closed meanwhile": {method: "pairing.confirm", params: map[string]any{"code": "000000"}, want: catalog.PairingClosed,
			before: func(_ *rig, p *keys.Pairing, _ *client) { p.Close() }},
		"start in a closed window": {method: "pairing.start", want: catalog.PairingClosed,
			before: func(_ *rig, p *keys.Pairing, _ *client) { p.Close() }},
		"too many codes": {method: "pairing.start", want: catalog.PairingBusy,
			before: func(_ *rig, p *keys.Pairing, _ *client) {
				for range 10 {
					_, _ = p.Start(newOrigin)
				}
			}},
		"a desktop program": {token: "DESKTOP", method: "pairing.start", want: catalog.OriginDenied},
		"our own page":      {origin: "OWN", method: "pairing.start", want: catalog.OriginDenied},
		"an allowed page":   {origin: "https://his.example", method: "pairing.start", want: ""}, // it has lost its token
	} {
		t.Run(name, func(t *testing.T) {
			r, p := pairRig(t, nil)
			openWindow(t, p)
			origin := c.origin
			switch {
			case origin == "OWN":
				origin = fmt.Sprintf("http://127.0.0.1:%d", r.port)
			case origin == "" && c.token == "":
				origin = newOrigin
			}
			cl := r.dial(origin, c.token)
			cl.expectMethod("agent.hello")
			if origin == newOrigin {
				if _, err := p.Start(newOrigin); err != nil {
					t.Fatal(err)
				}
			}
			if c.before != nil {
				c.before(r, p, cl)
			}
			if id := idOf(cl.call(c.method, c.params)); id != c.want {
				t.Errorf("%q, want %q", id, c.want)
			}
			if r.tokens.Allowed(newOrigin) {
				t.Error("the origin was let in")
			}
		})
	}
}

// Who types the code in the second minute still finds its socket open; who never asks for one is closed after ten seconds.
func TestPairingHasItsTime(t *testing.T) {
	var p *keys.Pairing
	change := func(c *Config) {
		p = keys.NewPairing(c.Tokens.(*keys.TokenStore))
		c.Pairing, c.PingInterval = p, time.Hour
	}
	bubble(t, change, func(_ *rig, dial func() *client) {
		if err := p.Open("admin", 5*time.Minute, nil, nil); err != nil {
			t.Fatal(err)
		}
		began := time.Now()
		idle, asks := dial(), dial()
		idle.expectMethod("agent.hello")
		asks.expectMethod("agent.hello")
		if m := asks.call("pairing.start", nil); m.Error != nil {
			t.Fatal(m.Error.Data.ID)
		}
		idle.expectClose(CloseSessionTimeout)
		time.Sleep(100 * time.Second)
		if m := asks.call("pairing.confirm", map[string]string{"code": shown(t, p, "https://his.example")}); m.Error != nil {
			t.Error(m.Error.Data.ID)
		}
		asks.expectClose(CloseSessionTimeout)
		if d := time.Since(began); d != 120*time.Second {
			t.Errorf("paired and never opened: closed after %v", d)
		}
		p.Close()
		_ = idle.ws.Close()
		_ = asks.ws.Close()
	})
}

// Strangers who pair must not take the places of those who work.
func TestPairingTakesFewPlaces(t *testing.T) {
	r, p := pairRig(t, func(c *Config) { c.Limits.Connections = 8 })
	openWindow(t, p)
	in := 0
	for i := range 8 {
		d := websocket.Dialer{Subprotocols: []string{Subprotocol}}
		ws, resp, err := d.DialContext(t.Context(), fmt.Sprintf("ws://127.0.0.1:%d/v1", r.port), http.Header{"Origin": {fmt.Sprintf("https://h%d.example", i)}})
		if err == nil {
			in++
			t.Cleanup(func() { _ = ws.Close() })
		} else if resp == nil || resp.Header.Get(ReasonHeader) != string(catalog.TooManyClients) {
			t.Error(err)
		}
	}
	if in != 2 {
		t.Errorf("%d strangers have a place of 8", in)
	}
	for range 6 {
		r.open("https://his.example", "WEB")
	}
}

// TestAssertionOpensASession: the challenge is the connection's own, so what was signed for one is nothing on another.
func TestAssertionOpensASession(t *testing.T) {
	r := start(t, nil)
	priv, _ := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	der, _ := x509.MarshalPKIXPublicKey(priv.Public())
	key, err := keys.ParsePublicKey(pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der}))
	if err != nil {
		t.Fatal(err)
	}
	_, token, err := r.tokens.Add(keys.TokenRequest{Origin: "https://backend.example", PublicKey: &key, Rights: []string{keys.RightRead}})
	if err != nil {
		t.Fatal(err)
	}
	connect := func(origin string) (c *client, challenge string) {
		c = r.dial(origin, "DESKTOP")
		var hello struct{ Challenge string }
		if err := json.Unmarshal(c.expectMethod("agent.hello").Params, &hello); err != nil {
			t.Fatal(err)
		}
		return c, hello.Challenge
	}
	sign := func(challenge string) string {
		signer, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.ES256, Key: priv}, nil)
		if err != nil {
			t.Fatal(err)
		}
		raw, _ := json.Marshal(map[string]any{
			"aud": "tapcheck:" + r.keys.InstanceID(), "nonce": challenge, "sub": "lt.hoa", "iat": time.Now().Unix(), "exp": time.Now().Add(time.Minute).Unix(),
		})
		sig, err := signer.Sign(raw)
		if err != nil {
			t.Fatal(err)
		}
		s, _ := sig.CompactSerialize()
		return s
	}
	open := func(c *client, params map[string]any) catalog.ID {
		params["protocol"] = 1
		return idOf(c.call("session.open", params))
	}
	c, challenge := connect("https://backend.example")
	good := sign(challenge)
	for name, params := range map[string]map[string]any{
		"token beside it":            {"assertion": good, "token": r.secrets["WEB"]},
		"of a wrong type":            {"assertion": 7},
		"of a wrong type, an object": {"assertion": map[string]any{"jwt": good}},
	} {
		if id := open(c, params); id != catalog.BadRequest {
			t.Errorf("%s: %q", name, id)
		}
	}
	// Whom the backend vouches for beats whom the page names.
	if id := open(c, map[string]any{"assertion": good, "operator": map[string]string{"id": "somebody"}}); id != "" {
		t.Fatal(id)
	}
	c.call("checkin.start", map[string]any{"jobId": "1", "means": "chip", "operator": map[string]string{"id": "else", "source": "console"}})
	if op := r.engine.reqs[0].Operator; op == nil || op.ID != "lt.hoa" || op.Source != "assertion" {
		t.Errorf("the operator is %+v", op)
	}
	// Elsewhere it opens nothing.
	for _, origin := range []string{"https://backend.example", "https://his.example", ""} {
		c, _ := connect(origin)
		if id := open(c, map[string]any{"assertion": good}); id != catalog.TokenRejected {
			t.Errorf("replayed from %q: %q", origin, id)
		}
	}
	other, challenge := connect("https://his.example")
	if id := open(other, map[string]any{"assertion": sign(challenge)}); id != catalog.TokenRejected {
		t.Errorf("from an origin that the key is not for: %q", id)
	}
	// A revoked key ends its sessions like any token.
	if err := r.tokens.Revoke(token.ID); err != nil {
		t.Fatal(err)
	}
	c.send("reader.list", nil)
	for {
		if _, err := c.next(); err != nil {
			if !websocket.IsCloseError(err, CloseTokenRejected) {
				t.Error(err)
			}
			return
		}
	}
}

// vouching is a store that knows a console's sessions, as agent/console wraps it.
type vouching struct{ *keys.TokenStore }

// movedLogin vouches for a login that was made in another session of the operating system.
type movedLogin struct{ vouching }

func (e movedLogin) Check(secret, origin string) (keys.Token, error) {
	t, err := e.vouching.Check(secret, origin)
	t.Session = "uid:4711"
	return t, err
}

const consoleSession = "console-session"

func (v vouching) Check(secret, origin string) (keys.Token, error) {
	if secret == consoleSession && (strings.HasPrefix(origin, "http://127.0.0.1:") || strings.HasPrefix(origin, "http://localhost:")) {
		return keys.Token{ID: "c1", Origin: origin, Rights: []string{keys.RightRead}, Operator: "hoa", OperatorSource: keys.OperatorConsole}, nil
	}
	return v.TokenStore.Check(secret, origin)
}

func (v vouching) Valid(id string) bool { return id == "c1" || v.TokenStore.Valid(id) }

// A login of the console works in the session of the operating system in which it was made.
func TestConsoleLoginOfAnotherSession(t *testing.T) {
	r := start(t, func(c *Config) { c.Tokens = movedLogin{vouching{c.Tokens.(*keys.TokenStore)}} })
	c := r.dial(fmt.Sprintf("http://127.0.0.1:%d", r.port), "")
	c.expectMethod("agent.hello")
	if id := idOf(c.call("session.open", map[string]any{"protocol": 1, "token": consoleSession})); id != catalog.TokenRejected {
		t.Errorf("%q", id)
	}
}

func TestConsoleIsAnOwnerWhoseOperatorIsKnown(t *testing.T) {
	r := start(t, func(c *Config) { c.Tokens = vouching{c.Tokens.(*keys.TokenStore)} })
	c := r.dial(fmt.Sprintf("http://127.0.0.1:%d", r.port), "")
	c.expectMethod("agent.hello")
	if id := idOf(c.call("session.open", map[string]any{"protocol": 1, "token": r.secrets["WEB"]})); id != catalog.TokenRejected {
		t.Errorf("another origin's token: %q", id)
	}
	if id := idOf(c.call("session.open", map[string]any{"protocol": 1, "token": consoleSession})); id != "" {
		t.Fatal(id)
	}
	c.call("checkin.start", map[string]any{"jobId": "1", "means": "chip", "operator": map[string]string{"id": "else"}})
	if op := r.engine.reqs[0].Operator; op == nil || op.ID != "hoa" || op.Source != "console" {
		t.Errorf("the operator is %+v", op)
	}
	for owner := range r.engine.jobs {
		if owner.Client != ConsoleClient {
			t.Errorf("the owner is %+v", owner)
		}
	}
}

// TestSessionOpenTakesNothingWrong: each row is a connection whose first word is wrong in one way. It is told what is wrong,
// and stays open for the right one.
func TestSessionOpenTakesNothingWrong(t *testing.T) {
	r := start(t, func(c *Config) { c.Limits.Connections = 1000 })
	good := func() map[string]any { return map[string]any{"protocol": 1, "token": r.secrets["WEB"]} }
	long := strings.Repeat("x", 101)
	for name, c := range map[string]struct {
		field string
		value any
		want  catalog.ID
	}{
		"protocol missing":           {"protocol", nil, catalog.ProtocolVersion},
		"protocol is a text":         {"protocol", "1", catalog.BadRequest},
		"protocol is a fraction":     {"protocol", 1.5, catalog.BadRequest},
		"protocol is negative":       {"protocol", -1, catalog.ProtocolVersion},
		"protocol is huge":           {"protocol", json.RawMessage("1e400"), catalog.BadRequest},
		"protocol of tomorrow":       {"protocol", 2, catalog.ProtocolVersion},
		"token missing":              {"token", nil, catalog.TokenRejected},
		"token is a number":          {"token", 7, catalog.BadRequest},
		"token is a list":            {"token", []string{"x"}, catalog.BadRequest},
		"token is an object":         {"token", map[string]any{}, catalog.BadRequest},
		"token is another's":         {"token", r.secrets["OTHER"], catalog.TokenRejected},
		"token is a desktop's":       {"token", r.secrets["DESKTOP"], catalog.TokenRejected},
		"token with a space":         {"token", " " + r.secrets["WEB"], catalog.TokenRejected},
		"token with a zero":          {"token", r.secrets["WEB"] + "\x00", catalog.TokenRejected},
		"token of 60,000 bytes":      {"token", strings.Repeat("x", 60_000), catalog.TokenRejected},
		"client is a text":           {"client", "HIS", catalog.BadRequest},
		"client's name is a number":  {"client", map[string]any{"name": 7}, catalog.BadRequest},
		"client's name is long":      {"client", map[string]any{"name": long}, catalog.BadRequest},
		"client's version, lines":    {"client", map[string]any{"version": "a\nb"}, catalog.BadRequest},
		"operator is a text":         {"operator", "hoa", catalog.BadRequest},
		"operator without an id":     {"operator", map[string]any{}, catalog.BadRequest},
		"operator's id is a number":  {"operator", map[string]any{"id": 7}, catalog.BadRequest},
		"operator's id is long":      {"operator", map[string]any{"id": long}, catalog.BadRequest},
		"operator's id, two lines":   {"operator", map[string]any{"id": "a\rb"}, catalog.BadRequest},
		"language is a number":       {"language", 7, catalog.BadRequest},
		"subscriptions is a text":    {"subscriptions", "jobs", catalog.BadRequest},
		"subscriptions are numbers":  {"subscriptions", []int{1}, catalog.BadRequest},
		"pictures is a number":       {"pictures", 7, catalog.BadRequest},
		"pictures is another word":   {"pictures", "png", catalog.BadRequest},
		"assertion is a list":        {"assertion", []string{"x"}, catalog.BadRequest},
		"assertion beside the token": {"assertion", "x", catalog.BadRequest},
	} {
		t.Run(name, func(t *testing.T) {
			cl := r.dial("https://his.example", "")
			cl.expectMethod("agent.hello")
			params := good()
			params[c.field] = c.value
			if c.value == nil {
				delete(params, c.field)
			}
			m := cl.call("session.open", params)
			if id := idOf(m); id != c.want {
				t.Errorf("%q, want %q", id, c.want)
			}
			if raw, _ := json.Marshal(m.Error); strings.Contains(string(raw), "xxxx") || strings.Contains(string(raw), "tapcheck_") {
				t.Errorf("the error repeats what was sent: %.200s", raw)
			}
			if id := idOf(cl.call("session.open", good())); id != "" {
				t.Errorf("and then the right one: %q", id)
			}
			if id := idOf(cl.call("session.open", good())); id != catalog.SessionOpen {
				t.Errorf("and again: %q", id)
			}
		})
	}
}
