package settings

import (
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// A change leaves everything else as the hospital has written it.
func TestChange(t *testing.T) {
	for name, c := range map[string]struct{ before, change, after string }{
		"a value":               {"desk = \"a\" # at the door\n", `{"desk":"b"}`, "desk = \"b\" # at the door\n"},
		"without a last line":   {"desk = 'a'", `{"desk":"b"}`, `desk = "b"`},
		"in its table":          {"# top\n[his] # web\n# ports\nports = [ # first\n  27480, # one\n]\n\n[checkin]\n", `{"his.ports":[27481,27482]}`, "# top\n[his] # web\n# ports\nports = [27481, 27482]\n\n[checkin]\n"},
		"new, in its table":     {"[his]\nmax_connections = 5 # few\n\n# of the desk\n[checkin]\nextended_apdu = true\n", `{"his.requests_per_second":9}`, "[his]\nmax_connections = 5 # few\nrequests_per_second = 9\n\n# of the desk\n[checkin]\nextended_apdu = true\n"},
		"new, in an empty one":  {"[his]\n[checkin]\n", `{"his.max_connections":9}`, "[his]\nmax_connections = 9\n[checkin]\n"},
		"new, with a new table": {"desk = \"a\"", `{"console.idle_ms":60000}`, "desk = \"a\"\n\n[console]\nidle_ms = 60000\n"},
		"new, at the top":       {"# of the hospital\n\n[his]\nmax_connections = 5\n", `{"desk":"b"}`, "desk = \"b\"\n# of the hospital\n\n[his]\nmax_connections = 5\n"},
		"new, behind others":    {"language = \"en\"\n# x\n[his]\n", `{"desk":"b"}`, "language = \"en\"\ndesk = \"b\"\n# x\n[his]\n"},
		"in an empty file":      {"", `{"desk":"b","console.login":"os"}`, "desk = \"b\"\n\n[console]\nlogin = \"os\"\n"},
		"taken out":             {"[his]\n# few\nmax_connections = 5\nports = [\n 27480,\n]\n[checkin]\n", `{"his.ports":null}`, "[his]\n# few\nmax_connections = 5\n[checkin]\n"},
		"taken out, not there":  {"desk = \"a\"\n", `{"language":null}`, "desk = \"a\"\n"},
		"dotted":                {"his.max_connections = 5\n", `{"his.max_connections":6}`, "his.max_connections = 6\n"},
		"new beside dotted":     {"his.max_connections = 5\n[checkin]\n", `{"his.requests_per_second":6}`, "his.max_connections = 5\nhis.requests_per_second = 6\n[checkin]\n"},
		"lines of Windows":      {"\xEF\xBB\xBF[his]\r\nmax_connections = 5 # few\r\n", `{"his.max_connections":6,"his.requests_per_second":7}`, "\xEF\xBB\xBF[his]\r\nmax_connections = 6 # few\r\nrequests_per_second = 7\r\n"},
		"a # in a text":         {"desk = \"quầy # 1\" # comment \"x\"\n", `{"desk":"a"}`, "desk = \"a\" # comment \"x\"\n"},
		"text of several lines": {"desk = \"\"\"\nquầy \\\n  \"1\\\"\"\"\"\n[his]\n", `{"desk":"a"}`, "desk = \"a\"\n[his]\n"},
		"brackets in a list":    {"[his]\norigins = [\n 'https://a.example', # ]\n \"https://b.example\" ]\n", `{"his.origins":[]}`, "[his]\norigins = []\n"},
		"quotes":                {"", `{"desk":"a\"b\\c\u2028"}`, "desk = \"a\\\"b\\\\c\\u2028\"\n"},
	} {
		t.Run(name, func(t *testing.T) {
			var changes map[string]json.RawMessage
			if err := json.Unmarshal([]byte(c.change), &changes); err != nil {
				t.Fatal(err)
			}
			got, after, err := Change([]byte(c.before), changes)
			if err != nil {
				t.Fatal(err)
			}
			if d := cmp.Diff(c.after, string(got)); d != "" {
				t.Error(d)
			}
			if again, err := Parse(got); err != nil || !same(again, after) {
				t.Errorf("%v, %+v", err, again)
			}
		})
	}
}

func TestChangeIsRefused(t *testing.T) {
	for name, c := range map[string]struct {
		before, change, setting string
		err                     error
	}{
		"unknown":           {"", `{"his.port":1}`, "his.port", nil},
		"a table":           {"", `{"his":{}}`, "his", nil},
		"wrong type":        {"", `{"console.idle_ms":"SECRETVALUE"}`, "console.idle_ms", nil},
		"not allowed":       {"", `{"console.idle_ms":1}`, "console.idle_ms", nil},
		"a fraction":        {"", `{"console.idle_ms":60000.5}`, "console.idle_ms", nil},
		"needs another one": {"", `{"insurance.provider":"bhyt"}`, "insurance.password_file", nil},
		"wrong before":      {"nothing = 1\n", `{"desk":"a"}`, "nothing", nil},
		"file only":         {"", `{"trust.folder":"/tmp"}`, "", ErrFileOnly},
		"inline table":      {"his = { max_connections = 5 }\n", `{"his.max_connections":6}`, "", ErrForm},
	} {
		t.Run(name, func(t *testing.T) {
			var changes map[string]json.RawMessage
			if err := json.Unmarshal([]byte(c.change), &changes); err != nil {
				t.Fatal(err)
			}
			_, _, err := Change([]byte(c.before), changes)
			var p Problems
			switch {
			case c.err != nil && !errors.Is(err, c.err):
				t.Errorf("got %v", err)
			case c.err == nil && (!errors.As(err, &p) || p[0].Setting != c.setting && !strings.Contains(err.Error(), c.setting)):
				t.Errorf("got %v", err)
			}
			if err != nil && strings.Contains(err.Error(), "SECRETVALUE") {
				t.Errorf("the value is repeated: %v", err)
			}
		})
	}
}

// Every setting is explained in the hospital's own language.
func TestEverySettingIsTranslated(t *testing.T) {
	for _, e := range List(Default()) {
		if e.DocVI == "" || e.AllowedVI == "" || e.Doc == "" || e.Allowed == "" {
			t.Errorf("%s lacks a text", e.Name)
		}
	}
	if n := len(List(Default())); n != len(vietnamese) {
		t.Errorf("%d settings and %d translations", n, len(vietnamese))
	}
}

// What whose signatures count and where secrets go is not changed from a page.
func TestWhatOnlyTheFileChanges(t *testing.T) {
	var names []string
	for _, e := range List(Default()) {
		if e.FileOnly {
			names = append(names, e.Name)
		} else if strings.HasSuffix(e.Name, "_file") || strings.Contains(e.Name, "folder") || strings.HasSuffix(e.Name, "url") {
			t.Errorf("%s can be changed from a page", e.Name)
		}
		if e.Live && !strings.HasPrefix(e.Name, "console.") && e.Name != "log.level" {
			t.Errorf("%s is said to be in force at once", e.Name)
		}
	}
	if len(names) < 9 {
		t.Errorf("%q", names)
	}
}

func TestSave(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "tapcheck.toml")
	change := func(desk string) map[string]json.RawMessage {
		raw, _ := json.Marshal(desk)
		return map[string]json.RawMessage{"desk": raw}
	}
	if _, err := Save(path, change("a")); err != nil { // no file yet
		t.Fatal(err)
	}
	if _, err := os.Stat(path + ".bak"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a copy of nothing: %v", err)
	}
	if err := os.Chmod(path, 0o600); err != nil {
		t.Fatal(err)
	}
	if s, err := Save(path, change("b")); err != nil || s.Desk != "b" {
		t.Fatal(s, err)
	}
	for file, want := range map[string]string{path: "desk = \"b\"\n", path + ".bak": "desk = \"a\"\n"} {
		raw, err := os.ReadFile(file)
		info, _ := os.Stat(file)
		if err != nil || string(raw) != want || runtime.GOOS != "windows" && info.Mode().Perm() != 0o600 {
			t.Errorf("%s: %q, %v, %v", file, raw, info.Mode(), err)
		}
	}
	// A link stays one.
	link := filepath.Join(dir, "link.toml")
	if runtime.GOOS == "windows" {
		link = path // making one there is a right that few have
	} else if err := os.Symlink(path, link); err != nil {
		t.Fatal(err)
	}
	if _, err := Save(link, change("c")); err != nil {
		t.Fatal(err)
	}
	if target, err := os.Readlink(link); runtime.GOOS != "windows" && (err != nil || target != path) {
		t.Errorf("%q, %v", target, err)
	}
	if left, _ := filepath.Glob(filepath.Join(dir, ".tapcheck-*")); len(left) > 0 {
		t.Errorf("%q is left", left)
	}
	// What is refused changes nothing.
	if _, err := Save(path, map[string]json.RawMessage{"desk": json.RawMessage(`1`)}); err == nil {
		t.Error("a number is a desk")
	}
	if s, err := Load(path); err != nil || s.Desk != "c" {
		t.Error(s, err)
	}
}

