package trial

import (
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
