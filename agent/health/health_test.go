package health

import (
	"strings"
	"testing"
	"time"

	"github.com/tapcheck/tapcheck/agent/catalog"
)

func TestEveryCodeIsInWords(t *testing.T) {
	for c, a := range codes {
		for _, text := range []catalog.Text{a.Title, a.Cause, a.Cure} {
			if text.VI == "" || text.EN == "" || text.VI == text.EN {
				t.Errorf("%s lacks a text", c)
			}
			if strings.Contains(text.VI+text.EN, "2748") {
				t.Errorf("%s names ports that his.ports may have changed", c)
			}
		}
		if a.Severity != Down && a.Severity != Degraded && a.Severity != Note {
			t.Errorf("%s has severity %q", c, a.Severity)
		}
	}
}

func TestTracker(t *testing.T) {
	start := time.Date(2026, 11, 23, 8, 0, 0, 0, time.UTC)
	now := start
	tr := Tracker{Now: func() time.Time { return now }}

	tr.Set(InsuranceOff, true)
	now = now.Add(time.Minute)
	tr.Set(PCSCStopped, true)
	tr.Set(PCSCStopped, true) // the same again is no change

	list := tr.List(catalog.EN)
	if len(list) != 2 || list[0].Code != PCSCStopped || list[1].Code != InsuranceOff {
		t.Fatalf("want the worst first, got %+v", list)
	}
	if !list[1].Since.Equal(start) {
		t.Errorf("since %v, want %v", list[1].Since, start)
	}
	tr.Set(PCSCStopped, false)
	if list := tr.List(catalog.VI); len(list) != 1 || list[0].Title != "Tra cứu BHYT đang tắt." {
		t.Errorf("after the cure: %+v", list)
	}
}

// TestChanges: whoever listens hears of a change, once, and of nothing where there is none.
func TestChanges(t *testing.T) {
	var tr Tracker
	tr.Set(NoReader, true) // before anybody listens
	changes := tr.Changes()
	heard := func() bool {
		select {
		case <-changes:
			return true
		default:
			return false
		}
	}
	if heard() {
		t.Error("of what was before")
	}
	tr.Set(NoReader, true)
	if heard() {
		t.Error("of nothing")
	}
	tr.Set(PCSCStopped, true)
	tr.Set(NoReader, false)
	if !heard() || heard() {
		t.Error("of two changes not once")
	}
}
