package checkin

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"

	"github.com/tapcheck/tapcheck/agent/catalog"
	"github.com/tapcheck/tapcheck/agent/journal"
	"github.com/tapcheck/tapcheck/icao"
	"github.com/tapcheck/tapcheck/icao/access"
	"github.com/tapcheck/tapcheck/icao/lds"
	"github.com/tapcheck/tapcheck/insurance"
	"github.com/tapcheck/tapcheck/reader"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestTapToResult(t *testing.T) {
	inBench(t, []string{"A"}, nil, func(t *testing.T, b *bench) {
		c := b.attach(his)
		if a := c.start(chipRequest("j1")); a.State != Waiting || a.JobID != "j1" || len(a.CheckinID) != 26 {
			t.Fatalf("accepted: %+v", a)
		}
		if got := c.need("j1"); got != NeedInsertCard {
			t.Fatalf("need: %q", got)
		}
		b.desk.put("A", an())
		r := c.result("j1")

		if r.State != Complete || !r.Recorded || r.Reader != "virtual" || failure(r) != "" {
			t.Errorf("result: %+v", r)
		}
		want := &lds.Identity{
			Number: "001099012345", FullName: "Nguyễn Văn An", DateOfBirth: "1999-01-01", Sex: "male", Nationality: "VNM",
			Residence: "Số 1, Phố X, Phường Y, Hà Nội", DocumentNumber: "099012345", IssuedAt: "2022-04-15", ExpiresAt: "2039-01-01",
			Source: map[string]string{"fullName": "dg13"},
		}
		if d := cmp.Diff(want, r.Identity); d != "" {
			t.Error("default fields:", d)
		}
		wantClaim := map[string]string{
			"HO_TEN": "Nguyễn Văn An", "SO_CCCD": "001099012345", "NGAY_SINH": "199901010000", "GIOI_TINH": "1", "DIA_CHI": "Số 1, Phố X, Phường Y, Hà Nội",
			"MA_THE_BHYT": "GD4010123456789", "MA_DKBD": "01004", "GT_THE_TU": "20260101", "GT_THE_DEN": "20261231",
		}
		if d := cmp.Diff(wantClaim, r.Claim); d != "" {
			t.Error("claim:", d)
		}
		if r.Portrait == nil || string(r.Portrait.Data) != "jpeg of photo of An" {
			t.Errorf("portrait: %+v", r.Portrait)
		}
		if d := cmp.Diff([]string{catalog.StepProceed, catalog.StepComparePhoto, catalog.StepReturnCard}, stepIDs(r)); d != "" {
			t.Error("steps:", d)
		}
		if d := cmp.Diff([]string{catalog.WarnVirtualReader, catalog.WarnSignerNew}, warningsOf(r)); d != "" {
			t.Error("warnings:", d)
		}
		if s := r.Verdicts.PassiveAuthentication.Signer; s.SeenBefore == nil || *s.SeenBefore != 0 {
			t.Errorf("signer: %+v", s)
		}
		if r.Verdicts.Face != (FaceVerdict{Status: lds.NotDone, Reason: lds.ReasonSwitchedOff}) {
			t.Errorf("face: %+v", r.Verdicts.Face)
		}
		// Access and identity are two steps; the look-up takes 300 ms and runs beside the chip and the photo.
		if d := cmp.Diff(Timings{IdentityMs: 400, EligibilityMs: 700, CompleteMs: 1200}, r.Timings); d != "" {
			t.Error("timings:", d)
		}

		var story []string
		seq, percent := 0, 0
		for _, ev := range c.of("j1") {
			s := decode[struct {
				Seq         int
				Phase       Phase
				Percent     int
				Need        string
				Identity    *lds.Identity
				Portrait    *Picture
				State       State
				Eligibility *insurance.Eligibility
			}](t, ev)
			if s.Seq <= seq {
				t.Errorf("%s has seq %d after %d", ev.Method, s.Seq, seq)
			}
			seq = s.Seq
			word := strings.TrimPrefix(ev.Method, "job.")
			switch ev.Method {
			case EventProgress:
				if s.Percent < percent {
					t.Errorf("percent goes back from %d to %d", percent, s.Percent)
				}
				percent = s.Percent
				word = string(s.Phase)
				if len(story) > 0 && story[len(story)-1] == word {
					continue
				}
			case EventNeeds:
				word = s.Need
			case EventPartial:
				word = fmt.Sprintf("partial%v%v%v", s.Identity != nil, s.Portrait != nil, s.Eligibility != nil)
			}
			story = append(story, word)
		}
		wantStory := []string{
			"insert_card", "connecting", "access", "identity", "partialtruefalsefalse", "chip", "partialtruefalsefalse",
			"portrait", "partialtruefalsetrue", "portrait", "partialtruetruetrue", "insurance", "done", "result",
		}
		if d := cmp.Diff(wantStory, story); d != "" {
			t.Error("events:", d)
		}

		// The book: each kind of word is on record before it leaves, the check-in before its result.
		var kinds []string
		for _, e := range b.book.entries {
			switch e := e.(type) {
			case journal.Disclosure:
				kinds = append(kinds, e.To+": "+strings.Join(e.Fields, ","))
			case journal.Attempt:
				kinds = append(kinds, "attempt "+e.Outcome+" "+e.Code+" "+e.Insurer+": "+strings.Join(e.Fields, ","))
			case journal.Answer:
				kinds = append(kinds, "answer "+string(e.Body))
			case journal.Checkin:
				kinds = append(kinds, "checkin "+e.State)
				var rec record
				if err := json.Unmarshal(e.Body, &rec); err != nil || rec.Result.Identity == nil || rec.Result.Portrait != nil || rec.Question.FullName == "" {
					t.Errorf("record: %v %+v", err, rec)
				}
			}
		}
		wantKinds := []string{
			"https://his.example 1: dateOfBirth,documentNumber,expiresAt,fullName,issuedAt,nationality,number,residence,sex",
			"fake: dateOfBirth,fullName,number,sex", "attempt answered 000 fake: dateOfBirth,fullName,number,sex", `answer {"maKetQua":"000"}`,
			"https://his.example 1: eligibility", "https://his.example 1: portrait", "checkin complete",
		}
		if d := cmp.Diff(wantKinds, kinds); d != "" {
			t.Error("book:", d)
		}
	})
}

func TestDisclosureIsOnRecordFirst(t *testing.T) {
	var c *client
	early := false
	inBench(t, []string{"A"}, func(cfg *Config, b *bench) {
		b.book.fail = func(ctx context.Context, entry any) error {
			if d, ok := entry.(journal.Disclosure); ok && d.To == his.String() && d.Fields[0] == "dateOfBirth" {
				time.Sleep(100 * time.Millisecond) // a slow disk
				c.mu.Lock()
				defer c.mu.Unlock()
				for _, e := range c.events {
					early = early || strings.Contains(string(e.Params), "Nguyễn")
				}
			}
			return nil
		}
	}, func(t *testing.T, b *bench) {
		c = b.attach(his)
		b.desk.put("A", an())
		c.start(chipRequest("j1"))
		if r := c.result("j1"); r.State != Complete || early {
			t.Errorf("state %s, words before their disclosure: %v", r.State, early)
		}
	})
}

// TestNothingUndisclosedLeaves: whatever ends a job between the moment when the person is known and the disclosure, its
// result holds nobody whose disclosure is not on record.
func TestNothingUndisclosedLeaves(t *testing.T) {
	for name, end := range map[string]func(b *bench, c *client){
		"cancelled":      func(b *bench, _ *client) { go b.e.Cancel(context.Background(), his, "j1") },
		"page closed":    func(b *bench, c *client) { c.leave() },
		"agent stopping": func(b *bench, _ *client) { go b.e.Close(context.Background()) },
	} {
		t.Run(name, func(t *testing.T) {
			var c *client
			inBench(t, []string{"A"}, func(cfg *Config, b *bench) {
				cfg.Read = func(ctx context.Context, tr access.Transmitter, o icao.Options) (*icao.Document, error) {
					on := o.OnIdentity
					o.OnIdentity = func(d *icao.Document) error {
						end(b, c)
						<-ctx.Done()
						return on(d)
					}
					return read(ctx, tr, o)
				}
			}, func(t *testing.T, b *bench) {
				c = b.attach(his)
				c.start(chipRequest("j1"))
				b.desk.put("A", an())
				time.Sleep(20 * time.Second)
				s := c.status("j1")
				if s.State != Cancelled || s.Result.Identity != nil || s.Result.Claim != nil {
					t.Errorf("%s with %+v", s.State, s.Result.Identity)
				}
				if n := len(entries[journal.Disclosure](b.book)); n != 0 {
					t.Error(n, "disclosures")
				}
				for _, e := range c.of("j1") {
					if strings.Contains(string(e.Params), "Nguyễn") {
						t.Error(e.Method, "names somebody")
					}
				}
				for _, row := range entries[journal.Checkin](b.book) {
					if strings.Contains(string(row.Body), "Nguyễn") {
						t.Error("the record names somebody")
					}
				}
			})
		})
	}
}

