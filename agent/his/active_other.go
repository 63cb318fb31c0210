//go:build !linux && !windows

package his

import "context"

// ActiveSession knows no way on this system.
func ActiveSession(context.Context) (session string, ok bool) { return "", false }
