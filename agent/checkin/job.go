package checkin

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"runtime"
	"slices"
	"strings"
	"time"

	"github.com/tapcheck/tapcheck/agent/catalog"
	"github.com/tapcheck/tapcheck/agent/journal"
	"github.com/tapcheck/tapcheck/icao/lds"
	"github.com/tapcheck/tapcheck/insurance"
)

// job is one check-in. What stands below mu is guarded by the engine's mutex; what stands above it never changes.
type job struct {
	e         *Engine
	key       jobKey
	checkinID string
	ref       string // by which the desk's console names it
	digest    [32]byte
	accepted  Accepted
	lang      catalog.Lang
	req       Request
	readOnly  bool             // card.read
	bare      bool             // a question about somebody, with no check-in behind it
	cards     []insurance.Card // that covered the person earlier in the visit
	fields    []string
	picture   bool // the portrait is wanted and allowed
	limited   bool
	rawFiles  []lds.FileID // wanted and allowed
	startedAt time.Time    // by Config.Now, for the result
	started   time.Time    // by the clock that runs on, for waits
	ctx       context.Context
	cancel    context.CancelCauseFunc
	done      chan struct{} // closed when the job is over
	told      chan struct{} // closed when the owner knows the person, before it hears of the insurance
	lookedUp  chan struct{} // closed when the look-up, if one was begun, is over

	// mu: Engine.mu
	state     State
	phase     Phase
	percent   int
	seq       int
	need      *Need
	cardKey   lds.Key
	reading   bool
	reader    string // that serves it
	chosen    string // by the desk
	waitCause catalog.ID
	virtual   bool
	tapped    time.Time // when the reading that found the identity began
	person    *person   // once the disclosure is on record
	view      *view
	portrait  *Picture
	pictErr   error
	eligible  *insurance.Eligibility
	looking   bool
	signer    *int
	timings   Timings
	question  insurance.Request // what the insurer was asked, or would be
	attempt   *journal.Attempt  // of the look-up
	subject   *Subject          // the person, where the means is not a chip
	scanned   bool              // subject is what a code says, and not what the client said
	unwritten bool              // something of it is not in the book
	unamended bool              // something that was added to it after its end is not
	amended
	noBook   bool // the disk kept it waiting once, and must not again
	lastTold time.Time
	ended    time.Time
	result   *Result
	files    map[lds.FileID][]byte // for TakeFiles
	face     faceStep
}

// run is the life of a job.
func (j *job) run() {
	var err error
	func() {
		defer func() {
			if p := recover(); p != nil {
				err = j.caught(p)
			}
		}()
		if j.req.Means == MeansChip {
			err = j.chip()
		} else {
			err = j.desk()
		}
	}()
	func() {
		defer func() {
			if p := recover(); p != nil {
				j.bury(j.caught(p))
			}
		}()
		j.finish(err)
	}()
	j.cancel(nil)
	close(j.done)
}

// bury ends a job whose end went wrong, with nothing in its result that could go wrong again.
func (j *job) bury(err *catalog.Error) {
	e := j.e
	e.release(j, true)
	e.mu.Lock()
	defer e.mu.Unlock()
	if j.state.Final() {
		return
	}
	j.over(Result{
		JobID: j.key.id, CheckinID: j.checkinID, State: Failed, Means: j.req.Means, Simulated: e.cfg.Simulated, StartedAt: j.startedAt,
		Error:    err.Wire(j.lang),
		Next:     words([]string{catalog.StepTryAgain, catalog.StepPaperAdmission}, j.lang, catalog.StepText, func(id, text string) Step { return Step{id, text} }),
		Warnings: []Warning{},
	})
}

// caught contains a panic to its job. Its value may hold anything, so only where it happened is kept.
func (j *job) caught(any) *catalog.Error {
	var pcs [16]uintptr
	frames := runtime.CallersFrames(pcs[:runtime.Callers(3, pcs[:])])
	var at []string
	for len(at) < 4 {
		f, more := frames.Next()
		if name := f.Function; name != "" && !strings.HasPrefix(name, "runtime.") {
			at = append(at, name[strings.LastIndex(name, "/")+1:])
		}
		if !more {
			break
		}
	}
	j.e.mu.Lock()
	j.e.panics++
	n := j.e.panics
	j.e.mu.Unlock()
	j.log("job.panic", map[string]any{"at": strings.Join(at, " < "), "count": n})
	return catalog.New(catalog.Internal, nil)
}

