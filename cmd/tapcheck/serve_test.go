//go:build !windows

package main

import (
	"errors"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/tapcheck/tapcheck/agent/catalog"
	"github.com/tapcheck/tapcheck/agent/settings"
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
	} {
		file := "[insurance]\n"
		for setting, value := range good {
			if setting == c.setting {
				value = c.value
			}
			file += setting + " = " + value + "\n"
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
