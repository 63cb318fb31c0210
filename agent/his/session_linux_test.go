package his

import (
	"context"
	"net"
	"net/netip"
	"os"
	"strconv"
	"strings"
	"testing"
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

// The real kernel, with each kind of socket that a program can come with.
func TestPeerSessionIsTheUserAtTheOtherEnd(t *testing.T) {
	want := "uid:" + strconv.Itoa(os.Getuid())
	ls, _, err := Listen(t.Context(), []int{0})
	if err != nil {
		t.Fatal(err)
	}
	defer closeAll(ls)
	for _, l := range ls {
		out, err := net.Dial("tcp", l.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		in, err := l.Accept()
		if err != nil {
			t.Fatal(err)
		}
		local, remote := in.LocalAddr().(*net.TCPAddr).AddrPort(), in.RemoteAddr().(*net.TCPAddr).AddrPort()
		if got, err := PeerSession(t.Context(), local, remote); err != nil || got != want {
			t.Errorf("%v: %q, %v", l.Addr(), got, err)
		}
		if got, err := PeerSession(t.Context(), local, netip.AddrPortFrom(remote.Addr(), 1)); err == nil {
			t.Errorf("somebody else's port is %q", got)
		}
		_ = out.Close()
		_ = in.Close()
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := PeerSession(ctx, netip.AddrPort{}, netip.AddrPort{}); err == nil {
		t.Error("does not stop by its context")
	}
}

func FuzzSocketOwner(f *testing.F) {
	f.Add(procTCP)
	f.Fuzz(func(t *testing.T, table string) {
		socketOwner(strings.NewReader(table), netip.MustParseAddrPort("127.0.0.1:50000"), netip.MustParseAddrPort("127.0.0.1:27480"))
	})
}
