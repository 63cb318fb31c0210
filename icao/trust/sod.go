package trust

import (
	"bytes"
	"crypto"
	_ "crypto/sha1"   // hashes that signers use
	_ "crypto/sha256" //
	_ "crypto/sha512" //
	"encoding/asn1"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/gmrtd/gmrtd/cms"

	"github.com/tapcheck/tapcheck/icao/lds"
)

// Object identifiers of the EF.SOD (ICAO 9303-10 §4.6.2, RFC 5652 §11).
var (
	oidLDSSecurityObject = asn1.ObjectIdentifier{2, 23, 136, 1, 1, 1}
	// Content types that passports carry instead: plain data (China), and two from before the final standard.
	oidOtherContent = []asn1.ObjectIdentifier{{1, 2, 840, 113549, 1, 7, 1}, {1, 3, 27, 1, 1, 1}, {1, 2, 528, 1, 1006, 1, 20, 1}}

	oidContentType   = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 9, 3}
	oidMessageDigest = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 9, 4}
	oidSigningTime   = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 9, 5}
)

// securityObject is the LDS security object, version 0 or 1: the hashes that are signed.
type securityObject struct {
	hash    crypto.Hash // 0 if unknown
	hashOID string
	hashes  map[int][]byte
	listed  []int
}

// parseSOD takes an EF.SOD apart. Its errors hold no bytes of it.
func parseSOD(sod []byte) (*cms.SignedData, securityObject, error) {
	if len(sod) > MaxSOD {
		return nil, securityObject{}, errors.New("larger than allowed")
	}
	head, n, ok := header(sod)
	if !ok || sod[0] != 0x77 || n != len(sod)-head {
		return nil, securityObject{}, errors.New("not one template with tag 77")
	}
	sd, err := parseSignedData(sod[head:])
	if err != nil {
		return nil, securityObject{}, err
	}
	if t := sd.Content.EContentType; !t.Equal(oidLDSSecurityObject) && !slices.ContainsFunc(oidOtherContent, t.Equal) {
		return nil, securityObject{}, fmt.Errorf("content type %v is not the LDS security object", t)
	}
	o, err := parseSecurityObject(sd.Content.EContent)
	return sd, o, err
}

// parseSignedData reads a CMS SignedData, in DER or BER: some states write indefinite lengths (New Zealand), which encoding/asn1
// does not read.
func parseSignedData(b []byte) (*cms.SignedData, error) {
	if sd, err := cms.ParseSignedData(b); err == nil {
		return sd, nil
	}
	der, err := toDER(b)
	if err != nil {
		return nil, errors.New("not a CMS SignedData")
	}
	sd, err := cms.ParseSignedData(der)
	if err != nil {
		return nil, errors.New("not a CMS SignedData")
	}
	return sd, nil
}

func parseSecurityObject(der []byte) (securityObject, error) {
	var raw struct {
		Version   int
		Algorithm cms.AlgorithmIdentifier
		Hashes    []struct {
			Number int
			Value  []byte
		}
		Info asn1.RawValue `asn1:"optional"` // LDSVersionInfo, in version 1
	}
	if rest, err := asn1.Unmarshal(der, &raw); err != nil || len(rest) != 0 {
		return securityObject{}, errors.New("no LDS security object inside")
	}
	if raw.Version != 0 && raw.Version != 1 {
		return securityObject{}, fmt.Errorf("LDS security object of version %d", raw.Version)
	}
	if len(raw.Hashes) == 0 || len(raw.Hashes) > 16 {
		return securityObject{}, errors.New("no hashes, or too many")
	}
	o := securityObject{hash: hashByOID(raw.Algorithm.Algorithm), hashOID: raw.Algorithm.Algorithm.String(), hashes: map[int][]byte{}}
	for _, h := range raw.Hashes {
		if h.Number < 1 || h.Number > 16 || o.hashes[h.Number] != nil || len(h.Value) == 0 || len(h.Value) > 64 {
			return securityObject{}, errors.New("a hash for no data group, or two for one")
		}
		o.hashes[h.Number] = h.Value
		o.listed = append(o.listed, h.Number)
	}
	slices.Sort(o.listed)
	return o, nil
}

