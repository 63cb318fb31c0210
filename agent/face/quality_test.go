package face

import (
	"context"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/tapcheck/tapcheck/icao/chip/people"
)

// drawn is a picture of an invented person.
func drawn(id string, v people.View) Image {
	p, ok := people.Named(id)
	if !ok {
		panic(id)
	}
	m := people.Render(p, v)
	out := Image{Width: m.Rect.Dx(), Height: m.Rect.Dy(), Pix: make([]byte, 0, 3*len(m.Pix)/4)}
	for k := 0; k < len(m.Pix); k += 4 {
		out.Pix = append(out.Pix, m.Pix[k], m.Pix[k+1], m.Pix[k+2])
	}
	return out
}

var before = people.View{Width: 320, Height: 240, Distance: 27, Noise: 1.5}

// good is a frame in which nothing is wrong, drawn once.
var good = sync.OnceValue(func() Image { return drawn("an", before) })

// each changes every byte.
func each(m Image, f func(v float64, x, y, c int) float64) Image {
	out := Image{Width: m.Width, Height: m.Height, Pix: make([]byte, len(m.Pix))}
	for k, v := range m.Pix {
		out.Pix[k] = byte(clamp(f(float64(v), k/3%m.Width, k/3/m.Width, k%3), 0, 255))
	}
	return out
}

// from takes each pixel of a w×h picture from another place.
func from(m Image, w, h int, place func(x, y float64) (float64, float64)) Image {
	out := Image{Width: w, Height: h, Pix: make([]byte, 3*w*h)}
	for y := range h {
		for x := range w {
			u, v := place(float64(x), float64(y))
			r, g, b := m.at(u, v)
			k := 3 * (y*w + x)
			out.Pix[k], out.Pix[k+1], out.Pix[k+2] = byte(r), byte(g), byte(b)
		}
	}
	return out
}

// blurred is the mean of squares.
func blurred(m Image, radius int) Image {
	pass := func(m Image, dx, dy int) Image {
		return from(m, m.Width, m.Height, func(x, y float64) (float64, float64) { return x, y }).mean(radius, dx, dy)
	}
	return pass(pass(m, 1, 0), 0, 1)
}

func (i Image) mean(radius, dx, dy int) Image {
	out := Image{Width: i.Width, Height: i.Height, Pix: make([]byte, len(i.Pix))}
	for y := range i.Height {
		for x := range i.Width {
			for c := range 3 {
				sum := 0
				for d := -radius; d <= radius; d++ {
					u, v := min(max(x+d*dx, 0), i.Width-1), min(max(y+d*dy, 0), i.Height-1)
					sum += int(i.Pix[3*(v*i.Width+u)+c])
				}
				out.Pix[3*(y*i.Width+x)+c] = byte(sum / (2*radius + 1))
			}
		}
	}
	return out
}

