package chip

import (
	"bytes"
	"crypto/rand"
	"crypto/subtle"
	"errors"
	"fmt"
	"io"
	"math/big"
	"slices"
	"strings"
	"time"
)

// Card verifiable certificates (ICAO 9303-12 §7.2, BSI TR-03110-3 appendix C): the little public key infrastructure by which a state
// says whose terminals may read fingerprints and irises.

// Rights that a card verifiable certificate can give to a terminal (ICAO 9303-11 Table K-1).
const (
	RightDG3 = 1 << 0 // fingerprints
	RightDG4 = 1 << 1 // irises
)

// Roles, the two top bits of the authorization.
const (
	roleMask       = 0xC0
	roleCVCA       = 0xC0
	roleDV         = 0x80 // of the chip's own country
	roleForeignDV  = 0x40
	roleInspection = 0x00
)

const (
	oidTARSA   = oidTA + ".1"
	oidTAECDSA = oidTA + ".2"
)

// cvKey is the public key of a card verifiable certificate with what the certificate says of its holder.
type cvKey struct {
	holder   string
	auth     byte // role and rights
	from, to time.Time
	key      *key
	hash     hashAlg
}

func (k *cvKey) role() byte { return k.auth & roleMask }

func (k *cvKey) algorithm() (string, error) { return taAlgorithm(k.hash, k.key.c == nil) }

// taAlgorithm is the object identifier of ICAO 9303-11 §9.2.9.
func taAlgorithm(h hashAlg, rsa bool) (string, error) {
	names, prefix := map[string]int{"SHA-224": 2, "SHA-256": 3, "SHA-384": 4, "SHA-512": 5}, oidTAECDSA
	if rsa {
		names, prefix = map[string]int{"SHA-256": 4, "SHA-512": 6}, oidTARSA
	}
	arc := names[h.name]
	if arc == 0 {
		return "", fmt.Errorf("chip: terminal authentication has no %s with this kind of key (ICAO 9303-11 Tables 7 and 8)", h.name)
	}
	return fmt.Sprintf("%s.%d", prefix, arc), nil
}

// sign gives the signature as terminal authentication has it: ECDSA plain, RSA as PSS.
func (k *cvKey) sign(msg []byte, rnd io.Reader) ([]byte, error) {
	if k.key.c == nil {
		return k.key.sign(k.hash, true, msg, rnd)
	}
	r, s, err := k.key.c.ecdsaSign(k.key.priv, k.hash.sum(msg), rnd)
	if err != nil {
		return nil, err
	}
	return k.key.c.plain(r, s), nil
}

func (k *cvKey) verify(msg, sig []byte) bool {
	if k.key.c == nil {
		return k.key.verifyPSS(k.hash, k.hash.sum(msg), sig)
	}
	n := (k.key.c.n.BitLen() + 7) / 8
	return len(sig) == 2*n && k.key.c.ecdsaVerify(k.key.pub, k.hash.sum(msg), new(big.Int).SetBytes(sig[:n]), new(big.Int).SetBytes(sig[n:]))
}

// verifyPSS is RFC 8017 §8.1.2 with a salt as long as the hash.
func (k *key) verifyPSS(h hashAlg, digest, sig []byte) bool {
	bits, hl := k.n.BitLen()-1, len(digest)
	n := (bits + 7) / 8
	s := new(big.Int).SetBytes(sig)
	if len(sig) != k.size() || s.Cmp(k.n) >= 0 || n < 2*hl+2 {
		return false
	}
	m := s.Exp(s, k.e, k.n)
	if m.BitLen() > bits {
		return false
	}
	em := m.FillBytes(make([]byte, n))
	db, hh := em[:n-hl-1], em[n-hl-1:n-1]
	if em[n-1] != 0xBC {
		return false
	}
	for i, b := range mgf1(h, hh, len(db)) {
		db[i] ^= b
	}
	db[0] &= 0xFF >> (8*n - bits)
	for i, b := range db[:len(db)-hl] {
		if b != 0 && i != len(db)-hl-1 || i == len(db)-hl-1 && b != 1 {
			return false
		}
	}
	want := h.sum(slices.Concat(make([]byte, 8), digest, db[len(db)-hl:]))
	return subtle.ConstantTimeCompare(hh, want) == 1
}

// cvDate is six digits, one to a byte.
func cvDate(t time.Time) []byte {
	b := []byte(t.Format("060102"))
	for i := range b {
		b[i] -= '0'
	}
	return b
}

func parseCVDate(b []byte) (time.Time, bool) {
	if len(b) != 6 {
		return time.Time{}, false
	}
	s := bytes.Clone(b)
	for i := range s {
		s[i] += '0'
	}
	t, err := time.Parse("20060102", "20"+string(s))
	return t, err == nil
}

