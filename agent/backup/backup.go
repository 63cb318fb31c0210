// Package backup is the form in which a desk's data leave the PC: one file, encrypted to the hospital's recovery key, which only who
// has the other half of it can open (age, https://age-encryption.org/v1, with X25519).
//
// Within the encryption is a tar archive, whose first entry is a Manifest. The encryption also finds every change and every cut: a
// Read that returned nil has given what Write was given. It does not say who made the file, for whoever knows the public half can
// make one; whoever restores looks at the desk and the key that the manifest names.
//
// The package knows nothing of what the files hold.
package backup

import (
	"archive/tar"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"regexp"
	"strings"
	"time"

	"filippo.io/age"
)

// Format is the version of the form. One that is higher is refused.
const Format = 1

// Bounds of what is read.
const (
	maxManifest = 1 << 20
	maxFiles    = 200
	maxFile     = 64 << 30 // bytes: a journal of decades
)

// Errors.
var (
	ErrRecipient = errors.New("no recovery key: it begins with age1")
	ErrIdentity  = errors.New("no recovery key: it begins with AGE-SECRET-KEY-1")
	ErrWrongKey  = errors.New("the backup is encrypted to another recovery key")
	ErrDamaged   = errors.New("the backup is damaged, cut short, or none")
	ErrNewer     = errors.New("a newer version has made the backup")
)

// Manifest says what a backup is. It is within the encryption, too.
type Manifest struct {
	Format     int             `json:"format"`
	Version    string          `json:"version"` // of the program
	Made       time.Time       `json:"made"`
	InstanceID string          `json:"instanceId"`
	PublicKey  json.RawMessage `json:"publicKey"` // by which what this workstation has signed is judged
	Former     json.RawMessage `json:"former,omitempty"`
	Desk       string          `json:"desk,omitempty"`
	Host       string          `json:"host,omitempty"`
	Schema     int             `json:"schema"` // of the journal
	Files      []string        `json:"files"`
}

// File is one file of a backup.
type File struct {
	Name string
	Size int64
	Data io.Reader
}

// names are flat, and nothing that any file system takes for something else.
var nameForm = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._-]{0,99}$`)

// NewKey makes a recovery key: the half that stays in the hospital's safe, as a file, and the half that goes into the settings.
func NewKey() (secret, recipient string, err error) {
	k, err := age.GenerateX25519Identity()
	if err != nil {
		return "", "", err
	}
	return k.String(), k.Recipient().String(), nil
}

// CheckRecipient says whether a backup can be encrypted to a recipient. Error: ErrRecipient.
func CheckRecipient(s string) error {
	if _, err := age.ParseX25519Recipient(s); err != nil {
		return ErrRecipient
	}
	return nil
}

// Write writes a backup. What w has got is of no use until Write has returned nil. Errors: ErrRecipient, those of the files, w's, and ctx's.
func Write(ctx context.Context, w io.Writer, recipient string, m Manifest, files []File) error {
	to, err := age.ParseX25519Recipient(recipient)
	if err != nil {
		return ErrRecipient
	}
	sealed, err := age.Encrypt(w, to)
	if err != nil {
		return err
	}
	m.Format, m.Files = Format, nil
	for _, f := range files {
		if !nameForm.MatchString(f.Name) || f.Size < 0 || f.Size > maxFile || len(files) > maxFiles {
			return fmt.Errorf("backup: %q cannot be a file of it", f.Name)
		}
		m.Files = append(m.Files, f.Name)
	}
	raw, err := json.Marshal(m)
	if err != nil {
		return err
	}
	t := tar.NewWriter(sealed)
	put := func(name string, size int64, r io.Reader) error {
		if err := t.WriteHeader(&tar.Header{Name: name, Mode: 0o600, Size: size, ModTime: m.Made, Format: tar.FormatPAX}); err != nil {
			return err
		}
		_, err := io.CopyN(t, within{ctx, r}, size)
		return err
	}
	if err := put("manifest.json", int64(len(raw)), strings.NewReader(string(raw))); err != nil {
		return err
	}
	for _, f := range files {
		if err := put(f.Name, f.Size, f.Data); err != nil {
			return err
		}
	}
	if err := t.Close(); err != nil {
		return err
	}
	return sealed.Close()
}

// within ends reading with its context.
type within struct {
	ctx context.Context
	r   io.Reader
}

func (w within) Read(p []byte) (int, error) {
	if err := w.ctx.Err(); err != nil {
		return 0, err
	}
	return w.r.Read(p)
}

// Read opens a backup. take is asked for each file, in the order of the manifest, and reads as much of it as it likes; its errors come back as they are. A
// nil take stops after the manifest, which proves the key and no more. Nothing that take was given counts before Read has returned nil. Errors:
// ErrIdentity, ErrWrongKey, ErrDamaged, ErrNewer, take's, and ctx's.
func Read(ctx context.Context, r io.Reader, secret string, take func(m Manifest, name string, size int64, data io.Reader) error) (Manifest, error) {
	k, err := age.ParseX25519Identity(secret)
	if err != nil {
		return Manifest{}, ErrIdentity
	}
	open, err := age.Decrypt(within{ctx, r}, k)
	var none *age.NoIdentityMatchError
	switch {
	case errors.As(err, &none):
		return Manifest{}, ErrWrongKey
	case err != nil:
		return Manifest{}, damaged(ctx, err)
	}
	t := tar.NewReader(open)
	h, err := t.Next()
	if err != nil || h.Name != "manifest.json" || h.Size > maxManifest {
		return Manifest{}, damaged(ctx, err)
	}
	raw, err := io.ReadAll(io.LimitReader(t, maxManifest))
	if err != nil {
		return Manifest{}, damaged(ctx, err)
	}
	var m Manifest
	if json.Unmarshal(raw, &m) != nil || m.Format < 1 {
		return Manifest{}, ErrDamaged
	}
	if m.Format > Format {
		return m, ErrNewer
	}
	if len(m.Files) > maxFiles {
		return m, ErrDamaged
	}
	if take == nil {
		return m, nil
	}
	for _, name := range m.Files {
		h, err := t.Next()
		if err != nil {
			return m, damaged(ctx, err)
		}
		if h.Name != name || !nameForm.MatchString(name) || h.Typeflag != tar.TypeReg || h.Size > maxFile {
			return m, ErrDamaged
		}
		file := &reading{r: t}
		if err := take(m, name, h.Size, file); err != nil {
			if file.err != nil { // take only passed on that the backup ends here
				return m, damaged(ctx, file.err)
			}
			return m, err
		}
	}
	if _, err := t.Next(); !errors.Is(err, io.EOF) {
		return m, damaged(ctx, err)
	}
	if _, err := io.Copy(io.Discard, open); err != nil { // the end of the encryption
		return m, damaged(ctx, err)
	}
	return m, nil
}

// reading remembers an error of the backup itself.
type reading struct {
	r   io.Reader
	err error
}

func (r *reading) Read(p []byte) (int, error) {
	n, err := r.r.Read(p)
	if err != nil && !errors.Is(err, io.EOF) {
		r.err = err
	}
	return n, err
}

func damaged(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return ctx.Err()
	}
	if err == nil {
		return ErrDamaged
	}
	return fmt.Errorf("%w: %w", ErrDamaged, err)
}
