package main

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
)

// allowed are the licences that may be in the program. No licence that would bind the whole of it is among them.
var allowed = []string{"Apache-2.0", "MIT", "MIT-0", "BSD-2-Clause", "BSD-3-Clause", "ISC"}

// exceptions are parts without a licence file, each with what is open. They are named in the notices and in the bill of
// materials; the list is to become shorter.
var exceptions = map[string]string{
	"github.com/osanderson/brainpool": "OPEN: the module names no licence, so by law nobody may pass it on. It comes in with gmrtd (MIT), " +
		"for the brainpool curves of passports. Before a release its author has to be asked for a licence, or the curves be taken from elsewhere.",
}

// allowed says whether the part may be in the program.
func (p part) allowed() error {
	_, open := exceptions[p.Path]
	switch {
	case p.Licence == "" && !open:
		return fmt.Errorf("%s %s: no licence that is known", p.Path, p.Version)
	case p.Licence != "" && open:
		return fmt.Errorf("%s %s has a licence (%s): it is no exception any more", p.Path, p.Version, p.Licence)
	case p.Licence != "" && !slices.Contains(allowed, p.Licence):
		return fmt.Errorf("%s %s: %s is not allowed in the program", p.Path, p.Version, p.Licence)
	}
	return nil
}

var licenceFile = regexp.MustCompile(`(?i)^(licen[cs]e|copying|notice|patents)([-._].*)?$`)

// licenceIn reads the licence files of a module's folder. Where several speak of different licences, the one that is not allowed
// counts.
func licenceIn(dir string) (texts []string, licence string, err error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, "", err
	}
	for _, e := range entries {
		if e.IsDir() || !licenceFile.MatchString(e.Name()) || strings.HasSuffix(e.Name(), ".go") {
			continue
		}
		raw, err := os.ReadFile(filepath.Join(dir, e.Name()))
		if err != nil {
			return nil, "", err
		}
		texts = append(texts, string(raw))
		if id := classify(string(raw)); id != "" && (licence == "" || !slices.Contains(allowed, id)) {
			licence = id
		}
	}
	return texts, licence, nil
}

// classify knows a licence by the sentences that make it. "" is one that it does not know.
func classify(text string) string {
	text = strings.ToLower(strings.Join(strings.Fields(text), " "))
	has := func(words string) bool { return strings.Contains(text, words) }
	switch {
	case has("gnu affero general public license"):
		return "AGPL"
	case has("gnu lesser general public license"), has("gnu library general public license"):
		return "LGPL"
	case has("gnu general public license"):
		return "GPL"
	case has("mozilla public license"):
		return "MPL"
	case has("server side public license"), has("business source license"), has("commons clause"):
		return "not free"
	case has("apache license") && has("version 2.0"):
		return "Apache-2.0"
	case has("mit no attribution"):
		return "MIT-0"
	case has("permission is hereby granted, free of charge"):
		return "MIT"
	case has("redistribution and use in source and binary forms") && (has("neither the name") || has("nor the names of")):
		return "BSD-3-Clause"
	case has("redistribution and use in source and binary forms"):
		return "BSD-2-Clause"
	case has("permission to use, copy, modify, and"):
		return "ISC"
	}
	return ""
}
