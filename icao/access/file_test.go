package access

import (
	"bytes"
	"errors"
	"fmt"
	"testing"

	"github.com/tapcheck/tapcheck/icao/lds"
)

// TestCommandEncoding is ISO 7816-4's table of cases. gmrtd writes READ BINARY for 961 bytes as 00B0000403C1, which a chip
// takes for a command with three bytes of data.
func TestCommandEncoding(t *testing.T) {
	data := bytes.Repeat([]byte{0xDD}, 300)
	for _, tt := range []struct {
		name string
		c    command
		want string
	}{
		{"1", command{ins: 0x70}, "00700000"},
		{"2 short", command{ins: 0xB0, p2: 4, le: 18}, "00B0000412"},
		{"2 short, 256", command{ins: 0xB0, le: 256}, "00B0000000"},
		{"2 extended", command{ins: 0xB0, p2: 4, le: 961}, "00B00004 00 03C1"},
		{"2 extended, 65536", command{ins: 0xB0, le: 65536}, "00B00000 00 0000"},
		{"2 forced", command{ins: 0xB0, le: 256, extended: true}, "00B00000 00 0100"},
		{"3 short", command{ins: 0xA4, p1: 2, p2: 12, data: data[:2]}, "00A4020C 02 DDDD"},
		{"3 extended", command{ins: 0xA4, data: data}, fmt.Sprintf("00A40000 00012C %X", data)},
		{"4 short", command{ins: 0x88, data: data[:8], le: 256}, "00880000 08 DDDDDDDDDDDDDDDD 00"},
		{"4 extended by Le", command{ins: 0x88, data: data[:2], le: 257}, "00880000 000002 DDDD 0101"},
		{"4 extended by Lc", command{ins: 0x88, data: data, le: 256}, fmt.Sprintf("00880000 00012C %X 0100", data)},
	} {
		if got := tt.c.encode(); !bytes.Equal(got, unhex(tt.want)) {
			t.Errorf("case %s: %X", tt.name, got)
		}
	}
}

// TestCapacity holds the numbers of ICAO 9303-11 §6.1.4 (1,792 bits with AES, 1,848 with 3DES) and shows that they are exact.
func TestCapacity(t *testing.T) {
	for _, s := range []suite{suite3DES, suiteAES128, suiteAES192, suiteAES256} {
		enc, mac := fakeKeys(s)
		f := &fakeCard{suite: s, sm: newMessaging(s, enc, mac, nil)}
		for _, limit := range []int{64, 128, 256, 257, 300, 1024, 4096, 65536} {
			n := f.sm.capacity(limit)
			if got := len(f.protect(0xB0, make([]byte, n), swOK)) - 2; got > limit {
				t.Errorf("%s: %d bytes take %d, more than %d", s.name, n, got, limit)
			}
			if got := len(f.protect(0xB0, make([]byte, n+1), swOK)) - 2; got <= limit {
				t.Errorf("%s: one more than %d bytes would fit %d too (%d)", s.name, n, limit, got)
			}
		}
		want := 223
		if s == suite3DES {
			want = 231
		}
		if got := f.sm.capacity(256); got != want {
			t.Errorf("%s: %d, want %d", s.name, got, want)
		}
	}
}

