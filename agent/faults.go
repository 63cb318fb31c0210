package agent

import "github.com/tapcheck/tapcheck/agent/health"

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
