package manual

import (
	"html"
	"io/fs"
	"maps"
	"net/http"
	"net/http/httptest"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode"

	"golang.org/x/text/unicode/norm"

	"github.com/tapcheck/tapcheck/agent/catalog"
	"github.com/tapcheck/tapcheck/agent/health"
	"github.com/tapcheck/tapcheck/agent/his/schema"
	"github.com/tapcheck/tapcheck/agent/settings"
)

var languages = []catalog.Lang{catalog.VI, catalog.EN}

var (
	fence   = regexp.MustCompile("(?ms)^```([a-z]*)\n(.*?)^```$")
	span    = regexp.MustCompile("`([^`\n]+)`")
	heading = regexp.MustCompile(`(?m)^(#+) (.*)$`)
	mdLink  = regexp.MustCompile(`\]\(([^)]+)\)`)
)

// spans are the code spans of a text, without its blocks.
func spans(md string) (all []string) {
	for _, m := range span.FindAllStringSubmatch(fence.ReplaceAllString(md, ""), -1) {
		all = append(all, m[1])
	}
	return all
}

func set(list []string) []string {
	slices.Sort(list)
	return slices.Compact(list)
}

// TestBothLanguagesSayTheSame: whoever reads one of them misses nothing. The same chapters and sections, the same blocks to be
// copied, the same rows, and in each section the same settings, ids, commands and files.
func TestBothLanguagesSayTheSame(t *testing.T) {
	for _, l := range languages {
		there, err := fs.Glob(files, string(l)+"/*.md")
		if err != nil || len(there) != len(chapters) {
			t.Errorf("%s has %d chapters, the menu %d: %v", l, len(there), len(chapters), there)
		}
	}
	for _, name := range chapters {
		vi, en := string(Source(catalog.VI, name)), string(Source(catalog.EN, name))
		if !slices.EqualFunc(fence.FindAllString(vi, -1), fence.FindAllString(en, -1), func(a, b string) bool { return a == b }) {
			t.Errorf("%s: blocks differ", name)
		}
		inVI, inEN := sections(vi), sections(en)
		if len(inVI) != len(inEN) {
			t.Errorf("%s: %d sections in Vietnamese, %d in English", name, len(inVI), len(inEN))
			continue
		}
		for i := range inVI {
			a, b := inVI[i], inEN[i]
			at := name + ", " + a.title + " / " + b.title
			if a.level != b.level {
				t.Errorf("%s: another level", at)
			}
			if x, y := set(spans(a.text)), set(spans(b.text)); !slices.Equal(x, y) {
				t.Errorf("%s: Vietnamese names %q, English %q", at, x, y)
			}
			for what, form := range map[string]*regexp.Regexp{"rows": regexp.MustCompile(`(?m)^\|`), "list items": regexp.MustCompile(`(?m)^ *(-|\d\.) `), "warnings": regexp.MustCompile(`(?m)^> `), "links": mdLink} {
				if x, y := len(form.FindAllString(a.text, -1)), len(form.FindAllString(b.text, -1)); x != y {
					t.Errorf("%s: %d %s in Vietnamese, %d in English", at, x, what, y)
				}
			}
		}
		if !norm.NFC.IsNormalString(vi) {
			t.Errorf("%s: Vietnamese is not NFC", name)
		}
	}
}

type section struct {
	level       int
	title, text string
}

func sections(md string) (all []section) {
	plain := fence.ReplaceAllStringFunc(md, func(s string) string { return strings.ReplaceAll(s, "#", " ") })
	at := heading.FindAllStringSubmatchIndex(plain, -1)
	for i, m := range at {
		end := len(md)
		if i+1 < len(at) {
			end = at[i+1][0]
		}
		all = append(all, section{m[3] - m[2], plain[m[4]:m[5]], plain[m[1]:end]})
	}
	return all
}

// shouted are words in capitals that are neither ids nor properties of the installer.
var shouted = []string{"TAPCHECK_SET_", "TAPCHECK_DOWNGRADE", "HTTPS_PROXY", "NO_PROXY", "ID", "VERSION"}

