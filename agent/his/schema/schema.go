// Package schema is the HIS protocol as a machine reads it: an AsyncAPI 3 document with JSON Schemas of every message, from
// which the reference page and the TypeScript types are made, and against which tests hold every frame in both directions.
//
// The source is YAML for people (protocol.yaml, types.yaml) and examples that were recorded from the real agent (examples.json);
// asyncapi.json is made of them by "go generate", and
// is what the program carries. A test fails when it is stale.
//
// # What a schema demands, and what not
//
// Members that a schema does not name may come: whoever receives a message ignores them. Where a value is one of a list, a
// list that the client chooses from is an enum, and one that the agent chooses from is not: later versions may send other
// values, which a client treats as "other". The values of today then stand in x-values with their meanings, beside
// x-open. Tests use Strict, in which both doors are shut, so that neither the agent nor a test says anything that the
// document does not know.
//
// x-later marks what the protocol names and no agent serves yet; Strict refuses it too.
package schema

import (
	_ "embed"
	"strings"
	"sync"
)

//go:generate go test -run MadeOf -update .

//go:embed asyncapi.json
var document []byte

// Document is the AsyncAPI 3.0 document, JSON. The caller does not change it.
func Document() []byte { return document }

// parsed is the document with its order kept.
var parsed = sync.OnceValue(func() Object {
	o, err := Parse(document)
	if err != nil {
		panic("schema: asyncapi.json: " + err.Error()) // a test reads it
	}
	return o
})

const refPrefix = "#/components/schemas/"

// JSONSchema is all types of the protocol as one JSON Schema, draft 2020-12, for programs that know no AsyncAPI: the types
// are its $defs.
var JSONSchema = sync.OnceValue(func() []byte {
	types := parsed().object("components").object("schemas")
	bundle := Object{
		{"$schema", "https://json-schema.org/draft/2020-12/schema"},
		{"$id", "urn:tapcheck:protocol:v1"},
		{"title", parsed().object("info").text("title")},
		{"$defs", rewrite(types, func(o Object) Object {
			if ref, ok := strings.CutPrefix(o.text("$ref"), refPrefix); ok {
				return o.with("$ref", "#/$defs/"+ref)
			}
			return o
		})},
	}
	return bundle.JSON()
})

// Strict is the document as tests use it: members that it does not name, values that it does not list and what is x-later
// are refused.
var Strict = sync.OnceValue(func() []byte {
	return rewrite(parsed(), func(o Object) Object {
		if values, ok := o.Get("x-values").(Object); ok && o.Get("x-open") == true {
			var enum []any
			for _, v := range values {
				enum = append(enum, v.Name)
			}
			o = o.with("enum", enum)
		}
		members, ok := o.Get("properties").(Object)
		if !ok {
			return o
		}
		var closed Object
		for _, m := range members {
			if s, ok := m.Value.(Object); ok && s.Get("x-later") == true {
				m.Value = false
			}
			closed = append(closed, m)
		}
		o = o.with("properties", closed)
		if o.Get("additionalProperties") == nil {
			o = o.with("additionalProperties", false)
		}
		return o
	}).(Object).JSON()
})

// rewrite applies f to every object within v, the inner ones first.
func rewrite(v any, f func(Object) Object) any {
	switch v := v.(type) {
	case Object:
		out := make(Object, 0, len(v))
		for _, m := range v {
			out = append(out, Member{m.Name, rewrite(m.Value, f)})
		}
		return f(out)
	case []any:
		out := make([]any, len(v))
		for i := range v {
			out[i] = rewrite(v[i], f)
		}
		return out
	}
	return v
}
