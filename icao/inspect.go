package icao

import (
	"bytes"
	"context"

	"github.com/tapcheck/tapcheck/icao/lds"
)

// Inspect decodes and judges the saved files of a chip, with the same code and the same verdicts as Read, as far as files can
// tell: nobody can ask saved files for a secret, so access, chip and active authentication are not_done, unless the card
// has no such feature or the key's file is not the one that was signed. Validity is judged at Options.Now.
//
// EF.CardSecurity is judged by its own signature, in Contents.CardSecurity.
//
// All files are judged, whatever else is wrong with them: the verdict is there with every error. Errors are those that
// Read has for the same files.
func Inspect(files map[lds.FileID][]byte, o Options) (*Document, error) {
	r := newReading(o)
	r.ctx = context.Background()
	r.fetch = func(id lds.FileID) ([]byte, error) {
		if raw, ok := files[id]; ok {
			return raw, nil
		}
		return nil, &lds.FileError{File: id, Err: lds.ErrFileAbsent}
	}
	for id, raw := range files {
		r.doc.Files[id] = bytes.Clone(raw)
	}
	r.plan.start(o)
	sod, fault := r.fetch(lds.SOD)
	err := r.beginJudging(sod, fault)
	if err != nil {
		return r.doc, err
	}
	err = r.identity()
	v := &r.doc.Verdicts
	for n, verdict := range map[int]*lds.ExchangeVerdict{14: &v.ChipAuthentication, 15: &v.ActiveAuthentication} {
		r.exchangeReady(n, r.doc.Files[lds.DG(n)], verdict)
		if verdict.Reason == lds.ReasonNotReached || verdict.Reason == lds.ReasonFileUnreadable {
			*verdict = lds.ExchangeVerdict{Status: lds.NotDone, Reason: lds.ReasonNotReached}
		}
	}
	if _, ok := files[lds.CardSecurity]; ok && v.ChipAuthentication.Status == lds.NotPresent {
		// A chip that proves itself in PACE; with what key, this file says.
		v.ChipAuthentication = lds.ExchangeVerdict{Status: lds.NotDone, Reason: lds.ReasonNotReached}
		if r.cardSecurity().Infos == nil {
			v.ChipAuthentication = lds.ExchangeVerdict{Status: lds.Failed, Reason: lds.ReasonPassiveAuthFailed, Exchange: lds.NotDone}
		}
	}
	if r.plan.lists(2) && r.doc.Files[lds.DG(2)] != nil {
		_ = r.portrait() // its faults are in Missing
	}
	r.judge()
	r.decode()
	r.doc.DoneAfter = r.since()
	return r.doc, err
}
