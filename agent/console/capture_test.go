package console

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/tapcheck/tapcheck/agent/catalog"
	"github.com/tapcheck/tapcheck/agent/checkin"
)

// faces plays the comparisons of one job, ref "r1".
type faces struct {
	mu     sync.Mutex
	gone   bool // there is no such job any more
	asked  []string
	frames []checkin.FaceFrameParams
	acts   []checkin.FaceActByRefParams
	held   chan struct{} // a frame waits until this is closed
	begun  chan struct{}
}

func (f *faces) know(what, ref string) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.asked = append(f.asked, what+" "+ref)
	if ref != "r1" || f.gone {
		return catalog.New(catalog.JobUnknown, nil)
	}
	return nil
}

func (f *faces) FaceStateByRef(_ context.Context, ref string) (checkin.FaceState, error) {
	return checkin.FaceState{Stage: checkin.FaceLive, Lang: catalog.VI, Face: &checkin.FaceNeed{Attempt: 1, Attempts: 3, AttackCheck: checkin.AttackChallenge}}, f.know("state", ref)
}

func (f *faces) FaceFrameByRef(_ context.Context, ref string, p checkin.FaceFrameParams) (checkin.FaceFrameResult, error) {
	if err := f.know("frame", ref); err != nil {
		return checkin.FaceFrameResult{}, err
	}
	p.Image.Data = slices.Clone(p.Image.Data)
	f.mu.Lock()
	f.frames = append(f.frames, p)
	held := f.held
	f.mu.Unlock()
	if held != nil {
		f.begun <- struct{}{}
		<-held
	}
	return checkin.FaceFrameResult{Findings: []checkin.FaceFinding{}, Progress: 40, Attempt: 1}, nil
}

func (f *faces) FaceActByRef(_ context.Context, ref string, a checkin.FaceActByRefParams) error {
	f.mu.Lock()
	f.acts = append(f.acts, a)
	f.mu.Unlock()
	return f.know("act", ref)
}

var jpegStart = "\xff\xd8\xff\xe0 not a whole picture"

func newCapture(t *testing.T) (*desk, *faces) {
	t.Helper()
	f := &faces{begun: make(chan struct{}, 1)}
	d := newDesk(t, func(c *Config) { c.Faces = f })
	d.k.ServedAt(27480)
	return d, f
}

func (d *desk) ticket(ref, session string) string {
	d.t.Helper()
	url, until, ok := d.k.Capture(ref, session)
	m := regexp.MustCompile(`^http://127\.0\.0\.1:27480/console/#capture=([A-Z0-9]{26})$`).FindStringSubmatch(url)
	if !ok || m == nil || until.Sub(d.clock.now()) != captureLife {
		d.t.Fatalf("%q %v %v", url, until, ok)
	}
	return m[1]
}

func (d *desk) frame(key string, header map[string]string, body string) response {
	h := map[string]string{"Content-Type": "image/jpeg", "X-Tapcheck-Key": key, "X-Tapcheck-Seq": "3", "X-Tapcheck-At": "1200", "X-Tapcheck-Challenge": "c1"}
	for k, v := range header {
		h[k] = v
	}
	return d.do(request{method: http.MethodPost, path: "/capture/frame", header: h, body: body})
}