// publicKey is the public key data object of ICAO 9303-11 §9.4, with the domain parameters only where a CVCA certificate wants them.
func (k *cvKey) publicKey(parameters bool) ([]byte, error) {
	alg, err := k.algorithm()
	if err != nil {
		return nil, err
	}
	if k.key.c == nil {
		return tlv(0x7F49, oid(alg), tlv(0x81, k.key.n.Bytes()), tlv(0x82, k.key.e.Bytes())), nil
	}
	c := k.key.c
	point := tlv(0x86, c.encode(k.key.pub))
	if !parameters {
		return tlv(0x7F49, oid(alg), point), nil
	}
	return tlv(0x7F49, oid(alg), tlv(0x81, c.p.Bytes()), tlv(0x82, c.a.Bytes()), tlv(0x83, c.b.Bytes()),
		tlv(0x84, c.encode(c.g)), tlv(0x85, c.n.Bytes()), point, tlv(0x87, []byte{1})), nil
}

// certificate issues a certificate for subject.
func (k *cvKey) certificate(subject *cvKey, rnd io.Reader) ([]byte, error) {
	pub, err := subject.publicKey(subject.role() == roleCVCA)
	if err != nil {
		return nil, err
	}
	body := tlv(0x7F4E, tlv(0x5F29, []byte{0}), tlv(0x42, []byte(k.holder)), pub, tlv(0x5F20, []byte(subject.holder)),
		tlv(0x7F4C, oid(oidIS), tlv(0x53, []byte{subject.auth})), tlv(0x5F25, cvDate(subject.from)), tlv(0x5F24, cvDate(subject.to)))
	sig, err := k.sign(body, rnd)
	if err != nil {
		return nil, err
	}
	return tlv(0x7F21, body, tlv(0x5F37, sig)), nil
}

// TerminalPKIOptions describe who may read the protected data groups. The zero value is a good one.
type TerminalPKIOptions struct {
	// Seed makes keys and certificates repeatable. Nil makes new ones each time.
	Seed    []byte
	Country string // two letters; default "VN"
	Key     string // of all certificates: a curve of Curves (224 bits and more), or "RSA-2048" and the like; default brainpoolP256r1
	Hash    string // of all signatures; default SHA-256
	// From and To are the validity of the CVCA's certificate; default 2020 to 2040. Days count, in UTC.
	From, To time.Time
}

// TerminalPKI is a country verifying certification authority (CVCA) and what it takes to make certificate chains for
// terminals. It is immutable and safe for concurrent use.
type TerminalPKI struct {
	o      TerminalPKIOptions
	number int
	cvca   *cvKey
	cert   []byte
}

// NewTerminalPKI makes a CVCA with its self-signed certificate. A chip trusts it when it was issued with IssueOptions.Terminals.
func NewTerminalPKI(o TerminalPKIOptions) (*TerminalPKI, error) {
	o.Seed = slices.Clone(o.Seed)
	if o.Seed == nil {
		b, err := randomBytes(rand.Reader, 32)
		if err != nil {
			return nil, err
		}
		o.Seed = b
	}
	if o.Country == "" {
		o.Country = "VN"
	}
	if len(o.Country) != 2 || strings.ToUpper(o.Country) != o.Country {
		return nil, fmt.Errorf("chip: %q is no country of two capital letters", o.Country)
	}
	if o.Key == "" {
		o.Key = "brainpoolP256r1"
	}
	if o.Hash == "" {
		o.Hash = "SHA-256"
	}
	if o.From.IsZero() {
		o.From = time.Date(2020, 1, 1, 0, 0, 0, 0, time.UTC)
	}
	if o.To.IsZero() {
		o.To = time.Date(2040, 1, 1, 0, 0, 0, 0, time.UTC)
	}
	p := &TerminalPKI{o: o, number: 1}
	var err error
	if p.cvca, err = p.newKey("CVCA", p.number, roleCVCA|RightDG3|RightDG4, o.From, o.To); err != nil {
		return nil, err
	}
	p.cert, err = p.cvca.certificate(p.cvca, p.stream("CVCA certificate"))
	return p, err
}

func (p *TerminalPKI) stream(use string) *stream {
	return newStream(p.o.Seed, "terminals", use, p.o.Key, fmt.Sprint(p.number))
}

func (p *TerminalPKI) newKey(name string, number int, auth byte, from, to time.Time) (*cvKey, error) {
	h, err := hashByName(p.o.Hash)
	if err != nil {
		return nil, err
	}
	if _, err := taAlgorithm(h, strings.HasPrefix(p.o.Key, "RSA-")); err != nil {
		return nil, err
	}
	holder := fmt.Sprintf("%s%s%05d", p.o.Country, name, number)
	k := &cvKey{holder: holder, auth: auth, from: from, to: to, hash: h}
	k.key, err = keyFor(p.o.Key, p.stream(holder+" key"))
	return k, err
}

