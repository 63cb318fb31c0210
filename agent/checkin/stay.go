package checkin

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/tapcheck/tapcheck/agent/catalog"
	"github.com/tapcheck/tapcheck/agent/journal"
	"github.com/tapcheck/tapcheck/insurance"
)

// Events of a stay. The values go over the wire and are frozen; end is visit.close.
const (
	StayInpatient = "inpatient"
	StayTransfer  = "transfer"
	StayContinued = "continued"
	stayEnd       = "end"
)

// maxStay bounds the events of one stay: one a day for a year, and some.
const maxStay = 400

// VisitRequest is visit.update, and without an event visit.close.
type VisitRequest struct {
	JobID     string `json:"jobId,omitempty"`
	CheckinID string `json:"checkinId,omitempty"`
	Event     string `json:"event,omitempty"` // inpatient, transfer, continued
	At        string `json:"at"`              // RFC 3339; the same event at the same time is the same
}

// VisitAnswer answers visit.update and visit.close.
type VisitAnswer struct {
	CheckinID   string                 `json:"checkinId"`
	LookupID    string                 `json:"lookupId,omitempty"` // of the look-up that this brings; absent where nobody can be asked
	Visit       *Visit                 `json:"visit,omitempty"`
	Eligibility *insurance.Eligibility `json:"eligibility,omitempty"` // what is known so far
	Unverified  []Unverified           `json:"unverified"`            // look-ups that nobody has answered
	ProofNeeded bool                   `json:"proofNeeded"`           // the dossier needs the proof of the failed look-ups
	Next        []Step                 `json:"next"`
	Recorded    bool                   `json:"recorded"`
}

// Unverified is a look-up of a check-in that has no answer.
type Unverified struct {
	LookupID string    `json:"lookupId"`
	Cause    string    `json:"cause"`
	GivenUp  bool      `json:"givenUp,omitempty"`
	Attempts []Attempt `json:"attempts"` // the last ones, oldest first
}

// stayEvent is an event of a stay in the book.
type stayEvent struct {
	Event    string    `json:"event"`
	At       time.Time `json:"at"`
	LookupID string    `json:"lookupId,omitempty"`
}

// UpdateVisit says that a stay goes on, and has the insurer asked as the law wants it then (TT 12/2026/TT-BTC Đ4). Saying it again
// changes nothing. Errors are of the catalogue: BAD_REQUEST, FORBIDDEN, JOB_UNKNOWN, CHECKIN_UNFINISHED, CHECKIN_VOID,
// JOURNAL_UNREADABLE.
func (e *Engine) UpdateVisit(ctx context.Context, o Owner, rights Rights, lang catalog.Lang, r VisitRequest) (VisitAnswer, error) {
	if err := oneOf("event", r.Event, []string{StayInpatient, StayTransfer, StayContinued}); err != nil {
		return VisitAnswer{}, err
	}
	return e.stays(ctx, o, rights, lang, r)
}

// CloseVisit says that a stay is over, has the insurer asked a last time, and tells what is still unverified. A stay ends once:
// closing it again changes nothing. Errors are those of UpdateVisit.
func (e *Engine) CloseVisit(ctx context.Context, o Owner, rights Rights, lang catalog.Lang, r VisitRequest) (VisitAnswer, error) {
	r.Event = stayEnd
	return e.stays(ctx, o, rights, lang, r)
}

