package fhir

import (
	"bytes"
	"compress/flate"
	"compress/gzip"
	"context"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptrace"
	"net/url"
	"strings"
	"sync/atomic"
	"time"

	"github.com/sony/gobreaker/v2"

	"github.com/tapcheck/tapcheck/insurance"
)

// Config is what a client works with.
type Config struct {
	// BaseURL is the service base URL of the server (http.html#root), such as https://fhir.insurer.example/r4. Plain http is for a
	// server on this machine (127.0.0.1, ::1) only.
	BaseURL string

	Insurer  Identifier // of the insurer, as it wants to be called
	Facility Identifier // of the facility that asks; empty: not said
	// Namespaces (Identifier.system) of personal numbers and of card codes, where the insurer has agreed on them.
	NumberSystem, CardSystem string

	Token       func() (insurance.Secret, error) // gives the bearer token each time, so that it may be replaced; nil: none
	OAuth       *OAuth                           // or where to get one
	Certificate *tls.Certificate                 // of this client, for mutual TLS; nil: none
	RootCAs     *x509.CertPool                   // nil: the system's

	Timeout time.Duration                         // of one look-up; 0 is 10 s
	Proxy   func(*http.Request) (*url.URL, error) // nil: the environment's (HTTPS_PROXY, NO_PROXY); not for a server on this machine
	Now     func() time.Time

	// Log gets what happened, without personal data and without URLs.
	Log func(event string, fields map[string]any)
}

// Client asks an insurer. It is safe for concurrent use.
type Client struct {
	cfg     Config
	target  string
	http    *http.Client
	tokens  tokens
	breaker *gobreaker.CircuitBreaker[insurance.Eligibility]
}

var _ insurance.Provider = (*Client)(nil)

const (
	operation      = "/CoverageEligibilityRequest/$submit"
	mediaType      = "application/fhir+json" // http.html#mime-type
	maxAnswer      = 1 << 20
	failuresInARow = 5
	leaveAlone     = 15 * time.Second
)

// ParseIdentifier reads "system|value", or a value alone, as the specification writes a token (search.html#token).
func ParseIdentifier(s string) Identifier {
	if system, value, ok := strings.Cut(s, "|"); ok {
		return Identifier{System: system, Value: value}
	}
	return Identifier{Value: s}
}

// endpoint judges an address that secrets or personal data are sent to. The error holds nothing of it.
func endpoint(s string) (*url.URL, error) {
	u, err := url.Parse(s)
	if err != nil || u.Hostname() == "" || u.User != nil || u.RawQuery != "" || u.ForceQuery || u.Fragment != "" || len(s) > 2048 {
		return nil, errors.New("must be https://host[:port]/path")
	}
	if u.Scheme != "https" && (u.Scheme != "http" || !loopback(u)) {
		return nil, errors.New("must begin with https:// (http:// is for this machine only: 127.0.0.1 or [::1])")
	}
	return u, nil
}

func loopback(u *url.URL) bool {
	ip := net.ParseIP(u.Hostname())
	return ip != nil && ip.IsLoopback()
}

