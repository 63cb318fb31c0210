package modelfile

import (
	"encoding/binary"
	"math"

	"github.com/tapcheck/tapcheck/agent/face/nn"
)

// TFLite reads a TensorFlow Lite model (schema version 3, file identifier TFL3): its first subgraph, which must have one input of one
// picture, channels last. Outputs are named by the model.
func TFLite(data []byte) (*nn.Graph, error) {
	if len(data) > MaxBytes {
		return nil, ErrTooLarge
	}
	if len(data) < 8 || string(data[4:8]) != "TFL3" {
		return nil, broken("not TensorFlow Lite")
	}
	r := &tflite{flat: flat{data: data}, values: map[int]int{}}
	if err := r.read(); err != nil {
		return nil, err
	}
	return r.g, nil
}

// flat reads a FlatBuffer. Every offset is checked; the first that lies outside sets bad, and from there on all is zero.
type flat struct {
	data []byte
	bad  bool
}

func (f *flat) at(pos, n int) []byte {
	if pos < 0 || n < 0 || pos > len(f.data)-n {
		f.bad = true
		return make([]byte, min(max(n, 0), 8))
	}
	return f.data[pos : pos+n]
}

func (f *flat) u16(pos int) int { return int(binary.LittleEndian.Uint16(f.at(pos, 2))) }
func (f *flat) u32(pos int) int { return int(binary.LittleEndian.Uint32(f.at(pos, 4))) }
func (f *flat) i32(pos int) int { return int(int32(binary.LittleEndian.Uint32(f.at(pos, 4)))) }

// field is where field i of a table lies, 0 where it is left out.
func (f *flat) field(table, i int) int {
	if table == 0 {
		return 0
	}
	vt := table - f.i32(table)
	if size := f.u16(vt); 4+2*i+2 > size {
		return 0
	}
	if o := f.u16(vt + 4 + 2*i); o != 0 && !f.bad {
		return table + o
	}
	return 0
}

// follow is where an offset leads; 0 stays 0.
func (f *flat) follow(pos int) int {
	if pos == 0 {
		return 0
	}
	return pos + f.u32(pos)
}

// vector gives start and count of a vector whose elements have size bytes.
func (f *flat) vector(pos, size, most int) (start, n int) {
	if pos == 0 {
		return 0, 0
	}
	v := f.follow(pos)
	n = f.u32(v)
	if n > most || n*size > len(f.data) {
		f.bad = true
		return 0, 0
	}
	f.at(v+4, n*size)
	if f.bad {
		return 0, 0
	}
	return v + 4, n
}

func (f *flat) ints(pos, most int) []int {
	start, n := f.vector(pos, 4, most)
	list := make([]int, n)
	for i := range list {
		list[i] = f.i32(start + 4*i)
	}
	return list
}

func (f *flat) byteAt(pos, otherwise int) int {
	if pos == 0 {
		return otherwise
	}
	return int(f.at(pos, 1)[0])
}

func (f *flat) intAt(pos, otherwise int) int {
	if pos == 0 {
		return otherwise
	}
	return f.i32(pos)
}

// tflite is the reading of one model. Numbers of fields are those of TensorFlow's schema.fbs.
type tflite struct {
	flat
	builder
	tensors []int       // tables
	buffers []int       // tables
	values  map[int]int // tensor to value
	made    map[int]tensor
	total   int // numbers in made
}

const maxTensors = 16384

func (r *tflite) tables(pos int) []int {
	start, n := r.vector(pos, 4, maxTensors)
	list := make([]int, n)
	for i := range list {
		list[i] = r.follow(start + 4*i)
	}
	return list
}

