package keys

import (
	"bytes"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/tapcheck/tapcheck/agent/keys/tpm"
	"github.com/tapcheck/tapcheck/agent/keys/tpm/tpmtest"
)

// sealing is the first PC as an agent sees it that has just been started, with a TPM.
func sealing(s *tpmtest.TPM) Machine {
	m := pcOf(1)
	m.TPM, m.Seal = s.Device(), true
	return m
}

// kept looks at the key file as a thief does.
func kept(t *testing.T, dir string) (raw []byte, where Keeping) {
	t.Helper()
	raw, err := os.ReadFile(filepath.Join(dir, FileName))
	if err != nil {
		t.Fatal(err)
	}
	where, err = KeptIn(dir, Machine{})
	if err != nil && !errors.Is(err, ErrTPM) {
		t.Fatal(err)
	}
	return raw, where
}

// Keys of a new desk are sealed from the first, those of an older one at its next start, and they are the same keys; taken out again by the setting.
func TestKeysInTPM(t *testing.T) {
	t.Parallel()
	s := tpmtest.Start(t)
	fresh := filepath.Join(t.TempDir(), "data")
	older, before, secret := desk(t, pcOf(1))
	k, _ := on(t, fresh, sealing(s))
	for name, one := range map[string]struct {
		dir  string
		keys *Keys
	}{"new": {fresh, k}, "upgraded": {older, before}} {
		for range 2 { // and nothing changes any more
			now, aside := on(t, one.dir, sealing(s))
			if aside != "" || now.InstanceID() != one.keys.InstanceID() || !bytes.Equal(now.DatabaseKey(), one.keys.DatabaseKey()) || now.PublicJWK() != one.keys.PublicJWK() {
				t.Fatalf("%s: aside %q, or other keys", name, aside)
			}
		}
		raw, where := kept(t, one.dir)
		if where != InTPM || strings.Contains(string(raw), "databaseKey") || strings.Contains(string(raw), "signingKey") || strings.Contains(string(raw), "sealed") {
			t.Errorf("%s: %s\n%s", name, where, raw)
		}
		if where, err := KeptIn(one.dir, sealing(s)); where != InTPM || err != nil {
			t.Errorf("%s: %s, %v", name, where, err)
		}
		// A command that needs the id alone asks no TPM; one that needs the keys gets them, and changes nothing.
		if id, err := InstanceIn(one.dir); err != nil || id != one.keys.InstanceID() {
			t.Errorf("%s: %s, %v", name, id, err)
		}
		command := sealing(s)
		command.Seal = false
		if now, err := OpenOn(one.dir, command); err != nil || now.InstanceID() != one.keys.InstanceID() {
			t.Errorf("%s: a command: %v", name, err)
		}
		if again, _ := kept(t, one.dir); !bytes.Equal(again, raw) {
			t.Errorf("%s: a command has changed the file", name)
		}
	}
	store, err := OpenTokens(older)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := store.Check(secret, ""); err != nil {
		t.Errorf("a token: %v", err)
	}
	off := sealing(s)
	off.Seal = false
	if now, aside := on(t, older, off); aside != "" || now.InstanceID() != before.InstanceID() {
		t.Errorf("taken out: %q", aside)
	}
	if _, where := kept(t, older); where == InTPM {
		t.Error("the setting is off, and the TPM has them")
	}
	s.Off()
	if now, aside := on(t, older, pcOf(1)); aside != "" || !bytes.Equal(now.DatabaseKey(), before.DatabaseKey()) {
		t.Errorf("without a TPM: %q", aside)
	}
}

// A TPM that cannot be used is none: the desk has its keys in a file as before.
func TestTPMThatCannotBeUsed(t *testing.T) {
	t.Parallel()
	for name, prepare := range map[string]func(*tpmtest.TPM){
		"none": (*tpmtest.TPM).Off, "no right": func(s *tpmtest.TPM) { s.Deny(true) }, "an owner with a password": func(s *tpmtest.TPM) { s.Own("x") },
	} {
		s := tpmtest.Start(t)
		prepare(s)
		dir, before, _ := desk(t, sealing(s))
		k, aside := on(t, dir, sealing(s))
		if _, where := kept(t, dir); aside != "" || k.InstanceID() != before.InstanceID() || where == InTPM {
			t.Errorf("%s: aside %q, kept in %s", name, aside, where)
		}
	}
}

