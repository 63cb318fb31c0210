package nn

import (
	"context"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"testing"
)

// naive computes a node as its definition says, in float64, without a thought for speed. Values are without gaps.
func naive(g *Graph, n Node, value func(int) []float64) []float64 {
	in := g.ShapeOf(n.In[0])
	x := value(n.In[0])
	at := func(y, xx, c int) (float64, bool) {
		if y < 0 || xx < 0 || y >= in.H || xx >= in.W {
			return 0, false
		}
		return x[(y*in.W+xx)*in.C+c], true
	}
	out := make([]float64, 0, n.Out.Size())
	w := n.Window
	total := 0.0
	for _, v := range x {
		total += v * v
	}
	for y := range n.Out.H {
		for xx := range n.Out.W {
			for c := range n.Out.C {
				sum, most, count := 0.0, math.Inf(-1), 0
				for ky := range w.KH {
					for kx := range w.KW {
						for i := range in.C {
							v, inside := at(y*w.SH-w.PT+ky*w.DH, xx*w.SW-w.PL+kx*w.DW, i)
							switch {
							case n.Op == OpConv:
								sum += v * float64(n.Weights[((ky*w.KW+kx)*in.C+i)*n.Out.C+c])
							case i != c || !inside:
							case n.Op == OpDepthwise:
								sum += v * float64(n.Weights[(ky*w.KW+kx)*in.C+c])
							default:
								sum, most, count = sum+v, max(most, v), count+1
							}
						}
					}
				}
				second := func() float64 {
					if b := value(n.In[1]); len(b) == len(x) {
						return b[(y*in.W+xx)*in.C+c]
					}
					return value(n.In[1])[c]
				}
				flat := (y*n.Out.W+xx)*n.Out.C + c
				var v float64
				switch n.Op {
				case OpConv, OpDepthwise:
					v = sum + float64(n.Bias[c])
				case OpAdd:
					v = x[flat] + second()
				case OpSub:
					v = x[flat] - second()
				case OpMul:
					v = x[flat] * second()
				case OpScale:
					v = x[flat]*float64(n.Weights[c]) + float64(n.Bias[c])
				case OpCopy, OpFlatten:
					v = x[flat]
				case OpMaxPool:
					v = most
				case OpAvgPool:
					v = sum / float64(count)
				case OpPad:
					if i := c - n.Front; i >= 0 && i < in.C {
						v, _ = at(y-w.PT, xx-w.PL, i)
					}
				case OpConcat:
					i := c
					for _, from := range n.In {
						s := g.ShapeOf(from)
						if i < s.C {
							v = value(from)[(y*s.W+xx)*s.C+i]
							break
						}
						i -= s.C
					}
				case OpNormalise:
					v = x[flat] / math.Sqrt(total)
				}
				if n.Res > 0 {
					v += value(n.Res)[flat]
				}
				switch {
				case n.Act == ActRelu, n.Act == ActRelu6:
					v = max(v, 0)
					if n.Act == ActRelu6 {
						v = min(v, 6)
					}
				case n.Act == ActPRelu && v < 0:
					v *= float64(n.Slope[c])
				case n.Act == ActSigmoid:
					v = 1 / (1 + math.Exp(-v))
				case n.Act == ActAbs:
					v = math.Abs(v)
				}
				out = append(out, v)
			}
		}
	}
	return out
}

// reference computes all outputs of a graph by naive.
func reference(g *Graph, input []float32) [][]float64 {
	values := make([][]float64, len(g.Nodes)+1)
	for _, v := range input {
		values[0] = append(values[0], float64(v))
	}
	for i, n := range g.Nodes {
		values[i+1] = naive(g, n, func(v int) []float64 { return values[v] })
	}
	var out [][]float64
	for _, o := range g.Outputs {
		out = append(out, values[o.Value])
	}
	return out
}

// ways are the ways in which this machine can compute.
func ways() map[string]Options {
	w := map[string]Options{"plain": {NoVector: true}, "as chosen": {}}
	for _, k := range all() {
		w[fmt.Sprintf("%T", k)] = Options{use: k}
	}
	return w
}

