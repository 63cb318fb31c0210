package insurance

import "golang.org/x/sys/windows"

// What Winsock says; the names in package syscall are made up on Windows and never occur.
var (
	errRefused error = windows.WSAECONNREFUSED
	errsCut          = []error{windows.WSAECONNRESET, windows.WSAECONNABORTED}
)
