package insurance

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// routeCase is a case of testdata/insurance/routes.json: a facility, a card, a day and what the HIS said, and what comes of it.
type routeCase struct {
	Name        string
	Facility    Facility
	Day         string
	State       State
	Card        Card
	DateOfBirth string
	Care        *Care
	Continuity  *struct {
		From    string
		Reached bool
	}
	Want struct {
		Proposal, Reason, Rate string
		Percent                *float64
		Decided                bool
		Alternatives           []string
	}
}

// TestRules walks the table of cases, and sees to it that the table walks every row of the rules.
func TestRules(t *testing.T) {
	var cases []routeCase
	load(t, "routes.json", &cases)
	used := map[string]bool{}
	for _, c := range cases {
		t.Run(c.Name, func(t *testing.T) {
			day, err := time.ParseInLocation(time.DateOnly, c.Day, Vietnam)
			if err != nil {
				t.Fatal(err)
			}
			if c.State == "" {
				c.State = Eligible
			}
			card := c.Card
			e := Eligibility{State: c.State, Source: SourceGateway, Card: &card}
			Judge(&e, Request{DateOfBirth: c.DateOfBirth, Care: c.Care, At: day.Add(8 * time.Hour)}, c.Facility, time.Time{})
			if card != c.Card {
				t.Error("the caller's card was changed")
			}
			r := e.Route
			if r == nil {
				t.Fatal("no route")
			}
			if r.Decided {
				t.Error("a route is decided when the visit ends")
			}
			if r.Proposal != c.Want.Proposal || r.Reason != c.Want.Reason || r.Text == "" || r.TextEN == "" || r.Proposal != "" && r.Source == "" {
				t.Errorf("route %+v, want %+v", *r, c.Want)
			}
			if c.Want.Alternatives != nil {
				var codes []string
				for _, a := range r.Alternatives {
					codes = append(codes, a.Proposal)
					if a.When == "" || a.WhenEN == "" || a.Source == "" {
						t.Errorf("an alternative that says nothing: %+v", a)
					}
				}
				if !slices.Equal(codes, c.Want.Alternatives) {
					t.Errorf("alternatives %v, want %v", codes, c.Want.Alternatives)
				}
			}
			if c.State != Eligible {
				if e.Rate != nil || e.Continuity != nil {
					t.Errorf("a rate of a card that is not valid: %+v", e.Rate)
				}
				return
			}
			rate := e.Rate
			if rate == nil || rate.Reason != c.Want.Rate || rate.Decided != c.Want.Decided || rate.Text == "" || rate.TextEN == "" || rate.Percent != nil && rate.Source == "" {
				t.Errorf("rate %+v, want %+v", rate, c.Want)
			} else if d := cmp.Diff(c.Want.Percent, rate.Percent); d != "" {
				t.Error(d)
			}
			switch {
			case c.Continuity == nil && e.Continuity != nil, c.Continuity != nil && (e.Continuity == nil || e.Continuity.Source == "" ||
				e.Continuity.From != c.Continuity.From || e.Continuity.Reached != c.Continuity.Reached):
				t.Errorf("continuity %+v", e.Continuity)
			}
			used[rate.Reason] = true
			for _, row := range At(day).routes {
				if row.Code == r.Proposal && (row.When.Setting == "" || c.Care != nil && row.When.Setting == c.Care.Setting || (c.Care == nil || c.Care.Setting == "") && row.When.Setting == CareOutpatient) {
					used[row.ID] = true
				}
			}
		})
	}
	all := rules()
	for _, row := range all.routes {
		if row.Desk != nil && !*row.Desk {
			if used[row.ID] {
				t.Errorf("code %s was proposed", row.Code)
			}
		} else if !used[row.ID] && row.Code != "7" { // which is only ever another possibility
			t.Errorf("no case proposes %s", row.ID)
		}
	}
	for _, row := range all.levels {
		if !used[row.ID] && row.ID != "LEVEL_3" && row.ID != "LEVEL_4" { // whose rates are never decided
			t.Errorf("no case has the level %s", row.ID)
		}
	}
	for _, row := range all.exceptions {
		if !used[row.ID] {
			t.Errorf("no case leaves a rate open by %s", row.ID)
		}
	}
}

