// Package localgateway is a stand-in for the health insurance gateway of Vietnam Social Security on this machine: for tests, for the
// demonstration and for HIS vendors who have no account. It has the same paths, takes the same forms (JSON and form-urlencoded), checks
// account, token and staff, and has the same quirks: the result code 401 within HTTP 200, expiry with seven digits of a fraction, earlier visits that are
// null in a look-up and come by a call of their own, which takes no JSON. Everybody in its register is invented (members.json), and each stands for
// one case of the desk.
//
// It answers on loopback only. Scenarios make it ill for everybody (Set), and "code:" with a result code gives that answer to every look-up;
// a member's behaviour makes it ill for one. Scenarios lists them all. `tapcheck sim gateway` is this gateway for who writes a HIS.
package localgateway

import (
	"context"
	"crypto/md5" //nolint:gosec // the gateway's own form of a password
	"crypto/rand"
	"crypto/subtle"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log"
	"maps"
	"mime"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"golang.org/x/text/unicode/norm"

	"github.com/tapcheck/tapcheck/insurance"
	"github.com/tapcheck/tapcheck/insurance/bhyt"
)

// Scenario is how the gateway is for everybody.
type Scenario string

// Scenarios. Besides these there is "code:" and a result code: each look-up is answered with it.
const (
	Normal             Scenario = "normal"
	Down               Scenario = "down"                // cuts every connection
	Late               Scenario = "slow"                // answers a look-up after Options.Delay
	Garbage            Scenario = "garbage"             // answers with bytes that mean nothing
	HTML               Scenario = "html"                // an error page with HTTP 200
	HTML503            Scenario = "html_503"            // an error page with HTTP 503
	Truncated          Scenario = "truncated"           // JSON that stops in the middle
	Cut                Scenario = "cut"                 // an answer that stops before its announced length
	Drip               Scenario = "drip"                // a look-up answered one byte at a time, without end
	Huge               Scenario = "huge"                // 10 MB
	Redirect           Scenario = "redirect"            // to elsewhere
	UnauthorizedOnce   Scenario = "unauthorized_once"   // HTTP 200 with 401 inside, once; then Normal
	UnauthorizedHTTP   Scenario = "unauthorized_http"   // HTTP 401 with an error page, once; then Normal
	UnauthorizedAlways Scenario = "unauthorized_always" // every look-up is HTTP 200 with 401 inside
	Forbidden          Scenario = "forbidden"           // the account may log in and may not look up: HTTP 403
	History            Scenario = "history"             // with earlier visits and diagnoses, as before 2025
	Restless           Scenario = "restless"            // fields of other types: numbers, null, lists
	Nulls              Scenario = "nulls"               // the code, and every other field null
	Absurd             Scenario = "absurd"              // dates that are none, and some that nobody lives to see
	LookedUp           Scenario = "looked_up"           // other facilities looked this card up today
	TCVN3              Scenario = "tcvn3"               // names in TCVN3, shown as Latin-1
	TCVN3Bytes         Scenario = "tcvn3_bytes"         // the same as bytes that are no UTF-8
	VNI                Scenario = "vni"                 // names in VNI
	Coded400           Scenario = "coded_400"           // HTTP 400 with the answer inside
	Overloaded         Scenario = "overloaded"          // HTTP 503 without a word, once; then Normal
	TooMany            Scenario = "too_many"            // HTTP 429, and when to come back
	TokenDown          Scenario = "token_down"          // gives no token any more, and looks up with those it gave
	HistoryDown        Scenario = "history_down"        // cuts the call for earlier visits, and looks up

	codePrefix = "code:"
)

var scenarios = map[Scenario]bool{
	Normal: true, Down: true, Late: true, Garbage: true, HTML: true, HTML503: true, Truncated: true, Cut: true, Drip: true, Huge: true, Redirect: true,
	UnauthorizedOnce: true, UnauthorizedHTTP: true, UnauthorizedAlways: true, Forbidden: true, History: true, Restless: true,
	Nulls: true, Absurd: true, LookedUp: true, TCVN3: true, TCVN3Bytes: true, VNI: true, Coded400: true, Overloaded: true, TooMany: true, TokenDown: true, HistoryDown: true,
}

