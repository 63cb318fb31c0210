package chip

import (
	"bytes"
	"crypto/aes"
	"crypto/ecdh"
	"encoding/hex"
	"io"
	"math/big"
	"slices"
	"strings"
	"testing"
)

func unhex(s string) []byte {
	b, err := hex.DecodeString(strings.Join(strings.Fields(s), ""))
	if err != nil {
		panic(err)
	}
	return b
}

func hexInt(s string) *big.Int { return new(big.Int).SetBytes(unhex(s)) }

// RFC 4493 §4, and the longer keys of NIST SP 800-38B appendix D.
func TestCMAC(t *testing.T) {
	msg := unhex(`6bc1bee22e409f96e93d7e117393172a ae2d8a571e03ac9c9eb76fac45af8e51
		30c81c46a35ce411e5fbc1191a0a52ef f69f2445df4f9b17ad2b417be66c3710`)
	for _, tt := range []struct {
		key  string
		n    int
		want string
	}{
		{"2b7e151628aed2a6abf7158809cf4f3c", 0, "bb1d6929e95937287fa37d129b756746"},
		{"2b7e151628aed2a6abf7158809cf4f3c", 16, "070a16b46b4d4144f79bdd9dd04a287c"},
		{"2b7e151628aed2a6abf7158809cf4f3c", 40, "dfa66747de9ae63030ca32611497c827"},
		{"2b7e151628aed2a6abf7158809cf4f3c", 64, "51f0bebf7e3b9d92fc49741779363cfe"},
		{"8e73b0f7da0e6452c810f32b809079e562f8ead2522c6b7b", 0, "d17ddf46adaacde531cac483de7a9367"},
		{"8e73b0f7da0e6452c810f32b809079e562f8ead2522c6b7b", 16, "9e99a7bf31e710900662f65e617c5184"},
		{"603deb1015ca71be2b73aef0857d77811f352c073b6108d72d9810a30914dff4", 0, "028962f61b7bf89efc6b551f4667d983"},
		{"603deb1015ca71be2b73aef0857d77811f352c073b6108d72d9810a30914dff4", 64, "e1992190549f6ed5696a2c056c315410"},
	} {
		b, err := aes.NewCipher(unhex(tt.key))
		if err != nil {
			t.Fatal(err)
		}
		if got := cmac(b, msg[:tt.n]); !bytes.Equal(got, unhex(tt.want)) {
			t.Errorf("%d-byte key, %d bytes: %X", len(tt.key)/2, tt.n, got)
		}
	}
}

// Key derivation of ICAO 9303-11 Appendix D.2 (3DES) and Appendix G.1 (AES-128).
func TestKDF(t *testing.T) {
	seed := unhex("239AB9CB282DAF66231DC5A4DF6BFBAE")
	if got := suites[0].kdf(seed, 1); !bytes.Equal(got, unhex("AB94FDECF2674FDFB9B391F85D7F76F2")) {
		t.Errorf("KEnc %X", got)
	}
	if got := suites[0].kdf(seed, 2); !bytes.Equal(got, unhex("7962D9ECE03D1ACD4C76089DCE131543")) {
		t.Errorf("KMac %X", got)
	}
	secret := unhex("28768D20701247DAE81804C9E780EDE582A9996DB4A315020B2733197DB84925")
	if got := suites[1].kdf(secret, 1); !bytes.Equal(got, unhex("F5F0E35C0D7161EE6724EE513A0D9A7F")) {
		t.Errorf("KSEnc %X", got)
	}
	if got := suites[1].kdf(secret, 2); !bytes.Equal(got, unhex("FE251C7858B356B24514B3BD5F4297D1")) {
		t.Errorf("KSMac %X", got)
	}
}

