package journal

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func lookup(i int) Lookup {
	id := fmt.Sprintf("01M8%04d", i)
	return Lookup{ID: id, CheckinID: id, NotBefore: day, Until: day.Add(time.Hour), Body: bytes.Repeat([]byte{byte(i)}, i*37%3000)}
}

func disclosure(l Lookup) Disclosure {
	return Disclosure{CheckinID: l.CheckinID, At: day, To: "insurer", Fields: []string{"number"}}
}

// answered is the turn in which a look-up is answered.
func answered(l Lookup) Turn {
	return Turn{
		Attempt:   Attempt{LookupID: l.ID, CheckinID: l.CheckinID, At: day, Outcome: "answered", Code: "000", Insurer: "insurer", Fields: []string{"number"}},
		Amendment: &Amendment{CheckinID: l.CheckinID, At: day, Kind: "eligibility", Body: []byte("eligible")},
		Answer:    &Answer{CheckinID: l.CheckinID, LookupID: l.ID, At: day, Body: bytes.Repeat([]byte("raw "), 300)},
		Notice:    &Notice{Owner: "his", CheckinID: l.CheckinID, LookupID: l.ID, At: day, Body: []byte("eligible")},
		Told:      &Disclosure{CheckinID: l.CheckinID, At: day, To: "his", Fields: []string{"eligibility"}},
	}
}

func failed(l Lookup, again time.Time) Turn {
	return Turn{Attempt: Attempt{LookupID: l.ID, CheckinID: l.CheckinID, At: day, Outcome: "INSURANCE_UNREACHABLE"}, NotBefore: again}
}

// A look-up that is begun is not due again at once, whoever stops then; one that is answered is answered once; and one that somebody
// took out of the queue meanwhile changes nothing but the record of its attempts.
func TestTurns(t *testing.T) {
	ctx, path := context.Background(), newPath(t)
	j := open(t, path)
	l, gone := lookup(1), lookup(2)
	ok(t, j.PutLookup(ctx, l))
	ok(t, j.PutLookup(ctx, gone))
	if !must(j.BeginLookup(ctx, l.ID, day.Add(time.Minute), disclosure(l)))(t) {
		t.Fatal("it is in the queue")
	}
	if d := cmp.Diff([]Lookup{gone}, must(j.DueLookups(ctx, day, 10))(t)); d != "" {
		t.Errorf("due while one is asked: %s", d)
	}
	if !must(j.EndLookup(ctx, failed(l, day.Add(2*time.Minute))))(t) {
		t.Error("a failure belongs to a look-up that is there")
	}
	want := l
	want.NotBefore, want.Attempts = day.Add(2*time.Minute), 1
	if d := cmp.Diff([]Lookup{want}, must(j.LookupsOf(ctx, l.CheckinID))(t)); d != "" {
		t.Errorf("after a failure: %s", d)
	}
	if w := must(j.Waiting(ctx))(t); w.Lookups != 2 || w.Since.IsZero() {
		t.Errorf("waiting: %+v", w)
	}
	for i, first := range []bool{true, false, false} { // the second time, by a process that does not know of the first
		if got := must(j.EndLookup(ctx, answered(l)))(t); got != first {
			t.Errorf("answer %d applied: %v", i, got)
		}
	}
	ok(t, j.DropLookups(ctx, gone.CheckinID))
	if must(j.BeginLookup(ctx, gone.ID, day, disclosure(gone)))(t) {
		t.Error("begun although nobody wants to know")
	}
	if must(j.EndLookup(ctx, answered(gone)))(t) || must(j.EndLookup(ctx, failed(gone, day)))(t) {
		t.Error("applied although nobody wants to know")
	}
	ok(t, j.Close())
	j = open(t, path)
	if w := must(j.Waiting(ctx))(t); w != (Waiting{}) {
		t.Errorf("waiting: %+v", w)
	}
	notices := must(j.Notices(ctx, "his", 10))(t)
	if len(notices) != 1 || notices[0].LookupID != l.ID || len(must(j.Notices(ctx, "another", 10))(t)) != 0 {
		t.Errorf("notices %+v", notices)
	}
	ok(t, j.DropNotice(ctx, "another", notices[0].Seq)) // not its own
	if len(must(j.Notices(ctx, "his", 10))(t)) != 1 {
		t.Error("somebody else took a notice")
	}
	for range 2 {
		ok(t, j.DropNotice(ctx, "his", notices[0].Seq))
	}
	if n := must(j.Notices(ctx, "his", 10))(t); len(n) != 0 {
		t.Errorf("notices %+v", n)
	}
	for id, want := range map[string][3]int{l.CheckinID: {1, 1, 4}, gone.CheckinID: {0, 0, 2}} {
		got := [3]int{len(must(j.Amendments(ctx, id))(t)), len(must(j.Answers(ctx, id))(t)), len(must(j.AttemptsOf(ctx, id))(t))}
		if got != want {
			t.Errorf("%s: amendments, answers, attempts %v, want %v", id, got, want)
		}
	}
	if d := len(must(j.Disclosures(ctx, l.CheckinID))(t)); d != 2 {
		t.Errorf("%d disclosures, want one to the insurer and one to the owner", d)
	}
}

