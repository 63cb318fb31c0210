package cccd

import (
	"bytes"
	"fmt"
	"strings"
	"time"

	"golang.org/x/text/unicode/norm"

	"github.com/tapcheck/tapcheck/icao/lds"
)

// Number is the personal identification number: twelve digits, checked by ParseNumber. Decree 137/2015/NĐ-CP Article 13:
// three digits for the province or country of birth registration, one for century and sex, two for the year of birth, six at random.
type Number string

// maxTyped bounds what is looked at of a typed number, in bytes.
const maxTyped = 64

// ParseNumber checks a number as it was typed or scanned. Spaces, dots and dashes between digits and full-width digits
// are forgiven. The error is lds.ErrKeyMalformed with the cause, never with the digits.
func ParseNumber(s string) (Number, error) {
	if len(s) > maxTyped {
		return "", fmt.Errorf("%w: a citizen number has 12 digits, this is much longer", lds.ErrKeyMalformed)
	}
	s = strings.Map(func(r rune) rune {
		switch r {
		case ' ', '\t', '\r', '\n', '.', '-', '\u00a0', '\ufeff':
			return -1
		}
		return r
	}, norm.NFKC.String(s))
	if !allDigits(s) {
		return "", fmt.Errorf("%w: a citizen number has digits only", lds.ErrKeyMalformed)
	}
	if len(s) != 12 {
		return "", fmt.Errorf("%w: a citizen number has 12 digits, not %d", lds.ErrKeyMalformed, len(s))
	}
	if s[:3] == "000" {
		return "", fmt.Errorf("%w: no place of registration has the code 000", lds.ErrKeyMalformed)
	}
	// Digits 4 to 9 stand for the 22nd to 24th centuries: nobody is born there yet, but mistyped numbers are.
	if s[3] > '3' {
		return "", fmt.Errorf("%w: the fourth digit is 0 to 3 for everybody born before 2100", lds.ErrKeyMalformed)
	}
	return Number(s), nil
}

// CAN is the password of the chip: the last six digits.
func (n Number) CAN() string { return string(n[6:]) }

// DocumentNumber is the document number in the MRZ: the last nine digits.
func (n Number) DocumentNumber() string { return string(n[3:]) }

// Province is the code of the province (001 to 096) or country in which the birth was registered.
func (n Number) Province() string { return string(n[:3]) }

// Sex is "male" or "female", as registered when the number was given.
func (n Number) Sex() string {
	if (n[3]-'0')%2 == 0 {
		return "male"
	}
	return "female"
}

// BirthYear is the year of birth, for instance 1999.
func (n Number) BirthYear() int {
	return 1900 + 100*int((n[3]-'0')/2) + 10*int(n[4]-'0') + int(n[5]-'0')
}

// KeyFromNumber makes the key of a card from its number, which is enough for PACE. With both dates (ISO 8601, whole
// days) the key opens chips by MRZ too; a card without expiry carries 991231 there, which is "2099-12-31". One date
// alone is only compared with the chip. Errors: lds.ErrKeyMalformed.
func KeyFromNumber(number, birthISO, expiryISO string) (lds.Key, error) {
	n, err := ParseNumber(number)
	if err != nil {
		return lds.Key{}, err
	}
	k := lds.Key{CAN: n.CAN(), From: lds.FromNumber, Stated: lds.Identity{Number: string(n), DocumentNumber: n.DocumentNumber()}}
	birth, err := isoDate(birthISO, "date of birth")
	if err != nil {
		return lds.Key{}, err
	}
	expiry, err := isoDate(expiryISO, "date of expiry")
	if err != nil {
		return lds.Key{}, err
	}
	k.Stated.DateOfBirth, k.Stated.ExpiresAt = birthISO, expiryISO
	if birthISO != "" && expiryISO != "" {
		if !expiry.After(birth) {
			return lds.Key{}, fmt.Errorf("%w: the card expires before its holder is born", lds.ErrKeyMalformed)
		}
		k.MRZ = &lds.MRZKey{DocumentNumber: n.DocumentNumber(), DateOfBirth: birth.Format("060102"), DateOfExpiry: expiry.Format("060102")}
	}
	return k, nil
}

func isoDate(s, what string) (time.Time, error) {
	if s == "" {
		return time.Time{}, nil
	}
	t, err := time.Parse("2006-01-02", s)
	if err != nil { // its text would repeat the date
		return time.Time{}, fmt.Errorf("%w: the %s is not a day written as YYYY-MM-DD", lds.ErrKeyMalformed, what)
	}
	return t, nil
}

// Expiry works out until when a card is valid (Law on Identification 26/2023/QH15 Article 21; for cards from before
// July 2024, Law 59/2014/QH13 Article 21): to the birthday at 14 (since 2024), 25, 40 or 60 that comes next, but one
// that is less than two years away at the time of issue is skipped; after 60 for ever, which is never. ok is false if the dates make no sense.
//
// The chip's own word goes before this; it serves for cards of which only the QR code is known.
func Expiry(birth, issued time.Time) (expiry time.Time, never, ok bool) {
	birth, issued = day(birth), day(issued)
	if issued.Before(birth) || birth.IsZero() || issued.Year()-birth.Year() > 150 {
		return time.Time{}, false, false
	}
	ages := []int{25, 40, 60}
	if !issued.Before(time.Date(2024, time.July, 1, 0, 0, 0, 0, time.UTC)) {
		ages = []int{14, 25, 40, 60}
	}
	for _, age := range ages {
		if issued.Before(birth.AddDate(age-2, 0, 0)) {
			return birth.AddDate(age, 0, 0), false, true
		}
	}
	return time.Time{}, true, true
}

func day(t time.Time) time.Time { return time.Date(t.Year(), t.Month(), t.Day(), 0, 0, 0, 0, time.UTC) }

// The answers to reset of the citizen cards seen so far (the public list of the pcsc-tools project).
var knownATRs = []struct {
	atr   []byte
	maker string
}{
	{[]byte{0x3B, 0x89, 0x80, 0x01, 0x4D, 0x4B, 0x6A, 0x43, 0x4F, 0x53, 0x2D, 0x33, 0x37, 0x12}, "MKjCOS-37"},
	{[]byte{0x3B, 0x9F, 0x96, 0xC0, 0x0A, 0x31, 0xFE, 0x45, 0x75, 0x4A, 0x61, 0x76, 0x65, 0x6C, 0x69, 0x6E, 0x2D, 0x4F, 0x53, 0x20, 0x31, 0x2E, 0x30, 0x51}, "Javelin-OS 1.0"},
}

// KnownATR names the chip system of a citizen card by its answer to reset. It is a hint for the desk's display and for
// read tuning: a card with another ATR may be a citizen card all the same, and anybody can make a card with this one.
func KnownATR(atr []byte) (maker string, ok bool) {
	for _, k := range knownATRs {
		if bytes.Equal(k.atr, atr) {
			return k.maker, true
		}
	}
	return "", false
}

func allDigits(s string) bool {
	for i := 0; i < len(s); i++ {
		if s[i] < '0' || s[i] > '9' {
			return false
		}
	}
	return s != ""
}
