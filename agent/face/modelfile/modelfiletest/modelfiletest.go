// Package modelfiletest writes graphs as model files of others' formats, for tests of what reads them. It writes what package nn's operations
// have in common with the formats, and panics at the rest.
package modelfiletest

import (
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"math"
	"strconv"

	"github.com/tapcheck/tapcheck/agent/face/nn"
)

func name(v int) string { return fmt.Sprintf("value%d", v) }

// floatBytes are float32, little endian.
func floatBytes(list []float32) (raw []byte) {
	for _, f := range list {
		raw = binary.LittleEndian.AppendUint32(raw, math.Float32bits(f))
	}
	return raw
}

func intBytes(list []int) (raw []byte) {
	for _, n := range list {
		raw = binary.LittleEndian.AppendUint32(raw, uint32(int32(n)))
	}
	return raw
}

// turned makes [cols][rows] of [rows][cols].
func turned(m []float32, rows, cols int) []float32 {
	t := make([]float32, len(m))
	for i := range m {
		t[i%cols*rows+i/cols] = m[i]
	}
	return t
}

// dense says whether a convolution is a matrix on a row.
func dense(g *nn.Graph, n nn.Node) bool {
	return n.Op == nn.OpConv && g.ShapeOf(n.In[0]).H*g.ShapeOf(n.In[0]).W == 1
}

// ---- ONNX

type proto []byte

func (p *proto) varint(field int, v uint64) {
	*p = binary.AppendUvarint(binary.AppendUvarint(*p, uint64(field)<<3), v)
}

func (p *proto) bytes(field int, raw []byte) {
	*p = binary.AppendUvarint(binary.AppendUvarint(*p, uint64(field)<<3|2), uint64(len(raw)))
	*p = append(*p, raw...)
}

func (p *proto) text(field int, s string) { p.bytes(field, []byte(s)) }

func onnxInfo(name string, dims ...int) []byte {
	var shape, tensor, typ, info proto
	for _, d := range dims {
		var dim proto
		dim.varint(1, uint64(d))
		shape.bytes(1, dim)
	}
	tensor.varint(1, 1)
	tensor.bytes(2, shape)
	typ.bytes(1, tensor)
	info.text(1, name)
	info.bytes(2, typ)
	return info
}

