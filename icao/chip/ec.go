package chip

import (
	"errors"
	"io"
	"math/big"
)

// Elliptic curves in short Weierstrass form over prime fields, for the curves of ICAO 9303-11 Table 4. The standard library
// has no brainpool curves and its NIST ones answer no questions about points that are not multiples of the base point
// in the way that the generic mapping of PACE needs, so both sorts go through the same few lines here. Nothing is done about
// timing: a simulated chip has no secrets worth measuring.

// curve holds domain parameters. The base point of mapped domain parameters differs from the curve's own (see withBase).
type curve struct {
	name    string // as in RFC 5639 ("brainpoolP256r1") or FIPS 186 ("P-256")
	oid     string
	paramID int // standardised domain parameter of ICAO 9303-11 Table 4
	p, a, b *big.Int
	g       point
	n       *big.Int
	size    int // bytes of a field element
	f       *field
	fa      fe // a in the field
}

// point is affine; x is nil for the point at infinity.
type point struct{ x, y *big.Int }

func (q point) infinite() bool { return q.x == nil }

func (q point) equal(r point) bool {
	if q.infinite() || r.infinite() {
		return q.infinite() == r.infinite()
	}
	return q.x.Cmp(r.x) == 0 && q.y.Cmp(r.y) == 0
}

var errPoint = errors.New("not a point of the curve")

func newCurve(name, oid string, id int, p, a, b, gx, gy, n string) *curve {
	h := func(s string) *big.Int {
		v, ok := new(big.Int).SetString(s, 16)
		if !ok {
			panic("chip: bad curve constant")
		}
		return v
	}
	c := &curve{name: name, oid: oid, paramID: id, p: h(p), a: h(a), b: h(b), g: point{h(gx), h(gy)}, n: h(n)}
	c.size = (c.p.BitLen() + 7) / 8
	c.f = newField(c.p)
	c.fa = c.f.from(c.a)
	return c
}

// withBase gives the same curve with another base point, as the generic mapping does (ICAO 9303-11 §4.4.3.3.1).
func (c *curve) withBase(g point) *curve {
	m := *c
	m.g = g
	return &m
}

func (c *curve) onCurve(q point) bool {
	if q.infinite() || q.x.Sign() < 0 || q.y.Sign() < 0 || q.x.Cmp(c.p) >= 0 || q.y.Cmp(c.p) >= 0 {
		return false
	}
	l := new(big.Int).Mul(q.y, q.y)
	r := new(big.Int).Mul(q.x, q.x)
	r.Add(r, c.a).Mul(r, q.x).Add(r, c.b)
	return l.Sub(l, r).Mod(l, c.p).Sign() == 0
}

// encode gives the uncompressed form of X9.62: 04 ‖ x ‖ y, both of fixed length.
func (c *curve) encode(q point) []byte {
	out := make([]byte, 1+2*c.size)
	out[0] = 4
	if !q.infinite() {
		q.x.FillBytes(out[1 : 1+c.size])
		q.y.FillBytes(out[1+c.size:])
	}
	return out
}

// decode takes the uncompressed form only, and only points of the curve. All curves here have cofactor one, so that any
// such point but infinity (which has no encoding) is of full order.
func (c *curve) decode(b []byte) (point, error) {
	if len(b) != 1+2*c.size || b[0] != 4 {
		return point{}, errPoint
	}
	q := point{new(big.Int).SetBytes(b[1 : 1+c.size]), new(big.Int).SetBytes(b[1+c.size:])}
	if !c.onCurve(q) {
		return point{}, errPoint
	}
	return q, nil
}

// secret is the x coordinate at its full length: leading zero bytes belong to it (BSI TR-03111 §4.3.1).
func (c *curve) secret(q point) []byte {
	out := make([]byte, c.size)
	if !q.infinite() {
		q.x.FillBytes(out)
	}
	return out
}

// jac is a point in Jacobian coordinates: x = X/Z², y = Y/Z³; Z = 0 is infinity.
type jac struct{ x, y, z fe }

