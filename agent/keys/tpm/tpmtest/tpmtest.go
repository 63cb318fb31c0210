// Package tpmtest runs a software TPM 2.0 (swtpm), each with seeds of its own, for tests.
package tpmtest

import (
	"errors"
	"io/fs"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/go-tpm/tpm2"
	"github.com/google/go-tpm/tpm2/transport"

	"github.com/tapcheck/tapcheck/agent/keys/tpm"
)

// TPM is one.
type TPM struct {
	t      testing.TB
	dir    string
	socket string
	stop   func()
	denied bool
}

// Start makes a TPM that nobody has used yet. It ends with the test.
func Start(t testing.TB) *TPM {
	t.Helper()
	dir, err := os.MkdirTemp("", "swtpm") // a socket's path is short
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	s := &TPM{t: t, dir: dir, socket: filepath.Join(dir, "s")}
	s.On()
	return s
}

// On switches it on, with what it knew before.
func (s *TPM) On() {
	s.t.Helper()
	if s.stop != nil {
		return
	}
	_ = os.Remove(s.socket)
	c := exec.Command("swtpm", "socket", "--tpm2", "--tpmstate", "dir="+s.dir, "--server", "type=unixio,path="+s.socket, "--flags", "not-need-init,startup-clear")
	if err := c.Start(); err != nil {
		s.t.Fatalf("swtpm, which installer/setup.sh test installs: %v", err)
	}
	ended := make(chan struct{})
	go func() { _ = c.Wait(); close(ended) }()
	s.stop = func() { _ = c.Process.Kill(); <-ended }
	s.t.Cleanup(s.Off)
	for {
		if conn, err := net.Dial("unix", s.socket); err == nil {
			_ = conn.Close()
			return
		}
		select {
		case <-ended:
			s.t.Fatal("swtpm has ended")
		case <-time.After(5 * time.Millisecond):
		}
	}
}

// Off switches it off, or takes it out.
func (s *TPM) Off() {
	if s.stop != nil {
		s.stop()
		s.stop = nil
	}
}

// Deny says whether the right to use it is missing.
func (s *TPM) Deny(denied bool) { s.denied = denied }

// Device is it, as a program sees it that has just been started.
func (s *TPM) Device() *tpm.Device { return tpm.New(s.open) }

func (s *TPM) open() (transport.TPMCloser, error) {
	if s.denied {
		return nil, &fs.PathError{Op: "open", Path: s.socket, Err: fs.ErrPermission}
	}
	conn, err := net.Dial("unix", s.socket)
	if err != nil {
		return nil, err
	}
	return transport.FromReadWriteCloser(conn), nil
}

// Do gives it one command of a test's own.
func (s *TPM) Do(command func(transport.TPM) error) {
	s.t.Helper()
	c, err := s.open()
	if err == nil {
		err = errors.Join(command(c), c.Close())
	}
	if err != nil {
		s.t.Fatal(err)
	}
}

// Clear clears it, as the firmware's menu does.
func (s *TPM) Clear() {
	s.t.Helper()
	s.Do(func(t transport.TPM) error {
		_, err := tpm2.Clear{AuthHandle: tpm2.AuthHandle{Handle: tpm2.TPMRHPlatform, Auth: tpm2.PasswordAuth(nil)}}.Execute(t)
		return err
	})
}

// Keep makes a storage key stay, as Windows does.
func (s *TPM) Keep(template tpm2.TPMTPublic) {
	s.t.Helper()
	s.Do(func(t transport.TPM) error {
		owner := tpm2.AuthHandle{Handle: tpm2.TPMRHOwner, Auth: tpm2.PasswordAuth(nil)}
		r, err := tpm2.CreatePrimary{PrimaryHandle: owner, InPublic: tpm2.New2B(template)}.Execute(t)
		if err != nil {
			return err
		}
		_, err = tpm2.EvictControl{Auth: owner, ObjectHandle: &tpm2.NamedHandle{Handle: r.ObjectHandle, Name: r.Name}, PersistentHandle: 0x81000001}.Execute(t)
		_, flushed := tpm2.FlushContext{FlushHandle: r.ObjectHandle}.Execute(t)
		return errors.Join(err, flushed)
	})
}

// Own gives the owner a password.
func (s *TPM) Own(password string) {
	s.t.Helper()
	s.Do(func(t transport.TPM) error {
		_, err := tpm2.HierarchyChangeAuth{
			AuthHandle: tpm2.AuthHandle{Handle: tpm2.TPMRHOwner, Auth: tpm2.PasswordAuth(nil)}, NewAuth: tpm2.TPM2BAuth{Buffer: []byte(password)},
		}.Execute(t)
		return err
	})
}

// Property is one of what it tells about itself, such as how many tries were counted.
func (s *TPM) Property(which tpm2.TPMPT) (value uint32) {
	s.t.Helper()
	s.Do(func(t transport.TPM) error {
		r, err := tpm2.GetCapability{Capability: tpm2.TPMCapTPMProperties, Property: uint32(which), PropertyCount: 1}.Execute(t)
		if err != nil {
			return err
		}
		list, err := r.CapabilityData.Data.TPMProperties()
		if err == nil && (len(list.TPMProperty) != 1 || list.TPMProperty[0].Property != which) {
			err = errors.New("no such property")
		}
		if err == nil {
			value = list.TPMProperty[0].Value
		}
		return err
	})
	return value
}
