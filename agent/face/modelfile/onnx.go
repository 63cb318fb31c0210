package modelfile

import (
	"encoding/binary"
	"math"
	"slices"

	"github.com/tapcheck/tapcheck/agent/face/nn"
)

// ONNX reads an ONNX model (IR version 3 and later, default operator set): one input of one picture, channels first, float32. Its weights
// must lie in the file. Outputs are named by the model.
func ONNX(data []byte) (*nn.Graph, error) {
	if len(data) > MaxBytes {
		return nil, ErrTooLarge
	}
	r := &onnx{consts: map[string]tensor{}, values: map[string]int{}, flat: map[int]bool{}}
	if err := r.read(data); err != nil {
		return nil, err
	}
	return r.g, nil
}

// wire is one field of a protocol buffer: a number, or bytes.
type wire struct {
	field int
	num   uint64
	data  []byte
	bytes bool
}

// maxFields bounds the fields of one message.
const maxFields = 1 << 16

// message calls do for each field. It ends at the first that is broken, and at do's first error.
func message(data []byte, do func(wire) error) error {
	for n := 0; len(data) > 0; n++ {
		key, k := binary.Uvarint(data)
		if k <= 0 || n >= maxFields || key>>3 > 1<<20 {
			return broken("a field of protobuf")
		}
		data = data[k:]
		w := wire{field: int(key >> 3)}
		size := 0
		switch key & 7 {
		case 0:
			if w.num, size = binary.Uvarint(data); size <= 0 {
				return broken("a number of protobuf")
			}
		case 1:
			size = 8
		case 5:
			if size = 4; len(data) >= 4 {
				w.num = uint64(binary.LittleEndian.Uint32(data))
			}
		case 2:
			length, k := binary.Uvarint(data)
			if k <= 0 || length > uint64(len(data)-k) {
				return broken("a length of protobuf")
			}
			w.data, w.bytes, size = data[k:k+int(length)], true, k+int(length)
		default:
			return broken("a type of protobuf")
		}
		if size > len(data) {
			return broken("it ends within a field of protobuf")
		}
		data = data[size:]
		if err := do(w); err != nil {
			return err
		}
	}
	return nil
}

// numbers reads a repeated integer, packed or not.
func (w wire) numbers(to []int, most int) ([]int, error) {
	if !w.bytes {
		to = append(to, int(int64(w.num)))
	}
	for data := w.data; len(data) > 0; {
		v, k := binary.Uvarint(data)
		if k <= 0 || len(to) > most {
			return nil, broken("a list of numbers")
		}
		to, data = append(to, int(int64(v))), data[k:]
	}
	if len(to) > most {
		return nil, broken("a list of numbers")
	}
	return to, nil
}

type onnx struct {
	builder
	consts map[string]tensor
	values map[string]int
	flat   map[int]bool // values that stand for what they are in one row, channels first
}

type onnxNode struct {
	op      string
	in, out []string
	attrs   map[string]onnxAttr
}

type onnxAttr struct {
	f    float32
	i    int
	s    string
	ints []int
	t    *tensor
}

func (n *onnxNode) int(name string, otherwise int) int {
	if a, ok := n.attrs[name]; ok {
		return a.i
	}
	return otherwise
}

func (n *onnxNode) float(name string, otherwise float32) float32 {
	if a, ok := n.attrs[name]; ok {
		return a.f
	}
	return otherwise
}

func (r *onnx) read(data []byte) error {
	var graph []byte
	if err := message(data, func(w wire) error {
		if w.field == 7 && w.bytes {
			graph = w.data
		}
		return nil
	}); err != nil {
		return err
	}
	if graph == nil {
		return broken("no graph")
	}
	var nodes, inputs, outputs [][]byte
	weights := 0
	if err := message(graph, func(w wire) error {
		switch {
		case !w.bytes:
		case w.field == 1:
			nodes = append(nodes, w.data)
		case w.field == 5:
			t, name, err := onnxTensor(w.data)
			if err != nil {
				return err
			}
			if weights += len(t.floats) + len(t.ints); weights > nn.MaxWeights {
				return ErrTooLarge
			}
			r.consts[name] = t
		case w.field == 11:
			inputs = append(inputs, w.data)
		case w.field == 12:
			outputs = append(outputs, w.data)
		}
		return nil
	}); err != nil {
		return err
	}
	if err := r.input(inputs); err != nil {
		return err
	}
	for _, raw := range nodes {
		n, err := parseNode(raw)
		if err != nil {
			return err
		}
		if err := r.node(n); err != nil {
			return err
		}
	}
	if len(outputs) == 0 {
		return broken("no output")
	}
	for _, raw := range outputs {
		name, _, err := valueInfo(raw)
		if err != nil {
			return err
		}
		v, err := r.value(name)
		if err != nil {
			return err
		}
		if s := r.g.ShapeOf(v); r.flat[v] && s.H*s.W > 1 {
			return unsupported("an output that is %v in one row", s)
		}
		if err := r.g.Ask(name, v); err != nil {
			return err
		}
	}
	return nil
}

