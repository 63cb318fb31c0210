package console

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/tapcheck/tapcheck/agent/catalog"
)

// TestWhoMayAskWhat goes over every call of the API × who asks × from where × in which state of the login.
func TestWhoMayAskWhat(t *testing.T) {
	d := newDesk(t)
	admin, operator := d.admin("trưởng"), d.operator("hoa", home)
	lockedOperator := d.login("hoa", home)
	d.post("/lock", lockedOperator, m{})
	elsewhere := d.operator("minh", other)

	// What a call answers to who may make it. The bodies are wrong or empty, so that no call changes what the others need.
	allowed := map[string]struct {
		need   access
		status int
		id     catalog.ID
	}{
		"GET /state":                {anybody, 200, ""},
		"POST /setup":               {anybody, 400, catalog.BadRequest},
		"POST /setup/confirm":       {anybody, 400, catalog.BadRequest},
		"POST /login":               {anybody, 400, catalog.BadRequest},
		"POST /login/totp":          {anybody, 400, catalog.BadRequest},
		"POST /logout":              {holder, 200, ""},
		"POST /unlock":              {holder, 400, catalog.BadRequest},
		"POST /lock":                {operatorNeed, 200, ""},
		"POST /touch":               {operatorNeed, 200, ""},
		"POST /capture":             {anybody, 404, catalog.NotAvailable},
		"POST /capture/state":       {anybody, 404, catalog.NotAvailable},
		"POST /capture/act":         {anybody, 404, catalog.NotAvailable},
		"POST /capture/frame":       {anybody, 404, catalog.NotAvailable},
		"GET /watch":                {operatorNeed, 200, ""},
		"GET /health":               {operatorNeed, 200, ""},
		"POST /jobs/provide":        {operatorNeed, 400, catalog.BadRequest},
		"POST /jobs/capture":        {operatorNeed, 404, catalog.NotAvailable},
		"POST /copy":                {operatorNeed, 400, catalog.BadRequest},
		"GET /proofs":               {operatorNeed, 404, catalog.NotAvailable},
		"POST /proofs":              {operatorNeed, 404, catalog.NotAvailable},
		"GET /accounts":             {administrator, 200, ""},
		"POST /accounts":            {administrator, 422, catalog.ConsoleAccount},
		"POST /accounts/confirm":    {administrator, 400, catalog.BadRequest},
		"POST /accounts/{}/disable": {administrator, 422, catalog.ConsoleAccount},
		"POST /accounts/{}/enable":  {administrator, 422, catalog.ConsoleAccount},
		"POST /accounts/{}/pin":     {administrator, 422, catalog.ConsoleAccount},
		"GET /tokens":               {administrator, 200, ""},
		"POST /tokens":              {administrator, 400, catalog.BadRequest},
		"POST /tokens/{}/revoke":    {administrator, 400, catalog.BadRequest},
		"POST /pairing/open":        {administrator, 400, catalog.BadRequest},
		"POST /pairing/close":       {administrator, 200, ""},
		"GET /settings":             {administrator, 200, ""},
		"PUT /settings":             {administrator, 400, catalog.BadRequest},
		"GET /access":               {administrator, 200, ""},
		"GET /bundle":               {administrator, 200, ""},
	}
	if len(allowed) != len(d.k.routes) {
		t.Errorf("the API has %d calls and the table %d", len(d.k.routes), len(allowed))
	}
	who := []struct {
		name, token, session string
		has                  access     // what they may call
		id                   catalog.ID // what the others get
	}{
		{"no token", "", home, anybody, catalog.ConsoleSessionEnded},
		{"made-up token", tokenPrefix + strings.Repeat("A", 43), home, anybody, catalog.ConsoleSessionEnded},
		{"a HIS's token", "tapcheck_" + strings.Repeat("A", 43), home, anybody, catalog.ConsoleSessionEnded},
		{"locked operator", lockedOperator, home, holder, catalog.ConsoleLocked},
		{"operator of another session of the PC", elsewhere, home, anybody, catalog.ConsoleSessionEnded},
		{"administrator's token in another session", admin, other, anybody, catalog.ConsoleSessionEnded},
		{"operator", operator, home, operatorNeed, catalog.ConsoleForbidden},
		{"administrator", admin, home, administrator, ""},
		{"peer of no session", admin, "none", -1, catalog.PeerDenied},
	}
	// A token of its own for each call, since some of them end it.
	fresh := func(w string) string {
		switch w {
		case "operator":
			return d.login("hoa", home)
		case "locked operator":
			token := d.login("hoa", home)
			d.post("/lock", token, m{})
			return token
		case "administrator":
			k, _ := d.k.c.Accounts.Find("trưởng")
			token, _ := d.k.sessions.open(k, home)
			return token
		}
		return ""
	}
	origins := []struct {
		name, origin, site string
		get, change        bool // goes on to the token
	}{
		{"own", d.url, "", true, true},
		{"none, the browser says same-origin", "none", "same-origin", true, false},
		{"none, typed", "none", "none", true, false},
		{"none, from another page", "none", "cross-site", false, false},
		{"none, from another port of this host", "none", "same-site", false, false},
		{"none at all", "none", "", false, false},
		{"another port", "http://127.0.0.1:1", "", false, false},
		{"another name of this PC", strings.Replace(d.url, "127.0.0.1", "localhost", 1), "", false, false},
		{"https", strings.Replace(d.url, "http:", "https:", 1), "", false, false},
		{"a HIS", "https://his.example", "", false, false},
		{"null", "null", "", false, false},
	}
	rows := 0
	for _, r := range d.k.routes {
		want, there := allowed[r.method+" "+r.path]
		if !there || want.need != r.need {
			t.Errorf("%s %s is not in the table or asks for something else", r.method, r.path)
			continue
		}
		for _, w := range who {
			for _, o := range origins {
				rows++
				token := w.token
				if f := fresh(w.name); f != "" {
					token = f
				}
				q := request{method: r.method, path: strings.Replace(r.path, "{}", "nobody", 1), token: token, session: w.session, origin: o.origin, header: map[string]string{}}
				if o.site != "" {
					q.header["Sec-Fetch-Site"] = o.site
				}
				if r.method != http.MethodGet {
					q.body = "{}"
				}
				got := d.do(q)
				status, id := want.status, want.id
				switch {
				case !o.get && r.method == http.MethodGet, !o.change && r.method != http.MethodGet:
					status, id = 403, catalog.OriginDenied
				case w.session == "none":
					status, id = 403, catalog.PeerDenied
				case r.need != anybody && w.has < r.need:
					id = w.id
					if status = 401; id == catalog.ConsoleForbidden {
						status = 403
					}
				}
				if got.status != status || got.id != id {
					t.Errorf("%s %s by %s, origin %s: %d %s, want %d %s", r.method, r.path, w.name, o.name, got.status, got.id, status, id)
				}
				if status == 401 && got.header.Get("WWW-Authenticate") != "Bearer" {
					t.Errorf("%s: no WWW-Authenticate", r.path)
				}
				if len(got.header.Values("Set-Cookie")) > 0 || got.header.Get("Access-Control-Allow-Origin") != "" || got.header.Get("Cache-Control") != "no-store" {
					t.Errorf("%s: headers %v", r.path, got.header)
				}
			}
		}
	}
	if rows < 2000 {
		t.Errorf("%d rows", rows)
	}
}

