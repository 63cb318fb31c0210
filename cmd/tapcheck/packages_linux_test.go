//go:build packages

package main

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/pquerna/otp/totp"

	"github.com/tapcheck/tapcheck/agent/checkin"
	"github.com/tapcheck/tapcheck/agent/his/client"
)

// What `make test-packages` gives this test: a folder with the packages of two versions, and one that keeps the container's
// base from run to run.
const (
	packagesEnv = "TAPCHECK_PACKAGES"
	baseEnv     = "TAPCHECK_BASE"
	older       = "0.0.1"
	newer       = "0.0.2"
)

func init() { helpers["tapcheck-desk"] = deskInContainer }

// TestDebLifeCycle installs the deb on a machine that systemd runs: a container that is booted.
func TestDebLifeCycle(t *testing.T) {
	m := boot(t)
	deb := func(version string) string { return m.bring(one(t, version+"*.deb")) }
	v1, v2 := deb(older), deb(newer)
	log := func(step, format string, args ...any) { t.Logf("deb  %-10s %s", step, fmt.Sprintf(format, args...)) }

	if got := m.try("systemctl", "is-active", "pcscd.service"); strings.TrimSpace(got) != "inactive" {
		t.Errorf("pcscd runs before anybody has asked: %s", got)
	}
	m.must("groupadd", "-r", "tss") // as what brings the TPM's rules does
	took := m.timed("dpkg", "-i", v1)
	m.serves()
	pid := m.show("MainPID")
	score := regexp.MustCompile(`exposure level.*: ([0-9.]+)`).FindStringSubmatch(m.must("systemd-analyze", "security", "tapcheck", "--no-pager"))
	if n, err := strconv.ParseFloat(score[1], 64); err != nil || n >= 1.5 {
		t.Errorf("systemd-analyze security: %s", score[1])
	}
	if user := strings.TrimSpace(m.must("ps", "-o", "user=", "-p", pid)); user != "tapcheck" {
		t.Errorf("it runs as %q", user)
	}
	log("install", "%.1f s, user tapcheck, ready, exposure %s: %s", took.Seconds(), score[1], m.show("StatusText"))
	if got := m.try("systemctl", "is-active", "pcscd.service"); strings.TrimSpace(got) != "active" {
		t.Errorf("pcscd: %s", got)
	}
	log("pcscd", "started by its socket")
	m.until("the service to listen to logind", func() bool {
		return regexp.MustCompile(`(?m)^:\S+ +` + pid + ` `).MatchString(m.try("busctl", "list", "--no-pager", "--no-legend"))
	})
	log("logind", "heard through the unit's fences")
	for path, want := range map[string]string{
		"/var/lib/tapcheck": "tapcheck:tapcheck 700", "/etc/tapcheck": "root:tapcheck 775", "/etc/tapcheck/tapcheck.toml": "root:tapcheck 664",
		"/run/tapcheck": "tapcheck:tapcheck 755", "/run/tapcheck/port.json": "tapcheck:tapcheck 644", "/usr/bin/tapcheck": "root:root 755",
	} {
		if got := strings.TrimSpace(m.must("stat", "-c", "%U:%G %a", path)); got != want {
			t.Errorf("%s is %s, want %s", path, got, want)
		}
	}
	if groups := m.must("id", "-nG", "tapcheck"); !strings.Contains(groups, "tss") {
		t.Errorf("groups: %s, and the TPM is not its to use", groups)
	}
	// Root hands it the hardware's id, here from a file: the container may have no SMBIOS, which has not kept it from starting.
	const handing = "/run/systemd/system/tapcheck.service.d"
	m.must("sh", "-c", "mkdir -p "+handing+" && echo 4c4c4544-0042-3510-8052-b4c04f4e3332 >/run/board-of-the-test && chmod 0400 /run/board-of-the-test && { printf '[Service]\\nExecStartPre=\\n'; "+
		"grep ^ExecStartPre= /usr/lib/systemd/system/tapcheck.service | sed s,/sys/class/dmi/id/product_uuid,/run/board-of-the-test,; } >"+handing+"/uuid.conf && systemctl daemon-reload && systemctl restart tapcheck")
	m.serves()
	if got := strings.TrimSpace(m.must("sh", "-c", "stat -c '%U:%G %a' /run/tapcheck.board; cat /run/tapcheck.board")); got != "root:tapcheck 640\n4c4c4544-0042-3510-8052-b4c04f4e3332" {
		t.Errorf("the hardware's id: %s", got)
	}
	m.must("sh", "-c", "rm -r "+handing+" /run/board-of-the-test && systemctl daemon-reload && systemctl restart tapcheck")
	m.serves()
	pid = m.show("MainPID")
	if groups := m.must("id", "-nG", "tapcheck"); !strings.Contains(groups, "dialout") {
		t.Errorf("the service cannot read serial scanners: %s", groups)
	}
	if url := m.must("setpriv", "--reuid=nobody", "--clear-groups", "tapcheck", "console", "url"); !strings.Contains(url, "http://127.0.0.1:27480/console/") {
		t.Errorf("console url for another user: %s", url)
	}

	m.polkit()
	log("polkit", "the service may use pcscd, another user may not")

	token := strings.TrimSpace(m.must("tapcheck", "token", "add", "--desktop"))
	card := m.start("tapcheck", "sim", "--persona", "an", "--vpcd", "127.0.0.1:35963")
	defer card.stop()
	desk := func(args ...string) string { return m.must(append([]string{"/opt/tapcheck-desk"}, args...)...) }
	log("card", "over vpcd: %s", checkinThere(t, desk("checkin", token)))

	const file = "/etc/tapcheck/tapcheck.toml"
	desk("settings", `{"desk":"quầy 7","console.idle_ms":120000}`)
	saved := m.must("cat", file)
	if !strings.Contains(saved, `desk = "quầy 7"`) || !strings.Contains(saved, "# Settings of Tapcheck on this PC.") {
		t.Errorf("the console did not save:\n%s", saved)
	}
	log("settings", "saved by the console, with the file's comments")

	// A policy outweighs that file, and the service cannot write it, whoever has taken it over.
	m.must("sh", "-c", "echo 'desk = \"quầy 8\"' >/etc/tapcheck-policy.d/10-test.toml && echo s3cret | tapcheck secret set hook")
	m.must("sh", "-c", "echo 'compat.webhook_secret_file = \"credential:hook\"' >>/etc/tapcheck-policy.d/10-test.toml && systemctl restart tapcheck")
	m.serves()
	if show := m.must("tapcheck", "config", "show"); !strings.Contains(show, `"quầy 8"`) || !strings.Contains(show, "policy /etc/tapcheck-policy.d/10-test.toml:1") {
		t.Errorf("config show under a policy:\n%s", show)
	}
	m.must("tapcheck", "config", "check") // root reads the credential of the service that runs
	if out, err := m.run("setpriv", "--reuid=tapcheck", "--regid=tapcheck", "--clear-groups", "sh", "-c", "echo >>/etc/tapcheck-policy.d/10-test.toml"); err == nil {
		t.Errorf("the service can change its policy: %s", out)
	}
	if sealed := m.must("sh", "-c", "grep -c s3cret /etc/credstore.encrypted/tapcheck.hook || true"); strings.TrimSpace(sealed) != "0" {
		t.Error("the secret is kept in the clear")
	}
	m.must("sh", "-c", "echo 'dsk = 1' >/etc/tapcheck-policy.d/20-wrong.toml && systemctl restart tapcheck")
	m.until("SETTINGS_LAST_GOOD in its status", func() bool { return strings.Contains(m.show("StatusText"), "SETTINGS_LAST_GOOD") })
	m.must("sh", "-c", "rm /etc/tapcheck-policy.d/20-wrong.toml && tapcheck service reload")
	m.until("its settings to be well", func() bool { return !strings.Contains(m.show("StatusText"), "SETTINGS_") })
	log("policy", "outweighs the file; the secret is systemd's; a wrong one: the last good one is used, said, and healed by reload")
	m.must("sh", "-c", "echo '# by the administrator' >>"+file)
	saved = m.must("cat", file)
	keeps := func(step string) {
		t.Helper()
		if now := m.must("cat", file); now != saved {
			t.Errorf("%s changed the settings file:\n%s", step, now)
		}
	}

	pid = m.show("MainPID")
	m.must("kill", "-9", pid)
	m.until("a restart after kill -9", func() bool {
		now := m.show("MainPID")
		return now != pid && now != "0" && m.show("NRestarts") == "1" && m.show("ActiveState") == "active"
	})
	log("kill -9", "started again; %s", checkinThere(t, desk("checkin", token)))

	m.must("systemctl", "mask", "--runtime", "--now", "pcscd.socket", "pcscd.service") // stopped alone it would be started with us
	m.must("systemctl", "restart", "tapcheck")
	m.until("PCSC_STOPPED in its status", func() bool { return strings.Contains(m.show("StatusText"), "PCSC_STOPPED") })
	m.must("systemctl", "unmask", "--runtime", "pcscd.socket", "pcscd.service")
	m.must("systemctl", "start", "pcscd.socket")
	m.until("PC/SC to be back", func() bool { return !strings.Contains(m.show("StatusText"), "PCSC_") })
	log("no pcscd", "came up, said PCSC_STOPPED, healed")

	m.must("systemctl", "stop", "tapcheck")
	holders := m.start("/opt/tapcheck-desk", "hold", "27480", "27481", "27482", "27483")
	holders.line()
	m.must("systemctl", "start", "tapcheck")
	if status := m.show("StatusText"); !strings.Contains(status, "PORTS_TAKEN") || m.show("ActiveState") != "active" {
		t.Errorf("with all ports taken: %s", status)
	}
	holders.stop()
	m.serves()
	log("ports", "all taken: came up, said PORTS_TAKEN, healed")

	card.stop()
	waits := m.start("/opt/tapcheck-desk", "wait", token)
	waits.line()
	took = m.timed("systemctl", "stop", "tapcheck")
	if end := waits.line(); end != `{"state":"cancelled"}` {
		t.Errorf("the job that waited was told %s", end)
	}
	if result := m.show("Result"); result != "success" || took > 5*time.Second {
		t.Errorf("stop: %s after %s", result, took)
	}
	m.must("systemctl", "start", "tapcheck")
	log("stop", "%.1f s, the open job was answered", took.Seconds())

	if out := m.must("tapcheck", "service", "status"); !strings.Contains(out, "active (running), enabled") {
		t.Errorf("service status: %s", out)
	}
	m.must("tapcheck", "service", "stop")
	if out, err := m.run("tapcheck", "service", "status"); err == nil || !strings.Contains(out, "inactive") {
		t.Errorf("service status of a stopped one: %v %s", err, out)
	}
	m.must("tapcheck", "service", "restart")
	m.serves()
	log("service", "status, stop, restart")

	m.must("systemctl", "disable", "tapcheck")
	took = m.timed("dpkg", "-i", v2)
	m.serves()
	if got := m.must("tapcheck", "version"); !strings.Contains(got, newer) {
		t.Errorf("version %s", got)
	}
	if exe := m.must("readlink", "/proc/"+m.show("MainPID")+"/exe"); strings.Contains(exe, "deleted") {
		t.Error("the old program still runs")
	}
	if got := strings.TrimSpace(m.try("systemctl", "is-enabled", "tapcheck")); got != "disabled" {
		t.Errorf("an upgrade made the service %s", got)
	}
	m.must("systemctl", "enable", "tapcheck")
	keeps("the upgrade")
	card = m.start("tapcheck", "sim", "--persona", "an", "--vpcd", "127.0.0.1:35963")
	defer card.stop()
	log("upgrade", "%.1f s, settings kept, runs the new one; %s", took.Seconds(), checkinThere(t, desk("checkin", token)))
	card.stop()

	if out, err := m.run("dpkg", "-i", v1); err == nil || !strings.Contains(out, "TAPCHECK_DOWNGRADE=yes") {
		t.Errorf("downgrade: %v\n%s", err, out)
	}
	m.serves()
	if got := m.must("tapcheck", "version"); !strings.Contains(got, newer) || !strings.Contains(m.must("dpkg-query", "-W", "-f", "${Status}", "tapcheck"), "ok installed") {
		t.Errorf("after a refused downgrade: %s", got)
	}
	m.must("env", "TAPCHECK_DOWNGRADE=yes", "dpkg", "-i", v1)
	m.serves()
	m.must("dpkg", "-i", v2)
	m.serves()
	keeps("a downgrade that was asked for")
	log("downgrade", "refused; done where it is asked for, and back")

	instance := m.instance()
	m.must("dpkg", "-r", "tapcheck")
	if state := m.show("ActiveState"); state != "inactive" {
		t.Errorf("after remove: %s", state)
	}
	keeps("remove")
	m.must("test", "-e", "/var/lib/tapcheck/workstation.key", "-a", "!", "-e", "/usr/bin/tapcheck", "-a", "!", "-e", "/run/tapcheck/port.json")
	m.must("dpkg", "-i", v2)
	m.serves()
	keeps("installing again")
	if got := strings.TrimSpace(m.must("systemctl", "is-enabled", "tapcheck")); got != "enabled" || m.instance() != instance {
		t.Errorf("installed again it is %s, with instance %s instead of %s", got, m.instance(), instance)
	}
	log("remove", "stops, disables, keeps settings and data; installed again it is the same workstation")

	// Without a package, from a program that was copied.
	m.must("sh", "-c", "cp /usr/bin/tapcheck /usr/local/bin/tapcheck && dpkg -r tapcheck && /usr/local/bin/tapcheck service install")
	m.serves()
	if m.instance() != instance {
		t.Error("the service that was installed by hand has another data folder")
	}
	m.must("/usr/local/bin/tapcheck", "service", "uninstall")
	if state := m.show("LoadState"); state != "not-found" {
		t.Errorf("after service uninstall: %s", state)
	}
	m.must("rm", "/usr/local/bin/tapcheck")
	log("service", "install and uninstall of a program that was copied")

	took = m.timed("dpkg", "-P", "tapcheck")
	left := m.must("sh", "-c", "find / -xdev -iname '*tapcheck*' ! -path '/proc/*' ! -path '/pkg*' ! -path '/opt/*' ! -path '/sys/*'; find /run /tmp /var/tmp -iname '*tapcheck*'; getent passwd tapcheck; getent group tapcheck; true")
	if strings.TrimSpace(left) != "" {
		t.Errorf("purge left\n%s", left)
	}
	log("purge", "%.1f s, nothing left", took.Seconds())
}

