package chip

import (
	"crypto/rand"
	"crypto/sha1"
	"fmt"
	"io"
	"math/big"
	"slices"
	"time"
)

// Name is a distinguished name in the form that ICAO 9303-12 §7.1 wants.
type Name struct {
	Country      string // two letters, upper case
	Organization string
	Unit         string
	CommonName   string
}

func (n Name) der() []byte {
	var rdns [][]byte
	add := func(arc, v string, str func(string) []byte) {
		if v != "" {
			rdns = append(rdns, tlv(0x31, seq(oid(arc), str(v))))
		}
	}
	add("2.5.4.6", n.Country, printable)
	add("2.5.4.10", n.Organization, utf8String)
	add("2.5.4.11", n.Unit, utf8String)
	add("2.5.4.3", n.CommonName, utf8String)
	return seq(rdns...)
}

// Key usage bits of RFC 5280 §4.2.1.3, as CertOptions takes them.
const (
	UsageDigitalSignature = 1 << 0
	UsageKeyEncipherment  = 1 << 2
	UsageKeyCertSign      = 1 << 5
	UsageCRLSign          = 1 << 6
)

// CertOptions describe one certificate. Zero values stand for what the issuer's role wants.
type CertOptions struct {
	Subject             Name
	Key                 string // a curve of Curves, or "RSA-2048" and the like; default brainpoolP256r1
	Hash                string // of the signature on this certificate; default SHA-256
	PSS                 bool   // RSA signatures on this certificate as PSS
	Named               bool   // curve by name; ICAO 9303-12 wants its parameters, which is the default
	NotBefore, NotAfter time.Time
	KeyUsage            int  // default certificate and CRL signing for a CSCA, digital signature for a document signer; -1 leaves the extension out
	NotCA               bool // CSCA only: basicConstraints says that it is none
	NoKeyIdentifiers    bool // leave subject and authority key identifiers out
	// KeyIdentifier is claimed instead of the key's own hash, as a forger would claim the real authority's. In a CSCA it
	// also becomes the authority key identifier of everything that it signs.
	KeyIdentifier    []byte
	PathLen          int  // CSCA only; -1 leaves the constraint out, default 0
	UnknownCritical  bool // carries a critical extension that nobody knows
	MasterListSigner bool // document signer only: certified for master lists (ICAO 9303-12 §7.1.1) instead of documents
}

// IssuerOptions describe an issuing state: a CSCA and one document signer. The zero value is a good one.
type IssuerOptions struct {
	// Seed makes the issuer, and every card that it issues, repeatable. Nil is a new issuer each time.
	Seed []byte
	CSCA CertOptions
	DS   CertOptions
}

// Issuer makes cards: a country signing CA and its document signer. It is immutable and safe for concurrent use.
type Issuer struct {
	o       IssuerOptions
	seed    []byte
	csca    *key
	ds      *key
	cscaDER []byte
	dsDER   []byte
}

// NewIssuer makes the keys and certificates of an issuer.
func NewIssuer(o IssuerOptions) (*Issuer, error) {
	iss := &Issuer{o: o, seed: slices.Clone(o.Seed)}
	if iss.seed == nil {
		b, err := randomBytes(rand.Reader, 32)
		if err != nil {
			return nil, err
		}
		iss.seed = b
	}
	c, d := &iss.o.CSCA, &iss.o.DS
	if c.Subject == (Name{}) {
		c.Subject = Name{Country: "VN", Organization: "Tapcheck Simulation", Unit: "Not a real authority", CommonName: "CSCA Simulated ID Card"}
	}
	if d.Subject == (Name{}) {
		d.Subject = Name{Country: c.Subject.Country, Organization: "Tapcheck Simulation", Unit: "Not a real authority", CommonName: "Document Signer Simulated 0001"}
	}
	defaults(c, time.Date(2020, 6, 1, 0, 0, 0, 0, time.UTC), time.Date(2036, 6, 1, 0, 0, 0, 0, time.UTC), UsageKeyCertSign|UsageCRLSign)
	defaults(d, time.Date(2021, 1, 1, 0, 0, 0, 0, time.UTC), time.Date(2035, 1, 1, 0, 0, 0, 0, time.UTC), UsageDigitalSignature)
	var err error
	if iss.csca, err = keyFor(c.Key, newStream(iss.seed, "csca key", c.Key)); err != nil {
		return nil, err
	}
	if iss.ds, err = keyFor(d.Key, newStream(iss.seed, "ds key", d.Key)); err != nil {
		return nil, err
	}
	if iss.cscaDER, err = iss.certificate(iss.csca, *c, true); err != nil {
		return nil, err
	}
	if iss.dsDER, err = iss.certificate(iss.ds, *d, false); err != nil {
		return nil, err
	}
	return iss, nil
}

