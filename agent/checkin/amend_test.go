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
	"github.com/tapcheck/tapcheck/agent/journal"
	"github.com/tapcheck/tapcheck/icao/lds"
	"github.com/tapcheck/tapcheck/insurance"
)

// again is an engine that finds what another one left in the book.
func (b *bench) again() *Engine {
	b.t.Helper()
	if err := b.e.Close(context.Background()); err != nil {
		b.t.Fatal(err)
	}
	b.e = New(b.cfg)
	return b.e
}

// failing lets the book refuse or hang from now on.
func (b *book) failing(f func(ctx context.Context, entry any) error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.fail = f
}

func kinds(b *bench) (out []string) {
	for _, a := range entries[journal.Amendment](b.book) {
		out = append(out, a.Kind)
	}
	return out
}

// done runs a check-in by number to its end.
func (c *client) done(job string) Result {
	c.b.t.Helper()
	c.start(byNumber(job))
	return c.result(job)
}

func listed(t *testing.T, e *Engine, o Owner, r ListRequest) List {
	t.Helper()
	l, err := e.List(context.Background(), o, r)
	if err != nil {
		t.Fatal(err, Explain(err).Detail)
	}
	return l
}

func names(l List) (out []string) {
	for _, s := range l.Checkins {
		out = append(out, s.JobID)
	}
	return out
}

func TestVisitComesLater(t *testing.T) {
	ctx := context.Background()
	inBench(t, []string{"A"}, nil, func(t *testing.T, b *bench) {
		c := b.attach(his)
		first := c.done("j1")
		link := func(r LinkRequest, want catalog.ID) Linked {
			t.Helper()
			l, err := b.e.Link(ctx, his, r)
			if got := idOf(err); got != want {
				t.Fatalf("%+v: %q, want %q", r, got, want)
			}
			return l
		}
		v1, v2 := &Visit{MaLK: "LK1", MaBN: "BN1"}, &Visit{MaLK: "LK2"}
		if d := cmp.Diff(Linked{CheckinID: first.CheckinID, Visit: *v1, Recorded: true}, link(LinkRequest{JobID: "j1", Visit: v1}, "")); d != "" {
			t.Error(d)
		}
		link(LinkRequest{CheckinID: first.CheckinID, Visit: v1}, "") // said again
		if d := cmp.Diff([]string{"link"}, kinds(b)); d != "" {
			t.Error("said again, it is one: ", d)
		}
		link(LinkRequest{CheckinID: first.CheckinID, Visit: v2}, "")
		if r := c.status("j1").Result; *r.Visit != *v2 || len(kinds(b)) != 2 {
			t.Errorf("visit %+v, amendments %v", r.Visit, kinds(b))
		}
		// A job that still waits takes its visit into its result.
		c.start(chipRequest("j2"))
		link(LinkRequest{JobID: "j2", Visit: v1}, "")
		b.desk.put("A", an())
		if r := c.result("j2"); r.Visit == nil || *r.Visit != *v1 {
			t.Errorf("result of a job that was linked while it waited: %+v", r.Visit)
		}
		for range maxLinks - 2 {
			link(LinkRequest{JobID: "j1", Visit: v1}, "")
			v1, v2 = v2, v1
		}
		link(LinkRequest{JobID: "j1", Visit: &Visit{MaLK: "LK3"}}, catalog.BadRequest)

		for _, r := range map[string]LinkRequest{
			"no name":        {Visit: v1},
			"two names":      {JobID: "j1", CheckinID: first.CheckinID, Visit: v1},
			"no visit":       {JobID: "j1"},
			"empty visit":    {JobID: "j1", Visit: &Visit{}},
			"long visit":     {JobID: "j1", Visit: &Visit{MaLK: strings.Repeat("x", 129)}},
			"odd visit":      {JobID: "j1", Visit: &Visit{MaBN: "a\x00"}},
			"odd check-in":   {CheckinID: "x", Visit: v1},
			"long job":       {JobID: strings.Repeat("j", 129), Visit: v1},
			"lower-case ids": {CheckinID: strings.ToLower(first.CheckinID), Visit: v1},
		} {
			link(r, catalog.BadRequest)
		}
		link(LinkRequest{JobID: "none", Visit: v1}, catalog.JobUnknown)
		link(LinkRequest{CheckinID: "01ARZ3NDEKTSV4RRFFQ69G5FAV", Visit: v1}, catalog.JobUnknown)
	})
}

// What is added while the job is being written down is neither lost from the result nor from the book.
func TestVisitComesWhileItIsWrittenDown(t *testing.T) {
	inBench(t, nil, nil, func(t *testing.T, b *bench) {
		c := b.attach(his)
		b.book.failing(func(_ context.Context, entry any) error {
			if _, ok := entry.(journal.Checkin); ok {
				if _, err := b.e.Link(context.Background(), his, LinkRequest{JobID: "j1", Visit: &Visit{MaLK: "LK1"}}); err != nil {
					t.Error(err)
				}
			}
			return nil
		})
		if r := c.done("j1"); r.Visit == nil || r.Visit.MaLK != "LK1" {
			t.Errorf("visit %+v", r.Visit)
		}
		b.book.failing(nil)
		if l := listed(t, b.again(), his, ListRequest{}); len(l.Checkins) != 1 || l.Checkins[0].Visit == nil {
			t.Errorf("%+v", l)
		}
	})
}

