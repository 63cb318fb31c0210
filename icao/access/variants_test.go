package access

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/big"
	"os"
	"strings"
	"testing"

	"github.com/tapcheck/tapcheck/icao/chip"
	"github.com/tapcheck/tapcheck/icao/lds"
)

// The tests of this file run every variant of the protocols against icao/chip.

// extended is a chip that takes long commands.
var extended = &chip.Extents{MaxCommand: 2000, MaxResponse: 2000, Announce: true}

// mapping gives the profile of a card with one PACE variant.
func variant(t testing.TB, mapping, cipher, domain string) chip.Profile {
	p := profile(t, "cccd-mk")
	p.PACE = []chip.PACEOffer{{Mapping: mapping, Cipher: cipher, Curve: domain}}
	p.Extended = extended
	return p
}

// TestEveryMapping opens chips with every mapping, domain and cipher that go together; where PACE proves the chip, the proof is held
// against EF.CardSecurity.
func TestEveryMapping(t *testing.T) {
	all := append(chip.Curves(), chip.Groups()...)
	n := 0
	for _, mapping := range []string{"GM", "IM", "CAM"} {
		for _, domain := range all {
			for _, cipher := range []string{"3DES", "AES-128", "AES-192", "AES-256"} {
				group := strings.Contains(strings.Join(chip.Groups(), " "), domain)
				if mapping == "CAM" && (group || cipher == "3DES") || mapping == "IM" && domain == "P-224" {
					continue
				}
				if n++; underRace && n%7 != 0 {
					continue
				}
				t.Run(mapping+" "+domain+" "+cipher, func(t *testing.T) {
					card := newCard(t, variant(t, mapping, cipher, domain), chip.Options{})
					c := NewChannel(card, Options{})
					access, err := c.ReadFile(t.Context(), lds.CardAccess, nil)
					if err != nil {
						t.Fatal(err)
					}
					v, err := c.PACE(t.Context(), access, canKey(card))
					if err != nil {
						t.Fatal(err)
					}
					if !strings.Contains(v.Detail, "-"+mapping+" "+cipher+" ") || v.Fallback != "" {
						t.Errorf("%+v", v)
					}
					if mapping == "CAM" {
						file, err := c.ReadFile(t.Context(), lds.CardSecurity, nil)
						if err != nil || !bytes.Equal(file, card.Files()["EF_CardSecurity"]) {
							t.Fatalf("EF.CardSecurity: %v", err)
						}
						infos, err := CardSecurityInfos(file)
						if err != nil {
							t.Fatal(err)
						}
						if cam, key := c.ChipAuthenticationMapping(infos); cam.Exchange != lds.Passed || len(key) != 32 {
							t.Errorf("chip authentication mapping %+v", cam)
						}
					}
					if err := c.SelectApplication(t.Context()); err != nil {
						t.Fatal(err)
					}
					if got, err := c.ReadFile(t.Context(), lds.DG(1), nil); err != nil || !bytes.Equal(got, card.Files()["DG1"]) {
						t.Errorf("DG1: %v", err)
					}
					if len(card.violations) > 0 {
						t.Errorf("the chip complains: %q", card.violations)
					}
				})
			}
		}
	}
}

// TestMappingClones: a copy of a chip without its key passes PACE, for it knows the password, and fails the proof.
func TestMappingClones(t *testing.T) {
	p := variant(t, "CAM", "AES-128", "P-256")
	p.Clone = "wrong-key"
	card := newCard(t, p, chip.Options{})
	c := NewChannel(card, Options{})
	if _, err := c.PACE(t.Context(), card.Files()["EF_CardAccess"], canKey(card)); err != nil {
		t.Fatal(err)
	}
	infos, err := CardSecurityInfos(card.Files()["EF_CardSecurity"])
	if err != nil {
		t.Fatal(err)
	}
	if v, _ := c.ChipAuthenticationMapping(infos); v.Exchange != lds.Failed || v.Reason != lds.ReasonChipAuthFailed {
		t.Errorf("%+v", v)
	}
}