func (e *Engine) stays(ctx context.Context, o Owner, rights Rights, lang catalog.Lang, r VisitRequest) (VisitAnswer, error) {
	if !rights.Insurance {
		return VisitAnswer{}, catalog.New(catalog.Forbidden, map[string]any{"right": "insurance"})
	}
	if err := checkName(r.JobID, r.CheckinID); err != nil {
		return VisitAnswer{}, err
	}
	at, err := time.Parse(time.RFC3339, r.At)
	if now := e.cfg.Now(); err != nil || at.Before(now.AddDate(-2, 0, 0)) || at.After(now.AddDate(0, 0, 1)) {
		return VisitAnswer{}, bad("at", "not a time of RFC 3339 that is near")
	}
	f, err := e.file(ctx, o, r.JobID, r.CheckinID)
	if err != nil {
		return VisitAnswer{}, err
	}
	var event stayEvent
	var known, recorded bool
	e.locked(func() {
		if f.job != nil {
			f = f.job.file()
		}
		switch {
		case f.result.State == Void:
			err = catalog.New(catalog.CheckinVoid, nil)
		case !f.result.State.Final():
			err = catalog.New(catalog.CheckinUnfinished, nil)
		}
		if err != nil {
			return
		}
		if event, known = f.stayed(r.Event, at); known {
			recorded = f.held
			return
		}
		if len(f.stay) >= maxStay {
			err = bad("event", "too many of one stay")
			return
		}
		event = stayEvent{Event: r.Event, At: at}
		if e.asks(f) {
			event.LookupID = lookupID(f.result.CheckinID, r.Event, at)
		}
		f.stay = append(f.stay, event)
	})
	if err != nil {
		return VisitAnswer{}, err
	}
	if !known {
		recorded = e.record(e.stayWrite(o, f, event)) && f.held
		if j := f.job; j != nil && !recorded {
			e.locked(func() { j.unamended = true })
		}
		e.cfg.Log("checkin.amended", map[string]any{"checkin": f.result.CheckinID, "kind": amendStay, "recorded": recorded})
		e.again.notify(false)
	}
	out := VisitAnswer{
		CheckinID: f.result.CheckinID, LookupID: event.LookupID, Visit: copyOf(f.result.Visit), Eligibility: copyOf(f.result.Eligibility), Recorded: recorded,
	}
	if out.Unverified, err = e.unverified(ctx, f); err != nil {
		return VisitAnswer{}, err
	}
	var steps []string
	for _, u := range out.Unverified {
		if out.ProofNeeded = out.ProofNeeded || failed(u.Attempts); out.ProofNeeded {
			steps = []string{catalog.StepPrintProof}
		}
	}
	if event.LookupID == "" && e.cfg.Insurer != nil && !e.otherwise(f) { // nobody knows who it is
		steps = append(steps, catalog.StepIdentifyLater)
	}
	out.Next = words(steps, lang, catalog.StepText, func(id, text string) Step { return Step{id, text} })
	return out, nil
}

// stayed is an event that is on record.
func (a *amended) stayed(event string, at time.Time) (stayEvent, bool) {
	i := slices.IndexFunc(a.stay, func(s stayEvent) bool {
		return s.Event == event && (event == stayEnd || s.At.Equal(at))
	})
	if i < 0 {
		return stayEvent{}, false
	}
	return a.stay[i], true
}

// otherwise says that the insurance of a check-in is not ours to look up: the HIS supplies it, or it is off.
func (e *Engine) otherwise(f *file) bool {
	x := f.result.Eligibility
	return x == nil || x.State == insurance.Off || x.Source == insurance.SourceSupplied
}

// asks says whether the insurer can be asked about a check-in's person. The mutex is held.
func (e *Engine) asks(f *file) bool {
	p := f.person
	if e.cfg.Insurer == nil || e.otherwise(f) || p.FullName == "" || p.DateOfBirth == "" || p.Number+p.CardCode == "" {
		return false
	}
	if a := e.again; a != nil && a.state.Waiting >= maxWaiting {
		a.state.Full = true
		return false
	}
	return true
}

// lookupID names the look-up of an event of a stay, so that it is one however often the event is told.
func lookupID(checkinID, event string, at time.Time) string {
	if event == stayEnd {
		return checkinID + "/" + CauseEnd
	}
	return fmt.Sprintf("%s/%s-%d", checkinID, event, at.UnixMilli())
}

