// Package keys keeps what makes a workstation itself: the key of its database, the key that it signs with, its instance
// id, and the tokens that it gave to programs.
//
// Everything lies in the data folder, in files that only their owner can read: mode 0600 in a folder of mode 0700, on
// Windows an access list of the owner, SYSTEM and Administrators. A file or folder that others own or can read is refused
// with ErrOwner or ErrExposed instead of being repaired, for a key that was readable may already be known. Links are never
// followed: an administrator's command (sudo tapcheck token add) works in the folder of a lesser user, who must not be
// able to point it at a file of the administrator's.
//
// The files are made whole or not at all: they are written beside their place, flushed, and then put there without
// replacing anything, so that two programs starting at once end with the same keys and a power cut leaves no half file.
//
// What this does not promise: whoever is root or Administrator, or has the disk without encryption, has the keys. The
// operating system's key protection (TPM, DPAPI) takes the place of this file later.
//
// Keys are never printed: their String shows the instance id only.
package keys

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// FileName is the file of the keys within the data folder.
const FileName = "workstation.key"

// fileLimit bounds each file of this package, in bytes: a foreign or broken file is refused before it is read in whole.
const fileLimit = 1 << 20

// What can be wrong with the files of this package. Typed errors (*FileError) name the file and unwrap to one of these.
var (
	ErrExposed   = errors.New("others can read or change it")
	ErrMalformed = errors.New("it is malformed")
	ErrNotFile   = errors.New("it is no regular file")
	ErrOwner     = errors.New("it belongs to another user")
	ErrLinked    = errors.New("it has a second name (a hard link)")
)

// FileError is a failure with one file or folder. Its text never holds anything of the content.
type FileError struct {
	Path string
	Err  error
	Cure string // what the administrator does, in English; may be empty
}

func (e *FileError) Error() string {
	s := e.Path + ": " + e.Err.Error()
	if e.Cure != "" {
		s += " (" + e.Cure + ")"
	}
	return s
}

// Unwrap gives the cause.
func (e *FileError) Unwrap() error { return e.Err }

// Keys are the keys of one workstation. Immutable and safe for concurrent use.
type Keys struct {
	instance string
	database []byte
	signing  *ecdsa.PrivateKey
}

// content is the file. Version 1.
type content struct {
	Version    int    `json:"version"`
	InstanceID string `json:"instanceId"`
	Database   []byte `json:"databaseKey"` // 32 bytes
	Signing    []byte `json:"signingKey"`  // PKCS #8, ECDSA P-256
}

// Open loads the keys from the data folder, and makes folder and keys where there are none yet. Errors: *FileError that
// unwraps to ErrExposed, ErrMalformed, ErrNotFile, ErrOwner or an error of the file system. Keys are never replaced: a
// malformed file stays an error, because a new database key would make the old journal unreadable.
func Open(dir string) (*Keys, error) {
	if err := makePrivateDir(dir); err != nil {
		return nil, err
	}
	path := filepath.Join(dir, FileName)
	raw, err := readPrivate(path)
	if errors.Is(err, fs.ErrNotExist) {
		fresh, err := generate()
		if err != nil {
			return nil, err
		}
		err = writePrivate(path, fresh, false)
		if err != nil && !errors.Is(err, fs.ErrExist) {
			return nil, err
		}
		// Whoever was first has made the keys; all use those.
		raw, err = readPrivate(path)
		if err != nil {
			return nil, err
		}
		return parse(path, raw)
	}
	if err != nil {
		return nil, err
	}
	return parse(path, raw)
}

// InstanceIn tells the instance id of a data folder, and makes nothing there: for a look at what another program left or
// uses. Errors: *FileError; fs.ErrNotExist where there are no keys.
func InstanceIn(dir string) (string, error) {
	path := filepath.Join(dir, FileName)
	raw, err := readPrivate(path)
	if err != nil {
		return "", err
	}
	k, err := parse(path, raw)
	if err != nil {
		return "", err
	}
	return k.instance, nil
}

func generate() ([]byte, error) {
	signing, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	der, err := x509.MarshalPKCS8PrivateKey(signing)
	if err != nil {
		return nil, err
	}
	c := content{Version: 1, InstanceID: strings.ToLower(rand.Text()), Database: make([]byte, 32), Signing: der}
	_, _ = rand.Read(c.Database) // never fails (crypto/rand)
	return json.MarshalIndent(c, "", "  ")
}

