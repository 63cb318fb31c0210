// Package manual is what a hospital's IT reads: installation, settings, daily work and what to do about each error id, in
// Vietnamese and English.
//
// Its one source are the chapters in vi and en, Markdown that can be read where it lies. The agent serves it, so that it is that
// of the version which runs and needs no network; `tapcheck manual --save` leaves the same pages as files. What is said of each
// id comes from the catalogue when a page is made, and can not differ from what the desk is told.
package manual

import (
	"bytes"
	"embed"
	"errors"
	"fmt"
	"html/template"
	"io/fs"
	"net/http"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/yuin/goldmark"
	"github.com/yuin/goldmark/ast"
	"github.com/yuin/goldmark/extension"
	"github.com/yuin/goldmark/parser"
	"github.com/yuin/goldmark/text"

	"github.com/tapcheck/tapcheck/agent/catalog"
)

// Prefix is where the pages are served.
const Prefix = "/manual/"

// CSP is what the pages need: their own style sheet, and nothing else.
const CSP = "default-src 'none'; style-src 'self'; base-uri 'none'; form-action 'none'"

//go:embed vi/*.md en/*.md page.html style.css
var files embed.FS

// chapters in the order of the menu: the names of their files, the same in both languages.
var chapters = []string{
	"index", "needs", "windows", "linux", "first", "settings", "his", "browsers", "trust", "insurance", "night", "face", "figures",
	"data", "update", "backup", "protection", "shared", "doctor", "uninstall", "troubleshooting",
}

// idChapter is the chapter that says of each id what it means.
const idChapter = "troubleshooting"

// words are those of the pages that no chapter has.
type words struct {
	Manual, Skip, Chapters, Other, OtherLang, Next, Before, Offline string
	Cause, Cure, Now, Code, Retriable, Yes, No                      string
	Index                                                           string
	Categories, Severities, Kinds                                   map[string]string
}

var said = map[catalog.Lang]words{
	catalog.VI: {
		Manual: "Hướng dẫn cho bộ phận CNTT", Skip: "Đến nội dung", Chapters: "Các chương", Other: "English", OtherLang: "en", Next: "Tiếp", Before: "Trước",
		Offline: "Hướng dẫn của đúng phiên bản này; không cần mạng.",
		Cause:   "Vì sao", Cure: "Cách xử lý", Now: "Quầy làm gì", Code: "Mã JSON-RPC", Retriable: "Thử lại được", Yes: "có", No: "không",
		Index: "Tất cả các mã",
		Categories: map[string]string{"request": "Yêu cầu của phần mềm", "access": "Quyền truy cập", "job": "Lượt tiếp nhận", "key": "Mã mở chip", "card": "Thẻ",
			"reader": "Đầu đọc", "insurance": "Cổng BHYT", "face": "Khuôn mặt", "agent": "Tapcheck và máy này"},
		Severities: map[string]string{"down": "Ngừng hoạt động", "degraded": "Cần xử lý", "note": "Nên biết"},
		Kinds:      map[string]string{"": "lỗi", ofHealth: "tình trạng máy", ofWarning: "lưu ý", ofReason: "kết luận", ofStep: "việc làm tiếp"},
	},
	catalog.EN: {
		Manual: "Manual for IT", Skip: "To the content", Chapters: "Chapters", Other: "Tiếng Việt", OtherLang: "vi", Next: "Next", Before: "Before",
		Offline: "The manual of this very version; it needs no network.",
		Cause:   "Why", Cure: "Cure", Now: "What the desk does", Code: "JSON-RPC code", Retriable: "Can be tried again", Yes: "yes", No: "no",
		Index: "All ids",
		Categories: map[string]string{"request": "The program's request", "access": "Access", "job": "Check-ins", "key": "Keys of the chip", "card": "Cards",
			"reader": "Readers", "insurance": "The insurance gateway", "face": "Faces", "agent": "Tapcheck and this PC"},
		Severities: map[string]string{"down": "Does not work", "degraded": "Needs attention", "note": "Good to know"},
		Kinds:      map[string]string{"": "error", ofHealth: "state", ofWarning: "note", ofReason: "verdict", ofStep: "next"},
	},
}

