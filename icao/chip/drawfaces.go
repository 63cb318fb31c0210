//go:build ignore

// Drawfaces draws the invented faces of the personas into data/ as JPEG, and as PPM into the directory given, from which
// opj_compress (Debian: libopenjp2-tools) makes the JPEG 2000 files:
//
//	go run drawfaces.go DIR && for f in DIR/*.ppm; do opj_compress -i $f -o data/$(basename $f .ppm).jp2 -r 30; done
package main

import (
	"bufio"
	"fmt"
	"image"
	"image/color"
	"image/jpeg"
	"log"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
)

type look struct {
	id                         string
	skin, hair, cloth, back    color.RGBA
	wide, long, eyes, mouth    float64 // proportions around 1
	hairLong, fringe, greyness float64
	glasses                    bool
}

var looks = []look{
	{"an", rgb(224, 182, 148), rgb(28, 22, 20), rgb(60, 80, 120), rgb(188, 208, 228), 1.00, 1.00, 1.00, 1.00, 0.0, 0.5, 0, false},
	{"binh", rgb(232, 194, 164), rgb(34, 24, 22), rgb(150, 60, 80), rgb(196, 214, 230), 0.95, 1.00, 1.08, 0.92, 1.0, 0.6, 0, false},
	{"cuong", rgb(206, 160, 124), rgb(58, 54, 52), rgb(90, 90, 84), rgb(184, 204, 222), 1.08, 0.97, 0.92, 1.10, 0.0, 0.3, 0.3, true},
	{"dung", rgb(236, 200, 172), rgb(40, 26, 20), rgb(40, 110, 100), rgb(200, 216, 232), 0.93, 1.04, 1.04, 1.02, 0.8, 0.4, 0, false},
	{"giang", rgb(196, 148, 110), rgb(20, 18, 18), rgb(120, 96, 50), rgb(186, 206, 224), 1.04, 1.03, 0.97, 1.06, 0.0, 0.7, 0, false},
	{"hoa", rgb(220, 182, 152), rgb(170, 168, 166), rgb(110, 70, 110), rgb(192, 210, 226), 1.02, 0.98, 0.90, 0.95, 0.4, 0.35, 1, true},
	{"lan", rgb(234, 196, 166), rgb(24, 18, 18), rgb(50, 60, 140), rgb(198, 216, 232), 0.97, 0.98, 1.12, 0.94, 1.0, 0.8, 0, false},
}

func rgb(r, g, b uint8) color.RGBA { return color.RGBA{r, g, b, 255} }

const w, h = 300, 400

type canvas struct{ px [h][w][3]float64 }

// blend paints colour c where d (a signed distance in pixels) is negative, with a soft edge.
func (cv *canvas) blend(c color.RGBA, alpha float64, d func(x, y float64) float64) {
	for y := range h {
		for x := range w {
			a := alpha * math.Max(0, math.Min(1, 0.5-d(float64(x), float64(y))))
			if a > 0 {
				p := &cv.px[y][x]
				p[0] += a * (float64(c.R) - p[0])
				p[1] += a * (float64(c.G) - p[1])
				p[2] += a * (float64(c.B) - p[2])
			}
		}
	}
}

func ellipse(cx, cy, rx, ry float64) func(x, y float64) float64 {
	return func(x, y float64) float64 {
		dx, dy := (x-cx)/rx, (y-cy)/ry
		return (math.Sqrt(dx*dx+dy*dy) - 1) * math.Min(rx, ry)
	}
}

func and(a, b func(x, y float64) float64) func(x, y float64) float64 {
	return func(x, y float64) float64 { return math.Max(a(x, y), b(x, y)) }
}

func above(line float64) func(x, y float64) float64 {
	return func(_, y float64) float64 { return y - line }
}

func ring(cx, cy, r, thick float64) func(x, y float64) float64 {
	return func(x, y float64) float64 { return math.Abs(math.Hypot(x-cx, y-cy)-r) - thick }
}

func arc(cx, cy, half, bend, thick float64) func(x, y float64) float64 {
	return func(x, y float64) float64 {
		t := (x - cx) / half
		if math.Abs(t) > 1 {
			return math.Hypot(math.Abs(x-cx)-half, y-cy-bend) - thick
		}
		return math.Abs(y-cy-bend*t*t) - thick*(1.2-0.7*math.Abs(t))
	}
}