// double sets r = 2r. The formulas are the textbook ones for Jacobian coordinates and any a.
//
//go:norace
func (c *curve) double(r *jac) {
	f := c.f
	if r.z.zero() {
		return
	}
	if r.y.zero() {
		r.z = fe{}
		return
	}
	var yy, s, m, zz, u fe
	f.mul(&yy, &r.y, &r.y)
	f.mul(&s, &r.x, &yy)
	f.add(&s, &s, &s)
	f.add(&s, &s, &s) // S = 4·X·Y²
	f.mul(&zz, &r.z, &r.z)
	f.mul(&u, &r.x, &r.x)
	f.add(&m, &u, &u)
	f.add(&m, &m, &u)
	f.mul(&u, &zz, &zz)
	f.mul(&u, &u, &c.fa)
	f.add(&m, &m, &u) // M = 3·X² + a·Z⁴
	f.mul(&r.z, &r.y, &r.z)
	f.add(&r.z, &r.z, &r.z)
	f.mul(&r.x, &m, &m)
	f.sub(&r.x, &r.x, &s)
	f.sub(&r.x, &r.x, &s)
	f.sub(&s, &s, &r.x)
	f.mul(&u, &m, &s)
	f.mul(&yy, &yy, &yy)
	f.add(&yy, &yy, &yy)
	f.add(&yy, &yy, &yy)
	f.add(&yy, &yy, &yy)
	f.sub(&r.y, &u, &yy)
}

// add sets r = r + k.
//
//go:norace
func (c *curve) add(r, k *jac) {
	f := c.f
	if k.z.zero() {
		return
	}
	if r.z.zero() {
		*r = *k
		return
	}
	var z1, z2, u1, u2, s1, s2, h, hh, hhh, rr fe
	f.mul(&z1, &r.z, &r.z)
	f.mul(&z2, &k.z, &k.z)
	f.mul(&u1, &r.x, &z2)
	f.mul(&u2, &k.x, &z1)
	f.mul(&s1, &r.y, &z2)
	f.mul(&s1, &s1, &k.z)
	f.mul(&s2, &k.y, &z1)
	f.mul(&s2, &s2, &r.z)
	if u1 == u2 {
		if s1 == s2 {
			c.double(r)
		} else {
			r.z = fe{}
		}
		return
	}
	f.sub(&h, &u2, &u1)
	f.sub(&rr, &s2, &s1)
	f.mul(&hh, &h, &h)
	f.mul(&hhh, &hh, &h)
	f.mul(&u1, &u1, &hh) // V
	f.mul(&r.z, &r.z, &k.z)
	f.mul(&r.z, &r.z, &h)
	f.mul(&r.x, &rr, &rr)
	f.sub(&r.x, &r.x, &hhh)
	f.sub(&r.x, &r.x, &u1)
	f.sub(&r.x, &r.x, &u1)
	f.sub(&u1, &u1, &r.x)
	f.mul(&u1, &u1, &rr)
	f.mul(&s1, &s1, &hhh)
	f.sub(&r.y, &u1, &s1)
}

func (c *curve) jacobian(q point) (j jac) {
	if !q.infinite() {
		j = jac{c.f.from(q.x), c.f.from(q.y), c.f.one}
	}
	return j
}

func (c *curve) affine(j *jac) point {
	if j.z.zero() {
		return point{}
	}
	var zi fe
	c.f.invert(&zi, &j.z)
	return c.scaled(j, &zi)
}

// scaled is the affine point of j, given 1/Z.
func (c *curve) scaled(j *jac, zi *fe) point {
	var z2, x, y fe
	c.f.mul(&z2, zi, zi)
	c.f.mul(&x, &j.x, &z2)
	c.f.mul(&z2, &z2, zi)
	c.f.mul(&y, &j.y, &z2)
	return point{c.f.to(&x), c.f.to(&y)}
}

// mult is k·q, four bits at a time.
func (c *curve) mult(q point, k *big.Int) point {
	if q.infinite() || k.Sign() == 0 {
		return point{}
	}
	var table [16]jac
	table[1] = c.jacobian(q)
	for i := 2; i < 16; i++ {
		table[i] = table[i-1]
		c.add(&table[i], &table[1])
	}
	var r jac
	for _, b := range k.Bytes() {
		for _, nibble := range [2]byte{b >> 4, b & 15} {
			for range 4 {
				c.double(&r)
			}
			if nibble != 0 {
				c.add(&r, &table[nibble])
			}
		}
	}
	return c.affine(&r)
}

