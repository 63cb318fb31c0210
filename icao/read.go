package icao

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/tapcheck/tapcheck/icao/access"
	"github.com/tapcheck/tapcheck/icao/lds"
	"github.com/tapcheck/tapcheck/icao/trust"
)

// Phase of a read. The values go over the wire and are frozen.
type Phase string

// Phases in their order.
const (
	PhaseAccess   Phase = "access"
	PhaseIdentity Phase = "identity"
	PhaseChip     Phase = "chip"
	PhasePortrait Phase = "portrait"
)

// Progress of a read. Percent is by bytes over the files that are wanted, 0 to 100, and never goes back.
type Progress struct {
	Phase   Phase
	Percent int
	File    lds.FileID
}

// Options say what to read and whom to tell.
type Options struct {
	Key      lds.Key
	Trust    *trust.Store     // nil has no anchors
	Now      func() time.Time // nil is time.Now
	Portrait bool             // read DG2
	NoChip   bool             // leave chip and active authentication out
	// Extra are further files to read (read --raw), after the portrait; those of the master file before the application is
	// selected, because many cards do not go back to the master file.
	Extra  []lds.FileID
	Access access.Options
	// Challenge is the eight bytes of active authentication; nil makes one.
	Challenge []byte
	// Terminal is what opens DG3 and DG4, if they are among Extra and the hospital has certificates for them; nil leaves them closed.
	Terminal *access.Terminal

	// Resume is a document whose reading broke off when the card was lifted; the same chip is proved before anything is
	// added to it (lds.ErrOtherCard). A document without EF.SOD is read afresh.
	Resume *Document

	OnProgress func(Progress)
	// OnIdentity is called once, when the identity is consistent, before the chip's keys and the portrait are read. An
	// error stops the read and is returned as it is. The document must not be changed or kept.
	OnIdentity func(*Document) error
	// OnChip is called when chip and active authentication are over, before the portrait. Its error is treated alike.
	OnChip func(*Document) error
}

// Document is one chip as far as it was read.
type Document struct {
	Files    map[lds.FileID][]byte
	Missing  map[lds.FileID]error // wanted files that could not be had, with why: typed as in lds
	Identity *lds.Identity        // nil until consistent
	Portrait *lds.Portrait        // nil without one
	Contents Contents             // the other files, decoded
	Verdicts lds.Verdicts
	Anchored bool
	// Warnings are what the desk should know beyond the verdicts: an exchange that failed although its key proves nothing.
	Warnings []lds.Reason
	Count    access.Count
	// Conflicts are the fields about which two sources of this reading disagree.
	Conflicts []Conflict
	// Terminal is what terminal authentication opened; nil where it was not run or refused (why is in Missing).
	Terminal *access.TerminalRights
	// At says when identity, chip proof and everything were done, counted from the start of the read.
	IdentityAfter, ChipAfter, DoneAfter time.Duration

	zone           lds.MRZ // of DG1, once the identity is there
	caDone, aaDone bool    // the exchange is over, whatever came of it
	caKey, aaKey   []byte  // the chip's public key with which it passed; for Resume
	camInfos       []byte  // the signed SecurityInfos with caKey, where PACE itself was the proof
}

// Conflict is one field in which two descriptions of the person disagree, with what each says: personal data, for comparison only.
type Conflict struct {
	Between    string // ConflictMRZ or ConflictScanned
	Field      string // JSON name of the field of lds.Identity
	One, Other string
}

// What disagrees.
const (
	ConflictMRZ     = "mrz"     // the zone (One) and DG13 (Other)
	ConflictScanned = "scanned" // what the key said (One) and the chip (Other)
)

// Read reads a chip. It returns the document as far as it came, also with an error. It does not close the transmitter.
func Read(ctx context.Context, t access.Transmitter, o Options) (*Document, error) {
	r := newReading(o)
	r.ctx = ctx
	r.wire = &wire{t: t}
	r.ch = access.NewChannel(r.wire, o.Access)
	r.fetch = r.fetchFromChip
	err := r.run()
	r.doc.Count.APDUs += r.wire.count.APDUs
	r.doc.Count.Sent += r.wire.count.Sent
	r.doc.Count.Received += r.wire.count.Received
	r.doc.DoneAfter = r.since()
	return r.doc, err
}

