package main

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"strings"

	"github.com/tapcheck/tapcheck/agent/face/modelfile"
)

// bundle is the file with the face models that a build puts into the program, seen from the project's folder.
const bundle = "agent/face/models/face.zip"

// modelsIn finds the face models that are in a program: those of the tree, when their bytes are in it. A program that was built without
// has none.
func modelsIn(program string) ([]modelfile.Model, error) {
	raw, err := os.ReadFile(bundle)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	} else if err != nil {
		return nil, err
	}
	exe, err := os.ReadFile(program)
	if err != nil {
		return nil, err
	}
	if !bytes.Contains(exe, raw) {
		return nil, nil
	}
	b, err := modelfile.ReadBundle(raw)
	return b.Models, err
}

// modelNotices are the notices of the face models, after those of the modules.
func modelNotices(weights []modelfile.Model) string {
	var b strings.Builder
	for _, m := range weights {
		fmt.Fprintf(&b, "\n%s\n%s, weights of a face model, converted from %s %s (npm)\n", strings.Repeat("=", 100), m.Title, m.Package, m.Version)
		for _, f := range files(m) {
			fmt.Fprintf(&b, "%s  SHA-256 %s\n", f, m.Files[f])
		}
		fmt.Fprintf(&b, "%s\n%s\n", m.Licence, m.Notice)
		if m.Open != "" {
			fmt.Fprintf(&b, "%s\n", m.Open)
		}
		for _, text := range m.Texts {
			fmt.Fprintf(&b, "%s\n%s\n", strings.Repeat("-", 100), strings.TrimRight(strings.ReplaceAll(text, "\r\n", "\n"), "\n"))
		}
	}
	return b.String()
}

func files(m modelfile.Model) (list []string) {
	for f := range m.Files {
		list = append(list, f)
	}
	slices.Sort(list)
	return list
}

// modelComponent is a face model in the bill of materials.
func modelComponent(m modelfile.Model) map[string]any {
	type object = map[string]any
	purl := "pkg:npm/" + strings.Replace(m.Package, "@", "%40", 1) + "@" + m.Version
	properties := []object{{"name": "tapcheck:notice", "value": m.Notice}}
	for _, f := range files(m) {
		properties = append(properties, object{"name": "tapcheck:file", "value": f + " sha256:" + m.Files[f]})
	}
	if m.Open != "" {
		properties = append(properties, object{"name": "tapcheck:licence", "value": m.Open})
	}
	return object{
		"type": "machine-learning-model", "bom-ref": purl + "#" + m.Name, "name": m.Title, "version": m.Version, "purl": purl, "scope": "optional",
		"hashes":     []object{{"alg": "SHA-256", "content": m.SHA256}},
		"licenses":   []object{{"license": object{"id": m.Licence}}},
		"properties": properties,
	}
}