// TestWhoGetsATap plays the rules of protocol.md, each as a little script.
func TestWhoGetsATap(t *testing.T) {
	other := Owner{Client: "https://kiosk.example", Session: "1"}
	no := false
	tests := []struct {
		name    string
		readers []string
		script  func(t *testing.T, b *bench, c *client)
	}{
		{"a card put down before is claimed", []string{"A"}, func(t *testing.T, b *bench, c *client) {
			b.desk.put("A", an())
			time.Sleep(59 * time.Second)
			c.start(chipRequest("j1"))
			if r := c.result("j1"); r.State != Complete {
				t.Error(r.State)
			}
		}},
		{"a card that nobody claimed for a minute has to be put down again", []string{"A"}, func(t *testing.T, b *bench, c *client) {
			b.desk.put("A", an())
			time.Sleep(61 * time.Second)
			c.start(chipRequest("j1"))
			if got := c.need("j1"); got != NeedReturnCard {
				t.Error(got)
			}
			b.desk.lift("A")
			if got := c.need("j1"); got != NeedInsertCard {
				t.Error(got)
			}
			b.desk.put("A", an())
			if r := c.result("j1"); r.State != Complete {
				t.Error(r.State)
			}
		}},
		{"a card that was read never satisfies another job", []string{"A"}, func(t *testing.T, b *bench, c *client) {
			b.desk.put("A", an())
			c.start(chipRequest("j1"))
			c.result("j1")
			c.start(chipRequest("j2"))
			if got := c.need("j2"); got != "return_card/CARD_ALREADY_READ" {
				t.Error(got)
			}
			b.desk.lift("A")
			if got := c.need("j2"); got != NeedInsertCard {
				t.Error(got)
			}
			b.desk.put("A", an())
			if r := c.result("j2"); r.State != Complete {
				t.Error(r.State)
			}
		}},
		{"nor after the service was away, although the card then counts anew", []string{"A"}, func(t *testing.T, b *bench, c *client) {
			b.desk.put("A", an())
			c.start(chipRequest("j1"))
			c.result("j1")
			c.start(chipRequest("j2"))
			synctest.Wait()
			for range 2 { // the second time before anything has settled
				b.desk.service(reader.ErrServiceStopped)
				synctest.Wait()
				b.desk.service(nil)
				if got := c.need("j2"); got != "return_card/CARD_ALREADY_READ" {
					t.Error(got)
				}
			}
		}},
		{"nor after its reader was away", []string{"A", "B"}, func(t *testing.T, b *bench, c *client) {
			b.desk.put("A", an())
			c.start(chipRequest("j1"))
			c.result("j1")
			r := chipRequest("j2")
			r.Reader = "A"
			c.start(r)
			b.desk.unplug("A")
			synctest.Wait()
			b.desk.plug("A")
			if got := c.need("j2"); got != "return_card/CARD_ALREADY_READ" {
				t.Error(got)
			}
			b.desk.state("A", reader.Error)
			synctest.Wait()
			b.desk.plug("A")
			if got := c.need("j2"); got != "return_card/CARD_ALREADY_READ" {
				t.Error(got)
			}
			b.desk.put("A", an())
			if r := c.result("j2"); r.State != Complete {
				t.Error(r.State)
			}
		}},
		{"a card that was lifted while nobody could see it", []string{"A"}, func(t *testing.T, b *bench, c *client) {
			b.desk.put("A", an())
			c.start(chipRequest("j1"))
			c.result("j1")
			b.desk.service(reader.ErrServiceStopped)
			synctest.Wait()
			b.desk.change(func() { delete(b.desk.cards, "A") })
			synctest.Wait()
			b.desk.service(nil)
			time.Sleep(settleTime)
			b.desk.put("A", an())
			c.start(chipRequest("j2"))
			if r := c.result("j2"); r.State != Complete {
				t.Error(r.State)
			}
		}},
		{"a card that nobody claimed for a minute is no new one after the service was away", []string{"A"}, func(t *testing.T, b *bench, c *client) {
			b.desk.put("A", an())
			time.Sleep(61 * time.Second)
			c.start(chipRequest("j1"))
			b.desk.service(reader.ErrServiceStopped)
			synctest.Wait()
			b.desk.service(nil)
			if got := c.need("j1"); got != NeedReturnCard {
				t.Error(got)
			}
		}},
		{"a card whose job was cancelled has had its job", []string{"A"}, func(t *testing.T, b *bench, c *client) {
			b.desk.put("A", an())
			r := chipRequest("j1")
			r.Key = nil
			c.start(r)
			if got := c.need("j1"); got != "key/KEY_MISSING" {
				t.Error(got)
			}
			b.desk.lift("A") // to read the number on it
			b.desk.put("A", an())
			synctest.Wait()
			b.e.Cancel(t.Context(), his, "j1")
			c.start(chipRequest("j2"))
			if got := c.need("j2"); got != "return_card/CARD_ALREADY_READ" {
				t.Error(got)
			}
		}},
		{"jobs are served in the order of their start", []string{"A"}, func(t *testing.T, b *bench, c *client) {
			k := b.attach(other)
			c.start(chipRequest("j1"))
			k.start(chipRequest("j1"))
			c.start(chipRequest("j2"))
			synctest.Wait()
			if d := cmp.Diff([]Owner{his, other, his}, b.e.Waiting()); d != "" {
				t.Error(d)
			}
			if s := k.status("j1"); s.State != Waiting || s.Need != nil {
				t.Errorf("second in line: %+v", s)
			}
			b.desk.put("A", an())
			if r := c.result("j1"); r.State != Complete {
				t.Error(r.State)
			}
			if got := k.need("j1"); got != "return_card/CARD_ALREADY_READ" {
				t.Error(got)
			}
			b.desk.put("A", an())
			if r := k.result("j1"); r.State != Complete {
				t.Error(r.State)
			}
			if s := c.status("j2"); s.State != Needs {
				t.Errorf("third in line: %+v", s)
			}
		}},
		{"two readers serve two jobs", []string{"A", "B"}, func(t *testing.T, b *bench, c *client) {
			r1, r2 := chipRequest("j1"), chipRequest("j2")
			r1.Reader, r2.Reader, r2.Key = "A", "B", &KeyInput{CAN: "054321"}
			c.start(r1)
			c.start(r2)
			b.desk.put("B", binh())
			if r := c.result("j2"); r.State != Complete {
				t.Error(r.State)
			}
			if got := c.need("j1"); got != NeedInsertCard {
				t.Error(got)
			}
		}},
		{"a named reader keeps to it", []string{"A", "B"}, func(t *testing.T, b *bench, c *client) {
			r := chipRequest("j1")
			r.Reader = "B"
			c.start(r)
			b.desk.put("A", binh())
			if got := c.need("j1"); got != NeedInsertCard {
				t.Error(got)
			}
			b.desk.put("B", an())
			if r := c.result("j1"); r.State != Complete {
				t.Error(r.State)
			}
		}},
		{"two cards at once are a question", []string{"A", "B"}, func(t *testing.T, b *bench, c *client) {
			b.desk.put("A", binh())
			b.desk.put("B", an())
			c.start(chipRequest("j1"))
			if got := c.need("j1"); got != NeedChooseReader {
				t.Fatal(got)
			}
			if d := cmp.Diff([]string{"A", "B"}, c.status("j1").Need.Readers); d != "" {
				t.Error(d)
			}
			if got := c.provide(Provision{JobID: "j1", Reader: "C"}); got != catalog.BadRequest {
				t.Error(got)
			}
			if got := c.provide(Provision{JobID: "j1", Reader: "B"}); got != "" {
				t.Error(got)
			}
			if r := c.result("j1"); r.State != Complete || r.Identity.FullName != "Nguyễn Văn An" {
				t.Error(r.State)
			}
		}},
		{"the card that came while the job waited wins over the one that lay there", []string{"A", "B"}, func(t *testing.T, b *bench, c *client) {
			b.desk.put("A", binh())
			synctest.Wait()
			first := chipRequest("hold") // holds reader A's claim open by waiting for B
			first.Reader = "B"
			c.start(first)
			second := chipRequest("j1")
			second.Key = &KeyInput{CAN: "054321"}
			c.start(second)
			if r := c.result("j1"); r.State != Complete || r.Identity.FullName != "Trần Thị Bình" {
				t.Error(r.State)
			}
			if got := c.need("hold"); got != NeedInsertCard {
				t.Error(got)
			}
		}},
		{"what nobody has noticed yet was still there before", []string{"A", "B"}, func(t *testing.T, b *bench, c *client) {
			b.desk.put("A", binh())
			synctest.Wait()
			b.desk.mu.Lock() // the monitor knows, and its word is still on the way
			i := b.desk.at("B")
			i.State, i.Insertion, b.desk.cards["B"] = reader.Card, 1, an()
			b.desk.mu.Unlock()
			c.start(chipRequest("j1"))
			if got := c.need("j1"); got != NeedChooseReader {
				t.Error(got)
			}
		}},
		{"one of two cards lifted answers the question", []string{"A", "B"}, func(t *testing.T, b *bench, c *client) {
			b.desk.put("A", binh())
			b.desk.put("B", an())
			c.start(chipRequest("j1"))
			synctest.Wait()
			b.desk.lift("A")
			if r := c.result("j1"); r.State != Complete {
				t.Error(r.State)
			}
		}},
		{"nobody chooses", []string{"A", "B"}, func(t *testing.T, b *bench, c *client) {
			b.desk.put("A", binh())
			b.desk.put("B", an())
			r := chipRequest("j1")
			r.Wait = &no // waiting for the desk is not waiting for a card
			c.start(r)
			if r := c.result("j1"); failure(r) != catalog.NeedExpired {
				t.Error(failure(r))
			}
		}},
		{"not waiting for a card", []string{"A"}, func(t *testing.T, b *bench, c *client) {
			r := chipRequest("j1")
			r.Wait = &no
			began := time.Now()
			c.start(r)
			if r := c.result("j1"); failure(r) != catalog.NoCard || time.Since(began) > time.Second {
				t.Error(failure(r), time.Since(began))
			}
			for _, e := range c.of("j1") {
				if e.Method == EventNeeds {
					t.Error("asks for a card that it does not wait for")
				}
			}
			b.desk.put("A", an())
			r.JobID = "j2"
			c.start(r)
			if r := c.result("j2"); r.State != Complete {
				t.Error(failure(r))
			}
			r.JobID = "j3"
			c.start(r)
			if r := c.result("j3"); failure(r) != catalog.ReturnCard {
				t.Error(failure(r))
			}
		}},
		{"nobody comes", []string{"A"}, func(t *testing.T, b *bench, c *client) {
			began := time.Now()
			r := chipRequest("j1")
			r.Timeouts = &Timeouts{WaitMs: 30000}
			c.start(r)
			if r := c.result("j1"); failure(r) != catalog.CardTimeout || time.Since(began).Round(time.Second) != 30*time.Second {
				t.Error(failure(r), time.Since(began))
			}
		}},
		{"no reader", nil, func(t *testing.T, b *bench, c *client) {
			c.start(chipRequest("j1"))
			if got := c.need("j1"); got != "insert_card/READER_ABSENT" {
				t.Error(got)
			}
			b.desk.change(func() { b.desk.infos = append(b.desk.infos, reader.Info{ID: "A", State: reader.Empty}) })
			if got := c.need("j1"); got != NeedInsertCard {
				t.Error(got)
			}
			b.desk.put("A", an())
			if r := c.result("j1"); r.State != Complete || r.Reader != "" {
				t.Error(r.State, r.Reader)
			}
		}},
		{"no reader ever", nil, func(t *testing.T, b *bench, c *client) {
			c.start(chipRequest("j1"))
			if r := c.result("j1"); failure(r) != catalog.ReaderAbsent {
				t.Error(failure(r))
			}
		}},
		{"service stopped while waiting", []string{"A"}, func(t *testing.T, b *bench, c *client) {
			c.start(chipRequest("j1"))
			b.desk.service(reader.ErrServiceStopped)
			if got := c.need("j1"); got != "insert_card/PCSC_STOPPED" {
				t.Error(got)
			}
			b.desk.service(nil)
			b.desk.put("A", an())
			if r := c.result("j1"); r.State != Complete {
				t.Error(r.State)
			}
		}},
		{"a mute card", []string{"A"}, func(t *testing.T, b *bench, c *client) {
			c.start(chipRequest("j1"))
			b.desk.change(func() { i := b.desk.at("A"); i.State, i.Insertion = reader.Mute, 1 })
			if got := c.need("j1"); got != "reposition_card/CARD_MUTE" {
				t.Error(got)
			}
			b.desk.lift("A")
			if got := c.need("j1"); got != NeedInsertCard {
				t.Error(got)
			}
			b.desk.put("A", an())
			if r := c.result("j1"); r.State != Complete {
				t.Error(r.State)
			}
		}},
		{"a card that stays mute", []string{"A"}, func(t *testing.T, b *bench, c *client) {
			b.desk.change(func() { i := b.desk.at("A"); i.State, i.Insertion = reader.Mute, 1 })
			c.start(chipRequest("j1"))
			if got := c.need("j1"); got != "reposition_card/CARD_MUTE" {
				t.Error(got)
			}
			if r := c.result("j1"); failure(r) != catalog.CardMute {
				t.Error(failure(r))
			}
		}},
		{"a faulty reader", []string{"A"}, func(t *testing.T, b *bench, c *client) {
			b.desk.state("A", reader.Error)
			c.start(chipRequest("j1"))
			if got := c.need("j1"); got != "insert_card/READER_FAULT" {
				t.Error(got)
			}
		}},
		{"another program has the card", []string{"A"}, func(t *testing.T, b *bench, c *client) {
			b.desk.put("A", an())
			b.desk.state("A", reader.Busy)
			c.start(chipRequest("j1"))
			if got := c.need("j1"); got != "insert_card/READER_BUSY" {
				t.Error(got)
			}
			b.desk.state("A", reader.Card)
			if r := c.result("j1"); r.State != Complete {
				t.Error(r.State)
			}
		}},
		{"waiting behind another until the time is over", []string{"A"}, func(t *testing.T, b *bench, c *client) {
			r := chipRequest("j1")
			r.Timeouts = &Timeouts{WaitMs: 600000}
			c.start(r)
			c.start(chipRequest("j2"))
			if r := c.result("j2"); failure(r) != catalog.ReaderBusy {
				t.Error(failure(r))
			}
		}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			inBench(t, tt.readers, nil, func(t *testing.T, b *bench) { tt.script(t, b, b.attach(his)) })
		})
	}
}

// TestNextPatientDuringLookUp: a reader is free as soon as its card is read, also while the gateway is slow.
func TestNextPatientDuringLookUp(t *testing.T) {
	slow := insurer(func(ctx context.Context, r insurance.Request) (insurance.Eligibility, error) {
		time.Sleep(4 * time.Second)
		return insurance.Eligibility{State: insurance.Eligible}, nil
	})
	inBench(t, []string{"A"}, func(c *Config, _ *bench) { c.Insurer = slow }, func(t *testing.T, b *bench) {
		c := b.attach(his)
		b.desk.put("A", an())
		c.start(chipRequest("j1"))
		time.Sleep(1300 * time.Millisecond)
		if s := c.status("j1"); s.State != Running || s.Phase != PhaseInsurance {
			t.Errorf("%+v", s)
		}
		r := chipRequest("j2")
		r.Key = &KeyInput{CAN: "054321"}
		c.start(r)
		b.desk.put("A", binh())
		time.Sleep(500 * time.Millisecond)
		if s := c.status("j2"); s.Phase == PhaseWaiting {
			t.Errorf("%+v", s)
		}
		if r := c.result("j1"); r.State != Complete || r.Identity.FullName != "Nguyễn Văn An" {
			t.Error(r.State, failure(r))
		}
		if r := c.result("j2"); r.State != Complete || r.Identity.FullName != "Trần Thị Bình" {
			t.Error(r.State, failure(r))
		}
	})
}

