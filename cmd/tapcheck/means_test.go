package main

import (
	"encoding/hex"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/tapcheck/tapcheck/agent/catalog"
	"github.com/tapcheck/tapcheck/agent/checkin"
	"github.com/tapcheck/tapcheck/icao/lds"
	"github.com/tapcheck/tapcheck/insurance"
)

// params are those of a request.
type params = map[string]any

// again starts a demo anew on the data of one that has ended.
func (p *program) again() *program {
	p.t.Helper()
	if err := os.Remove(filepath.Join(p.data, "port.json")); err != nil && !os.IsNotExist(err) {
		p.t.Fatal(err)
	}
	n := start(p.t, func(cmd *exec.Cmd) { cmd.Args[2] = filepath.Dir(p.data) }, "demo", "--json", "--no-tap", "--latency", "0")
	n.data = p.data
	return n
}

func (s *session) list() (list checkin.List) {
	s.t.Helper()
	if err := s.call("checkin.list", params{}, &list); err != nil {
		s.t.Fatal(err)
	}
	return list
}

// TestEveryMeansEndToEnd checks patients in by each means without a chip, over the real program's websocket, as a HIS and the
// desk's page do: through look-up, result, journal and list, the list also after the program was started anew.
func TestEveryMeansEndToEnd(t *testing.T) {
	p := start(t, nil, "demo", "--json", "--no-tap", "--latency", "0")
	token := p.token("--desktop", "--rights", "read,insurance,simulator")
	s := p.open("", token)
	an := params{"number": "001099012345", "fullName": "Nguyễn Văn An", "dateOfBirth": "1999-01-01"}
	paper := "GD4010123456789|" + hex.EncodeToString([]byte("Nguyễn Văn An")) + "|01/01/1999|1|" + hex.EncodeToString([]byte("Hà Nội")) + "|01 - 004|01/01/2026|31/12/2026|-|"
	child := time.Now().AddDate(-3, 0, 0).Format(time.DateOnly)
	steps := map[string][]string{
		"number":    {catalog.StepProceed},
		"paper":     {catalog.StepProceed, catalog.StepComparePapers},
		"vneid":     {catalog.StepProceed, catalog.StepCheckVNeID},
		"child":     {catalog.StepProceed, catalog.StepTempCardFlow},
		"emergency": {catalog.StepEmergency, catalog.StepIdentifyLater},
	}
	want := map[string]string{}
	for _, c := range []struct {
		job   string
		ask   params
		state insurance.State
		name  string // in the claim
		card  string
	}{
		{"number", params{"means": "number", "subject": an}, insurance.Eligible, "Nguyễn Văn An", "GD4010123456789"},
		{"paper", params{"means": "paper_card", "key": params{"qr": paper}}, insurance.Eligible, "Nguyễn Văn An", "GD4010123456789"},
		{"vneid", params{"means": "vneid", "subject": an}, insurance.Eligible, "Nguyễn Văn An", "GD4010123456789"},
		{"child", params{"means": "no_card", "subject": params{"fullName": "Nguyễn Thị Bé", "dateOfBirth": child}}, insurance.Unknown, "Nguyễn Thị Bé", ""},
		{"emergency", params{"means": "emergency"}, insurance.Unknown, "", ""},
	} {
		c.ask["jobId"] = c.job
		s.must("checkin.start", c.ask)
		r := s.result(c.job)
		if r.State != checkin.Complete || !r.Recorded || r.Eligibility == nil || r.Eligibility.State != c.state || r.Claim["HO_TEN"] != c.name || r.Claim["MA_THE_BHYT"] != c.card || r.Identity != nil {
			t.Errorf("%s: %+v %+v", c.job, r, r.Eligibility)
		}
		v := r.Verdicts
		for name, got := range map[string]lds.Status{
			"access": v.Access.Status, "passive": v.PassiveAuthentication.Status, "chip": v.ChipAuthentication.Status, "active": v.ActiveAuthentication.Status,
			"validity": v.DocumentValidity.Status, "key": v.KeyMatchesChip.Status, "face": v.Face.Status,
		} {
			if got != lds.NotDone {
				t.Errorf("%s: verdict %s is %s without a chip", c.job, name, got)
			}
		}
		var got []string
		for _, step := range r.Next {
			got = append(got, step.ID)
		}
		if !slices.Equal(got, steps[c.job]) {
			t.Errorf("%s: next %v, want %v", c.job, got, steps[c.job])
		}
		want[c.job] = string(c.state)
	}

	// The emergency is identified later, by the chip, and both belong to one visit.
	s.must("sim.insert", params{"persona": "an"})
	s.must("checkin.start", params{"jobId": "identified", "means": "chip", "key": params{"number": "001099012345"}, "portrait": false})
	if r := s.result("identified"); r.State != checkin.Complete || r.Identity == nil || r.Identity.FullName != "Nguyễn Văn An" || r.Eligibility.State != insurance.Eligible {
		t.Errorf("identified: %+v", r)
	}
	want["identified"] = "eligible"
	for _, job := range []string{"emergency", "identified"} {
		s.must("checkin.link", params{"jobId": job, "visit": params{"maLk": "2026-0031415"}})
	}
	// The stay ends: nobody can be asked about whom nobody knew, and the desk is told what to do; the identified one is asked about.
	now := time.Now().Format(time.RFC3339)
	var a checkin.VisitAnswer
	if err := s.call("visit.close", params{"jobId": "emergency", "at": now}, &a); err != nil || a.LookupID != "" || len(a.Next) != 1 || a.Next[0].ID != catalog.StepIdentifyLater {
		t.Errorf("%+v %v", a, err)
	}
	if err := s.call("visit.close", params{"jobId": "identified", "at": now}, &a); err != nil || a.LookupID == "" || a.Visit == nil || a.Visit.MaLK != "2026-0031415" {
		t.Errorf("%+v %v", a, err)
	}
	s.wait(checkin.EventEligibility, func(raw json.RawMessage) bool {
		var x checkin.EligibilityChanged
		return json.Unmarshal(raw, &x) == nil && x.JobID == "identified" && x.Cause == checkin.CauseEnd && x.Eligibility.State == insurance.Eligible
	})

	held := func(s *session) {
		t.Helper()
		got := map[string]string{}
		for _, c := range s.list().Checkins {
			got[c.JobID] = c.EligibilityState
			if linked := c.JobID == "emergency" || c.JobID == "identified"; !c.Recorded || linked != (c.Visit != nil && c.Visit.MaLK == "2026-0031415") {
				t.Errorf("%+v", c)
			}
		}
		if d := cmp.Diff(want, got); d != "" {
			t.Error(d)
		}
	}
	held(s)
	p.stop()
	held(p.again().open("", token))
}

