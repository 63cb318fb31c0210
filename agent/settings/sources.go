package settings

import (
	"bytes"
	"errors"
	"io/fs"
	"os"
	"reflect"
	"slices"
	"sort"
	"strconv"
	"strings"

	"github.com/pelletier/go-toml/v2"

	"github.com/tapcheck/tapcheck/agent/keys"
)

// Kind says in which of the places that settings come from one was found. A later one outweighs an earlier one: default, file,
// environment, policy. The words go over the wire.
type Kind string

// Kinds, from the lightest.
const (
	FromDefault     Kind = "default"
	FromFile        Kind = "file"
	FromEnvironment Kind = "environment"
	FromPolicy      Kind = "policy"
)

// Origin is where a setting's value is from.
type Origin struct {
	Kind  Kind   `json:"source"`
	Place string `json:"place,omitempty"` // file, variable, or value of the registry; empty for a default
	Line  int    `json:"line,omitempty"`  // of a file, from 1
}

// Layer is what one place beside the file says: a file of a policy's folder, the environment, or a key of the registry.
type Layer struct {
	Kind   Kind    `json:"kind"`
	Place  string  `json:"place,omitempty"`
	TOML   string  `json:"toml,omitempty"`   // a whole file; or
	Values []Value `json:"values,omitempty"` // values one by one
	// Wrong is why the place cannot be used; it is then a mistake of that place, for a policy that cannot be read might restrict.
	Wrong string `json:"-"`
}

// Value is one setting that stands outside of a file.
type Value struct {
	Name  string   `json:"name"`  // dotted
	Place string   `json:"place"` // the variable, or the value of the registry
	Text  string   `json:"text,omitempty"`
	List  []string `json:"list,omitempty"` // where the place knows lists; else a list is words in Text
}

// Sources are the places that settings come from.
type Sources struct {
	File     string         // "": none
	Required bool           // the file must be there
	Over     func() []Layer // what outweighs the file, in the order of weight; nil: nothing
}

// Loaded are settings, and where each of them is from.
type Loaded struct {
	Settings Settings
	From     map[string]Origin // by name; what is not there is the default
	// Wrong is set where the last good settings stand in for those with a mistake (LoadOrLast), and says what the mistake is.
	Wrong error

	layers []Layer
}

// Load reads all sources, each over the ones before it. The error is Problems, or the operating system's for the file: where
// that is missing and required it is fs.ErrNotExist.
func (s Sources) Load() (Loaded, error) {
	layers, err := s.read()
	if err != nil {
		return Loaded{}, err
	}
	return compose(layers)
}

// read gives the layers as they are now.
func (s Sources) read() ([]Layer, error) {
	var layers []Layer
	if s.File != "" {
		raw, err := readFile(s.File)
		switch {
		case errors.Is(err, fs.ErrNotExist) && !s.Required:
		case err != nil:
			return nil, err // half a file could lack a restriction
		default:
			layers = append(layers, Layer{Kind: FromFile, Place: s.File, TOML: string(raw)})
		}
	}
	return append(layers, s.over()...), nil
}

func (s Sources) over() []Layer {
	if s.Over == nil {
		return nil
	}
	return s.Over()
}

// given is a value that a layer gives.
type given struct {
	value reflect.Value
	from  Origin
}

// compose puts layers over the defaults.
func compose(layers []Layer) (Loaded, error) {
	l := Loaded{Settings: Default(), From: map[string]Origin{}, layers: layers}
	var problems Problems
	whole := true // every value could be taken
	for _, one := range layers {
		values, wrong, ok := one.decode()
		problems, whole = append(problems, wrong...), whole && ok
		for name, g := range values {
			field(reflect.ValueOf(&l.Settings).Elem(), name).Set(g.value)
			l.From[name] = g.from
		}
	}
	// What else is wrong is told with it: nobody wants to correct a file line by line.
	if whole {
		problems = append(problems, l.judge()...)
	}
	if len(problems) > 0 {
		return Loaded{}, problems.byLine()
	}
	return l, nil
}

// judge puts origins into the form of browsers, and gives what is not allowed.
func (l *Loaded) judge() (problems Problems) {
	known := schema()
	for _, origins := range []*[]string{&l.Settings.HIS.Origins, &l.Settings.Compat.SocketIOOrigins} {
		*origins = slices.Clone(*origins)
		for i, o := range *origins {
			if parsed, err := keys.ParseOrigin(o); err == nil {
				(*origins)[i] = parsed // as browsers send it: in lower case, without the scheme's own port
			}
		}
	}
	for _, name := range l.Settings.check() {
		problems = append(problems, l.From[name].problem(name, notAllowed, known[name].allowed))
	}
	return problems
}