func (c *curve) sum(q, r point) point {
	j, k := c.jacobian(q), c.jacobian(r)
	c.add(&j, &k)
	return c.affine(&j)
}

// scalar is uniform in 1 … n−1 (as near as eight extra bytes bring it).
func (c *curve) scalar(rand io.Reader) (*big.Int, error) {
	b := make([]byte, (c.n.BitLen()+7)/8+8)
	if _, err := io.ReadFull(rand, b); err != nil {
		return nil, err
	}
	k := new(big.Int).SetBytes(b)
	n1 := new(big.Int).Sub(c.n, big.NewInt(1))
	return k.Mod(k, n1).Add(k, big.NewInt(1)), nil
}

// scalarWithZeros finds a k such that the x coordinate of k·q begins with exactly the wanted number of zero bytes. It walks from a
// random start and looks at several hundred neighbours k±i at a time, for which one inversion and seven multiplications per pair
// are enough because only x is wanted. Two zero bytes are found within some ten milliseconds.
func (c *curve) scalarWithZeros(q point, zeros int, rand io.Reader) (*big.Int, error) {
	k, err := c.scalar(rand)
	if err != nil || zeros <= 0 {
		return k, err
	}
	const m = 256
	f := c.f
	table := c.multiples(q, m)
	step := c.mult(q, big.NewInt(2*m+1))
	base := c.mult(q, k)
	diff, acc := make([]fe, m), make([]fe, m+1)
	var inv, di, l, x, neg, zero fe
	plain := fe{1}
	top := new(big.Int).Lsh(big.NewInt(1), uint(8*(c.size-zeros)))
	low, high := words(new(big.Int).Rsh(top, 8)), words(top.Sub(top, big.NewInt(1)))
	// Thirty-two times the expected number of candidates for two zero bytes.
	for range 1 << 12 {
		if base.infinite() {
			base = c.sum(base, q)
			k.Add(k, big.NewInt(1))
		}
		b := c.jacobian(base)
		acc[0] = f.one
		for i := range table {
			f.sub(&diff[i], &table[i].x, &b.x)
			if diff[i].zero() {
				diff[i] = f.one // ±the base itself: a wrong candidate, which the check below throws away
			}
			f.mul(&acc[i+1], &acc[i], &diff[i])
		}
		f.invert(&inv, &acc[m])
		f.sub(&neg, &zero, &b.y)
		for i := m - 1; i >= 0; i-- {
			f.mul(&di, &inv, &acc[i])
			f.mul(&inv, &inv, &diff[i])
			for sign := int64(1); sign >= -1; sign -= 2 {
				if sign > 0 {
					f.sub(&l, &table[i].y, &b.y)
				} else {
					f.sub(&l, &neg, &table[i].y)
				}
				f.mul(&l, &l, &di)
				f.mul(&x, &l, &l)
				f.sub(&x, &x, &b.x)
				f.sub(&x, &x, &table[i].x)
				f.mul(&x, &x, &plain) // out of Montgomery form
				if x.less(&low) || high.less(&x) {
					continue
				}
				found := new(big.Int).Add(k, big.NewInt(sign*int64(i+1)))
				found.Mod(found, c.n)
				if leadingZeros(c.secret(c.mult(q, found))) == zeros {
					return found, nil
				}
			}
		}
		base = c.sum(base, step)
		k.Add(k, big.NewInt(2*m+1))
	}
	return nil, errors.New("chip: no such secret found")
}

// multiples gives q, 2q … mq with Z = 1.
func (c *curve) multiples(q point, m int) []jac {
	f := c.f
	js := make([]jac, m)
	acc := make([]fe, m+1)
	acc[0] = f.one
	one := c.jacobian(q)
	for i := range js {
		if i > 0 {
			js[i] = js[i-1]
		}
		c.add(&js[i], &one)
		f.mul(&acc[i+1], &acc[i], &js[i].z) // no z is zero: the order is a large prime
	}
	var inv, zi, z2 fe
	f.invert(&inv, &acc[m])
	for i := m - 1; i >= 0; i-- {
		j := &js[i]
		f.mul(&zi, &inv, &acc[i])
		f.mul(&inv, &inv, &j.z)
		f.mul(&z2, &zi, &zi)
		f.mul(&j.x, &j.x, &z2)
		f.mul(&z2, &z2, &zi)
		f.mul(&j.y, &j.y, &z2)
		j.z = f.one
	}
	return js
}