// A window gets in by its ticket alone, once, and does one job's face and nothing else.
func TestCaptureWindow(t *testing.T) {
	d, f := newCapture(t)
	ticket := d.ticket("r1", home)
	r := d.post("/capture", "", m{"ticket": ticket})
	key := r.text("key")
	if r.status != http.StatusOK || len(key) != 26 || key == ticket || r.text("client") != "https://his.example" || r.text("stage") != "live_image" || r.text("lang") != "vi" {
		t.Fatalf("%d %s", r.status, r.raw)
	}
	if r := d.post("/capture", "", m{"ticket": ticket}); r.status != http.StatusNotFound || r.id != catalog.JobUnknown {
		t.Errorf("a ticket is good twice: %d %s", r.status, r.id)
	}
	r = d.post("/capture/state", "", m{"key": key})
	if r.status != http.StatusOK || r.text("stage") != "live_image" || r.text("key") != "" {
		t.Errorf("%d %s", r.status, r.raw)
	}
	if r := d.frame(key, nil, jpegStart); r.status != http.StatusOK || r.body["progress"] != 40.0 {
		t.Errorf("%d %s", r.status, r.raw)
	}
	f.mu.Lock()
	if p := f.frames[0]; *p.Seq != 3 || *p.AtMs != 1200 || p.Challenge != "c1" || p.Image.MIME != "image/jpeg" || string(p.Image.Data) != jpegStart {
		t.Errorf("%+v", p)
	}
	f.mu.Unlock()
	// Whoever acts is who has begun the check-in, whatever the window says.
	for _, body := range []m{
		{"key": key, "consent": m{"purpose": "face_verification", "textVersion": "v", "given": true, "by": "patient", "operator": m{"id": "somebody"}}},
		{"key": key, "face": m{"action": "skip", "reason": "no_time", "by": m{"id": "somebody"}}},
	} {
		if r := d.post("/capture/act", "", body); r.status != http.StatusOK {
			t.Errorf("%d %s", r.status, r.raw)
		}
	}
	f.mu.Lock()
	if len(f.acts) != 2 || f.acts[0].Consent == nil || f.acts[0].Consent.Operator != nil || f.acts[1].Face == nil || f.acts[1].Face.By != nil || f.acts[1].Face.Reason != "no_time" {
		t.Errorf("%+v", f.acts)
	}
	f.gone = true
	f.mu.Unlock()
	if r := d.post("/capture/state", "", m{"key": key}); r.id != catalog.JobUnknown {
		t.Errorf("of a job that is over: %s", r.raw)
	}
	f.mu.Lock()
	n := len(f.asked)
	f.mu.Unlock()
	if r := d.post("/capture/state", "", m{"key": key}); r.id != catalog.JobUnknown {
		t.Errorf("after that: %s", r.raw)
	}
	f.mu.Lock()
	if len(f.asked) != n {
		t.Error("the window of a job that is over still asks")
	}
	f.mu.Unlock()
	d.logMu.Lock()
	defer d.logMu.Unlock()
	if log := d.log.String(); strings.Contains(log, ticket) || strings.Contains(log, key) {
		t.Errorf("the log has a secret: %s", log)
	}
}

// TestCaptureRefuses: what a window may not do, in whichever way it is tried.
func TestCaptureRefuses(t *testing.T) {
	d, f := newCapture(t)
	ticket := d.ticket("r1", home)
	open := func(session string, ticket any) response {
		raw, _ := json.Marshal(m{"ticket": ticket})
		return d.do(request{method: http.MethodPost, path: "/capture", session: session, body: string(raw)})
	}
	for name, r := range map[string]response{
		"another user's": open(other, ticket), "made up": open(home, strings.Repeat("A", 26)), "none": open(home, ""), "long": open(home, strings.Repeat("A", 9000)), "of another page": d.do(request{method: http.MethodPost, path: "/capture", origin: "https://his.example", body: `{"ticket":"` + ticket + `"}`}),
	} {
		if r.status == http.StatusOK || r.id != catalog.JobUnknown && r.id != catalog.OriginDenied {
			t.Errorf("%s: %d %s", name, r.status, r.raw)
		}
	}
	key := open(home, ticket).text("key") // nobody has spent it
	if key == "" {
		t.Fatal("the ticket was spent by somebody who may not")
	}
	// A ticket is no key, a key no ticket, and neither is a login.
	second := d.ticket("r1", home)
	for name, r := range map[string]response{
		"a ticket as a key": d.post("/capture/state", "", m{"key": second}), "a key as a ticket": open(home, key), "a key in another session": d.do(request{method: http.MethodPost, path: "/capture/state", session: other, body: `{"key":"` + key + `"}`}),
		"a ticket with a picture": d.frame(second, nil, jpegStart), "no key": d.frame("", nil, jpegStart), "acting without one": d.post("/capture/act", "", m{"face": m{"action": "retry"}}),
	} {
		if r.id != catalog.JobUnknown || r.status != http.StatusNotFound {
			t.Errorf("%s: %d %s", name, r.status, r.raw)
		}
	}
	if r := d.do(request{method: http.MethodPost, path: "/touch", token: key, body: "{}"}); r.id != catalog.ConsoleSessionEnded {
		t.Errorf("a key is a login: %s", r.raw)
	}
	for name, tt := range map[string]struct {
		header map[string]string
		body   string
		status int
	}{
		"no number":         {map[string]string{"X-Tapcheck-Seq": ""}, jpegStart, 400},
		"a negative one":    {map[string]string{"X-Tapcheck-Seq": "-1"}, jpegStart, 400},
		"a huge one":        {map[string]string{"X-Tapcheck-Seq": "99999999999999999999"}, jpegStart, 400},
		"no time":           {map[string]string{"X-Tapcheck-At": "soon"}, jpegStart, 400},
		"a negative time":   {map[string]string{"X-Tapcheck-At": "-5"}, jpegStart, 400},
		"no such time":      {map[string]string{"X-Tapcheck-At": "9007199254740993"}, jpegStart, 400},
		"a long challenge":  {map[string]string{"X-Tapcheck-Challenge": strings.Repeat("c", 65)}, jpegStart, 400},
		"another type":      {map[string]string{"Content-Type": "application/octet-stream"}, jpegStart, 415},
		"a form's type":     {map[string]string{"Content-Type": "text/plain"}, jpegStart, 415},
		"JSON":              {map[string]string{"Content-Type": "application/json"}, "{}", 415},
		"a larger picture":  {nil, string(bytes.Repeat([]byte{0xff}, maxPicture+1)), 413},
		"the largest there": {nil, string(bytes.Repeat([]byte{0xff}, maxPicture)), 200},
	} {
		if r := d.frame(key, tt.header, tt.body); r.status != tt.status {
			t.Errorf("%s: %d %s", name, r.status, r.raw)
		}
	}
	f.mu.Lock()
	if len(f.frames) != 1 {
		t.Errorf("%d pictures went on", len(f.frames))
	}
	f.held = make(chan struct{})
	f.mu.Unlock()
	// One picture at a time.
	first := make(chan response, 1)
	go func() { first <- d.frame(key, nil, jpegStart) }()
	<-f.begun
	if r := d.frame(key, nil, jpegStart); r.id != catalog.RateLimited || r.status != http.StatusTooManyRequests {
		t.Errorf("beside another: %d %s", r.status, r.raw)
	}
	close(f.held)
	if r := <-first; r.status != http.StatusOK {
		t.Errorf("%d %s", r.status, r.raw)
	}
	// Neither a ticket nor a window lives long, and there are not many.
	d.clock.pass(captureLife - time.Second)
	if r := d.post("/capture/state", "", m{"key": key}); r.status != http.StatusOK {
		t.Errorf("before its time: %s", r.raw)
	}
	d.clock.pass(2 * time.Second)
	for name, r := range map[string]response{"an old window": d.post("/capture/state", "", m{"key": key}), "an old ticket": open(home, second)} {
		if r.id != catalog.JobUnknown {
			t.Errorf("%s: %s", name, r.raw)
		}
	}
	theirs, oldest := d.ticket("r1", other), d.ticket("r1", home)
	for range maxCaptures {
		d.ticket("r1", home)
	}
	if r := open(home, oldest); r.id != catalog.JobUnknown || len(d.k.captures.list) != maxCaptures {
		t.Errorf("the oldest gives way: %s, %d", r.raw, len(d.k.captures.list))
	}
	if r := open(other, theirs); r.status != http.StatusOK {
		t.Errorf("another session is crowded out: %s", r.raw)
	}
}