const operatorNeed = operator // tests have variables of that name

// TestRequestForm is what a body, a path and a header may look like.
func TestRequestForm(t *testing.T) {
	d := newDesk(t)
	token := d.operator("hoa", home)
	for name, c := range map[string]struct {
		request
		status int
		id     catalog.ID
	}{
		"unknown path":        {request{method: "GET", path: "/nothing"}, 404, catalog.NotAvailable},
		"path with a slash":   {request{method: "POST", path: "/tokens/a/b/revoke"}, 404, catalog.NotAvailable},
		"escaped slash":       {request{method: "POST", path: "/tokens/a%2Fb/revoke", body: "{}"}, 401, catalog.ConsoleSessionEnded},
		"wrong method":        {request{method: "DELETE", path: "/state"}, 405, catalog.BadRequest},
		"GET of a change":     {request{method: "GET", path: "/login"}, 405, catalog.BadRequest},
		"no JSON":             {request{method: "POST", path: "/login", body: "user=hoa"}, 400, catalog.ParseError},
		"a list":              {request{method: "POST", path: "/login", body: "[]"}, 400, catalog.ParseError},
		"two objects":         {request{method: "POST", path: "/login", body: "{}{}"}, 400, catalog.ParseError},
		"not UTF-8":           {request{method: "POST", path: "/login", body: "{\"user\":\"\xff\"}"}, 400, catalog.ParseError},
		"too deep":            {request{method: "POST", path: "/login", body: `{"user":` + strings.Repeat("[", 20) + strings.Repeat("]", 20) + "}"}, 400, catalog.ParseError},
		"too long":            {request{method: "POST", path: "/login", body: `{"user":"` + strings.Repeat("a", maxBody) + `"}`}, 413, catalog.BadRequest},
		"wrong type":          {request{method: "POST", path: "/login", body: `{"user":1}`}, 400, catalog.BadRequest},
		"form of a page":      {request{method: "POST", path: "/login", body: "{}", header: map[string]string{"Content-Type": "text/plain"}}, 415, catalog.BadRequest},
		"a number that is no": {request{method: "GET", path: "/watch?since=-1", token: token}, 400, catalog.BadRequest},
		"basic login":         {request{method: "GET", path: "/health", header: map[string]string{"Authorization": "Basic " + token}}, 401, catalog.ConsoleSessionEnded},
		"long token":          {request{method: "GET", path: "/health", token: tokenPrefix + strings.Repeat("A", 5000)}, 401, catalog.ConsoleSessionEnded},
		"token in a query":    {request{method: "GET", path: "/health?token=" + token}, 401, catalog.ConsoleSessionEnded},
		"token in a cookie":   {request{method: "GET", path: "/health", header: map[string]string{"Cookie": "token=" + token}}, 401, catalog.ConsoleSessionEnded},
		"long name":           {request{method: "POST", path: "/login", body: fmt.Sprintf(`{"user":%q,"pin":"1"}`, strings.Repeat("a", 300))}, 400, catalog.BadRequest},
	} {
		if got := d.do(c.request); got.status != c.status || got.id != c.id {
			t.Errorf("%s: %d %s, want %d %s", name, got.status, got.id, c.status, c.id)
		}
	}
	// A reload of the language.
	for header, want := range map[string]string{"en-GB,en": "The login has ended.", "vi": "Phiên đăng nhập đã kết thúc.", "": "Phiên đăng nhập đã kết thúc."} {
		got := d.do(request{method: "GET", path: "/health", header: map[string]string{"Accept-Language": header}})
		if !strings.Contains(string(got.raw), want) {
			t.Errorf("language %q: %s", header, got.raw)
		}
	}
}

