package icao

import (
	"bytes"
	"maps"
	"slices"
	"strings"
	"unicode"

	"golang.org/x/text/cases"
	"golang.org/x/text/unicode/norm"

	"github.com/tapcheck/tapcheck/icao/cccd"
	"github.com/tapcheck/tapcheck/icao/lds"
	"github.com/tapcheck/tapcheck/icao/trust"
)

// judge holds all files that are there against the EF.SOD and writes the verdict down.
func (r *reading) judge() trust.Judgement {
	j := r.insp.Judge(r.doc.Files)
	// A file that is no data group's file at all comes before a wrong hash: another thing is wrong with the card, or with
	// the folder that it was saved in. What only cannot be understood is left to the hash, for issuers may write what they like.
	for _, id := range slices.Sorted(maps.Keys(r.doc.Files)) {
		if id == lds.SOD || id == lds.CardAccess && r.ch != nil {
			continue // the EF.SOD is judged already; what came of the EF.CardAccess, the access verdict says
		}
		if !wellFormed(id, r.doc.Files[id]) || id == lds.CardSecurity && r.cardSecurity().Verdict.Reason == lds.ReasonMalformed {
			j.Verdict.Status, j.Verdict.Reason = lds.Failed, lds.ReasonMalformed
			j.Verdict.Detail = string(id) + " is malformed"
			j.Consistent, j.Anchored = false, false
			break
		}
	}
	r.doc.Verdicts.PassiveAuthentication = j.Verdict
	r.doc.Anchored = j.Anchored && len(j.Verdict.Checked) > 0 // a signature over files that nobody has seen anchors nothing
	if r.doc.Identity != nil {
		r.compare()
	}
	return j
}

// wellFormed says whether a file has the frame that its name promises (ICAO 9303-10 §4.6 and §4.7).
func wellFormed(id lds.FileID, raw []byte) bool {
	a, ok := id.Address()
	switch {
	case !ok:
		return true
	case id == lds.CardAccess:
		set, _, err := lds.Expect(raw, 0x31)
		if err == nil {
			_, err = lds.Children(set)
		}
		return err == nil
	case a.Tag == 0:
		return true
	}
	body, _, err := lds.Expect(raw, a.Tag)
	if err != nil {
		return false
	}
	switch id {
	case lds.COM:
		_, err = lds.ParseCOM(raw)
	case lds.DG(1):
		zone, found := lds.Find(body, 0x5F1F)
		return found && (len(zone) == 90 || len(zone) == 72 || len(zone) == 88)
	case lds.DG(2):
		group, found := lds.Find(body, 0x7F61)
		if !found {
			return false
		}
		_, err = lds.Children(group)
	case lds.DG(14):
		var set []byte
		if set, _, err = lds.Expect(body, 0x31); err == nil {
			_, err = lds.Children(set)
		}
	case lds.DG(15):
		_, _, err = lds.Expect(body, 0x30)
	}
	return err == nil
}

// cardSecurity judges the EF.CardSecurity that is there; one of no file is MALFORMED.
func (r *reading) cardSecurity() trust.CardSecurity {
	file := r.doc.Files[lds.CardSecurity]
	if r.signed == nil || !bytes.Equal(file, r.of) {
		s := r.o.Trust.InspectCardSecurity(file, r.doc.Files[lds.DG(1)], r.now())
		if r.doc.Files[lds.DG(1)] == nil {
			return s // what it says of the state has yet to come
		}
		r.signed, r.of = &s, file
	}
	return *r.signed
}

// alone judges one data group, with DG1 for the issuing state, whatever may be wrong with others.
func (r *reading) alone(id lds.FileID, raw []byte) trust.Judgement {
	return r.insp.Judge(map[lds.FileID][]byte{id: raw, lds.DG(1): r.doc.Files[lds.DG(1)]})
}

// sound says whether a data group matches its signed hash.
func (r *reading) sound(id lds.FileID, raw []byte) bool {
	return wellFormed(id, raw) && r.alone(id, raw).Consistent
}

