package fhir_test

import (
	"bytes"
	"encoding/json"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/santhosh-tekuri/jsonschema/v6"

	"github.com/tapcheck/tapcheck/insurance"
	"github.com/tapcheck/tapcheck/insurance/fhir"
)

// published is HL7's JSON schema of R4, which installer/setup.sh test fetches.
var published = sync.OnceValues(func() (*jsonschema.Compiler, error) {
	b, err := os.ReadFile(filepath.Join("..", "..", ".tapcheck", "fhir.schema.json"))
	if err != nil {
		return nil, err
	}
	doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(b))
	if err != nil {
		return nil, err
	}
	c := jsonschema.NewCompiler()
	c.DefaultDraft(jsonschema.Draft6)
	return c, c.AddResource("fhir.schema.json", reached(doc, "Bundle", "Patient", "Coverage", "CoverageEligibilityRequest", "CoverageEligibilityResponse"))
})

// reached leaves of the schema what these resources use. The list of all resources, of which one can be contained in another or stand in a
// Bundle, is let go: nothing here contains one, and those of a Bundle are held to their own definitions.
func reached(doc any, resources ...string) any {
	all, _ := doc.(map[string]any)["definitions"].(map[string]any)
	kept := map[string]any{"ResourceList": true}
	var follow func(v any)
	need := func(name string) {
		if _, ok := kept[name]; !ok {
			kept[name] = all[name]
			follow(all[name])
		}
	}
	follow = func(v any) {
		switch v := v.(type) {
		case map[string]any:
			for k, m := range v {
				if s, ok := m.(string); ok && k == "$ref" {
					need(strings.TrimPrefix(s, "#/definitions/"))
				}
				follow(m)
			}
		case []any:
			for _, m := range v {
				follow(m)
			}
		}
	}
	for _, r := range resources {
		need(r)
	}
	return map[string]any{"$schema": "http://json-schema.org/draft-06/schema#", "definitions": kept}
}

// validate holds a resource to the definition of its own type. The schema of a Bundle would try each of its resources as each of 150 types, so they
// are held to theirs one by one.
func validate(c *jsonschema.Compiler, resource map[string]any) (out []string) {
	kind, _ := resource["resourceType"].(string)
	s, err := c.Compile("fhir.schema.json#/definitions/" + kind)
	if err != nil {
		return []string{kind + " is no resource: " + err.Error()}
	}
	resource = maps.Clone(resource)
	if entries, ok := resource["entry"].([]any); ok && kind == "Bundle" {
		var bare []any
		for _, e := range entries {
			e, _ := e.(map[string]any)
			r, ok := e["resource"].(map[string]any)
			if !ok {
				out = append(out, "an entry without a resource")
			}
			out = append(out, validate(c, r)...)
			e = maps.Clone(e)
			delete(e, "resource")
			bare = append(bare, e)
		}
		resource["entry"] = bare
	}
	if err := s.Validate(resource); err != nil {
		out = append(out, err.Error())
	}
	return out
}

// valid holds a resource, and each one within it, to the schema, and to what the specification asks for and the schema cannot say:
// every reference to a resource of the Bundle finds it, no element is empty (json.html: objects are never empty), status, purpose, created and outcome are
// there (the schema does not ask for primitive ones), and their codes are of their value sets.
func valid(t *testing.T, resource any) {
	t.Helper()
	c, err := published()
	if err != nil {
		t.Fatalf("no schema (installer/setup.sh test fetches it): %v", err)
	}
	raw, err := json.Marshal(resource)
	if err != nil {
		t.Fatal(err)
	}
	for _, problem := range problems(c, raw) {
		t.Errorf("%s\n%s", problem, raw)
	}
}

func problems(c *jsonschema.Compiler, raw []byte) (out []string) {
	v, err := jsonschema.UnmarshalJSON(bytes.NewReader(raw))
	if err != nil {
		return []string{err.Error()}
	}
	names := map[string]bool{}
	codes := map[string][]string{
		"status": {"active", "cancelled", "draft", "entered-in-error"}, "outcome": {"queued", "complete", "error", "partial"},
		"purpose": {"auth-requirements", "benefits", "discovery", "validation"}, "gender": {"male", "female", "other", "unknown"},
	}
	needed := map[string][]string{
		"Coverage":                    {"status", "beneficiary", "payor"},
		"CoverageEligibilityRequest":  {"status", "purpose", "patient", "created", "insurer"},
		"CoverageEligibilityResponse": {"status", "purpose", "patient", "created", "request", "outcome", "insurer"},
	}
	var walk func(at string, v any, look func(at, key string, v any))
	walk = func(at string, v any, look func(at, key string, v any)) {
		switch v := v.(type) {
		case map[string]any:
			if len(v) == 0 {
				out = append(out, at+" is empty")
			}
			for k, m := range v {
				look(at, k, m)
				walk(at+"."+k, m, look)
			}
			kind, _ := v["resourceType"].(string)
			for _, k := range needed[kind] {
				if v[k] == nil {
					out = append(out, kind+" lacks "+k)
				}
			}
		case []any:
			if len(v) == 0 {
				out = append(out, at+" is empty")
			}
			for _, m := range v {
				walk(at, m, look)
			}
		case string:
			if strings.TrimSpace(v) == "" {
				out = append(out, at+" is empty")
			}
		case nil:
			out = append(out, at+" is null")
		}
	}
	walk("", v, func(_, k string, v any) {
		if s, ok := v.(string); ok && k == "fullUrl" {
			names[s] = true
		}
	})
	resource, _ := v.(map[string]any)
	out = validate(c, resource)
	walk("", v, func(at, k string, v any) {
		if s, ok := v.(string); ok && k == "reference" && !names[s] {
			out = append(out, at+" refers to nothing: "+s)
		}
		list, _ := v.([]any)
		if s, ok := v.(string); ok {
			list = []any{s}
		}
		for _, m := range list {
			if allowed := codes[k]; allowed != nil && !slices.Contains(allowed, m.(string)) {
				out = append(out, at+"."+k+" is no code: "+m.(string))
			}
		}
	})
	return out
}

