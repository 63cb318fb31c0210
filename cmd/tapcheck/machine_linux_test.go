package main

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/tapcheck/tapcheck/agent/health"
	"github.com/tapcheck/tapcheck/agent/keys"
	"github.com/tapcheck/tapcheck/agent/keys/tpm/tpmtest"
)

// TestTPMIsTold is what an administrator learns about the keys and the TPM, and does about one that was switched off and on again, or cleared.
func TestTPMIsTold(t *testing.T) {
	root, chip := t.TempDir(), tpmtest.Start(t)
	dir, config := filepath.Join(root, "data"), filepath.Join(root, "tapcheck.toml")
	agent := func() keys.Machine {
		return keys.Machine{System: strings.Repeat("1", 32), TPM: chip.Device(), Seal: true}
	}
	thisMachine = func() keys.Machine { m := agent(); m.Seal = false; return m }
	t.Cleanup(func() { thisMachine = keys.ThisMachine })
	if err := os.WriteFile(config, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	start := func(m keys.Machine) {
		t.Helper()
		_, err := keys.Bind(dir, m)
		if err == nil {
			_, err = keys.OpenOn(dir, m)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	expect := func(code int, text string, args ...string) {
		t.Helper()
		var out bytes.Buffer
		got := run(t.Context(), append([]string{"--config", config, "--data", dir, "--lang", "en"}, args...), Env{Stdin: strings.NewReader(""), Stdout: &out, Stderr: &out, Getenv: func(string) string { return "" }})
		if got != code || !strings.Contains(out.String(), text) {
			t.Errorf("%v: %d, want %d with %q:\n%s", args, got, code, text, out.String())
		}
	}
	doctor := func(want health.Code, detail string) {
		t.Helper()
		a := &app{ctx: t.Context(), data: dir, lang: "en"}
		if f := a.checkData(); f.Code != want || !strings.Contains(f.Detail, detail) {
			t.Errorf("doctor: %s, %q, want %s with %q", f.Code, f.Detail, want, detail)
		}
	}

	start(thisMachine())
	expect(exitOK, "a file that the service alone reads. TPM: there, and not used", "machine", "status")
	expect(exitOK, `"tpmUsable": true`, "machine", "status", "--json")
	start(agent())
	expect(exitOK, "sealed by this PC's TPM", "machine", "status")
	expect(exitOK, `"keys": "tpm"`, "machine", "status", "--json")
	doctor("", "sealed by this PC's TPM")

	chip.Off()
	expect(exitOK, "no TPM 2.0 that answers", "machine", "status")
	expect(exitOK, `"keysOpen": false`, "machine", "status", "--json")
	doctor(health.TPMKeysLost, "does not open them now")
	start(agent())
	expect(exitOK, "this PC's own, whose keys the TPM did not open", "machine", "status")
	doctor(health.TPMKeysLost, keys.CopiedPrefix)
	chip.On()
	expect(exitOK, "are back", "machine", "keep")
	expect(exitOK, "sealed by this PC's TPM", "machine", "status")

	chip.Clear()
	expect(exitOK, "it was cleared, or is another one", "machine", "status")
	start(agent())
	expect(exitSettings, "does not open them", "machine", "keep")
	expect(exitOK, "Deleted", "machine", "forget")
	expect(exitOK, "sealed by this PC's TPM", "machine", "status") // the new keys
}
