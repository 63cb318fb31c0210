package his

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"io"
	"log"
	"net"
	"net/http"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/gorilla/websocket"

	"github.com/tapcheck/tapcheck/agent/catalog"
	"github.com/tapcheck/tapcheck/agent/checkin"
	"github.com/tapcheck/tapcheck/agent/keys"
	"github.com/tapcheck/tapcheck/reader"
)

// Versions of the protocol that are served.
const (
	ProtocolMin = 1
	ProtocolMax = 1
)

// Subprotocol is what a client asks for in Sec-WebSocket-Protocol.
const Subprotocol = "tapcheck.v1"

// Close codes of the websocket, beside those of RFC 6455 §7.4.1. Frozen.
const (
	CloseSessionTimeout = 4001 // session.open did not come in time
	CloseTokenRejected  = 4003 // too many wrong tokens, or the session's token was revoked or ended
	CloseSlow           = 4008 // the client does not read what it is sent
	CloseFlood          = 4029 // the client goes on sending far above the limit
)

// Engine runs jobs; *checkin.Engine is one. Its errors are *catalog.Error.
type Engine interface {
	Start(ctx context.Context, o checkin.Owner, r checkin.Rights, lang catalog.Lang, req checkin.Request) (checkin.Accepted, error)
	CardRead(ctx context.Context, o checkin.Owner, r checkin.Rights, lang catalog.Lang, req checkin.Request) (checkin.Accepted, error)
	Provide(ctx context.Context, o checkin.Owner, p checkin.Provision) error
	Cancel(ctx context.Context, o checkin.Owner, jobID string) (checkin.JobStatus, error)
	Status(ctx context.Context, o checkin.Owner, jobID string) (checkin.JobStatus, error)
	Attach(ctx context.Context, o checkin.Owner) <-chan checkin.Event
	Link(ctx context.Context, o checkin.Owner, r checkin.LinkRequest) (checkin.Linked, error)
	Decide(ctx context.Context, o checkin.Owner, r checkin.DecideRequest) (checkin.Decided, error)
	Void(ctx context.Context, o checkin.Owner, r checkin.VoidRequest) (checkin.Voided, error)
	List(ctx context.Context, o checkin.Owner, r checkin.ListRequest) (checkin.List, error)
	CheckInsurance(ctx context.Context, o checkin.Owner, r checkin.Rights, lang catalog.Lang, req checkin.CheckRequest) (checkin.Check, error)
	UpdateVisit(ctx context.Context, o checkin.Owner, r checkin.Rights, lang catalog.Lang, req checkin.VisitRequest) (checkin.VisitAnswer, error)
	CloseVisit(ctx context.Context, o checkin.Owner, r checkin.Rights, lang catalog.Lang, req checkin.VisitRequest) (checkin.VisitAnswer, error)
	Got(o checkin.Owner, notice int64) // does not block
	ProofFor(ctx context.Context, o checkin.Owner, r checkin.Rights, req checkin.ProofRequest) (checkin.ProofAnswer, error)
	FaceFrame(ctx context.Context, o checkin.Owner, p checkin.FaceFrameParams) (checkin.FaceFrameResult, error)
	FaceDropped(o checkin.Owner, jobID string) (checkin.FaceFrameResult, error) // does not block
	FaceVerify(ctx context.Context, o checkin.Owner, p checkin.FaceFrameParams) (checkin.FaceVerifyResult, error)
	RecordConsent(ctx context.Context, o checkin.Owner, r checkin.ConsentRequest) (checkin.ConsentRecorded, error)
	Export(ctx context.Context, o checkin.Owner, r checkin.Rights, req checkin.ExportRequest) (checkin.Export, error)
}

// Readers are the readers of this PC; any reader.Monitor is one.
type Readers interface {
	Readers() []reader.Info
	Watch(ctx context.Context) <-chan struct{}
}

// Simulator puts made-up cards on virtual readers. Its errors are *catalog.Error.
type Simulator interface {
	Insert(ctx context.Context, reader, persona, profile string) error
	Remove(ctx context.Context, reader string) error
	Fault(ctx context.Context, params json.RawMessage) error
}

// Tokens say who a program is; *keys.TokenStore is one. origin is empty for a desktop program.
type Tokens interface {
	Check(secret, origin string) (keys.Token, error)
	CheckAssertion(jwt, origin string, challenge []byte) (keys.Token, error)
	Valid(id string) bool
	Allowed(origin string) bool
}

// Pairing lets in an origin that is not allowed yet, while an administrator looks on; *keys.Pairing is one. Its errors
// are the keys.ErrPairing….
type Pairing interface {
	Window() (keys.PairingWindow, bool)
	Start(origin string) (expires time.Time, err error)
	Confirm(origin, code string) (secret string, t keys.Token, err error)
}

