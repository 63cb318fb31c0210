package face

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/tapcheck/tapcheck/agent/face/modelfile"
	"github.com/tapcheck/tapcheck/agent/face/modelfile/modelfiletest"
	"github.com/tapcheck/tapcheck/agent/face/nn"
)

// own is a descriptor of our own recogniser in another file.
const own = `name = "our-own"
file = "model.FORMAT"
format = "FORMAT"
sha256 = "SUM"
input = 112
colour = "rgb"
mean = [127.5, 127.5, 127.5]
scale = 0.0078125
dim = 192
[thresholds]
low = { match = 0.51, review = 0.50 }
standard = { match = 0.61, review = 0.50 }
high = { match = 0.71, review = 0.55 }
`

// descriptor writes a model and its descriptor into a folder of its own, with lines of the descriptor changed, old and new in turn.
func descriptor(t *testing.T, format string, model []byte, changes ...string) string {
	t.Helper()
	dir := t.TempDir()
	text := strings.NewReplacer("FORMAT", format, "SUM", fmt.Sprintf("%x", sha256.Sum256(model))).Replace(own)
	for i := 0; i+1 < len(changes); i += 2 {
		if !strings.Contains(text, changes[i]) {
			t.Fatalf("no %q in the descriptor", changes[i])
		}
		text = strings.Replace(text, changes[i], changes[i+1], 1)
	}
	for name, data := range map[string][]byte{"model." + format: model, "face.toml": []byte(text)} {
		if err := os.WriteFile(filepath.Join(dir, name), data, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return filepath.Join(dir, "face.toml")
}

// bundledGraph is the recogniser that this test was built with.
func bundledGraph(t *testing.T) *nn.Graph {
	t.Helper()
	raw, err := Bundled()
	if errors.Is(err, ErrNoModels) {
		t.Fatal("built without face models: make models")
	}
	b, err := modelfile.ReadBundle(raw)
	if err != nil {
		t.Fatal(err)
	}
	_, g, err := b.Named(modelfile.Recogniser)
	if err != nil {
		t.Fatal(err)
	}
	return g
}

// TestReplaced: our own recogniser, put in its own place by a file of each format, gives the same templates, under the name and the thresholds
// of its descriptor.
func TestReplaced(t *testing.T) {
	g := bundledGraph(t)
	m := noise(300, 300)
	template := func(o Options) Template {
		t.Helper()
		e := engine(t, o)
		if o.ModelFile != "" {
			if i := e.Model(); !strings.HasPrefix(i.Name, "our-own/") || i.Name[8:] != i.SHA256[:8] || i.Dim != 192 || i.Thresholds[LevelHigh] != (Threshold{0.71, 0.55}) {
				t.Errorf("it is called %+v", i)
			}
		}
		v, err := e.Embed(context.Background(), m, posed(1.5, -0.2, 50, 80))
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
	want := template(Options{})
	// TensorFlow.js has no operation that makes a length of 1. The engine does it anyway.
	bare := &nn.Graph{Input: g.Input, Nodes: g.Nodes[:len(g.Nodes)-1], Outputs: []nn.Output{{Name: "embedding", Value: len(g.Nodes) - 1}}}
	if last := g.Nodes[len(g.Nodes)-1]; last.Op != nn.OpNormalise || g.Outputs[0].Value != len(g.Nodes) {
		t.Fatalf("the recogniser ends with operation %d", last.Op)
	}
	model, weights := modelfiletest.TFJS(bare)
	tfjs := descriptor(t, "tfjs", model, "input = 112", fmt.Sprintf("weights = \"weights.bin\"\nweights_sha256 = \"%x\"\ninput = 112", sha256.Sum256(weights)))
	if err := os.WriteFile(filepath.Join(filepath.Dir(tfjs), "weights.bin"), weights, 0o600); err != nil {
		t.Fatal(err)
	}
	files := map[string]string{"onnx": descriptor(t, "onnx", modelfiletest.ONNX(g)), "tflite": descriptor(t, "tflite", modelfiletest.TFLite(g)), "tfjs": tfjs}
	// The file itself, as it was published.
	if raw, err := os.ReadFile(filepath.Join("..", "..", ".tapcheck", "models", "mobilefacenet.tflite")); err == nil {
		files["as published"] = descriptor(t, "tflite", raw)
	} else {
		t.Log("without the published file: this tree has the models from elsewhere")
	}
	for name, file := range files {
		got := template(Options{ModelFile: file})
		for i := range got {
			if math.Abs(float64(got[i]-want[i])) > 1e-5 {
				t.Fatalf("%s: number %d is %g, want %g", name, i, got[i], want[i])
			}
		}
	}
	// Colours the other way round are another face.
	if s := Similarity(template(Options{ModelFile: descriptor(t, "onnx", modelfiletest.ONNX(g), `"rgb"`, `"bgr"`)}), want); s > 0.99 {
		t.Errorf("red and blue changed places: %g", s)
	}
}

// TestNotReplaced: every way in which a recogniser of one's own can be wrong has its error.
func TestNotReplaced(t *testing.T) {
	model := modelfiletest.TFLite(bundledGraph(t))
	for name, c := range map[string]struct {
		file string
		want error
		says string
	}{
		"another file":            {descriptor(t, "tflite", model, `sha256 = "`, `sha256 = "0000000000000000000000000000000000000000000000000000000000000000" #`), ErrChecksum, "model.tflite"},
		"another input":           {descriptor(t, "tflite", model, "input = 112", "input = 160"), ErrInputSize, "112x112x3"},
		"another dimension":       {descriptor(t, "tflite", model, "dim = 192", "dim = 512"), ErrDimension, "192"},
		"cut":                     {descriptor(t, "tflite", model[:len(model)/2]), modelfile.ErrBroken, ""},
		"a picture":               {descriptor(t, "tflite", []byte("\x89PNG, and more")), modelfile.ErrBroken, "TensorFlow Lite"},
		"another format":          {descriptor(t, "onnx", model), modelfile.ErrBroken, ""},
		"no such file":            {descriptor(t, "tflite", model, `"model.tflite"`, `"other.tflite"`), ErrModelFile, "other.tflite"},
		"no descriptor":           {filepath.Join(t.TempDir(), "face.toml"), ErrModelFile, "face.toml"},
		"a folder":                {t.TempDir(), ErrModelFile, ""},
		"not TOML":                {descriptor(t, "tflite", nil, "name = ", "name "), ErrDescriptor, ""},
		"a word too many":         {descriptor(t, "tflite", nil, "input = 112", "input = 112\nsize = 112"), ErrDescriptor, ""},
		"out of its folder":       {descriptor(t, "tflite", nil, `"model.tflite"`, `"../model.tflite"`), ErrDescriptor, "file"},
		"no name":                 {descriptor(t, "tflite", nil, `"our-own"`, `""`), ErrDescriptor, "name"},
		"a name that misleads":    {descriptor(t, "tflite", nil, `"our-own"`, `"a/b"`), ErrDescriptor, "name"},
		"unknown format":          {descriptor(t, "tflite", nil, `format = "tflite"`, `format = "caffe"`), ErrDescriptor, "format"},
		"checksum cut":            {descriptor(t, "tflite", nil, `sha256 = "`, `sha256 = "ab" #`), ErrDescriptor, "sha256"},
		"colour":                  {descriptor(t, "tflite", nil, `"rgb"`, `"grey"`), ErrDescriptor, "colour"},
		"mean of one":             {descriptor(t, "tflite", nil, "[127.5, 127.5, 127.5]", "[127.5]"), ErrDescriptor, "mean"},
		"mean out of bytes":       {descriptor(t, "tflite", nil, "[127.5, 127.5, 127.5]", "[127.5, 127.5, 300.0]"), ErrDescriptor, "mean"},
		"mean not a number":       {descriptor(t, "tflite", nil, "[127.5, 127.5, 127.5]", "[127.5, 127.5, nan]"), ErrDescriptor, "mean"},
		"no scale":                {descriptor(t, "tflite", nil, "scale = 0.0078125", "scale = 0.0"), ErrDescriptor, "scale"},
		"scale not a number":      {descriptor(t, "tflite", nil, "scale = 0.0078125", "scale = nan"), ErrDescriptor, "scale"},
		"input too large":         {descriptor(t, "tflite", nil, "input = 112", "input = 4096"), ErrDescriptor, "input"},
		"dimension too large":     {descriptor(t, "tflite", nil, "dim = 192", "dim = 1000000"), ErrDescriptor, "dim"},
		"no thresholds":           {descriptor(t, "tflite", nil, "low = {", "lower = {"), ErrDescriptor, "thresholds"},
		"a level too few":         {descriptor(t, "tflite", nil, "low = { match = 0.51, review = 0.50 }\n", ""), ErrDescriptor, "thresholds"},
		"review above match":      {descriptor(t, "tflite", nil, "match = 0.61", "match = 0.31"), ErrDescriptor, "thresholds.standard"},
		"high below standard":     {descriptor(t, "tflite", nil, "match = 0.71", "match = 0.60"), ErrDescriptor, "thresholds.high"},
		"a match of everything":   {descriptor(t, "tflite", nil, "match = 0.51, review = 0.50", "match = 0.51, review = 0.0"), ErrDescriptor, "thresholds.low"},
		"weights without a need":  {descriptor(t, "tflite", nil, "input = 112", "input = 112\nweights = \"w.bin\""), ErrDescriptor, "weights"},
		"weights that are needed": {descriptor(t, "tflite", nil, `format = "tflite"`, `format = "tfjs"`), ErrDescriptor, "weights"},
	} {
		_, err := Load(context.Background(), Options{ModelFile: c.file})
		if !errors.Is(err, c.want) || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%s: %v, want %v with %q", name, err, c.want, c.says)
		}
	}
}

// TestManual: the description in the manual is one.
func TestManual(t *testing.T) {
	for _, language := range []string{"en", "vi"} {
		raw, err := os.ReadFile(filepath.Join("..", "console", "manual", language, "face.md"))
		if err != nil {
			t.Fatal(err)
		}
		_, text, _ := strings.Cut(string(raw), "```\nname = ")
		text, _, whole := strings.Cut(text, "```")
		if d, err := parseDescriptor([]byte("name = " + text)); err != nil || !whole || d.Format != "onnx" {
			t.Errorf("%s: %v", language, err)
		}
	}
}

func FuzzDescriptor(f *testing.F) {
	f.Add([]byte(own))
	f.Fuzz(func(t *testing.T, raw []byte) {
		d, err := parseDescriptor(raw)
		if err != nil && !errors.Is(err, ErrDescriptor) {
			t.Fatal(err)
		}
		if err == nil && (filepath.Base(d.File) != d.File || len(d.Mean) != 3 || len(d.Thresholds) != 3) {
			t.Fatalf("it lets through %+v", d)
		}
	})
}
