package access

import (
	"bytes"
	"crypto/sha1"
	"fmt"
	"math/big"
	"sync"

	"github.com/tapcheck/tapcheck/icao/lds"
)

// domain is a group in which two sides agree on a key (ICAO 9303-11 §9.6): an elliptic curve, or a subgroup of the numbers modulo
// a prime. Its elements are only made by its methods, which check that they are elements.
type domain interface {
	kind() string   // "ECDH" or "DH"
	label() string  // "brainpoolP256r1", "MODP-2048/256"
	parameter() int // id of the standardized parameters; -1 without one
	weakness() int  // 0 for 112 bits of security and more than that of today's recommendations, more for less
	order() *big.Int
	generator() point

	decode(b []byte) (point, error)
	encode(p point) []byte // as it goes into data objects
	publicTag() uint32     // of the public key inside DO'7F49' (ICAO 9303-11 §9.4)
	add(p, q point) (point, error)
	mul(p point, k *big.Int) (point, error)
	// secret is what the keys are derived from, always in full length: dropping leading zero bytes is gmrtd's mistake.
	secret(p point) []byte
	// compress is Comp() of terminal authentication (ICAO 9303-11 §7.1.4.1.3 and §7.1.4.2.3).
	compress(p point) []byte

	field() *big.Int
	// embed turns an element of the field into one of the group, for the integrated mapping (ICAO 9303-11 §4.4.3.3.2).
	embed(t *big.Int) (point, error)
}

func (c *curve) kind() string            { return "ECDH" }
func (c *curve) label() string           { return c.name }
func (c *curve) parameter() int          { return c.id }
func (c *curve) order() *big.Int         { return c.n }
func (c *curve) generator() point        { return c.base }
func (c *curve) publicTag() uint32       { return 0x86 }
func (c *curve) compress(p point) []byte { return c.secret(p) }
func (c *curve) field() *big.Int         { return c.p }

func (c *curve) weakness() int {
	switch bits := c.n.BitLen(); {
	case bits >= 256:
		return 0
	case bits >= 224:
		return 1
	}
	return 2
}

// embeddable says whether the integrated mapping is defined: it needs a prime that is 3 modulo 4, and P-224's is not
// (ICAO 9303-11 §9.5.1).
func embeddable(d domain) bool {
	c, ok := d.(*curve)
	return !ok || c.p.Bit(0)&c.p.Bit(1) == 1
}

// embed is ICAO 9303-11 Appendix B.2, in affine coordinates.
func (c *curve) embed(t *big.Int) (point, error) {
	mod := func(n *big.Int) *big.Int { return n.Mod(n, c.p) }
	one := big.NewInt(1)
	alpha := new(big.Int).Mul(t, t)
	mod(alpha.Neg(alpha))
	sum := new(big.Int).Mul(alpha, alpha)
	mod(sum.Add(sum, alpha)) // α + α²
	inverse := new(big.Int).ModInverse(mod(new(big.Int).Mul(c.a, sum)), c.p)
	if inverse == nil {
		return point{}, errInfinity // t is 0 or ±1, which nobody meets by chance
	}
	x := new(big.Int).Add(one, sum)
	x.Mul(x, c.b)
	mod(x.Mul(x, inverse))
	mod(x.Neg(x)) // -b(1+α+α²)(a(α+α²))⁻¹
	h := c.right(x)
	exponent := new(big.Int).Add(c.p, one)
	exponent.Rsh(exponent, 2)
	exponent.Sub(new(big.Int).Sub(c.p, one), exponent)
	root := new(big.Int).Exp(h, exponent, c.p)
	check := new(big.Int).Mul(root, root)
	if mod(check.Mul(check, h)).Cmp(one) == 0 {
		return c.checked(x, mod(new(big.Int).Mul(root, h)))
	}
	x = mod(new(big.Int).Mul(alpha, x))
	u := new(big.Int).Mul(t, t)
	u.Mul(mod(u), t)
	u.Mul(mod(u), h)
	return c.checked(x, mod(u.Mul(mod(u), root)))
}

// modp is a subgroup of the numbers modulo a prime. Its elements are points without y.
type modp struct {
	id    int
	name  string
	p, g  *big.Int
	q     *big.Int // order of the subgroup; nil where the chip's key does not tell it
	bytes int
}

