package his

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"
	"unicode/utf8"

	"github.com/gorilla/websocket"

	"github.com/tapcheck/tapcheck/agent/catalog"
	"github.com/tapcheck/tapcheck/agent/checkin"
	"github.com/tapcheck/tapcheck/agent/keys"
)

// Bounds of a connection that are nobody's business to set.
const (
	openFrameBytes = 64 << 10    // of a frame before the session is open
	maxWrongTokens = 3           // then the socket is closed
	maxOverLimit   = 500         // requests over the limit more than within it, then the socket is closed
	closeGrace     = time.Second // for the last frames and the closing handshake
	missedPings    = 3           // then the client is gone
	drainBytes     = 64 << 20    // read and thrown away while closing
)

// conn is one websocket. Its goroutines: the reader (the HTTP handler's own), the writer, and with an open session one
// for readers and one for events. All end with ctx, and serve waits for them.
type conn struct {
	s         *Server
	ws        *websocket.Conn
	who       *admission
	challenge []byte // 32 bytes

	ctx    context.Context
	cancel context.CancelFunc
	wg     sync.WaitGroup

	out      chan frame    // for the writer
	slow     chan struct{} // a value for each slow request that is being served
	frames   atomic.Uint32 // pictures sent as binary frames
	told     notices
	outBytes atomic.Int64

	// order is held while a job is started until its answer is queued, and by whoever queues a notification: so the
	// answer is always first.
	order sync.Mutex

	endOnce   sync.Once
	endCode   int // how the socket is closed; 0: the client went away
	endReason string

	// Of the reader's goroutine, and read-only for others once the session is open.
	session *session
	bucket  *bucket
	over    int // requests over the limit, less those within
	wrong   int // wrong tokens

	subs atomic.Pointer[subscriptions]

	seen    func(fromClient, binary bool, frame []byte) // Config.Frames
	opening *time.Timer                                 // ends the connection unless a session is open by then
	settled func()                                      // is told when a session is open
}

// session is what session.open has settled.
type session struct {
	id       string
	token    keys.Token
	owner    checkin.Owner
	rights   checkin.Rights
	lang     catalog.Lang
	operator *checkin.Operator
	binary   bool // pictures travel as binary frames
}

// subscriptions say which notifications a session gets.
type subscriptions struct {
	readers, jobs bool
	resumed       map[string]bool // jobs that were asked for one by one
}

func newConn(s *Server, ws *websocket.Conn, who *admission) *conn {
	c := &conn{
		s: s, ws: ws, who: who, challenge: make([]byte, 32),
		out: make(chan frame, s.c.Limits.QueueFrames), slow: make(chan struct{}, maxSlow), bucket: newBucket(s.c.Limits.RequestsPerSecond),
	}
	_, _ = rand.Read(c.challenge) // never fails (crypto/rand)
	// Not derived from the server's: end alone ends it, and so has always said how before anybody notices.
	c.ctx, c.cancel = context.WithCancel(context.Background())
	c.seen, c.settled = func(bool, bool, []byte) {}, func() {}
	if s.c.Frames != nil {
		c.seen = s.c.Frames()
	}
	return c
}

// serve runs the connection until it ends, for whatever reason.
func (c *conn) serve() {
	s := c.s
	s.c.Log("client connected", map[string]any{"desktop": c.who.origin == "", "open": s.open.Load()})
	c.ws.SetReadLimit(min(openFrameBytes, s.c.Limits.FrameBytes))
	alive := func(string) error {
		err := c.ws.SetReadDeadline(time.Now().Add(missedPings * s.c.PingInterval))
		if c.ctx.Err() != nil {
			err = c.ws.SetReadDeadline(time.Now()) // end came in between and must not be undone
		}
		return err
	}
	c.ws.SetPongHandler(func(payload string) error {
		c.took(payload)
		return alive("")
	})
	_ = alive("")

	c.send(notification("agent.hello", c.hello()))
	c.wg.Go(c.write)
	stop := context.AfterFunc(s.ctx, func() { c.end(websocket.CloseGoingAway, string(catalog.AgentStopping)) })
	c.opening = time.AfterFunc(s.c.OpenTimeout, func() {
		s.count(catalog.SessionRequired)
		c.end(CloseSessionTimeout, string(catalog.SessionRequired))
	})
	c.read()
	c.opening.Stop()
	stop()
	c.end(0, "")
	c.wg.Wait()
	c.closeSocket()
	s.c.Log("client gone", map[string]any{"code": c.endCode, "open": s.open.Load() - 1})
}