func defaults(o *CertOptions, from, to time.Time, usage int) {
	if o.Key == "" {
		o.Key = "brainpoolP256r1"
	}
	if o.Hash == "" {
		o.Hash = "SHA-256"
	}
	if o.NotBefore.IsZero() {
		o.NotBefore = from
	}
	if o.NotAfter.IsZero() {
		o.NotAfter = to
	}
	if o.KeyUsage == 0 {
		o.KeyUsage = usage
	}
}

// Forger makes an issuer that has nothing of this one but its names: what a forger would set up. See also
// CertOptions.KeyIdentifier.
func (i *Issuer) Forger() (*Issuer, error) {
	o := i.o
	o.Seed = append(slices.Clone(i.seed), "forger"...)
	return NewIssuer(o)
}

// CSCA is the country signing CA's certificate, DER.
func (i *Issuer) CSCA() []byte { return slices.Clone(i.cscaDER) }

// DocumentSigner is the document signer's certificate, DER. It also stands inside every EF.SOD.
func (i *Issuer) DocumentSigner() []byte { return slices.Clone(i.dsDER) }

// Signer makes one more document signer under the same CSCA and gives an issuer that signs with it.
func (i *Issuer) Signer(o CertOptions, label string) (*Issuer, error) {
	n := *i
	if o.Subject == (Name{}) {
		o.Subject = i.o.DS.Subject
		o.Subject.CommonName = "Document Signer Simulated " + label
	}
	defaults(&o, i.o.DS.NotBefore, i.o.DS.NotAfter, UsageDigitalSignature)
	n.o.DS = o
	var err error
	if n.ds, err = keyFor(o.Key, newStream(i.seed, "ds key", label, o.Key)); err != nil {
		return nil, err
	}
	n.dsDER, err = n.certificate(n.ds, o, false)
	return &n, err
}

// RevokedSigner is the document signer that has been revoked: profiles with Revoked are signed by it, and RevocationList names it.
func (i *Issuer) RevokedSigner() (*Issuer, error) { return i.Signer(CertOptions{}, "revoked") }

// RevocationList is the CSCA's revocation list with the one revoked signer on it, DER.
func (i *Issuer) RevocationList(thisUpdate, nextUpdate time.Time) ([]byte, error) {
	s, err := i.RevokedSigner()
	if err != nil {
		return nil, err
	}
	return i.CRL(thisUpdate, nextUpdate, s.dsDER)
}

func (k *key) identifier() []byte {
	var b []byte
	if k.c != nil {
		b = k.c.encode(k.pub)
	} else {
		b = seq(bigInteger(k.n), bigInteger(k.e))
	}
	h := sha1.Sum(b) // RFC 5280 §4.2.1.2, method 1
	return h[:]
}

// authority is the key identifier of the CSCA, as it claims it.
func (i *Issuer) authority() []byte {
	if i.o.CSCA.KeyIdentifier != nil {
		return i.o.CSCA.KeyIdentifier
	}
	return i.csca.identifier()
}

// CSCAKeyIdentifier is the subject key identifier of the CSCA's certificate.
func (i *Issuer) CSCAKeyIdentifier() []byte { return slices.Clone(i.authority()) }

