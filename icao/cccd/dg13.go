package cccd

import (
	"regexp"
	"strings"
	"time"
	"unicode"
	"unicode/utf16"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"

	"github.com/tapcheck/tapcheck/icao/lds"
)

// Bounds of what a DG13 may hold. Real ones have less than 1 KiB and 16 fields.
const (
	maxDG13   = 64 << 10
	maxFields = 64
	maxText   = 2 << 10
	maxDepth  = 6
)

// DG13 is Vietnam's own data group. Each field may be missing; a field that is there and is not understood is kept in Unknown.
type DG13 struct {
	Number      string // field 1, twelve digits
	FullName    string // 2, with diacritics
	DateOfBirth string // 3, ISO 8601, or "1999-01" or "1999" where the card knows no more
	Sex         string // 4, "male" or "female"
	Nationality string // 5, as written: "Việt Nam"
	Ethnicity   string // 6
	Religion    string // 7
	Origin      string // 8, place of origin
	Residence   string // 9, place of residence
	Features    string // 10, identifying features
	IssuedAt    string // 11, ISO 8601
	ExpiresAt   string // 12, ISO 8601
	NoExpiry    bool   // 12, written as "Không thời hạn"
	Father      string // 13
	Mother      string // 13
	Spouse      string // 14, empty if single
	OldNumber   string // 15, the nine digits of the old identity card

	// Unknown holds, by field number, the DER values of fields that have no meaning here (16 is one of sixteen characters on
	// some cards), and of known fields whose value has not the form that it should have. They are personal data too.
	Unknown map[int][]byte
}

// ParseDG13 decodes a data group 13, with its tag 6D:
//
//	6D { SEQUENCE { INTEGER version, OBJECT IDENTIFIER, SET OF SEQUENCE { INTEGER number, value OPTIONAL } } }
//
// Version and identifier are not looked at, and the SET is found by its type, because only one source describes what is
// around it. The parents' names (field 13) are accepted as two sequences of one string and as one of two. A field
// that occurs twice, a length that lies or a limit that is passed is lds.ErrMalformed.
func ParseDG13(raw []byte) (DG13, error) {
	if len(raw) > maxDG13 {
		return DG13{}, malformed("larger than 64 KiB")
	}
	body, err := lds.Only(raw, 0x6D)
	if err != nil {
		return DG13{}, about(err)
	}
	records, found, err := findSet(body, 0)
	if err != nil {
		return DG13{}, err
	}
	if !found {
		return DG13{}, malformed("no SET of fields")
	}
	var d DG13
	seen := map[int]bool{}
	for len(records) > 0 {
		var rec []byte
		if rec, records, err = lds.Expect(records, 0x30); err != nil {
			return DG13{}, about(err)
		}
		id, value, err := lds.Expect(rec, 0x02)
		if err != nil {
			return DG13{}, about(err)
		}
		if len(id) != 1 || id[0] > 0x7F {
			return DG13{}, malformed("a field does not begin with its number")
		}
		n := int(id[0])
		if seen[n] || len(seen) == maxFields {
			return DG13{}, malformed("a field occurs twice, or there are too many")
		}
		seen[n] = true
		texts, err := texts(value, nil, 0)
		if err != nil {
			return DG13{}, err
		}
		if !d.set(n, texts) && len(value) > 0 {
			if d.Unknown == nil {
				d.Unknown = map[int][]byte{}
			}
			d.Unknown[n] = append([]byte(nil), value...)
		}
	}
	return d, nil
}

// set stores a field; false if its number or its form is not known.
func (d *DG13) set(n int, texts []string) bool {
	if n == 13 && len(texts) >= 1 && len(texts) <= 2 {
		d.Father = texts[0]
		if len(texts) == 2 {
			d.Mother = texts[1]
		}
		return true
	}
	if len(texts) != 1 {
		return false
	}
	t := texts[0]
	switch n {
	case 1:
		if num, err := ParseNumber(t); err == nil {
			d.Number = string(num)
		}
		return d.Number != ""
	case 2:
		d.FullName = t
	case 3:
		d.DateOfBirth = writtenDate(t)
		return d.DateOfBirth != ""
	case 4:
		d.Sex = sexOf(t)
		return d.Sex != ""
	case 5:
		d.Nationality = t
	case 6:
		d.Ethnicity = t
	case 7:
		d.Religion = t
	case 8:
		d.Origin = t
	case 9:
		d.Residence = t
	case 10:
		d.Features = t
	case 11:
		d.IssuedAt = writtenDate(t)
		return d.IssuedAt != ""
	case 12:
		d.ExpiresAt = writtenDate(t)
		d.NoExpiry = endless.MatchString(plain(t))
		return d.ExpiresAt != "" || d.NoExpiry
	case 14:
		d.Spouse = t
	case 15:
		d.OldNumber = t
	default:
		return false
	}
	return true
}

