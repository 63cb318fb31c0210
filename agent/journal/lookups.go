package journal

import (
	"context"
	"encoding/json"
	"slices"
	"time"
)

// MaxAhead is how far ahead a look-up may lie. One that lies further ahead was put there by a clock that has been set back
// since, and is due.
const MaxAhead = 24 * time.Hour

// Lookup is an eligibility question that still has to be asked. Body is the caller's own encoding of it.
type Lookup struct {
	ID        string
	CheckinID string
	NotBefore time.Time
	Until     time.Time // when the caller means to give up; zero is never. The journal only keeps it
	Attempts  int
	Body      []byte
}

func (b *bounds) lookup(l Lookup) {
	b.id("look-up id", l.ID)
	b.text("check-in id", l.CheckinID, MaxID)
	b.body(l.Body)
	b.time("time", l.NotBefore)
	b.time("end", l.Until)
	if l.Attempts < 0 {
		b.fail("negative attempts")
	}
}

// PutLookup queues a look-up durably; one with a known ID is replaced.
func (j *Journal) PutLookup(ctx context.Context, l Lookup) error {
	var b bounds
	if b.lookup(l); b.err != nil {
		return b.err
	}
	return j.do(ctx, func(db *conn) error { return db.putLookup(l, j.now()) })
}

func (c *conn) putLookup(l Lookup, now time.Time) error {
	return c.exec(`INSERT INTO lookups (id, checkin, not_before, until, attempts, written, body) VALUES (?,?,?,?,?,?,?)
		ON CONFLICT (id) DO UPDATE SET checkin=excluded.checkin, not_before=excluded.not_before, until=excluded.until,
		attempts=excluded.attempts, body=excluded.body`,
		l.ID, l.CheckinID, l.NotBefore, l.Until, l.Attempts, now, l.Body)
}

func scanLookup(r *row) Lookup {
	return Lookup{ID: r.text(), CheckinID: r.text(), NotBefore: r.time(), Until: r.time(), Attempts: int(r.int()), Body: r.blob()}
}

// DueLookups gives those whose time has come, oldest first, at most limit (and at most MaxRows).
func (j *Journal) DueLookups(ctx context.Context, now time.Time, limit int) ([]Lookup, error) {
	return list(ctx, j, scanLookup, `SELECT id, checkin, not_before, until, attempts, body FROM lookups
		WHERE not_before<=? OR not_before>? ORDER BY not_before, id LIMIT ?`, now, now.Add(MaxAhead), clamp(limit))
}

// LookupsOf gives the look-ups of a check-in that wait, by their ids, at most MaxRows.
func (j *Journal) LookupsOf(ctx context.Context, checkinID string) ([]Lookup, error) {
	return list(ctx, j, scanLookup, `SELECT id, checkin, not_before, until, attempts, body FROM lookups WHERE checkin=? ORDER BY id LIMIT ?`,
		checkinID, clamp(MaxRows))
}

// Waiting is how many look-ups are queued, and since when the oldest of them is; zero where there is none.
type Waiting struct {
	Lookups int
	Since   time.Time
}

// Waiting counts the queue.
func (j *Journal) Waiting(ctx context.Context) (Waiting, error) {
	rows, err := list(ctx, j, func(r *row) Waiting { return Waiting{int(r.int()), r.time()} },
		`SELECT count(*), coalesce(min(written), -9223372036854775808) FROM lookups`)
	if err != nil || len(rows) != 1 {
		return Waiting{}, err
	}
	return rows[0], nil
}

// BeginLookup says that a look-up is about to be asked: what will be disclosed for it is on record, and it is not due again before
// notBefore, whatever becomes of this process. False: it is not in the queue any more, and nothing was written.
func (j *Journal) BeginLookup(ctx context.Context, id string, notBefore time.Time, d Disclosure) (bool, error) {
	var b bounds
	b.id("look-up id", id)
	b.time("time", notBefore)
	if b.disclosure(d); b.err != nil {
		return false, b.err
	}
	return j.queued(ctx, func(db *conn) (bool, error) {
		there, err := db.updates(`UPDATE lookups SET not_before=? WHERE id=? RETURNING 1`, notBefore, id)
		if err != nil || !there {
			return false, err
		}
		return true, db.putDisclosure(d)
	})
}

// Turn is what came of asking a look-up of the queue.
type Turn struct {
	Attempt   Attempt
	NotBefore time.Time  // when it is asked again; zero takes it out of the queue
	Amendment *Amendment // what it adds to its check-in
	Answer    *Answer    // as it came
	Notice    *Notice    // for the owner
	Told      *Disclosure
}

