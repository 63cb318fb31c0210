package portrait

import (
	"image"
	"image/color"
)

// toRGB gives the pixels of a picture, scaled down so that neither way is more than most. A pixel of the answer is the mean of
// what it covers, so that a picture of many pixels does not come out harsher than one of few.
func toRGB(img image.Image, most int) answer {
	b := img.Bounds()
	w, h := b.Dx(), b.Dy()
	if w <= most && h <= most {
		a := answer{width: w, height: h, body: make([]byte, 3*w*h)}
		for y := range h {
			row(img, b.Min.Y+y, a.body[3*w*y:3*w*(y+1)])
		}
		return a
	}
	dw, dh := most, max(1, h*most/w)
	if h > w {
		dw, dh = max(1, w*most/h), most
	}
	a := answer{width: dw, height: dh, body: make([]byte, 3*dw*dh)}
	line, narrow, sum := make([]byte, 3*w), make([]float32, 3*dw), make([]float32, 3*dw)
	defer clear(line)
	stepX, stepY := float32(w)/float32(dw), float32(h)/float32(dh)
	y := 0
	left := float32(1) // of line y, what no line of the answer has taken yet
	row(img, b.Min.Y, line)
	narrowed(narrow, line, stepX)
	for dy := range dh {
		clear(sum)
		for need := stepY; need > 1e-4; {
			take := min(left, need)
			for i, v := range narrow {
				sum[i] += take * v
			}
			need -= take
			if left -= take; left <= 1e-4 {
				if y++; y == h {
					break
				}
				left = 1
				row(img, b.Min.Y+y, line)
				narrowed(narrow, line, stepX)
			}
		}
		for i, v := range sum {
			a.body[3*dw*dy+i] = uint8(min(255, v/(stepX*stepY)+0.5))
		}
	}
	return a
}

// narrowed adds up the pixels of a line that each pixel of out covers.
func narrowed(out []float32, line []byte, step float32) {
	x, left := 0, float32(1)
	for i := 0; i < len(out); i += 3 {
		var r, g, b float32
		for need := step; need > 1e-4 && 3*x < len(line); {
			take := min(left, need)
			r += take * float32(line[3*x])
			g += take * float32(line[3*x+1])
			b += take * float32(line[3*x+2])
			need -= take
			if left -= take; left <= 1e-4 {
				x++
				left = 1
			}
		}
		out[i], out[i+1], out[i+2] = r, g, b
	}
}

// row gives one line of a picture as RGB.
func row(img image.Image, y int, out []byte) {
	b := img.Bounds()
	switch m := img.(type) {
	case *image.YCbCr:
		for x, o := b.Min.X, 0; x < b.Max.X; x, o = x+1, o+3 {
			c := m.COffset(x, y)
			out[o], out[o+1], out[o+2] = color.YCbCrToRGB(m.Y[m.YOffset(x, y)], m.Cb[c], m.Cr[c])
		}
	case *image.Gray:
		for x, o := b.Min.X, 0; x < b.Max.X; x, o = x+1, o+3 {
			v := m.Pix[m.PixOffset(x, y)]
			out[o], out[o+1], out[o+2] = v, v, v
		}
	case *image.RGBA:
		for i, o := m.PixOffset(b.Min.X, y), 0; o < len(out); i, o = i+4, o+3 {
			white := 255 - m.Pix[i+3] // the rest is premultiplied
			out[o], out[o+1], out[o+2] = m.Pix[i]+white, m.Pix[i+1]+white, m.Pix[i+2]+white
		}
	case *image.NRGBA:
		for i, o := m.PixOffset(b.Min.X, y), 0; o < len(out); i, o = i+4, o+3 {
			alpha := int(m.Pix[i+3])
			for c := range 3 {
				out[o+c] = uint8((int(m.Pix[i+c])*alpha + 255*(255-alpha) + 127) / 255)
			}
		}
	default:
		general(img, y, out)
	}
}

// general is row for every kind of picture: what is transparent lies on white.
func general(img image.Image, y int, out []byte) {
	b := img.Bounds()
	for x, o := b.Min.X, 0; x < b.Max.X; x, o = x+1, o+3 {
		r, g, bl, a := img.At(x, y).RGBA() // premultiplied, 16 bits
		white := 0xFFFF - a
		out[o], out[o+1], out[o+2] = uint8((r+white)>>8), uint8((g+white)>>8), uint8((bl+white)>>8)
	}
}

// turned is the picture upright, by the orientation that Exif gives: 2 to 4 mirror or turn it by half, 5 to 8 change rows and
// columns too.
func (a answer) turned(orientation int) answer {
	if orientation < 2 || orientation > 8 {
		return a
	}
	w, h := a.width, a.height
	t := answer{width: w, height: h, body: make([]byte, len(a.body))}
	if orientation >= 5 {
		t.width, t.height = h, w
	}
	for y := range t.height {
		for x := range t.width {
			sx, sy := x, y
			if orientation >= 5 {
				sx, sy = y, x
			}
			switch orientation {
			case 2, 8:
				sx = w - 1 - sx
			case 3, 7:
				sx, sy = w-1-sx, h-1-sy
			case 4, 6:
				sy = h - 1 - sy
			}
			copy(t.body[3*(y*t.width+x):][:3], a.body[3*(sy*w+sx):][:3])
		}
	}
	clear(a.body)
	return t
}

// wipe overwrites the pixels of a picture that nobody needs any more.
func wipe(img image.Image) {
	switch m := img.(type) {
	case *image.YCbCr:
		clear(m.Y)
		clear(m.Cb)
		clear(m.Cr)
	case *image.Gray:
		clear(m.Pix)
	case *image.RGBA:
		clear(m.Pix)
	case *image.NRGBA:
		clear(m.Pix)
	case *image.CMYK:
		clear(m.Pix)
	case *image.Paletted:
		clear(m.Pix)
	}
}
