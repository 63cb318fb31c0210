package checkin

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"time"

	"github.com/tapcheck/tapcheck/agent/catalog"
	"github.com/tapcheck/tapcheck/agent/journal"
	"github.com/tapcheck/tapcheck/icao/lds"
	"github.com/tapcheck/tapcheck/insurance"
)

// LinkRequest is checkin.link. A check-in is named by CheckinID or by the owner's own JobID (the last one of that name), here
// and in the requests below.
type LinkRequest struct {
	JobID     string `json:"jobId,omitempty"`
	CheckinID string `json:"checkinId,omitempty"`
	Visit     *Visit `json:"visit"`
}

// Linked answers checkin.link.
type Linked struct {
	CheckinID string `json:"checkinId"`
	Visit     Visit  `json:"visit"`
	Recorded  bool   `json:"recorded"`
}

// DecideRequest is checkin.decide: somebody at the desk has decided on what a program cannot.
type DecideRequest struct {
	JobID     string    `json:"jobId,omitempty"`
	CheckinID string    `json:"checkinId,omitempty"`
	About     string    `json:"about"`    // face, identity, chip, document, insurance
	Decision  string    `json:"decision"` // accept, reject
	Reason    string    `json:"reason"`   // known_to_staff, other_document, retry_failed, system_fault, guardian_present, other
	Note      string    `json:"note,omitempty"`
	Operator  *Operator `json:"operator,omitempty"`
}

// Decision is one decision as it is kept. The last one about something counts.
type Decision struct {
	About    string    `json:"about"`
	Decision string    `json:"decision"`
	Reason   string    `json:"reason"`
	Note     string    `json:"note,omitempty"`
	Operator *Operator `json:"operator,omitempty"`
	At       time.Time `json:"at"`
}

// Decided answers checkin.decide.
type Decided struct {
	CheckinID      string     `json:"checkinId"`
	Decisions      []Decision `json:"decisions"` // all, oldest first
	DecisionNeeded []string   `json:"decisionNeeded,omitempty"`
	Recorded       bool       `json:"recorded"`
}

// VoidRequest is checkin.void.
type VoidRequest struct {
	JobID     string    `json:"jobId,omitempty"`
	CheckinID string    `json:"checkinId,omitempty"`
	Reason    string    `json:"reason"` // wrong_patient, duplicate, test, other
	Note      string    `json:"note,omitempty"`
	Operator  *Operator `json:"operator,omitempty"`
}

// Voiding says why a check-in was taken back.
type Voiding struct {
	Reason   string    `json:"reason"`
	Note     string    `json:"note,omitempty"`
	Operator *Operator `json:"operator,omitempty"`
	At       time.Time `json:"at"`
}

// Voided answers checkin.void.
type Voided struct {
	CheckinID string `json:"checkinId"`
	State     State  `json:"state"` // void
	Recorded  bool   `json:"recorded"`
}

// ListRequest is checkin.list.
type ListRequest struct {
	Since string `json:"since,omitempty"` // RFC 3339; empty is 24 hours ago
	Limit int    `json:"limit,omitempty"` // 1 to 500; 0 is 100
}

// Summary is one check-in of a list. Nothing in it says who the patient is.
type Summary struct {
	CheckinID        string     `json:"checkinId"`
	JobID            string     `json:"jobId,omitempty"`
	Means            Means      `json:"means"`
	State            State      `json:"state"`
	StartedAt        time.Time  `json:"startedAt"`
	FinishedAt       time.Time  `json:"finishedAt,omitzero"`
	Visit            *Visit     `json:"visit,omitempty"`
	Desk             string     `json:"desk,omitempty"`
	Operator         *Operator  `json:"operator,omitempty"`
	EligibilityState string     `json:"eligibilityState,omitempty"`
	FailedAttempts   int        `json:"failedAttempts,omitempty"` // look-ups that nobody has answered, each attempt counted
	ProofNeeded      bool       `json:"proofNeeded,omitempty"`    // as in VisitAnswer
	Recorded         bool       `json:"recorded"`
	Decisions        []Decision `json:"decisions,omitempty"`
	DecisionNeeded   []string   `json:"decisionNeeded,omitempty"`
	Void             *Voiding   `json:"void,omitempty"`
}

