package face

import (
	"bytes"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"

	"github.com/pelletier/go-toml/v2"

	"github.com/tapcheck/tapcheck/agent/face/modelfile"
	"github.com/tapcheck/tapcheck/agent/face/nn"
)

// Why a recogniser of one's own is not taken. Errors of the model file itself are those of package modelfile and package nn.
var (
	ErrDescriptor = errors.New("descriptor of the face model is wrong")
	ErrModelFile  = errors.New("face model does not fit")
	ErrChecksum   = errors.New("face model has another checksum than its descriptor says")
	ErrInputSize  = errors.New("face model has another input than its descriptor says")
	ErrDimension  = errors.New("face model has another dimension than its descriptor says")
)

// Descriptor is the file by which a hospital replaces the recogniser: TOML, beside the model file. Unknown keys are refused.
//
//	name = "sface-128"
//	file = "sface.onnx"      # in the same folder
//	format = "onnx"          # onnx, tflite, tfjs
//	sha256 = "…"             # of that file
//	input = 112              # pixels each way; faces are aligned as for ArcFace
//	colour = "rgb"           # rgb or bgr
//	mean = [127.5, 127.5, 127.5]
//	scale = 0.0078125        # (byte - mean) * scale goes in, mean in the order of colour
//	dim = 128
//	[thresholds]
//	low = { match = 0.55, review = 0.50 }
//	standard = { match = 0.60, review = 0.50 }
//	high = { match = 0.65, review = 0.55 }
//
// For tfjs, file is model.json, and weights and weights_sha256 name the file with its weights; several shards are put into one, in order.
type Descriptor struct {
	Name          string              `toml:"name"`
	File          string              `toml:"file"`
	Format        string              `toml:"format"`
	SHA256        string              `toml:"sha256"`
	Weights       string              `toml:"weights"`
	WeightsSHA256 string              `toml:"weights_sha256"`
	Input         int                 `toml:"input"`
	Colour        string              `toml:"colour"`
	Mean          []float64           `toml:"mean"`
	Scale         float64             `toml:"scale"`
	Dim           int                 `toml:"dim"`
	Thresholds    map[Level]Threshold `toml:"thresholds"`
}

// Bounds of a descriptor.
const (
	maxDescriptor = 16 << 10
	maxDim        = 4096
	minInput      = 32
	maxInput      = 256
)