// A person decides where a check failed; until then the result says so, and it never waits for that.
func TestDecisions(t *testing.T) {
	ctx := context.Background()
	failed := func(change func(v *lds.Verdicts)) *card {
		c := an()
		change(&c.verdicts)
		return c
	}
	for name, tt := range map[string]struct {
		card *card
		need []string
	}{
		"everyday":          {an(), nil},
		"signature":         {failed(func(v *lds.Verdicts) { v.PassiveAuthentication.Status = lds.Failed }), []string{"chip"}},
		"chip's key":        {failed(func(v *lds.Verdicts) { v.ChipAuthentication.Status = lds.Failed }), []string{"chip"}},
		"chip's answer":     {failed(func(v *lds.Verdicts) { v.ActiveAuthentication.Status = lds.Failed }), []string{"chip"}},
		"out of date":       {failed(func(v *lds.Verdicts) { v.DocumentValidity.Status = lds.Failed }), []string{"document"}},
		"another was typed": {failed(func(v *lds.Verdicts) { v.KeyMatchesChip.Status = lds.Failed }), []string{"identity"}},
		"all of it": {failed(func(v *lds.Verdicts) {
			v.PassiveAuthentication.Status, v.DocumentValidity.Status, v.KeyMatchesChip.Status = lds.Failed, lds.Failed, lds.Failed
		}), []string{"chip", "document", "identity"}},
	} {
		t.Run(name, func(t *testing.T) {
			inBench(t, []string{"A"}, nil, func(t *testing.T, b *bench) {
				c := b.attach(his)
				b.desk.put("A", tt.card)
				c.start(chipRequest("j1"))
				r := c.result("j1")
				if d := cmp.Diff(tt.need, r.DecisionNeeded); d != "" {
					t.Fatal(d)
				}
				for i, about := range tt.need {
					ask := DecideRequest{JobID: "j1", About: about, Decision: "accept", Reason: "known_to_staff", Operator: &Operator{ID: "lt.hoa", Source: "his"}}
					d, err := b.e.Decide(ctx, his, ask)
					if err != nil || !d.Recorded || len(d.Decisions) != i+1 || len(d.DecisionNeeded) != len(tt.need)-i-1 {
						t.Fatalf("%+v %v", d, err)
					}
					time.Sleep(time.Second) // said again later, it is the same
					if again, err := b.e.Decide(ctx, his, ask); err != nil || cmp.Diff(d, again) != "" {
						t.Error("said again: ", cmp.Diff(d, again), err)
					}
				}
				if st := c.status("j1").Result; len(st.Decisions) != len(tt.need) || len(st.DecisionNeeded) != 0 {
					t.Errorf("%+v", st)
				}
				if got := len(kinds(b)); got != len(tt.need) {
					t.Errorf("%d in the book", got)
				}
			})
		})
	}
	inBench(t, nil, nil, func(t *testing.T, b *bench) {
		c := b.attach(his)
		c.done("j1")
		decide := func(r DecideRequest) (Decided, catalog.ID) {
			d, err := b.e.Decide(ctx, his, r)
			return d, idOf(err)
		}
		ok := DecideRequest{JobID: "j1", About: "insurance", Decision: "accept", Reason: "other_document", Note: "giấy hẹn"}
		for name, change := range map[string]func(r *DecideRequest){
			"no about": func(r *DecideRequest) { r.About = "" }, "unknown about": func(r *DecideRequest) { r.About = "weather" },
			"no decision": func(r *DecideRequest) { r.Decision = "" }, "unknown decision": func(r *DecideRequest) { r.Decision = "maybe" },
			"no reason": func(r *DecideRequest) { r.Reason = "" }, "free reason": func(r *DecideRequest) { r.Reason = "vì quen" },
			"long note": func(r *DecideRequest) { r.Note = strings.Repeat("ă", 251) }, "odd note": func(r *DecideRequest) { r.Note = "\x00" },
			"long operator": func(r *DecideRequest) { r.Operator = &Operator{ID: strings.Repeat("o", 129)} },
			"no name":       func(r *DecideRequest) { r.JobID = "" },
		} {
			r := ok
			change(&r)
			if _, id := decide(r); id != catalog.BadRequest {
				t.Errorf("%s: %q", name, id)
			}
		}
		decide(ok)
		reject := ok
		reject.Decision = "reject"
		decide(reject)
		d, id := decide(ok) // thought better of it: the last one counts, all are kept
		if len(d.Decisions) != 3 || d.Decisions[1].Decision != "reject" || id != "" {
			t.Errorf("%+v %q", d, id)
		}
		for range maxDecisions {
			decide(reject)
			_, id = decide(ok)
		}
		if n := len(c.status("j1").Result.Decisions); id != catalog.BadRequest || n != maxDecisions {
			t.Errorf("%d decisions, then %q", n, id)
		}
	})
}

