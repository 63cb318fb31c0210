package nn

import (
	"context"
	"fmt"
	"math"
)

// Options of a Program.
type Options struct {
	NoVector bool // plain Go even where there is vector code

	use kernels // of tests
}

// Program is a Graph made ready to run: weights packed for the kernels, a place in the arena for each value.
type Program struct {
	input   Shape
	steps   []step
	values  []value // of the graph
	outputs []Output
	size    int // numbers in an arena
	gather  int // offset of the rows that a convolution gathers
	kernels kernels
}

// lane is how many numbers the kernels take at once. In an arena every value but the input has its channels rounded up to it.
// What stands in the channels too many is finite and meets weights of zero.
const lane = 8

func rounded(c int) int { return (c + lane - 1) / lane * lane }

// value is where a value lies in the arena: numbers at stride per pixel.
type value struct {
	Shape
	stride, offset int
}

func (v value) span() int { return v.H * v.W * v.stride }

// step is a node with packed weights.
type step struct {
	node    Node
	in      []value
	out     value
	res     value
	hasRes  bool
	weights []float32
	bias    []float32
	slope   []float32
	taps    int  // of a convolution, per output: window times stride of the input
	direct  bool // its rows lie in the input as they are

	post      Act // what the kernel does not do
	postSlope []float32
}

// Compile makes a program. The graph is not needed afterwards, and may share weights with it.
func Compile(g *Graph, o Options) (*Program, error) {
	p := &Program{input: g.Input, outputs: g.Outputs, kernels: o.use}
	if p.kernels == nil {
		p.kernels = choose(o.NoVector)
	}
	if len(g.Outputs) == 0 {
		return nil, fmt.Errorf("%w: no output", ErrGraph)
	}
	p.values = make([]value, len(g.Nodes)+1)
	for v := range p.values {
		s := g.ShapeOf(v)
		p.values[v] = value{Shape: s, stride: rounded(s.C)}
	}
	p.values[0].stride = g.Input.C
	p.place(g)
	if err := p.fits(g); err != nil {
		return nil, err
	}
	for i, n := range g.Nodes {
		s := step{node: n, out: p.values[i+1]}
		for _, v := range n.In {
			s.in = append(s.in, p.values[v])
		}
		if n.Res > 0 {
			s.res, s.hasRes = p.values[n.Res], true
		}
		p.pack(&s)
		p.steps = append(p.steps, s)
	}
	return p, nil
}

// fits finds out what the arena and the packed weights will need, before any of it is made: rounding up can make much of little.
func (p *Program) fits(g *Graph) error {
	packed := 0
	for i, n := range g.Nodes {
		in, out := p.values[n.In[0]], p.values[i+1]
		switch w := n.Window; n.Op {
		case OpConv:
			taps := w.KH * w.KW * in.stride
			packed += taps * out.stride
			if !direct(w) {
				p.size = max(p.size, p.gather+(min(rowsAtOnce(taps), out.H*out.W)*taps+15)/16*16)
			}
		case OpDepthwise:
			packed += w.KH * w.KW * out.stride
		}
		packed += 3 * out.stride
	}
	if p.size > 4*MaxValue || packed > 2*MaxWeights {
		return fmt.Errorf("%w: %d numbers at the same time, %d weights when packed", ErrTooLarge, p.size, packed)
	}
	return nil
}

// direct says whether the rows of a convolution lie in its input as they are.
func direct(w Window) bool { return w == Window{KH: 1, KW: 1, SH: 1, SW: 1, DH: w.DH, DW: w.DW} }

// place gives each value an offset, so that values that live at the same time do not overlap. Outputs live to the end.
func (p *Program) place(g *Graph) {
	last := make([]int, len(p.values))
	for i, n := range g.Nodes {
		for _, v := range n.In {
			last[v] = i
		}
		if n.Res > 0 {
			last[n.Res] = i
		}
	}
	for _, o := range g.Outputs {
		last[o.Value] = len(g.Nodes)
	}
	var live []int // by offset
	put := func(v int) {
		need, at, k := p.values[v].span(), 0, 0
		need = (need + 15) / 16 * 16
		for ; k < len(live); k++ {
			l := p.values[live[k]]
			if l.offset-at >= need {
				break
			}
			at = l.offset + (l.span()+15)/16*16
		}
		p.values[v].offset = at
		live = append(live[:k], append([]int{v}, live[k:]...)...)
		p.size = max(p.size, at+need)
	}
	put(0)
	for i := range g.Nodes {
		put(i + 1)
		kept := live[:0]
		for _, v := range live {
			if last[v] > i {
				kept = append(kept, v)
			}
		}
		live = kept
	}
	p.gather = p.size
}

