package keys

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"path/filepath"
	"time"

	"github.com/tapcheck/tapcheck/agent/keys/tpm"
)

// ErrTPM says that the TPM does not open the keys that it has sealed. It comes with tpm.ErrForeign (it was cleared, or is another one),
// tpm.ErrAbsent or tpm.ErrDenied.
var ErrTPM = errors.New("its keys are sealed by a TPM that does not open them")

// boxed are secrets that are longer than what a TPM seals: it seals the key of the box.
type boxed struct {
	tpm.Sealed
	System bool   `json:"system,omitempty"` // what is in the box is encrypted by the operating system too
	Box    []byte `json:"box"`              // AES-256-GCM: nonce, ciphertext, tag
}

// boxLimit bounds the box, which holds a key file's secrets.
const boxLimit = 64 << 10

func gcm(key []byte) (cipher.AEAD, error) {
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, err
	}
	return cipher.NewGCM(block)
}

// bound has the box fit this instance and this way of opening only.
func (b *boxed) bound(instance string) []byte {
	return fmt.Appendf(nil, "tapcheck keys in a TPM 1\x00%s\x00%t", instance, b.System)
}

// box puts the secrets where the TPM alone opens them. Where it does not do that they stay as they are: a desk works without a TPM.
func (c *content) box(m Machine) {
	if !m.Seal || m.TPM == nil || c.TPM != nil {
		return
	}
	b := boxed{System: c.Sealed != nil}
	inner := bytes.Clone(c.Sealed)
	if !b.System {
		inner, _ = json.Marshal(secrets{c.Database, c.Signing})
	}
	defer clear(inner)
	key := make([]byte, 32)
	_, _ = rand.Read(key) // never fails (crypto/rand)
	defer clear(key)
	var err error
	if b.Sealed, err = m.TPM.Seal(key); err != nil {
		return
	}
	aead, err := gcm(key)
	if err != nil {
		return
	}
	nonce := make([]byte, aead.NonceSize())
	_, _ = rand.Read(nonce)
	b.Box = aead.Seal(nonce, nonce, inner, b.bound(c.InstanceID))
	c.TPM, c.Sealed, c.Database, c.Signing = &b, nil, nil, nil
}

// unbox takes them out again. Errors: ErrTPM, ErrMalformed.
func (c *content) unbox(m Machine) error {
	b := c.TPM
	if b == nil {
		return nil
	}
	if m.TPM == nil {
		return fmt.Errorf("%w: %w", ErrTPM, tpm.ErrAbsent)
	}
	key, err := m.TPM.Unseal(b.Sealed)
	if err != nil {
		return fmt.Errorf("%w: %w", ErrTPM, err)
	}
	defer clear(key)
	aead, err := gcm(key)
	if err != nil || len(b.Box) < aead.NonceSize() || len(b.Box) > boxLimit {
		return fmt.Errorf("%w: sealed keys", ErrMalformed)
	}
	inner, err := aead.Open(nil, b.Box[:aead.NonceSize()], b.Box[aead.NonceSize():], b.bound(c.InstanceID))
	if err != nil {
		return fmt.Errorf("%w: sealed keys", ErrMalformed)
	}
	c.TPM = nil
	if b.System {
		c.Sealed = inner
		return nil
	}
	defer clear(inner)
	var s secrets
	if json.Unmarshal(inner, &s) != nil {
		return fmt.Errorf("%w: sealed keys", ErrMalformed)
	}
	c.Database, c.Signing = s.Database, s.Signing
	return nil
}

// answered says whether the TPM opens what it has sealed, and waits for one that does not answer yet: its driver may come after us when the PC is
// switched on. What is wrong with the file itself is Open's to say.
func (c content) answered(m Machine) bool {
	if c.TPM == nil {
		return true
	}
	until := time.Now()
	if m.TPM != nil {
		until = until.Add(m.TPM.Wait)
	}
	for {
		again := c
		err := again.unbox(m)
		clear(again.Database)
		clear(again.Signing)
		if !errors.Is(err, ErrTPM) {
			return true
		}
		if errors.Is(err, tpm.ErrForeign) || !time.Now().Before(until) {
			return false
		}
		time.Sleep(500 * time.Millisecond)
	}
}

// move puts the secrets into the TPM or takes them out of it, as m says, and tells whether it has. Where it cannot, they stay where they are.
func (c *content) move(m Machine) bool {
	was := c.TPM != nil
	if was == m.Seal {
		return false
	}
	if was {
		return c.unbox(m) == nil
	}
	c.box(m)
	return c.TPM != nil
}

// Keeping is where the keys of a data folder are kept.
type Keeping string

// Places of the keys.
const (
	InFile   Keeping = "file"   // in a file that only its owner can read
	InSystem Keeping = "system" // the same, encrypted by the operating system
	InTPM    Keeping = "tpm"    // the same, and sealed by the TPM
)

// KeptIn says where the keys of a data folder are kept. err is set where the TPM does not open them now. Errors: *FileError.
func KeptIn(dir string, m Machine) (where Keeping, err error) {
	path := filepath.Join(dir, FileName)
	raw, err := readPrivate(path)
	if err != nil {
		return "", err
	}
	var c content
	switch {
	case json.Unmarshal(raw, &c) != nil:
		return "", &FileError{Path: path, Err: ErrMalformed}
	case c.TPM != nil:
		if err := c.unbox(m); err != nil {
			return InTPM, &FileError{Path: path, Err: err}
		}
		return InTPM, nil
	case c.Sealed != nil:
		return InSystem, nil
	}
	return InFile, nil
}

// AsideByTPM lists, of what Aside lists, the folders that are this PC's own: their keys were set aside because the TPM did not open them.
func AsideByTPM(dir string, m Machine) []string {
	var list []string
	for _, name := range Aside(dir) {
		raw, err := readPrivate(filepath.Join(dir, name, FileName))
		var c content
		if err == nil && json.Unmarshal(raw, &c) == nil && c.TPM != nil && !c.Machine.differs(m, c.InstanceID) {
			list = append(list, name)
		}
	}
	return list
}
