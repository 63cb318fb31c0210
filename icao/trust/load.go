package trust

import (
	"bytes"
	"crypto/sha256"
	"encoding/asn1"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"slices"
	"strings"
	"time"
)

// Bounds of a trust folder. The largest real files are the directories of the ICAO PKD with about 100 MB, and master lists with about 1 MB.
const (
	maxTrustFiles   = 4096
	maxTrustFile    = 4 << 20   // bytes of a file of certificates
	maxList         = 16 << 20  // bytes of a master list, deviation list or revocation list
	maxDirectory    = 256 << 20 // bytes of an LDIF file
	maxPerFile      = 4096      // certificates that want to be trusted, in one file or list
	maxKnownSigners = 1 << 16   // document signers of directories
	maxRefused      = 200       // refusals that one file may write into the report
	maxWaiting      = 4096      // lists, and link certificates, that wait for an anchor
	maxChecks       = 16384     // anchors that are tried while a store loads; a signature takes up to 3 ms
	maxLinks        = 8         // link certificates in a row; a CSCA changes its key every three to five years
)

// Options say what a store holds. The zero value trusts nobody.
type Options struct {
	// Dir is the hospital's own folder, with any mixture of
	//
	//	.cer .crt .der .pem   CSCA and link certificates; PEM files may also hold revocation and master lists
	//	.ml                   master lists
	//	.crl                  revocation lists
	//	.ldif                 directories of the ICAO PKD with document signers, revocation lists or master lists
	//	.dl .dvl              deviation lists
	//
	// and in its folder "pinned" document signers that are trusted by themselves. Empty is none; a folder that does not exist is an empty one.
	Dir string
	// Embedded adds the master lists inside the program (Germany, the Netherlands, and three certificates of Indonesia). A
	// simulation leaves it out, so that no real card is vouched for by it, nor a simulated one by the real lists.
	Embedded bool
	// Files are further trust files in memory, by name, as if they lay in Dir: "sim.cer", "pinned/ds.der". They come after those of Dir.
	Files map[string][]byte
	// RejectWeak fails what would pass with a warning: SHA-1, RSA below 2048 bits.
	RejectWeak bool
	// At is the time for which the report warns of what is out of date; zero is now. Verdicts have their own time.
	At time.Time
}

// Kinds of sources in a report.
const (
	SourceCertificates   = "certificates"
	SourceMasterList     = "master_list"
	SourceRevocationList = "revocation_list"
	SourceDeviationList  = "deviation_list"
	SourceDirectory      = "directory"
)

// Report says what Load made of each file.
type Report struct {
	Sources []Source  `json:"sources"`
	Added   []Added   `json:"added"`
	Refused []Refused `json:"refused"`
}

// Accepted says whether anything of a file is of use.
func (r *Report) Accepted(file string) bool {
	return slices.ContainsFunc(r.Sources, func(s Source) bool {
		return s.File == file && (s.Kind == SourceRevocationList || s.Added+s.Known+s.Signers+s.Deviations > 0)
	})
}

// Source is a file, or a list in a file, that was taken, with what it held. Numbers are counts.
type Source struct {
	File  string `json:"file"`            // name below the folder
	Place string `json:"place,omitempty"` // where in the file, empty for the whole file
	Kind  string `json:"kind"`

	// Who signed a list, by whose word that counts ("anchor": an anchor that the store has from elsewhere; "list": the list itself
	// holds the CSCA that its signer goes back to), and when.
	Country   string     `json:"country,omitempty"`
	Signer    string     `json:"signer,omitempty"`
	VouchedBy string     `json:"vouchedBy,omitempty"`
	SignedAt  *time.Time `json:"signedAt,omitempty"`

	Added      int        `json:"added,omitempty"`   // anchors
	Known      int        `json:"known,omitempty"`   // anchors that were there already
	Refused    int        `json:"refused,omitempty"` // parts that are of no use; the report's Refused says why
	Signers    int        `json:"signers,omitempty"` // document signers of a directory: found, not trusted
	Revoked    int        `json:"revoked,omitempty"` // entries of a revocation list
	Deviations int        `json:"deviations,omitempty"`
	ThisUpdate *time.Time `json:"thisUpdate,omitempty"`
	NextUpdate *time.Time `json:"nextUpdate,omitempty"`

	Warnings []string `json:"warnings,omitempty"` // what to know of it although it was taken
}

