package access

import (
	"bytes"
	"crypto/elliptic"
	"crypto/rand"
	"encoding/asn1"
	"fmt"
	"io"
	"math/big"
	"strings"
	"sync"

	"github.com/gmrtd/gmrtd/cryptoutils"
	"github.com/gmrtd/gmrtd/oid"
	"github.com/osanderson/brainpool"

	"github.com/tapcheck/tapcheck/icao/lds"
)

// group is what PACE's generic mapping needs of a curve and crypto/ecdh does not offer: addition, and a generator that is
// not the standard one. Its methods panic, or worse, on points that are not on the curve: only curve's own methods call it.
type group interface {
	Params() *elliptic.CurveParams
	Add(x1, y1, x2, y2 *big.Int) (x, y *big.Int)
	ScalarMult(x1, y1 *big.Int, k []byte) (x, y *big.Int)
}

// curve is one of the elliptic curves that ICAO 9303-11 §9.5.1 standardizes.
type curve struct {
	id      int // parameter id: 8 to 18
	name    string
	g       group
	oid     []byte // content bytes of the object identifier
	p, n    *big.Int
	a, b    *big.Int
	base    point
	bytes   int // length of a coordinate and of a shared secret
	nLength int // length of a number modulo the order
}

// point is an element of a domain other than the neutral one: a point of a curve, or a number, which has no y. It is only made by the
// domain's methods, which check that.
type point struct{ x, y *big.Int }

func (p point) equal(q point) bool {
	return p.x.Cmp(q.x) == 0 && (p.y == nil || p.y.Cmp(q.y) == 0)
}

// standardized gives the curve with a parameter id, or nil.
func standardized(id int) *curve {
	for _, c := range curves() {
		if c.id == id {
			return c
		}
	}
	return nil
}

// curves holds, besides what the group says of itself, the coefficients a and b: osanderson/brainpool keeps its curves in their
// twisted form and does not tell them.
var curves = sync.OnceValue(func() []*curve {
	var out []*curve
	for _, d := range curveTable {
		params := d.g.Params()
		c := &curve{
			id: d.id, name: d.name, g: d.g, oid: oid.OidBytes(d.oid), p: params.P, n: params.N,
			base: point{params.Gx, params.Gy}, bytes: (params.P.BitLen() + 7) / 8, nLength: (params.N.BitLen() + 7) / 8,
		}
		c.a, c.b = hexInt(d.a), hexInt(d.b)
		c.a.Mod(c.a, c.p)
		out = append(out, c)
	}
	return out
})

func hexInt(s string) *big.Int {
	n, ok := new(big.Int).SetString(strings.Join(strings.Fields(s), ""), 16)
	if !ok {
		panic("access: bad constant")
	}
	return n
}

