package trust

import (
	"bytes"
	"cmp"
	"crypto"
	"encoding/asn1"
	"encoding/pem"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/gmrtd/gmrtd/cms"

	"github.com/tapcheck/tapcheck/icao/lds"
)

// Content types and purposes of signed lists (ICAO 9303-12 §7.1.1.3, §9.2, §10.2).
var (
	oidMasterList    = asn1.ObjectIdentifier{2, 23, 136, 1, 1, 2}
	oidMasterSigner  = asn1.ObjectIdentifier{2, 23, 136, 1, 1, 3}
	oidDeviationList = asn1.ObjectIdentifier{2, 23, 136, 1, 1, 7}
	oidDevSigner     = asn1.ObjectIdentifier{2, 23, 136, 1, 1, 8}
)

const (
	maxListCertificates = 64      // beside a list: its signer, the CSCA, and what else its maker put there
	maxDeviations       = 1 << 16 // in one list
)

// signedList is a master or deviation list whose signature fits its signer, who still has to be traced.
type signedList struct {
	src     *Source
	signer  *certificate
	within  []*certificate // certificates beside the list
	members [][]byte       // of a master list
	devs    map[string][]deviation
}

// deviation is what a state says of the documents of one signer.
type deviation struct{ text string }

// listFile reads a master or deviation list, DER or PEM.
func (l *loader) listFile(name string, data []byte) {
	if !isPEM(data) {
		l.list(name, "", data)
		return
	}
	b, _ := pem.Decode(data)
	if b == nil {
		l.refuse(name, "", "is neither DER nor PEM", cureFetch)
		return
	}
	l.list(name, "", b.Bytes)
}

// list parses a signed list and checks its signature. It is used once its signer is traced to a CSCA.
func (l *loader) list(file, place string, data []byte) {
	defer func() {
		if recover() != nil {
			l.refuse(file, place, "cannot be decoded", cureFetch)
		}
	}()
	sd, err := parseSignedData(data)
	if err != nil {
		l.refuse(file, place, "is not a CMS SignedData", cureFetch)
		return
	}
	p := &signedList{src: &Source{File: file, Place: place}}
	purpose := oidMasterSigner
	switch t := sd.Content.EContentType; {
	case t.Equal(oidMasterList):
		p.src.Kind = SourceMasterList
		p.members, err = masterListMembers(sd.Content.EContent)
	case t.Equal(oidDeviationList):
		p.src.Kind = SourceDeviationList
		purpose = oidDevSigner
		err = p.parseDeviations(sd.Content.EContent)
	default:
		err = fmt.Errorf("its content type %v is neither a master list nor a deviation list", t)
	}
	if err == nil {
		err = p.checkSignature(sd, purpose)
	}
	if err != nil {
		l.refuse(file, place, err.Error(), cureFetch)
		return
	}
	if p.signer.notAfter.Before(l.at) {
		p.src.Warnings = append(p.src.Warnings, "its signer's certificate was valid until "+p.signer.notAfter.UTC().Format(time.DateOnly)+"; get a newer list")
	}
	if len(l.lists) == maxWaiting {
		l.refuse(file, place, "there are too many lists", "keep the newest list of each country")
		return
	}
	l.lists = append(l.lists, p)
}

// masterListMembers takes a CscaMasterList apart (ICAO 9303-12 §9.2).
func masterListMembers(der []byte) (members [][]byte, err error) {
	var raw struct {
		Version int
		List    asn1.RawValue
	}
	if rest, err := asn1.Unmarshal(der, &raw); err != nil || len(rest) != 0 || raw.Version != 0 || raw.List.Tag != asn1.TagSet || raw.List.Class != asn1.ClassUniversal {
		return nil, errors.New("holds no master list of version 0")
	}
	for rest := raw.List.Bytes; len(rest) > 0; {
		head, n, ok := header(rest)
		if !ok || n > len(rest)-head {
			return nil, errors.New("its list of certificates does not parse to its end")
		}
		if len(members) == maxPerFile {
			return nil, fmt.Errorf("holds more than %d certificates", maxPerFile)
		}
		members, rest = append(members, rest[:head+n]), rest[head+n:]
	}
	return members, nil
}