// openBy puts off the end that comes unless a session is open. Of the reader's goroutine.
func (c *conn) openBy(t time.Time) {
	if c.session == nil && c.opening.Stop() {
		c.opening.Reset(time.Until(t))
	}
}

// end begins the end of the connection; the first call says how. 0 is for a client that went away by itself.
func (c *conn) end(code int, reason string) {
	c.endOnce.Do(func() {
		c.endCode, c.endReason = code, reason
		c.cancel()
		// Free the reader; and the writer too where the client is what it waits for.
		_ = c.ws.SetReadDeadline(time.Now())
		if code == CloseSlow {
			c.s.c.Log("slow client", nil)
			_ = c.ws.NetConn().SetWriteDeadline(time.Now())
		}
	})
}

// closeSocket says goodbye and lets the client hear it: closing with unread bytes would reset the connection, and the
// close frame would be lost.
func (c *conn) closeSocket() {
	defer c.ws.Close()
	raw := c.ws.NetConn()
	if c.endCode == 0 || c.endCode == CloseSlow {
		// A slow client has its buffers full; it may still find the close frame at their end, but is not waited for.
		if c.endCode != 0 {
			_ = c.ws.WriteControl(websocket.CloseMessage, websocket.FormatCloseMessage(c.endCode, c.endReason), time.Now().Add(50*time.Millisecond))
		}
		return
	}
	_ = c.ws.WriteControl(websocket.CloseMessage, websocket.FormatCloseMessage(c.endCode, c.endReason), time.Now().Add(closeGrace))
	if half, ok := raw.(interface{ CloseWrite() error }); ok {
		_ = half.CloseWrite()
	}
	_ = raw.SetReadDeadline(time.Now().Add(closeGrace))
	_, _ = io.Copy(io.Discard, io.LimitReader(raw, drainBytes))
}

// read takes frames until the connection ends.
func (c *conn) read() {
	for c.ctx.Err() == nil {
		kind, frame, err := c.readFrame()
		switch {
		case c.ctx.Err() != nil:
			return
		case errors.Is(err, websocket.ErrReadLimit):
			c.s.count(catalog.ParseError)
			c.end(websocket.CloseMessageTooBig, string(catalog.ParseError)) // the library has sent 1009 already
			return
		case err != nil:
			c.end(0, "") // gone, or against RFC 6455, which the library has answered with 1002
			return
		case kind != websocket.TextMessage:
			c.s.count(catalog.ParseError)
			c.end(websocket.CloseUnsupportedData, string(catalog.ParseError))
			return
		case !utf8.Valid(frame):
			c.s.count(catalog.ParseError)
			c.end(websocket.CloseInvalidFramePayloadData, string(catalog.ParseError))
			return
		}
		before := c.session
		c.handle(frame)
		clear(frame) // of which nothing refers to anything any more; it may have held a key, or a face
		if before == nil && c.session != nil {
			c.opening.Stop()
		}
	}
}

// readFrame takes one frame, and leaves no pieces of it behind while it grows, as ReadMessage does.
func (c *conn) readFrame() (kind int, frame []byte, err error) {
	kind, r, err := c.ws.NextReader()
	if err != nil {
		return kind, nil, err
	}
	frame = make([]byte, 0, 4<<10)
	for {
		n, err := r.Read(frame[len(frame):cap(frame)])
		frame = frame[:len(frame)+n]
		if errors.Is(err, io.EOF) {
			return kind, frame, nil
		}
		if err != nil {
			clear(frame)
			return kind, nil, err
		}
		if len(frame) == cap(frame) {
			larger := make([]byte, len(frame), 2*cap(frame))
			copy(larger, frame)
			clear(frame)
			frame = larger
		}
	}
}

