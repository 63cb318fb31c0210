package main

import (
	"bytes"
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/tapcheck/tapcheck/agent/catalog"
	"github.com/tapcheck/tapcheck/agent/diagnostics"
	"github.com/tapcheck/tapcheck/agent/settings"
	"github.com/tapcheck/tapcheck/icao/trust"
	"github.com/tapcheck/tapcheck/reader/pcsc"
)

type supportCmd struct {
	To   string `help:"Folder or file that it is written to." default:"." placeholder:"PATH"`
	JSON bool   `help:"Say as JSON what is in it and what is not."`
}

// Run makes a bundle for whoever helps this hospital: what this PC is, what doctor finds, the settings and the service's log,
// without personal data and secrets. It needs no agent that runs. What it holds and what it left out is said.
func (c supportCmd) Run(a *app) error {
	b, err := a.supportBundle()
	if err != nil {
		return err
	}
	path := c.To
	if info, err := os.Stat(path); err == nil && info.IsDir() {
		path = filepath.Join(path, b.Name)
	}
	if err := writeNew(path, b.Data); err != nil {
		if errors.Is(err, fs.ErrExist) {
			return usage("%s: %v", path, fs.ErrExist)
		}
		return err
	}
	if c.JSON {
		return a.json(map[string]any{"file": path, "contents": b.Contents, "leftOut": b.LeftOut})
	}
	a.printf("%s\n\n%s\n", path, a.say("Trong gói có:", "In it:"))
	for _, f := range b.Contents {
		a.printf("  %-16s %7d  %s\n", f.Name, f.Bytes, a.bundleWords(f.What))
	}
	a.printf("\n%s\n", a.say("Không có trong gói:", "Left out:"))
	for _, l := range b.LeftOut {
		a.printf("  - %s\n", a.bundleWords(l))
	}
	return nil
}

// supportBundle makes it.
func (a *app) supportBundle() (diagnostics.Bundle, error) {
	l, err := a.sources().Load()
	s := diagnostics.Sources{Version: version, Settings: l.Settings, From: l.From}
	if err != nil {
		s.Settings = settings.Default()
		s.LeftOut = append(s.LeftOut, "settings.json: the settings have a mistake (doctor.json names it); what it shows are the defaults")
	}
	if s.DataDir, err = a.dataFolder(); err != nil {
		s.DataDir = ""
	}
	set, found := s.Settings, a.told() // which asks the network, and takes longer than a part may
	s.Readers = func() []diagnostics.Reader {
		list := []diagnostics.Reader{}
		m := pcsc.New(pcsc.Options{})
		defer m.Close()
		_ = settle(a.ctx, m)
		for _, r := range m.Readers() {
			list = append(list, diagnostics.Reader{ID: r.ID, Name: r.Name, Contactless: r.Contactless, Virtual: r.Virtual, State: string(r.State)})
		}
		return list
	}
	s.Trust = func(context.Context) any {
		store, report, err := trust.Load(trustOptions(set, ""))
		if err != nil {
			return map[string]any{"unreadable": true}
		}
		csca, pinned := store.Count()
		return map[string]int{"csca": csca, "pinned": pinned, "embedded": store.EmbeddedCount(), "refused": len(report.Refused), "stale": len(staleTrust(report, time.Now()))}
	}
	s.More = []diagnostics.Part{
		{Name: "doctor.json", What: "what doctor finds", Make: func(context.Context) (any, error) { return found, nil }},
		{Name: "service.json", What: "the service, as the system's manager knows it", Make: func(ctx context.Context) (any, error) { return a.serviceFacts() }},
		{Name: "packages.json", What: "the system, and versions of what Tapcheck stands on", Make: func(context.Context) (any, error) {
			return map[string]any{"system": osName(), "packages": a.systemPackages()}, nil
		}},
	}
	raw, err := a.serviceLog()
	if err != nil {
		s.LeftOut = append(s.LeftOut, "log.jsonl: the service's log is not there, or this user may not read it")
	} else {
		s.Log = diagnostics.FromLog(bytes.NewReader(raw))
		s.LeftOut = append(s.LeftOut, "of the log: lines that are no events of the agent, and texts in its events that may name somebody")
	}
	b, err := diagnostics.Make(a.ctx, s)
	b.Name = "tapcheck-support-" + time.Now().Format("20060102-150405") + ".zip"
	return b, err
}

// bundleWords are the bundle's own words in the chosen language; what no translation is known of stays as it is.
func (a *app) bundleWords(s string) string {
	if vi := diagnostics.VI(s); a.lang == catalog.VI && vi != "" {
		return vi
	}
	return s
}

// told is what doctor finds, without the paths that may name a person: a detail is told where it is one of ours.
func (a *app) told() any {
	type one struct {
		finding
		Detail string `json:"detail,omitempty"`
	}
	list := []one{}
	in := *a
	in.lang = catalog.EN
	for _, f := range in.examine() {
		t := one{finding: f}
		switch f.Check {
		case "service", "readers", "sharing", "driver", "disk", "clients", "port", "browsers", "clock", "timezone":
			t.Detail = f.Detail
		case "settings":
			if f.Code != "" {
				t.Detail = "tapcheck config check"
			}
		}
		list = append(list, t)
	}
	return list
}

// logTail bounds what is read of the service's log, in bytes from its end.
const logTail = 4 << 20
