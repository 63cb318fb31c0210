package his

import (
	"context"
	"encoding/json"
	"errors"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/gorilla/websocket"
	"go.uber.org/goleak"

	"github.com/tapcheck/tapcheck/agent/catalog"
	"github.com/tapcheck/tapcheck/agent/catalog/catalogtest"
	"github.com/tapcheck/tapcheck/agent/checkin"
	"github.com/tapcheck/tapcheck/agent/his/schema/schematest"
	"github.com/tapcheck/tapcheck/agent/keys"
	"github.com/tapcheck/tapcheck/insurance"
	"github.com/tapcheck/tapcheck/reader"
)

func TestMain(m *testing.M) {
	goleak.VerifyTestMain(m, goleak.Cleanup(func(status int) { catalogtest.Exit("agent/his", status) }))
}

// The real ones fit.
var (
	_ Engine   = (*checkin.Engine)(nil)
	_ Readers  = reader.Monitor(nil)
	_ Tokens   = (*keys.TokenStore)(nil)
	_ Identity = (*keys.Keys)(nil)
)

// fakeEngine keeps jobs by owner and tells what becomes of them. Start tells the first progress before it returns: the
// earliest that a notification can come.
type fakeEngine struct {
	mu   sync.Mutex
	jobs map[checkin.Owner]map[string]checkin.State
	subs map[checkin.Owner]map[chan checkin.Event]bool
	reqs []checkin.Request

	insurer chan struct{}   // where it is set, each look-up takes a value
	result  *checkin.Result // of every job, where it is set
	need    *checkin.Need   // the same
	got     []int64         // notices that were seen to arrive

	pictures   [][]byte // of live frames
	slowFrames chan struct{}
	consents   []checkin.ConsentRequest
}

func newFakeEngine() *fakeEngine {
	return &fakeEngine{jobs: map[checkin.Owner]map[string]checkin.State{}, subs: map[checkin.Owner]map[chan checkin.Event]bool{}}
}

func (e *fakeEngine) Start(_ context.Context, o checkin.Owner, r checkin.Rights, _ catalog.Lang, req checkin.Request) (checkin.Accepted, error) {
	switch {
	case req.JobID == "panics":
		panic(map[string]string{"name": "Nguyễn Thị Thử"})
	case req.JobID == "fails":
		return checkin.Accepted{}, errors.New("an error with Nguyễn Thị Thử in it")
	case !r.Read:
		return checkin.Accepted{}, catalog.New(catalog.Forbidden, map[string]any{"right": "read"})
	}
	e.mu.Lock()
	if e.jobs[o] == nil {
		e.jobs[o] = map[string]checkin.State{}
	}
	e.jobs[o][req.JobID] = checkin.Waiting
	e.reqs = append(e.reqs, req)
	if strings.HasPrefix(req.JobID, "silent") { // a job of which nothing is told meanwhile
		e.mu.Unlock()
		return checkin.Accepted{JobID: req.JobID, CheckinID: "c-" + req.JobID, State: checkin.Waiting}, nil
	}
	e.tell(o, "job.progress", checkin.Progress{JobID: req.JobID, Seq: 1, Phase: checkin.PhaseWaiting})
	// Whoever relays the event gets every chance to do so before this request is answered.
	for range 1000 {
		waiting := false
		for ch := range e.subs[o] {
			waiting = waiting || len(ch) > 0
		}
		if !waiting {
			break
		}
		runtime.Gosched()
	}
	e.mu.Unlock()
	for range 50 {
		runtime.Gosched()
	}
	return checkin.Accepted{JobID: req.JobID, CheckinID: "c-" + req.JobID, State: checkin.Waiting}, nil
}

func (e *fakeEngine) CardRead(ctx context.Context, o checkin.Owner, r checkin.Rights, l catalog.Lang, req checkin.Request) (checkin.Accepted, error) {
	return e.Start(ctx, o, r, l, req)
}

func (e *fakeEngine) Provide(_ context.Context, o checkin.Owner, p checkin.Provision) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	if _, ok := e.jobs[o][p.JobID]; !ok {
		return catalog.New(catalog.JobUnknown, nil)
	}
	if p.Key != nil && p.Key.CAN == "12345" {
		return catalog.New(catalog.KeyMalformed, nil)
	}
	e.tell(o, "job.progress", checkin.Progress{JobID: p.JobID, Seq: 2, Phase: checkin.PhaseAccess, Percent: 10})
	return nil
}

