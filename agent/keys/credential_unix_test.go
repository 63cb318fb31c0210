//go:build unix

package keys

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestSystemdCredential reads what systemd would give to the service, and nothing else.
func TestSystemdCredential(t *testing.T) {
	dir := t.TempDir()
	t.Setenv("CREDENTIALS_DIRECTORY", dir)
	for name, mode := range map[string]os.FileMode{"password": 0o400, "by-acl": 0o440, "open": 0o444, "folder": 0} {
		path := filepath.Join(dir, name)
		if name == "folder" {
			if err := os.Mkdir(path, 0o700); err != nil {
				t.Fatal(err)
			}
			continue
		}
		if err := os.WriteFile(path, []byte("s3cret\n"), mode); err != nil {
			t.Fatal(err)
		}
	}
	outside := filepath.Join(t.TempDir(), "outside")
	if err := errors.Join(os.WriteFile(outside, []byte("another\n"), 0o600), os.Symlink(outside, filepath.Join(dir, "link"))); err != nil {
		t.Fatal(err)
	}
	for ref, want := range map[string]string{"credential:password": "s3cret", "credential:by-acl": "s3cret"} {
		if got, err := ReadSecret(ref); err != nil || got != want {
			t.Errorf("%s: %v", ref, err)
		}
	}
	for ref, want := range map[string]error{
		"credential:open": ErrExposed, "credential:folder": ErrNotFile, "credential:link": ErrNotFile, "credential:nosuch": errCredentialAbsent,
		"credential:": errCredentialName, "credential:../outside": errCredentialName, "credential:.hidden": errCredentialName,
		"credential:" + strings.Repeat("a", 65): errCredentialName, "credential:a/b": errCredentialName,
	} {
		_, err := ReadSecret(ref)
		var f *FileError
		if !errors.Is(err, want) || !errors.As(err, &f) || !strings.HasPrefix(f.Path, "credential:") {
			t.Errorf("%.40s: got %v, want %v", ref, err, want)
		}
	}
	t.Setenv("CREDENTIALS_DIRECTORY", "")
	if _, err := os.Stat(ServiceCredentials); err != nil {
		if _, err := ReadPrivate("credential:password"); !errors.Is(err, ErrServiceOnly) {
			t.Errorf("without a service: %v", err)
		}
	}
}
