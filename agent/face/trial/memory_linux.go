package trial

import (
	"bytes"
	"os"
	"strconv"
	"syscall"
	"time"
)

// Memory is how much of this process is in the PC's memory, now and at most since it began, in bytes; 0 if the system does not say.
func Memory() (now, peak uint64) {
	status, err := os.ReadFile("/proc/self/status")
	if err != nil {
		return 0, 0
	}
	value := func(name string) uint64 {
		_, rest, _ := bytes.Cut(status, []byte(name))
		if f := bytes.Fields(rest); len(f) > 0 {
			n, _ := strconv.ParseUint(string(f[0]), 10, 64)
			return n << 10
		}
		return 0
	}
	return value("VmRSS:"), value("VmHWM:")
}

// processor is how much time of the processors this process has used.
func processor() time.Duration {
	var u syscall.Rusage
	if syscall.Getrusage(syscall.RUSAGE_SELF, &u) != nil {
		return 0
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
