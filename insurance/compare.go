package insurance

import (
	"strings"
	"unicode"

	"golang.org/x/text/unicode/norm"
)

// Kinds of a Difference. The values go over the wire and are frozen.
const (
	DiffersInValue      = "value"      // they cannot both be right
	DiffersInDiacritics = "diacritics" // the same letters: written without or with other marks, "An" for "Ân", "hòa" for "hoà"
	DiffersInPrecision  = "precision"  // one says less: a year for a date
	DiffersInEncoding   = "encoding"   // the insurer's is in an old encoding (read as such, it is the same) or cannot be read
)

// Compare says in which fields an insurer's description of a person disagrees with the request. What one side does not say is
// no difference. Names are compared in Unicode's composed form (NFC), in upper case and with single spaces; dates as ISO
// 8601; sex as "male" and "female".
func Compare(asked, answered Request) []Difference {
	var out []Difference
	add := func(field, kind string) {
		if kind != "" {
			out = append(out, Difference{Field: field, Kind: kind})
		}
	}
	if asked.FullName != "" && answered.FullName != "" {
		add("fullName", compareNames(asked.FullName, answered.FullName))
	}
	if asked.DateOfBirth != "" && answered.DateOfBirth != "" {
		add("dateOfBirth", compareDates(asked.DateOfBirth, answered.DateOfBirth))
	}
	known := func(s string) bool { return s == "male" || s == "female" }
	if known(asked.Sex) && known(answered.Sex) && asked.Sex != answered.Sex {
		add("sex", DiffersInValue)
	}
	return out
}

func compareNames(a, b string) string {
	a, b = foldName(a), foldName(b)
	switch {
	case a == b:
		return ""
	case withoutMarks(a) == withoutMarks(b):
		return DiffersInDiacritics
	}
	return DiffersInValue
}

func compareDates(a, b string) string {
	switch {
	case a == b:
		return ""
	case len(a) > len(b) && strings.HasPrefix(a, b+"-"), len(b) > len(a) && strings.HasPrefix(b, a+"-"):
		return DiffersInPrecision
	}
	return DiffersInValue
}

func foldName(s string) string {
	return strings.Join(strings.Fields(strings.ToUpper(norm.NFC.String(s))), " ")
}

// withoutMarks leaves the bare Latin letters of a folded name. Đ is a letter of its own, not a D with a mark, to Unicode.
func withoutMarks(s string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case unicode.Is(unicode.Mn, r):
			return -1
		case r == 'Đ', r == 'Ð': // the second is the Icelandic letter, which looks the same and is typed for it
			return 'D'
		}
		return r
	}, norm.NFD.String(s))
}
