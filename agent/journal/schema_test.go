package journal

import (
	"context"
	"errors"
	"path/filepath"
	"slices"
	"testing"
	"time"
)

// released is the schema of the last release. Raise it with each one.
const released = 3

// TestLastReleaseReadsThis is the rule that lets an update be taken back: whoever raises oldestReader beyond it strands a desk whose
// new version had to go.
func TestLastReleaseReadsThis(t *testing.T) {
	if oldestReader > released || oldestReader < 1 || released > len(migrations) {
		t.Errorf("schema %d can be read from schema %d on; the last release has %d", len(migrations), oldestReader, released)
	}
}

// next makes this program one of a later version until the test takes it back.
func next(t *testing.T, oldest int, more ...string) (back func()) {
	t.Helper()
	m, o := migrations, oldestReader
	back = func() { migrations, oldestReader = m, o }
	t.Cleanup(back)
	migrations, oldestReader = append(slices.Clone(m), more...), oldest
	return back
}

// TestTakenBack: the next version makes the journal its own and writes, this one reads that and writes, and the next reads both.
func TestTakenBack(t *testing.T) {
	ctx := context.Background()
	path := filepath.Join(t.TempDir(), "journal.db")
	at := time.Date(2026, 12, 1, 8, 0, 0, 0, time.UTC)
	round := func(write string, want ...string) {
		t.Helper()
		j, err := Open(ctx, Options{Path: path, Key: testKey})
		if err != nil {
			t.Fatal(err)
		}
		ok(t, j.PutCheckin(ctx, Checkin{ID: write, Owner: "o", JobID: write, State: "complete", StartedAt: at, Body: []byte(write)}))
		ok(t, j.PutAmendment(ctx, Amendment{CheckinID: write, At: at, Kind: "visit", Body: []byte(write)}))
		ok(t, j.PutDisclosure(ctx, Disclosure{CheckinID: write, At: at, To: "o", Fields: []string{"number"}}))
		list, err := j.Checkins(ctx, "o", time.Time{}, 10)
		ok(t, err)
		var ids []string
		for _, c := range list {
			ids = append(ids, c.ID)
			if a, err := j.Amendments(ctx, c.ID); err != nil || len(a) != 1 {
				t.Errorf("amendments of %s: %v, %v", c.ID, a, err)
			}
		}
		if !slices.Equal(ids, want) {
			t.Errorf("got %v, want %v", ids, want)
		}
		ok(t, j.Close())
		at = at.Add(time.Minute)
	}
	more := []string{
		`ALTER TABLE checkins ADD COLUMN hub TEXT NOT NULL DEFAULT ''; CREATE TABLE witnesses (seq INTEGER PRIMARY KEY, body BLOB NOT NULL) STRICT;`,
		`CREATE INDEX checkins_by_hub ON checkins (hub, started);`,
	}
	round("now", "now")
	back := next(t, len(migrations), more...)
	round("next", "now", "next")
	back()
	round("back", "now", "next", "back")
	back = next(t, len(migrations), more...)
	round("again", "now", "next", "back", "again")
	back()

	// A version that has broken with this one says so, and its journal is not touched.
	back = next(t, len(migrations)+3, append(more, `DROP TABLE witnesses;`)...)
	round("broken", "now", "next", "back", "again", "broken")
	back()
	if _, err := Open(ctx, Options{Path: path, Key: testKey}); !errors.Is(err, ErrNewer) {
		t.Errorf("got %v", err)
	}
}