// List answers checkin.list: oldest first. More says that there are later ones: ask again since the last one's start.
// Incomplete says that the book could not be read, so that these are only what the agent itself still remembers.
type List struct {
	Checkins   []Summary `json:"checkins"`
	More       bool      `json:"more,omitempty"`
	Incomplete bool      `json:"incomplete,omitempty"`
}

// What a decision can be about. The values go over the wire and are frozen.
const (
	AboutFace      = "face"
	AboutIdentity  = "identity"
	AboutChip      = "chip"
	AboutDocument  = "document"
	AboutInsurance = "insurance"
)

var (
	abouts          = []string{AboutFace, AboutIdentity, AboutChip, AboutDocument, AboutInsurance}
	decisionReasons = []string{"known_to_staff", "other_document", "retry_failed", "system_fault", "guardian_present", "other"}
	voidReasons     = []string{reasonWrongPatient, "duplicate", "test", "other"}
)

const reasonWrongPatient = "wrong_patient"

// Bounds of what is added to a check-in.
const (
	maxNote       = 500
	maxDecisions  = 32
	maxLinks      = 32
	defaultListed = 100
	maxListed     = 500
	listedSince   = 24 * time.Hour
)

// Kinds of amendments in the book. They stay in files, so they are frozen.
const (
	amendLink        = "link"
	amendDecide      = "decide"
	amendVoid        = "void"
	amendEligibility = "eligibility"
	amendStay        = "stay"
	amendConsent     = "consent"
	amendFace        = "face"
)

// amended is what was added to a check-in. In memory it belongs to a job and lies under the engine's mutex.
type amended struct {
	visit     *Visit
	links     int
	decisions []Decision
	void      *Voiding
	consents  int
	stay      []stayEvent
	// unanswered are the look-ups that were given up, by their ids.
	unanswered []string
}

// onto puts what was added onto a result.
func (a *amended) onto(r *Result) {
	if a.visit != nil {
		r.Visit = copyOf(a.visit)
	}
	r.Decisions = slices.Clone(a.decisions)
	r.DecisionNeeded = undecided(*r)
	if a.void != nil {
		r.State, r.Void, r.DecisionNeeded = Void, copyOf(a.void), nil
	}
}

// link, decide and take add something. False: it was there already, so that saying it again changes nothing. An error is
// what has no room any more, or no sense.
func (a *amended) link(v Visit) (bool, error) {
	switch {
	case a.void != nil:
		return false, catalog.New(catalog.CheckinVoid, nil)
	case a.visit != nil && *a.visit == v:
		return false, nil
	case a.links >= maxLinks:
		return false, bad("visit", "changed too often")
	}
	a.visit = &v
	a.links++
	return true, nil
}

func (a *amended) decide(d Decision) (bool, error) {
	if a.void != nil {
		return false, catalog.New(catalog.CheckinVoid, nil)
	}
	for _, known := range slices.Backward(a.decisions) {
		if known.About == d.About {
			d := d
			d.At = known.At
			if known.same(d) {
				return false, nil
			}
			break
		}
	}
	if len(a.decisions) >= maxDecisions {
		return false, bad("about", "decided too often")
	}
	a.decisions = append(a.decisions, d)
	return true, nil
}

func (d Decision) same(o Decision) bool {
	who := func(p *Operator) Operator {
		if p == nil {
			return Operator{}
		}
		return *p
	}
	same := who(d.Operator) == who(o.Operator)
	d.Operator, o.Operator = nil, nil
	return same && d == o
}

func (a *amended) take(v Voiding) bool {
	if a.void != nil {
		return false // the first reason stays
	}
	a.void = &v
	return true
}

// undecided says what of a result a person must decide on: a check that failed where the check-in is otherwise complete. A check
// that could not be made is everyday and asks nobody anything, unless it was asked for as required.
func undecided(r Result) (out []string) {
	if r.Verdicts == nil || r.State != Complete && r.State != Void {
		return nil
	}
	v := r.Verdicts
	for _, q := range []struct {
		about string
		asked bool
	}{
		{AboutChip, v.PassiveAuthentication.Status == lds.Failed || v.ChipAuthentication.Status == lds.Failed || v.ActiveAuthentication.Status == lds.Failed},
		{AboutDocument, v.DocumentValidity.Status == lds.Failed},
		{AboutIdentity, v.KeyMatchesChip.Status == lds.Failed},
		{AboutFace, v.Face.Status == lds.Failed || v.Face.Required && v.Face.Status != lds.Passed},
	} {
		if q.asked && !slices.ContainsFunc(r.Decisions, func(d Decision) bool { return d.About == q.about }) {
			out = append(out, q.about)
		}
	}
	return out
}