// EndLookup writes down what came of a look-up: all of it or nothing. False: the look-up is not in the queue any more, because
// somebody else has answered it or nobody wants to know; then the attempt stands on record and nothing else. So whatever is
// asked twice is answered once.
func (j *Journal) EndLookup(ctx context.Context, t Turn) (bool, error) {
	var b bounds
	b.attempt(t.Attempt)
	b.time("time", t.NotBefore)
	if t.Amendment != nil {
		b.amendment(*t.Amendment)
	}
	if t.Answer != nil {
		b.answer(*t.Answer)
	}
	if t.Notice != nil {
		b.notice(*t.Notice)
	}
	if t.Told != nil {
		b.disclosure(*t.Told)
	}
	if b.err != nil {
		return false, b.err
	}
	return j.queued(ctx, func(db *conn) (there bool, err error) {
		if err := db.putAttempt(t.Attempt); err != nil {
			return false, err
		}
		if t.NotBefore.IsZero() {
			there, err = db.updates(`DELETE FROM lookups WHERE id=? RETURNING 1`, t.Attempt.LookupID)
		} else {
			there, err = db.updates(`UPDATE lookups SET not_before=? WHERE id=? RETURNING 1`, t.NotBefore, t.Attempt.LookupID)
		}
		if err != nil || !there {
			return there, err
		}
		if t.Amendment != nil {
			err = db.putAmendment(*t.Amendment)
		}
		if t.Answer != nil && err == nil {
			err = db.putAnswer(*t.Answer)
		}
		if t.Told != nil && err == nil {
			err = db.putDisclosure(*t.Told)
		}
		if t.Notice != nil && err == nil {
			err = db.exec(`INSERT INTO notices (owner, checkin, lookup, at, body) VALUES (?,?,?,?,?)`,
				t.Notice.Owner, t.Notice.CheckinID, t.Notice.LookupID, t.Notice.At, t.Notice.Body)
		}
		return true, err
	})
}

// queued runs one transaction that finds a look-up in the queue, or does not.
func (j *Journal) queued(ctx context.Context, work func(db *conn) (bool, error)) (bool, error) {
	answer := make(chan bool, 1)
	err := j.do(ctx, func(db *conn) error {
		there := false
		err := db.transaction(func() (err error) {
			there, err = work(db)
			return err
		})
		answer <- there
		return err
	})
	if err != nil {
		return false, err
	}
	return <-answer, nil
}

// updates runs a statement that returns a row for each that it changes, and says whether there was one.
func (c *conn) updates(sql string, args ...any) (there bool, err error) {
	err = c.query(func(*row) { there = true }, sql, args...)
	return there, err
}

// Stay is an event of a stay: what it adds to its check-in, and the look-up that it asks for.
type Stay struct {
	Amendment Amendment
	Lookup    Lookup
	// Ends says that the stay is over, so that all its look-ups are given up when this one is.
	Ends bool
}

// PutStay writes an event of a stay durably: all of it or nothing. A look-up that is in the queue already stays as it is.
func (j *Journal) PutStay(ctx context.Context, s Stay) error {
	var b bounds
	b.amendment(s.Amendment)
	if b.lookup(s.Lookup); b.err != nil {
		return b.err
	}
	l := s.Lookup
	return j.do(ctx, func(db *conn) error {
		return db.transaction(func() error {
			if err := db.putAmendment(s.Amendment); err != nil {
				return err
			}
			err := db.exec(`INSERT INTO lookups (id, checkin, not_before, until, attempts, written, body) VALUES (?,?,?,?,?,?,?)
				ON CONFLICT (id) DO NOTHING`, l.ID, l.CheckinID, l.NotBefore, l.Until, l.Attempts, j.now(), l.Body)
			if err != nil || !s.Ends {
				return err
			}
			return db.exec(`UPDATE lookups SET until=? WHERE checkin=?`, l.Until, l.CheckinID)
		})
	})
}

// DropLookups takes the look-ups of a check-in out of the queue; their attempts stay. Where there are none is no error.
func (j *Journal) DropLookups(ctx context.Context, checkinID string) error {
	return j.do(ctx, func(db *conn) error { return db.exec(`DELETE FROM lookups WHERE checkin=?`, checkinID) })
}

// Attempt is the dated proof that a look-up was tried.
type Attempt struct {
	LookupID  string
	CheckinID string // empty: LookupID is it
	At        time.Time
	Outcome   string   // id of the error, "answered", "cancelled", or "not_asked" where nobody was asked
	Code      string   // raw result code, if there was one
	Insurer   string   // who was asked
	Fields    []string // what was asked with: names, never values
}