func draw(l look, seed uint64) *image.RGBA {
	cv := new(canvas)
	r := rand.New(rand.NewPCG(seed, 7))
	for y := range h {
		for x := range w {
			k := 1 - 0.10*float64(y)/h
			cv.px[y][x] = [3]float64{float64(l.back.R) * k, float64(l.back.G) * k, float64(l.back.B) * k}
		}
	}
	cx, cy := 150.0, 185.0
	rx, ry := 78*l.wide, 104*l.long
	if l.hairLong > 0 {
		cv.blend(l.hair, 1, ellipse(cx, cy+40*l.hairLong, rx*1.28, ry*(1.05+0.25*l.hairLong)))
	}
	cv.blend(l.cloth, 1, ellipse(cx, 430, 135, 105))
	cv.blend(shade(l.skin, 0.86), 1, ellipse(cx, cy+ry*0.98, rx*0.46, 52))
	cv.blend(l.hair, 1, and(ellipse(cx, cy-14, rx*1.14, ry*1.10), above(cy+10)))
	for _, s := range []float64{-1, 1} {
		cv.blend(shade(l.skin, 0.90), 1, ellipse(cx+s*rx*0.99, cy+8, 12, 22))
	}
	cv.blend(l.skin, 1, ellipse(cx, cy, rx, ry))
	cv.blend(shade(l.skin, 0.8), 0.35, and(ellipse(cx+rx*0.55, cy+30, rx*0.5, ry*0.7), ellipse(cx, cy, rx, ry)))
	cv.blend(l.hair, 1, and(and(ellipse(cx, cy-14, rx*1.14, ry*1.10), ellipse(cx, cy-ry*0.95, rx*1.5, ry*(0.30+0.22*l.fringe))), above(cy)))
	ey := cy - 8.0
	for _, s := range []float64{-1, 1} {
		ex := cx + s*rx*0.45
		cv.blend(shade(l.skin, 0.82), 0.6, ellipse(ex, ey, 21*l.eyes, 13*l.eyes))
		cv.blend(rgb(244, 242, 238), 1, ellipse(ex, ey, 16*l.eyes, 7.5*l.eyes))
		cv.blend(rgb(52, 34, 24), 1, ellipse(ex, ey, 7*l.eyes, 7*l.eyes))
		cv.blend(rgb(8, 8, 8), 1, ellipse(ex, ey, 3.2*l.eyes, 3.2*l.eyes))
		cv.blend(rgb(255, 255, 255), 0.9, ellipse(ex+2.5, ey-2.5, 1.6, 1.6))
		cv.blend(rgb(30, 22, 20), 0.9, arc(ex, ey-8*l.eyes, 17*l.eyes, 5, 1.3))
		cv.blend(shade(l.hair, 1.1), 0.9, arc(ex, ey-23, 21, 5, 2.6))
		if l.glasses {
			cv.blend(rgb(40, 40, 44), 0.9, ring(ex, ey, 27, 1.3))
		}
	}
	if l.glasses {
		cv.blend(rgb(40, 40, 44), 0.9, arc(cx, ey-4, 9, 3, 1.3))
	}
	cv.blend(shade(l.skin, 0.84), 0.7, ellipse(cx+5, cy+22, 6, 26))
	cv.blend(shade(l.skin, 1.08), 0.6, ellipse(cx-1, cy+20, 4, 24))
	for _, s := range []float64{-1, 1} {
		cv.blend(shade(l.skin, 0.55), 0.7, ellipse(cx+s*8, cy+44, 4.5, 2.5))
		cv.blend(rgb(226, 130, 120), 0.15, ellipse(cx+s*rx*0.55, cy+36, 20, 16))
	}
	cv.blend(rgb(178, 92, 88), 0.9, ellipse(cx, cy+66, 25*l.mouth, 8))
	cv.blend(rgb(110, 48, 48), 0.9, arc(cx, cy+66, 25*l.mouth, -2.5, 1.2))
	img := image.NewRGBA(image.Rect(0, 0, w, h))
	for y := range h {
		for x := range w {
			n := r.NormFloat64() * 2.6
			p := cv.px[y][x]
			img.SetRGBA(x, y, color.RGBA{clip(p[0] + n), clip(p[1] + n), clip(p[2] + n), 255})
		}
	}
	return img
}

func shade(c color.RGBA, k float64) color.RGBA {
	return color.RGBA{clip(float64(c.R) * k), clip(float64(c.G) * k), clip(float64(c.B) * k), 255}
}

func clip(v float64) uint8 { return uint8(math.Max(0, math.Min(255, math.Round(v)))) }

func main() {
	log.SetFlags(0)
	if len(os.Args) != 2 {
		log.Fatal("usage: go run drawfaces.go DIR")
	}
	for i, l := range looks {
		img := draw(l, uint64(i+1))
		f, err := os.Create(filepath.Join("data", "face-"+l.id+".jpg"))
		if err != nil {
			log.Fatal(err)
		}
		if err := jpeg.Encode(f, img, &jpeg.Options{Quality: 84}); err != nil {
			log.Fatal(err)
		}
		if err := f.Close(); err != nil {
			log.Fatal(err)
		}
		p, err := os.Create(filepath.Join(os.Args[1], "face-"+l.id+".ppm"))
		if err != nil {
			log.Fatal(err)
		}
		b := bufio.NewWriter(p)
		fmt.Fprintf(b, "P6\n%d %d\n255\n", w, h)
		for j := 0; j < len(img.Pix); j += 4 {
			b.Write(img.Pix[j : j+3])
		}
		if err := b.Flush(); err != nil {
			log.Fatal(err)
		}
		if err := p.Close(); err != nil {
			log.Fatal(err)
		}
	}
}
