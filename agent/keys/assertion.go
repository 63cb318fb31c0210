package keys

import (
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/subtle"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"
)

// Bounds of an assertion.
const (
	maxAssertion  = 8 << 10 // bytes
	assertionLife = 120 * time.Second
	assertionSkew = 60 * time.Second // between the backend's clock and this PC's
	maxSpent      = 10_000           // challenges that are remembered
	maxOperator   = 100              // bytes
	maxPublicKey  = 32 << 10         // bytes of a file
	minRSABits    = 2048
	maxRSABits    = 8192
)

// ErrPublicKey says that a file holds no key that can be registered.
var ErrPublicKey = errors.New("it holds no public key of the kinds ECDSA P-256, Ed25519, or RSA of 2048 to 8192 bits, as PEM or JWK")

// AssertionAudience begins the audience of an assertion: alone, or followed by a colon and the instance id.
const AssertionAudience = "tapcheck"

// assertionAlgorithms is the one algorithm for each kind of key. Whoever signs does not choose: "none" and the HMACs are
// not among them, so a public key can never be taken for a shared secret.
var assertionAlgorithms = map[string]jose.SignatureAlgorithm{"EC": jose.ES256, "RSA": jose.RS256, "OKP": jose.EdDSA}

// CheckAssertion says who is vouched for by a HIS backend whose public key is registered for this origin. The assertion is
// a JWT (RFC 7519) in compact form, at most 8 KiB, with
//
//	aud    "tapcheck", or "tapcheck:" and the instance id
//	nonce  the agent's challenge of this connection, base64url without padding
//	sub    the operator, at most 100 bytes
//	iat    when it was signed
//	exp    when it ends, at most 120 seconds after iat
//	iss    the origin, if it is there
//
// and in its header, if it is there, kid: the registered token's id, or the kid of the JWK that was registered. A
// challenge is accepted once. The token that comes back carries the operator, with the source "assertion". Error:
// ErrTokenRejected, for whatever reason, so that nobody learns which.
func (s *TokenStore) CheckAssertion(assertion, origin string, challenge []byte) (Token, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.refresh()
	now := s.now()
	if origin == "" || len(challenge) < 16 || len(assertion) > maxAssertion {
		return Token{}, ErrTokenRejected
	}
	parsed, err := jwt.ParseSigned(assertion, []jose.SignatureAlgorithm{jose.ES256, jose.RS256, jose.EdDSA})
	if err != nil || len(parsed.Headers) != 1 {
		return Token{}, ErrTokenRejected
	}
	header := parsed.Headers[0]
	for i := range s.tokens {
		t := &s.tokens[i]
		if t.PublicKey == nil || t.Origin != origin || !t.Live(now) || assertionAlgorithms[t.PublicKey.Kty] != jose.SignatureAlgorithm(header.Algorithm) {
			continue
		}
		if header.KeyID != "" && header.KeyID != t.ID && header.KeyID != t.PublicKey.Kid {
			continue
		}
		key, err := t.PublicKey.key()
		if err != nil {
			continue
		}
		var c struct {
			jwt.Claims
			Nonce string `json:"nonce"`
		}
		if parsed.Claims(key, &c) != nil {
			continue // another key's
		}
		if !s.assertionHolds(c.Claims, origin, now) || subtle.ConstantTimeCompare([]byte(c.Nonce), []byte(base64.RawURLEncoding.EncodeToString(challenge))) != 1 {
			return Token{}, ErrTokenRejected
		}
		if !s.spend(challenge, now) {
			return Token{}, ErrTokenRejected
		}
		found := t.clone()
		found.Operator, found.OperatorSource = c.Subject, "assertion"
		return found, nil
	}
	return Token{}, ErrTokenRejected
}

