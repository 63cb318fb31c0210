package main

import (
	"debug/buildinfo"
	"encoding/json"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime/debug"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/tapcheck/tapcheck/agent/face/modelfile"
)

// TestLicenceFence looks at every module that is linked into the program, for Linux and for Windows.
func TestLicenceFence(t *testing.T) {
	for _, goos := range []string{"linux", "windows"} {
		parts := linked(t, goos)
		if len(parts) < 15 {
			t.Errorf("%s: %d modules are too few to be all", goos, len(parts))
		}
		open := 0
		for _, p := range parts {
			if err := p.allowed(); err != nil {
				t.Errorf("%s: %v", goos, err)
			}
			if p.Licence == "" {
				open++
			}
		}
		if open != len(exceptions) {
			t.Errorf("%s: %d exceptions are in use, and %d are written down", goos, open, len(exceptions))
		}
		text := notices(parts)
		for _, want := range []string{"github.com/gmrtd/gmrtd v", "Permission is hereby granted", "github.com/osanderson/brainpool v1.0.0\nNo licence file. OPEN: "} {
			if !strings.Contains(text, want) {
				t.Errorf("%s: the notices lack %q", goos, want)
			}
		}
	}
}

func linked(t *testing.T, goos string) []part {
	t.Helper()
	cmd := exec.Command("go", "list", "-deps", "-f", "{{with .Module}}{{if not .Main}}{{.Path}} {{.Version}}{{end}}{{end}}", "../../cmd/tapcheck")
	cmd.Env = append(os.Environ(), "GOOS="+goos, "GOARCH=amd64")
	if goos == "windows" {
		cmd.Env = append(cmd.Env, "CGO_ENABLED=0")
	}
	out, err := cmd.Output()
	if err != nil {
		t.Fatal(err)
	}
	seen := map[string]bool{}
	var deps []*debug.Module
	for _, line := range strings.Split(strings.TrimSpace(string(out)), "\n") {
		if path, version, ok := strings.Cut(line, " "); ok && !seen[path] {
			seen[path] = true
			deps = append(deps, &debug.Module{Path: path, Version: version})
		}
	}
	parts, err := partsOf(deps)
	if err != nil {
		t.Fatal(err)
	}
	return parts
}

func TestFenceLetsNothingElseIn(t *testing.T) {
	for text, want := range map[string]string{
		"GNU GENERAL PUBLIC LICENSE\n Version 3": "GPL", "under the GNU Lesser\n General Public License": "LGPL", "GNU AFFERO GENERAL PUBLIC LICENSE": "AGPL",
		"Mozilla Public License Version 2.0": "MPL", "do as you like": "", "Apache License\n  Version 2.0, January 2004": "Apache-2.0",
		"Permission is hereby granted, free of\ncharge, to any person": "MIT",
		"Redistribution and use in source and binary forms":            "BSD-2-Clause",
		// Two in one file: the one that binds counts.
		"Apache License Version 2.0 … or the GNU General Public License": "GPL",
	} {
		if got := classify(text); got != want {
			t.Errorf("%q is %q, want %q", text, got, want)
		}
		if err := (part{Path: "x", Version: "v1", Licence: want}).allowed(); (err == nil) != (want != "" && !strings.Contains(want, "GPL") && want != "MPL") {
			t.Errorf("%q: %v", want, err)
		}
	}
}

// A bill of materials names every part, and is the same each time.
func TestBillOfMaterials(t *testing.T) {
	info := &buildinfo.BuildInfo{GoVersion: "go1.26.8", Main: debug.Module{Path: "github.com/tapcheck/tapcheck"}}
	parts := linked(t, "linux")
	first, err := cycloneDX("1.2.3", info, parts, nil)
	if err != nil {
		t.Fatal(err)
	}
	second, _ := cycloneDX("1.2.3", info, parts, nil)
	if string(first) != string(second) {
		t.Error("not the same bytes")
	}
	var bom struct {
		BOMFormat, SpecVersion string
		Components             []struct {
			Name, Purl string
			Licenses   []struct{ License struct{ ID string } }
			Properties []struct{ Name, Value string }
		}
		Dependencies []struct{ DependsOn []string }
	}
	if err := json.Unmarshal(first, &bom); err != nil || bom.BOMFormat != "CycloneDX" || bom.SpecVersion != "1.6" || len(bom.Components) != len(parts) || len(bom.Dependencies[0].DependsOn) != len(parts) {
		t.Fatalf("%v\n%s", err, first)
	}
	for _, c := range bom.Components {
		open := len(c.Properties) > 0 && strings.HasPrefix(c.Properties[0].Value, "OPEN")
		if !strings.HasPrefix(c.Purl, "pkg:golang/"+c.Name+"@v") || (len(c.Licenses) == 1) == open {
			t.Errorf("component %+v", c)
		}
	}
}

