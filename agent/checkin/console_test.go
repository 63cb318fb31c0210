package checkin

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/tapcheck/tapcheck/agent/catalog"
)

const anQR = "001099012345|012345678|Nguyễn Văn An|01011999|Nam|Số 1, Phố X, Phường Y, Hà Nội|15042022"

// keyless is a chip check-in whose key the desk gives.
func keyless(id string) Request { return Request{JobID: id, Means: MeansChip} }

func TestQueue(t *testing.T) {
	other := Owner{Client: "desktop:7", Session: "1"}
	inBench(t, []string{"A"}, nil, func(t *testing.T, b *bench) {
		queue := func() (out []string) {
			synctest.Wait()
			for _, q := range b.e.Queue() {
				out = append(out, fmt.Sprintf("%s %s %s %s/%s key:%v %s", q.Client, q.Means, q.Reader, q.State, q.Need, q.WantsKey, q.Session))
			}
			return out
		}
		if raw, _ := json.Marshal(b.e.Queue()); string(raw) != "[]" {
			t.Errorf("empty: %s", raw)
		}
		c, o := b.attach(his), b.attach(other)
		c.start(keyless("001099012345")) // as a HIS may name a job
		time.Sleep(time.Second)
		o.start(Request{JobID: "paper", Means: MeansPaperCard})
		if d := cmp.Diff([]string{
			"https://his.example chip  needs/insert_card key:true 1",
			"desktop:7 paper_card  needs/key key:true 1",
		}, queue()); d != "" {
			t.Error(d)
		}
		b.desk.put("A", an())
		if d := cmp.Diff([]string{
			"https://his.example chip A needs/key key:true 1",
			"desktop:7 paper_card  needs/key key:true 1",
		}, queue()); d != "" {
			t.Error(d)
		}
		raw, _ := json.Marshal(b.e.Queue())
		for _, personal := range []string{"001099012345", "session", `"1"`} {
			if strings.Contains(string(raw), personal) {
				t.Errorf("%s in %s", personal, raw)
			}
		}
		refs := map[string]bool{}
		for _, q := range b.e.Queue() {
			refs[q.Ref] = true
			if len(q.Ref) < 20 {
				t.Errorf("ref %q can be guessed", q.Ref)
			}
		}
		if len(refs) != 2 {
			t.Error("refs are not unique")
		}
		c.provide(Provision{JobID: "001099012345", Key: &KeyInput{CAN: "012345"}})
		c.result("001099012345")
		if q := queue(); len(q) != 1 {
			t.Errorf("%v", q)
		}
	})
}

func TestQueueWatch(t *testing.T) {
	inBench(t, []string{"A"}, nil, func(t *testing.T, b *bench) {
		ctx, cancel := context.WithCancel(context.Background())
		moved := b.e.QueueWatch(ctx)
		told := func(what string, want bool) {
			t.Helper()
			synctest.Wait()
			got := false
			for {
				select {
				case <-moved:
					got = true
					synctest.Wait()
					continue
				default:
				}
				break
			}
			if got != want {
				t.Errorf("%s: told %v", what, got)
			}
		}
		told("at the start", true)
		c := b.attach(his)
		told("somebody connects", false)
		c.start(keyless("j1"))
		told("a job begins", true)
		b.desk.put("A", an())
		told("it needs something else", true)
		if err := b.e.ProvideByRef(ctx, b.e.Queue()[0].Ref, Provision{Key: &KeyInput{CAN: "012345"}}); err != nil {
			t.Fatal(err)
		}
		told("it has its key", true)
		c.result("j1")
		told("it is over", true)
		b.e.Void(ctx, his, VoidRequest{JobID: "j1", Reason: "test"})
		told("it is void", true)
		cancel()
		for range moved {
		}
	})
}

