package agent

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"flag"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"
	"github.com/gorilla/websocket"
	"github.com/rs/zerolog"

	"github.com/tapcheck/tapcheck/agent/his"
	"github.com/tapcheck/tapcheck/agent/his/schema"
	"github.com/tapcheck/tapcheck/agent/his/schema/schematest"
	"github.com/tapcheck/tapcheck/agent/keys"
	"github.com/tapcheck/tapcheck/agent/settings"
	"github.com/tapcheck/tapcheck/icao/chip"
)

var record = flag.Bool("update", false, "record the examples of the protocol's document anew")

const (
	examplesScript = "../testdata/his/examples.txt"
	examplesFile   = "his/schema/examples.json"
)

// TestExamples plays every example of the protocol's document against the real agent in a simulation: each request is sent,
// each answer and each notification is held to the document, and to the example in shape and in all words that mean something.
func TestExamples(t *testing.T) {
	p := newPlayer(t)
	raw, err := os.ReadFile(examplesScript)
	if err != nil {
		t.Fatal(err)
	}
	for i, line := range strings.Split(string(raw), "\n") {
		if line = strings.TrimSpace(line); line != "" && line[0] != '#' {
			p.where = fmt.Sprintf("%s:%d", examplesScript, i+1)
			p.play(line)
		}
	}
	if *record {
		if err := os.WriteFile(examplesFile, schema.Object{{Name: "examples", Value: p.examples}, {Name: "discovery", Value: p.discoveries}}.JSON(), 0o644); err != nil {
			t.Fatal(err)
		}
		t.Log("now: go generate ./agent/his/schema")
		return
	}
	known := map[string]map[string]bool{}
	for _, m := range schema.Load().Messages {
		known[m.Name] = map[string]bool{}
		for _, e := range m.Examples {
			known[m.Name][e.Name] = true
		}
	}
	for _, v := range p.examples {
		e := v.(schema.Object)
		delete(known[e.Get("message").(string)], e.Get("name").(string))
	}
	for m, names := range known {
		for name := range names {
			t.Errorf("%s %q stands in the document and is played by nobody", m, name)
		}
	}
}

// player is the other side of the agent, line by line.
type player struct {
	t        *testing.T
	where    string
	addr     string
	expand   *strings.Replacer
	secrets  map[string]string // what stands for them in the document, by the secret
	pairing  *keys.Pairing
	identity string
	backend  *ecdsa.PrivateKey

	ws        *websocket.Conn
	frames    *schematest.Checker
	challenge string
	waiting   []schema.Object // notifications that nobody has heard yet
	n         int
	about     string

	examples, discoveries []any
}

