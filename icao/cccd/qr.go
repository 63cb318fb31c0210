package cccd

import (
	"encoding/hex"
	"fmt"
	"regexp"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"

	"github.com/tapcheck/tapcheck/icao/lds"
)

// MaxQR is the longest QR text that is looked at, in bytes. A QR code holds at most 2,953.
const MaxQR = 4096

// QR is what the QR code on a card says. Fields that it does not hold, or that are not beyond doubt, are empty.
type QR struct {
	Number      Number
	OldNumber   string // nine-digit identity card number
	FullName    string
	DateOfBirth string // ISO 8601
	Sex         string // "male" or "female"
	Residence   string
	IssuedAt    string // ISO 8601

	// Mangled says that the text was changed between the code and us, as keyboard-wedge scanners and Vietnamese input
	// methods do. The number is then still beyond doubt, and nothing else is given.
	Mangled bool
}

// ParseQR reads the text of a card's QR code: fields parted by "|", first the number, then old number, name, birth
// (ddmmyyyy), sex, residence and date of issue (cards of 2021 to 2024); a text without the old number is read too. What
// the cards since 2024 add is not published, so that a longer text is never an error: of fields at the known places
// those are taken that have the known form, and others are dropped.
//
// Errors: lds.ErrQRForeign if this is another kind of code (a health insurance card's, a bank's, a web address);
// lds.ErrKeyMalformed if it is a citizen card's, changed so much that its number is in doubt.
func ParseQR(text string) (QR, error) {
	if len(text) > MaxQR {
		return QR{}, fmt.Errorf("%w: longer than a QR code can be", lds.ErrQRForeign)
	}
	text, changed := tidy(text)
	if text == "" {
		return QR{}, fmt.Errorf("%w: empty", lds.ErrKeyMalformed)
	}
	fields := strings.Split(text, "|")
	for i := range fields {
		fields[i] = strings.TrimSpace(fields[i])
	}
	if why := foreign(text, fields); why != "" {
		return QR{}, fmt.Errorf("%w: %s", lds.ErrQRForeign, why)
	}
	if len(fields) < 6 {
		return recoverNumber(text)
	}
	n, err := ParseNumber(fields[0])
	if err != nil {
		if q, rerr := recoverNumber(text); rerr == nil {
			return q, nil
		}
		if plainDigits := strings.Trim(fields[0], "0123456789") == ""; plainDigits && (len(fields[0]) < 11 || len(fields[0]) > 13) {
			return QR{}, fmt.Errorf("%w: it does not begin with a citizen number", lds.ErrQRForeign)
		}
		return QR{}, err
	}
	q := QR{Number: n, Mangled: changed}
	q.read(fields[1:], len(fields) > 7)
	if q.Mangled {
		return QR{Number: n, Mangled: true}, nil
	}
	return q, nil
}

// read takes the fields after the number that have the known form at one of the two known places. longer says that there
// are more fields than on the cards of which the layout is known.
func (q *QR) read(f []string, longer bool) {
	if oldNumber(f[0]) {
		q.OldNumber, f = f[0], f[1:]
	}
	at := func(i int) string {
		if i < len(f) {
			return f[i]
		}
		return ""
	}
	name, birth, sex := at(0), birthDate(at(1)), sexOf(at(2))
	if birth == "" || sex == "" || name == "" {
		// Neither of the known layouts: a later one, of which only the number's place is known, or a mangled text. Nothing
		// is taken on a guess: a later layout also holds the names of relatives.
		q.Mangled, q.OldNumber = q.Mangled || !longer, ""
		return
	}
	if !plausibleName(name) || !strings.HasPrefix(birth, fmt.Sprint(q.Number.BirthYear())) {
		q.Mangled = true
		return
	}
	q.FullName, q.DateOfBirth, q.Sex = lds.Clean(name), birth, sex
	q.Residence, q.IssuedAt = lds.Clean(at(3)), compactDate(at(4))
	if strings.ContainsAny(q.Residence, "?\ufffd") {
		q.Mangled = true
	}
}

// KeyFromQR makes the key of a card from its QR code; what else the code says is kept to be compared with the chip,
// unless it was mangled. Errors as ParseQR.
func KeyFromQR(text string) (lds.Key, error) {
	q, err := ParseQR(text)
	if err != nil {
		return lds.Key{}, err
	}
	k := lds.Key{CAN: q.Number.CAN(), From: lds.FromQR, Stated: lds.Identity{Number: string(q.Number), DocumentNumber: q.Number.DocumentNumber()}, Mangled: q.Mangled}
	if !q.Mangled {
		k.Stated.FullName, k.Stated.DateOfBirth, k.Stated.Sex = q.FullName, q.DateOfBirth, q.Sex
		k.Stated.Residence, k.Stated.IssuedAt, k.Stated.OldNumber = q.Residence, q.IssuedAt, q.OldNumber
	}
	return k, nil
}

