package nn

import "golang.org/x/sys/cpu"

// choose takes the vector kernels that the processor and the system have: AVX2, or SSE2, which every amd64 has.
func choose(noVector bool) kernels {
	switch {
	case noVector:
		return plain{}
	case Vector():
		return avx2{}
	}
	return sse2{}
}

// all are the vector kernels that this machine can run.
func all() []kernels {
	if !Vector() {
		return []kernels{sse2{}}
	}
	return []kernels{avx2{}, sse2{}}
}

// Vector says whether this machine runs the widest vector kernels: AVX2 and FMA, with registers that the system saves.
func Vector() bool { return cpu.X86.HasAVX2 && cpu.X86.HasFMA }

// avx2 and sse2 are in assembly. What they read and write is checked here, because there it is not.
type (
	avx2 struct{}
	sse2 struct{}
)

// checkRows panics where rows would read or write outside.
func checkRows(a []float32, taps, n int, panels, out []float32, width int, bias, slope, res []float32) {
	if n < 1 || taps < 1 || width < lane || width%lane != 0 {
		panic("nn: no rows")
	}
	_, _, _, _, _ = a[n*taps-1], panels[taps*width-1], out[n*width-1], bias[width-1], slope[width-1]
	if res != nil {
		_ = res[n*width-1]
	}
}

// checkTaps does so for taps. What it says no to is for plain: windows that lie wholly outside, and inputs whose pixels are not of whole lanes.
func checkTaps(out []float32, width, n int, in []float32, step int, taps []tap, w, bias, slope []float32) bool {
	if len(taps) == 0 || step%lane != 0 || width%lane != 0 {
		return false
	}
	_, _, _ = out[n*width-1], bias[width-1], slope[width-1]
	for _, t := range taps {
		_, _ = in[(n-1)*step+t.in+width-1], w[t.weight+width-1]
	}
	return true
}

//go:noescape
func rows6x16(k int, a *float32, lda int, b, c *float32, ldc int, bias, slope, res *float32)

//go:noescape
func rows6x8(k int, a *float32, lda int, b, c *float32, ldc int, bias, slope, res *float32)

//go:noescape
func rows1x16(k int, a *float32, b, c, bias, slope, res *float32)

//go:noescape
func rows1x8(k int, a *float32, b, c, bias, slope, res *float32)

//go:noescape
func taps8(out *float32, width, n int, in *float32, step int, taps *tap, count int, w, bias, slope *float32)

func (avx2) rows(a []float32, taps, n int, panels, out []float32, width int, bias, slope, res []float32) {
	checkRows(a, taps, n, panels, out, width, bias, slope, res)
	for from := 0; from < width; from += tileCols {
		panel := &panels[from*taps]
		wide := width-from >= tileCols
		if n < tileRows {
			for r := range n {
				at := r*width + from
				var add *float32
				if res != nil {
					add = &res[at]
				}
				if wide {
					rows1x16(taps, &a[r*taps], panel, &out[at], &bias[from], &slope[from], add)
				} else {
					rows1x8(taps, &a[r*taps], panel, &out[at], &bias[from], &slope[from], add)
				}
			}
			continue
		}
		for r := 0; r < n; r += tileRows {
			r := min(r, n-tileRows) // the last tile computes some rows again
			at := r*width + from
			var add *float32
			if res != nil {
				add = &res[at]
			}
			if wide {
				rows6x16(taps, &a[r*taps], taps*4, panel, &out[at], width*4, &bias[from], &slope[from], add)
			} else {
				rows6x8(taps, &a[r*taps], taps*4, panel, &out[at], width*4, &bias[from], &slope[from], add)
			}
		}
	}
}

func (avx2) taps(out []float32, width, n int, in []float32, step int, taps []tap, w, bias, slope []float32) {
	if !checkTaps(out, width, n, in, step, taps, w, bias, slope) {
		plain{}.taps(out, width, n, in, step, taps, w, bias, slope)
		return
	}
	taps8(&out[0], width, n, &in[0], step*4, &taps[0], len(taps), &w[0], &bias[0], &slope[0])
}

//go:noescape
func rows4x8(k int, a *float32, lda int, b *float32, ldb int, c *float32, ldc int, bias, slope, res *float32)

//go:noescape
func rowsS1x8(k int, a, b *float32, ldb int, c, bias, slope, res *float32)

//go:noescape
func taps4(out *float32, width, n int, in *float32, step int, taps *tap, count int, w, bias, slope *float32)

func (sse2) rows(a []float32, taps, n int, panels, out []float32, width int, bias, slope, res []float32) {
	checkRows(a, taps, n, panels, out, width, bias, slope, res)
	const rows = 4
	for from := 0; from < width; from += lane {
		// Two runs go through one panel of 16, each through its half.
		panel, cols := from/tileCols*tileCols, min(tileCols, width-from/tileCols*tileCols)
		b := &panels[panel*taps+from-panel]
		at := func(r int) (*float32, *float32) {
			if res == nil {
				return &out[r*width+from], nil
			}
			return &out[r*width+from], &res[r*width+from]
		}
		if n < rows {
			for r := range n {
				c, add := at(r)
				rowsS1x8(taps, &a[r*taps], b, cols*4, c, &bias[from], &slope[from], add)
			}
			continue
		}
		for r := 0; r < n; r += rows {
			r := min(r, n-rows)
			c, add := at(r)
			rows4x8(taps, &a[r*taps], taps*4, b, cols*4, c, width*4, &bias[from], &slope[from], add)
		}
	}
}

func (sse2) taps(out []float32, width, n int, in []float32, step int, taps []tap, w, bias, slope []float32) {
	if !checkTaps(out, width, n, in, step, taps, w, bias, slope) {
		plain{}.taps(out, width, n, in, step, taps, w, bias, slope)
		return
	}
	taps4(&out[0], width, n, &in[0], step*4, &taps[0], len(taps), &w[0], &bias[0], &slope[0])
}
