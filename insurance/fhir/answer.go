package fhir

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"mime"
	"net/http"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/tapcheck/tapcheck/insurance"
)

// Bounds of what is taken over from an answer.
const (
	maxText    = 512
	maxEntries = 200 // resources, and members of each list
	maxKept    = 64 << 10
)

var codeForm = regexp.MustCompile(`^[0-9A-Za-z._-]{1,32}$`)

// asked is what an answer has to be about.
type asked struct {
	q          insurance.Request
	identifier string // of the request
	day        time.Time
	numbers    string // namespace of personal numbers
}

// reply is what came back, whatever it is.
type reply struct {
	status int
	kind   string // Content-Type
	body   []byte
}

// answer is what could be read: one of the two.
type answer struct {
	response *Response
	outcome  *OperationOutcome
	others   map[string]json.RawMessage // resources beside it, by what references say
}

func number(f float64) *json.Number {
	n := json.Number(strconv.FormatFloat(f, 'f', -1, 64))
	return &n
}

// read finds the answer in a body: the response itself, or in a Bundle or a Parameters.
func read(r reply, identifier string) (answer, error) {
	if kind, _, err := mime.ParseMediaType(r.kind); r.kind != "" && (err != nil || kind != "application/json" && kind != "text/json" && !strings.HasSuffix(kind, "+json")) {
		return answer{}, fmt.Errorf("%w: not JSON", insurance.ErrGarbage)
	}
	body := bytes.TrimSpace(bytes.TrimPrefix(r.body, []byte("\ufeff")))
	if len(body) == 0 || body[0] != '{' || !utf8.Valid(body) {
		return answer{}, fmt.Errorf("%w: not JSON", insurance.ErrGarbage)
	}
	a := answer{others: map[string]json.RawMessage{}}
	var found []Response
	if err := a.collect(body, 0, &found); err != nil {
		return answer{}, err
	}
	if len(found) > 1 { // those that say themselves that they answer something else do not count
		found = slices.DeleteFunc(found, func(r Response) bool { return !r.answers(identifier) })
	}
	switch {
	case len(found) > 1:
		return answer{}, fmt.Errorf("%w: several answers", insurance.ErrGarbage)
	case len(found) == 1:
		a.response, a.outcome = &found[0], nil
		if !a.response.answers(identifier) {
			return answer{}, fmt.Errorf("%w: answer to another question", insurance.ErrGarbage)
		}
	case a.outcome == nil:
		return answer{}, fmt.Errorf("%w: no CoverageEligibilityResponse", insurance.ErrGarbage)
	}
	return a, nil
}

// answers says whether a response is not one to something else. A server that keeps the request under a name of its own need not
// repeat the identifier.
func (r *Response) answers(identifier string) bool {
	i := r.Request.Identifier
	return i == nil || i.Value == "" || i.Value == identifier
}

// collect looks at one resource and at those within it, no deeper than a Bundle in a Parameters.
func (a *answer) collect(body []byte, depth int, found *[]Response) error {
	var head struct {
		ResourceType string `json:"resourceType"`
		Parameter    []struct {
			Name     string          `json:"name"`
			Resource json.RawMessage `json:"resource"`
		} `json:"parameter"`
		Entry []struct {
			FullURL  string          `json:"fullUrl"`
			Resource json.RawMessage `json:"resource"`
		} `json:"entry"`
	}
	if err := decode(body, &head); err != nil {
		return err
	}
	switch head.ResourceType {
	case "CoverageEligibilityResponse":
		var r Response
		if err := decode(body, &r); err != nil {
			return err
		}
		for _, c := range bounded(r.Contained) {
			a.keep("#", "", c)
		}
		r.Contained = nil
		*found = append(*found, r)
	case "OperationOutcome":
		var o OperationOutcome
		if err := decode(body, &o); err != nil {
			return err
		}
		o.Issue = bounded(o.Issue)
		a.outcome = &o
	case "Parameters":
		for _, p := range bounded(head.Parameter) {
			if p.Name == "return" && len(p.Resource) > 0 && depth == 0 {
				return a.collect(p.Resource, depth+1, found)
			}
		}
	case "Bundle":
		if depth > 1 {
			break
		}
		for _, e := range bounded(head.Entry) {
			if len(e.Resource) == 0 {
				continue
			}
			kind := a.keep("", e.FullURL, e.Resource)
			if kind == "CoverageEligibilityResponse" || kind == "OperationOutcome" {
				if err := a.collect(e.Resource, 2, found); err != nil {
					return err
				}
			}
		}
	}
	return nil
}

