package chip

import (
	"crypto/aes"
	stdcipher "crypto/cipher"
	"crypto/des" //nolint:gosec // ICAO 9303-11 prescribes it
	"crypto/sha1"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/binary"
	"fmt"
	"hash"
	"io"
)

// suite is a symmetric cipher with its MAC, as ICAO 9303-11 §9.7 and §9.8 pair them.
type suite struct {
	name  string // "3DES", "AES-128" …
	arc   int    // last arc of the object identifiers of PACE and chip authentication
	key   int    // bytes of a key
	block int    // bytes of a block
}

var suites = []suite{
	{"3DES", 1, 16, des.BlockSize},
	{"AES-128", 2, 16, aes.BlockSize},
	{"AES-192", 3, 24, aes.BlockSize},
	{"AES-256", 4, 32, aes.BlockSize},
}

func suiteByName(name string) (suite, bool) {
	for _, s := range suites {
		if s.name == name {
			return s, true
		}
	}
	return suite{}, false
}

func (s suite) tdes() bool { return s.block == des.BlockSize }

// kdf derives a key (ICAO 9303-11 §9.7.1): SHA-1 for 3DES and AES-128, SHA-256 for the longer ones, over secret ‖ counter.
func (s suite) kdf(secret []byte, counter uint32) []byte {
	in := binary.BigEndian.AppendUint32(append([]byte(nil), secret...), counter)
	if s.key == 16 {
		h := sha1.Sum(in)
		k := h[:16]
		if s.tdes() {
			for i := range k {
				k[i] = oddParity(k[i])
			}
		}
		return k
	}
	h := sha256.Sum256(in)
	return h[:s.key]
}

func oddParity(b byte) byte {
	b &^= 1
	n := b
	n ^= n >> 4
	n ^= n >> 2
	n ^= n >> 1
	return b | ^n&1
}

func (s suite) cipher(key []byte) stdcipher.Block {
	var b stdcipher.Block
	var err error
	if s.tdes() {
		b, err = des.NewTripleDESCipher(append(append([]byte(nil), key[:16]...), key[:8]...))
	} else {
		b, err = aes.NewCipher(key)
	}
	if err != nil {
		panic("chip: key length: " + err.Error()) // keys come from kdf only
	}
	return b
}

// cbc encrypts or decrypts whole blocks. iv nil is zero.
func (s suite) cbc(key, iv, data []byte, encrypt bool) []byte {
	if iv == nil {
		iv = make([]byte, s.block)
	}
	out := make([]byte, len(data))
	if encrypt {
		stdcipher.NewCBCEncrypter(s.cipher(key), iv).CryptBlocks(out, data)
	} else {
		stdcipher.NewCBCDecrypter(s.cipher(key), iv).CryptBlocks(out, data)
	}
	return out
}

// mac gives the eight bytes of the retail MAC or of the truncated CMAC. The caller pads where the protocol says so; the
// retail MAC, which has no rule for a short last block, is always given padded data.
func (s suite) mac(key, data []byte) []byte {
	if s.tdes() {
		return retailMAC(key, data)
	}
	return cmac(s.cipher(key), data)[:8]
}

// token is the authentication token of PACE: for 3DES the data are padded first (ICAO 9303-11 §4.4.3.4).
func (s suite) token(key, data []byte) []byte {
	if s.tdes() {
		data = pad(data, s.block)
	}
	return s.mac(key, data)
}

// pad is padding method 2 of ISO/IEC 9797-1.
func pad(b []byte, block int) []byte {
	n := block - len(b)%block
	out := make([]byte, len(b)+n)
	copy(out, b)
	out[len(b)] = 0x80
	return out
}

func unpad(b []byte) ([]byte, bool) {
	for i := len(b) - 1; i >= 0; i-- {
		switch b[i] {
		case 0:
		case 0x80:
			return b[:i], true
		default:
			return nil, false
		}
	}
	return nil, false
}

// retailMAC is MAC algorithm 3 of ISO/IEC 9797-1 with DES over data that are padded already.
func retailMAC(key, padded []byte) []byte {
	k1, err := des.NewCipher(key[:8])
	if err != nil {
		panic("chip: " + err.Error())
	}
	k2, err := des.NewCipher(key[8:16])
	if err != nil {
		panic("chip: " + err.Error())
	}
	h := make([]byte, des.BlockSize)
	for i := 0; i+des.BlockSize <= len(padded); i += des.BlockSize {
		for j := range h {
			h[j] ^= padded[i+j]
		}
		k1.Encrypt(h, h)
	}
	k2.Decrypt(h, h)
	k1.Encrypt(h, h)
	return h
}

