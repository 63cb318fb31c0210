package main

import (
	"os"

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
