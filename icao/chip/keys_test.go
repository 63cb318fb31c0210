package chip

import (
	"bytes"
	"fmt"
	"math/big"
	"slices"
	"testing"
)

// Chip authentication on curves and groups, with every cipher, by both sequences of commands, and every way to write the key.
func TestChipAuthentication(t *testing.T) {
	forms := map[string][]string{"DH-1024-160": {"", "standardized", "x942"}, "P-256": {"", "named", "standardized"}}
	for _, name := range append(Groups(), "P-256", "P-521") {
		for i, s := range suites {
			p := mustProfile(t, "cccd-extended")
			p.CA = &CAProfile{Cipher: s.name, Curve: name, KAT: s.tdes()}
			if f := forms[name]; f != nil {
				p.CA.KeyForm = f[i%3]
			}
			term := opened(t, p, Options{})
			key := term.c.card.ca[0]
			if !bytes.Contains(term.c.Files()["DG14"], key.dom.spki(key.pub, p.CA.KeyForm)) {
				t.Errorf("%s %s: DG14 lacks the key", name, s.name)
			}
			term.chipAuthentication(key)
			if got, sw := term.readFile(0x010E, 200); sw != 0x9000 || !bytes.Equal(got, term.c.Files()["DG14"]) {
				t.Errorf("%s %s: %04X", name, s.name, sw)
			}
			if !s.tdes() {
				continue
			}
			if name == "DH-2048-224" || name == "DH-2048-256" {
				continue // too long for the one short command below
			}
			d, _ := key.dom.scalar(newStream([]byte("kat"), name))
			term.ok(0, 0x22, 0x41, 0xA6, tlv(0x91, key.dom.public(d)), 0)
			term.sm = newSession(suites[0], key.dom.shared(key.pub, d), nil)
			if _, sw := term.readFile(0x010E, 200); sw != 0x9000 {
				t.Errorf("%s: after MSE:Set KAT %04X", name, sw)
			}
		}
	}
}

func TestSeveralChipAuthenticationKeys(t *testing.T) {
	p := mustProfile(t, "passport-pace-cam")
	blamed := 0
	term := opened(t, p, Options{Violation: func(string) { blamed++ }})
	keys := term.c.card.ca
	for _, tt := range []struct {
		cmd  []byte
		want uint16
	}{
		{tlv(0x80, oidValue(keys[0].p.oid())), 0x6A88}, // ambiguous
		{append(tlv(0x80, oidValue(keys[0].p.oid())), tlv(0x84, []byte{3})...), 0x6A88},
		{append(tlv(0x80, oidValue(keys[0].p.oid())), tlv(0x84, []byte{2})...), 0x6A80},
		{append(tlv(0x80, oidValue(keys[1].p.oid())), tlv(0x84, []byte{2})...), 0x9000},
		{append(tlv(0x80, oidValue(keys[0].p.oid())), tlv(0x84, []byte{0, 1})...), 0x9000},
	} {
		if _, sw := term.send(0, 0x22, 0x41, 0xA4, tt.cmd, 0); sw != tt.want {
			t.Errorf("% X: %04X, want %04X", tt.cmd, sw, tt.want)
		}
	}
	if blamed != 2 {
		t.Errorf("blamed %d times", blamed)
	}
	// The other way round too, as each key gives a new session.
	for _, k := range slices.Backward(keys) {
		term.chipAuthentication(k)
		if _, sw := term.readFile(0x010E, 200); sw != 0x9000 {
			t.Errorf("key %d: %04X", k.p.KeyID, sw)
		}
	}
	// A single key may be left unnamed.
	p = mustProfile(t, "cccd-mk")
	p.CA.KeyID = 7
	term = opened(t, p, Options{})
	term.ok(0, 0x22, 0x41, 0xA4, tlv(0x80, oidValue(p.CA.oid())), 0)
}