// cmac is RFC 4493 for any 16-byte block cipher.
func cmac(b stdcipher.Block, msg []byte) []byte {
	k1 := make([]byte, 16)
	b.Encrypt(k1, k1)
	cmacDouble(k1)
	n := (len(msg) + 15) / 16
	last := make([]byte, 16)
	if n > 0 && len(msg)%16 == 0 {
		copy(last, msg[(n-1)*16:])
	} else {
		if n == 0 {
			n = 1
		}
		cmacDouble(k1) // K2
		copy(last, pad(msg[(n-1)*16:], 16))
	}
	x := make([]byte, 16)
	for i := 0; i < n-1; i++ {
		for j := range x {
			x[j] ^= msg[i*16+j]
		}
		b.Encrypt(x, x)
	}
	for j := range x {
		x[j] ^= last[j] ^ k1[j]
	}
	b.Encrypt(x, x)
	return x
}

func cmacDouble(k []byte) {
	carry := byte(0)
	for i := len(k) - 1; i >= 0; i-- {
		next := k[i] >> 7
		k[i] = k[i]<<1 | carry
		carry = next
	}
	k[len(k)-1] ^= carry * 0x87
}

// hashes by the names that profiles and issuers use.
type hashAlg struct {
	name  string
	oid   string
	ecdsa string // ecdsa-with-… of X9.62
	plain string // ecdsa-plain-… of BSI TR-03111
	rsa   string // …WithRSAEncryption
	new   func() hash.Hash
}

var hashAlgs = []hashAlg{
	{"SHA-1", "1.3.14.3.2.26", "1.2.840.10045.4.1", "0.4.0.127.0.7.1.1.4.1.1", "1.2.840.113549.1.1.5", sha1.New},
	{"SHA-224", "2.16.840.1.101.3.4.2.4", "1.2.840.10045.4.3.1", "0.4.0.127.0.7.1.1.4.1.2", "1.2.840.113549.1.1.14", sha256.New224},
	{"SHA-256", "2.16.840.1.101.3.4.2.1", "1.2.840.10045.4.3.2", "0.4.0.127.0.7.1.1.4.1.3", "1.2.840.113549.1.1.11", sha256.New},
	{"SHA-384", "2.16.840.1.101.3.4.2.2", "1.2.840.10045.4.3.3", "0.4.0.127.0.7.1.1.4.1.4", "1.2.840.113549.1.1.12", sha512.New384},
	{"SHA-512", "2.16.840.1.101.3.4.2.3", "1.2.840.10045.4.3.4", "0.4.0.127.0.7.1.1.4.1.5", "1.2.840.113549.1.1.13", sha512.New},
}

func hashByName(name string) (hashAlg, error) {
	for _, h := range hashAlgs {
		if h.name == name {
			return h, nil
		}
	}
	return hashAlg{}, fmt.Errorf("chip: unknown hash %q", name)
}

func (h hashAlg) sum(b []byte) []byte {
	d := h.new()
	d.Write(b)
	return d.Sum(nil)
}

// stream is an endless run of bytes that depends on its seed alone: SHA-256 of seed and counter. It makes issuers and cards
// repeatable; it is not meant to keep a secret.
type stream struct {
	seed []byte
	n    uint64
	buf  []byte
}

func newStream(seed []byte, labels ...string) *stream {
	h := sha256.New()
	h.Write(seed)
	for _, l := range labels {
		h.Write([]byte{0})
		h.Write([]byte(l))
	}
	return &stream{seed: h.Sum(nil)}
}

func (s *stream) Read(p []byte) (int, error) {
	for i := range p {
		if len(s.buf) == 0 {
			h := sha256.Sum256(binary.BigEndian.AppendUint64(append([]byte(nil), s.seed...), s.n))
			s.buf = h[:]
			s.n++
		}
		p[i] = s.buf[0]
		s.buf = s.buf[1:]
	}
	return len(p), nil
}

func randomBytes(r io.Reader, n int) ([]byte, error) {
	b := make([]byte, n)
	_, err := io.ReadFull(r, b)
	return b, err
}
