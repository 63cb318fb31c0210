package agent

import (
	"errors"
	"slices"
	"testing"

	"github.com/tapcheck/tapcheck/agent/catalog"
	"github.com/tapcheck/tapcheck/agent/health"
	"github.com/tapcheck/tapcheck/agent/update"
)

// What the updater has left written down is told to who looks at the desk's health, and only as long as it is so.
func TestUpdatesAreTold(t *testing.T) {
	back := &update.Finish{From: "1.0.0", To: "1.1.0", Result: update.RolledBack}
	for name, tt := range map[string]struct {
		state update.State
		err   error
		want  []health.Code
	}{
		"nothing yet":       {},
		"installed":         {state: update.State{Finished: &update.Finish{To: "1.1.0", Result: update.Installed}, Refused: []string{"1.0.9"}}},
		"taken back":        {state: update.State{Finished: back, Refused: []string{"1.1.0"}}, want: []health.Code{health.UpdateTakenBack}},
		"being taken back":  {state: update.State{Step: "returning", Why: "it does not run"}, want: []health.Code{health.UpdateTakenBack}},
		"no source":         {state: update.State{Problem: "the source cannot be read"}, want: []health.Code{health.UpdateFailing}},
		"a state that lies": {err: errors.New("malformed"), want: []health.Code{health.UpdateFailing}},
	} {
		t.Run(name, func(t *testing.T) {
			h := &health.Tracker{}
			h.Set(health.UpdateTakenBack, true) // what was told before is over
			o := Options{Updates: func() (update.State, error) { return tt.state, tt.err }}
			o.updateHealth(h)
			var got []health.Code
			for _, w := range h.List(catalog.EN) {
				got = append(got, w.Code)
			}
			if !slices.Equal(got, tt.want) {
				t.Errorf("got %v, want %v", got, tt.want)
			}
		})
	}
}
