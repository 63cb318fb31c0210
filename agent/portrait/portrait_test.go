package portrait

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"image"
	"image/color"
	"image/jpeg"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"
)

// The test binary is its own child, as the program is.
func TestMain(m *testing.M) {
	if len(os.Args) > 1 {
		switch os.Args[1] {
		case ChildArg:
			os.Exit(RunChild(os.Stdin, os.Stdout))
		case "child-that-hangs":
			time.Sleep(time.Hour)
		case "child-that-dies":
			os.Exit(3)
		case "child-that-babbles":
			for {
				if _, err := os.Stdout.Write(make([]byte, 1<<20)); err != nil {
					os.Exit(0)
				}
			}
		case "child-that-lies":
			_, _ = io.Copy(io.Discard, os.Stdin)
			_, _ = os.Stdout.Write([]byte{frameVersion, statusOK, 0, 64, 0, 64, 0, 0, 0, 4, 'e', 'v', 'i', 'l'})
			os.Exit(0)
		case "child-that-eats":
			if confineSelf() != nil {
				os.Exit(4)
			}
			var kept [][]byte
			for range 64 {
				b := make([]byte, 32<<20)
				for i := 0; i < len(b); i += 4096 {
					b[i] = 1
				}
				kept = append(kept, b)
			}
			_, _ = os.Stdout.Write(answerOf(1, len(kept)))
			os.Exit(0)
		case "child-that-tells":
			_, _ = io.Copy(io.Discard, os.Stdin)
			if len(os.Environ()) > 1 { // Windows always adds SYSTEMROOT
				os.Exit(5)
			}
			_, _ = os.Stdout.Write(answerOf(1, 0))
			os.Exit(0)
		}
	}
	goleak.VerifyTestMain(m)
}

func answerOf(status byte, n int) []byte {
	return append([]byte{frameVersion, status, 0, 0, 0, 0, 0, 0, 0, byte(n)}, make([]byte, n)...)
}