// input takes the one input that is no initializer.
func (r *onnx) input(infos [][]byte) error {
	for _, raw := range infos {
		name, dims, err := valueInfo(raw)
		if err != nil {
			return err
		}
		if _, ok := r.consts[name]; ok {
			continue
		}
		if r.g != nil || len(dims) != 4 || dims[0] > 1 {
			return unsupported("other inputs than one picture")
		}
		if r.g, err = nn.NewGraph(nn.Shape{H: dims[2], W: dims[3], C: dims[1]}); err != nil {
			return err
		}
		r.values[name] = 0
	}
	if r.g == nil {
		return broken("no input")
	}
	return nil
}

// valueInfo gives name and dimensions; one that is open is 0.
func valueInfo(raw []byte) (name string, dims []int, err error) {
	err = message(raw, func(w wire) error {
		switch w.field {
		case 1:
			name = string(w.data)
		case 2: // TypeProto, and in it tensor_type, shape, dim
			return message(w.data, func(w wire) error {
				if w.field != 1 {
					return unsupported("a value that is no tensor")
				}
				return message(w.data, func(w wire) error {
					if w.field == 1 && w.num != 1 {
						return unsupported("a value of type %d", w.num)
					}
					if w.field != 2 {
						return nil
					}
					return message(w.data, func(w wire) error {
						d := 0
						err := message(w.data, func(w wire) error {
							if w.field == 1 {
								d = int(int64(w.num))
							}
							return nil
						})
						if d < 0 || len(dims) >= 8 {
							return broken("a dimension")
						}
						dims = append(dims, d)
						return err
					})
				})
			})
		}
		return nil
	})
	return name, dims, err
}

func onnxTensor(raw []byte) (t tensor, name string, err error) {
	typ := 0
	var data, loose []byte
	var ints []int
	var single []float32
	err = message(raw, func(w wire) (err error) {
		switch w.field {
		case 1:
			t.dims, err = w.numbers(t.dims, 6)
		case 2:
			typ = int(w.num)
		case 4: // float_data, packed or not
			if w.bytes {
				loose = w.data
			} else {
				single = append(single, math.Float32frombits(uint32(w.num)))
			}
		case 5, 7:
			ints, err = w.numbers(ints, 64)
		case 8:
			name = string(w.data)
		case 9:
			data = w.data
		case 13, 14:
			if w.bytes || w.num != 0 {
				return unsupported("weights in another file")
			}
		}
		return err
	})
	if err != nil {
		return t, name, err
	}
	n, err := elements(t.dims)
	if err != nil {
		return t, name, err
	}
	if data == nil {
		data = loose
	}
	switch {
	case typ == 1 && single != nil:
		t.floats = single
	case typ == 1 && len(data)%4 == 0:
		t.floats = floats(data, false)
	case typ == 10 && len(data)%2 == 0 && loose == nil:
		t.floats = floats(data, true)
	case typ == 7 && data != nil && len(data) <= 8*64:
		for i := 0; i+8 <= len(data); i += 8 {
			t.ints = append(t.ints, int(int64(binary.LittleEndian.Uint64(data[i:]))))
		}
	case typ == 6 && data != nil && len(data) <= 4*64:
		for i := 0; i+4 <= len(data); i += 4 {
			t.ints = append(t.ints, int(int32(binary.LittleEndian.Uint32(data[i:]))))
		}
	case typ == 6, typ == 7:
		t.ints = ints
	default:
		return t, name, unsupported("a tensor of type %d", typ)
	}
	if len(t.floats)+len(t.ints) != n {
		return t, name, broken("%d numbers for %v", len(t.floats)+len(t.ints), t.dims)
	}
	return t, name, nil
}