func extension(arc string, critical bool, value []byte) []byte {
	if critical {
		return seq(oid(arc), boolTrue(), octets(value))
	}
	return seq(oid(arc), octets(value))
}

func usageBits(u int) []byte {
	var b byte
	top := 0
	for i := range 8 {
		if u&(1<<i) != 0 {
			b |= 0x80 >> i
			top = i
		}
	}
	return []byte{3, 2, byte(7 - top), b}
}

// certificate issues a certificate for subject key k, signed by the CSCA.
func (i *Issuer) certificate(k *key, o CertOptions, ca bool) ([]byte, error) {
	h, err := hashByName(o.Hash)
	if err != nil {
		return nil, err
	}
	s := newStream(i.seed, "certificate", o.Subject.CommonName, o.Key)
	serial, err := randomBytes(s, 12)
	if err != nil {
		return nil, err
	}
	serial[0] = serial[0]&0x3F | 0x40
	var ext [][]byte
	if !o.NoKeyIdentifiers {
		ext = append(ext, extension("2.5.29.35", false, seq(tlv(0x80, i.authority()))))
		id := o.KeyIdentifier
		if id == nil {
			id = k.identifier()
		}
		ext = append(ext, extension("2.5.29.14", false, octets(id)))
	}
	if o.KeyUsage > 0 {
		ext = append(ext, extension("2.5.29.15", true, usageBits(o.KeyUsage)))
	}
	if ca {
		var bc []byte
		if !o.NotCA {
			bc = boolTrue()
			if o.PathLen >= 0 {
				bc = append(bc, integer(int64(o.PathLen))...)
			}
		}
		ext = append(ext, extension("2.5.29.19", true, seq(bc)))
	} else if o.MasterListSigner {
		ext = append(ext, extension("2.5.29.37", true, seq(oid("2.23.136.1.1.3"))))
	} else {
		// Document type list of ICAO 9303-12 §7.1.1.6: cards and passports.
		ext = append(ext, extension("2.23.136.1.1.6.2", false, seq(integer(0), setOf(printable("ID"), printable("P")))))
	}
	if o.UnknownCritical {
		ext = append(ext, extension("1.3.6.1.4.1.55555.1.1", true, null))
	}
	alg := i.csca.signAlgorithm(h, o.PSS)
	tbs := seq(
		tlv(0xA0, integer(2)), bigInteger(new(big.Int).SetBytes(serial)), alg, i.o.CSCA.Subject.der(),
		seq(derTime(o.NotBefore), derTime(o.NotAfter)), o.Subject.der(), k.spki(o.Named),
		tlv(0xA3, seq(ext...)))
	sig, err := i.csca.sign(h, o.PSS, tbs, s)
	if err != nil {
		return nil, err
	}
	return seq(tbs, alg, bitString(sig)), nil
}

// CRL is the CSCA's certificate revocation list, DER, naming the given certificates. Reasons are left out.
func (i *Issuer) CRL(thisUpdate, nextUpdate time.Time, revoked ...[]byte) ([]byte, error) {
	h, err := hashByName(i.o.CSCA.Hash)
	if err != nil {
		return nil, err
	}
	var entries [][]byte
	for _, der := range revoked {
		serial, _, err := serialAndIssuer(der)
		if err != nil {
			return nil, err
		}
		entries = append(entries, seq(serial, derTime(thisUpdate)))
	}
	alg := i.csca.signAlgorithm(h, i.o.CSCA.PSS)
	parts := [][]byte{integer(1), alg, i.o.CSCA.Subject.der(), derTime(thisUpdate), derTime(nextUpdate)}
	if len(entries) > 0 {
		parts = append(parts, seq(entries...))
	}
	parts = append(parts, tlv(0xA0, seq(
		extension("2.5.29.35", false, seq(tlv(0x80, i.authority()))),
		extension("2.5.29.20", false, integer(1)))))
	tbs := seq(parts...)
	sig, err := i.csca.sign(h, i.o.CSCA.PSS, tbs, newStream(i.seed, "crl", thisUpdate.String()))
	if err != nil {
		return nil, err
	}
	return seq(tbs, alg, bitString(sig)), nil
}

