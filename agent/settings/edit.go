package settings

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"sort"
	"strconv"
	"strings"

	"github.com/pelletier/go-toml/v2/unstable"
)

// Entry is one setting, for whoever shows or changes them.
type Entry struct {
	Name             string   // dotted, such as "his.ports"
	Kind             string   // "string", "int", "bool", "[]string", "[]int"
	Allowed          string   // in words
	Choices          []string // of a string that is one of a few words
	Doc              string
	DocVI, AllowedVI string // in Vietnamese
	Value            any
	Default          any
	Live             bool // a change is in force at once; else when the agent is started anew
	FileOnly         bool // may be changed in the file alone: whose signatures count, and where secrets lie and go
}

// List gives all settings in the order of the sample file.
func List(s Settings) []Entry {
	var list []Entry
	known := schema()
	var walk func(v, def reflect.Value, prefix string)
	walk = func(v, def reflect.Value, prefix string) {
		for i := range v.NumField() {
			name := prefix + v.Type().Field(i).Tag.Get("toml")
			if v.Field(i).Kind() == reflect.Struct {
				walk(v.Field(i), def.Field(i), name+".")
				continue
			}
			k := known[name]
			list = append(list, Entry{
				Name: name, Kind: k.kind, Allowed: k.allowed, Choices: choices(k), Doc: k.doc, Value: v.Field(i).Interface(), Default: def.Field(i).Interface(),
				DocVI: vietnamese[name].doc, AllowedVI: vietnamese[name].allowed, Live: k.live, FileOnly: k.fileOnly,
			})
		}
	}
	walk(reflect.ValueOf(s), reflect.ValueOf(Default()), "")
	return list
}

var wordList = regexp.MustCompile(`^[a-z_]+(, [a-z_]+)* or [a-z_]+$`)

// choices are the words of "pin, os or both".
func choices(k setting) []string {
	if k.kind != "string" || !wordList.MatchString(k.allowed) {
		return nil
	}
	return strings.Split(strings.ReplaceAll(k.allowed, " or ", ", "), ", ")
}

// What can be wrong with a change.
var (
	ErrForm     = errors.New("this setting is written in a form that only a person can change")
	ErrFileOnly = errors.New("this setting can be changed in the file only")
	ErrLocked   = errors.New("this setting is decided elsewhere: what the file says does not count")
)

// Change changes settings in the content of a file, and leaves comments, order and everything else as it is. The values
// are JSON; null takes a setting out, so that its default counts. The result has been read back and says what it should.
// The error is Problems for a value that is not allowed, or for a file that was wrong already; else it unwraps to ErrForm,
// ErrFileOnly or ErrLocked.
func Change(raw []byte, changes map[string]json.RawMessage) ([]byte, Settings, error) {
	raw, l, err := change(raw, changes, nil, false)
	return raw, l.Settings, err
}

// change lets everything be changed where whoever asks could write the file as well (owner). over is what outweighs the file.
func change(raw []byte, changes map[string]json.RawMessage, over []Layer, owner bool) ([]byte, Loaded, error) {
	before, err := compose(append([]Layer{{Kind: FromFile, TOML: string(raw)}}, over...))
	if err != nil {
		return nil, Loaded{}, err
	}
	bom := bytes.HasPrefix(raw, []byte("\xEF\xBB\xBF"))
	raw = bytes.TrimPrefix(raw, []byte("\xEF\xBB\xBF"))
	known := schema()
	want, _ := fileOnly(raw)
	names := make([]string, 0, len(changes))
	var problems Problems
	for name := range changes {
		k, there := known[name]
		from := before.From[name]
		switch {
		case !there:
			problems = append(problems, Problem{Setting: shorten(name), What: unknown})
			continue
		case k.fileOnly && !owner:
			return nil, Loaded{}, fmt.Errorf("%w: %s", ErrFileOnly, name)
		case (from.Kind == FromEnvironment || from.Kind == FromPolicy) && !owner:
			return nil, Loaded{}, fmt.Errorf("%w: %s (%s)", ErrLocked, name, from.Kind)
		}
		names = append(names, name)
		target, def := field(reflect.ValueOf(&want).Elem(), name), field(reflect.ValueOf(Default()), name)
		if string(bytes.TrimSpace(changes[name])) == "null" {
			target.Set(def)
			continue
		}
		v := reflect.New(target.Type())
		d := json.NewDecoder(bytes.NewReader(changes[name]))
		if err := d.Decode(v.Interface()); err != nil {
			problems = append(problems, Problem{Setting: name, What: wrongType, Allowed: k.allowed})
			continue
		}
		target.Set(v.Elem())
	}
	// What is judged is the whole: what the file lacks may stand in a policy.
	whole := Loaded{Settings: want, From: map[string]Origin{}}
	for name, from := range before.From {
		if from.Kind != FromFile {
			whole.From[name] = from
			field(reflect.ValueOf(&whole.Settings).Elem(), name).Set(field(reflect.ValueOf(before.Settings), name))
		}
	}
	for _, p := range whole.judge() {
		problems = append(problems, Problem{Setting: p.Setting, What: p.What, Allowed: p.Allowed})
	}
	if len(problems) > 0 {
		sort.Slice(problems, func(i, j int) bool { return problems[i].Setting < problems[j].Setting })
		return nil, Loaded{}, problems
	}
	sort.Strings(names)
	for _, name := range names {
		value := ""
		if string(bytes.TrimSpace(changes[name])) != "null" {
			value = tomlValue(field(reflect.ValueOf(want), name))
		}
		if raw, err = edit(raw, name, value); err != nil {
			return nil, Loaded{}, err
		}
	}
	// The proof: whatever the file looked like, this is what it says now.
	after, err := fileOnly(raw)
	if err != nil || !same(after, want) {
		return nil, Loaded{}, ErrForm
	}
	if bom {
		raw = append([]byte("\xEF\xBB\xBF"), raw...)
	}
	if len(raw) > MaxFile {
		return nil, Loaded{}, Problems{{What: notTOML, Allowed: "at most 256 KiB"}}
	}
	now, err := compose(append([]Layer{{Kind: FromFile, TOML: string(raw)}}, over...))
	return raw, now, err
}

