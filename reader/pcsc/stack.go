package pcsc

import "time"

// stack is an operating system's PC/SC, as little of it as we use. Linux and Windows implement it over the real thing, and
// the tests with a script. Errors are *Error, but where a comment says otherwise.
type stack interface {
	// establish makes a context. Contexts are never shared by two goroutines, but for cancel: pcsc-lite holds a lock for each.
	establish() (stackContext, error)
	// idle says whether a service that does not run is the normal state of a PC without readers. So it is on Windows, where
	// the service ends with the last reader (8010001E, then 8010001D), unless somebody has disabled it.
	idle() bool
	// tells says whether a wait also returns, with nothing changed, when a reader comes that was not waited for.
	tells() bool
}

type stackContext interface {
	// listReaders gives the names of all readers; none is no error.
	listReaders() ([]string, error)
	// wait returns when the event state of one reader differs from what is current, and fills event and atr of all; or fails
	// with codeTimeout. There is at least one state.
	wait(states []readerState, timeout time.Duration) error
	// cancel ends a wait that is going on in another goroutine.
	cancel() error
	// connect opens the card in a reader exclusively, with T=0 or T=1.
	connect(name string) (stackCard, error)
	release() error
}

type stackCard interface {
	// status gives the card's ATR, or says by its error what became of card and reader.
	status() (atr []byte, err error)
	// transmit may give any number of bytes; the caller checks.
	transmit(apdu []byte) ([]byte, error)
	disconnect(d disposition) error
}

// readerState is one reader in a wait.
type readerState struct {
	name           string
	current, event flags
	atr            []byte // stale after a removal: trust flagPresent only
}

// flags is a reader's state as SCardGetStatusChange has it: bits in the low word, a count of insertions and removals in
// the high one.
type flags uint32

const (
	flagUnaware     flags = 0x0000
	flagIgnore      flags = 0x0001
	flagChanged     flags = 0x0002
	flagUnknown     flags = 0x0004
	flagUnavailable flags = 0x0008
	flagEmpty       flags = 0x0010
	flagPresent     flags = 0x0020
	flagExclusive   flags = 0x0080
	flagInUse       flags = 0x0100
	flagMute        flags = 0x0200
)

func (f flags) has(bits flags) bool { return f&bits != 0 }

// count is how many cards came and went, modulo 65536.
func (f flags) count() uint16 { return uint16(f >> 16) }

// disposition is what becomes of a card that is let go; the numbers are PC/SC's.
type disposition uint32

const (
	resetCard   disposition = 1
	unpowerCard disposition = 2
)

// Bounds of what comes from a driver.
const (
	maxReaders  = 64   // pcsc-lite has 16, Windows 10
	maxName     = 1024 // bytes
	maxATR      = 36
	maxResponse = 65536 + 2
	minAPDU     = 4
	maxCommand  = 65544 // extended, with 65535 bytes of data
)
