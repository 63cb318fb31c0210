package ts_test

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/gorilla/websocket"

	"github.com/tapcheck/tapcheck/agent/keys"
)

// TestImpostors: who has taken a port of the agent's learns no token, and the page finds the agent behind him where it can.
func TestImpostors(t *testing.T) {
	for _, c := range []struct {
		name  string
		first func(d *desk) *fake // at the first port; nil: nobody
		real  bool                // the agent runs, at the second port
		known string              // what the page knows: "" nothing, "agent", "other" (another PC's), "given" (agentKey, and nothing stored)
		id    string
		why   string // detail.reason
	}{
		{"the agent alone, known", nil, true, "agent", "ok", ""},
		{"the agent alone, its key given", nil, true, "given", "ok", ""},
		{"own key, agent known", func(*desk) *fake { return &fake{} }, true, "agent", "ok", ""},
		{"own key, agent's key given", func(*desk) *fake { return &fake{} }, true, "given", "ok", ""},
		{"own key, nothing known", func(*desk) *fake { return &fake{} }, true, "", "AGENT_NOT_GENUINE", "several_answer"},
		{"the agent's name, own key, agent known", pretender, true, "agent", "ok", ""},
		{"hands everything on, agent known", relay, true, "agent", "ok", ""},
		{"hands everything on, nothing known", relay, true, "", "ok", ""},
		{"alone with the agent's name, agent known", pretender, false, "agent", "AGENT_NOT_GENUINE", "key"},
		{"alone with the agent's name, key given", pretender, false, "given", "AGENT_NOT_GENUINE", "key"},
		{"alone, another name, key given", func(*desk) *fake { return &fake{} }, false, "given", "AGENT_NOT_GENUINE", "key"},
		{"alone, another name, agent known", func(*desk) *fake { return &fake{} }, false, "agent", "AGENT_NOT_GENUINE", "unknown_instance"},
		{"another PC's agent known", nil, true, "other", "AGENT_NOT_GENUINE", "unknown_instance"},
		{"no proof, nothing known", func(*desk) *fake { return &fake{discovery: map[string]any{"proof": nil}} }, false, "", "AGENT_NOT_GENUINE", "no_proof"},
		{"proves in discovery, and not on the socket", halfRelay, false, "agent", "AGENT_NOT_GENUINE", "key"},
	} {
		t.Run(c.name, func(t *testing.T) {
			d := prepareDesk(t)
			token := d.token(secure)
			k, err := keys.Open(d.data)
			if err != nil {
				t.Fatal(err)
			}
			var f *fake
			if c.first != nil {
				f = c.first(d).run(t, d.ports[0])
			}
			if c.real {
				d.start()
				if f != nil && f.relayTo != "" {
					f.relayTo = d.addr
				}
			}
			b := restricted.open(t, secure, "granted")
			o := map[string]any{"token": token}
			stored := map[string]any{}
			switch c.known {
			case "agent":
				stored = map[string]any{"seen": "2026-11-23T08:00:00Z", "agents": map[string]any{k.InstanceID(): map[string]any{"key": k.PublicJWK()}}}
			case "other":
				other := newKeys(t)
				stored = map[string]any{"agents": map[string]any{other.InstanceID(): map[string]any{"key": other.PublicJWK()}}}
			case "given":
				o["agentKey"] = k.PublicJWK()
			}
			raw, _ := json.Marshal(stored)
			var got struct {
				Outcome outcome
				Proven  bool
			}
			b.run(d.options(o), `localStorage.setItem("tapcheck", JSON.stringify(`+string(raw)+`)); const c = make(); return { outcome: await outcome(c.connect()), proven: c.proven }`, &got)
			reason, _ := got.Outcome.Detail["reason"].(string)
			if got.Outcome.ID != c.id || reason != c.why {
				t.Errorf("%s %v, want %s %s", got.Outcome.ID, got.Outcome.Detail, c.id, c.why)
			}
			if got.Proven != (c.id == "ok" && c.known != "") {
				t.Errorf("proven %t", got.Proven)
			}
			if f != nil && f.learnt(token) {
				t.Errorf("the impostor has heard: %s", &f.heard)
			}
		})
	}
}

// pretender has the agent's name and a key of its own.
func pretender(d *desk) *fake {
	k, err := keys.Open(d.data)
	if err != nil {
		d.t.Fatal(err)
	}
	return &fake{discovery: map[string]any{"instanceId": k.InstanceID()}}
}

// relay stands between the page and the agent, which is to be started yet.
func relay(*desk) *fake { return &fake{relayTo: "-"} }