// checkName bounds the two names of a check-in: one of them is given.
func checkName(jobID, checkinID string) error {
	switch {
	case (jobID == "") == (checkinID == ""):
		return bad("jobId", "either jobId or checkinId")
	case jobID != "":
		if e := text("jobId", jobID, maxJobID); e != nil {
			return e
		}
	case len(checkinID) != 26 || strings.Trim(checkinID, idAlphabet) != "":
		return bad("checkinId", "not the id of a check-in")
	}
	return nil
}

func oneOf(field, value string, of []string) error {
	switch {
	case value == "":
		return bad(field, "missing")
	case !slices.Contains(of, value):
		return bad(field, "unknown")
	}
	return nil
}

func (o *Operator) check() error {
	if o == nil {
		return nil
	}
	if e := text("operator.id", o.ID, maxReference); e != nil {
		return e
	}
	if e := text("operator.source", o.Source, 32); e != nil {
		return e
	}
	return nil
}

func checkNote(note string) error {
	if e := text("note", strings.ReplaceAll(note, "\n", " "), maxNote); e != nil {
		return e
	}
	return nil
}

// Link adds the visit to a check-in, of a job that still runs too. The same visit again changes nothing; another one replaces
// it, and both stay in the book. Errors are of the catalogue: BAD_REQUEST, JOB_UNKNOWN, CHECKIN_VOID, JOURNAL_UNREADABLE.
func (e *Engine) Link(ctx context.Context, o Owner, r LinkRequest) (Linked, error) {
	if err := checkName(r.JobID, r.CheckinID); err != nil {
		return Linked{}, err
	}
	if r.Visit == nil || *r.Visit == (Visit{}) {
		return Linked{}, bad("visit", "missing")
	}
	if err := r.Visit.check(); err != nil {
		return Linked{}, err
	}
	f, recorded, err := e.amend(ctx, o, r.JobID, r.CheckinID, func(f *file) (string, any, error) {
		changed, err := f.link(*r.Visit)
		if err != nil || !changed {
			return "", nil, err
		}
		return amendLink, r.Visit, nil
	})
	if err != nil {
		return Linked{}, err
	}
	return Linked{CheckinID: f.result.CheckinID, Visit: *r.Visit, Recorded: recorded}, nil
}

// Decide adds a decision to a check-in, of a job that still runs too. The same decision again changes nothing. Errors are
// those of Link.
func (e *Engine) Decide(ctx context.Context, o Owner, r DecideRequest) (Decided, error) {
	if err := errors.Join(checkName(r.JobID, r.CheckinID), oneOf("about", r.About, abouts), oneOf("decision", r.Decision, []string{"accept", "reject"}),
		oneOf("reason", r.Reason, decisionReasons), checkNote(r.Note), r.Operator.check()); err != nil {
		return Decided{}, Explain(err)
	}
	d := Decision{About: r.About, Decision: r.Decision, Reason: r.Reason, Note: r.Note, Operator: copyOf(r.Operator), At: e.cfg.Now()}
	f, recorded, err := e.amend(ctx, o, r.JobID, r.CheckinID, func(f *file) (string, any, error) {
		changed, err := f.decide(d)
		if err != nil || !changed {
			return "", nil, err
		}
		return amendDecide, d, nil
	})
	if err != nil {
		return Decided{}, err
	}
	return Decided{CheckinID: f.result.CheckinID, Decisions: f.result.Decisions, DecisionNeeded: f.result.DecisionNeeded, Recorded: recorded}, nil
}

// Void takes a finished check-in back. It is kept and marked, and its result stays readable to its owner. Doing so again
// changes nothing. Errors are those of Link, and CHECKIN_UNFINISHED: a job that runs is cancelled first.
func (e *Engine) Void(ctx context.Context, o Owner, r VoidRequest) (Voided, error) {
	if err := errors.Join(checkName(r.JobID, r.CheckinID), oneOf("reason", r.Reason, voidReasons), checkNote(r.Note), r.Operator.check()); err != nil {
		return Voided{}, Explain(err)
	}
	v := Voiding{Reason: r.Reason, Note: r.Note, Operator: copyOf(r.Operator), At: e.cfg.Now()}
	f, recorded, err := e.amend(ctx, o, r.JobID, r.CheckinID, func(f *file) (string, any, error) {
		if !f.result.State.Final() {
			return "", nil, catalog.New(catalog.CheckinUnfinished, nil)
		}
		if !f.take(v) {
			return "", nil, nil
		}
		return amendVoid, v, nil
	})
	if err != nil {
		return Voided{}, err
	}
	// Nobody wants to know any more how this person is insured.
	e.drop(f.result.CheckinID)
	return Voided{CheckinID: f.result.CheckinID, State: Void, Recorded: recorded}, nil
}

