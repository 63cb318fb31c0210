package main

import (
	"os"
	"syscall"

	"github.com/tapcheck/tapcheck/agent/health"
)

func freeBytes(dir string) (uint64, bool) {
	var s syscall.Statfs_t
	if err := syscall.Statfs(dir, &s); err != nil {
		return 0, false
	}
	return s.Bavail * uint64(s.Bsize), true
}

// checkDriver looks for the CCID driver, without which pcscd runs and sees no reader.
func checkDriver() finding {
	f := finding{Check: "driver"}
	for _, dir := range []string{"/usr/lib/pcsc/drivers/ifd-ccid.bundle", "/usr/lib64/pcsc/drivers/ifd-ccid.bundle", "/usr/lib64/readers/libifd-ccid.bundle"} {
		if _, err := os.Stat(dir); err == nil {
			return f
		}
	}
	f.Code = health.DriverPackageAbsent
	return f
}
