package access

import (
	"bytes"
	"context"
	"crypto"
	"crypto/cipher"
	"encoding/hex"
	"errors"
	"math/big"
	"strings"
	"testing"

	"github.com/gmrtd/gmrtd/cryptoutils"

	"github.com/tapcheck/tapcheck/icao/lds"
)

// unhex reads hexadecimal text as the standard prints it, with spaces and line ends.
func unhex(s string) []byte {
	b, err := hex.DecodeString(strings.Join(strings.Fields(s), ""))
	if err != nil {
		panic(err)
	}
	return b
}

// script is a transmitter that expects exact commands and gives prepared answers.
type script struct {
	t     *testing.T
	steps []string // command, answer, command, answer …
	n     int
}

func (s *script) Transmit(_ context.Context, apdu []byte) ([]byte, error) {
	s.t.Helper()
	if s.n+1 >= len(s.steps) {
		s.t.Fatalf("command %d is not in the script: %X", s.n/2, apdu)
	}
	want, answer := unhex(s.steps[s.n]), unhex(s.steps[s.n+1])
	s.n += 2
	if !bytes.Equal(apdu, want) {
		s.t.Fatalf("command %d\n got %X\nwant %X", s.n/2-1, apdu, want)
	}
	return answer, nil
}

func (s *script) done() {
	s.t.Helper()
	if s.n != len(s.steps) {
		s.t.Errorf("%d of %d steps were taken", s.n/2, len(s.steps)/2)
	}
}

// fixedKeys gives prepared private keys in turn.
func fixedKeys(keys ...string) keygen {
	return func(domain) (*big.Int, error) {
		k := new(big.Int).SetBytes(unhex(keys[0]))
		keys = keys[1:]
		return k, nil
	}
}

// choosePACE gives the best of what a card offers.
func choosePACE(infos []paceInfo) (paceProtocol, domain, bool, error) {
	offers, passedOver, err := rankPACE(infos)
	if err != nil {
		return paceProtocol{}, nil, false, err
	}
	return offers[0].paceProtocol, offers[0].d, passedOver, nil
}

// The passport of the worked examples (ICAO 9303-11 Appendix D and G).
var (
	exampleBAC  = lds.Key{MRZ: &lds.MRZKey{DocumentNumber: "L898902C", DateOfBirth: "690806", DateOfExpiry: "940623"}}
	examplePACE = lds.Key{MRZ: &lds.MRZKey{DocumentNumber: "T22000129", DateOfBirth: "640812", DateOfExpiry: "101031"}, From: lds.FromMRZ}
)