// Identity gives the person as DG13 describes them, each field with the source "dg13".
func (d DG13) Identity() lds.Identity {
	id := lds.Identity{
		Number: d.Number, FullName: d.FullName, DateOfBirth: d.DateOfBirth, Sex: d.Sex, Residence: d.Residence, Origin: d.Origin,
		IssuedAt: d.IssuedAt, ExpiresAt: d.ExpiresAt, NoExpiry: d.NoExpiry, Ethnicity: d.Ethnicity, Religion: d.Religion,
		Features: d.Features, Father: d.Father, Mother: d.Mother, Spouse: d.Spouse, OldNumber: d.OldNumber,
	}
	if plain(d.Nationality) == "viet nam" {
		id.Nationality = "VNM"
	}
	for name, set := range map[string]bool{
		"number": id.Number != "", "fullName": id.FullName != "", "dateOfBirth": id.DateOfBirth != "", "sex": id.Sex != "",
		"nationality": id.Nationality != "", "residence": id.Residence != "", "origin": id.Origin != "", "issuedAt": id.IssuedAt != "",
		"expiresAt": id.ExpiresAt != "", "noExpiry": id.NoExpiry, "ethnicity": id.Ethnicity != "", "religion": id.Religion != "",
		"features": id.Features != "", "father": id.Father != "", "mother": id.Mother != "", "spouse": id.Spouse != "", "oldNumber": id.OldNumber != "",
	} {
		if set {
			if id.Source == nil {
				id.Source = map[string]string{}
			}
			id.Source[name] = "dg13"
		}
	}
	return id
}

var endless = regexp.MustCompile(`\b(khong|vo) (ky |co )?(thoi )?han\b`)

// plain is a text in lower case without diacritics, for comparing with fixed words.
func plain(s string) string {
	return strings.ToLower(strings.Map(func(r rune) rune {
		switch {
		case unicode.Is(unicode.Mn, r):
			return -1
		case r == 'đ' || r == 'Đ':
			return 'd'
		}
		return r
	}, norm.NFD.String(s)))
}

// writtenDate turns dd/mm/yyyy, mm/yyyy or yyyy into ISO 8601, or gives nothing.
func writtenDate(s string) string {
	for _, f := range [][2]string{{"2/1/2006", "2006-01-02"}, {"2-1-2006", "2006-01-02"}, {"1/2006", "2006-01"}, {"2006", "2006"}} {
		if t, err := time.Parse(f[0], s); err == nil && t.Year() >= 1850 {
			return t.Format(f[1])
		}
	}
	return ""
}

// texts collects the strings in a value, in their order.
func texts(b []byte, into []string, depth int) ([]string, error) {
	if depth > maxDepth {
		return nil, malformed("nested too deeply")
	}
	for len(b) > 0 {
		tag, value, rest, err := lds.ReadTLV(b)
		if err != nil {
			return nil, about(err)
		}
		b = rest
		var s string
		switch tag {
		case 0x30, 0x31, 0xA0, 0xA1:
			if into, err = texts(value, into, depth+1); err != nil {
				return nil, err
			}
			continue
		case 0x0C, 0x12, 0x13, 0x16, 0x1A: // UTF8String, NumericString, PrintableString, IA5String, VisibleString
			s = string(value)
		case 0x1E: // BMPString
			if len(value)%2 != 0 {
				return nil, malformed("a BMPString of an odd length")
			}
			units := make([]uint16, len(value)/2)
			for i := range units {
				units[i] = uint16(value[2*i])<<8 | uint16(value[2*i+1])
			}
			s = string(utf16.Decode(units))
		default:
			continue
		}
		if len(value) > maxText || len(into) == maxFields {
			return nil, malformed("a text is too long, or there are too many")
		}
		if !utf8.ValidString(s) {
			return nil, malformed("a text is not UTF-8")
		}
		if s = lds.Clean(s); s != "" {
			into = append(into, s)
		}
	}
	return into, nil
}

// findSet looks for the first SET, depth first.
func findSet(b []byte, depth int) (set []byte, found bool, err error) {
	if depth > maxDepth {
		return nil, false, malformed("nested too deeply")
	}
	for len(b) > 0 {
		tag, value, rest, err := lds.ReadTLV(b)
		if err != nil {
			return nil, false, about(err)
		}
		b = rest
		switch tag {
		case 0x31:
			return value, true, nil
		case 0x30:
			if set, found, err = findSet(value, depth+1); found || err != nil {
				return set, found, err
			}
		}
	}
	return nil, false, nil
}

func malformed(why string) error { return about(lds.Malformed(why)) }

// about says that an error is one of DG13.
func about(err error) error { return &lds.FileError{File: lds.DG(13), Err: err} }
