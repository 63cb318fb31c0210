package his

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/tapcheck/tapcheck/agent/catalog"
	"github.com/tapcheck/tapcheck/agent/checkin"
	"github.com/tapcheck/tapcheck/agent/keys"
	"github.com/tapcheck/tapcheck/icao/lds"
)

func faceRig(t *testing.T, change func(*Config)) *rig {
	r := start(t, change)
	secret, token, err := r.tokens.Add(keys.TokenRequest{Desktop: true, Rights: []string{keys.RightRead, keys.RightInsurance, keys.RightFace}})
	if err != nil {
		t.Fatal(err)
	}
	r.secrets["FACE"], r.ids["FACE"] = secret, token.ID
	return r
}

func picture(n int) map[string]any {
	return map[string]any{"mime": "image/jpeg", "data": base64.StdEncoding.EncodeToString(bytes.Repeat([]byte{'x'}, n))}
}

// TestPicturesMayBeLarge: 4 MiB of picture come through, more is refused by name, and no other method takes as much.
func TestPicturesMayBeLarge(t *testing.T) {
	r := faceRig(t, nil)
	c := r.open("", "FACE")
	c.call("checkin.start", map[string]any{"jobId": "silent-1", "means": "chip"})
	frame := func(n int) map[string]any {
		return map[string]any{"jobId": "silent-1", "seq": 1, "atMs": 1, "image": picture(n)}
	}
	if m := c.call("face.frame", frame(4<<20)); m.Error != nil {
		t.Errorf("4 MiB: %+v", m.Error)
	}
	r.engine.mu.Lock()
	got := len(r.engine.pictures)
	whole := got == 1 && len(r.engine.pictures[0]) == 4<<20
	r.engine.mu.Unlock()
	if !whole {
		t.Errorf("%d pictures came", got)
	}
	for method, p := range map[string]map[string]any{"face.frame": frame(5 << 20), "face.verify": {"jobId": "silent-1", "image": picture(5 << 20)}, "consent.record": {"jobId": strings.Repeat("x", maxParams)}} {
		m := c.call(method, p)
		if m.Error == nil || m.Error.Data.ID != catalog.BadRequest || m.Error.Data.Detail["field"] != "params" {
			t.Errorf("%s: %+v", method, m.Error)
		}
	}
}

// TestPicturesAreWiped: nothing of a picture is left in the frame that it came in.
func TestPicturesAreWiped(t *testing.T) {
	for _, what := range []string{`{"jobId":"1","image":{"mime":"image/jpeg","data":"bGl2aW5nIGZhY2U="}}`, `{"jobId":7,"image":{"mime":"image/jpeg","data":"bGl2aW5nIGZhY2U="}}`, `{"jobId":"1","image":{"data":"bGl2aW5nIGZhY2U="},"seq":"x"}`} {
		raw := json.RawMessage(what)
		p, err := decodePicture(raw)
		if len(bytes.Trim(raw, "\x00")) > 0 {
			t.Errorf("%s is still there", raw)
		}
		if err != nil && len(bytes.Trim(p.Image.Data, "\x00")) > 0 {
			t.Error("so is what was decoded of it")
		}
	}
}

// TestFramesAreWiped: nor in what came over the socket, whether the frame was served, refused, or nothing that can be read.
func TestFramesAreWiped(t *testing.T) {
	var mu sync.Mutex
	var frames [][]byte
	r := faceRig(t, func(c *Config) {
		c.Frames = func() func(bool, bool, []byte) {
			return func(fromClient, _ bool, frame []byte) {
				mu.Lock()
				defer mu.Unlock()
				if fromClient && len(frame) > 1000 {
					frames = append(frames, frame)
				}
			}
		}
	})
	c, less := r.open("", "FACE"), r.open("", "DESKTOP")
	c.call("checkin.start", map[string]any{"jobId": "silent-1", "means": "chip"})
	image := map[string]any{"jobId": "silent-1", "seq": 1, "atMs": 1, "image": picture(100_000)}
	c.call("face.frame", image)
	c.call("face.frame", map[string]any{"jobId": 7, "image": picture(100_000)})
	less.call("face.frame", image)
	for _, c := range []*client{c, less} { // the frame before it is done with
		c.call("agent.status", nil)
	}
	mu.Lock()
	defer mu.Unlock()
	if len(frames) != 3 {
		t.Fatalf("%d frames", len(frames))
	}
	for _, f := range frames {
		if len(bytes.Trim(f, "\x00")) > 0 {
			t.Errorf("%.80s is still there", f)
		}
	}
}

// TestFramesOverTheRate: a client that does not wait for its answers is told so by a finding, and what else it asks is answered
// meanwhile.
func TestFramesOverTheRate(t *testing.T) {
	r := faceRig(t, nil)
	r.engine.slowFrames = make(chan struct{})
	c := r.open("", "FACE")
	c.call("checkin.start", map[string]any{"jobId": "silent-1", "means": "chip"})
	const sent = 10
	for i := range sent {
		c.send("face.frame", map[string]any{"jobId": "silent-1", "seq": i, "atMs": i, "image": picture(8)})
	}
	dropped := func() bool {
		m, err := c.next()
		if err != nil || m.Error != nil {
			t.Fatalf("%v %+v", err, m.Error)
		}
		return strings.Contains(string(m.Result), "FRAME_DROPPED")
	}
	for range sent - maxSlow {
		if !dropped() {
			t.Error("more are served at a time")
		}
	}
	if m := c.call("job.status", map[string]string{"jobId": "silent-1"}); m.Error != nil {
		t.Errorf("%+v", m)
	}
	close(r.engine.slowFrames)
	for range maxSlow {
		if dropped() {
			t.Error("a frame that was taken is not looked at")
		}
	}
}