// FuzzChange: whatever the file looks like, a change that is taken says what it should, or nothing is written.
func FuzzChange(f *testing.F) {
	for _, file := range []string{"", "desk = 'a'", Sample(), "[his]\nports = [1,\n2]\n", "his.ports = [27480] # x", "console = {login=\"os\"}\n", "desk = '''\n'a'''\n[console]\r\nidle_ms=60_000"} {
		f.Add([]byte(file), "b", int64(60000))
	}
	f.Fuzz(func(t *testing.T, file []byte, desk string, idle int64) {
		d, _ := json.Marshal(desk)
		i, _ := json.Marshal(idle)
		before, err := Parse(file)
		if err != nil {
			return
		}
		got, after, err := Change(file, map[string]json.RawMessage{"desk": d, "console.idle_ms": i, "his.ports": json.RawMessage("null")})
		if err != nil {
			return
		}
		var want string
		_ = json.Unmarshal(d, &want)
		if after.Desk != want || int64(after.Console.IdleMs) != idle || after.Language != before.Language {
			t.Errorf("%q became %q", file, got)
		}
	})
}

func changes(t *testing.T, text string) (m map[string]json.RawMessage) {
	t.Helper()
	if err := json.Unmarshal([]byte(text), &m); err != nil {
		t.Fatal(err)
	}
	return m
}
