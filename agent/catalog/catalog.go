// Package catalog holds everything that the agent may say to a client: errors, what the desk does next, warnings, and the
// reasons of verdicts. Each has a frozen id, a Vietnamese and an English text; an error also has a cause and a next step.
// Nothing else is ever sent, so no message can carry a patient's data by accident.
//
// The texts speak to the receptionist in front of a queue: what is the matter, in one sentence; what to do now, in another.
// Causes speak to the hospital's IT.
package catalog

import "sort"

// ID of an error. Frozen once released.
type ID string

// Lang is a language that the desk can have.
type Lang string

// Languages. Anything else is served as VI.
const (
	VI Lang = "vi"
	EN Lang = "en"
)

// Text is one sentence or two in both languages.
type Text struct{ VI, EN string }

// In gives the text in a language.
func (t Text) In(l Lang) string {
	if l == EN {
		return t.EN
	}
	return t.VI
}

// Entry is one error of the catalogue.
type Entry struct {
	ID        ID
	Code      int    // of the JSON-RPC error; one code per id, frozen like the id
	Category  string // "request", "access", "job", "key", "card", "reader", "insurance", "agent"
	Retriable bool   // the same request can succeed later without anybody changing it
	Text      Text   // what is the matter
	Cause     Text   // why that happens, for IT
	Next      Text   // what the desk does now
}

// Error is an error of the catalogue. Its text is for logs and holds no personal data.
type Error struct {
	ID     ID
	Detail map[string]any // for machines, never personal: {"sw": "6300"}
	Err    error          // what it stands for; may be nil; never shown to a client
}

// New makes an error of the catalogue.
func New(id ID, detail map[string]any) *Error { return &Error{ID: id, Detail: detail} }

// Wrap makes an error of the catalogue that keeps its cause for errors.Is.
func Wrap(id ID, err error) *Error { return &Error{ID: id, Err: err} }

func (e *Error) Error() string { return string(e.ID) }

// Unwrap gives the cause.
func (e *Error) Unwrap() error { return e.Err }

// Wire is an error as a client gets it (protocol.md, Rules): the data of a JSON-RPC error, and the errors within results.
type Wire struct {
	ID        ID             `json:"id"`
	Category  string         `json:"category"`
	Retriable bool           `json:"retriable"`
	Text      string         `json:"text"`
	Lang      Lang           `json:"lang"`
	Help      string         `json:"help"` // path of the help page on the agent's own port
	Next      string         `json:"next"`
	Detail    map[string]any `json:"detail,omitempty"`
}

// Wire puts the error into words. An id that the catalogue does not know is said as INTERNAL, with the id in the detail.
func (e *Error) Wire(l Lang) *Wire {
	if l != EN {
		l = VI
	}
	entry, ok := byID[e.ID]
	detail := e.Detail
	if !ok {
		entry, detail = byID[Internal], map[string]any{"unknownId": string(e.ID)}
	}
	return &Wire{
		ID: entry.ID, Category: entry.Category, Retriable: entry.Retriable,
		Text: entry.Text.In(l), Lang: l, Help: HelpPath(entry.ID), Next: entry.Next.In(l), Detail: detail,
	}
}

// HelpPath is where the agent serves the help page of an error.
func HelpPath(id ID) string { return "/help/" + string(id) }

// Lookup finds an error.
func Lookup(id ID) (Entry, bool) {
	e, ok := byID[id]
	return e, ok
}

// Code is the JSON-RPC code of an error, or that of INTERNAL.
func Code(id ID) int {
	if e, ok := byID[id]; ok {
		return e.Code
	}
	return byID[Internal].Code
}

// Entries are all errors, by code.
func Entries() []Entry {
	all := append([]Entry(nil), entries...)
	sort.Slice(all, func(i, j int) bool { return all[i].Code > all[j].Code })
	return all
}

var byID = func() map[ID]Entry {
	m := make(map[ID]Entry, len(entries))
	codes := make(map[int]ID, len(entries))
	for _, e := range entries {
		if _, twice := m[e.ID]; twice {
			panic("catalogue has " + string(e.ID) + " twice")
		}
		if other, twice := codes[e.Code]; twice {
			panic("catalogue gives one code to " + string(e.ID) + " and " + string(other))
		}
		m[e.ID], codes[e.Code] = e, e.ID
	}
	return m
}()
