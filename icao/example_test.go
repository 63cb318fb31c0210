package icao_test

import (
	"context"
	"fmt"
	"time"

	"github.com/tapcheck/tapcheck/icao"
	"github.com/tapcheck/tapcheck/icao/chip"
	"github.com/tapcheck/tapcheck/icao/lds"
	"github.com/tapcheck/tapcheck/icao/trust"
)

// inHand is a simulated card in the reader's place: a session of package reader is a transmitter just the same.
type inHand struct{ *chip.Chip }

func (c inHand) Transmit(_ context.Context, apdu []byte) ([]byte, error) {
	return c.Chip.Transmit(apdu), nil
}

// exampleCard is a Vietnamese card of a made-up state and person, and the anchors that its signer goes back to.
func exampleCard() (inHand, chip.Persona, *trust.Store) {
	state, err := chip.NewIssuer(chip.IssuerOptions{Seed: []byte("example")})
	if err != nil {
		panic(err)
	}
	kind, err := chip.ProfileByName("cccd-mk")
	if err != nil {
		panic(err)
	}
	person, err := chip.PersonaByName("an")
	if err != nil {
		panic(err)
	}
	card, err := chip.New(kind, person, state, chip.Options{})
	if err != nil {
		panic(err)
	}
	anchors, _, err := trust.Load(trust.Options{Files: map[string][]byte{"csca.cer": state.CSCA()}})
	if err != nil {
		panic(err)
	}
	return inHand{card}, person, anchors
}

// A card is opened with the number that is printed on it, and read.
func ExampleRead() {
	card, person, anchors := exampleCard()
	doc, err := icao.Read(context.Background(), card, icao.Options{
		Key:      lds.Key{CAN: person.CAN(), From: lds.FromCAN},
		Trust:    anchors,
		Now:      func() time.Time { return time.Date(2026, 11, 23, 8, 15, 0, 0, time.UTC) },
		Portrait: true,
		OnIdentity: func(d *icao.Document) error { // a second before the photo is there
			fmt.Println(d.Identity.FullName, d.Identity.DateOfBirth)
			return nil
		},
	})
	if err != nil {
		panic(err)
	}
	v := doc.Verdicts
	fmt.Println(v.Access.Protocol, v.Access.Detail)
	fmt.Println(v.PassiveAuthentication.Status, v.PassiveAuthentication.Anchor.Source)
	fmt.Println(v.ChipAuthentication.Status, v.ChipAuthentication.Protocol)
	fmt.Println(doc.Portrait.Format)
	// Output:
	// Nguyễn Văn An 1999-01-01
	// PACE ECDH-GM AES-128 brainpoolP256r1
	// passed csca.cer
	// passed CA ECDH AES-128 brainpoolP256r1
	// jpeg
}

// Files that were saved are judged by the same code, at any time. Nobody can ask them for a secret.
func ExampleInspect() {
	card, _, anchors := exampleCard()
	files := map[lds.FileID][]byte{}
	for name, raw := range card.Files() {
		files[lds.FileID(name)] = raw
	}
	for _, year := range []int{2026, 2060} {
		doc, err := icao.Inspect(files, icao.Options{Trust: anchors, Now: func() time.Time { return time.Date(year, 11, 23, 0, 0, 0, 0, time.UTC) }})
		if err != nil {
			panic(err)
		}
		v := doc.Verdicts
		fmt.Println(v.PassiveAuthentication.Status, v.PassiveAuthentication.Reason, v.ChipAuthentication.Status)
	}
	files[lds.DG(1)][20] ^= 1 // another letter in the zone
	doc, err := icao.Inspect(files, icao.Options{Trust: anchors, Now: func() time.Time { return time.Date(2026, 11, 23, 0, 0, 0, 0, time.UTC) }})
	fmt.Println(doc.Verdicts.PassiveAuthentication.Reason, doc.Identity == nil, err)
	// Output:
	// passed  not_done
	// failed EXPIRED not_done
	// HASH_MISMATCH true files do not match the signed hashes (HASH_MISMATCH)
}
