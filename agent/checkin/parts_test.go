package checkin

import (
	"context"
	"errors"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/tapcheck/tapcheck/agent/catalog"
	"github.com/tapcheck/tapcheck/agent/journal"
	"github.com/tapcheck/tapcheck/icao"
	"github.com/tapcheck/tapcheck/icao/access"
	"github.com/tapcheck/tapcheck/icao/lds"
	"github.com/tapcheck/tapcheck/insurance"
)

func TestParseKey(t *testing.T) {
	for name, tt := range map[string]struct {
		in   KeyInput
		want lds.Key
		id   catalog.ID
	}{
		"none":      {KeyInput{}, lds.Key{}, ""},
		"can":       {KeyInput{CAN: "012 345"}, lds.Key{CAN: "012345", From: lds.FromCAN}, ""},
		"number":    {KeyInput{Number: "001099012345"}, lds.Key{CAN: "012345", From: lds.FromNumber}, ""},
		"qr":        {KeyInput{QR: "001099012345|012345678|Nguyễn Văn An|01011999|Nam|Số 1, Phố X, Phường Y, Hà Nội|15042022"}, lds.Key{CAN: "012345", From: lds.FromQR}, ""},
		"mrz":       {KeyInput{MRZ: "IDVNM0990123459001099012345<<0\n9901018M3901016VNM<<<<<<<<<<<0\nNGUYEN<<VAN<AN<<<<<<<<<<<<<<<<"}, lds.Key{From: lds.FromMRZ}, ""},
		"document":  {KeyInput{DocumentNumber: "099012345", DateOfBirth: "1999-01-01", ExpiresAt: "2039-01-01"}, lds.Key{From: lds.FromDocument}, ""},
		"malformed": {KeyInput{CAN: "12345"}, lds.Key{}, catalog.KeyMalformed},
		"two":       {KeyInput{CAN: "012345", Number: "001099012345"}, lds.Key{}, catalog.BadRequest},
		"a bank's":  {KeyInput{QR: "00020101021238570010A000000727"}, lds.Key{}, catalog.QRForeign},
	} {
		t.Run(name, func(t *testing.T) {
			k, err := ParseKey(tt.in)
			if tt.id == "" && err != nil || tt.id != "" && (err == nil || Explain(err).ID != tt.id) {
				t.Fatal(err)
			}
			if k.From != tt.want.From || tt.want.CAN != "" && k.CAN != tt.want.CAN {
				t.Errorf("from %s", k.From)
			}
			if (k.From == lds.FromMRZ || k.From == lds.FromDocument) != (k.MRZ != nil && k.CAN == "") && k.From != "" && k.From != lds.FromNumber && k.From != lds.FromQR {
				t.Errorf("key from %s", k.From)
			}
		})
	}
}

// FuzzParseKey: whatever a client calls a key, the answer is a key or an error that does not hold it.
func FuzzParseKey(f *testing.F) {
	f.Add("012345", "", "", "", "", "", "")
	f.Add("", "IDVNM0990123459001099012345<<0\n9901018M3901016VNM<<<<<<<<<<<0\nNGUYEN<<VAN<AN<<<<<<<<<<<<<<<<", "", "", "", "", "")
	f.Add("", "", "001099012345|012345678|Nguyễn Văn An|01011999|Nam|Số 1|15042022", "", "", "", "")
	f.Add("", "", "", "001099012345", "", "1999-01-01", "2039-01-01")
	f.Add("", "", "", "", "099012345", "1999-01-01", "2039-01-01")
	f.Fuzz(func(t *testing.T, can, mrz, qr, number, document, birth, expiry string) {
		in := KeyInput{can, mrz, qr, number, document, birth, expiry}
		k, err := ParseKey(in)
		if err == nil {
			if k.Empty() && in != (KeyInput{}) {
				t.Error("an empty key of a key that was given")
			}
			return
		}
		e := Explain(err)
		if e.ID != catalog.BadRequest && e.ID != catalog.KeyMalformed && e.ID != catalog.QRForeign {
			t.Error(e.ID)
		}
		for _, d := range e.Detail {
			for _, secret := range []string{can, mrz, qr, number, document} {
				if s, _ := d.(string); len(secret) > 12 && strings.Contains(s, secret) {
					t.Error("the key is in the error")
				}
			}
		}
	})
}

func TestSuppliedEligibilityIsBounded(t *testing.T) {
	long := strings.Repeat("x", 5000)
	for field, change := range map[string]func(*insurance.Eligibility){
		"eligibility.text":        func(e *insurance.Eligibility) { e.Text = long },
		"eligibility.card.code":   func(e *insurance.Eligibility) { e.Card = &insurance.Card{Code: long} },
		"eligibility.route":       func(e *insurance.Eligibility) { e.Route = &insurance.Route{Reason: long} },
		"eligibility.differences": func(e *insurance.Eligibility) { e.Differences = make([]insurance.Difference, 33) },
	} {
		r := chipRequest("j1")
		r.Insurance, r.Eligibility = "supplied", &insurance.Eligibility{State: insurance.Eligible}
		change(r.Eligibility)
		if e := r.check(stateCards); e == nil || e.Detail["field"] != field {
			t.Errorf("%s: %v", field, e)
		}
	}
}

