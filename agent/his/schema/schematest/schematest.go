// Package schematest holds frames to the protocol's document, for tests: a Checker sees what goes over one connection in both
// directions, and says what the document does not know.
package schematest

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"sync"

	"github.com/santhosh-tekuri/jsonschema/v6"

	"github.com/tapcheck/tapcheck/agent/his/schema"
)

// compiled are the schemas, by pointer into the document.
type compiled struct {
	mu       sync.Mutex
	compiler *jsonschema.Compiler
	schemas  map[string]*jsonschema.Schema
}

func newCompiled(document []byte) *compiled {
	doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(document))
	if err != nil {
		panic("schematest: " + err.Error())
	}
	c := jsonschema.NewCompiler()
	c.DefaultDraft(jsonschema.Draft2020)
	c.AssertFormat()
	c.AssertContent()
	if err := c.AddResource(root, doc); err != nil {
		panic("schematest: " + err.Error())
	}
	return &compiled{compiler: c, schemas: map[string]*jsonschema.Schema{}}
}

const root = "urn:tapcheck:protocol:v1"

var (
	strict    = sync.OnceValue(func() *compiled { return newCompiled(schema.Strict()) })
	published = sync.OnceValue(func() *compiled { return newCompiled(schema.Document()) })
)

// ErrNoSchema says that the document has nothing about this.
var ErrNoSchema = errors.New("the document does not have it")

func (c *compiled) validate(pointer string, raw []byte) error {
	v, err := jsonschema.UnmarshalJSON(bytes.NewReader(raw))
	if err != nil {
		return err
	}
	c.mu.Lock()
	s, ok := c.schemas[pointer]
	if !ok {
		s, err = c.compiler.Compile(root + "#" + pointer)
		if err == nil {
			c.schemas[pointer] = s
		}
	}
	c.mu.Unlock()
	if err != nil {
		if _, missing := errors.AsType[*jsonschema.JSONPointerNotFoundError](err); missing {
			return fmt.Errorf("%s: %w", pointer, ErrNoSchema)
		}
		return err
	}
	return s.Validate(v)
}

func message(name string) string { return "/components/messages/" + name + "/payload" }

// Type holds a value to a named type, with nothing in it that the document does not name.
func Type(name string, raw []byte) error {
	return strict().validate("/components/schemas/"+name, raw)
}

// Frame holds a whole frame to a message: "job.result", "checkin.start", "checkin.start.result" or "error".
func Frame(name string, raw []byte) error { return strict().validate(message(name), raw) }

// Published is Frame with the document as clients have it, in which further members and values may come.
func Published(name string, raw []byte) error { return published().validate(message(name), raw) }

// Watch is for agent.Options.Frames: every frame that an agent sends or accepts, whoever its clients are, is held to the
// document. Clients that are tested on what they must not send are not to be watched.
func Watch(t interface{ Errorf(string, ...any) }) func() func(fromClient, binary bool, frame []byte) {
	return func() func(fromClient, binary bool, frame []byte) {
		frames := &Checker{}
		return func(fromClient, binary bool, frame []byte) {
			var err error
			switch {
			case fromClient:
				frames.Sent(frame)
			case binary:
				err = frames.ReceivedBinary(frame)
			default:
				err = frames.Received(frame)
			}
			if err != nil {
				t.Errorf("%v\n%.1000s", err, frame)
			}
		}
	}
}

// Checker sees the frames of one connection. It may be used by several goroutines.
type Checker struct {
	// Lax takes requests with members that the document does not name, for tests that they are ignored.
	Lax bool

	mu       sync.Mutex
	asked    map[string][]request // by id as written; the agent answers in the order in which it was asked
	asBinary bool                 // the session was opened with pictures as binary frames
	next     *announced           // the binary frame that has to come now
}

// announced is what a JSON frame says of the binary frame behind it.
type announced struct {
	Frame uint32 `json:"frame"`
	Bytes int    `json:"bytes"`
	Data  string `json:"data"`
}

type request struct {
	method string
	raw    []byte
}

