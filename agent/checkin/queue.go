package checkin

import (
	"slices"
	"time"

	"github.com/tapcheck/tapcheck/agent/catalog"
	"github.com/tapcheck/tapcheck/reader"
)

// reconcile takes a fresh picture of the readers and gives every waiting job what it can have: a card, or word of what it
// waits for. It runs after anything that could matter, and may run for nothing. The mutex is held.
func (e *Engine) reconcile() {
	now := time.Now()
	e.health = e.cfg.Readers.Health()
	clear(e.infos)
	e.order = e.order[:0]
	for _, info := range e.cfg.Readers.Readers() {
		e.infos[info.ID] = info
		e.order = append(e.order, info.ID)
		s := e.slots[info.ID]
		if s == nil {
			s = &slot{}
			e.slots[info.ID] = s
		}
		e.blind(s, info, now)
		if cardThere(info) && (s.insertion != info.Insertion || s.arrived.IsZero()) {
			s.insertion, s.arrived, s.awaited, s.offered = info.Insertion, now, e.headFor(info.ID), nil
		}
	}
	for id, s := range e.slots {
		if _, ok := e.infos[id]; !ok {
			s.unseen, s.vacant = s.unseen || s.lying, time.Time{}
			if s.holder == nil && !s.anyUsed && s.arrived.IsZero() {
				delete(e.slots, id)
			}
		}
	}
	e.assign(now)
	e.broadcast()
}

// blind keeps in mind what lay on a reader while nobody could see it: the service was stopped, or the reader gone or out of
// order. Whether the card was lifted meanwhile nobody knows, so the one that lies there afterwards is taken for the same:
// one that had its job has to be lifted for sure (the next patient must not be taken for the last), and one that waited
// for a job waits no shorter. Nor is a reader empty for sure that calls itself empty at first: it finds its card only
// when it has power and has looked for it. The mutex is held.
func (e *Engine) blind(s *slot, i reader.Info, now time.Time) {
	switch there := cardThere(i); {
	case e.health != nil || i.State == reader.Absent || i.State == reader.Error:
		s.unseen, s.vacant = s.unseen || s.lying, time.Time{}
	case !s.unseen:
		s.lying = there
	case there:
		if s.unseen = false; s.claimed() {
			s.used = i.Insertion
		}
		s.insertion = i.Insertion
	case s.vacant.IsZero():
		s.vacant = now
		e.settled.Reset(settleTime)
	case now.Sub(s.vacant) >= settleTime:
		s.unseen, s.lying = false, false
	default: // of several readers, the last one set the clock
		e.settled.Reset(settleTime - now.Sub(s.vacant))
	}
}

// cardThere says that a card lies on the reader, whatever state it is in.
func cardThere(i reader.Info) bool {
	return i.State == reader.Card || i.State == reader.Mute || i.State == reader.Busy
}

// headFor is the first waiting job that would take a card of this reader. The mutex is held.
func (e *Engine) headFor(id string) *job {
	for _, j := range e.queue {
		if j.req.Reader == "" || j.req.Reader == id {
			return j
		}
	}
	return nil
}

// assign goes through the queue in order. A job that waits for any reader has the first claim on all that are free, so
// that nobody who came later overtakes it. The mutex is held.
func (e *Engine) assign(now time.Time) {
	reserved := map[string]bool{}
	for _, j := range slices.Clone(e.queue) {
		var scope, free []string
		for _, id := range e.order {
			if (j.req.Reader == "" || j.req.Reader == id) && e.infos[id].State != reader.Absent {
				scope = append(scope, id)
				if e.slots[id].holder == nil && !reserved[id] {
					free = append(free, id)
				}
			}
		}
		var fresh []string
		for _, id := range free {
			if e.fresh(j, id, now) {
				fresh = append(fresh, id)
			}
		}
		switch {
		case e.health != nil:
			j.waitFor(NeedInsertCard, catalog.PCSCStopped, catalog.PCSCStopped, nil)
		case len(scope) == 0:
			j.waitFor(NeedInsertCard, catalog.ReaderAbsent, catalog.ReaderAbsent, nil)
		case len(free) == 0: // another job is served, or comes first
			j.waitFor("", "", catalog.ReaderBusy, nil)
		case len(fresh) == 0:
			need, cause, expiry := e.obstacle(free, now)
			j.waitFor(need, cause, expiry, nil)
		default:
			id := e.pick(j, fresh)
			if id == "" {
				for _, id := range fresh {
					e.slots[id].offered = j // it does not grow too old while the desk thinks
				}
				j.waitFor(NeedChooseReader, "", catalog.NeedExpired, fresh)
				break
			}
			s := e.slots[id]
			s.holder, s.used, s.anyUsed = j, s.insertion, true
			j.reader = id
			e.served.Notify()
			e.unqueue(j)
			j.clearNeed()
			j.state = Running
			continue // reserves nothing more
		}
		for _, id := range free {
			reserved[id] = true
		}
	}
}