// aboutCards are the scenarios in which tokens are given as ever.
var aboutCards = map[Scenario]bool{
	Late: true, Drip: true, Overloaded: true, Restless: true, Nulls: true, Absurd: true, LookedUp: true, TCVN3: true, TCVN3Bytes: true, VNI: true, Coded400: true, HistoryDown: true,
}

// Scenarios lists what Set takes: the kinds of illness by name, then one for each result code that is known.
func Scenarios() []Scenario {
	list := slices.Sorted(maps.Keys(scenarios))
	for _, c := range bhyt.Codes() {
		list = append(list, Scenario(codePrefix+c.Code))
	}
	return list
}

// Account is what a client needs to be let in. It is invented.
type Account struct {
	Username, Password     string
	StaffName, StaffNumber string
}

// Options make a gateway. The zero value is what the demonstration uses.
type Options struct {
	Members   []Member      // nil: Members()
	Delay     time.Duration // of what is slow; 0 is 8 s, longer than a desk waits
	Latency   time.Duration // of every call
	Marked    bool          // says in each answer that it is none of the real gateway (bhyt.SimulatedHeader)
	TokenLife time.Duration // 0 is an hour
	Now       func() time.Time
}

// Calls counts what was asked.
type Calls struct{ Token, Lookup, History int }

// Gateway answers. It is an http.Handler, and a server of its own by Start.
type Gateway struct {
	o       Options
	account Account
	mux     *http.ServeMux
	quit    chan struct{} // closed by Close

	mu       sync.Mutex
	scenario Scenario
	tokens   map[string]issued // by access token
	calls    Calls
	server   *http.Server
	served   chan struct{} // closed when the server has ended
	closed   bool
}

type issued struct {
	id    string
	until time.Time
}

const (
	maxBody   = 64 << 10
	maxTokens = 1000
)

