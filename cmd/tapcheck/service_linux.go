package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/tapcheck/tapcheck/installer/linux"
)

// systemdHost is a machine that systemd runs. Tests have one of their own.
type systemdHost struct {
	root    string // "/"
	program string // absolute
	run     func(ctx context.Context, name string, args ...string) (string, error)
}

// thisHost is this machine.
var thisHost = func() (systemdHost, error) {
	program, err := os.Executable()
	if err == nil {
		program, err = filepath.EvalSymlinks(program)
	}
	return systemdHost{root: "/", program: program, run: runQuietly}, err
}

// runQuietly runs a program of the system and gives what it says on standard output. The error holds what it says on the other.
func runQuietly(ctx context.Context, name string, args ...string) (string, error) {
	ctx, stop := context.WithTimeout(ctx, serviceWait)
	defer stop()
	out, err := exec.CommandContext(ctx, name, args...).Output()
	if exit, ok := errors.AsType[*exec.ExitError](err); ok {
		err = fmt.Errorf("%s %s: %s", name, strings.Join(args, " "), strings.TrimSpace(string(exit.Stderr)))
	}
	return string(out), err
}

// made marks files that install has written, and uninstall may take away.
const made = "# Made by tapcheck service install; tapcheck service uninstall takes it away.\n"

// updateTimer lets the updater look for new versions.
const updateTimer = "tapcheck-update.timer"

const unitFile = "etc/systemd/system/tapcheck.service"

// files are what install writes where no package has: the same as the package's, at the places of an administrator.
func (h systemdHost) files() map[string]string {
	start := func(unit string) string {
		return made + strings.Replace(unit, "ExecStart=/usr/bin/tapcheck ", "ExecStart=\""+systemdQuoted(h.program)+"\" ", 1)
	}
	return map[string]string{
		unitFile: start(linux.Unit),
		"etc/systemd/system/tapcheck-update.service": start(linux.Updater),
		"etc/systemd/system/tapcheck-update.timer":   made + linux.UpdaterTimer,
		"etc/sysusers.d/tapcheck.conf":               made + linux.Sysusers,
		"etc/tmpfiles.d/tapcheck.conf":               made + linux.Tmpfiles,
		"etc/polkit-1/rules.d/50-tapcheck.rules":     "//" + made[1:] + linux.Polkit,
		"etc/udev/rules.d/70-tapcheck.rules":         made + linux.Udev,
	}
}

