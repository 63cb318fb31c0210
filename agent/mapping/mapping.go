// Package mapping puts a check-in's result into the names and formats of another program: which fields, what they are called,
// how a date or a sex is written.
//
// A mapping is TOML. It has a table for each way out (socketio, socketio_files, webhook, console) and in it the fields in
// their order. What comes with the program (Builtin) is the dialect of the HN212/JTH box, written in this form too; a
// hospital's own file replaces the ways that it has and leaves the others as they are:
//
//	[[webhook.fields]]
//	name = "SoCCCD"
//	from = "number"
//
//	[[webhook.fields]]
//	name = "NgaySinh"
//	from = "dateOfBirth"
//	date = "dd/mm/yyyy"
//
// A field has exactly one of from, join and const. A mapping only renames and reformats: it is given what has passed the
// ceiling of fields already, so it can leave something out and never add anything.
//
// A file is bounded and checked before it is used; each mistake is a settings.Problem with its line and what is allowed.
package mapping

import (
	"bytes"
	_ "embed"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"sort"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/pelletier/go-toml/v2"
	"github.com/pelletier/go-toml/v2/unstable"
	"golang.org/x/text/unicode/norm"

	"github.com/tapcheck/tapcheck/agent/settings"
)

// Bounds of a file.
const (
	MaxFile   = 64 << 10
	MaxFields = 100 // of one way out
	maxName   = 64
	maxText   = 256
	maxValues = 64
	maxJoin   = 16
)

// Ways out. The names stand in files of hospitals and are frozen.
const (
	SocketIO      = "socketio"       // data of the dialect's id 2
	SocketIOFiles = "socketio_files" // data of its id 4
	Webhook       = "webhook"
	Console       = "console" // what the console copies, in this order
)

// Ways are all of them.
var Ways = []string{SocketIO, SocketIOFiles, Webhook, Console}

// Set is a mapping for each way out.
type Set map[string]Map

// Map is the fields of one way out, in their order.
type Map struct {
	Fields []Field `toml:"fields"`
}

// Field is one field of the other program.
type Field struct {
	Name string `toml:"name"` // as the other program calls it

	From  string   `toml:"from"`  // one of Sources
	Join  []string `toml:"join"`  // several of them; those that hold nothing are left out
	Const *string  `toml:"const"` // the same text each time
	With  string   `toml:"with"`  // what stands between the texts of join; a blank where it is not given

	Date   string            `toml:"date"`   // how a date is written: dd, mm and yyyy with what stands between them
	Values map[string]string `toml:"values"` // other words for certain texts; "*" is any other text
	Case   string            `toml:"case"`   // "upper" or "lower"
	Plain  bool              `toml:"plain"`  // without diacritics: "Nguyen Van An"
	Empty  string            `toml:"empty"`  // what stands where there is nothing
	Omit   bool              `toml:"omit"`   // leave the field out where there is nothing
}

//go:embed jth.toml
var builtin []byte

// Sample is the mapping that comes with the program, to start a hospital's own from.
func Sample() string { return string(builtin) }

// Builtin is the mapping that comes with the program.
func Builtin() Set {
	s, err := Parse(builtin)
	if err != nil {
		panic("mapping: " + err.Error()) // a test reads it
	}
	return s
}

// Load reads a hospital's file over what comes with the program; an empty path is no file. Where the file does not have
// Console, the set does not: the page then copies fields as it shows them. The error is settings.Problems, or the operating
// system's.
func Load(path string) (Set, error) {
	if path == "" {
		return Builtin(), nil
	}
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	raw, err := io.ReadAll(io.LimitReader(f, MaxFile+1))
	if err != nil {
		return nil, err
	}
	own, err := Parse(raw)
	if err != nil {
		return nil, err
	}
	set := Builtin()
	for way, m := range own {
		set[way] = m
	}
	return set, nil
}

const (
	notTOML    = "not TOML"
	unknown    = "unknown setting"
	wrongType  = "wrong type"
	notAllowed = "not allowed"
)

// Parse reads a file's content. The error is settings.Problems.
func Parse(raw []byte) (Set, error) {
	if len(raw) > MaxFile {
		return nil, settings.Problems{{What: notTOML, Allowed: "at most 64 KiB"}}
	}
	raw = bytes.TrimPrefix(raw, []byte("\xEF\xBB\xBF")) // Notepad's
	at, err := find(raw)
	if err != nil {
		return nil, err
	}
	var file struct {
		SocketIO      *Map `toml:"socketio"`
		SocketIOFiles *Map `toml:"socketio_files"`
		Webhook       *Map `toml:"webhook"`
		Console       *Map `toml:"console"`
	}
	d := toml.NewDecoder(bytes.NewReader(raw)).DisallowUnknownFields()
	if err := d.Decode(&file); err != nil {
		return nil, problems(err)
	}
	set := Set{}
	var bad settings.Problems
	for way, m := range map[string]*Map{SocketIO: file.SocketIO, SocketIOFiles: file.SocketIOFiles, Webhook: file.Webhook, Console: file.Console} {
		if m == nil {
			continue
		}
		bad = append(bad, m.check(way, at)...)
		set[way] = *m
	}
	if len(bad) > 0 {
		sort.SliceStable(bad, func(i, j int) bool { return bad[i].Line < bad[j].Line })
		return nil, bad
	}
	return set, nil
}

