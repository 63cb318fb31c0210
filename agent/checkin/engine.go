// Package checkin is the job engine: one tap from card to result. It decides who gets a tap, and survives whatever happens
// to card, gateway, disk and client.
//
// # Who gets a tap
//
// A reader serves one job at a time, and jobs wait in the order of their start. A card belongs to the job that claims it:
// it never satisfies another one until it was lifted and put down again, which the monitor's insertion numbers tell even
// if nobody saw it leave. A card that was put down while no job waited for it may be claimed once, within
// Config.Claimable. Two cards at once are a question to the desk (choose_reader), never a guess, unless one of them came
// while the job was already waiting. Where a reader was out of sight (its service stopped, it was unplugged or faulty), the
// card that lies there afterwards is taken for the one that lay there before, and a reader counts as empty only when it has
// settled.
//
// A card that is lifted and comes back continues its job if it is the same one: the same EF.SOD and the same identity. A job
// never begins afresh with another card once EF.SOD was read, so no result is ever of two cards.
//
// # What a job is
//
// One goroutine that goes through acquire, connect, read, picture, look-up and record; whatever it needs of the desk it
// says as a Need with an expiry, and every wait ends: by the answer, by the expiry, by cancel or by Close. All state that
// is visible from outside lies under the engine's one mutex, and events are numbered and handed out under it, so that
// every owner sees the events of a job in the order of their Seq.
//
// # The face
//
// Where a request asks for it, the living face is compared with the chip's photo once the card was read and given back, beside the
// look-up and never before the person is told. The job waits for a consent and then for pictures, each with an expiry; whatever
// becomes of that (refused, left out, too late, broken) is a verdict with its reason, and the check-in completes. Required means
// that without a match a person decides, and nothing is withheld. Pictures are in memory only, one at a time per job, and wiped
// when they were looked at; the book gets what was agreed, tried and decided, by whom, and no picture.
//
// # What comes afterwards
//
// A check-in that is over can be added to: its visit, an operator's decisions, a later answer of the insurer, that it is
// void. Nothing of it is changed in the Book; what is added stands beside it. So the owner's list and these additions work
// after the job is forgotten and after the agent was restarted, and whose a check-in is then, Owner.String says.
//
// # What leaves
//
// Identity leaves when it is consistent, filtered by what was asked and what the owner may see, after its disclosure is
// in the Book; an identity without that is in no result, however the job ends. What goes to the insurer is disclosed before
// it goes too, and each question ends in an attempt: answered, the id of an error, "cancelled", or "not_asked" where nobody
// was asked. If the Book refuses, the result is marked (Recorded false) and the patient is not kept waiting; what the Book
// holds of it in the end says the same. Errors leave as ids of the catalogue and nothing else (Explain). Log gets check-in
// ids, states and error ids: no job id (a HIS may put a patient's number into it), no owner, no name.
//
// A panic below a job ends that job as INTERNAL and nothing else.
package checkin

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/json"
	"slices"
	"sync"
	"time"

	"github.com/tapcheck/tapcheck/agent/catalog"
	"github.com/tapcheck/tapcheck/agent/journal"
	"github.com/tapcheck/tapcheck/icao"
	"github.com/tapcheck/tapcheck/icao/access"
	"github.com/tapcheck/tapcheck/icao/lds"
	"github.com/tapcheck/tapcheck/icao/trust"
	"github.com/tapcheck/tapcheck/insurance"
	"github.com/tapcheck/tapcheck/insurance/claim"
	"github.com/tapcheck/tapcheck/reader"
)