// RFC 5114 §2.1 to §2.3. The origin of these primes is not documented, and the first is too short for today; a chip that offers a curve
// besides is opened with the curve.
var modpTable = []struct{ name, p, g, q string }{
	{
		"MODP-1024/160",
		`B10B8F96A080E01DDE92DE5EAE5D54EC52C99FBCFB06A3C69A6A9DCA52D23B616073E28675A23D189838EF1E2EE652C0
		 13ECB4AEA906112324975C3CD49B83BFACCBDD7D90C4BD7098488E9C219A73724EFFD6FAE5644738FAA31A4FF55BCCC0
		 A151AF5F0DC8B4BD45BF37DF365C1A65E68CFDA76D4DA708DF1FB2BC2E4A4371`,
		`A4D1CBD5C3FD34126765A442EFB99905F8104DD258AC507FD6406CFF14266D31266FEA1E5C41564B777E690F5504F213
		 160217B4B01B886A5E91547F9E2749F4D7FBD7D3B9A92EE1909D0D2263F80A76A6A24C087A091F531DBF0A0169B6A28A
		 D662A4D18E73AFA32D779D5918D08BC8858F4DCEF97C2A24855E6EEB22B3B2E5`,
		`F518AA8781A8DF278ABA4E7D64B7CB9D49462353`,
	},
	{
		"MODP-2048/224",
		`AD107E1E9123A9D0D660FAA79559C51FA20D64E5683B9FD1B54B1597B61D0A75E6FA141DF95A56DBAF9A3C407BA1DF15
		 EB3D688A309C180E1DE6B85A1274A0A66D3F8152AD6AC2129037C9EDEFDA4DF8D91E8FEF55B7394B7AD5B7D0B6C12207
		 C9F98D11ED34DBF6C6BA0B2C8BBC27BE6A00E0A0B9C49708B3BF8A317091883681286130BC8985DB1602E714415D9330
		 278273C7DE31EFDC7310F7121FD5A07415987D9ADC0A486DCDF93ACC44328387315D75E198C641A480CD86A1B9E587E8
		 BE60E69CC928B2B9C52172E413042E9B23F10B0E16E79763C9B53DCF4BA80A29E3FB73C16B8E75B97EF363E2FFA31F71
		 CF9DE5384E71B81C0AC4DFFE0C10E64F`,
		`AC4032EF4F2D9AE39DF30B5C8FFDAC506CDEBE7B89998CAF74866A08CFE4FFE3A6824A4E10B9A6F0DD921F01A70C4AFA
		 AB739D7700C29F52C57DB17C620A8652BE5E9001A8D66AD7C17669101999024AF4D027275AC1348BB8A762D0521BC98A
		 E247150422EA1ED409939D54DA7460CDB5F6C6B250717CBEF180EB34118E98D119529A45D6F834566E3025E316A330EF
		 BB77A86F0C1AB15B051AE3D428C8F8ACB70A8137150B8EEB10E183EDD19963DDD9E263E4770589EF6AA21E7F5F2FF381
		 B539CCE3409D13CD566AFBB48D6C019181E1BCFE94B30269EDFE72FE9B6AA4BD7B5A0F1C71CFFF4C19C418E1F6EC0179
		 81BC087F2A7065B384B890D3191F2BFA`,
		`801C0D34C58D93FE997177101F80535A4738CEBCBF389A99B36371EB`,
	},
	{
		"MODP-2048/256",
		`87A8E61DB4B6663CFFBBD19C651959998CEEF608660DD0F25D2CEED4435E3B00E00DF8F1D61957D4FAF7DF4561B2AA30
		 16C3D91134096FAA3BF4296D830E9A7C209E0C6497517ABD5A8A9D306BCF67ED91F9E6725B4758C022E0B1EF4275BF7B
		 6C5BFC11D45F9088B941F54EB1E59BB8BC39A0BF12307F5C4FDB70C581B23F76B63ACAE1CAA6B7902D52526735488A0E
		 F13C6D9A51BFA4AB3AD8347796524D8EF6A167B5A41825D967E144E5140564251CCACB83E6B486F6B3CA3F7971506026
		 C0B857F689962856DED4010ABD0BE621C3A3960A54E710C375F26375D7014103A4B54330C198AF126116D2276E11715F
		 693877FAD7EF09CADB094AE91E1A1597`,
		`3FB32C9B73134D0B2E77506660EDBD484CA7B18F21EF205407F4793A1A0BA12510DBC15077BE463FFF4FED4AAC0BB555
		 BE3A6C1B0C6B47B1BC3773BF7E8C6F62901228F8C28CBB18A55AE31341000A650196F931C77A57F2DDF463E5E9EC144B
		 777DE62AAAB8A8628AC376D282D6ED3864E67982428EBC831D14348F6F2F9193B5045AF2767164E1DFC967C1FB3F2E55
		 A4BD1BFFE83B9C80D052B985D182EA0ADB2A3B7313D3FE14C8484B1E052588B9B7D2BBD2DF016199ECD06E1557CD0915
		 B3353BBB64E0EC377FD028370DF92B52C7891428CDC67EB6184B523D1DB246C32F63078490F00EF8D647D148D4795451
		 5E2327CFEF98C582664B4C0F6CC41659`,
		`8CF83642A709A097B447997640129DA299B1A47D1EB3750BA308B0FE64F5FBD3`,
	},
}

