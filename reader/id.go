package reader

import "strings"

// maxID bounds an ID, in bytes; names of readers come from drivers.
const maxID = 80

// Slug makes the readable part of a reader's ID out of a name: lower-case ASCII letters and digits with single hyphens
// between them, at most 80 bytes. A name with nothing usable in it gives "reader".
func Slug(name string) string {
	var b strings.Builder
	gap := false
	for _, r := range strings.ToLower(name) {
		if r >= 'a' && r <= 'z' || r >= '0' && r <= '9' {
			if gap && b.Len() > 0 {
				b.WriteByte('-')
			}
			gap = false
			b.WriteRune(r)
		} else {
			gap = true
		}
		if b.Len() >= maxID-1 {
			break
		}
	}
	if b.Len() == 0 {
		return "reader"
	}
	return b.String()
}
