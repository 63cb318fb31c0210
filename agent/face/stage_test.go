package face

import (
	"context"
	"math"
	"math/rand/v2"
	"slices"
	"sync"
	"time"
)

// A stage for tests of verifications: people who are made of points, a camera that draws their eyes, nose and mouth, and an engine
// that knows what the camera drew. How real faces look is the matter of package trial.

const stageWidth, stageHeight = 320, 320

// person is somebody on the stage.
type person struct {
	who  int
	flat bool // a picture of the person
	twin int  // somebody else stands beside
}

// held is how somebody is held before the camera, in degrees and parts.
type held struct {
	yaw, pitch float64
	closer     float64
	shut       bool
	gone       bool
	x          float64
}

// stage is the camera and the engine.
type stage struct {
	random *rand.Rand
	seen   map[*byte][]Face
	who    map[*byte]person
	pose   map[*byte]held
	lose   int // so many calls of Track find nothing
	embeds int
}

func newStage() *stage {
	return &stage{random: rand.New(rand.NewPCG(3, 4)), seen: map[*byte][]Face{}, who: map[*byte]person{}, pose: map[*byte]held{}}
}

// stagePoints are a head's points in inter-eye distances, round the middle of the eyes: an egg with a nose, and the places that are
// named where they belong.
var stagePoints = func() (p [468][3]float64) {
	for i := range p {
		// Evenly over the front of an egg.
		t := (float64(i) + 0.5) / 468
		y := -0.9 + 2.3*t
		a := math.Mod(float64(i)*2.399963, 2*math.Pi)/2 - math.Pi/2
		r := 1.05 * math.Sqrt(max(1-math.Pow((y-0.25)/1.35, 2), 0))
		x, z := r*math.Sin(a), 1-r*math.Cos(a)
		p[i] = [3]float64{x, y, z}
	}
	set := func(i int, x, y, z float64) { p[i] = [3]float64{x, y, z} }
	for s, e := range [][]int{{33, 133, 160, 159, 158, 144, 145, 153}, {263, 362, 385, 386, 387, 380, 374, 373}} {
		side := float64(2*s - 1) // the right eye on the left
		set(e[0], side*0.72, 0, 0.2)
		set(e[1], side*0.28, 0, 0.05)
		for k := range 3 {
			x := side * (0.6 - 0.1*float64(k))
			set(e[2+k], x, -0.07, 0.1)
			set(e[5+k], x, 0.07, 0.1)
		}
	}
	set(meshForehead, 0, -1.05, 0.1)
	set(meshChin, 0, 1.75, 0.15)
	set(meshNoseTip, 0, 0.68, -0.42)
	set(2, 0, 0.75, -0.2)
	set(4, 0, 0.62, -0.42)
	set(5, 0, 0.5, -0.36)
	set(195, 0, 0.35, -0.28)
	set(meshNoseRoot, 0, -0.05, -0.05)
	set(129, -0.28, 0.65, -0.05)
	set(358, 0.28, 0.65, -0.05)
	set(61, -0.4, 1.12, 0)
	set(291, 0.4, 1.12, 0)
	set(meshMouthRight, -0.36, 1.12, 0)
	set(meshMouthLeft, 0.36, 1.12, 0)
	set(meshLipTop, 0, 1.1, -0.1)
	set(meshLipBottom, 0, 1.12, -0.1)
	for k, m := range meshOval {
		a := 2 * math.Pi * float64(k) / float64(len(meshOval))
		set(m, 1.02*math.Sin(a), 0.35-1.4*math.Cos(a), 0.75-0.6*math.Abs(math.Cos(a)))
	}
	return p
}()

const stageEyes = 62.0 // pixels between the eyes

// stageSkin is what all of somebody's frames have in common.
func stageSkin(who int) []byte {
	stageOnce.Lock()
	defer stageOnce.Unlock()
	if pix := stageSkins[who]; pix != nil {
		return pix
	}
	r := rand.New(rand.NewPCG(uint64(who), 5))
	pix := make([]byte, 0, 3*stageWidth*stageHeight)
	for v := range stageHeight {
		for u := range stageWidth {
			l := 1 + 0.16*math.Sin(float64(u)/19+float64(who))*math.Cos(float64(v)/23) + 0.03*r.NormFloat64()
			pix = append(pix, byte(176*l), byte(140*l), byte(118*l))
		}
	}
	stageSkins[who] = pix
	return pix
}

