package main

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/tapcheck/tapcheck/agent/keys"
)

func (a *app) setSecret(name string, secret []byte) error {
	if err := keys.SetCredential(name, secret); err != nil {
		return dataFolderError(err)
	}
	return nil
}

func (a *app) removeSecret(name string) error {
	if err := keys.RemoveCredential(name); err != nil {
		return dataFolderError(err)
	}
	return nil
}

// purgeSecrets takes away what secret set has kept.
func purgeSecrets() error {
	dir, err := keys.CredentialFolder()
	if err != nil {
		return err
	}
	return os.RemoveAll(dir)
}

// keepSecret keeps a secret of setup's by DPAPI, and gives what a setting names it by. A file of an older version's goes.
func keepSecret(dir, name, secret string) (ref string, err error) {
	if err := keys.SetCredential(name, []byte(secret)); err != nil {
		return "", err
	}
	if err := os.Remove(filepath.Join(dir, name)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return "", &keys.FileError{Path: filepath.Join(dir, name), Err: err}
	}
	return keys.CredentialPrefix + name, nil
}

// prepareData makes the data folder. The service could not, as LocalService: the folder above is the administrators'.
func prepareData(dir string) error {
	if err := keys.Claim(dir, false); err != nil {
		return dataFolderError(err)
	}
	return nil
}
