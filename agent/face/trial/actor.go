package trial

import (
	"math"
	"math/rand/v2"
	"time"

	"github.com/tapcheck/tapcheck/agent/face"
)

// Actor shows something to the camera: at a time since it began, with what is asked just now and since when.
type Actor interface {
	Show(at time.Duration, asked face.ChallengeKind, since time.Duration) face.Image
}

// Moves is how somebody who does what is asked moves: after a time to react, at a person's speed, never quite still.
type Moves struct {
	random *rand.Rand
	phase  [4]float64
	react  time.Duration
	pose   Pose
	last   time.Duration
	far    struct{ turn, nod, near float64 }
}

// NewMoves draws somebody's habits.
func NewMoves(r *rand.Rand) *Moves {
	m := &Moves{random: r, react: time.Duration(350+r.IntN(500)) * time.Millisecond}
	for i := range m.phase {
		m.phase[i] = 2 * math.Pi * r.Float64()
	}
	m.far.turn, m.far.nod, m.far.near = 22+10*r.Float64(), 16+8*r.Float64(), 0.42+0.15*r.Float64()
	return m
}

// At gives the pose. Times only grow.
func (m *Moves) At(at time.Duration, asked face.ChallengeKind, since time.Duration) Pose {
	dt := (at - m.last).Seconds()
	m.last = at
	var to Pose
	if at-since >= m.react {
		switch asked {
		case face.TurnLeft:
			to.Yaw = m.far.turn
		case face.TurnRight:
			to.Yaw = -m.far.turn
		case face.Nod:
			to.Pitch = m.far.nod
		case face.ComeCloser:
			to.Near = m.far.near
		case face.Blink:
			// Closed for half a second of each one and a half.
			if t := math.Mod((at - since - m.react).Seconds(), 1.5); t < 0.5 {
				to.Blink = 1
			}
		}
	}
	go1 := func(v *float64, to, perSecond float64) {
		d := to - *v
		*v += math.Max(-perSecond*dt, math.Min(perSecond*dt, d))
	}
	go1(&m.pose.Yaw, to.Yaw, 45)
	go1(&m.pose.Pitch, to.Pitch, 40)
	go1(&m.pose.Near, to.Near, 0.5)
	go1(&m.pose.Blink, to.Blink, 8)
	p := m.pose
	// A head and a hand sway.
	t := at.Seconds()
	sway := func(i int, hertz, size float64) float64 { return size * math.Sin(2*math.Pi*hertz*t+m.phase[i]) }
	p.X += sway(0, 0.4, 3) + sway(1, 1.3, 0.6)
	p.Y += sway(1, 0.3, 2) + sway(2, 1.1, 0.5)
	p.Yaw += sway(2, 0.5, 1.2)
	p.Pitch += sway(3, 0.35, 1)
	p.Roll += sway(0, 0.25, 1.2)
	return p
}

// Flat holds a carrier before the camera and moves it as a person would who is asked: the attack with a print or a screen.
type Flat struct {
	Carrier *Carrier
	Scene   *Scene
	Moves   *Moves
}

// Show takes the picture.
func (f *Flat) Show(at time.Duration, asked face.ChallengeKind, since time.Duration) face.Image {
	return f.Scene.Shoot(f.Carrier, f.Moves.At(at, asked, since))
}

// Still is a held picture: nothing moves but the hand.
type Still struct {
	Carrier *Carrier
	Scene   *Scene
	Moves   *Moves
}

// Show takes the picture.
func (s *Still) Show(at time.Duration, _ face.ChallengeKind, _ time.Duration) face.Image {
	return s.Scene.Shoot(s.Carrier, s.Moves.At(at, face.LookStraight, 0))
}

// Head is a head that can really move: a drawing of one (bona fide), with the camera's noise.
type Head struct {
	Draw  func(Pose) face.Image
	Scene *Scene
	Moves *Moves
}

// Show takes the picture.
func (h *Head) Show(at time.Duration, asked face.ChallengeKind, since time.Duration) face.Image {
	return h.Scene.Camera(h.Draw(h.Moves.At(at, asked, since)))
}

// Swap shows one first, and another when the first motion is asked for.
type Swap struct {
	First, Then Actor
	moved       bool
}

// Show takes the picture.
func (s *Swap) Show(at time.Duration, asked face.ChallengeKind, since time.Duration) face.Image {
	s.moved = s.moved || asked != face.LookStraight
	if s.moved {
		return s.Then.Show(at, asked, since)
	}
	return s.First.Show(at, asked, since)
}

// Film is a film of somebody who once answered other challenges, played whatever is asked.
type Film struct {
	Actor  Actor
	Script []face.ChallengeKind // each for three seconds, then from the beginning
}

// Show takes the picture.
func (f *Film) Show(at time.Duration, _ face.ChallengeKind, _ time.Duration) face.Image {
	const each = 3 * time.Second
	n := int(at / each)
	return f.Actor.Show(at, f.Script[n%len(f.Script)], time.Duration(n)*each)
}

// Frozen sends one frame again and again, as a program does that plays a camera.
type Frozen struct {
	Actor Actor
	shot  *face.Image
}

// Show gives the frame.
func (f *Frozen) Show(at time.Duration, asked face.ChallengeKind, since time.Duration) face.Image {
	if f.shot == nil {
		img := f.Actor.Show(at, asked, since)
		f.shot = &img
	}
	return *f.shot
}

// Noisy puts the camera's noise over what is always the same, as a program does that knows that frames are compared.
type Noisy struct {
	Frozen
	Scene *Scene
}

// Show gives the frame.
func (n *Noisy) Show(at time.Duration, asked face.ChallengeKind, since time.Duration) face.Image {
	return n.Scene.Camera(n.Frozen.Show(at, asked, since))
}

// Loop plays so many frames again and again.
type Loop struct {
	Actor  Actor
	Length int
	shots  []face.Image
	next   int
}

// Show gives the next frame.
func (l *Loop) Show(at time.Duration, _ face.ChallengeKind, _ time.Duration) face.Image {
	if len(l.shots) < l.Length {
		l.shots = append(l.shots, l.Actor.Show(at, face.LookStraight, 0))
		return l.shots[len(l.shots)-1]
	}
	l.next++
	return l.shots[(l.next-1)%l.Length]
}
