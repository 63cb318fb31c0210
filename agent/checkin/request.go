package checkin

import (
	"cmp"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/tapcheck/tapcheck/agent/catalog"
	"github.com/tapcheck/tapcheck/icao/cccd"
	"github.com/tapcheck/tapcheck/icao/lds"
	"github.com/tapcheck/tapcheck/insurance"
)

// Bounds of a request. Everything in it is a client's word.
const (
	maxJobID     = 128
	maxName      = 200
	maxReference = 128
	maxFields    = 64
	maxReaderID  = 512
	maxWait      = 10 * time.Minute
	maxInsurance = 30 * time.Second
	minInsurance = time.Second // less would ask a gateway for what nobody waits for
)

var (
	twelveDigits = regexp.MustCompile(`^[0-9]{12}$`)
	isoDate      = regexp.MustCompile(`^[0-9]{4}(-[0-9]{2}(-[0-9]{2})?)?$`)
	// Fifteen characters (QĐ 1351/QĐ-BHXH) or the ten digits of the new form (QĐ 1666/QĐ-BHXH).
	insuranceCard = regexp.MustCompile(`^([A-Z]{2}[1-5][0-9]{12}|[0-9]{10})$`)
)

// bad is BAD_REQUEST with the name of the member that is wrong, and never with its value.
func bad(field, problem string) *catalog.Error {
	return catalog.New(catalog.BadRequest, map[string]any{"field": field, "problem": problem})
}

// text bounds a free text of a client.
func text(field, s string, most int) *catalog.Error {
	switch {
	case len(s) > most:
		return bad(field, fmt.Sprintf("longer than %d bytes", most))
	case !utf8.ValidString(s):
		return bad(field, "not UTF-8")
	case strings.ContainsFunc(s, func(r rune) bool { return r < ' ' || r == 0x7F }):
		return bad(field, "control character")
	}
	return nil
}

// check looks at everything in a request but the key, and puts defaults in.
func (r *Request) check(c cards) *catalog.Error {
	texts := []struct {
		field, value string
		most         int
	}{
		{"jobId", r.JobID, maxJobID}, {"reader", r.Reader, maxReaderID}, {"desk", r.Desk, maxReference}, {"nonce", r.Nonce, 256},
	}
	if r.Operator != nil {
		texts = append(texts, []struct {
			field, value string
			most         int
		}{{"operator.id", r.Operator.ID, maxReference}, {"operator.source", r.Operator.Source, 32}}...)
	}
	for _, t := range texts {
		if e := text(t.field, t.value, t.most); e != nil {
			return e
		}
	}
	if r.Visit != nil {
		if e := r.Visit.check(); e != nil {
			return Explain(e)
		}
	}
	if r.Care != nil {
		if e := checkCare(*r.Care); e != nil {
			return e
		}
	}
	if r.JobID == "" {
		return bad("jobId", "missing")
	}
	// An id that could be a name or a sentence would carry a person's data to places that ids go to.
	if strings.ContainsFunc(r.JobID, func(c rune) bool { return c <= ' ' || c > '~' }) {
		return bad("jobId", "only printable ASCII without spaces")
	}
	if e := r.checkMeans(c); e != nil {
		return e
	}
	if r.Expect != nil {
		r.Expect.Number = compact(r.Expect.Number)
		if e := text("expect.number", r.Expect.Number, 32); e != nil {
			return e
		}
		if r.Expect.Number == "" {
			return bad("expect.number", "missing")
		}
	}
	if len(r.Fields) > maxFields {
		return bad("fields", fmt.Sprintf("more than %d", maxFields))
	}
	for i, f := range r.Fields {
		if e := text(fmt.Sprintf("fields[%d]", i), f, 64); e != nil {
			return e
		}
	}
	switch r.Insurance {
	case "agent", "off", "":
		if r.Eligibility != nil {
			return bad("eligibility", "only with insurance supplied")
		}
	case "supplied":
		if r.Eligibility == nil {
			return bad("eligibility", "missing")
		}
		states := []insurance.State{insurance.Eligible, insurance.NotEligible, insurance.Check, insurance.Pending, insurance.Unknown, insurance.Off}
		if !slices.Contains(states, r.Eligibility.State) {
			return bad("eligibility.state", "unknown")
		}
		if e := suppliedTexts(r.Eligibility); e != nil {
			return e
		}
	default:
		return bad("insurance", "unknown")
	}
	switch r.Face {
	case "", FaceOff, FaceOffered, FaceRequired:
	default:
		return bad("face", "unknown")
	}
	if t := r.Timeouts; t != nil {
		for _, v := range []struct {
			field       string
			ms          int
			least, most time.Duration
		}{
			{"timeouts.waitMs", t.WaitMs, 0, maxWait}, {"timeouts.needMs", t.NeedMs, 0, maxWait},
			{"timeouts.insuranceMs", t.InsuranceMs, minInsurance, maxInsurance},
		} {
			if v.ms != 0 && int64(v.ms) < v.least.Milliseconds() || v.ms < 0 || int64(v.ms) > v.most.Milliseconds() {
				return bad(v.field, fmt.Sprintf("not within %d to %d", v.least.Milliseconds(), v.most.Milliseconds()))
			}
		}
	}
	return nil
}