// keep remembers a resource by the names that a reference can have for it, and says of which type it is. One that cannot be read is
// as good as none.
func (a *answer) keep(prefix, fullURL string, resource json.RawMessage) string {
	var id struct {
		ResourceType string `json:"resourceType"`
		ID           string `json:"id"`
	}
	if json.Unmarshal(resource, &id) != nil || len(a.others) >= maxEntries {
		return ""
	}
	if id.ID != "" && prefix == "#" {
		a.others["#"+id.ID] = resource
	} else if id.ID != "" {
		a.others[id.ResourceType+"/"+id.ID] = resource
	}
	if fullURL != "" {
		a.others[fullURL] = resource
	}
	return id.ResourceType
}

// decode reads a resource. A member of the wrong type spoils it: nothing of it can be trusted then.
func decode(body []byte, v any) error {
	if json.Unmarshal(body, v) != nil {
		return fmt.Errorf("%w: not FHIR JSON", insurance.ErrGarbage)
	}
	return nil
}

func bounded[T any](list []T) []T { return list[:min(len(list), maxEntries)] }

// refusals are the issue codes (valueset-issue-type.html) that do not mean "this question cannot be answered": access and
// settings, which a person must see to, and what passes by itself.
var refusals = map[string]error{
	"security": insurance.ErrRejected, "login": insurance.ErrRejected, "unknown": insurance.ErrRejected, "expired": insurance.ErrRejected,
	"forbidden": insurance.ErrRejected, "suppressed": insurance.ErrRejected, "not-supported": insurance.ErrRejected,
	"transient": insurance.ErrUnreachable, "lock-error": insurance.ErrUnreachable, "no-store": insurance.ErrUnreachable, "exception": insurance.ErrUnreachable,
	"timeout": insurance.ErrUnreachable, "incomplete": insurance.ErrUnreachable, "throttled": insurance.ErrUnreachable,
}

// byStatus is what an HTTP status alone means; nil: it is an answer, or one that its body has to explain.
func byStatus(status int) error {
	switch {
	case status >= 200 && status < 300, status == http.StatusBadRequest, status == http.StatusUnprocessableEntity:
		return nil
	case status == http.StatusNotImplemented:
		return insurance.ErrRejected
	case status >= 500, status == http.StatusRequestTimeout, status == http.StatusConflict, status == http.StatusTooEarly, status == http.StatusTooManyRequests:
		return insurance.ErrUnreachable
	case status >= 400: // access, address, format, preconditions (412, 428): somebody has to look at the settings
		return insurance.ErrRejected
	}
	return insurance.ErrGarbage // a redirect leads nowhere
}

// coded is a failure with what the server called it.
func coded(code string, err error) (insurance.Eligibility, error) {
	if !codeForm.MatchString(code) {
		return insurance.Eligibility{}, err
	}
	raw, _ := json.Marshal(map[string]string{"code": code})
	return insurance.Eligibility{Source: insurance.SourceFHIR, Code: code, Raw: raw}, &insurance.CodeError{Code: code, Err: err}
}

// judge turns what came back into an eligibility, or an error with, where there is one, the server's own code.
func judge(q asked, r reply, now time.Time) (insurance.Eligibility, error) {
	e, err := judged(q, r, now)
	if e.Code != "" {
		e.AsOf = now
	}
	return e, err
}

func judged(q asked, r reply, now time.Time) (insurance.Eligibility, error) {
	if r.status == http.StatusAccepted { // asynchronous (async.html); whatever stands in it, it is no answer yet
		return coded("queued", insurance.ErrUnreachable)
	}
	failed := byStatus(r.status)
	a, err := read(r, q.identifier)
	switch {
	case a.outcome != nil:
		return refused(a.outcome, r.status)
	case failed != nil:
		return insurance.Eligibility{}, fmt.Errorf("%w: HTTP status %d", failed, r.status)
	case r.status >= 400 && (err != nil || a.response.Outcome != "error"):
		return insurance.Eligibility{}, fmt.Errorf("%w: HTTP status %d", insurance.ErrRejected, r.status)
	case err != nil:
		return insurance.Eligibility{}, err
	}
	return a.eligibility(q, now)
}

