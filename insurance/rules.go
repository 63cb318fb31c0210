package insurance

import (
	"bytes"
	"embed"
	"encoding/json"
	"fmt"
	"slices"
	"sync"
	"time"
)

// The rules are data. Each file in rules/ is a list of rows, and each row names the law that it follows and the days from and to
// which it is in force, so that a change of the law is a change of a file: the old row gets its last day, and a new one
// its first. A day is ISO 8601; a year alone where no source gives the day. The order of the rows counts.
//
//   - levels.json: what the third character of a card's code promises
//   - routes.json: the codes of the care route (MA_DOITUONG_KCB), in the order in which the first that fits is taken
//   - exceptions.json: what may raise a rate, and is not known at a desk
//   - continuity.json: five years of insurance without a gap
//
//go:embed rules/*.json
var ruleFiles embed.FS

// row is what every row has.
type row struct {
	ID     string `json:"id"`
	From   string `json:"from"`
	To     string `json:"to,omitempty"` // its last day
	Source string `json:"source"`
	Text   string `json:"text,omitempty"`
	TextEN string `json:"textEn,omitempty"`
}

// on says whether a row is in force on an ISO 8601 day.
func (r row) on(day string) bool { return r.From <= day && (r.To == "" || day <= r.To) }

type levelRow struct {
	row
	Group   string `json:"group,omitempty"` // first two characters; empty: any
	Digit   string `json:"digit"`           // third character, as printed
	Level   string `json:"level"`           // what it counts as
	Percent int    `json:"percent"`
}

type exceptionRow struct {
	row
	Levels     []string `json:"levels"`
	Continuity bool     `json:"continuity,omitempty"` // only where five years are full
	Percent    int      `json:"percent"`
}

type routeRow struct {
	row
	Code       string    `json:"code"`
	Percent    *float64  `json:"percent,omitempty"`    // of the card's rate; absent: it depends on the case
	Regardless bool      `json:"regardless,omitempty"` // Percent is of the cost, whatever the card's level
	Desk       *bool     `json:"desk,omitempty"`       // false: no desk can propose it
	When       condition `json:"when"`
	If         string    `json:"if,omitempty"` // what would have to be so, where it is not known
	IfEN       string    `json:"ifEn,omitempty"`
}

// Rules are the rows that are in force on one day.
type Rules struct {
	day        string
	levels     []levelRow
	routes     []routeRow
	exceptions []exceptionRow
	continuity []row
}

type ruleSet struct {
	levels     []levelRow
	routes     []routeRow
	exceptions []exceptionRow
	continuity []row
}

var rules = sync.OnceValue(func() (s ruleSet) {
	for name, into := range map[string]any{
		"levels": &s.levels, "routes": &s.routes, "exceptions": &s.exceptions, "continuity": &s.continuity,
	} {
		raw, err := ruleFiles.ReadFile("rules/" + name + ".json")
		if err == nil {
			d := json.NewDecoder(bytes.NewReader(raw))
			d.DisallowUnknownFields() // a misspelled condition would be none
			err = d.Decode(into)
		}
		if err != nil {
			panic(fmt.Sprintf("insurance/rules/%s.json: %v", name, err)) // it is part of the program
		}
	}
	return s
})

// At gives the rules of the day on which t lies in Vietnam.
func At(t time.Time) Rules {
	day := t.In(Vietnam).Format(time.DateOnly)
	all := rules()
	return Rules{
		day:        day,
		levels:     inForce(all.levels, func(r levelRow) row { return r.row }, day),
		routes:     inForce(all.routes, func(r routeRow) row { return r.row }, day),
		exceptions: inForce(all.exceptions, func(r exceptionRow) row { return r.row }, day),
		continuity: inForce(all.continuity, func(r row) row { return r }, day),
	}
}

func inForce[T any](rows []T, of func(T) row, day string) (out []T) {
	for _, r := range rows {
		if of(r).on(day) {
			out = append(out, r)
		}
	}
	return out
}

// Level says what a card's code promises; false where it does not say: another form, or the ten-digit number of the newer card.
func (r Rules) level(code string) (levelRow, bool) {
	if !ValidCardCode(code) {
		return levelRow{}, false
	}
	i := slices.IndexFunc(r.levels, func(l levelRow) bool {
		return (l.Group == "" || l.Group == code[:2]) && l.Digit == code[2:3]
	})
	if i < 0 {
		return levelRow{}, false
	}
	return r.levels[i], true
}
