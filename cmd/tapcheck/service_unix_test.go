//go:build unix

package main

import (
	"bytes"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/tapcheck/tapcheck/agent/keys"
)

// systemd is the other end of sd_notify.
type systemd struct {
	t *testing.T
	c *net.UnixConn
}

func newSystemd(t *testing.T) *systemd {
	t.Helper()
	dir, err := os.MkdirTemp("", "sd") // a socket's name is short
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	c, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: filepath.Join(dir, "notify"), Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	return &systemd{t, c}
}

// until reads what the service says until a message satisfies, and gives that one.
func (s *systemd) until(what string, is func(lines []string) bool) []string {
	s.t.Helper()
	_ = s.c.SetReadDeadline(time.Now().Add(40 * time.Second))
	buf := make([]byte, 4096)
	for {
		n, err := s.c.Read(buf)
		if err != nil {
			s.t.Fatalf("the service never said %s: %v", what, err)
		}
		if lines := strings.Split(string(buf[:n]), "\n"); is(lines) {
			return lines
		}
	}
}

func status(lines []string) string {
	for _, l := range lines {
		if s, ok := strings.CutPrefix(l, "STATUS="); ok {
			return s
		}
	}
	return ""
}

// TestServiceComesUpWhateverIsMissing starts the service on a PC whose ports are all taken and whose PC/SC service does not
// run: it is ready, says what is wrong, serves as soon as it can, and says goodbye.
func TestServiceComesUpWhateverIsMissing(t *testing.T) {
	other, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer other.Close()
	port := other.Addr().(*net.TCPAddr).Port
	sd := newSystemd(t)
	p := start(t, func(c *exec.Cmd) {
		writeConfig(t, c, fmt.Sprintf("[his]\nports = [%d]\n", port))
		c.Env = append(c.Env, "NOTIFY_SOCKET="+sd.c.LocalAddr().String(), "PCSCLITE_CSOCK_NAME=/nonexistent/pcscd.comm")
	}, "run", "--service")
	ready := sd.until("READY", func(l []string) bool { return slices.Contains(l, "READY=1") })
	if s := status(ready); !strings.HasPrefix(s, "no port ") || !strings.Contains(s, "PORTS_TAKEN") || !slices.Contains(ready, "WATCHDOG=1") {
		t.Errorf("ready with %q", ready)
	}
	sd.until("that PC/SC does not run", func(l []string) bool { return strings.Contains(status(l), "PCSC_") })
	if err := other.Close(); err != nil {
		t.Fatal(err)
	}
	served := sd.until("where it serves", func(l []string) bool { return strings.HasPrefix(status(l), "ws://") })
	if s := status(served); !strings.HasPrefix(s, fmt.Sprintf("ws://127.0.0.1:%d/v1", port)) || strings.Contains(s, "PORTS_TAKEN") || slices.Contains(served, "READY=1") {
		t.Errorf("later: %q", served)
	}
	if got := p.addr(); got != fmt.Sprintf("127.0.0.1:%d", port) {
		t.Errorf("it published %s", got)
	}
	_ = p.cmd.Process.Signal(syscall.SIGTERM)
	sd.until("STOPPING", func(l []string) bool { return slices.Contains(l, "STOPPING=1") })
	<-p.done
	if p.err != nil {
		t.Errorf("end: %v\n%s", p.err, p.stderr)
	}
}

// A service that is stopped while it has no port ends well too.
func TestServiceIsStoppedWithoutAPort(t *testing.T) {
	other, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer other.Close()
	sd := newSystemd(t)
	p := start(t, func(c *exec.Cmd) {
		writeConfig(t, c, fmt.Sprintf("[his]\nports = [%d]\n", other.Addr().(*net.TCPAddr).Port))
		c.Env = append(c.Env, "NOTIFY_SOCKET="+sd.c.LocalAddr().String())
	}, "run", "--service")
	sd.until("READY", func(l []string) bool { return slices.Contains(l, "READY=1") })
	_ = p.cmd.Process.Signal(syscall.SIGTERM)
	<-p.done
	if p.err != nil {
		t.Errorf("end: %v\n%s", p.err, p.stderr)
	}
}

// In the foreground somebody sits there who can choose another port.
func TestRunInTheForegroundEndsWhereAllPortsAreTaken(t *testing.T) {
	other, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer other.Close()
	p := start(t, func(c *exec.Cmd) {
		writeConfig(t, c, fmt.Sprintf("[his]\nports = [%d]\n", other.Addr().(*net.TCPAddr).Port))
	}, "run")
	<-p.done
	if code := p.cmd.ProcessState.ExitCode(); code != exitPort {
		t.Errorf("exit code %d\n%s", code, p.stderr)
	}
}