// refused is what an OperationOutcome means. The status speaks first, where it is not one of those
// that only say that something is wrong with the question.
func refused(o *OperationOutcome, status int) (insurance.Eligibility, error) {
	rank := map[string]int{"fatal": 3, "error": 2}
	var worst *Issue
	for i := range o.Issue {
		if n := rank[o.Issue[i].Severity]; n > 0 && (worst == nil || n > rank[worst.Severity]) {
			worst = &o.Issue[i]
		}
	}
	err := byStatus(status)
	if worst == nil {
		if err == nil || errors.Is(err, insurance.ErrGarbage) {
			return insurance.Eligibility{}, fmt.Errorf("%w: OperationOutcome without an error", insurance.ErrGarbage)
		}
		return insurance.Eligibility{}, fmt.Errorf("%w: HTTP status %d", err, status)
	}
	if err == nil {
		var known bool
		if err, known = refusals[worst.Code]; !known {
			err = insurance.ErrRequest
		}
	}
	return coded(worst.Code, err)
}

// word is one of our own words for what an insurer says.
type word struct{ vi, en string }

var words = map[string]word{
	"inforce":     {"Bảo hiểm đang có hiệu lực.", "The coverage is in force."},
	"not-inforce": {"Bảo hiểm không có hiệu lực.", "The coverage is not in force."},
	"silent":      {"Bên bảo hiểm không cho biết bảo hiểm có hiệu lực hay không.", "The insurer does not say whether the coverage is in force."},
	"none":        {"Bên bảo hiểm không nêu bảo hiểm nào của người này.", "The insurer names no coverage of this person."},
	"error":       {"Bên bảo hiểm không xử lý được yêu cầu.", "The insurer could not process the request."},
	"rules":       {"Câu trả lời của bên bảo hiểm kèm quy tắc mà phần mềm này không biết.", "The insurer's answer comes with rules that this program does not know."},
}

// eligibility maps a response.
func (a answer) eligibility(q asked, now time.Time) (insurance.Eligibility, error) {
	r := a.response
	r.Insurance, r.Error = bounded(r.Insurance), bounded(r.Error)
	e := insurance.Eligibility{State: insurance.Unknown, Source: insurance.SourceFHIR, AsOf: now, Code: r.Outcome, Advice: "CHECK_PAPERS"}
	say := func(key string) {
		e.Text, e.TextEN = words[key].vi, words[key].en
		if own := insurance.Plain(r.Disposition, maxText); own != "" { // in whatever language the insurer has
			e.Text, e.TextEN = e.Text+" "+own, e.TextEN+" "+own
		}
	}
	for i := range r.Error {
		if code := firstCode(r.Error[i].Code); codeForm.MatchString(code) {
			e.Code = code
			break
		}
	}
	if !slices.Contains([]string{"", "active"}, r.Status) || !slices.Contains([]string{"complete", "partial", "error", "queued"}, r.Outcome) {
		return insurance.Eligibility{}, fmt.Errorf("%w: no answer that is valid", insurance.ErrGarbage)
	}
	if r.Outcome == "queued" {
		return coded("queued", insurance.ErrUnreachable)
	}
	e.Raw = raw(r)
	if r.Outcome == "error" {
		say("error")
		return e, nil
	}
	e.Differences = a.differences(q)
	if len(r.Insurance) == 0 {
		say("none")
		e.Advice = "ASK_INSURANCE_CARD"
		return e, nil
	}
	i, cover, sure := a.choose(q.q.CardCode)
	odd := !sure
	if i.ModifierExtension != nil || r.ModifierExtension != nil || r.ImplicitRules != "" {
		say("rules")
		return e, nil
	}
	e.Card, odd = a.card(q, i, cover, odd)
	switch {
	case i.Inforce == nil:
		say("silent")
		return e, nil
	case !*i.Inforce:
		e.State, e.Advice = insurance.NotEligible, "NOT_COVERED"
		if slices.ContainsFunc(r.Insurance, func(o ResponseInsurance) bool { return o.Inforce != nil && *o.Inforce }) { // this card is not, another one is
			e.State, e.Advice = insurance.Check, "CHECK_PAPERS"
		}
		say("not-inforce")
		return e, nil
	}
	say("inforce")
	e.State, e.Advice = insurance.Eligible, "PROCEED"
	odd = odd || r.Outcome == "partial" || len(r.Error) > 0 || cover != nil && cover.Status != "active" && cover.Status != ""
	for _, d := range e.Differences {
		if d.Kind == insurance.DiffersInValue {
			e.State, e.Advice = insurance.Check, "CHECK_IDENTITY"
		}
	}
	if e.State == insurance.Eligible && (odd || e.Card != nil && !e.Card.Covers(q.day)) {
		e.State, e.Advice = insurance.Check, "CHECK_PAPERS"
	}
	return e, nil
}

