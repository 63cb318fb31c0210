package icao

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/tapcheck/tapcheck/icao/access"
	"github.com/tapcheck/tapcheck/icao/lds"
)

// wire stands between the channels and the transmitter. It counts, and it remembers that the card or the caller is gone:
// what came back from higher up may no longer tell a removed card from a refused file.
type wire struct {
	t      access.Transmitter
	count  access.Count
	broken error
}

// maxAPDUs bounds one read. The largest file that is allowed takes some 5,000 blocks of 100 bytes.
const maxAPDUs = 20000

func (w *wire) Transmit(ctx context.Context, apdu []byte) ([]byte, error) {
	if w.broken != nil {
		return nil, w.broken
	}
	if err := ctx.Err(); err != nil {
		w.broken = err
		return nil, err
	}
	if w.count.APDUs >= maxAPDUs {
		w.broken = fmt.Errorf("%w: a read without end", lds.ErrProtocol)
		return nil, w.broken
	}
	w.count.APDUs++
	w.count.Sent += len(apdu)
	resp, err := w.t.Transmit(ctx, apdu)
	if err == nil && len(resp) < 2 {
		err = access.ErrShortResponse
	}
	if err != nil {
		w.broken = err
		return nil, err
	}
	w.count.Received += len(resp)
	return resp, nil
}

// open opens the chip (ICAO 9303-11 §4.2): EF.CardAccess in clear tells whether it speaks PACE; only where it offers none
// that we speak, and the key has an MRZ, BAC is used.
func (r *reading) open() error {
	for _, id := range r.o.Extra {
		// Free to read, and out of reach once the application is selected.
		if id == lds.ATRInfo {
			raw, err := r.must(id)
			if r.fatal(err) {
				return err
			} else if err != nil {
				r.doc.Missing[id] = asFileError(id, err)
			} else if e, err := access.ParseATRInfo(raw); err == nil {
				r.ch.Limit(e)
			}
		}
	}
	fallback := ""
	cardAccess, err := r.fetch(lds.CardAccess)
	switch {
	case r.fatal(err):
		return err
	case err == nil:
		r.doc.Files[lds.CardAccess] = cardAccess
	default:
		cardAccess = nil
		if errors.Is(err, lds.ErrMalformed) || errors.Is(err, lds.ErrTooLarge) { // there is one, and it may offer PACE
			fallback = "PACE: EF.CardAccess is malformed"
		}
		for _, id := range r.o.Extra {
			if id == lds.CardAccess {
				r.doc.Missing[id] = asFileError(id, err)
			}
		}
	}
	if cardAccess != nil {
		if r.o.Key.Empty() {
			return lds.ErrKeyMissing
		}
		v, err := r.ch.PACE(r.ctx, cardAccess, r.o.Key)
		switch {
		case err == nil:
			r.doc.Verdicts.Access = r.opened(v, "")
			if err := r.securedMasterFile(); err != nil {
				return err
			}
			return r.ch.SelectApplication(r.ctx)
		case r.fatal(err):
			return err
		case errors.Is(err, access.ErrUnsupported):
			fallback = "PACE: no variant that is supported"
		case errors.Is(err, lds.ErrMalformed):
			fallback = "PACE: EF.CardAccess is malformed"
		default:
			return err
		}
	}
	if err := r.ch.SelectApplication(r.ctx); err != nil {
		return err
	}
	for _, id := range r.o.Extra {
		if id == lds.CardSecurity {
			r.doc.Missing[id] = &lds.FileError{File: id, Err: lds.ErrFileRefused} // needs PACE (ICAO 9303-11 §9.2.11)
		}
	}
	if r.o.Key.MRZ == nil {
		return r.withoutBAC(fallback)
	}
	v, err := r.ch.BAC(r.ctx, r.o.Key)
	if err == nil {
		r.doc.Verdicts.Access = r.opened(v, fallback)
		return nil
	}
	var se *lds.StatusError
	if !r.fatal(err) && !errors.Is(err, lds.ErrKeyRejected) && errors.As(err, &se) && noSuchCommand(se.SW) {
		if open := r.plain(fallback); open == nil || r.fatal(open) {
			return open
		}
	}
	if errors.Is(err, access.ErrUnsupported) {
		err = fmt.Errorf("%w: %w", lds.ErrAccessFailed, err)
	}
	return err
}

// withoutBAC is for a key that BAC cannot use: the chip is asked whether it has BAC, and read in clear only if it has
// no access control at all.
func (r *reading) withoutBAC(fallback string) error {
	// GET CHALLENGE is BAC's first step (ICAO 9303-11 §4.3.1) and harmless: nothing is tried with it.
	resp, err := r.wire.Transmit(r.ctx, []byte{0x00, 0x84, 0x00, 0x00, 0x08})
	if err != nil {
		return err
	}
	sw := uint16(resp[len(resp)-2])<<8 | uint16(resp[len(resp)-1])
	if noSuchCommand(sw) {
		err := r.plain(fallback)
		if err == nil || r.fatal(err) {
			return err
		}
		return fmt.Errorf("%w: neither PACE that is supported nor BAC, and the files are closed", lds.ErrAccessFailed)
	}
	if r.o.Key.Empty() {
		return lds.ErrKeyMissing
	}
	return lds.ErrKeyUnsuitable
}

// noSuchCommand says that the chip does not know a command, or not here: instruction, class or function not supported.
func noSuchCommand(sw uint16) bool {
	return sw == 0x6D00 || sw == 0x6E00 || sw == 0x6A81 || sw == 0x6881 || sw == 0x6882
}

