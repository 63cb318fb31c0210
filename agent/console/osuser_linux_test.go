package console

import (
	"fmt"
	"os"
	"os/user"
	"testing"
)

func TestOSUser(t *testing.T) {
	me, err := user.Current()
	if err != nil {
		t.Fatal(err)
	}
	if got, err := OSUser(fmt.Sprintf("uid:%d", os.Getuid())); err != nil || got != me.Username || !sameUser(got, me.Username) {
		t.Errorf("%q, %v", got, err)
	}
	for _, session := range []string{"", "uid:", "uid:4000000000", "session:1", me.Username} {
		if got, err := OSUser(session); err == nil || got != "" {
			t.Errorf("%q is %q", session, got)
		}
	}
}
