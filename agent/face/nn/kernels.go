package nn

// A tile is what the kernel of convolutions computes at once: output pixels × output channels.
const (
	tileRows = 6
	tileCols = 16
)

// maxTaps is the largest window of a depthwise convolution, height times width.
const maxTaps = 128

// tap is one place of a depthwise window: where its inputs and weights begin.
type tap struct{ in, weight int }

// kernels are the loops in which the time goes.
type kernels interface {
	// rows multiplies n rows a, of length taps, with packed weights: out[r][c] = prelu(Σ a[r][k]·w[k][c] + bias[c] + res[r][c]). width
	// is the length of out's and res' rows, a multiple of lane; res may be nil.
	rows(a []float32, taps, n int, panels, out []float32, width int, bias, slope, res []float32)
	// taps computes n output pixels of a depthwise convolution: out[i][c] = prelu(Σ in[i*step+t.in+c]·w[t.weight+c] + bias[c]).
	taps(out []float32, width, n int, in []float32, step int, taps []tap, w, bias, slope []float32)
}

// plain is in Go, for every processor.
type plain struct{}

func (plain) rows(a []float32, taps, n int, panels, out []float32, width int, bias, slope, res []float32) {
	for from := 0; from < width; from += tileCols {
		cols := min(tileCols, width-from)
		panel := panels[from*taps:][:taps*cols]
		r := 0
		for ; r+2 <= n; r += 2 {
			for c := 0; c < cols; c += 4 {
				plain2x4(a[r*taps:(r+1)*taps], a[(r+1)*taps:(r+2)*taps], panel[c:], cols, out[r*width+from+c:], out[(r+1)*width+from+c:])
			}
		}
		for ; r < n; r++ {
			for c := 0; c < cols; c += 4 {
				plain1x4(a[r*taps:(r+1)*taps], panel[c:], cols, out[r*width+from+c:])
			}
		}
	}
	for r := range n {
		row := out[r*width : (r+1)*width]
		bias, slope := bias[:len(row)], slope[:len(row)]
		if res != nil {
			add := res[r*width:][:len(row)]
			for i := range row {
				row[i] += add[i]
			}
		}
		for i, y := range row {
			y += bias[i]
			if y < 0 {
				y *= slope[i]
			}
			row[i] = y
		}
	}
}

func plain2x4(x, y, w []float32, step int, to, to2 []float32) {
	var a0, a1, a2, a3, b0, b1, b2, b3 float32
	y = y[:len(x)]
	for k, p := range x {
		q := y[k]
		v := w[k*step : k*step+4 : k*step+4]
		a0 += p * v[0]
		a1 += p * v[1]
		a2 += p * v[2]
		a3 += p * v[3]
		b0 += q * v[0]
		b1 += q * v[1]
		b2 += q * v[2]
		b3 += q * v[3]
	}
	to[0], to[1], to[2], to[3] = a0, a1, a2, a3
	to2[0], to2[1], to2[2], to2[3] = b0, b1, b2, b3
}

func plain1x4(x, w []float32, step int, to []float32) {
	var a0, a1, a2, a3 float32
	for k, p := range x {
		v := w[k*step : k*step+4 : k*step+4]
		a0 += p * v[0]
		a1 += p * v[1]
		a2 += p * v[2]
		a3 += p * v[3]
	}
	to[0], to[1], to[2], to[3] = a0, a1, a2, a3
}

func (plain) taps(out []float32, width, n int, in []float32, step int, taps []tap, w, bias, slope []float32) {
	for i := range n {
		row := out[i*width : (i+1)*width]
		copy(row, bias)
		for _, t := range taps {
			x := in[i*step+t.in:]
			x, v := x[:min(len(row), len(x))], w[t.weight:][:len(row)]
			for c, p := range x {
				row[c] += p * v[c]
			}
		}
		slope := slope[:len(row)]
		for c, y := range row {
			if y < 0 {
				row[c] = y * slope[c]
			}
		}
	}
}
