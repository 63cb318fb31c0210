package trust

import (
	"bytes"
	"encoding/asn1"
	"encoding/pem"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/gmrtd/gmrtd/cms"

	"github.com/tapcheck/tapcheck/icao/lds"
)

// maxRevoked bounds the entries of one list. Real ones have some hundred.
const maxRevoked = 1 << 18

// crlLife is how long a list without an end is taken for fresh: a CSCA issues one at least every 90 days (ICAO 9303-12 §4.1.5).
const crlLife = 90 * 24 * time.Hour

// crl is a revocation list (RFC 5280 §5, ICAO 9303-12 §7.1.4).
type crl struct {
	tbs, signature []byte
	sigAlg         cms.AlgorithmIdentifier
	issuer         name
	names          []name // of the issuers whose certificates it speaks of: its own, and those before a change of name
	aki            []byte
	this, next     time.Time
	revoked        map[string]time.Time // by serial number
	by             string               // public key that it was checked with
}

type pendingCRL struct {
	c           *crl
	file, place string
}

// crlFile reads a revocation list, DER or PEM.
func (l *loader) crlFile(name string, data []byte) {
	if !isPEM(data) {
		l.crl(name, "", data)
		return
	}
	for n, begun := 1, bytes.Count(data, []byte("-----BEGIN ")); ; n++ {
		b, rest := pem.Decode(data)
		switch {
		case b == nil && n == 1:
			l.refuse(name, "", "is neither DER nor PEM", cureFetch)
			return
		case b == nil && n <= begun: // pem.Decode steps over what it cannot read
			l.refuse(name, "", fmt.Sprintf("%d of %d PEM blocks cannot be read", begun-n+1, begun), cureFetch)
			return
		case b == nil:
			return
		case n > maxWaiting:
			l.refuse(name, "", "there are too many revocation lists", "keep the newest list of each country")
			return
		}
		place := ""
		if n > 1 {
			place = fmt.Sprintf("block %d", n)
		}
		l.crl(name, place, b.Bytes)
		data = rest
	}
}

func (l *loader) crl(file, place string, der []byte) {
	c, err := parseCRL(der)
	if err != nil {
		l.refuse(file, place, err.Error(), cureFetch)
		return
	}
	if len(l.crls) == maxWaiting {
		l.refuse(file, place, "there are too many revocation lists", "keep the newest list of each country")
		return
	}
	l.crls = append(l.crls, pendingCRL{c, file, place})
}

var errCRL = errors.New("is not a revocation list")

// parseCRL reads a CertificateList, v1 or v2. It knows what ICAO 9303-12 §7.1.4 allows; a list that needs more to be understood
// (of another's certificates, of a part, of changes only) is refused rather than misread.
func parseCRL(der []byte) (c *crl, err error) {
	defer func() {
		if recover() != nil {
			c, err = nil, errCRL
		}
	}()
	if len(der) > maxList {
		return nil, errors.New("is too large")
	}
	var outer struct {
		TBS       asn1.RawValue
		Algorithm cms.AlgorithmIdentifier
		Signature asn1.BitString
	}
	if rest, err := asn1.Unmarshal(der, &outer); err != nil || len(rest) != 0 || outer.TBS.Tag != asn1.TagSequence || outer.TBS.Class != asn1.ClassUniversal {
		return nil, errCRL
	}
	parts, err := children(outer.TBS.Bytes, 7)
	if err != nil {
		return nil, errCRL
	}
	c = &crl{tbs: bytes.Clone(outer.TBS.FullBytes), signature: bytes.Clone(outer.Signature.Bytes), sigAlg: outer.Algorithm, revoked: map[string]time.Time{}}
	take := func(fits func(asn1.RawValue) bool) (v asn1.RawValue, ok bool) {
		if len(parts) == 0 || !fits(parts[0]) {
			return v, false
		}
		v, parts = parts[0], parts[1:]
		return v, true
	}
	universal := func(tags ...int) func(asn1.RawValue) bool {
		return func(v asn1.RawValue) bool { return v.Class == asn1.ClassUniversal && slices.Contains(tags, v.Tag) }
	}
	if v, ok := take(universal(asn1.TagInteger)); ok && !bytes.Equal(v.Bytes, []byte{1}) {
		return nil, errors.New("is a revocation list of an unknown version")
	}
	alg, ok := take(universal(asn1.TagSequence))
	var inner cms.AlgorithmIdentifier
	if rest, err := asn1.Unmarshal(alg.FullBytes, &inner); !ok || err != nil || len(rest) != 0 || !inner.Algorithm.Equal(outer.Algorithm.Algorithm) {
		return nil, errCRL
	}
	issuer, ok := take(universal(asn1.TagSequence))
	if !ok {
		return nil, errCRL
	}
	c.issuer = parseName(bytes.Clone(issuer.FullBytes))
	c.names = []name{c.issuer}
	this, ok := take(universal(asn1.TagUTCTime, asn1.TagGeneralizedTime))
	if c.this, err = parseTime(this.FullBytes); !ok || err != nil {
		return nil, errCRL
	}
	if next, ok := take(universal(asn1.TagUTCTime, asn1.TagGeneralizedTime)); ok {
		if c.next, err = parseTime(next.FullBytes); err != nil {
			return nil, errCRL
		}
	}
	if list, ok := take(universal(asn1.TagSequence)); ok {
		if err := c.entries(list.Bytes); err != nil {
			return nil, err
		}
	}
	if x, ok := take(func(v asn1.RawValue) bool { return v.Class == asn1.ClassContextSpecific && v.Tag == 0 }); ok {
		if err := c.extensions(x.Bytes); err != nil {
			return nil, err
		}
	}
	if len(parts) != 0 {
		return nil, errCRL
	}
	return c, nil
}

