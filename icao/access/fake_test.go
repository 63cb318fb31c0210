package access

import (
	"bytes"
	"context"
	"crypto/cipher"
	"encoding/binary"
	"testing"

	"github.com/gmrtd/gmrtd/cryptoutils"

	"github.com/tapcheck/tapcheck/icao/lds"
)

// fakeCard is the chip's side of secure messaging and of reading files, with every bad habit at hand. It is for the details that a
// real card's profile does not reach; the protocols are tried against icao/chip, which shares no code with this package.
type fakeCard struct {
	t     *testing.T
	suite suite
	sm    *messaging // the chip's own state; nil in clear
	files map[uint16][]byte

	sfi      uint16 // answer to READ BINARY by short identifier; 0 serves it
	maxLe    int    // READ BINARY for more is refused with tooLong
	tooLong  uint16
	naked    bool // such refusals come unprotected, before the command is counted
	extended bool // takes extended length
	maxRead  int  // gives at most so many bytes per READ BINARY
	wire     int  // the reader cuts responses to so many bytes (with status word); 0 does not

	before func(n int, apdu []byte) []byte         // answers in the chip's place
	after  func(n int, apdu, answer []byte) []byte // changes its answer

	current []byte
	n       int // commands
	log     []command
}

func fakeKeys(s suite) (enc, mac []byte) {
	return s.kdf([]byte("a secret of the test"), 1), s.kdf([]byte("a secret of the test"), 2)
}

// secured gives a fake card with secure messaging up, and the channel on it.
func secured(t *testing.T, s suite, o Options, f *fakeCard) *Channel {
	t.Helper()
	enc, mac := fakeKeys(s)
	f.t, f.suite, f.sm = t, s, newMessaging(s, enc, mac, nil)
	c := NewChannel(f, o)
	c.startMessaging(newMessaging(s, enc, mac, nil))
	c.selected, c.inApp = true, true
	return c
}

// testFile is a data group of n bytes in all.
func testFile(tag uint32, n int) []byte {
	for header := 2; header <= 5; header++ {
		body := make([]byte, n-header)
		for i := range body {
			body[i] = byte(i*7 + i>>8)
		}
		var out []byte
		if len(body) >= 0x10000 {
			out = append([]byte{byte(tag), 0x83, byte(len(body) >> 16), byte(len(body) >> 8), byte(len(body))}, body...)
		} else {
			out = lds.AppendTLV(nil, tag, body)
		}
		if len(out) == n {
			return out
		}
	}
	panic("no such length")
}

func (f *fakeCard) Transmit(_ context.Context, apdu []byte) ([]byte, error) {
	n := f.n
	f.n++
	if f.before != nil {
		if answer := f.before(n, apdu); answer != nil {
			return answer, nil
		}
	}
	answer := f.serve(apdu)
	if f.wire > 0 && len(answer) > f.wire {
		answer = answer[:f.wire]
	}
	if f.after != nil {
		answer = f.after(n, apdu, answer)
	}
	return answer, nil
}

func sw(n uint16) []byte { return binary.BigEndian.AppendUint16(nil, n) }

// parse reads a command in short or extended form.
func parse(t *testing.T, b []byte) command {
	c := command{cla: b[0], ins: b[1], p1: b[2], p2: b[3]}
	rest := b[4:]
	le := func(n, zero int) int {
		if n == 0 {
			return zero
		}
		return n
	}
	switch {
	case len(rest) == 0:
	case len(rest) == 1:
		c.le = le(int(rest[0]), 256)
	case rest[0] != 0:
		n := int(rest[0])
		if len(rest) != 1+n && len(rest) != 2+n {
			t.Fatalf("APDU of wrong length: %X", b)
		}
		c.data = rest[1 : 1+n]
		if len(rest) == 2+n {
			c.le = le(int(rest[1+n]), 256)
		}
	case len(rest) == 3:
		c.extended, c.le = true, le(int(binary.BigEndian.Uint16(rest[1:])), 65536)
	default:
		c.extended = true
		n := int(binary.BigEndian.Uint16(rest[1:]))
		if len(rest) != 3+n && len(rest) != 5+n {
			t.Fatalf("APDU of wrong length: %X", b)
		}
		c.data = rest[3 : 3+n]
		if len(rest) == 5+n {
			c.le = le(int(binary.BigEndian.Uint16(rest[3+n:])), 65536)
		}
	}
	return c
}

