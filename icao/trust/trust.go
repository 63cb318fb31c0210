// Package trust decides what an EF.SOD proves: passive authentication, ICAO Doc 9303 part 11 §5.1, over the certificates
// of part 12.
//
// A [Store] holds the anchors, which are CSCA certificates (from the public master lists and from the hospital's own
// folder) and pinned document signers. [Load] fills it from files of every kind that they are handed out in, and its [Report] says what was
// taken, what was refused, why, and what to do. [Store.Inspect] checks the signature of an EF.SOD and its signer's chain once;
// [Inspection.Judge] then compares hashes as the files arrive, and words what is known so far as a verdict.
//
// The verdict is the first that applies of this order; the statuses are those of package lds:
//
//	no EF.SOD                       NO_SOD                  not_present
//	a file that does not parse      MALFORMED               failed
//	a hash that differs             HASH_MISMATCH           failed
//	a file that is not listed       DATA_GROUP_NOT_LISTED   failed
//	the signature                   SIGNATURE_INVALID       failed
//	no signer beyond doubt          SIGNER_AMBIGUOUS        failed
//	signer of another country       COUNTRY_MISMATCH        failed
//	an algorithm that we lack       ALGORITHM_UNKNOWN       not_verifiable (nothing can be said either way)
//	a key too short to trust        WEAK_KEY                failed
//	a certificate used wrongly      KEY_USAGE               failed
//	a signer that was taken back    REVOKED                 failed
//	no anchor                       SIGNER_NOT_ANCHORED     not_verifiable
//	validity at the given time      NOT_YET_VALID, EXPIRED  failed
//	SHA-1, RSA below 2048 bits      passed with a warning, or failed where Options.RejectWeak says so
//
// # What makes an anchor
//
// A CSCA certificate in the hospital's folder is trusted because it lies there, if its own signature fits. A link certificate
// (9303-12 §7.1.1.5), by which an old key vouches for its successor, is trusted as far as the old key is. Certificates of a master list
// (9303-12 §9) are trusted if its signer goes back to a trusted CSCA, or to one within the list: then because the list lies there. Document
// signers of a directory are not trusted, only found where a card leaves its signer out; they are trusted in the folder "pinned".
//
// An anchor speaks for the state that it names, and for no other: one of no country is refused, and one of a country that nobody knows stands behind
// documents of just that code.
//
// # Revocation and deviations
//
// A revocation list counts if a trusted CSCA signed it. Its entries hold whatever the time of the inspection: what is known of a signer is
// known. A list past its time still revokes, and is a warning (REVOCATION_LIST_STALE); without any list nothing is said. What a
// state publishes in a deviation list (9303-12 §10) of a signer is a warning too (KNOWN_DEVIATION) with its text as the detail.
//
// # Time and algorithms
//
// Validity is judged only of a signer that is anchored: of a stranger's certificate the dates say nothing.
//
// Parsing of CMS and X.509 structures and of named and explicit curves is gmrtd's; the rules are ours, because gmrtd checks
// neither validity nor key usage, finds the signer's certificate by key identifier only, and panics on some malformed
// input. Signatures are checked by the standard library on gmrtd's curves, without gmrtd's change of the curve when a signature does not fit.
package trust

import (
	"bytes"
	"crypto"
	"fmt"
	"slices"
	"time"

	"github.com/gmrtd/gmrtd/cms"

	"github.com/tapcheck/tapcheck/icao/lds"
)

// MaxSOD is the largest EF.SOD that is judged, in bytes. Real ones have 1 to 10 KiB.
const MaxSOD = 64 << 10

// Inspection is one EF.SOD under judgement. The signature is checked once, hashes as files arrive. It is safe for
// concurrent use.
type Inspection struct {
	rejectWeak bool
	absent     bool
	malformed  string // why the EF.SOD does not parse, empty if it does

	hash    crypto.Hash // of the data groups; 0 if unknown
	hashes  map[int][]byte
	listed  []int
	unknown string // the algorithm that we lack

	signature finding // what is wrong with the signature
	signer    *certificate
	signedAt  time.Time
	usage     finding // what is wrong with the signer's certificate itself
	chain     chain
	revoked   finding
	deviation finding
	warnings  []lds.Reason
}

// finding is one reason with its detail; the zero value finds nothing wrong.
type finding struct {
	reason lds.Reason
	detail string
}

// Judgement is what is known so far.
type Judgement struct {
	Verdict    lds.PassiveVerdict
	Consistent bool // every given file matches its signed hash and the signature matches its signer
	// Anchored: consistent, and the signer chains to a trusted CSCA or is pinned, and nothing but time speaks against it: an
	// expired signer is anchored (its verdict is failed, EXPIRED), one of another country, without the right or revoked is not.
	Anchored bool
	Listed   []int // numbers of the data groups that the EF.SOD lists, ascending; nil if it does not parse
}

