package chip

import (
	"math/big"
	"math/bits"
)

// Arithmetic modulo the primes of the curves, in Montgomery form with as many 64-bit words as the prime needs. math/big would do;
// but a simulated chip stands behind most tests of the project, and this is several times as fast, most of all under the
// race detector, which has nothing to look for in here and is kept out.

const maxWords = 9 // 521 bits

type fe [maxWords]uint64 // value·2^(64·words) mod p, least significant word first

type field struct {
	words   int
	p       fe
	inv     uint64 // −p⁻¹ mod 2⁶⁴
	one, r2 fe
	big     *big.Int
}

func newField(p *big.Int) *field {
	f := &field{words: (p.BitLen() + 63) / 64, big: p}
	f.p = words(p)
	inv := f.p[0] // Newton's iteration doubles the right bits each time, from three on
	for range 5 {
		inv *= 2 - f.p[0]*inv
	}
	f.inv = -inv
	r := new(big.Int).Lsh(big.NewInt(1), uint(64*f.words))
	f.one = words(new(big.Int).Mod(r, p))
	f.r2 = words(r.Mul(r, r).Mod(r, p))
	return f
}

func words(v *big.Int) (z fe) {
	var b [8 * maxWords]byte
	v.FillBytes(b[:])
	for i := range z {
		for j := range 8 {
			z[i] |= uint64(b[len(b)-1-8*i-j]) << (8 * j)
		}
	}
	return z
}

// from takes a number below p into the field, to brings it back.
func (f *field) from(v *big.Int) fe {
	z := words(v)
	f.mul(&z, &z, &f.r2)
	return z
}

func (f *field) to(x *fe) *big.Int {
	var z fe
	plain := fe{1}
	f.mul(&z, x, &plain)
	var b [8 * maxWords]byte
	for i := range z {
		for j := range 8 {
			b[len(b)-1-8*i-j] = byte(z[i] >> (8 * j))
		}
	}
	return new(big.Int).SetBytes(b[:])
}

// mul sets z = x·y. The arguments may be the same.
//
//go:norace
func (f *field) mul(z, x, y *fe) {
	n := f.words
	var t [maxWords + 2]uint64
	for i := range n {
		var c, carry uint64
		yi := y[i]
		for j := range n {
			hi, lo := bits.Mul64(x[j], yi)
			lo, carry = bits.Add64(lo, t[j], 0)
			hi += carry
			lo, carry = bits.Add64(lo, c, 0)
			t[j], c = lo, hi+carry
		}
		t[n], carry = bits.Add64(t[n], c, 0)
		t[n+1] = carry
		m := t[0] * f.inv
		hi, lo := bits.Mul64(m, f.p[0])
		_, carry = bits.Add64(lo, t[0], 0)
		c = hi + carry
		for j := 1; j < n; j++ {
			hi, lo = bits.Mul64(m, f.p[j])
			lo, carry = bits.Add64(lo, t[j], 0)
			hi += carry
			lo, carry = bits.Add64(lo, c, 0)
			t[j-1], c = lo, hi+carry
		}
		t[n-1], carry = bits.Add64(t[n], c, 0)
		t[n] = t[n+1] + carry
	}
	var r fe
	var borrow uint64
	for i := range n {
		r[i], borrow = bits.Sub64(t[i], f.p[i], borrow)
	}
	if t[n] == 0 && borrow == 1 {
		for i := range n { // copy would be looked at by the race detector
			r[i] = t[i]
		}
	}
	*z = r
}

// add sets z = x + y, sub sets z = x − y.
//
//go:norace
func (f *field) add(z, x, y *fe) {
	n := f.words
	var s, r fe
	var carry, borrow uint64
	for i := range n {
		s[i], carry = bits.Add64(x[i], y[i], carry)
	}
	for i := range n {
		r[i], borrow = bits.Sub64(s[i], f.p[i], borrow)
	}
	if carry == 0 && borrow == 1 {
		r = s
	}
	*z = r
}

//go:norace
func (f *field) sub(z, x, y *fe) {
	n := f.words
	var r fe
	var carry, borrow uint64
	for i := range n {
		r[i], borrow = bits.Sub64(x[i], y[i], borrow)
	}
	if borrow == 1 {
		for i := range n {
			r[i], carry = bits.Add64(r[i], f.p[i], carry)
		}
	}
	*z = r
}

// invert sets z = 1/x; x is not zero.
func (f *field) invert(z, x *fe) {
	*z = f.from(new(big.Int).ModInverse(f.to(x), f.big))
}

//go:norace
func (x *fe) zero() bool { return *x == fe{} }

//go:norace
func (x *fe) less(y *fe) bool {
	for i := maxWords - 1; i >= 0; i-- {
		if x[i] != y[i] {
			return x[i] < y[i]
		}
	}
	return false
}