// handle serves one frame. Nothing refers to it when it returns.
func (c *conn) handle(frame []byte) {
	c.seen(true, false, frame)
	lang := c.lang()
	if !c.bucket.take() {
		c.s.count(catalog.RateLimited)
		if c.over++; c.over > maxOverLimit {
			c.end(CloseFlood, string(catalog.RateLimited))
			return
		}
		id := null
		if len(frame) <= maxParams { // more is not worth reading for its id
			r, _ := parse(frame)
			id = r.id
		}
		if id != nil {
			c.send(answer(id, nil, catalog.New(catalog.RateLimited, nil), lang))
		}
		return
	}
	c.over = max(0, c.over-1)
	r, bad := parse(frame)
	if bad != nil {
		c.s.count(bad.ID)
		c.note("other", outcome(bad))
		c.send(answer(r.id, nil, bad, lang))
		return
	}
	if c.session != nil && !c.s.c.Tokens.Valid(c.session.token.ID) {
		c.revoked()
		return
	}
	m, known := c.s.methods[r.method]
	var e *catalog.Error
	switch {
	case !known:
		e = catalog.New(catalog.UnknownMethod, nil)
	case c.who.pairing && !m.pairing:
		e = catalog.New(catalog.OriginDenied, nil)
	case c.session == nil && !m.early:
		e = catalog.New(catalog.SessionRequired, nil)
	case m.run == nil:
		e = catalog.New(catalog.NotAvailable, nil)
	case c.session != nil:
		e = c.session.may(m)
	}
	if e != nil {
		name := r.method
		if !known {
			name = "other" // nothing that a client made up
		}
		clear(r.params)
		c.note(name, outcome(e))
		c.s.count(e.ID)
		if r.id != nil {
			c.send(answer(r.id, nil, e, lang))
		}
		return
	}
	if m.slow {
		c.serveSlowly(m, r)
		return
	}
	ctx, cancel := context.WithTimeout(c.ctx, c.s.c.RequestTimeout)
	defer cancel()
	if m.ordered {
		c.order.Lock()
		defer c.order.Unlock()
	}
	result, e := c.call(ctx, r.method, m, r)
	c.note(r.method, outcome(e))
	c.answer(r.id, result, e)
	if e != nil && e.ID == catalog.TokenRejected {
		c.s.count(e.ID)
		if c.wrong++; c.wrong >= maxWrongTokens {
			c.end(CloseTokenRejected, string(e.ID))
		}
	}
}

const (
	maxSlow   = 4                // slow requests of one socket that are served at a time
	slowLimit = 45 * time.Second // an insurer may be given 30 s
)

// serveSlowly serves a request beside those that come behind it.
func (c *conn) serveSlowly(m method, r request) {
	select {
	case c.slow <- struct{}{}:
	default:
		if m.spare != nil {
			result, e := c.call(c.ctx, r.method, method{run: m.spare}, r)
			c.answer(r.id, result, e)
			return
		}
		c.s.count(catalog.RateLimited)
		c.answer(r.id, nil, catalog.New(catalog.RateLimited, nil))
		return
	}
	c.wg.Go(func() {
		defer func() { <-c.slow }()
		ctx, cancel := context.WithTimeout(c.ctx, slowLimit)
		defer cancel()
		result, e := c.call(ctx, r.method, m, r)
		if !c.tokenLives() { // revoked, or the console locked, while the answer was on its way
			c.revoked()
			return
		}
		c.note(r.method, outcome(e))
		c.answer(r.id, result, e)
	})
}

// answer queues the answer to a request; a notification (no id) gets none.
func (c *conn) answer(id json.RawMessage, result any, e *catalog.Error) {
	if id == nil {
		return
	}
	if p, ok := result.(pictured); ok && e == nil {
		c.queue(frame{text: answer(id, p.result, nil, c.lang()), picture: p.frame})
		return
	}
	c.send(answer(id, result, e, c.lang()))
}

// call runs a method. A panic stays within its request.
func (c *conn) call(ctx context.Context, name string, m method, r request) (result any, e *catalog.Error) {
	defer func() {
		if p := recover(); p != nil {
			// What was thrown may hold a patient's data; its type and the places in our code do not.
			c.s.c.Log("panic", map[string]any{"method": name, "type": fmt.Sprintf("%T", p), "at": places()})
			result, e = nil, catalog.New(catalog.Internal, nil)
		}
	}()
	result, err := m.run(ctx, c, r.params)
	if err == nil {
		return result, nil
	}
	if e, ok := errors.AsType[*catalog.Error](err); ok {
		return nil, e
	}
	if c.ctx.Err() != nil {
		return nil, catalog.New(catalog.AgentStopping, nil)
	}
	c.s.c.Log("internal error", map[string]any{"method": name, "type": fmt.Sprintf("%T", err)})
	return nil, catalog.New(catalog.Internal, nil)
}