// fileOnly is what a file says by itself, over the defaults and without judging it.
func fileOnly(raw []byte) (Settings, error) {
	s := Default()
	values, problems, _ := decodeTOML(raw, Origin{Kind: FromFile})
	if len(problems) > 0 {
		return s, problems
	}
	for name, g := range values {
		field(reflect.ValueOf(&s).Elem(), name).Set(g.value)
	}
	return s, nil
}

// same compares settings; an absent list is an empty one.
func same(a, b Settings) bool {
	x, y := List(a), List(b)
	for i := range x {
		if fmt.Sprint(x[i].Value) != fmt.Sprint(y[i].Value) {
			return false
		}
	}
	return true
}

// shorten bounds a name that somebody has made up before it is repeated.
func shorten(s string) string {
	if len(s) > 64 {
		s = s[:64]
	}
	return strings.ToValidUTF8(s, "?")
}

// field finds a setting by its dotted name.
func field(v reflect.Value, name string) reflect.Value {
	first, rest, more := strings.Cut(name, ".")
	for i := range v.NumField() {
		if v.Type().Field(i).Tag.Get("toml") == first {
			if more {
				return field(v.Field(i), rest)
			}
			return v.Field(i)
		}
	}
	return reflect.Value{}
}

// place is a top-level expression of a file: a table's header or a setting.
type place struct {
	name  string // full, dotted
	table string // in which it stands; of a header its own name
	head  bool
	start int // of its line
	after int // of its key: where "=" is to come
	end   int // of its line
}

func places(raw []byte) ([]place, error) {
	var p unstable.Parser
	p.Reset(raw)
	var list []place
	table := ""
	for p.NextExpression() {
		e := p.Expression()
		var parts []string
		end := 0
		for it := e.Key(); it.Next(); {
			n := it.Node()
			parts = append(parts, string(n.Data))
			end = int(n.Raw.Offset + n.Raw.Length)
		}
		if len(parts) == 0 {
			continue
		}
		at := place{name: strings.Join(parts, "."), after: end}
		at.start = bytes.LastIndexByte(raw[:end], '\n') + 1
		switch e.Kind {
		case unstable.Table, unstable.ArrayTable:
			table = at.name
			at.head, at.table = true, table
			at.end = lineEnd(raw, end)
		case unstable.KeyValue:
			if at.table = table; table != "" {
				at.name = table + "." + at.name
			}
			_, stop, ok := valueAt(raw, end)
			if !ok {
				return nil, ErrForm
			}
			at.end = lineEnd(raw, stop)
		default:
			continue
		}
		list = append(list, at)
	}
	return list, p.Error()
}

func lineEnd(raw []byte, from int) int {
	if i := bytes.IndexByte(raw[from:], '\n'); i >= 0 {
		return from + i + 1
	}
	return len(raw)
}

// valueAt finds the value behind a key: from behind "=" to before a comment or the line's end.
func valueAt(raw []byte, from int) (start, end int, ok bool) {
	i := bytes.IndexByte(raw[from:], '=')
	if i < 0 {
		return 0, 0, false
	}
	start = from + i + 1
	for start < len(raw) && (raw[start] == ' ' || raw[start] == '\t') {
		start++
	}
	depth := 0
	for i = start; i < len(raw); {
		switch c := raw[i]; {
		case c == '"' || c == '\'':
			quote := raw[i : i+1]
			if bytes.HasPrefix(raw[i:], bytes.Repeat(quote, 3)) {
				quote = bytes.Repeat(quote, 3)
			}
			i += len(quote)
			for i < len(raw) && !bytes.HasPrefix(raw[i:], quote) {
				if raw[i] == '\\' && c == '"' {
					i++
				}
				i++
			}
			i += len(quote)
			for len(quote) == 3 && i < len(raw) && raw[i] == c { // up to two more of them belong to the text
				i++
			}
		case c == '#' && depth > 0:
			i = lineEnd(raw, i)
		case c == '[' || c == '{':
			depth++
			i++
		case c == ']' || c == '}':
			depth--
			i++
		case (c == '\n' || c == '#' || c == '\r') && depth == 0:
			return start, len(bytes.TrimRight(raw[:i], " \t")), true
		default:
			i++
		}
	}
	if depth != 0 || i > len(raw) {
		return 0, 0, false
	}
	return start, len(bytes.TrimRight(raw, " \t")), true
}

