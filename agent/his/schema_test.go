package his

import (
	"context"
	"encoding/json"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"maps"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/tapcheck/tapcheck/agent/catalog"
	"github.com/tapcheck/tapcheck/agent/checkin"
	"github.com/tapcheck/tapcheck/agent/his/schema"
	"github.com/tapcheck/tapcheck/agent/keys"
	"github.com/tapcheck/tapcheck/icao/lds"
	"github.com/tapcheck/tapcheck/insurance"
	"github.com/tapcheck/tapcheck/insurance/claim"
)

// said are the Go types of what the agent says, by the names that they have in the protocol's document. Whether a member is
// always there must be the same in both.
var said = map[string]any{
	"Accepted": checkin.Accepted{}, "Progress": checkin.Progress{}, "Need": checkin.Need{}, "JobStatus": checkin.JobStatus{}, "Result": checkin.Result{},
	"Step": checkin.Step{}, "Warning": checkin.Warning{}, "Timings": checkin.Timings{}, "Picture": checkin.Picture{}, "Verdicts": checkin.Verdicts{},
	"FaceVerdict": checkin.FaceVerdict{}, "AttackCheck": checkin.AttackCheck{}, "Decision": checkin.Decision{}, "Voiding": checkin.Voiding{},
	"CheckinLinkResult": checkin.Linked{}, "CheckinDecideResult": checkin.Decided{}, "CheckinVoidResult": checkin.Voided{}, "CheckinListResult": checkin.List{},
	"CheckinSummary": checkin.Summary{}, "InsuranceCheckResult": checkin.Check{}, "Attempt": checkin.Attempt{}, "EligibilityChanged": checkin.EligibilityChanged{},
	"VisitResult": checkin.VisitAnswer{}, "Unverified": checkin.Unverified{}, "CheckinProofResult": checkin.ProofAnswer{}, "ProofAttempt": checkin.ProofAttempt{}, "BundleFile": BundleFile{},
	"ConsentNeed": checkin.ConsentNeed{}, "FaceNeed": checkin.FaceNeed{}, "FaceChallenge": checkin.FaceChallenge{}, "FaceFinding": checkin.FaceFinding{}, "Capture": checkin.Capture{},
	"FaceFrameResult": checkin.FaceFrameResult{}, "FaceVerifyResult": checkin.FaceVerifyResult{}, "ConsentRecordResult": checkin.ConsentRecorded{},
	"Rights": checkin.Rights{}, "Operator": checkin.Operator{},
	"Identity": lds.Identity{}, "AccessVerdict": lds.AccessVerdict{}, "PassiveVerdict": lds.PassiveVerdict{}, "ExchangeVerdict": lds.ExchangeVerdict{},
	"BasisVerdict": lds.BasisVerdict{}, "Signer": lds.Signer{}, "Anchor": lds.Anchor{},
	"Eligibility": insurance.Eligibility{}, "InsuranceCard": insurance.Card{}, "Route": insurance.Route{}, "Difference": insurance.Difference{},
	"Place": claim.Place{}, "Unit": claim.Unit{}, "Rate": insurance.Rate{}, "Continuity": insurance.Continuity{}, "RouteAlternative": insurance.RouteAlternative{},
	"LookUp": insurance.LookUp{}, "History": insurance.History{}, "PastVisit": insurance.Visit{},
	"ErrorData": catalog.Wire{}, "ErrorObject": rpcError{}, "HealthItem": HealthItem{}, "Reader": readerWire{}, "ReaderCard": cardWire{},
	"AgentInfo": agentInfo{}, "ProtocolRange": versions{}, "Proof": proof{},
}

// asked are those of what clients send. Go cannot say what must be there; the checks of the engine do.
var asked = map[string]any{
	"CheckinStartParams": checkin.Request{}, "JobProvideParams": checkin.Provision{}, "KeyInput": checkin.KeyInput{}, "Expect": checkin.Expect{},
	"CheckinLinkParams": checkin.LinkRequest{}, "CheckinDecideParams": checkin.DecideRequest{}, "CheckinVoidParams": checkin.VoidRequest{},
	"CheckinListParams": checkin.ListRequest{}, "InsuranceCheckParams": checkin.CheckRequest{}, "VisitUpdateParams": checkin.VisitRequest{}, "Subject": checkin.Subject{}, "Visit": checkin.Visit{}, "Timeouts": checkin.Timeouts{}, "Care": insurance.Care{},
	"FaceAct": checkin.FaceAct{}, "FaceFrameParams": checkin.FaceFrameParams{}, "ImageInput": checkin.FaceImage{}, "ConsentRecordParams": checkin.ConsentRequest{},
	"JWK":       keys.JWK{},  // which a HIS backend's key may be too
	"Discovery": discovery{}, // of which a page that is not allowed gets less
}

