package modelfile

import (
	"encoding/binary"
	"math"

	"github.com/tapcheck/tapcheck/agent/face/nn"
)

// The packed form is a graph as it stands in memory, little endian: magic, input shape, nodes, outputs. Numbers are 32 bits;
// a list of floats says whether it is stored in 16 bits, which it is when that loses nothing. Two packings of one graph are the same bytes.
const packMagic = "TCNN\x01\x00\x00\x00"

// Pack writes a graph.
func Pack(g *nn.Graph) []byte {
	w := packer{out: []byte(packMagic)}
	w.ints(g.Input.H, g.Input.W, g.Input.C, len(g.Nodes))
	for _, n := range g.Nodes {
		w.ints(int(n.Op), int(n.Act), n.Res, n.Front, n.Out.C, len(n.In))
		w.ints(n.In...)
		v := n.Window
		w.ints(v.KH, v.KW, v.SH, v.SW, v.DH, v.DW, v.PT, v.PB, v.PL, v.PR)
		w.floats(n.Weights)
		w.floats(n.Bias)
		w.floats(n.Slope)
	}
	w.ints(len(g.Outputs))
	for _, o := range g.Outputs {
		w.ints(o.Value, len(o.Name))
		w.out = append(w.out, o.Name...)
	}
	return w.out
}

type packer struct{ out []byte }

func (w *packer) ints(list ...int) {
	for _, n := range list {
		w.out = binary.LittleEndian.AppendUint32(w.out, uint32(int32(n)))
	}
}

func (w *packer) floats(list []float32) {
	halves := make([]uint16, len(list))
	narrow := len(list) > 0
	for i, f := range list {
		var exact bool
		if halves[i], exact = toHalf(f); !exact {
			narrow = false
			break
		}
	}
	if narrow {
		w.ints(len(list), 2)
		for _, h := range halves {
			w.out = binary.LittleEndian.AppendUint16(w.out, h)
		}
		return
	}
	w.ints(len(list), 4)
	for _, f := range list {
		w.out = binary.LittleEndian.AppendUint32(w.out, math.Float32bits(f))
	}
}

// Unpack reads what Pack has written. It checks as the other readers do.
func Unpack(data []byte) (*nn.Graph, error) {
	if len(data) > MaxBytes {
		return nil, ErrTooLarge
	}
	r := unpacker{data: data}
	if string(r.take(len(packMagic))) != packMagic {
		return nil, broken("not packed")
	}
	g, err := nn.NewGraph(nn.Shape{H: r.int(), W: r.int(), C: r.int()})
	if err != nil {
		return nil, err
	}
	for range r.count(nn.MaxNodes) {
		n := nn.Node{Op: nn.Op(r.int()), Act: nn.Act(r.int()), Res: r.int(), Front: r.int(), Out: nn.Shape{C: r.int()}}
		for range r.count(64) {
			n.In = append(n.In, r.int())
		}
		for _, to := range []*int{&n.Window.KH, &n.Window.KW, &n.Window.SH, &n.Window.SW, &n.Window.DH, &n.Window.DW, &n.Window.PT, &n.Window.PB, &n.Window.PL, &n.Window.PR} {
			*to = r.int()
		}
		n.Weights, n.Bias, n.Slope = r.floats(), r.floats(), r.floats()
		if r.bad {
			return nil, broken("it ends in a node")
		}
		if _, err := g.Add(n); err != nil {
			return nil, err
		}
	}
	for range r.count(16) {
		v := r.int()
		name := string(r.take(r.count(256)))
		if r.bad {
			return nil, broken("it ends in an output")
		}
		if err := g.Ask(name, v); err != nil {
			return nil, err
		}
	}
	if r.bad || len(r.data) != 0 {
		return nil, broken("its length is wrong")
	}
	return g, nil
}

type unpacker struct {
	data []byte
	bad  bool
}

func (r *unpacker) take(n int) []byte {
	if n < 0 || n > len(r.data) {
		r.bad, r.data = true, nil
		return nil
	}
	out := r.data[:n]
	r.data = r.data[n:]
	return out
}

func (r *unpacker) int() int {
	b := r.take(4)
	if b == nil {
		return 0
	}
	return int(int32(binary.LittleEndian.Uint32(b)))
}

func (r *unpacker) count(most int) int {
	n := r.int()
	if n < 0 || n > most {
		r.bad = true
		return 0
	}
	return n
}

func (r *unpacker) floats() []float32 {
	n, width := r.count(nn.MaxWeights), r.int()
	if width != 2 && width != 4 {
		r.bad = true
	}
	raw := r.take(n * width)
	if r.bad || n == 0 {
		return nil
	}
	return floats(raw, width == 2)
}