// facts are those of the persona An, insured by the state.
func facts() fhir.Facts {
	eighty := 80.0
	return fhir.Facts{
		ID: "01M8ZK3V5N0000000000000000", At: now, Number: "001099012345", FullName: "Nguyễn Văn An", DateOfBirth: "1999-01-01", Sex: "male", Nationality: "VNM",
		Residence: "Số 1, Phố X, Phường Y, Hà Nội", Facility: "01004",
		Eligibility: &insurance.Eligibility{
			State: insurance.Eligible, Source: insurance.SourceGateway, AsOf: now, Code: "000", Text: "Thông tin thẻ BHYT chính xác",
			Card: &insurance.Card{Code: "GD4010123456789", From: "2026-01-01", To: "2026-12-31", BenefitRate: 80},
			Rate: &insurance.Rate{Percent: &eighty, Decided: true},
		},
	}
}

// Whatever is known or not, what is built validates, and says no more than is known. want names "Type.member=value" that must be
// there (after the entry's type, by the first value found under that name), or must not with "!".
func TestResourcesAreValid(t *testing.T) {
	for name, c := range map[string]struct {
		change func(*fhir.Facts)
		kinds  string
		want   []string
	}{
		"eligible": {func(*fhir.Facts) {}, "Patient Coverage CoverageEligibilityRequest CoverageEligibilityResponse", []string{
			`Patient "value":"001099012345"`, `Patient "text":"Nguyễn Văn An"`, `Patient "birthDate":"1999-01-01"`, `Patient "gender":"male"`, `Patient "code":"VNM"`, `!Patient "family"`, `!Patient "meta":{"security`,
			`Coverage "status":"active"`, `Coverage "subscriberId":"GD4010123456789"`, `Coverage "period":{"start":"2026-01-01","end":"2026-12-31"}`, `Coverage "value":20`,
			`Coverage "code":"bhyt-gateway"`, `CoverageEligibilityRequest "purpose":["validation","benefits"]`, `CoverageEligibilityRequest "servicedDate":"2026-11-23"`, `CoverageEligibilityRequest "value":"01004"`,
			`CoverageEligibilityResponse "inforce":true`, `CoverageEligibilityResponse "outcome":"complete"`, `CoverageEligibilityResponse "allowedUnsignedInt":20`}},
		"a rate that is not decided": {func(f *fhir.Facts) { f.Eligibility.Rate.Decided = false }, "", []string{`!CoverageEligibilityResponse "item"`}},
		"half a percent":             {func(f *fhir.Facts) { x := 47.5; f.Eligibility.Rate.Percent = &x }, "", []string{`!CoverageEligibilityResponse "item"`}},
		"not eligible": {func(f *fhir.Facts) { f.Eligibility.State = insurance.NotEligible }, "", []string{
			`Coverage "status":"cancelled"`, `CoverageEligibilityResponse "inforce":false`}},
		"to be looked at": {func(f *fhir.Facts) { f.Eligibility.State = insurance.Check }, "", []string{
			`Coverage "status":"draft"`, `!CoverageEligibilityResponse "inforce"`, `CoverageEligibilityResponse "outcome":"complete"`}},
		"no card known": {func(f *fhir.Facts) {
			f.Eligibility = &insurance.Eligibility{State: insurance.NotEligible, Source: insurance.SourceGateway, AsOf: now, Code: "050"}
		}, "Patient CoverageEligibilityRequest CoverageEligibilityResponse", []string{`CoverageEligibilityRequest "discovery"`, `!CoverageEligibilityResponse "insurance"`}},
		"pending": {func(f *fhir.Facts) {
			f.CardCode = "GD4010123456789"
			f.Eligibility = &insurance.Eligibility{State: insurance.Pending, Source: insurance.SourceGateway, Reason: "INSURANCE_UNREACHABLE"}
		}, "Patient Coverage CoverageEligibilityRequest CoverageEligibilityResponse", []string{`Coverage "status":"draft"`, `CoverageEligibilityResponse "outcome":"queued"`, `!CoverageEligibilityResponse "inforce"`}},
		"could not be asked": {func(f *fhir.Facts) {
			f.Eligibility = &insurance.Eligibility{State: insurance.Unknown, Source: insurance.SourceGateway, Reason: "INSURANCE_REQUEST"}
		}, "", []string{`CoverageEligibilityResponse "outcome":"error"`, `CoverageEligibilityResponse "code":"INSURANCE_REQUEST"`}},
		"unknown":      {func(f *fhir.Facts) { f.Eligibility.State = insurance.Unknown }, "", []string{`!CoverageEligibilityResponse "inforce"`, `Coverage "status":"draft"`}},
		"nobody asked": {func(f *fhir.Facts) { f.Eligibility = &insurance.Eligibility{State: insurance.Off} }, "Patient", nil},
		"nothing":      {func(f *fhir.Facts) { *f = fhir.Facts{} }, "Patient", nil},
		"simulated":    {func(f *fhir.Facts) { f.Simulated = true }, "", []string{`Patient "code":"HTEST"`, `Coverage "code":"HTEST"`, `CoverageEligibilityResponse "code":"HTEST"`}},
		"taken back": {func(f *fhir.Facts) { f.Void = true }, "", []string{`Coverage "status":"entered-in-error"`, `CoverageEligibilityRequest "status":"entered-in-error"`,
			`CoverageEligibilityResponse "status":"entered-in-error"`}},
		"born in a year": {func(f *fhir.Facts) { f.DateOfBirth, f.Sex = "1955", "unspecified" }, "", []string{`Patient "birthDate":"1955"`, `Patient "gender":"unknown"`}},
		"nonsense in it": {func(f *fhir.Facts) {
			f.ID, f.DateOfBirth, f.Sex, f.Eligibility.Card.From, f.Eligibility.Card.To, f.Eligibility.Card.BenefitRate = "an id of its own", "1999-02-30", "?", "0000-00-00", "soon", 700
		}, "", []string{`!Patient "birthDate"`, `!Patient "gender"`, `!Coverage "period"`, `!Coverage "costToBeneficiary"`}},
		"a private insurer": {func(f *fhir.Facts) { f.Eligibility.Source, f.Eligibility.Card.Code = insurance.SourceFHIR, "PVI-7711" }, "", []string{
			`Coverage "subscriberId":"PVI-7711"`, `!Coverage "PUBLICPOL"`, `!Coverage "Bảo hiểm xã hội"`}},
	} {
		t.Run(name, func(t *testing.T) {
			f := facts()
			c.change(&f)
			b := fhir.Resources(f)
			valid(t, b)
			said := map[string]string{}
			var kinds []string
			for _, e := range b.Entry {
				raw, err := json.Marshal(e.Resource)
				if err != nil {
					t.Fatal(err)
				}
				var head struct {
					ResourceType string `json:"resourceType"`
				}
				_ = json.Unmarshal(raw, &head)
				said[head.ResourceType] = string(raw)
				kinds = append(kinds, head.ResourceType)
			}
			if got := strings.Join(kinds, " "); c.kinds != "" && got != c.kinds {
				t.Errorf("%s", got)
			}
			for _, w := range c.want {
				rest, not := strings.CutPrefix(w, "!")
				kind, text, _ := strings.Cut(rest, " ")
				if strings.Contains(said[kind], text) == not || said[kind] == "" {
					t.Errorf("%s: %s", w, said[kind])
				}
			}
		})
	}
}

