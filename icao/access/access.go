// Package access speaks ICAO 9303-11 from the terminal's side: it opens a chip, keeps secure messaging, reads files and proves the chip's keys.
package access

import (
	"context"

	"github.com/tapcheck/tapcheck/icao/lds"
)

// Transmitter carries one APDU to the chip and its answer back. reader.Session is one.
type Transmitter interface {
	Transmit(ctx context.Context, apdu []byte) ([]byte, error)
}

// Options bound a channel. The zero value is a good default for a card that nobody knows.
type Options struct {
	MaxFile int // bytes of the largest file that is read; 0 is 512 KiB
	// Extended is the largest number of response bytes to ask for in an extended-length command, 0 for short length only.
	// What card and reader really bear is found by a ladder downwards from there.
	Extended int
	// NoSFI reads by SELECT at once, for chips that are known to refuse short file identifiers. Otherwise that is found out.
	NoSFI bool
}

// Channel is the APDU layer of one card: command encoding, secure messaging, the ladder of read sizes, and the counters.
// It is not safe for concurrent use.
type Channel struct{}

// NewChannel begins in clear.
func NewChannel(t Transmitter, o Options) *Channel { panic("unwritten") }

// Count is what went over the wire so far.
type Count struct {
	APDUs    int
	Sent     int // bytes of command APDUs
	Received int // bytes of response APDUs, with status words
}

// Count gives the counters.
func (c *Channel) Count() Count { panic("unwritten") }

// Secure says whether secure messaging is up.
func (c *Channel) Secure() bool { panic("unwritten") }

// SelectApplication selects the eMRTD application (A0000002471001). lds.ErrCardUnsupported if the card has none.
func (c *Channel) SelectApplication(ctx context.Context) error { panic("unwritten") }

// ReadFile reads one whole file with as few APDUs as the card allows: by short file identifier with the first block,
// else SELECT; odd-INS READ BINARY past 32,767 bytes. progress, if not nil, gets bytes done and total after each block.
// Errors: *lds.FileError with lds.ErrFileAbsent, ErrFileRefused, ErrTooLarge, ErrMalformed (length that lies), ErrSecureMessaging; the transmitter's.
func (c *Channel) ReadFile(ctx context.Context, id lds.FileID, progress func(done, total int)) ([]byte, error) {
	panic("unwritten")
}

// PACE opens the chip (ICAO 9303-11 §4.4) with the key's CAN, or its MRZ. cardAccess is the file. On success secure
// messaging is up and the verdict is passed. lds.ErrKeyRejected for a wrong key, lds.ErrKeyUnsuitable, lds.ErrAccessFailed,
// or ErrUnsupported if the card offers nothing that we speak.
func (c *Channel) PACE(ctx context.Context, cardAccess []byte, key lds.Key) (lds.AccessVerdict, error) {
	panic("unwritten")
}

// BAC opens the chip with the key's MRZ (ICAO 9303-11 §4.3). The application must have been selected.
func (c *Channel) BAC(ctx context.Context, key lds.Key) (lds.AccessVerdict, error) { panic("unwritten") }

// ChipAuthentication runs ICAO 9303-11 §6.2 with the keys of DG14 and, when it succeeds, moves secure messaging to the new
// keys and proves them with one protected command. The verdict's Exchange is what happened; Status and Reason are left to
// the caller, who knows whether the key is anchored. key identifies the chip's public key that was used (SHA-256 of its
// SubjectPublicKeyInfo), for the proof that a card that comes back is the same. An error is a transport failure, after
// which the session is dead; a chip that fails the proof is Exchange Failed without an error, and secure messaging is then dead too.
func (c *Channel) ChipAuthentication(ctx context.Context, dg14 []byte) (v lds.ExchangeVerdict, key []byte, err error) {
	panic("unwritten")
}

// ActiveAuthentication runs ICAO 9303-11 §6.1 with the key of DG15 and, for ECDSA, the hash named in DG14 (nil without
// one). challenge is eight bytes.
func (c *Channel) ActiveAuthentication(ctx context.Context, dg15, dg14, challenge []byte) (v lds.ExchangeVerdict, key []byte, err error) {
	panic("unwritten")
}
