package access

import (
	"bytes"
	"context"
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha1"
	"crypto/x509"
	"errors"
	"fmt"
	"math/big"
	"strings"
	"testing"
	"time"

	"github.com/tapcheck/tapcheck/icao/chip"
	"github.com/tapcheck/tapcheck/icao/lds"
)

// chipTerminal makes the simulated terminal's key ours.
type chipTerminal struct{ *chip.Terminal }

func (k chipTerminal) Sign(_ context.Context, _ TerminalAlgorithm, message []byte) ([]byte, error) {
	return k.Terminal.Sign(message)
}

func certificates(t testing.TB, raw ...[]byte) []Certificate {
	t.Helper()
	var out []Certificate
	for _, b := range raw {
		c, err := ParseCertificate(b)
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, c)
	}
	return out
}

func terminalPKI(t testing.TB, o chip.TerminalPKIOptions) *chip.TerminalPKI {
	t.Helper()
	o.Seed = []byte("terminals of icao/access")
	pki, err := chip.NewTerminalPKI(o)
	if err != nil {
		t.Fatal(err)
	}
	return pki
}

func terminal(t testing.TB, pki *chip.TerminalPKI, o chip.TerminalOptions) (Terminal, *chip.Terminal) {
	t.Helper()
	simulated, err := pki.Terminal(o)
	if err != nil {
		t.Fatal(err)
	}
	return Terminal{Certificates: certificates(t, simulated.Chain...), Key: chipTerminal{simulated}}, simulated
}

// protectedCard is a card with fingerprints behind terminal authentication.
func protectedCard(t testing.TB, pki *chip.TerminalPKI, change func(*chip.Profile)) *card {
	p := caProfile(t, chip.CAProfile{Cipher: "AES-128", Curve: "P-256"})
	p.TA, p.CardAccessInside = true, false
	p.Refused = nil
	if change != nil {
		change(&p)
	}
	groups := map[int][]byte{3: testFile(0x63, 300), 4: testFile(0x76, 40)}
	return newCard(t, p, chip.Options{Issue: chip.IssueOptions{Terminals: pki, Replace: groups}})
}

// ready opens a card up to where terminal authentication can begin, by whatever it has.
func ready(ctx context.Context, c *Channel, crd *card) error {
	files := crd.Files()
	if len(crd.Profile().PACE) == 0 {
		if err := c.SelectApplication(ctx); err != nil {
			return err
		}
		if _, err := c.BAC(ctx, mrzKey(crd)); err != nil {
			return err
		}
	} else {
		if _, err := c.PACE(ctx, files["EF_CardAccess"], canKey(crd)); err != nil {
			return err
		}
		if err := c.SelectApplication(ctx); err != nil {
			return err
		}
	}
	if crd.Profile().CA == nil {
		return nil
	}
	v, _, err := c.ChipAuthentication(ctx, files["DG14"])
	if err == nil && v.Exchange != lds.Passed {
		err = fmt.Errorf("chip authentication %+v: %w", v, lds.ErrAccessFailed)
	}
	return err
}

