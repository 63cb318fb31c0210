package ts_test

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/gorilla/websocket"

	"github.com/tapcheck/tapcheck/icao/chip"
)

func persona(t *testing.T, id string) chip.Persona {
	t.Helper()
	p, err := chip.PersonaByName(id)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// TestCheckin: a page taps a simulated card and shows who it is, with both ways in which pictures travel.
func TestCheckin(t *testing.T) {
	d := newDesk(t)
	an := persona(t, "an")
	token := d.token(secure)
	for _, pictures := range []string{"inline", "binary"} {
		t.Run(pictures, func(t *testing.T) {
			b := restricted.open(t, secure, "granted")
			var got struct {
				Events  []string
				Readers int
				Name    string
				Passive string
				State   string
				Width   int
				URL     string
				Job     struct {
					State, Phase string
					Percent      int
				}
			}
			b.run(d.options(map[string]any{"token": token, "pictures": pictures, "qr": an.QR()}), `
				const c = make();
				const events = new Set();
				c.on("reader", (r) => events.add("reader " + r.state));
				c.on("job", (e) => events.add("job " + e.kind));
				c.on("state", (s) => events.add(s.state));
				const job = c.checkin({ key: { qr: defaults.qr }, desk: "1" });
				for (const name of ["progress", "partial", "needs"]) job.on(name, () => events.add(name));
				await until("the wait for a card", () => job.phase === "waiting" && job.checkinId);
				await c.sim.insert({ persona: "an" });
				const r = await job.result;
				await c.sim.remove();
				const url = Tapcheck.pictureURL(r.portrait);
				const image = await new Promise((done, fail) => { const i = new Image(); i.onload = () => done(i); i.onerror = fail; i.src = url; });
				const readers = (await c.readers()).length;
				c.close();
				return { events: [...events], readers, name: r.identity.fullName, passive: r.verdicts.passiveAuthentication.status,
					state: r.eligibility.state, width: image.naturalWidth, url: url.slice(0, 5), job: { state: job.state, phase: job.phase, percent: job.percent } };`, &got)
			if got.Name != an.FullName || got.Passive != "not_verifiable" || got.State != "eligible" || got.Width != 300 || got.Readers != 1 {
				t.Errorf("%+v", got)
			}
			if got.Job.State != "complete" || got.Job.Phase != "done" || got.Job.Percent != 100 {
				t.Errorf("%+v", got.Job)
			}
			for _, want := range []string{"connecting", "open", "reader card", "progress", "partial", "job progress", "job partial", "job result", "closed"} {
				if !slices.Contains(got.Events, want) {
					t.Errorf("no %q among %v", want, got.Events)
				}
			}
			if want := map[string]string{"inline": "data:", "binary": "blob:"}[pictures]; got.URL != want {
				t.Errorf("the picture is at %s", got.URL)
			}
		})
	}
}

// TestNeeds: the key comes when the card is there, the wrong one first; and errors of the agent are told in its words.
func TestNeeds(t *testing.T) {
	d := newDesk(t)
	b := restricted.open(t, secure, "granted")
	var got struct {
		Need, Named string
		Malformed   outcome
		Unknown     outcome
		Status      string
	}
	b.run(d.options(map[string]any{"token": d.token(secure), "can": persona(t, "an").Number[6:]}), `
		const c = make();
		const job = c.checkin();
		const first = new Promise((done) => job.on("needs", done));
		await c.sim.insert({ persona: "an" });
		const n = await first;
		const named = job.need.need;
		const malformed = await outcome(job.provide({ key: { can: "12" } }));
		await job.provide({ key: { can: defaults.can } });
		await job.result;
		const unknown = await outcome(c.follow("no-such-job").result);
		return { need: n.need, named, malformed, unknown, status: (await c.status()).agent.version };`, &got)
	if got.Need != "key" || got.Named != "key" || got.Status != "test" {
		t.Errorf("%+v", got)
	}
	if m := got.Malformed; m.ID != "KEY_MALFORMED" || m.Help != fmt.Sprintf("http://%s/help/KEY_MALFORMED", d.addr) || m.Text == "" || m.Next == "" || m.Retriable {
		t.Errorf("%+v", m)
	}
	if got.Unknown.ID != "JOB_UNKNOWN" {
		t.Errorf("%+v", got.Unknown)
	}
}

// TestStops: what a page stops ends as it says, and the agent knows.
func TestStops(t *testing.T) {
	d := newDesk(t)
	b := restricted.open(t, secure, "granted")
	var got struct {
		Before, During, Connect outcome
		Agent                   string
		Cancel                  outcome
		CancelState             string
		Failed                  outcome
		Close                   outcome
		Again                   string
	}
	b.run(d.options(map[string]any{"token": d.token(secure), "can": persona(t, "binh").Number[6:], "another": persona(t, "an").Number}), `
		const c = make();
		const before = await outcome(c.checkin({}, { signal: AbortSignal.abort() }).result);
		const connect = await outcome(c.connect(AbortSignal.abort()));
		const stop = new AbortController();
		const job = c.checkin({}, { signal: stop.signal });
		await until("the job", () => job.checkinId);
		stop.abort();
		const during = await outcome(job.result);
		let agent;
		await until("the agent to know", () => { c.request("job.status", { jobId: job.id }).then((s) => (agent = s.state)); return agent === "cancelled"; });
		const second = c.checkin();
		await until("the second job", () => second.checkinId);
		await second.cancel();
		const cancel = await outcome(second.result);
		await c.sim.insert({ persona: "binh" });
		const failed = await outcome(c.checkin({ key: { can: defaults.can }, expect: { number: defaults.another } }).result);
		const third = c.checkin();
		await until("the third job", () => third.checkinId);
		c.close();
		const close = await outcome(third.result);
		await c.connect();
		return { before, during, connect, agent, cancel, cancelState: second.state, failed, close, again: c.state };`, &got)
	for name, o := range map[string]outcome{"before": got.Before, "during": got.During, "connect": got.Connect, "close": got.Close} {
		if o.ID != "ABORTED" {
			t.Errorf("%s: %s", name, o.ID)
		}
	}
	if got.Cancel.ID != "CANCELLED" || got.CancelState != "cancelled" || got.Failed.ID != "PERSON_UNEXPECTED" || got.Again != "open" {
		t.Errorf("%+v", got)
	}
	if p := string(got.Failed.Partial); !strings.Contains(p, `"failed"`) || strings.Contains(p, persona(t, "binh").Number) {
		t.Errorf("what was known of the failed one: %s", p)
	}
}

// TestReconnect: a cut connection comes back, and its job goes on.
func TestReconnect(t *testing.T) {
	d := newDesk(t)
	b := restricted.open(t, secure, "granted")
	var got struct {
		States  []string
		Resumed string
		Name    string
	}
	an := persona(t, "an")
	b.run(d.options(map[string]any{"token": d.token(secure), "qr": an.QR()}), `
		const c = make();
		const states = [];
		c.on("state", (s) => states.push(s.state + (s.error ? " " + s.error.id : "")));
		const job = c.checkin({ key: { qr: defaults.qr } });
		let resumed;
		job.on("resumed", (s) => (resumed = s.state));
		await until("the job", () => job.checkinId);
		sockets.at(-1).close();
		await until("it to come back", () => resumed);
		await c.sim.insert({ persona: "an" });
		const r = await job.result;
		return { states, resumed, name: r.identity.fullName };`, &got)
	if want := []string{"connecting", "open", "reconnecting CONNECTION_LOST", "open"}; !slices.Equal(got.States, want) || got.Resumed != "needs" || got.Name != an.FullName {
		t.Errorf("%+v", got)
	}
}

// TestAgentRestarts in the middle of a job that has given out nothing: it begins again by itself, with the same id.
func TestAgentRestarts(t *testing.T) {
	d := newDesk(t)
	b := restricted.open(t, secure, "granted")
	an := persona(t, "an")
	o := d.options(map[string]any{"token": d.token(secure), "qr": an.QR()})
	var first string
	b.run(o, `
		window.c = make();
		window.states = [];
		c.on("state", (s) => states.push(s.state));
		window.job = c.checkin({ jobId: "desk-7", key: { qr: defaults.qr } });
		await until("the job", () => job.checkinId);
		return job.checkinId;`, &first)
	d.stop()
	b.run(o, `await until("the loss", () => states.includes("reconnecting"))`, nil)
	d.start()
	var got struct {
		States []string
		Again  string
		Name   string
		Job    string
	}
	b.run(o, `
		await until("the job again", () => c.state === "open" && job.checkinId !== "`+first+`");
		await c.sim.insert({ persona: "an" });
		const r = await job.result;
		return { states, again: r.checkinId, name: r.identity.fullName, job: r.jobId };`, &got)
	if got.Again == first || got.Name != an.FullName || got.Job != "desk-7" || !slices.Equal(got.States, []string{"connecting", "open", "reconnecting", "open"}) {
		t.Errorf("first %s, then %+v", first, got)
	}
}

// TestAgentStays away, and does not come back with what it knew.
func TestAgentStays(t *testing.T) {
	ports := freePorts(t, 1)
	resumes := 0
	f := &fake{answers: map[string]answer{
		"checkin.start": func(f *fake, ws *websocket.Conn, params json.RawMessage) any {
			f.tell(ws, "job.partial", map[string]any{"jobId": "j", "checkinId": "c1", "state": "running", "identity": map[string]any{"fullName": "Nguyễn Thị Thử"}})
			return map[string]any{"jobId": "j", "checkinId": "c1", "state": "running"}
		},
		"job.resume":   func(*fake, *websocket.Conn, json.RawMessage) any { resumes++; return wireError("JOB_UNKNOWN") },
		"agent.status": func(*fake, *websocket.Conn, json.RawMessage) any { return nil },
	}}
	f.run(t, ports[0])
	o := map[string]any{"ports": ports, "token": "secret", "reconnectMs": 1, "requestMs": 10000}
	b := restricted.open(t, secure, "granted")
	var late outcome
	b.run(o, `
		window.c = make();
		window.job = c.checkin({ jobId: "j" });
		await until("something", () => job.known);
		return outcome(c.request("agent.status", {}, { timeoutMs: 50 }));`, &late)
	if late.ID != "REQUEST_TIMEOUT" {
		t.Errorf("without an answer: %s", late.ID)
	}
	f.drop()
	var lost outcome
	b.run(o, `return outcome(job.result)`, &lost)
	if lost.ID != "JOB_LOST" || !strings.Contains(string(lost.Partial), "Thử") || resumes != 1 {
		t.Errorf("%+v after %d resumes", lost, resumes)
	}
	var gone outcome
	b.run(o, `
		window.stuck = c.checkin({ jobId: "k" });
		await until("the second", () => stuck.checkinId);`, nil)
	f.noSocket = true
	f.drop()
	b.run(o, `return outcome(stuck.result)`, &gone)
	if gone.ID != "CONNECTION_LOST" {
		t.Errorf("%+v", gone)
	}
	var refused, malformed outcome
	b.run(o, `return outcome(make().connect())`, &refused)
	if refused.ID != "CONNECTION_REFUSED" {
		t.Errorf("%+v", refused)
	}
	f.noSocket, f.hello = false, map[string]any{"challenge": nil}
	b.run(o, `return outcome(make().connect())`, &malformed)
	if malformed.ID != "ANSWER_MALFORMED" {
		t.Errorf("%+v", malformed)
	}
}

// TestReload: the page is reloaded while its job runs, and takes it up.
func TestReload(t *testing.T) {
	d := newDesk(t)
	b := restricted.open(t, secure, "granted")
	an := persona(t, "an")
	o := d.options(map[string]any{"token": d.token(secure), "qr": an.QR()})
	b.run(o, `
		const job = make().checkin({ key: { qr: defaults.qr } });
		sessionStorage.job = job.id;
		await until("the job", () => job.checkinId);`, nil)
	b.show(secure + "/reloaded")
	var got struct {
		State, Name string
	}
	b.run(o, `
		const c = make();
		const job = c.follow(sessionStorage.job);
		await until("the job", () => job.checkinId);
		const state = job.state;
		await c.sim.insert({ persona: "an" });
		return { state, name: (await job.result).identity.fullName };`, &got)
	if got.State != "needs" || got.Name != an.FullName {
		t.Errorf("%+v", got)
	}
}

// TestTwoTabs of one origin share their jobs: the second hears of the first one's, and can follow it.
func TestTwoTabs(t *testing.T) {
	d := newDesk(t)
	one := restricted.open(t, secure, "granted")
	two := one.another(secure + "/second")
	an := persona(t, "an")
	o := d.options(map[string]any{"token": d.token(secure), "qr": an.QR()})
	two.run(o, `
		window.c = make();
		window.heard = {};
		c.on("job", (e) => (heard[e.kind] = e.jobId));
		await c.connect();`, nil)
	one.run(o, `
		window.c = make();
		window.job = c.checkin({ jobId: "shared", key: { qr: defaults.qr } });
		await until("the job", () => job.checkinId);`, nil)
	two.run(o, `
		await until("the other's job", () => heard.needs === "shared");
		window.job = c.follow("shared");
		await until("its state", () => job.checkinId);
		await c.sim.insert({ persona: "an" });`, nil)
	for name, b := range map[string]*tab{"one": one, "two": two} {
		var got string
		b.run(o, `return (await job.result).identity.fullName`, &got)
		if got != an.FullName {
			t.Errorf("%s: %q", name, got)
		}
	}
	var heard map[string]string
	two.run(o, `return heard`, &heard)
	if heard["partial"] != "shared" || heard["result"] != "shared" {
		t.Errorf("%v", heard)
	}
}

// TestAskedTwice: a double click is one check-in; the same id for something else is none, and does not disturb the first.
func TestAskedTwice(t *testing.T) {
	d := newDesk(t)
	b := restricted.open(t, secure, "granted")
	an := persona(t, "an")
	var got struct {
		Same, Followed bool
		Other          outcome
		Names          []string
	}
	b.run(d.options(map[string]any{"token": d.token(secure), "qr": an.QR()}), `
		const c = make();
		const one = c.checkin({ jobId: "twice", key: { qr: defaults.qr } });
		const two = c.checkin({ jobId: "twice", key: { qr: defaults.qr } });
		await until("both", () => one.checkinId && two.checkinId);
		const other = await outcome(c.checkin({ jobId: "twice", desk: "2" }).result);
		const followed = c.follow("twice") === one;
		await c.sim.insert({ persona: "an" });
		const results = await Promise.all([one.result, two.result]);
		return { same: one.checkinId === two.checkinId, followed, other, names: results.map((r) => r.identity.fullName) };`, &got)
	if !got.Same || !got.Followed || got.Other.ID != "JOB_ID_TAKEN" || !slices.Equal(got.Names, []string{an.FullName, an.FullName}) {
		t.Errorf("%+v", got)
	}
}

// TestFace: consent, frames until the person has done what was asked, a second attempt, and one picture, as a page does it.
func TestFace(t *testing.T) {
	d := newDesk(t)
	b := restricted.open(t, secure, "granted")
	var got struct {
		By       []string
		Frames   int
		Kinds    []string
		First    string
		Second   outcome
		Late     outcome
		Face     struct{ Status, Decision string }
		Attempts int
		Refused  struct{ Status, Reason string }
	}
	b.run(d.options(map[string]any{"token": d.token(secure), "qr": persona(t, "an").QR()}), `
		const c = make();
		await c.sim.fault({ face: "no_match" });
		const canvas = new OffscreenCanvas(64, 64);
		canvas.getContext("2d").fillRect(0, 0, 64, 64);
		const job = c.checkin({ key: { qr: defaults.qr }, face: "required" });
		const out = { frames: 0, kinds: [] };
		const needs = (what) => until(what, () => job.need?.need === what);
		await until("the job", () => job.checkinId);
		await c.sim.insert({ persona: "an" });
		await needs("consent");
		out.by = job.need.consent.by;
		await job.consent(true, "patient");
		await needs("live_image");
		out.second = await outcome(job.face("retry"));
		out.first = (await job.verify(await canvas.convertToBlob({ type: "image/png" }))).face.status;
		await until("the verdict", () => job.need?.face?.verdict);
		await c.sim.fault({ face: "match" });
		await job.cancel().catch(() => {});
		await job.result.catch(() => {});
		await c.sim.remove();

		const again = c.checkin({ key: { qr: defaults.qr }, face: "required" });
		await until("the job", () => again.checkinId);
		await c.sim.insert({ persona: "an" });
		await until("consent", () => again.need?.need === "consent");
		await again.consent(true, "patient");
		await until("live image", () => again.need?.need === "live_image");
		let said = {};
		while (!said.done && out.frames < 50) {
			said = await again.frame(await canvas.convertToBlob({ type: "image/jpeg" }), said.challenge);
			if (said.challenge && out.kinds.at(-1) !== said.challenge.kind) out.kinds.push(said.challenge.kind);
			out.frames++;
			await new Promise((done) => setTimeout(done, 60));
		}
		const r = await again.result;
		out.face = r.verdicts.face;
		out.attempts = r.verdicts.face.attempts;
		out.late = await outcome(again.frame(new Blob([new Uint8Array(3)], { type: "image/png" })));
		await c.sim.remove();
		const third = c.checkin({ key: { qr: defaults.qr }, face: "offered" });
		await until("the job", () => third.checkinId);
		await third.consent(false, "patient", { textVersion: "2026-1" });
		await c.sim.insert({ persona: "an" });
		out.refused = (await third.result).verdicts.face;
		return out;`, &got)
	if len(got.By) != 1 || got.By[0] != "patient" || got.First != "failed" || got.Second.ID != "JOB_NOT_WAITING" || got.Late.ID != "JOB_NOT_WAITING" {
		t.Errorf("%+v", got)
	}
	if got.Face.Status != "passed" || got.Face.Decision != "match" || got.Attempts != 1 || got.Frames < 3 || got.Frames == 50 || len(got.Kinds) < 2 {
		t.Errorf("%+v", got)
	}
	if got.Refused.Status != "not_done" || got.Refused.Reason != "CONSENT_REFUSED" {
		t.Errorf("%+v", got.Refused)
	}
}
