// Package access speaks ICAO 9303-11 from the terminal's side: it opens a chip, keeps secure messaging, reads files and
// proves the chip's keys.
//
// A [Channel] is one card from power-on to the end. In the order of the standard a caller reads EF.CardAccess in clear (and
// EF.ATR/INFO, if extended length is wanted: [Channel.Extents]), runs [Channel.PACE], selects the application (or selects it and
// runs [Channel.BAC]), reads files, and runs [Channel.ChipAuthentication] and [Channel.ActiveAuthentication]. Where PACE proved the
// chip already, [Channel.ChipAuthenticationMapping] says so. [Channel.TerminalAuthentication] opens DG3 and DG4 for a terminal
// that has certificates for them.
//
// # What it speaks
//
//   - PACE (§4.4) with generic and integrated mapping on all curves and groups of §9.5.1, and with chip authentication mapping on the curves,
//     with 3DES and AES-128, -192 and -256, and with MRZ, CAN, PIN and PUK; basic access control (§4.3)
//   - secure messaging (§9.8) in short and extended length, with command chaining, 61xx and 6Cxx
//   - chip authentication version 1 (§6.2) with ECDH on those curves and DH on any group of 1,024 to 4,096 bits, with every cipher, by both
//     sequences of commands
//   - active authentication (§6.1) with RSA (ISO/IEC 9796-2 scheme 1, SHA-1 to SHA-512) and ECDSA
//   - terminal authentication version 1 (§7.1) with RSA and ECDSA
//   - reading by short file identifier or SELECT, with odd instruction past 32,767 bytes, in blocks as large as card and reader bear
//
// Not spoken: domain parameters of a card's own in PACE (§9.2.2 forbids it), RSA moduli for active authentication that do not fill their
// bytes, and version 2 of chip and terminal authentication, which are for national applications.
//
// # What it promises
//
//   - Once secure messaging is up, nothing counts that is not protected. An unprotected answer, whatever its status word,
//     is lds.ErrSecureMessaging with the status word kept.
//   - A wrong key (lds.ErrKeyRejected) is told from everything else, and a key is never tried twice: chips slow down.
//   - A password is never used with domain parameters that the card brings itself.
//   - Everything from the card is bounded in size and count, and malformed bytes are lds.ErrMalformed or lds.ErrProtocol.
//   - Cancelling takes effect before the next APDU; the transmitter stops a running one.
//   - No error, and nothing else that leaves the package but the files themselves, holds a secret or personal data. Nothing is logged.
//
// The ephemeral secrets, the session keys and the file contents live in ordinary memory, and the arithmetic with them is not
// constant in time: whoever can measure this process to the microsecond while a card is read is not an adversary here.
//
// The primitives come from gmrtd, aead/cmac and osanderson/brainpool. The protocols are our own, because those of gmrtd
// v0.22.1 drop leading zero bytes of shared secrets, accept unprotected answers, mis-encode long Le and odd instructions, and
// panic on broken answers. No byte of a card reaches gmrtd before its form was checked here, and none of its functions that
// log (keys among them, at debug level) is called.
package access

import (
	"context"
	"crypto/rand"
	"io"

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
	// RequestCAR asks the chip during PACE for its trust points (ICAO 9303-11 §4.4.4.1), for terminal authentication. Only for callers
	// that have certificates: chips need not understand it.
	RequestCAR bool
}

const defaultMaxFile = 512 << 10

// Channel is the APDU layer of one card: command encoding, secure messaging, the ladder of read sizes, and the counters.
// It is not safe for concurrent use.
type Channel struct {
	t     Transmitter
	o     Options
	count Count

	sm    *messaging // nil in clear
	dead  error      // why the session cannot go on
	naked int        // unprotected refusals in a row

	rung     int     // of the ladder of read sizes, see blockSize
	limit    int     // further bound on a block, where the card named one; 0 is none
	noSFI    bool    // the card refuses short file identifiers
	sfiWorks [2]bool // short file identifiers were seen to work: in the master file, in the application
	selected bool    // the application was selected at some time
	inApp    bool    // and is now

	maxCommand int  // bytes of the longest command that the card said it takes, 0 where it said nothing
	chaining   bool // the card refuses extended commands: long ones go in pieces

	cam         *camRun  // after PACE with chip authentication mapping
	references  []string // trust points that the chip named in PACE
	chipID      []byte   // what terminal authentication takes for the chip's name
	terminalKey []byte   // and for the terminal's key of this session, once that is one that it may stand on

	rand   io.Reader
	keygen keygen
}

// NewChannel begins in clear.
func NewChannel(t Transmitter, o Options) *Channel {
	if o.MaxFile <= 0 {
		o.MaxFile = defaultMaxFile
	}
	c := &Channel{t: t, o: o, noSFI: o.NoSFI, rand: rand.Reader, keygen: randomKey(rand.Reader)}
	if o.Extended <= 256 {
		c.rung = rungShort
	}
	return c
}

// Count is what went over the wire so far.
type Count struct {
	APDUs    int
	Sent     int // bytes of command APDUs
	Received int // bytes of response APDUs, with status words
}

// Count gives the counters.
func (c *Channel) Count() Count { return c.count }

// Secure says whether secure messaging is up.
func (c *Channel) Secure() bool { return c.sm != nil && c.dead == nil }

// startMessaging moves to new session keys. The counter starts anew and so does the tolerance for refusals.
func (c *Channel) startMessaging(m *messaging) {
	c.sm, c.naked = m, 0
}

// aid is the eMRTD application's identifier (ICAO 9303-10 §4).
var aid = []byte{0xA0, 0x00, 0x00, 0x02, 0x47, 0x10, 0x01}

// SelectApplication selects the eMRTD application (A0000002471001). lds.ErrCardUnsupported if the card has none.
func (c *Channel) SelectApplication(ctx context.Context) error {
	const op = "SELECT eMRTD application"
	r, err := c.send(ctx, op, command{ins: 0xA4, p1: 0x04, p2: 0x0C, data: aid})
	if err != nil {
		return err
	}
	switch r.sw {
	case swOK:
		c.selected, c.inApp = true, true
		return nil
	case swFileNotFound, swDeactivated, swNotSupported, swWrongP1P2, swWrongIns, swWrongCla, swWrongLength:
		return status(op, r.sw, lds.ErrCardUnsupported)
	case swSecurity, swConditions:
		return status(op, r.sw, lds.ErrAccessFailed)
	}
	return status(op, r.sw, lds.ErrProtocol)
}