// Diffie-Hellman of RFC 7027 appendix A and RFC 6932 appendix A.1.
func TestBrainpoolVectors(t *testing.T) {
	for _, tt := range []struct{ curve, dA, xA, yA, dB, xB, yB, xZ, yZ string }{
		{"brainpoolP224r1",
			"7C4B7A2C8A4BAD1FBB7D79CC0955DB7C6A4660CA64CC4778159B495E",
			"B104A67A6F6E85E14EC1825E1539E8ECDBBF584922367DD88C6BDCF2", "46D782E7FDB5F60CD8404301AC5949C58EDB26BC68BA07695B750A94",
			"63976D4AAE6CD0F6DD18DEFEF55D96569D0507C03E74D6486FFA28FB",
			"2A97089A9296147B71B21A4B574E1278245B536F14D8C2B9D07A874E", "9B900D7C77A709A797276B8CA1BA61BB95B546FC29F862E44D59D25B",
			"312DFD98783F9FB77B9704945A73BEB6DCCBE3B65D0F967DCAB574EB", "6F800811D64114B1C48C621AB3357CF93F496E4238696A2A012B3C98"},
		{"brainpoolP256r1",
			"81DB1EE100150FF2EA338D708271BE38300CB54241D79950F77B063039804F1D",
			"44106E913F92BC02A1705D9953A8414DB95E1AAA49E81D9E85F929A8E3100BE5", "8AB4846F11CACCB73CE49CBDD120F5A900A69FD32C272223F789EF10EB089BDC",
			"55E40BC41E37E3E2AD25C3C6654511FFA8474A91A0032087593852D3E7D76BD3",
			"8D2D688C6CF93E1160AD04CC4429117DC2C41825E1E9FCA0ADDD34E6F1B39F7B", "990C57520812BE512641E47034832106BC7D3E8DD0E4C7F1136D7006547CEC6A",
			"89AFC39D41D3B327814B80940B042590F96556EC91E6AE7939BCE31F3A18BF2B", "49C27868F4ECA2179BFD7D59B1E3BF34C1DBDE61AE12931648F43E59632504DE"},
		{"brainpoolP384r1",
			"1E20F5E048A5886F1F157C74E91BDE2B98C8B52D58E5003D57053FC4B0BD65D6F15EB5D1EE1610DF870795143627D042",
			"68B665DD91C195800650CDD363C625F4E742E8134667B767B1B476793588F885AB698C852D4A6E77A252D6380FCAF068", "55BC91A39C9EC01DEE36017B7D673A931236D2F1F5C83942D049E3FA20607493E0D038FF2FD30C2AB67D15C85F7FAA59",
			"032640BC6003C59260F7250C3DB58CE647F98E1260ACCE4ACDA3DD869F74E01F8BA5E0324309DB6A9831497ABAC96670",
			"4D44326F269A597A5B58BBA565DA5556ED7FD9A8A9EB76C25F46DB69D19DC8CE6AD18E404B15738B2086DF37E71D1EB4", "62D692136DE56CBE93BF5FA3188EF58BC8A3A0EC6C1E151A21038A42E9185329B5B275903D192F8D4E1F32FE9CC78C48",
			"0BD9D3A7EA0B3D519D09D8E48D0785FB744A6B355E6304BC51C229FBBCE239BBADF6403715C35D4FB2A5444F575D4F42", "0DF213417EBE4D8E40A5F76F66C56470C489A3478D146DECF6DF0D94BAE9E598157290F8756066975F1DB34B2324B7BD"},
		{"brainpoolP512r1",
			"16302FF0DBBB5A8D733DAB7141C1B45ACBC8715939677F6A56850A38BD87BD59B09E80279609FF333EB9D4C061231FB26F92EEB04982A5F1D1764CAD57665422",
			"0A420517E406AAC0ACDCE90FCD71487718D3B953EFD7FBEC5F7F27E28C6149999397E91E029E06457DB2D3E640668B392C2A7E737A7F0BF04436D11640FD09FD", "72E6882E8DB28AAD36237CD25D580DB23783961C8DC52DFA2EC138AD472A0FCEF3887CF62B623B2A87DE5C588301EA3E5FC269B373B60724F5E82A6AD147FDE7",
			"230E18E1BCC88A362FA54E4EA3902009292F7F8033624FD471B5D8ACE49D12CFABBC19963DAB8E2F1EBA00BFFB29E4D72D13F2224562F405CB80503666B25429",
			"9D45F66DE5D67E2E6DB6E93A59CE0BB48106097FF78A081DE781CDB31FCE8CCBAAEA8DD4320C4119F1E9CD437A2EAB3731FA9668AB268D871DEDA55A5473199F", "2FDC313095BCDD5FB3A91636F07A959C8E86B5636A1E930E8396049CB481961D365CC11453A06C719835475B12CB52FC3C383BCE35E27EF194512B71876285FA",
			"A7927098655F1F9976FA50A9D566865DC530331846381C87256BAF3226244B76D36403C024D7BBF0AA0803EAFF405D3D24F11A9B5C0BEF679FE1454B21C4CD1F", "7DB71C3DEF63212841C463E881BDCF055523BD368240E6C3143BD8DEF8B3B3223B95E0F53082FF5E412F4222537A43DF1C6D25729DDB51620A832BE6A26680A2"},
	} {
		c := curveByName(tt.curve)
		pt := func(x, y string) point { return point{hexInt(x), hexInt(y)} }
		a, b := pt(tt.xA, tt.yA), pt(tt.xB, tt.yB)
		if !c.mult(c.g, hexInt(tt.dA)).equal(a) || !c.mult(c.g, hexInt(tt.dB)).equal(b) {
			t.Errorf("%s: public keys are wrong", tt.curve)
		}
		z := pt(tt.xZ, tt.yZ)
		if !c.mult(b, hexInt(tt.dA)).equal(z) || !c.mult(a, hexInt(tt.dB)).equal(z) {
			t.Errorf("%s: shared secret is wrong", tt.curve)
		}
	}
}