// problems puts a decoder's complaint into ours, without the value.
func problems(err error) settings.Problems {
	var strict *toml.StrictMissingError
	if errors.As(err, &strict) {
		var p settings.Problems
		for _, e := range strict.Errors {
			line, _ := e.Position()
			allowed := strings.Join(Ways, ", ")
			if key := e.Key(); len(key) > 0 && slices.Contains(Ways, key[0]) {
				allowed = "fields with name, from, join, const, with, date, values, case, plain, empty, omit"
			}
			p = append(p, settings.Problem{Line: line, Setting: strings.Join(e.Key(), "."), What: unknown, Allowed: allowed})
		}
		return p
	}
	var d *toml.DecodeError
	if errors.As(err, &d) {
		line, _ := d.Position()
		return settings.Problems{{Line: line, Setting: strings.Join(d.Key(), "."), What: wrongType, Allowed: kinds}}
	}
	return settings.Problems{{What: notTOML}}
}

const kinds = "texts; join a list of texts; values a table of texts; plain and omit true or false"

// check finds what a way out has that it may not have.
func (m Map) check(way string, at map[string]int) (bad settings.Problems) {
	if len(m.Fields) == 0 || len(m.Fields) > MaxFields {
		bad = append(bad, settings.Problem{Line: at[way], Setting: way + ".fields", What: notAllowed, Allowed: fmt.Sprintf("1 to %d fields", MaxFields)})
		return bad
	}
	seen := map[string]bool{}
	for i, f := range m.Fields {
		fail := func(ok bool, key, allowed string) {
			if ok {
				return
			}
			line, there := at[fmt.Sprintf("%s.%d.%s", way, i, key)]
			if !there {
				line = at[fmt.Sprintf("%s.%d", way, i)]
			}
			bad = append(bad, settings.Problem{Line: line, Setting: way + ".fields." + key, What: notAllowed, Allowed: allowed})
		}
		fail(textOK(f.Name, maxName) && f.Name != "" && !seen[f.Name], "name", "1 to 64 characters on one line, each name once")
		seen[f.Name] = true
		given := 0
		for _, is := range []bool{f.From != "", len(f.Join) > 0, f.Const != nil} {
			if is {
				given++
			}
		}
		fail(given == 1, "from", "exactly one of from, join and const")
		fail(f.From == "" || slices.Contains(Sources(), f.From), "from", strings.Join(Sources(), ", "))
		fail(len(f.Join) <= maxJoin && !slices.ContainsFunc(f.Join, func(s string) bool {
			return !slices.Contains(Sources(), s) || binary(s)
		}), "join", "up to 16 of "+strings.Join(Sources(), ", ")+", but no picture or file")
		fail(f.Const == nil || textOK(*f.Const, maxText), "const", "up to 256 characters on one line")
		fail(textOK(f.With, maxText), "with", "up to 256 characters on one line")
		fail(textOK(f.Empty, maxText), "empty", "up to 256 characters on one line")
		fail(f.Case == "" || f.Case == "upper" || f.Case == "lower", "case", "upper or lower")
		fail(f.Date == "" || dateOK(f.Date), "date", "dd, mm and yyyy (or yyyy alone) with up to 4 other characters, such as dd/mm/yyyy or yyyymmdd")
		fail(len(f.Values) <= maxValues, "values", "up to 64 texts")
		for k, v := range f.Values {
			if !textOK(k, maxText) || !textOK(v, maxText) {
				fail(false, "values", "texts of up to 256 characters on one line")
				break
			}
		}
		// A picture that was put into upper case would be no picture any more.
		fail(!binary(f.From) || f.Date == "" && f.Case == "" && !f.Plain && len(f.Values) == 0, "from", "no date, values, case or plain with a picture or file")
	}
	return bad
}

func textOK(s string, most int) bool {
	return utf8.RuneCountInString(s) <= most && !strings.ContainsFunc(s, unicode.IsControl)
}

func dateOK(p string) bool {
	if strings.Count(p, "yyyy") != 1 {
		return false
	}
	rest := strings.Replace(p, "yyyy", "", 1)
	if d, m := strings.Count(rest, "dd"), strings.Count(rest, "mm"); d > 1 || m > 1 || d == 1 && m == 0 {
		return false
	}
	rest = strings.Replace(strings.Replace(rest, "dd", "", 1), "mm", "", 1)
	return len(rest) <= 4 && !strings.ContainsFunc(rest, func(r rune) bool { return unicode.IsLetter(r) || unicode.IsControl(r) })
}

// Pair is one field as the other program gets it.
type Pair struct{ Name, Value string }

