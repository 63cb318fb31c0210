package trust

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509/pkix"
	"encoding/asn1"
	"errors"
	"fmt"
	"math/big"
	"slices"
	"strings"
	"time"
	"unicode"

	"github.com/gmrtd/gmrtd/cms"

	"github.com/tapcheck/tapcheck/icao/lds"
)

// Bounds of certificates in an EF.SOD or in a trust file.
const (
	maxCertificates = 16
	maxRSA          = 8192 // bits; a longer modulus is an attack on our time
	minRSA          = 1024 // bits; below, a signature proves nothing
	shortRSA        = 2048 // bits; below, a warning
	minEC           = 192
	shortEC         = 224
)

var (
	errUnknown = errors.New("unknown algorithm")
	errWeak    = errors.New("key too short to prove anything")
)

// certificate is what the rules need of an X.509 certificate. crypto/x509 cannot be used: it knows neither brainpool curves
// nor explicit curve parameters, which ICAO 9303-12 §4.1.6.3 prescribes.
type certificate struct {
	raw, tbs  []byte
	serial    []byte
	issuer    name
	subject   name
	country   string // of the subject, else of the issuer
	spki      []byte
	notBefore time.Time
	notAfter  time.Time
	sigAlg    cms.AlgorithmIdentifier
	signature []byte

	ski, aki  []byte
	ca        *bool // basic constraints; nil without
	keyUsage  []byte
	hasUsage  bool
	purposes  []asn1.ObjectIdentifier
	purposesC bool     // extended key usage is critical
	unknown   []string // critical extensions that we do not understand
}

// name is a distinguished name. key is equal for names that are equal but for case, spaces and string type (RFC 5280 §7.1, in short).
type name struct {
	raw  []byte
	text string
	key  string
}

func (n name) String() string { return n.text }

func parseName(der []byte) name {
	n := name{raw: der}
	var rdns pkix.RDNSequence
	if rest, err := asn1.Unmarshal(der, &rdns); err != nil || len(rest) != 0 {
		n.text, n.key = "(name that cannot be decoded)", string(der)
		return n
	}
	n.text = clean(rdns.String())
	var key strings.Builder
	for _, set := range rdns {
		for _, a := range set {
			fmt.Fprintf(&key, "%v=%s\x00", a.Type, strings.ToLower(strings.Join(strings.Fields(fmt.Sprint(a.Value)), " ")))
		}
		key.WriteByte('\x01')
	}
	n.key = key.String()
	return n
}

func (n name) country() string {
	var rdns pkix.RDNSequence
	if _, err := asn1.Unmarshal(n.raw, &rdns); err != nil {
		return ""
	}
	for _, set := range rdns {
		for _, a := range set {
			if s, ok := a.Value.(string); ok && a.Type.Equal(asn1.ObjectIdentifier{2, 5, 4, 6}) {
				return strings.ToUpper(strings.TrimSpace(s))
			}
		}
	}
	return ""
}

// clean makes a text of a stranger fit for a screen and a log.
func clean(s string) string {
	s = strings.Map(func(r rune) rune {
		if !unicode.IsPrint(r) {
			return '?'
		}
		return r
	}, s)
	if r := []rune(s); len(r) > 200 {
		s = string(r[:200]) + "…"
	}
	return s
}

func parseCertificates(der []byte) ([]*certificate, error) {
	var out []*certificate
	for len(der) > 0 {
		head, n, ok := header(der)
		if !ok || n > len(der)-head || len(out) == maxCertificates {
			return nil, errors.New("certificates that do not parse, or too many")
		}
		c, err := parseCertificate(der[:head+n])
		if err != nil {
			return nil, err
		}
		out, der = append(out, c), der[head+n:]
	}
	return out, nil
}

