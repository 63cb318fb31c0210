package checkin

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/tapcheck/tapcheck/agent/catalog"
	"github.com/tapcheck/tapcheck/agent/journal"
	"github.com/tapcheck/tapcheck/insurance"
)

// gateway is an insurer that a test takes down, and that knows who was asked about when.
type gateway struct {
	mu    sync.Mutex
	err   error // nil: it answers
	slow  time.Duration
	asked []time.Time
	who   []insurance.Request
}

func (g *gateway) Name() string { return "fake" }

func (g *gateway) Check(ctx context.Context, r insurance.Request) (insurance.Eligibility, error) {
	g.mu.Lock()
	g.asked, g.who = append(g.asked, time.Now()), append(g.who, r)
	err, slow := g.err, g.slow
	g.mu.Unlock()
	select {
	case <-time.After(slow):
	case <-ctx.Done():
		return insurance.Eligibility{}, ctx.Err()
	}
	if err != nil {
		return insurance.Eligibility{Raw: []byte("not now")}, err
	}
	return insurance.Eligibility{State: insurance.Eligible, Source: "fake", Code: "000", AsOf: time.Now(), Raw: []byte(`{"maKetQua":"000"}`),
		Card: &insurance.Card{Code: "GD4010123456789", From: "2000-01-01", To: "2000-12-31"}}, nil
}

func (g *gateway) set(err error) { g.mu.Lock(); defer g.mu.Unlock(); g.err = err }

func (g *gateway) count() int { g.mu.Lock(); defer g.mu.Unlock(); return len(g.asked) }

// waiting is an engine on a real journal with an insurer that a test takes down. again opens both anew, as after a restart.
type waiting struct {
	*bench
	g    *gateway
	j    *journal.Journal
	path string
}

func inQueue(t *testing.T, change func(*Config), test func(t *testing.T, w *waiting)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		w := &waiting{bench: &bench{t: t, desk: newDesk()}, g: &gateway{}, path: filepath.Join(t.TempDir(), "journal.db")}
		w.cfg = Config{Readers: w.desk, Read: read, Insurer: w.g, Log: func(event string, fields map[string]any) {
			w.mu.Lock()
			defer w.mu.Unlock()
			w.log = append(w.log, fmt.Sprint(event, " ", fields))
		}}
		if change != nil {
			change(&w.cfg)
		}
		w.open()
		defer w.close()
		test(t, w)
	})
}

func (w *waiting) open() {
	w.t.Helper()
	var err error
	if w.j, err = journal.Open(context.Background(), journal.Options{Path: w.path, Key: [32]byte{7}}); err != nil {
		w.t.Fatal(err)
	}
	w.cfg.Book, w.cfg.Lookups = w.j, w.j
	w.e = New(w.cfg)
}

func (w *waiting) close() {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	if err := errors.Join(w.e.Close(ctx), w.j.Close()); err != nil {
		w.t.Error(err)
	}
}

func (w *waiting) again() { w.close(); w.open() }

// pending begins a check-in by number while nobody can be asked.
func (w *waiting) pending(c *client, job string) Result {
	w.t.Helper()
	w.g.set(insurance.ErrUnreachable)
	c.start(byNumber(job))
	r := c.result(job)
	if r.Eligibility.State != insurance.Pending {
		w.t.Fatalf("%+v", r.Eligibility)
	}
	return r
}

// changes are the eligibility.changed that a client has got.
func (c *client) changes() (out []EligibilityChanged) {
	synctest.Wait()
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, ev := range c.events {
		if ev.Method == EventEligibility {
			out = append(out, decode[EligibilityChanged](c.b.t, ev))
		}
	}
	return out
}

// got says that all of them have arrived.
func (c *client) got() {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, ev := range c.events {
		if ev.Method == EventEligibility {
			c.b.e.Got(c.owner, ev.Notice)
		}
	}
}

func until(t *testing.T, what string, is func() bool) {
	t.Helper()
	for range 100_000 {
		if synctest.Wait(); is() {
			return
		}
		time.Sleep(time.Second)
	}
	t.Fatal("never: " + what)
}

