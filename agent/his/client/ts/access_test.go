package ts_test

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"
	"github.com/pquerna/otp/totp"

	"github.com/tapcheck/tapcheck/agent/console"
	"github.com/tapcheck/tapcheck/agent/keys"
)

// administrator is somebody who is logged in to the console, as its page is.
type administrator struct {
	d     *desk
	token string
}

func (d *desk) administrator() *administrator {
	d.t.Helper()
	secret, err := os.ReadFile(filepath.Join(d.data, console.SetupFileName))
	if err != nil {
		d.t.Fatal(err)
	}
	a := &administrator{d: d}
	setup := a.call("POST", "setup", map[string]any{"secret": strings.TrimSpace(string(secret)), "name": "it", "password": "ba con mèo trắng"})
	code, err := totp.GenerateCode(setup["secret32"].(string), time.Now())
	if err != nil {
		d.t.Fatal(err)
	}
	a.token, _ = a.call("POST", "setup/confirm", map[string]any{"ticket": setup["ticket"], "code": code})["token"].(string)
	return a
}

func (a *administrator) call(method, path string, body any) map[string]any {
	a.d.t.Helper()
	raw, _ := json.Marshal(body)
	r, err := http.NewRequestWithContext(a.d.t.Context(), method, "http://"+a.d.addr+"/console/api/"+path, bytes.NewReader(raw))
	if err != nil {
		a.d.t.Fatal(err)
	}
	r.Header.Set("Origin", "http://"+a.d.addr)
	r.Header.Set("Content-Type", "application/json")
	if a.token != "" {
		r.Header.Set("Authorization", "Bearer "+a.token)
	}
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		a.d.t.Fatal(err)
	}
	defer resp.Body.Close()
	answer, err := io.ReadAll(resp.Body)
	var m map[string]any
	if err != nil || resp.StatusCode != http.StatusOK || json.Unmarshal(answer, &m) != nil {
		a.d.t.Fatalf("%s: %d %s %v", path, resp.StatusCode, answer, err)
	}
	return m
}

// code is what the console shows for an origin.
func (a *administrator) code(origin string) string {
	a.d.t.Helper()
	for _, r := range a.call("GET", "watch?since=0", nil)["pairing"].(map[string]any)["requests"].([]any) {
		if r := r.(map[string]any); r["origin"] == origin {
			return r["code"].(string)
		}
	}
	a.d.t.Fatal("the console shows no code")
	return ""
}

// TestPairing: a page that nobody knows gets in while an administrator holds the door open, and keeps token and key.
func TestPairing(t *testing.T) {
	d := newDesk(t)
	admin := d.administrator()
	b := restricted.open(t, secure, "granted")
	o := d.options(nil)
	var closed, closedPair, open, early outcome
	b.run(o, `return outcome(make().connect())`, &closed)
	b.run(o, `return outcome(make().pair())`, &closedPair)
	admin.call("POST", "pairing/open", map[string]any{"minutes": 5})
	b.run(o, `return outcome(make().connect())`, &open)
	if closed.ID != "ORIGIN_DENIED" || closedPair.ID != "ORIGIN_DENIED" || open.ID != "NOT_PAIRED" {
		t.Errorf("%s, %s, %s", closed.ID, closedPair.ID, open.ID)
	}
	var minutes float64
	b.run(o, `window.c = make(); window.p = await c.pair(); return (p.expiresAt - Date.now()) / 60000`, &minutes)
	if minutes < 1 || minutes > 3 {
		t.Errorf("the code is good for %v minutes", minutes)
	}
	code := admin.code(secure)
	wrong := "000000"
	if code == wrong {
		wrong = "000001"
	}
	b.run(map[string]any{"code": wrong}, `return outcome(p.confirm(defaults.code))`, &early)
	if early.ID != "PAIRING_CODE_WRONG" || early.Detail["triesLeft"] != 4.0 {
		t.Errorf("%+v", early)
	}
	var paired struct {
		Outcome outcome
		State   string
		Proven  bool
		Saved   struct {
			Port   int
			Agents map[string]struct {
				Key   keys.JWK
				Token string
			}
		}
	}
	b.run(map[string]any{"code": code[:3] + " " + code[3:]}, `return { outcome: await outcome(p.confirm(defaults.code)), state: c.state, proven: c.proven, saved: JSON.parse(localStorage.tapcheck) }`, &paired)
	if paired.Outcome.ID != "ok" || paired.State != "open" || !paired.Proven || paired.Saved.Port != d.port() || len(paired.Saved.Agents) != 1 {
		t.Fatalf("%+v", paired)
	}
	for _, a := range paired.Saved.Agents {
		if a.Key != d.key() || a.Token == "" {
			t.Errorf("it has kept %+v", a.Key)
		}
	}
	admin.call("POST", "pairing/close", map[string]any{})
	b.show(secure + "/later")
	var later, forgotten outcome
	b.run(o, `return outcome(make().connect())`, &later)
	b.run(o, `const c = make(); await c.forget(); return outcome(c.connect())`, &forgotten)
	if later.ID != "ok" || forgotten.ID != "NOT_PAIRED" {
		t.Errorf("later %s, after it has forgotten %s", later.ID, forgotten.ID)
	}
}

