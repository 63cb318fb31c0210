//go:build !linux && !windows

package his

import "context"

// ActiveSession knows no way on this system.
func ActiveSession(context.Context) (session string, ok bool) { return "", false }

// RemoteDesktop knows no way on this system.
func RemoteDesktop() bool { return false }

// SessionPresent knows no way on this system.
func SessionPresent(string) bool { return true }
