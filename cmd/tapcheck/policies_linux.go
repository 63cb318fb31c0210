package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"reflect"
	"strings"
)

// policyFile is ours in a Chromium's folder of policies, beside others'.
const policyFile = "tapcheck.json"

// firefoxPolicies is the one file that Firefox reads.
const firefoxPolicies = "etc/firefox/policies/policies.json"

// setPolicies writes the lists into policy files of the browsers that are here. A list that is empty is not in them, and a file
// without lists is taken away. Firefox knows one file for everybody's policies: one that others have written is left, and what
// has to stand in it is the error.
func setPolicies(policies []policy) error {
	lists := map[string]map[string][]string{} // by key of the browser, then by name
	for _, p := range policies {
		i := strings.LastIndexByte(p.Key, '\\')
		key, name := p.Key[:i], p.Key[i+1:]
		if lists[key] == nil {
			lists[key] = map[string][]string{}
		}
		if len(p.Values) > 0 {
			lists[key][name] = p.Values
		}
	}
	var all error
	for _, c := range chromiums {
		key := chromium[0] // Chromium takes Chrome's names
		if c.name == "Edge" {
			key = chromium[1]
		}
		file := filepath.Join(systemRoot, c.policies, policyFile)
		var content any = lists[key]
		if len(lists[key]) == 0 || !there(c.programs...) {
			content = nil
		}
		all = errors.Join(all, writePolicy(file, content))
	}
	return errors.Join(all, setFirefox(lists[firefox+`\LocalNetworkAccess`]["SkipDomains"]))
}

// setFirefox writes Firefox's file where there is none, or one that we have made.
func setFirefox(domains []string) error {
	file := filepath.Join(systemRoot, firefoxPolicies)
	var now map[string]any
	switch err := readJSON(file, &now); {
	case err == nil && !oursForFirefox(now):
		if len(domains) == 0 || len((browser{"Firefox", installedLists(file)}).lacks(asOrigins(domains), nil)) == 0 {
			return nil
		}
		return fmt.Errorf("%s is somebody else's: put %s into LocalNetworkAccess, SkipDomains", file, strings.Join(domains, ", "))
	case err != nil && !errors.Is(err, fs.ErrNotExist):
		return fmt.Errorf("%s: %w", file, err)
	}
	if len(domains) == 0 || !there(firefoxes...) {
		return writePolicy(file, nil)
	}
	return writePolicy(file, firefoxFile(domains))
}

func installedLists(file string) map[string][]string {
	return map[string][]string{policySkip: skipDomains(file)}
}

func asOrigins(hosts []string) (origins []string) {
	for _, h := range hosts {
		origins = append(origins, "https://"+h)
	}
	return origins
}

func firefoxFile(domains []string) map[string]any {
	return map[string]any{"policies": map[string]any{"LocalNetworkAccess": map[string]any{"SkipDomains": domains}}}
}

// oursForFirefox says whether a file holds what we write and nothing else.
func oursForFirefox(now map[string]any) bool {
	policies, _ := now["policies"].(map[string]any)
	access, _ := policies["LocalNetworkAccess"].(map[string]any)
	domains, ok := access["SkipDomains"]
	return ok && reflect.DeepEqual(now, map[string]any{"policies": map[string]any{"LocalNetworkAccess": map[string]any{"SkipDomains": domains}}})
}

// writePolicy puts a policy file in its place, readable by everybody, or takes it away (nil).
func writePolicy(file string, content any) error {
	if content == nil {
		if err := os.Remove(file); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
		return nil
	}
	raw, err := json.MarshalIndent(content, "", "  ")
	if err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
		return err
	}
	f, err := os.CreateTemp(filepath.Dir(file), ".tapcheck-*")
	if err != nil {
		return err
	}
	_, err = f.Write(append(raw, '\n'))
	err = errors.Join(err, f.Chmod(0o644), f.Close())
	if err == nil {
		err = os.Rename(f.Name(), file)
	}
	if err != nil {
		_ = os.Remove(f.Name())
	}
	return err
}