func (r *tflite) read() error {
	root := r.u32(0)
	codes := r.tables(r.field(root, 1))
	graphs := r.tables(r.field(root, 2))
	r.buffers = r.tables(r.field(root, 4))
	if r.bad || len(graphs) != 1 {
		return broken("no subgraph, or several")
	}
	sub := graphs[0]
	r.tensors = r.tables(r.field(sub, 0))
	inputs, outputs := r.ints(r.field(sub, 1), 16), r.ints(r.field(sub, 2), 16)
	ops := r.tables(r.field(sub, 3))
	if r.bad || len(inputs) != 1 || len(outputs) == 0 {
		return broken("not one input, or no output")
	}
	dims, typ, _, err := r.tensor(inputs[0])
	if err != nil {
		return err
	}
	if len(dims) != 4 || dims[0] != 1 || typ != 0 {
		return unsupported("an input of %v, type %d", dims, typ)
	}
	if r.g, err = nn.NewGraph(nn.Shape{H: dims[1], W: dims[2], C: dims[3]}); err != nil {
		return err
	}
	r.values[inputs[0]] = 0
	r.made = map[int]tensor{}
	for _, op := range ops {
		index := r.intAt(r.field(op, 0), 0)
		if r.bad || index < 0 || index >= len(codes) {
			return broken("an operation without code")
		}
		code := max(r.byteAt(r.field(codes[index], 0), 0), r.intAt(r.field(codes[index], 3), 0))
		if err := r.op(code, r.ints(r.field(op, 1), 64), r.ints(r.field(op, 2), 16), r.follow(r.field(op, 4))); err != nil {
			return err
		}
		if r.bad {
			return broken("an offset leads outside")
		}
	}
	for _, o := range outputs {
		v, ok := r.values[o]
		if !ok {
			return broken("output %d is nowhere made", o)
		}
		_, _, name, err := r.tensor(o)
		if err != nil {
			return err
		}
		if err := r.g.Ask(name, v); err != nil {
			return err
		}
	}
	return nil
}

// tensor gives shape, type and name of a tensor.
func (r *tflite) tensor(i int) (dims []int, typ int, name string, err error) {
	if i < 0 || i >= len(r.tensors) {
		return nil, 0, "", broken("tensor %d", i)
	}
	t := r.tensors[i]
	dims = r.ints(r.field(t, 0), 6)
	typ = r.byteAt(r.field(t, 1), 0)
	start, n := r.vector(r.field(t, 3), 1, 256)
	name = string(r.at(start, n))
	if r.bad {
		return nil, 0, "", broken("tensor %d", i)
	}
	return dims, typ, name, nil
}

// constOf is a constant tensor; ok is false where the tensor is computed.
func (r *tflite) constOf(i int) (c tensor, ok bool, err error) {
	if c, ok := r.made[i]; ok {
		return c, true, nil
	}
	dims, typ, _, err := r.tensor(i)
	if err != nil {
		return tensor{}, false, err
	}
	b := r.intAt(r.field(r.tensors[i], 2), 0)
	if b < 0 || b >= len(r.buffers) {
		return tensor{}, false, broken("buffer %d", b)
	}
	start, size := r.vector(r.field(r.buffers[b], 0), 1, MaxBytes)
	if r.bad {
		return tensor{}, false, broken("buffer %d", b)
	}
	if size == 0 {
		return tensor{}, false, nil
	}
	raw := r.at(start, size)
	n, err := elements(dims)
	if err != nil {
		return tensor{}, false, err
	}
	if r.total += n; r.total > nn.MaxWeights { // tensors may share a buffer
		return tensor{}, false, ErrTooLarge
	}
	c = tensor{dims: dims}
	width := map[int]int{0: 4, 1: 2, 2: 4}[typ]
	if width == 0 {
		return tensor{}, false, unsupported("a constant of type %d", typ)
	}
	if n*width != len(raw) {
		return tensor{}, false, broken("%d bytes for %v", len(raw), dims)
	}
	switch typ {
	case 0, 1:
		c.floats = floats(raw, typ == 1)
	case 2:
		if n > 64 {
			return tensor{}, false, unsupported("%d integers", n)
		}
		for j := range n {
			c.ints = append(c.ints, int(int32(binary.LittleEndian.Uint32(raw[4*j:]))))
		}
	}
	r.made[i] = c
	return c, true, nil
}