// A check-in that was pending gets its answer: the insurer is asked again, each time on record; the owner is told; and whoever asks
// for the result again gets the newest answer, from memory and after a restart.
func TestAskedAgain(t *testing.T) {
	for name, restart := range map[string]bool{"at once": false, "after a restart": true} {
		t.Run(name, func(t *testing.T) {
			inQueue(t, nil, func(t *testing.T, w *waiting) {
				c := w.attach(his)
				before := w.pending(c, "j1")
				time.Sleep(3 * time.Minute)
				tries := w.g.count()
				if tries < 3 {
					t.Errorf("asked %d times in three minutes", tries)
				}
				if s := w.e.Lookups(); s.Waiting != 1 || s.Since.IsZero() || s.DownSince.IsZero() || s.Full {
					t.Errorf("%+v", s)
				}
				if restart {
					c.leave()
					w.again()
					c = w.attach(his)
				}
				if len(c.changes()) != 0 {
					t.Error("told of nothing")
				}
				w.g.set(nil)
				until(t, "told", func() bool { return len(c.changes()) > 0 })
				x := c.changes()[0]
				if x.CheckinID != before.CheckinID || x.JobID != "j1" || x.LookupID != before.CheckinID || x.Cause != CauseArrival || x.GivenUp ||
					x.Eligibility.State != insurance.Eligible || x.Eligibility.Card == nil || x.Eligibility.AsOf.IsZero() {
					t.Errorf("%+v", x)
				}
				last := x.Attempts[len(x.Attempts)-1]
				if len(x.Attempts) != w.g.count() || last.Outcome != "answered" || last.Code != "000" || x.Attempts[0].Outcome != "INSURANCE_UNREACHABLE" {
					t.Errorf("%d questions, attempts %+v", w.g.count(), x.Attempts)
				}
				if !restart {
					r := c.status("j1").Result
					if r.Eligibility.State != insurance.Eligible || r.Claim["MA_THE_BHYT"] == "" || strings.Contains(strings.Join(stepIDs(*r), " "), catalog.StepLookupLater) {
						t.Errorf("%+v", r)
					}
				}
				if l := listed(t, w.e, his, ListRequest{}); l.Checkins[0].EligibilityState != "eligible" {
					t.Errorf("%+v", l)
				}
				asked := w.g.count()
				time.Sleep(time.Hour)
				if w.g.count() != asked {
					t.Error("asked again after the answer")
				}
				if s := w.e.Lookups(); s != (LookupState{}) {
					t.Errorf("%+v", s)
				}
				// Each question is on record as a disclosure before it left, and each word to the owner.
				toInsurer, toOwner := 0, 0
				list, err := w.j.Disclosures(t.Context(), before.CheckinID)
				for _, d := range list {
					switch d.To {
					case "fake":
						toInsurer++
					case his.String():
						toOwner++
					}
				}
				if err != nil || toInsurer != asked || toOwner != 2 { // that it is pending, and the answer
					t.Errorf("%d questions, %d disclosures to the insurer, %d to the owner (%v)", asked, toInsurer, toOwner, err)
				}
				answers, err := w.j.Answers(t.Context(), before.CheckinID)
				if err != nil || len(answers) != asked || string(answers[len(answers)-1].Body) != `{"maKetQua":"000"}` {
					t.Errorf("%d answers as they came, %d questions (%v)", len(answers), asked, err)
				}
				if log := strings.Join(w.log, "\n"); strings.Contains(log, "001099012345") || strings.Contains(log, "GD4010123456789") {
					t.Error("log:", log)
				}
			})
		})
	}
}

// An owner is told until it is seen to have got it: on each new socket, also after a restart, and then never again. Nobody else is.
func TestToldUntilGot(t *testing.T) {
	inQueue(t, nil, func(t *testing.T, w *waiting) {
		c := w.attach(his)
		w.pending(c, "j1")
		w.pending(c, "j2")
		c.leave()
		w.g.set(nil)
		until(t, "answered", func() bool { return w.e.Lookups().Waiting == 0 })
		other := w.attach(Owner{Client: "https://other.example", Session: "1"})
		for round := range 3 {
			c = w.attach(his)
			until(t, "told", func() bool { return len(c.changes()) == 2 })
			time.Sleep(time.Hour)
			if n := len(c.changes()); n != 2 {
				t.Errorf("round %d: told %d times on one socket", round, n)
			}
			c.leave()
			if round == 1 {
				w.again()
				other = w.attach(other.owner)
			}
		}
		// The user has logged on to the PC anew.
		anew := his
		anew.User, anew.Session = his.Session, "17"
		c = w.attach(anew)
		until(t, "told in another session of the same user", func() bool { return len(c.changes()) == 2 })
		c.got()
		time.Sleep(time.Minute)
		again := w.attach(his)
		time.Sleep(time.Hour)
		if n := len(again.changes()); n != 0 {
			t.Errorf("told %d times of what it has", n)
		}
		if len(other.changes()) != 0 {
			t.Error("another program was told")
		}
	})
}

// More notices than an owner is given at once: the next come when it has those.
func TestManyNotices(t *testing.T) {
	inQueue(t, func(c *Config) { c.LookupsPerMinute = 600; c.MaxPerOwner = 64 }, func(t *testing.T, w *waiting) {
		c := w.attach(his)
		for i := range maxNotices + 5 {
			w.pending(c, fmt.Sprint("j", i))
		}
		c.leave()
		w.g.set(nil)
		until(t, "answered", func() bool { return w.e.Lookups().Waiting == 0 })
		c = w.attach(his)
		time.Sleep(time.Hour)
		if n := len(c.changes()); n != maxNotices {
			t.Errorf("told %d at once", n)
		}
		c.got()
		until(t, "the others", func() bool { return len(c.changes()) == maxNotices+5 })
		c.got()
	})
}

