package checkin

import (
	"context"
	"encoding/json"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/tapcheck/tapcheck/agent/catalog"
	"github.com/tapcheck/tapcheck/agent/journal"
	"github.com/tapcheck/tapcheck/icao/lds"
)

// A raw file goes only to who may see all that it holds, once, after its disclosure is on record.
func TestRawFilesStayWithinTheCeiling(t *testing.T) {
	everything := append(AllFields(), FieldPortrait)
	without := func(name string) (out []string) {
		for _, f := range everything {
			if f != name {
				out = append(out, f)
			}
		}
		return out
	}
	for name, c := range map[string]struct {
		ceiling []string
		asked   []lds.FileID
		want    string
	}{
		"all":               {everything, []lds.FileID{lds.SOD, lds.DG(13), lds.COM, lds.SOD}, "EF_SOD"},
		"not asked":         {everything, nil, ""},
		"no religion":       {without("religion"), []lds.FileID{lds.SOD}, "EF_SOD"},
		"no date of birth":  {without("dateOfBirth"), []lds.FileID{lds.SOD}, ""},
		"a file of no name": {everything, []lds.FileID{lds.COM}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			inBench(t, []string{"r"}, nil, func(t *testing.T, b *bench) {
				me := b.attach(his)
				b.desk.put("r", an())
				req := chipRequest("j")
				req.Files = c.asked
				if _, err := b.e.Start(context.Background(), his, Rights{Read: true, Fields: c.ceiling}, catalog.EN, req); err != nil {
					t.Fatal(err)
				}
				if r := me.result("j"); r.State != Complete {
					t.Fatalf("%+v", r)
				}
				files, err := b.e.TakeFiles(his, "j")
				var got []string
				for id := range files {
					got = append(got, string(id))
				}
				if d := cmp.Diff(c.want, strings.Join(got, " ")); err != nil || d != "" {
					t.Error(err, d)
				}
				told := ""
				for _, d := range entries[journal.Disclosure](b.book) {
					for _, f := range d.Fields {
						if strings.HasPrefix(f, "file.") {
							told += strings.TrimPrefix(f, "file.")
						}
					}
				}
				if told != c.want {
					t.Errorf("on record is %q", told)
				}
				if again, _ := b.e.TakeFiles(his, "j"); again != nil {
					t.Error("the job still has them")
				}
				if _, err := b.e.TakeFiles(Owner{Client: "other"}, "j"); Explain(err).ID != catalog.JobUnknown {
					t.Errorf("another owner: %v", err)
				}
			})
		})
	}
	// The whole DG13 needs every field that is in it.
	for _, f := range FileFields(lds.DG(13)) {
		if FileWithin(lds.DG(13), without(f)) {
			t.Errorf("DG13 is given without %s", f)
		}
	}
	if !FileWithin(lds.DG(13), everything) || FileWithin(lds.DG(3), everything) || FileWithin(lds.DG(2), without(FieldPortrait)) {
		t.Error("the wrong files are given")
	}
	// Nothing that comes over the wire can ask for them.
	var r Request
	if err := json.Unmarshal([]byte(`{"jobId":"j","means":"chip","files":["DG13"],"Files":["DG13"]}`), &r); err != nil || r.Files != nil {
		t.Errorf("%v, %v", r.Files, err)
	}
}
