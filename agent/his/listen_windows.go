package his

import (
	"syscall"

	"golang.org/x/sys/windows"
)

// errAddrInUse is WSAEADDRINUSE; syscall.EADDRINUSE is an invented number on Windows.
const errAddrInUse = windows.WSAEADDRINUSE

// soExclusiveAddrUse is SO_EXCLUSIVEADDRUSE of winsock2.h: the complement of SO_REUSEADDR.
const soExclusiveAddrUse = ^windows.SO_REUSEADDR

// exclusive keeps another program from binding our port beside us: on Windows SO_REUSEADDR means "even if somebody has it".
func exclusive(_, _ string, c syscall.RawConn) error {
	var err error
	if e := c.Control(func(fd uintptr) {
		err = windows.SetsockoptInt(windows.Handle(fd), windows.SOL_SOCKET, soExclusiveAddrUse, 1)
	}); e != nil {
		return e
	}
	return err
}