// rowsAtOnce is how many output pixels a convolution does in one go: their inputs are to stay in the second-level cache.
func rowsAtOnce(taps int) int { return max(tileRows, 24576/taps/tileRows*tileRows) }

// pack lays weights out as the kernels read them.
func (p *Program) pack(s *step) {
	n := &s.node
	s.post = n.Act
	width := s.out.stride
	switch n.Op {
	case OpConv:
		in := s.in[0]
		w := n.Window
		s.taps = w.KH * w.KW * in.stride
		s.direct = direct(w)
		s.weights = packPanels(n.Weights, w.KH*w.KW, in.C, in.stride, n.Out.C)
	case OpDepthwise:
		in := s.in[0]
		s.weights = make([]float32, n.Window.KH*n.Window.KW*width)
		for t := range n.Window.KH * n.Window.KW {
			copy(s.weights[t*width:], n.Weights[t*in.C:(t+1)*in.C])
		}
	case OpScale:
		s.weights = widened(n.Weights, width, 0)
	}
	if len(n.Bias) > 0 {
		s.bias = widened(n.Bias, width, 0)
	}
	// The kernels of convolutions always do a PReLU: with slopes of one it is none, with zeros a ReLU.
	inKernel := n.Op == OpConv || n.Op == OpDepthwise && !s.hasRes
	switch {
	case inKernel && n.Act == ActPRelu:
		s.slope, s.post = widened(n.Slope, width, 0), ActNone
	case inKernel && n.Act == ActRelu:
		s.slope, s.post = widened(nil, width, 0), ActNone
	default:
		s.slope = widened(nil, width, 1)
	}
	if s.post == ActPRelu {
		s.postSlope = widened(n.Slope, width, 0)
	}
	s.node.Weights, s.node.Bias = nil, nil
}

func widened(from []float32, n int, with float32) []float32 {
	to := make([]float32, n)
	copy(to, from)
	for i := len(from); i < n; i++ {
		to[i] = with
	}
	return to
}

// packPanels turns weights [taps][in][out] into panels of 16 outputs (the last of 8 where that is enough), each [taps][stride][16].
func packPanels(w []float32, taps, in, stride, out int) []float32 {
	width := rounded(out)
	packed := make([]float32, taps*stride*width)
	at := packed
	for from := 0; from < width; from += tileCols {
		cols := min(tileCols, width-from)
		n := min(cols, out-from)
		for t := range taps {
			for c := range in {
				row := w[(t*in+c)*out+from:]
				copy(at[(t*stride+c)*cols:], row[:n])
			}
		}
		at = at[taps*stride*cols:]
	}
	return packed
}

// Arena is what a run needs of memory.
type Arena struct {
	mem  []float32
	taps [maxTaps]tap
}

// NewArena makes an arena that fits all the programs. They may use it one after the other.
func NewArena(programs ...*Program) *Arena {
	n := 0
	for _, p := range programs {
		n = max(n, p.size)
	}
	return &Arena{mem: make([]float32, n)}
}

// Wipe forgets what was computed.
func (a *Arena) Wipe() { clear(a.mem) }

// Size is the memory in bytes.
func (a *Arena) Size() int { return 4 * len(a.mem) }

// Input is where the caller puts the input, height × width × channels, before each Run.
func (p *Program) Input(a *Arena) []float32 { return a.of(p.values[0]) }

// InputShape is the size of the input.
func (p *Program) InputShape() Shape { return p.input }

// Outputs are the names and shapes of what comes out, in the order in which Output counts.
func (p *Program) Outputs() (names []string, shapes []Shape) {
	for _, o := range p.outputs {
		names, shapes = append(names, o.Name), append(shapes, p.values[o.Value].Shape)
	}
	return names, shapes
}

// Output copies an output after a Run, without gaps. to has the size of its shape.
func (p *Program) Output(a *Arena, i int, to []float32) {
	v := p.values[p.outputs[i].Value]
	from := a.of(v)
	for px := range v.H * v.W {
		copy(to[px*v.C:(px+1)*v.C], from[px*v.stride:])
	}
}

func (a *Arena) of(v value) []float32 { return a.mem[v.offset : v.offset+v.span()] }