var (
	stageOnce  sync.Mutex
	stageSkins = map[int][]byte{}
)

// shoot draws somebody.
func (s *stage) shoot(p person, h held) Image {
	img := Image{Width: stageWidth, Height: stageHeight, Pix: slices.Clone(stageSkin(p.who))}
	for range 200 { // no two frames are the same
		img.Pix[s.random.IntN(len(img.Pix))] ^= 3
	}
	key := &img.Pix[0]
	s.who[key], s.pose[key] = p, h
	if h.gone {
		s.seen[key] = nil
		return img
	}
	scale := stageEyes * (1 + h.closer)
	cx, cy := 160+h.x, 130.0
	sy, cyaw := math.Sincos(h.yaw * math.Pi / 180)
	sp, cp := math.Sincos(h.pitch * math.Pi / 180)
	f := Face{Score: 1, Presence: 1}
	place := func(q [3]float64) (x, y, z float64) {
		depth := q[2]
		if p.flat {
			depth = 0
		}
		x, y, z = q[0], q[1], depth-1.2 // round the neck
		y, z = y*cp-z*sp, y*sp+z*cp
		x, z = x*cyaw-z*sy, x*sy+z*cyaw
		return cx + scale*x, cy + scale*y, scale * z
	}
	for i, q := range stagePoints {
		x, y, z := place(q)
		if p.flat {
			z = scale * q[2] // what a mesh makes of a picture of a face
		}
		n := func() float64 { return 0.25 * s.random.NormFloat64() }
		f.Mesh[i] = Point3{float32(x + n()), float32(y + n()), float32(z)}
	}
	f.Box = measure(&f).box
	f.Keypoints[KeyRightEye], f.Keypoints[KeyLeftEye] = measure(&f).rightEye, measure(&f).leftEye
	blob := func(q [3]float64, rx, ry, dark float64) {
		x, y, _ := place(q)
		for v := int(y - ry); v <= int(y+ry); v++ {
			for u := int(x - rx); u <= int(x+rx); u++ {
				if d := math.Hypot((float64(u)-x)/rx, (float64(v)-y)/ry); d <= 1 && u >= 0 && v >= 0 && u < stageWidth && v < stageHeight {
					for c := range 3 {
						k := 3*(v*stageWidth+u) + c
						img.Pix[k] = byte(clamp(float64(img.Pix[k])*dark, 0, 255))
					}
				}
			}
		}
	}
	for _, side := range []float64{-1, 1} {
		if h.shut {
			blob([3]float64{side * 0.5, 0.08, 0.1}, 0.2*scale, 0.02*scale, 0.4)
		} else {
			blob([3]float64{side * 0.5, 0, 0.1}, 0.22*scale, 0.09*scale, 1.25)
			blob([3]float64{side * 0.5, 0, 0.08}, 0.085*scale, 0.085*scale, 0.15)
		}
		blob([3]float64{side * 0.15, 0.76, -0.2}, 0.06*scale, 0.04*scale, 0.45)
	}
	blob([3]float64{0, 1.12, -0.05}, 0.36*scale, 0.05*scale, 0.6)
	s.seen[key] = []Face{f}
	for range p.twin {
		g := f // beside it
		g.Box.X0, g.Box.X1 = g.Box.X0+150, g.Box.X1+150
		s.seen[key] = append(s.seen[key], g)
	}
	return img
}

func (s *stage) Find(ctx context.Context, img Image) ([]Face, error) {
	return s.seen[&img.Pix[0]], ctx.Err()
}

func (s *stage) Track(ctx context.Context, img Image, _ Face) (Face, bool, error) {
	f := s.seen[&img.Pix[0]]
	if s.lose > 0 || len(f) == 0 {
		s.lose = max(s.lose-1, 0)
		return Face{}, false, ctx.Err()
	}
	return f[0], true, ctx.Err()
}