// Key pairs that OpenSSL 3 made, for the two curves without a published exchange.
func TestBrainpoolKeyPairs(t *testing.T) {
	for _, tt := range []struct{ curve, d, q string }{
		{"brainpoolP192r1", "4a82317b53a75d36dbe8f5ea97bb10c329a5729847236a35",
			"049a1bdd5eba807d520ba422d73aa100d0f71ad3368fec9e652f25c1ff9938e8b6152afe9274c0def61a23f846cc221b11"},
		{"brainpoolP320r1", "a156cf4b6d9e6c233b3b14cdad431abaa66b726bb0dfb4310ae020683b81b3428891932100cae393",
			"04120763a699a5c7d7c686676b2a276b597a35b4536472f032ef591ff5d8264836601361f6aa505338843a55a50f3285ce84f8ce253fb3bad9e946fe1a813043efb88d90844ecb9abca900060742925909"},
	} {
		c := curveByName(tt.curve)
		if got := c.encode(c.mult(c.g, hexInt(tt.d))); !bytes.Equal(got, unhex(tt.q)) {
			t.Errorf("%s: %x", tt.curve, got)
		}
	}
}

// Every curve's constants hold together: primes, base point, order, and the laws that every use here rests on.
func TestCurves(t *testing.T) {
	for _, c := range curves {
		t.Run(c.name, func(t *testing.T) {
			if !c.p.ProbablyPrime(20) || !c.n.ProbablyPrime(20) || !c.onCurve(c.g) {
				t.Fatal("constants are wrong")
			}
			if !c.mult(c.g, c.n).infinite() {
				t.Error("order is not the base point's")
			}
			nm1 := new(big.Int).Sub(c.n, big.NewInt(1))
			minus := c.mult(c.g, nm1)
			if minus.x.Cmp(c.g.x) != 0 || !c.sum(minus, c.g).infinite() {
				t.Error("(n−1)·G is not −G")
			}
			if !c.sum(c.g, c.g).equal(c.mult(c.g, big.NewInt(2))) || !c.sum(c.g, point{}).equal(c.g) {
				t.Error("addition is wrong")
			}
			rnd := newStream([]byte("curves"), c.name)
			k1, _ := c.scalar(rnd)
			k2, _ := c.scalar(rnd)
			s := new(big.Int).Add(k1, k2)
			if !c.sum(c.mult(c.g, k1), c.mult(c.g, k2)).equal(c.mult(c.g, s.Mod(s, c.n))) {
				t.Error("k1·G + k2·G is not (k1+k2)·G")
			}
			q := c.mult(c.g, k1)
			if r, err := c.decode(c.encode(q)); err != nil || !r.equal(q) {
				t.Errorf("encoding: %v", err)
			}
			bad := c.encode(q)
			bad[len(bad)-1] ^= 1
			for _, b := range [][]byte{bad, bad[:len(bad)-1], nil, {4}, make([]byte, len(bad))} {
				if _, err := c.decode(b); err == nil {
					t.Errorf("a point that is none is taken: % X", b)
				}
			}
			h := hashAlgs[2].sum([]byte("message"))
			r, sg, err := c.ecdsaSign(k1, h, rnd)
			if err != nil || !c.ecdsaVerify(q, h, r, sg) {
				t.Errorf("ECDSA: %v", err)
			}
			h[0] ^= 1
			if c.ecdsaVerify(q, h, r, sg) {
				t.Error("ECDSA takes another hash")
			}
			for zeros := 1; zeros <= 2; zeros++ {
				k, err := c.scalarWithZeros(q, zeros, rnd)
				if err != nil {
					t.Fatal(err)
				}
				if n := leadingZeros(c.secret(c.mult(q, k))); n != zeros {
					t.Errorf("forced %d zero bytes, got %d", zeros, n)
				}
			}
		})
	}
}

func TestNISTCurvesAgainstStandardLibrary(t *testing.T) {
	for name, std := range map[string]ecdh.Curve{"P-256": ecdh.P256(), "P-384": ecdh.P384(), "P-521": ecdh.P521()} {
		c := curveByName(name)
		k, err := c.scalar(newStream([]byte(name)))
		if err != nil {
			t.Fatal(err)
		}
		priv, err := std.NewPrivateKey(k.FillBytes(make([]byte, c.size)))
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(priv.PublicKey().Bytes(), c.encode(c.mult(c.g, k))) {
			t.Errorf("%s: public key differs from crypto/ecdh", name)
		}
	}
}

// fixedScalar is the bytes from which curve.scalar makes k. One of the examples' private keys is larger than the order.
func fixedScalar(c *curve, k string) []byte {
	v := new(big.Int).Mod(hexInt(k), c.n)
	return v.Sub(v, big.NewInt(1)).FillBytes(make([]byte, (c.n.BitLen()+7)/8+8))
}

// play sends commands and wants exact answers.
func play(t *testing.T, c *Chip, steps ...string) {
	t.Helper()
	for i := 0; i < len(steps); i += 2 {
		if got := c.Transmit(unhex(steps[i])); !bytes.Equal(got, unhex(steps[i+1])) {
			t.Fatalf("answer to command %d\n got %X\nwant %X", i/2, got, unhex(steps[i+1]))
		}
	}
}

