package checkin

import (
	"context"
	"errors"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/tapcheck/tapcheck/agent/catalog"
	"github.com/tapcheck/tapcheck/agent/journal"
	"github.com/tapcheck/tapcheck/icao/lds"
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
	q.Care = j.care()
	j.question = q
	switch {
	case j.req.Insurance == "supplied":
		said := insurance.Supplied(*j.req.Eligibility, e.cfg.Now())
		insurance.Judge(&said, q, e.cfg.Facility, e.cfg.Now())
		j.eligible = &said
		return
	case j.req.Insurance == "off" || e.cfg.Insurer == nil:
		j.eligible = &insurance.Eligibility{State: insurance.Off}
		return
	}
	j.looking = true
	q = j.by(q)
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

// care is what is known of the visit that its route depends on.
func (j *job) care() *insurance.Care { return careOf(j.req.Care, j.req.Means) }

func careOf(said *insurance.Care, means Means) *insurance.Care {
	c := insurance.Care{}
	if said != nil {
		c = *said
	}
	if means == MeansEmergency && !slices.Contains(c.Grounds, insurance.GroundEmergency) {
		c.Grounds = append(slices.Clone(c.Grounds), insurance.GroundEmergency)
	}
	if c.Setting == "" && len(c.Grounds) == 0 {
		return nil
	}
	return &c
}

// by adds to a question who asks it.
func (j *job) by(q insurance.Request) insurance.Request {
	if j.req.Operator != nil {
		q.Operator = j.req.Operator.ID
	}
	q.Desk = j.req.Desk
	return q
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
	var answer insurance.Eligibility
	var err error
	e.locked(func() { e.live++ })
	select {
	case e.checks <- struct{}{}:
		j.disclose(name, sent(q)...)
		ctx, cancel := context.WithTimeout(j.ctx, j.insuranceLimit())
		defer cancel()
		answer, err = e.consult(ctx, &e.wg, q, func() { <-e.checks }, func(p any) { j.caught(p) })
	default: // too many questions are open already
		err = insurance.ErrNotAsked
	}
	e.locked(func() { e.live-- })
	e.again.notify(err == nil)
	attempt := journal.Attempt{LookupID: j.checkinID, CheckinID: j.checkinID, At: e.cfg.Now(), Outcome: outcomeAnswered, Code: answer.Code, Insurer: name, Fields: sent(q)}
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
		answer = insurance.Eligibility{
			State: insurance.Pending, Source: name, Reason: string(id), Advice: catalog.StepLookupLater,
			Code: answer.Code, Text: answer.Text, TextEN: answer.TextEN, Raw: answer.Raw, // what the insurer said is wrong
		}
		if attempt.Outcome = string(id); unasked {
			attempt.Outcome = outcomeNotAsked
		}
		if errors.Is(err, insurance.ErrRequest) { // asking again will not help
			answer.State, answer.Advice = insurance.Unknown, ""
		} else if !e.enqueue(j, q) { // nobody will ask again, so nothing is pending
			answer.State, answer.Advice = insurance.Unknown, ""
		}
		j.log("insurance.failed", map[string]any{"error": string(id), "asked": !unasked})
	}
	j.write(write{attempt: &attempt})
	if len(answer.Raw) > 0 {
		j.write(write{answer: &journal.Answer{CheckinID: j.checkinID, LookupID: j.checkinID, At: attempt.At, Body: bounded(answer.Raw)}})
	}
	e.locked(func() { j.attempt = &attempt })
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

// consult asks the insurer, and holds its answer to what an answer may be. release is called when the insurer's client has come
// back, which one that does not heed its context may do much later than consult does.
func (e *Engine) consult(ctx context.Context, wg *sync.WaitGroup, q insurance.Request, release func(), caught func(any)) (insurance.Eligibility, error) {
	type outcome struct {
		answer insurance.Eligibility
		err    error
	}
	came := make(chan outcome, 1)
	wg.Go(func() {
		defer release()
		var o outcome
		defer func() {
			if p := recover(); p != nil {
				caught(p)
				o = outcome{err: errPanic}
			}
			came <- o
		}()
		if ctx.Err() != nil { // it ended while the disclosure was written
			o.err = &insurance.NotAskedError{Err: ctx.Err()}
			return
		}
		o.answer, o.err = e.cfg.Insurer.Check(ctx, q)
	})
	var o outcome
	select {
	case o = <-came:
	case <-ctx.Done():
		o.err = ctx.Err()
	}
	if o.err == nil && !slices.Contains([]insurance.State{insurance.Eligible, insurance.NotEligible, insurance.Check, insurance.Unknown}, o.answer.State) {
		o.err = insurance.ErrGarbage
	}
	if len(o.answer.Code) > maxCode { // a code is a few characters; a journal takes no more than it says
		o.answer.Code = ""
	}
	return o.answer, o.err
}

// bounded is an answer that a journal takes.
func bounded(raw []byte) []byte { return raw[:min(len(raw), journal.MaxBody)] }

// disclose writes down that something personal goes to somebody (the owner, the insurer), before it goes.
func (j *job) disclose(to string, fields ...string) {
	if len(fields) == 0 {
		return
	}
	j.write(write{disclosure: &journal.Disclosure{CheckinID: j.checkinID, At: j.e.cfg.Now(), To: to, Fields: fields}})
}

// said is the person as the owner may know it: all of what the owner said itself, and of what a code says that somebody scanned
// no more than the job's fields, and the card's code. The mutex is held.
func (j *job) said() *Subject {
	if j.subject == nil || !j.scanned {
		return copyOf(j.subject)
	}
	i := Filter(&lds.Identity{Number: j.subject.Number, FullName: j.subject.FullName, DateOfBirth: j.subject.DateOfBirth, Sex: j.subject.Sex}, j.fields)
	return &Subject{Number: i.Number, CardCode: j.subject.CardCode, FullName: i.FullName, DateOfBirth: i.DateOfBirth, Sex: i.Sex}
}

// names lists what a subject holds.
func (s *Subject) names() []string {
	return sent(insurance.Request{Number: s.Number, CardCode: s.CardCode, FullName: s.FullName, DateOfBirth: s.DateOfBirth, Sex: s.Sex})
}

// desk is a check-in without a chip: the person on the HIS's word or as a paper card's code says, and what the insurer says of
// them, as far as there is enough to ask with. An emergency waits for nothing and nobody.
func (j *job) desk() error {
	e := j.e
	var s *Subject
	e.locked(func() {
		j.state, j.tapped = Running, j.started
		if s = j.subject; s == nil && j.req.Means == MeansPaperCard {
			j.progress(PhaseWaiting, 0)
		} else {
			j.progress(PhaseInsurance, 0)
		}
	})
	if s == nil && j.req.Means == MeansPaperCard {
		if err := j.awaitPaper(); err != nil {
			return err
		}
		e.locked(func() {
			s, j.tapped = j.subject, time.Now()
			j.progress(PhaseInsurance, 0)
		})
	}
	if s == nil {
		s = &Subject{}
	}
	if x := j.req.Expect; x != nil && (s.Number != "" || j.req.Means == MeansNumber) && x.Number != s.Number {
		return catalog.New(catalog.PersonUnexpected, nil)
	}
	if j.scanned { // what the client said itself is disclosed to nobody
		var told *Subject
		e.locked(func() { told = j.said() })
		j.disclose(j.key.owner.String(), told.names()...)
	}
	close(j.told) // by whoever asked
	q := insurance.Request{Number: s.Number, CardCode: s.CardCode, FullName: s.FullName, DateOfBirth: s.DateOfBirth, Sex: s.Sex}
	if enough := q.FullName != "" && q.DateOfBirth != "" && q.Number+q.CardCode != ""; !enough && j.incomplete() {
		return nil
	}
	j.lookUp(q)
	return nil
}

// incomplete says that nobody can be asked about this person, if the means is one where that is nobody's mistake; it is then
// known what the insurance is: unknown, until somebody knows more.
func (j *job) incomplete() bool {
	e := j.e
	e.mu.Lock()
	defer e.mu.Unlock()
	switch {
	case j.req.Means != MeansNoCard && j.req.Means != MeansEmergency && j.req.Means != MeansPaperCard:
		return false // the insurer's client says itself what is missing
	case j.req.Insurance == "supplied" || j.req.Insurance == "off" || e.cfg.Insurer == nil:
		return false
	}
	j.eligible = &insurance.Eligibility{State: insurance.Unknown, Source: e.cfg.Insurer.Name(), Reason: string(catalog.InsuranceRequest)}
	return true
}

// awaitPaper asks the desk for the QR code of the paper card.
func (j *job) awaitPaper() error {
	until := time.Now().Add(j.needLimit())
	err := j.await(func() time.Time { return until }, func() bool {
		if j.subject != nil {
			j.clearNeed()
			return true
		}
		j.needs(NeedKey, catalog.PaperQRMissing, nil, until)
		return false
	})
	if errors.Is(err, errExpired) {
		return catalog.New(catalog.PaperQRMissing, nil)
	}
	return err
}

// CheckRequest is insurance.check: about the person of a check-in, or about somebody who is named.
type CheckRequest struct {
	JobID       string `json:"jobId,omitempty"`
	CheckinID   string `json:"checkinId,omitempty"`
	Number      string `json:"number,omitempty"`
	CardCode    string `json:"cardCode,omitempty"`
	FullName    string `json:"fullName,omitempty"`
	DateOfBirth string `json:"dateOfBirth,omitempty"`
	Sex         string `json:"sex,omitempty"`
	History     bool   `json:"history,omitempty"` // also what the person was treated for

	Care *insurance.Care `json:"care,omitempty"` // what the route depends on; nil: what the check-in's request said

	Operator *Operator `json:"-"` // who asks; of the session
}

// Check answers insurance.check.
type Check struct {
	Eligibility insurance.Eligibility `json:"eligibility"`
	Attempt     Attempt               `json:"attempt"`
	Recorded    bool                  `json:"recorded"`
}

// Attempt is the dated proof that somebody was asked (NĐ 188/2025 Đ38).
type Attempt struct {
	At       time.Time `json:"at"`
	Outcome  string    `json:"outcome"` // answered, not_asked, cancelled, or the id of an error
	Code     string    `json:"code,omitempty"`
	LookupID string    `json:"lookupId"`
}

// eligibilityAmendment is a later answer in the book.
type eligibilityAmendment struct {
	Eligibility insurance.Eligibility `json:"eligibility"`
	LookupID    string                `json:"lookupId,omitempty"` // of the queue
	GivenUp     bool                  `json:"givenUp,omitempty"`  // nobody has answered, and nobody will be asked again
}

// CheckInsurance asks the insurer now, and waits for the answer, at most Config.InsuranceWait. What is asked about a check-in
// becomes part of it. Errors are of the catalogue: BAD_REQUEST, FORBIDDEN, JOB_UNKNOWN, CHECKIN_UNFINISHED, CHECKIN_VOID,
// JOURNAL_UNREADABLE, AGENT_STOPPING. An insurer that does not answer is none: the eligibility says so.
func (e *Engine) CheckInsurance(ctx context.Context, o Owner, rights Rights, lang catalog.Lang, r CheckRequest) (Check, error) {
	if !rights.Insurance {
		return Check{}, catalog.New(catalog.Forbidden, map[string]any{"right": "insurance"})
	}
	if r.History && !rights.History {
		return Check{}, catalog.New(catalog.Forbidden, map[string]any{"right": "history"})
	}
	if r.Care != nil {
		if err := checkCare(*r.Care); err != nil {
			return Check{}, err
		}
	}
	s := Subject{Number: r.Number, CardCode: r.CardCode, FullName: r.FullName, DateOfBirth: r.DateOfBirth, Sex: r.Sex}
	var f *file
	id := newID(e.cfg.Now())
	if r.JobID != "" || r.CheckinID != "" {
		if s != (Subject{}) {
			return Check{}, bad("number", "either a check-in or a person")
		}
		if err := checkName(r.JobID, r.CheckinID); err != nil {
			return Check{}, err
		}
		var err error
		if f, err = e.file(ctx, o, r.JobID, r.CheckinID); err != nil {
			return Check{}, err
		}
		switch {
		case f.result.State == Void:
			return Check{}, catalog.New(catalog.CheckinVoid, nil)
		case !f.result.State.Final(): // it asks itself
			return Check{}, catalog.New(catalog.CheckinUnfinished, nil)
		}
		s, id = f.person, f.result.CheckinID
	} else {
		if err := s.check(e.cards()); err != nil {
			field, _ := err.Detail["field"].(string)
			problem, _ := err.Detail["problem"].(string)
			return Check{}, bad(strings.TrimPrefix(field, "subject."), problem)
		}
		if s.Number+s.CardCode == "" {
			return Check{}, bad("number", "missing")
		}
	}
	if e.cfg.Insurer == nil {
		return Check{Eligibility: insurance.Eligibility{State: insurance.Off}, Attempt: Attempt{At: e.cfg.Now(), Outcome: outcomeNotAsked, LookupID: id}, Recorded: true}, nil
	}
	// A job that nobody can see (bare: nor does a check-in stand behind it): it asks, and leaves in the book what every look-up leaves there.
	j := &job{
		e: e, key: jobKey{owner: o}, checkinID: id, lang: lang, state: Complete, startedAt: e.cfg.Now(), started: time.Now(),
		done: make(chan struct{}), told: make(chan struct{}), lookedUp: make(chan struct{}), req: Request{Operator: r.Operator}, bare: f == nil,
	}
	if f != nil {
		j.key.id = f.result.JobID
		j.req.Desk = f.result.Desk
	}
	close(j.told)
	j.ctx, j.cancel = context.WithCancelCause(ctx)
	defer j.cancel(nil)
	stopping := false
	e.locked(func() {
		if stopping = e.stopping; !stopping {
			e.asking[j] = true
			e.wg.Add(1)
		}
	})
	if stopping {
		return Check{}, catalog.New(catalog.AgentStopping, nil)
	}
	defer e.wg.Done()
	defer e.locked(func() { delete(e.asking, j) })
	q := j.by(insurance.Request{Number: s.Number, CardCode: s.CardCode, FullName: s.FullName, DateOfBirth: s.DateOfBirth, Sex: s.Sex})
	if q.Care = careOf(r.Care, ""); f != nil {
		if q.Care = careOf(r.Care, f.result.Means); r.Care == nil {
			e.locked(func() { q.Care = f.careThen() })
		}
	}
	j.ask(q)
	if j.eligible == nil || j.attempt == nil { // nobody waits any more
		if e, ok := errors.AsType[*catalog.Error](context.Cause(j.ctx)); ok {
			return Check{}, e
		}
		return Check{}, catalog.New(catalog.Cancelled, nil)
	}
	out := Check{
		Eligibility: *j.eligible, Recorded: !j.unwritten,
		Attempt: Attempt{At: j.attempt.At, Outcome: j.attempt.Outcome, Code: j.attempt.Code, LookupID: id},
	}
	if r.History { // into this answer alone: what goes into the book is j.eligible
		out.Eligibility.History = j.history(q)
		out.Recorded = !j.unwritten
	}
	if f == nil || j.attempt.Outcome != outcomeAnswered { // what was known before is better than that
		return out, nil
	}
	e.drop(id)
	_, recorded, err := e.amend(ctx, o, r.JobID, r.CheckinID, func(f *file) (string, any, error) {
		if f.void != nil {
			return "", nil, nil
		}
		f.result.Eligibility = j.eligible
		if f.job != nil && f.job.result != nil {
			f.job.eligible = j.eligible
			f.job.answered()
		}
		return amendEligibility, eligibilityAmendment{Eligibility: *j.eligible}, nil
	})
	out.Recorded = out.Recorded && recorded && err == nil
	return out, nil
}

// history asks what the person was treated for. Whatever comes of it, it is there: a failure spoils nothing but itself.
func (j *job) history(q insurance.Request) *insurance.History {
	e := j.e
	p, ok := e.cfg.Insurer.(insurance.HistoryProvider)
	if !ok {
		return &insurance.History{Reason: string(catalog.NotAvailable)}
	}
	type outcome struct {
		history insurance.History
		err     error
	}
	o := outcome{err: insurance.ErrNotAsked}
	select {
	case e.checks <- struct{}{}:
		j.disclose(p.Name(), sent(q)...)
		ctx, cancel := context.WithTimeout(j.ctx, j.insuranceLimit())
		defer cancel()
		came := make(chan outcome, 1)
		e.wg.Go(func() {
			defer func() { <-e.checks }()
			o := outcome{err: errPanic}
			defer func() { came <- o }()
			defer func() {
				if p := recover(); p != nil {
					j.caught(p)
				}
			}()
			o.history, o.err = p.History(ctx, q)
		})
		select {
		case o = <-came:
		case <-ctx.Done():
			o.err = insurance.ErrUnreachable
		}
	default: // too many questions are open already
	}
	if o.err != nil {
		if errors.Is(o.err, context.DeadlineExceeded) || errors.Is(o.err, context.Canceled) {
			o.err = insurance.ErrUnreachable
		}
		id := string(Explain(o.err).ID)
		j.log("insurance.history", map[string]any{"error": id})
		return &insurance.History{AsOf: o.history.AsOf, Code: o.history.Code, Reason: id}
	}
	j.disclose(j.key.owner.String(), "history")
	return &o.history
}

// answered puts a later answer of the insurer into the result that a finished job gives. The mutex is held.
func (j *job) answered() {
	r := *j.result
	j.cards = replaced(j.cards, r.Eligibility, j.eligible)
	r.Eligibility = j.eligible
	// What the two parts of the chip or the scan say of each other stays.
	r.Differences = slices.Concat(r.Eligibility.Differences, slices.DeleteFunc(slices.Clone(r.Differences), func(d insurance.Difference) bool { return d.Between == insurance.BetweenGateway }))
	r.Claim = claimOf(r, j.e.cfg.Codes, j.cards...)
	var failure *catalog.Error
	if r.Error != nil {
		failure = catalog.New(r.Error.ID, nil)
	}
	r.Next = words(nextIDs(r, failure), j.lang, catalog.StepText, func(id, text string) Step { return Step{id, text} })
	r.Warnings = slices.DeleteFunc(slices.Clone(r.Warnings), func(w Warning) bool { return w.ID == catalog.WarnNameDiffers || w.ID == catalog.WarnTraining })
	var ids []string
	if disagrees(r.Eligibility) {
		ids = append(ids, catalog.WarnNameDiffers)
	}
	if r.Eligibility.Source == insurance.SourceTraining {
		ids = append(ids, catalog.WarnTraining)
	}
	r.Warnings = append(r.Warnings, words(ids, j.lang, catalog.WarningText, func(id, text string) Warning { return Warning{id, text} })...)
	j.result = &r
}

// replaced adds to the earlier cards of a visit the one that the person was covered by until now, where that is another one: the
// claim of such a visit names both (QĐ 4750/QĐ-BYT). A card that somebody still had to look at is not taken for one.
func replaced(cards []insurance.Card, before, now *insurance.Eligibility) []insurance.Card {
	if before == nil || now == nil || before.State != insurance.Eligible || now.State != insurance.Eligible ||
		before.Card == nil || now.Card == nil || before.Card.Code == "" || before.Card.Code == now.Card.Code {
		return cards
	}
	code := func(k insurance.Card) bool { return k.Code == before.Card.Code || k.Code == now.Card.Code }
	return append(slices.DeleteFunc(slices.Clone(cards), code), *before.Card)
}

// personOf is whom a result is about, as far as it says: what an owner was told, or told us.
func personOf(r Result) Subject {
	var s Subject
	switch {
	case r.Subject != nil:
		s = *r.Subject
	case r.Identity != nil:
		s = Subject{Number: r.Identity.Number, FullName: r.Identity.FullName, DateOfBirth: r.Identity.DateOfBirth, Sex: r.Identity.Sex}
	}
	if e := r.Eligibility; s.CardCode == "" && e != nil && e.Card != nil {
		s.CardCode = e.Card.Code
	}
	return s
}