// exchangeReady says whether chip or active authentication can be tried with the key in data group n, and words the verdict if not.
func (r *reading) exchangeReady(n int, raw []byte, v *lds.ExchangeVerdict) bool {
	switch {
	case !r.plan.lists(n):
		*v = lds.ExchangeVerdict{Status: lds.NotPresent, Reason: lds.ReasonFeatureAbsent}
	case raw == nil:
		*v = lds.ExchangeVerdict{Status: lds.NotDone, Reason: lds.ReasonFileUnreadable}
	case !r.sound(lds.DG(n), raw):
		*v = lds.ExchangeVerdict{Status: lds.Failed, Reason: lds.ReasonPassiveAuthFailed, Exchange: lds.NotDone}
	default:
		return true
	}
	return false
}

// exchanged words the verdict after an exchange: what happened is worth as much as the key that it happened with.
func (r *reading) exchanged(n int, raw []byte, v lds.ExchangeVerdict, failed lds.Reason) lds.ExchangeVerdict {
	passive := r.alone(lds.DG(n), raw)
	return r.worth(v, passive.Verdict, passive.Anchored, failed)
}

// worth words the verdict by what is known of the signature over the chip's key.
func (r *reading) worth(v lds.ExchangeVerdict, passive lds.PassiveVerdict, anchored bool, failed lds.Reason) lds.ExchangeVerdict {
	switch v.Exchange {
	case lds.Passed, lds.Failed:
		// An expired signer is still who signed the key: time is passive authentication's to complain about.
		late := passive.Reason == lds.ReasonExpired || passive.Reason == lds.ReasonNotYetValid
		if v.Exchange == lds.Failed {
			if v.Reason != "" {
				failed = v.Reason
			}
			r.warn(failed)
		}
		switch {
		case anchored && v.Exchange == lds.Failed:
			v.Status, v.Reason = lds.Failed, failed
		case anchored && (passive.Status == lds.Passed || late):
			v.Status, v.Reason = lds.Passed, ""
		case anchored:
			// The signature is not accepted (a weak algorithm): the exchange cannot be worth more.
			v.Status, v.Reason = lds.Failed, lds.ReasonPassiveAuthFailed
		default:
			v.Status, v.Reason = lds.NotVerifiable, lds.ReasonKeyNotAnchored
		}
	case lds.NotPresent:
		v.Status = lds.NotPresent
		if v.Reason == "" {
			v.Reason = lds.ReasonFeatureAbsent
		}
	default:
		v.Exchange, v.Status = lds.NotDone, lds.NotDone
		if v.Reason == "" {
			v.Reason = lds.ReasonRefusedByCard
		}
	}
	return v
}

// compose makes the identity of DG1 and, where it is there, Vietnam's DG13, which has the diacritics and the whole years.
func (r *reading) compose() {
	r.doc.Conflicts = nil
	id := r.doc.zone.Identity(r.now())
	source(&id, "dg1")
	if len(r.doc.zone.Failed) > 0 || len(r.doc.zone.Warnings) > 0 {
		r.warn(lds.ReasonMRZCheckDigit)
	}
	if raw := r.doc.Files[lds.DG(13)]; raw != nil && r.doc.zone.Vietnamese() {
		d13, err := cccd.ParseDG13(raw)
		switch {
		case err != nil:
			r.doc.Missing[lds.DG(13)] = asFileError(lds.DG(13), err)
		case d13.Number != "" && id.Number != "" && d13.Number != id.Number:
			r.warn(lds.ReasonDG13Differs) // two persons in one card: the part that ICAO defines counts
			over := d13.Identity()
			r.conflicts(ConflictMRZ, append(contradicts(&id, &over, r.doc.zone), "number"), id, d13.Identity())
		default:
			over := d13.Identity()
			if fields := contradicts(&id, &over, r.doc.zone); len(fields) > 0 {
				r.warn(lds.ReasonDG13Differs)
				r.conflicts(ConflictMRZ, fields, id, d13.Identity())
			}
			id = merge(id, over)
		}
	}
	r.doc.Identity = &id
	r.compare()
}

func source(id *lds.Identity, from string) {
	if id.Source == nil {
		id.Source = map[string]string{}
	}
	for name, v := range id.Texts() {
		if *v != "" {
			id.Source[name] = from
		}
	}
	if id.NoExpiry {
		id.Source["noExpiry"] = from
	}
}