func firstCode(c Concept) string {
	if len(c.Coding) > 0 {
		return c.Coding[0].Code
	}
	return ""
}

// choose takes the coverage that was asked about; without one, the first that is in force, or else the first. It is sure only where no
// other one is, or says the same.
func (a answer) choose(card string) (chosen ResponseInsurance, cover *Coverage, sure bool) {
	list := a.response.Insurance
	best, bestRank := 0, -1
	for n, i := range list {
		rank := 0
		if i.Inforce != nil && *i.Inforce {
			rank = 1
		}
		if card != "" && strings.EqualFold(a.code(i), card) {
			rank += 2
		}
		if rank > bestRank {
			best, bestRank = n, rank
		}
	}
	sure = bestRank >= 2 // it is named
	if !sure {
		sure = !slices.ContainsFunc(list, func(i ResponseInsurance) bool {
			return (i.Inforce == nil) != (list[best].Inforce == nil) || i.Inforce != nil && *i.Inforce != *list[best].Inforce
		})
	}
	return list[best], resolve[Coverage](a, list[best].Coverage, "Coverage"), sure
}

// code is the card code of a coverage, as far as the answer says it.
func (a answer) code(i ResponseInsurance) string {
	if c := resolve[Coverage](a, i.Coverage, "Coverage"); c != nil {
		if c.SubscriberID != "" {
			return c.SubscriberID
		}
		for _, k := range bounded(c.Identifier) {
			if k.Value != "" {
				return k.Value
			}
		}
	}
	if k := i.Coverage.Identifier; k != nil {
		return k.Value
	}
	return ""
}

// resolve finds what a reference names among the resources of the answer; nil where it is not there, or not of that kind.
func resolve[T any](a answer, r Reference, kind string) *T {
	raw, ok := a.others[r.Reference]
	if !ok || r.Reference == "" {
		return nil
	}
	var head struct {
		ResourceType string `json:"resourceType"`
	}
	v := new(T)
	if json.Unmarshal(raw, &head) != nil || head.ResourceType != kind || json.Unmarshal(raw, v) != nil {
		return nil
	}
	return v
}

// card is the coverage as the insurer knows it. odd says that a date was there and is none, or that it was so before.
func (a answer) card(q asked, i ResponseInsurance, cover *Coverage, odd bool) (*insurance.Card, bool) {
	var c insurance.Card
	if c.Code = insurance.Plain(a.code(i), 64); c.Code == "" && i.Coverage.Reference != "" && i.Coverage.Reference == urn(q.identifier, "Coverage") {
		c.Code = q.q.CardCode // the answer points at what was asked
	}
	p := i.BenefitPeriod
	if p == nil && cover != nil {
		p = cover.Period
	}
	if p != nil {
		var ok bool
		if c.From, ok = day(p.Start, false); !ok {
			odd = true
		}
		if c.To, ok = day(p.End, true); !ok {
			odd = true
		}
	}
	if c == (insurance.Card{}) {
		return nil, odd
	}
	c.BenefitRate = rate(bounded(i.Item))
	return &c, odd
}

