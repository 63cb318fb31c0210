package access

import (
	"errors"
	"fmt"

	"github.com/tapcheck/tapcheck/icao/lds"
)

// errTLVShort is a data object that claims more bytes than there are.
var errTLVShort = fmt.Errorf("data object is longer than its container: %w", lds.ErrMalformed)

var errTLV = fmt.Errorf("data object has no valid header: %w", lds.ErrMalformed)

// readHeader reads a BER-TLV header: a tag of up to three bytes and a definite length of up to three. n is how many bytes the
// header takes. errTLVShort if b ends within it.
func readHeader(b []byte) (tag uint32, length, n int, err error) {
	if len(b) == 0 {
		return 0, 0, 0, errTLVShort
	}
	tag, n = uint32(b[0]), 1
	if b[0]&0x1F == 0x1F {
		for {
			if n == len(b) {
				return 0, 0, 0, errTLVShort
			}
			if n == 3 {
				return 0, 0, 0, errTLV
			}
			tag = tag<<8 | uint32(b[n])
			n++
			if b[n-1]&0x80 == 0 {
				break
			}
		}
	}
	if n == len(b) {
		return 0, 0, 0, errTLVShort
	}
	first := b[n]
	n++
	if first < 0x80 {
		return tag, int(first), n, nil
	}
	size := int(first & 0x7F)
	if size == 0 || size > 3 {
		return 0, 0, 0, errTLV // indefinite, or beyond any file of a chip
	}
	if len(b) < n+size {
		return 0, 0, 0, errTLVShort
	}
	for range size {
		length = length<<8 | int(b[n])
		n++
	}
	return tag, length, n, nil
}

// readTLV takes the first data object off b.
func readTLV(b []byte) (tag uint32, value, rest []byte, err error) {
	tag, length, n, err := readHeader(b)
	if err != nil {
		return 0, nil, nil, err
	}
	if length > len(b)-n {
		return 0, nil, nil, errTLVShort
	}
	return tag, b[n : n+length : n+length], b[n+length:], nil
}

// expectTLV takes one data object with a given tag off b.
func expectTLV(b []byte, want uint32) (value, rest []byte, err error) {
	tag, value, rest, err := readTLV(b)
	if err != nil {
		return nil, nil, err
	}
	if tag != want {
		return nil, nil, fmt.Errorf("data object %X where %X must be: %w", tag, want, lds.ErrMalformed)
	}
	return value, rest, nil
}

// onlyTLV is expectTLV for a container that holds nothing else.
func onlyTLV(b []byte, want uint32) ([]byte, error) {
	value, rest, err := expectTLV(b, want)
	if err == nil && len(rest) > 0 {
		err = fmt.Errorf("bytes after data object %X: %w", want, lds.ErrMalformed)
	}
	return value, err
}

func appendTLV(b []byte, tag uint32, value []byte) []byte {
	switch {
	case tag > 0xFF:
		b = append(b, byte(tag>>8), byte(tag))
	default:
		b = append(b, byte(tag))
	}
	switch n := len(value); {
	case n < 0x80:
		b = append(b, byte(n))
	case n < 0x100:
		b = append(b, 0x81, byte(n))
	case n < 0x10000:
		b = append(b, 0x82, byte(n>>8), byte(n))
	default:
		panic(errors.New("access: data object is too long"))
	}
	return append(b, value...)
}