// New makes a gateway.
func New(o Options) *Gateway {
	if o.Members == nil {
		o.Members = Members()
	}
	if o.Delay == 0 {
		o.Delay = 8 * time.Second
	}
	if o.TokenLife == 0 {
		o.TokenLife = time.Hour
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	g := &Gateway{
		o: o, mux: http.NewServeMux(), quit: make(chan struct{}), scenario: Normal, tokens: map[string]issued{},
		account: Account{Username: "01004_BV", Password: "mo-phong-2026", StaffName: "Lê Thị Thu", StaffNumber: "001180000001"},
	}
	g.mux.HandleFunc("POST "+bhyt.PathToken, g.take)
	g.mux.HandleFunc("POST "+bhyt.PathLookup, g.lookup)
	g.mux.HandleFunc("POST "+bhyt.PathHistory, g.history)
	return g
}

// Registered are the members of staff in whose name may be asked: the account's own and two more.
func (g *Gateway) Registered() []insurance.Staff {
	return []insurance.Staff{{Name: g.account.StaffName, Number: g.account.StaffNumber}, {Name: "Trần Văn Phúc", Number: "001085000002"}, {Name: "Đỗ Thị Ngân", Number: "001190000003"}}
}

// Account gives the one account that is let in.
func (g *Gateway) Account() Account { return g.account }

// Set puts the gateway into a scenario; empty is Normal.
func (g *Gateway) Set(s Scenario) error {
	if s == "" {
		s = Normal
	}
	code, isCode := strings.CutPrefix(string(s), codePrefix)
	if !scenarios[s] && (!isCode || code == "" || len(code) > 8) {
		return errors.New("localgateway: no such scenario")
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	g.scenario = s
	return nil
}

// Calls tells what was asked so far.
func (g *Gateway) Calls() Calls {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.calls
}

// Start listens on a loopback address ("127.0.0.1:0") and gives the base URL. ctx bounds the start only; the gateway serves until
// Close.
func (g *Gateway) Start(ctx context.Context, addr string) (base string, err error) {
	host, _, err := net.SplitHostPort(addr)
	if ip := net.ParseIP(host); err != nil || ip == nil || !ip.IsLoopback() {
		return "", errors.New("localgateway: the address must be 127.0.0.1:port or [::1]:port")
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.server != nil || g.closed {
		return "", errors.New("localgateway: already started or closed")
	}
	l, err := (&net.ListenConfig{}).Listen(ctx, "tcp", addr)
	if err != nil {
		return "", err
	}
	g.server = &http.Server{
		Handler: g, ReadHeaderTimeout: 10 * time.Second, ReadTimeout: 30 * time.Second, IdleTimeout: time.Minute, MaxHeaderBytes: 64 << 10,
		ErrorLog: log.New(io.Discard, "", 0),
	}
	g.served = make(chan struct{})
	go func(s *http.Server, done chan struct{}) {
		defer close(done)
		_ = s.Serve(l)
	}(g.server, g.served)
	return "http://" + l.Addr().String(), nil
}

// Close ends everything, also what is slow, and waits for the server.
func (g *Gateway) Close() error {
	g.mu.Lock()
	if !g.closed {
		g.closed = true
		close(g.quit)
	}
	server, served := g.server, g.served
	g.mu.Unlock()
	if server == nil {
		return nil
	}
	err := server.Close()
	<-served
	return err
}

// ServeHTTP implements http.Handler.
func (g *Gateway) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	r.Body = http.MaxBytesReader(w, r.Body, maxBody)
	if g.o.Marked {
		w.Header().Set(bhyt.SimulatedHeader, "true")
	}
	if g.o.Latency > 0 && !g.wait(r, g.o.Latency) {
		return
	}
	g.mux.ServeHTTP(w, r)
}

// take hands out a token.
func (g *Gateway) take(w http.ResponseWriter, r *http.Request) {
	g.mu.Lock()
	g.calls.Token++
	s := g.scenario
	g.mu.Unlock()
	if s == TokenDown {
		s = Down
	}
	if !aboutCards[s] && g.ill(w, r, s, bhyt.TokenAnswer{MaKetQua: "200"}) {
		return
	}
	var q bhyt.TokenRequest
	if !decode(r, &q, map[string]*string{"username": &q.Username, "password": &q.Password}) || !g.admits(q.Username, q.Password) {
		send(w, http.StatusOK, bhyt.TokenAnswer{MaKetQua: "401", GhiChu: "Lỗi xác thực tài khoản"})
		return
	}
	access, id := random(), random()
	g.mu.Lock()
	now := g.o.Now()
	for k, t := range g.tokens {
		if len(g.tokens) >= maxTokens || now.After(t.until) {
			delete(g.tokens, k)
		}
	}
	until := now.Add(g.o.TokenLife)
	g.tokens[access] = issued{id: id, until: until}
	g.mu.Unlock()
	send(w, http.StatusOK, bhyt.TokenAnswer{MaKetQua: "200", APIKey: &bhyt.APIKey{
		AccessToken: bhyt.Text(access), IDToken: bhyt.Text(id), TokenType: "Bearer", Username: bhyt.Text(q.Username),
		ExpiresIn: bhyt.Text(until.UTC().Format("2006-01-02T15:04:05.0000000Z")),
	}})
}

// lookup answers about one card.
func (g *Gateway) lookup(w http.ResponseWriter, r *http.Request) {
	g.mu.Lock()
	g.calls.Lookup++
	s := g.scenario
	if s == UnauthorizedOnce || s == UnauthorizedHTTP {
		g.scenario = Normal
		clear(g.tokens)
	}
	if s == Overloaded {
		g.scenario = Normal
	}
	g.mu.Unlock()
	refused := bhyt.Answer{MaKetQua: "401", GhiChu: "Lỗi xác thực tài khoản"}
	switch s {
	case UnauthorizedOnce, UnauthorizedAlways:
		send(w, http.StatusOK, refused)
		return
	case UnauthorizedHTTP:
		page(w, http.StatusUnauthorized)
		return
	case Forbidden:
		page(w, http.StatusForbidden)
		return
	}
	if !g.letsIn(r) {
		send(w, http.StatusOK, refused)
		return
	}
	var q bhyt.LookupRequest
	if !decode(r, &q, fieldsOf(&q)) {
		send(w, http.StatusBadRequest, g.coded("205"))
		return
	}
	a, m := g.find(q)
	if code, ok := strings.CutPrefix(string(s), codePrefix); ok {
		a = m.answer(meaning(code), g.o.Now())
	}
	if m.Behaviour == Reset && s == Normal {
		s = Down
	}
	if m.Behaviour == Slow && s == Normal {
		s = Late
	}
	if s == History {
		a.DsLichSuKCB2018 = json.RawMessage(`[{"maHoSo":1,"maCSKCB":"01004","ngayVao":"202401020800","ngayRa":"202401031000","tenBenh":"J18 - Viêm phổi","tinhTrang":"1","kqDieuTri":"1","lyDoVV":"1"}]`)
	}
	if s == LookedUp {
		a.DsLichSuKT2018 = others(g.o.Now())
	}
	if g.ill(w, r, s, a) {
		return
	}
	send(w, http.StatusOK, a)
}

// history answers what a person was treated for: form-urlencoded only, and null where there is nothing.
func (g *Gateway) history(w http.ResponseWriter, r *http.Request) {
	g.mu.Lock()
	g.calls.History++
	s := g.scenario
	g.mu.Unlock()
	if s == HistoryDown {
		s = Down
	}
	if !g.letsIn(r) {
		send(w, http.StatusOK, bhyt.HistoryAnswer{MaKetQua: "401", GhiChu: "Lỗi xác thực tài khoản"})
		return
	}
	var q bhyt.LookupRequest
	kind, _, _ := mime.ParseMediaType(r.Header.Get("Content-Type"))
	if kind != "application/x-www-form-urlencoded" || !decode(r, &q, fieldsOf(&q)) {
		send(w, http.StatusBadRequest, bhyt.HistoryAnswer{MaKetQua: "205", GhiChu: "Lỗi sai định dạng tham số"})
		return
	}
	found, m := g.find(q)
	a := bhyt.HistoryAnswer{MaKetQua: "200", GhiChu: "Thành công"}
	if c, ok := bhyt.LookupCode(string(found.MaKetQua)); m.Persona == "" && ok && c.Err() != nil {
		a.MaKetQua, a.GhiChu = found.MaKetQua, found.GhiChu
	}
	if m.Card != nil && found.MaThe != "" { // asked with the right name and date of birth
		a.DsLichSuKCB2025 = m.visits(g.o.Now())
	}
	if g.ill(w, r, s, a) {
		return
	}
	send(w, http.StatusOK, a)
}

func (g *Gateway) letsIn(r *http.Request) bool {
	p := r.URL.Query()
	return g.admits(p.Get("username"), p.Get("password")) && g.knows(p.Get("token"), p.Get("id_token"))
}

func fieldsOf(q *bhyt.LookupRequest) map[string]*string {
	return map[string]*string{"maThe": &q.MaThe, "hoTen": &q.HoTen, "ngaySinh": &q.NgaySinh, "hoTenCb": &q.HoTenCb, "cccdCb": &q.CccdCb}
}

// find answers a well-formed question about whoever it means.
func (g *Gateway) find(q bhyt.LookupRequest) (bhyt.Answer, Member) {
	staff, number := norm.NFC.String(q.HoTenCb), q.CccdCb
	switch {
	case staff == "":
		a := g.coded("205")
		a.GhiChu = "Null hoTenCb"
		return a, Member{}
	case !slices.ContainsFunc(g.Registered(), func(s insurance.Staff) bool { return s.Number == number }):
		return g.coded("054"), Member{}
	case !slices.ContainsFunc(g.Registered(), func(s insurance.Staff) bool { return s.Number == number && sameName(staff, s.Name) }):
		return g.coded("055"), Member{}
	case q.MaThe == "", q.HoTen == "", q.NgaySinh == "":
		return g.coded("205"), Member{}
	}
	if len(q.MaThe) == 15 {
		switch {
		case q.MaThe[2] < '1' || q.MaThe[2] > '5':
			return g.coded("053"), Member{}
		case !insurance.ValidCardCode(q.MaThe):
			return g.coded("051"), Member{}
		case q.MaThe[3:5] == "00":
			return g.coded("052"), Member{}
		}
	} else if len(q.MaThe) != 10 && len(q.MaThe) != 12 {
		return g.coded("051"), Member{}
	}
	for _, m := range g.o.Members {
		switch {
		case !m.known(q.MaThe):
			continue
		case m.Card != nil && !sameName(q.HoTen, m.FullName):
			return g.coded("060"), m
		case m.Card != nil && !sameDate(q.NgaySinh, m.DateOfBirth):
			return g.coded("070"), m
		}
		return m.answer(meaning(m.Result), g.o.Now()), m
	}
	return g.coded("050"), Member{}
}

// meaning of a code; one that nobody knows has a text too.
func meaning(code string) bhyt.Code {
	if c, ok := bhyt.LookupCode(code); ok {
		return c
	}
	return bhyt.Code{Code: code, VI: "Mã kết quả mới của cổng"}
}

// coded is an answer without a person.
func (g *Gateway) coded(code string) bhyt.Answer { return Member{}.answer(meaning(code), g.o.Now()) }

func (g *Gateway) admits(username, hash string) bool {
	sum := md5.Sum([]byte(g.account.Password)) //nolint:gosec // see the import
	want := hex.EncodeToString(sum[:])
	// The letter says upper case, working programs send lower case: both are let in.
	same := subtle.ConstantTimeCompare([]byte(strings.ToLower(hash)), []byte(want))
	return subtle.ConstantTimeCompare([]byte(username), []byte(g.account.Username))&same == 1
}

func (g *Gateway) knows(access, id string) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	t, ok := g.tokens[access]
	return ok && t.id == id && g.o.Now().Before(t.until)
}

// ill misbehaves as the scenario wants, and says whether it did. answer is what a healthy gateway would say.
func (g *Gateway) ill(w http.ResponseWriter, r *http.Request, s Scenario, answer any) bool {
	switch s {
	case Down:
		reset(w)
	case Late:
		g.wait(r, g.o.Delay)
		return false
	case Garbage:
		w.Header().Set("Content-Type", "application/json")
		_, _ = io.WriteString(w, "\x00\xff}{ not json at all")
	case HTML:
		page(w, http.StatusOK)
	case HTML503:
		page(w, http.StatusServiceUnavailable)
	case Truncated:
		b, _ := json.Marshal(answer)
		w.Header().Set("Content-Type", "application/json")
		_, _ = w.Write(b[:len(b)/2])
	case Cut:
		b, _ := json.Marshal(answer)
		w.Header().Set("Content-Type", "application/json")
		w.Header().Set("Content-Length", fmt.Sprint(len(b)))
		_, _ = w.Write(b[:len(b)/2])
		_ = http.NewResponseController(w).Flush()
		reset(w)
	case Drip:
		w.Header().Set("Content-Type", "application/json")
		flush := http.NewResponseController(w)
		_, _ = io.WriteString(w, `{"maKetQua":"000"`)
		for g.wait(r, 20*time.Millisecond) {
			if _, err := io.WriteString(w, " "); err != nil || flush.Flush() != nil {
				break
			}
		}
	case Huge:
		w.Header().Set("Content-Type", "application/json")
		_, _ = io.WriteString(w, `{"maKetQua":"000","ghiChu":"`)
		chunk := strings.Repeat("x", 64<<10)
		for range 160 {
			if _, err := io.WriteString(w, chunk); err != nil {
				return true
			}
		}
		_, _ = io.WriteString(w, `"}`)
	case Redirect:
		http.Redirect(w, r, "http://127.0.0.1:9/elsewhere", http.StatusTemporaryRedirect)
	case TooMany:
		w.Header().Set("Retry-After", "30")
		page(w, http.StatusTooManyRequests)
	case Overloaded:
		w.WriteHeader(http.StatusServiceUnavailable)
	case Coded400:
		send(w, http.StatusBadRequest, answer)
	case Nulls:
		b, _ := json.Marshal(answer)
		var m map[string]any
		_ = json.Unmarshal(b, &m)
		for name := range m {
			if name != "maKetQua" {
				m[name] = nil
			}
		}
		send(w, http.StatusOK, m)
	case Absurd:
		if a, ok := answer.(bhyt.Answer); ok {
			a.NgaySinh, a.GtTheTu, a.GtTheDen, a.NgayDu5Nam = "31/02/1999", "00/00/0000", "99999999", "01/01/9999"
			a.DsLichSuKT2018 = json.RawMessage(`[{"userKT":"79013_BV","thoiGianKT":"999999999999"}]`)
			answer = a
		}
		send(w, http.StatusOK, answer)
	case TCVN3, TCVN3Bytes, VNI:
		if a, ok := answer.(bhyt.Answer); ok {
			write := inTCVN3
			if s == VNI {
				write = inVNI
			}
			a.HoTen, a.DiaChi = bhyt.Text(write(string(a.HoTen))), bhyt.Text(write(string(a.DiaChi)))
			answer = a
		}
		if s != TCVN3Bytes {
			send(w, http.StatusOK, answer)
			break
		}
		b, _ := json.Marshal(answer)
		w.Header().Set("Content-Type", "application/json")
		_, _ = w.Write(latin1(b))
	case Restless:
		b, _ := json.Marshal(answer)
		var m map[string]any
		_ = json.Unmarshal(b, &m)
		for name, v := range map[string]any{"ghiChu": []string{"x"}, "ngayDu5Nam": 20270101, "gioiTinh": map[string]any{"ma": 1}, "diaChi": nil, "maKV": true, "cqBHXH": 1.5} {
			if _, ok := m[name]; ok {
				m[name] = v
			}
		}
		send(w, http.StatusOK, m)
	default:
		return false
	}
	return true
}

// wait waits, and says whether client and gateway are still there.
func (g *Gateway) wait(r *http.Request, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-r.Context().Done():
	case <-g.quit:
	}
	return false
}