// Book is what the engine writes down; journal.Journal is one. An error never stops a check-in: it is marked unrecorded.
// What a Book was given and refused is its own to catch up; what it could not be given, because it hangs, the engine
// gives it later.
type Book interface {
	PutCheckin(ctx context.Context, c journal.Checkin) error
	PutDisclosure(ctx context.Context, d journal.Disclosure) error
	SignerSeen(ctx context.Context, sha256 string) (int, error)
	PutLookup(ctx context.Context, l journal.Lookup) error
	PutAttempt(ctx context.Context, a journal.Attempt) error
	PutAmendment(ctx context.Context, a journal.Amendment) error
	PutAnswer(ctx context.Context, a journal.Answer) error
	PutStay(ctx context.Context, s journal.Stay) error
	DropLookups(ctx context.Context, checkinID string) error

	// These read, as journal.Journal does.
	Checkin(ctx context.Context, owner, id, jobID string) (journal.Checkin, error)
	Checkins(ctx context.Context, owner string, since time.Time, limit int) ([]journal.Checkin, error)
	Amendments(ctx context.Context, checkinIDs ...string) ([]journal.Amendment, error)
	LookupsOf(ctx context.Context, checkinID string) ([]journal.Lookup, error)
	AttemptsOf(ctx context.Context, checkinID string) ([]journal.Attempt, error)
	CheckinByID(ctx context.Context, id string) (journal.Checkin, error)
	Asked(ctx context.Context, checkinIDs ...string) ([]journal.Asked, error)
	Failed(ctx context.Context, since time.Time, whose [2]string, limit int) ([]journal.Checkin, error)
}

// Config is what an engine works with. Readers and Read are needed, everything else may be left out.
type Config struct {
	Readers  reader.Monitor
	Read     func(ctx context.Context, t access.Transmitter, o icao.Options) (*icao.Document, error) // icao.Read
	Access   access.Options
	Trust    func() *trust.Store
	Insurer  insurance.Provider // nil: insurance is off
	Facility insurance.Facility // whose desk it is, which rates and routes depend on
	Codes    *claim.Table       // the hospital's own table of codes; nil: none
	Portrait func(ctx context.Context, p lds.Portrait) (Picture, error)
	Faces    Faces // compares faces; nil: that is switched off
	Face     FaceRules
	// Capture makes the address of the console's window that takes the pictures of one job (by its ref, within a session of the
	// operating system), and until when it can be opened; nil or false: there is none.
	Capture   func(ref, session string) (url string, until time.Time, ok bool)
	Book      Book
	Lookups   Lookups // asks again what is pending; nil: look-ups wait in the book and nobody asks
	Simulated bool
	Desk      string           // of check-ins for which the client names none
	Now       func() time.Time // of the times in results; nil is time.Now
	// Log gets what happened, without personal data. It must return soon and not call the engine.
	Log func(event string, fields map[string]any)

	WaitForCard   time.Duration // 0 is 2 minutes
	WaitForNeed   time.Duration // 0 is 60 s
	InsuranceWait time.Duration // 0 is 5 s
	Reposition    time.Duration // how long a lifted card may stay away; 0 is 10 s
	Claimable     time.Duration // how long a card put down before may be claimed; 0 is 60 s
	Reload        time.Duration // how long an owner without a socket keeps its jobs; 0 is 15 s
	GiveUp        time.Duration // how long after the end of a stay its look-ups are asked again; 0 is 7 days
	Keep          time.Duration // how long answers as they came, and news that nobody fetches, are kept; 0 is 90 days

	LookupsPerMinute int           // asked again at most; 0 is 20
	MaxJobs          int           // unfinished jobs of all owners; 0 is 64
	MaxFaces         int           // comparisons of faces at a time, also stuck ones; 0 is 8
	MaxPerOwner      int           // unfinished jobs of one owner; 0 is 8
	Retain           time.Duration // how long a finished job answers job.status; 0 is 10 minutes
	MaxRetained      int           // finished jobs of one owner that are kept; the oldest go first; 0 is 64
	MaxKept          int           // finished jobs of all owners that are kept; 0 is 512
}

