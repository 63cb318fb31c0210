package modelfile_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"math"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/tapcheck/tapcheck/agent/face/modelfile"
	"github.com/tapcheck/tapcheck/agent/face/modelfile/modelfiletest"
	"github.com/tapcheck/tapcheck/agent/face/nn"
)

func random(r *rand.Rand, n int) []float32 {
	list := make([]float32, n)
	for i := range list {
		list[i] = float32(r.NormFloat64() / 3)
	}
	return list
}

// small is a network with what the shipped ones have, and a row in the end.
func small(t testing.TB) *nn.Graph {
	t.Helper()
	r := rand.New(rand.NewPCG(7, 8))
	g, err := nn.NewGraph(nn.Shape{H: 14, W: 11, C: 3})
	if err != nil {
		t.Fatal(err)
	}
	last := 0
	add := func(n nn.Node) int {
		t.Helper()
		if n.In == nil {
			n.In = []int{last}
		}
		if last, err = g.Add(n); err != nil {
			t.Fatal(err)
		}
		return last
	}
	one := nn.Window{KH: 1, KW: 1, SH: 1, SW: 1, DH: 1, DW: 1}
	same := func(k, s int) nn.Window {
		return nn.Window{KH: k, KW: k, SH: s, SW: s, DH: 1, DW: 1}.Same(g.ShapeOf(last))
	}
	add(nn.Node{Op: nn.OpConv, Window: same(3, 2), Weights: random(r, 27*10), Bias: random(r, 10), Act: nn.ActPRelu, Slope: random(r, 10)})
	block := add(nn.Node{Op: nn.OpScale, Weights: random(r, 10), Bias: random(r, 10)})
	add(nn.Node{Op: nn.OpDepthwise, Window: same(3, 1), Weights: random(r, 9*10), Bias: random(r, 10), Act: nn.ActRelu6})
	add(nn.Node{Op: nn.OpConv, Window: one, Weights: random(r, 100), Bias: random(r, 10), Res: block, Act: nn.ActPRelu, Slope: random(r, 10)})
	add(nn.Node{Op: nn.OpMaxPool, Window: nn.Window{KH: 2, KW: 2, SH: 2, SW: 2, DH: 1, DW: 1}})
	pooled := add(nn.Node{Op: nn.OpDepthwise, Window: nn.Window{KH: 2, KW: 3, SH: 1, SW: 1, DH: 1, DW: 1}, Weights: random(r, 60), Bias: random(r, 10), Act: nn.ActRelu})
	add(nn.Node{Op: nn.OpMul, In: []int{pooled, pooled}, Act: nn.ActSigmoid})
	add(nn.Node{Op: nn.OpFlatten})
	n := g.ShapeOf(last).C
	add(nn.Node{Op: nn.OpConv, Window: one, Weights: random(r, n*24), Bias: random(r, 24)})
	if err := g.Ask("embedding", last); err != nil {
		t.Fatal(err)
	}
	return g
}

func compute(t testing.TB, g *nn.Graph, in []float32) []float32 {
	t.Helper()
	p, err := nn.Compile(g, nn.Options{})
	if err != nil {
		t.Fatal(err)
	}
	a := nn.NewArena(p)
	copy(p.Input(a), in)
	if err := p.Run(context.Background(), a); err != nil {
		t.Fatal(err)
	}
	_, shapes := p.Outputs()
	var all []float32
	for i, s := range shapes {
		out := make([]float32, s.Size())
		p.Output(a, i, out)
		all = append(all, out...)
	}
	return all
}

// formats write a graph and read it again.
var formats = map[string]func(*nn.Graph) (*nn.Graph, error){
	"packed": func(g *nn.Graph) (*nn.Graph, error) { return modelfile.Unpack(modelfile.Pack(g)) },
	"tflite": func(g *nn.Graph) (*nn.Graph, error) { return modelfile.TFLite(modelfiletest.TFLite(g)) },
	"onnx":   func(g *nn.Graph) (*nn.Graph, error) { return modelfile.ONNX(modelfiletest.ONNX(g)) },
	"tfjs":   func(g *nn.Graph) (*nn.Graph, error) { return modelfile.TFJS(modelfiletest.TFJS(g)) },
}

