package main

import (
	"bytes"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// TestSources: every file is pinned, and no two share a name.
func TestSources(t *testing.T) {
	sum, version := regexp.MustCompile(`^[0-9a-f]{64}$`), regexp.MustCompile(`^[0-9]+\.[0-9]+\.[0-9]+$`)
	names := map[string]string{}
	for _, s := range sources {
		if !version.MatchString(s.Version) || s.Licence == "" || s.Notice == "" {
			t.Errorf("%s: version %q, licence %q, notice %q", s.Title, s.Version, s.Licence, s.Notice)
		}
		for _, f := range append(s.files, s.licence...) {
			if !sum.MatchString(f.sum) || names[f.as] != "" && names[f.as] != f.sum {
				t.Errorf("%s: %+v", s.Title, f)
			}
			names[f.as] = f.sum
		}
	}
}

// TestBundle makes the bundle of what `make models` has fetched: the same bytes twice, and none of a file that is not the pinned one.
func TestBundle(t *testing.T) {
	fetched := filepath.Join("..", "..", ".tapcheck", "models")
	if _, err := os.Stat(fetched); err != nil {
		t.Skip("make models has not run, which make test does")
	}
	first, err := bundle(fetched, "a licence")
	if err != nil {
		t.Fatal(err)
	}
	if second, err := bundle(fetched, "a licence"); err != nil || !bytes.Equal(first, second) {
		t.Errorf("not the same bytes: %v", err)
	}
	dir := t.TempDir()
	if err := os.CopyFS(dir, os.DirFS(fetched)); err != nil {
		t.Fatal(err)
	}
	name := filepath.Join(dir, "blazeface.bin")
	raw, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	raw[len(raw)/2] ^= 1
	if err := os.WriteFile(name, raw, 0o644); err != nil {
		t.Fatal(err)
	}
	if _, err := bundle(dir, "a licence"); err == nil || !strings.Contains(err.Error(), "blazeface.bin: SHA-256") {
		t.Errorf("one changed bit: %v", err)
	}
	if err := os.Remove(name); err != nil {
		t.Fatal(err)
	}
	if _, err := bundle(dir, "a licence"); err == nil {
		t.Error("a missing file")
	}
}