// The worked example of PACE, ICAO 9303-11 Appendix G.1, from the chip's side: with the example's random numbers the chip
// gives the example's answers.
func TestPACEWorkedExample(t *testing.T) {
	p, err := ProfileByName("cccd-mk")
	if err != nil {
		t.Fatal(err)
	}
	cv := curveByName("brainpoolP256r1")
	card := &Card{profile: p, who: Persona{Number: "000T22000129", DateOfBirth: "1964-08-12", ExpiresAt: "2010-10-31"}}
	chip := card.Chip(Options{
		Violation: func(s string) { t.Error(s) },
		Rand: bytes.NewReader(slices.Concat(
			unhex("3F00C4D39D153F2B2A214A078D899B22"),
			fixedScalar(cv, "498FF49756F2DC1587840041839A85982BE7761D14715FB091EFA7BCE9058560"),
			fixedScalar(cv, "107CF58696EF6155053340FD633392BA81909DF7B9706F226F32086C7AFF974A"))),
	})
	play(t, chip,
		"0022C1A40F 800A04007F00070202040202 830101", "9000",
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
	)
	if !chip.Open() {
		t.Error("chip is not open")
	}
}

// fixedGroupScalar is the same for a group. The examples' private keys may be longer than its order.
func fixedGroupScalar(g *group, k string) []byte {
	v := new(big.Int).Mod(hexInt(k), g.q)
	return v.Sub(v, big.NewInt(1)).FillBytes(make([]byte, (g.q.BitLen()+7)/8+8))
}

const (
	exampleZIM  = "2923BE84E16CD6AE529049F1F1BBE9EB"
	exampleRpDH = `A0C7C50C002061A51CC87D254EF38068 607417B6EE1B36473CFB800D2D2E5FA2 B6980F01105D24FAB22ACD1BFA5C8A4C
		093ECDFAFE6D7125D42A843E33860383 5CF19AFAFF75EFE21DC5F6AA1F9AE46C 25087E7368166FB08C1E4627AFED7D93
		570417B790FF7F747E57F432B04E1236 819E0DFEF5B6E77CA4999925328182D2`
	exampleBaseDH = `1D7D767F11E333BCD6DBAEF40E799E7A 926B96973550656FF3C830726D118D61 C276CDCC61D475CF03A98E0C0E79CAEB
		A5BE25578BD4551D0B10903236F0B0F9 76852FA78EEA14EA0ACA87D1E91F688F E0DFF897BBE35A472621D343564B262F
		34223AE8FC59B664BFEDFA2BFE7516CA 5510A6BBB633D517EC25D4E0BBAA16C2`
)

// exampleCard is the document of the worked examples G and H: number T22000129.
// The encryption key that appendix H prints is not the one that follows from this MRZ (89DED1B2…, as appendix G has it): the nonce
// is checked under the printed key by itself, and sent under the right one.
func exampleCard(t *testing.T, o PACEOffer) *Card {
	t.Helper()
	p, err := ProfileByName("cccd-mk")
	if err != nil {
		t.Fatal(err)
	}
	p.PACE = []PACEOffer{o}
	return &Card{profile: p, who: Persona{Number: "000T22000129", DateOfBirth: "1964-08-12", ExpiresAt: "2010-10-31"}}
}

// exampleNonce is the chip's answer with the nonce, having checked what appendix H prints.
func exampleNonce(t *testing.T, nonce []byte, printed string) string {
	t.Helper()
	s := suites[1]
	if z := s.cbc(unhex("591468CDA83D65219CCCB8560233600F"), nil, nonce, true); !bytes.Equal(z, unhex(printed)) {
		t.Errorf("z %X", z)
	}
	h := hashAlgs[0].sum([]byte("T22000129364081251010318"))
	return "7C128010" + hex.EncodeToString(s.cbc(s.kdf(h, 3), nil, nonce, true)) + "9000"
}