// Inspect begins the judgement of an EF.SOD, as it lies on the chip. at is the time at which validity is judged. It never
// fails: what does not parse is judged MALFORMED; an empty sod is judged NO_SOD (not_present).
func (s *Store) Inspect(sod []byte, at time.Time) (i *Inspection) {
	if len(sod) == 0 {
		return &Inspection{absent: true}
	}
	// gmrtd's parser has panicked on malformed input before. Such an input is malformed, whatever it was, and nothing that
	// was found out before the panic may count.
	defer func() {
		if recover() != nil {
			i = &Inspection{malformed: "a certificate or signature that cannot be decoded"}
		}
	}()
	i = &Inspection{rejectWeak: s.rejectWeak}
	sd, object, err := parseSOD(sod)
	if err != nil {
		i.malformed = err.Error()
		return i
	}
	i.listed, i.hashes = object.listed, object.hashes
	if i.hash = object.hash; i.hash == 0 {
		i.unknown = "hash of the data groups " + object.hashOID
	} else {
		i.warnWeak(i.hash)
	}
	certs, err := parseCertificates(sd.Certificates.Bytes)
	if err != nil {
		i.malformed = err.Error()
		return i
	}
	i.judgeSigner(s, sd, certs, at)
	return i
}

// judgeSigner checks the signature and everything about who made it.
func (i *Inspection) judgeSigner(s *Store, sd *cms.SignedData, certs []*certificate, at time.Time) {
	i.checkSignature(s, sd, certs)
	if i.signer == nil {
		return
	}
	i.usage = i.signer.maySignDocuments()
	i.chain = s.trace(i.signer, at)
	if i.chain.hash != 0 {
		i.warnWeak(i.chain.hash)
	}
	traced := i.chain.rank() > 0
	if i.revoked = s.revocation(i.signer, traced, certs); i.revoked.reason == "" {
		i.revoked = i.chain.revoked
	}
	if traced && s.stale(i.signer, at) {
		i.warn(lds.ReasonCRLStale)
	}
	if i.deviation = s.deviationFinding(i.signer); i.deviation.reason != "" {
		i.warn(lds.ReasonDeviation)
	}
}

func (i *Inspection) warn(r lds.Reason) {
	if !slices.Contains(i.warnings, r) {
		i.warnings = append(i.warnings, r)
	}
}

func (i *Inspection) warnWeak(h crypto.Hash) {
	if h == crypto.SHA1 {
		i.warn(lds.ReasonWeakAlgorithm)
	}
}

// Judge compares the hashes of the given data groups (other files are ignored) and gives the verdict for exactly them.
func (i *Inspection) Judge(files map[lds.FileID][]byte) Judgement {
	if i.absent {
		return Judgement{Verdict: lds.PassiveVerdict{Status: lds.NotPresent, Reason: lds.ReasonNoSOD}}
	}
	if i.malformed != "" {
		return Judgement{Verdict: failed(lds.ReasonMalformed, "EF_SOD: "+i.malformed)}
	}
	checked, wrong := i.compare(files)
	j := Judgement{Listed: slices.Clone(i.listed)}
	j.Consistent = wrong.reason == "" && i.signature.reason == "" && i.unknown == "" && i.signer != nil
	country := i.country(files)
	j.Anchored = j.Consistent && i.chain.anchor != nil && i.usage.reason == "" && i.chain.misused.reason == "" && i.revoked.reason == "" && country.reason == ""
	weak := slices.IndexFunc(i.warnings, func(w lds.Reason) bool { return w == lds.ReasonWeakAlgorithm || w == lds.ReasonWeakKey })

	switch {
	case wrong.reason != "":
		j.Verdict = failed(wrong.reason, wrong.detail)
	case i.signature.reason != "":
		j.Verdict = failed(i.signature.reason, i.signature.detail)
	case country.reason != "":
		j.Verdict = failed(country.reason, country.detail)
	case i.unknown != "":
		j.Verdict = lds.PassiveVerdict{Status: lds.NotVerifiable, Reason: lds.ReasonAlgorithmUnknown, Detail: i.unknown}
	case i.usage.reason != "":
		j.Verdict = failed(i.usage.reason, i.usage.detail)
	case i.chain.misused.reason != "":
		j.Verdict = failed(i.chain.misused.reason, i.chain.misused.detail)
	case i.revoked.reason != "":
		j.Verdict = failed(i.revoked.reason, i.revoked.detail)
	case i.chain.anchor == nil:
		j.Verdict = lds.PassiveVerdict{Status: lds.NotVerifiable, Reason: lds.ReasonSignerNotAnchored}
	case i.chain.validity.reason != "":
		j.Verdict = failed(i.chain.validity.reason, i.chain.validity.detail)
	case i.rejectWeak && weak >= 0:
		j.Verdict = failed(i.warnings[weak], "this hospital's profile does not accept it")
	case len(checked) == 0:
		// A signature over hashes of files that nobody has compared says nothing about the card yet.
		j.Verdict = lds.PassiveVerdict{Status: lds.NotDone, Reason: lds.ReasonNotReached}
	default:
		j.Verdict = lds.PassiveVerdict{Status: lds.Passed}
	}
	if j.Verdict.Detail == "" {
		j.Verdict.Detail = i.deviation.detail
	}
	j.Verdict.Checked = checked
	j.Verdict.Warnings = slices.Clone(i.warnings)
	if i.signature.reason == "" && i.signer != nil { // otherwise it is only a name that somebody wrote into the file
		j.Verdict.Signer = i.signer.describe(i.signedAt)
	}
	if i.chain.anchor != nil && j.Consistent {
		a := *i.chain.anchor
		j.Verdict.Anchor = &a
	}
	return j
}

