package portrait

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"image"
	"image/jpeg"
	"image/png"

	"github.com/ajroetker/go-jpeg2000"
)

// quality of a JPEG that is written anew.
const quality = 90

// decode runs in the child.
func decode(job, format byte, data []byte) (a answer, err error) {
	defer func() {
		// A decoder that panics has met bytes that its author did not think of.
		if recover() != nil {
			a, err = answer{}, fmt.Errorf("%w: the decoder panicked", ErrBroken)
		}
	}()
	switch job {
	case jobShow, jobCompare:
		return decodePhoto(job, format, data)
	case jobLive:
		return decodeLive(format, data)
	}
	return answer{}, ErrUnsupported
}

func decodePhoto(job, format byte, data []byte) (answer, error) {
	var img image.Image
	upright := 1
	switch format {
	case formats["jpeg"]:
		head, err := checkJPEG(data)
		if err != nil {
			return answer{}, err
		}
		if err := checkSize(head.width, head.height); err != nil {
			return answer{}, err
		}
		if img, err = jpeg.Decode(bytes.NewReader(data)); err != nil {
			return answer{}, fmt.Errorf("%w: JPEG", ErrBroken)
		}
		// As it is, but for CMYK: browsers and face comparison do not agree on its colours.
		if b := img.Bounds(); job == jobShow && head.components != 4 && checkSize(b.Dx(), b.Dy()) == nil {
			wipe(img)
			return answer{width: b.Dx(), height: b.Dy(), body: bytes.Clone(data)}, nil
		}
		upright = head.orientation
	case formats["jp2"], formats["j2k"]:
		if err := checkJPEG2000(data); err != nil {
			return answer{}, err
		}
		var err error
		if img, err = jpeg2000.Decode(bytes.NewReader(data)); err != nil {
			return answer{}, fmt.Errorf("%w: JPEG 2000", ErrBroken)
		}
	default:
		return answer{}, ErrUnsupported
	}
	defer wipe(img)
	b := img.Bounds()
	if err := checkSize(b.Dx(), b.Dy()); err != nil {
		return answer{}, err
	}
	if job == jobCompare {
		return toRGB(img, MaxPixels).turned(upright), nil
	}
	var out bytes.Buffer
	if err := jpeg.Encode(&out, img, &jpeg.Options{Quality: quality}); err != nil {
		return answer{}, fmt.Errorf("%w: cannot be written", ErrBroken)
	}
	return answer{width: b.Dx(), height: b.Dy(), body: out.Bytes()}, nil
}

func decodeLive(format byte, data []byte) (answer, error) {
	var img image.Image
	upright := 1
	switch format {
	case formats["jpeg"]:
		if !bytes.HasPrefix(data, []byte{0xFF, 0xD8}) {
			return answer{}, fmt.Errorf("%w: not JPEG", ErrType)
		}
		head, err := checkJPEG(data)
		if err != nil {
			return answer{}, err
		}
		if head.components == 4 { // no camera's
			return answer{}, ErrCMYK
		}
		if err := checkLive(head.width, head.height); err != nil {
			return answer{}, err
		}
		if img, err = jpeg.Decode(bytes.NewReader(data)); err != nil {
			return answer{}, fmt.Errorf("%w: JPEG", ErrBroken)
		}
		upright = head.orientation
	case formatPNG:
		if !bytes.HasPrefix(data, pngSignature) {
			return answer{}, fmt.Errorf("%w: not PNG", ErrType)
		}
		plain, err := checkPNG(data)
		if err != nil {
			return answer{}, err
		}
		if img, err = png.Decode(bytes.NewReader(plain)); err != nil {
			return answer{}, fmt.Errorf("%w: PNG", ErrBroken)
		}
	default:
		return answer{}, ErrType
	}
	defer wipe(img)
	b := img.Bounds()
	if err := checkLive(b.Dx(), b.Dy()); err != nil {
		return answer{}, err
	}
	return toRGB(img, LiveWidth).turned(upright), nil
}