// TestSPDX: the same parts in the other form, with what SPDX 2.3 requires of each, and the same bytes each time.
func TestSPDX(t *testing.T) {
	info := &buildinfo.BuildInfo{GoVersion: "go1.26.8", Main: debug.Module{Path: "github.com/tapcheck/tapcheck"}}
	parts := linked(t, "linux")
	weights := []modelfile.Model{{Name: modelfile.Recogniser, Title: "SomeFaceNet", Package: "@some/faces", Version: "1.2.3", SHA256: "aa55", Licence: "Apache-2.0", Open: "OPEN: who?"}}
	made := time.Unix(1764300000, 0)
	first, err := spdx("1.2.3", info, parts, weights, made)
	if err != nil {
		t.Fatal(err)
	}
	if second, _ := spdx("1.2.3", info, parts, weights, made); string(first) != string(second) {
		t.Error("not the same bytes")
	}
	if other, _ := spdx("1.2.3", info, parts[1:], weights, made); string(other) == string(first) {
		t.Error("other parts, and the same bytes")
	}
	var doc struct {
		SPDXVersion, DataLicense, SPDXID, Name, DocumentNamespace string
		CreationInfo                                              struct {
			Created  time.Time
			Creators []string
		}
		Packages []struct {
			SPDXID, Name, VersionInfo, DownloadLocation, LicenseConcluded, LicenseDeclared, CopyrightText, Comment string
			ExternalRefs                                                                                           []struct{ ReferenceCategory, ReferenceType, ReferenceLocator string }
		}
		Relationships []struct{ SPDXElementID, RelationshipType, RelatedSPDXElement string }
	}
	if err := json.Unmarshal(first, &doc); err != nil {
		t.Fatal(err)
	}
	if doc.SPDXVersion != "SPDX-2.3" || doc.DataLicense != "CC0-1.0" || doc.SPDXID != "SPDXRef-DOCUMENT" || !doc.CreationInfo.Created.Equal(made) || len(doc.CreationInfo.Creators) == 0 || !strings.HasPrefix(doc.DocumentNamespace, "https://") {
		t.Errorf("%+v", doc.CreationInfo)
	}
	if len(doc.Packages) != len(parts)+2 || len(doc.Relationships) != len(doc.Packages) {
		t.Fatalf("%d packages of %d parts, %d relationships", len(doc.Packages), len(parts), len(doc.Relationships))
	}
	id, seen := regexp.MustCompile(`^SPDXRef-[A-Za-z0-9.-]+$`), map[string]bool{}
	for i, p := range doc.Packages {
		open := strings.Contains(p.Comment, "OPEN")
		if !id.MatchString(p.SPDXID) || seen[p.SPDXID] || p.Name == "" || p.DownloadLocation == "" || p.CopyrightText == "" || p.LicenseConcluded != p.LicenseDeclared || p.LicenseDeclared == "NOASSERTION" && !open ||
			len(p.ExternalRefs) != 1 || !strings.HasPrefix(p.ExternalRefs[0].ReferenceLocator, "pkg:") {
			t.Errorf("%+v", p)
		}
		seen[p.SPDXID] = true
		if r := doc.Relationships[i]; r.RelatedSPDXElement != p.SPDXID || (r.RelationshipType == "DESCRIBES") != (i == 0) {
			t.Errorf("%+v", r)
		}
	}
}

// TestModels: face models are named when their bytes are in the program, with what is open about them, and not otherwise.
func TestModels(t *testing.T) {
	t.Chdir(t.TempDir())
	b := modelfile.Bundle{Models: []modelfile.Model{{
		Name: modelfile.Recogniser, Title: "SomeFaceNet", Package: "@some/faces", Version: "1.2.3", Files: map[string]string{"net.tflite": "aa55"}, SHA256: "aa55",
		Licence: "Apache-2.0", Notice: "Copyright Some One", Open: "OPEN: who has been asked?", Texts: []string{"the licence's text"}, Graph: []byte("weights"),
	}}}
	raw, err := b.Write()
	if err != nil {
		t.Fatal(err)
	}
	put := func(name string, data []byte) {
		if err := errors.Join(os.MkdirAll(filepath.Dir(name), 0o755), os.WriteFile(name, data, 0o644)); err != nil {
			t.Fatal(err)
		}
	}
	found := func(name string) []modelfile.Model {
		m, err := modelsIn(name)
		if err != nil {
			t.Fatal(err)
		}
		return m
	}
	put("with", slices.Concat([]byte("a program "), raw, []byte(" and more")))
	put("without", []byte("a program"))
	if m := found("with"); m != nil {
		t.Errorf("a tree without models: %v", m)
	}
	put(bundle, raw)
	if m := found("without"); m != nil {
		t.Errorf("a program without models: %v", m)
	}
	weights := found("with")
	text := modelNotices(weights)
	for _, want := range []string{"SomeFaceNet", "@some/faces 1.2.3", "net.tflite  SHA-256 aa55", "Apache-2.0\nCopyright Some One\nOPEN: who has been asked?\n", "the licence's text\n"} {
		if !strings.Contains(text, want) {
			t.Errorf("the notices lack %q:\n%s", want, text)
		}
	}
	info := &buildinfo.BuildInfo{GoVersion: "go1.26.8", Main: debug.Module{Path: "github.com/tapcheck/tapcheck"}}
	bom, err := cycloneDX("1.2.3", info, nil, weights)
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{`"machine-learning-model"`, `"pkg:npm/%40some/faces@1.2.3"`, `"aa55"`, `OPEN: who has been asked?`, `"dependsOn": [
        "pkg:npm/%40some/faces@1.2.3#recogniser"`} {
		if !strings.Contains(string(bom), want) {
			t.Errorf("the bill of materials lacks %q:\n%s", want, bom)
		}
	}
}