// TestRPMLifeCycle does the same with the rpm, as far as rpm goes into a folder where nothing runs.
func TestRPMLifeCycle(t *testing.T) {
	root := filepath.Join(t.TempDir(), "root")
	command(t, "cp", "-a", base(t), root)
	rpm := func(args ...string) (string, error) {
		out, err := exec.Command("rpm", append([]string{"--root", root, "--nodeps"}, args...)...).CombinedOutput()
		return string(out), err
	}
	must := func(args ...string) {
		t.Helper()
		if out, err := rpm(args...); err != nil {
			t.Fatalf("rpm %v: %v\n%s", args, err, out)
		}
	}
	v1, v2 := one(t, older+"*.rpm"), one(t, newer+"*.rpm")
	there := func(path string) bool { _, err := os.Lstat(filepath.Join(root, path)); return err == nil }
	file, enabled := "/etc/tapcheck/tapcheck.toml", "/etc/systemd/system/multi-user.target.wants/tapcheck.service"

	must("-i", v1)
	if users, err := os.ReadFile(filepath.Join(root, "etc/passwd")); err != nil || !bytes.Contains(users, []byte("\ntapcheck:")) {
		t.Errorf("no user: %v", err)
	}
	for _, path := range []string{"/usr/bin/tapcheck", file, enabled, "/var/lib/tapcheck", "/usr/share/polkit-1/rules.d/50-tapcheck.rules"} {
		if !there(path) {
			t.Errorf("install: no %s", path)
		}
	}
	t.Log("rpm  install    files, user, settings, enabled")
	own := []byte("desk = \"quầy 7\" # by the administrator\n")
	if err := errors.Join(os.WriteFile(filepath.Join(root, file), own, 0o644), os.Remove(filepath.Join(root, enabled))); err != nil {
		t.Fatal(err)
	}
	must("-U", v2)
	if now, err := os.ReadFile(filepath.Join(root, file)); err != nil || !bytes.Equal(now, own) {
		t.Errorf("the upgrade changed the settings file: %s", now)
	}
	if there(enabled) {
		t.Error("the upgrade enabled a service that had been disabled")
	}
	t.Log("rpm  upgrade    settings kept, disabled stays disabled")
	if out, err := rpm("-U", v1); err == nil || !strings.Contains(out, "newer") {
		t.Errorf("downgrade: %v %s", err, out)
	}
	t.Log("rpm  downgrade  refused")
	must("-e", "tapcheck")
	if there("/usr/bin/tapcheck") || there("/usr/lib/systemd/system/tapcheck.service") || !there(file) {
		t.Error("erase left the program, or took the settings")
	}
	t.Log("rpm  erase      program gone, settings and data stay")
}

