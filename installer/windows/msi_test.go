//go:build msi

// The installer's life under Wine: `make test-msi`.
package windows

import (
	"bytes"
	"fmt"
	"io/fs"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"
	"unicode/utf16"
)

const (
	home   = "../../.tapcheck/wine"
	exe    = "../../bin/tapcheck.exe"
	papers = "../../bin/packages/supply-windows"
	port   = 28480
)

// pc is the Windows that Wine plays.
type pc struct{ t *testing.T }

func (p pc) run(args ...string) (string, int) {
	p.t.Helper()
	script, err := filepath.Abs(home + "/wine")
	if err != nil {
		p.t.Fatal(err)
	}
	cmd := exec.Command(script, args...)
	var out bytes.Buffer
	// A pipe would stay open as long as a service that this starts: a file does not.
	file, err := os.CreateTemp(p.t.TempDir(), "")
	if err != nil {
		p.t.Fatal(err)
	}
	defer file.Close()
	cmd.Stdout, cmd.Stderr = file, file
	err = cmd.Run()
	raw, _ := os.ReadFile(file.Name())
	out.Write(raw)
	if cmd.ProcessState == nil {
		p.t.Fatal(err)
	}
	return strings.ReplaceAll(out.String(), "\r", ""), cmd.ProcessState.ExitCode()
}

