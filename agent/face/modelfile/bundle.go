package modelfile

import (
	"archive/zip"
	"bytes"
	"encoding/json"
	"io"
	"path"

	"github.com/tapcheck/tapcheck/agent/face/nn"
)

// Names of the models in a bundle.
const (
	Detector   = "detector"
	Mesh       = "mesh"
	Recogniser = "recogniser"
)

// Bundle is the models that a program carries, in one file: a zip without compression, with the packed graph of each, who made it and under
// which licence. It is the same bytes each time it is written.
type Bundle struct {
	Models []Model
}

// Model is one model of a bundle.
type Model struct {
	Name    string            `json:"name"`    // Detector, Mesh or Recogniser
	Title   string            `json:"title"`   // by which it is known
	Package string            `json:"package"` // of npm, from which it was fetched
	Version string            `json:"version"`
	Files   map[string]string `json:"files"`           // of the package, with their SHA-256 in hexadecimal
	SHA256  string            `json:"sha256"`          // of the file with the weights
	Licence string            `json:"licence"`         // SPDX id, of the weights
	Notice  string            `json:"notice"`          // who holds rights in it
	Open    string            `json:"open,omitempty"`  // what a person still has to decide about it
	Texts   []string          `json:"texts,omitempty"` // of its licences

	Graph []byte `json:"-"` // packed
}

const (
	bundleIndex = "models.json"
	maxIndex    = 256 << 10
)

// Write makes the file.
func (b Bundle) Write() ([]byte, error) {
	var out bytes.Buffer
	z := zip.NewWriter(&out)
	put := func(name string, data []byte) error {
		w, err := z.CreateHeader(&zip.FileHeader{Name: name, Method: zip.Store})
		if err != nil {
			return err
		}
		_, err = w.Write(data)
		return err
	}
	index, err := json.MarshalIndent(b.Models, "", "  ")
	if err != nil {
		return nil, err
	}
	if err := put(bundleIndex, index); err != nil {
		return nil, err
	}
	for _, m := range b.Models {
		if err := put(m.Name+".nn", m.Graph); err != nil {
			return nil, err
		}
	}
	if err := z.Close(); err != nil {
		return nil, err
	}
	return out.Bytes(), nil
}

// ReadBundle reads the file. Checksums of its parts are checked.
func ReadBundle(data []byte) (Bundle, error) {
	var b Bundle
	if len(data) > MaxBytes {
		return b, ErrTooLarge
	}
	z, err := zip.NewReader(bytes.NewReader(data), int64(len(data)))
	if err != nil {
		return b, broken("bundle: %v", err)
	}
	get := func(name string, most int64) ([]byte, error) {
		f, err := z.Open(path.Clean(name))
		if err != nil {
			return nil, broken("bundle: %v", err)
		}
		defer f.Close()
		raw, err := io.ReadAll(io.LimitReader(f, most+1))
		switch {
		case err != nil:
			return nil, broken("bundle: %s: %v", name, err)
		case int64(len(raw)) > most:
			return nil, ErrTooLarge
		}
		return raw, nil
	}
	index, err := get(bundleIndex, maxIndex)
	if err != nil {
		return b, err
	}
	if err := json.Unmarshal(index, &b.Models); err != nil {
		return b, broken("bundle: %v", err)
	}
	for i := range b.Models {
		if b.Models[i].Graph, err = get(b.Models[i].Name+".nn", MaxBytes); err != nil {
			return b, err
		}
	}
	return b, nil
}

// Named is the graph of a model.
func (b Bundle) Named(name string) (Model, *nn.Graph, error) {
	for _, m := range b.Models {
		if m.Name == name {
			g, err := Unpack(m.Graph)
			return m, g, err
		}
	}
	return Model{}, nil, broken("bundle: no %s", name)
}
