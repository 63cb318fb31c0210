package his

import (
	"context"
	"errors"
	"strconv"
	"strings"
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

// RemoteDesktop says whether anybody works here from afar: Windows names such a session after the protocol's listener.
func RemoteDesktop() bool {
	var list *windows.WTS_SESSION_INFO
	var n uint32
	if windows.WTSEnumerateSessions(0, 0, 1, &list, &n) != nil {
		return false
	}
	defer windows.WTSFreeMemory(uintptr(unsafe.Pointer(list)))
	for _, s := range unsafe.Slice(list, n) {
		if s.State == windows.WTSActive && remoteStation(windows.UTF16PtrToString(s.WindowStationName)) {
			return true
		}
	}
	return false
}

// remoteStation says whether a session's station is one of Remote Desktop or Citrix: RDP-Tcp#3, ICA-CGP#1. The PC's own is Console.
func remoteStation(name string) bool {
	name = strings.ToUpper(name)
	return strings.HasPrefix(name, "RDP-") || strings.HasPrefix(name, "ICA-")
}

const wtsSessionInfoEx = 25 // WTSSessionInfoEx of wtsapi32.h: WTSINFOEXW

// SessionPresent says whether somebody is present in one of PeerSession's sessions: it is connected, and its screen is not locked.
// Where that cannot be told, somebody is.
func SessionPresent(session string) bool {
	id, err := strconv.ParseUint(strings.TrimPrefix(session, "session:"), 10, 32)
	if err != nil || querySessionInformation.Find() != nil {
		return true
	}
	out := new(struct {
		info *[5]uint32 // level, padding, session, state, flags
		size uint32
	})
	r, _, err := querySessionInformation.Call(0, uintptr(id), wtsSessionInfoEx, uintptr(unsafe.Pointer(&out.info)), uintptr(unsafe.Pointer(&out.size)))
	if r == 0 {
		return !errors.Is(err, windows.ERROR_FILE_NOT_FOUND) // the session is over
	}
	if out.info == nil {
		return true
	}
	defer windows.WTSFreeMemory(uintptr(unsafe.Pointer(out.info)))
	if out.size < 20 || out.info[0] != 1 {
		return true
	}
	const locked = 0 // WTS_SESSIONSTATE_LOCK
	return out.info[3] == windows.WTSActive && out.info[4] != locked
}