// Where nobody is served yet, or no faces are compared, there are no windows.
func TestNoCaptureWindow(t *testing.T) {
	d := newDesk(t)
	d.k.ServedAt(27480)
	if _, _, ok := d.k.Capture("r1", home); ok {
		t.Error("a window without faces")
	}
	d = newDesk(t, func(c *Config) { c.Faces = &faces{} })
	if url, _, ok := d.k.Capture("r1", home); ok {
		t.Errorf("nobody is served yet: %s", url)
	}
	d.k.ServedAt(1)
	for _, who := range [][2]string{{"", home}, {"r1", ""}} {
		if url, _, ok := d.k.Capture(who[0], who[1]); ok {
			t.Errorf("%v: %s", who, url)
		}
	}
	if url, _, ok := d.k.Capture("r1", home); !ok || !strings.HasPrefix(url, "http://127.0.0.1:1/") {
		t.Error(fmt.Sprint(url, ok))
	}
}

// The desk opens a window for another program's job: its own session's, and one that compares a face.
func TestCaptureByTheDesk(t *testing.T) {
	d, _ := newCapture(t)
	token := d.operator("lt.hoa", home)
	r := d.post("/jobs/capture", token, m{"ref": "r1"})
	ticket := strings.TrimPrefix(r.text("url"), "http://127.0.0.1:27480/console/#capture=")
	if r.status != http.StatusOK || len(ticket) != 26 {
		t.Fatalf("%d %s", r.status, r.raw)
	}
	if r := d.post("/capture", "", m{"ticket": ticket}); r.status != http.StatusOK || r.text("client") != "https://his.example" {
		t.Errorf("%d %s", r.status, r.raw)
	}
	for name, tt := range map[string]struct {
		token string
		ref   any
		want  catalog.ID
	}{
		"another session's": {token, "r2", catalog.JobUnknown}, "none": {token, "r9", catalog.JobUnknown}, "empty": {token, "", catalog.BadRequest}, "long": {token, strings.Repeat("r", 101), catalog.BadRequest},
		"a number": {token, 7, catalog.BadRequest}, "nobody": {"", "r1", catalog.ConsoleSessionEnded},
	} {
		if r := d.post("/jobs/capture", tt.token, m{"ref": tt.ref}); r.id != tt.want {
			t.Errorf("%s: %d %s", name, r.status, r.raw)
		}
	}
}
