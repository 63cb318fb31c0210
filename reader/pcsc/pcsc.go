// Package pcsc watches the readers of a PC/SC stack and talks to the cards in them: pcsc-lite on Linux (through
// github.com/ebfe/scard and cgo), winscard on Windows (through a small binding of its own, without cgo).
//
// One goroutine watches. It asks for changes with a timeout of one second and lists the readers anew each time, rather than
// wait for the stack's own notice of new readers: that notice returns at once, again and again, on some Windows versions
// and is missing on some versions of pcsc-lite. Every session has a goroutine and a PC/SC context of its own, because a
// context can do one thing at a time.
//
// When the service goes away (killed, updated, or ended by Windows together with the last reader) all readers are Absent,
// all sessions dead, and the watcher tries again every second; once the service is there, the readers are back within three
// seconds, with nothing for the desk to do. A card that lies in a reader then counts as inserted anew, since nobody can know
// that it is the same. On Windows a service that does not run is what a PC without readers looks like, and no error, unless
// the service has been disabled.
//
// A call into a driver cannot be stopped. One that outlives its context is left to itself, and counted: if it does not come
// back, its reader is in state Error, and connecting to it fails with reader.ErrReaderStuck until it does. At most four calls
// may be lost in that way in one process; then nothing new is started.
//
// Cards are opened exclusively and without a transaction: Windows resets a card whose transaction is idle for 5 seconds.
// Right after a card was put down, other programs (on Windows the certificate propagation) hold it for a moment; Connect
// tries again for up to two seconds.
//
// Built with the tag nopcsc, or on Linux without cgo, the package has no PC/SC: New gives a monitor without readers whose
// Health says so.
package pcsc

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/tapcheck/tapcheck/reader"
)

// Options change how the stack is found and watched. The zero value is right for a desk.
type Options struct {
	// Socket is the path of pcscd's socket, for a daemon that is not the system's (Linux only; empty is the system's, or
	// what PCSCLITE_CSOCK_NAME says). The library reads it once per process: the first monitor decides.
	Socket string
	// Retry is the pause between two tries to reach a service that does not run; default 1 s.
	Retry time.Duration
	// CallTimeout is the longest that one APDU may take, whatever its context says; default 30 s.
	CallTimeout time.Duration
	// BusyPatience is how long Connect tries again while another program holds the card; default 2 s.
	BusyPatience time.Duration

	// grace is how long a call that was left to itself may take before its reader counts as stuck; default 2 s.
	grace time.Duration
	// tick is the longest wait for a change; default 1 s.
	tick time.Duration
	// calm is what it is where the stack tells of everything by itself and nothing of ours is on its way; default 5 s. An idle PC
	// is then woken less.
	calm time.Duration
	// lost counts the calls that were left to themselves; default the process's.
	lost *losses
}

func (o *Options) defaults() {
	for _, d := range []struct {
		v    *time.Duration
		zero time.Duration
	}{
		{&o.Retry, time.Second}, {&o.CallTimeout, 30 * time.Second}, {&o.BusyPatience, 2 * time.Second},
		{&o.grace, 2 * time.Second}, {&o.tick, time.Second}, {&o.calm, 5 * time.Second},
	} {
		if *d.v <= 0 {
			*d.v = d.zero
		}
	}
	if o.lost == nil {
		o.lost = &processLosses
	}
}

// ErrNotBuiltIn is the Health of a program that was built without PC/SC.
var ErrNotBuiltIn = fmt.Errorf("%w: this program was built without PC/SC", reader.ErrServiceStopped)

// New starts to watch. It never fails for want of a service or a reader: both may come later, and Health tells. Close ends
// it. A process needs one monitor; several work, but they wait for one another.
func New(o Options) reader.Monitor {
	s := newStack(o)
	if s == nil {
		return newNone()
	}
	return start(s, o)
}

// none is a monitor in a program without PC/SC.
type none struct {
	watchers reader.Watchers
}

func newNone() reader.Monitor { return &none{} }

func (*none) Readers() []reader.Info                      { return nil }
func (n *none) Watch(ctx context.Context) <-chan struct{} { return n.watchers.Watch(ctx) }
func (*none) Health() error                               { return ErrNotBuiltIn }
func (n *none) Close() error                              { n.watchers.Close(); return nil }
func (*none) Connect(ctx context.Context, _ string) (reader.Session, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	return nil, ErrNotBuiltIn
}

// serviceLost says whether err means that the context it came from is of no more use.
func serviceLost(err error) bool { return errors.Is(err, reader.ErrServiceStopped) }
