package checkin

import (
	"context"
	"encoding/hex"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/tapcheck/tapcheck/agent/catalog"
	"github.com/tapcheck/tapcheck/agent/journal"
	"github.com/tapcheck/tapcheck/icao/lds"
	"github.com/tapcheck/tapcheck/insurance"
)

// paperQR is the code of a paper card of a persona.
func paperQR() string {
	return "GD4010123456789|" + hex.EncodeToString([]byte("Nguyễn Văn An")) + "|01/01/1999|1|" + hex.EncodeToString([]byte("Hà Nội")) + "|01 - 004|01/01/2026|31/12/2026|-|"
}

// TestMeans runs each means without a chip: whom the insurer is asked about, what comes out, and what the desk does then.
func TestMeans(t *testing.T) {
	anAsked := insurance.Request{Number: "001099012345", FullName: "Nguyễn Văn An", DateOfBirth: "1999-01-01", Sex: "male"}
	anSaid := Subject{Number: "001099012345", FullName: "Nguyễn Văn An", DateOfBirth: "1999-01-01", Sex: "male"}
	onPaper := insurance.Request{CardCode: "GD4010123456789", FullName: "Nguyễn Văn An", DateOfBirth: "1999-01-01", Sex: "male"}
	paper := Subject{CardCode: "GD4010123456789", FullName: "Nguyễn Văn An", DateOfBirth: "1999-01-01", Sex: "male"}
	newborn := Subject{FullName: "Nguyễn Thị Bé", DateOfBirth: "1999-12-20", Sex: "female"} // the clock of these tests begins with 2000

	for name, tt := range map[string]struct {
		req     Request
		rights  Rights
		asked   *insurance.Request
		state   insurance.State
		reason  catalog.ID
		steps   []string
		subject *Subject
		claim   []string // tags
	}{
		"VNeID": {req: Request{Means: MeansVNeID, Subject: &anSaid}, asked: &anAsked, state: insurance.Eligible,
			steps: []string{catalog.StepProceed, catalog.StepCheckVNeID}, subject: &anSaid,
			claim: []string{"GIOI_TINH", "GT_THE_DEN", "GT_THE_TU", "HO_TEN", "MA_DKBD", "MA_THE_BHYT", "NGAY_SINH", "SO_CCCD"}},
		"VNeID without insurance": {req: Request{Means: MeansVNeID, Subject: &anSaid, Insurance: "off"}, state: insurance.Off,
			steps: []string{catalog.StepProceed, catalog.StepCheckVNeID}, subject: &anSaid, claim: []string{"GIOI_TINH", "HO_TEN", "NGAY_SINH", "SO_CCCD"}},
		"paper card, scanned": {req: Request{Means: MeansPaperCard, Key: &KeyInput{QR: paperQR()}}, asked: &onPaper, state: insurance.Eligible,
			steps: []string{catalog.StepProceed, catalog.StepComparePapers}, subject: &paper,
			claim: []string{"GIOI_TINH", "GT_THE_DEN", "GT_THE_TU", "HO_TEN", "MA_DKBD", "MA_THE_BHYT", "NGAY_SINH"}},
		"paper card, typed": {req: Request{Means: MeansPaperCard, Subject: &paper}, asked: &onPaper, state: insurance.Eligible,
			steps: []string{catalog.StepProceed, catalog.StepComparePapers}, subject: &paper,
			claim: []string{"GIOI_TINH", "GT_THE_DEN", "GT_THE_TU", "HO_TEN", "MA_DKBD", "MA_THE_BHYT", "NGAY_SINH"}},
		"paper card, its code alone": {req: Request{Means: MeansPaperCard, Subject: &Subject{CardCode: "GD4010123456789"}}, state: insurance.Unknown, reason: catalog.InsuranceRequest,
			steps: []string{catalog.StepProceed, catalog.StepComparePapers, catalog.StepFixInput, catalog.StepAskInsuranceCard}, subject: &Subject{CardCode: "GD4010123456789"}},
		"paper card, within a ceiling": {req: Request{Means: MeansPaperCard, Key: &KeyInput{QR: paperQR()}}, rights: Rights{Insurance: true, Fields: []string{"fullName"}},
			asked: &onPaper, state: insurance.Eligible, steps: []string{catalog.StepProceed, catalog.StepComparePapers},
			subject: &Subject{CardCode: "GD4010123456789", FullName: "Nguyễn Văn An"}, claim: []string{"GT_THE_DEN", "GT_THE_TU", "HO_TEN", "MA_DKBD", "MA_THE_BHYT"}},
		"no card, a child": {req: Request{Means: MeansNoCard, Subject: &newborn}, state: insurance.Unknown, reason: catalog.InsuranceRequest,
			steps: []string{catalog.StepProceed, catalog.StepTempCardFlow}, subject: &newborn, claim: []string{"GIOI_TINH", "HO_TEN", "NGAY_SINH"}},
		"no card, a child with a number": {req: Request{Means: MeansNoCard, Subject: &Subject{Number: "001199000001", FullName: "Nguyễn Thị Bé", DateOfBirth: "1999", Sex: "female"}},
			asked: &insurance.Request{Number: "001199000001", FullName: "Nguyễn Thị Bé", DateOfBirth: "1999", Sex: "female"}, state: insurance.Eligible,
			steps:   []string{catalog.StepProceed, catalog.StepTempCardFlow},
			subject: &Subject{Number: "001199000001", FullName: "Nguyễn Thị Bé", DateOfBirth: "1999", Sex: "female"},
			claim:   []string{"GIOI_TINH", "GT_THE_DEN", "GT_THE_TU", "HO_TEN", "MA_DKBD", "MA_THE_BHYT", "NGAY_SINH", "SO_CCCD"}},
		"no card, six yesterday": {req: Request{Means: MeansNoCard, Subject: &Subject{FullName: "Nguyễn Văn Tí", DateOfBirth: "1993-12-31"}}, state: insurance.Unknown, reason: catalog.InsuranceRequest,
			steps: []string{catalog.StepProceed, catalog.StepCheckPapers, catalog.StepAskInsuranceCard}, subject: &Subject{FullName: "Nguyễn Văn Tí", DateOfBirth: "1993-12-31"}, claim: []string{"HO_TEN", "NGAY_SINH"}},
		"no card, six next year": {req: Request{Means: MeansNoCard, Subject: &Subject{FullName: "Nguyễn Văn Tí", DateOfBirth: "1994"}}, state: insurance.Unknown, reason: catalog.InsuranceRequest,
			steps: []string{catalog.StepProceed, catalog.StepTempCardFlow}, subject: &Subject{FullName: "Nguyễn Văn Tí", DateOfBirth: "1994"}, claim: []string{"HO_TEN", "NGAY_SINH"}},
		"emergency, nobody knows": {req: Request{Means: MeansEmergency}, state: insurance.Unknown, reason: catalog.InsuranceRequest,
			steps: []string{catalog.StepEmergency, catalog.StepIdentifyLater}},
		"emergency, a name": {req: Request{Means: MeansEmergency, Subject: &Subject{FullName: "Nguyễn Văn An"}}, state: insurance.Unknown, reason: catalog.InsuranceRequest,
			steps: []string{catalog.StepEmergency, catalog.StepIdentifyLater}, subject: &Subject{FullName: "Nguyễn Văn An"}, claim: []string{"HO_TEN"}},
		"emergency, known": {req: Request{Means: MeansEmergency, Subject: &anSaid}, asked: &anAsked, state: insurance.Eligible,
			steps: []string{catalog.StepEmergency, catalog.StepIdentifyLater}, subject: &anSaid,
			claim: []string{"GIOI_TINH", "GT_THE_DEN", "GT_THE_TU", "HO_TEN", "MA_DKBD", "MA_THE_BHYT", "NGAY_SINH", "SO_CCCD"}},
		"emergency, insurance supplied": {req: Request{Means: MeansEmergency, Insurance: "supplied", Eligibility: &insurance.Eligibility{State: insurance.Eligible}}, state: insurance.Eligible,
			steps: []string{catalog.StepEmergency, catalog.StepIdentifyLater}},
		"emergency, insurance off": {req: Request{Means: MeansEmergency, Insurance: "off"}, state: insurance.Off,
			steps: []string{catalog.StepEmergency, catalog.StepIdentifyLater}},
	} {
		t.Run(name, func(t *testing.T) {
			var asked *insurance.Request
			inBench(t, nil, func(c *Config, _ *bench) { // no reader is needed
				c.Insurer = insurer(func(ctx context.Context, r insurance.Request) (insurance.Eligibility, error) {
					asked = &r
					return covered(ctx, r)
				})
			}, func(t *testing.T, b *bench) {
				rights := all
				if tt.rights.Fields != nil {
					rights = tt.rights
				}
				tt.req.JobID = "j1"
				c := b.attach(his)
				if _, err := b.e.Start(t.Context(), his, rights, catalog.VI, tt.req); err != nil {
					t.Fatal(err, Explain(err).Detail)
				}
				r := c.result("j1")
				if r.State != Complete || !r.Recorded || r.Identity != nil || r.Portrait != nil || r.Means != tt.req.Means || r.DecisionNeeded != nil {
					t.Errorf("%+v", r)
				}
				if d := cmp.Diff(tt.asked, asked); d != "" {
					t.Error("asked:", d)
				}
				if e := r.Eligibility; e == nil || e.State != tt.state || catalog.ID(e.Reason) != tt.reason {
					t.Errorf("eligibility %+v", e)
				}
				if d := cmp.Diff(tt.steps, stepIDs(r)); d != "" {
					t.Error("steps:", d)
				}
				for _, s := range r.Next {
					if vi, ok := catalog.StepText(s.ID, catalog.VI); !ok || s.Text != vi {
						t.Errorf("%s says %q", s.ID, s.Text)
					}
				}
				if d := cmp.Diff(tt.subject, r.Subject); d != "" {
					t.Error("subject:", d)
				}
				var tags []string
				for tag := range r.Claim {
					tags = append(tags, tag)
				}
				slices.Sort(tags)
				if d := cmp.Diff(tt.claim, tags); d != "" {
					t.Error("claim:", d)
				}
				if v := r.Verdicts; v.Access.Reason != lds.ReasonMeansIsNotChip || v.Access.Status != lds.NotDone || v.Face.Reason != lds.ReasonMeansIsNotChip {
					t.Errorf("verdicts %+v", v)
				}
				if asked == nil && len(entries[journal.Attempt](b.book)) != 0 {
					t.Error("an attempt where nobody was asked")
				}
				if rows := entries[journal.Checkin](b.book); len(rows) != 1 || rows[0].State != "complete" {
					t.Errorf("%+v", rows)
				}
				// What somebody scanned is disclosed to the owner before it is told; what the owner said itself is not.
				disclosed := false
				for _, d := range entries[journal.Disclosure](b.book) {
					disclosed = disclosed || d.To == his.String() && slices.Contains(d.Fields, "cardCode")
				}
				if want := tt.req.Key != nil; disclosed != want {
					t.Errorf("disclosed: %v, want %v", disclosed, want)
				}
			})
		})
	}
}

