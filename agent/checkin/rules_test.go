package checkin

import (
	"context"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/tapcheck/tapcheck/agent/catalog"
	"github.com/tapcheck/tapcheck/agent/journal"
	"github.com/tapcheck/tapcheck/icao"
	"github.com/tapcheck/tapcheck/icao/lds"
	"github.com/tapcheck/tapcheck/insurance"
	"github.com/tapcheck/tapcheck/insurance/claim"
)

// in2026 is a clock for tests of the law, which has days.
func in2026() time.Time { return time.Date(2026, 11, 23, 8, 15, 2, 0, insurance.Vietnam) }

// clinic is whose desk these tests are at.
var clinic = insurance.Facility{Code: "79001", Level: insurance.LevelBasic, Points: 60, FormerTier: insurance.TierNone}

// TestRouteOfACheckin: whichever way the answer comes, the rules make the same of it, and what the HIS said of the visit counts.
func TestRouteOfACheckin(t *testing.T) {
	card := insurance.Card{Code: "GD4010123456789", From: "2026-01-01", To: "2026-12-31", RegisteredFacility: "01004"}
	means := map[string]func(r *Request){
		"chip":      func(*Request) {},
		"number":    func(r *Request) { *r = byNumber("j1") },
		"emergency": func(r *Request) { *r = byNumber("j1"); r.Means = MeansEmergency },
		"supplied": func(r *Request) {
			*r = byNumber("j1")
			r.Insurance, r.Eligibility = "supplied", &insurance.Eligibility{State: insurance.Eligible, Card: &card}
		},
	}
	for name, c := range map[string]struct {
		means    string
		care     *insurance.Care
		proposal string
		percent  float64
	}{
		"chip, nothing said":      {"chip", nil, "1.13", 40},
		"chip, transfer form":     {"chip", &insurance.Care{Grounds: []string{insurance.GroundTransfer}}, "1.3", 80},
		"number, inpatient":       {"number", &insurance.Care{Setting: insurance.CareInpatient}, "1.15", 80},
		"emergency":               {"emergency", nil, "2", 80},
		"emergency with a form":   {"emergency", &insurance.Care{Grounds: []string{insurance.GroundTransfer}}, "1.3", 80},
		"supplied, nothing said":  {"supplied", nil, "1.13", 40},
		"supplied, transfer form": {"supplied", &insurance.Care{Grounds: []string{insurance.GroundTransfer}}, "1.3", 80},
	} {
		t.Run(name, func(t *testing.T) {
			inBench(t, []string{"A"}, func(cfg *Config, _ *bench) {
				cfg.Now, cfg.Facility = in2026, clinic
				cfg.Insurer = insurer(func(_ context.Context, q insurance.Request) (insurance.Eligibility, error) {
					if q.Care != nil {
						t.Error("the insurer is told what the HIS said of the visit")
					}
					k := card
					return insurance.Eligibility{State: insurance.Eligible, Source: insurance.SourceGateway, Card: &k}, nil
				})
			}, func(t *testing.T, b *bench) {
				client := b.attach(his)
				r := chipRequest("j1")
				means[c.means](&r)
				r.Care = c.care
				if c.means == "chip" {
					b.desk.put("A", an())
				}
				client.start(r)
				e := client.result("j1").Eligibility
				if e == nil || e.Route == nil || e.Route.Proposal != c.proposal || e.Route.Decided || e.Rate == nil || e.Rate.Percent == nil || *e.Rate.Percent != c.percent {
					t.Fatalf("%+v %+v", e.Route, e.Rate)
				}
				if c.means == "supplied" { // nobody is asked then
					return
				}
				// Asked again later, it is the same; and the caller may say more.
				got, err := b.e.CheckInsurance(t.Context(), his, all, catalog.VI, CheckRequest{JobID: "j1"})
				if err != nil || got.Eligibility.Route == nil || got.Eligibility.Route.Proposal != c.proposal {
					t.Errorf("%+v %v", got.Eligibility.Route, err)
				}
				got, err = b.e.CheckInsurance(t.Context(), his, all, catalog.VI, CheckRequest{JobID: "j1", Care: &insurance.Care{Grounds: []string{insurance.GroundReturn}}})
				if err != nil || got.Eligibility.Route == nil || got.Eligibility.Route.Proposal != "1.5" {
					t.Errorf("%+v %v", got.Eligibility.Route, err)
				}
			})
		})
	}
}

