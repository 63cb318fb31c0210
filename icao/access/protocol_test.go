package access

import (
	"bytes"
	"context"
	"crypto/cipher"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"log"
	"log/slog"
	"math/big"
	"strings"
	"testing"

	"github.com/tapcheck/tapcheck/icao/chip"
	"github.com/tapcheck/tapcheck/icao/lds"
)

// TestCurves holds the constants against the groups that they describe.
func TestCurves(t *testing.T) {
	if len(curves()) != 11 {
		t.Fatalf("%d curves", len(curves()))
	}
	for i, c := range curves() {
		if c.id != 8+i || standardized(c.id) != c {
			t.Errorf("%s has id %d", c.name, c.id)
		}
		if !c.valid(c.base.x, c.base.y) {
			t.Errorf("%s: base point is not on the curve", c.name)
		}
		minus, err := c.mul(c.base, new(big.Int).Sub(c.n, big.NewInt(1)))
		if err != nil || minus.x.Cmp(c.base.x) != 0 || new(big.Int).Add(minus.y, c.base.y).Cmp(c.p) != 0 {
			t.Errorf("%s: (n-1)G is not -G: %v", c.name, err)
		}
		if _, err := c.add(c.base, minus); !errors.Is(err, errInfinity) {
			t.Errorf("%s: G - G: %v", c.name, err)
		}
		if _, err := c.mul(c.base, c.n); !errors.Is(err, errInfinity) {
			t.Errorf("%s: nG: %v", c.name, err)
		}
		// Addition and multiplication agree, also where they need care: P + P.
		three, err := c.mul(c.base, big.NewInt(3))
		if err != nil {
			t.Fatal(err)
		}
		two, err := c.add(c.base, c.base)
		if err != nil {
			t.Fatal(err)
		}
		if sum, err := c.add(two, c.base); err != nil || !sum.equal(three) {
			t.Errorf("%s: 2G + G is not 3G: %v", c.name, err)
		}
		// A number that is longer than the order, as PACE's nonce is on a small curve.
		long := new(big.Int).Lsh(c.n, 64)
		if p, err := c.mul(c.base, long.Add(long, big.NewInt(3))); err != nil || !p.equal(three) {
			t.Errorf("%s: a long number is not reduced: %v", c.name, err)
		}
		if p, err := c.decode(c.encode(three)); err != nil || !p.equal(three) {
			t.Errorf("%s: encoding: %v", c.name, err)
		}
	}
	for _, id := range []int{-1, 0, 1, 2, 7, 19, 31, 32} {
		if standardized(id) != nil {
			t.Errorf("parameter id %d is a curve", id)
		}
	}
}

// TestPoints: what is no point of a curve is refused. An invalid point would give the terminal's key away.
func TestPoints(t *testing.T) {
	for _, c := range curves() {
		good := c.encode(c.base)
		compressed := append([]byte{2 | byte(c.base.y.Bit(0))}, good[1:1+c.bytes]...)
		offCurve := bytes.Clone(good)
		offCurve[len(offCurve)-1] ^= 1
		unreduced := append([]byte{4}, make([]byte, 2*c.bytes)...)
		new(big.Int).Add(c.p, big.NewInt(0)).FillBytes(unreduced[1 : 1+c.bytes])
		for name, b := range map[string][]byte{
			"nothing": nil, "infinity": {0}, "compressed": compressed, "off the curve": offCurve, "zeros": append([]byte{4}, make([]byte, 2*c.bytes)...),
			"unreduced": unreduced, "short": good[:len(good)-1], "long": append(bytes.Clone(good), 0), "hybrid": append([]byte{6}, good[1:]...),
		} {
			if _, err := c.decode(b); !errors.Is(err, lds.ErrMalformed) {
				t.Errorf("%s: %s: %v", c.name, name, err)
			}
		}
	}
}