// stayWrite is an event as the book gets it: with its look-up, where there is one.
func (e *Engine) stayWrite(o Owner, f *file, s stayEvent) write {
	now := e.cfg.Now()
	raw, _ := json.Marshal(s) // times within bounds can be encoded
	a := journal.Amendment{CheckinID: f.result.CheckinID, At: now, Kind: amendStay, Body: raw}
	if s.LookupID == "" {
		return write{amendment: &a}
	}
	q := insurance.Request{
		Number: f.person.Number, CardCode: f.person.CardCode, FullName: f.person.FullName, DateOfBirth: f.person.DateOfBirth, Sex: f.person.Sex,
		Desk: f.result.Desk, At: s.At,
	}
	e.locked(func() { q.Care = f.careThen() }) // the stay is shared with whoever tells of the next event
	if f.result.Operator != nil {
		q.Operator = f.result.Operator.ID
	}
	cause := CauseDuring
	if s.Event == stayEnd {
		cause = CauseEnd
	}
	body, _ := json.Marshal(queued{Version: 1, Owner: o.String(), JobID: f.result.JobID, Cause: cause, Event: s.Event, Request: q})
	until := now
	if s.At.After(now) {
		until = s.At
	}
	return write{stay: &journal.Stay{
		Amendment: a,
		Lookup:    journal.Lookup{ID: s.LookupID, CheckinID: f.result.CheckinID, NotBefore: now, Until: until.Add(e.cfg.GiveUp), Body: body},
		Ends:      s.Event == stayEnd,
	}}
}

// careThen is what is known of the visit by now: whoever was admitted since is an inpatient.
func (f *file) careThen() *insurance.Care {
	if !slices.ContainsFunc(f.stay, func(s stayEvent) bool { return s.Event == StayInpatient }) {
		return f.care
	}
	c := insurance.Care{}
	if f.care != nil {
		c = *f.care
	}
	c.Setting = insurance.CareInpatient
	return &c
}

// unverified are the look-ups of a check-in that have no answer: those that wait, and those that were given up.
func (e *Engine) unverified(ctx context.Context, f *file) ([]Unverified, error) {
	out := []Unverified{}
	if e.cfg.Book == nil {
		return out, nil
	}
	if err := ctx.Err(); err != nil {
		return nil, Explain(err)
	}
	type read struct {
		waiting  []journal.Lookup
		attempts []journal.Attempt
	}
	got := make(chan read, 1)
	if ok, _, _ := e.onDisk(&e.wg, func(ctx context.Context) error {
		w, err := e.cfg.Book.LookupsOf(ctx, f.result.CheckinID)
		at, aerr := e.cfg.Book.AttemptsOf(ctx, f.result.CheckinID)
		got <- read{w, at}
		return errors.Join(err, aerr)
	}); !ok {
		return nil, catalog.New(catalog.JournalUnreadable, nil)
	}
	b := <-got
	for _, l := range b.waiting {
		var q queued
		_ = json.Unmarshal(l.Body, &q) // of another version: its cause is then not told
		u := Unverified{LookupID: l.ID, Cause: q.Cause, Attempts: attemptsOf(l.ID, b.attempts)}
		if n := len(u.Attempts); n == 0 || u.Attempts[n-1].Outcome != outcomeAnswered { // it may have been answered between the two questions
			out = append(out, u)
		}
	}
	for _, id := range f.unanswered {
		if !slices.ContainsFunc(out, func(u Unverified) bool { return u.LookupID == id }) {
			out = append(out, Unverified{LookupID: id, Cause: f.cause(id), GivenUp: true, Attempts: attemptsOf(id, b.attempts)})
		}
	}
	return out, nil
}

// cause of a look-up of this check-in.
func (f *file) cause(lookupID string) string {
	for _, s := range f.stay {
		if s.LookupID == lookupID {
			if s.Event == stayEnd {
				return CauseEnd
			}
			return CauseDuring
		}
	}
	return CauseArrival
}

// failed says that a look-up was tried in vain.
func failed(list []Attempt) bool {
	return slices.ContainsFunc(list, func(a Attempt) bool { return failedOutcome(a.Outcome) })
}

// failedOutcome says that an attempt found no answer. One that did not even leave, because those just before it had not reached the
// insurer, has failed this person as much as one that did: while a gateway is down most are such, and the paper says which.
func failedOutcome(outcome string) bool {
	return outcome != outcomeAnswered && outcome != outcomeCancelled
}
