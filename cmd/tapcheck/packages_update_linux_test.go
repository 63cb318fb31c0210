//go:build packages

package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/tapcheck/tapcheck/agent/update"
)

// TestDebUpdateLifeCycle has the timer's own unit install a newer deb from a folder, in a container that is booted: off at first, then
// killed in the middle and ended by the next run, then a version that does not start, which is taken back.
func TestDebUpdateLifeCycle(t *testing.T) {
	m := boot(t)
	const source, settings = "/srv/tapcheck", "/etc/tapcheck/tapcheck.toml"
	m.must("mkdir", "-p", source, "/etc/tapcheck-update")
	for _, v := range []string{older, newer} {
		m.must("cp", m.bring(one(t, v+"*.deb")), source)
	}
	deb := func(v string) string { return source + "/tapcheck_" + v + "-1_amd64.deb" }
	m.must("dpkg", "-i", deb(older))
	m.serves()
	log := func(step, format string, args ...any) { t.Logf("update  %-10s %s", step, fmt.Sprintf(format, args...)) }
	if out := m.must("systemctl", "is-enabled", "tapcheck-update.timer") + m.must("systemctl", "is-active", "tapcheck-update.timer"); out != "enabled\nactive\n" {
		t.Errorf("the timer is %s", out)
	}

	// Off: the service and the updater open no connection and send no datagram, nor do they try to.
	before := m.calls()
	m.must("systemctl", "restart", "tapcheck")
	m.serves()
	m.must("systemctl", "start", "tapcheck-update.service")
	time.Sleep(6 * time.Second) // past a pulse, and what a start may put off
	if after := m.calls(); after != before {
		t.Errorf("with updates off something calls: %s, then %s", before, after)
	}
	if _, err := os.Stat(filepath.Join(m.root, "var/lib/tapcheck-update")); !errors.Is(err, os.ErrNotExist) {
		t.Error("with updates off the updater made its folder")
	}
	log("off", "no connection, no datagram (%s)", before)

	m.must("tapcheck", "update", "key", "--out", "/opt/release.key")
	m.must("sh", "-c", "tapcheck update key --of /opt/release.key --pem >/etc/tapcheck-update/release.pub")
	m.must("sh", "-c", "printf '[update]\\nsource = \""+source+"\"\\nfrom_hour = 0\\nto_hour = 0\\n' >>"+settings)
	m.must("tapcheck", "update", "sign", source, "--key", "/opt/release.key", "--version", newer, "--also", older)
	instance, saved := m.instance(), m.must("cat", settings)
	token := strings.TrimSpace(m.must("tapcheck", "token", "add", "--desktop"))
	card := m.start("tapcheck", "sim", "--persona", "an", "--vpcd", "127.0.0.1:35963")
	defer card.stop()

	// Killed while the new version is watched: the next run goes on.
	m.must("systemctl", "start", "--no-block", "tapcheck-update.service")
	m.until("the new version to be watched", func() bool { return m.updates().Step == "watching" })
	m.must("systemctl", "kill", "--signal=KILL", "tapcheck-update.service")
	m.until("the updater's end", func() bool { return m.try("systemctl", "is-active", "tapcheck-update.service") != "activating\n" })
	m.must("systemctl", "reset-failed", "tapcheck-update.service")
	began := time.Now()
	m.must("systemctl", "start", "tapcheck-update.service")
	took := time.Since(began)
	m.serves()
	s := m.updates()
	if s.Step != "" || s.Finished == nil || s.Finished.Result != update.Installed || s.Finished.To != newer {
		t.Errorf("%+v", s)
	}
	m.same(newer, instance, settings, saved)
	log("installed", "%s to %s by the unit, killed while it was watched and ended by the next run (%.0f s); %s", older, newer, took.Seconds(), checkinThere(t, m.must("/opt/tapcheck-desk", "checkin", token)))

	// Who has taken the service over cannot write the program, the updater's files, or the key that counts.
	for _, path := range []string{"/usr/bin/tapcheck", "/var/lib/tapcheck-update/state.json", "/var/lib/tapcheck-update/x", "/etc/tapcheck-update/release.pub", "/etc/tapcheck-update/x", "/usr/lib/systemd/system/tapcheck-update.service"} {
		if out, err := m.run("setpriv", "--reuid=tapcheck", "--regid=tapcheck", "--clear-groups", "sh", "-c", ": >>"+path); err == nil {
			t.Errorf("the service's user writes %s: %s", path, out)
		}
	}
	if out, err := m.run("setpriv", "--reuid=tapcheck", "--regid=tapcheck", "--clear-groups", "tapcheck", "update", "apply"); err == nil || !strings.Contains(out, "administrator") {
		t.Errorf("the service's user installs: %s", out)
	}

	// A version that does not start. The way back is the package that was kept from the last update.
	m.must("sh", "-c", `set -e; rm -rf /opt/broken; dpkg-deb -R `+deb(newer)+` /opt/broken
		printf '#!/bin/sh\nexit 1\n' >/opt/broken/usr/bin/tapcheck
		sed -i 's/^Version: .*/Version: 0.0.3-1/' /opt/broken/DEBIAN/control; rm -f /opt/broken/DEBIAN/md5sums
		dpkg-deb -b /opt/broken `+deb("0.0.3")+` >/dev/null; rm `+deb(older)+" "+deb(newer))
	m.must("tapcheck", "update", "sign", source, "--key", "/opt/release.key", "--version", "0.0.3")
	began = time.Now()
	if out, err := m.run("systemctl", "start", "tapcheck-update.service"); err == nil {
		t.Errorf("the unit says nothing of a version that was taken back: %s", out)
	}
	took = time.Since(began)
	m.serves()
	if s = m.updates(); s.Step != "" || s.Finished == nil || s.Finished.Result != update.RolledBack || s.Finished.To != "0.0.3" {
		t.Errorf("%+v", s)
	}
	m.same(newer, instance, settings, saved)
	m.until("UPDATE_TAKEN_BACK in its status", func() bool { return strings.Contains(m.show("StatusText"), "UPDATE_TAKEN_BACK") })
	card.stop() // pcscd had nobody to serve meanwhile, and has ended with the card
	card = m.start("tapcheck", "sim", "--persona", "an", "--vpcd", "127.0.0.1:35963")
	defer card.stop()
	log("taken back", "0.0.3, which does not start, after %.0f s: %s; %s", took.Seconds(), s.Finished.Why, checkinThere(t, m.must("/opt/tapcheck-desk", "checkin", token)))
	m.must("systemctl", "start", "tapcheck-update.service")
	if again := m.updates(); !again.Finished.At.Equal(s.Finished.At) {
		t.Errorf("it was tried again: %+v", again.Finished)
	}

	// A release of nobody's.
	m.must("tapcheck", "update", "key", "--out", "/opt/other.key")
	m.must("tapcheck", "update", "sign", source, "--key", "/opt/other.key", "--version", "0.0.3")
	if out, err := m.run("systemctl", "start", "tapcheck-update.service"); err == nil {
		t.Errorf("a release of another key: %s", out)
	}
	if s = m.updates(); !strings.Contains(s.Problem, "release key") {
		t.Errorf("%+v", s)
	}
	log("refused", "%s", s.Problem)
	card.stop()

	// A backup by the service, which alone has the journal open, and the restore of it by root, in the service's folder.
	m.must("mkdir", "-p", "/srv/backup")
	recipient, _, _ := strings.Cut(m.must("tapcheck", "backup", "key", "--out", "/opt/recovery.key"), "\n")
	file := strings.TrimSpace(m.must("tapcheck", "backup", "now", "--to", "/srv/backup", "--recipient", recipient))
	if out, err := m.run("tapcheck", "restore", file, "--key", "/opt/recovery.key"); err == nil || !strings.Contains(out, "stop it first") {
		t.Errorf("restore while it runs: %s", out)
	}
	m.must("systemctl", "stop", "tapcheck")
	m.must("tapcheck", "restore", file, "--key", "/opt/recovery.key", "--replace")
	if owners := m.must("sh", "-c", "cd /var/lib/tapcheck && find . -name before-restore-* -prune -o -printf '%u %m %y\n' | sort -u; ls -A /var/lib | grep restoring; true"); owners != "tapcheck 600 f\ntapcheck 700 d\n" {
		t.Errorf("in the data folder: %s", owners)
	}
	m.must("systemctl", "start", "tapcheck")
	m.serves()
	if m.instance() == instance {
		t.Error("restored, it goes by its old name")
	}
	if status := m.show("StatusText"); strings.Contains(status, "JOURNAL") || strings.Contains(status, "MACHINE") {
		t.Errorf("restored: %s", status)
	}
	card = m.start("tapcheck", "sim", "--persona", "an", "--vpcd", "127.0.0.1:35963")
	defer card.stop()
	log("restored", "a backup of the service at work, by root: %s", checkinThere(t, m.must("/opt/tapcheck-desk", "checkin", token)))
	card.stop()
	m.must("rm", "-r", "/srv/backup")
	m.must("dpkg", "-P", "tapcheck")
	m.must("test", "!", "-e", "/var/lib/tapcheck-update", "-a", "!", "-e", "/etc/tapcheck-update")
}