// A stay's events each bring one look-up, and its end says for all of them when they are given up.
func TestStay(t *testing.T) {
	ctx, j := context.Background(), open(t, newPath(t))
	arrival := lookup(1)
	ok(t, j.PutLookup(ctx, arrival))
	stay := func(id string, until time.Time, ends bool) Stay {
		return Stay{Amendment{CheckinID: arrival.CheckinID, At: day, Kind: "stay", Body: []byte(id)}, Lookup{ID: id, CheckinID: arrival.CheckinID, NotBefore: day, Until: until}, ends}
	}
	ok(t, j.PutStay(ctx, stay("during", day.Add(2*time.Hour), false)))
	ok(t, j.PutAttempt(ctx, Attempt{LookupID: "during", CheckinID: arrival.CheckinID, At: day, Outcome: "x"}))
	ok(t, j.PutStay(ctx, stay("during", day.Add(9*time.Hour), false))) // said twice
	ok(t, j.PutStay(ctx, stay("end", day.Add(5*time.Hour), true)))
	var got []string
	for _, l := range must(j.LookupsOf(ctx, arrival.CheckinID))(t) {
		got = append(got, fmt.Sprint(l.ID, " ", l.Attempts, " ", l.Until.Sub(day)))
	}
	if d := cmp.Diff([]string{arrival.ID + " 0 5h0m0s", "during 1 5h0m0s", "end 0 5h0m0s"}, got); d != "" {
		t.Error(d)
	}
}

// A clock that was a year ahead when a look-up was put off, and has been set right since, does not keep it from being asked.
func TestClockWasAhead(t *testing.T) {
	ctx, j := context.Background(), open(t, newPath(t))
	l := lookup(1)
	l.NotBefore = day.AddDate(1, 0, 0)
	ok(t, j.PutLookup(ctx, l))
	if got := must(j.DueLookups(ctx, day, 10))(t); len(got) != 1 {
		t.Errorf("due: %+v", got)
	}
	l.NotBefore = day.Add(MaxAhead)
	ok(t, j.PutLookup(ctx, l))
	if got := must(j.DueLookups(ctx, day, 10))(t); len(got) != 0 {
		t.Errorf("due: %+v", got)
	}
}

// What Purge deletes is in no file any more, while the journal is open, also for somebody who has the key; what is younger stays.
func TestPurgedIsGone(t *testing.T) {
	ctx, path := context.Background(), newPath(t)
	j := open(t, path)
	secret := []byte(strings.Repeat("Trần Thị Bình|", 300)) // over two pages
	const old = 3*purgeAtOnce/2 + 1
	for i := range old {
		body := secret
		if i > 40 {
			body = secret[:50]
		}
		ok(t, j.PutAnswer(ctx, Answer{CheckinID: "old", LookupID: "x", At: day.Add(time.Duration(i) * time.Millisecond), Body: body}))
	}
	ok(t, j.PutAnswer(ctx, Answer{CheckinID: "young", LookupID: "x", At: day.Add(time.Hour), Body: []byte("Lê Văn Cường|")}))
	l := lookup(1)
	ok(t, j.PutLookup(ctx, l))
	must(j.EndLookup(ctx, Turn{Attempt: Attempt{LookupID: l.ID, At: day}, Notice: &Notice{Owner: "his", CheckinID: l.ID, LookupID: l.ID, At: day, Body: secret}}))(t)
	holds := func(what string) (at []string) {
		for name, b := range files(t, path) {
			for off := 0; off+block <= len(b); off += block {
				if bytes.Contains(decrypt(testKey, b[off:off+block], int64(off)), []byte(what)) {
					at = append(at, fmt.Sprint(name, " ", off))
				}
			}
		}
		return at
	}
	if len(holds("Bình|")) == 0 {
		t.Fatal("the test does not see what is there")
	}
	if n := must(j.Purge(ctx, day.Add(time.Minute)))(t); n != old+1 {
		t.Errorf("purged %d, want %d", n, old+1)
	}
	if at := holds("Bình|"); len(at) != 0 {
		t.Errorf("still there: %v", at)
	}
	if len(holds("Cường|")) == 0 || len(must(j.Answers(ctx, "young"))(t)) != 1 || len(must(j.Answers(ctx, "old"))(t)) != 0 {
		t.Error("the younger answer")
	}
	if n := must(j.Purge(ctx, day.Add(time.Minute)))(t); n != 0 {
		t.Errorf("purged %d again", n)
	}
}