func checkSize(w, h int) error {
	switch {
	case w > MaxPixels || h > MaxPixels:
		return fmt.Errorf("%w: %d by %d pixels", ErrTooLarge, w, h)
	case w < 1 || h < 1:
		return fmt.Errorf("%w: %d by %d pixels", ErrBroken, w, h)
	case w < MinPixels || h < MinPixels:
		return fmt.Errorf("%w: %d by %d pixels", ErrTooSmall, w, h)
	}
	return nil
}

func checkLive(w, h int) error {
	switch {
	case w > MaxLivePixels || h > MaxLivePixels || w*h > MaxLiveArea:
		return fmt.Errorf("%w: %d by %d pixels", ErrTooLarge, w, h)
	case w < 1 || h < 1:
		return fmt.Errorf("%w: %d by %d pixels", ErrBroken, w, h)
	case w < MinLivePixels || h < MinLivePixels:
		return fmt.Errorf("%w: %d by %d pixels", ErrTooSmall, w, h)
	}
	return nil
}

// checkWorking judges the bytes that a decoder would take.
func checkWorking(n int) error {
	if n > maxWorking {
		return fmt.Errorf("%w: %d MB to decode", ErrTooLarge, n>>20)
	}
	return nil
}

// jpegHead is what a JPEG's header says.
type jpegHead struct {
	width, height int
	components    int // 1, 3 or 4
	orientation   int // of Exif: 1 is upright
}

// maxScans bounds the passes of a progressive JPEG: encoders make some ten of them, while each costs time for the whole picture
// and need not have more than ten bytes.
const maxScans = 48

// checkJPEG finds the frame header (ITU-T T.81 §B.2.2), judges what it asks for, and counts the scans.
func checkJPEG(b []byte) (jpegHead, error) {
	broken := func(why string) (jpegHead, error) { return jpegHead{}, fmt.Errorf("%w: JPEG %s", ErrBroken, why) }
	if !bytes.HasPrefix(b, []byte{0xFF, 0xD8}) {
		return broken("without start")
	}
	// In the coded data FF is followed by 00 or by a marker, so no scan is missed; what looks like one in a segment, such as a
	// preview, is counted too.
	if bytes.Count(b, []byte{0xFF, 0xDA}) > maxScans {
		return jpegHead{}, fmt.Errorf("%w: JPEG with more than %d scans", ErrTooLarge, maxScans)
	}
	head := jpegHead{orientation: 1}
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
		case marker == 0xE1 && head.orientation == 1:
			head.orientation = exifOrientation(segment)
		case marker == 0xC0 || marker == 0xC1 || marker == 0xC2: // baseline, extended, progressive
			if len(segment) < 6 {
				return broken("with a short frame header")
			}
			if segment[0] != 8 {
				return jpegHead{}, fmt.Errorf("%w: JPEG with %d bits", ErrDepth, segment[0])
			}
			head.height, head.width = int(binary.BigEndian.Uint16(segment[1:])), int(binary.BigEndian.Uint16(segment[3:]))
			head.components = int(segment[5])
			if head.components != 1 && head.components != 3 && head.components != 4 {
				return jpegHead{}, fmt.Errorf("%w: JPEG with %d components", ErrUnsupported, head.components)
			}
			if len(segment) != 6+3*head.components {
				return broken("with a frame header of a wrong length")
			}
			return head, checkWorking(jpegWorking(head, marker == 0xC2, segment[6:]))
		case marker >= 0xC3 && marker <= 0xCF && marker != 0xC4 && marker != 0xC8 && marker != 0xCC:
			return jpegHead{}, fmt.Errorf("%w: JPEG of a kind that nobody uses", ErrUnsupported)
		case marker == 0xDA || marker == 0xD9:
			return broken("without frame")
		}
		b = b[2+n:]
	}
}