func floats(raw []byte, half16 bool) []float32 {
	if half16 {
		list := make([]float32, len(raw)/2)
		for j := range list {
			list[j] = half(binary.LittleEndian.Uint16(raw[2*j:]))
		}
		return list
	}
	list := make([]float32, len(raw)/4)
	for j := range list {
		list[j] = math.Float32frombits(binary.LittleEndian.Uint32(raw[4*j:]))
	}
	return list
}

func (r *tflite) value(i int) (int, error) {
	if v, ok := r.values[i]; ok {
		return v, nil
	}
	return 0, broken("tensor %d is read before it is made", i)
}

func (r *tflite) floatsOf(in []int, i int) (tensor, error) {
	if i >= len(in) {
		return tensor{}, broken("an input is missing")
	}
	c, ok, err := r.constOf(in[i])
	if err != nil {
		return tensor{}, err
	}
	if !ok || c.floats == nil {
		return tensor{}, unsupported("tensor %d is no constant", in[i])
	}
	return c, nil
}

// fused is the activation that stands within an operation.
func fused(code int) (nn.Act, error) {
	switch code {
	case 0:
		return nn.ActNone, nil
	case 1:
		return nn.ActRelu, nil
	case 3:
		return nn.ActRelu6, nil
	}
	return 0, unsupported("fused activation %d", code)
}

// window reads padding and strides, which stand first in the options of convolutions and pools.
func (r *tflite) window(options, kh, kw, dilation int, in nn.Shape) (nn.Window, error) {
	w := nn.Window{KH: kh, KW: kw, SW: r.intAt(r.field(options, 1), 0), SH: r.intAt(r.field(options, 2), 0), DH: 1, DW: 1}
	if dilation > 0 {
		w.DW, w.DH = r.intAt(r.field(options, dilation), 1), r.intAt(r.field(options, dilation+1), 1)
	}
	switch r.byteAt(r.field(options, 0), 0) {
	case 0:
		return w.Same(in), nil
	case 1:
		return w, nil
	}
	return w, unsupported("padding")
}

// Builtin operators by their number in schema.fbs.
const (
	tfAdd        = 0
	tfAvgPool    = 1
	tfConcat     = 2
	tfConv       = 3
	tfDepthwise  = 4
	tfDequantize = 6
	tfDense      = 9
	tfNormalise  = 11
	tfLogistic   = 14
	tfMaxPool    = 17
	tfMul        = 18
	tfRelu       = 19
	tfRelu6      = 21
	tfReshape    = 22
	tfPad        = 34
	tfMean       = 40
	tfSub        = 41
	tfSqueeze    = 43
	tfPRelu      = 54
	tfAbs        = 101
)

func (r *tflite) op(code int, in, out []int, options int) error {
	if len(in) == 0 || len(out) != 1 {
		return broken("operation %d with %d inputs and %d outputs", code, len(in), len(out))
	}
	if code == tfDequantize { // float16 weights
		c, ok, err := r.constOf(in[0])
		if err != nil || !ok {
			return unsupported("DEQUANTIZE of what is computed")
		}
		r.made[out[0]] = c
		return nil
	}
	v, act, err := r.apply(code, in, options)
	if err != nil {
		return err
	}
	if v, err = r.activate(v, act, nil); err != nil {
		return err
	}
	r.values[out[0]] = v
	return nil
}

