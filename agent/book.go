package agent

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/tapcheck/tapcheck/agent/health"
	"github.com/tapcheck/tapcheck/agent/journal"
)

const (
	// backlogLimit bounds how many writes wait for a disk that refuses, in memory. A desk has some hundred check-ins a day
	// and about four writes each; what is beyond the limit is lost, oldest first, and counted.
	backlogLimit = 4000
	// writeTime is how long one write may take before the disk counts as one that refuses.
	writeTime = 3 * time.Second
	// readLimit bounds how many questions wait for the disk.
	readLimit = 64
)

// book is the journal behind a disk that may refuse, hang or be damaged. Every write goes through one queue, in order. A
// caller waits for its own write as long as its context lets it; a write that nobody waits for any more stays in the
// queue. So a result that went out marked `recorded: false` is caught up as soon as the disk takes it (design.md, rule 2),
// and no disk holds a patient up.
type book struct {
	open   func(ctx context.Context) (*journal.Journal, error)
	aside  func() error // sets a damaged journal aside
	health *health.Tracker
	log    func(event string, fields map[string]any)
	retry  time.Duration

	journal *journal.Journal // the writer's alone

	mu       sync.Mutex
	queue    []*entry
	reads    []*entry // never in the queue: a question that nobody waits for any more is worth nothing
	refusing bool     // the last write failed: new ones are refused at once, and all are tried again after retry
	lost     int
	caughtUp func(checkinID string) // told of check-ins whose record was late; may be nil
	wake     chan struct{}          // holds at most one value
	asked    chan struct{}          // the same, for reads
	stopping bool
	done     chan struct{}
}

// entry is one write in the queue.
type entry struct {
	write func(ctx context.Context, j *journal.Journal) error
	// answer gets what came of the first try. It is buffered: whoever asked may be gone.
	answer  chan error
	tried   bool
	checkin string          // id of the check-in that this is a state of, if it is one
	ctx     context.Context // of a read
}

// openBook opens the journal, or begins without one where the disk refuses, and tries again every retry. It fails where
// waiting cannot help: another program has it open, or a newer version wrote it. One that is damaged, or was encrypted with
// another key, is set aside whole: a desk must not stand still for it.
func openBook(ctx context.Context, o journal.Options, h *health.Tracker, retry time.Duration, log func(string, map[string]any)) (*book, error) {
	b := &book{health: h, log: log, retry: retry, wake: make(chan struct{}, 1), asked: make(chan struct{}, 1), done: make(chan struct{})}
	b.aside = func() error {
		h.Set(health.JournalDamaged, true)
		log("journal.damaged", nil)
		return setAside(o.Path, time.Now())
	}
	b.open = func(ctx context.Context) (*journal.Journal, error) {
		j, err := journal.Open(ctx, o)
		// A journal that no key of ours opens is of no use to this desk either: the key file was replaced, or the file is none.
		if !errors.Is(err, journal.ErrDamaged) && !errors.Is(err, journal.ErrWrongKey) {
			return j, err
		}
		if err := b.aside(); err != nil {
			return nil, errors.Join(journal.ErrUnwritable, err)
		}
		return journal.Open(ctx, o)
	}
	switch err := b.reach(ctx); {
	case errors.Is(err, journal.ErrUnwritable):
		b.refusing = true
		h.Set(health.JournalUnwritable, true)
	case err != nil:
		return nil, err
	}
	go b.write()
	return b, nil
}

// do puts a write into the queue and waits for what comes of it, or for ctx. The write is done either way, sooner or later,
// unless it is invalid (journal.ErrInvalid).
func (b *book) do(ctx context.Context, write func(ctx context.Context, j *journal.Journal) error) error {
	return b.put(ctx, &entry{write: write})
}

func (b *book) put(ctx context.Context, e *entry) error {
	e.answer = make(chan error, 1)
	b.mu.Lock()
	if len(b.queue) >= backlogLimit {
		b.queue = b.queue[1:]
		b.lost++
	}
	b.queue = append(b.queue, e)
	e.tried = b.refusing || b.stopping
	refused := e.tried
	b.mu.Unlock()
	if refused {
		return journal.ErrUnwritable
	}
	b.rouse()
	select {
	case err := <-e.answer:
		return err
	case <-ctx.Done():
		b.health.Set(health.JournalUnwritable, true) // until the writer has caught up
		return ctx.Err()
	}
}

