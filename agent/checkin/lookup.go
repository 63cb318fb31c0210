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
// when j.lookedUp is closed; that is after InsuranceWait at the latest, counted from when the question leaves.
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

// sent names what a question holds: what a disclosure to the insurer lists.
func sent(q insurance.Request) (fields []string) {
	for _, f := range []struct{ name, value string }{
		{"cardCode", q.CardCode}, {"dateOfBirth", q.DateOfBirth}, {"fullName", q.FullName}, {"number", q.Number}, {"sex", q.Sex},
	} {
		if f.value != "" {
			fields = append(fields, f.name)
		}
	}
	return fields
}

// Outcomes of an attempt, beside the ids of errors.
const (
	outcomeAnswered  = "answered"
	outcomeCancelled = "cancelled" // nobody waited for the answer any more
	outcomeNotAsked  = "not_asked" // so it is no proof that anybody was
)

// ask asks and waits, and tells the owner. What leaves for the insurer is on record before it leaves, as a disclosure to
// that insurer (which is written also where a provider then asks nobody), and whatever comes of it is written down as an
// attempt: it is proof that was asked for (NĐ 188/2025 Đ38).
func (j *job) ask(q insurance.Request) {
	e := j.e
	name := e.cfg.Insurer.Name()
	answer, err := insurance.Eligibility{}, error(nil)
	type outcome struct {
		answer insurance.Eligibility
		err    error
	}
	select {
	case e.checks <- struct{}{}:
		j.disclose(name, sent(q)...)
		ctx, cancel := context.WithTimeout(j.ctx, j.insuranceLimit())
		defer cancel()
		came := make(chan outcome, 1)
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
			if ctx.Err() != nil { // the job ended while the disclosure was written
				o.err = &insurance.NotAskedError{Err: ctx.Err()}
				return
			}
			o.answer, o.err = e.cfg.Insurer.Check(ctx, q)
		})
		select {
		case o := <-came:
			answer, err = o.answer, o.err
		case <-ctx.Done():
			err = ctx.Err()
		}
	default: // too many questions are open already
		err = insurance.ErrNotAsked
	}
	if err == nil && !slices.Contains([]insurance.State{insurance.Eligible, insurance.NotEligible, insurance.Check, insurance.Unknown}, answer.State) {
		err = insurance.ErrGarbage
	}
	if len(answer.Code) > maxCode { // a code is a few characters; a journal takes no more than it says
		answer.Code = ""
	}
	attempt := journal.Attempt{LookupID: j.checkinID, At: e.cfg.Now(), Outcome: outcomeAnswered, Code: answer.Code}
	ended := errors.Is(err, context.DeadlineExceeded) || errors.Is(err, context.Canceled)
	if j.ctx.Err() != nil { // nobody waits for it any more, but what left has left
		switch {
		case errors.Is(err, insurance.ErrNotAsked):
			attempt.Outcome = outcomeNotAsked
		case ended:
			attempt.Outcome = outcomeCancelled
		case err != nil:
			attempt.Outcome = string(Explain(err).ID)
		}
		j.write(write{attempt: &attempt})
		return
	}
	unasked := errors.Is(err, insurance.ErrNotAsked)
	// What a provider says of a context that ended is that the insurer was not reached in time.
	if ended {
		err = insurance.ErrUnreachable
	}
	if err != nil {
		id := Explain(err).ID
		raw := answer.Raw
		answer = insurance.Eligibility{State: insurance.Pending, Source: name, Reason: string(id), Advice: catalog.StepLookupLater, Raw: raw}
		if attempt.Outcome = string(id); unasked {
			attempt.Outcome = outcomeNotAsked
		}
		if errors.Is(err, insurance.ErrRequest) { // asking again will not help
			answer.State, answer.Advice = insurance.Unknown, ""
		} else if body, merr := json.Marshal(q); merr == nil {
			j.write(write{lookup: &journal.Lookup{ID: j.checkinID, CheckinID: j.checkinID, NotBefore: e.cfg.Now(), Body: body}})
		}
		j.log("insurance.failed", map[string]any{"error": string(id), "asked": !unasked})
	}
	j.write(write{attempt: &attempt})
	j.disclose(j.key.owner.String(), "eligibility")

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

// disclose writes down that something personal goes to somebody (the owner, the insurer), before it goes.
func (j *job) disclose(to string, fields ...string) {
	if len(fields) == 0 {
		return
	}
	j.write(write{disclosure: &journal.Disclosure{CheckinID: j.checkinID, At: j.e.cfg.Now(), To: to, Fields: fields}})
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
