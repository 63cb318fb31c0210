//go:build !linux && !windows

package agent

func noDumps() error { return nil }
