package console

import (
	"bytes"
	"crypto/rand"
	"crypto/subtle"
	"strings"

	"github.com/tapcheck/tapcheck/agent/keys"
)

// SetupFileName is the file within the data folder that holds the secret for making the first administrator. Only who
// administers the PC can read it.
const SetupFileName = "console-setup-secret.txt"

// maxSetupTries bounds the tries with a wrong secret until the agent is started anew. It has 130 random bits; the bound is
// for whoever thinks that trying is worth it.
const maxSetupTries = 100

// setupSecret is that file.
type setupSecret struct{ file *keys.File }

// OpenSetup makes the secret for the first administrator where it is needed, or removes it where it is not. path is empty
// where it is not needed. Errors: *keys.FileError.
func OpenSetup(dir string, accounts *Accounts) (path string, err error) {
	f, err := keys.OpenFile(dir, SetupFileName)
	if err != nil {
		return "", err
	}
	if !accounts.NeedsAdministrator() {
		return "", f.Remove()
	}
	return f.Path(), f.Change(func([]byte) ([]byte, error) { return []byte(rand.Text() + "\n"), nil })
}

// fits compares in constant time. Without a file nothing fits.
func (s setupSecret) fits(given string) bool {
	var want []byte
	err := s.file.Look(func(raw []byte) { want = bytes.TrimSpace(raw) })
	given = strings.ToUpper(strings.TrimSpace(given))
	return err == nil && len(want) >= 20 && subtle.ConstantTimeCompare(want, []byte(given)) == 1
}
