package main

import (
	"github.com/tapcheck/tapcheck/agent/catalog"
)

// wordedError is an error of a command for IT, in words, with an exit code of its own. No program ever gets it, so it is not in the catalogue.
type wordedError struct {
	code int
	text catalog.Text
	err  error // what it stands for; may be nil
}

func failWith(code int, err error, vi, en string) error {
	return &wordedError{code, catalog.Text{VI: vi, EN: en}, err}
}

func (e *wordedError) Error() string { return e.text.EN }

// Unwrap gives the cause.
func (e *wordedError) Unwrap() error { return e.err }