// TestEveryPassword opens with each password, and leaves a PIN alone whose last try is at stake.
func TestEveryPassword(t *testing.T) {
	p := variant(t, "GM", "AES-128", "P-256")
	p.PACEPasswords = []string{"mrz", "can", "pin", "puk"}
	card := newCard(t, p, chip.Options{})
	who := card.Persona()
	try := func(key lds.Key) (lds.AccessVerdict, int, error) {
		card.Reset()
		c := NewChannel(card, Options{})
		v, err := c.PACE(t.Context(), card.Files()["EF_CardAccess"], key)
		return v, c.Count().APDUs, err
	}
	for _, tt := range []struct {
		key  lds.Key
		kind lds.KeyKind
	}{
		{mrzKey(card), lds.KeyMRZ}, {canKey(card), lds.KeyCAN}, {lds.Key{PIN: who.PIN}, lds.KeyPIN}, {lds.Key{PUK: who.PUK}, lds.KeyPUK},
	} {
		if v, _, err := try(tt.key); err != nil || v.Key != tt.kind {
			t.Errorf("%s: %+v, %v", tt.kind, v, err)
		}
	}
	wrong := lds.Key{PIN: "0000"}
	for range 2 {
		if _, _, err := try(wrong); !errors.Is(err, lds.ErrKeyRejected) {
			t.Fatalf("wrong PIN: %v", err)
		}
	}
	for _, pin := range []string{wrong.PIN, who.PIN} {
		if _, n, err := try(lds.Key{PIN: pin}); !errors.Is(err, lds.ErrAccessFailed) || errors.Is(err, lds.ErrKeyRejected) || n != 1 {
			t.Errorf("last try: %v after %d commands", err, n)
		}
	}
	for _, key := range []lds.Key{{PIN: "12"}, {PUK: "12345678901234567"}, {PIN: "12a4"}} {
		if _, n, err := try(key); !errors.Is(err, lds.ErrKeyMalformed) || n != 0 {
			t.Errorf("%v", err)
		}
	}
	if (lds.Key{PIN: "1234"}).Empty() || (lds.Key{PUK: "1234"}).Empty() {
		t.Error("a PIN is no key")
	}
}

// caProfile is a card with chip authentication of one kind.
func caProfile(t testing.TB, ca chip.CAProfile) chip.Profile {
	p := variant(t, "GM", "AES-128", "P-256")
	p.CA = &ca
	return p
}

// TestChipAuthenticationDH proves chips whose keys are numbers, however DG14 writes them, with every cipher and by both sequences.
func TestChipAuthenticationDH(t *testing.T) {
	for i, group := range chip.Groups() {
		for j, cipher := range []string{"3DES", "AES-128", "AES-192", "AES-256"} {
			form := []string{"", "x942", "standardized"}[(i+j)%3]
			if underRace && i != j {
				continue
			}
			t.Run(group+" "+cipher+" "+form, func(t *testing.T) {
				card := newCard(t, caProfile(t, chip.CAProfile{Cipher: cipher, Curve: group, KeyForm: form, KeyID: j, KAT: cipher == "3DES"}), chip.Options{})
				c := NewChannel(card, Options{})
				if _, err := open(t.Context(), c, canKey(card)); err != nil {
					t.Fatal(err)
				}
				v, key, err := c.ChipAuthentication(t.Context(), card.Files()["DG14"])
				if err != nil || v.Exchange != lds.Passed || !strings.HasPrefix(v.Protocol, "CA DH "+cipher+" MODP-") || len(key) != 32 {
					t.Errorf("%+v, %v", v, err)
				}
				if got, err := c.ReadFile(t.Context(), lds.DG(1), nil); err != nil || !bytes.Equal(got, card.Files()["DG1"]) {
					t.Errorf("DG1 afterwards: %v", err)
				}
				if len(card.violations) > 0 {
					t.Errorf("the chip complains: %q", card.violations)
				}
			})
		}
	}
}

