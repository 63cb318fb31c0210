package page_test

import (
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/tapcheck/tapcheck/agent/catalog"
	"github.com/tapcheck/tapcheck/agent/console/page"
	"github.com/tapcheck/tapcheck/agent/settings"
	"github.com/tapcheck/tapcheck/icao/chip"
)

var update = flag.Bool("update", false, "write js/lang/catalog.js anew")

func file(t *testing.T, name string) string {
	t.Helper()
	b, err := page.Files.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// words reads a language file: what stands in its braces is JSON.
func words(t *testing.T, lang string) map[string]string {
	t.Helper()
	s := file(t, "js/lang/"+lang+".js")
	from, to := strings.Index(s, "{"), strings.LastIndex(s, "}")
	d := json.NewDecoder(strings.NewReader(s[from : to+1]))
	// Token by token, so that a key that stands there twice is seen.
	m := map[string]string{}
	if _, err := d.Token(); err != nil {
		t.Fatal(err)
	}
	for d.More() {
		k, err := d.Token()
		if err != nil {
			t.Fatalf("%s: %v", lang, err)
		}
		v, err := d.Token()
		if err != nil {
			t.Fatalf("%s: %v", lang, err)
		}
		if _, twice := m[k.(string)]; twice {
			t.Errorf("%s: %s stands there twice", lang, k)
		}
		m[k.(string)] = v.(string)
	}
	return m
}

var (
	placeholder = regexp.MustCompile(`\{\w+\}`)
	used        = regexp.MustCompile(`\b(?:t|tOr)\(\s*(?:"([^"]+)"|` + "`([^`]+)`" + `)`)
	literal     = regexp.MustCompile(`"([a-z]\w*\.[\w.]+)"`)
)

// modules are the JavaScript files but the words themselves.
func modules(t *testing.T) map[string]string {
	t.Helper()
	m := map[string]string{}
	err := fs.WalkDir(page.Files, "js", func(path string, d fs.DirEntry, err error) error {
		if err == nil && !d.IsDir() && !strings.HasPrefix(path, "js/lang/") {
			m[path] = file(t, path)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// TestLanguagesAreComplete: both have the same keys and placeholders, everything that the modules say has words, and there
// are no words that nobody says.
func TestLanguagesAreComplete(t *testing.T) {
	vi, en := words(t, "vi"), words(t, "en")
	for k, v := range vi {
		e, ok := en[k]
		if !ok {
			t.Errorf("en.js lacks %s", k)
			continue
		}
		a, b := placeholder.FindAllString(v, -1), placeholder.FindAllString(e, -1)
		slices.Sort(a)
		slices.Sort(b)
		if !slices.Equal(a, b) {
			t.Errorf("%s: placeholders %v and %v", k, a, b)
		}
		if strings.TrimSpace(v) == "" || strings.TrimSpace(e) == "" {
			t.Errorf("%s says nothing", k)
		}
	}
	for k := range en {
		if _, ok := vi[k]; !ok {
			t.Errorf("vi.js lacks %s", k)
		}
	}
	said := map[string]bool{}
	var patterns []*regexp.Regexp
	for path, js := range modules(t) {
		for _, m := range used.FindAllStringSubmatch(js, -1) {
			switch {
			case m[1] != "":
				said[m[1]] = true
				if _, ok := vi[m[1]]; !ok {
					t.Errorf("%s says %q, which has no words", path, m[1])
				}
			default:
				patterns = append(patterns, regexp.MustCompile("^"+regexp.MustCompile(`\\\$\\\{[^}]*\\\}`).ReplaceAllString(regexp.QuoteMeta(m[2]), `\w+`)+"$"))
			}
		}
		for _, m := range literal.FindAllStringSubmatch(js, -1) {
			said[m[1]] = true
		}
	}
	for k := range vi {
		if !said[k] && !slices.ContainsFunc(patterns, func(p *regexp.Regexp) bool { return p.MatchString(k) }) {
			t.Errorf("nothing says %s", k)
		}
	}
}

// TestSettingsAreInVietnamese: the agent words its settings in English; the page has each in Vietnamese.
func TestSettingsAreInVietnamese(t *testing.T) {
	vi := words(t, "settings")
	for _, e := range settings.List(settings.Default()) {
		if vi[e.Name] == "" {
			t.Errorf("js/lang/settings.js lacks %s", e.Name)
		}
		delete(vi, e.Name)
	}
	for name := range vi {
		t.Errorf("js/lang/settings.js has %s, which is no setting", name)
	}
}

// TestSimulatedCardsAreTheSimulations: the people of the page's list are the personas that the simulation has.
func TestSimulatedCardsAreTheSimulations(t *testing.T) {
	js := file(t, "js/view/simulate.js")
	for _, p := range chip.Personas() {
		if want := fmt.Sprintf("{ id: %q, name: %q, digits: %q }", p.ID, p.FullName, p.Number[6:]); !strings.Contains(js, want) {
			t.Errorf("simulate.js lacks %s", want)
		}
	}
	if n := strings.Count(js, "{ id: "); n != len(chip.Personas()) {
		t.Errorf("simulate.js lists %d people of %d", n, len(chip.Personas()))
	}
}

// TestVietnameseIsVietnamese: a text that was typed without diacritics is found by having none at all.
func TestVietnameseIsVietnamese(t *testing.T) {
	for k, v := range words(t, "vi") {
		if len(v) > 14 && len(v) == len([]rune(v)) {
			t.Errorf("%s has no diacritics: %q", k, v)
		}
	}
}

// TestCodedWordsHaveWords: what the agent says in coded words, and the page puts into words, is complete.
func TestCodedWordsHaveWords(t *testing.T) {
	vi := words(t, "vi")
	for prefix, names := range map[string][]string{
		"means":   {"chip", "number", "paper_card", "vneid", "no_card", "emergency"},
		"state":   {"waiting", "running", "needs", "complete", "failed", "cancelled", "void"},
		"phase":   {"connecting", "access", "identity", "chip", "portrait", "insurance"},
		"need":    {"insert_card", "reposition_card", "return_card", "key", "choose_reader", "live_image", "consent"},
		"bhyt":    {"eligible", "not_eligible", "check", "pending", "unknown", "off"},
		"differs": {"value", "diacritics", "precision"},
		"status":  {"passed", "failed", "not_verifiable", "not_present", "not_done"},
		"verdict": {"access", "passiveAuthentication", "chipAuthentication", "activeAuthentication", "documentValidity", "keyMatchesChip", "face"},
		"reader":  {"absent", "empty", "card", "mute", "busy", "error"},
	} {
		for _, n := range names {
			if vi[prefix+"."+n] == "" {
				t.Errorf("%s.%s has no words", prefix, n)
			}
		}
	}
}

// TestErrorsAreTheAgentsWords: no error id stands anywhere in the page's words. What failed is said by the agent, which
// has a text, a cause and a cure for each.
func TestErrorsAreTheAgentsWords(t *testing.T) {
	for _, e := range catalog.Entries() {
		for _, lang := range []string{"vi", "en"} {
			for k := range words(t, lang) {
				if strings.Contains(k, string(e.ID)) {
					t.Errorf("%s.js words the error %s", lang, e.ID)
				}
			}
		}
	}
}

// TestCatalogueIsTheAgents: the steps, warnings and reasons that follow the language switch are the agent's own. -update
// writes them anew.
func TestCatalogueIsTheAgents(t *testing.T) {
	table := func(ids []string, text func(string, catalog.Lang) (string, bool)) map[string]map[string]string {
		m := map[string]map[string]string{}
		for _, id := range ids {
			vi, _ := text(id, catalog.VI)
			en, _ := text(id, catalog.EN)
			m[id] = map[string]string{"vi": vi, "en": en}
		}
		return m
	}
	var want bytes.Buffer
	want.WriteString("// Made from agent/catalog by `go test ./agent/console/page -run TestCatalogueIsTheAgents -update`. Not to be edited.\n")
	for _, x := range []struct {
		name string
		m    map[string]map[string]string
	}{
		{"steps", table(catalog.StepIDs(), catalog.StepText)},
		{"warnings", table(catalog.WarningIDs(), catalog.WarningText)},
		{"reasons", table(catalog.ReasonIDs(), catalog.ReasonText)},
	} {
		fmt.Fprintf(&want, "\nexport const %s = {\n", x.name)
		for _, id := range slices.Sorted(maps.Keys(x.m)) {
			b := &bytes.Buffer{}
			e := json.NewEncoder(b)
			e.SetEscapeHTML(false)
			if err := e.Encode(map[string]string{"vi": x.m[id]["vi"], "en": x.m[id]["en"]}); err != nil {
				t.Fatal(err)
			}
			fmt.Fprintf(&want, "\t%s: %s,\n", id, strings.TrimSpace(b.String()))
		}
		want.WriteString("};\n")
	}
	const name = "js/lang/catalog.js"
	if *update {
		if err := os.WriteFile(name, want.Bytes(), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	if file(t, name) != want.String() {
		t.Error("js/lang/catalog.js is not what agent/catalog says; run this test with -update")
	}
}

// TestNothingFromOutside: no file of the page names another host, parses HTML, or holds inline script or style.
func TestNothingFromOutside(t *testing.T) {
	forbidden := regexp.MustCompile(`innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\(|new Function|document\.cookie|sessionStorage`)
	elsewhere := regexp.MustCompile(`(?:https?:|wss?:)?//[a-z0-9-]+\.[a-z]`)
	inline := regexp.MustCompile(`(?i)\sstyle=|\son[a-z]+=|<style|<script[^>]*>[^<]`)
	err := fs.WalkDir(page.Files, ".", func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		s := file(t, path)
		for _, line := range strings.Split(s, "\n") {
			line = strings.ReplaceAll(line, "http://www.w3.org/2000/svg", "")
			if strings.HasPrefix(path, "js/lang/") || strings.Contains(path, "words_test") {
				line = strings.NewReplacer("https://his.benhvien.example", "", "https://his.hospital.example", "").Replace(line)
			}
			if m := elsewhere.FindString(line); m != "" {
				t.Errorf("%s names another host: %s", path, line)
			}
			if strings.HasSuffix(path, ".js") && forbidden.MatchString(line) {
				t.Errorf("%s: %s", path, line)
			}
			if (strings.HasSuffix(path, ".html") || strings.HasSuffix(path, ".svg")) && inline.MatchString(line) {
				t.Errorf("%s: inline: %s", path, line)
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}