// 1,000 look-ups drain, and in no minute are more asked than is set; what the desk asks meanwhile is not held up.
func TestDrain(t *testing.T) {
	const n, rate = 1000, 120
	inQueue(t, func(c *Config) { c.LookupsPerMinute = rate }, func(t *testing.T, w *waiting) {
		w.g.slow = 50 * time.Millisecond
		for i := range n {
			id := newID(time.Now())
			body, err := json.Marshal(queued{Version: 1, Owner: his.String(), Cause: CauseArrival, Bare: true, Request: insurance.Request{Number: fmt.Sprintf("%012d", i), FullName: "An", DateOfBirth: "1999"}})
			if err == nil {
				err = w.j.PutLookup(t.Context(), journal.Lookup{ID: id, CheckinID: id, NotBefore: time.Now(), Until: time.Now().Add(time.Hour), Body: body})
			}
			if err != nil {
				t.Fatal(err)
			}
		}
		c := w.attach(Owner{Client: "desktop:1", Session: "1"})
		began := time.Now()
		time.Sleep(2 * time.Minute)
		c.start(byNumber("now"))
		if r := c.result("now"); r.Eligibility.State != insurance.Eligible || r.Timings.EligibilityMs > 200 {
			t.Errorf("the desk waited %d ms while the queue drained", r.Timings.EligibilityMs)
		}
		until(t, "drained", func() bool { return w.g.count() == n+1 })
		took := time.Since(began)
		seen := map[string]int{}
		for _, r := range w.g.who {
			seen[r.Number]++
		}
		if len(seen) != n+1 {
			t.Errorf("asked about %d of %d", len(seen), n)
		}
		most := 0
		for i, at := range w.g.asked {
			if w.g.who[i].Number == "001099012345" {
				continue
			}
			in := 0
			for k, other := range w.g.asked {
				if w.g.who[k].Number != "001099012345" && !other.Before(at) && other.Sub(at) < time.Minute {
					in++
				}
			}
			most = max(most, in)
		}
		if most > rate {
			t.Errorf("%d in one minute, %d are allowed", most, rate)
		}
		t.Logf("%d look-ups in %v, at most %d in any minute (%d allowed)", n, took.Round(time.Second), most, rate)
	})
}

// The desk is asked about first: while somebody waits there, the queue asks nobody, but not for ever.
func TestDeskFirst(t *testing.T) {
	inQueue(t, func(c *Config) { c.InsuranceWait = 25 * time.Second }, func(t *testing.T, w *waiting) {
		c := w.attach(his)
		w.pending(c, "j1")
		w.g.set(nil)
		w.g.slow = 20 * time.Second
		busy := time.Now()
		for i := range 8 { // for 90 s somebody waits at the desk; within 45 of them the look-up is due
			c.start(byNumber(fmt.Sprint("busy", i)))
			time.Sleep(10 * time.Second)
		}
		idle := time.Now().Add(10 * time.Second)
		until(t, "asked in the end", func() bool { return len(c.changes()) == 1 })
		for i, r := range w.g.who[1:] {
			at := w.g.asked[i+1]
			if again := !r.At.IsZero(); again && (at.Sub(busy) < quietWait || at.After(idle)) {
				t.Errorf("asked again after %v of a desk that was busy until %v", at.Sub(busy), idle.Sub(busy))
			}
		}
	})
}

// While the insurer cannot be reached nobody is asked about for a while that grows, however many wait; when the desk gets an answer, the
// queue goes on at once.
func TestDown(t *testing.T) {
	inQueue(t, func(c *Config) { c.MaxPerOwner = 64 }, func(t *testing.T, w *waiting) {
		c := w.attach(his)
		for i := range 20 {
			w.pending(c, fmt.Sprint("j", i))
		}
		asked := w.g.count()
		time.Sleep(time.Hour)
		if n := w.g.count() - asked; n < 8 || n > 40 { // every five minutes and a half more or less, after some shorter pauses
			t.Errorf("asked %d times in an hour in which nobody answered", n)
		}
		if s := w.e.Lookups(); s.Waiting != 20 || s.DownSince.IsZero() {
			t.Errorf("%+v", s)
		}
		w.g.set(nil)
		began := time.Now()
		c.start(byNumber("now"))
		until(t, "all of them", func() bool { return len(c.changes()) == 20 })
		c.got()
		if took := time.Since(began); took > 50*time.Minute {
			t.Errorf("it took %v", took)
		}
	})
}

// A PC that wakes asks at once, and does not wait for the rest of a pause that began before it slept.
func TestWoke(t *testing.T) {
	inQueue(t, func(c *Config) { c.MaxPerOwner = 64 }, func(t *testing.T, w *waiting) {
		c := w.attach(his)
		for i := range 20 {
			w.pending(c, fmt.Sprint("j", i))
		}
		time.Sleep(time.Hour)
		asked := w.g.count()
		until(t, "a question that fails", func() bool { return w.g.count() > asked })
		asked = w.g.count()
		time.Sleep(time.Minute)
		if n := w.g.count() - asked; n != 0 {
			t.Fatalf("asked %d times in the pause", n)
		}
		w.g.set(nil)
		w.e.Woke()
		time.Sleep(10 * time.Second)
		if w.g.count() == asked {
			t.Error("not asked")
		}
	})
}

