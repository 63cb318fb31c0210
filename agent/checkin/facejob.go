package checkin

import (
	"cmp"
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"math"
	"slices"
	"time"

	"github.com/tapcheck/tapcheck/agent/catalog"
	"github.com/tapcheck/tapcheck/agent/journal"
	"github.com/tapcheck/tapcheck/icao"
	"github.com/tapcheck/tapcheck/icao/lds"
)

// faceStep is a job's comparison of the face. It lies under the engine's mutex.
//
// The job's own goroutine waits for what it needs and says when the step is over. The FaceCheck belongs to a goroutine of its own
// (worker), which takes one task at a time; it ends when the step does, and wipes whatever it held, also where a call hangs that
// does not heed its context and nobody waits for it any more.
type faceStep struct {
	stage   string // "" before it begins
	by      []string
	child   bool
	consent *Consent // the last one about this purpose
	asked   int      // how often a consent about this purpose was said; a yes counts once it is on record, and a no at once
	capture *Capture
	attempt int
	until   time.Time // when the need expires
	tasks   chan faceTask
	busy    bool      // the worker has a task
	last    time.Time // when it was given the last frame
	// Of the attempt under way.
	challenge  *FaceChallenge
	progress   int
	verdictNow *FaceVerdict // it has ended

	verdict *FaceVerdict // of the last attempt that came to something, or of the step where it broke down
	made    int          // attempts that ended
	doubted string       // level of an attack check that failed; empty: none did
	skip    *FaceAct
	outcome *FaceVerdict // the step's
}

const (
	taskFrame  = "frame"
	taskVerify = "verify"
	taskRetry  = "retry"
)

// faceTask is something for the worker.
type faceTask struct {
	kind   string
	frame  FaceFrame
	act    FaceAct
	answer chan faceAnswer // has room for it; nil: nobody waits
}

type faceAnswer struct {
	hints     []FaceHint
	challenge *FaceChallenge
	progress  int
	attempt   int
	done      bool
	verdict   *FaceVerdict
}

// dropped is the answer to a frame that nobody looks at.
func (s *faceStep) dropped() faceAnswer {
	return faceAnswer{hints: []FaceHint{{ID: findingDropped, Warning: true}}, challenge: s.challenge, progress: s.progress, attempt: s.attempt}
}

const (
	findingDropped = "FRAME_DROPPED"
	findingBroken  = "PICTURE_BROKEN"
)

// offerFrame gives a picture to the worker of a job and waits for what it says.
func (e *Engine) offerFrame(ctx context.Context, find func() (*job, error), t faceTask) (*job, faceAnswer, error) {
	if err := ctx.Err(); err != nil {
		return nil, faceAnswer{}, Explain(err)
	}
	notWaiting := catalog.New(catalog.JobNotWaiting, nil)
	e.mu.Lock()
	j, err := find()
	if err != nil {
		e.mu.Unlock()
		return nil, faceAnswer{}, err
	}
	s, now := &j.face, time.Now()
	if s.stage != FaceLive || j.state.Final() || j.faceStopped() != nil {
		e.mu.Unlock()
		return nil, faceAnswer{}, notWaiting
	}
	if s.busy || t.kind == taskFrame && now.Sub(s.last) < frameGap {
		a := s.dropped()
		e.mu.Unlock()
		if t.kind == taskVerify { // which nothing but its verdict answers
			return nil, faceAnswer{}, catalog.New(catalog.RateLimited, nil)
		}
		return j, a, nil
	}
	t.answer = make(chan faceAnswer, 1)
	// The caller may go away and its picture be wiped while the worker still looks at it.
	t.frame.Data = slices.Clone(t.frame.Data)
	s.busy, s.last = true, now
	s.tasks <- t // there is room: nothing is under way
	e.mu.Unlock()
	select {
	case a, ok := <-t.answer:
		if !ok {
			return nil, faceAnswer{}, notWaiting
		}
		return j, a, nil
	case <-ctx.Done():
		return nil, faceAnswer{}, Explain(ctx.Err())
	}
}

