package face

import (
	"context"
	"embed"
	"fmt"
	"io/fs"

	"github.com/tapcheck/tapcheck/agent/face/modelfile"
	"github.com/tapcheck/tapcheck/agent/face/nn"
)

// The folder holds the bundle when `make models` has made it, and a file that says so when it has not.
//
//go:embed models
var embedded embed.FS

// folder is embedded; tests put another one there.
var folder fs.ReadFileFS = embedded

const bundleFile = "models/face.zip"

// models are the three networks, ready to run.
type models struct {
	detector, mesh network
	recogniser     recogniser
	out            int // numbers of the largest outputs
}

// network is a program and which of its outputs is which.
type network struct {
	program *nn.Program
	outputs []int
}

// Bundled gives the file with the models that this program carries, or ErrNoModels.
func Bundled() ([]byte, error) {
	raw, err := folder.ReadFile(bundleFile)
	if err != nil {
		return nil, ErrNoModels
	}
	return raw, nil
}

func loadModels(ctx context.Context, o Options) (*models, error) {
	raw, err := Bundled()
	if err != nil {
		return nil, err
	}
	m := &models{out: 896 * 17}
	options := nn.Options{NoVector: o.NoVector}
	if o.ModelFile != "" { // first, because a file of somebody else's is likelier to be wrong
		if m.recogniser, err = replaced(o.ModelFile, options); err != nil {
			return nil, err
		}
	}
	bundle, err := modelfile.ReadBundle(raw)
	if err != nil {
		return nil, err
	}
	if o.ModelFile == "" {
		if m.recogniser, err = bundled(bundle, options); err != nil {
			return nil, err
		}
	}
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	_, g, err := bundle.Named(modelfile.Detector)
	if err != nil {
		return nil, err
	}
	if m.detector, err = compile(g, options, nn.Shape{H: detectorSide, W: detectorSide, C: 3}, 512, 384, 512*16, 384*16); err != nil {
		return nil, err
	}
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	if _, g, err = bundle.Named(modelfile.Mesh); err != nil {
		return nil, err
	}
	if m.mesh, err = compile(g, options, nn.Shape{H: meshSide, W: meshSide, C: 3}, 1, 3*meshPoints); err != nil {
		return nil, err
	}
	return m, ctx.Err()
}

// compile makes a network that has an output of each of the sizes.
func compile(g *nn.Graph, o nn.Options, in nn.Shape, sizes ...int) (n network, err error) {
	if n.program, err = nn.Compile(g, o); err != nil {
		return n, err
	}
	if n.program.InputShape() != in {
		return n, fmt.Errorf("%w: input of %v, want %v", ErrModelFile, n.program.InputShape(), in)
	}
	_, shapes := n.program.Outputs()
	for _, size := range sizes {
		found := -1
		for i, s := range shapes {
			if s.Size() == size {
				found = i
			}
		}
		if found < 0 {
			return n, fmt.Errorf("%w: no output of %d numbers", ErrModelFile, size)
		}
		n.outputs = append(n.outputs, found)
	}
	return n, nil
}
