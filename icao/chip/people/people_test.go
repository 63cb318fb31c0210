package people_test

import (
	"bytes"
	"image"
	"image/color"
	"image/jpeg"
	"math"
	"os"
	"runtime"
	"slices"
	"testing"

	"github.com/ajroetker/go-jpeg2000"

	"github.com/tapcheck/tapcheck/agent/face"
	"github.com/tapcheck/tapcheck/icao/chip"
	"github.com/tapcheck/tapcheck/icao/chip/people"
)

func named(t testing.TB, id string) *people.Model {
	t.Helper()
	p, ok := people.Named(id)
	if !ok || p.ID != id {
		t.Fatalf("no person %q", id)
	}
	return people.New(p)
}

// Each persona with a photo has a face, and nobody else.
func TestWho(t *testing.T) {
	var want []string
	for _, p := range chip.Personas() {
		if !p.NoPhoto {
			want = append(want, p.ID)
		}
	}
	if got := people.IDs(); !slices.Equal(got, want) {
		t.Errorf("%v, want %v", got, want)
	}
	if _, ok := people.Named("nobody"); ok {
		t.Error("nobody has a face")
	}
}

// A view is the same each time, on however many processors; and no two views are.
func TestSame(t *testing.T) {
	p := named(t, "lan")
	small := people.View{Width: 120, Height: 90, Noise: 3}
	first := p.Render(small)
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(1))
	if !bytes.Equal(first.Pix, p.Render(small).Pix) {
		t.Error("another picture on one processor")
	}
	seen := map[string]string{}
	for name, v := range map[string]people.View{
		"": {}, "yaw": {Yaw: 4}, "pitch": {Pitch: 4}, "roll": {Roll: 4}, "blink": {Blink: 1}, "mouth": {Mouth: 0.6}, "gaze": {GazeX: 1}, "near": {Distance: 45}, "beside": {X: 5},
		"above": {Y: 3}, "light": {LightX: 60}, "lamp": {Warm: 1}, "dim": {Light: 0.3, Around: 0.3}, "plain": {Plain: true}, "blurred": {Blur: 1}, "noise": {Noise: 3}, "other noise": {Noise: 3, Seed: 1},
	} {
		v.Width, v.Height = 120, 90
		img := p.Render(v)
		if img.Bounds() != image.Rect(0, 0, 120, 90) {
			t.Errorf("%s: %v", name, img.Bounds())
		}
		if other, ok := seen[string(img.Pix)]; ok {
			t.Errorf("%q is %q", name, other)
		}
		seen[string(img.Pix)] = name
	}
}

func TestFilm(t *testing.T) {
	film, err := people.Film(people.View{Width: 64, Height: 48}, 10, people.Moves()...)
	if err != nil || len(film) < 100 || len(film) > 250 {
		t.Fatalf("%d views, %v", len(film), err)
	}
	most := func(f func(people.View) float64) float64 {
		m := math.Inf(-1)
		for _, v := range film {
			m = max(m, f(v))
		}
		return m
	}
	for name, got := range map[string]bool{
		"to the left":  most(func(v people.View) float64 { return v.Yaw }) > 25,
		"to the right": most(func(v people.View) float64 { return -v.Yaw }) > 25,
		"down":         most(func(v people.View) float64 { return v.Pitch }) > 15,
		"shut":         most(func(v people.View) float64 { return v.Blink }) > 0.95,
		"near":         slices.ContainsFunc(film, func(v people.View) bool { return v.Distance > 0 && v.Distance < 42 }),
		"back again":   math.Abs(film[len(film)-1].Yaw) < 3 && film[len(film)-1].Distance == 0,
	} {
		if !got {
			t.Error(name, "is missing")
		}
	}
	for i, v := range film {
		if slices.Contains(film[:i], v) {
			t.Errorf("view %d was there before", i)
		}
	}
	if _, err := people.Film(people.View{}, 10, "blink", "jump"); err == nil {
		t.Error("nobody can jump")
	}

	// Whoever answers a task takes the pictures of its move.
	moved := people.Moved(10, people.Moves()...)
	if len(moved) != len(film) {
		t.Fatalf("%d names for %d views", len(moved), len(film))
	}
	for move, seen := range map[string]func(people.View) bool{
		"turn_left": func(v people.View) bool { return v.Yaw > 25 }, "turn_right": func(v people.View) bool { return v.Yaw < -25 },
		"nod": func(v people.View) bool { return v.Pitch > 15 }, "blink": func(v people.View) bool { return v.Blink > 0.95 },
	} {
		for i, v := range film {
			if seen(v) && moved[i] != move {
				t.Errorf("view %d is one of %s, and is called %s", i, move, moved[i])
			}
		}
	}
}

// views are the ways in which a desk sees somebody.
var views = []struct {
	name string
	view people.View
}{
	{"live", people.View{Noise: 3}},
	{"near", people.View{Distance: 42, Y: -1}},
	{"turned", people.View{Yaw: 14, Pitch: 5}},
	{"other way", people.View{Yaw: -16, Roll: 6}},
	{"lit from the side", people.View{LightX: 55}},
	{"bad light and lens", people.View{Light: 0.5, Around: 0.5, Noise: 6, Blur: 1}},
}

func picture(img image.Image) face.Image {
	b := img.Bounds()
	m := face.Image{Width: b.Dx(), Height: b.Dy()}
	for y := b.Min.Y; y < b.Max.Y; y++ {
		for x := b.Min.X; x < b.Max.X; x++ {
			c := color.RGBAModel.Convert(img.At(x, y)).(color.RGBA)
			m.Pix = append(m.Pix, c.R, c.G, c.B)
		}
	}
	return m
}

