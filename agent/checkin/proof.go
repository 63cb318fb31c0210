package checkin

import (
	"context"
	"errors"
	"slices"
	"strings"
	"time"

	"github.com/tapcheck/tapcheck/agent/catalog"
	"github.com/tapcheck/tapcheck/agent/journal"
	"github.com/tapcheck/tapcheck/insurance"
)

// Proof is what a paper says about the look-ups of one check-in: when who was asked with what, and what came of it (NĐ 188/2025
// Đ38). Of the person it holds what a dossier needs to be matched with it, and no more: the name and the ends of the numbers.
type Proof struct {
	CheckinID string
	Simulated bool
	Means     Means
	StartedAt time.Time
	Desk      string
	Operator  string
	Visit     Visit
	FullName  string
	Number    string // personal number, all but the last four digits covered
	CardCode  string // the same of the insurance card
	State     insurance.State
	Attempts  []ProofAttempt
	Waiting   bool // the agent goes on asking
}

// ProofAttempt is one attempt of a Proof.
type ProofAttempt struct {
	At       time.Time `json:"at"`
	LookupID string    `json:"lookupId"`
	Cause    string    `json:"cause"`
	Insurer  string    `json:"insurer,omitempty"`
	Fields   []string  `json:"fields"` // what was sent: names, never values
	Outcome  string    `json:"outcome"`
	Code     string    `json:"code,omitempty"`
}

// needed says that a look-up has failed and has no answer.
func (p *Proof) needed() bool {
	for _, a := range p.Attempts {
		if failedOutcome(a.Outcome) && !slices.ContainsFunc(p.Attempts, func(o ProofAttempt) bool { return o.LookupID == a.LookupID && o.Outcome == outcomeAnswered }) {
			return true
		}
	}
	return false
}

// ProofRequest is checkin.proof.
type ProofRequest struct {
	JobID     string `json:"jobId,omitempty"`
	CheckinID string `json:"checkinId,omitempty"`
}

// ProofAnswer answers checkin.proof. The paper itself is made by whoever serves it.
type ProofAnswer struct {
	CheckinID        string         `json:"checkinId"`
	EligibilityState string         `json:"eligibilityState,omitempty"`
	Waiting          bool           `json:"waiting"`     // the agent goes on asking
	ProofNeeded      bool           `json:"proofNeeded"` // as in VisitAnswer
	Attempts         []ProofAttempt `json:"attempts"`    // all, oldest first, at most 1000
	HTML             string         `json:"html"`
	Recorded         bool           `json:"recorded"` // that it was told

	Paper Proof `json:"-"` // within what the session may see
}

// ProofFor gives the proof of a check-in to its owner: of the person no more than the session may see. That it is told is on record
// before it leaves. Errors are of the catalogue: BAD_REQUEST, FORBIDDEN, JOB_UNKNOWN, CHECKIN_UNFINISHED, JOURNAL_UNREADABLE.
func (e *Engine) ProofFor(ctx context.Context, o Owner, rights Rights, r ProofRequest) (ProofAnswer, error) {
	if !rights.Insurance {
		return ProofAnswer{}, catalog.New(catalog.Forbidden, map[string]any{"right": "insurance"})
	}
	if err := checkName(r.JobID, r.CheckinID); err != nil {
		return ProofAnswer{}, err
	}
	f, err := e.file(ctx, o, r.JobID, r.CheckinID)
	if err != nil {
		return ProofAnswer{}, err
	}
	if !f.result.State.Final() {
		return ProofAnswer{}, catalog.New(catalog.CheckinUnfinished, nil)
	}
	p := Proof{}
	if e.cfg.Book == nil {
		p = f.proof(nil, false)
	} else {
		type read struct {
			attempts []journal.Attempt
			waiting  int
		}
		got := make(chan read, 1)
		if ok, _, _ := e.onDisk(&e.wg, func(ctx context.Context) error {
			attempts, err := e.cfg.Book.AttemptsOf(ctx, f.result.CheckinID)
			waiting, werr := e.cfg.Book.LookupsOf(ctx, f.result.CheckinID)
			got <- read{attempts, len(waiting)}
			return errors.Join(err, werr)
		}); !ok {
			return ProofAnswer{}, catalog.New(catalog.JournalUnreadable, nil)
		}
		b := <-got
		p = f.proof(b.attempts, b.waiting > 0)
	}
	recorded := e.tellProof(o, &p, func(field string) bool { return field == "cardCode" || slices.Contains(rights.Fields, field) })
	out := ProofAnswer{CheckinID: p.CheckinID, EligibilityState: string(p.State), Waiting: p.Waiting, ProofNeeded: p.needed(), Attempts: p.Attempts, Recorded: recorded, Paper: p}
	if out.Attempts == nil {
		out.Attempts = []ProofAttempt{}
	}
	for i := range out.Attempts {
		if out.Attempts[i].Fields == nil {
			out.Attempts[i].Fields = []string{}
		}
	}
	return out, nil
}

