package agent

import (
	"cmp"
	"context"
	"crypto/sha256"
	"errors"
	"runtime/debug"
	"sync"
	"time"

	"github.com/tapcheck/tapcheck/agent/checkin"
	"github.com/tapcheck/tapcheck/agent/face"
	"github.com/tapcheck/tapcheck/agent/health"
	"github.com/tapcheck/tapcheck/agent/portrait"
	"github.com/tapcheck/tapcheck/agent/settings"
	"github.com/tapcheck/tapcheck/icao/lds"
)

// maxFaces is how many people may be compared at the same time, each with a decoder of their own: the desks of a terminal server.
const maxFaces = 8

// faceIdle is how long the models are kept when nobody compares faces.
const faceIdle = 10 * time.Minute

// faces compares faces by means of agent/face and agent/portrait. The models are loaded when the first check-in wants them, beside
// whatever else it does, and let go when nobody has wanted them for a while.
type faces struct {
	pictures *portrait.Decoder
	options  face.Options
	models   func(context.Context, face.Options) (*face.Engine, error) // face.Load
	state    *health.Tracker
	log      func(string, map[string]any)
	idle     time.Duration

	ctx  context.Context // of loading
	stop context.CancelFunc
	wg   sync.WaitGroup

	mu      sync.Mutex
	engine  *face.Engine
	loading chan struct{} // closed when it was tried; nil: nobody tries
	err     error         // of the last try
	open    int           // comparisons
	release *time.Timer
}

func newFaces(s settings.Face, pictures *portrait.Decoder, state *health.Tracker, log func(string, map[string]any)) *faces {
	f := &faces{pictures: pictures, options: face.Options{ModelFile: s.ModelFile}, models: face.Load, state: state, log: log, idle: faceIdle}
	f.ctx, f.stop = context.WithCancel(context.Background())
	return f
}

// close lets the models go; whoever still uses them keeps them.
func (f *faces) close() {
	f.stop()
	f.mu.Lock()
	if f.release != nil {
		f.release.Stop()
	}
	f.engine = nil
	f.mu.Unlock()
	f.wg.Wait()
}

// Warm implements checkin.Faces.
func (f *faces) Warm() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.load()
}

// load begins to load the models, if they are not there and nobody does. The mutex is held.
func (f *faces) load() (there *face.Engine, loading <-chan struct{}) {
	f.rest()
	if f.engine != nil || f.ctx.Err() != nil {
		return f.engine, nil
	}
	if f.loading == nil {
		done := make(chan struct{})
		f.loading = done
		f.wg.Go(func() {
			defer close(done)
			began := time.Now()
			engine, err := f.read()
			f.mu.Lock()
			defer f.mu.Unlock()
			f.engine, f.err, f.loading = engine, err, nil
			f.rest() // whoever wanted them may have gone
			if f.ctx.Err() != nil {
				return
			}
			f.state.Set(health.FaceModelsMissing, errors.Is(err, face.ErrNoModels))
			f.state.Set(health.FaceModelUnusable, err != nil && !errors.Is(err, face.ErrNoModels))
			switch {
			case errors.Is(err, face.ErrNoModels):
				f.log("face.models_missing", nil)
			case err != nil: // tapcheck config check says why
				f.log("face.model_unusable", nil)
			default:
				f.log("face.models_loaded", map[string]any{"model": engine.Model().Name, "ms": time.Since(began).Milliseconds()})
			}
		})
	}
	return nil, f.loading
}

// read reads the models. A hospital's own file may hold anything, and a panic over it is a file that cannot be used.
func (f *faces) read() (engine *face.Engine, err error) {
	defer func() {
		if recover() != nil {
			engine, err = nil, errModelPanic
		}
	}()
	return f.models(f.ctx, f.options)
}

var errModelPanic = errors.New("reading the face models panicked")

// rest lets the models go after a while in which nobody compares. The mutex is held.
func (f *faces) rest() {
	if f.release != nil {
		f.release.Stop()
	}
	if f.open > 0 || f.ctx.Err() != nil {
		return
	}
	f.release = time.AfterFunc(f.idle, func() {
		f.mu.Lock()
		defer f.mu.Unlock()
		if f.open == 0 && f.engine != nil {
			f.engine = nil
			f.log("face.models_released", nil)
			f.wg.Go(debug.FreeOSMemory) // tens of megabytes, on a PC that may have little
		}
	})
}

// get waits for the models. Whoever has them, or waits for them, keeps them from being let go until done.
func (f *faces) get(ctx context.Context) (engine *face.Engine, err error) {
	f.mu.Lock()
	f.open++
	engine, loading := f.load()
	f.mu.Unlock()
	defer func() {
		if engine == nil {
			f.done()
		}
	}()
	if loading != nil {
		select {
		case <-loading:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
		f.mu.Lock()
		engine, err = f.engine, f.err
		f.mu.Unlock()
	}
	if engine == nil {
		return nil, cmp.Or(err, f.ctx.Err())
	}
	return engine, nil
}

func (f *faces) done() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.open--
	f.rest()
}

