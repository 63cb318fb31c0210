package checkin

import (
	"context"
	"encoding/json"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/tapcheck/tapcheck/agent/catalog"
	"github.com/tapcheck/tapcheck/agent/journal"
)

// As FHIR a session gets no more of the person than as a result, whatever the chip says and whatever the job was started with; and what it
// gets is on record before.
func TestExportStaysWithinTheCeiling(t *testing.T) {
	values := map[string]string{ // of An, by the field whose they are
		"number": "001099012345", "fullName": "Nguyễn Văn An", "dateOfBirth": "1999-01-01", "sex": `"gender":"male"`, "nationality": `"code":"VNM"`, "residence": "Phố X",
	}
	never := []string{"Không", "Kinh", "Nguyễn Văn Cha", "Trần Thị Mẹ", "012345678\"", "Nốt ruồi", "photo", "\"099012345\""}
	everything := append(AllFields(), FieldPortrait)
	without := func(drop ...string) (out []string) {
		return slices.DeleteFunc(slices.Clone(everything), func(f string) bool { return slices.Contains(drop, f) })
	}
	for name, c := range map[string]struct {
		fields    []string // of the one that exports
		insurance bool
	}{
		"everything":        {everything, true},
		"no insurance":      {everything, false},
		"no number":         {without("number"), true},
		"no name":           {without("fullName"), true},
		"no date of birth":  {without("dateOfBirth"), true},
		"no sex":            {without("sex"), true},
		"no nationality":    {without("nationality"), true},
		"no residence":      {without("residence"), true},
		"the name alone":    {[]string{"fullName"}, false},
		"nothing but cover": {[]string{}, true},
	} {
		t.Run(name, func(t *testing.T) {
			inBench(t, []string{"A"}, nil, func(t *testing.T, b *bench) {
				ctx := context.Background()
				me := b.attach(his)
				req := chipRequest("j1")
				req.Fields = everything
				if _, err := b.e.Start(ctx, his, Rights{Read: true, Insurance: true, Fields: everything}, catalog.VI, req); err != nil {
					t.Fatal(err)
				}
				if id := idOf(second(b.e.Export(ctx, his, all, ExportRequest{JobID: "j1", Format: FormatFHIR}))); id != catalog.CheckinUnfinished {
					t.Errorf("while it runs: %q", id)
				}
				b.desk.put("A", an())
				result := me.result("j1")
				before := len(entries[journal.Disclosure](b.book))
				got, err := b.e.Export(ctx, his, Rights{Read: true, Insurance: c.insurance, Fields: c.fields}, ExportRequest{CheckinID: result.CheckinID, Format: FormatFHIR})
				if err != nil || !got.Recorded || got.Format != "fhir" || got.CheckinID != result.CheckinID {
					t.Fatalf("%+v %v", got, err)
				}
				raw, err := json.Marshal(got)
				if err != nil {
					t.Fatal(err)
				}
				var want []string
				for field, value := range values {
					if may := slices.Contains(c.fields, field); strings.Contains(string(raw), value) != may {
						t.Errorf("%s within the ceiling %v: %s", field, may, raw)
					} else if may {
						want = append(want, field)
					}
				}
				for _, value := range never {
					if strings.Contains(string(raw), value) {
						t.Errorf("%s: %s", value, raw)
					}
				}
				if strings.Contains(string(raw), "CoverageEligibilityResponse") != c.insurance || strings.Contains(string(raw), "subscriberId") != c.insurance {
					t.Errorf("insurance within the ceiling %v: %s", c.insurance, raw)
				}
				if c.insurance {
					want = append(want, "eligibility")
				}
				told := entries[journal.Disclosure](b.book)[before:]
				slices.Sort(want)
				if len(told) != 1 {
					t.Fatalf("disclosures %v, want one of %v", told, want)
				}
				slices.Sort(told[0].Fields)
				if d := cmp.Diff(want, told[0].Fields); d != "" || told[0].To != his.String() {
					t.Error(told[0].To, d)
				}
				// Nobody else's, in no other format; and once it is taken back, it says so.
				for what, tt := range map[string]struct {
					owner Owner
					r     ExportRequest
					id    catalog.ID
				}{
					"another client": {Owner{Client: "https://other.example", Session: "1"}, ExportRequest{CheckinID: result.CheckinID, Format: "fhir"}, catalog.JobUnknown},
					"another format": {his, ExportRequest{CheckinID: result.CheckinID, Format: "hl7v2"}, catalog.BadRequest},
					"no format":      {his, ExportRequest{JobID: "j1"}, catalog.BadRequest},
					"nothing named":  {his, ExportRequest{Format: "fhir"}, catalog.BadRequest},
					"never there":    {his, ExportRequest{JobID: "j2", Format: "fhir"}, catalog.JobUnknown},
				} {
					if id := idOf(second(b.e.Export(ctx, tt.owner, all, tt.r))); id != tt.id {
						t.Errorf("%s: %q", what, id)
					}
				}
				if _, err := b.e.Void(ctx, his, VoidRequest{JobID: "j1", Reason: "test"}); err != nil {
					t.Fatal(err)
				}
				got, err = b.e.Export(ctx, his, all, ExportRequest{JobID: "j1", Format: FormatFHIR})
				raw, _ = json.Marshal(got)
				if err != nil || strings.Contains(string(raw), `"status":"active"`) || !strings.Contains(string(raw), `"status":"entered-in-error"`) {
					t.Errorf("taken back: %s %v", raw, err)
				}
			})
		})
	}
}