// Identity is the workstation that answers agent.prove; *keys.Keys is one.
type Identity interface {
	InstanceID() string
	PublicJWK() keys.JWK
	SignES256(message []byte) ([]byte, error)
}

// HealthItem is a coded warning about this PC: what, why, and what to do. Never personal.
type HealthItem struct {
	ID       string `json:"id"`
	Severity string `json:"severity"` // "down", "degraded" or "note"
	Title    string `json:"title"`
	Cause    string `json:"cause,omitempty"`
	Fix      string `json:"fix,omitempty"`
}

// Limits bound what clients can take; zero values are the defaults.
type Limits struct {
	Connections       int   // open websockets; 20
	FrameBytes        int64 // of one frame from a client; 8 MiB
	RequestsPerSecond int   // of one websocket, and of the HTTP requests of one page or program in one user's session; 50
	QueueFrames       int   // waiting for one client to read them; 256
	QueueBytes        int64 // the same in bytes; 16 MiB
}

// Config is what a server works with.
type Config struct {
	Name, Version string // of the agent
	Engine        Engine
	Readers       Readers
	Simulator     Simulator // nil: not a simulation, and sim.* is not available
	Tokens        Tokens
	Identity      Identity
	// Origins are allowed beside those that have a token, in the form of keys.ParseOrigin. Without a token they can
	// connect, and nothing else.
	Origins []string
	Lang    catalog.Lang                         // until a session says its own; "" is VI
	Health  func(lang catalog.Lang) []HealthItem // nil: nothing to tell
	Kind    func(i reader.Info) string           // "emrtd" or "unknown" by what is known of the card; nil: unknown
	// ServesOther says whether a reader works for another owner right now: it is then shown as busy, without its card.
	// nil: never.
	ServesOther func(o checkin.Owner, readerID string) bool
	// ServesChanged gives a channel that gets a value whenever ServesOther may answer differently, until ctx ends. nil: it
	// never does but when the readers change.
	ServesChanged func(ctx context.Context) <-chan struct{}
	Limits        Limits
	Help          http.Handler // serves /help/…, to any program of this PC; nil: nothing is served there
	Pages         []Page       // what else the port serves
	// Frames, where it is set, is asked for each connection for a function that sees every frame of it: from the client before it
	// is served, to the client before it is written. They hold tokens and personal data: it is for tests, which hold all
	// frames to the protocol's document.
	Frames  func() func(fromClient, binary bool, frame []byte)
	Access  *AccessLog // who used what; nil: nobody keeps that
	WSSPort int        // where wss is served beside ws, to be told by discovery; 0: it is not
	Pairing Pairing    // lets an administrator bring in an origin; nil: pairing.* is not available
	// Session finds the operating system's session that a local TCP peer belongs to; nil is PeerSession.
	Session func(ctx context.Context, local, remote netip.AddrPort) (string, error)
	// User names whose session that is, by what outlasts it: nil is SessionUser.
	User func(session string) string
	// Bundle makes the redacted diagnostics bundle; nil: diagnostics.bundle is not available.
	Bundle func(ctx context.Context) (Bundle, error)
	// Paper makes the page of checkin.proof; nil: that is not available.
	Paper func(p checkin.Proof) ([]byte, error)
	// Log gets what happened, without personal data and without anything that a client sent.
	Log func(event string, fields map[string]any)

	OpenTimeout    time.Duration // until session.open; 0 is 10 s
	RequestTimeout time.Duration // of one request; 0 is 15 s
	WriteTimeout   time.Duration // of one frame to a client; 0 is 10 s
	PingInterval   time.Duration // 0 is 30 s; a client that misses three is gone
}

// Server serves HIS clients. It is safe for concurrent use.
type Server struct {
	c        Config
	upgrader websocket.Upgrader
	methods  map[string]method
	served   []string // names of the methods that are served, sorted

	ctx    context.Context // ends when the server is closed
	cancel context.CancelFunc
	wg     sync.WaitGroup // websockets
	bundle chan struct{}  // holds a value while a bundle is made
	open   atomic.Int64   // websockets

	mu       sync.Mutex
	closed   bool
	pairs    int            // websockets that came to pair
	waiting  map[string]int // websockets without an open session, by session of the operating system
	refusals map[catalog.ID]*refusalCount
	buckets  map[asker]*bucket // of HTTP requests
}

