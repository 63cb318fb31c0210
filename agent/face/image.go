package face

import (
	"errors"
	"fmt"
	"math"
)

// Bounds of a picture. What lies outside is ErrImage; whoever decodes pictures makes larger ones smaller first.
const (
	MinSide   = 32
	MaxSide   = 4096
	MaxPixels = 12 << 20
)

// ErrImage is a picture whose size is out of bounds, or does not fit its bytes.
var ErrImage = errors.New("picture has a wrong size")

// Check says whether size and bytes fit together and lie within the bounds.
func (m Image) Check() error {
	if m.Width < MinSide || m.Height < MinSide || m.Width > MaxSide || m.Height > MaxSide || m.Width*m.Height > MaxPixels || !m.Whole() {
		return fmt.Errorf("%w: %dx%d pixels, %d bytes", ErrImage, m.Width, m.Height, len(m.Pix))
	}
	return nil
}

// affine maps places of a crop to places of a picture: x' = A·x + B·y + C, y' = D·x + E·y + F.
type affine struct{ a, b, c, d, e, f float64 }

func (t affine) at(x, y float64) (float64, float64) {
	return t.a*x + t.b*y + t.c, t.d*x + t.e*y + t.f
}

// square is a square part of a picture: centre, side in pixels, and how far it is turned (radians, clockwise on the screen).
type square struct{ x, y, side, angle float64 }

// crop is the map from a crop of n pixels to the picture.
func (s square) crop(n int) affine {
	sin, cos := math.Sincos(s.angle)
	k := s.side / float64(n)
	h := s.side / 2
	return affine{a: k * cos, b: -k * sin, c: s.x - h*cos + h*sin, d: k * sin, e: k * cos, f: s.y - h*sin - h*cos}
}

// sample fills to (n×n, 3 channels) with what t shows of the picture, each byte v as v*scale[c]+shift[c]. Between pixels it is
// bilinear; what lies outside is black, or, with stretch, the nearest pixel. A picture that would be made much smaller is halved first, so
// that no pixel is passed over.
func (w *worker) sample(m Image, t affine, n int, to []float32, scale, shift [3]float32, bgr, stretch bool) {
	for math.Hypot(t.a, t.d) >= 2 && m.Width >= 2*MinSide && m.Height >= 2*MinSide {
		if need := 3 * (m.Width / 2) * (m.Height / 2); cap(w.half) < need {
			w.half = make([]byte, need)
		}
		m = halved(m, w.half)
		t.a, t.b, t.c, t.d, t.e, t.f = t.a/2, t.b/2, t.c/2, t.d/2, t.e/2, t.f/2
	}
	r, b := 0, 2
	if bgr {
		r, b = 2, 0
	}
	order := [3]int{r, 1, b}
	black := shift
	stride := 3 * m.Width
	for y := range n {
		for x := range n {
			fx, fy := t.at(float64(x)+0.5, float64(y)+0.5)
			fx, fy = fx-0.5, fy-0.5
			px := to[(y*n+x)*3 : (y*n+x)*3+3]
			if stretch {
				fx, fy = min(max(fx, 0), float64(m.Width-1)), min(max(fy, 0), float64(m.Height-1))
			} else if !(fx > -1 && fy > -1 && fx < float64(m.Width) && fy < float64(m.Height)) {
				px[0], px[1], px[2] = black[0], black[1], black[2]
				continue
			}
			ix, iy := int(math.Floor(fx)), int(math.Floor(fy))
			wx, wy := float32(fx-float64(ix)), float32(fy-float64(iy))
			if ix >= 0 && iy >= 0 && ix+1 < m.Width && iy+1 < m.Height {
				up := m.Pix[iy*stride+3*ix:][:6]
				down := m.Pix[(iy+1)*stride+3*ix:][:6]
				for c := range 3 {
					o := order[c]
					u := float32(up[o]) + wx*(float32(up[o+3])-float32(up[o]))
					d := float32(down[o]) + wx*(float32(down[o+3])-float32(down[o]))
					px[c] = (u+wy*(d-u))*scale[c] + shift[c]
				}
				continue
			}
			for c := range 3 {
				u := m.value(ix, iy, order[c], stretch) + wx*(m.value(ix+1, iy, order[c], stretch)-m.value(ix, iy, order[c], stretch))
				d := m.value(ix, iy+1, order[c], stretch) + wx*(m.value(ix+1, iy+1, order[c], stretch)-m.value(ix, iy+1, order[c], stretch))
				px[c] = (u+wy*(d-u))*scale[c] + shift[c]
			}
		}
	}
}

func (m Image) value(x, y, c int, stretch bool) float32 {
	if stretch {
		x, y = min(max(x, 0), m.Width-1), min(max(y, 0), m.Height-1)
	} else if x < 0 || y < 0 || x >= m.Width || y >= m.Height {
		return 0
	}
	return float32(m.Pix[(y*m.Width+x)*3+c])
}

// halved is the picture at half the size, each pixel the mean of four. It lies in to, where the picture itself may lie too: what is written
// has been read before.
func halved(m Image, to []byte) Image {
	h := Image{Width: m.Width / 2, Height: m.Height / 2}
	h.Pix = to[:3*h.Width*h.Height]
	for y := range h.Height {
		up := m.Pix[2*y*m.Width*3:][:m.Width*3]
		down := m.Pix[(2*y+1)*m.Width*3:][:m.Width*3]
		to := h.Pix[y*h.Width*3:][:h.Width*3]
		for x := range h.Width {
			a, b := up[6*x:6*x+6], down[6*x:6*x+6]
			o := to[3*x : 3*x+3]
			o[0] = byte((int(a[0]) + int(a[3]) + int(b[0]) + int(b[3]) + 2) / 4)
			o[1] = byte((int(a[1]) + int(a[4]) + int(b[1]) + int(b[4]) + 2) / 4)
			o[2] = byte((int(a[2]) + int(a[5]) + int(b[2]) + int(b[5]) + 2) / 4)
		}
	}
	return h
}
