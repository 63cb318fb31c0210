package portrait

import (
	"bytes"
	"encoding/binary"
	"errors"
	"os"
	"slices"
	"testing"
	"time"
)

// scans is a progressive JPEG of the largest size whose scans say next to nothing, each of them about every block: some ten
// bytes of the file for each pass over 65,536 blocks.
func scans(n int) []byte {
	segment := func(marker byte, data ...byte) []byte {
		return append([]byte{0xFF, marker, byte((len(data) + 2) >> 8), byte(len(data) + 2)}, data...)
	}
	b := slices.Concat([]byte{0xFF, 0xD8},
		segment(0xDB, append([]byte{0}, bytes.Repeat([]byte{1}, 64)...)...),
		segment(0xC2, 8, 2048>>8, 2048&0xFF, 2048>>8, 2048&0xFF, 1, 1, 0x11, 0),
		// One code of one bit each: DC difference 0, and the longest run of blocks that end.
		segment(0xC4, append([]byte{0x00, 1}, append(make([]byte, 15), 0x00)...)...),
		segment(0xC4, append([]byte{0x10, 1}, append(make([]byte, 15), 0xE0)...)...),
		segment(0xDA, 1, 1, 0x00, 0, 0, 0), make([]byte, 65536/8))
	// A run of 16,384 blocks: the code 0 and fourteen bits 0, four times.
	pass := append(segment(0xDA, 1, 1, 0x00, 1, 63, 0), make([]byte, 8)...)
	for range n {
		b = append(b, pass...)
	}
	return append(b, 0xFF, 0xD9)
}

// coded changes the coding style of a codestream (ISO 15444-1 A.6.1): offsets count from the marker's length.
func coded(t testing.TB, change map[int][]byte) []byte {
	t.Helper()
	b := slices.Clone(file(t, "colour.j2k"))
	at := bytes.Index(b, []byte{0xFF, 0x52})
	if at < 0 {
		t.Fatal("no coding style")
	}
	for i, v := range change {
		copy(b[at+2+i:], v)
	}
	return b
}

// sized changes a codestream's image size and tile size, both ways.
func sized(t testing.TB, image, tile uint32) []byte {
	t.Helper()
	b := slices.Clone(file(t, "colour.j2k"))
	for at, v := range map[int]uint32{8: image, 12: image, 24: tile, 28: tile} {
		binary.BigEndian.PutUint32(b[at:], v)
	}
	return b
}

// Pictures that keep to every bound of their header, and take more time or memory than a photo: the child is bounded, and
// the next photo is shown.
func TestBombs(t *testing.T) {
	bombs := map[string][]byte{
		"JPEG of many scans":              scans(4000),
		"2048 pixels out of nothing":      sized(t, 2048, 2048),
		"2048 pixels in 1,024 tiles":      sized(t, 2048, 64),
		"65,535 layers":                   coded(t, map[int][]byte{4: {0xFF, 0xFF}}),
		"32 decompositions":               coded(t, map[int][]byte{7: {32}}),
		"255 decompositions":              coded(t, map[int][]byte{7: {255}}),
		"code blocks of 1,024 by 1,024":   coded(t, map[int][]byte{8: {8, 8}}),
		"code blocks of 2^257":            coded(t, map[int][]byte{8: {255, 255}}),
		"unknown progression":             coded(t, map[int][]byte{3: {255}}),
		"unknown transformation":          coded(t, map[int][]byte{11: {255}}),
		"layers, decompositions and size": coded(t, map[int][]byte{4: {0xFF, 0xFF}, 7: {32}, 8: {8, 8}}),
	}
	limit := 500 * time.Millisecond
	if os.Getenv("TAPCHECK_CAMPAIGN") != "" {
		limit = DefaultTimeout
		bombs["JPEG of as many scans as fit"] = scans((MaxBytes - 9000) / 18)
	}
	d := decoder(t, Options{Timeout: limit})
	counts := map[string]int{}
	for name, data := range bombs {
		format := "j2k"
		if data[1] == 0xD8 {
			format = "jpeg"
		}
		if len(data) > MaxBytes {
			t.Fatalf("%s: %d bytes", name, len(data))
		}
		p, err := d.ToJPEG(t.Context(), format, data)
		known := err == nil && p.Width <= MaxPixels && p.Height <= MaxPixels
		said := "a picture"
		for _, e := range []error{ErrBroken, ErrTooLarge, ErrUnsupported, ErrTimeout, ErrCrashed} {
			if errors.Is(err, e) {
				known, said = true, e.Error()
			}
		}
		counts[said]++
		if !known {
			t.Errorf("%s: %v", name, err)
		}
		t.Logf("%s: %d bytes: %s", name, len(data), said)
	}
	t.Log(counts)
	if _, err := decoder(t, Options{}).ToJPEG(t.Context(), "jpeg", jpegOf(t, 32, 32)); err != nil {
		t.Errorf("the next good picture: %v", err)
	}
}