// RFC 5639 and FIPS 186.
var curveTable = []struct {
	id   int
	name string
	g    group
	oid  asn1.ObjectIdentifier
	a, b string
}{
	{8, "P-192", cryptoutils.EllipticP192(), oid.OidPrime192v1,
		"-3",
		"64210519e59c80e70fa7e9ab72243049feb8deecc146b9b1"},
	{9, "brainpoolP192r1", brainpool.P192r1(), oid.OidBrainpoolP192r1,
		"6a91174076b1e0e19c39c031fe8685c1cae040e5c69a28ef",
		"469a28ef7c28cca3dc721d044f4496bcca7ef4146fbf25c9"},
	{10, "P-224", elliptic.P224(), oid.OidSecp224r1,
		"-3",
		"b4050a850c04b3abf54132565044b0b7d7bfd8ba270b39432355ffb4"},
	{11, "brainpoolP224r1", brainpool.P224r1(), oid.OidBrainpoolP224r1,
		"68a5e62ca9ce6c1c299803a6c1530b514e182ad8b0042a59cad29f43",
		"2580f63ccfe44138870713b1a92369e33e2135d266dbb372386c400b"},
	{12, "P-256", elliptic.P256(), oid.OidPrime256v1,
		"-3",
		"5ac635d8aa3a93e7b3ebbd55769886bc651d06b0cc53b0f63bce3c3e27d2604b"},
	{13, "brainpoolP256r1", brainpool.P256r1(), oid.OidBrainpoolP256r1,
		"7d5a0975fc2c3057eef67530417affe7fb8055c126dc5c6ce94a4b44f330b5d9",
		"26dc5c6ce94a4b44f330b5d9bbd77cbf958416295cf7e1ce6bccdc18ff8c07b6"},
	{14, "brainpoolP320r1", brainpool.P320r1(), oid.OidBrainpoolP320r1,
		"3ee30b568fbab0f883ccebd46d3f3bb8a2a73513f5eb79da66190eb085ffa9f492f375a97d860eb4",
		"520883949dfdbc42d3ad198640688a6fe13f41349554b49acc31dccd884539816f5eb4ac8fb1f1a6"},
	{15, "P-384", elliptic.P384(), oid.OidSecp384r1,
		"-3",
		"b3312fa7e23ee7e4988e056be3f82d19181d9c6efe8141120314088f5013875ac656398d8a2ed19d2a85c8edd3ec2aef"},
	{16, "brainpoolP384r1", brainpool.P384r1(), oid.OidBrainpoolP384r1,
		"7bc382c63d8c150c3c72080ace05afa0c2bea28e4fb22787139165efba91f90f8aa5814a503ad4eb04a8c7dd22ce2826",
		"4a8c7dd22ce28268b39b55416f0447c2fb77de107dcd2a62e880ea53eeb62d57cb4390295dbc9943ab78696fa504c11"},
	{17, "brainpoolP512r1", brainpool.P512r1(), oid.OidBrainpoolP512r1,
		"7830a3318b603b89e2327145ac234cc594cbdd8d3df91610a83441caea9863bc2ded5d5aa8253aa10a2ef1c98b9ac8b57f1117a72bf2c7b9e7c1ac4d77fc94ca",
		"3df91610a83441caea9863bc2ded5d5aa8253aa10a2ef1c98b9ac8b57f1117a72bf2c7b9e7c1ac4d77fc94cadc083e67984050b75ebae5dd2809bd638016f723"},
	{18, "P-521", elliptic.P521(), oid.OidSecp521r1,
		"-3",
		"51953eb9618e1c9a1f929a21a0b68540eea2da725b99b315f3b8b489918ef109e156193951ec7e937b1652c0bd3bb1bf073573df883d2c34f1ef451fd46b503f00"},
}

// valid says whether x and y are coordinates of a point of the curve, reduced and other than infinity. All curves have
// cofactor 1, so every such point has the full order.
func (c *curve) valid(x, y *big.Int) bool {
	if x.Sign() < 0 || y.Sign() < 0 || x.Cmp(c.p) >= 0 || y.Cmp(c.p) >= 0 {
		return false
	}
	left := new(big.Int).Mul(y, y)
	return left.Mod(left, c.p).Cmp(c.right(x)) == 0 && (x.Sign() != 0 || y.Sign() != 0)
}

// right is x³ + ax + b.
func (c *curve) right(x *big.Int) *big.Int {
	right := new(big.Int).Mul(x, x)
	right.Add(right, c.a)
	right.Mul(right, x)
	right.Add(right, c.b)
	return right.Mod(right, c.p)
}

// decode reads an uncompressed point (TR-03111 §3.2.1), which is the only form that ICAO 9303-11 §9.4.5 allows.
func (c *curve) decode(b []byte) (point, error) {
	if len(b) != 1+2*c.bytes || b[0] != 4 {
		return point{}, fmt.Errorf("point has not the form of %s: %w", c.name, lds.ErrMalformed)
	}
	x, y := new(big.Int).SetBytes(b[1:1+c.bytes]), new(big.Int).SetBytes(b[1+c.bytes:])
	if !c.valid(x, y) {
		return point{}, fmt.Errorf("point is not on %s: %w", c.name, lds.ErrMalformed)
	}
	return point{x, y}, nil
}

// encode writes an uncompressed point with both coordinates in full length.
func (c *curve) encode(p point) []byte {
	b := make([]byte, 1+2*c.bytes)
	b[0] = 4
	p.x.FillBytes(b[1 : 1+c.bytes])
	p.y.FillBytes(b[1+c.bytes:])
	return b
}

