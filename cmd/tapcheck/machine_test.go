package main

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/tapcheck/tapcheck/agent/keys"
)

// TestMachineCommands is what an administrator does about a data folder that came from another PC.
func TestMachineCommands(t *testing.T) {
	root := t.TempDir()
	dir, config := filepath.Join(root, "data"), filepath.Join(root, "tapcheck.toml")
	here := keys.Machine{System: strings.Repeat("1", 32)}
	thisMachine = func() keys.Machine { return here }
	t.Cleanup(func() { thisMachine = keys.ThisMachine })
	if err := os.WriteFile(config, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	expect := func(code int, text string, args ...string) {
		t.Helper()
		var out bytes.Buffer
		got := run(t.Context(), append([]string{"--config", config, "--data", dir, "--lang", "en"}, args...), Env{Stdin: strings.NewReader(""), Stdout: &out, Stderr: &out, Getenv: func(string) string { return "" }})
		if got != code || !strings.Contains(out.String(), text) {
			t.Errorf("%v: %d, want %d with %q:\n%s", args, got, code, text, out.String())
		}
	}
	expect(exitSettings, "workstation.key", "machine", "status")
	other := keys.Machine{System: strings.Repeat("7", 32)}
	k, err := keys.OpenOn(dir, other)
	if err != nil {
		t.Fatal(err)
	}
	expect(exitOK, "made on another PC", "machine", "status")
	expect(exitOK, `"thisMachine": false`, "machine", "status", "--json")
	expect(exitFailed, "nothing from another PC", "machine", "keep")
	copied := func() {
		t.Helper()
		_, err := keys.Bind(dir, here)
		_, again := keys.OpenOn(dir, here)
		if err := errors.Join(err, again); err != nil {
			t.Fatal(err)
		}
	}
	copied()
	expect(exitOK, "from another PC", "machine", "status")
	expect(exitUsage, "copied-", "machine", "keep", "copied-nothing")
	expect(exitOK, "are back", "machine", "keep")
	if now, err := keys.InstanceIn(dir); err != nil || now != k.InstanceID() {
		t.Errorf("%s, %v", now, err)
	}
	expect(exitOK, `"thisMachine": true`, "machine", "status", "--json")
	if err := os.RemoveAll(dir); err != nil {
		t.Fatal(err)
	}
	if _, err := keys.OpenOn(dir, other); err != nil {
		t.Fatal(err)
	}
	copied()
	expect(exitOK, "Deleted", "machine", "forget")
	expect(exitOK, `"aside": []`, "machine", "status", "--json")
}
