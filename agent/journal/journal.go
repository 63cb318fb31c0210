// Package journal is the agent's one encrypted database: check-ins and what was added to them, disclosures and the look-up queue. It stores bytes and
// knows no other package's types.
//
// # What it promises
//
// A Put that returned nil is on the disk: it survives the end of the process at any point (kill -9) and, as far as the
// disk obeys a flush, the loss of power. A Put that returned an error left nothing half done, with one exception that the caller
// has to live with: when its context ended while the disk was already at work, the row may or may not be there.
//
// Nothing readable lies in any file of the journal (the database, its -wal, its -journal). Each 4 KiB block is enciphered with
// Adiantum under Options.Key, and each page carries a checksum beneath the cipher, so that a block that was tampered with or torn is
// found (ErrDamaged) and never comes out as data. Two things this does not stop: somebody who has an older copy of the file may
// put all of it back, and somebody who has two copies sees which blocks changed.
//
// A disk that is full, read-only or broken gives ErrUnwritable and nothing else happens; the next call tries again, so the
// journal works again as soon as the disk does.
//
// # How it does it
//
// One goroutine owns the one SQLite connection; calls queue for it and leave when their context ends, so a disk that hangs
// holds no caller. The write-ahead log costs one flush per Put instead of the four of a rollback journal, and that is time that the patient
// waits, because a disclosure is on record before it is made. SQLite is told that the file has 4 KiB sectors that
// may tear (it is the cipher's block), so it never writes into a block that already holds a committed row. Locking is
// exclusive: a second program gets ErrInUse, and no index in shared memory is needed.
//
// Times are kept in nanoseconds and come back in UTC.
package journal

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"
	"unicode/utf8"
)

// ErrUnwritable says that the disk refused (full, read-only, faulty): the caller goes on and marks its answer.
var ErrUnwritable = errors.New("journal cannot be written")

// ErrWrongKey says that the file was encrypted with another key, or is no journal. The file was not touched.
var ErrWrongKey = errors.New("journal cannot be opened with this key")

// ErrDamaged says that the file was changed by something else than a journal, or that the disk gave back other bytes than
// were written. What can still be read is still given.
var ErrDamaged = errors.New("journal is damaged")

// ErrInUse says that another process has the journal open.
var ErrInUse = errors.New("journal is open in another process")

// ErrNewer says that a newer version of the program wrote this journal, and one that this program cannot read: the next version's it can.
// It was not touched.
var ErrNewer = errors.New("journal was written by a newer version")

// ErrInvalid says that a row breaks a bound: see the constants. Asking again with the same row is useless.
var ErrInvalid = errors.New("journal row is not valid")

// ErrNone says that there is no such row.
var ErrNone = errors.New("journal has no such row")

// ErrClosed says that the journal was closed.
var ErrClosed = errors.New("journal is closed")

// Bounds of a row, in bytes, of a disclosure's list, and of an answer, in rows.
const (
	MaxID     = 128     // every id, owner, state, outcome and code
	MaxBody   = 1 << 20 // Checkin.Body, Lookup.Body: pictures do not belong in it
	MaxFields = 64      // Disclosure.Fields
	MaxRows   = 1000    // what one list call gives at most
	MaxOwner  = 1024    // Checkin.Owner, Disclosure.To: an origin and a session

	MaxAmendments = 256 // that are given of one check-in
)

// Options open a journal.
type Options struct {
	Path string   // of the database file; its folder must exist
	Key  [32]byte // encrypts everything in it
	Now  func() time.Time

	below diskLayer // what lies below the cipher; nil is the operating system's files
}

// Journal is the open database. It is safe for concurrent use.
type Journal struct {
	now  func() time.Time
	jobs chan job      // unbuffered: a caller whose context ends before its turn leaves no trace
	quit chan struct{} // closed by Close
	done chan struct{} // closed when the worker has ended; closeErr is then set

	closeOnce sync.Once
	closeErr  error
}

// job is one piece of work for the goroutine that owns the connection.
type job struct {
	ctx  context.Context
	work func(*store) error
	done chan error // buffered, so that the worker never waits for a caller that left
}