// faceVerdict is what is known of the face. The mutex is held.
func (j *job) faceVerdict() FaceVerdict {
	v := FaceVerdict{Status: lds.NotDone, Reason: lds.ReasonSwitchedOff}
	switch s := &j.face; {
	case !j.req.wantsFace():
		return v
	case s.outcome != nil:
		v = *s.outcome
	case j.comparesFaces():
		v.Reason = lds.ReasonNotReached
	}
	v.Required = j.req.Face == FaceRequired
	return v
}

// compareFace compares the living face with the chip's photo, if that was asked for. Whatever becomes of it is a verdict; the
// error is why the job ends.
func (j *job) compareFace(doc *icao.Document) error {
	if !j.comparesFaces() {
		return nil
	}
	e := j.e
	v, err := j.faceOutcome(doc)
	var skip *FaceAct
	e.locked(func() {
		s := &j.face
		s.stage = FaceOver // from now on nobody acts on it
		skip = s.skip
		if n := j.need; n != nil && (n.Need == NeedConsent || n.Need == NeedLiveImage) {
			j.clearNeed()
		}
		if err == nil {
			v.Attempts = s.made
			s.outcome = &v
		}
	})
	if skip != nil {
		j.faceRecord(faceRecord{Action: actSkip, Reason: skip.Reason, Operator: skip.By})
	}
	if err != nil {
		return err
	}
	j.faceRecord(faceRecord{Action: "verdict", Verdict: &v})
	j.log("face.over", map[string]any{"status": string(v.Status), "reason": string(v.Reason), "attempts": v.Attempts})
	e.mu.Lock()
	defer e.mu.Unlock()
	e.broadcast()
	j.partial(false)
	return nil
}

// faceRecord is a step of a comparison as the book keeps it: no picture, no template.
type faceRecord struct {
	Action   string       `json:"action"` // attempt, retry, skip, verdict
	Attempt  int          `json:"attempt,omitempty"`
	Verdict  *FaceVerdict `json:"verdict,omitempty"`
	Frames   int          `json:"frames,omitempty"`
	Used     int          `json:"used,omitempty"`
	Findings []string     `json:"findings,omitempty"` // what was found wrong with frames, each once
	Reason   string       `json:"reason,omitempty"`
	Operator *Operator    `json:"operator,omitempty"`
	At       time.Time    `json:"at"`
}

func (j *job) faceRecord(r faceRecord) {
	r.At = j.e.cfg.Now()
	b, err := json.Marshal(r)
	if err != nil { // nothing that we build ourselves can fail to encode
		j.log("record.unencodable", nil)
		return
	}
	j.write(write{amendment: &journal.Amendment{CheckinID: j.checkinID, At: r.At, Kind: amendFace, Body: b}})
}

func verdict(s lds.Status, r lds.Reason) FaceVerdict { return FaceVerdict{Status: s, Reason: r} }

// faceOutcome is the step.
func (j *job) faceOutcome(doc *icao.Document) (FaceVerdict, error) {
	e := j.e
	if p := doc.Portrait; p == nil || len(p.Data) == 0 {
		if why := doc.Missing[lds.DG(2)]; why != nil && !errors.Is(why, lds.ErrFileAbsent) {
			return verdict(lds.NotVerifiable, lds.ReasonChipPhotoUnreadable), nil
		}
		return verdict(lds.NotPresent, lds.ReasonNoChipPhoto), nil
	}
	var capture *Capture
	if e.cfg.Capture != nil {
		if url, until, ok := e.cfg.Capture(j.ref, j.key.owner.Session); ok {
			capture = &Capture{URL: url, ExpiresAt: until}
		}
	}
	basis := lds.Unanchored
	e.locked(func() {
		s := &j.face
		age := neverKnown
		if j.view != nil && j.view.identity != nil {
			age = ageOf(j.view.identity.DateOfBirth, e.cfg.Now())
			pa := j.view.verdicts.PassiveAuthentication
			if pa.Status == lds.Passed && slices.Contains(pa.Checked, lds.DG(2)) {
				basis = lds.Anchored
			}
		}
		s.by, s.child, s.capture, s.attempt = agreeing(age), age < adultAge, capture, 1
		s.stage, s.tasks = FaceConsent, make(chan faceTask, 1)
		if !e.cfg.Face.Consent {
			s.stage = FaceWaits
		}
		j.progress(PhaseFace, j.percent)
	})
	if v, err := j.awaitConsent(); v != nil || err != nil {
		return or(v), err
	}
	if v, err := j.faceSlot(); v != nil || err != nil {
		return or(v), err
	}
	w := &faceWorker{j: j, photo: *doc.Portrait, basis: basis, gone: make(chan struct{})}
	w.ctx, w.stop = context.WithCancel(j.ctx)
	e.wg.Go(w.run)
	v, err := j.awaitFace(w)
	if w.stop(); err != nil {
		return FaceVerdict{}, err
	}
	return j.faceSettled(w, v)
}

