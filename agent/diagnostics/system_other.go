//go:build !linux && !windows

package diagnostics

import "errors"

func osRelease() (string, error) { return "", errors.ErrUnsupported }

func diskFree(string) (uint64, error) { return 0, errors.ErrUnsupported }
