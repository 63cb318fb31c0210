package keys

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/hmac"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"errors"
	"maps"
	"strings"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
)

// backend is a HIS's server: its key, and how it signs.
type backend struct {
	alg  jose.SignatureAlgorithm
	priv crypto.Signer
	pem  []byte
}

func newBackend(t *testing.T, alg jose.SignatureAlgorithm, priv crypto.Signer) backend {
	t.Helper()
	der, err := x509.MarshalPKIXPublicKey(priv.Public())
	if err != nil {
		t.Fatal(err)
	}
	return backend{alg, priv, pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der})}
}

func ecBackend(t *testing.T) backend {
	t.Helper()
	k, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return newBackend(t, jose.ES256, k)
}

func (b backend) sign(t *testing.T, header, claims map[string]any) string {
	t.Helper()
	o := &jose.SignerOptions{}
	for k, v := range header {
		o = o.WithHeader(jose.HeaderKey(k), v)
	}
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: b.alg, Key: b.priv}, o)
	if err != nil {
		t.Fatal(err)
	}
	raw, _ := json.Marshal(claims)
	sig, err := signer.Sign(raw)
	if err != nil {
		t.Fatal(err)
	}
	out, err := sig.CompactSerialize()
	if err != nil {
		t.Fatal(err)
	}
	return out
}

var challenge = []byte("0123456789abcdef0123456789abcdef")

// good are the claims of an assertion that is accepted.
func good(now time.Time) map[string]any {
	return map[string]any{
		"aud": "tapcheck", "sub": "lt.hoa", "iat": now.Unix(), "exp": now.Add(time.Minute).Unix(), "nonce": base64.RawURLEncoding.EncodeToString(challenge),
	}
}

func register(t *testing.T, s *TokenStore, origin string, b backend) Token {
	t.Helper()
	key, err := ParsePublicKey(b.pem)
	if err != nil {
		t.Fatal(err)
	}
	secret, token, err := s.Add(TokenRequest{Origin: origin, PublicKey: &key, Rights: []string{RightRead}, Fields: []string{"number"}})
	if err != nil || secret != "" {
		t.Fatalf("%q, %v", secret, err)
	}
	return token
}