// faceSettled is what the comparison has come to when its worker has ended, which may have come to something in the moment in which
// it was left out. One that hangs is not waited for long, and not at all where it came to a match.
func (j *job) faceSettled(w *faceWorker, v *FaceVerdict) (FaceVerdict, error) {
	hangs := false
	if v == nil || v.Status != lds.Passed {
		patience := time.NewTimer(outcomeLimit)
		defer patience.Stop()
		select {
		case <-w.gone:
		case <-patience.C:
			hangs = true
		case <-j.ctx.Done():
			return FaceVerdict{}, context.Cause(j.ctx)
		}
	}
	j.e.mu.Lock()
	defer j.e.mu.Unlock()
	switch s := &j.face; {
	case s.verdict != nil:
		return *s.verdict, nil
	case v != nil:
		return *v, nil
	case hangs, s.stage == FaceWaits: // nobody goes on, or it was never ready
		return verdict(lds.NotVerifiable, lds.ReasonDecoderFailed), nil
	}
	return verdict(lds.NotDone, lds.ReasonNoLivePicture), nil
}

func or(v *FaceVerdict) FaceVerdict {
	if v == nil {
		return FaceVerdict{}
	}
	return *v
}

// faceStopped is the verdict where the person or the operator wants no (further) comparison; nil: nobody has said so. What an
// attempt has come to is not taken back by that. The mutex is held.
func (j *job) faceStopped() *FaceVerdict {
	s := &j.face
	refused := s.consent != nil && !s.consent.Given
	switch {
	case !refused && s.skip == nil:
		return nil
	case s.verdict != nil:
		return s.verdict
	case refused:
		return ptr(verdict(lds.NotDone, lds.ReasonConsentRefused))
	}
	return ptr(verdict(lds.NotDone, lds.ReasonSkippedByOperator))
}

// awaitConsent waits until those who have to agree have said something. A verdict is why the comparison is not made.
func (j *job) awaitConsent() (*FaceVerdict, error) {
	e := j.e
	var v *FaceVerdict
	until := time.Now().Add(j.needLimit())
	err := j.await(func() time.Time { return until }, func() bool {
		s := &j.face
		if v = j.faceStopped(); v != nil || !e.cfg.Face.Consent {
			return true
		}
		if s.consent != nil && missingConsent(s.by, s.consent.By) == "" {
			return true
		}
		text := catalog.FaceConsentText.In(j.lang)
		j.needsFace(Need{
			Need: NeedConsent, Consent: &ConsentNeed{Purpose: purposeFace, TextVersion: catalog.FaceConsentVersion + "-" + string(j.lang), Text: text, By: s.by},
		}, until)
		return false
	})
	if errors.Is(err, errExpired) {
		return ptr(verdict(lds.NotDone, lds.ReasonConsentMissing)), nil
	}
	e.locked(func() {
		j.clearNeed()
		if v == nil && err == nil {
			j.face.stage = FaceWaits
		}
	})
	return v, err
}

func ptr[T any](v T) *T { return &v }