// A wrong patient is taken back: kept, marked, readable, and nothing more is asked about that person.
func TestVoid(t *testing.T) {
	ctx := context.Background()
	inBench(t, []string{"A"}, func(c *Config, b *bench) {
		c.Insurer = insurer(func(context.Context, insurance.Request) (insurance.Eligibility, error) {
			return insurance.Eligibility{}, insurance.ErrUnreachable
		})
	}, func(t *testing.T, b *bench) {
		c := b.attach(his)
		c.start(chipRequest("j1"))
		void := func(r VoidRequest) (Voided, catalog.ID) {
			v, err := b.e.Void(ctx, his, r)
			return v, idOf(err)
		}
		if _, id := void(VoidRequest{JobID: "j1", Reason: "wrong_patient"}); id != catalog.CheckinUnfinished {
			t.Errorf("a running job: %q", id)
		}
		b.desk.put("A", an())
		before := c.result("j1")
		for name, r := range map[string]VoidRequest{"no reason": {JobID: "j1"}, "free reason": {JobID: "j1", Reason: "nhầm"}, "no name": {Reason: "test"},
			"long note": {JobID: "j1", Reason: "test", Note: strings.Repeat("n", 501)}, "operator": {JobID: "j1", Reason: "test", Operator: &Operator{ID: "\n"}}} {
			if _, id := void(r); id != catalog.BadRequest {
				t.Errorf("%s: %q", name, id)
			}
		}
		v, id := void(VoidRequest{JobID: "j1", Reason: "wrong_patient", Note: "gọi nhầm số", Operator: &Operator{ID: "lt.hoa"}})
		if id != "" || v != (Voided{CheckinID: before.CheckinID, State: Void, Recorded: true}) {
			t.Errorf("%+v %q", v, id)
		}
		if again, id := void(VoidRequest{JobID: "j1", Reason: "test"}); id != "" || again != v {
			t.Errorf("again: %+v %q", again, id)
		}
		r := c.status("j1")
		if r.State != Void || r.Result.State != Void || r.Result.Void.Reason != "wrong_patient" || r.Result.Identity == nil {
			t.Errorf("%+v", r.Result)
		}
		if d := cmp.Diff([]string{catalog.StepNewCheckin}, stepIDs(*r.Result)); d != "" {
			t.Error(d)
		}
		if d := cmp.Diff([]dropped{dropped(before.CheckinID), dropped(before.CheckinID)}, entries[dropped](b.book)); d != "" {
			t.Error("the look-up in the queue:", d)
		}
		for name, call := range map[string]func() error{
			"link": func() error { return second(b.e.Link(ctx, his, LinkRequest{JobID: "j1", Visit: &Visit{MaLK: "1"}})) },
			"decide": func() error {
				return second(b.e.Decide(ctx, his, DecideRequest{JobID: "j1", About: "chip", Decision: "accept", Reason: "other"}))
			},
			"insurance.check": func() error { return second(b.e.CheckInsurance(ctx, his, all, catalog.VI, CheckRequest{JobID: "j1"})) },
		} {
			if id := idOf(call()); id != catalog.CheckinVoid {
				t.Errorf("%s afterwards: %q", name, id)
			}
		}
		// The first word stays on record.
		if rows := entries[journal.Checkin](b.book); len(rows) != 1 || rows[0].State != "complete" {
			t.Errorf("%+v", rows)
		}
	})
}