// updates is the updater's state.
func (m *machine) updates() update.State {
	s, err := update.ReadState(filepath.Join(m.root, "var/lib/tapcheck-update"))
	if err != nil {
		m.t.Error(err)
	}
	return s
}

// same makes sure that a version runs, whole, on the data and settings of before.
func (m *machine) same(version, instance, settings, saved string) {
	m.t.Helper()
	if got := m.must("tapcheck", "version"); !strings.Contains(got, version) {
		m.t.Errorf("version %s", got)
	}
	if status := m.must("dpkg-query", "-W", "-f", "${Status} ${Version}", "tapcheck"); status != "install ok installed "+version+"-1" {
		m.t.Errorf("dpkg says %s", status)
	}
	if m.instance() != instance || m.must("cat", settings) != saved {
		m.t.Error("another workstation, or other settings")
	}
}

// calls are the kernel's counts of connections that were opened and of datagrams that were sent, of the whole container, and of those
// that found no way out.
func (m *machine) calls() string {
	m.t.Helper()
	out := m.must("cat", "/proc/net/snmp")
	var said []string
	lines := strings.Split(strings.TrimSpace(out), "\n")
	for i := 0; i+1 < len(lines); i += 2 {
		names, values := strings.Fields(lines[i]), strings.Fields(lines[i+1])
		for n, name := range names {
			switch names[0] + name {
			case "Tcp:ActiveOpens", "Udp:OutDatagrams", "Ip:OutNoRoutes":
				if _, err := strconv.Atoi(values[n]); err != nil {
					m.t.Fatal(err)
				}
				said = append(said, name+" "+values[n])
			}
		}
	}
	if len(said) != 3 {
		m.t.Fatalf("the kernel counts %v", said)
	}
	raw, _ := json.Marshal(said)
	return string(raw)
}
