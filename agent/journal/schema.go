package journal

import (
	"fmt"
	"strconv"

	"github.com/ncruces/go-sqlite3"
)

// application marks the file as ours in SQLite's header ("TPCK").
const application = 0x5450434b

// oldestReader is the least schema whose program reads and writes what this one leaves. A new version may be taken back after it has
// written (tapcheck update), so no release may raise it beyond the schema of the release before: within that reach migrations
// only add tables, indexes and columns with a default, and change nothing that an older statement names.
var oldestReader = 3

// migrations bring the schema from one version to the next; the version is how many have run. What was released is never
// changed, only added to.
var migrations = []string{`
CREATE TABLE checkins (
	id       TEXT PRIMARY KEY,
	owner    TEXT NOT NULL,
	job      TEXT NOT NULL,
	state    TEXT NOT NULL,
	started  INTEGER NOT NULL,
	finished INTEGER NOT NULL,
	written  INTEGER NOT NULL,
	body     BLOB NOT NULL
) STRICT;
CREATE INDEX checkins_by_owner ON checkins (owner, started, id);

CREATE TABLE disclosures (
	seq      INTEGER PRIMARY KEY AUTOINCREMENT,
	checkin  TEXT NOT NULL,
	at       INTEGER NOT NULL,
	receiver TEXT NOT NULL,
	fields   TEXT NOT NULL
) STRICT;
CREATE INDEX disclosures_by_checkin ON disclosures (checkin, seq);

CREATE TABLE signers (
	sha256 TEXT PRIMARY KEY,
	seen   INTEGER NOT NULL,
	first  INTEGER NOT NULL,
	last   INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE lookups (
	id         TEXT PRIMARY KEY,
	checkin    TEXT NOT NULL,
	not_before INTEGER NOT NULL,
	attempts   INTEGER NOT NULL,
	written    INTEGER NOT NULL,
	body       BLOB NOT NULL
) STRICT;
CREATE INDEX lookups_by_time ON lookups (not_before, id);

CREATE TABLE attempts (
	seq     INTEGER PRIMARY KEY AUTOINCREMENT,
	lookup  TEXT NOT NULL,
	at      INTEGER NOT NULL,
	outcome TEXT NOT NULL,
	code    TEXT NOT NULL
) STRICT;
CREATE INDEX attempts_by_lookup ON attempts (lookup, seq);
`, `
CREATE TABLE amendments (
	seq     INTEGER PRIMARY KEY AUTOINCREMENT,
	checkin TEXT NOT NULL,
	at      INTEGER NOT NULL,
	kind    TEXT NOT NULL,
	body    BLOB NOT NULL
) STRICT;
CREATE INDEX amendments_by_checkin ON amendments (checkin, seq);
CREATE INDEX checkins_by_job ON checkins (owner, job, started, id);
`, `
ALTER TABLE lookups ADD COLUMN until INTEGER NOT NULL DEFAULT -9223372036854775808;
CREATE INDEX lookups_by_checkin ON lookups (checkin, id);

ALTER TABLE attempts ADD COLUMN checkin TEXT NOT NULL DEFAULT '';
ALTER TABLE attempts ADD COLUMN insurer TEXT NOT NULL DEFAULT '';
ALTER TABLE attempts ADD COLUMN fields TEXT NOT NULL DEFAULT '[]';
UPDATE attempts SET checkin=lookup;
CREATE INDEX attempts_by_checkin ON attempts (checkin, seq);

CREATE TABLE answers (
	seq     INTEGER PRIMARY KEY AUTOINCREMENT,
	checkin TEXT NOT NULL,
	lookup  TEXT NOT NULL,
	at      INTEGER NOT NULL,
	body    BLOB NOT NULL
) STRICT;
CREATE INDEX answers_by_time ON answers (at);
CREATE INDEX answers_by_checkin ON answers (checkin, seq);

CREATE TABLE notices (
	seq     INTEGER PRIMARY KEY AUTOINCREMENT,
	owner   TEXT NOT NULL,
	checkin TEXT NOT NULL,
	lookup  TEXT NOT NULL,
	at      INTEGER NOT NULL,
	body    BLOB NOT NULL
) STRICT;
CREATE INDEX notices_by_owner ON notices (owner, seq);
CREATE INDEX notices_by_time ON notices (at);
`, `
CREATE INDEX attempts_failed ON attempts (at, checkin) WHERE outcome NOT IN ('answered','not_asked','cancelled');
`}

// create makes an empty journal in an empty file.
func (c *conn) create() error {
	// Eight bytes at the end of each page for SQLite's checksum (https://sqlite.org/cksumvfs.html). Beneath a cipher that turns a whole
	// block into noise when one bit of it changes, they make a changed block visible.
	if _, err := c.FileControl("main", sqlite3.FCNTL_RESERVE_BYTES, 8); err != nil {
		return err
	}
	if err := c.Exec(`PRAGMA auto_vacuum=INCREMENTAL; PRAGMA application_id=` + strconv.Itoa(application)); err != nil {
		return err
	}
	if err := c.migrate(0); err != nil {
		return err
	}
	mode := ""
	if err := c.query(func(r *row) { mode = r.text() }, `PRAGMA journal_mode=WAL`); err != nil {
		return err
	}
	if mode != "wal" {
		return fmt.Errorf("%w: no write-ahead log", ErrUnwritable)
	}
	return nil
}

// prepareSchema checks that an existing file is a journal and brings it up to date, unless a newer version has done so.
func (c *conn) prepareSchema() error {
	var app, version int64
	if err := c.query(func(r *row) { app = r.int() }, `PRAGMA application_id`); err != nil {
		return err
	}
	if err := c.query(func(r *row) { version = r.int() }, `PRAGMA user_version`); err != nil {
		return err
	}
	version, oldest := version&0xffff, version>>16
	switch {
	case app != application || version < 1:
		return ErrWrongKey
	case version > int64(len(migrations)) && oldest >= 1 && oldest <= int64(len(migrations)):
		return nil // of a newer version, which has only added to it
	case version > int64(len(migrations)):
		return ErrNewer
	case version == int64(len(migrations)):
		return nil
	}
	return c.migrate(int(version))
}

func (c *conn) migrate(from int) error {
	return c.transaction(func() error {
		for _, m := range migrations[from:] {
			if err := c.Exec(m); err != nil {
				return err
			}
		}
		// The version, and above it who may open the journal all the same.
		return c.Exec(`PRAGMA user_version=` + strconv.Itoa(len(migrations)|oldestReader<<16))
	})
}
