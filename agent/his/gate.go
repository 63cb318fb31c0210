package his

import (
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/tapcheck/tapcheck/agent/catalog"
	"github.com/tapcheck/tapcheck/agent/keys"
)

// ReasonHeader carries the id of a refusal.
const ReasonHeader = "Tapcheck-Reason"

// admission is who has come through the gate.
type admission struct {
	origin  string     // exactly as sent; empty for a desktop program
	own     bool       // the origin is one of our own pages
	pairing bool       // the origin is not allowed yet: it reaches pairing.* and the agent's proof of itself, and nothing else
	near    bool       // a request without an Origin that no page of others has caused, as the browser says
	token   keys.Token // of a desktop program
	session string     // of the operating system
	port    uint16     // of ours that was asked
}

// refusal is why somebody has not.
type refusal struct {
	status int
	id     catalog.ID
	who    *admission // where that is known
}

// need is what a route asks of a request without an Origin.
type need int

const (
	credential need = iota // a desktop program's bearer token
	public                 // nothing: the route says nothing that is worth protecting
	ours                   // the browser's word that it comes from one of our own pages, or from nowhere
)

// admit is the gate. It stands before every route, and the order is the protocol's.
func (s *Server) admit(r *http.Request, n need) (*admission, *refusal) {
	// 1. The peer is on this PC.
	local, remote, ok := endpoints(r)
	if !ok || !local.Addr().IsLoopback() || !remote.Addr().IsLoopback() {
		return nil, &refusal{status: http.StatusForbidden, id: catalog.PeerDenied}
	}
	// 2. It means us: a page whose name was made to resolve to 127.0.0.1 sends its own name (DNS rebinding).
	if !ownHost(r.Host, local.Port()) {
		return nil, &refusal{status: http.StatusForbidden, id: catalog.HostDenied}
	}
	// 3. A page's origin is ours, allowed, or about to be paired; browsers always send one with a websocket and never let
	// the page choose it. Where there is none it is no page, and it brings a token. A token beside an Origin counts for
	// nothing.
	a := &admission{port: local.Port()}
	switch origins := r.Header.Values("Origin"); {
	case len(origins) == 1 && ownOrigin(r, origins[0], local.Port()):
		a.origin, a.own = origins[0], true
	case n == ours && (len(origins) > 0 || !near(r) || r.Method != http.MethodGet):
		return nil, &refusal{status: http.StatusForbidden, id: catalog.OriginDenied}
	case len(origins) == 1 && s.allowed(origins[0]):
		a.origin = origins[0]
	case len(origins) == 1 && n == credential && s.pairable(origins[0]):
		a.origin, a.pairing = origins[0], true
	case len(origins) > 0:
		return nil, &refusal{status: http.StatusForbidden, id: catalog.OriginDenied}
	case n != credential:
		a.near = near(r)
	default:
		secret, given := bearer(r)
		if !given {
			return nil, &refusal{status: http.StatusForbidden, id: catalog.OriginDenied}
		}
		token, err := s.c.Tokens.Check(secret, "")
		if err != nil {
			return nil, &refusal{status: http.StatusUnauthorized, id: catalog.TokenRejected}
		}
		a.token = token
	}
	// 4. It belongs to somebody's session on this PC, to which its jobs are bound.
	session, err := s.c.Session(r.Context(), local, remote)
	if err != nil || session == "" {
		return nil, &refusal{status: http.StatusForbidden, id: catalog.PeerDenied}
	}
	a.session = session
	// 5. It does not ask too often. (The number of websockets is counted when one is opened.)
	if !s.mayAsk(a, n) {
		return nil, &refusal{http.StatusTooManyRequests, catalog.RateLimited, a}
	}
	return a, nil
}

// allowed says whether an origin may connect. "null" has no form of an origin, so it never has a token.
func (s *Server) allowed(origin string) bool {
	return slices.Contains(s.c.Origins, origin) || s.c.Tokens.Allowed(origin)
}

// pairable says whether an origin may ask to be let in: only while an administrator holds a window open, and only what
// could be allowed at all.
func (s *Server) pairable(origin string) bool {
	if s.c.Pairing == nil {
		return false
	}
	if _, open := s.c.Pairing.Window(); !open {
		return false
	}
	parsed, err := keys.ParseOrigin(origin)
	return err == nil && parsed == origin
}

// ownOrigin says whether a page is one of the agent's own: nobody else can serve one at our address.
func ownOrigin(r *http.Request, origin string, port uint16) bool {
	scheme := "http://"
	if r.TLS != nil {
		scheme = "https://"
	}
	host, ok := strings.CutPrefix(origin, scheme)
	return ok && ownHost(host, port)
}

// near says whether the browser vouches that no page of others has caused a request (Fetch Metadata: the header is one
// that pages cannot set, and browsers send it to loopback over plain http too).
func near(r *http.Request) bool {
	site := r.Header.Values("Sec-Fetch-Site")
	return len(site) == 1 && (site[0] == "same-origin" || site[0] == "none")
}

// endpoints are both ends of the connection.
func endpoints(r *http.Request) (local, remote netip.AddrPort, ok bool) {
	addr, ok := r.Context().Value(http.LocalAddrContextKey).(net.Addr)
	if !ok {
		return local, remote, false
	}
	local, err := netip.ParseAddrPort(addr.String())
	if err != nil {
		return local, remote, false
	}
	remote, err = netip.ParseAddrPort(r.RemoteAddr)
	if err != nil {
		return local, remote, false
	}
	unmap := func(a netip.AddrPort) netip.AddrPort { return netip.AddrPortFrom(a.Addr().Unmap(), a.Port()) }
	return unmap(local), unmap(remote), true
}

