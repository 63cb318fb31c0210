package agent

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/tapcheck/tapcheck/agent/catalog"
	"github.com/tapcheck/tapcheck/agent/checkin"
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

// Look-ups that wait are told with how many there are and since when; those that wait too long, and those that are not taken in,
// are more than a note.
func TestWaitingLookupsAreTold(t *testing.T) {
	now := time.Date(2026, 11, 28, 9, 0, 0, 0, time.Local)
	for name, tt := range map[string]struct {
		q    checkin.LookupState
		want []health.Code
		says string
	}{
		"nothing": {checkin.LookupState{}, nil, ""},
		"waiting": {checkin.LookupState{Waiting: 37, Since: now.Add(-time.Hour)}, []health.Code{health.LookupsWaiting}, "37 lượt, lâu nhất từ 08:00 28/11/2026."},
		"late":    {checkin.LookupState{Waiting: 1, Since: now.Add(-25 * time.Hour)}, []health.Code{health.LookupsLate}, "1 lượt, lâu nhất từ 08:00 27/11/2026."},
		"full":    {checkin.LookupState{Waiting: 20000, Since: now, Full: true}, []health.Code{health.LookupsFull, health.LookupsWaiting}, "20000 lượt"},
		"down":    {checkin.LookupState{DownSince: now}, nil, "Từ 09:00 28/11/2026."},
	} {
		t.Run(name, func(t *testing.T) {
			state := &health.Tracker{}
			waitingFaults(checkin.LookupState{Waiting: 1, Full: true}, now, state, catalog.EN) // what is over is not told any more
			more := waitingFaults(tt.q, now, state, catalog.VI)
			var got []health.Code
			said := more[health.InsuranceDown]
			for _, w := range state.List(catalog.VI) {
				got = append(got, w.Code)
				said += more[w.Code]
			}
			if !slices.Equal(got, tt.want) || !strings.Contains(said, tt.says) || tt.says == "" && said != "" {
				t.Errorf("got %v %q, want %v %q", got, said, tt.want, tt.says)
			}
		})
	}
}