// Handler serves everything below Prefix. It is made once, when it is first asked for.
func Handler(version string) http.Handler {
	all := sync.OnceValue(func() map[string][]byte { return render(version) })
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		name := strings.TrimPrefix(r.URL.Path, Prefix)
		if first, ok := map[string]string{"": "vi/index.html", "vi/": "vi/index.html", "en/": "en/index.html"}[name]; ok {
			http.Redirect(w, r, Prefix+first, http.StatusFound)
			return
		}
		body, ok := all()[name]
		if !ok {
			http.NotFound(w, r)
			return
		}
		kind := "text/html; charset=utf-8"
		if path.Ext(name) == ".css" {
			kind = "text/css; charset=utf-8"
		}
		w.Header().Set("Content-Type", kind)
		w.Header().Set("X-Content-Type-Options", "nosniff")
		http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(body))
	})
}

// Save writes the pages into a folder, which it makes, and gives the first one's path. A file that is there already is not touched.
func Save(dir, version string, l catalog.Lang) (first string, err error) {
	all := render(version)
	for name, body := range all {
		file := filepath.Join(dir, filepath.FromSlash(name))
		if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
			return "", err
		}
		f, err := os.OpenFile(file, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o644)
		if err != nil {
			return "", err
		}
		_, err = f.Write(body)
		if err = errors.Join(err, f.Close()); err != nil {
			return "", err
		}
	}
	return filepath.Join(dir, string(lang(l)), "index.html"), nil
}

func lang(l catalog.Lang) catalog.Lang {
	if l != catalog.EN {
		return catalog.VI
	}
	return l
}

// title of a chapter, as the menu has it.
type title struct{ Name, Title string }

// view is what the template works with.
type view struct {
	Lang         catalog.Lang
	W            words
	Name, Title  string
	Version      string
	Body         template.HTML
	All          []title
	Before, Next *title
}

func render(version string) map[string][]byte {
	t := template.Must(template.New("").ParseFS(files, "page.html"))
	out := map[string][]byte{"style.css": read("style.css")}
	for _, l := range []catalog.Lang{catalog.VI, catalog.EN} {
		var all []title
		for _, name := range chapters {
			all = append(all, title{name, firstLine(read(string(l) + "/" + name + ".md"))})
		}
		for i, name := range chapters {
			v := view{Lang: l, W: said[l], Name: name, Title: all[i].Title, Version: version, All: all, Body: body(t, l, name)}
			if i > 0 {
				v.Before = &all[i-1]
			}
			if i+1 < len(all) {
				v.Next = &all[i+1]
			}
			var b bytes.Buffer
			if err := t.ExecuteTemplate(&b, "page", v); err != nil {
				panic("manual: " + err.Error()) // a test makes every page
			}
			out[string(l)+"/"+name+".html"] = b.Bytes()
		}
	}
	return out
}

func read(name string) []byte {
	raw, err := fs.ReadFile(files, name)
	if err != nil {
		panic("manual: " + err.Error()) // it is embedded
	}
	return raw
}

func firstLine(raw []byte) string {
	line, _, _ := strings.Cut(string(raw), "\n")
	return strings.TrimPrefix(line, "# ")
}

// made are lines of a chapter in whose place something is put that the program knows by itself.
var made = map[string]string{
	"<!-- ids: index -->": "index", "<!-- ids: errors -->": "errors", "<!-- ids: health -->": "health", "<!-- ids: warnings -->": "warnings",
	"<!-- ids: reasons -->": "reasons", "<!-- ids: steps -->": "steps",
}