// ask reads, between writes, as long as ctx lets it. A disk that refuses writes may still be read. Errors: those of the journal,
// ErrUnwritable where there is none.
func (b *book) ask(ctx context.Context, read func(ctx context.Context, j *journal.Journal) error) error {
	e := &entry{write: read, answer: make(chan error, 1), ctx: ctx}
	b.mu.Lock()
	if b.stopping || len(b.reads) >= readLimit {
		b.mu.Unlock()
		return journal.ErrUnwritable
	}
	b.reads = append(b.reads, e)
	b.mu.Unlock()
	select {
	case b.asked <- struct{}{}:
	default:
	}
	select {
	case err := <-e.answer:
		return err
	case <-ctx.Done():
		return ctx.Err()
	}
}

// answer serves the reads that wait.
func (b *book) answer() {
	for {
		b.mu.Lock()
		if len(b.reads) == 0 {
			b.mu.Unlock()
			return
		}
		e := b.reads[0]
		b.reads = b.reads[1:]
		b.mu.Unlock()
		if b.journal == nil {
			e.answer <- journal.ErrUnwritable
			continue
		}
		e.answer <- e.write(e.ctx, b.journal) // it comes back when its context ends
	}
}

func (b *book) rouse() {
	select {
	case b.wake <- struct{}{}:
	default:
	}
}

// write is the one goroutine that uses the journal.
func (b *book) write() {
	defer close(b.done)
	retry := time.NewTicker(b.retry)
	defer retry.Stop()
	writes := true
	for {
		if writes {
			b.drain()
		}
		b.answer()
		b.mu.Lock()
		stopping := b.stopping
		b.mu.Unlock()
		if stopping {
			if b.journal != nil {
				_ = b.journal.Close()
			}
			return
		}
		writes = true
		select {
		case <-b.wake:
		case <-b.asked:
			writes = false // a disk that refuses is not tried again for each question
		case <-retry.C:
		}
	}
}

// drain writes the queue from its head, as far as the disk takes it.
func (b *book) drain() {
	caughtUp := 0
	var late []string
	for {
		b.mu.Lock()
		if len(b.queue) == 0 {
			b.refusing = false
			lost, tell := b.lost, b.caughtUp
			b.mu.Unlock()
			if b.journal == nil && !b.probe() {
				return
			}
			b.health.Set(health.JournalUnwritable, false)
			if caughtUp > 0 {
				b.log("journal.caughtUp", map[string]any{"writes": caughtUp, "lost": lost})
				for _, id := range late { // only now: what belongs to a check-in may stand behind it
					if tell != nil {
						tell(id)
					}
				}
			}
			return
		}
		e := b.queue[0]
		b.mu.Unlock()

		err := b.try(e)
		again := e.tried
		e.tried = true
		if !again {
			e.answer <- err
		}
		b.mu.Lock()
		invalid := errors.Is(err, journal.ErrInvalid) // no disk will ever take it
		if err == nil || invalid {
			if len(b.queue) > 0 && b.queue[0] == e { // it may have been dropped for being the oldest
				b.queue = b.queue[1:]
			}
			if invalid && again {
				b.lost++
			} else if again {
				caughtUp++
				if e.checkin != "" {
					late = append(late, e.checkin)
				}
			}
			b.mu.Unlock()
			continue
		}
		// What waits behind it is refused too: it must be written after it, and nobody may be kept waiting for that.
		b.refusing = true
		for _, behind := range b.queue {
			if !behind.tried {
				behind.tried = true
				behind.answer <- journal.ErrUnwritable
			}
		}
		b.mu.Unlock()
		b.health.Set(health.JournalUnwritable, true)
		return
	}
}

// probe tries to open a journal that could not be opened, though nothing waits for it.
func (b *book) probe() bool {
	ctx, stop := context.WithTimeout(context.Background(), writeTime)
	defer stop()
	if b.reach(ctx) == nil {
		return true
	}
	b.mu.Lock()
	b.refusing = true
	b.mu.Unlock()
	return false
}

func (b *book) reach(ctx context.Context) error {
	if b.journal != nil {
		return nil
	}
	j, err := b.open(ctx)
	if err == nil {
		b.journal = j
	}
	return err
}

// try does one write. A journal that turns out to be damaged is closed, so that open sets it aside and begins a new one.
func (b *book) try(e *entry) error {
	ctx, stop := context.WithTimeout(context.Background(), writeTime)
	defer stop()
	for range 2 {
		if err := b.reach(ctx); err != nil {
			return errors.Join(journal.ErrUnwritable, err)
		}
		err := e.write(ctx, b.journal)
		if !errors.Is(err, journal.ErrDamaged) {
			return err
		}
		_ = b.journal.Close()
		b.journal = nil
		if err := b.aside(); err != nil {
			return errors.Join(journal.ErrUnwritable, err)
		}
	}
	return journal.ErrUnwritable
}