// file is a check-in as it is found: in memory, or in the book.
type file struct {
	*amended
	job    *job // nil: only the book knows it
	result Result
	person Subject // as far as it is known
	care   *insurance.Care
	held   bool // all of it is in the book
}

// file looks for a check-in of an owner: among the jobs, of any session of the same user, then in the book.
func (e *Engine) file(ctx context.Context, o Owner, jobID, checkinID string) (*file, error) {
	var f *file
	e.locked(func() { f = e.remembered(o, jobID, checkinID) })
	if f != nil {
		return f, nil
	}
	if e.cfg.Book == nil {
		return nil, catalog.New(catalog.JobUnknown, nil)
	}
	if err := ctx.Err(); err != nil {
		return nil, Explain(err)
	}
	found := make(chan *file, 1)
	none := false
	ok, _, _ := e.onDisk(&e.wg, func(ctx context.Context) error {
		row, err := e.cfg.Book.Checkin(ctx, o.String(), checkinID, jobID)
		if errors.Is(err, journal.ErrNone) {
			found <- nil
			return nil
		}
		if err != nil {
			return err
		}
		added, err := e.cfg.Book.Amendments(ctx, row.ID)
		if err != nil {
			return err
		}
		f, err := filed(row, added)
		if err == nil {
			found <- f
		}
		return err
	})
	if ok {
		f = <-found
		none = f == nil
	}
	switch {
	case none:
		return nil, catalog.New(catalog.JobUnknown, nil)
	case !ok:
		return nil, catalog.New(catalog.JournalUnreadable, nil)
	}
	return f, nil
}

// remembered is a check-in that is in memory. The mutex is held.
func (e *Engine) remembered(o Owner, jobID, checkinID string) *file {
	e.sweep()
	var last *job
	for _, j := range e.jobs {
		if j.key.owner.String() != o.String() || checkinID != "" && j.checkinID != checkinID || checkinID == "" && j.key.id != jobID {
			continue
		}
		if last == nil || last.checkinID < j.checkinID {
			last = j
		}
	}
	if last == nil {
		return nil
	}
	return last.file()
}

// file is a job as a check-in. The mutex is held.
func (j *job) file() *file {
	f := &file{amended: &j.amended, job: j, held: !j.unwritten && !j.unamended}
	if j.result != nil {
		f.result = *j.result
	} else {
		f.result = Result{
			JobID: j.key.id, CheckinID: j.checkinID, State: j.state, Means: j.req.Means, StartedAt: j.startedAt, Operator: j.req.Operator,
			Desk: j.req.Desk, Visit: j.visit, Eligibility: j.eligible, Decisions: slices.Clone(j.decisions),
		}
	}
	f.person = personOf(f.result)
	if q := j.question; q != (insurance.Request{}) { // more than the result may say
		f.care = q.Care
		f.person = Subject{Number: q.Number, CardCode: q.CardCode, FullName: q.FullName, DateOfBirth: q.DateOfBirth, Sex: q.Sex}
	}
	return f
}

