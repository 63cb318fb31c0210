package icao_test

import (
	"bytes"
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/tapcheck/tapcheck/icao"
	"github.com/tapcheck/tapcheck/icao/chip"
	"github.com/tapcheck/tapcheck/icao/lds"
)

// The card is lifted at every APDU of a read, and put down again: the read goes on, ends as if nothing had been, and the
// identity is told once. Far into the photo one block is like the other: there only some are tried, all with TAPCHECK_CAMPAIGN.
func TestLiftedAtEveryAPDU(t *testing.T) {
	for _, c := range []struct {
		profile    string
		from, step int
	}{{"cccd-mk", 0, 1}, {"passport-bac", 1, 7}, {"cccd-nosfi", 3, 11}} {
		t.Run(c.profile, func(t *testing.T) {
			key := func(who chip.Persona) lds.Key {
				if c.profile == "passport-bac" {
					return mrzKey(t, who, who.PassportMRZ())
				}
				return qrKey(t, who)
			}
			l, who := fast(c.profile).insert(t)
			whole, err := l.read(t, icao.Options{Key: key(who), Portrait: true})
			if err != nil {
				t.Fatal(err)
			}
			p := l.chip.Profile()
			content, err := chip.Issue(p, who, quick(), chip.IssueOptions{})
			if err != nil {
				t.Fatal(err)
			}
			step := c.step
			if campaign {
				step = 1
			}
			for n := c.from; n < l.apdus; n += step {
				if n > 32 && !campaign {
					step = 19
				}
				told := 0
				o := icao.Options{Key: key(who), Portrait: true, Trust: trusting(), OnIdentity: func(*icao.Document) error { told++; return nil }}
				l := &link{now: day, bits: 1e9}
				l.chip = content.Chip(chip.Options{Faults: []chip.Fault{{At: n, Kind: chip.FaultRemove}}})
				o.Now = l.clock
				partial, err := icao.Read(t.Context(), l, o)
				if !errors.Is(err, errGone) {
					t.Fatalf("lifted at %d: %v", n, err)
				}
				noPersonalData(t, who, err)
				before := partial.Count.APDUs
				if told == 1 != (partial.Identity != nil) {
					t.Fatalf("lifted at %d: told %d times, identity there: %v", n, told, partial.Identity != nil)
				}
				l.chip.Reset()
				o.Resume = partial
				doc, err := icao.Read(t.Context(), l, o)
				if err != nil {
					t.Fatalf("put back after %d: %v", n, err)
				}
				if told != 1 {
					t.Errorf("lifted at %d: told of the identity %d times", n, told)
				}
				if doc.Count.APDUs <= before || before < n+1 {
					t.Errorf("lifted at %d: %d APDUs, then %d", n, before, doc.Count.APDUs)
				}
				if d := cmp.Diff(whole, doc, wholeBytes, cmpopts.IgnoreUnexported(icao.Document{}),
					cmpopts.IgnoreFields(icao.Document{}, "Count", "IdentityAfter", "ChipAfter", "DoneAfter")); d != "" {
					t.Fatalf("lifted at %d (-whole +resumed):\n%s", n, d)
				}
			}
		})
	}
}