// TestPage is what a browser gets before anybody has logged in.
func TestPage(t *testing.T) {
	d := newDesk(t)
	for path, want := range map[string]struct {
		status int
		kind   string
	}{
		"/console/":                   {200, "text/html; charset=utf-8"},
		"/console/index.html":         {200, "text/html; charset=utf-8"},
		"/console/js/main.js":         {200, "text/javascript; charset=utf-8"},
		"/console/js/":                {404, ""},
		"/console/js":                 {404, ""},
		"/console/page.go":            {404, ""}, // lies there, and is of no kind that a page has
		"/console/../page.go":         {404, ""},
		"/console/js/..%2findex.html": {404, ""},
		"/console/missing.js":         {404, ""},
	} {
		req, err := http.NewRequest("GET", d.url+path, nil)
		if err != nil {
			t.Fatal(err)
		}
		r, err := http.DefaultTransport.RoundTrip(req) // follows nothing
		if err != nil {
			t.Fatal(err)
		}
		r.Body.Close()
		if r.StatusCode != want.status && !(want.status == 404 && r.StatusCode == http.StatusTemporaryRedirect) {
			t.Errorf("%s: %d", path, r.StatusCode)
		}
		if want.status != 200 {
			continue
		}
		csp := r.Header.Get("Content-Security-Policy")
		port := d.url[strings.LastIndexByte(d.url, ':')+1:]
		for _, part := range []string{"default-src 'none'", "script-src 'self'", "style-src 'self'", "ws://127.0.0.1:" + port, "form-action 'none'", "frame-ancestors 'none'", "base-uri 'none'"} {
			if !strings.Contains(csp, part) {
				t.Errorf("%s: the policy lacks %s: %s", path, part, csp)
			}
		}
		if strings.Contains(csp, "unsafe") || strings.Contains(csp, "*") || r.Header.Get("Content-Type") != want.kind ||
			!strings.Contains(r.Header.Get("Permissions-Policy"), "camera=(self)") {
			t.Errorf("%s: %v", path, r.Header)
		}
	}
}

