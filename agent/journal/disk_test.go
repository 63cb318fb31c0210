package journal

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/ncruces/go-sqlite3"
	"github.com/ncruces/go-sqlite3/util/vfsutil"
	"github.com/ncruces/go-sqlite3/vfs"
)

// disk is a layer below the cipher that fails on demand and records what reaches it.
type disk struct {
	vfs.VFS
	mu     sync.Mutex
	fail   func(op string) error // nil: works. op is "read", "write", "sync", "truncate", "open" or "delete"
	record bool
	log    []event
}

// event is one thing that reached the disk, or "acknowledged".
type event struct {
	op   string
	name string // base name of the file
	off  int64
	data []byte
	ack  int // rows that were acknowledged up to here
}

func newDisk() *disk { return &disk{VFS: vfs.Find("")} }

func (d *disk) set(fail func(op string) error) { d.mu.Lock(); d.fail = fail; d.mu.Unlock() }

func (d *disk) do(e event) error {
	d.mu.Lock()
	fail := d.fail
	d.mu.Unlock()
	if fail != nil {
		if err := fail(e.op); err != nil {
			return err
		}
	}
	d.note(e)
	return nil
}

func (d *disk) note(e event) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.record && e.op != "read" && e.op != "open" {
		e.data = append([]byte(nil), e.data...)
		d.log = append(d.log, e)
	}
}

func (d *disk) Open(name string, flags vfs.OpenFlag) (vfs.File, vfs.OpenFlag, error) {
	return nil, flags, sqlite3.CANTOPEN
}

func (d *disk) OpenFilename(name *vfs.Filename, flags vfs.OpenFlag) (vfs.File, vfs.OpenFlag, error) {
	base := filepath.Base(name.String())
	if err := d.do(event{op: "open", name: base}); err != nil {
		return nil, flags, err
	}
	f, flags, err := vfsutil.WrapOpenFilename(d.VFS, name, flags)
	if err != nil {
		return nil, flags, err
	}
	return &diskFile{File: f, d: d, name: base}, flags, nil
}

func (d *disk) Delete(name string, syncDir bool) error {
	if err := d.do(event{op: "delete", name: filepath.Base(name)}); err != nil {
		return err
	}
	return d.VFS.Delete(name, syncDir)
}

type diskFile struct {
	vfs.File
	d    *disk
	name string
}

func (f *diskFile) ReadAt(p []byte, off int64) (int, error) {
	if err := f.d.do(event{op: "read", name: f.name}); err != nil {
		return 0, err
	}
	return f.File.ReadAt(p, off)
}

func (f *diskFile) WriteAt(p []byte, off int64) (int, error) {
	if err := f.d.do(event{op: "write", name: f.name, off: off, data: p}); err != nil {
		return 0, err
	}
	return f.File.WriteAt(p, off)
}

func (f *diskFile) Sync(flags vfs.SyncFlag) error {
	if err := f.d.do(event{op: "sync", name: f.name}); err != nil {
		return err
	}
	return f.File.Sync(flags)
}

func (f *diskFile) Truncate(size int64) error {
	if err := f.d.do(event{op: "truncate", name: f.name, off: size}); err != nil {
		return err
	}
	return f.File.Truncate(size)
}

func openOn(t *testing.T, path string, d *disk) *Journal {
	t.Helper()
	j, err := Open(context.Background(), Options{Path: path, Key: testKey, below: d})
	if err != nil {
		t.Fatalf("open: %v", err)
	}
	t.Cleanup(func() { d.set(nil); _ = j.Close() })
	return j
}

// A fault of any operation, at any moment, is ErrUnwritable (or, for a read, ErrDamaged); the journal works again when the disk
// does, and no row that was acknowledged is missing.
func TestDiskFaults(t *testing.T) {
	ctx := context.Background()
	for _, c := range []struct {
		op  string
		err error
	}{
		{"write", sqlite3.FULL}, {"write", sqlite3.IOERR_WRITE}, {"write", sqlite3.READONLY}, {"write", os.ErrPermission},
		{"sync", sqlite3.IOERR_FSYNC}, {"sync", sqlite3.FULL}, {"truncate", sqlite3.IOERR_TRUNCATE}, {"open", sqlite3.CANTOPEN},
	} {
		for after := range 4 { // the fault comes after so many good operations of the kind
			t.Run(fmt.Sprintf("%s %v after %d", c.op, c.err, after), func(t *testing.T) {
				d, path := newDisk(), newPath(t)
				j := openOn(t, path, d)
				ok(t, j.PutCheckin(ctx, checkin(0)))
				var n, failed atomic.Int64
				d.set(func(op string) error {
					if op == c.op && n.Add(1) > int64(after) {
						failed.Add(1)
						return c.err
					}
					return nil
				})
				acknowledged := 1
				for i := 1; i <= 6; i++ {
					err := j.PutCheckin(ctx, checkin(i))
					if err == nil {
						acknowledged++
					} else if !errors.Is(err, ErrUnwritable) {
						t.Fatalf("put: %v", err)
					}
				}
				if acknowledged == 7 && failed.Load() > 0 && c.op != "open" && c.op != "truncate" {
					t.Errorf("every put was acknowledged on a disk that refuses")
				}
				d.set(nil)
				ok(t, j.PutCheckin(ctx, checkin(7)))
				if got := len(must(j.Checkins(ctx, checkin(0).Owner, day, 100))(t)); got < acknowledged+1 {
					t.Errorf("%d rows, %d were acknowledged", got, acknowledged+1)
				}
				ok(t, j.Close())
				if got := len(must(open(t, path).Checkins(ctx, checkin(0).Owner, day, 100))(t)); got < acknowledged+1 {
					t.Errorf("reopened: %d rows, %d were acknowledged", got, acknowledged+1)
				}
			})
		}
	}
}