// jpegWorking estimates what image/jpeg allocates: the planes, for a progressive picture the coefficients of 4 bytes each, and
// for four components the picture in one piece. Only the usual way to subsample counts as that.
func jpegWorking(h jpegHead, progressive bool, components []byte) int {
	area := h.width * h.height
	samples := area * h.components
	if h.components == 3 && components[4] == 0x11 && components[7] == 0x11 {
		switch components[1] {
		case 0x21, 0x12:
			samples = 2 * area
		case 0x22, 0x41:
			samples = area * 3 / 2
		}
	}
	n := samples
	if progressive {
		n += 4 * samples
	}
	if h.components == 4 {
		n += 4 * area
	}
	return n
}

// exifOrientation is the tag 0x0112 of the first directory of an Exif segment (JEITA CP-3451 §4.6.4): 1 to 8, and 1 for all
// that is missing or wrong.
func exifOrientation(segment []byte) int {
	tiff, ok := bytes.CutPrefix(segment, []byte("Exif\x00\x00"))
	if !ok || len(tiff) < 8 {
		return 1
	}
	var order binary.ByteOrder = binary.BigEndian
	switch string(tiff[:4]) {
	case "MM\x00*":
	case "II*\x00":
		order = binary.LittleEndian
	default:
		return 1
	}
	at := int64(order.Uint32(tiff[4:]))
	if at < 8 || at+2 > int64(len(tiff)) {
		return 1
	}
	entries := tiff[at+2:]
	for range order.Uint16(tiff[at:]) {
		if len(entries) < 12 {
			break
		}
		// Tag, type (3 is SHORT), count, value.
		if order.Uint16(entries) == 0x0112 && order.Uint16(entries[2:]) == 3 && order.Uint32(entries[4:]) == 1 {
			if v := int(order.Uint16(entries[8:])); v >= 1 && v <= 8 {
				return v
			}
			break
		}
		entries = entries[12:]
	}
	return 1
}

var pngSignature = []byte("\x89PNG\r\n\x1a\n")

// checkPNG judges what a PNG asks for (ISO/IEC 15948 §11), and gives it without the chunks that no pixel needs: compressed
// texts and colour profiles, which a decoder might inflate, animations, and whatever else is optional.
func checkPNG(b []byte) ([]byte, error) {
	broken := func(why string) ([]byte, error) { return nil, fmt.Errorf("%w: PNG %s", ErrBroken, why) }
	if !bytes.HasPrefix(b, pngSignature) {
		return broken("without signature")
	}
	plain := append(make([]byte, 0, len(b)), pngSignature...)
	first := true
	for b = b[len(pngSignature):]; ; first = false {
		if len(b) < 12 {
			return broken("cut off")
		}
		n := uint64(binary.BigEndian.Uint32(b))
		if n > uint64(len(b)-12) {
			return broken("with a chunk that passes the end")
		}
		chunk, kind, value := b[:12+n], string(b[4:8]), b[8:8+n]
		b = b[12+n:]
		if first != (kind == "IHDR") {
			return broken("whose header is not first")
		}
		switch kind {
		case "IHDR":
			if err := checkIHDR(value); err != nil {
				return nil, err
			}
		case "PLTE", "tRNS", "IDAT":
		case "IEND":
			return append(plain, chunk...), nil
		default:
			if kind[0]&0x20 == 0 { // a critical chunk that nobody knows
				return nil, fmt.Errorf("%w: PNG with an unknown chunk", ErrUnsupported)
			}
			continue
		}
		plain = append(plain, chunk...)
	}
}