// tidy brings a scanned text to one line in normal form C. changed says that characters had to be mapped back that no
// card prints: full-width forms of an East Asian input method, broken UTF-8.
func tidy(s string) (_ string, changed bool) {
	if !utf8.ValidString(s) {
		s, changed = strings.ToValidUTF8(s, "\ufffd"), true
	}
	s = strings.TrimFunc(s, func(r rune) bool { return unicode.IsSpace(r) || unicode.Is(unicode.Cc, r) || r == '\ufeff' })
	s = strings.Map(func(r rune) rune {
		switch {
		case r == '\r' || r == '\n' || r == '\t' || r == '\u00a0':
			return ' '
		case r == '\uff5c' || r == '\u00a6': // full-width and broken bar
			changed = true
			return '|'
		case r >= '\uff01' && r <= '\uff5e':
			changed = true
			return r - '\uff01' + '!'
		case unicode.Is(unicode.Cc, r) || r == '\ufeff':
			return -1
		}
		return r
	}, s)
	return s, changed // not in form C yet: recoverNumber needs the keystrokes as they came; texts are normalised where they are taken
}

var (
	cardCode = regexp.MustCompile(`^[A-Za-z]{2}[1-5][0-9]{12}$`)
	address  = regexp.MustCompile(`(?i)^([a-z][a-z0-9+.-]*://|www\.|mailto:|tel:|begin:v|wifi:)`)
)

// foreign names the other kinds of codes that lie about at a desk.
func foreign(text string, fields []string) string {
	switch {
	case address.MatchString(text):
		return "it is an address"
	case strings.HasPrefix(text, "000201"):
		return "it is a payment code" // EMVCo merchant-presented mode
	case strings.HasPrefix(text, "{"), strings.HasPrefix(text, "<"):
		return "it is structured data of another kind"
	case strings.HasPrefix(text, "I<"), strings.HasPrefix(text, "IDVNM"), strings.HasPrefix(text, "P<"):
		return "it is a machine readable zone"
	case cardCode.MatchString(fields[0]):
		return "it is a health insurance card's"
	case len(fields) >= 6 && hexText(fields[1]):
		return "it is a health insurance card's"
	}
	return ""
}

// hexText recognises the names of insurance cards: the hexadecimal form of UTF-8.
func hexText(s string) bool {
	b, err := hex.DecodeString(s)
	if err != nil || len(b) < 3 || !utf8.Valid(b) {
		return false
	}
	for _, r := range string(b) {
		if !unicode.IsLetter(r) && r != ' ' && !unicode.Is(unicode.Mn, r) {
			return false
		}
	}
	return true
}

var digitsAtStart = regexp.MustCompile(`^[0-9]{12}`)

// recoverNumber finds the number in a text whose separators are gone. It stands first and has a fixed length, but so has
// the beginning of many another code: so a second witness is asked for, the year of birth in a date, or the same foreign character
// standing where the separators were.
func recoverNumber(text string) (QR, error) {
	inDoubt := fmt.Errorf("%w: the text of the QR code was changed on its way, switch the Vietnamese input method off", lds.ErrKeyMalformed)
	plain, layout := undoVietnameseLayout(text)
	if layout {
		text = plain
	}
	if !digitsAtStart.MatchString(text) {
		if n := len(text) - len(strings.TrimLeft(text, "0123456789")); n >= 9 && strings.Contains(text, "|") {
			return QR{}, inDoubt
		}
		return QR{}, fmt.Errorf("%w: it does not begin with a citizen number", lds.ErrQRForeign)
	}
	n, err := ParseNumber(text[:12])
	if err != nil {
		return QR{}, fmt.Errorf("%w: it does not begin with a citizen number", lds.ErrQRForeign)
	}
	rest := text[12:]
	if !strings.ContainsFunc(rest, unicode.IsLetter) {
		return QR{}, fmt.Errorf("%w: it is a number only", lds.ErrQRForeign)
	}
	sep, _ := utf8.DecodeRuneInString(rest)
	separated := !unicode.IsLetter(sep) && !unicode.IsDigit(sep) && !unicode.IsSpace(sep) && strings.Count(rest, string(sep)) >= 5
	if separated || bornIn(rest, n.BirthYear()) {
		return QR{Number: n, Mangled: true}, nil
	}
	return QR{}, inDoubt
}

