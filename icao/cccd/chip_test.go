package cccd_test

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/tapcheck/tapcheck/icao/cccd"
	"github.com/tapcheck/tapcheck/icao/chip"
	"github.com/tapcheck/tapcheck/icao/lds"
)

// Every persona's card, in both layouts of DG13: what the simulated chip's writer put in comes out, and the QR code on the
// card, its number and its dates agree with it.
func TestPersonas(t *testing.T) {
	issuer, err := chip.NewIssuer(chip.IssuerOptions{Seed: []byte("cccd")})
	if err != nil {
		t.Fatal(err)
	}
	for _, who := range chip.Personas() {
		want := lds.Identity{
			Number: who.Number, FullName: who.FullName, DateOfBirth: who.DateOfBirth, Sex: who.Sex, Nationality: "VNM", Residence: who.Residence,
			Origin: who.Origin, IssuedAt: who.IssuedAt, ExpiresAt: who.ExpiresAt, NoExpiry: who.NoExpiry, Ethnicity: who.Ethnicity, Religion: who.Religion,
			Features: who.Features, Father: who.Father, Mother: who.Mother, Spouse: who.Spouse, OldNumber: who.OldNumber,
		}
		for _, profile := range []string{"cccd-mk", "cccd-javelin"} {
			p, err := chip.ProfileByName(profile)
			if err != nil {
				t.Fatal(err)
			}
			p.Photo = ""
			c, err := chip.New(p, who, issuer, chip.Options{})
			if err != nil {
				t.Fatal(err)
			}
			d, err := cccd.ParseDG13(c.Files()["DG13"])
			if err != nil {
				t.Errorf("%s, %s: %v", who.ID, profile, err)
				continue
			}
			if diff := cmp.Diff(want, d.Identity(), cmpopts.IgnoreFields(lds.Identity{}, "Source")); diff != "" {
				t.Errorf("%s, %s: %s", who.ID, profile, diff)
			}
			if maker, ok := cccd.KnownATR(c.ATR()); !ok || maker == "" {
				t.Errorf("%s: answer to reset is not known", profile)
			}
		}

		key, err := cccd.KeyFromQR(who.QR())
		if err != nil || key.CAN != who.CAN() {
			t.Errorf("%s: QR: %v", who.ID, err)
			continue
		}
		if diff := cmp.Diff(lds.Identity{Number: who.Number, DocumentNumber: who.DocumentNumber(), FullName: who.FullName, DateOfBirth: who.DateOfBirth,
			Sex: who.Sex, Residence: who.Residence, IssuedAt: who.IssuedAt, OldNumber: who.OldNumber}, key.Stated); diff != "" {
			t.Errorf("%s: QR: %s", who.ID, diff)
		}
		n, err := cccd.ParseNumber(who.Number)
		if err != nil || n.Sex() != who.Sex || who.DateOfBirth[:4] != time.Date(n.BirthYear(), 1, 1, 0, 0, 0, 0, time.UTC).Format("2006") {
			t.Errorf("%s: %v, born in %d, %s", who.ID, err, n.BirthYear(), n.Sex())
		}
		birth, _ := time.Parse(time.DateOnly, who.DateOfBirth)
		issued, _ := time.Parse(time.DateOnly, who.IssuedAt)
		expiry, never, ok := cccd.Expiry(birth, issued)
		if !ok || never != who.NoExpiry || !never && expiry.Format(time.DateOnly) != who.ExpiresAt {
			t.Errorf("%s: expires %s %v %v, but the card says %q", who.ID, expiry.Format(time.DateOnly), never, ok, who.ExpiresAt)
		}
	}
}
