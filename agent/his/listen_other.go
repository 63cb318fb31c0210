//go:build !windows

package his

import "syscall"

// errAddrInUse is the operating system's own word, where it is not EADDRINUSE.
const errAddrInUse = syscall.EADDRINUSE

// exclusive has nothing to do: outside Windows nobody can bind a listening socket's address and port a second time
// (SO_REUSEADDR, which Go sets, is about connections that are over; SO_REUSEPORT would have to be set by both).
func exclusive(_, _ string, _ syscall.RawConn) error { return nil }
