package checkin

import (
	"context"
	"encoding/json"
	"errors"
	"math/rand/v2"
	"slices"
	"sync/atomic"
	"time"

	"github.com/tapcheck/tapcheck/agent/catalog"
	"github.com/tapcheck/tapcheck/agent/journal"
	"github.com/tapcheck/tapcheck/insurance"
)

// Lookups is the durable queue of look-ups that nobody waits for at the desk, and the outbox of what came of them; journal.Journal
// is one. What it is given is on the disk or it says so: the queue does nothing without, for nobody waits for it.
type Lookups interface {
	DueLookups(ctx context.Context, now time.Time, limit int) ([]journal.Lookup, error)
	BeginLookup(ctx context.Context, id string, notBefore time.Time, d journal.Disclosure) (bool, error)
	EndLookup(ctx context.Context, t journal.Turn) (bool, error)
	Waiting(ctx context.Context) (journal.Waiting, error)
	Notices(ctx context.Context, owner string, limit int) ([]journal.Notice, error)
	DropNotice(ctx context.Context, owner string, seq int64) error
	Purge(ctx context.Context, before time.Time) (int, error)
}

// Bounds of the queue.
const (
	maxWaiting = 20_000 // look-ups in the queue; no desk has so many patients before they are given up

	firstPause = 30 * time.Second // before a look-up is asked again; each failure doubles it
	longPause  = 30 * time.Minute // up to this, and a half more or less
	downPause  = 15 * time.Second // before anybody is asked about again where the insurer cannot be reached at all
	longDown   = 5 * time.Minute

	againWait  = 30 * time.Second // for an answer that nobody waits for at the desk
	againDisk  = 10 * time.Second // for the disk
	againIdle  = 15 * time.Second // how often the queue is looked at although nothing has happened
	quietWait  = 15 * time.Second // how long the queue lets look-ups of the desk go first
	leastTries = 5                // before a look-up is given up, whatever the clock says

	maxNotices  = 32 // that an owner is given and has not got; the next come when it has
	maxAttempts = 20 // that a notice holds, the last ones

	purgeEvery = time.Hour
	maxJump    = 5 * time.Minute // of the PC's clock, between two purges; after a greater one nothing is purged yet
)

// Causes of a look-up: when the law wants it (TT 12/2026/TT-BTC Đ4). The values go over the wire and are frozen.
const (
	CauseArrival = "arrival"
	CauseDuring  = "during"
	CauseEnd     = "end"
)

// queued is a look-up's body in the queue.
type queued struct {
	Version int               `json:"version"`
	Owner   string            `json:"owner"` // Owner.String
	JobID   string            `json:"jobId,omitempty"`
	Cause   string            `json:"cause"`
	Event   string            `json:"event,omitempty"` // of the stay
	Bare    bool              `json:"bare,omitempty"`  // no check-in stands behind it
	Request insurance.Request `json:"request"`
}

// EligibilityChanged is eligibility.changed: what came of a look-up that nobody waited for. An owner may get it more than once; the
// same LookupID with the same Eligibility.AsOf is the same.
type EligibilityChanged struct {
	JobID       string                `json:"jobId,omitempty"`
	CheckinID   string                `json:"checkinId,omitempty"` // absent where it was asked about a person (insurance.check)
	LookupID    string                `json:"lookupId"`
	Cause       string                `json:"cause"` // arrival, during, end
	Eligibility insurance.Eligibility `json:"eligibility"`
	GivenUp     bool                  `json:"givenUp,omitempty"` // nobody has answered, and nobody will be asked again
	Attempts    []Attempt             `json:"attempts"`          // the last ones, oldest first
}

// LookupState is how the queue stands, for the agent's health.
type LookupState struct {
	Waiting   int
	Since     time.Time // the oldest one waits
	DownSince time.Time // the insurer cannot be reached; zero: it can, or nobody has tried
	Full      bool      // a look-up was not taken in
}

// Lookups tells how the queue stands.
func (e *Engine) Lookups() LookupState {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.again == nil {
		return LookupState{}
	}
	return e.again.state
}