// TestFormats: a network is the same network in every format, before and after it is fused.
func TestFormats(t *testing.T) {
	g := small(t)
	in := random(rand.New(rand.NewPCG(9, 9)), g.Input.Size())
	want := compute(t, g, in)
	for name, again := range formats {
		t.Run(name, func(t *testing.T) {
			h, err := again(g)
			if err != nil {
				t.Fatal(err)
			}
			for _, state := range []string{"as read", "fused"} {
				for i, v := range compute(t, h, in) {
					if math.Abs(float64(v-want[i])) > 1e-5 {
						t.Fatalf("%s: number %d is %g, want %g", state, i, v, want[i])
					}
				}
				h.Fuse()
			}
			if len(h.Nodes) > len(g.Nodes) {
				t.Errorf("%d nodes are left of %d", len(h.Nodes), len(g.Nodes))
			}
			if name == "packed" || name == "tflite" || name == "tfjs" {
				if h.Outputs[0].Name != "embedding" {
					t.Errorf("the output is called %q", h.Outputs[0].Name)
				}
			}
		})
	}
	if !bytes.Equal(modelfile.Pack(g), modelfile.Pack(small(t))) {
		t.Error("two packings of one network are not the same bytes")
	}
}

// TestPackKeepsHalves: weights that are 16 bits wide take 16 bits, and are the same afterwards; others stay as they are.
func TestPackKeepsHalves(t *testing.T) {
	for name, c := range map[string]struct {
		weight float32
		bytes  int
	}{
		"one": {1, 2}, "small": {-6.1035156e-05, 2}, "subnormal": {5.9604645e-08, 2}, "nothing": {float32(math.Copysign(0, -1)), 2}, "largest": {65504, 2},
		"a third": {1. / 3, 4}, "too large": {65536, 4}, "too small": {1e-9, 4}, "between": {1 + 1./4096, 4}, "endless": {float32(math.Inf(1)), 4},
	} {
		g, _ := nn.NewGraph(nn.Shape{H: 1, W: 1, C: 256})
		w := make([]float32, 256)
		for i := range w {
			w[i] = c.weight
		}
		if _, err := g.Add(nn.Node{Op: nn.OpScale, In: []int{0}, Weights: w, Bias: make([]float32, 256)}); err != nil {
			t.Fatal(err)
		}
		raw := modelfile.Pack(g)
		if n := (len(raw) - 120 - 2*256) / 256; n != c.bytes {
			t.Errorf("%s: %d bytes each (%d in all)", name, n, len(raw))
		}
		h, err := modelfile.Unpack(raw)
		if err != nil {
			t.Fatal(err)
		}
		if got := h.Nodes[0].Weights[255]; math.Float32bits(got) != math.Float32bits(c.weight) {
			t.Errorf("%s: %g became %g", name, c.weight, got)
		}
	}
}

// TestBroken: a file that ends early, or has a byte changed, is refused or is another network; nothing panics.
func TestBroken(t *testing.T) {
	g := small(t)
	model, weights := modelfiletest.TFJS(g)
	for name, c := range map[string]struct {
		raw  []byte
		read func([]byte) (*nn.Graph, error)
	}{
		"packed":       {modelfile.Pack(g), modelfile.Unpack},
		"tflite":       {modelfiletest.TFLite(g), modelfile.TFLite},
		"onnx":         {modelfiletest.ONNX(g), modelfile.ONNX},
		"tfjs model":   {model, func(b []byte) (*nn.Graph, error) { return modelfile.TFJS(b, weights) }},
		"tfjs weights": {weights, func(b []byte) (*nn.Graph, error) { return modelfile.TFJS(model, b) }},
	} {
		t.Run(name, func(t *testing.T) {
			if _, err := c.read(c.raw); err != nil {
				t.Fatal(err)
			}
			step := max(1, len(c.raw)/400)
			for n := 0; n < len(c.raw)-4; n += step {
				if _, err := c.read(c.raw[:n]); err == nil && name != "onnx" { // a protocol buffer may end after any field
					t.Errorf("%d of %d bytes are read", n, len(c.raw))
				}
				flipped := bytes.Clone(c.raw)
				flipped[n] ^= 1 << (n % 8)
				if h, err := c.read(flipped); err == nil {
					h.Fuse()
				} else if !known(err) {
					t.Errorf("byte %d: %v", n, err)
				}
			}
		})
	}
}