func newPlayer(t *testing.T) *player {
	sim, err := NewSimulation(t.Context(), SimulationOptions{Seed: "examples"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = sim.Close() })
	p := &player{t: t, secrets: map[string]string{}}
	dir := filepath.Join(t.TempDir(), "data")
	s := settings.Default()
	s.HIS.Ports = []int{0}
	s.Desk = "reception-3"
	if err := keys.Claim(dir, true); err != nil {
		t.Fatal(err)
	}
	tokens, err := keys.OpenTokens(dir)
	if err != nil {
		t.Fatal(err)
	}
	add := func(r keys.TokenRequest) string {
		r.Rights = []string{keys.RightRead, keys.RightInsurance, keys.RightFace, keys.RightSimulator}
		secret, _, err := tokens.Add(r)
		if err != nil {
			t.Fatal(err)
		}
		return secret
	}
	if p.backend, err = ecdsa.GenerateKey(elliptic.P256(), rand.Reader); err != nil {
		t.Fatal(err)
	}
	der, err := x509.MarshalPKIXPublicKey(&p.backend.PublicKey)
	if err != nil {
		t.Fatal(err)
	}
	public, err := keys.ParsePublicKey(pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der}))
	if err != nil {
		t.Fatal(err)
	}
	add(keys.TokenRequest{Origin: "https://backend.example", PublicKey: &public})
	web, program := add(keys.TokenRequest{Origin: "https://his.example"}), add(keys.TokenRequest{Desktop: true})
	p.secrets[web], p.secrets[program] = "tapcheck_…", "tapcheck_…"
	an, err := chip.PersonaByName("an")
	if err != nil {
		t.Fatal(err)
	}
	quoted := func(s string) string { q, _ := json.Marshal(s); return string(q[1 : len(q)-1]) }
	p.expand = strings.NewReplacer("$WEB", web, "$PROGRAM", program, "$QR", quoted(an.QR()), "$MRZ", quoted(strings.Join(an.MRZ(), "\n")),
		"$NONCE", base64.RawURLEncoding.EncodeToString(bytes.Repeat([]byte{7}, 32)), "$SINCE", time.Now().Add(-time.Hour).Format(time.RFC3339), "$NOW", time.Now().Format(time.RFC3339))
	ctx, stop := context.WithCancel(context.Background())
	ready, ended := make(chan Ready, 1), make(chan error, 1)
	go func() {
		ended <- Run(ctx, Options{
			Settings: s, DataDir: dir, Version: "1.0.0", Log: zerolog.Nop(), Readers: sim.Readers, Insurer: sim.Insurer, Trust: sim.Trust, Simulation: sim,
			Ready: func(r Ready) { ready <- r }, paired: func(by *keys.Pairing) { p.pairing = by },
		})
	}()
	t.Cleanup(func() {
		stop()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
	select {
	case r := <-ready:
		p.addr = r.Addr
	case err := <-ended:
		ended <- nil
		t.Fatal(err)
	}
	return p
}

func (p *player) fail(format string, args ...any) {
	p.t.Helper()
	p.t.Fatalf("%s: %s", p.where, fmt.Sprintf(format, args...))
}

func (p *player) play(line string) {
	word, rest, _ := strings.Cut(line, " ")
	switch word {
	case "about":
		p.about = rest
	case "page":
		p.connect(http.Header{"Origin": {rest}})
	case "program":
		p.connect(http.Header{"Authorization": {"Bearer " + p.expand.Replace("$PROGRAM")}})
	case "newcomer":
		if err := p.pairing.Open("admin", time.Minute, []string{keys.RightRead, keys.RightInsurance}, keys.DefaultFields); err != nil {
			p.fail("%v", err)
		}
		p.connect(http.Header{"Origin": {rest}})
	case "pause": // so that the next picture is looked at
		time.Sleep(60 * time.Millisecond)
	case "do":
		method, params, _ := strings.Cut(rest, " ")
		if _, answer := p.ask(method, params); answer.Get("error") != nil {
			p.fail("%s", answer.JSON())
		}
	case "send":
		method, name, params := p.example(rest)
		frame, answer := p.ask(method, params)
		p.record(method, name, frame, answer)
	case "hear":
		method, name, where := p.example(rest)
		p.record(method, name, p.hear(method, p.object(where)), nil)
	case "fetch":
		origin, name, _ := strings.Cut(rest, " ")
		p.fetch(origin, strings.Trim(name, `"`))
	case "plan":
		method, name, both := p.example(rest)
		d := json.NewDecoder(strings.NewReader(both))
		var params, result json.RawMessage
		if err := d.Decode(&params); err != nil {
			p.fail("%v", err)
		}
		p.n++
		frame := schema.Object{{Name: "jsonrpc", Value: "2.0"}}
		var answer schema.Object
		if d.Decode(&result) == nil {
			id := schema.Member{Name: "id", Value: json.Number(strconv.Itoa(p.n))}
			frame = append(frame, id)
			answer = schema.Object{{Name: "jsonrpc", Value: "2.0"}, id, {Name: "result", Value: p.object(string(result))}}
			if err := schematest.Published(method+".result", answer.JSON()); err != nil {
				p.fail("%v", err)
			}
		}
		frame = append(frame, schema.Member{Name: "method", Value: method}, schema.Member{Name: "params", Value: p.object(string(params))})
		if err := schematest.Published(method, frame.JSON()); err != nil {
			p.fail("%v", err)
		}
		p.keep(method, name, frame, answer)
	default:
		p.fail("unknown line")
	}
}

// example reads METHOD "NAME" REST.
func (p *player) example(s string) (method, name, rest string) {
	method, s, _ = strings.Cut(s, ` "`)
	name, rest, _ = strings.Cut(s, `"`)
	if rest = strings.TrimSpace(rest); name == "" {
		p.fail("an example has no name")
	}
	return method, name, rest
}

func (p *player) object(s string) schema.Object {
	o, err := schema.Parse([]byte(s))
	if err != nil {
		p.fail("%v in %s", err, s)
	}
	return o
}

func (p *player) connect(h http.Header) {
	d := websocket.Dialer{Subprotocols: []string{his.Subprotocol}}
	ws, _, err := d.DialContext(p.t.Context(), "ws://"+p.addr+"/v1", h)
	if err != nil {
		p.fail("%v", err)
	}
	p.t.Cleanup(func() { _ = ws.Close() })
	p.ws, p.frames, p.waiting, p.n = ws, &schematest.Checker{}, nil, 0
	p.challenge = ""
	hello := p.next()
	p.challenge, _ = hello.Get("params").(schema.Object).Get("challenge").(string)
	p.identity, _ = hello.Get("params").(schema.Object).Get("instanceId").(string)
	p.waiting = []schema.Object{hello}
}

// next is the agent's next text frame.
func (p *player) next() schema.Object {
	_ = p.ws.SetReadDeadline(time.Now().Add(20 * time.Second))
	for {
		kind, raw, err := p.ws.ReadMessage()
		if err != nil {
			p.fail("%v", err)
		}
		if kind == websocket.BinaryMessage {
			if err := p.frames.ReceivedBinary(raw); err != nil {
				p.t.Errorf("%s: %v", p.where, err)
			}
			continue
		}
		if err := p.frames.Received(raw); err != nil {
			p.t.Errorf("%s: %v\n%s", p.where, err, raw)
		}
		return p.object(string(raw))
	}
}

// ask sends a request, and gives it and its answer.
func (p *player) ask(method, params string) (frame, answer schema.Object) {
	p.n++
	params = p.expand.Replace(params)
	if strings.Contains(params, "$ASSERTION") {
		params = strings.ReplaceAll(params, "$ASSERTION", p.assertion())
	}
	if strings.Contains(params, "$CODE") {
		w, _ := p.pairing.Window()
		if len(w.Requests) != 1 {
			p.fail("%d pairing requests", len(w.Requests))
		}
		p.secrets[w.Requests[0].Code] = "314159"
		params = strings.ReplaceAll(params, "$CODE", w.Requests[0].Code)
	}
	frame = schema.Object{{Name: "jsonrpc", Value: "2.0"}, {Name: "id", Value: json.Number(strconv.Itoa(p.n))}, {Name: "method", Value: method}}
	if o := p.object(params); len(o) > 0 {
		frame = append(frame, schema.Member{Name: "params", Value: o})
	}
	raw := frame.JSON()
	p.frames.Sent(raw)
	if err := p.ws.WriteMessage(websocket.TextMessage, raw); err != nil {
		p.fail("%v", err)
	}
	for {
		f := p.next()
		if f.Get("method") != nil {
			p.waiting = append(p.waiting, f)
		} else if f.Get("id") == json.Number(strconv.Itoa(p.n)) {
			return frame, f
		}
	}
}

// hear waits for a notification whose params have these values: the oldest that nobody has heard. Notifications of readers
// and of jobs come in no order between them.
func (p *player) hear(method string, where schema.Object) schema.Object {
	for i := 0; ; i++ {
		if i == len(p.waiting) {
			p.waiting = append(p.waiting, p.next())
		}
		f := p.waiting[i]
		params, _ := f.Get("params").(schema.Object)
		if f.Get("method") == method && !slices.ContainsFunc(where, func(m schema.Member) bool { return params.Get(m.Name) != m.Value }) {
			p.waiting = slices.Delete(p.waiting, i, i+1)
			return f
		}
	}
}

func (p *player) assertion() string {
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.ES256, Key: p.backend}, nil)
	if err != nil {
		p.fail("%v", err)
	}
	now := time.Now()
	token, err := jwt.Signed(signer).Claims(map[string]any{
		"aud": "tapcheck:" + p.identity, "nonce": p.challenge, "sub": "lt.hoa", "iat": now.Unix(), "exp": now.Add(time.Minute).Unix(),
	}).Serialize()
	if err != nil {
		p.fail("%v", err)
	}
	p.secrets[token] = "eyJ…"
	return token
}