// Open opens or makes the database and brings its schema up to date. Errors: ErrWrongKey, ErrUnwritable (the disk refused
// to open or make it: try again later), ErrDamaged, ErrInUse, ErrNewer, and ctx's.
func Open(ctx context.Context, o Options) (*Journal, error) {
	if o.Path == "" {
		return nil, fmt.Errorf("%w: no path", ErrInvalid)
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	j := &Journal{now: o.Now, jobs: make(chan job), quit: make(chan struct{}), done: make(chan struct{})}
	go j.serve(newStore(o))
	// The first job opens the connection.
	if err := j.do(ctx, func(*conn) error { return nil }); err != nil {
		j.stop()
		if ctx.Err() == nil {
			<-j.done
		}
		return nil, err
	}
	return j, nil
}

func (j *Journal) stop() { j.closeOnce.Do(func() { close(j.quit) }) }

// Close writes everything out. It waits for the write that is going on. A second Close gives the same answer.
func (j *Journal) Close() error {
	j.stop()
	<-j.done
	return j.closeErr
}

// do runs work on the connection, in turn. It comes back when ctx ends, whatever the disk does.
func (j *Journal) do(ctx context.Context, work func(*conn) error) error {
	return j.with(ctx, func(s *store) error { return work(s.db) })
}

// with is do for work that asks about the store too.
func (j *Journal) with(ctx context.Context, work func(*store) error) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	k := job{ctx: ctx, work: work, done: make(chan error, 1)}
	select {
	case j.jobs <- k:
	case <-ctx.Done():
		return ctx.Err()
	case <-j.quit:
		return ErrClosed
	}
	select {
	case err := <-k.done:
		return err
	case <-ctx.Done():
		// Both may be ready: an answer that is there is the better one.
		select {
		case err := <-k.done:
			return err
		default:
			return ctx.Err()
		}
	}
}

// serve owns the store until Close.
func (j *Journal) serve(s *store) {
	defer close(j.done)
	for {
		select {
		case <-j.quit:
			j.closeErr = s.close()
			return
		case k := <-j.jobs:
			k.done <- s.run(k.ctx, k.work)
		}
	}
}

// Checkin is one row. Body is the caller's own encoding.
type Checkin struct {
	ID         string // unique
	Owner      string
	JobID      string
	State      string
	StartedAt  time.Time
	FinishedAt time.Time // zero while it runs
	Body       []byte
}

// PutCheckin writes a check-in, or a newer state of it, durably before it returns.
func (j *Journal) PutCheckin(ctx context.Context, c Checkin) error {
	var b bounds
	b.id("check-in id", c.ID)
	b.text("owner", c.Owner, MaxOwner)
	b.text("job id", c.JobID, MaxID)
	b.text("state", c.State, MaxID)
	b.body(c.Body)
	b.time("start", c.StartedAt)
	b.time("end", c.FinishedAt)
	if b.err != nil {
		return b.err
	}
	return j.do(ctx, func(db *conn) error {
		return db.exec(`INSERT INTO checkins (id, owner, job, state, started, finished, written, body) VALUES (?,?,?,?,?,?,?,?)
			ON CONFLICT (id) DO UPDATE SET owner=excluded.owner, job=excluded.job, state=excluded.state, started=excluded.started,
			finished=excluded.finished, written=excluded.written, body=excluded.body`,
			c.ID, c.Owner, c.JobID, c.State, c.StartedAt, c.FinishedAt, j.now(), c.Body)
	})
}

// Checkins lists what an owner did since a time, oldest first, at most limit (and at most MaxRows).
func (j *Journal) Checkins(ctx context.Context, owner string, since time.Time, limit int) ([]Checkin, error) {
	return list(ctx, j, func(r *row) Checkin {
		return Checkin{ID: r.text(), Owner: r.text(), JobID: r.text(), State: r.text(), StartedAt: r.time(), FinishedAt: r.time(), Body: r.blob()}
	}, `SELECT id, owner, job, state, started, finished, body FROM checkins WHERE owner=? AND started>=? ORDER BY started, id LIMIT ?`,
		owner, since, clamp(limit))
}

// CheckinByID gives a check-in whoever its owner is, for who may know that from elsewhere. Errors: ErrNone.
func (j *Journal) CheckinByID(ctx context.Context, id string) (Checkin, error) {
	rows, err := list(ctx, j, func(r *row) Checkin {
		return Checkin{ID: r.text(), Owner: r.text(), JobID: r.text(), State: r.text(), StartedAt: r.time(), FinishedAt: r.time(), Body: r.blob()}
	}, `SELECT id, owner, job, state, started, finished, body FROM checkins WHERE id=?`, id)
	if err != nil {
		return Checkin{}, err
	}
	if len(rows) == 0 {
		return Checkin{}, ErrNone
	}
	return rows[0], nil
}

