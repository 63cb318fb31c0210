//go:build !linux

package icao_test

import (
	"testing"
	"time"
)

var began = time.Now()

// cpu is the time on the wall, where the process's own is not asked for.
func cpu(testing.TB) time.Duration { return time.Since(began) }

// ownCPU needs getrusage; the figure is taken on Linux.
func ownCPU(testing.TB) string { return "Own CPU per read is measured on Linux only." }
