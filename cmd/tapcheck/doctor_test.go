package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/tapcheck/tapcheck/agent"
	"github.com/tapcheck/tapcheck/agent/catalog"
	"github.com/tapcheck/tapcheck/agent/health"
	"github.com/tapcheck/tapcheck/agent/keys"
	"github.com/tapcheck/tapcheck/agent/settings"
	"github.com/tapcheck/tapcheck/icao/trust"
)

// TestDoctorKnowsTheAgent holds what doctor says of a port against what really sits there.
func TestDoctorKnowsTheAgent(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "data")
	k, err := keys.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	answer := func(status int, kind, body string) func(http.ResponseWriter, *http.Request) {
		return func(w http.ResponseWriter, r *http.Request) {
			if r.URL.Path != "/.well-known/tapcheck.json" {
				t.Error("asked for", r.URL.Path)
			}
			w.Header().Set("Content-Type", kind)
			w.WriteHeader(status)
			_, _ = io.WriteString(w, body)
		}
	}
	words := func(instance, more string) string {
		return `{"allowed":true,"agent":{"name":"tapcheck","version":"1"},"instanceId":"` + instance + `"` + more + `}`
	}
	const jsonUTF8 = "application/json; charset=utf-8"
	for name, c := range map[string]struct {
		data    string
		serve   http.HandlerFunc
		code    health.Code
		detail  string
		another bool // beside it, a free port
	}{
		"this desk's agent":              {dir, answer(200, jsonUTF8, words(k.InstanceID(), "")), "", "Tapcheck is running", false},
		"without a charset":              {dir, answer(200, "application/json", words(k.InstanceID(), "")), "", "Tapcheck is running", false},
		"an agent, and no keys to see":   {filepath.Join(dir, "none"), answer(200, jsonUTF8, words("another1another1", "")), "", "Tapcheck is running", false},
		"another desk's agent":           {dir, answer(200, jsonUTF8, words("another1another1", "")), health.PortsTaken, "another Tapcheck", false},
		"a simulation":                   {dir, answer(200, jsonUTF8, words("another1another1", `,"simulator":true`)), health.PortsTaken, "a simulated Tapcheck", false},
		"a simulation beside a free one": {dir, answer(200, jsonUTF8, words("another1another1", `,"simulator":true`)), "", "a simulated Tapcheck", true},
		"another program":                {dir, answer(200, "text/html", "<html>"), health.PortsTaken, "another program", false},
		"another program's JSON":         {dir, answer(200, jsonUTF8, `{"name":"x"}`), health.PortsTaken, "another program", false},
		"half an answer":                 {dir, answer(200, jsonUTF8, words(k.InstanceID(), "")[:40]), health.PortsTaken, "another program", false},
		"a refusal":                      {dir, answer(403, jsonUTF8, words(k.InstanceID(), "")), health.PortsTaken, "another program", false},
		"a redirection": {dir, func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, "http://127.0.0.1:1/", http.StatusFound)
		}, health.PortsTaken, "another program", false},
	} {
		t.Run(name, func(t *testing.T) {
			server := httptest.NewServer(c.serve)
			defer server.Close()
			s := settings.Default()
			s.HIS.Ports = []int{server.Listener.Addr().(*net.TCPAddr).Port}
			if c.another {
				s.HIS.Ports = append(s.HIS.Ports, freePort(t))
			}
			a := &app{ctx: t.Context(), lang: catalog.EN, data: c.data}
			if f := a.checkPorts(s); f.Code != c.code || !strings.Contains(f.Detail, c.detail) {
				t.Errorf("%s %q, want %s %q", f.Code, f.Detail, c.code, c.detail)
			}
		})
	}
}

// TestDoctorFindsTheRealAgent: the words that doctor looks for are those that the agent says.
func TestDoctorFindsTheRealAgent(t *testing.T) {
	p := start(t, nil, "demo", "--no-tap")
	addr := p.addr()
	d, ok := discover(context.Background(), addr)
	ours, err := keys.InstanceIn(p.data)
	if !ok || err != nil || d.InstanceID != ours || !d.Simulator {
		t.Errorf("%+v, %v; the data folder's is %q, %v", d, ok, ours, err)
	}
}