// A check-in of before a restart is still its owner's: the same client, for the same user, in whatever session; and nobody
// else's.
func TestOwnersOutlastTheirSession(t *testing.T) {
	ctx := context.Background()
	monday := Owner{Client: "https://his.example", Session: "session:2", User: "S-1-5-21-1"}
	tuesday := Owner{Client: "https://his.example", Session: "session:5", User: "S-1-5-21-1"}
	inBench(t, []string{"A"}, nil, func(t *testing.T, b *bench) {
		c := b.attach(monday)
		b.desk.put("A", func() *card { c := an(); c.verdicts.DocumentValidity.Status = lds.Failed; return c }())
		c.start(chipRequest("j1"))
		first := c.result("j1")
		if _, err := b.e.Decide(ctx, monday, DecideRequest{JobID: "j1", About: "document", Decision: "accept", Reason: "other"}); err != nil {
			t.Fatal(err)
		}
		before := listed(t, b.e, monday, ListRequest{})

		for name, e := range map[string]func() *Engine{"another session": func() *Engine { return b.e }, "after a restart": b.again} {
			l := listed(t, e(), tuesday, ListRequest{})
			if d := cmp.Diff(before, l); d != "" || len(l.Checkins) != 1 || l.Checkins[0].Decisions == nil || l.Checkins[0].DecisionNeeded != nil {
				t.Errorf("%s: %s", name, d)
			}
		}
		for name, o := range map[string]Owner{
			"another user":    {Client: monday.Client, Session: "session:2", User: "S-1-5-21-2"},
			"another client":  {Client: "https://other.example", Session: "session:2", User: "S-1-5-21-1"},
			"another session": {Client: monday.Client, Session: "session:2"}, // of whom nobody knows the user
		} {
			if l := listed(t, b.e, o, ListRequest{}); len(l.Checkins) != 0 {
				t.Errorf("%s sees %+v", name, l)
			}
			for _, err := range []error{
				second(b.e.Link(ctx, o, LinkRequest{CheckinID: first.CheckinID, Visit: &Visit{MaLK: "1"}})),
				second(b.e.Void(ctx, o, VoidRequest{JobID: "j1", Reason: "test"})),
				second(b.e.CheckInsurance(ctx, o, all, catalog.VI, CheckRequest{CheckinID: first.CheckinID})),
			} {
				if id := idOf(err); id != catalog.JobUnknown {
					t.Errorf("%s: %q", name, id)
				}
			}
		}
		// What the book alone knows can be added to like anything else.
		if l, err := b.e.Link(ctx, tuesday, LinkRequest{JobID: "j1", Visit: &Visit{MaLK: "LK9"}}); err != nil || !l.Recorded || l.CheckinID != first.CheckinID {
			t.Errorf("%+v %v", l, err)
		}
		if _, err := b.e.Void(ctx, tuesday, VoidRequest{CheckinID: first.CheckinID, Reason: "duplicate"}); err != nil {
			t.Error(err)
		}
		if n := len(kinds(b)); n != 3 {
			t.Errorf("%d amendments", n)
		}
		if id := idOf(second(b.e.Link(ctx, monday, LinkRequest{JobID: "j1", Visit: &Visit{MaLK: "LK10"}}))); id != catalog.CheckinVoid {
			t.Errorf("%q", id)
		}
		s := listed(t, b.again(), monday, ListRequest{}).Checkins[0]
		if s.State != Void || s.Void.Reason != "duplicate" || s.Visit.MaLK != "LK9" || len(s.Decisions) != 1 {
			t.Errorf("%+v", s)
		}
		// The same job id again is another check-in; its name then means the later one.
		c = b.attach(monday)
		second := c.done("j1")
		if l, err := b.e.Link(ctx, monday, LinkRequest{JobID: "j1", Visit: &Visit{MaLK: "LK11"}}); err != nil || l.CheckinID != second.CheckinID {
			t.Errorf("%+v %v", l, err)
		}
		if l := listed(t, b.again(), monday, ListRequest{}); len(l.Checkins) != 2 || l.Checkins[1].Visit.MaLK != "LK11" {
			t.Errorf("%+v", l)
		}
	})
}

// Nothing in a list says who the patient is.
func TestListNamesNobody(t *testing.T) {
	inBench(t, []string{"A"}, nil, func(t *testing.T, b *bench) {
		c := b.attach(his)
		b.desk.put("A", an())
		c.start(chipRequest("j1"))
		c.result("j1")
		c.done("j2")
		for _, e := range []func() *Engine{func() *Engine { return b.e }, b.again} {
			raw, _ := json.Marshal(listed(t, e(), his, ListRequest{}))
			for _, personal := range []string{"001099012345", "Nguy", "1999", "GD401", "01004"} {
				if strings.Contains(string(raw), personal) {
					t.Errorf("%s in %s", personal, raw)
				}
			}
		}
	})
}

func TestList(t *testing.T) {
	inBench(t, nil, nil, func(t *testing.T, b *bench) {
		c := b.attach(his)
		var at []time.Time
		for i := range 5 {
			at = append(at, c.done(fmt.Sprint("j", i)).StartedAt)
			time.Sleep(time.Minute)
			if i == 2 {
				b.again() // the rest is in memory
				c = b.attach(his)
			}
		}
		c.start(Request{JobID: "running", Means: MeansPaperCard})
		rfc := func(t time.Time) string { return t.Format(time.RFC3339Nano) }
		for name, tt := range map[string]struct {
			r    ListRequest
			want []string
			more bool
		}{
			"all":             {ListRequest{}, []string{"j0", "j1", "j2", "j3", "j4", "running"}, false},
			"since":           {ListRequest{Since: rfc(at[1])}, []string{"j1", "j2", "j3", "j4", "running"}, false},
			"since, in zones": {ListRequest{Since: at[3].In(insurance.Vietnam).Format(time.RFC3339Nano)}, []string{"j3", "j4", "running"}, false},
			"limit":           {ListRequest{Limit: 2}, []string{"j0", "j1"}, true},
			"both":            {ListRequest{Since: rfc(at[2]), Limit: 2}, []string{"j2", "j3"}, true},
			"just enough":     {ListRequest{Limit: 6}, []string{"j0", "j1", "j2", "j3", "j4", "running"}, false},
			"none yet":        {ListRequest{Since: "2190-01-01T00:00:00Z"}, nil, false},
		} {
			l := listed(t, b.e, his, tt.r)
			if d := cmp.Diff(tt.want, names(l)); d != "" || l.More != tt.more || l.Incomplete {
				t.Errorf("%s: more %v, incomplete %v: %s", name, l.More, l.Incomplete, d)
			}
			if l.Checkins == nil {
				t.Errorf("%s: null", name)
			}
		}
		synctest.Wait()
		if s := listed(t, b.e, his, ListRequest{}).Checkins[5]; s.State != Needs || s.Recorded || !s.FinishedAt.IsZero() {
			t.Errorf("a running one: %+v", s)
		}
		for _, r := range []ListRequest{{Since: "yesterday"}, {Since: "2026-11-23"}, {Since: "0001-01-01T00:00:00Z"}, {Limit: -1}, {Limit: 501}} {
			if id := idOf(second(b.e.List(context.Background(), his, r))); id != catalog.BadRequest {
				t.Errorf("%+v: %q", r, id)
			}
		}
		time.Sleep(25 * time.Hour) // nothing of today without being asked
		if l := listed(t, b.e, his, ListRequest{}); len(l.Checkins) != 0 {
			t.Errorf("%v", names(l))
		}
		if l := listed(t, b.e, his, ListRequest{Since: rfc(at[0])}); len(l.Checkins) != 6 {
			t.Errorf("%v", names(l))
		}
	})
}

