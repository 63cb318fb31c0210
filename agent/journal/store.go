package journal

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"github.com/ncruces/go-sqlite3"
	"github.com/ncruces/go-sqlite3/vfs"
	hbshvfs "github.com/ncruces/go-sqlite3/vfs/adiantum"
	"lukechampine.com/adiantum"
	"lukechampine.com/adiantum/hbsh"
)

// diskLayer is what lies below the cipher.
type diskLayer = vfs.VFS

const (
	// block is the cipher's block, the page of the database, and what a write to the disk may tear.
	block = 4096

	// maxMemory bounds SQLite's own memory, in bytes: a row of MaxBody is held a few times over while it is written.
	maxMemory = 16 << 20

	// busy is how long an open waits for a process that is just ending.
	busy = 2 * time.Second
)

// settings of every connection.
//
// secure_delete overwrites what was deleted. The log is folded back after 1 MiB and cut to that size. No temporary file
// is ever made. A damaged page is looked at closely before it is believed.
const settings = `
PRAGMA locking_mode=EXCLUSIVE;
PRAGMA temp_store=MEMORY;
PRAGMA cache_size=-512;
PRAGMA secure_delete=ON;
PRAGMA cell_size_check=ON;
PRAGMA trusted_schema=OFF;
PRAGMA synchronous=FULL;
PRAGMA wal_autocheckpoint=256;
PRAGMA journal_size_limit=1048576;
`

// store opens and, after a fault, opens again. It belongs to one goroutine.
type store struct {
	path string
	vfs  string // name under which the cipher is registered
	key  [32]byte
	db   *conn // nil until it is needed
}

var serial atomic.Int64

// cipher gives SQLite's files the journal's key without the key ever being in an SQL text or a file name.
type cipher struct{ key [32]byte }

// KDF is asked for the key of a named file with the constant secret of store.open, and for that of a temporary file with an empty
// one: that file gets none and so is not made (temp_store=MEMORY wants none).
func (c cipher) KDF(secret string) []byte {
	if secret == "" {
		return nil
	}
	return c.key[:]
}

func (c cipher) HBSH(key []byte) *hbsh.HBSH {
	if len(key) != len(c.key) {
		return nil
	}
	return adiantum.New(key)
}

func newStore(o Options) *store {
	below := o.below
	if below == nil {
		below = vfs.Find("")
	}
	s := &store{path: o.Path, key: o.Key, vfs: "tapcheck-journal-" + strconv.FormatInt(serial.Add(1), 10)}
	vfs.Register(s.vfs, hbshvfs.Wrap(below, cipher{key: o.Key}))
	return s
}

func (s *store) close() error {
	defer vfs.Unregister(s.vfs)
	if s.db == nil {
		return nil
	}
	err := s.db.close()
	s.db = nil
	return classify(context.Background(), err)
}

// run does one job on an open connection. A fault of the disk or of SQLite closes the connection, because what it holds in memory
// can no longer be trusted (after a failed flush nobody knows what is on the disk): the next job opens a new one, which recovers.
func (s *store) run(ctx context.Context, work func(*store) error) (err error) {
	defer func() {
		// A bug in SQLite's translated code must cost this job, not the agent. The value is not shown: it may hold data.
		if recover() != nil {
			s.abandon()
			err = fmt.Errorf("%w: internal fault", ErrDamaged)
		}
	}()
	if err := ctx.Err(); err != nil {
		return err
	}
	if s.db == nil {
		if err := s.open(ctx); err != nil {
			return classify(ctx, err)
		}
	}
	s.db.SetInterrupt(ctx)
	err = work(s)
	s.db.SetInterrupt(context.Background())
	if broken(err) {
		_ = s.db.close()
		s.db = nil
	}
	return classify(ctx, err)
}

// abandon closes a connection in which a bug showed up, as far as it still lets itself be closed.
func (s *store) abandon() {
	defer func() { _ = recover() }()
	db := s.db
	s.db = nil
	if db != nil {
		_ = db.close()
	}
}

func (s *store) open(ctx context.Context) error {
	info, err := os.Stat(s.path)
	switch {
	case errors.Is(err, fs.ErrNotExist), err == nil && info.Size() == 0:
		if err := s.create(ctx); err != nil {
			return err
		}
	case err != nil:
		return fileError(err)
	case !info.Mode().IsRegular():
		return ErrWrongKey
	default:
		if err := s.checkKey(); err != nil {
			return err
		}
		if err := s.trim(); err != nil {
			return err
		}
	}
	db, err := s.connect(ctx, s.path)
	if err != nil {
		return err
	}
	if err := db.prepareSchema(); err != nil {
		_ = db.close()
		return err
	}
	db.SetInterrupt(context.Background())
	s.db = db
	return nil
}

// checkKey makes sure that the key is right before SQLite sees the file: with a wrong key the log of a crashed
// process looks like an empty one, and SQLite would delete it with the committed rows in it.
//
// The key is right when the first block of the database or, because that block may be the one that tore when the power went
// while the log was being folded back, the first block of the log comes out as what it must be.
func (s *store) checkKey() error {
	c := adiantum.New(s.key[:])
	first := func(path string) ([]byte, error) {
		f, err := os.Open(path)
		if err != nil {
			return nil, err
		}
		defer f.Close()
		b := make([]byte, block)
		if _, err := io.ReadFull(f, b); err != nil {
			return nil, err
		}
		return c.Decrypt(b, make([]byte, 8)), nil
	}
	db, err := first(s.path)
	if err != nil && !errors.Is(err, io.ErrUnexpectedEOF) && !errors.Is(err, io.EOF) {
		return fileError(err)
	}
	if strings.HasPrefix(string(db), "SQLite format 3\x00") {
		return nil
	}
	if wal, err := first(s.path + "-wal"); err == nil && binary.BigEndian.Uint32(wal)&^1 == 0x377f0682 {
		return nil // https://sqlite.org/fileformat2.html#the_write_ahead_log, magic number
	}
	return ErrWrongKey
}

