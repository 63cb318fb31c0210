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
	}
	return nil
}

// write puts something into the book before it returns true. False is a disk that refuses or takes too long: the job is
// marked, goes on, and the writing is caught up. One job waits for a hanging disk once, not at each step.
func (j *job) write(w write) bool {
	e := j.e
	e.mu.Lock()
	hopeless := j.noBook
	e.mu.Unlock()
	if e.cfg.Book == nil {
		j.marked()
		return false
	}
	if hopeless {
		e.later(w)
		j.marked()
		return false
	}
	ok, timely := e.onDisk(&e.wg, func(ctx context.Context) error { return w.to(ctx, e.cfg.Book) }, func() { e.later(w) })
	if !ok {
		j.marked()
	}
	if !timely {
		e.mu.Lock()
		j.noBook = true
		e.mu.Unlock()
	}
	return ok
}

func (j *job) marked() {
	j.e.mu.Lock()
	j.unwritten = true
	j.e.mu.Unlock()
}

// onDisk runs something that touches the disk, in a goroutine of its own because a hanging disk may not heed a context; a
// bounded number of these exist. failed is called, sooner or later, if it did not succeed. timely is false if the answer
// was not waited for to the end.
func (e *Engine) onDisk(wg *sync.WaitGroup, do func(context.Context) error, failed func()) (ok, timely bool) {
	select {
	case e.books <- struct{}{}:
	default:
		failed()
		return false, false
	}
	ctx, cancel := context.WithTimeout(context.Background(), bookWait)
	result := make(chan error, 1)
	wg.Go(func() {
		defer cancel()
		defer func() { <-e.books }()
		err := func() (err error) {
			defer func() {
				if recover() != nil {
					err = errors.New("the book panicked")
				}
			}()
			return do(ctx)
		}()
		if err != nil {
			e.cfg.Log("book.refused", nil)
			failed()
		}
		result <- err
	})
	select {
	case err := <-result:
		return err == nil, true
	case <-ctx.Done():
		select {
		case err := <-result:
			return err == nil, ctx.Err() == nil || err == nil
		default:
			return false, false
		}
	}
}

// later keeps a write for when the disk is back. The oldest are lost first when there are too many, and counted.
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

// catchUp writes down what the disk refused, in order, until the engine stops; then once more.
func (e *Engine) catchUp() {
	tick := time.NewTicker(catchUpEvery)
	defer tick.Stop()
	for {
		select {
		case <-e.ctx.Done():
			e.flush(context.Background())
			return
		case <-tick.C:
			e.flush(e.ctx)
		}
	}
}

func (e *Engine) flush(ctx context.Context) {
	for {
		e.mu.Lock()
		if len(e.late) == 0 {
			e.mu.Unlock()
			return
		}
		w := e.late[0]
		e.late = e.late[1:]
		e.mu.Unlock()
		if ctx.Err() != nil {
			e.first(w)
			return
		}
		if ok, _ := e.onDisk(&e.loops, func(ctx context.Context) error { return w.to(ctx, e.cfg.Book) }, func() { e.first(w) }); !ok {
			return
		}
		e.cfg.Log("book.caught_up", nil)
	}
}

// first puts a write back where it was.
func (e *Engine) first(w write) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.late = append([]write{w}, e.late...)
}

// Unwritten is how many writes wait for the disk to come back, and how many were lost because too many waited: for the
// agent's health.
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