func failed(r lds.Reason, detail string) lds.PassiveVerdict {
	return lds.PassiveVerdict{Status: lds.Failed, Reason: r, Detail: detail}
}

// compare hashes the given data groups. The worst finding wins: a file that is none, then a hash, then one that is not listed.
func (i *Inspection) compare(files map[lds.FileID][]byte) (checked []lds.FileID, worst finding) {
	var broken, differs, unlisted finding
	for n := 1; n <= 16; n++ {
		id := lds.DG(n)
		file, given := files[id]
		if !given {
			continue
		}
		if why := lengthLies(file); why != "" && broken.reason == "" {
			broken = finding{lds.ReasonMalformed, string(id) + ": " + why}
		}
		signed, listed := i.hashes[n]
		switch {
		case !listed:
			if unlisted.reason == "" {
				unlisted = finding{lds.ReasonNotListed, string(id)}
			}
		case i.hash != 0:
			h := i.hash.New()
			h.Write(file)
			checked = append(checked, id)
			if !bytes.Equal(h.Sum(nil), signed) && differs.reason == "" {
				differs = finding{lds.ReasonHashMismatch, string(id)}
			}
		}
	}
	for _, f := range []finding{broken, differs, unlisted} {
		if f.reason != "" {
			return checked, f
		}
	}
	return checked, finding{}
}

// lengthLies looks at a data group from outside only: what is in it is for its own decoder. Bytes past its end are left to the hash.
func lengthLies(file []byte) string {
	if len(file) == 0 {
		return "empty"
	}
	head, n, ok := header(file)
	switch {
	case !ok:
		return "no length"
	case n > len(file)-head:
		return "cut off"
	}
	return ""
}

// country compares the signer's country with the issuing state of DG1, where both are known; and that of its anchor, because a signer's own
// certificate may name no country, or one that does not exist.
func (i *Inspection) country(files map[lds.FileID][]byte) finding {
	if i.signer == nil || i.signature.reason != "" {
		return finding{}
	}
	state := issuingState(files[lds.DG(1)])
	switch {
	case state == "":
		return finding{}
	case !sameCountry(i.signer.country, state):
	case i.chain.anchor != nil && !speaksFor(i.chain.country, state):
		whose := i.chain.country
		if whose == "" {
			whose = "no country"
		}
		return finding{lds.ReasonCountryMismatch, fmt.Sprintf("%s of %s, document of %s", anchorName(i.chain.anchor.Kind), clean(whose), clean(state))}
	default:
		return finding{}
	}
	return finding{lds.ReasonCountryMismatch, fmt.Sprintf("signer of %s, document of %s", clean(i.signer.country), clean(state))}
}

func anchorName(kind string) string {
	if kind == kindPinned {
		return "pinned signer"
	}
	return "CSCA"
}

func (c *certificate) describe(signedAt time.Time) *lds.Signer {
	s := &lds.Signer{
		Subject: c.subject.String(), Issuer: c.issuer.String(), SHA256: c.fingerprint(),
		NotBefore: c.notBefore.UTC().Format(time.RFC3339), NotAfter: c.notAfter.UTC().Format(time.RFC3339),
	}
	if !signedAt.IsZero() {
		s.SignedAt = signedAt.UTC().Format(time.RFC3339)
	}
	return s
}

func (c *certificate) fingerprint() string { return fingerprint(c.raw) }