// TestLookupOutlivesTheProgram: while nobody listens the program is killed with a look-up in its queue; started anew it asks, and
// tells who connects then, once.
func TestLookupOutlivesTheProgram(t *testing.T) {
	p := start(t, nil, "demo", "--json", "--no-tap", "--latency", "0")
	token := p.token("--desktop", "--rights", "read,insurance,simulator")
	s := p.open("", token)
	s.must("sim.fault", params{"gateway": "down"})
	s.must("checkin.start", params{"jobId": "j", "means": "number", "subject": params{"number": "001099012345", "fullName": "Nguyễn Văn An", "dateOfBirth": "1999-01-01"}})
	if r := s.result("j"); r.Eligibility.State != insurance.Pending {
		t.Fatalf("%+v", r.Eligibility)
	}
	var a checkin.VisitAnswer
	if err := s.call("visit.close", params{"jobId": "j", "at": time.Now().Format(time.RFC3339)}, &a); err != nil || !a.Recorded || !a.ProofNeeded || len(a.Unverified) != 2 {
		t.Fatalf("%+v %v", a, err)
	}
	_ = s.Close()
	if err := p.cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	<-p.done
	p = p.again() // its gateway works
	s = p.open("", token)
	told := func(raw json.RawMessage) bool {
		var x checkin.EligibilityChanged
		return json.Unmarshal(raw, &x) == nil && x.JobID == "j" && x.LookupID == a.LookupID && x.Eligibility.State == insurance.Eligible && x.Attempts[len(x.Attempts)-1].Outcome == "answered"
	}
	s.wait(checkin.EventEligibility, told)
	if l := s.list(); len(l.Checkins) != 1 || l.Checkins[0].EligibilityState != "eligible" {
		t.Errorf("%+v", l)
	}
	again := p.open("", token)
	again.must("visit.close", params{"jobId": "j", "at": time.Now().Format(time.RFC3339)}) // whatever it was told at once has come before
	for {
		select {
		case n := <-again.Notifications():
			if n.Method == checkin.EventEligibility && told(n.Params) {
				t.Error("told again of what it has")
			}
			continue
		default:
		}
		break
	}
}
