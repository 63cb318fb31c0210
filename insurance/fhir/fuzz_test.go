package fhir

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/tapcheck/tapcheck/insurance"
	"github.com/tapcheck/tapcheck/insurance/fhir/fhirtest"
)

// Whatever a server sends, it is one kind of error or an answer that claims no more than it says: eligible only by a word of
// the insurer that the coverage is in force, with whole dates, and nothing is kept beyond its bound.
func FuzzAnswer(f *testing.F) {
	f.Add(200, "application/fhir+json", []byte(fhirtest.InForce))
	f.Add(200, "", []byte(strings.Replace(fhirtest.InForce, `"inforce":true`, `"inforce":false`, 1)))
	f.Add(200, "application/json", []byte(`{"resourceType":"Bundle","entry":[{"fullUrl":"urn:uuid:1","resource":`+fhirtest.InForce+`}]}`))
	f.Add(200, "application/json", []byte(`{"resourceType":"Parameters","parameter":[{"name":"return","resource":`+fhirtest.InForce+`}]}`))
	f.Add(400, "application/fhir+json", []byte(`{"resourceType":"OperationOutcome","issue":[{"severity":"error","code":"required"}]}`))
	f.Add(202, "", []byte(nil))
	f.Add(503, "text/html", []byte("<html>"))
	now := time.Date(2026, 11, 23, 8, 15, 3, 0, insurance.Vietnam)
	q := asked{q: insurance.Request{Number: "001099012345", FullName: "Nguyễn Văn An", DateOfBirth: "1999-01-01", Sex: "male"}, identifier: "$REQUEST", day: now}
	f.Fuzz(func(t *testing.T, status int, kind string, body []byte) {
		e, err := judge(q, reply{status: status, kind: kind, body: body}, now)
		if len(e.Raw) > maxKept || e.Raw != nil && !json.Valid(e.Raw) || len(e.Code) > 32 || len([]rune(e.Text)) > maxText+200 {
			t.Errorf("%+v", e)
		}
		if err != nil {
			n := 0
			for _, sentinel := range []error{insurance.ErrUnreachable, insurance.ErrRejected, insurance.ErrGarbage, insurance.ErrRequest} {
				if errors.Is(err, sentinel) {
					n++
				}
			}
			if n != 1 || e.State != "" || e.Card != nil {
				t.Errorf("%v is %d kinds of error, with %+v", err, n, e)
			}
			return
		}
		switch e.State {
		case insurance.Eligible, insurance.Check:
			if !strings.Contains(strings.ToLower(string(body)), "inforce") && !strings.Contains(string(body), `\u`) {
				t.Errorf("%s: not a word of it", e.State)
			}
			if e.State == insurance.Eligible && (status < 200 || status > 299 || hasValue(e.Differences)) {
				t.Errorf("eligible with status %d and %v", status, e.Differences)
			}
		case insurance.NotEligible, insurance.Unknown:
		default:
			t.Errorf("state %q", e.State)
		}
		if c := e.Card; c != nil {
			for _, d := range []string{c.From, c.To} {
				if d != "" && date(d) == "" || len(d) != 0 && len(d) != len(time.DateOnly) {
					t.Errorf("date %q", d)
				}
			}
			if c.BenefitRate < 0 || c.BenefitRate > 100 || len([]rune(c.Code)) > 64 {
				t.Errorf("%+v", c)
			}
		}
		// The resources that are made of it can be written.
		if _, err := json.Marshal(Resources(Facts{ID: "x", At: now, Eligibility: &e})); err != nil {
			t.Error(err)
		}
	})
}

func hasValue(list []insurance.Difference) bool {
	for _, d := range list {
		if d.Kind == insurance.DiffersInValue {
			return true
		}
	}
	return false
}