// elsewhere are members of the document that other code puts there.
var elsewhere = map[string]bool{"Discovery.pairing": true}

// unsaid are members of Go types that no frame carries.
var unsaid = map[string]bool{"JWK.n": true, "JWK.e": true, "JWK.kid": true} // of a HIS backend's key; the agent's is on P-256

// TestGoTypesAreTheDocuments goes through every member of every type in both directions.
func TestGoTypesAreTheDocuments(t *testing.T) {
	names := map[reflect.Type]string{}
	all := maps.Clone(said)
	maps.Copy(all, asked)
	for name, v := range all {
		names[reflect.TypeOf(v)] = name
	}
	for name, v := range all {
		typ, ok := schema.Load().Type(name)
		if !ok {
			t.Errorf("the document has no %s", name)
			continue
		}
		members := map[string]member{}
		collect(reflect.TypeOf(v), members)
		for _, f := range typ.Fields {
			m, ok := members[f.Name]
			delete(members, f.Name)
			where := name + "." + f.Name
			switch {
			case f.Later && ok:
				t.Errorf("%s is there now: take \"later\" away", where)
			case f.Later || elsewhere[where]:
			case !ok:
				t.Errorf("%s stands in the document and not in %T", where, v)
			default:
				if problem := m.differs(f, names); problem != "" {
					t.Errorf("%s: %s", where, problem)
				}
				if _, ours := said[name]; ours && m.always != f.Required {
					t.Errorf("%s: always there: %v in Go, %v in the document", where, m.always, f.Required)
				}
			}
		}
		for m := range members {
			if unsaid[name+"."+m] {
				continue
			}
			t.Errorf("%s.%s stands in %T and not in the document", name, m, v)
		}
	}
}

// member is a member of a Go struct as encoding/json writes it.
type member struct {
	typ    reflect.Type
	always bool
}

func collect(t reflect.Type, into map[string]member) {
	for i := range t.NumField() {
		f := t.Field(i)
		tag, tagged := f.Tag.Lookup("json")
		name, options, _ := strings.Cut(tag, ",")
		switch {
		case f.Anonymous && !tagged:
			collect(f.Type, into)
		case !f.IsExported() || tag == "-":
		default:
			into[name] = member{f.Type, !strings.Contains(options, "omit")}
		}
	}
}

// differs says in what the Go type is not what the document says; "" is in nothing.
func (m member) differs(f schema.Field, names map[reflect.Type]string) string {
	t := m.typ
	for t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	base := func(kind string) string { // of a type that is no object
		if typ, ok := schema.Load().Type(kind); ok && typ.Fields == nil {
			return typ.Kind
		}
		return kind
	}
	switch {
	case t == reflect.TypeFor[time.Time]():
		if f.Kind != "string" || !slices.Contains(f.Bounds, "format date-time") {
			return "is a time"
		}
		return ""
	case t == reflect.TypeFor[[]byte]():
		if f.Kind != "string" || !slices.Contains(f.Bounds, "base64") {
			return "is base64"
		}
		return ""
	case t == reflect.TypeFor[json.RawMessage]() || t.Kind() == reflect.Map && t.Elem().Kind() == reflect.Interface:
		if base(f.Kind) != "object" {
			return "is any object"
		}
		return ""
	case t.Kind() == reflect.Slice:
		if !f.List {
			return "is a list"
		}
		t = t.Elem()
	case t.Kind() == reflect.Map:
		inner := f
		if typ, ok := schema.Load().Type(f.Kind); ok { // Claim
			inner = typ.Field
		}
		if !inner.Map || base(inner.Kind) != t.Elem().Kind().String() {
			return "is a map"
		}
		return ""
	case f.List || f.Map:
		return "is one value"
	}
	want := map[reflect.Kind]string{
		reflect.String: "string", reflect.Bool: "boolean", reflect.Int: "integer", reflect.Int64: "integer", reflect.Uint16: "integer", reflect.Uint32: "integer", reflect.Float64: "number",
	}[t.Kind()]
	if t.Kind() == reflect.Struct {
		want = names[t]
	}
	if got := base(f.Kind); got != want || want == "" {
		return fmt.Sprintf("is %v, which is %q; the document says %q", t, want, f.Kind)
	}
	return ""
}