// places are the functions and lines that led here, without arguments.
func places() string {
	pcs := make([]uintptr, 16)
	frames := runtime.CallersFrames(pcs[:runtime.Callers(4, pcs)])
	var b strings.Builder
	for {
		f, more := frames.Next()
		b.WriteString(f.Function[strings.LastIndexByte(f.Function, '/')+1:] + ":" + strconv.Itoa(f.Line) + " ")
		if !more {
			return strings.TrimSpace(b.String())
		}
	}
}

// note counts a use of this connection in the access log.
func (c *conn) note(what, outcome string) {
	c.s.c.Access.Note(c.who.name(), c.who.session, what, outcome)
}

func (c *conn) lang() catalog.Lang {
	if c.session != nil {
		return c.session.lang
	}
	return c.s.c.Lang
}

func (c *conn) revoked() {
	c.s.count(catalog.TokenRejected)
	c.note("session", string(catalog.TokenRejected))
	c.end(CloseTokenRejected, string(catalog.TokenRejected))
}

// frame is a text frame, and the binary one that follows it directly, if any. A notice is one that the client has to be seen to get.
type frame struct {
	text, picture []byte
	notice        int64
}

// noticePing begins the payload of a ping that follows a notice. Frames keep their order, so whoever answers it has had the notice;
// every websocket answers pings by itself.
const noticePing = "notice "

// took hears from a pong that a notice has arrived. Of the reader's goroutine.
func (c *conn) took(payload string) {
	number, ours := strings.CutPrefix(payload, noticePing)
	if !ours || c.session == nil {
		return
	}
	if n, err := strconv.ParseInt(number, 10, 64); err == nil && c.told.take(n) {
		c.s.c.Engine.Got(c.session.owner, n)
	}
}

// notices are those that were sent on a socket and not answered for.
type notices struct {
	mu   sync.Mutex
	sent map[int64]bool
}

func (n *notices) add(notice int64) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.sent == nil {
		n.sent = map[int64]bool{}
	}
	n.sent[notice] = true
}

// take says whether a notice was sent and not answered for yet: a client may say anything.
func (n *notices) take(notice int64) bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	was := n.sent[notice]
	delete(n.sent, notice)
	return was
}

func (f frame) size() int64 { return int64(len(f.text) + len(f.picture)) }

// send queues a text frame.
func (c *conn) send(text []byte) { c.queue(frame{text: text}) }

// queue never waits: a client that lets its queue fill up is disconnected.
func (c *conn) queue(f frame) {
	if f.text == nil || c.ctx.Err() != nil {
		return
	}
	if c.outBytes.Add(f.size()) <= c.s.c.Limits.QueueBytes {
		select {
		case c.out <- f:
			return
		default:
		}
	}
	c.end(CloseSlow, "SLOW")
}

// notify queues a notification, after the answer to the request that is being served if that comes first.
func (c *conn) notify(method string, params any) {
	frame := notification(method, params)
	c.order.Lock()
	defer c.order.Unlock()
	c.send(frame)
}

// write sends what is queued, and pings.
func (c *conn) write() {
	ping := time.NewTicker(c.s.c.PingInterval)
	defer ping.Stop()
	write := func(f frame, deadline time.Time) bool {
		c.outBytes.Add(-f.size())
		_ = c.ws.SetWriteDeadline(deadline)
		c.seen(false, false, f.text)
		err := c.ws.WriteMessage(websocket.TextMessage, f.text)
		if err == nil && f.picture != nil {
			c.seen(false, true, f.picture)
			err = c.ws.WriteMessage(websocket.BinaryMessage, f.picture)
		}
		if err == nil && f.notice > 0 {
			c.told.add(f.notice)
			err = c.ws.WriteControl(websocket.PingMessage, []byte(noticePing+strconv.FormatInt(f.notice, 10)), deadline)
		}
		if err == nil {
			return true
		}
		if n, ok := errors.AsType[net.Error](err); ok && n.Timeout() {
			c.end(CloseSlow, "SLOW")
		} else {
			c.end(0, "")
		}
		return false
	}
	for {
		select {
		case f := <-c.out:
			if !write(f, time.Now().Add(c.s.c.WriteTimeout)) {
				return
			}
		case <-ping.C:
			// First, for who is sent away at once should not be answering a ping meanwhile.
			if s := c.subs.Load(); s != nil && !c.tokenLives() {
				c.revoked()
				return
			}
			if c.ws.WriteControl(websocket.PingMessage, nil, time.Now().Add(c.s.c.WriteTimeout)) != nil {
				c.end(0, "")
				return
			}
		case <-c.ctx.Done():
			// What was said before the end still goes out, if the client takes it.
			deadline := time.Now().Add(closeGrace)
			for c.endCode != CloseSlow {
				select {
				case f := <-c.out:
					if !write(f, deadline) {
						return
					}
				default:
					return
				}
			}
			return
		}
	}
}