// TestReadFile reads files of every interesting length through cards of every habit, and counts APDUs.
func TestReadFile(t *testing.T) {
	for _, tt := range []struct {
		name  string
		suite suite
		o     Options
		card  fakeCard
		size  int
		apdus int
	}{
		{name: "one block", size: 223, apdus: 1},
		{name: "one byte more", size: 224, apdus: 2},
		{name: "short", size: 40, apdus: 1},
		{name: "3DES block", suite: suite3DES, size: 231, apdus: 1},
		{name: "3DES byte more", suite: suite3DES, size: 232, apdus: 2},
		{name: "long", size: 20000, apdus: 90},
		{name: "extended", o: Options{Extended: 65536}, card: fakeCard{extended: true}, size: 20000, apdus: 1},
		{name: "extended 2048", o: Options{Extended: 2048}, card: fakeCard{extended: true}, size: 20000, apdus: 10},
		{name: "extended refused naked", o: Options{Extended: 65536}, size: 2000, apdus: 1 + 9},
		{name: "extended refused", o: Options{Extended: 65536}, card: fakeCard{extended: true, maxLe: 256, tooLong: swWrongLength}, size: 2000, apdus: 1 + 9},
		{name: "reader cuts at 256", o: Options{Extended: 65536}, card: fakeCard{extended: true, wire: 258}, size: 2000, apdus: 1 + 9},
		{name: "192 at most", card: fakeCard{maxLe: 192, tooLong: swWrongLength}, size: 1920, apdus: 1 + 10},
		{name: "192 at most, naked", card: fakeCard{maxLe: 192, tooLong: swWrongLength, naked: true}, size: 1920, apdus: 1 + 10},
		{name: "128 at most, naked", o: Options{Extended: 1000}, card: fakeCard{maxLe: 130, tooLong: swWrongLength, naked: true}, size: 1280, apdus: 3 + 10},
		{name: "names its length", card: fakeCard{maxLe: 160, tooLong: 0x6CA0}, size: 1600, apdus: 2 + 10},
		{name: "names its length, naked", card: fakeCard{maxLe: 160, tooLong: 0x6CA0, naked: true}, size: 1600, apdus: 2 + 10},
		{name: "short answers", card: fakeCard{maxRead: 100}, size: 1000, apdus: 10},
		{name: "tiny answers", card: fakeCard{maxRead: 24}, size: 240, apdus: 10},
		{name: "no SFI", card: fakeCard{sfi: swWrongP1P2}, size: 100, apdus: 1 + 2},
		{name: "no SFI, told", o: Options{NoSFI: true}, card: fakeCard{sfi: swWrongP1P2}, size: 100, apdus: 2},
		{name: "no SFI, as if by length", card: fakeCard{sfi: swWrongLength}, size: 2000, apdus: 3 + 1 + 9},
		{name: "past 32767", size: 33000, apdus: 148 + 0},
		{name: "past 64K", size: 70000, apdus: 0},
		{name: "past 64K extended", o: Options{Extended: 30000}, card: fakeCard{extended: true}, size: 100000, apdus: 4},
		{name: "3DES past 32767", suite: suite3DES, size: 40000, apdus: 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := tt.suite
			if s == (suite{}) {
				s = suiteAES128
			}
			f := tt.card
			want := testFile(0x75, tt.size)
			f.files = map[uint16][]byte{0x0102: append(bytes.Clone(want), "behind the file"...), 0x010D: testFile(0x6D, 50)}
			c := secured(t, s, tt.o, &f)
			done, total := 0, 0
			got, err := c.ReadFile(t.Context(), lds.DG(2), func(d, n int) {
				if d < done || n != tt.size {
					t.Errorf("progress %d of %d after %d", d, n, done)
				}
				done, total = d, n
			})
			if err != nil || !bytes.Equal(got, want) {
				t.Fatalf("%d bytes, %v", len(got), err)
			}
			if done != tt.size || total != tt.size {
				t.Errorf("progress ended at %d of %d", done, total)
			}
			if n := c.Count().APDUs; tt.apdus > 0 && n != tt.apdus {
				t.Errorf("%d APDUs, want %d", n, tt.apdus)
			}
			// What was learnt holds: the next file costs no detours.
			n := c.Count().APDUs
			if _, err := c.ReadFile(t.Context(), lds.DG(13), nil); err != nil {
				t.Fatal(err)
			}
			extra := 1
			if f.sfi != 0 {
				extra = 2
			}
			if f.maxRead == 24 {
				extra = 3
			}
			if got := c.Count().APDUs - n; got != extra {
				t.Errorf("next file took %d APDUs, want %d", got, extra)
			}
			if len(f.log) != f.n && !f.naked && f.extended == (tt.o.Extended > 0) {
				t.Errorf("%d commands reached the card of %d", len(f.log), f.n)
			}
		})
	}
}

// TestOddReads shows the form of READ BINARY past 32,767 bytes: offset in DO54, nothing in P1 and P2.
func TestOddReads(t *testing.T) {
	f := &fakeCard{files: map[uint16][]byte{0x0102: testFile(0x75, 66000)}}
	c := secured(t, suiteAES128, Options{}, f)
	if _, err := c.ReadFile(t.Context(), lds.DG(2), nil); err != nil {
		t.Fatal(err)
	}
	two, three := 0, 0
	for _, cmd := range f.log {
		if cmd.ins != 0xB1 {
			continue
		}
		if cmd.p1 != 0 || cmd.p2 != 0 || cmd.data[0] != 0x54 {
			t.Fatalf("command %+v", cmd)
		}
		switch cmd.data[1] {
		case 2:
			two++
		case 3:
			three++
		}
	}
	if two == 0 || three == 0 {
		t.Errorf("%d offsets of two bytes, %d of three", two, three)
	}
}

