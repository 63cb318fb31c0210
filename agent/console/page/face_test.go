package page_test

import (
	"encoding/json"
	"regexp"
	"strings"
	"testing"

	"github.com/tapcheck/tapcheck/agent/catalog"
	"github.com/tapcheck/tapcheck/agent/his/schema"
)

// faceText are the agent's own words before the camera.
func faceText(t *testing.T, id string) string {
	t.Helper()
	s, ok := catalog.FaceText(id, catalog.VI)
	if !ok {
		t.Fatalf("no words for %s", id)
	}
	return s
}

// live is what a job needs while pictures are sent.
func live(attempt int, more object) object {
	face := object{"attempt": attempt, "attempts": 3, "attackCheck": "active_challenge"}
	for k, v := range more {
		face[k] = v
	}
	return face
}

func challenge(t *testing.T, kind string) object {
	return object{"id": "c-" + kind, "kind": kind, "text": faceText(t, kind)}
}

// faceVerdict is what an attempt has come to.
func faceVerdict(decision, status, reason string) object {
	v := object{"status": status, "decision": decision, "score": 0.55, "threshold": 0.6, "model": "m", "attackCheck": object{"level": "active_challenge", "status": "passed"}, "attempts": 1}
	if reason != "" {
		v["reason"] = reason
	}
	return v
}

func facing(t *testing.T) (*fake, *tab) {
	t.Helper()
	f := newFake(t)
	f.served = append(f.served, "face.frame", "face.verify", "consent.record")
	p := openTab(t, f.srv.URL)
	p.permit("camera", "granted")
	p.login()
	return f, p
}