func (p *player) fetch(origin, name string) {
	r, err := http.NewRequestWithContext(p.t.Context(), http.MethodGet, "http://"+p.addr+"/.well-known/tapcheck.json", nil)
	if err != nil {
		p.fail("%v", err)
	}
	r.Header.Set("Origin", origin)
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		p.fail("%v", err)
	}
	defer resp.Body.Close()
	var raw bytes.Buffer
	if _, err := raw.ReadFrom(resp.Body); err != nil {
		p.fail("%v", err)
	}
	if err := schematest.Type("Discovery", raw.Bytes()); err != nil {
		p.fail("%v", err)
	}
	body, at := p.shown(p.object(raw.String())), "the document has no such example: record it with -update"
	for _, e := range schema.Load().Discovery {
		if e.Name != name {
			continue
		}
		if at = unlike(e.Frame, body, "body"); at == "" {
			body = e.Frame
		}
	}
	if at != "" && !*record {
		p.t.Errorf("%s: not as the document's example %q: %s", p.where, name, at)
	}
	p.discoveries = append(p.discoveries, schema.Object{{Name: "name", Value: name}, {Name: "body", Value: body}})
}

// record compares what came with the example of the document, and keeps it: as it was, where it is still so.
func (p *player) record(method, name string, frame, answer schema.Object) {
	m, ok := schema.Load().Message(method)
	if !ok {
		p.fail("no such message")
	}
	frame, answer = p.shown(frame), p.shown(answer)
	at := "the document has no such example: record it with -update"
	if i := slices.IndexFunc(m.Examples, func(e schema.Example) bool { return e.Name == name }); i >= 0 {
		e := m.Examples[i]
		want := e.Answer
		if want == nil {
			want = e.Failure
		}
		at = unlike(e.Frame, frame, "frame")
		if at == "" && answer != nil {
			at = unlike(want, answer, "answer")
		}
		if at == "" {
			frame, answer = e.Frame, want
		}
	}
	if at != "" && !*record {
		p.t.Errorf("%s: not as the document's example %q: %s", p.where, name, at)
	}
	p.keep(method, name, frame, answer)
}