func (c *crl) entries(b []byte) error {
	for len(b) > 0 {
		var e struct {
			Serial     asn1.RawValue
			Date       asn1.RawValue
			Extensions []extension `asn1:"optional"`
		}
		rest, err := asn1.Unmarshal(b, &e)
		if err != nil || e.Serial.Tag != asn1.TagInteger || e.Serial.Class != asn1.ClassUniversal {
			return errCRL
		}
		when, err := parseTime(e.Date.FullBytes)
		if err != nil {
			return errCRL
		}
		for _, x := range e.Extensions {
			// A reason and a date of invalidity change nothing; another issuer's certificate would be taken for one of this CSCA's.
			if x.Critical && !x.ID.Equal(asn1.ObjectIdentifier{2, 5, 29, 21}) && !x.ID.Equal(asn1.ObjectIdentifier{2, 5, 29, 24}) {
				return fmt.Errorf("has an entry with the critical extension %v, which is not understood", x.ID)
			}
		}
		if len(c.revoked) == maxRevoked {
			return errors.New("has too many entries")
		}
		c.revoked[string(e.Serial.Bytes)] = when
		b = rest
	}
	return nil
}

type extension struct {
	ID       asn1.ObjectIdentifier
	Critical bool `asn1:"optional"`
	Value    []byte
}

func (c *crl) extensions(b []byte) error {
	var list []extension
	if rest, err := asn1.Unmarshal(b, &list); err != nil || len(rest) != 0 {
		return errCRL
	}
	for _, x := range list {
		switch x.ID.String() {
		case "2.5.29.35": // authority key identifier
			var a struct {
				ID     []byte        `asn1:"optional,tag:0"`
				Issuer asn1.RawValue `asn1:"optional,tag:1"`
				Serial asn1.RawValue `asn1:"optional,tag:2"`
			}
			if _, err := asn1.Unmarshal(x.Value, &a); err != nil {
				return errCRL
			}
			c.aki = a.ID
		case "2.5.29.18": // issuer's alternative name: the name before a change (ICAO 9303-12 §7.1.4, note 1)
			var names asn1.RawValue
			if _, err := asn1.Unmarshal(x.Value, &names); err != nil {
				return errCRL
			}
			all, err := children(names.Bytes, 64)
			if err != nil {
				return errCRL
			}
			for _, n := range all {
				if n.Class == asn1.ClassContextSpecific && n.Tag == 4 {
					c.names = append(c.names, parseName(bytes.Clone(n.Bytes)))
				}
			}
		case "2.5.29.20": // its number: the date orders lists
		default:
			if x.Critical {
				return fmt.Errorf("has the critical extension %v, which is not understood", x.ID)
			}
		}
	}
	return nil
}

func (c *crl) verify(by *certificate) error {
	_, err := by.verify(c.sigAlg, 0, c.tbs, c.signature)
	return err
}

// fresh says whether a list still speaks at a time.
func (c *crl) fresh(at time.Time) bool {
	if c.next.IsZero() {
		return !at.After(c.this.Add(crlLife))
	}
	return !at.After(c.next)
}