// enqueue puts a question that found no answer into the queue. False: the queue is full, and nobody will ask again.
func (e *Engine) enqueue(j *job, q insurance.Request) bool {
	if e.full() {
		return false
	}
	now := e.cfg.Now()
	if q.At.IsZero() {
		q.At = now
	}
	body, err := json.Marshal(queued{Version: 1, Owner: j.key.owner.String(), JobID: j.key.id, Cause: CauseArrival, Bare: j.bare, Request: q})
	if err != nil { // nothing in it can fail to encode
		return false
	}
	j.write(write{lookup: &journal.Lookup{
		ID: j.checkinID, CheckinID: j.checkinID, NotBefore: now.Add(backoff(firstPause, longPause, 0)), Until: now.Add(e.cfg.GiveUp), Body: body,
	}})
	return true
}

// full says that the queue takes no more, and remembers it.
func (e *Engine) full() bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.again == nil || e.again.state.Waiting < maxWaiting {
		return false
	}
	e.again.state.Full = true
	return true
}

// backoff doubles a pause with each failure, up to a limit, and scatters it by half, so that many do not come back at once.
func backoff(base, limit time.Duration, failures int) time.Duration {
	d := limit
	if failures >= 0 && failures < 16 {
		d = min(limit, base<<failures)
	}
	return d/2 + rand.N(d)
}

// again asks the look-ups of the queue, one after the other and no more in a minute than is set. Whoever waits at the desk is asked
// about first. It belongs to one goroutine; state lies under the engine's mutex.
type again struct {
	e     *Engine
	book  Lookups
	every time.Duration // between two questions
	ctx   context.Context
	end   context.CancelFunc
	wake  chan struct{} // holds at most one value
	slot  chan struct{} // held while the insurer's client is at work

	next    time.Time // no question leaves before
	resume  time.Time // after the insurer could not be reached: nor before this
	downs   int       // how often in a row it could not be
	yielded time.Time // since when the queue lets the desk go first
	purged  time.Time // by the clock that runs on
	wall    time.Time // what the PC's clock said then

	state LookupState
	alive atomic.Bool // the desk has been answered meanwhile
	woken atomic.Bool // the PC has slept meanwhile
}

func newAgain(e *Engine) *again {
	a := &again{
		e: e, book: e.cfg.Lookups, every: time.Minute / time.Duration(e.cfg.LookupsPerMinute), wake: make(chan struct{}, 1), slot: make(chan struct{}, 1),
	}
	a.ctx, a.end = context.WithCancel(context.Background())
	// An agent that is started again and again does not ask more often for it.
	a.next = time.Now().Add(a.every)
	a.purged, a.wall = time.Now(), e.cfg.Now()
	return a
}

func (a *again) stop() {
	if a != nil {
		a.end()
	}
}

// notify wakes the queue: there is something to ask or to tell. alive says that the insurer has answered somebody.
func (a *again) notify(alive bool) {
	if a == nil {
		return
	}
	if alive {
		a.alive.Store(true)
	}
	select {
	case a.wake <- struct{}{}:
	default:
	}
}

// Woke says that the PC has slept. Clocks that run on stood still meanwhile, so a pause for an insurer who could not be reached
// would be a whole one yet.
func (e *Engine) Woke() {
	if e.again != nil {
		e.again.woken.Store(true)
		e.again.notify(false)
	}
}

// run works until the engine stops.
func (a *again) run() {
	for a.ctx.Err() == nil {
		wait := a.pass()
		t := time.NewTimer(max(wait, 10*time.Millisecond))
		select {
		case <-a.ctx.Done():
		case <-a.wake:
		case <-t.C:
		}
		t.Stop()
	}
}

// pass tells what is to be told and asks at most one question. It gives how long nothing needs to be done after it, unless
// something happens.
func (a *again) pass() (wait time.Duration) {
	defer func() {
		if p := recover(); p != nil { // a bug costs one pass, not the agent
			(&job{e: a.e}).caught(p)
			wait = againIdle
		}
	}()
	a.tell()
	a.purge()
	if a.alive.Swap(false) {
		a.up()
	}
	if a.woken.Swap(false) {
		a.resume = time.Time{}
	}
	var live int
	a.e.locked(func() { live = a.e.live })
	now := time.Now()
	if d := max(a.next.Sub(now), a.resume.Sub(now)); d > 0 {
		return min(d, againIdle)
	}
	if live == 0 {
		a.yielded = time.Time{}
	} else if a.yielded.IsZero() {
		a.yielded = now
	}
	if live > 0 && now.Sub(a.yielded) < quietWait {
		return quietWait - now.Sub(a.yielded)
	}
	select {
	case a.slot <- struct{}{}:
	default:
		return againIdle // the insurer's client has not come back yet
	}
	l, ok := a.due()
	if !ok {
		<-a.slot
		return againIdle
	}
	a.ask(l)
	return max(time.Until(a.next), 0)
}