// needsFace says what the comparison needs, as often as something about it changes. The mutex is held.
func (j *job) needsFace(n Need, until time.Time) {
	if j.ctx.Err() != nil || j.state.Final() {
		return
	}
	n.JobID, n.Capture = j.key.id, j.face.capture
	if old := j.need; old != nil && old.Need == n.Need {
		if n.Face == nil || old.Face != nil && old.Face.Attempt == n.Face.Attempt && (old.Face.Verdict == nil) == (n.Face.Verdict == nil) {
			return
		}
	}
	n.ExpiresAt = j.e.cfg.Now().Add(time.Until(until))
	j.need, j.state = &n, Needs
	j.emit(EventNeeds, func(seq int) any {
		n.Seq = seq
		return &n
	})
}

// needsImage tells how the comparison stands, as far as anybody can do something about it. The mutex is held.
func (j *job) needsImage() {
	s := &j.face
	if s.stage != FaceLive && s.stage != FaceDecided || s.stage == FaceDecided && s.busy { // who is told at once may act at once
		return
	}
	j.needsFace(Need{Need: NeedLiveImage, Face: &FaceNeed{
		Attempt: s.attempt, Attempts: faceAttempts, AttackCheck: j.e.cfg.Face.check(), Challenge: s.challenge, Verdict: s.verdictNow,
	}}, s.until)
}

// changeNeed changes what job.status says of the need of a live image. The mutex is held.
func (j *job) changeNeed(change func(*Need)) {
	if j.need == nil || j.need.Face == nil || j.face.stage != FaceLive {
		return
	}
	n := *j.need // a copy of it may be on its way out
	n.Face = ptr(*n.Face)
	change(&n)
	j.need = &n
}

// faceSlot takes one of the places for comparisons, and waits for one if it must. A verdict is why the comparison is not made.
func (j *job) faceSlot() (v *FaceVerdict, err error) {
	e, until := j.e, time.Now().Add(j.needLimit())
	err = j.await(func() time.Time { return until }, func() bool {
		if v = j.faceStopped(); v != nil {
			return true
		}
		select {
		case e.faces <- struct{}{}:
			return true
		default:
			return false
		}
	})
	if errors.Is(err, errExpired) {
		return ptr(verdict(lds.NotDone, lds.ReasonFaceBusy)), nil
	}
	return v, err
}

// awaitFace waits until the comparison is over. Without a verdict nobody goes on with it.
func (j *job) awaitFace(w *faceWorker) (v *FaceVerdict, err error) {
	ready := time.Now().Add(readyLimit)
	until := func() time.Time {
		if j.face.stage == FaceWaits {
			return ready
		}
		return j.face.until
	}
	err = j.await(until, func() bool {
		s := &j.face
		if v = j.faceStopped(); v == nil && s.stage == FaceOver {
			v = s.verdict
		}
		if v == nil {
			j.needsImage()
		}
		return v != nil
	})
	if errors.Is(err, errExpired) {
		err = nil
	}
	return v, err
}

func (r FaceRules) check() string {
	if r.Check == "" {
		return AttackChallenge
	}
	return r.Check
}

// passive is the check of a single picture.
func (r FaceRules) passive() string {
	if r.check() == AttackNone {
		return AttackNone
	}
	return AttackPassive
}

// faceWorker has the FaceCheck of a job.
type faceWorker struct {
	j     *job
	photo lds.Portrait
	basis lds.Basis
	ctx   context.Context // of the step
	stop  context.CancelFunc
	gone  chan struct{} // closed at the end

	check  FaceCheck // nil: to be begun
	frames int       // of the attempt under way
	faults int       // in a row
	found  []string  // findings of the attempt
}

