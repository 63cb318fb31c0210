package settings

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func anybody(fs.FileInfo) bool { return true }

// TestPrecedence: default, file, environment, policy; of a policy's files the last one.
func TestPrecedence(t *testing.T) {
	policy := t.TempDir()
	for name, text := range map[string]string{
		"10-first.toml": "desk = \"policy 1\"\nhis = { max_connections = 7, origins = [\"https://HIS.example:443\"] }\n", "20-last.toml": "# of IT\n\ndesk = \"policy 2\"\n", "note.txt": "nonsense", ".hidden.toml": "nonsense",
	} {
		if err := os.WriteFile(filepath.Join(policy, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	file := filepath.Join(t.TempDir(), "tapcheck.toml")
	if err := os.WriteFile(file, []byte("desk = \"file\"\nlanguage = \"en\"\n[his]\nmax_connections = 5\nports = [2000, 2001]\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	l, err := Sources{File: file, Over: func() []Layer {
		return append(Environment([]string{"PATH=/bin", "TAPCHECK_DATA=/x", "TAPCHECK_SET_DESK=environment", "TAPCHECK_SET_HIS_PORTS=3000, 3001;3002", "TAPCHECK_SET_HIS_WSS=1"}), PolicyFolder(policy, anybody)...)
	}}.Load()
	if err != nil {
		t.Fatal(err)
	}
	if l.Settings.Desk != "policy 2" || l.Settings.Language != "en" || !slices.Equal(l.Settings.HIS.Ports, []int{3000, 3001, 3002}) || !l.Settings.HIS.WSS || l.Settings.HIS.MaxConnections != 7 || !slices.Equal(l.Settings.HIS.Origins, []string{"https://his.example"}) {
		t.Errorf("%+v", l.Settings)
	}
	want := map[string]Origin{
		"language": {FromFile, file, 2}, "his.ports": {FromEnvironment, "TAPCHECK_SET_HIS_PORTS", 0}, "his.wss": {FromEnvironment, "TAPCHECK_SET_HIS_WSS", 0},
		"desk": {FromPolicy, filepath.Join(policy, "20-last.toml"), 3}, "his.max_connections": {FromPolicy, filepath.Join(policy, "10-first.toml"), 2}, "his.origins": {FromPolicy, filepath.Join(policy, "10-first.toml"), 2},
	}
	if d := cmp.Diff(want, l.From); d != "" {
		t.Error(d)
	}
}

// TestMistakesOfOtherSources: each is named with its place, and none of its values is repeated.
func TestMistakesOfOtherSources(t *testing.T) {
	dir := t.TempDir()
	dropIn := func(text string) []Layer {
		if err := os.WriteFile(filepath.Join(dir, "a.toml"), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return PolicyFolder(dir, anybody)
	}
	key := func(v Value) []Layer { return []Layer{{Kind: FromPolicy, Values: []Value{v}}} }
	for name, c := range map[string]struct {
		over []Layer
		want string
	}{
		"variable that is no setting": {Environment([]string{"TAPCHECK_SET_HIS_ORGINS=https://SECRETVALUE"}), "TAPCHECK_SET_HIS_ORGINS: his_orgins: unknown setting"},
		"variable of another type":    {Environment([]string{"TAPCHECK_SET_HIS_MAX_CONNECTIONS=SECRETVALUE"}), "TAPCHECK_SET_HIS_MAX_CONNECTIONS: his.max_connections: wrong type (allowed: 1 to 1000)"},
		"variable without a number":   {Environment([]string{"TAPCHECK_SET_HIS_PORTS=27480,SECRETVALUE"}), "TAPCHECK_SET_HIS_PORTS: his.ports: wrong type"},
		"variable that is yes":        {Environment([]string{"TAPCHECK_SET_HIS_WSS=yes"}), "TAPCHECK_SET_HIS_WSS: his.wss: wrong type (allowed: true or false)"},
		"variable that is empty":      {Environment([]string{"TAPCHECK_SET_CONSOLE_IDLE_MS="}), "TAPCHECK_SET_CONSOLE_IDLE_MS: console.idle_ms: wrong type"},
		"variable out of bounds":      {Environment([]string{"TAPCHECK_SET_CONSOLE_IDLE_MS=1"}), "TAPCHECK_SET_CONSOLE_IDLE_MS: console.idle_ms: not allowed (allowed: 30000 to 3600000)"},
		"drop-in's setting":           {dropIn("desk = \"a\"\n[his]\norgins = [\"SECRETVALUE\"]\n"), "a.toml: line 3: his.orgins: unknown setting"},
		"drop-in's value":             {dropIn("\n[console]\nidle_ms = 1\n"), "a.toml: line 3: console.idle_ms: not allowed"},
		"drop-in's form":              {dropIn("SECRETVALUE\n"), "a.toml: line 1: not TOML"},
		"drop-in's size":              {dropIn(strings.Repeat("#\n", MaxFile)), "a.toml: cannot be used (allowed: at most 256 KiB)"},
		"key's setting":               {key(Value{Name: "his.orgins", Place: `HKLM\X\his\orgins`, List: []string{"SECRETVALUE"}}), `HKLM\X\his\orgins: his.orgins: unknown setting`},
		"key's kind":                  {key(Value{Name: "desk", Place: `HKLM\X\desk`, List: []string{"SECRETVALUE"}}), `HKLM\X\desk: desk: wrong type`},
		"key's number":                {key(Value{Name: "console.idle_ms", Place: `HKLM\X\console\idle_ms`, Text: "5"}), `HKLM\X\console\idle_ms: console.idle_ms: not allowed`},
		"key that cannot be read":     {[]Layer{{Kind: FromPolicy, Place: `HKLM\X`, Wrong: "access is denied"}}, `HKLM\X: cannot be used (allowed: access is denied)`},
		"a choice that needs more":    {key(Value{Name: "insurance.provider", Place: `HKLM\X\insurance\provider`, Text: "fhir"}), "insurance.fhir.url: not allowed"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := Sources{Over: func() []Layer { return c.over }}.Load()
			var p Problems
			if !errors.As(err, &p) || !strings.Contains(err.Error(), c.want) || strings.Contains(err.Error()+p[0].VI(), "SECRETVALUE") {
				t.Errorf("got %v, want %s", err, c.want)
			}
		})
	}
}

// TestPolicyThatOthersCanWrite is a mistake: what it forbids must not be passed over.
func TestPolicyThatOthersCanWrite(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "a.toml"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	folderOnly := func(i fs.FileInfo) bool { return i.IsDir() }
	for _, trusted := range []func(fs.FileInfo) bool{folderOnly, func(fs.FileInfo) bool { return false }} {
		if _, err := (Sources{Over: func() []Layer { return PolicyFolder(dir, trusted) }}).Load(); err == nil || !strings.Contains(err.Error(), "root alone") {
			t.Errorf("got %v", err)
		}
	}
	if l := PolicyFolder(filepath.Join(dir, "none"), anybody); l != nil {
		t.Errorf("no folder is no policy: %+v", l)
	}
	if l := PolicyFolder(filepath.Join(dir, "a.toml"), anybody); len(l) != 1 || l[0].Wrong == "" {
		t.Errorf("a file in the folder's place: %+v", l)
	}
}

// TestEveryVariableIsOneSetting: no two settings have the same variable, and each takes what the setting's text form is.
func TestEveryVariableIsOneSetting(t *testing.T) {
	seen := map[string]string{}
	for _, e := range List(Default()) {
		v := Variable(e.Name)
		if seen[v] != "" {
			t.Errorf("%s is %s and %s", v, seen[v], e.Name)
		}
		seen[v] = e.Name
		text := strings.Trim(Text(e.Value), `"[]`)
		text = strings.ReplaceAll(text, `"`, "")
		l, err := Sources{Over: func() []Layer { return Environment([]string{v + "=" + text}) }}.Load()
		if err != nil {
			t.Errorf("%s=%s: %v", v, text, err)
			continue
		}
		if got := field(reflect.ValueOf(l.Settings), e.Name).Interface(); Text(got) != Text(e.Value) || l.From[e.Name].Place != v {
			t.Errorf("%s=%s is %v", v, text, got)
		}
	}
}

// TestSaveUnderAPolicy: what is decided elsewhere is not changed here; what the file lacks may stand in a policy.
func TestSaveUnderAPolicy(t *testing.T) {
	file := filepath.Join(t.TempDir(), "tapcheck.toml")
	if err := os.WriteFile(file, []byte("[insurance]\nprovider = \"fhir\"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	s := Sources{File: file, Over: func() []Layer {
		return append(Environment([]string{"TAPCHECK_SET_LANGUAGE=en"}), Layer{Kind: FromPolicy, Place: "p.toml", TOML: "desk = \"p\"\n[insurance.fhir]\nurl = \"https://fhir.example/r4\"\ninsurer = \"a|b\"\n"})
	}}
	l, err := s.Save(changes(t, `{"console.idle_ms":60000}`))
	if err != nil || l.Settings.Console.IdleMs != 60000 || l.Settings.Desk != "p" || l.From["console.idle_ms"].Place != file || l.From["desk"].Place != "p.toml" {
		t.Fatalf("%+v, %v", l, err)
	}
	for _, change := range []string{`{"desk":"x"}`, `{"language":"vi"}`, `{"desk":null}`} {
		if _, err := s.Save(changes(t, change)); !errors.Is(err, ErrLocked) {
			t.Errorf("%s: %v", change, err)
		}
	}
	if _, err := (Sources{File: file}).Save(changes(t, `{"console.idle_ms":70000}`)); err == nil {
		t.Error("without the policy the file is wrong")
	}
	if raw, err := os.ReadFile(file); err != nil || string(raw) != "[insurance]\nprovider = \"fhir\"\n\n[console]\nidle_ms = 60000\n" {
		t.Errorf("%s, %v", raw, err)
	}
}

// TestLastGood: a source with a mistake is stood in for by what it said when all was well, and by nothing else.
func TestLastGood(t *testing.T) {
	dir := t.TempDir()
	data, file := filepath.Join(dir, "data"), filepath.Join(dir, "tapcheck.toml")
	var policy string
	var environ []string
	s := Sources{File: file, Required: true, Over: func() []Layer {
		return append(Environment(environ), Layer{Kind: FromPolicy, Place: "policy", TOML: policy})
	}}
	write := func(text string) {
		t.Helper()
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write("desk = 1\n")
	if _, err := s.LoadOrLast(data); err == nil {
		t.Fatal("there are no good ones yet")
	}
	write("desk = \"good\"\n[his]\nmax_connections = 3\n")
	policy, environ = "language = \"en\"\n", []string{"TAPCHECK_SET_LOG_LEVEL=warn"}
	l, err := s.LoadOrLast(data)
	if err != nil || l.Wrong != nil {
		t.Fatal(err, l.Wrong)
	}
	if err := l.Keep(data); err != nil {
		t.Fatal(err)
	}
	kept, ok := LastGood(data)
	if !ok || kept.IsZero() {
		t.Error("nothing is kept")
	}
	for name, c := range map[string]struct {
		file, policy string
		environ      []string
		change       func(*Settings)
	}{
		"damaged file, new policy":        {"desk = \"new\nhis", "language = \"en\"\n[console]\nidle_ms = 40000\n", []string{"TAPCHECK_SET_LOG_LEVEL=warn"}, func(s *Settings) { s.Console.IdleMs = 40000 }},
		"mistyped restriction":            {"desk = \"new\"\n[his]\nmax_conections = 1\n", policy, environ, func(*Settings) {}},
		"wrong policy, new file":          {"desk = \"new\"\n", "langage = \"vi\"\n", environ, func(s *Settings) { s.Desk, s.HIS.MaxConnections = "new", Default().HIS.MaxConnections }},
		"wrong environment":               {"desk = \"new\"\n", policy, []string{"TAPCHECK_SET_LOG_LEVEL=loud"}, func(s *Settings) { s.Desk, s.HIS.MaxConnections = "new", Default().HIS.MaxConnections }},
		"all of them wrong":               {"x", "x", []string{"TAPCHECK_SET_X=1"}, func(*Settings) {}},
		"wrong only together with others": {"desk = \"new\"\n[insurance]\nprovider = \"fhir\"\n", policy, environ, func(*Settings) {}},
		"file that is a folder's":         {"\x00", policy, environ, func(*Settings) {}},
	} {
		t.Run(name, func(t *testing.T) {
			oldPolicy, oldEnviron := policy, environ
			defer func() { policy, environ = oldPolicy, oldEnviron }()
			policy, environ = c.policy, c.environ
			write(c.file)
			want := l.Settings
			c.change(&want)
			got, err := s.LoadOrLast(data)
			if err != nil || got.Wrong == nil {
				t.Fatalf("%v, wrong: %v", err, got.Wrong)
			}
			if d := cmp.Diff(want, got.Settings); d != "" {
				t.Error(d)
			}
			if err := got.Keep(data); err != nil { // is not kept: it is no new one
				t.Error(err)
			}
			if again, _ := LastGood(data); !again.Equal(kept) {
				t.Error("what stood in was kept as good")
			}
		})
	}
	if err := os.Remove(file); err != nil {
		t.Fatal(err)
	}
	if got, err := s.LoadOrLast(data); err != nil || !errors.Is(got.Wrong, fs.ErrNotExist) || got.Settings.Desk != "good" {
		t.Errorf("a file that is gone and was named: %v, %+v", err, got)
	}
	if err := os.WriteFile(filepath.Join(data, GoodFile), []byte(`{"kept":`), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := s.LoadOrLast(data); err == nil {
		t.Error("a damaged copy is none")
	}
}
