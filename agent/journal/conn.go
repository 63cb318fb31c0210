package journal

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/ncruces/go-sqlite3"
)

// conn is one connection with its prepared statements.
type conn struct {
	*sqlite3.Conn
	statements map[string]*sqlite3.Stmt
}

func (c *conn) close() error {
	c.SetInterrupt(context.Background())
	for _, s := range c.statements {
		_ = s.Close() // it only repeats the error of its last run
	}
	c.statements = nil
	return c.Conn.Close()
}

// statement gives the prepared form of one of the few constant texts in this package, bound to args.
func (c *conn) statement(sql string, args []any) (*sqlite3.Stmt, error) {
	s := c.statements[sql]
	if s == nil {
		var err error
		if s, _, err = c.PrepareFlags(sql, sqlite3.PREPARE_PERSISTENT); err != nil {
			return nil, err
		}
		c.statements[sql] = s
	}
	for i, a := range args {
		var err error
		switch a := a.(type) {
		case string:
			err = s.BindText(i+1, a)
		case int:
			err = s.BindInt64(i+1, int64(a))
		case time.Time:
			err = s.BindInt64(i+1, nanoseconds(a))
		case []byte:
			if a == nil {
				a = []byte{}
			}
			err = s.BindBlob(i+1, a)
		default:
			err = fmt.Errorf("%w: %T", ErrInvalid, a)
		}
		if err != nil {
			return nil, err
		}
	}
	return s, nil
}

// exec runs one statement. What was bound is wiped from SQLite's memory afterwards.
func (c *conn) exec(sql string, args ...any) error {
	return c.query(func(*row) {}, sql, args...)
}

// query runs one statement and gives each row to f.
func (c *conn) query(f func(*row), sql string, args ...any) error {
	s, err := c.statement(sql, args)
	if err != nil {
		return err
	}
	r := &row{s: s}
	for s.Step() {
		r.col = 0
		f(r)
	}
	// Step's error is the real one; Reset repeats it, and finds the errors of a commit that happens within it.
	err = s.Err()
	if e := s.Reset(); err == nil {
		err = e
	}
	_ = s.ClearBindings()
	if err == nil {
		err = r.err
	}
	return err
}

// transaction runs f; both what it wrote and its durability are all or nothing.
func (c *conn) transaction(f func() error) error {
	if err := c.exec(`BEGIN IMMEDIATE`); err != nil {
		return err
	}
	err := f()
	if err == nil {
		err = c.exec(`COMMIT`)
	}
	if err != nil && !c.GetAutocommit() {
		// The rollback has to run although the context has ended.
		ctx := c.SetInterrupt(context.Background())
		if e := c.exec(`ROLLBACK`); e != nil {
			err = errors.Join(e, err)
		}
		c.SetInterrupt(ctx)
	}
	return err
}

// row reads the columns of one row in their order.
type row struct {
	s   *sqlite3.Stmt
	col int
	err error
}

func (r *row) next() int { r.col++; return r.col - 1 }

func (r *row) text() string    { return r.s.ColumnText(r.next()) }
func (r *row) int() int64      { return r.s.ColumnInt64(r.next()) }
func (r *row) blob() []byte    { return r.s.ColumnBlob(r.next(), nil) }
func (r *row) time() time.Time { return fromNanoseconds(r.int()) }
func (r *row) damaged()        { r.err = ErrDamaged }

// nanoseconds since 1970; the zero time is the least number, which sorts before all.
func nanoseconds(t time.Time) int64 {
	if t.IsZero() {
		return -1 << 63
	}
	return t.UnixNano()
}

func fromNanoseconds(n int64) time.Time {
	if n == -1<<63 {
		return time.Time{}
	}
	return time.Unix(0, n).UTC()
}
