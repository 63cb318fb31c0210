package trial

import (
	"context"
	"crypto/sha256"
	"time"

	"github.com/tapcheck/tapcheck/agent/face"
)

// Performance is one verification of an actor, on a clock of its own: as fast as the machine can.
type Performance struct {
	Level   face.Level
	Check   face.AttackLevel
	Seed    [32]byte
	Every   time.Duration // between two frames; 0: 150 ms
	Longest time.Duration // 0: a minute
	OnFrame func(face.Frame, face.Feedback)
}

// Verifier is the part of an engine that begins verifications.
type Verifier interface {
	Verify(face.VerifyOptions) *face.Verification
}

// Perform lets the actor stand before the camera and answers with the outcome.
func (p Performance) Perform(ctx context.Context, e Verifier, photo face.Image, a Actor) (face.Outcome, error) {
	if p.Every == 0 {
		p.Every = 150 * time.Millisecond
	}
	if p.Longest == 0 {
		p.Longest = time.Minute
	}
	begin := time.Unix(1_800_000_000, 0)
	now := begin
	v := e.Verify(face.VerifyOptions{Level: p.Level, Check: p.Check, Seed: p.Seed, Now: func() time.Time { return now }})
	defer v.Close()
	if _, err := v.Chip(ctx, photo); err != nil {
		return face.Outcome{}, err
	}
	var asked face.Challenge
	asked.Kind = face.LookStraight
	since := time.Duration(0)
	for seq := 1; now.Sub(begin) < p.Longest; seq++ {
		at := now.Sub(begin)
		f := face.Frame{Image: a.Show(at, asked.Kind, since), Seq: seq, At: at, Challenge: asked.ID}
		f.Digest = sha256.Sum256(f.Image.Pix)
		now = now.Add(30 * time.Millisecond) // on its way
		back, err := v.Frame(ctx, f)
		if err != nil {
			return face.Outcome{}, err
		}
		if p.OnFrame != nil {
			p.OnFrame(f, back)
		}
		if back.Done {
			break
		}
		if back.Challenge != nil && back.Challenge.ID != asked.ID {
			if back.Challenge.Kind != asked.Kind {
				since = at
			}
			asked = *back.Challenge
		}
		now = now.Add(p.Every - 30*time.Millisecond)
	}
	return v.Outcome(), nil
}
