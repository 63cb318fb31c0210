package lds

import (
	"fmt"
	"strings"
	"time"
)

// MRZ is a machine readable zone: three lines of 30 characters (TD1, ICAO 9303-5), two of 36 (TD2, 9303-6) or two of 44
// (TD3, 9303-4). Fillers are taken away from the ends of all fields; inside a name they are blanks.
type MRZ struct {
	Format         string // "TD1", "TD2" or "TD3"
	DocumentCode   string // "I", "ID", "P" …
	IssuingState   string // up to three letters, as printed
	DocumentNumber string // may be longer than nine characters on TD1 and TD2
	DateOfBirth    string // YYMMDD as printed; parts that are unknown are "<<"
	Sex            string // "male", "female" or "unspecified"
	DateOfExpiry   string // YYMMDD as printed
	Nationality    string
	Primary        string // primary identifier: for Vietnam the family name
	Secondary      string // secondary identifier; empty for a person of one name
	Optional       string // optional data, of the first line on TD1 without what is left of a long document number
	Optional2      string // TD1: optional data of the second line

	// Failed names the check digits that do not fit: "documentNumber", "dateOfBirth", "dateOfExpiry", "optional" (TD3),
	// "composite". ParseMRZ takes none of them; DG1 is signed as it is, so ParseDG1 only reports them.
	Failed []string
	// Warnings names what is odd and no rule of ICAO's: "vietnamOptional", the check digit that Vietnamese cards
	// carry at the end of the optional data.
	Warnings []string
}

// FullName is the primary and then the secondary identifier, which for Vietnamese names is the order in which they are written.
func (m MRZ) FullName() string { return strings.TrimSpace(m.Primary + " " + m.Secondary) }

// Vietnamese says whether Vietnam issued the document.
func (m MRZ) Vietnamese() bool { return m.IssuingState == "VNM" }

// Number is the personal number where the optional data of a Vietnamese document hold one: twelve digits, else empty.
func (m MRZ) Number() string {
	if m.Vietnamese() && len(m.Optional) >= 12 && digits(m.Optional[:12]) {
		return m.Optional[:12]
	}
	return ""
}

// Key is the part of the zone that opens the chip.
func (m MRZ) Key() MRZKey {
	return MRZKey{DocumentNumber: m.DocumentNumber, DateOfBirth: m.DateOfBirth, DateOfExpiry: m.DateOfExpiry}
}

// Birth is the date of birth in ISO 8601, "1999-01" or "1999" where day or month are unknown, empty if it is no date. The
// century is the latest one that does not put the birth after the reference date: the zone has two digits of the year.
func (m MRZ) Birth(ref time.Time) string {
	return isoDate(m.DateOfBirth, func(yy int) int {
		year := ref.Year() - ref.Year()%100 + yy
		if year > ref.Year() {
			return year - 100
		}
		if year == ref.Year() && len(m.DateOfBirth) == 6 && digits(m.DateOfBirth[2:]) && m.DateOfBirth[2:] > ref.Format("0102") {
			return year - 100
		}
		return year
	})
}

// Expiry is the date of expiry in ISO 8601, empty if it is no date. The century is the one that puts it at most fifty years
// after the reference date. none says that the document does not expire: Vietnamese cards of holders who have no further
// change to come, that is from 58 years on (the card of 60 is given up to two years early), print 991231.
func (m MRZ) Expiry(ref time.Time) (date string, none bool) {
	if m.Vietnamese() && m.DateOfExpiry == "991231" {
		if birth, err := time.Parse(time.DateOnly, m.Birth(ref)); err == nil && !ref.Before(birth.AddDate(58, 0, 0)) {
			return "", true
		}
	}
	return isoDate(m.DateOfExpiry, func(yy int) int {
		year := ref.Year() - ref.Year()%100 + yy
		switch {
		case year > ref.Year()+50:
			return year - 100
		case year <= ref.Year()-50:
			return year + 100
		}
		return year
	}), false
}

// Identity is what the zone says about the person, seen at the reference date.
func (m MRZ) Identity(ref time.Time) Identity {
	id := Identity{
		Number: m.Number(), FullName: m.FullName(), DateOfBirth: m.Birth(ref), Sex: m.Sex, Nationality: m.Nationality,
		DocumentNumber: m.DocumentNumber, DocumentType: m.DocumentCode, IssuingState: m.IssuingState,
	}
	id.ExpiresAt, id.NoExpiry = m.Expiry(ref)
	return id
}

