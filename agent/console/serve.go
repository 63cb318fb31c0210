package console

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"mime"
	"net"
	"net/http"
	"net/url"
	"path"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/tapcheck/tapcheck/agent/catalog"
	"github.com/tapcheck/tapcheck/agent/keys"
)

// Bounds of a request.
const (
	maxBody     = 64 << 10
	maxDepth    = 16
	requestTime = 15 * time.Second // of one that does not wait for news
	watchTime   = 25 * time.Second
)

// policy of the page: its own files, its own API and its own websocket, and nothing else in the world. A policy cannot name
// [::1]; the page moves itself to 127.0.0.1.
func policy(r *http.Request) string {
	port := ""
	if a, ok := r.Context().Value(http.LocalAddrContextKey).(net.Addr); ok {
		_, port, _ = net.SplitHostPort(a.String())
	}
	ws := "ws"
	if r.TLS != nil {
		ws = "wss"
	}
	return fmt.Sprintf("default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data: blob:; media-src blob:; "+
		"connect-src 'self' %[2]s://127.0.0.1:%[1]s %[2]s://localhost:%[1]s; form-action 'none'; frame-ancestors 'none'; base-uri 'none'", port, ws)
}

// types of the page's files; the PC's own table of types is not asked, for anybody could have changed it.
var types = map[string]string{
	".html": "text/html; charset=utf-8", ".css": "text/css; charset=utf-8", ".js": "text/javascript; charset=utf-8", ".mjs": "text/javascript; charset=utf-8",
	".json": "application/json; charset=utf-8", ".svg": "image/svg+xml", ".png": "image/png", ".jpg": "image/jpeg", ".ico": "image/x-icon", ".woff2": "font/woff2",
	".webmanifest": "application/manifest+json", ".txt": "text/plain; charset=utf-8", ".wav": "audio/wav", ".mp3": "audio/mpeg", ".wasm": "application/wasm",
}

// servePage serves the page's files: no listing, nothing hidden, nothing of a kind that is not a page's.
func (k *Console) servePage(w http.ResponseWriter, r *http.Request) {
	name := strings.TrimPrefix(r.URL.Path, "/console/")
	if name == "" {
		name = "index.html"
	}
	kind, known := types[path.Ext(name)]
	if !known || !fs.ValidPath(name) {
		http.NotFound(w, r)
		return
	}
	raw, err := fs.ReadFile(k.c.Page, name)
	if err != nil {
		http.NotFound(w, r)
		return
	}
	h := w.Header()
	h.Set("Content-Type", kind)
	h.Set("Content-Security-Policy", policy(r))
	h.Set("Permissions-Policy", "camera=(self), clipboard-write=(self), microphone=(), geolocation=(), display-capture=(), usb=(), serial=(), hid=(), payment=()")
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Referrer-Policy", "no-referrer")
	_, _ = w.Write(raw)
}

// access says what a route asks of who calls it.
type access int

const (
	anybody       access = iota // nothing: who is not logged in
	holder                      // a token, locked or not
	operator                    // a live session
	administrator               // a live session of an administrator
)

// route is one call of the API. A path may have one part "{}", which is the argument.
type route struct {
	method, path string
	need         access
	run          func(ctx context.Context, q *call) (any, error)
}

// call is one request that has passed all checks.
type call struct {
	w       http.ResponseWriter
	r       *http.Request
	body    []byte
	arg     string
	os      string // session of the operating system
	session session
	lang    catalog.Lang
}

// decode reads the body over v. Unknown fields are ignored, as everywhere in the protocol.
func (q *call) decode(v any) error {
	if err := json.Unmarshal(q.body, v); err != nil {
		var t *json.UnmarshalTypeError
		if errors.As(err, &t) && t.Field != "" && len(t.Field) < 64 {
			return badField(t.Field)
		}
		return catalog.New(catalog.BadRequest, nil)
	}
	return nil
}

func badField(name string) error {
	return catalog.New(catalog.BadRequest, map[string]any{"field": name})
}

// raw is an answer that is no JSON.
type raw struct {
	kind, name string
	data       []byte
}

// match says whether a path is that of a route, and what stands in the place of "{}".
func match(pattern, p string) (arg string, ok bool) {
	before, after, has := strings.Cut(pattern, "{}")
	if !has {
		return "", pattern == p
	}
	rest, ok := strings.CutPrefix(p, before)
	if !ok {
		return "", false
	}
	arg, ok = strings.CutSuffix(rest, after)
	return arg, ok && arg != "" && !strings.Contains(arg, "/")
}

