//go:build !windows

package main

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"io"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/tapcheck/tapcheck/agent/catalog"
	"github.com/tapcheck/tapcheck/agent/settings"
	"github.com/tapcheck/tapcheck/insurance"
)

// TestInsurerTakesWhatTheSettingsAllow: a settings file without problems makes a client of the gateway, whatever else may
// be wrong later. A row is one line of the file that differs from a good one.
func TestInsurerTakesWhatTheSettingsAllow(t *testing.T) {
	dir := t.TempDir()
	secret := func(name, content string) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		return strconv.Quote(path)
	}
	good := map[string]string{
		"provider": `"bhyt"`, "url": `"https://egw.example"`, "username": `"01004_BV"`, "password_file": secret("password", "pass word\n"),
		"staff_name": `"Lê Thị Thu"`, "staff_number_file": secret("staff", "001180000001\r\n"),
	}
	for name, c := range map[string]struct {
		setting, value string
		allowed        bool
	}{
		"as it should be":     {"provider", `"bhyt"`, true},
		"with a port":         {"url", `"https://egw.example:8443"`, true},
		"with a slash":        {"url", `"https://egw.example/"`, true},
		"on this PC":          {"url", `"http://127.0.0.1:8080"`, true},
		"on this PC, IPv6":    {"url", `"http://[::1]:8080"`, true},
		"with a path":         {"url", `"https://egw.example/api"`, false},
		"with a query":        {"url", `"https://egw.example?"`, false},
		"with a fragment":     {"url", `"https://egw.example#x"`, false},
		"with a user":         {"url", `"https://u:p@egw.example"`, false},
		"in clear":            {"url", `"http://egw.example"`, false},
		"by a name, in clear": {"url", `"http://localhost:80"`, false},
		"no host":             {"url", `"https://"`, false},
		"no account":          {"username", `""`, false},
		"long account":        {"username", strconv.Quote(strings.Repeat("x", 65)), false},
		"no password":         {"password_file", `""`, false},
		"no staff":            {"staff_name", `""`, false},
		"blank staff":         {"staff_name", `"  "`, false},
		"long staff":          {"staff_name", strconv.Quote(strings.Repeat("x", 129)), false},
		"no staff number":     {"staff_number_file", `""`, false},
		"staff by operator":   {"staff_file", secret("staff.toml", "[[staff]]\nname = \"Trần Văn Phúc\"\nnumber = \"001180000002\"\noperators = [\"tv.phuc\"]\n"), true},
		"by a proxy":          {"proxy", `"http://proxy.example:3128"`, true},
		"by no proxy":         {"proxy", `"none"`, true},
		"proxy with a path":   {"proxy", `"http://proxy.example/pac"`, false},
		"training elsewhere":  {"training", "true", false},
	} {
		file := "[insurance]\n"
		for setting, value := range good {
			if setting == c.setting {
				value = c.value
			}
			file += setting + " = " + value + "\n"
		}
		if _, there := good[c.setting]; !there {
			file += c.setting + " = " + c.value + "\n"
		}
		s, err := settings.Parse([]byte(file))
		if (err == nil) != c.allowed {
			t.Errorf("%s: %v", name, err)
		}
		if err != nil {
			continue
		}
		if _, err := insurer(s.Insurance); err != nil {
			t.Errorf("%s: allowed by the settings, refused by the client: %v", name, err)
		}
	}
}