// TerminalPKI is the issuing state's own, with a key of the default kind: what chips of this issuer trust unless
// IssueOptions.Terminals names another.
func (i *Issuer) TerminalPKI() (*TerminalPKI, error) {
	return NewTerminalPKI(TerminalPKIOptions{Seed: append(slices.Clone(i.seed), "terminals"...), Country: i.o.CSCA.Subject.Country})
}

// CVCA is the self-signed certificate (tag 7F21) of the certification authority.
func (p *TerminalPKI) CVCA() []byte { return slices.Clone(p.cert) }

// Reference is the CVCA's name, as certificates refer to it and as EF.CVCA and PACE tell it.
func (p *TerminalPKI) Reference() string { return p.cvca.holder }

// Next is the CVCA's next generation, valid from the given day for twenty years, and the link certificate (tag 7F21) by which chips that trust
// the old one come to trust the new one.
func (p *TerminalPKI) Next(from time.Time) (next *TerminalPKI, link []byte, err error) {
	n := &TerminalPKI{o: p.o, number: p.number + 1}
	if n.cvca, err = n.newKey("CVCA", n.number, roleCVCA|RightDG3|RightDG4, from, from.AddDate(20, 0, 0)); err != nil {
		return nil, nil, err
	}
	if n.cert, err = n.cvca.certificate(n.cvca, n.stream("CVCA certificate")); err != nil {
		return nil, nil, err
	}
	link, err = p.cvca.certificate(n.cvca, n.stream("link certificate"))
	return n, link, err
}

// TerminalOptions describe a terminal and how its certificates are to be wrong. The zero value is a good inspection system with
// all rights.
type TerminalOptions struct {
	Rights         byte // RightDG3, RightDG4; 0 is both, NoRights none
	VerifierRights byte // of the document verifier above it; 0 is both
	NoRights       bool
	Foreign        bool // the document verifier is another country's: the chip does not believe its dates
	// Validity of the terminal's certificate and of its document verifier's; default 2026 to 2036.
	From, To                 time.Time
	VerifierFrom, VerifierTo time.Time
	BadSignature             bool // on the terminal's certificate
	BadVerifierSignature     bool
	OtherKey                 bool // the terminal signs with a key that is not its certificate's
}

// Terminal is an inspection system with what it needs for terminal authentication.
type Terminal struct {
	// Chain is the document verifier's and the terminal's certificate (tag 7F21 each), in the order in which a chip takes them.
	Chain [][]byte
	// Reference is the terminal's name in its certificate, for MSE:Set AT.
	Reference string

	key *cvKey
	rnd io.Reader
}

// Terminal makes a document verifier and a terminal under the CVCA.
func (p *TerminalPKI) Terminal(o TerminalOptions) (*Terminal, error) {
	day := func(t time.Time, year int) time.Time {
		if t.IsZero() {
			return time.Date(year, 1, 1, 0, 0, 0, 0, time.UTC)
		}
		return t
	}
	rights := func(r byte) byte {
		if r == 0 {
			return RightDG3 | RightDG4
		}
		return r
	}
	role := byte(roleDV)
	if o.Foreign {
		role = roleForeignDV
	}
	dv, err := p.newKey("DV", 1, role|rights(o.VerifierRights), day(o.VerifierFrom, 2026), day(o.VerifierTo, 2036))
	if err != nil {
		return nil, err
	}
	auth := rights(o.Rights)
	if o.NoRights {
		auth = 0
	}
	is, err := p.newKey("IS", 1, roleInspection|auth, day(o.From, 2026), day(o.To, 2036))
	if err != nil {
		return nil, err
	}
	t := &Terminal{Reference: is.holder, key: is, rnd: rand.Reader}
	for _, c := range []struct {
		by, of *cvKey
		bad    bool
	}{{p.cvca, dv, o.BadVerifierSignature}, {dv, is, o.BadSignature}} {
		cert, err := c.by.certificate(c.of, p.stream(c.of.holder+" certificate"))
		if err != nil {
			return nil, err
		}
		if c.bad {
			cert[len(cert)-1] ^= 1
		}
		t.Chain = append(t.Chain, cert)
	}
	if o.OtherKey {
		if t.key, err = p.newKey("IS", 2, is.auth, is.from, is.to); err != nil {
			return nil, err
		}
	}
	return t, nil
}

// Sign signs what terminal authentication has the terminal sign: the chip's identifier, its challenge and the terminal's own
// compressed key, one after the other (ICAO 9303-11 §7.1.2). The signature is plain ECDSA or RSA-PSS.
func (t *Terminal) Sign(message []byte) ([]byte, error) { return t.key.sign(message, t.rnd) }