func parseNode(raw []byte) (*onnxNode, error) {
	n := &onnxNode{attrs: map[string]onnxAttr{}}
	err := message(raw, func(w wire) error {
		switch w.field {
		case 1:
			n.in = append(n.in, string(w.data))
		case 2:
			n.out = append(n.out, string(w.data))
		case 4:
			n.op = string(w.data)
		case 5:
			return n.attr(w.data)
		case 7:
			if d := string(w.data); d != "" && d != "ai.onnx" {
				return unsupported("operators of %.40q", d)
			}
		}
		if len(n.in) > 64 || len(n.out) > 64 {
			return broken("a node of %d inputs and %d outputs", len(n.in), len(n.out))
		}
		return nil
	})
	return n, err
}

func (n *onnxNode) attr(raw []byte) error {
	var a onnxAttr
	name := ""
	err := message(raw, func(w wire) (err error) {
		switch w.field {
		case 1:
			name = string(w.data)
		case 2:
			a.f = math.Float32frombits(uint32(w.num))
		case 3:
			a.i = int(int64(w.num))
		case 4:
			a.s = string(w.data)
		case 5:
			t, _, err := onnxTensor(w.data)
			a.t = &t
			return err
		case 8:
			a.ints, err = w.numbers(a.ints, 64)
		}
		return err
	})
	n.attrs[name] = a
	return err
}

func (r *onnx) value(name string) (int, error) {
	if v, ok := r.values[name]; ok {
		return v, nil
	}
	return 0, broken("%.60q is read and nowhere made", name)
}

// constOf is a constant input of a node; ok is false where it is left out or computed.
func (r *onnx) constOf(n *onnxNode, i int) (tensor, bool) {
	if i >= len(n.in) || n.in[i] == "" {
		return tensor{}, false
	}
	c, ok := r.consts[n.in[i]]
	return c, ok
}

func (r *onnx) floatsOf(n *onnxNode, i int) (tensor, error) {
	c, ok := r.constOf(n, i)
	if !ok || c.floats == nil {
		return tensor{}, unsupported("%.40q whose input %d is no constant", n.op, i)
	}
	return c, nil
}

func (r *onnx) node(n *onnxNode) error {
	if len(n.out) == 0 {
		return broken("%.40q makes nothing", n.op)
	}
	if n.op == "Constant" {
		if t := n.attrs["value"].t; t != nil {
			r.consts[n.out[0]] = *t
			return nil
		}
		return unsupported("Constant without a tensor")
	}
	if len(n.in) == 0 {
		return broken("%.40q without input", n.op)
	}
	v, err := r.apply(n)
	if err != nil {
		return err
	}
	r.values[n.out[0]] = v
	return nil
}