// New makes a server. An error says what of the configuration is wrong.
func New(c Config) (*Server, error) {
	if c.Engine == nil || c.Readers == nil || c.Tokens == nil || c.Identity == nil {
		return nil, errors.New("his: Engine, Readers, Tokens and Identity are needed")
	}
	for _, o := range c.Origins {
		if parsed, err := keys.ParseOrigin(o); err != nil || parsed != o {
			return nil, errors.New("his: allowed origin has the wrong form: " + keys.ErrOriginForm.Error())
		}
	}
	if err := checkPages(c.Pages); err != nil {
		return nil, err
	}
	c.Origins, c.Pages = slices.Clone(c.Origins), slices.Clone(c.Pages)
	setDefault(&c.Name, "tapcheck")
	setDefault(&c.Lang, catalog.VI)
	setDefault(&c.Limits.Connections, 20)
	setDefault(&c.Limits.FrameBytes, 8<<20)
	setDefault(&c.Limits.RequestsPerSecond, 50)
	setDefault(&c.Limits.QueueFrames, 256)
	setDefault(&c.Limits.QueueBytes, 16<<20)
	setDefault(&c.OpenTimeout, 10*time.Second)
	setDefault(&c.RequestTimeout, 15*time.Second)
	setDefault(&c.WriteTimeout, 10*time.Second)
	setDefault(&c.PingInterval, 30*time.Second)
	if c.Health == nil {
		c.Health = func(catalog.Lang) []HealthItem { return nil }
	}
	if c.Kind == nil {
		c.Kind = func(reader.Info) string { return "unknown" }
	}
	if c.ServesOther == nil {
		c.ServesOther = func(checkin.Owner, string) bool { return false }
	}
	if c.Session == nil {
		c.Session = PeerSession
	}
	if c.User == nil {
		c.User = SessionUser
	}
	if c.Log == nil {
		c.Log = func(string, map[string]any) {}
	}
	s := &Server{
		c:        c,
		refusals: map[catalog.ID]*refusalCount{},
		waiting:  map[string]int{},
		buckets:  map[asker]*bucket{},
		bundle:   make(chan struct{}, 1),
		upgrader: websocket.Upgrader{
			HandshakeTimeout: 5 * time.Second,
			ReadBufferSize:   4 << 10,
			WriteBufferSize:  4 << 10,
			Subprotocols:     []string{Subprotocol},
			// The gate has judged the Origin. The library's own rule would let any page in whose name resolves to
			// 127.0.0.1 (DNS rebinding makes Origin equal Host), and any client without an Origin.
			CheckOrigin: func(*http.Request) bool { return true },
		},
	}
	s.upgrader.Error = func(w http.ResponseWriter, r *http.Request, status int, _ error) {
		s.refuse(w, r, &refusal{status: status, id: catalog.BadRequest})
	}
	s.methods = s.table()
	for name, m := range s.methods {
		if m.run != nil {
			s.served = append(s.served, name)
		}
	}
	slices.Sort(s.served)
	s.ctx, s.cancel = context.WithCancel(context.Background())
	return s, nil
}

func setDefault[T comparable](v *T, def T) {
	var zero T
	if *v == zero {
		*v = def
	}
}

// Handler is everything that is served, the gate included. Whoever uses it without Serve calls Close in the end.
func (s *Server) Handler() http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		// Nothing of this may be kept, framed or guessed at; a page has a policy of its own.
		h := w.Header()
		h.Set("Cache-Control", "no-store")
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("Content-Security-Policy", "default-src 'none'; frame-ancestors 'none'")
		// No http.ServeMux: it answers some requests (a path to be cleaned, "OPTIONS *") by itself, before the gate.
		switch r.URL.Path {
		case "/v1":
			s.serveSocket(w, r)
		case "/.well-known/tapcheck.json":
			s.serveDiscovery(w, r)
		default:
			if p := s.page(r.URL.Path); p != nil {
				s.servePage(w, r, p)
				return
			}
			a, refused := s.admit(r, public)
			if refused == nil && s.c.Help != nil && strings.HasPrefix(r.URL.Path, "/help/") {
				s.noteRoute(r, a, "ok")
				s.c.Help.ServeHTTP(w, r)
				return
			}
			if refused == nil {
				refused = &refusal{http.StatusNotFound, catalog.NotAvailable, a}
			}
			s.refuse(w, r, refused)
		}
	})
}

