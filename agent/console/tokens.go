package console

import (
	"net/netip"
	"net/url"
	"slices"
	"strings"

	"github.com/tapcheck/tapcheck/agent/keys"
)

// HISTokens are what the websocket asks who somebody is; *keys.TokenStore is one.
type HISTokens interface {
	Check(secret, origin string) (keys.Token, error)
	CheckAssertion(jwt, origin string, challenge []byte) (keys.Token, error)
	Valid(id string) bool
	Allowed(origin string) bool
}

// With adds the console's own sessions to the tokens of programs, so that the page opens the websocket as any HIS does.
func (k *Console) With(t HISTokens) HISTokens { return withSessions{t, k} }

type withSessions struct {
	HISTokens
	k *Console
}

// Check knows the console's tokens where the origin is one of this PC itself; which port of it is ours, the gate has
// checked. Error: keys.ErrTokenRejected.
func (w withSessions) Check(secret, origin string) (keys.Token, error) {
	if !strings.HasPrefix(secret, tokenPrefix) {
		return w.HISTokens.Check(secret, origin)
	}
	w.k.dismiss()
	s, is := w.k.sessions.byToken(secret)
	if is != live || !loopback(origin) {
		return keys.Token{}, keys.ErrTokenRejected
	}
	rights := []string{keys.RightRead, keys.RightInsurance, keys.RightFace, keys.RightEvidence}
	if w.k.c.Simulated {
		rights = append(rights, keys.RightSimulator)
	}
	return keys.Token{
		ID: s.id, Origin: origin, Rights: rights, Fields: slices.Clone(keys.DefaultFields), CreatedAt: s.made,
		Operator: s.user, OperatorSource: keys.OperatorConsole, Session: s.os,
	}, nil
}

// Valid is false as soon as a session is locked or over.
func (w withSessions) Valid(id string) bool {
	if !strings.HasPrefix(id, sessionPrefix) {
		return w.HISTokens.Valid(id)
	}
	w.k.dismiss()
	_, there := w.k.sessions.byID(id)
	return there
}

func loopback(origin string) bool {
	u, err := url.Parse(origin)
	if err != nil {
		return false
	}
	if u.Hostname() == "localhost" {
		return true
	}
	a, err := netip.ParseAddr(u.Hostname())
	return err == nil && a.IsLoopback()
}
