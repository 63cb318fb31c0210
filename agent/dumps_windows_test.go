package agent

import "testing"

// Error reporting can be told to leave the program alone; that nothing is reported, Windows itself has to show.
func TestNoDumps(t *testing.T) {
	if err := noDumps(); err != nil {
		t.Error(err)
	}
}
