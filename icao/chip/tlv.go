package chip

import (
	"bytes"
	"fmt"
	"math/big"
	"slices"
	"strconv"
	"strings"
	"time"
)

// BER-TLV and DER writing, and the little reading that the chip's side needs. A tag is written as its bytes stand: 0x7F49.

func tlv(tag uint32, parts ...[]byte) []byte {
	n := 0
	for _, p := range parts {
		n += len(p)
	}
	out := make([]byte, 0, n+8)
	for shift := 24; shift >= 0; shift -= 8 {
		if b := byte(tag >> shift); tag>>shift != 0 || shift == 0 {
			out = append(out, b)
		}
	}
	out = append(out, tlvLength(n)...)
	for _, p := range parts {
		out = append(out, p...)
	}
	return out
}

func tlvLength(n int) []byte {
	switch {
	case n < 0x80:
		return []byte{byte(n)}
	case n < 0x100:
		return []byte{0x81, byte(n)}
	case n < 0x10000:
		return []byte{0x82, byte(n >> 8), byte(n)}
	}
	return []byte{0x83, byte(n >> 16), byte(n >> 8), byte(n)}
}

type node struct {
	tag   uint32
	value []byte
	raw   []byte // with tag and length
}

// takeTLV reads one node off the front. Lengths of up to three bytes and tags of up to three are enough for commands and
// for what the issuer itself wrote.
func takeTLV(b []byte) (n node, rest []byte, ok bool) {
	if len(b) < 2 {
		return n, nil, false
	}
	i := 1
	n.tag = uint32(b[0])
	if b[0]&0x1F == 0x1F {
		for {
			if i >= len(b) || i > 2 {
				return n, nil, false
			}
			n.tag = n.tag<<8 | uint32(b[i])
			i++
			if b[i-1]&0x80 == 0 {
				break
			}
		}
	}
	if i >= len(b) {
		return n, nil, false
	}
	l := int(b[i])
	i++
	if l >= 0x80 {
		k := l & 0x7F
		if k == 0 || k > 3 || i+k > len(b) {
			return n, nil, false
		}
		l = 0
		for range k {
			l = l<<8 | int(b[i])
			i++
		}
	}
	if l > len(b)-i {
		return n, nil, false
	}
	n.value, n.raw = b[i:i+l], b[:i+l]
	return n, b[i+l:], true
}

// allTLV reads a whole run of nodes; ok is false when bytes are left over.
func allTLV(b []byte) (nodes []node, ok bool) {
	for len(b) > 0 {
		n, rest, ok := takeTLV(b)
		if !ok {
			return nodes, false
		}
		nodes = append(nodes, n)
		b = rest
	}
	return nodes, true
}

func seq(parts ...[]byte) []byte { return tlv(0x30, parts...) }

// setOf writes a SET OF, its elements in DER order.
func setOf(parts ...[]byte) []byte {
	s := slices.Clone(parts)
	slices.SortFunc(s, bytes.Compare)
	return tlv(0x31, s...)
}

func octets(b []byte) []byte    { return tlv(0x04, b) }
func bitString(b []byte) []byte { return tlv(0x03, []byte{0}, b) }
func utf8String(s string) []byte {
	return tlv(0x0C, []byte(s))
}
func printable(s string) []byte { return tlv(0x13, []byte(s)) }

func integer(n int64) []byte { return bigInteger(big.NewInt(n)) }

func bigInteger(n *big.Int) []byte {
	b := n.Bytes()
	if len(b) == 0 {
		b = []byte{0}
	}
	if b[0]&0x80 != 0 {
		b = append([]byte{0}, b...)
	}
	return tlv(0x02, b)
}

var null = []byte{5, 0}

func boolTrue() []byte { return []byte{1, 1, 0xFF} }

// oid writes an object identifier that is given in dotted form by this package's own tables.
func oid(dotted string) []byte { return tlv(0x06, oidValue(dotted)) }

func oidValue(dotted string) []byte {
	var arcs []int
	for part := range strings.SplitSeq(dotted, ".") {
		n, err := strconv.Atoi(part)
		if err != nil {
			panic(fmt.Sprintf("chip: bad object identifier %q", dotted))
		}
		arcs = append(arcs, n)
	}
	out := []byte{}
	arcs = append([]int{arcs[0]*40 + arcs[1]}, arcs[2:]...)
	for _, a := range arcs {
		enc := []byte{byte(a & 0x7F)}
		for a >>= 7; a > 0; a >>= 7 {
			enc = append([]byte{byte(a&0x7F) | 0x80}, enc...)
		}
		out = append(out, enc...)
	}
	return out
}

// derTime is UTCTime until 2049 and GeneralizedTime after, as RFC 5280 §4.1.2.5 wants it.
func derTime(t time.Time) []byte {
	t = t.UTC()
	if y := t.Year(); y >= 1950 && y < 2050 {
		return tlv(0x17, []byte(t.Format("060102150405Z")))
	}
	return tlv(0x18, []byte(t.Format("20060102150405Z")))
}