// Checkin gives one check-in of an owner: by its id or, where that is empty, the last one of a job id (a HIS may use one again).
// ErrNone says that this owner has none of that name.
func (j *Journal) Checkin(ctx context.Context, owner, id, jobID string) (Checkin, error) {
	sql, name := `SELECT id, owner, job, state, started, finished, body FROM checkins WHERE owner=? AND id=?`, id
	if id == "" {
		sql, name = `SELECT id, owner, job, state, started, finished, body FROM checkins WHERE owner=? AND job=? ORDER BY started DESC, id DESC LIMIT 1`, jobID
	}
	rows, err := list(ctx, j, func(r *row) Checkin {
		return Checkin{ID: r.text(), Owner: r.text(), JobID: r.text(), State: r.text(), StartedAt: r.time(), FinishedAt: r.time(), Body: r.blob()}
	}, sql, owner, name)
	if err != nil {
		return Checkin{}, err
	}
	if len(rows) == 0 {
		return Checkin{}, ErrNone
	}
	return rows[0], nil
}

// Amendment is what was added to a check-in after its end: its visit, a decision, that it is void. It is only ever added, so
// that what was said first stays on record. Body is the caller's own encoding.
type Amendment struct {
	CheckinID string
	At        time.Time
	Kind      string
	Body      []byte
}

// PutAmendment writes an amendment durably before it returns. The check-in itself may be written later.
func (j *Journal) PutAmendment(ctx context.Context, a Amendment) error {
	var b bounds
	b.amendment(a)
	if b.err != nil {
		return b.err
	}
	return j.do(ctx, func(db *conn) error { return db.putAmendment(a) })
}

func (c *conn) putAmendment(a Amendment) error {
	return c.exec(`INSERT INTO amendments (checkin, at, kind, body) VALUES (?,?,?,?)`, a.CheckinID, a.At, a.Kind, a.Body)
}

// Amendments gives those of some check-ins, in the order of the check-ins, and of each the oldest first, at most MaxAmendments.
// More than MaxRows check-ins are not looked at.
func (j *Journal) Amendments(ctx context.Context, checkinIDs ...string) ([]Amendment, error) {
	ids := slices.Clone(checkinIDs[:min(len(checkinIDs), MaxRows)])
	answer := make(chan []Amendment, 1)
	err := j.do(ctx, func(db *conn) error {
		var out []Amendment
		for _, id := range ids {
			err := db.query(func(r *row) {
				out = append(out, Amendment{CheckinID: r.text(), At: r.time(), Kind: r.text(), Body: r.blob()})
			}, `SELECT checkin, at, kind, body FROM amendments WHERE checkin=? ORDER BY seq LIMIT ?`, id, MaxAmendments)
			if err != nil {
				return err
			}
		}
		answer <- out
		return nil
	})
	if err != nil {
		return nil, err
	}
	return <-answer, nil
}

// Disclosure says that personal data went to somebody.
type Disclosure struct {
	CheckinID string
	At        time.Time
	To        string   // the owner
	Fields    []string // names, never values
}

// PutDisclosure writes a disclosure durably before it returns. The check-in itself may be written later.
func (j *Journal) PutDisclosure(ctx context.Context, d Disclosure) error {
	var b bounds
	b.disclosure(d)
	if b.err != nil {
		return b.err
	}
	return j.do(ctx, func(db *conn) error { return db.putDisclosure(d) })
}

func (c *conn) putDisclosure(d Disclosure) error {
	return c.exec(`INSERT INTO disclosures (checkin, at, receiver, fields) VALUES (?,?,?,?)`, d.CheckinID, d.At, d.To, fieldsText(d.Fields))
}

// fieldsText is how a list of names is kept. Texts within bounds can always be encoded.
func fieldsText(fields []string) string {
	b, _ := json.Marshal(fields)
	return string(b)
}

// Disclosures lists those of one check-in, oldest first, at most MaxRows.
func (j *Journal) Disclosures(ctx context.Context, checkinID string) ([]Disclosure, error) {
	return list(ctx, j, func(r *row) Disclosure {
		d := Disclosure{CheckinID: r.text(), At: r.time(), To: r.text()}
		if err := json.Unmarshal([]byte(r.text()), &d.Fields); err != nil {
			r.damaged()
		}
		return d
	}, `SELECT checkin, at, receiver, fields FROM disclosures WHERE checkin=? ORDER BY seq LIMIT ?`, checkinID, clamp(MaxRows))
}

