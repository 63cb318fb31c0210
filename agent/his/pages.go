package his

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"time"

	"github.com/tapcheck/tapcheck/agent/catalog"
)

// Page is a part of what the agent's port serves beside the protocol. All of it stands behind the gate.
type Page struct {
	Prefix  string // begins and ends with a slash, such as "/docs/"; of two that fit the longer one counts
	Handler http.Handler
	// Own says that it is private or changes something: it is for the agent's own pages only. A request must have one of
	// our own origins; a GET may do without one where the browser says that no page of others has caused it.
	Own bool
	// Shared says that pages of allowed origins may load and read it (scripts). Whatever is not shared can be embedded
	// by nobody.
	Shared bool
	CSP    string // Content-Security-Policy; "" is "default-src 'none'". That nobody may frame it is added.
}

// maxPageBody bounds the body of a request to a page, in bytes.
const maxPageBody = 1 << 20

// ConsoleClient is the owner's name of what our own pages do, whatever name and port of this PC they were loaded from.
const ConsoleClient = "console"

type visitKey struct{}

// VisitSession is the session of the operating system that a request to a Page belongs to, as the gate found it; "" for
// a request that has not come through the gate.
func VisitSession(ctx context.Context) string {
	s, _ := ctx.Value(visitKey{}).(string)
	return s
}

func checkPages(pages []Page) error {
	seen := map[string]bool{}
	for _, p := range pages {
		switch {
		case p.Handler == nil || len(p.Prefix) < 3 || p.Prefix[0] != '/' || !strings.HasSuffix(p.Prefix, "/"):
			return errors.New("his: a page needs a handler and a prefix with a slash at both ends")
		case seen[p.Prefix] || p.Prefix == "/v1/" || p.Prefix == "/.well-known/" || p.Prefix == "/help/":
			return errors.New("his: the prefix of a page is taken: " + p.Prefix)
		case p.Own && p.Shared:
			return errors.New("his: a page is private or shared: " + p.Prefix)
		}
		seen[p.Prefix] = true
	}
	return nil
}

// page finds the page that a path belongs to. The path is taken as it is: what would have to be cleaned first is nobody's.
func (s *Server) page(path string) *Page {
	var found *Page
	for i := range s.c.Pages {
		if p := &s.c.Pages[i]; strings.HasPrefix(path, p.Prefix) && (found == nil || len(p.Prefix) > len(found.Prefix)) {
			found = p
		}
	}
	return found
}

func (s *Server) servePage(w http.ResponseWriter, r *http.Request, p *Page) {
	h := w.Header()
	n := public
	if p.Own {
		n = ours
	}
	if p.Shared {
		h.Set("Vary", "Origin")
	}
	a, refused := s.admit(r, n)
	if refused == nil && !p.Own && r.Method != http.MethodGet && r.Method != http.MethodHead {
		h.Set("Allow", "GET, HEAD")
		refused = &refusal{http.StatusMethodNotAllowed, catalog.BadRequest, a}
	}
	if refused != nil {
		s.refuse(w, r, refused)
		return
	}
	s.noteRoute(r, a, "ok")
	csp := p.CSP
	if csp == "" {
		csp = "default-src 'none'"
	}
	h.Set("Content-Security-Policy", csp+"; frame-ancestors 'none'")
	h.Set("Referrer-Policy", "no-referrer")
	if p.Shared {
		h.Set("Cross-Origin-Resource-Policy", "cross-origin")
		if a.origin != "" {
			h.Set("Access-Control-Allow-Origin", a.origin)
		}
	} else {
		h.Set("X-Frame-Options", "DENY") // for what does not know frame-ancestors
		h.Set("Cross-Origin-Resource-Policy", "same-origin")
		h.Set("Cross-Origin-Opener-Policy", "same-origin")
	}
	if r.Method == http.MethodGet || r.Method == http.MethodHead {
		// The server's limit is for reading a request; one without a body may wait for its answer (a long poll).
		_ = http.NewResponseController(w).SetReadDeadline(time.Time{})
	}
	r.Body = http.MaxBytesReader(w, r.Body, maxPageBody)
	p.Handler.ServeHTTP(w, r.WithContext(context.WithValue(r.Context(), visitKey{}, a.session)))
}
