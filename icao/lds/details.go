package lds

import (
	"bytes"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"
)

// Bounds of the data groups in this file. The standard allows 99 bytes for most texts and 999 for the longest; issuers write more.
const (
	maxText  = 8 << 10
	maxItems = 64
)

// Name is a name as the data groups write it: with the characters of its language, and with fillers as in the zone (ICAO 9303-3 §4.6).
type Name struct {
	Primary   string `json:"primary,omitempty"`   // as a rule the surname
	Secondary string `json:"secondary,omitempty"` // as a rule the given names
}

// PersonDetails is DG11: what the issuer adds about the holder. Empty means that the card does not say. Everything in it is personal, most of
// it sensitive.
type PersonDetails struct {
	FullName        Name     `json:"fullName,omitzero"`
	OtherNames      []Name   `json:"otherNames,omitempty"`
	PersonalNumber  string   `json:"personalNumber,omitempty"`
	DateOfBirth     string   `json:"dateOfBirth,omitempty"`  // ISO 8601, as far as it is known: "1999", "1999-01", "1999-01-31"
	PlaceOfBirth    []string `json:"placeOfBirth,omitempty"` // parts
	Address         []string `json:"address,omitempty"`      // parts
	Telephone       string   `json:"telephone,omitempty"`
	Profession      string   `json:"profession,omitempty"`
	Title           string   `json:"title,omitempty"`
	Summary         string   `json:"summary,omitempty"`
	Citizenship     []byte   `json:"-"` // a picture of the proof, as it lies on the chip
	OtherDocuments  []string `json:"otherDocuments,omitempty"`
	CustodyDetails  string   `json:"custodyDetails,omitempty"`
	UnknownElements int      `json:"unknownElements,omitempty"` // data objects that the standard does not know
}

// ParseDG11 reads DG11 (ICAO 9303-10 §4.7.11). Its list of elements and its count of other names say nothing that counts: what is there
// is read, up to a bound. A date that is none, and texts that are no UTF-8, do not cost the rest: the first is left out, the latter are taken for
// ISO 8859-1. The error is ErrMalformed.
func ParseDG11(raw []byte) (PersonDetails, error) {
	var d PersonDetails
	err := elements(raw, 0x6B, func(e TLV) error {
		var err error
		switch e.Tag {
		case 0x5F0E:
			d.FullName, err = name(e.Value)
		case 0xA0:
			err = group(e.Value, 0x5F0F, &d.OtherNames)
		case 0x5F0F: // China writes them without the template around
			err = appendName(&d.OtherNames, e.Value)
		case 0x5F10:
			d.PersonalNumber, err = text(e.Value)
		case 0x5F2B:
			d.DateOfBirth = detailDate(e.Value)
		case 0x5F11:
			d.PlaceOfBirth, err = parts(e.Value)
		case 0x5F42:
			d.Address, err = parts(e.Value)
		case 0x5F12:
			d.Telephone, err = text(e.Value)
		case 0x5F13:
			d.Profession, err = text(e.Value)
		case 0x5F14:
			d.Title, err = text(e.Value)
		case 0x5F15:
			d.Summary, err = text(e.Value)
		case 0x5F16:
			d.Citizenship, err = picture(e.Value)
		case 0x5F17:
			d.OtherDocuments, err = parts(e.Value)
		case 0x5F18:
			d.CustodyDetails, err = text(e.Value)
		case 0x5C:
		default:
			d.UnknownElements++
		}
		return err
	})
	if err != nil {
		return PersonDetails{}, err
	}
	return d, nil
}

// DocumentDetails is DG12: what the issuer adds about the document.
type DocumentDetails struct {
	Authority       string `json:"authority,omitempty"`
	DateOfIssue     string `json:"dateOfIssue,omitempty"` // ISO 8601
	OtherPersons    []Name `json:"otherPersons,omitempty"`
	Endorsements    string `json:"endorsements,omitempty"`
	TaxOrExit       string `json:"taxOrExit,omitempty"`
	Front           []byte `json:"-"` // picture of the document, as it lies on the chip
	Rear            []byte `json:"-"`
	PersonalizedAt  string `json:"personalizedAt,omitempty"` // ISO 8601 without a zone: "2024-05-31T08:15:00"
	PersonalizedBy  string `json:"personalizedBy,omitempty"` // serial number of the system
	UnknownElements int    `json:"unknownElements,omitempty"`
}