func (r *onnx) apply(n *onnxNode) (int, error) {
	switch n.op {
	case "Add", "Sub", "Mul", "Div":
		return r.binary(n)
	}
	x, err := r.value(n.in[0])
	if err != nil {
		return 0, err
	}
	s := r.g.ShapeOf(x)
	// Where rows are read channels first, only what treats all numbers alike, or knows of it, may follow.
	row := r.flat[x] && s.H*s.W > 1
	keep := func(v int, err error) (int, error) {
		if row && err == nil {
			r.flat[v] = true
		}
		return v, err
	}
	switch n.op {
	case "Identity", "Dropout":
		return x, nil
	case "Relu":
		return keep(r.activate(x, nn.ActRelu, nil))
	case "Sigmoid":
		return keep(r.activate(x, nn.ActSigmoid, nil))
	case "Abs":
		return keep(r.activate(x, nn.ActAbs, nil))
	case "LeakyRelu":
		return keep(r.activate(x, nn.ActPRelu, filled(s.C, n.float("alpha", 0.01))))
	case "Clip":
		return keep(r.clip(n, x))
	case "Flatten":
		if axis := n.int("axis", 1); axis != 1 {
			return 0, unsupported("Flatten at axis %d", axis)
		}
		return r.asRow(x)
	case "Reshape":
		to, ok := r.constOf(n, 1)
		if !ok || len(to.ints) != 2 || !slices.Contains([]int{-1, 0, s.Size()}, to.ints[1]) || !slices.Contains([]int{-1, 0, 1}, to.ints[0]) || to.ints[1] == 0 && s.H*s.W > 1 || to.ints[0] == -1 && to.ints[1] == -1 {
			return 0, unsupported("Reshape to %v", to.ints)
		}
		return r.asRow(x)
	case "Squeeze":
		if s.H*s.W > 1 {
			return 0, unsupported("Squeeze of %v", s)
		}
		return r.asRow(x)
	case "Gemm":
		return r.gemm(n, x)
	case "MatMul":
		w, err := r.floatsOf(n, 1)
		if err != nil {
			return 0, err
		}
		return r.matrix(x, w, false, nil)
	}
	if row {
		return 0, unsupported("%.40q on %v in one row", n.op, s)
	}
	switch n.op {
	case "Conv":
		return r.conv(n, x)
	case "BatchNormalization":
		return r.norm(n, x)
	case "PRelu":
		c, err := r.floatsOf(n, 1)
		if err != nil {
			return 0, err
		}
		if !r.channels(x, c) {
			return 0, unsupported("PRelu with slopes of %v on %v", c.dims, s)
		}
		return r.activate(x, nn.ActPRelu, c.floats)
	case "GlobalAveragePool":
		return r.add(nn.Node{Op: nn.OpAvgPool, In: []int{x}, Window: nn.Window{KH: s.H, KW: s.W, SH: 1, SW: 1, DH: 1, DW: 1}})
	case "MaxPool", "AveragePool":
		k := n.attrs["kernel_shape"].ints
		if len(k) != 2 || n.int("ceil_mode", 0) != 0 || n.int("storage_order", 0) != 0 || len(n.out) > 1 {
			return 0, unsupported("%s of kernel %v", n.op, k)
		}
		w, err := r.window(n, k[0], k[1], s)
		if err != nil {
			return 0, err
		}
		op := nn.OpMaxPool
		if n.op == "AveragePool" {
			if op = nn.OpAvgPool; n.int("count_include_pad", 0) != 0 && w.PT+w.PB+w.PL+w.PR > 0 {
				return 0, unsupported("AveragePool that counts its padding")
			}
		}
		return r.add(nn.Node{Op: op, In: []int{x}, Window: w})
	case "Concat":
		if axis := n.int("axis", 0); axis != 1 && axis != -3 {
			return 0, unsupported("Concat at axis %d", axis)
		}
		cat := nn.Node{Op: nn.OpConcat}
		for _, name := range n.in {
			v, err := r.value(name)
			if err != nil {
				return 0, err
			}
			if r.flat[v] && s.H*s.W > 1 {
				return 0, unsupported("Concat of rows")
			}
			cat.In = append(cat.In, v)
		}
		return r.add(cat)
	case "LpNormalization":
		if s.H*s.W > 1 || n.int("p", 2) != 2 || n.int("axis", -1) != 1 && n.int("axis", -1) != -1 {
			return 0, unsupported("LpNormalization of %v", s)
		}
		return r.add(nn.Node{Op: nn.OpNormalise, In: []int{x}})
	}
	return 0, unsupported("ONNX operator %.40q", n.op)
}

func filled(n int, with float32) []float32 {
	list := make([]float32, n)
	for i := range list {
		list[i] = with
	}
	return list
}

// asRow is a value that stands for its numbers in one row, channels first. They are moved only where it matters, in matrix.
func (r *onnx) asRow(x int) (int, error) {
	s := r.g.ShapeOf(x)
	if s.H*s.W == 1 {
		return x, nil
	}
	v, err := r.add(nn.Node{Op: nn.OpCopy, In: []int{x}}) // x itself may be read as a picture too
	if err == nil {
		r.flat[v] = true
	}
	return v, err
}

// channels says whether a constant is one number, or one per channel of a value, in the shapes that ONNX broadcasts so.
func (r *onnx) channels(v int, c tensor) bool {
	if len(c.floats) == 1 {
		return true
	}
	s := r.g.ShapeOf(v)
	after := 0 // dimensions after the channels
	for i := len(c.dims) - 1; i >= 0 && c.dims[i] == 1; i-- {
		after++
	}
	if len(c.floats) != s.C || after == len(c.dims) || c.dims[len(c.dims)-1-after] != s.C {
		return false
	}
	// Without height and width, channels are the last dimension of a row, or those of a picture of one pixel.
	return after == 2 || after == 0 && s.H*s.W == 1
}

