package his

import (
	"context"
	"strconv"
	"unsafe"

	"golang.org/x/sys/windows"
)

// ActiveSession is the session of the person who sits at the PC, in the form that PeerSession has: the one at the PC's own
// screen if somebody works there, or else the only one in which anybody works (a terminal server with one user). ok is
// false where that is not to be known.
func ActiveSession(context.Context) (session string, ok bool) {
	var list *windows.WTS_SESSION_INFO
	var n uint32
	if windows.WTSEnumerateSessions(0, 0, 1, &list, &n) != nil { // 0 is this PC
		return "", false
	}
	defer windows.WTSFreeMemory(uintptr(unsafe.Pointer(list)))
	var active []uint32
	for _, s := range unsafe.Slice(list, n) {
		if s.State == windows.WTSActive && s.SessionID != 0 { // the login screen is connected, not active
			active = append(active, s.SessionID)
		}
	}
	console := windows.WTSGetActiveConsoleSessionId()
	for _, id := range active {
		if id == console || len(active) == 1 {
			return "session:" + strconv.FormatUint(uint64(id), 10), true
		}
	}
	return "", false
}
