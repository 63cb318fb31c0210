package his

import (
	"crypto/rand"
	"strconv"
	"strings"

	"golang.org/x/sys/windows"
)

// unknownUser makes names of sessions whose user is not known good for this process only: numbers of sessions come again
// after Windows was restarted, for other people.
var unknownUser = rand.Text()

// SessionUser names whose session one of PeerSession is, by what outlasts it: the user's SID. It takes the right to ask that the
// service has (WTSQueryUserToken wants SeTcbPrivilege); a process that lacks it can speak for its own session. Where the user cannot
// be found, check-ins are found again until the agent is restarted.
func SessionUser(session string) string {
	n, err := strconv.ParseUint(strings.TrimPrefix(session, "session:"), 10, 32)
	if err != nil {
		return session + " " + unknownUser
	}
	var token windows.Token
	if err := windows.WTSQueryUserToken(uint32(n), &token); err != nil {
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
