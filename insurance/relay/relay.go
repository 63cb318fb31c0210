package relay

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/sony/gobreaker/v2"

	"github.com/tapcheck/tapcheck/insurance"
)

// Paths of a relay below its host.
const (
	PathEligibility = "/v1/eligibility"
	PathHistory     = "/v1/history"
)

// Bounds, in bytes.
const (
	MaxQuestion = 16 << 10
	MaxAnswer   = 256 << 10
)

// Question is what a desk sends.
type Question struct {
	Request insurance.Request `json:"request"`
}

// Answer is what comes back: one of Eligibility, History and Error.
type Answer struct {
	Eligibility *insurance.Eligibility `json:"eligibility,omitempty"`
	History     *insurance.History     `json:"history,omitempty"`
	Error       string                 `json:"error,omitempty"`
	Code        string                 `json:"code,omitempty"` // beside Error: the insurer's result code
	Raw         []byte                 `json:"raw,omitempty"`  // base64; without lists of visits
}

// Errors of an Answer.
const (
	Unreachable = "unreachable"
	NotAsked    = "not_asked"
	Rejected    = "rejected"
	Garbage     = "garbage"
	Request     = "request"
)

// Config is what a client works with.
type Config struct {
	URL     string          // https://host[:port]
	Cert    tls.Certificate // of this desk, with its key
	CA      *x509.CertPool  // who issues the relay's; the system's are not asked
	Timeout time.Duration   // of one call; 0 is 10 s
	Now     func() time.Time

	// Log gets what happened, without personal data and without URLs.
	Log func(event string, fields map[string]any)
}

// Client asks the relay. It is safe for concurrent use.
type Client struct {
	cfg     Config
	base    string
	http    *http.Client
	slots   chan struct{}
	breaker *gobreaker.CircuitBreaker[Answer]
}

var _ insurance.HistoryProvider = (*Client)(nil)