func (e *fakeEngine) Cancel(_ context.Context, o checkin.Owner, id string) (checkin.JobStatus, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if _, ok := e.jobs[o][id]; !ok {
		return checkin.JobStatus{}, catalog.New(catalog.JobUnknown, nil)
	}
	e.jobs[o][id] = checkin.Cancelled
	return checkin.JobStatus{JobID: id, CheckinID: "c-" + id, State: checkin.Cancelled, Phase: checkin.PhaseDone}, nil
}

func (e *fakeEngine) Status(_ context.Context, o checkin.Owner, id string) (checkin.JobStatus, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	st, ok := e.jobs[o][id]
	if !ok {
		return checkin.JobStatus{}, catalog.New(catalog.JobUnknown, nil)
	}
	phase := checkin.PhaseWaiting
	if st.Final() {
		phase = checkin.PhaseDone
	}
	return checkin.JobStatus{JobID: id, CheckinID: "c-" + id, State: st, Phase: phase, Result: e.result, Need: e.need}, nil
}

func (e *fakeEngine) Link(_ context.Context, o checkin.Owner, r checkin.LinkRequest) (checkin.Linked, error) {
	st, err := e.Status(context.Background(), o, r.JobID)
	if err != nil {
		return checkin.Linked{}, err
	}
	if r.Visit == nil {
		return checkin.Linked{}, catalog.New(catalog.BadRequest, map[string]any{"field": "visit"})
	}
	return checkin.Linked{CheckinID: st.CheckinID, Visit: *r.Visit, Recorded: true}, nil
}

func (e *fakeEngine) Decide(_ context.Context, o checkin.Owner, r checkin.DecideRequest) (checkin.Decided, error) {
	st, err := e.Status(context.Background(), o, r.JobID)
	if err != nil {
		return checkin.Decided{}, err
	}
	d := checkin.Decision{About: r.About, Decision: r.Decision, Reason: r.Reason, Note: r.Note, Operator: r.Operator}
	return checkin.Decided{CheckinID: st.CheckinID, Decisions: []checkin.Decision{d}, Recorded: true}, nil
}

func (e *fakeEngine) Void(_ context.Context, o checkin.Owner, r checkin.VoidRequest) (checkin.Voided, error) {
	st, err := e.Status(context.Background(), o, r.JobID)
	if err != nil {
		return checkin.Voided{}, err
	}
	return checkin.Voided{CheckinID: st.CheckinID, State: checkin.Void, Recorded: true}, nil
}

func (e *fakeEngine) List(_ context.Context, o checkin.Owner, r checkin.ListRequest) (checkin.List, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	list := checkin.List{Checkins: []checkin.Summary{}}
	for id, st := range e.jobs[o] {
		list.Checkins = append(list.Checkins, checkin.Summary{CheckinID: "c-" + id, JobID: id, State: st})
	}
	return list, nil
}

func (e *fakeEngine) Export(_ context.Context, o checkin.Owner, _ checkin.Rights, r checkin.ExportRequest) (checkin.Export, error) {
	st, err := e.Status(context.Background(), o, r.JobID)
	if err != nil {
		return checkin.Export{}, err
	}
	return checkin.Export{CheckinID: st.CheckinID, Format: r.Format, Recorded: true}, nil
}

func (e *fakeEngine) ProofFor(_ context.Context, o checkin.Owner, _ checkin.Rights, r checkin.ProofRequest) (checkin.ProofAnswer, error) {
	st, err := e.Status(context.Background(), o, r.JobID)
	if err != nil {
		return checkin.ProofAnswer{}, err
	}
	return checkin.ProofAnswer{CheckinID: st.CheckinID, Attempts: []checkin.ProofAttempt{}, Paper: checkin.Proof{CheckinID: st.CheckinID}, Recorded: true}, nil
}

// CheckInsurance waits until the insurer is let answer.
func (e *fakeEngine) CheckInsurance(ctx context.Context, _ checkin.Owner, r checkin.Rights, _ catalog.Lang, _ checkin.CheckRequest) (checkin.Check, error) {
	if !r.Insurance {
		return checkin.Check{}, catalog.New(catalog.Forbidden, map[string]any{"right": "insurance"})
	}
	if e.insurer != nil {
		select {
		case <-e.insurer:
		case <-ctx.Done():
			return checkin.Check{}, catalog.New(catalog.AgentStopping, nil)
		}
	}
	return checkin.Check{Eligibility: insurance.Eligibility{State: insurance.Eligible}, Attempt: checkin.Attempt{Outcome: "answered", LookupID: "l-1"}}, nil
}