// PaperDue is a check-in of a list of those whose look-ups have failed: what a desk finds it again by, and no more of the person than
// the paper shows.
type PaperDue struct {
	CheckinID        string    `json:"checkinId"`
	Client           string    `json:"client"` // the origin, or "desktop:" and the id of the token, or the console
	Means            Means     `json:"means,omitempty"`
	State            State     `json:"state"`
	StartedAt        time.Time `json:"startedAt"`
	Visit            *Visit    `json:"visit,omitempty"`
	Number           string    `json:"number,omitempty"`   // all but the last four digits covered
	CardCode         string    `json:"cardCode,omitempty"` // the same
	EligibilityState string    `json:"eligibilityState,omitempty"`
	FailedAttempts   int       `json:"failedAttempts"`
	LastFailed       time.Time `json:"lastFailed"`
	ProofNeeded      bool      `json:"proofNeeded"`
}

// Papers are check-ins, the newest first. More says that there are older ones that are not among them.
type Papers struct {
	Papers []PaperDue `json:"papers"`
	More   bool       `json:"more,omitempty"`
}

// maxPapers bounds a list of them.
const maxPapers = 200

// Papers lists the check-ins with look-ups that have failed since a time, of a session of the operating system and of the user behind
// it, whichever program has asked for them: also those of which only a later look-up has failed. They are in the book, so what
// runs is not among them. Errors are of the catalogue: JOURNAL_UNREADABLE.
func (e *Engine) Papers(ctx context.Context, session, user string, since time.Time) (Papers, error) {
	out := Papers{Papers: []PaperDue{}}
	if e.cfg.Book == nil || session == "" {
		return out, nil
	}
	if user == "" {
		user = session
	}
	if err := ctx.Err(); err != nil {
		return out, Explain(err)
	}
	type read struct {
		files  []*file
		owners map[string]string
		asked  []journal.Asked
	}
	got := make(chan read, 1)
	if ok, _, _ := e.onDisk(&e.wg, func(ctx context.Context) error {
		rows, err := e.cfg.Book.Failed(ctx, since, [2]string{session, user}, maxPapers+1)
		if err != nil {
			return err
		}
		r := read{owners: map[string]string{}}
		ids := make([]string, 0, len(rows))
		for _, row := range rows {
			ids = append(ids, row.ID)
			r.owners[row.ID] = row.Owner
		}
		if r.files, err = e.files(ctx, rows); err != nil {
			return err
		}
		r.asked, err = e.cfg.Book.Asked(ctx, ids...)
		got <- r
		return err
	}); !ok {
		return out, catalog.New(catalog.JournalUnreadable, nil)
	}
	r := <-got
	for _, f := range r.files {
		client, _, _ := strings.Cut(r.owners[f.result.CheckinID], " ")
		d := PaperDue{
			CheckinID: f.result.CheckinID, Client: client, Means: f.result.Means, State: f.result.State, StartedAt: f.result.StartedAt, Visit: f.result.Visit,
			Number: cover(f.person.Number), CardCode: cover(f.person.CardCode),
		}
		if x := f.result.Eligibility; x != nil {
			d.EligibilityState = string(x.State)
		}
		if i := slices.IndexFunc(r.asked, func(a journal.Asked) bool { return a.CheckinID == d.CheckinID }); i >= 0 {
			d.FailedAttempts, d.LastFailed, d.ProofNeeded = r.asked[i].Failed, r.asked[i].LastFailed, r.asked[i].Unanswered
		}
		out.Papers = append(out.Papers, d)
	}
	if out.More = len(out.Papers) > maxPapers; out.More {
		out.Papers = out.Papers[:maxPapers]
	}
	return out, nil
}

