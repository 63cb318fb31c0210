package icao

import (
	"slices"

	"github.com/tapcheck/tapcheck/icao/lds"
)

// plan knows which files are wanted and how far their bytes have come. Sizes are guesses until a file's first block tells
// them; the percentage is held where a correction would take it back.
type plan struct {
	report  func(Progress)
	phase   Phase
	percent int
	groups  []int
	size    map[lds.FileID]int
	done    map[lds.FileID]int
	last    Progress
	any     bool
}

// typical sizes in bytes, of Vietnamese citizen cards and of passports.
var typical = map[lds.FileID]int{
	lds.CardAccess: 52, lds.SOD: 2000, lds.DG(1): 95, lds.DG(2): 18000, lds.DG(13): 700, lds.DG(14): 400, lds.DG(15): 300,
}

func (p *plan) start(o Options) {
	p.report = o.OnProgress
	p.size, p.done = map[lds.FileID]int{}, map[lds.FileID]int{}
	p.add(lds.CardAccess, lds.SOD, lds.DG(1), lds.DG(13))
	if !o.NoChip {
		p.add(lds.DG(14), lds.DG(15))
	}
	if o.Portrait {
		p.add(lds.DG(2))
	}
	p.add(o.Extra...)
}

func (p *plan) add(ids ...lds.FileID) {
	for _, id := range ids {
		if n, ok := typical[id]; ok {
			p.size[id] = n
		} else {
			p.size[id] = 200
		}
	}
}

// listed takes the EF.SOD's list: what it does not list will not be read.
func (p *plan) listed(groups []int) {
	p.groups = groups
	for id := range p.size {
		if n := id.Number(); n != 0 && !p.lists(n) {
			delete(p.size, id)
		}
	}
}

func (p *plan) lists(n int) bool { return slices.Contains(p.groups, n) }

// finish makes it 100.
func (p *plan) finish() { p.size, p.done = nil, nil }

// had marks a file of an earlier read.
func (p *plan) had(id lds.FileID, n int) {
	if _, ok := p.size[id]; ok {
		p.size[id], p.done[id] = n, n
	}
}

func (p *plan) advance(id lds.FileID, done, total int) {
	if id != "" && p.size != nil && total > 0 {
		p.size[id], p.done[id] = total, min(done, total)
	}
	if p.size == nil {
		p.percent = 100
		return
	}
	sum, all := 0, 0
	for id, n := range p.size {
		all += n
		sum += p.done[id]
	}
	if all > 0 {
		p.percent = max(p.percent, min(99, sum*100/all))
	}
}

// report tells the caller how far the read has come. An empty phase is the one before.
func (r *reading) report(phase Phase, id lds.FileID, done, total int) {
	p := &r.plan
	if phase != "" {
		p.phase = phase
	}
	if p.size != nil || phase != "" {
		p.advance(id, done, total)
	}
	now := Progress{Phase: p.phase, Percent: p.percent, File: id}
	if p.report == nil || p.any && now == p.last {
		return
	}
	p.last, p.any = now, true
	p.report(now)
}