// known says whether an error is one of those that are promised.
func known(err error) bool {
	for _, want := range []error{modelfile.ErrBroken, modelfile.ErrTooLarge, modelfile.ErrUnsupported, nn.ErrGraph, nn.ErrTooLarge} {
		if errors.Is(err, want) {
			return true
		}
	}
	return false
}

// TestRefused are models that are whole, and that we do not read.
func TestRefused(t *testing.T) {
	edit := func(old, by string) func() (*nn.Graph, error) {
		return func() (*nn.Graph, error) {
			model, weights := modelfiletest.TFJS(small(t))
			if !strings.Contains(string(model), old) {
				t.Fatalf("no %s", old)
			}
			return modelfile.TFJS([]byte(strings.Replace(string(model), old, by, 1)), weights)
		}
	}
	for name, c := range map[string]struct {
		read func() (*nn.Graph, error)
		want error
		says string
	}{
		"an operation that nobody knows": {edit(`"MaxPool"`, `"MaxPoolWithArgmax"`), modelfile.ErrUnsupported, "MaxPoolWithArgmax"},
		"channels first":                 {edit(`TkhXQw==`, `TkNIVw==`), modelfile.ErrUnsupported, "NCHW"},
		"another padding":                {edit(`U0FNRQ==`, `RVhQTElDSVQ=`), modelfile.ErrUnsupported, "EXPLICIT"},
		"weights of 64 bits":             {edit(`"dtype":"float32"`, `"dtype":"float64"`), modelfile.ErrUnsupported, "float64"},
		"a batch of eight":               {edit(`"size":"-1"`, `"size":"8"`), modelfile.ErrUnsupported, "8 pictures"},
		"an endless size":                {edit(`"size":"14"`, `"size":"14000000"`), nn.ErrTooLarge, "14000000"},
		"a node that needs itself":       {edit(`"input":["value0"`, `"input":["value9"`), modelfile.ErrBroken, "needs itself"},
		"more weights than there are":    {edit(`"shape":[3,3,3,10]`, `"shape":[3,3,3,10000]`), modelfile.ErrBroken, ""},
		"a tensor beyond all bounds":     {edit(`"shape":[3,3,3,10]`, `"shape":[300000,300000,3,10]`), modelfile.ErrTooLarge, ""},
		"no signature":                   {edit(`"signature"`, `"sign"`), modelfile.ErrUnsupported, "outputs"},
		"not a model":                    {func() (*nn.Graph, error) { return modelfile.TFLite([]byte("GIF89a, and a picture")) }, modelfile.ErrBroken, "not TensorFlow Lite"},
		"nothing":                        {func() (*nn.Graph, error) { return modelfile.ONNX(nil) }, modelfile.ErrBroken, "no graph"},
	} {
		if _, err := c.read(); !errors.Is(err, c.want) || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%s: %v, want %v with %q", name, err, c.want, c.says)
		}
	}
	raw := bytes.ReplaceAll(modelfiletest.ONNX(small(t)), []byte("MaxPool"), []byte("MaxFool"))
	if _, err := modelfile.ONNX(raw); !errors.Is(err, modelfile.ErrUnsupported) || !strings.Contains(err.Error(), "MaxFool") {
		t.Errorf("an ONNX operator that nobody knows: %v", err)
	}
}