// due is the look-up that has waited longest, and how the queue stands.
func (a *again) due() (journal.Lookup, bool) {
	ctx, stop := context.WithTimeout(a.ctx, againDisk)
	defer stop()
	if w, err := a.book.Waiting(ctx); err == nil {
		a.e.locked(func() {
			a.state.Waiting, a.state.Since = w.Lookups, w.Since
			a.state.Full = a.state.Full && w.Lookups >= maxWaiting
		})
	}
	if a.e.cfg.Insurer == nil {
		return journal.Lookup{}, false
	}
	list, err := a.book.DueLookups(ctx, a.e.cfg.Now(), 1)
	if err != nil || len(list) == 0 {
		return journal.Lookup{}, false
	}
	return list[0], true
}

// up says that the insurer can be reached.
func (a *again) up() {
	a.downs, a.resume = 0, time.Time{}
	a.e.locked(func() { a.state.DownSince = time.Time{} })
}

// down says that it cannot.
func (a *again) down() {
	a.resume = time.Now().Add(backoff(downPause, longDown, a.downs))
	a.downs++
	now := a.e.cfg.Now()
	a.e.locked(func() {
		if a.state.DownSince.IsZero() {
			a.state.DownSince = now
		}
	})
}

// ask asks about one look-up. Before anything leaves, the disclosure is on record and the look-up put off, so that a crash between
// the two neither loses it nor has it asked in a loop; afterwards the attempt, the answer, what it adds to the check-in and the
// word to the owner are written at once, and once. The slot is held, and is let go here.
func (a *again) ask(l journal.Lookup) {
	e := a.e
	release := func() { <-a.slot }
	var q queued
	if err := json.Unmarshal(l.Body, &q); err != nil || q.Version != 1 { // of no version that we know: it is kept, and not asked
		release()
		a.next = time.Now().Add(a.every)
		ctx, stop := context.WithTimeout(a.ctx, againDisk)
		defer stop()
		_, _ = a.book.EndLookup(ctx, journal.Turn{
			Attempt:   journal.Attempt{LookupID: l.ID, CheckinID: l.CheckinID, At: e.cfg.Now(), Outcome: outcomeNotAsked},
			NotBefore: e.cfg.Now().Add(longPause),
		})
		return
	}
	name, fields := e.cfg.Insurer.Name(), sent(q.Request)
	disk, stop := context.WithTimeout(a.ctx, againDisk)
	there, err := a.book.BeginLookup(disk, l.ID, e.cfg.Now().Add(max(againWait+againDisk, backoff(firstPause, longPause, l.Attempts))),
		journal.Disclosure{CheckinID: l.CheckinID, At: e.cfg.Now(), To: name, Fields: fields})
	stop()
	if err != nil || !there {
		release()
		if err != nil { // a disk that refuses: nobody is asked without a record
			a.next = time.Now().Add(againIdle)
		}
		return
	}
	a.next = time.Now().Add(a.every)
	ctx, stop := context.WithTimeout(a.ctx, againWait)
	answer, err := e.consult(ctx, &e.loops, q.Request, release, func(p any) { (&job{e: e, checkinID: l.CheckinID}).caught(p) })
	stop()
	a.concluded(l, q, journal.Attempt{
		LookupID: l.ID, CheckinID: l.CheckinID, At: e.cfg.Now(), Outcome: outcomeAnswered, Code: answer.Code, Insurer: name, Fields: fields,
	}, answer, err)
}

