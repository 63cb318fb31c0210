package virtual

import (
	"net"

	"golang.org/x/sys/unix"
)

// quickACK is best effort: without it everything works, slowly.
func quickACK(c *net.TCPConn) {
	raw, err := c.SyscallConn()
	if err != nil {
		return
	}
	_ = raw.Control(func(fd uintptr) {
		_ = unix.SetsockoptInt(int(fd), unix.IPPROTO_TCP, unix.TCP_QUICKACK, 1)
	})
}