// The worked example of PACE with integrated mapping over a curve, ICAO 9303-11 appendix H.1: intermediate values, then the chip's answers.
func TestIntegratedMappingECDHWorkedExample(t *testing.T) {
	cv, s := curveByName("brainpoolP256r1"), suites[1]
	nonce, tt := unhex(exampleZIM), unhex("5DD4CBFC96F5453B130D890A1CDBAE32")
	if got, want := s.integratedBytes(nonce, tt, cv.p), unhex(`E4447E2DFB3586BAC05DDB00156B57FB B2179A3949294C97254189800C517BAA
		8DA0FF397ED8C445D3E421E4FEB57322`); !bytes.Equal(got, want) {
		t.Errorf("R(s,t) %X", got)
	}
	x := s.integratedElement(nonce, tt, cv.p)
	if x.Cmp(hexInt("A2F8FF2DF50E52C6599F386ADCB595D2 29F6A167ADE2BE5F2C3296ADD5B7430E")) != 0 {
		t.Errorf("Rp(s,t) %X", x)
	}
	mapped, ok := cv.mapIntegrated(x)
	if want := (point{hexInt("8E82D31559ED0FDE92A4D0498ADD3C23 BABA94FB77691E31E90AEA77FB17D427"),
		hexInt("4C1AE14BD0C3DBAC0C871B7F36081693 64437CA30AC243A089D3F266C1E60FAD")}); !ok || !mapped.(*curve).g.equal(want) {
		t.Errorf("mapped generator is wrong")
	}
	chip := exampleCard(t, PACEOffer{Cipher: "AES-128", Curve: cv.name, Mapping: "IM"}).Chip(Options{
		Violation: func(s string) { t.Error(s) },
		Rand: bytes.NewReader(slices.Concat(nonce,
			fixedScalar(cv, "107CF58696EF6155053340FD633392BA81909DF7B9706F226F32086C7AFF974A"))),
	})
	play(t, chip,
		"0022C1A40F 800A04007F00070202040402 830101", "9000",
		"10860000 02 7C00 00", exampleNonce(t, nonce, "143DC40C08C8E891FBED7DEDB92B64AD"),
		"1086000014 7C12 8110 5DD4CBFC96F5453B130D890A1CDBAE32 00", "7C02 8200 9000",
		`1086000045 7C43 8341 04 89CBA23FFE96AA18D824627C3E934E54A9FD0B87A95D1471DC1C0ABFDCD640D4
		 6755DE9B7B778280B6BEBD57439ADFEB0E21FD4ED6DF42578C13418A59B34C37 00`,
		`7C43 8441 04 67F78E5F7F7686082B293E8D087E056916D0F74BC01A5F8957D0DE45691E51E8
		 932B69A962B52A0985AD2C0A271EE6A13A8ADDDCD1A3A994B9DED257F4D22753 9000`,
		"008600000C 7C0A 8508 450F02B86F6A0909 00", "7C0A 8608 75D4D96E8D5B0308 9000",
	)
	if !bytes.Equal(chip.sm.kenc, unhex("0D3FEB33251A6370893D62AE8DAAF51B")) || !bytes.Equal(chip.sm.kmac, unhex("B01E89E3D9E8719E586B50B4A7506E0B")) {
		t.Error("session keys are wrong")
	}
}

// The worked example of PACE with integrated mapping over a group, ICAO 9303-11 appendix H.2.
func TestIntegratedMappingDHWorkedExample(t *testing.T) {
	g, s := groups[0], suites[1]
	nonce, tt := unhex("FA5B7E3E49753A0DB9178B7B9BD898C8"), unhex("B3A6DB3C870C3E99245E0D1C06B747DE")
	if got, want := s.integratedBytes(nonce, tt, g.p), unhex(`EAB98D13E09052952AA729907C3C9461 84DEA0FE74AD2B3AF506F0A83018459C
		38099CD1F7FF4EA0A078DB1FAC136550 5E3DC85500EF95E20B4EEF2E88489233 BEE0546B472F994B618D168702406791
		DEEF3CB4810932EC278F3533FDB860EB 4835C36FA4F1BF3FA0B828A718C96BDE 88FBA38A3E6C35AAA10959251EB5FC71
		0FC187258995944C0F926E249373F485`); !bytes.Equal(got, want) {
		t.Errorf("R(s,t) %X", got)
	}
	x := s.integratedElement(nonce, tt, g.p)
	if x.Cmp(hexInt(exampleRpDH)) != 0 {
		t.Errorf("Rp(s,t) %X", x)
	}
	mapped, ok := g.mapIntegrated(x)
	if !ok || mapped.(*group).g.Cmp(hexInt(exampleBaseDH)) != 0 {
		t.Errorf("mapped generator %X", mapped.(*group).g)
	}
	chip := exampleCard(t, PACEOffer{Cipher: "AES-128", Curve: g.name, Mapping: "IM"}).Chip(Options{
		Violation: func(s string) { t.Error(s) },
		Rand: bytes.NewReader(slices.Concat(nonce, fixedGroupScalar(g, `020F018C7284B047FA7721A337EFB7AC B1440BB30C5252BD41C97C30C994BB78
			E9F0C5B32744D84017D21FFA6878396A 6469CA283EF5C000DAF7D261A39AB886 0ED4610AB5343390897AAB5A7787E4FA EFA0649C6A94FDF82D991E8E3FC332F5
			142729E7040A3F7D5A4D3CD75CBEE1F0 43C1CAD2DD484FEB4ED22B597D36688E`))),
	})
	play(t, chip,
		"0022C1A40F 800A04007F00070202040302 830101", "9000",
		"10860000 02 7C00 00", exampleNonce(t, nonce, "9ABB8864CA0FF1551E620D1EF4E13510"),
		"1086000014 7C12 8110 B3A6DB3C870C3E99245E0D1C06B747DE 00", "7C02 8200 9000",
		`1086000086 7C8183 838180 0F0CC62945A8029251FB7EF3C094E12E C68E4EF07F27CB9D9CD04C5C4250FAE0 E4F8A951557E929AEB48E5C6DD47F2F5
		 CD7C351A9BD2CD722C07EDE166770F08 FFCB370262CF308DD7B07F2E0DA9CAAA 1492344C852906919538C98A4BA4187E 76CE9D87832386D319CE2E043C3343AE
		 AE6EDBA1A9894DC5094D22F7FE1351D5 00`,
		`7C8183 848180 928D9A0F9DBA450F13FC859C6F290D1D 36E42431138A4378500BEB4E0401854C FF111F71CB6DC1D0335807A11388CC8E
		 AA87B07907AAD9FBA6B169AF6D8C26AF 8DDDC39ADC3AD2E3FF882B84D23E9768 E95A80E4746FB07A9767679FE92133B4 D379935C771BD7FBED6C7BB4B1708B27
		 5EA75679524CDC9C6A91370CC662A2F3 9000`,
		"008600000C 7C0A 8508 55D61977CBF5307E 00", "7C0A 8608 C2F04230187E1525 9000",
	)
	if !bytes.Equal(chip.sm.kenc, unhex("01AFC10CF87BE36D8179E87370171F07")) || !bytes.Equal(chip.sm.kmac, unhex("23F0FBD05FD6C7B8B88F4C8309669061")) {
		t.Error("session keys are wrong")
	}
}