// Each row is a picture in which one thing is wrong, and what must be said of it.
func TestQuality(t *testing.T) {
	e := engine(t, Options{})
	ctx := context.Background()
	m := good()
	faces, err := e.Find(ctx, m)
	if err != nil || len(faces) != 1 {
		t.Fatalf("%d faces, %v", len(faces), err)
	}
	if r := Assess(m, faces, false); !r.Usable || len(r.Findings) > 0 {
		t.Fatalf("of a good frame: %+v", r)
	}
	mesh := &faces[0].Mesh
	s := measure(&faces[0])
	mid := mesh[meshNoseRoot]
	view := func(change func(*people.View)) Image {
		v := before
		change(&v)
		return drawn("an", v)
	}
	zoom := func(by float64) Image {
		return from(m, m.Width, m.Height, func(x, y float64) (float64, float64) {
			return float64(mid.X) + (x-160)/by, float64(mid.Y) + (y-113)/by
		})
	}
	shift := func(dx, dy float64) Image {
		return from(m, m.Width, m.Height, func(x, y float64) (float64, float64) { return x - dx, y - dy })
	}
	rotate := func(deg float64) Image {
		sin, cos := math.Sincos(deg * math.Pi / 180)
		return from(m, m.Width, m.Height, func(x, y float64) (float64, float64) {
			x, y = x-160, y-120
			return 160 + x*cos + y*sin, 120 + y*cos - x*sin
		})
	}
	cover := func(below bool, colour [3]float64) Image {
		return each(m, func(v float64, x, y, c int) float64 {
			inside := float32(x) > mesh[meshRightSide].X-4 && float32(x) < mesh[meshLeftSide].X+4
			if below && inside && float32(y) > (mesh[meshNoseRoot].Y+mesh[meshNoseTip].Y)/2 && float32(y) < mesh[meshChin].Y+6 {
				return colour[c] + 6*math.Sin(float64(y)/5)
			}
			if !below && inside && math.Abs(float64(y)-float64(mesh[meshRightOuter].Y)) < 0.28*s.span {
				return colour[c]
			}
			return v
		})
	}
	r := rand.New(rand.NewPCG(1, 1))
	two, half := zoom(1), zoom(0.9)
	for y := range m.Height { // the right half is the left one again
		copy(two.Pix[3*(y*m.Width+m.Width/2):3*(y+1)*m.Width], half.Pix[3*(y*m.Width+80):3*(y*m.Width+240)])
		copy(two.Pix[3*y*m.Width:3*(y*m.Width+m.Width/2)], two.Pix[3*(y*m.Width+m.Width/2):3*(y+1)*m.Width])
	}
	shut := before
	shut.Blink = 1
	for _, c := range []struct {
		name     string
		img      Image
		ids      string // one of them must be said
		unusable bool   // and the picture not be compared
	}{
		{"a landscape", picture(640, 480, func(x, y, c int) int { return []int{90, 140, 60}[c] + 60*(480-y)/480 + (x*7+y*13)%19 }), NoFace, true},
		{"black", picture(640, 480, func(x, y, c int) int { return 0 }), NoFace, true},
		{"two people", two, SeveralFaces, true},
		{"far away", zoom(0.35), FaceTooSmall + " " + NoFace, true},
		{"a bit far", zoom(0.75), FaceTooSmall, false},
		{"too near", zoom(1.8), FaceTooLarge + " " + FaceOffCentre, true},
		{"at the left border", shift(-127, 0), FaceOffCentre + " " + NoFace, true},
		{"at the upper border", shift(0, -110), FaceOffCentre + " " + NoFace, true},
		{"turned", view(func(v *people.View) { v.Yaw = 28 }), HeadTurned, true},
		{"turned the other way", view(func(v *people.View) { v.Yaw = -28 }), HeadTurned, true},
		{"looking down", view(func(v *people.View) { v.Pitch = 27 }), LookUpDown, true},
		{"looking up", view(func(v *people.View) { v.Pitch = -30 }), LookUpDown, true},
		{"tilted", rotate(38), HeadTilted, true},
		{"a bit tilted", rotate(20), HeadTilted, false},
		{"eyes shut", drawn("giang", shut), EyesClosed, false},
		{"mouth open", view(func(v *people.View) { v.Mouth = 1 }), MouthOpen, false},
		{"out of focus", blurred(m, 4), Blurred, true},
		{"hardly any light", each(m, func(v float64, _, _, _ int) float64 { return v*0.1 + 2 + 2*r.NormFloat64() }), TooDark + " " + LowContrast + " " + NoFace, true},
		{"overexposed", each(m, func(v float64, _, _, _ int) float64 { return v*2.2 + 60 }), TooBright, true},
		{"fog", each(m, func(v float64, _, _, _ int) float64 { return 170 + v*0.12 }), LowContrast + " " + NoFace, true},
		{"light from one side", each(m, func(v float64, x, _, _ int) float64 {
			if float32(x) < mid.X {
				return v * 0.3
			}
			return v
		}), UnevenLight, true},
		{"a blue mask", cover(true, [3]float64{90, 150, 200}), FaceCovered + " " + NoFace, true},
		{"a white mask", cover(true, [3]float64{235, 238, 240}), FaceCovered + " " + NoFace, true},
		{"a black mask", cover(true, [3]float64{25, 25, 28}), FaceCovered + " " + NoFace, true},
		{"dark glasses", cover(false, [3]float64{12, 12, 14}), FaceCovered + " " + NoFace, true},
		{"a drawing", sketch(m), NotAFace + " " + NoFace, true},
	} {
		faces, err := e.Find(ctx, c.img)
		if err != nil {
			t.Fatalf("%s: %v", c.name, err)
		}
		r := Assess(c.img, faces, false)
		said := slices.ContainsFunc(r.Findings, func(f Finding) bool {
			return slices.Contains(strings.Fields(c.ids), f.ID) && f.Warning == !c.unusable
		})
		if !said || r.Usable == c.unusable {
			t.Errorf("%s: usable %v, %+v, want %s", c.name, r.Usable, r.Findings, c.ids)
		}
	}
}