// assertionHolds judges everything in an assertion but its challenge. s.mu is held.
func (s *TokenStore) assertionHolds(c jwt.Claims, origin string, now time.Time) bool {
	if c.IssuedAt == nil || c.Expiry == nil {
		return false
	}
	issued, ends := c.IssuedAt.Time(), c.Expiry.Time()
	switch {
	case !ends.After(issued), ends.Sub(issued) > assertionLife:
		return false
	case now.Before(issued.Add(-assertionSkew)), !now.Before(ends.Add(assertionSkew)):
		return false
	case c.NotBefore != nil && now.Before(c.NotBefore.Time().Add(-assertionSkew)):
		return false
	case c.Issuer != "" && c.Issuer != origin:
		return false
	case c.Subject == "" || len(c.Subject) > maxOperator || !utf8.ValidString(c.Subject) || strings.ContainsFunc(c.Subject, func(r rune) bool { return r < ' ' || r == 0x7f }):
		return false
	}
	if slices.Contains(c.Audience, AssertionAudience) {
		return true
	}
	if s.instance == "" {
		id, err := InstanceIn(filepath.Dir(s.path))
		if err != nil {
			return false
		}
		s.instance = id
	}
	return slices.Contains(c.Audience, AssertionAudience+":"+s.instance)
}

// spend takes a challenge, or says that it has been taken. s.mu is held.
func (s *TokenStore) spend(challenge []byte, now time.Time) bool {
	sum := sha256.Sum256(challenge)
	if _, used := s.spent[sum]; used {
		return false
	}
	for old, until := range s.spent {
		if now.After(until) {
			delete(s.spent, old)
		}
	}
	// An assertion that is still good could come back if its challenge were forgotten earlier.
	if len(s.spent) >= maxSpent {
		return false
	}
	if s.spent == nil {
		s.spent = map[[32]byte]time.Time{}
	}
	s.spent[sum] = now.Add(assertionLife + 2*assertionSkew)
	return true
}

// key is the public key in the form that verifies.
func (k JWK) key() (any, error) {
	raw, err := json.Marshal(k)
	if err != nil {
		return nil, err
	}
	var parsed jose.JSONWebKey
	if parsed.UnmarshalJSON(raw) != nil || !parsed.Valid() || !parsed.IsPublic() {
		return nil, ErrPublicKey
	}
	return parsed.Key, nil
}

// ParsePublicKey reads a public key for assertions: PEM ("PUBLIC KEY" or "CERTIFICATE", whose dates and issuer say nothing
// here) or a JWK. A private key is refused, for it has no business on this PC. Error: ErrPublicKey.
func ParsePublicKey(raw []byte) (JWK, error) {
	if len(raw) > maxPublicKey {
		return JWK{}, ErrPublicKey
	}
	var key any
	kid := ""
	if block, _ := pem.Decode(raw); block != nil {
		var err error
		if key, err = pemKey(block); err != nil {
			return JWK{}, err
		}
	} else {
		var j jose.JSONWebKey
		if json.Unmarshal(raw, &j) != nil || !j.Valid() {
			return JWK{}, ErrPublicKey
		}
		if !j.IsPublic() {
			return JWK{}, fmt.Errorf("%w; it holds a private key, which belongs to the backend alone", ErrPublicKey)
		}
		key, kid = j.Key, j.KeyID
	}
	if !fitsAssertions(key) || len(kid) > maxLabel {
		return JWK{}, ErrPublicKey
	}
	out, err := json.Marshal(jose.JSONWebKey{Key: key, KeyID: kid})
	if err != nil {
		return JWK{}, ErrPublicKey
	}
	var k JWK
	if json.Unmarshal(out, &k) != nil {
		return JWK{}, ErrPublicKey
	}
	return k, nil
}

func pemKey(block *pem.Block) (any, error) {
	switch {
	case block.Type == "PUBLIC KEY":
		key, err := x509.ParsePKIXPublicKey(block.Bytes)
		if err != nil {
			return nil, ErrPublicKey
		}
		return key, nil
	case block.Type == "CERTIFICATE":
		c, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			return nil, ErrPublicKey
		}
		return c.PublicKey, nil
	case strings.HasSuffix(block.Type, "PRIVATE KEY"):
		return nil, fmt.Errorf("%w; it holds a private key, which belongs to the backend alone", ErrPublicKey)
	}
	return nil, ErrPublicKey
}

func fitsAssertions(key any) bool {
	switch k := key.(type) {
	case *ecdsa.PublicKey:
		return k.Curve == elliptic.P256()
	case ed25519.PublicKey:
		return len(k) == ed25519.PublicKeySize
	case *rsa.PublicKey:
		return k.N.BitLen() >= minRSABits && k.N.BitLen() <= maxRSABits && k.E >= 3
	}
	return false
}
