package his

import (
	"context"
	"io"
	"net"
	"net/netip"
	"os"
	"strconv"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// Rows as the kernel of a little-endian machine writes them (proc(5)).
const procTCP = `  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode
   0: 0100007F:6B58 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 100 1 0 100 0 0 10 0
   1: 0100007F:6B58 0100007F:C350 01 00000000:00000000 00:00000000 00000000   997        0 101 1 0 20 4 30 10 -1
   2: 0100007F:C350 0100007F:6B58 01 00000000:00000000 00:00000000 00000000  1000        0 102 1 0 20 4 30 10 -1
   3: 0100007F:C351 0100007F:6B58 06 00000000:00000000 03:00000B2A 00000000     0        0 0 3 0
   4: 0000000000000000FFFF00000100007F:C352 0000000000000000FFFF00000100007F:6B58 01 00000000:00000000 00:00000000 00000000  1002        0 103 1 0
   5: 00000000000000000000000001000000:C353 00000000000000000000000001000000:6B58 01 00000000:00000000 00:00000000 00000000  1003        0 104 1 0
   6: 0100007F:C354
   7: ZZ00007F:C355 0100007F:6B58 01 0:0 0:0 0 1000 0 105
   8: 0100007F:C356 0100007F:6B58 01 00000000:00000000 00:00000000 00000000  99999999999        0 106
`

func TestSocketOwner(t *testing.T) {
	for _, c := range []struct {
		local, remote string
		uid           uint32
		ok            bool
	}{
		{"127.0.0.1:50000", "127.0.0.1:27480", 1000, true},
		{"127.0.0.1:27480", "127.0.0.1:50000", 997, true}, // our own end is another socket
		{"127.0.0.1:50001", "127.0.0.1:27480", 0, false},  // over, and so nobody's
		{"127.0.0.1:50002", "127.0.0.1:27480", 1002, true},
		{"[::1]:50003", "[::1]:27480", 1003, true},
		{"127.0.0.1:50004", "127.0.0.1:27480", 0, false},
		{"127.0.0.1:50005", "127.0.0.1:27480", 0, false},
		{"127.0.0.1:50006", "127.0.0.1:27480", 0, false},
		{"127.0.0.1:50007", "127.0.0.1:27480", 0, false},
	} {
		uid, ok := socketOwner(strings.NewReader(procTCP), netip.MustParseAddrPort(c.local), netip.MustParseAddrPort(c.remote))
		if ok != c.ok || ok && uid != c.uid {
			t.Errorf("%s: %d, %v", c.local, uid, ok)
		}
	}
}

// The real kernel, with each kind of socket that a program can come with, and both ways of asking.
func TestPeerSessionIsTheUserAtTheOtherEnd(t *testing.T) {
	want := "uid:" + strconv.Itoa(os.Getuid())
	ls, port, err := Listen(t.Context(), []int{0})
	if err != nil {
		t.Fatal(err)
	}
	defer closeAll(ls)
	dial := map[string]func() io.Closer{
		"an IPv4 socket": func() io.Closer {
			c, err := net.Dial("tcp4", net.JoinHostPort("127.0.0.1", strconv.Itoa(port)))
			if err != nil {
				t.Fatal(err)
			}
			return c
		},
	}
	if len(ls) == 2 {
		dial["an IPv6 socket"] = func() io.Closer {
			c, err := net.Dial("tcp6", net.JoinHostPort("::1", strconv.Itoa(port)))
			if err != nil {
				t.Fatal(err)
			}
			return c
		}
		dial["IPv4 over an IPv6 socket"] = func() io.Closer {
			fd, err := unix.Socket(unix.AF_INET6, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
			if err != nil {
				t.Fatal(err)
			}
			if err := unix.Connect(fd, &unix.SockaddrInet6{Port: port, Addr: netip.MustParseAddr("::ffff:127.0.0.1").As16()}); err != nil {
				t.Fatal(err)
			}
			return os.NewFile(uintptr(fd), "socket")
		}
	}
	for name, d := range dial {
		t.Run(name, func(t *testing.T) {
			out := d()
			l := ls[0]
			if name == "an IPv6 socket" {
				l = ls[1]
			}
			in, err := l.Accept()
			if err != nil {
				t.Fatal(err)
			}
			local, remote := in.LocalAddr().(*net.TCPAddr).AddrPort(), in.RemoteAddr().(*net.TCPAddr).AddrPort()
			if got, err := PeerSession(t.Context(), local, remote); err != nil || got != want {
				t.Errorf("%q, %v", got, err)
			}
			if uid, err := askKernel(remote, local); err == unix.EPROTONOSUPPORT || err == unix.EPERM {
				t.Log("sock_diag is not to be had here:", err)
			} else if err != nil || int(uid) != os.Getuid() {
				t.Errorf("sock_diag: %d, %v", uid, err)
			}
			// What nobody holds is nobody's, though there is a listening socket that could answer.
			if got, err := PeerSession(t.Context(), netip.AddrPortFrom(remote.Addr(), 1), netip.AddrPortFrom(local.Addr(), local.Port())); err == nil {
				t.Errorf("a connection that does not exist is %q", got)
			}
			_ = out.Close()
			_ = in.Close()
		})
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	nobody := netip.MustParseAddrPort("127.0.0.1:1")
	if _, err := PeerSession(ctx, nobody, nobody); err == nil {
		t.Error("does not stop by its context")
	}
}

func TestTablesOfTheKernelAreReadWhereItCannotBeAsked(t *testing.T) {
	l, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	out, err := net.Dial("tcp4", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer out.Close()
	local, remote := out.LocalAddr().(*net.TCPAddr).AddrPort(), out.RemoteAddr().(*net.TCPAddr).AddrPort()
	for range 100 { // the table may be in motion on a busy machine
		if uid, err := readTables(local, remote); err == nil {
			if int(uid) != os.Getuid() {
				t.Errorf("uid %d", uid)
			}
			return
		}
	}
	t.Error("not found")
}

func FuzzSocketOwner(f *testing.F) {
	f.Add(procTCP)
	f.Fuzz(func(t *testing.T, table string) {
		socketOwner(strings.NewReader(table), netip.MustParseAddrPort("127.0.0.1:50000"), netip.MustParseAddrPort("127.0.0.1:27480"))
	})
}