// A look-up that could not be made keeps in the queue what its route depends on.
func TestCareWaitsInTheQueue(t *testing.T) {
	inBench(t, nil, func(cfg *Config, _ *bench) {
		cfg.Insurer = insurer(func(context.Context, insurance.Request) (insurance.Eligibility, error) {
			return insurance.Eligibility{}, insurance.ErrUnreachable
		})
	}, func(t *testing.T, b *bench) {
		client := b.attach(his)
		r := byNumber("j1")
		r.Care = &insurance.Care{Grounds: []string{insurance.GroundTransfer}}
		client.start(r)
		client.result("j1")
		waiting := entries[journal.Lookup](b.book)
		if len(waiting) != 1 || !strings.Contains(string(waiting[0].Body), `"grounds":["transfer"]`) {
			t.Errorf("%+v", waiting)
		}
	})
}

func TestBadCare(t *testing.T) {
	many := make([]string, 17)
	for i := range many {
		many[i] = insurance.GroundTransfer
	}
	for field, care := range map[string]insurance.Care{
		"care.setting": {Setting: "balcony"}, "care.grounds": {Grounds: []string{"transfer", "because"}}, "care.grounds (many)": {Grounds: many},
	} {
		inBench(t, nil, nil, func(t *testing.T, b *bench) {
			r := byNumber("j1")
			r.Care = &care
			_, err := b.e.Start(t.Context(), his, all, catalog.VI, r)
			want, _, _ := strings.Cut(field, " ")
			if e := Explain(err); e == nil || e.ID != catalog.BadRequest || e.Detail["field"] != want {
				t.Errorf("%s: %v", field, err)
			}
			if _, err := b.e.CheckInsurance(t.Context(), his, all, catalog.VI, CheckRequest{Number: "001099012345", Care: &care}); Explain(err) == nil || Explain(err).ID != catalog.BadRequest {
				t.Errorf("%s: %v", field, err)
			}
		})
	}
}

// TestDifferencesOfAResult: whatever disagrees about the person is told with its likely cause and without values, and the desk
// is told what to do about it.
func TestDifferencesOfAResult(t *testing.T) {
	doc := func(conflicts ...icao.Conflict) *icao.Document {
		return &icao.Document{Identity: &lds.Identity{Number: "001099012345", FullName: "Nguyễn Văn An"}, Conflicts: conflicts}
	}
	name := func(between, one, other string) icao.Conflict {
		return icao.Conflict{Between: between, Field: "fullName", One: one, Other: other}
	}
	gateway := &insurance.Eligibility{State: insurance.Eligible, Differences: []insurance.Difference{
		{Field: "fullName", Kind: insurance.DiffersInDiacritics, Cause: insurance.CauseSpelling, Between: insurance.BetweenGateway, Advice: catalog.StepCorrectAtInsurer}}}
	for what, c := range map[string]struct {
		doc  *icao.Document
		e    *insurance.Eligibility
		want []insurance.Difference
		step string
	}{
		"nothing":     {doc: doc()},
		"the gateway": {doc(), gateway, gateway.Differences, catalog.StepCorrectAtInsurer},
		"the zone and DG13": {doc(name(icao.ConflictMRZ, "NGUYEN VAN AN", "Nguyễn Văn Anh")), nil,
			[]insurance.Difference{{Field: "fullName", Kind: "value", Cause: "spelling", Between: "mrz", Advice: catalog.StepCheckPapers}}, ""},
		"another person in DG13": {doc(name(icao.ConflictMRZ, "NGUYEN VAN AN", "Trần Thị Bình"), icao.Conflict{Between: icao.ConflictMRZ, Field: "number", One: "001099012345", Other: "001185054321"}), nil,
			[]insurance.Difference{{Field: "number", Kind: "value", Cause: "other_person", Between: "mrz", Advice: catalog.StepOtherPerson}, {Field: "fullName", Kind: "value", Cause: "other_person", Between: "mrz", Advice: catalog.StepOtherPerson}}, catalog.StepOtherPerson},
		"the scan": {doc(icao.Conflict{Between: icao.ConflictScanned, Field: "issuedAt", One: "2022-04-15", Other: "2022-04-16"}, icao.Conflict{Between: icao.ConflictScanned, Field: "dateOfBirth", One: "1999-02-01", Other: "1999-01-02"}), gateway,
			[]insurance.Difference{gateway.Differences[0], {Field: "dateOfBirth", Kind: "value", Cause: "spelling", Between: "scanned", Advice: catalog.StepCheckPapers}, {Field: "issuedAt", Kind: "value", Cause: "unknown", Between: "scanned", Advice: catalog.StepCheckPapers}}, catalog.StepCorrectAtInsurer},
	} {
		t.Run(what, func(t *testing.T) {
			r := ResultOf(c.doc, ResultOptions{Recorded: true, Eligibility: c.e})
			if d := cmp.Diff(c.want, r.Differences, cmp.Transformer("", func(l []insurance.Difference) []insurance.Difference { return append([]insurance.Difference{}, l...) })); d != "" && len(c.want)+len(r.Differences) > 0 {
				t.Error(d)
			}
			if c.step != "" && !slices.Contains(stepIDs(r), c.step) {
				t.Errorf("steps %v", stepIDs(r))
			}
			for _, d := range c.want {
				if _, ok := catalog.StepText(d.Advice, catalog.VI); !ok {
					t.Errorf("%s is no step", d.Advice)
				}
			}
			// A session without the right learns nothing of what the insurer has.
			less, _ := r.Within(Rights{Fields: []string{"number", "fullName"}})
			if c.e != nil && slices.ContainsFunc(less.Differences, func(d insurance.Difference) bool { return d.Between == insurance.BetweenGateway }) {
				t.Errorf("%+v", less.Differences)
			}
		})
	}
	// Before the person may be told, neither may this.
	hidden := doc(name(icao.ConflictMRZ, "NGUYEN VAN AN", "Trần Thị Bình"))
	hidden.Identity = nil
	if r := ResultOf(hidden, ResultOptions{}); r.Differences != nil || r.Claim != nil {
		t.Errorf("%+v", r)
	}
}