// one gives the one file of the packages that fits.
func one(t *testing.T, pattern string) string {
	t.Helper()
	list, err := filepath.Glob(filepath.Join(os.Getenv(packagesEnv), "tapcheck*"+pattern))
	if err != nil || len(list) != 1 {
		t.Fatalf("%d packages fit %s: use make test-packages", len(list), pattern)
	}
	return list[0]
}

func command(t *testing.T, name string, args ...string) string {
	t.Helper()
	out, err := exec.Command(name, args...).CombinedOutput()
	if err != nil {
		t.Fatalf("%s %v: %v\n%s", name, args, err, out)
	}
	return string(out)
}

// base is a minimal system of this machine's release with systemd, pcscd and the virtual reader, made once.
func base(t *testing.T) string {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Fatal("booting a container needs root")
	}
	dir := os.Getenv(baseEnv)
	if _, err := os.Stat(filepath.Join(dir, "made")); err == nil {
		return filepath.Join(dir, "root")
	}
	if err := errors.Join(os.RemoveAll(dir), os.MkdirAll(dir, 0o755)); err != nil {
		t.Fatal(err)
	}
	sources := "/etc/apt/sources.list"
	if list, _ := filepath.Glob("/etc/apt/sources.list.d/*.sources"); len(list) > 0 {
		sources = list[0]
	}
	command(t, "mmdebstrap", "--variant=minbase", "--include=systemd,systemd-sysv,dbus,pcscd,polkitd,procps,udev,vsmartcard-vpcd", "", filepath.Join(dir, "root"), sources)
	if err := os.WriteFile(filepath.Join(dir, "made"), nil, 0o644); err != nil {
		t.Fatal(err)
	}
	return filepath.Join(dir, "root")
}