func (e *fakeEngine) UpdateVisit(_ context.Context, o checkin.Owner, r checkin.Rights, _ catalog.Lang, req checkin.VisitRequest) (checkin.VisitAnswer, error) {
	st, err := e.Status(context.Background(), o, req.JobID)
	if err != nil {
		return checkin.VisitAnswer{}, err
	}
	return checkin.VisitAnswer{CheckinID: st.CheckinID, LookupID: st.CheckinID + "/" + req.Event, Unverified: []checkin.Unverified{}, Next: []checkin.Step{}, Recorded: r.Insurance}, nil
}

func (e *fakeEngine) CloseVisit(ctx context.Context, o checkin.Owner, r checkin.Rights, l catalog.Lang, req checkin.VisitRequest) (checkin.VisitAnswer, error) {
	req.Event = "end"
	return e.UpdateVisit(ctx, o, r, l, req)
}

// A job of the fake engine needs a live image as long as it waits; a frame "slow" takes until its request ends.
func (e *fakeEngine) FaceFrame(ctx context.Context, o checkin.Owner, p checkin.FaceFrameParams) (checkin.FaceFrameResult, error) {
	e.mu.Lock()
	st, ok := e.jobs[o][p.JobID]
	e.pictures = append(e.pictures, p.Image.Data)
	slow := e.slowFrames
	e.mu.Unlock()
	switch {
	case !ok:
		return checkin.FaceFrameResult{}, catalog.New(catalog.JobUnknown, nil)
	case st.Final():
		return checkin.FaceFrameResult{}, catalog.New(catalog.JobNotWaiting, nil)
	}
	if slow != nil {
		select {
		case <-slow:
		case <-ctx.Done():
			return checkin.FaceFrameResult{}, ctx.Err()
		}
	}
	return checkin.FaceFrameResult{Findings: []checkin.FaceFinding{}, Progress: 10, Attempt: 1}, nil
}

func (e *fakeEngine) FaceDropped(checkin.Owner, string) (checkin.FaceFrameResult, error) {
	return checkin.FaceFrameResult{Findings: []checkin.FaceFinding{{ID: "FRAME_DROPPED", Text: "…", Warning: true}}, Progress: 10, Attempt: 1}, nil
}

func (e *fakeEngine) FaceVerify(ctx context.Context, o checkin.Owner, p checkin.FaceFrameParams) (checkin.FaceVerifyResult, error) {
	f, err := e.FaceFrame(ctx, o, p)
	return checkin.FaceVerifyResult{Face: checkin.FaceVerdict{Status: "not_verifiable", Reason: "LIVE_PICTURE_POOR"}, Findings: f.Findings, Attempt: f.Attempt}, err
}

func (e *fakeEngine) RecordConsent(_ context.Context, o checkin.Owner, r checkin.ConsentRequest) (checkin.ConsentRecorded, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if _, ok := e.jobs[o][r.JobID]; !ok {
		return checkin.ConsentRecorded{}, catalog.New(catalog.JobUnknown, nil)
	}
	e.consents = append(e.consents, r)
	return checkin.ConsentRecorded{ConsentID: "consent-1", CheckinID: "c-" + r.JobID, Recorded: true}, nil
}

func (e *fakeEngine) Got(o checkin.Owner, notice int64) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.got = append(e.got, notice)
}

func (e *fakeEngine) Attach(ctx context.Context, o checkin.Owner) <-chan checkin.Event {
	ch := make(chan checkin.Event, 64)
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.subs[o] == nil {
		e.subs[o] = map[chan checkin.Event]bool{}
	}
	e.subs[o][ch] = true
	context.AfterFunc(ctx, func() {
		e.mu.Lock()
		defer e.mu.Unlock()
		if e.subs[o][ch] {
			delete(e.subs[o], ch)
			close(ch)
		}
	})
	return ch
}