// What comes back must be the chip that left: the same EF.SOD, and the key that it proved before.
func TestAnotherCardComesBack(t *testing.T) {
	p, err := chip.ProfileByName("cccd-mk")
	if err != nil {
		t.Fatal(err)
	}
	who, err := chip.PersonaByName("an")
	if err != nil {
		t.Fatal(err)
	}
	issue := func(change func(*chip.Profile), serial int) *chip.Card {
		q := p
		if change != nil {
			change(&q)
		}
		c, err := chip.Issue(q, who, issuer(), chip.IssueOptions{Serial: serial})
		if err != nil {
			t.Fatal(err)
		}
		return c
	}
	noCA := func(p *chip.Profile) { p.CA = nil }
	for _, c := range []struct {
		name         string
		first, then  *chip.Card
		liftAtDG2    int // blocks of the portrait that were read; -1 lifts right after the identity
		want         error
		wantIdentity bool
	}{
		{"the same card", issue(nil, 0), issue(nil, 0), 5, nil, true},
		{"the same person's other card", issue(nil, 0), issue(nil, 1), 5, lds.ErrOtherCard, true},
		{"a copy without the keys, after CA", issue(nil, 0), issue(func(p *chip.Profile) { p.Clone = "wrong-key" }, 0), 5, lds.ErrOtherCard, true},
		{"a naked copy, after CA", issue(nil, 0), issue(func(p *chip.Profile) { p.Clone = "naked-9000" }, 0), 5, lds.ErrOtherCard, true},
		{"a copy that refuses, after CA", issue(nil, 0), issue(func(p *chip.Profile) { p.Clone = "refuses" }, 0), 5, lds.ErrOtherCard, true},
		{"a copy without the keys, after AA alone", issue(noCA, 0), issue(func(p *chip.Profile) { noCA(p); p.Clone = "wrong-key" }, 0), 5, lds.ErrOtherCard, true},
		{"the same card, after AA alone", issue(noCA, 0), issue(noCA, 0), 5, nil, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			if !bytes.Equal(c.first.Files["EF_SOD"], c.then.Files["EF_SOD"]) != (c.name == "the same person's other card") {
				t.Fatal("the cards are not what the case says")
			}
			l := &link{now: day, bits: 1e9, chip: c.first.Chip(chip.Options{})}
			blocks := 0
			o := icao.Options{Key: qrKey(t, who), Portrait: true, Trust: trusting(), Now: l.clock}
			o.OnProgress = func(p icao.Progress) {
				if p.File == lds.DG(2) {
					if blocks++; blocks == c.liftAtDG2 {
						l.chip.SetFaults([]chip.Fault{{At: 0, Kind: chip.FaultRemove}})
					}
				}
			}
			partial, err := icao.Read(t.Context(), l, o)
			if !errors.Is(err, errGone) {
				t.Fatal(err)
			}
			l.chip = c.then.Chip(chip.Options{})
			o.OnProgress, o.Resume = nil, partial
			doc, err := icao.Read(t.Context(), l, o)
			if !errors.Is(err, c.want) || c.want == nil && err != nil {
				t.Fatalf("got %v, want %v", err, c.want)
			}
			if (doc.Portrait != nil) != (c.want == nil) {
				t.Error("a portrait of another card, or none of the right one")
			}
			if (doc.Identity != nil) != c.wantIdentity {
				t.Error("identity of the first card")
			}
		})
	}
}

// Before the EF.SOD was there, whatever comes back is read afresh.
func TestAfreshBeforeSOD(t *testing.T) {
	l, who := card{profile: "cccd-mk"}.insert(t)
	l.chip.SetFaults([]chip.Fault{{At: 4, Kind: chip.FaultRemove}})
	partial, err := l.read(t, icao.Options{Key: qrKey(t, who)})
	if !errors.Is(err, errGone) || partial.Files[lds.SOD] != nil {
		t.Fatal(err)
	}
	l2, who2 := card{profile: "cccd-javelin", persona: "binh"}.insert(t)
	doc, err := l2.read(t, icao.Options{Key: qrKey(t, who2), Portrait: true, Resume: partial})
	if err != nil || doc.Identity.Number != who2.Number {
		t.Fatal(err)
	}
}

// A card that does not answer once is as good as gone: the session ends there, and the next read works.
func TestMute(t *testing.T) {
	for _, n := range []int{0, 3, 8, 15, 40} {
		l, who := card{profile: "cccd-mk"}.insert(t)
		l.chip.SetFaults([]chip.Fault{{At: n, Kind: chip.FaultMute}})
		if _, err := l.read(t, icao.Options{Key: qrKey(t, who), Portrait: true}); !errors.Is(err, errGone) {
			t.Fatalf("mute at %d: %v", n, err)
		}
		if l.apdus != n+1 {
			t.Errorf("mute at %d: %d APDUs", n, l.apdus)
		}
		l.chip.Reset()
		if _, err := l.read(t, icao.Options{Key: qrKey(t, who), Portrait: true}); err != nil {
			t.Fatal(err)
		}
	}
}