func isoDate(s string, year func(yy int) int) string {
	if len(s) != 6 || !digits(s[:2]) {
		return ""
	}
	y := fmt.Sprintf("%04d", year(int(s[0]-'0')*10+int(s[1]-'0')))
	if !digits(s[2:4]) || s[2:4] < "01" || s[2:4] > "12" {
		return y
	}
	if !digits(s[4:6]) || s[4:6] == "00" {
		return y + "-" + s[2:4]
	}
	full := y + "-" + s[2:4] + "-" + s[4:6]
	if _, err := time.Parse(time.DateOnly, full); err != nil {
		return ""
	}
	return full
}

// ParseMRZ reads a machine readable zone as a scanner or a person gives it: with or without line breaks, with blanks, with
// the fillers at the end of a line left out, in lower case. All check digits must fit. The error is ErrMalformed and says
// what is wrong without repeating what was read.
func ParseMRZ(text string) (MRZ, error) {
	if len(text) > 1024 {
		return MRZ{}, malformed("too long for a machine readable zone")
	}
	lines, err := mrzLines(text)
	if err != nil {
		return MRZ{}, err
	}
	m, err := decodeMRZ(lines)
	if err != nil {
		return MRZ{}, err
	}
	if len(m.Failed) > 0 {
		return MRZ{}, malformed("check digit of " + strings.Join(m.Failed, ", ") + " does not fit")
	}
	return m, nil
}

// mrzLines brings what was scanned into the lines of one of the three formats.
func mrzLines(text string) ([]string, error) {
	var lines []string
	for l := range strings.FieldsFuncSeq(strings.ToUpper(text), func(r rune) bool { return r == '\n' || r == '\r' }) {
		l = strings.Join(strings.Fields(l), "")
		if l == "" {
			continue
		}
		for i := range len(l) {
			if c := l[i]; c != '<' && (c < '0' || c > '9') && (c < 'A' || c > 'Z') {
				return nil, malformed("a character that no machine readable zone has")
			}
		}
		lines = append(lines, l)
	}
	all := strings.Join(lines, "")
	switch len(all) {
	case 90:
		return []string{all[:30], all[30:60], all[60:]}, nil
	case 72:
		return []string{all[:36], all[36:]}, nil
	case 88:
		return []string{all[:44], all[44:]}, nil
	}
	// Fillers at the end of a line are the first thing that gets lost. The last line of TD2 and TD3 ends in a check digit
	// and so tells the width.
	width := 0
	switch {
	case len(lines) == 3:
		width = 30
	case len(lines) == 2 && (len(lines[1]) == 36 || len(lines[1]) == 44):
		width = len(lines[1])
	default:
		return nil, malformed("length is not that of a machine readable zone")
	}
	for i, l := range lines {
		if len(l) > width {
			return nil, malformed("a line is too long")
		}
		lines[i] = l + strings.Repeat("<", width-len(l))
	}
	return lines, nil
}

