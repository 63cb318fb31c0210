//go:build unix

package keys

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// stranger is a user who is neither root nor we.
const stranger = 54321

func asRoot(t *testing.T) {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("only root can be led to give files away")
	}
}

// foreign is the data folder of a lesser user, beside a file of root's.
func foreign(t *testing.T) (dir, victim string) {
	t.Helper()
	asRoot(t)
	top := t.TempDir()
	dir, victim = filepath.Join(top, "data"), filepath.Join(top, "victim")
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(victim, []byte("root's"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Chown(dir, stranger, stranger); err != nil {
		t.Fatal(err)
	}
	return dir, victim
}

func owner(t *testing.T, path string) uint32 {
	t.Helper()
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	return info.Sys().(*syscall.Stat_t).Uid
}

// The owner of a data folder lays something in the place of a file that root is about to open, in the hope to be given
// what is behind it. Each row is one such thing; root's command must refuse it and leave root's file as it was.
func TestRootGivesNothingAway(t *testing.T) {
	traps := map[string]struct {
		lay  func(path, victim string) error
		want error
	}{
		"a symbolic link": {func(path, victim string) error { return os.Symlink(victim, path) }, ErrNotFile},
		"a hard link":     {func(path, victim string) error { return os.Link(victim, path) }, ErrLinked},
		"a pipe":          {func(path, _ string) error { return syscall.Mkfifo(path, 0o600) }, ErrNotFile},
		"a folder":        {func(path, _ string) error { return os.Mkdir(path, 0o700) }, syscall.EISDIR},
		"another user's": {func(path, _ string) error {
			return errors.Join(os.WriteFile(path, nil, 0o600), os.Chown(path, stranger+1, stranger+1))
		}, ErrOwner},
		"one that others can lock": {func(path, _ string) error {
			return errors.Join(os.WriteFile(path, nil, 0o600), os.Chmod(path, 0o666))
		}, ErrExposed},
	}
	for name, trap := range traps {
		t.Run(name, func(t *testing.T) {
			dir, victim := foreign(t)
			if err := trap.lay(filepath.Join(dir, TokensFileName+".lock"), victim); err != nil {
				t.Fatal(err)
			}
			s, err := OpenTokens(dir)
			if err != nil {
				t.Fatal(err)
			}
			if _, _, err := s.Add(TokenRequest{Desktop: true}); !errors.Is(err, trap.want) {
				t.Errorf("token add: %v, want %v", err, trap.want)
			}
			var fe *FileError
			if err := s.Revoke("t0"); !errors.As(err, &fe) || fe.Path == "" {
				t.Errorf("token revoke: %v", err)
			}
			if id := owner(t, victim); id != 0 {
				t.Errorf("root's file was given to user %d", id)
			}
			if raw, err := os.ReadFile(victim); err != nil || string(raw) != "root's" {
				t.Errorf("root's file now holds %q, %v", raw, err)
			}
		})
	}
	// The files that hold something are neither followed nor taken from somebody else.
	for _, file := range []string{TokensFileName, FileName} {
		dir, victim := foreign(t)
		path := filepath.Join(dir, file)
		if err := os.Symlink(victim, path); err != nil {
			t.Fatal(err)
		}
		if _, err := readPrivate(path); !errors.Is(err, ErrNotFile) {
			t.Errorf("%s as a link: %v", file, err)
		}
		if err := errors.Join(os.Remove(path), os.WriteFile(path, []byte("{}"), 0o600), os.Chown(path, stranger+1, stranger+1)); err != nil {
			t.Fatal(err)
		}
		if _, err := readPrivate(path); !errors.Is(err, ErrOwner) {
			t.Errorf("%s of another user: %v", file, err)
		}
	}
}

// What root makes in the folder of a lesser user belongs to that user, whose agent must read it.
func TestRootMakesFilesForTheFoldersOwner(t *testing.T) {
	dir, _ := foreign(t)
	s, err := OpenTokens(dir)
	if err != nil {
		t.Fatal(err)
	}
	for range 2 { // the second one finds the first one's lock
		if _, _, err := s.Add(TokenRequest{Desktop: true}); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := Open(dir); err != nil {
		t.Fatal(err)
	}
	for _, file := range []string{TokensFileName, TokensFileName + ".lock", FileName} {
		if id := owner(t, filepath.Join(dir, file)); id != stranger {
			t.Errorf("%s belongs to %d", file, id)
		}
	}
}

func TestReadSecret(t *testing.T) {
	write := func(text string) func(path string) error {
		return func(path string) error { return os.WriteFile(path, []byte(text), 0o600) }
	}
	for name, c := range map[string]struct {
		lay  func(path string) error
		want string
		err  error
		root bool // only root can lay it
	}{
		"a line":          {lay: write("p w d\r\n"), want: "p w d"},
		"without an end":  {lay: write("pwd"), want: "pwd"},
		"missing":         {lay: func(string) error { return nil }, err: os.ErrNotExist},
		"empty":           {lay: write(""), err: ErrMalformed},
		"blank":           {lay: write(" \r\n"), err: ErrMalformed},
		"two lines":       {lay: write("a\nb"), err: ErrMalformed},
		"long":            {lay: write(strings.Repeat("x", maxSecret+1)), err: ErrMalformed},
		"huge":            {lay: write(strings.Repeat("x", fileLimit+1)), err: ErrMalformed},
		"others read":     {lay: func(path string) error { return errors.Join(write("pwd")(path), os.Chmod(path, 0o644)) }, err: ErrExposed},
		"a symbolic link": {lay: func(path string) error { return errors.Join(write("pwd")(path+".x"), os.Symlink(path+".x", path)) }, err: ErrNotFile},
		"a hard link":     {lay: func(path string) error { return errors.Join(write("pwd")(path+".x"), os.Link(path+".x", path)) }, err: ErrLinked},
		"a pipe":          {lay: func(path string) error { return syscall.Mkfifo(path, 0o600) }, err: ErrNotFile},
		"a folder":        {lay: func(path string) error { return os.Mkdir(path, 0o700) }, err: ErrNotFile},
		"another user's": {lay: func(path string) error {
			return errors.Join(write("pwd")(path), os.Chown(path, stranger, stranger))
		}, err: ErrOwner, root: true},
	} {
		t.Run(name, func(t *testing.T) {
			if c.root {
				asRoot(t)
			}
			path := filepath.Join(t.TempDir(), "secret")
			if err := c.lay(path); err != nil {
				t.Fatal(err)
			}
			got, err := ReadSecret(path)
			if got != c.want || !errors.Is(err, c.err) || (err == nil) != (c.err == nil) {
				t.Errorf("%q, %v; want %q, %v", got, err, c.want, c.err)
			}
			if err != nil && strings.Contains(err.Error(), "pwd") {
				t.Error("the error quotes the secret")
			}
		})
	}
}
