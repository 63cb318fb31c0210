package agent

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
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

	turn    chan struct{} // holds one value; whoever has it may use what follows. A hung disk keeps it, and no caller past its ctx
	journal *journal.Journal
	backlog []func(ctx context.Context, j *journal.Journal) error
	lost    int

	done chan struct{}
	stop context.CancelFunc
}

// openBook opens the journal, or begins without one where the disk refuses, and tries again every retry. It fails where
// waiting cannot help: another key, another program that has it open, a newer version's file.
func openBook(ctx context.Context, open func(ctx context.Context) (*journal.Journal, error), h *health.Tracker, retry time.Duration, log func(string, map[string]any)) (*book, error) {
	j, err := open(ctx)
	if err != nil && !errors.Is(err, journal.ErrUnwritable) {
		return nil, err
	}
	h.Set(health.JournalUnwritable, err != nil)
	own, stop := context.WithCancel(context.WithoutCancel(ctx))
	b := &book{open: open, health: h, log: log, turn: make(chan struct{}, 1), journal: j, done: make(chan struct{}), stop: stop}
	b.turn <- struct{}{}
	go b.catchUp(own, retry)
	return b, nil
}

// setAside moves a damaged journal out of the way, whole, so that a new one can be begun: a desk must not stand still for
// it, and what can be saved of it is evidence.
func setAside(path string, now time.Time) error {
	aside := filepath.Join(filepath.Dir(path), fmt.Sprintf("damaged-%s", now.UTC().Format("20060102T150405Z")))
	if err := os.Mkdir(aside, 0o700); err != nil {
		return err
	}
	parts, err := filepath.Glob(path + "*")
	if err != nil {
		return err
	}
	for _, part := range parts {
		if err := os.Rename(part, filepath.Join(aside, filepath.Base(part))); err != nil {
			return err
		}
	}
	return nil
}

// take waits for the turn; false means that ctx ended first.
func (b *book) take(ctx context.Context) bool {
	select {
	case <-b.turn:
		return true
	case <-ctx.Done():
		return false
	}
}

func (b *book) give() { b.turn <- struct{}{} }

// do writes at once, or leaves the write to catchUp.
func (b *book) do(ctx context.Context, write func(ctx context.Context, j *journal.Journal) error) error {
	if !b.take(ctx) {
		return ctx.Err()
	}
	defer b.give()
	err := journal.ErrUnwritable
	if b.journal != nil && len(b.backlog) == 0 { // what waits must come first
		err = write(ctx, b.journal)
		if err == nil || errors.Is(err, journal.ErrInvalid) {
			return err // no disk will ever take what is invalid
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

func (b *book) catchUp(ctx context.Context, retry time.Duration) {
	defer close(b.done)
	tick := time.NewTicker(retry)
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

// try writes what waits, as far as the disk takes it.
func (b *book) try(ctx context.Context) {
	if !b.take(ctx) {
		return
	}
	defer b.give()
	if b.journal == nil {
		j, err := b.open(ctx)
		if err != nil {
			return
		}
		b.journal = j
	}
	n := len(b.backlog)
	for len(b.backlog) > 0 {
		switch err := b.backlog[0](ctx, b.journal); {
		case errors.Is(err, journal.ErrInvalid):
			b.lost++
		case err != nil:
			return
		}
		b.backlog = b.backlog[1:]
	}
	b.health.Set(health.JournalUnwritable, false)
	if n > 0 {
		b.log("journal.caughtUp", map[string]any{"writes": n, "lost": b.lost})
	}
}

// close makes a last try and closes the journal. A disk that hangs is left to itself when ctx ends.
func (b *book) close(ctx context.Context) error {
	b.stop()
	closed := make(chan error, 1)
	go func() { // counted: one per agent, and only where a disk hangs does it outlive ctx
		<-b.done
		b.try(ctx)
		if !b.take(ctx) {
			closed <- ctx.Err()
			return
		}
		defer b.give()
		if b.journal == nil {
			closed <- nil
			return
		}
		closed <- b.journal.Close()
	}()
	select {
	case err := <-closed:
		return err
	case <-ctx.Done():
		return ctx.Err()
	}
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