// run takes tasks until the step ends.
func (w *faceWorker) run() {
	var now faceTask
	defer func() {
		if p := recover(); p != nil {
			w.j.caught(p)
			w.broken()
		}
		clear(now.frame.Data)
		w.close()
		<-w.j.e.faces
		w.over(now)
		close(w.gone)
	}()
	if !w.begin(w.j.e.cfg.Face.check()) {
		return
	}
	w.j.e.locked(func() {
		s := &w.j.face
		if s.stage != FaceWaits {
			return
		}
		s.stage, s.until = FaceLive, time.Now().Add(w.j.needLimit())
		w.j.e.broadcast()
	})
	for {
		select {
		case <-w.ctx.Done():
			w.abandon()
			return
		case now = <-w.j.face.tasks: // the channel itself never changes while there is a worker
		}
		answer := w.do(now)
		clear(now.frame.Data)
		done := false
		w.j.e.locked(func() {
			s := &w.j.face
			s.busy = false
			done = s.stage == FaceOver
			w.j.needsImage()
			w.j.e.broadcast()
		})
		switch {
		case now.answer == nil:
		case answer.attempt == 0: // the step ended meanwhile
			close(now.answer)
		default:
			now.answer <- answer
		}
		now = faceTask{}
		if done {
			return
		}
	}
}

// over answers whoever still waits.
func (w *faceWorker) over(now faceTask) {
	e := w.j.e
	e.locked(func() {
		w.j.face.busy = true // nobody gives it another task
		e.broadcast()
	})
	for {
		if now.answer != nil {
			close(now.answer)
		}
		clear(now.frame.Data)
		select {
		case now = <-w.j.face.tasks:
		default:
			return
		}
	}
}

func (w *faceWorker) close() {
	check := w.check
	w.check = nil
	if check == nil {
		return
	}
	defer func() {
		if p := recover(); p != nil {
			w.j.caught(p)
		}
	}()
	check.Close()
}

// broken ends the step because its machinery has.
func (w *faceWorker) broken() { w.end(verdict(lds.NotVerifiable, lds.ReasonDecoderFailed)) }

// end ends the step with a verdict.
func (w *faceWorker) end(v FaceVerdict) {
	e := w.j.e
	e.locked(func() {
		s := &w.j.face
		if s.stage == FaceOver {
			return
		}
		if s.stage = FaceOver; s.verdict == nil { // what an attempt has come to stays
			s.verdict = &v
		}
		e.broadcast()
	})
}

// begin makes a FaceCheck that knows the chip's photo; false: it cannot, and the step is over.
func (w *faceWorker) begin(check string) bool {
	w.close()
	ctx, cancel := context.WithTimeout(w.ctx, readyLimit)
	defer cancel()
	o := FaceOptions{Level: w.j.e.cfg.Face.Level, Check: check, Nonce: nonce(w.j.req.Nonce)}
	if o.Level == "" {
		o.Level = "standard"
	}
	var err error
	if w.check, err = w.j.e.cfg.Faces.Begin(ctx, o); err == nil {
		err = w.check.Chip(ctx, w.photo)
	}
	switch {
	case err == nil:
		return true
	case w.ctx.Err() != nil: // whoever ended it knows why
	case errors.Is(err, ErrFaceModels):
		w.end(verdict(lds.NotDone, lds.ReasonModelsMissing))
	case errors.Is(err, ErrPhotoUnreadable):
		w.end(verdict(lds.NotVerifiable, lds.ReasonChipPhotoUnreadable))
	case errors.Is(err, ErrPhotoPoor):
		w.end(FaceVerdict{Status: lds.NotVerifiable, Reason: lds.ReasonChipPhotoPoor, Decision: faceCannotTell})
	default:
		w.broken()
	}
	return false
}

// nonce is fresh, and the HIS backend's too, where it has given one.
func nonce(theirs string) [32]byte {
	b := make([]byte, 32, 32+len(theirs))
	rand.Read(b) // never fails
	return sha256.Sum256(append(b, theirs...))
}

