package access

import (
	"crypto/cipher"
	"crypto/subtle"
	"errors"
	"fmt"

	"github.com/aead/cmac"
	"github.com/gmrtd/gmrtd/cryptoutils"

	"github.com/tapcheck/tapcheck/icao/lds"
)

// suite is a cipher with its key length: what the last arc of every protocol's object identifier chooses
// (ICAO 9303-11 §4.4.3 Table 2, §6.2.3 Tables 5 and 6).
type suite struct {
	alg  cryptoutils.BlockCipherAlg
	bits int
	name string
}

var (
	suite3DES   = suite{cryptoutils.TDES, 112, "3DES"}
	suiteAES128 = suite{cryptoutils.AES, 128, "AES-128"}
	suiteAES192 = suite{cryptoutils.AES, 192, "AES-192"}
	suiteAES256 = suite{cryptoutils.AES, 256, "AES-256"}
)

func (s suite) aes() bool { return s.alg == cryptoutils.AES }

func (s suite) block() int {
	if s.aes() {
		return 16
	}
	return 8
}

// kdf is ICAO 9303-11 §9.7.1. The secret must have its fixed length: gmrtd's protocols drop its leading zero bytes, and
// once in 256 runs both sides then derive different keys.
func (s suite) kdf(secret []byte, c cryptoutils.KDFCounterType) []byte {
	return cryptoutils.KDF(secret, c, s.alg, s.bits)
}

func (s suite) cipher(key []byte) cipher.Block {
	b, err := cryptoutils.CipherForKey(s.alg, key)
	if err != nil {
		panic("access: key of the wrong length: " + s.name) // keys come from kdf only
	}
	return b
}

// mac is the eight-byte MAC of ICAO 9303-11 §9.8.6.2 and §9.8.7.2: CMAC for AES; for 3DES the retail MAC over data with padding method 2.
func (s suite) mac(key, data []byte) []byte {
	if s.aes() {
		sum, err := cmac.Sum(data, s.cipher(key), 8)
		if err != nil {
			panic("access: CMAC refused a constant length")
		}
		return sum
	}
	sum, err := cryptoutils.ISO9797RetailMacDes(key, data)
	if err != nil {
		panic("access: retail MAC over unpadded data")
	}
	return sum
}

// counter is the send sequence counter, as long as the cipher's block.
type counter []byte

func (c counter) clone() counter { return append(counter(nil), c...) }

func (c counter) step() {
	for i := len(c) - 1; i >= 0; i-- {
		if c[i]++; c[i] != 0 {
			return
		}
	}
}

// messaging is one secure messaging session (ICAO 9303-11 §9.8).
type messaging struct {
	suite  suite
	enc    cipher.Block
	macKey []byte
	ssc    counter
}

// newMessaging starts a session with keys derived from a shared secret. ssc is zero but after BAC.
func newMessaging(s suite, ksEnc, ksMac []byte, ssc counter) *messaging {
	if ssc == nil {
		ssc = make(counter, s.block())
	}
	return &messaging{suite: s, enc: s.cipher(ksEnc), macKey: ksMac, ssc: ssc}
}

func (m *messaging) iv() []byte {
	iv := make([]byte, m.suite.block())
	if m.suite.aes() {
		m.enc.Encrypt(iv, m.ssc) // §9.8.7.1: AES takes the encrypted counter; §9.8.6.1: 3DES takes zero
	}
	return iv
}

func (m *messaging) pad(b []byte) []byte { return cryptoutils.ISO9797Method2Pad(b, m.suite.block()) }

// protect wraps a command, counting it.
func (m *messaging) protect(c command) command {
	m.ssc.step()
	header := []byte{c.cla | 0x0C, c.ins, c.p1, c.p2}
	var objects []byte
	if len(c.data) > 0 {
		padded := m.pad(c.data)
		cipher.NewCBCEncrypter(m.enc, m.iv()).CryptBlocks(padded, padded)
		if c.ins&1 == 0 {
			objects = lds.AppendTLV(objects, 0x87, append([]byte{1}, padded...))
		} else {
			// An odd instruction's data is BER-TLV and goes into DO'85', which has no padding indicator (§9.8.4).
			objects = lds.AppendTLV(objects, 0x85, padded)
		}
	}
	if c.le > 0 {
		le := []byte{byte(c.le)}
		if c.le > 256 || c.extended {
			le = []byte{byte(c.le >> 8), byte(c.le)}
		}
		objects = lds.AppendTLV(objects, 0x97, le)
	}
	n := append(append([]byte(nil), m.ssc...), m.pad(header)...)
	if len(objects) > 0 {
		n = append(n, objects...)
		n = m.pad(n)
	}
	objects = lds.AppendTLV(objects, 0x8E, m.suite.mac(m.macKey, n))
	out := command{cla: header[0], ins: c.ins, p1: c.p1, p2: c.p2, data: objects, le: 256, extended: c.extended}
	if c.extended || c.le > 256 {
		out.le, out.extended = 65536, true
	}
	return out
}

