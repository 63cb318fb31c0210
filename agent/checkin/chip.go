package checkin

import (
	"bytes"
	"context"
	"errors"
	"time"

	"github.com/tapcheck/tapcheck/agent/catalog"
	"github.com/tapcheck/tapcheck/icao"
	"github.com/tapcheck/tapcheck/icao/lds"
	"github.com/tapcheck/tapcheck/insurance"
	"github.com/tapcheck/tapcheck/reader"
)

// chip is a check-in with a card.
func (j *job) chip() error {
	if err := j.acquire(); err != nil {
		return err
	}
	doc, err := j.readCard()
	if err != nil {
		return err
	}
	j.keepFiles(doc)
	if err := j.showPortrait(doc); err != nil {
		return err
	}
	return j.compareFace(doc)
}

// keepFiles keeps the raw files that the owner may take, once their disclosure is on record.
func (j *job) keepFiles(doc *icao.Document) {
	files := map[lds.FileID][]byte{}
	var names []string
	for _, id := range j.rawFiles {
		if raw := doc.Files[id]; len(raw) > 0 {
			files[id] = bytes.Clone(raw)
			names = append(names, "file."+string(id))
		}
	}
	if len(files) == 0 {
		return
	}
	j.disclose(j.key.owner.String(), names...)
	j.e.locked(func() { j.files = files })
}

// acquire waits for a card. Afterwards the job holds a reader, until release.
func (j *job) acquire() error {
	deadline := j.started.Add(j.waitLimit())
	err := j.await(func() time.Time {
		// Who does not want to wait does not, unless it is the desk that must choose.
		if !j.waits() && (j.need == nil || j.need.Need != NeedChooseReader) {
			return j.started
		}
		return deadline
	}, func() bool { return j.reader != "" })
	if err == nil {
		return nil
	}
	j.e.mu.Lock()
	if errors.Is(err, errExpired) {
		id := j.waitCause
		if id == catalog.CardTimeout && !j.waits() {
			id = catalog.NoCard
		}
		err = catalog.New(id, nil)
	}
	j.e.mu.Unlock()
	j.e.release(j, true)
	return err
}

// interruption is why a reading has to find its card again.
type interruption struct {
	need  string     // what to ask for while no card can be used
	cause catalog.ID // and why; also what the job fails with
	since time.Time
	limit time.Duration
	// renew wants a card that was put down after the one with the insertion `after`: the monitor may not have seen yet
	// that that one is gone.
	renew bool
	after uint64
}

// readCard reads the card, through everything that can happen to it on the way. The reader is let go when it returns.
func (j *job) readCard() (doc *icao.Document, err error) {
	e := j.e
	defer func() { e.release(j, err != nil || doc == nil) }()
	e.mu.Lock()
	j.progress(PhaseConnecting, 0)
	e.mu.Unlock()
	var (
		resume  *icao.Document // what was read before the card was lifted
		why     interruption
		rejects int
		faults  int
	)
	for range maxRounds {
		if err := j.awaitKey(catalog.KeyMissing); err != nil {
			return nil, err
		}
		session, insertion, err := j.connect(&why)
		if err != nil {
			return nil, err
		}
		got, err := j.readOnce(session, resume)
		if err == nil {
			return got, nil
		}
		if j.ctx.Err() != nil {
			return nil, context.Cause(j.ctx)
		}
		id := Explain(err).ID
		known := resume != nil && resume.Files[lds.SOD] != nil
		if known && (id == catalog.KeyRejected || id == catalog.KeyUnsuitable || id == catalog.KeyMissing) {
			id = catalog.OtherCard // the key was right for the card that was lifted
		}
		// Once it is known which card the job began with, it never begins afresh: that would let another one in.
		if got != nil && id != catalog.OtherCard && (got.Files[lds.SOD] != nil || !known) {
			resume = got
		}
		j.log("read.broke", map[string]any{"error": string(id)})
		again := interruption{cause: id, since: time.Now(), limit: j.needLimit()}
		switch id {
		case catalog.CardRemoved, catalog.NoCard:
			again.cause = catalog.CardRemoved
			again.need, again.limit, again.renew, again.after = NeedRepositionCard, e.cfg.Reposition, true, insertion
		case catalog.OtherCard:
			// The right one may still come, within the time that it has.
			again.need, again.limit, again.renew, again.after = NeedRepositionCard, e.cfg.Reposition, true, insertion
			if !why.since.IsZero() {
				again.since = why.since
			}
		case catalog.CardMute:
			again.need, again.renew, again.after = NeedRepositionCard, true, insertion
		case catalog.ReaderAbsent, catalog.PCSCStopped, catalog.ReaderBusy:
			again.need = NeedInsertCard
			if err := j.pause(retryPause); err != nil {
				return nil, err
			}
		case catalog.CardReset, catalog.ReaderFault:
			if faults++; faults >= maxFaults {
				return nil, err
			}
			again.need = NeedRepositionCard
			if err := j.pause(retryPause); err != nil {
				return nil, err
			}
		case catalog.KeyRejected, catalog.KeyUnsuitable, catalog.KeyMissing:
			if rejects++; rejects >= keyTries {
				return nil, err
			}
			e.mu.Lock()
			j.cardKey = lds.Key{} // it is never tried again without the desk
			e.mu.Unlock()
			if err := j.awaitKey(id); err != nil {
				return nil, err
			}
			// The desk may have taken the card up to read the number on it.
			again = interruption{need: NeedInsertCard, cause: catalog.CardRemoved, since: time.Now(), limit: j.needLimit()}
		default:
			return nil, err
		}
		why = again
	}
	return nil, catalog.New(why.cause, nil)
}