// do does a task.
func (w *faceWorker) do(t faceTask) faceAnswer {
	j := w.j
	switch t.kind {
	case taskRetry:
		var attempt int
		j.e.locked(func() { attempt = j.face.attempt })
		j.faceRecord(faceRecord{Action: actRetry, Attempt: attempt, Reason: t.act.Reason, Operator: t.act.By})
		w.frames, w.faults, w.found = 0, 0, nil
		if w.check != nil && !w.check.Retry() {
			w.close() // a new one is begun with the first picture
		}
		return faceAnswer{}
	case taskVerify:
		return w.verify(t.frame)
	}
	if w.check == nil && !w.begin(j.e.cfg.Face.check()) {
		return w.ended(nil)
	}
	if w.frames == 0 { // the person's time begins with the first picture
		j.e.locked(func() {
			j.face.until = time.Now().Add(j.needLimit())
			j.changeNeed(func(n *Need) { n.ExpiresAt = j.e.cfg.Now().Add(j.needLimit()) })
		})
	}
	ctx, cancel := context.WithTimeout(w.ctx, frameLimit)
	f, err := w.check.Frame(ctx, t.frame)
	cancel()
	w.frames++
	switch {
	case w.ctx.Err() != nil:
		return faceAnswer{}
	case err != nil:
		w.faults++
		f = FaceFeedback{Findings: []FaceHint{{ID: findingBroken}}}
		if w.faults >= maxFrameFault {
			w.note(f.Findings)
			w.attempted(FaceOutcome{Decision: faceCannotTell, Reason: lds.ReasonDecoderFailed, Frames: w.frames})
			return w.ended(f.Findings)
		}
	default:
		w.faults = 0
	}
	w.note(f.Findings)
	if f.Done {
		w.attempted(w.check.Outcome())
		return w.ended(f.Findings)
	}
	var a faceAnswer
	j.e.locked(func() {
		s := &j.face
		if err == nil {
			s.challenge, s.progress = j.challengeOf(f.Challenge), max(0, min(f.Progress, 100))
		}
		j.changeNeed(func(n *Need) { n.Face.Challenge = s.challenge })
		a = faceAnswer{hints: f.Findings, challenge: s.challenge, progress: s.progress, attempt: s.attempt}
	})
	return a
}

// verify is an attempt with a single picture.
func (w *faceWorker) verify(f FaceFrame) faceAnswer {
	if !w.begin(w.j.e.cfg.Face.passive()) {
		return w.ended(nil)
	}
	ctx, cancel := context.WithTimeout(w.ctx, frameLimit)
	got, err := w.check.Frame(ctx, f)
	cancel()
	if w.ctx.Err() != nil {
		return faceAnswer{}
	}
	w.frames++
	w.note(got.Findings)
	if err != nil {
		w.attempted(FaceOutcome{Decision: faceCannotTell, Reason: lds.ReasonDecoderFailed, Frames: 1})
	} else {
		w.attempted(w.check.Outcome())
	}
	w.close() // the next attempt may be with frames, and of another kind
	return w.ended(got.Findings)
}

// note keeps which findings there were, each once.
func (w *faceWorker) note(hints []FaceHint) {
	for _, h := range hints {
		if _, known := catalog.FaceText(h.ID, catalog.VI); known && !slices.Contains(w.found, h.ID) && len(w.found) < 2*maxFindings {
			w.found = append(w.found, h.ID)
		}
	}
}

// ended is the answer to the picture with which an attempt ended.
func (w *faceWorker) ended(hints []FaceHint) (a faceAnswer) {
	w.j.e.locked(func() {
		s := &w.j.face
		a = faceAnswer{hints: hints, progress: 100, attempt: s.attempt, done: true, verdict: cmp.Or(s.verdictNow, s.verdict)}
		if a.verdict != nil {
			v := *a.verdict
			v.Attempts, v.Required = s.made, w.j.req.Face == FaceRequired
			a.verdict = &v
		}
	})
	return a
}

// abandon has an attempt under way come to what it has: nobody sends more pictures.
func (w *faceWorker) abandon() {
	live := false
	w.j.e.locked(func() { live = w.j.face.stage == FaceLive && w.j.faceStopped() == nil })
	if w.j.ctx.Err() != nil || !live || w.check == nil || w.frames == 0 {
		return
	}
	w.attempted(w.check.Outcome())
}

