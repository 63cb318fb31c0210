package trust

import (
	"bytes"
	"crypto"
	"crypto/sha256"
	"encoding/asn1"
	"encoding/hex"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"runtime/debug"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/gmrtd/gmrtd/cms"

	"github.com/tapcheck/tapcheck/icao/lds"
)

// Bounds of a trust folder.
const (
	maxTrustFile  = 1 << 20 // bytes
	maxTrustFiles = 4096
	maxPerFile    = 1024 // certificates
)

// maxTries bounds how many keys are tried on one signer's certificate: names are written by the card.
const maxTries = 24

// Anchor kinds as they stand in a verdict.
const (
	kindCSCA   = "csca"
	kindPinned = "pinned"
)

// sourceEmbedded is the Source of anchors from the master lists inside the program.
const sourceEmbedded = "embedded master lists"

// Options say what a store holds. The zero value trusts nobody.
type Options struct {
	// Dir is the hospital's own folder: CSCA certificates in .cer, .crt, .der or .pem files, and in its folder "pinned"
	// document signers that are trusted by themselves. Empty is none; a folder that does not exist is an empty one.
	Dir string
	// Embedded adds the master lists inside the program (Germany, the Netherlands, and three certificates of Indonesia). A
	// simulation leaves it out, so that no real card is vouched for by it, nor a simulated one by the real lists.
	Embedded bool
	// Files are further trust files in memory, by name, as if they lay in Dir: "sim.cer", "pinned/ds.der".
	Files map[string][]byte
	// RejectWeak fails what would pass with a warning: SHA-1, RSA below 2048 bits.
	RejectWeak bool
}

// Report says what Load made of each file.
type Report struct {
	Added   []Added
	Refused []Refused
}

// Added is a certificate that is trusted now.
type Added struct {
	File     string // name below the folder
	Kind     string // "csca" or "pinned"
	Subject  string
	SHA256   string // lower-case hex
	NotAfter time.Time
}

// Refused is a file, or one certificate in it, that is not trusted, why, and what to do.
type Refused struct {
	File   string
	Place  string // which certificate of the file, empty for the whole file
	Reason string
	Cure   string
}

// Store holds the anchors: CSCA certificates and pinned document signers. It is immutable after loading and safe for
// concurrent use.
type Store struct {
	own        index
	pinned     map[[sha256.Size]byte]*anchor
	rejectWeak bool
	embedded   func() *index // nil without; loads at the first call
}

// anchor is one trusted certificate; raw is all that is kept of it, because a store has hundreds and a card needs one.
type anchor struct {
	raw    []byte
	source string
	kind   string
}

// index finds CSCA certificates by what a document signer says of its issuer.
type index struct {
	byKey  map[string][]*anchor // by subject key identifier
	byName map[string][]*anchor // by the subject's name.key
	sums   map[[sha256.Size]byte]bool
}

func newIndex() index {
	return index{byKey: map[string][]*anchor{}, byName: map[string][]*anchor{}, sums: map[[sha256.Size]byte]bool{}}
}

func (x *index) add(c *certificate, a *anchor) bool {
	if x.sums[c.sum()] {
		return false
	}
	x.sums[c.sum()] = true
	if len(c.ski) > 0 { // one without is found by its name; gmrtd's own pool panics on it
		x.byKey[string(c.ski)] = append(x.byKey[string(c.ski)], a)
	}
	x.byName[c.subject.key] = append(x.byName[c.subject.key], a)
	return true
}

// Load builds a store. Broken files never stop good ones: they are in the report. The error is that the folder itself cannot be read; the
// store is usable then too, with what else was asked for.
//
// The embedded lists are parsed at their first use, or by Warm, so that loading takes no longer than reading the folder.
func Load(o Options) (*Store, *Report, error) {
	s := &Store{own: newIndex(), pinned: map[[sha256.Size]byte]*anchor{}, rejectWeak: o.RejectWeak}
	r := &Report{}
	if o.Embedded {
		s.embedded = embeddedLists
	}
	names := make([]string, 0, len(o.Files))
	for n := range o.Files {
		names = append(names, n)
	}
	slices.Sort(names)
	for _, n := range names {
		s.addFile(n, o.Files[n], r)
	}
	var err error
	if o.Dir != "" {
		err = s.addDir(o.Dir, r)
	}
	return s, r, err
}

func (s *Store) addDir(dir string, r *Report) error {
	root, err := os.OpenRoot(dir) // nothing outside the folder is read, whatever links lie in it
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("trust folder: %w", err)
	}
	defer root.Close()
	count := 0
	for _, sub := range []string{".", "pinned"} {
		entries, err := fs.ReadDir(root.FS(), sub)
		if errors.Is(err, fs.ErrNotExist) && sub != "." {
			continue
		}
		if err != nil {
			return fmt.Errorf("trust folder: %w", err)
		}
		for _, e := range entries {
			name := path.Join(sub, e.Name())
			if e.IsDir() || strings.HasPrefix(e.Name(), ".") {
				continue
			}
			if count++; count > maxTrustFiles {
				r.Refused = append(r.Refused, Refused{File: name, Reason: "there are too many files", Cure: "keep at most 4096 files in the trust folder"})
				return nil
			}
			data, err := readFile(root, name)
			if err != nil {
				r.Refused = append(r.Refused, Refused{File: name, Reason: err.Error(), Cure: "make it readable for the service, and smaller than 1 MiB"})
				continue
			}
			s.addFile(name, data, r)
		}
	}
	return nil
}

