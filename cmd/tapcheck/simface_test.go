package main

import (
	"bytes"
	"fmt"
	"image"
	"image/color"
	"image/jpeg"
	"os"
	"testing"
)

// A YUV4MPEG2 stream has one head, and pictures of one size whose planes are those of the colours.
func TestY4M(t *testing.T) {
	img := image.NewRGBA(image.Rect(0, 0, 8, 4))
	for y := range 4 {
		for x := range 8 {
			img.SetRGBA(x, y, color.RGBA{200, 40, 90, 255})
		}
	}
	var b bytes.Buffer
	for n := range 2 {
		if err := writeY4M(&b, n, 10, img); err != nil {
			t.Fatal(err)
		}
	}
	l, cb, cr := color.RGBToYCbCr(200, 40, 90)
	frame := append([]byte("FRAME\n"), bytes.Repeat([]byte{l}, 32)...)
	frame = append(append(frame, bytes.Repeat([]byte{cb}, 8)...), bytes.Repeat([]byte{cr}, 8)...)
	want := append([]byte("YUV4MPEG2 W8 H4 F10:1 Ip A1:1 C420jpeg\n"), append(frame, frame...)...)
	if !bytes.Equal(b.Bytes(), want) {
		t.Errorf("%q", b.Bytes())
	}
}

// The film as a row of JPEGs is one picture after the other, each whole.
func TestMJPEG(t *testing.T) {
	var out, errs bytes.Buffer
	file := t.TempDir() + "/film.mjpeg"
	code := run(t.Context(), []string{"sim", "face", "--persona", "hoa", "--mjpeg", file, "--size", "96x64", "--fps", "2", "--moves", "nod"}, Env{Stdout: &out, Stderr: &errs, Getenv: func(string) string { return "" }})
	if code != exitOK {
		t.Fatalf("exit code %d: %s", code, errs.String())
	}
	b, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	start := []byte{0xFF, 0xD8, 0xFF, 0xDB}
	pictures := bytes.Split(b, start)[1:]
	for n, b := range pictures {
		img, err := jpeg.Decode(bytes.NewReader(append(bytes.Clone(start), b...)))
		if err != nil || img.Bounds() != image.Rect(0, 0, 96, 64) {
			t.Errorf("picture %d: %v", n, err)
		}
	}
	if want := fmt.Sprintf("%d ảnh\n", len(pictures)); len(pictures) < 8 || out.String() != want {
		t.Errorf("%d pictures, and it says %q", len(pictures), out.String())
	}
}
