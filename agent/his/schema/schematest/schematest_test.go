package schematest

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/tapcheck/tapcheck/agent/his/schema"
)

// What the checks of other packages stand on: that a checker finds what it is there to find.
func TestChecker(t *testing.T) {
	const (
		open  = `{"jsonrpc":"2.0","id":1,"method":"session.open","params":{"protocol":1}}`
		names = `"rights":{"read":true,"insurance":true,"simulator":false,"fields":["number"]}`
	)
	for _, c := range []struct {
		name, sent, received string
		lax                  bool
		finds                string // "" is nothing
	}{
		{name: "as it should be", sent: open, received: `{"jsonrpc":"2.0","id":1,"result":{"sessionId":"s","protocol":1,"language":"vi",` + names + `}}`},
		{name: "a member that the document does not name", sent: open, received: `{"jsonrpc":"2.0","id":1,"result":{"sessionId":"s","mood":"good","protocol":1,"language":"vi",` + names + `}}`, finds: "mood"},
		{name: "a member that is missing", sent: open, received: `{"jsonrpc":"2.0","id":1,"result":{"protocol":1,"language":"vi",` + names + `}}`, finds: "sessionId"},
		{name: "a value that is not listed", sent: open, received: `{"jsonrpc":"2.0","id":1,"result":{"sessionId":"s","protocol":1,"language":"vi","rights":{"read":true,"insurance":true,"simulator":false,"fields":["shoeSize"]}}}`, finds: "fields/0"},
		{name: "a wrong type, deep inside", received: `{"jsonrpc":"2.0","method":"reader.changed","params":{"id":"r","name":"R","contactless":true,"state":"card","card":{"kind":7}}}`, finds: "card/kind"},
		{name: "a time that is none", received: `{"jsonrpc":"2.0","method":"job.needs","params":{"jobId":"1","seq":1,"need":"key","expiresAt":"tomorrow"}}`, finds: "expiresAt"},
		{name: "a picture that is no base64", received: `{"jsonrpc":"2.0","method":"job.partial","params":{"jobId":"1","state":"running","recorded":true,"means":"chip","startedAt":"2026-11-23T08:15:02+07:00","portrait":{"mime":"image/jpeg","width":1,"height":1,"data":"…"},"next":[],"warnings":[],"timings":{}}}`, finds: "portrait/data"},
		{name: "what is not served yet", received: `{"jsonrpc":"2.0","method":"job.partial","params":{"jobId":"1","state":"running","recorded":true,"means":"chip","startedAt":"2026-11-23T08:15:02+07:00","evidence":"x","next":[],"warnings":[],"timings":{}}}`, finds: "evidence"},
		{name: "a notification that the document does not have", received: `{"jsonrpc":"2.0","method":"job.dream","params":{}}`, finds: ErrNoSchema.Error()},
		{name: "an answer of a method that the document does not have", sent: `{"jsonrpc":"2.0","id":1,"method":"job.dream"}`, received: `{"jsonrpc":"2.0","id":1,"result":{}}`, finds: ErrNoSchema.Error()},
		{name: "an answer to nothing", received: `{"jsonrpc":"2.0","id":9,"result":{}}`, finds: "nothing that was asked"},
		{name: "another version", received: `{"jsonrpc":"1.0","method":"reader.changed","params":{"id":"r","name":"R","contactless":true,"state":"empty"}}`, finds: "jsonrpc"},
		{name: "a refusal says nothing of the request", sent: `{"jsonrpc":"2.0","id":1,"method":"job.dream","params":[1]}`, received: `{"jsonrpc":"2.0","id":1,"error":{"code":-32601,"message":"unknown method","data":{"id":"UNKNOWN_METHOD","category":"request","retriable":false,"text":"…","lang":"vi","help":"/help/UNKNOWN_METHOD","next":"…"}}}`},
		{name: "an error that the catalogue does not have", received: `{"jsonrpc":"2.0","id":null,"error":{"code":-1,"message":"x","data":{"id":"MADE_UP","category":"request","retriable":false,"text":"…","lang":"vi","help":"/help/MADE_UP","next":"…"}}}`, finds: "data/id"},
		{name: "a request was accepted with a member that the document does not name", sent: `{"jsonrpc":"2.0","id":1,"method":"sim.remove","params":{"card":"an"}}`, received: `{"jsonrpc":"2.0","id":1,"result":{}}`, finds: "card"},
		{name: "the same, on purpose", lax: true, sent: `{"jsonrpc":"2.0","id":1,"method":"sim.remove","params":{"card":"an"}}`, received: `{"jsonrpc":"2.0","id":1,"result":{}}`},
		{name: "a wrong type is not taken on purpose either", lax: true, sent: `{"jsonrpc":"2.0","id":1,"method":"sim.remove","params":{"reader":1}}`, received: `{"jsonrpc":"2.0","id":1,"result":{}}`, finds: "reader"},
	} {
		t.Run(c.name, func(t *testing.T) {
			frames := &Checker{Lax: c.lax}
			frames.Sent([]byte(c.sent))
			err := frames.Received([]byte(c.received))
			if c.finds == "" && err != nil || c.finds != "" && (err == nil || !strings.Contains(err.Error(), c.finds)) {
				t.Errorf("found %v, want %q", err, c.finds)
			}
		})
	}
}