func TestTooDeep(t *testing.T) {
	for body, want := range map[string]bool{
		`{}`: false, `{"a":"` + strings.Repeat("[", 100) + `"}`: false, `{"a":"\"` + strings.Repeat("{", 100) + `"}`: false,
		strings.Repeat("[", maxDepth): false, strings.Repeat("[", maxDepth+1): true, strings.Repeat("{}", 100): false,
	} {
		if tooDeep([]byte(body)) != want {
			t.Errorf("%s", body)
		}
	}
}

// FuzzAPI throws bodies at every call, as an administrator: each is answered, with a status that a page can expect, and
// what was typed is not repeated in an error.
func FuzzAPI(f *testing.F) {
	for _, body := range []string{
		`{"user":"hoa","pin":"402917"}`, `{"os":true}`, `{"ticket":"x","code":"123456"}`, `{"ref":"r1","key":{"can":"123456"}}`, `{"name":"a","role":"admin","password":"x"}`,
		`{"origin":"https://his.example","rights":["read"],"days":1}`, `{"minutes":5}`, `{"console.idle_ms":60000}`, `{"console.idle_ms":null,"x":{}}`, `[]`, ``, `{"a":`,
	} {
		for i := range 27 {
			f.Add(uint8(i), body)
		}
	}
	d := newDesk(f)
	if err := d.k.c.Accounts.add(Account{Name: "fuzz", Role: Administrator, Secret: mustHash(f, d.k.hasher), TOTP: "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ"}); err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, at uint8, body string) {
		d.t = t
		d.clock.pass(time.Hour)
		r := d.k.routes[int(at)%len(d.k.routes)]
		if r.path == "/watch" {
			return // waits
		}
		a, _ := d.k.c.Accounts.Find("fuzz")
		token, _ := d.k.sessions.open(a, home)
		got := d.do(request{method: r.method, path: strings.Replace(r.path, "{}", "hoa", 1), token: token, body: body})
		if got.status >= 500 && got.status != 503 || got.status == 0 {
			t.Errorf("%s %s %q: %d %s", r.method, r.path, body, got.status, got.raw)
		}
		if got.status >= 400 && got.id == "" {
			t.Errorf("%s %s %q: %d without an error of the catalogue", r.method, r.path, body, got.status)
		}
	})
}

func mustHash(t testing.TB, h *hasher) string {
	t.Helper()
	s, err := h.make(t.Context(), password)
	if err != nil {
		t.Fatal(err)
	}
	return s
}
