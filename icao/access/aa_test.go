package access

import (
	"bytes"
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"errors"
	"fmt"
	"math/big"
	"testing"

	"github.com/tapcheck/tapcheck/icao/chip"
	"github.com/tapcheck/tapcheck/icao/lds"
)

var challenge = []byte("8 bytes.")

// sign9796 makes a signature of ISO/IEC 9796-2 scheme 1 with Go's own RSA numbers.
func sign9796(key *rsa.PrivateKey, h crypto.Hash, trailer []byte, m2 []byte, smaller bool) []byte {
	size := (key.N.BitLen() + 7) / 8
	m1 := bytes.Repeat([]byte{0x5A}, size-1-h.Size()-len(trailer))
	f := append(append(append([]byte{0x6A}, m1...), sum(h, m1, m2)...), trailer...)
	s := new(big.Int).Exp(new(big.Int).SetBytes(f), key.D, key.N)
	if other := new(big.Int).Sub(key.N, s); smaller && other.Cmp(s) < 0 {
		s = other
	}
	return s.FillBytes(make([]byte, size))
}

// TestMessageRecovery: all hashes and trailers, and both ways to sign (ISO/IEC 9796-2 §B.4 and §B.6).
func TestMessageRecovery(t *testing.T) {
	for _, bits := range []int{1024, 1280, 1536, 1848} {
		key, err := rsa.GenerateKey(rand.Reader, bits)
		if err != nil {
			t.Fatal(err)
		}
		e := big.NewInt(int64(key.E))
		for _, tt := range []struct {
			h       crypto.Hash
			trailer []byte
			want    bool
		}{
			{crypto.SHA1, []byte{0xBC}, true},
			{crypto.SHA1, []byte{0x33, 0xCC}, true},
			{crypto.SHA224, []byte{0x38, 0xCC}, true},
			{crypto.SHA256, []byte{0x34, 0xCC}, true},
			{crypto.SHA384, []byte{0x36, 0xCC}, true},
			{crypto.SHA512, []byte{0x35, 0xCC}, true},
			{crypto.SHA256, []byte{0x35, 0xCC}, false},
			{crypto.SHA256, []byte{0x31, 0xCC}, false},
			{crypto.SHA256, []byte{0xBC}, false},
			{crypto.SHA1, []byte{0xDC}, false},
		} {
			for _, smaller := range []bool{false, true} {
				s := sign9796(key, tt.h, tt.trailer, challenge, smaller)
				if got := verifyRecovery(key.N, e, challenge, s); got != tt.want {
					t.Errorf("%d bits, %v, trailer %X, smaller %v: %v", bits, tt.h, tt.trailer, smaller, got)
				}
				if verifyRecovery(key.N, e, []byte("9 bytes."), s) {
					t.Errorf("%d bits, %v: accepted for another challenge", bits, tt.h)
				}
				for _, wrong := range [][]byte{nil, s[1:], append([]byte{0}, s...), key.N.Bytes(), make([]byte, len(s))} {
					if verifyRecovery(key.N, e, challenge, wrong) {
						t.Errorf("%d bits: %d bytes accepted", bits, len(wrong))
					}
				}
			}
		}
	}
}

// TestShortRepresentative: what a forger can make for a small exponent without a key, a representative far below the modulus, is refused
// although all else about it is right.
func TestShortRepresentative(t *testing.T) {
	m1 := []byte{1, 2, 3}
	f := append(append(append([]byte{0x6A}, m1...), sum(crypto.SHA1, m1, challenge)...), 0xBC)
	n := new(big.Int).Sub(new(big.Int).Lsh(big.NewInt(1), 1024), big.NewInt(1))
	s := append(make([]byte, 128-len(f)), f...)
	if verifyRecovery(n, big.NewInt(1), challenge, s) {
		t.Error("accepted")
	}
}

func dg15(t *testing.T, public any) []byte {
	t.Helper()
	spki, err := x509.MarshalPKIXPublicKey(public)
	if err != nil {
		t.Fatal(err)
	}
	return lds.AppendTLV(nil, 0x6F, spki)
}

