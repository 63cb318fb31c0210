package lds

import (
	"errors"
	"fmt"
)

// What can go wrong with a key, a chip or its files. Typed errors of this module unwrap to one of these; the agent maps
// each to one frozen id with its texts.
var (
	ErrKeyMalformed     = errors.New("key has the wrong form")
	ErrQRForeign        = errors.New("QR code is not an ID card's")
	ErrKeyMissing       = errors.New("no key was given")
	ErrKeyRejected      = errors.New("chip rejected the key")
	ErrKeyUnsuitable    = errors.New("this chip cannot be opened with this kind of key")
	ErrCardUnsupported  = errors.New("card is not an eMRTD")
	ErrProtocol         = errors.New("card answered against the protocol")
	ErrAccessFailed     = errors.New("access control failed for another reason than the key")
	ErrSecureMessaging  = errors.New("secure messaging was broken")
	ErrMalformed        = errors.New("file is malformed")
	ErrTooLarge         = errors.New("file is larger than allowed")
	ErrFileAbsent       = errors.New("file is absent")
	ErrFileRefused      = errors.New("card refuses the file")
	ErrInconsistent     = errors.New("files do not match the signed hashes")
	ErrPersonUnexpected = errors.New("the card is another person's")
	ErrOtherCard        = errors.New("the card that came back is another one")
)

// ErrCut is an ErrMalformed of a kind of its own: a data object ends behind the last byte that is there. Of the first block of a
// file it says that more must be read, of an answer that it was cut on its way.
var ErrCut = fmt.Errorf("%w: data object that is cut off", ErrMalformed)

// StatusError is an unexpected status word. Err is the sentinel that it stands for.
type StatusError struct {
	Op  string // what was asked, without data: "SELECT EF.SOD"
	SW  uint16
	Err error
}

func (e *StatusError) Error() string { return fmt.Sprintf("%s: status %04X: %v", e.Op, e.SW, e.Err) }

// Unwrap gives the sentinel.
func (e *StatusError) Unwrap() error { return e.Err }

// FileError is a failure with one file. Err unwraps to the sentinel. Neither holds bytes of the file.
type FileError struct {
	File FileID
	Err  error
}

func (e *FileError) Error() string { return string(e.File) + ": " + e.Err.Error() }

// Unwrap gives the cause.
func (e *FileError) Unwrap() error { return e.Err }

// IsFileFault says whether an error is about one file only, so that the rest of the chip can still be read.
func IsFileFault(err error) bool {
	for _, e := range []error{ErrFileAbsent, ErrFileRefused, ErrTooLarge, ErrMalformed} {
		if errors.Is(err, e) {
			return true
		}
	}
	return false
}