// The groups' constants hold together, and only members of the subgroup are public keys (RFC 2631 §2.1.5).
func TestGroups(t *testing.T) {
	one := big.NewInt(1)
	for _, g := range groups {
		t.Run(g.name, func(t *testing.T) {
			if !g.p.ProbablyPrime(10) || !g.q.ProbablyPrime(10) || new(big.Int).Mod(new(big.Int).Sub(g.p, one), g.q).Sign() != 0 {
				t.Fatal("constants are wrong")
			}
			if want := fmt.Sprintf("DH-%d-%d", g.p.BitLen(), g.q.BitLen()); want != g.name || g.valid(g.g.Bytes()) != nil {
				t.Errorf("is %s", want)
			}
			rnd := newStream([]byte("groups"), g.name)
			a, _ := g.scalar(rnd)
			b, _ := g.scalar(rnd)
			pa, pb := g.public(a), g.public(b)
			if !bytes.Equal(g.shared(pb, a), g.shared(pa, b)) || len(g.shared(pa, b)) != g.size {
				t.Error("the two sides do not agree")
			}
			pm1 := new(big.Int).Sub(g.p, one)
			for name, bad := range map[string][]byte{
				"none": nil, "zero": {0}, "one": {1}, "minus one": pm1.Bytes(), "the prime": g.p.Bytes(), "padded": append([]byte{0}, pa...),
				"other subgroup": new(big.Int).Sub(g.p, new(big.Int).SetBytes(pa)).Bytes(), "two": {2}, "too long": append(bytes.Clone(g.p.Bytes()), 1),
			} {
				if g.valid(bad) == nil {
					t.Errorf("%s is taken", name)
				}
			}
			for zeros := 1; zeros <= 2 && g.size == 128 || zeros == 1; zeros++ {
				k, err := g.scalarFor(pa, zeros, rnd)
				if err != nil {
					t.Fatal(err)
				}
				if n := leadingZeros(g.shared(pa, k)); n != zeros {
					t.Errorf("forced %d zero bytes, got %d", zeros, n)
				}
			}
		})
	}
}

// Forced secrets over a group, where public keys are as short as they can be and secrets are not.
func TestForcedSecretsOverGroup(t *testing.T) {
	who := mustPersona(t, "an")
	g := groups[0]
	d, _ := g.scalar(newStream([]byte("terminal"), g.name))
	p := mustProfile(t, "cccd-mk")
	p.PACE[0].Curve, p.CA.Curve = g.name, g.name
	term := newTerminal(t, p, who, mustIssuer(t), Options{Secrets: ForcedSecrets{Mapping: 1, Agreement: 1, ChipAuth: 1, Terminal: g.public(d)}})
	if sw := term.pace(2, []byte(who.CAN()), p.PACE[0]); sw != 0x9000 {
		t.Fatalf("PACE %04X", sw)
	}
	term.selectApplication()
	term.ok(0, 0x22, 0x41, 0xA4, tlv(0x80, oidValue(p.CA.oid())), 0)
	term.ok(0, 0x86, 0, 0, tlv(0x7C, tlv(0x80, g.public(d))), 256)
	term.sm = newSession(suites[1], g.shared(term.c.card.ca[0].pub, d), nil)
	if _, sw := term.readFile(0x010E, 200); sw != 0x9000 {
		t.Errorf("after chip authentication %04X", sw)
	}
	if got, want := term.c.Secrets(), (Secrets{1, 1, 1}); got != want {
		t.Errorf("%+v", got)
	}
}

// Integrated mapping gives points of the curve for whatever comes, and says so where there is none.
func TestIntegratedMapping(t *testing.T) {
	for _, c := range curves {
		rnd := newStream([]byte("integrated"), c.name)
		for range 8 {
			b, _ := randomBytes(rnd, c.size+8)
			x := new(big.Int).SetBytes(b)
			d, ok := c.mapIntegrated(x.Mod(x, c.p))
			if ok == (c.name == "P-224") || ok && !c.onCurve(d.(*curve).g) {
				t.Errorf("%s: %v", c.name, ok)
			}
		}
		for _, x := range []*big.Int{new(big.Int), big.NewInt(1), new(big.Int).Sub(c.p, big.NewInt(1))} {
			if _, ok := c.mapIntegrated(x); ok {
				t.Errorf("%s: %x has an image", c.name, x)
			}
		}
	}
	for _, g := range groups {
		if _, ok := g.mapIntegrated(big.NewInt(1)); ok {
			t.Errorf("%s: 1 is a generator", g.name)
		}
	}
	// A reader that sends a nonce of another length than the cipher's key.
	for _, tt := range []struct {
		cipher string
		n      int
		want   uint16
	}{{"AES-128", 16, 0x9000}, {"AES-128", 32, 0x6A80}, {"AES-192", 24, 0x9000}, {"AES-192", 32, 0x6A80}, {"AES-256", 32, 0x9000}, {"3DES", 16, 0x9000}, {"3DES", 8, 0x6A80}} {
		p := mustProfile(t, "passport-pace-im")
		p.PACE[0].Cipher = tt.cipher
		blamed := 0
		term := newTerminal(t, p, mustPersona(t, "an"), mustIssuer(t), Options{Violation: func(string) { blamed++ }})
		term.ok(0, 0x22, 0xC1, 0xA4, slices.Concat(tlv(0x80, oidValue(p.PACE[0].oid())), tlv(0x83, []byte{1})), 0)
		z := dynamic(t, term.ok(0x10, 0x86, 0, 0, tlv(0x7C), 256), 0x80)
		if s, _ := suiteByName(tt.cipher); len(z) != s.integratedNonce() {
			t.Errorf("%s: nonce of %d bytes", tt.cipher, len(z))
		}
		if _, sw := term.send(0x10, 0x86, 0, 0, tlv(0x7C, tlv(0x81, make([]byte, tt.n))), 256); sw != tt.want || (blamed > 0) == (sw == 0x9000) {
			t.Errorf("%s, %d bytes: %04X", tt.cipher, tt.n, sw)
		}
	}
}