// The worked example of PACE with generic mapping over a group, ICAO 9303-11 appendix G.2. Its last answer carries a certification
// authority reference that the terminal never asked for; the chip here gives none.
func TestGenericMappingDHWorkedExample(t *testing.T) {
	g := groups[0]
	nonce := unhex("FA5B7E3E49753A0DB9178B7B9BD898C8")
	theirs := unhex(`23FB3749EA030D2A25B278D2A562047A DE3F01B74F17A15402CB7352CA7D2B3E B71C343DB13D1DEBCE9A3666DBCFC920
		B49174A602CB47965CAA73DC702489A4 4D41DB914DE9613DC5E98C94160551C0 DF86274B9359BC0490D01B03AD54022D
		CB4F57FAD6322497D7A1E28D46710F46 1AFE710FBBBC5F8BA166F4311975EC6C`)
	mapped, h, ok := g.mapGeneric(new(big.Int).SetBytes(nonce), theirs, hexInt("66DDAFEAC1609CB5B963BB0CB3FF8B3E047F336C"))
	if want := unhex(`5BABEBEF5B74E5BA94B5C063FDA15F1F 1CDE94873EE0A5D3A2FCAB49F258D07F 544F13CB66658C3AFEE9E727389BE3F6
		CBBBD32128A8C21DD6EEA3CF7091CDDF B08B8D007D40318DCCA4FFBF51208790 FB4BD111E5A968ED6B6F08B26CA87C41
		0B3CE0C310CE104EABD16629AA48620C 1279270CB0750C0D37C57FFFE302AE7F`); !bytes.Equal(h, want) {
		t.Errorf("H %X", h)
	}
	if want := hexInt(`7C9CBFE98F9FBDDA8D143506FA7D9306 F4CB17E3C71707AFF5E1C1A123702496 84D64EE37AF44B8DBD9D45BF6023919C
		BAA027AB97ACC771666C8E98FF483301 BFA4872DEDE9034EDFACB70814166B7F 360676829B826BEA57291B5AD69FBC84
		EF1E779032A305803F74341793E86974 2D401325B37EE8565FFCDEE618342DC5`); !ok || mapped.(*group).g.Cmp(want) != 0 {
		t.Errorf("mapped generator %X", mapped.(*group).g)
	}
	chip := exampleCard(t, PACEOffer{Cipher: "AES-128", Curve: g.name}).Chip(Options{
		Violation: func(s string) { t.Error(s) },
		Rand: bytes.NewReader(slices.Concat(nonce, fixedGroupScalar(g, "66DDAFEAC1609CB5B963BB0CB3FF8B3E047F336C"),
			fixedGroupScalar(g, "A5B780126B7C980E9FCEA1D4539DA1D27C342DFA"))),
	})
	play(t, chip,
		"0022C1A40F 800A04007F00070202040102 830101", "9000",
		"10860000 02 7C00 00", "7C12 8010 854D8DF5827FA6852D1A4FA701CDDDCA 9000",
		"1086000086 7C8183 818180"+strings.ToUpper(hex.EncodeToString(theirs))+"00",
		`7C8183 828180 78879F57225AA8080D52ED0FC890A4B2 5336F699AA89A2D3A189654AF70729E6 23EA5738B26381E4DA19E004706FACE7
		 B235C2DBF2F38748312F3C98C2DD4882 A41947B324AA1259AC22579DB93F7085 655AF30889DBB845D9E6783FE42C9F24 49400306254C8AE8EE9DD812A804C0B6
		 6E8CAFC14F84D8258950A91B44126EE6 9000`,
		`1086000086 7C8183 838180 907D89E2D425A178AA81AF4A7774EC8E 388C115CAE67031E85EECE520BD91155 1B9AE4D04369F29A02626C86FBC6747C
		 C7BC352645B6161A2A42D44EDA80A08F A8D61B76D3A154AD8A5A51786B0BC071 4705787 1A922212C5F67F4317317223 6B7747D1671E6D692A3C7D40A0C3C5C
		 E397545D015C175EB5130551EDBC2EE5 D4 00`,
		`7C8183 848180 075693D9AE941877573E634B6E644F8E 60AF17A0076B8B123D9201074D36152B D8B3A213F53820C42ADC79AB5D0AEEC3
		 AEFB91394DA476BD97B9B14D0A65C1FC 71A0E019CB08AF55E1F729005FBA7E3F A5DC41899238A250767A6D46DB974064 386CD456743585F8E5D90CC8B4004B1F
		 6D866C79CE0584E49687FF61BC29AEA1 9000`,
		"008600000C 7C0A 8508 B46DD9BD4D98381F 00", "7C0A 8608 917F37B5C0E6D8D1 9000",
	)
	if !bytes.Equal(chip.sm.kenc, unhex("2F7F46ADCC9E7E521B45D192FAFA9126")) || !bytes.Equal(chip.sm.kmac, unhex("805A1D27D45A5116F73C54469462B7D8")) {
		t.Error("session keys are wrong")
	}
}

