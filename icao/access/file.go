package access

import (
	"context"
	"errors"
	"fmt"

	"github.com/tapcheck/tapcheck/icao/lds"
)

// The ladder of read sizes. It only goes down, and what was learnt holds for the session. Cards and readers are known that
// refuse or cut extended answers, or anything over 192 bytes.
const (
	rungExtended = iota
	rungShort    // all that fits a short response
	rung192
	rung128
	rungs
)

// block is how many bytes of a file to ask for at once, and whether in extended form. In a protected response the data
// objects take their part: a short one holds 223 bytes (AES) or 231 (3DES), and asking for 256 would rely on the chip to cut.
func (c *Channel) block() (n int, extended bool) {
	rung := c.effectiveRung()
	wire := [...]int{min(c.o.Extended, 65536), 256, 256, 256}[rung]
	n = wire
	if c.sm != nil {
		n = c.sm.capacity(wire)
	}
	switch rung {
	case rung192:
		n = min(n, 192)
	case rung128:
		n = min(n, 128)
	}
	if c.limit > 0 {
		n = min(n, c.limit)
	}
	return n, rung == rungExtended
}

// effectiveRung keeps to short length before access control: the only file there is small, and cards are known that take an
// extended command in clear for a mistake.
func (c *Channel) effectiveRung() int {
	if c.sm == nil && !c.inApp {
		return max(c.rung, rungShort)
	}
	return c.rung
}

// down takes one step on the ladder; false at its end.
func (c *Channel) down() bool {
	rung := c.effectiveRung()
	if rung+1 >= rungs {
		return false
	}
	c.rung = rung + 1
	c.limit = 0
	return true
}

// wholeFile is a want while the length of the file is not known.
const wholeFile = 65536

// maxOffset is the last offset that READ BINARY with an even instruction can address: bit 8 of P1 means a short file identifier.
const maxOffset = 0x7FFF

// readBinary reads once at an offset, going down the ladder where card or reader refuse the size. sfi is 0 for the current
// file. want bounds the size; what comes may be shorter. The status word is 9000 or 6282, or one for the caller to judge.
func (c *Channel) readBinary(ctx context.Context, op string, sfi byte, offset, want int) (response, error) {
	exact := 0 // a length that the card named
	for tries := 0; ; tries++ {
		n, extended := c.block()
		odd := offset > maxOffset
		if odd {
			// The answer's data object 53 takes up to five bytes of the block.
			n = min(n, want+tlvOverhead(want))
		} else {
			n = min(n, want)
		}
		if exact > 0 {
			n = exact
		}
		cmd := command{ins: 0xB0, p1: byte(offset >> 8), p2: byte(offset), le: n}
		switch {
		case sfi != 0:
			cmd.p1, cmd.p2 = 0x80|sfi, 0
		case odd:
			// ISO 7816-4 and ICAO 9303-10 §3.6: the offset in DO'54', the data in DO'53'.
			at := []byte{byte(offset >> 16), byte(offset >> 8), byte(offset)}
			if offset < 1<<16 {
				at = at[1:]
			}
			cmd = command{ins: 0xB1, data: lds.AppendTLV(nil, 0x54, at), le: n}
		}
		if c.sm == nil {
			cmd.extended = false // encode sees by itself when it is needed
		} else {
			cmd.extended = extended && n > c.sm.capacity(256)
		}
		long := cmd.extended || n > 256
		r, err := c.send(ctx, op, cmd)
		sw := r.sw
		if err != nil {
			if long && errors.Is(err, errTruncated) && c.down() {
				continue
			}
			if sw = naked(err); sw == 0 {
				return r, err
			}
		}
		switch {
		case sw>>8 == 0x6C && sw != 0x6C00 && tries < rungs+2 && exact != int(sw&0xFF):
			exact = int(sw & 0xFF)
			if want < wholeFile && exact < want && exact >= 32 {
				c.limit = exact // not the end of the file, so the card's own block: asked for more it would refuse each time
			}
			continue
		case (sw == swWrongLength || sw>>8 == 0x6C) && tries < rungs+2 && c.down():
			exact = 0
			continue
		}
		if err != nil {
			return r, err
		}
		if odd && len(r.data) > 0 {
			data, err := lds.Only(r.data, 0x53)
			if err != nil {
				return r, err
			}
			r.data = data
		}
		return r, nil
	}
}