// modps are the groups of ICAO 9303-11 §9.5.1 with the parameter ids 0 to 2.
var modps = sync.OnceValue(func() []*modp {
	var out []*modp
	for i, d := range modpTable {
		m := &modp{id: i, name: d.name, p: hexInt(d.p), g: hexInt(d.g), q: hexInt(d.q)}
		m.bytes = (m.p.BitLen() + 7) / 8
		out = append(out, m)
	}
	return out
})

func (m *modp) kind() string      { return "DH" }
func (m *modp) label() string     { return m.name }
func (m *modp) parameter() int    { return m.id }
func (m *modp) generator() point  { return point{x: m.g} }
func (m *modp) publicTag() uint32 { return 0x84 }
func (m *modp) field() *big.Int   { return m.p }

// order is that of the subgroup, or else that of the whole group, which it divides.
func (m *modp) order() *big.Int {
	if m.q != nil {
		return m.q
	}
	return new(big.Int).Sub(m.p, big.NewInt(1))
}

func (m *modp) weakness() int {
	switch {
	case m.p.BitLen() < 2048:
		return 2
	case m.q != nil && m.q.BitLen() < 256:
		return 1
	}
	return 0
}

// element checks what RFC 2631 §2.1.5 wants checked: 2 to p-2, and in the subgroup where its order is known. Anything else could
// make the terminal's key come out, or the secret one of a few.
func (m *modp) element(n *big.Int) (point, error) {
	if n.Cmp(big.NewInt(2)) < 0 || n.Cmp(new(big.Int).Sub(m.p, big.NewInt(2))) > 0 ||
		m.q != nil && new(big.Int).Exp(n, m.q, m.p).Cmp(big.NewInt(1)) != 0 {
		return point{}, fmt.Errorf("number is not in %s: %w", m.name, lds.ErrMalformed)
	}
	return point{x: n}, nil
}

// decode reads an unsigned integer. ICAO 9303-11 §9.4.1 wants it without leading zero bytes; chips send them all the same.
func (m *modp) decode(b []byte) (point, error) {
	if len(b) == 0 || len(b) > m.bytes {
		return point{}, fmt.Errorf("number has not the length of %s: %w", m.name, lds.ErrMalformed)
	}
	return m.element(new(big.Int).SetBytes(b))
}

// encode leaves leading zero bytes out (§9.4.1), unlike secret.
func (m *modp) encode(p point) []byte { return p.x.Bytes() }

func (m *modp) secret(p point) []byte { return p.x.FillBytes(make([]byte, m.bytes)) }

func (m *modp) compress(p point) []byte {
	sum := sha1.Sum(m.encode(p))
	return sum[:]
}

// one is the neutral element, which no side may come to.
func (m *modp) notOne(n *big.Int) (point, error) {
	if n.Cmp(big.NewInt(1)) <= 0 {
		return point{}, fmt.Errorf("neutral element: %w", lds.ErrProtocol)
	}
	return point{x: n}, nil
}

