package bhyt

import (
	"context"
	"crypto/md5" //nolint:gosec // the gateway's own form of a password
	"crypto/tls"
	"crypto/x509"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"time"

	"github.com/sony/gobreaker/v2"
	"golang.org/x/text/unicode/norm"

	"github.com/tapcheck/tapcheck/insurance"
)

// Source is the name of this provider in an eligibility; of the training system it is insurance.SourceTraining.
const Source = insurance.SourceGateway

// Hosts of the gateway.
const (
	Production = "https://egw.baohiemxahoi.gov.vn"
	Training   = "https://daotaoegw.baohiemxahoi.gov.vn"
)

// Config is what a client works with.
type Config struct {
	// BaseURL is scheme, host and port of the gateway, without a path: Production, Training, or a relay. Plain http is for a gateway on
	// this machine (127.0.0.1, ::1) only.
	BaseURL string

	Username    string // of the facility's account: "<facility code>_BV"
	Password    Secret // of the same
	StaffName   string // who asks where Staff knows nobody: a staff member whom the facility has registered
	StaffNumber Secret // and that person's personal number, 12 digits
	Staff       *Staff // who asks for which operator, and at which desk; nil: always the one above

	Timeout  time.Duration                         // of one call, its repeats included; 0 is 10 s
	Parallel int                                   // calls at the same time; 0 is 8: more would be an attack in the gateway's eyes
	Proxy    func(*http.Request) (*url.URL, error) // see ParseProxy; nil: the environment's (HTTPS_PROXY, NO_PROXY). Never used for this machine
	RootCAs  *x509.CertPool                        // nil: the system's
	Now      func() time.Time

	// Log gets what happened, without personal data and without URLs.
	Log func(event string, fields map[string]any)
}

// Client asks the gateway. It is safe for concurrent use.
type Client struct {
	cfg      Config
	base     *url.URL
	source   string
	password string // as the gateway wants it
	http     *http.Client
	slots    chan struct{} // of look-ups
	aside    chan struct{} // of history, so that it keeps no look-up waiting
	quiet    quiet
	barred   [2]quiet // by call: until when an account that is let in and may not make it is not tried again
	tokens   tokens
	breaker  *gobreaker.CircuitBreaker[insurance.Eligibility]
}

var _ insurance.HistoryProvider = (*Client)(nil)

// When the gateway is left alone, and for how long.
const (
	failuresInARow = 5
	leaveAlone     = 15 * time.Second
)

// fairTime is what the gateway has to be given before its silence counts against it: two fifths of Config.Timeout. A caller may
// have less patience, and that is its own affair: it must not keep all others from asking.
func (c *Client) fairTime() time.Duration { return c.cfg.Timeout * 2 / 5 }

var twelveDigits = regexp.MustCompile(`^[0-9]{12}$`)

