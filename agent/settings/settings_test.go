package settings

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestDefaultsAreAllowed(t *testing.T) {
	if bad := Default().check(); bad != nil {
		t.Fatalf("defaults that are not allowed: %v", bad)
	}
	got, err := Parse(nil)
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(Default(), got); d != "" {
		t.Error(d)
	}
}

// Uncommenting every line of the sample must give the defaults: the documentation cannot drift from the code.
func TestSampleIsTheDefaults(t *testing.T) {
	var b strings.Builder
	for line := range strings.Lines(Sample()) {
		if rest, ok := strings.CutPrefix(line, "#"); ok && !strings.HasPrefix(rest, " ") {
			line = rest
		}
		b.WriteString(line)
	}
	got, err := Parse([]byte(b.String()))
	if err != nil {
		t.Fatalf("%v in\n%s", err, b.String())
	}
	got.HIS.Origins = nil // an empty list is no list
	if d := cmp.Diff(Default(), got); d != "" {
		t.Error(d)
	}
}

func TestEverySettingSaysWhatIsAllowed(t *testing.T) {
	for name, s := range schema() {
		if s.allowed == "" || s.doc == "" {
			t.Errorf("%s lacks its documentation", name)
		}
	}
}

// Each case is a file with what must be said about it; the value itself must never be repeated.
func TestProblems(t *testing.T) {
	for name, c := range map[string]struct {
		file    string
		line    int
		setting string
		what    string
		allowed string
	}{
		"unknown setting":        {"language = \"vi\"\n\n[his]\nport = 3\n", 4, "his.port", unknown, "his.max_connections, his.max_frame_bytes, his.origins, his.ports, his.requests_per_second"},
		"unknown table":          {"[insurrance]\nurl = \"https://x\"\n", 1, "insurrance", unknown, "checkin, desk, his, insurance, language, log, trust"},
		"unknown dotted":         {"his.prots = [1]\n", 1, "his.prots", unknown, "his.max_connections, his.max_frame_bytes, his.origins, his.ports, his.requests_per_second"},
		"wrong type":             {"\n[his]\nmax_connections = \"SECRETVALUE\"\n", 3, "his.max_connections", wrongType, "1 to 1000"},
		"wrong language":         {"language = \"SECRETVALUE\"\n", 1, "language", notAllowed, "vi or en"},
		"port too low":           {"[his]\nports = [80]\n", 2, "his.ports", notAllowed, "1 to 8 different numbers from 1024 to 65535"},
		"port twice":             {"[his]\nports = [2000, 2000]\n", 2, "his.ports", notAllowed, "1 to 8 different numbers from 1024 to 65535"},
		"origin with path":       {"[his]\norigins = [\"https://SECRETVALUE/x\"]\n", 2, "his.origins", notAllowed, "a list of origins such as https://his.hospital.example, without path or pattern"},
		"origin pattern":         {"[his]\norigins = [\"https://*.example\"]\n", 2, "his.origins", notAllowed, "a list of origins such as https://his.hospital.example, without path or pattern"},
		"gateway in clear":       {"[insurance]\nurl = \"http://egw.example\"\n", 2, "insurance.url", notAllowed, "an https address, or http on 127.0.0.1"},
		"gateway with a secret":  {"[insurance]\nurl = \"https://egw.example/?token=SECRETVALUE\"\n", 2, "insurance.url", notAllowed, "an https address, or http on 127.0.0.1"},
		"not TOML":               {"language = \"vi\"\nthis is no toml SECRETVALUE\n", 2, "", notTOML, "name = value, or [table]"},
		"bhyt without a account": {"[insurance]\nprovider = \"bhyt\"\npassword_file = \"p\"\n", 0, "insurance.username", notAllowed, "up to 64 characters"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := Parse([]byte(c.file))
			var p Problems
			if !errors.As(err, &p) || len(p) != 1 {
				t.Fatalf("got %v, want one problem", err)
			}
			if d := cmp.Diff(Problem{c.line, c.setting, c.what, c.allowed}, p[0]); d != "" {
				t.Error(d)
			}
			for _, text := range []string{p[0].VI(), p[0].EN(), err.Error()} {
				if strings.Contains(text, "SECRETVALUE") {
					t.Errorf("the value is repeated: %s", text)
				}
			}
		})
	}
}

func TestLoad(t *testing.T) {
	dir := t.TempDir()
	if _, err := Load(filepath.Join(dir, "none.toml")); err != nil {
		t.Errorf("a missing file is an empty one, got %v", err)
	}
	huge := filepath.Join(dir, "huge.toml")
	if err := os.WriteFile(huge, []byte(strings.Repeat("#\n", MaxFile)), 0o600); err != nil {
		t.Fatal(err)
	}
	var p Problems
	if _, err := Load(huge); !errors.As(err, &p) {
		t.Errorf("a huge file: got %v", err)
	}
	bom := filepath.Join(dir, "bom.toml")
	if err := os.WriteFile(bom, []byte("\xEF\xBB\xBFlanguage = \"en\"\r\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if s, err := Load(bom); err != nil || s.Language != "en" {
		t.Errorf("a file of Notepad's: %q, %v", s.Language, err)
	}
}

func FuzzParse(f *testing.F) {
	f.Add([]byte("language = \"vi\"\n[his]\nports = [2000]\n"))
	f.Add([]byte("a.b.c = {d = [1, 'x']}\n[[his]]\n"))
	f.Fuzz(func(t *testing.T, raw []byte) {
		if s, err := Parse(raw); err == nil && s.check() != nil {
			t.Error("accepted settings that are not allowed")
		}
	})
}