// serialAndIssuer takes the two apart from a certificate that this package wrote.
func serialAndIssuer(der []byte) (serial, issuer []byte, err error) {
	bad := fmt.Errorf("chip: not a certificate")
	cert, _, ok := takeTLV(der)
	if !ok {
		return nil, nil, bad
	}
	tbs, _, ok := takeTLV(cert.value)
	if !ok {
		return nil, nil, bad
	}
	fields, ok := allTLV(tbs.value)
	if !ok || len(fields) < 4 {
		return nil, nil, bad
	}
	return fields[1].raw, fields[3].raw, nil
}

// SODOptions say how an EF.SOD is to be wrong. The zero value is a right one.
type SODOptions struct {
	Hash         string    // of the data groups; default SHA-256
	SignHash     string    // of the signature; default Hash
	PSS          bool      // RSA signature as PSS
	SignedAt     time.Time // signing-time attribute; zero leaves it out (Issue then takes the persona's date of issue)
	NoSignedAt   bool      // no signing-time attribute, whatever SignedAt says
	NoSignedAttr bool      // signature over the content itself
	LDS18        bool      // LDS security object of version 1, which names the versions of LDS 1.8 and Unicode (ICAO 9303-10 §4.6.2.3)
	BySKI        bool      // signer named by subject key identifier
	NoCert       bool      // no certificate inside

	// BadHash names data groups (numbers) whose hash is made wrong; Unlisted ones are left out; Extra ones are listed with a
	// made-up hash although the file is not there.
	BadHash, Unlisted, Extra []int
	BadSignature             bool
	BadMessageDigest         bool
	// MoreSigners sign as well; MoreCerts only lie beside the signer's own certificate.
	MoreSigners []*Issuer
	MoreCerts   [][]byte
	// OtherCert lies inside instead of the signer's own: a signature that does not match its certificate.
	OtherCert []byte
}

// SOD signs data groups (by number, with their tags) and gives the file EF.SOD (ICAO 9303-10 §4.6.2).
func (i *Issuer) SOD(groups map[int][]byte, o SODOptions) ([]byte, error) {
	if o.Hash == "" {
		o.Hash = "SHA-256"
	}
	h, err := hashByName(o.Hash)
	if err != nil {
		return nil, err
	}
	var list []int
	for n := range groups {
		if !slices.Contains(o.Unlisted, n) {
			list = append(list, n)
		}
	}
	for _, n := range o.Extra {
		if !slices.Contains(list, n) {
			list = append(list, n)
		}
	}
	slices.Sort(list)
	var hashes [][]byte
	for _, n := range list {
		d := h.sum(groups[n])
		if slices.Contains(o.BadHash, n) {
			d[0] ^= 1
		}
		hashes = append(hashes, seq(integer(int64(n)), octets(d)))
	}
	version, versions := integer(0), []byte(nil)
	if o.LDS18 {
		version, versions = integer(1), seq(printable(lds18), printable(unicodeVersion))
	}
	b, err := i.signed("2.23.136.1.1.1", seq(version, seq(oid(h.oid), null), seq(hashes...), versions), o)
	if err != nil {
		return nil, err
	}
	return tlv(0x77, b), nil
}

