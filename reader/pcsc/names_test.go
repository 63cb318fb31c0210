package pcsc

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/tapcheck/tapcheck/reader"
)

func TestNames(t *testing.T) {
	for _, c := range []struct {
		name, id    string
		contactless bool
	}{
		{"ACS ACR122U PICC Interface 00 00", "acs-acr122u-picc-interface", true},
		{"ACS ACR1252 Dual Reader [ACR1252 Dual Reader PICC] (0123) 00 00", "acs-acr1252-dual-reader-acr1252-dual-reader-picc-0123", true},
		{"ACS ACR1252 Dual Reader [ACR1252 Dual Reader SAM] (0123) 01 00", "acs-acr1252-dual-reader-acr1252-dual-reader-sam-0123", false},
		{"ACS ACR1252 1S CL Reader PICC 0", "acs-acr1252-1s-cl-reader-picc", true},
		{"ACS ACR1252 1S CL Reader SAM 0", "acs-acr1252-1s-cl-reader-sam", false},
		{"OMNIKEY CardMan 5x21-CL 0", "omnikey-cardman-5x21-cl", true},
		{"OMNIKEY CardMan 5x21 0", "omnikey-cardman-5x21", false},
		{"Identive CLOUD 4700 F Dual Interface Reader [CLOUD 4700 F Contactless Reader] (53201) 01 00",
			"identive-cloud-4700-f-dual-interface-reader-cloud-4700-f-contactless-reader-532", true},
		{"Alcor Micro AU9560 00 00", "alcor-micro-au9560", false},
		{"Virtual PCD 00 01", "virtual-pcd-slot1", false},
		{"Virtual PCD 03 0A", "virtual-pcd-slot10", false},
		{"Đầu đọc thẻ 0", "u-c-th", false},
		{"讀卡器", "reader", false},
		{"0", "0", false},
		{"00 00", "00", false}, // no name before the number; odd, and still an ID
	} {
		if got := stableID(c.name); got != c.id {
			t.Errorf("%q: ID %q, want %q", c.name, got, c.id)
		}
		if got := contactlessByName(c.name); got != c.contactless {
			t.Errorf("%q: contactless %v", c.name, got)
		}
	}
}

func TestContactlessByATR(t *testing.T) {
	for _, c := range []struct {
		atr  []byte
		want bool
	}{
		{nil, false},
		{[]byte{0x3B}, false},
		{[]byte{0x3B, 0x80, 0x80, 0x01, 0x01}, true},
		{someATR, true},
		{[]byte{0x3B, 0xFF, 0x18, 0x00}, false},
		{[]byte{0x3B, 0x88, 0x01, 0x00}, false},
	} {
		if got := contactlessByATR(c.atr); got != c.want {
			t.Errorf("%X: %v", c.atr, got)
		}
	}
}

func TestCodes(t *testing.T) {
	for code := range codes {
		err := error(&Error{Op: "SCardConnect", Code: code})
		known := false
		for _, s := range []error{
			reader.ErrServiceStopped, reader.ErrReaderGone, reader.ErrReaderBusy, reader.ErrNoCard, reader.ErrCardRemoved,
			reader.ErrCardReset, reader.ErrCardMute, reader.ErrTransport,
		} {
			known = known || errors.Is(err, s)
		}
		if !known || !strings.Contains(err.Error(), "SCardConnect") {
			t.Errorf("%v means nothing to the reader package: %v", code, err)
		}
	}
	for code, want := range map[Code]string{
		codeNoService:        "SCARD_E_NO_SERVICE (0x8010001D)",
		codeWinInvalidHandle: "ERROR_INVALID_HANDLE (6)",
		0x80100055:           "0x80100055",
	} {
		if got := code.String(); got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
	if err := error(&Error{Code: 0x80100055}); !errors.Is(err, reader.ErrTransport) {
		t.Error("an unknown code is a failed transmission")
	}
}

func TestUTF16(t *testing.T) {
	for _, c := range []struct {
		buf  []uint16
		want []string
	}{
		{nil, nil},
		{[]uint16{0}, nil},
		{[]uint16{0, 0}, nil},
		{[]uint16{'A', 0, 0}, []string{"A"}},
		{[]uint16{'A', 0, 'B', 'C', 0, 0}, []string{"A", "BC"}},
		{[]uint16{'A', 0, 0, 'X', 0, 0}, []string{"A"}}, // what lies behind the end
		{[]uint16{'A', 0, 'B'}, []string{"A", "B"}},     // cut
		{[]uint16{0x1EA1, 0, 0xD83D, 0xDE00, 0, 0}, []string{"ạ", "😀"}},
		{[]uint16{0xD83D, 0, 0}, []string{"\uFFFD"}}, // half a pair
	} {
		if got := splitUTF16(c.buf); !slices.Equal(got, c.want) {
			t.Errorf("%x: %q, want %q", c.buf, got, c.want)
		}
	}
	if toUTF16("a\x00b") != nil {
		t.Error("a name with a zero in it")
	}
	if got := toUTF16("ạ"); !slices.Equal(got, []uint16{0x1EA1, 0}) {
		t.Errorf("%x", got)
	}
}

// FuzzSplitUTF16: whatever Windows puts into the buffer, names come out whole, bounded, and go back in as they are.
func FuzzSplitUTF16(f *testing.F) {
	f.Add([]byte{'A', 0, 0, 0, 0, 0})
	f.Add([]byte{0x3D, 0xD8, 0, 0})
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, data []byte) {
		buf := make([]uint16, len(data)/2)
		for i := range buf {
			buf[i] = uint16(data[2*i]) | uint16(data[2*i+1])<<8
		}
		names := splitUTF16(buf)
		if len(names) > maxReaders {
			t.Fatalf("%d names", len(names))
		}
		for _, n := range names {
			if n == "" || !utf8.ValidString(n) {
				t.Fatalf("name %q", n)
			}
			if wide := toUTF16(n); len(wide) < 2 || !slices.Equal(splitUTF16(wide), []string{n}) {
				t.Fatalf("%q does not survive", n)
			}
		}
	})
}

// FuzzNames: whatever a driver calls its reader, the ID is short, plain and the same each time.
func FuzzNames(f *testing.F) {
	f.Add("ACS ACR122 0")
	f.Add("Desk PICC 00 00")
	f.Add("\x00\xff")
	f.Add("\x3B\x89\x80\x01MKJCOS-S7\x12") // an answer to reset is taken apart, too
	f.Fuzz(func(t *testing.T, name string) {
		id := stableID(name)
		if id == "" || len(id) > 90 || strings.Trim(id, "abcdefghijklmnopqrstuvwxyz0123456789-") != "" || id != stableID(name) {
			t.Errorf("%q: ID %q", name, id)
		}
		contactlessByName(name)
		contactlessByATR([]byte(name))
		isForeign(name)
	})
}