// tell sends an event to everybody of an owner, and gives up on who does not drain. e.mu is held.
func (e *fakeEngine) tell(o checkin.Owner, method string, params any) {
	raw, _ := json.Marshal(params)
	var named struct{ JobID string }
	_ = json.Unmarshal(raw, &named)
	ev := checkin.Event{Method: method, JobID: named.JobID, Params: raw}
	if r, ok := params.(checkin.Result); ok {
		ev.Result, ev.Picture = &r, r.Portrait
	}
	if n, ok := params.(*checkin.Need); ok {
		ev.Need = n
	}
	for ch := range e.subs[o] {
		select {
		case ch <- ev:
		default:
			delete(e.subs[o], ch)
			close(ch)
		}
	}
}

// event tells every owner, as if each had such a job.
func (e *fakeEngine) event(method string, params any) {
	e.mu.Lock()
	defer e.mu.Unlock()
	for o := range e.subs {
		e.tell(o, method, params)
	}
}

type fakeReaders struct {
	mu       sync.Mutex
	list     []reader.Info
	watchers map[chan struct{}]bool
}

func (r *fakeReaders) Readers() []reader.Info {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.list)
}

func (r *fakeReaders) Watch(ctx context.Context) <-chan struct{} {
	ch := make(chan struct{}, 1)
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.watchers == nil {
		r.watchers = map[chan struct{}]bool{}
	}
	r.watchers[ch] = true
	context.AfterFunc(ctx, func() {
		r.mu.Lock()
		defer r.mu.Unlock()
		delete(r.watchers, ch)
		close(ch)
	})
	return ch
}

func (r *fakeReaders) set(list ...reader.Info) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.list = list
	for ch := range r.watchers {
		select {
		case ch <- struct{}{}:
		default:
		}
	}
}

// fakeSimulator has one virtual reader.
type fakeSimulator struct{ readers *fakeReaders }

func (f fakeSimulator) Insert(_ context.Context, id, persona, _ string) error {
	if id != "virtual-1" {
		return catalog.New(catalog.ReaderAbsent, nil)
	}
	if persona == "" {
		return catalog.New(catalog.BadRequest, map[string]any{"field": "persona"})
	}
	f.readers.set(reader.Info{ID: "virtual-1", Name: "Virtual 1", Contactless: true, Virtual: true, State: reader.Card, ATR: []byte{0x3B, 0x80}, Insertion: 1})
	return nil
}

func (f fakeSimulator) Remove(context.Context, string) error {
	f.readers.set(reader.Info{ID: "virtual-1", Name: "Virtual 1", Contactless: true, Virtual: true, State: reader.Empty, Insertion: 1})
	return nil
}

func (f fakeSimulator) Fault(_ context.Context, params json.RawMessage) error {
	var p struct{ Gateway string }
	if json.Unmarshal(params, &p) != nil || p.Gateway == "" {
		return catalog.New(catalog.BadRequest, map[string]any{"field": "params"})
	}
	return nil
}

// rig is a server with everything around it.
type rig struct {
	t       testing.TB
	engine  *fakeEngine
	readers *fakeReaders
	tokens  *keys.TokenStore
	keys    *keys.Keys
	server  *Server
	port    int
	secrets map[string]string // by name: WEB, OTHER, DESKTOP, …
	ids     map[string]string // of the tokens, by the same names

	logMu sync.Mutex
	log   strings.Builder
}

// newRig makes a server that nobody serves yet.
func newRig(t testing.TB, change func(c *Config)) *rig {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "data")
	r := &rig{t: t, engine: newFakeEngine(), readers: &fakeReaders{}, secrets: map[string]string{}, ids: map[string]string{}}
	r.readers.set(reader.Info{ID: "virtual-1", Name: "Virtual 1", Contactless: true, Virtual: true, State: reader.Empty})
	var err error
	if r.keys, err = keys.Open(dir); err != nil {
		t.Fatal(err)
	}
	if r.tokens, err = keys.OpenTokens(dir); err != nil {
		t.Fatal(err)
	}
	all := []string{keys.RightRead, keys.RightInsurance, keys.RightSimulator}
	for name, req := range map[string]keys.TokenRequest{
		"WEB":      {Origin: "https://his.example", Rights: all},
		"OTHER":    {Origin: "http://10.0.0.7:8080", Rights: all},
		"DESKTOP":  {Desktop: true, Rights: all},
		"DESKTOP2": {Desktop: true, Rights: all},
		"MINIMAL":  {Desktop: true, Rights: []string{}, Fields: []string{}},
		"REVOKED":  {Origin: "https://revoked.example"},
		"EXPIRED":  {Origin: "https://expired.example", Valid: time.Nanosecond},
	} {
		secret, token, err := r.tokens.Add(req)
		if err != nil {
			t.Fatal(err)
		}
		r.secrets[name], r.ids[name] = secret, token.ID
	}
	if err := r.tokens.Revoke(r.ids["REVOKED"]); err != nil {
		t.Fatal(err)
	}
	c := Config{
		Version: "1.2.3", Engine: r.engine, Readers: r.readers, Simulator: fakeSimulator{r.readers}, Tokens: r.tokens, Identity: r.keys,
		Limits: Limits{RequestsPerSecond: 10000},
		Log: func(event string, fields map[string]any) {
			raw, _ := json.Marshal(fields)
			r.logMu.Lock()
			defer r.logMu.Unlock()
			r.log.WriteString(event + " " + string(raw) + "\n")
		},
	}
	if change != nil {
		change(&c)
	}
	if r.server, err = New(c); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		for id := range r.server.Refused() {
			catalogtest.Saw(id)
		}
	})
	return r
}

