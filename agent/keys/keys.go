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
// The keys are bound to the PC that made them (Bind): a copy of the folder, or an image of the disk, is no second PC with the
// same keys. On Windows they are also encrypted for it by DPAPI, and where there is a TPM 2.0 that can be used, by a key that it alone gives out.
// They are sealed by the agent itself, at its start, and by no command: what an administrator's command may use, the service perhaps may not.
//
// What this does not promise: whoever is root or Administrator has the keys. So has who takes the disk away, unless they are in a TPM from the first or the disk
// is encrypted (BitLocker, LUKS): all else that binds them to the PC lies on the same disk, and a disk may still hold what was in a file before.
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
	"slices"
	"strings"
	"time"

	"github.com/tapcheck/tapcheck/agent/keys/tpm"
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
	former   []Former
}

// Former is a workstation whose work this one has taken over (Adopt): what it has signed stays its own, and is judged by this key.
type Former struct {
	InstanceID string    `json:"instanceId"`
	PublicKey  JWK       `json:"publicKey"`
	Until      time.Time `json:"until"` // when the backup was made from which it was taken over
}

// content is the file. Version 1.
type content struct {
	Version    int      `json:"version"`
	InstanceID string   `json:"instanceId"`
	Database   []byte   `json:"databaseKey,omitempty"` // 32 bytes
	Signing    []byte   `json:"signingKey,omitempty"`  // PKCS #8, ECDSA P-256
	Sealed     []byte   `json:"sealed,omitempty"`      // both, encrypted by the operating system, where it does that
	TPM        *boxed   `json:"tpm,omitempty"`         // what would stand here without: either of these, for this PC's TPM alone
	Machine    mark     `json:"machine,omitzero"`      // the PC that they belong to
	Former     []Former `json:"former,omitempty"`
}

// secrets are what is sealed.
type secrets struct {
	Database []byte `json:"databaseKey"`
	Signing  []byte `json:"signingKey"`
}

// encode is the file's content, with what is secret sealed where the operating system does that, and by the TPM where it is to be.
func (c content) encode(m Machine) ([]byte, error) {
	if c.Database != nil {
		raw, err := json.Marshal(secrets{c.Database, c.Signing})
		if err != nil {
			return nil, err
		}
		sealed, err := seal(raw)
		clear(raw)
		if err != nil {
			return nil, err
		}
		if sealed != nil {
			c.Sealed, c.Database, c.Signing = sealed, nil, nil
		}
		c.box(m)
	}
	return json.MarshalIndent(c, "", "  ")
}

// unseal has the TPM and the operating system decrypt what encode had them encrypt. Errors: ErrTPM, ErrSealed, ErrMalformed.
func (c *content) unseal(m Machine) error {
	if err := c.unbox(m); err != nil {
		return err
	}
	if c.Sealed == nil {
		return nil
	}
	raw, err := unseal(c.Sealed)
	if err != nil {
		return fmt.Errorf("%w: %w", ErrSealed, err)
	}
	defer clear(raw)
	var s secrets
	if json.Unmarshal(raw, &s) != nil {
		return fmt.Errorf("%w: sealed keys", ErrMalformed)
	}
	c.Database, c.Signing, c.Sealed = s.Database, s.Signing, nil
	return nil
}

// ErrSealed says that the operating system does not decrypt the keys: it did not encrypt them.
var ErrSealed = errors.New("its keys were encrypted on another PC")

// Open loads the keys from the data folder, and makes folder and keys where there are none yet. Errors: *FileError that
// unwraps to ErrExposed, ErrMalformed, ErrNotFile, ErrOwner or an error of the file system. Keys are never replaced: a
// malformed file stays an error, because a new database key would make the old journal unreadable.
func Open(dir string) (*Keys, error) { return OpenOn(dir, ThisMachine()) }

// OpenOn is Open on a PC that the caller knows.
func OpenOn(dir string, m Machine) (*Keys, error) {
	if err := makePrivateDir(dir); err != nil {
		return nil, err
	}
	path := filepath.Join(dir, FileName)
	raw, err := readPrivate(path)
	if errors.Is(err, fs.ErrNotExist) {
		fresh, err := generate(m)
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
		return parse(path, raw, m)
	}
	if err != nil {
		return nil, err
	}
	return parse(path, raw, m)
}

// InstanceIn tells the instance id of a data folder, and makes nothing there: for a look at what another program left or
// uses. Errors: *FileError; fs.ErrNotExist where there are no keys.
func InstanceIn(dir string) (string, error) {
	path := filepath.Join(dir, FileName)
	raw, err := readPrivate(path)
	if err != nil {
		return "", err
	}
	var c content
	if json.Unmarshal(raw, &c) == nil && c.Version == 1 && instanceForm(c.InstanceID) && c.TPM != nil {
		return c.InstanceID, nil // the TPM need not be asked
	}
	k, err := parse(path, raw, ThisMachine())
	if err != nil {
		return "", err
	}
	return k.instance, nil
}

func generate(m Machine) ([]byte, error) {
	c, err := fresh()
	if err != nil {
		return nil, err
	}
	c.Machine = m.mark(c.InstanceID)
	return c.encode(m)
}

func fresh() (content, error) {
	signing, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return content{}, err
	}
	der, err := x509.MarshalPKCS8PrivateKey(signing)
	if err != nil {
		return content{}, err
	}
	c := content{Version: 1, InstanceID: strings.ToLower(rand.Text()), Database: make([]byte, 32), Signing: der}
	_, _ = rand.Read(c.Database) // never fails (crypto/rand)
	return c, nil
}

func parse(path string, raw []byte, m Machine) (*Keys, error) {
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
	if !instanceForm(c.InstanceID) {
		return nil, bad("instance id")
	}
	if err := c.unseal(m); err != nil {
		cure := "tapcheck restore, from a backup of this desk"
		if errors.Is(err, tpm.ErrAbsent) || errors.Is(err, tpm.ErrDenied) {
			cure = "have the TPM answer again, and ask as an administrator"
		}
		return nil, &FileError{Path: path, Err: err, Cure: cure}
	}
	if len(c.Database) != 32 {
		return nil, bad("database key")
	}
	key, err := x509.ParsePKCS8PrivateKey(c.Signing)
	signing, ok := key.(*ecdsa.PrivateKey)
	if err != nil || !ok || signing.Curve != elliptic.P256() {
		return nil, bad("signing key")
	}
	return &Keys{instance: c.InstanceID, database: c.Database, signing: signing, former: c.Former}, nil
}

func instanceForm(id string) bool {
	return len(id) >= 16 && len(id) <= 64 && strings.Trim(id, "abcdefghijklmnopqrstuvwxyz0123456789-") == ""
}

// Former lists the workstations whose work this one has taken over, the last one last.
func (k *Keys) Former() []Former { return slices.Clone(k.former) }

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