// TestECDSA compares with the standard library, and shows what is refused.
func TestECDSA(t *testing.T) {
	for _, std := range []elliptic.Curve{elliptic.P224(), elliptic.P256(), elliptic.P384(), elliptic.P521()} {
		key, err := ecdsa.GenerateKey(std, rand.Reader)
		if err != nil {
			t.Fatal(err)
		}
		raw, err := key.PublicKey.Bytes()
		if err != nil {
			t.Fatal(err)
		}
		c := curveByName(t, std.Params().Name)
		q, err := c.decode(raw)
		if err != nil {
			t.Fatal(err)
		}
		digest := sha256.Sum256([]byte("message"))
		signature, err := ecdsa.SignASN1(rand.Reader, key, digest[:])
		if err != nil {
			t.Fatal(err)
		}
		body, _ := lds.Only(signature, 0x30)
		r, body, _ := readInteger(body)
		s, err := integer(body)
		if err != nil || !c.verify(q, digest[:], r, s) {
			t.Errorf("%s: refused: %v", c.name, err)
		}
		other := sha256.Sum256([]byte("another"))
		zero := new(big.Int)
		for _, no := range []bool{
			c.verify(q, other[:], r, s), c.verify(c.base, digest[:], r, s), c.verify(q, digest[:], zero, s), c.verify(q, digest[:], r, zero),
			c.verify(q, digest[:], new(big.Int).Add(r, c.n), s), c.verify(q, digest[:], new(big.Int).Neg(r), s), c.verify(q, digest[:], s, r),
		} {
			if no {
				t.Errorf("%s: something wrong was accepted", c.name)
			}
		}
	}
}

// explicit writes EC parameters in full (RFC 3279 §2.3.5).
func explicit(p, a, b, base, n []byte) []byte {
	number := func(b []byte) []byte { return lds.AppendTLV(nil, 0x02, append([]byte{0}, b...)) }
	field := lds.AppendTLV(nil, 0x30, append(unhex("0607 2A8648CE3D0101"), number(p)...))
	equation := lds.AppendTLV(nil, 0x30, append(lds.AppendTLV(nil, 0x04, a), lds.AppendTLV(nil, 0x04, b)...))
	return lds.AppendTLV(nil, 0x30, bytes.Join([][]byte{unhex("020101"), field, equation, lds.AppendTLV(nil, 0x04, base), number(n), unhex("020101")}, nil))
}

// TestCurveOfKey: a curve is known by name, by number and by its parameters, and these are compared in full. gmrtd looks at the prime only, and then
// at any curve of the same size.
func TestCurveOfKey(t *testing.T) {
	for _, c := range curves() {
		key := c.encode(c.base)
		pad := func(n *big.Int) []byte { return n.FillBytes(make([]byte, c.bytes)) }
		spki := func(algorithm, parameters []byte) []byte {
			alg := lds.AppendTLV(nil, 0x30, append(algorithm, parameters...))
			return lds.AppendTLV(nil, 0x30, append(alg, lds.AppendTLV(nil, 0x03, append([]byte{0}, key...))...))
		}
		ec := unhex("0607 2A8648CE3D0201")
		other := c.encode(must(c.mul(c.base, big.NewInt(2))))
		compressed := append([]byte{2 | byte(c.base.y.Bit(0))}, key[1:1+c.bytes]...)
		for name, tt := range map[string]struct {
			spki []byte
			want error
		}{
			"name":                 {spki(ec, lds.AppendTLV(nil, 0x06, c.oid)), nil},
			"number":               {spki(unhex("0607 04007F00070102"), lds.AppendTLV(nil, 0x02, []byte{byte(c.id)})), nil},
			"parameters":           {spki(ec, explicit(pad(c.p), pad(c.a), pad(c.b), key, pad(c.n))), nil},
			"compressed generator": {spki(ec, explicit(pad(c.p), pad(c.a), pad(c.b), compressed, pad(c.n))), nil},
			"other generator":      {spki(ec, explicit(pad(c.p), pad(c.a), pad(c.b), other, pad(c.n))), ErrUnsupported},
			"other order":          {spki(ec, explicit(pad(c.p), pad(c.a), pad(c.b), key, []byte{7})), ErrUnsupported},
			"other a":              {spki(ec, explicit(pad(c.p), pad(c.b), pad(c.b), key, pad(c.n))), ErrUnsupported},
			"other b":              {spki(ec, explicit(pad(c.p), pad(c.a), pad(c.a), key, pad(c.n))), ErrUnsupported},
			"implicit":             {spki(ec, unhex("0500")), ErrUnsupported},
			"unknown name":         {spki(ec, unhex("0603 2A0304")), ErrUnsupported},
			"unknown number":       {spki(unhex("0607 04007F00070102"), unhex("020102")), ErrUnsupported},
			"no parameters":        {spki(ec, nil), lds.ErrMalformed},
			"cut parameters":       {spki(ec, unhex("3003 020101")), lds.ErrMalformed},
		} {
			got, q, err := ecKey(tt.spki)
			if !errors.Is(err, tt.want) || err == nil && (got != c || !q.equal(c.base)) {
				t.Errorf("%s by %s: %v", c.name, name, err)
			}
		}
	}
}

