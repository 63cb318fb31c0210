//go:build unix

package keys

import (
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
)

// ServiceCredentials is where systemd puts the credentials of our service. Root can read them there while it runs.
const ServiceCredentials = "/run/credentials/tapcheck.service"

// systemCredential reads a credential that systemd gives to the service, in $CREDENTIALS_DIRECTORY. The folder is the
// service's own, and what protects the files in it is systemd's affair: an access list (acl(5)) may make them look open to
// their group, so the mode is judged for everybody else alone.
func systemCredential(name string) (raw []byte, cure string, err error) {
	dir := os.Getenv("CREDENTIALS_DIRECTORY")
	if dir == "" {
		if _, err := os.Stat(ServiceCredentials); err != nil {
			return nil, "systemctl start tapcheck; then ask as root", ErrServiceOnly
		}
		dir = ServiceCredentials
	}
	const cureAbsent = "tapcheck secret set, or LoadCredential= in a drop-in: systemctl edit tapcheck"
	if !filepath.IsAbs(dir) {
		return nil, cureAbsent, errCredentialAbsent
	}
	f, err := openPrivate(filepath.Join(dir, name), os.O_RDONLY)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, cureAbsent, errCredentialAbsent
	}
	if err != nil {
		return nil, "", err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, "", err
	}
	st, ok := info.Sys().(*syscall.Stat_t)
	switch {
	case !info.Mode().IsRegular():
		return nil, "", ErrNotFile
	case !ok || st.Uid != 0 && int(st.Uid) != os.Geteuid() && os.Geteuid() != 0:
		return nil, "", ErrOwner
	case info.Mode().Perm()&0o007 != 0:
		return nil, "", ErrExposed
	}
	raw, err = io.ReadAll(io.LimitReader(f, fileLimit+1))
	return raw, "", err
}
