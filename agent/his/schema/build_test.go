package schema

import (
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"

	"github.com/tapcheck/tapcheck/agent/catalog"
	"github.com/tapcheck/tapcheck/agent/face"
)

var update = flag.Bool("update", false, "write what is made of the source")

// TestDocumentIsMadeOfItsSource makes asyncapi.json of the YAML, the recorded examples and the catalogue, and compares.
func TestDocumentIsMadeOfItsSource(t *testing.T) {
	b := builder{types: map[string]bool{}}
	doc, err := b.document()
	if err != nil {
		t.Fatal(err)
	}
	fresh(t, "asyncapi.json", doc.JSON())
	if *update { // what is made of the document must see the new one
		document = doc.JSON()
	}
}

// fresh compares a file with what it is made of, or writes it.
func fresh(t *testing.T, file string, want []byte) {
	t.Helper()
	if *update {
		if err := os.WriteFile(file, want, 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	got, err := os.ReadFile(file)
	if err != nil || !bytes.Equal(got, want) {
		t.Errorf("%s is stale: run go generate ./agent/his/schema, then make client (%v)", file, err)
	}
}

// builder makes the AsyncAPI document.
type builder struct {
	types map[string]bool // names of all types
	err   error
}

func (b *builder) fail(format string, args ...any) {
	if b.err == nil {
		b.err = fmt.Errorf(format, args...)
	}
}

// source reads a YAML file with its order.
func (b *builder) source(file string) Object {
	raw, err := os.ReadFile(file)
	if err != nil {
		b.fail("%w", err)
		return nil
	}
	var n yaml.Node
	if err := yaml.Unmarshal(raw, &n); err != nil || len(n.Content) == 0 {
		b.fail("%s: %v", file, err)
		return nil
	}
	o, _ := b.fromYAML(n.Content[0]).(Object)
	return o
}

func (b *builder) fromYAML(n *yaml.Node) any {
	switch n.Kind {
	case yaml.MappingNode:
		o := Object{}
		for i := 0; i+1 < len(n.Content); i += 2 {
			name := n.Content[i].Value
			if o.Get(name) != nil {
				b.fail("line %d: %s twice", n.Content[i].Line, name)
			}
			o = append(o, Member{name, b.fromYAML(n.Content[i+1])})
		}
		return o
	case yaml.SequenceNode:
		list := []any{}
		for _, c := range n.Content {
			list = append(list, b.fromYAML(c))
		}
		return list
	case yaml.ScalarNode:
		switch n.Tag {
		case "!!int", "!!float":
			return json.Number(n.Value)
		case "!!bool":
			return n.Value == "true"
		case "!!null":
			b.fail("line %d: null", n.Line)
		}
		return strings.TrimSpace(n.Value)
	}
	b.fail("line %d: YAML that is not understood here", n.Line)
	return nil
}

// schema expands the shorthands of types.yaml.
func (b *builder) schema(s Object) Object {
	out := Object{}
	add := func(name string, v any) { out = append(out, Member{name, v}) }
	if s.Get("properties") != nil && s.Get("type") == nil {
		add("type", "object")
	}
	for _, m := range s {
		switch m.Name {
		case "type":
			name, _ := m.Value.(string)
			switch {
			case b.types[name]:
				add("$ref", refPrefix+name)
			case slices.Contains([]string{"object", "array", "string", "integer", "number", "boolean"}, name):
				add("type", name)
			default:
				b.fail("no type %v", m.Value)
			}
		case "properties":
			members, _ := m.Value.(Object)
			props, required := Object{}, []any{}
			for _, p := range members {
				name, always := strings.CutSuffix(p.Name, "!")
				if always {
					required = append(required, name)
				}
				inner, ok := p.Value.(Object)
				if !ok {
					b.fail("%s is no schema", p.Name)
				}
				props = append(props, Member{name, b.schema(inner)})
			}
			add("properties", props)
			if len(required) > 0 {
				add("required", required)
			}
		case "values":
			values, _ := m.Value.(Object)
			names := []any{}
			for _, v := range values {
				names = append(names, v.Name)
			}
			if s.Get("open") == true {
				add("examples", names)
			} else {
				add("enum", names)
			}
			add("x-values", values)
		case "open", "later":
			add("x-"+m.Name, m.Value)
		case "items", "additionalProperties":
			if inner, ok := m.Value.(Object); ok {
				add(m.Name, b.schema(inner))
			} else {
				add(m.Name, m.Value)
			}
		case "description", "pattern", "format", "contentEncoding", "const", "minimum", "maximum", "minLength", "maxLength", "maxItems", "oneOf":
			add(m.Name, m.Value)
		default:
			b.fail("the shorthand knows no %s", m.Name)
		}
	}
	return out
}

// listed is a type whose values are the catalogue's.
func listed(description string, ids []string, text func(string) string) Object {
	names, values := []any{}, Object{}
	for _, id := range ids {
		names, values = append(names, id), append(values, Member{id, text(id)})
	}
	return Object{{"type", "string"}, {"description", description}, {"pattern", "^[A-Z0-9_]+$"}, {"examples", names[:1]}, {"x-open", true}, {"x-values", values}}
}

// catalogued are the types that are the catalogue's ids.
func catalogued() Object {
	english := func(of func(string, catalog.Lang) (string, bool)) func(string) string {
		return func(id string) string { s, _ := of(id, catalog.EN); return s }
	}
	var errs []string
	for _, e := range catalog.Entries() {
		errs = append(errs, string(e.ID))
	}
	return Object{
		{"ErrorId", listed("Id of an error. Frozen; the help page at /help/ID has its cause and cure.", errs, func(id string) string {
			e, _ := catalog.Lookup(catalog.ID(id))
			return e.Text.EN
		})},
		{"StepId", listed("Id of something that the desk does now. Frozen.", catalog.StepIDs(), english(catalog.StepText))},
		{"FindingId", listed("Id of something about a live picture. Frozen.", slices.Sorted(slices.Values(face.FindingIDs)), english(catalog.FaceText))},
		{"WarningId", listed("Id of a warning within a result. Frozen.", catalog.WarningIDs(), english(catalog.WarningText))},
		{"ReasonId", listed("Id of the reason why a verdict is not passed, or of what is odd about it. Frozen.", reasons(), english(func(id string, l catalog.Lang) (string, bool) {
			if s, ok := catalog.ReasonText(id, l); ok {
				return s, true
			}
			return catalog.WarningText(id, l)
		}))},
	}
}

// reasons are the reasons of verdicts, and those of their warnings.
func reasons() []string {
	all := catalog.ReasonIDs()
	for _, id := range []string{"WEAK_ALGORITHM", "ACCESS_ALTERED", "MRZ_CHECK_DIGIT", "REVOCATION_LIST_STALE", "KNOWN_DEVIATION"} {
		if !slices.Contains(all, id) {
			all = append(all, id)
		}
	}
	slices.Sort(all)
	return all
}

func ref(to string) Object { return Object{{"$ref", to}} }

func (b *builder) document() (Object, error) {
	protocol, types := b.source("protocol.yaml"), b.source("types.yaml")
	// The examples were recorded: TestExamples of package agent plays them.
	raw, err := os.ReadFile("examples.json")
	if err != nil {
		b.fail("%w", err)
	}
	recorded, err := Parse(raw)
	if err != nil {
		b.fail("examples.json: %w", err)
	}
	examples := map[string][]Object{}
	for _, v := range recorded.list("examples") {
		e := v.(Object)
		examples[e.text("message")] = append(examples[e.text("message")], e)
	}
	ids := catalogued()
	for _, t := range slices.Concat(types, ids) {
		if b.types[t.Name] {
			b.fail("type %s twice", t.Name)
		}
		b.types[t.Name] = true
	}
	schemas := Object{}
	for _, t := range types {
		s, _ := t.Value.(Object)
		schemas = append(schemas, Member{t.Name, b.schema(s)})
	}
	schemas = append(schemas, ids...)

	messages, operations, ofChannel := Object{}, Object{}, Object{}
	message := func(name, title, summary string, payload Object, shown []any) {
		m := Object{{"name", name}, {"title", title}}
		if summary != "" {
			m = append(m, Member{"summary", summary})
		}
		m = append(m, Member{"contentType", "application/json"}, Member{"payload", payload})
		if len(shown) > 0 {
			m = append(m, Member{"examples", shown})
		}
		messages = append(messages, Member{name, m})
		ofChannel = append(ofChannel, Member{name, ref("#/components/messages/" + name)})
	}
	typ := func(op, name string) Object {
		if !b.types[name] {
			b.fail("%s: no type %q", op, name)
		}
		return ref(refPrefix + name)
	}
	frame := func(required []any, members ...Member) Object {
		props := Object{{"jsonrpc", Object{{"const", "2.0"}}}}
		return Object{{"type", "object"}, {"properties", append(props, members...)}, {"required", append([]any{"jsonrpc"}, required...)}}
	}
	var failures []any
	operation := func(name string, v any, receives bool) {
		o := v.(Object)
		action := "send"
		if receives {
			action = "receive"
		}
		op := Object{
			{"action", action}, {"channel", ref("#/channels/v1")}, {"title", o.text("title")}, {"summary", o.text("summary")}, {"description", o.text("description")},
			{"messages", []any{ref("#/channels/v1/messages/" + name)}},
		}
		if receives {
			op = append(op, Member{"reply", Object{{"channel", ref("#/channels/v1")}, {"messages", []any{
				ref("#/channels/v1/messages/" + name + ".result"), ref("#/channels/v1/messages/error"),
			}}}})
		}
		op = append(op, Member{"x-params", o.text("params")})
		if receives {
			op = append(op, Member{"x-result", o.text("result")})
		}
		for _, m := range []string{"group", "vi", "rights", "slow", "later", "errors"} {
			if v := o.Get(m); v != nil {
				op = append(op, Member{"x-" + m, v})
			}
		}
		for _, id := range o.texts("errors") {
			if _, ok := catalog.Lookup(catalog.ID(id)); !ok {
				b.fail("%s: no error %s", name, id)
			}
		}
		if o.flag("early") {
			op = append(op, Member{"x-before-session", true})
		}
		operations = append(operations, Member{name, op})

		var sent, answered []any
		for _, e := range examples[name] {
			shown := Object{{"name", e.text("name")}}
			if s := e.text("summary"); s != "" {
				shown = append(shown, Member{"summary", s})
			}
			sent = append(sent, append(shown, Member{"payload", e.object("frame")}))
			answer := Object{{"name", e.text("name")}, {"payload", e.object("answer")}}
			switch {
			case e.object("answer").Get("result") != nil:
				answered = append(answered, answer)
			case e.object("answer").Get("error") != nil:
				failures = append(failures, answer)
			}
		}
		params := Member{"params", typ(name, o.text("params"))}
		if !receives {
			message(name, o.text("title"), o.text("summary"), frame([]any{"method", "params"}, Member{"method", Object{{"const", name}}}, params), sent)
			return
		}
		// Where nothing is required, params may be left out; without an id a request is served and not answered.
		required := []any{"method"}
		if s := schemas.object(o.text("params")); s.Get("required") != nil {
			required = append(required, "params")
		}
		message(name, o.text("title"), o.text("summary"), frame(required, Member{"id", ref(refPrefix + "RequestId")}, Member{"method", Object{{"const", name}}}, params), sent)
		message(name+".result", o.text("title")+": the answer", "", frame([]any{"id", "result"}, Member{"id", ref(refPrefix + "RequestId")}, Member{"result", typ(name, o.text("result"))}), answered)
	}
	for _, m := range protocol.object("notifications") {
		operation(m.Name, m.Value, false)
	}
	for _, m := range protocol.object("methods") {
		operation(m.Name, m.Value, true)
	}
	message("error", "An error", "The answer to a request that failed.", frame([]any{"id", "error"}, Member{"id", ref(refPrefix + "RequestId")}, Member{"error", ref(refPrefix + "ErrorObject")}), failures)
	for name := range examples {
		if operations.Get(name) == nil {
			b.fail("examples of %s, which is none", name)
		}
	}

	return Object{
		{"asyncapi", "3.0.0"},
		{"id", "urn:tapcheck:protocol:v1"},
		{"info", Object{
			{"title", protocol.text("title")}, {"version", protocol.text("version")}, {"description", protocol.text("description")},
			{"license", Object{{"name", "Apache-2.0"}}},
		}},
		{"defaultContentType", "application/json"},
		{"servers", Object{{"agent", Object{
			{"host", "127.0.0.1:{port}"}, {"protocol", "ws"},
			{"title", "The agent on this PC"},
			{"description", "Loopback only. GET /.well-known/tapcheck.json on each port says which one it is, and whether your origin may connect (type Discovery)."},
			{"variables", Object{{"port", Object{{"description", "The first free one of these, unless his.ports says others."}, {"enum", []any{"27480", "27481", "27482", "27483"}}, {"default", "27480"}}}}},
			{"security", []any{Object{{"type", "http"}, {"scheme", "bearer"}, {"description", "Desktop programs only, at the upgrade. A web page is known by its Origin and brings its token in session.open."}}}},
		}}}},
		{"channels", Object{{"v1", Object{
			{"address", "/v1"}, {"title", "The websocket"},
			{"description", "One JSON-RPC 2.0 message per text frame, UTF-8, subprotocol tapcheck.v1. Members that a client does not know are to be ignored, and values that it does not know to be treated as \"other\"."},
			{"servers", []any{ref("#/servers/agent")}},
			{"messages", ofChannel},
			{"bindings", Object{{"ws", Object{{"method", "GET"}, {"headers", Object{{"type", "object"}, {"properties", Object{{"Sec-WebSocket-Protocol", Object{{"type", "string"}, {"const", "tapcheck.v1"}}}}}}}, {"bindingVersion", "0.1.0"}}}}},
		}}}},
		{"operations", operations},
		{"components", Object{{"messages", messages}, {"schemas", schemas}}},
		{"x-discovery", Object{
			{"path", "/.well-known/tapcheck.json"}, {"payload", ref(refPrefix + "Discovery")}, {"examples", recorded.list("discovery")},
		}},
		{"x-groups", protocol.list("groups")},
		{"x-closing", protocol.list("closing")},
		{"x-limits", protocol.list("limits")},
		{"x-binary", protocol.text("binary")},
	}, b.err
}
