package chip

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"reflect"
	"slices"
	"strings"
)

// maxProfile is how long the text of a profile may be, in bytes.
const maxProfile = 1 << 20

// LoadProfile reads a profile of a user's own: one JSON object with the fields of Profile, by the names of their json tags. A further
// field "like" names one of Profiles whose values stand wherever the object says nothing; lists and objects within are replaced as a whole.
//
// It is strict: an unknown field, a value that is not among the known ones, a wrong type, a field twice, or bytes after the
// object are an error of type *ProfileError, which names the place, what is allowed there and what comes closest. If r has a method
// Name, as *os.File has, that is the error's File.
func LoadProfile(r io.Reader) (Profile, error) {
	var file string
	if n, ok := r.(interface{ Name() string }); ok {
		file = n.Name()
	}
	text, err := io.ReadAll(io.LimitReader(r, maxProfile+1))
	if err != nil {
		return Profile{}, fmt.Errorf("chip: profile %s: %w", file, err)
	}
	p, err := parseProfile(text)
	if e := (*ProfileError)(nil); errors.As(err, &e) {
		e.File = file
	}
	return p, err
}

// profileText is a profile as a user writes it.
type profileText struct {
	Like string `json:"like"`
	Profile
}

func parseProfile(text []byte) (Profile, error) {
	w := &profileWalk{text: text, dec: json.NewDecoder(bytes.NewReader(text)), places: map[string]int{}}
	if len(text) > maxProfile {
		return Profile{}, &ProfileError{Problem: fmt.Sprintf("longer than %d bytes", maxProfile)}
	}
	if err := w.value(reflect.TypeFor[profileText](), ""); err != nil {
		return Profile{}, err
	}
	if _, err := w.dec.Token(); err != io.EOF {
		return Profile{}, w.problem(int(w.dec.InputOffset()), "", "something stands after the profile")
	}
	var t profileText
	if err := json.Unmarshal(text, &t); err != nil {
		return Profile{}, &ProfileError{Problem: err.Error()} // the walk has let nothing through that could come here
	}
	if t.Like != "" {
		base, err := ProfileByName(t.Like)
		if err != nil {
			return Profile{}, err // not to be: the walk knows the names
		}
		name := t.Name
		t.Profile = base
		// Decoding into what is there would merge lists element by element.
		var raw map[string]json.RawMessage
		if err := json.Unmarshal(text, &raw); err != nil {
			return Profile{}, &ProfileError{Problem: err.Error()}
		}
		v := reflect.ValueOf(&t.Profile).Elem()
		for i := range v.NumField() {
			if _, there := raw[jsonName(v.Type().Field(i))]; there {
				v.Field(i).SetZero()
			}
		}
		if err := json.Unmarshal(text, &t); err != nil {
			return Profile{}, &ProfileError{Problem: err.Error()}
		}
		if name == "" {
			t.Name = base.Name + " (changed)"
		}
	}
	if t.Name == "" {
		t.Name = "unnamed"
	}
	if err := t.check(); err != nil {
		if e := (*ProfileError)(nil); errors.As(err, &e) {
			if at, ok := w.places[e.Field]; ok {
				place := w.problem(at, e.Field, "")
				e.Line, e.Column = place.Line, place.Column
			}
		}
		return Profile{}, err
	}
	return t.Profile, nil
}

// profileWalk goes through the text token by token, beside the type that it is to become.
type profileWalk struct {
	text   []byte
	dec    *json.Decoder
	places map[string]int // where the value of each field begins
}

// problem is an error at the token that begins at or after an offset.
func (w *profileWalk) problem(offset int, field, format string, args ...any) *ProfileError {
	for offset < len(w.text) && strings.IndexByte(" \t\r\n,:", w.text[offset]) >= 0 {
		offset++
	}
	before := w.text[:min(offset, len(w.text))]
	return &ProfileError{
		Line: bytes.Count(before, []byte("\n")) + 1, Column: len(before) - (bytes.LastIndexByte(before, '\n') + 1) + 1,
		Field: field, Problem: fmt.Sprintf(format, args...),
	}
}

func (w *profileWalk) token(field string) (json.Token, int, error) {
	start := int(w.dec.InputOffset())
	t, err := w.dec.Token()
	if err != nil {
		at := start
		if s := (*json.SyntaxError)(nil); errors.As(err, &s) {
			at = max(int(s.Offset)-1, start)
		}
		return nil, at, w.problem(at, field, "not JSON: %s", strings.TrimPrefix(err.Error(), "invalid "))
	}
	return t, start, nil
}

func jsonName(f reflect.StructField) string {
	name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
	return name
}

func (w *profileWalk) value(t reflect.Type, field string) error {
	if t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	tok, start, err := w.token(field)
	if err != nil {
		return err
	}
	w.places[field] = start
	wrong := func(want string) error {
		if field == "" {
			return w.problem(start, field, "a profile is one JSON object")
		}
		return w.problem(start, field, "%s must be %s", field, want)
	}
	switch t.Kind() {
	case reflect.Struct:
		if tok != json.Delim('{') {
			return wrong("an object")
		}
		return w.object(t, field)
	case reflect.Slice:
		if tok != json.Delim('[') {
			return wrong("a list")
		}
		for i := 0; w.dec.More(); i++ {
			if err := w.value(t.Elem(), fmt.Sprintf("%s[%d]", field, i)); err != nil {
				return err
			}
		}
		_, _, err := w.token(field)
		return err
	case reflect.String:
		s, ok := tok.(string)
		if !ok {
			return wrong("a string")
		}
		allowed := profileValues()[plainPath(field)]
		if field == "like" || field == "copyOf" {
			allowed = nil
			for _, p := range profiles() {
				allowed = append(allowed, p.Name)
			}
		}
		if allowed != nil && s != "" && !slices.Contains(allowed, s) {
			e := w.problem(start, field, "%s cannot be %q", field, s)
			e.Allowed, e.Close = ranked(s, allowed)
			return e
		}
	case reflect.Bool:
		if _, ok := tok.(bool); !ok {
			return wrong("true or false")
		}
	case reflect.Int:
		if n, ok := tok.(float64); !ok || n != float64(int32(n)) {
			return wrong("a whole number")
		}
	default:
		if _, ok := tok.(float64); !ok {
			return wrong("a number")
		}
	}
	return nil
}

func (w *profileWalk) object(t reflect.Type, field string) error {
	fields := map[string]reflect.Type{}
	var names []string
	for _, f := range reflect.VisibleFields(t) {
		if name := jsonName(f); name != "" {
			fields[name] = f.Type
			names = append(names, name)
		}
	}
	seen := map[string]bool{}
	for w.dec.More() {
		tok, start, err := w.token(field)
		if err != nil {
			return err
		}
		key, _ := tok.(string)
		path := key
		if field != "" {
			path = field + "." + key
		}
		ft, ok := fields[key]
		switch {
		case !ok:
			e := w.problem(start, path, "unknown field %q", key)
			if field != "" {
				e = w.problem(start, path, "unknown field %q in %s", key, field)
			}
			e.Allowed, e.Close = ranked(key, names)
			return e
		case seen[key]:
			return w.problem(start, path, "field %q stands twice", path)
		}
		seen[key] = true
		if err := w.value(ft, path); err != nil {
			return err
		}
	}
	_, _, err := w.token(field)
	return err
}

// plainPath is a path without its indexes.
func plainPath(field string) string {
	var b strings.Builder
	inside := false
	for _, r := range field {
		switch {
		case r == '[':
			inside = true
		case r == ']':
			inside = false
		case !inside:
			b.WriteRune(r)
		}
	}
	return b.String()
}
