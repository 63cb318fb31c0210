package access

import (
	"context"
	"errors"
	"fmt"

	"github.com/tapcheck/tapcheck/icao/lds"
)

// ErrShortResponse is an answer of fewer than the two bytes that a status word takes. vpcd answers so, without an error,
// when the card's process dies in the middle of a command; the session is dead then.
var ErrShortResponse = errors.New("response is shorter than a status word")

// ErrUnsupported says that the card offers nothing that we speak: no PACE at all, or only mappings and domain parameters
// that we do not know. Whether BAC is tried then is the caller's decision, because it is a downgrade that has to be recorded.
var ErrUnsupported = errors.New("card offers no access protocol that is supported")

// Status words of ISO 7816-4 that have a meaning of their own here.
const (
	swOK            = 0x9000
	swEndOfFile     = 0x6282 // end of file reached before Le bytes: the data is good
	swDeactivated   = 0x6283 // selected file is deactivated
	swWrongLength   = 0x6700
	swSecurity      = 0x6982
	swBlocked       = 0x6983
	swConditions    = 0x6985
	swNoCurrentEF   = 0x6986
	swSMMissing     = 0x6987
	swSMWrong       = 0x6988
	swWrongData     = 0x6A80
	swNotSupported  = 0x6A81
	swFileNotFound  = 0x6A82
	swWrongP1P2     = 0x6A86
	swNoReference   = 0x6A88
	swWrongOffset   = 0x6B00
	swWrongIns      = 0x6D00
	swWrongCla      = 0x6E00
	maxResponse     = 65536 + 2 // largest extended response with its status word
	maxGetResponses = 512       // bound on 61xx: a chip that always has more is not listened to
)

// command is a command APDU before its encoding. le is the number of response bytes that are expected: 0 for none, up to
// 256 short and 65536 extended.
type command struct {
	cla, ins, p1, p2 byte
	data             []byte
	le               int
	// extended forces the long form although lengths would fit the short one: a protected Le of up to 256 bytes may
	// come back in more than 256.
	extended bool
}

// encode gives ISO 7816-4's four cases in short or extended form. gmrtd writes a two-byte Le without the leading 00
// where there is no data, which chips take for Lc.
func (c command) encode() []byte {
	long := c.extended || len(c.data) > 255 || c.le > 256
	out := append(make([]byte, 0, 4+len(c.data)+9), c.cla, c.ins, c.p1, c.p2)
	if !long {
		if len(c.data) > 0 {
			out = append(append(out, byte(len(c.data))), c.data...)
		}
		if c.le > 0 {
			out = append(out, byte(c.le)) // 256 wraps to 00
		}
		return out
	}
	if len(c.data) > 0 || c.le > 0 {
		out = append(out, 0)
	}
	if len(c.data) > 0 {
		out = append(append(out, byte(len(c.data)>>8), byte(len(c.data))), c.data...)
	}
	if c.le > 0 {
		out = append(out, byte(c.le>>8), byte(c.le)) // 65536 wraps to 0000
	}
	return out
}

// response is a response APDU, decoded and, under secure messaging, verified.
type response struct {
	data []byte
	sw   uint16
}

// exchange carries one encoded APDU. It is the only place that talks to the transmitter, so cancelling takes effect
// within one APDU.
func (c *Channel) exchange(ctx context.Context, apdu []byte) (response, error) {
	if err := ctx.Err(); err != nil {
		return response{}, err
	}
	c.count.APDUs++
	c.count.Sent += len(apdu)
	raw, err := c.t.Transmit(ctx, apdu)
	if err != nil {
		return response{}, c.die(fmt.Errorf("command %02X: %w", apdu[1], err))
	}
	c.count.Received += len(raw)
	if len(raw) < 2 {
		return response{}, c.die(fmt.Errorf("command %02X: %w", apdu[1], ErrShortResponse))
	}
	if len(raw) > maxResponse {
		return response{}, c.die(fmt.Errorf("command %02X: response of %d bytes: %w", apdu[1], len(raw), lds.ErrProtocol))
	}
	n := len(raw) - 2
	return response{data: raw[:n:n], sw: uint16(raw[n])<<8 | uint16(raw[n+1])}, nil
}

// collect is exchange with GET RESPONSE after 61xx. That is transport (ISO 7816-4, status bytes): what is collected is still to be
// verified by secure messaging, where that is up.
func (c *Channel) collect(ctx context.Context, cmd command) (response, error) {
	r, err := c.exchange(ctx, cmd.encode())
	if err != nil || r.sw>>8 != 0x61 || cmd.extended {
		// After an extended command 61xx has no place; it would be the last bytes of an answer that the reader cut.
		return r, err
	}
	data := append([]byte(nil), r.data...)
	for i := 0; r.sw>>8 == 0x61; i++ {
		le := int(r.sw & 0xFF)
		if le == 0 {
			le = 256
		}
		if r, err = c.exchange(ctx, command{ins: 0xC0, le: le}.encode()); err != nil {
			return r, err
		}
		data = append(data, r.data...)
		if i == maxGetResponses || len(data) > maxResponse {
			return r, c.die(fmt.Errorf("response without end: %w", lds.ErrProtocol))
		}
	}
	return response{data: data, sw: r.sw}, nil
}