// TestValuesAreTheConstants: each value that the document lists is a constant of ours, and each constant is listed.
func TestValuesAreTheConstants(t *testing.T) {
	for _, c := range []struct {
		at  string // type, or type.member
		dir string // relative to the repository
		typ string // Go type of the constants; or their prefix with a star behind it
	}{
		{"Means", "agent/checkin", "Means"},
		{"State", "agent/checkin", "State"},
		{"Phase", "agent/checkin", "Phase"},
		{"Need.need", "agent/checkin", "Need*"},
		{"VerdictStatus", "icao/lds", "Status"},
		{"Basis", "icao/lds", "Basis"},
		{"ReasonId", "icao/lds", "Reason"},
		{"AccessVerdict.key", "icao/lds", "KeyKind"},
		{"AccessVerdict.keyFrom", "icao/lds", "KeyFrom"},
		{"Eligibility.state", "insurance", "State"},
		{"Difference.kind", "insurance", "DiffersIn*"},
		{"About", "agent/checkin", "About*"},
		{"Reader.state", "reader", "State"},
		{"Right", "agent/keys", "Right*"},
		{"Operator.source", "agent/keys", "Operator*"},
		{"Language", "agent/catalog", "Lang"},
		{"ErrorId", "agent/catalog", "ID"},
		{"StepId", "agent/catalog", "Step*"},
		{"WarningId", "agent/catalog", "Warn*"},
		{"HealthItem.severity", "agent/health", "Severity"},
		{"FaceAct.action", "agent/checkin", "act*"},
		{"FaceVerdict.decision", "agent/checkin", "face*"},
		{"AttackLevel", "agent/checkin", "Attack*"},
		{"SimCardFault.kind", "icao/chip", "FaultKind"},
		{"SimFaultParams.gateway", "insurance/bhyt/localgateway", "Scenario"},
	} {
		name, memberName, _ := strings.Cut(c.at, ".")
		typ, ok := schema.Load().Type(name)
		if !ok {
			t.Errorf("no type %s", name)
			continue
		}
		f := typ.Field
		for _, m := range typ.Fields {
			if m.Name == memberName {
				f = m
			}
		}
		var listed []string
		for _, v := range f.Values {
			if !strings.HasSuffix(v.Meaning, "(later)") {
				listed = append(listed, v.Name)
			}
		}
		constants := constantsOf(t, c.dir, c.typ)
		if len(constants) < 2 {
			t.Errorf("%s has no constants %s", c.dir, c.typ)
		}
		for _, v := range constants {
			if !slices.Contains(listed, v) {
				t.Errorf("%s: the document does not list %s", c.at, v)
			}
		}
		for _, v := range listed {
			if !slices.Contains(constants, v) {
				t.Errorf("%s: %s is no constant of %s", c.at, v, c.dir)
			}
		}
	}
	fields, _ := schema.Load().Type("FieldName")
	if got, want := valueNames(fields.Values), append(checkin.AllFields(), checkin.FieldPortrait); !sameSet(got, want) {
		t.Errorf("fields are %v, the document has %v", want, got)
	}
	categories := map[string]bool{}
	for _, e := range catalog.Entries() {
		categories[e.Category] = true
	}
	data, _ := schema.Load().Type("ErrorData")
	for _, f := range data.Fields {
		if f.Name == "category" && !sameSet(valueNames(f.Values), slices.Collect(maps.Keys(categories))) {
			t.Errorf("categories are %v, the document has %v", categories, f.Values)
		}
	}
}

func valueNames(values []schema.Value) []string {
	var out []string
	for _, v := range values {
		out = append(out, v.Name)
	}
	return out
}

func sameSet(a, b []string) bool {
	a, b = slices.Clone(a), slices.Clone(b)
	slices.Sort(a)
	slices.Sort(b)
	return slices.Equal(a, b)
}

// constantsOf reads the string constants of a type, or with a prefix, out of the source.
func constantsOf(t *testing.T, dir, typ string) (out []string) {
	t.Helper()
	files, err := filepath.Glob(filepath.Join("../..", filepath.FromSlash(dir), "*.go"))
	if err != nil {
		t.Fatal(err)
	}
	prefix, byPrefix := strings.CutSuffix(typ, "*")
	for _, file := range files {
		if strings.HasSuffix(file, "_test.go") {
			continue
		}
		raw, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		parsed, err := parser.ParseFile(token.NewFileSet(), file, raw, 0)
		if err != nil {
			t.Fatal(err)
		}
		ast.Inspect(parsed, func(n ast.Node) bool {
			if _, function := n.(*ast.FuncDecl); function {
				return false
			}
			spec, ok := n.(*ast.ValueSpec)
			if !ok {
				return true
			}
			named, _ := spec.Type.(*ast.Ident)
			for i, name := range spec.Names {
				if byPrefix && (spec.Type != nil || !strings.HasPrefix(name.Name, prefix)) || !byPrefix && (named == nil || named.Name != typ) || len(spec.Values) <= i {
					continue
				}
				if lit, ok := spec.Values[i].(*ast.BasicLit); ok && lit.Kind == token.STRING {
					s, _ := strconv.Unquote(lit.Value)
					out = append(out, s)
				}
			}
			return true
		})
	}
	return out
}