// checkMeans looks at who the person is said to be, and by what.
func (r *Request) checkMeans(c cards) *catalog.Error {
	switch r.Means {
	case MeansChip, MeansNumber, MeansPaperCard, MeansVNeID, MeansNoCard, MeansEmergency:
	case "":
		return bad("means", "missing")
	default:
		return bad("means", "unknown")
	}
	if r.Means == MeansChip {
		if r.Subject != nil {
			return bad("subject", "a chip speaks for itself")
		}
		return nil
	}
	s := r.Subject
	switch {
	case r.Key != nil && r.Means != MeansPaperCard:
		return bad("key", "only a chip and a paper card have a key")
	case r.Key != nil && s != nil:
		return bad("subject", "either the card's QR code or what is written on it")
	case s == nil && (r.Means == MeansEmergency || r.Means == MeansPaperCard):
		// Whoever comes by ambulance has no name yet; and a paper card may still be scanned.
		return nil
	case s == nil:
		return bad("subject", "missing")
	}
	if e := s.check(c); e != nil {
		return e
	}
	missing := func(field, value string) *catalog.Error {
		if value == "" {
			return bad("subject."+field, "missing")
		}
		return nil
	}
	switch r.Means {
	case MeansNumber:
		return missing("number", s.Number+s.CardCode)
	case MeansPaperCard:
		return missing("cardCode", s.CardCode)
	case MeansVNeID:
		return cmp.Or(missing("number", s.Number), missing("fullName", s.FullName), missing("dateOfBirth", s.DateOfBirth))
	case MeansNoCard:
		return cmp.Or(missing("fullName", s.FullName), missing("dateOfBirth", s.DateOfBirth))
	}
	return nil
}

func (v *Visit) check() error {
	if e := cmp.Or(text("visit.maLk", v.MaLK, maxReference), text("visit.maBn", v.MaBN, maxReference)); e != nil {
		return e
	}
	return nil
}

// grounds are those that a route can depend on.
var grounds = []string{
	insurance.GroundEmergency, insurance.GroundTransfer, insurance.GroundResidence, insurance.GroundReturn, insurance.GroundDonor, insurance.GroundNewborn,
	insurance.GroundListedDisease, insurance.GroundHardshipArea, insurance.GroundMedicine, insurance.GroundSelfPaying,
}

func checkCare(c insurance.Care) *catalog.Error {
	if !slices.Contains([]string{"", insurance.CareOutpatient, insurance.CareInpatient}, c.Setting) {
		return bad("care.setting", "unknown")
	}
	if len(c.Grounds) > 16 {
		return bad("care.grounds", "more than 16")
	}
	for _, g := range c.Grounds {
		if !slices.Contains(grounds, g) {
			return bad("care.grounds", "unknown")
		}
	}
	return nil
}

// cards says which form the codes of insurance cards have.
type cards struct {
	form    *regexp.Regexp
	upper   bool // case does not matter
	problem string
}

