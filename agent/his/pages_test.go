package his

import (
	"fmt"
	"io"
	"net/http"
	"runtime"
	"strings"
	"testing"

	"github.com/tapcheck/tapcheck/agent/catalog"
)

// pages are those of a desk: the console and what it asks, the reference, and the client's builds.
func pages() []Page {
	say := func(what string) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			body, err := io.ReadAll(r.Body)
			if err != nil {
				w.WriteHeader(http.StatusRequestEntityTooLarge)
				return
			}
			_, _ = fmt.Fprintf(w, "%s for %s, %d bytes", what, VisitSession(r.Context()), len(body))
		})
	}
	return []Page{
		{Prefix: "/console/", Handler: say("console"), CSP: "default-src 'self'"},
		{Prefix: "/console/api/", Handler: say("api"), Own: true},
		{Prefix: "/docs/", Handler: say("docs")},
		{Prefix: "/client/", Handler: say("client"), Shared: true},
	}
}

func TestPagesStandBehindTheGate(t *testing.T) {
	r := start(t, func(c *Config) { c.Pages = pages() })
	me := fmt.Sprintf("http://127.0.0.1:%d", r.port)
	localhost := fmt.Sprintf("http://localhost:%d", r.port)
	user := "uid:"
	if runtime.GOOS == "windows" {
		user = "session:"
	}
	for _, c := range []struct {
		method, path, origin, site string
		want                       string // start of the body, or the reason of a refusal
	}{
		{"GET", "/console/", "", "", "console for " + user},
		{"GET", "/console/", "", "none", "console for"},
		{"GET", "/console/", "", "cross-site", "console for"}, // a link that was followed
		{"GET", "/console/app.js", me, "same-origin", "console for"},
		{"GET", "/console/", "https://evil.example", "cross-site", "ORIGIN_DENIED"},
		{"GET", "/console/", "null", "cross-site", "ORIGIN_DENIED"},
		{"POST", "/console/", me, "same-origin", "BAD_REQUEST"},
		{"GET", "/console", "", "", "NOT_AVAILABLE"},
		{"GET", "/consoles/", "", "", "NOT_AVAILABLE"},
		{"GET", "/docs/asyncapi.json", "", "", "docs for"},
		{"GET", "/docs/asyncapi.json", "https://his.example", "", "docs for"},
		{"GET", "/docs/../console/api/state", "", "", "docs for"}, // never cleaned: the page finds nothing under that name
		{"GET", "/console/api/state", "", "same-origin", "api for " + user},
		{"GET", "/console/api/state", "", "none", "api for"},
		{"GET", "/console/api/state", me, "same-origin", "api for"},
		{"GET", "/console/api/state", localhost, "cross-site", "api for"},
		{"POST", "/console/api/login", me, "same-origin", "api for"},
		{"PUT", "/console/api/settings", me, "", "api for"},
		{"GET", "/console/api/state", "", "", "ORIGIN_DENIED"},
		{"GET", "/console/api/state", "", "cross-site", "ORIGIN_DENIED"},
		{"GET", "/console/api/state", "", "same-site", "ORIGIN_DENIED"},
		{"POST", "/console/api/login", "", "same-origin", "ORIGIN_DENIED"},
		{"POST", "/console/api/login", "", "", "ORIGIN_DENIED"},
		{"GET", "/console/api/state", "https://his.example", "same-origin", "ORIGIN_DENIED"},
		{"POST", "/console/api/login", "https://his.example", "cross-site", "ORIGIN_DENIED"},
		{"POST", "/console/api/login", "https://evil.example", "cross-site", "ORIGIN_DENIED"},
		{"POST", "/console/api/login", "null", "cross-site", "ORIGIN_DENIED"},
		{"POST", "/console/api/login", strings.Replace(me, "http:", "https:", 1), "cross-site", "ORIGIN_DENIED"},
		{"POST", "/console/api/login", "http://127.0.0.1:1", "same-site", "ORIGIN_DENIED"},
		{"GET", "/client/tapcheck.mjs", "https://his.example", "cross-site", "client for"},
		{"GET", "/client/tapcheck.js", "", "cross-site", "client for"},
		{"GET", "/client/tapcheck.mjs", "https://evil.example", "cross-site", "ORIGIN_DENIED"},
	} {
		req, err := http.NewRequestWithContext(t.Context(), c.method, fmt.Sprintf("http://127.0.0.1:%d%s", r.port, c.path), nil)
		if err != nil {
			t.Fatal(err)
		}
		if c.origin != "" {
			req.Header.Set("Origin", c.origin)
		}
		if c.site != "" {
			req.Header.Set("Sec-Fetch-Site", c.site)
		}
		resp, err := http.DefaultTransport.RoundTrip(req)
		if err != nil {
			t.Fatal(err)
		}
		raw, _ := io.ReadAll(resp.Body)
		_ = resp.Body.Close()
		got := string(raw)
		if reason := resp.Header.Get(ReasonHeader); reason != "" {
			got = reason
		}
		if !strings.HasPrefix(got, c.want) {
			t.Errorf("%+v: got %q", c, got)
		}
		if csp := resp.Header.Get("Content-Security-Policy"); !strings.Contains(csp, "frame-ancestors 'none'") || !strings.HasPrefix(csp, "default-src '") {
			t.Errorf("%+v: policy %q", c, csp)
		}
		cors := resp.Header.Get("Access-Control-Allow-Origin")
		if c.want == "client for" && c.origin != cors || c.want != "client for" && cors != "" {
			t.Errorf("%+v: readable for %q", c, cors)
		}
		if shared := resp.Header.Get("Cross-Origin-Resource-Policy"); strings.Contains(c.want, " for") && (c.want == "client for") != (shared == "cross-origin") {
			t.Errorf("%+v: Cross-Origin-Resource-Policy %q", c, shared)
		}
	}
	req, _ := http.NewRequestWithContext(t.Context(), "POST", me+"/console/api/x", strings.NewReader(strings.Repeat("x", maxPageBody+1)))
	req.Header.Set("Origin", me)
	resp, err := http.DefaultTransport.RoundTrip(req)
	if err != nil {
		t.Fatal(err)
	}
	_ = resp.Body.Close()
	if resp.StatusCode != http.StatusRequestEntityTooLarge {
		t.Error("a body beyond the bound is read in whole:", resp.Status)
	}
	http.DefaultTransport.(*http.Transport).CloseIdleConnections()
}

