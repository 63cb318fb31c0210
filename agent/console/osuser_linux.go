package console

import (
	"errors"
	"os/user"
	"strings"
)

// OSUser names the user of the operating system to whom a session ("uid:1000") belongs.
func OSUser(session string) (string, error) {
	uid, ok := strings.CutPrefix(session, "uid:")
	if !ok {
		return "", errors.New("no session of a user")
	}
	u, err := user.LookupId(uid)
	if err != nil {
		return "", err
	}
	return u.Username, nil
}

// sameUser compares names of users.
func sameUser(a, b string) bool { return a == b }
