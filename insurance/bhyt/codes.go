package bhyt

import (
	"bytes"
	_ "embed"
	"encoding/json"
	"fmt"
	"slices"

	"github.com/tapcheck/tapcheck/insurance"
)

//go:embed codes.json
var codesJSON []byte

// Code is what one result code (maKetQua) of the gateway means.
type Code struct {
	Code      string          `json:"code"`
	VI        string          `json:"vi"`                  // as the insurer words it
	EN        string          `json:"en"`                  //
	State     insurance.State `json:"state,omitempty"`     // of an answer
	Error     string          `json:"error,omitempty"`     // of what is no answer: "unreachable", "rejected", "request"
	Advice    string          `json:"advice"`              // id of what the desk does next
	Retriable bool            `json:"retriable,omitempty"` // the same question may get an answer later
	Differs   string          `json:"differs,omitempty"`   // JSON name of the field that is not the one on record
	UseNext   bool            `json:"useNext,omitempty"`   // the card that counts is the new one
	Source    string          `json:"source"`              // where the meaning is written
}

// Err is the error that a code stands for; nil where it is an answer about the person.
func (c Code) Err() error {
	switch c.Error {
	case "":
		return nil
	case "unreachable":
		return insurance.ErrUnreachable
	case "rejected":
		return insurance.ErrRejected
	}
	return insurance.ErrRequest
}

var codes = loadCodes()

func loadCodes() map[string]Code {
	var list []Code
	d := json.NewDecoder(bytes.NewReader(codesJSON))
	d.DisallowUnknownFields()
	if err := d.Decode(&list); err != nil {
		panic(fmt.Sprintf("codes.json: %v", err))
	}
	m := make(map[string]Code, len(list))
	for _, c := range list {
		if _, twice := m[c.Code]; twice {
			panic("codes.json: twice " + c.Code)
		}
		m[c.Code] = c
	}
	return m
}

// LookupCode gives the meaning of a result code, and whether it is known.
func LookupCode(code string) (Code, bool) {
	c, ok := codes[code]
	return c, ok
}

// Codes gives the whole table, in the order of the codes.
func Codes() []Code {
	var list []Code
	for _, c := range codes {
		list = append(list, c)
	}
	slices.SortFunc(list, func(a, b Code) int {
		if len(a.Code) != len(b.Code) {
			return len(b.Code) - len(a.Code)
		}
		return bytes.Compare([]byte(a.Code), []byte(b.Code))
	})
	return list
}
