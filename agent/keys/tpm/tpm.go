// Package tpm has the PC's TPM 2.0 seal a short secret, so that a disk without its PC does not open it.
//
// What is sealed hangs below the owner's storage key (TCG TPM v2.0 Provisioning Guidance §7.5), which clearing the TPM replaces. It is bound to
// no state of the PC (PCR): an update of the firmware or of the system must not close a desk. It has no password and counts no tries (noDA), nor has
// the storage key, or it is not used: nothing here can bring a TPM closer to its lockout, and one that is locked out opens it all the same.
// The secret goes over the bus encrypted for the storage key, whose name is kept.
package tpm

import (
	"bytes"
	"crypto/sha256"
	"crypto/subtle"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/google/go-tpm/tpm2"
	"github.com/google/go-tpm/tpm2/transport"
)

// Why the TPM opens something not. Other errors do not leave this package.
var (
	ErrAbsent  = errors.New("there is no TPM 2.0 that answers")
	ErrDenied  = errors.New("the TPM may not be used")
	ErrForeign = errors.New("another TPM has sealed it, or this one was cleared since")
)

// MaxSecret is how long a secret may be that every TPM 2.0 seals, in bytes (MAX_SYM_DATA is 128 in the PC client profile).
const MaxSecret = 64

// sealedLimit bounds each part of what was sealed, which comes from a file.
const sealedLimit = 2048

// callLimit bounds one call. A discrete TPM takes about a second for the slowest.
const callLimit = 10 * time.Second

// Sealed is a secret that one TPM opens. It is not secret itself, and tells nobody which TPM that is.
type Sealed struct {
	Parent  []byte `json:"parent"` // the storage key, hashed
	Public  []byte `json:"public"`
	Private []byte `json:"private"`
}

// Device is a TPM. It is safe for concurrent use.
type Device struct {
	open func() (transport.TPMCloser, error)
	// Wait is for how long somebody who needs what was sealed should ask again while the TPM does not answer.
	Wait time.Duration

	mu     sync.Mutex
	sealed []byte // the private part of what was opened last
	secret []byte
}

// New is a TPM that is reached by open. Its errors are fs.ErrPermission, or mean that there is none.
func New(open func() (transport.TPMCloser, error)) *Device { return &Device{open: open} }

var local = &Device{open: openLocal, Wait: 15 * time.Second}

// Local is the TPM of this PC. Whether there is one shows when it is used.
func Local() *Device { return local }

// Seal seals a secret of at most MaxSecret bytes, and has proved that it can be opened again. Errors: ErrAbsent, ErrDenied.
func (d *Device) Seal(secret []byte) (Sealed, error) {
	if len(secret) == 0 || len(secret) > MaxSecret {
		return Sealed{}, fmt.Errorf("%w: a secret of %d bytes", ErrDenied, len(secret))
	}
	sealed, err := within(d, func(t transport.TPM) (Sealed, error) { return seal(t, secret) })
	if err != nil {
		return Sealed{}, err
	}
	again, err := within(d, func(t transport.TPM) ([]byte, error) { return unseal(t, sealed) })
	defer clear(again)
	if err == nil && subtle.ConstantTimeCompare(again, secret) != 1 {
		err = errors.New("the TPM gives something else than what it was given")
	}
	if err != nil {
		return Sealed{}, fmt.Errorf("%w: %w", ErrDenied, err)
	}
	return sealed, nil
}

