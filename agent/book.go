package agent

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/tapcheck/tapcheck/agent/health"
	"github.com/tapcheck/tapcheck/agent/journal"
)

// backlogLimit bounds how many writes wait for a disk that refuses, in memory. A desk has some hundred check-ins a day and
// about four writes each; what is beyond the limit is lost, oldest first, and counted.
const backlogLimit = 4000

// book is the journal behind a disk that may refuse. A write that fails is said to have failed, so that the result goes
// out marked `recorded: false`, and is caught up in order as soon as the disk takes it (design.md, rule 2).
type book struct {
	open   func(ctx context.Context) (*journal.Journal, error)
	health *health.Tracker
	log    func(event string, fields map[string]any)
	retry  time.Duration

	mu      sync.Mutex
	journal *journal.Journal
	backlog []func(ctx context.Context, j *journal.Journal) error
	lost    int
	done    chan struct{}
	stop    context.CancelFunc
}

// openBook opens the journal, or begins without one if the disk refuses. It fails only where no disk will ever help
// (journal.ErrWrongKey).
func openBook(ctx context.Context, open func(ctx context.Context) (*journal.Journal, error), h *health.Tracker, retry time.Duration, log func(string, map[string]any)) (*book, error) {
	b := &book{open: open, health: h, log: log, retry: retry, done: make(chan struct{})}
	j, err := open(ctx)
	if errors.Is(err, journal.ErrWrongKey) {
		return nil, err
	}
	b.journal = j
	b.health.Set(health.JournalUnwritable, err != nil)
	own, stop := context.WithCancel(context.WithoutCancel(ctx))
	b.stop = stop
	go b.catchUp(own)
	return b, nil
}

// do writes at once, or leaves the write to catchUp.
func (b *book) do(ctx context.Context, write func(ctx context.Context, j *journal.Journal) error) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	err := journal.ErrUnwritable
	if b.journal != nil && len(b.backlog) == 0 { // what waits must come first
		if err = write(ctx, b.journal); err == nil {
			return nil
		}
	}
	b.health.Set(health.JournalUnwritable, true)
	if len(b.backlog) == backlogLimit {
		b.backlog = b.backlog[1:]
		b.lost++
	}
	b.backlog = append(b.backlog, write)
	return err
}

func (b *book) catchUp(ctx context.Context) {
	defer close(b.done)
	tick := time.NewTicker(b.retry)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			b.try(ctx)
		}
	}
}

func (b *book) try(ctx context.Context) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.journal == nil {
		j, err := b.open(ctx)
		if err != nil {
			return
		}
		b.journal = j
	}
	n := len(b.backlog)
	for len(b.backlog) > 0 {
		if err := b.backlog[0](ctx, b.journal); err != nil {
			return
		}
		b.backlog = b.backlog[1:]
	}
	b.health.Set(health.JournalUnwritable, false)
	if n > 0 {
		b.log("journal.caughtUp", map[string]any{"writes": n, "lost": b.lost})
	}
}

// close makes a last try and closes the journal.
func (b *book) close(ctx context.Context) error {
	b.stop()
	<-b.done
	b.try(ctx)
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.journal == nil {
		return nil
	}
	return b.journal.Close()
}

// PutCheckin implements checkin.Book.
func (b *book) PutCheckin(ctx context.Context, c journal.Checkin) error {
	return b.do(ctx, func(ctx context.Context, j *journal.Journal) error { return j.PutCheckin(ctx, c) })
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

// SignerSeen implements checkin.Book. A sight that could not be counted is caught up; how often the signer was seen is
// then not known.
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
