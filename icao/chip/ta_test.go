package chip

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"fmt"
	"math/big"
	"testing"
	"time"
)

func mustTerminals(t testing.TB, o TerminalPKIOptions) *TerminalPKI {
	t.Helper()
	if o.Seed == nil {
		o.Seed = []byte("test")
	}
	p, err := NewTerminalPKI(o)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func mustTerminal(t testing.TB, p *TerminalPKI, o TerminalOptions) *Terminal {
	t.Helper()
	term, err := p.Terminal(o)
	if err != nil {
		t.Fatal(err)
	}
	return term
}

// eacProfile is a card with fingerprints and irises behind terminal authentication.
func eacProfile(t testing.TB) Profile {
	p := mustProfile(t, "cccd-extended")
	p.TA, p.Refused, p.Fingers, p.Irises = true, nil, 2, 1
	return p
}

func authenticate(term *terminal, k *Terminal, car string) uint16 {
	term.t.Helper()
	return term.terminalAuthentication(car, k.Chain, k.Reference, k.Sign)
}

// rights reads DG3 and DG4 and says which of them came.
func rights(term *terminal) (got byte) {
	for fid, bit := range map[uint16]byte{0x103: RightDG3, 0x104: RightDG4} {
		b, sw := term.readFile(fid, 200)
		switch {
		case sw == 0x9000 && bytes.Equal(b, term.c.Files()[dgName(int(fid-0x100))]):
			got |= bit
		case sw != 0x6982 && sw != 0x6A82:
			term.t.Errorf("DG of %04X: status %04X", fid, sw)
		}
	}
	return got
}

func TestTerminalAuthentication(t *testing.T) {
	for _, kind := range []struct{ key, hash string }{
		{"brainpoolP256r1", "SHA-256"}, {"P-224", "SHA-224"}, {"P-384", "SHA-384"}, {"brainpoolP512r1", "SHA-512"}, {"brainpoolP320r1", "SHA-256"},
		{"RSA-2048", "SHA-256"}, {"RSA-2048", "SHA-512"},
	} {
		t.Run(kind.key+" "+kind.hash, func(t *testing.T) {
			pki := mustTerminals(t, TerminalPKIOptions{Key: kind.key, Hash: kind.hash})
			term := opened(t, eacProfile(t), Options{Issue: IssueOptions{Terminals: pki}})
			if got := rights(term); got != 0 {
				t.Errorf("rights before: %d", got)
			}
			term.chipAuthentication(term.c.card.ca[0])
			car, sw := term.readCVCA()
			if sw != 0x9000 || car != pki.Reference() {
				t.Errorf("EF.CVCA %q, %04X", car, sw)
			}
			if sw := authenticate(term, mustTerminal(t, pki, TerminalOptions{}), car); sw != 0x9000 {
				t.Fatalf("terminal authentication: %04X", sw)
			}
			if got := rights(term); got != 3 {
				t.Errorf("rights: %d", got)
			}
			term.c.Reset()
			term.sm = nil
			if got := rightsAfterReset(term); got != 0 {
				t.Errorf("rights after a reset: %d", got)
			}
		})
	}
}

func (t *terminal) readCVCA() (string, uint16) {
	b, sw := t.send(0, 0xB0, 0x9C, 0, nil, 36)
	if sw != 0x9000 || len(b) != 36 {
		return "", sw
	}
	do, rest, _ := takeTLV(b)
	if do.tag != 0x42 || len(bytes.Trim(rest, "\x00")) != 0 && rest[0] != 0x42 {
		t.t.Errorf("EF.CVCA % X", b)
	}
	return string(do.value), sw
}

func rightsAfterReset(term *terminal) byte {
	who := term.c.Persona()
	if sw := term.pace(2, []byte(who.CAN()), term.c.p.PACE[0]); sw != 0x9000 {
		term.t.Fatalf("PACE: %04X", sw)
	}
	term.selectApplication()
	return rights(term)
}

// By chip authentication mapping alone, with the certification authority's name from PACE; by BAC; by command chaining.
func TestTerminalAuthenticationBesides(t *testing.T) {
	pki := mustTerminals(t, TerminalPKIOptions{})
	who := mustPersona(t, "an")
	t.Run("chip authentication mapping", func(t *testing.T) {
		p := eacProfile(t)
		p.CA = nil
		p.CardAccessLists = nil
		p.PACE = []PACEOffer{{Cipher: "AES-128", Curve: "brainpoolP256r1", Mapping: "CAM"}, {Cipher: "AES-128", Curve: "brainpoolP256r1"}}
		term := newTerminal(t, p, who, mustIssuer(t), Options{Issue: IssueOptions{Terminals: pki}})
		term.wantsCAR = true
		if sw := term.pace(2, []byte(who.CAN()), p.PACE[0]); sw != 0x9000 || term.camErr != nil || term.car != pki.Reference() {
			t.Fatalf("%04X, %v, reference %q", sw, term.camErr, term.car)
		}
		term.selectApplication()
		if sw := authenticate(term, mustTerminal(t, pki, TerminalOptions{Rights: RightDG3}), term.car); sw != 0x9000 {
			t.Fatalf("%04X", sw)
		}
		if got := rights(term); got != RightDG3 {
			t.Errorf("rights: %d", got)
		}
	})
	t.Run("BAC", func(t *testing.T) {
		p := eacProfile(t)
		p.BAC = true
		term := newTerminal(t, p, who, mustIssuer(t), Options{Issue: IssueOptions{Terminals: pki}})
		term.selectApplication()
		if sw := term.bac(mrzSecret(who.DocumentNumber(), "990101", "390101")); sw != 0x9000 {
			t.Fatalf("BAC: %04X", sw)
		}
		term.chipAuthentication(term.c.card.ca[0])
		if sw := authenticate(term, mustTerminal(t, pki, TerminalOptions{}), pki.Reference()); sw != 0x9000 || rights(term) != 3 {
			t.Errorf("%04X", sw)
		}
	})
	t.Run("command chaining", func(t *testing.T) {
		p := eacProfile(t)
		p.Extended, p.Chaining = nil, true
		p.AA.Bits = 1024
		term := opened(t, p, Options{Issue: IssueOptions{Terminals: pki}})
		term.chipAuthentication(term.c.card.ca[0])
		if sw := authenticate(term, mustTerminal(t, pki, TerminalOptions{}), pki.Reference()); sw != 0x9000 || rights(term) != 3 {
			t.Errorf("%04X", sw)
		}
		if f := term.c.Files()["EF_ATR_INFO"]; !bytes.Equal(f, unhex("47 03 00 80 80")) {
			t.Errorf("EF.ATR/INFO % X", f)
		}
	})
	t.Run("issuer's own", func(t *testing.T) {
		own, err := mustIssuer(t).TerminalPKI()
		if err != nil {
			t.Fatal(err)
		}
		term := opened(t, eacProfile(t), Options{})
		term.chipAuthentication(term.c.card.ca[0])
		if sw := authenticate(term, mustTerminal(t, own, TerminalOptions{}), own.Reference()); sw != 0x9000 || rights(term) != 3 {
			t.Errorf("%04X", sw)
		}
	})
}

// What a chip must refuse, and that it keeps the session all the same.
func TestTerminalAuthenticationIsStrict(t *testing.T) {
	pki := mustTerminals(t, TerminalPKIOptions{})
	other := mustTerminals(t, TerminalPKIOptions{Seed: []byte("another"), Country: "XX"})
	day := func(y int) time.Time { return time.Date(y, 5, 1, 0, 0, 0, 0, time.UTC) }
	for name, tt := range map[string]struct {
		o     TerminalOptions
		pki   *TerminalPKI
		noCA  bool
		chain func([][]byte) [][]byte
		sign  func(*terminal, *Terminal) func([]byte) ([]byte, error)
		want  uint16
	}{
		"another country":          {pki: other, want: 0x6A88},
		"wrong signature":          {o: TerminalOptions{BadSignature: true}, want: 0x6300},
		"wrong verifier signature": {o: TerminalOptions{BadVerifierSignature: true}, want: 0x6300},
		"expired":                  {o: TerminalOptions{From: day(2020), To: day(2021)}, want: 0x6300},
		"expired since":            {o: TerminalOptions{VerifierFrom: day(2027), To: day(2027).AddDate(0, 0, -1)}, want: 0x6300},
		"foreign, not expired":     {o: TerminalOptions{Foreign: true, VerifierFrom: day(2021), From: day(2030), To: day(2031)}, want: 0x9000},
		"other key":                {o: TerminalOptions{OtherKey: true}, want: 0x6300},
		"no chip authentication":   {noCA: true, want: 0x6982},
		"without verifier":         {chain: func(c [][]byte) [][]byte { return c[1:] }, want: 0x6300},
		"with tag 7F21": {chain: func(c [][]byte) [][]byte {
			return [][]byte{tlv(0x7F21, c[0])}
		}, want: 0x6A80},
		"cut": {chain: func(c [][]byte) [][]byte {
			do, _, _ := takeTLV(c[0])
			parts, _ := allTLV(do.value)
			return [][]byte{tlv(0x7F21, tlv(0x7F4E, parts[0].value[:len(parts[0].value)-9]), parts[1].raw)}
		}, want: 0x6A80},
		"signs for another session": {sign: func(term *terminal, k *Terminal) func([]byte) ([]byte, error) {
			return func(m []byte) ([]byte, error) { m[0] ^= 1; return k.Sign(m) }
		}, want: 0x6300},
	} {
		t.Run(name, func(t *testing.T) {
			by := tt.pki
			if by == nil {
				by = pki
			}
			blamed := 0
			term := opened(t, eacProfile(t), Options{Violation: func(string) { blamed++ }, Issue: IssueOptions{Terminals: pki}})
			if !tt.noCA {
				term.chipAuthentication(term.c.card.ca[0])
			}
			k := mustTerminal(t, by, tt.o)
			chain, sign := k.Chain, k.Sign
			if tt.chain != nil {
				chain = tt.chain(chain)
			}
			if tt.sign != nil {
				sign = tt.sign(term, k)
			}
			if sw := term.terminalAuthentication(by.Reference(), chain, k.Reference, sign); sw != tt.want {
				t.Errorf("%04X, want %04X", sw, tt.want)
			}
			if (blamed > 0) == (tt.want == 0x9000) {
				t.Errorf("blamed %d times", blamed)
			}
			want := byte(0)
			if tt.want == 0x9000 {
				want = 3
			}
			if got := rights(term); got != want {
				t.Errorf("rights %d", got)
			}
		})
	}
	t.Run("rights are the least of the chain", func(t *testing.T) {
		for _, o := range []struct {
			o    TerminalOptions
			want byte
		}{
			{TerminalOptions{Rights: RightDG4}, RightDG4},
			{TerminalOptions{VerifierRights: RightDG3}, RightDG3},
			{TerminalOptions{Rights: RightDG4, VerifierRights: RightDG3}, 0},
			{TerminalOptions{NoRights: true}, 0},
		} {
			term := opened(t, eacProfile(t), Options{Issue: IssueOptions{Terminals: pki}})
			term.chipAuthentication(term.c.card.ca[0])
			if sw := authenticate(term, mustTerminal(t, pki, o.o), pki.Reference()); sw != 0x9000 {
				t.Fatalf("%04X", sw)
			}
			if got := rights(term); got != o.want {
				t.Errorf("%+v: %d", o.o, got)
			}
		}
	})
	t.Run("twice, in clear, out of order", func(t *testing.T) {
		blamed := 0
		term := opened(t, eacProfile(t), Options{Violation: func(string) { blamed++ }, Issue: IssueOptions{Terminals: pki}})
		term.chipAuthentication(term.c.card.ca[0])
		k := mustTerminal(t, pki, TerminalOptions{})
		for i, want := range []uint16{0x9000, 0x6982} {
			if sw := authenticate(term, k, pki.Reference()); sw != want {
				t.Errorf("%d: %04X", i, sw)
			}
		}
		if rights(term) != 3 {
			t.Error("rights were lost")
		}
		term.chipAuthentication(term.c.card.ca[0])
		if got := rights(term); got != 0 {
			t.Errorf("rights under new keys: %d", got)
		}
		if _, sw := term.send(0, 0x2A, 0, 0xBE, k.Chain[0], 0); sw != 0x6985 {
			t.Errorf("certificate without DST: %04X", sw)
		}
		if _, sw := term.send(0, 0x22, 0x81, 0xA4, tlv(0x83, []byte("VNDV00001")), 0); sw != 0x6A88 {
			t.Errorf("AT with a verifier: %04X", sw)
		}
		term.c.Reset()
		term.sm = nil
		term.selectApplication()
		if _, sw := term.send(0, 0x22, 0x81, 0xB6, tlv(0x83, []byte(pki.Reference())), 0); sw != 0x6982 {
			t.Errorf("DST in clear: %04X", sw)
		}
		if blamed != 4 {
			t.Errorf("blamed %d times", blamed)
		}
		plain := opened(t, mustProfile(t, "cccd-mk"), Options{})
		if _, sw := plain.send(0, 0x22, 0x81, 0xB6, tlv(0x83, []byte("VN")), 0); sw != 0x6A86 {
			t.Errorf("DST on a chip without: %04X", sw)
		}
	})
}

// A link certificate makes the chip trust the next CVCA, for good, and moves its date.
func TestLinkCertificate(t *testing.T) {
	pki := mustTerminals(t, TerminalPKIOptions{})
	next, link, err := pki.Next(time.Date(2028, 1, 1, 0, 0, 0, 0, time.UTC))
	if err != nil {
		t.Fatal(err)
	}
	term := opened(t, eacProfile(t), Options{Violation: func(string) {}, Issue: IssueOptions{Terminals: pki}})
	term.chipAuthentication(term.c.card.ca[0])
	k := mustTerminal(t, next, TerminalOptions{})
	if sw := term.terminalAuthentication(pki.Reference(), append([][]byte{link}, k.Chain...), k.Reference, k.Sign); sw != 0x9000 || rights(term) != 3 {
		t.Fatalf("%04X", sw)
	}
	if car, _ := term.readCVCA(); car != next.Reference() || !bytes.Contains(term.c.Files()["EF_CVCA"], []byte(pki.Reference())) {
		t.Errorf("EF.CVCA names %q first", car)
	}
	term.c.Reset()
	term.sm = nil
	rightsAfterReset(term)
	term.chipAuthentication(term.c.card.ca[0])
	if sw := authenticate(term, k, next.Reference()); sw != 0x9000 {
		t.Errorf("after a reset: %04X", sw)
	}
	// Expired by the date that the chip learnt.
	old := mustTerminal(t, next, TerminalOptions{VerifierTo: time.Date(2027, 1, 1, 0, 0, 0, 0, time.UTC)})
	if sw := authenticate(term, old, next.Reference()); sw != 0x6300 {
		t.Errorf("expired verifier: %04X", sw)
	}
	third, link3, err := next.Next(time.Date(2029, 1, 1, 0, 0, 0, 0, time.UTC))
	if err != nil {
		t.Fatal(err)
	}
	if sw := term.terminalAuthentication(next.Reference(), [][]byte{link3}, "", nil); sw != 0x6A88 {
		t.Errorf("second link: %04X", sw)
	}
	if n := len(term.c.ta.trust); n != 2 || term.c.ta.trust[0].holder != third.Reference() {
		t.Errorf("%d trust points", n)
	}
}

// The terminal's key and signature by the standard library.
func TestTerminalKey(t *testing.T) {
	for _, kind := range []string{"P-256", "RSA-2048"} {
		k := mustTerminal(t, mustTerminals(t, TerminalPKIOptions{Key: kind}), TerminalOptions{})
		priv, err := x509.ParsePKCS8PrivateKey(k.PrivateKey())
		if err != nil {
			t.Fatal(err)
		}
		sig, err := k.Sign([]byte("message"))
		if err != nil {
			t.Fatal(err)
		}
		h := sha256.Sum256([]byte("message"))
		switch priv := priv.(type) {
		case *ecdsa.PrivateKey:
			if priv.Curve != elliptic.P256() || len(sig) != 64 || !ecdsa.Verify(&priv.PublicKey, h[:], new(big.Int).SetBytes(sig[:32]), new(big.Int).SetBytes(sig[32:])) {
				t.Error("ECDSA signature is wrong")
			}
		case *rsa.PrivateKey:
			if err := rsa.VerifyPSS(&priv.PublicKey, 5, h[:], sig, &rsa.PSSOptions{SaltLength: 32}); err != nil {
				t.Error(err)
			}
			if !k.key.verify([]byte("message"), sig) || k.key.verify([]byte("massage"), sig) {
				t.Error("own verification of PSS is wrong")
			}
		}
		if k.Hash() != "SHA-256" {
			t.Errorf("hash %s", k.Hash())
		}
	}
}

func TestBadTerminalPKI(t *testing.T) {
	for _, o := range []TerminalPKIOptions{{Key: "P-1"}, {Hash: "SHA-1"}, {Key: "RSA-2048", Hash: "SHA-384"}, {Country: "Vietnam"}} {
		if _, err := NewTerminalPKI(o); err == nil {
			t.Errorf("%+v: no error", o)
		}
	}
	for name, change := range map[string]func(*Profile){
		"without chip authentication": func(p *Profile) { p.CA = nil },
		"011C twice":                  func(p *Profile) { p.CardAccessInside = true },
		"fingers":                     func(p *Profile) { p.Fingers = 11 },
		"refused as well":             func(p *Profile) { p.Refused = []string{"DG3"} },
	} {
		p := eacProfile(t)
		change(&p)
		if _, err := New(p, mustPersona(t, "an"), mustIssuer(t), Options{}); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
}

// Certificates as ICAO 9303-12 §7.2 lays them out, once in full.
func TestCVCertificateLayout(t *testing.T) {
	pki := mustTerminals(t, TerminalPKIOptions{Key: "P-256"})
	cert, rest, ok := takeTLV(pki.CVCA())
	if !ok || len(rest) > 0 || cert.tag != 0x7F21 {
		t.Fatal("no tag 7F21")
	}
	parts, _ := allTLV(cert.value)
	body, _ := allTLV(parts[0].value)
	got := ""
	for _, n := range body {
		got += fmt.Sprintf("%X ", n.tag)
	}
	if got != "5F29 42 7F49 5F20 7F4C 5F25 5F24 " {
		t.Errorf("body: %s", got)
	}
	if want := unhex("06 09 04007F000703010201 53 01 C3"); !bytes.Equal(find(body, 0x7F4C), want) {
		t.Errorf("authorization % X", find(body, 0x7F4C))
	}
	if !bytes.Equal(find(body, 0x5F25), []byte{2, 0, 0, 1, 0, 1}) || !bytes.Equal(find(body, 0x5F24), []byte{4, 0, 0, 1, 0, 1}) {
		t.Error("dates")
	}
	if !bytes.HasPrefix(find(body, 0x7F49), unhex("06 0A 04007F00070202020203 81 20 FFFFFFFF00000001")) {
		t.Errorf("public key % X", find(body, 0x7F49))
	}
	if !pki.cvca.verify(parts[0].raw, parts[1].value) {
		t.Error("own signature is wrong")
	}
}

func FuzzCVCertificate(f *testing.F) {
	for _, key := range []string{"P-256", "RSA-2048"} {
		pki := mustTerminals(f, TerminalPKIOptions{Key: key})
		for _, c := range append(mustTerminal(f, pki, TerminalOptions{}).Chain, pki.CVCA()) {
			do, _, _ := takeTLV(c)
			body, _, _ := takeTLV(do.value)
			f.Add(body.raw)
		}
	}
	issuer := mustTerminals(f, TerminalPKIOptions{}).cvca
	f.Fuzz(func(t *testing.T, b []byte) {
		if _, k, err := parseCV(b, issuer); err == nil {
			k.verify(b, b[:min(len(b), 64)])
		}
	})
}