// machine is a booted container.
type machine struct {
	t    *testing.T
	root string
	pid  string // of its systemd
}

func boot(t *testing.T) *machine {
	t.Helper()
	m := &machine{t: t, root: filepath.Join(t.TempDir(), "root")}
	command(t, "cp", "-a", base(t), m.root)
	for _, dir := range []string{"pkg", "opt"} {
		if err := os.MkdirAll(filepath.Join(m.root, dir), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	copyProgram(t, filepath.Join(m.root, "opt/tapcheck-desk"))
	said := &lockedBuffer{}
	c := exec.Command("systemd-nspawn", "-D", m.root, "-b", "--register=no", "--keep-unit", "--private-network", "--link-journal=no", "--console=pipe")
	c.Stdout, c.Stderr = said, said
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = c.Process.Signal(syscall.SIGTERM) // nspawn asks the container to power off
		ended := make(chan struct{})
		go func() { _ = c.Wait(); close(ended) }()
		select {
		case <-ended:
		case <-time.After(30 * time.Second):
			_ = c.Process.Kill()
			<-ended
		}
	})
	m.until("the container's boot", func() bool {
		children, err := os.ReadFile(fmt.Sprintf("/proc/%d/task/%d/children", c.Process.Pid, c.Process.Pid))
		if err != nil || len(bytes.Fields(children)) == 0 {
			return false
		}
		m.pid = string(bytes.Fields(children)[0])
		out, _ := m.run("systemctl", "is-system-running")
		return strings.HasPrefix(out, "running") || strings.HasPrefix(out, "degraded")
	})
	return m
}

