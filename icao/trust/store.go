package trust

import (
	"bytes"
	"cmp"
	"crypto"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"runtime/debug"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/gmrtd/gmrtd/cms"

	"github.com/tapcheck/tapcheck/icao/lds"
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

// Store holds the anchors, which are CSCA certificates and pinned document signers, and what else is known of signers:
// revocations, deviations, and certificates that a card may leave out. It is immutable after loading and safe for
// concurrent use. The zero value trusts nobody.
type Store struct {
	own        index
	pinned     map[[sha256.Size]byte]*anchor
	rejectWeak bool
	embedded   func() *index // nil without; loads at the first call

	signers    map[string][]byte // document signers of directories by signerKeys: not trusted, only found
	crls       []*crl            // signed by an anchor
	loose      []*crl            // signed by somebody who is none
	deviations map[string][]deviation
}

// anchor is one trusted certificate; raw is all that is kept of it, because a store has hundreds and a card needs one.
type anchor struct {
	raw    []byte
	source string
	kind   string
	listed bool    // the signer of a master list vouches for it
	by     *anchor // of a link certificate: the anchor that it was signed with
	depth  int     // number of links up to an anchor that is none
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
			x.add(c, &anchor{raw: der, source: sourceEmbedded, kind: kindCSCA, listed: true})
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

// Embedded are the certificates of the embedded lists, by country, nil without them. It loads them.
func (s *Store) Embedded() (out []Added) {
	if s.embedded == nil {
		return nil
	}
	for _, anchors := range s.embedded().byName {
		for _, a := range anchors {
			if c, err := parseCertificate(a.raw); err == nil {
				out = append(out, added(sourceEmbedded, kindCSCA, c, c.issuer.key != c.subject.key))
			}
		}
	}
	slices.SortFunc(out, func(a, b Added) int {
		return cmp.Or(strings.Compare(a.Country, b.Country), a.NotBefore.Compare(b.NotBefore), strings.Compare(a.SHA256, b.SHA256))
	})
	return out
}

// chain is where a signer was traced to.
type chain struct {
	anchor   *lds.Anchor
	country  string      // of the anchor
	misused  finding     // a CSCA issued the signer, and may not
	revoked  finding     // the link certificate that the signer rests on
	validity finding     // signer or anchor at the time of the inspection
	hash     crypto.Hash // of the CSCA's signature
}

// better orders chains: without fault, then with a wrong date, then by a link that was taken back, then with an issuer that may not.
func (c chain) better(than chain) bool { return c.rank() > than.rank() }

func (c chain) rank() int {
	switch {
	case c.anchor != nil && c.revoked.reason == "" && c.validity.reason == "":
		return 4
	case c.anchor != nil && c.revoked.reason == "":
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
		return chain{anchor: a.describe(signer), country: signer.country, validity: signer.validAt(at, "signer")}
	}
	best := s.traceIn(&s.own, signer, at)
	if best.rank() < 4 && s.embedded != nil {
		if c := s.traceIn(s.embedded(), signer, at); c.better(best) {
			best = c
		}
	}
	return best
}

// issuers are the anchors that may have signed a certificate or a list: those with the key identifier that it names, then those with
// the issuer's name. Certificates that stand by themselves come before links.
func (x *index) issuers(aki []byte, issuer name) (found []*anchor) {
	if len(aki) > 0 {
		found = slices.Clone(x.byKey[string(aki)])
	}
	for _, a := range x.byName[issuer.key] {
		if !slices.Contains(found, a) {
			found = append(found, a)
		}
	}
	slices.SortStableFunc(found, func(a, b *anchor) int { return a.depth - b.depth })
	return found
}

func (s *Store) traceIn(x *index, signer *certificate, at time.Time) (best chain) {
	tried := map[string]bool{} // public key: does it verify the signer's certificate
	hash := crypto.Hash(0)
	for _, a := range x.issuers(signer.aki, signer.issuer) {
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
		switch misused := c.mayIssue(a.listed); {
		case misused.reason != "":
			found.misused = misused
		case signer.country != "" && c.country != "" && !sameCountry(signer.country, c.country):
			found.misused = finding{lds.ReasonCountryMismatch, fmt.Sprintf("signer of %s, issued by the CSCA of %s", clean(signer.country), clean(c.country))}
		default:
			found.anchor, found.country = a.describe(c), c.country
			found.revoked = s.revokedLinks(a, c)
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

// revokedLinks says whether a link certificate was taken back on the way from an anchor to the one that stands by itself.
func (s *Store) revokedLinks(a *anchor, c *certificate) finding {
	for ; a.by != nil; a = a.by {
		if c == nil {
			var err error
			if c, err = parseCertificate(a.raw); err != nil {
				return finding{}
			}
		}
		if when, ok := s.revoked(c); ok {
			return finding{lds.ReasonRevoked, "the link certificate was revoked on " + when.UTC().Format(time.DateOnly)}
		}
		c = nil
	}
	return finding{}
}

// describe names an anchor. One that is a link certificate also names the certificates that lead to it (ICAO 9303-12
// §6.1.1: a link makes the new key an anchor of its own, it is no step of a path, so that their validity does not matter here).
func (a *anchor) describe(c *certificate) *lds.Anchor {
	out := &lds.Anchor{Kind: a.kind, Subject: c.subject.String(), SHA256: fingerprint(a.raw), Source: a.source}
	for by := a.by; by != nil; by = by.by {
		out.Links = append(out.Links, fingerprint(by.raw))
	}
	return out
}

func fingerprint(der []byte) string {
	sum := sha256.Sum256(der)
	return hex.EncodeToString(sum[:])
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