// fresh says that the card on a reader may satisfy a job: nobody claimed it, and it came while a job waited for it or not
// long ago. The mutex is held.
func (e *Engine) fresh(j *job, id string, now time.Time) bool {
	s, info := e.slots[id], e.infos[id]
	if info.State != reader.Card || s.claimed() {
		return false
	}
	return s.awaited == j || s.offered == j || now.Sub(s.arrived) <= e.cfg.Claimable
}

// claimed says that the card that lies there has had its job.
func (s *slot) claimed() bool { return s.anyUsed && s.used == s.insertion }

// pick chooses among cards that may satisfy a job: the desk's choice, the only one, or the only one that came while the
// job waited. Otherwise nobody knows which patient is meant, and that is not for a program to guess. The mutex is held.
func (e *Engine) pick(j *job, fresh []string) string {
	if slices.Contains(fresh, j.chosen) {
		return j.chosen
	}
	if len(fresh) == 1 {
		return fresh[0]
	}
	var awaited []string
	for _, id := range fresh {
		if e.slots[id].awaited == j {
			awaited = append(awaited, id)
		}
	}
	if asked := j.need != nil && j.need.Need == NeedChooseReader; len(awaited) == 1 && !asked {
		return awaited[0]
	}
	return ""
}

// obstacle says why none of the free readers has a card for a job: what to ask the desk for, why, and what the job fails
// with if nothing changes. The mutex is held.
func (e *Engine) obstacle(free []string, now time.Time) (need string, cause, expiry catalog.ID) {
	has := func(f func(s *slot, i reader.Info) bool) bool {
		return slices.ContainsFunc(free, func(id string) bool { return f(e.slots[id], e.infos[id]) })
	}
	switch {
	case has(func(s *slot, i reader.Info) bool { return i.State == reader.Mute && !s.claimed() }):
		return NeedRepositionCard, catalog.CardMute, catalog.CardMute
	case has(func(s *slot, i reader.Info) bool { return cardThere(i) && s.claimed() }):
		return NeedReturnCard, catalog.ReturnCard, catalog.ReturnCard
	case has(func(_ *slot, i reader.Info) bool { return i.State == reader.Card }): // too long there, for nobody
		return NeedReturnCard, "", catalog.CardTimeout
	case has(func(_ *slot, i reader.Info) bool { return i.State == reader.Empty }):
		return NeedInsertCard, "", catalog.CardTimeout
	case has(func(_ *slot, i reader.Info) bool { return i.State == reader.Busy }):
		return NeedInsertCard, catalog.ReaderBusy, catalog.ReaderBusy
	}
	return NeedInsertCard, catalog.ReaderFault, catalog.ReaderFault
}

// unqueue takes a job out of the queue. The mutex is held.
func (e *Engine) unqueue(j *job) {
	e.queue = slices.DeleteFunc(e.queue, func(q *job) bool { return q == j })
}

// release lets a job's reader go, so that the next one is served. After a read that was not finished (spoiled) the card
// that lies there counts as claimed, also if it was lifted and put back meanwhile: it was put down for this job.
func (e *Engine) release(j *job, spoiled bool) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.unqueue(j)
	if s := e.slots[j.reader]; s != nil && s.holder == j {
		s.holder = nil
		e.served.Notify()
		if spoiled {
			s.used, s.anyUsed = s.insertion, true
		}
	}
	e.reconcile()
}