func (j *job) log(event string, fields map[string]any) {
	if fields == nil {
		fields = map[string]any{}
	}
	fields["checkin"] = j.checkinID
	j.e.cfg.Log(event, fields)
}

// limit is a timeout of the request, or the engine's.
func (j *job) limit(ms func(*Timeouts) int, d time.Duration) time.Duration {
	if j.req.Timeouts != nil && ms(j.req.Timeouts) > 0 {
		return time.Duration(ms(j.req.Timeouts)) * time.Millisecond
	}
	return d
}

func (j *job) waitLimit() time.Duration {
	return j.limit(func(t *Timeouts) int { return t.WaitMs }, j.e.cfg.WaitForCard)
}

func (j *job) needLimit() time.Duration {
	return j.limit(func(t *Timeouts) int { return t.NeedMs }, j.e.cfg.WaitForNeed)
}

func (j *job) insuranceLimit() time.Duration {
	return j.limit(func(t *Timeouts) int { return t.InsuranceMs }, j.e.cfg.InsuranceWait)
}

// errExpired says that a wait ended by its time.
var errExpired = errors.New("nobody answered in time")

// await waits until ready, which is asked under the mutex after every change. Errors: errExpired, or why the job ends.
func (j *job) await(deadline func() time.Time, ready func() bool) error {
	for {
		var ok bool
		var changed chan struct{}
		var until time.Time
		j.e.locked(func() { ok, changed, until = ready(), j.e.changed, deadline() })
		if j.ctx.Err() != nil {
			return context.Cause(j.ctx)
		}
		if ok {
			return nil
		}
		t := time.NewTimer(time.Until(until))
		select {
		case <-changed:
		case <-t.C:
			// The answer may have come in the same moment: it wins.
			var late bool
			j.e.locked(func() { ok, late = ready(), !time.Now().Before(deadline()) })
			if ok {
				return nil
			}
			if late {
				return errExpired
			}
		case <-j.ctx.Done():
		}
		t.Stop()
	}
}

// pause waits a little before something is tried again.
func (j *job) pause(d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-j.ctx.Done():
		return context.Cause(j.ctx)
	}
}

// emit numbers an event and hands it out. params gets the number. The mutex is held.
func (j *job) emit(method string, params func(seq int) any) {
	j.seq++
	p := params(j.seq)
	b, err := json.Marshal(p)
	if err != nil { // nothing that we build ourselves can fail to encode
		j.log("event.unencodable", map[string]any{"method": method})
		return
	}
	ev := Event{Method: method, JobID: j.key.id, Params: b}
	switch p := p.(type) {
	case Result:
		ev.Result, ev.Picture = &p, p.Portrait
	case *Need:
		ev.Need = p
	}
	j.e.publish(j.key.owner, ev)
	j.e.moved.Notify()
}

// hints are what the desk does while a phase lasts.
var hints = map[Phase]string{
	PhaseConnecting: catalog.StepKeepCard, PhaseAccess: catalog.StepKeepCard, PhaseIdentity: catalog.StepKeepCard,
	PhaseChip: catalog.StepKeepCard, PhasePortrait: catalog.StepKeepCard, PhaseFace: catalog.StepReturnCard,
}

// progress tells how far a job is: each change of phase at once, and of percent as often as an eye can follow. Percent
// never goes back. The mutex is held.
func (j *job) progress(p Phase, percent int) {
	percent = max(min(percent, 100), j.percent)
	if p == j.phase && (percent == j.percent || time.Since(j.lastTold) < progressEvery) && j.seq > 0 {
		j.percent = percent
		return
	}
	j.phase, j.percent, j.lastTold = p, percent, time.Now()
	j.emit(EventProgress, func(seq int) any {
		out := Progress{JobID: j.key.id, Seq: seq, Phase: p, Percent: percent}
		if id := hints[p]; id != "" {
			if text, ok := catalog.StepText(id, j.lang); ok {
				out.Hint = &Step{ID: id, Text: text}
			}
		}
		return out
	})
}