// TestBundle: a bundle is the same bytes each time, names its parts, and finds out what was changed.
func TestBundle(t *testing.T) {
	b := modelfile.Bundle{Models: []modelfile.Model{
		{Name: modelfile.Detector, Title: "A", Licence: "MIT", Graph: modelfile.Pack(small(t))},
		{Name: modelfile.Recogniser, Title: "B", Files: map[string]string{"x": "1", "y": "2"}, Open: "OPEN", Graph: modelfile.Pack(small(t))},
	}}
	raw, err := b.Write()
	if err != nil {
		t.Fatal(err)
	}
	if again, _ := b.Write(); !bytes.Equal(raw, again) {
		t.Error("not the same bytes")
	}
	c, err := modelfile.ReadBundle(raw)
	if err != nil {
		t.Fatal(err)
	}
	was, _ := json.Marshal(b.Models)
	is, _ := json.Marshal(c.Models)
	if !bytes.Equal(was, is) {
		t.Errorf("%s became %s", was, is)
	}
	if m, g, err := c.Named(modelfile.Recogniser); err != nil || m.Title != "B" || len(g.Outputs) != 1 {
		t.Errorf("%v %v", m, err)
	}
	if _, _, err := c.Named(modelfile.Mesh); !errors.Is(err, modelfile.ErrBroken) {
		t.Errorf("a model that is not there: %v", err)
	}
	for _, n := range []int{len(raw) / 4, len(raw) / 2, len(raw) * 3 / 4} {
		bad := bytes.Clone(raw)
		bad[n] ^= 1
		if _, err := modelfile.ReadBundle(bad); !errors.Is(err, modelfile.ErrBroken) {
			t.Errorf("byte %d changed: %v", n, err)
		}
	}
	if _, err := modelfile.ReadBundle(raw[:len(raw)-1]); !errors.Is(err, modelfile.ErrBroken) {
		t.Errorf("cut: %v", err)
	}
}

// exercise takes what was read through everything that the agent would do with it.
func exercise(t *testing.T, g *nn.Graph, err error) {
	if err != nil {
		if !known(err) {
			t.Fatalf("an error that nobody promised: %v", err)
		}
		return
	}
	g.Fuse()
	if g.Work() > 1<<18 || g.Input.Size() > 1<<14 || g.Weights() > 1<<18 {
		return
	}
	p, err := nn.Compile(g, nn.Options{})
	if err != nil {
		if !known(err) {
			t.Fatalf("an error that nobody promised: %v", err)
		}
		return
	}
	if a := nn.NewArena(p); a.Size() < 1<<22 {
		if err := p.Run(context.Background(), a); err != nil {
			t.Fatal(err)
		}
	}
}

func FuzzTFLite(f *testing.F) {
	f.Add(modelfiletest.TFLite(small(f)))
	f.Fuzz(func(t *testing.T, raw []byte) {
		g, err := modelfile.TFLite(raw)
		exercise(t, g, err)
	})
}

func FuzzONNX(f *testing.F) {
	f.Add(modelfiletest.ONNX(small(f)))
	f.Fuzz(func(t *testing.T, raw []byte) {
		g, err := modelfile.ONNX(raw)
		exercise(t, g, err)
	})
}

func FuzzTFJS(f *testing.F) {
	model, weights := modelfiletest.TFJS(small(f))
	f.Add(model, weights)
	f.Fuzz(func(t *testing.T, model, weights []byte) {
		g, err := modelfile.TFJS(model, weights)
		exercise(t, g, err)
	})
}

func FuzzUnpack(f *testing.F) {
	f.Add(modelfile.Pack(small(f)))
	f.Fuzz(func(t *testing.T, raw []byte) {
		g, err := modelfile.Unpack(raw)
		exercise(t, g, err)
	})
}