// TestSeveralKeys: the strongest of several, and the key that its info names.
func TestSeveralKeys(t *testing.T) {
	p := caProfile(t, chip.CAProfile{Cipher: "AES-128", Curve: "P-256", KeyID: 1})
	p.MoreCA = []chip.CAProfile{{Cipher: "AES-256", Curve: chip.Groups()[0], KeyID: 2}, {Cipher: "AES-256", Curve: "brainpoolP256r1", KeyID: 3}}
	card := newCard(t, p, chip.Options{})
	c := NewChannel(card, Options{})
	if _, err := open(t.Context(), c, canKey(card)); err != nil {
		t.Fatal(err)
	}
	if v, _, err := c.ChipAuthentication(t.Context(), card.Files()["DG14"]); err != nil || v.Exchange != lds.Passed || v.Protocol != "CA ECDH AES-256 brainpoolP256r1" {
		t.Errorf("%+v, %v", v, err)
	}
}

// TestLongCommands: numbers of 2,048 bits do not fit a short command. Extended length, and where the card refuses that, pieces.
func TestLongCommands(t *testing.T) {
	group := chip.Groups()[2]
	for _, tt := range []struct {
		name     string
		extended *chip.Extents
		short    bool // the reader refuses long commands
		chaining bool
		learn    bool // read EF.ATR/INFO first
		exchange lds.Status
		reason   lds.Reason
	}{
		{"extended", extended, false, false, false, lds.Passed, ""},
		{"extended, as announced", extended, false, false, true, lds.Passed, ""},
		{"refused, and then pieces", extended, true, true, false, lds.Passed, ""},
		{"pieces, though long ones are announced", extended, true, true, true, lds.Passed, ""},
		{"too short, as announced", &chip.Extents{MaxCommand: 300, MaxResponse: 300, Announce: true}, true, true, true, lds.Passed, ""},
		{"neither", extended, true, false, false, lds.NotDone, lds.ReasonRefusedByCard},
	} {
		t.Run(tt.name, func(t *testing.T) {
			p := caProfile(t, chip.CAProfile{Cipher: "3DES", Curve: group, KAT: true})
			p.Extended, p.Chaining = tt.extended, tt.chaining
			card := newCard(t, p, chip.Options{})
			c := NewChannel(transmitFunc(func(ctx context.Context, apdu []byte) ([]byte, error) {
				if tt.short && len(apdu) > 5 && apdu[4] == 0 {
					return []byte{0x67, 0x00}, nil
				}
				return card.Transmit(ctx, apdu)
			}), Options{})
			if tt.learn {
				if _, err := c.Extents(t.Context()); err != nil {
					t.Fatal(err)
				}
			}
			if _, err := open(t.Context(), c, canKey(card)); err != nil {
				t.Fatal(err)
			}
			v, _, err := c.ChipAuthentication(t.Context(), card.Files()["DG14"])
			if err != nil || v.Exchange != tt.exchange || v.Reason != tt.reason {
				t.Errorf("%+v, %v", v, err)
			}
			if got, err := c.ReadFile(t.Context(), lds.DG(1), nil); err != nil || !bytes.Equal(got, card.Files()["DG1"]) {
				t.Errorf("DG1 afterwards: %v", err)
			}
			if len(card.violations) > 0 && tt.name != "neither" {
				t.Errorf("the chip complains: %q", card.violations)
			}
		})
	}
}

// TestNumbersWithLeadingZeros: a public number goes out without its leading zero bytes, and a secret keeps them.
func TestNumbersWithLeadingZeros(t *testing.T) {
	for _, group := range chip.Groups() {
		for zeros := 1; zeros <= 2; zeros++ {
			if underRace && (zeros == 2 || group != chip.Groups()[0]) {
				continue // finding such keys takes long there
			}
			if zeros == 2 && os.Getenv("TAPCHECK_CAMPAIGN") == "" && group != chip.Groups()[0] {
				continue
			}
			t.Run(fmt.Sprint(group, " ", zeros), func(t *testing.T) {
				card := newCard(t, variant(t, "GM", "AES-128", group), chip.Options{Secrets: chip.ForcedSecrets{Agreement: zeros}})
				c := NewChannel(card, Options{})
				if _, err := open(t.Context(), c, canKey(card)); err != nil {
					t.Fatal(err)
				}
				if s := card.Secrets(); s.Agreement != zeros {
					t.Errorf("the chip had %+v", s)
				}
			})
		}
	}
	m := modps()[0]
	p := point{x: big.NewInt(0x1234)}
	if b := m.encode(p); !bytes.Equal(b, []byte{0x12, 0x34}) {
		t.Errorf("encoded as %X", b)
	}
	if b := m.secret(p); len(b) != 128 || b[126] != 0x12 {
		t.Errorf("secret %X", b)
	}
}