// needs says what a job needs, once. The mutex is held.
func (j *job) needs(need string, cause catalog.ID, readers []string, until time.Time) {
	if j.ctx.Err() != nil || j.state.Final() {
		return
	}
	if n := j.need; n != nil && n.Need == need && causeOf(n) == cause && slices.Equal(n.Readers, readers) {
		return
	}
	n := &Need{JobID: j.key.id, Need: need, ExpiresAt: j.e.cfg.Now().Add(time.Until(until)), Readers: slices.Clone(readers)}
	if cause != "" {
		n.Cause = catalog.New(cause, nil).Wire(j.lang)
	}
	j.need, j.state = n, Needs
	j.emit(EventNeeds, func(seq int) any {
		n.Seq = seq
		return n
	})
}

func causeOf(n *Need) catalog.ID {
	if n.Cause == nil {
		return ""
	}
	return n.Cause.ID
}

// clearNeed says that a need is answered. The mutex is held.
func (j *job) clearNeed() {
	if j.need != nil {
		j.need = nil
		if j.state == Needs {
			j.state = Running
		}
	}
}

// waitFor sets what a queued job waits for; an empty need is its turn. expiry is what it fails with if that stays so. The
// mutex is held.
func (j *job) waitFor(need string, cause, expiry catalog.ID, readers []string) {
	j.waitCause = expiry
	if need == "" {
		j.need = nil
		j.state = Waiting
		if j.seq == 0 {
			j.progress(PhaseWaiting, 0)
		}
		return
	}
	if !j.waits() && need != NeedChooseReader {
		return // it fails at once, so there is nothing to ask for
	}
	j.needs(need, cause, readers, j.started.Add(j.waitLimit()))
}

// waits says whether the job waits for a card.
func (j *job) waits() bool { return j.req.Wait == nil || *j.req.Wait }

// status is job.status. The mutex is held.
func (j *job) status() JobStatus {
	s := JobStatus{JobID: j.key.id, CheckinID: j.checkinID, State: j.state, Phase: j.phase, Percent: j.percent, Need: copyOf(j.need)}
	if j.state.Final() {
		s.Result = copyOf(j.result)
	}
	return s
}

// options is what the result is made of, as far as it is known. The mutex is held.
func (j *job) options() ResultOptions {
	return ResultOptions{
		Lang: j.lang, JobID: j.key.id, CheckinID: j.checkinID, Means: j.req.Means, Fields: append([]string{}, j.fields...),
		PortraitWanted: j.picture, Portrait: j.portrait, PortraitErr: j.pictErr, Eligibility: j.eligible, Codes: j.e.cfg.Codes, SignerSeen: j.signer,
		Subject: j.said(), Limited: j.limited, Recorded: !j.unwritten, Simulated: j.e.cfg.Simulated, Virtual: j.virtual,
		Operator: j.req.Operator, Desk: j.req.Desk, Visit: copyOf(j.visit), Decisions: slices.Clone(j.decisions), StartedAt: j.startedAt,
		Timings: j.timings, Face: j.faceVerdict(),
	}
}

// partial tells what is already proved. The picture goes with the one that brings it and with the result, not with every
// one. The mutex is held.
func (j *job) partial(withPicture bool) {
	if j.state.Final() || j.ctx.Err() != nil {
		return
	}
	r := assemble(j.view, j.options())
	r.State, r.Next = j.state, []Step{} // what to do now is said when it is over
	// "Has no photo" and "not recorded" are not known yet.
	r.Warnings = slices.DeleteFunc(r.Warnings, func(w Warning) bool {
		return w.ID == catalog.WarnNoPortrait || w.ID == catalog.WarnPortraitBad
	})
	if !withPicture {
		r.Portrait = nil
	}
	j.emit(EventPartial, func(seq int) any {
		r.Seq = seq
		return r
	})
}

