package his

import (
	"strings"
	"testing"
)

func TestSeatUser(t *testing.T) {
	for _, c := range []struct {
		file, session string
		ok            bool
	}{
		{"# This is private data. Do not parse.\nIS_SEAT0=1\nACTIVE=2\nACTIVE_UID=1000\nSESSIONS=2\n", "uid:1000", true},
		{"IS_SEAT0=1\nACTIVE=c1\nACTIVE_UID=113\n", "uid:113", false}, // the login screen
		{"IS_SEAT0=1\n", "", false},
		{"ACTIVE_UID=-1\n", "uid:0", false},
		{"", "", false},
	} {
		if session, ok := seatUser(strings.NewReader(c.file)); ok != c.ok || ok && session != c.session {
			t.Errorf("%q: %q, %v", c.file, session, ok)
		}
	}
}

func TestRemoteDesktop(t *testing.T) {
	for file, want := range map[string]bool{
		"# This is private data. Do not parse.\nUID=1000\nCLASS=user\nTYPE=x11\nREMOTE=1\nSTATE=active\n": true,
		"CLASS=user\nTYPE=x11\nREMOTE=0\nSERVICE=xrdp-sesman\nSTATE=online\n":                             true,
		"CLASS=user\nTYPE=wayland\nREMOTE=0\nSERVICE=gdm-password\nSTATE=active\n":                        false,
		"CLASS=user\nTYPE=tty\nREMOTE=1\nSERVICE=sshd\nSTATE=active\n":                                    false,
		"CLASS=greeter\nTYPE=x11\nREMOTE=1\nSTATE=active\n":                                               false,
		"CLASS=user\nTYPE=x11\nREMOTE=1\nSTATE=closing\n":                                                 false,
		"": false,
	} {
		if got := remoteDesktop(strings.NewReader(file)); got != want {
			t.Errorf("%q: %v", file, got)
		}
	}
}