// The schema is really asked: what R4 does not know, or must have, is found.
func TestSchemaFindsMistakes(t *testing.T) {
	schema, err := published()
	if err != nil {
		t.Fatal(err)
	}
	good, err := json.Marshal(fhir.Resources(facts()))
	if err != nil {
		t.Fatal(err)
	}
	for what, change := range map[string][2]string{
		"a member of no resource":   {`"subscriberId"`, `"cardNumber"`},
		"a date of another country": {`"birthDate":"1999-01-01"`, `"birthDate":"01/01/1999"`},
		"no number":                 {`"allowedUnsignedInt":20`, `"allowedUnsignedInt":"20"`},
		"a code of no value set":    {`"outcome":"complete"`, `"outcome":"done"`},
		"no insurer":                {`"insurer"`, `"insurerr"`},
		"a reference to nothing":    {`{"fullUrl":"urn:uuid:`, `{"fullUrl":"urn:uuid:0`},
		"an empty object":           {`"period":{"start":"2026-01-01","end":"2026-12-31"}`, `"period":{}`},
	} {
		if bad := strings.Replace(string(good), change[0], change[1], 1); bad == string(good) || len(problems(schema, []byte(bad))) == 0 {
			t.Errorf("%s is not found", what)
		}
	}
}

var now = time.Date(2026, 11, 23, 8, 15, 3, 0, insurance.Vietnam)
