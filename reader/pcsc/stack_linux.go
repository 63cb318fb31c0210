//go:build linux && cgo && !nopcsc

package pcsc

import (
	"os"
	"sync"
	"time"

	"github.com/ebfe/scard"
)

// newStack takes pcsc-lite, through ebfe/scard.
func newStack(o Options) stack {
	if o.Socket != "" {
		// The only way to tell libpcsclite; it looks once.
		_ = os.Setenv("PCSCLITE_CSOCK_NAME", o.Socket)
	}
	return lite{}
}

type lite struct{}

func (lite) establish() (stackContext, error) {
	c, err := scard.EstablishContext()
	if err != nil {
		return nil, failed("SCardEstablishContext", err)
	}
	return &liteContext{c: c}, nil
}

// idle is false: pcscd runs, or systemd starts it, whether there are readers or not.
func (lite) idle() bool { return false }

// tells is true by means of newReaders.
func (lite) tells() bool { return true }

// newReaders is the name under which pcsc-lite tells of readers that come and go. The high word of its state is their number.
const newReaders = `\\?PnP?\Notification`

// failed turns scard's errors, which carry the code and nothing else, into ours.
func failed(op string, err error) error {
	if err == nil {
		return nil
	}
	if e, ok := err.(scard.Error); ok {
		return &Error{Op: op, Code: Code(uint32(e))}
	}
	return &Error{Op: op, Code: codeUnknownError}
}

type liteContext struct {
	c       *scard.Context
	readers scard.StateFlag // the state of newReaders
}

func (c *liteContext) listReaders() ([]string, error) {
	for try := 0; ; try++ {
		names, err := c.c.ListReaders()
		switch {
		case err == scard.ErrNoReadersAvailable:
			return nil, nil
		case err == scard.ErrInsufficientBuffer && try < 3:
			continue // one more was plugged in between asking for the size and for the names
		}
		return names, failed("SCardListReaders", err)
	}
}

// waiting is held during every SCardGetStatusChange of the process: scard keeps a reader's name alive for C in a map by
// name, so that two waits for the same reader would free each other's. A wait lasts a second.
var waiting sync.Mutex

func (c *liteContext) wait(states []readerState, timeout time.Duration) error {
	waiting.Lock()
	defer waiting.Unlock()
	sys := make([]scard.ReaderState, len(states), len(states)+1)
	for i, s := range states {
		sys[i] = scard.ReaderState{Reader: s.name, CurrentState: scard.StateFlag(s.current)}
	}
	sys = append(sys, scard.ReaderState{Reader: newReaders, CurrentState: c.readers})
	if err := c.c.GetStatusChange(sys, timeout); err != nil {
		return failed("SCardGetStatusChange", err)
	}
	c.readers = sys[len(states)].EventState &^ scard.StateChanged
	for i := range states {
		states[i].event, states[i].atr = flags(sys[i].EventState), sys[i].Atr
	}
	return nil
}

func (c *liteContext) cancel() error  { return failed("SCardCancel", c.c.Cancel()) }
func (c *liteContext) release() error { return failed("SCardReleaseContext", c.c.Release()) }

func (c *liteContext) connect(name string) (stackCard, error) {
	card, err := c.c.Connect(name, scard.ShareExclusive, scard.ProtocolT0|scard.ProtocolT1)
	if err != nil {
		return nil, failed("SCardConnect", err)
	}
	if p := card.ActiveProtocol(); p != scard.ProtocolT0 && p != scard.ProtocolT1 {
		// scard's Transmit would panic.
		_ = card.Disconnect(scard.ResetCard)
		return nil, &Error{Op: "SCardConnect", Code: codeProtoMismatch}
	}
	return liteCard{card}, nil
}

type liteCard struct{ card *scard.Card }

func (c liteCard) status() (atr []byte, err error) {
	// scard takes the first of the reader's names without looking whether there is one.
	defer func() {
		if recover() != nil {
			atr, err = nil, &Error{Op: "SCardStatus", Code: codeReaderUnavailable}
		}
	}()
	s, err := c.card.Status()
	if err != nil {
		return nil, failed("SCardStatus", err)
	}
	return s.Atr, nil
}

func (c liteCard) transmit(apdu []byte) ([]byte, error) {
	rsp, err := c.card.Transmit(apdu)
	// A copy: what scard gives keeps 64 kB alive.
	return append([]byte(nil), rsp...), failed("SCardTransmit", err)
}

func (c liteCard) disconnect(d disposition) error {
	return failed("SCardDisconnect", c.card.Disconnect(scard.Disposition(d)))
}
