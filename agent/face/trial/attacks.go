package trial

import (
	"context"
	"math/rand/v2"
	"runtime"
	"sync"

	"github.com/tapcheck/tapcheck/agent/face"
)

// Subject is one person of a campaign: the chip's photo, and another picture of the person, from which what is held before the
// camera is made.
type Subject struct {
	Photo, Picture face.Image
	face           face.Face // in Picture
}

// Double is a drawn person: a photo, and a head that really turns.
type Double struct {
	Photo face.Image
	Draw  func(Pose) face.Image
}

// Row is what became of one kind of performance.
type Row struct {
	Name      string
	BonaFide  bool // somebody who is really there; otherwise an attack
	Passed    int  // attack check
	Failed    int
	Unknown   int            // cannot tell
	NotDone   int            // no match anyway
	Matched   int            // decision match: what an attack wants
	Reasons   map[string]int // of the attack check, when it did not pass
	Hints     int            // performances in which a screen was suspected
	Frames    int
	Performed int
}

// Campaign performs each kind of attack with every subject, and what living people do with every double, at the active level.
// Everything is simulated: see the manual for what that leaves out. It comes out the same each time.
func Campaign(ctx context.Context, e *face.Engine, subjects []Subject, doubles []Double, done func(Row)) ([]Row, error) {
	var known []Subject
	for _, s := range subjects {
		faces, err := e.Find(ctx, s.Picture)
		if err != nil {
			return nil, err
		}
		if len(faces) > 0 {
			s.face = faces[0]
			known = append(known, s)
		}
	}
	other := func(i int) Subject { return known[(i+len(known)/2)%len(known)] }
	type stage struct {
		r *rand.Rand
		s *Scene
		m *Moves
	}
	carrier := func(s Subject, bend float64, screen bool) *Carrier {
		c := NewCarrier(s.Picture, s.face)
		c.Bend, c.Screen = bend, screen
		return c
	}
	flat := func(bend float64, screen bool) func(int, stage) (face.Image, Actor) {
		return func(i int, on stage) (face.Image, Actor) {
			return known[i].Photo, &Flat{Carrier: carrier(known[i], bend, screen), Scene: on.s, Moves: on.m}
		}
	}
	lifelike := func(s Subject, on stage) Actor {
		return &Lifelike{NewRelief(s.Picture, s.face), on.s, on.m}
	}
	kinds := []struct {
		name     string
		bonaFide bool
		n        int
		cast     func(int, stage) (face.Image, Actor)
	}{
		{"a drawn head does what is asked", true, 2 * len(doubles), func(i int, on stage) (face.Image, Actor) {
			d := doubles[i%len(doubles)]
			return d.Photo, &Head{d.Draw, on.s, on.m}
		}},
		{"a picture laid over a head's depth does what is asked", true, len(known), func(i int, on stage) (face.Image, Actor) {
			return known[i].Photo, lifelike(known[i], on)
		}},
		{"print, held still", false, len(known), func(i int, on stage) (face.Image, Actor) {
			return known[i].Photo, &Still{carrier(known[i], 0, false), on.s, on.m}
		}},
		{"print, turned and tilted as asked", false, len(known), flat(0, false)},
		{"print, bent a little (120 mm), turned as asked", false, len(known), flat(120, false)},
		{"print, bent much (60 mm), turned as asked", false, len(known), flat(60, false)},
		{"picture on a screen, turned as asked", false, len(known), flat(0, true)},
		{"one frame, injected again and again", false, len(known), func(i int, on stage) (face.Image, Actor) {
			return known[i].Photo, &Frozen{Actor: lifelike(known[i], on)}
		}},
		{"one frame, injected with new noise each time", false, len(known), func(i int, on stage) (face.Image, Actor) {
			return known[i].Photo, &Noisy{Frozen{Actor: lifelike(known[i], on)}, on.s}
		}},
		{"a film of two seconds, injected in a loop", false, len(known), func(i int, on stage) (face.Image, Actor) {
			return known[i].Photo, &Loop{Actor: lifelike(known[i], on), Length: 12}
		}},
		{"a film of all motions, injected", false, len(known), func(i int, on stage) (face.Image, Actor) {
			script := []face.ChallengeKind{face.TurnLeft, face.TurnRight, face.Nod, face.Blink, face.ComeCloser}
			on.r.Shuffle(len(script), func(a, b int) { script[a], script[b] = script[b], script[a] })
			full := []face.ChallengeKind{face.LookStraight}
			for _, k := range script {
				full = append(full, k, face.LookStraight)
			}
			return known[i].Photo, &Film{Actor: lifelike(known[i], on), Script: full}
		}},
		{"somebody else does what is asked", false, len(known), func(i int, on stage) (face.Image, Actor) {
			return known[i].Photo, lifelike(other(i), on)
		}},
		{"print first, then somebody else does what is asked", false, len(known), func(i int, on stage) (face.Image, Actor) {
			return known[i].Photo, &Swap{First: &Still{carrier(known[i], 0, false), on.s, NewMoves(on.r)}, Then: lifelike(other(i), on)}
		}},
		{"the holder first, then somebody else does what is asked", false, len(known), func(i int, on stage) (face.Image, Actor) {
			return known[i].Photo, &Swap{First: &Lifelike{NewRelief(known[i].Picture, known[i].face), on.s, NewMoves(on.r)}, Then: lifelike(other(i), on)}
		}},
		{"a head computed from one picture, injected, does what is asked", false, len(known), func(i int, on stage) (face.Image, Actor) {
			return known[i].Photo, lifelike(known[i], on)
		}},
	}
	var rows []Row
	for k, kind := range kinds {
		if kind.n == 0 {
			continue
		}
		row := Row{Name: kind.name, BonaFide: kind.bonaFide, Reasons: map[string]int{}}
		var mu sync.Mutex
		var failed error
		var wg sync.WaitGroup
		free := make(chan struct{}, runtime.GOMAXPROCS(0))
		for i := range kind.n {
			free <- struct{}{}
			wg.Go(func() {
				defer func() { <-free }()
				r := rand.New(rand.NewPCG(uint64(i), uint64(k)))
				on := stage{r, &Scene{Random: r, Noise: 2 + 2*r.Float64()}, NewMoves(r)}
				photo, actor := kind.cast(i, on)
				p := Performance{}
				for b := range p.Seed {
					p.Seed[b] = byte(r.Uint32())
				}
				hint := false
				p.OnFrame = func(_ face.Frame, f face.Feedback) {
					for _, x := range f.Findings {
						hint = hint || x.ID == face.ScreenHint
					}
				}
				o, err := p.Perform(ctx, e, photo, actor)
				mu.Lock()
				defer mu.Unlock()
				if err != nil {
					failed = err
					return
				}
				row.add(o, hint)
			})
		}
		wg.Wait()
		if failed != nil {
			return nil, failed
		}
		rows = append(rows, row)
		if done != nil {
			done(row)
		}
	}
	return rows, nil
}

func (r *Row) add(o face.Outcome, hint bool) {
	r.Performed++
	r.Frames += o.Frames
	switch o.Attack.Status {
	case face.CheckPassed:
		r.Passed++
	case face.CheckFailed:
		r.Failed++
	case face.CheckNotDone:
		r.NotDone++
	default:
		r.Unknown++
	}
	if o.Attack.Reason != "" {
		r.Reasons[o.Attack.Reason]++
	}
	if o.Decision == face.Match {
		r.Matched++
	}
	if hint {
		r.Hints++
	}
}
