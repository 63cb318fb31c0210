package icao

import (
	"errors"
	"fmt"
	"slices"

	"github.com/tapcheck/tapcheck/icao/lds"
)

// mappingProof judges the proof that came with PACE with chip authentication mapping (ICAO 9303-11 §4.4.3.5.2), where that was run. done says
// that chip authentication need not be run any more: the verdict is written.
//
// The proof says whose chip is at the other end of the session, by a key that stands in EF.CardSecurity; that file is signed by itself, and
// names no document. Whoever has got at the key of one chip could therefore show it with the files of every other document of that
// state. So the proof counts where the key also stands in DG14, which the EF.SOD covers and §9.2.11 wants to repeat all
// SecurityInfos. Else chip authentication is run with a key of DG14, which takes three commands and proves what is missing. Only where the
// card has none of that, EF.CardSecurity is fetched, for a proof that fails is one; one that holds is not_verifiable, KEY_NOT_BOUND.
func (r *reading) mappingProof(dg14 []byte, v *lds.ExchangeVerdict) (done bool, err error) {
	if ran, _ := r.ch.ChipAuthenticationMapping(nil); ran.Exchange == lds.NotPresent {
		return false, nil
	}
	if dg14 != nil && !r.sound(lds.DG(14), dg14) {
		return false, nil // whatever the chip has proved, its files are not its own
	}
	if dg14 != nil {
		offered := r.ch.OffersChipAuthentication(dg14)
		if set, _, err := lds.Expect(dg14, 0x6E); err == nil {
			// Where chip authentication is offered, a proof that does not fit says nothing: the key that DG14 has under this id may be the other's.
			if ex, key := r.ch.ChipAuthenticationMapping(set); ex.Exchange == lds.Passed || ex.Exchange == lds.Failed && !offered {
				r.keepMapping(ex, set, key)
				*v = r.exchanged(14, dg14, ex, lds.ReasonChipAuthFailed)
				return true, nil
			}
		}
		if offered {
			return false, nil
		}
	}
	file := r.doc.Files[lds.CardSecurity]
	if file == nil {
		if file, err = r.want(lds.CardSecurity); err != nil {
			return false, err
		}
		// The other files, and active authentication, are in the application.
		if err := r.ch.SelectApplication(r.ctx); r.fatal(err) {
			return false, err
		} else if err != nil {
			if err := r.reopen(); r.fatal(err) {
				return false, err
			}
		}
	}
	if file == nil {
		ran, _ := r.ch.ChipAuthenticationMapping(nil)
		*v = lds.ExchangeVerdict{Status: lds.NotDone, Reason: lds.ReasonFileUnreadable, Protocol: ran.Protocol}
		return true, nil
	}
	signed := r.cardSecurity()
	ex, key := r.ch.ChipAuthenticationMapping(signed.Infos)
	if signed.Infos == nil {
		*v = lds.ExchangeVerdict{Status: lds.Failed, Reason: lds.ReasonPassiveAuthFailed, Exchange: lds.NotDone, Protocol: ex.Protocol}
		return true, nil
	}
	r.keepMapping(ex, signed.Infos, key)
	anchored := signed.Anchored && r.alone(lds.DG(1), r.doc.Files[lds.DG(1)]).Anchored
	*v = r.worth(ex, signed.Verdict, anchored, lds.ReasonChipAuthFailed)
	if v.Status == lds.Passed {
		v.Status, v.Reason = lds.NotVerifiable, lds.ReasonKeyNotBound
	}
	return true, nil
}

// keepMapping remembers a proof for Resume.
func (r *reading) keepMapping(ex lds.ExchangeVerdict, infos, key []byte) {
	if ex.Exchange == lds.Passed {
		r.doc.caKey, r.doc.camInfos = key, infos
	}
}

// admit runs terminal authentication if the caller has certificates for it and wants what it opens. What the card refuses is noted with the files
// that stay closed.
func (r *reading) admit() error {
	var wanted []lds.FileID
	for _, id := range []lds.FileID{lds.DG(3), lds.DG(4)} {
		if slices.Contains(r.o.Extra, id) && r.plan.lists(id.Number()) && r.doc.Files[id] == nil {
			wanted = append(wanted, id)
		}
	}
	if r.o.Terminal == nil || len(wanted) == 0 || r.lost != nil {
		return nil
	}
	dg14, err := r.want(lds.DG(14))
	if err != nil {
		return err
	}
	rights, err := r.ch.TerminalAuthentication(r.ctx, dg14, *r.o.Terminal)
	if r.fatal(err) {
		return err
	}
	if err == nil {
		r.doc.Terminal = &rights
		return nil
	}
	for _, id := range wanted {
		if !errors.Is(err, lds.ErrFileRefused) {
			err = fmt.Errorf("%w: %w", lds.ErrFileRefused, err)
		}
		r.doc.Missing[id] = &lds.FileError{File: id, Err: err}
	}
	return nil
}