func (c *crl) covers(cert *certificate) bool {
	return slices.ContainsFunc(c.names, func(n name) bool { return n.key == cert.issuer.key })
}

// takeCRL takes a list that a trusted CSCA signed. Of several lists under one key the newest counts.
func (l *loader) takeCRL(p pendingCRL) {
	c := p.c
	a, by, named := l.vouching(c.aki, c.issuer, usageCRLSign, func(by *certificate) error {
		if by.subject.key != c.issuer.key && !sameCountry(by.country, c.issuer.country()) {
			return errors.New("of another country")
		}
		return c.verify(by)
	})
	if a == nil {
		l.s.loose = append(l.s.loose, c)
		if named {
			l.refuse(p.file, p.place, "its signature is not of the CSCA that it names", cureFetch)
		} else {
			l.refuse(p.file, p.place, "its CSCA is not trusted, so that its signature cannot be checked", cureCSCA)
		}
		return
	}
	src := l.source(p.file, p.place, SourceRevocationList)
	src.Country, src.Signer, src.VouchedBy, src.Revoked = clean(by.country), by.subject.String(), "anchor", len(c.revoked)
	src.ThisUpdate = &c.this
	if !c.next.IsZero() {
		src.NextUpdate = &c.next
	}
	switch {
	case !c.fresh(l.at) && c.next.IsZero():
		src.Warnings = append(src.Warnings, "it is older than 90 days and does not say until when it counts; get a newer list")
	case !c.fresh(l.at):
		src.Warnings = append(src.Warnings, "a newer list was due on "+c.next.UTC().Format(time.DateOnly)+"; get it")
	case c.this.After(l.at):
		src.Warnings = append(src.Warnings, "it is of a later time than now: is the clock right?")
	}
	// The names are the list's own words: a state takes back its own signers, and nobody else's.
	c.names = slices.DeleteFunc(c.names, func(n name) bool { return !sameCountry(by.country, n.country()) })
	c.by = string(by.spki)
	c.tbs, c.signature = nil, nil // checked once and for all
	for i, other := range l.s.crls {
		if other.by != c.by || other.issuer.key != c.issuer.key {
			continue
		}
		src.Warnings = append(src.Warnings, "there is another list of the same CSCA; the newer one counts")
		if c.this.After(other.this) {
			l.s.crls[i] = c
		}
		return
	}
	l.s.crls = append(l.s.crls, c)
}

// revoked says whether a CSCA that is trusted has revoked a certificate that it issued.
func (s *Store) revoked(c *certificate) (when time.Time, ok bool) {
	for _, list := range s.crls {
		if when, ok := list.revoked[string(c.serial)]; ok && list.covers(c) {
			return when, true
		}
	}
	return time.Time{}, false
}

// stale says whether the newest list for a certificate is past its time. Without any list nothing is stale.
func (s *Store) stale(c *certificate, at time.Time) bool {
	var newest *crl
	for _, list := range s.crls {
		if list.covers(c) && (newest == nil || list.this.After(newest.this)) {
			newest = list
		}
	}
	return newest != nil && !newest.fresh(at)
}

// revocation says whether a signer was revoked. A date of revocation after the time of the inspection does not help: what is known
// now of a signer is known.
//
// It must be certain that the CSCA of the list has issued this very certificate, as a forger can write any issuer and number into his
// own. So the signer is traced or pinned; or a certificate beside it in the EF.SOD, that nobody trusts, has signed both it and a list.
func (s *Store) revocation(signer *certificate, traced bool, beside []*certificate) finding {
	revoked := func(when time.Time) finding {
		return finding{lds.ReasonRevoked, "revoked on " + when.UTC().Format(time.DateOnly)}
	}
	if traced {
		if when, ok := s.revoked(signer); ok {
			return revoked(when)
		}
		return finding{}
	}
	for _, list := range s.loose {
		when, ok := list.revoked[string(signer.serial)]
		if !ok || !list.covers(signer) {
			continue
		}
		for _, c := range beside {
			if !c.isCA() || !c.may(usageCRLSign) || c.subject.key != signer.issuer.key {
				continue
			}
			if _, err := c.verify(signer.sigAlg, 0, signer.tbs, signer.signature); err == nil && list.verify(c) == nil {
				return revoked(when)
			}
		}
	}
	return finding{}
}
