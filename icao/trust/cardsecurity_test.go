package trust_test

import (
	"bytes"
	"testing"
	"time"

	"github.com/tapcheck/tapcheck/icao/chip"
	"github.com/tapcheck/tapcheck/icao/lds"
	"github.com/tapcheck/tapcheck/icao/trust"
)

// cardWithSecurity issues a card that proves itself during PACE.
func cardWithSecurity(t testing.TB, i *chip.Issuer) map[string][]byte {
	t.Helper()
	p, err := chip.ProfileByName("passport-pace-cam")
	if err != nil {
		t.Fatal(err)
	}
	who, err := chip.PersonaByName("an")
	if err != nil {
		t.Fatal(err)
	}
	c, err := chip.New(p, who, i, chip.Options{})
	if err != nil {
		t.Fatal(err)
	}
	return c.Files()
}

// TestCardSecurity: EF.CardSecurity is judged as an EF.SOD is.
func TestCardSecurity(t *testing.T) {
	good := issuer(t, chip.IssuerOptions{})
	at := noon(t, good)
	forger, err := good.Forger()
	if err != nil {
		t.Fatal(err)
	}
	store, _, err := trust.Load(trust.Options{Files: map[string][]byte{"csca.cer": good.CSCA()}})
	if err != nil {
		t.Fatal(err)
	}
	files, forged := cardWithSecurity(t, good), cardWithSecurity(t, forger)
	file, dg1 := files["EF_CardSecurity"], files["DG1"]
	flipped := bytes.Clone(file)
	at1 := bytes.Index(flipped, []byte{0x04, 0x00, 0x7F, 0x00, 0x07, 0x02, 0x02, 0x01, 0x02}) + 40 // in the chip's key
	flipped[at1] ^= 1
	for _, c := range []struct {
		name      string
		file, dg1 []byte
		at        time.Time
		status    lds.Status
		reason    lds.Reason
		infos     bool
		anchored  bool
	}{
		{"good", file, dg1, at, lds.Passed, "", true, true},
		{"filled up", append(bytes.Clone(file), 0, 0, 0), dg1, at, lds.Passed, "", true, true},
		{"without DG1", file, nil, at, lds.Passed, "", true, true},
		{"forged", forged["EF_CardSecurity"], dg1, at, lds.NotVerifiable, lds.ReasonSignerNotAnchored, true, false},
		{"changed", flipped, dg1, at, lds.Failed, lds.ReasonSignatureInvalid, false, false},
		{"late", file, dg1, at.AddDate(40, 0, 0), lds.Failed, lds.ReasonExpired, true, true},
		{"another state's document", file, bytes.Replace(dg1, []byte("VNM"), []byte("LAO"), -1), at, lds.Failed, lds.ReasonCountryMismatch, true, false},
		{"an EF.SOD", files["EF_SOD"][4:], dg1, at, lds.Failed, lds.ReasonMalformed, false, false},
		{"nothing", nil, dg1, at, lds.Failed, lds.ReasonMalformed, false, false},
		{"cut", file[:len(file)-1], dg1, at, lds.Failed, lds.ReasonMalformed, false, false},
		{"huge", make([]byte, trust.MaxSOD+1), dg1, at, lds.Failed, lds.ReasonMalformed, false, false},
	} {
		got := store.InspectCardSecurity(c.file, c.dg1, c.at)
		if got.Verdict.Status != c.status || got.Verdict.Reason != c.reason || (got.Infos != nil) != c.infos || got.Anchored != c.anchored {
			t.Errorf("%s: %+v, infos %d, anchored %v", c.name, got.Verdict, len(got.Infos), got.Anchored)
		}
	}
}

func FuzzCardSecurity(f *testing.F) {
	good := issuer(f, chip.IssuerOptions{})
	store, _, err := trust.Load(trust.Options{Files: map[string][]byte{"csca.cer": good.CSCA()}})
	if err != nil {
		f.Fatal(err)
	}
	file := cardWithSecurity(f, good)["EF_CardSecurity"]
	f.Add(file)
	f.Add(file[:200])
	f.Add([]byte{0x30, 0x80, 0x00, 0x00})
	at := time.Date(2026, 6, 1, 12, 0, 0, 0, time.UTC)
	signed := store.InspectCardSecurity(file, nil, at).Infos
	f.Fuzz(func(t *testing.T, b []byte) {
		got := store.InspectCardSecurity(b, nil, at)
		if got.Anchored && !bytes.Equal(got.Infos, signed) {
			t.Fatal("something else is anchored")
		}
	})
}