func tlvOverhead(n int) int {
	switch {
	case n < 0x80:
		return 2
	case n < 0x100:
		return 3
	case n < 0x10000:
		return 4
	}
	return 5
}

// ReadFile reads one whole file with as few APDUs as the card allows: by short file identifier with the first block,
// else SELECT; odd-INS READ BINARY past 32,767 bytes. progress, if not nil, gets bytes done and total after each block.
// Errors: *lds.FileError with lds.ErrFileAbsent, ErrFileRefused, ErrTooLarge, ErrMalformed (length that lies), ErrSecureMessaging; the transmitter's.
func (c *Channel) ReadFile(ctx context.Context, id lds.FileID, progress func(done, total int)) ([]byte, error) {
	data, err := c.readFile(ctx, id, progress)
	for _, about := range []error{lds.ErrFileAbsent, lds.ErrFileRefused, lds.ErrTooLarge, lds.ErrMalformed, lds.ErrSecureMessaging, lds.ErrProtocol} {
		if errors.Is(err, about) {
			return nil, &lds.FileError{File: id, Err: err}
		}
	}
	if err != nil {
		return nil, err
	}
	return data, nil
}

func (c *Channel) readFile(ctx context.Context, id lds.FileID, progress func(done, total int)) ([]byte, error) {
	addr, ok := id.Address()
	if !ok {
		return nil, fmt.Errorf("no file of that name: %w", lds.ErrFileAbsent)
	}
	op := "READ BINARY " + string(id)
	if id == lds.ATRInfo || id == lds.CVCA {
		return c.readUnframed(ctx, op, addr, progress)
	}
	if err := c.enter(ctx, addr); err != nil {
		return nil, err
	}
	r, err := c.open(ctx, op, addr)
	if err != nil {
		return nil, err
	}

	data := append([]byte(nil), r.data...)
	total := -1
	// A full read takes one block each; the allowance is for cards that answer with less than they were asked for.
	for reads, empty := 1, 0; ; reads++ {
		if total < 0 {
			tag, header, length, err := lds.ReadHeader(data)
			switch {
			case err == nil:
				if addr.Tag != 0 && tag != addr.Tag {
					return nil, fmt.Errorf("file has another tag than it must have: %w", lds.ErrMalformed)
				}
				total = header + length
				if total > c.o.MaxFile {
					return nil, fmt.Errorf("file of %d bytes: %w", total, lds.ErrTooLarge)
				}
			case !errors.Is(err, lds.ErrCut):
				return nil, err
			}
		}
		if total >= 0 {
			data = data[:min(len(data), total)] // a card may send what lies behind the file's content
			if progress != nil {
				progress(len(data), total)
			}
			if len(data) == total {
				return data, nil
			}
		}
		if len(r.data) == 0 {
			empty++
		}
		if empty > 3 || reads > 32+len(data)/24 {
			return nil, fmt.Errorf("card does not deliver the length that the file states: %w", lds.ErrMalformed)
		}
		want := wholeFile
		if total >= 0 {
			want = total - len(data)
		}
		if r, err = c.readBinary(ctx, op, 0, len(data), want); err != nil {
			return nil, err
		}
		switch r.sw {
		case swOK, swEndOfFile:
		case swWrongOffset, swWrongP1P2, swFileNotFound:
			return nil, status(op, r.sw, fmt.Errorf("file ends before the length that it states: %w", lds.ErrMalformed))
		default:
			return nil, fileStatus(op, r.sw)
		}
		data = append(data, r.data...)
	}
}

// enter makes the file's directory the current one. Files of the application have the same short identifiers as files of the
// master file (EF.CardSecurity and EF.SOD are both 1D), so reading in the wrong one would read the wrong file.
func (c *Channel) enter(ctx context.Context, a lds.Address) error {
	switch {
	case a.InMF && c.inApp:
		const op = "SELECT MF"
		r, err := c.send(ctx, op, selectMF)
		if err != nil {
			return err
		}
		if r.sw != swOK {
			return fileStatus(op, r.sw) // the citizen card says 6D00 here
		}
		c.inApp = false
	case !a.InMF && c.selected && !c.inApp:
		return c.SelectApplication(ctx)
	}
	return nil
}