// tokenLives is for the goroutines beside the reader: subs is set after session, and so orders the two.
func (c *conn) tokenLives() bool { return c.s.c.Tokens.Valid(c.session.token.ID) }

// follow starts what an open session is told about. It listens before the answer to session.open is queued, so that
// nothing is missed, and order keeps the notifications behind that answer.
func (c *conn) follow() {
	events := c.s.c.Engine.Attach(c.ctx, c.session.owner)
	changes := c.s.c.Readers.Watch(c.ctx)
	var served <-chan struct{}
	if c.s.c.ServesChanged != nil {
		served = c.s.c.ServesChanged(c.ctx)
	}
	known := c.readerList(c.s.c.Readers.Readers())
	c.wg.Go(func() { c.relay(events) })
	c.wg.Go(func() { c.watch(changes, served, known) })
}

// relay passes on the events of the owner's jobs.
func (c *conn) relay(events <-chan checkin.Event) {
	for {
		select {
		case <-c.ctx.Done():
			return
		case e, ok := <-events:
			if !ok {
				// The engine gives up on who does not drain; or it is closed.
				if c.ctx.Err() == nil {
					c.end(websocket.CloseGoingAway, string(catalog.AgentStopping))
				}
				return
			}
			if s := c.subs.Load(); !s.jobs && !s.resumed[e.JobID] {
				continue
			}
			if !c.tokenLives() {
				c.revoked()
				return
			}
			if e.Method == checkin.EventEligibility && !c.session.rights.Insurance {
				continue // another token of the same program has it
			}
			if e.Method == checkin.EventPartial || e.Method == checkin.EventResult || e.Method == checkin.EventEligibility {
				c.note(e.Method, "sent") // these carry what was read
			}
			c.tell(e)
		}
	}
}

// watch tells about readers that changed since before: by themselves, or because they began or ended to serve somebody.
func (c *conn) watch(changes, served <-chan struct{}, before []readerWire) {
	for {
		after := c.readerList(c.s.c.Readers.Readers())
		if c.subs.Load().readers {
			for _, r := range changed(before, after) {
				c.notify("reader.changed", r)
			}
		}
		before = after
		select {
		case <-c.ctx.Done():
			return
		case _, ok := <-changes:
			if !ok {
				return // the monitor is closed; jobs by number can still be done
			}
		case _, ok := <-served:
			if !ok {
				served = nil // the engine is closed and serves nobody
			}
		}
	}
}

// hello is the first frame. Who only pairs is told what it takes to do that, and nothing of the desk.
func (c *conn) hello() any {
	served, health := c.s.served, []HealthItem{}
	if c.who.pairing {
		served = []string{"agent.prove", "pairing.confirm", "pairing.start"}
	} else {
		health = c.s.health(c.s.c.Lang)
	}
	return struct {
		Agent        agentInfo    `json:"agent"`
		Protocol     versions     `json:"protocol"`
		Capabilities []string     `json:"capabilities"`
		Challenge    string       `json:"challenge"`
		Time         string       `json:"time"`
		InstanceID   string       `json:"instanceId"`
		Simulator    bool         `json:"simulator"`
		Health       []HealthItem `json:"health"`
	}{
		c.s.agent(), versions{ProtocolMin, ProtocolMax}, served, base64.RawURLEncoding.EncodeToString(c.challenge),
		time.Now().Format(time.RFC3339), c.s.c.Identity.InstanceID(), c.s.c.Simulator != nil, health,
	}
}