func (m *modp) add(p, q point) (point, error) {
	n := new(big.Int).Mul(p.x, q.x)
	return m.notOne(n.Mod(n, m.p))
}

func (m *modp) mul(p point, k *big.Int) (point, error) {
	return m.notOne(new(big.Int).Exp(p.x, new(big.Int).Mod(k, m.order()), m.p))
}

// embed raises to the cofactor (ICAO 9303-11 §4.4.3.3.2).
func (m *modp) embed(t *big.Int) (point, error) {
	a := new(big.Int).Sub(m.p, big.NewInt(1))
	a.Div(a, m.order())
	return m.notOne(new(big.Int).Exp(t, a, m.p))
}

// Object identifiers of keys for plain Diffie-Hellman: PKCS #3, and ANSI X9.42, which cards have too (ICAO 9303-11 §8.5 note 2).
var (
	oidPKCS3 = []byte{0x2A, 0x86, 0x48, 0x86, 0xF7, 0x0D, 0x01, 0x03, 0x01}
	oidX942  = []byte{0x2A, 0x86, 0x48, 0xCE, 0x3E, 0x02, 0x01}
)

// Bounds of the group that a key for chip authentication may bring, in bits of its prime.
const (
	minModp = 1024
	maxModp = 4096
)

// dhKey reads a key for plain Diffie-Hellman. Unlike for PACE, where the password is at stake, the group may be the chip's own: only
// this run's key hangs on it, and whoever signed the key signed the group.
func dhKey(spki []byte) (*modp, point, error) {
	algorithm, parameters, key, err := subjectKey(spki)
	if err != nil {
		return nil, point{}, err
	}
	m, err := modpOf(algorithm, parameters)
	if err != nil {
		return nil, point{}, err
	}
	y, err := integer(key)
	if err != nil {
		return nil, point{}, err
	}
	p, err := m.element(y)
	return m, p, err
}

func modpOf(algorithm, parameters []byte) (*modp, error) {
	if bytes.Equal(algorithm, oidStandardized) {
		id, err := integer(parameters)
		if err != nil {
			return nil, err
		}
		if !id.IsInt64() || id.Int64() >= int64(len(modps())) {
			return nil, errUnknownKey
		}
		return modps()[id.Int64()], nil
	}
	x942 := bytes.Equal(algorithm, oidX942)
	if !x942 && !bytes.Equal(algorithm, oidPKCS3) {
		return nil, errUnknownKey
	}
	body, err := lds.Only(parameters, 0x30)
	if err != nil {
		return nil, err
	}
	m := &modp{id: -1}
	if m.p, body, err = readInteger(body); err != nil {
		return nil, err
	}
	if m.g, body, err = readInteger(body); err != nil {
		return nil, err
	}
	if x942 {
		if m.q, _, err = readInteger(body); err != nil { // cofactor and proof of the making follow
			return nil, err
		}
	}
	for _, known := range modps() {
		if known.p.Cmp(m.p) == 0 && known.g.Cmp(m.g) == 0 && (m.q == nil || known.q.Cmp(m.q) == 0) {
			return known, nil
		}
	}
	bits := m.p.BitLen()
	if bits < minModp || bits > maxModp {
		return nil, errUnknownKey
	}
	m.bytes, m.name = (bits+7)/8, fmt.Sprintf("MODP-%d", bits)
	if m.p.Bit(0) == 0 || m.q != nil && (m.q.BitLen() < 160 || m.q.Cmp(m.p) >= 0) {
		return nil, fmt.Errorf("group of impossible numbers: %w", lds.ErrMalformed)
	}
	if _, err := m.element(m.g); err != nil {
		return nil, err
	}
	return m, nil
}

// standardDomain gives the group with a parameter id, or nil: 3 to 7 and 19 to 31 are reserved, and others are the card's own, which could
// leak the password (ICAO 9303-11 §9.2.2).
func standardDomain(id int) domain {
	if id >= 0 && id < len(modps()) {
		return modps()[id]
	}
	if c := standardized(id); c != nil {
		return c
	}
	return nil
}
