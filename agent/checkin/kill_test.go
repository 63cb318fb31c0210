package checkin

import (
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/tapcheck/tapcheck/agent/journal"
	"github.com/tapcheck/tapcheck/insurance"
)

// killEnv names the journal on which this test binary, started by a test, works the queue off until it is killed.
const killEnv = "TAPCHECK_QUEUE_CHILD"

func init() {
	path := os.Getenv(killEnv)
	if path == "" {
		return
	}
	j, err := journal.Open(context.Background(), journal.Options{Path: path, Key: [32]byte{7}})
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	New(Config{Readers: newDesk(), Read: read, Book: j, Lookups: j, LookupsPerMinute: 600_000, Insurer: insurer(func(ctx context.Context, r insurance.Request) (insurance.Eligibility, error) {
		return insurance.Eligibility{State: insurance.Eligible, Code: "000", Raw: []byte(r.Number)}, nil
	})})
	time.Sleep(time.Minute) // it is killed long before
	os.Exit(1)
}

// TestQueueKilled kills the engine at work, again and again on one journal (with TAPCHECK_CAMPAIGN a thousand times): each look-up is
// then in the queue, or was answered and its owner has one word of it; never both, never neither, never twice.
func TestQueueKilled(t *testing.T) {
	rounds, each := 4, 25
	if os.Getenv("TAPCHECK_CAMPAIGN") != "" {
		rounds, each = 1000, 20
	}
	ctx := t.Context()
	path := filepath.Join(t.TempDir(), "journal.db")
	open := func() *journal.Journal {
		t.Helper()
		j, err := journal.Open(ctx, journal.Options{Path: path, Key: [32]byte{7}})
		if err != nil {
			t.Fatal(err)
		}
		return j
	}
	answered, waiting := 0, 0
	for round := range rounds {
		rng := rand.New(rand.NewPCG(20261128, uint64(round)))
		j := open()
		ids := make([]string, each)
		for i := range ids {
			ids[i] = newID(time.Now())
			body, err := json.Marshal(queued{Version: 1, Owner: his.String(), Cause: CauseArrival, Request: insurance.Request{Number: fmt.Sprintf("%012d", i), FullName: "An", DateOfBirth: "1999"}})
			if err == nil {
				err = j.PutLookup(ctx, journal.Lookup{ID: ids[i], CheckinID: ids[i], NotBefore: time.Now().Add(-time.Hour), Until: time.Now().Add(time.Hour), Body: body})
			}
			if err != nil {
				t.Fatal(err)
			}
		}
		before, err := j.Stats(ctx)
		if err == nil {
			err = j.Close()
		}
		if err != nil {
			t.Fatal(err)
		}
		c := exec.Command(os.Args[0], "-test.run=^$")
		c.Env = append(os.Environ(), killEnv+"="+path)
		c.Stderr = os.Stderr
		if err := c.Start(); err != nil {
			t.Fatal(err)
		}
		// The log grows with the first thing that it does; then anywhere within its work.
		grown := func() bool { i, err := os.Stat(path + "-wal"); return err == nil && i.Size() > 4096 }
		for range 5000 {
			if grown() {
				break
			}
			time.Sleep(time.Millisecond)
		}
		time.Sleep(time.Duration(rng.IntN(250_000)) * time.Microsecond)
		_ = c.Process.Kill()
		_ = c.Wait()

		j = open()
		noticed := map[string]int{}
		list, err := j.Notices(ctx, his.String(), journal.MaxRows)
		if err != nil {
			t.Fatal(err)
		}
		for _, n := range list {
			noticed[n.LookupID]++
			if err := j.DropNotice(ctx, n.Owner, n.Seq); err != nil {
				t.Fatal(err)
			}
		}
		for _, id := range ids {
			left, err1 := j.LookupsOf(ctx, id)
			added, err2 := j.Amendments(ctx, id)
			answers, err3 := j.Answers(ctx, id)
			attempts, err4 := j.AttemptsOf(ctx, id)
			if err1 != nil || err2 != nil || err3 != nil || err4 != nil {
				t.Fatal(err1, err2, err3, err4)
			}
			switch {
			case len(left) == 1 && len(added)+len(answers)+len(attempts)+noticed[id] == 0:
				waiting++
			case len(left) == 0 && len(added) == 1 && len(answers) == 1 && len(attempts) == 1 && noticed[id] == 1:
				answered++
			default:
				t.Errorf("round %d: %d in the queue, %d amendments, %d answers, %d attempts, %d notices", round, len(left), len(added), len(answers), len(attempts), noticed[id])
			}
			if err := j.DropLookups(ctx, id); err != nil { // the next round has its own
				t.Fatal(err)
			}
		}
		after, err := j.Stats(ctx)
		if err != nil || before.Lookups != int64(each) || after.Lookups != 0 {
			t.Errorf("round %d: %d look-ups before, %d after, of %d (%v)", round, before.Lookups, after.Lookups, each, err)
		}
		if err := j.Close(); err != nil {
			t.Fatal(err)
		}
	}
	t.Logf("%d rounds: %d answered before the kill, %d still in the queue", rounds, answered, waiting)
	if answered == 0 || waiting == 0 {
		t.Error("the kills came all at one end of the work")
	}
}