// TestBACWorkedExample follows ICAO 9303-11 Appendix D.2 to D.4: key derivation, BAC, and reading EF.COM under secure messaging.
func TestBACWorkedExample(t *testing.T) {
	hash, err := mrzHash(exampleBAC.MRZ)
	if err != nil || !bytes.Equal(hash, unhex("239AB9CB282DAF66231DC5A4DF6BFBAEDF477565")) {
		t.Fatalf("hash of the MRZ: %X, %v", hash, err)
	}
	if got, want := suite3DES.kdf(hash[:16], 1), unhex("AB94FDECF2674FDFB9B391F85D7F76F2"); !bytes.Equal(got, want) {
		t.Errorf("KEnc %X, want %X", got, want)
	}
	if got, want := suite3DES.kdf(hash[:16], 2), unhex("7962D9ECE03D1ACD4C76089DCE131543"); !bytes.Equal(got, want) {
		t.Errorf("KMac %X, want %X", got, want)
	}

	s := &script{t: t, steps: []string{
		"0084000008", "4608F91988702212 9000",
		"0082000028 72C29C2371CC9BDB65B779B8E8D37B29ECC154AA56A8799FAE2F498F76ED92F25F1448EEA8AD90A7 28",
		"46B9342A41396CD7386BF5803104D7CEDC122B9132139BAF2EEDC94EE178534F2F2D235D074D7449 9000",
		"0CA4020C158709016375432908C044F68E08BF8B92D635FF24F800", "990290008E08FA855A5D4C50A8ED9000",
		"0CB000000D9701048E08ED6705417E96BA5500", "8709019FF0EC34F9922651990290008E08AD55CC17140B2DED9000",
		"0CB000040D9701128E082EA28A70F3C7B53500", "871901FB9235F4E4037F2327DCC8964F1F9B8C30F42C8E2FFF224A990290008E08C8B2787EAEA07D749000",
	}}
	c := NewChannel(s, Options{NoSFI: true})
	c.rand = bytes.NewReader(unhex("781723860C06C226 0B795240CB7049B01C19B33E32804F0B"))
	v, err := c.BAC(t.Context(), exampleBAC)
	if err != nil || v.Status != lds.Passed || v.Protocol != "BAC" || v.Key != lds.KeyMRZ {
		t.Fatalf("BAC: %+v, %v", v, err)
	}
	if want := unhex("887022120C06C226"); !bytes.Equal(c.sm.ssc, want) {
		t.Errorf("SSC %X, want %X", c.sm.ssc, want)
	}
	if want := unhex("F1CB1F1FB5ADF208806B89DC579DC1F8"); !bytes.Equal(c.sm.macKey, want) {
		t.Errorf("KSMac %X, want %X", c.sm.macKey, want)
	}
	// What both sides send, and the session's seed out of it.
	kEnc, kMac := suite3DES.cipher(unhex("AB94FDECF2674FDFB9B391F85D7F76F2")), unhex("7962D9ECE03D1ACD4C76089DCE131543")
	for _, half := range []struct{ what, plain, sealed, mac string }{
		{"S", "781723860C06C226 4608F91988702212 0B795240CB7049B01C19B33E32804F0B", "72C29C2371CC9BDB65B779B8E8D37B29ECC154AA56A8799FAE2F498F76ED92F2", "5F1448EEA8AD90A7"},
		{"R", "4608F91988702212 781723860C06C226 0B4F80323EB3191CB04970CB4052790B", "46B9342A41396CD7386BF5803104D7CEDC122B9132139BAF2EEDC94EE178534F", "2F2D235D074D7449"},
	} {
		opened := make([]byte, 32)
		cipher.NewCBCDecrypter(kEnc, make([]byte, 8)).CryptBlocks(opened, unhex(half.sealed))
		if !bytes.Equal(opened, unhex(half.plain)) {
			t.Errorf("%s %X", half.what, opened)
		}
		if got := suite3DES.mac(kMac, cryptoutils.ISO9797Method2Pad(unhex(half.sealed), 8)); !bytes.Equal(got, unhex(half.mac)) {
			t.Errorf("MAC over %s %X", half.what, got)
		}
	}
	seed := unhex("0B795240CB7049B01C19B33E32804F0B")
	for i, b := range unhex("0B4F80323EB3191CB04970CB4052790B") {
		seed[i] ^= b
	}
	if want := unhex("0036D272F5C350ACAC50C3F572D23600"); !bytes.Equal(seed, want) {
		t.Errorf("Kseed %X, want %X", seed, want)
	}
	if got, want := suite3DES.kdf(seed, 1), unhex("979EC13B1CBFE9DCD01AB0FED307EAE5"); !bytes.Equal(got, want) {
		t.Errorf("KSEnc %X, want %X", got, want)
	}
	// The example reads four bytes first and then the rest, as nobody does any more; so step by step.
	var file []byte
	counters := []string{"887022120C06C228", "887022120C06C22A", "887022120C06C22C"}
	for _, cmd := range []command{
		{ins: 0xA4, p1: 2, p2: 0x0C, data: []byte{0x01, 0x1E}},
		{ins: 0xB0, le: 4},
		{ins: 0xB0, p2: 4, le: 18},
	} {
		r, err := c.send(t.Context(), "example", cmd)
		if err != nil || r.sw != swOK {
			t.Fatalf("%04X, %v", r.sw, err)
		}
		file = append(file, r.data...)
		if want := unhex(counters[0]); !bytes.Equal(c.sm.ssc, want) {
			t.Errorf("SSC %X, want %X", c.sm.ssc, want)
		}
		counters = counters[1:]
	}
	if want := unhex("60145F0104303130365F36063034303030305C026175"); !bytes.Equal(file, want) {
		t.Errorf("EF.COM %X, want %X", file, want)
	}
	s.done()
}