// TestFace: a check-in of this console, from the choice to what the desk decides: consent first, the live picture with large calm
// words, attempts that tell nothing and one that tells of somebody else, and leaving it out with a reason.
func TestFace(t *testing.T) {
	t.Parallel()
	f, p := facing(t)
	p.until("the choice", "document.querySelector('.choice') && !document.querySelector('.choice').hidden")
	p.look("66-face-choice", true)
	var chosen string
	if p.eval("document.querySelector('input[name=face]:checked').value", &chosen); chosen != "off" {
		t.Errorf("chosen beforehand: %s", chosen)
	}
	p.eval("document.querySelector('input[name=face][value=required]').click()", nil)
	job := start(f, p)
	if got := f.called("checkin.start"); got["face"] != "required" {
		t.Errorf("checkin.start got %v", got)
	}
	seq := 0
	event := func(method string, params object) {
		seq++
		params["jobId"], params["seq"] = job, seq
		f.event(method, params)
	}
	event("job.partial", result(job, object{"state": "running", "next": []object{}, "timings": object{}}))
	event("job.progress", object{"phase": "face", "percent": 98})
	p.stage("face")
	p.look("67-face-waiting", true)

	// Yes and no are alike: the same look, one press each, nothing chosen beforehand.
	event("job.needs", object{"need": "consent", "consent": object{"purpose": "face_verification", "textVersion": "tapcheck-face-1-vi", "text": catalog.FaceConsentText.VI, "by": []string{"guardian", "patient"}}})
	p.until("the question", "document.querySelector('dialog[open] .consent')")
	p.sees("Trẻ từ 7 tuổi")
	p.look("68-face-consent", true)
	var alike bool
	p.eval(`(() => {
		const [yes, no] = document.querySelectorAll(".answers .button");
		const looks = (e) => { const s = getComputedStyle(e); const r = e.getBoundingClientRect(); return [s.color, s.backgroundColor, s.borderColor, s.fontSize, s.fontWeight, Math.round(r.width), Math.round(r.height)].join(); };
		return looks(yes) === looks(no) && document.activeElement !== yes && document.activeElement !== no;
	})()`, &alike)
	if !alike {
		t.Error("consent and refusal do not look alike, or one is chosen beforehand")
	}
	p.key("F3")
	if got := f.called("consent.record"); got["given"] != true || got["by"] != "both" || got["textVersion"] != "tapcheck-face-1-vi" || got["jobId"] != job {
		t.Errorf("consent.record got %v", got)
	}

	// The live picture: what is wrong, what to do, how far it is.
	f.set(func() {
		f.answers["face.frame"] = object{"findings": []object{{"id": "TOO_DARK", "text": faceText(t, "TOO_DARK")}}, "progress": 0, "done": false, "attempt": 1}
	})
	event("job.progress", object{"phase": "face", "percent": 98})
	event("job.needs", object{"need": "live_image", "face": live(1, nil)})
	p.until("a picture", "document.querySelector('dialog video') && document.querySelector('dialog video').videoWidth > 0")
	p.sees(faceText(t, "TOO_DARK"))
	p.look("69-face-finding", true)
	got := f.called("face.frame")
	picture, _ := got["image"].(object)
	if data, _ := picture["data"].(string); got["jobId"] != job || picture["mime"] != "image/jpeg" || !strings.HasPrefix(data, "/9j/") || got["challenge"] != nil {
		t.Errorf("face.frame got %.120v", got)
	}
	f.set(func() {
		f.answers["face.frame"] = object{"findings": []object{{"id": "SCREEN_HINT", "text": faceText(t, "SCREEN_HINT"), "warning": true}}, "challenge": challenge(t, "turn_left"), "progress": 45, "done": false, "attempt": 1}
	})
	p.sees(faceText(t, "turn_left"))
	p.sees(faceText(t, "SCREEN_HINT"))
	p.until("how far it is", "document.querySelector('.ring').getAttribute('stroke-dasharray') === '45 100'")
	p.look("70-face-challenge", true)
	f.forget()
	if got := f.called("face.frame"); got["challenge"] != "c-turn_left" {
		t.Errorf("face.frame got no challenge: %.120v", got)
	}
	f.mu.Lock()
	calls := f.calls
	f.mu.Unlock()
	last := -1.0
	for _, c := range calls {
		if c.Method == "face.frame" {
			if c.Params["seq"].(float64) <= last || c.Params["atMs"].(float64) <= 0 {
				t.Errorf("the frames do not count upwards: %v after %v", c.Params["seq"], last)
			}
			last = c.Params["seq"].(float64)
		}
	}
	for _, kind := range []string{"nod", "blink", "turn_right", "come_closer", "look_straight"} {
		f.set(func() {
			f.answers["face.frame"] = object{"findings": []object{}, "challenge": challenge(t, kind), "progress": 60, "done": false, "attempt": 1}
		})
		p.sees(faceText(t, kind))
		p.until("its picture", "document.querySelector('.sign .do-"+kind+"')")
		p.shot("70-face-challenge-" + kind)
	}

	// What cannot be told is calm, and may be tried again.
	f.set(func() {
		f.answers["face.frame"] = object{"findings": []object{}, "progress": 100, "done": true, "attempt": 1, "face": faceVerdict("cannot_tell", "not_verifiable", "LIVE_PICTURE_POOR")}
	})
	p.until("what came of it", "document.querySelector('dialog [data-verdict=cannot_tell]')")
	event("job.needs", object{"need": "live_image", "face": live(1, object{"verdict": faceVerdict("cannot_tell", "not_verifiable", "LIVE_PICTURE_POOR")})})
	p.look("71-face-cannot-tell", true)
	calmly(t, p)
	f.forget()
	p.key("Enter") // the first thing to do has the focus
	if got, _ := f.called("job.provide")["face"].(object); got["action"] != "retry" {
		t.Errorf("job.provide got %v", got)
	}
	f.set(func() {
		f.answers["face.frame"] = object{"findings": []object{}, "progress": 100, "done": true, "attempt": 2, "face": faceVerdict("no_match", "failed", "")}
	})
	event("job.needs", object{"need": "live_image", "face": live(2, nil)})
	p.until("another person", "document.querySelector('dialog [data-verdict=no_match]')")
	p.look("72-face-no-match", true)
	calmly(t, p)
	f.forget()
	p.key("F4")
	p.until("the reasons", "document.querySelector('dialog .choices')")
	p.look("73-face-skip", true)
	p.key("Enter")
	if got, _ := f.called("job.provide")["face"].(object); got["action"] != "skip" || got["reason"] != "compared_by_eye" {
		t.Errorf("job.provide got %v", got)
	}
	verdicts := everydayVerdicts()
	verdicts["face"] = faceVerdict("no_match", "failed", "")
	event("job.result", result(job, object{"verdicts": verdicts, "decisionNeeded": []string{"face"}, "next": steps(catalog.StepFaceByEye, catalog.StepProceed, catalog.StepReturnCard)}))
	p.stage("done")
	p.until("the camera is off", "!document.querySelector('dialog')")
	p.sees("Khuôn mặt: không giống ảnh trong chip")
	p.look("74-face-decide", true)
	p.eval("[...document.querySelectorAll('.actions-bar .button.primary')].pop().click()", nil)
	p.until("a decision about the face", "document.querySelector('dialog select') && document.querySelector('dialog select').value === 'face'")
	p.key("Esc")

	// A match is said, and goes by itself; a person who refuses is treated the same.
	p.key("F2")
	p.until("ready", "document.querySelector('.ready')")
	p.eval("document.querySelector('input[name=face][value=offered]').click()", nil)
	seq = 0
	job = start(f, p)
	f.set(func() {
		f.answers["face.frame"] = object{"findings": []object{}, "progress": 100, "done": true, "attempt": 1, "face": faceVerdict("match", "passed", "")}
	})
	event("job.progress", object{"phase": "face", "percent": 98})
	event("job.needs", object{"need": "live_image", "face": live(1, nil)})
	p.until("a match", "document.querySelector('dialog [data-verdict=match]')")
	p.look("75-face-match", true)
	verdicts = everydayVerdicts()
	verdicts["face"] = faceVerdict("match", "passed", "")
	verdicts["face"].(object)["basis"] = "unanchored"
	event("job.result", result(job, object{"verdicts": verdicts}))
	p.until("it goes by itself", "!document.querySelector('dialog')")
	p.sees("Khuôn mặt: khớp ảnh trong chip")
	p.look("76-face-matched", true)
	p.key("F2")
	seq = 0
	job = start(f, p)
	event("job.progress", object{"phase": "face", "percent": 98})
	event("job.needs", object{"need": "consent", "consent": object{"purpose": "face_verification", "textVersion": "v", "text": catalog.FaceConsentText.VI, "by": []string{"patient"}}})
	p.until("the question", "document.querySelector('dialog[open] .consent')")
	// Whoever closes the question has not answered it.
	f.forget()
	p.key("Esc")
	p.until("it can be opened again", "!document.querySelector('dialog') && document.querySelector('.banner .button')")
	p.look("77-face-again", true)
	p.key("Enter")
	p.until("the question", "document.querySelector('dialog[open] .consent')")
	p.key("F4")
	if got := f.called("consent.record"); got["given"] != false || got["by"] != "patient" {
		t.Errorf("consent.record got %v", got)
	}
	verdicts["face"] = object{"status": "not_done", "reason": "CONSENT_REFUSED"}
	event("job.result", result(job, object{"verdicts": verdicts}))
	p.until("no question any more", "!document.querySelector('dialog')")
	p.sees("Khuôn mặt: không so")
}

