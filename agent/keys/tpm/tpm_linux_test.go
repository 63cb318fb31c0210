package tpm_test

import (
	"bytes"
	"errors"
	"testing"

	"github.com/google/go-tpm/tpm2"
	"github.com/google/go-tpm/tpm2/transport"

	"github.com/tapcheck/tapcheck/agent/keys/tpm"
	"github.com/tapcheck/tapcheck/agent/keys/tpm/tpmtest"
)

var secret = bytes.Repeat([]byte("k"), 32)

// TestTPM is what happens to one TPM after it has sealed something, and whether it opens it then.
func TestTPM(t *testing.T) {
	countsTries := tpm2.ECCSRKTemplate
	countsTries.ObjectAttributes.NoDA = false
	for name, tt := range map[string]struct {
		before, after func(s *tpmtest.TPM)
		sealing, want error
	}{
		"as it was":                                    {},
		"switched off and on":                          {after: func(s *tpmtest.TPM) { s.Off(); s.On() }},
		"cleared":                                      {after: (*tpmtest.TPM).Clear, want: tpm.ErrForeign},
		"taken out":                                    {after: (*tpmtest.TPM).Off, want: tpm.ErrAbsent},
		"no right any more":                            {after: func(s *tpmtest.TPM) { s.Deny(true) }, want: tpm.ErrDenied},
		"no right from the first":                      {before: func(s *tpmtest.TPM) { s.Deny(true) }, sealing: tpm.ErrDenied},
		"none":                                         {before: (*tpmtest.TPM).Off, sealing: tpm.ErrAbsent},
		"an owner with a password":                     {before: func(s *tpmtest.TPM) { s.Own("x") }, sealing: tpm.ErrDenied},
		"a password since":                             {after: func(s *tpmtest.TPM) { s.Own("x") }, want: tpm.ErrDenied},
		"a storage key that stays":                     {before: func(s *tpmtest.TPM) { s.Keep(tpm2.RSASRKTemplate); s.Own("x") }},
		"a storage key that stays, cleared":            {before: func(s *tpmtest.TPM) { s.Keep(tpm2.ECCSRKTemplate) }, after: (*tpmtest.TPM).Clear, want: tpm.ErrForeign},
		"a storage key was made to stay since":         {after: func(s *tpmtest.TPM) { s.Keep(tpm2.RSASRKTemplate) }},
		"one that counts tries is left alone":          {before: func(s *tpmtest.TPM) { s.Keep(countsTries) }},
		"one that counts tries, and nothing else":      {before: func(s *tpmtest.TPM) { s.Keep(countsTries); s.Own("x") }, sealing: tpm.ErrDenied},
		"locked out, which stops nothing that is ours": {after: lockOut},
		"locked out before":                            {before: lockOut},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := tpmtest.Start(t)
			if tt.before != nil {
				tt.before(s)
			}
			d := s.Device()
			sealed, err := d.Seal(secret)
			if !errors.Is(err, tt.sealing) {
				t.Fatalf("sealing: %v, want %v", err, tt.sealing)
			}
			if check := s.Device().Check(); tt.sealing == nil && tt.before == nil && check != nil {
				t.Errorf("check: %v", check)
			}
			if err != nil {
				return
			}
			if bytes.Contains(sealed.Private, secret) || bytes.Contains(sealed.Public, secret) {
				t.Error("the secret stands in what was sealed")
			}
			if tt.after != nil {
				tt.after(s)
			}
			got, err := s.Device().Unseal(sealed)
			if !errors.Is(err, tt.want) || (tt.want == nil) != bytes.Equal(got, secret) {
				t.Errorf("%q, %v, want %v", got, err, tt.want)
			}
		})
	}
}