// SignerSeen counts one more sight of a document signer at this desk and gives how often it was seen before. sha256 is
// lower-case hex.
func (j *Journal) SignerSeen(ctx context.Context, sha256 string) (before int, err error) {
	if !isSHA256(sha256) {
		return 0, fmt.Errorf("%w: no SHA-256 in lower-case hex", ErrInvalid)
	}
	var seen int64
	err = j.do(ctx, func(db *conn) error {
		return db.query(func(r *row) { seen = r.int() }, `INSERT INTO signers (sha256, seen, first, last) VALUES (?1,1,?2,?2)
			ON CONFLICT (sha256) DO UPDATE SET seen=seen+1, last=excluded.last RETURNING seen-1`, sha256, j.now())
	})
	if err != nil {
		// The job may still be at work when its context has ended: seen is then not ours to read.
		return 0, err
	}
	return int(seen), nil
}

// Stats are counts of rows, and the size of the database in bytes (without its log).
type Stats struct {
	Checkins, Disclosures, Signers, Lookups, Attempts int64
	Bytes                                             int64
}

// Stats counts what is there.
func (j *Journal) Stats(ctx context.Context) (Stats, error) {
	rows, err := list(ctx, j, func(r *row) Stats {
		return Stats{r.int(), r.int(), r.int(), r.int(), r.int(), r.int()}
	}, `SELECT (SELECT count(*) FROM checkins), (SELECT count(*) FROM disclosures), (SELECT count(*) FROM signers),
		(SELECT count(*) FROM lookups), (SELECT count(*) FROM attempts),
		(SELECT page_count*page_size FROM pragma_page_count, pragma_page_size)`)
	if err != nil {
		return Stats{}, err
	}
	if len(rows) != 1 {
		return Stats{}, ErrDamaged
	}
	return rows[0], nil
}

// list runs one query. The rows are built by the worker and handed over only when it is done with them, so that a caller
// that left early shares nothing with it.
func list[T any](ctx context.Context, j *Journal, scan func(*row) T, sql string, args ...any) ([]T, error) {
	answer := make(chan []T, 1)
	err := j.do(ctx, func(db *conn) error {
		var out []T
		err := db.query(func(r *row) { out = append(out, scan(r)) }, sql, args...)
		answer <- out
		return err
	})
	if err != nil {
		return nil, err
	}
	return <-answer, nil
}

func clamp(limit int) int { return max(0, min(limit, MaxRows)) }

func isSHA256(s string) bool {
	if len(s) != 64 {
		return false
	}
	for _, c := range []byte(s) {
		if (c < '0' || c > '9') && (c < 'a' || c > 'f') {
			return false
		}
	}
	return true
}

// bounds keeps the first broken one. Its error names the field, never the value.
type bounds struct{ err error }

func (b *bounds) fail(what string) {
	if b.err == nil {
		b.err = fmt.Errorf("%w: %s", ErrInvalid, what)
	}
}

func (b *bounds) id(what, s string) {
	if s == "" {
		b.fail("empty " + what)
	}
	b.text(what, s, MaxID)
}

func (b *bounds) text(what, s string, limit int) {
	// Beyond Unicode, or with a NUL in it, a text would come back as another one.
	if len(s) > limit {
		b.fail(what + " too long")
	} else if !utf8.ValidString(s) || containsNUL(s) {
		b.fail(what + " is no text")
	}
}

func (b *bounds) fields(names []string) {
	if len(names) > MaxFields {
		b.fail("too many fields")
	}
	for _, f := range names {
		b.text("field", f, MaxID)
	}
}

func (b *bounds) disclosure(d Disclosure) {
	b.id("check-in id", d.CheckinID)
	b.text("receiver", d.To, MaxOwner)
	b.time("time", d.At)
	b.fields(d.Fields)
}

func (b *bounds) amendment(a Amendment) {
	b.id("check-in id", a.CheckinID)
	b.id("kind", a.Kind)
	b.body(a.Body)
	b.time("time", a.At)
}

func (b *bounds) body(p []byte) {
	if len(p) > MaxBody {
		b.fail("body too long")
	}
}

// time refuses what nanoseconds in 64 bits cannot hold (before 1678, after 2262), but the zero time, which is "none".
func (b *bounds) time(what string, t time.Time) {
	if !t.IsZero() && (t.Year() < 1700 || t.Year() > 2200) {
		b.fail(what + " out of range")
	}
}

func containsNUL(s string) bool {
	for i := range len(s) {
		if s[i] == 0 {
			return true
		}
	}
	return false
}
