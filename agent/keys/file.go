package keys

import (
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"time"
)

// readPrivate reads a file that only its owner may read. A missing file is fs.ErrNotExist.
func readPrivate(path string) ([]byte, error) {
	f, err := openPrivate(path) // refuses links
	if err != nil {
		return nil, &FileError{Path: path, Err: err}
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, &FileError{Path: path, Err: err}
	}
	if !info.Mode().IsRegular() {
		return nil, &FileError{Path: path, Err: ErrNotFile}
	}
	// Checked on the open file, so that nobody can change it between check and use.
	if err := checkPrivate(path, info); err != nil {
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
		err = os.Rename(name, path)
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
		if err := os.MkdirAll(dir, 0o700); err != nil {
			return &FileError{Path: dir, Err: err}
		}
		if err := protectDir(dir); err != nil {
			return &FileError{Path: dir, Err: err}
		}
		return nil
	}
	if err != nil {
		return &FileError{Path: dir, Err: err}
	}
	if !info.IsDir() {
		return &FileError{Path: dir, Err: errors.New("it is no folder")}
	}
	return checkDir(dir, info)
}
