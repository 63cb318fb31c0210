//go:build !windows

package main

import (
	"os/exec"

	"github.com/tapcheck/tapcheck/agent/keys"
)

// openPage shows a page in the user's browser.
func openPage(page string) error { return exec.Command("xdg-open", page).Run() }

// tellUser has nothing to do: the terminal has said it.
func tellUser(string) {}

// protectSettings has nothing to do: the package's folder is root's.
func protectSettings(string, bool) error { return nil }

// installedData is where an installer put the data folder; packages on Linux use the usual place.
func installedData() string { return "" }

// purgeSecrets has nothing to do: on Linux the packages' purge takes them away.
func purgeSecrets() error { return nil }

// keepSecret keeps a secret of setup's in a private file of the data folder, and gives what a setting names it by.
func keepSecret(dir, name, secret string) (ref string, err error) {
	file, err := keys.OpenFile(dir, name)
	if err != nil {
		return "", err
	}
	return file.Path(), file.Change(func([]byte) ([]byte, error) { return []byte(secret + "\n"), nil })
}

// prepareData has nothing to do: systemd makes the service's data folder.
func prepareData(string) error { return nil }
