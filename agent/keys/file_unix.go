//go:build unix

package keys

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"

	"golang.org/x/sys/unix"
)

func createPrivate(name string) (*os.File, error) {
	return os.OpenFile(name, os.O_RDWR|os.O_CREATE|os.O_EXCL|syscall.O_NOFOLLOW, 0o600)
}

// openPrivate does not follow a link and does not hang on a pipe that somebody put in the file's place.
func openPrivate(path string, access int) (*os.File, error) {
	f, err := os.OpenFile(path, access|syscall.O_NOFOLLOW|syscall.O_NONBLOCK, 0)
	if errors.Is(err, syscall.ELOOP) {
		return nil, ErrNotFile
	}
	return f, err
}

func checkPrivate(_ *os.File, path string, info fs.FileInfo) error {
	if err := checkOwner(path, info); err != nil {
		return err
	}
	if info.Mode().Perm()&0o077 != 0 {
		return &FileError{Path: path, Err: ErrExposed, Cure: "if nobody else can have read it: chmod 600"}
	}
	return nil
}

// checkDir lets others look into the folder (the files in it are guarded by themselves), but not put files there. Root
// works in anybody's folder (sudo tapcheck token add).
func checkDir(path string, info fs.FileInfo) error {
	if st, ok := info.Sys().(*syscall.Stat_t); ok && st.Uid != 0 && os.Geteuid() != 0 && int(st.Uid) != os.Geteuid() {
		return &FileError{Path: path, Err: ErrOwner}
	}
	if info.Mode().Perm()&0o022 != 0 {
		return &FileError{Path: path, Err: ErrExposed, Cure: "chmod 700"}
	}
	return nil
}

// checkOwner accepts our own files and root's, who can do everything anyway; and, for root, those of the folder's owner.
func checkOwner(path string, info fs.FileInfo) error {
	st, ok := info.Sys().(*syscall.Stat_t)
	if !ok || st.Uid == 0 || int(st.Uid) == os.Geteuid() {
		return nil
	}
	if os.Geteuid() == 0 {
		if dir, err := os.Stat(filepath.Dir(path)); err == nil {
			if d, ok := dir.Sys().(*syscall.Stat_t); ok && d.Uid == st.Uid {
				return nil
			}
		}
	}
	return &FileError{Path: path, Err: ErrOwner}
}

// makeDir makes a folder that is its owner's alone from its first moment.
func makeDir(dir string) error { return os.Mkdir(dir, 0o700) }

// linkCount is the number of names that the file has.
func linkCount(_ *os.File, info fs.FileInfo) (uint64, error) {
	st, ok := info.Sys().(*syscall.Stat_t)
	if !ok {
		return 0, errors.ErrUnsupported
	}
	return uint64(st.Nlink), nil
}

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

// replaceFile puts a file in another one's place. Whoever reads that goes on with what it was.
func replaceFile(from, to string) error { return os.Rename(from, to) }

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

// adoptFolder gives a folder that root made to the owner of the folder above it.
func adoptFolder(dir, above string) error {
	d, err := os.OpenFile(dir, os.O_RDONLY|syscall.O_NOFOLLOW|syscall.O_DIRECTORY, 0)
	if err != nil {
		return err
	}
	defer d.Close()
	return adoptOwner(d, above)
}
