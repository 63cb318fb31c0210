package access

import (
	"context"
	"errors"
	"fmt"

	"github.com/tapcheck/tapcheck/icao/lds"
)

// Extents are what a card says that it takes beyond short length, in bytes of the whole APDU; 0 where it says nothing.
type Extents struct {
	Command  int  // of the longest command
	Response int  // of the longest response
	Chaining bool // commands in pieces
}

// ErrNoExtents says that EF.ATR/INFO says nothing about lengths.
var ErrNoExtents = errors.New("card does not state its lengths")

// maxUnframed bounds the files that are no single data object: EF.ATR/INFO and EF.CVCA.
const maxUnframed = 4096

// ParseATRInfo finds the extended length information (DO'7F66', ISO 7816-4) and the card capabilities (DO'47') in EF.ATR/INFO, a
// sequence of data objects. Errors: ErrNoExtents (neither is there), lds.ErrMalformed.
func ParseATRInfo(file []byte) (Extents, error) {
	var e Extents
	found := false
	for n := 0; len(file) > 0 && file[0] != 0; n++ { // zeros fill the file up
		tag, value, rest, err := lds.ReadTLV(file)
		if err != nil {
			return Extents{}, fmt.Errorf("EF.ATR/INFO: %w", err)
		}
		if n == 64 {
			return Extents{}, fmt.Errorf("EF.ATR/INFO of too many data objects: %w", lds.ErrMalformed)
		}
		file = rest
		if tag == 0x47 && len(value) == 3 {
			e.Chaining, found = value[2]&0x80 != 0, true
		}
		if tag != 0x7F66 {
			continue
		}
		found = true
		for _, into := range []*int{&e.Command, &e.Response} {
			number, tail, err := readInteger(value)
			if err != nil {
				return Extents{}, fmt.Errorf("EF.ATR/INFO: %w", err)
			}
			if number.BitLen() > 31 {
				return Extents{}, fmt.Errorf("EF.ATR/INFO: length is too large: %w", lds.ErrMalformed)
			}
			*into, value = int(number.Int64()), tail
		}
		if e.Command < 256 || e.Response < 256 {
			return Extents{}, fmt.Errorf("EF.ATR/INFO: lengths that are shorter than short ones: %w", lds.ErrMalformed)
		}
	}
	if !found {
		return Extents{}, ErrNoExtents
	}
	return e, nil
}

// Extents reads EF.ATR/INFO and keeps to what it says from then on: reads ask for no more than the card gives (and no more than
// Options.Extended), and commands that the card does not take in one go in pieces. It belongs before access control.
// Errors: those of ReadFile, and those of ParseATRInfo as lds.FileError where the file is malformed. After any of them that is not
// the transmitter's the channel goes on as before.
func (c *Channel) Extents(ctx context.Context) (Extents, error) {
	file, err := c.ReadFile(ctx, lds.ATRInfo, nil)
	if err != nil {
		return Extents{}, err
	}
	e, err := ParseATRInfo(file)
	if err != nil {
		if errors.Is(err, lds.ErrMalformed) {
			err = &lds.FileError{File: lds.ATRInfo, Err: err}
		}
		return Extents{}, err
	}
	c.Limit(e)
	return e, nil
}

// Limit is for a caller that has read EF.ATR/INFO by other means.
func (c *Channel) Limit(e Extents) {
	if e.Command > 0 {
		c.maxCommand = e.Command
	}
	// The two bytes of the status word are taken off: makers disagree whether they are counted.
	if n := e.Response - 2; e.Response > 0 && c.o.Extended > n {
		if c.o.Extended = n; n <= 256 {
			c.rung = max(c.rung, rungShort)
		}
	}
}

// readUnframed reads a file whose content is no single data object, to its end.
func (c *Channel) readUnframed(ctx context.Context, op string, a lds.Address, progress func(done, total int)) ([]byte, error) {
	if err := c.enter(ctx, a); err != nil {
		return nil, err
	}
	r, err := c.open(ctx, op, a)
	if err != nil {
		return nil, err
	}
	var data []byte
	for {
		data = append(data, r.data...)
		full, _ := c.block()
		switch {
		case len(data) > min(maxUnframed, c.o.MaxFile):
			return nil, fmt.Errorf("file without end: %w", lds.ErrTooLarge)
		case r.sw == swEndOfFile || len(r.data) < min(full, 100):
			// No card is known that gives less than 100 bytes of a file that has more, and asking for what is not there is an error.
			if progress != nil {
				progress(len(data), len(data))
			}
			return data, nil
		}
		if r, err = c.readBinary(ctx, op, 0, len(data), wholeFile); err != nil {
			return nil, err
		}
		switch r.sw {
		case swOK, swEndOfFile:
		case swWrongOffset, swWrongP1P2:
			r = response{sw: swEndOfFile}
		default:
			return nil, fileStatus(op, r.sw)
		}
	}
}
