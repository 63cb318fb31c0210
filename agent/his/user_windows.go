package his

import (
	"crypto/rand"
	"strconv"
	"strings"
	"unsafe"

	"golang.org/x/sys/windows"
)

// unknownUser makes names of sessions whose user is not known good for this process only: numbers of sessions come again
// after Windows was restarted, for other people.
var unknownUser = rand.Text()

// SessionUser names whose session one of PeerSession is, by what outlasts it: the user's SID. LocalSystem may ask for the user's
// token (WTSQueryUserToken wants SeTcbPrivilege), LocalService for the name; any process can speak for its own session. Where the
// user cannot be found, check-ins are found again until the agent is restarted.
func SessionUser(session string) string {
	n, err := strconv.ParseUint(strings.TrimPrefix(session, "session:"), 10, 32)
	if err != nil {
		return session + " " + unknownUser
	}
	var token windows.Token
	if err := windows.WTSQueryUserToken(uint32(n), &token); err != nil {
		if sid, err := sessionAccount(uint32(n)); err == nil {
			return sid
		}
		var own uint32
		if windows.ProcessIdToSessionId(windows.GetCurrentProcessId(), &own) != nil || uint64(own) != n {
			return session + " " + unknownUser
		}
		token = windows.GetCurrentProcessToken() // a pseudo handle, which nobody closes
	} else {
		defer token.Close()
	}
	u, err := token.GetTokenUser()
	if err != nil || u.User.Sid == nil {
		return session + " " + unknownUser
	}
	return u.User.Sid.String()
}

// WTSQuerySessionInformationW of wtsapi32.h; NewLazySystemDLL looks in the system's folder only.
var querySessionInformation = windows.NewLazySystemDLL("wtsapi32.dll").NewProc("WTSQuerySessionInformationW")

const (
	wtsUserName   = 5
	wtsDomainName = 7
)

// sessionAccount is the SID of the user who is logged in to a session, by name.
func sessionAccount(session uint32) (string, error) {
	user, err := sessionText(session, wtsUserName)
	if err != nil {
		return "", err
	}
	domain, err := sessionText(session, wtsDomainName)
	if err != nil {
		return "", err
	}
	if user == "" || domain == "" {
		return "", ErrNoSession // nobody is logged in, or it cannot be told whose account of that name it is
	}
	sid, _, kind, err := windows.LookupSID("", domain+`\`+user)
	if err != nil {
		return "", err
	}
	if kind != windows.SidTypeUser {
		return "", ErrNoSession
	}
	return sid.String(), nil
}

func sessionText(session uint32, what uintptr) (string, error) {
	if err := querySessionInformation.Find(); err != nil {
		return "", err
	}
	out := new(struct {
		text *uint16
		size uint32
	})
	r, _, err := querySessionInformation.Call(0, uintptr(session), what, uintptr(unsafe.Pointer(&out.text)), uintptr(unsafe.Pointer(&out.size)))
	if r == 0 {
		return "", err
	}
	if out.text == nil {
		return "", nil
	}
	defer windows.WTSFreeMemory(uintptr(unsafe.Pointer(out.text)))
	return windows.UTF16ToString(unsafe.Slice(out.text, out.size/2)), nil
}
