package journal

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"time"
)

// ErrMoved says that a snapshot has to be begun anew: a fault of the disk made the journal open its file again meanwhile.
var ErrMoved = errors.New("journal was opened anew while it was copied")

// Schema is the version of the schema that this program writes.
func Schema() int { return len(migrations) }

// Snapshot gives a copy of the database as it is at one moment, to be read as a file of its own, encrypted under the same key. size is that of the
// file that is read from r. Check-ins go on meanwhile: they are kept in the log, which is folded back only afterwards. read must return
// before ctx ends. Errors: ErrMoved (try again), what read gives, those of Open, and ctx's.
func (j *Journal) Snapshot(ctx context.Context, read func(r io.Reader, size int64) error) error {
	var at *conn
	var path string
	err := j.with(ctx, func(s *store) error {
		db := s.db
		// All that was written goes into the database, and stays out of it until the copy is made.
		busy := int64(0)
		if err := db.query(func(r *row) { busy = r.int() }, `PRAGMA wal_checkpoint(TRUNCATE)`); err != nil {
			return err
		}
		if busy != 0 {
			return fmt.Errorf("%w: its log cannot be folded back", ErrInUse)
		}
		if err := db.Exec(`PRAGMA wal_autocheckpoint=0`); err != nil {
			return err
		}
		at, path = db, s.path
		return nil
	})
	if err != nil {
		return err
	}
	err = copyOut(path, read)
	// Whatever became of it: the log must be folded back again.
	last, stop := context.WithTimeout(context.WithoutCancel(ctx), 10*time.Second)
	defer stop()
	return errors.Join(err, j.with(last, func(s *store) error {
		if s.db != at {
			return ErrMoved // and the new connection has never heard of this
		}
		return s.db.Exec(`PRAGMA wal_autocheckpoint=256`)
	}))
}

// copyOut lets read read the database's file. Opening it beside SQLite is safe where locks belong to an open file (OFD locks, Windows), as
// they do in the VFS that is used here; with POSIX locks closing it would let go of SQLite's.
func copyOut(path string, read func(io.Reader, int64) error) error {
	f, err := os.Open(path)
	if err != nil {
		return fileError(err)
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return fileError(err)
	}
	return read(io.LimitReader(f, info.Size()), info.Size())
}

// Verify reads the whole database and says whether all of it is sound. Errors: ErrDamaged, and those of a read.
func (j *Journal) Verify(ctx context.Context) error {
	said, err := list(ctx, j, func(r *row) string { return r.text() }, `PRAGMA quick_check(1)`)
	if err == nil && (len(said) != 1 || said[0] != "ok") {
		err = ErrDamaged // what is wrong may quote a row
	}
	return err
}
