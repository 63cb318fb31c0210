//go:build !linux && !windows

package scanner

import "context"

// readHID knows no way on this system.
func (s *Scanner) readHID(context.Context) error { return errNoScanner }
