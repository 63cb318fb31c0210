package schema

import (
	"fmt"
	"strings"
	"sync"
)

// Protocol is the document as pages and generators use it.
type Protocol struct {
	Title, Version, Description string
	Groups                      []Group
	Messages                    []Message // methods and notifications, in the order of the document
	Types                       []Type
	Closing                     []Closing
	Limits                      []Limit
	Binary                      string    // how pictures travel as binary frames
	Discovery                   []Example // of GET /.well-known/tapcheck.json; Frame is the body
}

// Group is what belongs together.
type Group struct{ ID, Title, VI, About string }

// Message is a method of the client's (Notification false) or a notification of the agent's.
type Message struct {
	Name                        string
	Notification                bool
	Group                       string
	Title, Summary, Description string
	VITitle, VISummary          string
	Params, Result              string   // names of types; a notification has no result
	Rights                      []string // of which the session needs one; none: the session is enough
	Slow                        bool     // its answer may come after those to later requests
	Early                       bool     // may come before session.open
	Later                       bool     // not served yet
	Errors                      []string
	Examples                    []Example
}

// Example is one frame, and the one that answers it: of Answer and Failure at most one is there.
type Example struct {
	Name, Summary          string
	Frame, Answer, Failure Object
}

// Type is a named type.
type Type struct {
	Name, Description string
	Later             bool
	Fields            []Field // of an object; nil where it is none
	Field                     // of anything else: what it is
}

// Field is a member of an object, or what a type is that has no members.
type Field struct {
	Name        string
	Required    bool
	Later       bool
	Kind        string // "string", "integer", "number", "boolean", "object"; or the name of a type
	List        bool   // an array of Kind
	Map         bool   // an object whose members are of Kind
	Description string
	Values      []Value
	Open        bool     // other values may come
	Bounds      []string // further rules, in words
}

// Value is one of an enumeration.
type Value struct{ Name, Meaning string }

// Closing is a close code of the websocket.
type Closing struct {
	Code                  int
	Name, Meaning, Client string
}

// Limit bounds what a client can take.
type Limit struct{ What, Value, Setting, Over string }

// Load gives the protocol. The caller does not change it.
var Load = sync.OnceValue(func() *Protocol {
	d := parsed()
	info := d.object("info")
	p := &Protocol{Title: info.text("title"), Version: info.text("version"), Description: info.text("description"), Binary: d.text("x-binary")}
	for _, v := range d.list("x-groups") {
		g := v.(Object)
		p.Groups = append(p.Groups, Group{g.text("id"), g.text("title"), g.text("vi"), g.text("about")})
	}
	for _, v := range d.list("x-closing") {
		c := v.(Object)
		p.Closing = append(p.Closing, Closing{number(c.Get("code")), c.text("name"), c.text("meaning"), c.text("client")})
	}
	for _, v := range d.list("x-limits") {
		l := v.(Object)
		p.Limits = append(p.Limits, Limit{l.text("what"), l.text("value"), l.text("setting"), l.text("over")})
	}
	for _, v := range d.object("x-discovery").list("examples") {
		e := v.(Object)
		p.Discovery = append(p.Discovery, Example{Name: e.text("name"), Summary: e.text("summary"), Frame: e.object("body")})
	}
	messages := d.object("components").object("messages")
	payloads := func(message string) map[string]Object { // of its examples, by name
		out := map[string]Object{}
		for _, v := range messages.object(message).list("examples") {
			out[v.(Object).text("name")] = v.(Object).object("payload")
		}
		return out
	}
	failures := payloads("error")
	for _, o := range d.object("operations") {
		op := o.Value.(Object)
		m := Message{
			Name: o.Name, Notification: op.text("action") == "send", Group: op.text("x-group"),
			Title: op.text("title"), Summary: op.text("summary"), Description: op.text("description"),
			VITitle: op.object("x-vi").text("title"), VISummary: op.object("x-vi").text("summary"),
			Params: op.text("x-params"), Result: op.text("x-result"), Rights: op.texts("x-rights"), Slow: op.flag("x-slow"),
			Early: op.flag("x-before-session"), Later: op.flag("x-later"), Errors: op.texts("x-errors"),
		}
		answers := payloads(o.Name + ".result")
		for _, v := range messages.object(o.Name).list("examples") {
			e := v.(Object)
			m.Examples = append(m.Examples, Example{
				Name: e.text("name"), Summary: e.text("summary"), Frame: e.object("payload"),
				Answer: answers[e.text("name")], Failure: failures[e.text("name")],
			})
		}
		p.Messages = append(p.Messages, m)
	}
	for _, t := range d.object("components").object("schemas") {
		s := t.Value.(Object)
		typ := Type{Name: t.Name, Description: s.text("description"), Later: s.flag("x-later"), Field: field("", s)}
		if members, ok := s.Get("properties").(Object); ok {
			typ.Fields = []Field{}
			required := s.texts("required")
			for _, m := range members {
				f := field(m.Name, m.Value.(Object))
				for _, r := range required {
					f.Required = f.Required || r == m.Name
				}
				typ.Fields = append(typ.Fields, f)
			}
		}
		p.Types = append(p.Types, typ)
	}
	return p
})

// Type finds a type by its name.
func (p *Protocol) Type(name string) (Type, bool) {
	for _, t := range p.Types {
		if t.Name == name {
			return t, true
		}
	}
	return Type{}, false
}

// Message finds a message by its name.
func (p *Protocol) Message(name string) (Message, bool) {
	for _, m := range p.Messages {
		if m.Name == name {
			return m, true
		}
	}
	return Message{}, false
}

// field says in words what a schema demands.
func field(name string, s Object) Field {
	f := Field{Name: name, Later: s.flag("x-later"), Description: s.text("description"), Open: s.flag("x-open")}
	kind := func(s Object) {
		if ref, ok := strings.CutPrefix(s.text("$ref"), refPrefix); ok {
			f.Kind = ref
		} else {
			f.Kind = s.text("type")
		}
		for _, v := range s.object("x-values") {
			meaning, _ := v.Value.(string)
			f.Values = append(f.Values, Value{v.Name, meaning})
		}
		f.Open = f.Open || s.flag("x-open")
		f.Bounds = bounds(s)
	}
	kind(s)
	switch inner := s.object("additionalProperties"); {
	case f.Kind == "array":
		f.List = true
		most := f.Bounds
		kind(s.object("items"))
		f.Bounds = append(most, f.Bounds...)
	case inner != nil:
		f.Map = true
		kind(inner)
	case s.Get("oneOf") != nil:
		f.Kind = "string or number"
	}
	return f
}

func bounds(s Object) (out []string) {
	add := func(format string, name string) {
		if v := s.Get(name); v != nil {
			out = append(out, fmt.Sprintf(format, v))
		}
	}
	add("format %v", "format")
	add("%v", "contentEncoding")
	add("always %v", "const")
	low, high := s.Get("minimum"), s.Get("maximum")
	switch {
	case low != nil && high != nil:
		out = append(out, fmt.Sprintf("%v to %v", low, high))
	default:
		add("from %v", "minimum")
		add("to %v", "maximum")
	}
	add("at most %v characters", "maxLength")
	add("at most %v items", "maxItems")
	add("matches %v", "pattern")
	return out
}

func number(v any) int {
	var n int
	_, _ = fmt.Sscan(fmt.Sprint(v), &n)
	return n
}