// problem is one with a setting from there. The file needs no name: there is one, and whoever reads the problem has it.
func (o Origin) problem(name, what, allowed string) Problem {
	p := Problem{Line: o.Line, Setting: name, What: what, Allowed: allowed, From: o.Kind}
	if o.Kind == FromEnvironment || o.Kind == FromPolicy {
		p.Place = o.Place
	}
	if p.From == "" || p.From == FromDefault { // it is missing, and the file is where it is looked for
		p.From = FromFile
	}
	return p
}

// decode takes a layer's values out of it. whole is false where values are missing because of a mistake.
func (l Layer) decode() (values map[string]given, problems Problems, whole bool) {
	switch {
	case l.Wrong != "":
		return nil, Problems{Origin{Kind: l.Kind, Place: l.Place}.problem("", unreadable, l.Wrong)}, false
	case l.Values != nil:
		return l.decodeValues()
	}
	values, problems, whole = decodeTOML([]byte(l.TOML), Origin{Kind: l.Kind, Place: l.Place})
	return values, problems, whole
}

// decodeTOML takes values out of a file's content.
func decodeTOML(raw []byte, from Origin) (values map[string]given, problems Problems, whole bool) {
	fail := func(line int, name, what, allowed string) Problem {
		from.Line = line
		return from.problem(name, what, allowed)
	}
	// A byte order mark is what Windows' Notepad leaves in front.
	raw = bytes.TrimPrefix(raw, []byte("\xEF\xBB\xBF"))
	if len(raw) > MaxFile {
		return nil, Problems{fail(0, "", notTOML, "at most 256 KiB")}, false
	}
	lines, err := keyLines(raw)
	if err != nil {
		var p Problems
		errors.As(err, &p)
		for i := range p {
			p[i] = fail(p[i].Line, p[i].Setting, p[i].What, p[i].Allowed)
		}
		return nil, p, false
	}
	known := schema()
	unknownTable := "\x00"
	for _, k := range lines {
		if strings.HasPrefix(k.name, unknownTable+".") {
			continue // the table that it stands in is unknown already
		}
		if _, ok := known[k.name]; !ok && !isTable(known, k.name) {
			problems = append(problems, fail(k.line, k.name, unknown, nearby(known, k.name)))
			unknownTable = k.name
		}
	}
	var s Settings
	if err := toml.Unmarshal(raw, &s); err != nil {
		var d *toml.DecodeError
		if !errors.As(err, &d) {
			return nil, Problems{fail(0, "", notTOML, "")}, false
		}
		line, _ := d.Position()
		name := strings.Join(d.Key(), ".")
		if name == "" {
			name = nameAt(lines, line)
		}
		return nil, append(problems, fail(line, name, wrongType, known[name].allowed)), false
	}
	// Which settings stand there, however they are written: a table within a line has no lines of its own.
	var tree map[string]any
	if err := toml.Unmarshal(raw, &tree); err != nil {
		return nil, Problems{fail(0, "", notTOML, "")}, false
	}
	values = map[string]given{}
	var walk func(tree map[string]any, prefix string, line int)
	walk = func(tree map[string]any, prefix string, line int) {
		for key, v := range tree {
			name := prefix + key
			at := line
			if own := lineOf(lines, name); own > 0 {
				at = own
			}
			if table, is := v.(map[string]any); is {
				walk(table, name+".", at)
				continue
			}
			if _, ok := known[name]; ok {
				values[name] = given{field(reflect.ValueOf(s), name), Origin{from.Kind, from.Place, at}}
			}
		}
	}
	walk(tree, "", 0)
	return values, problems, true
}

// decodeValues takes single values.
func (l Layer) decodeValues() (values map[string]given, problems Problems, whole bool) {
	known, whole := schema(), true
	values = map[string]given{}
	for _, v := range l.Values {
		from := Origin{Kind: l.Kind, Place: v.Place}
		k, ok := known[v.Name]
		if !ok {
			problems = append(problems, from.problem(shorten(v.Name), unknown, nearby(known, v.Name)))
			continue
		}
		value, ok := v.as(field(reflect.ValueOf(Settings{}), v.Name).Type())
		if !ok {
			problems, whole = append(problems, from.problem(v.Name, wrongType, k.allowed)), false
			continue
		}
		values[v.Name] = given{value, from}
	}
	return values, problems, whole
}