// TestGroups holds the constants against what they must be.
func TestGroups(t *testing.T) {
	one := big.NewInt(1)
	for i, m := range modps() {
		if standardDomain(i) != domain(m) || !m.p.ProbablyPrime(10) || !m.q.ProbablyPrime(10) || m.bytes*8 != m.p.BitLen() {
			t.Errorf("%s: no such group", m.name)
		}
		if r := new(big.Int).Mod(new(big.Int).Sub(m.p, one), m.q); r.Sign() != 0 {
			t.Errorf("%s: q does not divide p-1", m.name)
		}
		if _, err := m.element(m.g); err != nil {
			t.Errorf("%s: generator: %v", m.name, err)
		}
		minus := new(big.Int).Sub(m.p, one)
		for name, b := range map[string][]byte{
			"nothing": nil, "zero": {0}, "one": {1}, "p-1": minus.Bytes(), "p": m.p.Bytes(), "long": append(m.g.Bytes(), make([]byte, m.bytes)...),
			"outside the subgroup": big.NewInt(3).Bytes(), "p-g, of twice the order": new(big.Int).Sub(m.p, m.g).Bytes(),
		} {
			if _, err := m.decode(b); !errors.Is(err, lds.ErrMalformed) {
				t.Errorf("%s: %s: %v", m.name, name, err)
			}
		}
		if _, err := m.mul(m.generator(), m.q); !errors.Is(err, lds.ErrProtocol) {
			t.Errorf("%s: g^q: %v", m.name, err)
		}
		inverse := must(m.mul(m.generator(), new(big.Int).Sub(m.q, one)))
		if _, err := m.add(m.generator(), inverse); !errors.Is(err, lds.ErrProtocol) {
			t.Errorf("%s: g times its inverse: %v", m.name, err)
		}
		for _, x := range []*big.Int{new(big.Int), one} {
			if _, err := m.embed(x); !errors.Is(err, lds.ErrProtocol) {
				t.Errorf("%s: %v comes into the group: %v", m.name, x, err)
			}
		}
	}
	for _, c := range curves() {
		for _, x := range []*big.Int{new(big.Int), one, new(big.Int).Sub(c.p, one)} {
			if _, err := c.embed(x); !errors.Is(err, lds.ErrProtocol) {
				t.Errorf("%s: %v comes onto the curve: %v", c.name, x, err)
			}
		}
		if embeddable(c) != (c.name != "P-224") {
			t.Errorf("%s: integrated mapping", c.name)
		}
	}
}

