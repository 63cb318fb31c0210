package keys

import (
	"bytes"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"time"
)

// ReadSecret reads a secret by its reference: the path of a file of its own, such as a password's, or credential:NAME, which the
// operating system keeps (Credential). A file stands under the same rules as the data folder's: a regular file without a second
// name, that belongs to us, to root or, where root asks, to its folder's owner, and that nobody else can read or change. Spaces
// and line ends around it are cut off; it is one line of at most 1024 bytes. Errors: *FileError.
func ReadSecret(ref string) (string, error) {
	raw, err := ReadPrivate(ref)
	if err != nil {
		return "", err
	}
	raw = bytes.TrimSpace(raw)
	if len(raw) == 0 || len(raw) > maxSecret || bytes.ContainsAny(raw, "\r\n") {
		return "", &FileError{Path: ref, Err: ErrMalformed, Cure: "it must hold one line"}
	}
	return string(raw), nil
}

const maxSecret = 1024 // bytes

// ReadPrivate reads a secret of any number of lines by its reference, under the same rules, at most 1 MiB of it. Errors:
// *FileError.
func ReadPrivate(ref string) ([]byte, error) {
	if name, is := Credential(ref); is {
		return readCredential(ref, name)
	}
	return readChecked(ref, true)
}

// OpenPrivate opens a file of the data folder for reading, under the same rules and however long it is. Errors: *FileError.
func OpenPrivate(path string) (*os.File, error) {
	f, err := openPrivate(path, os.O_RDONLY) // refuses links
	if err != nil {
		return nil, &FileError{Path: path, Err: err}
	}
	if err := checkOpen(f, path, true); err != nil {
		_ = f.Close()
		return nil, err
	}
	return f, nil
}

// readPrivate reads a file that only its owner may read. A missing file is fs.ErrNotExist.
//
// It does not ask for a single name: where two programs make the same file at once, renameNew gives it two for a moment,
// and its owner and mode are judged whatever other names it has.
func readPrivate(path string) ([]byte, error) { return readChecked(path, false) }

func readChecked(path string, single bool) ([]byte, error) {
	f, err := openPrivate(path, os.O_RDONLY) // refuses links
	if err != nil {
		return nil, &FileError{Path: path, Err: err}
	}
	defer f.Close()
	if err := checkOpen(f, path, single); err != nil {
		return nil, err
	}
	raw, err := io.ReadAll(io.LimitReader(f, fileLimit+1))
	if err != nil {
		return nil, &FileError{Path: path, Err: err}
	}
	if len(raw) > fileLimit {
		return nil, &FileError{Path: path, Err: ErrMalformed}
	}
	return raw, nil
}

// checkOpen judges the open file, so that nobody can change it between check and use. single asks for a file that has no
// second name.
func checkOpen(f *os.File, path string, single bool) error {
	info, err := f.Stat()
	if err != nil {
		return &FileError{Path: path, Err: err}
	}
	if !info.Mode().IsRegular() {
		return &FileError{Path: path, Err: ErrNotFile}
	}
	if single {
		n, err := linkCount(f, info)
		if err != nil {
			return &FileError{Path: path, Err: err}
		}
		if n != 1 {
			return &FileError{Path: path, Err: ErrLinked}
		}
	}
	return checkPrivate(f, path, info)
}

// openLock opens a file that is only ever locked, and makes it where it is missing. What is there already is opened as
// carefully as a secret and then left as it is: an administrator's command in the folder of a lesser user must neither
// follow a link that this user has put there nor give away the file behind it. Only a file that was made here a moment
// ago gets the folder's owner.
func openLock(path string) (*os.File, error) {
	f, err := createPrivate(path)
	if err == nil {
		if err := adoptOwner(f, filepath.Dir(path)); err != nil {
			_ = f.Close()
			_ = os.Remove(path)
			return nil, &FileError{Path: path, Err: err}
		}
		return f, nil
	}
	if !errors.Is(err, fs.ErrExist) {
		return nil, &FileError{Path: path, Err: err}
	}
	f, err = openPrivate(path, os.O_RDWR)
	if err != nil {
		return nil, &FileError{Path: path, Err: err}
	}
	if err := checkOpen(f, path, true); err != nil {
		_ = f.Close()
		return nil, err
	}
	return f, nil
}

// writePrivate makes a file whole or not at all. Without replace an existing file stays and the error is fs.ErrExist.
func writePrivate(path string, data []byte, replace bool) (err error) {
	defer func() {
		if err != nil {
			err = &FileError{Path: path, Err: err}
		}
	}()
	removeLeftovers(filepath.Dir(path))
	f, err := temporary(path)
	if err != nil {
		return err
	}
	name := f.Name()
	defer func() {
		if err != nil {
			_ = os.Remove(name)
		}
	}()
	_, err = f.Write(data)
	if err == nil {
		err = adoptOwner(f, filepath.Dir(path))
	}
	if err == nil {
		err = f.Sync()
	}
	if e := f.Close(); err == nil {
		err = e
	}
	if err != nil {
		return err
	}
	if replace {
		err = replaceFile(name, path)
	} else {
		err = renameNew(name, path)
	}
	if err != nil {
		return err
	}
	return syncDir(filepath.Dir(path))
}

// removeLeftovers clears what a power cut left. Only old files: another program may be writing right now.
func removeLeftovers(dir string) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return
	}
	for _, e := range entries {
		if !isTemporary(e.Name()) {
			continue
		}
		if info, err := e.Info(); err == nil && time.Since(info.ModTime()) > time.Hour {
			_ = os.Remove(filepath.Join(dir, e.Name()))
		}
	}
}

// makePrivateDir makes the data folder, or checks the one that is there.
func makePrivateDir(dir string) error {
	info, err := os.Stat(dir)
	if errors.Is(err, fs.ErrNotExist) {
		if err = os.MkdirAll(filepath.Dir(dir), 0o700); err == nil {
			err = makeDir(dir)
		}
		// Somebody else can have made it since a moment ago: then it is judged like any other.
		if err == nil || errors.Is(err, fs.ErrExist) {
			info, err = os.Stat(dir)
		}
	}
	if err != nil {
		return &FileError{Path: dir, Err: err}
	}
	if !info.IsDir() {
		return &FileError{Path: dir, Err: errors.New("it is no folder")}
	}
	return checkDir(dir, info)
}
