package agent

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/tapcheck/tapcheck/agent/catalog"
	"github.com/tapcheck/tapcheck/agent/catalog/catalogtest"
	"github.com/tapcheck/tapcheck/agent/health"
	"github.com/tapcheck/tapcheck/agent/journal"
	"github.com/tapcheck/tapcheck/agent/portrait"
)

func TestMain(m *testing.M) {
	if len(os.Args) == 2 && os.Args[1] == portrait.ChildArg { // an agent under test starts this binary to decode a picture
		os.Exit(portrait.RunChild(os.Stdin, os.Stdout))
	}
	goleak.VerifyTestMain(m, goleak.Cleanup(func(status int) { catalogtest.Exit("agent", status) }))
}

func quiet(string, map[string]any) {}

var morning = time.Date(2026, 11, 23, 8, 0, 0, 0, time.UTC)

// testBook is a book over a real journal, tried again every 10 ms. There is no folder yet, so the disk refuses, until mend
// is called.
func testBook(t *testing.T) (b *book, mend func(), path string) {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "data")
	path = filepath.Join(dir, JournalFile)
	b, err := openBook(t.Context(), journal.Options{Path: path, Key: [32]byte{1}}, &health.Tracker{}, 10*time.Millisecond, quiet)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := b.close(context.Background()); err != nil {
			t.Error(err)
		}
	})
	return b, func() {
		t.Helper()
		if err := os.Mkdir(dir, 0o700); err != nil {
			t.Fatal(err)
		}
		settled(t, b)
	}, path
}

