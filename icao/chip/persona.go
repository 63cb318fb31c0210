package chip

import (
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"
)

// Persona is an invented person with an invented card. Dates are ISO 8601. It is a plain value: a test takes one and
// changes what it wants to try.
type Persona struct {
	ID          string `json:"id"`
	Number      string `json:"number"`              // twelve digits
	OldNumber   string `json:"oldNumber,omitempty"` // nine-digit CMND
	FullName    string `json:"fullName"`            // Unicode NFC
	Surname     string `json:"surname"`             // as in the MRZ, upper case, words parted by spaces
	GivenNames  string `json:"givenNames"`
	Sex         string `json:"sex"` // "male" or "female"
	DateOfBirth string `json:"dateOfBirth"`
	IssuedAt    string `json:"issuedAt"`
	ExpiresAt   string `json:"expiresAt,omitempty"`
	NoExpiry    bool   `json:"noExpiry,omitempty"` // "Không thời hạn", 991231 in the MRZ
	NoPhoto     bool   `json:"noPhoto,omitempty"`  // a small child's card
	Nationality string `json:"nationality"`
	Ethnicity   string `json:"ethnicity"`
	Religion    string `json:"religion"`
	Origin      string `json:"origin"`
	Residence   string `json:"residence"`
	Features    string `json:"features,omitempty"`
	Father      string `json:"father,omitempty"`
	Mother      string `json:"mother,omitempty"`
	Spouse      string `json:"spouse,omitempty"`
	Passport    string `json:"passport"` // number of the passport, for profiles that are one
	// PIN (six digits) and PUK (ten) are for cards that have such passwords. Personas have some that follow from their number.
	PIN string `json:"pin,omitempty"`
	PUK string `json:"puk,omitempty"`
	// Portrait replaces the drawn face: a JPEG or JPEG 2000 picture of any kind, put into DG2 as it is.
	Portrait []byte `json:"-"`
	// PortraitWidth and PortraitHeight are what DG2 says about Portrait, in pixels; 0 is 300 by 400.
	PortraitWidth, PortraitHeight int `json:"-"`
}

var personas = sync.OnceValue(func() []Persona {
	var list []Persona
	mustLoad("data/personas.json", &list)
	for i, p := range list {
		if err := p.check(); err != nil {
			panic(err)
		}
		s := newStream(nil, "pin", p.Number)
		digits := make([]byte, 16)
		_, _ = s.Read(digits) // never fails
		for j, b := range digits {
			digits[j] = '0' + b%10
		}
		list[i].PIN, list[i].PUK = string(digits[:6]), string(digits[6:])
	}
	return list
})

// Personas lists the invented people that come with the package.
func Personas() []Persona { return slices.Clone(personas()) }

// PersonaByName finds one of Personas by its ID.
func PersonaByName(id string) (Persona, error) {
	for _, p := range personas() {
		if p.ID == id {
			return p, nil
		}
	}
	return Persona{}, fmt.Errorf("chip: no persona %q", id)
}

func (p Persona) check() error {
	if len(p.Number) != 12 || strings.Trim(p.Number, "0123456789") != "" {
		return fmt.Errorf("chip: persona %s: number is not twelve digits", p.ID)
	}
	for _, d := range []string{p.DateOfBirth, p.IssuedAt, p.ExpiresAt} {
		if d == p.ExpiresAt && p.NoExpiry {
			continue
		}
		if _, err := time.Parse(time.DateOnly, d); err != nil {
			return fmt.Errorf("chip: persona %s: %w", p.ID, err)
		}
	}
	if len(p.Passport) > 9 {
		return fmt.Errorf("chip: persona %s: passport number is too long", p.ID)
	}
	return nil
}

// CAN is the card access number: the last six digits of the card's number. Nothing is printed on the card as a CAN.
func (p Persona) CAN() string { return p.Number[max(len(p.Number)-6, 0):] }

// DocumentNumber is the number in the MRZ's document number field: the last nine digits of the card's number.
func (p Persona) DocumentNumber() string { return p.Number[max(len(p.Number)-9, 0):] }