func (k *Console) serveAPI(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Cache-Control", "no-store")
	w.Header().Set("X-Content-Type-Options", "nosniff")
	q := &call{w: w, r: r, lang: k.lang(r)}
	answer, err := k.answer(q)
	if err != nil {
		k.fail(q, err)
		return
	}
	switch a := answer.(type) {
	case raw:
		w.Header().Set("Content-Type", a.kind)
		w.Header().Set("Content-Disposition", mime.FormatMediaType("attachment", map[string]string{"filename": a.name}))
		_, _ = w.Write(a.data)
	default:
		if a == nil {
			a = struct{}{}
		}
		w.Header().Set("Content-Type", "application/json; charset=utf-8")
		_ = json.NewEncoder(w).Encode(a)
	}
}

// answer is the console's own gate, behind the agent's: route, origin, session of the operating system, token, role, body.
func (k *Console) answer(q *call) (_ any, err error) {
	r := q.r
	p := strings.TrimPrefix(r.URL.EscapedPath(), "/console/api")
	var at *route
	methods := []string{}
	for i := range k.routes {
		one := &k.routes[i]
		if arg, ok := match(one.path, p); ok {
			if methods = append(methods, one.method); one.method == r.Method {
				if q.arg, err = url.PathUnescape(arg); err != nil {
					return nil, badField("path")
				}
				at = one
			}
		}
	}
	if len(methods) == 0 {
		return nil, catalog.New(catalog.NotAvailable, nil)
	}
	if at == nil {
		q.w.Header().Set("Allow", strings.Join(methods, ", "))
		return nil, status{http.StatusMethodNotAllowed, catalog.New(catalog.BadRequest, nil)}
	}
	// The gate lets only our own pages come here. The token is what counts; but a page of ours on another name of this PC
	// has no business here either.
	switch origins := r.Header.Values("Origin"); {
	case len(origins) == 1 && (origins[0] == "http://"+r.Host || r.TLS != nil && origins[0] == "https://"+r.Host):
	case len(origins) == 0 && r.Method == http.MethodGet:
		if site := r.Header.Get("Sec-Fetch-Site"); site != "same-origin" && site != "none" {
			return nil, status{http.StatusForbidden, catalog.New(catalog.OriginDenied, nil)}
		}
	default:
		return nil, status{http.StatusForbidden, catalog.New(catalog.OriginDenied, nil)}
	}
	if q.os = k.c.Session(r.Context()); q.os == "" {
		return nil, status{http.StatusForbidden, catalog.New(catalog.PeerDenied, nil)}
	}
	if err := k.authorize(q, at.need); err != nil {
		return nil, err
	}
	if r.Method != http.MethodGet && at.path != framePath { // which reads its own
		if err := readBody(q); err != nil {
			return nil, err
		}
	}
	ctx, stop := context.WithTimeout(r.Context(), requestTime)
	if at.path == "/watch" {
		stop()
		ctx, stop = context.WithTimeout(r.Context(), watchTime)
	}
	defer stop()
	defer func() {
		if p := recover(); p != nil {
			// What was thrown may hold what was typed; its type does not.
			k.c.Log("panic", map[string]any{"route": at.path, "type": fmt.Sprintf("%T", p)})
			err = catalog.New(catalog.Internal, nil)
		}
	}()
	return at.run(ctx, q)
}

func (k *Console) authorize(q *call, need access) error {
	if need == anybody {
		return nil
	}
	values := q.r.Header.Values("Authorization")
	if len(values) != 1 {
		return catalog.New(catalog.ConsoleSessionEnded, nil)
	}
	scheme, token, _ := strings.Cut(values[0], " ")
	if !strings.EqualFold(scheme, "Bearer") {
		return catalog.New(catalog.ConsoleSessionEnded, nil)
	}
	k.dismiss()
	s, is := k.sessions.find(token, q.os)
	switch {
	case is == unknown:
		return catalog.New(catalog.ConsoleSessionEnded, nil)
	case is == locked && need != holder:
		return catalog.New(catalog.ConsoleLocked, nil)
	case need == administrator && s.role != Administrator:
		return catalog.New(catalog.ConsoleForbidden, nil)
	}
	q.session = s
	return nil
}

