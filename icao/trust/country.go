package trust

import (
	"bytes"
	"slices"
	"strings"

	"github.com/gmrtd/gmrtd/iso3166"

	"github.com/tapcheck/tapcheck/icao/lds"
)

// issuingState takes the issuing state out of a DG1: characters 3 to 5 of the MRZ in every size (ICAO 9303-4 to -6). It is the state of the
// zone that the identity is read from: two readers that find different zones in one file would let any state sign for any other.
// Empty if there is none; DG1 is decoded, and complained about, elsewhere.
func issuingState(dg1 []byte) string {
	if zone, err := lds.ParseDG1(dg1); err == nil {
		return zone.IssuingState
	}
	head, n, ok := header(dg1)
	if !ok || dg1[0] != 0x61 || n > len(dg1)-head {
		return ""
	}
	mrz, found := bytes.CutPrefix(dg1[head:head+n], []byte{0x5F, 0x1F})
	if !found || len(mrz) < 1+5 {
		return ""
	}
	return strings.Trim(string(mrz[1+2:1+5]), "< ")
}

// Codes of ICAO 9303-3 §5 that ISO 3166 has not, with the country codes under which their certificates are issued, and
// states whose passports are issued under several.
var countries = map[string][]string{
	"D":   {"DE"},
	"GBD": {"GB"}, "GBN": {"GB"}, "GBO": {"GB"}, "GBP": {"GB"}, "GBS": {"GB"},
	"CHN": {"CN", "HK", "MO"},
	"HKG": {"HK", "CN"},
	"MAC": {"MO", "CN"},
	"RKS": {"KS", "XK"},
	"EUE": {"EU"},
	"UNO": {"UN"}, "UNA": {"UN"}, "UNK": {"UN"},
	"XOM": {"XM", "ZZ", "OM"},
	"ROM": {"RO"},
}

// sameCountry compares a certificate's country with another's or with an issuing state. It is true where a code is not
// known: only what certainly differs is a mismatch.
func sameCountry(cert, other string) bool {
	a, b := alpha2(cert), alpha2(other)
	if a == nil || b == nil {
		return true
	}
	return slices.ContainsFunc(a, func(c string) bool { return slices.Contains(b, c) })
}

// speaksFor says whether an anchor of a country may stand behind a document of a state. A state is not stood in for by an anchor that names
// another, or none, or one that nobody knows: ICAO 9303-12 §7.1.1 wants the country in every certificate, and who places one by hand
// trusts it for its state and not for all. Of a code that nobody knows there can be documents too (specimens are of UTO, Utopia): they
// are matched by its letters.
func speaksFor(country, state string) bool {
	a, b := alpha2(country), alpha2(state)
	switch {
	case a != nil && b != nil:
		return slices.ContainsFunc(a, func(c string) bool { return slices.Contains(b, c) })
	case a == nil && b == nil:
		return country != "" && strings.HasPrefix(strings.ToUpper(state), strings.ToUpper(country))
	}
	return false
}

// alpha2 gives the two-letter codes that a code of two or three letters can mean; nil if it is not known.
func alpha2(code string) []string {
	if code = strings.ToUpper(code); code == "" {
		return nil // gmrtd's table has an entry without codes
	}
	if c, ok := countries[code]; ok {
		return c
	}
	for _, c := range iso3166.Countries {
		if code == c.Alpha3 || code == c.Alpha2 {
			return []string{c.Alpha2}
		}
	}
	switch code {
	case "EU", "UN", "XK", "KS": // not of ISO 3166, but in use in certificates
		return []string{code}
	}
	return nil
}
