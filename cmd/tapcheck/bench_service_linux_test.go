//go:build packages

package main

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
)

// How often `make bench-service` starts and upgrades the service.
const (
	benchStarts   = 100
	benchUpgrades = 50
)

// TestBenchService starts and stops the service again and again, and upgrades it again and again, in a booted container with two
// readers, and prints what it takes. What it leaves behind is asserted: nothing. Times and memory are printed; of a machine that
// does other things as well they say little.
func TestBenchService(t *testing.T) {
	if os.Getenv("TAPCHECK_BENCH") == "" {
		t.Skip("measured by make bench-service")
	}
	m := boot(t)
	v1, v2 := m.bring(one(t, older+"*.deb")), m.bring(one(t, newer+"*.deb"))
	size := func(path string) float64 {
		info, err := os.Stat(path)
		if err != nil {
			return 0
		}
		return float64(info.Size()) / 1e6
	}
	install := m.timed("dpkg", "-i", v1)
	m.serves()

	// Since the monotonic clock's start, in microseconds.
	stamp := func(property string) float64 {
		n, _ := strconv.ParseFloat(m.show(property), 64)
		return n / 1000
	}
	files := func() []string {
		list := strings.Fields(m.must("find", "/etc", "/usr", "/var/lib/tapcheck", "/run", "/tmp", "/var/tmp", "-iname", "*tapcheck*", "-not", "-path", "/run/systemd/*", "-not", "-path", "/run/udev/*", "-not", "-path", "*/systemd-private-*"))
		list = append(list, strings.Fields(m.must("find", "/var/lib/tapcheck", "/etc/tapcheck", "/etc/tapcheck-policy.d", "/run/tapcheck"))...)
		slices.Sort(list)
		return slices.Compact(list)
	}
	left := func(step string, before []string) {
		t.Helper()
		for _, f := range files() {
			if !slices.Contains(before, f) {
				t.Errorf("after %s there is %s", step, f)
			}
		}
		if n := strings.TrimSpace(m.must("pgrep", "-c", "-x", "tapcheck")); n != "1" {
			t.Errorf("after %s %s processes run", step, n)
		}
		// systemd gives each start a temporary folder of its own, and takes it away.
		if n := strings.TrimSpace(m.must("sh", "-c", "ls -d /tmp/systemd-private-*-tapcheck.service-* | wc -l")); n != "1" {
			t.Errorf("after %s there are %s temporary folders", step, n)
		}
		if n := m.show("NRestarts"); n != "0" {
			t.Errorf("during %s it was started again %s times", step, n)
		}
	}

	before := files()
	var ready, stop []float64
	for range benchStarts {
		m.must("systemctl", "stop", "tapcheck")
		stop = append(stop, stamp("InactiveEnterTimestampMonotonic")-stamp("ActiveExitTimestampMonotonic"))
		m.must("systemctl", "start", "tapcheck") // returns when it is ready
		ready = append(ready, stamp("ActiveEnterTimestampMonotonic")-stamp("ExecMainStartTimestampMonotonic"))
	}
	m.serves()
	left("starting and stopping", before)

	pid := m.show("MainPID")
	status := func(name string) float64 {
		for line := range strings.Lines(m.must("cat", "/proc/"+pid+"/status")) {
			if rest, ok := strings.CutPrefix(line, name+":"); ok {
				kb, _ := strconv.ParseFloat(strings.Fields(rest)[0], 64)
				return kb / 1000
			}
		}
		return 0
	}
	ticks := func() float64 {
		f := strings.Fields(m.must("cat", "/proc/"+pid+"/stat"))
		user, _ := strconv.ParseFloat(f[13], 64)
		system, _ := strconv.ParseFloat(f[14], 64)
		return (user + system) / 100 // seconds
	}
	time.Sleep(10 * time.Second) // until what a start needs has been done and given back
	used := ticks()
	const idle = 60 * time.Second
	time.Sleep(idle)
	cpu := (ticks() - used) / idle.Seconds() * 100
	rss, threads := status("VmRSS"), m.must("sh", "-c", "ls /proc/"+pid+"/task | wc -l")
	open := m.must("sh", "-c", "ls /proc/"+pid+"/fd | wc -l")
	readers := strings.Count(m.must("tapcheck", "readers"), "\n")

	var upgrade []float64
	for range benchUpgrades / 2 {
		upgrade = append(upgrade, m.timed("dpkg", "-i", v2).Seconds())
		m.serves()
		upgrade = append(upgrade, m.timed("env", "TAPCHECK_DOWNGRADE=yes", "dpkg", "-i", v1).Seconds())
		m.serves()
	}
	left("upgrades", before)
	purge := m.timed("dpkg", "-P", "tapcheck")

	fmt.Printf("\n%-44s %10s %10s %10s\n", "the service, under systemd", "median", "95 %", "most")
	row := func(what, unit string, list []float64) {
		slices.Sort(list)
		fmt.Printf("%-44s %10.0f %10.0f %10.0f %s\n", what, list[len(list)/2], list[len(list)*95/100], list[len(list)-1], unit)
	}
	row(fmt.Sprintf("ready after start, %d times", len(ready)), "ms", ready)
	row(fmt.Sprintf("stopped, %d times", len(stop)), "ms", stop)
	for i := range upgrade {
		upgrade[i] *= 1000
	}
	row(fmt.Sprintf("package over package, %d times", len(upgrade)), "ms", upgrade)
	one := func(what, format string, args ...any) {
		fmt.Printf("%-44s "+format+"\n", append([]any{what}, args...)...)
	}
	one("installed, and serving", "%10.1f s", install.Seconds())
	one("purged", "%10.1f s", purge.Seconds())
	one("idle: resident memory", "%10.1f MB", rss)
	one(fmt.Sprintf("idle: of one core, with %d readers", readers), "%10.2f %%", cpu)
	one("idle: threads, open files", "%6s %s", strings.TrimSpace(threads), strings.TrimSpace(open))
	one("deb", "%10.1f MB", size(filepath.Join(m.root, v1)))
	one("program", "%10.1f MB", size(filepath.Join(os.Getenv(packagesEnv), "tapcheck")))
	one("left behind", "%10s", map[bool]string{true: "see above", false: "nothing"}[t.Failed()])
}
