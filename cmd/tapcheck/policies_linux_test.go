package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestBrowserPolicyFiles: what setup writes for the browsers that are here is what doctor misses, nobody else's file is touched, and
// all of it goes again.
func TestBrowserPolicyFiles(t *testing.T) {
	const others = `{"HomepageLocation":"https://intranet.example"}`
	pc(t, map[string]string{
		"opt/google/chrome/chrome": "", "usr/bin/chromium": "", "usr/bin/firefox": "", "etc/opt/chrome/policies/managed/homepage.json": others,
	})
	origins, ports := []string{"https://his.example", "http://his2.example:8080"}, []int{27480, 27481}
	missing := func() (all []string) {
		for _, b := range installedBrowsers() {
			all = append(all, b.lacks(origins, ports)...)
		}
		return all
	}
	if len(installedBrowsers()) != 3 || len(missing()) != 2*4+1 {
		t.Fatalf("at first %q are missing", missing())
	}
	for range 2 { // and again
		if err := setPolicies(browserPolicies(origins, ports)); err != nil || len(missing()) != 0 {
			t.Errorf("%v; still missing: %q", err, missing())
		}
	}
	if _, err := os.Stat(filepath.Join(systemRoot, "etc/opt/edge")); err == nil {
		t.Error("a policy for a browser that is not here")
	}
	if info, err := os.Stat(filepath.Join(systemRoot, "etc/chromium/policies/managed/tapcheck.json")); err != nil || info.Mode().Perm() != 0o644 {
		t.Errorf("%v, %v", info, err)
	}
	if err := setPolicies(browserPolicies(nil, nil)); err != nil {
		t.Fatal(err)
	}
	for _, gone := range []string{"etc/opt/chrome/policies/managed/tapcheck.json", "etc/chromium/policies/managed/tapcheck.json", firefoxPolicies} {
		if _, err := os.Stat(filepath.Join(systemRoot, gone)); err == nil {
			t.Errorf("%s is left", gone)
		}
	}
	if raw, err := os.ReadFile(filepath.Join(systemRoot, "etc/opt/chrome/policies/managed/homepage.json")); err != nil || string(raw) != others {
		t.Errorf("somebody else's policy: %s, %v", raw, err)
	}
	// Firefox knows one file. One that has others' policies too is theirs: what has to be in it is said.
	file := filepath.Join(systemRoot, firefoxPolicies)
	const theirs = `{"policies":{"DisableTelemetry":true}}`
	if err := os.WriteFile(file, []byte(theirs), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := setPolicies(browserPolicies(origins, ports)); err == nil || !strings.Contains(err.Error(), "his.example, his2.example") {
		t.Errorf("%v", err)
	}
	if raw, _ := os.ReadFile(file); string(raw) != theirs {
		t.Errorf("it was changed: %s", raw)
	}
	if err := os.WriteFile(file, []byte(`{"policies":{"DisableTelemetry":true,"LocalNetworkAccess":{"SkipDomains":["*.example"]}}}`), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := setPolicies(browserPolicies(origins, ports)); err != nil || len(missing()) != 0 {
		t.Errorf("where theirs lets everything through: %v, %q", err, missing())
	}
}
