package trust

import (
	"encoding/asn1"
	"time"

	"github.com/tapcheck/tapcheck/icao/lds"
)

var oidSecurityObject = asn1.ObjectIdentifier{0, 4, 0, 127, 0, 7, 3, 2, 1} // id-SecurityObject of TR-03110-3 §A.1.2.5

// CardSecurity is the judgement of an EF.CardSecurity: the SecurityInfos of a chip, signed by a document signer (ICAO 9303-11 §9.2.11).
type CardSecurity struct {
	Verdict lds.PassiveVerdict
	// Infos is the SecurityInfos set that was signed, DER; nil unless the signature matches its signer.
	Infos    []byte
	Anchored bool // as in Judgement
}

// InspectCardSecurity judges an EF.CardSecurity by the same rules as an EF.SOD: signature, signer, chain, revocation, validity at the given time.
// dg1 is the file, for the issuing state; nil leaves that out. It never fails: what does not parse is MALFORMED.
func (s *Store) InspectCardSecurity(file, dg1 []byte, at time.Time) (out CardSecurity) {
	malformed := func(why string) CardSecurity {
		return CardSecurity{Verdict: failed(lds.ReasonMalformed, "EF_CardSecurity: "+why)}
	}
	defer func() {
		if recover() != nil { // see Inspect
			out = malformed("a certificate or signature that cannot be decoded")
		}
	}()
	if len(file) > MaxSOD {
		return malformed("larger than allowed")
	}
	head, n, ok := header(file)
	if !ok || n > len(file)-head {
		return malformed("not a CMS SignedData")
	}
	sd, err := parseSignedData(file[:head+n]) // a card may fill the file up behind it
	if err != nil {
		return malformed(err.Error())
	}
	if !sd.Content.EContentType.Equal(oidSecurityObject) {
		return malformed("content of another type")
	}
	certs, err := parseCertificates(sd.Certificates.Bytes)
	if err != nil {
		return malformed(err.Error())
	}
	i := &Inspection{rejectWeak: s.rejectWeak}
	i.judgeSigner(s, sd, certs, at)
	j := i.Judge(nil)
	if j.Consistent {
		out.Infos = sd.Content.EContent
	}
	out.Verdict, out.Anchored = j.Verdict, j.Anchored
	if country := i.country(map[lds.FileID][]byte{lds.DG(1): dg1}); country.reason != "" {
		out.Verdict.Status, out.Verdict.Reason, out.Verdict.Detail, out.Anchored = lds.Failed, country.reason, country.detail, false
	} else if out.Verdict.Status == lds.NotDone {
		out.Verdict.Status, out.Verdict.Reason = lds.Passed, "" // there are no files to compare
	}
	return out
}