// calmly: no red where nothing is wrong with anybody.
func calmly(t *testing.T, p *tab) {
	t.Helper()
	var colours [][]int
	p.eval(`[...document.querySelectorAll("dialog .mark, dialog h1, dialog .lead")].flatMap((e) => [getComputedStyle(e).color, getComputedStyle(e).backgroundColor]).filter((c) => c !== "rgba(0, 0, 0, 0)").map((c) => c.match(/\d+/g).slice(0, 3).map(Number))`, &colours)
	if len(colours) < 4 {
		t.Fatalf("only %d colours were found", len(colours))
	}
	for _, c := range colours {
		if r, g, b := c[0], c[1], c[2]; r > g+70 && r > b+70 && g < 60 {
			t.Errorf("something is rgb(%d, %d, %d)", r, g, b)
		}
	}
}

// TestNoCamera: why there is no picture is said, with what to do, and the comparison can be left out.
func TestNoCamera(t *testing.T) {
	t.Parallel()
	f, p := facing(t)
	p.permit("camera", "denied")
	job := start(f, p)
	f.event("job.progress", object{"jobId": job, "seq": 1, "phase": "face", "percent": 98})
	f.event("job.needs", object{"jobId": job, "seq": 2, "need": "live_image", "face": live(1, nil)})
	p.sees("Trình duyệt chưa cho dùng camera")
	p.look("78-face-no-camera", true)
	p.key("F4")
	p.until("the reasons", "document.querySelector('dialog .choices')")
	p.eval("[...document.querySelectorAll('dialog .choices button')].find((b) => b.textContent === 'Camera không dùng được').click()", nil)
	if got, _ := f.called("job.provide")["face"].(object); got["action"] != "skip" || got["reason"] != "camera_missing" {
		t.Errorf("job.provide got %v", got)
	}
}

