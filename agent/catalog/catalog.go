// Package catalog holds every error and advice that leaves the agent: a frozen id, a Vietnamese and an English text, a
// cause and a next step. Nothing else may be said to a client.
package catalog

import "fmt"

// ID of an error. Frozen once released.
type ID string

// Lang is a language that the desk can have.
type Lang string

// Languages.
const (
	VI Lang = "vi"
	EN Lang = "en"
)

// Error is an error of the catalogue. Its text is for logs and holds no personal data: the id, and the cause's text only
// where the cause is one of our own sentinels.
type Error struct {
	ID     ID
	Detail map[string]any // for machines, never personal: {"sw": "6300"}
	Err    error          // what it stands for; may be nil
}

// New makes an error of the catalogue.
func New(id ID, detail map[string]any) *Error { return &Error{ID: id, Detail: detail} }

// Wrap makes an error of the catalogue that keeps its cause for errors.Is.
func Wrap(id ID, err error) *Error { return &Error{ID: id, Err: err} }

func (e *Error) Error() string { return fmt.Sprintf("%s", e.ID) }

// Unwrap gives the cause.
func (e *Error) Unwrap() error { return e.Err }

// Wire is an error as a client gets it (protocol.md, Rules): the data of a JSON-RPC error, and the errors within results.
type Wire struct {
	ID        ID             `json:"id"`
	Category  string         `json:"category"`
	Retriable bool           `json:"retriable"`
	Text      string         `json:"text"`
	Lang      Lang           `json:"lang"`
	Help      string         `json:"help"`
	Next      string         `json:"next"`
	Detail    map[string]any `json:"detail,omitempty"`
}
