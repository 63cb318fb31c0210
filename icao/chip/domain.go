package chip

import (
	"crypto/sha1"
	"encoding/hex"
	"errors"
	"io"
	"math/big"
)

// domain is a set of domain parameters with its key agreement: an elliptic curve, or a subgroup of a prime field. Public keys are
// bytes as ICAO 9303-11 §9.4.5 sends them.
type domain interface {
	parameterID() int   // standardised domain parameter, ICAO 9303-11 Table 12
	prime() *big.Int    // of the field
	order() *big.Int    // of the subgroup
	pointTag() uint32   // of a public key in a public key data object (§9.4.3, §9.4.4)
	kind() int          // last arc but one of the object identifiers of chip authentication and of id-PK: 1 DH, 2 ECDH
	valid([]byte) error // whether bytes are a public key

	scalar(io.Reader) (*big.Int, error)
	// scalarFor gives one whose shared secret with a valid public key begins with exactly so many zero bytes; 0 leaves it to chance.
	scalarFor(pub []byte, zeros int, rand io.Reader) (*big.Int, error)
	public(k *big.Int) []byte
	shared(pub []byte, k *big.Int) []byte // with a valid public key, at full length: leading zero bytes belong to it

	// mapGeneric and mapIntegrated give the domain parameters of one run of PACE; false where the new generator is neutral. The
	// generic one also gives the shared secret of the mapping step.
	mapGeneric(nonce *big.Int, pub []byte, k *big.Int) (mapped domain, shared []byte, ok bool)
	mapIntegrated(element *big.Int) (domain, bool)

	compress(pub []byte) []byte          // Comp of terminal authentication (§7.1.4.1.3, §7.1.4.2.3)
	spki(pub []byte, form string) []byte // SubjectPublicKeyInfo; see CAProfile.KeyForm
}

// domainByName finds a curve of Curves or a group of Groups; nil without.
func domainByName(name string) domain {
	if c := curveByName(name); c != nil {
		return c
	}
	for _, g := range groups {
		if g.name == name {
			return g
		}
	}
	return nil
}

// Forms of public keys, as CAProfile.KeyForm names them.
const (
	formExplicit     = ""
	formNamed        = "named"
	formStandardized = "standardized"
	formX942         = "x942"
)

// standardized is the AlgorithmIdentifier that names domain parameters of Table 12 (ICAO 9303-11 §9.5.1).
func standardized(d domain) []byte {
	return seq(oid("0.4.0.127.0.7.1.2"), integer(int64(d.parameterID())))
}

func (c *curve) parameterID() int { return c.paramID }
func (c *curve) prime() *big.Int  { return c.p }
func (c *curve) order() *big.Int  { return c.n }
func (c *curve) pointTag() uint32 { return 0x86 }
func (c *curve) kind() int        { return 2 }
func (c *curve) valid(b []byte) error {
	_, err := c.decode(b)
	return err
}

func (c *curve) scalarFor(pub []byte, zeros int, rand io.Reader) (*big.Int, error) {
	q, err := c.decode(pub)
	if err != nil {
		return nil, err
	}
	return c.scalarWithZeros(q, zeros, rand)
}

func (c *curve) public(k *big.Int) []byte { return c.encode(c.mult(c.g, k)) }

func (c *curve) shared(pub []byte, k *big.Int) []byte {
	q, _ := c.decode(pub)
	return c.secret(c.mult(q, k))
}

func (c *curve) mapGeneric(nonce *big.Int, pub []byte, k *big.Int) (domain, []byte, bool) {
	q, err := c.decode(pub)
	if err != nil {
		return nil, nil, false
	}
	h := c.mult(q, k)
	base := c.sum(c.mult(c.g, nonce), h)
	return c.withBase(base), c.secret(h), !base.infinite()
}

