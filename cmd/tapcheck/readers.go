package main

import (
	"context"
	"fmt"

	"github.com/tapcheck/tapcheck/agent/checkin"
	"github.com/tapcheck/tapcheck/icao/cccd"
	"github.com/tapcheck/tapcheck/reader"
	"github.com/tapcheck/tapcheck/reader/pcsc"
)

type readersCmd struct {
	Watch bool `help:"Go on and show every change."`
	JSON  bool `help:"As JSON, one object a reader and line."`
}

// Run lists readers.
func (c readersCmd) Run(a *app) error {
	m := pcsc.New(pcsc.Options{})
	defer m.Close()
	ctx, stop := context.WithCancel(a.ctx)
	defer stop()
	changes := m.Watch(ctx)
	if err := settle(ctx, m); err != nil {
		return err
	}
	shown := map[string]reader.Info{}
	healthy := true
	for {
		health := m.Health()
		if health != nil && (healthy || !c.Watch) {
			if !c.Watch {
				return checkin.Explain(health)
			}
			a.complain(checkin.Explain(health))
		}
		healthy = health == nil
		list := m.Readers()
		for _, r := range list {
			if old, known := shown[r.ID]; !known || old.State != r.State || old.Insertion != r.Insertion {
				shown[r.ID] = r
				if err := c.show(a, r); err != nil {
					return err
				}
			}
		}
		if !c.Watch {
			if len(list) == 0 {
				return checkin.Explain(reader.ErrReaderGone)
			}
			return nil
		}
		select {
		case <-a.ctx.Done():
			return exitStatus(exitOK)
		case _, open := <-changes:
			if !open {
				return exitStatus(exitOK)
			}
		}
	}
}

func (c readersCmd) show(a *app, r reader.Info) error {
	maker, _ := cccd.KnownATR(r.ATR)
	if c.JSON {
		line := map[string]any{"id": r.ID, "name": r.Name, "contactless": r.Contactless, "state": r.State}
		if len(r.ATR) > 0 {
			line["atr"] = fmt.Sprintf("%X", r.ATR)
		}
		return a.jsonLine(line)
	}
	states := map[reader.State]string{
		reader.Absent: a.say("đã rút", "absent"), reader.Empty: a.say("trống", "empty"), reader.Card: a.say("có thẻ", "card"),
		reader.Mute: a.say("thẻ không trả lời", "mute card"), reader.Busy: a.say("chương trình khác đang dùng", "busy"), reader.Error: a.say("lỗi", "error"),
	}
	a.printf("%-36s %-12s %s", r.ID, states[r.State], r.Name)
	if len(r.ATR) > 0 {
		a.printf("  ATR %X", r.ATR)
	}
	if maker != "" {
		a.printf("  (%s)", maker)
	}
	a.printf("\n")
	return nil
}
