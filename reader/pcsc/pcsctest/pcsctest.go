//go:build linux

// Package pcsctest runs a private PC/SC daemon for tests: a real pcscd with readers into which simulated chips are plugged
// over TCP (virtual.PlugIn), whose readers can be plugged in, unplugged and broken, and which can be killed, frozen and
// started again. It needs no root, no systemd and no namespace, and touches nothing of the system's own daemon.
//
// The readers are vpcd's, but the daemon takes them for USB readers: it is told of them through a libudev that the test plays
// (testdata/preload.c), because pcscd 1.9.9 looks at the readers of its configuration files once, when it starts.
//
// It stands on Debian's packages pcscd, vsmartcard-vpcd and libpcsclite-dev, and on a C compiler, which cgo needs anyway.
// Where one is missing the test fails and says so: a test of the main road is never skipped.
//
// libpcsclite reads the path of the socket once per process, so it is the same for all daemons of a process, and only one of
// them can run at a time. The environment of the process is set by Start; Env is for child processes.
package pcsctest

import (
	"bytes"
	"embed"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

//go:embed testdata/driver.c testdata/preload.c
var sources embed.FS

// SocketEnv names the socket to libpcsclite.
const SocketEnv = "PCSCLITE_CSOCK_NAME"

const needs = "pcscd with virtual readers is needed and not there (%v): `make test` installs it (Debian packages pcscd, vsmartcard-vpcd, libpcsclite-dev, pkg-config, a C compiler)"

// patience is how long the daemon may take to come up; it takes some milliseconds.
const patience = 15 * time.Second

var (
	one sync.Mutex // held while a daemon exists

	home = sync.OnceValues(func() (string, error) {
		// Only the name is used again and again; each daemon makes and removes the directory.
		dir, err := os.MkdirTemp("", "tapcheck-pcsc")
		if err != nil {
			return "", err
		}
		return dir, os.Remove(dir)
	})

	libraries = sync.OnceValues(func() (map[string][]byte, error) {
		dir, err := os.MkdirTemp("", "tapcheck-driver")
		if err != nil {
			return nil, err
		}
		defer os.RemoveAll(dir)
		flags, err := exec.Command("pkg-config", "--cflags", "libpcsclite").Output()
		if err != nil {
			return nil, fmt.Errorf("pkg-config libpcsclite: %w", err)
		}
		built := make(map[string][]byte)
		for _, name := range []string{"driver", "preload"} {
			source, err := sources.ReadFile("testdata/" + name + ".c")
			if err != nil {
				return nil, err
			}
			src, lib := filepath.Join(dir, name+".c"), filepath.Join(dir, name+".so")
			if err := os.WriteFile(src, source, 0o600); err != nil {
				return nil, err
			}
			args := append([]string{"-shared", "-fPIC", "-O1", "-Wall", "-o", lib, src}, strings.Fields(string(flags))...)
			if out, err := exec.Command("cc", append(args, "-ldl")...).CombinedOutput(); err != nil {
				return nil, fmt.Errorf("cc: %w: %s", err, out)
			}
			if built[name], err = os.ReadFile(lib); err != nil {
				return nil, err
			}
		}
		return built, nil
	})
)

// find gives the paths of pcscd and of vpcd's driver.
func find() (pcscd, vpcd string, err error) {
	// /usr/sbin is not in every user's path.
	for _, p := range append(filepath.SplitList(os.Getenv("PATH")), "/usr/sbin", "/usr/local/sbin") {
		if f := filepath.Join(p, "pcscd"); executable(f) {
			pcscd = f
			break
		}
	}
	if pcscd == "" {
		return "", "", errors.New("no pcscd")
	}
	for _, pattern := range []string{"/usr/lib/pcsc/drivers/serial", "/usr/lib/*/pcsc/drivers/serial", "/usr/lib64/pcsc/drivers/serial", "/usr/local/lib/pcsc/drivers/serial"} {
		if found, _ := filepath.Glob(filepath.Join(pattern, "libifdvpcd.so*")); len(found) > 0 {
			return pcscd, found[0], nil
		}
	}
	return "", "", errors.New("no libifdvpcd.so")
}

func executable(f string) bool {
	info, err := os.Stat(f)
	return err == nil && info.Mode().IsRegular() && info.Mode()&0o111 != 0
}

// Daemon is one pcscd with its readers.
type Daemon struct {
	t       testing.TB
	dir     string
	pcscd   string
	dropdir string         // where pcscd looks for the drivers of USB readers
	names   []string       // of the readers, as they were given
	ports   map[string]int // by name
	plugged map[string]bool
	usb     *os.File // what is written here is plugged in or taken away
	log     buffer
	cmd     *exec.Cmd
	exited  chan struct{}
}

// buffer is the daemon's log.
type buffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (b *buffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.b.Len() > 1<<20 {
		b.b.Reset()
	}
	return b.b.Write(p)
}

func (b *buffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.String()
}

// Start starts a daemon with readers of these names, all plugged in and empty. pcscd puts a number and a slot behind each
// name: "Desk" is "Desk 00 00". It ends with the test.
func Start(t testing.TB, readers ...string) *Daemon {
	t.Helper()
	pcscd, vpcd, err := find()
	if err != nil {
		t.Fatalf(needs, err)
	}
	libs, err := libraries()
	if err != nil {
		t.Fatalf(needs, err)
	}
	driver, err := os.ReadFile(vpcd)
	if err != nil {
		t.Fatalf(needs, err)
	}
	dir, err := home()
	if err != nil {
		t.Fatal(err)
	}
	one.Lock()
	d := &Daemon{
		t: t, dir: dir, pcscd: pcscd, dropdir: dropdir(pcscd),
		names: readers, ports: make(map[string]int), plugged: make(map[string]bool),
	}
	t.Cleanup(func() {
		d.Kill()
		if d.usb != nil {
			_ = d.usb.Close()
		}
		if t.Failed() {
			t.Logf("pcscd said:\n%s", d.log.String())
		}
		_ = os.RemoveAll(dir)
		one.Unlock()
	})
	// The daemon may be another user (see Run), so the directories are open and the umask has no say.
	d.mkdir("")
	d.mkdir("conf")
	d.mkdir("broken")
	d.mkdir("usb")
	d.write("preload.so", libs["preload"])
	for i, name := range readers {
		d.ports[name], d.plugged[name] = freePort(t, d.ports), true
		contents := fmt.Sprintf("usb/reader%d.bundle/Contents", i)
		d.mkdir(filepath.Dir(contents))
		d.mkdir(contents)
		d.mkdir(contents + "/Linux")
		d.write(contents+"/Linux/driver.so", libs["driver"])
		d.write(contents+"/Linux/driver.so.vpcd", driver)
		d.write(contents+"/Info.plist", fmt.Appendf(nil, `<?xml version="1.0" encoding="UTF-8"?>
<plist version="1.0">
<dict>
	<key>CFBundleExecutable</key>
	<string>driver.so</string>
	<key>ifdVendorID</key>
	<array><string>0x1209</string></array>
	<key>ifdProductID</key>
	<array><string>0x%04X</string></array>
	<key>ifdFriendlyName</key>
	<array><string>%s</string></array>
</dict>
</plist>
`, i, name))
	}
	if err := os.Setenv(SocketEnv, d.Socket()); err != nil {
		t.Fatal(err)
	}
	d.Run()
	return d
}

// dropdir asks pcscd where it was built to look for drivers.
func dropdir(pcscd string) string {
	out, _ := exec.Command(pcscd, "--version").CombinedOutput()
	if _, rest, ok := strings.Cut(string(out), "usbdropdir="); ok {
		if fields := strings.Fields(rest); len(fields) > 0 {
			return fields[0]
		}
	}
	return "/usr/lib/pcsc/drivers"
}

func (d *Daemon) mkdir(name string) {
	d.t.Helper()
	p := filepath.Join(d.dir, name)
	if err := errors.Join(os.MkdirAll(p, 0o755), os.Chmod(p, 0o755)); err != nil {
		d.t.Fatal(err)
	}
}

func (d *Daemon) write(name string, data []byte) {
	d.t.Helper()
	p := filepath.Join(d.dir, name)
	if err := errors.Join(os.WriteFile(p, data, 0o644), os.Chmod(p, 0o644)); err != nil {
		d.t.Fatal(err)
	}
}

// freePort takes a port that is free now. Others may take it before pcscd does; then Run says so.
func freePort(t testing.TB, taken map[string]int) int {
	t.Helper()
	for {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		port := l.Addr().(*net.TCPAddr).Port
		_ = l.Close()
		again := false
		for _, p := range taken {
			again = again || p == port
		}
		if !again {
			return port
		}
	}
}

// Socket is the path on which the daemon listens.
func (d *Daemon) Socket() string { return filepath.Join(d.dir, "pcscd.comm") }

// Env is the environment that a child process needs in order to find this daemon.
func (d *Daemon) Env() []string { return append(os.Environ(), SocketEnv+"="+d.Socket()) }

// Addr is where a simulated chip is plugged into the reader, for virtual.PlugIn.
func (d *Daemon) Addr(name string) string {
	return net.JoinHostPort("127.0.0.1", strconv.Itoa(d.port(name)))
}

func (d *Daemon) port(name string) int {
	d.t.Helper()
	port, ok := d.ports[name]
	if !ok {
		d.t.Fatalf("the daemon was started without a reader %q", name)
	}
	return port
}

// Run starts the daemon again after Kill, and waits until its readers are up.
//
// The path of pcscd's socket is compiled in, so it gets its socket as systemd would give it: open, as descriptor 3. As root
// it would also overwrite the system daemon's pid file, so it runs as nobody.
func (d *Daemon) Run() {
	d.t.Helper()
	if d.cmd != nil {
		d.t.Fatal("the daemon runs already")
	}
	// A new pipe, so that nothing is left in it that an earlier daemon has not taken.
	pipe := filepath.Join(d.dir, "usb", "events")
	if d.usb != nil {
		_ = d.usb.Close()
		_ = os.Remove(pipe)
	}
	if err := errors.Join(syscall.Mkfifo(pipe, 0o666), os.Chmod(pipe, 0o666)); err != nil {
		d.t.Fatal(err)
	}
	usb, err := os.OpenFile(pipe, os.O_RDWR, 0)
	if err != nil {
		d.t.Fatal(err)
	}
	d.usb = usb

	l, err := net.ListenUnix("unix", &net.UnixAddr{Name: d.Socket(), Net: "unix"})
	if err != nil {
		d.t.Fatal(err)
	}
	l.SetUnlinkOnClose(false)
	defer l.Close() // the daemon has its own; a client must find nobody when that is killed
	if err := os.Chmod(d.Socket(), 0o666); err != nil {
		d.t.Fatal(err)
	}
	f, err := l.File()
	if err != nil {
		d.t.Fatal(err)
	}
	defer f.Close()
	// LISTEN_PID must be the daemon's own number, which only a shell that becomes it can say in time.
	args := []string{"-c", `preload="$1"; shift; LISTEN_FDS=1 LISTEN_PID=$$ LD_PRELOAD="$preload" exec "$0" "$@"`,
		d.pcscd, filepath.Join(d.dir, "preload.so"), "-f", "-i", "-c", filepath.Join(d.dir, "conf")}
	if help, _ := exec.Command(d.pcscd, "--help").CombinedOutput(); bytes.Contains(help, []byte("--disable-polkit")) {
		// Where it is built with polkit, it would ask the system's polkitd whether this user may.
		args = append(args, "--disable-polkit")
	}
	cmd := exec.Command("/bin/sh", args...)
	cmd.Env = []string{
		"PATH=/usr/sbin:/usr/bin:/sbin:/bin",
		"TAPCHECK_BROKEN=" + filepath.Join(d.dir, "broken"),
		"TAPCHECK_USB=" + filepath.Join(d.dir, "usb"),
		"TAPCHECK_DROPDIR=" + d.dropdir,
	}
	cmd.Dir = "/"
	cmd.ExtraFiles = []*os.File{f}
	cmd.Stdout, cmd.Stderr = &d.log, &d.log
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if os.Getuid() == 0 {
		if nobody, err := user.Lookup("nobody"); err == nil {
			uid, _ := strconv.ParseUint(nobody.Uid, 10, 32)
			gid, _ := strconv.ParseUint(nobody.Gid, 10, 32)
			cmd.SysProcAttr.Credential = &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}
		}
	}
	if err := cmd.Start(); err != nil {
		d.t.Fatalf(needs, err)
	}
	exited := make(chan struct{})
	go func() {
		_ = cmd.Wait()
		close(exited)
	}()
	d.cmd, d.exited = cmd, exited
	for _, name := range d.names {
		if d.plugged[name] {
			d.event("add", name)
			d.await(name, true)
		}
	}
}

