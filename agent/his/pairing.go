package his

import (
	"context"
	"encoding/json"
	"errors"
	"time"

	"github.com/tapcheck/tapcheck/agent/catalog"
	"github.com/tapcheck/tapcheck/agent/keys"
)

// pairable is what pairing.* asks of who calls: a page, and not one of ours.
func (c *conn) pairable() error {
	if c.who.origin == "" || c.who.own {
		return catalog.New(catalog.OriginDenied, nil)
	}
	return nil
}

func startPairing(_ context.Context, c *conn, params json.RawMessage) (any, error) {
	if err := decode(params, &struct{}{}); err != nil {
		return nil, err
	}
	if err := c.pairable(); err != nil {
		return nil, err
	}
	expires, err := c.s.c.Pairing.Start(c.who.origin)
	if err != nil {
		return nil, pairingError(err)
	}
	// A person walks to the console and back meanwhile. (Until the session is open, that is; later the timer is over.)
	c.openBy(expires.Add(c.s.c.OpenTimeout))
	c.s.c.Log("pairing started", nil)
	return struct {
		ExpiresAt string `json:"expiresAt"`
		Tries     int    `json:"tries"`
	}{expires.Format(time.RFC3339), keys.PairingTries}, nil
}

func confirmPairing(_ context.Context, c *conn, params json.RawMessage) (any, error) {
	var p struct {
		Code string `json:"code"`
	}
	if err := decode(params, &p); err != nil {
		return nil, err
	}
	if p.Code == "" || !short(p.Code, 32) {
		return nil, badField("code")
	}
	if err := c.pairable(); err != nil {
		return nil, err
	}
	secret, t, err := c.s.c.Pairing.Confirm(c.who.origin, p.Code)
	if err != nil {
		return nil, pairingError(err)
	}
	// From now on it is an origin like any other that has a token, and opens its session with that.
	if c.who.pairing { // others read it once a session is open, and it is false then
		c.who.pairing = false
	}
	c.openBy(time.Now().Add(c.s.c.OpenTimeout))
	c.s.c.Log("paired", map[string]any{"token": t.ID})
	expires := ""
	if !t.ExpiresAt.IsZero() {
		expires = t.ExpiresAt.Format(time.RFC3339)
	}
	return struct {
		Token     string   `json:"token"` // shown this once
		TokenID   string   `json:"tokenId"`
		ExpiresAt string   `json:"expiresAt,omitempty"`
		Rights    []string `json:"rights"`
		Fields    []string `json:"fields"`
		// The agent's key, for the page to keep: agent.prove is checked against it before the token is sent again.
		PublicKey  keys.JWK `json:"publicKey"`
		InstanceID string   `json:"instanceId"`
	}{secret, t.ID, expires, t.Rights, t.Fields, c.s.c.Identity.PublicJWK(), c.s.c.Identity.InstanceID()}, nil
}

func pairingError(err error) error {
	if wrong, ok := errors.AsType[*keys.PairingCodeError](err); ok {
		return catalog.New(catalog.PairingCode, map[string]any{"triesLeft": wrong.TriesLeft})
	}
	switch {
	case errors.Is(err, keys.ErrPairingClosed):
		return catalog.New(catalog.PairingClosed, nil)
	case errors.Is(err, keys.ErrPairingEnded):
		return catalog.New(catalog.PairingEnded, nil)
	case errors.Is(err, keys.ErrPairingBusy):
		return catalog.New(catalog.PairingBusy, nil)
	}
	return err // of the disk: INTERNAL, and its kind is logged
}