// Begin implements checkin.Faces.
func (f *faces) Begin(ctx context.Context, o checkin.FaceOptions) (checkin.FaceCheck, error) {
	engine, err := f.get(ctx)
	switch {
	case err != nil && ctx.Err() != nil:
		return nil, ctx.Err()
	case err != nil: // a replacement that cannot be used is none, too: nothing else stands in for it unasked
		return nil, errors.Join(checkin.ErrFaceModels, err)
	}
	c := &faceCheck{f: f, began: time.Now()}
	c.v = engine.Verify(face.VerifyOptions{Level: face.Level(o.Level), Check: face.AttackLevel(o.Check), Seed: o.Nonce, Now: c.now})
	return c, nil
}

// faceCheck is one comparison.
type faceCheck struct {
	f      *faces
	v      *face.Verification
	stream *portrait.Stream // of the live pictures; nil before the first
	began  time.Time
	idle   time.Duration // until the first picture came: the person's time begins then
	live   bool
}

// now is the verification's clock, which stands still until the first picture.
func (c *faceCheck) now() time.Time {
	if !c.live {
		return c.began
	}
	return time.Now().Add(-c.idle)
}

// Chip implements checkin.FaceCheck.
func (c *faceCheck) Chip(ctx context.Context, p lds.Portrait) error {
	px, err := c.f.pictures.ToRGB(ctx, p.Format, p.Data)
	if err != nil {
		if ctx.Err() == nil && (portrait.Finding(err) != "" || errors.Is(err, portrait.ErrCrashed) || errors.Is(err, portrait.ErrTimeout)) {
			return checkin.ErrPhotoUnreadable
		}
		return err
	}
	defer px.Wipe()
	report, err := c.v.Chip(ctx, face.Image{Width: px.Width, Height: px.Height, Pix: px.Pix})
	if err == nil && !report.Usable {
		return checkin.ErrPhotoPoor
	}
	return err
}

// Frame implements checkin.FaceCheck. A decoder that dies loses this picture, and the next one gets a new decoder.
func (c *faceCheck) Frame(ctx context.Context, f checkin.FaceFrame) (checkin.FaceFeedback, error) {
	if !c.live {
		c.idle, c.live = time.Since(c.began), true
	}
	if c.stream == nil {
		var err error
		if c.stream, err = c.f.pictures.Open(ctx); err != nil {
			return checkin.FaceFeedback{}, err
		}
	}
	px, err := c.stream.Decode(ctx, f.MIME, f.Data)
	wrong := portrait.Finding(err)
	if err != nil && wrong == "" {
		return checkin.FaceFeedback{}, err
	}
	defer px.Wipe()
	got, err := c.v.Frame(ctx, face.Frame{
		Image: face.Image{Width: px.Width, Height: px.Height, Pix: px.Pix}, Seq: f.Seq, At: f.At, Challenge: f.Challenge, Digest: sha256.Sum256(f.Data),
	})
	if err != nil {
		return checkin.FaceFeedback{}, err
	}
	out := checkin.FaceFeedback{Progress: got.Progress, Done: got.Done}
	if wrong != "" {
		out.Findings = []checkin.FaceHint{{ID: wrong}}
	} else {
		for _, w := range got.Findings {
			out.Findings = append(out.Findings, checkin.FaceHint{ID: w.ID, Warning: w.Warning})
		}
	}
	if t := got.Challenge; t != nil {
		out.Challenge = &checkin.FaceTask{ID: t.ID, Kind: string(t.Kind), Until: t.Until.Add(c.idle)}
	}
	return out, nil
}

// Outcome implements checkin.FaceCheck.
func (c *faceCheck) Outcome() checkin.FaceOutcome {
	o := c.v.Outcome()
	return checkin.FaceOutcome{
		Decision: string(o.Decision), Reason: lds.Reason(o.Reason), Score: o.Score, Threshold: o.Threshold, Model: o.Model, Frames: o.Frames, Used: o.Used,
		Attack: checkin.AttackCheck{Level: string(o.Attack.Level), Status: lds.Status(o.Attack.Status), Reason: lds.Reason(o.Attack.Reason)},
	}
}

// Retry implements checkin.FaceCheck.
func (c *faceCheck) Retry() bool { return c.v.Retry() }

// Close implements checkin.FaceCheck.
func (c *faceCheck) Close() {
	c.v.Close()
	if c.stream != nil {
		c.stream.Close()
	}
	c.f.done()
}