// TestDHKeys: what is no key, and groups of the card's own within their bounds.
func TestDHKeys(t *testing.T) {
	number := func(n *big.Int) []byte { return lds.AppendTLV(nil, 0x02, append([]byte{0}, n.Bytes()...)) }
	spki := func(oid []byte, parameters, key []byte) []byte {
		alg := lds.AppendTLV(nil, 0x30, append(lds.AppendTLV(nil, 0x06, oid), parameters...))
		return lds.AppendTLV(nil, 0x30, append(alg, lds.AppendTLV(nil, 0x03, append([]byte{0}, key...))...))
	}
	seq := func(parts ...[]byte) []byte { return lds.AppendTLV(nil, 0x30, bytes.Join(parts, nil)) }
	m := modps()[0]
	y := number(must(m.mul(m.generator(), big.NewInt(77))).x)
	two := big.NewInt(2)
	own := new(big.Int).Sub(new(big.Int).Lsh(big.NewInt(1), 1536), big.NewInt(1)) // no prime: nobody but its signer is harmed
	for _, tt := range []struct {
		name  string
		spki  []byte
		group string
		err   error
	}{
		{"PKCS #3", spki(oidPKCS3, seq(number(m.p), number(m.g)), y), "MODP-1024/160", nil},
		{"PKCS #3 with a length", spki(oidPKCS3, seq(number(m.p), number(m.g), unhex("020200A0")), y), "MODP-1024/160", nil},
		{"X9.42", spki(oidX942, seq(number(m.p), number(m.g), number(m.q)), y), "MODP-1024/160", nil},
		{"X9.42 with another order", spki(oidX942, seq(number(m.p), number(m.g), number(new(big.Int).Add(m.q, two))), y), "", lds.ErrMalformed},
		{"X9.42 with the order 7", spki(oidX942, seq(number(m.p), number(m.g), unhex("020107")), y), "", lds.ErrMalformed},
		{"by number", spki(oidStandardized, unhex("020100"), y), "MODP-1024/160", nil},
		{"by the number of a curve", spki(oidStandardized, unhex("02010D"), y), "", ErrUnsupported},
		{"a group of its own", spki(oidPKCS3, seq(number(own), number(two)), number(big.NewInt(12345))), "MODP-1536", nil},
		{"too small", spki(oidPKCS3, seq(number(big.NewInt(1009)), number(two)), number(big.NewInt(5))), "", ErrUnsupported},
		{"too large", spki(oidPKCS3, seq(number(new(big.Int).Lsh(own, 3000)), number(two)), number(big.NewInt(5))), "", ErrUnsupported},
		{"even", spki(oidPKCS3, seq(number(new(big.Int).Sub(own, big.NewInt(1))), number(two)), number(big.NewInt(5))), "", lds.ErrMalformed},
		{"generator 1", spki(oidPKCS3, seq(number(own), unhex("020101")), number(big.NewInt(5))), "", lds.ErrMalformed},
		{"key 1", spki(oidPKCS3, seq(number(m.p), number(m.g)), unhex("020101")), "", lds.ErrMalformed},
		{"key outside the subgroup", spki(oidPKCS3, seq(number(m.p), number(m.g)), unhex("020103")), "", lds.ErrMalformed},
		{"negative key", spki(oidPKCS3, seq(number(m.p), number(m.g)), unhex("0201FF")), "", lds.ErrMalformed},
		{"no parameters", spki(oidPKCS3, nil, y), "", lds.ErrMalformed},
		{"half of the parameters", spki(oidPKCS3, seq(number(m.p)), y), "", lds.ErrMalformed},
		{"a curve's key", spki(oidECPublicKey, unhex("0500"), y), "", ErrUnsupported},
	} {
		got, _, err := dhKey(tt.spki)
		if !errors.Is(err, tt.err) || err == nil && got.name != tt.group {
			t.Errorf("%s: %v, %v", tt.name, got, err)
		}
	}
}

// TestPassedOver: that the card offers something stronger that we do not speak is on record.
func TestPassedOver(t *testing.T) {
	info := func(arc, variant byte, rest string) []byte {
		return lds.AppendTLV(nil, 0x30, append(lds.AppendTLV(nil, 0x06, append(unhex("04007F0007020204"), arc, variant)), unhex(rest)...))
	}
	for _, tt := range []struct {
		infos []byte
		want  bool
	}{
		{info(2, 2, "020102 02010D"), false},
		{append(info(2, 2, "020102 02010D"), info(6, 2, "020102 02010D")...), false},
		{append(info(2, 2, "020102 02010D"), info(2, 4, "020102 020120")...), true},
		{append(info(2, 2, "020102 02010D"), info(2, 2, "020102 020120")...), false}, // no stronger, and of the card's own making
		{append(info(2, 4, "020102 02010D"), info(2, 2, "020101 02010D")...), false},
		{append(info(2, 2, "020102 02010D"), info(2, 5, "020102 02010D")...), true},
		{append(info(2, 2, "020102 02010D"), info(9, 4, "020102 02010D")...), true},
	} {
		infos, err := parseSecurityInfos(lds.AppendTLV(nil, 0x31, tt.infos))
		if err != nil {
			t.Fatal(err)
		}
		if _, _, got, err := choosePACE(infos.pace); err != nil || got != tt.want {
			t.Errorf("%X: %v, %v", tt.infos, got, err)
		}
	}
}

