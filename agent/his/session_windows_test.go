package his

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"os"
	"strconv"
	"testing"

	"golang.org/x/sys/windows"
)

// TestPeerSessionIsTheSessionAtTheOtherEnd asks Windows about connections of this very test, over IPv4 and over IPv6. Run by
// a service the test is in session 0, which is refused.
func TestPeerSessionIsTheSessionAtTheOtherEnd(t *testing.T) {
	var session uint32
	if err := windows.ProcessIdToSessionId(uint32(os.Getpid()), &session); err != nil {
		t.Fatal(err)
	}
	want := "session:" + strconv.FormatUint(uint64(session), 10)
	for _, at := range []string{"127.0.0.1:0", "[::1]:0"} {
		l, err := net.Listen("tcp", at)
		if err != nil {
			t.Log(at, err) // IPv6 may be switched off
			continue
		}
		out, err := net.Dial("tcp", l.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		in, err := l.Accept()
		if err != nil {
			t.Fatal(err)
		}
		local, remote := in.LocalAddr().(*net.TCPAddr).AddrPort(), in.RemoteAddr().(*net.TCPAddr).AddrPort()
		got, err := PeerSession(t.Context(), local, remote)
		switch {
		case session == 0 && !errors.Is(err, ErrNoSession):
			t.Errorf("%s: session 0 is let in: %q, %v", at, got, err)
		case session != 0 && (err != nil || got != want):
			t.Errorf("%s: %q, %v; want %q", at, got, err, want)
		}
		// A connection that does not exist is nobody's.
		if got, err := PeerSession(t.Context(), local, netip.AddrPortFrom(remote.Addr(), 1)); !errors.Is(err, ErrNoSession) {
			t.Errorf("%s: a connection that does not exist is %q, %v", at, got, err)
		}
		_ = out.Close()
		_ = in.Close()
		_ = l.Close()
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := PeerSession(ctx, netip.MustParseAddrPort("127.0.0.1:1"), netip.MustParseAddrPort("127.0.0.1:2")); err == nil {
		t.Error("does not stop by its context")
	}
}