// A look-up is given up some time after the end of its stay, as unknown, with the proof; never for a clock that jumps; and it takes
// nothing away that is known.
func TestGivenUp(t *testing.T) {
	inQueue(t, func(c *Config) { c.GiveUp = 24 * time.Hour }, func(t *testing.T, w *waiting) {
		c := w.attach(his)
		before := w.pending(c, "j1")
		until(t, "given up", func() bool { return len(c.changes()) > 0 })
		x := c.changes()[0]
		if !x.GivenUp || x.Eligibility.State != insurance.Unknown || x.Eligibility.Reason != "INSURANCE_UNREACHABLE" || x.Eligibility.Advice != catalog.StepPrintProof || len(x.Attempts) != maxAttempts {
			t.Errorf("%+v", x)
		}
		if age := x.Eligibility.AsOf.Sub(before.StartedAt); age < 24*time.Hour || age > 26*time.Hour {
			t.Errorf("given up after %v", age)
		}
		w.again()
		if l := listed(t, w.e, his, ListRequest{Since: before.StartedAt.Format(time.RFC3339)}); l.Checkins[0].EligibilityState != "unknown" {
			t.Errorf("%+v", l)
		}
		asked := w.g.count()
		time.Sleep(48 * time.Hour)
		if w.g.count() != asked {
			t.Error("asked after it was given up")
		}
	})
	t.Run("the clock jumps", func(t *testing.T) {
		var ahead time.Duration
		var mu sync.Mutex
		clock := func() time.Time { mu.Lock(); defer mu.Unlock(); return time.Now().Add(ahead) }
		inQueue(t, func(c *Config) { c.Now = clock }, func(t *testing.T, w *waiting) {
			c := w.attach(his)
			w.pending(c, "j1")
			time.Sleep(time.Minute)
			for _, jump := range []time.Duration{400 * 24 * time.Hour, -400 * 24 * time.Hour, 0} {
				mu.Lock()
				ahead = jump
				mu.Unlock()
				asked := w.g.count()
				until(t, "asked again", func() bool { return w.g.count() > asked })
				if x := c.changes(); len(x) != 0 {
					t.Errorf("clock %v ahead: %+v", jump, x)
				}
			}
			w.g.set(nil)
			until(t, "answered", func() bool { return len(c.changes()) > 0 })
			if x := c.changes()[0]; x.GivenUp || x.Eligibility.State != insurance.Eligible {
				t.Errorf("%+v", x)
			}
		})
	})
}

// A question that can never be answered is asked once more and then given up; a person nobody wants to know about is not asked about.
func TestNotAskedAgain(t *testing.T) {
	inQueue(t, nil, func(t *testing.T, w *waiting) {
		c := w.attach(his)
		w.pending(c, "never")
		w.g.set(insurance.ErrRequest)
		until(t, "given up", func() bool { return len(c.changes()) > 0 })
		if x := c.changes()[0]; !x.GivenUp || x.Eligibility.Reason != string(catalog.InsuranceRequest) {
			t.Errorf("%+v", x)
		}
		r := w.pending(c, "void")
		if _, err := w.e.Void(t.Context(), his, VoidRequest{CheckinID: r.CheckinID, Reason: "test"}); err != nil {
			t.Fatal(err)
		}
		asked := w.g.count()
		time.Sleep(time.Hour)
		if w.g.count() != asked || w.e.Lookups().Waiting != 0 {
			t.Errorf("asked about somebody who was taken back: %+v", w.e.Lookups())
		}
		w.pending(c, "asked")
		w.g.set(nil)
		if _, err := w.e.CheckInsurance(t.Context(), his, all, catalog.VI, CheckRequest{JobID: "asked"}); err != nil {
			t.Fatal(err)
		}
		asked = w.g.count()
		time.Sleep(time.Hour)
		if w.g.count() != asked || len(c.changes()) != 1 {
			t.Errorf("asked again after insurance.check had its answer: %+v", c.changes())
		}
		// Somebody without a check-in: the answer names the look-up.
		w.g.set(insurance.ErrUnreachable)
		got, err := w.e.CheckInsurance(t.Context(), his, all, catalog.VI, CheckRequest{Number: "001099012345", FullName: "An", DateOfBirth: "1999"})
		if err != nil || got.Eligibility.State != insurance.Pending {
			t.Fatalf("%+v %v", got, err)
		}
		w.g.set(nil)
		until(t, "told", func() bool { return len(c.changes()) == 2 })
		if x := c.changes()[1]; x.CheckinID != "" || x.JobID != "" || x.LookupID != got.Attempt.LookupID || x.Eligibility.State != insurance.Eligible {
			t.Errorf("%+v", x)
		}
	})
}

// An insurer's client that panics, or does not heed its context, costs one attempt; and the engine still stops.
func TestAgainContains(t *testing.T) {
	for name, check := range map[string]func(n int, ctx context.Context) error{
		"panics":  func(int, context.Context) error { panic("no") },
		"garbage": func(int, context.Context) error { return nil },
		"late": func(_ int, ctx context.Context) error {
			time.Sleep(5 * time.Minute)
			return insurance.ErrUnreachable
		},
	} {
		t.Run(name, func(t *testing.T) {
			n := 0
			inQueue(t, func(c *Config) {
				c.Insurer = insurer(func(ctx context.Context, r insurance.Request) (insurance.Eligibility, error) {
					switch n++; {
					case n == 1:
						return insurance.Eligibility{}, insurance.ErrUnreachable
					case n < 4:
						return insurance.Eligibility{State: "nonsense"}, check(n, ctx)
					}
					return covered(ctx, r)
				})
			}, func(t *testing.T, w *waiting) {
				c := w.attach(his)
				w.pending(c, "j1")
				until(t, "answered", func() bool { return len(c.changes()) > 0 })
				if x := c.changes()[0]; x.Eligibility.State != insurance.Eligible || len(x.Attempts) != 4 {
					t.Errorf("%+v", x)
				}
			})
		})
	}
}