// halfRelay has got hold of a proof for discovery, say from a program that has the agent's port by now, but cannot sign on
// the socket.
func halfRelay(d *desk) *fake {
	k, err := keys.Open(d.data)
	if err != nil {
		d.t.Fatal(err)
	}
	other := newKeys(d.t)
	return &fake{keys: k, answers: map[string]answer{"agent.prove": func(f *fake, _ *websocket.Conn, params json.RawMessage) any {
		var p struct{ Nonce string }
		_ = json.Unmarshal(params, &p)
		own := &fake{t: f.t, keys: other, port: f.port, discovery: map[string]any{"instanceId": k.InstanceID()}}
		proof := own.prove("tapcheck agent.prove v1\x00", p.Nonce, make([]byte, 32))
		proof["publicKey"] = k.PublicJWK()
		return proof
	}}}
}

// TestForeignPrograms: programs that know nothing of Tapcheck hold its first ports.
func TestForeignPrograms(t *testing.T) {
	d := prepareDesk(t)
	junk(t, d.ports[0], `<!doctype html><title>Other</title>`)
	silent(t, d.ports[1])
	junk(t, d.ports[2], `{"allowed": true, "instanceId": 7, "protocol": null}`+strings.Repeat(" ", 1<<20))
	b := restricted.open(t, secure, "granted")
	token := d.token(secure)
	var o outcome
	b.run(d.options(map[string]any{"token": token, "discoveryMs": 500}), `return outcome(make().connect())`, &o)
	if o.ID != "NOT_INSTALLED" {
		t.Errorf("without the agent: %s", o.ID)
	}
	d.start()
	if d.port() != d.ports[3] {
		t.Fatalf("the agent is at %s", d.addr)
	}
	var port int
	b.run(d.options(map[string]any{"token": token}), `const c = make(); await c.connect(); return JSON.parse(localStorage.tapcheck).port`, &port)
	if port != d.ports[3] {
		t.Errorf("it has kept port %d", port)
	}
}

// TestVersions: which side has to be updated is said.
func TestVersions(t *testing.T) {
	for name, c := range map[string]struct {
		fake *fake
		more map[string]any
		id   string
	}{
		"old agent":          {&fake{discovery: map[string]any{"protocol": map[string]int{"min": 0, "max": 0}}}, nil, "AGENT_TOO_OLD"},
		"new agent":          {&fake{discovery: map[string]any{"protocol": map[string]int{"min": 2, "max": 3}}}, nil, "CLIENT_TOO_OLD"},
		"both":               {&fake{discovery: map[string]any{"protocol": map[string]int{"min": 0, "max": 3}}}, nil, "ok"},
		"a method is wanted": {&fake{}, map[string]any{"requires": []string{"checkin.start", "face.verify"}}, "AGENT_TOO_OLD"},
		"it is there":        {&fake{}, map[string]any{"requires": []string{"checkin.start"}}, "ok"},
	} {
		t.Run(name, func(t *testing.T) {
			ports := freePorts(t, 1)
			c.fake.run(t, ports[0])
			o := map[string]any{"ports": ports, "token": "secret"}
			for k, v := range c.more {
				o[k] = v
			}
			b := restricted.open(t, secure, "granted")
			var got outcome
			b.run(o, `return outcome(make().connect())`, &got)
			if got.ID != c.id {
				t.Errorf("%s, want %s", got.ID, c.id)
			}
			if c.id != "ok" && c.fake.learnt("secret") {
				t.Error("it has sent the token")
			}
		})
	}
}

// TestStore: what the page remembers may be gone, forbidden or somebody's rubbish; it connects with its token all the same.
func TestStore(t *testing.T) {
	d := newDesk(t)
	token := d.token(secure)
	for name, script := range map[string]string{
		"empty":         `localStorage.clear()`,
		"no JSON":       `localStorage.tapcheck = "{{"`,
		"a text":        `localStorage.tapcheck = '"x"'`,
		"null":          `localStorage.tapcheck = "null"`,
		"rubbish":       `localStorage.tapcheck = '{"port":"x","seen":7,"agents":5}'`,
		"null agents":   `localStorage.tapcheck = '{"agents":null}'`,
		"a null agent":  `localStorage.tapcheck = '{"agents":{"x":null}}'`,
		"wrong port":    `localStorage.tapcheck = '{"port":1}'`,
		"forbidden":     `Object.defineProperty(window, "localStorage", { get() { throw new DOMException("no", "SecurityError"); } })`,
		"full":          `Storage.prototype.setItem = () => { throw new DOMException("no", "QuotaExceededError"); }`,
		"own, and slow": `window.store = (() => { let kept = {}; return { load: () => new Promise((r) => setTimeout(r, 10, kept)), save: async (s) => { kept = s; } }; })()`,
	} {
		t.Run(name, func(t *testing.T) {
			b := restricted.open(t, secure, "granted")
			var got struct {
				Outcome outcome
				Proven  bool
			}
			b.run(d.options(map[string]any{"token": token}), script+`;
				const c = make({ store: window.store });
				let o = await outcome(c.connect());
				if (o.id === "ok") { c.close(); o = await outcome(c.connect()); }
				return { outcome: o, proven: c.proven };`, &got)
			if got.Outcome.ID != "ok" || !got.Proven {
				t.Errorf("%+v: the second time it knows the key of the first", got)
			}
		})
	}
}