// TestOfferThatIsRefused: a card that lists what it cannot do is opened with the next of its offers, and that is on record.
func TestOfferThatIsRefused(t *testing.T) {
	p := variant(t, "GM", "AES-128", "P-256")
	card := newCard(t, p, chip.Options{})
	own := card.Files()["EF_CardAccess"]
	set, err := lds.Only(own, 0x31)
	if err != nil {
		t.Fatal(err)
	}
	more := func(infos ...string) []byte {
		b := bytes.Clone(set)
		for _, i := range infos {
			b = append(unhex(i), b...)
		}
		return lds.AppendTLV(nil, 0x31, b)
	}
	aes256, cam := "3012060A04007F00070202040204020102 02010C", "3012060A04007F00070202040602020102 02010C"
	for _, tt := range []struct {
		name     string
		file     []byte
		fallback string
		commands int
	}{
		{"as it is", own, "", 5},
		{"one", more(aes256), "PACE: the card offers ECDH-GM AES-256 P-256 and refuses it", 6},
		{"two", more(aes256, cam), "PACE: the card offers ECDH-CAM AES-128 P-256 and refuses it", 7},
	} {
		card.Reset()
		c := NewChannel(card, Options{})
		v, err := c.PACE(t.Context(), tt.file, canKey(card))
		if err != nil || v.Status != lds.Passed || v.Detail != "ECDH-GM AES-128 P-256" || v.Fallback != tt.fallback || c.Count().APDUs != tt.commands {
			t.Errorf("%s: %+v after %d commands, %v", tt.name, v, c.Count().APDUs, err)
		}
	}
	card.Reset()
	c := NewChannel(card, Options{})
	only := lds.AppendTLV(nil, 0x31, bytes.Join([][]byte{unhex(aes256), unhex(cam), unhex("3012060A04007F00070202040403020102 02010C"),
		unhex("3012060A04007F00070202040404020102 02010C"), unhex("3012060A04007F00070202040203020102 02010C")}, nil))
	if v, err := c.PACE(t.Context(), only, canKey(card)); !errors.Is(err, lds.ErrAccessFailed) || v.Status != lds.Failed || c.Count().APDUs != maxOffers {
		t.Errorf("%+v after %d commands, %v", v, c.Count().APDUs, err)
	}
}

