package nn

import "golang.org/x/sys/cpu"

// choose takes the vector kernels where the processor and the system have what they need.
func choose(noVector bool) kernels {
	if noVector || !Vector() {
		return plain{}
	}
	return avx2{}
}

// Vector says whether this machine runs the vector kernels: AVX2 and FMA, with registers that the system saves.
func Vector() bool { return cpu.X86.HasAVX2 && cpu.X86.HasFMA }

// avx2 is in assembly. What it reads and writes is checked here, because there it is not.
type avx2 struct{}

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
	if n < 1 || taps < 1 || width < lane || width%lane != 0 {
		panic("nn: no rows")
	}
	_, _, _, _, _ = a[n*taps-1], panels[taps*width-1], out[n*width-1], bias[width-1], slope[width-1]
	if res != nil {
		_ = res[n*width-1]
	}
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
	if len(taps) == 0 || step%lane != 0 || width%lane != 0 {
		plain{}.taps(out, width, n, in, step, taps, w, bias, slope) // the input's own stride
		return
	}
	_, _, _ = out[n*width-1], bias[width-1], slope[width-1]
	for _, t := range taps {
		_, _ = in[(n-1)*step+t.in+width-1], w[t.weight+width-1]
	}
	taps8(&out[0], width, n, &in[0], step*4, &taps[0], len(taps), &w[0], &bias[0], &slope[0])
}