// decodeMRZ takes three lines of 30, two of 36 or two of 44 valid characters.
func decodeMRZ(l []string) (MRZ, error) {
	var m MRZ
	check := func(name, data string, digit byte, optional bool) {
		if d := checkDigit(data); d != digit && !(digit == '<' && d == '0' && optional) {
			m.Failed = append(m.Failed, name)
		}
	}
	var number, birth, sex, expiry, nationality, names, opt string
	var numberCheck, birthCheck, expiryCheck, compositeCheck byte
	var composite string
	switch {
	case len(l) == 3: // 9303-5 §4.2.2
		m.Format = "TD1"
		number, numberCheck, opt = l[0][5:14], l[0][14], l[0][15:30]
		birth, birthCheck, sex = l[1][0:6], l[1][6], l[1][7:8]
		expiry, expiryCheck, nationality = l[1][8:14], l[1][14], l[1][15:18]
		m.Optional2 = trim(l[1][18:29])
		composite, compositeCheck = l[0][5:30]+l[1][0:7]+l[1][8:15]+l[1][18:29], l[1][29]
		names = l[2]
	case len(l) == 2 && len(l[0]) == 36: // 9303-6 §4.2.2
		m.Format = "TD2"
		number, numberCheck, nationality = l[1][0:9], l[1][9], l[1][10:13]
		birth, birthCheck, sex = l[1][13:19], l[1][19], l[1][20:21]
		expiry, expiryCheck, opt = l[1][21:27], l[1][27], l[1][28:35]
		composite, compositeCheck = l[1][0:10]+l[1][13:20]+l[1][21:35], l[1][35]
		names = l[0][5:]
	case len(l) == 2 && len(l[0]) == 44: // 9303-4 §4.2.2
		m.Format = "TD3"
		number, numberCheck, nationality = l[1][0:9], l[1][9], l[1][10:13]
		birth, birthCheck, sex = l[1][13:19], l[1][19], l[1][20:21]
		expiry, expiryCheck, opt = l[1][21:27], l[1][27], l[1][28:42]
		composite, compositeCheck = l[1][0:10]+l[1][13:20]+l[1][21:43], l[1][43]
		names = l[0][5:]
		check("optional", opt, l[1][42], true)
	default:
		return MRZ{}, malformed("not the lines of a machine readable zone")
	}
	m.DocumentCode = trim(l[0][0:2])
	m.IssuingState = trim(l[0][2:5])
	m.Nationality = trim(nationality)
	m.DateOfBirth, m.DateOfExpiry = birth, expiry

	// A number of more than nine characters goes on in the optional data; a filler stands where its check digit would be,
	// which follows the number there, and then a filler (9303-5 §4.2.2.1 note j, 9303-6 §4.2.2.2 note j).
	long, rest, _ := strings.Cut(opt, "<")
	if m.Format != "TD3" && numberCheck == '<' && len(long) >= 2 && number[8] != '<' {
		full := number + long[:len(long)-1]
		check("documentNumber", full, long[len(long)-1], false)
		m.DocumentNumber, m.Optional = trim(full), trim(rest)
	} else {
		check("documentNumber", number, numberCheck, true)
		m.DocumentNumber, m.Optional = trim(number), trim(opt)
	}
	check("dateOfBirth", birth, birthCheck, true)
	check("dateOfExpiry", expiry, expiryCheck, true)
	check("composite", composite, compositeCheck, false)
	if !mrzDate(birth) {
		m.Failed = append(m.Failed, "dateOfBirth")
	}
	if !mrzDate(expiry) {
		m.Failed = append(m.Failed, "dateOfExpiry")
	}
	switch sex {
	case "M":
		m.Sex = "male"
	case "F":
		m.Sex = "female"
	case "<", "X":
		m.Sex = "unspecified"
	default:
		return MRZ{}, malformed("sex is none of M, F, X and filler")
	}
	primary, secondary, _ := strings.Cut(strings.TrimRight(names, "<"), "<<")
	m.Primary, m.Secondary = blanks(primary), blanks(secondary)
	if m.Primary == "" && m.Secondary != "" {
		m.Primary, m.Secondary = m.Secondary, ""
	}
	if m.DocumentCode == "" || m.IssuingState == "" || m.Primary == "" {
		return MRZ{}, malformed("document code, issuing state or name is missing")
	}
	// Vietnamese cards end the optional data with a check digit over the fourteen characters before it. It is no rule of
	// ICAO's, so it may not decide whether a card is read.
	if m.Format == "TD1" && m.Vietnamese() && m.Number() != "" {
		if checkDigit(opt[:14]) != opt[14] {
			m.Warnings = append(m.Warnings, "vietnamOptional")
		}
	}
	return m, nil
}

// mrzDate says whether six characters can be a date of a machine readable zone: fillers stand for what is unknown (9303-3 §4.8).
func mrzDate(s string) bool {
	for i := 0; i < 6; i += 2 {
		switch p := s[i : i+2]; {
		case p == "<<":
		case !digits(p), i == 2 && (p < "01" || p > "12"), i == 4 && (p < "01" || p > "31"):
			return false
		}
	}
	return true
}

// checkDigit is the 7-3-1 digit of 9303-3 §4.9.
func checkDigit(s string) byte {
	weights, sum := [3]int{7, 3, 1}, 0
	for i := range len(s) {
		v := 0
		switch c := s[i]; {
		case c >= '0' && c <= '9':
			v = int(c - '0')
		case c >= 'A' && c <= 'Z':
			v = int(c-'A') + 10
		}
		sum += v * weights[i%3]
	}
	return byte('0' + sum%10)
}

func trim(s string) string { return strings.TrimRight(s, "<") }

func blanks(s string) string {
	return strings.Join(strings.FieldsFunc(s, func(r rune) bool { return r == '<' }), " ")
}

func digits(s string) bool {
	for i := range len(s) {
		if s[i] < '0' || s[i] > '9' {
			return false
		}
	}
	return s != ""
}
