package main

import "golang.org/x/sys/windows"

func freeBytes(dir string) (uint64, bool) {
	name, err := windows.UTF16PtrFromString(dir)
	if err != nil {
		return 0, false
	}
	var free uint64
	if err := windows.GetDiskFreeSpaceEx(name, &free, nil, nil); err != nil {
		return 0, false
	}
	return free, true
}

// checkDriver has nothing to look for: Windows brings the CCID driver.
func checkDriver() finding { return finding{Check: "driver"} }