// checkSignature checks the list against the certificate that its one signer names (RFC 5652 §5.4 and §5.6).
func (p *signedList) checkSignature(sd *cms.SignedData, purpose asn1.ObjectIdentifier) error {
	for rest := sd.Certificates.Bytes; len(rest) > 0; {
		head, n, ok := header(rest)
		if !ok || n > len(rest)-head || len(p.within) == maxListCertificates {
			return errors.New("the certificates beside it do not parse, or are too many")
		}
		if c, err := parseCertificate(rest[:head+n]); err == nil { // one that is not for us may be of any kind
			p.within = append(p.within, c)
		}
		rest = rest[head+n:]
	}
	if n := len(sd.SignerInfos); n != 1 {
		return fmt.Errorf("has %d signatures, not one", n)
	}
	si := &sd.SignerInfos[0]
	named := signerNamed(si)
	i := slices.IndexFunc(p.within, named)
	if i < 0 {
		return errors.New("its signer's certificate is not beside it")
	}
	p.signer = p.within[i]
	hash := hashByOID(si.DigestAlgorithm.Algorithm)
	if hash == 0 {
		return fmt.Errorf("its digest %v is unknown", si.DigestAlgorithm.Algorithm)
	}
	content, err := attribute(si.AuthenticatedAttributes, oidContentType)
	if err != nil {
		return errors.New("signed attribute content type: " + err.Error())
	}
	var contentType asn1.ObjectIdentifier
	if rest, err := asn1.Unmarshal(content, &contentType); err != nil || len(rest) != 0 || !contentType.Equal(sd.Content.EContentType) {
		return errors.New("its signed content type is another one")
	}
	digest, err := attribute(si.AuthenticatedAttributes, oidMessageDigest)
	if err != nil {
		return errors.New("signed attribute message digest: " + err.Error())
	}
	var signed []byte
	h := hash.New()
	h.Write(sd.Content.EContent)
	if rest, err := asn1.Unmarshal(digest, &signed); err != nil || len(rest) != 0 || !bytes.Equal(h.Sum(nil), signed) {
		return errors.New("it was changed after it was signed")
	}
	if _, err := verifyAttributes(p.signer, si, hash); err != nil {
		return errors.New("its signature is wrong: " + err.Error())
	}
	if t, err := attribute(si.AuthenticatedAttributes, oidSigningTime); err == nil {
		if at, err := parseTime(t); err == nil {
			p.src.SignedAt = &at
		}
	}
	c := p.signer
	switch {
	case len(c.purposes) > 0 && !slices.ContainsFunc(c.purposes, purpose.Equal):
		return errors.New("its signer's certificate is for another purpose")
	case c.unknownCritical().reason != "":
		return errors.New("its signer's certificate: " + c.unknownCritical().detail)
	case c.isCA():
		p.src.Warnings = append(p.src.Warnings, "a CSCA signed it with its own key")
	case !c.may(usageDigitalSignature):
		return errors.New("its signer's certificate is not for signatures")
	case len(c.purposes) == 0:
		p.src.Warnings = append(p.src.Warnings, "its signer's certificate does not say that it is for lists")
	}
	p.src.Country, p.src.Signer = clean(c.country), c.subject.String()
	return nil
}

// signerNamed matches a certificate with the signer that a SignerInfo names: by key identifier, or by issuer and serial number
// (RFC 5652 §5.3).
func signerNamed(si *cms.SignerInfo) func(*certificate) bool {
	if si.Sid.Class == asn1.ClassContextSpecific && si.Sid.Tag == 0 {
		return func(c *certificate) bool { return len(c.ski) > 0 && bytes.Equal(c.ski, si.Sid.Bytes) }
	}
	issuer, serial, err := issuerAndSerial(si.Sid.FullBytes)
	return func(c *certificate) bool {
		return err == nil && bytes.Equal(serial, c.serial) && (bytes.Equal(issuer.raw, c.issuer.raw) || issuer.key == c.issuer.key)
	}
}

func issuerAndSerial(der []byte) (name, []byte, error) {
	var is struct {
		Issuer asn1.RawValue
		Serial asn1.RawValue
	}
	if rest, err := asn1.Unmarshal(der, &is); err != nil || len(rest) != 0 || is.Serial.Tag != asn1.TagInteger {
		return name{}, nil, errors.New("no issuer and serial number")
	}
	return parseName(is.Issuer.FullBytes), is.Serial.Bytes, nil
}