// New makes a client. It asks nobody yet. The error names what is wrong, never its value.
func New(c Config) (*Client, error) {
	u, err := url.Parse(c.URL)
	switch {
	case err != nil, u.Scheme != "https", u.Hostname() == "", u.User != nil, u.RawQuery != "", u.Fragment != "", strings.Trim(u.Path, "/") != "":
		return nil, errors.New("relay: URL must be https://host[:port]")
	case len(c.Cert.Certificate) == 0 || c.Cert.PrivateKey == nil:
		return nil, errors.New("relay: this desk has no certificate")
	case c.CA == nil:
		return nil, errors.New("relay: CA is missing")
	case c.Timeout < 0:
		return nil, errors.New("relay: Timeout is negative")
	}
	if c.Timeout == 0 {
		c.Timeout = 10 * time.Second
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	if c.Log == nil {
		c.Log = func(string, map[string]any) {}
	}
	k := &Client{cfg: c, base: "https://" + u.Host, slots: make(chan struct{}, 8)}
	k.http = &http.Client{
		Transport: &http.Transport{ // without a proxy: a relay is in the house
			DialContext: (&net.Dialer{Timeout: c.Timeout, KeepAlive: 30 * time.Second}).DialContext,
			TLSClientConfig: &tls.Config{
				MinVersion: tls.VersionTLS13, RootCAs: c.CA, Certificates: []tls.Certificate{c.Cert}, Time: c.Now,
			},
			TLSHandshakeTimeout: c.Timeout, ResponseHeaderTimeout: c.Timeout, MaxResponseHeaderBytes: 64 << 10,
			MaxIdleConns: 4, MaxIdleConnsPerHost: 4, IdleConnTimeout: 90 * time.Second, ForceAttemptHTTP2: true,
		},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	k.breaker = gobreaker.NewCircuitBreaker[Answer](gobreaker.Settings{
		Timeout:      15 * time.Second,
		ReadyToTrip:  func(n gobreaker.Counts) bool { return n.ConsecutiveFailures >= 5 },
		IsSuccessful: func(err error) bool { return !errors.Is(err, insurance.ErrUnreachable) },
		IsExcluded: func(err error) bool {
			var early *earlyError
			return errors.Is(err, context.Canceled) || errors.Is(err, insurance.ErrNotAsked) || errors.As(err, &early)
		},
		OnStateChange: func(_ string, _, to gobreaker.State) { c.Log("relay.breaker", map[string]any{"state": to.String()}) },
	})
	return k, nil
}

// Name implements insurance.Provider.
func (c *Client) Name() string { return insurance.SourceRelay }

// Close gives up the idle connections. Calls that are going on are not disturbed.
func (c *Client) Close() error {
	c.http.CloseIdleConnections()
	return nil
}

// Check implements insurance.Provider.
func (c *Client) Check(ctx context.Context, q insurance.Request) (insurance.Eligibility, error) {
	a, err := c.ask(ctx, PathEligibility, q)
	e := insurance.Eligibility{Source: insurance.SourceRelay, AsOf: c.cfg.Now(), Raw: a.Raw}
	if err != nil {
		if a.Code == "" && len(a.Raw) == 0 {
			return insurance.Eligibility{}, err
		}
		e.Code = a.Code
		return e, err
	}
	if a.Eligibility == nil {
		return insurance.Eligibility{}, insurance.ErrGarbage
	}
	return c.believe(*a.Eligibility, a.Raw, q)
}

// History implements insurance.HistoryProvider.
func (c *Client) History(ctx context.Context, q insurance.Request) (insurance.History, error) {
	a, err := c.ask(ctx, PathHistory, q)
	if err != nil {
		return insurance.History{Code: a.Code}, err
	}
	h := a.History
	if h == nil || len(h.Visits) > insurance.MaxVisits || !shortCode(h.Code) {
		return insurance.History{}, insurance.ErrGarbage
	}
	for i := range h.Visits {
		v := &h.Visits[i]
		for _, s := range []*string{&v.ID, &v.Facility, &v.Diagnosis, &v.Discharge, &v.Outcome, &v.Reason} {
			*s = plain(*s)
		}
	}
	h.Reason = ""
	if h.AsOf.IsZero() || h.AsOf.After(c.cfg.Now()) {
		h.AsOf = c.cfg.Now()
	}
	return *h, nil
}

// earlyError is the end of a caller's time before the relay has had its own.
type earlyError struct{ error }

func (e *earlyError) Unwrap() error { return e.error }

// ask makes one call, and once more where the connection was cut.
func (c *Client) ask(ctx context.Context, path string, q insurance.Request) (Answer, error) {
	q.Care = nil // an insurer is not told, nor who asks one
	body, err := json.Marshal(Question{Request: q})
	if err != nil || len(body) > MaxQuestion {
		return Answer{}, &insurance.NotAskedError{Err: insurance.ErrRequest}
	}
	select {
	case c.slots <- struct{}{}:
		defer func() { <-c.slots }()
	case <-ctx.Done():
		return Answer{}, &insurance.NotAskedError{Err: contextError(ctx.Err())}
	}
	a, err := c.breaker.Execute(func() (Answer, error) {
		began := time.Now()
		a, cut, err := c.once(ctx, path, body)
		if cut && ctx.Err() == nil {
			a, _, err = c.once(ctx, path, body)
		}
		if errors.Is(err, context.DeadlineExceeded) && time.Since(began) < c.cfg.Timeout*2/5 {
			err = &earlyError{err}
		}
		return a, err
	})
	if errors.Is(err, gobreaker.ErrOpenState) || errors.Is(err, gobreaker.ErrTooManyRequests) {
		return Answer{}, insurance.ErrNotAsked
	}
	return a, err
}

// once makes one call. cut says that the connection was cut before an answer came.
func (c *Client) once(ctx context.Context, path string, body []byte) (a Answer, cut bool, err error) {
	limited, cancel := context.WithTimeout(ctx, c.cfg.Timeout)
	defer cancel()
	start := time.Now()
	status, answer, err := c.post(limited, path, body)
	fields := map[string]any{"call": strings.TrimPrefix(path, "/v1/"), "ms": time.Since(start).Milliseconds()}
	defer func() { c.cfg.Log("relay.call", fields) }()
	switch {
	case err == nil:
		fields["status"] = status
		a, err = read(status, answer)
		return a, false, err
	case ctx.Err() != nil:
		fields["error"] = "ended"
		return Answer{}, false, contextError(ctx.Err())
	case errors.Is(err, insurance.ErrGarbage):
		fields["error"] = "garbage"
		return Answer{}, false, err
	}
	// The error itself may hold the address: only its kind goes on.
	word, sentinel := cause(err)
	fields["error"] = word
	return Answer{}, word == insurance.NetworkCut, fmt.Errorf("%w: %s", sentinel, word)
}

func (c *Client) post(ctx context.Context, path string, body []byte) (int, []byte, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, c.base+path, bytes.NewReader(body))
	if err != nil {
		return 0, nil, err
	}
	req.Header.Set("Content-Type", "application/json; charset=utf-8")
	req.Header.Set("Accept", "application/json")
	req.Header.Set("User-Agent", "tapcheck")
	resp, err := c.http.Do(req)
	if err != nil {
		return 0, nil, err
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(io.LimitReader(resp.Body, MaxAnswer+1))
	if len(b) > MaxAnswer {
		return 0, nil, fmt.Errorf("%w: more than 256 KiB", insurance.ErrGarbage)
	}
	if err != nil {
		return 0, nil, err
	}
	if kind, _, _ := mime.ParseMediaType(resp.Header.Get("Content-Type")); resp.StatusCode == http.StatusOK && kind != "application/json" {
		return 0, nil, fmt.Errorf("%w: no JSON", insurance.ErrGarbage)
	}
	return resp.StatusCode, b, nil
}

// read makes an answer of a status and a body, or the error that it stands for.
func read(status int, body []byte) (Answer, error) {
	switch status {
	case http.StatusOK:
	case http.StatusForbidden, http.StatusUnauthorized:
		return Answer{}, fmt.Errorf("%w: HTTP status %d", insurance.ErrRejected, status)
	case http.StatusTooManyRequests, http.StatusBadGateway, http.StatusServiceUnavailable, http.StatusGatewayTimeout:
		return Answer{}, fmt.Errorf("%w: HTTP status %d", insurance.ErrUnreachable, status)
	default:
		return Answer{}, fmt.Errorf("%w: HTTP status %d", insurance.ErrGarbage, status)
	}
	var a Answer
	if !utf8.Valid(body) || json.Unmarshal(body, &a) != nil || !shortCode(a.Code) {
		return Answer{}, insurance.ErrGarbage
	}
	var sentinel error
	switch a.Error {
	case "":
		return a, nil
	case Unreachable:
		sentinel = insurance.ErrUnreachable
	case NotAsked:
		return Answer{}, insurance.ErrNotAsked
	case Rejected:
		sentinel = insurance.ErrRejected
	case Request:
		sentinel = insurance.ErrRequest
	default:
		sentinel = insurance.ErrGarbage
	}
	a.Eligibility, a.History = nil, nil
	if a.Code != "" {
		return a, &insurance.CodeError{Code: a.Code, Err: sentinel}
	}
	return a, sentinel
}

var (
	codeForm     = regexp.MustCompile(`^[0-9A-Za-z]{0,8}$`)
	idForm       = regexp.MustCompile(`^[A-Z][A-Z0-9_]{0,63}$`)
	cardForm     = regexp.MustCompile(`^([0-9A-Z]{10,15})?$`)
	facilityForm = regexp.MustCompile(`^([0-9A-Z]{2,8})?$`)
	areaForm     = regexp.MustCompile(`^(K[1-3])?$`)
	fieldForm    = regexp.MustCompile(`^[a-z][A-Za-z]{0,31}$`)
	kindForm     = regexp.MustCompile(`^[a-z_]{1,32}$`)
)

func shortCode(s string) bool { return codeForm.MatchString(s) }

// believe takes over what of an eligibility is one.
func (c *Client) believe(said insurance.Eligibility, raw []byte, q insurance.Request) (insurance.Eligibility, error) {
	switch said.State {
	case insurance.Eligible, insurance.NotEligible, insurance.Check, insurance.Unknown:
	default:
		return insurance.Eligibility{}, fmt.Errorf("%w: no such state", insurance.ErrGarbage)
	}
	if !shortCode(said.Code) {
		return insurance.Eligibility{}, fmt.Errorf("%w: result code", insurance.ErrGarbage)
	}
	now := c.cfg.Now()
	day := now
	if !q.At.IsZero() {
		day = q.At
	}
	e := insurance.Eligibility{
		State: said.State, Source: insurance.SourceRelay, AsOf: said.AsOf, Code: said.Code, Text: plain(said.Text), TextEN: plain(said.TextEN), Raw: raw,
	}
	if e.AsOf.IsZero() || e.AsOf.After(now) {
		e.AsOf = now
	}
	if idForm.MatchString(said.Advice) {
		e.Advice = said.Advice
	}
	for _, d := range said.Differences[:min(len(said.Differences), 32)] {
		if fieldForm.MatchString(d.Field) && kindForm.MatchString(d.Kind) {
			one := insurance.Difference{Field: d.Field, Kind: d.Kind}
			if kindForm.MatchString(d.Cause) {
				one.Cause = d.Cause
			}
			if kindForm.MatchString(d.Between) {
				one.Between = d.Between
			}
			if idForm.MatchString(d.Advice) {
				one.Advice = d.Advice
			}
			e.Differences = append(e.Differences, one)
		}
	}
	for _, l := range said.LookedUpBy[:min(len(said.LookedUpBy), insurance.MaxLookUps)] {
		if facility := plain(l.Facility); facility != "" && shortCode(l.Code) {
			e.LookedUpBy = append(e.LookedUpBy, insurance.LookUp{Facility: facility, At: l.At, Code: l.Code})
		}
	}
	if said.Card == nil {
		return e, nil
	}
	k := *said.Card
	for _, one := range []struct {
		form *regexp.Regexp
		s    *string
	}{{cardForm, &k.Code}, {cardForm, &k.Previous}, {cardForm, &k.Next}, {facilityForm, &k.RegisteredFacility}, {areaForm, &k.Area}} {
		if !one.form.MatchString(*one.s) {
			*one.s = ""
		}
	}
	odd := false
	for _, s := range []*string{&k.From, &k.To, &k.FiveYearsFrom} {
		if _, err := time.Parse(time.DateOnly, *s); err != nil && *s != "" {
			*s, odd = "", true
		}
	}
	k.BenefitRate = insurance.BenefitRate(k.Code, day)
	e.Card = &k
	if e.State == insurance.Eligible && (odd || !k.Covers(day)) {
		e.State, e.Advice = insurance.Check, "CHECK_PAPERS"
	}
	return e, nil
}

// plain makes a foreign text fit to be shown.
func plain(s string) string { return insurance.Plain(s, 512) }

// Words for whose certificate was not accepted, more exactly than NetworkCause says it.
const (
	wordRelay = "the relay's certificate is not accepted"
	wordDesk  = "this desk's certificate is not accepted"
)

// cause says what went wrong, and what kind of error it is. Where TLS does not come about, asking again is of no use: somebody
// has to act.
func cause(err error) (string, error) {
	var (
		verify *tls.CertificateVerificationError
		remote *net.OpError
	)
	word := insurance.NetworkCause(err)
	switch {
	case word != insurance.NetworkTLS:
		return word, insurance.ErrUnreachable
	case errors.As(err, &verify):
		word = wordRelay
	case errors.As(err, &remote) && remote.Op == "remote error":
		word = wordDesk
	}
	return word, insurance.ErrRejected
}

// contextError is the end of a caller's context as package insurance words it.
func contextError(err error) error {
	if errors.Is(err, context.DeadlineExceeded) {
		return fmt.Errorf("%w: %w", insurance.ErrUnreachable, err)
	}
	return err
}
