//go:build linux

package pcsctest

import "testing"

func TestDaemon(t *testing.T) {
	d := Start(t, "Desk A", "Desk B")
	d.Unplug("Desk A")
	d.Plug("Desk A")
	d.Kill()
	d.Unplug("Desk B")
	d.Run()
	t.Log(d.log.String())
}
