package checkin

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tapcheck/tapcheck/agent/catalog"
	"github.com/tapcheck/tapcheck/agent/journal"
	"github.com/tapcheck/tapcheck/icao"
	"github.com/tapcheck/tapcheck/icao/access"
	"github.com/tapcheck/tapcheck/icao/lds"
	"github.com/tapcheck/tapcheck/insurance"
	"github.com/tapcheck/tapcheck/reader"
)

// desk is a monitor whose readers a test plays by hand.
type desk struct {
	mu      sync.Mutex
	infos   []reader.Info
	cards   map[string]*card
	open    map[string]*session
	health  error
	watch   []chan struct{}
	connect func(id string) error // fault of Connect, if any
	opened  int
}

func newDesk(readers ...string) *desk {
	d := &desk{cards: map[string]*card{}, open: map[string]*session{}}
	for _, id := range readers {
		d.infos = append(d.infos, reader.Info{ID: id, Name: id, State: reader.Empty, Virtual: true})
	}
	return d
}

func (d *desk) change(f func()) {
	d.mu.Lock()
	f()
	watch := slices.Clone(d.watch)
	d.mu.Unlock()
	for _, w := range watch {
		select {
		case w <- struct{}{}:
		default:
		}
	}
}

func (d *desk) at(id string) *reader.Info {
	for i := range d.infos {
		if d.infos[i].ID == id {
			return &d.infos[i]
		}
	}
	panic("no reader " + id)
}

func (d *desk) kill(id string, err error) {
	if s := d.open[id]; s != nil {
		s.die(err)
	}
}

// put lays a card down; lift takes it away.
func (d *desk) put(id string, c *card) {
	d.change(func() {
		i := d.at(id)
		d.kill(id, reader.ErrCardRemoved)
		i.Insertion++
		i.State, d.cards[id] = reader.Card, c
	})
}

func (d *desk) lift(id string) {
	d.change(func() {
		d.kill(id, reader.ErrCardRemoved)
		d.at(id).State = reader.Empty
		delete(d.cards, id)
	})
}

// state plays anything else that a reader can be.
func (d *desk) state(id string, s reader.State) { d.change(func() { d.at(id).State = s }) }

// findsCard is how long a reader takes to find the card that lies on it, after it was out of sight.
const findsCard = 700 * time.Millisecond

// service stops the service or, with nil, starts it again. As the real ones do, readers come back empty at first, and
// what lies on them counts as a new card, for nobody watched it.
func (d *desk) service(err error) {
	d.change(func() {
		d.health = err
		for i := range d.infos {
			if d.infos[i].State = reader.Empty; err != nil {
				d.kill(d.infos[i].ID, err)
				d.infos[i].State = reader.Absent
			}
		}
	})
	if err == nil {
		d.find()
	}
}

// unplug takes a reader away, with what lies on it; plug brings it back with that.
func (d *desk) unplug(id string) {
	d.change(func() { d.kill(id, reader.ErrReaderGone); d.at(id).State = reader.Absent })
}

func (d *desk) plug(id string) {
	d.state(id, reader.Empty)
	d.find()
}

// find lets empty readers find what lies on them.
func (d *desk) find() {
	synctest.Wait()
	time.Sleep(findsCard)
	d.mu.Lock()
	found := len(d.cards) > 0
	d.mu.Unlock()
	if !found { // and says nothing
		return
	}
	d.change(func() {
		for i := range d.infos {
			if info := &d.infos[i]; info.State == reader.Empty && d.cards[info.ID] != nil {
				info.State = reader.Card
				info.Insertion++
			}
		}
	})
}

func (d *desk) Readers() []reader.Info {
	d.mu.Lock()
	defer d.mu.Unlock()
	return slices.Clone(d.infos)
}

func (d *desk) Watch(ctx context.Context) <-chan struct{} {
	c := make(chan struct{}, 1)
	d.mu.Lock()
	defer d.mu.Unlock()
	d.watch = append(d.watch, c)
	return c
}

func (d *desk) Health() error {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.health
}

func (d *desk) Close() error { return nil }

func (d *desk) Connect(ctx context.Context, id string) (reader.Session, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.health != nil {
		return nil, d.health
	}
	if d.connect != nil {
		if err := d.connect(id); err != nil {
			return nil, err
		}
	}
	c := d.cards[id]
	if c == nil {
		return nil, reader.ErrNoCard
	}
	if s := d.open[id]; s != nil && s.ctx.Err() == nil {
		return nil, reader.ErrReaderBusy
	}
	s := &session{d: d, info: *d.at(id), card: c}
	s.ctx, s.die = context.WithCancelCause(context.Background())
	d.open[id] = s
	d.opened++
	return s, nil
}