func must(p point, err error) point {
	if err != nil {
		panic(err)
	}
	return p
}

// TestPACEBrokenAnswers: keys of the chip that are no points, and our own keys given back, end PACE. gmrtd panics on most of them.
func TestPACEBrokenAnswers(t *testing.T) {
	for name, tt := range map[string]struct {
		step   int // of the answer that is replaced
		answer string
		want   error
	}{
		"refused protocol":           {1, "6A80", lds.ErrAccessFailed},
		"no password":                {1, "6A88", lds.ErrKeyUnsuitable},
		"no answer template":         {3, "9000", lds.ErrProtocol},
		"empty template":             {3, "7C00 9000", lds.ErrProtocol},
		"other object":               {3, "7C12 8110 95A3A016522EE98D01E76CB6B98B42C3 9000", lds.ErrProtocol},
		"empty nonce":                {3, "7C02 8000 9000", lds.ErrProtocol},
		"nonce of half a block":      {3, "7C0A 8008 95A3A016522EE98D 9000", lds.ErrProtocol},
		"nonce without end":          {3, "7C81C3 8081C0" + strings.Repeat("00", 192) + "9000", lds.ErrProtocol},
		"bytes behind":               {3, "7C12 8010 95A3A016522EE98D01E76CB6B98B42C3 00 9000", lds.ErrProtocol},
		"refused nonce":              {3, "6985", lds.ErrAccessFailed},
		"mapping key not on curve":   {5, "7C43 8241 04" + strings.Repeat("11", 64) + "9000", lds.ErrProtocol},
		"mapping key infinity":       {5, "7C03 8201 00 9000", lds.ErrProtocol},
		"mapping key of zeros":       {5, "7C43 8241 04" + strings.Repeat("00", 64) + "9000", lds.ErrProtocol},
		"mapping key empty":          {5, "7C02 8200 9000", lds.ErrProtocol},
		"mapping key ours":           {5, "7C43 8241" + paceExample[4][20:strings.LastIndex(paceExample[4], "00")] + "9000", lds.ErrProtocol},
		"agreement key not on curve": {7, "7C43 8441 04" + strings.Repeat("22", 64) + "9000", lds.ErrProtocol},
		"agreement key infinity":     {7, "7C03 8401 00 9000", lds.ErrProtocol},
		"agreement key ours":         {7, "7C43 8441" + paceExample[6][20:strings.LastIndex(paceExample[6], "00")] + "9000", lds.ErrProtocol},
		"agreement refused":          {7, "6300", lds.ErrAccessFailed},
	} {
		t.Run(name, func(t *testing.T) {
			steps := append([]string(nil), paceExample...)
			steps[tt.step] = tt.answer
			c := NewChannel(&script{t: t, steps: steps}, Options{})
			c.keygen = paceExampleKeys()
			v, err := c.PACE(t.Context(), paceExampleCardAccess, examplePACE)
			if !errors.Is(err, tt.want) || v.Status != lds.Failed || c.Secure() || errors.Is(err, lds.ErrKeyRejected) || errors.Is(err, lds.ErrMalformed) && tt.want != lds.ErrMalformed {
				t.Errorf("%v, want %v", err, tt.want)
			}
			if c.Count().APDUs != (tt.step+1)/2 {
				t.Errorf("went on after it: %d commands", c.Count().APDUs)
			}
		})
	}
}

