package portrait

import (
	"bytes"
	"compress/zlib"
	"context"
	"encoding/binary"
	"errors"
	"hash/crc32"
	"image"
	"image/color"
	"image/jpeg"
	"image/png"
	"io"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"time"
)

// chunk is one of a PNG's (ISO/IEC 15948 §5.3).
func chunk(kind string, v []byte) []byte {
	b := append(binary.BigEndian.AppendUint32(nil, uint32(len(v))), kind...)
	b = append(b, v...)
	return binary.BigEndian.AppendUint32(b, crc32.ChecksumIEEE(b[4:]))
}

func ihdr(w, h uint32, depth, colour, interlace byte) []byte {
	v := binary.BigEndian.AppendUint32(nil, w)
	v = binary.BigEndian.AppendUint32(v, h)
	return chunk("IHDR", append(v, depth, colour, 0, 0, interlace))
}

func deflated(t testing.TB, n int64) []byte {
	t.Helper()
	var b bytes.Buffer
	w := zlib.NewWriter(&b)
	if _, err := io.CopyN(w, zeros{}, n); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

type zeros struct{}

func (zeros) Read(p []byte) (int, error) { clear(p); return len(p), nil }

func pngOf(t testing.TB, img image.Image) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := png.Encode(&b, img); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// painted has 64 by 96 pixels, and a colour in each corner: red, green, blue, yellow from the left above, row by row.
func painted() *image.RGBA {
	img := image.NewRGBA(image.Rect(0, 0, 64, 96))
	for y := range 96 {
		for x := range 64 {
			c := color.RGBA{255, 0, 0, 255}
			switch {
			case x >= 32 && y < 48:
				c = color.RGBA{0, 255, 0, 255}
			case x < 32 && y >= 48:
				c = color.RGBA{0, 0, 255, 255}
			case x >= 32:
				c = color.RGBA{255, 255, 0, 255}
			}
			img.Set(x, y, c)
		}
	}
	return img
}

func jpegBytes(t testing.TB, img image.Image) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := jpeg.Encode(&b, img, &jpeg.Options{Quality: 95}); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// exif puts a segment with an orientation before a JPEG's other segments.
func exif(jpg []byte, order binary.AppendByteOrder, orientation uint16) []byte {
	tiff := []byte("MM\x00*")
	if order == binary.AppendByteOrder(binary.LittleEndian) {
		tiff = []byte("II*\x00")
	}
	tiff = order.AppendUint32(tiff, 8)
	tiff = order.AppendUint16(tiff, 2)
	for _, tag := range [][3]uint16{{0x010F, 3, 9}, {0x0112, 3, orientation}} { // another one before it
		tiff = order.AppendUint16(order.AppendUint16(tiff, tag[0]), tag[1])
		tiff = order.AppendUint16(order.AppendUint16(order.AppendUint32(tiff, 1), tag[2]), 0)
	}
	v := append([]byte("Exif\x00\x00"), tiff...)
	return slices.Concat(jpg[:2], []byte{0xFF, 0xE1, 0, byte(len(v) + 2)}, v, jpg[2:])
}

// live decodes in this process what a child would decode.
func live(format string, data []byte) (Pixels, error) {
	var out bytes.Buffer
	serve(bytes.NewReader(append(requestHeader(jobLive, formats[format], len(data)), data...)), &out, unwatched)
	a, err := readAnswer(&out, jobLive)
	if err != nil {
		return Pixels{}, err
	}
	return a.pixels(1, LiveWidth)
}

func open(t testing.TB, d *Decoder) *Stream {
	t.Helper()
	s, err := d.Open(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	return s
}

// corners names the colours from the left above, row by row.
func corners(p Pixels) string {
	name := func(x, y int) string {
		v := p.Pix[3*(y*p.Width+x):][:3]
		for n, c := range map[string][3]int{"r": {255, 0, 0}, "g": {0, 255, 0}, "b": {0, 0, 255}, "y": {255, 255, 0}, "w": {255, 255, 255}} {
			near := true
			for i := range 3 {
				near = near && int(v[i])-c[i] < 16 && c[i]-int(v[i]) < 16
			}
			if near {
				return n
			}
		}
		return "?"
	}
	w, h := p.Width, p.Height
	return name(w/8, h/8) + name(w-w/8, h/8) + name(w/8, h-h/8) + name(w-w/8, h-h/8)
}

func TestLivePictures(t *testing.T) {
	img := painted()
	jpg := jpegBytes(t, img)
	nrgba := image.NewNRGBA(img.Bounds())
	half := image.NewNRGBA(img.Bounds())
	grey := image.NewGray(img.Bounds())
	palette := image.NewPaletted(img.Bounds(), color.Palette{color.RGBA{255, 0, 0, 255}, color.RGBA{0, 255, 0, 255}, color.RGBA{0, 0, 255, 255}, color.RGBA{255, 255, 0, 255}, color.Transparent})
	for y := range 96 {
		for x := range 64 {
			nrgba.Set(x, y, img.At(x, y))
			palette.Set(x, y, img.At(x, y))
			grey.Set(x, y, color.White)
			if x < 32 {
				half.Set(x, y, img.At(x, y))
			}
		}
	}
	wide := image.NewRGBA(image.Rect(0, 0, 1920, 1080))
	for i := range wide.Pix {
		wide.Pix[i] = 255
	}
	for y := range 1080 {
		for x := range 1920 {
			if x%2 == 0 { // columns too fine for 1280 pixels: their mean is what is to be seen
				wide.SetRGBA(x, y, color.RGBA{0, 0, 0, 255})
			} else {
				wide.SetRGBA(x, y, color.RGBA{255, 255, 0, 255})
			}
		}
	}
	text := chunk("zTXt", append([]byte("Comment\x00\x00"), deflated(t, 8<<20)...))
	plain := pngOf(t, nrgba)
	withText := slices.Concat(plain[:33], text, chunk("iCCP", append([]byte("p\x00\x00"), deflated(t, 8<<20)...)), plain[33:])
	for _, c := range []struct {
		name, format string
		data         []byte
		w, h         int
		corners      string
	}{
		{"JPEG", "jpeg", jpg, 64, 96, "rgby"},
		{"Exif 1", "jpeg", exif(jpg, binary.BigEndian, 1), 64, 96, "rgby"},
		{"Exif 2", "jpeg", exif(jpg, binary.BigEndian, 2), 64, 96, "gryb"},
		{"Exif 3", "jpeg", exif(jpg, binary.LittleEndian, 3), 64, 96, "ybgr"},
		{"Exif 4", "jpeg", exif(jpg, binary.BigEndian, 4), 64, 96, "byrg"},
		{"Exif 5", "jpeg", exif(jpg, binary.LittleEndian, 5), 96, 64, "rbgy"},
		{"Exif 6", "jpeg", exif(jpg, binary.BigEndian, 6), 96, 64, "bryg"},
		{"Exif 7", "jpeg", exif(jpg, binary.BigEndian, 7), 96, 64, "ygbr"},
		{"Exif 8", "jpeg", exif(jpg, binary.LittleEndian, 8), 96, 64, "gyrb"},
		{"Exif 9 is none", "jpeg", exif(jpg, binary.BigEndian, 9), 64, 96, "rgby"},
		{"PNG", "png", pngOf(t, img), 64, 96, "rgby"},
		{"PNG with alpha", "png", plain, 64, 96, "rgby"},
		{"PNG half transparent", "png", pngOf(t, half), 64, 96, "rwbw"},
		{"PNG with a palette", "png", pngOf(t, palette), 64, 96, "rgby"},
		{"PNG grey", "png", pngOf(t, grey), 64, 96, "wwww"},
		{"PNG with texts that unpack to 16 MB", "png", withText, 64, 96, "rgby"},
		{"PNG scaled down", "png", pngOf(t, wide), 1280, 720, "means"},
	} {
		t.Run(c.name, func(t *testing.T) {
			p, err := live(c.format, c.data)
			if err != nil || p.Width != c.w || p.Height != c.h {
				t.Fatalf("%d by %d, %v", p.Width, p.Height, err)
			}
			if c.corners == "means" {
				// Three columns become two, each of one and a half: a third of yellow, then two thirds.
				if want := []byte{85, 85, 0, 85, 85, 0, 170, 170, 0, 170, 170, 0}; !bytes.Equal(p.Pix[:12], want) {
					t.Errorf("% d", p.Pix[:12])
				}
				return
			}
			if got := corners(p); got != c.corners {
				t.Errorf("corners %s, want %s", got, c.corners)
			}
		})
	}
}

func badLive(t testing.TB) map[string]struct {
	format string
	data   []byte
	want   error
	id     string
} {
	type c = struct {
		format string
		data   []byte
		want   error
		id     string
	}
	patch := func(b []byte, at int, with ...byte) []byte {
		b = slices.Clone(b)
		copy(b[at:], with)
		return b
	}
	jpg, img := jpegOf(t, 640, 480), pngOf(t, painted())
	sof := bytes.Index(jpg, []byte{0xFF, 0xC0})
	idat := chunk("IDAT", deflated(t, 100))
	asPNG := func(chunks ...[]byte) []byte {
		return slices.Concat(pngSignature, slices.Concat(chunks...), chunk("IEND", nil))
	}
	cmyk := slices.Concat(jpg[:sof], []byte{0xFF, 0xC0, 0, 20, 8, 1, 224, 2, 128, 4, 1, 0x11, 0, 2, 0x11, 0, 3, 0x11, 0, 4, 0x11, 0}, jpg[sof+19:])
	return map[string]c{
		"nothing":                      {"jpeg", nil, ErrType, "PICTURE_TYPE"},
		"text":                         {"jpeg", []byte("GIF89a, or so it says"), ErrType, "PICTURE_TYPE"},
		"PNG called JPEG":              {"jpeg", img, ErrType, "PICTURE_TYPE"},
		"JPEG called PNG":              {"png", jpg, ErrType, "PICTURE_TYPE"},
		"JPEG of 1 pixel":              {"jpeg", jpegOf(t, 1, 1), ErrTooSmall, "PICTURE_TOO_SMALL"},
		"JPEG of 63 pixels":            {"jpeg", jpegOf(t, 63, 200), ErrTooSmall, "PICTURE_TOO_SMALL"},
		"JPEG of 20,000":               {"jpeg", patch(jpg, sof+5, 0x4E, 0x20, 0x4E, 0x20), ErrTooLarge, "PICTURE_TOO_LARGE"},
		"JPEG of 4,096":                {"jpeg", patch(jpg, sof+5, 0x10, 0, 0x10, 0), ErrTooLarge, "PICTURE_TOO_LARGE"},
		"JPEG of CMYK":                 {"jpeg", cmyk, ErrCMYK, "PICTURE_TYPE"},
		"JPEG of 12 bits":              {"jpeg", patch(jpg, sof+4, 12), ErrDepth, "PICTURE_TYPE"},
		"JPEG of 2 components":         {"jpeg", patch(jpg, sof+9, 2), ErrUnsupported, "PICTURE_TYPE"},
		"JPEG that is lossless":        {"jpeg", patch(jpg, sof+1, 0xC3), ErrUnsupported, "PICTURE_TYPE"},
		"JPEG cut":                     {"jpeg", jpg[:len(jpg)/2], ErrBroken, "PICTURE_BROKEN"},
		"JPEG with its start only":     {"jpeg", jpg[:2], ErrBroken, "PICTURE_BROKEN"},
		"JPEG of a thousand scans":     {"jpeg", scans(1000), ErrTooLarge, "PICTURE_TOO_LARGE"},
		"progressive JPEG of 12 MPix":  {"jpeg", patch(patch(jpg, sof+5, 0x0B, 0xB8, 0x0F, 0xA0), sof+1, 0xC2), ErrTooLarge, "PICTURE_TOO_LARGE"},
		"PNG of 1 pixel":               {"png", pngOf(t, image.NewGray(image.Rect(0, 0, 1, 1))), ErrTooSmall, "PICTURE_TOO_SMALL"},
		"PNG of 20,000":                {"png", asPNG(ihdr(20_000, 20_000, 8, 2, 0), idat), ErrTooLarge, "PICTURE_TOO_LARGE"},
		"PNG of 4 billion":             {"png", asPNG(ihdr(0xFFFFFFFF, 0xFFFFFFFF, 1, 0, 0), idat), ErrTooLarge, "PICTURE_TOO_LARGE"},
		"PNG of nothing":               {"png", asPNG(ihdr(0, 0, 8, 2, 0), idat), ErrBroken, "PICTURE_BROKEN"},
		"PNG of 16 bits":               {"png", pngOf(t, image.NewRGBA64(image.Rect(0, 0, 100, 100))), ErrDepth, "PICTURE_TYPE"},
		"PNG interlaced of 12 MPix":    {"png", asPNG(ihdr(4000, 3000, 8, 6, 1), idat), ErrTooLarge, "PICTURE_TOO_LARGE"},
		"PNG of an unknown colour":     {"png", asPNG(ihdr(100, 100, 8, 5, 0), idat), ErrBroken, "PICTURE_BROKEN"},
		"PNG with two headers":         {"png", asPNG(ihdr(100, 100, 8, 2, 0), ihdr(4000, 4000, 8, 2, 0), idat), ErrBroken, "PICTURE_BROKEN"},
		"PNG whose header is second":   {"png", asPNG(chunk("gAMA", make([]byte, 4)), ihdr(100, 100, 8, 2, 0), idat), ErrBroken, "PICTURE_BROKEN"},
		"PNG without pixels":           {"png", asPNG(ihdr(100, 100, 8, 2, 0)), ErrBroken, "PICTURE_BROKEN"},
		"PNG with too few pixels":      {"png", asPNG(ihdr(100, 100, 8, 2, 0), idat), ErrBroken, "PICTURE_BROKEN"},
		"PNG with an unknown chunk":    {"png", asPNG(ihdr(100, 100, 8, 2, 0), chunk("WHAT", nil), idat), ErrUnsupported, "PICTURE_TYPE"},
		"PNG cut":                      {"png", img[:len(img)-20], ErrBroken, "PICTURE_BROKEN"},
		"PNG with its signature only":  {"png", pngSignature, ErrBroken, "PICTURE_BROKEN"},
		"PNG with a chunk without end": {"png", slices.Concat(pngSignature, []byte{0x7F, 0xFF, 0xFF, 0xFF}, []byte("IHDR"), make([]byte, 20)), ErrBroken, "PICTURE_BROKEN"},
	}
}

func TestBadLivePictures(t *testing.T) {
	for name, c := range badLive(t) {
		t.Run(name, func(t *testing.T) {
			if p, err := live(c.format, c.data); !errors.Is(err, c.want) || p.Pix != nil || Finding(err) != c.id {
				t.Errorf("%v, %q", err, Finding(err))
			}
		})
	}
}

// A chip's photo as pixels, by a child.
func TestToRGB(t *testing.T) {
	d := decoder(t, Options{})
	for _, c := range []struct {
		name, format string
		data         []byte
	}{{"colour.jp2", "jp2", file(t, "colour.jp2")}, {"tiles.j2k", "j2k", file(t, "tiles.j2k")}} {
		p, err := d.ToRGB(t.Context(), c.format, c.data)
		if err != nil || p.Width != 64 || p.Height != 80 {
			t.Fatalf("%s: %d by %d, %v", c.name, p.Width, p.Height, err)
		}
		for _, at := range []image.Point{{5, 5}, {60, 10}, {10, 70}, {32, 40}} {
			for i, want := range []int{at.X * 4, at.Y * 3, 255 - at.X*2 - at.Y} {
				if diff := int(p.Pix[3*(at.Y*64+at.X)+i]) - want; diff < -16 || diff > 16 {
					t.Errorf("%s at %v channel %d differs by %d", c.name, at, i, diff)
				}
			}
		}
	}
	p, err := d.ToRGB(t.Context(), "jpeg", exif(jpegBytes(t, painted()), binary.BigEndian, 6))
	if err != nil || p.Width != 96 || corners(p) != "bryg" {
		t.Errorf("JPEG: %d by %d, %v", p.Width, p.Height, err)
	}
	p.Wipe()
	if bytes.Count(p.Pix, []byte{0}) != len(p.Pix) {
		t.Error("not wiped")
	}
	for name, want := range map[string]error{"palette": ErrUnsupported, "JPEG of 12 bits": ErrDepth, "JPEG cut": ErrBroken, "too many bytes": ErrTooLarge, "JPEG of 1 pixel": ErrTooSmall} {
		c := hostile(t)[name]
		if p, err := d.ToRGB(t.Context(), c.format, c.data); !errors.Is(err, want) || p.Pix != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := d.ToRGB(t.Context(), "png", pngOf(t, painted())); !errors.Is(err, ErrUnsupported) {
		t.Errorf("PNG is no chip's: %v", err)
	}
}

// One child decodes what comes, good and bad.
func TestStream(t *testing.T) {
	s := open(t, decoder(t, Options{}))
	pid := s.child.cmd.Process.Pid
	for range 3 {
		for mime, data := range map[string][]byte{"image/jpeg": jpegBytes(t, painted()), "image/png": pngOf(t, painted())} {
			if p, err := s.Decode(t.Context(), mime, data); err != nil || corners(p) != "rgby" {
				t.Fatalf("%s: %v", mime, err)
			}
		}
		for name, c := range badLive(t) {
			if name != "text" && name != "PNG of 16 bits" && name != "JPEG of 20,000" {
				continue
			}
			if p, err := s.Decode(t.Context(), "image/"+c.format, c.data); !errors.Is(err, c.want) || p.Pix != nil {
				t.Errorf("%s: %v", name, err)
			}
		}
		if _, err := s.Decode(t.Context(), "image/webp", []byte("RIFF")); !errors.Is(err, ErrType) || Finding(err) != "PICTURE_TYPE" {
			t.Errorf("WebP: %v", err)
		}
		if _, err := s.Decode(t.Context(), "image/png", make([]byte, MaxLiveBytes+1)); Finding(err) != "PICTURE_TOO_LARGE" {
			t.Errorf("too many bytes: %v", err)
		}
	}
	if now := s.child.cmd.Process.Pid; now != pid {
		t.Errorf("child %d became %d", pid, now)
	}
	s.Close()
	if _, err := s.Decode(t.Context(), "image/png", pngOf(t, painted())); !errors.Is(err, ErrClosed) || Finding(err) != "" {
		t.Errorf("after the end: %v", err)
	}
	s.Close()
}

// A child that is killed, or that answers nonsense, loses the picture that it has, and no other.
func TestStreamGoesOn(t *testing.T) {
	s := open(t, decoder(t, Options{}))
	good := jpegBytes(t, painted())
	for range 2 {
		_ = s.child.cmd.Process.Kill()
		if _, err := s.Decode(t.Context(), "image/jpeg", good); !errors.Is(err, ErrCrashed) || Finding(err) != "" {
			t.Errorf("killed: %v", err)
		}
		if s.child != nil {
			t.Error("the dead child is kept")
		}
		if p, err := s.Decode(t.Context(), "image/jpeg", good); err != nil || corners(p) != "rgby" {
			t.Errorf("the next picture: %v", err)
		}
	}
	before := s.child.cmd.Process.Pid
	s.worked = childWork + 1
	if _, err := s.Decode(t.Context(), "image/jpeg", good); err != nil || s.child.cmd.Process.Pid == before {
		t.Errorf("a child that has worked long enough goes on: %v", err)
	}
	// Whoever stops waiting costs the stream its child, and no more.
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := s.Decode(ctx, "image/jpeg", good); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: %v", err)
	}
	if _, err := s.Decode(t.Context(), "image/jpeg", good); err != nil {
		t.Errorf("after that: %v", err)
	}
}

func TestStreamOfBadChildren(t *testing.T) {
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	for arg, want := range map[string]error{"child-that-hangs": ErrTimeout, "child-that-dies": ErrCrashed, "child-that-babbles": ErrCrashed} {
		o := Options{Command: self, Args: []string{arg}, Timeout: 30 * time.Second}
		if arg == "child-that-hangs" {
			o.Timeout = 100 * time.Millisecond
		}
		s := open(t, decoder(t, o))
		for range 2 {
			// Small enough for the pipe of any system, so that it is the child's answer that counts.
			if _, err := s.Decode(t.Context(), "image/jpeg", jpegOf(t, 64, 64)); !errors.Is(err, want) {
				t.Errorf("%s: %v", arg, err)
			}
		}
	}
	// Close ends a picture that hangs, and whoever waits for a turn.
	s := open(t, decoder(t, Options{Command: self, Args: []string{"child-that-hangs"}}))
	var wg sync.WaitGroup
	for range 3 {
		wg.Go(func() {
			if _, err := s.Decode(t.Context(), "image/jpeg", jpegOf(t, 64, 64)); !errors.Is(err, ErrClosed) {
				t.Errorf("closed: %v", err)
			}
		})
	}
	s.Close()
	wg.Wait()
	if _, err := decoder(t, Options{Command: filepath.Join(t.TempDir(), "absent")}).Open(t.Context()); err == nil {
		t.Error("a stream without executable")
	}
}

func TestStreamsAreCounted(t *testing.T) {
	d := decoder(t, Options{Streams: 1})
	first := open(t, d)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := d.Open(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("a second one: %v", err)
	}
	first.Close()
	open(t, d)
}

// A child that answers one picture after the other ends when its input does, and a picture that takes too long is its last.
func TestServe(t *testing.T) {
	good := pngOf(t, painted())
	request := append(requestHeader(jobLive, formatPNG, len(good)), good...)
	var out bytes.Buffer
	if code := serve(bytes.NewReader(bytes.Repeat(request, 3)), &out, unwatched); code != 0 {
		t.Errorf("exit code %d", code)
	}
	for i := range 3 {
		if a, err := readAnswer(&out, jobLive); err != nil || a.width != 64 {
			t.Errorf("answer %d: %v", i, err)
		}
	}
	late := make(chan struct{})
	close(late)
	large := jpegOf(t, 1000, 1000)
	request = append(requestHeader(jobLive, formats["jpeg"], len(large)), large...)
	code := serve(bytes.NewReader(slices.Concat(request, request)), &out, func() (<-chan struct{}, func()) { return late, func() {} })
	if _, err := readAnswer(&out, jobLive); code != 3 || !errors.Is(err, ErrTimeout) || out.Len() > 0 {
		t.Errorf("exit code %d, %v", code, err)
	}
}

func FuzzLivePNG(f *testing.F) {
	f.Add(pngOf(f, painted()))
	for _, c := range badLive(f) {
		if c.format == "png" {
			f.Add(c.data)
		}
	}
	f.Fuzz(func(t *testing.T, b []byte) { fuzzLive(t, "png", b) })
}

func FuzzLiveJPEG(f *testing.F) {
	f.Add(exif(jpegBytes(f, painted()), binary.BigEndian, 6))
	for _, c := range badLive(f) {
		if c.format == "jpeg" {
			f.Add(c.data)
		}
	}
	f.Fuzz(func(t *testing.T, b []byte) { fuzzLive(t, "jpeg", b) })
}

// A chip's photo, decoded here and not in a child: what takes down the process is a finding that the header's check can learn from.
func FuzzPhoto(f *testing.F) {
	f.Add(byte(1), jpegBytes(f, painted()))
	for _, n := range []string{"colour.jp2", "colour.j2k", "tiles.j2k", "grey.jp2"} {
		f.Add(formats[n[len(n)-3:]], file(f, n))
	}
	for _, c := range hostile(f) {
		if len(c.data) < 1<<16 {
			f.Add(formats[c.format], c.data)
		}
	}
	f.Fuzz(func(t *testing.T, format byte, b []byte) {
		// Large pictures take long, which is no finding.
		if siz := bytes.Index(b, []byte{0xFF, 0x51}); len(b) > 1<<16 || siz >= 0 && len(b) > siz+14 && (b[siz+8] > 0 || b[siz+12] > 0) {
			return
		}
		a, err := decode(jobCompare, format, b)
		if err != nil {
			if Finding(err) == "" {
				t.Fatal(err)
			}
			return
		}
		if _, err := a.pixels(MinPixels, MaxPixels); err != nil {
			t.Fatalf("%d by %d in %d bytes", a.width, a.height, len(a.body))
		}
	})
}

func fuzzLive(t *testing.T, format string, b []byte) {
	a, err := decode(jobLive, formats[format], b)
	if err != nil {
		if Finding(err) == "" {
			t.Fatal(err)
		}
		return
	}
	if _, err := a.pixels(1, LiveWidth); err != nil {
		t.Fatalf("%d by %d in %d bytes", a.width, a.height, len(a.body))
	}
}

// What a child may be given, by a parent that is out of its mind: it answers as often as it is asked, or ends.
func FuzzServe(f *testing.F) {
	good := pngOf(f, painted())
	f.Add(append(requestHeader(jobLive, formatPNG, len(good)), good...))
	jpg := jpegBytes(f, painted())
	f.Add(slices.Concat(requestHeader(jobCompare, formats["jpeg"], len(jpg)), jpg, requestHeader(jobShow, 9, 0)))
	f.Fuzz(func(t *testing.T, b []byte) {
		// The decoder of JPEG 2000 takes down its process now and then, which is what the child is for.
		b = bytes.ReplaceAll(b, []byte{0xFF, 0x51}, []byte{0xFF, 0x52})
		var out bytes.Buffer
		code := serve(bytes.NewReader(b), &out, unwatched)
		for out.Len() > 0 {
			// The job is not known here: the answer to any of them fits the largest bound.
			if _, err := readAnswer(&out, jobCompare); errors.Is(err, ErrCrashed) {
				t.Fatalf("no answer, exit code %d", code)
			}
		}
	})
}

// What a parent may be answered, by a child that somebody has taken over.
func FuzzReadAnswer(f *testing.F) {
	f.Add(answerOf(1, 0))
	f.Add(answerOf(1, 1))
	f.Add(append([]byte{frameVersion, statusOK, 0, 1, 0, 1, 0, 0, 0, 3}, 1, 2, 3))
	f.Fuzz(func(t *testing.T, b []byte) {
		for _, job := range []byte{jobShow, jobCompare, jobLive} {
			a, err := readAnswer(bytes.NewReader(b), job)
			if err != nil {
				continue
			}
			if p, err := a.pixels(1, LiveWidth); err == nil && (len(p.Pix) != 3*p.Width*p.Height || p.Width > LiveWidth || p.Height > LiveWidth) {
				t.Fatal("an answer that is none")
			}
		}
	})
}

func BenchmarkStream(b *testing.B) {
	s := open(b, decoder(b, Options{}))
	for name, c := range map[string]struct {
		mime string
		data []byte
	}{"jpeg640": {"image/jpeg", jpegOf(b, 640, 480)}, "jpeg1080": {"image/jpeg", jpegOf(b, 1920, 1080)}, "jpeg12M": {"image/jpeg", jpegOf(b, 4000, 3000)}} {
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				if _, err := s.Decode(b.Context(), c.mime, c.data); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
