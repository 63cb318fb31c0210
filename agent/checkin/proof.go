package checkin

import (
	"context"
	"errors"
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
	At      time.Time
	Cause   string
	Insurer string
	Fields  []string
	Outcome string
	Code    string
}

// Proof gives the proof of a check-in to a session of the operating system, or of the user behind it, whose check-in it is,
// whichever program has asked for it. Errors are of the catalogue: BAD_REQUEST, JOB_UNKNOWN, JOURNAL_UNREADABLE.
func (e *Engine) Proof(ctx context.Context, session, user, checkinID string) (Proof, error) {
	if err := checkName("", checkinID); err != nil {
		return Proof{}, err
	}
	theirs := func(owner string) bool {
		_, whose, _ := strings.Cut(owner, " ")
		return whose != "" && (whose == session || whose == user)
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
	return r.file.proof(r.attempts, r.waiting > 0), nil
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
		p.Attempts = append(p.Attempts, ProofAttempt{At: a.At, Cause: f.cause(a.LookupID), Insurer: a.Insurer, Fields: a.Fields, Outcome: a.Outcome, Code: a.Code})
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
