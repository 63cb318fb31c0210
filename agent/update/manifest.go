package update

import (
	"bytes"
	"crypto/ed25519"
	"crypto/x509"
	"encoding/hex"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"time"
)

// ManifestName is the file of a source that says which release is there.
const ManifestName = "tapcheck-update.json"

// Bounds of a release.
const (
	maxManifest = 64 << 10  // bytes
	maxFiles    = 64        // of a manifest
	maxFile     = 512 << 20 // bytes
	rings       = 10        // 0 to 9
	maxLife     = 400 * 24 * time.Hour
)

// Kinds of files.
const (
	Deb     = "deb"
	RPM     = "rpm"
	MSI     = "msi"
	Program = "program" // a program that was copied, and made a service by `tapcheck service install`
)

// Manifest is what a release key signs.
type Manifest struct {
	Version string    `json:"version"`           // three numbers, such as 1.2.0
	Made    time.Time `json:"made"`              // when it was signed: later ones take the place of earlier ones
	Expires time.Time `json:"expires"`           // after that it counts no more
	Minimum string    `json:"minimum,omitempty"` // the least version that may be updated by it
	// Rings says from when on each ring takes the release, first ring 0. A ring that it does not reach does not take it.
	Rings []time.Time `json:"rings"`
	Files []File      `json:"files"` // of this version, and of earlier ones as ways back
}

// File is a file of a release.
type File struct {
	Name    string `json:"name"` // within the source's folder
	Version string `json:"version"`
	Kind    string `json:"kind"` // Deb, RPM, MSI or Program
	OS      string `json:"os"`   // as Go names it
	Arch    string `json:"arch"`
	SHA256  string `json:"sha256"` // lower-case hex
	Size    int64  `json:"size"`   // bytes
}

// envelope is the file: the manifest's bytes as they were signed.
type envelope struct {
	Format    int    `json:"format"`
	Payload   []byte `json:"payload"`
	Signature []byte `json:"signature"`
}

const format = 1

// signed is what is signed: no other signature of the same key can be one of a manifest.
func signed(payload []byte) []byte {
	return append([]byte("tapcheck update manifest 1\x00"), payload...)
}

// Sign makes the manifest's file. It refuses what Open would refuse. Error: ErrForm.
func Sign(m Manifest, key ed25519.PrivateKey) ([]byte, error) {
	if err := m.check(); err != nil {
		return nil, err
	}
	payload, err := json.Marshal(m)
	if err != nil {
		return nil, err
	}
	raw, err := json.MarshalIndent(envelope{format, payload, ed25519.Sign(key, signed(payload))}, "", "  ")
	if err == nil && len(raw) >= maxManifest {
		err = fmt.Errorf("%w: it is too long", ErrForm)
	}
	return append(raw, '\n'), err
}

// Open gives the manifest of a file that one of the keys has signed. It does not look at times. Errors: ErrForm, ErrSignature.
func Open(raw []byte, keys []ed25519.PublicKey) (Manifest, error) {
	var e envelope
	if len(raw) > maxManifest || json.Unmarshal(raw, &e) != nil || e.Format != format {
		return Manifest{}, ErrForm
	}
	good := false
	for _, k := range keys {
		good = good || ed25519.Verify(k, signed(e.Payload), e.Signature)
	}
	if !good {
		return Manifest{}, ErrSignature // before anything of it is read
	}
	var m Manifest
	if json.Unmarshal(e.Payload, &m) != nil {
		return Manifest{}, ErrForm
	}
	return m, m.check()
}

