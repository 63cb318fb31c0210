package checkin

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/tapcheck/tapcheck/agent/catalog"
	"github.com/tapcheck/tapcheck/agent/journal"
	"github.com/tapcheck/tapcheck/icao/lds"
	"github.com/tapcheck/tapcheck/insurance"
)

// faces plays what compares faces. An attempt ends with its third frame, and comes to the next of outcomes.
type faces struct {
	begin    func(ctx context.Context) error
	chip     func(ctx context.Context) error
	frame    func(ctx context.Context, f FaceFrame) (FaceFeedback, error) // nil: as said above
	outcomes []FaceOutcome                                                // the last one again and again

	mu     sync.Mutex
	warm   int
	open   int // now
	most   int // at the same time
	begun  []FaceOptions
	data   [][]byte // that frames came in
	misuse []string
}

func (f *faces) Warm() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.warm++
}

func (f *faces) Begin(ctx context.Context, o FaceOptions) (FaceCheck, error) {
	f.mu.Lock()
	f.begun = append(f.begun, o)
	f.mu.Unlock()
	if f.begin != nil {
		if err := f.begin(ctx); err != nil {
			return nil, err
		}
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.open++
	f.most = max(f.most, f.open)
	return &check{of: f}, nil
}

func (f *faces) wrong(what string) { f.misuse = append(f.misuse, what) }

// check is one comparison; it notices whether it is used as FaceCheck says.
type check struct {
	of      *faces
	frames  int
	inUse   bool
	closed  bool
	hasChip bool
}

func (c *check) use() (done func()) {
	f := c.of
	f.mu.Lock()
	defer f.mu.Unlock()
	if c.inUse {
		f.wrong("used by two at a time")
	}
	if c.closed {
		f.wrong("used after Close")
	}
	c.inUse = true
	return func() {
		f.mu.Lock()
		defer f.mu.Unlock()
		c.inUse = false
	}
}

func (c *check) Chip(ctx context.Context, p lds.Portrait) error {
	defer c.use()()
	c.hasChip = true
	if len(p.Data) == 0 {
		return ErrPhotoUnreadable
	}
	if c.of.chip != nil {
		return c.of.chip(ctx)
	}
	return nil
}

func (c *check) Frame(ctx context.Context, f FaceFrame) (FaceFeedback, error) {
	defer c.use()()
	c.of.mu.Lock()
	c.of.data = append(c.of.data, f.Data)
	if !c.hasChip {
		c.of.wrong("a frame before the chip's photo")
	}
	c.of.mu.Unlock()
	c.frames++
	if c.of.frame != nil {
		return c.of.frame(ctx, f)
	}
	fb := FaceFeedback{Progress: 33 * c.frames, Done: c.frames >= 3}
	if c.frames == 1 {
		fb.Findings = []FaceHint{{ID: "TOO_DARK"}, {ID: "SCREEN_HINT", Warning: true}}
		fb.Challenge = &FaceTask{ID: "c1", Kind: "turn_left", Until: time.Now().Add(time.Second)}
	}
	return fb, nil
}

func (c *check) Outcome() FaceOutcome {
	defer c.use()()
	c.of.mu.Lock()
	defer c.of.mu.Unlock()
	o := c.of.outcomes[0]
	if len(c.of.outcomes) > 1 {
		c.of.outcomes = c.of.outcomes[1:]
	}
	o.Frames = c.frames
	return o
}

func (c *check) Retry() bool {
	defer c.use()()
	c.frames = 0
	return true
}

func (c *check) Close() {
	c.use()()
	c.of.mu.Lock()
	defer c.of.mu.Unlock()
	c.closed = true
	c.of.open--
}

var (
	alike   = FaceOutcome{Decision: "match", Score: 0.71238, Threshold: 0.6, Model: "m/1", Attack: AttackCheck{Level: "active_challenge", Status: lds.Passed}, Used: 3}
	unlike  = FaceOutcome{Decision: "no_match", Score: 0.2, Threshold: 0.6, Model: "m/1", Attack: AttackCheck{Level: "active_challenge", Status: lds.NotDone, Reason: lds.ReasonNotReached}}
	between = FaceOutcome{Decision: "review", Reason: lds.ReasonScoreInBetween, Score: 0.55, Threshold: 0.6, Model: "m/1"}
	dark    = FaceOutcome{Decision: "cannot_tell", Reason: lds.ReasonLivePicturePoor, Model: "m/1"}
	acted   = FaceOutcome{Decision: "review", Reason: lds.ReasonAttackCheckFailed, Score: 0.8, Threshold: 0.6, Model: "m/1", Attack: AttackCheck{Level: "active_challenge", Status: lds.Failed, Reason: lds.ReasonFlatPicture}}
)

var single = FaceOutcome{Decision: "match", Score: 0.8, Threshold: 0.6, Model: "m/1", Attack: AttackCheck{Level: "passive_hints", Status: lds.NotVerifiable, Reason: lds.ReasonTooFewFrames}, Used: 1}

// faceBench is a bench that compares faces; the card lies there.
func faceBench(t *testing.T, f *faces, change func(*Config, *bench), test func(t *testing.T, b *bench, c *client)) {
	t.Helper()
	if f.outcomes == nil {
		f.outcomes = []FaceOutcome{alike}
	}
	inBench(t, []string{"A"}, func(cfg *Config, b *bench) {
		cfg.Faces, cfg.Face = f, FaceRules{Consent: true}
		cfg.Now = func() time.Time { return time.Now().AddDate(26, 10, 27) } // the bench's clock stands in 2000, and An was a baby
		if change != nil {
			change(cfg, b)
		}
	}, func(t *testing.T, b *bench) {
		b.desk.put("A", an())
		c := b.attach(his)
		test(t, b, c)
		synctest.Wait()
		c.mu.Lock()
		defer c.mu.Unlock()
		b.mu.Lock()
		defer b.mu.Unlock()
		said := append(slices.Clone(b.log), fmt.Sprintf("%s", b.book.entries))
		for _, e := range c.events {
			said = append(said, string(e.Params))
		}
		for _, said := range said {
			if strings.Contains(said, "living face") || strings.Contains(said, "bGl2aW5nIGZhY2") {
				t.Errorf("a live picture is in %.80s", said)
			}
		}
	})
	for _, m := range f.misuse {
		t.Error("FaceCheck:", m)
	}
	if f.open != 0 {
		t.Errorf("%d comparisons were not closed", f.open)
	}
	for _, d := range f.data {
		if len(bytes.Trim(d, "\x00")) > 0 {
			t.Error("a picture is still in memory")
		}
	}
}

func faceRequest(id, face string) Request {
	r := chipRequest(id)
	r.Face = face
	return r
}

// until waits for a need of a job.
func (c *client) until(job, need string) Need {
	c.b.t.Helper()
	for range 4000 {
		if s := c.status(job); s.Need != nil && s.Need.Need == need {
			return *s.Need
		} else if s.State.Final() {
			c.b.t.Fatalf("%s is over and never needed %s: %+v", job, need, s.Result.Verdicts)
		}
		time.Sleep(50 * time.Millisecond)
	}
	c.b.t.Fatalf("%s never needs %s: %+v", job, need, c.status(job))
	return Need{}
}

func consent(job string, given bool, by string) ConsentRequest {
	return ConsentRequest{JobID: job, Purpose: "face_verification", TextVersion: "v1", Given: &given, By: by, Operator: &Operator{ID: "lt.hoa", Source: "his"}}
}

func (c *client) agree(job string) {
	c.b.t.Helper()
	if r, err := c.b.e.RecordConsent(context.Background(), c.owner, consent(job, true, "patient")); err != nil || !r.Recorded || len(r.ConsentID) != 26 {
		c.b.t.Fatalf("consent: %+v, %v", r, err)
	}
}

var seq = 0

func liveFrame(job string) FaceFrameParams {
	seq++
	n, at := seq, int64(seq)*100
	return FaceFrameParams{JobID: job, Seq: &n, AtMs: &at, Image: FaceImage{MIME: "image/jpeg", Data: []byte("living face")}}
}

func (c *client) frame(job string) (FaceFrameResult, catalog.ID) {
	time.Sleep(100 * time.Millisecond)
	r, err := c.b.e.FaceFrame(context.Background(), c.owner, liveFrame(job))
	return r, idOf(err)
}

// attempt sends frames until the attempt is over.
func (c *client) attempt(job string) FaceFrameResult {
	c.b.t.Helper()
	for range 10 {
		r, id := c.frame(job)
		if id != "" {
			c.b.t.Fatal("frame: ", id)
		}
		if r.Done {
			return r
		}
	}
	c.b.t.Fatal("the attempt never ends")
	return FaceFrameResult{}
}

func (c *client) act(job, action, reason string) catalog.ID {
	return c.provide(Provision{JobID: job, Face: &FaceAct{Action: action, Reason: reason, By: &Operator{ID: "lt.hoa"}}})
}

// TestFaceMatches is the everyday: the card was read and may go, consent, a few frames, a match. Person, portrait and insurance
// come as they would without.
func TestFaceMatches(t *testing.T) {
	f := &faces{}
	faceBench(t, f, func(cfg *Config, b *bench) {
		cfg.Capture = func(ref, session string) (string, time.Time, bool) {
			return "http://127.0.0.1:1/console/#capture=" + session, time.Now().Add(time.Minute), ref != ""
		}
	}, func(t *testing.T, b *bench, c *client) {
		r := faceRequest("j1", FaceRequired)
		r.Portrait = new(bool) // its owner need not see the chip's photo
		c.start(r)
		n := c.until("j1", NeedConsent)
		want := &ConsentNeed{Purpose: "face_verification", TextVersion: "tapcheck-face-1-en", Text: catalog.FaceConsentText.EN, By: []string{"patient"}}
		if d := cmp.Diff(want, n.Consent); d != "" || n.Capture == nil || n.Capture.URL != "http://127.0.0.1:1/console/#capture=1" {
			t.Errorf("need: %+v %s", n, d)
		}
		time.Sleep(5 * time.Second) // the desk is in no hurry
		seen := map[string]bool{}
		for _, ev := range c.of("j1") {
			if ev.Method == EventPartial {
				p := decode[Result](t, ev)
				seen["identity"] = seen["identity"] || p.Identity != nil
				seen["eligibility"] = seen["eligibility"] || p.Eligibility != nil && p.Eligibility.State == insurance.Eligible
				if v := p.Verdicts.Face; v.Status != lds.NotDone || v.Reason != lds.ReasonNotReached {
					t.Errorf("face before its time: %+v", v)
				}
			}
			if ev.Method == EventProgress {
				if p := decode[Progress](t, ev); p.Phase == PhaseFace && (p.Hint == nil || p.Hint.ID != catalog.StepReturnCard) {
					t.Errorf("hint: %+v", p.Hint)
				}
			}
		}
		if !seen["identity"] || !seen["eligibility"] {
			t.Errorf("withheld: %v", seen)
		}
		// The reader is free: the next patient is served while this one agrees.
		b.desk.lift("A")
		c.start(chipRequest("next"))
		b.desk.put("A", an())
		if r := c.result("next"); r.State != Complete {
			t.Errorf("next: %+v", r)
		}

		c.agree("j1")
		if n := c.until("j1", NeedLiveImage); n.Face.Attempt != 1 || n.Face.Attempts != 3 || n.Face.AttackCheck != "active_challenge" || n.Face.Verdict != nil || n.Capture == nil {
			t.Errorf("need: %+v", n.Face)
		}
		first, id := c.frame("j1")
		if id != "" || first.Done || first.Progress != 33 || first.Attempt != 1 || first.Face != nil {
			t.Errorf("first: %+v %s", first, id)
		}
		if d := cmp.Diff([]FaceFinding{{ID: "TOO_DARK", Text: "Too dark: put a light in front."}, {ID: "SCREEN_HINT", Text: "This may be a screen or a print: look at the patient.", Warning: true}}, first.Findings); d != "" {
			t.Error(d)
		}
		if first.Challenge == nil || first.Challenge.Text == "" || first.Challenge.ExpiresAt.IsZero() || c.status("j1").Need.Face.Challenge == nil {
			t.Errorf("challenge: %+v", first.Challenge)
		}
		last := c.attempt("j1")
		wantV := FaceVerdict{
			Status: lds.Passed, Basis: lds.Unanchored, Decision: "match", Score: 0.7124, Threshold: 0.6, Model: "m/1",
			AttackCheck: &AttackCheck{Level: "active_challenge", Status: lds.Passed}, Attempts: 1, Required: true,
		}
		if d := cmp.Diff(&wantV, last.Face); d != "" {
			t.Error(d)
		}
		res := c.result("j1")
		if d := cmp.Diff(wantV, res.Verdicts.Face); d != "" || res.DecisionNeeded != nil || res.State != Complete || !res.Recorded {
			t.Errorf("%s %+v", d, res)
		}
		if d := cmp.Diff([]string{catalog.StepProceed, catalog.StepReturnCard}, stepIDs(res)); d != "" {
			t.Error("a match needs nobody's eye:", d)
		}
		if _, id := c.frame("j1"); id != catalog.JobNotWaiting {
			t.Errorf("too late: %s", id)
		}

		// The book: consent, attempt and verdict with who, and that the owner was told.
		var kinds []string
		for _, a := range entries[journal.Amendment](b.book) {
			var rec faceRecord
			var con Consent
			if a.Kind == amendConsent {
				err := json.Unmarshal(a.Body, &con)
				kinds = append(kinds, fmt.Sprint(a.Kind, " ", con.Purpose, " ", con.TextVersion, " ", con.Given, " ", con.By, " ", con.Operator.ID, " ", err))
				continue
			}
			err := json.Unmarshal(a.Body, &rec)
			kinds = append(kinds, fmt.Sprint(a.Kind, " ", rec.Action, " ", rec.Attempt, " ", rec.Frames, " ", rec.Used, " ", rec.Findings, " ", err))
		}
		wantKinds := []string{"consent face_verification v1 true patient lt.hoa <nil>", "face attempt 1 3 3 [TOO_DARK SCREEN_HINT] <nil>", "face verdict 0 0 0 [] <nil>"}
		if d := cmp.Diff(wantKinds, kinds); d != "" {
			t.Error(d)
		}
		told := slices.ContainsFunc(entries[journal.Disclosure](b.book), func(d journal.Disclosure) bool { return slices.Equal(d.Fields, []string{"face"}) })
		if !told {
			t.Error("no disclosure")
		}
		for _, a := range entries[journal.Disclosure](b.book) {
			if slices.Contains(a.Fields, FieldPortrait) && a.CheckinID == res.CheckinID {
				t.Error("a photo was disclosed that nobody asked for")
			}
		}
	})
	if f.warm != 1 || len(f.begun) != 1 || f.begun[0].Level != "standard" || f.begun[0].Check != AttackChallenge || f.begun[0].Nonce == [32]byte{} {
		t.Errorf("begun: %d times warm, %+v", f.warm, f.begun)
	}
}

// TestEveryFaceEndsAsAVerdict: whatever happens, the check-in completes with the person and the insurance in it.
func TestEveryFaceEndsAsAVerdict(t *testing.T) {
	var never chan struct{}
	hang := func(ctx context.Context) error { <-ctx.Done(); return ctx.Err() }
	live := func(b *bench, c *client) { c.agree("j1"); c.until("j1", NeedLiveImage) }
	fails := func(err error) func(context.Context, FaceFrame) (FaceFeedback, error) {
		return func(context.Context, FaceFrame) (FaceFeedback, error) { return FaceFeedback{}, err }
	}
	child := func(birth string) func(b *bench) {
		return func(b *bench) { c := an(); c.identity.DateOfBirth = birth; b.desk.put("A", c) }
	}
	for name, s := range map[string]struct {
		faces  *faces
		change func(*Config, *bench)
		before func(b *bench)
		does   func(b *bench, c *client)
		status lds.Status
		reason lds.Reason
		says   string // decision
	}{
		"switched off":   {change: func(c *Config, _ *bench) { c.Faces = nil }, status: lds.NotDone, reason: lds.ReasonSwitchedOff},
		"no photo":       {before: func(b *bench) { c := an(); c.portrait = nil; b.desk.put("A", c) }, status: lds.NotPresent, reason: lds.ReasonNoChipPhoto},
		"an empty photo": {before: func(b *bench) { c := an(); c.portrait = &lds.Portrait{Format: "jp2"}; b.desk.put("A", c) }, status: lds.NotPresent, reason: lds.ReasonNoChipPhoto},
		"DG2 unreadable": {before: func(b *bench) {
			c := an()
			c.portrait = nil
			c.missing = map[lds.FileID]error{lds.DG(2): lds.ErrMalformed}
			b.desk.put("A", c)
		}, status: lds.NotVerifiable, reason: lds.ReasonChipPhotoUnreadable},
		"photo not decodable": {faces: &faces{chip: func(context.Context) error { return ErrPhotoUnreadable }}, does: func(b *bench, c *client) { c.agree("j1") }, status: lds.NotVerifiable, reason: lds.ReasonChipPhotoUnreadable},
		"photo poor":          {faces: &faces{chip: func(context.Context) error { return ErrPhotoPoor }}, does: func(b *bench, c *client) { c.agree("j1") }, status: lds.NotVerifiable, reason: lds.ReasonChipPhotoPoor, says: "cannot_tell"},
		"models missing":      {faces: &faces{begin: func(context.Context) error { return ErrFaceModels }}, does: func(b *bench, c *client) { c.agree("j1") }, status: lds.NotDone, reason: lds.ReasonModelsMissing},
		"no beginning":        {faces: &faces{begin: func(context.Context) error { return errors.New("fault") }}, does: func(b *bench, c *client) { c.agree("j1") }, status: lds.NotVerifiable, reason: lds.ReasonDecoderFailed},
		"a slow beginning":    {faces: &faces{begin: hang}, does: func(b *bench, c *client) { c.agree("j1") }, status: lds.NotVerifiable, reason: lds.ReasonDecoderFailed},
		"begin panics":        {faces: &faces{begin: func(context.Context) error { panic("x") }}, does: func(b *bench, c *client) { c.agree("j1") }, status: lds.NotVerifiable, reason: lds.ReasonDecoderFailed},
		"photo panics":        {faces: &faces{chip: func(context.Context) error { panic("x") }}, does: func(b *bench, c *client) { c.agree("j1") }, status: lds.NotVerifiable, reason: lds.ReasonDecoderFailed},
		"a frame panics": {faces: &faces{frame: func(context.Context, FaceFrame) (FaceFeedback, error) { panic("x") }}, does: func(b *bench, c *client) {
			live(b, c)
			if _, id := c.frame("j1"); id != catalog.JobNotWaiting {
				b.t.Error(id)
			}
		}, status: lds.NotVerifiable, reason: lds.ReasonDecoderFailed},
		"the decoder crashes": {faces: &faces{frame: fails(errors.New("crashed"))}, does: func(b *bench, c *client) {
			live(b, c)
			if r, _ := c.frame("j1"); r.Done || len(r.Findings) != 1 || r.Findings[0].ID != "PICTURE_BROKEN" {
				b.t.Errorf("one crash is one picture: %+v", r)
			}
			if r := c.attempt("j1"); r.Face.Reason != lds.ReasonDecoderFailed {
				b.t.Errorf("%+v", r)
			}
			c.act("j1", "skip", "other")
		}, status: lds.NotVerifiable, reason: lds.ReasonDecoderFailed, says: "cannot_tell"},
		"a frame hangs": {faces: &faces{frame: func(ctx context.Context, _ FaceFrame) (FaceFeedback, error) { return FaceFeedback{}, hang(ctx) }}, does: func(b *bench, c *client) {
			live(b, c)
			if r, id := c.frame("j1"); id != "" || r.Done || r.Findings[0].ID != "PICTURE_BROKEN" {
				b.t.Error(r, id)
			}
		}, status: lds.NotVerifiable, reason: lds.ReasonLivePicturePoor, says: "cannot_tell"},
		"a frame heeds nothing": {before: func(*bench) { never = make(chan struct{}) }, faces: &faces{frame: func(context.Context, FaceFrame) (FaceFeedback, error) { <-never; return FaceFeedback{}, nil }}, does: func(b *bench, c *client) {
			live(b, c)
			ctx, cancel := context.WithTimeout(context.Background(), time.Second)
			defer cancel()
			if _, err := b.e.FaceFrame(ctx, his, liveFrame("j1")); idOf(err) == "" {
				b.t.Error("it came back")
			}
			c.result("j1")
			close(never)
		}, status: lds.NotVerifiable, reason: lds.ReasonDecoderFailed},
		"refused": {does: func(b *bench, c *client) {
			b.e.RecordConsent(context.Background(), his, consent("j1", false, "patient"))
		}, status: lds.NotDone, reason: lds.ReasonConsentRefused},
		"withdrawn": {does: func(b *bench, c *client) {
			live(b, c)
			c.frame("j1")
			b.e.RecordConsent(context.Background(), his, consent("j1", false, "patient"))
		}, status: lds.NotDone, reason: lds.ReasonConsentRefused},
		"no consent in time": {status: lds.NotDone, reason: lds.ReasonConsentMissing},
		"no picture in time": {does: live, status: lds.NotDone, reason: lds.ReasonNoLivePicture},
		"too few pictures": {faces: &faces{outcomes: []FaceOutcome{dark}}, does: func(b *bench, c *client) { live(b, c); c.frame("j1") },
			status: lds.NotVerifiable, reason: lds.ReasonLivePicturePoor, says: "cannot_tell"},
		"skipped before the consent": {does: func(b *bench, c *client) { c.act("j1", "skip", "no_time") }, status: lds.NotDone, reason: lds.ReasonSkippedByOperator},
		"skipped":                    {does: func(b *bench, c *client) { live(b, c); c.frame("j1"); c.act("j1", "skip", "camera_missing") }, status: lds.NotDone, reason: lds.ReasonSkippedByOperator},
		"skipped after no match": {faces: &faces{outcomes: []FaceOutcome{unlike}}, does: func(b *bench, c *client) {
			live(b, c)
			c.attempt("j1")
			c.act("j1", "skip", "compared_by_eye")
		}, status: lds.Failed, reason: lds.ReasonNoMatch, says: "no_match"},
		"withdrawn after no match": {faces: &faces{outcomes: []FaceOutcome{unlike}}, does: func(b *bench, c *client) {
			live(b, c)
			c.attempt("j1")
			b.e.RecordConsent(context.Background(), his, consent("j1", false, "patient"))
		}, status: lds.Failed, reason: lds.ReasonNoMatch, says: "no_match"},
		"no match, and nobody goes on": {faces: &faces{outcomes: []FaceOutcome{unlike}}, does: func(b *bench, c *client) { live(b, c); c.attempt("j1") }, status: lds.Failed, reason: lds.ReasonNoMatch, says: "no_match"},
		"no match three times": {faces: &faces{outcomes: []FaceOutcome{unlike}}, does: func(b *bench, c *client) {
			live(b, c)
			for i := range 3 {
				if r := c.attempt("j1"); r.Attempt != i+1 || r.Face.Attempts != i+1 {
					b.t.Errorf("attempt %d: %+v", i+1, r)
				}
				if id := c.act("j1", "retry", ""); (id == "") != (i < 2) {
					b.t.Errorf("retry after %d: %s", i+1, id)
				}
			}
		}, status: lds.Failed, reason: lds.ReasonNoMatch, says: "no_match"},
		"a second attempt": {faces: &faces{outcomes: []FaceOutcome{dark, alike}}, does: func(b *bench, c *client) {
			live(b, c)
			c.attempt("j1")
			if n := c.until("j1", NeedLiveImage); n.Face.Attempt != 1 || n.Face.Verdict == nil || n.Face.Verdict.Reason != lds.ReasonLivePicturePoor {
				b.t.Errorf("%+v", n.Face)
			}
			if _, id := c.frame("j1"); id != catalog.JobNotWaiting {
				b.t.Errorf("a frame between two attempts: %s", id)
			}
			c.act("j1", "retry", "")
			if n := c.until("j1", NeedLiveImage); n.Face.Attempt != 2 || n.Face.Verdict != nil {
				b.t.Errorf("%+v", n.Face)
			}
			c.attempt("j1")
		}, status: lds.Passed, says: "match"},
		"in between": {faces: &faces{outcomes: []FaceOutcome{between}}, does: func(b *bench, c *client) { live(b, c); c.attempt("j1"); c.act("j1", "skip", "other") }, status: lds.NotVerifiable, reason: lds.ReasonScoreInBetween, says: "review"},
		"a print":    {faces: &faces{outcomes: []FaceOutcome{acted}}, does: func(b *bench, c *client) { live(b, c); c.attempt("j1"); c.act("j1", "skip", "other") }, status: lds.NotVerifiable, reason: lds.ReasonAttackCheckFailed, says: "review"},
		"a print, and then a picture of it": {faces: &faces{outcomes: []FaceOutcome{acted, single}}, does: func(b *bench, c *client) {
			live(b, c)
			c.attempt("j1")
			c.act("j1", "retry", "")
			c.until("j1", NeedLiveImage)
			time.Sleep(time.Second)
			if r, err := b.e.FaceVerify(context.Background(), his, liveFrame("j1")); err != nil || r.Face.Status == lds.Passed {
				b.t.Errorf("%+v %v", r, err)
			}
			c.act("j1", "skip", "other")
		}, status: lds.NotVerifiable, reason: lds.ReasonAttackCheckFailed, says: "review"},
		"a single picture, where a challenge is wanted": {faces: &faces{outcomes: []FaceOutcome{single}}, does: func(b *bench, c *client) {
			live(b, c)
			b.e.FaceVerify(context.Background(), his, liveFrame("j1"))
			c.act("j1", "skip", "other")
		}, status: lds.NotVerifiable, reason: lds.ReasonAttackCheckFailed, says: "review"},
		"a single picture, where none is": {faces: &faces{outcomes: []FaceOutcome{single}}, before: func(b *bench) { b.e.cfg.Face.Check = AttackPassive }, does: func(b *bench, c *client) {
			live(b, c)
			b.e.FaceVerify(context.Background(), his, liveFrame("j1"))
		}, status: lds.Passed, says: "match"},
		"no match, and then a covered camera": {faces: &faces{outcomes: []FaceOutcome{unlike, dark}}, does: func(b *bench, c *client) {
			live(b, c)
			c.attempt("j1")
			c.act("j1", "retry", "")
			c.until("j1", NeedLiveImage)
			if r := c.attempt("j1"); r.Face == nil || r.Face.Decision != faceCannotTell {
				b.t.Errorf("%+v", r.Face)
			}
			c.act("j1", "skip", "other")
		}, status: lds.Failed, reason: lds.ReasonNoMatch, says: "no_match"},
		"a print, and then the person": {faces: &faces{outcomes: []FaceOutcome{acted, alike}}, does: func(b *bench, c *client) {
			live(b, c)
			c.attempt("j1")
			c.act("j1", "retry", "")
			c.until("j1", NeedLiveImage)
			c.attempt("j1")
		}, status: lds.Passed, says: "match"},
		"a match whose check failed": {faces: &faces{outcomes: []FaceOutcome{{Decision: "match", Score: 0.8, Attack: acted.Attack}}}, does: func(b *bench, c *client) { live(b, c); c.attempt("j1"); c.act("j1", "skip", "other") },
			status: lds.NotVerifiable, reason: lds.ReasonAttackCheckFailed, says: "review"},
		"a made-up decision": {faces: &faces{outcomes: []FaceOutcome{{Decision: "perhaps"}}}, does: func(b *bench, c *client) { live(b, c); c.attempt("j1"); c.act("j1", "skip", "other") }, status: lds.NotVerifiable, reason: lds.ReasonLivePicturePoor, says: "cannot_tell"},
		"a child": {faces: &faces{outcomes: []FaceOutcome{unlike}}, before: child("2016-01-01"), does: func(b *bench, c *client) {
			b.e.RecordConsent(context.Background(), his, consent("j1", true, "both"))
			c.until("j1", NeedLiveImage)
			c.attempt("j1")
			c.act("j1", "skip", "other")
		}, status: lds.NotVerifiable, reason: lds.ReasonChild, says: "review"},
		"a child that is it": {before: child("2016-01-01"), does: func(b *bench, c *client) {
			b.e.RecordConsent(context.Background(), his, consent("j1", true, "both"))
			c.until("j1", NeedLiveImage)
			c.attempt("j1")
		}, status: lds.Passed, says: "match"},
		"one picture": {does: func(b *bench, c *client) { live(b, c); b.e.FaceVerify(context.Background(), his, liveFrame("j1")) }, status: lds.Passed, says: "match"},
		"one broken picture": {faces: &faces{frame: fails(errors.New("crashed"))}, does: func(b *bench, c *client) {
			live(b, c)
			b.e.FaceVerify(context.Background(), his, liveFrame("j1"))
			c.act("j1", "skip", "other")
		}, status: lds.NotVerifiable, reason: lds.ReasonDecoderFailed, says: "cannot_tell"},
		"a picture, and then": {faces: &faces{outcomes: []FaceOutcome{unlike, alike}}, does: func(b *bench, c *client) {
			live(b, c)
			b.e.FaceVerify(context.Background(), his, liveFrame("j1"))
			c.act("j1", "retry", "other")
			c.until("j1", NeedLiveImage)
			c.attempt("j1")
		}, status: lds.Passed, says: "match"},
	} {
		t.Run(name, func(t *testing.T) {
			like := s.faces
			if like == nil {
				like = &faces{}
			}
			outcomes := like.outcomes
			if outcomes == nil && s.says == "cannot_tell" {
				outcomes = []FaceOutcome{dark}
			}
			for _, face := range []string{FaceRequired, FaceOffered} {
				f := &faces{begin: like.begin, chip: like.chip, frame: like.frame, outcomes: slices.Clone(outcomes)}
				faceBench(t, f, s.change, func(t *testing.T, b *bench, c *client) {
					if s.before != nil {
						s.before(b)
					}
					c.start(faceRequest("j1", face))
					if s.does != nil {
						c.until("j1", NeedConsent)
						s.does(b, c)
					}
					r := c.result("j1")
					v := r.Verdicts.Face
					if v.Status != s.status || v.Reason != s.reason || v.Decision != s.says || v.Required != (face == FaceRequired) {
						t.Errorf("verdict: %+v", v)
					}
					if r.State != Complete || r.Identity == nil || r.Eligibility == nil || r.Eligibility.State != insurance.Eligible {
						t.Errorf("the check-in suffered: %s %+v %+v", r.State, r.Identity, r.Eligibility)
					}
					flagged := slices.Contains(r.DecisionNeeded, AboutFace)
					if want := v.Status == lds.Failed || face == FaceRequired && v.Status != lds.Passed; flagged != want || slices.Contains(stepIDs(r), catalog.StepFaceByEye) != want {
						t.Errorf("flagged %v, %v", flagged, stepIDs(r))
					}
					if !slices.Contains(stepIDs(r), catalog.StepProceed) {
						t.Errorf("nobody is sent away: %v", stepIDs(r))
					}
					if _, ok := catalog.ReasonText(string(v.Reason), catalog.VI); !ok && v.Reason != "" {
						t.Errorf("%s has no words", v.Reason)
					}
				})
			}
		})
	}
}

// TestFaceStages breaks a comparison off, in every stage and in every way.
func TestFaceStages(t *testing.T) {
	stages := map[string]func(b *bench, c *client, hold chan struct{}){
		"consent": func(b *bench, c *client, _ chan struct{}) { c.until("j1", NeedConsent) },
		"ready":   func(b *bench, c *client, _ chan struct{}) { c.until("j1", NeedConsent); c.agree("j1"); synctest.Wait() },
		"live": func(b *bench, c *client, _ chan struct{}) {
			c.until("j1", NeedConsent)
			c.agree("j1")
			c.until("j1", NeedLiveImage)
			c.frame("j1")
		},
		"decided": func(b *bench, c *client, _ chan struct{}) {
			c.until("j1", NeedConsent)
			c.agree("j1")
			c.until("j1", NeedLiveImage)
			c.attempt("j1")
		},
		"in work": func(b *bench, c *client, _ chan struct{}) {
			c.until("j1", NeedConsent)
			c.agree("j1")
			c.until("j1", NeedLiveImage)
			go c.frame("j1")
			time.Sleep(time.Second)
		},
		"retrying": func(b *bench, c *client, _ chan struct{}) {
			c.until("j1", NeedConsent)
			c.agree("j1")
			c.until("j1", NeedLiveImage)
			c.attempt("j1")
			c.act("j1", "retry", "")
		},
	}
	ways := map[string]struct {
		do    func(b *bench, c *client)
		state State
	}{
		"cancelled":   {func(b *bench, c *client) { b.e.Cancel(context.Background(), his, "j1") }, Cancelled},
		"page closed": {func(b *bench, c *client) { c.leave(); time.Sleep(20 * time.Second) }, Cancelled},
		"agent stops": {func(b *bench, c *client) { b.e.Close(context.Background()) }, Cancelled},
		"reloaded": {func(b *bench, c *client) {
			c.leave()
			time.Sleep(5 * time.Second)
			again := b.attach(his)
			if s := again.status("j1"); s.State.Final() {
				b.t.Errorf("it is over: %+v", s.Result)
			}
			again.act("j1", "skip", "other")
		}, Complete},
	}
	for stage, to := range stages {
		for way, w := range ways {
			t.Run(stage+", "+way, func(t *testing.T) {
				f := &faces{outcomes: []FaceOutcome{unlike}}
				switch stage {
				case "ready":
					f.begin = func(ctx context.Context) error {
						select {
						case <-time.After(15 * time.Second):
							return nil
						case <-ctx.Done():
							return ctx.Err()
						}
					}
				case "in work":
					f.frame = func(ctx context.Context, _ FaceFrame) (FaceFeedback, error) {
						<-ctx.Done()
						return FaceFeedback{}, ctx.Err()
					}
				}
				faceBench(t, f, nil, func(t *testing.T, b *bench, c *client) {
					c.start(faceRequest("j1", FaceRequired))
					to(b, c, nil)
					w.do(b, c)
					synctest.Wait()
					for range 200 {
						if c.status("j1").State.Final() {
							break
						}
						time.Sleep(50 * time.Millisecond)
					}
					s := c.status("j1")
					if s.State != w.state || s.Result == nil || s.Result.Identity == nil {
						t.Fatalf("%s: %+v", s.State, s.Result)
					}
					synctest.Wait()
					f.mu.Lock()
					defer f.mu.Unlock()
					if f.open != 0 {
						t.Error("pictures outlive their job")
					}
				})
			})
		}
	}
}

// TestFacePressure: frames that come too fast are not looked at, and said so; one comparison per job, a bounded number of them
// at the same time.
func TestFacePressure(t *testing.T) {
	slow := func(ctx context.Context, _ FaceFrame) (FaceFeedback, error) {
		select {
		case <-time.After(300 * time.Millisecond):
		case <-ctx.Done():
		}
		return FaceFeedback{Progress: 40}, ctx.Err()
	}
	f := &faces{frame: slow, outcomes: []FaceOutcome{dark}}
	faceBench(t, f, nil, func(t *testing.T, b *bench, c *client) {
		c.start(faceRequest("j1", FaceOffered))
		c.until("j1", NeedConsent)
		c.agree("j1")
		c.until("j1", NeedLiveImage)
		got := make(chan FaceFrameResult, 20)
		for range 20 {
			go func(p FaceFrameParams) {
				r, err := b.e.FaceFrame(context.Background(), his, p)
				if err != nil {
					t.Error(err)
				}
				got <- r
			}(liveFrame("j1"))
		}
		synctest.Wait()
		if _, err := b.e.FaceVerify(context.Background(), his, liveFrame("j1")); idOf(err) != catalog.RateLimited {
			t.Errorf("a picture in between: %v", err)
		}
		dropped := 0
		for range 20 {
			if r := <-got; len(r.Findings) == 1 && r.Findings[0].ID == "FRAME_DROPPED" && r.Findings[0].Warning && r.Attempt == 1 && !r.Done {
				dropped++
			}
		}
		if dropped != 19 {
			t.Errorf("%d of 20 were dropped", dropped)
		}
		f.mu.Lock()
		f.frame = func(context.Context, FaceFrame) (FaceFeedback, error) { return FaceFeedback{Progress: 40}, nil }
		f.mu.Unlock()
		time.Sleep(time.Second)
		looked := 0
		for range 100 { // a hundred a second
			if r, _ := b.e.FaceFrame(context.Background(), his, liveFrame("j1")); len(r.Findings) == 0 {
				looked++
			}
			time.Sleep(10 * time.Millisecond)
		}
		if looked != 20 {
			t.Errorf("%d of a hundred in a second were looked at", looked)
		}
		if d, err := b.e.FaceDropped(his, "j1"); err != nil || len(d.Findings) != 1 {
			t.Errorf("%+v %v", d, err)
		}
		if _, err := b.e.FaceDropped(his, "none"); idOf(err) != catalog.JobUnknown {
			t.Error(err)
		}
	})

	const slots = 3
	many := &faces{}
	faceBench(t, many, func(cfg *Config, b *bench) {
		cfg.Face.Consent, cfg.MaxFaces, cfg.MaxPerOwner, cfg.WaitForNeed = false, slots, 20, 100*time.Second
	}, func(t *testing.T, b *bench, c *client) {
		for i := range slots + 2 {
			id := fmt.Sprint("j", i)
			r := faceRequest(id, FaceOffered)
			r.Insurance = "off"
			r.Timeouts = &Timeouts{NeedMs: 50_000}
			c.start(r)
			b.desk.put("A", an())
			if i < slots {
				c.until(id, NeedLiveImage)
			}
			time.Sleep(2 * time.Second)
		}
		last := c.result(fmt.Sprint("j", slots+1))
		if v := last.Verdicts.Face; many.most > slots || last.State != Complete || v.Status != lds.NotDone {
			t.Errorf("%d at the same time; the last one: %+v", many.most, v)
		}
	})
}

// TestWhoAgrees holds the law's ages: the guardian of one under seven, both from seven, the patient from sixteen.
func TestWhoAgrees(t *testing.T) {
	now := time.Date(2026, 11, 28, 8, 0, 0, 0, time.UTC)
	for born, want := range map[string]struct {
		age int
		by  string
	}{
		"2026-11-28": {0, "guardian"}, "2019-11-29": {6, "guardian"}, "2019-11-28": {7, "guardian patient"}, "2010-11-29": {15, "guardian patient"},
		"2010-11-28": {16, "patient"}, "1999-01-01": {27, "patient"}, "2010": {15, "guardian patient"}, "2010-11": {16, "patient"}, "2010-12": {15, "guardian patient"},
		"2019": {6, "guardian"}, "": {neverKnown, "patient"}, "unknown": {neverKnown, "patient"}, "2010-00": {neverKnown, "patient"},
	} {
		if got := ageOf(born, now); got != want.age || strings.Join(agreeing(got), " ") != want.by {
			t.Errorf("%q: %d, %v", born, got, agreeing(got))
		}
	}

	faceBench(t, &faces{}, nil, func(t *testing.T, b *bench, c *client) {
		kid := an()
		kid.identity.DateOfBirth = "2017-06-01"
		b.desk.put("A", kid)
		c.start(faceRequest("j1", FaceOffered))
		// Said before anybody knew how old the patient is: it is asked for again.
		if _, err := b.e.RecordConsent(context.Background(), his, consent("j1", true, "patient")); err != nil {
			t.Fatal(err)
		}
		if n := c.until("j1", NeedConsent); !slices.Equal(n.Consent.By, []string{"guardian", "patient"}) {
			t.Errorf("%+v", n.Consent)
		}
		for _, by := range []string{"patient", "guardian"} {
			_, err := b.e.RecordConsent(context.Background(), his, consent("j1", true, by))
			if e := Explain(err); e == nil || e.ID != catalog.BadRequest || e.Detail["field"] != "by" {
				t.Errorf("%s alone: %v", by, err)
			}
		}
		if _, err := b.e.RecordConsent(context.Background(), his, consent("j1", false, "guardian")); err != nil { // one of them is enough to refuse
			t.Error(err)
		}
		if r := c.result("j1"); r.Verdicts.Face.Reason != lds.ReasonConsentRefused {
			t.Errorf("%+v", r.Verdicts.Face)
		}
	})
}

// TestANoCountsAtOnce: a refusal ends the comparison whatever the disk does with it, and a yes that was said before it and is only now
// on the disk does not take it back.
func TestANoCountsAtOnce(t *testing.T) {
	for given, when := range map[string]string{"false": "while it is asked", "true": "before the card is there"} {
		t.Run("a slow "+given, func(t *testing.T) {
			faceBench(t, &faces{}, nil, func(t *testing.T, b *bench, c *client) {
				b.book.fail = func(_ context.Context, entry any) error {
					if a, ok := entry.(journal.Amendment); ok && a.Kind == amendConsent && strings.Contains(string(a.Body), `"given":`+given) {
						time.Sleep(time.Second)
					}
					return nil
				}
				if given == "true" {
					b.desk.lift("A")
				}
				c.start(faceRequest("j1", FaceOffered))
				var said sync.WaitGroup
				if given == "true" {
					said.Go(func() { b.e.RecordConsent(context.Background(), his, consent("j1", true, "patient")) })
				} else {
					c.until("j1", NeedConsent)
				}
				synctest.Wait()
				said.Go(func() { b.e.RecordConsent(context.Background(), his, consent("j1", false, "patient")) })
				synctest.Wait()
				if s := c.status("j1"); given == "false" && s.Need != nil {
					t.Errorf("%s: it still needs %+v", when, s.Need)
				}
				said.Wait()
				if given == "true" {
					b.desk.put("A", an())
				}
				if r := c.result("j1"); r.Verdicts.Face.Reason != lds.ReasonConsentRefused {
					t.Errorf("%s: %+v", when, r.Verdicts.Face)
				}
			})
		})
	}
}

// TestFaceAfterwards: a decision clears what was flagged, also when only the book knows the check-in, and a consent can be added.
func TestFaceAfterwards(t *testing.T) {
	f := &faces{outcomes: []FaceOutcome{unlike}}
	faceBench(t, f, func(cfg *Config, _ *bench) { cfg.Retain = time.Second }, func(t *testing.T, b *bench, c *client) {
		c.start(faceRequest("j1", FaceRequired))
		c.until("j1", NeedConsent)
		c.act("j1", "skip", "no_time")
		if r := c.result("j1"); !slices.Equal(r.DecisionNeeded, []string{AboutFace}) {
			t.Fatalf("%v", r.DecisionNeeded)
		}
		time.Sleep(2 * time.Minute) // forgotten
		if _, err := b.e.Status(context.Background(), his, "j1"); idOf(err) != catalog.JobUnknown {
			t.Fatal(err)
		}
		l, err := b.e.List(context.Background(), his, ListRequest{})
		if err != nil || len(l.Checkins) != 1 || !slices.Equal(l.Checkins[0].DecisionNeeded, []string{AboutFace}) {
			t.Errorf("%+v %v", l, err)
		}
		d, err := b.e.Decide(context.Background(), his, DecideRequest{JobID: "j1", About: AboutFace, Decision: "accept", Reason: "known_to_staff"})
		if err != nil || d.DecisionNeeded != nil {
			t.Errorf("%+v %v", d, err)
		}
		if r, err := b.e.RecordConsent(context.Background(), his, consent("j1", false, "patient")); err != nil || !r.Recorded {
			t.Errorf("%+v %v", r, err)
		}
		for range maxConsents {
			_, err = b.e.RecordConsent(context.Background(), his, consent("j1", false, "patient"))
		}
		if idOf(err) != catalog.BadRequest {
			t.Error("consents without end:", err)
		}

		// Without a chip there is nothing to compare with, and required is flagged all the same.
		r := byNumber("j2")
		r.Face = FaceRequired
		c.start(r)
		got := c.result("j2")
		if v := got.Verdicts.Face; v.Reason != lds.ReasonMeansIsNotChip || !v.Required || !slices.Equal(got.DecisionNeeded, []string{AboutFace}) {
			t.Errorf("%+v %v", v, got.DecisionNeeded)
		}
	})
}

// TestFaceIsAsked: wrong requests have their ids, and nobody reaches another's comparison.
func TestFaceIsAsked(t *testing.T) {
	faceBench(t, &faces{}, nil, func(t *testing.T, b *bench, c *client) {
		ctx := context.Background()
		if _, err := b.e.Start(ctx, his, Rights{Read: true, Fields: all.Fields}, catalog.VI, faceRequest("j0", FaceOffered)); idOf(err) != catalog.Forbidden || Explain(err).Detail["right"] != "face" {
			t.Errorf("without the right: %v", err)
		}
		c.start(faceRequest("j1", FaceOffered))
		c.until("j1", NeedConsent)
		c.agree("j1")
		c.until("j1", NeedLiveImage)
		spoil := func(change func(*FaceFrameParams)) error {
			p := liveFrame("j1")
			change(&p)
			_, err := b.e.FaceFrame(ctx, his, p)
			return err
		}
		for name, got := range map[string]error{
			"seq":        spoil(func(p *FaceFrameParams) { p.Seq = nil }),
			"atMs":       spoil(func(p *FaceFrameParams) { p.AtMs = nil }),
			"image.mime": spoil(func(p *FaceFrameParams) { p.Image.MIME = "image/gif" }),
			"image.data": errors.Join(spoil(func(p *FaceFrameParams) { p.Image.Data = make([]byte, maxPicture+1) })),
			"challenge":  spoil(func(p *FaceFrameParams) { p.Challenge = strings.Repeat("x", 65) }),
		} {
			if e := Explain(got); e == nil || e.ID != catalog.BadRequest || e.Detail["field"] != name {
				t.Errorf("%s: %v", name, got)
			}
		}
		other := Owner{Client: "https://other.example", Session: "1"}
		_, ferr := b.e.FaceFrame(ctx, other, liveFrame("j1"))
		_, verr := b.e.FaceVerify(ctx, other, liveFrame("j1"))
		_, cerr := b.e.RecordConsent(ctx, other, consent("j1", false, "patient"))
		for _, err := range []error{ferr, verr, cerr, b.e.Provide(ctx, other, Provision{JobID: "j1", Face: &FaceAct{Action: "skip", Reason: "other"}})} {
			if idOf(err) != catalog.JobUnknown {
				t.Errorf("another owner: %v", err)
			}
		}
		for _, a := range []struct{ action, reason, field string }{{"stop", "", "face.action"}, {"skip", "", "face.reason"}, {"skip", "bored", "face.reason"}} {
			err := b.e.Provide(ctx, his, Provision{JobID: "j1", Face: &FaceAct{Action: a.action, Reason: a.reason}})
			if e := Explain(err); e == nil || e.ID != catalog.BadRequest || e.Detail["field"] != a.field {
				t.Errorf("%v: %v", a, err)
			}
		}
		if id := c.act("j1", "retry", ""); id != catalog.JobNotWaiting {
			t.Errorf("a retry of nothing: %s", id)
		}
		p := Provision{JobID: "j1", Key: &KeyInput{CAN: "012345"}, Face: &FaceAct{Action: "skip", Reason: "other"}}
		if id := c.provide(p); id != catalog.BadRequest {
			t.Errorf("two answers: %s", id)
		}
		c.act("j1", "skip", "patient_cannot")
		r := c.result("j1")
		// A session of the same owner without the right learns that, and no more.
		r.Verdicts.Face = FaceVerdict{Status: lds.Failed, Reason: lds.ReasonNoMatch, Decision: "no_match", Score: 0.2, Model: "m/1"}
		less, cut := r.Within(Rights{Read: true, Insurance: true, Fields: all.Fields})
		if !cut || less.Verdicts.Face != (FaceVerdict{Status: lds.NotDone, Reason: lds.ReasonSwitchedOff}) || r.Verdicts.Face.Decision == "" {
			t.Errorf("%+v", less.Verdicts.Face)
		}
		r.Verdicts.Face = FaceVerdict{Status: lds.NotDone, Reason: lds.ReasonConsentRefused, Required: true}
		if less, cut := r.Within(Rights{Read: true, Insurance: true, Fields: all.Fields}); !cut || less.Verdicts.Face.Reason != lds.ReasonSwitchedOff {
			t.Errorf("that somebody refused: %+v", less.Verdicts.Face)
		}
	})
}

// TestFaceByRef: the console's window does all of it by the job's ref, and records in the owner's name.
func TestFaceByRef(t *testing.T) {
	f := &faces{outcomes: []FaceOutcome{unlike, alike}}
	faceBench(t, f, nil, func(t *testing.T, b *bench, c *client) {
		ctx := context.Background()
		r := faceRequest("j1", FaceRequired)
		r.Operator = &Operator{ID: "lt.lan", Source: "his"}
		c.start(r)
		ref := b.e.Queue()[0].Ref
		state := func() FaceState {
			s, err := b.e.FaceStateByRef(ctx, ref)
			if err != nil {
				t.Fatal(err)
			}
			return s
		}
		if s := state(); s.Stage != FaceWaits || s.Lang != catalog.EN {
			t.Errorf("%+v", s)
		}
		c.until("j1", NeedConsent)
		if s := state(); s.Stage != FaceConsent || s.Consent == nil || s.ExpiresAt.IsZero() {
			t.Errorf("%+v", s)
		}
		given := true
		if err := b.e.FaceActByRef(ctx, ref, FaceActByRefParams{Consent: &ConsentRequest{Purpose: "face_verification", TextVersion: "v1", Given: &given, By: "patient"}}); err != nil {
			t.Fatal(err)
		}
		c.until("j1", NeedLiveImage)
		for range 3 {
			time.Sleep(100 * time.Millisecond)
			if _, err := b.e.FaceFrameByRef(ctx, ref, liveFrame("")); err != nil {
				t.Fatal(err)
			}
		}
		if s := state(); s.Stage != FaceDecided || s.Face == nil || s.Face.Verdict == nil {
			t.Errorf("%+v", s)
		}
		if err := b.e.FaceActByRef(ctx, ref, FaceActByRefParams{Face: &FaceAct{Action: "retry", Reason: "other"}}); err != nil {
			t.Fatal(err)
		}
		c.until("j1", NeedLiveImage)
		for range 3 {
			time.Sleep(100 * time.Millisecond)
			if _, err := b.e.FaceFrameByRef(ctx, ref, liveFrame("")); err != nil {
				t.Fatal(err)
			}
		}
		if v := c.result("j1").Verdicts.Face; v.Status != lds.Passed || v.Attempts != 2 {
			t.Errorf("%+v", v)
		}
		if s := state(); s.Stage != FaceOver || s.Verdict == nil || s.Verdict.Status != lds.Passed {
			t.Errorf("%+v", s)
		}
		var who []string
		for _, a := range entries[journal.Amendment](b.book) {
			var x struct {
				Action   string
				Operator *Operator
			}
			if json.Unmarshal(a.Body, &x) == nil && x.Operator != nil {
				who = append(who, a.Kind+x.Action+" "+x.Operator.ID)
			}
		}
		if d := cmp.Diff([]string{"consent lt.lan", "faceretry lt.lan"}, who); d != "" {
			t.Error(d)
		}
		for _, err := range []error{
			b.e.FaceActByRef(ctx, ref, FaceActByRefParams{Face: &FaceAct{Action: "skip", Reason: "other"}}),
			b.e.FaceActByRef(ctx, ref, FaceActByRefParams{Consent: &ConsentRequest{Purpose: "face_verification", TextVersion: "v1", Given: &given, By: "patient"}}),
			second(b.e.FaceFrameByRef(ctx, ref, liveFrame(""))),
		} {
			if idOf(err) != catalog.JobNotWaiting {
				t.Errorf("too late: %v", err)
			}
		}
		for _, err := range []error{
			second(b.e.FaceStateByRef(ctx, "")), second(b.e.FaceFrameByRef(ctx, "guessed", liveFrame(""))), b.e.FaceActByRef(ctx, "guessed", FaceActByRefParams{Face: &FaceAct{}}),
		} {
			if idOf(err) != catalog.JobUnknown {
				t.Errorf("a wrong ref: %v", err)
			}
		}
	})
}