// A paper card is asked for where the client brings none: the desk scans it.
func TestPaperCardIsAskedFor(t *testing.T) {
	inBench(t, nil, nil, func(t *testing.T, b *bench) {
		c := b.attach(his)
		c.start(Request{JobID: "j1", Means: MeansPaperCard})
		if got := c.need("j1"); got != "key/PAPER_QR_MISSING" {
			t.Fatal(got)
		}
		for name, tt := range map[string]struct {
			key  KeyInput
			want catalog.ID
		}{
			"nothing":            {KeyInput{}, catalog.BadRequest},
			"a CAN":              {KeyInput{CAN: "012345"}, catalog.BadRequest},
			"both":               {KeyInput{QR: paperQR(), CAN: "012345"}, catalog.BadRequest},
			"a citizen card":     {KeyInput{QR: "001099012345|012345678|Nguyễn Văn An|01011999|Nam|Hà Nội|15042022"}, catalog.PaperQRForeign},
			"its code is broken": {KeyInput{QR: "GD40101234|" + hex.EncodeToString([]byte("Nguyễn Văn An")) + "|01/01/1999|1"}, catalog.KeyMalformed},
		} {
			if id := c.provide(Provision{JobID: "j1", Key: &tt.key}); id != tt.want {
				t.Errorf("%s: %q", name, id)
			}
		}
		if id := c.provide(Provision{JobID: "j1", Key: &KeyInput{QR: paperQR()}}); id != "" {
			t.Fatal(id)
		}
		r := c.result("j1")
		if r.State != Complete || r.Subject == nil || r.Subject.FullName != "Nguyễn Văn An" || r.Timings.EligibilityMs != 300 {
			t.Errorf("%+v %+v", r, r.Subject)
		}
		c.start(Request{JobID: "j2", Means: MeansPaperCard})
		if r := c.result("j2"); failure(r) != catalog.PaperQRMissing || r.Next[0].ID != catalog.StepPaperAdmission {
			t.Errorf("%+v", r)
		}
		// Another means has no such need.
		c.start(Request{JobID: "j3", Means: MeansEmergency})
		if id := c.provide(Provision{JobID: "j3", Key: &KeyInput{QR: paperQR()}}); id != catalog.JobNotWaiting {
			t.Errorf("%q", id)
		}
	})
}

