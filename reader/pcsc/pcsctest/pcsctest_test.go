//go:build linux && !nopcsc

package pcsctest

import (
	"net"
	"os"
	"testing"
)

// The daemon's own life; what clients see of it is tested in reader/pcsc.
func TestDaemon(t *testing.T) {
	d := Start(t, "Desk A", "Desk B")
	taken := func(name string) bool {
		l, err := net.Listen("tcp", d.Addr(name))
		if err == nil {
			l.Close()
		}
		return err != nil
	}
	if !taken("Desk A") || !taken("Desk B") {
		t.Error("a reader does not listen")
	}
	d.Unplug("Desk A")
	if taken("Desk A") || !taken("Desk B") {
		t.Error("the wrong reader was unplugged")
	}
	d.Plug("Desk A")
	d.Kill()
	if taken("Desk A") || taken("Desk B") {
		t.Error("a reader outlives its daemon")
	}
	if _, err := os.Stat(d.Socket()); err == nil {
		t.Error("the socket outlives the daemon")
	}
	d.Unplug("Desk B")
	d.Run()
	if !taken("Desk A") || taken("Desk B") {
		t.Error("the wrong reader is there after a restart")
	}
}