// The worked example of PACE with chip authentication mapping, ICAO 9303-11 appendix I.1. The example does not print the chip's
// static private key; it follows from the decrypted chip authentication data.
func TestChipAuthenticationMappingWorkedExample(t *testing.T) {
	cv := curveByName("brainpoolP256r1")
	kMap := hexInt("9E56A6B59C95D06ECE5CD10F983BB2F4F194352 8E577F23881D89D8C3BBEE0AA")
	sk := new(big.Int).ModInverse(hexInt("85DC3FA93D0952BFA82F5FD189EE75BD82F11D1F0B8ED4BF5319AC9B53C426B3"), cv.n)
	sk.Mul(sk, kMap).Mod(sk, cv.n)
	static := &caKey{p: CAProfile{Cipher: "AES-128", Curve: cv.name, KeyID: 13}, dom: cv, priv: sk, pub: cv.public(sk)}
	if want := unhex(`30620609 04007F00 07020201 02305230 0C060704 007F0007 01020201 0D034200 04187270 9494399E 7470A643 1BE25E83
		EEE24FEA 568C2ED2 8DB48E05 DB3A610D C884D256 A40E35EF CB59BF67 53D3A489 D28C7A4D 973C2DA1 38A6E7A4 A08F68E1 6F02010D`); !bytes.Equal(static.info(formStandardized), want) {
		t.Errorf("ChipAuthenticationPublicKeyInfo %X", static.info(formStandardized))
	}
	p, err := ProfileByName("passport-bac")
	if err != nil {
		t.Fatal(err)
	}
	p.PACE, p.PACEPasswords = []PACEOffer{{Cipher: "AES-128", Curve: cv.name, Mapping: "CAM"}}, []string{"mrz"}
	card := &Card{profile: p, who: Persona{Passport: "C11T002JM", DateOfBirth: "1996-08-12", ExpiresAt: "2023-10-31"}, cam: map[int]*caKey{13: static}}
	chip := card.Chip(Options{
		Violation: func(s string) { t.Error(s) },
		Rand: bytes.NewReader(slices.Concat(unhex("658B860BC94DF6F044FCE6D5C82CF8E5"),
			fixedScalar(cv, "9E56A6B59C95D06ECE5CD10F983BB2F4F1943528E577F23881D89D8C3BBEE0AA"),
			fixedScalar(cv, "CD626EF3C256E235FE8912CAC28279E626008EDA6B3A05C4CF862A3BDAB79E78"))),
	})
	play(t, chip,
		"0022C1A40F 800A04007F00070202040602 830101", "9000",
		"10860000 02 7C00 00", "7C12 8010 CB60E8E0D85B76A9BD304747C2AD42E2 9000",
		`1086000045 7C43 8141 04 7F1D410ADB7DDB3B84BF1030800981A9105D7457B4A3ADE002384F3086C67EDE
		 1AB889104A27DB6D842B019020FBF3CEACB0DC627F7BDCAC29969E19D0E553C1 00`,
		`7C43 8241 04 A234236AA9B9621E8EFB73B5245C0E09D2576E5277183C1208BDD55280CAE8B3
		 04F365713A356E65A451E165ECC9AC0AC46E3771342C8FE5AEDD092685338E23 9000`,
		`1086000045 7C43 8341 04 446C934084D9DAB863944F219520076C29EE3F7AE6722B11FF319EC1C7728F95
		 5483400BFF60BF0C5929270009277DC2A515E12575010AD9BA916CF1BF86FEFC 00`,
		`7C43 8441 04 02AD566F3C6EC7F9324509AD50A51FA52030782A4968FCFEDF737DAEA9933331
		 11C3B9B4C2287789BD137E7F8AA882E2A3C633CCD6ECC2C63C57AD401A09C2E1 9000`,
		"008600000C 7C0A 8508 E86BD06018A1CD3B 00",
		`7C3C 8608 8596CF055C67C1A3 8A30 1EEA964DAAE372AC990E3EFDE6333353BFC89A6704D93DA8798CF77F5B7A54BD10CBA372B42BE0B9B5F28AA8DE2F4F92 9000`,
	)
	if !bytes.Equal(chip.sm.kenc, unhex("0A9DA4DB03BDDE39FC5202BC44B2E89E")) || !bytes.Equal(chip.sm.kmac, unhex("4B1C06491ED5140CA2B537D344C6C0B1")) {
		t.Error("session keys are wrong")
	}
}