// TestAssertion goes through what may be wrong with an assertion; each row is the good one with a change.
func TestAssertion(t *testing.T) {
	s, dir := open(t)
	instance, err := Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	now := time.Now()
	s.now = func() time.Time { return now }
	b, stranger, revoked := ecBackend(t), ecBackend(t), ecBackend(t)
	token := register(t, s, hisOrigin, b)
	register(t, s, "https://other.example", stranger)
	gone := register(t, s, hisOrigin, revoked)
	if err := s.Revoke(gone.ID); err != nil {
		t.Fatal(err)
	}
	b64 := base64.RawURLEncoding.EncodeToString
	at := func(d time.Duration) int64 { return now.Add(d).Unix() }
	type change = map[string]any
	for name, c := range map[string]struct {
		claims change // nil value: the claim is left out
		header change
		by     *backend
		origin string
		make   func(good string) string
		ok     bool
	}{
		"good":                          {ok: true},
		"kid is the token's id":         {header: change{"kid": token.ID}, ok: true},
		"typ":                           {header: change{"typ": "JWT"}, ok: true},
		"wrong kid":                     {header: change{"kid": "other"}},
		"kid of the other origin's key": {header: change{"kid": gone.ID}},
		"kid is no text":                {header: change{"kid": 7}},
		"critical header":               {header: change{"crit": []string{"x"}, "x": 1}},
		"its own key in the header":     {by: &stranger, header: change{"jwk": jose.JSONWebKey{Key: stranger.priv.Public()}}},
		"signed by another's key":       {by: &stranger},
		"signed by a revoked key":       {by: &revoked},
		"from another origin":           {origin: "https://other.example"},
		"from an origin without a key":  {origin: "https://evil.example"},
		"from a desktop program":        {origin: "-"},
		"iss is the origin":             {claims: change{"iss": hisOrigin}, ok: true},
		"iss is another origin":         {claims: change{"iss": "https://other.example"}},
		"for this agent":                {claims: change{"aud": "tapcheck:" + instance.InstanceID()}, ok: true},
		"for several":                   {claims: change{"aud": []string{"x", "tapcheck:" + instance.InstanceID()}}, ok: true},
		"for another agent":             {claims: change{"aud": "tapcheck:another"}},
		"for another service":           {claims: change{"aud": "https://his.example/api"}},
		"for nobody":                    {claims: change{"aud": nil}},
		"for an empty list":             {claims: change{"aud": []string{}}},
		"aud of a wrong type":           {claims: change{"aud": 7}},
		"another challenge":             {claims: change{"nonce": b64([]byte("another"))}},
		"no challenge":                  {claims: change{"nonce": nil}},
		"empty challenge":               {claims: change{"nonce": ""}},
		"challenge with padding":        {claims: change{"nonce": base64.URLEncoding.EncodeToString(challenge)}},
		"challenge of a wrong type":     {claims: change{"nonce": 7}},
		"no operator":                   {claims: change{"sub": nil}},
		"empty operator":                {claims: change{"sub": ""}},
		"operator too long":             {claims: change{"sub": strings.Repeat("x", 101)}},
		"operator of two lines":         {claims: change{"sub": "a\nb"}},
		"operator in Vietnamese":        {claims: change{"sub": "lễ tân Hòa"}, ok: true},
		"two minutes long":              {claims: change{"exp": at(2 * time.Minute)}, ok: true},
		"too long":                      {claims: change{"exp": at(121 * time.Second)}},
		"expired":                       {claims: change{"iat": at(-3 * time.Minute), "exp": at(-90 * time.Second)}},
		"expired, within the skew":      {claims: change{"iat": at(-2 * time.Minute), "exp": at(-30 * time.Second)}, ok: true},
		"from the future":               {claims: change{"iat": at(90 * time.Second), "exp": at(150 * time.Second)}},
		"from the future, in the skew":  {claims: change{"iat": at(30 * time.Second), "exp": at(60 * time.Second)}, ok: true},
		"not yet valid":                 {claims: change{"nbf": at(90 * time.Second)}},
		"ends before it begins":         {claims: change{"exp": at(-time.Second)}},
		"no end":                        {claims: change{"exp": nil}},
		"no begin":                      {claims: change{"iat": nil}},
		"time of a wrong type":          {claims: change{"exp": "soon"}},
		"begin in year 1e300":           {claims: change{"iat": 1e300}},
		"empty":                         {make: func(string) string { return "" }},
		"no JWT":                        {make: func(string) string { return "eyJ" }},
		"two parts":                     {make: func(g string) string { return g[:strings.LastIndexByte(g, '.')] }},
		"signature cut off":             {make: func(g string) string { return g[:strings.LastIndexByte(g, '.')+1] }},
		"signature changed":             {make: func(g string) string { return g[:len(g)-4] + "AAAA" }},
		"claims changed": {make: func(g string) string {
			p := strings.Split(g, ".")
			claims := good(now)
			claims["sub"] = "admin"
			raw, _ := json.Marshal(claims)
			return p[0] + "." + b64(raw) + "." + p[2]
		}},
		"alg none": {make: func(g string) string {
			return b64([]byte(`{"alg":"none"}`)) + "." + strings.Split(g, ".")[1] + "."
		}},
		"alg None": {make: func(g string) string {
			return b64([]byte(`{"alg":"None"}`)) + "." + strings.Split(g, ".")[1] + "."
		}},
		"HMAC with the public key as secret": {make: func(g string) string {
			head := b64([]byte(`{"alg":"HS256"}`)) + "." + strings.Split(g, ".")[1]
			m := hmac.New(sha256.New, b.pem)
			m.Write([]byte(head))
			return head + "." + b64(m.Sum(nil))
		}},
		"alg of another kind of key": {make: func(g string) string {
			p := strings.Split(g, ".")
			return b64([]byte(`{"alg":"RS256"}`)) + "." + p[1] + "." + p[2]
		}},
		"JSON form": {make: func(g string) string {
			p := strings.Split(g, ".")
			raw, _ := json.Marshal(map[string]string{"protected": p[0], "payload": p[1], "signature": p[2]})
			return string(raw)
		}},
		"beyond the bound": {claims: change{"x": strings.Repeat("x", maxAssertion)}},
	} {
		t.Run(name, func(t *testing.T) {
			s.spent = nil // each row has the challenge to itself
			claims := good(now)
			maps.Copy(claims, c.claims)
			maps.DeleteFunc(claims, func(_ string, v any) bool { return v == nil })
			by := b
			if c.by != nil {
				by = *c.by
			}
			jwt := by.sign(t, c.header, claims)
			if c.make != nil {
				jwt = c.make(jwt)
			}
			origin := hisOrigin
			if c.origin != "" {
				origin = strings.TrimPrefix(c.origin, "-")
			}
			got, err := s.CheckAssertion(jwt, origin, challenge)
			switch {
			case (err == nil) != c.ok, err != nil && !errors.Is(err, ErrTokenRejected):
				t.Error(err)
			case c.ok && (got.ID != token.ID || got.Operator != claims["sub"] || got.OperatorSource != OperatorAssertion || len(got.Fields) != 1):
				t.Errorf("%+v", got)
			case !c.ok && got.Operator != "":
				t.Error("a refused assertion names an operator")
			}
		})
	}
}