// mapIntegrated is the point encoding of ICAO 9303-11 appendix B.2; all curves here have cofactor one. It needs p ≡ 3 mod 4,
// which P-224 has not.
func (c *curve) mapIntegrated(t *big.Int) (domain, bool) {
	p := c.p
	if t.Sign() == 0 || p.Bit(0) == 0 || p.Bit(1) == 0 {
		return nil, false
	}
	mod := func(v *big.Int) *big.Int { return v.Mod(v, p) }
	one := big.NewInt(1)
	alpha := mod(new(big.Int).Neg(new(big.Int).Mul(t, t)))
	sum := mod(new(big.Int).Add(alpha, new(big.Int).Mul(alpha, alpha)))
	if sum.Sign() == 0 || c.a.Sign() == 0 {
		return nil, false // t = ±1 has no image; it comes once in 2^(bits of p) runs
	}
	x2 := new(big.Int).Add(one, new(big.Int).ModInverse(sum, p))
	x2.Mul(mod(x2), new(big.Int).Neg(c.b))
	mod(x2.Mul(mod(x2), new(big.Int).ModInverse(c.a, p)))
	x3 := mod(new(big.Int).Mul(alpha, x2))
	right := func(x *big.Int) *big.Int {
		h := new(big.Int).Mul(x, x)
		h.Add(h, c.a).Mul(h, x).Add(h, c.b)
		return mod(h)
	}
	h2 := right(x2)
	e := new(big.Int).Sub(p, one)
	e.Sub(e, new(big.Int).Rsh(new(big.Int).Add(p, one), 2))
	a := new(big.Int).Exp(h2, e, p)
	check := mod(new(big.Int).Mul(a, a))
	var q point
	if mod(check.Mul(check, h2)).Cmp(one) == 0 {
		q = point{x2, mod(new(big.Int).Mul(a, h2))}
	} else {
		u := new(big.Int).Exp(t, big.NewInt(3), p)
		u.Mul(u, h2)
		q = point{x3, mod(u.Mul(mod(u), a))}
	}
	if !c.onCurve(q) {
		return nil, false
	}
	return c.withBase(q), true
}

func (c *curve) compress(pub []byte) []byte { return append([]byte(nil), pub[1:1+c.size]...) }

func (c *curve) spki(pub []byte, form string) []byte {
	if form == formStandardized {
		return seq(standardized(c), bitString(pub))
	}
	return seq(seq(oid("1.2.840.10045.2.1"), c.parameters(form == formNamed)), bitString(pub))
}

// group is a subgroup of prime order of the multiplicative group of a prime field (RFC 5114 §2).
type group struct {
	name    string
	id      int
	p, q, g *big.Int
	size    int // bytes of p
}

// Groups names the Diffie-Hellman groups that a profile may ask for: the three of ICAO 9303-11 Table 12, by the bits of their prime
// and of their order.
func Groups() []string {
	out := make([]string, len(groups))
	for i, g := range groups {
		out[i] = g.name
	}
	return out
}

func newGroup(name string, id int, p, g, q string) *group {
	h := func(s string) *big.Int {
		v, ok := new(big.Int).SetString(s, 16)
		if !ok {
			panic("chip: bad group constant")
		}
		return v
	}
	d := &group{name: name, id: id, p: h(p), q: h(q), g: h(g)}
	d.size = (d.p.BitLen() + 7) / 8
	return d
}

func (g *group) parameterID() int { return g.id }
func (g *group) prime() *big.Int  { return g.p }
func (g *group) order() *big.Int  { return g.q }
func (g *group) pointTag() uint32 { return 0x84 }
func (g *group) kind() int        { return 1 }

var errElement = errors.New("not an element of the group")

// valid is the validation of RFC 2631 §2.1.5, and of the form: the fewest bytes that are possible (ICAO 9303-11 §9.4.1).
func (g *group) valid(pub []byte) error {
	if len(pub) == 0 || len(pub) > g.size || pub[0] == 0 {
		return errElement
	}
	y := new(big.Int).SetBytes(pub)
	if y.BitLen() < 2 || y.Cmp(g.p) >= 0 || new(big.Int).Exp(y, g.q, g.p).BitLen() != 1 {
		return errElement
	}
	return nil
}

// scalar is uniform in 1 … q−1 (as near as eight extra bytes bring it).
func (g *group) scalar(rand io.Reader) (*big.Int, error) {
	b, err := randomBytes(rand, (g.q.BitLen()+7)/8+8)
	if err != nil {
		return nil, err
	}
	k := new(big.Int).SetBytes(b)
	one := big.NewInt(1)
	return k.Mod(k, new(big.Int).Sub(g.q, one)).Add(k, one), nil
}

func (g *group) scalarFor(pub []byte, zeros int, rand io.Reader) (*big.Int, error) {
	k, err := g.scalar(rand)
	if err != nil || zeros <= 0 {
		return k, err
	}
	y := new(big.Int).SetBytes(pub)
	z := new(big.Int).Exp(y, k, g.p)
	one := big.NewInt(1)
	most, least := 8*(g.size-zeros), 8*(g.size-zeros-1)
	for range 1 << 21 {
		if n := z.BitLen(); n <= most && n > least && k.Cmp(g.q) < 0 {
			return k, nil
		}
		z.Mul(z, y).Mod(z, g.p)
		k.Add(k, one)
	}
	return nil, errors.New("chip: no such secret found")
}

