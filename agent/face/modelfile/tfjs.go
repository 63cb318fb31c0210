package modelfile

import (
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"slices"
	"strconv"
	"strings"

	"github.com/tapcheck/tapcheck/agent/face/nn"
)

// maxTopology bounds the JSON part of a TensorFlow.js model.
const maxTopology = 4 << 20

// TFJS reads a TensorFlow.js graph model: model.json, and its weights, of which several files (shards) come one after the other in the
// manifest's order. Outputs are named as
// in the model's signature, in the order of their names.
func TFJS(model, weights []byte) (*nn.Graph, error) {
	if len(model) > maxTopology || len(weights) > MaxBytes {
		return nil, ErrTooLarge
	}
	r := &tfjs{consts: map[string]tensor{}, nodes: map[string]*tfjsNode{}, values: map[string]int{}, open: map[string]bool{}}
	if err := json.Unmarshal(model, &r.file); err != nil {
		return nil, broken("model.json: %v", err)
	}
	if err := r.weights(weights); err != nil {
		return nil, err
	}
	if err := r.read(); err != nil {
		return nil, err
	}
	return r.g, nil
}

type tfjsSignature struct {
	Outputs map[string]struct {
		Name string `json:"name"`
	} `json:"outputs"`
}

type tfjsFile struct {
	Format    string         `json:"format"`
	Signature *tfjsSignature `json:"signature"`
	UserData  struct {
		Signature *tfjsSignature `json:"signature"`
	} `json:"userDefinedMetadata"`
	Topology struct {
		Node []*tfjsNode `json:"node"`
	} `json:"modelTopology"`
	WeightsManifest []struct {
		Weights []struct {
			Name         string `json:"name"`
			Shape        []int  `json:"shape"`
			Dtype        string `json:"dtype"`
			Quantization *struct {
				Dtype string  `json:"dtype"`
				Scale float64 `json:"scale"`
				Min   float64 `json:"min"`
			} `json:"quantization"`
		} `json:"weights"`
	} `json:"weightsManifest"`
}

type tfjsNode struct {
	Name  string              `json:"name"`
	Op    string              `json:"op"`
	Input []string            `json:"input"`
	Attr  map[string]tfjsAttr `json:"attr"`
}

// tfjsAttr is an attribute of a node; strings come in base64, integers as strings.
type tfjsAttr struct {
	S    string `json:"s"`
	List struct {
		I []string `json:"i"`
		S []string `json:"s"`
	} `json:"list"`
	Shape struct {
		Dim []struct {
			Size string `json:"size"`
		} `json:"dim"`
	} `json:"shape"`
}

func (n *tfjsNode) text(name string) string {
	raw, _ := base64.StdEncoding.DecodeString(n.Attr[name].S)
	return string(raw)
}

// pair gives the two middle ones of four integers, as strides and dilations of pictures with channels last are.
func (n *tfjsNode) pair(name string, otherwise int) (int, int) {
	list := n.Attr[name].List.I
	if len(list) != 4 {
		return otherwise, otherwise
	}
	h, err := strconv.Atoi(list[1])
	if err != nil {
		return 0, 0
	}
	w, err := strconv.Atoi(list[2])
	if err != nil {
		return 0, 0
	}
	return h, w
}

type tfjs struct {
	builder
	file   tfjsFile
	consts map[string]tensor
	nodes  map[string]*tfjsNode
	values map[string]int
	open   map[string]bool // being made, to find circles
}

func (r *tfjs) weights(data []byte) error {
	total := 0
	for _, m := range r.file.WeightsManifest {
		for _, w := range m.Weights {
			n, err := elements(w.Shape)
			if err != nil {
				return err
			}
			stored := w.Dtype
			if w.Quantization != nil {
				stored = w.Quantization.Dtype
			}
			width := map[string]int{"float32": 4, "int32": 4, "float16": 2, "uint16": 2, "uint8": 1}[stored]
			if width == 0 || w.Dtype != "float32" && w.Dtype != "int32" || w.Dtype == "int32" && (stored != "int32" || n > 64) || w.Dtype == "float32" && stored == "int32" {
				return unsupported("weights of type %s", stored)
			}
			if total += n; total > nn.MaxWeights {
				return ErrTooLarge
			}
			if n*width > len(data) {
				return broken("weights end in %.60q", w.Name)
			}
			raw := data[:n*width]
			data = data[n*width:]
			t := tensor{dims: w.Shape}
			switch {
			case w.Dtype == "int32":
				for i := range n {
					t.ints = append(t.ints, int(int32(binary.LittleEndian.Uint32(raw[4*i:]))))
				}
			case width == 4 || stored == "float16":
				t.floats = floats(raw, stored == "float16")
			default:
				t.floats = make([]float32, n)
				for i := range n {
					q := float64(raw[i*width])
					if width == 2 {
						q = float64(binary.LittleEndian.Uint16(raw[2*i:]))
					}
					t.floats[i] = float32(q*w.Quantization.Scale + w.Quantization.Min)
				}
			}
			r.consts[w.Name] = t
		}
	}
	if len(data) != 0 {
		return broken("%d bytes after the weights", len(data))
	}
	return nil
}