// paceExample is ICAO 9303-11 Appendix G.1, but for one thing: we always send the domain parameter reference (84), because there
// are cards that want it where the standard does not.
var paceExample = []string{
	"0022C1A412 800A04007F00070202040202 830101 84010D", "9000",
	"10860000 02 7C00 00", "7C12 8010 95A3A016522EE98D01E76CB6B98B42C3 9000",
	`1086000045 7C43 8141 04 7ACF3EFC982EC45565A4B155129EFBC74650DCBFA6362D896FC70262E0C2CC5E
	 544552DCB6725218799115B55C9BAA6D9F6BC3A9618E70C25AF71777A9C4922D 00`,
	`7C43 8241 04 824FBA91C9CBE26BEF53A0EBE7342A3BF178CEA9F45DE0B70AA601651FBA3F57
	 30D8C879AAA9C9F73991E61B58F4D52EB87A0A0C709A49DC63719363CCD13C54 9000`,
	`1086000045 7C43 8341 04 2DB7A64C0355044EC9DF190514C625CBA2CEA48754887122F3A5EF0D5EDD301C
	 3556F3B3B186DF10B857B58F6A7EB80F20BA5DC7BE1D43D9BF850149FBB36462 00`,
	`7C43 8441 04 9E880F842905B8B3181F7AF7CAA9F0EFB743847F44A306D2D28C1D9EC65DF6DB
	 7764B22277A2EDDC3C265A9F018F9CB852E111B768B326904B59A0193776F094 9000`,
	"008600000C 7C0A 8508 C2B0BD78D94BA866 00", "7C0A 8608 3ABB9674BCE93C08 9000",
}

var paceExampleCardAccess = unhex("3114 3012060A04007F000702020402020201020201 0D")

func paceExampleKeys() keygen {
	return fixedKeys("7F4EF07B9EA82FD78AD689B38D0BC78CF21F249D953BC46F4C6E19259C010F99",
		"A73FB703AC1436A18E0CFA5ABB3F7BEC7A070E7A6788486BEE230C4A22762595")
}

// TestPACEWorkedExample follows ICAO 9303-11 Appendix G.1: every command and every intermediate value.
func TestPACEWorkedExample(t *testing.T) {
	s := &script{t: t, steps: paceExample}
	c := NewChannel(s, Options{})
	c.keygen = paceExampleKeys()
	v, err := c.PACE(t.Context(), paceExampleCardAccess, examplePACE)
	if err != nil {
		t.Fatal(err)
	}
	want := lds.AccessVerdict{Status: lds.Passed, Protocol: "PACE", Detail: "ECDH-GM AES-128 brainpoolP256r1", Key: lds.KeyMRZ, KeyFrom: lds.FromMRZ}
	if v != want {
		t.Errorf("verdict %+v", v)
	}
	if !c.Secure() || !bytes.Equal(c.sm.macKey, unhex("FE251C7858B356B24514B3BD5F4297D1")) {
		t.Errorf("KSMac %X", c.sm.macKey)
	}
	s.done()

	infos, err := parseSecurityInfos(paceExampleCardAccess)
	if err != nil {
		t.Fatal(err)
	}
	p, cv, _, err := choosePACE(infos.pace)
	if err != nil {
		t.Fatal(err)
	}
	pw, _ := passwords(examplePACE)
	nonce, err := p.decryptNonce(pw[0].secret, unhex("95A3A016522EE98D01E76CB6B98B42C3"))
	if err != nil || !bytes.Equal(nonce, unhex("3F00C4D39D153F2B2A214A078D899B22")) {
		t.Errorf("nonce %X, %v", nonce, err)
	}
	m := NewChannel(&script{t: t, steps: paceExample[4:6]}, Options{})
	m.keygen = paceExampleKeys()
	got, err := genericMapping{}.mapNonce(t.Context(), m, p, cv, nonce)
	if want := unhex(`04 8CED63C91426D4F0EB1435E7CB1D74A46723A0AF21C89634F65A9AE87A9265E2
		8C879506743F8611AC33645C5B985C80B5F09A0B83407C1B6A4D857AE76FE522`); err != nil || !bytes.Equal(cv.encode(got.base), want) {
		t.Errorf("mapped generator %X, %v", cv.encode(got.base), err)
	}
	secret := unhex("28768D20701247DAE81804C9E780EDE582A9996DB4A315020B2733197DB84925")
	if got := p.suite.kdf(secret, 1); !bytes.Equal(got, unhex("F5F0E35C0D7161EE6724EE513A0D9A7F")) {
		t.Errorf("KSEnc %X", got)
	}
	chip, err := cv.decode(unhex(`04 9E880F842905B8B3181F7AF7CAA9F0EFB743847F44A306D2D28C1D9EC65DF6DB
		7764B22277A2EDDC3C265A9F018F9CB852E111B768B326904B59A0193776F094`))
	if err != nil {
		t.Fatal(err)
	}
	if got, want := p.tokenInput(cv, cv.encode(chip)), unhex(`7F494F06 0A04007F 00070202 04020286 41049E88 0F842905 B8B3181F 7AF7CAA9
		F0EFB743 847F44A3 06D2D28C 1D9EC65D F6DB7764 B22277A2 EDDC3C26 5A9F018F 9CB852E1 11B768B3 26904B59 A0193776 F094`); !bytes.Equal(got, want) {
		t.Errorf("token input %X", got)
	}
}