// TestCodesOfAResult: by the hospital's table the units of an address are proposed, and those that are certain stand in the claim;
// each only for whoever may see what it comes from.
func TestCodesOfAResult(t *testing.T) {
	table, err := claim.ReadTable(strings.NewReader("kind,code,name,parent,source\nprovince,91,Tỉnh Bình Minh,,Hư cấu\ncommune,91002,Phường Sao Mai,91,\nethnicity,X1,Kinh,,\nnationality,X0,VNM,,\n"))
	if err != nil {
		t.Fatal(err)
	}
	d := &icao.Document{Identity: &lds.Identity{Number: "001099012345", FullName: "Nguyễn Văn An", Nationality: "VNM", Ethnicity: "Kinh", Residence: "Số 1, Phường Sao Mai, Bình Minh"}}
	e := &insurance.Eligibility{State: insurance.Eligible, Card: &insurance.Card{Code: "GD4010123456789"}}
	r := ResultOf(d, ResultOptions{Recorded: true, Codes: table, Eligibility: e, StartedAt: in2026()})
	if r.Address == nil || !r.Address.Province.Decided || r.Address.Commune.Code != "91002" || r.Claim["MATINH_CU_TRU"] != "91" || r.Claim["MAXA_CU_TRU"] != "91002" || r.Claim["MA_QUOCTICH"] != "X0" {
		t.Errorf("%+v %v", r.Address, r.Claim)
	}
	if r.Claim["MA_DANTOC"] != "" { // the ethnicity is not among what admission needs
		t.Error(r.Claim)
	}
	whole := ResultOf(d, ResultOptions{Recorded: true, Codes: table, Fields: []string{"ethnicity", "fullName"}, StartedAt: in2026()})
	if d := cmp.Diff(map[string]string{"HO_TEN": "Nguyễn Văn An", "MA_DANTOC": "X1"}, whole.Claim); d != "" || whole.Address != nil {
		t.Error(d, whole.Address)
	}
	less, _ := r.Within(Rights{Insurance: true, Fields: []string{"number", "fullName"}})
	if d := cmp.Diff(map[string]string{"HO_TEN": "Nguyễn Văn An", "SO_CCCD": "001099012345", "MA_THE_BHYT": "GD4010123456789"}, less.Claim); d != "" || less.Address != nil {
		t.Error(d, less.Address)
	}
	none, _ := r.Within(Rights{Fields: []string{"residence"}})
	if d := cmp.Diff(map[string]string{"DIA_CHI": "Số 1, Phường Sao Mai, Bình Minh", "MATINH_CU_TRU": "91", "MAXA_CU_TRU": "91002"}, none.Claim); d != "" || none.Address == nil {
		t.Error(d, none.Address)
	}
	if r := ResultOf(d, ResultOptions{Recorded: true}); r.Address != nil || r.Claim["MATINH_CU_TRU"] != "" {
		t.Errorf("without a table: %+v", r.Address)
	}
}