// TestRealAndSimulatedDataNeverMix: the simulation has a folder of its own, and neither takes the other's.
func TestRealAndSimulatedDataNeverMix(t *testing.T) {
	p := start(t, nil, "demo", "--no-tap")
	p.addr()
	p.stop()
	real := filepath.Dir(p.data)
	for _, file := range []string{keys.FileName, keys.TokensFileName, agent.JournalFile} {
		if exists(t, filepath.Join(real, file)) {
			t.Errorf("the demo left %s in the agent's folder", file)
		}
		if !exists(t, filepath.Join(p.data, file)) {
			t.Errorf("the demo has no %s of its own", file)
		}
	}
	refused := func(what string, p *program) {
		t.Helper()
		<-p.done
		if code := p.cmd.ProcessState.ExitCode(); code != exitSettings || !strings.Contains(p.stderr.String(), string(catalog.DataFolder)) || !strings.Contains(p.stderr.String(), what) {
			t.Errorf("exit code %d, want %d and %q:\n%s", code, exitSettings, what, p.stderr)
		}
	}
	refused(keys.ErrSimulation.Error(), start(t, func(cmd *exec.Cmd) { cmd.Args[2] = p.data }, "run"))

	desk := t.TempDir()
	if err := os.Mkdir(filepath.Join(desk, simulationFolder), 0o700); err != nil {
		t.Fatal(err)
	}
	if _, err := keys.Open(filepath.Join(desk, simulationFolder)); err != nil {
		t.Fatal(err)
	}
	refused(keys.ErrReal.Error(), start(t, func(cmd *exec.Cmd) { cmd.Args[2] = desk }, "demo", "--no-tap"))
}

func exists(t *testing.T, path string) bool {
	t.Helper()
	_, err := os.Stat(path)
	if err != nil && !os.IsNotExist(err) {
		t.Fatal(err)
	}
	return err == nil
}

// TestDoctorOnTheClock compares it with what the gateway's answer says, and with what the agent has written.
func TestDoctorOnTheClock(t *testing.T) {
	for name, c := range map[string]struct {
		off     time.Duration // the gateway's clock against ours
		written time.Duration // of the last file against now
		code    health.Code
	}{
		"right": {0, -time.Hour, ""}, "half a minute": {30 * time.Second, 0, ""}, "two minutes fast": {-2 * time.Minute, 0, health.ClockOff},
		"an hour slow": {time.Hour, 0, health.ClockOff}, "before the last record": {0, 24 * time.Hour, health.ClockImplausible},
	} {
		t.Run(name, func(t *testing.T) {
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if r.Method != http.MethodHead || r.Header.Get("Authorization") != "" {
					t.Errorf("%s %v", r.Method, r.Header)
				}
				w.Header().Set("Date", time.Now().Add(c.off).UTC().Format(http.TimeFormat))
			}))
			defer server.Close()
			dir := t.TempDir()
			s := settings.Default()
			s.Insurance.Provider, s.Insurance.FHIR.URL, s.Insurance.FHIR.Insurer = "fhir", server.URL, "a|b"
			file := filepath.Join(dir, "journal.db")
			if err := os.WriteFile(file, nil, 0o600); err != nil {
				t.Fatal(err)
			}
			if err := os.Chtimes(file, time.Time{}, time.Now().Add(c.written)); err != nil {
				t.Fatal(err)
			}
			a := &app{ctx: t.Context(), lang: catalog.EN, data: dir}
			f, date := a.checkInsurance(s)
			if f.Code != "" || date.IsZero() {
				t.Fatalf("%+v, %v", f, date)
			}
			if got := a.checkClock(date); got.Code != c.code {
				t.Errorf("%+v, want %s", got, c.code)
			}
		})
	}
}