// TestOnTheReader plays what can happen to a card between the tap and the result.
func TestOnTheReader(t *testing.T) {
	// at runs something once, when the chip's reading reaches a phase.
	at := func(c *card, phase string, f func(ctx context.Context) error) *card {
		done := false
		if c.at == nil {
			c.at = map[string]func(context.Context) error{}
		}
		c.at[phase] = func(ctx context.Context) error {
			if done {
				return nil
			}
			done = true
			return f(ctx)
		}
		return c
	}
	type script func(t *testing.T, b *bench, c *client)
	tests := map[string]script{
		"no key: it is asked for when the card is there": func(t *testing.T, b *bench, c *client) {
			r := chipRequest("j1")
			r.Key = nil
			c.start(r)
			if got := c.need("j1"); got != NeedInsertCard {
				t.Error(got)
			}
			card := an()
			b.desk.put("A", card)
			if got := c.need("j1"); got != "key/KEY_MISSING" {
				t.Error(got)
			}
			if got := c.provide(Provision{JobID: "j1", Key: &KeyInput{CAN: "12"}}); got != catalog.KeyMalformed {
				t.Error(got)
			}
			if got := c.need("j1"); got != "key/KEY_MISSING" {
				t.Error("need is gone after a malformed key:", got)
			}
			if got := c.provide(Provision{JobID: "j1", Key: &KeyInput{CAN: "012345"}}); got != "" {
				t.Error(got)
			}
			if r := c.result("j1"); r.State != Complete || card.reads != 1 {
				t.Error(r.State, card.reads)
			}
		},
		"the key may come before the card": func(t *testing.T, b *bench, c *client) {
			r := chipRequest("j1")
			r.Key = &KeyInput{}
			c.start(r)
			if got := c.provide(Provision{JobID: "j1", Key: &KeyInput{CAN: "012345"}}); got != "" {
				t.Error(got)
			}
			if got := c.provide(Provision{JobID: "j1", Key: &KeyInput{CAN: "012345"}}); got != catalog.JobNotWaiting {
				t.Error(got)
			}
			b.desk.put("A", an())
			if r := c.result("j1"); r.State != Complete {
				t.Error(r.State)
			}
		},
		"nobody gives a key": func(t *testing.T, b *bench, c *client) {
			r := chipRequest("j1")
			r.Key = nil
			b.desk.put("A", an())
			c.start(r)
			if r := c.result("j1"); failure(r) != catalog.KeyMissing {
				t.Error(failure(r))
			}
		},
		"the card is lifted to read the number on it": func(t *testing.T, b *bench, c *client) {
			r := chipRequest("j1")
			r.Key = nil
			card := an()
			b.desk.put("A", card)
			c.start(r)
			synctest.Wait()
			b.desk.lift("A")
			time.Sleep(30 * time.Second)
			c.provide(Provision{JobID: "j1", Key: &KeyInput{CAN: "012345"}})
			if got := c.need("j1"); got != "insert_card/CARD_REMOVED" {
				t.Error(got)
			}
			time.Sleep(30 * time.Second)
			b.desk.put("A", card)
			if r := c.result("j1"); r.State != Complete {
				t.Error(r.State, failure(r))
			}
		},
		"a wrong key is not tried twice without the desk": func(t *testing.T, b *bench, c *client) {
			r := chipRequest("j1")
			r.Key = &KeyInput{CAN: "111111"}
			card := an()
			b.desk.put("A", card)
			c.start(r)
			time.Sleep(time.Second)
			if got := c.need("j1"); got != "key/KEY_REJECTED" {
				t.Error(got)
			}
			b.desk.lift("A")
			b.desk.put("A", card) // not even when the card is put down again
			time.Sleep(20 * time.Second)
			if d := cmp.Diff([]string{"111111"}, card.keys); d != "" {
				t.Error(d)
			}
			c.provide(Provision{JobID: "j1", Key: &KeyInput{CAN: "012345"}})
			if r := c.result("j1"); r.State != Complete {
				t.Error(r.State, failure(r))
			}
		},
		"three wrong keys are enough": func(t *testing.T, b *bench, c *client) {
			r := chipRequest("j1")
			r.Key = &KeyInput{CAN: "111111"}
			card := an()
			b.desk.put("A", card)
			c.start(r)
			for _, can := range []string{"222222", "333333"} {
				time.Sleep(time.Second)
				if got := c.provide(Provision{JobID: "j1", Key: &KeyInput{CAN: can}}); got != "" {
					t.Error(got)
				}
			}
			r2 := c.result("j1")
			if failure(r2) != catalog.KeyRejected || len(card.keys) != 3 {
				t.Error(failure(r2), card.keys)
			}
			if r2.Error.Detail["sw"] != "6300" {
				t.Error(r2.Error.Detail)
			}
		},
		"a rejected key that nobody corrects": func(t *testing.T, b *bench, c *client) {
			r := chipRequest("j1")
			r.Key = &KeyInput{CAN: "111111"}
			b.desk.put("A", an())
			c.start(r)
			if r := c.result("j1"); failure(r) != catalog.KeyRejected {
				t.Error(failure(r))
			}
		},
		"another person's card tells nothing": func(t *testing.T, b *bench, c *client) {
			r := chipRequest("j1")
			r.Key, r.Expect = &KeyInput{CAN: "054321"}, &Expect{Number: "001099012345"}
			b.desk.put("A", binh())
			c.start(r)
			res := c.result("j1")
			if failure(res) != catalog.PersonUnexpected || res.Identity != nil || res.Verdicts != nil || res.Claim != nil || res.Eligibility != nil {
				t.Errorf("%+v", res)
			}
			for _, e := range c.of("j1") {
				for _, word := range []string{"Bình", "054321", "1988", "CN=Signer"} {
					if strings.Contains(string(e.Params), word) {
						t.Errorf("%s says %s", e.Method, word)
					}
				}
			}
			if n := len(entries[journal.Disclosure](b.book)) + len(entries[journal.Attempt](b.book)); n != 0 {
				t.Error("somebody was told:", n)
			}
		},
		"the expected person": func(t *testing.T, b *bench, c *client) {
			r := chipRequest("j1")
			r.Expect = &Expect{Number: "001 099 012 345"}
			b.desk.put("A", an())
			c.start(r)
			if r := c.result("j1"); r.State != Complete {
				t.Error(failure(r))
			}
		},
		"an unsupported card": func(t *testing.T, b *bench, c *client) {
			b.desk.put("A", at(an(), "access", func(context.Context) error { return lds.ErrCardUnsupported }))
			c.start(chipRequest("j1"))
			if r := c.result("j1"); failure(r) != catalog.CardUnsupported || r.Error.Next == "" || len(r.Next) == 0 {
				t.Errorf("%+v", r)
			}
		},
		"a card whose data were changed": func(t *testing.T, b *bench, c *client) {
			card := an()
			card.err = lds.ErrInconsistent
			card.verdicts.PassiveAuthentication = lds.PassiveVerdict{Status: lds.Failed, Reason: lds.ReasonHashMismatch}
			b.desk.put("A", card)
			c.start(chipRequest("j1"))
			r := c.result("j1")
			if failure(r) != catalog.DataInconsistent || r.Identity != nil || r.Verdicts.PassiveAuthentication.Reason != lds.ReasonHashMismatch {
				t.Errorf("%+v", r)
			}
			if r.Verdicts.ChipAuthentication.Status != lds.NotDone || r.Verdicts.ChipAuthentication.Reason != lds.ReasonNotReached {
				t.Errorf("a verdict without a status: %+v", r.Verdicts)
			}
			if d := cmp.Diff([]string{catalog.StepCallSupervisor}, stepIDs(r)); d != "" {
				t.Error(d)
			}
		},
		"lifted too early and put back": func(t *testing.T, b *bench, c *client) {
			card := an()
			b.desk.put("A", at(card, "portrait", func(context.Context) error { b.desk.lift("A"); return nil }))
			c.start(chipRequest("j1"))
			time.Sleep(1500 * time.Millisecond)
			if got := c.need("j1"); got != "reposition_card/CARD_REMOVED" {
				t.Error(got)
			}
			time.Sleep(8 * time.Second)
			b.desk.put("A", card)
			r := c.result("j1")
			if r.State != Complete || r.Portrait == nil {
				t.Error(r.State, failure(r))
			}
			if n := len(entries[journal.Disclosure](b.book)); n != 4 { // identity, the insurer's question, eligibility, portrait: each once
				t.Error("disclosures:", n)
			}
			if b.book.seen["ab01"] != 1 {
				t.Error("one card counts its signer", b.book.seen["ab01"], "times")
			}
		},
		"lifted and kept away": func(t *testing.T, b *bench, c *client) {
			b.desk.put("A", at(an(), "portrait", func(context.Context) error { b.desk.lift("A"); return nil }))
			began := time.Now()
			c.start(chipRequest("j1"))
			r := c.result("j1")
			if failure(r) != catalog.CardRemoved || time.Since(began) > 13*time.Second {
				t.Error(failure(r), time.Since(began))
			}
			// What was proved stays proved, and the desk can go on.
			if r.Identity == nil || r.Eligibility == nil || !slices.Contains(stepIDs(r), catalog.StepProceed) {
				t.Errorf("%+v", r)
			}
		},
		"lifted before anything was read": func(t *testing.T, b *bench, c *client) {
			card := an()
			b.desk.put("A", at(card, "access", func(context.Context) error { b.desk.lift("A"); return nil }))
			c.start(chipRequest("j1"))
			time.Sleep(time.Second)
			b.desk.put("A", card)
			if r := c.result("j1"); r.State != Complete {
				t.Error(r.State, failure(r))
			}
		},
		"another card comes back": func(t *testing.T, b *bench, c *client) {
			wrong := binh()
			wrong.can = "012345"
			b.desk.put("A", at(an(), "portrait", func(context.Context) error { b.desk.lift("A"); return nil }))
			c.start(chipRequest("j1"))
			time.Sleep(2 * time.Second)
			b.desk.put("A", wrong)
			time.Sleep(time.Second)
			if got := c.need("j1"); got != "reposition_card/OTHER_CARD" {
				t.Error(got)
			}
			r := c.result("j1")
			if took := r.FinishedAt.Sub(r.StartedAt); took > 12*time.Second {
				t.Error("the wrong card bought the right one more time:", took)
			}
			if failure(r) != catalog.OtherCard || r.Identity == nil || r.Identity.FullName != "Nguyễn Văn An" {
				t.Error(failure(r), r.Identity)
			}
		},
		"another card with another key comes back, then the right one": func(t *testing.T, b *bench, c *client) {
			card := an()
			b.desk.put("A", at(card, "portrait", func(context.Context) error { b.desk.lift("A"); return nil }))
			c.start(chipRequest("j1"))
			time.Sleep(2 * time.Second)
			b.desk.put("A", binh())
			time.Sleep(time.Second)
			if got := c.need("j1"); got != "reposition_card/OTHER_CARD" {
				t.Error(got)
			}
			b.desk.put("A", card)
			if r := c.result("j1"); r.State != Complete || r.Identity.FullName != "Nguyễn Văn An" {
				t.Error(failure(r))
			}
		},
		"another person comes back with the first one's signature": func(t *testing.T, b *bench, c *client) {
			forged := binh()
			forged.can, forged.sod = "012345", "SOD of 001099012345"
			b.desk.put("A", at(an(), "portrait", func(context.Context) error { b.desk.lift("A"); return nil }))
			c.start(chipRequest("j1"))
			time.Sleep(2 * time.Second)
			b.desk.put("A", forged)
			if r := c.result("j1"); failure(r) != catalog.OtherCard || r.Identity.FullName != "Nguyễn Văn An" {
				t.Error(failure(r), r.Identity)
			}
		},
		"another person comes back with a card that takes no such key": func(t *testing.T, b *bench, c *client) {
			for i, refusal := range []error{lds.ErrKeyUnsuitable, lds.ErrKeyMissing, lds.ErrKeyRejected} {
				id := fmt.Sprint("j", i)
				b.desk.put("A", at(an(), "chip", func(context.Context) error { b.desk.lift("A"); return nil }))
				c.start(chipRequest(id))
				time.Sleep(2 * time.Second)
				if got := c.need(id); got != "reposition_card/CARD_REMOVED" {
					t.Error(got)
				}
				forged := an()
				forged.can, forged.sod, forged.identity.FullName = "777777", "forged", "Kẻ Mạo Danh"
				b.desk.put("A", at(forged, "access", func(context.Context) error { return refusal }))
				time.Sleep(time.Second)
				if got := c.need(id); got != "reposition_card/OTHER_CARD" {
					t.Error(refusal, got)
				}
				if got := c.provide(Provision{JobID: id, Key: &KeyInput{CAN: "777777"}}); got != catalog.JobNotWaiting {
					t.Error(refusal, got)
				}
				if r := c.result(id); failure(r) != catalog.OtherCard || r.Identity.FullName != "Nguyễn Văn An" {
					t.Error(refusal, failure(r), r.Identity)
				}
			}
		},
		"the right card is lifted again before its EF.SOD, then another one comes": func(t *testing.T, b *bench, c *client) {
			card, forged := an(), an()
			forged.sod, forged.identity.FullName = "forged", "Kẻ Mạo Danh"
			b.desk.put("A", at(card, "portrait", func(context.Context) error { b.desk.lift("A"); return nil }))
			c.start(chipRequest("j1"))
			time.Sleep(2 * time.Second)
			synctest.Wait()
			b.desk.put("A", at(card, "access", func(context.Context) error { b.desk.lift("A"); return nil }))
			time.Sleep(time.Second)
			b.desk.put("A", forged)
			if r := c.result("j1"); failure(r) != catalog.OtherCard || r.Identity.FullName != "Nguyễn Văn An" || r.Portrait != nil {
				t.Error(failure(r), r.Identity)
			}
		},
		"lifted twice before anybody is known, then another card comes": func(t *testing.T, b *bench, c *client) {
			card, wrong := an(), binh()
			wrong.can = "012345"
			lift := func(context.Context) error { b.desk.lift("A"); return nil }
			b.desk.put("A", at(card, "identity", lift)) // its EF.SOD is known
			c.start(chipRequest("j1"))
			time.Sleep(time.Second)
			synctest.Wait()
			b.desk.put("A", at(card, "access", lift))
			time.Sleep(time.Second)
			if got := c.need("j1"); got != "reposition_card/CARD_REMOVED" {
				t.Error(got)
			}
			b.desk.put("A", wrong)
			if r := c.result("j1"); failure(r) != catalog.OtherCard || r.Identity != nil {
				t.Error(failure(r), r.Identity)
			}
		},
		"a copy whose signed data are the first one's, and what it says is not": func(t *testing.T, b *bench, c *client) {
			for i, change := range []func(*lds.Identity){
				func(i *lds.Identity) { i.FullName = "Kẻ Mạo Danh" }, func(i *lds.Identity) { i.DateOfBirth = "1950-01-01" }, func(i *lds.Identity) { i.NoExpiry = true },
			} {
				id := fmt.Sprint("j", i)
				copied := an()
				change(&copied.identity)
				b.desk.put("A", at(an(), "portrait", func(context.Context) error { b.desk.lift("A"); return nil }))
				c.start(chipRequest(id))
				time.Sleep(2 * time.Second)
				b.desk.put("A", copied)
				if r := c.result(id); failure(r) != catalog.OtherCard || r.Identity.FullName != "Nguyễn Văn An" {
					t.Error(i, failure(r), r.Identity)
				}
			}
		},
		"a card that was lifted during its job has had its job too": func(t *testing.T, b *bench, c *client) {
			r := chipRequest("j1")
			r.Key = nil
			card := an()
			b.desk.put("A", card)
			c.start(r)
			synctest.Wait()
			b.desk.put("A", card)
			synctest.Wait()
			c.provide(Provision{JobID: "j1", Key: &KeyInput{CAN: "012345"}})
			if r := c.result("j1"); r.State != Complete {
				t.Error(failure(r))
			}
			c.start(chipRequest("j2"))
			if got := c.need("j2"); got != "return_card/CARD_ALREADY_READ" {
				t.Error(got)
			}
		},
		"mute in the middle": func(t *testing.T, b *bench, c *client) {
			card := at(an(), "chip", func(context.Context) error { return reader.ErrCardMute })
			b.desk.put("A", card)
			c.start(chipRequest("j1"))
			time.Sleep(time.Second)
			if got := c.need("j1"); got != "reposition_card/CARD_MUTE" {
				t.Error(got)
			}
			time.Sleep(40 * time.Second)
			b.desk.put("A", card)
			if r := c.result("j1"); r.State != Complete {
				t.Error(failure(r))
			}
		},
		"what is in the way for a moment buys a lifted card no minute": func(t *testing.T, b *bench, c *client) {
			for i, o := range []struct {
				state reader.State
				need  string
			}{
				{reader.Mute, "reposition_card/CARD_MUTE"}, {reader.Busy, "reposition_card/READER_BUSY"},
				{reader.Error, "reposition_card/READER_FAULT"}, {reader.Absent, "insert_card/READER_ABSENT"},
			} {
				id := fmt.Sprint("j", i)
				b.desk.put("A", at(an(), "portrait", func(context.Context) error { b.desk.lift("A"); return nil }))
				c.start(chipRequest(id))
				time.Sleep(2 * time.Second)
				if got := c.need(id); got != "reposition_card/CARD_REMOVED" {
					t.Error(got)
				}
				b.desk.change(func() { i := b.desk.at("A"); i.State = o.state; i.Insertion++ })
				time.Sleep(time.Second)
				if got := c.need(id); got != o.need {
					t.Errorf("%s: %s", o.state, got)
				}
				// It is waited for longer than a lifted card; and when it is over, the card has its ten seconds again.
				time.Sleep(15 * time.Second)
				if got := c.need(id); got != o.need {
					t.Errorf("%s: %s", o.state, got)
				}
				b.desk.lift("A")
				if got := c.need(id); got != "reposition_card/CARD_REMOVED" {
					t.Errorf("%s: %s", o.state, got)
				}
				began := time.Now()
				if left := time.Until(c.status(id).Need.ExpiresAt); left > 10*time.Second {
					t.Errorf("%s: the desk is told that it has %v", o.state, left)
				}
				if r := c.result(id); failure(r) != catalog.CardRemoved || time.Since(began).Round(time.Second) != 10*time.Second {
					t.Errorf("%s: %s after %v", o.state, failure(r), time.Since(began))
				}
			}
		},
		"a card that is put down mute again and again": func(t *testing.T, b *bench, c *client) {
			b.desk.put("A", at(an(), "portrait", func(context.Context) error { b.desk.lift("A"); return nil }))
			c.start(chipRequest("j1"))
			time.Sleep(2 * time.Second)
			began := time.Now()
			for n := 0; !c.status("j1").State.Final() && n < 100; n++ {
				b.desk.change(func() { i := b.desk.at("A"); i.State = reader.Mute; i.Insertion++ })
				time.Sleep(2 * time.Second)
				b.desk.lift("A")
				time.Sleep(5 * time.Second)
			}
			if took := time.Since(began); took < 50*time.Second || took > 70*time.Second {
				t.Error("waited for it", took)
			}
			c.result("j1")
		},
		"mute when connected, then put down well": func(t *testing.T, b *bench, c *client) {
			b.desk.connect = func(string) error { return reader.ErrCardMute }
			card := an()
			b.desk.put("A", card)
			c.start(chipRequest("j1"))
			time.Sleep(time.Second)
			b.desk.lift("A")
			if got := c.need("j1"); got != "insert_card/CARD_REMOVED" {
				t.Error(got)
			}
			b.desk.change(func() { b.desk.connect = nil })
			b.desk.put("A", card)
			if r := c.result("j1"); r.State != Complete {
				t.Error(failure(r))
			}
		},
		"service stops in the middle and comes back": func(t *testing.T, b *bench, c *client) {
			b.desk.put("A", at(an(), "chip", func(context.Context) error { b.desk.service(reader.ErrServiceStopped); return nil }))
			c.start(chipRequest("j1"))
			time.Sleep(2 * time.Second)
			if got := c.need("j1"); got != "insert_card/PCSC_STOPPED" {
				t.Error(got)
			}
			time.Sleep(30 * time.Second)
			b.desk.service(nil)
			if r := c.result("j1"); r.State != Complete {
				t.Error(failure(r))
			}
		},
		"service stops for good": func(t *testing.T, b *bench, c *client) {
			b.desk.put("A", at(an(), "chip", func(context.Context) error { b.desk.service(reader.ErrServiceStopped); return nil }))
			c.start(chipRequest("j1"))
			if r := c.result("j1"); failure(r) != catalog.PCSCStopped {
				t.Error(failure(r))
			}
		},
		"reader unplugged and plugged in again": func(t *testing.T, b *bench, c *client) {
			card := an()
			b.desk.put("A", at(card, "chip", func(context.Context) error {
				b.desk.unplug("A")
				return nil
			}))
			c.start(chipRequest("j1"))
			time.Sleep(2 * time.Second)
			if got := c.need("j1"); got != "insert_card/READER_ABSENT" {
				t.Error(got)
			}
			b.desk.put("A", card)
			if r := c.result("j1"); r.State != Complete {
				t.Error(failure(r))
			}
		},
		"reset by another program": func(t *testing.T, b *bench, c *client) {
			b.desk.put("A", at(an(), "chip", func(context.Context) error { return reader.ErrCardReset }))
			c.start(chipRequest("j1"))
			if r := c.result("j1"); r.State != Complete {
				t.Error(failure(r))
			}
		},
		"reset again and again": func(t *testing.T, b *bench, c *client) {
			card := an()
			card.at = map[string]func(context.Context) error{"chip": func(context.Context) error { return reader.ErrCardReset }}
			b.desk.put("A", card)
			c.start(chipRequest("j1"))
			if r := c.result("j1"); failure(r) != catalog.CardReset || card.reads != maxFaults {
				t.Error(failure(r), card.reads)
			}
		},
		"a driver that hangs": func(t *testing.T, b *bench, c *client) {
			b.desk.put("A", at(an(), "chip", func(context.Context) error { return reader.ErrReaderStuck }))
			c.start(chipRequest("j1"))
			if r := c.result("j1"); failure(r) != catalog.ReaderStuck {
				t.Error(failure(r))
			}
		},
		"a card that never comes to an end": func(t *testing.T, b *bench, c *client) {
			card := an()
			card.at = map[string]func(context.Context) error{"chip": func(ctx context.Context) error { <-ctx.Done(); return ctx.Err() }}
			b.desk.put("A", card)
			c.start(chipRequest("j1"))
			if r := c.result("j1"); failure(r) != catalog.CardMute {
				t.Error(failure(r))
			}
		},
		"another program lets the card go": func(t *testing.T, b *bench, c *client) {
			busy := 5
			b.desk.connect = func(string) error {
				if busy--; busy >= 0 {
					return reader.ErrReaderBusy
				}
				return nil
			}
			b.desk.put("A", an())
			c.start(chipRequest("j1"))
			if r := c.result("j1"); r.State != Complete {
				t.Error(failure(r))
			}
		},
		"another program keeps the card": func(t *testing.T, b *bench, c *client) {
			b.desk.connect = func(string) error { return reader.ErrReaderBusy }
			b.desk.put("A", an())
			c.start(chipRequest("j1"))
			if r := c.result("j1"); failure(r) != catalog.ReaderBusy {
				t.Error(failure(r))
			}
		},
		"mute when connected": func(t *testing.T, b *bench, c *client) {
			b.desk.connect = func(string) error { return reader.ErrCardMute }
			b.desk.put("A", an())
			c.start(chipRequest("j1"))
			time.Sleep(time.Second)
			if got := c.need("j1"); got != "reposition_card/CARD_MUTE" {
				t.Error(got)
			}
			if r := c.result("j1"); failure(r) != catalog.CardMute {
				t.Error(failure(r))
			}
		},
		"no photo": func(t *testing.T, b *bench, c *client) {
			card := an()
			card.portrait = nil
			b.desk.put("A", card)
			c.start(chipRequest("j1"))
			if r := c.result("j1"); r.State != Complete || !slices.Contains(warningsOf(r), catalog.WarnNoPortrait) {
				t.Error(r.State, warningsOf(r))
			}
		},
		"a broken photo and broken Vietnamese data": func(t *testing.T, b *bench, c *client) {
			card := an()
			card.portrait = nil
			card.missing = map[lds.FileID]error{lds.DG(2): &lds.FileError{File: lds.DG(2), Err: lds.ErrMalformed}, lds.DG(13): lds.ErrMalformed}
			b.desk.put("A", card)
			c.start(chipRequest("j1"))
			r := c.result("j1")
			if w := warningsOf(r); r.State != Complete || !slices.Contains(w, catalog.WarnPortraitBad) || !slices.Contains(w, catalog.WarnDG13Unreadable) {
				t.Error(r.State, w)
			}
		},
	}
	for _, name := range slices.Sorted(maps.Keys(tests)) {
		t.Run(name, func(t *testing.T) {
			inBench(t, []string{"A"}, nil, func(t *testing.T, b *bench) { tests[name](t, b, b.attach(his)) })
		})
	}
}