// Whatever is wrong with the person of a request is said by its name.
func TestSubjectsOfTheMeans(t *testing.T) {
	ok := Subject{Number: "001099012345", FullName: "Nguyễn Văn An", DateOfBirth: "1999-01-01"}
	without := func(f func(s *Subject)) *Subject { s := ok; f(&s); return &s }
	for name, tt := range map[string]struct {
		req   Request
		id    catalog.ID
		field string
	}{
		"VNeID, nobody":         {Request{Means: MeansVNeID}, catalog.BadRequest, "subject"},
		"VNeID, no number":      {Request{Means: MeansVNeID, Subject: without(func(s *Subject) { s.Number = "" })}, catalog.BadRequest, "subject.number"},
		"VNeID, no name":        {Request{Means: MeansVNeID, Subject: without(func(s *Subject) { s.FullName = " " })}, catalog.BadRequest, "subject.fullName"},
		"VNeID, no birth":       {Request{Means: MeansVNeID, Subject: without(func(s *Subject) { s.DateOfBirth = "" })}, catalog.BadRequest, "subject.dateOfBirth"},
		"VNeID with a key":      {Request{Means: MeansVNeID, Subject: &ok, Key: &KeyInput{CAN: "012345"}}, catalog.BadRequest, "key"},
		"no card, nobody":       {Request{Means: MeansNoCard}, catalog.BadRequest, "subject"},
		"no card, no name":      {Request{Means: MeansNoCard, Subject: without(func(s *Subject) { s.FullName = "" })}, catalog.BadRequest, "subject.fullName"},
		"no card, no birth":     {Request{Means: MeansNoCard, Subject: without(func(s *Subject) { s.DateOfBirth = "" })}, catalog.BadRequest, "subject.dateOfBirth"},
		"no card, odd number":   {Request{Means: MeansNoCard, Subject: without(func(s *Subject) { s.Number = "1" })}, catalog.BadRequest, "subject.number"},
		"paper card, no code":   {Request{Means: MeansPaperCard, Subject: &ok}, catalog.BadRequest, "subject.cardCode"},
		"paper card, both":      {Request{Means: MeansPaperCard, Subject: &Subject{CardCode: "GD4010123456789"}, Key: &KeyInput{QR: paperQR()}}, catalog.BadRequest, "subject"},
		"paper card, a CAN":     {Request{Means: MeansPaperCard, Key: &KeyInput{CAN: "012345"}}, catalog.BadRequest, "key"},
		"paper card, a citizen": {Request{Means: MeansPaperCard, Key: &KeyInput{QR: "001099012345||An|01011999|Nam|x|15042022"}}, catalog.PaperQRForeign, "key.qr"},
		"paper card, huge":      {Request{Means: MeansPaperCard, Key: &KeyInput{QR: strings.Repeat("G", 100000)}}, catalog.PaperQRForeign, "key.qr"},
		"chip, a paper card":    {Request{Means: MeansChip, Key: &KeyInput{QR: paperQR()}}, catalog.QRForeign, "key.qr"},
		"emergency, odd birth":  {Request{Means: MeansEmergency, Subject: &Subject{DateOfBirth: "hôm qua"}}, catalog.BadRequest, "subject.dateOfBirth"},
		"emergency, odd sex":    {Request{Means: MeansEmergency, Subject: &Subject{Sex: "nam"}}, catalog.BadRequest, "subject.sex"},
		"emergency with a key":  {Request{Means: MeansEmergency, Key: &KeyInput{CAN: "012345"}}, catalog.BadRequest, "key"},
		"emergency, no rights":  {Request{Means: MeansEmergency}, catalog.Forbidden, ""},
	} {
		t.Run(name, func(t *testing.T) {
			inBench(t, nil, nil, func(t *testing.T, b *bench) {
				rights := all
				if tt.id == catalog.Forbidden {
					rights = Rights{}
				}
				tt.req.JobID = "j1"
				_, err := b.e.Start(t.Context(), his, rights, catalog.VI, tt.req)
				e := Explain(err)
				if e == nil || e.ID != tt.id {
					t.Fatalf("%v", err)
				}
				if field, _ := e.Detail["field"].(string); field != tt.field {
					t.Errorf("field %q", field)
				}
			})
		})
	}
}