// TestNonceLongerThanOrder: with AES-256 the nonce has 32 bytes, more than the order of a 192-bit curve.
func TestNonceLongerThanOrder(t *testing.T) {
	cv := curveByName(t, "P-192")
	chipKey := must(cv.mul(cv.base, big.NewInt(77)))
	for _, nonce := range [][]byte{bytes.Repeat([]byte{0xFE}, 32), append(make([]byte, 8), cv.n.Bytes()...), make([]byte, 32)} {
		c := NewChannel(transmitFunc(func(context.Context, []byte) ([]byte, error) {
			return append(lds.AppendTLV(nil, 0x7C, lds.AppendTLV(nil, 0x82, cv.encode(chipKey))), 0x90, 0x00), nil
		}), Options{})
		c.keygen = fixedKeys("05")
		got, err := genericMapping{}.mapNonce(t.Context(), c, paceProtocol{}, cv, nonce)
		want := new(big.Int).SetBytes(nonce)
		want.Add(want, big.NewInt(5*77))
		if err != nil || !got.base.equal(must(cv.mul(cv.base, want))) {
			t.Errorf("nonce %X: %v", nonce, err)
		}
	}
}

// citizenCardAccess is EF.CardAccess of the Vietnamese citizen card, which is the same on all of them.
var citizenCardAccess = unhex(`31 34 30 0D 06 08 04007F0007020202 02 01 01 30 0F 06 0A 04007F00070202030202 02 01 01
	30 12 06 0A 04007F00070202040202 02 01 02 02 01 0D`)