func leadingZeros(b []byte) int {
	for i, v := range b {
		if v != 0 {
			return i
		}
	}
	return len(b)
}

// ecdsaSign signs a hash (FIPS 186-5 §6.4.1, with a random k) and gives r and s.
func (c *curve) ecdsaSign(priv *big.Int, hash []byte, rand io.Reader) (r, s *big.Int, err error) {
	z := c.hashToInt(hash)
	for {
		k, err := c.scalar(rand)
		if err != nil {
			return nil, nil, err
		}
		r = new(big.Int).Mod(c.mult(c.g, k).x, c.n)
		if r.Sign() == 0 {
			continue
		}
		s = new(big.Int).Mul(r, priv)
		s.Add(s, z).Mul(s, new(big.Int).ModInverse(k, c.n)).Mod(s, c.n)
		if s.Sign() != 0 {
			return r, s, nil
		}
	}
}

func (c *curve) ecdsaVerify(pub point, hash []byte, r, s *big.Int) bool {
	if r.Sign() <= 0 || s.Sign() <= 0 || r.Cmp(c.n) >= 0 || s.Cmp(c.n) >= 0 {
		return false
	}
	w := new(big.Int).ModInverse(s, c.n)
	u1 := new(big.Int).Mul(c.hashToInt(hash), w)
	u2 := new(big.Int).Mul(r, w)
	q := c.sum(c.mult(c.g, u1.Mod(u1, c.n)), c.mult(pub, u2.Mod(u2, c.n)))
	return !q.infinite() && new(big.Int).Mod(q.x, c.n).Cmp(r) == 0
}

func (c *curve) hashToInt(hash []byte) *big.Int {
	z := new(big.Int).SetBytes(hash)
	if d := len(hash)*8 - c.n.BitLen(); d > 0 {
		z.Rsh(z, uint(d))
	}
	return z
}

// plain is the signature as BSI TR-03111 §5.2.1 writes it: r ‖ s, each as long as the order.
func (c *curve) plain(r, s *big.Int) []byte {
	n := (c.n.BitLen() + 7) / 8
	out := make([]byte, 2*n)
	r.FillBytes(out[:n])
	s.FillBytes(out[n:])
	return out
}

func curveByName(name string) *curve {
	for _, c := range curves {
		if c.name == name {
			return c
		}
	}
	return nil
}

// Curves names the elliptic curves that a profile may ask for, as RFC 5639 and FIPS 186 name them.
func Curves() []string {
	out := make([]string, len(curves))
	for i, c := range curves {
		out[i] = c.name
	}
	return out
}

