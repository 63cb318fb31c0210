package portrait

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"image"
	"image/jpeg"

	"github.com/ajroetker/go-jpeg2000"
)

// quality of a JPEG that is written anew.
const quality = 90

// decode runs in the child.
func decode(format byte, data []byte) (p Picture, err error) {
	defer func() {
		// A decoder that panics has met bytes that its author did not think of.
		if recover() != nil {
			p, err = Picture{}, fmt.Errorf("%w: the decoder panicked", ErrBroken)
		}
	}()
	switch format {
	case formats["jpeg"]:
		return decodeJPEG(data)
	case formats["jp2"], formats["j2k"]:
		if err := checkJPEG2000(data); err != nil {
			return Picture{}, err
		}
		img, err := jpeg2000.Decode(bytes.NewReader(data))
		if err != nil {
			return Picture{}, fmt.Errorf("%w: JPEG 2000", ErrBroken)
		}
		return encode(img)
	}
	return Picture{}, ErrUnsupported
}

func decodeJPEG(data []byte) (Picture, error) {
	components, err := checkJPEG(data)
	if err != nil {
		return Picture{}, err
	}
	img, err := jpeg.Decode(bytes.NewReader(data))
	if err != nil {
		return Picture{}, fmt.Errorf("%w: JPEG", ErrBroken)
	}
	if components == 4 { // CMYK: browsers and face comparison do not agree on its colours
		return encode(img)
	}
	b := img.Bounds()
	if err := checkSize(b.Dx(), b.Dy()); err != nil {
		return Picture{}, err
	}
	return Picture{JPEG: data, Width: b.Dx(), Height: b.Dy()}, nil
}

func encode(img image.Image) (Picture, error) {
	b := img.Bounds()
	if err := checkSize(b.Dx(), b.Dy()); err != nil {
		return Picture{}, err
	}
	var out bytes.Buffer
	if err := jpeg.Encode(&out, img, &jpeg.Options{Quality: quality}); err != nil {
		return Picture{}, fmt.Errorf("%w: cannot be written", ErrBroken)
	}
	return Picture{JPEG: out.Bytes(), Width: b.Dx(), Height: b.Dy()}, nil
}

func checkSize(w, h int) error {
	switch {
	case w > MaxPixels || h > MaxPixels:
		return fmt.Errorf("%w: %d by %d pixels", ErrTooLarge, w, h)
	case w < MinPixels || h < MinPixels:
		return fmt.Errorf("%w: %d by %d pixels", ErrBroken, w, h)
	}
	return nil
}

// checkJPEG finds the frame header (ITU-T T.81 §B.2.2) and judges what it asks for. components is 1, 3 or 4.
func checkJPEG(b []byte) (components int, err error) {
	broken := func(why string) (int, error) { return 0, fmt.Errorf("%w: JPEG %s", ErrBroken, why) }
	if !bytes.HasPrefix(b, []byte{0xFF, 0xD8}) {
		return broken("without start")
	}
	for b = b[2:]; ; {
		for len(b) >= 2 && b[0] == 0xFF && b[1] == 0xFF { // fill bytes
			b = b[1:]
		}
		if len(b) < 4 || b[0] != 0xFF {
			return broken("without frame")
		}
		marker := b[1]
		n := int(binary.BigEndian.Uint16(b[2:]))
		if n < 2 || n > len(b)-2 {
			return broken("with a segment that passes the end")
		}
		segment := b[4 : 2+n]
		switch {
		case marker == 0xC0 || marker == 0xC1 || marker == 0xC2: // baseline, extended, progressive
			if len(segment) < 6 {
				return broken("with a short frame header")
			}
			if segment[0] != 8 {
				return 0, fmt.Errorf("%w: JPEG with %d bits", ErrUnsupported, segment[0])
			}
			components = int(segment[5])
			if components != 1 && components != 3 && components != 4 {
				return 0, fmt.Errorf("%w: JPEG with %d components", ErrUnsupported, components)
			}
			return components, checkSize(int(binary.BigEndian.Uint16(segment[3:])), int(binary.BigEndian.Uint16(segment[1:])))
		case marker >= 0xC3 && marker <= 0xCF && marker != 0xC4 && marker != 0xC8 && marker != 0xCC:
			return 0, fmt.Errorf("%w: JPEG of a kind that nobody uses", ErrUnsupported)
		case marker == 0xDA || marker == 0xD9:
			return broken("without frame")
		}
		b = b[2+n:]
	}
}

