package trust

import (
	"errors"

	"github.com/tapcheck/tapcheck/icao/lds"
)

// maxDepth of nested BER. The deepest of a SignedData, an explicit curve in a certificate, is 12.
const maxDepth = 24

var errBER = errors.New("not BER")

// header reads a tag of one byte, which is all that CMS and X.509 have, and a definite length: head is the number of bytes before the
// value, n those of the value.
func header(b []byte) (head, n int, ok bool) {
	tag, head, n, err := lds.ReadHeader(b)
	return head, n, err == nil && tag <= 0xFF
}

// toDER writes one BER element anew with definite lengths and octet strings in one piece, which is all that encoding/asn1
// wants and some signers do not give (X.690 §8.1.3.6 and §8.7.3). It is no general conversion: values stay as they are.
func toDER(b []byte) ([]byte, error) {
	out, rest, err := elementToDER(b, 0)
	if err == nil && len(rest) != 0 {
		err = errBER
	}
	return out, err
}

func elementToDER(b []byte, depth int) (out, rest []byte, err error) {
	if depth > maxDepth || len(b) < 2 || b[0]&0x1F == 0x1F {
		return nil, nil, errBER
	}
	tag, constructed := b[0], b[0]&0x20 != 0
	var content []byte
	if b[1] == 0x80 {
		if !constructed {
			return nil, nil, errBER
		}
		content = b[2:]
	} else {
		head, n, ok := header(b)
		if !ok || n > len(b)-head {
			return nil, nil, errBER
		}
		content, rest = b[head:head+n], b[head+n:]
		if !constructed {
			return lds.AppendTLV(nil, uint32(tag), content), rest, nil
		}
	}
	var body []byte
	for {
		if b[1] == 0x80 {
			if len(content) < 2 {
				return nil, nil, errBER
			}
			if content[0] == 0 && content[1] == 0 {
				rest = content[2:]
				break
			}
		} else if len(content) == 0 {
			break
		}
		var child []byte
		if child, content, err = elementToDER(content, depth+1); err != nil {
			return nil, nil, err
		}
		if tag == 0x24 { // an octet string in pieces
			head, _, ok := header(child)
			if !ok || child[0] != 0x04 {
				return nil, nil, errBER
			}
			child = child[head:]
		}
		body = append(body, child...)
	}
	if tag == 0x24 {
		tag = 0x04
	}
	return lds.AppendTLV(nil, uint32(tag), body), rest, nil
}