// A journal of the version before keeps what it has, and its attempts belong to their check-ins.
func TestQueueMigration(t *testing.T) {
	ctx, path := context.Background(), newPath(t)
	all := migrations
	migrations = all[:2]
	j, err := Open(ctx, Options{Path: path, Key: testKey})
	if err == nil {
		err = j.do(ctx, func(db *conn) error {
			if err := db.exec(`INSERT INTO lookups VALUES ('a','a',?,2,?,?)`, day, day, []byte("ask")); err != nil {
				return err
			}
			return db.exec(`INSERT INTO attempts (lookup, at, outcome, code) VALUES ('a',?,'x','')`, day)
		})
	}
	if j != nil {
		_ = j.Close()
	}
	migrations = all
	ok(t, err)
	j = open(t, path)
	if d := cmp.Diff([]Lookup{{ID: "a", CheckinID: "a", NotBefore: day, Attempts: 2, Body: []byte("ask")}}, must(j.DueLookups(ctx, day, 9))(t)); d != "" {
		t.Error(d)
	}
	if d := cmp.Diff([]Attempt{{LookupID: "a", CheckinID: "a", At: day, Outcome: "x"}}, must(j.AttemptsOf(ctx, "a"))(t)); d != "" {
		t.Error(d)
	}
}

// turns puts n look-ups in and works the queue off as the engine does. said is told what is acknowledged: "put", "end" or "got".
func turns(ctx context.Context, j *Journal, from, n int, said func(what string, i int)) error {
	for i := from; i < from+n; i++ {
		l := lookup(i)
		if err := j.PutLookup(ctx, l); err != nil {
			return err
		}
		said("put", i)
		if i%7 == 6 { // stays in the queue, after a failure
			if _, err := j.BeginLookup(ctx, l.ID, day.Add(time.Minute), disclosure(l)); err != nil {
				return err
			}
			if _, err := j.EndLookup(ctx, failed(l, day.Add(time.Hour))); err != nil {
				return err
			}
			continue
		}
		if _, err := j.BeginLookup(ctx, l.ID, day.Add(time.Minute), disclosure(l)); err != nil {
			return err
		}
		for range 1 + i%2 { // some are answered twice
			if _, err := j.EndLookup(ctx, answered(l)); err != nil {
				return err
			}
		}
		said("end", i)
		if i%3 == 0 {
			list, err := j.Notices(ctx, "his", MaxRows)
			if err != nil {
				return err
			}
			for _, x := range list {
				if x.LookupID == l.ID {
					if err := j.DropNotice(ctx, "his", x.Seq); err != nil {
						return err
					}
					said("got", i)
				}
			}
		}
	}
	return nil
}

