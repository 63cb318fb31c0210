package keys

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"sync"
)

// File is a private file of the data folder that several programs read and change: the agent while a command edits it. It
// stands under the same rules as the tokens. It is safe for concurrent use.
type File struct {
	path string

	mu   sync.Mutex
	seen fileState
	err  error
}

// OpenFile names a file in the data folder, which is made where it is missing. The file itself may be missing. Errors:
// *FileError.
func OpenFile(dir, name string) (*File, error) {
	if err := makePrivateDir(dir); err != nil {
		return nil, err
	}
	return &File{path: filepath.Join(dir, name), err: errChanged}, nil
}

// Path is where the file lies.
func (f *File) Path() string { return f.path }

// Read gives the content where it is another one than at the last Read; changed says so. A missing file is no content.
// After an error it is read anew. Errors: *FileError.
func (f *File) Read() (raw []byte, changed bool, err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	var now fileState
	info, err := os.Lstat(f.path)
	switch {
	case err == nil:
		now = fileState{true, info.ModTime(), info.Size(), fileIdentity(info), info.Mode()}
	case !errors.Is(err, fs.ErrNotExist):
		f.err = &FileError{Path: f.path, Err: err}
		return nil, true, f.err
	}
	if f.err == nil && now == f.seen {
		return nil, false, nil
	}
	raw, f.err = readOrNothing(f.path)
	f.seen = now
	return raw, true, f.err
}

// Look gives the content whatever Read has given before. Errors: *FileError.
func (f *File) Look(at func(raw []byte)) error {
	raw, err := readOrNothing(f.path)
	if err == nil {
		at(raw)
	}
	return err
}

// Change reads, changes and writes the file while no other program does; raw is empty where there is no file. Errors:
// what edit gives, or *FileError.
func (f *File) Change(edit func(raw []byte) ([]byte, error)) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	lock, err := openLock(f.path + ".lock") // a file of its own, for the file itself is replaced
	if err != nil {
		return err
	}
	defer lock.Close()
	if err := lockFile(lock); err != nil {
		return &FileError{Path: f.path + ".lock", Err: err}
	}
	raw, err := readOrNothing(f.path)
	if err != nil {
		return err
	}
	if raw, err = edit(raw); err != nil {
		return err
	}
	if err := writePrivate(f.path, raw, true); err != nil {
		return err
	}
	f.err = errChanged // whatever its time of change says
	return nil
}

// Remove removes the file; a missing one is no error.
func (f *File) Remove() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if err := os.Remove(f.path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return &FileError{Path: f.path, Err: err}
	}
	f.err = errChanged
	return nil
}

func readOrNothing(path string) ([]byte, error) {
	raw, err := readPrivate(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	return raw, err
}