// An agent that stops while it asks leaves the look-up in the queue, and the attempt on record.
func TestStopsWhileAsking(t *testing.T) {
	inQueue(t, nil, func(t *testing.T, w *waiting) {
		c := w.attach(his)
		r := w.pending(c, "j1")
		w.g.set(nil)
		w.g.slow = 20 * time.Second
		asked := w.g.count()
		until(t, "asked", func() bool { return w.g.count() > asked })
		began := time.Now()
		w.again()
		if took := time.Since(began); took > time.Second {
			t.Errorf("it took %v to stop", took)
		}
		list, err := w.j.AttemptsOf(t.Context(), r.CheckinID)
		if err != nil || list[len(list)-1].Outcome != "cancelled" {
			t.Errorf("%+v %v", list, err)
		}
		w.g.slow = 0
		c = w.attach(his)
		until(t, "answered", func() bool { return len(c.changes()) > 0 })
	})
}

// A stay's events have the insurer asked, once each however often they are told, also after a restart; and its end says what is
// unverified.
func TestStay(t *testing.T) {
	inQueue(t, func(c *Config) { c.GiveUp = 12 * time.Hour }, func(t *testing.T, w *waiting) {
		ctx := t.Context()
		c := w.attach(his)
		w.g.slow = time.Second
		c.start(byNumber("j1"))
		id := c.result("j1").CheckinID
		at := time.Now().Add(24 * time.Hour)
		time.Sleep(24 * time.Hour)
		say := func(event string) VisitAnswer {
			t.Helper()
			r := VisitRequest{CheckinID: id, Event: event, At: at.Format(time.RFC3339)}
			do := w.e.UpdateVisit
			if event == "" {
				do = w.e.CloseVisit
			}
			a, err := do(ctx, his, all, catalog.VI, r)
			if err != nil {
				t.Fatal(event, err, Explain(err).Detail)
			}
			return a
		}
		first := say(StayTransfer)
		if first.LookupID == "" || !first.Recorded || first.ProofNeeded || len(first.Unverified) != 1 || first.Unverified[0].Cause != CauseDuring || first.Eligibility.State != insurance.Eligible {
			t.Errorf("%+v", first)
		}
		if d := cmp.Diff(first, say(StayTransfer)); d != "" {
			t.Error("told again:", d)
		}
		until(t, "asked during the stay", func() bool { return len(c.changes()) == 1 })
		if x := c.changes()[0]; x.LookupID != first.LookupID || x.Cause != CauseDuring || x.Eligibility.State != insurance.Eligible || x.CheckinID != id || x.JobID != "j1" {
			t.Errorf("%+v", x)
		}
		c.got()
		w.again()
		c = w.attach(his)
		asked := w.g.count()
		if a := say(StayTransfer); a.LookupID != first.LookupID || len(a.Unverified) != 0 {
			t.Errorf("after a restart: %+v", a)
		}
		time.Sleep(time.Hour)
		if w.g.count() != asked {
			t.Error("asked again although it was told before")
		}
		if got := w.g.who[len(w.g.who)-1]; !got.At.Equal(at.Truncate(time.Second)) || got.Number != "001099012345" || got.FullName != "Nguyễn Văn An" {
			t.Errorf("%+v", got)
		}

		w.g.set(insurance.ErrUnreachable)
		at = time.Now()
		end := say("")
		if end.LookupID != id+"/end" || end.ProofNeeded || len(end.Unverified) != 1 || end.Unverified[0].Cause != CauseEnd {
			t.Errorf("%+v", end)
		}
		// Who ends the stay learns at the first failure that the dossier needs the proof.
		until(t, "told of the failure", func() bool { return len(c.changes()) == 1 })
		if x := c.changes()[0]; x.Eligibility.State != insurance.Pending || x.Eligibility.Advice != catalog.StepPrintProof || x.GivenUp || len(x.Attempts) != 1 {
			t.Errorf("%+v", x)
		}
		at = at.Add(time.Hour) // it ends once
		if a := say(""); !a.ProofNeeded || len(a.Next) != 1 || a.Next[0].ID != catalog.StepPrintProof || len(a.Unverified) != 1 || len(a.Unverified[0].Attempts) == 0 || a.Eligibility.State != insurance.Eligible {
			t.Errorf("%+v", a)
		}
		until(t, "given up", func() bool { return len(c.changes()) == 2 })
		if x := c.changes()[1]; !x.GivenUp || x.Cause != CauseEnd {
			t.Errorf("%+v", x)
		}
		for range 2 { // from memory, and from the book
			if a := say(""); !a.ProofNeeded || len(a.Unverified) != 1 || !a.Unverified[0].GivenUp || a.Unverified[0].Cause != CauseEnd || a.Eligibility.State != insurance.Eligible {
				t.Errorf("%+v", a)
			}
			w.again()
		}
	})
	inQueue(t, nil, func(t *testing.T, w *waiting) {
		ctx, c := t.Context(), w.attach(his)
		now := time.Now().Format(time.RFC3339)
		// Whoever was admitted meanwhile is asked about as an inpatient, with the papers that he brought, also after a restart.
		r := byNumber("admitted")
		r.Care = &insurance.Care{Setting: insurance.CareOutpatient, Grounds: []string{insurance.GroundTransfer}}
		c.start(r)
		id := c.result("admitted").CheckinID
		w.again()
		c = w.attach(his)
		if _, err := w.e.UpdateVisit(ctx, his, all, catalog.VI, VisitRequest{CheckinID: id, Event: StayInpatient, At: now}); err != nil {
			t.Fatal(err)
		}
		var q queued // the rules are told, the insurer is not
		list, err := w.j.LookupsOf(ctx, id)
		if err != nil || len(list) != 1 || json.Unmarshal(list[0].Body, &q) != nil {
			t.Fatalf("%+v %v", list, err)
		}
		if care := q.Request.Care; care == nil || care.Setting != insurance.CareInpatient || !slices.Equal(care.Grounds, r.Care.Grounds) {
			t.Errorf("%+v", care)
		}
		until(t, "asked", func() bool { return w.g.count() == 2 })
		c.start(Request{JobID: "unknown", Means: MeansEmergency})
		c.result("unknown")
		a, err := w.e.CloseVisit(ctx, his, all, catalog.VI, VisitRequest{JobID: "unknown", At: now})
		if err != nil || a.LookupID != "" || len(a.Next) != 1 || a.Next[0].ID != catalog.StepIdentifyLater || !a.Recorded {
			t.Errorf("nobody knows who it is: %+v %v", a, err)
		}
		supplied := byNumber("supplied")
		supplied.Insurance, supplied.Eligibility = "supplied", &insurance.Eligibility{State: insurance.Eligible}
		c.start(supplied)
		c.result("supplied")
		if a, err := w.e.CloseVisit(ctx, his, all, catalog.VI, VisitRequest{JobID: "supplied", At: now}); err != nil || a.LookupID != "" || len(a.Next) != 0 {
			t.Errorf("the HIS asks itself: %+v %v", a, err)
		}
		if w.g.count() != 2 {
			t.Error("somebody was asked")
		}
		c.start(byNumber("void"))
		c.result("void")
		if _, err := w.e.Void(ctx, his, VoidRequest{JobID: "void", Reason: "test"}); err != nil {
			t.Fatal(err)
		}
		paper := Request{JobID: "running", Means: MeansPaperCard}
		c.start(paper)
		for name, tt := range map[string]struct {
			r      VisitRequest
			rights Rights
			want   catalog.ID
			field  string
		}{
			"void":      {VisitRequest{JobID: "void", Event: StayTransfer, At: now}, all, catalog.CheckinVoid, ""},
			"running":   {VisitRequest{JobID: "running", Event: StayTransfer, At: now}, all, catalog.CheckinUnfinished, ""},
			"unknown":   {VisitRequest{JobID: "nobody's", Event: StayTransfer, At: now}, all, catalog.JobUnknown, ""},
			"no right":  {VisitRequest{JobID: "unknown", Event: StayTransfer, At: now}, Rights{Read: true}, catalog.Forbidden, ""},
			"no event":  {VisitRequest{JobID: "unknown", At: now}, all, catalog.BadRequest, "event"},
			"odd event": {VisitRequest{JobID: "unknown", Event: "end", At: now}, all, catalog.BadRequest, "event"},
			"no time":   {VisitRequest{JobID: "unknown", Event: StayTransfer}, all, catalog.BadRequest, "at"},
			"far away":  {VisitRequest{JobID: "unknown", Event: StayTransfer, At: "1990-01-01T00:00:00Z"}, all, catalog.BadRequest, "at"},
			"two names": {VisitRequest{JobID: "unknown", CheckinID: "x", Event: StayTransfer, At: now}, all, catalog.BadRequest, "jobId"},
		} {
			_, err := w.e.UpdateVisit(ctx, his, tt.rights, catalog.VI, tt.r)
			if got := Explain(err); got == nil || got.ID != tt.want || tt.field != "" && got.Detail["field"] != tt.field {
				t.Errorf("%s: %v", name, err)
			}
		}
	})
}

