package main

import (
	"bytes"
	"go/ast"
	"go/parser"
	"go/token"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/tapcheck/tapcheck/agent/catalog"
)

// TestUsageInVietnamese: whatever this program says about a wrong command line is said in Vietnamese too.
func TestUsageInVietnamese(t *testing.T) {
	files, err := filepath.Glob("*.go")
	if err != nil {
		t.Fatal(err)
	}
	found := 0
	for _, name := range files {
		if strings.HasSuffix(name, "_test.go") {
			continue
		}
		file, err := parser.ParseFile(token.NewFileSet(), name, nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		ast.Inspect(file, func(n ast.Node) bool {
			call, ok := n.(*ast.CallExpr)
			if !ok || len(call.Args) == 0 {
				return true
			}
			name, _ := call.Fun.(*ast.Ident)
			lit, isText := call.Args[0].(*ast.BasicLit)
			if name == nil || name.Name != "usage" || !isText {
				return true
			}
			format, err := strconv.Unquote(lit.Value)
			if err != nil {
				t.Fatal(err)
			}
			words := usageVerb.ReplaceAllString(format, "")
			if fields := strings.FieldsFunc(words, func(r rune) bool { return r == ' ' || r == ':' }); len(fields) == 0 || len(fields) == 1 && strings.HasPrefix(fields[0], "--") {
				return true // what something else has said
			}
			found++
			for _, p := range usagePairs {
				if p.en == format {
					return true
				}
			}
			t.Errorf("%q is said in English only", format)
			return true
		})
	}
	if found < 15 {
		t.Errorf("only %d were found", found)
	}
	for _, p := range usagePairs {
		if strings.Join(usageVerb.FindAllString(p.en, -1), "") != strings.Join(usageVerb.FindAllString(p.vi, -1), "") {
			t.Errorf("%q and %q say different things", p.en, p.vi)
		}
	}
	for en, vi := range map[string]string{
		`no persona "x": see tapcheck sim`: `không có nhân vật "x": xem tapcheck sim`, "open /x: no such file": "open /x: no such file", `--lang must be one of "vi","en" but got "fr"`: `--lang phải là một trong "vi","en", không phải "fr"`,
	} {
		if got := usageIn(catalog.VI, en); got != vi {
			t.Errorf("%q became %q", en, got)
		}
		if got := usageIn(catalog.EN, en); got != en {
			t.Errorf("in English %q became %q", en, got)
		}
	}
}

// TestWrongCommandLines: the program itself says so in the language that it is asked for, also where the line cannot be read.
func TestWrongCommandLines(t *testing.T) {
	for _, tt := range []struct {
		lang string // of the environment
		args string
		want string
	}{
		{"", "nosuch", "thừa nosuch"}, {"", "read --nosuch", "không có cờ --nosuch"}, {"en", "read --nosuch", "unknown flag --nosuch"}, {"en", "--lang vi read --nosuch", "không có cờ"},
		{"", "--lang=en read --nosuch", "unknown flag"}, {"", "demo --persona nobody", "không có nhân vật"}, {"", "token", "cần một trong"}, {"", "--lang fr version", "phải là một trong"}, {"", "token add --desktop --origin https://his.example", "không đi cùng nhau"},
		{"", "token revoke", "thiếu"}, {"", "sim gateway --addr 0.0.0.0:1", "địa chỉ của chính máy này"},
	} {
		var out, problem bytes.Buffer
		code := run(t.Context(), strings.Fields(tt.args), Env{Stdin: strings.NewReader(""), Stdout: &out, Stderr: &problem, Getenv: func(name string) string {
			if name == "TAPCHECK_LANG" {
				return tt.lang
			}
			return ""
		}})
		if code != exitUsage || !strings.Contains(problem.String(), tt.want) {
			t.Errorf("%s (%s): %d %s", tt.args, tt.lang, code, problem.String())
		}
	}
}
