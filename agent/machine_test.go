package agent

import (
	"context"
	"errors"
	"path/filepath"
	"slices"
	"testing"

	"github.com/rs/zerolog"

	"github.com/tapcheck/tapcheck/agent/catalog"
	"github.com/tapcheck/tapcheck/agent/checkin"
	"github.com/tapcheck/tapcheck/agent/health"
	"github.com/tapcheck/tapcheck/agent/journal"
	"github.com/tapcheck/tapcheck/agent/keys"
	"github.com/tapcheck/tapcheck/agent/settings"
	"github.com/tapcheck/tapcheck/agent/update"
	"github.com/tapcheck/tapcheck/icao/trust"
	"github.com/tapcheck/tapcheck/reader/virtual"
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

// startOn starts an agent on a data folder on a PC, gives what it says is wrong, and stops it.
func startOn(t *testing.T, dir string, m keys.Machine, sealed bool) (wrong []health.Code) {
	t.Helper()
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	s := settings.Default()
	s.HIS.Ports = []int{0}
	s.Keys.TPM = sealed
	told, ended := make(chan []health.Warning, 1), make(chan error, 1)
	go func() {
		ended <- Run(ctx, Options{
			Settings: s, DataDir: dir, Log: zerolog.Nop(), Readers: virtual.New(), Machine: &m,
			Trust: func() (*trust.Store, *trust.Report, error) { return nil, nil, nil },
			Pulse: func(_ string, w []health.Warning) {
				select {
				case told <- w:
				default:
				}
			},
		})
	}()
	select {
	case list := <-told:
		for _, w := range list {
			wrong = append(wrong, w.Code)
		}
	case err := <-ended:
		t.Fatal(err)
	}
	stop()
	if err := <-ended; err != nil {
		t.Error(err)
	}
	return wrong
}

// TestCopiedDesk starts an agent on a data folder that another PC's agent has made: it serves, as another workstation with a journal of its
// own, says so, and the other one's records are set aside and can still be read.
func TestCopiedDesk(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "data")
	onPC := func(m keys.Machine) []health.Code { return startOn(t, dir, m, true) }
	first, second := keys.Machine{System: "0123456789abcdef0123456789abcdef"}, keys.Machine{System: "fedcba9876543210fedcba9876543210"}
	if wrong := onPC(first); slices.Contains(wrong, health.MachineCopied) {
		t.Errorf("at first: %v", wrong)
	}
	before, err := keys.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	if wrong := onPC(second); !slices.Contains(wrong, health.MachineCopied) {
		t.Errorf("on another PC: %v", wrong)
	}
	after, err := keys.Open(dir)
	if err != nil || after.InstanceID() == before.InstanceID() {
		t.Fatalf("the same workstation: %v", err)
	}
	aside := keys.Aside(dir)
	if len(aside) != 1 {
		t.Fatalf("aside: %v", aside)
	}
	for path, k := range map[string]*keys.Keys{filepath.Join(dir, aside[0], JournalFile): before, filepath.Join(dir, JournalFile): after} {
		o := journal.Options{Path: path}
		copy(o.Key[:], k.DatabaseKey())
		j, err := journal.Open(t.Context(), o)
		if err != nil {
			t.Fatalf("%s: %v", path, err)
		}
		if err := j.Close(); err != nil {
			t.Error(err)
		}
	}
	if wrong := onPC(second); !slices.Contains(wrong, health.MachineCopied) {
		t.Errorf("until somebody decides: %v", wrong)
	}
	if err := keys.ForgetAside(dir, aside[0]); err != nil {
		t.Fatal(err)
	}
	if wrong := onPC(second); slices.Contains(wrong, health.MachineCopied) {
		t.Errorf("once somebody has: %v", wrong)
	}
}

// A job that waits for a card has no patient yet; any other has.
func TestAtWork(t *testing.T) {
	for want, states := range map[bool][][]checkin.State{
		false: {nil, {checkin.Waiting}, {checkin.Waiting, checkin.Waiting}},
		true:  {{checkin.Running}, {checkin.Needs}, {checkin.Waiting, checkin.Running}},
	} {
		for _, list := range states {
			var jobs []checkin.Queued
			for _, s := range list {
				jobs = append(jobs, checkin.Queued{State: s})
			}
			if atWork(jobs) != want {
				t.Errorf("%v: at work is %v", list, !want)
			}
		}
	}
}