// ONNX writes a graph with channels first.
func ONNX(g *nn.Graph) []byte {
	var graph proto
	constant := func(name string, list []float32, dims ...int) string {
		var t proto
		for _, d := range dims {
			t.varint(1, uint64(d))
		}
		t.varint(2, 1)
		t.text(8, name)
		t.bytes(9, floatBytes(list))
		graph.bytes(5, t)
		return name
	}
	emit := func(op, out string, in []string, attrs map[string][]int) {
		var n proto
		for _, i := range in {
			n.text(1, i)
		}
		n.text(2, out)
		n.text(4, op)
		for _, key := range []string{"axis", "group", "transB", "kernel_shape", "strides", "dilations", "pads"} {
			list, ok := attrs[key]
			if !ok {
				continue
			}
			var a proto
			a.text(1, key)
			if key == "axis" || key == "group" || key == "transB" {
				a.varint(3, uint64(list[0]))
				a.varint(20, 2)
			} else {
				for _, v := range list {
					a.varint(8, uint64(v))
				}
				a.varint(20, 7)
			}
			n.bytes(5, a)
		}
		graph.bytes(1, n)
	}
	rows := map[int]bool{} // values that are a row, not a picture of one pixel
	graph.bytes(11, onnxInfo(name(0), 1, g.Input.C, g.Input.H, g.Input.W))
	for i, n := range g.Nodes {
		v, in, w := i+1, g.ShapeOf(n.In[0]), n.Window
		at := name(v)
		next := func(suffix string) string { at = name(v) + suffix; return at }
		window := map[string][]int{"kernel_shape": {w.KH, w.KW}, "strides": {w.SH, w.SW}, "dilations": {w.DH, w.DW}, "pads": {w.PT, w.PL, w.PB, w.PR}}
		last := func() string { // what ends with the value's own name
			if n.Res > 0 || n.Act != nn.ActNone {
				return next("op")
			}
			return next("")
		}
		inputs := []string{name(n.In[0])}
		rows[v] = n.Op == nn.OpFlatten || rows[n.In[0]]
		switch {
		case n.Op == nn.OpConv && rows[v]:
			m := n.Weights
			if before := n.In[0] - 1; before >= 0 && g.Nodes[before].Op == nn.OpFlatten { // there a row counts channels first
				s := g.ShapeOf(g.Nodes[before].In[0])
				m = make([]float32, len(m))
				for c := range s.C {
					for p := range s.H * s.W {
						copy(m[(c*s.H*s.W+p)*n.Out.C:], n.Weights[(p*s.C+c)*n.Out.C:][:n.Out.C])
					}
				}
			}
			inputs = append(inputs, constant(name(v)+"w", turned(m, in.C, n.Out.C), n.Out.C, in.C), constant(name(v)+"b", n.Bias, n.Out.C))
			emit("Gemm", last(), inputs, map[string][]int{"transB": {1}})
		case n.Op == nn.OpConv:
			// [h][w][in][out] to [out][in][h][w]
			ohwi := turned(n.Weights, w.KH*w.KW*in.C, n.Out.C)
			var oihw []float32
			for o := range n.Out.C {
				oihw = append(oihw, turned(ohwi[o*w.KH*w.KW*in.C:][:w.KH*w.KW*in.C], w.KH*w.KW, in.C)...)
			}
			inputs = append(inputs, constant(name(v)+"w", oihw, n.Out.C, in.C, w.KH, w.KW), constant(name(v)+"b", n.Bias, n.Out.C))
			emit("Conv", last(), inputs, window)
		case n.Op == nn.OpDepthwise:
			inputs = append(inputs, constant(name(v)+"w", turned(n.Weights, w.KH*w.KW, in.C), in.C, 1, w.KH, w.KW), constant(name(v)+"b", n.Bias, in.C))
			window["group"] = []int{in.C}
			emit("Conv", last(), inputs, window)
		case n.Op == nn.OpMaxPool, n.Op == nn.OpAvgPool:
			delete(window, "dilations")
			emit(map[nn.Op]string{nn.OpMaxPool: "MaxPool", nn.OpAvgPool: "AveragePool"}[n.Op], last(), inputs, window)
		case n.Op == nn.OpAdd, n.Op == nn.OpSub, n.Op == nn.OpMul:
			emit(map[nn.Op]string{nn.OpAdd: "Add", nn.OpSub: "Sub", nn.OpMul: "Mul"}[n.Op], last(), append(inputs, name(n.In[1])), nil)
		case n.Op == nn.OpScale:
			ones, zeros := make([]float32, in.C), make([]float32, in.C)
			for i := range ones {
				ones[i] = 1 - 1e-5
			}
			for k, list := range [][]float32{n.Weights, n.Bias, zeros, ones} {
				inputs = append(inputs, constant(name(v)+strconv.Itoa(k), list, in.C))
			}
			emit("BatchNormalization", last(), inputs, nil)
		case n.Op == nn.OpCopy:
			emit("Identity", last(), inputs, nil)
		case n.Op == nn.OpConcat:
			inputs = nil
			for _, v := range n.In {
				inputs = append(inputs, name(v))
			}
			emit("Concat", last(), inputs, map[string][]int{"axis": {1}})
		case n.Op == nn.OpFlatten:
			emit("Flatten", last(), inputs, map[string][]int{"axis": {1}})
		case n.Op == nn.OpNormalise:
			emit("LpNormalization", last(), inputs, map[string][]int{"axis": {1}})
		default:
			panic(n.Op)
		}
		if n.Res > 0 {
			from := at
			if n.Act == nn.ActNone {
				next("")
			} else {
				next("sum")
			}
			emit("Add", at, []string{from, name(n.Res)}, nil)
		}
		if n.Act == nn.ActNone {
			continue
		}
		from := []string{at}
		switch n.Act {
		case nn.ActPRelu:
			dims := []int{n.Out.C, 1, 1}
			if rows[v] {
				dims = dims[:1]
			}
			emit("PRelu", name(v), append(from, constant(name(v)+"s", n.Slope, dims...)), nil)
		case nn.ActRelu6:
			emit("Clip", name(v), append(from, constant(name(v)+"lo", []float32{0}), constant(name(v)+"hi", []float32{6})), nil)
		default:
			emit(map[nn.Act]string{nn.ActRelu: "Relu", nn.ActSigmoid: "Sigmoid", nn.ActAbs: "Abs"}[n.Act], name(v), from, nil)
		}
	}
	for _, o := range g.Outputs {
		s := g.ShapeOf(o.Value)
		graph.bytes(12, onnxInfo(name(o.Value), 1, s.C, s.H, s.W))
	}
	var model, opset proto
	opset.varint(2, 13)
	model.varint(1, 7)
	model.bytes(7, graph)
	model.bytes(8, opset)
	return model
}

