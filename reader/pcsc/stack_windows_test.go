//go:build windows && !nopcsc

package pcsc

import (
	"testing"
	"unsafe"
)

// winscard.h: SCARD_READERSTATEW is two pointers, three DWORDs and 36 bytes; SCARD_IO_REQUEST two DWORDs.
const (
	_ = uint(unsafe.Sizeof(winReaderState{}) - (2*unsafe.Sizeof(uintptr(0)) + 3*4 + 36))
	_ = uint((2*unsafe.Sizeof(uintptr(0)) + 3*4 + 36) - unsafe.Sizeof(winReaderState{}))
	_ = uint(unsafe.Sizeof(winIORequest{}) - 8)
	_ = uint(8 - unsafe.Sizeof(winIORequest{}))
)

func TestLayout(t *testing.T) {
	var s winReaderState
	word := unsafe.Sizeof(uintptr(0))
	for _, c := range []struct {
		field     string
		got, want uintptr
	}{
		{"pvUserData", unsafe.Offsetof(s.userData), word},
		{"dwCurrentState", unsafe.Offsetof(s.current), 2 * word},
		{"dwEventState", unsafe.Offsetof(s.event), 2*word + 4},
		{"cbAtr", unsafe.Offsetof(s.lenATR), 2*word + 8},
		{"rgbAtr", unsafe.Offsetof(s.atr), 2*word + 12},
	} {
		if c.got != c.want {
			t.Errorf("%s at %d, want %d", c.field, c.got, c.want)
		}
	}
}

// Whatever Windows this runs on, without a reader or without a service there is an answer and no crash.
func TestEstablish(t *testing.T) {
	c, err := newStack(Options{}).establish()
	if err != nil {
		t.Logf("no PC/SC here: %v", err)
		return
	}
	if _, err := c.listReaders(); err != nil {
		t.Logf("no readers here: %v", err)
	}
	if err := c.release(); err != nil {
		t.Error(err)
	}
}