// TestTerminalAuthentication opens DG3 and DG4, with every kind of key and after every protocol that it can follow.
func TestTerminalAuthentication(t *testing.T) {
	for _, tt := range []struct {
		name     string
		pki      chip.TerminalPKIOptions
		o        chip.TerminalOptions
		options  Options
		change   func(*chip.Profile)
		dg3, dg4 bool
	}{
		{name: "ECDSA", dg3: true, dg4: true},
		{name: "ECDSA with SHA-384", pki: chip.TerminalPKIOptions{Key: "brainpoolP384r1", Hash: "SHA-384"}, dg3: true, dg4: true},
		{name: "RSA-2048", pki: chip.TerminalPKIOptions{Key: "RSA-2048"}, dg3: true, dg4: true},
		{name: "RSA-2048 with SHA-512 in pieces", pki: chip.TerminalPKIOptions{Key: "RSA-2048", Hash: "SHA-512"}, change: func(p *chip.Profile) { p.Extended, p.Chaining = nil, true }, dg3: true, dg4: true},
		{name: "trust points from PACE", options: Options{RequestCAR: true}, dg3: true, dg4: true},
		{name: "fingerprints only", o: chip.TerminalOptions{Rights: chip.RightDG3}, dg3: true},
		{name: "what the verifier may not, the terminal may not", o: chip.TerminalOptions{VerifierRights: chip.RightDG4}, dg4: true},
		{name: "no rights", o: chip.TerminalOptions{NoRights: true}},
		{name: "foreign verifier", o: chip.TerminalOptions{Foreign: true}, dg3: true, dg4: true},
		{name: "chip authentication over numbers", change: func(p *chip.Profile) {
			p.CA = &chip.CAProfile{Cipher: "AES-128", Curve: chip.Groups()[0]}
		}, dg3: true, dg4: true},
		{name: "PACE over numbers", change: func(p *chip.Profile) { p.PACE[0].Curve = chip.Groups()[1] }, dg3: true, dg4: true},
		{name: "chip authentication mapping", change: func(p *chip.Profile) { p.CA, p.PACE[0].Mapping = nil, "CAM" }, dg3: true, dg4: true},
		{name: "integrated mapping", change: func(p *chip.Profile) { p.PACE[0].Mapping = "IM" }, dg3: true, dg4: true},
		{name: "BAC", change: func(p *chip.Profile) {
			p.PACE, p.BAC, p.CA = nil, true, &chip.CAProfile{Cipher: "3DES", Curve: "P-256", KAT: true}
		}, dg3: true, dg4: true},
		{name: "without short file identifiers", change: func(p *chip.Profile) { p.SFI = "6A86" }, dg3: true, dg4: true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if underRace && strings.HasPrefix(tt.name, "RSA") {
				t.Skip("RSA keys take long to make there")
			}
			pki := terminalPKI(t, tt.pki)
			card := protectedCard(t, pki, tt.change)
			ours, _ := terminal(t, pki, tt.o)
			c := NewChannel(card, tt.options)
			if err := ready(t.Context(), c, card); err != nil {
				t.Fatal(err)
			}
			if _, err := c.ReadFile(t.Context(), lds.DG(3), nil); !errors.Is(err, lds.ErrFileRefused) {
				t.Errorf("DG3 before: %v", err)
			}
			rights, err := c.TerminalAuthentication(t.Context(), card.Files()["DG14"], ours)
			if err != nil {
				t.Fatal(err)
			}
			if rights.DG3 != tt.dg3 || rights.DG4 != tt.dg4 || rights.TrustPoint != pki.Reference() || rights.Holder != "VNIS00001" {
				t.Errorf("%+v", rights)
			}
			for n, may := range map[int]bool{3: tt.dg3, 4: tt.dg4} {
				got, err := c.ReadFile(t.Context(), lds.DG(n), nil)
				if may && (err != nil || !bytes.Equal(got, card.Files()[string(lds.DG(n))])) || !may && !errors.Is(err, lds.ErrFileRefused) {
					t.Errorf("DG%d afterwards: %v", n, err)
				}
			}
			if len(card.violations) > 0 {
				t.Errorf("the chip complains: %q", card.violations)
			}
		})
	}
}