// The worked example of basic access control and secure messaging, ICAO 9303-11 Appendix D.3 and D.4.
func TestBACWorkedExample(t *testing.T) {
	p, err := ProfileByName("passport-bac")
	if err != nil {
		t.Fatal(err)
	}
	card := &Card{profile: p, who: Persona{Passport: "L898902C", DateOfBirth: "1969-08-06", ExpiresAt: "1994-06-23"},
		Files: map[string][]byte{"EF_COM": unhex("60145F0104303130365F36063034303030305C026175")}}
	chip := card.Chip(Options{
		Violation: func(s string) { t.Error(s) },
		Rand:      bytes.NewReader(unhex("4608F91988702212 0B4F80323EB3191CB04970CB4052790B")),
	})
	play(t, chip,
		"00A4040C07A0000002471001", "9000",
		"0084000008", "4608F91988702212 9000",
		"0082000028 72C29C2371CC9BDB65B779B8E8D37B29ECC154AA56A8799FAE2F498F76ED92F25F1448EEA8AD90A7 28",
		"46B9342A41396CD7386BF5803104D7CEDC122B9132139BAF2EEDC94EE178534F2F2D235D074D7449 9000",
		"0CA4020C158709016375432908C044F68E08BF8B92D635FF24F800", "990290008E08FA855A5D4C50A8ED9000",
		"0CB000000D9701048E08ED6705417E96BA5500", "8709019FF0EC34F9922651990290008E08AD55CC17140B2DED9000",
		"0CB000040D9701128E082EA28A70F3C7B53500", "871901FB9235F4E4037F2327DCC8964F1F9B8C30F42C8E2FFF224A990290008E08C8B2787EAEA07D749000",
	)
}

// The representative of ICAO 9303-11 Appendix F. The example prints no key, so that the exponent is one, under a modulus of its own.
func TestActiveAuthenticationWorkedExample(t *testing.T) {
	f := unhex(`6A9D2784A67F8E7C659973EA1AEA25D9 5B6C8F91E5002F369F0FBDCE8A3CEC19 91B543F1696546C5524CF23A5303CD6C
		98599F40B79F377B5F3A1406B3B4D8F9 6784D23AA88DB7E1032A405E69325FA9 1A6E86F5C71AEA978264C4A207446DAD
		4E7292E2DCDA3024B47DA8C063AA1E6D 22FBD976AB0FE73D94D2D9C6D88127BC`)
	k := &key{n: new(big.Int).Sub(new(big.Int).Lsh(big.NewInt(1), 1024), big.NewInt(1)), e: big.NewInt(1), d: big.NewInt(1)}
	m1 := bytes.NewReader(f[1:107])
	got := k.iso9796(hashAlgs[0], unhex("F173589974BF40C6"), "", func(n int) []byte {
		b := make([]byte, n)
		_, _ = io.ReadFull(m1, b)
		return b
	})
	if !bytes.Equal(got, f) {
		t.Errorf("got %X", got)
	}
}

// The field arithmetic against math/big, at the edges and in between.
func TestField(t *testing.T) {
	for _, c := range curves {
		rnd := newStream([]byte("field"), c.name)
		one := big.NewInt(1)
		values := []*big.Int{new(big.Int), one, new(big.Int).Sub(c.p, one), new(big.Int).Rsh(c.p, 1), c.a, c.b}
		for range 20 {
			b, _ := randomBytes(rnd, c.size+8)
			v := new(big.Int).SetBytes(b)
			values = append(values, v.Mod(v, c.p))
		}
		for _, x := range values {
			for _, y := range values {
				fx, fy := c.f.from(x), c.f.from(y)
				var z fe
				for op, want := range map[string]*big.Int{"mul": new(big.Int).Mul(x, y), "add": new(big.Int).Add(x, y), "sub": new(big.Int).Sub(x, y)} {
					switch op {
					case "mul":
						c.f.mul(&z, &fx, &fy)
					case "add":
						c.f.add(&z, &fx, &fy)
					case "sub":
						c.f.sub(&z, &fx, &fy)
					}
					if c.f.to(&z).Cmp(want.Mod(want, c.p)) != 0 {
						t.Fatalf("%s: %s of %x and %x", c.name, op, x, y)
					}
				}
				if x.Cmp(y) < 0 != func() bool { a, b := words(x), words(y); return a.less(&b) }() {
					t.Fatalf("%s: order of %x and %x", c.name, x, y)
				}
			}
			if x.Sign() != 0 {
				fx := c.f.from(x)
				var z fe
				c.f.invert(&z, &fx)
				c.f.mul(&z, &z, &fx)
				if z != c.f.one {
					t.Fatalf("%s: inverse of %x", c.name, x)
				}
			}
		}
	}
}
