package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"time"

	"github.com/tapcheck/tapcheck/agent/catalog"
	"github.com/tapcheck/tapcheck/agent/health"
	"github.com/tapcheck/tapcheck/agent/update"
)

var updatePlaces = func() places { return places{trust: "/etc/tapcheck-update", work: "/var/lib/tapcheck-update"} }

func mayInstall() bool { return os.Geteuid() == 0 }

// updateHost is this PC, to the updater.
func updateHost(*app) (update.Host, error) {
	h, err := thisHost()
	return linuxUpdate{systemdHost: h, port: servicePort, install: runInstaller}, err
}

// linuxUpdate installs packages, or a program that `tapcheck service install` has made the service.
type linuxUpdate struct {
	systemdHost
	port    func() (int, bool)
	install func(ctx context.Context, env []string, name string, args ...string) error
}

// installTime is how long a package manager may take, with waiting for another one.
const installTime = 10 * time.Minute

// runInstaller runs a package manager. One that another program holds is waited for.
func runInstaller(ctx context.Context, env []string, name string, args ...string) error {
	ctx, stop := context.WithTimeout(ctx, installTime)
	defer stop()
	for {
		c := exec.CommandContext(ctx, name, args...)
		c.Env = append(append(os.Environ(), "LC_ALL=C", "DEBIAN_FRONTEND=noninteractive"), env...)
		var said bytes.Buffer
		c.Stdout, c.Stderr = &said, &said
		err := c.Run()
		if err == nil {
			return nil
		}
		text := strings.TrimSpace(said.String())
		if strings.Contains(text, "lock") && strings.Contains(text, "another process") || strings.Contains(text, "transaction lock") {
			select {
			case <-ctx.Done():
			case <-time.After(10 * time.Second):
				continue
			}
		}
		if last := strings.LastIndexByte(text, '\n'); last >= 0 {
			text = text[last+1:]
		}
		return fmt.Errorf("%s: %w: %s", name, err, text)
	}
}

// Installed implements update.Host.
func (h linuxUpdate) Installed(ctx context.Context) (version, kind string, err error) {
	if !h.packaged() {
		version, err = h.programVersion(ctx)
		return version, update.Program, err
	}
	if out, err := h.run(ctx, "dpkg-query", "-W", "-f", "${Status}|${Version}", serviceName); err == nil {
		status, version, _ := strings.Cut(strings.TrimSpace(out), "|")
		version, _, _ = strings.Cut(version, "-")
		if status != "install ok installed" {
			version = "" // half there
		}
		return version, update.Deb, nil
	}
	out, err := h.run(ctx, "rpm", "-q", "--qf", "%{VERSION}", serviceName)
	if err != nil {
		return "", "", errors.New("neither dpkg nor rpm knows the package that the service belongs to")
	}
	return strings.TrimSpace(out), update.RPM, nil
}

var execStart = regexp.MustCompile(`(?m)^ExecStart="((?:[^"\\]|\\.)+)" `)

// programPath is what the unit starts, that `service install` has written.
func (h linuxUpdate) programPath() (string, error) {
	unit, err := os.ReadFile(filepath.Join(h.root, unitFile))
	if err != nil {
		return "", errors.New("the service is not installed")
	}
	m := execStart.FindSubmatch(unit)
	if m == nil {
		return "", errors.New("the unit names no program of ours")
	}
	return strings.NewReplacer(`\\`, `\`, `\"`, `"`, "%%", "%", "$$", "$").Replace(string(m[1])), nil
}

func (h linuxUpdate) programVersion(ctx context.Context) (string, error) {
	path, err := h.programPath()
	if err != nil {
		return "", err
	}
	out, err := h.run(ctx, path, "version", "--json")
	var v struct {
		Version string `json:"version"`
	}
	if err != nil || json.Unmarshal([]byte(out), &v) != nil {
		return "", nil // it does not even start
	}
	return v.Version, nil
}

// Install implements update.Host.
func (h linuxUpdate) Install(ctx context.Context, path string, f update.File, back bool) error {
	switch f.Kind {
	case update.Deb:
		var env []string
		if back {
			env = []string{"TAPCHECK_DOWNGRADE=yes"}
		}
		return h.install(ctx, env, "dpkg", "--force-confold", "-i", path)
	case update.RPM:
		args := []string{"-U", "--replacepkgs", path}
		if back {
			args = []string{"-U", "--replacepkgs", "--oldpackage", path}
		}
		return h.install(ctx, nil, "rpm", args...)
	case update.Program:
		return h.replaceProgram(ctx, path)
	}
	return fmt.Errorf("%s is nothing for Linux", f.Kind)
}

// replaceProgram puts another program in the place of the one that the unit starts. A program that runs goes on as what it was.
func (h linuxUpdate) replaceProgram(ctx context.Context, from string) error {
	to, err := h.programPath()
	if err != nil {
		return err
	}
	if err := copyDurably(from, to+".new", 0o755); err != nil {
		return err
	}
	if err := os.Rename(to+".new", to); err != nil {
		return err
	}
	if d, err := os.Open(filepath.Dir(to)); err == nil {
		_ = d.Sync()
		_ = d.Close()
	}
	_, err = h.run(ctx, "systemctl", "try-restart", serviceName)
	return err
}

// Keep implements update.Host.
func (h linuxUpdate) Keep(_ context.Context, to string) error {
	path, err := h.programPath()
	if err != nil {
		return err
	}
	return copyDurably(path, to, 0o755)
}

// Health implements update.Host: what systemd says, the codes in the service's status line, and what answers on the port that it
// publishes.
func (h linuxUpdate) Health(ctx context.Context) (update.Health, error) {
	s, err := h.state(ctx)
	if err != nil {
		return update.Health{}, err
	}
	now := update.Health{Running: strings.HasPrefix(s.State, "active "), Restarts: s.Restarts}
	for word := range strings.FieldsSeq(s.Status) {
		now.Busy = now.Busy || word == busyWord
		if health.In(health.Code(word), catalog.EN, time.Time{}).Severity == health.Down {
			now.Down = append(now.Down, word)
		}
	}
	if port, ok := h.port(); ok && now.Running {
		now.Version, now.Serving = probe(ctx, port)
	}
	return now, nil
}

// unscheduleUpdates has nothing to do: the timer comes and goes with its unit.
func unscheduleUpdates(context.Context) {}

// applyElsewhere has nothing to do: a program that runs can be replaced.
func (a *app) applyElsewhere() (started bool, err error) { return false, nil }
