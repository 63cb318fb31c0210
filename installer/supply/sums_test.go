package main

import (
	"crypto/ed25519"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// TestSums: checksums of every file, verified by sha256sum, with a signature that openssl verifies where there is a key, and a plain
// statement where there is none.
func TestSums(t *testing.T) {
	dir := t.TempDir()
	write := func(name, text string) {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	write("tapcheck.exe", "a program")
	write("a b.deb", "a package")
	var said strings.Builder
	if err := sums(dir, "", &said); err != nil || !strings.Contains(said.String(), "NOT SIGNED") {
		t.Errorf("%v: %s", err, said.String())
	}
	tool := func(name string, args ...string) error {
		c := exec.Command(name, args...)
		c.Dir = dir
		out, err := c.CombinedOutput()
		if err != nil {
			err = errors.New(string(out))
		}
		return err
	}
	if err := tool("sha256sum", "--check", "--strict", sumsName); err != nil {
		t.Error(err)
	}
	_, key, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "release.key")
	if err := os.WriteFile(file, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}), 0o600); err != nil {
		t.Fatal(err)
	}
	said.Reset()
	for range 2 { // a second time, over its own files
		if err := sums(dir, file, &said); err != nil || !strings.Contains(said.String(), "are signed") {
			t.Fatalf("%v: %s", err, said.String())
		}
	}
	list, err := os.ReadFile(filepath.Join(dir, sumsName))
	if err != nil || strings.Count(string(list), "\n") != 2 {
		t.Errorf("%v:\n%s", err, list)
	}
	sig, err := os.ReadFile(filepath.Join(dir, sigName))
	if err != nil || !ed25519.Verify(key.Public().(ed25519.PublicKey), list, sig) {
		t.Errorf("the signature: %v", err)
	}
	verify := []string{"pkeyutl", "-verify", "-rawin", "-pubin", "-inkey", publicName, "-in", sumsName, "-sigfile", sigName}
	if _, err := exec.LookPath("openssl"); err == nil {
		if err := tool("openssl", verify...); err != nil {
			t.Error(err)
		}
		write(sumsName, strings.Replace(string(list), "tapcheck.exe", "tapcheck.com", 1))
		if tool("openssl", verify...) == nil {
			t.Error("changed checksums are signed too")
		}
	}
	write("no.key", "secret stuff")
	if err := sums(dir, filepath.Join(dir, "no.key"), &said); err == nil || strings.Contains(err.Error(), "secret stuff") {
		t.Errorf("a key that is none: %v", err)
	}
}