// A disk that refuses keeps nobody from working: what is added is marked, and a list says that it is not all.
func TestAmendmentsAndTheDisk(t *testing.T) {
	ctx := context.Background()
	inBench(t, nil, nil, func(t *testing.T, b *bench) {
		c := b.attach(his)
		c.done("yesterday")
		b.again()
		c = b.attach(his)
		r := c.done("j1")
		b.book.failing(func(context.Context, any) error { return journal.ErrUnwritable })
		if l, err := b.e.Link(ctx, his, LinkRequest{JobID: "j1", Visit: &Visit{MaLK: "LK1"}}); err != nil || l.Recorded {
			t.Errorf("%+v %v", l, err)
		}
		if l, err := b.e.Link(ctx, his, LinkRequest{JobID: "j1", Visit: &Visit{MaLK: "LK1"}}); err != nil || l.Recorded {
			t.Errorf("said again, it is still not on record: %+v %v", l, err)
		}
		if _, err := b.e.Link(ctx, his, LinkRequest{JobID: "yesterday", Visit: &Visit{MaLK: "LK1"}}); idOf(err) != catalog.JournalUnreadable {
			t.Errorf("%v", err)
		}
		l := listed(t, b.e, his, ListRequest{})
		if d := cmp.Diff([]string{"j1"}, names(l)); d != "" || !l.Incomplete || l.Checkins[0].Recorded || l.Checkins[0].Visit.MaLK != "LK1" {
			t.Errorf("%s %+v", d, l)
		}
		b.book.failing(nil)
		b.e.Recorded(r.CheckinID) // the book says that it has caught up
		if l := listed(t, b.e, his, ListRequest{}); l.Incomplete || len(l.Checkins) != 2 || !l.Checkins[1].Recorded {
			t.Errorf("%+v", l)
		}
		// A disk that hangs holds nobody for long.
		b.book.failing(func(ctx context.Context, _ any) error { <-ctx.Done(); return ctx.Err() })
		began := time.Now()
		if v, err := b.e.Void(ctx, his, VoidRequest{JobID: "j1", Reason: "test"}); err != nil || v.Recorded {
			t.Errorf("%+v %v", v, err)
		}
		if l := listed(t, b.e, his, ListRequest{}); !l.Incomplete {
			t.Errorf("%+v", l)
		}
		if d := time.Since(began); d > 5*time.Second {
			t.Errorf("it took %s", d)
		}
		b.book.failing(nil)
	})
	// A row that another version wrote hides no other.
	inBench(t, nil, nil, func(t *testing.T, b *bench) {
		c := b.attach(his)
		at := c.done("j1").StartedAt
		row := journal.Checkin{ID: newID(at), Owner: his.String(), JobID: "odd", State: "complete", StartedAt: at, Body: []byte("<xml>")}
		if err := b.book.PutCheckin(ctx, row); err != nil {
			t.Fatal(err)
		}
		if l := listed(t, b.again(), his, ListRequest{}); len(l.Checkins) != 2 {
			t.Errorf("%v", names(l))
		}
		if id := idOf(second(b.e.Void(ctx, his, VoidRequest{JobID: "odd", Reason: "test"}))); id != catalog.JournalUnreadable {
			t.Errorf("%q", id)
		}
	})
	// Without a book there is what is in memory.
	inBench(t, nil, func(c *Config, _ *bench) { c.Book = nil }, func(t *testing.T, b *bench) {
		c := b.attach(his)
		c.done("j1")
		if l, err := b.e.Link(ctx, his, LinkRequest{JobID: "j1", Visit: &Visit{MaLK: "LK1"}}); err != nil || l.Recorded {
			t.Errorf("%+v %v", l, err)
		}
		if l := listed(t, b.e, his, ListRequest{}); len(l.Checkins) != 1 {
			t.Errorf("%+v", l)
		}
		if id := idOf(second(b.e.Link(ctx, his, LinkRequest{JobID: "none", Visit: &Visit{MaLK: "LK1"}}))); id != catalog.JobUnknown {
			t.Errorf("%q", id)
		}
	})
}

