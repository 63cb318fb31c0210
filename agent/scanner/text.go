package scanner

import (
	"strings"
	"unicode/utf8"

	"golang.org/x/text/encoding/charmap"
)

// burst collects the bytes of one scan.
type burst struct {
	raw     []byte
	tooLong bool // what comes before the next pause is no scan
}

func (b *burst) add(p []byte) {
	if b.tooLong || len(b.raw)+len(p) > MaxText {
		b.raw, b.tooLong = nil, true
		return
	}
	b.raw = append(b.raw, p...)
}

// end is a pause: it gives what has been collected, and begins anew.
func (b *burst) end() []byte {
	raw := b.raw
	b.raw, b.tooLong = nil, false
	return raw
}

// texts makes of a burst what was scanned: one text a line, but for the lines of a machine readable zone, which belong
// together.
func texts(raw []byte) (out []string) {
	if len(raw) > MaxText {
		return nil
	}
	lines := strings.FieldsFunc(repair(string(raw)), func(r rune) bool { return r == '\r' || r == '\n' || r == '\x00' || r == '\x03' || r == '\x02' })
	var zone []string
	for i, l := range lines {
		if i == 0 {
			l = withoutSymbology(l)
		}
		if l = strings.Trim(l, " \t"); l != "" {
			out = append(out, l)
			if zoneLine(l) {
				zone = append(zone, l)
			}
		}
	}
	if len(out) > 1 && len(zone) == len(out) && len(out) <= 3 {
		return []string{strings.Join(out, "\n")}
	}
	return out
}

// zoneLine recognises a line of a machine readable zone (ICAO 9303-5 and -4): 30, 36 or 44 characters of its alphabet.
func zoneLine(s string) bool {
	return (len(s) == 30 || len(s) == 36 || len(s) == 44) &&
		strings.Trim(s, "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789<") == ""
}

// withoutSymbology takes the prefix off that some scanners name the kind of code with: "]Q1" for a QR code (ISO/IEC 15424).
func withoutSymbology(s string) string {
	alnum := func(c byte) bool { return c >= '0' && c <= '9' || c >= 'A' && c <= 'Z' || c >= 'a' && c <= 'z' }
	if len(s) > 3 && s[0] == ']' && alnum(s[1]) && alnum(s[2]) {
		return s[3:]
	}
	return s
}

// repair undoes what scanners do to UTF-8 where that can be undone without a guess: each of its bytes taken for a character of
// Latin-1 or Windows-1252 and encoded again. Bytes that are no UTF-8 at all become the replacement character, by which
// whoever reads the text knows that it was changed on its way (icao/cccd then takes the number alone).
func repair(s string) string {
	if !utf8.ValidString(s) {
		return strings.ToValidUTF8(s, "\ufffd")
	}
	raw := make([]byte, 0, len(s))
	wide := false
	for _, r := range s {
		switch {
		case r <= 0xFF:
			raw = append(raw, byte(r))
		default:
			c, ok := charmap.Windows1252.EncodeRune(r)
			if !ok {
				return s // a character that neither of them has: it was not encoded twice
			}
			raw = append(raw, c)
		}
		wide = wide || r > 0x7F
	}
	if wide && utf8.Valid(raw) {
		return string(raw)
	}
	return s
}
