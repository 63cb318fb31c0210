package agent

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/tapcheck/tapcheck/agent/catalog"
	"github.com/tapcheck/tapcheck/agent/health"
	"github.com/tapcheck/tapcheck/agent/journal"
)

func quiet(string, map[string]any) {}

// testBook is a book over a real journal whose disk can be made to refuse.
func testBook(t *testing.T) (b *book, refuse func(bool), path string) {
	t.Helper()
	path = filepath.Join(t.TempDir(), JournalFile)
	refusing := true
	open := func(ctx context.Context) (*journal.Journal, error) {
		if refusing {
			return nil, journal.ErrUnwritable
		}
		return journal.Open(ctx, journal.Options{Path: path, Key: [32]byte{1}})
	}
	b, err := openBook(t.Context(), open, &health.Tracker{}, time.Hour, quiet)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := b.close(context.Background()); err != nil {
			t.Error(err)
		}
	})
	return b, func(on bool) { refusing = on }, path
}

// A disk that refuses stops the record, not the patient; the record is caught up, in order.
func TestBookCatchesUp(t *testing.T) {
	b, refuse, _ := testBook(t)
	start := time.Date(2026, 11, 23, 8, 0, 0, 0, time.UTC)
	for i, state := range []string{"running", "complete"} {
		c := journal.Checkin{ID: "C1", Owner: "o", JobID: "j", State: state, StartedAt: start.Add(time.Duration(i) * time.Second), Body: []byte(state)}
		if err := b.PutCheckin(t.Context(), c); !errors.Is(err, journal.ErrUnwritable) {
			t.Fatalf("a refused write must say so, got %v", err)
		}
	}
	if w := b.health.List(catalog.EN); len(w) != 1 || w[0].Code != health.JournalUnwritable {
		t.Errorf("health does not say it: %+v", w)
	}
	refuse(false)
	b.try(t.Context())
	if w := b.health.List(catalog.EN); len(w) != 0 {
		t.Errorf("health still says it: %+v", w)
	}
	list, err := b.journal.Checkins(t.Context(), "o", start.Add(-time.Hour), 10)
	if err != nil || len(list) != 1 || list[0].State != "complete" {
		t.Errorf("caught up as %+v, %v", list, err)
	}
	if err := b.PutDisclosure(t.Context(), journal.Disclosure{CheckinID: "C1", At: start, To: "o", Fields: []string{"number"}}); err != nil {
		t.Errorf("after the cure: %v", err)
	}
	if n, err := b.SignerSeen(t.Context(), strings.Repeat("0f", 32)); err != nil || n != 0 {
		t.Errorf("signer seen %d, %v", n, err)
	}
}

// What no disk will ever take must not stand in the way of what comes after it.
func TestBookDropsTheInvalid(t *testing.T) {
	b, refuse, _ := testBook(t)
	_ = b.PutCheckin(t.Context(), journal.Checkin{}) // no id: never valid
	_ = b.PutCheckin(t.Context(), journal.Checkin{ID: "C2", Owner: "o", JobID: "j", State: "complete", StartedAt: time.Now(), Body: []byte("x")})
	refuse(false)
	b.try(t.Context())
	if len(b.backlog) != 0 || b.lost != 1 {
		t.Errorf("%d wait, %d lost", len(b.backlog), b.lost)
	}
	if err := b.PutCheckin(t.Context(), journal.Checkin{}); !errors.Is(err, journal.ErrInvalid) || len(b.backlog) != 0 {
		t.Errorf("an invalid row: %v, %d wait", err, len(b.backlog))
	}
}

// A hung disk holds no caller past its context.
func TestBookDoesNotHoldCallers(t *testing.T) {
	b, _, _ := testBook(t)
	<-b.turn // somebody is inside a write that does not come back
	ctx, stop := context.WithCancel(t.Context())
	stop()
	if err := b.PutCheckin(ctx, journal.Checkin{ID: "C"}); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
	b.give()
}

func TestDamagedJournalIsSetAside(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, JournalFile)
	for _, name := range []string{path, path + "-wal"} {
		if err := os.WriteFile(name, []byte("x"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := setAside(path, time.Date(2026, 11, 23, 8, 0, 0, 0, time.UTC)); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{JournalFile, JournalFile + "-wal"} {
		if _, err := os.Stat(filepath.Join(dir, "damaged-20261123T080000Z", name)); err != nil {
			t.Error(err)
		}
	}
	if _, err := os.Stat(path); !errors.Is(err, os.ErrNotExist) {
		t.Error("the damaged journal is still in its place")
	}
}