func parseCertificate(der []byte) (*certificate, error) {
	versioned, tbs := withVersion(der)
	parsed, err := cms.ParseCertificates(versioned)
	if err != nil || len(parsed) != 1 { // its error may hold bytes
		return nil, errors.New("a certificate that does not parse")
	}
	p := &parsed[0]
	if tbs == nil {
		tbs = p.TbsCertificate.Raw
	}
	c := &certificate{
		raw: der, tbs: tbs, issuer: parseName(p.TbsCertificate.Issuer.FullBytes), subject: parseName(p.TbsCertificate.Subject.FullBytes),
		spki: p.TbsCertificate.SubjectPublicKeyInfo.FullBytes, sigAlg: p.SignatureAlgorithm, signature: p.SignatureValue.Bytes,
	}
	if p.TbsCertificate.SerialNumber == nil {
		return nil, errors.New("a certificate without serial number")
	}
	if c.serial, err = integerBytes(p.TbsCertificate.SerialNumber); err != nil {
		return nil, err
	}
	// What is signed and what is outside must name the same algorithm (RFC 5280 §4.1.1.2).
	if !p.TbsCertificate.Signature.Algorithm.Equal(p.SignatureAlgorithm.Algorithm) {
		return nil, errors.New("a certificate that names two signature algorithms")
	}
	if c.country = c.subject.country(); c.country == "" {
		c.country = c.issuer.country()
	}
	if c.notBefore, err = parseTime(p.TbsCertificate.Validity.NotBefore.FullBytes); err != nil {
		return nil, errors.New("a certificate with a date that is none")
	}
	if c.notAfter, err = parseTime(p.TbsCertificate.Validity.NotAfter.FullBytes); err != nil {
		return nil, errors.New("a certificate with a date that is none")
	}
	seen := map[string]bool{}
	for _, e := range p.TbsCertificate.Extensions {
		id := e.ObjectId.String()
		if seen[id] {
			return nil, errors.New("a certificate with an extension twice")
		}
		seen[id] = true
		if err := c.extension(id, critical(e), e.ExtnValue.Bytes); err != nil {
			return nil, err
		}
	}
	return c, nil
}

// withVersion writes the version into a certificate of version 1, which has none, as gmrtd's parser wants one. tbs is then the part that
// is signed, as it was. Such certificates are against ICAO 9303-12 §7.1 and exist: what they lack are extensions, so that nothing in
// them limits their use, and mayIssue still wants a CA to say that it is one.
func withVersion(der []byte) (versioned, tbs []byte) {
	head, n, ok := header(der)
	if !ok || der[0] != 0x30 || n != len(der)-head {
		return der, nil
	}
	inner := der[head:]
	ihead, in, ok := header(inner)
	if !ok || inner[0] != 0x30 || in > len(inner)-ihead || in == 0 || inner[ihead] != 0x02 {
		return der, nil
	}
	tbs = inner[:ihead+in]
	body := lds.AppendTLV(nil, 0x30, append([]byte{0xA0, 3, 2, 1, 0}, tbs[ihead:]...))
	return lds.AppendTLV(nil, 0x30, append(body, inner[ihead+in:]...)), tbs
}

func integerBytes(n *big.Int) ([]byte, error) {
	der, err := asn1.Marshal(n)
	if err != nil {
		return nil, errors.New("a serial number that is none")
	}
	head, _, _ := header(der)
	return der[head:], nil
}

// critical: gmrtd takes any BOOLEAN for true, also a written FALSE.
func critical(e cms.Extension) bool {
	if !bool(e.Critical) {
		return false
	}
	var x struct {
		ID       asn1.ObjectIdentifier
		Critical asn1.RawValue
		Value    asn1.RawValue `asn1:"optional"`
	}
	if _, err := asn1.Unmarshal(e.Raw, &x); err != nil || x.Critical.Tag != asn1.TagBoolean {
		return true
	}
	return !bytes.Equal(x.Critical.Bytes, []byte{0})
}