// path is a file of that Windows, as Linux sees it.
func (p pc) path(windows string) string {
	return home + "/prefix/drive_c/" + strings.ReplaceAll(strings.TrimPrefix(windows, `C:\`), `\`, "/")
}

func (p pc) there(windows string) bool {
	_, err := os.Lstat(p.path(windows))
	return err == nil
}

func (p pc) write(windows, content string) {
	p.t.Helper()
	if err := os.MkdirAll(filepath.Dir(p.path(windows)), 0o700); err != nil {
		p.t.Fatal(err)
	}
	if err := os.WriteFile(p.path(windows), []byte(content), 0o600); err != nil {
		p.t.Fatal(err)
	}
}

// msiexec runs the installer silently; the exit codes of Windows are cut to their last eight bits.
func (p pc) msiexec(what string, want int, args ...string) {
	p.t.Helper()
	began := time.Now()
	_, code := p.run(append([]string{"msiexec", "/qn", "/l*", `C:\msi\log.txt`}, args...)...)
	p.t.Logf("%-44s exit %d, %.1f s", what, code, time.Since(began).Seconds())
	if code != want {
		log, _ := os.ReadFile(p.path(`C:\msi\log.txt`))
		p.t.Fatalf("%s: exit %d, want %d\n%s", what, code, want, log)
	}
}

// serving waits until the service answers, and gives its version; want false: until it does not.
func (p pc) serving(want bool) {
	p.t.Helper()
	url := fmt.Sprintf("http://127.0.0.1:%d/.well-known/tapcheck.json", port)
	for range 300 {
		resp, err := http.Get(url)
		if err == nil {
			_ = resp.Body.Close()
		}
		if (err == nil) == want {
			return
		}
		time.Sleep(100 * time.Millisecond)
	}
	out, _ := p.run(`C:\Program Files\Tapcheck\tapcheck.exe`, "--lang", "en", "service", "status")
	p.t.Fatalf("the service answers: %v\n%s", !want, out)
}

// value is one of the registry, or "".
func (p pc) value(key, name string) string {
	p.t.Helper()
	out, _ := p.run("reg", "query", key, "/v", name)
	for line := range strings.Lines(out) {
		if f := strings.Fields(line); len(f) >= 3 && f[0] == name {
			return strings.Join(f[2:], " ")
		}
	}
	return ""
}

func build(t *testing.T, version string) string {
	t.Helper()
	msi := filepath.Join(home, "prefix/drive_c/msi", "tapcheck-"+version+".msi")
	out, err := exec.Command("./msi.sh", version, exe, papers, msi).CombinedOutput()
	if err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	if os.Getenv("TAPCHECK_SIGN_CERT") == "" && !strings.Contains(string(out), "NOT SIGNED") {
		t.Errorf("an installer that is not signed does not say so: %s", out)
	}
	return msi
}

// TestSequence: wixl puts an action that is named by another into a place that Windows refuses; so each has a number.
func TestSequence(t *testing.T) {
	out, err := exec.Command("msiinfo", "export", build(t, "0.1.0"), "InstallExecuteSequence").Output()
	if err != nil {
		t.Fatal(err)
	}
	at := map[string]int{}
	for line := range strings.Lines(string(out)) {
		if f := strings.Split(strings.TrimRight(line, "\r\n"), "\t"); len(f) == 3 {
			at[f[0]], _ = strconv.Atoi(f[2])
		}
	}
	for _, order := range [][]string{
		{"FindRelatedProducts", "LaunchConditions", "InstallValidate", "RemoveExistingProducts", "InstallInitialize"},
		{"StopServices", "Undo", "Purge", "RemoveRegistryValues", "RemoveFiles"}, // while the program is there, and the registry names its folder
		{"InstallFiles", "WriteRegistryValues", "InstallServices", "Setup", "Browsers", "Configure", "StartServices", "InstallFinalize"},
	} {
		for i, a := range order {
			if at[a] == 0 || i > 0 && at[order[i-1]] >= at[a] {
				t.Errorf("%s stands at %d: want %v, have %v", a, at[a], order, at)
			}
		}
	}
}

// TestProgramHasItsVersion: Windows decides by it which of two files is newer, and shows it. The installer's table must say the same.
func TestProgramHasItsVersion(t *testing.T) {
	raw, err := os.ReadFile(exe)
	if err != nil {
		t.Fatal(err)
	}
	version, err := os.ReadFile("../VERSION")
	if err != nil {
		t.Fatal(err)
	}
	want := strings.TrimSpace(string(version))
	wide := func(s string) []byte {
		var b []byte
		for _, u := range utf16.Encode([]rune(s)) {
			b = append(b, byte(u), byte(u>>8))
		}
		return b
	}
	for _, name := range []string{"FileVersion", "ProductVersion"} {
		_, after, found := bytes.Cut(raw, wide(name))
		if !found || !bytes.HasPrefix(bytes.TrimLeft(after, "\x00"), wide(want)) {
			t.Errorf("%s is not %s", name, want)
		}
	}
	out, err := exec.Command("msiinfo", "export", build(t, want), "File").Output()
	if err != nil || !regexp.MustCompile(`(?m)^TapcheckExe\t.*\t`+regexp.QuoteMeta(want)+`\.0\t1033\t`).Match(out) {
		t.Errorf("%v: %s", err, out)
	}
}

func TestLife(t *testing.T) {
	p := pc{t}
	for _, v := range []string{"0.1.0", "0.1.1"} {
		build(t, v)
	}
	one, two := `C:\msi\tapcheck-0.1.0.msi`, `C:\msi\tapcheck-0.1.1.msi`
	const (
		program  = `C:\Program Files\Tapcheck\tapcheck.exe`
		settings = `C:\ProgramData\Tapcheck\tapcheck.toml`
		data     = `C:\desk data`
		product  = `HKLM\SOFTWARE\Tapcheck`
		chrome   = `HKLM\SOFTWARE\Policies\Google\Chrome\`
	)
	t.Cleanup(func() {
		_, _ = p.run("msiexec", "/qn", "/x", one, "REMOVEDATA=1")
		_, _ = p.run("msiexec", "/qn", "/x", two, "REMOVEDATA=1")
		_, _ = p.run("--stop")
	})
	p.write(`C:\msi\gateway.toml`, "username = \"01004_BV\"\npassword = \"not-a-real-one\"\nstaff_name = \"Lê Thị Hoa\"\nstaff_number = \"001099012345\"\n")
	p.write(`C:\msi\his.pem`, publicKey)
	properties := []string{
		"HISORIGINS=https://his.example http://his2.example:8080", `HISKEYFILE=C:\msi\his.pem`, fmt.Sprintf("PORTS=%d,%d", port, port+1),
		"DESK=reception 3", "FACILITY=01004", `GATEWAYFILE=C:\msi\gateway.toml`, `TRUSTFOLDER=C:\trust`, "DATAFOLDER=" + data,
	}
	// Windows says 1603; Wine ends with 1627 where an action fails that runs a program.
	p.msiexec("a wrong property", 1627&0xFF, "/i", one, "PORTS=80")
	if p.there(program) || p.value(product, "Version") != "" {
		t.Error("an installation that was refused leaves something")
	}
	_, _ = p.run("reg", "add", chrome+"LoopbackNetworkAllowedForUrls", "/v", "1", "/d", "https://other.example", "/f")

	p.msiexec("install with all properties", 0, append([]string{"/i", one}, properties...)...)
	p.serving(true)
	raw, _ := os.ReadFile(p.path(settings))
	for _, want := range []string{`"https://his.example"`, `"http://his2.example:8080"`, fmt.Sprint(port + 1), "reception 3", "01004_BV", `C:\\trust`, `credential:gateway-password`} {
		if !bytes.Contains(raw, []byte(want)) && !bytes.Contains(raw, []byte(strings.ReplaceAll(want, `\\`, `\`))) {
			t.Errorf("no %s in the settings: %s", want, raw)
		}
	}
	if bytes.Contains(raw, []byte("not-a-real-one")) || bytes.Contains(raw, []byte("001099012345")) {
		t.Error("a secret stands in the settings")
	}
	if secret, err := os.ReadFile(p.path(`C:\ProgramData\Tapcheck\credentials\gateway-password.dpapi`)); err != nil || bytes.Contains(secret, []byte("not-a-real-one")) {
		t.Errorf("the gateway's password: %v", err)
	}
	if p.there(data + `\gateway-password`) {
		t.Error("the gateway's password lies in the data folder")
	}
	if out, _ := p.run(program, "token", "list", "--json"); strings.Count(out, `"key":true`) != 2 {
		t.Errorf("the HIS's key is not registered for both origins: %s", out)
	}
	if got := p.value(product, "Port"); got != fmt.Sprintf("0x%x", port) {
		t.Errorf("the port in the registry is %q", got)
	}
	if out, _ := p.run(program, "console", "url"); strings.TrimSpace(out) != fmt.Sprintf("http://127.0.0.1:%d/console/", port) {
		t.Errorf("console url: %q", out)
	}
	for key, want := range map[string]string{
		chrome + "LoopbackNetworkAllowedForUrls":                                 "https://his.example",
		`HKLM\SOFTWARE\Policies\Microsoft\Edge\LocalNetworkAccessAllowedForUrls`: "https://his.example",
		chrome + "OverrideSecurityRestrictionsOnInsecureOrigin":                  "http://his2.example:8080",
		chrome + "VideoCaptureAllowedUrls":                                       fmt.Sprintf("http://127.0.0.1:%d", port),
		`HKLM\SOFTWARE\Policies\Mozilla\Firefox\LocalNetworkAccess\SkipDomains`:  "his.example",
	} {
		if got := p.value(key, "27480"); got != want {
			t.Errorf("%s: %q, want %q", key, got, want)
		}
	}
	if !p.shortcut() {
		t.Error("no shortcut in the start menu")
	}
	for _, paper := range []string{"THIRD-PARTY.txt", "LICENSE.txt", "tapcheck.cdx.json", "tapcheck.spdx.json"} {
		if !p.there(`C:\Program Files\Tapcheck\` + paper) {
			t.Errorf("the installer brings no %s", paper)
		}
	}
	log := func() string {
		text, _ := os.ReadFile(p.path(data + `\log\tapcheck.log`))
		return string(text)
	}
	if !strings.Contains(log(), `"agent.ready"`) {
		t.Errorf("the service has no log: %s", log())
	}
	// A policy outweighs the file, and counts when the service is told to look.
	const policies = `HKLM\SOFTWARE\Policies\Tapcheck`
	_, _ = p.run("reg", "add", policies, "/v", "desk", "/d", "reception 9", "/f")
	_, _ = p.run("reg", "add", policies+`\console`, "/v", "idle_ms", "/t", "REG_DWORD", "/d", "60000", "/f")
	if out, _ := p.run(program, "--lang", "en", "config", "show"); !strings.Contains(out, `"reception 9"`) || !strings.Contains(out, `policy HKLM\SOFTWARE\Policies\Tapcheck\console\idle_ms`) {
		t.Errorf("config show under a policy: %s", out)
	}
	if out, code := p.run(program, "service", "reload"); code != 0 {
		t.Errorf("reload: %d %s", code, out)
	}
	for try := 0; !strings.Contains(log(), `"restart":["desk"]`); try++ {
		if try == 100 {
			t.Fatalf("the service has not taken the policy: %s", log())
		}
		time.Sleep(100 * time.Millisecond)
	}
	// A secret that DPAPI keeps; nowhere is it in the clear.
	p.write(`C:\msi\secret.bat`, `@echo s3cret-of-a-test|"`+program+`" secret set hook`+"\r\n")
	if out, code := p.run("cmd", "/c", `C:\msi\secret.bat`); code != 0 || !strings.Contains(out, "credential:hook") {
		t.Errorf("secret set: %d %s", code, out)
	}
	if raw, err := os.ReadFile(p.path(`C:\ProgramData\Tapcheck\credentials\hook.dpapi`)); err != nil || bytes.Contains(raw, []byte("s3cret-of-a-test")) {
		t.Errorf("the secret as it is kept: %v", err)
	}
	if err := os.MkdirAll(p.path(`C:\trust`), 0o755); err != nil {
		t.Fatal(err)
	}
	_, _ = p.run("reg", "add", policies+`\compat`, "/v", "webhook_secret_file", "/d", "credential:hook", "/f")
	if out, code := p.run(program, "--lang", "en", "config", "check"); code != 0 {
		t.Errorf("config check with the secret: %d %s", code, out)
	}
	_, _ = p.run("reg", "delete", policies, "/f")

	// A damaged file is stood in for by the last good one.
	if err := os.WriteFile(p.path(settings), append([]byte("nonsense\r\n"), raw...), 0o600); err != nil {
		t.Fatal(err)
	}
	if out, code := p.run(program, "--lang", "en", "config", "check"); code != 3 || !strings.Contains(out, "line 1") {
		t.Errorf("config check of a damaged file: %d %s", code, out)
	}
	if out, code := p.run(program, "service", "restart"); code != 0 {
		t.Errorf("restart with a damaged file: %d %s", code, out)
	}
	p.serving(true)
	if !strings.Contains(log(), `"settings.last_good"`) {
		t.Errorf("it does not say that the last good settings are in use: %s", log())
	}
	if err := os.WriteFile(p.path(settings), raw, 0o600); err != nil {
		t.Fatal(err)
	}

	if err := os.Remove(p.path(program)); err == nil { // as a careless clean-up does; a real Windows would not let go of it
		p.msiexec("repair", 0, "/i", one, "REINSTALL=ALL", "REINSTALLMODE=amus")
		if !p.there(program) {
			t.Error("a repair does not bring the program back")
		}
	}
	p.serving(true)

	before, _ := os.ReadFile(p.path(data + `\workstation.key`))
	p.msiexec("upgrade", 0, "/i", two)
	p.serving(true)
	if got := p.value(product, "Version"); got != "0.1.1" {
		t.Errorf("version %q after the upgrade", got)
	}
	after, _ := os.ReadFile(p.path(data + `\workstation.key`))
	if len(before) == 0 || !bytes.Equal(before, after) {
		t.Error("the upgrade changes who the desk is")
	}
	if now, _ := os.ReadFile(p.path(settings)); !bytes.Equal(raw, now) {
		t.Errorf("the upgrade changes the settings: %s", now)
	}
	p.msiexec("downgrade", 1603&0xFF, "/i", one)
	if got := p.value(product, "Version"); got != "0.1.1" {
		t.Errorf("version %q after a downgrade that was refused", got)
	}
	p.serving(true)

	p.msiexec("uninstall, data stay", 0, "/x", two)
	p.serving(false)
	if p.there(program) || p.shortcut() || !p.there(settings) || !p.there(data+`\workstation.key`) {
		t.Error("uninstall leaves the program or takes the data")
	}
	if got := p.value(chrome+"LoopbackNetworkAllowedForUrls", "27480"); got != "" {
		t.Errorf("a policy is left: %q", got)
	}
	if got := p.value(chrome+"LoopbackNetworkAllowedForUrls", "1"); got != "https://other.example" {
		t.Errorf("somebody else's policy: %q", got)
	}

	p.msiexec("install again over the data", 0, "/i", one, "DATAFOLDER="+data)
	p.serving(true)
	p.msiexec("uninstall, data go", 0, "/x", one, "REMOVEDATA=1")
	p.serving(false)
	for _, gone := range []string{program, settings, settings + ".bak", data, `C:\ProgramData\Tapcheck\credentials`} {
		if p.there(gone) {
			t.Errorf("%s is left", gone)
		}
	}
}

// shortcut says whether the start menu has ours.
func (p pc) shortcut() bool {
	found := false
	_ = filepath.WalkDir(home+"/prefix/drive_c", func(path string, _ fs.DirEntry, err error) error {
		found = found || err == nil && filepath.Base(path) == "Tapcheck.lnk"
		return nil
	})
	return found
}

// publicKey is a made-up HIS backend's.
const publicKey = `-----BEGIN PUBLIC KEY-----
MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAE+/QYBS2VQ9oFZVDmrfnJZNTyGqD5
JzeaK1jt02EKengjt5zoPFlZIO7l8BVuQ4PrrRqgNUL8/YNUG6OjbJb0bg==
-----END PUBLIC KEY-----
`
