package keys

import (
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net/netip"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
)

// TokensFileName is the file of the tokens within the data folder.
const TokensFileName = "tokens.json"

// tokenPrefix makes a token recognisable to secret scanners and to people who find one in a file.
const tokenPrefix = "tapcheck_"

// Limits of the store.
const (
	maxTokens   = 500
	maxLabel    = 100 // bytes
	maxValidity = 10 * 365 * 24 * time.Hour
)

// What can be wrong with a token or with the wish for one.
var (
	ErrTokenUnknown  = errors.New("no such token")
	ErrTokenRejected = errors.New("token is not valid here")
	ErrOriginForm    = errors.New("an origin is scheme://host or scheme://host:port with http or https, without path, user or wildcard")
	ErrTokenForm     = errors.New("token request is wrong")
	ErrTooManyTokens = errors.New("too many tokens")
)

// Rights that a token can carry. The names go over the wire and are frozen.
const (
	RightRead      = "read"
	RightInsurance = "insurance"
	RightFace      = "face"
	RightEvidence  = "evidence"
	RightHistory   = "history"
	RightSimulator = "simulator"
)

// AllRights in the order in which they are shown.
var AllRights = []string{RightRead, RightInsurance, RightFace, RightEvidence, RightHistory, RightSimulator}

// DefaultRights are what a token carries unless something else is asked for: the work of a reception desk.
var DefaultRights = []string{RightRead, RightInsurance}

// DefaultFields is the ceiling of identity fields unless another one is asked for: all but what the law holds to be
// sensitive (religion, ethnicity), relatives, features and the old number, which must be named.
var DefaultFields = []string{
	"number", "fullName", "dateOfBirth", "sex", "nationality", "residence", "origin", "documentNumber", "documentType",
	"issuingState", "issuedAt", "expiresAt", "noExpiry", "portrait",
}

// SensitiveFields are given only where they are named.
var SensitiveFields = []string{"ethnicity", "religion", "features", "father", "mother", "spouse", "oldNumber"}

// Token is what a program may do. It holds no secret: the token itself is shown once, when it is made, and only its
// SHA-256 is kept (it has 256 random bits, so a slow hash would protect nothing).
type Token struct {
	ID        string    `json:"id"`
	SHA256    string    `json:"sha256,omitempty"`  // of the whole token, lower-case hex
	Origin    string    `json:"origin,omitempty"`  // of a web page; empty for a desktop program
	Desktop   bool      `json:"desktop,omitempty"` // exactly one of Origin and Desktop is set
	Label     string    `json:"label,omitempty"`   // the administrator's own words
	Rights    []string  `json:"rights"`
	Fields    []string  `json:"fields"` // ceiling of identity fields (JSON names of lds.Identity) and "portrait"
	CreatedAt time.Time `json:"createdAt"`
	ExpiresAt time.Time `json:"expiresAt,omitzero"` // zero: does not end
	RevokedAt time.Time `json:"revokedAt,omitzero"`
	// PublicKey is that of a HIS backend which signs assertions for its origin. There is no secret then, and no SHA256.
	PublicKey *JWK `json:"publicKey,omitempty"`

	// Who is vouched for in the session that was just asked about, and by whom: OperatorConsole or OperatorAssertion.
	Operator       string `json:"-"`
	OperatorSource string `json:"-"`
	// Session is the operating system's session in which alone the token works; empty: in any. Of the console's logins.
	Session string `json:"-"`
}

// Who vouches for an operator. The values go over the wire and are frozen.
const (
	OperatorHIS       = "his"       // the HIS says so, and nobody has checked it
	OperatorAssertion = "assertion" // the HIS's backend has signed it
	OperatorConsole   = "console"   // logged in to the console
)

// Has says whether the token carries a right.
func (t Token) Has(right string) bool { return slices.Contains(t.Rights, right) }

// Live says whether the token is neither revoked nor out of date.
func (t Token) Live(now time.Time) bool {
	return t.RevokedAt.IsZero() && (t.ExpiresAt.IsZero() || now.Before(t.ExpiresAt))
}

// TokenRequest is the wish for a token: for an origin or for a desktop program.
type TokenRequest struct {
	Origin  string
	Desktop bool
	Label   string
	Rights  []string      // nil is DefaultRights
	Fields  []string      // nil is DefaultFields
	Valid   time.Duration // 0: does not end
	// PublicKey registers a backend that signs assertions, for an Origin; no secret is made then.
	PublicKey *JWK
}

