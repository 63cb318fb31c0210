package portrait

import (
	"os"
	"os/exec"
	"runtime/debug"
	"time"

	"golang.org/x/sys/unix"
)

// selfPath starts the program that runs even when an update has replaced or removed its file: the kernel resolves the link
// in the child, between fork and exec, where it still is this program.
const selfPath = "/proc/self/exe"

func prepare(cmd *exec.Cmd) { cmd.Dir = "/" }

// confine has nothing to do here: on Linux the child confines itself, before it reads a byte of the picture.
func confine(*os.Process) (release func(), err error) { return func() {}, nil }

// confineSelf limits the process. RLIMIT_DATA and not RLIMIT_AS: the Go runtime reserves address space by the gigabyte and
// uses little of it, and since Linux 4.7 RLIMIT_DATA counts all private writable memory.
func confineSelf() error {
	debug.SetMemoryLimit(childHeap) // so that garbage is collected before the hard limit is met
	for _, l := range []struct {
		what int
		n    uint64
	}{
		{unix.RLIMIT_DATA, childMemory},
		{unix.RLIMIT_CPU, childCPU},
		{unix.RLIMIT_CORE, 0},  // a core file would hold the photo
		{unix.RLIMIT_FSIZE, 0}, // no file grows by this process; pipes are no files
	} {
		if err := unix.Setrlimit(l.what, &unix.Rlimit{Cur: l.n, Max: l.n}); err != nil {
			return err
		}
	}
	if err := unix.Prctl(unix.PR_SET_DUMPABLE, 0, 0, 0, 0); err != nil {
		return err
	}
	return unix.Prctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
}

// cpuTime is what this process has used of the processor.
func cpuTime() time.Duration {
	var u unix.Rusage
	if unix.Getrusage(unix.RUSAGE_SELF, &u) != nil {
		return 0
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