// Sent is a frame that the client has sent, or is about to send. What is no request is none of the document's business:
// what the agent answers to it is.
func (c *Checker) Sent(frame []byte) {
	var r struct {
		ID     json.RawMessage `json:"id"`
		Method string          `json:"method"`
	}
	if json.Unmarshal(frame, &r) != nil || r.ID == nil {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.asked == nil {
		c.asked = map[string][]request{}
	}
	id := string(r.ID)
	c.asked[id] = append(c.asked[id], request{r.Method, bytes.Clone(frame)})
}

// Received is a text frame that the agent has sent. The error says what in it the document does not know; and what in the
// request that it answers, if the agent has accepted something that the document would not have.
func (c *Checker) Received(frame []byte) error {
	var r struct {
		ID     json.RawMessage `json:"id"`
		Method string          `json:"method"`
		Result json.RawMessage `json:"result"`
		Error  json.RawMessage `json:"error"`
	}
	if err := json.Unmarshal(frame, &r); err != nil {
		return fmt.Errorf("the agent sent no JSON: %w", err)
	}
	if err := c.announce(frame); err != nil {
		return err
	}
	switch {
	case r.Method != "":
		return named("notification "+r.Method, Frame(r.Method, frame))
	case r.Error != nil:
		c.take(string(r.ID))
		return named("error", Frame("error", frame))
	}
	asked, ok := c.take(string(r.ID))
	if !ok {
		return fmt.Errorf("an answer to nothing that was asked")
	}
	if asked.method == "session.open" {
		var opened struct{ Params struct{ Pictures string } }
		_ = json.Unmarshal(asked.raw, &opened)
		c.mu.Lock()
		c.asBinary = opened.Params.Pictures == "binary"
		c.mu.Unlock()
	}
	accepted := Frame
	if c.Lax {
		accepted = Published
	}
	return errors.Join(
		named("answer to "+asked.method, Frame(asked.method+".result", frame)),
		named("request that was accepted, "+asked.method, accepted(asked.method, asked.raw)),
	)
}

// announce looks for a portrait in a text frame: beside the JSON where the session wants that, and in it otherwise.
func (c *Checker) announce(frame []byte) error {
	type holder struct {
		Portrait *announced `json:"portrait"`
	}
	var f struct {
		Params holder `json:"params"`
		Result struct {
			holder
			Result holder `json:"result"` // of job.status
		} `json:"result"`
	}
	_ = json.Unmarshal(frame, &f)
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.next != nil {
		return fmt.Errorf("a text frame, where the binary frame %d was announced", c.next.Frame)
	}
	for _, p := range []*announced{f.Params.Portrait, f.Result.Portrait, f.Result.Result.Portrait} {
		switch {
		case p == nil:
		case c.asBinary != (p.Frame > 0) || c.asBinary != (p.Bytes > 0) || c.asBinary != (p.Data == ""):
			return fmt.Errorf("a portrait with frame %d, %d bytes and %d characters of data, where pictures are binary: %v", p.Frame, p.Bytes, len(p.Data), c.asBinary)
		case c.asBinary:
			c.next = p
		}
	}
	return nil
}

// ReceivedBinary is a binary frame that the agent has sent: the picture that the text frame before it has announced.
func (c *Checker) ReceivedBinary(frame []byte) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	want := c.next
	c.next = nil
	switch {
	case want == nil:
		return errors.New("a binary frame that nothing has announced")
	case len(frame) < 4 || binary.BigEndian.Uint32(frame) != want.Frame || len(frame)-4 != want.Bytes:
		return fmt.Errorf("a binary frame of %d bytes is not the announced one: %d, with %d bytes", len(frame), want.Frame, want.Bytes)
	}
	return nil
}

// take is the request that an answer with this id belongs to.
func (c *Checker) take(id string) (request, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	list := c.asked[id]
	if len(list) == 0 {
		return request{}, false
	}
	c.asked[id] = list[1:]
	return list[0], true
}

func named(what string, err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("%s: %s", what, strings.TrimSpace(err.Error()))
}