// extension notes what the rules need (RFC 5280 §4.2.1, ICAO 9303-12 §7.1).
func (c *certificate) extension(id string, critical bool, value []byte) error {
	bad := errors.New("a certificate with an extension that does not parse")
	switch id {
	case "2.5.29.14": // subject key identifier
		if _, err := asn1.Unmarshal(value, &c.ski); err != nil {
			return bad
		}
	case "2.5.29.35": // authority key identifier
		var a struct {
			ID     []byte        `asn1:"optional,tag:0"`
			Issuer asn1.RawValue `asn1:"optional,tag:1"`
			Serial asn1.RawValue `asn1:"optional,tag:2"`
		}
		if _, err := asn1.Unmarshal(value, &a); err != nil {
			return bad
		}
		c.aki = a.ID
	case "2.5.29.15": // key usage
		var b asn1.BitString
		if _, err := asn1.Unmarshal(value, &b); err != nil {
			return bad
		}
		c.keyUsage, c.hasUsage = b.Bytes, true
	case "2.5.29.19": // basic constraints; the flag's type is looked at by hand, as some states write TRUE as 01
		var b struct {
			Flag asn1.RawValue `asn1:"optional"`
			Path asn1.RawValue `asn1:"optional"`
		}
		if _, err := asn1.Unmarshal(value, &b); err != nil {
			return bad
		}
		ca := b.Flag.Tag == asn1.TagBoolean && len(b.Flag.Bytes) == 1 && b.Flag.Bytes[0] != 0
		c.ca = &ca
	case "2.5.29.37": // extended key usage
		if _, err := asn1.Unmarshal(value, &c.purposes); err != nil {
			return bad
		}
		c.purposesC = critical
	case "2.5.29.16", "2.5.29.17", "2.5.29.18", "2.5.29.31", "2.5.29.32", "2.23.136.1.1.6.1", "2.23.136.1.1.6.2":
		// Private key usage period, alternative names, CRL distribution points, policies, name change, document types: known, and
		// nothing in them changes the verdict here.
	default:
		if critical {
			c.unknown = append(c.unknown, id)
		}
	}
	return nil
}

// Bits of the key usage (RFC 5280 §4.2.1.3), all in the first byte.
const (
	usageDigitalSignature = 0x80
	usageKeyCertSign      = 0x04
	usageCRLSign          = 0x02
)

func (c *certificate) may(bit byte) bool {
	return !c.hasUsage || len(c.keyUsage) > 0 && c.keyUsage[0]&bit != 0
}

func (c *certificate) unknownCritical() finding {
	if len(c.unknown) > 0 {
		return finding{lds.ReasonKeyUsage, "critical extension " + c.unknown[0] + " is not understood"}
	}
	return finding{}
}

// maySignDocuments judges a document signer by itself (ICAO 9303-12 §7.1.2): a key usage that is there must allow digital
// signatures, it is no CA, and an extended key usage, which a document signer has not, must neither be critical nor be that of
// somebody who signs lists.
func (c *certificate) maySignDocuments() finding {
	switch {
	case !c.may(usageDigitalSignature):
		return finding{lds.ReasonKeyUsage, "the signer's certificate is not for signatures"}
	case c.ca != nil && *c.ca:
		return finding{lds.ReasonKeyUsage, "the signer's certificate is a CA's"}
	case c.purposesC, slices.ContainsFunc(c.purposes, func(p asn1.ObjectIdentifier) bool { return p.Equal(oidMasterSigner) || p.Equal(oidDevSigner) }):
		return finding{lds.ReasonKeyUsage, "the signer's certificate is for another purpose"}
	}
	return c.unknownCritical()
}

// mayIssue judges a CSCA certificate. Nine of the certificates in the public master lists have no CA flag; the state
// that signed the list has vouched for them, so for listed ones the key usage is enough.
func (c *certificate) mayIssue(listed bool) finding {
	switch {
	case !c.may(usageKeyCertSign):
		return finding{lds.ReasonKeyUsage, "the CSCA's certificate is not for issuing certificates"}
	case !listed && (c.ca == nil || !*c.ca), c.ca == nil && !c.hasUsage:
		return finding{lds.ReasonKeyUsage, "the CSCA's certificate is no CA's"}
	}
	return c.unknownCritical()
}

