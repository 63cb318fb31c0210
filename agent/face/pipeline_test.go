package face_test

import (
	"context"
	"errors"
	"image"
	"math"
	"testing"

	"github.com/tapcheck/tapcheck/agent/face"
	"github.com/tapcheck/tapcheck/icao/chip/people"
)

func load(t *testing.T, o face.Options) *face.Engine {
	t.Helper()
	e, err := face.Load(context.Background(), o)
	if errors.Is(err, face.ErrNoModels) {
		t.Fatal("built without face models: make models")
	}
	if err != nil {
		t.Fatal(err)
	}
	return e
}

// view draws an invented person.
func view(t *testing.T, id string, v people.View) face.Image {
	t.Helper()
	p, ok := people.Named(id)
	if !ok {
		t.Fatalf("no person %q", id)
	}
	if v.Width == 0 {
		v.Width, v.Height = 320, 240
	}
	return rgb(people.New(p).Render(v))
}

func rgb(img *image.RGBA) face.Image {
	b := img.Bounds()
	m := face.Image{Width: b.Dx(), Height: b.Dy(), Pix: make([]byte, 0, 3*b.Dx()*b.Dy())}
	for y := range b.Dy() {
		for x := range b.Dx() {
			i := img.PixOffset(b.Min.X+x, b.Min.Y+y)
			m.Pix = append(m.Pix, img.Pix[i:i+3]...)
		}
	}
	return m
}

func find(t *testing.T, e *face.Engine, m face.Image, n int) []face.Face {
	t.Helper()
	faces, err := e.Find(context.Background(), m)
	if err != nil || len(faces) != n {
		t.Fatalf("%d faces, want %d: %v", len(faces), n, err)
	}
	return faces
}

func embed(t *testing.T, e *face.Engine, m face.Image, f face.Face) face.Template {
	t.Helper()
	v, err := e.Embed(context.Background(), m, f)
	if err != nil {
		t.Fatal(err)
	}
	return v
}

// apart is how far the meshes of two faces lie from each other: the mean over all points, in pixels.
func apart(a, b face.Face) float64 {
	sum := 0.0
	for i := range a.Mesh {
		sum += math.Hypot(float64(a.Mesh[i].X-b.Mesh[i].X), float64(a.Mesh[i].Y-b.Mesh[i].Y)) / float64(len(a.Mesh))
	}
	return sum
}

// turned is the picture turned by quarters, clockwise.
func turned(m face.Image, quarters int) face.Image {
	for range quarters {
		r := face.Image{Width: m.Height, Height: m.Width, Pix: make([]byte, len(m.Pix))}
		for y := range m.Height {
			for x := range m.Width {
				copy(r.Pix[3*(x*r.Width+r.Width-1-y):], m.Pix[3*(y*m.Width+x):][:3])
			}
		}
		m = r
	}
	return m
}

// beside puts pictures of the same height side by side.
func beside(a, b face.Image) face.Image {
	m := face.Image{Width: a.Width + b.Width, Height: a.Height}
	for y := range a.Height {
		m.Pix = append(m.Pix, a.Pix[3*y*a.Width:][:3*a.Width]...)
		m.Pix = append(m.Pix, b.Pix[3*y*b.Width:][:3*b.Width]...)
	}
	return m
}