// readBody takes a JSON object. The kind of content is asked for since a form of any page could send the others.
func readBody(q *call) error {
	kind, _, err := mime.ParseMediaType(q.r.Header.Get("Content-Type"))
	if err != nil || kind != "application/json" {
		return status{http.StatusUnsupportedMediaType, badField("content-type")}
	}
	body, err := io.ReadAll(io.LimitReader(q.r.Body, maxBody+1))
	switch {
	case err != nil:
		return catalog.New(catalog.BadRequest, nil)
	case len(body) > maxBody:
		return status{http.StatusRequestEntityTooLarge, badField("body")}
	}
	if body = bytes.TrimSpace(body); len(body) == 0 {
		body = []byte("{}")
	}
	if !utf8.Valid(body) || body[0] != '{' || tooDeep(body) || !json.Valid(body) {
		return catalog.New(catalog.ParseError, nil)
	}
	q.body = body
	return nil
}

func tooDeep(body []byte) bool {
	depth, text := 0, false
	for i := 0; i < len(body); i++ {
		switch c := body[i]; {
		case text && c == '\\':
			i++
		case c == '"':
			text = !text
		case text:
		case c == '{' || c == '[':
			if depth++; depth > maxDepth {
				return true
			}
		case c == '}' || c == ']':
			depth--
		}
	}
	return false
}

// status is an error whose HTTP status is not its id's own.
type status struct {
	code int
	error
}

func (s status) Unwrap() error { return s.error }

var statuses = map[catalog.ID]int{
	catalog.BadRequest: http.StatusBadRequest, catalog.ParseError: http.StatusBadRequest, catalog.NotAvailable: http.StatusNotFound,
	catalog.ConsoleSessionEnded: http.StatusUnauthorized, catalog.ConsoleLocked: http.StatusUnauthorized, catalog.ConsoleLoginFailed: http.StatusUnauthorized,
	catalog.ConsoleForbidden: http.StatusForbidden, catalog.ConsoleSetupSecret: http.StatusForbidden, catalog.ConsoleTooManyTries: http.StatusTooManyRequests,
	catalog.RateLimited: http.StatusTooManyRequests, catalog.ConsoleAccount: http.StatusUnprocessableEntity, catalog.ConfigInvalid: http.StatusUnprocessableEntity,
	catalog.ConsoleSettingsFile: http.StatusConflict, catalog.JobUnknown: http.StatusNotFound, catalog.JobNotWaiting: http.StatusConflict,
	catalog.KeyMalformed: http.StatusUnprocessableEntity, catalog.QRForeign: http.StatusUnprocessableEntity, catalog.AgentStopping: http.StatusServiceUnavailable,
}

// fail answers with an error of the catalogue.
func (k *Console) fail(q *call, err error) {
	var file *keys.FileError
	e, ours := errors.AsType[*catalog.Error](err)
	switch {
	case ours:
	case errors.Is(err, context.DeadlineExceeded), errors.Is(err, context.Canceled):
		e = catalog.New(catalog.RateLimited, nil) // everybody is logging in at once, or has gone
	case errors.As(err, &file):
		k.c.Log("console.file", map[string]any{"file": path.Base(file.Path), "problem": file.Err.Error()})
		e = catalog.New(catalog.DataFolder, nil)
	default:
		k.c.Log("internal error", map[string]any{"type": fmt.Sprintf("%T", err)})
		e = catalog.New(catalog.Internal, nil)
	}
	code := statuses[e.ID]
	if s, ok := errors.AsType[status](err); ok {
		code = s.code
	}
	if code == 0 {
		code = http.StatusInternalServerError
	}
	wire := e.Wire(q.lang)
	h := q.w.Header()
	h.Set("Content-Type", "application/json; charset=utf-8")
	h.Set("Tapcheck-Reason", string(wire.ID))
	if code == http.StatusUnauthorized {
		h.Set("WWW-Authenticate", "Bearer")
	}
	q.w.WriteHeader(code)
	_ = json.NewEncoder(q.w).Encode(map[string]any{"error": map[string]any{"code": catalog.Code(wire.ID), "message": string(wire.ID), "data": wire}})
}

// lang is the language that the page asks for, else the agent's.
func (k *Console) lang(r *http.Request) catalog.Lang {
	first, _, _ := strings.Cut(r.Header.Get("Accept-Language"), ",")
	switch {
	case strings.HasPrefix(first, "en"):
		return catalog.EN
	case strings.HasPrefix(first, "vi"):
		return catalog.VI
	}
	return catalog.Lang(k.c.Settings.Language)
}