// maxShort is the longest data of a command in short form.
const maxShort = 255

// send carries one command, protected if secure messaging is up. The status word is the caller's to judge; an error means
// that there is no answer that could be judged.
//
// What does not fit the short form goes in the extended one (ICAO 9303-11 §9.3.1), and where the card refuses that or says
// that it takes less, in pieces, each protected by itself (ISO 7816-4, command chaining).
func (c *Channel) send(ctx context.Context, op string, cmd command) (response, error) {
	room := c.room()
	if len(cmd.data) <= room {
		return c.sendOne(ctx, op, cmd)
	}
	if !c.chaining && (c.maxCommand == 0 || len(cmd.data)+64 <= c.maxCommand) {
		r, err := c.sendOne(ctx, op, cmd)
		refused := r.sw
		if err != nil {
			refused = naked(err)
		}
		if refused != swWrongLength && refused != swWrongCla || len(r.data) > 0 {
			return r, err
		}
		c.chaining = true
	}
	return c.sendPieces(ctx, op, cmd, room)
}

// room is how much data fits a command in short form.
func (c *Channel) room() int {
	if c.sm == nil {
		return maxShort
	}
	return c.sm.commandCapacity(maxShort)
}

// sendPieces chains commands: all but the last have the bit of the class byte, and only the last has an answer.
func (c *Channel) sendPieces(ctx context.Context, op string, cmd command, size int) (response, error) {
	data := cmd.data
	for len(data) > size {
		piece := command{cla: cmd.cla | 0x10, ins: cmd.ins, p1: cmd.p1, p2: cmd.p2, data: data[:size]}
		if r, err := c.sendOne(ctx, op, piece); err != nil || r.sw != swOK {
			return r, err
		}
		data = data[size:]
	}
	cmd.data, cmd.le, cmd.extended = data, min(cmd.le, 256), false
	return c.sendOne(ctx, op, cmd)
}

// sendOne carries one command as one APDU.
func (c *Channel) sendOne(ctx context.Context, op string, cmd command) (response, error) {
	if c.dead != nil {
		return response{}, fmt.Errorf("%s: session is over: %w", op, c.dead)
	}
	if c.sm == nil {
		r, err := c.collect(ctx, cmd)
		if err == nil && r.sw>>8 == 0x6C && len(r.data) == 0 && cmd.le > 0 {
			// The chip names the only length that it gives (ISO 7816-4, status bytes). Asked once: the next 6Cxx is the caller's.
			if cmd.le = int(r.sw & 0xFF); cmd.le == 0 {
				cmd.le = 256
			}
			cmd.extended = false
			r, err = c.collect(ctx, cmd)
		}
		return r, err
	}

	if err := ctx.Err(); err != nil {
		return response{}, err // before the command is counted
	}
	before := c.sm.ssc.clone()
	r, err := c.collect(ctx, c.sm.protect(cmd))
	if err != nil {
		return r, err
	}
	plain, err := c.sm.unprotect(cmd, r)
	if err == nil {
		c.naked = 0
		return plain, nil
	}
	if errors.Is(err, errTruncated) && cmd.extended {
		// The chip sent its answer and counted it, the reader cut it: the counter stays in step, and the caller may ask for less.
		return response{}, fmt.Errorf("%s: %w", op, err)
	}
	if len(r.data) == 0 && recoverable(r.sw) && c.naked < maxNaked {
		// A chip that refuses a command before it looks at its protection has not counted it: without the step back
		// the next command's MAC would be wrong (seen on extended length). The answer itself proves nothing and stays an error.
		c.sm.ssc = before
		c.naked++
		return response{}, &nakedError{lds.StatusError{Op: op, SW: r.sw, Err: lds.ErrSecureMessaging}}
	}
	return response{}, c.die(&lds.StatusError{Op: op, SW: r.sw, Err: lds.ErrSecureMessaging})
}

// maxNaked bounds unprotected refusals in a row; the ladder of read sizes needs three, a refused SFI one.
const maxNaked = 5

// recoverable says that the chip may have refused the command as such and kept its session. An unprotected success is
// a forgery, and 6987 and 6988 are what a chip says when it ends secure messaging (ICAO 9303-11 §9.8.3 and §9.8.5).
func recoverable(sw uint16) bool {
	return sw>>8 >= 0x64 && sw>>8 <= 0x6F && sw != swSMMissing && sw != swSMWrong
}

// nakedError is an unprotected refusal under secure messaging. It is lds.ErrSecureMessaging to the outside; inside, reads are
// tried in another form after it.
type nakedError struct{ lds.StatusError }

func (e *nakedError) Unwrap() error { return &e.StatusError }

// naked gives the status word of an unprotected refusal, or 0.
func naked(err error) uint16 {
	var n *nakedError
	if errors.As(err, &n) {
		return n.SW
	}
	return 0
}

// die ends the session: nothing is sent any more, and every later call says why.
func (c *Channel) die(why error) error {
	if c.dead == nil {
		c.dead = why
	}
	return why
}

// status is a StatusError for a status word that stands for err.
func status(op string, sw uint16, err error) error { return &lds.StatusError{Op: op, SW: sw, Err: err} }