type session struct {
	d    *desk
	info reader.Info
	card *card
	ctx  context.Context
	die  context.CancelCauseFunc
}

func (s *session) ATR() []byte         { return nil }
func (s *session) Reader() reader.Info { return s.info }
func (s *session) Transmit(context.Context, []byte) ([]byte, error) {
	return nil, errors.New("the fake chip speaks no APDUs")
}

func (s *session) Close() error {
	s.die(errors.New("closed"))
	return nil
}

// card is a chip as the fake read sees it.
type card struct {
	can      string
	sod      string // claimed, instead of its own
	identity lds.Identity
	portrait *lds.Portrait
	verdicts lds.Verdicts
	err      error                                  // of the identity: ErrInconsistent …
	at       map[string]func(context.Context) error // faults at access, identity, chip, portrait
	missing  map[lds.FileID]error
	reads    int
	keys     []string // CANs that were tried on it
}

// The personas. Nobody of this name and number exists.
func an() *card {
	return &card{can: "012345", portrait: &lds.Portrait{Format: "jp2", Data: []byte("photo of An")}, identity: lds.Identity{
		Number: "001099012345", FullName: "Nguyễn Văn An", DateOfBirth: "1999-01-01", Sex: "male", Nationality: "VNM",
		Residence: "Số 1, Phố X, Phường Y, Hà Nội", DocumentNumber: "099012345", IssuedAt: "2022-04-15", ExpiresAt: "2039-01-01",
		Religion: "Không", Ethnicity: "Kinh", Father: "Nguyễn Văn Cha", Mother: "Trần Thị Mẹ", OldNumber: "012345678", Features: "Nốt ruồi",
		Source: map[string]string{"fullName": "dg13", "religion": "dg13"},
	}, verdicts: everyday()}
}

func binh() *card {
	return &card{can: "054321", identity: lds.Identity{
		Number: "001188054321", FullName: "Trần Thị Bình", DateOfBirth: "1988-05-20", Sex: "female", DocumentNumber: "188054321",
	}, verdicts: everyday()}
}

func everyday() lds.Verdicts {
	return lds.Verdicts{
		Access:                lds.AccessVerdict{Status: lds.Passed, Protocol: "PACE", Key: lds.KeyCAN},
		PassiveAuthentication: lds.PassiveVerdict{Status: lds.NotVerifiable, Reason: lds.ReasonSignerNotAnchored, Signer: &lds.Signer{Subject: "CN=Signer", SHA256: "ab01"}},
		ChipAuthentication:    lds.ExchangeVerdict{Status: lds.NotVerifiable, Reason: lds.ReasonKeyNotAnchored, Exchange: lds.Passed},
		ActiveAuthentication:  lds.ExchangeVerdict{Status: lds.NotPresent, Reason: lds.ReasonFeatureAbsent},
		DocumentValidity:      lds.BasisVerdict{Status: lds.Passed, Basis: lds.Unanchored},
		KeyMatchesChip:        lds.BasisVerdict{Status: lds.NotDone, Reason: lds.ReasonNothingToCompare},
	}
}

const stepTime = 200 * time.Millisecond

