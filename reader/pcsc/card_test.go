//go:build linux && cgo && !nopcsc

package pcsc_test

import (
	"context"
	"errors"
	"sync/atomic"
	"testing"

	"github.com/tapcheck/tapcheck/icao"
	"github.com/tapcheck/tapcheck/icao/chip"
	"github.com/tapcheck/tapcheck/icao/lds"
	"github.com/tapcheck/tapcheck/reader"
	"github.com/tapcheck/tapcheck/reader/pcsc/pcsctest"
	"github.com/tapcheck/tapcheck/reader/virtual"
)

// lifting is a chip that is lifted at its nth command.
type lifting struct {
	*chip.Chip
	n    atomic.Int32
	lift context.CancelFunc
}

func (l *lifting) Transmit(apdu []byte) []byte {
	if l.n.Add(-1) == 0 {
		l.lift()
		return nil
	}
	return l.Chip.Transmit(apdu)
}

func simulated(t *testing.T) (*chip.Chip, lds.Key) {
	t.Helper()
	p, err := chip.ProfileByName("cccd-mk")
	if err != nil {
		t.Fatal(err)
	}
	who, err := chip.PersonaByName("an")
	if err != nil {
		t.Fatal(err)
	}
	iss, err := chip.NewIssuer(chip.IssuerOptions{Seed: []byte("pcsc")})
	if err != nil {
		t.Fatal(err)
	}
	c, err := chip.New(p, who, iss, chip.Options{})
	if err != nil {
		t.Fatal(err)
	}
	key, err := lds.KeyFromCAN(who.CAN())
	if err != nil {
		t.Fatal(err)
	}
	return c, key
}

// The Vietnamese card, read whole through pcscd: identity, chip and picture. It is pulled out in the middle of a read, put
// back, and read.
func TestReadIdentityCard(t *testing.T) {
	d := pcsctest.Start(t, "Desk")
	m := watch(t)
	c, key := simulated(t)
	ctx, cancel := context.WithCancel(t.Context())
	lifted := &lifting{Chip: c, lift: cancel}
	lifted.n.Store(20)
	done := make(chan error, 1)
	go func() { done <- virtual.PlugIn(ctx, d.Addr("Desk"), lifted) }()
	within(t, m, recovery, "card in", state(m, "desk", reader.Card))
	s := connect(t, m, "desk")
	doc, err := icao.Read(t.Context(), s, icao.Options{Key: key, Portrait: true})
	if !errors.Is(err, reader.ErrCardRemoved) {
		t.Errorf("lifted at the twentieth command: %v", err)
	}
	s.Close()
	<-done
	within(t, m, recovery, "card out", state(m, "desk", reader.Empty))
	if doc != nil && doc.Files[lds.DG(2)] != nil {
		t.Error("a card that was lifted has given its picture")
	}

	whole, key := simulated(t)
	plugIn(t, d, "Desk", whole)
	within(t, m, recovery, "card in again", state(m, "desk", reader.Card))
	s = connect(t, m, "desk")
	doc, err = icao.Read(t.Context(), s, icao.Options{Key: key, Portrait: true})
	if err != nil {
		t.Fatal(err)
	}
	if doc.Identity == nil || doc.Identity.Number != whole.Persona().Number {
		t.Error("not the identity of the card")
	}
	for _, f := range []lds.FileID{lds.SOD, lds.DG(1), lds.DG(2), lds.DG(13), lds.DG(14)} {
		if len(doc.Files[f]) == 0 {
			t.Errorf("%v was not read", f)
		}
	}
}