// TestActiveAuthenticationAnswers runs the protocol in clear with Go's own keys.
func TestActiveAuthenticationAnswers(t *testing.T) {
	p384, err := ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	rsa1024, err := rsa.GenerateKey(rand.Reader, 1024)
	if err != nil {
		t.Fatal(err)
	}
	n512, _ := new(big.Int).SetString("C7"+fmt.Sprintf("%0126X", 0)[1:]+"1", 16)
	rsa512 := &rsa.PublicKey{N: n512, E: 65537}
	der := func(h crypto.Hash) []byte {
		s, err := ecdsa.SignASN1(rand.Reader, p384, sum(h, challenge))
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	plain := func(h crypto.Hash) []byte {
		body, _ := lds.Only(der(h), 0x30)
		r, body, _ := readInteger(body)
		s, _ := integer(body)
		return append(r.FillBytes(make([]byte, 48)), s.FillBytes(make([]byte, 48))...)
	}
	other, err := ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	foreign, err := ecdsa.SignASN1(rand.Reader, other, sum(crypto.SHA384, challenge))
	if err != nil {
		t.Fatal(err)
	}
	// DG14 that names ecdsa-plain-SHA256 (0.4.0.127.0.7.1.1.4.1.3), and one with ANSI X9.62's identifier.
	sha256DG14 := lds.AppendTLV(nil, 0x6E, lds.AppendTLV(nil, 0x31, lds.AppendTLV(nil, 0x30, unhex("0606 678108010105 020101 060A 04007F00070101040103"))))
	x962DG14 := lds.AppendTLV(nil, 0x6E, lds.AppendTLV(nil, 0x31, lds.AppendTLV(nil, 0x30, unhex("0606 678108010105 020101 0608 2A8648CE3D040302"))))

	for _, tt := range []struct {
		name       string
		dg15, dg14 []byte
		answer     []byte
		exchange   lds.Status
		reason     lds.Reason
		apdus      int
	}{
		{"P-384 by size", dg15(t, &p384.PublicKey), nil, append(plain(crypto.SHA384), 0x90, 0), lds.Passed, lds.ReasonHashNotNamed, 1},
		{"P-384 DER", dg15(t, &p384.PublicKey), nil, append(der(crypto.SHA384), 0x90, 0), lds.Passed, lds.ReasonHashNotNamed, 1},
		{"P-384 with SHA-256 as DG14 says", dg15(t, &p384.PublicKey), sha256DG14, append(plain(crypto.SHA256), 0x90, 0), lds.Passed, "", 1},
		{"the same by X9.62", dg15(t, &p384.PublicKey), x962DG14, append(der(crypto.SHA256), 0x90, 0), lds.Passed, "", 1},
		{"P-384 with SHA-256 and no DG14", dg15(t, &p384.PublicKey), nil, append(plain(crypto.SHA256), 0x90, 0), lds.NotDone, lds.ReasonHashNotNamed, 1},
		{"P-384 with SHA-256 and a DG14 without it", dg15(t, &p384.PublicKey), unhex("6E023100"), append(der(crypto.SHA256), 0x90, 0), lds.NotDone, lds.ReasonHashNotNamed, 1},
		{"P-384 with SHA-1 and no DG14", dg15(t, &p384.PublicKey), nil, append(plain(crypto.SHA1), 0x90, 0), lds.NotDone, lds.ReasonHashNotNamed, 1},
		{"P-384 with SHA-384 where DG14 says SHA-256", dg15(t, &p384.PublicKey), sha256DG14, append(plain(crypto.SHA384), 0x90, 0), lds.Failed, lds.ReasonActiveAuthFailed, 1},
		{"P-384 by another's key and no DG14", dg15(t, &p384.PublicKey), nil, append(foreign, 0x90, 0), lds.Failed, lds.ReasonActiveAuthFailed, 1},
		{"nothing signed", dg15(t, &p384.PublicKey), nil, []byte{0x90, 0}, lds.Failed, lds.ReasonActiveAuthFailed, 1},
		{"zeros", dg15(t, &p384.PublicKey), nil, append(make([]byte, 96), 0x90, 0), lds.Failed, lds.ReasonActiveAuthFailed, 1},
		{"refused", dg15(t, &p384.PublicKey), nil, []byte{0x69, 0x82}, lds.NotDone, lds.ReasonRefusedByCard, 1},
		{"unknown command", dg15(t, &p384.PublicKey), nil, []byte{0x6D, 0x00}, lds.NotDone, lds.ReasonRefusedByCard, 1},
		{"RSA-1024", dg15(t, &rsa1024.PublicKey), nil, append(sign9796(rsa1024, crypto.SHA256, []byte{0x34, 0xCC}, challenge, false), 0x90, 0), lds.Passed, "", 1},
		{"RSA-1024 over another challenge", dg15(t, &rsa1024.PublicKey), nil, append(sign9796(rsa1024, crypto.SHA256, []byte{0x34, 0xCC}, []byte("another."), false), 0x90, 0), lds.Failed, lds.ReasonActiveAuthFailed, 1},
		{"RSA-512 is not even asked", dg15(t, rsa512), nil, nil, lds.Failed, lds.ReasonWeakKey, 0},
		{"even exponent", dg15(t, &rsa.PublicKey{N: rsa1024.N, E: 65536}), nil, nil, lds.NotDone, lds.ReasonMalformed, 0},
		{"exponent 1", dg15(t, &rsa.PublicKey{N: rsa1024.N, E: 1}), nil, nil, lds.NotDone, lds.ReasonMalformed, 0},
		{"no DG15", []byte{0x6F, 0x00}, nil, nil, lds.NotDone, lds.ReasonMalformed, 0},
		{"empty", nil, nil, nil, lds.NotDone, lds.ReasonMalformed, 0},
		{"Ed25519", unhex("6F2C 302A 300506032B6570 0321 00 0000000000000000000000000000000000000000000000000000000000000000"), nil, nil, lds.NotDone, lds.ReasonUnsupported, 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c := NewChannel(&script{t: t, steps: []string{fmt.Sprintf("00880000 08 %X 00", challenge), fmt.Sprintf("%X", tt.answer)}}, Options{})
			v, key, err := c.ActiveAuthentication(t.Context(), tt.dg15, tt.dg14, challenge)
			if err != nil || v.Exchange != tt.exchange || v.Reason != tt.reason || v.Status != "" {
				t.Errorf("%+v, %v", v, err)
			}
			if c.Count().APDUs != tt.apdus {
				t.Errorf("%d APDUs", c.Count().APDUs)
			}
			if tt.reason != lds.ReasonMalformed && tt.reason != lds.ReasonUnsupported && len(key) != 32 {
				t.Errorf("key %X", key)
			}
		})
	}
	if _, _, err := NewChannel(nil, Options{}).ActiveAuthentication(t.Context(), nil, nil, nil); err == nil {
		t.Error("a challenge of no bytes was taken")
	}
}