func (r *tflite) apply(code int, in []int, options int) (int, nn.Act, error) {
	switch code {
	case tfAdd, tfSub, tfMul:
		v, err := r.binary(map[int]nn.Op{tfAdd: nn.OpAdd, tfSub: nn.OpSub, tfMul: nn.OpMul}[code], in)
		if err != nil {
			return 0, 0, err
		}
		act, err := fused(r.byteAt(r.field(options, 0), 0))
		return v, act, err
	}
	x, err := r.value(in[0])
	if err != nil {
		return 0, 0, err
	}
	shape := r.g.ShapeOf(x)
	simple := func(act nn.Act) (int, nn.Act, error) { return x, act, nil }
	switch code {
	case tfConv, tfDepthwise:
		return r.conv(code == tfDepthwise, x, in, options)
	case tfDense:
		w, err := r.floatsOf(in, 1)
		if err != nil {
			return 0, 0, err
		}
		if len(w.dims) != 2 || w.dims[1] != shape.Size() {
			return 0, 0, broken("FULLY_CONNECTED %v on %v", w.dims, shape)
		}
		bias := zeros(w.dims[0])
		if len(in) > 2 && in[2] >= 0 {
			b, err := r.floatsOf(in, 2)
			if err != nil {
				return 0, 0, err
			}
			bias = b.floats
		}
		v, err := r.dense(x, transposed(w.floats, w.dims[0], w.dims[1]), bias)
		if err != nil {
			return 0, 0, err
		}
		act, err := fused(r.byteAt(r.field(options, 0), 0))
		return v, act, err
	case tfAvgPool, tfMaxPool:
		w, err := r.window(options, r.intAt(r.field(options, 4), 0), r.intAt(r.field(options, 3), 0), 0, shape)
		if err != nil {
			return 0, 0, err
		}
		op := nn.OpMaxPool
		if code == tfAvgPool {
			op = nn.OpAvgPool
		}
		v, err := r.add(nn.Node{Op: op, In: []int{x}, Window: w})
		if err != nil {
			return 0, 0, err
		}
		act, err := fused(r.byteAt(r.field(options, 5), 0))
		return v, act, err
	case tfMean:
		axes, ok, err := r.constOf(second(in))
		if err != nil || !ok || len(axes.ints) != 2 || axes.ints[0]+axes.ints[1] != 3 || axes.ints[0]*axes.ints[1] != 2 {
			return 0, 0, unsupported("MEAN over other than height and width")
		}
		v, err := r.add(nn.Node{Op: nn.OpAvgPool, In: []int{x}, Window: nn.Window{KH: shape.H, KW: shape.W, SH: 1, SW: 1, DH: 1, DW: 1}})
		return v, nn.ActNone, err
	case tfConcat:
		dims, _, _, err := r.tensor(in[0])
		if err != nil {
			return 0, 0, err
		}
		if axis := r.intAt(r.field(options, 0), 0); len(dims) != 4 || axis != 3 && axis != -1 {
			return 0, 0, unsupported("CONCATENATION of other than channels")
		}
		n := nn.Node{Op: nn.OpConcat}
		for _, i := range in {
			v, err := r.value(i)
			if err != nil {
				return 0, 0, err
			}
			n.In = append(n.In, v)
		}
		v, err := r.add(n)
		if err != nil {
			return 0, 0, err
		}
		act, err := fused(r.byteAt(r.field(options, 1), 0))
		return v, act, err
	case tfPad:
		p, ok, err := r.constOf(second(in))
		if err != nil || !ok {
			return 0, 0, unsupported("PAD by what is computed")
		}
		v, err := r.pad(x, p.ints)
		return v, nn.ActNone, err
	case tfRelu:
		return simple(nn.ActRelu)
	case tfRelu6:
		return simple(nn.ActRelu6)
	case tfLogistic:
		return simple(nn.ActSigmoid)
	case tfAbs:
		return simple(nn.ActAbs)
	case tfPRelu:
		s, err := r.floatsOf(in, 1)
		if err != nil {
			return 0, 0, err
		}
		v, err := r.activate(x, nn.ActPRelu, s.floats)
		return v, nn.ActNone, err
	case tfReshape, tfSqueeze:
		to, ok, err := r.constOf(second(in))
		if code == tfSqueeze || err != nil || !ok || len(to.ints) == 0 {
			to.ints = []int{-1}
		}
		v, err := r.reshaped(x, to.ints)
		return v, nn.ActNone, err
	case tfNormalise:
		if shape.H*shape.W != 1 {
			return 0, 0, unsupported("L2_NORMALIZATION of %v", shape)
		}
		v, err := r.add(nn.Node{Op: nn.OpNormalise, In: []int{x}})
		if err != nil {
			return 0, 0, err
		}
		act, err := fused(r.byteAt(r.field(options, 0), 0))
		return v, act, err
	}
	return 0, 0, unsupported("TensorFlow Lite operator %d", code)
}