// reading is one Read or Inspect under way.
type reading struct {
	ctx   context.Context
	o     Options
	now   func() time.Time
	begin time.Time
	wire  *wire           // nil for Inspect
	ch    *access.Channel // nil for Inspect
	// fetch gets one file: from the chip, or from the files that were given.
	fetch func(lds.FileID) ([]byte, error)
	doc   *Document
	insp  *trust.Inspection
	// signed is the judgement of the EF.CardSecurity in of, once somebody has asked for it.
	signed *trust.CardSecurity
	of     []byte
	// cardAccess is the EF.CardAccess of this session; Resume may bring another one.
	cardAccess []byte
	plan       plan
	// reopened counts how often the chip was opened again after its session broke: twice at most, so that chip authentication
	// can be tried again and the rest still be read. lost is why it could not be.
	reopened int
	lost     error
}

func newReading(o Options) *reading {
	r := &reading{o: o, now: o.Now}
	if r.now == nil {
		r.now = time.Now
	}
	if r.o.Trust == nil {
		r.o.Trust = new(trust.Store)
	}
	r.begin = r.now()
	r.doc = &Document{Files: map[lds.FileID][]byte{}, Missing: map[lds.FileID]error{}}
	v := &r.doc.Verdicts
	v.Access = lds.AccessVerdict{Status: lds.NotDone, Reason: lds.ReasonNotReached}
	v.PassiveAuthentication = lds.PassiveVerdict{Status: lds.NotDone, Reason: lds.ReasonNotReached}
	v.ChipAuthentication = lds.ExchangeVerdict{Status: lds.NotDone, Reason: lds.ReasonNotReached}
	v.ActiveAuthentication = v.ChipAuthentication
	v.DocumentValidity = lds.BasisVerdict{Status: lds.NotDone, Reason: lds.ReasonNotReached}
	v.KeyMatchesChip = v.DocumentValidity
	return r
}

func (r *reading) since() time.Duration { return r.now().Sub(r.begin) }

// fatal says whether an error ends the read: the card or the caller is gone, and no further APDU makes sense.
func (r *reading) fatal(err error) bool {
	return err != nil && (r.ctx.Err() != nil || r.wire != nil && r.wire.broken != nil)
}

// fileOnly says whether an error is about one file, so that the rest of the chip can still be read: the file's own fault,
// or a refusal after which the session lives.
func (r *reading) fileOnly(err error) bool {
	var se *lds.StatusError
	return lds.IsFileFault(err) || errors.As(err, &se) && r.ch != nil && (r.ch.Secure() || r.doc.Verdicts.Access.Status == lds.NotPresent)
}

// refused words the access verdict of a chip that did not let itself be opened: failed where the card tried and said no,
// not_done where it never came to a trial. A card that went away meanwhile was not reached.
func (r *reading) refused(err error) {
	for _, why := range []struct {
		err    error
		status lds.Status
		reason lds.Reason
	}{
		{lds.ErrKeyRejected, lds.Failed, lds.ReasonKeyRejected},
		{lds.ErrAccessFailed, lds.Failed, lds.ReasonAccessFailed},
		{lds.ErrKeyUnsuitable, lds.NotDone, lds.ReasonKeyUnsuitable},
		{lds.ErrSecureMessaging, lds.NotDone, lds.ReasonAccessFailed},
		{lds.ErrProtocol, lds.NotDone, lds.ReasonAccessFailed},
	} {
		if errors.Is(err, why.err) && !r.fatal(err) {
			a := &r.doc.Verdicts.Access
			*a = lds.AccessVerdict{Status: why.status, Reason: why.reason, KeyFrom: r.o.Key.From, Fallback: a.Fallback}
			return
		}
	}
}