// Embed knows the person by the skin: the frame may be a part of what was shot.
func (s *stage) Embed(ctx context.Context, img Image, f Face) (Template, error) {
	s.embeds++
	who, turned := -1, 0.0
	for k, p := range s.who {
		for _, g := range s.seen[k] {
			if math.Abs(float64((g.Mesh[1].X-g.Mesh[152].X)-(f.Mesh[1].X-f.Mesh[152].X))) < 1e-3 && math.Abs(float64((g.Mesh[1].Y-g.Mesh[152].Y)-(f.Mesh[1].Y-f.Mesh[152].Y))) < 1e-3 {
				who, turned = p.who, s.pose[k].yaw
			}
		}
	}
	t := make(Template, 64)
	r := rand.New(rand.NewPCG(uint64(who), 99))
	for i := range t {
		t[i] = float32(r.NormFloat64())
	}
	far := 0.25 + math.Abs(turned)/60
	for i := range t {
		t[i] += float32(far * s.random.NormFloat64())
	}
	var sum float64
	for _, v := range t {
		sum += float64(v) * float64(v)
	}
	for i := range t {
		t[i] /= float32(math.Sqrt(sum))
	}
	return t, ctx.Err()
}

func (s *stage) Model() ModelInfo {
	return ModelInfo{Name: "stage-64/0", Dim: 64, Thresholds: map[Level]Threshold{LevelLow: {0.55, 0.5}, LevelStandard: {0.60, 0.50}, LevelHigh: {0.65, 0.55}}}
}

// act is what somebody does who is asked, at a time since it was asked.
type actor func(kind ChallengeKind, since time.Duration) (person, held)

// willing does what is asked.
func willing(p person) actor {
	return func(kind ChallengeKind, since time.Duration) (person, held) {
		far := clamp((since.Seconds()-0.4)/0.6, 0, 1)
		switch kind {
		case TurnLeft:
			return p, held{yaw: 24 * far}
		case TurnRight:
			return p, held{yaw: -24 * far}
		case Nod:
			return p, held{pitch: 17 * far}
		case ComeCloser:
			return p, held{closer: 0.4 * far}
		case Blink:
			return p, held{shut: far > 0.5}
		}
		return p, held{}
	}
}

// take plays a verification: frames at a distance, on a clock of its own.
type take struct {
	stage *stage
	v     *Verification
	now   time.Time
	begin time.Time
	every time.Duration
	seq   int
	asked Challenge
	since time.Time
	ids   []string
	kinds []ChallengeKind
	found map[string]int
	edit  func(*Frame) // before it is sent
	last  Feedback
}

func newTake(o VerifyOptions) *take {
	t := &take{stage: newStage(), now: time.Unix(1_800_000_000, 0), every: 240 * time.Millisecond, found: map[string]int{}}
	t.begin = t.now
	o.Now = func() time.Time { return t.now }
	t.v = newVerification(t.stage, o)
	return t
}

// chip gives the photo of somebody.
func (t *take) chip(p person) *take {
	if _, err := t.v.Chip(context.Background(), t.stage.shoot(p, held{})); err != nil {
		panic(err)
	}
	return t
}

// play sends frames until it is done or the time is over.
func (t *take) play(a actor, longest time.Duration) Outcome {
	if t.since.IsZero() {
		t.since = t.now
		t.asked.Kind = LookStraight
	}
	for end := t.now.Add(longest); t.now.Before(end); {
		if t.frame(a).Done {
			break
		}
	}
	return t.v.Outcome()
}

func (t *take) frame(a actor) Feedback {
	t.seq++
	p, h := a(t.asked.Kind, t.now.Sub(t.since))
	f := Frame{Image: t.stage.shoot(p, h), Seq: t.seq, At: t.now.Sub(t.begin), Challenge: t.asked.ID}
	f.Digest[0], f.Digest[1], f.Digest[2] = byte(t.seq), byte(t.seq>>8), 1
	if t.edit != nil {
		t.edit(&f)
	}
	t.now = t.now.Add(40 * time.Millisecond)
	b, err := t.v.Frame(context.Background(), f)
	if err != nil {
		panic(err)
	}
	t.now = t.now.Add(t.every - 40*time.Millisecond)
	for _, x := range b.Findings {
		t.found[x.ID]++
	}
	if c := b.Challenge; c != nil && c.ID != t.asked.ID {
		t.ids = append(t.ids, c.ID)
		t.kinds = append(t.kinds, c.Kind)
		if c.Kind != t.asked.Kind {
			t.since = t.now
		}
		t.asked = *c
	}
	t.last = b
	return b
}