// TestAnEndThatGoesWrong: even where putting the result together panics, the job ends, its reader is free, and the engine lives.
func TestAnEndThatGoesWrong(t *testing.T) {
	var broken atomic.Bool
	inBench(t, []string{"A"}, func(c *Config, _ *bench) {
		c.Now = func() time.Time {
			if broken.Load() {
				panic("no clock")
			}
			return time.Now()
		}
	}, func(t *testing.T, b *bench) {
		c := b.attach(his)
		card := an()
		card.at = map[string]func(context.Context) error{"portrait": func(context.Context) error {
			broken.Store(true)
			return errors.New("surprise")
		}}
		b.desk.put("A", card)
		c.start(chipRequest("j1"))
		r := c.result("j1")
		broken.Store(false)
		if failure(r) != catalog.Internal || len(r.Next) == 0 || r.Recorded {
			t.Errorf("%+v", r)
		}
		b.desk.put("A", an())
		c.start(chipRequest("j2"))
		if r := c.result("j2"); r.State != Complete {
			t.Error("next job:", r.State, failure(r))
		}
	})
}

// TestTooMuchForTheBook: what cannot be given to a hanging book is bounded, and what is lost is counted.
func TestTooMuchForTheBook(t *testing.T) {
	inBench(t, nil, nil, func(t *testing.T, b *bench) {
		for range maxCatchUp + 7 {
			b.e.later(write{attempt: &journal.Attempt{}})
		}
		if waiting, lost := b.e.Unwritten(); waiting != maxCatchUp || lost != 7 {
			t.Error(waiting, lost)
		}
	})
}

func TestTimeoutsOfTheRequest(t *testing.T) {
	inBench(t, []string{"A"}, func(c *Config, _ *bench) {
		c.Insurer = insurer(func(ctx context.Context, _ insurance.Request) (insurance.Eligibility, error) {
			<-ctx.Done()
			return insurance.Eligibility{}, ctx.Err()
		})
	}, func(t *testing.T, b *bench) {
		c := b.attach(his)
		r := chipRequest("j1")
		r.Key, r.Timeouts = nil, &Timeouts{NeedMs: 7000}
		b.desk.put("A", an())
		began := time.Now()
		c.start(r)
		if r := c.result("j1"); failure(r) != catalog.KeyMissing || time.Since(began).Round(time.Second) != 7*time.Second {
			t.Error(failure(r), time.Since(began))
		}
		r = chipRequest("j2")
		r.Timeouts = &Timeouts{InsuranceMs: 1000}
		c.start(r)
		b.desk.put("A", an())
		if r := c.result("j2"); r.Eligibility.State != insurance.Pending || r.Timings.EligibilityMs != 1400 {
			t.Errorf("%+v", r)
		}
	})
}

// TestTheOwnerHearsOfThePersonFirst: an insurer that answers at once is not quicker than the identity.
func TestTheOwnerHearsOfThePersonFirst(t *testing.T) {
	inBench(t, []string{"A"}, func(c *Config, b *bench) {
		c.Insurer = insurer(func(context.Context, insurance.Request) (insurance.Eligibility, error) {
			return insurance.Eligibility{State: insurance.Eligible}, nil
		})
		b.book.fail = func(_ context.Context, entry any) error {
			if _, signer := entry.(string); signer {
				time.Sleep(100 * time.Millisecond)
			}
			return nil
		}
	}, func(t *testing.T, b *bench) {
		c := b.attach(his)
		b.desk.put("A", an())
		c.start(chipRequest("j1"))
		c.result("j1")
		for _, ev := range c.of("j1") {
			if ev.Method != EventPartial {
				continue
			}
			if r := decode[Result](t, ev); r.Identity == nil || r.Eligibility != nil {
				t.Errorf("first partial: %+v", r)
			}
			break
		}
	})
}

// TestProgressIsForEyes: however often a read tells how far it is, a client hears it some twenty times a second.
func TestProgressIsForEyes(t *testing.T) {
	inBench(t, []string{"A"}, func(c *Config, _ *bench) {
		c.Read = func(ctx context.Context, tr access.Transmitter, o icao.Options) (*icao.Document, error) {
			for i := range 1000 {
				o.OnProgress(icao.Progress{Phase: icao.PhasePortrait, Percent: i / 10})
				time.Sleep(2 * time.Millisecond)
			}
			return nil, lds.ErrCardUnsupported
		}
	}, func(t *testing.T, b *bench) {
		c := b.attach(his)
		b.desk.put("A", an())
		c.start(chipRequest("j1"))
		c.result("j1")
		n := 0
		for _, ev := range c.of("j1") {
			if ev.Method == EventProgress {
				n++
			}
		}
		if n < 30 || n > 45 { // of two seconds
			t.Error(n, "events")
		}
	})
}

// TestEachPartOfTheRecordCounts: a check-in is recorded only if everything of it is.
func TestEachPartOfTheRecordCounts(t *testing.T) {
	for name, refuse := range map[string]func(entry any) bool{
		"disclosure": func(e any) bool { _, ok := e.(journal.Disclosure); return ok },
		"attempt":    func(e any) bool { _, ok := e.(journal.Attempt); return ok },
		"look-up":    func(e any) bool { _, ok := e.(journal.Lookup); return ok },
		"check-in":   func(e any) bool { _, ok := e.(journal.Checkin); return ok },
	} {
		t.Run(name, func(t *testing.T) {
			inBench(t, []string{"A"}, func(c *Config, b *bench) {
				c.Insurer = insurer(func(context.Context, insurance.Request) (insurance.Eligibility, error) {
					return insurance.Eligibility{}, insurance.ErrUnreachable
				})
				b.book.fail = func(_ context.Context, entry any) error {
					if refuse(entry) {
						return journal.ErrUnwritable
					}
					return nil
				}
			}, func(t *testing.T, b *bench) {
				c := b.attach(his)
				b.desk.put("A", an())
				c.start(chipRequest("j1"))
				if r := c.result("j1"); r.State != Complete || r.Recorded || r.Eligibility.State != insurance.Pending {
					t.Errorf("%+v", r)
				}
			})
		})
	}
}
