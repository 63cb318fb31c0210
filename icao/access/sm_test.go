package access

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"testing"

	"github.com/tapcheck/tapcheck/icao/lds"
)

var allSuites = []suite{suite3DES, suiteAES128, suiteAES192, suiteAES256}

// TestUnprotectedAnswers: under secure messaging no unprotected answer is anything but a broken session, whatever it says. gmrtd
// takes a naked 9000 for a success.
func TestUnprotectedAnswers(t *testing.T) {
	for _, tt := range []struct {
		answer string
		goesOn bool // the chip may have refused before it counted
	}{
		{"9000", false},
		{"6101119000", false},
		{"61011190 9000", false},
		{"6282", false},
		{"6300", false},
		{"6A82", true},
		{"6982", true},
		{"6700", true},
		{"6987", false},
		{"6988", false},
		{"990290009000", false}, // status without MAC
		{"99029000 8E08 0000000000000000 9000", false}, // wrong MAC
		{"8E08 0000000000000000 9000", false},
	} {
		t.Run(tt.answer, func(t *testing.T) {
			f := &fakeCard{files: map[uint16][]byte{0x0101: testFile(0x61, 10)}}
			c := secured(t, suiteAES128, Options{}, f)
			f.before = func(int, []byte) []byte { return unhex(tt.answer) }
			_, err := c.send(t.Context(), "test", command{ins: 0xA4, p1: 2, p2: 0x0C, data: []byte{1, 1}})
			var s *lds.StatusError
			raw := unhex(tt.answer)
			if !errors.Is(err, lds.ErrSecureMessaging) || !errors.As(err, &s) || s.SW != uint16(raw[len(raw)-2])<<8|uint16(raw[len(raw)-1]) {
				t.Fatalf("%v", err)
			}
			f.before = nil
			_, err = c.ReadFile(t.Context(), lds.DG(1), nil)
			if tt.goesOn && err != nil {
				t.Errorf("session should go on: %v", err)
			}
			if !tt.goesOn && (!errors.Is(err, lds.ErrSecureMessaging) || c.Secure() || f.n != 1) {
				t.Errorf("session should be over: %v", err)
			}
		})
	}
}

// TestNakedRefusalsAreBounded: a chip that only ever refuses is not asked for ever.
func TestNakedRefusalsAreBounded(t *testing.T) {
	f := &fakeCard{before: func(int, []byte) []byte { return []byte{0x67, 0x00} }}
	c := secured(t, suiteAES128, Options{Extended: 65536}, f)
	for range 20 {
		if _, err := c.ReadFile(t.Context(), lds.DG(1), nil); !errors.Is(err, lds.ErrSecureMessaging) {
			t.Fatal(err)
		}
	}
	if f.n > maxNaked+1 {
		t.Errorf("%d commands", f.n)
	}
}

// TestTamperedAnswers changes, cuts and doubles every byte of every answer of a read: nothing tampered is ever believed.
func TestTamperedAnswers(t *testing.T) {
	file := testFile(0x75, 300)
	for _, s := range allSuites {
		for _, o := range []Options{{}, {NoSFI: true}, {Extended: 4096}} {
			read := func(after func(n int, apdu, answer []byte) []byte) ([]byte, int, error) {
				f := &fakeCard{files: map[uint16][]byte{0x0102: file}, after: after, extended: true}
				c := secured(t, s, o, f)
				got, err := c.ReadFile(t.Context(), lds.DG(2), nil)
				return got, f.n, err
			}
			var lengths []int
			if _, _, err := read(func(_ int, _, answer []byte) []byte { lengths = append(lengths, len(answer)); return answer }); err != nil {
				t.Fatal(err)
			}
			for at, length := range lengths {
				step := 1
				if testing.Short() || underRace {
					step = 23
				}
				for i := 0; i < length; i += step {
					for name, change := range map[string]func(b []byte) []byte{
						"flip":   func(b []byte) []byte { b[i] ^= 0x01; return b },
						"cut":    func(b []byte) []byte { return b[:i] },
						"insert": func(b []byte) []byte { return append(b[:i], append([]byte{0}, b[i:]...)...) },
					} {
						got, n, err := read(func(n int, _, answer []byte) []byte {
							if n == at {
								return change(bytes.Clone(answer))
							}
							return answer
						})
						if err == nil && (o.Extended == 0 || n == len(lengths) || !bytes.Equal(got, file)) {
							// An extended answer that seems to be cut off may be asked for again, shorter.
							t.Fatalf("%s %+v: %s at byte %d of answer %d was believed", s.name, o, name, i, at)
						}
						if err != nil && !errors.Is(err, lds.ErrSecureMessaging) && !errors.Is(err, ErrShortResponse) {
							t.Fatalf("%s: %s at byte %d of answer %d: %v", s.name, name, i, at, err)
						}
					}
				}
			}
		}
	}
}