// conflicts writes down what two descriptions say about the fields in which they disagree.
func (r *reading) conflicts(between string, fields []string, one, other lds.Identity) {
	a, b := one.Texts(), other.Texts()
	for _, f := range fields {
		r.doc.Conflicts = append(r.doc.Conflicts, Conflict{Between: between, Field: f, One: *a[f], Other: *b[f]})
	}
}

// contradicts says in which fields DG13 names another person or another validity than DG1, and takes from it what does: of the
// person the part that ICAO defines counts, and of two dates of expiry the earlier.
func contradicts(id, over *lds.Identity, zone lds.MRZ) (fields []string) {
	a, b := bare(zone.FullName()), bare(over.FullName)
	if over.FullName != "" && a != "" && a != b && !cut(a, b) && !cut(b, a) {
		over.FullName, fields = "", append(fields, "fullName")
	}
	if over.DateOfBirth != "" && id.DateOfBirth != "" && !sameDate(over.DateOfBirth, id.DateOfBirth) {
		over.DateOfBirth, fields = "", append(fields, "dateOfBirth")
	}
	if over.Sex != "" && id.Sex != "" && id.Sex != "unspecified" && over.Sex != id.Sex {
		over.Sex, fields = "", append(fields, "sex")
	}
	switch {
	case over.NoExpiry && id.ExpiresAt != "":
		over.NoExpiry, fields = false, append(fields, "expiresAt")
	case over.ExpiresAt != "" && id.ExpiresAt != "" && !sameDate(over.ExpiresAt, id.ExpiresAt):
		fields = append(fields, "expiresAt")
		if id.ExpiresAt < over.ExpiresAt {
			over.ExpiresAt = ""
		}
	}
	return fields
}

// merge lays what DG13 says over what DG1 says. A date that is less exact does not replace one that is more exact, and
// the nationality stays the code of the zone.
func merge(id, over lds.Identity) lds.Identity {
	dst := id.Texts()
	for name, v := range over.Texts() {
		if *v == "" || name == "nationality" && id.Nationality != "" || name == "dateOfBirth" && len(*v) < len(id.DateOfBirth) {
			continue
		}
		*dst[name] = *v
		id.Source[name] = "dg13"
	}
	if over.NoExpiry {
		id.NoExpiry, id.ExpiresAt = true, ""
		id.Source["noExpiry"] = "dg13"
		delete(id.Source, "expiresAt")
	} else if over.ExpiresAt != "" {
		id.NoExpiry = false
		delete(id.Source, "noExpiry")
	}
	return id
}

// compare words the verdicts that hold the chip's data against today and against what was scanned or typed.
func (r *reading) compare() {
	basis := lds.Unanchored
	if r.doc.Anchored {
		basis = lds.Anchored
	}
	r.doc.Verdicts.DocumentValidity = validity(r.doc.Identity, r.now().Format("2006-01-02"), basis)
	r.doc.Verdicts.KeyMatchesChip = keyMatches(r.o.Key, r.doc.Identity, r.doc.zone, basis)
	r.doc.Conflicts = slices.DeleteFunc(r.doc.Conflicts, func(c Conflict) bool { return c.Between == ConflictScanned }) // it is judged more than once
	r.conflicts(ConflictScanned, r.doc.Verdicts.KeyMatchesChip.Differs, r.o.Key.Stated, *r.doc.Identity)
}

// validity judges the date of expiry. today is ISO 8601 in the desk's time; the document is valid to the end of its last day.
func validity(id *lds.Identity, today string, basis lds.Basis) lds.BasisVerdict {
	switch {
	case id.NoExpiry:
		return lds.BasisVerdict{Status: lds.Passed, Basis: basis}
	case id.ExpiresAt == "":
		return lds.BasisVerdict{Status: lds.NotVerifiable, Reason: lds.ReasonNoExpiryDate, Basis: basis}
	case id.ExpiresAt < today[:min(len(today), len(id.ExpiresAt))]:
		return lds.BasisVerdict{Status: lds.Failed, Reason: lds.ReasonDocumentExpired, Basis: basis}
	}
	return lds.BasisVerdict{Status: lds.Passed, Basis: basis}
}