// TestPACEWrongTokens: a refusal of our token is a wrong key, a wrong token of the chip is not.
func TestPACEWrongTokens(t *testing.T) {
	for _, tt := range []struct {
		answer string
		want   error
	}{
		{"6300", lds.ErrKeyRejected},
		{"63C2", lds.ErrKeyRejected},
		{"6982", lds.ErrAccessFailed},
		{"7C0A 8608 3ABB9674BCE93C09 9000", lds.ErrAccessFailed},
		{"7C09 8607 3ABB9674BCE93C 9000", lds.ErrAccessFailed},
		{"7C02 8600 9000", lds.ErrAccessFailed},
		{"7C00 9000", lds.ErrProtocol},
		{"9000", lds.ErrProtocol},
		{"7C0A 8608 3ABB 9000", lds.ErrProtocol},
	} {
		steps := append([]string(nil), paceExample...)
		steps[len(steps)-1] = tt.answer
		c := NewChannel(&script{t: t, steps: steps}, Options{})
		c.keygen = paceExampleKeys()
		v, err := c.PACE(t.Context(), paceExampleCardAccess, examplePACE)
		if !errors.Is(err, tt.want) || v.Status != lds.Failed || c.Secure() {
			t.Errorf("%s: %v, %v, want %v", tt.answer, v.Status, err, tt.want)
		}
	}
}

// TestActiveAuthenticationWorkedExample opens the representative of ICAO 9303-11 Appendix F. The example prints no key, so that
// the opened representative stands for the signature with the exponent that leaves it as it is, under a modulus of its own.
func TestActiveAuthenticationWorkedExample(t *testing.T) {
	f := unhex(`6A9D2784A67F8E7C659973EA1AEA25D9 5B6C8F91E5002F369F0FBDCE8A3CEC19 91B543F1696546C5524CF23A5303CD6C
		98599F40B79F377B5F3A1406B3B4D8F9 6784D23AA88DB7E1032A405E69325FA9 1A6E86F5C71AEA978264C4A207446DAD
		4E7292E2DCDA3024B47DA8C063AA1E6D 22FBD976AB0FE73D94D2D9C6D88127BC`)
	m1, digest, trailer := f[1:107], f[107:127], f[127:]
	if h := sum(crypto.SHA1, m1, unhex("F173589974BF40C6")); len(m1)*8 != 848 || !bytes.Equal(h, unhex("C063AA1E6D22FBD976AB0FE73D94D2D9C6D88127")) || !bytes.Equal(digest, h) || trailer[0] != 0xBC {
		t.Errorf("digest %X of %d bytes, trailer %X", h, len(m1), trailer)
	}
	n := new(big.Int).Sub(new(big.Int).Lsh(big.NewInt(1), 1024), big.NewInt(1))
	one := big.NewInt(1)
	challenge := unhex("F173589974BF40C6")
	if !verifyRecovery(n, one, challenge, f) {
		t.Error("the example's representative is not accepted")
	}
	for i := range f {
		g := bytes.Clone(f)
		g[i] ^= 0x10
		if verifyRecovery(n, one, challenge, g) {
			t.Errorf("accepted with byte %d changed", i)
		}
	}
	if verifyRecovery(n, one, unhex("F173589974BF40C7"), f) {
		t.Error("accepted for another challenge")
	}
}
