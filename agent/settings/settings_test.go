package settings

import (
	"errors"
	"fmt"
	"io/fs"
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
	if strings.Count(SampleVI(), "\n") != strings.Count(Sample(), "\n") || strings.Contains(SampleVI(), "# .\n") || strings.Contains(SampleVI(), "Allowed") {
		t.Errorf("not all of it is in Vietnamese:\n%s", SampleVI())
	}
	for _, sample := range []string{Sample(), SampleVI()} {
		sampleIsTheDefaults(t, sample)
	}
}

func sampleIsTheDefaults(t *testing.T, sample string) {
	t.Helper()
	var b strings.Builder
	for line := range strings.Lines(sample) {
		if rest, ok := strings.CutPrefix(line, "#"); ok && !strings.HasPrefix(rest, " ") {
			line = rest
		}
		b.WriteString(line)
	}
	got, err := Parse([]byte(b.String()))
	if err != nil {
		t.Fatalf("%v in\n%s", err, b.String())
	}
	got.HIS.Origins, got.Compat.SocketIOOrigins, got.Compat.Fields = nil, nil, nil // an empty list is no list
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
	const (
		gateway  = "https://host or https://host:port, or http on 127.0.0.1, without a path"
		origins  = "a list of origins such as https://his.hospital.example, without path or pattern"
		webhook  = "https://host/path, or http on 127.0.0.1, [::1] or localhost; empty is off"
		account  = "up to 64 characters, needed with provider bhyt"
		file     = "path of a file that only the service may read, or credential:NAME, needed with provider bhyt"
		wssPorts = "1 to 8 different numbers from 1024 to 65535, none of them in ports"
	)
	for name, c := range map[string]struct {
		file    string
		line    int
		setting string
		what    string
		allowed string
	}{
		"unknown setting":          {"language = \"vi\"\n\n[his]\nport = 3\n", 4, "his.port", unknown, "his.access_log, his.max_connections, his.max_frame_bytes, his.origins, his.ports, his.requests_per_second, his.wss, his.wss_ports"},
		"unknown table":            {"[insurrance]\nurl = \"https://x\"\n", 1, "insurrance", unknown, "backup, checkin, compat, console, desk, face, facility, his, insurance, keys, language, log, queue, scanner, trust, update"},
		"unknown dotted":           {"his.prots = [1]\n", 1, "his.prots", unknown, "his.access_log, his.max_connections, his.max_frame_bytes, his.origins, his.ports, his.requests_per_second, his.wss, his.wss_ports"},
		"wrong type":               {"\n[his]\nmax_connections = \"SECRETVALUE\"\n", 3, "his.max_connections", wrongType, "1 to 1000"},
		"wrong language":           {"language = \"SECRETVALUE\"\n", 1, "language", notAllowed, "vi or en"},
		"desk of two lines":        {"desk = \"a\\nb\"\n", 1, "desk", notAllowed, "up to 64 characters, on one line"},
		"desk without an end":      {"desk = \"" + strings.Repeat("ấ", 65) + "\"\n", 1, "desk", notAllowed, "up to 64 characters, on one line"},
		"port too low":             {"[his]\nports = [80]\n", 2, "his.ports", notAllowed, "1 to 8 different numbers from 1024 to 65535"},
		"port twice":               {"[his]\nports = [2000, 2000]\n", 2, "his.ports", notAllowed, "1 to 8 different numbers from 1024 to 65535"},
		"wss port too low":         {"[his]\nwss_ports = [443]\n", 2, "his.wss_ports", notAllowed, wssPorts},
		"wss on a port of ws":      {"[his]\nwss = true\nports = [27484]\n", 0, "his.wss_ports", notAllowed, wssPorts},
		"origin with path":         {"[his]\norigins = [\"https://SECRETVALUE/x\"]\n", 2, "his.origins", notAllowed, origins},
		"origin pattern":           {"[his]\norigins = [\"https://*.example\"]\n", 2, "his.origins", notAllowed, origins},
		"gateway in clear":         {"[insurance]\nurl = \"http://egw.example\"\n", 2, "insurance.url", notAllowed, gateway},
		"gateway with a secret":    {"[insurance]\nurl = \"https://egw.example/?token=SECRETVALUE\"\n", 2, "insurance.url", notAllowed, gateway},
		"not TOML":                 {"language = \"vi\"\nthis is no toml SECRETVALUE\n", 2, "", notTOML, "name = value, or [table]"},
		"bhyt without an account":  {"[insurance]\nprovider = \"bhyt\"\npassword_file = \"p\"\nstaff_name = \"n\"\nstaff_number_file = \"s\"\n", 0, "insurance.username", notAllowed, account},
		"bhyt without a password":  {"[insurance]\nprovider = \"bhyt\"\nusername = \"u\"\nstaff_name = \"n\"\nstaff_number_file = \"s\"\n", 0, "insurance.password_file", notAllowed, file},
		"bhyt without staff":       {"[insurance]\nprovider = \"bhyt\"\nusername = \"u\"\npassword_file = \"p\"\nstaff_name = \" \"\nstaff_number_file = \"s\"\n", 5, "insurance.staff_name", notAllowed, "up to 128 characters, needed with provider bhyt"},
		"bhyt without staff file":  {"[insurance]\nprovider = \"bhyt\"\nusername = \"u\"\npassword_file = \"p\"\nstaff_name = \"n\"\n", 0, "insurance.staff_number_file", notAllowed, file},
		"relay without an address": {"[insurance]\nprovider = \"relay\"\nrelay_cert = \"c\"\nrelay_key = \"k\"\nrelay_ca = \"a\"\n", 0, "insurance.relay_url", notAllowed, "https://host or https://host:port, without a path, needed with provider relay"},
		"relay in clear":           {"[insurance]\nrelay_url = \"http://127.0.0.1:8443\"\n", 2, "insurance.relay_url", notAllowed, "https://host or https://host:port, without a path, needed with provider relay"},
		"relay without a CA":       {"[insurance]\nprovider = \"relay\"\nrelay_url = \"https://relay.example\"\nrelay_cert = \"c\"\nrelay_key = \"k\"\n", 0, "insurance.relay_ca", notAllowed, "path of a file, needed with provider relay"},
		"training of another host": {"[insurance]\ntraining = true\nurl = \"https://egw.example\"\n", 2, "insurance.training", notAllowed, "true or false; with true, url is left at its default"},
		"proxy with a password":    {"[insurance]\nproxy = \"http://u:SECRETVALUE@proxy.example\"\n", 2, "insurance.proxy", notAllowed, "http://host:port, https://host:port, none, or empty: what the environment says (HTTPS_PROXY, NO_PROXY)"},
		"facility of another form": {"[facility]\ncode = \"SECRETVALUE\"\n", 2, "facility.code", notAllowed, "five digits or capital letters, or empty"},
		"facility's level":         {"[facility]\nlevel = \"tuyen_tinh\"\n", 2, "facility.level", notAllowed, "ban_dau, co_ban, chuyen_sau, or empty"},
		"facility's kind":          {"[facility]\nprimary_kind = \"1.3\"\n", 2, "facility.primary_kind", notAllowed, "1.2, 1.11, or empty"},
		"facility's points":        {"[facility]\npoints = 101\n", 2, "facility.points", notAllowed, "0 to 100; 0 is not known"},
		"facility's tier":          {"[facility]\nformer_tier = \"quan\"\n", 2, "facility.former_tier", notAllowed, "trung_uong, tinh, huyen, xa, khong, or empty"},
		"gateway with a path":      {"[insurance]\nurl = \"https://egw.example/api\"\n", 2, "insurance.url", notAllowed, gateway},
		"gateway without a host":   {"[insurance]\nurl = \"https://:443\"\n", 2, "insurance.url", notAllowed, gateway},
		"gateway with a fragment":  {"[insurance]\nurl = \"https://egw.example#SECRETVALUE\"\n", 2, "insurance.url", notAllowed, gateway},
		"origin with a space":      {"[his]\norigins = [\"https://a b\"]\n", 2, "his.origins", notAllowed, origins},
		"origin with a bare port":  {"[his]\norigins = [\"https://his.example:\"]\n", 2, "his.origins", notAllowed, origins},
		"origin with a question":   {"[his]\norigins = [\"https://his.example?\"]\n", 2, "his.origins", notAllowed, origins},
		"Socket.IO port is taken":  {"[compat]\nsocketio_port = 27480\n", 2, "compat.socketio_port", notAllowed, "1024 to 65535, none of his.ports and his.wss_ports"},
		"Socket.IO for everybody":  {"[compat]\nsocketio_origins = [\"*\"]\n", 2, "compat.socketio_origins", notAllowed, origins},
		"webhook in clear":         {"[compat]\nwebhook_url = \"http://10.0.0.7/SECRETVALUE\"\n", 2, "compat.webhook_url", notAllowed, webhook},
		"webhook with a login":     {"[compat]\nwebhook_url = \"https://a:SECRETVALUE@his.example/\"\n", 2, "compat.webhook_url", notAllowed, webhook},
		"field with a blank":       {"[compat]\nfields = [\"full name\"]\n", 2, "compat.fields", notAllowed, "a list of the fields that tapcheck token add --fields knows; empty is what admission needs"},
		"baud":                     {"[scanner]\nbaud = 5\n", 2, "scanner.baud", notAllowed, "1200 to 921600"},
		"releases in clear":        {"[update]\nsource = \"http://10.0.0.7/SECRETVALUE\"\n", 2, "update.source", notAllowed, "path of a folder or share, or https://host/path; empty is off"},
		"releases with a login":    {"[update]\nsource = \"https://u:SECRETVALUE@his.example/\"\n", 2, "update.source", notAllowed, "path of a folder or share, or https://host/path; empty is off"},
		"releases somewhere":       {"[update]\nsource = \"releases\"\n", 2, "update.source", notAllowed, "path of a folder or share, or https://host/path; empty is off"},
		"hour of no day":           {"[update]\nto_hour = 24\n", 2, "update.to_hour", notAllowed, "0 to 23; the same as from_hour is at any time"},
		"backup for nobody":        {"[backup]\nfolder = '\\\\nas\\tapcheck'\n", 0, "backup.recipient", notAllowed, "age1… as tapcheck backup key prints it, needed with folder"},
		"backup for a secret key":  {"[backup]\nrecipient = \"AGE-SECRET-KEY-SECRETVALUE\"\n", 2, "backup.recipient", notAllowed, "age1… as tapcheck backup key prints it, needed with folder"},
		"no backup kept":           {"[backup]\nkeep = 0\n", 2, "backup.keep", notAllowed, "1 to 365"},
		"origin ends in a dot":     {"[his]\norigins = [\"https://his.example.\"]\n", 2, "his.origins", notAllowed, origins},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := Parse([]byte(c.file))
			var p Problems
			if !errors.As(err, &p) || len(p) != 1 {
				t.Fatalf("got %v, want one problem", err)
			}
			if d := cmp.Diff(Problem{Line: c.line, Setting: c.setting, What: c.what, Allowed: c.allowed, From: FromFile}, p[0]); d != "" {
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
	if _, err := Load(filepath.Join(dir, "none.toml")); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a missing file: got %v", err)
	}
	if s, err := Load(dir); err == nil || s.Language != "" {
		t.Errorf("a folder in the file's place: %v, %v", s, err)
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

// An origin may be written as token add takes it, and becomes what browsers send: the gate compares it letter by letter.
func TestOriginsBecomeWhatBrowsersSend(t *testing.T) {
	s, err := Parse([]byte("[his]\norigins = [\"https://HIS.Example:443\", \"http://10.0.0.7:8080/\"]\n"))
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff([]string{"https://his.example", "http://10.0.0.7:8080"}, s.HIS.Origins); d != "" {
		t.Error(d)
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

// All that is wrong with a file is told at once, in the order of its lines.
func TestProblemsAreToldTogether(t *testing.T) {
	_, err := Parse([]byte("language = \"fr\"\n[his]\nporst = [1]\norigins = [\"https://*.his.vn\"]\nports = [99999]\n[console]\nidle_ms = -1\n"))
	var problems Problems
	if !errors.As(err, &problems) {
		t.Fatal(err)
	}
	var got []string
	for _, p := range problems {
		got = append(got, fmt.Sprintf("%d %s", p.Line, p.Setting))
	}
	if want := "1 language, 3 his.porst, 4 his.origins, 5 his.ports, 7 console.idle_ms"; strings.Join(got, ", ") != want {
		t.Errorf("%v", got)
	}
}
