package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// Where a secret of the service lies, encrypted by systemd-creds with this machine's own key (and its TPM, where it has one), and
// the drop-in by which the unit gets it.
const (
	credentialStore  = "etc/credstore.encrypted"
	credentialDropIn = "etc/systemd/system/tapcheck.service.d"
)

func (a *app) setSecret(name string, secret []byte) error {
	h, err := thisHost()
	if err != nil {
		return err
	}
	return h.setSecret(a.ctx, name, secret, encryptForSystemd)
}

// encryptForSystemd seals a secret so that systemd of this machine alone can open it, for a unit that asks for that name.
func encryptForSystemd(ctx context.Context, name string, secret []byte) ([]byte, error) {
	ctx, stop := context.WithTimeout(ctx, serviceWait)
	defer stop()
	c := exec.CommandContext(ctx, "systemd-creds", "encrypt", "--name="+name, "-", "-")
	c.Stdin = bytes.NewReader(secret)
	sealed, err := c.Output()
	switch exit, failed := errors.AsType[*exec.ExitError](err); {
	case errors.Is(err, exec.ErrNotFound):
		return nil, errors.New("systemd-creds is not here (systemd 250 or newer): put the secret into a file that only the service may read")
	case failed:
		return nil, fmt.Errorf("systemd-creds: %s", strings.TrimSpace(string(exit.Stderr)))
	}
	return sealed, err
}

func (h systemdHost) secretFiles(name string) (sealed, dropIn string) {
	return filepath.Join(h.root, credentialStore, "tapcheck."+name), filepath.Join(h.root, credentialDropIn, "credential-"+name+".conf")
}

func (h systemdHost) setSecret(ctx context.Context, name string, secret []byte, encrypt func(context.Context, string, []byte) ([]byte, error)) error {
	raw, err := encrypt(ctx, name, secret)
	if err != nil {
		return err
	}
	sealed, dropIn := h.secretFiles(name)
	if err := os.MkdirAll(filepath.Dir(sealed), 0o700); err != nil {
		return err
	}
	f, err := os.CreateTemp(filepath.Dir(sealed), ".tapcheck-*") // its owner's alone
	if err != nil {
		return err
	}
	_, err = f.Write(raw)
	if err = errors.Join(err, f.Close()); err == nil {
		err = os.Rename(f.Name(), sealed)
	}
	if err != nil {
		_ = os.Remove(f.Name())
		return err
	}
	relative, err := filepath.Rel(h.root, dropIn)
	if err != nil {
		return err
	}
	if err := h.write(relative, made+"[Service]\nLoadCredentialEncrypted="+name+":/"+credentialStore+"/tapcheck."+name+"\n"); err != nil {
		return err
	}
	_, err = h.run(ctx, "systemctl", "daemon-reload")
	return err // it is the service's from its next start
}

func (a *app) removeSecret(name string) error {
	h, err := thisHost()
	if err != nil {
		return err
	}
	return h.removeSecret(a.ctx, name)
}

func (h systemdHost) removeSecret(ctx context.Context, name string) error {
	sealed, dropIn := h.secretFiles(name)
	for _, file := range []string{dropIn, sealed} { // a unit that asks for one that is not there does not start
		if err := os.Remove(file); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	_ = os.Remove(filepath.Dir(dropIn)) // where nothing else is in it
	_, err := h.run(ctx, "systemctl", "daemon-reload")
	return err
}