// publicKey decodes the key. Errors wrap errUnknown or errWeak where they fit.
func (c *certificate) publicKey() (crypto.PublicKey, error) {
	info, err := cms.Asn1decodeSubjectPublicKeyInfo(c.spki)
	if err != nil {
		return nil, errors.New("the certificate's key does not parse")
	}
	switch {
	case info.Algorithm.Algorithm.Equal(oidRSA), info.Algorithm.Algorithm.Equal(oidPSS):
		var k struct {
			N *big.Int
			E int
		}
		if rest, err := asn1.Unmarshal(info.SubjectPublicKey.Bytes, &k); err != nil || len(rest) != 0 || k.N.Sign() <= 0 || k.E < 3 || k.E%2 == 0 {
			return nil, errors.New("the certificate's RSA key does not parse")
		}
		if n := k.N.BitLen(); n < minRSA {
			return nil, fmt.Errorf("%w: RSA with %d bits", errWeak, n)
		} else if n > maxRSA {
			return nil, fmt.Errorf("%w: RSA with %d bits", errUnknown, n)
		}
		return &rsa.PublicKey{N: k.N, E: k.E}, nil
	case info.Algorithm.Algorithm.Equal(oidEC):
		// Without gmrtd's change to another curve of the same size: the key must lie on the curve that the certificate names.
		curve, point, err := info.EcCurveAndPubKey(false)
		if err != nil || curve == nil || point == nil || point.X == nil || point.Y == nil {
			return nil, fmt.Errorf("%w: elliptic curve or point", errUnknown)
		}
		p := (*curve).Params().P
		//lint:ignore SA1019 the packages that the note names have no brainpool curves
		if point.X.Sign() < 0 || point.Y.Sign() < 0 || point.X.Cmp(p) >= 0 || point.Y.Cmp(p) >= 0 || !(*curve).IsOnCurve(point.X, point.Y) {
			return nil, errors.New("the certificate's key is not on its curve")
		}
		if n := (*curve).Params().BitSize; n < minEC {
			return nil, fmt.Errorf("%w: elliptic curve with %d bits", errWeak, n)
		}
		//lint:ignore SA1019 as above
		return &ecdsa.PublicKey{Curve: *curve, X: point.X, Y: point.Y}, nil
	}
	return nil, fmt.Errorf("%w: key %v", errUnknown, info.Algorithm.Algorithm)
}

// short says that the key is below today's recommendations, but still proves something.
func (c *certificate) short() bool {
	switch k, _ := c.publicKey(); k := k.(type) {
	case *rsa.PublicKey:
		return k.N.BitLen() < shortRSA
	case *ecdsa.PublicKey:
		return k.Curve.Params().BitSize < shortEC
	}
	return false
}

var (
	oidRSA = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 1, 1}
	oidPSS = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 1, 10}
	oidEC  = asn1.ObjectIdentifier{1, 2, 840, 10045, 2, 1}
	oidMGF = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 1, 8}
)

var hashes = map[string]crypto.Hash{
	"1.3.14.3.2.26":          crypto.SHA1,
	"2.16.840.1.101.3.4.2.4": crypto.SHA224,
	"2.16.840.1.101.3.4.2.1": crypto.SHA256,
	"2.16.840.1.101.3.4.2.2": crypto.SHA384,
	"2.16.840.1.101.3.4.2.3": crypto.SHA512,
}

func hashByOID(oid asn1.ObjectIdentifier) crypto.Hash { return hashes[oid.String()] }

// Signature algorithms that name their hash (RFC 5754, RFC 5758, TR-03111 §5.2.1).
var signatures = map[string]struct {
	rsa  bool
	hash crypto.Hash
}{
	"1.2.840.113549.1.1.5":    {true, crypto.SHA1},
	"1.2.840.113549.1.1.14":   {true, crypto.SHA224},
	"1.2.840.113549.1.1.11":   {true, crypto.SHA256},
	"1.2.840.113549.1.1.12":   {true, crypto.SHA384},
	"1.2.840.113549.1.1.13":   {true, crypto.SHA512},
	"1.2.840.10045.4.1":       {false, crypto.SHA1},
	"1.2.840.10045.4.3.1":     {false, crypto.SHA224},
	"1.2.840.10045.4.3.2":     {false, crypto.SHA256},
	"1.2.840.10045.4.3.3":     {false, crypto.SHA384},
	"1.2.840.10045.4.3.4":     {false, crypto.SHA512},
	"0.4.0.127.0.7.1.1.4.1.1": {false, crypto.SHA1},
	"0.4.0.127.0.7.1.1.4.1.2": {false, crypto.SHA224},
	"0.4.0.127.0.7.1.1.4.1.3": {false, crypto.SHA256},
	"0.4.0.127.0.7.1.1.4.1.4": {false, crypto.SHA384},
	"0.4.0.127.0.7.1.1.4.1.5": {false, crypto.SHA512},
}

