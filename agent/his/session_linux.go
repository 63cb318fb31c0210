package his

import (
	"bufio"
	"context"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"io"
	"io/fs"
	"net/netip"
	"os"
	"strconv"
	"strings"
	"sync"

	"golang.org/x/sys/unix"
)

// procLimit bounds what is read of the kernel's table, in bytes: some 50,000 sockets.
const procLimit = 8 << 20

// PeerSession finds whose program is at the other end of a loopback connection: "uid:1000". The peer's socket is the one
// whose ends are ours, turned round, and the kernel knows its owner. It is asked for that one socket (sock_diag(7)).
// Where that is not to be had, all sockets are read from /proc/net/tcp and tcp6 (proc(5)), several times if need be: the
// kernel does not hold still meanwhile, and with thousands of sockets coming and going a living one can be missed.
func PeerSession(ctx context.Context, local, remote netip.AddrPort) (string, error) {
	uid, err := askKernel(remote, local)
	for try := 0; err != nil && try < 3; try++ {
		if ctx.Err() != nil {
			return "", ctx.Err()
		}
		uid, err = readTables(remote, local)
	}
	if err != nil {
		return "", err
	}
	if uid == overflowUID() {
		return "", ErrNoSession
	}
	return "uid:" + strconv.FormatUint(uint64(uid), 10), nil
}

// overflowUID is how the kernel names every user whom the agent's user namespace does not know (user_namespaces(7)): in a
// unit with PrivateUsers=yes all users of the PC are this one, and would see each other's jobs. It is "nobody" otherwise,
// who sits at no desk.
var overflowUID = sync.OnceValue(func() uint32 {
	if raw, err := os.ReadFile("/proc/sys/kernel/overflowuid"); err == nil { // not with ProcSubset=pid
		if n, err := strconv.ParseUint(strings.TrimSpace(string(raw)), 10, 32); err == nil {
			return uint32(n)
		}
	}
	return 65534
})

// Layouts of linux/inet_diag.h: struct inet_diag_req_v2 and struct inet_diag_msg, each with a struct inet_diag_sockid.
const (
	diagRequestLen = 8 + diagIDLen
	diagIDLen      = 48
	diagAnswerLen  = 4 + diagIDLen + 5*4
	diagUID        = 4 + diagIDLen + 3*4 // offset of idiag_uid
	tcpEstablished = 1
)

// askKernel asks for the owner of the established socket with these ends.
func askKernel(local, remote netip.AddrPort) (uid uint32, err error) {
	fd, err := unix.Socket(unix.AF_NETLINK, unix.SOCK_RAW|unix.SOCK_CLOEXEC, unix.NETLINK_SOCK_DIAG)
	if err != nil {
		return 0, err
	}
	defer unix.Close(fd)
	// The answer is there when the question has been sent; the timeout is for a kernel that has none.
	if err := unix.SetsockoptTimeval(fd, unix.SOL_SOCKET, unix.SO_RCVTIMEO, &unix.Timeval{Sec: 1}); err != nil {
		return 0, err
	}
	ne := binary.NativeEndian
	q := make([]byte, unix.SizeofNlMsghdr+diagRequestLen)
	ne.PutUint32(q[0:], uint32(len(q)))
	ne.PutUint16(q[4:], unix.SOCK_DIAG_BY_FAMILY)
	ne.PutUint16(q[6:], unix.NLM_F_REQUEST)
	r := q[unix.SizeofNlMsghdr:]
	r[0], r[1] = unix.AF_INET, unix.IPPROTO_TCP
	if local.Addr().Is6() {
		r[0] = unix.AF_INET6
	}
	ne.PutUint32(r[4:], 1<<tcpEstablished)
	id := r[8:]
	binary.BigEndian.PutUint16(id[0:], local.Port())
	binary.BigEndian.PutUint16(id[2:], remote.Port())
	copy(id[4:20], local.Addr().AsSlice())
	copy(id[20:36], remote.Addr().AsSlice())
	ne.PutUint64(id[40:], ^uint64(0)) // INET_DIAG_NOCOOKIE
	if err := unix.Sendto(fd, q, 0, &unix.SockaddrNetlink{Family: unix.AF_NETLINK}); err != nil {
		return 0, err
	}
	buf := make([]byte, 4<<10)
	n, _, err := unix.Recvfrom(fd, buf, 0)
	if err != nil {
		return 0, err
	}
	if a := buf[:n]; n >= unix.SizeofNlMsghdr+diagAnswerLen && ne.Uint16(a[4:]) == unix.SOCK_DIAG_BY_FAMILY {
		a = a[unix.SizeofNlMsghdr:]
		// Where there is no such connection the kernel may answer with a listening socket.
		if a[1] == tcpEstablished && [4]byte(a[4:8]) == [4]byte(id[0:4]) {
			return ne.Uint32(a[diagUID:]), nil
		}
	}
	return 0, ErrNoSession
}

// readTables looks for the owner of the established socket with these ends in the kernel's tables. A program that speaks
// IPv4 over an IPv6 socket (Java does) stands in tcp6 with mapped addresses, so both are looked at.
func readTables(local, remote netip.AddrPort) (uid uint32, err error) {
	for _, table := range []string{"/proc/self/net/tcp", "/proc/self/net/tcp6"} {
		f, err := os.Open(table)
		if errors.Is(err, fs.ErrNotExist) {
			continue // IPv6 is switched off
		}
		if err != nil {
			return 0, err
		}
		uid, ok := socketOwner(io.LimitReader(f, procLimit), local, remote)
		_ = f.Close()
		if ok {
			return uid, nil
		}
	}
	return 0, ErrNoSession
}

// socketOwner finds the user of the established socket with these ends.
func socketOwner(r io.Reader, local, remote netip.AddrPort) (uid uint32, ok bool) {
	lines := bufio.NewScanner(r)
	for lines.Scan() {
		// sl local_address rem_address st tx_queue:rx_queue tr:tm->when retrnsmt uid …
		f := strings.Fields(lines.Text())
		if len(f) < 8 || f[3] != "01" { // only ESTABLISHED has an owner to speak of
			continue
		}
		l, lok := procAddr(f[1])
		r, rok := procAddr(f[2])
		if !lok || !rok || l != local || r != remote {
			continue
		}
		n, err := strconv.ParseUint(f[7], 10, 32)
		return uint32(n), err == nil
	}
	return 0, false
}

// procAddr reads "0100007F:6B58": words of 32 bits in the machine's own order, the port as a number.
func procAddr(s string) (netip.AddrPort, bool) {
	addr, port, ok := strings.Cut(s, ":")
	raw, err := hex.DecodeString(addr)
	if !ok || err != nil || len(raw) != 4 && len(raw) != 16 {
		return netip.AddrPort{}, false
	}
	for i := 0; i < len(raw); i += 4 {
		binary.BigEndian.PutUint32(raw[i:], binary.NativeEndian.Uint32(raw[i:]))
	}
	p, err := strconv.ParseUint(port, 16, 16)
	if err != nil {
		return netip.AddrPort{}, false
	}
	a, _ := netip.AddrFromSlice(raw)
	return netip.AddrPortFrom(a.Unmap(), uint16(p)), true
}