// New makes a client. It asks nobody yet. The error names the setting that is wrong, never its value.
func New(c Config) (*Client, error) {
	base, err := endpoint(c.BaseURL)
	if err != nil {
		return nil, fmt.Errorf("fhir: BaseURL %w", err)
	}
	switch {
	case c.Insurer.Value == "" || len(c.Insurer.Value)+len(c.Insurer.System) > 512:
		return nil, errors.New("fhir: Insurer is missing or too long")
	case c.Token != nil && c.OAuth != nil:
		return nil, errors.New("fhir: either Token or OAuth")
	case c.Timeout < 0:
		return nil, errors.New("fhir: Timeout is negative")
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
	if c.Proxy == nil {
		c.Proxy = http.ProxyFromEnvironment
	}
	t := &tls.Config{MinVersion: tls.VersionTLS12, RootCAs: c.RootCAs}
	if c.Certificate != nil {
		t.Certificates = []tls.Certificate{*c.Certificate}
	}
	k := &Client{cfg: c, target: strings.TrimRight(c.BaseURL, "/") + operation}
	k.http = &http.Client{
		Transport: &http.Transport{
			Proxy: func(r *http.Request) (*url.URL, error) {
				if loopback(r.URL) {
					return nil, nil
				}
				return c.Proxy(r)
			},
			DialContext:            (&net.Dialer{Timeout: c.Timeout, KeepAlive: 30 * time.Second}).DialContext,
			TLSClientConfig:        t,
			TLSHandshakeTimeout:    c.Timeout,
			ResponseHeaderTimeout:  c.Timeout,
			MaxResponseHeaderBytes: 64 << 10,
			MaxConnsPerHost:        8,
			MaxIdleConnsPerHost:    4,
			IdleConnTimeout:        15 * time.Second, // on one that the server has given up a question may be lost, and cannot be repeated
			ForceAttemptHTTP2:      true,
		},
		// A redirect would carry the person and the token to somebody else.
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	k.tokens.slot = make(chan struct{}, 1)
	switch {
	case c.Token != nil:
		k.tokens.fetch = k.fileToken
	case c.OAuth != nil:
		if err := c.OAuth.check(); err != nil {
			return nil, fmt.Errorf("fhir: %w", err)
		}
		k.tokens.fetch = k.grant
	}
	if base.Scheme == "http" && c.Certificate != nil {
		return nil, errors.New("fhir: Certificate needs https")
	}
	k.breaker = gobreaker.NewCircuitBreaker[insurance.Eligibility](gobreaker.Settings{
		Timeout:     leaveAlone,
		ReadyToTrip: func(n gobreaker.Counts) bool { return n.ConsecutiveFailures >= failuresInARow },
		IsSuccessful: func(err error) bool { // a server that queues is well
			return !errors.Is(err, insurance.ErrUnreachable) || queued(err)
		},
		IsExcluded: func(err error) bool {
			var early *earlyError
			return errors.Is(err, context.Canceled) || errors.Is(err, insurance.ErrNotAsked) || errors.As(err, &early)
		},
		OnStateChange: func(_ string, _, to gobreaker.State) {
			c.Log("fhir.breaker", map[string]any{"state": to.String()})
		},
	})
	return k, nil
}

func queued(err error) bool {
	var c *insurance.CodeError
	return errors.As(err, &c) && c.Code == "queued"
}

// earlyError is the end of a caller's time before the insurer has had two fifths of Config.Timeout: no fault of the insurer's.
type earlyError struct{ error }

func (e *earlyError) Unwrap() error { return e.error }

// Name implements insurance.Provider.
func (c *Client) Name() string { return insurance.SourceFHIR }

// Close gives up the idle connections. Calls that are going on are not disturbed.
func (c *Client) Close() error {
	c.http.CloseIdleConnections()
	return nil
}

// Check implements insurance.Provider. It ends with ctx, or after Config.Timeout. A number or a card code is needed. Beside an error the eligibility
// holds the server's code, where it gave one. When ctx is over its time, the error is also context.DeadlineExceeded; when
// it was cancelled, it is context.Canceled and not ErrUnreachable. Where nothing was sent at all, it is also insurance.ErrNotAsked.
func (c *Client) Check(ctx context.Context, q insurance.Request) (insurance.Eligibility, error) {
	a, body, err := c.question(q)
	if err != nil {
		return insurance.Eligibility{}, &insurance.NotAskedError{Err: err}
	}
	e, err := c.breaker.Execute(func() (insurance.Eligibility, error) {
		began := time.Now()
		mine, cancel := context.WithTimeout(ctx, c.cfg.Timeout)
		defer cancel()
		e, err := c.ask(mine, a, body)
		if ctx.Err() != nil && err != nil && !errors.Is(err, insurance.ErrNotAsked) {
			err = contextError(ctx.Err())
			if errors.Is(err, context.DeadlineExceeded) && time.Since(began) < c.cfg.Timeout*2/5 {
				err = &earlyError{err}
			}
		}
		return e, err
	})
	if errors.Is(err, gobreaker.ErrOpenState) || errors.Is(err, gobreaker.ErrTooManyRequests) {
		return insurance.Eligibility{}, insurance.ErrNotAsked
	}
	if err != nil {
		c.cfg.Log("fhir.failed", map[string]any{"error": err.Error()})
	}
	return e, err
}

// contextError is the end of a caller's context as package insurance words it.
func contextError(err error) error {
	if errors.Is(err, context.DeadlineExceeded) {
		return fmt.Errorf("%w: %w", insurance.ErrUnreachable, err)
	}
	return err
}

// question makes the Bundle, and what its answer has to be about.
func (c *Client) question(q insurance.Request) (asked, []byte, error) {
	q.Number, q.CardCode = strings.TrimSpace(q.Number), strings.TrimSpace(q.CardCode)
	switch {
	case q.Number+q.CardCode == "" || len(q.Number) > 64 || len(q.CardCode) > 64:
		return asked{}, nil, fmt.Errorf("%w: number or card code", insurance.ErrRequest)
	case len(q.FullName) > 4*maxText:
		return asked{}, nil, fmt.Errorf("%w: name", insurance.ErrRequest)
	case q.DateOfBirth != "" && date(q.DateOfBirth) == "":
		return asked{}, nil, fmt.Errorf("%w: date of birth", insurance.ErrRequest)
	}
	now, at := c.cfg.Now(), q.At
	if at.IsZero() {
		at = now
	}
	id := uuid()
	f := Facts{
		ID: id, Number: q.Number, FullName: insurance.Plain(q.FullName, maxText), DateOfBirth: q.DateOfBirth, Sex: q.Sex, CardCode: q.CardCode,
		NumberSystem: c.cfg.NumberSystem, CardSystem: c.cfg.CardSystem,
	}
	insurer := Reference{Identifier: &c.cfg.Insurer}
	patient := Reference{Reference: urn(id, "Patient")}
	b := Bundle{ResourceType: "Bundle", Type: "collection", Timestamp: instant(now)}
	var coverage *Reference
	var card *Coverage
	if card = coverageOf(f, nil, patient, insurer, nil); card != nil {
		card.Status = "active" // so says who shows it
		coverage = &Reference{Reference: urn(id, "Coverage")}
	}
	r := requestOf(at, patient, coverage, insurer)
	r.Created = instant(now)
	r.Identifier = []Identifier{{System: "urn:ietf:rfc:3986", Value: id}}
	if c.cfg.Facility.Value != "" {
		r.Provider = &Reference{Identifier: &c.cfg.Facility}
	}
	b.Entry = []Entry{{id, r}, {patient.Reference, patientOf(f, nil)}}
	if card != nil {
		b.Entry = append(b.Entry, Entry{coverage.Reference, card})
	}
	body, err := json.Marshal(b)
	if err != nil {
		return asked{}, nil, insurance.ErrRequest
	}
	return asked{q: q, identifier: id, day: at, numbers: c.cfg.NumberSystem}, body, nil
}

// uuid is a random name (RFC 9562, version 4), as a URN.
func uuid() string {
	var u [16]byte
	_, _ = rand.Read(u[:]) // never fails
	u[6], u[8] = u[6]&0x0f|0x40, u[8]&0x3f|0x80
	h := hex.EncodeToString(u[:])
	return fmt.Sprintf("urn:uuid:%s-%s-%s-%s-%s", h[:8], h[8:12], h[12:16], h[16:20], h[20:])
}

// ask sends the question, and once more with a new token where the first was refused for it.
func (c *Client) ask(ctx context.Context, q asked, body []byte) (insurance.Eligibility, error) {
	token, err := c.tokens.get(ctx, "", c.cfg.Now())
	if err != nil {
		return insurance.Eligibility{}, err
	}
	for attempt := 0; ; attempt++ {
		r, err := c.post(ctx, "submit", c.target, mediaType, body, func(h http.Header) {
			if token != "" {
				h.Set("Authorization", "Bearer "+string(token))
			}
		})
		if err != nil {
			return insurance.Eligibility{}, err
		}
		if r.status == http.StatusUnauthorized && attempt == 0 && token != "" {
			// Refused before it was looked at (RFC 9110, 15.5.2), so that it may be sent again.
			fresh, err := c.tokens.get(ctx, token, c.cfg.Now())
			if err == nil && fresh != token {
				token = fresh
				continue
			}
		}
		return judge(q, r, c.cfg.Now())
	}
}

// post makes one call and reads its answer. It is made once more where no connection came about, for then nothing of it was sent.
func (c *Client) post(ctx context.Context, name, target, kind string, body []byte, header func(http.Header)) (reply, error) {
	for attempt := 0; ; attempt++ {
		var sent atomic.Bool
		start := time.Now()
		traced := httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{GotConn: func(httptrace.GotConnInfo) { sent.Store(true) }})
		r, err := c.send(traced, target, kind, body, header)
		word := insurance.NetworkCause(err)
		fields := map[string]any{"call": name, "ms": time.Since(start).Milliseconds()}
		if err == nil {
			fields["status"] = r.status
		} else {
			fields["error"] = word
		}
		c.cfg.Log("fhir.call", fields)
		switch {
		case err == nil:
			return r, nil
		case errors.Is(err, insurance.ErrGarbage):
			return reply{}, err
		case attempt == 0 && !sent.Load() && ctx.Err() == nil && (word == insurance.NetworkCut || word == insurance.NetworkRefused) && pause(ctx):
			continue
		}
		// The error itself holds the URL: only its kind goes on.
		return reply{}, fmt.Errorf("%w: %s", insurance.ErrUnreachable, word)
	}
}

// pause waits a moment, and says whether ctx still lives.
func pause(ctx context.Context) bool {
	t := time.NewTimer(50 * time.Millisecond)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-ctx.Done():
		return false
	}
}

func (c *Client) send(ctx context.Context, target, kind string, body []byte, header func(http.Header)) (reply, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, target, bytes.NewReader(body))
	if err != nil {
		return reply{}, err
	}
	req.Header.Set("Content-Type", kind)
	req.Header.Set("Accept", mediaType+", application/json;q=0.9")
	req.Header.Set("User-Agent", "tapcheck")
	header(req.Header)
	resp, err := c.http.Do(req)
	if err != nil {
		return reply{}, err
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswer+1))
	if len(b) > maxAnswer {
		return reply{}, fmt.Errorf("%w: more than 1 MiB", insurance.ErrGarbage)
	}
	var corrupt flate.CorruptInputError
	switch {
	case errors.Is(err, gzip.ErrHeader), errors.Is(err, gzip.ErrChecksum), errors.As(err, &corrupt):
		return reply{}, fmt.Errorf("%w: cannot be unpacked", insurance.ErrGarbage)
	case err != nil:
		return reply{}, err
	}
	return reply{status: resp.StatusCode, kind: resp.Header.Get("Content-Type"), body: b}, nil
}