func (r *reading) run() error {
	r.plan.start(r.o)
	r.report(PhaseAccess, "", 0, 0)
	if r.o.Key.Mangled {
		r.warn(lds.ReasonQRMangled)
	}
	if err := r.open(); err != nil {
		r.refused(err)
		return err
	}
	r.report(PhaseIdentity, lds.SOD, 0, 0)
	sod, err := r.fetch(lds.SOD)
	if err != nil && (r.fatal(err) || !r.fileOnly(err)) {
		return err
	}
	r.cardAccess = r.doc.Files[lds.CardAccess]
	if prev := r.o.Resume; prev != nil && prev.Files[lds.SOD] != nil {
		if !bytes.Equal(sod, prev.Files[lds.SOD]) {
			return r.otherCard()
		}
		r.resume(prev)
	}
	if err := r.beginJudging(sod, err); err != nil {
		return err
	}
	if r.o.Resume != nil {
		if err := r.proveAgain(); err != nil {
			return err
		}
		r.confirmAccess(r.doc.Files[lds.DG(14)])
	}
	if r.doc.Identity == nil {
		if err := r.identity(); err != nil {
			return err
		}
		r.doc.IdentityAfter = r.since()
		if r.o.OnIdentity != nil {
			if err := r.o.OnIdentity(r.doc); err != nil {
				return err
			}
		}
	}
	if !r.doc.caDone || !r.doc.aaDone {
		r.report(PhaseChip, "", 0, 0)
		if err := r.chip(); err != nil {
			return err
		}
		r.doc.ChipAfter = r.since()
		if r.o.OnChip != nil {
			if err := r.o.OnChip(r.doc); err != nil {
				return err
			}
		}
	}
	r.report(PhasePortrait, "", 0, 0)
	if r.o.Portrait && r.doc.Portrait == nil {
		if err := r.portrait(); err != nil {
			return err
		}
	}
	if err := r.admit(); err != nil {
		return err
	}
	for _, id := range r.o.Extra {
		a, ok := id.Address()
		if n := id.Number(); n != 0 && !r.plan.lists(n) {
			r.doc.Missing[id] = &lds.FileError{File: id, Err: lds.ErrFileAbsent} // and no chip is asked for what it has not
			continue
		}
		if ok && !a.InMF {
			if _, err := r.want(id); err != nil {
				return err
			}
		}
	}
	r.judge()
	r.decode()
	r.plan.finish()
	r.report(PhasePortrait, "", 0, 0)
	return nil
}

// beginJudging takes the EF.SOD, or the fault for which there is none.
func (r *reading) beginJudging(sod []byte, fault error) error {
	if fault != nil {
		r.doc.Missing[lds.SOD] = asFileError(lds.SOD, fault)
		sod = nil
	} else {
		r.doc.Files[lds.SOD] = sod
	}
	if fault == nil && len(sod) == 0 || errors.Is(fault, lds.ErrMalformed) || errors.Is(fault, lds.ErrTooLarge) {
		sod = []byte{0} // there is one, and it is none: only nil is judged as absent
	}
	r.insp = r.o.Trust.Inspect(sod, r.now())
	j := r.judge()
	switch {
	case errors.Is(fault, lds.ErrFileAbsent) || errors.Is(fault, lds.ErrMalformed) || errors.Is(fault, lds.ErrTooLarge):
		return asFileError(lds.SOD, fault)
	case fault != nil:
		r.doc.Verdicts.PassiveAuthentication = lds.PassiveVerdict{Status: lds.NotDone, Reason: lds.ReasonFileUnreadable}
		return asFileError(lds.SOD, fault)
	case j.Listed == nil:
		return &lds.FileError{File: lds.SOD, Err: lds.ErrMalformed}
	}
	r.plan.listed(j.Listed)
	return nil
}

func asFileError(id lds.FileID, err error) error {
	var fe *lds.FileError
	if errors.As(err, &fe) {
		return err
	}
	return &lds.FileError{File: id, Err: err}
}

// resume takes over what an earlier read of the same chip found.
func (r *reading) resume(prev *Document) {
	access, count := r.doc.Verdicts.Access, r.doc.Count
	d := *prev
	d.Files, d.Missing = maps.Clone(prev.Files), maps.Clone(prev.Missing)
	if d.Missing == nil {
		d.Missing = map[lds.FileID]error{}
	}
	for id, raw := range prev.Files {
		r.plan.had(id, len(raw))
	}
	maps.Copy(d.Files, r.doc.Files)
	for id := range r.doc.Files {
		delete(d.Missing, id)
	}
	d.Warnings = slices.Clone(prev.Warnings)
	d.Verdicts.Access = access
	count.APDUs += prev.Count.APDUs
	count.Sent += prev.Count.Sent
	count.Received += prev.Count.Received
	d.Count = count
	r.doc = &d
}

// otherCard gives the earlier document back as it was: nothing of another card is added to it.
func (r *reading) otherCard() error {
	d := *r.o.Resume
	r.doc = &d
	return lds.ErrOtherCard
}

// proveAgain repeats the proof that the chip gave before it was lifted: the same EF.SOD can lie on a copy.
func (r *reading) proveAgain() error {
	d := r.doc
	switch {
	case d.camInfos != nil:
		v, key := r.ch.ChipAuthenticationMapping(d.camInfos)
		if v.Exchange != lds.Passed || !bytes.Equal(key, d.caKey) {
			return r.otherCard()
		}
	case d.caKey != nil:
		v, key, err := r.ch.ChipAuthentication(r.ctx, d.Files[lds.DG(14)])
		if r.fatal(err) {
			return err
		}
		if err != nil || v.Exchange != lds.Passed || !bytes.Equal(key, d.caKey) {
			return r.otherCard()
		}
	case d.aaKey != nil:
		challenge, _, err := r.challenge()
		if err != nil {
			return err
		}
		v, key, err := r.ch.ActiveAuthentication(r.ctx, d.Files[lds.DG(15)], d.Files[lds.DG(14)], challenge)
		if r.fatal(err) {
			return err
		}
		if err != nil || v.Exchange != lds.Passed || !bytes.Equal(key, d.aaKey) {
			return r.otherCard()
		}
	}
	return nil
}