// TokenStore is the file of tokens. The agent reads it while commands change it: each question looks whether the file is
// another one than before. It is safe for concurrent use, by several programs too.
//
// A file that has become unreadable lets nobody in (Err says why): a revocation that cannot be read must not be undone.
type TokenStore struct {
	path string
	now  func() time.Time

	mu       sync.Mutex
	seen     fileState
	tokens   []Token
	err      error
	instance string                 // of this installation, once it was asked for
	spent    map[[32]byte]time.Time // challenges that were answered, until no answer to them can be good any more
}

// fileState is what tells one version of a file from another without reading it.
type fileState struct {
	exists bool
	mtime  time.Time
	size   int64
	inode  uint64
	mode   fs.FileMode
}

type tokenFile struct {
	Version int     `json:"version"`
	Tokens  []Token `json:"tokens"`
}

// OpenTokens opens the store in the data folder, which is made where it is missing. A missing file holds no token.
// Errors: *FileError.
func OpenTokens(dir string) (*TokenStore, error) {
	if err := makePrivateDir(dir); err != nil {
		return nil, err
	}
	s := &TokenStore{path: filepath.Join(dir, TokensFileName), now: time.Now}
	if err := s.Err(); err != nil {
		return nil, err
	}
	return s, nil
}

// Err is nil, or why the tokens cannot be read, and so nobody is let in.
func (s *TokenStore) Err() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.refresh()
	return s.err
}

// refresh reads the file anew if it has changed. s.mu is held.
func (s *TokenStore) refresh() {
	var now fileState
	info, err := os.Lstat(s.path)
	switch {
	case err == nil:
		now = fileState{true, info.ModTime(), info.Size(), fileIdentity(info), info.Mode()}
	case !errors.Is(err, fs.ErrNotExist):
		s.tokens, s.err, s.seen = nil, &FileError{Path: s.path, Err: err}, fileState{}
		return
	}
	if s.err == nil && now == s.seen {
		return
	}
	s.seen = now
	s.tokens, s.err = nil, nil
	if now.exists {
		s.tokens, s.err = loadTokens(s.path)
	}
}

