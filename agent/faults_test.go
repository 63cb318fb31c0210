package agent

import (
	"slices"
	"testing"

	"github.com/tapcheck/tapcheck/agent/catalog"
	"github.com/tapcheck/tapcheck/agent/health"
)

type counts struct{ panics, waiting, lost int }

func (c counts) Panics() int           { return c.panics }
func (c counts) Unwritten() (int, int) { return c.waiting, c.lost }

// What is lost or went wrong inside stays in the list until the agent is started again: no later success makes it good.
func TestFaultsAreTold(t *testing.T) {
	for name, tt := range map[string]struct {
		engine counts
		book   int // lost by it
		want   []health.Code
	}{
		"nothing":            {counts{}, 0, nil},
		"a panic":            {counts{panics: 1}, 0, []health.Code{health.InternalFault}},
		"lost by the engine": {counts{lost: 3}, 0, []health.Code{health.RecordsLost}},
		"lost by the book":   {counts{}, 3, []health.Code{health.RecordsLost}},
		"waiting":            {counts{waiting: 3}, 0, nil},
	} {
		t.Run(name, func(t *testing.T) {
			state := &health.Tracker{}
			faults(tt.engine, &book{lost: tt.book}, state)
			var got []health.Code
			for _, w := range state.List(catalog.EN) {
				got = append(got, w.Code)
			}
			if !slices.Equal(got, tt.want) {
				t.Errorf("got %v, want %v", got, tt.want)
			}
		})
	}
}