// checkJPEG2000 judges what a JPEG 2000 file or codestream asks for before the decoder allocates it: that one takes the
// sizes of a corrupt header for true, and the process dies for want of memory.
func checkJPEG2000(b []byte) error {
	if bytes.HasPrefix(b, []byte{0xFF, 0x4F}) {
		return checkCodestream(b)
	}
	// ISO 15444-1 Annex I: boxes, the codestream in one of them. Only one, or the decoder might take another than we look at.
	signature := []byte{0, 0, 0, 12, 'j', 'P', ' ', ' ', 0x0D, 0x0A, 0x87, 0x0A}
	if !bytes.HasPrefix(b, signature) {
		return fmt.Errorf("%w: not JPEG 2000", ErrBroken)
	}
	var codestream []byte
	err := boxes(b, func(kind string, value []byte) error {
		switch kind {
		case "jp2c":
			if codestream != nil {
				return fmt.Errorf("%w: JPEG 2000 with several codestreams", ErrUnsupported)
			}
			codestream = value
		case "jp2h":
			return boxes(value, func(kind string, _ []byte) error {
				if kind == "pclr" { // a palette multiplies the memory of a picture by its columns, and is no photo's
					return fmt.Errorf("%w: JPEG 2000 with a palette", ErrUnsupported)
				}
				return nil
			})
		}
		return nil
	})
	if err != nil {
		return err
	}
	if codestream == nil {
		return fmt.Errorf("%w: JPEG 2000 without codestream", ErrBroken)
	}
	return checkCodestream(codestream)
}

// boxes calls f for every box.
func boxes(b []byte, f func(kind string, value []byte) error) error {
	for len(b) > 0 {
		if len(b) < 8 {
			return fmt.Errorf("%w: JPEG 2000 cut off", ErrBroken)
		}
		head, n, kind := uint64(8), uint64(binary.BigEndian.Uint32(b)), string(b[4:8])
		switch {
		case n == 0: // to the end of the file
			n = uint64(len(b))
		case n == 1 && len(b) >= 16: // extended length
			head, n = 16, binary.BigEndian.Uint64(b[8:])
		}
		if n < head || n > uint64(len(b)) {
			return fmt.Errorf("%w: JPEG 2000 with a box that passes the end", ErrBroken)
		}
		if err := f(kind, b[head:n]); err != nil {
			return err
		}
		b = b[n:]
	}
	return nil
}

// checkCodestream reads the main header up to the first tile (ISO 15444-1 Annex A): SIZ must come first and only once.
func checkCodestream(b []byte) error {
	broken := func(why string) error { return fmt.Errorf("%w: JPEG 2000 %s", ErrBroken, why) }
	if len(b) < 4 || b[0] != 0xFF || b[1] != 0x4F || b[2] != 0xFF || b[3] != 0x51 {
		return broken("without size")
	}
	sizes := 0
	for b = b[2:]; ; {
		if len(b) < 4 || b[0] != 0xFF {
			return broken("without tiles")
		}
		marker := b[1]
		if marker == 0x90 { // SOT
			return nil
		}
		n := int(binary.BigEndian.Uint16(b[2:]))
		if n < 2 || n > len(b)-2 {
			return broken("with a segment that passes the end")
		}
		segment := b[4 : 2+n]
		switch marker {
		case 0x51: // SIZ
			if sizes++; sizes > 1 {
				return broken("with two sizes")
			}
			if err := checkSIZ(segment); err != nil {
				return err
			}
		case 0x52: // COD: Scod, progression, layers (2), transform, levels
			if len(segment) < 6 || segment[5] > 32 || binary.BigEndian.Uint16(segment[2:]) > 1024 {
				return broken("with absurd coding")
			}
		}
		b = b[2+n:]
	}
}

func checkSIZ(s []byte) error {
	if len(s) < 36 {
		return fmt.Errorf("%w: JPEG 2000 with a short size", ErrBroken)
	}
	at := func(i int) int64 { return int64(binary.BigEndian.Uint32(s[i:])) }
	x, y, x0, y0, tw, th, tx0, ty0 := at(2), at(6), at(10), at(14), at(18), at(22), at(26), at(30)
	components := int(binary.BigEndian.Uint16(s[34:]))
	if x > 1<<20 || y > 1<<20 || x-x0 > MaxPixels || y-y0 > MaxPixels {
		return fmt.Errorf("%w: JPEG 2000", ErrTooLarge)
	}
	if err := checkSize(int(x-x0), int(y-y0)); err != nil {
		return err
	}
	if tw == 0 || th == 0 || tx0 > x0 || ty0 > y0 || tx0+tw <= x0 || ty0+th <= y0 {
		return fmt.Errorf("%w: JPEG 2000 with tiles beside the picture", ErrBroken)
	}
	if tiles := ((x - tx0 + tw - 1) / tw) * ((y - ty0 + th - 1) / th); tiles > 1024 {
		return fmt.Errorf("%w: JPEG 2000 with %d tiles", ErrTooLarge, tiles)
	}
	if components < 1 || components > 4 {
		return fmt.Errorf("%w: JPEG 2000 with %d components", ErrUnsupported, components)
	}
	if len(s) != 36+3*components {
		return fmt.Errorf("%w: JPEG 2000 with a size of a wrong length", ErrBroken)
	}
	for c := range components {
		depth, dx, dy := s[36+3*c], s[37+3*c], s[38+3*c]
		if depth != 7 {
			return fmt.Errorf("%w: JPEG 2000 with other than 8 bits", ErrUnsupported)
		}
		if dx < 1 || dx > 2 || dy < 1 || dy > 2 {
			return fmt.Errorf("%w: JPEG 2000 with rare subsampling", ErrUnsupported)
		}
	}
	return nil
}