// event tells the daemon what happened on USB; see testdata/preload.c.
func (d *Daemon) event(action, name string) {
	d.t.Helper()
	number := -1
	for i, n := range d.names {
		if n == name {
			number = i
		}
	}
	record := make([]byte, 16)
	copy(record, fmt.Sprintf("%s %d %d", action, number, d.port(name)))
	if _, err := d.usb.Write(record); err != nil {
		d.t.Fatal(err)
	}
}

// await waits until the reader's port is open, or closed. It must not connect to find out: that would put a card in.
func (d *Daemon) await(name string, open bool) {
	d.t.Helper()
	want := fmt.Sprintf(" 0100007F:%04X 00000000:0000 0A ", d.port(name))
	for limit := time.Now().Add(patience); ; time.Sleep(2 * time.Millisecond) {
		table, err := os.ReadFile("/proc/net/tcp")
		if err != nil {
			d.t.Fatal(err)
		}
		if bytes.Contains(table, []byte(want)) == open {
			return
		}
		select {
		case <-d.exited:
			d.t.Fatalf("pcscd ended:\n%s", d.log.String())
		default:
		}
		if time.Now().After(limit) {
			d.t.Fatalf("reader %q: port %d open=%v never came", name, d.port(name), open)
		}
	}
}

// Kill ends the daemon at once, as a crash does; its socket goes too. Without a daemon it does nothing.
func (d *Daemon) Kill() {
	if d.cmd == nil {
		return
	}
	_ = d.cmd.Process.Kill()
	<-d.exited
	d.cmd = nil
	_ = os.Remove(d.Socket())
}