// expect turns another person away whatever the means, where the person's number is known at all.
func TestExpectWithoutAChip(t *testing.T) {
	for name, tt := range map[string]struct {
		req  Request
		want catalog.ID
	}{
		"VNeID of somebody else": {Request{Means: MeansVNeID, Subject: &Subject{Number: "001188054321", FullName: "Trần Thị Bình", DateOfBirth: "1988"}}, catalog.PersonUnexpected},
		"VNeID":                  {Request{Means: MeansVNeID, Subject: &Subject{Number: "001099012345", FullName: "Nguyễn Văn An", DateOfBirth: "1999"}}, ""},
		"emergency, unknown":     {Request{Means: MeansEmergency}, ""},
		"number, by card code":   {Request{Means: MeansNumber, Subject: &Subject{CardCode: "GD4010123456789"}}, catalog.PersonUnexpected},
	} {
		t.Run(name, func(t *testing.T) {
			inBench(t, nil, nil, func(t *testing.T, b *bench) {
				c := b.attach(his)
				tt.req.JobID, tt.req.Expect = "j1", &Expect{Number: "001099012345"}
				c.start(tt.req)
				r := c.result("j1")
				if failure(r) != tt.want || tt.want != "" && (r.Subject != nil || r.Claim != nil) {
					t.Errorf("%q %+v", failure(r), r)
				}
			})
		})
	}
}

// An emergency is admitted at once, with whatever is known, also while the insurer is silent; and is identified and linked
// later.
func TestEmergencyThenIdentified(t *testing.T) {
	ctx := context.Background()
	inBench(t, []string{"A"}, nil, func(t *testing.T, b *bench) {
		c := b.attach(his)
		began := time.Now()
		c.start(Request{JobID: "er", Means: MeansEmergency})
		er := c.result("er")
		if waited := time.Since(began); er.State != Complete || waited > time.Second {
			t.Errorf("%s after %s", er.State, waited)
		}
		b.desk.put("A", an())
		c.start(chipRequest("later"))
		later := c.result("later")
		for _, id := range []string{er.CheckinID, later.CheckinID} {
			if _, err := b.e.Link(ctx, his, LinkRequest{CheckinID: id, Visit: &Visit{MaLK: "LK1"}}); err != nil {
				t.Error(err)
			}
		}
		for _, s := range listed(t, b.again(), his, ListRequest{}).Checkins {
			if s.Visit == nil || s.Visit.MaLK != "LK1" {
				t.Errorf("%+v", s)
			}
		}
	})
}
