package main

import (
	"bytes"
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/tapcheck/tapcheck/agent/catalog"
)

// fakeHost is a machine in a folder, whose commands are only written down.
func fakeHost(t *testing.T, program string) (h systemdHost, a *app, ran *[]string) {
	t.Helper()
	ran = &[]string{}
	h = systemdHost{root: t.TempDir(), program: program, run: func(_ context.Context, name string, args ...string) (string, error) {
		*ran = append(*ran, name+" "+strings.Join(args, " "))
		if args[0] == "show" {
			return "LoadState=loaded\nActiveState=active\nSubState=running\nUnitFileState=enabled\nMainPID=42\nNRestarts=3\nStatusText=ws://127.0.0.1:27480/v1 NO_READER\nFragmentPath=/x\n", nil
		}
		return "", nil
	}}
	a = &app{ctx: t.Context(), lang: catalog.EN, Env: Env{Stdout: &bytes.Buffer{}, Stderr: &bytes.Buffer{}}}
	return h, a, ran
}

// The service is put into the TPM's group where there is one, and no group is made for it.
func TestServiceMayUseTheTPM(t *testing.T) {
	for _, there := range []bool{true, false} {
		h, a, ran := fakeHost(t, "/opt/tapcheck")
		writes := h.run
		h.run = func(ctx context.Context, name string, args ...string) (string, error) {
			if name == "getent" && !there {
				return "", errors.New("exit status 2")
			}
			return writes(ctx, name, args...)
		}
		if err := h.install(a, false); err != nil {
			t.Fatal(err)
		}
		if slices.Contains(*ran, "usermod -a -G tss tapcheck") != there {
			t.Errorf("a group tss: %v, ran %q", there, *ran)
		}
	}
}