// Clients ignore what they do not know, and the document as they have it says so.
func TestPublishedIsOpen(t *testing.T) {
	later := []byte(`{"jsonrpc":"2.0","method":"reader.changed","params":{"id":"r","name":"R","contactless":true,"state":"asleep","mood":"good"}}`)
	if err := Published("reader.changed", later); err != nil {
		t.Error(err)
	}
	if Frame("reader.changed", later) == nil {
		t.Error("the strict one takes it too")
	}
	// What the client chooses from is a list that is closed.
	if Published("checkin.start", []byte(`{"jsonrpc":"2.0","id":1,"method":"checkin.start","params":{"jobId":"1","means":"magic"}}`)) == nil {
		t.Error("a means that does not exist")
	}
	if err := Type("Nothing", []byte(`{}`)); !errors.Is(err, ErrNoSchema) {
		t.Error(err)
	}
}

// Every example of the document is what the document says; those that were refused are refused for what is wrong with them.
func TestExamplesFit(t *testing.T) {
	n := 0
	for _, m := range schema.Load().Messages {
		for _, e := range m.Examples {
			n++
			fits := Frame
			if m.Later { // nothing is closed that is not there yet
				fits = Published
			}
			if err := fits(m.Name, e.Frame.JSON()); err != nil && e.Failure == nil {
				t.Errorf("%s %q: %v", m.Name, e.Name, err)
			}
			if e.Answer != nil {
				if err := fits(m.Name+".result", e.Answer.JSON()); err != nil {
					t.Errorf("%s %q: %v", m.Name, e.Name, err)
				}
			}
			if e.Failure != nil {
				if err := Frame("error", e.Failure.JSON()); err != nil {
					t.Errorf("%s %q: %v", m.Name, e.Name, err)
				}
			}
		}
	}
	if n < 60 {
		t.Errorf("only %d examples", n)
	}
	for _, e := range schema.Load().Discovery {
		if err := Type("Discovery", e.Frame.JSON()); err != nil {
			t.Errorf("discovery %q: %v", e.Name, err)
		}
	}
}

// A picture as a binary frame is the one that the text frame before it announces.
func TestPictures(t *testing.T) {
	const result = `{"jsonrpc":"2.0","method":"job.partial","params":{"jobId":"1","state":"running","recorded":true,"means":"chip","startedAt":"2026-11-23T08:15:02+07:00","portrait":%s,"next":[],"warnings":[],"timings":{}}}`
	for _, c := range []struct{ name, pictures, portrait, then, finds string }{
		{"inline", "inline", `{"mime":"image/jpeg","width":1,"height":1,"data":"/9j/"}`, "", ""},
		{"binary", "binary", `{"mime":"image/jpeg","width":1,"height":1,"frame":7,"bytes":2}`, "\x00\x00\x00\x07ab", ""},
		{"another number", "binary", `{"mime":"image/jpeg","width":1,"height":1,"frame":7,"bytes":2}`, "\x00\x00\x00\x08ab", "announced"},
		{"another length", "binary", `{"mime":"image/jpeg","width":1,"height":1,"frame":7,"bytes":2}`, "\x00\x00\x00\x07a", "announced"},
		{"nothing announced", "inline", `{"mime":"image/jpeg","width":1,"height":1,"data":"/9j/"}`, "\x00\x00\x00\x07ab", "announced"},
		{"inline though it wants them binary", "binary", `{"mime":"image/jpeg","width":1,"height":1,"data":"/9j/"}`, "", "binary"},
		{"binary though it does not", "inline", `{"mime":"image/jpeg","width":1,"height":1,"frame":7,"bytes":2}`, "", "binary"},
	} {
		var frames Checker
		frames.Sent([]byte(`{"jsonrpc":"2.0","id":1,"method":"session.open","params":{"protocol":1,"pictures":"` + c.pictures + `"}}`))
		err := frames.Received([]byte(`{"jsonrpc":"2.0","id":1,"result":{"sessionId":"s","protocol":1,"language":"vi","rights":{"read":true,"insurance":true,"simulator":false,"fields":[]}}}`))
		if err != nil {
			t.Fatal(err)
		}
		err = frames.Received(fmt.Appendf(nil, result, c.portrait))
		if err == nil && c.then != "" {
			err = frames.ReceivedBinary([]byte(c.then))
		}
		if c.finds == "" && err != nil || c.finds != "" && (err == nil || !strings.Contains(err.Error(), c.finds)) {
			t.Errorf("%s: found %v, want %q", c.name, err, c.finds)
		}
	}
}

// Answers to the same id belong to the requests in their order.
func TestSameID(t *testing.T) {
	var frames Checker
	frames.Sent([]byte(`{"jsonrpc":"2.0","id":1,"method":"reader.list"}`))
	frames.Sent([]byte(`{"jsonrpc":"2.0","id":1,"method":"sim.remove"}`))
	for _, answer := range []string{`{"jsonrpc":"2.0","id":1,"result":{"readers":[]}}`, `{"jsonrpc":"2.0","id":1,"result":{}}`} {
		if err := frames.Received([]byte(answer)); err != nil {
			t.Error(err)
		}
	}
}