// Run computes. The error is that of the context, which is looked at between two nodes.
func (p *Program) Run(ctx context.Context, a *Arena) error {
	for i := range p.steps {
		if i%8 == 0 && ctx.Err() != nil {
			return ctx.Err()
		}
		p.step(&p.steps[i], a)
	}
	return nil
}

func (p *Program) step(s *step, a *Arena) {
	in, out := a.of(s.in[0]), a.of(s.out)
	var res []float32
	if s.hasRes {
		res = a.of(s.res)
	}
	if s.out.stride != s.out.C && s.node.Op != OpConv && s.node.Op != OpDepthwise {
		clear(out) // what the operation leaves out
	}
	switch s.node.Op {
	case OpConv:
		p.conv(s, in, out, res, a.mem[p.gather:])
		res = nil // the kernel has added it
	case OpDepthwise:
		p.depthwise(s, in, out, &a.taps)
	case OpAdd, OpSub, OpMul:
		binary(s, in, a.of(s.in[1]), out)
	case OpScale:
		width := s.out.stride
		for px := 0; px < len(out); px += s.out.stride {
			x, y := pixel(in, s.in[0], px/width), out[px:px+width]
			for c := range x {
				y[c] = x[c]*s.weights[c] + s.bias[c]
			}
		}
	case OpCopy:
		for px := range s.out.H * s.out.W {
			copy(out[px*s.out.stride:], pixel(in, s.in[0], px))
		}
	case OpMaxPool, OpAvgPool:
		pool(s, in, out)
	case OpPad:
		clear(out)
		w, v := s.node.Window, s.in[0]
		for y := range v.H {
			for x := range v.W {
				copy(out[((y+w.PT)*s.out.W+x+w.PL)*s.out.stride+s.node.Front:], in[(y*v.W+x)*v.stride:][:v.C])
			}
		}
	case OpConcat:
		at := 0
		for _, v := range s.in {
			from := a.of(v)
			for px := range v.H * v.W {
				copy(out[px*s.out.stride+at:], from[px*v.stride:][:v.C])
			}
			at += v.C
		}
	case OpFlatten:
		v := s.in[0]
		for px := range v.H * v.W {
			copy(out[px*v.C:], in[px*v.stride:][:v.C])
		}
	case OpNormalise:
		v := s.in[0]
		sum := 0.0
		for px := range v.H * v.W {
			for _, x := range in[px*v.stride:][:v.C] {
				sum += float64(x) * float64(x)
			}
		}
		by := float32(1 / math.Sqrt(max(sum, 1e-12)))
		for px := range v.H * v.W {
			for c, x := range in[px*v.stride:][:v.C] {
				out[px*s.out.stride+c] = x * by
			}
		}
	}
	for i, r := range res {
		out[i] += r
	}
	activate(s, out)
}

// pixel is one pixel's channels, as many as both have.
func pixel(of []float32, v value, i int) []float32 { return of[i*v.stride : i*v.stride+v.stride] }

func binary(s *step, a, b, out []float32) {
	va, vb := s.in[0], s.in[1]
	for px := range s.out.H * s.out.W {
		x, z := pixel(a, va, px)[:va.C], out[px*s.out.stride:]
		y := b
		if vb.Shape == va.Shape {
			y = pixel(b, vb, px)
		}
		y, z = y[:len(x)], z[:len(x)]
		switch s.node.Op {
		case OpAdd:
			for i := range x {
				z[i] = x[i] + y[i]
			}
		case OpSub:
			for i := range x {
				z[i] = x[i] - y[i]
			}
		case OpMul:
			for i := range x {
				z[i] = x[i] * y[i]
			}
		}
	}
}

func activate(s *step, out []float32) {
	switch s.post {
	case ActRelu:
		for i, x := range out {
			out[i] = max(x, 0)
		}
	case ActRelu6:
		for i, x := range out {
			out[i] = min(max(x, 0), 6)
		}
	case ActPRelu:
		for px := 0; px < len(out); px += s.out.stride {
			row := out[px : px+s.out.stride]
			slope := s.postSlope[:len(row)]
			for i, x := range row {
				if x < 0 {
					row[i] = x * slope[i]
				}
			}
		}
	case ActSigmoid:
		for i, x := range out {
			out[i] = float32(1 / (1 + math.Exp(-float64(x))))
		}
	case ActAbs:
		for i, x := range out {
			out[i] = max(x, -x)
		}
	}
}

