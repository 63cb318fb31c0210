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
	for name, at := range map[string]string{"IPv4": "127.0.0.1:0", "IPv6": "[::1]:0"} {
		t.Run(name, func(t *testing.T) {
			l, err := net.Listen("tcp", at)
			if err != nil {
				t.Skip(at, err) // IPv6 may be switched off
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
		})
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := PeerSession(ctx, netip.MustParseAddrPort("127.0.0.1:1"), netip.MustParseAddrPort("127.0.0.1:2")); err == nil {
		t.Error("does not stop by its context")
	}
}

// What a service without rights over users' processes has to go by says the same.
func TestListedSession(t *testing.T) {
	var want uint32
	if err := windows.ProcessIdToSessionId(uint32(os.Getpid()), &want); err != nil {
		t.Fatal(err)
	}
	if got, err := listedSession(uint32(os.Getpid())); err != nil || got != want {
		t.Errorf("%d, %v; want %d", got, err, want)
	}
	if _, err := listedSession(0xFFFFFFF1); !errors.Is(err, ErrNoSession) { // never a process: not a multiple of four
		t.Errorf("a process that does not exist: %v", err)
	}
}

// The user of this very session is the same by name as by token, where a service has only the name.
func TestSessionAccount(t *testing.T) {
	var session uint32
	if err := windows.ProcessIdToSessionId(uint32(os.Getpid()), &session); err != nil {
		t.Fatal(err)
	}
	u, err := windows.GetCurrentProcessToken().GetTokenUser()
	if err != nil {
		t.Fatal(err)
	}
	got, err := sessionAccount(session)
	switch {
	case session == 0 && !errors.Is(err, ErrNoSession):
		t.Errorf("session 0 is somebody's: %q, %v", got, err)
	case session != 0 && (err != nil || got != u.User.Sid.String()):
		t.Errorf("%q, %v; want %v", got, err, u.User.Sid)
	}
	if got := SessionUser("session:" + strconv.FormatUint(uint64(session), 10)); session != 0 && got != u.User.Sid.String() {
		t.Errorf("SessionUser: %q", got)
	}
}

func TestRemoteStation(t *testing.T) {
	for name, want := range map[string]bool{"Console": false, "Services": false, "": false, "RDP-Tcp#3": true, "rdp-tcp 1": true, "ICA-CGP#1": true} {
		if remoteStation(name) != want {
			t.Errorf("%q is taken for %v", name, !want)
		}
	}
	_ = RemoteDesktop() // and Windows can be asked
	if !SessionPresent("no session") {
		t.Error("where it cannot be told, somebody is present")
	}
}
