package chip

import (
	"bytes"
	"crypto/subtle"
	"encoding/binary"
)

// session is secure messaging from the chip's side (ICAO 9303-11 §9.8).
type session struct {
	suite
	kenc, kmac []byte
	ssc        []byte
}

// newSession derives session keys from a shared secret. ssc nil starts at zero, as after PACE and chip authentication.
func newSession(s suite, secret, ssc []byte) *session {
	if ssc == nil {
		ssc = make([]byte, s.block)
	}
	return &session{suite: s, kenc: s.kdf(secret, 1), kmac: s.kdf(secret, 2), ssc: bytes.Clone(ssc)}
}

func (s *session) count() {
	for i := len(s.ssc) - 1; i >= 0; i-- {
		s.ssc[i]++
		if s.ssc[i] != 0 {
			return
		}
	}
}

func (s *session) iv() []byte {
	if s.tdes() {
		return nil
	}
	return s.cbc(s.kenc, nil, s.ssc, true)
}

func (s *session) sign(data []byte) []byte {
	return s.mac(s.kmac, pad(append(bytes.Clone(s.ssc), data...), s.block))
}

// unwrap opens a protected command. sw is 9000, or the status that a chip gives in clear while it drops the session.
func (s *session) unwrap(a apdu, report func(string)) (plain apdu, sw uint16) {
	const missing, wrong = 0x6987, 0x6988
	s.count()
	header := pad([]byte{a.cla, a.ins, a.p1, a.p2}, s.block)
	nodes, ok := allTLV(a.data)
	if !ok {
		report("secure messaging: data objects do not parse")
		return plain, wrong
	}
	plain = apdu{cla: a.cla &^ 0x0C, ins: a.ins, p1: a.p1, p2: a.p2, extended: a.extended}
	var cryptogram, tag []byte
	var has85or87, hasLe bool
	macIn := bytes.Clone(header)
	for i, n := range nodes {
		switch n.tag {
		case 0x87, 0x85:
			if has85or87 || hasLe {
				report("secure messaging: data objects out of order")
				return plain, wrong
			}
			if (n.tag == 0x85) != (a.ins&1 == 1) {
				report("secure messaging: DO85 belongs to odd instructions, DO87 to even ones (ISO 7816-4)")
				return plain, wrong
			}
			has85or87 = true
			cryptogram = n.value
			if n.tag == 0x87 {
				if len(n.value) < 1 || n.value[0] != 1 {
					report("secure messaging: DO87 without padding indicator 01")
					return plain, wrong
				}
				cryptogram = n.value[1:]
			}
			macIn = append(macIn, n.raw...)
		case 0x97:
			if hasLe || len(n.value) < 1 || len(n.value) > 2 {
				report("secure messaging: bad DO97")
				return plain, wrong
			}
			hasLe = true
			if len(n.value) == 1 {
				plain.ne = int(n.value[0])
				if plain.ne == 0 {
					plain.ne = 256
				}
			} else {
				if !a.extended {
					report("secure messaging: DO97 of two bytes in a short command")
				}
				plain.ne = int(binary.BigEndian.Uint16(n.value))
				if plain.ne == 0 {
					plain.ne = 65536
				}
			}
			plain.allNe = bytes.Equal(n.value, make([]byte, len(n.value)))
			macIn = append(macIn, n.raw...)
		case 0x8E:
			if i != len(nodes)-1 || len(n.value) != 8 {
				report("secure messaging: DO8E is not last, or not eight bytes")
				return plain, wrong
			}
			tag = n.value
		default:
			report("secure messaging: unexpected data object")
			return plain, wrong
		}
	}
	if tag == nil {
		report("secure messaging: no DO8E")
		return plain, missing
	}
	right := subtle.ConstantTimeCompare(s.sign(macIn), tag) == 1
	if !right && !has85or87 && !hasLe {
		// With neither data nor Le the padded header stands alone. ICAO 9303-11 §9.8.6 can be read as padding it a second time
		// or not, and terminals of both sorts are in the field.
		right = subtle.ConstantTimeCompare(s.mac(s.kmac, append(bytes.Clone(s.ssc), header...)), tag) == 1
	}
	if !right {
		report("secure messaging: wrong MAC or send sequence counter")
		return plain, wrong
	}
	if has85or87 {
		if len(cryptogram) == 0 || len(cryptogram)%s.block != 0 {
			report("secure messaging: cryptogram is not whole blocks")
			return plain, wrong
		}
		data, ok := unpad(s.cbc(s.kenc, s.iv(), cryptogram, false))
		if !ok {
			report("secure messaging: bad padding")
			return plain, wrong
		}
		plain.data = data
	}
	return plain, 0x9000
}

// wrap protects a response. odd is for odd instructions, whose data travel in DO85.
func (s *session) wrap(data []byte, sw uint16, odd bool) []byte {
	s.count()
	var body []byte
	if len(data) > 0 {
		c := s.cbc(s.kenc, s.iv(), pad(data, s.block), true)
		if odd {
			body = tlv(0x85, c)
		} else {
			body = tlv(0x87, []byte{1}, c)
		}
	}
	body = append(body, 0x99, 2, byte(sw>>8), byte(sw))
	body = append(body, tlv(0x8E, s.sign(body))...)
	return append(body, byte(sw>>8), byte(sw))
}

// room is the largest number of plain bytes that fit into a protected response of n bytes.
func (s *session) room(n int, odd bool) int {
	const fixed = 4 + 10 // DO99 and DO8E
	for blocks := (n - fixed) / s.block; blocks > 0; blocks-- {
		c := blocks * s.block
		if !odd {
			c++
		}
		if 1+len(tlvLength(c))+c+fixed <= n {
			return blocks*s.block - 1
		}
	}
	return 0
}