func parse(path string, raw []byte) (*Keys, error) {
	bad := func(what string) error {
		return &FileError{Path: path, Err: fmt.Errorf("%w: %s", ErrMalformed, what), Cure: "put back the copy that belongs to this data folder"}
	}
	var c content
	// The error of the decoder may quote the file, which is secret.
	if json.Unmarshal(raw, &c) != nil {
		return nil, bad("not JSON")
	}
	if c.Version != 1 {
		return nil, bad("version")
	}
	if len(c.InstanceID) < 16 || len(c.InstanceID) > 64 || strings.Trim(c.InstanceID, "abcdefghijklmnopqrstuvwxyz0123456789-") != "" {
		return nil, bad("instance id")
	}
	if len(c.Database) != 32 {
		return nil, bad("database key")
	}
	key, err := x509.ParsePKCS8PrivateKey(c.Signing)
	signing, ok := key.(*ecdsa.PrivateKey)
	if err != nil || !ok || signing.Curve != elliptic.P256() {
		return nil, bad("signing key")
	}
	return &Keys{instance: c.InstanceID, database: c.Database, signing: signing}, nil
}

// InstanceID names this installation: lower-case letters and digits, random, neither secret nor personal.
func (k *Keys) InstanceID() string { return k.instance }

// DatabaseKey is a copy of the database's key, 32 bytes. Secret.
func (k *Keys) DatabaseKey() []byte { return append([]byte(nil), k.database...) }

// JWK is a public key as RFC 7517 and RFC 7518 §6 write it: the workstation's, or one that a HIS backend signs assertions
// with. Numbers are base64url without padding.
type JWK struct {
	Kty string `json:"kty"`           // "EC", which the workstation's is; "OKP" (RFC 8037) or "RSA"
	Crv string `json:"crv,omitempty"` // "P-256", "Ed25519"
	X   string `json:"x,omitempty"`   // 32 bytes
	Y   string `json:"y,omitempty"`   // of an EC key, 32 bytes
	N   string `json:"n,omitempty"`   // of an RSA key
	E   string `json:"e,omitempty"`
	Kid string `json:"kid,omitempty"` // the backend's own name for its key
}

// PublicJWK is the public key for clients.
func (k *Keys) PublicJWK() JWK {
	point, err := k.signing.PublicKey.Bytes() // 0x04 || X || Y
	if err != nil {
		return JWK{} // a P-256 key that was parsed or generated always encodes
	}
	b64 := base64.RawURLEncoding
	return JWK{Kty: "EC", Crv: "P-256", X: b64.EncodeToString(point[1:33]), Y: b64.EncodeToString(point[33:65])}
}

// SignES256 signs a message with ECDSA P-256 and SHA-256. The signature is r || s, 64 bytes (RFC 7518 §3.4).
func (k *Keys) SignES256(message []byte) ([]byte, error) {
	digest := sha256.Sum256(message)
	r, s, err := ecdsa.Sign(rand.Reader, k.signing, digest[:])
	if err != nil {
		return nil, err
	}
	sig := make([]byte, 64)
	r.FillBytes(sig[:32])
	s.FillBytes(sig[32:])
	return sig, nil
}

// String never shows a key.
func (k Keys) String() string { return "keys of instance " + k.instance }

// GoString never shows a key.
func (k Keys) GoString() string { return k.String() }

// Format never shows a key, whatever the verb.
func (k Keys) Format(f fmt.State, _ rune) { _, _ = f.Write([]byte(k.String())) }

// MarshalJSON never shows a key.
func (k Keys) MarshalJSON() ([]byte, error) { return json.Marshal(k.String()) }

// isTemporary says whether a directory entry is what writePrivate left behind when the power went.
func isTemporary(name string) bool { return strings.HasPrefix(name, ".tmp-") }

// temporary makes a file beside path that nobody else can open.
func temporary(path string) (*os.File, error) {
	name := filepath.Join(filepath.Dir(path), ".tmp-"+strings.ToLower(rand.Text()))
	return createPrivate(name)
}