func TestCheckInsurance(t *testing.T) {
	ctx := context.Background()
	person := CheckRequest{Number: "001099012345", FullName: "Nguyễn Văn An", DateOfBirth: "1999-01-01"}
	inBench(t, nil, nil, func(t *testing.T, b *bench) {
		got, err := b.e.CheckInsurance(ctx, his, all, catalog.VI, person)
		if err != nil || got.Eligibility.State != insurance.Eligible || got.Attempt.Outcome != "answered" || got.Attempt.Code != "000" || !got.Recorded || len(got.Attempt.LookupID) != 26 {
			t.Errorf("%+v %v", got, err)
		}
		var story []string
		for _, e := range b.book.entries {
			switch e := e.(type) {
			case journal.Disclosure:
				story = append(story, e.To+": "+strings.Join(e.Fields, ","))
			case journal.Attempt:
				story = append(story, "attempt "+e.Outcome)
			default:
				story = append(story, fmt.Sprintf("%T", e))
			}
		}
		if d := cmp.Diff([]string{"fake: dateOfBirth,fullName,number", "attempt answered", "journal.Answer", "https://his.example 1: eligibility"}, story); d != "" {
			t.Error("the book:", d)
		}
		for name, tt := range map[string]struct {
			rights Rights
			r      CheckRequest
			want   catalog.ID
			field  string
		}{
			"no right":       {Rights{Read: true}, person, catalog.Forbidden, ""},
			"nobody":         {all, CheckRequest{}, catalog.BadRequest, "number"},
			"name alone":     {all, CheckRequest{FullName: "An"}, catalog.BadRequest, "number"},
			"odd number":     {all, CheckRequest{Number: "12"}, catalog.BadRequest, "number"},
			"odd code":       {all, CheckRequest{CardCode: "12"}, catalog.BadRequest, "cardCode"},
			"odd birth":      {all, CheckRequest{Number: "001099012345", DateOfBirth: "1.1.1999"}, catalog.BadRequest, "dateOfBirth"},
			"both":           {all, CheckRequest{JobID: "j", Number: "001099012345"}, catalog.BadRequest, "number"},
			"two check-ins":  {all, CheckRequest{JobID: "j", CheckinID: "01ARZ3NDEKTSV4RRFFQ69G5FAV"}, catalog.BadRequest, "jobId"},
			"unknown job":    {all, CheckRequest{JobID: "j"}, catalog.JobUnknown, ""},
			"unknown record": {all, CheckRequest{CheckinID: "01ARZ3NDEKTSV4RRFFQ69G5FAV"}, catalog.JobUnknown, ""},
		} {
			_, err := b.e.CheckInsurance(ctx, his, tt.rights, catalog.VI, tt.r)
			field, _ := Explain(err).Detail["field"].(string)
			if id := idOf(err); id != tt.want || field != tt.field {
				t.Errorf("%s: %q at %q", name, id, field)
			}
		}
	})
	// An insurer that refuses, is silent or breaks is an answer too; and one that nobody waits for is an attempt.
	for name, tt := range map[string]struct {
		insurer insurer
		state   insurance.State
		outcome string
	}{
		"down": {func(context.Context, insurance.Request) (insurance.Eligibility, error) {
			return insurance.Eligibility{}, insurance.ErrUnreachable
		}, insurance.Pending, "INSURANCE_UNREACHABLE"},
		"silent": {func(ctx context.Context, _ insurance.Request) (insurance.Eligibility, error) {
			<-ctx.Done()
			return insurance.Eligibility{}, ctx.Err()
		}, insurance.Pending, "INSURANCE_UNREACHABLE"},
		"deaf": {func(context.Context, insurance.Request) (insurance.Eligibility, error) {
			time.Sleep(time.Minute)
			return insurance.Eligibility{}, nil
		}, insurance.Pending, "INSURANCE_UNREACHABLE"},
		"panics": {func(context.Context, insurance.Request) (insurance.Eligibility, error) { panic("An") }, insurance.Pending, "INTERNAL"},
		"lacking": {func(context.Context, insurance.Request) (insurance.Eligibility, error) {
			return insurance.Eligibility{}, &insurance.NotAskedError{Err: insurance.ErrRequest}
		}, insurance.Unknown, "not_asked"},
		"nonsense": {func(context.Context, insurance.Request) (insurance.Eligibility, error) {
			return insurance.Eligibility{State: "odd"}, nil
		}, insurance.Pending, "INSURANCE_GARBAGE"},
	} {
		t.Run(name, func(t *testing.T) {
			inBench(t, nil, func(c *Config, _ *bench) { c.Insurer = tt.insurer }, func(t *testing.T, b *bench) {
				began := time.Now()
				got, err := b.e.CheckInsurance(ctx, his, all, catalog.VI, person)
				if err != nil || got.Eligibility.State != tt.state || got.Attempt.Outcome != tt.outcome || time.Since(began) > 6*time.Second {
					t.Errorf("%+v %v after %s", got, err, time.Since(began))
				}
				if a := entries[journal.Attempt](b.book); len(a) != 1 || a[0].Outcome != tt.outcome || a[0].LookupID != got.Attempt.LookupID {
					t.Errorf("attempts %+v", a)
				}
			})
		})
	}
	inBench(t, nil, func(c *Config, _ *bench) { c.Insurer = nil }, func(t *testing.T, b *bench) {
		if got, err := b.e.CheckInsurance(ctx, his, all, catalog.VI, person); err != nil || got.Eligibility.State != insurance.Off || got.Attempt.Outcome != "not_asked" {
			t.Errorf("%+v %v", got, err)
		}
	})
	// Whoever asks goes away, or the agent does.
	for name, leave := range map[string]func(b *bench, cancel func()){
		"client": func(_ *bench, cancel func()) { cancel() },
		"agent":  func(b *bench, _ func()) { go b.e.Close(ctx) },
	} {
		t.Run(name+" leaves", func(t *testing.T) {
			inBench(t, nil, nil, func(t *testing.T, b *bench) {
				ctx, cancel := context.WithCancel(ctx)
				time.AfterFunc(100*time.Millisecond, func() { leave(b, cancel) })
				_, err := b.e.CheckInsurance(ctx, his, all, catalog.VI, person)
				want := map[string]catalog.ID{"client": catalog.Cancelled, "agent": catalog.AgentStopping}[name]
				if id := idOf(err); id != want {
					t.Errorf("%q, want %q", id, want)
				}
				synctest.Wait()
				if a := entries[journal.Attempt](b.book); len(a) != 1 || a[0].Outcome != "cancelled" {
					t.Errorf("%+v", a)
				}
				cancel()
			})
		})
	}
}