// reset cuts the connection in the middle, with a RST where the platform lets us.
func reset(w http.ResponseWriter) {
	c, _, err := http.NewResponseController(w).Hijack()
	if err != nil {
		panic(http.ErrAbortHandler)
	}
	if tcp, ok := c.(*net.TCPConn); ok {
		_ = tcp.SetLinger(0)
	}
	_ = c.Close()
}

func page(w http.ResponseWriter, status int) {
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.WriteHeader(status)
	_, _ = io.WriteString(w, "<!DOCTYPE html>\n<html><head><title>Lỗi</title></head><body><h1>Hệ thống đang bảo trì</h1></body></html>\n")
}

func send(w http.ResponseWriter, status int, v any) {
	w.Header().Set("Content-Type", "application/json; charset=utf-8")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(v)
}

// decode reads a body in either of the two forms that the gateway takes.
func decode(r *http.Request, v any, fields map[string]*string) bool {
	kind, _, _ := mime.ParseMediaType(r.Header.Get("Content-Type"))
	if kind == "application/x-www-form-urlencoded" {
		if r.ParseForm() != nil {
			return false
		}
		for name, p := range fields {
			*p = r.PostForm.Get(name)
		}
		return true
	}
	// Read to its end: only then does the server notice when a client leaves.
	b, err := io.ReadAll(r.Body)
	return err == nil && json.Unmarshal(b, v) == nil
}

func random() string {
	b := make([]byte, 24)
	_, _ = rand.Read(b)
	return hex.EncodeToString(b)
}
