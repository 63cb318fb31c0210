// Package nn runs small convolutional networks in plain Go, without cgo: what a face check needs, and no more.
//
// A network is a Graph of nodes over values. A value is one picture's worth of numbers, height × width × channels, float32, channels
// last. Build a Graph with its methods (package modelfile does so from model files), call Fuse, and Compile it into a Program.
// A Program is unchanging and may be used by many goroutines, each with an Arena of its own, in which nothing is allocated while
// it runs.
//
// Graphs come from model files, which are foreign bytes: every method checks shapes against the bounds below and gives ErrGraph
// or ErrTooLarge instead of a panic.
//
// On amd64, convolutions run in vector code: AVX2 and FMA where the processor has them, else SSE2, which every amd64 has. Everywhere else,
// and with Options.NoVector, they run in Go. All add in the same order within one output, but FMA rounds once where the others round
// twice: results agree within 1e-4, not bit by bit. The same way gives the same bits on Windows and on Linux.
package nn

import (
	"errors"
	"fmt"
)

// Bounds of a graph. MobileFaceNet, the largest that is shipped, has 0.4 thousand million multiplications and 1.3 million weights.
const (
	MaxNodes   = 4096
	MaxSide    = 1024        // height or width of a value
	MaxChans   = 32768       // channels of a value
	MaxValue   = 4 << 20     // numbers in one value
	MaxWeights = 32 << 20    // numbers in all weights together
	MaxWork    = 4_000 << 20 // multiplications of one run
)

// Why there is no network.
var (
	ErrGraph    = errors.New("network does not fit together")
	ErrTooLarge = errors.New("network is larger than allowed")
)

// Shape is the size of a value.
type Shape struct{ H, W, C int }

// Size is the count of numbers.
func (s Shape) Size() int { return s.H * s.W * s.C }

func (s Shape) String() string { return fmt.Sprintf("%dx%dx%d", s.H, s.W, s.C) }

func (s Shape) check() error {
	switch {
	case s.H < 1 || s.W < 1 || s.C < 1:
		return fmt.Errorf("%w: a value of %v", ErrGraph, s)
	case s.H > MaxSide || s.W > MaxSide || s.C > MaxChans || s.Size() > MaxValue:
		return fmt.Errorf("%w: a value of %v", ErrTooLarge, s)
	}
	return nil
}

// Op is what a node does. The numbers stand in packed files.
type Op uint8

// What a node can do.
const (
	OpConv      Op = 1  // weights [KH][KW][in][out]
	OpDepthwise Op = 2  // weights [KH][KW][C]
	OpAdd       Op = 3  // two values of the same shape, or the second 1x1xC
	OpSub       Op = 4  // likewise
	OpMul       Op = 5  // likewise
	OpScale     Op = 6  // x*Weights[c] + Bias[c]
	OpCopy      Op = 7  // nothing but the activation
	OpMaxPool   Op = 8  // what lies outside does not count
	OpAvgPool   Op = 9  // likewise
	OpPad       Op = 10 // zeros around, by PT, PL and Front
	OpConcat    Op = 11 // channels one after the other
	OpFlatten   Op = 12 // to 1x1xN
	OpNormalise Op = 13 // to length 1 over all numbers
)

// Act is what happens to each number after the node's operation.
type Act uint8

// Activations.
const (
	ActNone    Act = 0
	ActRelu    Act = 1
	ActRelu6   Act = 2
	ActPRelu   Act = 3 // x<0: x*Slope[c]
	ActSigmoid Act = 4
	ActAbs     Act = 5
)

// Window is how a convolution or a pool goes over its input: kernel, stride, dilation, and padding on each side.
type Window struct{ KH, KW, SH, SW, DH, DW, PT, PB, PL, PR int }

// Same is TensorFlow's padding SAME for an input of that shape: the output has ceil(in/stride), and an odd pad goes to the bottom and right.
func (w Window) Same(in Shape) Window {
	pad := func(n, k, s, d int) (int, int) {
		if s < 1 {
			return 0, 0
		}
		all := max(((n+s-1)/s-1)*s+(k-1)*d+1-n, 0)
		return all / 2, all - all/2
	}
	w.PT, w.PB = pad(in.H, w.KH, w.SH, w.DH)
	w.PL, w.PR = pad(in.W, w.KW, w.SW, w.DW)
	return w
}

