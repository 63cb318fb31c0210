package portrait

import (
	"bytes"
	"encoding/binary"
	"errors"
	"os"
	"slices"
	"testing"
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
// the next picture is shown.
func TestBombs(t *testing.T) {
	type bomb struct {
		job    byte
		format string
		data   []byte
	}
	wide, high := uint32(4000), uint32(3000)
	if raced { // the detector makes all of it ten times as slow, and there are no goroutines to look at
		wide, high = 400, 300
	}
	jpg, interlaced := jpegOf(t, int(wide), int(high)), slices.Concat(pngSignature, ihdr(wide*4/5, high, 8, 6, 1), chunk("IDAT", deflated(t, int64(4*(wide*4/5+3)*(high+3)))), chunk("IEND", nil))
	bombs := map[string]bomb{
		"JPEG of many scans":              {jobShow, "jpeg", scans(4000)},
		"JPEG of as many scans as may be": {jobShow, "jpeg", scans(maxScans - 1)},
		"2048 pixels out of nothing":      {jobShow, "j2k", sized(t, 2048, 2048)},
		"2048 pixels in 1,024 tiles":      {jobShow, "j2k", sized(t, 2048, 64)},
		"1200 pixels out of nothing":      {jobCompare, "j2k", sized(t, 1200, 1200)},
		"1200 pixels in many tiles":       {jobCompare, "j2k", sized(t, 1200, 64)},
		"65,535 layers":                   {jobShow, "j2k", coded(t, map[int][]byte{4: {0xFF, 0xFF}})},
		"32 decompositions":               {jobShow, "j2k", coded(t, map[int][]byte{7: {32}})},
		"255 decompositions":              {jobShow, "j2k", coded(t, map[int][]byte{7: {255}})},
		"code blocks of 1,024 by 1,024":   {jobShow, "j2k", coded(t, map[int][]byte{8: {8, 8}})},
		"code blocks of 2^257":            {jobShow, "j2k", coded(t, map[int][]byte{8: {255, 255}})},
		"unknown progression":             {jobShow, "j2k", coded(t, map[int][]byte{3: {255}})},
		"unknown transformation":          {jobShow, "j2k", coded(t, map[int][]byte{11: {255}})},
		"layers, decompositions and size": {jobShow, "j2k", coded(t, map[int][]byte{4: {0xFF, 0xFF}, 7: {32}, 8: {8, 8}})},
		"JPEG of 12 million pixels":       {jobLive, "jpeg", jpg},
		"PNG of 12 million pixels":        {jobLive, "png", slices.Concat(pngSignature, ihdr(wide, high, 8, 6, 0), chunk("IDAT", deflated(t, int64((1+4*wide)*high))), chunk("IEND", nil))},
		"PNG interlaced":                  {jobLive, "png", interlaced},
		"PNG of many pixels too many":     {jobLive, "png", slices.Concat(pngSignature, ihdr(64, 64, 8, 6, 0), chunk("IDAT", deflated(t, 8<<20)), chunk("IEND", nil))},
		"PNG of texts":                    {jobLive, "png", slices.Concat(pngSignature, ihdr(64, 64, 8, 0, 0), bytes.Repeat(chunk("zTXt", append([]byte("a\x00\x00"), deflated(t, 8<<20)...)), 50), chunk("IDAT", deflated(t, 65*64)), chunk("IEND", nil))},
	}
	if os.Getenv("TAPCHECK_CAMPAIGN") != "" {
		bombs["JPEG of as many scans as fit"] = bomb{jobShow, "jpeg", scans((MaxBytes - 9000) / 18)}
	}
	d := decoder(t, Options{})
	counts := map[string]int{}
	for name, c := range bombs {
		if uint32(len(c.data)) > maxBytes(c.job) {
			t.Fatalf("%s: %d bytes", name, len(c.data))
		}
		child, err := d.start()
		if err != nil {
			t.Fatal(err)
		}
		a, err := child.ask(t.Context(), c.job, formats[c.format], c.data, false)
		memory := peak(child.cmd.Process.Pid)
		child.end()
		known := err == nil && a.width <= MaxPixels && a.height <= MaxPixels
		said := "a picture"
		for _, e := range []error{ErrBroken, ErrTooLarge, ErrUnsupported, ErrTimeout} {
			if errors.Is(err, e) {
				known, said = true, e.Error()
			}
		}
		counts[said]++
		used := child.cmd.ProcessState.UserTime() + child.cmd.ProcessState.SystemTime()
		if !known || memory > 100<<20 {
			t.Errorf("%s: %v, %d MB", name, err, memory>>20)
		}
		t.Logf("%s: %d bytes: %s; %d ms of the processor, %d MB", name, len(c.data), said, used.Milliseconds(), memory>>20)
	}
	t.Log(counts)
	if _, err := d.ToJPEG(t.Context(), "jpeg", jpegOf(t, 32, 32)); err != nil {
		t.Errorf("the next good picture: %v", err)
	}
}
