package keys

import (
	"errors"
	"regexp"
	"strings"
)

// CredentialPrefix begins a reference to a secret that the operating system keeps: on Linux a systemd credential of the service
// (LoadCredential, LoadCredentialEncrypted), on Windows one that DPAPI has encrypted for this PC (`tapcheck secret set`).
const CredentialPrefix = "credential:"

var credentialName = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9_.-]{0,63}$`)

// Errors of a credential.
var (
	errCredentialName   = errors.New("a credential's name has up to 64 letters, digits, points, lines and underlines")
	errCredentialAbsent = errors.New("there is no such credential")
	// ErrServiceOnly says that only the service itself can read a credential, and that it does not run.
	ErrServiceOnly = errors.New("only the service gets this credential")
)

// Credential gives the name in a reference to a credential.
func Credential(ref string) (name string, is bool) { return strings.CutPrefix(ref, CredentialPrefix) }

// CheckCredential says whether a credential may have this name. Errors: *FileError.
func CheckCredential(name string) error {
	if !credentialName.MatchString(name) {
		return &FileError{Path: CredentialPrefix + shortenName(name), Err: errCredentialName}
	}
	return nil
}

func shortenName(s string) string {
	if len(s) > 64 {
		s = s[:64]
	}
	return strings.ToValidUTF8(s, "?")
}

func readCredential(ref, name string) ([]byte, error) {
	if err := CheckCredential(name); err != nil {
		return nil, err
	}
	raw, cure, err := systemCredential(name)
	if err != nil {
		return nil, &FileError{Path: ref, Err: err, Cure: cure}
	}
	if len(raw) > fileLimit {
		return nil, &FileError{Path: ref, Err: ErrMalformed}
	}
	return raw, nil
}
