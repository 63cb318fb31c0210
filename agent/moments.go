package agent

import (
	"context"

	"github.com/tapcheck/tapcheck/agent/his"
)

// Moment is something that happens to the PC and that Windows, or systemd-logind, tells its services.
type Moment string

// Moments.
const (
	SessionsChanged Moment = "pc.sessions" // somebody has logged on or off, locked the screen, or was cut off
	PCSleeps        Moment = "pc.sleeps"
	PCWoke          Moment = "pc.woke"
)

// watchMoments acts on what happens to the PC until ctx ends. Readers and ports heal by themselves: whatever looks after them looks
// at what is, not at what was told. What is done here is to lock the desk's page of whoever has left, for a person who has locked the
// screen has left the desk too; and to ask at once what waits for the insurer, when the PC wakes.
func (o *Options) watchMoments(ctx context.Context, desk interface {
	LockAbsent(present func(session string) bool) int
}, queue interface{ Woke() }, log func(string, map[string]any)) {
	present := o.Present
	if present == nil {
		present = his.SessionPresent
	}
	for {
		select {
		case <-ctx.Done():
			return
		case m := <-o.Moments:
			if m == PCWoke {
				queue.Woke()
			}
			if n := desk.LockAbsent(present); n > 0 || m != SessionsChanged {
				log(string(m), map[string]any{"locked": n})
			}
		}
	}
}
