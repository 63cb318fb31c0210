package insurance

import (
	"bytes"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestBenefitRate(t *testing.T) {
	y25, y26 := time.Date(2025, 12, 31, 23, 59, 0, 0, Vietnam), time.Date(2026, 1, 1, 0, 0, 0, 0, Vietnam)
	for _, c := range []struct {
		code string
		on   time.Time
		want int
	}{
		{"TE1010123456789", y26, 100},
		{"CC2010123456789", y26, 100},
		{"HT3010123456789", y26, 95},
		{"GD4010123456789", y26, 80},
		{"QN5010123456789", y26, 100},
		{"CN3010123456789", y25, 95},
		{"CN3010123456789", y26, 100},
		{"LH4010123456789", y25, 80},
		{"LH4010123456789", y26, 100},
		{"CN4010123456789", y26, 80}, // the law speaks of level 3 of this group
		{"0123456789", y26, 0},
		{"001099012345", y26, 0},
		{"GD6010123456789", y26, 0},
		{"gd4010123456789", y26, 0},
		{"", y26, 0},
	} {
		if got := BenefitRate(c.code, c.on); got != c.want {
			t.Errorf("%s on %v: %d, want %d", c.code, c.on, got, c.want)
		}
	}
}

// difference is a case of testdata/insurance/differences.json: two descriptions of a person, and what is said of them.
type difference struct {
	One, Other Request
	Want       []Difference
}

func TestCompare(t *testing.T) {
	var cases []difference
	load(t, "differences.json", &cases)
	for _, c := range cases {
		if c.Want == nil {
			t.Errorf("%+v and %+v: no outcome is given", c.One, c.Other)
		}
		if d := cmp.Diff(c.Want, append([]Difference{}, Compare(c.One, c.Other)...)); d != "" {
			t.Errorf("%+v and %+v: %s", c.One, c.Other, d)
		}
	}
}

// What the insurer's client found by a code alone gets a cause too, and a card that was replaced explains what nothing else does.
func TestDifferencesAfterANewCard(t *testing.T) {
	for name, tt := range map[string]struct {
		card *Card
		in   Difference
		want Difference
	}{
		"by code":        {&Card{}, Difference{Field: "fullName", Kind: DiffersInValue}, Difference{"fullName", DiffersInValue, CauseUnknown, BetweenGateway, "CHECK_IDENTITY"}},
		"without card":   {nil, Difference{Field: "fullName", Kind: DiffersInEncoding}, Difference{"fullName", DiffersInEncoding, CauseSpelling, BetweenGateway, "CORRECT_AT_INSURER"}},
		"replaced":       {&Card{Previous: "GD4010123456789"}, Difference{Field: "dateOfBirth", Kind: DiffersInValue, Cause: CauseUnknown}, Difference{"dateOfBirth", DiffersInValue, CauseOldCard, BetweenGateway, "INSURER_RECORD_OLD"}},
		"another person": {&Card{Previous: "GD4010123456789"}, Difference{Field: "dateOfBirth", Kind: DiffersInValue, Cause: CauseOtherPerson}, Difference{"dateOfBirth", DiffersInValue, CauseOtherPerson, BetweenGateway, "POSSIBLE_OTHER_PERSON"}},
	} {
		e := Eligibility{State: Check, Card: tt.card, Differences: []Difference{tt.in}}
		given := e.Differences
		Judge(&e, Request{}, Facility{}, time.Now())
		if d := cmp.Diff([]Difference{tt.want}, e.Differences); d != "" {
			t.Errorf("%s: %s", name, d)
		}
		if given[0] != tt.in {
			t.Errorf("%s: the caller's own list was changed", name)
		}
	}
}

func load(t *testing.T, name string, into any) {
	t.Helper()
	raw, err := os.ReadFile(filepath.Join("..", "testdata", "insurance", name))
	if err != nil {
		t.Fatal(err)
	}
	d := json.NewDecoder(bytes.NewReader(raw))
	d.DisallowUnknownFields()
	if err := d.Decode(into); err != nil {
		t.Fatalf("%s: %v", name, err)
	}
}

func TestErrors(t *testing.T) {
	if !errors.Is(ErrNotAsked, ErrUnreachable) {
		t.Error("what was not asked must be asked later")
	}
	if cached := error(&NotAskedError{ErrRejected}); !errors.Is(cached, ErrNotAsked) || !errors.Is(cached, ErrRejected) || errors.Is(cached, ErrUnreachable) {
		t.Error(cached)
	}
	err := error(&CodeError{Code: "054", Err: ErrRejected})
	var coded *CodeError
	if !errors.Is(err, ErrRejected) || !errors.As(err, &coded) || coded.Code != "054" {
		t.Error(err)
	}
}