// start serves on real loopback ports until the test ends.
func start(t testing.TB, change func(c *Config)) *rig {
	t.Helper()
	r := newRig(t, change)
	ls, port, err := Listen(t.Context(), []int{0})
	if err != nil {
		t.Fatal(err)
	}
	r.port = port
	r.run(ls)
	return r
}

func (r *rig) run(ls []net.Listener) {
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error)
	go func() { done <- r.server.Serve(ctx, ls) }()
	r.t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			r.t.Error("Serve:", err)
		}
	})
}

func (r *rig) logged() string {
	r.logMu.Lock()
	defer r.logMu.Unlock()
	return r.log.String()
}

// expand puts tokens in the place of $WEB and so on.
func (r *rig) expand(s string) string {
	names := make([]string, 0, len(r.secrets))
	for n := range r.secrets {
		names = append(names, n)
	}
	slices.SortFunc(names, func(a, b string) int { return len(b) - len(a) }) // DESKTOP2 before DESKTOP
	for _, n := range names {
		s = strings.ReplaceAll(s, "$"+n, r.secrets[n])
	}
	return s
}

// client is a HIS.
type client struct {
	t     testing.TB
	ws    *websocket.Conn
	n     int
	check schematest.Checker
}

// dial connects; origin is "" for a desktop program, whose token is then the named one.
func (r *rig) dial(origin, token string) *client {
	r.t.Helper()
	h := http.Header{}
	if origin != "" {
		h.Set("Origin", origin)
	} else {
		h.Set("Authorization", "Bearer "+r.secrets[token])
	}
	d := websocket.Dialer{Subprotocols: []string{Subprotocol}, HandshakeTimeout: 5 * time.Second}
	ws, resp, err := d.DialContext(r.t.Context(), "ws://127.0.0.1:"+strconv.Itoa(r.port)+"/v1", h)
	if err != nil {
		status := ""
		if resp != nil {
			status = resp.Status
		}
		r.t.Fatal("dial:", err, status)
	}
	r.t.Cleanup(func() { _ = ws.Close() })
	if ws.Subprotocol() != Subprotocol {
		r.t.Error("subprotocol is", ws.Subprotocol())
	}
	return &client{t: r.t, ws: ws}
}

// open connects and opens a session.
func (r *rig) open(origin, token string) *client {
	r.t.Helper()
	c := r.dial(origin, token)
	c.expectMethod("agent.hello")
	params := map[string]any{"protocol": 1, "client": map[string]string{"name": "test"}, "language": "en"}
	if origin != "" {
		params["token"] = r.secrets[token]
	}
	if m := c.call("session.open", params); m.Error != nil {
		r.t.Fatal("session.open:", m.Error.Data.ID)
	}
	return c
}

// message is any frame of the agent.
type message struct {
	ID     json.RawMessage `json:"id"`
	Method string          `json:"method"`
	Params json.RawMessage `json:"params"`
	Result json.RawMessage `json:"result"`
	Error  *struct {
		Code    int
		Message string
		Data    catalog.Wire
	} `json:"error"`
}

