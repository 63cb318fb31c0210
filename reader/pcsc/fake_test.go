package pcsc

import (
	"sync"
	"time"
)

// fake is a PC/SC stack that does what a test says, for what no real one here does: Windows' habits above all.
type fake struct {
	mu      sync.Mutex
	changed chan struct{} // closed and made anew when anything changes
	readers []*fakeReader
	down    map[string]Code // operations that fail, by name: "establish", "list", "wait"
	isIdle  bool
	telling bool // waits return when a reader comes or goes, too
	eager   bool // waits return at once, change or not: Windows without the count in the high word
	hang    chan struct{}
	waits   int
	waited  []readerState // what was last waited for
	open    int           // contexts
}

type fakeReader struct {
	name    string
	flags   flags
	atr     []byte
	connect []Code // what the next connections give; then success
	card    fakeCard
}

// fakeCard says how a card behaves.
type fakeCard struct {
	status       func() Code
	transmit     func(apdu []byte) ([]byte, Code)
	disconnected []disposition
}

func newFake(readers ...*fakeReader) *fake {
	return &fake{readers: readers, changed: make(chan struct{}), down: make(map[string]Code)}
}

// do changes the fake's world.
func (f *fake) do(change func()) {
	f.mu.Lock()
	defer f.mu.Unlock()
	change()
	close(f.changed)
	f.changed = make(chan struct{})
}

// seen is how many waits there were, and what the last one was for.
func (f *fake) seen() (waits int, last []readerState) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.waits, f.waited
}

// contexts is how many are open.
func (f *fake) contexts() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.open
}

// insert and remove play a card at a reader; the count goes up with each, as in the real stacks.
func (f *fake) insert(r *fakeReader, atr []byte) {
	f.do(func() {
		r.atr = atr
		r.flags = (r.flags&^0xFFFF + 0x10000) | flagPresent
	})
}

func (f *fake) remove(r *fakeReader) {
	f.do(func() { r.flags = (r.flags&^0xFFFF + 0x10000) | flagEmpty }) // the ATR stays, stale
}

func (f *fake) fails(op string) error {
	if c := f.down[op]; c != codeSuccess {
		return &Error{Op: op, Code: c}
	}
	return nil
}

func (f *fake) establish() (stackContext, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if err := f.fails("establish"); err != nil {
		return nil, err
	}
	f.open++
	return &fakeContext{f: f, cancelled: make(chan struct{}, 1)}, nil
}

func (f *fake) tells() bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.telling
}

func (f *fake) idle() bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.isIdle
}

type fakeContext struct {
	f         *fake
	cancelled chan struct{}
}

func (c *fakeContext) listReaders() ([]string, error) {
	c.f.mu.Lock()
	defer c.f.mu.Unlock()
	var names []string
	for _, r := range c.f.readers {
		names = append(names, r.name)
	}
	return names, c.f.fails("list")
}

func (f *fake) byName(name string) *fakeReader {
	for _, r := range f.readers {
		if r.name == name {
			return r
		}
	}
	return nil
}

func (c *fakeContext) wait(states []readerState, timeout time.Duration) error {
	f := c.f
	limit := time.After(timeout)
	f.mu.Lock()
	f.waits++
	before := len(f.readers)
	f.waited = append([]readerState(nil), states...)
	f.mu.Unlock()
	for {
		f.mu.Lock()
		changed, hang := f.changed, f.hang
		err := f.fails("wait")
		news := f.eager || f.telling && len(f.readers) != before
		for i := range states {
			r := f.byName(states[i].name)
			if r == nil {
				if err == nil {
					err = &Error{Op: "wait", Code: codeUnknownReader}
				}
				break
			}
			states[i].event, states[i].atr = r.flags, r.atr
			if states[i].current != r.flags {
				states[i].event |= flagChanged
				news = true
			}
		}
		f.mu.Unlock()
		switch {
		case hang != nil:
			<-hang
		case err != nil || news:
			return err
		}
		select {
		case <-changed:
		case <-c.cancelled:
			return &Error{Op: "wait", Code: codeCancelled}
		case <-limit:
			return &Error{Op: "wait", Code: codeTimeout}
		}
	}
}

func (c *fakeContext) cancel() error {
	select {
	case c.cancelled <- struct{}{}:
	default:
	}
	return nil
}

func (c *fakeContext) release() error {
	c.f.mu.Lock()
	defer c.f.mu.Unlock()
	c.f.open--
	return nil
}

func (c *fakeContext) connect(name string) (stackCard, error) {
	c.f.mu.Lock()
	defer c.f.mu.Unlock()
	r := c.f.byName(name)
	if r == nil {
		return nil, &Error{Op: "connect", Code: codeUnknownReader}
	}
	if len(r.connect) > 0 {
		code := r.connect[0]
		if len(r.connect) > 1 || code == codeSuccess {
			r.connect = r.connect[1:] // the last one stays
		}
		if code != codeSuccess {
			return nil, &Error{Op: "connect", Code: code}
		}
	}
	return &fakeHandle{c.f, r}, nil
}

type fakeHandle struct {
	f *fake
	r *fakeReader
}

func (h *fakeHandle) status() ([]byte, error) {
	if h.r.card.status != nil {
		if code := h.r.card.status(); code != codeSuccess {
			return nil, &Error{Op: "status", Code: code}
		}
	}
	h.f.mu.Lock()
	defer h.f.mu.Unlock()
	return h.r.atr, nil
}

func (h *fakeHandle) transmit(apdu []byte) ([]byte, error) {
	if h.r.card.transmit == nil {
		return []byte{0x90, 0x00}, nil
	}
	rsp, code := h.r.card.transmit(apdu)
	if code != codeSuccess {
		return nil, &Error{Op: "transmit", Code: code}
	}
	return rsp, nil
}

func (h *fakeHandle) disconnect(d disposition) error {
	h.f.mu.Lock()
	defer h.f.mu.Unlock()
	h.r.card.disconnected = append(h.r.card.disconnected, d)
	return nil
}
