package insurance

import (
	"encoding/hex"
	"errors"
	"fmt"
	"regexp"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"
)

// MaxPaperCard is the longest text of a paper card's QR code that is looked at, in bytes. A QR code holds at most 2,953.
const MaxPaperCard = 4096

// ErrPaperCardForeign says that a scanned text is no paper card's. ErrPaperCardMangled says that it is one, changed on its way so
// much that its code is in doubt. Neither holds anything of the text.
var (
	ErrPaperCardForeign = errors.New("not the QR code of a paper insurance card")
	ErrPaperCardMangled = errors.New("QR code of the insurance card was changed on its way")
)

// PaperCard is what the QR code on a paper insurance card says. What it does not hold in a known form is empty. Only the card's
// code can be asked about; everything else was true when the card was printed.
type PaperCard struct {
	Code               string // fifteen characters, or the ten digits of the newer form (QĐ 1666/QĐ-BHXH)
	FullName           string
	DateOfBirth        string // ISO 8601, or the year or the month alone
	Sex                string // "male" or "female"
	RegisteredFacility string // five digits
	From, To           string // ISO 8601
}

// tenDigits is the newer card's code: the social insurance number alone.
var tenDigits = regexp.MustCompile(`^[0-9]{10}$`)

// ParsePaperCard reads the text of the QR code on a paper insurance card: fields parted by "|", the code of the card, the name
// as the hexadecimal form of its UTF-8, the date of birth, the sex (1 is male, 2 female), the address (hexadecimal too), the
// facility ("NN - NNN"), and the days from and to which it is valid. What follows is not looked at. Dates are ddmmyyyy with or
// without separators. A scanner that types under a Vietnamese input method leaves hexadecimal digits as they are, but may eat
// or double separators: the code in front is then still taken if its form is beyond doubt, and nothing else.
//
// Errors: ErrPaperCardForeign, ErrPaperCardMangled.
func ParsePaperCard(text string) (PaperCard, error) {
	if len(text) > MaxPaperCard {
		return PaperCard{}, fmt.Errorf("%w: longer than a QR code can be", ErrPaperCardForeign)
	}
	if !utf8.ValidString(text) {
		return PaperCard{}, fmt.Errorf("%w: no UTF-8", ErrPaperCardForeign)
	}
	text = strings.TrimFunc(text, func(r rune) bool { return unicode.IsSpace(r) || unicode.Is(unicode.Cc, r) || r == '\ufeff' })
	fields := strings.Split(text, "|")
	for i := range fields {
		fields[i] = strings.TrimSpace(fields[i])
	}
	at := func(i int) string {
		if i < len(fields) {
			return fields[i]
		}
		return ""
	}
	c := PaperCard{Code: strings.ToUpper(at(0))}
	if !ValidCardCode(c.Code) && !tenDigits.MatchString(c.Code) {
		if len(fields) > 2 && hexName(at(1)) != "" {
			return PaperCard{}, fmt.Errorf("%w: it does not begin with a card code", ErrPaperCardMangled)
		}
		return PaperCard{}, ErrPaperCardForeign
	}
	if len(fields) == 1 { // a bar code, which holds the code alone
		if !ValidCardCode(c.Code) {
			return PaperCard{}, fmt.Errorf("%w: it is a number only", ErrPaperCardForeign)
		}
		return c, nil
	}
	if c.FullName = hexName(at(1)); c.FullName == "" {
		if !ValidCardCode(c.Code) {
			return PaperCard{}, fmt.Errorf("%w: no name", ErrPaperCardForeign)
		}
		return PaperCard{Code: c.Code}, nil
	}
	c.DateOfBirth = printedDate(at(2))
	c.Sex = map[string]string{"1": "male", "2": "female"}[at(3)]
	if f := strings.Map(digits, at(5)); len(f) == 5 {
		c.RegisteredFacility = f
	}
	if from, to := printedDate(at(6)), printedDate(at(7)); len(from) == len(time.DateOnly) {
		if c.From = from; len(to) == len(time.DateOnly) && to >= from {
			c.To = to
		}
	}
	return c, nil
}

// hexName reads a name that is written as the hexadecimal form of its UTF-8, or gives nothing.
func hexName(s string) string {
	b, err := hex.DecodeString(s)
	if err != nil || len(b) < 2 || len(b) > 200 || !utf8.Valid(b) {
		return ""
	}
	name := strings.Join(strings.Fields(norm.NFC.String(string(b))), " ")
	letters := 0
	for _, r := range name {
		switch {
		case unicode.IsLetter(r) && unicode.Is(unicode.Latin, r):
			letters++
		case r == ' ', r == '\'', r == '’', r == '-', r == '.', unicode.Is(unicode.Mn, r):
		default:
			return ""
		}
	}
	if letters < 2 {
		return ""
	}
	return name
}

func digits(r rune) rune {
	if r >= '0' && r <= '9' {
		return r
	}
	return -1
}

// printedDate turns dd/mm/yyyy or ddmmyyyy into ISO 8601; mm/yyyy and yyyy are dates of birth of which no more is registered.
// Anything else gives nothing.
func printedDate(s string) string {
	for _, l := range [][2]string{
		{"02/01/2006", "2006-01-02"}, {"02-01-2006", "2006-01-02"}, {"02012006", "2006-01-02"}, {"01/2006", "2006-01"}, {"2006", "2006"},
	} {
		if t, err := time.Parse(l[0], s); err == nil && len(s) == len(l[0]) && t.Year() >= 1850 && t.Year() < 2200 {
			return t.Format(l[1])
		}
	}
	return ""
}
