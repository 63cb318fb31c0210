package linux

import (
	"crypto/sha256"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"
)

const root = "../.."

// TestUnit has systemd judge the unit: that it is understood, and how much it leaves open (below 1.5 of 10).
func TestUnit(t *testing.T) {
	analyze, err := exec.LookPath("systemd-analyze")
	if err != nil {
		t.Skip("no systemd-analyze here; on a Debian that is set up by make it is there")
	}
	dir := t.TempDir()
	file := filepath.Join(dir, "tapcheck.service")
	for name, text := range map[string]string{"tapcheck.service": Unit, "tapcheck-update.service": Updater, "tapcheck-update.timer": UpdaterTimer} {
		// verify looks whether the program is there.
		if err := os.WriteFile(filepath.Join(dir, name), []byte(strings.Replace(text, "/usr/bin/tapcheck", "/bin/true", 1)), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	for _, name := range []string{"tapcheck.service", "tapcheck-update.timer"} { // the timer brings its service
		out, err := exec.Command(analyze, "verify", "--man=no", filepath.Join(dir, name)).CombinedOutput()
		if err != nil || strings.Contains(string(out), dir) {
			t.Errorf("verify: %v\n%s", err, out)
		}
	}
	if out, err := exec.Command(analyze, "security", "--offline=true", "--threshold=14", file).CombinedOutput(); err != nil {
		t.Errorf("security: %v\n%s", err, out)
	}
}

// TestUnitSettles holds what was found out the hard way.
func TestUnitSettles(t *testing.T) {
	lines := strings.Split(Unit, "\n")
	for _, want := range []string{"SystemCallErrorNumber=EPERM", "Restart=always", "StartLimitIntervalSec=0", "TimeoutStopSec=5", "ReadWritePaths=-/etc/tapcheck", "User=tapcheck", "DeviceAllow=/dev/tpmrm0 rw"} {
		if !slices.Contains(lines, want) {
			t.Errorf("the unit lacks %s", want)
		}
	}
	for _, l := range lines {
		switch name, value, _ := strings.Cut(l, "="); {
		case name == "PrivateUsers" && value != "no":
			t.Error("PrivateUsers names all users of the PC alike, so that their sessions are one")
		case name == "Requires" || name == "BindsTo":
			t.Errorf("%s: what stops that unit would stop the desk", l)
		case name == "SupplementaryGroups":
			t.Errorf("%s: a group that a PC does not have would keep the desk from starting", l)
		case name == "ExecStartPre" && !strings.HasPrefix(value, "-"):
			t.Errorf("%s: what fails there would keep the desk from starting", l)
		case name == "PrivateDevices":
			t.Error("PrivateDevices takes the scanners away")
		}
	}
}

// TestScripts has the shell read the packages' scripts; what they do is seen by make test-packages.
func TestScripts(t *testing.T) {
	scripts, err := filepath.Glob("scripts/*.sh")
	if err != nil || len(scripts) != 4 {
		t.Fatalf("%d scripts, %v", len(scripts), err)
	}
	for _, s := range append(scripts, "../packages.sh", "../setup.sh") {
		if out, err := exec.Command("sh", "-n", s).CombinedOutput(); err != nil {
			t.Errorf("%s: %v %s", s, err, out)
		}
	}
}

// TestPackages builds both packages twice, from a program of another age in another folder, and looks into the deb.
func TestPackages(t *testing.T) {
	nfpm(t)
	made := func(age time.Duration) (string, map[string]string) {
		dir := t.TempDir()
		program := filepath.Join(dir, "any-name")
		if err := os.WriteFile(program, []byte("#!/bin/true\n"), 0o700); err != nil {
			t.Fatal(err)
		}
		for _, name := range []string{"THIRD-PARTY.txt", "tapcheck.cdx.json", "tapcheck.spdx.json"} { // installer/supply tests what is in them
			if err := os.WriteFile(filepath.Join(dir, name), nil, 0o600); err != nil {
				t.Fatal(err)
			}
		}
		then := time.Now().Add(-age)
		if err := os.Chtimes(program, then, then); err != nil {
			t.Fatal(err)
		}
		cmd := exec.Command(root+"/installer/packages.sh", program, dir, filepath.Join(dir, "out"), "1.2.3")
		cmd.Env = append(os.Environ(), "SOURCE_DATE_EPOCH=1764300000", "ARCH=amd64", "TZ=Asia/Ho_Chi_Minh")
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("%v\n%s", err, out)
		}
		sums := map[string]string{}
		files, _ := filepath.Glob(filepath.Join(dir, "out", "*"))
		for _, f := range files {
			raw, err := os.ReadFile(f)
			if err != nil {
				t.Fatal(err)
			}
			sums[filepath.Base(f)] = fmt.Sprintf("%x", sha256.Sum256(raw))
		}
		return filepath.Join(dir, "out"), sums
	}
	_, first := made(48 * time.Hour)
	dir, second := made(0)
	if !maps.Equal(first, second) || len(first) != 3 {
		t.Errorf("not the same bytes:\n%v\n%v", first, second)
	}
	deb := "tapcheck_1.2.3-1_amd64.deb"
	if sums, err := os.ReadFile(filepath.Join(dir, "SHA256SUMS")); err != nil || !strings.Contains(string(sums), first[deb]+"  "+deb+"\n") {
		t.Errorf("checksums: %v\n%s", err, sums)
	}
	list, err := exec.Command("dpkg-deb", "-c", filepath.Join(dir, deb)).CombinedOutput()
	if err != nil {
		t.Fatalf("dpkg-deb: %v\n%s", err, list)
	}
	for _, want := range []string{
		"-rwxr-xr-x root/root .*/usr/bin/tapcheck", "-rw-r--r-- root/root .*/usr/lib/systemd/system/tapcheck.service",
		"-rw-r--r-- root/root .*/usr/lib/systemd/system/tapcheck-update.service", "-rw-r--r-- root/root .*/usr/lib/systemd/system/tapcheck-update.timer",
		"-rw-r--r-- root/root .*/usr/share/polkit-1/rules.d/50-tapcheck.rules", "-rw-r--r-- root/root .*/usr/lib/udev/rules.d/70-tapcheck.rules",
		"-rw-r--r-- root/root .*/usr/share/doc/tapcheck/copyright", "-rw-r--r-- root/root .*/usr/share/doc/tapcheck/THIRD-PARTY.txt",
	} {
		if !regexp.MustCompile(`(?m)^` + want + `$`).Match(list) {
			t.Errorf("the deb lacks %s:\n%s", want, list)
		}
	}
	// Settings and data are nobody's but the hospital's: a package that held them would ask about them, or overwrite them.
	if regexp.MustCompile(` \./(etc|var)/`).Match(list) {
		t.Errorf("the deb holds files in /etc or /var:\n%s", list)
	}
}

// nfpm builds the packager where make has not.
func nfpm(t *testing.T) {
	t.Helper()
	if _, err := os.Stat(root + "/bin/nfpm"); err == nil {
		return
	}
	cmd := exec.Command("go", "build", "-modfile=installer/tools/go.mod", "-o", "bin/nfpm", "github.com/goreleaser/nfpm/v2/cmd/nfpm")
	cmd.Dir = root
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
}
