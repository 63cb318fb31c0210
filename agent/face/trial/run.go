// Package trial measures a face verification: how often it takes one person for another or a person for somebody else, on the
// pictures of people who agreed to it, with the uncertainty that so many pictures leave; how often a picture cannot be used and
// why; how long it takes and what it costs; and what the attack checks make of attacks that are simulated.
//
// A hospital can run it with its own staff: tapcheck face bench. Nothing of a picture is written anywhere.
package trial

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"

	"github.com/tapcheck/tapcheck/agent/face"
)

// Decode turns a file into pixels. The error's text is a reason id, as for the face check.
type Decode func(ctx context.Context, path string, data []byte, photo bool) (face.Image, error)

// maxFile bounds one picture's file; whoever decodes has tighter bounds.
const maxFile = 8 << 20

// Options of Run.
type Options struct {
	Dir    string // with PairsFile
	Decode Decode
	Engine *face.Engine
	Done   func(pictures, of int) // may be nil
}

// Failure is a picture that could not be used.
type Failure struct {
	Path    string
	Photo   bool   // of a chip; otherwise a live one
	Finding string // id
}

// Group is the scores of one value of one of the list's groups.
type Group struct {
	Name, Value string
	Scores
}

// Report is what was measured. Rates treat comparisons as independent; those that share a person are not, so that intervals over
// impostors are too narrow where few people make many pairs.
type Report struct {
	Model        face.ModelInfo
	Scores       Scores
	Groups       []Group
	Photos, Live Rate // failures to acquire, of distinct pictures
	Failures     []Failure
	Warned       map[string]int // pictures that were used in spite of a finding, by id
	Left         Rate           // comparisons that could not be made because of a picture
	LeftGenuine  Rate
}

// Run measures. Errors are those of the list, of the engine, or the context's; a picture that cannot be used is no error.
func Run(ctx context.Context, o Options) (*Report, error) {
	file, err := os.Open(filepath.Join(o.Dir, PairsFile))
	if err != nil {
		return nil, err
	}
	list, err := ReadPairs(file)
	if c := file.Close(); err == nil {
		err = c
	}
	if err != nil {
		return nil, fmt.Errorf("%s: %w", PairsFile, err)
	}
	r := &Report{Model: o.Engine.Model(), Warned: map[string]int{}}
	type picture struct {
		path  string
		photo bool
	}
	templates := map[picture]face.Template{}
	var all []picture
	for _, p := range list.Pairs {
		for _, one := range []picture{{p.Chip, true}, {p.Live, false}} {
			if _, known := templates[one]; !known {
				templates[one] = nil
				all = append(all, one)
			}
		}
	}
	for i, p := range all {
		t, report, err := o.template(ctx, p.path, p.photo)
		if err != nil {
			return nil, err
		}
		templates[p] = t
		of := &r.Live
		if p.photo {
			of = &r.Photos
		}
		of.Of++
		if t == nil {
			of.Count++
			r.Failures = append(r.Failures, Failure{Path: p.path, Photo: p.photo, Finding: report.Findings[0].ID})
		} else {
			warned := map[string]bool{}
			for _, f := range report.Findings {
				warned[f.ID] = true
			}
			for id := range warned {
				r.Warned[id]++
			}
		}
		if o.Done != nil {
			o.Done(i+1, len(all))
		}
	}
	var genuine, impostor []float64
	type key struct{ name, value string }
	groups := map[key]*Group{}
	for _, p := range list.Pairs {
		r.Left.Of++
		if p.Same {
			r.LeftGenuine.Of++
		}
		a, b := templates[picture{p.Chip, true}], templates[picture{p.Live, false}]
		if a == nil || b == nil {
			r.Left.Count++
			if p.Same {
				r.LeftGenuine.Count++
			}
			continue
		}
		s := face.Similarity(a, b)
		into := &impostor
		if p.Same {
			into = &genuine
		}
		*into = append(*into, s)
		for i, v := range p.Groups {
			k := key{list.Groups[i], v}
			g := groups[k]
			if g == nil {
				g = &Group{Name: k.name, Value: k.value}
				groups[k] = g
			}
			if p.Same {
				g.Genuine = append(g.Genuine, s)
			} else {
				g.Impostor = append(g.Impostor, s)
			}
		}
	}
	r.Scores = newScores(genuine, impostor)
	for _, g := range groups {
		g.Scores = newScores(g.Genuine, g.Impostor)
		r.Groups = append(r.Groups, *g)
	}
	slices.SortFunc(r.Groups, func(a, b Group) int {
		return cmp.Or(cmp.Compare(slices.Index(list.Groups, a.Name), slices.Index(list.Groups, b.Name)), cmp.Compare(a.Value, b.Value))
	})
	return r, nil
}

// template is nil for a picture that cannot be used; the report then says why.
func (o Options) template(ctx context.Context, path string, photo bool) (face.Template, face.Report, error) {
	not := func(id string) (face.Template, face.Report, error) {
		return nil, face.Report{Findings: []face.Finding{{ID: id}}}, nil
	}
	data, err := ReadFile(filepath.Join(o.Dir, filepath.FromSlash(path)))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, face.Report{}, fmt.Errorf("%s names a picture that is not there", PairsFile)
	}
	if err != nil {
		return nil, face.Report{}, err
	}
	img, err := o.Decode(ctx, path, data, photo)
	clear(data)
	if ctx.Err() != nil {
		return nil, face.Report{}, ctx.Err()
	}
	if err != nil {
		return not(err.Error())
	}
	defer clear(img.Pix)
	faces, err := o.Engine.Find(ctx, img)
	if errors.Is(err, face.ErrImage) {
		return not(face.PictureTooSmall)
	}
	if err != nil {
		return nil, face.Report{}, err
	}
	report := face.Assess(img, faces, photo)
	if !report.Usable {
		return nil, report, nil
	}
	t, err := o.Engine.Embed(ctx, img, faces[0])
	if errors.Is(err, face.ErrNoFace) {
		return not(face.NoFace)
	}
	return t, report, err
}

// ReadFile reads a picture's file, up to 8 MiB.
func ReadFile(path string) ([]byte, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() || info.Size() > maxFile {
		return nil, errors.New("a picture is no file, or larger than 8 MiB")
	}
	return os.ReadFile(path)
}