func (r *onnx) binary(n *onnxNode) (int, error) {
	if len(n.in) != 2 {
		return 0, broken("%s of %d", n.op, len(n.in))
	}
	op := map[string]nn.Op{"Add": nn.OpAdd, "Sub": nn.OpSub, "Mul": nn.OpMul}[n.op]
	a, aConst := r.constOf(n, 0)
	b, bConst := r.constOf(n, 1)
	if aConst || bConst {
		c, name := b, n.in[0]
		if aConst {
			c, name = a, n.in[1]
		}
		v, err := r.value(name)
		if err != nil {
			return 0, err
		}
		if s := r.g.ShapeOf(v); aConst && bConst || c.floats == nil || !r.channels(v, c) || r.flat[v] && s.H*s.W > 1 || len(c.floats) == 0 {
			return 0, unsupported("%s with a constant of %v on %v", n.op, c.dims, s)
		}
		by := c.floats
		if n.op == "Div" {
			if aConst {
				return 0, unsupported("Div of a constant")
			}
			op, by = nn.OpMul, slices.Clone(by)
			for i := range by {
				by[i] = 1 / by[i]
			}
		}
		return r.scaled(op, v, by, aConst)
	}
	if op == 0 {
		return 0, unsupported("Div of two values")
	}
	v, err := r.value(n.in[0])
	if err != nil {
		return 0, err
	}
	w, err := r.value(n.in[1])
	if err != nil {
		return 0, err
	}
	if r.flat[v] != r.flat[w] {
		return 0, unsupported("%s of a row and a picture", n.op)
	}
	out, err := r.add(nn.Node{Op: op, In: []int{v, w}})
	if err == nil && r.flat[v] {
		r.flat[out] = true
	}
	return out, err
}

func (r *onnx) clip(n *onnxNode, x int) (int, error) {
	lo, hi := n.float("min", float32(math.Inf(-1))), n.float("max", float32(math.Inf(1)))
	for i, to := range []*float32{&lo, &hi} {
		if i+1 < len(n.in) && n.in[i+1] != "" {
			c, err := r.floatsOf(n, i+1)
			if err != nil || len(c.floats) != 1 {
				return 0, unsupported("Clip at what is computed")
			}
			*to = c.floats[0]
		}
	}
	switch {
	case lo == 0 && hi == 6:
		return r.activate(x, nn.ActRelu6, nil)
	case lo == 0 && (math.IsInf(float64(hi), 1) || hi == math.MaxFloat32):
		return r.activate(x, nn.ActRelu, nil)
	}
	return 0, unsupported("Clip to %g…%g", lo, hi)
}

func (r *onnx) window(n *onnxNode, kh, kw int, in nn.Shape) (nn.Window, error) {
	w := nn.Window{KH: kh, KW: kw, SH: 1, SW: 1, DH: 1, DW: 1}
	if s := n.attrs["strides"].ints; len(s) == 2 {
		w.SH, w.SW = s[0], s[1]
	}
	if d := n.attrs["dilations"].ints; len(d) == 2 {
		w.DH, w.DW = d[0], d[1]
	}
	switch auto := n.attrs["auto_pad"].s; auto {
	case "SAME_UPPER":
		return w.Same(in), nil
	case "", "NOTSET":
		if p := n.attrs["pads"].ints; len(p) == 4 {
			w.PT, w.PL, w.PB, w.PR = p[0], p[1], p[2], p[3]
		} else if len(p) != 0 {
			return w, unsupported("pads of %v", p)
		}
	case "VALID":
	default:
		return w, unsupported("padding %.20q", auto)
	}
	return w, nil
}