// Hash names the hash of the terminal's signatures.
func (t *Terminal) Hash() string { return t.key.hash.name }

// PrivateKey is the terminal's key as PKCS #8 (RFC 5958), DER; an elliptic one with its curve by name.
func (t *Terminal) PrivateKey() []byte {
	k := t.key.key
	if k.c == nil {
		one := big.NewInt(1)
		parts := [][]byte{integer(0), bigInteger(k.n), bigInteger(k.e), bigInteger(k.d), bigInteger(k.p), bigInteger(k.q),
			bigInteger(new(big.Int).Mod(k.d, new(big.Int).Sub(k.p, one))), bigInteger(new(big.Int).Mod(k.d, new(big.Int).Sub(k.q, one))),
			bigInteger(new(big.Int).ModInverse(k.q, k.p))}
		return seq(integer(0), seq(oid("1.2.840.113549.1.1.1"), null), octets(seq(parts...)))
	}
	d := k.priv.FillBytes(make([]byte, (k.c.n.BitLen()+7)/8))
	return seq(integer(0), seq(oid("1.2.840.10045.2.1"), oid(k.c.oid)), octets(seq(integer(1), octets(d), tlv(0xA1, bitString(k.c.encode(k.pub))))))
}

var errCVC = errors.New("chip: not a card verifiable certificate")

// parseCV reads a certificate's body. Domain parameters that are not there are the issuer's (ICAO 9303-12 §7.2.2.3).
func parseCV(body []byte, issuer *cvKey) (issuedBy string, k *cvKey, err error) {
	do, rest, ok := takeTLV(body)
	fields, ok2 := allTLV(do.value)
	tags := []uint32{0x5F29, 0x42, 0x7F49, 0x5F20, 0x7F4C, 0x5F25, 0x5F24}
	if !ok || !ok2 || len(rest) > 0 || do.tag != 0x7F4E || len(fields) < len(tags) || len(fields) > len(tags)+1 {
		return "", nil, errCVC
	}
	for i, t := range tags {
		if fields[i].tag != t {
			return "", nil, errCVC
		}
	}
	if len(fields) > len(tags) && fields[len(tags)].tag != 0x65 || !bytes.Equal(fields[0].value, []byte{0}) {
		return "", nil, errCVC
	}
	k = &cvKey{holder: string(fields[3].value)}
	auth, ok := allTLV(fields[4].value)
	if !ok || len(auth) != 2 || !bytes.Equal(auth[0].raw, oid(oidIS)) || auth[1].tag != 0x53 || len(auth[1].value) != 1 {
		return "", nil, errCVC
	}
	k.auth = auth[1].value[0]
	if k.from, ok = parseCVDate(fields[5].value); !ok {
		return "", nil, errCVC
	}
	if k.to, ok = parseCVDate(fields[6].value); !ok || k.to.Before(k.from) {
		return "", nil, errCVC
	}
	if err := k.parsePublicKey(fields[2].value, issuer); err != nil {
		return "", nil, err
	}
	return string(fields[1].value), k, nil
}

func (k *cvKey) parsePublicKey(b []byte, issuer *cvKey) error {
	nodes, ok := allTLV(b)
	if !ok || len(nodes) < 2 {
		return errCVC
	}
	k.key = &key{}
	if n, e := find(nodes, 0x81), find(nodes, 0x82); find(nodes, 0x86) == nil && n != nil {
		k.key.n, k.key.e = new(big.Int).SetBytes(n), new(big.Int).SetBytes(e)
		if bits := k.key.n.BitLen(); bits < 1024 || bits > 4096 || k.key.e.BitLen() < 2 || k.key.e.BitLen() > 32 {
			return errCVC
		}
	} else {
		k.key.c = issuer.key.c
		if n != nil {
			k.key.c = nil
			for _, c := range curves {
				if bytes.Equal(c.p.Bytes(), n) && bytes.Equal(c.a.Bytes(), e) && bytes.Equal(c.b.Bytes(), find(nodes, 0x83)) &&
					bytes.Equal(c.encode(c.g), find(nodes, 0x84)) && bytes.Equal(c.n.Bytes(), find(nodes, 0x85)) {
					k.key.c = c
				}
			}
		}
		if k.key.c == nil {
			return errCVC
		}
		var err error
		if k.key.pub, err = k.key.c.decode(find(nodes, 0x86)); err != nil {
			return errCVC
		}
	}
	for _, h := range hashAlgs {
		k.hash = h
		if alg, err := k.algorithm(); err == nil && bytes.Equal(nodes[0].raw, oid(alg)) {
			return nil
		}
	}
	return errCVC
}