func second(in []int) int {
	if len(in) < 2 {
		return -1
	}
	return in[1]
}

func (b *builder) pad(x int, p []int) (int, error) {
	if len(p) != 8 || p[0] != 0 || p[1] != 0 {
		return 0, unsupported("PAD by %v", p)
	}
	for _, n := range p {
		if n < 0 || n > nn.MaxChans {
			return 0, unsupported("PAD by %v", p)
		}
	}
	return b.add(nn.Node{Op: nn.OpPad, In: []int{x}, Window: nn.Window{PT: p[2], PB: p[3], PL: p[4], PR: p[5]}, Front: p[6], Out: nn.Shape{C: b.g.ShapeOf(x).C + p[6] + p[7]}})
}

func (r *tflite) binary(op nn.Op, in []int) (int, error) {
	if len(in) != 2 {
		return 0, broken("an operation of two with %d", len(in))
	}
	a, aConst, err := r.constOf(in[0])
	if err != nil {
		return 0, err
	}
	b, bConst, err := r.constOf(in[1])
	if err != nil {
		return 0, err
	}
	switch {
	case aConst && bConst, aConst && a.floats == nil, bConst && b.floats == nil:
		return 0, unsupported("an operation of constants")
	case aConst:
		v, err := r.value(in[1])
		if err != nil {
			return 0, err
		}
		return r.constant(op, v, a, true)
	case bConst:
		v, err := r.value(in[0])
		if err != nil {
			return 0, err
		}
		return r.constant(op, v, b, false)
	}
	v, err := r.value(in[0])
	if err != nil {
		return 0, err
	}
	w, err := r.value(in[1])
	if err != nil {
		return 0, err
	}
	return r.add(nn.Node{Op: op, In: []int{v, w}})
}

// conv reads weights [out][h][w][in], of depthwise ones [1][h][w][channels].
func (r *tflite) conv(depthwise bool, x int, in []int, options int) (int, nn.Act, error) {
	w, err := r.floatsOf(in, 1)
	if err != nil {
		return 0, 0, err
	}
	shape := r.g.ShapeOf(x)
	if len(w.dims) != 4 || len(w.floats) == 0 {
		return 0, 0, broken("weights of %v", w.dims)
	}
	dilation, activation, out := 4, 3, w.dims[0]
	if depthwise {
		dilation, activation, out = 5, 4, w.dims[3]
		if w.dims[0] != 1 || w.dims[3] != shape.C {
			return 0, 0, unsupported("a depthwise convolution %v on %v", w.dims, shape)
		}
	} else if w.dims[3] != shape.C {
		return 0, 0, unsupported("a convolution %v on %v", w.dims, shape)
	}
	window, err := r.window(options, w.dims[1], w.dims[2], dilation, shape)
	if err != nil {
		return 0, 0, err
	}
	act, err := fused(r.byteAt(r.field(options, activation), 0))
	if err != nil {
		return 0, 0, err
	}
	n := nn.Node{Op: nn.OpConv, In: []int{x}, Window: window, Bias: zeros(out)}
	if depthwise {
		n.Op, n.Weights = nn.OpDepthwise, w.floats
	} else {
		n.Weights = transposed(w.floats, out, len(w.floats)/out)
	}
	if len(in) > 2 && in[2] >= 0 {
		b, err := r.floatsOf(in, 2)
		if err != nil {
			return 0, 0, err
		}
		if len(b.floats) != out {
			return 0, 0, broken("a bias of %v", b.dims)
		}
		n.Bias = b.floats
	}
	v, err := r.add(n)
	return v, act, err
}

// transposed turns [rows][cols] into [cols][rows].
func transposed(m []float32, rows, cols int) []float32 {
	t := make([]float32, len(m))
	for i := range rows {
		for j := range cols {
			t[j*rows+i] = m[i*cols+j]
		}
	}
	return t
}