// TestDoctorOnTheGateway says at which step it cannot be reached.
func TestDoctorOnTheGateway(t *testing.T) {
	refused := "http://127.0.0.1:" + fmt.Sprint(freePort(t))
	secure := httptest.NewTLSServer(http.NotFoundHandler())
	defer secure.Close()
	secure.Config.ErrorLog = log.New(io.Discard, "", 0)
	plain := httptest.NewServer(http.NotFoundHandler())
	defer plain.Close()
	for at, want := range map[string]string{
		refused: "the connection is refused", secure.URL: "its certificate is not trusted", strings.Replace(plain.URL, "http:", "https:", 1): "it does not speak TLS",
		"https://no-such-host.invalid": "not found (DNS)",
	} {
		s := settings.Default()
		s.Insurance.Provider, s.Insurance.FHIR.URL, s.Insurance.FHIR.Insurer, s.Insurance.Proxy = "fhir", at, "a|b", "none"
		a := &app{ctx: t.Context(), lang: catalog.EN, data: t.TempDir()}
		if f, _ := a.checkInsurance(s); f.Code != health.InsuranceDown || !strings.Contains(f.Detail, want) {
			t.Errorf("%s: %s %q, want %q", at, f.Code, f.Detail, want)
		}
	}
}

// TestDoctorOnTrust names what is past its time.
func TestDoctorOnTrust(t *testing.T) {
	now := time.Date(2026, 11, 28, 8, 0, 0, 0, time.UTC)
	past, later := now.AddDate(0, -1, 0), now.AddDate(0, 1, 0)
	r := &trust.Report{
		Sources: []trust.Source{{File: "old.crl", NextUpdate: &past}, {File: "new.crl", NextUpdate: &later}, {File: "a.ml"}},
		Added:   []trust.Added{{File: "ended.cer", NotAfter: past}, {File: "good.cer", NotAfter: later}},
	}
	if got := strings.Join(staleTrust(r, now), " "); got != "old.crl: 2026-10-28 ended.cer: 2026-10-28" {
		t.Errorf("%s", got)
	}
}

// TestDoctorsExitCode is that of the worst that it has found, and each finding has its words in both languages.
func TestDoctorsExitCode(t *testing.T) {
	dir := t.TempDir()
	write := func(text string) string {
		file := filepath.Join(dir, "tapcheck.toml")
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return file
	}
	ask := func(config, lang string, flags ...string) (string, int) {
		var out bytes.Buffer
		code := run(t.Context(), append([]string{"--config", config, "--data", filepath.Join(dir, "data"), "--lang", lang, "doctor"}, flags...), Env{Stdout: &out, Stderr: &out, Getenv: func(string) string { return "" }})
		return out.String(), code
	}
	config := write("nothing = 1\n")
	for lang, want := range map[string]string{"vi": "SETTINGS_INVALID Tệp cấu hình có chỗ sai.", "en": "SETTINGS_INVALID The settings file has a mistake."} {
		if out, code := ask(config, lang); code != exitFailed || !strings.Contains(out, want) || !strings.Contains(out, "→ ") {
			t.Errorf("%s: exit %d\n%s", lang, code, out)
		}
	}
	out, code := ask(write(""), "en", "--json")
	worst := exitOK
	checks := map[string]bool{}
	for line := range strings.Lines(out) {
		var f finding
		if err := json.Unmarshal([]byte(line), &f); err != nil {
			t.Fatal(err)
		}
		checks[f.Check] = true
		switch {
		case f.Severity == health.Down:
			worst = exitFailed
		case f.Severity == health.Degraded && worst == exitOK:
			worst = exitDegraded
		}
	}
	if code != worst {
		t.Errorf("exit %d, and the worst is %d:\n%s", code, worst, out)
	}
	for _, c := range []string{"settings", "service", "readers", "sharing", "driver", "data", "disk", "clients", "port", "browsers", "sessions", "trust", "insurance", "clock", "timezone", "update", "backup"} {
		if !checks[c] {
			t.Errorf("doctor does not check %s", c)
		}
	}
}

// TestWhoHasThePort finds this test, which listens. (Wine does not say whose a port is.)
func TestWhoHasThePort(t *testing.T) {
	l, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	name, pid, _ := strings.Cut(portHolder(l.Addr().(*net.TCPAddr).Port), " ")
	if name == "" || pid != fmt.Sprintf("(pid %d)", os.Getpid()) {
		t.Errorf("%q %q, and this is %d", name, pid, os.Getpid())
	}
	if got := portHolder(freePort(t)); got != "" {
		t.Errorf("a free port is held by %q", got)
	}
}