// rate is what the insurer pays of the health plan as a whole, in percent; 0 where it says none, or several.
func rate(items []Item) int {
	found := -1
	for _, i := range items {
		whole := i.Category == nil || i.Category.has(sysCategory, "30")
		if i.Excluded || i.ProductOrService != nil || i.ModifierExtension != nil || !whole || i.Network != nil && !i.Network.has(sysNetwork, "in") {
			continue
		}
		for _, b := range bounded(i.Benefit) {
			if !b.Type.has(sysBenefitType, "copay-percent") || b.AllowedUnsignedInt == nil {
				continue
			}
			n, err := strconv.ParseUint(b.AllowedUnsignedInt.String(), 10, 8)
			if err != nil || n > 100 || found >= 0 && found != int(n) {
				return 0
			}
			found = int(n)
		}
	}
	if found < 0 {
		return 0
	}
	return 100 - found
}

// day turns a date or a moment of FHIR into a whole date: the first one that it can mean, or the last. False: it is neither.
func day(s string, last bool) (string, bool) {
	switch {
	case s == "":
		return "", true
	case len(s) > len(time.DateOnly):
		t, err := time.Parse(time.RFC3339Nano, s)
		if err != nil {
			return "", false
		}
		return t.In(insurance.Vietnam).Format(time.DateOnly), true
	case date(s) == "":
		return "", false
	}
	t, err := time.Parse(time.DateOnly, s+"-01-01"[max(0, len(s)-4):])
	if err != nil {
		return "", false
	}
	if last && len(s) == 4 {
		t = t.AddDate(1, 0, -1)
	} else if last && len(s) == 7 {
		t = t.AddDate(0, 1, -1)
	}
	return t.Format(time.DateOnly), true
}

// differences compares the patient whom the insurer describes, if it does, with the one who was asked about.
func (a answer) differences(q asked) []insurance.Difference {
	numbers := []Identifier{}
	if k := a.response.Patient.Identifier; k != nil {
		numbers = append(numbers, *k)
	}
	var out []insurance.Difference
	if p := resolve[Patient](a, a.response.Patient, "Patient"); p != nil {
		numbers = append(numbers, bounded(p.Identifier)...)
		said := insurance.Request{DateOfBirth: date(p.BirthDate), Sex: p.Gender}
		out = compareNames(q.q, bounded(p.Name))
		out = append(out, insurance.Compare(q.q, said)...)
	}
	for _, k := range numbers {
		ours := k.System == q.numbers && (q.numbers != "" || k.Type.has(sysIdentifierType, "NI"))
		if ours && q.q.Number != "" && k.Value != "" && k.Value != q.q.Number {
			return append(out, insurance.Difference{Field: "number", Kind: insurance.DiffersInValue})
		}
	}
	return out
}

// compareNames takes the name that differs least, in either order of its parts: the standard has a member for each, and insurers fill them
// in either way.
func compareNames(q insurance.Request, names []HumanName) (least []insurance.Difference) {
	badness := func(d []insurance.Difference) int {
		switch {
		case len(d) == 0:
			return 0
		case d[0].Kind == insurance.DiffersInValue:
			return 2
		}
		return 1
	}
	first := true
	for _, n := range names {
		given := strings.Join(bounded(n.Given), " ")
		for _, s := range []string{n.Text, n.Family + " " + given, given + " " + n.Family} {
			if s = insurance.Plain(s, maxText); s == "" {
				continue
			}
			if d := insurance.Compare(q, insurance.Request{FullName: s}); first || badness(d) < badness(least) {
				least, first = d, false
			}
		}
	}
	return least
}

// raw is what of a response is kept: what is read here, and nothing else of it.
func raw(r *Response) []byte {
	kept := *r
	kept.Meta, kept.ModifierExtension, kept.Disposition = nil, nil, insurance.Plain(r.Disposition, maxText)
	kept.Insurance = nil
	for _, i := range r.Insurance {
		i.ModifierExtension, i.Item = nil, nil
		kept.Insurance = append(kept.Insurance, i)
	}
	b, err := json.Marshal(kept)
	if err != nil || len(b) > maxKept {
		return nil
	}
	return b
}
