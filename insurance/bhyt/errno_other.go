//go:build !windows

package bhyt

import "syscall"

var (
	errRefused error = syscall.ECONNREFUSED
	errsCut          = []error{syscall.ECONNRESET, syscall.EPIPE}
)