// verifyAttributes checks the signature over the signed attributes. It is over their DER encoding (RFC 5652 §5.4), in which a SET
// is sorted; some makers sign what they wrote, some write other than they sign, so both are tried.
func verifyAttributes(c *certificate, si *cms.SignerInfo, hash crypto.Hash) (used crypto.Hash, err error) {
	verify := func() (crypto.Hash, error) {
		return c.verify(si.DigestEncryptionAlgorithm, hash, si.AuthenticatedAttributes.SetOfAsnBytes(), si.EncryptedDigest)
	}
	if used, err = verify(); err == nil || errors.Is(err, errUnknown) || errors.Is(err, errWeak) {
		return used, err
	}
	order := func(a, b cms.Attribute) int { return bytes.Compare(a.Raw, b.Raw) }
	if slices.IsSortedFunc(si.AuthenticatedAttributes, order) {
		return used, err
	}
	si.AuthenticatedAttributes = slices.Clone(si.AuthenticatedAttributes)
	slices.SortFunc(si.AuthenticatedAttributes, order)
	return verify()
}

// vouched traces the signer of a list to a CSCA and takes what the list says: to an anchor that is there, or, for a master list and if
// itself is set, to a CSCA within the list. A list that vouches for itself is trusted because the hospital put it there, as a
// certificate is; its signature then says that it is whole, and whose it is.
func (l *loader) vouched(p *signedList, itself bool) bool {
	s := p.signer
	verify := func(c *certificate) error {
		if bytes.Equal(c.raw, s.raw) {
			return nil // the CSCA signed the list with its own key
		}
		if !sameCountry(c.country, s.country) {
			return errors.New("of another country")
		}
		_, err := c.verify(s.sigAlg, 0, s.tbs, s.signature)
		return err
	}
	switch {
	case !itself:
		a, _, _ := l.vouching(s.aki, s.issuer, usageKeyCertSign, verify)
		if a == nil {
			return false
		}
		p.src.VouchedBy = "anchor"
	case p.src.Kind != SourceMasterList:
		return false
	default:
		candidates := slices.Clone(p.within)
		for _, der := range p.members {
			// Parsing all of them twice would cost more than looking for the key identifier in their bytes.
			if len(s.aki) > 0 && !bytes.Contains(der, s.aki) {
				continue
			}
			if c, err := parseCertificate(der); err == nil {
				candidates = append(candidates, c)
			}
		}
		tries := 0
		if !slices.ContainsFunc(candidates, func(c *certificate) bool {
			if !c.isCA() || c.mayIssue(true).reason != "" || !(len(s.aki) > 0 && bytes.Equal(c.ski, s.aki) || c.subject.key == s.issuer.key) || l.checks == 0 || tries == maxTries {
				return false
			}
			tries++
			l.checks--
			return verify(c) == nil
		}) {
			return false
		}
		p.src.VouchedBy = "list"
	}
	l.sources = append(l.sources, p.src)
	for i, der := range p.members {
		l.certificate(p.src, strings.TrimSpace(fmt.Sprintf("%s certificate %d of the list", p.src.Place, i+1)), der, true)
	}
	for key, devs := range p.devs {
		l.s.deviations[key] = append(l.s.deviations[key], devs...)
	}
	return true
}

// parseDeviations takes a DeviationList apart (ICAO 9303-12 §10.2). Only deviations that name a signer are used: the others name
// documents by type, number or date, which nobody knows while a signature is judged.
func (p *signedList) parseDeviations(der []byte) error {
	bad := errors.New("holds no deviation list of version 0")
	var list asn1.RawValue
	if rest, err := asn1.Unmarshal(der, &list); err != nil || len(rest) != 0 || list.Tag != asn1.TagSequence {
		return bad
	}
	parts, err := children(list.Bytes, 3)
	if err != nil || len(parts) < 2 || !bytes.Equal(parts[0].FullBytes, []byte{2, 1, 0}) || parts[len(parts)-1].Tag != asn1.TagSet {
		return bad
	}
	hash := crypto.SHA256
	if len(parts) == 3 {
		var alg cms.AlgorithmIdentifier
		if _, err := asn1.Unmarshal(parts[1].FullBytes, &alg); err != nil {
			return bad
		}
		hash = hashByOID(alg.Algorithm)
	}
	all, err := children(parts[len(parts)-1].Bytes, maxDeviations)
	if err != nil {
		return bad
	}
	p.devs = map[string][]deviation{}
	unused := 0
	for _, d := range all {
		pair, err := children(d.Bytes, 2)
		if err != nil || len(pair) != 2 {
			return bad
		}
		key, err := deviationKey(pair[0].Bytes, hash)
		if err != nil {
			return bad
		}
		if key == "" {
			unused++
			continue
		}
		texts, err := deviationTexts(pair[1].Bytes)
		if err != nil {
			return bad
		}
		p.devs[key] = append(p.devs[key], texts...)
		p.src.Deviations++
	}
	if unused > 0 {
		p.src.Warnings = append(p.src.Warnings, fmt.Sprintf("%d deviations name no signer and are not used", unused))
	}
	return nil
}