// trim cuts off the part of a block that a loss of power may leave at the end of a file. It cannot be deciphered and was never flushed,
// but SQLite, which sees the size of the file, would want to read it, and give up. A file that is in use has only whole blocks,
// because each is written at once, so nothing is taken from another process.
func (s *store) trim() error {
	for _, suffix := range []string{"", "-wal", "-journal"} {
		info, err := os.Stat(s.path + suffix)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err == nil && info.Size()%block != 0 {
			err = os.Truncate(s.path+suffix, info.Size()/block*block)
		}
		if err != nil {
			return fileError(err)
		}
	}
	return nil
}

// create makes a complete journal beside its place and moves it there, so that a crash at any point leaves either none or
// a whole one, and checkKey can trust the first block.
func (s *store) create(ctx context.Context) error {
	tmp := s.path + ".new"
	for _, suffix := range []string{"", "-wal", "-journal"} {
		if err := os.Remove(tmp + suffix); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return fileError(err)
		}
	}
	// A log without its database belongs to nothing; SQLite would try to apply it.
	for _, suffix := range []string{"-wal", "-journal"} {
		if err := os.Remove(s.path + suffix); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return fileError(err)
		}
	}
	f, err := os.OpenFile(tmp, os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return fileError(err)
	}
	if err := f.Close(); err != nil {
		return fileError(err)
	}
	db, err := s.connect(ctx, tmp)
	if err == nil {
		err = errors.Join(db.create(), db.close())
	}
	if err == nil {
		err = fileError(errors.Join(syncPath(tmp), os.Rename(tmp, s.path), syncFolder(filepath.Dir(s.path))))
	}
	if err != nil {
		_ = os.Remove(tmp)
	}
	return err
}

func syncPath(path string) error {
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		return err
	}
	return errors.Join(f.Sync(), f.Close())
}

// connect opens the file with the cipher and our settings, or leaves nothing open.
func (s *store) connect(ctx context.Context, path string) (*conn, error) {
	abs, err := filepath.Abs(path)
	if err != nil {
		return nil, fileError(err)
	}
	// https://sqlite.org/uri.html: only these three may not stand in a path. modeof makes the log as private as the database.
	escaped := strings.NewReplacer("%", "%25", "?", "%3f", "#", "%23").Replace(filepath.ToSlash(abs))
	mode := strings.NewReplacer("%", "%25", "?", "%3f", "#", "%23", "&", "%26", "+", "%2b").Replace(filepath.ToSlash(abs))
	c, err := sqlite3.OpenContext(sqlite3.WithMaxMemory(ctx, maxMemory), "file:"+escaped+"?vfs="+s.vfs+"&textkey=1&modeof="+mode)
	if err != nil {
		return nil, err
	}
	db := &conn{Conn: c, statements: map[string]*sqlite3.Stmt{}}
	db.SetInterrupt(ctx)
	db.Limit(sqlite3.LIMIT_LENGTH, 2*MaxBody)
	if err := errors.Join(db.BusyTimeout(busy), db.Exec(settings)); err != nil {
		_ = db.close()
		return nil, err
	}
	if ro, _ := db.ReadOnly("main"); ro {
		_ = db.close()
		return nil, sqlite3.READONLY
	}
	return db, nil
}

// fileError is an error of the operating system, without the path.
func fileError(err error) error {
	if err == nil {
		return nil
	}
	var pe *fs.PathError
	if errors.As(err, &pe) {
		err = pe.Err
	}
	var le *os.LinkError
	if errors.As(err, &le) {
		err = le.Err
	}
	return fmt.Errorf("%w: %w", ErrUnwritable, err)
}

// classify turns SQLite's codes into the package's errors. Its texts are those of the codes: SQL, paths and values stay out.
func classify(ctx context.Context, err error) error {
	var code sqlite3.ExtendedErrorCode
	if err == nil || !errors.As(err, &code) {
		return err
	}
	var kind error
	switch code.Code() {
	case sqlite3.INTERRUPT:
		if ctx.Err() != nil {
			return ctx.Err()
		}
		return context.Canceled
	case sqlite3.FULL, sqlite3.READONLY, sqlite3.CANTOPEN, sqlite3.PERM:
		kind = ErrUnwritable
	case sqlite3.IOERR:
		kind = ErrUnwritable
		if code == sqlite3.IOERR_DATA || code == sqlite3.IOERR_SHORT_READ {
			kind = ErrDamaged
		}
	case sqlite3.CORRUPT, sqlite3.NOTADB, sqlite3.FORMAT:
		kind = ErrDamaged
	case sqlite3.BUSY, sqlite3.LOCKED:
		kind = ErrInUse
	case sqlite3.TOOBIG, sqlite3.CONSTRAINT, sqlite3.MISMATCH:
		kind = ErrInvalid
	default:
		// Out of memory, misuse, internal: nothing that another row would cure, so the record is what cannot be made.
		kind = ErrUnwritable
	}
	return fmt.Errorf("%w: %s (%d)", kind, code.Error(), int(code))
}

// broken says that a connection must not be used again.
func broken(err error) bool {
	var code sqlite3.ExtendedErrorCode
	if err == nil || !errors.As(err, &code) {
		return errors.Is(err, ErrDamaged)
	}
	switch code.Code() {
	case sqlite3.INTERRUPT, sqlite3.FULL, sqlite3.TOOBIG, sqlite3.CONSTRAINT, sqlite3.MISMATCH, sqlite3.BUSY:
		return false
	}
	return true
}
