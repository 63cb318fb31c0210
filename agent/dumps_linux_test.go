package agent

import (
	"testing"

	"golang.org/x/sys/unix"
)

// An agent that runs cannot be dumped, whoever wants it.
func TestNoDumps(t *testing.T) {
	serve(t, nil)
	if v, err := unix.PrctlRetInt(unix.PR_GET_DUMPABLE, 0, 0, 0, 0); err != nil || v != 0 {
		t.Errorf("dumpable: %d, %v", v, err)
	}
	var r unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_CORE, &r); err != nil || r.Cur != 0 || r.Max != 0 {
		t.Errorf("core: %+v, %v", r, err)
	}
}