func (m *machine) command(args ...string) *exec.Cmd {
	c := exec.Command("nsenter", append([]string{"-t", m.pid, "-m", "-u", "-i", "-n", "-p", "-C", "--"}, args...)...)
	c.Env = []string{"PATH=/usr/sbin:/usr/bin:/sbin:/bin", "HOME=/root", "LANG=C", "DEBIAN_FRONTEND=noninteractive", "TAPCHECK_LANG=en"}
	c.Dir = "/"
	return c
}

func (m *machine) run(args ...string) (string, error) {
	out, err := m.command(args...).CombinedOutput()
	return string(out), err
}

func (m *machine) must(args ...string) string {
	m.t.Helper()
	c := m.command(args...)
	var out, wrong bytes.Buffer
	c.Stdout, c.Stderr = &out, &wrong
	if err := c.Run(); err != nil {
		journal, _ := m.run("journalctl", "-u", "tapcheck", "-n", "30", "--no-pager")
		m.t.Fatalf("%v: %v\n%s%s\n%s", args[:min(len(args), 3)], err, out.String(), wrong.String(), journal)
	}
	return out.String()
}

func (m *machine) try(args ...string) string {
	out, _ := m.run(args...)
	return out
}

func (m *machine) timed(args ...string) time.Duration {
	m.t.Helper()
	began := time.Now()
	m.must(args...)
	return time.Since(began)
}