// agree runs a graph in each way and holds the outputs to those of the reference, or of the way before.
func agree(t *testing.T, g *Graph, input []float32, want [][]float64) {
	t.Helper()
	for name, o := range ways() {
		p, err := Compile(g, o)
		if err != nil {
			t.Fatal(err)
		}
		a := NewArena(p)
		for i := range a.mem {
			a.mem[i] = 1e6 // what an earlier run has left
		}
		for run := range 2 {
			copy(p.Input(a), input)
			if err := p.Run(context.Background(), a); err != nil {
				t.Fatal(err)
			}
			_, shapes := p.Outputs()
			for i, s := range shapes {
				got := make([]float32, s.Size())
				p.Output(a, i, got)
				for k, v := range got {
					if d := math.Abs(float64(v) - want[i][k]); !(d <= 1e-4*max(1, math.Abs(want[i][k]))) {
						t.Fatalf("%s, run %d, output %d[%d] of %v: %g, want %g", name, run, i, k, s, v, want[i][k])
					}
				}
			}
		}
	}
}

func random(r *rand.Rand, n int) []float32 {
	list := make([]float32, n)
	for i := range list {
		list[i] = float32(r.NormFloat64() / 2)
	}
	return list
}

func build(t *testing.T, in Shape, nodes ...Node) *Graph {
	t.Helper()
	g, err := NewGraph(in)
	if err != nil {
		t.Fatal(err)
	}
	last := 0
	for _, n := range nodes {
		if last, err = g.Add(n); err != nil {
			t.Fatal(err)
		}
	}
	if err := g.Ask("out", last); err != nil {
		t.Fatal(err)
	}
	return g
}

func one(k, s int) Window { return Window{KH: k, KW: k, SH: s, SW: s, DH: 1, DW: 1} }

// TestOperations computes every operation over shapes at which the kernels' edges lie: channels around 8 and 16 and 32, rows around 6, windows
// that hang over.
func TestOperations(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	windows := []Window{one(1, 1), one(3, 1), one(1, 2), one(5, 2), {KH: 2, KW: 3, SH: 1, SW: 2, DH: 1, DW: 1}, {KH: 3, KW: 3, SH: 1, SW: 1, DH: 2, DW: 2}}
	for _, s := range []Shape{{1, 1, 3}, {1, 5, 8}, {2, 3, 7}, {7, 7, 16}, {9, 6, 24}, {6, 8, 33}, {5, 4, 41}, {12, 10, 3}} {
		for _, w := range windows {
			for kind, w := range map[string]Window{"same": w.Same(s), "valid": w, "uneven": {KH: w.KH, KW: w.KW, SH: w.SH, SW: w.SW, DH: w.DH, DW: w.DW, PT: (w.KH - 1) / 2, PR: w.KW - 1}} {
				if h, wd := w.over(s); h < 1 || wd < 1 {
					continue
				}
				for _, out := range []int{1, 8, 15, 16, 40} {
					act := Act(r.IntN(int(ActAbs) + 1))
					n := Node{Op: OpConv, In: []int{0}, Window: w, Weights: random(r, w.KH*w.KW*s.C*out), Bias: random(r, out), Act: act}
					if act == ActPRelu {
						n.Slope = random(r, out)
					}
					t.Run(fmt.Sprintf("conv %v %s %v %d act %d", s, kind, w, out, act), func(t *testing.T) {
						in := random(r, s.Size())
						g := build(t, s, n)
						agree(t, g, in, reference(g, in))
					})
				}
				for _, op := range []Op{OpDepthwise, OpMaxPool, OpAvgPool} {
					n := Node{Op: op, In: []int{0}, Window: w}
					if op == OpDepthwise {
						n.Weights, n.Bias, n.Act, n.Slope = random(r, w.KH*w.KW*s.C), random(r, s.C), ActPRelu, random(r, s.C)
					}
					t.Run(fmt.Sprintf("op %d %v %s %v", op, s, kind, w), func(t *testing.T) {
						in := random(r, s.Size())
						g := build(t, s, n)
						agree(t, g, in, reference(g, in))
					})
				}
			}
		}
		t.Run(fmt.Sprintf("the rest %v", s), func(t *testing.T) {
			in := random(r, s.Size())
			scale := Node{Op: OpScale, In: []int{0}, Weights: random(r, s.C), Bias: random(r, s.C)}
			whole := Window{KH: s.H, KW: s.W, SH: 1, SW: 1, DH: 1, DW: 1}
			for _, g := range []*Graph{
				build(t, s, scale),
				build(t, s, scale, Node{Op: OpAdd, In: []int{1, 0}, Act: ActRelu6}),
				build(t, s, scale, Node{Op: OpSub, In: []int{0, 1}, Act: ActPRelu, Slope: random(r, s.C)}),
				build(t, s, Node{Op: OpAvgPool, In: []int{0}, Window: whole, Act: ActSigmoid}, Node{Op: OpMul, In: []int{0, 1}}),
				build(t, s, scale, Node{Op: OpDepthwise, In: []int{0}, Window: one(1, 1), Weights: random(r, s.C), Bias: random(r, s.C), Res: 1, Act: ActPRelu, Slope: random(r, s.C)}),
				build(t, s, scale, Node{Op: OpConv, In: []int{0}, Window: one(1, 1), Weights: random(r, s.C*s.C), Bias: random(r, s.C), Res: 1, Act: ActRelu}),
				build(t, s, Node{Op: OpPad, In: []int{0}, Window: Window{PT: 1, PB: 2, PL: 3, PR: 0}, Front: 2, Out: Shape{C: s.C + 5}}),
				build(t, s, scale, Node{Op: OpConcat, In: []int{0, 1, 0}}),
				build(t, s, scale, Node{Op: OpFlatten, In: []int{1}}, Node{Op: OpNormalise, In: []int{2}}),
				build(t, s, Node{Op: OpCopy, In: []int{0}, Act: ActAbs}),
			} {
				agree(t, g, in, reference(g, in))
			}
		})
	}
}