// strike runs a dialogue with every kind of fault at every command, and then with the context cancelled there. check is told of each outcome.
func strike(t *testing.T, crd *card, run func(context.Context, *Channel) error, check func(name string, f chip.Fault, c *Channel, err error)) {
	t.Helper()
	crd.Reset()
	crd.SetFaults(nil)
	c := NewChannel(crd, Options{})
	if err := run(t.Context(), c); err != nil {
		t.Fatal(err)
	}
	n := c.Count().APDUs
	known := []error{errNoAnswer, ErrShortResponse, ErrUnsupported, ErrTerminalRefused, ErrNoChain, ErrNoExtents, lds.ErrSecureMessaging, lds.ErrProtocol,
		lds.ErrAccessFailed, lds.ErrKeyRejected, lds.ErrKeyUnsuitable, lds.ErrMalformed, lds.ErrFileAbsent, lds.ErrFileRefused, lds.ErrTooLarge, lds.ErrCardUnsupported}
	for at := range n {
		if underRace && at%4 != 1 {
			continue
		}
		for _, f := range []chip.Fault{
			{Kind: chip.FaultRemove}, {Kind: chip.FaultMute}, {Kind: chip.FaultNaked}, {Kind: chip.FaultReset},
			{Kind: chip.FaultStatus, SW: 0x9000}, {Kind: chip.FaultStatus, SW: 0x6982}, {Kind: chip.FaultStatus, SW: 0x6A80}, {Kind: chip.FaultStatus, SW: 0x6A88},
			{Kind: chip.FaultStatus, SW: 0x6988}, {Kind: chip.FaultStatus, SW: 0x6300}, {Kind: chip.FaultStatus, SW: 0x6700}, {Kind: chip.FaultStatus, SW: 0x6F00},
			{Kind: chip.FaultFlip, N: 3}, {Kind: chip.FaultFlip, N: 40}, {Kind: chip.FaultFlip, N: -12 & 0xFFF}, {Kind: chip.FaultTruncate, N: 1}, {Kind: chip.FaultTruncate, N: 9},
			{Kind: chip.FaultLengthen, N: 1}, {Kind: chip.FaultReplay, N: 1}, {Kind: chip.FaultReplace, Data: []byte{}}, {Kind: chip.FaultReplace, Data: []byte{0x7C, 0x00, 0x90, 0x00}},
		} {
			f.At = at
			crd.Reset()
			crd.SetFaults([]chip.Fault{f})
			c := NewChannel(crd, Options{})
			err := run(t.Context(), c)
			name := fmt.Sprintf("%s %04X %d at command %d", f.Kind, f.SW, f.N, at)
			if err != nil {
				typed := false
				for _, k := range known {
					typed = typed || errors.Is(err, k)
				}
				if !typed {
					t.Errorf("%s: error without a type: %v", name, err)
				}
			}
			check(name, f, c, err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		crd.Reset()
		crd.SetFaults(nil)
		count := 0
		err := run(ctx, NewChannel(transmitFunc(func(ctx context.Context, apdu []byte) ([]byte, error) {
			if count++; count == at+1 {
				cancel()
			}
			return crd.Transmit(ctx, apdu)
		}), Options{}))
		cancel()
		if err != nil && !errors.Is(err, context.Canceled) || count > at+1 {
			t.Errorf("cancelled at %d: %v after %d commands", at, err, count)
		}
	}
	crd.SetFaults(nil)
}

// TestFaultsInChipAuthenticationDH: nothing that strikes proves the chip.
func TestFaultsInChipAuthenticationDH(t *testing.T) {
	card := newCard(t, caProfile(t, chip.CAProfile{Cipher: "AES-128", Curve: chip.Groups()[0]}), chip.Options{})
	strike(t, card, func(ctx context.Context, c *Channel) error { return ready(ctx, c, card) }, func(name string, f chip.Fault, c *Channel, err error) {
		if err == nil && f.At > 5 {
			t.Errorf("%s: nobody noticed", name)
		}
		if errors.Is(err, lds.ErrKeyRejected) && f.At > 4 {
			t.Errorf("%s: not the key's fault: %v", name, err)
		}
	})
}

// TestFaultsInEveryMapping: nothing that strikes opens the chip wrongly, or proves it.
func TestFaultsInEveryMapping(t *testing.T) {
	for _, tt := range []struct{ mapping, domain string }{{"IM", "P-256"}, {"CAM", "P-256"}, {"GM", chip.Groups()[0]}, {"IM", chip.Groups()[0]}} {
		t.Run(tt.mapping+" "+tt.domain, func(t *testing.T) {
			card := newCard(t, variant(t, tt.mapping, "AES-128", tt.domain), chip.Options{})
			var cam lds.ExchangeVerdict
			strike(t, card, func(ctx context.Context, c *Channel) error {
				cam = lds.ExchangeVerdict{}
				access, err := c.ReadFile(ctx, lds.CardAccess, nil)
				if err != nil {
					return err
				}
				if _, err := c.PACE(ctx, access, canKey(card)); err != nil {
					return err
				}
				if tt.mapping == "CAM" {
					infos, err := CardSecurityInfos(card.Files()["EF_CardSecurity"])
					if err != nil {
						return err
					}
					cam, _ = c.ChipAuthenticationMapping(infos)
				}
				return c.SelectApplication(ctx)
			}, func(name string, f chip.Fault, c *Channel, err error) {
				if err == nil && (!c.Secure() || f.At > 1 && f.At < 6 && (f.Kind == chip.FaultRemove || f.Kind == chip.FaultReset)) {
					t.Errorf("%s: nobody noticed", name)
				}
				// Only the chip's answer to the token carries the proof; a flip there may hit it without hitting the token.
				if cam.Exchange == lds.Failed && f.At != 5 {
					t.Errorf("%s: %+v", name, cam)
				}
				if errors.Is(err, lds.ErrKeyRejected) && f.At != 5 && f.At != 2 {
					t.Errorf("%s: not the key's fault: %v", name, err)
				}
			})
		})
	}
}