func (p *player) keep(method, name string, frame, answer schema.Object) {
	e := schema.Object{{Name: "message", Value: method}, {Name: "name", Value: name}}
	if p.about != "" {
		e = append(e, schema.Member{Name: "summary", Value: p.about})
		p.about = ""
	}
	e = append(e, schema.Member{Name: "frame", Value: frame})
	if answer != nil {
		e = append(e, schema.Member{Name: "answer", Value: answer})
	}
	p.examples = append(p.examples, e)
}

// shown is a frame as the document shows it: without secrets, and with the beginning of what is long.
func (p *player) shown(v schema.Object) schema.Object {
	if v == nil {
		return nil
	}
	return p.show("", v).(schema.Object)
}

func (p *player) show(name string, v any) any {
	switch v := v.(type) {
	case schema.Object:
		out := schema.Object{}
		for _, m := range v {
			out = append(out, schema.Member{Name: m.Name, Value: p.show(m.Name, m.Value)})
		}
		return out
	case []any:
		out := []any{}
		for _, e := range v {
			out = append(out, p.show(name, e))
		}
		return out
	case json.Number:
		if name == "port" {
			return json.Number("27480")
		}
	case string:
		switch {
		case p.secrets[v] != "":
			return p.secrets[v]
		case name == "token" && strings.HasPrefix(v, "tapcheck_"): // a new one
			return "tapcheck_…"
		case strings.Contains(v, p.addr):
			return strings.ReplaceAll(v, p.addr, "127.0.0.1:27480")
		case name == "data" && len(v) > 64:
			return v[:64]
		}
		return v
	}
	return v
}

// meaning are members whose very value is the example's; of others the type is enough.
var meaning = []string{
	"jsonrpc", "method", "state", "status", "reason", "need", "means", "severity", "category", "kind", "basis", "exchange", "protocol", "key", "keyFrom", "source", "advice",
	"capabilities", "code", "min", "max", "language", "lang", "jobId", "mime", "about", "decision", "outcome", "algorithm", "subprotocol", "fullName", "dateOfBirth", "sex", "frame",
}

var catalogued = regexp.MustCompile(`^[A-Z][A-Z0-9_]+$`)

// unlike says where what came is not what the example is; "" is nowhere.
func unlike(want, got any, at string) string {
	switch w := want.(type) {
	case schema.Object:
		g, ok := got.(schema.Object)
		if !ok {
			return at + " is no object"
		}
		for _, m := range w {
			v := g.Get(m.Name)
			if v == nil {
				return at + "." + m.Name + " did not come"
			}
			if _, inner := m.Value.(schema.Object); !inner && slices.Contains(meaning, m.Name) && fmt.Sprint(m.Value) != fmt.Sprint(v) {
				return fmt.Sprintf("%s.%s is %v, not %v", at, m.Name, v, m.Value)
			}
			if d := unlike(m.Value, v, at+"."+m.Name); d != "" {
				return d
			}
		}
		for _, m := range g {
			if w.Get(m.Name) == nil {
				return at + "." + m.Name + " came too"
			}
		}
	case []any:
		g, ok := got.([]any)
		if !ok || len(g) != len(w) {
			return fmt.Sprintf("%s is no list of %d", at, len(w))
		}
		for i := range w {
			if d := unlike(w[i], g[i], fmt.Sprintf("%s[%d]", at, i)); d != "" {
				return d
			}
		}
	case string:
		if g, ok := got.(string); !ok || catalogued.MatchString(w) && g != w {
			return fmt.Sprintf("%s is %v, not %q", at, got, w)
		}
	default:
		if _, number := want.(json.Number); number {
			if _, too := got.(json.Number); !too {
				return at + " is no number"
			}
		} else if want != got {
			return fmt.Sprintf("%s is %v, not %v", at, got, want)
		}
	}
	return ""
}
