package agent

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/tapcheck/tapcheck/agent/checkin"
	"github.com/tapcheck/tapcheck/agent/settings"
	"github.com/tapcheck/tapcheck/icao/lds"
)

// faces compares faces, unless that is switched off.
func (o *Options) faces() checkin.Faces {
	switch {
	case !o.Settings.Face.Enabled:
		return nil
	case o.Simulation != nil:
		return o.Simulation.faces
	}
	return noFaces{}
}

func faceRules(s settings.Face) checkin.FaceRules {
	return checkin.FaceRules{Level: s.Level, Check: s.AttackCheck, Consent: s.Consent}
}

// noFaces is what compares faces where nothing can.
type noFaces struct{}

func (noFaces) Warm() {}

func (noFaces) Begin(context.Context, checkin.FaceOptions) (checkin.FaceCheck, error) {
	return nil, checkin.ErrFaceModels
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
	inner checkin.Faces
	mu    sync.Mutex
	does  string
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