// Proof gives the proof of a check-in to whoever is in the session of the operating system, or is the user behind it, whose check-in
// it is, whichever program has asked for it: to.Client names who is told now. As with ProofFor that is on record before it leaves. Errors
// are of the catalogue: BAD_REQUEST, JOB_UNKNOWN, JOURNAL_UNREADABLE.
func (e *Engine) Proof(ctx context.Context, to Owner, checkinID string) (Proof, error) {
	if err := checkName("", checkinID); err != nil {
		return Proof{}, err
	}
	theirs := func(owner string) bool {
		_, whose, _ := strings.Cut(owner, " ")
		return whose != "" && (whose == to.Session || whose == to.User)
	}
	unknown := catalog.New(catalog.JobUnknown, nil)
	var f *file
	e.locked(func() {
		for _, j := range e.jobs {
			if j.checkinID == checkinID && theirs(j.key.owner.String()) {
				f = j.file()
			}
		}
	})
	if e.cfg.Book == nil {
		return Proof{}, unknown
	}
	if err := ctx.Err(); err != nil {
		return Proof{}, Explain(err)
	}
	type read struct {
		file     *file
		attempts []journal.Attempt
		waiting  int
	}
	got := make(chan read, 1)
	ok, _, _ := e.onDisk(&e.wg, func(ctx context.Context) error {
		r := read{file: f}
		if f == nil {
			row, err := e.cfg.Book.CheckinByID(ctx, checkinID)
			if errors.Is(err, journal.ErrNone) || err == nil && !theirs(row.Owner) {
				got <- read{}
				return nil
			}
			if err != nil {
				return err
			}
			added, err := e.cfg.Book.Amendments(ctx, row.ID)
			if err != nil {
				return err
			}
			if r.file, err = filed(row, added); err != nil {
				return err
			}
		}
		attempts, err := e.cfg.Book.AttemptsOf(ctx, checkinID)
		if err != nil {
			return err
		}
		waiting, err := e.cfg.Book.LookupsOf(ctx, checkinID)
		r.attempts, r.waiting = attempts, len(waiting)
		got <- r
		return err
	})
	if !ok {
		return Proof{}, catalog.New(catalog.JournalUnreadable, nil)
	}
	r := <-got
	if r.file == nil {
		return Proof{}, unknown
	}
	p := r.file.proof(r.attempts, r.waiting > 0)
	e.tellProof(to, &p, func(string) bool { return true })
	return p, nil
}

// tellProof takes out of a proof what may not be told, and has it on record who is told the rest; it says whether that is durable.
func (e *Engine) tellProof(to Owner, p *Proof, may func(field string) bool) (recorded bool) {
	told := []string{"eligibility"}
	for _, part := range []struct {
		name  string
		value *string
	}{{"fullName", &p.FullName}, {"number", &p.Number}, {"cardCode", &p.CardCode}} {
		if !may(part.name) {
			*part.value = ""
		} else if *part.value != "" {
			told = append(told, part.name)
		}
	}
	j := &job{e: e, key: jobKey{owner: to}, checkinID: p.CheckinID}
	j.disclose(to.String(), told...)
	e.locked(func() { recorded = !j.unwritten })
	return recorded
}

func (f *file) proof(attempts []journal.Attempt, waiting bool) Proof {
	p := Proof{
		CheckinID: f.result.CheckinID, Simulated: f.result.Simulated, Means: f.result.Means, StartedAt: f.result.StartedAt, Desk: f.result.Desk,
		FullName: f.person.FullName, Number: cover(f.person.Number), CardCode: cover(f.person.CardCode), Waiting: waiting,
	}
	if o := f.result.Operator; o != nil {
		p.Operator = o.ID
	}
	if v := f.result.Visit; v != nil {
		p.Visit = *v
	}
	if x := f.result.Eligibility; x != nil {
		p.State = x.State
	}
	for _, a := range attempts {
		p.Attempts = append(p.Attempts, ProofAttempt{At: a.At, LookupID: a.LookupID, Cause: f.cause(a.LookupID), Insurer: a.Insurer, Fields: a.Fields, Outcome: a.Outcome, Code: a.Code})
	}
	return p
}

// cover shows the last four characters of a number.
func cover(s string) string {
	if len(s) <= 4 {
		return ""
	}
	return strings.Repeat("•", len(s)-4) + s[len(s)-4:]
}