func (r *reading) challenge() (challenge []byte, kind string, err error) {
	if r.o.Challenge != nil {
		if len(r.o.Challenge) != 8 {
			return nil, "", errors.New("challenge of active authentication has not eight bytes")
		}
		return r.o.Challenge, "given", nil
	}
	c := make([]byte, 8)
	if _, err := rand.Read(c); err != nil {
		return nil, "", fmt.Errorf("challenge: %w", err)
	}
	return c, "self_issued", nil
}

// identity reads the files that say who this is, and holds them against the signed hashes.
func (r *reading) identity() error {
	dg1, err := r.must(lds.DG(1))
	if err != nil {
		r.judge()
		return err
	}
	zone, zoneErr := lds.ParseDG1(dg1)
	// Other states put other things into DG13 (ICAO 9303-10 §4.7.13 leaves it to them).
	if zoneErr == nil && zone.Vietnamese() && r.plan.lists(13) {
		if _, err := r.must(lds.DG(13)); err != nil && (r.fatal(err) || !r.fileOnly(err)) {
			return err
		}
	}
	r.judge()
	if zoneErr != nil {
		return &lds.FileError{File: lds.DG(1), Err: zoneErr}
	}
	// Only what the identity is made of counts here: Inspect has all files from the start, Read has not.
	made := map[lds.FileID][]byte{lds.DG(1): dg1}
	if dg13, ok := r.doc.Files[lds.DG(13)]; ok {
		made[lds.DG(13)] = dg13
	}
	if j := r.insp.Judge(made); !j.Consistent {
		return fmt.Errorf("%w (%s)", lds.ErrInconsistent, j.Verdict.Reason)
	}
	r.doc.zone = zone
	r.compose()
	return nil
}

// must reads a file before the identity is there: every fault is the caller's. A fault of the file itself is noted, too.
func (r *reading) must(id lds.FileID) ([]byte, error) {
	if raw, ok := r.doc.Files[id]; ok {
		return raw, nil
	}
	raw, err := r.fetch(id)
	if err != nil {
		if !r.fatal(err) && r.fileOnly(err) {
			err = asFileError(id, err)
			r.doc.Missing[id] = err
		}
		return nil, err
	}
	r.doc.Files[id] = raw
	return raw, nil
}

// want reads a file after the identity is there: only the loss of the card or of the caller is an error, everything else
// is noted, and raw is nil then. A session that broke is opened once more, because the photo is worth it.
func (r *reading) want(id lds.FileID) (raw []byte, err error) {
	if raw, ok := r.doc.Files[id]; ok {
		return raw, nil
	}
	if r.doc.Missing[id] != nil {
		return nil, nil
	}
	raw, err = r.fetch(id)
	if err != nil && !r.fatal(err) && !r.fileOnly(err) {
		if again := r.reopen(); r.fatal(again) {
			return nil, again
		} else if again == nil {
			raw, err = r.fetch(id)
		}
	}
	switch {
	case err == nil:
		r.doc.Files[id] = raw
		return raw, nil
	case r.fatal(err):
		return nil, err
	}
	r.doc.Missing[id] = asFileError(id, err)
	return nil, nil
}

func (r *reading) fetchFromChip(id lds.FileID) ([]byte, error) {
	if r.lost != nil {
		return nil, r.lost
	}
	raw, err := r.ch.ReadFile(r.ctx, id, func(done, total int) { r.report("", id, done, total) })
	if err == nil {
		r.report("", id, len(raw), len(raw))
	}
	return raw, err
}