// TestCapture: the window for another program's check-in: its ticket is spent at once and stays nowhere, nobody logs in, and it
// shows what the console's own check-ins show.
func TestCapture(t *testing.T) {
	t.Parallel()
	f := newFake(t)
	p := openTab(t, f.srv.URL)
	p.permit("camera", "granted")
	state := object{"key": "k1", "client": "https://his.benhvien.example", "lang": "vi", "stage": "consent", "expiresAt": "2026-11-28T08:17:00+07:00",
		"consent": object{"purpose": "face_verification", "textVersion": "tapcheck-face-1-vi", "text": catalog.FaceConsentText.VI, "by": []string{"patient"}}}
	f.set(func() { f.answers["POST capture"], f.answers["POST capture/state"] = state, state })
	p.open("#capture=ticket.1-2_3")
	p.sees("Xin ý kiến trước khi so khuôn mặt")
	p.look("63-capture-consent", true)
	if got := f.posted("capture"); got["ticket"] != "ticket.1-2_3" {
		t.Errorf("capture got %v", got)
	}
	var address string
	if p.eval("location.href + JSON.stringify(Object.entries(localStorage)) + JSON.stringify(history.state)", &address); strings.Contains(address, "ticket") || strings.Contains(address, "k1") {
		t.Errorf("the ticket or the key stays: %s", address)
	}
	// The protocol names the same address to a HIS (job.needs, capture.url).
	var protocol struct {
		Components struct {
			Schemas struct {
				Capture struct {
					Properties struct{ URL struct{ Pattern string } }
				}
			}
		}
	}
	if err := json.Unmarshal(schema.Document(), &protocol); err != nil {
		t.Fatal(err)
	}
	if pattern := protocol.Components.Schemas.Capture.Properties.URL.Pattern; pattern == "" || !regexp.MustCompile(pattern).MatchString(p.base+"/console/#capture=ticket.1-2_3") {
		t.Errorf("the protocol has another address for this window: %q", pattern)
	}
	p.key("F3")
	if got := f.posted("capture/act"); got["key"] != "k1" || got["consent"].(object)["given"] != true || got["consent"].(object)["by"] != "patient" {
		t.Errorf("capture/act got %v", got)
	}
	f.set(func() {
		f.answers["POST capture/state"] = object{"stage": "live_image", "face": live(1, object{"challenge": challenge(t, "nod")})}
		f.answers["POST capture/frame"] = object{"findings": []object{}, "challenge": challenge(t, "nod"), "progress": 30, "done": false, "attempt": 1}
	})
	p.sees(faceText(t, "nod"))
	p.until("a picture", "document.querySelector('video').videoWidth > 0")
	f.forget()
	if got := f.posted("capture/frame"); got["key"] != "k1" || got["challenge"] != "c-nod" || got["seq"] == "" || got["at"] == "" {
		t.Errorf("capture/frame got %v", got)
	}
	p.look("64-capture-live", true)
	f.set(func() {
		f.answers["POST capture/frame"] = object{"findings": []object{}, "progress": 100, "done": true, "attempt": 1, "face": faceVerdict("match", "passed", "")}
	})
	p.sees("Khớp với ảnh trong chip")
	p.look("65-capture-match", true)
	var on bool
	if p.eval("Boolean(document.querySelector('video'))", &on); on {
		t.Error("the camera stays on")
	}

	// It speaks the language of the program that has opened it, and keeps no language for the desk.
	f.set(func() {
		english := object{"key": "k2", "client": "desktop:t2", "lang": "en", "simulated": true, "stage": "consent", "consent": object{"purpose": "face_verification", "textVersion": "v", "text": catalog.FaceConsentText.EN, "by": []string{"guardian", "patient"}}}
		f.answers["POST capture"], f.answers["POST capture/state"] = english, english
	})
	p.open("?en#capture=ticket.4")
	p.sees("May the face be compared?")
	p.look("63-capture-consent-en", true)
	if p.eval("localStorage.getItem('tapcheck.language') || ''", &address); address != "" {
		t.Errorf("the window keeps the language %q", address)
	}

	// A ticket that was used, or is none: nothing is taken, and it is said what to do.
	p.allow("404")
	f.set(func() { f.fail["capture"] = catalog.New(catalog.JobUnknown, nil) })
	p.open("")
	p.open("#capture=ticket.2")
	p.reload()
	p.open("?x#capture=ticket.3")
	p.sees("Cửa sổ này đã được dùng hoặc đã hết hạn.")
	p.look("65-capture-used", true)
}