// TestSame are paddings as TensorFlow gives them: input, kernel, stride, dilation, then before and after.
func TestSame(t *testing.T) {
	for _, c := range [][6]int{{256, 5, 2, 1, 1, 2}, {192, 3, 2, 1, 0, 1}, {112, 3, 2, 1, 0, 1}, {7, 3, 1, 1, 1, 1}, {7, 3, 2, 1, 1, 1}, {8, 2, 2, 1, 0, 0}, {9, 3, 1, 2, 2, 2}, {5, 1, 3, 1, 0, 0}} {
		w := Window{KH: c[1], KW: c[1], SH: c[2], SW: c[2], DH: c[3], DW: c[3]}.Same(Shape{c[0], c[0], 1})
		if w.PT != c[4] || w.PB != c[5] || w.PL != c[4] || w.PR != c[5] {
			t.Errorf("%v: %+v", c, w)
		}
		if h, _ := w.over(Shape{c[0], c[0], 1}); h != (c[0]+c[2]-1)/c[2] {
			t.Errorf("%v gives %d", c, h)
		}
	}
}

// TestFuse holds a fused graph to the same graph unfused, and counts what is left.
func TestFuse(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 4))
	s := Shape{6, 5, 12}
	conv := func(in int) Node {
		return Node{Op: OpConv, In: []int{in}, Window: one(3, 1).Same(s), Weights: random(r, 9*s.C*s.C), Bias: random(r, s.C)}
	}
	factor := func(in int) Node {
		return Node{Op: OpScale, In: []int{in}, Weights: random(r, s.C), Bias: random(r, s.C)}
	}
	half, alpha := make([]float32, s.C), random(r, s.C)
	for i := range half {
		half[i] = 0.5
	}
	// PReLU as TensorFlow Lite has it, after value v: seven nodes.
	prelu := func(v int) []Node {
		return []Node{
			{Op: OpCopy, In: []int{v}, Act: ActRelu}, {Op: OpCopy, In: []int{v}, Act: ActAbs}, {Op: OpSub, In: []int{v, v + 2}},
			{Op: OpScale, In: []int{v + 3}, Weights: alpha, Bias: make([]float32, s.C)}, {Op: OpScale, In: []int{v + 4}, Weights: half, Bias: make([]float32, s.C)},
			{Op: OpAdd, In: []int{v + 1, v + 5}},
		}
	}
	for name, c := range map[string]struct {
		nodes []Node
		left  int
	}{
		"PReLU in six nodes":      {append([]Node{conv(0)}, prelu(1)...), 1},
		"of the input":            {prelu(0), 1},
		"norm and activation":     {[]Node{conv(0), {Op: OpScale, In: []int{1}, Weights: random(r, s.C), Bias: random(r, s.C)}, {Op: OpCopy, In: []int{2}, Act: ActRelu}}, 1},
		"factors in a row":        {[]Node{conv(0), factor(1), factor(2), factor(3), {Op: OpCopy, In: []int{4}, Act: ActRelu}}, 1},
		"block with a short cut":  {[]Node{conv(0), conv(1), {Op: OpAdd, In: []int{1, 2}}, {Op: OpCopy, In: []int{3}, Act: ActPRelu, Slope: alpha}}, 2},
		"read twice, so kept":     {[]Node{conv(0), {Op: OpCopy, In: []int{1}, Act: ActRelu}, {Op: OpAdd, In: []int{1, 2}}}, 3},
		"short cut of the input":  {[]Node{conv(0), {Op: OpAdd, In: []int{0, 1}}}, 2},
		"nobody reads the first":  {[]Node{conv(0), conv(0)}, 1},
		"nothing but a name":      {[]Node{conv(0), {Op: OpCopy, In: []int{1}}, {Op: OpCopy, In: []int{2}}, conv(3)}, 2},
		"factor after activation": {[]Node{conv(0), {Op: OpCopy, In: []int{1}, Act: ActRelu}, {Op: OpScale, In: []int{2}, Weights: alpha, Bias: random(r, s.C)}}, 2},
	} {
		t.Run(name, func(t *testing.T) {
			in := random(r, s.Size())
			want := reference(build(t, s, c.nodes...), in)
			g := build(t, s, c.nodes...)
			g.Fuse()
			if len(g.Nodes) != c.left {
				t.Errorf("%d nodes are left, want %d", len(g.Nodes), c.left)
			}
			agree(t, g, in, want)
		})
	}
}

