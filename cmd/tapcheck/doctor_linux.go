package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"

	"github.com/tapcheck/tapcheck/agent/health"
)

// systemRoot is the root of the file system that doctor looks at; tests have one of their own.
var systemRoot = "/"

func freeBytes(dir string) (uint64, bool) {
	var s syscall.Statfs_t
	if err := syscall.Statfs(dir, &s); err != nil {
		return 0, false
	}
	return s.Bavail * uint64(s.Bsize), true
}

// checkDriver looks for the CCID driver, without which pcscd runs and sees no reader, and for readers on USB that it does not
// serve. seen is how many readers PC/SC has.
func checkDriver(seen int) finding {
	f := finding{Check: "driver", Code: health.DriverPackageAbsent}
	for _, dir := range []string{"usr/lib/pcsc/drivers/ifd-ccid.bundle", "usr/lib64/pcsc/drivers/ifd-ccid.bundle", "usr/lib64/readers/libifd-ccid.bundle"} {
		if _, err := os.Stat(filepath.Join(systemRoot, dir)); err == nil {
			f.Code = ""
		}
	}
	if plugged := usbReaders(); len(plugged) > seen && (f.Code == "" || seen == 0) {
		f.Code, f.Detail = health.ReaderDriverless, strings.Join(plugged, "; ")
	}
	return f
}

// usbReaders are the devices on USB that say they are readers (class 0B of the USB's own list), by their products' names.
func usbReaders() (names []string) {
	list, _ := filepath.Glob(filepath.Join(systemRoot, "sys/bus/usb/devices/*/bInterfaceClass"))
	for _, file := range list {
		class, err := os.ReadFile(file)
		if err != nil || strings.TrimSpace(string(class)) != "0b" {
			continue
		}
		device, _, _ := strings.Cut(filepath.Dir(file), ":")
		name := filepath.Base(device)
		if product, err := os.ReadFile(filepath.Join(device, "product")); err == nil {
			name = plain(string(product))
		}
		names = append(names, name)
	}
	slices.Sort(names)
	return slices.Compact(names)
}

// plain makes a name that a device gives itself fit to be shown.
func plain(s string) string {
	s = strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f {
			return -1
		}
		return r
	}, strings.ToValidUTF8(strings.TrimSpace(s), "?"))
	return s[:min(len(s), 64)]
}

// rivals are programs that are known to hold cards, by the name of their process.
var rivals = []string{"scdaemon", "opensc-notify", "pcsc_scan", "pkcs11-register"}

// cardPrograms are those of them that run.
func cardPrograms() (names []string) {
	list, _ := filepath.Glob(filepath.Join(systemRoot, "proc/[0-9]*/comm"))
	for _, file := range list {
		if comm, err := os.ReadFile(file); err == nil && slices.Contains(rivals, strings.TrimSpace(string(comm))) {
			names = append(names, strings.TrimSpace(string(comm)))
		}
	}
	slices.Sort(names)
	return slices.Compact(names)
}

// portHolder names the program that listens at a loopback port, or "" where that cannot be told: only root sees everybody's.
func portHolder(port int) string {
	inodes := map[string]bool{}
	for _, table := range []string{"proc/net/tcp", "proc/net/tcp6"} {
		f, err := os.Open(filepath.Join(systemRoot, table))
		if err != nil {
			continue
		}
		lines := bufio.NewScanner(io.LimitReader(f, 8<<20))
		for lines.Scan() {
			// sl local_address rem_address st … uid timeout inode (proc(5)); 0A is LISTEN
			w := strings.Fields(lines.Text())
			if len(w) > 9 && w[3] == "0A" && strings.HasSuffix(w[1], fmt.Sprintf(":%04X", port)) {
				inodes["socket:["+w[9]+"]"] = true
			}
		}
		_ = f.Close()
	}
	if len(inodes) == 0 {
		return ""
	}
	list, _ := filepath.Glob(filepath.Join(systemRoot, "proc/[0-9]*/fd/*"))
	for _, fd := range list {
		if to, err := os.Readlink(fd); err == nil && inodes[to] {
			process := filepath.Dir(filepath.Dir(fd))
			if comm, err := os.ReadFile(filepath.Join(process, "comm")); err == nil {
				return plain(string(comm)) + " (pid " + filepath.Base(process) + ")"
			}
		}
	}
	return ""
}

