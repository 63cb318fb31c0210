//go:build !windows

package insurance

import "syscall"

var (
	errRefused error = syscall.ECONNREFUSED
	errsCut          = []error{syscall.ECONNRESET, syscall.EPIPE}
)