// TestPairingWithARelay: who stands between page and agent while they pair would read the token.
func TestPairingWithARelay(t *testing.T) {
	for name, f := range map[string]*fake{"hands everything on": {relayTo: "-"}, "own key": {discovery: map[string]any{"allowed": false, "pairing": true}}} {
		t.Run(name, func(t *testing.T) {
			d := prepareDesk(t)
			f.run(t, d.ports[0])
			d.start()
			if f.relayTo != "" {
				f.relayTo = d.addr
			}
			d.administrator().call("POST", "pairing/open", map[string]any{"minutes": 5})
			b := restricted.open(t, secure, "granted")
			var both, alone outcome
			b.run(d.options(nil), `return outcome(make().pair())`, &both)
			if both.ID != "AGENT_NOT_GENUINE" || both.Detail["reason"] != "several_answer" {
				t.Errorf("%+v", both)
			}
			// Where the page does not get to see the agent itself, the port in its signature tells.
			if f.relayTo != "" {
				b.run(map[string]any{"ports": d.ports[:1]}, `return outcome(make().pair())`, &alone)
				if alone.ID != "AGENT_NOT_GENUINE" || alone.Detail["reason"] != "key" {
					t.Errorf("%+v", alone)
				}
			}
			if f.learnt("pairing.start") {
				t.Errorf("it was asked to pair: %s", &f.heard)
			}
		})
	}
}

// hisKey is the key of the HIS backend of these tests.
var hisKey = func() *ecdsa.PrivateKey {
	k, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		panic(err)
	}
	return k
}()

// backend signs an assertion for whoever asks; a real one looks at its own login first.
func backend(w http.ResponseWriter, r *http.Request) {
	q := r.URL.Query()
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.ES256, Key: hisKey}, nil)
	if err == nil {
		var text string
		text, err = jwt.Signed(signer).Claims(map[string]any{
			"aud": "tapcheck:" + q.Get("instance"), "nonce": q.Get("challenge"), "sub": "lt.hoa", "iat": time.Now().Unix(), "exp": time.Now().Add(time.Minute).Unix(),
		}).Serialize()
		_, _ = io.WriteString(w, text)
	}
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
	}
}

// TestAssertion: the HIS backend vouches for page and operator, and the browser has no secret.
func TestAssertion(t *testing.T) {
	d := newDesk(t)
	coordinate := func(b []byte) string { return base64.RawURLEncoding.EncodeToString(b) }
	point, err := hisKey.PublicKey.Bytes()
	if err != nil {
		t.Fatal(err)
	}
	public := &keys.JWK{Kty: "EC", Crv: "P-256", X: coordinate(point[1:33]), Y: coordinate(point[33:])}
	if _, _, err := d.tokens.Add(keys.TokenRequest{Origin: secure, PublicKey: public, Rights: []string{keys.RightRead, keys.RightInsurance, keys.RightSimulator}}); err != nil {
		t.Fatal(err)
	}
	b := restricted.open(t, secure, "granted")
	var got struct {
		Good, Bad outcome
		Operator  map[string]string
		Stored    string
	}
	b.run(d.options(map[string]any{"number": persona(t, "an").Number}), `
		const ask = ({ challenge, instanceId }) => fetch("/sign?challenge=" + challenge + "&instance=" + instanceId).then((r) => r.text());
		const c = make({ assertion: ask, operator: { id: "somebody else" } });
		const good = await outcome(c.connect());
		await c.sim.insert({ persona: "an" });
		const r = await c.checkin({ key: { number: defaults.number } }).result;
		const bad = await outcome(make({ assertion: (q) => ask({ ...q, challenge: "AAAA" }) }).connect());
		return { good, bad, operator: r.operator, stored: localStorage.tapcheck };`, &got)
	if got.Good.ID != "ok" || got.Bad.ID != "TOKEN_REJECTED" || got.Operator["id"] != "lt.hoa" || got.Operator["source"] != "assertion" {
		t.Errorf("%+v", got)
	}
	if strings.Contains(got.Stored, "token") {
		t.Error("it has stored a token")
	}
}

