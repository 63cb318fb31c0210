package checkin

import (
	"context"
	"encoding/json"
	"errors"
	"slices"

	"github.com/tapcheck/tapcheck/agent/catalog"
	"github.com/tapcheck/tapcheck/agent/journal"
	"github.com/tapcheck/tapcheck/insurance"
)

// maxCode bounds the raw result code of an insurer, in bytes.
const maxCode = 32

// errPanic stands for a provider that panicked.
var errPanic = errors.New("provider panicked")

// lookUp begins to ask about a person, once per job, beside whatever else the job does. What comes out is in j.eligible
// when j.lookedUp is closed; that is after InsuranceWait at the latest, counted from here.
func (j *job) lookUp(q insurance.Request) {
	e := j.e
	e.mu.Lock()
	defer e.mu.Unlock()
	if j.looking || j.readOnly {
		return
	}
	switch {
	case j.req.Insurance == "supplied":
		j.eligible = j.req.Eligibility
		return
	case j.req.Insurance == "off" || e.cfg.Insurer == nil:
		j.eligible = &insurance.Eligibility{State: insurance.Off}
		return
	}
	j.looking = true
	e.wg.Go(func() {
		defer close(j.lookedUp)
		defer func() {
			if p := recover(); p != nil {
				j.caught(p)
			}
		}()
		j.ask(q)
	})
}

// ask asks and waits, writes the attempt down (it is proof that was asked for: NĐ 188/2025 Đ38), and tells the owner.
func (j *job) ask(q insurance.Request) {
	e := j.e
	name, answer, err := "", insurance.Eligibility{}, error(nil)
	type outcome struct {
		answer insurance.Eligibility
		err    error
	}
	ctx, cancel := context.WithTimeout(j.ctx, j.insuranceLimit())
	defer cancel()
	came := make(chan outcome, 1)
	select {
	case e.checks <- struct{}{}:
		// A provider that does not heed its context keeps its slot and nothing else.
		e.wg.Go(func() {
			defer func() { <-e.checks }()
			var o outcome
			defer func() {
				if p := recover(); p != nil {
					j.caught(p)
					o = outcome{err: errPanic}
				}
				came <- o
			}()
			o.answer, o.err = e.cfg.Insurer.Check(ctx, q)
		})
		name = e.cfg.Insurer.Name()
		select {
		case o := <-came:
			answer, err = o.answer, o.err
		case <-ctx.Done():
			err = insurance.ErrUnreachable
		}
	default:
		err = insurance.ErrUnreachable
	}
	if j.ctx.Err() != nil {
		return // nobody waits for it any more
	}
	// What a provider says of a context that ended is that the insurer was not reached in time.
	if errors.Is(err, context.DeadlineExceeded) || errors.Is(err, context.Canceled) {
		err = insurance.ErrUnreachable
	}
	if err == nil && !slices.Contains([]insurance.State{insurance.Eligible, insurance.NotEligible, insurance.Check, insurance.Unknown}, answer.State) {
		err = insurance.ErrGarbage
	}

	if len(answer.Code) > maxCode { // a code is a few characters; a journal takes no more than it says
		answer.Code = ""
	}
	attempt := journal.Attempt{LookupID: j.checkinID, At: e.cfg.Now(), Outcome: "answered", Code: answer.Code}
	if err != nil {
		id := Explain(err).ID
		raw := answer.Raw
		answer = insurance.Eligibility{State: insurance.Pending, Source: name, Reason: string(id), Advice: catalog.StepLookupLater, Raw: raw}
		attempt.Outcome = string(id)
		if errors.Is(err, insurance.ErrNotAsked) {
			attempt.Outcome = "not_asked" // nobody was asked, so this is no proof that anybody was
		}
		if errors.Is(err, insurance.ErrRequest) { // asking again will not help
			answer.State, answer.Advice = insurance.Unknown, ""
		} else if body, merr := json.Marshal(q); merr == nil {
			j.write(write{lookup: &journal.Lookup{ID: j.checkinID, CheckinID: j.checkinID, NotBefore: e.cfg.Now(), Body: body}})
		}
		j.log("insurance.failed", map[string]any{"error": string(id)})
	}
	j.write(write{attempt: &attempt})
	j.disclose("eligibility")

	select {
	case <-j.told:
	case <-j.ctx.Done():
		return
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	j.eligible = &answer
	j.timings.EligibilityMs = j.sinceTap()
	j.partial(false)
}

// disclose writes down that something personal goes to the owner, before it goes.
func (j *job) disclose(fields ...string) {
	if len(fields) == 0 {
		return
	}
	j.write(write{disclosure: &journal.Disclosure{CheckinID: j.checkinID, At: j.e.cfg.Now(), To: j.key.owner.String(), Fields: fields}})
}

// number is a check-in by number: the person on the HIS's word, and what the insurer says of them.
func (j *job) number() error {
	s := j.req.Subject
	j.e.mu.Lock()
	j.state, j.tapped = Running, j.started
	j.progress(PhaseInsurance, 0)
	j.e.mu.Unlock()
	if x := j.req.Expect; x != nil && x.Number != s.Number {
		return catalog.New(catalog.PersonUnexpected, nil)
	}
	close(j.told) // by whoever asked
	j.lookUp(insurance.Request{Number: s.Number, CardCode: s.CardCode, FullName: s.FullName, DateOfBirth: s.DateOfBirth, Sex: s.Sex})
	return nil
}
