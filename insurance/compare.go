package insurance

import (
	"slices"
	"strings"
	"time"
	"unicode"

	"golang.org/x/text/unicode/norm"
)

// Kinds of a Difference. The values go over the wire and are frozen.
const (
	DiffersInValue      = "value"      // they cannot both be right
	DiffersInDiacritics = "diacritics" // the same letters: written without or with other marks, "An" for "Ân", "hòa" for "hoà"
	DiffersInPrecision  = "precision"  // one says less: a year for a date
	DiffersInEncoding   = "encoding"   // one is written in an old Vietnamese encoding (TCVN3, VNI), of which nothing can be shown
)

// What the desk does about a Difference: ids of the catalogue.
const (
	adviceCorrect    = "CORRECT_AT_INSURER"
	adviceOldCard    = "INSURER_RECORD_OLD"
	adviceOther      = "POSSIBLE_OTHER_PERSON"
	adviceLook       = "CHECK_IDENTITY"
	adviceLookPapers = "CHECK_PAPERS"
)

// Compare says in which fields an insurer's description of a person disagrees with the request, with the likely cause of each.
// What one side does not say is no difference. Names are compared in Unicode's composed form (NFC), in upper case and with
// single spaces; dates as ISO 8601; sex as "male" and "female".
func Compare(asked, answered Request) []Difference {
	return compare(asked, answered, BetweenGateway)
}

// ComparePersons does the same for two other descriptions of a person; between is Between….
func ComparePersons(one, other Request, between string) []Difference {
	return compare(one, other, between)
}

func compare(asked, answered Request, between string) []Difference {
	var out []Difference
	add := func(field, kind, cause string) {
		if kind != "" {
			out = append(out, Difference{Field: field, Kind: kind, Cause: cause, Between: between})
		}
	}
	if asked.Number != "" && answered.Number != "" && asked.Number != answered.Number {
		add("number", DiffersInValue, CauseUnknown)
	}
	if asked.FullName != "" && answered.FullName != "" {
		kind := compareNames(asked.FullName, answered.FullName)
		add("fullName", kind, causeOfName(kind, asked.FullName, answered.FullName))
	}
	if asked.DateOfBirth != "" && answered.DateOfBirth != "" {
		kind := compareDates(asked.DateOfBirth, answered.DateOfBirth)
		add("dateOfBirth", kind, causeOfDate(kind, asked.DateOfBirth, answered.DateOfBirth))
	}
	known := func(s string) bool { return s == "male" || s == "female" }
	if known(asked.Sex) && known(answered.Sex) && asked.Sex != answered.Sex {
		add("sex", DiffersInValue, CauseUnknown)
	}
	// One field that is wrong may be a mistake; a name and something else that are is another person.
	strange := slices.ContainsFunc(out, func(d Difference) bool { return d.Field == "fullName" && d.Cause == CauseUnknown })
	others := 0
	for _, d := range out {
		if d.Kind == DiffersInValue && d.Field != "fullName" && d.Cause != CauseSpelling {
			others++
		}
	}
	for i := range out {
		d := &out[i]
		if strange && others > 0 && d.Kind == DiffersInValue || d.Field == "number" && (strange || others > 1) {
			d.Cause = CauseOtherPerson
		}
		d.Advice = adviceFor(*d)
	}
	return out
}

func adviceFor(d Difference) string {
	switch {
	case d.Cause == CauseOtherPerson:
		return adviceOther
	case d.Between != BetweenGateway:
		return adviceLookPapers
	case d.Cause == CauseSpelling:
		return adviceCorrect
	case d.Cause == CauseOldCard:
		return adviceOldCard
	}
	return adviceLook
}

// explainDifferences gives those of an answer that came without one a cause, and takes into account that another card was issued.
func (e *Eligibility) explainDifferences() {
	renewed := e.Card != nil && (e.Card.Previous != "" || e.Card.Next != "")
	e.Differences = slices.Clone(e.Differences)
	for i := range e.Differences {
		d := &e.Differences[i]
		if d.Between == "" {
			d.Between = BetweenGateway
		}
		switch {
		case d.Cause == "" && (d.Kind == DiffersInDiacritics || d.Kind == DiffersInEncoding):
			d.Cause = CauseSpelling
		case d.Cause == "":
			d.Cause = CauseUnknown
		}
		if d.Cause == CauseUnknown && renewed {
			d.Cause = CauseOldCard
		}
		d.Advice = adviceFor(*d)
	}
}

// compareNames takes a name in an old encoding for what it reads as, and says that it is in one.
func compareNames(a, b string) string {
	ra, ea := ReadName(a)
	rb, eb := ReadName(b)
	x, y := foldName(ra), foldName(rb)
	switch {
	case foldName(a) == foldName(b):
		return ""
	case (ea != Unicode || eb != Unicode) && (ea == Unreadable || eb == Unreadable || withoutMarks(x) == withoutMarks(y)):
		return DiffersInEncoding
	case withoutMarks(x) == withoutMarks(y):
		return DiffersInDiacritics
	}
	return DiffersInValue
}

// causeOfName is CauseUnknown where the names have nothing in common.
func causeOfName(kind, a, b string) string {
	ra, ea := ReadName(a)
	rb, eb := ReadName(b)
	x, y := foldName(ra), foldName(rb)
	switch {
	case kind == DiffersInDiacritics:
		return CauseSpelling
	case kind == DiffersInEncoding && ea != Unreadable && eb != Unreadable:
		return CauseSpelling
	case kind == DiffersInEncoding:
		return CauseUnknown
	}
	x, y = withoutMarks(x), withoutMarks(y)
	words := func(s string) []string { return slices.Sorted(slices.Values(strings.Fields(s))) }
	if slices.Equal(words(x), words(y)) || strings.ReplaceAll(x, " ", "") == strings.ReplaceAll(y, " ", "") {
		return CauseSpelling
	}
	// A letter more, less or other is how names are mistyped; a sound that is written in two ways (i and y) is one too.
	if min(len(x), len(y)) >= 6 && oneEdit(strings.ReplaceAll(x, "Y", "I"), strings.ReplaceAll(y, "Y", "I")) {
		return CauseSpelling
	}
	return CauseUnknown
}

// oneEdit says that two texts are the same, or but for one character.
func oneEdit(a, b string) bool {
	x, y := []rune(a), []rune(b)
	if len(x) > len(y) {
		x, y = y, x
	}
	if len(y)-len(x) > 1 {
		return false
	}
	i := 0
	for i < len(x) && x[i] == y[i] {
		i++
	}
	if len(x) == len(y) {
		return i == len(x) || slices.Equal(x[i+1:], y[i+1:])
	}
	return slices.Equal(x[i:], y[i+1:])
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

// causeOfDate: an insurer that knows the year alone has an old record; day and month that changed places were mistyped.
func causeOfDate(kind, asked, answered string) string {
	switch kind {
	case DiffersInPrecision:
		if len(answered) < len(asked) {
			return CauseOldCard
		}
		return CauseUnknown
	case DiffersInValue:
		if len(asked) == len(time.DateOnly) && len(answered) == len(asked) &&
			asked[:4] == answered[:4] && asked[5:7] == answered[8:] && asked[8:] == answered[5:7] {
			return CauseSpelling
		}
		// 1 January stands for "some day of that year" in old records.
		if len(asked) == len(time.DateOnly) && answered == asked[:4]+"-01-01" {
			return CauseOldCard
		}
	}
	return CauseUnknown
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