// systemdQuoted escapes what systemd would take for its own within quotes.
func systemdQuoted(path string) string {
	return strings.NewReplacer(`\`, `\\`, `"`, `\"`, "%", "%%", "$", "$$").Replace(path)
}

// packaged says whether a package has brought the unit.
func (h systemdHost) packaged() bool {
	_, err := os.Stat(filepath.Join(h.root, "usr/lib/systemd/system/tapcheck.service"))
	return err == nil
}

// hidden says whether the unit's hardening hides the program from the service itself.
func hidden(program string) bool {
	for _, dir := range []string{"/home/", "/root/", "/run/user/", "/tmp/", "/var/tmp/"} {
		if strings.HasPrefix(program, dir) {
			return true
		}
	}
	return false
}

func (a *app) installService(_ string, start bool) error {
	h, err := thisHost()
	if err != nil {
		return err
	}
	return h.install(a, start)
}

func (h systemdHost) install(a *app, start bool) error {
	if !h.packaged() {
		if hidden(h.program) {
			return usage("%s", a.say(
				"dịch vụ không được phép đọc chương trình tại "+h.program+": chép sang /usr/local/bin hoặc /opt rồi chạy lại từ đó",
				"the service may not read a program at "+h.program+": copy it to /usr/local/bin or /opt and run it from there"))
		}
		for name, text := range h.files() {
			if err := h.write(name, text); err != nil {
				return err
			}
		}
	}
	if err := h.configure(a.ctx); err != nil {
		return err
	}
	enable := []string{"enable"}
	if start {
		enable = []string{"enable", "--now"}
	}
	for _, unit := range []string{updateTimer, serviceName} {
		if _, err := h.run(a.ctx, "systemctl", append(slices.Clone(enable), unit)...); err != nil {
			return err
		}
	}
	return nil
}

// write puts a file in its place, whole or not at all, unless somebody else's is there.
func (h systemdHost) write(name, text string) error {
	path := filepath.Join(h.root, name)
	now, err := os.ReadFile(path)
	switch {
	case err == nil && !strings.Contains(string(now), made[1:]):
		return &fs.PathError{Op: "install", Path: path, Err: fs.ErrExist}
	case err != nil && !errors.Is(err, fs.ErrNotExist):
		return err
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return err
	}
	f, err := os.CreateTemp(filepath.Dir(path), ".tapcheck-*")
	if err != nil {
		return err
	}
	_, err = f.WriteString(text)
	err = errors.Join(err, f.Chmod(0o644), f.Close())
	if err == nil {
		err = os.Rename(f.Name(), path)
	}
	if err != nil {
		_ = os.Remove(f.Name())
	}
	return err
}

func (a *app) configureService() error {
	h, err := thisHost()
	if err != nil {
		return err
	}
	return h.configure(a.ctx)
}

// configure makes the service's user and folders, with their rights, and has systemd and udev read their files.
func (h systemdHost) configure(ctx context.Context) error {
	for _, command := range [][]string{
		{"systemd-sysusers", "tapcheck.conf"}, {"systemd-tmpfiles", "--create", "tapcheck.conf"}, {"systemctl", "daemon-reload"},
	} {
		if _, err := h.run(ctx, command[0], command[1:]...); err != nil {
			return err
		}
	}
	// The TPM's group is not made where there is none: nobody but root uses the TPM there.
	if _, err := h.run(ctx, "getent", "group", "tss"); err == nil {
		_, _ = h.run(ctx, "usermod", "-a", "-G", "tss", "tapcheck")
	}
	// Where there is no udev there are no scanners either.
	_, _ = h.run(ctx, "udevadm", "control", "--reload")
	_, _ = h.run(ctx, "udevadm", "trigger", "--subsystem-match=hidraw")
	return nil
}

func (a *app) uninstallService() (string, error) {
	h, err := thisHost()
	if err != nil {
		return "", err
	}
	return h.uninstall(a)
}

func (h systemdHost) uninstall(a *app) (string, error) {
	s, err := h.state(a.ctx)
	if err != nil {
		return "", err
	}
	if !s.Installed {
		return "", a.notInstalled()
	}
	for _, unit := range []string{updateTimer, serviceName} {
		if _, err := h.run(a.ctx, "systemctl", "disable", "--now", unit); err != nil {
			return "", err
		}
	}
	if h.packaged() {
		return a.say("Đã dừng và tắt dịch vụ. Chương trình thuộc một gói: gỡ bằng apt hoặc dnf.", "The service is stopped and disabled. The program belongs to a package: remove that with apt or dnf."), nil
	}
	for name := range h.files() {
		path := filepath.Join(h.root, name)
		if now, err := os.ReadFile(path); err == nil && strings.Contains(string(now), made[1:]) {
			if err := os.Remove(path); err != nil {
				return "", err
			}
		}
	}
	if _, err := h.run(a.ctx, "systemctl", "daemon-reload"); err != nil {
		return "", err
	}
	return a.say("Đã gỡ dịch vụ. Còn lại: cấu hình ở /etc/tapcheck, dữ liệu ở /var/lib/tapcheck.", "The service is gone. What stays: settings in /etc/tapcheck, data in /var/lib/tapcheck."), nil
}

func (a *app) controlService(what string) error {
	h, err := thisHost()
	if err != nil {
		return err
	}
	s, err := h.state(a.ctx)
	if err != nil {
		return err
	}
	if !s.Installed {
		return a.notInstalled()
	}
	_, err = h.run(a.ctx, "systemctl", what, serviceName)
	return err
}

func (a *app) serviceState() (serviceState, error) {
	h, err := thisHost()
	if err != nil {
		return serviceState{}, err
	}
	return h.state(a.ctx)
}

// state asks systemd. A unit that is not there is no error.
func (h systemdHost) state(ctx context.Context) (serviceState, error) {
	s := serviceState{Service: serviceName}
	out, err := h.run(ctx, "systemctl", "show", serviceName, "--property=LoadState,ActiveState,SubState,UnitFileState,MainPID,NRestarts,StatusText,FragmentPath")
	if err != nil {
		return s, err
	}
	is := map[string]string{}
	for line := range strings.Lines(out) {
		name, value, _ := strings.Cut(strings.TrimSpace(line), "=")
		is[name] = value
	}
	s.Installed = is["LoadState"] == "loaded"
	s.State, s.Start, s.Status, s.Program = is["ActiveState"]+" ("+is["SubState"]+")", is["UnitFileState"], is["StatusText"], is["FragmentPath"]
	s.Running = is["ActiveState"] == "active" || is["ActiveState"] == "activating" || is["ActiveState"] == "reloading"
	s.PID, _ = strconv.Atoi(is["MainPID"])
	s.Restarts, _ = strconv.Atoi(is["NRestarts"])
	return s, nil
}

// serviceFacts are what systemd knows, for support: words and numbers of its own, and codes of our health.
func (a *app) serviceFacts() (any, error) {
	h, err := thisHost()
	if err != nil {
		return nil, err
	}
	s, err := h.state(a.ctx)
	if err != nil {
		return nil, err
	}
	s.Program = ""
	facts := map[string]string{}
	out, err := h.run(a.ctx, "systemctl", "show", serviceName, "--property=Result,ExecMainCode,ExecMainStatus,ActiveEnterTimestamp,InactiveEnterTimestamp,MemoryCurrent,TasksCurrent,CPUUsageNSec,NeedDaemonReload")
	for line := range strings.Lines(out) {
		if name, value, ok := strings.Cut(strings.TrimSpace(line), "="); ok {
			facts[name] = value
		}
	}
	return map[string]any{"state": s, "facts": facts}, err
}

// serviceLog is the end of what the service has logged, as the journal has it.
func (a *app) serviceLog() ([]byte, error) {
	h, err := thisHost()
	if err != nil {
		return nil, err
	}
	out, err := h.run(a.ctx, "journalctl", "--unit=tapcheck", "--lines=5000", "--output=cat", "--no-pager", "--quiet")
	if err == nil && strings.TrimSpace(out) == "" {
		err = errors.New("there is none")
	}
	return []byte(out[max(0, len(out)-logTail):]), err
}