// verify checks a signature by the certificate's key. fallback is the hash where the algorithm names none (CMS with plain
// rsaEncryption). used is the hash of the signature. Errors wrap errUnknown, errWeak, or say that the signature is wrong.
func (c *certificate) verify(alg cms.AlgorithmIdentifier, fallback crypto.Hash, message, sig []byte) (used crypto.Hash, err error) {
	key, err := c.publicKey()
	if err != nil {
		return 0, err
	}
	pss := alg.Algorithm.Equal(oidPSS)
	kind, named := signatures[alg.Algorithm.String()]
	switch {
	case pss:
		if used, err = pssHash(alg.Parameters.FullBytes); err != nil {
			return 0, err
		}
	case named:
		used = kind.hash
	case alg.Algorithm.Equal(oidRSA), alg.Algorithm.Equal(oidEC):
		used = fallback
	}
	if used == 0 {
		return 0, fmt.Errorf("%w: signature %v", errUnknown, alg.Algorithm)
	}
	h := used.New()
	h.Write(message)
	digest := h.Sum(nil)
	wrong := errors.New("the signature does not match the certificate's key")
	switch k := key.(type) {
	case *rsa.PublicKey:
		switch {
		case pss:
			err = rsa.VerifyPSS(k, used, digest, sig, nil)
		case kind.rsa || alg.Algorithm.Equal(oidRSA):
			err = rsa.VerifyPKCS1v15(k, used, digest, sig)
		default:
			err = wrong
		}
		if err != nil {
			return used, wrong
		}
	case *ecdsa.PublicKey:
		if pss || kind.rsa || alg.Algorithm.Equal(oidRSA) || !ecdsa.VerifyASN1(k, digest, sig) {
			return used, wrong
		}
	}
	return used, nil
}

// pssHash reads RSASSA-PSS parameters (RFC 4055 §3.1). The mask must use the same hash: the standard library has no other.
func pssHash(der []byte) (crypto.Hash, error) {
	unknown := fmt.Errorf("%w: RSASSA-PSS parameters", errUnknown)
	if len(der) == 0 || der[0] == asn1.TagNull {
		return crypto.SHA1, nil
	}
	var p struct {
		Hash    cms.AlgorithmIdentifier `asn1:"explicit,optional,tag:0"`
		Mask    cms.AlgorithmIdentifier `asn1:"explicit,optional,tag:1"`
		Salt    int                     `asn1:"explicit,optional,tag:2"`
		Trailer int                     `asn1:"explicit,optional,tag:3,default:1"`
	}
	if rest, err := asn1.Unmarshal(der, &p); err != nil || len(rest) != 0 || p.Trailer != 1 {
		return 0, unknown
	}
	hash, mask := crypto.SHA1, crypto.SHA1
	if p.Hash.Algorithm != nil {
		hash = hashByOID(p.Hash.Algorithm)
	}
	if p.Mask.Algorithm != nil {
		var inner cms.AlgorithmIdentifier
		if _, err := asn1.Unmarshal(p.Mask.Parameters.FullBytes, &inner); err != nil || !p.Mask.Algorithm.Equal(oidMGF) {
			return 0, unknown
		}
		mask = hashByOID(inner.Algorithm)
	}
	if hash == 0 || hash != mask {
		return 0, unknown
	}
	return hash, nil
}

func (c *certificate) sum() [sha256.Size]byte { return sha256.Sum256(c.raw) }