func TestAssertionServesOnce(t *testing.T) {
	s, _ := open(t)
	b := ecBackend(t)
	token := register(t, s, hisOrigin, b)
	jwt := b.sign(t, nil, good(time.Now()))
	if _, err := s.CheckAssertion(jwt, hisOrigin, challenge); err != nil {
		t.Fatal(err)
	}
	if _, err := s.CheckAssertion(jwt, hisOrigin, challenge); !errors.Is(err, ErrTokenRejected) {
		t.Error("replayed:", err)
	}
	if _, err := s.CheckAssertion(b.sign(t, nil, good(time.Now())), hisOrigin, challenge); !errors.Is(err, ErrTokenRejected) {
		t.Error("another one over the same challenge:", err)
	}
	if _, err := s.CheckAssertion(jwt, hisOrigin, []byte("another challenge of this agent")); !errors.Is(err, ErrTokenRejected) {
		t.Error("replayed to another connection:", err)
	}
	// Once an answer to it cannot be good any more, a challenge need not be remembered.
	later := time.Now().Add(time.Hour)
	s.now = func() time.Time { return later }
	claims := good(later)
	other := []byte("fedcba9876543210fedcba9876543210")
	claims["nonce"] = base64.RawURLEncoding.EncodeToString(other)
	if _, err := s.CheckAssertion(b.sign(t, nil, claims), hisOrigin, other); err != nil || len(s.spent) != 1 {
		t.Errorf("%v, %d challenges are remembered", err, len(s.spent))
	}
	if err := s.Revoke(token.ID); err != nil || s.Allowed(hisOrigin) || s.Valid(token.ID) {
		t.Error("a revoked key still lets in:", err)
	}
}