// lockOut guesses until the TPM takes no more guesses.
func lockOut(s *tpmtest.TPM) {
	s.Do(func(t transport.TPM) error {
		r, err := tpm2.CreatePrimary{
			PrimaryHandle: tpm2.AuthHandle{Handle: tpm2.TPMRHOwner, Auth: tpm2.PasswordAuth(nil)},
			InSensitive:   tpm2.TPM2BSensitiveCreate{Sensitive: &tpm2.TPMSSensitiveCreate{UserAuth: tpm2.TPM2BAuth{Buffer: []byte("right")}, Data: tpm2.NewTPMUSensitiveCreate(&tpm2.TPM2BSensitiveData{Buffer: []byte("x")})}},
			InPublic: tpm2.New2B(tpm2.TPMTPublic{
				Type: tpm2.TPMAlgKeyedHash, NameAlg: tpm2.TPMAlgSHA256, ObjectAttributes: tpm2.TPMAObject{FixedTPM: true, FixedParent: true, UserWithAuth: true},
			}),
		}.Execute(t)
		if err != nil {
			return err
		}
		defer func() { _, _ = tpm2.FlushContext{FlushHandle: r.ObjectHandle}.Execute(t) }()
		for range 100 {
			_, err := tpm2.Unseal{ItemHandle: tpm2.AuthHandle{Handle: r.ObjectHandle, Name: r.Name, Auth: tpm2.PasswordAuth([]byte("wrong"))}}.Execute(t)
			if errors.Is(err, tpm2.TPMRCLockout) {
				return nil
			}
		}
		return errors.New("it takes any number of guesses")
	})
}

// What another TPM has sealed, or nobody, is refused, and no try is counted for it, however often.
func TestForeign(t *testing.T) {
	t.Parallel()
	one, two := tpmtest.Start(t), tpmtest.Start(t)
	sealed, err := one.Device().Seal(secret)
	if err != nil {
		t.Fatal(err)
	}
	own, err := two.Device().Seal(secret)
	if err != nil {
		t.Fatal(err)
	}
	flipped := own
	flipped.Private = bytes.Clone(own.Private)
	flipped.Private[len(flipped.Private)-1] ^= 1
	public := own
	public.Public = bytes.Clone(own.Public)
	public.Public[len(public.Public)-1] ^= 1
	for name, s := range map[string]tpm.Sealed{
		"of another TPM": sealed, "nothing": {}, "a bit is another one": flipped, "another name": public,
		"parts of two":            {Parent: own.Parent, Public: own.Public, Private: sealed.Private},
		"cut off":                 {Parent: own.Parent, Public: own.Public, Private: own.Private[:20]},
		"longer than any":         {Parent: own.Parent, Public: own.Public, Private: make([]byte, 1<<20)},
		"a public part that lies": {Parent: own.Parent, Public: []byte{0, 8}, Private: own.Private},
	} {
		for range 3 {
			if got, err := two.Device().Unseal(s); got != nil || !errors.Is(err, tpm.ErrForeign) {
				t.Errorf("%s: %q, %v", name, got, err)
			}
		}
	}
	if n := two.Property(tpm2.TPMPTLockoutCounter); n != 0 {
		t.Errorf("%d tries were counted", n)
	}
	if got, err := two.Device().Unseal(own); err != nil || !bytes.Equal(got, secret) {
		t.Errorf("its own: %q, %v", got, err)
	}
}

// A desk at work does not stop when its TPM does.
func TestRemembered(t *testing.T) {
	t.Parallel()
	s := tpmtest.Start(t)
	d := s.Device()
	sealed, err := d.Seal(secret)
	if err != nil {
		t.Fatal(err)
	}
	if got, err := d.Unseal(sealed); err != nil || !bytes.Equal(got, secret) {
		t.Fatalf("%q, %v", got, err)
	} else {
		clear(got) // the caller's own
	}
	s.Off()
	if got, err := d.Unseal(sealed); err != nil || !bytes.Equal(got, secret) {
		t.Errorf("%q, %v", got, err)
	}
}

// Nothing of ours stays in a TPM, which has room for three: without a resource manager a leak would show at once.
func TestNothingStays(t *testing.T) {
	t.Parallel()
	s := tpmtest.Start(t)
	for range 5 {
		d := s.Device()
		sealed, err := d.Seal(secret)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := d.Unseal(sealed); err != nil {
			t.Fatal(err)
		}
	}
	for _, n := range []int{0, tpm.MaxSecret + 1} {
		if _, err := s.Device().Seal(make([]byte, n)); err == nil {
			t.Errorf("a secret of %d bytes", n)
		}
	}
}
