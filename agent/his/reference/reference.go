// Package reference is what a HIS vendor reads: pages made from the protocol's document (agent/his/schema) and the catalogue,
// served by the agent itself, so that they are those of the version that runs. They need no network and no script.
package reference

import (
	"bytes"
	"embed"
	"html/template"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/tapcheck/tapcheck/agent/catalog"
	"github.com/tapcheck/tapcheck/agent/his/schema"
	"github.com/tapcheck/tapcheck/agent/mapping"
)

// Prefix is where the pages are served.
const Prefix = "/docs/"

// CSP is what the pages need: their own style sheet, and nothing else.
const CSP = "default-src 'none'; style-src 'self'; base-uri 'none'; form-action 'none'"

//go:embed page
var files embed.FS

// page is one page of the reference.
type page struct {
	Path   string // below Prefix; "" is the first one
	Title  string
	VI     string
	Active string // which one of Pages this is
}

// pages in the order of the menu.
var pages = []page{
	{Path: "", Title: "The first half hour", VI: "Nửa giờ đầu tiên"},
	{Path: "methods", Title: "Methods and notifications", VI: "Phương thức và thông báo"},
	{Path: "types", Title: "Types", VI: "Kiểu dữ liệu"},
	{Path: "verdicts", Title: "Verdicts", VI: "Kết luận kiểm tra"},
	{Path: "errors", Title: "Errors", VI: "Mã lỗi"},
	{Path: "transport", Title: "Connection and limits", VI: "Kết nối và giới hạn"},
	{Path: "browsers", Title: "Browsers", VI: "Trình duyệt"},
	{Path: "compat", Title: "A HIS that stays as it is", VI: "Phần mềm không sửa đổi"},
}

// served is a file that can be asked for.
type served struct {
	contentType string
	body        []byte
}

// Handler serves everything below Prefix. It is made once, when it is first asked for.
func Handler() http.Handler {
	all := sync.OnceValue(render)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		f, ok := all()[strings.TrimPrefix(r.URL.Path, Prefix)]
		if !ok {
			http.NotFound(w, r)
			return
		}
		w.Header().Set("Content-Type", f.contentType)
		w.Header().Set("X-Content-Type-Options", "nosniff")
		http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(f.body))
	})
}

// view is what the templates work with.
type view struct {
	page
	Quickstart string // a whole page without a library
	Pages      []page
	P          *schema.Protocol
	Errors     []errorGroup
	Statuses   []status
	Reasons    []reason
	Dialect    []mapping.Field // of the HN212/JTH box
	Prefix     string
}

type errorGroup struct {
	Name, Meaning string
	Entries       []catalog.Entry
}

type reason struct{ ID, VI, EN string }

func render() map[string]served {
	t := template.Must(template.New("").Funcs(functions).ParseFS(files, "page/*.html"))
	v := view{Pages: pages, P: schema.Load(), Errors: errorGroups(), Statuses: statuses, Prefix: Prefix}
	for _, way := range []string{mapping.SocketIO, mapping.SocketIOFiles} {
		v.Dialect = append(v.Dialect, mapping.Builtin()[way].Fields...)
	}
	for _, id := range catalog.ReasonIDs() {
		vi, _ := catalog.ReasonText(id, catalog.VI)
		en, _ := catalog.ReasonText(id, catalog.EN)
		v.Reasons = append(v.Reasons, reason{id, vi, en})
	}
	css, quickstart := read("page/style.css"), read("page/quickstart.txt")
	v.Quickstart = string(quickstart)
	out := map[string]served{
		"style.css":            {"text/css; charset=utf-8", css},
		"quickstart.txt":       {"text/plain; charset=utf-8", quickstart}, // a page for one's own server; ours would not let it run
		"asyncapi.json":        {"application/json; charset=utf-8", schema.Document()},
		"protocol.schema.json": {"application/schema+json; charset=utf-8", schema.JSONSchema()},
	}
	for _, p := range pages {
		v.page = p
		name := p.Path
		if name == "" {
			name = "start"
		}
		var b bytes.Buffer
		if err := t.ExecuteTemplate(&b, name+".html", v); err != nil {
			panic("reference: " + err.Error()) // a test renders every page
		}
		out[p.Path] = served{"text/html; charset=utf-8", b.Bytes()}
	}
	return out
}

func read(name string) []byte {
	raw, err := files.ReadFile(name)
	if err != nil {
		panic("reference: " + err.Error()) // it is embedded
	}
	return raw
}

func errorGroups() []errorGroup {
	var groups []errorGroup
	data, _ := schema.Load().Type("ErrorData")
	for _, f := range data.Fields {
		if f.Name != "category" {
			continue
		}
		for _, v := range f.Values {
			g := errorGroup{Name: v.Name, Meaning: v.Meaning}
			for _, e := range catalog.Entries() {
				if e.Category == v.Name {
					g.Entries = append(g.Entries, e)
				}
			}
			groups = append(groups, g)
		}
	}
	return groups
}

// status is one verdict in words for whoever writes the HIS's screen.
type status struct{ Name, VI, Means, Show string }

var statuses = []status{
	{"passed", "Đạt", "It was proved.", "Quietly, in green or with a tick."},
	{"not_verifiable", "Chưa kết luận", "Nothing speaks for it or against it. For the citizen card this is the everyday case: its root certificates are not public.", "Neutral and calm, in grey; never as a warning, never as passed."},
	{"not_present", "Không có", "The card has no such feature.", "Not at all, or in grey."},
	{"not_done", "Không thực hiện", "Refused, switched off, not asked for, or not reached; the reason says which.", "Not at all, or in grey with the reason."},
	{"failed", "Không đạt", "It was proved to be wrong.", "In red, with the reason and what next says; the patient is still admitted with papers."},
}

