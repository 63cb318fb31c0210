package keys

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"sync"
	"testing"
)

// A data folder serves the mode that it was made for, and no other.
func TestFolderIsMadeForOneMode(t *testing.T) {
	simulated, real := filepath.Join(t.TempDir(), "a", "simulated"), filepath.Join(t.TempDir(), "real")
	for range 2 { // made, and found again
		if err := Claim(simulated, true); err != nil {
			t.Fatal(err)
		}
		if err := Claim(real, false); err != nil {
			t.Fatal(err)
		}
		if _, err := Open(simulated); err != nil {
			t.Fatal(err)
		}
		if _, err := Open(real); err != nil {
			t.Fatal(err)
		}
		var fe *FileError
		if err := Claim(simulated, false); !errors.Is(err, ErrSimulation) || !errors.As(err, &fe) || fe.Path != simulated {
			t.Errorf("a real desk in a simulation's folder: %v", err)
		}
		if err := Claim(real, true); !errors.Is(err, ErrReal) || !errors.As(err, &fe) || fe.Path != real {
			t.Errorf("a simulation in a real desk's folder: %v", err)
		}
	}
	// A token alone, or anything else, is somebody's too.
	for name, lay := range map[string]func(dir string) error{
		"a token": func(dir string) error {
			s, err := OpenTokens(dir)
			if err == nil {
				_, _, err = s.Add(TokenRequest{Desktop: true})
			}
			return err
		},
		"a journal": func(dir string) error {
			return errors.Join(os.Mkdir(dir, 0o700), os.WriteFile(filepath.Join(dir, "journal.db"), nil, 0o600))
		},
	} {
		dir := filepath.Join(t.TempDir(), "data")
		if err := lay(dir); err != nil {
			t.Fatal(err)
		}
		if err := Claim(dir, true); !errors.Is(err, ErrReal) {
			t.Errorf("%s: %v", name, err)
		}
	}
	empty := t.TempDir()
	if err := os.Chmod(empty, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := Claim(empty, true); err != nil {
		t.Errorf("an empty folder: %v", err)
	}
}

func TestManyAtOnceClaimOneFolder(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "data")
	var wg sync.WaitGroup
	for range 16 {
		wg.Go(func() {
			if err := Claim(dir, true); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
}

func TestInstanceInMakesNothing(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "data")
	if _, err := InstanceIn(dir); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("no folder: %v", err)
	}
	if _, err := os.Stat(dir); !errors.Is(err, fs.ErrNotExist) {
		t.Error("the folder was made")
	}
	k, err := Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	if id, err := InstanceIn(dir); err != nil || id != k.InstanceID() {
		t.Errorf("%q, %v", id, err)
	}
}