func (c *client) next() (m message, err error) {
	_ = c.ws.SetReadDeadline(time.Now().Add(20 * time.Second)) // a broken agent must not hang the test
	kind, raw, err := c.ws.ReadMessage()
	if err == nil && kind == websocket.TextMessage {
		if unknown := c.check.Received(raw); unknown != nil {
			c.t.Errorf("%v\n%.2000s", unknown, raw)
		}
		err = json.Unmarshal(raw, &m)
		if m.Error != nil {
			catalogtest.Saw(m.Error.Data.ID)
		}
	}
	if err == nil && kind == websocket.BinaryMessage {
		if unknown := c.check.ReceivedBinary(raw); unknown != nil {
			c.t.Error(unknown)
		}
	}
	return m, err
}

func (c *client) send(method string, params any) int {
	c.t.Helper()
	c.n++
	frame := map[string]any{"jsonrpc": "2.0", "id": c.n, "method": method}
	if params != nil {
		frame["params"] = params
	}
	raw, _ := json.Marshal(frame)
	c.check.Sent(raw)
	if err := c.ws.WriteMessage(websocket.TextMessage, raw); err != nil {
		c.t.Fatal(err)
	}
	return c.n
}

// call gives the answer and forgets notifications that come before it.
func (c *client) call(method string, params any) message {
	c.t.Helper()
	id := strconv.Itoa(c.send(method, params))
	for {
		m, err := c.next()
		if err != nil {
			c.t.Fatalf("%s: %v", method, err)
		}
		if string(m.ID) == id {
			return m
		}
	}
}

func (c *client) expectMethod(method string) message {
	c.t.Helper()
	m, err := c.next()
	if err != nil || m.Method != method {
		c.t.Fatalf("got %q (%s %s), %v; want %s", m.Method, m.ID, m.Result, err, method)
	}
	return m
}

// expectClose reads until the agent closes, and compares the code.
func (c *client) expectClose(code int) {
	c.t.Helper()
	for {
		if _, err := c.next(); err != nil {
			if !websocket.IsCloseError(err, code) {
				c.t.Fatalf("got %v; want close code %d", err, code)
			}
			return
		}
	}
}

// pipeListener makes connections without a network, whose ends have the addresses that the test wants.
type pipeListener struct {
	local  net.Addr
	conns  chan net.Conn
	closed chan struct{}
	once   sync.Once
}

func newPipeListener() *pipeListener {
	return &pipeListener{
		local: net.TCPAddrFromAddrPort(netip.MustParseAddrPort("127.0.0.1:27480")), conns: make(chan net.Conn), closed: make(chan struct{}),
	}
}

type pipeConn struct {
	net.Conn
	local, remote net.Addr
}

func (c pipeConn) LocalAddr() net.Addr  { return c.local }
func (c pipeConn) RemoteAddr() net.Addr { return c.remote }

func (l *pipeListener) Accept() (net.Conn, error) {
	select {
	case c := <-l.conns:
		return c, nil
	case <-l.closed:
		return nil, net.ErrClosed
	}
}

func (l *pipeListener) Close() error   { l.once.Do(func() { close(l.closed) }); return nil }
func (l *pipeListener) Addr() net.Addr { return l.local }

// dial connects from an address.
func (l *pipeListener) dial(from string) net.Conn {
	ours, theirs := net.Pipe()
	l.conns <- pipeConn{theirs, l.local, net.TCPAddrFromAddrPort(netip.MustParseAddrPort(from))}
	return ours
}

// session is the operating system's session of this test.
func (r *rig) session() string {
	r.t.Helper()
	c := r.open("", "DESKTOP2")
	defer c.ws.Close()
	local, remote := c.ws.LocalAddr().(*net.TCPAddr).AddrPort(), c.ws.RemoteAddr().(*net.TCPAddr).AddrPort()
	s, err := PeerSession(r.t.Context(), remote, local)
	if err != nil {
		r.t.Fatal(err)
	}
	return s
}

// get asks the handler, as uid 1000, and gives the reason of a refusal.
func (r *rig) get(path, origin string) string {
	r.t.Helper()
	r.server.c.Session = func(context.Context, netip.AddrPort, netip.AddrPort) (string, error) { return "uid:1000", nil }
	req := httptest.NewRequestWithContext(context.WithValue(r.t.Context(), http.LocalAddrContextKey, net.Addr(&net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: 27480})), "GET", path, nil)
	req.Host, req.RemoteAddr = "127.0.0.1:27480", "127.0.0.1:50000"
	if origin != "" {
		req.Header.Set("Origin", origin)
	}
	w := httptest.NewRecorder()
	r.server.Handler().ServeHTTP(w, req)
	return w.Header().Get(ReasonHeader)
}