func (b *bounds) attempt(a Attempt) {
	b.id("look-up id", a.LookupID)
	b.text("check-in id", a.CheckinID, MaxID)
	b.text("outcome", a.Outcome, MaxID)
	b.text("code", a.Code, MaxID)
	b.text("insurer", a.Insurer, MaxID)
	b.fields(a.Fields)
	b.time("time", a.At)
}

// PutAttempt writes an attempt and counts it on its look-up, both or neither. The look-up need not be in the queue: an
// attempt is also the proof of a question that was answered at once.
func (j *Journal) PutAttempt(ctx context.Context, a Attempt) error {
	var b bounds
	if b.attempt(a); b.err != nil {
		return b.err
	}
	return j.do(ctx, func(db *conn) error {
		return db.transaction(func() error { return db.putAttempt(a) })
	})
}

func (c *conn) putAttempt(a Attempt) error {
	if a.CheckinID == "" {
		a.CheckinID = a.LookupID
	}
	err := c.exec(`INSERT INTO attempts (lookup, checkin, at, outcome, code, insurer, fields) VALUES (?,?,?,?,?,?,?)`,
		a.LookupID, a.CheckinID, a.At, a.Outcome, a.Code, a.Insurer, fieldsText(a.Fields))
	if err != nil {
		return err
	}
	return c.exec(`UPDATE lookups SET attempts=attempts+1 WHERE id=?`, a.LookupID)
}

func scanAttempt(r *row) Attempt {
	a := Attempt{LookupID: r.text(), CheckinID: r.text(), At: r.time(), Outcome: r.text(), Code: r.text(), Insurer: r.text()}
	if err := json.Unmarshal([]byte(r.text()), &a.Fields); err != nil {
		r.damaged()
	}
	if len(a.Fields) == 0 {
		a.Fields = nil
	}
	return a
}

// Attempts lists those of one look-up, oldest first, at most MaxRows.
func (j *Journal) Attempts(ctx context.Context, lookupID string) ([]Attempt, error) {
	return list(ctx, j, scanAttempt, `SELECT lookup, checkin, at, outcome, code, insurer, fields FROM attempts WHERE lookup=? ORDER BY seq LIMIT ?`,
		lookupID, clamp(MaxRows))
}

// AttemptsOf lists those of all look-ups of a check-in, oldest first, at most MaxRows.
func (j *Journal) AttemptsOf(ctx context.Context, checkinID string) ([]Attempt, error) {
	return list(ctx, j, scanAttempt, `SELECT lookup, checkin, at, outcome, code, insurer, fields FROM attempts WHERE checkin=? ORDER BY seq LIMIT ?`,
		checkinID, clamp(MaxRows))
}

// Asked says how the look-ups of one check-in went, by what its attempts say. An attempt failed if it has no answer, also where it did
// not leave because those just before it had failed; not if nobody waited any more.
type Asked struct {
	CheckinID  string
	Attempts   int
	Failed     int
	LastFailed time.Time // zero: none has
	Unanswered bool      // there is a look-up that failed, and none of its attempts was answered
}

const (
	failedAttempt = `outcome NOT IN ('answered','cancelled')`
	askedOf       = `SELECT checkin, sum(n), sum(f), max(last), max(f>0 AND NOT a) FROM
		(SELECT checkin, count(*) AS n, sum(` + failedAttempt + `) AS f, max(outcome='answered') AS a,
		max(CASE WHEN ` + failedAttempt + ` THEN at ELSE -9223372036854775808 END) AS last FROM attempts WHERE checkin=? GROUP BY lookup) GROUP BY checkin`
)

func scanAsked(r *row) Asked {
	return Asked{CheckinID: r.text(), Attempts: int(r.int()), Failed: int(r.int()), LastFailed: r.time(), Unanswered: r.int() != 0}
}