func loadTokens(path string) ([]Token, error) {
	raw, err := readPrivate(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	var f tokenFile
	if json.Unmarshal(raw, &f) != nil || f.Version != 1 || len(f.Tokens) > maxTokens {
		return nil, &FileError{Path: path, Err: ErrMalformed}
	}
	for i, t := range f.Tokens {
		hash, err := hex.DecodeString(t.SHA256)
		origin, originErr := ParseOrigin(t.Origin)
		want := sha256.Size
		if t.PublicKey != nil {
			want = 0
			if _, bad := t.PublicKey.key(); bad != nil || t.Desktop {
				return nil, &FileError{Path: path, Err: fmt.Errorf("%w: public key of token %d", ErrMalformed, i+1)}
			}
		}
		switch {
		case err != nil || len(hash) != want || t.ID == "" || (t.Origin != "") == t.Desktop:
			return nil, &FileError{Path: path, Err: fmt.Errorf("%w: token %d", ErrMalformed, i+1)}
		case t.Origin != "" && (originErr != nil || origin != t.Origin):
			return nil, &FileError{Path: path, Err: fmt.Errorf("%w: origin of token %d", ErrMalformed, i+1)}
		}
	}
	return f.Tokens, nil
}

// Check says which token this is. origin is the web page's, or empty for a desktop program. Error: ErrTokenRejected, for
// whatever reason, so that nobody learns which.
func (s *TokenStore) Check(secret, origin string) (Token, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.refresh()
	sum := sha256.Sum256([]byte(secret))
	now := s.now()
	var found *Token
	for i := range s.tokens {
		t := &s.tokens[i]
		want, _ := hex.DecodeString(t.SHA256)
		// Every token is compared, each in constant time: the time says nothing about which one it nearly was.
		if subtle.ConstantTimeCompare(want, sum[:]) == 1 {
			found = t
		}
	}
	if found == nil || !found.Live(now) || found.Origin != origin {
		return Token{}, ErrTokenRejected
	}
	return found.clone(), nil
}

// Valid says whether the token with this id still lives; sessions ask it again and again, so that a revocation takes
// effect at once.
func (s *TokenStore) Valid(id string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.refresh()
	now := s.now()
	return slices.ContainsFunc(s.tokens, func(t Token) bool { return t.ID == id && t.Live(now) })
}

// Allowed says whether a web origin, exactly as the browser sent it, has a living token.
func (s *TokenStore) Allowed(origin string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.refresh()
	now := s.now()
	return origin != "" && slices.ContainsFunc(s.tokens, func(t Token) bool { return t.Origin == origin && t.Live(now) })
}

// List gives all tokens, revoked ones too, oldest first. It never gives the secret, which is not kept.
func (s *TokenStore) List() ([]Token, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.refresh()
	list := make([]Token, len(s.tokens))
	for i, t := range s.tokens {
		list[i] = t.clone()
	}
	return list, s.err
}

// Add makes a token and gives it away once: it cannot be shown again. With a public key there is nothing to give away, and
// secret is empty. Errors unwrap to ErrOriginForm, ErrTokenForm,
// ErrTooManyTokens or are *FileError.
func (s *TokenStore) Add(r TokenRequest) (secret string, t Token, err error) {
	t = Token{Label: r.Label, Desktop: r.Desktop, Rights: r.Rights, Fields: r.Fields}
	if r.Desktop == (r.Origin != "") {
		return "", Token{}, fmt.Errorf("%w: exactly one of an origin and desktop", ErrTokenForm)
	}
	if r.Origin != "" {
		if t.Origin, err = ParseOrigin(r.Origin); err != nil {
			return "", Token{}, err
		}
	}
	if t.Rights == nil {
		t.Rights = DefaultRights
	}
	if t.Fields == nil {
		t.Fields = DefaultFields
	}
	if err := checkWish(t.Label, t.Rights, t.Fields); err != nil {
		return "", Token{}, err
	}
	if r.Valid < 0 || r.Valid > maxValidity {
		return "", Token{}, fmt.Errorf("%w: a token is valid for at most ten years", ErrTokenForm)
	}
	if r.PublicKey != nil {
		if _, bad := r.PublicKey.key(); bad != nil || r.Desktop {
			return "", Token{}, fmt.Errorf("%w: a public key is for an origin, and one of a kind that ParsePublicKey gives", ErrTokenForm)
		}
		key := *r.PublicKey
		t.PublicKey = &key
	} else {
		random := make([]byte, 32)
		_, _ = rand.Read(random) // never fails (crypto/rand)
		secret = tokenPrefix + base64.RawURLEncoding.EncodeToString(random)
		sum := sha256.Sum256([]byte(secret))
		t.SHA256 = hex.EncodeToString(sum[:])
	}
	t.ID = "t" + strings.ToLower(rand.Text()[:10])
	t.CreatedAt = s.now().UTC().Truncate(time.Second)
	if r.Valid > 0 {
		t.ExpiresAt = t.CreatedAt.Add(r.Valid)
	}
	err = s.change(func(tokens []Token) ([]Token, error) {
		if len(tokens) >= maxTokens {
			return nil, ErrTooManyTokens
		}
		return append(tokens, t.clone()), nil
	})
	if err != nil {
		return "", Token{}, err
	}
	return secret, t.clone(), nil
}

// checkWish says what of a wish for a token cannot be granted. Error: ErrTokenForm.
func checkWish(label string, rights, fields []string) error {
	for _, right := range rights {
		if !slices.Contains(AllRights, right) {
			return fmt.Errorf("%w: rights are %s", ErrTokenForm, strings.Join(AllRights, ", "))
		}
	}
	for _, field := range fields {
		if !slices.Contains(DefaultFields, field) && !slices.Contains(SensitiveFields, field) {
			return fmt.Errorf("%w: fields are %s", ErrTokenForm, strings.Join(append(slices.Clone(DefaultFields), SensitiveFields...), ", "))
		}
	}
	if len(label) > maxLabel || strings.ContainsFunc(label, func(c rune) bool { return c < ' ' || c == 0x7f }) {
		return fmt.Errorf("%w: a label has at most %d bytes and no control characters", ErrTokenForm, maxLabel)
	}
	return nil
}

// Revoke ends a token by its id; sessions that it opened end too. Revoking it again changes nothing. Errors:
// ErrTokenUnknown, *FileError.
func (s *TokenStore) Revoke(id string) error {
	return s.change(func(tokens []Token) ([]Token, error) {
		i := slices.IndexFunc(tokens, func(t Token) bool { return t.ID == id })
		if i < 0 {
			return nil, ErrTokenUnknown
		}
		if tokens[i].RevokedAt.IsZero() {
			tokens[i].RevokedAt = s.now().UTC().Truncate(time.Second)
		}
		return tokens, nil
	})
}

// change reads, changes and writes the file while no other program does.
func (s *TokenStore) change(edit func([]Token) ([]Token, error)) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	// The lock lies in a file of its own, for the tokens' file is replaced.
	lock, err := openLock(s.path + ".lock")
	if err != nil {
		return err
	}
	defer lock.Close()
	if err := lockFile(lock); err != nil {
		return &FileError{Path: s.path + ".lock", Err: err}
	}
	tokens, err := loadTokens(s.path)
	if err != nil {
		return err
	}
	if tokens, err = edit(tokens); err != nil {
		return err
	}
	raw, err := json.MarshalIndent(tokenFile{Version: 1, Tokens: tokens}, "", "  ")
	if err != nil {
		return err
	}
	if err := writePrivate(s.path, append(raw, '\n'), true); err != nil {
		return err
	}
	s.seen, s.err = fileState{}, errChanged
	s.refresh()
	return s.err
}

