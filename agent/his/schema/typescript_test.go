package schema

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/tapcheck/tapcheck/agent/catalog"
)

// TestTypeScriptIsMadeOfTheDocument holds the TypeScript client's types to the document.
func TestTypeScriptIsMadeOfTheDocument(t *testing.T) {
	fresh(t, "../client/ts/src/protocol.ts", []byte(typeScript(Load())))
}

// typeScript writes the protocol as types. Members that are later are there as optional ones, which costs a client nothing.
func typeScript(p *Protocol) string {
	var b strings.Builder
	line := func(format string, args ...any) { fmt.Fprintf(&b, format+"\n", args...) }
	doc := func(indent string, parts ...string) {
		var words []string
		for _, s := range parts {
			words = append(words, strings.Fields(s)...)
		}
		if len(words) == 0 {
			return
		}
		lines, width := []string{""}, 116-len(indent)
		for _, w := range words {
			last := len(lines) - 1
			if lines[last] != "" && len(lines[last])+1+len(w) > width {
				lines = append(lines, w)
				continue
			}
			lines[last] = strings.TrimSpace(lines[last] + " " + w)
		}
		if len(lines) == 1 {
			line("%s/** %s */", indent, lines[0])
			return
		}
		line("%s/**", indent)
		for _, l := range lines {
			line("%s * %s", indent, l)
		}
		line("%s */", indent)
	}
	line("// Made of the protocol's schema by \"go generate ./agent/his/schema\". Do not edit.")
	line("")
	doc("", p.Description, "Members that a client does not know are to be ignored; a value that is not listed is to be treated as \"other\".")
	line("export type ProtocolVersion = 1;")
	for _, t := range p.Types {
		line("")
		what := t.Description
		if t.Later {
			what += " Not served yet."
		}
		doc("", what)
		if t.Fields == nil {
			line("export type %s =%s;", t.Name, tsType(t.Field, "  "))
			continue
		}
		if len(t.Fields) == 0 {
			line("export type %s = Record<string, never>;", t.Name)
			continue
		}
		line("export interface %s {", t.Name)
		for _, f := range t.Fields {
			var parts []string
			parts = append(parts, f.Description)
			for _, v := range f.Values {
				parts = append(parts, fmt.Sprintf("`%s`: %s.", v.Name, strings.TrimSuffix(v.Meaning, ".")))
			}
			if f.Later {
				parts = append(parts, "Not served yet.")
			}
			doc("  ", parts...)
			optional := "?"
			if f.Required {
				optional = ""
			}
			line("  %s%s:%s;", f.Name, optional, tsType(f, "    "))
		}
		line("}")
	}
	line("")
	doc("", "What a client may call: parameters and answer of each method.")
	line("export interface Methods {")
	for _, m := range p.Messages {
		if !m.Notification {
			what := m.Summary
			if m.Later {
				what += " Not served yet: NOT_AVAILABLE."
			}
			doc("  ", what)
			line("  %q: { params: %s; result: %s };", m.Name, m.Params, m.Result)
		}
	}
	line("}")
	line("")
	doc("", "What the agent says by itself: parameters of each notification.")
	line("export interface Notifications {")
	for _, m := range p.Messages {
		if m.Notification {
			doc("  ", m.Summary)
			line("  %q: %s;", m.Name, m.Params)
		}
	}
	line("}")
	line("")
	line("export type MethodName = keyof Methods;")
	line("export type NotificationName = keyof Notifications;")
	line("")
	doc("", "Close codes of the websocket.")
	line("export type CloseCode =")
	for i, c := range p.Closing {
		end := ""
		if i == len(p.Closing)-1 {
			end = ";"
		}
		line("  /** %s %s */", c.Meaning, c.Client)
		line("  | %d%s", c.Code, end)
	}
	return b.String()
}

// tsType is a type, with the blank or line break that stands before it.
func tsType(f Field, indent string) string {
	kind := map[string]string{"string": "string", "integer": "number", "number": "number", "boolean": "boolean", "object": "Record<string, unknown>", "string or number": "string | number"}[f.Kind]
	if kind == "" {
		kind = f.Kind
	}
	for _, b := range f.Bounds {
		if always, ok := strings.CutPrefix(b, "always "); ok && f.Kind == "string" {
			kind = fmt.Sprintf("%q", always)
		}
	}
	if len(f.Values) > 0 {
		var values []string
		for _, v := range f.Values {
			values = append(values, fmt.Sprintf("%q", v.Name))
		}
		if f.Open {
			values = append(values, "(string & {})")
		}
		kind = strings.Join(values, " | ")
		if !f.List && len(kind) > 80 {
			return "\n" + indent + "| " + strings.Join(values, "\n"+indent+"| ")
		}
		if f.List {
			kind = "(" + kind + ")"
		}
	}
	switch {
	case f.List:
		return " " + kind + "[]"
	case f.Map:
		return " Record<string, " + kind + ">"
	}
	return " " + kind
}

func TestTypeScriptNamesEverything(t *testing.T) {
	ts := typeScript(Load())
	for _, want := range []string{
		`"checkin.start": { params: CheckinStartParams; result: Accepted };`, `"job.result": Result;`, "  identity?: Identity;", "  next: Step[];",
		"  refused?: Record<string, number>;", `  algorithm: "ES256";`, `    | (string & {})`,
	} {
		if !strings.Contains(ts, want) {
			t.Errorf("no %s", want)
		}
	}
	for _, e := range catalog.Entries() {
		if !strings.Contains(ts, fmt.Sprintf("%q", string(e.ID))) {
			t.Error("no", e.ID)
		}
	}
	known := []string{"string", "number", "boolean", "object", "integer", "string or number", ""}
	for _, typ := range Load().Types {
		for _, f := range append(slices.Clone(typ.Fields), typ.Field) {
			if _, ok := Load().Type(f.Kind); !ok && !slices.Contains(known, f.Kind) {
				t.Errorf("%s.%s is of no type: %q", typ.Name, f.Name, f.Kind)
			}
		}
	}
}
