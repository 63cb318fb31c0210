package his

import (
	"bufio"
	"context"
	"io"
	"os"
	"path/filepath"
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

// sessionFiles are what systemd-logind says of each session (sd_session_is_remote(3)): readable by everybody.
const sessionFiles = "/run/systemd/sessions/*"

// RemoteDesktop says whether anybody works here from afar, on a desktop: a terminal over ssh is none.
func RemoteDesktop() bool {
	files, _ := filepath.Glob(sessionFiles)
	for _, file := range files[:min(len(files), 1000)] {
		f, err := os.Open(file)
		if err != nil {
			continue
		}
		remote := remoteDesktop(io.LimitReader(f, 64<<10))
		_ = f.Close()
		if remote {
			return true
		}
	}
	return false
}

// remoteDesktop reads one session's file.
func remoteDesktop(r io.Reader) bool {
	is := map[string]string{}
	lines := bufio.NewScanner(r)
	for lines.Scan() {
		name, value, _ := strings.Cut(lines.Text(), "=")
		is[name] = value
	}
	graphical := is["TYPE"] == "x11" || is["TYPE"] == "wayland"
	return is["CLASS"] == "user" && is["STATE"] != "closing" && (is["REMOTE"] == "1" && graphical || strings.HasPrefix(is["SERVICE"], "xrdp"))
}

// SessionPresent knows nothing on Linux: who listens to systemd-logind does (agent.Options.Present).
func SessionPresent(string) bool { return true }