// TestWhatIsNamedExists: no setting, id or property of the installer is named that there is not, and every block of settings
// is a good file.
func TestWhatIsNamedExists(t *testing.T) {
	known := map[string]bool{}
	tables := map[string]bool{}
	for _, e := range settings.List(settings.Default()) {
		known[e.Name] = true
		table, _, _ := strings.Cut(e.Name, ".")
		tables[table] = true
	}
	wxs, err := os.ReadFile(filepath.Join("..", "..", "..", "installer", "windows", "tapcheck.wxs"))
	if err != nil {
		t.Fatal(err)
	}
	property := regexp.MustCompile(`^[A-Z]+$`)
	shout := regexp.MustCompile(`^[A-Z][A-Z0-9_]+$`)
	dotted := regexp.MustCompile(`^([a-z]+)(\.[a-z_]+)+$`)
	seen := map[string]bool{}
	for _, l := range languages {
		for _, name := range chapters {
			md := string(Source(l, name))
			for _, s := range spans(md) {
				word, value, _ := strings.Cut(s, "=")
				word = strings.TrimSpace(word)
				if m := dotted.FindStringSubmatch(word); m != nil && tables[m[1]] && !slices.Contains(fileEndings, path.Ext(word)) {
					seen[word] = true
					if _, method := schema.Load().Message(word); method {
						continue
					}
					if !known[word] {
						t.Errorf("%s/%s: there is no setting or method %s", l, name, word)
					}
					if value = strings.TrimSpace(value); value != "" {
						table, key, _ := strings.Cut(word, ".")
						if _, err := settings.Parse([]byte("[" + table + "]\n" + key + " = " + value + "\n")); err != nil && !strings.Contains(err.Error(), "needed with") {
							t.Errorf("%s/%s: %s: %v", l, name, s, err)
						}
					}
				}
				if shout.MatchString(word) && !slices.Contains(shouted, word) && anchors()[word] == "" {
					if !property.MatchString(word) || !strings.Contains(string(wxs), "["+word+"]") && !strings.Contains(string(wxs), `Id="`+word+`"`) && !strings.Contains(string(wxs), word+`="`) {
						t.Errorf("%s/%s: there is no %s", l, name, word)
					}
				}
			}
			for _, m := range fence.FindAllStringSubmatch(md, -1) {
				if m[1] != "toml" {
					continue
				}
				if _, err := settings.Parse([]byte(m[2])); err != nil {
					t.Errorf("%s/%s: %v in\n%s", l, name, err, m[2])
				}
			}
		}
	}
	if len(seen) < 20 {
		t.Errorf("only %d settings were looked at", len(seen))
	}
}

// fileEndings tell a file's name from a setting's.
var fileEndings = []string{".toml", ".md", ".json", ".db", ".key", ".crt", ".log", ".good", ".txt"}