// Bounds that nobody needs to set.
const (
	keyTries      = 3                // keys that a chip may reject within one job: chips slow down with each
	readLimit     = 60 * time.Second // one reading attempt; a slow card needs 20 s
	connectLimit  = 20 * time.Second
	busyLimit     = 10 * time.Second // how long another program may hold the card
	retryPause    = 250 * time.Millisecond
	maxRounds     = 20 // reading attempts within one job, whatever the reasons
	maxFaults     = 3  // resets and transmission faults within one job
	portraitLimit = 10 * time.Second
	bookWait      = time.Second // how long the disk may keep a patient waiting, once per job
	bookSlots     = 8           // writes at a time, also stuck ones
	checkSlots    = 32          // look-ups at a time, also stuck ones
	maxCatchUp    = 1000        // writes that wait for the disk to come back
	catchUpEvery  = 15 * time.Second
	eventBuffer   = 256 // events that an owner's socket may be behind
	progressEvery = 50 * time.Millisecond
	sweepEvery    = 30 * time.Second
	cancelWait    = 2 * time.Second // how long Cancel waits for the job to end
	settleTime    = 3 * time.Second // how long a reader that was out of sight may take to find the card that lies on it
)

// Engine runs jobs. It is safe for concurrent use.
type Engine struct {
	cfg  Config
	salt [32]byte // of the request digests

	mu       sync.Mutex
	jobs     map[jobKey]*job
	queue    []*job // waiting for a tap, in order
	finished []*job // in order of their end
	active   int
	perOwner map[Owner]int
	infos    map[string]reader.Info
	order    []string // ids of infos, as the monitor orders them
	health   error
	slots    map[string]*slot
	subs     map[Owner]map[*subscriber]struct{}
	grace    map[Owner]*time.Timer
	asking   map[*job]bool // look-ups of insurance.check
	live     int           // look-ups that somebody waits for at the desk
	changed  chan struct{} // closed and replaced when anything above moves
	settled  *time.Timer   // when readers that were out of sight count as empty
	stopping bool
	panics   int
	late     []write // writes that wait for the disk
	lost     int

	books  chan struct{} // semaphores
	checks chan struct{}
	faces  chan struct{}

	stop  context.CancelFunc // of the loops
	ctx   context.Context
	gone  chan struct{}  // closed when Close ends subscriptions
	wg    sync.WaitGroup // jobs and what they started
	loops sync.WaitGroup // watch, catchUp and what they started
	subWG sync.WaitGroup

	again *again // asks again; nil: nobody does

	served reader.Watchers // of who is served
	moved  reader.Watchers // of anything that Queue tells
}

type jobKey struct {
	owner Owner
	id    string
}

// slot is what the engine remembers about one reader.
type slot struct {
	insertion uint64    // of the card that lies there or lay there last
	arrived   time.Time // when the engine saw it first
	awaited   *job      // the job at the head of the queue when it came
	offered   *job      // the job whose desk was asked to choose among cards, this one among them
	used      uint64    // insertion that a job claimed
	anyUsed   bool
	lying     bool      // a card was there when the reader could last be seen
	unseen    bool      // the reader could not be seen since, and has not settled
	vacant    time.Time // since when it has called itself empty after that
	holder    *job
}

type subscriber struct {
	ch     chan Event
	done   bool
	notice int64 // the last one that it was given
}

