//go:build !linux && !windows

package trial

import "time"

// Memory is not known here.
func Memory() (now, peak uint64) { return 0, 0 }

func processor() time.Duration { return 0 }