// TestTheEngineItselfKnowsTheCard: even a reading that begins afresh where it should have continued brings no other card in.
func TestTheEngineItselfKnowsTheCard(t *testing.T) {
	for name, tt := range map[string]struct {
		change func(*card)
		want   catalog.ID
	}{
		"the same card":  {func(*card) {}, ""},
		"another EF.SOD": {func(c *card) { c.sod = "forged" }, catalog.OtherCard},
		"another person": {func(c *card) { c.sod = "SOD of " + c.identity.Number; c.identity.Number = "001188054321" }, catalog.OtherCard},
	} {
		t.Run(name, func(t *testing.T) {
			inBench(t, []string{"A"}, func(c *Config, _ *bench) {
				c.Read = func(ctx context.Context, tr access.Transmitter, o icao.Options) (*icao.Document, error) {
					o.Resume = nil
					return read(ctx, tr, o)
				}
			}, func(t *testing.T, b *bench) {
				c := b.attach(his)
				first, then := an(), an()
				first.at = map[string]func(context.Context) error{"chip": func(context.Context) error { b.desk.lift("A"); return nil }}
				tt.change(then)
				b.desk.put("A", first)
				c.start(chipRequest("j1"))
				time.Sleep(2 * time.Second)
				b.desk.put("A", then)
				if r := c.result("j1"); failure(r) != tt.want || r.Identity == nil || r.Identity.Number != "001099012345" {
					t.Errorf("%q with %+v", failure(r), r.Identity)
				}
			})
		})
	}
}

func TestPortraitIsNeverFatal(t *testing.T) {
	for name, decode := range map[string]func(context.Context, lds.Portrait) (Picture, error){
		"unreadable": func(context.Context, lds.Portrait) (Picture, error) {
			return Picture{}, errors.New("Nguyễn Văn An in the error")
		},
		"panics":  func(context.Context, lds.Portrait) (Picture, error) { panic("Nguyễn Văn An") },
		"hangs":   func(ctx context.Context, _ lds.Portrait) (Picture, error) { <-ctx.Done(); return Picture{}, ctx.Err() },
		"empty":   func(context.Context, lds.Portrait) (Picture, error) { return Picture{}, nil },
		"missing": nil,
	} {
		t.Run(name, func(t *testing.T) {
			inBench(t, []string{"A"}, func(c *Config, _ *bench) { c.Portrait = decode }, func(t *testing.T, b *bench) {
				c := b.attach(his)
				b.desk.put("A", an())
				c.start(chipRequest("j1"))
				r := c.result("j1")
				if r.State != Complete || r.Portrait != nil || !slices.Contains(warningsOf(r), catalog.WarnPortraitBad) {
					t.Error(r.State, warningsOf(r))
				}
				if s := strings.Join(b.log, "\n"); strings.Contains(s, "An") && strings.Contains(s, "Nguy") {
					t.Error("log:", s)
				}
			})
		})
	}
}