// body is a chapter as HTML: its Markdown, and in it what is made.
func body(t *template.Template, l catalog.Lang, name string) template.HTML {
	var b, part bytes.Buffer
	ids := &slugs{seen: map[string]bool{}}
	flush := func() {
		src := bytes.Clone(part.Bytes())
		part.Reset()
		ctx := parser.NewContext(parser.WithIDs(ids))
		doc := markdown.Parser().Parse(text.NewReader(src), parser.WithContext(ctx))
		link(doc, src, name)
		if err := markdown.Renderer().Render(&b, src, doc); err != nil {
			panic("manual: " + err.Error())
		}
	}
	for line := range strings.Lines(string(read(string(l) + "/" + name + ".md"))) {
		what, ok := made[strings.TrimSpace(line)]
		if !ok {
			part.WriteString(line)
			continue
		}
		flush()
		if err := t.ExecuteTemplate(&b, what, lists(l)); err != nil {
			panic("manual: " + err.Error())
		}
	}
	flush()
	return template.HTML(b.String()) // #nosec: of embedded files and the catalogue; raw HTML in Markdown is not let through
}

var markdown = goldmark.New(goldmark.WithExtensions(extension.Table), goldmark.WithParserOptions(parser.WithAutoHeadingID()))

// link lets the chapters' links, which lead from file to file in the tree, lead from page to page, and makes one of each id that
// is named, to what is said of it.
func link(doc ast.Node, src []byte, chapter string) {
	var named []*ast.CodeSpan
	_ = ast.Walk(doc, func(n ast.Node, entering bool) (ast.WalkStatus, error) {
		if !entering {
			return ast.WalkContinue, nil
		}
		switch n := n.(type) {
		case *ast.Link:
			file, fragment, _ := strings.Cut(string(n.Destination), "#")
			if strings.Contains(file, ":") || !strings.HasSuffix(file, ".md") {
				break
			}
			file = strings.TrimSuffix(file, ".md") + ".html"
			if fragment != "" {
				file += "#" + fragment
			}
			n.Destination = []byte(file)
		case *ast.CodeSpan:
			if n.Parent().Kind() != ast.KindLink {
				named = append(named, n)
			}
		}
		return ast.WalkContinue, nil
	})
	for _, n := range named {
		at, ok := anchors()[code(n, src)]
		if !ok {
			continue
		}
		a := ast.NewLink()
		if a.Destination = []byte("#" + at); chapter != idChapter {
			a.Destination = []byte(idChapter + ".html#" + at)
		}
		n.Parent().ReplaceChild(n.Parent(), n, a)
		a.AppendChild(a, n)
	}
}

// code is what a code span says.
func code(n *ast.CodeSpan, src []byte) string {
	var b strings.Builder
	for c := n.FirstChild(); c != nil; c = c.NextSibling() {
		if t, ok := c.(*ast.Text); ok {
			b.Write(t.Segment.Value(src))
		}
	}
	return b.String()
}

// slugs gives headings the ids that code hosts give them too, so that a link to a section works in the tree and when served:
// small letters and digits of any language, a hyphen for a blank, and nothing else.
type slugs struct{ seen map[string]bool }

// Generate implements parser.IDs.
func (s *slugs) Generate(value []byte, _ ast.NodeKind) []byte {
	slug := slugOf(string(value))
	for n, base := 1, slug; s.seen[slug]; n++ {
		slug = fmt.Sprintf("%s-%d", base, n)
	}
	s.seen[slug] = true
	return []byte(slug)
}

// Put implements parser.IDs.
func (s *slugs) Put(value []byte) { s.seen[string(value)] = true }

func slugOf(heading string) string {
	var b strings.Builder
	for _, r := range strings.ToLower(strings.TrimSpace(heading)) {
		switch {
		case r == ' ', r == '-':
			b.WriteByte('-')
		case r == '_', letter(r):
			b.WriteRune(r)
		}
	}
	return b.String()
}

// Chapters are the names of the chapters, in their order.
func Chapters() []string { return slices.Clone(chapters) }

// Source is a chapter's Markdown.
func Source(l catalog.Lang, chapter string) []byte {
	return read(string(lang(l)) + "/" + chapter + ".md")
}
