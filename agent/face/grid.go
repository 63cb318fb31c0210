package face

import (
	"math"
	"math/cmplx"
	"slices"
)

// gridSize is the side of the square that is looked at, in pixels of the picture.
const gridSize = 128

// gridPeak is how far one frequency stands out of those of its kind in the picture of a screen. Set so that no development
// picture has it.
const gridPeak = 10

// grid says whether the middle of a face shows a regular fine pattern, as a screen does that is photographed (moiré), or a
// print. It is a hint: a good screen shows none, and a shirt's weave is no attack.
func grid(img Image, box Box) bool { return gridStrength(img, box) > gridPeak }

// gridStrength is the strongest frequency of the pattern over the median of those around its own length.
func gridStrength(img Image, box Box) float64 {
	if img.Width < gridSize || img.Height < gridSize {
		return 0
	}
	x0 := int(clamp(float64(box.X0+box.X1)/2-gridSize/2, 0, float64(img.Width-gridSize)))
	y0 := int(clamp(float64(box.Y0+box.Y1)/2-gridSize/2, 0, float64(img.Height-gridSize)))
	f := make([]complex128, gridSize*gridSize)
	for y := range gridSize {
		for x := range gridSize {
			p := img.Pix[3*((y+y0)*img.Width+x+x0):]
			l := 0.299*float64(p[0]) + 0.587*float64(p[1]) + 0.114*float64(p[2])
			w := math.Sin(math.Pi*(float64(x)+0.5)/gridSize) * math.Sin(math.Pi*(float64(y)+0.5)/gridSize)
			f[y*gridSize+x] = complex(l*w*w, 0)
		}
	}
	line := make([]complex128, gridSize)
	for y := range gridSize {
		fourier(f[y*gridSize : (y+1)*gridSize])
	}
	for x := range gridSize {
		for y := range gridSize {
			line[y] = f[y*gridSize+x]
		}
		fourier(line)
		for y := range gridSize {
			f[y*gridSize+x] = line[y]
		}
	}
	// Rings of like frequency, from fine structures of a face upwards. The axes are left out: JPEG's blocks lie there.
	const rings = gridSize / 2
	var ring [rings][]float64
	for y := range gridSize / 2 {
		for x := range gridSize {
			u, v := x, y
			if u >= gridSize/2 {
				u -= gridSize
			}
			if r := int(math.Hypot(float64(u), float64(v))); r >= rings/4 && r < rings && u != 0 && v != 0 && !block(u, v) {
				ring[r] = append(ring[r], cmplx.Abs(f[y*gridSize+x]))
			}
		}
	}
	var strongest float64
	for _, r := range ring {
		if len(r) == 0 {
			continue
		}
		slices.Sort(r)
		strongest = math.Max(strongest, r[len(r)-1]/(r[len(r)/2]+1))
	}
	return strongest
}

// block says that a frequency is one of JPEG's blocks of eight pixels.
func block(u, v int) bool { return u%(gridSize/8) == 0 || v%(gridSize/8) == 0 }

// fourier is the discrete Fourier transform in place; the length is a power of two.
func fourier(a []complex128) {
	n := len(a)
	for i, j := 1, 0; i < n; i++ {
		bit := n >> 1
		for ; j&bit != 0; bit >>= 1 {
			j ^= bit
		}
		j ^= bit
		if i < j {
			a[i], a[j] = a[j], a[i]
		}
	}
	for size := 2; size <= n; size <<= 1 {
		turn := cmplx.Rect(1, -2*math.Pi/float64(size))
		for i := 0; i < n; i += size {
			w := complex(1, 0)
			for k := range size / 2 {
				even, odd := a[i+k], a[i+k+size/2]*w
				a[i+k], a[i+k+size/2] = even+odd, even-odd
				w *= turn
			}
		}
	}
}