// filed is a check-in as the book has it.
func filed(row journal.Checkin, added []journal.Amendment) (*file, error) {
	var rec record
	if err := json.Unmarshal(row.Body, &rec); err != nil {
		return nil, journal.ErrDamaged
	}
	f := &file{amended: &amended{visit: rec.Result.Visit, decisions: rec.Result.Decisions}, result: rec.Result, held: true}
	// The decisions that the row has were made while the job ran. They are among what was added too, unless that was lost.
	early := f.decisions
	f.decisions = nil
	for _, a := range added {
		switch a.Kind {
		case amendLink:
			var v Visit
			if json.Unmarshal(a.Body, &v) == nil {
				f.visit = &v
				f.links++
			}
		case amendDecide:
			var d Decision
			if json.Unmarshal(a.Body, &d) == nil {
				f.decisions = append(f.decisions, d)
			}
		case amendVoid:
			var v Voiding
			if json.Unmarshal(a.Body, &v) == nil {
				f.void = &v
			}
		case amendEligibility:
			var x eligibilityAmendment
			if json.Unmarshal(a.Body, &x) == nil {
				f.amended.answered(&f.result, x)
			}
		case amendConsent:
			f.consents++
		case amendStay:
			var s stayEvent
			if json.Unmarshal(a.Body, &s) == nil {
				f.stay = append(f.stay, s)
			}
		}
	}
	if len(f.decisions) == 0 {
		f.decisions = early
	}
	f.result.Recorded = true // where else does it come from
	f.onto(&f.result)
	f.person = personOf(f.result)
	if q := rec.Question; q != (insurance.Request{}) {
		f.care = q.Care
		f.person = Subject{Number: q.Number, CardCode: q.CardCode, FullName: q.FullName, DateOfBirth: q.DateOfBirth, Sex: q.Sex}
	}
	return f, nil
}

// answered puts a later answer onto a result. A look-up that was given up takes nothing away that is known.
func (a *amended) answered(r *Result, x eligibilityAmendment) {
	if x.GivenUp {
		a.unanswered = append(a.unanswered, x.LookupID)
		if r.Eligibility != nil && r.Eligibility.State != insurance.Pending {
			return
		}
	}
	r.Eligibility = &x.Eligibility
}

// amend finds a check-in, lets change add to it, and writes that down before it returns. An empty kind changes nothing. What
// could not be written is kept and caught up, and said (recorded false), like a result.
func (e *Engine) amend(ctx context.Context, o Owner, jobID, checkinID string, change func(f *file) (kind string, body any, err error)) (f *file, recorded bool, err error) {
	if f, err = e.file(ctx, o, jobID, checkinID); err != nil {
		return nil, false, err
	}
	var kind string
	var body any
	e.locked(func() {
		if f.job != nil {
			f = f.job.file() // it may have changed since it was found
		}
		if kind, body, err = change(f); err != nil {
			return
		}
		f.onto(&f.result)
		recorded = f.held
		if j := f.job; j != nil && kind != "" {
			j.applied()
		}
	})
	if err != nil || kind == "" {
		return f, recorded, err
	}
	raw, merr := json.Marshal(body)
	if merr != nil {
		return nil, false, merr
	}
	if !e.record(write{amendment: &journal.Amendment{CheckinID: f.result.CheckinID, At: e.cfg.Now(), Kind: kind, Body: raw}}) {
		recorded = false
		if j := f.job; j != nil {
			e.locked(func() { j.unamended = true })
		}
	}
	e.cfg.Log("checkin.amended", map[string]any{"checkin": f.result.CheckinID, "kind": kind, "recorded": recorded})
	return f, recorded, nil
}

// applied puts what was added onto the result that a finished job gives. The mutex is held.
func (j *job) applied() {
	if j.result == nil {
		return
	}
	r := *j.result
	j.onto(&r)
	if r.State == Void {
		r.Next = []Step{}
		if r.Void.Reason == reasonWrongPatient {
			r.Next = words([]string{catalog.StepNewCheckin}, j.lang, catalog.StepText, func(id, text string) Step { return Step{id, text} })
		}
		j.state = Void
	}
	j.result = &r
	j.e.moved.Notify()
}

// record writes something that belongs to no job that waits for it.
func (e *Engine) record(w write) bool {
	if e.cfg.Book == nil {
		return false
	}
	ok, _, handed := e.onDisk(&e.wg, func(ctx context.Context) error { return w.to(ctx, e.cfg.Book) })
	if !handed {
		e.later(w)
	}
	return ok
}

// drop takes the look-ups of a check-in out of the queue.
func (e *Engine) drop(checkinID string) {
	if e.cfg.Book != nil {
		e.onDisk(&e.wg, func(ctx context.Context) error { return e.cfg.Book.DropLookups(ctx, checkinID) })
	}
}