// TestFind: where the face is, and what of it is where.
func TestFind(t *testing.T) {
	e := load(t, face.Options{})
	m := view(t, "an", people.View{})
	f := find(t, e, m, 1)[0]
	if f.Score < 0.5 || f.Presence < 0.9 {
		t.Errorf("score %g, presence %g", f.Score, f.Presence)
	}
	w, h := f.Box.X1-f.Box.X0, f.Box.Y1-f.Box.Y0
	if f.Box.X0 < 0 || f.Box.Y0 < 0 || f.Box.X1 > 320 || f.Box.Y1 > 240 || w < 40 || h < w || h > 2*w {
		t.Errorf("box %+v", f.Box)
	}
	for i, p := range f.Mesh {
		if p.X < f.Box.X0 || p.X > f.Box.X1 || p.Y < f.Box.Y0 || p.Y > f.Box.Y1 {
			t.Errorf("point %d at %v lies outside of %v", i, p, f.Box)
		}
	}
	// Both networks see the same face: eyes, nose and mouth of the detector lie near those of the mesh.
	for name, c := range map[string][2]int{"right eye": {face.KeyRightEye, 159}, "left eye": {face.KeyLeftEye, 386}, "nose": {face.KeyNose, 1}, "mouth": {face.KeyMouth, 13}} {
		k, p := f.Keypoints[c[0]], f.Mesh[c[1]]
		if d := math.Hypot(float64(k.X-p.X), float64(k.Y-p.Y)); d > 0.12*float64(w) {
			t.Errorf("%s: %v and %v", name, k, p)
		}
	}
	if f.Keypoints[face.KeyRightEye].X >= f.Keypoints[face.KeyLeftEye].X || f.Mesh[1].Z >= f.Mesh[234].Z {
		t.Error("right and left, or before and behind, are the other way round")
	}
}

// TestTrack: a face is followed to where it has moved, without a detector, and said to be lost where it is gone.
func TestTrack(t *testing.T) {
	e := load(t, face.Options{})
	first := view(t, "lan", people.View{})
	f := find(t, e, first, 1)[0]
	for name, v := range map[string]people.View{"the same": {}, "aside": {X: 1.5}, "turned": {Yaw: 12}, "nearer": {Distance: 54}} {
		m := view(t, "lan", v)
		got, ok, err := e.Track(context.Background(), m, f)
		if err != nil || !ok {
			t.Errorf("%s: lost, %v", name, err)
			continue
		}
		if d, most := apart(got, find(t, e, m, 1)[0]), 0.03*float64(f.Box.X1-f.Box.X0); d > most {
			t.Errorf("%s: %g pixels from where it is, at most %g", name, d, most)
		}
		if got.Keypoints != f.Keypoints || got.Score != f.Score {
			t.Errorf("%s: what the detector said is another", name)
		}
	}
	empty := face.Image{Width: 320, Height: 240, Pix: make([]byte, 3*320*240)}
	for name, m := range map[string]face.Image{"nobody": empty, "gone to the other end": beside(face.Image{Width: 320, Height: 240, Pix: empty.Pix}, first)} {
		if _, ok, err := e.Track(context.Background(), m, f); ok || err != nil {
			t.Errorf("%s: found %v, %v", name, ok, err)
		}
	}
}

// TestSeveral: all faces are found, the largest first.
func TestSeveral(t *testing.T) {
	e := load(t, face.Options{})
	m := beside(view(t, "an", people.View{Distance: 85}), view(t, "hoa", people.View{}))
	faces := find(t, e, m, 2)
	if faces[0].Box.X0 < 320 || faces[1].Box.X1 > 320 {
		t.Errorf("the smaller first: %v, %v", faces[0].Box, faces[1].Box)
	}
}

// TestSamePerson: a person is the same however the camera is held, and another is another; plain Go says what vector code says.
func TestSamePerson(t *testing.T) {
	e, plain := load(t, face.Options{}), load(t, face.Options{NoVector: true})
	photo := view(t, "an", people.Portrait())
	chip := embed(t, e, photo, find(t, e, photo, 1)[0])
	live := view(t, "an", people.View{Noise: 2})
	scores := map[string]float64{}
	for name, m := range map[string]face.Image{"live": live, "a quarter turn": turned(live, 1), "head aslant": view(t, "an", people.View{Roll: 25})} {
		if scores[name] = face.Similarity(chip, embed(t, e, m, find(t, e, m, 1)[0])); scores[name] < 0.6 {
			t.Errorf("%s: %g", name, scores[name])
		}
	}
	other := view(t, "lan", people.View{Noise: 2})
	if s := face.Similarity(chip, embed(t, e, other, find(t, e, other, 1)[0])); s >= 0.5 {
		t.Errorf("somebody else: %g", s)
	}
	slow := embed(t, plain, live, find(t, plain, live, 1)[0])
	if s := face.Similarity(chip, slow); math.Abs(s-scores["live"]) > 1e-4 {
		t.Errorf("plain Go says %.6f, vector code %.6f", s, scores["live"])
	}
}
