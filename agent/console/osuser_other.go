//go:build !linux && !windows

package console

import "errors"

// OSUser knows no way on this system: the agent runs on Linux and Windows.
func OSUser(string) (string, error) { return "", errors.ErrUnsupported }

func sameUser(a, b string) bool { return a == b }
