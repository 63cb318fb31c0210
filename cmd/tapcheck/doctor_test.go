package main

import (
	"context"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/tapcheck/tapcheck/agent"
	"github.com/tapcheck/tapcheck/agent/catalog"
	"github.com/tapcheck/tapcheck/agent/health"
	"github.com/tapcheck/tapcheck/agent/keys"
	"github.com/tapcheck/tapcheck/agent/settings"
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