// edit sets one setting, or takes it out where value is empty.
func edit(raw []byte, name, value string) ([]byte, error) {
	list, err := places(raw)
	if err != nil {
		return nil, ErrForm
	}
	for _, at := range list {
		if at.head || at.name != name {
			continue
		}
		if value == "" {
			return splice(raw, at.start, at.end, ""), nil
		}
		start, end, _ := valueAt(raw, at.after)
		return splice(raw, start, end, value), nil
	}
	if value == "" {
		return raw, nil
	}
	nl := "\n"
	if bytes.Contains(raw, []byte("\r\n")) {
		nl = "\r\n"
	}
	table, key := "", name
	if i := strings.LastIndexByte(name, '.'); i >= 0 {
		table, key = name[:i], name[i+1:]
	}
	// Behind the last setting of its table, or behind the table's header.
	at, there, dotted := 0, table == "", false
	for _, p := range list {
		switch {
		case p.table == table && table != "":
			at, there = p.end, true
		case p.table == "" && strings.HasPrefix(p.name, table+".") && table != "":
			at, there, dotted = p.end, true, true
		case table == "" && p.table == "" && !p.head:
			at = p.end
		}
	}
	line := key + " = " + value + nl
	switch {
	case dotted:
		line = name + " = " + value + nl
	case !there:
		at, line = len(raw), nl+"["+table+"]"+nl+line
	}
	if at > 0 && raw[at-1] != '\n' {
		line = nl + line
	}
	return splice(raw, at, at, line), nil
}

func splice(raw []byte, from, to int, with string) []byte {
	out := make([]byte, 0, len(raw)+len(with))
	out = append(out, raw[:from]...)
	out = append(out, with...)
	return append(out, raw[to:]...)
}

// Save changes a settings file as Change does, and puts it in its place whole or not at all. What was there before is kept
// beside it as NAME.bak. A missing file is made. Errors: those of Change, or the operating system's.
func Save(path string, changes map[string]json.RawMessage) (Settings, error) {
	l, err := Sources{File: path}.Save(changes)
	return l.Settings, err
}

// Save is Save for a file that others outweigh: what they say cannot be changed in it, and counts when the result is judged.
// It gives what is in force then.
func (s Sources) Save(changes map[string]json.RawMessage) (Loaded, error) {
	return s.save(changes, false)
}

// SaveAll is Save for a command of whoever may write the file: also what can be changed in the file only, and what counts for
// nothing as long as another source decides it.
func (s Sources) SaveAll(changes map[string]json.RawMessage) (Loaded, error) {
	return s.save(changes, true)
}

func (s Sources) save(changes map[string]json.RawMessage, owner bool) (Loaded, error) {
	path := s.File
	if real, err := filepath.EvalSymlinks(path); err == nil {
		path = real // the file is replaced, not a link to it
	}
	old, err := readFile(path)
	missing := errors.Is(err, fs.ErrNotExist)
	if err != nil && !missing {
		return Loaded{}, err
	}
	raw, after, err := change(old, changes, s.over(), owner)
	if err != nil {
		return Loaded{}, err
	}
	after.layers[0].Place = s.File
	for name, from := range after.From {
		if from.Kind == FromFile {
			from.Place = s.File
			after.From[name] = from
		}
	}
	mode := fs.FileMode(0o644) // no secret is in it
	if info, err := os.Stat(path); err == nil {
		mode = info.Mode().Perm()
	}
	if !missing {
		if err := replace(path+".bak", old, mode); err != nil {
			return Loaded{}, err
		}
	}
	return after, replace(path, raw, mode)
}

func readFile(path string) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	raw, err := io.ReadAll(io.LimitReader(f, MaxFile+1))
	if err == nil && len(raw) > MaxFile {
		err = Problems{{What: notTOML, Allowed: "at most 256 KiB", From: FromFile}}
	}
	return raw, err
}

func replace(path string, data []byte, mode fs.FileMode) error {
	f, err := os.CreateTemp(filepath.Dir(path), ".tapcheck-"+strconv.Itoa(os.Getpid())+"-*")
	if err != nil {
		return err
	}
	_, err = f.Write(data)
	if err == nil {
		err = f.Chmod(mode)
	}
	if err == nil {
		err = f.Sync()
	}
	if e := f.Close(); err == nil {
		err = e
	}
	if err == nil {
		err = os.Rename(f.Name(), path)
	}
	if err != nil {
		_ = os.Remove(f.Name())
	}
	return err
}