// TestRefused are nodes that do not fit.
func TestRefused(t *testing.T) {
	s := Shape{4, 4, 8}
	w := func(n int) []float32 { return make([]float32, n) }
	for name, c := range map[string]struct {
		node Node
		want error
	}{
		"reads what is not there":      {Node{Op: OpCopy, In: []int{1}}, ErrGraph},
		"reads before the first":       {Node{Op: OpCopy, In: []int{-1}}, ErrGraph},
		"no input":                     {Node{Op: OpCopy}, ErrGraph},
		"no such operation":            {Node{Op: 99, In: []int{0}}, ErrGraph},
		"no such activation":           {Node{Op: OpCopy, In: []int{0}, Act: 77}, ErrGraph},
		"too few slopes":               {Node{Op: OpCopy, In: []int{0}, Act: ActPRelu, Slope: w(7)}, ErrGraph},
		"too few weights":              {Node{Op: OpConv, In: []int{0}, Window: one(3, 1), Weights: w(9*8*4 - 1), Bias: w(4)}, ErrGraph},
		"no output channel":            {Node{Op: OpConv, In: []int{0}, Window: one(1, 1)}, ErrGraph},
		"window larger than the input": {Node{Op: OpDepthwise, In: []int{0}, Window: one(5, 1), Weights: w(25 * 8), Bias: w(8)}, ErrGraph},
		"window of nothing":            {Node{Op: OpMaxPool, In: []int{0}, Window: one(0, 1)}, ErrGraph},
		"no step":                      {Node{Op: OpMaxPool, In: []int{0}, Window: one(2, 0)}, ErrGraph},
		"padding below nothing":        {Node{Op: OpMaxPool, In: []int{0}, Window: Window{KH: 2, KW: 2, SH: 1, SW: 1, DH: 1, DW: 1, PT: -1}}, ErrGraph},
		"pool of padding alone":        {Node{Op: OpAvgPool, In: []int{0}, Window: Window{KH: 2, KW: 2, SH: 1, SW: 1, DH: 1, DW: 1, PT: 2}}, ErrGraph},
		"depthwise of too many taps":   {Node{Op: OpDepthwise, In: []int{0}, Window: Window{KH: 12, KW: 12, SH: 1, SW: 1, DH: 1, DW: 1, PT: 6, PB: 6, PL: 6, PR: 6}, Weights: w(144 * 8), Bias: w(8)}, ErrGraph},
		"padding that takes away":      {Node{Op: OpPad, In: []int{0}, Out: Shape{C: 7}}, ErrGraph},
		"padding beyond all bounds":    {Node{Op: OpPad, In: []int{0}, Window: Window{PT: 1 << 40}, Out: Shape{C: 8}}, ErrGraph},
		"value too large":              {Node{Op: OpPad, In: []int{0}, Window: Window{PT: 900, PL: 900}, Out: Shape{C: 8}}, ErrTooLarge},
		"adds the input":               {Node{Op: OpCopy, In: []int{0}, Res: -1}, ErrGraph},
		"adds what is not there":       {Node{Op: OpCopy, In: []int{0}, Res: 3}, ErrGraph},
		"factors for other channels":   {Node{Op: OpScale, In: []int{0}, Weights: w(4), Bias: w(8)}, ErrGraph},
	} {
		g, err := NewGraph(s)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := g.Add(c.node); !errors.Is(err, c.want) {
			t.Errorf("%s: %v, want %v", name, err, c.want)
		}
	}
	for _, s := range []Shape{{}, {0, 4, 4}, {-1, 4, 4}, {MaxSide + 1, 1, 1}, {1024, 1024, 64}} {
		if _, err := NewGraph(s); err == nil {
			t.Errorf("an input of %v", s)
		}
	}
	g, _ := NewGraph(s)
	for i := 0; ; i++ {
		if _, err := g.Add(Node{Op: OpCopy, In: []int{i}, Act: ActRelu}); err != nil {
			if !errors.Is(err, ErrTooLarge) || i != MaxNodes {
				t.Errorf("node %d: %v", i, err)
			}
			break
		}
	}
	g, _ = NewGraph(s)
	if _, err := Compile(g, Options{}); !errors.Is(err, ErrGraph) {
		t.Errorf("no output: %v", err)
	}
}