// ParseDG12 reads DG12 (ICAO 9303-10 §4.7.12), as forgiving as ParseDG11. The error is ErrMalformed.
func ParseDG12(raw []byte) (DocumentDetails, error) {
	var d DocumentDetails
	err := elements(raw, 0x6C, func(e TLV) error {
		var err error
		switch e.Tag {
		case 0x5F19:
			d.Authority, err = text(e.Value)
		case 0x5F26:
			d.DateOfIssue = detailDate(e.Value)
		case 0xA0:
			err = group(e.Value, 0x5F1A, &d.OtherPersons)
		case 0x5F1A:
			err = appendName(&d.OtherPersons, e.Value)
		case 0x5F1B:
			d.Endorsements, err = text(e.Value)
		case 0x5F1C:
			d.TaxOrExit, err = text(e.Value)
		case 0x5F1D:
			d.Front, err = picture(e.Value)
		case 0x5F1E:
			d.Rear, err = picture(e.Value)
		case 0x5F55:
			if t, err := time.Parse("20060102150405", plainDigits(e.Value, 14)); err == nil {
				d.PersonalizedAt = t.Format("2006-01-02T15:04:05")
			}
		case 0x5F56:
			d.PersonalizedBy, err = text(e.Value)
		case 0x5C:
		default:
			d.UnknownElements++
		}
		return err
	})
	if err != nil {
		return DocumentDetails{}, err
	}
	return d, nil
}

// Contact is a person whom the holder wants to be told in an emergency.
type Contact struct {
	Recorded  string   `json:"recorded,omitempty"` // ISO 8601
	Name      Name     `json:"name,omitzero"`
	Telephone string   `json:"telephone,omitempty"`
	Address   []string `json:"address,omitempty"` // parts
}

// ParseDG16 reads DG16 (ICAO 9303-10 §4.7.16): the persons of the templates A1, A2 … that are there. The error is ErrMalformed.
func ParseDG16(raw []byte) ([]Contact, error) {
	var out []Contact
	err := elements(raw, 0x70, func(e TLV) error {
		if e.Tag < 0xA1 || e.Tag > 0xAF {
			return nil
		}
		fields, err := Children(e.Value)
		if err != nil {
			return err
		}
		var c Contact
		for _, f := range fields {
			switch f.Tag {
			case 0x5F50:
				c.Recorded = detailDate(f.Value)
			case 0x5F51:
				c.Name, err = name(f.Value)
			case 0x5F52:
				c.Telephone, err = text(f.Value)
			case 0x5F53:
				c.Address, err = parts(f.Value)
			}
			if err != nil {
				return err
			}
		}
		if len(out) == maxItems {
			return malformed("too many persons")
		}
		out = append(out, c)
		return nil
	})
	if err != nil {
		return nil, err
	}
	return out, nil
}

// ParseDG5 reads the displayed portraits of DG5 (ICAO 9303-10 §4.7.5). Errors: ErrMalformed, ErrTooLarge.
func ParseDG5(raw []byte) ([]Portrait, error) { return displayed(raw, 0x65, 0x5F40) }

// ParseDG7 reads the displayed signatures or usual marks of DG7 (ICAO 9303-10 §4.7.7). Errors: ErrMalformed, ErrTooLarge.
func ParseDG7(raw []byte) ([]Portrait, error) { return displayed(raw, 0x67, 0x5F43) }

func displayed(raw []byte, tag, item uint32) ([]Portrait, error) {
	var out []Portrait
	err := elements(raw, tag, func(e TLV) error {
		if e.Tag != item {
			return nil
		}
		if len(out) == 9 { // §4.7.7.1: 1 to 9
			return malformed("too many pictures")
		}
		b, err := picture(e.Value)
		if err == nil {
			out = append(out, Portrait{Format: PictureFormat(b), Data: b})
		}
		return err
	})
	if err == nil && len(out) == 0 {
		err = malformed("no picture")
	}
	if err != nil {
		return nil, err
	}
	return out, nil
}

// Biometric is one template of DG3 or DG4. Its data block stays as it is: nothing here looks into fingerprints and irises.
type Biometric struct {
	Subtype byte   // ICAO 9303-10 Tables 51 and 56; 0 where the header does not say
	Owner   uint16 // of the format: 0x0101 is JTC 1/SC 37
	Format  uint16 // 7 is ISO/IEC 19794-4, 9 is 19794-6
	Data    []byte // content of DO'5F2E' or DO'7F2E'
}

