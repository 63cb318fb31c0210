package insurance

import (
	"regexp"
	"time"
)

// cardCode is the form of a health insurance card code: two letters for the group of insured, a digit for the benefit level,
// two for the province and ten that are the social insurance number (QĐ 1351/QĐ-BHXH of 2015).
var cardCode = regexp.MustCompile(`^[A-Z]{2}[1-5][0-9]{12}$`)

// ValidCardCode says whether s has the form of a Vietnamese health insurance card code: 15 characters, upper case.
func ValidCardCode(s string) bool { return cardCode.MatchString(s) }

// raised groups have the benefit level 2 by law from a day on, whatever digit is still printed on the card
// (Nghị quyết 261/2025/QH15; CV 38/BYT-BH).
var raised = []struct {
	group string // first two characters
	digit byte   // third character, as printed
	from  time.Time
	rate  int
}{
	{"CN", '3', time.Date(2026, 1, 1, 0, 0, 0, 0, Vietnam), 100},
	{"LH", '4', time.Date(2026, 1, 1, 0, 0, 0, 0, Vietnam), 100},
}

// Vietnam is the time zone in which the insurer's dates are meant. Without daylight saving since 1975, so that no
// time zone database is needed.
var Vietnam = time.FixedZone("+07", 7*60*60)

// BenefitRate is the base rate in percent that a card code promises on a day, by its third character: 1, 2 and 5 are 100, 3
// is 95, 4 is 80 (QĐ 1351/QĐ-BHXH). It is the base only: what is really paid depends on route and cost. 0 where the code
// does not say: another form, or the ten-digit number of the newer card.
func BenefitRate(code string, on time.Time) int {
	if !ValidCardCode(code) {
		return 0
	}
	for _, r := range raised {
		if code[:2] == r.group && code[2] == r.digit && !on.Before(r.from) {
			return r.rate
		}
	}
	switch code[2] {
	case '3':
		return 95
	case '4':
		return 80
	}
	return 100
}
