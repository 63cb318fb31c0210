// Package claim gives what is known of a person and their card as the ministry writes it: the values of the tables XML0
// (check-in) and XML1 (summary) of QĐ 4750/QĐ-BYT as amended by QĐ 3176/QĐ-BYT, by their tags.
//
// Only what is known is there, and each value as a claim takes it; nothing is filled in. Values that need a code of a list
// (nationality, ethnicity, province, commune) come from a table of the hospital's own (Table), because no list that could be
// named as the ministry's was to be had; without one they are left out.
package claim

import (
	"regexp"
	"slices"
	"strings"
	"time"

	"golang.org/x/text/unicode/norm"

	"github.com/tapcheck/tapcheck/insurance"
)

// Tags of the tables that are filled here.
const (
	Name        = "HO_TEN"
	Number      = "SO_CCCD"
	Birth       = "NGAY_SINH"        // yyyymmddHHMM; what is not known of it is zeros
	Sex         = "GIOI_TINH"        // 1 male, 2 female, 3 not stated
	Nationality = "MA_QUOCTICH"      // by the table
	Ethnicity   = "MA_DANTOC"        // by the table
	Address     = "DIA_CHI"          // as on the card
	Province    = "MATINH_CU_TRU"    // by the table
	Commune     = "MAXA_CU_TRU"      // by the table
	CardCode    = "MA_THE_BHYT"      // several cards of one visit are parted by ";", here and in the next three
	Facility    = "MA_DKBD"          // where the card is registered
	ValidFrom   = "GT_THE_TU"        // yyyymmdd
	ValidTo     = "GT_THE_DEN"       // yyyymmdd
	Area        = "MA_KHUVUC"        // K1, K2, K3
	FiveYears   = "NAM_NAM_LIEN_TUC" // yyyymmdd
	Route       = "MA_DOITUONG_KCB"  // only where somebody decided it: what the agent proposes is in no claim
)

// Tags are all of them, in the order of the tables.
var Tags = []string{
	Name, Number, Birth, Sex, Nationality, Ethnicity, Address, Province, Commune, CardCode, Facility, ValidFrom, ValidTo, Route, Area, FiveYears,
}

// fields are the fields of a person that tags come from, by the names of the protocol.
var fields = map[string]string{
	Name: "fullName", Number: "number", Birth: "dateOfBirth", Sex: "sex", Nationality: "nationality", Ethnicity: "ethnicity",
	Address: "residence", Province: "residence", Commune: "residence",
}

// FieldOf is the field of a person that a tag comes from, by its name in the protocol; empty for what the insurer says.
func FieldOf(tag string) string { return fields[tag] }

// Person is whom a claim is about. Dates are ISO 8601, as far as they are known.
type Person struct {
	Number, FullName, DateOfBirth, Sex string
	Nationality                        string // ISO 3166-1 alpha-3
	Ethnicity                          string // as on the card
	Residence                          string // as on the card
}

var (
	twelveDigits = regexp.MustCompile(`^[0-9]{12}$`)
	isoDate      = regexp.MustCompile(`^[0-9]{4}(-[0-9]{2}(-[0-9]{2})?)?$`)
	dayForm      = regexp.MustCompile(`^[0-9]{4}-[0-9]{2}-[0-9]{2}$`)
)

// Values gives what is known of a person and of what the insurer says, by tag; nil if that is nothing. earlier are the cards
// that were valid earlier in the same visit, oldest first. t may be nil.
func Values(p Person, e *insurance.Eligibility, t *Table, earlier ...insurance.Card) map[string]string {
	c := map[string]string{}
	put := func(tag, value string) {
		if value != "" {
			c[tag] = value
		}
	}
	if twelveDigits.MatchString(p.Number) {
		put(Number, p.Number)
	}
	put(Name, norm.NFC.String(p.FullName))
	put(Birth, birth(p.DateOfBirth))
	put(Sex, map[string]string{"male": "1", "female": "2", "unspecified": "3"}[p.Sex])
	put(Nationality, t.Nationality(p.Nationality))
	put(Ethnicity, t.Ethnicity(p.Ethnicity))
	put(Address, norm.NFC.String(p.Residence))
	if a := t.Address(p.Residence, time.Time{}); a != nil {
		put(Province, a.Province.Certain())
		put(Commune, a.Commune.Certain())
	}
	// Values of a card that is not valid do not belong into a claim, nor do those of another insurer's.
	if e != nil && e.Card != nil && e.Source != insurance.SourceFHIR && (e.State == insurance.Eligible || e.State == insurance.Check) {
		cards := slices.Clone(earlier)
		if !slices.ContainsFunc(cards, func(k insurance.Card) bool { return same(k, *e.Card) }) {
			cards = append(cards, *e.Card)
		}
		put(CardCode, joined(cards, func(k insurance.Card) string { return k.Code }))
		put(Facility, joined(cards, func(k insurance.Card) string { return k.RegisteredFacility }))
		put(ValidFrom, joined(cards, func(k insurance.Card) string { return day(k.From) }))
		put(ValidTo, joined(cards, func(k insurance.Card) string { return day(k.To) }))
		put(Area, e.Card.Area)
		put(FiveYears, day(e.Card.FiveYearsFrom))
		if e.Route != nil && e.Route.Decided {
			put(Route, e.Route.Proposal)
		}
	}
	if len(c) == 0 {
		return nil
	}
	return c
}

// same says that two look-ups found one card, whatever else of it was changed meanwhile.
func same(a, b insurance.Card) bool { return a.Code == b.Code }

// joined parts the values of several cards by ";", so that the n-th of each tag is of the n-th card. A card that lacks one
// leaves its place empty; if all do, there is no value.
func joined(cards []insurance.Card, value func(insurance.Card) string) string {
	list := make([]string, len(cards))
	for i, k := range cards {
		list[i] = value(k)
	}
	if !slices.ContainsFunc(list, func(s string) bool { return s != "" }) {
		return ""
	}
	return strings.Join(list, ";")
}

// birth writes a date of birth as yyyymmddHHMM; what is not known of it is zeros.
func birth(iso string) string {
	if !valid(iso) {
		return ""
	}
	d := strings.ReplaceAll(iso, "-", "")
	return d + strings.Repeat("0", 12-len(d))
}

// day writes a whole date as yyyymmdd.
func day(iso string) string {
	if !dayForm.MatchString(iso) || !valid(iso) {
		return ""
	}
	return strings.ReplaceAll(iso, "-", "")
}

func valid(iso string) bool {
	if !isoDate.MatchString(iso) {
		return false
	}
	_, err := time.Parse("2006-01-02"[:len(iso)], iso)
	return err == nil
}