// TestTerminalRefused: what the card refuses is said so, and the session goes on.
func TestTerminalRefused(t *testing.T) {
	pki := terminalPKI(t, chip.TerminalPKIOptions{})
	long := time.Date(2019, 1, 1, 0, 0, 0, 0, time.UTC)
	ours, _ := terminal(t, pki, chip.TerminalOptions{})
	self := certificates(t, pki.CVCA())
	broken := errors.New("security module is away")
	for _, tt := range []struct {
		name    string
		o       chip.TerminalOptions
		change  func(*Terminal)
		profile func(*chip.Profile)
		noCA    bool
		want    error
	}{
		{name: "signature of the certificate", o: chip.TerminalOptions{BadSignature: true}, want: ErrTerminalRefused},
		{name: "signature of the verifier's", o: chip.TerminalOptions{BadVerifierSignature: true}, want: ErrTerminalRefused},
		{name: "another key", o: chip.TerminalOptions{OtherKey: true}, want: ErrTerminalRefused},
		{name: "expired", o: chip.TerminalOptions{From: long, To: long}, want: ErrTerminalRefused},
		{name: "no certificates", change: func(t *Terminal) { t.Certificates = nil }, want: ErrNoChain},
		{name: "no key", change: func(t *Terminal) { t.Key = nil }, want: ErrNoChain},
		{name: "no verifier", change: func(t *Terminal) { t.Certificates = t.Certificates[1:] }, want: ErrNoChain},
		{name: "no terminal", change: func(t *Terminal) { t.Certificates = t.Certificates[:1] }, want: ErrNoChain},
		{name: "a CVCA that certifies itself", change: func(t *Terminal) { t.Certificates = append(self, t.Certificates[1:]...) }, want: ErrNoChain},
		{name: "key that fails", change: func(t *Terminal) { t.Key = failingKey{broken} }, want: broken},
		{name: "unknown algorithm", change: func(t *Terminal) {
			last := &t.Certificates[len(t.Certificates)-1]
			last.algorithm = append(bytes.Clone(oidTA), 1, 7)
		}, want: ErrUnsupported},
		{name: "card without", profile: func(p *chip.Profile) { p.TA, p.CardAccessLists = false, nil }, want: ErrUnsupported},
		{name: "before chip authentication", noCA: true, want: lds.ErrProtocol},
	} {
		t.Run(tt.name, func(t *testing.T) {
			card := protectedCard(t, pki, tt.profile)
			mine := ours
			if tt.change == nil {
				mine, _ = terminal(t, pki, tt.o)
			} else {
				mine.Certificates = append([]Certificate(nil), ours.Certificates...)
				tt.change(&mine)
			}
			c := NewChannel(card, Options{})
			var err error
			if tt.noCA {
				_, err = open(t.Context(), c, canKey(card))
			} else {
				err = ready(t.Context(), c, card)
			}
			if err != nil {
				t.Fatal(err)
			}
			rights, err := c.TerminalAuthentication(t.Context(), card.Files()["DG14"], mine)
			if !errors.Is(err, tt.want) || rights != (TerminalRights{}) {
				t.Errorf("%+v, %v", rights, err)
			}
			if got, err := c.ReadFile(t.Context(), lds.DG(1), nil); err != nil || !bytes.Equal(got, card.Files()["DG1"]) {
				t.Errorf("the session is lost: %v", err)
			}
			if _, err := c.ReadFile(t.Context(), lds.DG(3), nil); !errors.Is(err, lds.ErrFileRefused) {
				t.Errorf("DG3: %v", err)
			}
		})
	}
}

type failingKey struct{ err error }

func (k failingKey) Sign(context.Context, TerminalAlgorithm, []byte) ([]byte, error) {
	return nil, k.err
}

// TestLinkCertificates: a card with an old trust point is brought to the new one on the way.
func TestLinkCertificates(t *testing.T) {
	old := terminalPKI(t, chip.TerminalPKIOptions{})
	next, link, err := old.Next(time.Date(2026, 6, 1, 0, 0, 0, 0, time.UTC))
	if err != nil {
		t.Fatal(err)
	}
	ours, simulated := terminal(t, next, chip.TerminalOptions{})
	// In no order, with certificates that lead nowhere among them.
	ours.Certificates = certificates(t, simulated.Chain[1], old.CVCA(), next.CVCA(), simulated.Chain[0], link)
	card := protectedCard(t, old, nil)
	for i, want := range []string{old.Reference(), next.Reference()} { // the second time the card knows the new one
		c := NewChannel(card, Options{})
		if err := ready(t.Context(), c, card); err != nil {
			t.Fatal(err)
		}
		rights, err := c.TerminalAuthentication(t.Context(), card.Files()["DG14"], ours)
		if err != nil || rights.TrustPoint != want || !rights.DG3 {
			t.Errorf("%d: %+v, %v", i, rights, err)
		}
		card.Reset()
	}
	if len(card.violations) > 0 {
		t.Errorf("the chip complains: %q", card.violations)
	}
}