// TestRuleFiles holds what the files promise: a source and texts in every row, days that are days, and ids that are there once.
func TestRuleFiles(t *testing.T) {
	all := rules()
	var rows []row
	for _, r := range all.levels {
		rows = append(rows, r.row)
		if len(r.Group) != 0 && len(r.Group) != 2 || len(r.Digit) != 1 || r.Percent < 1 || r.Percent > 100 {
			t.Errorf("%+v", r)
		}
	}
	for _, r := range all.routes {
		rows = append(rows, r.row)
		if !strings.HasPrefix(r.ID, r.Code) || r.Percent != nil && (*r.Percent < 0 || *r.Percent > 100) || (r.If == "") != (r.IfEN == "") {
			t.Errorf("%+v", r)
		}
	}
	for _, r := range all.exceptions {
		rows = append(rows, r.row)
	}
	for _, r := range rows {
		if r.Text == "" || r.TextEN == "" {
			t.Errorf("%s has no words", r.ID)
		}
	}
	rows = append(rows, all.continuity...)
	seen := map[string]bool{}
	for _, r := range rows {
		if r.ID == "" || seen[r.ID] || r.Source == "" {
			t.Errorf("%+v: an id that is there once, and a source", r)
		}
		seen[r.ID] = true
		for _, day := range []string{r.From, r.To} {
			if _, err := time.Parse("2006-01-02"[:len(day)], day); err != nil || len(day) != 0 && len(day) != 4 && len(day) != 10 {
				t.Errorf("%s: %q is no day", r.ID, day)
			}
		}
		if r.From == "" || r.To != "" && r.To < r.From {
			t.Errorf("%s: from %q to %q", r.ID, r.From, r.To)
		}
	}
	for id, t2 := range openTexts {
		if t2[0] == "" || t2[1] == "" {
			t.Errorf("%s has no words", id)
		}
	}
}

// The day is Vietnam's, whatever zone the clock is in.
func TestRulesOfTheDayInVietnam(t *testing.T) {
	before := time.Date(2026, 6, 30, 16, 59, 59, 0, time.UTC)
	for when, want := range map[time.Time]float64{before: 0, before.Add(time.Second): 40} {
		e := Eligibility{State: Eligible, Card: &Card{Code: "GD4010123456789", RegisteredFacility: "79001"}}
		Judge(&e, Request{}, Facility{Code: "01004", Level: LevelBasic, Points: 60, FormerTier: TierNone}, when)
		if e.Rate == nil || e.Rate.Percent == nil || *e.Rate.Percent != want {
			t.Errorf("%v: %+v", when, e.Rate)
		}
	}
}

// What the HIS supplied stays, and its rate follows the same rules.
func TestSuppliedRoute(t *testing.T) {
	day := time.Date(2026, 11, 23, 8, 0, 0, 0, Vietnam)
	f := Facility{Code: "01004", Level: LevelBasic, Points: 60, FormerTier: TierNone}
	for _, c := range []struct {
		route   Route
		care    *Care
		percent any
		reason  string
	}{
		{Route{Proposal: "1.3", Decided: true}, nil, 80.0, "COST_UNKNOWN"},
		{Route{Proposal: "3.1"}, nil, nil, ReasonRouteOpen},
		{Route{Proposal: "3.1"}, &Care{Setting: CareInpatient}, 32.0, "COST_UNKNOWN"},
		{Route{Proposal: "99"}, nil, nil, ReasonRouteOpen},
	} {
		given := c.route
		e := Supplied(Eligibility{State: Eligible, Card: &Card{Code: "GD4010123456789", RegisteredFacility: "79001"}, Route: &given}, day)
		Judge(&e, Request{Care: c.care}, f, day)
		if d := cmp.Diff(&c.route, e.Route); d != "" {
			t.Error(d)
		}
		got := any(nil)
		if e.Rate.Percent != nil {
			got = *e.Rate.Percent
		}
		if got != c.percent || e.Rate.Reason != c.reason {
			t.Errorf("%s: %v %s, want %v %s", c.route.Proposal, got, e.Rate.Reason, c.percent, c.reason)
		}
	}
}

// Nothing is said of a card that nobody knows.
func TestNothingToJudge(t *testing.T) {
	for _, e := range []Eligibility{{State: Pending}, {State: Unknown, Card: &Card{Code: "GD4010123456789"}}, {State: Off}, {State: Check}, {State: Eligible}} {
		Judge(&e, Request{}, Facility{}, time.Now())
		if e.Route != nil || e.Rate != nil || e.Continuity != nil {
			t.Errorf("%+v", e)
		}
	}
}

// TestTableOfRoutes prints for the reader what the rules make of the day of the test.
func TestTableOfRoutes(t *testing.T) {
	for _, r := range At(time.Now()).routes {
		percent := "–"
		if r.Percent != nil {
			percent = fmt.Sprint(*r.Percent)
		}
		w, err := json.Marshal(r.When)
		if err != nil {
			t.Fatal(err)
		}
		t.Logf("%-5s %4s %%  %-90s %s", r.Code, percent, r.Source, w)
	}
}
