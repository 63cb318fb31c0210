package main

import (
	"errors"
	"syscall"
)

// diskFull says whether an error is that of a disk without room.
func diskFull(err error) bool {
	return errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT)
}