// held holds a queue against what was acknowledged: each look-up that was put is in the queue, or has one answer, one amendment and
// one notice, never both and never neither.
func held(t *testing.T, j *Journal, put, ended, got map[int]bool, upTo int) {
	t.Helper()
	ctx := context.Background()
	waiting, noticed := map[string]int{}, map[string]int{}
	for _, l := range must(j.DueLookups(ctx, day.Add(2*time.Hour), MaxRows))(t) {
		waiting[l.ID]++
	}
	for _, n := range must(j.Notices(ctx, "his", MaxRows))(t) {
		noticed[n.LookupID]++
	}
	for i := range upTo {
		id := lookup(i).ID
		w, n, am, an := waiting[id], noticed[id], len(must(j.Amendments(ctx, id))(t)), len(must(j.Answers(ctx, id))(t))
		switch {
		case w == 1 && n == 0 && am == 0 && an == 0 && !ended[i]:
		case w == 0 && am == 1 && an == 1 && (n == 1 && !got[i] || n == 0 && i%3 == 0):
		case w+n+am+an == 0 && !put[i]: // it was being put in when the end came
		default:
			t.Errorf("look-up %d (put %v, ended %v, got %v): %d in the queue, %d amendments, %d answers, %d notices", i, put[i], ended[i], got[i], w, am, an, n)
		}
	}
}

// Power loss at any point of the queue's work: no look-up is lost, and none is answered twice.
func TestQueuePowerLoss(t *testing.T) {
	rounds := 40
	if os.Getenv("TAPCHECK_CAMPAIGN") != "" {
		rounds = 3000
	}
	ctx, d, path := context.Background(), newDisk(), newPath(t)
	j := openOn(t, path, d)
	base := files(t, path)
	d.mu.Lock()
	d.record = true
	d.mu.Unlock()
	const n = 40
	var acks []string // by the number of the event
	ok(t, turns(ctx, j, 0, n, func(what string, i int) {
		acks = append(acks, fmt.Sprint(what, " ", i))
		d.note(event{op: "acknowledged", ack: len(acks)})
		if len(acks)%25 == 0 {
			ok(t, j.do(ctx, func(db *conn) error {
				return db.query(func(*row) {}, `PRAGMA wal_checkpoint(`+[]string{"PASSIVE", "TRUNCATE", "RESTART"}[len(acks)/25%3]+`)`)
			}))
		}
	}))
	ok(t, j.Close())
	log := d.log
	for round := range rounds {
		rng := rand.New(rand.NewPCG(20261128, uint64(round)))
		cut := rng.IntN(len(log) + 1)
		acknowledged, content := replay(base, log[:cut], rng)
		crashed := newPath(t)
		for name, b := range content {
			ok(t, os.WriteFile(filepath.Join(filepath.Dir(crashed), name), b, 0o600))
		}
		j, err := Open(ctx, Options{Path: crashed, Key: testKey})
		if err != nil {
			t.Fatalf("round %d, cut %d of %d: %v", round, cut, len(log), err)
		}
		put, ended, got := map[int]bool{}, map[int]bool{}, map[int]bool{}
		for _, a := range acks[:acknowledged] {
			take(a, put, ended, got)
		}
		held(t, j, put, ended, got, n)
		ok(t, j.Close())
		if t.Failed() {
			t.Fatalf("round %d, cut %d of %d", round, cut, len(log))
		}
	}
}

func take(line string, put, ended, got map[int]bool) {
	what, number, _ := strings.Cut(line, " ")
	i, err := strconv.Atoi(number)
	if err != nil {
		return
	}
	switch what {
	case "put":
		put[i] = true
	case "end":
		ended[i] = true
	case "got":
		got[i] = true
	}
}

func init() {
	children["turns"] = func(path string) int {
		ctx := context.Background()
		j, err := Open(ctx, Options{Path: path, Key: testKey})
		if err != nil {
			fmt.Println("cannot open:", err)
			return 1
		}
		from, err := strconv.Atoi(os.Getenv("TAPCHECK_JOURNAL_FROM"))
		if err != nil {
			return 1
		}
		if turns(ctx, j, from, 1000, func(what string, i int) { fmt.Println(what, i) }) != nil {
			return 1
		}
		return 0
	}
}

