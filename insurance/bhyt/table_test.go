package bhyt_test

import (
	"context"
	"flag"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/tapcheck/tapcheck/agent/catalog"
	"github.com/tapcheck/tapcheck/agent/checkin"
	"github.com/tapcheck/tapcheck/icao"
	"github.com/tapcheck/tapcheck/insurance"
	"github.com/tapcheck/tapcheck/insurance/bhyt"
	"github.com/tapcheck/tapcheck/insurance/bhyt/localgateway"
	"github.com/tapcheck/tapcheck/reader/virtual"
)

var updateAdvice = flag.Bool("update-advice", false, "write testdata/gateway/advice.tsv; a person reads it")

const adviceFile = "../../testdata/gateway/advice.tsv"

// TestDeskAdviceTable lets the real check-in meet every result code and every illness of the gateway, and prints what comes of
// it at the desk: go test -v -run TestDeskAdviceTable ./insurance/bhyt/.... Care comes first: no row is without an
// instruction, and each that is no answer admits the patient.
func TestDeskAdviceTable(t *testing.T) {
	file := "# What the desk is told, by scenario of the gateway; written by go test ./insurance/bhyt -run TestDeskAdviceTable -update-advice\n" +
		"# scenario\tresult code\tstate\treason\tsteps\tmeaning of the code\n"
	printed := ""
	states := map[insurance.State]int{}
	for _, s := range localgateway.Scenarios() {
		e, steps := atTheDesk(t, s)
		states[e.State]++
		var ids, words []string
		for _, one := range steps {
			ids = append(ids, one.ID)
			words = append(words, one.Text)
		}
		dash := func(s string) string {
			if s == "" {
				return "–"
			}
			return s
		}
		meaning := "–"
		if c, ok := bhyt.LookupCode(e.Code); ok {
			meaning = c.VI + " / " + c.EN
		}
		file += strings.Join([]string{string(s), dash(e.Code), string(e.State), dash(e.Reason), strings.Join(ids, " "), meaning}, "\t") + "\n"
		printed += fmt.Sprintf("%-20s %-11s %-12s %-21s %s\n%20s %s\n%20s %s\n", s, dash(e.Code), e.State, dash(e.Reason), strings.Join(ids, " "), "", meaning, "", strings.Join(words, " "))
		if len(steps) == 0 {
			t.Errorf("%s: the desk is told nothing", s)
		}
		has := func(id string) bool { return strings.Contains(" "+strings.Join(ids, " ")+" ", " "+id+" ") }
		if e.State == insurance.Pending && (!has(catalog.StepProceed) || !has(catalog.StepLookupLater)) {
			t.Errorf("%s: pending, and the patient is not admitted: %v", s, ids)
		}
		if e.State == insurance.Eligible && has(catalog.StepNotCovered) || e.State == insurance.NotEligible && has(catalog.StepUseNewCard) {
			t.Errorf("%s: %s, and %v", s, e.State, ids)
		}
	}
	for _, s := range []insurance.State{insurance.Eligible, insurance.NotEligible, insurance.Check, insurance.Pending, insurance.Unknown} {
		if states[s] == 0 {
			t.Errorf("no scenario is %s", s)
		}
	}
	t.Logf("%d scenarios, by state %v\n%s", len(localgateway.Scenarios()), states, printed)
	if *updateAdvice {
		if err := os.WriteFile(adviceFile, []byte(file), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	kept, err := os.ReadFile(adviceFile)
	if err != nil || string(kept) != file {
		for i, line := range strings.Split(file, "\n") {
			if old := strings.Split(string(kept), "\n"); i >= len(old) || old[i] != line {
				t.Errorf("now: %s", line)
			}
		}
		t.Errorf("%s says something else: look at what changed, then write it with -update-advice (%v)", adviceFile, err)
	}
}

// atTheDesk checks somebody in by number while the gateway is in a scenario.
func atTheDesk(t *testing.T, s localgateway.Scenario) (insurance.Eligibility, []checkin.Step) {
	t.Helper()
	g := localgateway.New(localgateway.Options{Delay: time.Hour})
	base, err := g.Start(context.Background(), "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer g.Close()
	client := newClient(t, base, func(c *bhyt.Config) {
		c.Now = nil
		if s == localgateway.Late || s == localgateway.Drip {
			c.Timeout = 100 * time.Millisecond
		}
	})
	if _, err := client.Check(context.Background(), an); err != nil { // with a token, as in the middle of a day
		t.Fatal(err)
	}
	if err := g.Set(s); err != nil {
		t.Fatal(err)
	}
	readers := virtual.New()
	defer readers.Close()
	engine := checkin.New(checkin.Config{Readers: readers, Read: icao.Read, Insurer: client, InsuranceWait: 10 * time.Second})
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	defer func() {
		if err := engine.Close(ctx); err != nil {
			t.Error(err)
		}
	}()
	owner := checkin.Owner{Client: "https://his.example", Session: "1"}
	events := engine.Attach(ctx, owner)
	_, err = engine.Start(ctx, owner, checkin.Rights{Insurance: true, Fields: checkin.AllFields()}, catalog.VI, checkin.Request{
		JobID: "j", Means: checkin.MeansNumber, Subject: &checkin.Subject{Number: an.Number, FullName: an.FullName, DateOfBirth: an.DateOfBirth, Sex: an.Sex},
	})
	if err != nil {
		t.Fatal(err)
	}
	for e := range events {
		if e.Result != nil && e.Result.State.Final() {
			return *e.Result.Eligibility, e.Result.Next
		}
	}
	t.Fatal("no result")
	return insurance.Eligibility{}, nil
}
