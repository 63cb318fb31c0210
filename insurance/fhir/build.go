package fhir

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"math"
	"regexp"
	"time"

	"github.com/tapcheck/tapcheck/insurance"
)

// Facts are what is known of a check-in, as far as it may be told. Everything may be missing.
type Facts struct {
	ID        string    // of the check-in: 1 to 64 letters, digits, "-" and "."
	At        time.Time // of the visit
	Simulated bool      // marked as test data (HTEST)
	Void      bool      // taken back: entered-in-error

	// The person. Dates are ISO 8601, the date of birth as far as it is known; Sex is male, female or unspecified; Nationality ISO
	// 3166-1 alpha-3.
	Number, FullName, DateOfBirth, Sex, Nationality, Residence string

	CardCode     string                 // that was asked with
	Eligibility  *insurance.Eligibility // nil and Off: nobody was asked, and nothing is said of it
	Facility     string                 // code of the facility that asks
	NumberSystem string                 // namespace of personal numbers, where there is an agreed one
	CardSystem   string                 // namespace of insurance card codes, the same
}

var (
	idForm   = regexp.MustCompile(`^[A-Za-z0-9.-]{1,64}$`)
	dateForm = regexp.MustCompile(`^[0-9]{4}(-[0-9]{2}(-[0-9]{2})?)?$`)
)

// date gives an ISO 8601 date as far as it is known, or nothing where it is none.
func date(s string) string {
	if !dateForm.MatchString(s) || s[:4] == "0000" {
		return ""
	}
	if _, err := time.Parse("2006-01-02"[:len(s)], s); err != nil {
		return ""
	}
	return s
}

// instant writes a moment with its zone, to the second.
func instant(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.Format(time.RFC3339)
}

// urn names a resource of a check-in: the same one always by the same name (RFC 9562, version 8).
func urn(id, resource string) string {
	sum := sha256.Sum256([]byte("tapcheck fhir " + id + " " + resource))
	u := sum[:16]
	u[6], u[8] = u[6]&0x0f|0x80, u[8]&0x3f|0x80
	h := hex.EncodeToString(u)
	return fmt.Sprintf("urn:uuid:%s-%s-%s-%s-%s", h[:8], h[8:12], h[12:16], h[16:20], h[20:])
}

// Insurers by who answered.
const socialSecurity = "Bảo hiểm xã hội Việt Nam"

func insurerOf(e *insurance.Eligibility) Reference {
	if e != nil && e.Source == insurance.SourceFHIR {
		return Reference{Display: "FHIR R4"}
	}
	return Reference{Display: socialSecurity}
}

// Resources builds the Bundle: Patient always, Coverage where a card is known, and where somebody was asked, request and response.
func Resources(f Facts) Bundle {
	b := Bundle{ResourceType: "Bundle", Type: "collection", Timestamp: instant(f.At)}
	if idForm.MatchString(f.ID) {
		b.ID = f.ID
	}
	meta := f.meta("")
	add := func(kind string, resource any) Reference {
		name := urn(f.ID, kind)
		b.Entry = append(b.Entry, Entry{name, resource})
		return Reference{Reference: name}
	}
	patient := add("Patient", patientOf(f, meta))

	e := f.Eligibility
	if e != nil && e.State == insurance.Off {
		e = nil
	}
	if e != nil {
		meta = f.meta(e.Source)
	}
	insurer := insurerOf(e)
	var coverage *Reference
	if c := coverageOf(f, e, patient, insurer, meta); c != nil {
		r := add("Coverage", c)
		coverage = &r
	}
	if e == nil {
		return b
	}
	q := requestOf(f.At, patient, coverage, insurer)
	q.Meta, q.Status = meta, f.status("active")
	if f.Facility != "" {
		q.Provider = &Reference{Identifier: &Identifier{Value: f.Facility}}
	}
	request := add("CoverageEligibilityRequest", q)

	a := &Response{
		ResourceType: "CoverageEligibilityResponse", Meta: meta, Status: f.status("active"), Purpose: q.Purpose, Patient: patient, ServicedDate: q.ServicedDate,
		Created: instant(e.AsOf), Requestor: q.Provider, Request: request, Outcome: "complete", Disposition: e.Text, Insurer: insurer,
	}
	if a.Created == "" { // one is needed: of what never came, when it was asked for
		a.Created = q.Created
	}
	switch {
	case e.State == insurance.Pending:
		a.Outcome = "queued"
	case e.Reason != "":
		a.Outcome = "error"
		a.Error = []ResponseError{{Code: Concept{Coding: []Coding{{Code: e.Reason}}}}}
	case coverage != nil:
		i := ResponseInsurance{Coverage: *coverage}
		if yes := e.State == insurance.Eligible; yes || e.State == insurance.NotEligible {
			i.Inforce = &yes
		}
		if c := e.Card; c != nil {
			i.BenefitPeriod = period(c.From, c.To)
		}
		if r := e.Rate; r != nil && r.Decided && r.Percent != nil {
			if left := 100 - *r.Percent; left >= 0 && left <= 100 && left == math.Trunc(left) {
				i.Item = []Item{{Category: concept(sysCategory, "30"), Benefit: []Benefit{{Type: *concept(sysBenefitType, "copay-percent"), AllowedUnsignedInt: number(left)}}}}
			}
		}
		a.Insurance = []ResponseInsurance{i}
	}
	add("CoverageEligibilityResponse", a)
	return b
}