func TestProvideByRef(t *testing.T) {
	ctx := context.Background()
	inBench(t, []string{"A", "B"}, nil, func(t *testing.T, b *bench) {
		c := b.attach(his)
		c.start(keyless("j1"))
		synctest.Wait()
		ref := b.e.Queue()[0].Ref
		for name, tt := range map[string]struct {
			ref  string
			p    Provision
			want catalog.ID
		}{
			"no ref":       {"", Provision{Key: &KeyInput{CAN: "012345"}}, catalog.JobUnknown},
			"another ref":  {"x", Provision{Key: &KeyInput{CAN: "012345"}}, catalog.JobUnknown},
			"the job's id": {"j1", Provision{Key: &KeyInput{CAN: "012345"}}, catalog.JobUnknown},
			"no key":       {ref, Provision{}, catalog.BadRequest},
			"wrong key":    {ref, Provision{Key: &KeyInput{CAN: "1"}}, catalog.KeyMalformed},
			"foreign code": {ref, Provision{Key: &KeyInput{QR: "https://example.org"}}, catalog.QRForeign},
			"a reader":     {ref, Provision{Reader: "A"}, catalog.JobNotWaiting},
		} {
			if id := idOf(b.e.ProvideByRef(ctx, tt.ref, tt.p)); id != tt.want {
				t.Errorf("%s: %q", name, id)
			}
		}
		// Two cards at once: the console chooses, and gives the key.
		b.desk.put("A", binh())
		c.start(keyless("j2"))
		b.desk.put("B", an())
		if err := b.e.ProvideByRef(ctx, ref, Provision{JobID: "another", Key: &KeyInput{QR: anQR}}); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		if id := idOf(b.e.ProvideByRef(ctx, ref, Provision{Key: &KeyInput{CAN: "012345"}})); id != catalog.JobNotWaiting {
			t.Errorf("a second key: %q", id)
		}
		c.b.e.Cancel(ctx, his, "j1")
		if id := idOf(b.e.ProvideByRef(ctx, ref, Provision{Key: &KeyInput{CAN: "012345"}})); id != catalog.JobNotWaiting {
			t.Errorf("a job that is over: %q", id)
		}
		gone, cancel := context.WithCancel(ctx)
		cancel()
		if id := idOf(b.e.ProvideByRef(gone, ref, Provision{Key: &KeyInput{CAN: "012345"}})); id != catalog.Cancelled {
			t.Errorf("%q", id)
		}
	})
}

// A scan goes to the job that needs it: of that session, who asks before who will ask, the oldest first, and only one that can
// use it.
func TestOfferScan(t *testing.T) {
	ctx := context.Background()
	session2 := Owner{Client: "https://his.example", Session: "2"}
	inBench(t, []string{"A"}, nil, func(t *testing.T, b *bench) {
		c, o := b.attach(his), b.attach(session2)
		offer := func(session, text string) string {
			synctest.Wait()
			before := map[string]bool{}
			for _, q := range b.e.Queue() {
				before[q.Ref] = q.WantsKey
			}
			taken := b.e.OfferScan(ctx, session, text)
			synctest.Wait()
			var who []string
			for _, q := range b.e.Queue() {
				if before[q.Ref] && !q.WantsKey {
					who = append(who, string(q.Means))
				}
				delete(before, q.Ref)
			}
			if taken != (len(who) == 1) {
				t.Errorf("taken %v by %v", taken, who)
			}
			return strings.Join(who, " ")
		}
		if got := offer("1", anQR); got != "" {
			t.Error("nobody waits, and it went to", got)
		}
		c.start(keyless("chip1")) // will ask, once it has a card
		c.start(Request{JobID: "paper", Means: MeansPaperCard})
		o.start(keyless("theirs"))
		for name, tt := range map[string]struct{ session, text string }{
			"nothing": {"1", ""}, "an address": {"1", "https://example.org"}, "too long": {"1", strings.Repeat("x", maxScan+1)},
			"another session's": {"3", anQR}, "five digits": {"1", "12345"}, "thirteen digits": {"1", "0010990123450"}, "twelve that are no number": {"1", "999999012345"}, "half an MRZ": {"1", "IDVNM0990123459<<"},
		} {
			if got := offer(tt.session, tt.text); got != "" {
				t.Errorf("%s went to %s", name, got)
			}
		}
		// The paper card's job asks, and cannot use this one.
		if got := offer("1", anQR); got != "chip" {
			t.Errorf("a citizen card went to %q", got)
		}
		if got := offer("2", "012345"); got != "chip" {
			t.Errorf("six digits went to %q", got)
		}
		o.start(keyless("theirs2"))
		if got := offer("2", " 001099012345\r"); got != "chip" {
			t.Errorf("a bare number went to %q", got)
		}
		b.e.OfferScan(ctx, "1", paperQR())
		if r := c.result("paper"); r.State != Complete || r.Subject.CardCode == "" {
			t.Errorf("%+v", r)
		}
		b.desk.put("A", an())
		if r := c.result("chip1"); r.State != Complete || r.Identity == nil {
			t.Errorf("%+v", r)
		}
		gone, cancel := context.WithCancel(ctx)
		cancel()
		if b.e.OfferScan(gone, "1", anQR) {
			t.Error("taken for somebody who is gone")
		}
	})
}