// TestMethodsAreTheDocuments: the table of the server and the document know the same methods, which may come early, and
// which are not served yet.
func TestMethodsAreTheDocuments(t *testing.T) {
	r := newRig(t, everything)
	known := map[string]bool{}
	for _, m := range schema.Load().Messages {
		if m.Notification {
			continue
		}
		known[m.Name] = true
		switch got, ok := r.server.methods[m.Name]; {
		case !ok:
			t.Errorf("the server has no %s", m.Name)
		case got.early != m.Early:
			t.Errorf("%s: early is %v, the document says %v", m.Name, got.early, m.Early)
		case !slices.Equal(got.rights, m.Rights):
			t.Errorf("%s: rights are %v, the document says %v", m.Name, got.rights, m.Rights)
		case got.slow != m.Slow:
			t.Errorf("%s: slow is %v, the document says %v", m.Name, got.slow, m.Slow)
		case (got.run == nil) != m.Later:
			t.Errorf("%s: served is %v, the document says %v", m.Name, got.run != nil, !m.Later)
		}
	}
	for name := range r.server.methods {
		if !known[name] {
			t.Errorf("the document has no %s", name)
		}
	}
	r.server.Close()
	var events []string
	for _, m := range schema.Load().Messages {
		if strings.HasPrefix(m.Name, "job.") && m.Notification {
			events = append(events, m.Name)
		}
	}
	if want := []string{checkin.EventProgress, checkin.EventPartial, checkin.EventNeeds, checkin.EventResult}; !sameSet(events, want) {
		t.Errorf("the engine tells %v, the document has %v", want, events)
	}
}

// everything makes a server that serves all that there is.
func everything(c *Config) {
	c.Pairing = keys.NewPairing(c.Tokens.(*keys.TokenStore))
	c.Bundle = func(context.Context) (Bundle, error) { return Bundle{}, nil }
	c.Paper = func(checkin.Proof) ([]byte, error) { return nil, nil }
}

// TestNumbersAreTheDocuments: close codes and limits as they are said are those that hold.
func TestNumbersAreTheDocuments(t *testing.T) {
	var codes []int
	for _, c := range schema.Load().Closing {
		if c.Code >= 4000 {
			codes = append(codes, c.Code)
		}
	}
	if want := []int{CloseSessionTimeout, CloseTokenRejected, CloseSlow, CloseFlood}; !slices.Equal(codes, want) {
		t.Errorf("close codes are %v, the document has %v", want, codes)
	}
	r := newRig(t, func(c *Config) { c.Limits.RequestsPerSecond = 0 })
	defer r.server.Close()
	c := r.server.c
	seconds := func(d time.Duration) string { return fmt.Sprintf("%d seconds", int(d.Seconds())) }
	for what, want := range map[string]string{
		"Frame from a client":              fmt.Sprintf("%d MiB (%d KiB before session.open)", c.Limits.FrameBytes>>20, openFrameBytes>>10),
		"Params of a request":              fmt.Sprintf("%d KiB; %d MiB of face.frame and face.verify", maxParams>>10, maxPictured>>20),
		"Nesting of a frame":               fmt.Sprintf("%d levels", maxDepth),
		"Connections at the same time":     fmt.Sprint(c.Limits.Connections),
		"Requests per second of a session": fmt.Sprintf("%d, twice as many at once", c.Limits.RequestsPerSecond),
		"One request":                      seconds(c.RequestTimeout),
		"Until session.open":               seconds(c.OpenTimeout),
		"Frames waiting for a slow client": fmt.Sprintf("%d frames or %d MiB", c.Limits.QueueFrames, c.Limits.QueueBytes>>20),
		"Wrong tokens on one connection":   fmt.Sprint(maxWrongTokens),
		"Silence of a client":              "three pings of " + seconds(c.PingInterval),
	} {
		i := slices.IndexFunc(schema.Load().Limits, func(l schema.Limit) bool { return l.What == what })
		if i < 0 {
			t.Errorf("the document has no limit %q", what)
		} else if got := schema.Load().Limits[i].Value; got != want {
			t.Errorf("%s: it is %s, the document says %s", what, want, got)
		}
	}
}