// conv reads weights [out][in/groups][h][w].
func (r *onnx) conv(n *onnxNode, x int) (int, error) {
	w, err := r.floatsOf(n, 1)
	if err != nil {
		return 0, err
	}
	s, groups := r.g.ShapeOf(x), n.int("group", 1)
	if len(w.dims) != 4 || len(w.floats) == 0 {
		return 0, unsupported("Conv with weights of %v", w.dims)
	}
	out, in, kh, kw := w.dims[0], w.dims[1], w.dims[2], w.dims[3]
	depthwise := groups == s.C && groups == out && in == 1 && groups > 1
	if !depthwise && (groups != 1 || in != s.C) {
		return 0, unsupported("Conv of %d groups with weights of %v on %v", groups, w.dims, s)
	}
	window, err := r.window(n, kh, kw, s)
	if err != nil {
		return 0, err
	}
	// In both cases [out][rest] becomes [rest][out], where rest is [in][h][w] and is to be [h][w][in].
	t := transposed(w.floats, out, len(w.floats)/out)
	node := nn.Node{Op: nn.OpConv, In: []int{x}, Window: window, Weights: t, Bias: zeros(out)}
	if depthwise {
		node.Op = nn.OpDepthwise
	} else if kh*kw > 1 {
		node.Weights = make([]float32, len(t))
		for c := range in {
			for k := range kh * kw {
				copy(node.Weights[(k*in+c)*out:], t[(c*kh*kw+k)*out:][:out])
			}
		}
	}
	if b, ok := r.constOf(n, 2); ok {
		if len(b.floats) != out {
			return 0, broken("a bias of %v", b.dims)
		}
		node.Bias = b.floats
	} else if len(n.in) > 2 && n.in[2] != "" {
		return 0, unsupported("a bias that is computed")
	}
	return r.add(node)
}

func (r *onnx) norm(n *onnxNode, x int) (int, error) {
	channels := r.g.ShapeOf(x).C
	var p [4][]float32 // scale, shift, mean, variance
	for i := range p {
		c, err := r.floatsOf(n, i+1)
		if err != nil {
			return 0, err
		}
		if p[i] = c.floats; len(p[i]) != channels {
			return 0, broken("BatchNormalization of %v", c.dims)
		}
	}
	node := nn.Node{Op: nn.OpScale, In: []int{x}, Weights: make([]float32, channels), Bias: make([]float32, channels)}
	eps := float64(n.float("epsilon", 1e-5))
	for c := range channels {
		k := float64(p[0][c]) / math.Sqrt(float64(p[3][c])+eps)
		node.Weights[c], node.Bias[c] = float32(k), float32(float64(p[1][c])-float64(p[2][c])*k)
	}
	return r.add(node)
}

func (r *onnx) gemm(n *onnxNode, x int) (int, error) {
	if n.int("transA", 0) != 0 || n.float("alpha", 1) != 1 || n.float("beta", 1) != 1 {
		return 0, unsupported("Gemm with factors")
	}
	w, err := r.floatsOf(n, 1)
	if err != nil {
		return 0, err
	}
	var bias []float32
	if len(n.in) > 2 && n.in[2] != "" {
		b, err := r.floatsOf(n, 2)
		if err != nil {
			return 0, err
		}
		bias = b.floats
	}
	return r.matrix(x, w, n.int("transB", 0) != 0, bias)
}

// matrix multiplies a row with a matrix [in][out], or, turned, [out][in]. The row counts channels first; ours counts them last.
func (r *onnx) matrix(x int, w tensor, turned bool, bias []float32) (int, error) {
	s := r.g.ShapeOf(x)
	if len(w.dims) != 2 || s.H*s.W > 1 && !r.flat[x] {
		return 0, unsupported("a matrix of %v on %v", w.dims, s)
	}
	in, out, m := w.dims[0], w.dims[1], w.floats
	if turned {
		in, out, m = out, in, transposed(m, w.dims[0], w.dims[1])
	}
	if in != s.Size() || out < 1 {
		return 0, broken("a matrix of %v on %v", w.dims, s)
	}
	if bias == nil {
		bias = zeros(out)
	}
	if len(bias) == 1 && out > 1 {
		bias = filled(out, bias[0])
	}
	if len(bias) != out {
		return 0, broken("a bias of %d beside a matrix of %v", len(bias), w.dims)
	}
	if s.H*s.W > 1 {
		ordered := make([]float32, len(m))
		for c := range s.C {
			for p := range s.H * s.W {
				copy(ordered[(p*s.C+c)*out:], m[(c*s.H*s.W+p)*out:][:out])
			}
		}
		m = ordered
	}
	return r.dense(x, m, bias)
}