// TestReplayedAnswers: an answer of before is not believed again, nor is one of another command.
func TestReplayedAnswers(t *testing.T) {
	for _, s := range allSuites {
		var old []byte
		f := &fakeCard{files: map[uint16][]byte{0x0101: testFile(0x61, 20), 0x0102: testFile(0x75, 20)}}
		c := secured(t, s, Options{}, f)
		f.after = func(n int, _, answer []byte) []byte {
			if n == 0 {
				old = answer
				return answer
			}
			return old
		}
		if _, err := c.ReadFile(t.Context(), lds.DG(1), nil); err != nil {
			t.Fatal(err)
		}
		if _, err := c.ReadFile(t.Context(), lds.DG(1), nil); !errors.Is(err, lds.ErrSecureMessaging) {
			t.Errorf("%s: %v", s.name, err)
		}
	}
}

// failing is a transmitter that fails at one command.
type failing struct {
	Transmitter
	at  int
	n   int
	err error
	cut bool // gives one byte instead
}

func (f *failing) Transmit(ctx context.Context, apdu []byte) ([]byte, error) {
	f.n++
	if f.n-1 == f.at {
		if f.cut {
			return []byte{0x90}, nil
		}
		return nil, f.err
	}
	return f.Transmitter.Transmit(ctx, apdu)
}

// TestTransmitterErrors: they come back as they are, at every command, and nothing is sent afterwards.
func TestTransmitterErrors(t *testing.T) {
	gone := errors.New("card was removed")
	for at := range 4 {
		for _, cut := range []bool{false, true} {
			f := &fakeCard{files: map[uint16][]byte{0x0102: testFile(0x75, 600)}}
			c := secured(t, suiteAES128, Options{NoSFI: true}, f)
			tx := &failing{Transmitter: f, at: at, err: gone, cut: cut}
			c.t = tx
			want := gone
			if cut {
				want = ErrShortResponse
			}
			var file *lds.FileError
			_, err := c.ReadFile(t.Context(), lds.DG(2), nil)
			if !errors.Is(err, want) || errors.As(err, &file) {
				t.Errorf("command %d: %v", at, err)
			}
			n := tx.n
			if _, err := c.ReadFile(t.Context(), lds.DG(2), nil); !errors.Is(err, want) || tx.n != n || c.Secure() {
				t.Errorf("command %d, afterwards: %v, %d commands", at, err, tx.n-n)
			}
		}
	}
}

// TestCancelWithinOneAPDU: after the context has ended nothing more is sent.
func TestCancelWithinOneAPDU(t *testing.T) {
	for at := range 4 {
		ctx, cancel := context.WithCancel(t.Context())
		f := &fakeCard{files: map[uint16][]byte{0x0102: testFile(0x75, 600)}}
		c := secured(t, suiteAES128, Options{NoSFI: true}, f)
		f.after = func(n int, _, answer []byte) []byte {
			if n == at {
				cancel()
			}
			return answer
		}
		_, err := c.ReadFile(ctx, lds.DG(2), nil)
		if at < 3 && (!errors.Is(err, context.Canceled) || f.n != at+1) {
			t.Errorf("cancelled at %d: %v after %d commands", at, err, f.n)
		}
		cancel()
		// The session itself is whole: another context goes on.
		f.after = nil
		if got, err := c.ReadFile(t.Context(), lds.DG(2), nil); err != nil || len(got) != 600 {
			t.Errorf("cancelled at %d, afterwards: %v", at, err)
		}
	}
}

// TestErrorsHoldNoData: no error text has anything of key, file or answer in it.
func TestErrorsHoldNoData(t *testing.T) {
	secret := "B7C8D9" // a CAN of the wrong form
	_, err := passwords(lds.Key{CAN: secret})
	if err == nil || bytes.Contains([]byte(fmt.Sprintf("%v %+v %#v", err, err, err)), []byte(secret)) {
		t.Errorf("%v", err)
	}
	_, err = passwords(lds.Key{MRZ: &lds.MRZKey{DocumentNumber: "abc-99817", DateOfBirth: "990101", DateOfExpiry: "390101"}})
	if !errors.Is(err, lds.ErrKeyMalformed) || bytes.Contains([]byte(err.Error()), []byte("99")) {
		t.Errorf("%v", err)
	}
}