// Answers as they came are deleted after their time, and not because the clock jumped.
func TestKeptAndDeleted(t *testing.T) {
	var ahead time.Duration
	var mu sync.Mutex
	clock := func() time.Time { mu.Lock(); defer mu.Unlock(); return time.Now().Add(ahead) }
	inQueue(t, func(c *Config) { c.Now, c.Keep = clock, 48*time.Hour }, func(t *testing.T, w *waiting) {
		c := w.attach(his)
		c.start(byNumber("j1"))
		r := c.result("j1")
		kept := func() int {
			list, err := w.j.Answers(t.Context(), r.CheckinID)
			if err != nil {
				t.Fatal(err)
			}
			return len(list)
		}
		jump := func(d time.Duration) { mu.Lock(); ahead = d; mu.Unlock() }
		jump(1000 * time.Hour)
		time.Sleep(90 * time.Minute)
		jump(0) // the clock was wrong for an hour and a half
		time.Sleep(90 * time.Minute)
		if kept() != 1 {
			t.Error("deleted because the clock jumped")
		}
		time.Sleep(40 * time.Hour)
		if kept() != 1 {
			t.Error("deleted too early")
		}
		time.Sleep(10 * time.Hour)
		if kept() != 0 {
			t.Error("kept too long")
		}
		if l := listed(t, w.e, his, ListRequest{Since: r.StartedAt.Format(time.RFC3339)}); l.Checkins[0].EligibilityState != "eligible" {
			t.Errorf("the result stays: %+v", l)
		}
	})
}

