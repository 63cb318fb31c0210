package keys

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"testing"
)

// TestDPAPICredential keeps a secret by DPAPI: it comes back under its name, and is in no file in the clear.
func TestDPAPICredential(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "credentials")
	old := credentialFolder
	credentialFolder = func() (string, error) { return dir, nil }
	t.Cleanup(func() { credentialFolder = old })

	if _, err := ReadSecret("credential:gateway"); !errors.Is(err, errCredentialAbsent) {
		t.Errorf("before it is set: %v", err)
	}
	for _, secret := range []string{"mật khẩu 1", "another"} { // and again
		if err := SetCredential("gateway", []byte(secret)); err != nil {
			t.Fatal(err)
		}
		if got, err := ReadSecret("credential:gateway"); err != nil || got != secret {
			t.Errorf("%q, %v", got, err)
		}
	}
	file := filepath.Join(dir, "gateway.dpapi")
	raw, err := os.ReadFile(file)
	if err != nil || bytes.Contains(raw, []byte("another")) {
		t.Errorf("in the clear: %v", err)
	}
	if err := os.WriteFile(filepath.Join(dir, "other.dpapi"), raw, 0o600); err != nil {
		t.Fatal(err)
	}
	if got, err := ReadSecret("credential:other"); err == nil {
		t.Errorf("a secret goes by another name too: %q", got)
	}
	if err := os.WriteFile(file, raw[:len(raw)/2], 0o600); err != nil { // Wine's does not see every change
		t.Fatal(err)
	}
	if got, err := ReadSecret("credential:gateway"); err == nil {
		t.Errorf("a damaged one: %q", got)
	}
	if err := errors.Join(RemoveCredential("gateway"), RemoveCredential("gateway")); err != nil {
		t.Error(err)
	}
	if _, err := ReadSecret("credential:gateway"); !errors.Is(err, errCredentialAbsent) {
		t.Errorf("after it is removed: %v", err)
	}
}