// bornIn looks for a day of the given year, written ddmmyyyy, that a letter or a separator precedes: after the name.
func bornIn(s string, year int) bool {
	suffix := fmt.Sprintf("%04d", year)
	for i := 1; i+8 <= len(s); i++ {
		before := s[i-1]
		if before >= '0' && before <= '9' {
			continue
		}
		if d := s[i : i+8]; strings.HasSuffix(d, suffix) && compactDate(d) != "" {
			return true
		}
	}
	return false
}

// The Windows keyboard layout "Vietnamese" has letters and marks on the digit keys. A scanner that types under it turns
// each digit into one of these.
var vietnameseLayout = map[rune]byte{
	'đ': '0', 'ă': '1', 'â': '2', 'ê': '3', 'ô': '4', '\u0300': '5', '\u0309': '6', '\u0303': '7', '\u0301': '8', '\u0323': '9',
}

// undoVietnameseLayout turns the digits of a text back that was typed under that layout; ok is false if it was not, or
// if the order of marks is in doubt: Unicode's normal forms move the dot below before other marks, so that 5 9 may have become 9 5.
func undoVietnameseLayout(s string) (_ string, ok bool) {
	var out strings.Builder
	var last byte
	n := 0
	for _, r := range s {
		keys := []rune{r}
		if _, known := vietnameseLayout[r]; !known {
			// A letter and a mark may have been put together on the way: ồ is the keys 4 and 5.
			if d := []rune(norm.NFD.String(string(r))); len(d) == 3 && n < 12 {
				if d[1] == '\u0323' {
					d[1], d[2] = d[2], d[1]
				}
				keys = []rune{[]rune(norm.NFC.String(string(d[:2])))[0], d[2]}
			}
		}
		for _, k := range keys {
			digit, known := vietnameseLayout[k]
			switch {
			case !known && n < 12:
				return "", false
			case !known:
				out.WriteRune(k)
			default:
				if n < 12 && last == '9' && digit >= '5' && digit <= '8' {
					return "", false
				}
				out.WriteByte(digit)
				last = digit
				n++
			}
		}
	}
	return out.String(), n >= 12
}

func oldNumber(s string) bool { return s == "" || allDigits(s) && (len(s) == 9 || len(s) == 12) }

// plausibleName accepts what can stand in the name field of a card: letters, with at most one tone mark in a word. A
// second one, a digit or a sign is the trace of an input method or of a wrong character set.
func plausibleName(s string) bool {
	if utf8.RuneCountInString(s) > 120 {
		return false
	}
	tones := 0
	for _, r := range norm.NFD.String(s) {
		switch {
		case r == ' ':
			tones = 0
		case r == '\u0300' || r == '\u0301' || r == '\u0303' || r == '\u0309' || r == '\u0323':
			if tones++; tones > 1 {
				return false
			}
		case unicode.IsLetter(r) && unicode.Is(unicode.Latin, r), unicode.Is(unicode.Mn, r), r == '\'', r == '’', r == '-', r == '.':
		default:
			return false
		}
	}
	return true
}

// compactDate turns ddmmyyyy into ISO 8601, or gives nothing.
func compactDate(s string) string {
	if len(s) != 8 || !allDigits(s) {
		return ""
	}
	t, err := time.Parse("02012006", s)
	if err != nil || t.Year() < 1850 {
		return ""
	}
	return t.Format("2006-01-02")
}

// birthDate is compactDate for people of whose birth only the month and year, or only the year, is registered: the missing
// digits are zeros or left out.
func birthDate(s string) string {
	if d := compactDate(s); d != "" {
		return d
	}
	if len(s) == 8 && strings.HasPrefix(s, "00") {
		if s = s[2:]; strings.HasPrefix(s, "00") {
			s = s[2:]
		}
	}
	layout := map[int][2]string{6: {"012006", "2006-01"}, 4: {"2006", "2006"}}[len(s)]
	if t, err := time.Parse(layout[0], s); err == nil && allDigits(s) && t.Year() >= 1850 {
		return t.Format(layout[1])
	}
	return ""
}

func sexOf(s string) string {
	switch strings.ToLower(norm.NFC.String(s)) {
	case "nam":
		return "male"
	case "nữ":
		return "female"
	}
	return ""
}