// A queue that is full takes no more, says so, and calls nothing pending that nobody will ask about.
func TestFullQueue(t *testing.T) {
	inQueue(t, nil, func(t *testing.T, w *waiting) {
		c := w.attach(his)
		w.e.locked(func() { w.e.again.state.Waiting = maxWaiting })
		w.g.set(insurance.ErrUnreachable)
		c.start(byNumber("j1"))
		r := c.result("j1")
		if r.Eligibility.State != insurance.Unknown || r.Eligibility.Reason != "INSURANCE_UNREACHABLE" || !slices.Contains(stepIDs(r), catalog.StepAskInsuranceCard) {
			t.Errorf("%+v %v", r.Eligibility, stepIDs(r))
		}
		if !w.e.Lookups().Full {
			t.Error("nobody is told")
		}
	})
}

// The proof of a check-in is given to the session and the user whose it is, from memory and from the book, and shows no more of the
// person than it must.
func TestProof(t *testing.T) {
	inQueue(t, nil, func(t *testing.T, w *waiting) {
		owner := his
		owner.User = "S-1-5-21"
		c := w.attach(owner)
		r := w.pending(c, "j1")
		if _, err := w.e.Link(t.Context(), owner, LinkRequest{JobID: "j1", Visit: &Visit{MaLK: "LK1"}}); err != nil {
			t.Fatal(err)
		}
		time.Sleep(5 * time.Minute)
		for _, where := range []string{"memory", "the book"} {
			p, err := w.e.Proof(t.Context(), Owner{Client: "console", Session: "another session of the user", User: owner.User}, r.CheckinID)
			if err != nil || p.FullName != "Nguyễn Văn An" || p.Number != "••••••••2345" || p.Visit.MaLK != "LK1" || p.State != insurance.Pending || !p.Waiting || len(p.Attempts) < 3 {
				t.Fatalf("%s: %+v %v", where, p, err)
			}
			for _, a := range p.Attempts {
				if a.Outcome != "INSURANCE_UNREACHABLE" || a.Cause != CauseArrival || a.Insurer != "fake" || strings.Join(a.Fields, ",") != "dateOfBirth,fullName,number,sex" || a.At.IsZero() {
					t.Errorf("%s: %+v", where, a)
				}
			}
			for name, who := range map[string][3]string{
				"another user": {"2", "S-1-5-22", r.CheckinID}, "nobody": {"", "", r.CheckinID}, "no check-in": {"1", owner.User, newID(time.Now())}, "no id": {"1", owner.User, "x"},
			} {
				if _, err := w.e.Proof(t.Context(), Owner{Client: "console", Session: who[0], User: who[1]}, who[2]); err == nil {
					t.Errorf("%s, %s: there is a paper", where, name)
				}
			}
			told, err := w.j.Disclosures(t.Context(), r.CheckinID)
			if err != nil || len(told) == 0 || told[len(told)-1].To != "console "+owner.User || strings.Join(told[len(told)-1].Fields, " ") != "eligibility fullName number" {
				t.Errorf("%s: who is told is not on record: %+v %v", where, told, err)
			}
			w.again()
		}
	})
}

// While a gateway is down most questions do not even leave. Their patients' dossiers need the paper as much: the HIS hears it when the
// stay ends and at the first attempt then, the list has them, and the paper says that nothing was sent.
func TestPaperOfTheUnasked(t *testing.T) {
	inQueue(t, nil, func(t *testing.T, w *waiting) {
		c := w.attach(his)
		w.g.set(insurance.ErrNotAsked)
		began := time.Now()
		c.start(byNumber("j"))
		id := c.result("j").CheckinID
		a, err := w.e.CloseVisit(t.Context(), his, all, catalog.VI, VisitRequest{JobID: "j", At: began.Format(time.RFC3339)})
		if err != nil || !a.ProofNeeded || len(a.Next) != 1 || a.Next[0].ID != catalog.StepPrintProof {
			t.Errorf("%+v %v", a, err)
		}
		until(t, "the HIS hears it", func() bool { return len(c.changes()) > 0 })
		if x := c.changes()[0]; x.Cause != CauseEnd || x.Eligibility.State != insurance.Pending || x.Eligibility.Advice != catalog.StepPrintProof {
			t.Errorf("%+v", x)
		}
		c.got()
		list, err := w.e.Papers(t.Context(), his.Session, his.User, began)
		if err != nil || len(list.Papers) != 1 || list.Papers[0].CheckinID != id || !list.Papers[0].ProofNeeded {
			t.Errorf("%+v %v", list, err)
		}
		p, err := w.e.ProofFor(t.Context(), his, all, ProofRequest{JobID: "j"})
		if err != nil || !p.ProofNeeded || len(p.Attempts) < 2 || slices.ContainsFunc(p.Attempts, func(a ProofAttempt) bool { return a.Outcome != outcomeNotAsked }) {
			t.Errorf("%+v %v", p, err)
		}
	})
}