// TestLongSignature: the signature of RSA-2048 does not fit a short protected response. Extended length is tried, and whatever refuses it,
// the session goes on.
func TestLongSignature(t *testing.T) {
	for _, tt := range []struct {
		name   string
		change func(*chip.Profile)
		wire   int // the reader cuts answers
		o      Options
		want   lds.Status
		reason lds.Reason
	}{
		{"chip takes extended length", func(p *chip.Profile) { p.Extended = &chip.Extents{MaxCommand: 1000, MaxResponse: 1000} }, 0, Options{}, lds.Passed, ""},
		{"chip refuses it, naked and uncounted", func(*chip.Profile) {}, 0, Options{}, lds.NotDone, lds.ReasonResponseTooLong},
		{"chip takes it and its answer does not fit", func(p *chip.Profile) { p.Extended = &chip.Extents{MaxCommand: 1000, MaxResponse: 256} }, 0, Options{}, lds.NotDone, lds.ReasonResponseTooLong},
		{"reader cuts the answer", func(p *chip.Profile) { p.Extended = &chip.Extents{MaxCommand: 1000, MaxResponse: 1000} }, 258, Options{}, lds.NotDone, lds.ReasonResponseTooLong},
	} {
		t.Run(tt.name, func(t *testing.T) {
			p := profile(t, "cccd-rsa2048")
			tt.change(&p)
			card := newCard(t, p, chip.Options{})
			var tx Transmitter = card
			if tt.wire > 0 {
				tx = cutting{card, tt.wire}
			}
			c := NewChannel(tx, tt.o)
			if _, err := open(t.Context(), c, canKey(card)); err != nil {
				t.Fatal(err)
			}
			files := card.Files()
			v, _, err := c.ActiveAuthentication(t.Context(), files["DG15"], files["DG14"], challenge)
			if err != nil || v.Exchange != tt.want || v.Reason != tt.reason {
				t.Errorf("%+v, %v", v, err)
			}
			if got, err := c.ReadFile(t.Context(), lds.DG(1), nil); err != nil || !bytes.Equal(got, files["DG1"]) {
				t.Errorf("the session is lost: %v", err)
			}
		})
	}
}

// TestAnnouncedHash: a P-384 key that signs with SHA-256, on which gmrtd fails.
func TestAnnouncedHash(t *testing.T) {
	p := profile(t, "cccd-mk")
	p.AA = &chip.AAProfile{Type: "ecdsa", Curve: "brainpoolP384r1", Hash: "SHA-256", Announce: true}
	card := newCard(t, p, chip.Options{})
	c := NewChannel(card, Options{})
	if _, err := open(t.Context(), c, canKey(card)); err != nil {
		t.Fatal(err)
	}
	v, _, err := c.ActiveAuthentication(t.Context(), card.Files()["DG15"], card.Files()["DG14"], challenge)
	if err != nil || v.Exchange != lds.Passed {
		t.Errorf("%+v, %v", v, err)
	}
}