// secret is the x coordinate in the curve's full length (TR-03111 §3.1.3). gmrtd drops leading zero bytes here.
func (c *curve) secret(p point) []byte { return p.x.FillBytes(make([]byte, c.bytes)) }

var errInfinity = fmt.Errorf("point at infinity: %w", lds.ErrProtocol)

// mul is k·p. k is reduced first: PACE's nonce may be longer than the order of a small curve.
func (c *curve) mul(p point, k *big.Int) (point, error) {
	k = new(big.Int).Mod(k, c.n)
	if k.Sign() == 0 {
		return point{}, errInfinity
	}
	return c.checked(c.g.ScalarMult(p.x, p.y, k.FillBytes(make([]byte, c.nLength))))
}

func (c *curve) add(p, q point) (point, error) {
	if p.x.Cmp(q.x) == 0 {
		if p.y.Cmp(q.y) != 0 {
			return point{}, errInfinity // p and -p
		}
		return c.mul(p, big.NewInt(2))
	}
	return c.checked(c.g.Add(p.x, p.y, q.x, q.y))
}

func (c *curve) checked(x, y *big.Int) (point, error) {
	if !c.valid(x, y) {
		return point{}, errInfinity
	}
	return point{x, y}, nil
}

// keygen makes an ephemeral private key, 1 to n-1. It is a variable of the channel so that published examples can be followed.
type keygen func(d domain) (*big.Int, error)

func randomKey(r io.Reader) keygen {
	return func(d domain) (*big.Int, error) {
		for {
			k, err := rand.Int(r, d.order())
			if err != nil || k.Sign() > 0 {
				return k, err
			}
		}
	}
}

// verify checks an ECDSA signature over a hash, which is cut to the length of the order (FIPS 186 §6.4).
func (c *curve) verify(q point, hash []byte, r, s *big.Int) bool {
	if r.Sign() <= 0 || s.Sign() <= 0 || r.Cmp(c.n) >= 0 || s.Cmp(c.n) >= 0 {
		return false
	}
	e := new(big.Int).SetBytes(hash)
	if extra := 8*len(hash) - c.n.BitLen(); extra > 0 {
		e.Rsh(e, uint(extra))
	}
	w := new(big.Int).ModInverse(s, c.n)
	sum, err := c.mul(q, new(big.Int).Mul(r, w))
	if err != nil {
		return false
	}
	if e.Mul(e, w).Mod(e, c.n).Sign() != 0 {
		g, err := c.mul(c.base, e)
		if err != nil {
			return false
		}
		if sum, err = c.add(g, sum); err != nil {
			return false
		}
	}
	return new(big.Int).Mod(sum.x, c.n).Cmp(r) == 0
}

// Object identifiers of public keys as content bytes.
var (
	oidECPublicKey  = oid.OidBytes(oid.OidEcPublicKey)
	oidPrimeField   = oid.OidBytes(oid.OidPrimeField)
	oidStandardized = oid.OidBytes(oid.OidBsiDeEcKeyType) // standardizedDomainParameters of TR-03110-3 §A.2.1.1
	oidRSA          = oid.OidBytes(oid.OidRsaEncryption)
)

// errUnknownKey is a public key of a kind that we do not speak.
var errUnknownKey = fmt.Errorf("public key of an unknown kind: %w", ErrUnsupported)

// subjectKey splits a SubjectPublicKeyInfo (RFC 5280 §4.1) into algorithm, parameters and the key's bytes.
func subjectKey(spki []byte) (algorithm, parameters, key []byte, err error) {
	body, err := lds.Only(spki, 0x30)
	if err != nil {
		return nil, nil, nil, err
	}
	alg, body, err := lds.Expect(body, 0x30)
	if err != nil {
		return nil, nil, nil, err
	}
	if algorithm, parameters, err = lds.Expect(alg, 0x06); err != nil {
		return nil, nil, nil, err
	}
	bits, err := lds.Only(body, 0x03)
	if err != nil {
		return nil, nil, nil, err
	}
	if len(bits) < 2 || bits[0] != 0 {
		return nil, nil, nil, fmt.Errorf("public key of broken bytes: %w", lds.ErrMalformed)
	}
	return algorithm, parameters, bits[1:], nil
}