// onCaughtUp says who is told of check-ins whose record was late.
func (b *book) onCaughtUp(tell func(checkinID string)) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.caughtUp = tell
}

// close makes a last try at what waits and closes the journal. A disk that hangs is left to itself when ctx ends.
func (b *book) close(ctx context.Context) error {
	b.mu.Lock()
	b.stopping = true
	b.mu.Unlock()
	b.rouse()
	select {
	case <-b.done:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("journal: %w", ctx.Err())
	}
}

// setAside moves a damaged journal out of the way, whole, so that a new one can be begun: a desk must not stand still for
// it, and what can be saved of it is evidence.
func setAside(path string, now time.Time) error {
	dir, name := filepath.Split(path)
	entries, err := os.ReadDir(filepath.Clean(dir))
	if err != nil {
		return err
	}
	aside := filepath.Join(dir, fmt.Sprintf("damaged-%s", now.UTC().Format("20060102T150405.000Z")))
	if err := os.Mkdir(aside, 0o700); err != nil {
		return err
	}
	for _, e := range entries { // the database, its log, and whatever else is named after it
		if strings.HasPrefix(e.Name(), name) {
			if err := os.Rename(filepath.Join(dir, e.Name()), filepath.Join(aside, e.Name())); err != nil {
				return err
			}
		}
	}
	return nil
}

// PutCheckin implements checkin.Book.
func (b *book) PutCheckin(ctx context.Context, c journal.Checkin) error {
	return b.put(ctx, &entry{checkin: c.ID, write: func(ctx context.Context, j *journal.Journal) error { return j.PutCheckin(ctx, c) }})
}

// PutDisclosure implements checkin.Book.
func (b *book) PutDisclosure(ctx context.Context, d journal.Disclosure) error {
	return b.do(ctx, func(ctx context.Context, j *journal.Journal) error { return j.PutDisclosure(ctx, d) })
}

// PutLookup implements checkin.Book.
func (b *book) PutLookup(ctx context.Context, l journal.Lookup) error {
	return b.do(ctx, func(ctx context.Context, j *journal.Journal) error { return j.PutLookup(ctx, l) })
}

// PutAttempt implements checkin.Book.
func (b *book) PutAttempt(ctx context.Context, a journal.Attempt) error {
	return b.do(ctx, func(ctx context.Context, j *journal.Journal) error { return j.PutAttempt(ctx, a) })
}

// PutAmendment implements checkin.Book.
func (b *book) PutAmendment(ctx context.Context, a journal.Amendment) error {
	return b.put(ctx, &entry{checkin: a.CheckinID, write: func(ctx context.Context, j *journal.Journal) error { return j.PutAmendment(ctx, a) }})
}

// DropLookups implements checkin.Book.
func (b *book) DropLookups(ctx context.Context, checkinID string) error {
	return b.do(ctx, func(ctx context.Context, j *journal.Journal) error { return j.DropLookups(ctx, checkinID) })
}

// PutAnswer implements checkin.Book.
func (b *book) PutAnswer(ctx context.Context, a journal.Answer) error {
	return b.do(ctx, func(ctx context.Context, j *journal.Journal) error { return j.PutAnswer(ctx, a) })
}

// PutStay implements checkin.Book.
func (b *book) PutStay(ctx context.Context, s journal.Stay) error {
	return b.put(ctx, &entry{checkin: s.Amendment.CheckinID, write: func(ctx context.Context, j *journal.Journal) error { return j.PutStay(ctx, s) }})
}

// BeginLookup implements checkin.Lookups. It is tried once, and never caught up: whoever was refused asks nobody.
func (b *book) BeginLookup(ctx context.Context, id string, notBefore time.Time, d journal.Disclosure) (bool, error) {
	return read(ctx, b, func(ctx context.Context, j *journal.Journal) (bool, error) {
		return j.BeginLookup(ctx, id, notBefore, d)
	})
}

// EndLookup implements checkin.Lookups. What is refused is caught up: it is how a look-up ended that did take place.
func (b *book) EndLookup(ctx context.Context, t journal.Turn) (bool, error) {
	applied := make(chan bool, 1)
	err := b.do(ctx, func(ctx context.Context, j *journal.Journal) error {
		there, err := j.EndLookup(ctx, t)
		if err == nil {
			select {
			case applied <- there:
			default:
			}
		}
		return err
	})
	if err != nil {
		return false, err
	}
	return <-applied, nil
}

// DropNotice implements checkin.Lookups.
func (b *book) DropNotice(ctx context.Context, owner string, seq int64) error {
	return b.do(ctx, func(ctx context.Context, j *journal.Journal) error { return j.DropNotice(ctx, owner, seq) })
}