func file(t testing.TB, name string) []byte {
	t.Helper()
	b, err := os.ReadFile(filepath.Join("testdata", name))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// decoder has a time limit that a busy machine does not pass.
func decoder(t testing.TB, o Options) *Decoder {
	t.Helper()
	if o.Timeout == 0 {
		o.Timeout = time.Minute
	}
	d, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

func jpegOf(t testing.TB, w, h int) []byte {
	t.Helper()
	img := image.NewRGBA(image.Rect(0, 0, w, h))
	for y := range h {
		for x := range w {
			img.SetRGBA(x, y, color.RGBA{uint8(x), uint8(y), uint8(x + y), 255})
		}
	}
	var b bytes.Buffer
	if err := jpeg.Encode(&b, img, nil); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func TestJPEG(t *testing.T) {
	d := decoder(t, Options{})
	in := jpegOf(t, 120, 160)
	p, err := d.ToJPEG(t.Context(), "jpeg", in)
	if err != nil || p.Width != 120 || p.Height != 160 || !bytes.Equal(p.JPEG, in) {
		t.Errorf("%d by %d, %v", p.Width, p.Height, err)
	}
}

// The colours are those of testdata/make.sh, within what JPEG of quality 90 loses.
func TestJPEG2000(t *testing.T) {
	d := decoder(t, Options{})
	for _, c := range []struct{ name, format string }{{"colour.jp2", "jp2"}, {"colour.j2k", "j2k"}, {"tiles.j2k", "j2k"}, {"grey.jp2", "jp2"}} {
		t.Run(c.name, func(t *testing.T) {
			p, err := d.ToJPEG(t.Context(), c.format, file(t, c.name))
			if err != nil || p.Width != 64 || p.Height != 80 {
				t.Fatalf("%d by %d, %v", p.Width, p.Height, err)
			}
			img, err := jpeg.Decode(bytes.NewReader(p.JPEG))
			if err != nil {
				t.Fatal(err)
			}
			for _, at := range []image.Point{{5, 5}, {60, 10}, {10, 70}, {32, 40}} {
				want := [3]int{at.X * 4, at.Y * 3, 255 - at.X*2 - at.Y}
				if strings.HasPrefix(c.name, "grey") {
					g := at.X*2 + at.Y
					want = [3]int{g, g, g}
				}
				r, g, b, _ := img.At(at.X, at.Y).RGBA()
				for i, got := range []uint32{r, g, b} {
					if diff := int(got>>8) - want[i]; diff < -16 || diff > 16 {
						t.Errorf("at %v channel %d: %d, want %d", at, i, got>>8, want[i])
					}
				}
			}
		})
	}
}

// hostile pictures, and what becomes of them.
func hostile(t testing.TB) map[string]struct {
	format string
	data   []byte
	want   error
} {
	type c = struct {
		format string
		data   []byte
		want   error
	}
	patch := func(b []byte, at int, with ...byte) []byte {
		b = slices.Clone(b)
		copy(b[at:], with)
		return b
	}
	j2k, jp2, jpg := file(t, "colour.j2k"), file(t, "colour.jp2"), jpegOf(t, 64, 64)
	sof := bytes.Index(jpg, []byte{0xFF, 0xC0})
	siz := bytes.Index(jp2, []byte{0xFF, 0x4F, 0xFF, 0x51})
	u32 := func(n uint32) []byte { return binary.BigEndian.AppendUint32(nil, n) }
	box := func(kind string, v []byte) []byte { return slices.Concat(u32(uint32(len(v)+8)), []byte(kind), v) }
	return map[string]c{
		"nothing":                 {"jpeg", nil, ErrBroken},
		"not a JPEG":              {"jpeg", []byte("GIF89a, or so it says"), ErrBroken},
		"not a JPEG 2000":         {"jp2", bytes.Repeat([]byte{0xAA}, 500), ErrBroken},
		"format unknown":          {"gif", jpg, ErrUnsupported},
		"too many bytes":          {"jpeg", make([]byte, MaxBytes+1), ErrTooLarge},
		"JPEG of 65535":           {"jpeg", patch(jpg, sof+5, 0xFF, 0xFF, 0xFF, 0xFF), ErrTooLarge},
		"JPEG of nothing":         {"jpeg", patch(jpg, sof+5, 0, 0, 0, 0), ErrBroken},
		"JPEG of 12 bits":         {"jpeg", patch(jpg, sof+4, 12), ErrDepth},
		"JPEG of 1 pixel":         {"jpeg", patch(jpg, sof+5, 0, 1, 0, 1), ErrTooSmall},
		"JPEG lossless":           {"jpeg", patch(jpg, sof+1, 0xC3), ErrUnsupported},
		"JPEG cut":                {"jpeg", jpg[:len(jpg)/2], ErrBroken},
		"JPEG with its head only": {"jpeg", jpg[:sof+19], ErrBroken},
		"SIZ of 4 billion":        {"j2k", patch(j2k, 8, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF), ErrTooLarge},
		"SIZ of a million tiles":  {"j2k", patch(j2k, 24, 0, 0, 0, 1, 0, 0, 0, 1), ErrTooLarge},
		"SIZ of no tiles":         {"j2k", patch(j2k, 24, 0, 0, 0, 0), ErrBroken},
		"SIZ of 16384 components": {"j2k", patch(j2k, 40, 0x40, 0), ErrUnsupported},
		"SIZ of 38 bits":          {"j2k", patch(j2k, 42, 37), ErrDepth},
		"SIZ subsampled":          {"j2k", patch(j2k, 43, 255), ErrUnsupported},
		"SIZ with offset":         {"j2k", patch(j2k, 16, 0xFF, 0xFF, 0xFF, 0xFF), ErrBroken},
		"SIZ twice":               {"j2k", slices.Concat(j2k[:51], j2k[2:]), ErrBroken},
		"SIZ in a box":            {"jp2", patch(jp2, siz+8, 0xFF, 0xFF, 0xFF, 0xFF), ErrTooLarge},
		"two codestreams":         {"jp2", slices.Concat(jp2[:12], box("jp2c", j2k), box("jp2c", j2k)), ErrUnsupported},
		"palette":                 {"jp2", slices.Concat(jp2[:12], box("jp2h", box("pclr", make([]byte, 20))), box("jp2c", j2k)), ErrUnsupported},
		"no codestream":           {"jp2", jp2[:12], ErrBroken},
		"box without end":         {"jp2", slices.Concat(jp2[:12], u32(0x7FFFFFFF), []byte("jp2c"), j2k), ErrBroken},
		"box of negative length":  {"jp2", slices.Concat(jp2[:12], u32(1), []byte("jp2c"), bytes.Repeat([]byte{0xFF}, 8), j2k), ErrBroken},
		"codestream cut in head":  {"j2k", j2k[:60], ErrBroken},
	}
}

// The same code that answers in a child answers here; some go the whole way, to see that errors come across.
func TestHostile(t *testing.T) {
	d := decoder(t, Options{})
	across := []string{"JPEG of 65535", "SIZ in a box", "palette", "format unknown", "too many bytes"}
	for name, c := range hostile(t) {
		t.Run(name, func(t *testing.T) {
			var p Picture
			var err error
			if slices.Contains(across, name) {
				p, err = d.ToJPEG(t.Context(), c.format, c.data)
			} else {
				var out bytes.Buffer
				if code := serve(bytes.NewReader(append(requestHeader(jobShow, formats[c.format], len(c.data)), c.data...)), &out, unwatched); code != 0 {
					t.Fatalf("exit code %d", code)
				}
				_, err = readAnswer(&out, jobShow)
			}
			if !errors.Is(err, c.want) || p.JPEG != nil {
				t.Errorf("got %v", err)
			}
		})
	}
	if _, err := d.ToJPEG(t.Context(), "jpeg", jpegOf(t, 32, 32)); err != nil {
		t.Errorf("the next good picture: %v", err)
	}
}

// Each byte of a JPEG 2000 changed in turn, decoded in this process: an error or a picture, nothing else.
func TestFlips(t *testing.T) {
	step := 37
	if os.Getenv("TAPCHECK_CAMPAIGN") != "" {
		step = 1
	}
	for _, name := range []string{"colour.jp2", "tiles.j2k", "grey.jp2"} {
		good := file(t, name)
		for i := 0; i < len(good); i += step {
			b := slices.Clone(good)
			b[i] ^= 0x41
			if a, err := decode(jobShow, formats["jp2"], b); err == nil && (a.width > MaxPixels || len(a.body) == 0) {
				t.Fatalf("%s byte %d: %d by %d", name, i, a.width, a.height)
			}
		}
	}
}

func TestBadChildren(t *testing.T) {
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	for arg, want := range map[string]error{
		"child-that-hangs": ErrTimeout, "child-that-dies": ErrCrashed, "child-that-babbles": ErrCrashed, "child-that-lies": ErrCrashed,
		"child-that-eats": ErrCrashed, "child-that-tells": ErrUnsupported,
	} {
		t.Run(arg, func(t *testing.T) {
			o := Options{Command: self, Args: []string{arg}, Timeout: 30 * time.Second}
			if arg == "child-that-hangs" {
				o.Timeout = 100 * time.Millisecond
			}
			d := decoder(t, o)
			if _, err := d.ToJPEG(t.Context(), "jpeg", jpegOf(t, 64, 64)); !errors.Is(err, want) {
				t.Errorf("got %v", err)
			}
		})
	}
	d := decoder(t, Options{Command: filepath.Join(t.TempDir(), "absent")})
	if _, err := d.ToJPEG(t.Context(), "jpeg", jpegOf(t, 32, 32)); err == nil || errors.Is(err, ErrBroken) {
		t.Errorf("no executable: %v", err)
	}
}

func TestCancel(t *testing.T) {
	self, _ := os.Executable()
	d := decoder(t, Options{Command: self, Args: []string{"child-that-hangs"}, Timeout: time.Minute, Children: 1})
	ctx, cancel := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	// One at work and two that wait for a place: all stop by the context.
	for range 3 {
		wg.Go(func() {
			if _, err := d.ToJPEG(ctx, "jpeg", jpegOf(t, 32, 32)); !errors.Is(err, context.Canceled) {
				t.Errorf("got %v", err)
			}
		})
	}
	cancel()
	wg.Wait()
}

func TestManyAtOnce(t *testing.T) {
	d := decoder(t, Options{})
	var wg sync.WaitGroup
	in := file(t, "colour.jp2")
	for i := range 4 {
		wg.Go(func() {
			if _, err := d.ToJPEG(t.Context(), "jp2", in); err != nil {
				t.Errorf("%d: %v", i, err)
			}
		})
	}
	wg.Wait()
	if cap(d.slots) != DefaultChildren || len(d.slots) != 0 {
		t.Errorf("%d of %d places are taken", len(d.slots), cap(d.slots))
	}
}

func unwatched() (<-chan struct{}, func()) { return nil, func() {} }

func TestServeRefuses(t *testing.T) {
	for _, in := range [][]byte{nil, {2}, {9, 1, 1, 0, 0, 0, 0}, {2, 1, 1, 0xFF, 0xFF, 0xFF, 0xFF}, {2, 3, 1, 0, 0x40, 0, 1}, {2, 1, 1, 0, 0, 0, 9, 1}} {
		var out bytes.Buffer
		if code := serve(bytes.NewReader(in), &out, unwatched); code == 0 || out.Len() > 0 {
			t.Errorf("%v: %d", in, code)
		}
	}
}

func FuzzCheck(f *testing.F) {
	f.Add(jpegOf(f, 32, 32))
	for _, n := range []string{"colour.jp2", "colour.j2k", "tiles.j2k", "grey.jp2"} {
		f.Add(file(f, n))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		for _, err := range []error{checkJPEG2000(b), func() error { _, err := checkJPEG(b); return err }()} {
			if err != nil && Finding(err) == "" {
				t.Fatal(err)
			}
		}
	})
}

func BenchmarkChild(b *testing.B) {
	d := decoder(b, Options{})
	for name, in := range map[string][]byte{"jpeg": jpegOf(b, 300, 400), "jp2": file(b, "colour.jp2")} {
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				if _, err := d.ToJPEG(b.Context(), name, in); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
