package fhir

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"time"

	"github.com/tapcheck/tapcheck/insurance"
)

// OAuth says where a token comes from: client credentials (RFC 6749, 4.4), with the client authenticated in the header (2.3.1).
type OAuth struct {
	TokenURL     string // https, or http on this machine
	ClientID     string
	ClientSecret insurance.Secret
	Scope        string // empty: the server's default
}

func (o *OAuth) check() error {
	if _, err := endpoint(o.TokenURL); err != nil {
		return fmt.Errorf("TokenURL %w", err)
	}
	if o.ClientID == "" || len(o.ClientID) > 512 || o.ClientSecret == "" {
		return errors.New("ClientID or ClientSecret is missing")
	}
	return nil
}

const (
	maxToken     = 16 << 10
	refreshEarly = 30 * time.Second
	unknownLife  = 5 * time.Minute // of a token whose end is not said
	leastLife    = 10 * time.Second
	longestLife  = 12 * time.Hour
)

// tokens keeps one bearer token; one call fetches it however many wait.
type tokens struct {
	fetch func(context.Context) (insurance.Secret, time.Duration, error) // nil: there is none
	slot  chan struct{}                                                  // holds who looks at what stands below

	current insurance.Secret
	until   time.Time
}

// get gives the token, but not the one that has just been refused.
func (t *tokens) get(ctx context.Context, bad insurance.Secret, now time.Time) (insurance.Secret, error) {
	if t.fetch == nil {
		return "", nil
	}
	select {
	case t.slot <- struct{}{}:
		defer func() { <-t.slot }()
	case <-ctx.Done():
		return "", &insurance.NotAskedError{Err: contextError(ctx.Err())}
	}
	if t.current != "" && t.current != bad && now.Before(t.until) {
		return t.current, nil
	}
	token, life, err := t.fetch(ctx)
	if err != nil {
		return "", err
	}
	t.current, t.until = token, now.Add(life)
	return token, nil
}

// fileToken reads the token that the settings name. It is read each time, so that another program can replace it.
func (c *Client) fileToken(context.Context) (insurance.Secret, time.Duration, error) {
	token, err := c.cfg.Token()
	if err != nil || !sendable(string(token)) {
		return "", 0, &insurance.NotAskedError{Err: fmt.Errorf("%w: no token on this machine", insurance.ErrRejected)}
	}
	return token, 0, nil
}

// sendable says whether a token can stand in a header (RFC 6750, 2.1).
func sendable(token string) bool {
	for _, c := range []byte(token) {
		if c <= ' ' || c > '~' {
			return false
		}
	}
	return token != "" && len(token) <= maxToken
}

// grant asks for a token. It may be asked for twice, for an older one stays valid.
func (c *Client) grant(ctx context.Context) (insurance.Secret, time.Duration, error) {
	o := c.cfg.OAuth
	form := url.Values{"grant_type": {"client_credentials"}}
	if o.Scope != "" {
		form.Set("scope", o.Scope)
	}
	r, err := c.post(ctx, "token", o.TokenURL, "application/x-www-form-urlencoded", []byte(form.Encode()), func(h http.Header) {
		req := http.Request{Header: h}
		req.SetBasicAuth(url.QueryEscape(o.ClientID), url.QueryEscape(string(o.ClientSecret)))
		h.Set("Accept", "application/json")
	})
	if err != nil {
		return "", 0, err
	}
	var a struct {
		AccessToken string  `json:"access_token"`
		TokenType   string  `json:"token_type"`
		ExpiresIn   float64 `json:"expires_in"`
	}
	switch failed := byStatus(r.status); {
	case r.status == http.StatusBadRequest: // invalid_client, invalid_scope and the like (5.2)
		return "", 0, fmt.Errorf("%w: HTTP status %d for a token", insurance.ErrRejected, r.status)
	case failed != nil:
		return "", 0, fmt.Errorf("%w: HTTP status %d for a token", failed, r.status)
	case r.status != http.StatusOK || json.Unmarshal(r.body, &a) != nil || !sendable(a.AccessToken):
		return "", 0, fmt.Errorf("%w: no token", insurance.ErrGarbage)
	}
	life := unknownLife
	if a.ExpiresIn > 0 && a.ExpiresIn < longestLife.Seconds() {
		life = time.Duration(a.ExpiresIn*float64(time.Second)) - refreshEarly
	} else if a.ExpiresIn > 0 {
		life = longestLife
	}
	return insurance.Secret(a.AccessToken), max(life, leastLife), nil
}