func TestInsurance(t *testing.T) {
	type outcome struct {
		state   insurance.State
		reason  catalog.ID
		queued  bool
		attempt string
		step    string
	}
	pending := func(id catalog.ID) outcome {
		return outcome{insurance.Pending, id, true, string(id), catalog.StepLookupLater}
	}
	fails := func(err error) insurer {
		return func(context.Context, insurance.Request) (insurance.Eligibility, error) {
			return insurance.Eligibility{}, err
		}
	}
	answers := func(e insurance.Eligibility) insurer {
		return func(context.Context, insurance.Request) (insurance.Eligibility, error) { return e, nil }
	}
	for name, tt := range map[string]struct {
		ask  insurer
		want outcome
	}{
		"covered":              {covered, outcome{insurance.Eligible, "", false, "answered", catalog.StepProceed}},
		"not covered":          {answers(insurance.Eligibility{State: insurance.NotEligible, Code: "010"}), outcome{insurance.NotEligible, "", false, "answered", catalog.StepNotCovered}},
		"advice":               {answers(insurance.Eligibility{State: insurance.Check, Advice: catalog.StepUseNewCard}), outcome{insurance.Check, "", false, "answered", catalog.StepUseNewCard}},
		"unknown":              {answers(insurance.Eligibility{State: insurance.Unknown}), outcome{insurance.Unknown, "", false, "answered", catalog.StepAskInsuranceCard}},
		"unreachable":          {fails(fmt.Errorf("dial: %w", insurance.ErrUnreachable)), pending(catalog.InsuranceUnreachable)},
		"rejected":             {fails(insurance.ErrRejected), pending(catalog.InsuranceRejected)},
		"garbage":              {fails(insurance.ErrGarbage), pending(catalog.InsuranceGarbage)},
		"a state that is none": {answers(insurance.Eligibility{State: "wonderful"}), pending(catalog.InsuranceGarbage)},
		"request":              {fails(insurance.ErrRequest), outcome{insurance.Unknown, catalog.InsuranceRequest, false, "INSURANCE_REQUEST", catalog.StepFixInput}},
		"request, unasked":     {fails(&insurance.NotAskedError{Err: insurance.ErrRequest}), outcome{insurance.Unknown, catalog.InsuranceRequest, false, "not_asked", catalog.StepFixInput}},
		"refused before":       {fails(&insurance.NotAskedError{Err: insurance.ErrRejected}), outcome{insurance.Pending, catalog.InsuranceRejected, true, "not_asked", catalog.StepTellIT}},
		"left alone":           {fails(insurance.ErrNotAsked), outcome{insurance.Pending, catalog.InsuranceUnreachable, true, "not_asked", catalog.StepLookupLater}},
		"unforeseen":           {fails(errors.New("001099012345 Nguyễn Văn An")), pending(catalog.Internal)},
		"panics":               {func(context.Context, insurance.Request) (insurance.Eligibility, error) { panic("001099012345") }, pending(catalog.Internal)},
		"hangs": {func(ctx context.Context, _ insurance.Request) (insurance.Eligibility, error) {
			<-ctx.Done()
			return insurance.Eligibility{}, ctx.Err()
		}, pending(catalog.InsuranceUnreachable)},
		"hangs and does not heed its context": {func(ctx context.Context, _ insurance.Request) (insurance.Eligibility, error) {
			time.Sleep(30 * time.Second)
			return insurance.Eligibility{State: insurance.Eligible}, nil
		}, pending(catalog.InsuranceUnreachable)},
	} {
		t.Run(name, func(t *testing.T) {
			inBench(t, []string{"A"}, func(c *Config, _ *bench) { c.Insurer = tt.ask }, func(t *testing.T, b *bench) {
				c := b.attach(his)
				b.desk.put("A", an())
				began := time.Now()
				a := c.start(chipRequest("j1"))
				r := c.result("j1")
				if took := time.Since(began); took > 5600*time.Millisecond { // 400 ms to the identity, 5 s for the insurer
					t.Error("the arrival waited", took)
				}
				e := r.Eligibility
				if r.State != Complete || e == nil {
					t.Fatalf("%+v", r)
				}
				got := outcome{state: e.State, reason: catalog.ID(e.Reason), step: tt.want.step}
				for _, l := range entries[journal.Lookup](b.book) {
					var q queued
					if err := json.Unmarshal(l.Body, &q); err != nil || q.Request.Number != "001099012345" || l.CheckinID != a.CheckinID || q.Owner != his.String() || q.Cause != CauseArrival {
						t.Errorf("queued: %v %+v", err, l)
					}
					got.queued = true
				}
				for _, at := range entries[journal.Attempt](b.book) {
					got.attempt = at.Outcome
				}
				if got != tt.want {
					t.Errorf("got %+v, want %+v", got, tt.want)
				}
				if !slices.Contains(stepIDs(r), tt.want.step) {
					t.Error("steps:", stepIDs(r))
				}
				if s := strings.Join(b.log, "\n"); strings.Contains(s, "001099012345") {
					t.Error("log:", s)
				}
			})
		})
	}

	t.Run("off, supplied, not configured, not allowed", func(t *testing.T) {
		inBench(t, []string{"A"}, func(c *Config, _ *bench) { c.Insurer = nil }, func(t *testing.T, b *bench) {
			c := b.attach(his)
			check := func(id string, want insurance.State, source string, change func(*Request)) {
				r := chipRequest(id)
				change(&r)
				c.start(r)
				b.desk.put("A", an())
				res := c.result(id)
				if res.Eligibility == nil || res.Eligibility.State != want || res.Eligibility.Source != source {
					t.Errorf("%s: %+v", id, res.Eligibility)
				}
			}
			check("unset", insurance.Off, "", func(*Request) {})
			check("off", insurance.Off, "", func(r *Request) { r.Insurance = "off" })
			check("supplied", insurance.Eligible, insurance.SourceSupplied, func(r *Request) {
				r.Insurance, r.Eligibility = "supplied", &insurance.Eligibility{State: insurance.Eligible, Source: "bhyt-gateway"}
			})
			r := chipRequest("read")
			if _, err := b.e.CardRead(t.Context(), his, all, catalog.VI, r); err != nil {
				t.Fatal(err)
			}
			b.desk.put("A", an())
			if res := c.result("read"); res.State != Complete || res.Eligibility != nil || res.Verdicts.Face.Status != lds.NotDone {
				t.Errorf("card.read: %+v", res)
			}
		})
	})
}

// byNumber is a check-in by number.
func byNumber(id string) Request {
	return Request{JobID: id, Means: MeansNumber, Subject: &Subject{Number: "001099012345", FullName: "Nguyễn Văn An", DateOfBirth: "1999", Sex: "male"}}
}

// TestWhatLeavesForTheInsurer: whoever is asked is on record before he is asked, and what came of it afterwards, also when
// nobody waits for it any more.
func TestWhatLeavesForTheInsurer(t *testing.T) {
	type trace struct {
		to, fields string
		outcomes   string
	}
	traced := func(b *bench) (out trace) {
		for _, d := range entries[journal.Disclosure](b.book) {
			if d.To != his.String() {
				out.to, out.fields = out.to+d.To, strings.Join(d.Fields, ",")
			}
		}
		for _, a := range entries[journal.Attempt](b.book) {
			out.outcomes += a.Outcome + a.Code
		}
		return out
	}
	for name, tt := range map[string]struct {
		cancel   time.Duration // after the question left
		check    insurer
		outcomes string
	}{
		"answered":  {time.Minute, covered, "answered000"},
		"cancelled": {100 * time.Millisecond, covered, "cancelled"},
		"cancelled, and heeds nothing": {100 * time.Millisecond, func(context.Context, insurance.Request) (insurance.Eligibility, error) {
			time.Sleep(20 * time.Second)
			return insurance.Eligibility{State: insurance.Eligible}, nil
		}, "cancelled"},
	} {
		t.Run(name, func(t *testing.T) {
			inBench(t, nil, func(c *Config, b *bench) {
				c.Insurer = insurer(func(ctx context.Context, r insurance.Request) (insurance.Eligibility, error) {
					if d := cmp.Diff(trace{"fake", "dateOfBirth,fullName,number,sex", ""}, traced(b), cmp.AllowUnexported(trace{})); d != "" {
						t.Error("on record when the question leaves:", d)
					}
					return tt.check(ctx, r)
				})
			}, func(t *testing.T, b *bench) {
				c := b.attach(his)
				c.start(byNumber("j1"))
				time.Sleep(tt.cancel)
				began := time.Now()
				s, err := b.e.Cancel(t.Context(), his, "j1")
				if err != nil || !s.State.Final() || time.Since(began) != 0 {
					t.Error(s.State, err, time.Since(began))
				}
				got := traced(b) // with the result, not some time later
				if got.outcomes != tt.outcomes || got.to != "fake" {
					t.Errorf("%+v, want %s", got, tt.outcomes)
				}
			})
		})
	}
	t.Run("too many questions are open", func(t *testing.T) {
		asked := 0
		var let chan struct{}
		inBench(t, nil, func(c *Config, _ *bench) {
			let = make(chan struct{})
			c.MaxJobs, c.MaxPerOwner = 2*checkSlots, 2*checkSlots
			c.Insurer = insurer(func(ctx context.Context, r insurance.Request) (insurance.Eligibility, error) {
				asked++
				<-let
				return insurance.Eligibility{}, ctx.Err()
			})
		}, func(t *testing.T, b *bench) {
			c := b.attach(his)
			for i := range checkSlots {
				c.start(byNumber(fmt.Sprint("n", i)))
				synctest.Wait()
			}
			told := len(entries[journal.Disclosure](b.book))
			c.start(byNumber("last"))
			r := c.result("last")
			if e := r.Eligibility; e.State != insurance.Pending || e.Reason != string(catalog.InsuranceUnreachable) || len(entries[journal.Lookup](b.book)) != 1 {
				t.Errorf("%+v", e)
			}
			if a := entries[journal.Attempt](b.book); asked != checkSlots || len(a) != 1 || a[0].Outcome != "not_asked" {
				t.Errorf("%d asked, attempts %+v", asked, a)
			}
			for _, d := range entries[journal.Disclosure](b.book)[told:] {
				if d.To != his.String() {
					t.Errorf("nothing left, and %+v", d)
				}
			}
			close(let)
		})
	})
}

// TestTheRecordSaysWhatTheResultSays: of whatever the book refuses, is late with or hangs on, the last row of the check-in
// says the same as the result that went out, in the end.
func TestTheRecordSaysWhatTheResultSays(t *testing.T) {
	is := func(kind string, entry any) bool {
		return kind == "" || strings.HasSuffix(fmt.Sprintf("%T", entry), "."+kind)
	}
	for name, fault := range map[string]func(ctx context.Context) error{
		"refuses": func(context.Context) error { return journal.ErrUnwritable },
		"hangs":   func(ctx context.Context) error { <-ctx.Done(); return ctx.Err() },
		"hangs and does not heed its context": func(context.Context) error {
			time.Sleep(20 * time.Second)
			return nil
		},
		"is late": func(context.Context) error {
			time.Sleep(bookWait + 100*time.Millisecond)
			return nil
		},
	} {
		for _, kind := range []string{"", "Disclosure", "Attempt", "Lookup", "Checkin"} {
			t.Run(name+" "+kind, func(t *testing.T) {
				var faulty atomic.Bool
				inBench(t, []string{"A"}, func(c *Config, b *bench) {
					faulty.Store(true)
					c.Insurer = insurer(func(context.Context, insurance.Request) (insurance.Eligibility, error) {
						return insurance.Eligibility{}, insurance.ErrUnreachable
					})
					var refused []any // a book catches up by itself what it was given and refused
					b.book.fail = func(ctx context.Context, entry any) error {
						if !faulty.Load() {
							for len(refused) > 0 {
								b.book.mu.Lock()
								b.book.entries = append(b.book.entries, refused[0])
								b.book.mu.Unlock()
								refused = refused[1:]
							}
							return nil
						}
						if !is(kind, entry) {
							return nil
						}
						err := fault(ctx)
						if _, signer := entry.(string); err != nil && !signer {
							b.book.mu.Lock()
							refused = append(refused, entry)
							b.book.mu.Unlock()
						}
						return err
					}
				}, func(t *testing.T, b *bench) {
					c := b.attach(his)
					b.desk.put("A", an())
					a := c.start(chipRequest("j1"))
					r := c.result("j1")
					if r.State != Complete || r.Recorded || !slices.Contains(warningsOf(r), catalog.WarnNotRecorded) {
						t.Errorf("%s, recorded %v, %v", r.State, r.Recorded, warningsOf(r))
					}
					faulty.Store(false)
					time.Sleep(time.Minute)
					c.start(byNumber("j2"))
					if r := c.result("j2"); !r.Recorded {
						t.Error("the next one is not recorded, on a book that works again")
					}
					var last *Result
					for _, row := range entries[journal.Checkin](b.book) {
						if row.ID == a.CheckinID {
							var rec record
							if err := json.Unmarshal(row.Body, &rec); err != nil {
								t.Fatal(err)
							}
							last = &rec.Result
						}
					}
					if last == nil || last.Recorded != r.Recorded || cmp.Diff(last.Warnings, r.Warnings) != "" || last.State != r.State {
						t.Errorf("the last row says %+v", last)
					}
					told := map[string]int{}
					for _, d := range entries[journal.Disclosure](b.book) {
						if d.CheckinID == a.CheckinID {
							told[d.To+strings.Join(d.Fields, ",")]++
						}
					}
					if len(told) != 4 {
						t.Error("disclosures:", told)
					}
					if waiting, lost := b.e.Unwritten(); waiting != 0 || lost != 0 {
						t.Error(waiting, lost)
					}
				})
			})
		}
	}
}