// Added is a certificate that is trusted now.
type Added struct {
	File      string    `json:"file"` // name below the folder
	Kind      string    `json:"kind"` // "csca" or "pinned"
	Link      bool      `json:"link,omitempty"`
	Country   string    `json:"country,omitempty"`
	Subject   string    `json:"subject"`
	SHA256    string    `json:"sha256"` // lower-case hex
	NotBefore time.Time `json:"notBefore"`
	NotAfter  time.Time `json:"notAfter"`
}

// Refused is a file, or one part of it, that is not used, why, and what to do.
type Refused struct {
	File   string `json:"file"`
	Place  string `json:"place,omitempty"` // which part of the file, empty for the whole file
	Reason string `json:"reason"`
	Cure   string `json:"cure"`
}

// Cures that several refusals share.
const (
	cureExport = "export the certificate again, as DER or PEM (X.509)"
	cureFetch  = "get the file again from where it came from; it is damaged or of another kind"
	curePin    = "put it into the folder pinned, if it is a document signer that you want to trust by itself"
	cureCSCA   = "put the CSCA certificate that signed it into the trust folder too"
)

// loader builds a store. What needs an anchor that a later file may bring waits until all files are read.
type loader struct {
	s       *Store
	at      time.Time
	sources []*Source
	added   []Added
	refused []Refused
	count   map[string]int // refusals by file
	checks  int            // anchors that may still be tried
	files   int

	lists []*signedList // master and deviation lists whose signer is not traced yet
	links []pending     // certificates that another CSCA signed
	crls  []pendingCRL
}

// pending is a certificate that waits for the one that it was signed with.
type pending struct {
	c     *certificate
	src   *Source
	place string
}

// Load builds a store. Broken files never stop good ones: they are in the report. The error is that the folder itself cannot be read; the
// store is usable then too, with what else was asked for.
//
// The embedded lists are parsed at their first use, or by Warm, so that loading takes no longer than reading the folder; but at once
// where the folder holds lists or link certificates that its own anchors do not vouch for.
func Load(o Options) (*Store, *Report, error) {
	l := &loader{
		s: &Store{
			own: newIndex(), pinned: map[[sha256.Size]byte]*anchor{}, rejectWeak: o.RejectWeak,
			signers: map[string][]byte{}, deviations: map[string][]deviation{},
		},
		at: o.At, count: map[string]int{}, checks: maxChecks,
	}
	if l.at.IsZero() {
		l.at = time.Now()
	}
	if o.Embedded {
		l.s.embedded = embeddedLists
	}
	var err error
	if o.Dir != "" {
		err = l.dir(o.Dir)
	}
	names := make([]string, 0, len(o.Files))
	for n := range o.Files {
		names = append(names, n)
	}
	slices.Sort(names)
	for _, n := range names {
		l.file(n, bytes.NewReader(o.Files[n]))
	}
	l.resolve()
	r := &Report{Sources: []Source{}, Added: append([]Added{}, l.added...), Refused: append([]Refused{}, l.refused...)}
	for _, s := range l.sources {
		if s.Kind == SourceRevocationList || s.Added+s.Known+s.Refused+s.Signers+s.Deviations > 0 || s.VouchedBy != "" {
			r.Sources = append(r.Sources, *s)
		}
	}
	return l.s, r, err
}

func (l *loader) refuse(file, place, reason, cure string) {
	l.count[file]++
	switch n := l.count[file]; {
	case n < maxRefused:
		l.refused = append(l.refused, Refused{file, place, reason, cure})
	case n == maxRefused:
		l.refused = append(l.refused, Refused{file, place, "has more broken parts than are listed here", "cure those that are listed, and look again"})
	}
}

// refusePart counts a part of a source besides.
func (l *loader) refusePart(src *Source, place, reason, cure string) {
	src.Refused++
	l.refuse(src.File, place, reason, cure)
}

func (l *loader) source(file, place, kind string) *Source {
	s := &Source{File: file, Place: place, Kind: kind}
	l.sources = append(l.sources, s)
	return s
}

func (l *loader) dir(dir string) error {
	root, err := os.OpenRoot(dir) // nothing outside the folder is read, whatever links lie in it
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("trust folder: %w", err)
	}
	defer root.Close()
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
			switch {
			case strings.HasPrefix(e.Name(), "."), name == "pinned" && e.IsDir():
				continue
			case e.IsDir():
				l.refuse(name, "", "is a folder, and not looked into", "move its files into the trust folder itself")
				continue
			}
			if l.files++; l.files > maxTrustFiles {
				l.refuse(name, "", "there are too many files", fmt.Sprintf("keep at most %d files in the trust folder", maxTrustFiles))
				return nil
			}
			l.open(root, name)
		}
	}
	return nil
}