// TestTPMLost is what takes a TPM away from its keys: the desk goes on as another workstation, says why, and gets its own back where the TPM is.
func TestTPMLost(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		lose, find func(*tpmtest.TPM)
	}{
		"cleared":             {lose: (*tpmtest.TPM).Clear},
		"switched off":        {lose: (*tpmtest.TPM).Off, find: (*tpmtest.TPM).On},
		"the right was taken": {lose: func(s *tpmtest.TPM) { s.Deny(true) }, find: func(s *tpmtest.TPM) { s.Deny(false) }},
	} {
		t.Run(name, func(t *testing.T) {
			s := tpmtest.Start(t)
			dir, before, secret := desk(t, sealing(s))
			if _, where := kept(t, dir); where != InTPM {
				t.Fatalf("kept in %s", where)
			}
			tt.lose(s)
			if _, err := OpenOn(dir, sealing(s)); !errors.Is(err, ErrTPM) {
				t.Errorf("open: %v", err)
			}
			k, aside := on(t, dir, sealing(s))
			if aside == "" || k.InstanceID() == before.InstanceID() {
				t.Fatalf("aside %q", aside)
			}
			if list := AsideByTPM(dir, sealing(s)); len(list) != 1 || list[0] != aside {
				t.Errorf("AsideByTPM: %v", list)
			}
			if again, more := on(t, dir, sealing(s)); more != "" || again.InstanceID() != k.InstanceID() {
				t.Errorf("the next start: %q", more)
			}
			_, err := KeepAside(dir, aside, sealing(s))
			if tt.find == nil {
				if !errors.Is(err, ErrTPM) {
					t.Errorf("keep: %v", err)
				}
				if _, err := os.Stat(filepath.Join(dir, aside, FileName)); err != nil {
					t.Error("what was set aside is gone")
				}
				return
			}
			if !errors.Is(err, ErrTPM) {
				t.Errorf("keep, while it is away: %v", err)
			}
			tt.find(s)
			if _, err := KeepAside(dir, aside, sealing(s)); err != nil {
				t.Fatal(err)
			}
			if now, aside := on(t, dir, sealing(s)); aside != "" || now.InstanceID() != before.InstanceID() {
				t.Errorf("kept: %q", aside)
			}
			store, err := OpenTokens(dir)
			if err != nil {
				t.Fatal(err)
			}
			if _, err := store.Check(secret, ""); err != nil {
				t.Errorf("its tokens: %v", err)
			}
		})
	}
}

// The disk in another PC: whatever that one says about itself, its TPM opens nothing, and a copy on a PC that differs is a copy.
func TestStolenDisk(t *testing.T) {
	t.Parallel()
	one, two := tpmtest.Start(t), tpmtest.Start(t)
	dir, before, _ := desk(t, sealing(one))
	if _, err := OpenOn(dir, sealing(two)); !errors.Is(err, tpm.ErrForeign) {
		t.Errorf("open: %v", err)
	}
	there := copyFolder(t, dir)
	if k, aside := on(t, there, sealing(two)); aside == "" || k.InstanceID() == before.InstanceID() || len(AsideByTPM(there, sealing(two))) != 1 {
		t.Errorf("a perfect twin: %q", aside)
	}
	other := pcOf(2)
	other.TPM, other.Seal = two.Device(), true
	there = copyFolder(t, dir)
	if _, aside := on(t, there, other); aside == "" || len(AsideByTPM(there, other)) != 0 {
		t.Errorf("a copy: %q, %v", aside, AsideByTPM(there, other))
	}
}