func TestBookNeverStopsAPatient(t *testing.T) {
	for name, tt := range map[string]struct {
		fail  func(ctx context.Context, entry any) error
		extra time.Duration // that a patient waits
	}{
		"refuses": {func(context.Context, any) error { return journal.ErrUnwritable }, 0},
		"panics":  {func(context.Context, any) error { panic("001099012345") }, 0},
		"hangs":   {func(ctx context.Context, _ any) error { <-ctx.Done(); return ctx.Err() }, bookWait},
		"hangs and does not heed its context": {func(context.Context, any) error {
			time.Sleep(20 * time.Second)
			return journal.ErrUnwritable
		}, bookWait},
	} {
		t.Run(name, func(t *testing.T) {
			inBench(t, []string{"A"}, func(_ *Config, b *bench) { b.book.fail = tt.fail }, func(t *testing.T, b *bench) {
				c := b.attach(his)
				b.desk.put("A", an())
				c.start(chipRequest("j1"))
				r := c.result("j1")
				if r.State != Complete || r.Recorded || r.Identity == nil || r.Portrait == nil || !slices.Contains(warningsOf(r), catalog.WarnNotRecorded) {
					t.Errorf("%+v", r)
				}
				if s := r.Verdicts.PassiveAuthentication.Signer; s.SeenBefore != nil {
					t.Error("nobody counted the signer, and yet:", *s.SeenBefore)
				}
				if most := 1200*time.Millisecond + tt.extra; time.Duration(r.Timings.CompleteMs)*time.Millisecond > most {
					t.Error("took", r.Timings.CompleteMs, "ms, more than", most)
				}
			})
		})
	}
	t.Run("what a hanging book could not be given is given later", func(t *testing.T) {
		hang := true
		inBench(t, []string{"A"}, func(_ *Config, b *bench) {
			b.book.fail = func(ctx context.Context, _ any) error {
				if hang {
					<-ctx.Done()
				}
				return ctx.Err()
			}
		}, func(t *testing.T, b *bench) {
			c := b.attach(his)
			b.desk.put("A", an())
			c.start(chipRequest("j1"))
			c.result("j1")
			if n, _ := b.e.Unwritten(); n == 0 {
				t.Error("nothing waits")
			}
			b.book.mu.Lock()
			hang = false
			b.book.mu.Unlock()
			time.Sleep(catchUpEvery + time.Second)
			if n, lost := b.e.Unwritten(); n != 0 || lost != 0 || len(entries[journal.Checkin](b.book)) != 1 {
				t.Error(n, lost, len(entries[journal.Checkin](b.book)))
			}
		})
	})
	t.Run("no book", func(t *testing.T) {
		inBench(t, []string{"A"}, func(c *Config, _ *bench) { c.Book = nil }, func(t *testing.T, b *bench) {
			c := b.attach(his)
			b.desk.put("A", an())
			c.start(chipRequest("j1"))
			if r := c.result("j1"); r.State != Complete || r.Recorded {
				t.Errorf("%+v", r)
			}
		})
	})
}

func TestCancelAtEachStep(t *testing.T) {
	for _, phase := range []string{"waiting", "key", "access", "identity", "chip", "portrait", "picture", "insurance", "reposition"} {
		t.Run(phase, func(t *testing.T) {
			reached := make(chan struct{}, 10)
			here := func(ctx context.Context) error {
				reached <- struct{}{}
				<-ctx.Done()
				return ctx.Err()
			}
			inBench(t, []string{"A"}, func(c *Config, _ *bench) {
				reached = make(chan struct{}, 10)
				if phase == "picture" {
					c.Portrait = func(ctx context.Context, _ lds.Portrait) (Picture, error) { return Picture{}, here(ctx) }
				}
				if phase == "insurance" {
					c.Insurer = insurer(func(ctx context.Context, _ insurance.Request) (insurance.Eligibility, error) {
						return insurance.Eligibility{}, here(ctx)
					})
				}
			}, func(t *testing.T, b *bench) {
				c := b.attach(his)
				r := chipRequest("j1")
				card := an()
				card.at = map[string]func(context.Context) error{phase: here}
				if phase == "key" {
					r.Key = nil
				}
				if phase == "reposition" {
					card.at["chip"] = func(context.Context) error { b.desk.lift("A"); return nil }
				}
				if phase != "waiting" {
					b.desk.put("A", card)
				}
				c.start(r)
				switch phase {
				case "waiting", "key", "reposition":
					time.Sleep(2 * time.Second)
				default:
					<-reached
				}
				began := time.Now()
				for range 2 { // it is idempotent
					s, err := b.e.Cancel(t.Context(), his, "j1")
					if err != nil || s.State != Cancelled || failure(*s.Result) != catalog.Cancelled {
						t.Errorf("%+v %v", s, err)
					}
				}
				if time.Since(began) > 0 {
					t.Error("took", time.Since(began))
				}
				c.result("j1")
				// The reader is free for the next one.
				c.start(chipRequest("j2"))
				b.desk.put("A", an())
				if r := c.result("j2"); r.State != Complete && phase != "picture" {
					t.Error("next job:", r.State, failure(r))
				}
				if s := c.status("j1"); s.State != Cancelled {
					t.Error(s.State)
				}
			})
		})
	}
	t.Run("a job that is over stays as it is", func(t *testing.T) {
		inBench(t, []string{"A"}, nil, func(t *testing.T, b *bench) {
			c := b.attach(his)
			b.desk.put("A", an())
			c.start(chipRequest("j1"))
			c.result("j1")
			if s, err := b.e.Cancel(t.Context(), his, "j1"); err != nil || s.State != Complete {
				t.Error(s.State, err)
			}
		})
	})
}

func TestPanicIsContained(t *testing.T) {
	for _, phase := range []string{"access", "identity", "chip", "portrait"} {
		t.Run(phase, func(t *testing.T) {
			inBench(t, []string{"A"}, nil, func(t *testing.T, b *bench) {
				c := b.attach(his)
				card := an()
				card.at = map[string]func(context.Context) error{phase: func(context.Context) error { panic("Nguyễn Văn An 001099012345") }}
				b.desk.put("A", card)
				c.start(chipRequest("j1"))
				r := c.result("j1")
				if failure(r) != catalog.Internal || len(r.Next) == 0 || b.e.Panics() != 1 {
					t.Errorf("%+v", r)
				}
				if s := strings.Join(b.log, "\n"); !strings.Contains(s, "job.panic") || strings.Contains(s, "Nguyễn") || strings.Contains(s, "0012345") {
					t.Error("log:", s)
				}
				b.desk.put("A", an())
				c.start(chipRequest("j2"))
				if r := c.result("j2"); r.State != Complete {
					t.Error("next job:", r.State)
				}
			})
		})
	}
}

func TestReload(t *testing.T) {
	for name, tt := range map[string]struct {
		away     time.Duration
		detached bool
		want     State
	}{
		"a page that reloads":      {14 * time.Second, false, Needs},
		"a page that is gone":      {16 * time.Second, false, Cancelled},
		"a job that was cut loose": {16 * time.Second, true, Needs},
	} {
		t.Run(name, func(t *testing.T) {
			inBench(t, []string{"A"}, nil, func(t *testing.T, b *bench) {
				first, second := b.attach(his), b.attach(his) // two tabs
				r := chipRequest("j1")
				r.Detached = tt.detached
				first.start(r)
				first.leave()
				time.Sleep(time.Minute)
				if s := second.status("j1"); s.State != Needs {
					t.Fatal("one of two tabs closed:", s.State)
				}
				second.leave()
				time.Sleep(tt.away)
				synctest.Wait()
				again := b.attach(his)
				time.Sleep(20 * time.Second)
				if s := again.status("j1"); s.State != tt.want {
					t.Error(s.State)
				}
			})
		})
	}
}

func TestASlowSocketIsNotWaitedFor(t *testing.T) {
	inBench(t, []string{"A"}, nil, func(t *testing.T, b *bench) {
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		slow := b.e.Attach(ctx, his) // never read
		c := b.attach(his)
		for i := range eventBuffer {
			id := fmt.Sprint("j", i)
			c.start(chipRequest(id))
			b.e.Cancel(t.Context(), his, id)
			synctest.Wait() // the other one keeps up
		}
		n := 0
		for range slow { // it was closed, or this would never end
			n++
		}
		if n != eventBuffer {
			t.Error(n)
		}
		if c.mu.Lock(); c.closed {
			t.Error("the other socket was closed too")
		}
		c.mu.Unlock()
	})
}

func TestOwnersDoNotSeeEachOther(t *testing.T) {
	inBench(t, []string{"A"}, nil, func(t *testing.T, b *bench) {
		c, stranger := b.attach(his), b.attach(Owner{Client: his.Client, Session: "2"})
		b.desk.put("A", an())
		c.start(chipRequest("j1"))
		if b.e.ServesOther(his, "A") || !b.e.ServesOther(stranger.owner, "A") || b.e.ServesOther(stranger.owner, "B") {
			t.Error("whom the reader serves")
		}
		for name, err := range map[string]error{
			"status":  second(b.e.Status(t.Context(), stranger.owner, "j1")),
			"cancel":  second(b.e.Cancel(t.Context(), stranger.owner, "j1")),
			"provide": b.e.Provide(t.Context(), stranger.owner, Provision{JobID: "j1", Key: &KeyInput{CAN: "012345"}}),
			"nothing": second(b.e.Status(t.Context(), stranger.owner, "j2")),
		} {
			if Explain(err) == nil || Explain(err).ID != catalog.JobUnknown || len(Explain(err).Detail) != 0 {
				t.Errorf("%s: %v", name, err)
			}
		}
		if r := c.result("j1"); r.State != Complete {
			t.Error(r.State)
		}
		// The same id of another owner is another job.
		stranger.start(chipRequest("j1"))
		if got := stranger.need("j1"); got != "return_card/CARD_ALREADY_READ" {
			t.Error(got)
		}
		for _, e := range stranger.of("j1") {
			if e.Method == EventResult || strings.Contains(string(e.Params), "Nguyễn") {
				t.Error("a stranger hears", string(e.Params))
			}
		}
	})
}

// TestWatchTellsWhomAReaderServes: whoever shows which readers are busy hears of each change, though the readers themselves
// do not change.
func TestWatchTellsWhomAReaderServes(t *testing.T) {
	inBench(t, []string{"A"}, nil, func(t *testing.T, b *bench) {
		c, stranger := b.attach(his), Owner{Client: "https://kiosk.example"}
		ctx, cancel := context.WithCancel(t.Context())
		left := b.e.Watch(ctx)
		cancel()
		var story []bool
		ended := make(chan struct{})
		go func() {
			defer close(ended)
			for range b.e.Watch(context.Background()) {
				if s := b.e.ServesOther(stranger, "A"); len(story) == 0 || story[len(story)-1] != s {
					story = append(story, s)
				}
			}
		}()
		synctest.Wait()
		b.desk.put("A", an())
		r := chipRequest("j1")
		r.Insurance = "off"
		c.start(r)
		c.result("j1")
		synctest.Wait()
		if d := cmp.Diff([]bool{false, true, false}, story); d != "" {
			t.Error("busy for others:", d)
		}
		for range left { // closed when its context ended, or this would never end
		}
		if err := b.e.Close(t.Context()); err != nil {
			t.Error(err)
		}
		<-ended
	})
}

func second[T any](_ T, err error) error { return err }

func TestSameJobID(t *testing.T) {
	inBench(t, []string{"A"}, nil, func(t *testing.T, b *bench) {
		c := b.attach(his)
		first := c.start(chipRequest("j1"))
		if again := c.start(chipRequest("j1")); again.CheckinID != first.CheckinID || again.State != Needs {
			t.Errorf("%+v, then %+v", first, again)
		}
		other := chipRequest("j1")
		other.Key = &KeyInput{CAN: "999999"}
		if _, err := b.e.Start(t.Context(), his, all, catalog.VI, other); Explain(err).ID != catalog.JobIDTaken {
			t.Error(err)
		}
		if _, err := b.e.CardRead(t.Context(), his, all, catalog.VI, chipRequest("j1")); Explain(err).ID != catalog.JobIDTaken {
			t.Error(err)
		}
		b.desk.put("A", an())
		c.result("j1")
		if again := c.start(chipRequest("j1")); again.CheckinID != first.CheckinID || again.State != Complete {
			t.Errorf("after its end: %+v", again)
		}
		time.Sleep(11 * time.Minute) // Retain
		if _, err := b.e.Status(t.Context(), his, "j1"); Explain(err).ID != catalog.JobUnknown {
			t.Error(err)
		}
	})
}

func TestLimits(t *testing.T) {
	inBench(t, []string{"A"}, func(c *Config, _ *bench) { c.MaxJobs, c.MaxPerOwner, c.MaxRetained = 5, 3, 2 }, func(t *testing.T, b *bench) {
		c := b.attach(his)
		for i := range 3 {
			c.start(chipRequest(fmt.Sprint("j", i)))
		}
		if _, err := b.e.Start(t.Context(), his, all, catalog.VI, chipRequest("j3")); Explain(err).ID != catalog.TooManyJobs {
			t.Error("one owner:", err)
		}
		for i := range 3 {
			o := Owner{Client: fmt.Sprint("https://c", i, ".example")}
			_, err := b.e.Start(t.Context(), o, all, catalog.VI, chipRequest("j"))
			if i < 2 && err != nil || i == 2 && Explain(err).ID != catalog.TooManyJobs {
				t.Error("all owners:", i, err)
			}
		}
		for i := range 3 {
			b.e.Cancel(t.Context(), his, fmt.Sprint("j", i))
		}
		if _, err := b.e.Status(t.Context(), his, "j0"); Explain(err).ID != catalog.JobUnknown {
			t.Error("the oldest of three finished jobs is kept:", err)
		}
		c.status("j2")
		c.start(chipRequest("j3"))
	})
}

// TestNobodysResultsAreLostToAnotherOwner: however many jobs one program finishes, another one's results stay.
func TestNobodysResultsAreLostToAnotherOwner(t *testing.T) {
	inBench(t, nil, func(c *Config, _ *bench) { c.MaxRetained, c.MaxKept = 3, 8 }, func(t *testing.T, b *bench) {
		owner := func(n int) Owner { return Owner{Client: fmt.Sprint("https://c", n, ".example")} }
		finish := func(n int, id string) {
			r := byNumber(id)
			r.Insurance = "off"
			c := b.attach(owner(n))
			c.start(r)
			c.result(id)
		}
		kept := func(n int, id string) bool {
			_, err := b.e.Status(t.Context(), owner(n), id)
			return err == nil
		}
		finish(0, "mine")
		for i := range 20 {
			finish(1, fmt.Sprint("j", i))
		}
		if !kept(0, "mine") {
			t.Error("another program's jobs cost this one its result")
		}
		for i := range 20 {
			if got, want := kept(1, fmt.Sprint("j", i)), i >= 17; got != want {
				t.Errorf("j%d kept: %v", i, got)
			}
		}
		for n := 2; n < 7; n++ { // the bound of all owners
			finish(n, "j")
		}
		if kept(0, "mine") || !kept(1, "j17") || !kept(6, "j") {
			t.Error(kept(0, "mine"), kept(1, "j17"), kept(6, "j"))
		}
	})
}