// writeConfig fills the settings file that start has made.
func writeConfig(t *testing.T, c *exec.Cmd, text string) {
	t.Helper()
	at := slices.Index(c.Args, "--config")
	if err := os.WriteFile(c.Args[at+1], []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

// TestServiceOutlivesItsSettings damages the file of a service that has started well once: it comes up with the last good ones and
// says so, refuses what is still wrong when it is asked to read again (SIGHUP), and takes what is right, as far as it is live.
func TestServiceOutlivesItsSettings(t *testing.T) {
	sd := newSystemd(t)
	port := freePort(t)
	var file, data string
	begin := func(text string) *program {
		p := start(t, func(c *exec.Cmd) {
			at := slices.Index(c.Args, "--config")
			if file == "" {
				file, data = c.Args[at+1], c.Args[at-1]
			}
			c.Args[at+1], c.Args[at-1] = file, data
			writeConfig(t, c, text)
			c.Env = append(c.Env, "NOTIFY_SOCKET="+sd.c.LocalAddr().String(), "PCSCLITE_CSOCK_NAME=/nonexistent/pcscd.comm")
		}, "run", "--service")
		p.data = data
		return p
	}
	said := func(p *program, event string) string {
		t.Helper()
		for deadline := time.Now().Add(20 * time.Second); time.Now().Before(deadline); time.Sleep(5 * time.Millisecond) {
			for _, l := range p.lines() {
				if strings.Contains(l, `"`+event+`"`) {
					return l
				}
			}
		}
		t.Fatalf("it never said %s:\n%s", event, p.stderr)
		return ""
	}
	good := fmt.Sprintf("[his]\nports = [%d]\nmax_connections = 3\n[console]\nidle_ms = 60000\n", port)
	p := begin(good)
	p.addr()
	said(p, "agent.ready")
	p.stop()

	p = begin(strings.Replace(good, "max_connections", "max_conections", 1))
	ready := sd.until("READY with the last good settings", func(l []string) bool {
		return slices.Contains(l, "READY=1") && strings.Contains(status(l), "SETTINGS_LAST_GOOD")
	})
	if s := status(ready); !strings.Contains(s, fmt.Sprintf(":%d/", port)) {
		t.Errorf("not with the last good port: %s", s)
	}
	if text := p.stderr.String(); !strings.Contains(text, "line 3: his.max_conections: unknown setting") || !strings.Contains(text, "settings.last_good") {
		t.Errorf("it does not say what is wrong:\n%s", text)
	}
	said(p, "agent.ready")
	hangup := func() {
		t.Helper()
		if err := p.cmd.Process.Signal(syscall.SIGHUP); err != nil {
			t.Fatal(err)
		}
	}
	hangup()
	said(p, "settings.refused")
	if err := os.WriteFile(file, []byte(strings.Replace(good, "= 3", "= 4", 1)+"[log]\nlevel = \"warn\"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	hangup()
	if l := said(p, "settings.taken"); !strings.Contains(l, `"restart":["his.max_connections"]`) {
		t.Errorf("taken: %s", l)
	}
	p.stop()
	if strings.Contains(p.stderr.String(), "agent.stopped") {
		t.Error("the level of the log was not in force at once")
	}
}

// TestRunRefuses: what keeps the agent from starting has its words, in both languages, and its exit code.
func TestRunRefuses(t *testing.T) {
	first := start(t, nil, "run")
	first.addr()
	folder := func(t *testing.T) string { return t.TempDir() }
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		data, config string
		code         int
		vi, en       string
	}{
		"a second instance":       {first.data, "", exitSettings, "đang chạy", "already"},
		"a folder without rights": {filepath.Join(file, "data"), "", exitSettings, "thư mục dữ liệu", "data folder"},
		"damaged settings":        {folder(t), "[his\n", exitSettings, "dòng 1", "line 1"},
		"a wrong setting":         {folder(t), "[his]\nports = [80]\n", exitSettings, "his.ports", "his.ports"},
	} {
		t.Run(name, func(t *testing.T) {
			config := filepath.Join(t.TempDir(), "tapcheck.toml")
			if err := os.WriteFile(config, []byte(c.config), 0o600); err != nil {
				t.Fatal(err)
			}
			for lang, says := range map[string]string{"vi": c.vi, "en": c.en} {
				var out bytes.Buffer
				code := run(t.Context(), []string{"--config", config, "--data", c.data, "--lang", lang, "run"},
					Env{Stdin: strings.NewReader(""), Stdout: &out, Stderr: &out, Getenv: func(string) string { return "" }})
				if code != c.code || !strings.Contains(strings.ToLower(out.String()), says) {
					t.Errorf("%s: exit %d: %s", lang, code, out.String())
				}
			}
		})
	}
	full := folderFull(t)
	if code := exitCode(dataFolderError(full)); code != exitDisk {
		t.Errorf("a full disk: exit %d", code)
	}
}

// folderFull is what a folder on a full disk says.
func folderFull(t *testing.T) error {
	t.Helper()
	f, err := os.OpenFile("/dev/full", os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	_, err = f.Write([]byte("x"))
	return &keys.FileError{Path: "workstation.key", Err: err}
}
