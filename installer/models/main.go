// Command models makes the file with the face models that the program carries, from files of the package registry.
//
//	go run ./installer/models list          prints what to fetch, a line each: package, version, file, SHA-256, name
//	go run ./installer/models make DIR FILE  makes the bundle FILE of what lies in DIR under those names
//
// It is run in the project's folder. Each file is the one with the checksum below, or there is no bundle; the same files give the same bytes. installer/setup.sh models does both.
package main

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"os"
	"path/filepath"
	"slices"

	"github.com/tapcheck/tapcheck/agent/face/modelfile"
	"github.com/tapcheck/tapcheck/agent/face/nn"
)

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// source is a model and where it comes from.
type source struct {
	modelfile.Model
	files   []file
	licence []file // of which the text goes into the bundle
	read    func(files [][]byte) (*nn.Graph, error)
}

// file is one of its files; the one with the weights is the last.
type file struct{ path, sum, as string }

const mediapipe = "BlazeFace and FaceMesh are models of MediaPipe. Copyright The MediaPipe Authors (Google), Apache License 2.0, converted to TensorFlow.js and " +
	"distributed with Human, Copyright Vladimir Mandic, MIT License."

// human is the licence of the package with BlazeFace and FaceMesh.
var human = []file{{"LICENSE", "9a3442b79acaf4fbc7c2e07b7e2d8f84af9bb3871bf08a69d80304ab00640e9a", "human-license.txt"}}

var sources = []source{
	{
		Model: modelfile.Model{Name: modelfile.Detector, Title: "BlazeFace", Package: "@vladmandic/human", Version: "3.3.6", Licence: "Apache-2.0", Notice: mediapipe},
		files: []file{
			{"models/blazeface.json", "cd7bbfc078270572beb39f9e5ae67aadbd50b5e67cff37e6d4f6b3ea39312e5f", "blazeface.json"},
			{"models/blazeface.bin", "dc9a97fdc50bc43216554bdd69aa3e7b9361a519ee7bdd996a2f69a98a6f9b72", "blazeface.bin"},
		},
		licence: human,
		read:    tfjs,
	},
	{
		Model: modelfile.Model{Name: modelfile.Mesh, Title: "FaceMesh", Package: "@vladmandic/human", Version: "3.3.6", Licence: "Apache-2.0", Notice: mediapipe},
		files: []file{
			{"models/facemesh.json", "b60ca26f404724f43bd2b1575761d8265180e1f053cc0731caa68462927309e7", "facemesh.json"},
			{"models/facemesh.bin", "3826da640b0a3021161605369ee6af293f75d518040355b960ec71a3390c1c0b", "facemesh.bin"},
		},
		licence: human,
		read:    tfjs,
	},
	{
		Model: modelfile.Model{
			Name: modelfile.Recogniser, Title: "MobileFaceNet", Package: "capacitor-face-recognition", Version: "0.1.4", Licence: "Apache-2.0",
			Notice: "MobileFaceNet as trained by sirius-ai (MobileFaceNet_TF), Apache License 2.0; the package that distributes it names MIT for its own code and holds no licence file.",
			Open: "OPEN: the weights were trained on MS1M-refine-v2, a set of pictures derived from MS-Celeb-1M, which was withdrawn and was for research. Whether weights made from it may be used " +
				"is for a person to decide; a hospital can put another recogniser in their place (settings [face] model_file).",
		},
		files: []file{{"android/src/main/assets/mobilefacenet.tflite", "b67366e085ec9f6c2afb05c10397a46edeb823367abaec77f64f5ce946ac2847", "mobilefacenet.tflite"}},
		read:  func(f [][]byte) (*nn.Graph, error) { return modelfile.TFLite(f[0]) },
	},
}

func tfjs(f [][]byte) (*nn.Graph, error) { return modelfile.TFJS(f[0], f[1]) }

func run(args []string) error {
	switch {
	case len(args) == 1 && args[0] == "list":
		for _, s := range sources {
			for _, f := range slices.Concat(s.files, s.licence) {
				fmt.Println(s.Package, s.Version, f.path, f.sum, f.as)
			}
		}
		return nil
	case len(args) == 3 && args[0] == "make":
		apache, err := os.ReadFile("LICENSE") // ours, and that of the weights
		if err != nil {
			return err
		}
		raw, err := bundle(args[1], string(apache))
		if err != nil {
			return err
		}
		return write(args[2], raw)
	}
	return fmt.Errorf("usage: models list | models make DIR FILE")
}

// bundle packs what lies in dir. apache is the text of the licence that the weights are under.
func bundle(dir, apache string) ([]byte, error) {
	read := func(f file) ([]byte, error) {
		data, err := os.ReadFile(filepath.Join(dir, f.as))
		if err != nil {
			return nil, err
		}
		if sum := sha256.Sum256(data); hex.EncodeToString(sum[:]) != f.sum {
			return nil, fmt.Errorf("%s: SHA-256 %x is not %s", f.as, sum, f.sum)
		}
		return data, nil
	}
	var b modelfile.Bundle
	for _, s := range sources {
		m := s.Model
		m.Files = map[string]string{}
		var raw [][]byte
		for _, f := range s.files {
			data, err := read(f)
			if err != nil {
				return nil, err
			}
			m.Files[f.path], m.SHA256 = f.sum, f.sum
			raw = append(raw, data)
		}
		m.Texts = []string{apache}
		for _, f := range s.licence {
			text, err := read(f)
			if err != nil {
				return nil, err
			}
			m.Texts = append(m.Texts, string(text))
		}
		g, err := s.read(raw)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", m.Title, err)
		}
		g.Fuse()
		m.Graph = modelfile.Pack(g)
		b.Models = append(b.Models, m)
	}
	return b.Write()
}

// write leaves a file that is the same as it is: what is built from it is then not built again.
func write(name string, data []byte) error {
	if old, err := os.ReadFile(name); err == nil && string(old) == string(data) {
		return nil
	}
	tmp := name + ".new"
	if err := os.WriteFile(tmp, data, 0o644); err != nil {
		return err
	}
	return os.Rename(tmp, name)
}