func (m *machine) show(property string) string {
	return strings.TrimSpace(m.try("systemctl", "show", "tapcheck", "--value", "-p", property))
}

func (m *machine) serves() {
	m.t.Helper()
	m.until("it to serve", func() bool { return strings.HasPrefix(m.show("StatusText"), "ws://127.0.0.1:27480/v1") })
}

func (m *machine) instance() string {
	var info struct{ InstanceID string }
	if err := json.Unmarshal([]byte(m.must("cat", "/run/tapcheck/port.json")), &info); err != nil {
		m.t.Fatal(err)
	}
	return info.InstanceID
}

// polkit asks polkit what pcscd would ask it, where that is built with polkit; Debian 12's is not, so its actions are brought.
func (m *machine) polkit() {
	m.t.Helper()
	const actions = "/usr/share/polkit-1/actions/org.debian.pcsc-lite.policy"
	for _, action := range []string{"access_pcsc", "access_card"} {
		id := "org.debian.pcsc-lite." + action
		if _, err := m.run("test", "-e", actions); err != nil {
			policy := `<policyconfig><action id="org.debian.pcsc-lite.access_pcsc"><defaults><allow_any>no</allow_any></defaults></action>` +
				`<action id="org.debian.pcsc-lite.access_card"><defaults><allow_any>no</allow_any></defaults></action></policyconfig>`
			if err := os.WriteFile(filepath.Join(m.root, actions), []byte(policy), 0o644); err != nil {
				m.t.Fatal(err)
			}
			m.must("systemctl", "restart", "polkit")
		}
		for user, want := range map[string]bool{"tapcheck": true, "nobody": false} {
			out, err := m.run("setpriv", "--reuid="+user, "--clear-groups", "sh", "-c", "exec pkcheck --action-id "+id+" --process $$")
			if (err == nil) != want {
				m.t.Errorf("%s by %s: %v %s", action, user, err, out)
			}
		}
	}
}

func (m *machine) until(what string, is func() bool) {
	m.t.Helper()
	for deadline := time.Now().Add(90 * time.Second); !is(); time.Sleep(100 * time.Millisecond) {
		if time.Now().After(deadline) {
			journal := m.try("journalctl", "-n", "40", "--no-pager")
			m.t.Fatalf("waited in vain for %s\n%s\n%s", what, m.try("systemctl", "status", "tapcheck", "--no-pager"), journal)
		}
	}
}

// bring puts a file into the machine.
func (m *machine) bring(file string) string {
	m.t.Helper()
	command(m.t, "cp", file, filepath.Join(m.root, "pkg"))
	return "/pkg/" + filepath.Base(file)
}

// process is a program that runs in the machine.
type process struct {
	t   *testing.T
	c   *exec.Cmd
	out *json.Decoder
	in  io.Closer
}

// start begins a program that runs until stop, or by itself. A shell beside it ends it: nsenter passes no signals on.
func (m *machine) start(args ...string) *process {
	m.t.Helper()
	p := &process{t: m.t, c: m.command(append([]string{"sh", "-c", `"$@" & p=$!; cat >/dev/null; kill $p 2>/dev/null; wait $p`, "sh"}, args...)...)}
	p.c.Stderr = os.Stderr
	out, err1 := p.c.StdoutPipe()
	in, err2 := p.c.StdinPipe()
	if err := errors.Join(err1, err2, p.c.Start()); err != nil {
		m.t.Fatal(err)
	}
	p.out, p.in = json.NewDecoder(out), in
	m.t.Cleanup(p.stop)
	return p
}

// line is the next JSON value that it says.
func (p *process) line() string {
	var raw json.RawMessage
	if err := p.out.Decode(&raw); err != nil {
		return err.Error()
	}
	return string(raw)
}

// stop ends it, once.
func (p *process) stop() {
	if p.c.ProcessState == nil {
		_ = p.in.Close()
		_ = p.c.Wait()
	}
}