// PIN and PUK as BSI TR-03110-2 §2.2 has them: three tries, the last one after the CAN, then blocked until the PUK comes.
func TestPIN(t *testing.T) {
	who := mustPersona(t, "an")
	p := mustProfile(t, "card-pin")
	term := newTerminal(t, p, who, mustIssuer(t), Options{})
	pace := func(ref byte, password string) uint16 {
		t.Helper()
		return term.pace(ref, []byte(password), p.PACE[0])
	}
	reset := func() { term.c.Reset(); term.sm = nil }
	if len(who.PIN) != 6 || len(who.PUK) != 10 {
		t.Fatalf("PIN %q, PUK %q", who.PIN, who.PUK)
	}
	for i, step := range []struct {
		ref      byte
		password string
		again    bool // in the same session
		want     uint16
	}{
		{3, "000000", false, 0x63C2},
		{3, who.PIN, false, 0x9000},
		{3, "000000", false, 0x63C2},
		{3, "000000", false, 0x63C1},
		{3, who.PIN, false, 0x6985}, // suspended
		{2, who.CAN(), false, 0x9000},
		{3, "000000", true, 0x63C0},
		{3, who.PIN, false, 0x6983}, // blocked
		{4, "0000000000", false, 0x63C9},
		{4, who.PUK, false, 0x9000},
	} {
		if !step.again {
			reset()
		}
		if sw := pace(step.ref, step.password); sw != step.want {
			t.Fatalf("step %d: %04X, want %04X", i, sw, step.want)
		}
	}
	term.ok(0, 0x2C, 3, 3, nil, 0)
	reset()
	if sw := pace(3, who.PIN); sw != 0x9000 {
		t.Errorf("after the PUK: %04X", sw)
	}
	if _, sw := term.send(0, 0x2C, 3, 3, nil, 0); sw != 0x6982 {
		t.Errorf("RESET RETRY COUNTER with the PIN: %04X", sw)
	}
	reset()
	// MSE:Set AT warns of what is left.
	pace(3, "000000")
	reset()
	if _, sw := term.send(0, 0x22, 0xC1, 0xA4, slices.Concat(tlv(0x80, oidValue(p.PACE[0].oid())), tlv(0x83, []byte{3})), 0); sw != 0x63C2 {
		t.Errorf("MSE:Set AT: %04X", sw)
	}
	if _, sw := term.send(0, 0x22, 0xC1, 0xA4, slices.Concat(tlv(0x80, oidValue(p.PACE[0].oid())), tlv(0x83, []byte{5})), 0); sw != 0x6A88 {
		t.Errorf("an unknown password: %04X", sw)
	}
	plain := newTerminal(t, mustProfile(t, "cccd-mk"), who, mustIssuer(t), Options{})
	if _, sw := plain.send(0, 0x2C, 3, 3, nil, 0); sw != 0x6D00 {
		t.Errorf("RESET RETRY COUNTER on a card without PUK: %04X", sw)
	}
}

// Active authentication with every hash and every form of the signature.
func TestActiveAuthenticationForms(t *testing.T) {
	type form struct{ aa AAProfile }
	var list []AAProfile
	for _, h := range hashAlgs {
		for _, trailer := range []string{"", "1", "2"} {
			list = append(list, AAProfile{Type: "rsa", Bits: 1024, Hash: h.name, Trailer: trailer, Smaller: trailer == "2"})
		}
		list = append(list, AAProfile{Type: "ecdsa", Curve: "P-256", Hash: h.name, Announce: true, DER: h.name == "SHA-224"})
	}
	for _, c := range Curves() {
		list = append(list, AAProfile{Type: "ecdsa", Curve: c, Hash: "SHA-256", Announce: true})
	}
	for _, aa := range list {
		p := mustProfile(t, "cccd-extended")
		p.AA = &aa
		term := opened(t, p, Options{})
		for range 3 {
			if err := term.activeAuthentication(p.AA, term.c.card.aa, 256); err != nil {
				t.Errorf("%+v: %v", form{aa}, err)
			}
		}
	}
}