// The constants are those of RFC 5639 §3, and of FIPS 186-4 appendix D.1.2.
var curves = []*curve{
	newCurve("brainpoolP192r1", "1.3.36.3.3.2.8.1.1.3", 9,
		"c302f41d932a36cda7a3463093d18db78fce476de1a86297",
		"6a91174076b1e0e19c39c031fe8685c1cae040e5c69a28ef",
		"469a28ef7c28cca3dc721d044f4496bcca7ef4146fbf25c9",
		"c0a0647eaab6a48753b033c56cb0f0900a2f5c4853375fd6",
		"14b690866abd5bb88b5f4828c1490002e6773fa2fa299b8f",
		"c302f41d932a36cda7a3462f9e9e916b5be8f1029ac4acc1",
	),
	newCurve("brainpoolP224r1", "1.3.36.3.3.2.8.1.1.5", 11,
		"d7c134aa264366862a18302575d1d787b09f075797da89f57ec8c0ff",
		"68a5e62ca9ce6c1c299803a6c1530b514e182ad8b0042a59cad29f43",
		"2580f63ccfe44138870713b1a92369e33e2135d266dbb372386c400b",
		"d9029ad2c7e5cf4340823b2a87dc68c9e4ce3174c1e6efdee12c07d",
		"58aa56f772c0726f24c6b89e4ecdac24354b9e99caa3f6d3761402cd",
		"d7c134aa264366862a18302575d0fb98d116bc4b6ddebca3a5a7939f",
	),
	newCurve("brainpoolP256r1", "1.3.36.3.3.2.8.1.1.7", 13,
		"a9fb57dba1eea9bc3e660a909d838d726e3bf623d52620282013481d1f6e5377",
		"7d5a0975fc2c3057eef67530417affe7fb8055c126dc5c6ce94a4b44f330b5d9",
		"26dc5c6ce94a4b44f330b5d9bbd77cbf958416295cf7e1ce6bccdc18ff8c07b6",
		"8bd2aeb9cb7e57cb2c4b482ffc81b7afb9de27e1e3bd23c23a4453bd9ace3262",
		"547ef835c3dac4fd97f8461a14611dc9c27745132ded8e545c1d54c72f046997",
		"a9fb57dba1eea9bc3e660a909d838d718c397aa3b561a6f7901e0e82974856a7",
	),
	newCurve("brainpoolP320r1", "1.3.36.3.3.2.8.1.1.9", 14,
		"d35e472036bc4fb7e13c785ed201e065f98fcfa6f6f40def4f92b9ec7893ec28fcd412b1f1b32e27",
		"3ee30b568fbab0f883ccebd46d3f3bb8a2a73513f5eb79da66190eb085ffa9f492f375a97d860eb4",
		"520883949dfdbc42d3ad198640688a6fe13f41349554b49acc31dccd884539816f5eb4ac8fb1f1a6",
		"43bd7e9afb53d8b85289bcc48ee5bfe6f20137d10a087eb6e7871e2a10a599c710af8d0d39e20611",
		"14fdd05545ec1cc8ab4093247f77275e0743ffed117182eaa9c77877aaac6ac7d35245d1692e8ee1",
		"d35e472036bc4fb7e13c785ed201e065f98fcfa5b68f12a32d482ec7ee8658e98691555b44c59311",
	),
	newCurve("brainpoolP384r1", "1.3.36.3.3.2.8.1.1.11", 16,
		"8cb91e82a3386d280f5d6f7e50e641df152f7109ed5456b412b1da197fb71123acd3a729901d1a71874700133107ec53",
		"7bc382c63d8c150c3c72080ace05afa0c2bea28e4fb22787139165efba91f90f8aa5814a503ad4eb04a8c7dd22ce2826",
		"4a8c7dd22ce28268b39b55416f0447c2fb77de107dcd2a62e880ea53eeb62d57cb4390295dbc9943ab78696fa504c11",
		"1d1c64f068cf45ffa2a63a81b7c13f6b8847a3e77ef14fe3db7fcafe0cbd10e8e826e03436d646aaef87b2e247d4af1e",
		"8abe1d7520f9c2a45cb1eb8e95cfd55262b70b29feec5864e19c054ff99129280e4646217791811142820341263c5315",
		"8cb91e82a3386d280f5d6f7e50e641df152f7109ed5456b31f166e6cac0425a7cf3ab6af6b7fc3103b883202e9046565",
	),
	newCurve("brainpoolP512r1", "1.3.36.3.3.2.8.1.1.13", 17,
		"aadd9db8dbe9c48b3fd4e6ae33c9fc07cb308db3b3c9d20ed6639cca703308717d4d9b009bc66842aecda12ae6a380e62881ff2f2d82c68528aa6056583a48f3",
		"7830a3318b603b89e2327145ac234cc594cbdd8d3df91610a83441caea9863bc2ded5d5aa8253aa10a2ef1c98b9ac8b57f1117a72bf2c7b9e7c1ac4d77fc94ca",
		"3df91610a83441caea9863bc2ded5d5aa8253aa10a2ef1c98b9ac8b57f1117a72bf2c7b9e7c1ac4d77fc94cadc083e67984050b75ebae5dd2809bd638016f723",
		"81aee4bdd82ed9645a21322e9c4c6a9385ed9f70b5d916c1b43b62eef4d0098eff3b1f78e2d0d48d50d1687b93b97d5f7c6d5047406a5e688b352209bcb9f822",
		"7dde385d566332ecc0eabfa9cf7822fdf209f70024a57b1aa000c55b881f8111b2dcde494a5f485e5bca4bd88a2763aed1ca2b2fa8f0540678cd1e0f3ad80892",
		"aadd9db8dbe9c48b3fd4e6ae33c9fc07cb308db3b3c9d20ed6639cca70330870553e5c414ca92619418661197fac10471db1d381085ddaddb58796829ca90069",
	),
	newCurve("P-192", "1.2.840.10045.3.1.1", 8,
		"fffffffffffffffffffffffffffffffeffffffffffffffff",
		"fffffffffffffffffffffffffffffffefffffffffffffffc",
		"64210519e59c80e70fa7e9ab72243049feb8deecc146b9b1",
		"188da80eb03090f67cbf20eb43a18800f4ff0afd82ff1012",
		"7192b95ffc8da78631011ed6b24cdd573f977a11e794811",
		"ffffffffffffffffffffffff99def836146bc9b1b4d22831",
	),
	newCurve("P-224", "1.3.132.0.33", 10,
		"ffffffffffffffffffffffffffffffff000000000000000000000001",
		"fffffffffffffffffffffffffffffffefffffffffffffffffffffffe",
		"b4050a850c04b3abf54132565044b0b7d7bfd8ba270b39432355ffb4",
		"b70e0cbd6bb4bf7f321390b94a03c1d356c21122343280d6115c1d21",
		"bd376388b5f723fb4c22dfe6cd4375a05a07476444d5819985007e34",
		"ffffffffffffffffffffffffffff16a2e0b8f03e13dd29455c5c2a3d",
	),
	newCurve("P-256", "1.2.840.10045.3.1.7", 12,
		"ffffffff00000001000000000000000000000000ffffffffffffffffffffffff",
		"ffffffff00000001000000000000000000000000fffffffffffffffffffffffc",
		"5ac635d8aa3a93e7b3ebbd55769886bc651d06b0cc53b0f63bce3c3e27d2604b",
		"6b17d1f2e12c4247f8bce6e563a440f277037d812deb33a0f4a13945d898c296",
		"4fe342e2fe1a7f9b8ee7eb4a7c0f9e162bce33576b315ececbb6406837bf51f5",
		"ffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551",
	),
	newCurve("P-384", "1.3.132.0.34", 15,
		"fffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffeffffffff0000000000000000ffffffff",
		"fffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffeffffffff0000000000000000fffffffc",
		"b3312fa7e23ee7e4988e056be3f82d19181d9c6efe8141120314088f5013875ac656398d8a2ed19d2a85c8edd3ec2aef",
		"aa87ca22be8b05378eb1c71ef320ad746e1d3b628ba79b9859f741e082542a385502f25dbf55296c3a545e3872760ab7",
		"3617de4a96262c6f5d9e98bf9292dc29f8f41dbd289a147ce9da3113b5f0b8c00a60b1ce1d7e819d7a431d7c90ea0e5f",
		"ffffffffffffffffffffffffffffffffffffffffffffffffc7634d81f4372ddf581a0db248b0a77aecec196accc52973",
	),
	newCurve("P-521", "1.3.132.0.35", 18,
		"1ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff",
		"1fffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffc",
		"51953eb9618e1c9a1f929a21a0b68540eea2da725b99b315f3b8b489918ef109e156193951ec7e937b1652c0bd3bb1bf073573df883d2c34f1ef451fd46b503f00",
		"c6858e06b70404e9cd9e3ecb662395b4429c648139053fb521f828af606b4d3dbaa14b5e77efe75928fe1dc127a2ffa8de3348b3c1856a429bf97e7e31c2e5bd66",
		"11839296a789a3bc0045c8a5fb42c7d1bd998f54449579b446817afbd17273e662c97ee72995ef42640c550b9013fad0761353c7086a272c24088be94769fd16650",
		"1fffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffa51868783bf2f966b7fcc0148f709a5d03bb5c9b8899c47aebb6fb71e91386409",
	),
}
