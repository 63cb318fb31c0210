package lds

import "fmt"

// Bounds of the TLV reader. A file of a chip is at most some hundred kilobytes; nothing in the LDS nests deeper than a
// certificate inside a signed object, and no template of it has as many children as MaxChildren.
const (
	MaxDepth    = 32
	MaxChildren = 4096
)

// TLV is one data object: tag, value, and both together as they were encoded.
type TLV struct {
	Tag   uint32 // the bytes of the tag, big-endian: 0x30, 0x7F61, 0x5F1F
	Value []byte
	Raw   []byte // header and value
}

// Constructed says whether the value is made of data objects (ISO 8825-1 §8.1.2.5).
func (t TLV) Constructed() bool { return constructed(t.Tag) }

func constructed(tag uint32) bool {
	for tag > 0xFF {
		tag >>= 8
	}
	return tag&0x20 != 0
}

// ReadHeader reads tag and length of a BER data object: tags of up to three bytes, definite lengths of up to three. It needs
// no more of the value than is there, so that a file's size can be told from its first block. size is the length of the
// value, header that of tag and length, in bytes. The error is ErrCut where b ends within the header, which more bytes may
// mend, and otherwise ErrMalformed.
func ReadHeader(b []byte) (tag uint32, header, size int, err error) {
	i := 0
	if len(b) == 0 {
		return 0, 0, 0, cut("before it begins")
	}
	tag = uint32(b[0])
	i++
	if b[0]&0x1F == 0x1F {
		for n := 0; ; n++ {
			if i >= len(b) {
				return 0, 0, 0, cut("in its tag")
			}
			if n == 2 {
				return 0, 0, 0, malformed("tag has more than three bytes")
			}
			c := b[i]
			i++
			tag = tag<<8 | uint32(c)
			if c&0x80 == 0 {
				break
			}
		}
	}
	if i >= len(b) {
		return 0, 0, 0, cut("in its length")
	}
	l := b[i]
	i++
	if l < 0x80 {
		return tag, i, int(l), nil
	}
	n := int(l & 0x7F)
	if n == 0 {
		return 0, 0, 0, malformed("length is indefinite")
	}
	if n > 3 {
		return 0, 0, 0, malformed("length has more than three bytes, and is beyond any file")
	}
	if i+n > len(b) {
		return 0, 0, 0, cut("in its length")
	}
	for _, c := range b[i : i+n] {
		size = size<<8 | int(c)
	}
	return tag, i + n, size, nil
}

// ReadTLV reads the first data object of b and gives what lies behind it. value and rest share b's memory. The error is
// ErrMalformed, and ErrCut where b ends before the data object does.
func ReadTLV(b []byte) (tag uint32, value, rest []byte, err error) {
	tag, h, n, err := ReadHeader(b)
	if err != nil {
		return 0, nil, nil, err
	}
	if n > len(b)-h {
		return 0, nil, nil, cut("in its value")
	}
	return tag, b[h : h+n : h+n], b[h+n:], nil
}

// ReadDER is ReadTLV for what was encoded by the distinguished rules: a length that could have been shorter is malformed
// (ISO 8825-1 §10.1). Use it where two encodings of one content would be two hashes.
func ReadDER(b []byte) (tag uint32, value, rest []byte, err error) {
	tag, value, rest, err = ReadTLV(b)
	if err != nil {
		return 0, nil, nil, err
	}
	if h := len(b) - len(rest) - len(value); h != len(tagBytes(tag))+lengthSize(len(value)) {
		return 0, nil, nil, malformed("length is not in its shortest form")
	}
	return tag, value, rest, nil
}

// Expect reads the first data object of b and demands its tag. The error is ErrMalformed.
func Expect(b []byte, want uint32) (value, rest []byte, err error) {
	tag, value, rest, err := ReadTLV(b)
	if err != nil {
		return nil, nil, err
	}
	if tag != want {
		return nil, nil, malformed(fmt.Sprintf("tag %X where %X belongs", tag, want))
	}
	return value, rest, nil
}