func (w Window) check() error {
	for _, n := range []int{w.KH, w.KW, w.SH, w.SW, w.DH, w.DW} {
		if n < 1 || n > MaxSide {
			return fmt.Errorf("%w: a window of %+v", ErrGraph, w)
		}
	}
	for _, n := range []int{w.PT, w.PB, w.PL, w.PR} {
		if n < 0 || n > MaxSide {
			return fmt.Errorf("%w: a window of %+v", ErrGraph, w)
		}
	}
	return nil
}

// over gives height and width of what comes out.
func (w Window) over(in Shape) (h, wd int) {
	out := func(n, k, s, d, p int) int {
		if n += p - ((k-1)*d + 1); n < 0 {
			return 0
		}
		return n/s + 1
	}
	return out(in.H, w.KH, w.SH, w.DH, w.PT+w.PB), out(in.W, w.KW, w.SW, w.DW, w.PL+w.PR)
}

// Node computes one value: Act(Op(In…) + Res).
type Node struct {
	Op      Op
	In      []int
	Out     Shape
	Window  Window // of convolutions and pools; OpPad uses the padding alone
	Front   int    // OpPad: channels of zeros before the first
	Weights []float32
	Bias    []float32
	Act     Act
	Slope   []float32
	Res     int // a computed value of shape Out that is added before the activation; 0 is none
}

// Graph is a network. Value 0 is the input, value i the result of Nodes[i-1].
type Graph struct {
	Input   Shape
	Nodes   []Node
	Outputs []Output

	weights, work int
}

// Output is a value that is asked for, under the model's own name for it.
type Output struct {
	Name  string
	Value int
}

// NewGraph begins a network with an input of that shape.
func NewGraph(in Shape) (*Graph, error) {
	if err := in.check(); err != nil {
		return nil, err
	}
	return &Graph{Input: in}, nil
}

// ShapeOf is the shape of a value.
func (g *Graph) ShapeOf(v int) Shape {
	if v == 0 {
		return g.Input
	}
	return g.Nodes[v-1].Out
}

// Add checks a node and appends it. It gives the value that the node makes. n.Out is computed here, except OpPad's, which says it.
func (g *Graph) Add(n Node) (int, error) {
	if len(g.Nodes) >= MaxNodes {
		return 0, fmt.Errorf("%w: more than %d nodes", ErrTooLarge, MaxNodes)
	}
	for _, v := range n.In {
		if v < 0 || v > len(g.Nodes) {
			return 0, fmt.Errorf("%w: a node reads value %d before it is there", ErrGraph, v)
		}
	}
	if err := g.shape(&n); err != nil {
		return 0, err
	}
	if err := n.Out.check(); err != nil {
		return 0, err
	}
	if n.Act > ActAbs || (n.Act == ActPRelu) != (len(n.Slope) > 0) || n.Act == ActPRelu && len(n.Slope) != n.Out.C {
		return 0, fmt.Errorf("%w: activation %d with %d slopes on %v", ErrGraph, n.Act, len(n.Slope), n.Out)
	}
	if n.Res != 0 && (n.Res < 0 || n.Res > len(g.Nodes) || g.ShapeOf(n.Res) != n.Out) {
		return 0, fmt.Errorf("%w: added value %d is not of shape %v", ErrGraph, n.Res, n.Out)
	}
	g.weights += len(n.Weights) + len(n.Bias) + len(n.Slope)
	g.work += n.work()
	if g.weights > MaxWeights || g.work > MaxWork {
		return 0, fmt.Errorf("%w: %d weights, %d multiplications", ErrTooLarge, g.weights, g.work)
	}
	g.Nodes = append(g.Nodes, n)
	return len(g.Nodes), nil
}

// inputs says how many values a node reads; -1 is one or more.
func (o Op) inputs() int {
	switch o {
	case OpAdd, OpSub, OpMul:
		return 2
	case OpConcat:
		return -1
	}
	return 1
}