// A check-in with a failed look-up is found by its session and user, whichever program has asked, also where the arrival's was answered
// and one during the stay was not; the list shows no more of the person than the paper does. Its owner gets the proof too, within
// what it may see, and that it did is on record.
func TestPapers(t *testing.T) {
	inQueue(t, nil, func(t *testing.T, w *waiting) {
		ctx := t.Context()
		owner := Owner{Client: "https://his.example", Session: "2", User: "S-1-5-21"}
		c := w.attach(owner)
		c.start(byNumber("answered"))
		c.result("answered")
		c.start(byNumber("stayed"))
		stayed := c.result("stayed").CheckinID
		began := time.Now()
		arrival := w.pending(c, "arrival").CheckinID
		if _, err := w.e.CloseVisit(ctx, owner, all, catalog.VI, VisitRequest{JobID: "stayed", At: began.Format(time.RFC3339)}); err != nil {
			t.Fatal(err)
		}
		time.Sleep(5 * time.Minute)
		for _, where := range []string{"memory", "the book"} {
			list, err := w.e.Papers(ctx, "another session", owner.User, began.Add(-time.Hour))
			if err != nil || len(list.Papers) != 2 || list.More {
				t.Fatalf("%s: %+v %v", where, list, err)
			}
			for i, want := range []struct{ id, state string }{{arrival, "pending"}, {stayed, "eligible"}} {
				p := list.Papers[i]
				if p.CheckinID != want.id || p.EligibilityState != want.state || p.Client != owner.Client || p.Number != "••••••••2345" || p.FailedAttempts == 0 || !p.ProofNeeded || p.LastFailed.Before(began) {
					t.Errorf("%s: %+v", where, p)
				}
			}
			if raw, _ := json.Marshal(list); strings.Contains(string(raw), "Nguy") || strings.Contains(string(raw), "001099012345") || strings.Contains(string(raw), "1999") {
				t.Errorf("%s", raw)
			}
			if list, err := w.e.Papers(ctx, owner.Session, "", began.Add(-time.Hour)); err != nil || len(list.Papers) != 0 { // owned by the user, who outlasts the session
				t.Errorf("by the session's number: %+v %v", list, err)
			}
			for _, who := range [][2]string{{"1", "S-1-5-22"}, {"", "S-1-5-21"}, {"", ""}} {
				if list, err := w.e.Papers(ctx, who[0], who[1], began.Add(-time.Hour)); err != nil || len(list.Papers) != 0 {
					t.Errorf("%v: %+v %v", who, list, err)
				}
			}
			l := listed(t, w.e, owner, ListRequest{Since: began.Add(-time.Hour).Format(time.RFC3339)})
			for i, needed := range []bool{false, true, true} {
				if s := l.Checkins[i]; s.ProofNeeded != needed || (s.FailedAttempts > 0) != needed {
					t.Errorf("%s: %+v", where, s)
				}
			}
			p, err := w.e.ProofFor(ctx, owner, all, ProofRequest{JobID: "stayed"})
			if err != nil || !p.ProofNeeded || !p.Waiting || p.EligibilityState != "eligible" || !p.Recorded || p.Paper.FullName != "Nguyễn Văn An" || len(p.Attempts) < 3 || p.Attempts[0].Cause != CauseArrival || p.Attempts[2].Cause != CauseEnd {
				t.Errorf("%s: %+v %v", where, p, err)
			}
			less := Rights{Insurance: true, Fields: []string{"number"}}
			if p, err := w.e.ProofFor(ctx, owner, less, ProofRequest{CheckinID: arrival}); err != nil || p.Paper.FullName != "" || p.Paper.Number == "" {
				t.Errorf("%s, within the ceiling: %+v %v", where, p, err)
			}
			for name, try := range map[string]struct {
				o    Owner
				r    Rights
				q    ProofRequest
				want catalog.ID
			}{
				"another program": {his, all, ProofRequest{JobID: "stayed"}, catalog.JobUnknown}, "no right": {owner, Rights{Read: true}, ProofRequest{JobID: "stayed"}, catalog.Forbidden},
				"two names": {owner, all, ProofRequest{JobID: "stayed", CheckinID: stayed}, catalog.BadRequest}, "no name": {owner, all, ProofRequest{}, catalog.BadRequest},
			} {
				if _, err := w.e.ProofFor(ctx, try.o, try.r, try.q); idOf(err) != try.want {
					t.Errorf("%s, %s: %v", where, name, err)
				}
			}
			w.again()
		}
		told, err := w.j.Disclosures(ctx, arrival)
		if err != nil || len(told) == 0 || told[len(told)-1].To != owner.String() || strings.Join(told[len(told)-1].Fields, " ") != "eligibility number" {
			t.Errorf("%+v %v", told, err)
		}
		w.g.set(nil)
		time.Sleep(3 * time.Hour)
		if list, err := w.e.Papers(ctx, "2", owner.User, began.Add(-time.Hour)); err != nil || len(list.Papers) != 2 || list.Papers[0].ProofNeeded || list.Papers[1].ProofNeeded {
			t.Errorf("answered since: %+v %v", list, err)
		}
		if list, err := w.e.Papers(ctx, "2", owner.User, time.Now()); err != nil || len(list.Papers) != 0 {
			t.Errorf("later: %+v %v", list, err)
		}
	})
}
