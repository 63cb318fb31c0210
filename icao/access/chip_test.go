package access

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"math/big"
	"math/rand/v2"
	"os"
	"sync"
	"testing"

	"github.com/tapcheck/tapcheck/icao/chip"
	"github.com/tapcheck/tapcheck/icao/lds"
)

// The tests of this file speak with icao/chip, which has crypto of its own.

var errNoAnswer = errors.New("card does not answer")

// card makes a chip a transmitter, and counts the reader's mistakes.
type card struct {
	*chip.Chip
	t          testing.TB
	violations []string
}

func (c *card) Transmit(ctx context.Context, apdu []byte) ([]byte, error) {
	if r := c.Chip.Transmit(apdu); r != nil {
		return r, nil
	}
	return nil, errNoAnswer
}

var testIssuer = sync.OnceValue(func() *chip.Issuer {
	iss, err := chip.NewIssuer(chip.IssuerOptions{Seed: []byte("icao/access")})
	if err != nil {
		panic(err)
	}
	return iss
})

func profile(t testing.TB, name string) chip.Profile {
	t.Helper()
	p, err := chip.ProfileByName(name)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func newCard(t testing.TB, p chip.Profile, o chip.Options) *card {
	t.Helper()
	who, err := chip.PersonaByName("an")
	if err != nil {
		t.Fatal(err)
	}
	c := &card{t: t}
	o.Violation = func(s string) { c.violations = append(c.violations, s) }
	if c.Chip, err = chip.New(p, who, testIssuer(), o); err != nil {
		t.Fatal(err)
	}
	return c
}

// canKey and mrzKey are keys of a card's persona.
func canKey(c *card) lds.Key { return lds.Key{CAN: c.Persona().CAN(), From: lds.FromCAN} }

func mrzKey(c *card) lds.Key {
	who := c.Persona()
	number, second := who.DocumentNumber(), who.MRZ()[1]
	birth, expiry := second[:6], second[8:14]
	if c.Profile().Document == "td3" {
		number = who.Passport
		second = who.PassportMRZ()[1]
		birth, expiry = second[13:19], second[21:27]
	}
	return lds.Key{MRZ: &lds.MRZKey{DocumentNumber: number, DateOfBirth: birth, DateOfExpiry: expiry}, From: lds.FromMRZ}
}

// open runs the sequence up to the selected application.
func open(ctx context.Context, c *Channel, key lds.Key) (lds.AccessVerdict, error) {
	access, err := c.ReadFile(ctx, lds.CardAccess, nil)
	if err != nil {
		return lds.AccessVerdict{}, err
	}
	v, err := c.PACE(ctx, access, key)
	if err != nil {
		return v, err
	}
	return v, c.SelectApplication(ctx)
}

// whole reads everything that a check-in reads, and proves the chip.
func whole(ctx context.Context, c *Channel, key lds.Key, files map[lds.FileID][]byte) (ca, aa lds.ExchangeVerdict, err error) {
	if _, err = open(ctx, c, key); err != nil {
		return ca, aa, err
	}
	for _, id := range []lds.FileID{lds.SOD, lds.DG(1), lds.DG(13), lds.DG(14), lds.DG(15)} {
		if files[id], err = c.ReadFile(ctx, id, nil); err != nil {
			return ca, aa, err
		}
	}
	if ca, _, err = c.ChipAuthentication(ctx, files[lds.DG(14)]); err != nil {
		return ca, aa, err
	}
	if aa, _, err = c.ActiveAuthentication(ctx, files[lds.DG(15)], files[lds.DG(14)], []byte("8 bytes.")); err != nil {
		return ca, aa, err
	}
	files[lds.DG(2)], err = c.ReadFile(ctx, lds.DG(2), nil)
	return ca, aa, err
}

// TestWholeCard reads cards of every kind, compares every byte, and lets the chip complain about the reader.
func TestWholeCard(t *testing.T) {
	for _, tt := range []struct {
		profile  string
		o        Options
		ca, aa   lds.Status
		caReason lds.Reason
		aaReason lds.Reason
		excess   int // APDUs over the floor
	}{
		{profile: "cccd-mk", ca: lds.Passed, aa: lds.Passed},
		{profile: "cccd-javelin", ca: lds.Passed, aa: lds.Passed},
		{profile: "cccd-2024", ca: lds.Passed, aa: lds.Passed},
		{profile: "cccd-nosfi", ca: lds.Passed, aa: lds.Passed, excess: 7 + 2},                                     // a SELECT per file, finding out once, and looking for EF.CardAccess in the master file
		{profile: "cccd-rsa2048", ca: lds.Passed, aa: lds.NotDone, aaReason: lds.ReasonResponseTooLong, excess: 1}, // extended length and pieces are tried
		{profile: "cccd-extended", ca: lds.Passed, aa: lds.Passed},
		{profile: "cccd-extended", o: Options{Extended: 1920}, ca: lds.Passed, aa: lds.Passed},
		{profile: "cccd-extended", o: Options{Extended: 65536}, ca: lds.Passed, aa: lds.Passed, excess: 13}, // the card gives 1,920 bytes at a time
		{profile: "cccd-mk", o: Options{Extended: 65536}, ca: lds.Passed, aa: lds.Passed, excess: 1},
		{profile: "cccd-p384", ca: lds.Passed, aa: lds.Passed},
		{profile: "forgery", ca: lds.Passed, aa: lds.Passed},
	} {
		t.Run(fmt.Sprintf("%s %d", tt.profile, tt.o.Extended), func(t *testing.T) {
			card := newCard(t, profile(t, tt.profile), chip.Options{})
			c := NewChannel(card, tt.o)
			files := map[lds.FileID][]byte{}
			ca, aa, err := whole(t.Context(), c, canKey(card), files)
			if err != nil {
				t.Fatal(err)
			}
			if ca.Exchange != tt.ca || ca.Reason != tt.caReason || aa.Exchange != tt.aa || aa.Reason != tt.aaReason {
				t.Errorf("chip authentication %+v, active authentication %+v", ca, aa)
			}
			for id, got := range files {
				if want := card.Files()[string(id)]; !bytes.Equal(got, want) {
					t.Errorf("%s: %d bytes, want %d", id, len(got), len(want))
				}
			}
			if len(card.violations) > 0 {
				t.Errorf("the chip complains: %q", card.violations)
			}
			wire := 256
			if tt.o.Extended > 256 && card.Profile().Extended != nil {
				wire = tt.o.Extended
			}
			// The floor: PACE takes five commands, selecting the application one, chip authentication three with its
			// proof, active authentication one, and each file as many as it has full blocks.
			floor := 1 + 5 + 1 + 3 + 1
			for _, b := range files {
				n := c.sm.capacity(wire)
				floor += (len(b) + n - 1) / n
			}
			if got := c.Count().APDUs; got > floor+tt.excess {
				t.Errorf("%d APDUs, floor %d + %d", got, floor, tt.excess)
			}
			t.Logf("%d APDUs, floor %d, %d bytes out, %d in", c.Count().APDUs, floor, c.Count().Sent, c.Count().Received)
		})
	}
}

// TestEveryCurveAndCipher opens and proves chips with every combination that the standard has.
func TestEveryCurveAndCipher(t *testing.T) {
	ciphers := []string{"3DES", "AES-128", "AES-192", "AES-256"}
	for i, curve := range chip.Curves() {
		for j, cipher := range ciphers {
			if os.Getenv("TAPCHECK_CAMPAIGN") == "" && (i+j)%2 == 1 || underRace && (i+j)%4 != 0 {
				continue // half of them, with every curve and every cipher among them
			}
			t.Run(curve+" "+cipher, func(t *testing.T) {
				p := profile(t, "cccd-mk")
				p.PACE = []chip.PACEOffer{{Cipher: cipher, Curve: curve}}
				p.CA = &chip.CAProfile{Cipher: cipher, Curve: curve, NamedKey: i%2 == 0, KeyID: i % 3, KAT: cipher == "3DES" && i%2 == 0}
				p.AA = &chip.AAProfile{Type: "ecdsa", Curve: curve, Hash: "SHA-256", Announce: true}
				card := newCard(t, p, chip.Options{})
				c := NewChannel(card, Options{})
				v, err := open(t.Context(), c, canKey(card))
				if err != nil {
					t.Fatal(err)
				}
				if want := "ECDH-GM " + cipher + " " + curve; v.Detail != want || v.Key != lds.KeyCAN || v.KeyFrom != lds.FromCAN || v.Status != lds.Passed {
					t.Errorf("%+v", v)
				}
				files := card.Files()
				ca, key, err := c.ChipAuthentication(t.Context(), files["DG14"])
				if err != nil || ca.Exchange != lds.Passed || ca.Protocol != "CA ECDH "+cipher+" "+curve || len(key) != sha256.Size {
					t.Errorf("chip authentication %+v, %X, %v", ca, key, err)
				}
				aa, _, err := c.ActiveAuthentication(t.Context(), files["DG15"], files["DG14"], []byte("8 bytes."))
				if err != nil || aa.Exchange != lds.Passed || aa.Protocol != "AA ECDSA "+curve+" SHA-256" {
					t.Errorf("active authentication %+v, %v", aa, err)
				}
				if got, err := c.ReadFile(t.Context(), lds.DG(1), nil); err != nil || !bytes.Equal(got, files["DG1"]) {
					t.Errorf("DG1 afterwards: %v", err)
				}
				if len(card.violations) > 0 {
					t.Errorf("the chip complains: %q", card.violations)
				}
			})
		}
	}
}

// TestLeadingZeroSecrets forces shared secrets that begin with zero bytes, which gmrtd cuts off: there one PACE in 256 fails with the
// right key and looks like a wrong one.
func TestLeadingZeroSecrets(t *testing.T) {
	for _, curve := range chip.Curves() {
		for zeros := 1; zeros <= 2; zeros++ {
			if underRace && zeros == 2 {
				continue // finding such keys takes long there
			}
			t.Run(fmt.Sprintf("%s %d", curve, zeros), func(t *testing.T) {
				p := profile(t, "cccd-mk")
				p.PACE = []chip.PACEOffer{{Cipher: "AES-128", Curve: curve}}
				p.CA = &chip.CAProfile{Cipher: "AES-128", Curve: curve}
				cv := curveByName(t, curve)
				own, err := cv.mul(cv.base, big.NewInt(0x1234567))
				if err != nil {
					t.Fatal(err)
				}
				var seed [32]byte
				copy(seed[:], curve)
				card := newCard(t, p, chip.Options{Rand: rand.NewChaCha8(seed), Secrets: chip.ForcedSecrets{Mapping: zeros, Agreement: zeros, ChipAuth: zeros, Terminal: cv.encode(own)}})
				c := NewChannel(card, Options{})
				if _, err := open(t.Context(), c, canKey(card)); err != nil {
					t.Fatalf("PACE: %v", err)
				}
				c.keygen = fixedKeys("01234567")
				if ca, _, err := c.ChipAuthentication(t.Context(), card.Files()["DG14"]); err != nil || ca.Exchange != lds.Passed {
					t.Errorf("chip authentication: %+v, %v", ca, err)
				}
				if s := card.Secrets(); s != (chip.Secrets{Mapping: zeros, Agreement: zeros, ChipAuth: zeros}) {
					t.Errorf("the chip had %+v", s)
				}
			})
		}
	}
}

func curveByName(t testing.TB, name string) *curve {
	for _, c := range curves() {
		if c.name == name {
			return c
		}
	}
	t.Fatal("no curve " + name)
	return nil
}

// TestRandomHandshakes opens chips again and again with new randomness: not one may fail. TAPCHECK_CAMPAIGN=1 takes 5,000.
func TestRandomHandshakes(t *testing.T) {
	n := 200
	if os.Getenv("TAPCHECK_CAMPAIGN") != "" {
		n = 5000
	} else if underRace {
		n = 40
	}
	var seed [32]byte
	copy(seed[:], "random handshakes of icao/access")
	source := rand.NewChaCha8(seed)
	cards := map[string]*card{}
	zeros := map[chip.Secrets]int{}
	for i := range n {
		curve, mapping := "P-256", "GM" // the fast one
		switch {
		case i%20 == 0:
			curve = chip.Curves()[i/20%len(chip.Curves())]
		case i%20 == 5:
			curve = chip.Groups()[0]
		case i%20 == 10:
			curve, mapping = chip.Groups()[0], "IM"
		case i%4 == 1:
			mapping = "IM"
		case i%4 == 2:
			mapping = "CAM"
		}
		crd := cards[mapping+curve]
		if crd == nil {
			p := variant(t, mapping, "AES-128", curve)
			p.CA = &chip.CAProfile{Cipher: "AES-128", Curve: curve}
			if mapping == "CAM" {
				p.CA.KeyID = 1 // there are two keys then
			}
			crd = newCard(t, p, chip.Options{Rand: source})
			cards[mapping+curve] = crd
		}
		crd.Reset()
		c := NewChannel(crd, Options{})
		c.keygen, c.rand = randomKey(source), source
		if _, err := open(t.Context(), c, canKey(crd)); err != nil {
			t.Fatalf("handshake %d on %s (seed %q): %v", i, curve, seed, err)
		}
		if ca, _, err := c.ChipAuthentication(t.Context(), crd.Files()["DG14"]); err != nil || ca.Exchange != lds.Passed {
			t.Fatalf("handshake %d on %s (seed %q): %+v, %v", i, curve, seed, ca, err)
		}
		s := crd.Secrets()
		zeros[chip.Secrets{Mapping: min(s.Mapping, 1), Agreement: min(s.Agreement, 1), ChipAuth: min(s.ChipAuth, 1)}]++
	}
	t.Logf("leading zero bytes among %d handshakes: %v", n, zeros)
}

// TestWrongKeys: a wrong key is told from everything else, is tried once, and a card without that kind of key says so.
func TestWrongKeys(t *testing.T) {
	pacePlain := func(c *Channel, key lds.Key) error { _, err := open(t.Context(), c, key); return err }
	bac := func(c *Channel, key lds.Key) error {
		if err := c.SelectApplication(t.Context()); err != nil {
			return err
		}
		_, err := c.BAC(t.Context(), key)
		return err
	}
	otherMRZ := &lds.MRZKey{DocumentNumber: "099012346", DateOfBirth: "990101", DateOfExpiry: "390101"}
	for _, tt := range []struct {
		name, profile string
		change        func(*chip.Profile)
		key           func(*card) lds.Key
		run           func(*Channel, lds.Key) error
		want          error
		sw            uint16
	}{
		{"CAN", "cccd-mk", nil, func(*card) lds.Key { return lds.Key{CAN: "000000"} }, pacePlain, lds.ErrKeyRejected, 0x6300},
		{"CAN, 63C1", "cccd-mk", func(p *chip.Profile) { p.WrongPassword = "63C1" }, func(*card) lds.Key { return lds.Key{CAN: "000000"} }, pacePlain, lds.ErrKeyRejected, 0x63C1},
		{"MRZ", "cccd-mk", nil, func(*card) lds.Key { return lds.Key{MRZ: otherMRZ} }, pacePlain, lds.ErrKeyRejected, 0x6300},
		{"MRZ with BAC", "passport-bac", nil, func(*card) lds.Key { return lds.Key{MRZ: otherMRZ} }, bac, lds.ErrKeyRejected, 0x6300},
		{"CAN where only MRZ opens", "cccd-mk", func(p *chip.Profile) { p.PACEPasswords = []string{"mrz"} }, canKey, pacePlain, lds.ErrKeyUnsuitable, 0x6A88},
		{"CAN with BAC", "passport-bac", nil, canKey, bac, lds.ErrKeyUnsuitable, 0},
		{"nothing", "cccd-mk", nil, func(*card) lds.Key { return lds.Key{} }, pacePlain, lds.ErrKeyMissing, 0},
		{"nothing with BAC", "passport-bac", nil, func(*card) lds.Key { return lds.Key{} }, bac, lds.ErrKeyMissing, 0},
		{"CAN of five digits", "cccd-mk", nil, func(*card) lds.Key { return lds.Key{CAN: "12345"} }, pacePlain, lds.ErrKeyMalformed, 0},
		{"no BAC", "cccd-javelin", nil, mrzKey, bac, ErrUnsupported, 0x6D00},
		{"no PACE", "passport-bac", nil, mrzKey, pacePlain, lds.ErrFileAbsent, 0x6A82},
		{"no eMRTD", "not-emrtd", nil, canKey, bac, lds.ErrCardUnsupported, 0x6A82},
	} {
		t.Run(tt.name, func(t *testing.T) {
			p := profile(t, tt.profile)
			if tt.change != nil {
				tt.change(&p)
			}
			card := newCard(t, p, chip.Options{})
			c := NewChannel(card, Options{})
			err := tt.run(c, tt.key(card))
			if !errors.Is(err, tt.want) || c.Secure() {
				t.Fatalf("%v, want %v", err, tt.want)
			}
			for _, other := range []error{lds.ErrKeyRejected, lds.ErrKeyUnsuitable, lds.ErrAccessFailed, lds.ErrCardUnsupported, ErrUnsupported} {
				if other != tt.want && errors.Is(err, other) {
					t.Errorf("%v is also %v", err, other)
				}
			}
			var s *lds.StatusError
			if tt.sw != 0 && (!errors.As(err, &s) || s.SW != tt.sw) {
				t.Errorf("status word: %v", err)
			}
			if len(card.violations) > 0 {
				t.Errorf("the chip complains: %q", card.violations)
			}
		})
	}
}

// TestBothPasswords: a card without CAN is opened with the MRZ that came along, and no try is used up.
func TestBothPasswords(t *testing.T) {
	p := profile(t, "cccd-mk")
	p.PACEPasswords = []string{"mrz"}
	card := newCard(t, p, chip.Options{})
	key := mrzKey(card)
	key.CAN = "000000"
	v, err := open(t.Context(), NewChannel(card, Options{}), key)
	if err != nil || v.Key != lds.KeyMRZ {
		t.Fatalf("%+v, %v", v, err)
	}
}

// TestBACCard reads an older passport: BAC, chip authentication by MSE:Set KAT, active authentication with RSA.
func TestBACCard(t *testing.T) {
	for _, name := range []string{"passport-bac", "cccd-bac"} {
		card := newCard(t, profile(t, name), chip.Options{})
		c := NewChannel(card, Options{})
		if err := c.SelectApplication(t.Context()); err != nil {
			t.Fatal(err)
		}
		v, err := c.BAC(t.Context(), mrzKey(card))
		if err != nil || v.Status != lds.Passed || v.Protocol != "BAC" || v.Key != lds.KeyMRZ || v.KeyFrom != lds.FromMRZ {
			t.Fatalf("%s: %+v, %v", name, v, err)
		}
		files := card.Files()
		for _, id := range []lds.FileID{lds.SOD, lds.COM, lds.DG(1), lds.DG(2), lds.DG(14), lds.DG(15)} {
			if got, err := c.ReadFile(t.Context(), id, nil); err != nil || !bytes.Equal(got, files[string(id)]) {
				t.Errorf("%s %s: %v", name, id, err)
			}
		}
		if ca, _, err := c.ChipAuthentication(t.Context(), files["DG14"]); err != nil || ca.Exchange != lds.Passed {
			t.Errorf("%s: %+v, %v", name, ca, err)
		}
		if aa, _, err := c.ActiveAuthentication(t.Context(), files["DG15"], nil, []byte("8 bytes.")); err != nil || aa.Exchange != lds.Passed {
			t.Errorf("%s: %+v, %v", name, aa, err)
		}
		if got, err := c.ReadFile(t.Context(), lds.DG(1), nil); err != nil || !bytes.Equal(got, files["DG1"]) {
			t.Errorf("%s DG1 afterwards: %v", name, err)
		}
		if len(card.violations) > 0 {
			t.Errorf("%s: the chip complains: %q", name, card.violations)
		}
	}
}

// TestClones: a copy of the files without the private keys never passes, whatever it plays.
func TestClones(t *testing.T) {
	for _, tt := range []struct {
		clone    string
		exchange lds.Status
		reason   lds.Reason
		alive    bool
	}{
		{"wrong-key", lds.Failed, lds.ReasonChipAuthFailed, false},
		{"naked-9000", lds.Failed, lds.ReasonChipAuthFailed, false},
		{"refuses", lds.NotDone, lds.ReasonRefusedByCard, true},
	} {
		for _, cipher := range []string{"AES-128", "3DES"} {
			p := profile(t, "cccd-mk")
			p.Clone = tt.clone
			p.CA = &chip.CAProfile{Cipher: cipher, Curve: "P-256", KAT: cipher == "3DES"}
			card := newCard(t, p, chip.Options{})
			c := NewChannel(card, Options{})
			if _, err := open(t.Context(), c, canKey(card)); err != nil {
				t.Fatal(err)
			}
			aa, _, err := c.ActiveAuthentication(t.Context(), card.Files()["DG15"], card.Files()["DG14"], []byte("8 bytes."))
			if err != nil || aa.Exchange == lds.Passed || aa.Reason == "" {
				t.Errorf("%s: active authentication %+v, %v", tt.clone, aa, err)
			}
			ca, _, err := c.ChipAuthentication(t.Context(), card.Files()["DG14"])
			if err != nil || ca.Exchange != tt.exchange || ca.Reason != tt.reason {
				t.Errorf("%s %s: chip authentication %+v, %v", tt.clone, cipher, ca, err)
			}
			_, err = c.ReadFile(t.Context(), lds.DG(1), nil)
			if alive := err == nil; alive != tt.alive || c.Secure() != tt.alive || !alive && !errors.Is(err, lds.ErrSecureMessaging) {
				t.Errorf("%s %s: afterwards %v", tt.clone, cipher, err)
			}
		}
	}
}

// TestFaultAtEveryAPDU lets every kind of fault strike at every command of a whole read. Nothing tampered is ever believed, every
// error has its type, and nothing is sent to a card that is gone.
func TestFaultAtEveryAPDU(t *testing.T) {
	p := profile(t, "cccd-mk")
	p.PACE = []chip.PACEOffer{{Cipher: "AES-128", Curve: "P-256"}}
	p.CA = &chip.CAProfile{Cipher: "AES-128", Curve: "P-256"}
	p.AA = &chip.AAProfile{Type: "ecdsa", Curve: "P-256", Hash: "SHA-256", Announce: true}
	card := newCard(t, p, chip.Options{})
	original := card.Files()
	run := func(files map[lds.FileID][]byte, faults ...chip.Fault) (c *Channel, ca, aa lds.ExchangeVerdict, err error) {
		card.Reset()
		card.SetFaults(faults)
		c = NewChannel(card, Options{})
		ca, aa, err = whole(t.Context(), c, canKey(card), files)
		return c, ca, aa, err
	}
	c, _, _, err := run(map[lds.FileID][]byte{})
	if err != nil {
		t.Fatal(err)
	}
	n := c.Count().APDUs
	known := []error{errNoAnswer, ErrShortResponse, ErrUnsupported, lds.ErrSecureMessaging, lds.ErrProtocol, lds.ErrAccessFailed, lds.ErrKeyRejected,
		lds.ErrMalformed, lds.ErrFileAbsent, lds.ErrFileRefused, lds.ErrTooLarge, lds.ErrCardUnsupported}
	const secure = 6 // from here on secure messaging is up: EF.CardAccess and five commands of PACE come before
	for at := range n {
		if at > secure+14 && at < n-3 {
			continue // the blocks of the photo are all alike
		}
		if underRace && at%6 != 1 {
			continue
		}
		for _, f := range []chip.Fault{
			{Kind: chip.FaultRemove}, {Kind: chip.FaultMute}, {Kind: chip.FaultNaked},
			{Kind: chip.FaultStatus, SW: 0x9000}, {Kind: chip.FaultStatus, SW: 0x6982}, {Kind: chip.FaultStatus, SW: 0x6A82}, {Kind: chip.FaultStatus, SW: 0x6988},
			{Kind: chip.FaultStatus, SW: 0x6700}, {Kind: chip.FaultStatus, SW: 0x6C10}, {Kind: chip.FaultStatus, SW: 0x6110}, {Kind: chip.FaultStatus, SW: 0x63C0},
			{Kind: chip.FaultFlip, N: 3}, {Kind: chip.FaultFlip, N: 40}, {Kind: chip.FaultFlip, N: 100}, {Kind: chip.FaultFlip, N: -12 & 0xFFF},
			{Kind: chip.FaultTruncate, N: 1}, {Kind: chip.FaultTruncate, N: 2}, {Kind: chip.FaultTruncate, N: 9}, {Kind: chip.FaultTruncate, N: 1 << 20},
			{Kind: chip.FaultLengthen, N: 1}, {Kind: chip.FaultLengthen, N: 70000}, {Kind: chip.FaultReplay, N: 1}, {Kind: chip.FaultReplay, N: 2},
			{Kind: chip.FaultReplace, Data: []byte{}}, {Kind: chip.FaultReplace, Data: []byte{0x7C, 0x00, 0x90, 0x00}}, {Kind: chip.FaultReplace, Data: []byte{0x99, 0x02, 0x90, 0x00, 0x90, 0x00}},
		} {
			f.At = at
			files := map[lds.FileID][]byte{}
			c, ca, aa, err := run(files, f)
			name := fmt.Sprintf("%s %04X %d at command %d", f.Kind, f.SW, f.N, at)
			for id, got := range files {
				if got != nil && !bytes.Equal(got, original[string(id)]) {
					t.Fatalf("%s: a wrong %s was believed", name, id)
				}
			}
			if err == nil && (ca.Exchange != lds.Passed || aa.Exchange != lds.Passed) && ca.Reason == "" && aa.Reason == "" {
				t.Errorf("%s: no reason in %+v, %+v", name, ca, aa)
			}
			if err == nil && at >= secure && f.Kind != chip.FaultStatus && ca.Exchange == lds.Passed && aa.Exchange == lds.Passed {
				t.Errorf("%s: nobody noticed", name)
			}
			if err == nil && f.Kind == chip.FaultStatus && f.SW == 0x9000 && at >= secure && ca.Exchange == lds.Passed && aa.Exchange == lds.Passed {
				t.Errorf("%s: a naked success was believed", name)
			}
			if err != nil {
				typed := false
				for _, k := range known {
					typed = typed || errors.Is(err, k)
				}
				if !typed {
					t.Errorf("%s: error without a type: %v", name, err)
				}
				// A nonce that was changed on its way cannot be told from a wrong key: nothing protects it (command 2).
				if errors.Is(err, lds.ErrKeyRejected) && at != 5 && at != 2 {
					t.Errorf("%s: not the key's fault: %v", name, err)
				}
				if f.Kind == chip.FaultRemove && (!errors.Is(err, errNoAnswer) || c.Count().APDUs != at+1) {
					t.Errorf("%s: %v after %d commands", name, err, c.Count().APDUs)
				}
				if at > secure && f.Kind != chip.FaultRemove && f.Kind != chip.FaultMute && f.Kind != chip.FaultTruncate && f.Kind != chip.FaultReplace && f.N < 70000 && !errors.Is(err, lds.ErrSecureMessaging) {
					t.Errorf("%s: %v", name, err)
				}
			}
		}
	}
}

// TestCancelAtEveryAPDU: at whatever command the context ends, no further one is sent.
func TestCancelAtEveryAPDU(t *testing.T) {
	p := profile(t, "cccd-mk")
	p.PACE = []chip.PACEOffer{{Cipher: "AES-128", Curve: "P-256"}}
	card := newCard(t, p, chip.Options{})
	for at := 0; ; at++ {
		ctx, cancel := context.WithCancel(t.Context())
		card.Reset()
		count := 0
		tx := transmitFunc(func(ctx context.Context, apdu []byte) ([]byte, error) {
			if count == at {
				cancel()
			}
			count++
			return card.Transmit(ctx, apdu)
		})
		_, _, err := whole(ctx, NewChannel(tx, Options{}), canKey(card), map[lds.FileID][]byte{})
		cancel()
		if err == nil {
			if at < 20 {
				t.Errorf("cancelled at %d and not stopped", at)
			}
			break
		}
		if !errors.Is(err, context.Canceled) || count != at+1 {
			t.Errorf("cancelled at %d: %v after %d commands", at, err, count)
		}
		if at > 24 {
			break
		}
	}
}

type transmitFunc func(ctx context.Context, apdu []byte) ([]byte, error)

func (f transmitFunc) Transmit(ctx context.Context, apdu []byte) ([]byte, error) { return f(ctx, apdu) }

// BenchmarkPACE measures the terminal's own time for PACE: the chip's answers are a recording.
func BenchmarkPACE(b *testing.B) {
	for _, curve := range []string{"brainpoolP256r1", "P-256", "brainpoolP384r1", "brainpoolP512r1", "P-521"} {
		b.Run(curve, func(b *testing.B) {
			p := profile(b, "cccd-mk")
			p.PACE = []chip.PACEOffer{{Cipher: "AES-128", Curve: curve}}
			replayed(b, p, func(c *Channel, key lds.Key) error {
				_, err := open(b.Context(), c, key)
				return err
			})
		})
	}
}

// BenchmarkWholeCard measures access, all files, chip and active authentication in the same way.
func BenchmarkWholeCard(b *testing.B) {
	replayed(b, profile(b, "cccd-mk"), func(c *Channel, key lds.Key) error {
		_, _, err := whole(b.Context(), c, key, map[lds.FileID][]byte{})
		return err
	})
}

// replayed runs once with a chip and then, with the same ephemeral keys, against its recorded answers.
func replayed(b *testing.B, p chip.Profile, run func(*Channel, lds.Key) error) {
	b.Helper()
	crd := newCard(b, p, chip.Options{})
	key := canKey(crd)
	var tape [][]byte
	at := -1
	tx := transmitFunc(func(ctx context.Context, apdu []byte) ([]byte, error) {
		if at < 0 {
			r, err := crd.Transmit(ctx, apdu)
			tape = append(tape, r)
			return r, err
		}
		at++
		return tape[at-1], nil
	})
	once := func() {
		c := NewChannel(tx, Options{})
		c.keygen = func(d domain) (*big.Int, error) {
			return new(big.Int).Sub(d.order(), big.NewInt(int64(c.count.APDUs+2))), nil
		}
		if err := run(c, key); err != nil {
			b.Fatal(err)
		}
	}
	once()
	for b.Loop() {
		at = 0
		once()
	}
}

// BenchmarkCA measures the terminal's own computations of chip authentication: two multiplications.
func BenchmarkCA(b *testing.B) {
	dg14 := newCard(b, profile(b, "cccd-mk"), chip.Options{}).Files()["DG14"]
	for b.Loop() {
		infos, err := parseDG14(dg14)
		if err != nil {
			b.Fatal(err)
		}
		choice, err := chooseCA(infos, caKey.public)
		if err != nil {
			b.Fatal(err)
		}
		private, _, err := NewChannel(nil, Options{}).ephemeral(choice.d, choice.d.generator())
		if err != nil {
			b.Fatal(err)
		}
		if _, err := choice.d.mul(choice.point, private); err != nil {
			b.Fatal(err)
		}
	}
}
