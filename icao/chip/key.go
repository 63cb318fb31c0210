package chip

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math/big"
	"strconv"
	"strings"
	"sync"
)

// key is a key pair for signatures or key agreement: an elliptic one if c is set, else RSA.
type key struct {
	c    *curve
	priv *big.Int
	pub  point

	n, e, d *big.Int
	p, q    *big.Int // primes of n
}

func newECKey(c *curve, rand io.Reader) (*key, error) {
	d, err := c.scalar(rand)
	if err != nil {
		return nil, err
	}
	return &key{c: c, priv: d, pub: c.mult(c.g, d)}, nil
}

var rsaKeys sync.Map // [33]byte → *key: RSA keys of repeatable cards, because finding primes is the slow part of making one

// newRSAKey finds a key pair that depends on the stream alone.
func newRSAKey(bits int, s *stream) (*key, error) {
	id := sha256.Sum256(append([]byte(strconv.Itoa(bits)+"|"), s.seed...))
	if k, ok := rsaKeys.Load(id); ok {
		return k.(*key), nil
	}
	e := big.NewInt(65537)
	one := big.NewInt(1)
	for range 64 {
		p, err := prime(bits/2, s)
		if err != nil {
			return nil, err
		}
		q, err := prime(bits/2, s)
		if err != nil {
			return nil, err
		}
		if p.Cmp(q) == 0 {
			continue
		}
		phi := new(big.Int).Mul(new(big.Int).Sub(p, one), new(big.Int).Sub(q, one))
		d := new(big.Int).ModInverse(e, phi)
		if d == nil {
			continue
		}
		k := &key{n: new(big.Int).Mul(p, q), e: e, d: d, p: p, q: q}
		rsaKeys.Store(id, k)
		return k, nil
	}
	return nil, errors.New("chip: no RSA key found")
}

// prime finds a prime of the given length whose two top bits are set, so that a product of two has exactly twice the bits.
func prime(bits int, rand io.Reader) (*big.Int, error) {
	b, err := randomBytes(rand, bits/8)
	if err != nil {
		return nil, err
	}
	b[0] |= 0xC0
	b[len(b)-1] |= 1
	p := new(big.Int).SetBytes(b)
	two := big.NewInt(2)
	for range 1 << 16 {
		if p.ProbablyPrime(8) && p.BitLen() == bits {
			return p, nil
		}
		p.Add(p, two)
	}
	return nil, errors.New("chip: no prime found")
}

// size is the length of an RSA signature in bytes.
func (k *key) size() int { return (k.n.BitLen() + 7) / 8 }

func (k *key) rsaPrivate(m []byte) []byte {
	out := make([]byte, k.size())
	return new(big.Int).Exp(new(big.Int).SetBytes(m), k.d, k.n).FillBytes(out)
}

// spki is the SubjectPublicKeyInfo, for elliptic keys with the curve by name or by its parameters.
func (k *key) spki(named bool) []byte {
	if k.c == nil {
		return seq(seq(oid("1.2.840.113549.1.1.1"), null), bitString(seq(bigInteger(k.n), bigInteger(k.e))))
	}
	return seq(seq(oid("1.2.840.10045.2.1"), k.c.parameters(named)), bitString(k.c.encode(k.pub)))
}

// parameters is EcpkParameters of RFC 3279 §2.3.5.
func (c *curve) parameters(named bool) []byte {
	if named {
		return oid(c.oid)
	}
	field := func(v *big.Int) []byte { return octets(v.FillBytes(make([]byte, c.size))) }
	return seq(integer(1),
		seq(oid("1.2.840.10045.1.1"), bigInteger(c.p)),
		seq(field(c.a), field(c.b)),
		octets(c.encode(c.g)), bigInteger(c.n), integer(1))
}

// signAlgorithm gives the AlgorithmIdentifier of an X.509 or CMS signature with this key.
func (k *key) signAlgorithm(h hashAlg, pss bool) []byte {
	switch {
	case k.c != nil:
		return seq(oid(h.ecdsa))
	case pss:
		mgf := seq(oid("1.2.840.113549.1.1.8"), seq(oid(h.oid), null))
		return seq(oid("1.2.840.113549.1.1.10"), seq(
			tlv(0xA0, seq(oid(h.oid), null)), tlv(0xA1, mgf), tlv(0xA2, integer(int64(h.new().Size())))))
	}
	return seq(oid(h.rsa), null)
}

// sign signs a message as X.509 and CMS want it: ECDSA as DER, or RSA with PKCS #1 v1.5 or PSS.
func (k *key) sign(h hashAlg, pss bool, msg []byte, rand io.Reader) ([]byte, error) {
	digest := h.sum(msg)
	if k.c != nil {
		r, s, err := k.c.ecdsaSign(k.priv, digest, rand)
		if err != nil {
			return nil, err
		}
		return seq(bigInteger(r), bigInteger(s)), nil
	}
	if pss {
		em, err := k.emsaPSS(h, digest, rand)
		if err != nil {
			return nil, err
		}
		return k.rsaPrivate(em), nil
	}
	info := seq(seq(oid(h.oid), null), octets(digest))
	n := k.size() - len(info) - 3
	if n < 8 {
		return nil, errors.New("chip: RSA key is too short for this hash")
	}
	em := append([]byte{0, 1}, make([]byte, n)...)
	for i := 2; i < len(em); i++ {
		em[i] = 0xFF
	}
	return k.rsaPrivate(append(append(em, 0), info...)), nil
}

// emsaPSS is RFC 8017 §9.1.1 with MGF1 over the same hash and a salt as long as it.
func (k *key) emsaPSS(h hashAlg, digest []byte, rand io.Reader) ([]byte, error) {
	hl := len(digest)
	bits := k.n.BitLen() - 1
	n := (bits + 7) / 8
	if n < 2*hl+2 {
		return nil, errors.New("chip: RSA key is too short for this hash")
	}
	salt, err := randomBytes(rand, hl)
	if err != nil {
		return nil, err
	}
	m := append(make([]byte, 8), digest...)
	hh := h.sum(append(m, salt...))
	db := make([]byte, n-hl-1)
	db[len(db)-hl-1] = 1
	copy(db[len(db)-hl:], salt)
	for i, b := range mgf1(h, hh, len(db)) {
		db[i] ^= b
	}
	db[0] &= 0xFF >> (8*n - bits)
	return append(append(db, hh...), 0xBC), nil
}

// mgf1 is RFC 8017 appendix B.2.1.
func mgf1(h hashAlg, seed []byte, n int) []byte {
	var out []byte
	for c := uint32(0); len(out) < n; c++ {
		out = append(out, h.sum(binary.BigEndian.AppendUint32(bytes.Clone(seed), c))...)
	}
	return out[:n]
}

// keyFor makes a key pair of a kind that is named like "brainpoolP256r1" or "RSA-2048".
func keyFor(kind string, s *stream) (*key, error) {
	if bits, ok := strings.CutPrefix(kind, "RSA-"); ok {
		n, err := strconv.Atoi(bits)
		if err != nil || n < 1024 || n > 4096 || n%16 != 0 {
			return nil, fmt.Errorf("chip: bad RSA length %q", kind)
		}
		return newRSAKey(n, s)
	}
	c := curveByName(kind)
	if c == nil {
		return nil, fmt.Errorf("chip: unknown kind of key %q", kind)
	}
	return newECKey(c, s)
}