// Uses says whether any field of the map comes from a source for which is says so.
func (m Map) Uses(is func(source string) bool) bool {
	return slices.ContainsFunc(m.Fields, func(f Field) bool { return f.From != "" && is(f.From) || slices.ContainsFunc(f.Join, is) })
}

// Apply gives the fields in their order.
func (m Map) Apply(v Values) []Pair {
	out := make([]Pair, 0, len(m.Fields))
	for _, f := range m.Fields {
		text := f.text(v)
		if text == "" {
			if f.Omit {
				continue
			}
			text = f.Empty
		}
		out = append(out, Pair{f.Name, text})
	}
	return out
}

// Object gives the fields by their names, as a JSON object has them.
func (m Map) Object(v Values) map[string]string {
	out := map[string]string{}
	for _, p := range m.Apply(v) {
		out[p.Name] = p.Value
	}
	return out
}

func (f Field) text(v Values) string {
	switch {
	case f.Const != nil:
		return *f.Const
	case f.From != "":
		return f.format(v[f.From])
	}
	with := f.With
	if with == "" {
		with = " "
	}
	var parts []string
	for _, s := range f.Join {
		if t := f.format(v[s]); t != "" {
			parts = append(parts, t)
		}
	}
	return strings.Join(parts, with)
}

func (f Field) format(s string) string {
	if s == "" {
		return ""
	}
	if f.Date != "" {
		s = date(f.Date, s)
	}
	if w, ok := f.Values[s]; ok {
		s = w
	} else if w, ok := f.Values["*"]; ok {
		s = w
	}
	if f.Plain {
		s = plain(s)
	}
	switch f.Case {
	case "upper":
		s = strings.ToUpper(s)
	case "lower":
		s = strings.ToLower(s)
	}
	return s
}

// date writes an ISO date by a pattern. A card may know no more than the year; then no more is written, and nothing is made
// up. What is no date ("Không thời hạn") stays as it is.
func date(pattern, iso string) string {
	part := strings.SplitN(iso, "T", 2)[0]
	p := strings.Split(part, "-")
	if len(p[0]) != 4 || strings.Trim(part, "0123456789-") != "" || len(p) > 3 {
		return iso
	}
	switch len(p) {
	case 1:
		return p[0]
	case 2:
		if i, j := strings.Index(pattern, "mm"), strings.Index(pattern, "yyyy"); i < 0 {
			return p[0]
		} else if i < j {
			return p[1] + between(pattern, i+2, j) + p[0]
		} else {
			return p[0] + between(pattern, j+4, i) + p[1]
		}
	}
	return strings.NewReplacer("yyyy", p[0], "mm", p[1], "dd", p[2]).Replace(pattern)
}

// between is what stands between month and year in a pattern.
func between(pattern string, from, to int) string {
	return strings.ReplaceAll(pattern[from:to], "dd", "")
}

// plain takes the diacritics off, as older programs want names.
func plain(s string) string {
	s = strings.NewReplacer("đ", "d", "Đ", "D").Replace(s)
	return norm.NFC.String(strings.Map(func(r rune) rune {
		if unicode.Is(unicode.Mn, r) {
			return -1
		}
		return r
	}, norm.NFD.String(s)))
}

// find gives the lines of what a file has: of "webhook", of its field "webhook.0", and of a name in it "webhook.0.date".
func find(raw []byte) (map[string]int, error) {
	at := map[string]int{}
	var p unstable.Parser
	p.Reset(raw)
	count := map[string]int{}
	where := ""
	n := 0
	for p.NextExpression() {
		if n++; n > 4*MaxFields*20 {
			return nil, settings.Problems{{What: notTOML, Allowed: "fewer lines"}}
		}
		e := p.Expression()
		var key []string
		line := 0
		for it := e.Key(); it.Next(); {
			if line == 0 {
				line = p.Shape(it.Node().Raw).Start.Line
			}
			key = append(key, string(it.Node().Data))
		}
		if len(key) == 0 {
			continue
		}
		set := func(k string) {
			if _, there := at[k]; !there {
				at[k] = line
			}
		}
		switch e.Kind {
		case unstable.ArrayTable:
			set(key[0])
			where = fmt.Sprintf("%s.%d", key[0], count[key[0]])
			count[key[0]]++
			set(where)
		case unstable.Table:
			if set(key[0]); len(key) > 2 { // [webhook.fields.values] belongs to the field above it
				set(where + "." + key[2])
			}
		case unstable.KeyValue:
			set(where + "." + key[0])
			set(key[0])
		}
	}
	if err := p.Error(); err != nil {
		line := 0
		var pe *unstable.ParserError
		if errors.As(err, &pe) && pe.Highlight != nil {
			line = p.Shape(p.Range(pe.Highlight)).Start.Line
		}
		return nil, settings.Problems{{Line: line, What: notTOML, Allowed: "name = value, or [[way.fields]]"}}
	}
	return at, nil
}