func TestPagesAreChecked(t *testing.T) {
	h := http.NotFoundHandler()
	for name, list := range map[string][]Page{
		"no handler":       {{Prefix: "/x/"}},
		"no slash at end":  {{Prefix: "/x", Handler: h}},
		"all":              {{Prefix: "/", Handler: h}},
		"twice":            {{Prefix: "/x/", Handler: h}, {Prefix: "/x/", Handler: h}},
		"the socket's":     {{Prefix: "/v1/", Handler: h}},
		"private, shared":  {{Prefix: "/x/", Handler: h, Own: true, Shared: true}},
		"the help's place": {{Prefix: "/help/", Handler: h}},
	} {
		if checkPages(list) == nil {
			t.Error(name, "was taken")
		}
	}
}

// A page that floods without an Origin must not keep the console from loading, nor its script from asking.
func TestFloodWithoutOriginLeavesTheConsole(t *testing.T) {
	r := start(t, func(c *Config) { c.Pages, c.Limits = pages(), Limits{RequestsPerSecond: 2} })
	get := func(path, site string) string {
		req, _ := http.NewRequestWithContext(t.Context(), "GET", fmt.Sprintf("http://127.0.0.1:%d%s", r.port, path), nil)
		req.Header.Set("Sec-Fetch-Site", site)
		resp, err := http.DefaultTransport.RoundTrip(req)
		if err != nil {
			t.Fatal(err)
		}
		_ = resp.Body.Close()
		return resp.Header.Get(ReasonHeader)
	}
	limited := 0
	for range 20 {
		if get("/console/", "cross-site") == string(catalog.RateLimited) {
			limited++
		}
	}
	if limited == 0 {
		t.Error("the flood was not limited")
	}
	for path, site := range map[string]string{"/console/": "none", "/console/api/state": "same-origin"} {
		if reason := get(path, site); reason != "" {
			t.Errorf("%s: %s", path, reason)
		}
	}
	http.DefaultTransport.(*http.Transport).CloseIdleConnections()
}