var (
	nameForm = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._+~-]{0,127}$`) // no folder, and nothing that a program takes for a flag
	goForm   = regexp.MustCompile(`^[a-z0-9]{1,16}$`)
)

func (m Manifest) check() error {
	bad := func(what string) error { return fmt.Errorf("%w: %s", ErrForm, what) }
	if _, ok := parseVersion(m.Version); !ok {
		return bad("version")
	}
	if _, ok := parseVersion(m.Minimum); !ok && m.Minimum != "" {
		return bad("minimum")
	}
	if m.Made.IsZero() || !m.Expires.After(m.Made) || m.Expires.Sub(m.Made) > maxLife {
		return bad("times: it ends at most 400 days after it was made")
	}
	if len(m.Rings) > rings {
		return bad("rings")
	}
	if len(m.Files) == 0 || len(m.Files) > maxFiles {
		return bad("number of files")
	}
	for _, f := range m.Files {
		if err := f.check(); err != nil {
			return err
		}
	}
	return nil
}

func (f File) check() error {
	sum, err := hex.DecodeString(f.SHA256)
	_, version := parseVersion(f.Version)
	kind := f.Kind == Deb || f.Kind == RPM || f.Kind == MSI || f.Kind == Program
	if err != nil || len(sum) != 32 || strings.ToLower(f.SHA256) != f.SHA256 || !version || !kind || !nameForm.MatchString(f.Name) || f.Name == ManifestName ||
		!goForm.MatchString(f.OS) || !goForm.MatchString(f.Arch) || f.Size < 1 || f.Size > maxFile {
		return fmt.Errorf("%w: a file", ErrForm)
	}
	return nil
}

// file is the one of a version for this PC.
func (m Manifest) file(version, kind, os, arch string) (File, bool) {
	for _, f := range m.Files {
		if f.Version == version && f.Kind == kind && f.OS == os && f.Arch == arch {
			return f, true
		}
	}
	return File{}, false
}

// numbers is a version.
type numbers [3]int

// parseVersion takes three numbers without a zero in front, as Windows' installer and both package managers compare them.
func parseVersion(s string) (v numbers, ok bool) {
	parts := strings.Split(s, ".")
	if len(parts) != 3 {
		return v, false
	}
	for i, p := range parts {
		n, err := strconv.ParseUint(p, 10, 16)
		if err != nil || strconv.FormatUint(n, 10) != p {
			return v, false
		}
		v[i] = int(n)
	}
	return v, true
}

// less says whether a version comes before another.
func (v numbers) less(w numbers) bool {
	for i := range v {
		if v[i] != w[i] {
			return v[i] < w[i]
		}
	}
	return false
}

// NewKey makes a release key, PKCS #8 in PEM, and gives its public half.
func NewKey() (private []byte, public ed25519.PublicKey, err error) {
	public, key, err := ed25519.GenerateKey(nil)
	if err != nil {
		return nil, nil, err
	}
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return nil, nil, err
	}
	return pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}), public, nil
}

// PublicPEM is a public key as ParsePublic takes it.
func PublicPEM(key ed25519.PublicKey) []byte {
	der, err := x509.MarshalPKIXPublicKey(key)
	if err != nil {
		return nil // an Ed25519 key always encodes
	}
	return pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der})
}

// ParsePrivate reads a release key. Its error quotes nothing of it.
func ParsePrivate(raw []byte) (ed25519.PrivateKey, error) {
	if b, _ := pem.Decode(raw); b != nil {
		if k, err := x509.ParsePKCS8PrivateKey(b.Bytes); err == nil {
			if key, ok := k.(ed25519.PrivateKey); ok {
				return key, nil
			}
		}
	}
	return nil, errors.New("no Ed25519 key in PKCS #8, PEM")
}

// ParsePublic reads public keys, PEM, one after another: while a key is replaced both count. At most four.
func ParsePublic(raw []byte) ([]ed25519.PublicKey, error) {
	bad := errors.New("no Ed25519 public keys, PEM")
	var keys []ed25519.PublicKey
	for raw = bytes.TrimSpace(raw); len(raw) > 0; raw = bytes.TrimSpace(raw) {
		var b *pem.Block
		if b, raw = pem.Decode(raw); b == nil || len(keys) == 4 {
			return nil, bad
		}
		k, err := x509.ParsePKIXPublicKey(b.Bytes)
		key, ok := k.(ed25519.PublicKey)
		if err != nil || !ok {
			return nil, bad
		}
		keys = append(keys, key)
	}
	if keys == nil {
		return nil, bad
	}
	return keys, nil
}