// ownHost compares the Host header with the only three that we have.
func ownHost(host string, port uint16) bool {
	p := ":" + strconv.Itoa(int(port))
	return host == "127.0.0.1"+p || host == "localhost"+p || host == "[::1]"+p
}

func bearer(r *http.Request) (secret string, ok bool) {
	values := r.Header.Values("Authorization")
	if len(values) != 1 {
		return "", false
	}
	scheme, secret, ok := strings.Cut(values[0], " ")
	return secret, ok && strings.EqualFold(scheme, "Bearer")
}

// refusalCount counts one kind of refusal and keeps its log lines rare: a hostile page can cause any number of them.
type refusalCount struct {
	n      uint64
	logged time.Time
}

const refusalLogEvery = 10 * time.Second

func (s *Server) count(id catalog.ID) {
	s.mu.Lock()
	c := s.refusals[id]
	if c == nil {
		c = &refusalCount{}
		s.refusals[id] = c
	}
	c.n++
	n, say := c.n, c.logged.IsZero() || time.Since(c.logged) >= refusalLogEvery
	if say {
		c.logged = time.Now()
	}
	s.mu.Unlock()
	if say {
		s.c.Log("refused", map[string]any{"reason": string(id), "count": n})
	}
}

// Refused tells how many requests and frames were refused since the start, by reason.
func (s *Server) Refused() map[catalog.ID]uint64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	m := make(map[catalog.ID]uint64, len(s.refusals))
	for id, c := range s.refusals {
		m[id] = c.n
	}
	return m
}

func (s *Server) refuse(w http.ResponseWriter, req *http.Request, r *refusal) {
	s.count(r.id)
	s.noteRoute(req, r.who, string(r.id))
	writeRefusal(w, r, s.c.Lang)
}

func writeRefusal(w http.ResponseWriter, r *refusal, lang catalog.Lang) {
	w.Header().Set(ReasonHeader, string(r.id))
	w.Header().Set("Content-Type", "application/json; charset=utf-8")
	if r.id == catalog.RateLimited {
		w.Header().Set("Retry-After", "1")
	}
	w.WriteHeader(r.status)
	_ = json.NewEncoder(w).Encode(catalog.New(r.id, nil).Wire(lang))
}

// discovery is what an allowed page learns before it connects. Nothing in it is personal.
type discovery struct {
	Allowed     bool      `json:"allowed"`
	Agent       agentInfo `json:"agent"`
	Protocol    versions  `json:"protocol"`
	URL         string    `json:"url"`
	WSS         string    `json:"wss,omitempty"`
	Subprotocol string    `json:"subprotocol"`
	InstanceID  string    `json:"instanceId"`
	Simulator   bool      `json:"simulator"`
	Proof       *proof    `json:"proof,omitempty"`
}

// serveDiscovery tells a page whether it may connect. A page cannot read a refused websocket, so this is how it tells
// "not allowed" from "not running"; and since Chrome 147 the fetch is what brings up the browser's own prompt. So a page
// that is not allowed gets an answer that it can read, with that one word and nothing else. "null" is no origin: any
// sandboxed frame and any local file has it, so it gets nothing.
func (s *Server) serveDiscovery(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Vary", "Origin")
	a, refused := s.admit(r, public)
	if refused != nil {
		origin := r.Header.Get("Origin")
		parsed, err := keys.ParseOrigin(origin)
		if refused.id == catalog.OriginDenied && len(r.Header.Values("Origin")) == 1 && err == nil && parsed == origin && r.Method == http.MethodGet {
			s.count(refused.id)
			s.noteRoute(r, nil, string(refused.id))
			w.Header().Set(ReasonHeader, string(refused.id))
			// That it may ask to be paired is said while an administrator has opened that, and at no other time.
			refused := map[string]bool{"allowed": false}
			if s.pairable(origin) {
				refused["pairing"] = true
			}
			s.answer(w, origin, refused)
			return
		}
		s.refuse(w, r, refused)
		return
	}
	if r.Method != http.MethodGet {
		w.Header().Set("Allow", http.MethodGet)
		s.refuse(w, r, &refusal{http.StatusMethodNotAllowed, catalog.BadRequest, a})
		return
	}
	d := discovery{
		Allowed: true, Agent: s.agent(), Protocol: versions{ProtocolMin, ProtocolMax},
		URL: fmt.Sprintf("ws://127.0.0.1:%d/v1", a.port), WSS: wssURL(s.c.WSSPort),
		Subprotocol: Subprotocol, InstanceID: s.c.Identity.InstanceID(), Simulator: s.c.Simulator != nil,
	}
	if r.TLS != nil {
		d.URL = wssURL(int(a.port)) // by the way that the question came
	}
	if n := r.URL.Query().Get("nonce"); n != "" {
		nonce, ok := proofNonce(n)
		if !ok {
			s.refuse(w, r, &refusal{http.StatusBadRequest, catalog.BadRequest, a})
			return
		}
		p, err := s.prove(DiscoveryTag, nonce, nil, a.port)
		if err != nil {
			s.refuse(w, r, &refusal{http.StatusInternalServerError, catalog.Internal, a})
			return
		}
		d.Proof = &p
	}
	s.noteRoute(r, a, "ok")
	s.answer(w, a.origin, d)
}

// answer sends JSON that the page of this origin, and no other, can read.
func (s *Server) answer(w http.ResponseWriter, origin string, v any) {
	if origin != "" {
		w.Header().Set("Access-Control-Allow-Origin", origin)
	}
	w.Header().Set("Content-Type", "application/json; charset=utf-8")
	_ = json.NewEncoder(w).Encode(v)
}