// The token of a key cannot be used as one with a secret, and the file keeps it over a restart.
func TestPublicKeyIsNoSecret(t *testing.T) {
	s, dir := open(t)
	b := ecBackend(t)
	token := register(t, s, hisOrigin, b)
	for _, secret := range []string{"", string(b.pem), token.ID, "null"} {
		if _, err := s.Check(secret, hisOrigin); !errors.Is(err, ErrTokenRejected) {
			t.Errorf("%q is accepted as a token", secret)
		}
	}
	again, err := OpenTokens(dir)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := again.CheckAssertion(b.sign(t, nil, good(time.Now())), hisOrigin, challenge); err != nil || !again.Allowed(hisOrigin) {
		t.Error(err)
	}
	key, _ := ParsePublicKey(b.pem)
	for name, r := range map[string]TokenRequest{
		"for a desktop program": {Desktop: true, PublicKey: &key},
		"an empty key":          {Origin: hisOrigin, PublicKey: &JWK{}},
		"a point that is none":  {Origin: hisOrigin, PublicKey: &JWK{Kty: "EC", Crv: "P-256", X: key.X, Y: key.X}},
	} {
		if _, _, err := s.Add(r); !errors.Is(err, ErrTokenForm) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestParsePublicKey(t *testing.T) {
	rsaKey := func(bits int) crypto.Signer {
		k, err := rsa.GenerateKey(rand.Reader, bits)
		if err != nil {
			t.Fatal(err)
		}
		return k
	}
	p256, _ := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	p384, _ := ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
	_, ed, _ := ed25519.GenerateKey(rand.Reader)
	private, _ := x509.MarshalPKCS8PrivateKey(p256)
	jwk := func(k any) []byte {
		raw, _ := json.Marshal(jose.JSONWebKey{Key: k, KeyID: "2026-1"})
		return raw
	}
	t.Setenv("GODEBUG", "rsa1024min=0")
	for name, c := range map[string]struct {
		raw []byte
		alg jose.SignatureAlgorithm // "" is refused
		by  crypto.Signer
	}{
		"P-256":                  {newBackend(t, jose.ES256, p256).pem, jose.ES256, p256},
		"P-256 as JWK":           {jwk(p256.Public()), jose.ES256, p256},
		"RSA":                    {newBackend(t, jose.RS256, rsaKey(2048)).pem, jose.RS256, nil},
		"Ed25519":                {newBackend(t, jose.EdDSA, ed).pem, jose.EdDSA, ed},
		"Ed25519 as JWK":         {jwk(ed.Public()), jose.EdDSA, ed},
		"RSA of 1024 bits":       {newBackend(t, jose.RS256, rsaKey(1024)).pem, "", nil},
		"P-384":                  {newBackend(t, jose.ES384, p384).pem, "", nil},
		"private key as PEM":     {pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: private}), "", nil},
		"private key as JWK":     {jwk(p256), "", nil},
		"shared secret as JWK":   {jwk([]byte("0123456789abcdef0123456789abcdef")), "", nil},
		"empty":                  {nil, "", nil},
		"text":                   {[]byte("hello"), "", nil},
		"PEM of something else":  {pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE REQUEST", Bytes: private}), "", nil},
		"PEM with other content": {pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: private}), "", nil},
		"list of JWKs":           {[]byte(`{"keys":[` + string(jwk(p256.Public())) + `]}`), "", nil},
		"beyond the bound":       {append(jwk(p256.Public()), make([]byte, maxPublicKey)...), "", nil},
	} {
		t.Run(name, func(t *testing.T) {
			key, err := ParsePublicKey(c.raw)
			if (err == nil) != (c.alg != "") || err != nil && !errors.Is(err, ErrPublicKey) {
				t.Fatal(err)
			}
			if err == nil && assertionAlgorithms[key.Kty] != c.alg {
				t.Errorf("%+v", key)
			}
			if c.by == nil {
				return
			}
			s, _ := open(t)
			if _, _, err := s.Add(TokenRequest{Origin: hisOrigin, PublicKey: &key}); err != nil {
				t.Fatal(err)
			}
			header := map[string]any{}
			if key.Kid != "" {
				header["kid"] = key.Kid
			}
			if _, err := s.CheckAssertion(backend{alg: c.alg, priv: c.by}.sign(t, header, good(time.Now())), hisOrigin, challenge); err != nil {
				t.Error(err)
			}
		})
	}
}

func FuzzAssertion(f *testing.F) {
	dir := f.TempDir() + "/data"
	s, err := OpenTokens(dir)
	if err != nil {
		f.Fatal(err)
	}
	k, _ := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	der, _ := x509.MarshalPKIXPublicKey(k.Public())
	key, err := ParsePublicKey(pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der}))
	if err != nil {
		f.Fatal(err)
	}
	if _, _, err := s.Add(TokenRequest{Origin: hisOrigin, PublicKey: &key}); err != nil {
		f.Fatal(err)
	}
	f.Add("eyJhbGciOiJFUzI1NiJ9.eyJhdWQiOiJ0YXBjaGVjayJ9.AAAA")
	f.Add(`{"protected":"eyJhbGciOiJFUzI1NiJ9","payload":"e30","signature":"AA"}`)
	f.Fuzz(func(t *testing.T, jwt string) {
		if _, err := s.CheckAssertion(jwt, hisOrigin, challenge); err == nil {
			t.Fatal("accepted")
		}
	})
}