// TestReadFileErrors: each failure is typed, names the file and keeps the status word.
func TestReadFileErrors(t *testing.T) {
	lie := func(tag byte, claimed, n int) []byte {
		return append([]byte{tag, 0x82, byte(claimed >> 8), byte(claimed)}, make([]byte, n)...)
	}
	for _, tt := range []struct {
		name string
		o    Options
		card fakeCard
		file []byte // nil: absent
		want error
		sw   uint16
		max  int // APDUs
	}{
		{name: "absent", want: lds.ErrFileAbsent, sw: swFileNotFound, max: 2},
		{name: "refused", card: fakeCard{before: func(int, []byte) []byte { return nil }, sfi: swSecurity}, file: testFile(0x63, 50), want: lds.ErrFileRefused, sw: swSecurity, max: 1},
		{name: "too large", o: Options{MaxFile: 1000}, file: testFile(0x63, 1001), want: lds.ErrTooLarge, max: 1},
		{name: "default limit", file: []byte{0x63, 0x83, 0x08, 0x00, 0x00}, want: lds.ErrTooLarge, max: 1},
		{name: "shorter than it says", file: lie(0x63, 5000, 300), want: lds.ErrMalformed, max: 12},
		{name: "shorter than its header", file: []byte{0x63}, want: lds.ErrMalformed, max: 6},
		{name: "empty", file: []byte{}, want: lds.ErrMalformed, max: 6},
		{name: "other tag", file: testFile(0x75, 50), want: lds.ErrMalformed, max: 1},
		{name: "indefinite length", file: []byte{0x63, 0x80, 0, 0}, want: lds.ErrMalformed, max: 1},
		{name: "length of four bytes", file: []byte{0x63, 0x84, 0, 0, 0, 4, 1, 2, 3, 4}, want: lds.ErrMalformed, max: 1},
		{name: "one byte a time", card: fakeCard{maxRead: 1}, file: testFile(0x63, 5000), want: lds.ErrMalformed, max: 50},
		{name: "unknown status", card: fakeCard{sfi: 0x6581}, file: testFile(0x63, 50), want: lds.ErrProtocol, sw: 0x6581, max: 1},
		{name: "always too long", card: fakeCard{maxLe: 10, tooLong: swWrongLength}, file: testFile(0x63, 50), want: lds.ErrProtocol, max: 8},
		{name: "always another length", card: fakeCard{before: nil, maxLe: 1, tooLong: 0x6C05}, file: testFile(0x63, 50), want: lds.ErrProtocol, max: 10},
	} {
		t.Run(tt.name, func(t *testing.T) {
			f := tt.card
			f.files = map[uint16][]byte{0x0101: testFile(0x61, 10)}
			if tt.file != nil {
				f.files[0x0103] = tt.file
			}
			c := secured(t, suiteAES128, tt.o, &f)
			got, err := c.ReadFile(t.Context(), lds.DG(3), nil)
			var file *lds.FileError
			if got != nil || !errors.Is(err, tt.want) || !errors.As(err, &file) || file.File != lds.DG(3) {
				t.Fatalf("%d bytes, %v, want %v", len(got), err, tt.want)
			}
			var s *lds.StatusError
			if tt.sw != 0 && (!errors.As(err, &s) || s.SW != tt.sw) {
				t.Errorf("status word is lost: %v", err)
			}
			if n := c.Count().APDUs; n > tt.max {
				t.Errorf("%d APDUs, want at most %d", n, tt.max)
			}
			// The session goes on.
			f.sfi, f.maxLe, f.maxRead = 0, 0, 0
			if _, err := c.ReadFile(t.Context(), lds.DG(1), nil); err != nil {
				t.Errorf("the next file: %v", err)
			}
		})
	}
}

// TestCutThatLooksLikeMore: the last bytes of a cut answer may look like 61xx. GET RESPONSE would be a command in clear, at which a
// chip ends secure messaging.
func TestCutThatLooksLikeMore(t *testing.T) {
	want := testFile(0x75, 1000)
	f := &fakeCard{files: map[uint16][]byte{0x0102: want}, extended: true}
	f.after = func(n int, _, answer []byte) []byte {
		if n == 0 {
			return append(answer[:254:254], 0x61, 0x20)
		}
		return answer
	}
	c := secured(t, suiteAES128, Options{Extended: 65536}, f)
	if got, err := c.ReadFile(t.Context(), lds.DG(2), nil); err != nil || !bytes.Equal(got, want) {
		t.Error(err)
	}
}

