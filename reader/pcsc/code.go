package pcsc

import (
	"fmt"

	"github.com/tapcheck/tapcheck/reader"
)

// Code is what a PC/SC function returned: one of PC/SC's own (PC/SC Workgroup specification part 5, and the headers of
// Windows and pcsc-lite, which agree), or, on Windows, one of the system's.
type Code uint32

// The codes that we act on or that the field knows by name.
const (
	codeSuccess            Code = 0
	codeInternalError      Code = 0x80100001
	codeCancelled          Code = 0x80100002
	codeInvalidHandle      Code = 0x80100003
	codeInvalidParameter   Code = 0x80100004
	codeNoMemory           Code = 0x80100006
	codeInsufficientBuffer Code = 0x80100008
	codeUnknownReader      Code = 0x80100009
	codeTimeout            Code = 0x8010000A
	codeSharingViolation   Code = 0x8010000B
	codeNoSmartcard        Code = 0x8010000C
	codeProtoMismatch      Code = 0x8010000F
	codeNotReady           Code = 0x80100010
	codeSystemCancelled    Code = 0x80100012
	codeCommError          Code = 0x80100013
	codeUnknownError       Code = 0x80100014
	codeInvalidATR         Code = 0x80100015
	codeNotTransacted      Code = 0x80100016
	codeReaderUnavailable  Code = 0x80100017
	codeShutdown           Code = 0x80100018
	codeNoService          Code = 0x8010001D
	codeServiceStopped     Code = 0x8010001E
	codeNoReaders          Code = 0x8010002E
	codeCommDataLost       Code = 0x8010002F
	codeUnsupportedCard    Code = 0x80100065
	codeUnresponsiveCard   Code = 0x80100066
	codeUnpoweredCard      Code = 0x80100067
	codeResetCard          Code = 0x80100068
	codeRemovedCard        Code = 0x80100069
	codeSecurityViolation  Code = 0x8010006A

	// Windows' own, which its smart card functions pass through.
	codeWinInvalidHandle Code = 6
	codeWinBadCommand    Code = 22  // the device was taken away
	codeWinBrokenPipe    Code = 109 // a remote desktop's redirection ended
	codeWinDeviceGone    Code = 1167
)

// codes says what each code is called and which of the reader package's errors it means. What is not listed is a failed
// transmission.
var codes = map[Code]struct {
	name  string
	means []error
}{
	codeInternalError:      {"F_INTERNAL_ERROR", one(reader.ErrTransport)},
	codeCancelled:          {"E_CANCELLED", one(reader.ErrTransport)},
	codeInvalidHandle:      {"E_INVALID_HANDLE", one(reader.ErrServiceStopped)},
	codeInvalidParameter:   {"E_INVALID_PARAMETER", one(reader.ErrTransport)},
	codeNoMemory:           {"E_NO_MEMORY", one(reader.ErrTransport)},
	codeInsufficientBuffer: {"E_INSUFFICIENT_BUFFER", one(reader.ErrTransport)},
	codeUnknownReader:      {"E_UNKNOWN_READER", one(reader.ErrReaderGone)},
	codeTimeout:            {"E_TIMEOUT", one(reader.ErrTransport)},
	codeSharingViolation:   {"E_SHARING_VIOLATION", one(reader.ErrReaderBusy)},
	codeNoSmartcard:        {"E_NO_SMARTCARD", one(reader.ErrNoCard)},
	codeProtoMismatch:      {"E_PROTO_MISMATCH", one(reader.ErrCardMute)},
	codeNotReady:           {"E_NOT_READY", one(reader.ErrTransport)},
	codeSystemCancelled:    {"E_SYSTEM_CANCELLED", one(reader.ErrServiceStopped)},
	codeCommError:          {"F_COMM_ERROR", one(reader.ErrServiceStopped)},
	codeUnknownError:       {"F_UNKNOWN_ERROR", one(reader.ErrTransport)},
	codeInvalidATR:         {"E_INVALID_ATR", one(reader.ErrCardMute)},
	codeNotTransacted:      {"E_NOT_TRANSACTED", one(reader.ErrTransport)},
	codeReaderUnavailable:  {"E_READER_UNAVAILABLE", one(reader.ErrReaderGone)},
	codeShutdown:           {"P_SHUTDOWN", one(reader.ErrServiceStopped)},
	codeNoService:          {"E_NO_SERVICE", one(reader.ErrServiceStopped)},
	codeServiceStopped:     {"E_SERVICE_STOPPED", one(reader.ErrServiceStopped)},
	codeNoReaders:          {"E_NO_READERS_AVAILABLE", one(reader.ErrReaderGone)},
	codeCommDataLost:       {"E_COMM_DATA_LOST", one(reader.ErrTransport)},
	codeUnsupportedCard:    {"W_UNSUPPORTED_CARD", one(reader.ErrCardMute)},
	codeUnresponsiveCard:   {"W_UNRESPONSIVE_CARD", one(reader.ErrCardMute)},
	codeUnpoweredCard:      {"W_UNPOWERED_CARD", one(reader.ErrCardMute)},
	codeResetCard:          {"W_RESET_CARD", one(reader.ErrCardReset)},
	codeRemovedCard:        {"W_REMOVED_CARD", one(reader.ErrCardRemoved)},
	codeSecurityViolation:  {"W_SECURITY_VIOLATION", []error{reader.ErrServiceStopped, reader.ErrAccessDenied}},
	codeWinInvalidHandle:   {"ERROR_INVALID_HANDLE", one(reader.ErrServiceStopped)},
	codeWinBadCommand:      {"ERROR_BAD_COMMAND", one(reader.ErrReaderGone)},
	codeWinBrokenPipe:      {"ERROR_BROKEN_PIPE", one(reader.ErrServiceStopped)},
	codeWinDeviceGone:      {"ERROR_DEVICE_NOT_CONNECTED", one(reader.ErrReaderGone)},
}

func one(err error) []error { return []error{err} }

// String is the code as documentation and search engines know it: "SCARD_E_NO_SERVICE (0x8010001D)".
func (c Code) String() string {
	if known, ok := codes[c]; ok {
		if c < 0x80000000 {
			return fmt.Sprintf("%s (%d)", known.name, uint32(c))
		}
		return fmt.Sprintf("SCARD_%s (0x%08X)", known.name, uint32(c))
	}
	return fmt.Sprintf("0x%08X", uint32(c))
}

// Error is a PC/SC function that failed. It unwraps to the reader package's errors that it means.
type Error struct {
	Op   string // the function, as PC/SC calls it: "SCardConnect"
	Code Code
	// means replaces what the code means by itself, where more is known: a failed transmission turns out as a removed card.
	means error
}

func (e *Error) Error() string {
	return fmt.Sprintf("%v: %s: %v", e.Unwrap()[0], e.Op, e.Code)
}

// PCSCCode is the code as a number, for whoever tells it on and knows no PC/SC.
func (e *Error) PCSCCode() uint32 { return uint32(e.Code) }

// Unwrap gives at least one of the reader package's errors.
func (e *Error) Unwrap() []error {
	if e.means != nil {
		return one(e.means)
	}
	if known, ok := codes[e.Code]; ok {
		return known.means
	}
	return one(reader.ErrTransport)
}

// codeOf is the code in err, or success if there is none.
func codeOf(err error) Code {
	if e, ok := err.(*Error); ok {
		return e.Code
	}
	return codeSuccess
}