// Purge implements checkin.Lookups.
func (b *book) Purge(ctx context.Context, before time.Time) (int, error) {
	return read(ctx, b, func(ctx context.Context, j *journal.Journal) (int, error) { return j.Purge(ctx, before) })
}

// DueLookups implements checkin.Lookups.
func (b *book) DueLookups(ctx context.Context, now time.Time, limit int) ([]journal.Lookup, error) {
	return read(ctx, b, func(ctx context.Context, j *journal.Journal) ([]journal.Lookup, error) {
		return j.DueLookups(ctx, now, limit)
	})
}

// Waiting implements checkin.Lookups.
func (b *book) Waiting(ctx context.Context) (journal.Waiting, error) {
	return read(ctx, b, func(ctx context.Context, j *journal.Journal) (journal.Waiting, error) { return j.Waiting(ctx) })
}

// Notices implements checkin.Lookups.
func (b *book) Notices(ctx context.Context, owner string, limit int) ([]journal.Notice, error) {
	return read(ctx, b, func(ctx context.Context, j *journal.Journal) ([]journal.Notice, error) {
		return j.Notices(ctx, owner, limit)
	})
}

// LookupsOf implements checkin.Book.
func (b *book) LookupsOf(ctx context.Context, checkinID string) ([]journal.Lookup, error) {
	return read(ctx, b, func(ctx context.Context, j *journal.Journal) ([]journal.Lookup, error) {
		return j.LookupsOf(ctx, checkinID)
	})
}

// AttemptsOf implements checkin.Book.
func (b *book) AttemptsOf(ctx context.Context, checkinID string) ([]journal.Attempt, error) {
	return read(ctx, b, func(ctx context.Context, j *journal.Journal) ([]journal.Attempt, error) {
		return j.AttemptsOf(ctx, checkinID)
	})
}

// CheckinByID implements checkin.Book.
func (b *book) CheckinByID(ctx context.Context, id string) (journal.Checkin, error) {
	return read(ctx, b, func(ctx context.Context, j *journal.Journal) (journal.Checkin, error) { return j.CheckinByID(ctx, id) })
}

// Asked implements checkin.Book.
func (b *book) Asked(ctx context.Context, checkinIDs ...string) ([]journal.Asked, error) {
	return read(ctx, b, func(ctx context.Context, j *journal.Journal) ([]journal.Asked, error) {
		return j.Asked(ctx, checkinIDs...)
	})
}

// Failed implements checkin.Book.
func (b *book) Failed(ctx context.Context, since time.Time, whose [2]string, limit int) ([]journal.Checkin, error) {
	return read(ctx, b, func(ctx context.Context, j *journal.Journal) ([]journal.Checkin, error) {
		return j.Failed(ctx, since, whose, limit)
	})
}

// Checkin implements checkin.Book.
func (b *book) Checkin(ctx context.Context, owner, id, jobID string) (journal.Checkin, error) {
	return read(ctx, b, func(ctx context.Context, j *journal.Journal) (journal.Checkin, error) {
		return j.Checkin(ctx, owner, id, jobID)
	})
}

// Checkins implements checkin.Book.
func (b *book) Checkins(ctx context.Context, owner string, since time.Time, limit int) ([]journal.Checkin, error) {
	return read(ctx, b, func(ctx context.Context, j *journal.Journal) ([]journal.Checkin, error) {
		return j.Checkins(ctx, owner, since, limit)
	})
}

// Amendments implements checkin.Book.
func (b *book) Amendments(ctx context.Context, checkinIDs ...string) ([]journal.Amendment, error) {
	return read(ctx, b, func(ctx context.Context, j *journal.Journal) ([]journal.Amendment, error) {
		return j.Amendments(ctx, checkinIDs...)
	})
}

func read[T any](ctx context.Context, b *book, ask func(ctx context.Context, j *journal.Journal) (T, error)) (v T, err error) {
	got := make(chan T, 1)
	err = b.ask(ctx, func(ctx context.Context, j *journal.Journal) error {
		v, err := ask(ctx, j)
		if err == nil {
			got <- v
		}
		return err
	})
	if err != nil {
		return v, err
	}
	return <-got, nil
}

// SignerSeen implements checkin.Book. A sight that could not be counted at once is caught up; how often the signer was seen
// is then not known.
func (b *book) SignerSeen(ctx context.Context, sha256 string) (int, error) {
	seen := make(chan int, 1) // a sight that is caught up later has nobody left who asks
	err := b.do(ctx, func(ctx context.Context, j *journal.Journal) error {
		n, err := j.SignerSeen(ctx, sha256)
		if err == nil {
			seen <- n
		}
		return err
	})
	if err != nil {
		return 0, err
	}
	return <-seen, nil
}