// Asked says it of some check-ins, in their order; one of which nobody was asked is not among them. More than MaxRows are not
// looked at.
func (j *Journal) Asked(ctx context.Context, checkinIDs ...string) ([]Asked, error) {
	ids := slices.Clone(checkinIDs[:min(len(checkinIDs), MaxRows)])
	answer := make(chan []Asked, 1)
	err := j.do(ctx, func(db *conn) error {
		var out []Asked
		for _, id := range ids {
			if err := db.query(func(r *row) { out = append(out, scanAsked(r)) }, askedOf, id); err != nil {
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

// Failed lists the check-ins of which an attempt has failed since a time, the newest first, at most limit (and at most MaxRows): those
// whose owner ends in a space and one of the two names, whatever stands before it.
func (j *Journal) Failed(ctx context.Context, since time.Time, whose [2]string, limit int) ([]Checkin, error) {
	return list(ctx, j, func(r *row) Checkin {
		return Checkin{ID: r.text(), Owner: r.text(), JobID: r.text(), State: r.text(), StartedAt: r.time(), FinishedAt: r.time(), Body: r.blob()}
	}, `SELECT id, owner, job, state, started, finished, body FROM checkins
		WHERE id IN (SELECT checkin FROM attempts WHERE at>=? AND `+failedAttempt+`) AND substr(owner, instr(owner, ' ')+1) IN (?,?) AND instr(owner, ' ')>0
		ORDER BY started DESC, id DESC LIMIT ?`, since, whose[0], whose[1], clamp(limit))
}

// Answer is what an insurer said, as it came. It is kept for a time of its own: see Purge.
type Answer struct {
	CheckinID string
	LookupID  string
	At        time.Time
	Body      []byte
}

func (b *bounds) answer(a Answer) {
	b.id("check-in id", a.CheckinID)
	b.id("look-up id", a.LookupID)
	b.body(a.Body)
	b.time("time", a.At)
}

// PutAnswer writes an answer durably before it returns.
func (j *Journal) PutAnswer(ctx context.Context, a Answer) error {
	var b bounds
	if b.answer(a); b.err != nil {
		return b.err
	}
	return j.do(ctx, func(db *conn) error { return db.putAnswer(a) })
}

func (c *conn) putAnswer(a Answer) error {
	return c.exec(`INSERT INTO answers (checkin, lookup, at, body) VALUES (?,?,?,?)`, a.CheckinID, a.LookupID, a.At, a.Body)
}

// Answers lists those of a check-in, oldest first, at most MaxRows.
func (j *Journal) Answers(ctx context.Context, checkinID string) ([]Answer, error) {
	return list(ctx, j, func(r *row) Answer {
		return Answer{CheckinID: r.text(), LookupID: r.text(), At: r.time(), Body: r.blob()}
	}, `SELECT checkin, lookup, at, body FROM answers WHERE checkin=? ORDER BY seq LIMIT ?`, checkinID, clamp(MaxRows))
}

// Notice is something that an owner has to be told, and has not been seen to get.
type Notice struct {
	Seq       int64 // ascending; given by the journal
	Owner     string
	CheckinID string
	LookupID  string
	At        time.Time
	Body      []byte
}

func (b *bounds) notice(n Notice) {
	b.text("owner", n.Owner, MaxOwner)
	b.id("check-in id", n.CheckinID)
	b.id("look-up id", n.LookupID)
	b.time("time", n.At)
	b.body(n.Body)
}

// Notices gives those that an owner has not got, oldest first, at most limit (and at most MaxRows).
func (j *Journal) Notices(ctx context.Context, owner string, limit int) ([]Notice, error) {
	return list(ctx, j, func(r *row) Notice {
		return Notice{Seq: r.int(), Owner: r.text(), CheckinID: r.text(), LookupID: r.text(), At: r.time(), Body: r.blob()}
	}, `SELECT seq, owner, checkin, lookup, at, body FROM notices WHERE owner=? ORDER BY seq LIMIT ?`, owner, clamp(limit))
}

// DropNotice says that an owner has got a notice. One that is not there is no error.
func (j *Journal) DropNotice(ctx context.Context, owner string, seq int64) error {
	return j.do(ctx, func(db *conn) error {
		return db.query(func(*row) {}, `DELETE FROM notices WHERE owner=? AND seq=?`, owner, int(seq))
	})
}

// purgeAtOnce bounds what one transaction of Purge deletes, in rows of each kind.
const purgeAtOnce = 500

// Purge deletes the answers and the notices that are older than before, and gives how many. What it deletes, and what was deleted
// since the last Purge, is afterwards in no file of the journal: the place of a row is overwritten, and the log, which still holds
// what the pages were, is folded back and cut to nothing.
func (j *Journal) Purge(ctx context.Context, before time.Time) (deleted int, err error) {
	for {
		n := make(chan int, 1)
		err := j.do(ctx, func(db *conn) error {
			count := 0
			err := db.transaction(func() error {
				for _, sql := range []string{
					`DELETE FROM answers WHERE seq IN (SELECT seq FROM answers WHERE at<? ORDER BY at LIMIT ?) RETURNING 1`,
					`DELETE FROM notices WHERE seq IN (SELECT seq FROM notices WHERE at<? ORDER BY at LIMIT ?) RETURNING 1`,
				} {
					if err := db.query(func(*row) { count++ }, sql, before, purgeAtOnce); err != nil {
						return err
					}
				}
				return nil
			})
			n <- count
			return err
		})
		if err != nil {
			return deleted, err
		}
		count := <-n
		if deleted += count; count < purgeAtOnce {
			break
		}
	}
	return deleted, j.do(ctx, func(db *conn) error {
		return db.query(func(*row) {}, `PRAGMA wal_checkpoint(TRUNCATE)`)
	})
}