// keyMatches compares what was scanned or typed with the chip, field by field, as far as both say something. The number
// comes first: a CAN is only six of its twelve digits, so that another card can open with it.
func keyMatches(key lds.Key, id *lds.Identity, zone lds.MRZ, basis lds.Basis) lds.BasisVerdict {
	v := lds.BasisVerdict{Basis: basis}
	field := func(name, said, chip string, same bool) {
		if said == "" || chip == "" {
			return
		}
		v.Compared = append(v.Compared, name)
		if !same {
			v.Differs = append(v.Differs, name)
		}
	}
	s := key.Stated
	field("number", s.Number, id.Number, s.Number == id.Number)
	if s.Number == "" || id.Number == "" {
		field("documentNumber", s.DocumentNumber, id.DocumentNumber, s.DocumentNumber == id.DocumentNumber)
	}
	if key.From != lds.FromQR || !lettersLost(s.FullName, id.FullName) { // what a scanner loses is no difference
		field("fullName", s.FullName, id.FullName, sameName(key.From, s.FullName, id, zone))
	}
	field("dateOfBirth", s.DateOfBirth, id.DateOfBirth, sameDate(s.DateOfBirth, id.DateOfBirth))
	if s.Sex != "unspecified" && id.Sex != "unspecified" {
		field("sex", s.Sex, id.Sex, s.Sex == id.Sex)
	}
	field("issuedAt", s.IssuedAt, id.IssuedAt, sameDate(s.IssuedAt, id.IssuedAt))
	switch {
	case len(v.Compared) == 0:
		return lds.BasisVerdict{Status: lds.NotDone, Reason: lds.ReasonNothingToCompare}
	case len(v.Differs) > 0:
		v.Status, v.Reason = lds.Failed, lds.ReasonKeyDiffersFromDoc
	default:
		v.Status = lds.Passed
	}
	return v
}

// sameDate compares as far as both are known.
func sameDate(a, b string) bool {
	n := min(len(a), len(b))
	return a[:n] == b[:n]
}

// sameName compares names. Where both sides write diacritics they count; a machine readable zone has none and cuts long
// names, and many a scanner writes none.
func sameName(from lds.KeyFrom, said string, id *lds.Identity, zone lds.MRZ) bool {
	fold := func(s string) string {
		return cases.Fold().String(norm.NFC.String(strings.Join(strings.Fields(s), " ")))
	}
	if from != lds.FromMRZ && id.Source["fullName"] != "dg1" && !ascii(said) {
		return fold(said) == fold(id.FullName)
	}
	a, b := bare(said), bare(id.FullName)
	if from == lds.FromMRZ {
		b = bare(zone.FullName()) // zone against zone
	}
	return a == b || cut(a, b) || cut(b, a)
}

func ascii(s string) bool {
	return !strings.ContainsFunc(s, func(c rune) bool { return c > unicode.MaxASCII })
}

// lettersLost says whether a name was scanned by something that drops every letter that is not ASCII.
func lettersLost(said, chip string) bool {
	left := strings.Map(func(c rune) rune {
		if c > unicode.MaxASCII {
			return -1
		}
		return c
	}, norm.NFC.String(chip))
	return said != chip && ascii(said) && strings.EqualFold(strings.Join(strings.Fields(said), " "), strings.Join(strings.Fields(left), " "))
}

// cut says whether short is long cut off at the end of a name field, 30 characters on TD1 being the shortest.
func cut(short, long string) bool { return len(short) >= 28 && strings.HasPrefix(long, short) }

// bare is a name as a machine readable zone writes it (ICAO 9303-3 §6), as far as Vietnamese needs it: capitals without diacritics.
func bare(s string) string {
	s = strings.Map(func(c rune) rune {
		switch {
		case unicode.Is(unicode.Mn, c):
			return -1
		case c == 'đ' || c == 'Đ':
			return 'D'
		case c == '\'' || c == '’':
			return -1
		case c == '-' || c == '.':
			return ' '
		}
		return unicode.ToUpper(c)
	}, norm.NFD.String(s))
	return strings.Join(strings.Fields(s), " ")
}
