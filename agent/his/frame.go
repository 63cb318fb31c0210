package his

import (
	"bytes"
	"encoding/json"
	"errors"
	"strings"

	"github.com/tapcheck/tapcheck/agent/catalog"
)

// Bounds of a frame.
const (
	maxDepth  = 32
	maxID     = 128      // bytes of a JSON-RPC id as written
	maxParams = 64 << 10 // bytes of params, but for those with a picture (maxPictured)
)

// request is one JSON-RPC request. A nil id is a notification: it is served and not answered.
type request struct {
	id     json.RawMessage
	method string
	params json.RawMessage
}

// null is the id of an answer to what has none that can be used (JSON-RPC 2.0 §5).
var null = json.RawMessage("null")

// parse reads one frame that is valid UTF-8. With an error, the request's id is still the one to answer with.
func parse(frame []byte) (request, *catalog.Error) {
	r := request{id: null}
	if tooDeep(frame) || !json.Valid(frame) {
		return r, catalog.New(catalog.ParseError, nil)
	}
	if trimmed := bytes.TrimLeft(frame, " \t\r\n"); trimmed[0] != '{' {
		if trimmed[0] == '[' {
			return r, invalid("batch")
		}
		return r, invalid("")
	}
	var f struct {
		JSONRPC json.RawMessage `json:"jsonrpc"`
		ID      json.RawMessage `json:"id"`
		Method  json.RawMessage `json:"method"`
		Params  json.RawMessage `json:"params"`
	}
	if err := json.Unmarshal(frame, &f); err != nil {
		return r, invalid("")
	}
	if f.ID != nil {
		switch c := f.ID[0]; {
		case len(f.ID) > maxID || c == '{' || c == '[' || c == 't' || c == 'f':
			return r, invalid("id")
		}
		r.id = f.ID
	}
	if string(f.JSONRPC) != `"2.0"` {
		return r, invalid("jsonrpc")
	}
	if len(f.Method) == 0 || f.Method[0] != '"' || json.Unmarshal(f.Method, &r.method) != nil {
		return r, invalid("method")
	}
	if len(f.Params) > 0 && f.Params[0] != '{' && string(f.Params) != "null" {
		return r, badField("params") // by position is nothing that a client could get right twice
	}
	r.params = f.Params
	if f.ID == nil {
		r.id = nil
	}
	return r, nil
}

// tooDeep says whether a frame is nested too deeply. It looks before anything is decoded, and need not care for validity.
func tooDeep(frame []byte) bool {
	depth, quoted := 0, false
	for i := 0; i < len(frame); i++ {
		switch c := frame[i]; {
		case quoted && c == '\\':
			i++
		case c == '"':
			quoted = !quoted
		case quoted:
		case c == '{' || c == '[':
			if depth++; depth > maxDepth {
				return true
			}
		case c == '}' || c == ']':
			depth--
		}
	}
	return false
}

// decode reads the params of a request. Errors name the field, which is our own word, and never its value.
func decode(params json.RawMessage, v any) error { return decodeUpTo(maxParams, params, v) }

func decodeUpTo(most int, params json.RawMessage, v any) error {
	if len(params) > most {
		return badField("params")
	}
	if len(params) == 0 || string(params) == "null" {
		return nil
	}
	err := json.Unmarshal(params, v)
	if err == nil {
		return nil
	}
	if t, ok := errors.AsType[*json.UnmarshalTypeError](err); ok && isFieldPath(t.Field) {
		return badField(t.Field)
	}
	return catalog.New(catalog.BadRequest, nil)
}

// isFieldPath holds what the decoder says about a field to the alphabet of our own names.
func isFieldPath(s string) bool {
	return s != "" && len(s) <= 64 && strings.Trim(s, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.") == ""
}

// invalid is what a frame gets that is no request at all (JSON-RPC 2.0 §5.1), whatever its parameters are.
func invalid(member string) *catalog.Error {
	if member == "" {
		return catalog.New(catalog.InvalidRequest, nil)
	}
	return catalog.New(catalog.InvalidRequest, map[string]any{"field": member})
}

func badField(name string) *catalog.Error {
	return catalog.New(catalog.BadRequest, map[string]any{"field": name})
}

// rpcError is the error of a JSON-RPC answer.
type rpcError struct {
	Code    int           `json:"code"`
	Message string        `json:"message"` // for developers; the desk's words are in Data
	Data    *catalog.Wire `json:"data"`
}

func newRPCError(e *catalog.Error, lang catalog.Lang) *rpcError {
	w := e.Wire(lang)
	return &rpcError{Code: catalog.Code(w.ID), Message: strings.ToLower(strings.ReplaceAll(string(w.ID), "_", " ")), Data: w}
}

type rpcResponse struct {
	JSONRPC string          `json:"jsonrpc"`
	ID      json.RawMessage `json:"id"`
	Result  any             `json:"result,omitempty"`
	Error   *rpcError       `json:"error,omitempty"`
}

type rpcNotification struct {
	JSONRPC string `json:"jsonrpc"`
	Method  string `json:"method"`
	Params  any    `json:"params"`
}

// answer encodes an answer; result is ignored where there is an error.
func answer(id json.RawMessage, result any, e *catalog.Error, lang catalog.Lang) []byte {
	r := rpcResponse{JSONRPC: "2.0", ID: id}
	if e != nil {
		r.Error = newRPCError(e, lang)
	} else if r.Result = result; result == nil {
		r.Result = struct{}{}
	}
	b, err := json.Marshal(r)
	if err != nil {
		b, _ = json.Marshal(rpcResponse{JSONRPC: "2.0", ID: id, Error: newRPCError(catalog.New(catalog.Internal, nil), lang)})
	}
	return b
}

// notification encodes a notification, or gives nil where that is not possible.
func notification(method string, params any) []byte {
	b, err := json.Marshal(rpcNotification{"2.0", method, params})
	if err != nil {
		return nil
	}
	return b
}