// chromiums are browsers of Chromium's kind, with the folder of their policies and where they are installed.
var chromiums = []struct {
	name, policies string
	programs       []string
}{
	{"Chrome", "etc/opt/chrome/policies/managed", []string{"opt/google/chrome/chrome"}},
	{"Chromium", "etc/chromium/policies/managed", []string{"usr/bin/chromium", "usr/bin/chromium-browser", "snap/bin/chromium"}},
	{"Edge", "etc/opt/edge/policies/managed", []string{"opt/microsoft/msedge/msedge"}},
}

// firefoxes are where Firefox is installed.
var firefoxes = []string{"usr/bin/firefox", "usr/bin/firefox-esr", "usr/lib/firefox/firefox", "snap/bin/firefox"}

func there(paths ...string) bool {
	return slices.ContainsFunc(paths, func(p string) bool { _, err := os.Stat(filepath.Join(systemRoot, p)); return err == nil })
}

// installedBrowsers are the browsers of this PC with what their policy files say.
func installedBrowsers() (list []browser) {
	for _, c := range chromiums {
		if !there(c.programs...) {
			continue
		}
		b := browser{c.name, map[string][]string{}}
		files, _ := filepath.Glob(filepath.Join(systemRoot, c.policies, "*.json"))
		for _, file := range files {
			var all map[string]json.RawMessage
			if readJSON(file, &all) != nil {
				continue
			}
			for _, name := range []string{policyLoopback, policyLocal, policyCamera, policyInsecure} {
				var urls []string
				if json.Unmarshal(all[name], &urls) == nil {
					b.Lists[name] = append(b.Lists[name], urls...)
				}
			}
		}
		list = append(list, b)
	}
	if there(firefoxes...) {
		b := browser{"Firefox", map[string][]string{}}
		for _, file := range []string{firefoxPolicies, "usr/lib/firefox/distribution/policies.json", "usr/lib/firefox-esr/distribution/policies.json"} {
			b.Lists[policySkip] = append(b.Lists[policySkip], skipDomains(filepath.Join(systemRoot, file))...)
		}
		list = append(list, b)
	}
	return list
}

// skipDomains are those of a policy file of Firefox.
func skipDomains(file string) []string {
	var p struct {
		Policies struct {
			LocalNetworkAccess struct{ SkipDomains []string }
		} `json:"policies"`
	}
	if readJSON(file, &p) != nil {
		return nil
	}
	return p.Policies.LocalNetworkAccess.SkipDomains
}

func readJSON(file string, v any) error {
	f, err := os.Open(file)
	if err != nil {
		return err
	}
	defer f.Close()
	return json.NewDecoder(io.LimitReader(f, 1<<20)).Decode(v)
}

// systemPackages are the packages that Tapcheck stands on, with their versions, as the system's own manager lists them.
func (a *app) systemPackages() map[string]string {
	out := map[string]string{}
	add := func(text string) {
		for line := range strings.Lines(text) {
			if name, version, ok := strings.Cut(strings.TrimSpace(line), "\t"); ok && version != "" {
				out[name] = version
			}
		}
	}
	if text, _ := runQuietly(a.ctx, "dpkg-query", "-W", "-f", "${Package}\t${Version}\n", "tapcheck", "pcscd", "libccid", "libpcsclite1", "systemd", "polkitd", "vsmartcard-vpcd"); text != "" {
		add(text)
	} else if text, _ := runQuietly(a.ctx, "rpm", "-q", "--qf", "%{NAME}\t%{VERSION}-%{RELEASE}\n", "tapcheck", "pcsc-lite", "pcsc-lite-ccid", "pcsc-lite-libs", "systemd", "polkit"); text != "" {
		add(text)
	}
	return out
}

// osName is the system's own name for itself.
func osName() string {
	raw, err := os.ReadFile(filepath.Join(systemRoot, "etc/os-release"))
	if err != nil {
		return ""
	}
	for line := range strings.Lines(string(raw)) {
		if v, ok := strings.CutPrefix(strings.TrimSpace(line), "PRETTY_NAME="); ok {
			if s, err := strconv.Unquote(v); err == nil {
				v = s
			}
			return plain(v)
		}
	}
	return ""
}