// Only is Expect for a container that holds nothing else. The error is ErrMalformed.
func Only(b []byte, want uint32) ([]byte, error) {
	value, rest, err := Expect(b, want)
	if err == nil && len(rest) > 0 {
		return nil, malformed(fmt.Sprintf("bytes behind data object %X", want))
	}
	return value, err
}

// Children reads the data objects that b consists of, at most MaxChildren. The error is ErrMalformed.
func Children(b []byte) ([]TLV, error) {
	var out []TLV
	for len(b) > 0 {
		tag, value, rest, err := ReadTLV(b)
		if err != nil {
			return nil, err
		}
		if len(out) == MaxChildren {
			return nil, malformed("too many data objects")
		}
		out = append(out, TLV{Tag: tag, Value: value, Raw: b[: len(b)-len(rest) : len(b)-len(rest)]})
		b = rest
	}
	return out, nil
}

// Find gives the value of the first data object with that tag among the children of b. Bytes behind it are not looked at.
func Find(b []byte, tag uint32) (value []byte, ok bool) {
	for n := 0; len(b) > 0 && n < MaxChildren; n++ {
		t, v, rest, err := ReadTLV(b)
		if err != nil {
			return nil, false
		}
		if t == tag {
			return v, true
		}
		b = rest
	}
	return nil, false
}

// CheckNesting says whether b is a sequence of well-formed data objects, none nested deeper than depth and no more than
// nodes of them in all. It guards parsers that recurse without a bound of their own. The error is ErrMalformed.
func CheckNesting(b []byte, depth, nodes int) error {
	// A stack of what is left to read at each level, instead of recursion: the depth is the length of the stack.
	stack := [][]byte{b}
	for len(stack) > 0 {
		top := stack[len(stack)-1]
		if len(top) == 0 {
			stack = stack[:len(stack)-1]
			continue
		}
		tag, value, rest, err := ReadTLV(top)
		if err != nil {
			return err
		}
		if nodes--; nodes < 0 {
			return malformed("too many data objects")
		}
		stack[len(stack)-1] = rest
		if constructed(tag) {
			if len(stack) >= depth {
				return malformed("nested too deep")
			}
			stack = append(stack, value)
		}
	}
	return nil
}

// AppendTLV appends a data object with the shortest length to dst.
func AppendTLV(dst []byte, tag uint32, value []byte) []byte {
	dst = append(dst, tagBytes(tag)...)
	switch n := len(value); {
	case n < 0x80:
		dst = append(dst, byte(n))
	case n < 0x100:
		dst = append(dst, 0x81, byte(n))
	case n < 0x10000:
		dst = append(dst, 0x82, byte(n>>8), byte(n))
	case n < 0x1000000:
		dst = append(dst, 0x83, byte(n>>16), byte(n>>8), byte(n))
	default:
		dst = append(dst, 0x84, byte(n>>24), byte(n>>16), byte(n>>8), byte(n))
	}
	return append(dst, value...)
}

func tagBytes(tag uint32) []byte {
	switch {
	case tag > 0xFFFF:
		return []byte{byte(tag >> 16), byte(tag >> 8), byte(tag)}
	case tag > 0xFF:
		return []byte{byte(tag >> 8), byte(tag)}
	}
	return []byte{byte(tag)}
}

func lengthSize(n int) int {
	switch {
	case n < 0x80:
		return 1
	case n < 0x100:
		return 2
	case n < 0x10000:
		return 3
	case n < 0x1000000:
		return 4
	}
	return 5
}

// Malformed is an ErrMalformed that says what is wrong. what must not hold data of the file.
func Malformed(what string) error { return malformed(what) }

func cut(what string) error { return fmt.Errorf("%w: %s", ErrCut, what) }

func malformed(what string) error { return fmt.Errorf("%w: %s", ErrMalformed, what) }