// TestChoosePACE: the best of what is offered, with standardized parameters only.
func TestChoosePACE(t *testing.T) {
	info := func(arc, variant byte, rest string) []byte {
		return lds.AppendTLV(nil, 0x30, append(lds.AppendTLV(nil, 0x06, append(unhex("04007F0007020204"), arc, variant)), unhex(rest)...))
	}
	set := func(infos ...[]byte) []byte { return lds.AppendTLV(nil, 0x31, bytes.Join(infos, nil)) }
	for _, tt := range []struct {
		name string
		file []byte
		want string
		err  error
	}{
		{"citizen card", citizenCardAccess, "ECDH-GM AES-128 brainpoolP256r1", nil},
		{"with bytes behind", append(bytes.Clone(citizenCardAccess), 0, 0, 0xFF), "ECDH-GM AES-128 brainpoolP256r1", nil},
		{"the stronger", set(info(2, 2, "020102 02010D"), info(2, 4, "020102 020110"), info(2, 1, "020102 02010D")), "ECDH-GM AES-256 brainpoolP384r1", nil},
		{"3DES", set(info(2, 1, "020102 02010C")), "ECDH-GM 3DES P-256", nil},
		{"chip authentication mapping beside", set(info(2, 2, "020102 02010D"), info(6, 2, "020102 02010D")), "ECDH-CAM AES-128 brainpoolP256r1", nil},
		{"version 1 beside", set(info(2, 4, "020101 02010D"), info(2, 2, "020102 02010D")), "ECDH-GM AES-128 brainpoolP256r1", nil},
		{"own parameters beside", set(info(2, 4, "020102 020120"), info(2, 2, "020102 02010D")), "ECDH-GM AES-128 brainpoolP256r1", nil},
		{"broken ones beside", set(info(2, 4, "0201"), info(2, 4, "020300"), unhex("3000"), info(2, 4, "020102 0208FFFFFFFFFFFFFFFF"), info(2, 2, "020102 02010D")), "ECDH-GM AES-128 brainpoolP256r1", nil},
		{"no parameter id", set(info(2, 2, "020102")), "", ErrUnsupported},
		{"own parameters", set(info(2, 2, "020102 020120")), "", ErrUnsupported},
		{"plain Diffie-Hellman", set(info(1, 2, "020102 020100")), "DH-GM AES-128 MODP-1024/160", nil},
		{"the longer numbers", set(info(1, 2, "020102 020100"), info(1, 2, "020102 020101"), info(1, 2, "020102 020102")), "DH-GM AES-128 MODP-2048/256", nil},
		{"the curve with enough bits, though it comes later", set(info(2, 2, "020102 020108"), info(2, 2, "020102 02010C"), info(2, 2, "020102 020112")), "ECDH-GM AES-128 P-256", nil},
		{"integrated mapping", set(info(4, 2, "020102 02010D")), "ECDH-IM AES-128 brainpoolP256r1", nil},
		{"generic before integrated mapping", set(info(4, 2, "020102 02010D"), info(2, 2, "020102 02010D")), "ECDH-GM AES-128 brainpoolP256r1", nil},
		{"integrated mapping before numbers", set(info(1, 2, "020102 020102"), info(4, 2, "020102 02010D")), "ECDH-IM AES-128 brainpoolP256r1", nil},
		{"numbers with the integrated mapping", set(info(3, 4, "020102 020102")), "DH-IM AES-256 MODP-2048/256", nil},
		{"the cipher before the mapping", set(info(6, 2, "020102 02010D"), info(2, 4, "020102 02010D")), "ECDH-GM AES-256 brainpoolP256r1", nil},
		{"integrated mapping on P-224, for which it is not defined", set(info(4, 2, "020102 02010A")), "", ErrUnsupported},
		{"chip authentication mapping with 3DES, which there is not", set(info(6, 1, "020102 02010D")), "", ErrUnsupported},
		{"numbers on a curve", set(info(1, 2, "020102 02010D")), "", ErrUnsupported},
		{"a curve on numbers", set(info(2, 2, "020102 020100")), "", ErrUnsupported},
		{"reserved parameters", set(info(2, 2, "020102 020103"), info(2, 2, "020102 020113")), "", ErrUnsupported},
		{"nothing", set(), "", ErrUnsupported},
		{"empty file", nil, "", lds.ErrMalformed},
		{"other file", unhex("6000"), "", lds.ErrMalformed},
		{"cut", citizenCardAccess[:40], "", lds.ErrMalformed},
		{"no sequence", unhex("3103 020101"), "", lds.ErrMalformed},
		{"a thousand entries", set(bytes.Repeat(unhex("3000"), 1000)), "", lds.ErrMalformed},
		{"huge", set(make([]byte, 40000)), "", lds.ErrTooLarge},
	} {
		infos, err := parseSecurityInfos(tt.file)
		var got string
		if err == nil {
			var p paceProtocol
			var d domain
			if p, d, _, err = choosePACE(infos.pace); err == nil {
				got = p.name() + " " + p.suite.name + " " + d.label()
			}
		}
		if got != tt.want || !errors.Is(err, tt.err) {
			t.Errorf("%s: %q, %v", tt.name, got, err)
		}
		if tt.err != nil {
			if _, err := NewChannel(nil, Options{}).PACE(t.Context(), tt.file, lds.Key{CAN: "123456"}); !errors.Is(err, tt.err) {
				t.Errorf("%s: PACE says %v", tt.name, err)
			}
		}
	}
}