func checkIHDR(v []byte) error {
	if len(v) != 13 {
		return fmt.Errorf("%w: PNG with a header of a wrong length", ErrBroken)
	}
	w, h := binary.BigEndian.Uint32(v), binary.BigEndian.Uint32(v[4:])
	if w > MaxLivePixels || h > MaxLivePixels {
		return fmt.Errorf("%w: PNG", ErrTooLarge)
	}
	depth, colour, interlace := v[8], v[9], v[12]
	if depth == 16 {
		return fmt.Errorf("%w: PNG with 16 bits", ErrDepth)
	}
	if err := checkLive(int(w), int(h)); err != nil {
		return err
	}
	samples := map[byte]int{0: 1, 2: 4, 3: 1, 4: 4, 6: 4}[colour] // bytes a pixel when decoded
	if samples == 0 || interlace > 1 {
		return fmt.Errorf("%w: PNG of a kind that does not exist", ErrBroken)
	}
	n := samples * int(w) * int(h)
	if interlace == 1 {
		n += n / 2 // the last pass lies beside the picture
	}
	return checkWorking(n)
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
			return checkTileParts(b)
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
			if len(segment) < 10 || binary.BigEndian.Uint16(segment[2:]) > 1024 || !possible(segment[5:]) {
				return broken("with absurd coding")
			}
		case 0x53: // COC: component, Scoc, levels
			if len(segment) < 7 || !possible(segment[2:]) {
				return broken("with absurd coding")
			}
		}
		b = b[2+n:]
	}
}

// checkTileParts looks through the headers of the tile-parts (A.4.2): a style of coding or of quantization of their own, which was
// not judged, is no photo's.
func checkTileParts(b []byte) error {
	broken := func(why string) error { return fmt.Errorf("%w: JPEG 2000 %s", ErrBroken, why) }
	for len(b) >= 2 && (b[0] != 0xFF || b[1] != 0xD9) { // EOC
		if len(b) < 12 || b[0] != 0xFF || b[1] != 0x90 {
			return broken("with something else than tiles")
		}
		part := b
		switch n := uint64(binary.BigEndian.Uint32(b[6:])); {
		case n == 0: // to the end
			b = nil
		case n < 14 || n > uint64(len(b)):
			return broken("with a tile that passes the end")
		default:
			part, b = b[:n], b[n:]
		}
		for part = part[12:]; ; {
			if len(part) < 2 || part[0] != 0xFF {
				return broken("with a tile without data")
			}
			if part[1] == 0x93 { // SOD
				break
			}
			if len(part) < 4 {
				return broken("with a tile without data")
			}
			n := int(binary.BigEndian.Uint16(part[2:]))
			if n < 2 || n > len(part)-2 {
				return broken("with a segment that passes the end")
			}
			switch part[1] {
			case 0x52, 0x53, 0x5C, 0x5D, 0x5E, 0x5F: // COD, COC, QCD, QCC, RGN, POC
				return fmt.Errorf("%w: JPEG 2000 whose tiles are not coded alike", ErrUnsupported)
			}
			part = part[2+n:]
		}
	}
	return nil
}

// possible judges the levels and the code blocks of a coding style (Table A.15, A.18): the exponents are given less 2, and a
// code block has no more than 4,096 samples.
func possible(style []byte) bool {
	levels, x, y := style[0], int(style[1]), int(style[2])
	return levels <= 32 && x <= 8 && y <= 8 && x+y <= 8
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
	// Measured: the decoder takes some 40 bytes a pixel of three colours.
	if err := checkWorking(int((x-x0)*(y-y0)) * (10 + 10*components)); err != nil {
		return err
	}
	if len(s) != 36+3*components {
		return fmt.Errorf("%w: JPEG 2000 with a size of a wrong length", ErrBroken)
	}
	for c := range components {
		depth, dx, dy := s[36+3*c], s[37+3*c], s[38+3*c]
		if depth != 7 {
			return fmt.Errorf("%w: JPEG 2000 with other than 8 bits", ErrDepth)
		}
		if dx < 1 || dx > 2 || dy < 1 || dy > 2 {
			return fmt.Errorf("%w: JPEG 2000 with rare subsampling", ErrUnsupported)
		}
	}
	return nil
}
