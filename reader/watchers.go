package reader

import (
	"context"
	"sync"
)

// Watchers tells many listeners that something changed, without waiting for any of them: each gets a channel of one value,
// and what comes while that value lies there coalesces with it. It is the part of Monitor.Watch that all monitors share.
// The zero value is ready; it is safe for concurrent use.
type Watchers struct {
	mu     sync.Mutex
	subs   map[chan struct{}]func() bool
	closed bool
}

// Watch gives a channel that gets a value after each Notify. It is closed when ctx ends or Close is called. One value lies
// in it from the start, so that a listener's first look at the world needs no code of its own.
func (w *Watchers) Watch(ctx context.Context) <-chan struct{} {
	ch := make(chan struct{}, 1)
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.closed || ctx.Err() != nil {
		close(ch)
		return ch
	}
	ch <- struct{}{}
	if w.subs == nil {
		w.subs = make(map[chan struct{}]func() bool)
	}
	w.subs[ch] = context.AfterFunc(ctx, func() {
		w.mu.Lock()
		defer w.mu.Unlock()
		if _, ok := w.subs[ch]; ok {
			delete(w.subs, ch)
			close(ch)
		}
	})
	return ch
}

// Notify wakes every listener.
func (w *Watchers) Notify() {
	w.mu.Lock()
	defer w.mu.Unlock()
	for ch := range w.subs {
		select {
		case ch <- struct{}{}:
		default: // a value lies there already and says the same
		}
	}
}

// Close ends every listener's channel, now and from now on.
func (w *Watchers) Close() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.closed = true
	for ch, stop := range w.subs {
		stop()
		delete(w.subs, ch)
		close(ch)
	}
}
