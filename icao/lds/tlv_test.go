package lds_test

import (
	"bytes"
	"encoding/hex"
	"errors"
	"slices"
	"testing"

	"github.com/tapcheck/tapcheck/icao/lds"
)

func unhex(t testing.TB, s string) []byte {
	t.Helper()
	b, err := hex.DecodeString(s)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestReadTLV(t *testing.T) {
	for _, c := range []struct {
		name, in string
		tag      uint32
		value    string
		rest     string
		ok, der  bool
	}{
		{"short", "0402AABBCC", 0x04, "AABB", "CC", true, true},
		{"empty value", "0500", 0x05, "", "", true, true},
		{"two-byte tag", "7F6103AABBCC", 0x7F61, "AABBCC", "", true, true},
		{"three-byte tag", "7F810101AA", 0x7F8101, "AA", "", true, true},
		{"four-byte tag", "7F81818101AA", 0, "", "", false, false},
		{"81 for a short length is BER only", "048101AA", 0x04, "AA", "", true, false},
		{"83 for a short length is BER only", "0483000001AA", 0x04, "AA", "", true, false},
		{"84", "048400000001AA", 0, "", "", false, false},
		{"85", "04850000000001AA", 0, "", "", false, false},
		{"indefinite", "3080AABB0000", 0, "", "", false, false},
		{"value cut", "0403AABB", 0, "", "", false, false},
		{"length cut", "0482FF", 0, "", "", false, false},
		{"length missing", "04", 0, "", "", false, false},
		{"tag cut", "7F", 0, "", "", false, false},
		{"nothing", "", 0, "", "", false, false},
		{"84 that is cut all the same", "0484FF", 0, "", "", false, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			in := unhex(t, c.in)
			tag, value, rest, err := lds.ReadTLV(in)
			if (err == nil) != c.ok {
				t.Fatalf("err %v, want ok %v", err, c.ok)
			}
			if err != nil {
				if !errors.Is(err, lds.ErrMalformed) {
					t.Fatalf("%v is not ErrMalformed", err)
				}
				cut := slices.Contains([]string{"value cut", "length cut", "length missing", "tag cut", "nothing"}, c.name)
				if errors.Is(err, lds.ErrCut) != cut {
					t.Errorf("%v: is it cut: want %v", err, cut)
				}
				return
			}
			if tag != c.tag || !bytes.Equal(value, unhex(t, c.value)) || !bytes.Equal(rest, unhex(t, c.rest)) {
				t.Errorf("got %X %X %X", tag, value, rest)
			}
			if _, _, _, err := lds.ReadDER(in); (err == nil) != c.der {
				t.Errorf("ReadDER: %v, want ok %v", err, c.der)
			}
		})
	}
}

func TestCheckNesting(t *testing.T) {
	nest := func(n int) []byte {
		b := []byte{0x05, 0x00}
		for range n {
			b = lds.AppendTLV(nil, 0x30, b)
		}
		return b
	}
	if err := lds.CheckNesting(nest(10), 11, 100); err != nil {
		t.Error(err)
	}
	if err := lds.CheckNesting(nest(11), 11, 100); !errors.Is(err, lds.ErrMalformed) {
		t.Errorf("too deep: %v", err)
	}
	if err := lds.CheckNesting(nest(10), 20, 10); !errors.Is(err, lds.ErrMalformed) {
		t.Errorf("too many: %v", err)
	}
	// A file full of nested headers costs its length, not its square.
	if err := lds.CheckNesting(bytes.Repeat([]byte{0x30, 0x83, 0xFF, 0xFF, 0xFF}, 10000), lds.MaxDepth, 100000); !errors.Is(err, lds.ErrMalformed) {
		t.Errorf("lying lengths: %v", err)
	}
}

func TestChildrenAreBounded(t *testing.T) {
	if _, err := lds.Children(bytes.Repeat([]byte{0x05, 0x00}, lds.MaxChildren+1)); !errors.Is(err, lds.ErrMalformed) {
		t.Errorf("got %v", err)
	}
}

func FuzzReadTLV(f *testing.F) {
	for _, s := range []string{"0402AABBCC", "7F6103AABBCC", "3084000000020500", "3080", "7F8181", "0484FFFFFFFF"} {
		f.Add(unhex(f, s))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		tag, value, rest, err := lds.ReadTLV(b)
		if err != nil {
			if !errors.Is(err, lds.ErrMalformed) {
				t.Fatalf("%v is not ErrMalformed", err)
			}
			// What is broken no further bytes mend.
			if _, _, _, more := lds.ReadTLV(append(bytes.Clone(b), 0, 0, 0, 0, 0, 0)); !errors.Is(err, lds.ErrCut) && (more == nil || errors.Is(more, lds.ErrCut)) {
				t.Fatalf("%v, and with more behind it %v", err, more)
			}
			return
		}
		if len(value)+len(rest) >= len(b) {
			t.Fatal("value and rest are longer than what they come from")
		}
		again := lds.AppendTLV(nil, tag, value)
		tag2, value2, _, err := lds.ReadDER(again)
		if err != nil || tag2 != tag || !bytes.Equal(value, value2) {
			t.Fatalf("does not come back: %v", err)
		}
		_ = lds.CheckNesting(b, lds.MaxDepth, 1000)
		_, _ = lds.Children(b)
	})
}