// ---- TensorFlow

// padding is how TensorFlow says a window's padding.
func padding(w nn.Window, in nn.Shape) string {
	bare := w
	bare.PT, bare.PB, bare.PL, bare.PR = 0, 0, 0, 0
	switch w {
	case bare:
		return "VALID"
	case bare.Same(in):
		return "SAME"
	}
	panic("a padding that TensorFlow does not have")
}

// TFJS writes a graph as model.json and weights.
func TFJS(g *nn.Graph) (model, weights []byte) {
	type object = map[string]any
	nodes, manifest := []object{}, []object{}
	constant := func(name string, list []float32, dims ...int) string {
		nodes = append(nodes, object{"name": name, "op": "Const"})
		manifest = append(manifest, object{"name": name, "shape": dims, "dtype": "float32"})
		weights = append(weights, floatBytes(list)...)
		return name
	}
	whole := func(name string, list []int, dims ...int) string {
		nodes = append(nodes, object{"name": name, "op": "Const"})
		manifest = append(manifest, object{"name": name, "shape": dims, "dtype": "int32"})
		weights = append(weights, intBytes(list)...)
		return name
	}
	b64 := func(s string) string { return base64.StdEncoding.EncodeToString([]byte(s)) }
	four := func(h, w int) object {
		return object{"list": object{"i": []string{"1", strconv.Itoa(h), strconv.Itoa(w), "1"}}}
	}
	emit := func(op, name string, in []string, attrs object) {
		nodes = append(nodes, object{"name": name, "op": op, "input": in, "attr": attrs})
	}
	s := g.Input
	size := func(n int) object { return object{"size": strconv.Itoa(n)} }
	nodes = append(nodes, object{"name": name(0), "op": "Placeholder", "attr": object{"shape": object{"shape": object{"dim": []object{size(-1), size(s.H), size(s.W), size(s.C)}}}}})
	for i, n := range g.Nodes {
		v, in, w := i+1, g.ShapeOf(n.In[0]), n.Window
		at := name(v) + "/op"
		inputs := []string{name(n.In[0])}
		attrs := object{}
		if w.KH > 0 {
			attrs = object{"strides": four(w.SH, w.SW), "dilations": four(w.DH, w.DW), "padding": object{"s": b64(padding(w, in))}, "data_format": object{"s": b64("NHWC")}}
		}
		act := n.Act
		switch n.Op {
		case nn.OpConv:
			inputs = append(inputs, constant(name(v)+"/w", n.Weights, w.KH, w.KW, in.C, n.Out.C), constant(name(v)+"/b", n.Bias, n.Out.C))
			fused := []string{b64("BiasAdd")}
			if n.Res == 0 && act == nn.ActPRelu {
				fused = append(fused, b64("Prelu"))
				inputs = append(inputs, constant(name(v)+"/s", n.Slope, 1, 1, n.Out.C))
				act = nn.ActNone
			}
			attrs["fused_ops"] = object{"list": object{"s": fused}}
			emit("_FusedConv2D", at, inputs, attrs)
		case nn.OpDepthwise:
			emit("DepthwiseConv2dNative", at, append(inputs, constant(name(v)+"/w", n.Weights, w.KH, w.KW, in.C, 1)), attrs)
			emit("BiasAdd", at+"b", []string{at, constant(name(v)+"/b", n.Bias, in.C)}, nil)
			at += "b"
		case nn.OpMaxPool, nn.OpAvgPool:
			attrs["ksize"] = four(w.KH, w.KW)
			emit(map[nn.Op]string{nn.OpMaxPool: "MaxPool", nn.OpAvgPool: "AvgPool"}[n.Op], at, inputs, attrs)
		case nn.OpAdd, nn.OpSub, nn.OpMul:
			emit(map[nn.Op]string{nn.OpAdd: "AddV2", nn.OpSub: "Sub", nn.OpMul: "Mul"}[n.Op], at, append(inputs, name(n.In[1])), nil)
		case nn.OpScale:
			emit("Mul", at, append(inputs, constant(name(v)+"/w", n.Weights, n.Out.C)), nil)
			emit("Add", at+"b", []string{constant(name(v)+"/b", n.Bias, n.Out.C), at}, nil)
			at += "b"
		case nn.OpCopy:
			emit("Identity", at, inputs, nil)
		case nn.OpPad:
			emit("Pad", at, append(inputs, whole(name(v)+"/p", []int{0, 0, w.PT, w.PB, w.PL, w.PR, n.Front, n.Out.C - in.C - n.Front}, 4, 2)), nil)
		case nn.OpFlatten:
			emit("Reshape", at, append(inputs, whole(name(v)+"/p", []int{-1, in.Size()}, 2)), nil)
		default:
			panic(n.Op)
		}
		if n.Res > 0 {
			emit("AddV2", name(v)+"/sum", []string{name(n.Res), at}, nil)
			at = name(v) + "/sum"
		}
		switch act {
		case nn.ActNone:
			emit("Identity", name(v), []string{at}, nil)
		case nn.ActPRelu:
			emit("Prelu", name(v), []string{at, constant(name(v)+"/s", n.Slope, n.Out.C)}, nil)
		default:
			emit(map[nn.Act]string{nn.ActRelu: "Relu", nn.ActRelu6: "Relu6", nn.ActSigmoid: "Sigmoid", nn.ActAbs: "Abs"}[act], name(v), []string{at}, nil)
		}
	}
	outputs := object{}
	for _, o := range g.Outputs {
		outputs[o.Name+":0"] = object{"name": name(o.Value) + ":0"}
	}
	model, err := json.Marshal(object{
		"format": "graph-model", "signature": object{"outputs": outputs}, "modelTopology": object{"node": nodes},
		"weightsManifest": []object{{"paths": []string{"weights.bin"}, "weights": manifest}},
	})
	if err != nil {
		panic(err)
	}
	return model, weights
}