// errTruncated is an answer that ends before its data objects do: perhaps the reader cut it.
var errTruncated = fmt.Errorf("response was cut off: %w", lds.ErrSecureMessaging)

var errProtection = errors.New("response is not protected as it must be")

// unprotect verifies and opens an answer, counting it. Only an answer with a correct MAC over its status word is one:
// gmrtd v0.22.1 takes a naked 9000 for a success, by which a clone passes chip authentication.
func (m *messaging) unprotect(c command, r response) (response, error) {
	m.ssc.step()
	rest := r.data
	var out response
	var cryptogram []byte
	var objects int // bytes that the MAC covers
	seen := 0       // position in the only order that the standard allows: 85|87, 99, 8E
	for len(rest) > 0 {
		tag, value, tail, err := lds.ReadTLV(rest)
		if err != nil {
			if errors.Is(err, lds.ErrCut) {
				return response{}, errTruncated
			}
			return response{}, errProtection
		}
		switch {
		case seen == 0 && (tag == 0x87 && len(value) > 0 && value[0] == 1):
			cryptogram, seen = value[1:], 1
		case seen == 0 && tag == 0x85 && c.ins&1 == 1:
			cryptogram, seen = value, 1
		case seen <= 1 && tag == 0x99 && len(value) == 2:
			out.sw, seen = uint16(value[0])<<8|uint16(value[1]), 2
		case seen == 2 && tag == 0x8E && len(value) == 8 && len(tail) == 0:
			n := m.pad(append(m.ssc.clone(), r.data[:objects]...))
			if subtle.ConstantTimeCompare(m.suite.mac(m.macKey, n), value) != 1 || out.sw != r.sw {
				return response{}, errProtection
			}
			seen = 3
		default:
			return response{}, errProtection
		}
		rest = tail
		objects = len(r.data) - len(rest)
	}
	if seen != 3 {
		if len(r.data) > 0 {
			return response{}, errTruncated
		}
		return response{}, errProtection
	}
	if cryptogram != nil {
		if len(cryptogram) == 0 || len(cryptogram)%m.suite.block() != 0 {
			return response{}, errProtection
		}
		plain := make([]byte, len(cryptogram))
		cipher.NewCBCDecrypter(m.enc, m.iv()).CryptBlocks(plain, cryptogram)
		data, err := cryptoutils.ISO9797Method2Unpad(plain)
		if err != nil || len(plain)-len(data) > m.suite.block() {
			return response{}, errProtection
		}
		out.data = data
	}
	return out, nil
}

// capacity is how many bytes of data fit in a protected response of n bytes: 223 (AES) and 231 (3DES) for a short one.
func (m *messaging) capacity(n int) int {
	const trailer = 4 + 10 // DO'99' and DO'8E'
	blocks := (n - trailer) / m.suite.block() * m.suite.block()
	for blocks > 0 && len(lds.AppendTLV(nil, 0x87, make([]byte, 1+blocks)))+trailer > n {
		blocks -= m.suite.block()
	}
	return max(blocks-1, 0)
}

// commandCapacity is how many bytes of data fit in a protected command whose own data have n bytes: 223 (AES) and 231 (3DES) for a
// short one.
func (m *messaging) commandCapacity(n int) int {
	const others = 4 + 10 // DO'97' with two bytes and DO'8E'
	blocks := (n - others) / m.suite.block() * m.suite.block()
	for blocks > 0 && len(lds.AppendTLV(nil, 0x87, make([]byte, 1+blocks)))+others > n {
		blocks -= m.suite.block()
	}
	return max(blocks-1, 0)
}
