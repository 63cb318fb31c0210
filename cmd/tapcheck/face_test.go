package main

import (
	"bytes"
	"context"
	"encoding/csv"
	"fmt"
	"image"
	"image/jpeg"
	"image/png"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/tapcheck/tapcheck/agent/face"
	"github.com/tapcheck/tapcheck/icao/chip/people"
)

// A trial from a folder of pictures to its table and curve: drawn people, whose error rates mean nothing, and pictures that cannot be used.
func TestFaceBench(t *testing.T) {
	if _, err := face.Bundled(); err != nil {
		t.Fatal("built without face models: make models")
	}
	dir, out := t.TempDir(), t.TempDir()
	write := func(name string, data []byte) {
		t.Helper()
		file := filepath.Join(dir, filepath.FromSlash(name))
		if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, data, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	jpg := func(m image.Image) []byte {
		var b bytes.Buffer
		if err := jpeg.Encode(&b, m, nil); err != nil {
			t.Fatal(err)
		}
		return b.Bytes()
	}
	ids := []string{"an", "cuong", "hoa"}
	for _, id := range ids {
		photo, err := os.ReadFile("../../icao/chip/data/face-" + id + ".jp2")
		if err != nil {
			t.Fatal(err)
		}
		write("chip/"+id+".jp2", photo)
		p, _ := people.Named(id)
		write("live/"+id+".jpg", jpg(people.Render(p, people.View{Width: 320, Height: 240, Distance: 28, Noise: 2})))
	}
	write("live/cut.jpg", jpg(image.NewRGBA(image.Rect(0, 0, 320, 240)))[:600])
	write("live/wall.jpg", jpg(image.NewRGBA(image.Rect(0, 0, 320, 240))))
	write("live/dot.png", []byte("\x89PNG\r\n\x1a\n"))
	pairs := "same\tchip\tlive\thair\n"
	for _, a := range ids {
		for _, b := range ids {
			same := 0
			if a == b {
				same = 1
			}
			pairs += fmt.Sprintf("%d\tchip/%s.jp2\tlive/%s.jpg\tshort\n", same, a, b)
		}
	}
	pairs += "1\tchip/an.jp2\tlive/cut.jpg\tlong\n1\tchip/an.jp2\tlive/wall.jpg\tlong\n0\tchip/hoa.jp2\tlive/dot.png\tlong\n"
	write("pairs.tsv", []byte(pairs))

	bench := func(args ...string) (stdout, stderr string, code int) {
		var o, e bytes.Buffer
		code = run(context.Background(), append([]string{"--lang", "en", "face", "bench"}, args...), Env{Stdin: strings.NewReader(""), Stdout: &o, Stderr: &e, Getenv: func(string) string { return "" }, Environ: os.Environ})
		return o.String(), e.String(), code
	}
	stdout, stderr, code := bench(dir, "--out", out, "--times", "1")
	if code != exitOK {
		t.Fatalf("exit %d: %s", code, stderr)
	}
	for _, want := range []string{
		"0.60 standard      0/6  0 % (0–45.9)                      0/3  0 % (0–70.8)",
		"live pictures      3/6  50 % (11.8–88.2)",
		"genuine pairs      2/5  40 % (5.27–85.3)",
		"live/cut.jpg: PICTURE_BROKEN", "live/wall.jpg: NO_FACE", "live/dot.png: PICTURE_BROKEN",
		"hair = short             0/6", "verification", "with models",
	} {
		if !strings.Contains(stdout, want) {
			t.Errorf("does not say %q:\n%s", want, stdout)
		}
	}
	f, err := os.Open(filepath.Join(out, "det.png"))
	if err != nil {
		t.Fatal(err)
	}
	_, err = png.Decode(f)
	_ = f.Close()
	if err != nil {
		t.Error(err)
	}
	table, err := os.ReadFile(filepath.Join(out, "det.csv"))
	if err != nil {
		t.Fatal(err)
	}
	if rows, err := csv.NewReader(bytes.NewReader(table)).ReadAll(); err != nil || len(rows) != 102 {
		t.Errorf("%d rows, %v", len(rows), err)
	}

	write("pairs.tsv", []byte("same\tchip\tlive\n1\tchip/an.jp2\t../secret.jpg\n"))
	if _, stderr, code := bench(dir); code != exitFailed || !strings.Contains(stderr, "line 2") {
		t.Errorf("exit %d: %s", code, stderr)
	}
	if _, stderr, code := bench(filepath.Join(dir, "chip")); code != exitFailed || !strings.Contains(stderr, "pairs.tsv") {
		t.Errorf("exit %d: %s", code, stderr)
	}
}
