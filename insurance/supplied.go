package insurance

import "time"

// Covers says whether a card is valid on the day. What it does not say does not count against it.
func (c Card) Covers(day time.Time) bool {
	on := day.In(Vietnam).Format(time.DateOnly)
	return (c.From == "" || c.From <= on) && (c.To == "" || on <= c.To)
}

// Supplied is what a HIS says that it was told, under the rules that hold for an answer which the agent itself was given: marked
// with whose word it is, with the benefit rate that the card's code promises, and never eligible by a card that does not cover
// the day. day is the visit's.
func Supplied(said Eligibility, day time.Time) Eligibility {
	e := said
	e.Source, e.Raw, e.History = SourceSupplied, nil, nil
	e.LookedUpBy = e.LookedUpBy[:min(len(e.LookedUpBy), MaxLookUps)]
	if e.Card == nil {
		return e
	}
	c := *e.Card
	if rate := BenefitRate(c.Code, day); rate != 0 {
		c.BenefitRate = rate
	}
	e.Card = &c
	if e.State == Eligible && !c.Covers(day) {
		e.State, e.Advice = Check, "CHECK_PAPERS"
	}
	return e
}
