// Command supply says what a built program is made of: the licence texts of all its parts, and a bill of materials in
// CycloneDX and in SPDX. It reads the module list that Go has put into the program, so it cannot name what is not in there.
//
//	go run ./installer/supply PROGRAM FOLDER VERSION
//
// leaves THIRD-PARTY.txt, tapcheck.cdx.json and tapcheck.spdx.json in FOLDER. The face models are found by their bytes in the program, and named if they are there.
// It ends with 1 where a part has a licence that is not allowed, or none
// that is known (see licence.go for the open exceptions).
//
//	go run ./installer/supply sums FOLDER [KEY]
//
// leaves the checksums of all files of a release in it, signed where there is a key.
package main

import (
	"debug/buildinfo"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"slices"
	"sort"
	"strconv"
	"strings"
	"time"

	"github.com/tapcheck/tapcheck/agent/face/modelfile"
)

func main() {
	var err error
	switch args := os.Args[1:]; {
	case len(args) == 2 && args[0] == "sums":
		err = sums(args[1], "", os.Stdout)
	case len(args) == 3 && args[0] == "sums":
		err = sums(args[1], args[2], os.Stdout)
	case len(args) == 3:
		err = run(args[0], args[1], args[2])
	default:
		fmt.Fprintln(os.Stderr, "usage: supply PROGRAM FOLDER VERSION, or supply sums FOLDER [KEY]")
		os.Exit(2)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(program, folder, version string) error {
	info, err := buildinfo.ReadFile(program)
	if err != nil {
		return err
	}
	parts, err := partsOf(info.Deps)
	if err != nil {
		return err
	}
	goroot, err := exec.Command("go", "env", "GOROOT").Output()
	if err != nil {
		return err
	}
	std := part{Path: "std", Version: strings.TrimPrefix(info.GoVersion, "go")}
	if std.Texts, std.Licence, err = licenceIn(strings.TrimSpace(string(goroot))); err != nil {
		return err
	}
	parts = append(parts, std)
	for _, p := range parts {
		err = errors.Join(err, p.allowed())
	}
	if err != nil {
		return err
	}
	weights, err := modelsIn(program)
	if err != nil {
		return err
	}
	for _, m := range weights {
		if !slices.Contains(allowed, m.Licence) {
			return fmt.Errorf("face model %s: %q is not allowed in the program", m.Title, m.Licence)
		}
	}
	bom, err := cycloneDX(version, info, parts, weights)
	if err != nil {
		return err
	}
	epoch, _ := strconv.ParseInt(os.Getenv("SOURCE_DATE_EPOCH"), 10, 64)
	bill, err := spdx(version, info, parts, weights, time.Unix(epoch, 0))
	if err != nil {
		return err
	}
	if err := os.MkdirAll(folder, 0o755); err != nil {
		return err
	}
	return errors.Join(
		os.WriteFile(filepath.Join(folder, "THIRD-PARTY.txt"), []byte(notices(parts)+modelNotices(weights)), 0o644),
		os.WriteFile(filepath.Join(folder, "tapcheck.cdx.json"), bom, 0o644),
		os.WriteFile(filepath.Join(folder, "tapcheck.spdx.json"), bill, 0o644),
	)
}

// part is a module that is in the program.
type part struct {
	Path, Version, Sum string
	Licence            string   // SPDX id; "" is unknown
	Texts              []string // of its licence files and notices
}

// partsOf finds the licences of modules, which lie in Go's own cache.
func partsOf(deps []*debug.Module) ([]part, error) {
	var parts []part
	for _, d := range deps {
		if d.Replace != nil {
			d = d.Replace
		}
		out, err := exec.Command("go", "list", "-m", "-f", "{{.Dir}}", d.Path).Output()
		if err != nil {
			return nil, fmt.Errorf("go list -m %s: %w", d.Path, err)
		}
		p := part{Path: d.Path, Version: d.Version, Sum: d.Sum}
		if p.Texts, p.Licence, err = licenceIn(strings.TrimSpace(string(out))); err != nil {
			return nil, err
		}
		parts = append(parts, p)
	}
	sort.Slice(parts, func(i, j int) bool { return parts[i].Path < parts[j].Path })
	return parts, nil
}

func notices(parts []part) string {
	var b strings.Builder
	b.WriteString("Tapcheck holds these parts of others, each under its own licence.\n")
	for _, p := range parts {
		fmt.Fprintf(&b, "\n%s\n%s %s\n", strings.Repeat("=", 100), p.Path, p.Version)
		if p.Licence == "" {
			fmt.Fprintf(&b, "No licence file. %s\n", exceptions[p.Path])
			continue
		}
		fmt.Fprintf(&b, "%s\n", p.Licence)
		for _, text := range p.Texts {
			fmt.Fprintf(&b, "%s\n%s\n", strings.Repeat("-", 100), strings.TrimRight(strings.ReplaceAll(text, "\r\n", "\n"), "\n"))
		}
	}
	return b.String()
}

// cycloneDX is the bill of materials, CycloneDX 1.6. Without a time or a serial number, so that the same program has the same.
func cycloneDX(version string, info *buildinfo.BuildInfo, parts []part, weights []modelfile.Model) ([]byte, error) {
	type object = map[string]any
	root := "pkg:golang/" + info.Main.Path + "@" + version
	components, refs := []object{}, []string{}
	for _, p := range parts {
		ref := "pkg:golang/" + p.Path + "@" + p.Version
		refs = append(refs, ref)
		c := object{"type": "library", "bom-ref": ref, "name": p.Path, "version": p.Version, "purl": ref, "scope": "required"}
		if p.Licence != "" {
			c["licenses"] = []object{{"license": object{"id": p.Licence}}}
		} else {
			c["properties"] = []object{{"name": "tapcheck:licence", "value": exceptions[p.Path]}}
		}
		if p.Sum != "" {
			c["properties"] = append(asObjects(c["properties"]), object{"name": "go:sum", "value": p.Sum})
		}
		components = append(components, c)
	}
	for _, m := range weights {
		c := modelComponent(m)
		refs = append(refs, c["bom-ref"].(string))
		components = append(components, c)
	}
	return json.MarshalIndent(object{
		"bomFormat": "CycloneDX", "specVersion": "1.6", "version": 1,
		"metadata": object{
			"component": object{
				"type": "application", "bom-ref": root, "name": "tapcheck", "version": version, "purl": root,
				"licenses": []object{{"license": object{"id": "Apache-2.0"}}},
			},
			"properties": []object{{"name": "go:version", "value": info.GoVersion}, {"name": "go:os", "value": setting(info, "GOOS", runtime.GOOS)}, {"name": "go:arch", "value": setting(info, "GOARCH", runtime.GOARCH)}},
		},
		"components":   components,
		"dependencies": []object{{"ref": root, "dependsOn": refs}},
	}, "", "  ")
}

func asObjects(v any) []map[string]any {
	list, _ := v.([]map[string]any)
	return list
}

func setting(info *buildinfo.BuildInfo, key, otherwise string) string {
	for _, s := range info.Settings {
		if s.Key == key {
			return s.Value
		}
	}
	return otherwise
}