func children(b []byte, limit int) (out []asn1.RawValue, err error) {
	for len(b) > 0 {
		var v asn1.RawValue
		if b, err = asn1.Unmarshal(b, &v); err != nil {
			return nil, err
		}
		if len(out) == limit {
			return nil, errors.New("too many")
		}
		out = append(out, v)
	}
	return out, nil
}

// deviationKey gives the key of DocumentSignerIdentifier in DeviationDocuments, empty where there is none.
func deviationKey(documents []byte, hash crypto.Hash) (string, error) {
	parts, err := children(documents, 8)
	if err != nil {
		return "", err
	}
	for _, v := range parts {
		if v.Class != asn1.ClassContextSpecific {
			continue
		}
		switch v.Tag {
		case 1: // issuerAndSerialNumber, implicit
			issuer, serial, err := issuerAndSerial(lds.AppendTLV(nil, 0x30, v.Bytes))
			if err != nil {
				return "", err
			}
			return keyByIssuer(issuer, serial), nil
		case 2:
			return keyBySKI(v.Bytes), nil
		case 3:
			if hash == 0 {
				return "", nil
			}
			return keyByDigest(hash, v.Bytes), nil
		}
	}
	return "", nil
}

// deviationTexts words DeviationDescriptions: the type, and what the state says of it.
func deviationTexts(set []byte) (out []deviation, err error) {
	all, err := children(set, 64)
	if err != nil {
		return nil, err
	}
	for _, d := range all {
		parts, err := children(d.Bytes, 4)
		if err != nil {
			return nil, err
		}
		text, kind := "", ""
		for _, v := range parts {
			var oid asn1.ObjectIdentifier
			switch {
			case v.Class != asn1.ClassUniversal:
			case v.Tag == asn1.TagOID:
				if _, err := asn1.Unmarshal(v.FullBytes, &oid); err != nil {
					return nil, err
				}
				kind = oid.String()
			case v.Tag == asn1.TagPrintableString || v.Tag == asn1.TagUTF8String:
				text = clean(string(v.Bytes))
			}
		}
		out = append(out, deviation{strings.Trim(kind+": "+text, ": ")})
	}
	return out, nil
}

// Keys under which something is known of a certificate.
func keyByIssuer(issuer name, serial []byte) string {
	return "i" + issuer.key + "\x00" + string(serial)
}
func keyBySKI(ski []byte) string                   { return "k" + string(ski) }
func keyByDigest(h crypto.Hash, sum []byte) string { return fmt.Sprintf("d%d:%s", h, sum) }

// deviationsOf gives what states have published of a signer.
func (s *Store) deviationsOf(c *certificate) (texts []string) {
	if len(s.deviations) == 0 {
		return nil
	}
	keys := []string{keyByIssuer(c.issuer, c.serial)}
	if len(c.ski) > 0 {
		keys = append(keys, keyBySKI(c.ski))
	}
	for _, h := range []crypto.Hash{crypto.SHA1, crypto.SHA224, crypto.SHA256, crypto.SHA384, crypto.SHA512} {
		sum := h.New()
		sum.Write(c.raw)
		keys = append(keys, keyByDigest(h, sum.Sum(nil)))
	}
	for _, k := range keys {
		for _, d := range s.deviations[k] {
			texts = append(texts, d.text)
		}
	}
	return texts
}

// deviationFinding is the first of them, as a detail of a verdict.
func (s *Store) deviationFinding(c *certificate) finding {
	texts := s.deviationsOf(c)
	if len(texts) == 0 {
		return finding{}
	}
	slices.SortFunc(texts, cmp.Compare[string])
	return finding{lds.ReasonDeviation, "the state has published a deviation: " + texts[0]}
}