// New starts an engine.
func New(c Config) *Engine {
	or := func(d *time.Duration, v time.Duration) {
		if *d <= 0 {
			*d = v
		}
	}
	or(&c.WaitForCard, 2*time.Minute)
	or(&c.WaitForNeed, time.Minute)
	or(&c.InsuranceWait, 5*time.Second)
	or(&c.Reposition, 10*time.Second)
	or(&c.Claimable, time.Minute)
	or(&c.Reload, 15*time.Second)
	or(&c.Retain, 10*time.Minute)
	or(&c.GiveUp, 7*24*time.Hour)
	or(&c.Keep, 90*24*time.Hour)
	for _, n := range []struct {
		at *int
		v  int
	}{{&c.MaxJobs, 64}, {&c.MaxFaces, 8}, {&c.MaxPerOwner, 8}, {&c.MaxRetained, 64}, {&c.MaxKept, 512}, {&c.LookupsPerMinute, 20}} {
		if *n.at <= 0 {
			*n.at = n.v
		}
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	if c.Log == nil {
		c.Log = func(string, map[string]any) {}
	}
	if c.Insurer != nil {
		c.Insurer = insurance.UnderRules(c.Insurer, c.Facility, c.Now)
	}
	e := &Engine{
		cfg: c, jobs: map[jobKey]*job{}, perOwner: map[Owner]int{}, infos: map[string]reader.Info{}, slots: map[string]*slot{},
		subs: map[Owner]map[*subscriber]struct{}{}, grace: map[Owner]*time.Timer{}, asking: map[*job]bool{}, changed: make(chan struct{}),
		books: make(chan struct{}, bookSlots), checks: make(chan struct{}, checkSlots), faces: make(chan struct{}, c.MaxFaces), gone: make(chan struct{}),
	}
	rand.Read(e.salt[:]) // never fails (crypto/rand)
	e.settled = time.NewTimer(settleTime)
	e.settled.Stop() // nothing has been out of sight yet
	e.ctx, e.stop = context.WithCancel(context.Background())
	watch := c.Readers.Watch(e.ctx)
	e.mu.Lock()
	e.reconcile()
	e.mu.Unlock()
	e.loops.Go(func() { e.watch(watch) })
	e.loops.Go(e.catchUp)
	if c.Lookups != nil {
		e.again = newAgain(e)
		e.loops.Go(e.again.run)
	}
	return e
}

// watch follows the readers until the engine stops.
func (e *Engine) watch(changes <-chan struct{}) {
	sweep := time.NewTicker(sweepEvery)
	defer sweep.Stop()
	defer e.settled.Stop()
	for {
		select {
		case <-e.ctx.Done():
			return
		case _, open := <-changes:
			if !open {
				changes = nil // the monitor is closed: what waits for a card runs into its time
			}
		case <-e.settled.C:
		case <-sweep.C:
		}
		e.locked(func() {
			e.reconcile()
			e.sweep()
		})
	}
}

// locked does something under the mutex, and lets it go also when that panics.
func (e *Engine) locked(do func()) {
	e.mu.Lock()
	defer e.mu.Unlock()
	do()
}

// broadcast wakes everything that waits for a change. The mutex is held.
func (e *Engine) broadcast() {
	close(e.changed)
	e.changed = make(chan struct{})
	e.moved.Notify()
}

// sweep forgets finished jobs that are too old, and those that are too many of their owner or of all, the oldest first. The
// mutex is held.
func (e *Engine) sweep() {
	now := time.Now()
	kept := map[Owner]int{}
	for _, j := range e.finished {
		kept[j.key.owner]++
	}
	all := len(e.finished)
	e.finished = slices.DeleteFunc(e.finished, func(j *job) bool {
		o := j.key.owner
		if all <= e.cfg.MaxKept && kept[o] <= e.cfg.MaxRetained && now.Sub(j.ended) < e.cfg.Retain {
			return false
		}
		all--
		kept[o]--
		delete(e.jobs, j.key)
		return true
	})
}

// Start begins a check-in for an owner, within its rights. The same job id with the same request answers the same, as long
// as the job is remembered (Config.Retain after its end). Errors are of the catalogue: BAD_REQUEST, NOT_AVAILABLE,
// FORBIDDEN, KEY_MALFORMED, QR_FOREIGN, PAPER_QR_FOREIGN, JOB_ID_TAKEN, TOO_MANY_JOBS, AGENT_STOPPING.
func (e *Engine) Start(ctx context.Context, o Owner, r Rights, lang catalog.Lang, req Request) (Accepted, error) {
	return e.start(ctx, o, r, lang, req, false)
}

// CardRead begins a chip check-in without insurance and face. Errors are those of Start.
func (e *Engine) CardRead(ctx context.Context, o Owner, r Rights, lang catalog.Lang, req Request) (Accepted, error) {
	if req.Means == "" {
		req.Means = MeansChip
	}
	if req.Means != MeansChip {
		return Accepted{}, bad("means", "card.read reads chips")
	}
	if req.Insurance != "" && req.Insurance != "off" {
		return Accepted{}, bad("insurance", "card.read looks nothing up")
	}
	req.Insurance, req.Eligibility, req.Face = "off", nil, ""
	return e.start(ctx, o, r, lang, req, true)
}

func (e *Engine) start(ctx context.Context, o Owner, r Rights, lang catalog.Lang, req Request, readOnly bool) (Accepted, error) {
	if err := ctx.Err(); err != nil {
		return Accepted{}, Explain(err)
	}
	if lang != catalog.EN {
		lang = catalog.VI
	}
	digest := e.digest(req, readOnly) // of what came, before defaults
	req = clone(req)
	if err := req.check(e.cards()); err != nil {
		return Accepted{}, err
	}
	if err := permit(r, &req); err != nil {
		return Accepted{}, err
	}
	var key lds.Key
	var kerr *catalog.Error
	scanned := false
	if req.Means == MeansPaperCard && req.Key != nil {
		req.Subject, kerr = parsePaper(req.Key)
		scanned = true
	} else {
		key, kerr = parseKey(req.Key)
	}
	if kerr != nil {
		return Accepted{}, kerr
	}
	req.Key = nil // lives on as the parsed key only
	if req.Desk == "" {
		req.Desk = e.cfg.Desk
	}
	fields, picture, limited := grant(req.Fields, r.Fields, req.Portrait)

	e.mu.Lock()
	defer e.mu.Unlock()
	e.sweep()
	id := jobKey{o, req.JobID}
	if known := e.jobs[id]; known != nil {
		if known.digest != digest {
			return Accepted{}, catalog.New(catalog.JobIDTaken, nil)
		}
		again := known.accepted
		again.State = known.state // a client that asks again learns whether there is still something to wait for
		return again, nil
	}
	switch {
	case e.stopping:
		return Accepted{}, catalog.New(catalog.AgentStopping, nil)
	case e.active >= e.cfg.MaxJobs, e.perOwner[o] >= e.cfg.MaxPerOwner:
		return Accepted{}, catalog.New(catalog.TooManyJobs, nil)
	}
	j := &job{
		e: e, key: id, digest: digest, lang: lang, req: req, readOnly: readOnly, cardKey: key, fields: fields,
		picture: picture && req.Means == MeansChip, limited: limited, state: Waiting, phase: PhaseWaiting, ref: rand.Text(),
		amended: amended{visit: req.Visit}, subject: req.Subject, scanned: scanned,
		done: make(chan struct{}), told: make(chan struct{}), lookedUp: make(chan struct{}),
		rawFiles: rawFiles(req.Files, r.Fields), checkinID: newID(e.cfg.Now()), startedAt: e.cfg.Now(), started: time.Now(),
	}
	j.accepted = Accepted{JobID: req.JobID, CheckinID: j.checkinID, State: Waiting}
	j.ctx, j.cancel = context.WithCancelCause(context.Background())
	e.jobs[id] = j
	e.active++
	e.perOwner[o]++
	if req.Means == MeansChip {
		j.waitCause = catalog.CardTimeout
		e.reconcile() // what lies there now came before this job
		e.queue = append(e.queue, j)
		e.reconcile()
	}
	if j.comparesFaces() {
		e.cfg.Faces.Warm()
	}
	e.wg.Go(j.run)
	return j.accepted, nil
}

// permit holds a request against the rights, and settles who looks insurance up.
func permit(r Rights, req *Request) *catalog.Error {
	if req.Means == MeansChip && !r.Read {
		return catalog.New(catalog.Forbidden, map[string]any{"right": "read"})
	}
	if req.Means != MeansChip && !r.Read && !r.Insurance {
		return catalog.New(catalog.Forbidden, map[string]any{"right": "insurance"})
	}
	if req.wantsFace() && !r.Face {
		return catalog.New(catalog.Forbidden, map[string]any{"right": "face"})
	}
	switch req.Insurance {
	case "agent":
		if !r.Insurance {
			return catalog.New(catalog.Forbidden, map[string]any{"right": "insurance"})
		}
	case "":
		req.Insurance = "agent"
		if !r.Insurance {
			req.Insurance = "off"
		}
	}
	return nil
}

// digest tells requests apart without keeping the secrets in them.
func (e *Engine) digest(req Request, readOnly bool) [32]byte {
	b, _ := json.Marshal(struct {
		Read bool
		Request
	}{readOnly, req}) // a Request holds nothing that cannot be encoded
	return sha256.Sum256(append(e.salt[:], b...))
}

// clone copies what the caller could change behind our back.
func clone(r Request) Request {
	r.Expect, r.Subject, r.Operator, r.Visit = copyOf(r.Expect), copyOf(r.Subject), copyOf(r.Operator), copyOf(r.Visit)
	r.Timeouts, r.Portrait, r.Wait = copyOf(r.Timeouts), copyOf(r.Portrait), copyOf(r.Wait)
	r.Fields = slices.Clone(r.Fields)
	if r.Care = copyOf(r.Care); r.Care != nil {
		r.Care.Grounds = slices.Clone(r.Care.Grounds)
	}
	if r.Eligibility = copyOf(r.Eligibility); r.Eligibility != nil {
		r.Eligibility.Card, r.Eligibility.Route = copyOf(r.Eligibility.Card), copyOf(r.Eligibility.Route)
		r.Eligibility.Differences = slices.Clone(r.Eligibility.Differences)
		// On whose word it stands is not for the client to say.
		r.Eligibility.Source, r.Eligibility.Raw = insurance.SourceSupplied, nil
	}
	return r
}

func copyOf[T any](p *T) *T {
	if p == nil {
		return nil
	}
	v := *p
	return &v
}

// find gives a job of an owner; another's is unknown, as if it did not exist. The mutex is held.
func (e *Engine) find(o Owner, id string) (*job, error) {
	e.sweep()
	if j := e.jobs[jobKey{o, id}]; j != nil {
		return j, nil
	}
	return nil, catalog.New(catalog.JobUnknown, nil)
}

// Provide answers a need, or brings the key of a job that still waits for its card. Errors are of the catalogue:
// JOB_UNKNOWN, JOB_NOT_WAITING, BAD_REQUEST, KEY_MALFORMED, QR_FOREIGN, PAPER_QR_FOREIGN; after any of them the need stays
// open.
func (e *Engine) Provide(ctx context.Context, o Owner, p Provision) error {
	if err := ctx.Err(); err != nil {
		return Explain(err)
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	j, err := e.find(o, p.JobID)
	if err != nil {
		return err
	}
	return e.provide(j, p)
}

// provide answers a need of a job. The mutex is held.
func (e *Engine) provide(j *job, p Provision) error {
	switch {
	case p.Key != nil && p.Reader != "":
		return bad("key", "either a key or a reader")
	case p.Face != nil && (p.Key != nil || p.Reader != ""):
		return bad("face", "either a key, a reader or face")
	case p.Face != nil:
		return j.act(*p.Face)
	case p.Key != nil:
		if !j.wantsKey() {
			return catalog.New(catalog.JobNotWaiting, nil)
		}
		if j.req.Means == MeansPaperCard {
			s, kerr := parsePaper(p.Key)
			switch {
			case kerr != nil:
				return kerr
			case s == nil:
				return bad("key", "missing")
			}
			j.subject, j.scanned = s, true
			break
		}
		key, kerr := parseKey(p.Key)
		if kerr != nil {
			return kerr
		}
		if key.Empty() {
			return bad("key", "missing")
		}
		j.cardKey = key
	case p.Reader != "":
		if j.need == nil || j.need.Need != NeedChooseReader {
			return catalog.New(catalog.JobNotWaiting, nil)
		}
		if !slices.Contains(j.need.Readers, p.Reader) {
			return bad("reader", "not one of those to choose from")
		}
		j.chosen = p.Reader
		e.reconcile()
	default:
		return bad("key", "missing")
	}
	e.broadcast()
	return nil
}

// Cancel ends a job; a job that is over stays as it is. It waits until the job has let its reader go, for at most 2 s. The
// error is JOB_UNKNOWN.
func (e *Engine) Cancel(ctx context.Context, o Owner, jobID string) (JobStatus, error) {
	e.mu.Lock()
	j, err := e.find(o, jobID)
	if err != nil {
		e.mu.Unlock()
		return JobStatus{}, err
	}
	e.mu.Unlock()
	j.cancel(catalog.New(catalog.Cancelled, nil))
	patience := time.NewTimer(cancelWait)
	defer patience.Stop()
	select {
	case <-j.done:
	case <-ctx.Done():
	case <-patience.C:
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	return j.status(), nil
}

// Recorded says that the record of a check-in whose result went out marked unrecorded is on the disk after all: whoever asks
// for the result again (job.status, job.resume) is told so.
func (e *Engine) Recorded(checkinID string) {
	e.mu.Lock()
	defer e.mu.Unlock()
	for _, j := range e.jobs {
		if j.checkinID != checkinID || j.result == nil {
			continue
		}
		j.unamended = false
		if !j.result.Recorded {
			j.unwritten = false
			r := *j.result
			r.Recorded = true
			r.Warnings = slices.DeleteFunc(slices.Clone(r.Warnings), func(w Warning) bool { return w.ID == catalog.WarnNotRecorded })
			j.result = &r
		}
	}
}

// Status tells how a job stands. The error is JOB_UNKNOWN.
func (e *Engine) Status(_ context.Context, o Owner, jobID string) (JobStatus, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	j, err := e.find(o, jobID)
	if err != nil {
		return JobStatus{}, err
	}
	return j.status(), nil
}

// Attach gives the events of all jobs of an owner until ctx ends. When the last one detaches, the owner's jobs that are
// not detached are cancelled after Config.Reload, unless it attaches again. A channel that is not drained is closed.
func (e *Engine) Attach(ctx context.Context, o Owner) <-chan Event {
	s := &subscriber{ch: make(chan Event, eventBuffer)}
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.stopping || ctx.Err() != nil {
		close(s.ch)
		return s.ch
	}
	if e.subs[o] == nil {
		e.subs[o] = map[*subscriber]struct{}{}
	}
	e.subs[o][s] = struct{}{}
	if t := e.grace[o]; t != nil {
		t.Stop()
		delete(e.grace, o)
	}
	e.again.notify(false) // of what it has not got yet
	e.subWG.Go(func() {
		select {
		case <-ctx.Done():
		case <-e.gone:
		}
		e.mu.Lock()
		defer e.mu.Unlock()
		e.detach(o, s)
	})
	return s.ch
}

// detach ends a subscription, and starts the grace of an owner that has none left. The mutex is held.
func (e *Engine) detach(o Owner, s *subscriber) {
	if s.done {
		return
	}
	s.done = true
	close(s.ch)
	delete(e.subs[o], s)
	if len(e.subs[o]) > 0 {
		return
	}
	delete(e.subs, o)
	if e.stopping {
		return
	}
	var t *time.Timer
	t = time.AfterFunc(e.cfg.Reload, func() {
		e.mu.Lock()
		defer e.mu.Unlock()
		if e.grace[o] != t {
			return // it came back
		}
		delete(e.grace, o)
		for _, j := range e.jobs {
			if j.key.owner == o && !j.req.Detached && !j.state.Final() {
				j.cancel(catalog.New(catalog.Cancelled, nil))
			}
		}
	})
	e.grace[o] = t
}

// publish hands an event to everybody of an owner. Who does not keep up is let go: nobody is waited for. The mutex is held.
func (e *Engine) publish(o Owner, ev Event) {
	for s := range e.subs[o] {
		select {
		case s.ch <- ev:
		default:
			e.cfg.Log("subscriber.slow", nil)
			e.detach(o, s)
		}
	}
}

// TakeFiles gives the raw files that were asked for and could be read, once: the job forgets them. The error is JOB_UNKNOWN.
func (e *Engine) TakeFiles(o Owner, jobID string) (map[lds.FileID][]byte, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	j, err := e.find(o, jobID)
	if err != nil {
		return nil, err
	}
	files := j.files
	j.files = nil
	return files, nil
}

// rawFiles are those of the files asked for that a ceiling allows.
func rawFiles(asked []lds.FileID, ceiling []string) (out []lds.FileID) {
	for _, id := range asked {
		if FileWithin(id, ceiling) && !slices.Contains(out, id) {
			out = append(out, id)
		}
	}
	return out
}

// Waiting tells which owners wait for a tap, in order, for the console.
func (e *Engine) Waiting() []Owner {
	e.mu.Lock()
	defer e.mu.Unlock()
	var out []Owner
	for _, j := range e.queue {
		out = append(out, j.key.owner)
	}
	return out
}

// ServesOther says whether a reader works for another owner right now, so that an owner can be shown that it is busy and
// nothing more.
func (e *Engine) ServesOther(o Owner, readerID string) bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	s := e.slots[readerID]
	return s != nil && s.holder != nil && s.holder.key.owner != o
}

// Watch gives a channel that gets a value whenever ServesOther may answer differently, and one at the start; changes
// coalesce. It is closed when ctx ends or the engine is closed.
func (e *Engine) Watch(ctx context.Context) <-chan struct{} { return e.served.Watch(ctx) }

// Close ends every job as cancelled and waits for them, and for what is being written down, as long as ctx allows.
func (e *Engine) Close(ctx context.Context) error {
	e.mu.Lock()
	e.stopping = true
	for _, t := range e.grace {
		t.Stop()
	}
	clear(e.grace)
	for _, j := range e.jobs {
		if !j.state.Final() {
			j.cancel(catalog.New(catalog.AgentStopping, nil))
		}
	}
	for j := range e.asking {
		j.cancel(catalog.New(catalog.AgentStopping, nil))
	}
	e.mu.Unlock()
	e.again.stop()
	err := wait(ctx, &e.wg)
	e.stop()
	e.served.Close()
	e.moved.Close()
	if werr := wait(ctx, &e.loops); err == nil {
		err = werr
	}
	e.mu.Lock()
	select {
	case <-e.gone:
	default:
		close(e.gone) // after the last event
	}
	e.mu.Unlock()
	if werr := wait(ctx, &e.subWG); err == nil {
		err = werr
	}
	return err
}

// wait waits for a group, as long as ctx allows.
func wait(ctx context.Context, wg *sync.WaitGroup) error {
	done := make(chan struct{})
	go func() {
		wg.Wait()
		close(done)
	}()
	select {
	case <-done:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

const idAlphabet = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"

// newID makes the id of a check-in: 26 characters, sortable by time (the ULID form: 48 bits of milliseconds and 80 random
// bits in Crockford's base 32).
func newID(at time.Time) string {
	var b [16]byte
	ms := uint64(at.UnixMilli())
	for i := range 6 {
		b[i] = byte(ms >> (40 - 8*i))
	}
	rand.Read(b[6:])
	out := make([]byte, 26)
	// 128 bits are 26 groups of five with two zero bits in front.
	for i := range out {
		var v byte
		for bit := range 5 {
			n := i*5 + bit - 2
			v <<= 1
			if n >= 0 {
				v |= b[n/8] >> (7 - n%8) & 1
			}
		}
		out[i] = idAlphabet[v]
	}
	return string(out)
}