func (r *tfjs) read() error {
	if len(r.file.Topology.Node) > 4*nn.MaxNodes {
		return nn.ErrTooLarge
	}
	for _, n := range r.file.Topology.Node {
		if n == nil {
			return broken("an empty node")
		}
		r.nodes[n.Name] = n
		if n.Op != "Placeholder" {
			continue
		}
		dims := n.Attr["shape"].Shape.Dim
		if len(dims) != 4 || r.g != nil {
			return unsupported("not one input with four dimensions")
		}
		var s [4]int
		for i, d := range dims {
			var err error
			if s[i], err = strconv.Atoi(d.Size); err != nil {
				return broken("an input's size")
			}
		}
		if s[0] != 1 && s[0] != -1 {
			return unsupported("%d pictures at once", s[0])
		}
		var err error
		if r.g, err = nn.NewGraph(nn.Shape{H: s[1], W: s[2], C: s[3]}); err != nil {
			return err
		}
		r.values[n.Name] = 0
	}
	if r.g == nil {
		return broken("no input")
	}
	signature := r.file.Signature
	if signature == nil {
		signature = r.file.UserData.Signature
	}
	if signature == nil || len(signature.Outputs) == 0 {
		return unsupported("no signature that names the outputs")
	}
	var names []string
	for name := range signature.Outputs {
		names = append(names, name)
	}
	slices.Sort(names)
	for _, name := range names {
		v, err := r.value(signature.Outputs[name].Name, 0)
		if err != nil {
			return err
		}
		short, _, _ := strings.Cut(name, ":")
		if err := r.g.Ask(short, v); err != nil {
			return err
		}
	}
	return nil
}

// value makes what a name stands for, and first what that needs.
func (r *tfjs) value(name string, depth int) (int, error) {
	name, _, _ = strings.Cut(name, ":")
	if v, ok := r.values[name]; ok {
		return v, nil
	}
	n := r.nodes[name]
	if n == nil || r.open[name] || depth > nn.MaxNodes {
		return 0, broken("node %.60q is missing, or needs itself", name)
	}
	r.open[name] = true
	v, err := r.node(n, depth+1)
	if err != nil {
		return 0, err
	}
	r.values[name] = v
	return v, nil
}

// constOf is a constant input of a node.
func (r *tfjs) constOf(n *tfjsNode, i int) (tensor, bool) {
	if i >= len(n.Input) {
		return tensor{}, false
	}
	name, _, _ := strings.Cut(n.Input[i], ":")
	for range 8 { // Identity may stand between
		if c, ok := r.consts[name]; ok {
			return c, true
		}
		by := r.nodes[name]
		if by == nil || by.Op != "Identity" || len(by.Input) != 1 {
			break
		}
		name, _, _ = strings.Cut(by.Input[0], ":")
	}
	return tensor{}, false
}

func (r *tfjs) floatsOf(n *tfjsNode, i int) (tensor, error) {
	c, ok := r.constOf(n, i)
	if !ok || c.floats == nil {
		return tensor{}, unsupported("input %d of %.60q is no constant", i, n.Name)
	}
	return c, nil
}

