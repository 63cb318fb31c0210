package main

import (
	"bytes"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"runtime/debug"
	"strconv"
	"sync"

	"github.com/tapcheck/tapcheck/agent/keys"
)

// logFile is the log of a service that has no journal to write to (Windows): a file of a bounded size, and a bounded number of
// older ones beside it, NAME.1 the youngest. Lines are written whole. A disk that takes nothing loses lines, never the service.
type logFile struct {
	path string
	most int64 // bytes of one file
	old  int   // how many older ones are kept

	mu   sync.Mutex
	f    *os.File
	size int64
}

// Bounds of the service's log: 4 files of 4 MiB.
const (
	logFolder = "log"
	logName   = "tapcheck.log"
	crashName = "crash.txt" // what a crash says; of the last start
	logMost   = 4 << 20
	logOld    = 3
)

// logTo has everything that goes to standard error, and the end of a program that crashes, written into a folder from now on. The
// data folder is made first: the log's may lie in it, and takes over who may read it.
func (a *app) logTo(dir, data string) (end func(), err error) {
	if err := keys.Claim(data, false); err != nil {
		return nil, dataFolderError(err)
	}
	l, err := openLogFile(dir)
	if err != nil {
		return nil, dataFolderError(&keys.FileError{Path: dir, Err: err})
	}
	if crash, err := os.OpenFile(filepath.Join(dir, crashName), os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600); err == nil {
		_ = debug.SetCrashOutput(crash, debug.CrashOptions{})
		_ = crash.Close() // it has a copy
	}
	before := a.Stderr
	a.Stderr = l
	return func() {
		a.Stderr = before
		_ = debug.SetCrashOutput(nil, debug.CrashOptions{})
		_ = l.Close()
	}, nil
}

// openLogFile opens the log in its folder, which is made for its owner alone where it is missing.
func openLogFile(dir string) (*logFile, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, err
	}
	l := &logFile{path: filepath.Join(dir, logName), most: logMost, old: logOld}
	return l, l.open()
}

func (l *logFile) open() error {
	f, err := os.OpenFile(l.path, os.O_WRONLY|os.O_CREATE|os.O_APPEND, 0o600)
	if err != nil {
		return err
	}
	info, err := f.Stat()
	if err != nil {
		return errors.Join(err, f.Close())
	}
	l.f, l.size = f, info.Size()
	return nil
}

// Write implements io.Writer.
func (l *logFile) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.f != nil && l.size > 0 && l.size+int64(len(p)) > l.most {
		_ = l.f.Close()
		l.f = nil
		l.rotate()
	}
	if l.f == nil && l.open() != nil {
		return len(p), nil
	}
	n, _ := l.f.Write(p)
	l.size += int64(n)
	return len(p), nil
}

// rotate gives each file the next number; the oldest goes. One that somebody holds open stays where it is.
func (l *logFile) rotate() {
	for n := l.old; n >= 1; n-- {
		from := l.path
		if n > 1 {
			from = l.path + "." + strconv.Itoa(n-1)
		}
		_ = os.Rename(from, l.path+"."+strconv.Itoa(n))
	}
	// Where it could not be moved away it is emptied: a bound that somebody's editor lifts is none.
	if info, err := os.Stat(l.path); err == nil && info.Size() > 0 {
		_ = os.Truncate(l.path, 0)
	}
}

// Close ends it.
func (l *logFile) Close() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.f == nil {
		return nil
	}
	err := l.f.Close()
	l.f = nil
	return err
}

// readLogFiles gives the end of a log, oldest line first, at most so many bytes of it.
func readLogFiles(dir string, most int64) ([]byte, error) {
	var all [][]byte
	for n := logOld; n >= 0; n-- {
		path := filepath.Join(dir, logName)
		if n > 0 {
			path += "." + strconv.Itoa(n)
		}
		f, err := os.Open(path)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return nil, err
		}
		raw, err := io.ReadAll(io.LimitReader(f, logMost+1<<20))
		if err = errors.Join(err, f.Close()); err != nil {
			return nil, err
		}
		all = append(all, raw)
	}
	text := bytes.Join(all, nil)
	if len(text) == 0 {
		return nil, fs.ErrNotExist
	}
	return text[max(0, int64(len(text))-most):], nil
}
