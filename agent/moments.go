package agent

import (
	"context"

	"github.com/tapcheck/tapcheck/agent/his"
)

// Moment is something that happens to the PC and that Windows tells its services.
type Moment string

// Moments.
const (
	SessionsChanged Moment = "pc.sessions" // somebody has logged on or off, locked the screen, or was cut off
	PCSleeps        Moment = "pc.sleeps"
	PCWoke          Moment = "pc.woke"
)

// watchMoments acts on what happens to the PC until ctx ends. Readers, ports and clocks heal by themselves: whatever looks after
// them looks at what is, not at what was told. What is done here is to lock the desk's page of whoever has left: a person who has
// locked the screen has left the desk too.
func (d *desk) watchMoments(ctx context.Context, moments <-chan Moment, log func(string, map[string]any)) {
	for {
		select {
		case <-ctx.Done():
			return
		case m := <-moments:
			if n := d.console.LockAbsent(his.SessionPresent); n > 0 || m != SessionsChanged {
				log(string(m), map[string]any{"locked": n})
			}
		}
	}
}
