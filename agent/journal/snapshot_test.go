package journal

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"testing"
	"time"
)

// A snapshot is the journal as it was when it was begun, whatever is written meanwhile, and the journal goes on as before.
func TestSnapshot(t *testing.T) {
	ctx, path := context.Background(), newPath(t)
	j := open(t, path)
	put := func(from, to int) {
		t.Helper()
		for n := from; n < to; n++ {
			ok(t, j.PutCheckin(ctx, Checkin{ID: fmt.Sprint(n), Owner: "o", State: "complete", StartedAt: time.Unix(int64(n), 0), Body: bytes.Repeat([]byte{byte(n)}, 20_000)}))
		}
	}
	put(0, 50)
	there := filepath.Join(t.TempDir(), "copy.db")
	size := func(path string) int64 {
		info, err := os.Stat(path)
		ok(t, err)
		return info.Size()
	}
	ok(t, j.Snapshot(ctx, func(r io.Reader, n int64) error {
		f, err := os.OpenFile(there, os.O_WRONLY|os.O_CREATE, 0o600)
		ok(t, err)
		defer f.Close()
		_, err = io.CopyN(f, r, n/2)
		ok(t, err)
		put(50, 200) // 3 MB: the log would be folded back into the file three times
		_, err = io.Copy(f, r)
		return err
	}))
	c := open(t, there)
	ok(t, c.Verify(ctx))
	if got := must(c.Checkins(ctx, "o", time.Time{}, MaxRows))(t); len(got) != 50 || !bytes.Equal(got[49].Body, bytes.Repeat([]byte{49}, 20_000)) {
		t.Errorf("the copy has %d check-ins", len(got))
	}
	put(200, 260)
	if n := size(path + "-wal"); n > 3<<20 {
		t.Errorf("the log has %d bytes and is not folded back any more", n)
	}
	ok(t, j.Verify(ctx))
	if got := must(j.Checkins(ctx, "o", time.Time{}, MaxRows))(t); len(got) != 260 {
		t.Errorf("the journal has %d check-ins", len(got))
	}
}

// What cannot be one copy is said to be none.
func TestSnapshotThatIsNone(t *testing.T) {
	ctx, j := context.Background(), open(t, newPath(t))
	ok(t, j.PutCheckin(ctx, checkin(1)))
	full := errors.New("full")
	if err := j.Snapshot(ctx, func(io.Reader, int64) error { return full }); !errors.Is(err, full) {
		t.Errorf("got %v", err)
	}
	err := j.Snapshot(ctx, func(io.Reader, int64) error {
		return j.with(ctx, func(s *store) error { // as after a fault of the disk
			err := s.db.close()
			s.db = nil
			return err
		})
	})
	if !errors.Is(err, ErrMoved) {
		t.Errorf("got %v", err)
	}
	ok(t, j.Snapshot(ctx, func(r io.Reader, _ int64) error { _, err := io.Copy(io.Discard, r); return err }))
	ok(t, j.Close())
	if err := j.Snapshot(ctx, func(io.Reader, int64) error { return nil }); !errors.Is(err, ErrClosed) {
		t.Errorf("got %v", err)
	}
}

// Verify finds what a look at the first page does not.
func TestVerify(t *testing.T) {
	ctx, path := context.Background(), newPath(t)
	j := open(t, path)
	for n := range 30 {
		c := checkin(n)
		c.Body = bytes.Repeat([]byte("x"), 10_000)
		ok(t, j.PutCheckin(ctx, c))
	}
	ok(t, j.Verify(ctx))
	ok(t, j.Close())
	raw, err := os.ReadFile(path)
	ok(t, err)
	raw[len(raw)/2+17] ^= 1
	ok(t, os.WriteFile(path, raw, 0o600))
	j, err = Open(ctx, Options{Path: path, Key: testKey})
	if err == nil {
		err = j.Verify(ctx)
		_ = j.Close()
	}
	if !errors.Is(err, ErrDamaged) {
		t.Errorf("got %v", err)
	}
}
