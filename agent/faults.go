package agent

import (
	"fmt"
	"time"

	"github.com/tapcheck/tapcheck/agent/catalog"
	"github.com/tapcheck/tapcheck/agent/checkin"
	"github.com/tapcheck/tapcheck/agent/health"
)

// faults brings into the list of what is wrong what the engine and the book count and nobody else knows: panics that were
// contained to their jobs, and writes that are lost. It is asked for whenever the list is.
func faults(e interface {
	Panics() int
	Unwritten() (waiting, lost int)
}, b *book, state *health.Tracker) {
	state.Set(health.InternalFault, e.Panics() > 0)
	_, lost := e.Unwritten() // what waits, the book says itself as long as it cannot write (JOURNAL_UNWRITABLE)
	b.mu.Lock()
	lost += b.lost
	b.mu.Unlock()
	state.Set(health.RecordsLost, lost > 0)
}

// lateAfter is how long a look-up may wait before somebody should see to it.
const lateAfter = 24 * time.Hour

// waitingFaults brings in how the queue of look-ups stands, and gives what the list adds in numbers.
func waitingFaults(q checkin.LookupState, now time.Time, state *health.Tracker, l catalog.Lang) map[health.Code]string {
	state.Set(health.LookupsFull, q.Full)
	state.Set(health.LookupsLate, q.Waiting > 0 && now.Sub(q.Since) > lateAfter)
	state.Set(health.LookupsWaiting, q.Waiting > 0 && now.Sub(q.Since) <= lateAfter)
	more := map[health.Code]string{}
	if q.Waiting > 0 {
		more[health.LookupsWaiting] = catalog.Text{
			VI: fmt.Sprintf("%d lượt, lâu nhất từ %s.", q.Waiting, q.Since.Local().Format(clockVI)),
			EN: fmt.Sprintf("%d of them, the oldest since %s.", q.Waiting, q.Since.Local().Format(clockEN)),
		}.In(l)
		more[health.LookupsLate] = more[health.LookupsWaiting]
	}
	if !q.DownSince.IsZero() {
		// The tracker knows it from the last question of the desk; nobody may have come since.
		more[health.InsuranceDown] = catalog.Text{VI: "Từ " + q.DownSince.Local().Format(clockVI) + ".", EN: "Since " + q.DownSince.Local().Format(clockEN) + "."}.In(l)
	}
	return more
}

const clockVI, clockEN = "15:04 02/01/2006", "2006-01-02 15:04"