func TestOpenOnARefusingDisk(t *testing.T) {
	ctx := context.Background()
	for _, op := range []string{"open", "write", "sync", "read"} {
		d, path := newDisk(), newPath(t)
		d.set(func(o string) error {
			if o == op {
				return sqlite3.IOERR
			}
			return nil
		})
		_, err := Open(ctx, Options{Path: path, Key: testKey, below: d})
		if !errors.Is(err, ErrUnwritable) {
			t.Errorf("%s: %v", op, err)
		}
		d.set(nil)
		ok(t, openOn(t, path, d).PutCheckin(ctx, checkin(1)))
	}
}

// A disk that hangs holds no caller.
func TestHangingDisk(t *testing.T) {
	d, path := newDisk(), newPath(t)
	j := openOn(t, path, d)
	ok(t, j.PutCheckin(context.Background(), checkin(1)))
	entered, release := make(chan struct{}), make(chan struct{})
	var once sync.Once
	d.set(func(op string) error {
		if op == "sync" {
			once.Do(func() { close(entered) })
			<-release
		}
		return nil
	})
	ctx, cancel := context.WithCancel(context.Background())
	go func() { <-entered; cancel() }()
	if err := j.PutCheckin(ctx, checkin(2)); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
	// Nor those behind it.
	ctx, cancel = context.WithCancel(context.Background())
	waiting := make(chan error, 1)
	go func() { waiting <- j.PutCheckin(ctx, checkin(3)) }()
	cancel()
	if err := <-waiting; !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
	close(release)
	ok(t, j.PutCheckin(context.Background(), checkin(4)))
}

// Power loss: what was flushed is there; what was not is there, or not, or torn at any 512 bytes, in any order. Every row that
// was acknowledged before the power went must come back whole.
func TestPowerLoss(t *testing.T) {
	rounds := 60
	if os.Getenv("TAPCHECK_CAMPAIGN") != "" {
		rounds = 5000
	}
	ctx, d, path := context.Background(), newDisk(), newPath(t)
	j := openOn(t, path, d)
	base := files(t, path)
	d.mu.Lock()
	d.record = true
	d.mu.Unlock()
	const rows = 60
	body := func(i int) []byte { return make([]byte, i*311%9000) } // some in a page, some over several
	for i := range rows {
		c := checkin(i)
		c.Body = body(i)
		ok(t, j.PutCheckin(ctx, c))
		if i%3 == 0 {
			ok(t, j.PutLookup(ctx, Lookup{ID: c.ID, CheckinID: c.ID, NotBefore: day, Body: c.Body}))
			ok(t, j.PutAttempt(ctx, Attempt{LookupID: c.ID, At: day, Outcome: "x"}))
			ok(t, j.DropLookups(ctx, c.ID))
		}
		if i%16 == 15 {
			ok(t, j.do(ctx, func(db *conn) error {
				return db.query(func(*row) {}, `PRAGMA wal_checkpoint(`+[]string{"PASSIVE", "TRUNCATE", "RESTART"}[i/16%3]+`)`)
			}))
		}
		d.note(event{op: "acknowledged", ack: i + 1})
	}
	ok(t, j.Close())
	log := d.log

	for round := range rounds {
		rng := rand.New(rand.NewPCG(20261123, uint64(round)))
		cut := rng.IntN(len(log) + 1)
		if round == 0 {
			rng, cut = rand.New(rand.NewPCG(20261123, 67)), 1589 // found by the campaign: the log ends in a part of a block
			_ = rng.IntN(len(log) + 1)
		}
		acknowledged, content := replay(base, log[:cut], rng)
		crashed := newPath(t)
		for name, b := range content {
			ok(t, os.WriteFile(filepath.Join(filepath.Dir(crashed), name), b, 0o600))
		}
		j, err := Open(ctx, Options{Path: crashed, Key: testKey})
		if err != nil {
			t.Fatalf("round %d, cut %d of %d: %v", round, cut, len(log), err)
		}
		got, err := j.Checkins(ctx, checkin(0).Owner, day, 100)
		ok(t, err)
		if len(got) < acknowledged || len(got) > acknowledged+1 {
			t.Errorf("round %d, cut %d: %d rows, %d were acknowledged", round, cut, len(got), acknowledged)
		}
		for i, c := range got {
			if c.ID != checkin(i).ID || len(c.Body) != len(body(i)) {
				t.Errorf("round %d: row %d came back as another", round, i)
			}
		}
		if s := must(j.Stats(ctx))(t); s.Attempts < int64(acknowledged+2)/3 {
			t.Errorf("round %d: %d attempts, %d check-ins acknowledged", round, s.Attempts, acknowledged)
		}
		var bad string
		ok(t, j.do(ctx, func(db *conn) error { return db.query(func(r *row) { bad = r.text() }, `PRAGMA integrity_check`) }))
		if bad != "ok" {
			t.Errorf("round %d: %s", round, bad)
		}
		ok(t, j.PutCheckin(ctx, checkin(99)))
		ok(t, j.Close())
	}
}