// What was pending is found out later: in the result, on record, and no longer in the queue. So it is where only the book
// still knows whom it is about.
func TestCheckInsuranceOfACheckin(t *testing.T) {
	ctx := context.Background()
	for _, restart := range []bool{false, true} {
		for _, means := range []Means{MeansChip, MeansNumber} {
			t.Run(fmt.Sprint(means, " restart ", restart), func(t *testing.T) {
				var asked []insurance.Request
				down := true
				inBench(t, []string{"A"}, func(c *Config, b *bench) {
					c.Insurer = insurer(func(ctx context.Context, r insurance.Request) (insurance.Eligibility, error) {
						asked = append(asked, r)
						if down {
							return insurance.Eligibility{}, insurance.ErrUnreachable
						}
						e, err := covered(ctx, r)
						e.Differences = []insurance.Difference{{Field: "fullName", Kind: insurance.DiffersInDiacritics}}
						return e, err
					})
				}, func(t *testing.T, b *bench) {
					c := b.attach(his)
					if means == MeansChip {
						b.desk.put("A", an())
						c.start(chipRequest("j1"))
					} else {
						c.start(byNumber("j1"))
					}
					before := c.result("j1")
					if before.Eligibility.State != insurance.Pending || len(entries[journal.Lookup](b.book)) != 1 {
						t.Fatalf("%+v", before.Eligibility)
					}
					if restart {
						b.again()
					}
					// Still down: what is known stays.
					got, err := b.e.CheckInsurance(ctx, his, all, catalog.VI, CheckRequest{JobID: "j1"})
					if err != nil || got.Eligibility.State != insurance.Pending || got.Attempt.LookupID != before.CheckinID || len(kinds(b)) != 0 {
						t.Errorf("%+v %v", got, err)
					}
					down = false
					got, err = b.e.CheckInsurance(ctx, his, all, catalog.VI, CheckRequest{CheckinID: before.CheckinID})
					if err != nil || got.Eligibility.State != insurance.Eligible || !got.Recorded {
						t.Errorf("%+v %v", got, err)
					}
					for _, q := range asked {
						if d := cmp.Diff(asked[0], q); d != "" {
							t.Error("another question:", d)
						}
					}
					if d := cmp.Diff([]dropped{dropped(before.CheckinID)}, entries[dropped](b.book)); d != "" {
						t.Error(d)
					}
					if !restart {
						r := c.status("j1").Result
						if r.Eligibility.State != insurance.Eligible || r.Claim["MA_THE_BHYT"] == "" {
							t.Errorf("%+v", r)
						}
						steps := strings.Join(stepIDs(*r), " ")
						if strings.Contains(steps, catalog.StepLookupLater) || !strings.Contains(steps, catalog.StepCorrectAtInsurer) {
							t.Error(steps)
						}
						if !strings.Contains(strings.Join(warningsOf(*r), " "), catalog.WarnNameDiffers) {
							t.Error(warningsOf(*r))
						}
					}
					if l := listed(t, b.again(), his, ListRequest{}); l.Checkins[0].EligibilityState != "eligible" {
						t.Errorf("%+v", l)
					}
				})
			})
		}
	}
	inBench(t, []string{"A"}, nil, func(t *testing.T, b *bench) {
		c := b.attach(his)
		c.start(chipRequest("j1"))
		if id := idOf(second(b.e.CheckInsurance(ctx, his, all, catalog.VI, CheckRequest{JobID: "j1"}))); id != catalog.CheckinUnfinished {
			t.Errorf("%q", id)
		}
	})
}