// ecKey reads an elliptic curve key. The curve must be one of the standardized ones, however it is described: explicit
// parameters are compared in full, generator and order too, so that a card cannot bring weak ones of its own.
func ecKey(spki []byte) (*curve, point, error) {
	algorithm, parameters, key, err := subjectKey(spki)
	if err != nil {
		return nil, point{}, err
	}
	var c *curve
	switch {
	case bytes.Equal(algorithm, oidECPublicKey):
		c, err = ecParameters(parameters)
	case bytes.Equal(algorithm, oidStandardized):
		var id *big.Int
		if id, err = integer(parameters); err == nil && id.IsInt64() {
			c = standardized(int(id.Int64()))
		}
	}
	if err != nil {
		return nil, point{}, err
	}
	if c == nil {
		return nil, point{}, errUnknownKey
	}
	q, err := c.decode(key)
	return c, q, err
}

// ecParameters finds the curve of an ECParameters (RFC 3279 §2.3.5), or nil for one that we do not know.
func ecParameters(b []byte) (*curve, error) {
	tag, value, rest, err := lds.ReadTLV(b)
	if err != nil {
		return nil, err
	}
	if len(rest) > 0 {
		return nil, fmt.Errorf("bytes after curve parameters: %w", lds.ErrMalformed)
	}
	if tag == 0x06 {
		for _, c := range curves() {
			if bytes.Equal(c.oid, value) {
				return c, nil
			}
		}
		return nil, nil
	}
	if tag != 0x30 {
		return nil, nil // NULL: the curve is implied, and we do not know by what
	}
	// version, field, curve, base, order, then cofactor and others that say nothing new
	_, rest, err = lds.Expect(value, 0x02)
	if err != nil {
		return nil, err
	}
	field, rest, err := lds.Expect(rest, 0x30)
	if err != nil {
		return nil, err
	}
	kind, prime, err := lds.Expect(field, 0x06)
	if err != nil || !bytes.Equal(kind, oidPrimeField) {
		return nil, err
	}
	p, err := integer(prime)
	if err != nil {
		return nil, err
	}
	equation, rest, err := lds.Expect(rest, 0x30)
	if err != nil {
		return nil, err
	}
	a, equation, err := lds.Expect(equation, 0x04)
	if err != nil {
		return nil, err
	}
	bb, _, err := lds.Expect(equation, 0x04) // an optional seed may follow
	if err != nil {
		return nil, err
	}
	base, rest, err := lds.Expect(rest, 0x04)
	if err != nil {
		return nil, err
	}
	order, _, err := readInteger(rest)
	if err != nil {
		return nil, err
	}
	for _, c := range curves() {
		if c.p.Cmp(p) == 0 && c.n.Cmp(order) == 0 && c.a.Cmp(new(big.Int).SetBytes(a)) == 0 &&
			c.b.Cmp(new(big.Int).SetBytes(bb)) == 0 && c.isBase(base) {
			return c, nil
		}
	}
	return nil, nil
}

// isBase compares an encoded generator, which may be compressed.
func (c *curve) isBase(b []byte) bool {
	full := c.encode(c.base)
	if len(b) == 1+c.bytes && (b[0] == 2|byte(c.base.y.Bit(0))) {
		return bytes.Equal(b[1:], full[1:1+c.bytes])
	}
	return bytes.Equal(b, full)
}

// maxInteger is the longest integer that is read: an RSA modulus of 8,192 bits.
const maxInteger = 1024 + 1

// readInteger takes a non-negative INTEGER off b.
func readInteger(b []byte) (*big.Int, []byte, error) {
	value, rest, err := lds.Expect(b, 0x02)
	if err != nil {
		return nil, nil, err
	}
	if len(value) == 0 || len(value) > maxInteger || value[0]&0x80 != 0 {
		return nil, nil, fmt.Errorf("integer is empty, negative or too long: %w", lds.ErrMalformed)
	}
	return new(big.Int).SetBytes(value), rest, nil
}

// integer is readInteger for bytes that hold nothing else.
func integer(b []byte) (*big.Int, error) {
	n, rest, err := readInteger(b)
	if err == nil && len(rest) > 0 {
		err = fmt.Errorf("bytes after an integer: %w", lds.ErrMalformed)
	}
	return n, err
}
