//go:build linux

package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/tapcheck/tapcheck/reader/pcsc/pcsctest"
)

// TestBenchAgent prints how long the agent takes until it serves, and what it holds when it is idle. `make bench` runs it
// on the real binary; nothing is asserted, for a machine's speed is no property of the program.
func TestBenchAgent(t *testing.T) {
	bin := os.Getenv("TAPCHECK_BIN")
	if os.Getenv("TAPCHECK_BENCH") == "" || bin == "" {
		t.Skip("measured by make bench")
	}
	fmt.Printf("\n%-8s %14s %14s %16s %16s\n", "start", "first ms", "again ms", "idle RSS MB", "idle PSS MB")
	for _, mode := range []string{"run", "demo"} {
		dir := t.TempDir()
		config := filepath.Join(dir, "empty.toml")
		if err := os.WriteFile(config, nil, 0o600); err != nil {
			t.Fatal(err)
		}
		var ready [2]time.Duration
		var rss, pss float64
		for i := range ready {
			args, data := []string{"--data", filepath.Join(dir, "data"), "--config", config, mode}, filepath.Join(dir, "data")
			if mode == "demo" {
				args, data = append(args, "--no-tap"), filepath.Join(data, simulationFolder)
			}
			cmd := exec.Command(bin, args...)
			port := filepath.Join(data, portFile)
			began := time.Now()
			if err := cmd.Start(); err != nil {
				t.Fatal(err)
			}
			for {
				if _, err := os.Stat(port); err == nil {
					break
				}
				if time.Since(began) > 20*time.Second {
					t.Fatal("not ready")
				}
				time.Sleep(time.Millisecond)
			}
			ready[i] = time.Since(began)
			if i == 1 {
				time.Sleep(5 * time.Second) // until what the start needs has been done and given back
				rss, pss = memory(t, cmd.Process.Pid, "Rss:"), memory(t, cmd.Process.Pid, "Pss:")
			}
			_ = cmd.Process.Signal(os.Interrupt)
			_ = cmd.Wait()
		}
		fmt.Printf("%-8s %14d %14d %16.1f %16.1f\n", mode, ready[0].Milliseconds(), ready[1].Milliseconds(), rss, pss)
	}
}

// TestBenchIdle prints what the agent takes of a core while nobody comes: in a minute, with two readers at a real pcscd, in
// nanoseconds of the scheduler, which a loaded machine lengthens less than it does anything else. The wake-ups are what costs.
func TestBenchIdle(t *testing.T) {
	bin := os.Getenv("TAPCHECK_BIN")
	if os.Getenv("TAPCHECK_BENCH") == "" || bin == "" {
		t.Skip("measured by make bench")
	}
	pcscd := pcsctest.Start(t, "Desk", "Counter")
	dir := t.TempDir()
	config := filepath.Join(dir, "empty.toml")
	if err := os.WriteFile(config, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(bin, "--data", filepath.Join(dir, "data"), "--config", config, "run", "--service")
	cmd.Env = pcscd.Env()
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() {
		_ = cmd.Process.Signal(os.Interrupt)
		_ = cmd.Wait()
	}()
	time.Sleep(10 * time.Second) // until what the start needs has been done and given back
	const idle = time.Minute
	used, woken := processor(t, cmd.Process.Pid)
	time.Sleep(idle)
	usedNow, wokenNow := processor(t, cmd.Process.Pid)
	fmt.Printf("\nidle, two readers: %.3f %% of a core, %.1f wake-ups a second\n", 100*(usedNow-used).Seconds()/idle.Seconds(), float64(wokenNow-woken)/idle.Seconds())
}

// processor sums what the threads of a process have had of the processor, and how often each was put onto it.
func processor(t *testing.T, pid int) (used time.Duration, woken int64) {
	t.Helper()
	files, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/schedstat", pid))
	if err != nil || len(files) == 0 {
		t.Fatalf("no threads of %d: %v", pid, err)
	}
	for _, f := range files {
		raw, _ := os.ReadFile(f) // a thread may have ended
		var ran, waited, n int64
		if _, err := fmt.Sscan(string(raw), &ran, &waited, &n); err == nil {
			used, woken = used+time.Duration(ran), woken+n
		}
	}
	return used, woken
}

// memory reads one line of a process' memory summary, in MB.
func memory(t *testing.T, pid int, line string) float64 {
	t.Helper()
	raw, err := os.ReadFile(fmt.Sprintf("/proc/%d/smaps_rollup", pid))
	if err != nil {
		t.Fatal(err)
	}
	for l := range strings.Lines(string(raw)) {
		if rest, ok := strings.CutPrefix(l, line); ok {
			kb, err := strconv.ParseFloat(strings.Fields(rest)[0], 64)
			if err != nil {
				t.Fatal(err)
			}
			return kb / 1000
		}
	}
	t.Fatalf("no %s", line)
	return 0
}