// awaitKey asks the desk for a key, if there is none.
func (j *job) awaitKey(cause catalog.ID) error {
	e := j.e
	until := time.Now().Add(j.needLimit())
	err := j.await(func() time.Time { return until }, func() bool {
		if !j.cardKey.Empty() {
			j.clearNeed()
			return true
		}
		j.needs(NeedKey, cause, nil, until)
		return false
	})
	if errors.Is(err, errExpired) {
		return catalog.New(cause, nil)
	}
	e.mu.Lock()
	j.clearNeed()
	e.mu.Unlock()
	return err
}

// obstacle is what is in the way of a reading at the moment, and until when it is waited for.
type obstacle struct {
	need  string
	cause catalog.ID
	until time.Time
}

// connect opens the card in the job's reader as soon as one is there that can be used, within the time that the
// interruption allows. A mute card, a reader, a service or another program that is in the way gets the time that a need
// has, and only while it is in the way: the desk has as long to put a lifted card back as before. Altogether it is never
// longer than the longest of them.
func (j *job) connect(why *interruption) (s reader.Session, insertion uint64, err error) {
	e := j.e
	if why.since.IsZero() {
		*why = interruption{need: NeedInsertCard, cause: catalog.CardRemoved, since: time.Now(), limit: j.needLimit()}
	}
	most := why.since.Add(max(why.limit, j.needLimit()))
	now := obstacle{why.need, why.cause, why.since.Add(why.limit)}
	meet := func(need string, cause catalog.ID, limit time.Duration) {
		if now.need == need && now.cause == cause {
			return
		}
		now = obstacle{need, cause, time.Now().Add(limit)}
		if now.until.After(most) {
			now.until = most
		}
	}
	var busy time.Time
	var mute uint64 // insertion of a card that did not answer
	faults := 0
	for range 1 + int(busyLimit/retryPause) + int(j.needLimit()/retryPause) {
		err := j.await(func() time.Time { return now.until }, func() bool {
			info, known := e.infos[j.reader]
			stale := why.renew && info.Insertion == why.after
			switch {
			case e.health != nil:
				meet(NeedInsertCard, catalog.PCSCStopped, j.needLimit())
			case !known || info.State == reader.Absent:
				meet(NeedInsertCard, catalog.ReaderAbsent, j.needLimit())
			case info.State == reader.Error:
				meet(NeedRepositionCard, catalog.ReaderFault, j.needLimit())
			case cardThere(info) && mute != 0 && info.Insertion == mute, info.State == reader.Mute && !stale:
				meet(NeedRepositionCard, catalog.CardMute, j.needLimit())
			case info.State == reader.Busy && !stale:
				meet(NeedRepositionCard, catalog.ReaderBusy, j.needLimit())
			case info.State == reader.Card && !stale:
				j.clearNeed()
				return true
			default:
				meet(why.need, why.cause, why.limit)
			}
			j.needs(now.need, now.cause, nil, now.until)
			return false
		})
		if errors.Is(err, errExpired) {
			return nil, 0, catalog.New(now.cause, nil)
		}
		if err != nil {
			return nil, 0, err
		}
		ctx, cancel := context.WithTimeout(j.ctx, connectLimit)
		s, err := e.cfg.Readers.Connect(ctx, j.reader)
		cancel()
		if err == nil {
			at := s.Reader()
			e.mu.Lock()
			if slot := e.slots[j.reader]; slot != nil {
				slot.used, slot.anyUsed = at.Insertion, true
			}
			j.virtual = at.Virtual
			e.mu.Unlock()
			return s, at.Insertion, nil
		}
		if j.ctx.Err() != nil {
			return nil, 0, context.Cause(j.ctx)
		}
		e.mu.Lock()
		at := e.infos[j.reader].Insertion
		e.mu.Unlock()
		switch id := Explain(err).ID; id {
		case catalog.NoCard, catalog.CardRemoved:
			why.renew, why.after = true, at
		case catalog.CardMute:
			mute = at
		case catalog.ReaderBusy:
			if busy.IsZero() {
				busy = time.Now()
			}
			if time.Since(busy) >= busyLimit {
				return nil, 0, err
			}
		case catalog.ReaderAbsent, catalog.PCSCStopped:
			// The monitor will say so in a moment, and say when it is over.
		case catalog.CardReset, catalog.ReaderFault:
			if faults++; faults >= maxFaults {
				return nil, 0, err
			}
		default:
			return nil, 0, err
		}
		if err := j.pause(retryPause); err != nil {
			return nil, 0, err
		}
	}
	return nil, 0, catalog.New(now.cause, nil)
}

