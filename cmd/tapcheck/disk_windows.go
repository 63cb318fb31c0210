package main

import (
	"errors"

	"golang.org/x/sys/windows"
)

// diskFull says whether an error is that of a disk without room.
func diskFull(err error) bool {
	return errors.Is(err, windows.ERROR_DISK_FULL) || errors.Is(err, windows.ERROR_HANDLE_DISK_FULL)
}
