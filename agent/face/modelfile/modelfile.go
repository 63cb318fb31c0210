// Package modelfile reads networks from model files into graphs: TensorFlow Lite, TensorFlow.js graph models, ONNX, and
// the packed form in which our own program carries them.
//
// A model file is foreign bytes, also one that a hospital's administrator has put there. Every reader is bounded in
// bytes, nodes, depth and memory, gives an error for what it does not know, and never guesses: an operation, padding or type that is
// not written here is ErrUnsupported. Only networks over one picture, with float32 or float16 weights, are read.
package modelfile

import (
	"errors"
	"fmt"
	"math"

	"github.com/tapcheck/tapcheck/agent/face/nn"
)

// MaxBytes bounds a model file. The largest recogniser for which anybody has asked, SFace, has 39 MB.
const MaxBytes = 64 << 20

// Why a model cannot be read. Errors of a graph that does not fit together are those of package nn.
var (
	ErrTooLarge    = errors.New("model file is larger than allowed")
	ErrBroken      = errors.New("model file is broken")
	ErrUnsupported = errors.New("model uses what is not supported")
)

func broken(format string, args ...any) error {
	return fmt.Errorf("%w: %s", ErrBroken, fmt.Sprintf(format, args...))
}

func unsupported(format string, args ...any) error {
	return fmt.Errorf("%w: %s", ErrUnsupported, fmt.Sprintf(format, args...))
}

// tensor is a constant of a model.
type tensor struct {
	dims   []int
	floats []float32 // of float tensors
	ints   []int     // of integer tensors
}

// elements multiplies dims; what is over the bound of a network's weights is an error.
func elements(dims []int) (int, error) {
	n := 1
	if len(dims) > 6 {
		return 0, unsupported("%d dimensions", len(dims))
	}
	for _, d := range dims {
		if d < 0 || d > nn.MaxWeights || n*d > nn.MaxWeights {
			return 0, fmt.Errorf("%w: a tensor of %v", ErrTooLarge, dims)
		}
		n *= d
	}
	return n, nil
}

// half is a 16-bit float (IEEE 754 binary16).
func half(h uint16) float32 {
	sign, exp, frac := uint32(h>>15)<<31, int32(h>>10&31), uint32(h&0x3ff)
	switch {
	case exp == 31:
		return math.Float32frombits(sign | 0xff<<23 | frac<<13)
	case exp == 0 && frac == 0:
		return math.Float32frombits(sign)
	case exp == 0:
		v := float32(frac) / (1 << 24)
		if sign != 0 {
			v = -v
		}
		return v
	}
	return math.Float32frombits(sign | uint32(exp-15+127)<<23 | frac<<13)
}

// toHalf gives the 16-bit float that is exactly v, if there is one.
func toHalf(v float32) (uint16, bool) {
	b := math.Float32bits(v)
	sign, exp, frac := uint16(b>>31)<<15, int(b>>23&0xff)-127+15, b&0x7fffff
	var h uint16
	switch {
	case b<<1 == 0:
		h = sign
	case exp >= 31:
		return 0, false
	case exp <= 0:
		frac |= 1 << 23
		shift := uint(14 - exp)
		if shift > 24 {
			return 0, false
		}
		h = sign | uint16(frac>>shift)
	default:
		h = sign | uint16(exp)<<10 | uint16(frac>>13)
	}
	return h, half(h) == v
}

// builder is what the readers share: which of a model's tensors are constants, and which are values of the graph.
type builder struct {
	g *nn.Graph
}

func (b *builder) add(n nn.Node) (int, error) { return b.g.Add(n) }

// constant is an operation of a value with a constant: one number, or one per channel.
func (b *builder) constant(op nn.Op, v int, c tensor, reversed bool) (int, error) {
	channels := b.g.ShapeOf(v).C
	if len(c.floats) != 1 && (len(c.floats) != channels || !perChannel(c.dims, channels)) {
		return 0, unsupported("a constant of %v beside %v", c.dims, b.g.ShapeOf(v))
	}
	return b.scaled(op, v, c.floats, reversed)
}

// perChannel says whether all of a constant's dimensions but the last are one.
func perChannel(dims []int, channels int) bool {
	return len(dims) > 0 && dims[len(dims)-1] == channels
}

func (b *builder) scaled(op nn.Op, v int, by []float32, reversed bool) (int, error) {
	channels := b.g.ShapeOf(v).C
	n := nn.Node{Op: nn.OpScale, In: []int{v}, Weights: make([]float32, channels), Bias: make([]float32, channels)}
	for i := range channels {
		c := by[0]
		if len(by) > 1 {
			c = by[i]
		}
		switch {
		case op == nn.OpAdd:
			n.Weights[i], n.Bias[i] = 1, c
		case op == nn.OpMul:
			n.Weights[i] = c
		case reversed:
			n.Weights[i], n.Bias[i] = -1, c
		default:
			n.Weights[i], n.Bias[i] = 1, -c
		}
	}
	return b.add(n)
}

func (b *builder) activate(v int, act nn.Act, slope []float32) (int, error) {
	if act == nn.ActNone {
		return v, nil
	}
	if channels := b.g.ShapeOf(v).C; act == nn.ActPRelu && len(slope) == 1 && channels > 1 {
		wide := make([]float32, channels)
		for i := range wide {
			wide[i] = slope[0]
		}
		slope = wide
	}
	return b.add(nn.Node{Op: nn.OpCopy, In: []int{v}, Act: act, Slope: slope})
}

// dense is a matrix [in][out] over all numbers of a value.
func (b *builder) dense(v int, weights, bias []float32) (int, error) {
	if s := b.g.ShapeOf(v); s.H*s.W != 1 {
		var err error
		if v, err = b.add(nn.Node{Op: nn.OpFlatten, In: []int{v}}); err != nil {
			return 0, err
		}
	}
	return b.add(nn.Node{Op: nn.OpConv, In: []int{v}, Window: nn.Window{KH: 1, KW: 1, SH: 1, SW: 1, DH: 1, DW: 1}, Weights: weights, Bias: bias})
}

// zeros is a bias where a model has none.
func zeros(n int) []float32 { return make([]float32, n) }

// reshaped is a value under another shape. What is kept is the order of its numbers, so it is either as it was, or flat.
func (b *builder) reshaped(v int, to []int) (int, error) {
	s := b.g.ShapeOf(v)
	n, open := 1, 0
	for _, d := range to {
		switch {
		case d == -1:
			open++
		case d < 1 || d > nn.MaxValue || n*d > nn.MaxValue:
			return 0, unsupported("a shape of %v", to)
		default:
			n *= d
		}
	}
	if open > 1 || open == 0 && n != s.Size() || open == 1 && s.Size()%n != 0 {
		return 0, broken("%v as %v", s, to)
	}
	if s.H*s.W == 1 {
		return v, nil
	}
	return b.add(nn.Node{Op: nn.OpFlatten, In: []int{v}})
}
