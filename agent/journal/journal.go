// Package journal is the agent's one encrypted database: check-ins, disclosures and the look-up queue. It stores bytes and
// knows no other package's types.
package journal

import (
	"context"
	"errors"
	"time"
)

// ErrUnwritable says that the disk refused (full, read-only, faulty): the caller goes on and marks its answer.
var ErrUnwritable = errors.New("journal cannot be written")

// ErrWrongKey says that the file was encrypted with another key, or is no journal.
var ErrWrongKey = errors.New("journal cannot be opened with this key")

// Options open a journal.
type Options struct {
	Path string   // of the database file; its folder must exist
	Key  [32]byte // encrypts everything in it
	Now  func() time.Time
}

// Journal is the open database. It is safe for concurrent use.
type Journal struct{}

// Open opens or makes the database and brings its schema up to date.
func Open(ctx context.Context, o Options) (*Journal, error) { panic("unwritten") }

// Close writes everything out.
func (j *Journal) Close() error { panic("unwritten") }

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
func (j *Journal) PutCheckin(ctx context.Context, c Checkin) error { panic("unwritten") }

// Checkins lists what an owner did since a time, oldest first, at most limit.
func (j *Journal) Checkins(ctx context.Context, owner string, since time.Time, limit int) ([]Checkin, error) {
	panic("unwritten")
}

// Disclosure says that personal data went to somebody.
type Disclosure struct {
	CheckinID string
	At        time.Time
	To        string   // the owner
	Fields    []string // names, never values
}

// PutDisclosure writes a disclosure durably before it returns.
func (j *Journal) PutDisclosure(ctx context.Context, d Disclosure) error { panic("unwritten") }

// Disclosures lists those of one check-in, oldest first.
func (j *Journal) Disclosures(ctx context.Context, checkinID string) ([]Disclosure, error) {
	panic("unwritten")
}

// SignerSeen counts one more sight of a document signer at this desk and gives how often it was seen before. sha256 is
// lower-case hex.
func (j *Journal) SignerSeen(ctx context.Context, sha256 string) (before int, err error) {
	panic("unwritten")
}

// Lookup is an eligibility question that still has to be asked. Body is the caller's own encoding of it.
type Lookup struct {
	ID        string
	CheckinID string
	NotBefore time.Time
	Attempts  int
	Body      []byte
}

// PutLookup queues a look-up durably; one with a known ID is replaced.
func (j *Journal) PutLookup(ctx context.Context, l Lookup) error { panic("unwritten") }

// DueLookups gives those whose time has come, oldest first, at most limit.
func (j *Journal) DueLookups(ctx context.Context, now time.Time, limit int) ([]Lookup, error) {
	panic("unwritten")
}

// Attempt is the dated proof that a look-up was tried.
type Attempt struct {
	LookupID string
	At       time.Time
	Outcome  string // id of the error, or "answered"
	Code     string // raw result code, if there was one
}

// PutAttempt writes an attempt and counts it on its look-up.
func (j *Journal) PutAttempt(ctx context.Context, a Attempt) error { panic("unwritten") }

// Attempts lists those of one look-up, oldest first.
func (j *Journal) Attempts(ctx context.Context, lookupID string) ([]Attempt, error) {
	panic("unwritten")
}

// DropLookup takes a look-up out of the queue; its attempts stay.
func (j *Journal) DropLookup(ctx context.Context, id string) error { panic("unwritten") }
