//go:build nopcsc || !(windows || (linux && cgo))

package pcsc

// newStack has none to give: the program was built without PC/SC.
func newStack(Options) stack { return nil }