// TestChipAuthenticationChoices: what is chosen from DG14, and what is said where nothing can be.
func TestChipAuthenticationChoices(t *testing.T) {
	dg14 := func(infos ...[]byte) []byte {
		var set []byte
		for _, i := range infos {
			set = append(set, lds.AppendTLV(nil, 0x30, i)...)
		}
		return lds.AppendTLV(nil, 0x6E, lds.AppendTLV(nil, 0x31, set))
	}
	spki := func(c elliptic.Curve) []byte {
		k, err := ecdsa.GenerateKey(c, rand.Reader)
		if err != nil {
			t.Fatal(err)
		}
		b, err := x509.MarshalPKIXPublicKey(&k.PublicKey)
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	join := func(parts ...[]byte) []byte { return bytes.Join(parts, nil) }
	p256, p384 := spki(elliptic.P256()), spki(elliptic.P384())
	pk, aes128, aes256, tdes, dh := unhex("0609 04007F000702020102"), unhex("060A 04007F00070202030202"), unhex("060A 04007F00070202030204"),
		unhex("060A 04007F00070202030201"), unhex("060A 04007F00070202030102")
	one, two := unhex("020101"), unhex("020102")
	offCurve := bytes.Clone(p256)
	offCurve[len(offCurve)-1] ^= 1
	for _, tt := range []struct {
		name    string
		dg14    []byte
		suite   suite
		curve   string
		keyID   []byte
		none    error
		verdict lds.Reason
	}{
		{"one", dg14(join(pk, p256), join(aes128, one)), suiteAES128, "P-256", nil, nil, ""},
		{"the stronger", dg14(join(pk, p256), join(aes128, one), join(aes256, one)), suiteAES256, "P-256", nil, nil, ""},
		{"AES before 3DES", dg14(join(pk, p256), join(tdes, one), join(aes128, one)), suiteAES128, "P-256", nil, nil, ""},
		{"by key id", dg14(join(pk, p256, one), join(pk, p384, two), join(aes128, one, two)), suiteAES128, "P-384", []byte{2}, nil, ""},
		{"unknown ones are passed over", dg14(unhex("0603 2A0304 020101"), join(unhex("060A 04007F00070202030209"), one), join(pk, p256), join(aes128, one)), suiteAES128, "P-256", nil, nil, ""},
		{"unknown version is passed over", dg14(join(pk, p256), join(aes256, two), join(aes128, one)), suiteAES128, "P-256", nil, nil, ""},
		{"broken ones are passed over", dg14(unhex("0603"), unhex("020101"), join(pk, unhex("3003")), join(pk, p256), join(aes128, one)), suiteAES128, "P-256", nil, nil, ""},
		{"key alone", dg14(join(pk, p256)), suite3DES, "P-256", nil, nil, ""},
		{"only DH", dg14(join(unhex("0609 04007F000702020101"), p256), join(dh, one)), suite{}, "", nil, ErrUnsupported, lds.ReasonUnsupported},
		{"key of another id", dg14(join(pk, p256, one), join(aes128, one, two)), suite{}, "", nil, ErrUnsupported, lds.ReasonUnsupported},
		{"key not on its curve", dg14(join(pk, offCurve), join(aes128, one)), suite{}, "", nil, lds.ErrMalformed, lds.ReasonMalformed},
	} {
		t.Run(tt.name, func(t *testing.T) {
			infos, err := parseDG14(tt.dg14)
			if err != nil {
				t.Fatal(err)
			}
			got, err := chooseCA(infos, caKey.public)
			if !errors.Is(err, tt.none) || err == nil && (got.suite != tt.suite || got.d.label() != tt.curve || !bytes.Equal(got.keyID, tt.keyID)) {
				t.Errorf("%s %v %X, %v", got.suite.name, got.d, got.keyID, err)
			}
			if tt.none != nil {
				v, _, err := NewChannel(nil, Options{}).ChipAuthentication(t.Context(), tt.dg14)
				if err != nil || v.Exchange != lds.NotDone || v.Reason != tt.verdict {
					t.Errorf("%+v, %v", v, err)
				}
			}
		})
	}
	for _, tt := range []struct {
		dg14     []byte
		exchange lds.Status
		reason   lds.Reason
	}{
		{nil, lds.NotDone, lds.ReasonMalformed},
		{unhex("6E00"), lds.NotDone, lds.ReasonMalformed},
		{unhex("6E02 3100"), lds.NotPresent, lds.ReasonFeatureAbsent},
	} {
		if v, _, err := NewChannel(nil, Options{}).ChipAuthentication(t.Context(), tt.dg14); err != nil || v.Exchange != tt.exchange || v.Reason != tt.reason {
			t.Errorf("%X: %+v, %v", tt.dg14, v, err)
		}
	}
}

// cutting is a reader that gives at most n bytes of an answer.
type cutting struct {
	*card
	n int
}

func (c cutting) Transmit(ctx context.Context, apdu []byte) ([]byte, error) {
	r, err := c.card.Transmit(ctx, apdu)
	return r[:min(len(r), c.n)], err
}