func (g *group) public(k *big.Int) []byte { return new(big.Int).Exp(g.g, k, g.p).Bytes() }

// shared is as long as the prime (PKCS #3 §8.3).
func (g *group) shared(pub []byte, k *big.Int) []byte {
	return new(big.Int).Exp(new(big.Int).SetBytes(pub), k, g.p).FillBytes(make([]byte, g.size))
}

func (g *group) withBase(b *big.Int) (*group, bool) {
	m := *g
	m.g = b
	return &m, b.BitLen() > 1
}

func (g *group) mapGeneric(nonce *big.Int, pub []byte, k *big.Int) (domain, []byte, bool) {
	h := g.shared(pub, k)
	b := new(big.Int).Exp(g.g, nonce, g.p)
	b.Mul(b, new(big.Int).SetBytes(h)).Mod(b, g.p)
	m, ok := g.withBase(b)
	return m, h, ok
}

// mapIntegrated raises to the cofactor (ICAO 9303-11 §4.4.3.3.2).
func (g *group) mapIntegrated(x *big.Int) (domain, bool) {
	a := new(big.Int).Sub(g.p, big.NewInt(1))
	return g.withBase(a.Exp(x, a.Div(a, g.q), g.p))
}

func (g *group) compress(pub []byte) []byte {
	h := sha1.Sum(pub)
	return h[:]
}

func (g *group) spki(pub []byte, form string) []byte {
	value := bitString(bigInteger(new(big.Int).SetBytes(pub)))
	switch form {
	case formStandardized:
		return seq(standardized(g), value)
	case formX942:
		return seq(seq(oid("1.2.840.10046.2.1"), seq(bigInteger(g.p), bigInteger(g.g), bigInteger(g.q))), value)
	}
	return seq(seq(oid("1.2.840.113549.1.3.1"), seq(bigInteger(g.p), bigInteger(g.g))), value)
}

// integratedElement is the pseudo-random function Rp(s, t) of ICAO 9303-11 §4.4.3.3.2: an element of the field from the chip's nonce s and the
// terminal's nonce t.
func (s suite) integratedElement(nonce, t []byte, p *big.Int) *big.Int {
	x := new(big.Int).SetBytes(s.integratedBytes(nonce, t, p))
	return x.Mod(x, p)
}

func (s suite) integratedBytes(nonce, t []byte, p *big.Int) []byte {
	l := len(nonce)
	k := s.cbc(t, nil, nonce, true)
	var out []byte
	for 8*len(out) < p.BitLen()+64 {
		key := k[:s.key]
		out = append(out, s.cbc(key, nil, integratedC1[l], true)...)
		k = s.cbc(key, nil, integratedC0[l], true)
	}
	return out
}

// integratedNonce is the length of the chip's nonce under integrated mapping: the fewest whole blocks that are as long as the key.
func (s suite) integratedNonce() int {
	if s.key > 16 {
		return 32
	}
	return 16
}

// The constants c0 and c1 of ICAO 9303-11 §4.4.3.3.2, by the length of the chip's nonce.
var (
	integratedC0 = map[int][]byte{16: mustHex("a668892a7c41e3ca739f40b057d85904"), 32: mustHex("d463d65234124ef7897054986dca0a174e28df758cbaa03f240616414d5a1676")}
	integratedC1 = map[int][]byte{16: mustHex("a4e136ac725f738b01c1f60217c188ad"), 32: mustHex("54bd7255f0aaf831bec3423fcf39d69b6cbf066677d0faae5aadd99df8e53517")}
)

func mustHex(s string) []byte {
	b, err := hex.DecodeString(s)
	if err != nil {
		panic("chip: bad constant")
	}
	return b
}

