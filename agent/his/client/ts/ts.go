// Package ts is the client for web pages, in TypeScript: what a HIS vendor takes into a page. The agent serves its builds
// (an ES module, a plain script with the global Tapcheck, the types) and an example, so that there is something to begin
// with on every PC that has an agent.
//
// The builds in dist are made from src by `make client` and committed: the program builds with Go alone, and whoever
// reads a page's network log finds code that can be read. A test fails when they are not what src makes.
//
// A HIS serves its own copy. A page that loads the script from the agent's port on every PC would run what a program
// has put there that took the port first; nothing of what the script checks later would be of use then.
package ts

import (
	"bytes"
	"crypto/sha256"
	"embed"
	"encoding/base64"
	"io/fs"
	"net/http"
	"path"
)

// Prefix is where the agent serves the client.
const Prefix = "/client/"

//go:embed dist index.html example.html README.md
var files embed.FS

// kinds are the files that are served, by their names' ends, and as what.
var kinds = map[string]string{
	".mjs":  "text/javascript; charset=utf-8",
	".js":   "text/javascript; charset=utf-8",
	".ts":   "text/plain; charset=utf-8",
	".md":   "text/markdown; charset=utf-8",
	".html": "text/html; charset=utf-8",
}

// Handler serves the builds, the types, the README, the example and a list of them below Prefix, and nothing else.
func Handler() http.Handler {
	served := map[string][]byte{}
	add := func(name, file string) {
		b, err := files.ReadFile(file)
		if err != nil {
			panic("client: " + err.Error()) // it is in the program
		}
		served[Prefix+name] = b
	}
	add("", "index.html")
	add("example.html", "example.html")
	add("README.md", "README.md")
	dist, _ := fs.Sub(files, "dist")
	_ = fs.WalkDir(dist, ".", func(name string, d fs.DirEntry, err error) error {
		if err == nil && !d.IsDir() {
			add(name, "dist/"+name)
		}
		return err
	})
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		b, ok := served[r.URL.Path]
		if !ok {
			http.NotFound(w, r)
			return
		}
		kind := kinds[path.Ext(r.URL.Path)]
		if r.URL.Path == Prefix {
			kind = kinds[".html"]
		}
		w.Header().Set("Content-Type", kind)
		_, _ = w.Write(b)
	})
}

// CSP lets the example, and nothing else, run on the agent's port: its own script, by its hash, and the client. The list has a style.
func CSP() string {
	hash := func(file, open, end string) string {
		page, _ := files.ReadFile(file)
		_, rest, _ := bytes.Cut(page, []byte(open))
		inline, _, _ := bytes.Cut(rest, []byte(end))
		sum := sha256.Sum256(inline)
		return "'sha256-" + base64.StdEncoding.EncodeToString(sum[:]) + "'"
	}
	return "default-src 'none'; script-src 'self' " + hash("example.html", `<script type="module">`, "</script>") + "; style-src " +
		hash("example.html", "<style>", "</style>") + " " + hash("index.html", "<style>", "</style>") +
		"; img-src data: blob:; connect-src http://127.0.0.1:* ws://127.0.0.1:*; base-uri 'none'; form-action 'none'"
}