// replay gives the files as the power loss left them, and how many rows were acknowledged before.
func replay(base map[string][]byte, log []event, rng *rand.Rand) (acknowledged int, content map[string][]byte) {
	flushed := map[string]int{}
	for i, e := range log {
		switch e.op {
		case "sync":
			flushed[e.name] = i
		case "acknowledged":
			acknowledged = e.ack
		}
	}
	content = map[string][]byte{}
	for name, b := range base {
		content[name] = append([]byte(nil), b...)
	}
	for i, e := range log {
		last, synced := flushed[e.name]
		safe := synced && i < last
		switch e.op {
		case "write":
			b, parts := content[e.name], len(e.data)/512
			for p := range parts {
				if safe || rng.IntN(2) == 0 {
					b = putAt(b, e.off+int64(p)*512, e.data[p*512:(p+1)*512])
				}
			}
			content[e.name] = b
		case "truncate":
			if b := content[e.name]; (safe || rng.IntN(2) == 0) && int64(len(b)) > e.off {
				content[e.name] = b[:e.off]
			}
		case "delete":
			delete(content, e.name)
		}
	}
	return acknowledged, content
}

func putAt(b []byte, off int64, data []byte) []byte {
	if n := off + int64(len(data)); n > int64(len(b)) {
		b = append(b, make([]byte, n-int64(len(b)))...)
	}
	copy(b[off:], data)
	return b
}

// Whatever is changed in the files, what comes out is what was put in, or an error.
func TestDamage(t *testing.T) {
	ctx, path := context.Background(), newPath(t)
	j := open(t, path)
	want := map[string]string{}
	for i := range 30 {
		c := checkin(i)
		c.Body = make([]byte, 100+i*400)
		for k := range c.Body {
			c.Body[k] = byte(i + k)
		}
		want[c.ID] = string(c.Body)
		ok(t, j.PutCheckin(ctx, c))
	}
	ok(t, j.Close())
	whole := must(os.ReadFile(path))(t)
	rounds := 80
	if os.Getenv("TAPCHECK_CAMPAIGN") != "" {
		rounds = 5000
	}
	seen := 0
	for round := range rounds {
		rng := rand.New(rand.NewPCG(7, uint64(round)))
		b := append([]byte(nil), whole...)
		switch round % 4 {
		case 0, 1: // one bit
			b[rng.IntN(len(b))] ^= 1 << rng.IntN(8)
		case 2: // cut off
			b = b[:1+rng.IntN(len(b)-1)]
		case 3: // two blocks changed places
			x, y := rng.IntN(len(b)/block)*block, rng.IntN(len(b)/block)*block
			if x == y {
				y = (x + block) % len(b)
			}
			tmp := append([]byte(nil), b[x:x+block]...)
			copy(b[x:], b[y:y+block])
			copy(b[y:], tmp)
		}
		hurt := newPath(t)
		ok(t, os.WriteFile(hurt, b, 0o600))
		j, err := Open(ctx, Options{Path: hurt, Key: testKey})
		if err != nil {
			if !errors.Is(err, ErrDamaged) && !errors.Is(err, ErrWrongKey) {
				t.Errorf("round %d: open: %v", round, err)
			}
			seen++
			continue
		}
		rows, err := j.Checkins(ctx, checkin(0).Owner, day, 100)
		if err != nil {
			if !errors.Is(err, ErrDamaged) {
				t.Errorf("round %d: %v", round, err)
			}
			seen++
		}
		for _, c := range rows {
			if want[c.ID] != string(c.Body) {
				t.Errorf("round %d: %s came back changed", round, c.ID)
			}
		}
		if err == nil && len(rows) != len(want) {
			t.Errorf("round %d: %d of %d rows, and no error", round, len(rows), len(want))
		}
		// Writing on may fail, and must not do worse than that.
		if err := j.PutCheckin(ctx, checkin(50)); err != nil && !errors.Is(err, ErrDamaged) {
			t.Errorf("round %d: put: %v", round, err)
		}
		_ = j.Close()
	}
	if seen < rounds/2 {
		t.Errorf("only %d of %d damages were seen", seen, rounds)
	}
}