// sketch is a drawing of a face: lines on paper.
func sketch(m Image) Image {
	g := func(x, y int) float64 {
		x, y = min(max(x, 0), m.Width-1), min(max(y, 0), m.Height-1)
		k := 3 * (y*m.Width + x)
		return float64(m.Pix[k]) + float64(m.Pix[k+1]) + float64(m.Pix[k+2])
	}
	soft := blurred(m, 2)
	m = soft
	return each(m, func(_ float64, x, y, _ int) float64 {
		if math.Hypot(g(x+2, y)-g(x-2, y), g(x, y+2)-g(x, y-2)) > 60 {
			return 30
		}
		return 250
	})
}

// The chip's photo has limits of its own: nobody can take it again.
func TestPhotosOfPersonas(t *testing.T) {
	e := engine(t, Options{})
	v := people.Portrait()
	m := drawn("lan", v)
	faces, err := e.Find(context.Background(), m)
	if err != nil {
		t.Fatal(err)
	}
	if r := Assess(m, faces, true); !r.Usable || len(r.Findings) > 0 {
		t.Errorf("%+v", r)
	}
	v.Yaw = 42
	m = drawn("lan", v)
	if faces, err = e.Find(context.Background(), m); err != nil {
		t.Fatal(err)
	}
	if r := Assess(m, faces, true); r.Usable {
		t.Errorf("turned by 42 degrees: %+v", r)
	}
}

// Better frames come first: that is what picks those that are compared.
func TestScoreOrdersFrames(t *testing.T) {
	e := engine(t, Options{})
	score := func(m Image) float64 {
		faces, err := e.Find(context.Background(), m)
		if err != nil || len(faces) != 1 {
			t.Fatalf("%d faces, %v", len(faces), err)
		}
		return assess(m, &faces[0]).score()
	}
	best := score(good())
	for name, m := range map[string]Image{
		"soft":  blurred(good(), 3),
		"dark":  each(good(), func(v float64, _, _, _ int) float64 { return v * 0.3 }),
		"small": from(good(), 320, 240, func(x, y float64) (float64, float64) { return 160 + (x-160)/0.8, 113 + (y-113)/0.8 }),
	} {
		if s := score(m); s >= best {
			t.Errorf("%s: %.2f, the good one %.2f", name, s, best)
		}
	}
}

// The table of limits is whole: each line can be said, and goes the right way.
func TestLimits(t *testing.T) {
	for _, l := range Limits() {
		if !slices.Contains(FindingIDs, l.Finding) || l.Component == "" {
			t.Errorf("%+v", l)
		}
		for _, b := range [][2]float64{{l.LiveWarn, l.LiveBad}, {l.PhotoWarn, l.PhotoBad}} {
			if !math.IsNaN(b[0]) && !math.IsNaN(b[1]) && (b[0] >= b[1]) != l.Least {
				t.Errorf("%s: the warning at %v comes after the rejection at %v", l.Component, b[0], b[1])
			}
		}
	}
}

// A mesh that is no face is not compared, and hurts nobody.
func TestFacesWithoutShape(t *testing.T) {
	m := picture(64, 64, func(x, y, c int) int { return x * y })
	var line, far Face
	for i := range line.Mesh {
		line.Mesh[i] = Point3{32, float32(i), 0}
		far.Mesh[i] = Point3{float32(i%7) * 1e30, float32(i%11) * -1e30, 1e30}
	}
	for name, f := range map[string]Face{"nothing": {}, "a line": line, "far out": far} {
		f.Presence = 1
		if r := Assess(m, []Face{f}, false); r.Usable {
			t.Errorf("%s: %+v", name, r)
		}
		between(&f, &f)
		between(&line, &f)
		gridStrength(m, measure(&f).box)
	}
}