// ParseDG3 reads the fingerprints' templates of DG3 (ICAO 9303-10 §4.7.3), none where the card was issued without. The error is ErrMalformed.
func ParseDG3(raw []byte) ([]Biometric, error) { return biometrics(raw, 0x63) }

// ParseDG4 reads the irises' templates of DG4 (ICAO 9303-10 §4.7.4), none where the card was issued without. The error is ErrMalformed.
func ParseDG4(raw []byte) ([]Biometric, error) { return biometrics(raw, 0x76) }

func biometrics(raw []byte, tag uint32) ([]Biometric, error) {
	body, _, err := Expect(raw, tag)
	if err != nil {
		return nil, err
	}
	all, _, err := Expect(body, 0x7F61)
	if err != nil {
		return nil, err
	}
	templates, err := Children(all)
	if err != nil {
		return nil, err
	}
	var out []Biometric
	for _, t := range templates {
		if t.Tag != 0x7F60 {
			continue
		}
		if len(out) == maxItems {
			return nil, malformed("too many biometric templates")
		}
		var b Biometric
		if header, ok := Find(t.Value, 0xA1); ok {
			if v, ok := Find(header, 0x82); ok && len(v) == 1 {
				b.Subtype = v[0]
			}
			for tag, into := range map[uint32]*uint16{0x87: &b.Owner, 0x88: &b.Format} {
				if v, ok := Find(header, tag); ok && len(v) == 2 {
					*into = uint16(v[0])<<8 | uint16(v[1])
				}
			}
		}
		data, ok := Find(t.Value, 0x5F2E)
		if !ok {
			data, ok = Find(t.Value, 0x7F2E)
		}
		if !ok {
			return nil, malformed("biometric template without data")
		}
		b.Data = bytes.Clone(data)
		out = append(out, b)
	}
	return out, nil
}

// SecurityInfo is one entry of DG14: a protocol, and data that only the protocol understands (ICAO 9303-11 §9.2).
type SecurityInfo struct {
	Protocol string // object identifier, "0.4.0.127.0.7.2.2.3.2.2"
	Data     []byte // what follows the identifier, DER
}

// ParseDG14 lists the security infos of DG14 (ICAO 9303-10 §4.7.14). The error is ErrMalformed.
func ParseDG14(raw []byte) ([]SecurityInfo, error) {
	body, _, err := Expect(raw, 0x6E)
	if err != nil {
		return nil, err
	}
	set, _, err := Expect(body, 0x31)
	if err != nil {
		return nil, err
	}
	infos, err := Children(set)
	if err != nil {
		return nil, err
	}
	if len(infos) > maxItems {
		return nil, malformed("too many security infos")
	}
	var out []SecurityInfo
	for _, i := range infos {
		if i.Tag != 0x30 {
			return nil, malformed("security info of another type")
		}
		id, rest, err := Expect(i.Value, 0x06)
		if err != nil {
			return nil, err
		}
		protocol, ok := objectIdentifier(id)
		if !ok {
			return nil, malformed("object identifier that is none")
		}
		out = append(out, SecurityInfo{protocol, bytes.Clone(rest)})
	}
	return out, nil
}

// ParseDG15 gives the algorithm of the key in DG15, and the key as a SubjectPublicKeyInfo, DER (ICAO 9303-10 §4.7.15). The key itself is not
// looked at. The error is ErrMalformed.
func ParseDG15(raw []byte) (algorithm string, spki []byte, err error) {
	body, _, err := Expect(raw, 0x6F)
	if err != nil {
		return "", nil, err
	}
	info, rest, err := Expect(body, 0x30)
	if err != nil {
		return "", nil, err
	}
	alg, _, err := Expect(info, 0x30)
	if err != nil {
		return "", nil, err
	}
	id, _, err := Expect(alg, 0x06)
	if err != nil {
		return "", nil, err
	}
	algorithm, ok := objectIdentifier(id)
	if !ok {
		return "", nil, malformed("object identifier that is none")
	}
	return algorithm, bytes.Clone(body[:len(body)-len(rest)]), nil
}