// The process is killed at any moment of the queue's work, again and again on the same journal.
func TestQueueKill(t *testing.T) {
	rounds := 8
	if os.Getenv("TAPCHECK_CAMPAIGN") != "" {
		rounds = 1000
	}
	put, ended, got := map[int]bool{}, map[int]bool{}, map[int]bool{}
	path, next := newPath(t), 0
	for round := range rounds {
		rng := rand.New(rand.NewPCG(43, uint64(round)))
		c := child(t, "turns", path)
		c.Env = append(c.Env, "TAPCHECK_JOURNAL_FROM="+strconv.Itoa(next))
		out := must(c.StdoutPipe())(t)
		ok(t, c.Start())
		lines := bufio.NewScanner(out)
		for range 1 + rng.IntN(12) {
			if !lines.Scan() {
				break
			}
			if strings.HasPrefix(lines.Text(), "cannot") {
				t.Fatalf("round %d: %s", round, lines.Text())
			}
			take(lines.Text(), put, ended, got)
		}
		time.Sleep(time.Duration(rng.IntN(3000)) * time.Microsecond)
		ok(t, c.Process.Kill())
		for lines.Scan() {
			take(lines.Text(), put, ended, got)
		}
		_ = c.Wait()
		for i := range put {
			next = max(next, i+2) // the one after the last may have been put in too
		}
		if next > 900 || round == rounds-1 { // what one list can tell
			j := open(t, path)
			held(t, j, put, ended, got, next)
			ok(t, j.Close())
			if t.Failed() {
				t.Fatalf("round %d", round)
			}
			put, ended, got = map[int]bool{}, map[int]bool{}, map[int]bool{}
			path, next = newPath(t), 0
		}
	}
}

// How look-ups went is told of each check-in, and which of a user's have failed is found whichever program has asked.
func TestAsked(t *testing.T) {
	ctx, j := context.Background(), open(t, newPath(t))
	at := func(min int) time.Time { return day.Add(time.Duration(min) * time.Minute) }
	for i, owner := range []string{"https://his.example uid:1000", "console uid:1000", "desktop:7 3", "console uid:1001", "uid:1000", "console uid:1000"} {
		ok(t, j.PutCheckin(ctx, Checkin{ID: string(rune('a' + i)), Owner: owner, JobID: "j", State: "complete", StartedAt: at(i), FinishedAt: at(i), Body: []byte("{}")}))
	}
	for _, a := range []Attempt{
		{LookupID: "a", At: at(1), Outcome: "INSURANCE_UNREACHABLE"}, {LookupID: "a", At: at(2), Outcome: "answered", Code: "000"},
		{LookupID: "a/end", CheckinID: "a", At: at(3), Outcome: "INSURANCE_GARBAGE"}, {LookupID: "a/end", CheckinID: "a", At: at(4), Outcome: "not_asked"},
		{LookupID: "b", At: at(1), Outcome: "not_asked"}, {LookupID: "b", At: at(2), Outcome: "cancelled"}, {LookupID: "b", At: at(3), Outcome: "answered"},
		{LookupID: "f", At: at(2), Outcome: "cancelled"},
		{LookupID: "c", At: at(5), Outcome: "INSURANCE_UNREACHABLE"}, {LookupID: "c", At: at(6), Outcome: "answered"},
		{LookupID: "d", At: at(7), Outcome: "INSURANCE_UNREACHABLE"}, {LookupID: "e", At: at(7), Outcome: "INSURANCE_UNREACHABLE"},
		{LookupID: "never written", At: at(7), Outcome: "INSURANCE_UNREACHABLE"},
	} {
		ok(t, j.PutAttempt(ctx, a))
	}
	want := []Asked{{"c", 2, 1, at(5), false}, {"a", 4, 3, at(4), true}, {"b", 3, 1, at(1), false}, {"f", 1, 0, time.Time{}, false}}
	if d := cmp.Diff(want, must(j.Asked(ctx, "c", "nobody", "a", "b", "f"))(t)); d != "" {
		t.Error(d)
	}
	if got := must(j.Asked(ctx))(t); len(got) != 0 {
		t.Errorf("%+v", got)
	}
	for name, tt := range map[string]struct {
		since time.Time
		whose [2]string
		limit int
		want  string
	}{
		"a user and his session": {at(0), [2]string{"3", "uid:1000"}, 10, "cba"},
		"the newest":             {at(0), [2]string{"3", "uid:1000"}, 1, "c"},
		"since":                  {at(4), [2]string{"3", "uid:1000"}, 10, "ca"},
		"another user":           {at(0), [2]string{"9", "uid:1001"}, 10, "d"},
		"nobody":                 {at(0), [2]string{"", ""}, 10, ""},
		"since later":            {at(8), [2]string{"3", "uid:1000"}, 10, ""},
	} {
		got := ""
		for _, c := range must(j.Failed(ctx, tt.since, tt.whose, tt.limit))(t) {
			got += c.ID
		}
		if got != tt.want {
			t.Errorf("%s: %q, want %q", name, got, tt.want)
		}
	}
}