// as turns a text into a setting's type.
func (v Value) as(t reflect.Type) (reflect.Value, bool) {
	out := reflect.New(t).Elem()
	text := strings.TrimSpace(v.Text)
	if t.Kind() != reflect.Slice && v.List != nil {
		return out, false
	}
	switch t.Kind() {
	case reflect.String:
		out.SetString(v.Text)
	case reflect.Bool:
		is, ok := map[string]bool{"true": true, "1": true, "false": false, "0": false}[text]
		out.SetBool(is)
		return out, ok
	case reflect.Int:
		n, err := strconv.Atoi(text)
		out.SetInt(int64(n))
		return out, err == nil
	case reflect.Slice:
		words := v.List
		if words == nil {
			words = strings.FieldsFunc(text, func(r rune) bool { return strings.ContainsRune(" ,;\t", r) })
		}
		out.Set(reflect.MakeSlice(t, 0, len(words)))
		for _, w := range words {
			one, ok := Value{Text: strings.TrimSpace(w)}.as(t.Elem())
			if !ok {
				return out, false
			}
			out.Set(reflect.Append(out, one))
		}
	default:
		return out, false
	}
	return out, true
}

// VariablePrefix begins the name of every variable of the environment that is a setting. Nothing else begins with it, so a
// mistyped one is found.
const VariablePrefix = "TAPCHECK_SET_"

// Variable is the variable of a setting: TAPCHECK_SET_HIS_ORIGINS of his.origins.
func Variable(name string) string {
	return VariablePrefix + strings.ToUpper(strings.ReplaceAll(name, ".", "_"))
}

// Environment is the layer of the environment, which is given as NAME=value. It says nothing where no setting is in it.
func Environment(environ []string) []Layer {
	names := map[string]string{}
	for name := range schema() {
		names[Variable(name)] = name
	}
	l := Layer{Kind: FromEnvironment}
	for _, e := range environ {
		variable, text, _ := strings.Cut(e, "=")
		if !strings.HasPrefix(variable, VariablePrefix) {
			continue
		}
		name, ok := names[variable]
		if !ok {
			name = strings.ToLower(strings.TrimPrefix(variable, VariablePrefix))
		}
		l.Values = append(l.Values, Value{Name: name, Place: shorten(variable), Text: text})
	}
	if l.Values == nil {
		return nil
	}
	sort.Slice(l.Values, func(i, j int) bool { return l.Values[i].Place < l.Values[j].Place })
	return []Layer{l}
}

// Bounds of a policy's folder.
const (
	maxDropIns = 64
	dropInName = ".toml"
)

// PolicyFolder are the layers of a folder of drop-ins: its files NAME.toml in the order of their names, so that the last one
// wins. Only what trusted says of a file or folder is taken: a policy that others can write is a mistake, and not passed over.
// A folder that is missing holds no policy.
func PolicyFolder(dir string, trusted func(fs.FileInfo) bool) []Layer {
	wrong := func(place, why string) Layer { return Layer{Kind: FromPolicy, Place: place, Wrong: why} }
	info, err := os.Stat(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil || !info.IsDir() {
		return []Layer{wrong(dir, "is no folder that can be read")}
	}
	if !trusted(info) {
		return []Layer{wrong(dir, "root alone may own it and write to it")}
	}
	entries, err := os.ReadDir(dir) // by name
	if err != nil {
		return []Layer{wrong(dir, "is no folder that can be read")}
	}
	var layers []Layer
	for _, e := range entries {
		if !strings.HasSuffix(e.Name(), dropInName) || strings.HasPrefix(e.Name(), ".") {
			continue
		}
		path := dir + string(os.PathSeparator) + e.Name()
		if len(layers) == maxDropIns {
			return append(layers, wrong(dir, "at most 64 files"))
		}
		info, err := os.Stat(path)
		raw, readErr := readFile(path)
		var large Problems
		switch {
		case errors.As(readErr, &large):
			layers = append(layers, wrong(path, large[0].Allowed))
		case err != nil || readErr != nil || !info.Mode().IsRegular():
			layers = append(layers, wrong(path, "is no file that can be read"))
		case !trusted(info):
			layers = append(layers, wrong(path, "root alone may own it and write to it"))
		default:
			layers = append(layers, Layer{Kind: FromPolicy, Place: path, TOML: string(raw)})
		}
	}
	return layers
}

// IsList says whether a setting is a list.
func IsList(name string) bool { return strings.HasPrefix(schema()[name].kind, "[]") }
