package main

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/alecthomas/kong"

	"github.com/tapcheck/tapcheck/agent/catalog"
	"github.com/tapcheck/tapcheck/agent/console/manual"
)

// TestManualCommands: each command and each flag that the manual, or a README, tells IT to type is there.
func TestManualCommands(t *testing.T) {
	var c cli
	k, err := kong.New(&c, kong.Name("tapcheck"), kong.Vars{"lang": "vi", "rights": ""})
	if err != nil {
		t.Fatal(err)
	}
	texts := map[string]string{}
	for _, l := range []catalog.Lang{catalog.VI, catalog.EN} {
		for _, name := range manual.Chapters() {
			texts[string(l)+"/"+name] = string(manual.Source(l, name))
		}
	}
	for _, name := range []string{"README.md", "README.vi.md", "installer/windows/README.md", "installer/windows/CHECKLIST.md"} {
		raw, err := os.ReadFile(filepath.Join("..", "..", filepath.FromSlash(name)))
		if err != nil {
			t.Fatal(err)
		}
		texts[name] = string(raw)
	}
	looked := 0
	line := regexp.MustCompile("(?m)(?:`|^|^ +|^bin/)tapcheck ((?:-|[a-z])[^`\n|]*)")
	for where, text := range texts {
		for _, m := range line.FindAllStringSubmatch(text, -1) {
			if problem := unknownCommand(k, m[1]); problem != "" {
				t.Errorf("%s: tapcheck %s: there is no %s", where, m[1], problem)
			}
			looked++
		}
	}
	if looked < 150 {
		t.Errorf("only %d commands were looked at", looked)
	}
}

// unknownCommand gives the first word of a command line that is neither a command nor a flag of one.
func unknownCommand(k *kong.Kong, line string) string {
	node := k.Model.Node
	flags := slices.Clone(node.Flags)
	value := false // the next word is the value of a flag
	for _, word := range strings.Fields(line) {
		if word == "#" || word == "<" || word == ">" || word == "&" || word == "(" || word == "…" {
			break
		}
		name, flag := strings.CutPrefix(word, "--")
		if value && !flag {
			value = false
			continue
		}
		if flag {
			name, given, equals := strings.Cut(strings.TrimRight(name, ".,;:)"), "=")
			i := slices.IndexFunc(flags, func(f *kong.Flag) bool { return f.Name == name })
			if i < 0 && name != "help" {
				return word
			}
			value = i >= 0 && !flags[i].IsBool() && !equals && given == ""
			continue
		}
		i := slices.IndexFunc(node.Children, func(n *kong.Node) bool { return n.Name == word })
		switch {
		case i >= 0:
			node = node.Children[i]
			flags = append(flags, node.Flags...)
			if node.DefaultCmd != nil {
				flags = append(flags, node.DefaultCmd.Flags...)
			}
		case len(node.Children) > 0:
			return word
		}
	}
	return ""
}
