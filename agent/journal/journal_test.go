package journal

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

var (
	testKey  = [32]byte{1, 2, 3, 4, 5, 6, 7, 8, 9}
	otherKey = [32]byte{9, 8, 7, 6, 5, 4, 3, 2, 1}
	day      = time.Date(2026, 11, 23, 8, 15, 2, 123456789, time.UTC)
)

func open(t *testing.T, path string) *Journal {
	t.Helper()
	j, err := Open(context.Background(), Options{Path: path, Key: testKey})
	if err != nil {
		t.Fatalf("open: %v", err)
	}
	t.Cleanup(func() { _ = j.Close() })
	return j
}

func newPath(t *testing.T) string { return filepath.Join(t.TempDir(), "journal.db") }

func must[T any](v T, err error) func(testing.TB) T {
	return func(t testing.TB) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
}

func ok(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func checkin(i int) Checkin {
	return Checkin{ID: fmt.Sprintf("01M8%04d", i), Owner: "https://his.example|1", JobID: fmt.Sprintf("desk3-%04d", i), State: "complete",
		StartedAt: day.Add(time.Duration(i) * time.Second), FinishedAt: day.Add(time.Duration(i)*time.Second + 2*time.Second), Body: []byte(fmt.Sprintf("body %d", i))}
}

func TestCheckins(t *testing.T) {
	ctx, path := context.Background(), newPath(t)
	j := open(t, path)
	for _, i := range []int{2, 1, 3} {
		ok(t, j.PutCheckin(ctx, checkin(i)))
	}
	foreign := checkin(4)
	foreign.Owner = "desktop:7|1"
	ok(t, j.PutCheckin(ctx, foreign))

	running := checkin(5)
	running.State, running.FinishedAt, running.Body = "running", time.Time{}, nil
	ok(t, j.PutCheckin(ctx, running))
	running.State = "cancelled"
	ok(t, j.PutCheckin(ctx, running))

	for _, when := range []string{"open", "reopened"} {
		got := must(j.Checkins(ctx, checkin(1).Owner, day, 10))(t)
		if d := cmp.Diff([]Checkin{checkin(1), checkin(2), checkin(3), running}, got); d != "" {
			t.Errorf("%s: all of one owner: %s", when, d)
		}
		got = must(j.Checkins(ctx, checkin(1).Owner, checkin(2).StartedAt, 1))(t)
		if d := cmp.Diff([]Checkin{checkin(2)}, got); d != "" {
			t.Errorf("%s: since and limit: %s", when, d)
		}
		for _, none := range []int{0, -1} {
			if got := must(j.Checkins(ctx, checkin(1).Owner, day, none))(t); len(got) != 0 {
				t.Errorf("%s: limit %d gave %d rows", when, none, len(got))
			}
		}
		if got := must(j.Checkins(ctx, "nobody", time.Time{}, 10))(t); len(got) != 0 {
			t.Errorf("%s: a stranger sees %d rows", when, len(got))
		}
		if got := must(j.Checkins(ctx, checkin(1).Owner, time.Time{}, 10))(t); len(got) != 4 {
			t.Errorf("%s: since the zero time gave %d rows", when, len(got))
		}
		ok(t, j.Close())
		j = open(t, path)
	}
}

func TestOneCheckin(t *testing.T) {
	ctx, path := context.Background(), newPath(t)
	j := open(t, path)
	again := checkin(7) // a HIS has used a job id again
	again.JobID = checkin(1).JobID
	for _, c := range []Checkin{again, checkin(1), checkin(2)} {
		ok(t, j.PutCheckin(ctx, c))
	}
	for name, tt := range map[string]struct {
		owner, id, job string
		want           Checkin
		err            error
	}{
		"by id":           {owner: checkin(1).Owner, id: checkin(1).ID, want: checkin(1)},
		"by job":          {owner: checkin(1).Owner, job: checkin(2).JobID, want: checkin(2)},
		"the last of it":  {owner: checkin(1).Owner, job: checkin(1).JobID, want: again},
		"another's id":    {owner: "desktop:7|1", id: checkin(1).ID, err: ErrNone},
		"another's job":   {owner: "desktop:7|1", job: checkin(1).JobID, err: ErrNone},
		"no such id":      {owner: checkin(1).Owner, id: "x", err: ErrNone},
		"a job is no id":  {owner: checkin(1).Owner, id: checkin(1).JobID, err: ErrNone},
		"nothing is none": {owner: checkin(1).Owner, err: ErrNone},
	} {
		got, err := j.Checkin(ctx, tt.owner, tt.id, tt.job)
		if d := cmp.Diff(tt.want, got); d != "" || !errors.Is(err, tt.err) {
			t.Errorf("%s: %v %s", name, err, d)
		}
	}
}

func TestAmendments(t *testing.T) {
	ctx, path := context.Background(), newPath(t)
	j := open(t, path)
	a := func(id, kind string, i int) Amendment {
		return Amendment{CheckinID: id, At: day.Add(time.Duration(i) * time.Second), Kind: kind, Body: []byte(fmt.Sprintf(`{"n":%d}`, i))}
	}
	for _, add := range []Amendment{a("c1", "link", 2), a("c2", "void", 1), a("c1", "decide", 1)} { // the check-ins need not be there yet
		ok(t, j.PutAmendment(ctx, add))
	}
	for _, when := range []string{"open", "reopened"} {
		got := must(j.Amendments(ctx, "c2", "none", "c1"))(t)
		if d := cmp.Diff([]Amendment{a("c2", "void", 1), a("c1", "link", 2), a("c1", "decide", 1)}, got); d != "" {
			t.Errorf("%s: %s", when, d)
		}
		if got := must(j.Amendments(ctx))(t); len(got) != 0 {
			t.Errorf("%s: of none there are %d", when, len(got))
		}
		ok(t, j.Close())
		j = open(t, path)
	}
	for i := range MaxAmendments + 5 {
		ok(t, j.PutAmendment(ctx, a("c3", "link", i)))
	}
	if got := must(j.Amendments(ctx, "c3"))(t); len(got) != MaxAmendments || string(got[0].Body) != `{"n":0}` {
		t.Errorf("%d of one check-in", len(got))
	}
	for name, odd := range map[string]Amendment{
		"no check-in": {At: day, Kind: "link"}, "no kind": {CheckinID: "c1", At: day}, "long kind": {CheckinID: "c1", At: day, Kind: strings.Repeat("k", MaxID+1)},
		"huge": {CheckinID: "c1", At: day, Kind: "link", Body: make([]byte, MaxBody+1)}, "in another age": {CheckinID: "c1", At: time.Date(1066, 10, 14, 0, 0, 0, 0, time.UTC), Kind: "link"},
	} {
		if err := j.PutAmendment(ctx, odd); !errors.Is(err, ErrInvalid) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// A journal that an earlier version wrote is brought up to date, with everything in it.
func TestJournalOfAnEarlierVersion(t *testing.T) {
	ctx, path := context.Background(), newPath(t)
	whole := migrations
	migrations = migrations[:1]
	j, err := Open(ctx, Options{Path: path, Key: testKey})
	if err == nil {
		err = j.PutCheckin(ctx, checkin(1))
	}
	migrations = whole
	ok(t, err)
	ok(t, j.Close())
	j = open(t, path)
	if got := must(j.Checkin(ctx, checkin(1).Owner, checkin(1).ID, ""))(t); cmp.Diff(checkin(1), got) != "" {
		t.Errorf("%+v", got)
	}
	ok(t, j.PutAmendment(ctx, Amendment{CheckinID: checkin(1).ID, At: day, Kind: "link", Body: []byte("{}")}))
}

func TestDisclosures(t *testing.T) {
	ctx, j := context.Background(), open(t, newPath(t))
	want := []Disclosure{
		{CheckinID: "c1", At: day, To: "https://his.example|1", Fields: []string{"number", "fullName"}},
		{CheckinID: "c1", At: day, To: "https://his.example|1", Fields: []string{"portrait", `odd "name"`}},
	}
	for _, d := range want {
		ok(t, j.PutDisclosure(ctx, d))
	}
	ok(t, j.PutDisclosure(ctx, Disclosure{CheckinID: "c2", At: day, To: "x"}))
	if d := cmp.Diff(want, must(j.Disclosures(ctx, "c1"))(t)); d != "" {
		t.Error(d)
	}
	if d := cmp.Diff([]Disclosure{{CheckinID: "c2", At: day, To: "x"}}, must(j.Disclosures(ctx, "c2"))(t)); d != "" {
		t.Error(d)
	}
	if got := must(j.Disclosures(ctx, "c3"))(t); len(got) != 0 {
		t.Error("a disclosure out of nothing")
	}
}

func TestSignerSeen(t *testing.T) {
	ctx, path := context.Background(), newPath(t)
	j := open(t, path)
	a, b := strings.Repeat("0a", 32), strings.Repeat("0b", 32)
	for want := range 3 {
		if got := must(j.SignerSeen(ctx, a))(t); got != want {
			t.Errorf("seen %d times before, want %d", got, want)
		}
	}
	ok(t, j.Close())
	j = open(t, path)
	if got := must(j.SignerSeen(ctx, a))(t); got != 3 {
		t.Errorf("after a restart: %d", got)
	}
	if got := must(j.SignerSeen(ctx, b))(t); got != 0 {
		t.Errorf("another signer: %d", got)
	}
	for _, bad := range []string{"", "0A" + a[2:], a[1:], a + "0", strings.Repeat("zz", 32)} {
		if _, err := j.SignerSeen(ctx, bad); !errors.Is(err, ErrInvalid) {
			t.Errorf("%q: %v", bad, err)
		}
	}
}

func TestLookups(t *testing.T) {
	ctx, path := context.Background(), newPath(t)
	j := open(t, path)
	at := func(min int) time.Time { return day.Add(time.Duration(min) * time.Minute) }
	l := func(id string, min, attempts int) Lookup {
		return Lookup{ID: id, CheckinID: "c-" + id, NotBefore: at(min), Attempts: attempts, Body: []byte("ask " + id)}
	}
	for _, x := range []Lookup{l("late", 9, 0), l("b", 2, 0), l("a", 2, 0), l("first", 1, 0)} {
		ok(t, j.PutLookup(ctx, x))
	}
	ok(t, j.PutAttempt(ctx, Attempt{LookupID: "a", At: at(2), Outcome: "INSURANCE_UNREACHABLE"}))
	ok(t, j.PutAttempt(ctx, Attempt{LookupID: "a", At: at(3), Outcome: "answered", Code: "000"}))
	ok(t, j.PutAttempt(ctx, Attempt{LookupID: "never queued", At: at(3), Outcome: "answered", Code: "010"}))

	ok(t, j.Close())
	j = open(t, path)
	if d := cmp.Diff([]Lookup{l("first", 1, 0), l("a", 2, 2), l("b", 2, 0)}, must(j.DueLookups(ctx, at(5), 10))(t)); d != "" {
		t.Errorf("due: %s", d)
	}
	if d := cmp.Diff([]Lookup{l("first", 1, 0)}, must(j.DueLookups(ctx, at(5), 1))(t)); d != "" {
		t.Errorf("limit: %s", d)
	}
	ok(t, j.PutLookup(ctx, l("a", 7, 5))) // put off
	if d := cmp.Diff([]Lookup{l("first", 1, 0), l("b", 2, 0)}, must(j.DueLookups(ctx, at(5), 10))(t)); d != "" {
		t.Errorf("after it was put off: %s", d)
	}
	for range 2 {
		ok(t, j.DropLookups(ctx, "c-a"))
	}
	if d := cmp.Diff([]Lookup{l("first", 1, 0), l("b", 2, 0), l("late", 9, 0)}, must(j.DueLookups(ctx, at(60), 10))(t)); d != "" {
		t.Errorf("after drop: %s", d)
	}
	want := []Attempt{{LookupID: "a", CheckinID: "a", At: at(2), Outcome: "INSURANCE_UNREACHABLE"}, {LookupID: "a", CheckinID: "a", At: at(3), Outcome: "answered", Code: "000"}}
	if d := cmp.Diff(want, must(j.Attempts(ctx, "a"))(t)); d != "" {
		t.Errorf("attempts stay: %s", d)
	}
	s := must(j.Stats(ctx))(t)
	if s.Bytes < block || s.Bytes%block != 0 {
		t.Errorf("size %d", s.Bytes)
	}
	s.Bytes = 0
	if d := cmp.Diff(Stats{Lookups: 3, Attempts: 3}, s); d != "" {
		t.Errorf("stats: %s", d)
	}
}

func TestBounds(t *testing.T) {
	ctx, j := context.Background(), open(t, newPath(t))
	secret := "Nguyễn Văn An"
	long := strings.Repeat(secret, 100)
	c := func(f func(*Checkin)) error { x := checkin(1); f(&x); return j.PutCheckin(ctx, x) }
	l := func(f func(*Lookup)) error { x := Lookup{ID: "l", NotBefore: day}; f(&x); return j.PutLookup(ctx, x) }
	d := func(f func(*Disclosure)) error {
		x := Disclosure{CheckinID: "c", At: day}
		f(&x)
		return j.PutDisclosure(ctx, x)
	}
	a := func(f func(*Attempt)) error { x := Attempt{LookupID: "l", At: day}; f(&x); return j.PutAttempt(ctx, x) }
	for name, err := range map[string]error{
		"no id":               c(func(x *Checkin) { x.ID = "" }),
		"long id":             c(func(x *Checkin) { x.ID = long }),
		"id with NUL":         c(func(x *Checkin) { x.ID = secret + "\x00" }),
		"id not UTF-8":        c(func(x *Checkin) { x.ID = "\xff" + secret }),
		"long owner":          c(func(x *Checkin) { x.Owner = long }),
		"long state":          c(func(x *Checkin) { x.State = long }),
		"long job":            c(func(x *Checkin) { x.JobID = long }),
		"big body":            c(func(x *Checkin) { x.Body = make([]byte, MaxBody+1) }),
		"year 0001":           c(func(x *Checkin) { x.StartedAt = time.Time{}.Add(time.Hour) }),
		"year 9999":           c(func(x *Checkin) { x.FinishedAt = time.Date(9999, 1, 1, 0, 0, 0, 0, time.UTC) }),
		"lookup no id":        l(func(x *Lookup) { x.ID = "" }),
		"lookup big body":     l(func(x *Lookup) { x.Body = make([]byte, MaxBody+1) }),
		"lookup attempts":     l(func(x *Lookup) { x.Attempts = -1 }),
		"disclosure no id":    d(func(x *Disclosure) { x.CheckinID = "" }),
		"disclosure fields":   d(func(x *Disclosure) { x.Fields = make([]string, MaxFields+1) }),
		"disclosure field":    d(func(x *Disclosure) { x.Fields = []string{long} }),
		"disclosure receiver": d(func(x *Disclosure) { x.To = long }),
		"attempt no id":       a(func(x *Attempt) { x.LookupID = "" }),
		"attempt code":        a(func(x *Attempt) { x.Code = long }),
		"attempt outcome":     a(func(x *Attempt) { x.Outcome = long }),
		"attempt insurer":     a(func(x *Attempt) { x.Insurer = long }),
		"attempt fields":      a(func(x *Attempt) { x.Fields = make([]string, MaxFields+1) }),
		"lookup end":          l(func(x *Lookup) { x.Until = time.Date(9999, 1, 1, 0, 0, 0, 0, time.UTC) }),
		"answer no check-in":  j.PutAnswer(ctx, Answer{LookupID: "l", At: day}),
		"answer big body":     j.PutAnswer(ctx, Answer{CheckinID: "c", LookupID: "l", At: day, Body: make([]byte, MaxBody+1)}),
		"begin no id":         func() error { _, err := j.BeginLookup(ctx, "", day, Disclosure{CheckinID: "c", At: day}); return err }(),
		"turn big notice": func() error {
			_, err := j.EndLookup(ctx, Turn{Attempt: Attempt{LookupID: "l", At: day}, Notice: &Notice{CheckinID: "c", LookupID: "l", At: day, Body: make([]byte, MaxBody+1)}})
			return err
		}(),
		"stay no kind": j.PutStay(ctx, Stay{Amendment: Amendment{CheckinID: "c", At: day}, Lookup: Lookup{ID: "l", NotBefore: day}}),
	} {
		if !errors.Is(err, ErrInvalid) {
			t.Errorf("%s: %v", name, err)
		} else if strings.Contains(err.Error(), secret) {
			t.Errorf("%s: the error tells the value", name)
		}
	}
	if s := must(j.Stats(ctx))(t); s.Checkins+s.Disclosures+s.Lookups+s.Attempts != 0 {
		t.Error("something was written")
	}

	// The biggest body that is allowed goes in and comes out.
	big := make([]byte, MaxBody)
	for i := range big {
		big[i] = byte(rand.Int())
	}
	for i := range 3 {
		x := checkin(i)
		x.Body = big
		ok(t, j.PutCheckin(ctx, x))
	}
	for _, got := range must(j.Checkins(ctx, checkin(1).Owner, time.Time{}, 10))(t) {
		if !bytes.Equal(got.Body, big) {
			t.Error("the biggest body came back changed")
		}
	}
}

// files gives every file of a journal's folder.
func files(t *testing.T, path string) map[string][]byte {
	t.Helper()
	out := map[string][]byte{}
	for _, e := range must(os.ReadDir(filepath.Dir(path)))(t) {
		out[e.Name()] = must(os.ReadFile(filepath.Join(filepath.Dir(path), e.Name())))(t)
	}
	return out
}

func TestNothingReadable(t *testing.T) {
	ctx, path := context.Background(), newPath(t)
	secrets := []string{"Nguyễn Văn An", "001099012345", "GD4010123456789"}
	var needles [][]byte
	for _, s := range append(secrets, "SQLite format", "checkins", "lookups", "desktop:7", "INSURANCE_UNREACHABLE") {
		needles = append(needles, []byte(s), []byte(hex.EncodeToString([]byte(s))), []byte(base64.StdEncoding.EncodeToString([]byte(s))))
	}
	needles = append(needles, testKey[:], []byte(hex.EncodeToString(testKey[:])))
	hunt := func(when string, atLeast int) {
		t.Helper()
		found := files(t, path)
		if len(found) < atLeast {
			t.Errorf("%s: only %d files", when, len(found))
		}
		for name, b := range found {
			for _, n := range needles {
				if bytes.Contains(b, n) {
					t.Errorf("%s: %q stands in %s", when, n, name)
				}
			}
			// Enciphered bytes do not compress: each byte value is about as frequent as any other.
			if len(b) >= 16*block {
				var count [256]int
				for _, c := range b {
					count[c]++
				}
				for v, n := range count {
					if want := len(b) / 256; n < want/2 || n > want*2 {
						t.Errorf("%s: byte %#x stands %d times in %s, want about %d", when, v, n, name, want)
						break
					}
				}
			}
			if info := must(os.Stat(filepath.Join(filepath.Dir(path), name)))(t); runtime.GOOS != "windows" && info.Mode().Perm() != 0o600 {
				t.Errorf("%s: %s is %v", when, name, info.Mode())
			}
		}
	}
	j := open(t, path)
	for i := range 40 {
		c := checkin(i)
		c.Owner, c.Body = "desktop:7|1", []byte(strings.Repeat(strings.Join(secrets, "|"), 50))
		ok(t, j.PutCheckin(ctx, c))
		ok(t, j.PutLookup(ctx, Lookup{ID: c.ID, CheckinID: c.ID, NotBefore: day, Body: c.Body}))
		ok(t, j.PutAttempt(ctx, Attempt{LookupID: c.ID, At: day, Outcome: "INSURANCE_UNREACHABLE"}))
	}
	hunt("open", 2)
	for i := range 40 {
		ok(t, j.DropLookups(ctx, checkin(i).ID))
	}
	hunt("dropped", 2)
	ok(t, j.Close())
	hunt("closed", 1)
}

// What was dropped is not in the files any more, not even for somebody who has the key.
func TestDeletedIsGone(t *testing.T) {
	ctx, path := context.Background(), newPath(t)
	j := open(t, path)
	secret := []byte(strings.Repeat("Trần Thị Bình|", 200))
	ok(t, j.PutLookup(ctx, Lookup{ID: "x", CheckinID: "x", NotBefore: day, Body: secret}))
	ok(t, j.DropLookups(ctx, "x"))
	ok(t, j.Close())
	// Look beneath the cipher: every block of what is left.
	for name, b := range files(t, path) {
		for off := 0; off+block <= len(b); off += block {
			if bytes.Contains(decrypt(testKey, b[off:off+block], int64(off)), []byte("Bình|")) {
				t.Errorf("%s still holds the deleted row at %d", name, off)
			}
		}
	}
}

func TestWrongKey(t *testing.T) {
	ctx, path := context.Background(), newPath(t)
	j := open(t, path)
	ok(t, j.PutCheckin(ctx, checkin(1)))
	// As a crash leaves it: rows in the log, not yet in the database.
	crashed := newPath(t)
	for name, b := range files(t, path) {
		ok(t, os.WriteFile(filepath.Join(filepath.Dir(crashed), name), b, 0o600))
	}
	ok(t, j.Close())

	for _, path := range []string{path, crashed} {
		before := files(t, path)
		if _, err := Open(ctx, Options{Path: path, Key: otherKey}); !errors.Is(err, ErrWrongKey) {
			t.Errorf("another key: %v", err)
		}
		if d := cmp.Diff(before, files(t, path)); d != "" {
			t.Errorf("the wrong key changed the files")
		}
		if got := must(open(t, path).Checkins(ctx, checkin(1).Owner, day, 10))(t); len(got) != 1 {
			t.Errorf("with the right key afterwards: %d rows", len(got))
		}
	}

	for name, content := range map[string][]byte{
		"text":            []byte(strings.Repeat("no journal at all\n", 1000)),
		"short":           []byte("x"),
		"plain SQLite":    append([]byte("SQLite format 3\x00"), make([]byte, 8176)...),
		"zeroes":          make([]byte, 3*block),
		"less than block": make([]byte, block-1),
	} {
		path := newPath(t)
		ok(t, os.WriteFile(path, content, 0o600))
		if _, err := Open(ctx, Options{Path: path, Key: testKey}); !errors.Is(err, ErrWrongKey) {
			t.Errorf("%s: %v", name, err)
		}
		if d := cmp.Diff(content, must(os.ReadFile(path))(t)); d != "" {
			t.Errorf("%s was changed", name)
		}
	}

	// An empty file is a journal that nobody has made yet.
	path = newPath(t)
	ok(t, os.WriteFile(path, nil, 0o600))
	ok(t, open(t, path).PutCheckin(ctx, checkin(1)))

	dir := t.TempDir()
	if _, err := Open(ctx, Options{Path: dir, Key: testKey}); !errors.Is(err, ErrWrongKey) && !errors.Is(err, ErrUnwritable) {
		t.Errorf("a folder: %v", err)
	}
	if _, err := Open(ctx, Options{Path: filepath.Join(dir, "none", "journal.db"), Key: testKey}); !errors.Is(err, ErrUnwritable) {
		t.Errorf("no folder: %v", err)
	} else if strings.Contains(err.Error(), dir) {
		t.Errorf("the error tells the path: %v", err)
	}
}

func TestNoPath(t *testing.T) {
	if _, err := Open(context.Background(), Options{Key: testKey}); !errors.Is(err, ErrInvalid) {
		t.Error(err)
	}
}

func TestOddPaths(t *testing.T) {
	ctx := context.Background()
	for _, name := range []string{"with space", "50% off", "Hồ sơ khám", "a+b&c=d", "semi;colon", "it's"} {
		dir := filepath.Join(t.TempDir(), name)
		ok(t, os.Mkdir(dir, 0o700))
		j := open(t, filepath.Join(dir, "journal.db"))
		ok(t, j.PutCheckin(ctx, checkin(1)))
		ok(t, j.Close())
		if got := must(open(t, filepath.Join(dir, "journal.db")).Checkins(ctx, checkin(1).Owner, day, 1))(t); len(got) != 1 {
			t.Errorf("%s: row lost", name)
		}
	}
	if runtime.GOOS != "windows" {
		dir := filepath.Join(t.TempDir(), "why?#")
		ok(t, os.Mkdir(dir, 0o700))
		ok(t, open(t, filepath.Join(dir, "journal.db")).PutCheckin(ctx, checkin(1)))
	}
}

func TestNewerVersion(t *testing.T) {
	ctx, path := context.Background(), newPath(t)
	j := open(t, path)
	ok(t, j.do(ctx, func(db *conn) error { return db.Exec(`PRAGMA user_version=999`) }))
	ok(t, j.Close())
	if _, err := Open(ctx, Options{Path: path, Key: testKey}); !errors.Is(err, ErrNewer) {
		t.Error(err)
	}
}

func TestSecondProcess(t *testing.T) {
	ctx, path := context.Background(), newPath(t)
	j := open(t, path)
	if _, err := Open(ctx, Options{Path: path, Key: testKey}); !errors.Is(err, ErrInUse) {
		t.Errorf("a second journal on the same file: %v", err)
	}
	ok(t, j.PutCheckin(ctx, checkin(1)))
	ok(t, j.Close())
	if got := must(open(t, path).Checkins(ctx, checkin(1).Owner, day, 1))(t); len(got) != 1 {
		t.Error("row lost")
	}
}

func TestClosed(t *testing.T) {
	ctx, j := context.Background(), open(t, newPath(t))
	ok(t, j.Close())
	ok(t, j.Close())
	if err := j.PutCheckin(ctx, checkin(1)); !errors.Is(err, ErrClosed) {
		t.Error(err)
	}
	if _, err := j.Checkins(ctx, "x", day, 1); !errors.Is(err, ErrClosed) {
		t.Error(err)
	}
}

func TestContext(t *testing.T) {
	path := newPath(t)
	over, cancel := context.WithCancel(context.Background())
	cancel()
	if _, err := Open(over, Options{Path: path, Key: testKey}); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
	j := open(t, path)
	if err := j.PutCheckin(over, checkin(1)); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
	// A query that would run for minutes stops where it is.
	ctx, cancel := context.WithCancel(context.Background())
	started := make(chan struct{})
	go func() { <-started; cancel() }()
	stopped := make(chan error, 1)
	err := j.do(ctx, func(db *conn) error {
		close(started)
		err := db.query(func(*row) {}, `WITH RECURSIVE n(x) AS (SELECT 1 UNION ALL SELECT x+1 FROM n) SELECT count(*) FROM n`)
		stopped <- classify(ctx, err)
		return err
	})
	if !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
	if err := <-stopped; !errors.Is(err, context.Canceled) {
		t.Errorf("the query itself ended with %v", err)
	}
	// And the connection is as good as before.
	ok(t, j.PutCheckin(context.Background(), checkin(1)))
}

func TestPanicIsContained(t *testing.T) {
	ctx, path := context.Background(), newPath(t)
	j := open(t, path)
	ok(t, j.PutCheckin(ctx, checkin(1)))
	err := j.do(ctx, func(*conn) error { panic("Nguyễn Văn An") })
	if !errors.Is(err, ErrDamaged) || strings.Contains(err.Error(), "Nguyễn") {
		t.Errorf("%v", err)
	}
	ok(t, j.PutCheckin(ctx, checkin(2)))
	if got := must(j.Checkins(ctx, checkin(1).Owner, day, 10))(t); len(got) != 2 {
		t.Errorf("%d rows", len(got))
	}
}

func TestManyAtOnce(t *testing.T) {
	path := newPath(t)
	j := open(t, path)
	const workers, each = 8, 20
	var wg sync.WaitGroup
	for w := range workers {
		wg.Add(1)
		go func() {
			defer wg.Done()
			for i := range each {
				ctx, cancel := context.WithCancel(context.Background())
				if i%5 == 4 {
					cancel() // leaves at once
				}
				c := checkin(w*each + i)
				c.Owner = fmt.Sprintf("owner %d", w)
				if err := j.PutCheckin(ctx, c); err != nil && i%5 != 4 {
					t.Error(err)
				}
				if _, err := j.Checkins(ctx, c.Owner, day, 5); err != nil && i%5 != 4 {
					t.Error(err)
				}
				if _, err := j.SignerSeen(context.Background(), strings.Repeat("ab", 32)); err != nil {
					t.Error(err)
				}
				cancel()
			}
		}()
	}
	wg.Wait()
	if n := must(j.SignerSeen(context.Background(), strings.Repeat("ab", 32)))(t); n != workers*each {
		t.Errorf("signer seen %d times, want %d", n, workers*each)
	}
	if s := must(j.Stats(context.Background()))(t); s.Checkins != workers*each*4/5 {
		t.Errorf("%d check-ins, want %d", s.Checkins, workers*each*4/5)
	}
}

func BenchmarkPutDisclosure(b *testing.B) {
	j := must(Open(context.Background(), Options{Path: filepath.Join(b.TempDir(), "journal.db"), Key: testKey}))(b)
	defer j.Close()
	for b.Loop() {
		ok(b, j.PutDisclosure(context.Background(), Disclosure{CheckinID: "c", At: day, To: "x", Fields: []string{"number", "fullName", "dateOfBirth"}}))
	}
}

func BenchmarkOpen(b *testing.B) {
	path := filepath.Join(b.TempDir(), "journal.db")
	for b.Loop() {
		j := must(Open(context.Background(), Options{Path: path, Key: testKey}))(b)
		ok(b, j.Close())
	}
}
