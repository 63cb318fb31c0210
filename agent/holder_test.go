package agent

import (
	"bytes"
	"image"
	"image/draw"
	"image/jpeg"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/tapcheck/tapcheck/agent/checkin"
	"github.com/tapcheck/tapcheck/icao/chip/people"
	"github.com/tapcheck/tapcheck/icao/lds"
)

// actor is a drawn person before a camera, who does what is asked. What it can do is drawn beforehand: drawing takes longer than
// a camera does.
type actor struct {
	t     *testing.T
	clips map[string][]*image.RGBA
	plays []*image.RGBA
	taken int
}

// moves are what a person does, picture by picture.
var moves = map[string][]people.View{
	"look_straight": {{}, {Yaw: 1}, {Pitch: 1}},
	"turn_left":     {{Yaw: 8}, {Yaw: 17}, {Yaw: 26}, {Yaw: 32}, {Yaw: 32}, {Yaw: 24}, {Yaw: 15}, {Yaw: 6}},
	"turn_right":    {{Yaw: -8}, {Yaw: -17}, {Yaw: -26}, {Yaw: -32}, {Yaw: -32}, {Yaw: -24}, {Yaw: -15}, {Yaw: -6}},
	"nod":           {{Pitch: 5}, {Pitch: 10}, {Pitch: 14}, {Pitch: 14}, {Pitch: 9}, {Pitch: 4}},
	"blink":         {{Blink: 0.3}, {Blink: 1}, {Blink: 1}, {Blink: 0.3}},
	"come_closer":   {{Distance: 50}, {Distance: 45}, {Distance: 40}, {Distance: 36}, {Distance: 36}, {Distance: 40}, {Distance: 46}, {Distance: 51}},
}

func act(t *testing.T, persona string, can ...string) *actor {
	t.Helper()
	who, ok := people.Named(persona)
	if !ok {
		t.Fatalf("nobody has drawn %s", persona)
	}
	model := people.New(who)
	a := &actor{t: t, clips: map[string][]*image.RGBA{}}
	for _, move := range append(can, "look_straight") {
		for i, v := range moves[move] {
			v.Width, v.Height, v.Angle, v.Noise, v.Seed = 360, 280, 26, 2, uint64(i)
			if v.Distance == 0 {
				v.Distance = 54
			}
			a.clips[move] = append(a.clips[move], model.Render(v))
		}
	}
	return a
}

// picture is what the camera sees now: nobody holds still, and no camera is without noise.
func (a *actor) picture() []byte {
	a.t.Helper()
	if len(a.plays) == 0 {
		a.plays = a.clips["look_straight"]
	}
	seen := a.plays[0]
	a.plays = a.plays[1:]
	a.taken++
	const sway = 4
	b := image.NewRGBA(image.Rect(0, 0, seen.Rect.Dx()-sway, seen.Rect.Dy()-sway))
	draw.Draw(b, b.Rect, seen, image.Pt(rand.IntN(sway), rand.IntN(sway)), draw.Src)
	for i := range b.Pix {
		b.Pix[i] = uint8(max(0, min(255, int(b.Pix[i])+rand.IntN(5)-2)))
	}
	var out bytes.Buffer
	if err := jpeg.Encode(&out, b, &jpeg.Options{Quality: 92}); err != nil {
		a.t.Fatal(err)
	}
	return out.Bytes()
}

// TestTheHolderIsRecognised goes the whole way with drawn people: the photo from the chip, frames over the websocket, the decoder,
// the networks, the challenges. The holder matches, and somebody else does not.
func TestTheHolderIsRecognised(t *testing.T) {
	a := act(t, "an", "turn_left", "turn_right", "nod", "blink", "come_closer")
	d := serveFaces(t, nil)
	d.begin("holder", "an", "required")
	began := time.Now()
	// A drawn person that moves by a few pictures is clumsy, and may do once more what it was asked, as at a desk.
	for attempt := 1; ; attempt++ {
		r := d.perform("holder", a, began)
		t.Logf("attempt %d, %d frames in %v: %+v %+v", attempt, a.taken, time.Since(began).Round(time.Millisecond), r.Face, r.Face.AttackCheck)
		if r.Face.Decision != "review" || attempt == 3 {
			break
		}
		d.must("job.provide", map[string]any{"jobId": "holder", "face": map[string]string{"action": "retry"}})
	}
	if !d.ended("holder") {
		d.must("job.provide", map[string]any{"jobId": "holder", "face": map[string]string{"action": "skip", "reason": "other"}})
	}
	v := d.verdict("holder")
	if v.Status != lds.Passed || v.Decision != "match" || v.Score < v.Threshold || v.AttackCheck == nil || v.AttackCheck.Level != "active_challenge" || v.AttackCheck.Status != lds.Passed {
		t.Errorf("%+v %+v", v, v.AttackCheck)
	}

	// One picture says as much about the likeness, and nothing about whether somebody stands there: where that is wanted, it is no match.
	for persona, want := range map[string]lds.Status{"an": lds.NotVerifiable, "binh": lds.Failed} {
		job := "one-" + persona
		d.begin(job, "an", "offered")
		other := a
		if persona != "an" {
			other = act(t, persona)
		}
		d.must("face.verify", map[string]any{"jobId": job, "image": map[string]any{"mime": "image/jpeg", "data": other.picture()}})
		d.must("job.provide", map[string]any{"jobId": job, "face": map[string]string{"action": "skip", "reason": "compared_by_eye"}})
		if v := d.verdict(job); v.Status != want || v.AttackCheck == nil || v.AttackCheck.Level != "passive_hints" || v.AttackCheck.Status == lds.Passed {
			t.Errorf("%s: %+v %+v", persona, v, v.AttackCheck)
		}
	}
}

// perform is one attempt before the camera.
func (d *faceDesk) perform(job string, a *actor, began time.Time) (r checkin.FaceFrameResult) {
	d.t.Helper()
	var challenge string
	for limit := time.Now().Add(time.Minute); !r.Done; time.Sleep(120 * time.Millisecond) {
		r = d.frameAt(job, a.taken+1, time.Since(began), a.picture(), challenge)
		if c := r.Challenge; c != nil && c.ID != challenge {
			challenge = c.ID
			straight := a.clips["look_straight"]
			a.plays = append([]*image.RGBA{straight[0], straight[1]}, a.clips[c.Kind]...) // once it was understood
		}
		if time.Now().After(limit) {
			d.t.Fatalf("it never ends: %+v", r)
		}
	}
	return r
}

// ended says whether a check-in ends by itself, without anybody who goes on.
func (d *faceDesk) ended(job string) bool {
	d.t.Helper()
	s := d.until(job, func(s map[string]any) bool {
		need, _ := s["need"].(map[string]any)
		f, _ := need["face"].(map[string]any)
		return s["state"] == "complete" || f["verdict"] != nil
	})
	return s["state"] == "complete"
}