// TestAbsentFileIsCheap: once short identifiers were seen to work, an absent file costs one APDU.
func TestAbsentFileIsCheap(t *testing.T) {
	f := &fakeCard{files: map[uint16][]byte{0x0101: testFile(0x61, 10)}}
	c := secured(t, suiteAES128, Options{}, f)
	if _, err := c.ReadFile(t.Context(), lds.DG(1), nil); err != nil {
		t.Fatal(err)
	}
	if _, err := c.ReadFile(t.Context(), lds.DG(11), nil); !errors.Is(err, lds.ErrFileAbsent) {
		t.Fatal(err)
	}
	if n := c.Count().APDUs; n != 2 {
		t.Errorf("%d APDUs", n)
	}
}

// TestCardAccessInClear: SELECT MF and what it says never decides, and a card that wakes up in its master file costs one APDU.
func TestCardAccessInClear(t *testing.T) {
	const request = "00B09C0000"
	file := "31143012060A04007F0007020204020202010202010D"
	for _, tt := range []struct {
		name  string
		steps []string
		want  error
	}{
		{"by SFI", []string{request, file + "9000"}, nil},
		{"by SFI with a trailer", []string{request, file + "0000 6282"}, nil},
		{"exact length only", []string{request, "6C16", "00B09C0016", file + "9000"}, nil},
		{"in pieces", []string{request, file[:10] + "9000", "00B0000511", file[10:] + "9000"}, nil},
		{"by SELECT", []string{request, "6A86", "00A4020C02011C", "9000", "00B0000000", file + "9000"}, nil},
		{"SELECT MF unknown", []string{request, "6A82", "00A4000C023F00", "6D00", "00A4020C02011C", "9000", "00B0000000", file + "9000"}, nil},
		{"not in the master file yet", []string{request, "6A86", "00A4020C02011C", "6A82", "00A4000C023F00", "9000", "00A4020C02011C", "9000", "00B0000000", file + "9000"}, nil},
		{"absent", []string{request, "6A82", "00A4000C023F00", "9000", "00A4020C02011C", "6A82"}, lds.ErrFileAbsent},
		{"refused", []string{request, "6982"}, lds.ErrFileRefused},
		{"61xx", []string{request, "6116", "00C0000016", file + "9000"}, nil},
	} {
		s := &script{t: t, steps: tt.steps}
		// Extended length is for later: before access control it only confuses cards.
		got, err := NewChannel(s, Options{Extended: 65536}).ReadFile(t.Context(), lds.CardAccess, nil)
		if !errors.Is(err, tt.want) || err == nil && !bytes.Equal(got, unhex(file)) {
			t.Errorf("%s: %X, %v", tt.name, got, err)
		}
		s.done()
	}
}

// TestFilesOfTwoDirectories: EF.CardSecurity and EF.SOD have the same identifiers, so the directory decides what is read.
func TestFilesOfTwoDirectories(t *testing.T) {
	s := &script{t: t, steps: []string{
		"00A4040C07A0000002471001", "9000",
		"00B09D0000", "7703 010203 9000",
		"00A4000C023F00", "9000",
		"00B09D0000", "3003 040506 9000",
		"00A4040C07A0000002471001", "9000",
		"00B0810000", "6101 00 9000",
		"00A4000C023F00", "6D00",
	}}
	c := NewChannel(s, Options{})
	if err := c.SelectApplication(t.Context()); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		id   lds.FileID
		want string
	}{{lds.SOD, "7703010203"}, {lds.CardSecurity, "3003040506"}, {lds.DG(1), "610100"}} {
		if got, err := c.ReadFile(t.Context(), tt.id, nil); err != nil || !bytes.Equal(got, unhex(tt.want)) {
			t.Errorf("%s: %X, %v", tt.id, got, err)
		}
	}
	if _, err := c.ReadFile(t.Context(), lds.CardSecurity, nil); !errors.Is(err, lds.ErrFileRefused) {
		t.Errorf("with SELECT MF unknown: %v", err)
	}
	s.done()
}
