package chip_test

import (
	"log/slog"
	"testing"

	"github.com/gmrtd/gmrtd/document"
	"github.com/gmrtd/gmrtd/iso7816"
	"github.com/gmrtd/gmrtd/pace"
	"github.com/gmrtd/gmrtd/password"
	"github.com/tapcheck/tapcheck/icao/chip"
)

type link struct{ *chip.Chip }

func (l link) Transceive(cla, ins, p1, p2 int, data []byte, le int, encoded []byte) []byte {
	return l.Transmit(encoded)
}

// gmrtd, which shares nothing with the chip, opens it with chip authentication mapping, believes it, and finds what it looks for in DG14.
func TestForeignReader(t *testing.T) {
	chatter := slog.Default() // gmrtd tells it about each entry that it passes over
	slog.SetDefault(slog.New(slog.DiscardHandler))
	defer slog.SetDefault(chatter)
	issuer, err := chip.NewIssuer(chip.IssuerOptions{Seed: []byte("test")})
	if err != nil {
		t.Fatal(err)
	}
	who, err := chip.PersonaByName("an")
	if err != nil {
		t.Fatal(err)
	}
	for _, offers := range [][]chip.PACEOffer{
		{{Cipher: "AES-128", Curve: "brainpoolP256r1", Mapping: "CAM"}, {Cipher: "AES-128", Curve: "brainpoolP256r1"}},
		{{Cipher: "AES-256", Curve: "P-384", Mapping: "CAM"}, {Cipher: "AES-256", Curve: "P-384"}},
	} {
		p, err := chip.ProfileByName("passport-pace-cam")
		if err != nil {
			t.Fatal(err)
		}
		p.PACE = offers
		for clone, want := range map[string]bool{"": true, "wrong-key": false} {
			p.Clone = clone
			card, err := chip.New(p, who, issuer, chip.Options{})
			if err != nil {
				t.Fatal(err)
			}
			var doc *document.Document
			// gmrtd drops leading zero bytes of shared secrets, so that one run in 256 fails by its own fault.
			for {
				card.Reset()
				doc = new(document.Document)
				if doc.Mf.CardAccess, err = document.NewCardAccess(card.Files()["EF_CardAccess"]); err != nil {
					t.Fatal(err)
				}
				session := iso7816.NewNfcSession(link{card})
				_, err = pace.NewPace(session, doc, password.NewPasswordCan(who.CAN())).DoPACE()
				if card.Secrets().Agreement <= 0 {
					break
				}
			}
			if (err == nil) != want {
				t.Errorf("%+v, clone %q: %v", offers[0], clone, err)
			}
			if doc.Mf.CardSecurity == nil || len(doc.Mf.CardSecurity.SecurityInfos.ChipAuthPubKeyInfos) != 1 {
				t.Errorf("%+v: EF.CardSecurity was not read", offers[0])
			}
			dg14, err := document.NewDG14(card.Files()["DG14"])
			if err != nil {
				t.Fatal(err)
			}
			if err := dg14.SecInfos.Contains(doc.Mf.CardAccess.SecurityInfos); err != nil {
				t.Errorf("DG14: %v", err)
			}
		}
	}
}
