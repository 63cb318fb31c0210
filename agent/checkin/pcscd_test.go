//go:build linux && cgo && !nopcsc

package checkin

import (
	"context"
	"sync"
	"testing"
	"time"

	"github.com/tapcheck/tapcheck/agent/catalog"
	"github.com/tapcheck/tapcheck/icao"
	"github.com/tapcheck/tapcheck/icao/chip"
	"github.com/tapcheck/tapcheck/reader"
	"github.com/tapcheck/tapcheck/reader/pcsc"
	"github.com/tapcheck/tapcheck/reader/pcsc/pcsctest"
	"github.com/tapcheck/tapcheck/reader/virtual"
)

// TestCardLeftLyingWhileTheServiceRestarts: on the real pcscd, a card that had its job and stays on the reader through a
// restart of the service is not the next patient's, however often the reader calls itself empty on the way.
func TestCardLeftLyingWhileTheServiceRestarts(t *testing.T) {
	d := pcsctest.Start(t, "Desk")
	m := pcsc.New(pcsc.Options{})
	defer m.Close()
	e := New(Config{Readers: m, Read: icao.Read, Portrait: picture, Book: &book{}})
	defer e.Close(context.Background())
	who := chip.Personas()[0]
	card := simulated(t, chip.Profiles()[0].Name, who.ID, 0)
	put := func() (lift func()) {
		ctx, cancel := context.WithCancel(context.Background())
		gone := make(chan struct{})
		go func() {
			defer close(gone)
			_ = virtual.PlugIn(ctx, d.Addr("Desk"), card)
		}()
		lift = sync.OnceFunc(func() { cancel(); <-gone })
		t.Cleanup(lift)
		return lift
	}
	start := func(id string) {
		r := chipRequest(id)
		r.Key = &KeyInput{Number: who.Number}
		if _, err := e.Start(t.Context(), his, all, catalog.EN, r); err != nil {
			t.Fatal(err)
		}
	}
	until := func(what string, changes <-chan struct{}, ok func() bool) {
		t.Helper()
		limit := time.NewTimer(30 * time.Second)
		defer limit.Stop()
		poll := time.NewTicker(20 * time.Millisecond) // jobs move without their readers
		defer poll.Stop()
		for !ok() {
			select {
			case <-changes:
			case <-poll.C:
			case <-limit.C:
				t.Fatal("never:", what)
			}
		}
	}
	status := func(id string) JobStatus {
		s, err := e.Status(t.Context(), his, id)
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	state := func() reader.State {
		for _, i := range m.Readers() {
			return i.State
		}
		return ""
	}
	changes := m.Watch(t.Context())

	start("first")
	lift := put()
	until("the first result", changes, func() bool { return status("first").State.Final() })
	if s := status("first"); s.State != Complete {
		t.Fatal(s.State, failure(*s.Result))
	}
	start("next")
	d.Kill()
	lift() // its socket is dead; the card itself stays
	until("service gone", changes, func() bool { return m.Health() != nil })
	d.Run()
	until("service back", changes, func() bool { return m.Health() == nil && state() == reader.Empty })
	lift = put()
	until("card found", changes, func() bool { return state() == reader.Card })
	returned := func() bool {
		s := status("next")
		if s.State == Running || s.State.Final() {
			t.Fatalf("the card that was read already serves the next job: %+v", s)
		}
		return s.Need != nil && s.Need.Need == NeedReturnCard
	}
	until("the card is to be returned", changes, returned)
	lift()
	until("card lifted", changes, func() bool { return state() == reader.Empty })
	defer put()()
	until("the next result", changes, func() bool { return status("next").State.Final() })
	if s := status("next"); s.State != Complete {
		t.Error(s.State, failure(*s.Result))
	}
}