// signed is SignedData over content by the document signer, with what o says is wrong about it.
func (i *Issuer) signed(contentType string, content []byte, o SODOptions) ([]byte, error) {
	if o.Hash == "" {
		o.Hash = "SHA-256"
	}
	if o.SignHash == "" {
		o.SignHash = o.Hash
	}
	rnd := newStream(i.seed, "sod", string(content))
	signers := append([]*Issuer{i}, o.MoreSigners...)
	var infos, certs, algs [][]byte
	for n, s := range signers {
		info, alg, err := s.signerInfo(contentType, content, o, n == 0, rnd)
		if err != nil {
			return nil, err
		}
		infos = append(infos, info)
		if !slices.ContainsFunc(algs, func(a []byte) bool { return string(a) == string(alg) }) {
			algs = append(algs, alg)
		}
		cert := s.dsDER
		if n == 0 && o.OtherCert != nil {
			cert = o.OtherCert
		}
		if !o.NoCert && !slices.ContainsFunc(certs, func(c []byte) bool { return string(c) == string(cert) }) {
			certs = append(certs, cert)
		}
	}
	certs = append(certs, o.MoreCerts...)
	return signedData(contentType, content, algs, certs, infos), nil
}

// signedData is ContentInfo with SignedData (RFC 5652 §5.1).
func signedData(contentType string, content []byte, algs, certs, infos [][]byte) []byte {
	parts := [][]byte{integer(3), setOf(algs...), seq(oid(contentType), tlv(0xA0, octets(content)))}
	if len(certs) > 0 {
		parts = append(parts, tlv(0xA0, certs...))
	}
	parts = append(parts, setOf(infos...))
	return seq(oid("1.2.840.113549.1.7.2"), tlv(0xA0, seq(parts...)))
}

// MasterList signs a list of CSCA certificates (DER) with the issuer's second key, which is a master list signer's when the issuer
// came from Signer with MasterListSigner (ICAO 9303-12 §9). The list itself carries the signer's and the CSCA's certificate.
func (i *Issuer) MasterList(at time.Time, certs ...[]byte) ([]byte, error) {
	const contentType = "2.23.136.1.1.2"
	content := seq(integer(0), setOf(certs...))
	o := SODOptions{SignHash: "SHA-256", SignedAt: at, BySKI: true}
	info, alg, err := i.signerInfo(contentType, content, o, true, newStream(i.seed, "master list", string(content)))
	if err != nil {
		return nil, err
	}
	return signedData(contentType, content, [][]byte{alg}, [][]byte{i.dsDER, i.cscaDER}, [][]byte{info}), nil
}

func (i *Issuer) signerInfo(contentType string, content []byte, o SODOptions, first bool, rnd io.Reader) (info, digestAlg []byte, err error) {
	h, err := hashByName(o.SignHash)
	if err != nil {
		return nil, nil, err
	}
	digestAlg = seq(oid(h.oid), null)
	signed := content
	var attrs []byte
	if !o.NoSignedAttr {
		md := h.sum(content)
		if o.BadMessageDigest {
			md[0] ^= 1
		}
		list := [][]byte{
			seq(oid("1.2.840.113549.1.9.3"), tlv(0x31, oid(contentType))),
			seq(oid("1.2.840.113549.1.9.4"), tlv(0x31, octets(md))),
		}
		if !o.SignedAt.IsZero() && !o.NoSignedAt {
			list = append(list, seq(oid("1.2.840.113549.1.9.5"), tlv(0x31, derTime(o.SignedAt))))
		}
		signed = setOf(list...) // signed as a SET, sent as [0] IMPLICIT (RFC 5652 §5.4)
		attrs = append([]byte{0xA0}, signed[1:]...)
	}
	sig, err := i.ds.sign(h, o.PSS, signed, rnd)
	if err != nil {
		return nil, nil, err
	}
	if o.BadSignature && first {
		sig[len(sig)-1] ^= 1
	}
	version, sid := integer(1), []byte(nil)
	if o.BySKI {
		id := i.o.DS.KeyIdentifier
		if id == nil {
			id = i.ds.identifier()
		}
		version, sid = integer(3), tlv(0x80, id)
	} else {
		serial, issuer, err := serialAndIssuer(i.dsDER)
		if err != nil {
			return nil, nil, err
		}
		sid = seq(issuer, serial)
	}
	alg := i.ds.signAlgorithm(h, o.PSS)
	return seq(version, sid, digestAlg, attrs, alg, octets(sig)), digestAlg, nil
}
