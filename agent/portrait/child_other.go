//go:build !linux && !windows

package portrait

import (
	"os"
	"os/exec"
	"runtime/debug"
	"time"
)

const selfPath = ""

func prepare(*exec.Cmd) {}

func confine(*os.Process) (release func(), err error) { return func() {}, nil }

// confineSelf: systems that we do not ship for get the time limit of the parent and this.
func confineSelf() error {
	debug.SetMemoryLimit(childHeap)
	return nil
}

// cpuTime takes the time of the day for it.
func cpuTime() time.Duration { return time.Since(born) }

var born = time.Now()
