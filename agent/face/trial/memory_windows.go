package trial

import (
	"time"
	"unsafe"

	"golang.org/x/sys/windows"
)

// GetProcessMemoryInfo of psapi.h, by the name that kernel32 has it under since Windows 7.
var getProcessMemoryInfo = windows.NewLazySystemDLL("kernel32.dll").NewProc("K32GetProcessMemoryInfo")

// Memory is how much of this process is in the PC's memory, now and at most since it began, in bytes; 0 if the system does not say.
func Memory() (now, peak uint64) {
	// PROCESS_MEMORY_COUNTERS
	var c struct {
		size, faults    uint32
		peakWorkingSet  uintptr
		workingSet      uintptr
		quotaAndTheRest [6]uintptr
	}
	c.size = uint32(unsafe.Sizeof(c))
	if ok, _, _ := getProcessMemoryInfo.Call(uintptr(windows.CurrentProcess()), uintptr(unsafe.Pointer(&c)), uintptr(c.size)); ok == 0 {
		return 0, 0
	}
	return uint64(c.workingSet), uint64(c.peakWorkingSet)
}

// processor is how much time of the processors this process has used. Windows counts it in steps of some milliseconds.
func processor() time.Duration {
	var created, exited, kernel, user windows.Filetime
	if windows.GetProcessTimes(windows.CurrentProcess(), &created, &exited, &kernel, &user) != nil {
		return 0
	}
	span := func(f windows.Filetime) int64 { return int64(f.HighDateTime)<<32 | int64(f.LowDateTime) } // of 100 ns
	return time.Duration(span(kernel)+span(user)) * 100
}