// plain reads the EF.SOD in clear: a card without PACE and without BAC that gives it has no access control. Such cards are
// not to be made any more, and have to be read all the same (ICAO 9303-11 §4.1 note 1).
func (r *reading) plain(fallback string) error {
	sod, err := r.fetch(lds.SOD)
	if err != nil {
		return err
	}
	// Kept so that it is not read twice.
	r.doc.Files[lds.SOD] = sod
	r.doc.Verdicts.Access = lds.AccessVerdict{Status: lds.NotPresent, Reason: lds.ReasonNoAccessControl, Fallback: fallback}
	fetch := r.fetch
	r.fetch = func(id lds.FileID) ([]byte, error) {
		if id == lds.SOD {
			return sod, nil
		}
		return fetch(id)
	}
	return nil
}

// confirmAccess holds EF.CardAccess against its signed copy in DG14 (ICAO 9303-11 §4.2 step 3): nobody signs EF.CardAccess, so
// whoever stands between could take the better protocols out of it. A DG14 that repeats nothing of PACE confirms nothing,
// and chips are made like that. Chip authentication mapping may stand in EF.CardSecurity alone.
func (r *reading) confirmAccess(dg14 []byte) {
	if dg14 == nil || r.ch == nil || !r.sound(lds.DG(14), dg14) {
		return
	}
	set, _, err := lds.Expect(dg14, 0x6E)
	if err != nil {
		return
	}
	signed, offered := paceInfos(set), paceInfos(r.cardAccess)
	altered := false
	for info := range signed {
		altered = altered || !offered[info]
	}
	for info := range offered {
		altered = altered || len(signed) > 0 && !signed[info] && !strings.HasPrefix(info, camPrefix)
	}
	if !altered {
		return
	}
	r.warn(lds.ReasonAccessAltered)
	if a := &r.doc.Verdicts.Access; a.Protocol != "PACE" && a.Fallback == "" {
		a.Fallback = "PACE: in the signed DG14, and not in EF.CardAccess"
	}
}

// pacePrefix and camPrefix are the beginnings of SecurityInfos of PACE and of its chip authentication mapping, from the
// object identifier on (ICAO 9303-11 §9.2.3: 0.4.0.127.0.7.2.2.4 and .6 below it).
const (
	pacePrefix = "\x04\x00\x7F\x00\x07\x02\x02\x04"
	camPrefix  = "\x04\x00\x7F\x00\x07\x02\x02\x04\x06"
)

// paceInfos gives the SecurityInfos of PACE in a SET of them, each from the content of its object identifier on.
func paceInfos(set []byte) map[string]bool {
	out := map[string]bool{}
	body, _, err := lds.Expect(set, 0x31)
	if err != nil {
		return out
	}
	infos, err := lds.Children(body)
	if err != nil {
		return out
	}
	for _, info := range infos {
		if id, rest, err := lds.Expect(info.Value, 0x06); err == nil && info.Tag == 0x30 && strings.HasPrefix(string(id), pacePrefix) {
			out[string(id)+string(rest)] = true
		}
	}
	return out
}

func (r *reading) warn(w lds.Reason) {
	if !slices.Contains(r.doc.Warnings, w) {
		r.doc.Warnings = append(r.doc.Warnings, w)
	}
}

func (r *reading) opened(v lds.AccessVerdict, fallback string) lds.AccessVerdict {
	v.Status, v.Reason = lds.Passed, ""
	v.KeyFrom = r.o.Key.From
	if v.Fallback == "" {
		v.Fallback = fallback
	}
	return v
}

// securedMasterFile reads those of the extra files that lie in the master file and need PACE.
func (r *reading) securedMasterFile() error {
	for _, id := range r.o.Extra {
		if id == lds.CardSecurity {
			if _, err := r.must(id); err != nil && (r.fatal(err) || !r.fileOnly(err)) {
				return err
			}
		}
	}
	return nil
}

// reopen opens the chip a second time, once in a read, after its session broke. The EF.CardAccess is the one that was
// read. If that fails, nothing more is asked of the chip: it is not read in clear.
func (r *reading) reopen() error {
	if r.lost != nil {
		return r.lost
	}
	if r.ch == nil || r.reopened == 2 {
		r.lost = lds.ErrSecureMessaging
		return r.lost
	}
	r.reopened++
	if err := r.openAgain(); err != nil {
		r.lost = err
		return err
	}
	return nil
}

func (r *reading) openAgain() error {
	// An unprotected command ends the session that the chip may still hold (ICAO 9303-11 §9.8.8), and this one goes back to
	// where access control begins. Whatever the chip answers to it: the Vietnamese card stays where it is, and opens there.
	if _, err := r.wire.Transmit(r.ctx, []byte{0x00, 0xA4, 0x00, 0x0C, 0x02, 0x3F, 0x00}); err != nil {
		return err
	}
	r.ch = access.NewChannel(r.wire, r.o.Access)
	switch r.doc.Verdicts.Access.Protocol {
	case "PACE":
		v, err := r.ch.PACE(r.ctx, r.doc.Files[lds.CardAccess], r.o.Key)
		if err != nil {
			return err
		}
		r.doc.Verdicts.Access = r.opened(v, r.doc.Verdicts.Access.Fallback) // perhaps with another of the card's offers
		return r.ch.SelectApplication(r.ctx)
	case "BAC":
		if err := r.ch.SelectApplication(r.ctx); err != nil {
			return err
		}
		_, err := r.ch.BAC(r.ctx, r.o.Key)
		return err
	}
	return r.ch.SelectApplication(r.ctx)
}