// concluded writes down what came of a question.
func (a *again) concluded(l journal.Lookup, q queued, attempt journal.Attempt, answer insurance.Eligibility, err error) {
	e, now := a.e, attempt.At
	t := journal.Turn{}
	raw := answer.Raw
	x := EligibilityChanged{JobID: q.JobID, LookupID: l.ID, Cause: q.Cause}
	if !q.Bare {
		x.CheckinID = l.CheckinID
	}
	tell := err == nil
	stopped := a.ctx.Err() != nil && err != nil && !errors.Is(err, insurance.ErrRequest)
	if err != nil {
		unasked := errors.Is(err, insurance.ErrNotAsked)
		if errors.Is(err, context.DeadlineExceeded) || errors.Is(err, context.Canceled) {
			err = insurance.ErrUnreachable
		}
		id := string(Explain(err).ID)
		switch attempt.Outcome = id; {
		case stopped:
			attempt.Outcome = outcomeCancelled
		case unasked:
			attempt.Outcome = outcomeNotAsked
		}
		answer = insurance.Eligibility{
			State: insurance.Pending, Source: attempt.Insurer, Reason: id, Advice: catalog.StepLookupLater,
			Code: answer.Code, Text: answer.Text, TextEN: answer.TextEN,
		}
		switch {
		case stopped:
			t.NotBefore = now.Add(firstPause)
		case errors.Is(err, insurance.ErrRequest), !unasked && !l.Until.IsZero() && now.After(l.Until) && l.Attempts+1 >= leastTries:
			x.GivenUp, tell = true, true
			answer.State, answer.Advice, answer.AsOf = insurance.Unknown, catalog.StepPrintProof, now
		default:
			t.NotBefore = now.Add(backoff(firstPause, longPause, l.Attempts))
			// Who ends a stay learns at once that its dossier needs the proof, and not in a week.
			if tell = q.Cause != CauseArrival && l.Attempts == 0; tell {
				answer.Advice, answer.AsOf = catalog.StepPrintProof, now
			}
		}
		if !stopped && !errors.Is(err, insurance.ErrRequest) {
			a.down()
		}
		e.cfg.Log("insurance.failed", map[string]any{"checkin": l.CheckinID, "error": id, "asked": !unasked, "again": !t.NotBefore.IsZero()})
	} else {
		a.up()
		if answer.AsOf.IsZero() {
			answer.AsOf = now
		}
	}
	answer.Raw, answer.History = nil, nil
	x.Eligibility, t.Attempt = answer, attempt
	if len(raw) > 0 {
		t.Answer = &journal.Answer{CheckinID: l.CheckinID, LookupID: l.ID, At: now, Body: bounded(raw)}
	}
	ended := t.NotBefore.IsZero()
	if tell {
		body, merr := json.Marshal(x)
		amendment, aerr := json.Marshal(eligibilityAmendment{Eligibility: answer, LookupID: l.ID, GivenUp: x.GivenUp})
		if merr == nil && aerr == nil { // nothing in them can fail to encode
			t.Notice = &journal.Notice{Owner: q.Owner, CheckinID: l.CheckinID, LookupID: l.ID, At: now, Body: body}
			t.Told = &journal.Disclosure{CheckinID: l.CheckinID, At: now, To: q.Owner, Fields: []string{"eligibility"}}
			if ended && !q.Bare {
				t.Amendment = &journal.Amendment{CheckinID: l.CheckinID, At: now, Kind: amendEligibility, Body: amendment}
			}
		}
	}
	// An answer that is there is written down also when the agent stops.
	disk, stop := context.WithTimeout(context.WithoutCancel(a.ctx), min(againDisk, bookWait*2))
	applied, werr := a.book.EndLookup(disk, t)
	stop()
	if t.Amendment != nil && (applied || werr != nil) {
		e.apply(x, werr == nil)
	}
	if applied {
		e.cfg.Log("insurance.again", map[string]any{"checkin": l.CheckinID, "outcome": attempt.Outcome, "cause": q.Cause, "over": ended})
	}
	if t.Notice != nil {
		a.tell()
	}
}

// apply puts a later answer onto a check-in that is in memory.
func (e *Engine) apply(x EligibilityChanged, recorded bool) {
	e.mu.Lock()
	defer e.mu.Unlock()
	for _, j := range e.jobs {
		if j.checkinID != x.CheckinID {
			continue
		}
		if x.GivenUp {
			j.unanswered = append(j.unanswered, x.LookupID)
		}
		known := j.eligible
		if j.state == Void || known == nil || x.GivenUp && known.State != insurance.Pending || known.AsOf.After(x.Eligibility.AsOf) {
			return
		}
		j.unamended = j.unamended || !recorded
		if j.eligible = &x.Eligibility; j.result != nil {
			j.answered()
			e.moved.Notify()
		}
		return
	}
}