// The constants are those of RFC 5114 §2.1 to §2.3: p, g, q.
var groups = []*group{
	newGroup("DH-1024-160", 0,
		"b10b8f96a080e01dde92de5eae5d54ec52c99fbcfb06a3c69a6a9dca52d23b616073e28675a23d189838ef1e2ee652c0"+
			"13ecb4aea906112324975c3cd49b83bfaccbdd7d90c4bd7098488e9c219a73724effd6fae5644738faa31a4ff55bccc0"+
			"a151af5f0dc8b4bd45bf37df365c1a65e68cfda76d4da708df1fb2bc2e4a4371",
		"a4d1cbd5c3fd34126765a442efb99905f8104dd258ac507fd6406cff14266d31266fea1e5c41564b777e690f5504f213"+
			"160217b4b01b886a5e91547f9e2749f4d7fbd7d3b9a92ee1909d0d2263f80a76a6a24c087a091f531dbf0a0169b6a28a"+
			"d662a4d18e73afa32d779d5918d08bc8858f4dcef97c2a24855e6eeb22b3b2e5",
		"f518aa8781a8df278aba4e7d64b7cb9d49462353",
	),
	newGroup("DH-2048-224", 1,
		"ad107e1e9123a9d0d660faa79559c51fa20d64e5683b9fd1b54b1597b61d0a75e6fa141df95a56dbaf9a3c407ba1df15"+
			"eb3d688a309c180e1de6b85a1274a0a66d3f8152ad6ac2129037c9edefda4df8d91e8fef55b7394b7ad5b7d0b6c12207"+
			"c9f98d11ed34dbf6c6ba0b2c8bbc27be6a00e0a0b9c49708b3bf8a317091883681286130bc8985db1602e714415d9330"+
			"278273c7de31efdc7310f7121fd5a07415987d9adc0a486dcdf93acc44328387315d75e198c641a480cd86a1b9e587e8"+
			"be60e69cc928b2b9c52172e413042e9b23f10b0e16e79763c9b53dcf4ba80a29e3fb73c16b8e75b97ef363e2ffa31f71"+
			"cf9de5384e71b81c0ac4dffe0c10e64f",
		"ac4032ef4f2d9ae39df30b5c8ffdac506cdebe7b89998caf74866a08cfe4ffe3a6824a4e10b9a6f0dd921f01a70c4afa"+
			"ab739d7700c29f52c57db17c620a8652be5e9001a8d66ad7c17669101999024af4d027275ac1348bb8a762d0521bc98a"+
			"e247150422ea1ed409939d54da7460cdb5f6c6b250717cbef180eb34118e98d119529a45d6f834566e3025e316a330ef"+
			"bb77a86f0c1ab15b051ae3d428c8f8acb70a8137150b8eeb10e183edd19963ddd9e263e4770589ef6aa21e7f5f2ff381"+
			"b539cce3409d13cd566afbb48d6c019181e1bcfe94b30269edfe72fe9b6aa4bd7b5a0f1c71cfff4c19c418e1f6ec0179"+
			"81bc087f2a7065b384b890d3191f2bfa",
		"801c0d34c58d93fe997177101f80535a4738cebcbf389a99b36371eb",
	),
	newGroup("DH-2048-256", 2,
		"87a8e61db4b6663cffbbd19c651959998ceef608660dd0f25d2ceed4435e3b00e00df8f1d61957d4faf7df4561b2aa30"+
			"16c3d91134096faa3bf4296d830e9a7c209e0c6497517abd5a8a9d306bcf67ed91f9e6725b4758c022e0b1ef4275bf7b"+
			"6c5bfc11d45f9088b941f54eb1e59bb8bc39a0bf12307f5c4fdb70c581b23f76b63acae1caa6b7902d52526735488a0e"+
			"f13c6d9a51bfa4ab3ad8347796524d8ef6a167b5a41825d967e144e5140564251ccacb83e6b486f6b3ca3f7971506026"+
			"c0b857f689962856ded4010abd0be621c3a3960a54e710c375f26375d7014103a4b54330c198af126116d2276e11715f"+
			"693877fad7ef09cadb094ae91e1a1597",
		"3fb32c9b73134d0b2e77506660edbd484ca7b18f21ef205407f4793a1a0ba12510dbc15077be463fff4fed4aac0bb555"+
			"be3a6c1b0c6b47b1bc3773bf7e8c6f62901228f8c28cbb18a55ae31341000a650196f931c77a57f2ddf463e5e9ec144b"+
			"777de62aaab8a8628ac376d282d6ed3864e67982428ebc831d14348f6f2f9193b5045af2767164e1dfc967c1fb3f2e55"+
			"a4bd1bffe83b9c80d052b985d182ea0adb2a3b7313d3fe14c8484b1e052588b9b7d2bbd2df016199ecd06e1557cd0915"+
			"b3353bbb64e0ec377fd028370df92b52c7891428cdc67eb6184b523d1db246c32f63078490f00ef8d647d148d4795451"+
			"5e2327cfef98c582664b4c0f6cc41659",
		"8cf83642a709a097b447997640129da299b1a47d1eb3750ba308b0fe64f5fbd3",
	),
}
