//go:build windows && !nopcsc

package pcsc

import (
	"runtime"
	"time"
	"unsafe"

	"golang.org/x/sys/windows"
)

// This is the whole of winscard that we use. ebfe/scard is not linked on Windows for two reasons: it keeps a reader's name
// only as a number while SCardGetStatusChange waits with it, so that the garbage collector may take the name away; and it
// loads winscard.dll from wherever the search path leads, first of all from the program's own folder.
//
// Whatever Windows reads or writes during a call that blocks is pinned until the call has returned.
var (
	winscard = windows.NewLazySystemDLL("winscard.dll") // from System32 and nowhere else

	procEstablishContext = winscard.NewProc("SCardEstablishContext")
	procReleaseContext   = winscard.NewProc("SCardReleaseContext")
	procCancel           = winscard.NewProc("SCardCancel")
	procListReaders      = winscard.NewProc("SCardListReadersW")
	procGetStatusChange  = winscard.NewProc("SCardGetStatusChangeW")
	procConnect          = winscard.NewProc("SCardConnectW")
	procDisconnect       = winscard.NewProc("SCardDisconnect")
	procStatus           = winscard.NewProc("SCardStatusW")
	procTransmit         = winscard.NewProc("SCardTransmit")
)

const (
	scopeSystem    = 2
	shareExclusive = 1
	protocolT0     = 1
	protocolT1     = 2
	infinite       = 0xFFFFFFFF
)

// winReaderState is SCARD_READERSTATEW of winscard.h.
type winReaderState struct {
	name     *uint16
	userData uintptr
	current  uint32
	event    uint32
	lenATR   uint32
	atr      [maxATR]byte
}

// winIORequest is SCARD_IO_REQUEST; the protocol's control information that follows it is empty for T=0 and T=1.
type winIORequest struct {
	protocol uint32
	length   uint32
}

// call calls a function of winscard. The pointers among args must be pinned by the caller.
func call(op string, p *windows.LazyProc, args ...uintptr) error {
	if p.Find() != nil {
		// Windows Server Core and Nano come without it.
		return &Error{Op: op, Code: codeNoService}
	}
	r, _, _ := p.Call(args...)
	if code := Code(uint32(r)); code != codeSuccess { // LONG: the high half of the register means nothing
		return &Error{Op: op, Code: code}
	}
	return nil
}

func newStack(Options) stack { return win{} }

type win struct{}

func (win) establish() (stackContext, error) {
	var pin runtime.Pinner
	defer pin.Unpin()
	h := new(uintptr)
	pin.Pin(h)
	if err := call("SCardEstablishContext", procEstablishContext, scopeSystem, 0, 0, uintptr(unsafe.Pointer(h))); err != nil {
		return nil, err
	}
	return winContext(*h), nil
}

// tells is false: what Windows makes of the pseudo reader for that differs from version to version.
func (win) tells() bool { return false }

// idle looks whether the service may run at all: it is started by the first reader and ends with the last, so "not running"
// is normal, and "disabled" is not. Where that cannot be found out, it is taken for normal.
func (win) idle() bool {
	m, err := windows.OpenSCManager(nil, nil, windows.SC_MANAGER_CONNECT)
	if err != nil {
		return true
	}
	defer windows.CloseServiceHandle(m)
	s, err := windows.OpenService(m, windows.StringToUTF16Ptr("SCardSvr"), windows.SERVICE_QUERY_CONFIG)
	if err != nil {
		return true
	}
	defer windows.CloseServiceHandle(s)
	const size = 8192 // the most that QueryServiceConfig ever needs
	buf := make([]uint64, size/8)
	config := (*windows.QUERY_SERVICE_CONFIG)(unsafe.Pointer(&buf[0]))
	var needed uint32
	if err := windows.QueryServiceConfig(s, config, size, &needed); err != nil {
		return true
	}
	return config.StartType != windows.SERVICE_DISABLED
}

type winContext uintptr

func (c winContext) listReaders() ([]string, error) {
	const op = "SCardListReaders"
	var pin runtime.Pinner
	defer pin.Unpin()
	n := new(uint32)
	pin.Pin(n)
	for try := 0; ; try++ {
		*n = 0
		err := call(op, procListReaders, uintptr(c), 0, 0, uintptr(unsafe.Pointer(n)))
		var buf []uint16
		if err == nil {
			if *n == 0 || *n > maxReaders*maxName {
				return nil, nil
			}
			buf = make([]uint16, *n)
			pin.Pin(&buf[0])
			err = call(op, procListReaders, uintptr(c), 0, uintptr(unsafe.Pointer(&buf[0])), uintptr(unsafe.Pointer(n)))
		}
		switch codeOf(err) {
		case codeSuccess:
			return splitUTF16(buf[:min(int(*n), len(buf))]), nil
		case codeNoReaders:
			return nil, nil
		case codeInsufficientBuffer:
			// One more was plugged in between asking for the size and for the names.
			if try < 3 {
				continue
			}
		}
		return nil, err
	}
}