// TestSecretsThatCannotBeUsed: what is wrong with a secret's file is CONFIG_INVALID, names the setting, and is not quoted.
func TestSecretsThatCannotBeUsed(t *testing.T) {
	dir := t.TempDir()
	write := func(name, content string, mode os.FileMode) string {
		path := filepath.Join(dir, name)
		if err := errors.Join(os.WriteFile(path, []byte(content), 0o600), os.Chmod(path, mode)); err != nil {
			t.Fatal(err)
		}
		return path
	}
	password, staff := write("password", "secretvalue", 0o600), write("staff", "001180000001", 0o600)
	for name, c := range map[string]struct{ password, staff, setting, problem string }{
		"missing":          {filepath.Join(dir, "none"), staff, "insurance.password_file", "no such file or directory"},
		"others read it":   {write("open", "secretvalue", 0o644), staff, "insurance.password_file", "others can read or change it"},
		"empty":            {write("empty", "", 0o600), staff, "insurance.password_file", "it is malformed"},
		"staff, two lines": {password, write("two", "001180000001\n001180000002\n", 0o600), "insurance.staff_number_file", "it is malformed"},
		"staff, no number": {password, write("word", "secretvalue", 0o600), "insurance", "bhyt: StaffNumber must be 12 digits"},
	} {
		_, err := insurer(settings.Insurance{
			Provider: "bhyt", URL: "https://egw.example", Username: "u", StaffName: "n", PasswordFile: c.password, StaffFile: c.staff,
		})
		var e *catalog.Error
		if !errors.As(err, &e) || e.ID != catalog.ConfigInvalid || e.Detail["setting"] != c.setting || e.Detail["problem"] != c.problem {
			t.Errorf("%s: %v", name, err)
			if e != nil {
				t.Errorf("%v", e.Detail)
			}
			continue
		}
		if exitCode(err) != exitSettings || strings.Contains(settingsProblem(err), "secretvalue") {
			t.Errorf("%s: exit code %d, %s", name, exitCode(err), settingsProblem(err))
		}
	}
}

// TestStaffFileThatCannotBeUsed: what is wrong with it is said by its place, and nothing of it is quoted.
func TestStaffFileThatCannotBeUsed(t *testing.T) {
	dir := t.TempDir()
	write := func(name, content string, mode os.FileMode) string {
		path := filepath.Join(dir, name)
		if err := errors.Join(os.WriteFile(path, []byte(content), 0o600), os.Chmod(path, mode)); err != nil {
			t.Fatal(err)
		}
		return path
	}
	s := settings.Insurance{Provider: "bhyt", URL: "https://egw.example", Username: "u", StaffName: "n", PasswordFile: write("password", "x", 0o600), StaffFile: write("staff", "001180000001", 0o600)}
	for name, c := range map[string]struct{ path, problem string }{
		"others read it": {write("open", "", 0o644), "others can read or change it"},
		"no number":      {write("word", "[[staff]]\nname = \"SECRETVALUE\"\nnumber = \"SECRETVALUE\"\noperators = [\"a\"]\n", 0o600), "bhyt: the staff file's entry 1: number must be 12 digits"},
		"no TOML":        {write("toml", "[[staff]]\nname = SECRETVALUE\n", 0o600), "bhyt: the staff file is not valid at line 2"},
	} {
		s.StaffList = c.path
		_, err := insurer(s)
		var e *catalog.Error
		if !errors.As(err, &e) || e.Detail["setting"] != "insurance.staff_file" || e.Detail["problem"] != c.problem || strings.Contains(settingsProblem(err), "SECRETVALUE") {
			t.Errorf("%s: %v", name, err)
			if e != nil {
				t.Error(e.Detail)
			}
		}
	}
}