// readOnce reads what the session gives, and closes it whatever happens.
func (j *job) readOnce(s reader.Session, resume *icao.Document) (*icao.Document, error) {
	defer s.Close()
	e := j.e
	ctx, cancel := context.WithTimeout(j.ctx, readLimit)
	defer cancel()
	e.mu.Lock()
	key := j.cardKey
	j.reading = true
	if j.person == nil {
		j.tapped = time.Now()
	}
	e.mu.Unlock()
	defer func() {
		e.mu.Lock()
		j.reading = false
		e.mu.Unlock()
	}()
	o := icao.Options{
		Key: key, Now: e.cfg.Now, Portrait: j.picture || j.comparesFaces(), Access: e.cfg.Access, Resume: resume,
		OnProgress: func(p icao.Progress) {
			e.mu.Lock()
			defer e.mu.Unlock()
			if ctx.Err() == nil {
				j.progress(Phase(p.Phase), p.Percent)
			}
		},
		OnIdentity: j.onIdentity,
		OnChip: func(d *icao.Document) error {
			e.mu.Lock()
			defer e.mu.Unlock()
			j.see(d)
			j.partial(false)
			return nil
		},
	}
	if e.cfg.Trust != nil {
		o.Trust = e.cfg.Trust()
	}
	doc, err := e.cfg.Read(ctx, s, o)
	if doc != nil && !errors.Is(err, lds.ErrOtherCard) && !errors.Is(err, lds.ErrPersonUnexpected) {
		e.locked(func() { j.see(doc) })
	}
	if err == nil && doc == nil {
		err = errors.New("read gave no document")
	}
	if err == nil && doc.Identity == nil {
		err = lds.ErrInconsistent // complete means that somebody was identified
	}
	return doc, err
}

// see keeps what a result needs of a document. An identity that was proved stays proved when a later reading of the same
// chip breaks off before it; one whose disclosure is not on record (the job was cancelled in between) is not kept at all.
// The mutex is held.
func (j *job) see(d *icao.Document) {
	v := viewOf(d)
	if j.person == nil {
		v.identity = nil
	} else if v.identity == nil {
		return
	}
	j.view = v
}

// person is whom a job is about, and by which card: what every later reading of the job is held against.
type person struct {
	sod      []byte // EF.SOD
	identity lds.Identity
}