// elements hands the data objects of a data group out one by one.
func elements(raw []byte, tag uint32, each func(TLV) error) error {
	body, _, err := Expect(raw, tag)
	if err != nil {
		return err
	}
	all, err := Children(body)
	if err != nil {
		return err
	}
	for _, e := range all {
		if err := each(e); err != nil {
			return err
		}
	}
	return nil
}

// group reads the names of a content-specific template. gmrtd believes its count, which can be four thousand million.
func group(b []byte, tag uint32, into *[]Name) error {
	all, err := Children(b)
	if err != nil {
		return err
	}
	for _, e := range all {
		if e.Tag == tag {
			if err := appendName(into, e.Value); err != nil {
				return err
			}
		}
	}
	return nil
}

func appendName(into *[]Name, b []byte) error {
	if len(*into) == maxItems {
		return malformed("too many names")
	}
	n, err := name(b)
	if err == nil && n != (Name{}) {
		*into = append(*into, n)
	}
	return err
}

func text(b []byte) (string, error) {
	if len(b) > maxText {
		return "", malformed("text is too long")
	}
	s := string(b)
	if !utf8.ValidString(s) {
		r := make([]rune, len(b))
		for i, c := range b {
			r[i] = rune(c)
		}
		s = string(r)
	}
	return Clean(s), nil
}

// Clean brings a text of a chip into normal form C without control and formatting characters (a forger could turn the reading
// direction of the desk's screen with them, or give orders to a terminal) and without doubled spaces.
func Clean(s string) string {
	s = strings.Map(func(r rune) rune {
		switch {
		case unicode.IsSpace(r):
			return ' '
		case unicode.Is(unicode.Cc, r), unicode.Is(unicode.Cf, r), unicode.Is(unicode.Co, r), r == utf8.RuneError:
			return -1
		}
		return r
	}, s)
	return strings.Join(strings.Fields(norm.NFC.String(s)), " ")
}

func name(b []byte) (Name, error) {
	s, err := text(b)
	primary, secondary, _ := strings.Cut(s, "<<")
	space := func(s string) string { return strings.Join(strings.Fields(strings.ReplaceAll(s, "<", " ")), " ") }
	return Name{space(primary), space(secondary)}, err
}

// parts splits a text at its fillers.
func parts(b []byte) ([]string, error) {
	s, err := text(b)
	var out []string
	for _, p := range strings.Split(s, "<") {
		if p = strings.TrimSpace(p); p != "" && len(out) < maxItems {
			out = append(out, p)
		}
	}
	return out, err
}

func picture(b []byte) ([]byte, error) {
	if len(b) > MaxPicture {
		return nil, ErrTooLarge
	}
	return bytes.Clone(b), nil
}

// plainDigits gives n digits that are written as such, or two in a byte (§4.7.12 recommends to read both).
func plainDigits(b []byte, n int) string {
	s := string(b)
	if len(b) == n/2 {
		var out []byte
		for _, c := range b {
			out = append(out, '0'+c>>4, '0'+c&0x0F)
		}
		s = string(out)
	}
	if len(s) != n || !digits(s) {
		return ""
	}
	return s
}

// detailDate reads YYYYMMDD, where day, month or year may be zeros for what is not known.
func detailDate(b []byte) string {
	s := plainDigits(b, 8)
	if s == "" || s[:4] == "0000" {
		return ""
	}
	switch {
	case s[4:] == "0000":
		return s[:4]
	case s[6:] == "00":
		if _, err := time.Parse("200601", s[:6]); err != nil {
			return ""
		}
		return s[:4] + "-" + s[4:6]
	}
	t, err := time.Parse("20060102", s)
	if err != nil {
		return ""
	}
	return t.Format(time.DateOnly)
}

// objectIdentifier writes an object identifier in its usual form (X.690 §8.19).
func objectIdentifier(b []byte) (string, bool) {
	if len(b) == 0 || len(b) > 64 || b[len(b)-1]&0x80 != 0 {
		return "", false
	}
	var out []string
	var arc uint64
	for _, c := range b {
		if arc > 1<<56 || arc == 0 && c == 0x80 {
			return "", false
		}
		arc = arc<<7 | uint64(c&0x7F)
		if c&0x80 != 0 {
			continue
		}
		if out == nil {
			first := min(arc/40, 2)
			out = append(out, strconv.FormatUint(first, 10))
			arc -= 40 * first
		}
		out = append(out, strconv.FormatUint(arc, 10))
		arc = 0
	}
	return strings.Join(out, "."), true
}