func (l *loader) open(root *os.Root, name string) {
	refuse := func(reason string) { l.refuse(name, "", reason, "make it a plain file that the service may read") }
	info, err := root.Stat(name)
	if err != nil {
		refuse("cannot be read")
		return
	}
	if !info.Mode().IsRegular() { // opening a pipe would wait for its other end
		refuse("is not a plain file")
		return
	}
	f, err := root.Open(name)
	if err != nil {
		refuse("cannot be read")
		return
	}
	defer f.Close()
	l.file(name, f)
}

// kinds of trust files, by the end of their names: how large they may be, and who reads them.
var kinds = map[string]struct {
	limit int
	read  func(l *loader, name string, data []byte)
}{
	".cer": {maxTrustFile, (*loader).certificates},
	".crt": {maxTrustFile, (*loader).certificates},
	".der": {maxTrustFile, (*loader).certificates},
	".pem": {maxTrustFile, (*loader).certificates},
	".crl": {maxList, (*loader).crlFile},
	".ml":  {maxList, (*loader).listFile},
	".dl":  {maxList, (*loader).listFile},
	".dvl": {maxList, (*loader).listFile},
}

// file reads one file. A reader that fails in the middle is a file that cannot be read.
func (l *loader) file(name string, r io.Reader) {
	ext := strings.ToLower(path.Ext(name))
	// gmrtd's parser has panicked on malformed input before: such a file is malformed, and what was read of it before stays.
	defer func() {
		if recover() != nil {
			l.refuse(name, "", "cannot be decoded", cureFetch)
		}
	}()
	if pinned(name) && ext != ".cer" && ext != ".crt" && ext != ".der" && ext != ".pem" {
		l.refusePinned(name, "")
		return
	}
	if ext == ".ldif" {
		l.directory(name, r)
		return
	}
	kind, ok := kinds[ext]
	if !ok {
		l.refuse(name, "", "is no trust file by its name", "trust files end in .cer, .crt, .der, .pem, .ml, .crl, .ldif, .dl or .dvl")
		return
	}
	data, err := io.ReadAll(io.LimitReader(r, int64(kind.limit)+1))
	switch {
	case err != nil:
		l.refuse(name, "", "cannot be read", "make it a plain file that the service may read")
	case len(data) > kind.limit:
		l.refuse(name, "", fmt.Sprintf("is larger than %d MiB", kind.limit>>20), "split it into smaller files")
	default:
		kind.read(l, name, data)
	}
}

// pinned says whether a file lies in the folder of signers that are trusted by themselves. What others list is never pinned.
func pinned(name string) bool { return path.Dir(name) == "pinned" }

func (l *loader) refusePinned(name, place string) {
	l.refuse(name, place, "only certificates are pinned", "put lists into the trust folder itself")
}

func isPEM(data []byte) bool { return bytes.Contains(data, []byte("-----BEGIN ")) }

// certificates reads DER, one certificate or several in a row, or PEM with certificates and lists.
func (l *loader) certificates(name string, data []byte) {
	src := l.source(name, "", SourceCertificates)
	if isPEM(data) {
		l.pem(src, data)
		return
	}
	if len(data) == 0 {
		l.refuse(name, "", "is empty", cureExport)
		return
	}
	var ders [][]byte
	for rest := data; len(rest) > 0; {
		var raw asn1.RawValue
		next, err := asn1.Unmarshal(rest, &raw)
		if err != nil || raw.Tag != asn1.TagSequence {
			reason := "is neither DER nor PEM"
			if len(ders) > 0 {
				reason = "does not parse to its end"
			}
			l.refuse(name, "", reason, cureExport)
			break
		}
		if len(ders) == maxPerFile {
			l.refuse(name, "", "holds too many certificates", fmt.Sprintf("keep at most %d certificates in a file", maxPerFile))
			break
		}
		ders, rest = append(ders, raw.FullBytes), next
	}
	for i, der := range ders {
		place := ""
		if len(ders) > 1 {
			place = fmt.Sprintf("certificate %d", i+1)
		}
		l.certificate(src, place, der, false)
	}
}

