package schema

import (
	"bytes"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"
)

// TestIsAsyncAPI holds the document to the AsyncAPI 3.0.0 specification's own JSON Schema, which the npm package
// @asyncapi/specs carries (the TypeScript client's development dependencies bring it).
func TestIsAsyncAPI(t *testing.T) {
	const file = "../client/ts/node_modules/@asyncapi/specs/schemas/3.0.0-without-$id.json"
	raw, err := os.ReadFile(filepath.FromSlash(file))
	if err != nil {
		t.Fatalf("the specification comes from `make setup`: %v", err)
	}
	spec, err := jsonschema.UnmarshalJSON(bytes.NewReader(raw))
	if err != nil {
		t.Fatal(err)
	}
	c := jsonschema.NewCompiler()
	c.DefaultDraft(jsonschema.Draft7)
	if err := c.AddResource("asyncapi.schema.json", spec); err != nil {
		t.Fatal(err)
	}
	s, err := c.Compile("asyncapi.schema.json")
	if err != nil {
		t.Fatal(err)
	}
	doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(Document()))
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Validate(doc); err != nil {
		t.Errorf("%v", err)
	}
}

// TestStructure holds what every AsyncAPI 3.0 document must have, without the specification at hand: it names its version,
// every reference leads somewhere, every operation belongs to the channel and lists messages of it, and every message has a
// payload.
func TestStructure(t *testing.T) {
	doc := parsed()
	if doc.text("asyncapi") != "3.0.0" || doc.object("info").text("title") == "" || doc.object("info").text("version") == "" {
		t.Error("version or info is missing")
	}
	var refs []string
	rewrite(doc, func(o Object) Object {
		if r := o.text("$ref"); r != "" {
			refs = append(refs, r)
		}
		return o
	})
	if len(refs) < 200 {
		t.Errorf("only %d references: the document is not what it should be", len(refs))
	}
	for _, r := range refs {
		at := any(doc)
		for _, part := range strings.Split(strings.TrimPrefix(r, "#/"), "/") {
			o, _ := at.(Object)
			at = o.Get(part)
		}
		if at == nil {
			t.Errorf("%s leads nowhere", r)
		}
	}
	name := regexp.MustCompile(`^[A-Za-z0-9_.-]+$`)
	ofChannel := doc.object("channels").object("v1").object("messages")
	for _, op := range doc.object("operations") {
		o := op.Value.(Object)
		if !slices.Contains([]string{"send", "receive"}, o.text("action")) || !name.MatchString(op.Name) || len(o.list("messages")) == 0 {
			t.Errorf("operation %s is none", op.Name)
		}
		for _, m := range slices.Concat(o.list("messages"), o.object("reply").list("messages")) {
			if r := strings.TrimPrefix(m.(Object).text("$ref"), "#/channels/v1/messages/"); ofChannel.Get(r) == nil {
				t.Errorf("%s: the channel has no message %s", op.Name, r)
			}
		}
	}
	for _, m := range doc.object("components").object("messages") {
		if o := m.Value.(Object); o.object("payload") == nil || o.text("title") == "" || ofChannel.Get(m.Name) == nil {
			t.Errorf("message %s has no payload or title, or is not the channel's", m.Name)
		}
	}
}

// TestEverythingIsDescribed: a member says what it is and in which unit, a value what it means, a method what it is for in
// both languages.
func TestEverythingIsDescribed(t *testing.T) {
	p := Load()
	described := map[string]bool{}
	for _, typ := range p.Types {
		described[typ.Name] = typ.Description != ""
		if typ.Description == "" {
			t.Errorf("%s is not described", typ.Name)
		}
	}
	values := func(where string, f Field) {
		for _, v := range f.Values {
			if v.Meaning == "" {
				t.Errorf("%s: %s has no meaning", where, v.Name)
			}
		}
	}
	for _, typ := range p.Types {
		values(typ.Name, typ.Field)
		for _, f := range typ.Fields {
			where := typ.Name + "." + f.Name
			if f.Description == "" && !described[f.Kind] {
				t.Errorf("%s is not described", where)
			}
			values(where, f)
			if n := strings.ToLower(f.Name); strings.HasSuffix(n, "ms") && f.Kind == "integer" && !strings.Contains(f.Description, "illisecond") {
				t.Errorf("%s does not name its unit", where)
			}
			if strings.Contains(f.Description, "ISO 8601") || f.Kind != "string" {
				continue
			}
			if n := f.Name; (strings.HasSuffix(n, "At") || n == "at" || n == "time" || n == "since") && !strings.Contains(f.Description, "RFC 3339") {
				t.Errorf("%s does not say what form the time has", where)
			}
		}
	}
	groups := map[string]bool{}
	for _, g := range p.Groups {
		groups[g.ID] = g.Title != "" && g.VI != "" && g.About != ""
	}
	used := map[string]bool{}
	for _, m := range p.Messages {
		if m.Title == "" || m.Summary == "" || m.Description == "" || m.VITitle == "" || m.VISummary == "" || !groups[m.Group] {
			t.Errorf("%s is not described in both languages, or belongs to no group", m.Name)
		}
		if !slices.ContainsFunc(m.Examples, func(e Example) bool { return m.Notification || e.Answer != nil }) {
			t.Errorf("%s has no example that succeeds", m.Name)
		}
		used[m.Params], used[m.Result] = true, true
	}
	raw := string(Document())
	for _, typ := range p.Types {
		if !used[typ.Name] && typ.Name != "Discovery" && !strings.Contains(raw, `"`+refPrefix+typ.Name+`"`) {
			t.Errorf("nobody uses %s", typ.Name)
		}
	}
}
