package agent

import (
	"testing"

	"github.com/tapcheck/tapcheck/agent/checkin"
)

// Where nobody knows who sits at the PC, a scan goes to the only session that waits for one, and never to one of several.
func TestWaitingSession(t *testing.T) {
	waits := func(session string) checkin.Queued { return checkin.Queued{Session: session, WantsKey: true} }
	for name, tt := range map[string]struct {
		queue   []checkin.Queued
		session string
		several bool
	}{
		"nobody":              {},
		"one":                 {queue: []checkin.Queued{waits("a")}, session: "a"},
		"two of one":          {queue: []checkin.Queued{waits("a"), {Session: "b"}, waits("a")}, session: "a"},
		"one who has his key": {queue: []checkin.Queued{{Session: "a"}}},
		"two":                 {queue: []checkin.Queued{waits("a"), waits("b")}, several: true},
	} {
		if session, several := waitingSession(tt.queue); session != tt.session || several != tt.several {
			t.Errorf("%s: %q, %v", name, session, several)
		}
	}
}