// Serve serves on the listeners (see Listen) until ctx ends or a listener fails, then closes every websocket and waits
// for all of them. It returns nil when ctx has ended. It closes the listeners.
func (s *Server) Serve(ctx context.Context, listeners []net.Listener) error {
	srv := &http.Server{
		Handler:           s.Handler(),
		ReadHeaderTimeout: 5 * time.Second,
		ReadTimeout:       10 * time.Second, // of what has a body; a hijacked socket has its own deadlines
		IdleTimeout:       30 * time.Second,
		MaxHeaderBytes:    16 << 10,
		// net/http would log addresses and panics in words of its own.
		ErrorLog:                     log.New(io.Discard, "", 0),
		DisableGeneralOptionsHandler: true, // "OPTIONS *" goes through the gate too
	}
	slots := make(chan struct{}, s.c.Limits.Connections*4+16)
	failed := make(chan error, len(listeners))
	var serving sync.WaitGroup
	for _, l := range listeners {
		var bounded net.Listener = &boundedListener{Listener: l, slots: slots}
		if s, ok := l.(secureListener); ok {
			bounded = tls.NewListener(bounded, s.tls)
		}
		serving.Go(func() { failed <- srv.Serve(bounded) })
	}
	var err error
	select {
	case <-ctx.Done():
	case err = <-failed:
	}
	s.Close()
	_ = srv.Close()
	for _, l := range listeners {
		_ = l.Close()
	}
	serving.Wait()
	if ctx.Err() != nil || errors.Is(err, http.ErrServerClosed) {
		return nil
	}
	return err
}

// Close closes every websocket with 1001 and waits for them. Further ones are refused.
func (s *Server) Close() {
	s.mu.Lock()
	s.closed = true
	s.mu.Unlock()
	s.cancel()
	s.wg.Wait()
}

// enter counts a websocket in, unless there are too many or the server is closed.
func (s *Server) enter(session string, pairing bool) *refusal {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return &refusal{status: http.StatusServiceUnavailable, id: catalog.AgentStopping}
	}
	// Origins that are not allowed yet must not take the places of those that are. And an allowed origin is no secret: any
	// program of another user can name it, and hold places for as long as opening a session may take. So the last quarter is
	// for those of whom not half of all wait already.
	places, open := s.c.Limits.Connections, int(s.open.Load())
	if open >= places || pairing && s.pairs >= max(1, places/4) || open >= places-places/4 && s.waiting[session] >= places/2 {
		return &refusal{status: http.StatusServiceUnavailable, id: catalog.TooManyClients}
	}
	if pairing {
		s.pairs++
	}
	s.waiting[session]++
	s.open.Add(1)
	s.wg.Add(1)
	return nil
}

// settle says that one websocket of a session of the operating system waits no more.
func (s *Server) settle(session string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.waiting[session]--; s.waiting[session] == 0 {
		delete(s.waiting, session)
	}
}

func (s *Server) leave(pairing bool) {
	if pairing {
		s.mu.Lock()
		s.pairs--
		s.mu.Unlock()
	}
	s.open.Add(-1)
	s.wg.Done()
}

func (s *Server) serveSocket(w http.ResponseWriter, r *http.Request) {
	a, refused := s.admit(r, credential)
	if refused != nil {
		s.refuse(w, r, refused)
		return
	}
	pairing := a.pairing // it becomes an allowed one meanwhile
	if refused := s.enter(a.session, pairing); refused != nil {
		refused.who = a
		s.refuse(w, r, refused)
		return
	}
	defer s.leave(pairing)
	settle := sync.OnceFunc(func() { s.settle(a.session) })
	defer settle()
	if offered := websocket.Subprotocols(r); len(offered) > 0 && !slices.Contains(offered, Subprotocol) {
		s.refuse(w, r, &refusal{http.StatusBadRequest, catalog.ProtocolVersion, a})
		return
	}
	ws, err := s.upgrader.Upgrade(w, r, nil)
	if err != nil {
		return // the upgrader has answered
	}
	c := newConn(s, ws, a)
	c.settled = settle
	c.serve()
}

// boundedListener refuses connections over a bound at once, so that idle ones cost no memory.
type boundedListener struct {
	net.Listener
	slots chan struct{}
}

func (l *boundedListener) Accept() (net.Conn, error) {
	for {
		c, err := l.Listener.Accept()
		if err != nil {
			return nil, err
		}
		select {
		case l.slots <- struct{}{}:
			return &boundedConn{Conn: c, release: sync.OnceFunc(func() { <-l.slots })}, nil
		default:
			_ = c.Close()
		}
	}
}

type boundedConn struct {
	net.Conn
	release func()
}

func (c *boundedConn) Close() error {
	defer c.release()
	return c.Conn.Close()
}

// CloseWrite says that nothing follows, and still lets the peer's last bytes come.
func (c *boundedConn) CloseWrite() error {
	if half, ok := c.Conn.(interface{ CloseWrite() error }); ok {
		return half.CloseWrite()
	}
	return nil
}
