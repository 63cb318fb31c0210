package reference

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/tapcheck/tapcheck/agent/catalog"
	"github.com/tapcheck/tapcheck/agent/his/schema"
)

func get(t *testing.T, path string) (status int, header http.Header, body string) {
	t.Helper()
	w := httptest.NewRecorder()
	handler.ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), http.MethodGet, path, nil))
	return w.Code, w.Result().Header, w.Body.String()
}

var handler = Handler()

// TestEverythingIsThere: each method, notification, type, error, verdict, close code and limit has its place in the pages, in
// both languages where the desk or a Vietnamese reader needs it.
func TestEverythingIsThere(t *testing.T) {
	_, _, methods := get(t, "/docs/methods")
	_, _, types := get(t, "/docs/types")
	_, _, errs := get(t, "/docs/errors")
	_, _, verdicts := get(t, "/docs/verdicts")
	_, _, transport := get(t, "/docs/transport")
	has := func(where, page, what string) {
		t.Helper()
		if !strings.Contains(page, what) {
			t.Errorf("%s lacks %s", where, what)
		}
	}
	p := schema.Load()
	for _, m := range p.Messages {
		has("methods", methods, `<article id="`+m.Name+`"`)
		has("methods", methods, escaped(m.VITitle))
		has("methods", methods, escaped(m.Title))
		for _, e := range m.Errors {
			has("methods", methods, `href="/help/`+e+`"`)
		}
		for _, e := range m.Examples {
			has("methods", methods, "Example: "+escaped(e.Name))
		}
	}
	for _, typ := range p.Types {
		has("types", types, `<article id="`+typ.Name+`"`)
		for _, f := range typ.Fields {
			has("types", types, "<code>"+f.Name+"</code>")
		}
	}
	for _, e := range catalog.Entries() {
		has("errors", errs, `href="/help/`+string(e.ID)+`"`)
		for _, text := range []string{e.Text.VI, e.Text.EN, e.Next.VI, e.Next.EN} {
			has("errors", errs, escaped(text))
		}
	}
	status, _ := p.Type("VerdictStatus")
	for _, v := range status.Values {
		has("verdicts", verdicts, `<span class="status `+v.Name+`">`)
	}
	for _, id := range catalog.ReasonIDs() {
		has("verdicts", verdicts, "<code>"+id+"</code>")
	}
	for _, c := range p.Closing {
		has("transport", transport, escaped(c.Meaning))
	}
	for _, l := range p.Limits {
		has("transport", transport, escaped(l.Value))
	}
}

func escaped(s string) string {
	return strings.NewReplacer("&", "&amp;", "<", "&lt;", ">", "&gt;", `"`, "&#34;", "'", "&#39;", "+", "&#43;").Replace(s)
}

// TestPagesAreSelfContained: nothing is loaded from elsewhere, nothing runs, every link leads somewhere, and what an example
// has in it is text.
func TestPagesAreSelfContained(t *testing.T) {
	ids := map[string][]string{}
	bodies := map[string]string{}
	id := regexp.MustCompile(` id="([^"]+)"`)
	for _, p := range pages {
		status, header, body := get(t, Prefix+p.Path)
		if status != http.StatusOK || header.Get("Content-Type") != "text/html; charset=utf-8" {
			t.Errorf("%q: %d %v", p.Path, status, header)
		}
		bodies[Prefix+p.Path] = body
		for _, m := range id.FindAllStringSubmatch(body, -1) {
			if slices.Contains(ids[Prefix+p.Path], m[1]) {
				t.Errorf("%q has two %s", p.Path, m[1])
			}
			ids[Prefix+p.Path] = append(ids[Prefix+p.Path], m[1])
		}
		for _, never := range []string{"<script", " on", "style=", "<no value>", "http-equiv", "<img"} {
			tags := regexp.MustCompile(`<[^>]*`).FindAllString(body, -1)
			for _, tag := range tags {
				if strings.Contains(tag, never) && (never != " on" || regexp.MustCompile(` on[a-z]+=`).MatchString(tag)) {
					t.Errorf("%q: %s", p.Path, tag)
				}
			}
		}
	}
	link := regexp.MustCompile(` (?:href|src)="([^"]+)"`)
	for at, body := range bodies {
		for _, m := range link.FindAllStringSubmatch(body, -1) {
			path, fragment, _ := strings.Cut(m[1], "#")
			switch {
			case path == "":
				path = at
			case strings.HasPrefix(path, "/help/"):
				if _, ok := catalog.Lookup(catalog.ID(strings.TrimPrefix(path, "/help/"))); !ok {
					t.Errorf("%s: %s leads nowhere", at, m[1])
				}
				continue
			case strings.HasPrefix(path, "/client/"), path == "/console/":
				continue // other parts of the agent's port
			}
			if status, _, _ := get(t, path); status != http.StatusOK || !strings.HasPrefix(path, Prefix) {
				t.Errorf("%s: %s leads nowhere", at, m[1])
			}
			if fragment != "" && !slices.Contains(ids[path], fragment) {
				t.Errorf("%s: %s leads nowhere on its page", at, m[1])
			}
		}
	}
}

// TestFilesForPrograms: the documents are what tools read.
func TestFilesForPrograms(t *testing.T) {
	for path, want := range map[string]string{"asyncapi.json": "asyncapi", "protocol.schema.json": "$defs"} {
		status, header, body := get(t, Prefix+path)
		var doc map[string]any
		if err := json.Unmarshal([]byte(body), &doc); err != nil || status != http.StatusOK || doc[want] == nil || !strings.Contains(header.Get("Content-Type"), "json") {
			t.Errorf("%s: %d %v %v", path, status, header, err)
		}
	}
	for _, path := range []string{"none", "page/start.html", "../docs/", "methods/", "start"} {
		if status, _, _ := get(t, Prefix+path); status != http.StatusNotFound {
			t.Errorf("%s: %d", path, status)
		}
	}
}

func TestHighlight(t *testing.T) {
	o, err := schema.Parse([]byte(`{"a":"<script>","b":[1,true,null],"c":{}}`))
	if err != nil {
		t.Fatal(err)
	}
	got := string(highlight(o))
	plain := regexp.MustCompile(`<[^>]*>`).ReplaceAllString(got, "")
	if strings.Contains(got, "<script>") || plain != `{&#34;a&#34;: &#34;&lt;script&gt;&#34;, &#34;b&#34;: [1, true, null], &#34;c&#34;: {}}` {
		t.Error(got)
	}
}
