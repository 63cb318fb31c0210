package agent

import (
	"errors"

	"golang.org/x/sys/unix"
)

// noDumps keeps the memory of this process out of files: a core dump would hold faces, names and keys. The limit is for the kernel
// and for what respects it (systemd-coredump, apport), and what is not dumpable is not handed to anything. It also keeps other
// programs of the same user from reading our memory (ptrace(2)).
func noDumps() error {
	return errors.Join(
		unix.Setrlimit(unix.RLIMIT_CORE, &unix.Rlimit{}),
		unix.Prctl(unix.PR_SET_DUMPABLE, 0, 0, 0, 0),
	)
}