// errChanged makes refresh read the file whatever its time of change says.
var errChanged = errors.New("file was changed")

func (t Token) clone() Token {
	t.Rights, t.Fields = slices.Clone(t.Rights), slices.Clone(t.Fields)
	if t.PublicKey != nil {
		key := *t.PublicKey
		t.PublicKey = &key
	}
	return t
}

// ParseOrigin checks an origin as an administrator writes it and gives it as browsers send it (RFC 6454 §6.2): scheme and
// host in lower case, without the scheme's own port. Host names with other than ASCII letters are written in their
// xn-- form. Error: ErrOriginForm.
func ParseOrigin(s string) (string, error) {
	u, err := url.Parse(s)
	if err != nil || len(s) > 300 {
		return "", ErrOriginForm
	}
	scheme := strings.ToLower(u.Scheme)
	if scheme != "http" && scheme != "https" {
		return "", ErrOriginForm
	}
	// "https://host/" is not an origin, but what people copy from the address bar is; a path would be a misunderstanding.
	if u.Opaque != "" || u.User != nil || u.RawQuery != "" || u.ForceQuery || u.Fragment != "" || strings.ContainsAny(s, "*#?") || (u.Path != "" && u.Path != "/") {
		return "", ErrOriginForm
	}
	host, port := strings.ToLower(u.Hostname()), u.Port()
	if !hostForm(host) || strings.HasSuffix(u.Host, ":") {
		return "", ErrOriginForm
	}
	if port != "" {
		n, err := strconv.ParseUint(port, 10, 16)
		if err != nil || n == 0 || strconv.FormatUint(n, 10) != port {
			return "", ErrOriginForm
		}
		if scheme == "http" && n == 80 || scheme == "https" && n == 443 {
			port = ""
		}
	}
	if strings.Contains(host, ":") {
		host = "[" + host + "]"
	}
	if port != "" {
		host += ":" + port
	}
	return scheme + "://" + host, nil
}

// hostForm accepts a DNS name in ASCII, an IPv4 address, or an IPv6 address in the shortest form (which browsers send).
func hostForm(host string) bool {
	if host == "" || len(host) > 253 {
		return false
	}
	if strings.Contains(host, ":") {
		a, err := netip.ParseAddr(host)
		return err == nil && a.Zone() == "" && a.String() == host && !a.Is4In6()
	}
	for label := range strings.SplitSeq(host, ".") {
		if label == "" || len(label) > 63 || label[0] == '-' || label[len(label)-1] == '-' {
			return false
		}
		if strings.Trim(label, "abcdefghijklmnopqrstuvwxyz0123456789-_") != "" {
			return false
		}
	}
	// What ends in a number is an IPv4 address, which browsers send in dotted form (WHATWG URL, host parsing).
	last := host[strings.LastIndexByte(host, '.')+1:]
	if strings.Trim(last, "0123456789") == "" || strings.HasPrefix(last, "0x") {
		a, err := netip.ParseAddr(host)
		return err == nil && a.Is4() && a.String() == host
	}
	return true
}