var (
	stateCards = cards{insuranceCard, true, "neither fifteen characters nor ten digits"}
	otherCards = cards{regexp.MustCompile(`^[!-~]{1,64}$`), false, "not 1 to 64 printable ASCII characters"} // an insurer's own affair
)

// cards are those of the insurer who is asked.
func (e *Engine) cards() cards {
	if e.cfg.Insurer != nil && e.cfg.Insurer.Name() == insurance.SourceFHIR {
		return otherCards
	}
	return stateCards
}

func (s *Subject) check(c cards) *catalog.Error {
	s.Number, s.CardCode = compact(s.Number), compact(s.CardCode)
	if c.upper {
		s.CardCode = strings.ToUpper(s.CardCode)
	}
	s.FullName = strings.TrimSpace(s.FullName)
	switch {
	case s.Number != "" && !twelveDigits.MatchString(s.Number):
		return bad("subject.number", "not twelve digits")
	case s.CardCode != "" && !c.form.MatchString(s.CardCode):
		return bad("subject.cardCode", c.problem)
	case s.DateOfBirth != "" && !validDate(s.DateOfBirth):
		return bad("subject.dateOfBirth", "not an ISO 8601 date")
	case !slices.Contains([]string{"", "male", "female", "unspecified"}, s.Sex):
		return bad("subject.sex", "unknown")
	}
	return text("subject.fullName", s.FullName, maxName)
}

func suppliedTexts(e *insurance.Eligibility) *catalog.Error {
	for _, t := range []struct{ field, value string }{
		{"code", e.Code}, {"text", e.Text}, {"textEn", e.TextEN}, {"advice", e.Advice}, {"reason", e.Reason}, {"source", e.Source},
	} {
		if err := text("eligibility."+t.field, t.value, 1000); err != nil {
			return err
		}
	}
	if c := e.Card; c != nil {
		for _, t := range []struct{ field, value string }{
			{"code", c.Code}, {"from", c.From}, {"to", c.To}, {"registeredFacility", c.RegisteredFacility},
			{"fiveYearsFrom", c.FiveYearsFrom}, {"area", c.Area}, {"previous", c.Previous}, {"next", c.Next},
		} {
			if err := text("eligibility.card."+t.field, t.value, 64); err != nil {
				return err
			}
		}
	}
	if c := e.Card; c != nil && (c.BenefitRate < 0 || c.BenefitRate > 100) {
		return bad("eligibility.card.benefitRate", "not within 0 to 100")
	}
	for _, l := range e.LookedUpBy[:min(len(e.LookedUpBy), insurance.MaxLookUps)] { // more are not kept
		if err := text("eligibility.lookedUpBy", l.Facility+l.Code, 64); err != nil {
			return err
		}
	}
	// These the agent finds out itself, from the card and its rules.
	e.Rate, e.Continuity = nil, nil
	if len(e.Differences) > 32 {
		return bad("eligibility.differences", "more than 32")
	}
	for _, d := range e.Differences {
		if err := text("eligibility.differences", d.Field+d.Kind+d.Cause+d.Between+d.Advice, 160); err != nil {
			return err
		}
	}
	if r := e.Route; r != nil {
		r.Alternatives = nil
		return text("eligibility.route", r.Proposal+r.Reason+r.Text+r.TextEN+r.Source, 2000)
	}
	return nil
}

// compact takes out the blanks that people put between groups of digits.
func compact(s string) string { return strings.Join(strings.Fields(s), "") }

// validDate accepts "1999", "1999-01" and "1999-01-31".
func validDate(s string) bool {
	if !isoDate.MatchString(s) {
		return false
	}
	_, err := time.Parse("2006-01-02"[:len(s)], s)
	return err == nil
}

// ParseKey makes a key of what was scanned or typed; an empty input is an empty key. The error is a *catalog.Error:
// BAD_REQUEST if more than one kind is given or dates are without their number, KEY_MALFORMED or QR_FOREIGN.
func ParseKey(in KeyInput) (lds.Key, error) {
	k, err := parseKey(&in)
	if err != nil { // never a typed nil
		return lds.Key{}, err
	}
	return k, nil
}