// TestLinks: in the tree each link leads to a chapter and a section of it; when served, to a page and a place on it; and a page
// loads nothing, runs nothing and has no id twice.
func TestLinks(t *testing.T) {
	for _, l := range languages {
		for _, name := range chapters {
			for _, m := range mdLink.FindAllStringSubmatch(string(Source(l, name)), -1) {
				file, fragment, _ := strings.Cut(m[1], "#")
				chapter, ok := strings.CutSuffix(file, ".md")
				if !ok || !slices.Contains(chapters, chapter) {
					t.Errorf("%s/%s: %s leads to no chapter", l, name, m[1])
					continue
				}
				if fragment != "" && !slices.ContainsFunc(sections(string(Source(l, chapter))), func(s section) bool { return slugOf(s.title) == fragment }) &&
					!slices.Contains(slices.Collect(maps.Values(anchors())), fragment) && !strings.HasPrefix(fragment, ofHealth) {
					t.Errorf("%s/%s: %s leads to no section", l, name, m[1])
				}
			}
		}
	}
	// In the tree there is no menu but the first page's list.
	for _, l := range languages {
		for _, name := range chapters[1:] {
			if want := "- [" + firstLine(Source(l, name)) + "](" + name + ".md)"; !strings.Contains(string(Source(l, "index")), want) {
				t.Errorf("%s/index lacks %s", l, want)
			}
		}
	}
	all := render("1.2.3")
	ids := map[string][]string{}
	id := regexp.MustCompile(` id="([^"]+)"`)
	for page, body := range all {
		if path.Ext(page) != ".html" {
			continue
		}
		for _, m := range id.FindAllStringSubmatch(string(body), -1) {
			one := html.UnescapeString(m[1])
			if slices.Contains(ids[page], one) {
				t.Errorf("%s has two %s", page, one)
			}
			ids[page] = append(ids[page], one)
		}
		for _, tag := range regexp.MustCompile(`<[^>]*`).FindAllString(string(body), -1) {
			if regexp.MustCompile(`^<(script|img|iframe|style)| on[a-z]+=| style=|http-equiv|<no value|raw HTML`).MatchString(tag) {
				t.Errorf("%s: %s", page, tag)
			}
		}
	}
	for page, body := range all {
		for _, m := range regexp.MustCompile(` (?:href|src)="([^"]+)"`).FindAllStringSubmatch(string(body), -1) {
			to, fragment, _ := strings.Cut(html.UnescapeString(m[1]), "#")
			if to = path.Join(path.Dir(page), to); strings.HasPrefix(m[1], "#") {
				to = page
			}
			if all[to] == nil {
				t.Errorf("%s: %s leads nowhere", page, m[1])
			}
			if fragment = unescape(fragment); fragment != "" && !slices.Contains(ids[to], fragment) {
				t.Errorf("%s: %s leads nowhere on its page", page, m[1])
			}
		}
	}
}

// unescape is a fragment as the page's id has it.
func unescape(s string) string {
	var out []byte
	for i := 0; i < len(s); i++ {
		if s[i] == '%' && i+2 < len(s) {
			out = append(out, hex(s[i+1])<<4|hex(s[i+2]))
			i += 2
			continue
		}
		out = append(out, s[i])
	}
	return string(out)
}

func hex(c byte) byte { return byte(strings.IndexByte("0123456789ABCDEF", c)) }

// TestEveryIDIsExplained: with its cause and its cure, in both languages, on the page and in the terminal.
func TestEveryIDIsExplained(t *testing.T) {
	all := render("1.2.3")
	for _, l := range languages {
		page := html.UnescapeString(string(all[string(l)+"/"+idChapter+".html"]))
		has := func(id, anchor string, texts ...string) {
			t.Helper()
			if !strings.Contains(page, ` id="`+anchor+`"`) || !strings.Contains(page, `href="#`+anchor+`"`) {
				t.Errorf("%s: %s has no place, or is not in the index", l, id)
			}
			explained := Explain(id, l)
			for _, text := range texts {
				if text == "" || !strings.Contains(page, text) || !strings.Contains(explained, text) {
					t.Errorf("%s: %s lacks %q", l, id, text)
				}
			}
		}
		for _, e := range catalog.Entries() {
			if said[l].Categories[e.Category] == "" {
				t.Errorf("%s: category %s has no name", l, e.Category)
			}
			has(string(e.ID), string(e.ID), e.Text.In(l), e.Cause.In(l), e.Next.In(l))
		}
		for _, c := range health.Codes() {
			w := health.In(c, l, time.Time{})
			has(string(c), "state-"+string(c), w.Title, w.Cause, w.Cure)
		}
		for prefix, list := range map[string]func() ([]string, func(string, catalog.Lang) (string, bool)){
			"note-": func() ([]string, func(string, catalog.Lang) (string, bool)) {
				return catalog.WarningIDs(), catalog.WarningText
			},
			"reason-": func() ([]string, func(string, catalog.Lang) (string, bool)) {
				return catalog.ReasonIDs(), catalog.ReasonText
			},
			"step-": func() ([]string, func(string, catalog.Lang) (string, bool)) {
				return catalog.StepIDs(), catalog.StepText
			},
		} {
			ids, text := list()
			for _, id := range ids {
				s, _ := text(id, l)
				has(id, prefix+id, s)
			}
		}
	}
	if Explain("MADE_UP", catalog.VI) != "" {
		t.Error("an id that is none is explained")
	}
}