func faceRules(s settings.Face) checkin.FaceRules {
	return checkin.FaceRules{Level: s.Level, Check: s.AttackCheck, Consent: s.Consent}
}

// What the comparison of faces does in a simulation (sim.fault face). The values go over the wire and are frozen.
const (
	simFaceNormal  = "normal"
	simFaceMatch   = "match"
	simFaceNoMatch = "no_match"
	simFaceModels  = "models_missing"
	simFaceCrash   = "decoder_crash"
	simFaceSlow    = "slow"
)

var simFaces = []string{simFaceNormal, simFaceMatch, simFaceNoMatch, simFaceModels, simFaceCrash, simFaceSlow}

// simulatedFaces compares as it is told to, and else as the program does.
type simulatedFaces struct {
	mu    sync.Mutex
	does  string
	inner checkin.Faces // of the agent that runs; set before anybody asks
}

func (s *simulatedFaces) over(inner checkin.Faces) checkin.Faces {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.inner = inner
	return s
}

func (s *simulatedFaces) set(does string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.does = does
}

func (s *simulatedFaces) now() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.does
}

func (s *simulatedFaces) Warm() { s.inner.Warm() }

func (s *simulatedFaces) Begin(ctx context.Context, o checkin.FaceOptions) (checkin.FaceCheck, error) {
	switch s.now() {
	case simFaceModels:
		return nil, checkin.ErrFaceModels
	case simFaceMatch, simFaceNoMatch:
		return &playedCheck{by: s, o: o}, nil
	}
	c, err := s.inner.Begin(ctx, o)
	if err != nil {
		return nil, err
	}
	return &faultyCheck{FaceCheck: c, by: s}, nil
}

// faultyCheck is one whose pictures are slow, or make the decoder crash.
type faultyCheck struct {
	checkin.FaceCheck
	by *simulatedFaces
}

func (f *faultyCheck) Frame(ctx context.Context, frame checkin.FaceFrame) (checkin.FaceFeedback, error) {
	switch f.by.now() {
	case simFaceCrash:
		return checkin.FaceFeedback{}, errors.New("the decoder crashed, as it was told to")
	case simFaceSlow:
		select {
		case <-time.After(2 * time.Second):
		case <-ctx.Done():
			return checkin.FaceFeedback{}, ctx.Err()
		}
	}
	return f.FaceCheck.Frame(ctx, frame)
}

// playedCheck looks at no picture: after a few of them the attempt comes to what it was told to. The person is asked to do what a
// real check asks, so that a program can be tried with it.
type playedCheck struct {
	by     *simulatedFaces
	o      checkin.FaceOptions
	does   string
	frames int
}

// playedFrames is how many pictures an attempt takes, and the check for each third of them what the person is asked.
const playedFrames = 6

var playedTasks = []checkin.FaceTask{{ID: "played-1", Kind: "look_straight"}, {ID: "played-2", Kind: "turn_left"}, {ID: "played-3", Kind: "look_straight"}}

func (p *playedCheck) Chip(context.Context, lds.Portrait) error { return nil }

func (p *playedCheck) Frame(context.Context, checkin.FaceFrame) (checkin.FaceFeedback, error) {
	if p.frames == 0 {
		p.does = p.by.now()
	}
	p.frames++
	f := checkin.FaceFeedback{Progress: min(100*p.frames/playedFrames, 100), Done: p.frames >= playedFrames}
	if !f.Done && p.o.Check == checkin.AttackChallenge {
		f.Challenge = &playedTasks[len(playedTasks)*p.frames/playedFrames]
	}
	return f, nil
}

func (p *playedCheck) Outcome() checkin.FaceOutcome {
	o := checkin.FaceOutcome{
		Decision: "match", Score: 0.71, Threshold: 0.60, Model: "simulated", Attack: checkin.AttackCheck{Level: p.o.Check, Status: lds.Passed}, Frames: p.frames, Used: min(p.frames, 3),
	}
	if p.o.Check == checkin.AttackNone {
		o.Attack.Status, o.Attack.Reason = lds.NotDone, lds.ReasonAttackCheckOff
	}
	if p.frames == 0 {
		return checkin.FaceOutcome{Decision: "cannot_tell", Reason: lds.ReasonNoLivePicture, Attack: checkin.AttackCheck{Level: p.o.Check, Status: lds.NotVerifiable, Reason: lds.ReasonTooFewFrames}}
	}
	if p.does == simFaceNoMatch {
		o.Decision, o.Score = "no_match", 0.23
		if o.Attack.Status == lds.Passed && p.o.Check == checkin.AttackChallenge {
			o.Attack.Status, o.Attack.Reason = lds.NotDone, lds.ReasonNotReached
		}
	}
	return o
}

func (p *playedCheck) Retry() bool {
	p.frames = 0
	return true
}

func (p *playedCheck) Close() {}