// pem reads all blocks of a file. A private key has no business in a trust folder: the file is refused as a whole, so that
// somebody looks at it.
func (l *loader) pem(src *Source, data []byte) {
	var blocks []*pem.Block
	for rest := data; len(blocks) < maxPerFile; {
		var b *pem.Block
		if b, rest = pem.Decode(rest); b == nil {
			break
		}
		if strings.Contains(b.Type, "PRIVATE KEY") {
			l.refuse(src.File, "", "holds a private key", "remove the key; nobody but its owner may have it")
			return
		}
		blocks = append(blocks, b)
	}
	if n := bytes.Count(data, []byte("-----BEGIN ")); n > len(blocks) { // pem.Decode steps over what it cannot read
		l.refusePart(src, "", fmt.Sprintf("%d of %d PEM blocks cannot be read", n-len(blocks), n), cureExport)
	}
	found := 0
	for i, b := range blocks {
		place := ""
		if len(blocks) > 1 {
			place = fmt.Sprintf("block %d", i+1)
		}
		if list := b.Type == "X509 CRL" || b.Type == "CMS" || strings.HasPrefix(b.Type, "PKCS"); list && pinned(src.File) {
			l.refusePinned(src.File, place)
			found++
			continue
		}
		switch b.Type {
		case "CERTIFICATE", "X509 CERTIFICATE", "TRUSTED CERTIFICATE":
			der := b.Bytes
			if b.Type == "TRUSTED CERTIFICATE" { // openssl writes its own trust settings behind the certificate
				if head, n, ok := header(der); ok && n <= len(der)-head {
					der = der[:head+n]
				}
			}
			l.certificate(src, place, der, false)
		case "X509 CRL":
			l.crl(src.File, place, b.Bytes)
		case "CMS", "PKCS7", "PKCS #7 SIGNED DATA":
			l.list(src.File, place, b.Bytes)
		default:
			continue
		}
		found++
	}
	if found == 0 && src.Refused == 0 {
		l.refuse(src.File, "", "holds no certificate and no list", cureExport)
	}
}

// certificate takes one certificate that wants to be trusted. listed says that the signer of a master list vouches for it.
func (l *loader) certificate(src *Source, place string, der []byte, listed bool) {
	pin := pinned(src.File)
	c, reason, cure := acceptable(der, pin)
	if reason != "" {
		l.refusePart(src, place, reason, cure)
		return
	}
	c.raw = bytes.Clone(der) // not a part of the file, which would stay in memory with it
	switch {
	case c.country == "" && !listed: // of a list it stays, for the lists inside the program are not reported on; it stands behind nothing
		l.refusePart(src, place, "names no state that it speaks for", "ask who gave it to you for a certificate that names its country, as ICAO 9303-12 wants it")
		return
	case alpha2(c.country) == nil && !listed:
		src.Warnings = append(src.Warnings, fmt.Sprintf("%s: no state is known by the code %s; it stands behind documents of that code only", c.subject, clean(c.country)))
	}
	switch {
	case pin:
		if l.s.pinned[c.sum()] != nil {
			src.Known++
			return
		}
		l.s.pinned[c.sum()] = &anchor{raw: c.raw, source: src.File, kind: kindPinned}
		l.note(src, c, kindPinned, false)
	case listed || l.selfSigned(c):
		l.trust(src, c, &anchor{raw: c.raw, listed: listed})
	case !c.isCA(): // one without any extensions, which says nothing of itself
		l.refusePart(src, place, "is no CA's certificate", curePin)
	case len(l.links) == maxWaiting:
		l.refusePart(src, place, "there are too many link certificates", "keep master lists in place of single certificates")
	default:
		l.links = append(l.links, pending{c, src, place})
	}
}

func (l *loader) trust(src *Source, c *certificate, a *anchor) {
	a.source, a.kind = src.File, kindCSCA
	if !l.s.own.add(c, a) {
		src.Known++
		return
	}
	l.note(src, c, kindCSCA, a.by != nil)
}

func (l *loader) note(src *Source, c *certificate, kind string, link bool) {
	src.Added++
	l.added = append(l.added, added(src.File, kind, c, link))
}

func added(file, kind string, c *certificate, link bool) Added {
	return Added{file, kind, link, clean(c.country), c.subject.String(), c.fingerprint(), c.notBefore, c.notAfter}
}

// acceptable judges a certificate that somebody wants to be trusted. What it may be used for is judged with each card, so that the
// verdict can name it; here only what can never serve is refused.
func acceptable(der []byte, pin bool) (c *certificate, reason, cure string) {
	defer func() {
		if recover() != nil {
			c, reason, cure = nil, "does not parse", cureExport
		}
	}()
	c, err := parseCertificate(der)
	if err != nil {
		return nil, "does not parse", cureExport
	}
	if _, err := c.publicKey(); err != nil {
		return nil, "its key cannot be used: " + err.Error(), "ask who gave it to you for a certificate with a key of today's kinds"
	}
	isCA := c.isCA()
	switch {
	case pin && isCA:
		return nil, "is a CA's certificate", "put it into the trust folder itself; the folder pinned is for document signers"
	case !pin && !isCA && (c.ca != nil || c.hasUsage):
		return nil, "is no CA's certificate", curePin
	}
	return c, "", ""
}

