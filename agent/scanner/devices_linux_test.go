package scanner

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// terminal is a pseudo-terminal: a serial port whose other end we hold, as the scanner does.
func terminal(t *testing.T) (scanner *os.File, port string) {
	t.Helper()
	m, err := os.OpenFile("/dev/ptmx", os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = m.Close() })
	c, err := m.SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	var n int
	var problem error
	if err := c.Control(func(fd uintptr) {
		if problem = unix.IoctlSetPointerInt(int(fd), unix.TIOCSPTLCK, 0); problem == nil {
			n, problem = unix.IoctlGetInt(int(fd), unix.TIOCGPTN)
		}
	}); err != nil || problem != nil {
		t.Fatal(err, problem)
	}
	return m, fmt.Sprintf("/dev/pts/%d", n)
}

// next waits for a scan.
func next(t *testing.T, scans <-chan Scan) Scan {
	t.Helper()
	select {
	case s, open := <-scans:
		if !open {
			t.Fatal("closed")
		}
		return s
	case <-time.After(20 * time.Second):
		t.Fatal("no scan")
	}
	return Scan{}
}

// A scanner on a real port of the operating system, from being plugged in to being pulled out and plugged in again.
func TestSerialScanner(t *testing.T) {
	link := filepath.Join(t.TempDir(), "ttyACM0")
	missing := make(chan bool, 10)
	s := New(Config{Serial: link, Baud: 9600, Missing: func(m bool) { missing <- m }, again: 10 * time.Millisecond})
	ctx, stop := context.WithCancel(t.Context())
	scans := s.Watch(ctx)
	if !<-missing {
		t.Fatal("it is there before it is plugged in")
	}
	for range 2 {
		dev, port := terminal(t)
		if err := os.Symlink(port, link); err != nil {
			t.Fatal(err)
		}
		if <-missing {
			t.Fatal("it is not found")
		}
		if _, err := dev.WriteString(qr + "\r"); err != nil {
			t.Fatal(err)
		}
		if got := next(t, scans); got.Text != qr || got.Kind != Serial {
			t.Errorf("%+v", got)
		}
		if _, err := dev.WriteString("123456"); err != nil {
			t.Fatal(err)
		}
		if got := next(t, scans); got.Text != "123456" {
			t.Errorf("%+v", got)
		}
		if err := os.Remove(link); err != nil {
			t.Fatal(err)
		}
		if err := dev.Close(); err != nil {
			t.Fatal(err)
		}
		if !<-missing {
			t.Fatal("nobody noticed that it was pulled out")
		}
	}
	stop()
	for range scans {
	}
}

// A scanner in HID point-of-sale mode, as the kernel shows one. There is no kernel module for a pretended device on every machine
// (uhid), so the files are made here: the descriptor, and a pipe in the place of the device.
func TestHIDScanner(t *testing.T) {
	root = t.TempDir()
	defer func() { root = "/" }()
	plug := func(name string, d []byte) *os.File {
		t.Helper()
		sys := filepath.Join(root, "sys", "class", "hidraw", name, "device")
		dev := filepath.Join(root, "dev", name)
		for _, dir := range []string{sys, filepath.Dir(dev)} {
			if err := os.MkdirAll(dir, 0o755); err != nil {
				t.Fatal(err)
			}
		}
		if err := unix.Mkfifo(dev, 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(sys, "report_descriptor"), d, 0o600); err != nil {
			t.Fatal(err)
		}
		f, err := os.OpenFile(dev, os.O_RDWR, 0) // does not wait for a reader
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = f.Close() })
		return f
	}
	keyboard := plug("hidraw0", descriptor[len(descriptor)-25:])
	missing := make(chan bool, 10)
	s := New(Config{HID: true, Missing: func(m bool) { missing <- m }, again: 10 * time.Millisecond})
	ctx, stop := context.WithCancel(t.Context())
	scans := s.Watch(ctx)
	if !<-missing {
		t.Fatal("a keyboard is a scanner")
	}
	dev := plug("hidraw1", descriptor)
	if <-missing {
		t.Fatal("it is not found")
	}
	_, _ = keyboard.WriteString("typed")
	for _, r := range reports(qr) {
		if _, err := dev.Write(r); err != nil {
			t.Fatal(err)
		}
	}
	if got := next(t, scans); got.Text != qr || got.Kind != HID {
		t.Errorf("%+v", got)
	}
	// Another one beside it, while the first is there.
	second := plug("hidraw2", unnumbered)
	if _, err := second.Write(append([]byte("123456"), make([]byte, 26)...)); err != nil {
		t.Fatal(err)
	}
	if got := next(t, scans); got.Text != "123456" {
		t.Errorf("%+v", got)
	}
	for _, name := range []string{"hidraw1", "hidraw2"} {
		if err := os.RemoveAll(filepath.Join(root, "sys", "class", "hidraw", name)); err != nil {
			t.Fatal(err)
		}
	}
	_ = dev.Close()
	_ = second.Close()
	if !<-missing {
		t.Fatal("nobody noticed that they were pulled out")
	}
	stop()
	for range scans {
	}
}