func readFile(root *os.Root, name string) ([]byte, error) {
	info, err := root.Stat(name)
	if err != nil {
		return nil, errors.New("cannot be read")
	}
	if !info.Mode().IsRegular() { // opening a pipe would wait for its other end
		return nil, errors.New("is not a plain file")
	}
	f, err := root.Open(name)
	if err != nil {
		return nil, errors.New("cannot be read")
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, maxTrustFile+1))
	if err != nil {
		return nil, errors.New("cannot be read")
	}
	if len(data) > maxTrustFile {
		return nil, errors.New("is too large")
	}
	return data, nil
}

// readers are the kinds of trust files, by the end of their names.
var readers = map[string]func(data []byte) (certs [][]byte, err error){
	".cer": readCertificates,
	".crt": readCertificates,
	".der": readCertificates,
	".pem": readCertificates,
}

func (s *Store) addFile(name string, data []byte, r *Report) {
	refuse := func(place, reason, cure string) {
		r.Refused = append(r.Refused, Refused{File: name, Place: place, Reason: reason, Cure: cure})
	}
	read := readers[strings.ToLower(path.Ext(name))]
	if read == nil {
		refuse("", "is no certificate file by its name", "trust files end in .cer, .crt, .der or .pem")
		return
	}
	certs, err := read(data)
	if err != nil {
		refuse("", err.Error(), "export the certificate again, as DER or PEM (X.509)")
	}
	pin := path.Dir(name) == "pinned"
	for i, der := range certs {
		place := ""
		if len(certs) > 1 {
			place = fmt.Sprintf("certificate %d", i+1)
		}
		c, reason, cure := acceptable(der, pin)
		if reason != "" {
			refuse(place, reason, cure)
			continue
		}
		a := &anchor{raw: bytes.Clone(der), source: name, kind: kindCSCA}
		if pin {
			a.kind = kindPinned
			if s.pinned[c.sum()] != nil {
				continue
			}
			s.pinned[c.sum()] = a
		} else if !s.own.add(c, a) {
			continue
		}
		r.Added = append(r.Added, Added{File: name, Kind: a.kind, Subject: c.subject.String(), SHA256: c.fingerprint(), NotAfter: c.notAfter})
	}
}

// acceptable judges a certificate that somebody wants to be trusted. What it may be used for is judged with each card, so that the
// verdict can name it; here only what can never serve is refused.
func acceptable(der []byte, pin bool) (c *certificate, reason, cure string) {
	defer func() {
		if recover() != nil {
			c, reason, cure = nil, "does not parse", "export the certificate again, as DER or PEM (X.509)"
		}
	}()
	c, err := parseCertificate(der)
	if err != nil {
		return nil, "does not parse", "export the certificate again, as DER or PEM (X.509)"
	}
	if _, err := c.publicKey(); err != nil {
		return nil, "its key cannot be used: " + err.Error(), "ask who gave it to you for a certificate with a key of today's kinds"
	}
	isCA := c.ca != nil && *c.ca || c.hasUsage && c.may(usageKeyCertSign)
	switch {
	case pin && isCA:
		return nil, "is a CA's certificate", "put it into the trust folder itself; the folder pinned is for document signers"
	case !pin && !isCA && (c.ca != nil || c.hasUsage):
		return nil, "is no CA's certificate", "put it into the folder pinned, if it is a document signer that you want to trust by itself"
	}
	return c, "", ""
}

// readCertificates reads DER, one or several in a row, or PEM.
func readCertificates(data []byte) ([][]byte, error) {
	var out [][]byte
	if bytes.Contains(data, []byte("-----BEGIN ")) {
		for rest := data; len(out) < maxPerFile; {
			var b *pem.Block
			if b, rest = pem.Decode(rest); b == nil {
				break
			}
			if strings.Contains(b.Type, "PRIVATE KEY") {
				return nil, errors.New("holds a private key")
			}
			if b.Type == "CERTIFICATE" || b.Type == "X509 CERTIFICATE" || b.Type == "TRUSTED CERTIFICATE" {
				out = append(out, b.Bytes)
			}
		}
		if len(out) == 0 {
			return nil, errors.New("holds no certificate")
		}
		return out, nil
	}
	for rest := data; len(rest) > 0 && len(out) < maxPerFile; {
		var raw asn1.RawValue
		next, err := asn1.Unmarshal(rest, &raw)
		if err != nil || raw.Tag != asn1.TagSequence {
			if len(out) == 0 {
				return nil, errors.New("is neither DER nor PEM")
			}
			return out, errors.New("does not parse to its end")
		}
		out, rest = append(out, raw.FullBytes), next
	}
	if len(out) == 0 {
		return nil, errors.New("is empty")
	}
	return out, nil
}