// chip runs chip and active authentication as far as the card has them.
// chipAuthentication runs the exchange, and once more in a new session where it failed: a chip that lost its power for a
// moment answers as a copy does, and nobody is to be called a forger for that. A copy fails twice. An error ends the read.
func (r *reading) chipAuthentication(dg14 []byte) (ex lds.ExchangeVerdict, key []byte, err error) {
	for try := 1; ; try++ {
		ex, key, err = r.ch.ChipAuthentication(r.ctx, dg14)
		if r.fatal(err) {
			return ex, nil, err
		}
		if err != nil {
			ex = lds.ExchangeVerdict{Exchange: lds.Failed, Protocol: ex.Protocol}
		}
		if ex.Exchange != lds.Failed || try == 2 {
			return ex, key, nil
		}
		if err := r.reopen(); err != nil {
			if r.fatal(err) {
				return ex, nil, err
			}
			return ex, nil, nil
		}
	}
}

func (r *reading) chip() error {
	d := r.doc
	v := &d.Verdicts
	if r.o.NoChip {
		v.ChipAuthentication = lds.ExchangeVerdict{Status: lds.NotDone, Reason: lds.ReasonSwitchedOff}
		v.ActiveAuthentication = v.ChipAuthentication
		d.caDone, d.aaDone = true, true
		return nil
	}
	// Both files before both exchanges: when chip authentication fails, the session is over.
	var dg14, dg15 []byte
	var err error
	if r.plan.lists(14) {
		if dg14, err = r.want(lds.DG(14)); err != nil {
			return err
		}
	}
	if r.plan.lists(15) {
		if dg15, err = r.want(lds.DG(15)); err != nil {
			return err
		}
	}
	r.judge()
	r.confirmAccess(dg14)
	proved := d.caDone
	if !proved {
		if proved, err = r.mappingProof(dg14, &v.ChipAuthentication); err != nil {
			return err
		}
	}
	if !proved && r.exchangeReady(14, dg14, &v.ChipAuthentication) && r.lost == nil { // a lost session has tried nothing
		ex, key, err := r.chipAuthentication(dg14)
		if err != nil {
			return err
		}
		if ex.Exchange == lds.Passed {
			d.caKey = key
		}
		v.ChipAuthentication = r.exchanged(14, dg14, ex, lds.ReasonChipAuthFailed)
		if ex.Exchange == lds.Failed && (r.o.Portrait && r.plan.lists(2) || dg15 != nil || len(r.o.Extra) > 0) {
			// Secure messaging is dead on both sides; what is left to read needs a new session.
			if err := r.reopen(); r.fatal(err) {
				d.caDone = true
				return err
			}
		}
	}
	d.caDone = true
	if ready := r.exchangeReady(15, dg15, &v.ActiveAuthentication); ready && !d.aaDone && r.lost == nil {
		challenge, kind, err := r.challenge()
		if err != nil {
			return err
		}
		ex, key, err := r.ch.ActiveAuthentication(r.ctx, dg15, dg14, challenge)
		if r.fatal(err) {
			return err
		}
		if err != nil {
			ex = lds.ExchangeVerdict{Exchange: lds.NotDone, Reason: lds.ReasonRefusedByCard, Protocol: ex.Protocol}
		}
		if dg14 == nil && r.plan.lists(14) && strings.HasPrefix(ex.Protocol, "AA ECDSA") && (ex.Exchange == lds.Failed || ex.Reason == lds.ReasonHashNotNamed && ex.Exchange != lds.Passed) {
			// The hash of the signature stands in DG14 (ICAO 9303-11 §9.2.4), which the card did not give: we may have taken another one.
			ex = lds.ExchangeVerdict{Exchange: lds.NotDone, Reason: lds.ReasonFileUnreadable, Protocol: ex.Protocol}
		}
		if ex.Reason == lds.ReasonHashNotNamed {
			r.warn(lds.ReasonHashNotNamed)
		}
		ex.Challenge = kind
		if ex.Exchange == lds.Passed {
			d.aaKey = key
		}
		v.ActiveAuthentication = r.exchanged(15, dg15, ex, lds.ReasonActiveAuthFailed)
	}
	d.aaDone = true
	return nil
}

// portrait reads DG2 and gives its picture out if it matches its hash.
func (r *reading) portrait() error {
	id := lds.DG(2)
	if !r.plan.lists(2) {
		r.doc.Missing[id] = &lds.FileError{File: id, Err: lds.ErrFileAbsent}
		return nil
	}
	raw, err := r.want(id)
	if err != nil || raw == nil {
		return err
	}
	r.judge()
	if !r.sound(id, raw) {
		r.doc.Missing[id] = &lds.FileError{File: id, Err: lds.ErrInconsistent}
		return nil
	}
	p, err := lds.ParseDG2(raw)
	if err != nil {
		r.doc.Missing[id] = &lds.FileError{File: id, Err: err}
		return nil
	}
	r.doc.Portrait = &p
	return nil
}
