package chip_test

import (
	"fmt"
	"strings"

	"github.com/tapcheck/tapcheck/icao/chip"
)

// A card is put together from a profile, a persona and an issuer, and answers APDUs.
func Example() {
	issuer, err := chip.NewIssuer(chip.IssuerOptions{Seed: []byte("example")})
	if err != nil {
		panic(err)
	}
	profile, err := chip.ProfileByName("cccd-mk")
	if err != nil {
		panic(err)
	}
	person, err := chip.PersonaByName("an")
	if err != nil {
		panic(err)
	}
	card, err := chip.New(profile, person, issuer, chip.Options{})
	if err != nil {
		panic(err)
	}
	fmt.Printf("CAN %s\n", person.CAN())
	fmt.Printf("%X\n", card.ATR())
	fmt.Printf("%X\n", card.Transmit([]byte{0x00, 0xA4, 0x00, 0x0C, 0x02, 0x3F, 0x00}))
	fmt.Printf("%X\n", card.Transmit([]byte{0x00, 0xB0, 0x9C, 0x00, 0x00}))
	// Output:
	// CAN 012345
	// 3B8980014D4B6A434F532D333712
	// 6D00
	// 3134300D060804007F0007020202020101300F060A04007F000702020302020201013012060A04007F0007020204020202010202010D9000
}

// A card that is lifted at the fifth command, once.
func ExampleFault() {
	issuer, err := chip.NewIssuer(chip.IssuerOptions{Seed: []byte("example")})
	if err != nil {
		panic(err)
	}
	profile, err := chip.ProfileByName("cccd-mk")
	if err != nil {
		panic(err)
	}
	person, err := chip.PersonaByName("binh")
	if err != nil {
		panic(err)
	}
	card, err := chip.New(profile, person, issuer, chip.Options{Faults: []chip.Fault{{At: 4, Kind: chip.FaultRemove}}})
	if err != nil {
		panic(err)
	}
	for range 6 {
		fmt.Println(card.Transmit([]byte{0x00, 0xA4, 0x02, 0x0C, 0x02, 0x01, 0x1C}) != nil)
	}
	card.Reset()
	fmt.Println(card.Transmit([]byte{0x00, 0xA4, 0x02, 0x0C, 0x02, 0x01, 0x1C}) != nil)
	// Output:
	// true
	// true
	// true
	// true
	// false
	// false
	// true
}

// A signer that was certified for something else, and a hash that does not fit.
func ExampleIssue() {
	profile, err := chip.ProfileByName("cccd-mk")
	if err != nil {
		panic(err)
	}
	person, err := chip.PersonaByName("an")
	if err != nil {
		panic(err)
	}
	issuer, err := chip.NewIssuer(chip.IssuerOptions{Seed: []byte("example"), DS: chip.CertOptions{KeyUsage: chip.UsageKeyEncipherment}})
	if err != nil {
		panic(err)
	}
	card, err := chip.Issue(profile, person, issuer, chip.IssueOptions{SOD: chip.SODOptions{BadHash: []int{13}}})
	if err != nil {
		panic(err)
	}
	fmt.Printf("%X\n", card.Files["EF_COM"])
	// Output:
	// 60185F0104303130375F36063034303030305C066175636D6E6F
}

// A profile of one's own, with a quirk that nobody knows.
func ExampleLoadProfile() {
	_, err := chip.LoadProfile(strings.NewReader(`{
  "like": "cccd-mk",
  "pace": [{"cipher": "AES-128", "curve": "P-256", "maping": "IM"}]
}`))
	fmt.Println(err)
	// Output:
	// chip: profile, line 3, column 52: unknown field "maping" in pace[0]; did you mean mapping? Allowed here: mapping, cipher, curve, nonce
}

// A terminal that may read fingerprints, and a chip that believes it.
func ExampleNewTerminalPKI() {
	pki, err := chip.NewTerminalPKI(chip.TerminalPKIOptions{Seed: []byte("example")})
	if err != nil {
		panic(err)
	}
	terminal, err := pki.Terminal(chip.TerminalOptions{Rights: chip.RightDG3})
	if err != nil {
		panic(err)
	}
	issuer, err := chip.NewIssuer(chip.IssuerOptions{Seed: []byte("example")})
	if err != nil {
		panic(err)
	}
	profile, err := chip.ProfileByName("passport-eac")
	if err != nil {
		panic(err)
	}
	person, err := chip.PersonaByName("an")
	if err != nil {
		panic(err)
	}
	card, err := chip.New(profile, person, issuer, chip.Options{Issue: chip.IssueOptions{Terminals: pki}})
	if err != nil {
		panic(err)
	}
	fmt.Printf("%q\n", card.Files()["EF_CVCA"])
	fmt.Println(pki.Reference(), terminal.Reference, len(terminal.Chain))
	// Output:
	// "B\vVNCVCA00001\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00"
	// VNCVCA00001 VNIS00001 2
}