func (f *fakeCard) serve(apdu []byte) []byte {
	outer := parse(f.t, apdu)
	if f.sm == nil {
		f.log = append(f.log, outer)
		data, status := f.run(outer)
		return append(data, sw(status)...)
	}
	if outer.extended && !f.extended {
		return sw(swWrongLength)
	}
	if outer.cla&0x0C != 0x0C {
		f.sm = nil
		return sw(swSMMissing)
	}
	f.sm.ssc.step()
	inner := command{cla: outer.cla &^ 0x0C, ins: outer.ins, p1: outer.p1, p2: outer.p2}
	rest, covered := outer.data, 0
	for len(rest) > 0 {
		tag, value, tail, err := lds.ReadTLV(rest)
		if err != nil {
			f.t.Fatalf("protected command: %v", err)
		}
		switch tag {
		case 0x87, 0x85:
			if tag == 0x87 {
				value = value[1:]
			}
			plain := make([]byte, len(value))
			cipher.NewCBCDecrypter(f.sm.enc, f.sm.iv()).CryptBlocks(plain, value)
			inner.data, err = cryptoutils.ISO9797Method2Unpad(plain)
			if err != nil {
				f.t.Fatal(err)
			}
		case 0x97:
			inner.le = 256
			if len(value) == 2 {
				inner.le, inner.extended = 65536, true
			}
			if n := int(binary.BigEndian.Uint16(append(make([]byte, 2-len(value)), value...))); n > 0 {
				inner.le = n
			}
		case 0x8E:
			header := f.sm.pad([]byte{outer.cla, outer.ins, outer.p1, outer.p2})
			n := append(f.sm.ssc.clone(), header...)
			if covered > 0 {
				n = f.sm.pad(append(n, outer.data[:covered]...))
			}
			if !bytes.Equal(f.suite.mac(f.sm.macKey, n), value) {
				f.sm = nil
				return sw(swSMWrong)
			}
		}
		rest = tail
		covered = len(outer.data) - len(rest)
	}
	f.log = append(f.log, inner)
	data, status := f.run(inner)
	if f.naked && status == f.tooLong && len(data) == 0 {
		for i := len(f.sm.ssc) - 1; i >= 0; i-- { // it was never counted
			if f.sm.ssc[i]--; f.sm.ssc[i] != 0xFF {
				break
			}
		}
		return sw(status)
	}
	limit := 256
	if outer.extended {
		limit = 65536
	}
	if room := f.sm.capacity(limit); len(data) > room {
		data = data[:room]
	}
	return f.protect(inner.ins, data, status)
}

func (f *fakeCard) protect(ins byte, data []byte, status uint16) []byte {
	f.sm.ssc.step()
	var objects []byte
	if len(data) > 0 {
		padded := f.sm.pad(data)
		cipher.NewCBCEncrypter(f.sm.enc, f.sm.iv()).CryptBlocks(padded, padded)
		if ins&1 == 1 {
			objects = lds.AppendTLV(nil, 0x85, padded)
		} else {
			objects = lds.AppendTLV(nil, 0x87, append([]byte{1}, padded...))
		}
	}
	objects = lds.AppendTLV(objects, 0x99, sw(status))
	mac := f.suite.mac(f.sm.macKey, f.sm.pad(append(f.sm.ssc.clone(), objects...)))
	return append(lds.AppendTLV(objects, 0x8E, mac), sw(status)...)
}

// run is the card behind secure messaging.
func (f *fakeCard) run(c command) ([]byte, uint16) {
	switch c.ins {
	case 0xA4:
		if c.p1 == 4 {
			return nil, swOK
		}
		file, ok := f.files[binary.BigEndian.Uint16(c.data)]
		if !ok {
			return nil, swFileNotFound
		}
		f.current = file
		return nil, swOK
	case 0xB0, 0xB1:
		offset := int(c.p1)<<8 | int(c.p2)
		switch {
		case c.ins == 0xB1:
			at, err := lds.Only(c.data, 0x54)
			if err != nil {
				f.t.Fatalf("offset: %X", c.data)
			}
			offset = 0
			for _, b := range at {
				offset = offset<<8 | int(b)
			}
		case c.p1&0x80 != 0:
			if f.sfi != 0 {
				return nil, f.sfi
			}
			file, ok := f.files[0x0100|uint16(c.p1&0x1F)]
			if !ok {
				return nil, swFileNotFound
			}
			f.current, offset = file, int(c.p2)
		}
		if f.maxLe > 0 && c.le > f.maxLe {
			return nil, f.tooLong
		}
		if f.sm != nil && !c.extended && c.le > f.sm.capacity(256) {
			return nil, swWrongLength // this one does not cut what does not fit
		}
		if f.current == nil {
			return nil, swNoCurrentEF
		}
		if offset > len(f.current) {
			return nil, swWrongOffset
		}
		n := min(c.le, len(f.current)-offset)
		if f.maxRead > 0 {
			n = min(n, f.maxRead)
		}
		data, status := f.current[offset:offset+n], uint16(swOK)
		if n < c.le && f.maxRead == 0 {
			status = swEndOfFile
		}
		if c.ins == 0xB1 {
			room := c.le
			if f.sm != nil && !c.extended {
				room = min(room, f.sm.capacity(256))
			}
			for len(lds.AppendTLV(nil, 0x53, data)) > room {
				data = data[:len(data)-1]
			}
			return lds.AppendTLV(nil, 0x53, data), swOK
		}
		return bytes.Clone(data), status
	}
	return nil, swWrongIns
}