func checkinThere(t *testing.T, out string) string {
	t.Helper()
	var st checkin.JobStatus
	if err := json.Unmarshal([]byte(out), &st); err != nil || st.State != checkin.Complete || st.Result == nil || st.Result.Identity == nil || st.Result.Portrait == nil || !st.Result.Recorded {
		t.Errorf("check-in: %v\n%s", err, out)
		return "FAILED"
	}
	return "a check-in with picture, recorded"
}

// deskInContainer is what the desk does within the machine: checkin TOKEN, wait TOKEN, settings JSON, hold PORT….
func deskInContainer() {
	ctx, stop := context.WithTimeout(context.Background(), 2*time.Minute)
	defer stop()
	err := errors.New("what?")
	switch os.Args[1] {
	case "checkin":
		err = deskCheckin(ctx, os.Args[2], true)
	case "wait":
		err = deskCheckin(ctx, os.Args[2], false)
	case "settings":
		err = deskSettings(os.Args[2])
	case "hold":
		err = nil
		for _, port := range os.Args[2:] {
			_, e := net.Listen("tcp", "127.0.0.1:"+port)
			err = errors.Join(err, e)
		}
		fmt.Println("true")
		<-ctx.Done() // or the signal
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

const serviceAddr = "127.0.0.1:27480"

// deskCheckin checks the card in, or says that it waits, and then how that ended.
func deskCheckin(ctx context.Context, token string, card bool) error {
	c, err := client.Dial(ctx, client.Options{Addr: serviceAddr, Bearer: token})
	if err != nil {
		return err
	}
	defer c.Close()
	if err := c.Call(ctx, "session.open", map[string]any{"protocol": 1}, nil); err != nil {
		return err
	}
	job := fmt.Sprintf("job-%x", sha256.Sum256([]byte(time.Now().String())))[:20]
	start := map[string]any{"jobId": job, "means": "chip"}
	if card {
		start["key"] = map[string]string{"can": "012345"}
	}
	if err := c.Call(ctx, "checkin.start", start, nil); err != nil {
		return err
	}
	if !card {
		fmt.Println("true")
	}
	for n := range c.Notifications() {
		if n.Method != "job.result" {
			continue
		}
		var end struct {
			State string `json:"state"`
		}
		if err := json.Unmarshal(n.Params, &end); err != nil {
			return err
		}
		if !card {
			return json.NewEncoder(os.Stdout).Encode(end)
		}
		break
	}
	var status json.RawMessage
	if err := c.Call(ctx, "job.status", map[string]string{"jobId": job}, &status); err != nil {
		return err
	}
	_, err = os.Stdout.Write(status)
	return err
}

// deskSettings becomes the first administrator and saves settings, as the page does.
func deskSettings(changes string) error {
	secret, err := os.ReadFile("/var/lib/tapcheck/console-setup-secret.txt")
	if err != nil {
		return err
	}
	token := ""
	call := func(method, path string, body any) (map[string]any, error) {
		raw, err := json.Marshal(body)
		if err != nil {
			return nil, err
		}
		req, err := http.NewRequest(method, "http://"+serviceAddr+"/console/api"+path, bytes.NewReader(raw))
		if err != nil {
			return nil, err
		}
		req.Header.Set("Content-Type", "application/json")
		req.Header.Set("Origin", "http://"+serviceAddr)
		if token != "" {
			req.Header.Set("Authorization", "Bearer "+token)
		}
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			return nil, err
		}
		defer resp.Body.Close()
		answer := map[string]any{}
		raw, err = io.ReadAll(resp.Body)
		if err == nil && resp.StatusCode != http.StatusOK {
			err = fmt.Errorf("%s %s: %d %s", method, path, resp.StatusCode, raw)
		}
		return answer, errors.Join(err, json.Unmarshal(raw, &answer))
	}
	begin, err := call("POST", "/setup", map[string]string{"secret": strings.TrimSpace(string(secret)), "name": "trưởng", "password": "chín con trâu trắng"})
	if err != nil {
		return err
	}
	code, err := totp.GenerateCode(begin["secret32"].(string), time.Now())
	if err != nil {
		return err
	}
	done, err := call("POST", "/setup/confirm", map[string]any{"ticket": begin["ticket"], "code": code})
	if err != nil {
		return err
	}
	token, _ = done["token"].(string)
	_, err = call("PUT", "/settings", json.RawMessage(changes))
	return err
}
