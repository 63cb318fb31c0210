//go:build unix

package keys

import (
	"errors"
	"io/fs"
	"os"
	"syscall"

	"golang.org/x/sys/unix"
)

func createPrivate(name string) (*os.File, error) {
	return os.OpenFile(name, os.O_RDWR|os.O_CREATE|os.O_EXCL|syscall.O_NOFOLLOW, 0o600)
}

// openPrivate does not follow a link and does not hang on a pipe that somebody put in the file's place.
func openPrivate(path string) (*os.File, error) {
	f, err := os.OpenFile(path, os.O_RDONLY|syscall.O_NOFOLLOW|syscall.O_NONBLOCK, 0)
	if errors.Is(err, syscall.ELOOP) {
		return nil, ErrNotFile
	}
	return f, err
}

func checkPrivate(path string, info fs.FileInfo) error {
	if err := checkOwner(path, info); err != nil {
		return err
	}
	if info.Mode().Perm()&0o077 != 0 {
		return &FileError{Path: path, Err: ErrExposed, Cure: "if nobody else can have read it: chmod 600"}
	}
	return nil
}

// checkDir lets others look into the folder (the files in it are guarded by themselves), but not put files there.
func checkDir(path string, info fs.FileInfo) error {
	if err := checkOwner(path, info); err != nil {
		return err
	}
	if info.Mode().Perm()&0o022 != 0 {
		return &FileError{Path: path, Err: ErrExposed, Cure: "chmod 700"}
	}
	return nil
}

// checkOwner accepts our own files and root's, who can do everything anyway.
func checkOwner(path string, info fs.FileInfo) error {
	st, ok := info.Sys().(*syscall.Stat_t)
	if ok && st.Uid != 0 && int(st.Uid) != os.Geteuid() && os.Geteuid() != 0 {
		return &FileError{Path: path, Err: ErrOwner}
	}
	return nil
}

func protectDir(dir string) error { return os.Chmod(dir, 0o700) }

// adoptOwner gives a file that root wrote (sudo tapcheck token add) to the folder's owner, who must read it.
func adoptOwner(f *os.File, dir string) error {
	if os.Geteuid() != 0 {
		return nil
	}
	info, err := os.Stat(dir)
	if err != nil {
		return err
	}
	if st, ok := info.Sys().(*syscall.Stat_t); ok && st.Uid != 0 {
		return f.Chown(int(st.Uid), int(st.Gid))
	}
	return nil
}

// renameNew fails with fs.ErrExist where the target is there: link does what rename does not.
func renameNew(from, to string) error {
	err := os.Link(from, to)
	_ = os.Remove(from)
	return err
}

func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	defer d.Close()
	if err := d.Sync(); err != nil && !errors.Is(err, syscall.EINVAL) {
		return err // some file systems do not know how to flush a folder (EINVAL)
	}
	return nil
}

// lockFile waits for the exclusive right to change a file. The lock goes with the file handle, so a program that dies
// leaves none behind.
func lockFile(f *os.File) error { return unix.Flock(int(f.Fd()), unix.LOCK_EX) }

// fileIdentity changes when a file is replaced.
func fileIdentity(info fs.FileInfo) uint64 {
	if st, ok := info.Sys().(*syscall.Stat_t); ok {
		return st.Ino
	}
	return 0
}