// status is that of a resource, unless the whole check-in was a mistake.
func (f Facts) status(s string) string {
	if f.Void {
		return "entered-in-error"
	}
	return s
}

// meta marks what is made up, and on whose word the rest stands.
func (f Facts) meta(source string) *Meta {
	var m Meta
	if f.Simulated {
		m.Security = []Coding{{System: sysActReason, Code: "HTEST"}}
	}
	if source != "" {
		m.Tag = []Coding{{Code: source}}
	}
	if m.Security == nil && m.Tag == nil {
		return nil
	}
	return &m
}

func patientOf(f Facts, meta *Meta) *Patient {
	p := &Patient{ResourceType: "Patient", Meta: meta, BirthDate: date(f.DateOfBirth), Gender: genders[f.Sex]}
	if f.Number != "" {
		p.Identifier = []Identifier{{Type: concept(sysIdentifierType, "NI"), System: f.NumberSystem, Value: f.Number}}
	}
	if f.FullName != "" {
		p.Name = []HumanName{{Use: "official", Text: f.FullName}}
	}
	if f.Residence != "" {
		p.Address = []Address{{Text: f.Residence}}
	}
	if f.Nationality != "" {
		p.Extension = []Extension{{URL: urlNationality, Extension: []Extension{{URL: "code", ValueCodeableConcept: concept(sysCountry, f.Nationality)}}}}
	}
	return p
}

// genders are the administrative genders (valueset-administrative-gender.html) by how a card states the sex.
var genders = map[string]string{"male": "male", "female": "female", "unspecified": "unknown"}

// coverageOf is the card that the insurer knows, or the one that was shown; nil where there is none.
func coverageOf(f Facts, e *insurance.Eligibility, patient, insurer Reference, meta *Meta) *Coverage {
	code, status := f.CardCode, "draft" // its contents are not complete, or not sure
	c := &Coverage{ResourceType: "Coverage", Meta: meta, Beneficiary: patient, Payor: []Reference{insurer}}
	if e != nil {
		switch e.State {
		case insurance.Eligible:
			status = "active"
		case insurance.NotEligible:
			status = "cancelled"
		}
		if k := e.Card; k != nil {
			if k.Code != "" {
				code = k.Code
			}
			c.Period = period(k.From, k.To)
			if k.BenefitRate > 0 && k.BenefitRate <= 100 {
				c.CostToBeneficiary = []Cost{{*concept(sysCopayType, "copaypct"), Quantity{float64(100 - k.BenefitRate), "%", sysUnits, "%"}}}
			}
		}
	}
	if code == "" && c.Period == nil {
		return nil
	}
	c.Status = f.status(status)
	if code != "" {
		c.SubscriberID = code
		c.Identifier = []Identifier{{Type: concept(sysIdentifierType, "MB"), System: f.CardSystem, Value: code}}
	}
	if insurance.ValidCardCode(code) { // everybody is insured in their own right by the state
		c.Type, c.Relationship = concept(sysActCode, "PUBLICPOL"), concept(sysRelationship, "self")
	}
	return c
}

func period(from, to string) *Period {
	p := Period{date(from), date(to)}
	if p == (Period{}) {
		return nil
	}
	return &p
}

// requestOf asks whether a coverage is in force and what it pays; without one, also which there is.
func requestOf(at time.Time, patient Reference, coverage *Reference, insurer Reference) *Request {
	q := &Request{
		ResourceType: "CoverageEligibilityRequest", Status: "active", Purpose: []string{"validation", "benefits"}, Patient: patient,
		ServicedDate: at.In(insurance.Vietnam).Format(time.DateOnly), Created: instant(at), Insurer: insurer,
	}
	if coverage == nil {
		q.Purpose = []string{"discovery", "validation", "benefits"}
	} else {
		q.Insurance = []RequestInsurance{{Focal: true, Coverage: *coverage}}
	}
	return q
}