// embeddedLists parses the master lists that gmrtd carries, once in the life of the process (30 to 60 ms, and 15 MB that
// are garbage afterwards; 1 MB stays).
var embeddedLists = sync.OnceValue(func() (x *index) {
	list := newIndex()
	x = &list
	// A list that is damaged is one that trusts nobody more, never a reason to stop.
	defer func() { _ = recover() }()
	pool, err := cms.DefaultMasterList()
	if err != nil {
		return x
	}
	for _, p := range pool.All() {
		der := bytes.Clone(p.Raw) // not a part of the list, which would stay in memory with it
		if c, err := parseCertificate(der); err == nil {
			x.add(c, &anchor{raw: der, source: sourceEmbedded, kind: kindCSCA})
		}
	}
	return x
})

// Warm parses the embedded lists now, and gives the memory that this took back to the system. Call it off the way of the
// first tap: in the background, once the agent serves.
func (s *Store) Warm() {
	if s.embedded == nil {
		return
	}
	s.embedded()
	debug.FreeOSMemory()
}

// Count is the number of CSCA certificates and of pinned signers, without those of the embedded lists.
func (s *Store) Count() (csca, pinned int) { return len(s.own.sums), len(s.pinned) }

// EmbeddedCount is the number of certificates in the embedded lists, 0 without them. It loads them.
func (s *Store) EmbeddedCount() int {
	if s.embedded == nil {
		return 0
	}
	return len(s.embedded().sums)
}

// chain is where a signer was traced to.
type chain struct {
	anchor   *lds.Anchor
	misused  finding     // a CSCA issued the signer, and may not
	validity finding     // signer or anchor at the time of the inspection
	hash     crypto.Hash // of the CSCA's signature
}

// better orders chains: without fault, then with a wrong date, then with an issuer that may not.
func (c chain) better(than chain) bool { return c.rank() > than.rank() }

func (c chain) rank() int {
	switch {
	case c.anchor != nil && c.validity.reason == "":
		return 3
	case c.anchor != nil:
		return 2
	case c.misused.reason != "":
		return 1
	}
	return 0
}

// trace looks for an anchor. All issuers that the signer may mean are tried, as states renew certificates under the same name and under the same key.
func (s *Store) trace(signer *certificate, at time.Time) chain {
	if a := s.pinned[signer.sum()]; a != nil {
		return chain{anchor: a.describe(signer), validity: signer.validAt(at, "signer")}
	}
	best := s.own.trace(signer, at)
	if best.rank() < 3 && s.embedded != nil {
		if c := s.embedded().trace(signer, at); c.better(best) {
			best = c
		}
	}
	return best
}

func (x *index) trace(signer *certificate, at time.Time) (best chain) {
	var candidates []*anchor
	if len(signer.aki) > 0 {
		candidates = slices.Clone(x.byKey[string(signer.aki)])
	}
	for _, a := range x.byName[signer.issuer.key] {
		if !slices.Contains(candidates, a) {
			candidates = append(candidates, a)
		}
	}
	tried := map[string]bool{} // public key: does it verify the signer's certificate
	hash := crypto.Hash(0)
	for _, a := range candidates {
		c, err := parseCertificate(a.raw)
		if err != nil {
			continue
		}
		ok, known := tried[string(c.spki)]
		if !known {
			if len(tried) == maxTries {
				break
			}
			h, err := c.verify(signer.sigAlg, 0, signer.tbs, signer.signature)
			if ok = err == nil; ok {
				hash = h
			}
			tried[string(c.spki)] = ok
		}
		if !ok {
			continue
		}
		found := chain{hash: hash}
		switch misused := c.mayIssue(a.source == sourceEmbedded); {
		case misused.reason != "":
			found.misused = misused
		case signer.country != "" && c.country != "" && !sameCountry(signer.country, c.country):
			found.misused = finding{lds.ReasonCountryMismatch, fmt.Sprintf("signer of %s, issued by the CSCA of %s", clean(signer.country), clean(c.country))}
		default:
			found.anchor = a.describe(c)
			if found.validity = signer.validAt(at, "signer"); found.validity.reason == "" {
				found.validity = c.validAt(at, "CSCA")
			}
		}
		if found.better(best) {
			best = found
		}
	}
	return best
}

func (a *anchor) describe(c *certificate) *lds.Anchor {
	sum := sha256.Sum256(a.raw)
	return &lds.Anchor{Kind: a.kind, Subject: c.subject.String(), SHA256: hex.EncodeToString(sum[:]), Source: a.source}
}

// validAt compares with both ends included (RFC 5280 §4.1.2.5).
func (c *certificate) validAt(at time.Time, whose string) finding {
	switch {
	case at.Before(c.notBefore):
		return finding{lds.ReasonNotYetValid, fmt.Sprintf("the %s's certificate is valid from %s", whose, c.notBefore.UTC().Format(time.DateOnly))}
	case at.After(c.notAfter):
		return finding{lds.ReasonExpired, fmt.Sprintf("the %s's certificate was valid until %s", whose, c.notAfter.UTC().Format(time.DateOnly))}
	}
	return finding{}
}
