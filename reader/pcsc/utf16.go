package pcsc

import (
	"strings"
	"unicode/utf16"
)

// The part of the Windows binding that is only about bytes lives here, so that it is tested everywhere.

// toUTF16 is a name as winscard takes it, ended by a zero; a name with a zero in it names nothing and gives nil.
func toUTF16(s string) []uint16 {
	if strings.IndexByte(s, 0) >= 0 {
		return nil
	}
	return append(utf16.Encode([]rune(s)), 0)
}

// splitUTF16 takes a multi-string apart: strings that end with a zero each, and an empty one at the end. What stands behind
// that is not looked at; a last string without its zero counts. At most maxReaders strings come out.
func splitUTF16(buf []uint16) []string {
	var names []string
	for len(buf) > 0 && buf[0] != 0 && len(names) < maxReaders {
		n := 0
		for n < len(buf) && buf[n] != 0 {
			n++
		}
		names = append(names, string(utf16.Decode(buf[:n])))
		buf = buf[min(n+1, len(buf)):]
	}
	return names
}