var selectMF = command{ins: 0xA4, p2: 0x0C, data: []byte{0x3F, 0x00}}

// open reads the first block, and finds out whether the card knows short file identifiers.
func (c *Channel) open(ctx context.Context, op string, a lds.Address) (response, error) {
	where := 1
	if a.InMF {
		where = 0
	}
	absent := false // the card says that there is no such file where we are
	if !c.noSFI && a.SFI != 0 {
		rung, limit := c.rung, c.limit
		r, err := c.readBinary(ctx, op, a.SFI, 0, wholeFile)
		sw := r.sw
		if err != nil {
			if sw = naked(err); sw == 0 {
				return r, err
			}
		}
		switch {
		case err == nil && (sw == swOK || sw == swEndOfFile):
			c.sfiWorks[where] = true
			return r, nil
		case sw == swFileNotFound && c.sfiWorks[where]:
			// The card knows short identifiers, and this one is none.
			if err != nil {
				return r, err
			}
			return r, fileStatus(op, sw)
		case sfiRefused(sw):
			c.rung, c.limit = rung, limit // perhaps it was the identifier, and not the length, that was refused
			absent = sw == swFileNotFound
		case err != nil:
			return r, err
		default:
			return r, fileStatus(op, sw)
		}
	}

	// Perhaps the card did not wake up in its master file. Whatever it says to SELECT MF is no reason to give up: the
	// Vietnamese citizen card says 6D00.
	wake := func() error {
		_, err := c.send(ctx, "SELECT MF", selectMF)
		if naked(err) != 0 {
			return nil
		}
		return err
	}
	elsewhere := a.InMF && !c.selected
	if elsewhere && absent { // to ask for the file by its other name first would only be told the same
		if err := wake(); err != nil {
			return response{}, err
		}
	}
	r, err := c.selectEF(ctx, a.FID)
	if elsewhere && !absent && (err == nil && r.sw != swOK || naked(err) != 0) {
		if err := wake(); err != nil {
			return r, err
		}
		r, err = c.selectEF(ctx, a.FID)
	}
	if err != nil {
		return r, err
	}
	if r.sw != swOK {
		return r, fileStatus(selectOp(a.FID), r.sw)
	}
	if r, err = c.readBinary(ctx, op, 0, 0, wholeFile); err != nil {
		return r, err
	}
	if r.sw != swOK && r.sw != swEndOfFile {
		return r, fileStatus(op, r.sw)
	}
	if !c.sfiWorks[where] && a.SFI != 0 {
		c.noSFI = true
	}
	return r, nil
}

func selectOp(fid uint16) string { return fmt.Sprintf("SELECT %04X", fid) }

func (c *Channel) selectEF(ctx context.Context, fid uint16) (response, error) {
	return c.send(ctx, selectOp(fid), command{ins: 0xA4, p1: 0x02, p2: 0x0C, data: []byte{byte(fid >> 8), byte(fid)}})
}

// sfiRefused says whether a status word can mean that the card does not know short file identifiers. 6A82 can, and so
// can be an absent file: SELECT tells.
func sfiRefused(sw uint16) bool {
	switch sw {
	case swFileNotFound, swWrongP1P2, 0x6981, swNoCurrentEF, swWrongOffset, swNotSupported, swWrongData, swWrongIns, swWrongCla, swWrongLength:
		return true
	}
	return false
}

// fileStatus types the status word of a file that could not be read.
func fileStatus(op string, sw uint16) error {
	switch sw {
	case swFileNotFound, swDeactivated:
		return status(op, sw, lds.ErrFileAbsent)
	case swSecurity, swConditions, swNoCurrentEF, swWrongIns, swBlocked:
		return status(op, sw, lds.ErrFileRefused)
	}
	return status(op, sw, lds.ErrProtocol)
}