// flat writes a FlatBuffer from the front: a table first, and what it refers to after it. What is written says where it is.
type flat struct{ out []byte }

func (f *flat) align() {
	for len(f.out)%4 != 0 {
		f.out = append(f.out, 0)
	}
}

// slot is a field of a table: a number, what writes the thing to which an offset leads, or, where it is nil, nothing.
type slot func() (num int, isOffset bool)

func num(n int) slot            { return func() (int, bool) { return n, false } }
func ref(write func() int) slot { return func() (int, bool) { return write(), true } }

// table gives every field four bytes, which is right for shorter numbers too.
func (f *flat) table(fields ...slot) int {
	f.align()
	vt := len(f.out)
	f.out = binary.LittleEndian.AppendUint16(f.out, uint16(4+2*len(fields)))
	f.out = binary.LittleEndian.AppendUint16(f.out, uint16(4+4*len(fields)))
	for i, s := range fields {
		o := 0
		if s != nil {
			o = 4 + 4*i
		}
		f.out = binary.LittleEndian.AppendUint16(f.out, uint16(o))
	}
	f.align()
	at := len(f.out)
	f.out = binary.LittleEndian.AppendUint32(f.out, uint32(at-vt))
	f.out = append(f.out, make([]byte, 4*len(fields))...)
	for i, s := range fields {
		if s != nil {
			f.fill(at+4+4*i, s)
		}
	}
	return at
}