// read is icao.Read for cards of this file. A step takes 200 ms.
func read(ctx context.Context, t access.Transmitter, o icao.Options) (doc *icao.Document, err error) {
	s := t.(*session)
	c := s.card
	c.reads++
	doc = &icao.Document{Files: map[lds.FileID][]byte{}, Missing: map[lds.FileID]error{}}
	step := func(p icao.Phase, percent int) error {
		if o.OnProgress != nil {
			o.OnProgress(icao.Progress{Phase: p, Percent: percent})
		}
		if f := c.at[string(p)]; f != nil {
			if err := f(ctx); err != nil {
				return err
			}
		}
		select {
		case <-time.After(stepTime):
			return nil
		case <-s.ctx.Done():
			return context.Cause(s.ctx)
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	if err := step(icao.PhaseAccess, 0); err != nil {
		return doc, err
	}
	c.keys = append(c.keys, o.Key.CAN)
	if o.Key.CAN != c.can {
		return doc, &lds.StatusError{Op: "PACE", SW: 0x6300, Err: lds.ErrKeyRejected}
	}
	doc.Verdicts.Access = c.verdicts.Access
	sod := []byte("SOD of " + c.identity.Number)
	if c.sod != "" {
		sod = []byte(c.sod)
	}
	if r := o.Resume; r != nil && r.Files[lds.SOD] != nil && !bytes.Equal(r.Files[lds.SOD], sod) {
		return r, lds.ErrOtherCard
	}
	doc.Files[lds.SOD] = sod
	if err := step(icao.PhaseIdentity, 10); err != nil {
		return doc, err
	}
	if c.err != nil {
		doc.Verdicts.PassiveAuthentication = c.verdicts.PassiveAuthentication
		return doc, c.err
	}
	i := c.identity
	doc.Identity, doc.Verdicts = &i, c.verdicts
	if err := o.OnIdentity(doc); err != nil {
		return doc, err
	}
	if err := step(icao.PhaseChip, 30); err != nil {
		return doc, err
	}
	if err := o.OnChip(doc); err != nil {
		return doc, err
	}
	if o.Portrait {
		for p := 40; p < 100; p += 20 {
			if err := step(icao.PhasePortrait, p); err != nil {
				return doc, err
			}
		}
		doc.Portrait = c.portrait
	}
	for id, err := range c.missing {
		doc.Missing[id] = err
	}
	return doc, nil
}

func picture(_ context.Context, p lds.Portrait) (Picture, error) {
	return Picture{MIME: "image/jpeg", Width: 3, Height: 4, Data: append([]byte("jpeg of "), p.Data...)}, nil
}

// book keeps everything, in order, and can refuse or hang.
type book struct {
	mu      sync.Mutex
	entries []any
	seen    map[string]int
	fail    func(ctx context.Context, entry any) error
}

func (b *book) put(ctx context.Context, entry any) error {
	b.mu.Lock()
	fail := b.fail
	b.mu.Unlock()
	if fail != nil {
		if err := fail(ctx, entry); err != nil {
			return err
		}
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.entries = append(b.entries, entry)
	return nil
}

func (b *book) PutCheckin(ctx context.Context, c journal.Checkin) error       { return b.put(ctx, c) }
func (b *book) PutDisclosure(ctx context.Context, d journal.Disclosure) error { return b.put(ctx, d) }
func (b *book) PutLookup(ctx context.Context, l journal.Lookup) error         { return b.put(ctx, l) }
func (b *book) PutAttempt(ctx context.Context, a journal.Attempt) error       { return b.put(ctx, a) }
func (b *book) PutAmendment(ctx context.Context, a journal.Amendment) error   { return b.put(ctx, a) }
func (b *book) PutAnswer(ctx context.Context, a journal.Answer) error         { return b.put(ctx, a) }
func (b *book) DropLookups(ctx context.Context, checkinID string) error {
	return b.put(ctx, dropped(checkinID))
}

func (b *book) PutStay(ctx context.Context, s journal.Stay) error {
	if err := b.put(ctx, s.Amendment); err != nil {
		return err
	}
	return b.put(ctx, s.Lookup)
}

func (b *book) LookupsOf(ctx context.Context, checkinID string) (out []journal.Lookup, _ error) {
	if err := b.readable(ctx); err != nil {
		return nil, err
	}
	for _, l := range entries[journal.Lookup](b) {
		if l.CheckinID == checkinID && !slices.Contains(entries[dropped](b), dropped(checkinID)) {
			out = append(out, l)
		}
	}
	return out, nil
}

func (b *book) AttemptsOf(ctx context.Context, checkinID string) (out []journal.Attempt, _ error) {
	if err := b.readable(ctx); err != nil {
		return nil, err
	}
	for _, a := range entries[journal.Attempt](b) {
		if a.CheckinID == checkinID {
			out = append(out, a)
		}
	}
	return out, nil
}

func (b *book) CheckinByID(ctx context.Context, id string) (journal.Checkin, error) {
	for _, c := range slices.Backward(entries[journal.Checkin](b)) {
		if c.ID == id {
			return c, b.readable(ctx)
		}
	}
	return journal.Checkin{}, journal.ErrNone
}

// Asked and Failed are held to the journal itself (TestPapers).
func (b *book) Asked(ctx context.Context, ids ...string) (out []journal.Asked, _ error) {
	if err := b.readable(ctx); err != nil {
		return nil, err
	}
	for _, id := range ids {
		a := journal.Asked{CheckinID: id}
		for _, x := range entries[journal.Attempt](b) {
			if x.CheckinID == id {
				a.Attempts++
			}
		}
		if a.Attempts > 0 {
			out = append(out, a)
		}
	}
	return out, nil
}

func (b *book) Failed(ctx context.Context, _ time.Time, _ [2]string, _ int) ([]journal.Checkin, error) {
	return nil, b.readable(ctx)
}

// dropped is a check-in whose look-ups were taken out of the queue.
type dropped string

// The journal's own tests hold it to the same answers.
func (b *book) Checkin(ctx context.Context, owner, id, jobID string) (journal.Checkin, error) {
	if err := b.readable(ctx); err != nil {
		return journal.Checkin{}, err
	}
	for _, c := range slices.Backward(entries[journal.Checkin](b)) {
		if c.Owner == owner && (id != "" && c.ID == id || id == "" && c.JobID == jobID) {
			return c, nil
		}
	}
	return journal.Checkin{}, journal.ErrNone
}

func (b *book) Checkins(ctx context.Context, owner string, since time.Time, limit int) (out []journal.Checkin, _ error) {
	if err := b.readable(ctx); err != nil {
		return nil, err
	}
	for _, c := range entries[journal.Checkin](b) {
		if c.Owner == owner && !c.StartedAt.Before(since) {
			out = append(out, c)
		}
	}
	slices.SortStableFunc(out, func(a, b journal.Checkin) int { return a.StartedAt.Compare(b.StartedAt) })
	return out[:min(limit, len(out))], nil
}

func (b *book) Amendments(ctx context.Context, ids ...string) (out []journal.Amendment, _ error) {
	if err := b.readable(ctx); err != nil {
		return nil, err
	}
	for _, id := range ids {
		for _, a := range entries[journal.Amendment](b) {
			if a.CheckinID == id {
				out = append(out, a)
			}
		}
	}
	return out, nil
}

// readable asks fail about a question, which is nil.
func (b *book) readable(ctx context.Context) error {
	b.mu.Lock()
	fail := b.fail
	b.mu.Unlock()
	if fail == nil {
		return nil
	}
	return fail(ctx, nil)
}

func (b *book) SignerSeen(ctx context.Context, sum string) (int, error) {
	b.mu.Lock()
	fail := b.fail
	b.mu.Unlock()
	if fail != nil {
		if err := fail(ctx, sum); err != nil {
			return 0, err
		}
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.seen == nil {
		b.seen = map[string]int{}
	}
	b.seen[sum]++
	return b.seen[sum] - 1, nil
}

func entries[T any](b *book) (out []T) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, e := range b.entries {
		if t, ok := e.(T); ok {
			out = append(out, t)
		}
	}
	return out
}

// insurer answers as it is told to.
type insurer func(ctx context.Context, r insurance.Request) (insurance.Eligibility, error)

func (insurer) Name() string { return "fake" }
func (f insurer) Check(ctx context.Context, r insurance.Request) (insurance.Eligibility, error) {
	return f(ctx, r)
}

func covered(ctx context.Context, r insurance.Request) (insurance.Eligibility, error) {
	select {
	case <-time.After(300 * time.Millisecond):
	case <-ctx.Done():
		return insurance.Eligibility{}, ctx.Err()
	}
	return insurance.Eligibility{
		State: insurance.Eligible, Source: "fake", Code: "000", Raw: []byte(`{"maKetQua":"000"}`),
		Card: &insurance.Card{Code: "GD4010123456789", From: "2026-01-01", To: "2026-12-31", RegisteredFacility: "01004"},
	}, nil
}

// bench is an engine with fakes around it, and a client of it.
type bench struct {
	t    *testing.T
	desk *desk
	book *book
	e    *Engine
	cfg  Config

	refusal error // of the insurer, where a test lets it refuse

	mu  sync.Mutex
	log []string
}

var (
	his = Owner{Client: "https://his.example", Session: "1"}
	all = Rights{Read: true, Insurance: true, Face: true, Fields: append(AllFields(), FieldPortrait)}
)

// inBench runs a test in virtual time: waits are real to the engine and cost nothing. It fails if a goroutine is left.
func inBench(t *testing.T, readers []string, change func(*Config, *bench), test func(t *testing.T, b *bench)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		b := &bench{t: t, desk: newDesk(readers...), book: &book{}}
		b.cfg = Config{
			Readers: b.desk, Read: read, Insurer: insurer(covered), Portrait: picture, Book: b.book,
			Log: func(event string, fields map[string]any) {
				b.mu.Lock()
				defer b.mu.Unlock()
				b.log = append(b.log, fmt.Sprint(event, " ", fields))
			},
		}
		if change != nil {
			change(&b.cfg, b)
		}
		b.e = New(b.cfg)
		defer func() {
			ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
			defer cancel()
			if err := b.e.Close(ctx); err != nil {
				t.Errorf("Close: %v", err)
			}
		}()
		test(t, b)
	})
}

// client collects the events of an owner.
type client struct {
	b      *bench
	owner  Owner
	leave  context.CancelFunc
	closed bool

	mu     sync.Mutex
	events []Event
}

func (b *bench) attach(o Owner) *client {
	c := &client{b: b, owner: o}
	ctx, cancel := context.WithCancel(context.Background())
	c.leave = cancel
	events := b.e.Attach(ctx, o)
	b.t.Cleanup(cancel)
	go func() {
		for ev := range events {
			c.mu.Lock()
			c.events = append(c.events, ev)
			c.mu.Unlock()
		}
		c.mu.Lock()
		c.closed = true
		c.mu.Unlock()
	}()
	return c
}

func chipRequest(id string) Request {
	return Request{JobID: id, Means: MeansChip, Key: &KeyInput{CAN: "012345"}}
}

func (c *client) start(r Request) Accepted {
	c.b.t.Helper()
	a, err := c.b.e.Start(context.Background(), c.owner, all, catalog.EN, r)
	if err != nil {
		c.b.t.Fatalf("start %s: %v %v", r.JobID, err, Explain(err).Detail)
	}
	return a
}

func (c *client) provide(p Provision) catalog.ID {
	if err := c.b.e.Provide(context.Background(), c.owner, p); err != nil {
		return Explain(err).ID
	}
	return ""
}

func (c *client) status(job string) JobStatus {
	c.b.t.Helper()
	s, err := c.b.e.Status(context.Background(), c.owner, job)
	if err != nil {
		c.b.t.Fatalf("status %s: %v", job, err)
	}
	return s
}

// of gives the events of a job so far.
func (c *client) of(job string) (out []Event) {
	synctest.Wait()
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, e := range c.events {
		if e.JobID == job {
			out = append(out, e)
		}
	}
	return out
}

// need waits until nothing moves and gives the open need of a job, as "need" or "need/CAUSE".
func (c *client) need(job string) string {
	c.b.t.Helper()
	synctest.Wait()
	n := c.status(job).Need
	switch {
	case n == nil:
		return ""
	case n.Cause != nil:
		return n.Need + "/" + string(n.Cause.ID)
	}
	return n.Need
}

// result waits until a job is over, however long that takes in virtual time, and gives its result.
func (c *client) result(job string) Result {
	c.b.t.Helper()
	for range 20000 {
		if s := c.status(job); s.State.Final() {
			var last Event
			for _, e := range c.of(job) {
				last = e
			}
			c.inOrder(job)
			if last.Method != EventResult {
				c.b.t.Errorf("%s is over without its result: last event is %q", job, last.Method)
			}
			return *s.Result
		}
		time.Sleep(50 * time.Millisecond)
	}
	c.b.t.Fatalf("%s never ends: %+v", job, c.status(job))
	return Result{}
}

// inOrder holds all events of a job against what every client may rely on.
func (c *client) inOrder(job string) {
	c.b.t.Helper()
	seq, percent := 0, 0
	for _, ev := range c.of(job) {
		p := decode[struct{ Seq, Percent int }](c.b.t, ev)
		if p.Seq <= seq {
			c.b.t.Errorf("%s has seq %d after %d", ev.Method, p.Seq, seq)
		}
		if seq = p.Seq; ev.Method == EventProgress {
			if p.Percent < percent {
				c.b.t.Errorf("percent goes back from %d to %d", percent, p.Percent)
			}
			percent = p.Percent
		}
	}
}

func decode[T any](t *testing.T, e Event) (v T) {
	t.Helper()
	if err := json.Unmarshal(e.Params, &v); err != nil {
		t.Fatalf("%s: %v", e.Method, err)
	}
	return v
}

func failure(r Result) catalog.ID {
	if r.Error == nil {
		return ""
	}
	return r.Error.ID
}

func stepIDs(r Result) (out []string) {
	for _, s := range r.Next {
		out = append(out, s.ID)
	}
	return out
}

func warningsOf(r Result) (out []string) {
	for _, w := range r.Warnings {
		out = append(out, w.ID)
	}
	return out
}