var (
	modelName = regexp.MustCompile(`^[a-z0-9][a-z0-9._-]{0,63}$`)
	fileName  = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._-]{0,127}$`)
	hexSum    = regexp.MustCompile(`^[0-9a-f]{64}$`)
)

// check says what is wrong with a descriptor, if anything is.
func (d Descriptor) check() error {
	wrong := func(key, why string) error { return fmt.Errorf("%w: %s: %s", ErrDescriptor, key, why) }
	switch {
	case !modelName.MatchString(d.Name):
		return wrong("name", "up to 64 small letters, digits, dots and dashes")
	case !fileName.MatchString(d.File):
		return wrong("file", "the name of a file in the same folder")
	case d.Format != "onnx" && d.Format != "tflite" && d.Format != "tfjs":
		return wrong("format", "onnx, tflite or tfjs")
	case !hexSum.MatchString(d.SHA256):
		return wrong("sha256", "64 hexadecimal digits")
	case d.Format == "tfjs" && !fileName.MatchString(d.Weights):
		return wrong("weights", "the name of a file in the same folder")
	case d.Format == "tfjs" && !hexSum.MatchString(d.WeightsSHA256):
		return wrong("weights_sha256", "64 hexadecimal digits")
	case d.Format != "tfjs" && d.Weights+d.WeightsSHA256 != "":
		return wrong("weights", "only tfjs has a second file")
	case d.Input < minInput || d.Input > maxInput:
		return wrong("input", fmt.Sprintf("%d to %d pixels", minInput, maxInput))
	case d.Colour != "rgb" && d.Colour != "bgr":
		return wrong("colour", "rgb or bgr")
	case len(d.Mean) != 3:
		return wrong("mean", "three numbers")
	case d.Dim < 16 || d.Dim > maxDim:
		return wrong("dim", fmt.Sprintf("16 to %d", maxDim))
	case !(d.Scale > 0 && d.Scale <= 1):
		return wrong("scale", "above 0, up to 1")
	case len(d.Thresholds) != 3:
		return wrong("thresholds", "low, standard and high")
	}
	for _, m := range d.Mean {
		if !(m >= 0 && m <= 255) {
			return wrong("mean", "0 to 255")
		}
	}
	before := Threshold{}
	for _, l := range []Level{LevelLow, LevelStandard, LevelHigh} {
		t, ok := d.Thresholds[l]
		switch {
		case !ok:
			return wrong("thresholds", "low, standard and high")
		case !(t.Review > 0 && t.Review <= t.Match && t.Match < 1):
			return wrong("thresholds."+string(l), "0 < review <= match < 1")
		case t.Match < before.Match || t.Review < before.Review:
			return wrong("thresholds."+string(l), "below those of the level before")
		}
		before = t
	}
	return nil
}

// recogniser is the network that makes templates.
type recogniser struct {
	Descriptor
	program *nn.Program
}

func (r recogniser) info() ModelInfo {
	sum := r.SHA256
	if r.Format == "tfjs" {
		sum = r.WeightsSHA256
	}
	thresholds := map[Level]Threshold{}
	for l, t := range r.Thresholds {
		thresholds[l] = t
	}
	return ModelInfo{Name: r.Name + "/" + sum[:8], SHA256: sum, Dim: r.Dim, Thresholds: thresholds}
}

// shipped is our own recogniser. The thresholds come from what was measured with it on the pictures of LFW: false matches among strangers, and
// among those of East and South-East Asian names, are at 0.55 1 in 18,000 and 1 in 900, at 0.60 1 in 120,000 and 1 in 7,900, at 0.65 1 in
// 670,000 and 1 in 7,900 (one pair; more cannot be told from so few).
var shipped = Descriptor{
	Name: "mobilefacenet-192", File: "mobilefacenet.tflite", Format: "tflite", Input: 112, Colour: "rgb",
	Mean: []float64{127.5, 127.5, 127.5}, Scale: 1. / 128, Dim: 192,
	Thresholds: map[Level]Threshold{LevelLow: {0.55, 0.50}, LevelStandard: {0.60, 0.50}, LevelHigh: {0.65, 0.55}},
}

func bundled(b modelfile.Bundle, o nn.Options) (recogniser, error) {
	m, g, err := b.Named(modelfile.Recogniser)
	if err != nil {
		return recogniser{}, err
	}
	d := shipped
	d.SHA256 = m.SHA256
	return d.with(g, o)
}

// with makes the recogniser of a network that has been read.
func (d Descriptor) with(g *nn.Graph, o nn.Options) (recogniser, error) {
	if err := d.check(); err != nil {
		return recogniser{}, err
	}
	if want := (nn.Shape{H: d.Input, W: d.Input, C: 3}); g.Input != want {
		return recogniser{}, fmt.Errorf("%w: %v, not %v", ErrInputSize, g.Input, want)
	}
	if len(g.Outputs) != 1 {
		return recogniser{}, fmt.Errorf("%w: %d outputs", ErrModelFile, len(g.Outputs))
	}
	if n := g.ShapeOf(g.Outputs[0].Value).Size(); n != d.Dim {
		return recogniser{}, fmt.Errorf("%w: %d, not %d", ErrDimension, n, d.Dim)
	}
	p, err := nn.Compile(g, o)
	if err != nil {
		return recogniser{}, err
	}
	return recogniser{Descriptor: d, program: p}, nil
}

// readDescriptor reads and checks a descriptor, without the model.
func readDescriptor(file string) (Descriptor, error) {
	raw, err := readBounded(file, maxDescriptor)
	if err != nil {
		return Descriptor{}, err
	}
	return parseDescriptor(raw)
}

func parseDescriptor(raw []byte) (d Descriptor, err error) {
	dec := toml.NewDecoder(bytes.NewReader(raw))
	dec.DisallowUnknownFields()
	if err := dec.Decode(&d); err != nil {
		return d, fmt.Errorf("%w: %v", ErrDescriptor, err)
	}
	return d, d.check()
}

// replaced loads the recogniser that a descriptor names.
func replaced(file string, o nn.Options) (recogniser, error) {
	d, err := readDescriptor(file)
	if err != nil {
		return recogniser{}, err
	}
	read := func(name, sum string) ([]byte, error) {
		raw, err := readBounded(filepath.Join(filepath.Dir(file), name), modelfile.MaxBytes)
		if err != nil {
			return nil, err
		}
		got := sha256.Sum256(raw)
		if subtle.ConstantTimeCompare([]byte(hex.EncodeToString(got[:])), []byte(sum)) != 1 {
			return nil, fmt.Errorf("%w: %s is %x", ErrChecksum, name, got)
		}
		return raw, nil
	}
	raw, err := read(d.File, d.SHA256)
	if err != nil {
		return recogniser{}, err
	}
	var g *nn.Graph
	switch d.Format {
	case "tflite":
		g, err = modelfile.TFLite(raw)
	case "onnx":
		g, err = modelfile.ONNX(raw)
	case "tfjs":
		var weights []byte
		if weights, err = read(d.Weights, d.WeightsSHA256); err == nil {
			g, err = modelfile.TFJS(raw, weights)
		}
	}
	if err != nil {
		return recogniser{}, err
	}
	g.Fuse()
	return d.with(g, o)
}

// readBounded reads a file that may not be larger than that.
func readBounded(file string, most int) ([]byte, error) {
	f, err := os.Open(file)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrModelFile, err)
	}
	defer f.Close()
	if s, err := f.Stat(); err != nil || !s.Mode().IsRegular() {
		return nil, fmt.Errorf("%w: %s is no file", ErrModelFile, filepath.Base(file))
	}
	raw, err := io.ReadAll(io.LimitReader(f, int64(most)+1))
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrModelFile, err)
	}
	if len(raw) > most {
		return nil, fmt.Errorf("%w: %s", modelfile.ErrTooLarge, filepath.Base(file))
	}
	return raw, nil
}