// TestRelayByItsSettings: four files and an address make a desk that asks the relay, and what is wrong with one is said by its name.
func TestRelayByItsSettings(t *testing.T) {
	dir := t.TempDir()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	one := &x509.Certificate{SerialNumber: big.NewInt(1), NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour), IsCA: true, BasicConstraintsValid: true, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}}
	der, err := x509.CreateCertificate(rand.Reader, one, one, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	pk, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	write := func(name string, content []byte, mode os.FileMode) string {
		path := filepath.Join(dir, name)
		if err := errors.Join(os.WriteFile(path, content, 0o600), os.Chmod(path, mode)); err != nil {
			t.Fatal(err)
		}
		return path
	}
	certPEM, keyPEM := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: pk})
	cert, secret, junk := write("cert.pem", certPEM, 0o644), write("key.pem", keyPEM, 0o600), write("junk", []byte("junk"), 0o644)

	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		_, _ = io.WriteString(w, `{"eligibility":{"state":"eligible","code":"000"}}`)
	}))
	pair, err := tls.X509KeyPair(certPEM, keyPEM)
	if err != nil {
		t.Fatal(err)
	}
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(certPEM)
	server.TLS = &tls.Config{MinVersion: tls.VersionTLS13, Certificates: []tls.Certificate{pair}, ClientAuth: tls.RequireAndVerifyClientCert, ClientCAs: pool}
	server.StartTLS()
	defer server.Close()

	good := settings.Insurance{Provider: "relay", RelayURL: server.URL, RelayCert: cert, RelayKey: secret, RelayCA: cert}
	p, err := insurer(good)
	if err != nil {
		t.Fatal(err)
	}
	e, err := p.Check(t.Context(), insurance.Request{Number: "001099012345", FullName: "Nguyễn Văn An", DateOfBirth: "1999-01-01"})
	if err != nil || e.State != insurance.Eligible || e.Source != insurance.SourceRelay {
		t.Errorf("%+v %v", e, err)
	}
	_ = p.(io.Closer).Close()
	for name, c := range map[string]struct {
		change  func(*settings.Insurance)
		setting string
	}{
		"no key":             {func(s *settings.Insurance) { s.RelayKey = filepath.Join(dir, "none") }, "insurance.relay_key"},
		"a key for everyone": {func(s *settings.Insurance) { s.RelayKey = write("open.pem", keyPEM, 0o644) }, "insurance.relay_key"},
		"no certificate":     {func(s *settings.Insurance) { s.RelayCert = junk }, "insurance.relay_cert"},
		"no CA":              {func(s *settings.Insurance) { s.RelayCA = junk }, "insurance.relay_ca"},
		"no CA's file":       {func(s *settings.Insurance) { s.RelayCA = filepath.Join(dir, "none") }, "insurance.relay_ca"},
	} {
		s := good
		c.change(&s)
		_, err := insurer(s)
		var e *catalog.Error
		if !errors.As(err, &e) || e.ID != catalog.ConfigInvalid || e.Detail["setting"] != c.setting {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestRunningPort: whoever names a data folder is told of that folder's agent and of no other.
func TestRunningPort(t *testing.T) {
	for content, want := range map[string]int{
		`{"port": 27481, "url": "ws://127.0.0.1:27481/v1"}`: 27481,
		`{"port": 0}`: 0, `{"port": 70000}`: 0, `{"port": -1}`: 0, `{"port": "27481"}`: 0, `{`: 0, ``: 0,
	} {
		dir := t.TempDir()
		if port, ok := runningPort(dir, false); ok {
			t.Errorf("a folder without an agent has the port %d", port)
		}
		if err := os.WriteFile(filepath.Join(dir, portFile), []byte(content), 0o644); err != nil {
			t.Fatal(err)
		}
		if port, ok := runningPort(dir, false); ok != (want > 0) || ok && port != want {
			t.Errorf("%s: %d, %v", content, port, ok)
		}
	}
}

// TestPortFiles: a service that is not root publishes where systemd has made it a folder, and nowhere that an environment names else.
func TestPortFiles(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("systemd is Linux's")
	}
	for folder, want := range map[string]bool{"/run/tapcheck": true, "/tmp/elsewhere": false, "/run/tapcheck:/run/other": false} {
		a := &app{Env: Env{Getenv: func(name string) string { return map[string]string{"RUNTIME_DIRECTORY": folder}[name] }}}
		files := a.portFiles("/data")
		if files[0] != "/data/port.json" || slices.Contains(files, "/tmp/elsewhere/port.json") || want && !slices.Contains(files, "/run/tapcheck/port.json") {
			t.Errorf("%s: %v", folder, files)
		}
	}
}