// TestTokenEnds: a wrong token, and one that is revoked while the page works.
func TestTokenEnds(t *testing.T) {
	d := newDesk(t)
	secret, token, err := d.tokens.Add(keys.TokenRequest{Origin: secure})
	if err != nil {
		t.Fatal(err)
	}
	b := restricted.open(t, secure, "granted")
	var wrong outcome
	b.run(d.options(map[string]any{"token": "tc_wrong"}), `return outcome(make().connect())`, &wrong)
	b.run(d.options(map[string]any{"token": secret}), `
		window.c = make();
		window.job = c.checkin();
		await until("the job", () => job.checkinId);`, nil)
	if err := d.tokens.Revoke(token.ID); err != nil {
		t.Fatal(err)
	}
	var got struct {
		Job   outcome
		State string
	}
	b.run(nil, `c.status().catch(() => {}); return { job: await outcome(job.result), state: c.state }`, &got)
	if wrong.ID != "TOKEN_REJECTED" || got.Job.ID != "TOKEN_REJECTED" || got.State != "closed" {
		t.Errorf("%s, %+v", wrong.ID, got)
	}
}

// TestPermission: the browser's question, while it stands and once it is answered.
func TestPermission(t *testing.T) {
	d := newDesk(t)
	token := d.token(secure)
	t.Run("allowed later", func(t *testing.T) {
		b := restricted.open(t, secure, "prompt")
		o := d.options(map[string]any{"token": token})
		var first outcome
		b.run(o, `
			window.c = make();
			window.told = [];
			c.on("permission", (p) => { told.push(p); if (p === "granted") window.again = c.connect(); });
			return outcome(c.connect());`, &first)
		b.permit("granted")
		var told []string
		b.run(o, `await until("the answer", () => window.again); await again; return told`, &told)
		if first.Detail["permission"] != "prompt" || len(told) != 2 || told[0] != "prompt" || told[1] != "granted" {
			t.Errorf("%+v, then %v", first, told)
		}
	})
	// Without a window there is nobody to ask, and Chromium says no at once. The question that stands is played: the
	// port behind which the agent is does not answer, as it does not in front of a user who has not clicked yet.
	question := `
		const fetched = window.fetch;
		let answer;
		const answered = new Promise((done) => (answer = done));
		window.fetch = (url, o) => new Promise((done, fail) => {
			o.signal.addEventListener("abort", () => fail(new TypeError("Failed to fetch")));
			if (new URL(url).port !== String(defaults.ports[0])) fail(new TypeError("Failed to fetch"));
			else answered.then(() => fetched(url, o)).then(done, fail);
		});`
	t.Run("not answered", func(t *testing.T) {
		b := restricted.open(t, secure, "prompt")
		var got struct {
			Outcome outcome
			Told    []string
		}
		b.run(d.options(map[string]any{"token": token, "permissionMs": 2500}), question+`
			const c = make();
			const told = [];
			c.on("permission", (p) => told.push(p));
			return { outcome: await outcome(c.connect()), told };`, &got)
		if got.Outcome.ID != "PERMISSION_PENDING" || len(got.Told) == 0 || got.Told[0] != "prompt" {
			t.Errorf("%+v", got)
		}
	})
	t.Run("answered", func(t *testing.T) {
		b := restricted.open(t, secure, "prompt")
		o := d.options(map[string]any{"token": token})
		b.run(o, question+`
			window.c = make();
			window.told = [];
			c.on("permission", (p) => told.push(p));
			window.connecting = outcome(c.connect());
			window.allow = answer;
			await until("the question", () => told.length);`, nil)
		b.permit("granted")
		var got outcome
		b.run(o, `allow(); return connecting`, &got)
		if got.ID != "ok" {
			t.Errorf("%+v", got)
		}
	})
}

// TestFrames: a page in a frame of another site has the browser's leave only where that site passes it on.
func TestFrames(t *testing.T) {
	d := newDesk(t)
	token := d.token(frame)
	for _, c := range []struct{ name, allow, permission, before, id string }{
		// Headless Chromium has nobody to ask, and takes that for a no.
		{"not passed on", "fullscreen", "", "denied", "PERMISSION_DENIED"},
		{"passed on, not given", "loopback-network", "", "prompt", "PERMISSION_DENIED"},
		{"passed on, given", "loopback-network", "granted", "granted", "ok"},
	} {
		t.Run(c.name, func(t *testing.T) {
			b := restricted.open(t, secure+"/?frame="+c.allow, c.permission)
			var got outcome
			b.run(d.options(map[string]any{"token": token}), `
				const inner = document.querySelector("iframe").contentWindow;
				return new Promise((done) => { addEventListener("message", (e) => done(e.data)); inner.postMessage({ options: defaults }, "*"); });`, &got)
			if before := string(got.Value); got.ID != c.id || before != `"`+c.before+`"` || c.id != "ok" && got.Detail["frame"] != true {
				t.Errorf("%s before, then %s %v", before, got.ID, got.Detail)
			}
		})
	}
}