// finish waits for the look-up, writes the check-in down, and lets its result go.
func (j *job) finish(err error) {
	// A cancel that came while the chip was read may show up as any error of the read.
	if j.ctx.Err() != nil && !errors.Is(err, lds.ErrPersonUnexpected) {
		err = context.Cause(j.ctx)
	}
	var looking bool
	j.e.locked(func() {
		looking = j.looking
		j.clearNeed()
		if looking && (err == nil || !stopped(Explain(err))) {
			j.progress(PhaseInsurance, j.percent)
		}
	})
	if looking {
		<-j.lookedUp // by the answer, by InsuranceWait, or at once when the job is cancelled: then with the attempt on record
		if j.ctx.Err() != nil && !errors.Is(err, lds.ErrPersonUnexpected) {
			err = context.Cause(j.ctx)
		}
	}
	j.conclude(err)
}

// conclude ends a job: it is written down, then its result goes out. What is written is what goes out, whether it is
// recorded among it: a disk that refuses the first may take the second, or the book may catch it up later.
func (j *job) conclude(err error) {
	e := j.e
	var o ResultOptions
	var r Result
	e.locked(func() {
		j.timings.CompleteMs = j.sinceTap()
		o = j.options()
		o.Err, o.FinishedAt = err, e.cfg.Now()
		r = assemble(j.view, o)
	})
	if !j.write(write{checkin: j.row(r)}) && o.Recorded {
		e.locked(func() {
			o.Recorded = false
			r = assemble(j.view, o)
		})
		j.write(write{checkin: j.row(r)})
	}
	e.locked(func() {
		if r.State == Complete {
			j.progress(PhaseDone, 100)
		}
		j.over(r)
	})
}

// over is the last that happens to a job. The mutex is held.
func (j *job) over(r Result) {
	e := j.e
	j.onto(&r) // what came while it was written down
	j.phase, j.need, j.state = PhaseDone, nil, r.State
	j.emit(EventResult, func(seq int) any {
		r.Seq = seq
		return r
	})
	j.result, j.ended = &r, time.Now()
	j.cardKey = lds.Key{} // not needed any more, and secret
	j.view, j.person = nil, nil
	e.active--
	if e.perOwner[j.key.owner]--; e.perOwner[j.key.owner] <= 0 {
		delete(e.perOwner, j.key.owner)
	}
	e.finished = append(e.finished, j)
	e.unqueue(j)
	for _, s := range e.slots { // keep nothing of a person longer than Config.Retain says
		if s.awaited == j {
			s.awaited = nil
		}
		if s.offered == j {
			s.offered = nil
		}
	}
	e.sweep()
	e.broadcast()
	fields := map[string]any{"means": string(j.req.Means), "state": string(r.State), "recorded": r.Recorded, "ms": time.Since(j.started).Milliseconds()}
	if r.Error != nil {
		fields["error"] = string(r.Error.ID)
	}
	if r.Eligibility != nil {
		fields["eligibility"] = string(r.Eligibility.State)
	}
	j.log("job.over", fields)
}

// sinceTap is how long it has been since the card was there and the job was served, in milliseconds. The mutex is held.
func (j *job) sinceTap() int64 {
	if j.tapped.IsZero() {
		return 0
	}
	return max(time.Since(j.tapped).Milliseconds(), 1)
}

// record is the body of a check-in's row. The picture is not kept: no purpose needs it once the desk has seen it.
type record struct {
	Version  int               `json:"version"`
	Result   Result            `json:"result"`
	Question insurance.Request `json:"question,omitzero"` // what the insurer was asked, which a later look-up asks again
}

func (j *job) row(r Result) *journal.Checkin {
	r.Portrait = nil
	var q insurance.Request
	j.e.locked(func() {
		if j.looking {
			q = j.question
		}
	})
	b, err := json.Marshal(record{Version: 1, Result: r, Question: q})
	if err != nil {
		j.log("record.unencodable", nil)
	}
	return &journal.Checkin{
		ID: j.checkinID, Owner: j.key.owner.String(), JobID: j.key.id, State: string(r.State),
		StartedAt: r.StartedAt, FinishedAt: r.FinishedAt, Body: b,
	}
}

// String is the owner as the book names it: the client, and the user rather than the session (see Owner).
func (o Owner) String() string { return o.Client + " " + cmp.Or(o.User, o.Session) }