func TestCloseEndsEverything(t *testing.T) {
	inBench(t, []string{"A"}, nil, func(t *testing.T, b *bench) {
		c := b.attach(his)
		b.desk.put("A", an())
		c.start(chipRequest("j1"))
		c.start(chipRequest("j2"))
		time.Sleep(500 * time.Millisecond)
		if err := b.e.Close(t.Context()); err != nil {
			t.Fatal(err)
		}
		for _, id := range []string{"j1", "j2"} {
			if s := c.status(id); s.State != Cancelled || failure(*s.Result) != catalog.AgentStopping {
				t.Errorf("%s: %+v", id, s)
			}
			if e := c.of(id); len(e) == 0 || e[len(e)-1].Method != EventResult {
				t.Error(id, "ends without a result")
			}
		}
		if !c.closed {
			t.Error("subscription is open")
		}
		if _, err := b.e.Start(t.Context(), his, all, catalog.VI, chipRequest("j3")); Explain(err).ID != catalog.AgentStopping {
			t.Error(err)
		}
	})
}

func TestNumber(t *testing.T) {
	number := byNumber
	var asked insurance.Request
	inBench(t, nil, func(c *Config, _ *bench) {
		c.Insurer = insurer(func(ctx context.Context, r insurance.Request) (insurance.Eligibility, error) {
			asked = r
			return covered(ctx, r)
		})
	}, func(t *testing.T, b *bench) {
		c := b.attach(his)
		c.start(number("j1"))
		r := c.result("j1")
		if r.State != Complete || r.Identity != nil || r.Portrait != nil || r.Eligibility.State != insurance.Eligible {
			t.Errorf("%+v", r)
		}
		if d := cmp.Diff(insurance.Request{Number: "001099012345", FullName: "Nguyễn Văn An", DateOfBirth: "1999", Sex: "male"}, asked); d != "" {
			t.Error(d)
		}
		v := r.Verdicts
		for name, got := range map[string][2]string{
			"access": {string(v.Access.Status), string(v.Access.Reason)}, "passive": {string(v.PassiveAuthentication.Status), string(v.PassiveAuthentication.Reason)},
			"chip": {string(v.ChipAuthentication.Status), string(v.ChipAuthentication.Reason)}, "active": {string(v.ActiveAuthentication.Status), string(v.ActiveAuthentication.Reason)},
			"validity": {string(v.DocumentValidity.Status), string(v.DocumentValidity.Reason)}, "key": {string(v.KeyMatchesChip.Status), string(v.KeyMatchesChip.Reason)},
			"face": {string(v.Face.Status), string(v.Face.Reason)},
		} {
			if got != [2]string{"not_done", "MEANS_IS_NOT_CHIP"} {
				t.Error(name, got)
			}
		}
		want := map[string]string{
			"HO_TEN": "Nguyễn Văn An", "SO_CCCD": "001099012345", "NGAY_SINH": "199900000000", "GIOI_TINH": "1",
			"MA_THE_BHYT": "GD4010123456789", "MA_DKBD": "01004", "GT_THE_TU": "20260101", "GT_THE_DEN": "20261231",
		}
		if d := cmp.Diff(want, r.Claim); d != "" {
			t.Error(d)
		}
		unexpected := number("j2")
		unexpected.Expect = &Expect{Number: "001188054321"}
		c.start(unexpected)
		if r := c.result("j2"); failure(r) != catalog.PersonUnexpected || r.Claim != nil {
			t.Errorf("%+v", r)
		}
		off := number("j3")
		off.Insurance = "off"
		c.start(off)
		if r := c.result("j3"); r.State != Complete || r.Eligibility.State != insurance.Off {
			t.Errorf("%+v", r)
		}
	})
}

func TestBadRequests(t *testing.T) {
	const secret = "SECRET-098765"
	yes := true
	for name, tt := range map[string]struct {
		change func(*Request)
		rights *Rights
		id     catalog.ID
		field  string
	}{
		"no job id":             {func(r *Request) { r.JobID = "" }, nil, catalog.BadRequest, "jobId"},
		"long job id":           {func(r *Request) { r.JobID = strings.Repeat(secret, 20) }, nil, catalog.BadRequest, "jobId"},
		"control character":     {func(r *Request) { r.Desk = secret + "\n" }, nil, catalog.BadRequest, "desk"},
		"not UTF-8":             {func(r *Request) { r.Desk = secret + "\xff" }, nil, catalog.BadRequest, "desk"},
		"no means":              {func(r *Request) { r.Means = "" }, nil, catalog.BadRequest, "means"},
		"unknown means":         {func(r *Request) { r.Means = secret }, nil, catalog.BadRequest, "means"},
		"unknown face":          {func(r *Request) { r.Face = secret }, nil, catalog.BadRequest, "face"},
		"two keys":              {func(r *Request) { r.Key = &KeyInput{CAN: "012345", QR: secret} }, nil, catalog.BadRequest, "key"},
		"dates without number":  {func(r *Request) { r.Key = &KeyInput{DateOfBirth: "1999-01-01"} }, nil, catalog.BadRequest, "key"},
		"dates with a CAN":      {func(r *Request) { r.Key = &KeyInput{CAN: "012345", DateOfBirth: "1999-01-01"} }, nil, catalog.BadRequest, "key"},
		"document without date": {func(r *Request) { r.Key = &KeyInput{DocumentNumber: secret} }, nil, catalog.BadRequest, "key"},
		"CAN":                   {func(r *Request) { r.Key = &KeyInput{CAN: secret} }, nil, catalog.KeyMalformed, "key.can"},
		"MRZ":                   {func(r *Request) { r.Key = &KeyInput{MRZ: secret} }, nil, catalog.KeyMalformed, "key.mrz"},
		"long MRZ":              {func(r *Request) { r.Key = &KeyInput{MRZ: strings.Repeat("<", 10000)} }, nil, catalog.KeyMalformed, "key.mrz"},
		"foreign QR":            {func(r *Request) { r.Key = &KeyInput{QR: "https://example.org/" + secret} }, nil, catalog.QRForeign, "key.qr"},
		"number":                {func(r *Request) { r.Key = &KeyInput{Number: secret} }, nil, catalog.KeyMalformed, "key.number"},
		"document date": {func(r *Request) {
			r.Key = &KeyInput{DocumentNumber: "099012345", DateOfBirth: secret, ExpiresAt: "2039-01-01"}
		}, nil, catalog.KeyMalformed, "key.documentNumber"},
		"empty expectation":     {func(r *Request) { r.Expect = &Expect{} }, nil, catalog.BadRequest, "expect.number"},
		"subject of a chip":     {func(r *Request) { r.Subject = &Subject{Number: secret} }, nil, catalog.BadRequest, "subject"},
		"many fields":           {func(r *Request) { r.Fields = make([]string, 65) }, nil, catalog.BadRequest, "fields"},
		"insurance":             {func(r *Request) { r.Insurance = secret }, nil, catalog.BadRequest, "insurance"},
		"supplied nothing":      {func(r *Request) { r.Insurance = "supplied" }, nil, catalog.BadRequest, "eligibility"},
		"supplied nonsense":     {func(r *Request) { r.Insurance, r.Eligibility = "supplied", &insurance.Eligibility{State: secret} }, nil, catalog.BadRequest, "eligibility.state"},
		"eligibility unasked":   {func(r *Request) { r.Eligibility = &insurance.Eligibility{} }, nil, catalog.BadRequest, "eligibility"},
		"negative time":         {func(r *Request) { r.Timeouts = &Timeouts{WaitMs: -1} }, nil, catalog.BadRequest, "timeouts.waitMs"},
		"hurried insurance":     {func(r *Request) { r.Timeouts = &Timeouts{InsuranceMs: 999} }, nil, catalog.BadRequest, "timeouts.insuranceMs"},
		"endless time":          {func(r *Request) { r.Timeouts = &Timeouts{InsuranceMs: 1 << 40} }, nil, catalog.BadRequest, "timeouts.insuranceMs"},
		"number without person": {func(r *Request) { r.Means, r.Key = MeansNumber, nil }, nil, catalog.BadRequest, "subject"},
		"number with key":       {func(r *Request) { r.Means, r.Subject = MeansNumber, &Subject{Number: "001099012345"} }, nil, catalog.BadRequest, "key"},
		"short number":          {func(r *Request) { r.Means, r.Key, r.Subject = MeansNumber, nil, &Subject{Number: secret} }, nil, catalog.BadRequest, "subject.number"},
		"card code": {func(r *Request) {
			r.Means, r.Key, r.Subject = MeansNumber, nil, &Subject{Number: "001099012345", CardCode: secret}
		}, nil, catalog.BadRequest, "subject.cardCode"},
		"birth": {func(r *Request) {
			r.Means, r.Key, r.Subject = MeansNumber, nil, &Subject{Number: "001099012345", DateOfBirth: "1999-13-01"}
		}, nil, catalog.BadRequest, "subject.dateOfBirth"},
		"sex": {func(r *Request) {
			r.Means, r.Key, r.Subject = MeansNumber, nil, &Subject{Number: "001099012345", Sex: secret}
		}, nil, catalog.BadRequest, "subject.sex"},
		"no rights":          {func(r *Request) { r.Portrait = &yes }, &Rights{}, catalog.Forbidden, ""},
		"no insurance right": {func(r *Request) { r.Insurance = "agent" }, &Rights{Read: true}, catalog.Forbidden, ""},
	} {
		t.Run(name, func(t *testing.T) {
			inBench(t, []string{"A"}, nil, func(t *testing.T, b *bench) {
				r, rights := chipRequest("j1"), all
				tt.change(&r)
				if tt.rights != nil {
					rights = *tt.rights
				}
				_, err := b.e.Start(t.Context(), his, rights, catalog.VI, r)
				var e *catalog.Error
				if !errors.As(err, &e) || e.ID != tt.id {
					t.Fatalf("%v", err)
				}
				if got, _ := e.Detail["field"].(string); got != tt.field {
					t.Errorf("field %q, want %q", got, tt.field)
				}
				w := e.Wire(catalog.VI)
				if said, _ := json.Marshal(w); strings.Contains(string(said), "SECRET") || strings.Contains(string(said), "098765") || w.Next == "" {
					t.Errorf("says %s", said)
				}
			})
		})
	}
}

func TestFieldsWithinTheCeiling(t *testing.T) {
	no := false
	for name, tt := range map[string]struct {
		asked, ceiling, want []string
		portrait             *bool
		picture, limited     bool
	}{
		"default":               {nil, append(AllFields(), "portrait"), DefaultFields(), nil, true, false},
		"default, narrow":       {nil, []string{"number", "portrait"}, []string{"number"}, nil, true, false},
		"default, no picture":   {nil, AllFields(), DefaultFields(), nil, false, false},
		"nothing allowed":       {nil, nil, nil, nil, false, false},
		"asked and allowed":     {[]string{"religion", "father"}, AllFields(), []string{"religion", "father"}, &no, false, false},
		"asked and not allowed": {[]string{"number", "religion"}, []string{"number"}, []string{"number"}, &no, false, true},
		"no such field":         {[]string{"number", "shoeSize"}, AllFields(), []string{"number"}, &no, false, true},
		"expiry in both forms":  {[]string{"expiresAt"}, []string{"expiresAt"}, []string{"expiresAt", "noExpiry"}, &no, false, false},
		"twice":                 {[]string{"number", "number"}, AllFields(), []string{"number"}, &no, false, false},
	} {
		t.Run(name, func(t *testing.T) {
			got, picture, limited := grant(tt.asked, tt.ceiling, tt.portrait)
			if d := cmp.Diff(tt.want, got); d != "" || picture != tt.picture || limited != tt.limited {
				t.Error(d, picture, limited)
			}
		})
	}
	for _, f := range []string{"religion", "ethnicity", "father", "mother", "spouse", "features", "oldNumber"} {
		if slices.Contains(DefaultFields(), f) {
			t.Error(f, "is given without being asked for")
		}
	}

	inBench(t, []string{"A"}, nil, func(t *testing.T, b *bench) {
		c := b.attach(his)
		r := chipRequest("j1")
		r.Fields = []string{"fullName", "religion"}
		rights := Rights{Read: true, Fields: []string{"fullName", "number"}}
		if _, err := b.e.Start(t.Context(), his, rights, catalog.EN, r); err != nil {
			t.Fatal(err)
		}
		b.desk.put("A", an())
		res := c.result("j1")
		if d := cmp.Diff(&lds.Identity{FullName: "Nguyễn Văn An", Source: map[string]string{"fullName": "dg13"}}, res.Identity); d != "" {
			t.Error(d)
		}
		if d := cmp.Diff(map[string]string{"HO_TEN": "Nguyễn Văn An"}, res.Claim); d != "" {
			t.Error(d)
		}
		if !slices.Contains(warningsOf(res), catalog.WarnFieldsLimited) || res.Portrait != nil {
			t.Error(warningsOf(res))
		}
		for _, e := range c.of("j1") {
			if strings.Contains(string(e.Params), "001099012345") || strings.Contains(string(e.Params), "Không") {
				t.Error(string(e.Params))
			}
		}
	})
}