// TestCardsOfAVisit: where a later look-up finds another card that covers the person, the claim names both, each value in its place.
func TestCardsOfAVisit(t *testing.T) {
	card := func(code, from, to string) *insurance.Eligibility {
		return &insurance.Eligibility{State: insurance.Eligible, Card: &insurance.Card{Code: code, From: from, To: to, RegisteredFacility: "01004"}}
	}
	old, new := card("GD4010123456789", "2026-01-01", "2026-11-24"), card("HT3010123456789", "2026-11-25", "2026-12-31")
	looked := card("GD4010123456789", "2026-01-01", "2026-11-24")
	looked.State = insurance.Check
	both := map[string]string{"MA_THE_BHYT": "GD4010123456789;HT3010123456789", "MA_DKBD": "01004;01004", "GT_THE_TU": "20260101;20261125", "GT_THE_DEN": "20261124;20261231"}
	one := map[string]string{"MA_THE_BHYT": "HT3010123456789", "MA_DKBD": "01004", "GT_THE_TU": "20261125", "GT_THE_DEN": "20261231"}
	for name, c := range map[string]struct {
		answers []*insurance.Eligibility
		want    map[string]string
	}{
		"another card":          {[]*insurance.Eligibility{old, new}, both},
		"and the same again":    {[]*insurance.Eligibility{old, new, new}, both},
		"a failure in between":  {[]*insurance.Eligibility{old, nil, new}, both},
		"one that was in doubt": {[]*insurance.Eligibility{looked, new}, one},
		"one card, put right":   {[]*insurance.Eligibility{card("HT3010123456789", "2026-01-01", ""), new}, one},
		"and back again":        {[]*insurance.Eligibility{new, old, new}, both},
	} {
		t.Run(name, func(t *testing.T) {
			n := 0
			inBench(t, nil, func(cfg *Config, _ *bench) {
				cfg.Now = in2026
				cfg.Insurer = insurer(func(context.Context, insurance.Request) (insurance.Eligibility, error) {
					e := c.answers[n]
					n++
					if e == nil {
						return insurance.Eligibility{}, insurance.ErrUnreachable
					}
					return *e, nil
				})
			}, func(t *testing.T, b *bench) {
				client := b.attach(his)
				client.start(byNumber("j1"))
				client.result("j1")
				for range c.answers[1:] {
					if _, err := b.e.CheckInsurance(t.Context(), his, all, catalog.VI, CheckRequest{JobID: "j1"}); err != nil {
						t.Fatal(err)
					}
				}
				got := map[string]string{}
				for tag, value := range client.status("j1").Result.Claim {
					if claim.FieldOf(tag) == "" {
						got[tag] = value
					}
				}
				if d := cmp.Diff(c.want, got); d != "" {
					t.Error(d)
				}
			})
		})
	}
}

// TestRouteOfAStay: a patient who was admitted is an inpatient in every later look-up, and what was said of the visit when it began
// is still known after a restart.
func TestRouteOfAStay(t *testing.T) {
	for name, c := range map[string]struct {
		care       *insurance.Care
		start, end string
	}{
		"nothing said":  {nil, "1.13", "1.15"},
		"transfer form": {&insurance.Care{Grounds: []string{insurance.GroundTransfer}}, "1.3", "1.3"},
	} {
		t.Run(name, func(t *testing.T) {
			inQueue(t, func(cfg *Config) {
				ahead := time.Until(in2026())
				cfg.Now = func() time.Time { return time.Now().Add(ahead) }
				cfg.Facility = clinic
				inner := cfg.Insurer
				cfg.Insurer = insurer(func(ctx context.Context, q insurance.Request) (insurance.Eligibility, error) {
					e, err := inner.Check(ctx, q)
					if e.Card != nil {
						e.Card.RegisteredFacility = "01004"
					}
					return e, err
				})
			}, func(t *testing.T, w *waiting) {
				client := w.attach(his)
				r := byNumber("j1")
				r.Care = c.care
				client.start(r)
				first := client.result("j1")
				if e := first.Eligibility; e.Route == nil || e.Route.Proposal != c.start {
					t.Fatalf("%+v", e.Route)
				}
				w.again()
				client = w.attach(his)
				say := func(event string, do func(context.Context, Owner, Rights, catalog.Lang, VisitRequest) (VisitAnswer, error)) {
					t.Helper()
					n := len(client.changes())
					if _, err := do(t.Context(), his, all, catalog.VI, VisitRequest{CheckinID: first.CheckinID, Event: event, At: w.cfg.Now().Format(time.RFC3339)}); err != nil {
						t.Fatal(err)
					}
					until(t, "told", func() bool { return len(client.changes()) > n })
					if e := client.changes()[n].Eligibility; e.Route == nil || e.Route.Proposal != c.end {
						t.Errorf("%q: %+v", event, e.Route)
					}
				}
				say(StayInpatient, w.e.UpdateVisit)
				say("", w.e.CloseVisit)
				if got, err := w.e.CheckInsurance(t.Context(), his, all, catalog.VI, CheckRequest{CheckinID: first.CheckinID}); err != nil || got.Eligibility.Route.Proposal != c.end {
					t.Errorf("%+v %v", got.Eligibility.Route, err)
				}
			})
		})
	}
}
