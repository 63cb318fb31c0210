package trial

import (
	"context"
	"errors"
	"image"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"github.com/tapcheck/tapcheck/agent/face"
	"github.com/tapcheck/tapcheck/icao/chip/people"
)

var model = sync.OnceValues(func() (*face.Engine, error) { return face.Load(context.Background(), face.Options{}) })

func engine(t *testing.T) *face.Engine {
	t.Helper()
	e, err := model()
	if errors.Is(err, face.ErrNoModels) {
		t.Fatal("built without face models: make models")
	}
	if err != nil {
		t.Fatal(err)
	}
	return e
}

func rgb(m *image.RGBA) face.Image {
	out := face.Image{Width: m.Rect.Dx(), Height: m.Rect.Dy()}
	for k := 0; k < len(m.Pix); k += 4 {
		out.Pix = append(out.Pix, m.Pix[k], m.Pix[k+1], m.Pix[k+2])
	}
	return out
}

// drawn is a persona: the photo, and the head before a camera of fewer pixels than the carriers' one, and nearer.
func drawn(id string) (photo face.Image, draw func(Pose) face.Image) {
	p, ok := people.Named(id)
	if !ok {
		panic(id)
	}
	m := people.New(p)
	return rgb(m.Render(people.Portrait())), func(q Pose) face.Image {
		return rgb(m.Render(people.View{Width: 320, Height: 240, Yaw: q.Yaw, Pitch: q.Pitch, Roll: -q.Roll, Blink: q.Blink, Distance: 30 / (1 + q.Near), X: q.X / 10, Y: -q.Y / 10}))
	}
}

// turnFirst is a seed with which a turn is asked first: all that are below come as far as that.
func turnFirst(t *testing.T, e *face.Engine, photo, look face.Image) (seed [32]byte) {
	for ; ; seed[0]++ {
		kind := face.LookStraight
		r := rand.New(rand.NewPCG(1, 1))
		p := Performance{Seed: seed, Every: 400 * time.Millisecond, Longest: 1500 * time.Millisecond, OnFrame: func(_ face.Frame, f face.Feedback) {
			if f.Challenge != nil {
				kind = f.Challenge.Kind
			}
		}}
		if _, err := p.Perform(context.Background(), e, photo, &Head{func(Pose) face.Image { return look }, &Scene{Random: r, Noise: 2}, NewMoves(r)}); err != nil {
			t.Fatal(err)
		}
		if kind == face.TurnLeft || kind == face.TurnRight {
			return seed
		}
	}
}

// A small part of the campaign, with the real networks and drawn people: whoever does what is asked passes, and what is flat, stands
// still or changes does not. The whole of it is `tapcheck face bench --attacks`.
func TestCampaignInSmall(t *testing.T) {
	e := engine(t)
	photo, draw := drawn("an")
	_, other := drawn("cuong")
	look := draw(Pose{})
	faces, err := e.Find(context.Background(), look)
	if err != nil || len(faces) != 1 {
		t.Fatalf("%d faces, %v", len(faces), err)
	}
	seed := turnFirst(t, e, photo, look)
	for _, c := range []struct {
		name   string
		cast   func(s *Scene, m *Moves) Actor
		status face.CheckStatus
		reason string
		match  bool
	}{
		{"a head", func(s *Scene, m *Moves) Actor { return &Head{draw, s, m} }, face.CheckPassed, "", true},
		{"a print", func(s *Scene, m *Moves) Actor {
			m.far.turn = 32 // one that is turned less is not called flat, and shows no depth either
			return &Flat{NewCarrier(look, faces[0]), s, m}
		}, face.CheckFailed, face.ReasonFlatPicture, false},
		{"one frame", func(s *Scene, m *Moves) Actor { return &Frozen{Actor: &Head{draw, s, m}} }, face.CheckFailed, face.ReasonFramesRepeated, false},
		{"two people", func(s *Scene, m *Moves) Actor {
			return &Swap{First: &Head{draw, s, NewMoves(s.Random)}, Then: &Head{other, s, m}}
		}, face.CheckFailed, face.ReasonOtherFace, false},
	} {
		r := rand.New(rand.NewPCG(5, 6))
		o, err := Performance{Seed: seed, Every: 300 * time.Millisecond}.Perform(context.Background(), e, photo, c.cast(&Scene{Random: r, Noise: 2}, NewMoves(r)))
		if err != nil {
			t.Fatal(err)
		}
		if o.Attack.Status != c.status || o.Attack.Reason != c.reason || (o.Decision == face.Match) != c.match || o.Score < 0.6 {
			t.Errorf("%s: %+v", c.name, o)
		}
	}
}