// TestFaceIsARight: what a session without the right may not do about a face, also by job.provide; and on whose word it is done.
func TestFaceIsARight(t *testing.T) {
	r := faceRig(t, nil)
	less := r.open("", "DESKTOP")
	less.call("checkin.start", map[string]any{"jobId": "silent-1", "means": "chip"})
	for method, p := range map[string]map[string]any{
		"face.frame": {"jobId": "silent-1", "seq": 1, "atMs": 1, "image": picture(8)}, "face.verify": {"jobId": "silent-1", "image": picture(8)},
		"consent.record": {"jobId": "silent-1", "purpose": "face_verification", "textVersion": "1", "given": true, "by": "patient"},
		"job.provide":    {"jobId": "silent-1", "face": map[string]string{"action": "skip", "reason": "other"}},
	} {
		if m := less.call(method, p); m.Error == nil || m.Error.Data.ID != catalog.Forbidden || m.Error.Data.Detail["right"] != "face" {
			t.Errorf("%s: %+v", method, m.Error)
		}
	}
	c := r.open("", "FACE")
	c.call("checkin.start", map[string]any{"jobId": "silent-2", "means": "chip"})
	for _, who := range []map[string]any{nil, {"id": "lt.lan", "source": "console"}} {
		p := map[string]any{"jobId": "silent-2", "purpose": "face_verification", "textVersion": "1", "given": true, "by": "patient"}
		if who != nil {
			p["operator"] = who
		}
		if m := c.call("consent.record", p); m.Error != nil {
			t.Errorf("%+v", m.Error)
		}
	}
	r.engine.mu.Lock()
	defer r.engine.mu.Unlock()
	var said []string
	for _, x := range r.engine.consents {
		if x.Operator == nil {
			said = append(said, "nobody")
			continue
		}
		said = append(said, x.Operator.ID+" "+x.Operator.Source)
	}
	if !slices.Equal(said, []string{"nobody", "lt.lan his"}) {
		t.Errorf("%v", said)
	}
}

// TestNeedsOfAFace: a session of the same owner whose token lacks the right hears that a face is waited for, and neither who has to agree,
// nor how an attempt ended, nor the address of the window, with which it could act.
func TestNeedsOfAFace(t *testing.T) {
	secrets := []string{"guardian", "0.23", "no_match", "capture=TICKET"}
	until := time.Date(2026, 11, 28, 8, 0, 0, 0, time.UTC)
	window := &checkin.Capture{URL: "http://127.0.0.1:27480/console/#capture=TICKET", ExpiresAt: until}
	r := faceRig(t, nil)
	var ids [2]string
	for i, rights := range [][]string{{keys.RightRead, keys.RightFace}, {keys.RightRead}} {
		secret, token, err := r.tokens.Add(keys.TokenRequest{Origin: "https://his.example", Rights: rights})
		if err != nil {
			t.Fatal(err)
		}
		ids[i] = []string{"MORE", "LESS"}[i]
		r.secrets[ids[i]], r.ids[ids[i]] = secret, token.ID
	}
	more, less := r.open("https://his.example", ids[0]), r.open("https://his.example", ids[1])
	more.call("checkin.start", map[string]any{"jobId": "1", "means": "chip"})
	more.expectMethod(checkin.EventProgress)
	less.expectMethod(checkin.EventProgress)
	for _, n := range []*checkin.Need{
		{JobID: "1", Seq: 9, Need: checkin.NeedConsent, ExpiresAt: until, Capture: window, Consent: &checkin.ConsentNeed{Purpose: "face_verification", TextVersion: "1-vi", Text: "…", By: []string{"guardian", "patient"}}},
		{JobID: "1", Seq: 10, Need: checkin.NeedLiveImage, ExpiresAt: until, Capture: window, Face: &checkin.FaceNeed{
			Attempt: 1, Attempts: 3, AttackCheck: checkin.AttackChallenge, Verdict: &checkin.FaceVerdict{Status: lds.Failed, Reason: lds.ReasonNoMatch, Decision: "no_match", Score: 0.23, Threshold: 0.6},
		}},
	} {
		r.engine.mu.Lock()
		r.engine.need = n
		r.engine.mu.Unlock()
		r.engine.event(checkin.EventNeeds, n)
		for _, c := range []*client{more, less} {
			event := string(c.expectMethod(checkin.EventNeeds).Params)
			for way, got := range map[string]string{
				"event": event, "status": string(c.call("job.status", map[string]string{"jobId": "1"}).Result), "resume": string(c.call("job.resume", map[string]string{"jobId": "1"}).Result),
			} {
				told := slices.ContainsFunc(secrets, func(s string) bool { return strings.Contains(got, s) })
				if told != (c == more) || !strings.Contains(got, n.Need) {
					t.Errorf("%s, all of it %v: %s", way, c == more, got)
				}
			}
		}
	}
}
