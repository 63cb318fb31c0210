package checkin

import (
	"maps"
	"slices"

	"github.com/tapcheck/tapcheck/icao/lds"
	"github.com/tapcheck/tapcheck/insurance"
	"github.com/tapcheck/tapcheck/insurance/claim"
)

// FieldPortrait is the name of the picture within Rights.Fields and Request.Fields.
const FieldPortrait = "portrait"

// DefaultFields is what admission needs, given when a request names no fields. What the law calls sensitive and what is
// about other people (religion, ethnicity, relatives, features, the old number) is never among it.
func DefaultFields() []string {
	return []string{"number", "fullName", "dateOfBirth", "sex", "nationality", "residence", "documentNumber", "issuedAt", "expiresAt", "noExpiry"}
}

// AllFields are the names of all identity fields, sorted.
func AllFields() []string {
	all := append(slices.Collect(maps.Keys(new(lds.Identity).Texts())), "noExpiry")
	slices.Sort(all)
	return all
}

// FileFields says what a raw file of the chip tells, by the names of a ceiling: who may have all of them may have the file,
// and nobody else. It is nil for a file that is not given out.
func FileFields(id lds.FileID) []string {
	mrz := []string{"number", "fullName", "dateOfBirth", "sex", "nationality", "documentNumber", "documentType", "issuingState", "expiresAt"}
	switch id {
	case lds.DG(1):
		return mrz
	case lds.SOD: // the digests in it let whoever has them try numbers and dates until one fits
		return mrz
	case lds.DG(2):
		return []string{FieldPortrait}
	case lds.DG(13):
		return []string{
			"number", "fullName", "dateOfBirth", "sex", "nationality", "ethnicity", "religion", "origin", "residence", "features",
			"issuedAt", "expiresAt", "father", "mother", "spouse", "oldNumber",
		}
	case lds.DG(14), lds.DG(15): // keys that no other card has: as good as its number
		return []string{"number"}
	}
	return nil
}

// FileWithin says whether a ceiling allows a raw file.
func FileWithin(id lds.FileID, ceiling []string) bool {
	all := FileFields(id)
	return len(all) > 0 && !slices.ContainsFunc(all, func(f string) bool { return !slices.Contains(ceiling, f) })
}

func knownField(name string) bool { return slices.Contains(AllFields(), name) }

// Filter copies the named fields of an identity, and where they came from, and nothing else.
func Filter(i *lds.Identity, fields []string) *lds.Identity {
	if i == nil {
		return nil
	}
	out := &lds.Identity{}
	from, to := i.Texts(), out.Texts()
	for _, name := range fields {
		if name == "noExpiry" {
			out.NoExpiry = i.NoExpiry
			continue
		}
		value, ok := from[name]
		if !ok {
			continue
		}
		*to[name] = *value
		if source := i.Source[name]; source != "" && *value != "" {
			if out.Source == nil {
				out.Source = map[string]string{}
			}
			out.Source[name] = source
		}
	}
	return out
}

// Within is what a session with these rights may see of a result; less says that it is not all of it. A job is its owner's,
// whatever token it was started with: of an origin with two tokens, the one that may see less must not learn more by
// asking for the other's job. The receiver is not changed.
func (r Result) Within(rights Rights) (out Result, less bool) {
	may := func(field string) bool {
		// "noExpiry" is the other half of "expiresAt".
		return slices.Contains(rights.Fields, field) || field == "noExpiry" && slices.Contains(rights.Fields, "expiresAt")
	}
	if r.Identity != nil {
		has := named(r.Identity)
		kept := slices.DeleteFunc(slices.Clone(has), func(f string) bool { return !may(f) })
		if len(kept) < len(has) {
			r.Identity, less = Filter(r.Identity, kept), true
		}
	}
	if r.Subject != nil {
		s := *r.Subject
		for field, value := range map[string]*string{"number": &s.Number, "fullName": &s.FullName, "dateOfBirth": &s.DateOfBirth, "sex": &s.Sex} {
			if !may(field) {
				*value = ""
			}
		}
		if s != *r.Subject {
			r.Subject, less = &s, true
		}
	}
	if r.Portrait != nil && !may(FieldPortrait) {
		r.Portrait, less = nil, true
	}
	if f := r.Verdicts; f != nil && !rights.Face && f.Face.Reason != lds.ReasonSwitchedOff && f.Face.Reason != lds.ReasonMeansIsNotChip {
		v := *r.Verdicts // also that somebody refused
		v.Face = FaceVerdict{Status: lds.NotDone, Reason: lds.ReasonSwitchedOff, Required: v.Face.Required}
		r.Verdicts, less = &v, true
	}
	// What the HIS itself has brought is no news to it.
	if r.Eligibility != nil && !rights.Insurance && r.Eligibility.Source != insurance.SourceSupplied {
		r.Eligibility, less = nil, true
	}
	if less {
		r.Claim = claimWithin(r.Claim, may, r.Eligibility != nil)
		if !may("residence") {
			r.Address = nil
		}
		if r.Eligibility == nil {
			r.Differences = slices.DeleteFunc(slices.Clone(r.Differences), func(d insurance.Difference) bool { return d.Between == insurance.BetweenGateway })
		}
	}
	return r, less
}

// Within is what a session with these rights may see of a need; less says that it is not all of it. Of a face it is told only what
// is waited for: the window's address is a right to act, and how an attempt ended is somebody's face. The receiver is not changed.
func (n Need) Within(rights Rights) (out Need, less bool) {
	if rights.Face || n.Consent == nil && n.Face == nil && n.Capture == nil {
		return n, false
	}
	n.Consent, n.Face, n.Capture = nil, nil, nil
	return n, true
}

// claimWithin leaves of a claim what comes from fields that may be given, and from the insurer's answer where that may be.
func claimWithin(c map[string]string, may func(field string) bool, insured bool) map[string]string {
	out := map[string]string{}
	for tag, value := range c {
		if field := claim.FieldOf(tag); field != "" && may(field) || field == "" && insured {
			out[tag] = value
		}
	}
	if len(out) == 0 {
		return nil
	}
	return out
}

// named lists the fields that hold something: what a disclosure lists.
func named(i *lds.Identity) []string {
	var out []string
	for name, value := range i.Texts() {
		if *value != "" {
			out = append(out, name)
		}
	}
	if i.NoExpiry {
		out = append(out, "noExpiry")
	}
	slices.Sort(out)
	return out
}

// grant decides what a job may give: what was asked (or the default) within the ceiling. limited says that something was
// asked for that is not given.
func grant(asked, ceiling []string, portrait *bool) (fields []string, picture, limited bool) {
	explicit := len(asked) > 0
	if !explicit {
		asked = DefaultFields()
	}
	for _, name := range asked {
		switch {
		case name == FieldPortrait:
			// Whether there is a picture is said by the request's own member.
		case !knownField(name) || !slices.Contains(ceiling, name):
			// "noExpiry" is the other half of "expiresAt": who may have the one may have the other.
			if name == "noExpiry" && slices.Contains(ceiling, "expiresAt") {
				fields = append(fields, name)
				continue
			}
			limited = limited || explicit
		case !slices.Contains(fields, name):
			fields = append(fields, name)
		}
	}
	if explicit && slices.Contains(fields, "expiresAt") && !slices.Contains(fields, "noExpiry") {
		fields = append(fields, "noExpiry")
	}
	picture = portrait == nil || *portrait
	if picture && !slices.Contains(ceiling, FieldPortrait) {
		picture = false
		limited = limited || portrait != nil
	}
	return fields, picture, limited
}
