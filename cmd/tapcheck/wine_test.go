//go:build wine && linux && cgo && !nopcsc

package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/tapcheck/tapcheck/icao/chip"
	"github.com/tapcheck/tapcheck/reader/pcsc/pcsctest"
	"github.com/tapcheck/tapcheck/reader/virtual"
)

// The Windows program itself, under Wine, on a real pcscd: `make test-windows`, which also makes what these names lead to.
const (
	wineHome = "../../.tapcheck/wine"     // installer/wine/prefix.sh
	wineExe  = "../../bin/tapcheck.exe"   // make build-windows
	wineCard = "number 001099012345 (an)" // whose card it is
)

// wine is a Windows program that has not been started yet.
func wine(t *testing.T, env []string, program string, args ...string) *exec.Cmd {
	t.Helper()
	home, err := filepath.Abs(wineHome)
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithTimeout(t.Context(), time.Minute)
	t.Cleanup(stop)
	cmd := exec.CommandContext(ctx, filepath.Join(home, "wine"), append([]string{program}, args...)...)
	cmd.Env = append(os.Environ(), env...)
	return cmd
}

// planted is a copy of a program with an attacker's winscard.dll beside it.
func planted(t *testing.T, program string) string {
	t.Helper()
	dir := t.TempDir()
	for to, from := range map[string]string{filepath.Base(program): program, "winscard.dll": wineHome + "/planted/winscard.dll"} {
		raw, err := os.ReadFile(from)
		if err != nil {
			t.Fatalf("%v: `make test-windows` makes it", err)
		}
		if err := os.WriteFile(filepath.Join(dir, to), raw, 0o700); err != nil {
			t.Fatal(err)
		}
	}
	return filepath.Join(dir, filepath.Base(program))
}

// exitOf is how a program ended.
func exitOf(t *testing.T, err error) int {
	t.Helper()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		t.Fatal(err)
	}
	if exit == nil {
		return 0
	}
	return exit.ExitCode()
}

// TestWineCard reads a card with the Windows program: binding, winscard.dll, pcscd, reader, chip. An attacker's winscard.dll
// lies beside the program all the while.
func TestWineCard(t *testing.T) {
	if code := exitOf(t, wine(t, nil, planted(t, wineHome+"/planted/careless.exe")).Run()); code != 66 {
		t.Fatalf("the planted DLL does not work: a careless program that finds it ends with %d, want 66", code)
	}
	exe := planted(t, wineExe)
	daemon := pcsctest.Start(t, "Desk", "Side")
	env := daemon.Bridge(t)

	t.Run("readers", func(t *testing.T) {
		out, err := wine(t, env, exe, "readers", "--json").Output()
		if code := exitOf(t, err); code != 0 {
			t.Fatalf("exit %d: %s", code, out)
		}
		for _, name := range []string{"Desk 00 00", "Side 00 00"} {
			if !bytes.Contains(out, []byte(name)) {
				t.Errorf("no %q in %s", name, out)
			}
		}
	})
	issuer, err := chip.NewIssuer(chip.IssuerOptions{})
	if err != nil {
		t.Fatal(err)
	}
	for _, profile := range []string{"cccd-mk", "cccd-2024"} {
		t.Run(profile, func(t *testing.T) {
			// pcscd sees only after a moment that the card of before is gone.
			for range 100 {
				out, err := wine(t, env, exe, "readers", "--json").Output()
				if exitOf(t, err) == 0 && !bytes.Contains(out, []byte(`"atr"`)) {
					break
				}
			}
			insertSim(t, daemon.Addr("Desk"), issuer, profile)
			cmd := wine(t, env, exe, "--lang", "en", "read", "--number", "001099012345", "--json")
			var stderr bytes.Buffer
			cmd.Stderr = &stderr
			out, err := cmd.Output()
			if code := exitOf(t, err); code != 0 {
				t.Fatalf("exit %d: %s", code, stderr.String())
			}
			var r struct {
				Identity struct{ Number, FullName string }
				Portrait *struct{ MIME string }
				Verdicts map[string]struct{ Status, Protocol, Reason string }
			}
			if err := json.Unmarshal(out, &r); err != nil {
				t.Fatalf("%v in %s", err, out)
			}
			if r.Identity.Number != "001099012345" || r.Identity.FullName != "Nguyễn Văn An" {
				t.Errorf("identity %+v, want %s", r.Identity, wineCard)
			}
			if r.Verdicts["access"].Status != "passed" {
				t.Errorf("access %+v", r.Verdicts["access"])
			}
			if r.Portrait == nil || !strings.HasPrefix(r.Portrait.MIME, "image/") {
				t.Errorf("portrait %+v", r.Portrait)
			}
		})
	}
	t.Run("no card service", func(t *testing.T) {
		// No bridge: as on a PC that never had a reader, where Windows does not run the service.
		out, err := wine(t, nil, exe, "--lang", "en", "readers").CombinedOutput()
		if exitOf(t, err) == 0 || !bytes.Contains(out, []byte("READER_ABSENT")) {
			t.Errorf("%v: %s", err, out)
		}
	})
}

func insertSim(t *testing.T, addr string, issuer *chip.Issuer, profile string) {
	t.Helper()
	who, err := chip.PersonaByName("an")
	if err != nil {
		t.Fatal(err)
	}
	p, err := chip.ProfileByName(profile)
	if err != nil {
		t.Fatal(err)
	}
	c, err := chip.New(p, who, issuer, chip.Options{})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	gone := make(chan struct{})
	go func() {
		defer close(gone)
		_ = virtual.PlugIn(ctx, addr, c)
	}()
	t.Cleanup(func() { cancel(); <-gone })
}
