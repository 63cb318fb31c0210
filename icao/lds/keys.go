package lds

import (
	"fmt"
	"strings"
	"time"
)

// KeyFromCAN makes a key of a card access number: six digits (ICAO 9303-11 §4.4.4), blanks do not matter. The error is ErrKeyMalformed.
func KeyFromCAN(can string) (Key, error) {
	can = strings.Join(strings.Fields(can), "")
	if len(can) != 6 || !digits(can) {
		return Key{}, keyMalformed("a CAN has six digits")
	}
	return Key{CAN: can, From: FromCAN}, nil
}

// KeyFromMRZ makes a key of a machine readable zone as it was scanned or typed; see ParseMRZ. The error is ErrKeyMalformed.
func KeyFromMRZ(text string) (Key, error) { return KeyFromMRZAt(text, time.Now()) }

// KeyFromMRZAt is KeyFromMRZ with the date that decides the century of the two-digit years in Key.Stated.
func KeyFromMRZAt(text string, ref time.Time) (Key, error) {
	m, err := ParseMRZ(text)
	if err != nil {
		return Key{}, keyMalformed(strings.TrimPrefix(err.Error(), ErrMalformed.Error()+": "))
	}
	if m.DocumentNumber == "" || strings.Trim(m.DateOfExpiry, "<") == "" {
		return Key{}, keyMalformed("document number or date of expiry is missing")
	}
	k := m.Key()
	return Key{MRZ: &k, From: FromMRZ, Stated: m.Identity(ref)}, nil
}

// KeyFromDocument makes a key of what is printed on the card: the document number and the dates of birth and expiry, each
// as ISO 8601 ("1999-01-31") or as in the zone ("990131"). Twelve digits are the personal number of a Vietnamese card,
// whose document number is the last nine of them. The error is ErrKeyMalformed.
func KeyFromDocument(number, birth, expiry string) (Key, error) {
	number = strings.ToUpper(strings.TrimRight(strings.Join(strings.Fields(number), ""), "<"))
	if number == "" || len(number) > 22 {
		return Key{}, keyMalformed("a document number has one to 22 characters")
	}
	for i := range len(number) {
		if c := number[i]; c != '<' && (c < '0' || c > '9') && (c < 'A' || c > 'Z') {
			return Key{}, keyMalformed("a document number has letters and digits only")
		}
	}
	k := Key{From: FromDocument, MRZ: &MRZKey{}}
	if len(number) == 12 && digits(number) {
		k.Stated.Number = number
		number = number[3:]
	}
	k.MRZ.DocumentNumber, k.Stated.DocumentNumber = number, number
	var err error
	if k.MRZ.DateOfBirth, k.Stated.DateOfBirth, err = keyDate("birth", birth); err != nil {
		return Key{}, err
	}
	if k.MRZ.DateOfExpiry, k.Stated.ExpiresAt, err = keyDate("expiry", expiry); err != nil {
		return Key{}, err
	}
	return k, nil
}

// keyDate gives a date as in the zone, and in ISO form where the century was said.
func keyDate(name, s string) (short, iso string, err error) {
	s = strings.TrimSpace(s)
	if len(s) == 6 && digits(strings.ReplaceAll(s, "<", "0")) {
		if mrzDate(s) {
			return s, "", nil
		}
	} else if t, err := time.Parse(time.DateOnly, s); err == nil {
		return t.Format("060102"), s, nil
	}
	return "", "", keyMalformed("date of " + name + " is neither YYYY-MM-DD nor YYMMDD")
}

func keyMalformed(what string) error { return fmt.Errorf("%w: %s", ErrKeyMalformed, what) }