// New makes a client. It asks nobody yet. The error names the setting that is wrong, never its value.
func New(c Config) (*Client, error) {
	base, err := url.Parse(c.BaseURL)
	if err != nil || base.Host == "" || base.User != nil || base.RawQuery != "" || base.Fragment != "" || strings.Trim(base.Path, "/") != "" {
		return nil, errors.New("bhyt: BaseURL must be https://host[:port]")
	}
	if base.Scheme != "https" {
		if ip := net.ParseIP(base.Hostname()); base.Scheme != "http" || ip == nil || !ip.IsLoopback() {
			return nil, errors.New("bhyt: BaseURL must begin with https:// (http:// is for this machine only: 127.0.0.1 or [::1])")
		}
	}
	switch {
	case c.Username == "" || len(c.Username) > 64:
		return nil, errors.New("bhyt: Username is missing or too long")
	case c.Password == "":
		return nil, errors.New("bhyt: Password is missing")
	case strings.TrimSpace(c.StaffName) == "" || len(c.StaffName) > 256:
		return nil, errors.New("bhyt: StaffName is missing or too long")
	case !twelveDigits.MatchString(string(c.StaffNumber)):
		return nil, errors.New("bhyt: StaffNumber must be 12 digits")
	case c.Timeout < 0:
		return nil, errors.New("bhyt: Timeout is negative")
	case c.Parallel < 0 || c.Parallel > 64:
		return nil, errors.New("bhyt: Parallel must be 1 to 64")
	}
	if c.Parallel == 0 {
		c.Parallel = 8
	}
	if c.Timeout == 0 {
		c.Timeout = 10 * time.Second
	}
	switch {
	case onThisMachine(base.Hostname()): // nobody else is to hear of it; a proxy of plain http would read the secrets of the URL
		c.Proxy = nil
	case c.Proxy == nil:
		c.Proxy = http.ProxyFromEnvironment
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	if c.Log == nil {
		c.Log = func(string, map[string]any) {}
	}
	sum := md5.Sum([]byte(c.Password)) //nolint:gosec // see the import
	k := &Client{
		cfg: c, base: &url.URL{Scheme: base.Scheme, Host: base.Host}, source: Source, password: hex.EncodeToString(sum[:]),
		slots: make(chan struct{}, c.Parallel), aside: make(chan struct{}, 2),
	}
	if training, _ := url.Parse(Training); strings.EqualFold(base.Hostname(), training.Hostname()) {
		k.source = insurance.SourceTraining
	}
	k.http = &http.Client{
		Transport: &http.Transport{
			Proxy:                  c.Proxy,
			DialContext:            (&net.Dialer{Timeout: c.Timeout, KeepAlive: 30 * time.Second}).DialContext,
			TLSClientConfig:        &tls.Config{MinVersion: tls.VersionTLS12, RootCAs: c.RootCAs},
			TLSHandshakeTimeout:    c.Timeout,
			ResponseHeaderTimeout:  c.Timeout,
			MaxResponseHeaderBytes: 64 << 10,
			MaxConnsPerHost:        c.Parallel + cap(k.aside) + 1, // and one for the token
			MaxIdleConns:           c.Parallel,
			MaxIdleConnsPerHost:    c.Parallel,
			IdleConnTimeout:        90 * time.Second,
			ForceAttemptHTTP2:      true,
		},
		// A redirect would carry the secrets of the URL to somebody else.
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	k.tokens.fetch, k.tokens.now = k.takeToken, c.Now
	k.breaker = gobreaker.NewCircuitBreaker[insurance.Eligibility](gobreaker.Settings{
		Timeout:      leaveAlone,
		ReadyToTrip:  func(n gobreaker.Counts) bool { return n.ConsecutiveFailures >= failuresInARow },
		IsSuccessful: func(err error) bool { return !errors.Is(err, insurance.ErrUnreachable) },
		IsExcluded: func(err error) bool {
			var early *earlyError
			return errors.Is(err, context.Canceled) || errors.Is(err, insurance.ErrNotAsked) || errors.As(err, &early)
		},
		OnStateChange: func(_ string, _, to gobreaker.State) {
			c.Log("bhyt.breaker", map[string]any{"state": to.String()})
		},
	})
	return k, nil
}

// Name implements insurance.Provider.
func (c *Client) Name() string { return c.source }

// Close ends the refresh of a token that nobody waits for, and gives up the idle connections. Calls that are going on are not disturbed.
func (c *Client) Close() error {
	c.tokens.close()
	c.http.CloseIdleConnections()
	return nil
}

// Check implements insurance.Provider. It asks by the card code where there is one, for that is what the person claims, else by the
// personal number. Beside an error the eligibility holds the raw code and answer, where there was one. When ctx is over its time, the error is also
// context.DeadlineExceeded; when it was cancelled, it is context.Canceled and not ErrUnreachable. Where nothing was sent at all, it
// is also insurance.ErrNotAsked.
func (c *Client) Check(ctx context.Context, q insurance.Request) (insurance.Eligibility, error) {
	asked, err := c.question(q)
	if err != nil {
		return insurance.Eligibility{}, &insurance.NotAskedError{Err: err}
	}
	if c.quiet.until().After(c.cfg.Now()) {
		return insurance.Eligibility{}, insurance.ErrNotAsked
	}
	select {
	case c.slots <- struct{}{}:
		defer func() { <-c.slots }()
	case <-ctx.Done():
		return insurance.Eligibility{}, &insurance.NotAskedError{Err: contextError(ctx.Err())}
	}
	e, err := c.breaker.Execute(func() (insurance.Eligibility, error) {
		began := time.Now()
		e, err := c.lookUp(ctx, q, asked)
		if errors.Is(err, context.DeadlineExceeded) && time.Since(began) < c.fairTime() {
			err = &earlyError{err}
		}
		return e, err
	})
	if errors.Is(err, gobreaker.ErrOpenState) || errors.Is(err, gobreaker.ErrTooManyRequests) {
		return insurance.Eligibility{}, insurance.ErrNotAsked
	}
	return e, err
}

// History implements insurance.HistoryProvider. It is a call of its own: nothing that comes of it touches look-ups, and it is not
// made while the gateway is left alone because of them.
func (c *Client) History(ctx context.Context, q insurance.Request) (insurance.History, error) {
	asked, err := c.question(q)
	if err != nil {
		return insurance.History{}, &insurance.NotAskedError{Err: err}
	}
	if c.breaker.State() == gobreaker.StateOpen || c.quiet.until().After(c.cfg.Now()) {
		return insurance.History{}, insurance.ErrNotAsked
	}
	select {
	case c.aside <- struct{}{}:
		defer func() { <-c.aside }()
	case <-ctx.Done():
		return insurance.History{}, &insurance.NotAskedError{Err: contextError(ctx.Err())}
	}
	r, err := c.ask(ctx, historyCall, asked)
	if err != nil {
		return insurance.History{}, err
	}
	if r.refused {
		_, err := c.refusal(r)
		return insurance.History{}, err
	}
	h, err := told(r.body, c.cfg.Now())
	if err != nil {
		c.cfg.Log("bhyt.failed", map[string]any{"call": historyCall.name, "error": err.Error()})
	}
	return h, err
}

// earlyError is the end of a caller's time before the gateway has had its own.
type earlyError struct{ error }

func (e *earlyError) Unwrap() error { return e.error }

// question makes the body of a look-up, in the name of whoever asks.
func (c *Client) question(q insurance.Request) (LookupRequest, error) {
	key := strings.ToUpper(strings.TrimSpace(q.CardCode))
	if key == "" {
		key = strings.TrimSpace(q.Number)
	}
	if !askable.MatchString(key) && !insurance.ValidCardCode(key) {
		return LookupRequest{}, fmt.Errorf("%w: number or card code", insurance.ErrRequest)
	}
	name, encoding := insurance.ReadName(q.FullName)
	name = plain(name, maxText)
	if name == "" || len(q.FullName) > 4*maxText || encoding == insurance.Unreadable {
		return LookupRequest{}, fmt.Errorf("%w: name", insurance.ErrRequest)
	}
	born, ok := gatewayDate(q.DateOfBirth)
	if !ok {
		return LookupRequest{}, fmt.Errorf("%w: date of birth", insurance.ErrRequest)
	}
	who := insurance.Staff{Name: c.cfg.StaffName, Number: string(c.cfg.StaffNumber)}
	if q.Staff != nil {
		if who = *q.Staff; plain(who.Name, maxText) == "" || !twelveDigits.MatchString(who.Number) {
			return LookupRequest{}, fmt.Errorf("%w: staff", insurance.ErrRequest)
		}
	} else if m, ok := c.cfg.Staff.Of(q.Operator, q.Desk); ok {
		who = m
	}
	return LookupRequest{MaThe: key, HoTen: name, NgaySinh: born, HoTenCb: norm.NFC.String(who.Name), CccdCb: who.Number}, nil
}

// askable is the social insurance number (10 digits) or the personal number (12 digits).
var askable = regexp.MustCompile(`^([0-9]{10}|[0-9]{12})$`)

// call is one of the gateway's two that take a token and the fields of a look-up.
type call struct {
	name, path string
	form       bool // form-urlencoded, in place of JSON
	id         int  // in Client.barred
}

var (
	lookupCall  = call{"lookup", PathLookup, false, 0}
	historyCall = call{"history", PathHistory, true, 1}
)

func (k call) body(q LookupRequest) (body []byte, kind string, err error) {
	if k.form {
		v := url.Values{"maThe": {q.MaThe}, "hoTen": {q.HoTen}, "ngaySinh": {q.NgaySinh}, "hoTenCb": {q.HoTenCb}, "cccdCb": {q.CccdCb}}
		return []byte(v.Encode()), formType, nil
	}
	body, err = json.Marshal(q)
	return body, jsonType, err
}

// lookUp asks, and reads the answer.
func (c *Client) lookUp(ctx context.Context, q insurance.Request, asked LookupRequest) (insurance.Eligibility, error) {
	r, err := c.ask(ctx, lookupCall, asked)
	if err != nil {
		return insurance.Eligibility{}, err
	}
	var e insurance.Eligibility
	if r.refused {
		e, err = c.refusal(r)
	} else if e, err = judge(q, r.body, c.cfg.Now()); err != nil {
		c.cfg.Log("bhyt.failed", map[string]any{"call": lookupCall.name, "error": err.Error()})
	}
	if e.Source != "" {
		if e.Source, e.LookedUpBy = c.source, others(e.LookedUpBy, c.cfg.Username); r.simulated {
			e.Source = insurance.SourceTraining
		}
	}
	return e, err
}

// ask makes a call with the token at hand and, where that is refused, once more with a new one. What is refused twice comes back
// as it is.
func (c *Client) ask(ctx context.Context, k call, asked LookupRequest) (reply, error) {
	body, kind, err := k.body(asked)
	if err != nil {
		return reply{}, insurance.ErrRequest
	}
	if c.barred[k.id].until().After(c.cfg.Now()) { // lest the portal lock the account
		return reply{}, &insurance.NotAskedError{Err: insurance.ErrRejected}
	}
	t, err := c.tokens.get(ctx, nil)
	if err != nil {
		return reply{}, err
	}
	for attempt := 0; ; attempt++ {
		r, err := c.send(ctx, k, t, body, kind)
		if err != nil || !r.refused {
			return r, err
		}
		if attempt > 0 {
			c.barred[k.id].set(c.cfg.Now().Add(refusalLife))
			return r, nil
		}
		if t, err = c.tokens.get(ctx, t); err != nil {
			var unasked *insurance.NotAskedError
			if errors.As(err, &unasked) { // not for a token; but the question has been there
				err = unasked.Err
			}
			return reply{}, err
		}
	}
}

// refusal is what a second 401 in a row means: the account may log in, and may not look up.
func (c *Client) refusal(r reply) (insurance.Eligibility, error) {
	e, err := judge(insurance.Request{}, r.body, c.cfg.Now())
	var coded *insurance.CodeError
	if errors.As(err, &coded) && errors.Is(err, insurance.ErrRejected) {
		return e, err
	}
	return insurance.Eligibility{}, fmt.Errorf("%w: HTTP status %d", insurance.ErrRejected, r.status)
}

// send makes one call. What it reads back says whether the token was refused, in either shape.
func (c *Client) send(ctx context.Context, k call, t *token, body []byte, kind string) (reply, error) {
	u := *c.base
	u.Path = k.path
	u.RawQuery = url.Values{"token": {t.access}, "id_token": {t.id}, "username": {c.cfg.Username}, "password": {c.password}}.Encode()
	r, err := c.post(ctx, k.name, u.String(), body, kind)
	if err != nil {
		return reply{}, err
	}
	var code struct {
		MaKetQua Text `json:"maKetQua"`
	}
	coded := read(r.body, &code) == nil && code.MaKetQua != ""
	switch {
	case r.status == http.StatusUnauthorized, r.status == http.StatusForbidden:
		// A body with another code in it is an answer of its own: staff that is not registered comes as 403 and 054.
		r.refused = !coded || code.MaKetQua == "401" || code.MaKetQua == "403"
		return r, nil
	case coded && code.MaKetQua == "401":
		r.refused = true
		return r, nil
	}
	return r, acceptable(r, coded)
}

// acceptable says whether a reply is an answer that can be read.
func acceptable(r reply, coded bool) error {
	switch {
	case r.status >= 500, r.status == http.StatusRequestTimeout, r.status == http.StatusTooManyRequests:
		return fmt.Errorf("%w: HTTP status %d", insurance.ErrUnreachable, r.status)
	case r.status >= 400 && coded: // its own words for what is wrong
		return nil
	case r.status == http.StatusNotFound, r.status == http.StatusMethodNotAllowed, r.status == http.StatusProxyAuthRequired:
		return fmt.Errorf("%w: HTTP status %d", insurance.ErrRejected, r.status)
	case r.status != http.StatusOK:
		return fmt.Errorf("%w: HTTP status %d", insurance.ErrGarbage, r.status)
	case !coded:
		return fmt.Errorf("%w: no result code", insurance.ErrGarbage)
	}
	return nil
}

// takeToken fetches a token. A repeat is safe: an older token stays valid.
func (c *Client) takeToken(ctx context.Context) (*token, error) {
	body, err := json.Marshal(TokenRequest{Username: c.cfg.Username, Password: c.password})
	if err != nil {
		return nil, insurance.ErrRequest
	}
	u := *c.base
	u.Path = PathToken
	r, err := c.post(ctx, "token", u.String(), body, jsonType)
	if err != nil {
		return nil, err
	}
	var a TokenAnswer
	coded := read(r.body, &a) == nil && codeForm.MatchString(string(a.MaKetQua))
	// A refusal by its status alone may be a proxy's: whoever says a code says it, and nobody makes one up for them.
	refused := r.status == http.StatusUnauthorized || r.status == http.StatusForbidden
	switch {
	case coded && (refused || a.MaKetQua == "401" || a.MaKetQua == "403"):
		return nil, &insurance.CodeError{Code: string(a.MaKetQua), Err: insurance.ErrRejected}
	case refused:
		return nil, fmt.Errorf("%w: HTTP status %d", insurance.ErrRejected, r.status)
	}
	if err := acceptable(r, coded); err != nil {
		return nil, err
	}
	if a.MaKetQua != "200" {
		if known, ok := LookupCode(string(a.MaKetQua)); ok && known.Err() != nil {
			return nil, &insurance.CodeError{Code: known.Code, Err: known.Err()}
		}
		return nil, &insurance.CodeError{Code: string(a.MaKetQua), Err: insurance.ErrGarbage}
	}
	if a.APIKey == nil || a.APIKey.AccessToken == "" || len(a.APIKey.AccessToken) > maxToken || len(a.APIKey.IDToken) > maxToken {
		return nil, fmt.Errorf("%w: no token", insurance.ErrGarbage)
	}
	return newToken(*a.APIKey, c.cfg.Now()), nil
}
