package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/windows"
	"golang.org/x/sys/windows/registry"

	"github.com/tapcheck/tapcheck/agent/update"
)

var updatePlaces = func() places {
	dir := filepath.Join(programData(), "Tapcheck", "update")
	return places{trust: dir, work: filepath.Join(dir, "work")}
}

func mayInstall() bool { return windows.GetCurrentProcessToken().IsElevated() }

func updateHost(a *app) (update.Host, error) { return windowsUpdate{a}, nil }

// windowsUpdate installs MSIs. It runs as a copy of the program (updaterCopy), for the installer replaces the program itself.
type windowsUpdate struct{ a *app }

const (
	versionValue   = "Version" // below portKey; the installer writes it
	uninstallKey   = `SOFTWARE\Microsoft\Windows\CurrentVersion\Uninstall`
	rebootRequired = 3010 // of msiexec: done, and something of it comes with the next start
)

// Installed implements update.Host.
func (windowsUpdate) Installed(context.Context) (version, kind string, err error) {
	k, err := registry.OpenKey(registry.LOCAL_MACHINE, portKey, registry.QUERY_VALUE|registry.WOW64_64KEY)
	if err != nil {
		return "", update.MSI, nil
	}
	defer k.Close()
	version, _, err = k.GetStringValue(versionValue)
	if err != nil {
		return "", update.MSI, nil // half there, or not at all
	}
	return version, update.MSI, nil
}

// Install implements update.Host. The installer refuses an older version, so for the way back the newer one is removed first; data and
// settings stay.
func (h windowsUpdate) Install(ctx context.Context, path string, _ update.File, back bool) error {
	if back {
		code, err := productCode()
		if err == nil {
			err = msiexec(ctx, "/x", code, "/qn", "/norestart")
		}
		if err != nil && !errors.Is(err, registry.ErrNotExist) { // a product that is not there need not be removed
			return err
		}
	}
	return msiexec(ctx, "/i", path, "/qn", "/norestart")
}

// productCode is the installed product's.
func productCode() (string, error) {
	k, err := registry.OpenKey(registry.LOCAL_MACHINE, uninstallKey, registry.ENUMERATE_SUB_KEYS|registry.WOW64_64KEY)
	if err != nil {
		return "", err
	}
	defer k.Close()
	names, err := k.ReadSubKeyNames(0)
	if err != nil {
		return "", err
	}
	for _, name := range names {
		if !strings.HasPrefix(name, "{") {
			continue
		}
		p, err := registry.OpenKey(registry.LOCAL_MACHINE, uninstallKey+`\`+name, registry.QUERY_VALUE|registry.WOW64_64KEY)
		if err != nil {
			continue
		}
		is, _, err := p.GetStringValue("DisplayName")
		_ = p.Close()
		if err == nil && is == "Tapcheck" {
			return name, nil
		}
	}
	return "", registry.ErrNotExist
}

// msiexec waits for another installation (1618) for some minutes.
func msiexec(ctx context.Context, args ...string) error {
	ctx, stop := context.WithTimeout(ctx, 15*time.Minute)
	defer stop()
	dir, err := windows.GetSystemDirectory()
	if err != nil {
		return err
	}
	for {
		err := exec.CommandContext(ctx, filepath.Join(dir, "msiexec.exe"), args...).Run()
		exit, ok := errors.AsType[*exec.ExitError](err)
		switch {
		case err == nil, ok && exit.ExitCode() == rebootRequired:
			return nil
		case ok && exit.ExitCode() == 1618 && ctx.Err() == nil:
			select {
			case <-ctx.Done():
			case <-time.After(15 * time.Second):
			}
		default:
			return fmt.Errorf("msiexec %s: %w", args[0], err)
		}
	}
}

// Keep implements update.Host: an MSI is kept by its update, never copied from what is installed.
func (windowsUpdate) Keep(context.Context, string) error { return update.ErrNoWayBack }

// Health implements update.Host: what the service manager says, and what answers on the port that the service publishes. Codes of health are
// not seen from outside here.
func (h windowsUpdate) Health(ctx context.Context) (update.Health, error) {
	s, err := h.a.serviceState()
	if err != nil {
		return update.Health{}, err
	}
	now := update.Health{Running: s.State == "running"}
	if port, ok := servicePort(); ok && now.Running {
		now.Version, now.Serving = probe(ctx, port)
	}
	return now, nil
}

// updaterCopy is the program that the scheduled task runs. It lies where only administrators write.
func updaterCopy() string { return filepath.Join(updatePlaces().trust, "updater.exe") }

const updateTask = "Tapcheck update"

// scheduleUpdates makes the task that looks for updates every hour, as SYSTEM: it ends at once while there is no source.
func scheduleUpdates(ctx context.Context) error {
	program, err := os.Executable()
	if err != nil {
		return err
	}
	dir := updatePlaces().trust
	// The folder above is the settings': administrators' to write, whoever has made it before.
	if err := protectSettings(filepath.Join(filepath.Dir(dir), "tapcheck.toml"), false); err != nil {
		return err
	}
	if err := update.OwnAlone(dir); err != nil {
		return err
	}
	to := updaterCopy()
	// A copy that runs now, because this is an update, cannot be overwritten, but moved.
	_ = os.Remove(to + ".old")
	if err := os.Rename(to, to+".old"); err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	if err := copyDurably(program, to, 0o755); err != nil {
		_ = os.Rename(to+".old", to)
		return err
	}
	return schtasks(ctx, "/create", "/f", "/tn", updateTask, "/sc", "hourly", "/ru", "SYSTEM", "/rl", "highest", "/tr", `"`+to+`" update apply --scheduled`)
}

// unscheduleUpdates takes the task away, and the copy of the program as far as it does not run.
func unscheduleUpdates(ctx context.Context) {
	_ = schtasks(ctx, "/delete", "/f", "/tn", updateTask)
	_ = os.Remove(updaterCopy())
	_ = os.Remove(updaterCopy() + ".old")
}

func schtasks(ctx context.Context, args ...string) error {
	ctx, stop := context.WithTimeout(ctx, serviceWait)
	defer stop()
	dir, err := windows.GetSystemDirectory()
	if err != nil {
		return err
	}
	c := exec.CommandContext(ctx, filepath.Join(dir, "schtasks.exe"), args...)
	var said bytes.Buffer
	c.Stdout, c.Stderr = &said, &said
	if err := c.Run(); err != nil {
		return fmt.Errorf("schtasks %s: %w: %s", args[0], err, strings.TrimSpace(said.String()))
	}
	return nil
}

// applyElsewhere lets the updater's copy of the program do it, for the installer cannot replace one that runs, and this one ends now.
func (a *app) applyElsewhere() (started bool, err error) {
	self, err := os.Executable()
	if err != nil {
		return false, err
	}
	if strings.EqualFold(self, updaterCopy()) {
		return false, nil
	}
	if _, err := os.Stat(updaterCopy()); err != nil {
		if err := scheduleUpdates(a.ctx); err != nil {
			return false, err
		}
	}
	args := []string{"update", "apply"}
	if a.named {
		args = append([]string{"--config", a.config}, args...)
	}
	c := exec.Command(updaterCopy(), args...)
	c.SysProcAttr = &syscall.SysProcAttr{CreationFlags: windows.CREATE_NEW_PROCESS_GROUP | windows.DETACHED_PROCESS}
	if err := c.Start(); err != nil {
		return false, err
	}
	a.printf("%s\n", a.say("Trình cập nhật đang làm: xem tapcheck update status.", "The updater is at work: see tapcheck update status."))
	return true, c.Process.Release()
}