// settled waits until nothing is wrong and nothing waits.
func settled(t *testing.T, b *book) {
	t.Helper()
	for range 500 {
		b.mu.Lock()
		empty := len(b.queue) == 0 && !b.refusing
		b.mu.Unlock()
		if empty && !says(b, health.JournalUnwritable) {
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
	t.Fatalf("the book has not caught up: %d wait, health %+v", len(b.queue), b.health.List(catalog.EN))
}

func says(b *book, c health.Code) bool {
	for _, w := range b.health.List(catalog.EN) {
		if w.Code == c {
			return true
		}
	}
	return false
}

func row(id, state string) journal.Checkin {
	return journal.Checkin{ID: id, Owner: "o", JobID: "j", State: state, StartedAt: morning, Body: []byte(state)}
}

// rows reads the journal that the book has closed.
func rows(t *testing.T, b *book, path string) map[string]string {
	t.Helper()
	if err := b.close(context.Background()); err != nil {
		t.Fatal(err)
	}
	j, err := journal.Open(t.Context(), journal.Options{Path: path, Key: [32]byte{1}})
	if err != nil {
		t.Fatal(err)
	}
	defer j.Close()
	list, err := j.Checkins(t.Context(), "o", morning.Add(-time.Hour), 10000)
	if err != nil {
		t.Fatal(err)
	}
	m := map[string]string{}
	for _, c := range list {
		m[c.ID] = c.State
	}
	return m
}

// A disk that refuses stops the record, not the patient; the record is caught up, in order.
func TestBookCatchesUp(t *testing.T) {
	b, mend, path := testBook(t)
	for _, state := range []string{"running", "complete"} {
		if err := b.PutCheckin(t.Context(), row("C1", state)); !errors.Is(err, journal.ErrUnwritable) {
			t.Fatalf("a refused write must say so, got %v", err)
		}
	}
	if !says(b, health.JournalUnwritable) {
		t.Error("health does not say it")
	}
	mend()
	if err := b.PutDisclosure(t.Context(), journal.Disclosure{CheckinID: "C1", At: morning, To: "o", Fields: []string{"number"}}); err != nil {
		t.Errorf("after the cure: %v", err)
	}
	if n, err := b.SignerSeen(t.Context(), strings.Repeat("0f", 32)); err != nil || n != 0 {
		t.Errorf("signer seen %d, %v", n, err)
	}
	if got := rows(t, b, path); len(got) != 1 || got["C1"] != "complete" {
		t.Errorf("caught up as %v", got)
	}
}

// What no disk will ever take must not stand in the way of what comes after it.
func TestBookDropsTheInvalid(t *testing.T) {
	b, mend, path := testBook(t)
	_ = b.PutCheckin(t.Context(), journal.Checkin{}) // no id: never valid
	_ = b.PutCheckin(t.Context(), row("C2", "complete"))
	mend()
	if b.lost != 1 {
		t.Errorf("%d lost", b.lost)
	}
	if err := b.PutCheckin(t.Context(), journal.Checkin{}); !errors.Is(err, journal.ErrInvalid) {
		t.Errorf("an invalid row: %v", err)
	}
	if got := rows(t, b, path); got["C2"] != "complete" {
		t.Errorf("rows %v", got)
	}
}

// A disk that hangs holds no caller past its context, and what was asked of it meanwhile is written when it is back.
func TestBookWithAHangingDisk(t *testing.T) {
	b, mend, path := testBook(t)
	mend()
	hang, entered := make(chan struct{}), make(chan struct{})
	go func() {
		_ = b.do(context.Background(), func(context.Context, *journal.Journal) error { close(entered); <-hang; return nil })
	}()
	<-entered
	for i := range 5 {
		ctx, stop := context.WithCancel(t.Context())
		stop()
		if err := b.PutCheckin(ctx, row(fmt.Sprint("C", i), "complete")); !errors.Is(err, context.Canceled) {
			t.Errorf("got %v", err)
		}
	}
	if !says(b, health.JournalUnwritable) {
		t.Error("health does not say it")
	}
	close(hang)
	settled(t, b)
	if got := rows(t, b, path); len(got) != 5 {
		t.Errorf("%d rows of 5: %v", len(got), got)
	}
}

// A journal with a damaged page is set aside whole, and the desk goes on with a new one.
func TestBookWithADamagedPage(t *testing.T) {
	path := filepath.Join(t.TempDir(), JournalFile)
	o := journal.Options{Path: path, Key: [32]byte{1}}
	j, err := journal.Open(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	for i := range 200 {
		c := row(fmt.Sprintf("C%04d", i), "complete")
		c.Body = make([]byte, 300)
		if err := j.PutCheckin(t.Context(), c); err != nil {
			t.Fatal(err)
		}
	}
	if err := j.Close(); err != nil {
		t.Fatal(err)
	}
	whole, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	aside := 0
	for page := 1; page < len(whole)/4096; page++ {
		damaged := append([]byte(nil), whole...)
		damaged[page*4096+100] ^= 1
		if err := os.WriteFile(path, damaged, 0o600); err != nil {
			t.Fatal(err)
		}
		b, err := openBook(t.Context(), o, &health.Tracker{}, 10*time.Millisecond, quiet)
		if err != nil {
			t.Fatalf("page %d: %v", page, err)
		}
		if err := b.PutCheckin(t.Context(), row("D", "complete")); err != nil {
			t.Errorf("page %d: %v", page, err)
		}
		if err := b.PutDisclosure(t.Context(), journal.Disclosure{CheckinID: "D", At: morning, To: "o", Fields: []string{"number"}}); err != nil {
			t.Errorf("page %d: %v", page, err)
		}
		if says(b, health.JournalDamaged) {
			aside++
		}
		if err := b.close(context.Background()); err != nil {
			t.Fatal(err)
		}
	}
	if aside == 0 {
		t.Error("no damaged page was ever met, so nothing was tested")
	}
}

func TestSetAside(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "a [folder]")
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(dir, JournalFile)
	for _, name := range []string{path, path + "-wal"} {
		if err := os.WriteFile(name, []byte("x"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := setAside(path, morning); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{JournalFile, JournalFile + "-wal"} {
		if _, err := os.Stat(filepath.Join(dir, "damaged-20261123T080000.000Z", name)); err != nil {
			t.Error(err)
		}
	}
	if _, err := os.Stat(path); !errors.Is(err, os.ErrNotExist) {
		t.Error("the damaged journal is still in its place")
	}
}

// Whoever asks again learns that a late record is on the disk: once everything that was waiting is.
func TestBookTellsOfLateRecords(t *testing.T) {
	b, mend, _ := testBook(t)
	told := make(chan string, 10)
	b.onCaughtUp(func(id string) { told <- id })
	_ = b.PutCheckin(t.Context(), row("C1", "complete"))
	_ = b.PutDisclosure(t.Context(), journal.Disclosure{CheckinID: "C1", At: morning, To: "o", Fields: []string{"number"}})
	mend()
	if id := <-told; id != "C1" {
		t.Errorf("told of %s", id)
	}
	if err := b.PutCheckin(t.Context(), row("C2", "complete")); err != nil || len(told) != 0 {
		t.Errorf("a record in time: %v, told %d times", err, len(told))
	}
}

// What is in the journal can be asked for, also while the disk takes nothing; a question never waits in the queue of what
// has to be written, and never makes the disk be tried.
func TestBookIsRead(t *testing.T) {
	b, mend, _ := testBook(t)
	if _, err := b.Checkin(t.Context(), "o", "C1", ""); !errors.Is(err, journal.ErrUnwritable) {
		t.Errorf("without a journal: %v", err)
	}
	mend()
	if err := b.PutCheckin(t.Context(), row("C1", "complete")); err != nil {
		t.Fatal(err)
	}
	if err := b.PutAmendment(t.Context(), journal.Amendment{CheckinID: "C1", At: morning, Kind: "link", Body: []byte("{}")}); err != nil {
		t.Fatal(err)
	}
	refuse := func(on bool) {
		b.mu.Lock()
		defer b.mu.Unlock()
		b.refusing = on
	}
	for _, refusing := range []bool{false, true} {
		refuse(refusing)
		c, err := b.Checkin(t.Context(), "o", "", "j")
		if err != nil || c.ID != "C1" {
			t.Errorf("refusing %v: %+v %v", refusing, c, err)
		}
		list, err := b.Checkins(t.Context(), "o", morning, 10)
		if err != nil || len(list) != 1 {
			t.Errorf("refusing %v: %+v %v", refusing, list, err)
		}
		added, err := b.Amendments(t.Context(), "C1", "C2")
		if err != nil || len(added) != 1 {
			t.Errorf("refusing %v: %+v %v", refusing, added, err)
		}
		if _, err := b.Checkin(t.Context(), "another", "C1", ""); !errors.Is(err, journal.ErrNone) {
			t.Errorf("refusing %v: %v", refusing, err)
		}
	}
	refuse(false)
	if err := b.DropLookups(t.Context(), "C1"); err != nil {
		t.Error(err)
	}
	gone, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := b.Checkins(gone, "o", morning, 10); !errors.Is(err, context.Canceled) {
		t.Errorf("nobody waits: %v", err)
	}
	if err := b.close(t.Context()); err != nil {
		t.Fatal(err)
	}
	if _, err := b.Checkin(t.Context(), "o", "C1", ""); !errors.Is(err, journal.ErrUnwritable) {
		t.Errorf("closed: %v", err)
	}
}

// A disk that hangs keeps a bounded number of questions waiting, and nobody for longer than it likes.
func TestBookIsReadFromAHangingDisk(t *testing.T) {
	b, mend, _ := testBook(t)
	mend()
	hang, hanging := make(chan struct{}), make(chan struct{})
	go b.ask(t.Context(), func(context.Context, *journal.Journal) error {
		close(hanging)
		<-hang
		return nil
	})
	<-hanging
	brief, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	ended := make(chan error, 2*readLimit)
	for range cap(ended) {
		go func() {
			_, err := b.Checkin(brief, "o", "C1", "")
			ended <- err
		}()
	}
	refused := 0
	for range cap(ended) {
		switch err := <-ended; {
		case errors.Is(err, journal.ErrUnwritable):
			refused++
		case !errors.Is(err, context.DeadlineExceeded):
			t.Errorf("%v", err)
		}
	}
	if refused != readLimit {
		t.Errorf("%d were refused at once", refused)
	}
	close(hang)
}