// file is a chip's photo, which ../drawfaces.go made.
func file(t testing.TB, id, ext string) []byte {
	t.Helper()
	b, err := os.ReadFile("../data/face-" + id + ext)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// To the networks they are faces: found, one in each picture, the same person in every view, and each another one. The models
// are those that `make setup` fetches.
func TestRecognised(t *testing.T) {
	e, err := face.Load(t.Context(), face.Options{})
	if err != nil {
		t.Fatal(err)
	}
	template := func(id string, m face.Image) face.Template {
		faces, err := e.Find(t.Context(), m)
		if err != nil || len(faces) != 1 || faces[0].Presence < 0.95 {
			t.Fatalf("%s: %d faces, %v", id, len(faces), err)
		}
		x, err := e.Embed(t.Context(), m, faces[0])
		if err != nil {
			t.Fatal(err)
		}
		return x
	}
	ids := people.IDs()
	if raced { // the detector has seen all it can after two of them
		ids = ids[:2]
	}
	chips := map[string]face.Template{}
	for _, id := range ids {
		boxed, err := jpeg2000.Decode(bytes.NewReader(file(t, id, ".jp2")))
		if err != nil {
			t.Fatal(err)
		}
		chips[id] = template(id, picture(boxed))
		plain, err := jpeg.Decode(bytes.NewReader(file(t, id, ".jpg")))
		if err != nil {
			t.Fatal(err)
		}
		if s := face.Similarity(chips[id], template(id, picture(plain))); s < 0.95 {
			t.Errorf("%s: JPEG and JPEG 2000 are only %.2f like each other", id, s)
		}
	}
	least, most := 1.0, -1.0
	for i, id := range ids {
		p := named(t, id)
		for j, v := range views {
			if (i+j)%3 != 0 && !testing.Verbose() { // all of them are for a look at the figures: go test -v
				continue
			}
			v.view.Width, v.view.Height = 480, 360
			x := template(id, picture(p.Render(v.view)))
			for other, chip := range chips {
				s := face.Similarity(x, chip)
				if other == id {
					least = min(least, s)
					t.Logf("%s, %s: %.2f", id, v.name, s)
					if s < 0.70 {
						t.Errorf("%s, %s: only %.2f like the own photo", id, v.name, s)
					}
				} else if most = max(most, s); s >= 0.50 {
					t.Errorf("%s, %s: %.2f like %s", id, v.name, s, other)
				}
			}
		}
	}
	t.Logf("the same person at least %.2f, different ones at most %.2f", least, most)
}

// The mesh follows what the head does.
func TestMeasured(t *testing.T) {
	if raced {
		t.Skip("nothing here runs beside anything else that TestRecognised does not run too")
	}
	e, err := face.Load(t.Context(), face.Options{})
	if err != nil {
		t.Fatal(err)
	}
	p := named(t, "binh")
	mesh := func(v people.View) face.Face {
		v.Width, v.Height = 480, 360
		m := picture(p.Render(v))
		faces, err := e.Find(t.Context(), m)
		if err != nil || len(faces) != 1 {
			t.Fatalf("%+v: %d faces, %v", v, len(faces), err)
		}
		return faces[0]
	}
	// Points of the mesh: tip of the nose, outer corners of the eyes, lids of the right eye, lips.
	const nose, right, left, upper, lower, lipUp, lipDown = 1, 33, 263, 159, 145, 13, 14
	wide := func(f face.Face) float64 {
		return math.Hypot(float64(f.Mesh[left].X-f.Mesh[right].X), float64(f.Mesh[left].Y-f.Mesh[right].Y))
	}
	turn := func(f face.Face) float64 {
		return (float64(f.Mesh[nose].X) - float64(f.Mesh[left].X+f.Mesh[right].X)/2) / wide(f)
	}
	down := func(f face.Face) float64 {
		return (float64(f.Mesh[nose].Y) - float64(f.Mesh[left].Y+f.Mesh[right].Y)/2) / wide(f)
	}
	eye := func(f face.Face) float64 { return float64(f.Mesh[lower].Y-f.Mesh[upper].Y) / wide(f) }
	mouth := func(f face.Face) float64 { return float64(f.Mesh[lipDown].Y-f.Mesh[lipUp].Y) / wide(f) }
	straight := mesh(people.View{})
	if d := turn(straight); math.Abs(d) > 0.06 {
		t.Errorf("straight, it is turned by %.2f", d)
	}
	for name, c := range map[string]struct {
		view  people.View
		what  func(face.Face) float64
		least float64
	}{
		"turned to the own left, the picture's right": {people.View{Yaw: 25}, turn, 0.15},
		"turned to the own right":                     {people.View{Yaw: -25}, func(f face.Face) float64 { return -turn(f) }, 0.15},
		"nodding":                                     {people.View{Pitch: 18}, down, 0.05},
		"blinking":                                    {people.View{Blink: 1}, func(f face.Face) float64 { return -eye(f) }, 0.02},
		"with an open mouth":                          {people.View{Mouth: 0.7}, mouth, 0.1},
		"closer":                                      {people.View{Distance: 40}, func(f face.Face) float64 { return wide(f) / 225 }, 0.05},
	} {
		if d := c.what(mesh(c.view)) - c.what(straight); d < c.least {
			t.Errorf("%s: %.3f, want at least %.3f", name, d, c.least)
		}
	}
}
