package checkin

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/tapcheck/tapcheck/agent/journal"
)

// write is one thing for the book; exactly one member is set.
type write struct {
	checkin    *journal.Checkin
	disclosure *journal.Disclosure
	lookup     *journal.Lookup
	attempt    *journal.Attempt
	amendment  *journal.Amendment
	answer     *journal.Answer
	stay       *journal.Stay
}

func (w write) to(ctx context.Context, b Book) error {
	switch {
	case w.checkin != nil:
		return b.PutCheckin(ctx, *w.checkin)
	case w.disclosure != nil:
		return b.PutDisclosure(ctx, *w.disclosure)
	case w.lookup != nil:
		return b.PutLookup(ctx, *w.lookup)
	case w.attempt != nil:
		return b.PutAttempt(ctx, *w.attempt)
	case w.amendment != nil:
		return b.PutAmendment(ctx, *w.amendment)
	case w.answer != nil:
		return b.PutAnswer(ctx, *w.answer)
	case w.stay != nil:
		return b.PutStay(ctx, *w.stay)
	}
	return nil
}

// write puts something into the book before it returns true. False is a disk that refuses or takes too long: the job is
// marked and goes on. One job waits for a hanging disk once, not at each step.
func (j *job) write(w write) bool {
	e := j.e
	if e.cfg.Book == nil {
		j.marked()
		return false
	}
	var hopeless bool
	e.locked(func() { hopeless = j.noBook })
	if hopeless {
		e.later(w)
		j.marked()
		return false
	}
	ok, timely, handed := e.onDisk(&e.wg, func(ctx context.Context) error { return w.to(ctx, e.cfg.Book) })
	if !handed {
		e.later(w)
	}
	if !ok {
		j.marked()
	}
	if !timely {
		e.locked(func() { j.noBook = true })
	}
	return ok
}

func (j *job) marked() {
	j.e.mu.Lock()
	j.unwritten = true
	j.e.mu.Unlock()
}

// onDisk runs something that touches the disk, in a goroutine of its own because a hanging disk may not heed a context; a
// bounded number of these exist, and handed is false if there was no room for one more. timely is false if the answer was
// not waited for to the end.
func (e *Engine) onDisk(wg *sync.WaitGroup, do func(context.Context) error) (ok, timely, handed bool) {
	select {
	case e.books <- struct{}{}:
	default:
		return false, false, false
	}
	ctx, cancel := context.WithTimeout(context.Background(), bookWait)
	result := make(chan error, 1)
	wg.Go(func() {
		defer cancel()
		defer func() { <-e.books }()
		err := func() (err error) {
			defer func() {
				if recover() != nil {
					err = errBook
				}
			}()
			return do(ctx)
		}()
		if err != nil {
			e.cfg.Log("book.refused", nil)
		}
		result <- err
	})
	patience := time.NewTimer(bookWait)
	defer patience.Stop()
	select {
	case err := <-result:
		return err == nil, !errors.Is(err, context.DeadlineExceeded), true
	case <-patience.C:
		return false, false, true
	}
}

var errBook = errors.New("the book panicked")

// later keeps a write that the book has not been given, because it hangs. The oldest are lost first when there are too
// many, and counted.
func (e *Engine) later(w write) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.late = append(e.late, w)
	if n := len(e.late) - maxCatchUp; n > 0 {
		e.late = append([]write(nil), e.late[n:]...)
		e.lost += n
		e.cfg.Log("book.lost", map[string]any{"count": e.lost})
	}
}

// catchUp gives the book what it could not take, in order, until the engine stops; then once more.
func (e *Engine) catchUp() {
	tick := time.NewTicker(catchUpEvery)
	defer tick.Stop()
	for {
		select {
		case <-e.ctx.Done():
			e.flush()
			return
		case <-tick.C:
			// What the book still hangs on came before what waits here, and may be of the same check-in.
			if len(e.books) == 0 {
				e.flush()
			}
		}
	}
}

func (e *Engine) flush() {
	for {
		var w write
		var n int
		e.locked(func() {
			if n = len(e.late); n > 0 {
				w, e.late = e.late[0], e.late[1:]
			}
		})
		if n == 0 {
			return
		}
		_, timely, handed := e.onDisk(&e.loops, func(ctx context.Context) error { return w.to(ctx, e.cfg.Book) })
		if !handed {
			e.locked(func() { e.late = append([]write{w}, e.late...) })
		}
		if !timely {
			return
		}
	}
}

// Unwritten is how many writes the book could not be given yet, and how many were lost because too many waited: for the
// agent's health. What the book was given and refused is the book's own to tell.
func (e *Engine) Unwritten() (waiting, lost int) {
	e.mu.Lock()
	defer e.mu.Unlock()
	return len(e.late), e.lost
}

// Panics is how many panics were contained to their jobs: for the agent's health.
func (e *Engine) Panics() int {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.panics
}