// List tells what an owner did since a time, also before the agent was started. Errors are of the catalogue: BAD_REQUEST.
func (e *Engine) List(ctx context.Context, o Owner, r ListRequest) (List, error) {
	since := e.cfg.Now().Add(-listedSince)
	if r.Since != "" {
		t, err := time.Parse(time.RFC3339, r.Since)
		if err != nil || t.Year() < 1900 || t.Year() > 2199 {
			return List{}, bad("since", "not a time of RFC 3339")
		}
		since = t
	}
	if r.Limit < 0 || r.Limit > maxListed {
		return List{}, bad("limit", "not within 1 to 500")
	}
	if r.Limit == 0 {
		r.Limit = defaultListed
	}
	if err := ctx.Err(); err != nil {
		return List{}, Explain(err)
	}
	out := List{}
	files := map[string]*file{}
	if e.cfg.Book != nil {
		found := make(chan []*file, 1)
		ok, _, _ := e.onDisk(&e.wg, func(ctx context.Context) error {
			list, err := e.listed(ctx, o, since, r.Limit+1)
			if err == nil {
				found <- list
			}
			return err
		})
		if out.Incomplete = !ok; ok {
			for _, f := range <-found {
				files[f.result.CheckinID] = f
			}
		}
	}
	// What is in memory is newer than what is in the book.
	e.locked(func() {
		e.sweep()
		for _, j := range e.jobs {
			if j.key.owner.String() == o.String() && !j.startedAt.Before(since) {
				files[j.checkinID] = j.file()
			}
		}
	})
	out.Checkins = make([]Summary, 0, len(files))
	for _, f := range files {
		out.Checkins = append(out.Checkins, f.summary())
	}
	slices.SortFunc(out.Checkins, func(a, b Summary) int {
		return cmp.Or(a.StartedAt.Compare(b.StartedAt), strings.Compare(a.CheckinID, b.CheckinID))
	})
	if out.More = len(out.Checkins) > r.Limit; out.More {
		out.Checkins = out.Checkins[:r.Limit]
	}
	if e.cfg.Book != nil && !out.Incomplete && !e.asked(out.Checkins) {
		out.Incomplete = true
	}
	return out, nil
}

// asked puts into a list how the look-ups went. False: that could not be read.
func (e *Engine) asked(list []Summary) bool {
	ids := make([]string, 0, len(list))
	for _, s := range list {
		ids = append(ids, s.CheckinID)
	}
	found := make(chan []journal.Asked, 1)
	if ok, _, _ := e.onDisk(&e.wg, func(ctx context.Context) error {
		asked, err := e.cfg.Book.Asked(ctx, ids...)
		found <- asked
		return err
	}); !ok {
		return false
	}
	for _, a := range <-found {
		if i := slices.Index(ids, a.CheckinID); i >= 0 {
			list[i].FailedAttempts, list[i].ProofNeeded = a.Failed, a.Unanswered
		}
	}
	return true
}

// listed is what the book knows.
func (e *Engine) listed(ctx context.Context, o Owner, since time.Time, limit int) ([]*file, error) {
	rows, err := e.cfg.Book.Checkins(ctx, o.String(), since, limit)
	if err != nil {
		return nil, err
	}
	return e.files(ctx, rows)
}

// files are rows of the book with what was added to them.
func (e *Engine) files(ctx context.Context, rows []journal.Checkin) ([]*file, error) {
	ids := make([]string, 0, len(rows))
	for _, row := range rows {
		ids = append(ids, row.ID)
	}
	added, err := e.cfg.Book.Amendments(ctx, ids...)
	if err != nil {
		return nil, err
	}
	of := map[string][]journal.Amendment{}
	for _, a := range added {
		of[a.CheckinID] = append(of[a.CheckinID], a)
	}
	files := make([]*file, 0, len(rows))
	for _, row := range rows {
		f, err := filed(row, of[row.ID])
		if err != nil { // one row of another version does not hide the others
			f = &file{result: Result{CheckinID: row.ID, JobID: row.JobID, State: State(row.State), StartedAt: row.StartedAt, FinishedAt: row.FinishedAt, Recorded: true}, held: true}
		}
		files = append(files, f)
	}
	return files, nil
}

func (f *file) summary() Summary {
	r := f.result
	s := Summary{
		CheckinID: r.CheckinID, JobID: r.JobID, Means: r.Means, State: r.State, StartedAt: r.StartedAt, FinishedAt: r.FinishedAt,
		Visit: r.Visit, Desk: r.Desk, Operator: r.Operator, Recorded: f.held && (f.job == nil || r.State.Final()), Decisions: r.Decisions,
		DecisionNeeded: r.DecisionNeeded, Void: r.Void,
	}
	if r.Eligibility != nil {
		s.EligibilityState = string(r.Eligibility.State)
	}
	return s
}
