package his

import (
	"bufio"
	"context"
	"io"
	"os"
	"strconv"
	"strings"
)

// seatFile is what systemd-logind says of the PC's own screen and keyboard (sd_seat_get_active(3)): readable by everybody.
const seatFile = "/run/systemd/seats/seat0"

// ActiveSession is the session of the person who sits at the PC, in the form that PeerSession has. ok is false where
// that is not to be known: nobody has logged in, or the system has no logind.
func ActiveSession(context.Context) (session string, ok bool) {
	f, err := os.Open(seatFile)
	if err != nil {
		return "", false
	}
	defer f.Close()
	return seatUser(io.LimitReader(f, 64<<10))
}

// seatUser reads ACTIVE_UID=1000. The login screen has a user of its own, below 1000 by the convention of login.defs(5): nobody
// who sits at the PC.
func seatUser(r io.Reader) (session string, ok bool) {
	lines := bufio.NewScanner(r)
	for lines.Scan() {
		if text, found := strings.CutPrefix(lines.Text(), "ACTIVE_UID="); found {
			uid, err := strconv.ParseUint(text, 10, 32)
			return "uid:" + strconv.FormatUint(uid, 10), err == nil && (uid >= 1000 || uid == 0)
		}
	}
	return "", false
}
