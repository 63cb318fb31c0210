package trial

import (
	"encoding/csv"
	"image"
	"image/color"
	"image/png"
	"io"
	"math"
	"strconv"
)

// WriteCSV writes the error rates over thresholds, with the borders of their intervals.
func (s Scores) WriteCSV(w io.Writer) error {
	out := csv.NewWriter(w)
	_ = out.Write([]string{"threshold", "fmr", "fmr_low", "fmr_high", "impostors", "fnmr", "fnmr_low", "fnmr_high", "genuine"})
	number := func(v float64) string { return strconv.FormatFloat(v, 'g', 6, 64) }
	for i := 0; i <= 100; i++ {
		t := float64(i) / 100
		m, n := s.FMR(t), s.FNMR(t)
		ml, mh := m.Interval()
		nl, nh := n.Interval()
		row := []string{strconv.FormatFloat(t, 'f', 2, 64), number(m.Value()), number(ml), number(mh), strconv.Itoa(m.Of), number(n.Value()), number(nl), number(nh), strconv.Itoa(n.Of)}
		for k, v := range row {
			if v == "NaN" { // of nothing
				row[k] = ""
			}
		}
		_ = out.Write(row)
	}
	out.Flush()
	return out.Error()
}

// The plot. Both axes are logarithmic down to floor; what is rarer, and never, lies on the border.
const (
	plotSize   = 640
	plotLeft   = 70
	plotTop    = 30
	plotBottom = 60
	plotRight  = 20
	floor      = -4 // 1e-4
)

var (
	ink   = color.RGBA{0x1b, 0x27, 0x33, 0xff}
	pale  = color.RGBA{0xd5, 0xdd, 0xe3, 0xff}
	curve = color.RGBA{0x0b, 0x5d, 0x66, 0xff}
	bound = color.RGBA{0xb4, 0x54, 0x09, 0xff}
)

// WritePNG draws the curve of both error rates against each other (detection error tradeoff) with a mark at each of the thresholds, and
// in another colour the same for the upper borders of their intervals.
func (s Scores) WritePNG(w io.Writer, thresholds []float64) error {
	img := image.NewRGBA(image.Rect(0, 0, plotSize, plotSize))
	for i := range img.Pix {
		img.Pix[i] = 0xff
	}
	place := func(rate float64, from, to int) int {
		l := float64(floor)
		if rate > 0 {
			l = math.Max(l, math.Log10(rate))
		}
		return from + int(math.Round((l-floor)/-floor*float64(to-from)))
	}
	x := func(rate float64) int { return place(rate, plotLeft, plotSize-plotRight) }
	y := func(rate float64) int { return place(rate, plotSize-plotBottom, plotTop) }
	for e := floor; e <= 0; e++ {
		for m := 1; m < 10; m++ {
			v := float64(m) * math.Pow(10, float64(e))
			if v > 1 {
				break
			}
			line(img, x(v), y(0), x(v), y(1), pale)
			line(img, x(0), y(v), x(1), y(v), pale)
		}
		v := math.Pow(10, float64(e))
		label := strconv.FormatFloat(100*v, 'f', -1, 64) + "%"
		if e == floor {
			label = "0"
		}
		write(img, label, x(v)-3*len(label), y(0)+8, ink)
		write(img, label, x(0)-6*len(label)-6, y(v)-3, ink)
	}
	line(img, x(0), y(0), x(1), y(0), ink)
	line(img, x(0), y(0), x(0), y(1), ink)
	write(img, "FMR", (x(0)+x(1))/2-9, plotSize-24, ink)
	write(img, "FNMR", 8, plotTop-16, ink)
	if len(s.Genuine) > 0 && len(s.Impostor) > 0 {
		// What was measured, and beyond what neither rate lies with 95 % confidence: few pictures leave much room between the two.
		measured := func(r Rate) float64 { return r.Value() }
		upper := func(r Rate) float64 { _, hi := r.Interval(); return hi }
		for _, one := range []struct {
			of func(Rate) float64
			c  color.RGBA
		}{{upper, bound}, {measured, curve}} {
			px, py := -1, -1
			for i := -1000; i <= 1000; i++ {
				t := float64(i) / 1000
				qx, qy := x(one.of(s.FMR(t))), y(one.of(s.FNMR(t)))
				if px >= 0 && (px != qx || py != qy) {
					for d := range 2 {
						line(img, px, py+d, qx, py+d, one.c) // a step: one rate changes at a time
						line(img, qx+d, py, qx+d, qy, one.c)
					}
				}
				px, py = qx, qy
			}
			for i, t := range thresholds {
				qx, qy := x(one.of(s.FMR(t))), y(one.of(s.FNMR(t)))
				for d := -3; d <= 3; d++ {
					line(img, qx-3, qy+d, qx+3, qy+d, one.c)
				}
				label := strconv.FormatFloat(t, 'f', 2, 64)
				write(img, label, qx+10, qy-12-10*i, one.c) // one above the other where they fall together
			}
		}
		write(img, "95%", plotSize-plotRight-30, plotTop+8, bound)
	}
	return png.Encode(w, img)
}

func line(img *image.RGBA, x0, y0, x1, y1 int, c color.RGBA) {
	n := max(abs(x1-x0), abs(y1-y0), 1)
	for i := range n + 1 {
		img.SetRGBA(x0+(x1-x0)*i/n, y0+(y1-y0)*i/n, c)
	}
}

func abs(v int) int { return max(v, -v) }

// glyphs are what axes and marks need, five by seven, each row in five bits from the left.
var glyphs = map[rune][7]byte{
	'0': {14, 17, 19, 21, 25, 17, 14}, '1': {4, 12, 4, 4, 4, 4, 14}, '2': {14, 17, 1, 6, 8, 16, 31}, '3': {31, 2, 4, 2, 1, 17, 14}, '4': {2, 6, 10, 18, 31, 2, 2},
	'5': {31, 16, 30, 1, 1, 17, 14}, '6': {6, 8, 16, 30, 17, 17, 14}, '7': {31, 1, 2, 4, 8, 8, 8}, '8': {14, 17, 17, 14, 17, 17, 14}, '9': {14, 17, 17, 15, 1, 2, 12},
	'.': {0, 0, 0, 0, 0, 12, 12}, '%': {24, 25, 2, 4, 8, 19, 3}, '-': {0, 0, 0, 31, 0, 0, 0},
	'F': {31, 16, 16, 30, 16, 16, 16}, 'M': {17, 27, 21, 21, 17, 17, 17}, 'R': {30, 17, 17, 30, 20, 18, 17}, 'N': {17, 25, 21, 19, 17, 17, 17},
}

func write(img *image.RGBA, text string, x, y int, c color.RGBA) {
	for i, r := range text {
		for v, row := range glyphs[r] {
			for u := range 5 {
				if row&(16>>u) != 0 {
					img.SetRGBA(x+6*i+u, y+v, c)
				}
			}
		}
	}
}