// Freeze stops the daemon without ending it, as a driver that hangs does; Thaw lets it go on. When it returns every thread
// of the daemon stands still: the signal alone is on its way for a moment, in which a command may still be answered.
func (d *Daemon) Freeze() {
	d.t.Helper()
	d.signal(syscall.SIGSTOP)
	for end := time.Now().Add(patience); !stopped(d.cmd.Process.Pid); time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			d.t.Fatal("the daemon does not stop")
		}
	}
}

// stopped says whether every thread of a process is stopped (proc(5): state T, the first field after the name in brackets).
func stopped(pid int) bool {
	threads, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/stat", pid))
	if err != nil || len(threads) == 0 {
		return false
	}
	for _, file := range threads {
		stat, err := os.ReadFile(file)
		name := bytes.LastIndexByte(stat, ')')
		if err != nil || name < 0 || !bytes.HasPrefix(stat[name+1:], []byte(" T")) {
			return false
		}
	}
	return true
}

// Thaw ends what Freeze began.
func (d *Daemon) Thaw() { d.signal(syscall.SIGCONT) }

func (d *Daemon) signal(sig syscall.Signal) {
	d.t.Helper()
	if d.cmd == nil {
		d.t.Fatal("the daemon does not run")
	}
	if err := d.cmd.Process.Signal(sig); err != nil {
		d.t.Fatal(err)
	}
}

// Unplug takes a reader away, with the card in it. When it returns the daemon has let go of the reader. A daemon that does
// not run will not see it when it is started again.
func (d *Daemon) Unplug(name string) { d.t.Helper(); d.plug(name, "remove", false) }

// Plug brings a reader back, empty.
func (d *Daemon) Plug(name string) { d.t.Helper(); d.plug(name, "add", true) }

func (d *Daemon) plug(name, action string, plugged bool) {
	d.t.Helper()
	d.plugged[name] = plugged
	if d.cmd != nil {
		d.event(action, name)
		d.await(name, plugged)
	}
}

// Break makes a reader fail: it is there, and its driver cannot reach it. Mend ends that.
func (d *Daemon) Break(name string) {
	d.t.Helper()
	d.write(d.broken(name), nil)
}

// Mend ends what Break began.
func (d *Daemon) Mend(name string) {
	d.t.Helper()
	if err := os.Remove(filepath.Join(d.dir, d.broken(name))); err != nil {
		d.t.Fatal(err)
	}
}

func (d *Daemon) broken(name string) string {
	return filepath.Join("broken", strconv.Itoa(d.port(name)))
}
