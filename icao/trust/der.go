package trust

import "errors"

// maxDepth of nested BER. The deepest of a SignedData, an explicit curve in a certificate, is 12.
const maxDepth = 24

var errBER = errors.New("not BER")

// header reads a tag of one byte and a definite length of up to three bytes: head is the number of bytes before the value, n those of the value.
func header(b []byte) (head, n int, ok bool) {
	if len(b) < 2 || b[0]&0x1F == 0x1F {
		return 0, 0, false
	}
	if b[1] < 0x80 {
		return 2, int(b[1]), true
	}
	count := int(b[1] & 0x7F)
	if count == 0 || count > 3 || len(b) < 2+count {
		return 0, 0, false
	}
	for _, c := range b[2 : 2+count] {
		n = n<<8 | int(c)
	}
	return 2 + count, n, true
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
			return encode(tag, content), rest, nil
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
	return encode(tag, body), rest, nil
}

func encode(tag byte, value []byte) []byte {
	n := len(value)
	var out []byte
	switch {
	case n < 0x80:
		out = []byte{tag, byte(n)}
	case n < 0x100:
		out = []byte{tag, 0x81, byte(n)}
	case n < 0x10000:
		out = []byte{tag, 0x82, byte(n >> 8), byte(n)}
	default:
		out = []byte{tag, 0x83, byte(n >> 16), byte(n >> 8), byte(n)}
	}
	return append(out, value...)
}
