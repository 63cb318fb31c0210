package console

import (
	"errors"
	"strconv"
	"strings"
	"unsafe"

	"golang.org/x/sys/windows"
)

// WTSQuerySessionInformationW of wtsapi32.h; NewLazySystemDLL looks in the system's folder only.
var wtsQuerySessionInformation = windows.NewLazySystemDLL("wtsapi32.dll").NewProc("WTSQuerySessionInformationW")

// WTS_INFO_CLASS of wtsapi32.h.
const (
	wtsUserName   = 5
	wtsDomainName = 7
)

// OSUser names the user of the operating system to whom a session ("session:2") belongs, as DOMAIN\name.
func OSUser(session string) (string, error) {
	n, err := strconv.ParseUint(strings.TrimPrefix(session, "session:"), 10, 32)
	if err != nil {
		return "", errors.New("no session of a user")
	}
	name, err := sessionInformation(uint32(n), wtsUserName)
	if err != nil {
		return "", err
	}
	if name == "" {
		return "", errors.New("nobody is logged in to that session")
	}
	domain, err := sessionInformation(uint32(n), wtsDomainName)
	if err != nil {
		return "", err
	}
	return domain + `\` + name, nil
}

func sessionInformation(session uint32, class uintptr) (string, error) {
	var text *uint16
	var size uint32
	// The first argument is WTS_CURRENT_SERVER_HANDLE.
	ok, _, err := wtsQuerySessionInformation.Call(0, uintptr(session), class, uintptr(unsafe.Pointer(&text)), uintptr(unsafe.Pointer(&size)))
	if ok == 0 {
		return "", err
	}
	defer windows.WTSFreeMemory(uintptr(unsafe.Pointer(text)))
	return windows.UTF16PtrToString(text), nil
}

// sameUser compares names of users, which Windows holds for the same in upper and lower case.
func sameUser(a, b string) bool { return strings.EqualFold(a, b) }