// TestMRZHash: examples of ICAO 9303-11 Appendix D.2, with a long document number among them.
func TestMRZHash(t *testing.T) {
	for _, tt := range []struct {
		key  lds.MRZKey
		want string // empty: malformed
	}{
		{lds.MRZKey{DocumentNumber: "L898902C", DateOfBirth: "690806", DateOfExpiry: "940623"}, "239AB9CB282DAF66231DC5A4DF6BFBAEDF477565"},
		{lds.MRZKey{DocumentNumber: "L898902C<", DateOfBirth: "690806", DateOfExpiry: "940623"}, "239AB9CB282DAF66231DC5A4DF6BFBAEDF477565"},
		// A long number is hashed in full: SHA-1 of "D23145890734934071279507122".
		{lds.MRZKey{DocumentNumber: "D23145890734", DateOfBirth: "340712", DateOfExpiry: "950712"}, "B366AD857DDCA2B08C0E2998117147300FA5D581"},
		{lds.MRZKey{DocumentNumber: "", DateOfBirth: "690806", DateOfExpiry: "940623"}, ""},
		{lds.MRZKey{DocumentNumber: "L898902C", DateOfBirth: "69080", DateOfExpiry: "940623"}, ""},
		{lds.MRZKey{DocumentNumber: "L898902C", DateOfBirth: "690806", DateOfExpiry: "1994-06-23"}, ""},
		{lds.MRZKey{DocumentNumber: "l898902c", DateOfBirth: "690806", DateOfExpiry: "940623"}, ""},
		{lds.MRZKey{DocumentNumber: "L898902Đ", DateOfBirth: "690806", DateOfExpiry: "940623"}, ""},
		{lds.MRZKey{DocumentNumber: strings.Repeat("1", 26), DateOfBirth: "690806", DateOfExpiry: "940623"}, ""},
	} {
		got, err := mrzHash(&tt.key)
		switch {
		case tt.want == "" && !errors.Is(err, lds.ErrKeyMalformed):
			t.Errorf("%v, %v", tt.key, err)
		case tt.want != "" && (err != nil || !bytes.Equal(got, unhex(tt.want))):
			t.Errorf("%v: %X, %v", tt.key, got, err)
		}
	}
}

// TestNothingIsLogged runs everything with all logs turned up: gmrtd writes keys into them at debug level.
func TestNothingIsLogged(t *testing.T) {
	var out bytes.Buffer
	before, writer, flags := slog.Default(), log.Writer(), log.Flags()
	slog.SetDefault(slog.New(slog.NewTextHandler(&out, &slog.HandlerOptions{Level: slog.LevelDebug})))
	log.SetOutput(&out)
	defer func() {
		slog.SetDefault(before)
		log.SetOutput(writer)
		log.SetFlags(flags)
	}()
	for _, name := range []string{"cccd-mk", "cccd-javelin", "cccd-p384"} {
		card := newCard(t, profile(t, name), chip.Options{})
		if _, _, err := whole(t.Context(), NewChannel(card, Options{}), canKey(card), map[lds.FileID][]byte{}); err != nil {
			t.Fatal(err)
		}
		card.Reset()
		if _, err := open(t.Context(), NewChannel(card, Options{}), lds.Key{CAN: "000000"}); err == nil {
			t.Fatal("opened with a wrong key")
		}
	}
	card := newCard(t, profile(t, "passport-bac"), chip.Options{})
	c := NewChannel(card, Options{})
	if err := c.SelectApplication(t.Context()); err != nil {
		t.Fatal(err)
	}
	if _, err := c.BAC(t.Context(), mrzKey(card)); err != nil {
		t.Fatal(err)
	}
	if out.Len() > 0 {
		t.Errorf("%d bytes of log, from %.40q", out.Len(), out.String())
	}
}