// Who takes over a dead PC's work does so by its database's key, whichever TPM had sealed that; the command leaves it in the file, and the agent seals it.
func TestAdoptedIntoTPM(t *testing.T) {
	t.Parallel()
	one, two := tpmtest.Start(t), tpmtest.Start(t)
	_, dead, _ := desk(t, sealing(one))
	dir := filepath.Join(t.TempDir(), "data")
	command := sealing(two)
	command.Seal = false
	k, err := Adopt(dir, dead.DatabaseKey(), []Former{{InstanceID: dead.InstanceID(), PublicKey: dead.PublicJWK()}}, command)
	if err != nil {
		t.Fatal(err)
	}
	if _, where := kept(t, dir); where == InTPM {
		t.Error("a command has used the TPM, which the service perhaps may not")
	}
	now, aside := on(t, dir, sealing(two))
	if aside != "" || now.InstanceID() != k.InstanceID() || !bytes.Equal(now.DatabaseKey(), dead.DatabaseKey()) || len(now.Former()) != 1 {
		t.Errorf("aside %q", aside)
	}
	if _, where := kept(t, dir); where != InTPM {
		t.Errorf("kept in %s", where)
	}
}

// A TPM whose driver comes after us is waited for.
func TestTPMComesLate(t *testing.T) {
	t.Parallel()
	s := tpmtest.Start(t)
	dir, before, _ := desk(t, sealing(s))
	s.Off()
	m := sealing(s)
	m.TPM.Wait = 1 << 62 // until it is there
	done := make(chan string)
	go func() {
		aside, err := Bind(dir, m)
		if err != nil {
			aside = err.Error()
		}
		done <- aside
	}()
	s.On()
	if aside := <-done; aside != "" {
		t.Errorf("aside %q", aside)
	}
	if k, err := OpenOn(dir, m); err != nil || k.InstanceID() != before.InstanceID() {
		t.Errorf("open: %v", err)
	}
}

// A box that was changed, or is another file's, is damage, which is told, and no reason for new keys.
func TestBoxThatWasChanged(t *testing.T) {
	t.Parallel()
	s := tpmtest.Start(t)
	dir, _, _ := desk(t, sealing(s))
	other, _, _ := desk(t, sealing(s))
	foreign, _ := kept(t, other)
	raw, _ := kept(t, dir)
	var c, o content
	if err := errors.Join(json.Unmarshal(raw, &c), json.Unmarshal(foreign, &o)); err != nil {
		t.Fatal(err)
	}
	for name, change := range map[string]func(b *boxed){
		"a bit":              func(b *boxed) { b.Box[20] ^= 1 },
		"cut off":            func(b *boxed) { b.Box = b.Box[:8] },
		"nothing":            func(b *boxed) { b.Box = nil },
		"said to be DPAPI's": func(b *boxed) { b.System = !b.System },
		"another desk's":     func(b *boxed) { *b = *o.TPM },
		"longer than any":    func(b *boxed) { b.Box = append(b.Box, make([]byte, boxLimit)...) },
	} {
		b := *c.TPM
		b.Box = bytes.Clone(b.Box)
		change(&b)
		changed := c
		changed.TPM = &b
		text, err := json.Marshal(changed)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, FileName), text, 0o600); err != nil {
			t.Fatal(err)
		}
		if aside, err := Bind(dir, sealing(s)); aside != "" || err != nil {
			t.Errorf("%s: %q, %v", name, aside, err)
		}
		if _, err := OpenOn(dir, sealing(s)); !errors.Is(err, ErrMalformed) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// What a start that was broken off has left beside the file changes nothing: the old file or the new one is there, whole.
func TestSealingBrokenOff(t *testing.T) {
	t.Parallel()
	s := tpmtest.Start(t)
	dir, before, _ := desk(t, pcOf(1))
	whole, _ := kept(t, dir)
	for _, left := range [][]byte{nil, whole[:10], whole} {
		if err := os.WriteFile(filepath.Join(dir, ".tmp-left"), left, 0o600); err != nil {
			t.Fatal(err)
		}
		if k, aside := on(t, dir, sealing(s)); aside != "" || k.InstanceID() != before.InstanceID() {
			t.Errorf("aside %q", aside)
		}
	}
	if _, where := kept(t, dir); where != InTPM {
		t.Errorf("kept in %s", where)
	}
}
