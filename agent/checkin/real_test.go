package checkin

import (
	"context"
	"fmt"
	"os"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tapcheck/tapcheck/agent/catalog"
	"github.com/tapcheck/tapcheck/icao"
	"github.com/tapcheck/tapcheck/icao/access"
	"github.com/tapcheck/tapcheck/icao/chip"
	"github.com/tapcheck/tapcheck/icao/lds"
	"github.com/tapcheck/tapcheck/reader/virtual"
)

// moved is a chip that is lifted while it answers its nth command.
type moved struct {
	virtual.Chip
	mu   sync.Mutex
	n    int
	lift func()
}

func (m *moved) Transmit(apdu []byte) []byte {
	m.mu.Lock()
	m.n--
	now := m.n == 0
	m.mu.Unlock()
	if now {
		m.lift()
	}
	return m.Chip.Transmit(apdu)
}

func simulated(t *testing.T, profile, persona string, serial int) *chip.Chip {
	t.Helper()
	p, err := chip.ProfileByName(profile)
	if err != nil {
		t.Fatal(err)
	}
	who, err := chip.PersonaByName(persona)
	if err != nil {
		t.Fatal(err)
	}
	iss, err := chip.NewIssuer(chip.IssuerOptions{Seed: []byte("checkin")})
	if err != nil {
		t.Fatal(err)
	}
	c, err := chip.New(p, who, iss, chip.Options{Issue: chip.IssueOptions{Serial: serial}})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// onRealParts runs a test with the real reading sequence, a virtual reader and simulated chips, in virtual time.
func onRealParts(t *testing.T, test func(t *testing.T, e *Engine, s *virtual.Slot)) {
	synctest.Test(t, func(t *testing.T) {
		m := virtual.New(virtual.WithLatency(15 * time.Millisecond))
		defer m.Close()
		s := m.Add("Desk", true)
		e := New(Config{Readers: m, Read: icao.Read, Portrait: picture, Insurer: insurer(covered), Book: &book{}, Access: access.Options{}})
		defer e.Close(context.Background())
		test(t, e, s)
	})
}

func await(t *testing.T, e *Engine, id string) Result {
	t.Helper()
	for range 20000 {
		s, err := e.Status(t.Context(), his, id)
		if err != nil {
			t.Fatal(err)
		}
		if s.State.Final() {
			return *s.Result
		}
		time.Sleep(50 * time.Millisecond)
	}
	t.Fatal(id, "never ends")
	return Result{}
}

// TestRealSequenceLifted lifts a real reading at one command after another. The same card that comes back continues,
// another one never does, and one that stays away ends the job. TAPCHECK_CAMPAIGN=1 lifts it at every command.
func TestRealSequenceLifted(t *testing.T) {
	onRealParts(t, func(t *testing.T, e *Engine, s *virtual.Slot) {
		who := chip.Personas()[0]
		key := &KeyInput{Number: who.Number}
		start := func(id string) {
			t.Helper()
			r := chipRequest(id)
			r.Key = key
			if _, err := e.Start(t.Context(), his, all, catalog.EN, r); err != nil {
				t.Fatal(err)
			}
		}
		profile := chip.Profiles()[0].Name
		card := simulated(t, profile, who.ID, 0)
		counted := &moved{Chip: card}
		s.Insert(counted)
		start("whole")
		whole := await(t, e, "whole")
		if whole.State != Complete || whole.Identity.FullName != who.FullName || whole.Portrait == nil || whole.Verdicts.PassiveAuthentication.Status != lds.NotVerifiable {
			t.Fatalf("%s: %s %v", profile, whole.State, failure(whole))
		}
		total := -counted.n
		s.Remove()
		other := simulated(t, profile, chip.Personas()[1].ID, 0)
		step := total / 3
		if os.Getenv("TAPCHECK_CAMPAIGN") != "" {
			step = 1
		}
		for n := 2; n < total; n += step {
			for _, back := range []string{"same", "other", "none"} {
				id := fmt.Sprint(back, n)
				s.Remove()
				synctest.Wait()
				start(id)
				s.Insert(&moved{Chip: card, n: n, lift: s.Remove})
				time.Sleep(3 * time.Second)
				switch back {
				case "same":
					s.Insert(card)
				case "other":
					s.Insert(other)
				}
				r := await(t, e, id)
				switch {
				case back == "same" && (r.State != Complete || r.Portrait == nil || r.Identity.FullName != who.FullName):
					t.Errorf("lifted at %d of %d and put back: %s %s", n, total, r.State, failure(r))
				case back == "none" && failure(r) != catalog.CardRemoved:
					t.Errorf("lifted at %d of %d: %s %s", n, total, r.State, failure(r))
				case back == "other":
					// Before EF.SOD it starts afresh, and the other card rejects the first one's key.
					if f := failure(r); f != catalog.OtherCard && f != catalog.KeyRejected {
						t.Errorf("lifted at %d of %d, other card: %s %s", n, total, r.State, f)
					}
					if r.Identity != nil && r.Identity.FullName != who.FullName {
						t.Errorf("lifted at %d of %d: two people in one result", n, total)
					}
				}
			}
		}
	})
}

// TestRealSequenceProfiles reads each kind of simulated card through the engine.
func TestRealSequenceProfiles(t *testing.T) {
	who := chip.Personas()[0]
	for _, p := range chip.Profiles() {
		switch p.Name {
		case "cccd-rsa2048", "cccd-extended", "cccd-nosfi", "cccd-p384":
			if os.Getenv("TAPCHECK_CAMPAIGN") == "" {
				continue // to the engine they are one more card, and their keys are slow to make
			}
		}
		t.Run(p.Name, func(t *testing.T) {
			onRealParts(t, func(t *testing.T, e *Engine, s *virtual.Slot) {
				r := chipRequest("j1")
				r.Key = &KeyInput{Number: who.Number, DateOfBirth: who.DateOfBirth, ExpiresAt: who.ExpiresAt}
				r.Timeouts = &Timeouts{WaitMs: 5000, NeedMs: 5000}
				if _, err := e.Start(t.Context(), his, all, catalog.VI, r); err != nil {
					t.Fatal(err)
				}
				s.Insert(simulated(t, p.Name, who.ID, 0))
				res := await(t, e, "j1")
				if failure(res) == catalog.Internal || e.Panics() != 0 || res.State == Failed && (res.Error.Text == "" || len(res.Next) == 0) {
					t.Errorf("%s: %+v", res.State, res.Error)
				}
				t.Log(res.State, failure(res), res.Timings, strings.Join(warningsOf(res), " "))
			})
		})
	}
}
