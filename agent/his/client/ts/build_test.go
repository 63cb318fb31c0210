package ts_test

import (
	"bytes"
	"encoding/json"
	"io/fs"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/tapcheck/tapcheck/agent/his/client/ts"
)

const root = "../../../.."

// TestBuildsAreFresh: what is committed and served is what the sources make. `make client` makes it.
func TestBuildsAreFresh(t *testing.T) {
	dist := t.TempDir()
	if out, err := exec.Command("make", "-s", "-C", root, "client", "CLIENT_DIST="+dist).CombinedOutput(); err != nil {
		t.Fatalf("make client: %v (esbuild comes from the Go modules, the TypeScript compiler from `make setup`)\n%s", err, out)
	}
	made, have := tree(t, dist), tree(t, "dist")
	for name, b := range made {
		if !bytes.Equal(b, have[name]) {
			t.Errorf("dist/%s is not what the sources make: run make client", name)
		}
	}
	for name := range have {
		if _, ok := made[name]; !ok {
			t.Errorf("dist/%s is left over: run make client", name)
		}
	}
}

func tree(t *testing.T, dir string) map[string][]byte {
	t.Helper()
	files := map[string][]byte{}
	err := fs.WalkDir(os.DirFS(dir), ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		b, err := os.ReadFile(filepath.Join(dir, name))
		files[name] = b
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return files
}

// TestTypes: the sources and what a vendor writes against the declarations compile.
func TestTypes(t *testing.T) {
	if out, err := exec.Command("node", "node_modules/typescript/bin/tsc", "-p", ".").CombinedOutput(); err != nil {
		t.Errorf("tsc: %v (the compiler comes from `make setup`)\n%s", err, out)
	}
}

// TestPackage: one version, nothing that runs or is fetched with it, and everything that it names is there.
func TestPackage(t *testing.T) {
	read := func(name string) string {
		b, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		return string(b)
	}
	var p struct {
		Version      string
		Main, Types  string
		Unpkg        string
		Dependencies map[string]string
		Scripts      map[string]string
	}
	if err := json.Unmarshal([]byte(read("package.json")), &p); err != nil {
		t.Fatal(err)
	}
	if v := strings.TrimSpace(read(root + "/installer/VERSION")); p.Version != v || !strings.Contains(read("src/client.ts"), `VERSION = "`+v+`"`) {
		t.Errorf("the package says it is %s, the program %s; src/client.ts must say it too", p.Version, v)
	}
	if len(p.Dependencies)+len(p.Scripts) > 0 {
		t.Errorf("dependencies %v, scripts %v", p.Dependencies, p.Scripts)
	}
	for _, name := range []string{p.Main, p.Types, p.Unpkg} {
		read(name)
	}
	if strings.Contains(read("package-lock.json"), "resolved") {
		t.Error("the lockfile names a registry")
	}
}

// TestHandler: what is served, as what, and nothing else.
func TestHandler(t *testing.T) {
	for path, want := range map[string]string{
		"/client/tapcheck.mjs":        "text/javascript; charset=utf-8",
		"/client/tapcheck.js":         "text/javascript; charset=utf-8",
		"/client/tapcheck.d.ts":       "text/plain; charset=utf-8",
		"/client/types/index.d.ts":    "text/plain; charset=utf-8",
		"/client/types/protocol.d.ts": "text/plain; charset=utf-8",
		"/client/example.html":        "text/html; charset=utf-8",
		"/client/README.md":           "text/markdown; charset=utf-8",
		"/client/":                    "text/html; charset=utf-8",
		"/client/index.html":          "",
		"/client/dist/tapcheck.js":    "",
		"/client/../client/x":         "",
		"/client/package.json":        "",
		"/client/ts.go":               "",
	} {
		w := httptest.NewRecorder()
		r := httptest.NewRequest("GET", "/", nil)
		r.URL.Path = path
		ts.Handler().ServeHTTP(w, r)
		if want == "" {
			if w.Code != 404 {
				t.Errorf("%s: %d", path, w.Code)
			}
		} else if got := w.Header().Get("Content-Type"); w.Code != 200 || got != want || w.Body.Len() == 0 {
			t.Errorf("%s: %d %q", path, w.Code, got)
		}
	}
}

// TestListIsServed: whatever the list at /client/ links to below itself is there.
func TestListIsServed(t *testing.T) {
	w := httptest.NewRecorder()
	ts.Handler().ServeHTTP(w, httptest.NewRequest("GET", "/client/", nil))
	links := regexp.MustCompile(`href="([^/"][^"]*)"`).FindAllStringSubmatch(w.Body.String(), -1)
	if len(links) != 5 {
		t.Errorf("%d links", len(links))
	}
	for _, l := range links {
		w := httptest.NewRecorder()
		if ts.Handler().ServeHTTP(w, httptest.NewRequest("GET", "/client/"+l[1], nil)); w.Code != 200 {
			t.Errorf("%s: %d", l[1], w.Code)
		}
	}
}

// TestErrorTable: the README's table of errors is the client's own, word for word, and each has a text in both languages.
func TestErrorTable(t *testing.T) {
	free.run(t)
	b := free.open(t, free.nearby, "")
	var errors map[string]struct {
		Category        string
		Retriable       bool
		Text, Why, Next [2]string
	}
	b.run(nil, `return Tapcheck.clientErrors`, &errors)
	if len(errors) < 15 {
		t.Fatalf("%d errors", len(errors))
	}
	readme, err := os.ReadFile("README.md")
	if err != nil {
		t.Fatal(err)
	}
	rows := map[string]string{}
	for _, m := range regexp.MustCompile("(?m)^\\| `([A-Z_]+)` \\| (.*) \\|$").FindAllStringSubmatch(string(readme), -1) {
		rows[m[1]] = m[2]
	}
	var tests strings.Builder
	files, _ := filepath.Glob("*_test.go")
	for _, name := range files {
		b, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		tests.Write(b)
	}
	for id, e := range errors {
		if !strings.Contains(tests.String(), `"`+id+`"`) {
			t.Errorf("no test provokes %s", id)
		}
		for _, text := range [][2]string{e.Text, e.Why, e.Next} {
			if text[0] == text[1] || !strings.HasSuffix(text[0], ".") && !strings.HasSuffix(text[0], ").") || !strings.HasSuffix(text[1], ".") {
				t.Errorf("%s: %q", id, text)
			}
		}
		if want := e.Text[1] + " | " + e.Why[1] + " | " + e.Next[1]; rows[id] != want {
			t.Errorf("README: the row of %s should be\n| `%s` | %s |", id, id, want)
		}
		delete(rows, id)
	}
	for id := range rows {
		t.Errorf("README: there is no error %s", id)
	}
}