// TestSignerKey signs with keys of the standard library's kind.
func TestSignerKey(t *testing.T) {
	for _, kind := range []string{"P-256", "P-384", "RSA-2048"} {
		if underRace && strings.HasPrefix(kind, "RSA") {
			continue
		}
		pki := terminalPKI(t, chip.TerminalPKIOptions{Key: kind})
		card := protectedCard(t, pki, nil)
		ours, simulated := terminal(t, pki, chip.TerminalOptions{})
		key, err := x509.ParsePKCS8PrivateKey(simulated.PrivateKey())
		if err != nil {
			t.Fatal(err)
		}
		ours.Key = SignerKey(key.(crypto.Signer))
		c := NewChannel(card, Options{})
		if err := ready(t.Context(), c, card); err != nil {
			t.Fatal(err)
		}
		if rights, err := c.TerminalAuthentication(t.Context(), card.Files()["DG14"], ours); err != nil || !rights.DG3 {
			t.Errorf("%s: %+v, %v", kind, rights, err)
		}
		other := TerminalAlgorithm{RSA: !strings.HasPrefix(kind, "RSA"), Hash: crypto.SHA256}
		if _, err := ours.Key.Sign(t.Context(), other, []byte("message")); err == nil {
			t.Errorf("%s: signs in another way than it can", kind)
		}
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if _, err := ours.Key.Sign(ctx, other, nil); !errors.Is(err, context.Canceled) {
			t.Errorf("%s: %v", kind, err)
		}
	}
}

// TestSignatures holds those forms that the simulated chip does not take against the standard library.
func TestSignatures(t *testing.T) {
	key, err := rsa.GenerateKey(rand.Reader, 1024)
	if err != nil {
		t.Fatal(err)
	}
	message := []byte("what the card hears")
	for _, a := range terminalAlgorithms {
		if !a.RSA {
			continue
		}
		signature, err := SignerKey(key).Sign(t.Context(), a, message)
		if a.Hash == crypto.SHA512 && !a.PKCS1 {
			if err == nil {
				t.Error("a hash and a salt of 64 bytes fit a key of 128")
			}
			continue
		}
		if err != nil {
			t.Errorf("%+v: %v", a, err)
			continue
		}
		if a.PKCS1 {
			err = rsa.VerifyPKCS1v15(&key.PublicKey, a.Hash, sum(a.Hash, message), signature)
		} else {
			err = rsa.VerifyPSS(&key.PublicKey, a.Hash, sum(a.Hash, message), signature, &rsa.PSSOptions{SaltLength: a.Hash.Size()})
		}
		if err != nil {
			t.Errorf("%+v: %v", a, err)
		}
	}
}

// TestFaultsInTerminalAuthentication: whatever strikes, DG3 is never read without the card's consent, and errors have their type.
func TestFaultsInTerminalAuthentication(t *testing.T) {
	pki := terminalPKI(t, chip.TerminalPKIOptions{Key: "P-256"})
	card := protectedCard(t, pki, nil)
	ours, _ := terminal(t, pki, chip.TerminalOptions{})
	dg14, dg3 := card.Files()["DG14"], card.Files()["DG3"]
	var got []byte
	strike(t, card, func(ctx context.Context, c *Channel) error {
		got = nil
		if err := ready(ctx, c, card); err != nil {
			return err
		}
		if _, err := c.TerminalAuthentication(ctx, dg14, ours); err != nil {
			return err
		}
		var err error
		got, err = c.ReadFile(ctx, lds.DG(3), nil)
		return err
	}, func(name string, f chip.Fault, c *Channel, err error) {
		if got != nil && !bytes.Equal(got, dg3) {
			t.Errorf("%s: a wrong DG3 was believed", name)
		}
		if err == nil && f.At > 6 && (f.Kind == chip.FaultRemove || f.Kind == chip.FaultNaked || f.SW == 0x9000) {
			t.Errorf("%s: nobody noticed", name)
		}
		if errors.Is(err, ErrTerminalRefused) && f.At > 6 {
			t.Errorf("%s: an unprotected refusal was believed: %v", name, err)
		}
	})
}

// exampleCVCA is the CVCA certificate of the worked example that the BSI published with TR-03110 (2011, Diffie-Hellman part).
var exampleCVCA = unhex(`7f2182016a7f4e81e25f290100420f4445544553544356434130303030337f498194
	060a04007f00070202020101818180b5ada440f264803dbeec57ab1ffbd12b426874
	23ec299dd52a6bb0345193d1e2a5bbc11955908a08760f400fa03d56097b5f216564
	8d85071a80a1b66ffa9321526dda41e146d532991ca0c1dcfc8d0bbe298c1f0edb57
	400faed67e135d542471c82e351b06d43c946604fcbd5045056c4b8a7b98ec3872e4
	1bb3d7a591ccad82030100015f200f4445544553544356434130303030337f4c0e06
	0904007f0007030102015301c35f25060100000302045f24060101000301095f3781
	80a27ed830e99082e5813068b9b21662444ed1c8713aba71985b5288f376423608b8
	eec825173862f8df9f259bcd611c96a2dba86ac6c48a3310cfd6fade9b4bd02bb520
	367ad90b379f6d35ad01d406f8cb1d94d025730a98d7dfbe3b0f74183531de6e699d
	23652ce39067635a8d176c66064b79b7271a0ee600bac94ad51e4f`)

