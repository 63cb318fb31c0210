package console

import (
	"context"
	"sync"
)

// hub counts what has happened, and wakes who waits for the next.
type hub struct {
	mu   sync.Mutex
	seq  uint64
	next chan struct{}
}

func newHub() *hub { return &hub{seq: 1, next: make(chan struct{})} }

// bump says that something has changed.
func (h *hub) bump() uint64 {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.seq++
	close(h.next)
	h.next = make(chan struct{})
	return h.seq
}

// wait returns once something has happened after since, or when ctx or one of the channels ends.
func (h *hub) wait(ctx context.Context, since uint64, ends <-chan struct{}) uint64 {
	for {
		h.mu.Lock()
		seq, next := h.seq, h.next
		h.mu.Unlock()
		if seq > since || since > seq { // a number of another run of the agent
			return seq
		}
		select {
		case <-next:
		case <-ctx.Done():
			return seq
		case <-ends:
			return seq
		}
	}
}
