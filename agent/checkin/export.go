package checkin

import (
	"context"
	"errors"

	"github.com/tapcheck/tapcheck/agent/catalog"
	"github.com/tapcheck/tapcheck/insurance"
	"github.com/tapcheck/tapcheck/insurance/fhir"
)

// FormatFHIR is the format of an Export: a Bundle of HL7 FHIR R4. The value goes over the wire and is frozen.
const FormatFHIR = "fhir"

// ExportRequest is checkin.export.
type ExportRequest struct {
	JobID     string `json:"jobId,omitempty"`
	CheckinID string `json:"checkinId,omitempty"`
	Format    string `json:"format"`
}

// Export answers checkin.export.
type Export struct {
	CheckinID string      `json:"checkinId"`
	Format    string      `json:"format"`
	Bundle    fhir.Bundle `json:"bundle"`
	Recorded  bool        `json:"recorded"` // that it was told
}

// Export gives a check-in that is over as resources of FHIR R4, as it stands now (what the insurer answered later, and that it was taken back,
// is in it), and of the person no more than the session may see. That it is told again is on record before it leaves. Errors
// are of the catalogue: BAD_REQUEST, JOB_UNKNOWN, CHECKIN_UNFINISHED, JOURNAL_UNREADABLE.
func (e *Engine) Export(ctx context.Context, o Owner, rights Rights, r ExportRequest) (Export, error) {
	if err := errors.Join(checkName(r.JobID, r.CheckinID), oneOf("format", r.Format, []string{FormatFHIR})); err != nil {
		return Export{}, Explain(err)
	}
	f, err := e.file(ctx, o, r.JobID, r.CheckinID)
	if err != nil {
		return Export{}, err
	}
	if !f.result.State.Final() {
		return Export{}, catalog.New(catalog.CheckinUnfinished, nil)
	}
	result, _ := f.result.Within(rights)
	facts := factsOf(result)
	facts.Facility = e.cfg.Facility.Code

	j := &job{e: e, key: jobKey{owner: o}, checkinID: result.CheckinID}
	told := (&Subject{Number: facts.Number, FullName: facts.FullName, DateOfBirth: facts.DateOfBirth, Sex: facts.Sex, CardCode: facts.CardCode}).names()
	for _, field := range []struct{ name, value string }{{"nationality", facts.Nationality}, {"residence", facts.Residence}} {
		if field.value != "" {
			told = append(told, field.name)
		}
	}
	if facts.Eligibility != nil && facts.Eligibility.State != insurance.Off {
		told = append(told, "eligibility")
	}
	j.disclose(o.String(), told...)
	out := Export{CheckinID: result.CheckinID, Format: r.Format, Bundle: fhir.Resources(facts)}
	e.locked(func() { out.Recorded = !j.unwritten })
	return out, nil
}

// factsOf is what of a result the resources are made of.
func factsOf(r Result) fhir.Facts {
	f := fhir.Facts{ID: r.CheckinID, At: r.StartedAt, Simulated: r.Simulated, Void: r.State == Void, Eligibility: r.Eligibility}
	switch i, s := r.Identity, r.Subject; {
	case i != nil:
		f.Number, f.FullName, f.DateOfBirth, f.Sex, f.Nationality, f.Residence = i.Number, i.FullName, i.DateOfBirth, i.Sex, i.Nationality, i.Residence
	case s != nil:
		f.Number, f.FullName, f.DateOfBirth, f.Sex, f.CardCode = s.Number, s.FullName, s.DateOfBirth, s.Sex, s.CardCode
	}
	return f
}