func TestServiceInstallAndUninstall(t *testing.T) {
	h, a, ran := fakeHost(t, `/opt/tap "100%"/tapcheck`)
	if err := h.install(a, true); err != nil {
		t.Fatal(err)
	}
	if want := "systemctl enable --now tapcheck"; (*ran)[len(*ran)-1] != want || !slices.Contains(*ran, "systemd-sysusers tapcheck.conf") {
		t.Errorf("ran %q, want %q at the end", *ran, want)
	}
	unit, err := os.ReadFile(filepath.Join(h.root, unitFile))
	if err != nil || !strings.Contains(string(unit), "\nExecStart=\"/opt/tap \\\"100%%\\\"/tapcheck\" --data /var/lib/tapcheck run --service\n") {
		t.Errorf("unit: %v\n%s", err, unit)
	}
	// Again, as after an update by hand.
	if err := h.install(a, false); err != nil {
		t.Errorf("a second time: %v", err)
	}
	foreign := filepath.Join(h.root, "etc/udev/rules.d/70-tapcheck.rules")
	if err := os.WriteFile(foreign, []byte("# the administrator's\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := h.install(a, false); err == nil {
		t.Error("install overwrote a file that it had not made")
	}
	if _, err := h.uninstall(a); err != nil {
		t.Fatal(err)
	}
	if !slices.Contains(*ran, "systemctl disable --now tapcheck") {
		t.Errorf("uninstall did not stop it: %q", *ran)
	}
	left := []string{}
	_ = filepath.WalkDir(h.root, func(path string, d os.DirEntry, err error) error {
		if err == nil && !d.IsDir() {
			left = append(left, path)
		}
		return err
	})
	if !slices.Equal(left, []string{foreign}) {
		t.Errorf("left: %q", left)
	}
}

// Where a package has brought the unit, nothing is written beside it.
func TestServiceOfAPackage(t *testing.T) {
	h, a, _ := fakeHost(t, "/usr/bin/tapcheck")
	unit := filepath.Join(h.root, "usr/lib/systemd/system/tapcheck.service")
	if err := os.MkdirAll(filepath.Dir(unit), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(unit, nil, 0o644); err != nil {
		t.Fatal(err)
	}
	if err := h.install(a, true); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(filepath.Join(h.root, "etc")); err == nil {
		t.Error("files beside the package's")
	}
	said, err := h.uninstall(a)
	if err != nil || !strings.Contains(said, "apt") {
		t.Errorf("%q, %v", said, err)
	}
	if _, err := os.Stat(unit); err != nil {
		t.Error("uninstall took the package's file")
	}
}

func TestServiceOfAProgramThatTheUnitCannotSee(t *testing.T) {
	for _, program := range []string{"/home/hoa/tapcheck", "/root/tapcheck", "/tmp/tapcheck"} {
		h, a, ran := fakeHost(t, program)
		if err := h.install(a, true); err == nil || len(*ran) > 0 {
			t.Errorf("%s: %v, ran %q", program, err, *ran)
		}
	}
}

func TestServiceStatus(t *testing.T) {
	h, a, _ := fakeHost(t, "/usr/bin/tapcheck")
	s, err := h.state(t.Context())
	if err != nil || !s.Running || s.PID != 42 || s.Restarts != 3 || !s.Installed {
		t.Errorf("%+v, %v", s, err)
	}
	a.showState(s)
	if out := a.Stdout.(*bytes.Buffer).String(); !strings.Contains(out, "active (running), enabled") || !strings.Contains(out, "NO_READER") {
		t.Errorf("%s", out)
	}
	gone := h
	gone.run = func(context.Context, string, ...string) (string, error) {
		return "LoadState=not-found\nActiveState=inactive\n", nil
	}
	if s, err := gone.state(t.Context()); err != nil || s.Installed || s.Running {
		t.Errorf("%+v, %v", s, err)
	}
	if _, err := gone.uninstall(a); err == nil {
		t.Error("uninstall of nothing")
	}
}

// TestSecretOfTheService: what systemd-creds has sealed lies where the unit is told to look, for root alone, and goes again.
func TestSecretOfTheService(t *testing.T) {
	h, _, ran := fakeHost(t, "/usr/bin/tapcheck")
	seal := func(_ context.Context, name string, secret []byte) ([]byte, error) {
		return []byte("sealed " + name + " " + strings.ToUpper(string(secret))), nil
	}
	for _, secret := range []string{"first", "second"} {
		if err := h.setSecret(t.Context(), "gateway", []byte(secret), seal); err != nil {
			t.Fatal(err)
		}
	}
	sealed, dropIn := h.secretFiles("gateway")
	raw, err := os.ReadFile(sealed)
	info, statErr := os.Stat(sealed)
	if err != nil || statErr != nil || string(raw) != "sealed gateway SECOND" || info.Mode().Perm() != 0o600 {
		t.Errorf("%q, %v, %v", raw, err, statErr)
	}
	if raw, err := os.ReadFile(dropIn); err != nil || !strings.HasSuffix(string(raw), "[Service]\nLoadCredentialEncrypted=gateway:/etc/credstore.encrypted/tapcheck.gateway\n") {
		t.Errorf("drop-in: %q, %v", raw, err)
	}
	if !slices.Equal(*ran, []string{"systemctl daemon-reload", "systemctl daemon-reload"}) {
		t.Errorf("ran %q", *ran)
	}
	fail := func(context.Context, string, []byte) ([]byte, error) { return nil, os.ErrInvalid }
	if err := h.setSecret(t.Context(), "other", []byte("x"), fail); err == nil {
		t.Error("what cannot be sealed is not kept")
	}
	if err := h.removeSecret(t.Context(), "gateway"); err != nil {
		t.Fatal(err)
	}
	if err := h.removeSecret(t.Context(), "gateway"); err != nil {
		t.Errorf("a second time: %v", err)
	}
	for _, path := range []string{sealed, dropIn, filepath.Dir(dropIn)} {
		if _, err := os.Stat(path); err == nil {
			t.Errorf("left: %s", path)
		}
	}
}
