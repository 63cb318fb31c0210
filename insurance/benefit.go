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

// Vietnam is the time zone in which the insurer's dates are meant. Without daylight saving since 1975, so that no
// time zone database is needed.
var Vietnam = time.FixedZone("+07", 7*60*60)

// BenefitRate is the base rate in percent that a card code promises on a day, by its third character (rules/levels.json). It is
// the base only: what is really paid depends on route and cost. 0 where the code does not say: another form, or the
// ten-digit number of the newer card.
func BenefitRate(code string, on time.Time) int {
	l, _ := At(on).level(code)
	return l.Percent
}