// parsePaper makes the person of a paper card's QR code.
func parsePaper(in *KeyInput) (*Subject, *catalog.Error) {
	if in == nil || *in == (KeyInput{}) {
		return nil, nil
	}
	if only := (KeyInput{QR: in.QR}); *in != only {
		return nil, bad("key", "a paper card has a QR code only")
	}
	c, err := insurance.ParsePaperCard(in.QR)
	detail := map[string]any{"field": "key.qr"}
	if _, problem, _ := strings.Cut(fmt.Sprint(err), ": "); err != nil && problem != "" { // in our own words, without anything of the code
		detail["problem"] = problem
	}
	switch {
	case errors.Is(err, insurance.ErrPaperCardMangled):
		return nil, catalog.New(catalog.KeyMalformed, detail)
	case err != nil:
		return nil, catalog.New(catalog.PaperQRForeign, detail)
	}
	return &Subject{CardCode: c.Code, FullName: c.FullName, DateOfBirth: c.DateOfBirth, Sex: c.Sex}, nil
}

// parseKey makes a key of what the client gave; an empty input is an empty key. At most one kind is allowed.
func parseKey(in *KeyInput) (lds.Key, *catalog.Error) {
	if in == nil {
		return lds.Key{}, nil
	}
	var given []string
	for _, k := range []struct {
		name, value string
		most        int
	}{
		{"can", in.CAN, 64}, {"mrz", in.MRZ, 512}, {"qr", in.QR, 8192}, {"number", in.Number, 64}, {"documentNumber", in.DocumentNumber, 64},
	} {
		if k.value == "" {
			continue
		}
		if len(k.value) > k.most {
			return lds.Key{}, catalog.New(catalog.KeyMalformed, map[string]any{"field": "key." + k.name, "problem": "too long"})
		}
		given = append(given, k.name)
	}
	if len(in.DateOfBirth) > 32 || len(in.ExpiresAt) > 32 {
		return lds.Key{}, catalog.New(catalog.KeyMalformed, map[string]any{"field": "key", "problem": "date too long"})
	}
	dates := in.DateOfBirth != "" || in.ExpiresAt != ""
	switch {
	case len(given) > 1:
		return lds.Key{}, bad("key", "at most one of can, mrz, qr, number and documentNumber")
	case len(given) == 0 && dates:
		return lds.Key{}, bad("key", "dates without a number")
	case len(given) == 0:
		return lds.Key{}, nil
	case dates && given[0] != "number" && given[0] != "documentNumber":
		return lds.Key{}, bad("key", "dates only with a number")
	}
	var k lds.Key
	var err error
	switch given[0] {
	case "can":
		k, err = lds.KeyFromCAN(in.CAN)
	case "mrz":
		k, err = lds.KeyFromMRZ(in.MRZ)
	case "qr":
		k, err = cccd.KeyFromQR(in.QR)
	case "number":
		k, err = cccd.KeyFromNumber(in.Number, in.DateOfBirth, in.ExpiresAt)
	case "documentNumber":
		if in.DateOfBirth == "" || in.ExpiresAt == "" {
			return lds.Key{}, bad("key", "a document number needs both dates")
		}
		k, err = lds.KeyFromDocument(in.DocumentNumber, in.DateOfBirth, in.ExpiresAt)
	}
	if err != nil {
		e := Explain(err)
		if e.ID == catalog.Internal { // a key that cannot be parsed is malformed, however that is said
			e = catalog.Wrap(catalog.KeyMalformed, err)
		}
		// The problem is in our own words ("a CAN has six digits"); the makers of keys promise that no digit of the key is in it.
		_, problem, _ := strings.Cut(err.Error(), ": ")
		detail := map[string]any{"field": "key." + given[0]}
		if problem != "" {
			detail["problem"] = problem
		}
		return lds.Key{}, &catalog.Error{ID: e.ID, Detail: detail, Err: e.Err}
	}
	if k.Empty() {
		return lds.Key{}, catalog.New(catalog.KeyMalformed, map[string]any{"field": "key." + given[0]})
	}
	return k, nil
}