// tell gives the owners that are there what they have not got.
func (a *again) tell() {
	e := a.e
	owners := map[string]bool{}
	e.locked(func() {
		for o := range e.subs {
			owners[o.String()] = true
		}
	})
	for o := range owners {
		ctx, stop := context.WithTimeout(a.ctx, againDisk)
		list, err := a.book.Notices(ctx, o, maxNotices)
		if err == nil {
			for _, n := range list {
				if ev, ok := a.event(ctx, n); ok {
					e.notice(o, ev)
				}
			}
		}
		stop()
	}
}

// event is a notice as it is told.
func (a *again) event(ctx context.Context, n journal.Notice) (Event, bool) {
	needed := false
	a.e.locked(func() {
		for o, subs := range a.e.subs {
			for s := range subs {
				needed = needed || o.String() == n.Owner && s.notice < n.Seq
			}
		}
	})
	if !needed {
		return Event{}, false
	}
	var x EligibilityChanged
	if json.Unmarshal(n.Body, &x) != nil {
		return Event{}, false
	}
	x.Attempts = []Attempt{}
	if list, err := a.e.cfg.Book.AttemptsOf(ctx, n.CheckinID); err == nil {
		x.Attempts = attemptsOf(n.LookupID, list)
	}
	b, err := json.Marshal(x)
	return Event{Method: EventEligibility, JobID: x.JobID, Params: b, Notice: n.Seq}, err == nil
}

// attemptsOf are the last attempts of a look-up, oldest first.
func attemptsOf(lookupID string, list []journal.Attempt) []Attempt {
	out := []Attempt{}
	for _, at := range list {
		if at.LookupID == lookupID {
			out = append(out, Attempt{At: at.At, Outcome: at.Outcome, Code: at.Code, LookupID: at.LookupID})
		}
	}
	return slices.Clone(out[max(0, len(out)-maxAttempts):])
}

// notice hands a notice to each socket of an owner that was not given it.
func (e *Engine) notice(owner string, ev Event) {
	e.mu.Lock()
	defer e.mu.Unlock()
	for o, subs := range e.subs {
		if o.String() != owner {
			continue
		}
		for s := range subs {
			if s.notice >= ev.Notice {
				continue
			}
			s.notice = ev.Notice
			select {
			case s.ch <- ev:
			default:
				e.cfg.Log("subscriber.slow", nil)
				e.detach(o, s)
			}
		}
	}
}

// Got says that an owner has got a notice, so that it is not told again. It does not wait for the disk.
func (e *Engine) Got(o Owner, notice int64) {
	if e.again == nil || notice <= 0 {
		return
	}
	e.onDiskLater(func(ctx context.Context) error {
		err := e.again.book.DropNotice(ctx, o.String(), notice)
		if err == nil {
			e.again.notify(false)
		}
		return err
	})
}

// onDiskLater runs something that touches the disk and waits for nothing. There may be no room: it is then not done.
func (e *Engine) onDiskLater(do func(context.Context) error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.stopping {
		return
	}
	select {
	case e.books <- struct{}{}:
	default:
		return
	}
	e.wg.Go(func() {
		defer func() { <-e.books }()
		ctx, cancel := context.WithTimeout(context.Background(), bookWait)
		defer cancel()
		_ = do(ctx)
	})
}

// purge deletes what is too old, once an hour. A clock that jumped since the last time is not believed the first time: what is
// deleted does not come back.
func (a *again) purge() {
	now, wall := time.Now(), a.e.cfg.Now()
	ran := now.Sub(a.purged)
	if ran < purgeEvery {
		return
	}
	jump := wall.Sub(a.wall) - ran
	a.purged, a.wall = now, wall
	if jump > maxJump || jump < -maxJump {
		a.e.cfg.Log("clock.jumped", map[string]any{"minutes": int(jump / time.Minute)})
		return
	}
	ctx, stop := context.WithTimeout(a.ctx, againDisk)
	defer stop()
	if n, err := a.book.Purge(ctx, wall.Add(-a.e.cfg.Keep)); n > 0 || err != nil {
		a.e.cfg.Log("answers.purged", map[string]any{"rows": n, "whole": err == nil})
	}
}