func (r *tfjs) node(n *tfjsNode, depth int) (int, error) {
	if len(n.Input) == 0 || len(n.Input) > 64 {
		return 0, unsupported("%.40q with %d inputs", n.Op, len(n.Input))
	}
	if f := n.text("data_format"); f != "" && f != "NHWC" {
		return 0, unsupported("data format %.10q", f)
	}
	in := func(i int) (int, error) {
		if i >= len(n.Input) {
			return 0, broken("%.60q lacks an input", n.Name)
		}
		return r.value(n.Input[i], depth)
	}
	switch n.Op {
	case "Add", "AddV2", "Sub", "Mul", "BiasAdd":
		return r.binary(n, in)
	}
	x, err := in(0)
	if err != nil {
		return 0, err
	}
	switch n.Op {
	case "Identity":
		return x, nil
	case "Relu":
		return r.activate(x, nn.ActRelu, nil)
	case "Relu6":
		return r.activate(x, nn.ActRelu6, nil)
	case "Sigmoid":
		return r.activate(x, nn.ActSigmoid, nil)
	case "Abs":
		return r.activate(x, nn.ActAbs, nil)
	case "Prelu":
		s, err := r.floatsOf(n, 1)
		if err != nil {
			return 0, err
		}
		return r.activate(x, nn.ActPRelu, s.floats)
	case "_FusedConv2D", "Conv2D", "DepthwiseConv2dNative", "FusedDepthwiseConv2dNative":
		return r.conv(n, x, in)
	case "MaxPool", "AvgPool":
		kh, kw := n.pair("ksize", 0)
		w, err := r.window(n, kh, kw, r.g.ShapeOf(x))
		if err != nil {
			return 0, err
		}
		op := nn.OpMaxPool
		if n.Op == "AvgPool" {
			op = nn.OpAvgPool
		}
		return r.add(nn.Node{Op: op, In: []int{x}, Window: w})
	case "Pad":
		p, ok := r.constOf(n, 1)
		if !ok {
			return 0, unsupported("Pad by what is computed")
		}
		return r.pad(x, p.ints)
	case "Reshape", "Squeeze":
		to, ok := r.constOf(n, 1)
		if n.Op == "Squeeze" || !ok || len(to.ints) == 0 {
			to.ints = []int{-1}
		}
		return r.reshaped(x, to.ints)
	}
	return 0, unsupported("TensorFlow.js operation %.40q", n.Op)
}

func (r *tfjs) binary(n *tfjsNode, in func(int) (int, error)) (int, error) {
	op := map[string]nn.Op{"Sub": nn.OpSub, "Mul": nn.OpMul}[n.Op]
	if op == 0 {
		op = nn.OpAdd
	}
	a, aConst := r.constOf(n, 0)
	b, bConst := r.constOf(n, 1)
	switch {
	case aConst && bConst, aConst && len(a.floats) == 0, bConst && len(b.floats) == 0:
		return 0, unsupported("%.40q of constants", n.Op)
	case aConst:
		v, err := in(1)
		if err != nil {
			return 0, err
		}
		return r.constant(op, v, a, true)
	case bConst:
		v, err := in(0)
		if err != nil {
			return 0, err
		}
		return r.constant(op, v, b, false)
	}
	v, err := in(0)
	if err != nil {
		return 0, err
	}
	w, err := in(1)
	if err != nil {
		return 0, err
	}
	return r.add(nn.Node{Op: op, In: []int{v, w}})
}

func (r *tfjs) window(n *tfjsNode, kh, kw int, in nn.Shape) (nn.Window, error) {
	w := nn.Window{KH: kh, KW: kw}
	w.SH, w.SW = n.pair("strides", 1)
	w.DH, w.DW = n.pair("dilations", 1)
	switch n.text("padding") {
	case "SAME":
		return w.Same(in), nil
	case "VALID":
		return w, nil
	}
	return w, unsupported("padding %.20q", n.text("padding"))
}

// conv reads weights [h][w][in][out], of depthwise ones [h][w][channels][1]; what is fused to it are bias and activation.
func (r *tfjs) conv(n *tfjsNode, x int, in func(int) (int, error)) (int, error) {
	w, err := r.floatsOf(n, 1)
	if err != nil {
		return 0, err
	}
	shape := r.g.ShapeOf(x)
	depthwise := strings.Contains(n.Op, "epthwise")
	if len(w.dims) != 4 || w.dims[2] != shape.C || depthwise && w.dims[3] != 1 {
		return 0, unsupported("%.40q with weights of %v on %v", n.Op, w.dims, shape)
	}
	window, err := r.window(n, w.dims[0], w.dims[1], shape)
	if err != nil {
		return 0, err
	}
	node := nn.Node{Op: nn.OpConv, In: []int{x}, Window: window, Weights: w.floats}
	out := w.dims[3]
	if depthwise {
		node.Op, out = nn.OpDepthwise, shape.C
	}
	node.Bias = zeros(out)
	for k, f := range n.Attr["fused_ops"].List.S {
		raw, _ := base64.StdEncoding.DecodeString(f)
		switch {
		case k == 0 && string(raw) == "BiasAdd":
			b, err := r.floatsOf(n, 2)
			if err != nil {
				return 0, err
			}
			if len(b.floats) != out {
				return 0, broken("a bias of %v", b.dims)
			}
			node.Bias = b.floats
		case k == 1 && string(raw) == "Relu":
			node.Act = nn.ActRelu
		case k == 1 && string(raw) == "Relu6":
			node.Act = nn.ActRelu6
		case k == 1 && string(raw) == "Prelu":
			s, err := r.floatsOf(n, 3)
			if err != nil {
				return 0, err
			}
			node.Act, node.Slope = nn.ActPRelu, s.floats
		default:
			return 0, unsupported("%.40q fused", raw)
		}
	}
	return r.add(node)
}
