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