// TestPublishedCertificate reads it, and verifies its signature over the body that was cut out.
func TestPublishedCertificate(t *testing.T) {
	c, err := ParseCertificate(exampleCVCA)
	if err != nil {
		t.Fatal(err)
	}
	if c.Authority != "DETESTCVCA00003" || c.Holder != c.Authority || c.Role != RoleCVCA || c.Rights != 3 ||
		!c.Effective.Equal(time.Date(2010, 3, 24, 0, 0, 0, 0, time.UTC)) || !c.Expiry.Equal(time.Date(2011, 3, 19, 0, 0, 0, 0, time.UTC)) {
		t.Errorf("%+v", c)
	}
	if a, err := c.Algorithm(); err != nil || a != (TerminalAlgorithm{RSA: true, PKCS1: true, Hash: crypto.SHA1}) {
		t.Errorf("algorithm: %+v, %v", a, err)
	}
	signature, err := lds.Only(c.signature, 0x5F37)
	if err != nil {
		t.Fatal(err)
	}
	at := bytes.Index(exampleCVCA, unhex("818180")) + 3
	key := &rsa.PublicKey{N: new(big.Int).SetBytes(exampleCVCA[at : at+128]), E: 65537}
	digest := sha1.Sum(c.body)
	if err := rsa.VerifyPKCS1v15(key, crypto.SHA1, digest[:], signature); err != nil {
		t.Error(err)
	}
}