// is says whether a reading is of the same card. Number and EF.SOD alone would not do: what the owner was told must be
// what the card says that the rest of the result comes from.
func (p *person) is(d *icao.Document) bool {
	if !bytes.Equal(p.sod, d.Files[lds.SOD]) || p.identity.NoExpiry != d.Identity.NoExpiry {
		return false
	}
	now := d.Identity.Texts()
	for name, text := range p.identity.Texts() {
		if *text != *now[name] {
			return false
		}
	}
	return true
}

// onIdentity is called when the identity is consistent: it holds it against what was expected, puts the disclosure on
// record, begins the look-up and tells the owner, in this order.
func (j *job) onIdentity(d *icao.Document) error {
	e := j.e
	if d.Identity == nil {
		return nil
	}
	e.mu.Lock()
	known := j.person
	e.mu.Unlock()
	if known != nil {
		// A reading that continues: the person has been told already, and must be the same.
		if !known.is(d) {
			return lds.ErrOtherCard
		}
		return nil
	}
	if x := j.req.Expect; x != nil {
		number := d.Identity.Number
		if number == "" { // a passport without a personal number is known by its own
			number = d.Identity.DocumentNumber
		}
		if number != x.Number {
			return lds.ErrPersonUnexpected
		}
	}
	if j.ctx.Err() != nil {
		return context.Cause(j.ctx)
	}
	j.disclose(j.key.owner.String(), named(Filter(d.Identity, j.fields))...)
	e.locked(func() {
		j.person = &person{sod: bytes.Clone(d.Files[lds.SOD]), identity: *d.Identity}
		j.see(d)
		j.timings.IdentityMs = j.sinceTap()
	})
	defer close(j.told) // once: whoever comes here again knows the person
	j.lookUp(insurance.Request{Number: d.Identity.Number, FullName: d.Identity.FullName, DateOfBirth: d.Identity.DateOfBirth, Sex: d.Identity.Sex})
	j.countSigner(d.Verdicts.PassiveAuthentication.Signer)
	e.mu.Lock()
	defer e.mu.Unlock()
	j.partial(false)
	return nil
}

// countSigner asks the book how often this desk has seen a signer. A book that cannot say leaves it unsaid.
func (j *job) countSigner(s *lds.Signer) {
	e := j.e
	e.mu.Lock()
	known, hopeless := j.signer != nil, j.noBook
	e.mu.Unlock()
	if s == nil || s.SHA256 == "" || known || hopeless || e.cfg.Book == nil {
		return
	}
	seen, sum := make(chan int, 1), s.SHA256
	ok, _, _ := e.onDisk(&e.wg, func(ctx context.Context) error {
		n, err := e.cfg.Book.SignerSeen(ctx, sum)
		if err == nil {
			seen <- n
		}
		return err
	})
	if !ok {
		return
	}
	n := <-seen
	e.mu.Lock()
	j.signer = &n
	e.mu.Unlock()
}

// showPortrait turns the chip's photo into one that can be shown. A photo that cannot is a warning, never more.
func (j *job) showPortrait(doc *icao.Document) error {
	e := j.e
	if doc.Portrait == nil || !j.picture {
		return nil
	}
	pic, err := func() (p Picture, err error) {
		defer func() {
			if r := recover(); r != nil {
				j.caught(r)
				err = errors.New("decoder panicked")
			}
		}()
		if e.cfg.Portrait == nil {
			return p, errors.New("no decoder")
		}
		ctx, cancel := context.WithTimeout(j.ctx, portraitLimit)
		defer cancel()
		return e.cfg.Portrait(ctx, *doc.Portrait)
	}()
	if j.ctx.Err() != nil {
		return context.Cause(j.ctx)
	}
	if err != nil || len(pic.Data) == 0 {
		j.log("portrait.unreadable", map[string]any{"format": formatOf(doc.Portrait)})
		e.mu.Lock()
		j.pictErr = errors.Join(err, errors.New("no picture"))
		e.mu.Unlock()
		return nil
	}
	j.disclose(j.key.owner.String(), FieldPortrait)
	e.mu.Lock()
	defer e.mu.Unlock()
	j.portrait = &pic
	j.partial(true)
	return nil
}

// formatOf names a format that we know, and nothing that a card made up.
func formatOf(p *lds.Portrait) string {
	switch p.Format {
	case "jpeg", "jp2", "j2k":
		return p.Format
	}
	return "other"
}