// TestRunIsQuiet: nothing is allocated while a program runs, and a context that has ended ends it.
func TestRunIsQuiet(t *testing.T) {
	r := rand.New(rand.NewPCG(5, 6))
	s := Shape{8, 8, 16}
	g := build(t, s,
		Node{Op: OpConv, In: []int{0}, Window: one(3, 2).Same(s), Weights: random(r, 9*16*24), Bias: random(r, 24), Act: ActPRelu, Slope: random(r, 24)},
		Node{Op: OpDepthwise, In: []int{1}, Window: one(3, 1), Weights: random(r, 9*24), Bias: random(r, 24), Act: ActRelu})
	for name, o := range ways() {
		p, err := Compile(g, o)
		if err != nil {
			t.Fatal(err)
		}
		a := NewArena(p)
		out := make([]float32, 2*2*24)
		if n := testing.AllocsPerRun(10, func() {
			if err := p.Run(context.Background(), a); err != nil {
				t.Fatal(err)
			}
			p.Output(a, 0, out)
		}); n != 0 {
			t.Errorf("%s: %v allocations", name, n)
		}
		ctx, cancel := context.WithCancel(context.Background())
		cancel()
		if err := p.Run(ctx, a); !errors.Is(err, context.Canceled) {
			t.Errorf("%s: %v", name, err)
		}
	}
}