// TestBACAnswers: a refusal is a wrong key; an answer that does not prove the key, or is not about this exchange, is not.
func TestBACAnswers(t *testing.T) {
	hash, err := mrzHash(exampleBAC.MRZ)
	if err != nil {
		t.Fatal(err)
	}
	seed := hash[:16]
	answer := func(plain []byte) string {
		enc, mac := suite3DES.cipher(suite3DES.kdf(seed, 1)), suite3DES.kdf(seed, 2)
		out := bytes.Clone(plain)
		cipher.NewCBCEncrypter(enc, make([]byte, 8)).CryptBlocks(out, out)
		out = append(out, suite3DES.mac(mac, append(bytes.Clone(out), 0x80, 0, 0, 0, 0, 0, 0, 0))...)
		return hex.EncodeToString(out) + "9000"
	}
	good := unhex("4608F91988702212 781723860C06C226 0B4F80323EB3191CB04970CB4052790B")
	otherIC, otherIFD := bytes.Clone(good), bytes.Clone(good)
	otherIC[0] ^= 1
	otherIFD[8] ^= 1
	wrongMAC := unhex(answer(good))
	wrongMAC[35] ^= 1
	for _, tt := range []struct {
		name, challenge, answer string
		want                    error
	}{
		{"right", "", answer(good), nil},
		{"another chip challenge", "", answer(otherIC), lds.ErrAccessFailed},
		{"another terminal challenge", "", answer(otherIFD), lds.ErrAccessFailed},
		{"wrong MAC", "", hex.EncodeToString(wrongMAC), lds.ErrAccessFailed},
		{"nothing", "", "9000", lds.ErrAccessFailed},
		{"short", "", "00112233 9000", lds.ErrAccessFailed},
		{"6300", "", "6300", lds.ErrKeyRejected},
		{"6982", "", "6982", lds.ErrKeyRejected},
		{"6985", "", "6985", lds.ErrKeyRejected},
		{"6988", "", "6988", lds.ErrKeyRejected},
		{"6F00", "", "6F00", lds.ErrAccessFailed},
		{"no challenge", "6D00", "", ErrUnsupported},
		{"challenge refused", "6985", "", lds.ErrAccessFailed},
		{"challenge of seven bytes", "4608F919887022 9000", "", lds.ErrProtocol},
	} {
		t.Run(tt.name, func(t *testing.T) {
			steps := []string{"0084000008", "4608F91988702212 9000",
				"0082000028 72C29C2371CC9BDB65B779B8E8D37B29ECC154AA56A8799FAE2F498F76ED92F25F1448EEA8AD90A7 28", tt.answer}
			if tt.challenge != "" {
				steps = []string{"0084000008", tt.challenge}
			}
			s := &script{t: t, steps: steps}
			c := NewChannel(s, Options{})
			c.rand = bytes.NewReader(unhex("781723860C06C226 0B795240CB7049B01C19B33E32804F0B"))
			v, err := c.BAC(t.Context(), exampleBAC)
			if !errors.Is(err, tt.want) || c.Secure() != (tt.want == nil) || (v.Status == lds.Passed) != (tt.want == nil) {
				t.Errorf("%+v, %v", v, err)
			}
			s.done()
		})
	}
}

// TestSelectApplication types what a card says to SELECT.
func TestSelectApplication(t *testing.T) {
	for answer, want := range map[string]error{
		"9000": nil, "6A82": lds.ErrCardUnsupported, "6D00": lds.ErrCardUnsupported, "6E00": lds.ErrCardUnsupported, "6A86": lds.ErrCardUnsupported,
		"6982": lds.ErrAccessFailed, "6F00": lds.ErrProtocol, "90": ErrShortResponse,
	} {
		err := NewChannel(&script{t: t, steps: []string{"00A4040C07A0000002471001", answer}}, Options{}).SelectApplication(t.Context())
		if !errors.Is(err, want) {
			t.Errorf("%s: %v", answer, err)
		}
	}
}