// attempted ends an attempt: it is on record, and its disclosure too, before anybody hears of it.
func (w *faceWorker) attempted(o FaceOutcome) {
	j, e := w.j, w.j.e
	var child bool
	var attempt int
	var doubted string
	e.locked(func() {
		if o.Attack.Status == lds.Failed {
			j.face.doubted = o.Attack.Level
		}
		child, attempt, doubted = j.face.child, j.face.attempt, j.face.doubted
	})
	if e.cfg.Face.check() == AttackChallenge {
		doubted = AttackChallenge // what the hospital wants to be shown is shown by nothing less
	}
	v := faceVerdictOf(o, child, w.basis).doubted(doubted)
	v.Attempts, v.Required = attempt, j.req.Face == FaceRequired
	j.faceRecord(faceRecord{Action: "attempt", Attempt: attempt, Verdict: &v, Frames: max(w.frames, o.Frames), Used: o.Used, Findings: w.found})
	j.disclose(j.key.owner.String(), AboutFace)
	e.locked(func() {
		s := &j.face
		if s.stage == FaceOver {
			return
		}
		if s.verdict == nil || v.Decision != faceCannotTell { // a covered camera does not take a comparison back
			s.verdict = &v
		}
		s.made, s.verdictNow, s.challenge = attempt, &v, nil
		s.stage, s.until = FaceDecided, time.Now().Add(j.needLimit())
		if v.Status == lds.Passed || attempt >= faceAttempts {
			s.stage = FaceOver
		}
		e.broadcast()
	})
}

// faceVerdictOf is the verdict that an outcome makes. A child's photo is old after a year or two: that a child does not look like
// it is nothing that a program may say, and a person looks.
func faceVerdictOf(o FaceOutcome, child bool, basis lds.Basis) FaceVerdict {
	v := FaceVerdict{Decision: o.Decision, Reason: o.Reason, Model: o.Model}
	compared := true
	switch {
	case o.Decision == faceMatch:
		v.Status, v.Reason = lds.Passed, ""
	case o.Decision == faceNoMatch && child, o.Decision == faceReview && child && o.Reason == lds.ReasonScoreInBetween:
		v.Status, v.Decision, v.Reason = lds.NotVerifiable, faceReview, lds.ReasonChild
	case o.Decision == faceNoMatch:
		v.Status, v.Reason = lds.Failed, lds.ReasonNoMatch
	case o.Decision == faceReview:
		v.Status = lds.NotVerifiable
	default:
		v.Status, v.Decision, compared = lds.NotVerifiable, faceCannotTell, false
	}
	if v.Status != lds.Passed && v.Reason == "" {
		v.Reason = lds.ReasonScoreInBetween
		if !compared {
			v.Reason = lds.ReasonLivePicturePoor
		}
	}
	if compared {
		v.Basis = basis
		v.Score, v.Threshold = share(o.Score), share(o.Threshold)
	}
	if o.Attack.Level != "" {
		a := o.Attack
		v.AttackCheck = &a
	}
	return v
}

// doubted is the verdict where an attack check of that level is wanted, by the hospital or because one failed before: nothing less, such
// as a single picture, makes a match. The same check does, when it passes.
func (v FaceVerdict) doubted(level string) FaceVerdict {
	a := v.AttackCheck
	cleared := a != nil && a.Status == lds.Passed && (a.Level == level || a.Level == AttackChallenge)
	if level != "" && v.Status == lds.Passed && !cleared {
		v.Status, v.Decision, v.Reason = lds.NotVerifiable, faceReview, lds.ReasonAttackCheckFailed
	}
	return v
}

// share is a similarity as it goes out: 0 to 1, with four digits.
func share(x float64) float64 {
	if math.IsNaN(x) {
		return 0
	}
	return math.Round(max(0, min(x, 1))*10000) / 10000
}

// challengeOf puts a challenge into words.
func (j *job) challengeOf(t *FaceTask) *FaceChallenge {
	if t == nil {
		return nil
	}
	text, ok := catalog.FaceText(t.Kind, j.lang)
	if !ok {
		return nil
	}
	return &FaceChallenge{ID: t.ID, Kind: t.Kind, Text: text, ExpiresAt: t.Until}
}