// What a HIS may not see is asked about all the same: the question is the agent's, as long as it remembers the job; and an
// insurer that could not be asked takes nothing away that is known.
func TestCheckInsuranceBeyondTheCeiling(t *testing.T) {
	ctx := context.Background()
	var asked []insurance.Request
	inBench(t, []string{"A"}, func(c *Config, b *bench) {
		c.Insurer = insurer(func(ctx context.Context, r insurance.Request) (insurance.Eligibility, error) {
			asked = append(asked, r)
			if r.Number == "" {
				return insurance.Eligibility{}, &insurance.NotAskedError{Err: insurance.ErrRequest}
			}
			return insurance.Eligibility{}, insurance.ErrUnreachable
		})
	}, func(t *testing.T, b *bench) {
		c := b.attach(his)
		b.desk.put("A", an())
		r := chipRequest("j1")
		r.Fields = []string{"sex"}
		c.start(r)
		if got := c.result("j1"); got.Identity.Number != "" || got.Eligibility.State != insurance.Pending {
			t.Fatalf("%+v", got)
		}
		if got, err := b.e.CheckInsurance(ctx, his, all, catalog.VI, CheckRequest{JobID: "j1"}); err != nil || got.Attempt.Outcome != string(catalog.InsuranceUnreachable) {
			t.Errorf("%+v %v", got, err)
		}
		if len(asked) != 2 || asked[1] != asked[0] || asked[0].Number == "" {
			t.Errorf("%+v", asked)
		}
		b.again()
		got, err := b.e.CheckInsurance(ctx, his, all, catalog.VI, CheckRequest{JobID: "j1"})
		if err != nil || got.Eligibility.State != insurance.Pending || got.Attempt.Outcome != string(catalog.InsuranceUnreachable) {
			t.Errorf("%+v %v", got, err)
		}
		if len(asked) != 3 || asked[2] != asked[0] { // the book holds the question, although the result may not say it
			t.Errorf("%+v", asked)
		}
		if l := listed(t, b.e, his, ListRequest{}); l.Checkins[0].EligibilityState != "pending" {
			t.Errorf("%+v", l)
		}
	})
}

// Whatever a client sends, it gets an answer or an error of the catalogue that does not repeat it, and what it says of
// another's check-in changes nothing.
func FuzzAfterwards(f *testing.F) {
	for i, seed := range []string{
		`{"jobId":"mine","visit":{"maLk":"LK1"}}`, `{"jobId":"mine","about":"chip","decision":"accept","reason":"other","note":"n"}`,
		`{"jobId":"mine","reason":"test"}`, `{"since":"2026-01-01T00:00:00Z","limit":3}`, `{"number":"001099012345","fullName":"A","dateOfBirth":"1999"}`,
		`{"jobId":"j","means":"paper_card","key":{"qr":"GD4010123456789"}}`, `{"jobId":"theirs","visit":{"maLk":"LK1"}}`,
	} {
		f.Add(i%6, seed)
	}
	other := Owner{Client: "desktop:7", Session: "1"}
	e := New(Config{Readers: newDesk("A"), Read: read, Book: &book{}, Insurer: insurer(func(context.Context, insurance.Request) (insurance.Eligibility, error) {
		return insurance.Eligibility{State: insurance.Eligible}, nil
	})})
	f.Cleanup(func() {
		if err := e.Close(context.Background()); err != nil {
			f.Error(err)
		}
	})
	for o, id := range map[Owner]string{his: "mine", other: "theirs"} {
		if _, err := e.Start(context.Background(), o, all, catalog.VI, byNumber(id)); err != nil {
			f.Fatal(err)
		}
		for {
			if st, _ := e.Status(context.Background(), o, id); st.State.Final() {
				break
			}
			time.Sleep(time.Millisecond)
		}
	}
	before, _ := json.Marshal(e.remembered(other, "theirs", "").result)
	f.Fuzz(func(t *testing.T, method int, raw string) {
		ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
		defer cancel()
		var err error
		switch ((method % 6) + 6) % 6 {
		case 0:
			var r LinkRequest
			if json.Unmarshal([]byte(raw), &r) == nil {
				_, err = e.Link(ctx, his, r)
			}
		case 1:
			var r DecideRequest
			if json.Unmarshal([]byte(raw), &r) == nil {
				_, err = e.Decide(ctx, his, r)
			}
		case 2:
			var r VoidRequest
			if json.Unmarshal([]byte(raw), &r) == nil {
				_, err = e.Void(ctx, his, r)
			}
		case 3:
			var r ListRequest
			if json.Unmarshal([]byte(raw), &r) == nil {
				_, err = e.List(ctx, his, r)
			}
		case 4:
			var r CheckRequest
			if json.Unmarshal([]byte(raw), &r) == nil {
				_, err = e.CheckInsurance(ctx, his, all, catalog.VI, r)
			}
		case 5:
			var r Request
			if json.Unmarshal([]byte(raw), &r) == nil {
				if _, err = e.Start(ctx, his, all, catalog.VI, r); err == nil {
					_, _ = e.Cancel(ctx, his, r.JobID)
				}
			}
		}
		if err != nil && (idOf(err) == catalog.Internal || idOf(err) == "") {
			t.Errorf("%v", err)
		}
		e.mu.Lock()
		defer e.mu.Unlock()
		if after, _ := json.Marshal(e.remembered(other, "theirs", "").result); string(after) != string(before) {
			t.Errorf("another's check-in was changed: %s", after)
		}
	})
}
