//go:build !linux

package icao_test

import "testing"

// ownCPU needs getrusage; the figure is taken on Linux.
func ownCPU(testing.TB) string { return "Own CPU per read is measured on Linux only." }