func pool(s *step, in, out []float32) {
	w, v := s.node.Window, s.in[0]
	for oy := range s.out.H {
		for ox := range s.out.W {
			to := out[(oy*s.out.W+ox)*s.out.stride:][:s.out.stride]
			n := 0
			for ky := range w.KH {
				y := oy*w.SH - w.PT + ky*w.DH
				if y < 0 || y >= v.H {
					continue
				}
				for kx := range w.KW {
					x := ox*w.SW - w.PL + kx*w.DW
					if x < 0 || x >= v.W {
						continue
					}
					from := in[(y*v.W+x)*v.stride:][:v.C]
					switch {
					case n == 0:
						copy(to, from)
					case s.node.Op == OpMaxPool:
						for c, f := range from {
							if f > to[c] {
								to[c] = f
							}
						}
					default:
						for c, f := range from {
							to[c] += f
						}
					}
					n++
				}
			}
			if n == 0 {
				clear(to)
			}
			if s.node.Op == OpAvgPool && n > 1 {
				by := 1 / float32(n)
				for c := range to {
					to[c] *= by
				}
			}
		}
	}
}

// conv multiplies rows of inputs, one per output pixel, with the weights.
func (p *Program) conv(s *step, in, out, res, gather []float32) {
	pixels := s.out.H * s.out.W
	at := rowsAtOnce(s.taps)
	for from := 0; from < pixels; from += at {
		n := min(at, pixels-from)
		rows := gather
		if s.direct {
			rows = in[from*s.taps:]
		} else {
			s.gather(in, gather, from, n)
		}
		width := s.out.stride
		r := res
		if res != nil {
			r = res[from*width:]
		}
		p.kernels.rows(rows[:n*s.taps], s.taps, n, s.weights, out[from*width:(from+n)*width], width, s.bias, s.slope, r)
	}
}

// gather lays out what output pixels from…from+n read, zero where that is outside.
func (s *step) gather(in, to []float32, from, n int) {
	w, v := s.node.Window, s.in[0]
	seg := w.KW * v.stride
	for i := range n {
		oy, ox := (from+i)/s.out.W, (from+i)%s.out.W
		row := to[i*s.taps : (i+1)*s.taps]
		x0 := ox*w.SW - w.PL
		for ky := range w.KH {
			part := row[ky*seg : (ky+1)*seg]
			y := oy*w.SH - w.PT + ky*w.DH
			if y < 0 || y >= v.H {
				clear(part)
				continue
			}
			if w.DW == 1 && x0 >= 0 && x0+w.KW <= v.W {
				copy(part, in[(y*v.W+x0)*v.stride:])
				continue
			}
			for kx := range w.KW {
				tap := part[kx*v.stride : (kx+1)*v.stride]
				if x := x0 + kx*w.DW; x < 0 || x >= v.W {
					clear(tap)
				} else {
					copy(tap, in[(y*v.W+x)*v.stride:])
				}
			}
		}
	}
}

// depthwise goes over rows of output pixels; those whose window lies wholly inside have the same taps and go in one run.
func (p *Program) depthwise(s *step, in, out []float32, taps *[maxTaps]tap) {
	w, v := s.node.Window, s.in[0]
	width := s.out.stride
	// Columns lo…hi-1 read nothing outside.
	lo := min((w.PL+w.SW-1)/w.SW, s.out.W)
	hi := lo
	if most := v.W - 1 - (w.KW-1)*w.DW + w.PL; most >= 0 {
		hi = max(lo, min(most/w.SW+1, s.out.W))
	}
	for oy := range s.out.H {
		for ox := 0; ox < s.out.W; {
			n := 1
			if ox == lo && hi > lo {
				n = hi - lo
			}
			k := 0
			for ky := range w.KH {
				y := oy*w.SH - w.PT + ky*w.DH
				if y < 0 || y >= v.H {
					continue
				}
				for kx := range w.KW {
					if x := ox*w.SW - w.PL + kx*w.DW; x >= 0 && x < v.W {
						taps[k] = tap{in: (y*v.W + x) * v.stride, weight: (ky*w.KW + kx) * width}
						k++
					}
				}
			}
			p.kernels.taps(out[(oy*s.out.W+ox)*width:], width, n, in, w.SW*v.stride, taps[:k], s.weights, s.bias, s.slope)
			ox += n
		}
	}
}