// shape checks a node against its inputs and sets what comes out of it.
func (g *Graph) shape(n *Node) error {
	if want := n.Op.inputs(); want >= 0 && len(n.In) != want || len(n.In) == 0 || len(n.In) > 64 {
		return fmt.Errorf("%w: operation %d with %d inputs", ErrGraph, n.Op, len(n.In))
	}
	in := g.ShapeOf(n.In[0])
	bad := func(why string) error { return fmt.Errorf("%w: operation %d on %v: %s", ErrGraph, n.Op, in, why) }
	switch n.Op {
	case OpConv, OpDepthwise, OpMaxPool, OpAvgPool:
		if err := n.Window.check(); err != nil {
			return err
		}
		n.Out.H, n.Out.W = n.Window.over(in)
	case OpPad: // checked below
	default:
		n.Window = Window{}
	}
	switch n.Op {
	case OpConv:
		taps := n.Window.KH * n.Window.KW * in.C
		n.Out.C = len(n.Bias)
		if taps > MaxValue || len(n.Weights) != taps*len(n.Bias) {
			return bad(fmt.Sprintf("%d weights for %d outputs", len(n.Weights), len(n.Bias)))
		}
	case OpDepthwise:
		n.Out.C = in.C
		if n.Window.KH*n.Window.KW > maxTaps || len(n.Weights) != n.Window.KH*n.Window.KW*in.C || len(n.Bias) != in.C {
			return bad(fmt.Sprintf("%d weights", len(n.Weights)))
		}
	case OpMaxPool, OpAvgPool:
		n.Out.C = in.C
		w := n.Window
		if w.PT >= w.KH*w.DH || w.PB >= w.KH*w.DH || w.PL >= w.KW*w.DW || w.PR >= w.KW*w.DW {
			return bad("a window that lies outside")
		}
	case OpAdd, OpSub, OpMul:
		n.Out = in
		if b := g.ShapeOf(n.In[1]); b != in && b != (Shape{1, 1, in.C}) {
			return bad(fmt.Sprintf("the other is %v", b))
		}
	case OpScale:
		n.Out = in
		if len(n.Weights) != in.C || len(n.Bias) != in.C {
			return bad("not one factor per channel")
		}
	case OpCopy, OpNormalise:
		n.Out = in
	case OpPad:
		w := n.Window
		for _, p := range []int{w.PT, w.PB, w.PL, w.PR, n.Front, n.Out.C - in.C - n.Front} {
			if p < 0 || p > MaxChans {
				return bad("padding")
			}
		}
		n.Out.H, n.Out.W = in.H+w.PT+w.PB, in.W+w.PL+w.PR
		n.Window = Window{PT: w.PT, PB: w.PB, PL: w.PL, PR: w.PR}
	case OpConcat:
		n.Out = Shape{in.H, in.W, 0}
		for _, v := range n.In {
			s := g.ShapeOf(v)
			if s.H != in.H || s.W != in.W {
				return bad(fmt.Sprintf("beside %v", s))
			}
			n.Out.C += s.C
		}
	case OpFlatten:
		n.Out = Shape{1, 1, in.Size()}
	default:
		return bad("is not known")
	}
	return nil
}

// work counts the multiplications.
func (n *Node) work() int {
	switch n.Op {
	case OpConv:
		return n.Out.H * n.Out.W * len(n.Weights)
	case OpDepthwise, OpMaxPool, OpAvgPool:
		return n.Out.Size() * n.Window.KH * n.Window.KW
	}
	return n.Out.Size()
}

// Weights is the count of numbers in all weights, Work of the multiplications of one run.
func (g *Graph) Weights() int { return g.weights }

// Work is the count of multiplications of one run.
func (g *Graph) Work() int { return g.work }

// Ask makes a value an output.
func (g *Graph) Ask(name string, v int) error {
	if v < 0 || v > len(g.Nodes) || len(g.Outputs) >= 16 {
		return fmt.Errorf("%w: output %d", ErrGraph, v)
	}
	g.Outputs = append(g.Outputs, Output{name, v})
	return nil
}