func (c winContext) wait(states []readerState, timeout time.Duration) error {
	const op = "SCardGetStatusChange"
	var pin runtime.Pinner
	defer pin.Unpin()
	sys := make([]winReaderState, len(states))
	for i, s := range states {
		name := toUTF16(s.name)
		if name == nil {
			return &Error{Op: op, Code: codeUnknownReader}
		}
		pin.Pin(&name[0])
		sys[i].name, sys[i].current = &name[0], uint32(s.current)
	}
	pin.Pin(&sys[0])
	ms := min(timeout.Milliseconds(), infinite-1)
	if err := call(op, procGetStatusChange, uintptr(c), uintptr(ms), uintptr(unsafe.Pointer(&sys[0])), uintptr(len(sys))); err != nil {
		return err
	}
	for i := range sys {
		states[i].event = flags(sys[i].event)
		states[i].atr = append([]byte(nil), sys[i].atr[:min(sys[i].lenATR, maxATR)]...)
	}
	return nil
}

func (c winContext) cancel() error { return call("SCardCancel", procCancel, uintptr(c)) }
func (c winContext) release() error {
	return call("SCardReleaseContext", procReleaseContext, uintptr(c))
}

func (c winContext) connect(name string) (stackCard, error) {
	const op = "SCardConnect"
	var pin runtime.Pinner
	defer pin.Unpin()
	wide := toUTF16(name)
	if wide == nil {
		return nil, &Error{Op: op, Code: codeUnknownReader}
	}
	out := new(struct {
		handle   uintptr
		protocol uint32
	})
	pin.Pin(&wide[0])
	pin.Pin(out)
	err := call(op, procConnect, uintptr(c), uintptr(unsafe.Pointer(&wide[0])), shareExclusive, protocolT0|protocolT1,
		uintptr(unsafe.Pointer(&out.handle)), uintptr(unsafe.Pointer(&out.protocol)))
	if err != nil {
		return nil, err
	}
	card := &winCard{handle: out.handle, protocol: out.protocol}
	if card.protocol != protocolT0 && card.protocol != protocolT1 {
		_ = card.disconnect(resetCard)
		return nil, &Error{Op: op, Code: codeProtoMismatch}
	}
	return card, nil
}

type winCard struct {
	handle   uintptr
	protocol uint32
	rsp      []byte // the worker's only; as long as the longest response
}

func (c *winCard) status() ([]byte, error) {
	var pin runtime.Pinner
	defer pin.Unpin()
	out := new(struct {
		state, protocol, lenName, lenATR uint32
		atr                              [maxATR]byte
		name                             [maxName]uint16
	})
	pin.Pin(out)
	out.lenName, out.lenATR = maxName, maxATR
	err := call("SCardStatus", procStatus, c.handle,
		uintptr(unsafe.Pointer(&out.name)), uintptr(unsafe.Pointer(&out.lenName)),
		uintptr(unsafe.Pointer(&out.state)), uintptr(unsafe.Pointer(&out.protocol)),
		uintptr(unsafe.Pointer(&out.atr)), uintptr(unsafe.Pointer(&out.lenATR)))
	if err != nil {
		return nil, err
	}
	return append([]byte(nil), out.atr[:min(out.lenATR, maxATR)]...), nil
}

func (c *winCard) transmit(apdu []byte) ([]byte, error) {
	const op = "SCardTransmit"
	if len(apdu) == 0 {
		return nil, &Error{Op: op, Code: codeInvalidParameter}
	}
	var pin runtime.Pinner
	defer pin.Unpin()
	if c.rsp == nil {
		c.rsp = make([]byte, maxResponse)
	}
	out := new(struct {
		send   winIORequest
		length uint32
	})
	out.send = winIORequest{c.protocol, uint32(unsafe.Sizeof(winIORequest{}))}
	out.length = maxResponse
	pin.Pin(&apdu[0])
	pin.Pin(&c.rsp[0])
	pin.Pin(out)
	err := call(op, procTransmit, c.handle, uintptr(unsafe.Pointer(&out.send)),
		uintptr(unsafe.Pointer(&apdu[0])), uintptr(len(apdu)), 0,
		uintptr(unsafe.Pointer(&c.rsp[0])), uintptr(unsafe.Pointer(&out.length)))
	if err != nil {
		return nil, err
	}
	return append([]byte(nil), c.rsp[:min(out.length, maxResponse)]...), nil
}

func (c *winCard) disconnect(d disposition) error {
	return call("SCardDisconnect", procDisconnect, c.handle, uintptr(d))
}