func TestServed(t *testing.T) {
	h := Handler("1.2.3")
	get := func(path string) *httptest.ResponseRecorder {
		w := httptest.NewRecorder()
		h.ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), http.MethodGet, path, nil))
		return w
	}
	for _, path := range []string{"/manual/", "/manual/vi/", "/manual/en/"} {
		if w := get(path); w.Code != http.StatusFound || !strings.HasSuffix(w.Header().Get("Location"), "/index.html") {
			t.Errorf("%s: %d %s", path, w.Code, w.Header().Get("Location"))
		}
	}
	if w := get("/manual/vi/index.html"); w.Code != http.StatusOK || w.Header().Get("Content-Type") != "text/html; charset=utf-8" || !strings.Contains(w.Body.String(), "Tapcheck 1.2.3") {
		t.Errorf("%d %v", w.Code, w.Header())
	}
	if w := get("/manual/style.css"); w.Code != http.StatusOK || !strings.HasPrefix(w.Header().Get("Content-Type"), "text/css") {
		t.Errorf("%d %v", w.Code, w.Header())
	}
	for _, path := range []string{"/manual/vi/index.md", "/manual/vi/none.html", "/manual/page.html", "/manual/vi", "/manual/../agent.go"} {
		if w := get(path); w.Code != http.StatusNotFound {
			t.Errorf("%s: %d", path, w.Code)
		}
	}
}

// TestSave: the same pages as files, and nothing that is there is overwritten.
func TestSave(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "manual")
	first, err := Save(dir, "1.2.3", catalog.EN)
	if err != nil {
		t.Fatal(err)
	}
	for name, body := range render("1.2.3") {
		if raw, err := os.ReadFile(filepath.Join(dir, filepath.FromSlash(name))); err != nil || string(raw) != string(body) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := os.Stat(first); err != nil || filepath.Base(filepath.Dir(first)) != "en" {
		t.Errorf("%s: %v", first, err)
	}
	if _, err := Save(dir, "1.2.3", catalog.EN); err == nil {
		t.Error("files were overwritten")
	}
}

// TestThePagesWords: what the manual calls a page, a list or a button of the desk's page is what stands there.
func TestThePagesWords(t *testing.T) {
	named := regexp.MustCompile(`(?m)(?:^|[^*])\*([^*\n]+)\*(?:[^*]|$)`)
	looked := 0
	for _, l := range languages {
		raw, err := os.ReadFile(filepath.Join("..", "page", "js", "lang", string(l)+".js"))
		if err != nil {
			t.Fatal(err)
		}
		there := []string{"Tapcheck", "Domain Computers"}
		for _, m := range regexp.MustCompile(`(?m)^\t"[^"]+": "(.*)",?$`).FindAllStringSubmatch(string(raw), -1) {
			there = append(there, m[1])
		}
		for _, name := range chapters {
			for _, s := range sections(string(Source(l, name))) {
				there = append(there, s.title) // a section may be named too
			}
		}
		for _, name := range chapters {
			for _, m := range named.FindAllStringSubmatch(fence.ReplaceAllString(string(Source(l, name)), ""), -1) {
				if first := []rune(m[1])[0]; !unicode.IsUpper(first) {
					continue // a word that is said loudly
				}
				for part := range strings.SplitSeq(m[1], " › ") {
					if looked++; !slices.Contains(there, part) {
						t.Errorf("%s/%s: nothing on the page is called %q", l, name, part)
					}
				}
			}
		}
	}
	if looked < 40 {
		t.Errorf("only %d names were looked at", looked)
	}
}