var functions = template.FuncMap{
	"json":     highlight,
	"messages": func(group string) []schema.Message { return messages(group) },
	"typ": func(name string) *schema.Type {
		t, ok := schema.Load().Type(name)
		if !ok {
			return nil
		}
		return &t
	},
	"slow": func() (names []string) {
		for _, m := range schema.Load().Messages {
			if m.Slow {
				names = append(names, m.Name)
			}
		}
		return names
	},
	"isType":  func(name string) bool { _, ok := schema.Load().Type(name); return ok },
	"example": example,
	"bounds": func(f schema.Field) []string { // but for what the description says anyway
		return slices.DeleteFunc(slices.Clone(f.Bounds), func(b string) bool {
			return b == "format date-time" || strings.Contains(f.Description, " bytes") && strings.HasSuffix(b, " characters")
		})
	},
	"en": func(id string) string { e, _ := catalog.Lookup(catalog.ID(id)); return e.Text.EN },
	"answer": func(e schema.Example) schema.Object {
		if e.Answer != nil {
			return e.Answer
		}
		return e.Failure
	},
}

// messages are those of a group: what one calls, then what comes of it; but the agent's hello is the first word.
func messages(group string) []schema.Message {
	var called, told []schema.Message
	for _, m := range schema.Load().Messages {
		switch {
		case m.Group != group:
		case m.Notification:
			told = append(told, m)
		default:
			called = append(called, m)
		}
	}
	if group == "session" {
		return append(told, called...)
	}
	return append(called, told...)
}

// example finds one of the recorded examples.
func example(message, name string) *schema.Example {
	if message == "discovery" {
		for _, e := range schema.Load().Discovery {
			if e.Name == name {
				return &e
			}
		}
		return nil
	}
	m, _ := schema.Load().Message(message)
	for _, e := range m.Examples {
		if e.Name == name {
			return &e
		}
	}
	return nil
}

// highlight writes JSON for people: what fits on a line stays on it, and names, texts and numbers are told apart.
func highlight(o schema.Object) template.HTML {
	var b strings.Builder
	write(&b, o, 0)
	return template.HTML(b.String()) // #nosec: every text in it is escaped
}

const lineWidth = 92

func write(b *strings.Builder, v any, depth int) {
	span := func(class, s string) {
		b.WriteString(`<span class="` + class + `">` + template.HTMLEscapeString(s) + `</span>`)
	}
	pad := func(n int) { b.WriteString("\n" + strings.Repeat("  ", n)) }
	narrow := func(size int) bool { return depth*2+size <= lineWidth }
	switch v := v.(type) {
	case schema.Object:
		raw, _ := v.MarshalJSON()
		inline := len(v) == 0 || narrow(len([]rune(string(raw)))+2*len(v))
		b.WriteByte('{')
		for i, m := range v {
			switch {
			case i > 0 && inline:
				b.WriteString(", ")
			case i > 0:
				b.WriteByte(',')
				pad(depth + 1)
			case !inline:
				pad(depth + 1)
			}
			span("k", strconv.Quote(m.Name))
			b.WriteString(": ")
			write(b, m.Value, depth+1)
		}
		if !inline {
			pad(depth)
		}
		b.WriteByte('}')
	case []any:
		length := 0
		for _, e := range v {
			var one strings.Builder
			write(&one, e, 1000)
			length += len(one.String()) / 2
		}
		inline := narrow(length)
		if !inline && words(v) {
			writeWords(b, v, depth)
			return
		}
		b.WriteByte('[')
		for i, e := range v {
			switch {
			case i > 0 && inline:
				b.WriteString(", ")
			case i > 0:
				b.WriteByte(',')
				pad(depth + 1)
			case !inline:
				pad(depth + 1)
			}
			write(b, e, depth+1)
		}
		if !inline && len(v) > 0 {
			pad(depth)
		}
		b.WriteByte(']')
	case string:
		span("s", quote(v))
	default:
		raw, _ := schema.Object{{Name: "v", Value: v}}.MarshalJSON()
		span("n", strings.TrimSuffix(strings.TrimPrefix(string(raw), `{"v":`), "}"))
	}
}

// words says that a list holds short texts only.
func words(list []any) bool {
	return !slices.ContainsFunc(list, func(v any) bool { s, ok := v.(string); return !ok || len(s) > 40 })
}

// writeWords fills lines with them.
func writeWords(b *strings.Builder, list []any, depth int) {
	b.WriteByte('[')
	width := lineWidth
	for i, v := range list {
		q := quote(v.(string))
		if width+len(q)+2 > lineWidth {
			b.WriteString("\n" + strings.Repeat("  ", depth+1))
			width = depth*2 + 2
		}
		b.WriteString(`<span class="s">` + template.HTMLEscapeString(q) + `</span>`)
		if i < len(list)-1 {
			b.WriteString(", ")
		}
		width += len(q) + 2
	}
	b.WriteString("\n" + strings.Repeat("  ", depth) + "]")
}

func quote(s string) string {
	raw, _ := schema.Object{{Name: "v", Value: s}}.MarshalJSON()
	return strings.TrimSuffix(strings.TrimPrefix(string(raw), `{"v":`), "}")
}
