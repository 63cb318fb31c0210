package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/tapcheck/tapcheck/agent/health"
	"github.com/tapcheck/tapcheck/agent/his/client"
	"github.com/tapcheck/tapcheck/agent/settings"
	"github.com/tapcheck/tapcheck/agent/update"
)

// supervised is a machine in a folder, with a service that a stand-in for systemd starts, stops and starts again.
type supervised struct {
	t      *testing.T
	h      linuxUpdate
	target string // what the unit starts
	data   string
	config string
	port   int

	mu       sync.Mutex
	cmd      *exec.Cmd
	done     chan struct{}
	restarts int
}

func newSupervised(t *testing.T, program string) *supervised {
	t.Helper()
	root := t.TempDir()
	s := &supervised{t: t, target: filepath.Join(root, "usr/local/bin/tapcheck"), data: filepath.Join(root, "var/lib/tapcheck"), config: filepath.Join(root, "tapcheck.toml"), port: freePort(t)}
	s.h = linuxUpdate{systemdHost: systemdHost{root: root, program: s.target, run: s.run}, port: func() (int, bool) { return portIn(filepath.Join(s.data, portFile)) }}
	for _, dir := range []string{s.target, filepath.Join(root, unitFile), s.data} {
		if err := os.MkdirAll(filepath.Dir(dir), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	err := errors.Join(copyDurably(program, s.target, 0o755), os.WriteFile(s.config, fmt.Appendf(nil, "[his]\nports = [%d]\n", s.port), 0o600),
		os.WriteFile(filepath.Join(root, unitFile), []byte(s.h.files()[unitFile]), 0o644))
	if err != nil {
		t.Fatal(err)
	}
	s.start()
	t.Cleanup(s.stop)
	return s
}

func (s *supervised) start() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.cmd, s.done = exec.Command(s.target, "--data", s.data, "--config", s.config, "run", "--service"), make(chan struct{})
	if err := s.cmd.Start(); err != nil {
		s.t.Error(err)
	}
	go func(c *exec.Cmd, done chan struct{}) {
		_ = c.Wait()
		close(done)
	}(s.cmd, s.done)
}

func (s *supervised) stop() {
	_ = s.cmd.Process.Signal(os.Interrupt)
	select {
	case <-s.done:
	case <-time.After(10 * time.Second):
		_ = s.cmd.Process.Kill()
		<-s.done
	}
}

// run is what systemd would do.
func (s *supervised) run(ctx context.Context, name string, args ...string) (string, error) {
	if name != "systemctl" {
		return runQuietly(ctx, name, args...)
	}
	switch args[0] {
	case "try-restart":
		s.stop()
		s.start()
	case "show":
		select {
		case <-s.done:
			s.restarts++
			s.start()
		default:
		}
		return fmt.Sprintf("LoadState=loaded\nActiveState=active\nSubState=running\nNRestarts=%d\n", s.restarts), nil
	}
	return "", nil
}

// settle is the updater's wait, as short as it can be: until the service answers, or has ended.
func (s *supervised) settle(ctx context.Context, d time.Duration) error {
	for deadline := time.Now().Add(d); time.Now().Before(deadline); time.Sleep(10 * time.Millisecond) {
		select {
		case <-s.done:
			return nil
		default:
		}
		if port, ok := s.h.port(); ok {
			if _, ok := probe(ctx, port); ok {
				return nil
			}
		}
	}
	return ctx.Err()
}

func (s *supervised) version() string {
	s.t.Helper()
	if err := s.settle(s.t.Context(), 30*time.Second); err != nil {
		s.t.Fatal(err)
	}
	v, _ := probe(s.t.Context(), s.port)
	return v
}

// build makes the program with a version of its own.
func build(t *testing.T, dir, version string) {
	t.Helper()
	path := filepath.Join(dir, "tapcheck-"+version+"-linux-amd64")
	out, err := exec.Command("go", "build", "-buildvcs=false", "-ldflags", "-s -w -X main.version="+version, "-o", path, ".").CombinedOutput()
	if err != nil {
		t.Errorf("%v\n%s", err, out)
	}
}

// TestUpdateOfAProgram updates a running service from a folder, writes with the new version, takes it back because it is ill, and reads
// with the old one what the new one has written; then installs it for good, and takes back one that does not even start.
func TestUpdateOfAProgram(t *testing.T) {
	releases := t.TempDir()
	var both sync.WaitGroup
	for _, version := range []string{"0.0.1", "0.0.2"} {
		both.Go(func() { build(t, releases, version) })
	}
	both.Wait()
	if t.Failed() {
		t.FailNow()
	}
	s := newSupervised(t, filepath.Join(releases, "tapcheck-0.0.1-linux-amd64"))
	broken := "#!/bin/sh\ncase \"$*\" in *json*) echo '{\"version\":\"0.0.3\"}';; *) exit 1;; esac\n"
	if err := os.WriteFile(filepath.Join(releases, "tapcheck-0.0.3-linux-amd64"), []byte(broken), 0o755); err != nil {
		t.Fatal(err)
	}
	a := &app{ctx: t.Context(), lang: "en", Env: Env{Stdout: &bytes.Buffer{}, Stderr: &bytes.Buffer{}}}
	keyFile := filepath.Join(t.TempDir(), "release.key")
	if err := (updateKeyCmd{Out: keyFile, PEM: true}).Run(a); err != nil {
		t.Fatal(err)
	}
	keys, err := update.ParsePublic(a.Stdout.(*bytes.Buffer).Bytes())
	if err != nil {
		t.Fatal(err)
	}
	sign := func(version string) {
		t.Helper()
		if err := (updateSignCmd{Folder: releases, Key: keyFile, Version: version, Days: 1}).Run(a); err != nil {
			t.Fatal(err)
		}
	}
	c := update.Config{Dir: filepath.Join(t.TempDir(), "work"), Source: update.Folder(releases), Keys: keys, OS: "linux", Arch: "amd64", Host: s.h, Now: time.Now, Free: freeBytes, Wait: s.settle}

	if v := s.version(); v != "0.0.1" {
		t.Fatalf("version %s runs", v)
	}
	instance := instanceOf(t, s.data)
	out, err := exec.Command(s.target, "--data", s.data, "token", "add", "--desktop", "--rights", "read,history").Output()
	if err != nil {
		t.Fatal(err)
	}
	desk := func(jobs ...string) []string { // starts jobs, and gives the ids of all that are on record
		t.Helper()
		cl, err := client.Dial(t.Context(), client.Options{Addr: fmt.Sprintf("127.0.0.1:%d", s.port), Bearer: strings.TrimSpace(string(out))})
		if err != nil {
			t.Fatal(err)
		}
		defer cl.Close()
		p := &session{t, cl}
		p.must("session.open", map[string]any{"protocol": 1, "client": map[string]string{"name": "test", "version": "1"}, "language": "vi"})
		for _, job := range jobs {
			p.must("checkin.start", map[string]any{"jobId": job, "means": "emergency", "insurance": "off"})
			if r := p.result(job); !r.Recorded {
				t.Errorf("%s is not recorded", job)
			}
		}
		var list struct {
			Checkins []struct {
				JobID string `json:"jobId"`
			} `json:"checkins"`
		}
		if err := p.call("checkin.list", map[string]any{}, &list); err != nil {
			t.Fatal(err)
		}
		var ids []string
		for _, c := range list.Checkins {
			ids = append(ids, c.JobID)
		}
		slices.Sort(ids)
		return ids
	}
	desk("before")

	sign("0.0.2")
	ill := illAfter{linuxUpdate: s.h, version: "0.0.2", then: func() {
		if v := s.version(); v != "0.0.2" {
			t.Errorf("version %s runs", v)
		}
		desk("with-the-new-one")
	}}
	c.Host = &ill
	if f, err := update.Apply(t.Context(), c, false); !errors.Is(err, update.ErrRolledBack) || f.Result != update.RolledBack {
		t.Fatalf("%+v, %v", f, err)
	}
	if v := s.version(); v != "0.0.1" || instanceOf(t, s.data) != instance {
		t.Errorf("version %s runs", v)
	}
	if ids := desk("after-it"); !slices.Equal(ids, []string{"after-it", "before", "with-the-new-one"}) {
		t.Errorf("on record after it was taken back: %v", ids)
	}

	c.Host = s.h
	if f, err := update.Apply(t.Context(), c, false); f != nil || err != nil {
		t.Errorf("what was taken back came again: %+v, %v", f, err)
	}
	if f, err := update.Apply(t.Context(), c, true); err != nil || f.Result != update.Installed {
		t.Fatalf("%+v, %v", f, err)
	}
	if v := s.version(); v != "0.0.2" {
		t.Errorf("version %s runs", v)
	}
	time.Sleep(time.Until(time.Now().Truncate(time.Second).Add(time.Second))) // manifests are told apart by the second
	sign("0.0.3")
	if f, err := update.Apply(t.Context(), c, false); !errors.Is(err, update.ErrRolledBack) || f.Result != update.RolledBack {
		t.Fatalf("%+v, %v", f, err)
	}
	if v := s.version(); v != "0.0.2" {
		t.Errorf("version %s runs", v)
	}
	if ids := desk(); len(ids) != 3 {
		t.Errorf("on record: %v", ids)
	}
}

// illAfter does something with a version while it is watched, and calls it ill then.
type illAfter struct {
	linuxUpdate
	version string
	then    func()
	done    bool
}

func (h *illAfter) Health(ctx context.Context) (update.Health, error) {
	now, err := h.linuxUpdate.Health(ctx)
	if now.Serving && now.Version == h.version {
		if !h.done {
			h.done = true
			h.then()
		}
		now.Serving = false
	}
	return now, err
}

func instanceOf(t *testing.T, data string) string {
	t.Helper()
	var at struct {
		InstanceID string `json:"instanceId"`
	}
	raw, err := os.ReadFile(filepath.Join(data, portFile))
	if err != nil || json.Unmarshal(raw, &at) != nil {
		t.Fatal(err)
	}
	return at.InstanceID
}

// TestUpdateOfPackages sees what the package managers are asked, and what is made of their answers.
func TestUpdateOfPackages(t *testing.T) {
	for name, tt := range map[string]struct {
		dpkg, rpm           string // what they say; "": they are not there, or know nothing
		version, kind, back string
	}{
		"deb":      {"install ok installed|0.1.0-1", "", "0.1.0", update.Deb, "TAPCHECK_DOWNGRADE=yes dpkg --force-confold -i F"},
		"half deb": {"install ok half-configured|0.1.0-1", "", "", update.Deb, "TAPCHECK_DOWNGRADE=yes dpkg --force-confold -i F"},
		"rpm":      {"", "0.1.0", "0.1.0", update.RPM, " rpm -U --replacepkgs --oldpackage F"},
	} {
		t.Run(name, func(t *testing.T) {
			h, _, _ := fakeHost(t, "/usr/bin/tapcheck")
			unit := filepath.Join(h.root, "usr/lib/systemd/system/tapcheck.service")
			if err := errors.Join(os.MkdirAll(filepath.Dir(unit), 0o755), os.WriteFile(unit, nil, 0o644)); err != nil {
				t.Fatal(err)
			}
			says := map[string]string{"dpkg-query": tt.dpkg, "rpm": tt.rpm}
			h.run = func(_ context.Context, name string, _ ...string) (string, error) {
				if says[name] == "" {
					return "", errors.New("no")
				}
				return says[name], nil
			}
			ran := ""
			u := linuxUpdate{systemdHost: h, install: func(_ context.Context, env []string, name string, args ...string) error {
				ran = strings.Join(env, " ") + " " + name + " " + strings.Join(args, " ")
				return nil
			}}
			version, kind, err := u.Installed(t.Context())
			if err != nil || version != tt.version || kind != tt.kind {
				t.Errorf("%q %s %v", version, kind, err)
			}
			if err := u.Install(t.Context(), "F", update.File{Kind: kind}, true); err != nil || ran != tt.back {
				t.Errorf("%v, ran %q", err, ran)
			}
		})
	}
}

// TestUpdateHealth reads what the service says of itself.
func TestUpdateHealth(t *testing.T) {
	h, _, _ := fakeHost(t, "/usr/bin/tapcheck")
	u := linuxUpdate{systemdHost: h, port: func() (int, bool) { return 0, false }}
	now, err := u.Health(t.Context())
	if err != nil || !now.Running || now.Serving || now.Restarts != 3 || !slices.Equal(now.Down, []string{"NO_READER"}) || now.Busy {
		t.Errorf("%+v, %v", now, err)
	}
	// What the service tells systemd is what the updater reads there.
	path := filepath.Join(t.TempDir(), "notify")
	c, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: path, Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	m := newManager(func(string) string { return path })
	for _, busy := range []bool{true, false} {
		m.work(busy)
		m.pulse("127.0.0.1:27480", []health.Warning{{Code: health.NoCSCAForIDCards}, {Code: health.DataFolderExposed}})
		buf := make([]byte, 4096)
		n, err := c.Read(buf)
		if err != nil {
			t.Fatal(err)
		}
		line, _, _ := strings.Cut(strings.TrimPrefix(string(buf[:n]), "STATUS="), "\n")
		u.run = func(context.Context, string, ...string) (string, error) {
			return "LoadState=loaded\nActiveState=active\nSubState=running\nStatusText=" + line + "\n", nil
		}
		if now, err := u.Health(t.Context()); err != nil || now.Busy != busy || !slices.Equal(now.Down, []string{"DATA_FOLDER_EXPOSED"}) {
			t.Errorf("%s: %+v, %v", line, now, err)
		}
	}
}

// TestUpdateCommands runs the commands with places of their own: what an administrator sees.
func TestUpdateCommands(t *testing.T) {
	root := t.TempDir()
	at := places{trust: filepath.Join(root, "trust"), work: filepath.Join(root, "work")}
	oldPlaces, oldHost, oldMay := updatePlaces, thisHost, privileged
	t.Cleanup(func() { updatePlaces, thisHost, privileged = oldPlaces, oldHost, oldMay })
	updatePlaces = func() places { return at }
	privileged = func() bool { return true }
	h, _, _ := fakeHost(t, filepath.Join(root, "tapcheck"))
	inner := h.run
	h.run = func(ctx context.Context, name string, args ...string) (string, error) {
		if args[0] == "version" {
			return `{"version":"0.1.0"}`, nil
		}
		return inner(ctx, name, args...)
	}
	thisHost = func() (systemdHost, error) { return h, nil }
	config := filepath.Join(root, "tapcheck.toml")
	set := func(text string) {
		t.Helper()
		if err := os.WriteFile(config, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := errors.Join(os.Mkdir(at.trust, 0o755), os.MkdirAll(filepath.Join(h.root, "etc/systemd/system"), 0o755),
		os.WriteFile(filepath.Join(h.root, unitFile), []byte(h.files()[unitFile]), 0o644)); err != nil {
		t.Fatal(err)
	}
	tapcheck := func(args ...string) (string, int) {
		var out bytes.Buffer
		code := run(t.Context(), append([]string{"--config", config, "--lang", "en"}, args...), Env{Stdin: strings.NewReader(""), Stdout: &out, Stderr: &out, Getenv: func(string) string { return "" }})
		return out.String(), code
	}
	expect := func(code int, text string, args ...string) {
		t.Helper()
		if out, got := tapcheck(args...); got != code || !strings.Contains(out, text) {
			t.Errorf("%v: %d, want %d with %q:\n%s", args, got, code, text, out)
		}
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	asked := make(chan struct{}, 100)
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			asked <- struct{}{}
			_ = c.Close()
		}
	}()
	source := filepath.Join(root, "source")
	key := filepath.Join(root, "release.key")
	release := filepath.Join(source, "tapcheck-0.2.0-linux-amd64")
	if err := errors.Join(os.Mkdir(source, 0o755), os.WriteFile(release, []byte("x"), 0o644), os.WriteFile(h.program, []byte("old"), 0o755)); err != nil {
		t.Fatal(err)
	}

	// Off, which it is from the beginning.
	set("")
	expect(exitOK, "", "update", "apply", "--scheduled")
	expect(exitUpdate, "set update.source", "update", "check")
	expect(exitOK, "Nothing was looked for", "update", "status")
	if _, err := os.Stat(at.work); err == nil {
		t.Error("the updater made its folder while updates are off")
	}
	if len(asked) != 0 {
		t.Error("something was asked while updates are off")
	}
	set("[update]\nsource = '" + source + "'\nfrom_hour = 0\nto_hour = 0\n")
	expect(exitUpdate, "release.pub", "update", "check")
	out, code := tapcheck("update", "key", "--out", key, "--pem")
	if code != exitOK {
		t.Fatal(out)
	}
	public := filepath.Join(at.trust, "release.pub")
	if err := os.WriteFile(public, []byte(out), 0o666); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(public, 0o666); err != nil { // whatever the umask
		t.Fatal(err)
	}
	expect(exitUpdate, "others can write", "update", "check")
	if err := os.Chmod(public, 0o644); err != nil {
		t.Fatal(err)
	}
	expect(exitUpdate, "cannot be read", "update", "check")
	expect(exitUsage, "nothing", "update", "sign", source, "--key", key, "--version", "0.3.0", "--ring", "nothing")
	expect(exitUsage, "malformed", "update", "sign", source, "--key", key, "--version", "0.3.0")
	expect(exitOK, "0.2.0 program linux/amd64", "update", "sign", source, "--key", key, "--version", "0.2.0", "--ring", "now,2126-01-01T00:00:00Z,never")
	expect(exitOK, "not for ring 9", "update", "check")
	set("[update]\nsource = '" + source + "'\nring = 1\n")
	expect(exitOK, "ring 1 takes it from 2126-01-01", "update", "check")
	set("[update]\nsource = '" + source + "'\nring = 0\n")
	expect(exitOK, "Version 0.2.0 is there", "update", "check")
	expect(exitOK, `"due": true`, "update", "check", "--json")
	privileged = func() bool { return false }
	expect(exitUpdate, "administrator", "update", "apply")
	privileged = func() bool { return true }
	if err := os.WriteFile(release, []byte("y"), 0o644); err != nil {
		t.Fatal(err)
	}
	expect(exitUpdate, "not the one that was signed", "update", "apply")
	expect(exitOK, "there is 0.2.0", "update", "status")

	if f := checkUpdates(settings.Settings{Update: settings.Update{Source: source}}); f.Code != health.UpdateFailing || !strings.Contains(f.Detail, "tapcheck-0.2.0") {
		t.Errorf("doctor: %+v", f)
	}

	// The build's own key counts without any file.
	half, code := tapcheck("update", "key", "--of", key)
	if code != exitOK {
		t.Fatal(half)
	}
	releaseKey = strings.TrimSpace(half)
	t.Cleanup(func() { releaseKey = "" })
	if err := os.Remove(public); err != nil {
		t.Fatal(err)
	}
	expect(exitOK, "Version 0.2.0 is there", "update", "check")
	releaseKey = "AAAA"
	expect(exitUpdate, "malformed", "update", "check")
	releaseKey = strings.TrimSpace(half)

	// An address is asked, and only the one that the administrator named gets the credential.
	set("[update]\nsource = 'https://" + l.Addr().String() + "/r'\n")
	expect(exitUpdate, "cannot be read", "update", "check")
	if len(asked) == 0 {
		t.Error("the source was not asked")
	}
	credential := filepath.Join(at.trust, "credential")
	if err := os.WriteFile(credential, []byte("https://updates.example/ SECRETVALUE\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	expect(exitUpdate, "cannot be read", "update", "check")
	if err := os.WriteFile(credential, []byte("SECRETVALUE"), 0o600); err != nil {
		t.Fatal(err)
	}
	if out, code := tapcheck("update", "check"); code != exitUpdate || !strings.Contains(out, "one line") || strings.Contains(out, "SECRETVALUE") {
		t.Errorf("%d %s", code, out)
	}
}