func (f *flat) fill(pos int, s slot) {
	n, isOffset := s()
	if isOffset {
		n -= pos
	}
	binary.LittleEndian.PutUint32(f.out[pos:], uint32(int32(n)))
}

func (f *flat) vector(n int, raw []byte) int {
	f.align()
	at := len(f.out)
	f.out = append(binary.LittleEndian.AppendUint32(f.out, uint32(n)), raw...)
	return at
}

func (f *flat) ints(list ...int) slot {
	return ref(func() int { return f.vector(len(list), intBytes(list)) })
}
func (f *flat) text(s string) slot { return ref(func() int { return f.vector(len(s), []byte(s)) }) }

// list is a vector of tables.
func (f *flat) list(n int, each func(int) int) slot {
	return ref(func() int {
		at := f.vector(n, make([]byte, 4*n))
		for i := range n {
			f.fill(at+4+4*i, ref(func() int { return each(i) }))
		}
		return at
	})
}

// TFLite writes a graph as a TensorFlow Lite model.
func TFLite(g *nn.Graph) []byte {
	type tensor struct {
		name  string
		dims  []int
		typ   int
		bytes []byte
	}
	type op struct {
		code    int
		in      []int
		out     int
		options []slot
	}
	var tensors []tensor
	var ops []op
	add := func(name string, typ int, raw []byte, dims ...int) int {
		tensors = append(tensors, tensor{name, dims, typ, raw})
		return len(tensors) - 1
	}
	at := map[int]int{} // value to tensor
	picture := func(name string, s nn.Shape) int { return add(name, 0, nil, 1, s.H, s.W, s.C) }
	at[0] = picture(name(0), g.Input)
	for i, n := range g.Nodes {
		v, in, w := i+1, g.ShapeOf(n.In[0]), n.Window
		emit := func(code int, inputs []int, options ...slot) int {
			out := picture(name(v), n.Out)
			ops = append(ops, op{code, inputs, out, options})
			return out
		}
		x := []int{at[n.In[0]]}
		pad := 0
		if w.KH > 0 && padding(w, in) == "VALID" {
			pad = 1
		}
		// Activations that stand within the operation.
		act, within := n.Act, 0
		if n.Res == 0 && (act == nn.ActRelu || act == nn.ActRelu6) {
			within, act = map[nn.Act]int{nn.ActRelu: 1, nn.ActRelu6: 3}[act], nn.ActNone
		}
		var out int
		switch {
		case dense(g, n):
			x = append(x, add("w", 0, floatBytes(turned(n.Weights, in.C, n.Out.C)), n.Out.C, in.C), add("b", 0, floatBytes(n.Bias), n.Out.C))
			out = emit(9, x, num(within))
		case n.Op == nn.OpConv:
			x = append(x, add("w", 0, floatBytes(turned(n.Weights, w.KH*w.KW*in.C, n.Out.C)), n.Out.C, w.KH, w.KW, in.C), add("b", 0, floatBytes(n.Bias), n.Out.C))
			out = emit(3, x, num(pad), num(w.SW), num(w.SH), num(within), num(w.DW), num(w.DH))
		case n.Op == nn.OpDepthwise:
			x = append(x, add("w", 0, floatBytes(n.Weights), 1, w.KH, w.KW, in.C), add("b", 0, floatBytes(n.Bias), in.C))
			out = emit(4, x, num(pad), num(w.SW), num(w.SH), num(1), num(within), num(w.DW), num(w.DH))
		case n.Op == nn.OpMaxPool:
			out = emit(17, x, num(pad), num(w.SW), num(w.SH), num(w.KW), num(w.KH), num(within))
		case n.Op == nn.OpAvgPool:
			out = emit(1, x, num(pad), num(w.SW), num(w.SH), num(w.KW), num(w.KH), num(within))
		case n.Op == nn.OpAdd, n.Op == nn.OpSub, n.Op == nn.OpMul:
			out = emit(map[nn.Op]int{nn.OpAdd: 0, nn.OpSub: 41, nn.OpMul: 18}[n.Op], append(x, at[n.In[1]]), num(within))
		case n.Op == nn.OpScale:
			out = emit(18, append(x, add("w", 0, floatBytes(n.Weights), in.C)))
			out = emit(0, []int{add("b", 0, floatBytes(n.Bias), in.C), out}, num(within))
		case n.Op == nn.OpCopy && within > 0:
			out = emit(map[int]int{1: 19, 3: 21}[within], x)
		case n.Op == nn.OpCopy:
			out = x[0]
		case n.Op == nn.OpPad:
			out = emit(34, append(x, add("p", 2, intBytes([]int{0, 0, w.PT, w.PB, w.PL, w.PR, n.Front, n.Out.C - in.C - n.Front}), 4, 2)))
		case n.Op == nn.OpConcat:
			x = nil
			for _, v := range n.In {
				x = append(x, at[v])
			}
			out = emit(2, x, num(3), num(within))
		case n.Op == nn.OpFlatten:
			out = emit(22, append(x, add("p", 2, intBytes([]int{1, in.Size()}), 2)))
		case n.Op == nn.OpNormalise:
			out = emit(11, x)
		default:
			panic(n.Op)
		}
		if n.Res > 0 {
			out = emit(0, []int{out, at[n.Res]})
		}
		switch act {
		case nn.ActNone:
		case nn.ActPRelu: // as the converter takes it apart
			pos, abs := emit(19, []int{out}), emit(101, []int{out})
			neg := emit(41, []int{out, abs})
			neg = emit(18, []int{add("s", 0, floatBytes(n.Slope), n.Out.C), neg})
			neg = emit(18, []int{neg, add("half", 0, floatBytes([]float32{0.5}))})
			out = emit(0, []int{pos, neg})
		default:
			out = emit(map[nn.Act]int{nn.ActRelu: 19, nn.ActRelu6: 21, nn.ActSigmoid: 14, nn.ActAbs: 101}[act], []int{out})
		}
		at[v] = out
	}
	var outputs []int
	for _, o := range g.Outputs {
		tensors[at[o.Value]].name = o.Name
		outputs = append(outputs, at[o.Value])
	}
	f := &flat{out: []byte("....TFL3")}
	root := f.table(
		num(3),
		f.list(len(ops), func(i int) int { return f.table(num(min(ops[i].code, 127)), nil, nil, num(ops[i].code)) }), // an operator code for each operation
		f.list(1, func(int) int {
			return f.table(
				f.list(len(tensors), func(i int) int {
					t := tensors[i]
					buffer := 0
					if t.bytes != nil {
						buffer = i + 1
					}
					return f.table(f.ints(t.dims...), num(t.typ), num(buffer), f.text(t.name))
				}),
				f.ints(at[0]), f.ints(outputs...),
				f.list(len(ops), func(i int) int {
					o := ops[i]
					return f.table(num(i), f.ints(o.in...), f.ints(o.out), nil, ref(func() int { return f.table(o.options...) }))
				}))
		}),
		nil,
		f.list(len(tensors)+1, func(i int) int {
			if i == 0 || tensors[i-1].bytes == nil {
				return f.table()
			}
			return f.table(ref(func() int { return f.vector(len(tensors[i-1].bytes), tensors[i-1].bytes) }))
		}))
	binary.LittleEndian.PutUint32(f.out, uint32(root))
	return f.out
}