// TestBrokenCertificates: what is none is refused before a card sees it.
func TestBrokenCertificates(t *testing.T) {
	for name, change := range map[string]func([]byte) []byte{
		"nothing":         func([]byte) []byte { return nil },
		"cut":             func(b []byte) []byte { return b[:200] },
		"bytes behind":    func(b []byte) []byte { return append(b, 0) },
		"other tag":       func(b []byte) []byte { b[1] = 0x22; return b },
		"other profile":   func(b []byte) []byte { return bytes.Replace(b, unhex("5f290100"), unhex("5f290101"), 1) },
		"control sign":    func(b []byte) []byte { return bytes.Replace(b, []byte("DETEST"), []byte("DETE\nT"), 1) },
		"other terminals": func(b []byte) []byte { return bytes.Replace(b, unhex("0703010201"), unhex("0703010202"), 1) },
		"day 40": func(b []byte) []byte {
			return bytes.Replace(b, unhex("5f2506010000030204"), unhex("5f2506010000030400"), 1)
		},
		"month in letters": func(b []byte) []byte {
			return bytes.Replace(b, unhex("5f2506010000030204"), unhex("5f2506010041030204"), 1)
		},
		"order": func(b []byte) []byte { return bytes.Replace(b, unhex("5f2506"), unhex("5f2406"), 1) },
		"huge":  func(b []byte) []byte { return append(b, make([]byte, maxCertificate)...) },
	} {
		if _, err := ParseCertificate(change(bytes.Clone(exampleCVCA))); !errors.Is(err, lds.ErrMalformed) && !errors.Is(err, lds.ErrTooLarge) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestParseCVCA and the other files of terminal authentication.
func TestParseCVCA(t *testing.T) {
	for _, tt := range []struct {
		file string
		want string
		err  error
	}{
		{"420F 444554455354435643413030303033 420F 444554455354435643413030303032 0000", "DETESTCVCA00003 DETESTCVCA00002", nil},
		{"4203414141" + strings.Repeat("00", 31), "AAA", nil},
		{strings.Repeat("00", 36), "", nil},
		{"", "", nil},
		{"4200", "", lds.ErrMalformed},
		{"4311" + strings.Repeat("41", 17), "", lds.ErrMalformed},
		{"4211" + strings.Repeat("41", 17), "", lds.ErrMalformed},
		{"420341", "", lds.ErrMalformed},
		{"420141 420142 420143", "", lds.ErrMalformed},
	} {
		got, err := parseCVCA(unhex(tt.file))
		if !errors.Is(err, tt.err) || strings.Join(got, " ") != tt.want {
			t.Errorf("%s: %q, %v", tt.file, got, err)
		}
	}
	for _, tt := range []struct {
		info string
		fid  uint16
		sfi  byte
		n    int
	}{
		{"300D 0608 04007F0007020202 020101", 0, 0, 1},
		{"3013 0608 04007F0007020202 020101 3004 0402 01A1", 0x01A1, 0, 1},
		{"3016 0608 04007F0007020202 020101 3007 0402 01A1 0401 15", 0x01A1, 0x15, 1},
		{"3016 0608 04007F0007020202 020101 3007 0402 01A1 0401 FF", 0x01A1, 0, 1},
		{"3012 0608 04007F0007020202 020101 3003 0401 01", 0, 0, 0},
		{"3013 0608 04007F0007020202 020101 3004 0402 0000", 0, 0, 0},
	} {
		infos, err := parseSecurityInfos(lds.AppendTLV(nil, 0x31, unhex(tt.info)))
		if err != nil || len(infos.ta) != tt.n || tt.n == 1 && (infos.ta[0].fid != tt.fid || infos.ta[0].sfi != tt.sfi) {
			t.Errorf("%s: %+v, %v", tt.info, infos.ta, err)
		}
	}
}

// TestATRInfo reads what cards say of their lengths.
func TestATRInfo(t *testing.T) {
	for _, tt := range []struct {
		file string
		want Extents
		err  error
	}{
		{"4703 0080C0 7F66 08 0202 07D0 0202 0780", Extents{2000, 1920, true}, nil},
		{"7F66 0A 0203 010000 0203 010000", Extents{65536, 65536, false}, nil},
		{"4703 008040", Extents{}, nil},
		{"4703 008080 0000", Extents{Chaining: true}, nil},
		{"8001 00 7F66 08 0202 07D0 0202 0780 000000", Extents{2000, 1920, false}, nil},
		{"", Extents{}, ErrNoExtents},
		{"0000", Extents{}, ErrNoExtents},
		{"4701 00", Extents{}, ErrNoExtents},
		{"7F66 00", Extents{}, lds.ErrMalformed},
		{"7F66 04 0202 07D0", Extents{}, lds.ErrMalformed},
		{"7F66 06 0201 10 0201 10", Extents{}, lds.ErrMalformed},
		{"7F66 08 0202 FFFF 0202 0780", Extents{}, lds.ErrMalformed},
		{"7F66 10 0206 010000000000 0206 010000000000", Extents{}, lds.ErrMalformed},
		{"7F66 08 0202 07D0", Extents{}, lds.ErrMalformed},
		{strings.Repeat("8000", 70), Extents{}, lds.ErrMalformed},
	} {
		got, err := ParseATRInfo(unhex(tt.file))
		if !errors.Is(err, tt.err) || got != tt.want {
			t.Errorf("%s: %+v, %v", tt.file, got, err)
		}
	}

	// A card that gives 1,920 bytes at a time is asked for no more.
	p := profile(t, "cccd-extended")
	card := newCard(t, p, chip.Options{})
	c := NewChannel(card, Options{Extended: 65536})
	e, err := c.Extents(t.Context())
	if err != nil || e.Response != p.Extended.MaxResponse || e.Command != p.Extended.MaxCommand {
		t.Fatalf("%+v, %v", e, err)
	}
	if _, _, err := whole(t.Context(), c, canKey(card), map[lds.FileID][]byte{}); err != nil {
		t.Fatal(err)
	}
	learned := c.Count().APDUs
	card.Reset()
	c = NewChannel(card, Options{Extended: 65536})
	if _, _, err := whole(t.Context(), c, canKey(card), map[lds.FileID][]byte{}); err != nil {
		t.Fatal(err)
	}
	if learned > c.Count().APDUs+1 {
		t.Errorf("%d commands with the card's word, %d without", learned, c.Count().APDUs)
	}
	// A card that says nothing goes on as before.
	silent := newCard(t, profile(t, "cccd-mk"), chip.Options{})
	c = NewChannel(silent, Options{})
	if _, err := c.Extents(t.Context()); !errors.Is(err, lds.ErrFileAbsent) {
		t.Errorf("%v", err)
	}
	if _, err := open(t.Context(), c, canKey(silent)); err != nil {
		t.Error(err)
	}
}

// TestCardSecurityInfos reads the simulated issuer's file, and none that is none.
func TestCardSecurityInfos(t *testing.T) {
	card := newCard(t, variant(t, "CAM", "AES-128", "P-256"), chip.Options{})
	file := card.Files()["EF_CardSecurity"]
	infos, err := CardSecurityInfos(file)
	if err != nil || len(infos) == 0 || infos[0] != 0x31 {
		t.Fatalf("%X, %v", infos, err)
	}
	for i := range file[:60] {
		for _, b := range []byte{0, 0x80, 0xFF} {
			changed := bytes.Clone(file)
			changed[i] = b
			if _, err := CardSecurityInfos(changed); err != nil && !errors.Is(err, lds.ErrMalformed) {
				t.Errorf("byte %d: %v", i, err)
			}
		}
		if _, err := CardSecurityInfos(file[:i]); !errors.Is(err, lds.ErrMalformed) {
			t.Errorf("cut to %d: %v", i, err)
		}
	}
	if _, err := CardSecurityInfos(card.Files()["EF_SOD"][4:]); !errors.Is(err, lds.ErrMalformed) {
		t.Errorf("an EF.SOD: %v", err)
	}
	if _, err := CardSecurityInfos(make([]byte, maxCardSecurity+1)); !errors.Is(err, lds.ErrTooLarge) {
		t.Errorf("huge: %v", err)
	}
}

// TestOddModulus: ISO/IEC 9796-2 on a modulus that does not fill its bytes puts M1 off the bytes' bounds; no card is known that has one.
func TestOddModulus(t *testing.T) {
	key, err := rsa.GenerateKey(rand.Reader, 1031)
	if err != nil {
		t.Fatal(err)
	}
	v, _, err := NewChannel(nil, Options{}).ActiveAuthentication(t.Context(), dg15(t, &key.PublicKey), nil, challenge)
	if err != nil || v.Exchange != lds.NotDone || v.Reason != lds.ReasonUnsupported {
		t.Errorf("%+v, %v", v, err)
	}
}

// TestTrustPointsElsewhere: EF.CVCA where DG14 says that it is, by short file identifier or without one.
func TestTrustPointsElsewhere(t *testing.T) {
	file := append(unhex("420F 444554455354435643413030303033"), make([]byte, 19)...)
	for name, tt := range map[string]struct {
		card *fakeCard
		info taInfo
		want error
	}{
		"the usual place":     {&fakeCard{files: map[uint16][]byte{0x011C: file}}, taInfo{version: 1}, nil},
		"by selection":        {&fakeCard{files: map[uint16][]byte{0x01A1: file}}, taInfo{version: 1, fid: 0x01A1}, nil},
		"by short identifier": {&fakeCard{files: map[uint16][]byte{0x0115: file}}, taInfo{version: 1, fid: 0x0115, sfi: 0x15}, nil},
		"in small pieces":     {&fakeCard{files: map[uint16][]byte{0x011C: file}, maxRead: 200}, taInfo{version: 1}, nil},
		"nowhere":             {&fakeCard{files: map[uint16][]byte{}}, taInfo{version: 1}, lds.ErrFileAbsent},
		"something else":      {&fakeCard{files: map[uint16][]byte{0x011C: []byte("something else")}}, taInfo{version: 1}, lds.ErrMalformed},
		"without end":         {&fakeCard{files: map[uint16][]byte{0x011C: make([]byte, 20000)}}, taInfo{version: 1}, lds.ErrTooLarge},
	} {
		c := secured(t, suiteAES128, Options{}, tt.card)
		got, err := c.trustPoints(t.Context(), tt.info)
		var about *lds.FileError
		if !errors.Is(err, tt.want) || err == nil && (len(got) != 1 || got[0] != "DETESTCVCA00003") || err != nil && (!errors.As(err, &about) || about.File != lds.CVCA) {
			t.Errorf("%s: %q, %v", name, got, err)
		}
		if c.noSFI {
			t.Errorf("%s: short identifiers were given up", name)
		}
	}
}