// checkSignature finds the signer's certificate and checks the signature over the security object (RFC 5652 §5.4 and §5.6).
func (i *Inspection) checkSignature(s *Store, sd *cms.SignedData, certs []*certificate) {
	invalid := func(why string) { i.signature = finding{lds.ReasonSignatureInvalid, why} }
	switch len(sd.SignerInfos) {
	case 1:
	case 0:
		invalid("nobody signed")
		return
	default: // ICAO 9303-10 §4.6.2.2 has exactly one; which of several speaks for the state, nobody can say
		i.signature = finding{lds.ReasonSignerAmbiguous, "several signatures"}
		return
	}
	si := &sd.SignerInfos[0]

	content, err := attribute(si.AuthenticatedAttributes, oidContentType)
	if err != nil {
		invalid("signed attribute content type: " + err.Error())
		return
	}
	var contentType asn1.ObjectIdentifier
	if rest, err := asn1.Unmarshal(content, &contentType); err != nil || len(rest) != 0 || !contentType.Equal(sd.Content.EContentType) {
		invalid("the signed content type is another one")
		return
	}
	digest, err := attribute(si.AuthenticatedAttributes, oidMessageDigest)
	if err != nil {
		invalid("signed attribute message digest: " + err.Error())
		return
	}
	var signed []byte
	if rest, err := asn1.Unmarshal(digest, &signed); err != nil || len(rest) != 0 {
		invalid("the signed message digest is none")
		return
	}
	if t, err := attribute(si.AuthenticatedAttributes, oidSigningTime); err == nil {
		i.signedAt, _ = parseTime(t)
	}

	signer, trouble := s.findSigner(si, certs)
	if trouble.reason != "" {
		i.signature = trouble
		return
	}
	hash := hashByOID(si.DigestAlgorithm.Algorithm)
	if hash == 0 {
		i.signer, i.unknown = nil, "digest "+si.DigestAlgorithm.Algorithm.String()
		return
	}
	h := hash.New()
	h.Write(sd.Content.EContent)
	if !bytes.Equal(h.Sum(nil), signed) {
		invalid("the security object is not the one that was signed")
		return
	}
	used, err := verifyAttributes(signer, si, hash)
	switch {
	case errors.Is(err, errUnknown):
		i.unknown = err.Error()
	case errors.Is(err, errWeak):
		i.signature = finding{lds.ReasonWeakKey, err.Error()}
	case err != nil:
		invalid(err.Error())
	default:
		i.signer = signer
		i.warnWeak(hash)
		i.warnWeak(used)
		if signer.short() {
			i.warn(lds.ReasonWeakKey)
		}
	}
}

// findSigner picks the certificate that the signature names: by issuer and serial number or by key identifier (RFC 5652
// §5.3). One certificate alone is taken whatever it is named by, as issuers get the name wrong and the signature decides.
func (s *Store) findSigner(si *cms.SignerInfo, certs []*certificate) (*certificate, finding) {
	if len(certs) == 1 {
		return certs[0], finding{}
	}
	named := signerNamed(si)
	if len(certs) == 0 { // a signer whose certificate is left out may still be one that the hospital has pinned or a directory lists
		for _, a := range s.pinned {
			if c, err := parseCertificate(a.raw); err == nil {
				certs = append(certs, c)
			}
		}
		if c, err := parseCertificate(s.signers[signerKey(si)]); err == nil {
			certs = append(certs, c)
		}
	}
	var found []*certificate
	for _, c := range certs {
		if named(c) && !slices.ContainsFunc(found, func(f *certificate) bool { return bytes.Equal(f.raw, c.raw) }) {
			found = append(found, c)
		}
	}
	if len(found) != 1 {
		return nil, finding{lds.ReasonSignerAmbiguous, fmt.Sprintf("%d certificates are the named signer's", len(found))}
	}
	return found[0], finding{}
}

// signerKey is the key under which a directory's document signer is found.
func signerKey(si *cms.SignerInfo) string {
	if si.Sid.Class == asn1.ClassContextSpecific && si.Sid.Tag == 0 {
		return keyBySKI(si.Sid.Bytes)
	}
	issuer, serial, err := issuerAndSerial(si.Sid.FullBytes)
	if err != nil {
		return ""
	}
	return keyByIssuer(issuer, serial)
}

// attribute gives the one value of a signed attribute. RFC 5652 §11 wants exactly one attribute with exactly one value.
func attribute(list cms.AttributeList, oid asn1.ObjectIdentifier) ([]byte, error) {
	var value []byte
	for _, a := range list {
		if !a.Type.Equal(oid) {
			continue
		}
		if value != nil {
			return nil, errors.New("twice")
		}
		head, n, ok := header(a.Values.Bytes)
		if !ok || a.Values.Tag != asn1.TagSet || n != len(a.Values.Bytes)-head {
			return nil, errors.New("not one value")
		}
		value = a.Values.Bytes
	}
	if value == nil {
		return nil, errors.New("missing")
	}
	return value, nil
}

func parseTime(der []byte) (time.Time, error) {
	var t time.Time
	rest, err := asn1.Unmarshal(der, &t)
	if err == nil && len(rest) != 0 {
		err = errors.New("trailing bytes")
	}
	return t, err
}
