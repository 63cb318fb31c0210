package agent

import (
	"context"
	"time"

	"github.com/tapcheck/tapcheck/agent/catalog"
	"github.com/tapcheck/tapcheck/agent/checkin"
	"github.com/tapcheck/tapcheck/agent/diagnostics"
	"github.com/tapcheck/tapcheck/agent/his"
	"github.com/tapcheck/tapcheck/agent/keys"
)

// diagnostic is what the bundle for support is made from.
type diagnostic struct {
	o       Options
	started time.Time
	log     *diagnostics.Ring
	health  func(catalog.Lang) []his.HealthItem
	tokens  *keys.TokenStore
	engine  *checkin.Engine
	anchors *anchors
	refused func() map[catalog.ID]uint64
}

// bundle makes it.
func (d diagnostic) bundle(ctx context.Context) (his.Bundle, error) {
	b, err := diagnostics.Make(ctx, diagnostics.Sources{
		Version: d.o.Version, Simulated: d.o.Simulation != nil, Started: d.started, DataDir: d.o.DataDir, Settings: d.o.Settings, From: d.o.SettingsFrom, Log: d.log,
		Health: func() any { return d.health(catalog.EN) }, Readers: d.readers, Counters: d.counters, Trust: d.trust,
	})
	out := his.Bundle{Name: b.Name, Data: b.Data, LeftOut: b.LeftOut}
	for _, f := range b.Contents {
		out.Contents = append(out.Contents, his.BundleFile{Name: f.Name, Bytes: f.Bytes})
	}
	return out, err
}

func (d diagnostic) readers() []diagnostics.Reader {
	list := []diagnostics.Reader{}
	for _, r := range d.o.Readers.Readers() {
		list = append(list, diagnostics.Reader{ID: r.ID, Name: r.Name, Contactless: r.Contactless, Virtual: r.Virtual, State: string(r.State)})
	}
	return list
}

func (d diagnostic) counters() any {
	jobs, programs := map[checkin.State]int{}, map[string]int{}
	for _, j := range d.engine.Queue() {
		jobs[j.State]++
	}
	list, err := d.tokens.List()
	for _, t := range list {
		switch {
		case !t.Live(time.Now()):
			programs["ended"]++
		case t.Desktop:
			programs["desktop"]++
		case t.PublicKey != nil:
			programs["backend"]++
		default:
			programs["origin"]++
		}
	}
	return map[string]any{"refused": d.refused(), "unfinishedJobs": jobs, "tokens": programs, "tokensReadable": err == nil}
}

func (d diagnostic) trust(context.Context) any {
	store := d.anchors.get()
	csca, pinned := store.Count()
	return map[string]int{"csca": csca, "pinned": pinned, "embedded": store.EmbeddedCount()}
}