// Unseal opens what Seal has made. It is asked of the TPM once and then remembered: what it opens is in memory all the while, and a desk at work does not
// stop when its TPM does. Errors: ErrAbsent, ErrDenied, ErrForeign.
func (d *Device) Unseal(s Sealed) ([]byte, error) {
	if len(s.Public) > sealedLimit || len(s.Private) > sealedLimit || len(s.Private) == 0 {
		return nil, ErrForeign
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if bytes.Equal(d.sealed, s.Private) {
		return bytes.Clone(d.secret), nil
	}
	secret, err := within(d, func(t transport.TPM) ([]byte, error) { return unseal(t, s) })
	if err != nil {
		return nil, err
	}
	d.sealed, d.secret = bytes.Clone(s.Private), bytes.Clone(secret)
	return secret, nil
}

// Check says whether something could be sealed here, and seals nothing. No device is none. Errors: ErrAbsent, ErrDenied.
func (d *Device) Check() error {
	if d == nil {
		return ErrAbsent
	}
	_, err := within(d, func(t transport.TPM) (struct{}, error) {
		if _, ok := keptParent(t); ok {
			return struct{}{}, nil
		}
		p, err := newParent(t)
		p.flush(t)
		return struct{}{}, err
	})
	return err
}

// within asks a TPM, for a limited time. A driver that hangs in the kernel can be called back by nobody: it is left to its own limit, which
// is some minutes, and what it says then goes nowhere.
func within[T any](d *Device, ask func(transport.TPM) (T, error)) (T, error) {
	type answer struct {
		got T
		err error
	}
	done := make(chan answer, 1)
	go func() {
		var a answer
		t, err := d.open()
		if err != nil {
			a.err = opening(err)
			done <- a
			return
		}
		a.got, a.err = ask(t)
		_ = t.Close()
		done <- a
	}()
	limit := time.NewTimer(callLimit)
	defer limit.Stop()
	select {
	case a := <-done:
		if a.err != nil && !errors.Is(a.err, ErrForeign) && !errors.Is(a.err, ErrDenied) && !errors.Is(a.err, ErrAbsent) {
			a.err = fmt.Errorf("%w: %w", ErrAbsent, a.err)
		}
		return a.got, a.err
	case <-limit.C:
		var none T
		return none, fmt.Errorf("%w: nothing within %v", ErrAbsent, callLimit)
	}
}

// parent is the storage key.
type parent struct {
	handle tpm2.TPMHandle
	name   tpm2.TPM2BName
	public tpm2.TPMTPublic
	made   bool // by us, for this time
}

func (p parent) flush(t transport.TPM) {
	if p.made {
		_, _ = tpm2.FlushContext{FlushHandle: p.handle}.Execute(t)
	}
}

func (p parent) auth(session tpm2.Session) tpm2.AuthHandle {
	return tpm2.AuthHandle{Handle: p.handle, Name: p.name, Auth: session}
}

// session encrypts what goes over the bus in one direction, for the storage key.
func (p parent) session(direction tpm2.AuthOption) tpm2.Session {
	return tpm2.HMAC(tpm2.TPMAlgSHA256, 16, tpm2.Salted(p.handle, p.public), direction)
}

// mark is the storage key as the file has it, bound to what it seals.
func (p parent) mark(public []byte) []byte {
	h := sha256.New()
	h.Write([]byte("tapcheck tpm parent 1\x00"))
	h.Write(p.name.Buffer)
	h.Write(public)
	return h.Sum(nil)
}

// persistent is where the owner's storage key lies when somebody has made it to stay, as Windows does (TCG Registry of reserved handles §2.3.1).
const persistent tpm2.TPMHandle = 0x81000001

// keptParent is the storage key that somebody has made to stay, if it is one that needs no password and counts no tries.
func keptParent(t transport.TPM) (parent, bool) {
	r, err := tpm2.ReadPublic{ObjectHandle: persistent}.Execute(t)
	if err != nil {
		return parent{}, false
	}
	public, err := r.OutPublic.Contents()
	if err != nil {
		return parent{}, false
	}
	a := public.ObjectAttributes
	if !a.NoDA || !a.UserWithAuth || !a.Restricted || !a.Decrypt || a.SignEncrypt || !a.FixedTPM || !a.FixedParent {
		return parent{}, false
	}
	return parent{handle: persistent, name: r.Name, public: *public}, true
}

// newParent makes the storage key, which comes out the same each time until the TPM is cleared.
func newParent(t transport.TPM) (parent, error) {
	r, err := tpm2.CreatePrimary{
		PrimaryHandle: tpm2.AuthHandle{Handle: tpm2.TPMRHOwner, Auth: tpm2.PasswordAuth(nil)}, // an owner's password is under no lockout
		InPublic:      tpm2.New2B(tpm2.ECCSRKTemplate),
	}.Execute(t)
	if err != nil {
		return parent{}, refusal(err)
	}
	public, err := r.OutPublic.Contents()
	if err != nil {
		return parent{}, err
	}
	return parent{handle: r.ObjectHandle, name: r.Name, public: *public, made: true}, nil
}

func seal(t transport.TPM, secret []byte) (Sealed, error) {
	if p, ok := keptParent(t); ok {
		if s, err := sealBelow(t, p, secret); err == nil {
			return s, nil
		}
	}
	p, err := newParent(t)
	if err != nil {
		return Sealed{}, err
	}
	defer p.flush(t)
	return sealBelow(t, p, secret)
}

func sealBelow(t transport.TPM, p parent, secret []byte) (Sealed, error) {
	r, err := tpm2.Create{
		ParentHandle: p.auth(p.session(tpm2.AESEncryption(128, tpm2.EncryptIn))),
		InSensitive:  tpm2.TPM2BSensitiveCreate{Sensitive: &tpm2.TPMSSensitiveCreate{Data: tpm2.NewTPMUSensitiveCreate(&tpm2.TPM2BSensitiveData{Buffer: secret})}},
		InPublic: tpm2.New2B(tpm2.TPMTPublic{
			Type: tpm2.TPMAlgKeyedHash, NameAlg: tpm2.TPMAlgSHA256,
			ObjectAttributes: tpm2.TPMAObject{FixedTPM: true, FixedParent: true, UserWithAuth: true, NoDA: true},
		}),
	}.Execute(t)
	if err != nil {
		return Sealed{}, refusal(err)
	}
	public := r.OutPublic.Bytes()
	return Sealed{Parent: p.mark(public), Public: public, Private: r.OutPrivate.Buffer}, nil
}

func unseal(t transport.TPM, s Sealed) ([]byte, error) {
	p, ok := keptParent(t)
	if !ok || subtle.ConstantTimeCompare(p.mark(s.Public), s.Parent) != 1 {
		var err error
		if p, err = newParent(t); err != nil {
			return nil, err
		}
		defer p.flush(t)
		if subtle.ConstantTimeCompare(p.mark(s.Public), s.Parent) != 1 {
			return nil, ErrForeign
		}
	}
	public := tpm2.BytesAs2B[tpm2.TPMTPublic](s.Public)
	area, err := public.Contents()
	if err != nil || area.Type != tpm2.TPMAlgKeyedHash || !area.ObjectAttributes.NoDA {
		return nil, ErrForeign // not one of ours; and no try may be counted
	}
	loaded, err := tpm2.Load{ParentHandle: p.auth(tpm2.PasswordAuth(nil)), InPrivate: tpm2.TPM2BPrivate{Buffer: s.Private}, InPublic: public}.Execute(t)
	if err != nil {
		return nil, refusal(err)
	}
	defer func() { _, _ = tpm2.FlushContext{FlushHandle: loaded.ObjectHandle}.Execute(t) }()
	r, err := tpm2.Unseal{ItemHandle: tpm2.AuthHandle{Handle: loaded.ObjectHandle, Name: loaded.Name, Auth: p.session(tpm2.AESEncryption(128, tpm2.EncryptOut))}}.Execute(t)
	if err != nil {
		return nil, refusal(err)
	}
	return r.OutData.Buffer, nil
}

// refusal tells what a TPM says for good from what may pass.
func refusal(err error) error {
	switch {
	case errors.Is(err, tpm2.TPMRCIntegrity), errors.Is(err, tpm2.TPMRCSize), errors.Is(err, tpm2.TPMRCInsufficient), errors.Is(err, tpm2.TPMRCSensitive), errors.Is(err, tpm2.TPMRCBinding):
		return fmt.Errorf("%w: %w", ErrForeign, err)
	case errors.Is(err, tpm2.TPMRCBadAuth), errors.Is(err, tpm2.TPMRCAuthFail), errors.Is(err, tpm2.TPMRCHierarchy), errors.Is(err, tpm2.TPMRCDisabled):
		return fmt.Errorf("%w: %w", ErrDenied, err)
	}
	return err
}
