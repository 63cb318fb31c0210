package icao

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/tapcheck/tapcheck/icao/lds"
)

// mappingProof judges the proof that came with PACE with chip authentication mapping (ICAO 9303-11 §4.4.3.5.2), where that was run. done says
// that chip authentication need not be run any more: the verdict is written.
//
// The chip's key for it stands in EF.CardSecurity, which costs some twelve commands and the way back to the master file, at the time when the
// desk waits. So: if the signed DG14 has the key, or EF.CardSecurity was read anyway, the proof counts at once; else chip authentication
// is run, which takes three commands and proves the same; only where the card has none of that, EF.CardSecurity is fetched.
func (r *reading) mappingProof(dg14 []byte, v *lds.ExchangeVerdict) (done bool, err error) {
	if ran, _ := r.ch.ChipAuthenticationMapping(nil); ran.Exchange == lds.NotPresent {
		return false, nil
	}
	if dg14 != nil && !r.sound(lds.DG(14), dg14) {
		return false, nil // whatever the chip has proved, its files are not its own
	}
	offered := false
	if dg14 != nil {
		set, _, err := lds.Expect(dg14, 0x6E)
		if err == nil {
			// Only a proof that holds counts: the key that DG14 has under this id may be chip authentication's.
			if ex, key := r.ch.ChipAuthenticationMapping(set); ex.Exchange == lds.Passed {
				r.keepMapping(ex, set, key)
				*v = r.exchanged(14, dg14, ex, lds.ReasonChipAuthFailed)
				return true, nil
			}
		}
		offered = offersChipAuthentication(dg14)
	}
	file := r.doc.Files[lds.CardSecurity]
	if file == nil && offered {
		return false, nil
	}
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
	signed := r.o.Trust.InspectCardSecurity(file, r.doc.Files[lds.DG(1)], r.now())
	ex, key := r.ch.ChipAuthenticationMapping(signed.Infos)
	switch {
	case signed.Infos == nil && offered:
		return false, nil
	case signed.Infos == nil:
		*v = lds.ExchangeVerdict{Status: lds.Failed, Reason: lds.ReasonPassiveAuthFailed, Exchange: lds.NotDone, Protocol: ex.Protocol}
		return true, nil
	case ex.Exchange == lds.NotDone && offered:
		return false, nil
	}
	r.keepMapping(ex, signed.Infos, key)
	// Nothing in EF.CardSecurity names the document: its key says something about this one only if both are of a trusted state.
	anchored := signed.Anchored && r.alone(lds.DG(1), r.doc.Files[lds.DG(1)]).Anchored
	*v = r.worth(ex, signed.Verdict, anchored, lds.ReasonChipAuthFailed)
	return true, nil
}

// keepMapping remembers a proof for Resume.
func (r *reading) keepMapping(ex lds.ExchangeVerdict, infos, key []byte) {
	if ex.Exchange == lds.Passed {
		r.doc.caKey, r.doc.camInfos = key, infos
	}
}

// offersChipAuthentication says whether DG14 has a key for chip authentication (id-PK of ICAO 9303-11 §9.2.7).
func offersChipAuthentication(dg14 []byte) bool {
	infos, err := lds.ParseDG14(dg14)
	return err == nil && slices.ContainsFunc(infos, func(i lds.SecurityInfo) bool {
		return strings.HasPrefix(i.Protocol, "0.4.0.127.0.7.2.2.1.")
	})
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
