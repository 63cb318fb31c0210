package checkin

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tapcheck/tapcheck/agent/catalog"
	"github.com/tapcheck/tapcheck/agent/catalog/catalogtest"
	"github.com/tapcheck/tapcheck/agent/journal"
	"github.com/tapcheck/tapcheck/icao/access"
	"github.com/tapcheck/tapcheck/icao/lds"
	"github.com/tapcheck/tapcheck/insurance"
	"github.com/tapcheck/tapcheck/reader"
)

// TestEveryIDIsProvoked goes through the whole catalogue: each id that the engine can say is said here, for the reason that
// it stands for; catalogtest says of each other whose tests provoke it, and holds those to it. An id that is new in the
// catalogue fails until somebody has decided.
func TestEveryIDIsProvoked(t *testing.T) {
	// Explained for programs without an engine; the engine itself answers with recorded: false and never fails for it.
	explained := map[catalog.ID]error{catalog.JournalRefused: fmt.Errorf("check-in: %w", journal.ErrUnwritable)}

	type script = func(b *bench, c *client) catalog.ID
	refused := func(change func(*Request), rights Rights) script { // of checkin.start
		return func(b *bench, c *client) catalog.ID {
			r := chipRequest("j1")
			change(&r)
			_, err := b.e.Start(context.Background(), his, rights, catalog.VI, r)
			return idOf(err)
		}
	}
	ends := func(before func(b *bench), r Request) script { // a job
		return func(b *bench, c *client) catalog.ID {
			before(b)
			c.start(r)
			return failure(c.result(r.JobID))
		}
	}
	reads := func(err error) script { // a job by what the reading says, again and again
		return ends(func(b *bench) {
			card := an()
			card.at = map[string]func(context.Context) error{"access": func(context.Context) error { return err }}
			b.desk.put("A", card)
		}, chipRequest("j1"))
	}
	needs := func(before func(b *bench)) script { // a need by its cause
		return func(b *bench, c *client) catalog.ID {
			before(b)
			c.start(chipRequest("j1"))
			time.Sleep(time.Second)
			synctest.Wait()
			if n := c.status("j1").Need; n != nil {
				return causeOf(n)
			}
			return ""
		}
	}
	asks := func(err error) script { // a look-up by the reason of its eligibility
		return func(b *bench, c *client) catalog.ID {
			b.refusal = err
			c.start(byNumber("j1"))
			return catalog.ID(c.result("j1").Eligibility.Reason)
		}
	}
	nothing := func(*bench) {}
	no := false
	impatient := chipRequest("j1")
	impatient.Wait = &no
	expecting := chipRequest("j1")
	expecting.Expect = &Expect{Number: "001188054321"}
	keyless := chipRequest("j1")
	keyless.Key = nil
	wrong := chipRequest("j1")
	wrong.Key = &KeyInput{CAN: "999999"}

	scripts := map[catalog.ID]script{
		catalog.BadRequest:     refused(func(r *Request) { r.JobID = "" }, all),
		catalog.Forbidden:      refused(func(*Request) {}, Rights{}),
		catalog.KeyMalformed:   refused(func(r *Request) { r.Key.CAN = "1" }, all),
		catalog.PaperQRForeign: refused(func(r *Request) { r.Means, r.Key = MeansPaperCard, &KeyInput{QR: "https://example.org"} }, all),
		catalog.PaperQRMissing: ends(nothing, Request{JobID: "j1", Means: MeansPaperCard}),
		catalog.QRForeign:      refused(func(r *Request) { r.Key = &KeyInput{QR: "https://example.org"} }, all),
		catalog.JobIDTaken: func(b *bench, c *client) catalog.ID {
			c.start(chipRequest("j1"))
			return refused(func(r *Request) { r.Desk = "other" }, all)(b, c)
		},
		catalog.TooManyJobs: func(b *bench, c *client) catalog.ID {
			for i := range 8 {
				c.start(chipRequest(fmt.Sprint("before", i)))
			}
			return refused(func(*Request) {}, all)(b, c)
		},
		catalog.JobUnknown: func(b *bench, c *client) catalog.ID {
			return idOf(second(b.e.Status(context.Background(), his, "none")))
		},
		catalog.JobNotWaiting: func(b *bench, c *client) catalog.ID {
			c.start(chipRequest("j1"))
			return c.provide(Provision{JobID: "j1", Key: &KeyInput{CAN: "012345"}})
		},
		catalog.NeedExpired: func(b *bench, c *client) catalog.ID {
			b.desk.put("A", an())
			b.desk.put("B", binh())
			return ends(nothing, chipRequest("j1"))(b, c)
		},
		catalog.Cancelled: func(b *bench, c *client) catalog.ID {
			c.start(chipRequest("j1"))
			b.e.Cancel(context.Background(), his, "j1")
			return failure(c.result("j1"))
		},
		catalog.AgentStopping: func(b *bench, c *client) catalog.ID {
			c.start(chipRequest("j1"))
			b.e.Close(context.Background())
			return failure(c.result("j1"))
		},
		catalog.Internal: reads(fmt.Errorf("surprise")),

		catalog.CheckinUnfinished: func(b *bench, c *client) catalog.ID {
			c.start(chipRequest("j1"))
			return idOf(second(b.e.Void(context.Background(), his, VoidRequest{JobID: "j1", Reason: "test"})))
		},
		catalog.CheckinVoid: func(b *bench, c *client) catalog.ID {
			c.start(byNumber("j1"))
			c.result("j1")
			if _, err := b.e.Void(context.Background(), his, VoidRequest{JobID: "j1", Reason: "test"}); err != nil {
				return idOf(err)
			}
			return idOf(second(b.e.Link(context.Background(), his, LinkRequest{JobID: "j1", Visit: &Visit{MaLK: "LK1"}})))
		},
		catalog.JournalUnreadable: func(b *bench, c *client) catalog.ID {
			b.book.fail = func(context.Context, any) error { return journal.ErrUnwritable }
			return idOf(second(b.e.Link(context.Background(), his, LinkRequest{JobID: "yesterday", Visit: &Visit{MaLK: "LK1"}})))
		},

		catalog.KeyMissing:    ends(func(b *bench) { b.desk.put("A", an()) }, keyless),
		catalog.KeyRejected:   ends(func(b *bench) { b.desk.put("A", an()) }, wrong),
		catalog.KeyUnsuitable: reads(lds.ErrKeyUnsuitable),

		catalog.NoCard:      ends(nothing, impatient),
		catalog.CardTimeout: ends(nothing, chipRequest("j1")),
		catalog.CardRemoved: func(b *bench, c *client) catalog.ID {
			card := an()
			card.at = map[string]func(context.Context) error{"chip": func(context.Context) error { b.desk.lift("A"); return nil }}
			return ends(func(b *bench) { b.desk.put("A", card) }, chipRequest("j1"))(b, c)
		},
		catalog.OtherCard: func(b *bench, c *client) catalog.ID {
			card := an()
			card.at = map[string]func(context.Context) error{"chip": func(context.Context) error { b.desk.put("A", binh()); return nil }}
			return ends(func(b *bench) { b.desk.put("A", card) }, chipRequest("j1"))(b, c)
		},
		catalog.ReturnCard: func(b *bench, c *client) catalog.ID {
			b.desk.put("A", an())
			c.start(chipRequest("before"))
			c.result("before")
			return ends(nothing, chipRequest("j1"))(b, c)
		},
		catalog.PersonUnexpected: ends(func(b *bench) { b.desk.put("A", an()) }, expecting),
		catalog.CardMute:         needs(func(b *bench) { b.desk.change(func() { i := b.desk.at("A"); i.State, i.Insertion = reader.Mute, 1 }) }),
		catalog.CardReset:        reads(reader.ErrCardReset),
		catalog.CardUnsupported:  reads(lds.ErrCardUnsupported),
		catalog.CardProtocol:     reads(&lds.StatusError{Op: "SELECT", SW: 0x6F00, Err: lds.ErrProtocol}),
		catalog.AccessFailed:     reads(lds.ErrAccessFailed),
		catalog.SecureMessaging:  reads(lds.ErrSecureMessaging),
		catalog.FileMalformed:    reads(&lds.FileError{File: lds.SOD, Err: lds.ErrMalformed}),
		catalog.FileTooLarge:     reads(&lds.FileError{File: lds.SOD, Err: lds.ErrTooLarge}),
		catalog.FileAbsent:       reads(&lds.FileError{File: lds.DG(1), Err: lds.ErrFileAbsent}),
		catalog.DataInconsistent: reads(lds.ErrInconsistent),

		catalog.ReaderAbsent: needs(func(b *bench) { b.desk.unplug("A"); b.desk.unplug("B") }),
		catalog.ReaderBusy:   needs(func(b *bench) { b.desk.state("A", reader.Busy); b.desk.state("B", reader.Absent) }),
		catalog.ReaderStuck:  reads(reader.ErrReaderStuck),
		catalog.ReaderFault:  reads(access.ErrShortResponse),
		catalog.PCSCStopped:  needs(func(b *bench) { b.desk.service(reader.ErrServiceStopped) }),

		catalog.InsuranceUnreachable: asks(insurance.ErrUnreachable),
		catalog.InsuranceRejected:    asks(insurance.ErrRejected),
		catalog.InsuranceGarbage:     asks(insurance.ErrGarbage),
		catalog.InsuranceRequest:     asks(insurance.ErrRequest),
	}
	for _, entry := range catalog.Entries() {
		_, ours := scripts[entry.ID]
		_, says := explained[entry.ID]
		if theirs := catalogtest.Elsewhere(entry.ID); !ours && !theirs && !says || ours && says {
			t.Errorf("%s: it is not decided whose it is", entry.ID)
		}
	}
	for id, err := range explained {
		if got := Explain(err).ID; got != id {
			t.Errorf("%v is called %s", err, got)
		}
	}
	for _, m := range meanings {
		if _, says := explained[m.id]; scripts[m.id] == nil && !says {
			t.Errorf("%v means %s, and nothing provokes that", m.err, m.id)
		}
	}
	for _, id := range slices.Sorted(maps.Keys(scripts)) {
		t.Run(string(id), func(t *testing.T) {
			inBench(t, []string{"A", "B"}, func(c *Config, b *bench) {
				c.Insurer = insurer(func(context.Context, insurance.Request) (insurance.Eligibility, error) {
					return insurance.Eligibility{State: insurance.Eligible}, b.refusal
				})
			}, func(t *testing.T, b *bench) {
				if got := scripts[id](b, b.attach(his)); got != id {
					t.Errorf("got %q", got)
				}
			})
		})
	}
}

func idOf(err error) catalog.ID {
	if e := Explain(err); e != nil {
		return e.ID
	}
	return ""
}