// TestFieldsAreComplete fails when lds.Identity gets a field that nobody decided about here.
func TestFieldsAreComplete(t *testing.T) {
	full := lds.Identity{NoExpiry: true}
	for _, text := range full.Texts() {
		*text = "x"
	}
	b, _ := json.Marshal(full)
	var m map[string]any
	json.Unmarshal(b, &m)
	if d := cmp.Diff(AllFields(), slices.Sorted(maps.Keys(m))); d != "" {
		t.Error(d)
	}
	blank, _ := json.Marshal(lds.Identity{})
	if string(blank) != "{}" {
		t.Error(string(blank))
	}
}

func TestNothingPersonalInTheLog(t *testing.T) {
	inBench(t, []string{"A"}, nil, func(t *testing.T, b *bench) {
		c := b.attach(his)
		r := chipRequest("patient-001099012345")
		r.Visit, r.Operator = &Visit{MaBN: "BN-778899"}, &Operator{ID: "lt.hoa"}
		card := an()
		card.at = map[string]func(context.Context) error{"chip": func(context.Context) error {
			card.at = nil
			return fmt.Errorf("Nguyễn Văn An: %w", reader.ErrCardReset)
		}}
		b.desk.put("A", card)
		c.start(r)
		if res := c.result(r.JobID); res.State != Complete {
			t.Error(res.State)
		}
		b.mu.Lock()
		defer b.mu.Unlock()
		log := strings.Join(b.log, "\n")
		for _, word := range []string{"001099012345", "012345", "Nguy", "1999", "BN-778899", "lt.hoa", "patient", his.Client, "GD4010123456789", "Hà Nội"} {
			if strings.Contains(log, word) {
				t.Errorf("%q is in the log:\n%s", word, log)
			}
		}
		if !strings.Contains(log, "job.over") {
			t.Error("log:", log)
		}
	})
}

func TestExplain(t *testing.T) {
	for want, errs := range map[catalog.ID][]error{
		catalog.CardRemoved:   {reader.ErrCardRemoved, fmt.Errorf("%w: %w", lds.ErrAccessFailed, reader.ErrCardRemoved)},
		catalog.PCSCStopped:   {reader.ErrServiceStopped, fmt.Errorf("%w: %w", reader.ErrServiceStopped, reader.ErrAccessDenied)},
		catalog.FileMalformed: {&lds.FileError{File: lds.SOD, Err: lds.ErrMalformed}},
		catalog.Internal:      {errors.New("surprise")},
		catalog.KeyRejected:   {&lds.StatusError{Op: "PACE", SW: 0x6300, Err: lds.ErrKeyRejected}, catalog.New(catalog.KeyRejected, nil)},
		catalog.CardMute:      {context.DeadlineExceeded, reader.ErrCardMute},
		catalog.Cancelled:     {context.Canceled},
	} {
		for _, err := range errs {
			if got := Explain(err); got.ID != want {
				t.Errorf("%v: %s, want %s", err, got.ID, want)
			}
		}
	}
	if Explain(nil) != nil {
		t.Error("nothing went wrong, and is explained")
	}
	d := Explain(&lds.FileError{File: lds.DG(1), Err: &lds.StatusError{Op: "secret op", SW: 0x6982, Err: lds.ErrFileRefused}})
	if diff := cmp.Diff(map[string]any{"sw": "6982", "file": "DG1"}, d.Detail); diff != "" || d.ID != catalog.FileAbsent {
		t.Error(d.ID, diff)
	}
	if d := Explain(&lds.FileError{File: "Nguyễn Văn An", Err: lds.ErrMalformed}); d.Detail != nil {
		t.Error("a file's name that is none:", d.Detail)
	}
	// Everything that these rooms can say has an id, and every id has its words.
	for _, m := range meanings {
		if _, ok := catalog.Lookup(m.id); !ok {
			t.Errorf("%s is not in the catalogue", m.id)
		}
	}
}

func TestResultOf(t *testing.T) {
	card := an()
	doc := &icao.Document{Identity: &card.identity, Verdicts: card.verdicts}
	failed := func(change func(*lds.Verdicts)) *icao.Document {
		d := *doc
		change(&d.Verdicts)
		return &d
	}
	seen := 12
	for name, tt := range map[string]struct {
		doc      *icao.Document
		o        ResultOptions
		state    State
		steps    []string
		warnings []string
	}{
		"plain":                  {doc, ResultOptions{Recorded: true}, Complete, []string{"PROCEED", "RETURN_CARD"}, nil},
		"simulated, seen signer": {doc, ResultOptions{Recorded: true, Simulated: true, Virtual: true, SignerSeen: &seen}, Complete, []string{"PROCEED", "RETURN_CARD"}, []string{"SIMULATED"}},
		"broken off":             {doc, ResultOptions{Recorded: true, Err: reader.ErrCardRemoved}, Failed, []string{"PROCEED", "CHECK_PAPERS", "RETURN_CARD"}, nil},
		"nothing read":           {nil, ResultOptions{Recorded: true, Err: lds.ErrCardUnsupported}, Failed, []string{"ADMIT_WITH_PAPERS"}, nil},
		"not recorded":           {nil, ResultOptions{Err: reader.ErrCardMute}, Failed, []string{"TRY_AGAIN", "ADMIT_WITH_PAPERS"}, []string{"NOT_RECORDED"}},
		"forged":                 {failed(func(v *lds.Verdicts) { v.PassiveAuthentication.Status = lds.Failed }), ResultOptions{Recorded: true}, Complete, []string{"CALL_SUPERVISOR", "RETURN_CARD"}, nil},
		"copied":                 {failed(func(v *lds.Verdicts) { v.ChipAuthentication.Exchange = lds.Failed }), ResultOptions{Recorded: true}, Complete, []string{"PROCEED", "CHECK_PAPERS", "RETURN_CARD"}, []string{"CHIP_PROOF_FAILED"}},
		"expired":                {failed(func(v *lds.Verdicts) { v.DocumentValidity.Status = lds.Failed }), ResultOptions{Recorded: true}, Complete, []string{"PROCEED", "CHECK_PAPERS", "RETURN_CARD"}, []string{"DOCUMENT_EXPIRED"}},
		"other QR":               {failed(func(v *lds.Verdicts) { v.KeyMatchesChip.Status = lds.Failed }), ResultOptions{Recorded: true}, Complete, []string{"PROCEED", "CHECK_PAPERS", "RETURN_CARD"}, []string{"KEY_DIFFERS"}},
		"opened by BAC":          {failed(func(v *lds.Verdicts) { v.Access.Fallback = "PACE" }), ResultOptions{Recorded: true}, Complete, []string{"PROCEED", "RETURN_CARD"}, []string{"ACCESS_DOWNGRADED"}},
		"data differ": {doc, ResultOptions{Recorded: true, Eligibility: &insurance.Eligibility{State: insurance.Check, Differences: []insurance.Difference{{Field: "fullName"}}}}, Complete,
			[]string{"PROCEED", "CHECK_PAPERS", "CHECK_IDENTITY", "RETURN_CARD"}, []string{"INSURANCE_DATA_DIFFER"}},
		"another person's card": {doc, ResultOptions{Recorded: true, Err: lds.ErrPersonUnexpected}, Failed, []string{"RETURN_CARD", "TRY_AGAIN"}, nil},
		"cancelled":             {nil, ResultOptions{Recorded: true, Err: context.Canceled}, Cancelled, nil, nil},
	} {
		t.Run(name, func(t *testing.T) {
			r := ResultOf(tt.doc, tt.o)
			if r.State != tt.state {
				t.Error(r.State)
			}
			if told := r.Identity != nil || r.Verdicts != nil; told != (tt.doc != nil && !errors.Is(tt.o.Err, lds.ErrPersonUnexpected)) {
				t.Error("tells of the card:", told)
			}
			if d := cmp.Diff(tt.steps, stepIDs(r)); d != "" {
				t.Error("steps:", d)
			}
			if d := cmp.Diff(tt.warnings, warningsOf(r)); d != "" {
				t.Error("warnings:", d)
			}
			b, err := json.Marshal(r)
			if err != nil || strings.Contains(string(b), "null") {
				t.Errorf("absent means absent: %v %s", err, b)
			}
		})
	}
	if s := doc.Verdicts.PassiveAuthentication.Signer; s.SeenBefore != nil {
		t.Error("the document was changed")
	}
}

func TestClaim(t *testing.T) {
	valid := &insurance.Card{Code: "GD4010123456789", From: "2026-01-01", To: "2026-12"}
	for name, tt := range map[string]struct {
		i    *lds.Identity
		e    *insurance.Eligibility
		want map[string]string
	}{
		"nothing":          {nil, nil, nil},
		"year only":        {&lds.Identity{DateOfBirth: "1952"}, nil, map[string]string{"NGAY_SINH": "195200000000"}},
		"month only":       {&lds.Identity{DateOfBirth: "1952-07"}, nil, map[string]string{"NGAY_SINH": "195207000000"}},
		"no date":          {&lds.Identity{DateOfBirth: "Không rõ"}, nil, nil},
		"women":            {&lds.Identity{Sex: "female"}, nil, map[string]string{"GIOI_TINH": "2"}},
		"not said":         {&lds.Identity{Sex: "unspecified"}, nil, map[string]string{"GIOI_TINH": "3"}},
		"a passport's":     {&lds.Identity{Number: "C1234567"}, nil, nil},
		"valid card":       {nil, &insurance.Eligibility{State: insurance.Check, Card: valid}, map[string]string{"MA_THE_BHYT": "GD4010123456789", "GT_THE_TU": "20260101"}},
		"card not valid":   {nil, &insurance.Eligibility{State: insurance.NotEligible, Card: valid}, nil},
		"card not checked": {nil, &insurance.Eligibility{State: insurance.Pending, Card: valid}, nil},
	} {
		t.Run(name, func(t *testing.T) {
			if d := cmp.Diff(tt.want, claimOf(Result{Identity: tt.i, Eligibility: tt.e}, nil)); d != "" {
				t.Error(d)
			}
		})
	}
}

func TestCheckinIDsSortByTime(t *testing.T) {
	at := time.Date(2026, 11, 23, 8, 15, 2, 0, time.UTC)
	a, b := newID(at), newID(at.Add(time.Millisecond))
	if len(a) != 26 || a >= b || newID(at) == a {
		t.Error(a, b)
	}
	if want := "01M83QJ1VG"; a[:10] != want { // the ULID of that millisecond
		t.Error(a[:10], want)
	}
}

// TestManyOwners lets many programs work at once, for the race detector.
func TestManyOwners(t *testing.T) {
	readers := []string{"A", "B", "C"}
	inBench(t, readers, func(c *Config, _ *bench) {
		c.MaxJobs = 100
		c.Read = func(ctx context.Context, tr access.Transmitter, o icao.Options) (*icao.Document, error) {
			card := *tr.(*session).card // fakes share nothing
			s := *tr.(*session)
			s.card = &card
			return read(ctx, &s, o)
		}
	}, func(t *testing.T, b *bench) {
		done := make(chan State)
		for i := range 24 {
			go func() {
				c := b.attach(Owner{Client: fmt.Sprint("https://c", i, ".example")})
				r := chipRequest("j")
				if i%2 == 0 {
					r.Reader = readers[i%3]
				}
				if i%5 == 0 {
					r = Request{JobID: "j", Means: MeansNumber, Subject: &Subject{Number: "001099012345"}}
				}
				if _, err := b.e.Start(t.Context(), c.owner, all, catalog.VI, r); err != nil {
					t.Error(err)
				}
				if i%7 == 0 {
					time.Sleep(time.Duration(i) * 100 * time.Millisecond)
					b.e.Cancel(t.Context(), c.owner, "j")
				}
				for {
					if s, err := b.e.Status(t.Context(), c.owner, "j"); err != nil || s.State.Final() {
						if s.State == Failed {
							t.Log(i, failure(*s.Result))
						}
						done <- s.State
						return
					}
					b.e.Waiting()
					time.Sleep(500 * time.Millisecond)
				}
			}()
		}
		states := map[State]int{}
		for n := 0; n < 24; {
			for _, id := range readers {
				b.desk.lift(id)
				b.desk.put(id, an())
				time.Sleep(100 * time.Millisecond) // two at once would be a question
			}
			wait := time.After(3 * time.Second)
		drain:
			for {
				select {
				case s := <-done:
					states[s]++
					n++
				case <-wait:
					break drain
				}
			}
		}
		if states[Complete] < 20 {
			t.Error(states)
		}
	})
}

// A result that went out unrecorded says so until its record is on the disk, and no longer.
func TestLateRecord(t *testing.T) {
	inBench(t, []string{"A"}, func(_ *Config, b *bench) {
		b.book.fail = func(context.Context, any) error { return journal.ErrUnwritable }
	}, func(t *testing.T, b *bench) {
		c := b.attach(his)
		id := c.start(chipRequest("j1")).CheckinID
		b.desk.put("A", an())
		if r := c.result("j1"); r.Recorded {
			t.Fatal("recorded by a book that refuses")
		}
		b.e.Recorded("another")
		if s, err := b.e.Status(t.Context(), his, "j1"); err != nil || s.Result.Recorded {
			t.Errorf("%+v, %v", s.Result, err)
		}
		b.e.Recorded(id)
		s, err := b.e.Status(t.Context(), his, "j1")
		if err != nil || !s.Result.Recorded {
			t.Errorf("%+v, %v", s.Result, err)
		}
		for _, w := range s.Result.Warnings {
			if w.ID == catalog.WarnNotRecorded {
				t.Error("still warned of")
			}
		}
	})
}