// QR is the text of the QR code on the front of the card (2021 form): number, old number, name, date of birth, sex,
// address and date of issue, parted by bars.
func (p Persona) QR() string {
	return strings.Join([]string{p.Number, p.OldNumber, p.FullName, compact(p.DateOfBirth), p.sexVietnamese(), p.Residence, compact(p.IssuedAt)}, "|")
}

func (p Persona) sexVietnamese() string {
	if p.Sex == "female" {
		return "Nữ"
	}
	return "Nam"
}

func (p Persona) sexMRZ() string {
	switch p.Sex {
	case "female":
		return "F"
	case "male":
		return "M"
	}
	return "<"
}

// compact is ddmmyyyy, slashed is dd/mm/yyyy, yymmdd is the MRZ's.
func compact(iso string) string {
	if len(iso) != 10 {
		return ""
	}
	return iso[8:] + iso[5:7] + iso[:4]
}

func slashed(iso string) string {
	if len(iso) != 10 {
		return iso
	}
	return iso[8:] + "/" + iso[5:7] + "/" + iso[:4]
}

func yymmdd(iso string) string {
	if len(iso) != 10 {
		return "<<<<<<"
	}
	return iso[2:4] + iso[5:7] + iso[8:]
}

func (p Persona) expiryMRZ() string {
	if p.NoExpiry {
		return "991231"
	}
	return yymmdd(p.ExpiresAt)
}

func filled(s string, n int) string {
	s = strings.ReplaceAll(s, " ", "<")
	if len(s) > n {
		return s[:n]
	}
	return s + strings.Repeat("<", n-len(s))
}

// MRZ is the machine readable zone of the card: three lines of thirty (ICAO 9303-5), with the personal number and its
// own check digit in the optional data, as Vietnamese cards have them.
func (p Persona) MRZ() []string {
	doc := p.DocumentNumber()
	optional := p.Number + "<<"
	optional += checkDigit(optional)
	l1 := "IDVNM" + doc + checkDigit(doc) + optional
	dob, exp := yymmdd(p.DateOfBirth), p.expiryMRZ()
	l2 := dob + checkDigit(dob) + p.sexMRZ() + exp + checkDigit(exp) + "VNM" + strings.Repeat("<", 11)
	l2 += checkDigit(l1[5:30] + l2[0:7] + l2[8:15] + l2[18:29])
	return []string{l1, l2, filled(p.Surname+"<<"+p.GivenNames, 30)}
}

// PassportMRZ is the machine readable zone of the persona's passport: two lines of forty-four (ICAO 9303-4).
func (p Persona) PassportMRZ() []string {
	doc := filled(p.Passport, 9)
	dob, exp := yymmdd(p.DateOfBirth), p.expiryMRZ()
	personal := filled(p.Number, 14)
	l2 := doc + checkDigit(doc) + "VNM" + dob + checkDigit(dob) + p.sexMRZ() + exp + checkDigit(exp) + personal + checkDigit(personal)
	l2 += checkDigit(l2[0:10] + l2[13:20] + l2[21:43])
	return []string{filled("P<VNM"+p.Surname+"<<"+p.GivenNames, 44), l2}
}

// checkDigit is ICAO 9303-3 §4.9: weights 7, 3, 1.
func checkDigit(s string) string {
	sum := 0
	for i, r := range []byte(s) {
		v := 0
		switch {
		case r >= '0' && r <= '9':
			v = int(r - '0')
		case r >= 'A' && r <= 'Z':
			v = int(r-'A') + 10
		}
		sum += v * [3]int{7, 3, 1}[i%3]
	}
	return string(rune('0' + sum%10))
}

// mrzSecret is the MRZ information that keys are derived from: document number, birth and expiry, each with its check
// digit (ICAO 9303-11 §4.3.2).
func mrzSecret(doc, dob, exp string) []byte {
	doc = filled(doc, 9)
	return []byte(doc + checkDigit(doc) + dob + checkDigit(dob) + exp + checkDigit(exp))
}