func (c *certificate) isCA() bool {
	return c.ca != nil && *c.ca || c.hasUsage && c.may(usageKeyCertSign)
}

// selfSigned: what another key signed is a link certificate, and worth as much as that key. A certificate that was damaged on its
// way shows here too. Where the algorithm is not ours nothing can be said, and the hospital's word counts.
func (l *loader) selfSigned(c *certificate) bool {
	if l.checks == 0 {
		return false
	}
	l.checks--
	_, err := c.verify(c.sigAlg, 0, c.tbs, c.signature)
	return err == nil || errors.Is(err, errUnknown) && c.issuer.key == c.subject.key
}

// vouching finds the anchor whose key verifies something: among the store's own, then among the embedded ones. named says that some
// anchor has the issuer's name or key identifier.
func (l *loader) vouching(aki []byte, issuer name, usage byte, verify func(*certificate) error) (a *anchor, c *certificate, named bool) {
	for _, x := range []func() *index{func() *index { return &l.s.own }, l.s.embedded} {
		if x == nil {
			continue
		}
		tried := map[string]bool{}
		for _, a := range x().issuers(aki, issuer) {
			if l.checks == 0 || len(tried) == maxTries {
				break
			}
			l.checks--
			c, err := parseCertificate(a.raw)
			if err != nil {
				continue
			}
			named = true
			if tried[string(c.spki)] || c.mayIssue(a.listed).reason != "" || !c.may(usage) {
				continue
			}
			tried[string(c.spki)] = true
			if verify(c) == nil {
				return a, c, true
			}
		}
	}
	return nil, nil, named
}

// resolve takes what waited for anchors. Every round takes something or is the last one; and what is taken rests on what was
// taken before, so that no two can vouch for each other.
func (l *loader) resolve() {
	for again := true; again; {
		again = false
		l.links = slices.DeleteFunc(l.links, func(p pending) bool {
			took := l.link(p)
			again = again || took
			return took
		})
		l.lists = slices.DeleteFunc(l.lists, func(p *signedList) bool {
			took := l.vouched(p, false)
			again = again || took
			return took
		})
		if again {
			continue
		}
		// Only then a list may vouch for itself, one after the other, so that an anchor from elsewhere comes first.
		for i, p := range l.lists {
			if l.vouched(p, true) {
				l.lists = slices.Delete(l.lists, i, i+1)
				again = true
				break
			}
		}
	}
	if l.checks == 0 {
		l.refuse(".", "", "the folder has too many signatures to check, so that some were not", "keep master lists in place of single certificates")
	}
	for _, p := range l.lists {
		l.refuse(p.src.File, p.src.Place, "its signer goes back to no CSCA that is known", cureCSCA)
	}
	for _, p := range l.links {
		if l.s.own.sums[p.c.sum()] {
			p.src.Known++
			continue
		}
		reason, cure := "is a link certificate, and the CSCA that signed it is not trusted", "put the CSCA certificate before it into the trust folder too"
		if p.c.issuer.key == p.c.subject.key && (len(p.c.aki) == 0 || bytes.Equal(p.c.aki, p.c.ski)) {
			reason, cure = "its own signature does not fit: it was damaged or changed", "get the certificate again from its issuer, and compare its fingerprint"
		}
		l.refusePart(p.src, p.place, reason, cure)
	}
	for _, p := range l.crls {
		l.takeCRL(p)
	}
}

// link takes a link certificate (ICAO 9303-12 §7.1.1.5): the old key vouches for the new one.
func (l *loader) link(p pending) bool {
	if l.s.own.sums[p.c.sum()] { // a master list had it too
		p.src.Known++
		return true
	}
	by, c, _ := l.vouching(p.c.aki, p.c.issuer, usageKeyCertSign, func(c *certificate) error {
		_, err := c.verify(p.c.sigAlg, 0, p.c.tbs, p.c.signature)
		return err
	})
	if by == nil || by.depth == maxLinks || !sameCountry(p.c.country, c.country) {
		return false
	}
	l.trust(p.src, p.c, &anchor{raw: p.c.raw, by: by, depth: by.depth + 1})
	return true
}
