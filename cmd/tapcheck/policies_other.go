//go:build !windows

package main

import "os/exec"

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
