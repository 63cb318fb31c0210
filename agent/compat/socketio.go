package compat

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"io"
	"log"
	"net"
	"net/http"
	"net/netip"
	"slices"
	"strconv"
	"sync"
	"time"

	"github.com/gorilla/websocket"
)

// Bounds of the Socket.IO side. A desk has one HIS, in a few tabs.
const (
	maxClients     = 16
	maxPerSession  = 8 // of one OS session, so that one user cannot keep the others out
	maxConns       = 64
	maxBody        = 64 << 10 // of what a client sends, which is next to nothing
	maxPackets     = 64       // of one request, and per second of one client
	maxQueue       = 64       // packets that a client is behind
	maxQueueBytes  = 8 << 20
	writeTimeout   = 10 * time.Second
	joinTimeout    = 10 * time.Second
	defaultBeat    = 25 * time.Second // pingInterval, as the box's clients know it
	defaultPatient = 20 * time.Second // pingTimeout
)

// Event is the name of the one event of the dialect: clients listen to it in the main namespace.
const Event = "/event"

// SocketIOConfig says who may listen.
type SocketIOConfig struct {
	Origins  []string // exact; nobody else's page
	Programs bool     // programs without an Origin too
	// Session finds the OS session at the other end of a connection (his.PeerSession).
	Session func(ctx context.Context, local, remote netip.AddrPort) (string, error)
	Log     func(event string, fields map[string]any)

	beat, patience time.Duration // of tests
}

// SocketIO is the server of the dialect. It is safe for concurrent use.
type SocketIO struct {
	c        SocketIOConfig
	upgrader websocket.Upgrader

	mu      sync.Mutex
	clients map[string]*client
	closed  bool
	refused map[string]int
	said    time.Time
	wg      sync.WaitGroup // websockets
}

// client is one Socket.IO client.
type client struct {
	id      string
	eio     int
	origin  string
	session string // of the operating system

	// Guarded by SocketIO.mu.
	queue    []string
	bytes    int
	wake     chan struct{} // has a value when there is something to send, or it is over
	ws       bool          // it speaks over a websocket
	probing  bool          // it is about to
	polling  bool          // an answer is being waited for
	joined   bool          // it has said that it listens, and come back for what there is
	accepted bool          // it is in the main namespace
	over     bool
	born     time.Time
	heard    time.Time
	pinged   time.Time
	second   time.Time // in which packets are counted
	count    int
}

// NewSocketIO makes a server.
func NewSocketIO(c SocketIOConfig) *SocketIO {
	if c.Log == nil {
		c.Log = func(string, map[string]any) {}
	}
	if c.beat <= 0 {
		c.beat = defaultBeat
	}
	if c.patience <= 0 {
		c.patience = defaultPatient
	}
	c.Origins = slices.Clone(c.Origins)
	return &SocketIO{
		c: c, clients: map[string]*client{}, refused: map[string]int{},
		upgrader: websocket.Upgrader{
			HandshakeTimeout: 5 * time.Second, ReadBufferSize: 1 << 10, WriteBufferSize: 4 << 10,
			CheckOrigin: func(*http.Request) bool { return true }, // admit has judged it
			Error:       func(w http.ResponseWriter, _ *http.Request, status int, _ error) { w.WriteHeader(status) },
		},
	}
}

// Serve serves on the listeners until ctx ends or one of them fails, and waits for everything that it started. It closes
// the listeners.
func (s *SocketIO) Serve(ctx context.Context, listeners []net.Listener) error {
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	var open sync.Map
	var mu sync.Mutex
	n := 0
	srv := &http.Server{
		Handler: s, ReadHeaderTimeout: 5 * time.Second, ReadTimeout: 10 * time.Second, IdleTimeout: 30 * time.Second, MaxHeaderBytes: 16 << 10,
		ErrorLog: log.New(io.Discard, "", 0), DisableGeneralOptionsHandler: true,
		BaseContext: func(net.Listener) context.Context { return ctx },
		ConnState: func(c net.Conn, state http.ConnState) {
			switch state {
			case http.StateNew:
				mu.Lock()
				n++
				many := n > maxConns
				mu.Unlock()
				open.Store(c, nil)
				if many {
					_ = c.Close()
				}
			case http.StateClosed, http.StateHijacked:
				if _, there := open.LoadAndDelete(c); there {
					mu.Lock()
					n--
					mu.Unlock()
				}
			}
		},
	}
	var serving sync.WaitGroup
	failed := make(chan error, len(listeners))
	for _, l := range listeners {
		serving.Go(func() { failed <- srv.Serve(l) })
	}
	serving.Go(func() { s.beat(ctx) })
	var err error
	select {
	case <-ctx.Done():
	case err = <-failed:
	}
	stop()
	s.close()
	_ = srv.Close()
	serving.Wait()
	s.wg.Wait()
	return err
}

// close ends every client and lets no new one in.
func (s *SocketIO) close() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.closed = true
	for _, c := range s.clients {
		s.drop(c)
	}
}

// ServeHTTP is everything that is served, the gate included.
func (s *SocketIO) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	h := w.Header()
	h.Set("Cache-Control", "no-store")
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Vary", "Origin")
	_ = http.NewResponseController(w).SetWriteDeadline(time.Now().Add(s.c.beat + s.c.patience + writeTimeout))
	origin, session, why := s.admit(r)
	if why != "" {
		s.refuse(w, why, http.StatusForbidden)
		return
	}
	if origin != "" {
		h.Set("Access-Control-Allow-Origin", origin)
		// Clients of Socket.IO 2 always ask with credentials. There are none here: no cookie is set or looked at.
		h.Set("Access-Control-Allow-Credentials", "true")
	}
	if r.URL.Path != "/socket.io/" && r.URL.Path != "/socket.io" {
		w.WriteHeader(http.StatusNotFound)
		return
	}
	q := r.URL.Query()
	eio, _ := strconv.Atoi(q.Get("EIO"))
	// A JSONP answer is a script that any page can include: no Origin, no gate.
	if eio != 3 && eio != 4 || q.Has("j") {
		w.WriteHeader(http.StatusBadRequest)
		return
	}
	switch transport, sid := q.Get("transport"), q.Get("sid"); {
	case r.Method == http.MethodOptions && origin != "":
		h.Set("Access-Control-Allow-Methods", "GET, POST")
		h.Set("Access-Control-Allow-Headers", "Content-Type")
		w.WriteHeader(http.StatusNoContent)
	case transport == "websocket" && r.Method == http.MethodGet:
		s.websocket(w, r, eio, sid, origin, session)
	case transport != "polling" || r.Method != http.MethodGet && r.Method != http.MethodPost:
		w.WriteHeader(http.StatusBadRequest)
	case sid == "" && r.Method == http.MethodGet:
		c := s.open(eio, origin, session)
		if c == nil {
			s.refuse(w, "TOO_MANY_CONNECTIONS", http.StatusServiceUnavailable)
			return
		}
		s.answer(w, c, s.take(c))
	default:
		c := s.find(sid, eio, origin, session)
		if c == nil {
			// What clients of both kinds understand as "begin again".
			h.Set("Content-Type", "application/json")
			w.WriteHeader(http.StatusBadRequest)
			_, _ = io.WriteString(w, `{"code":1,"message":"Session ID unknown"}`)
			return
		}
		if r.Method == http.MethodPost {
			s.post(w, r, c)
			return
		}
		s.poll(w, r, c)
	}
}

// admit is the gate, in the order of the websocket's (agent/his): the peer is on this PC, it means us, its page is one of
// those that may, and it belongs to somebody's session. why is an id for the log.
func (s *SocketIO) admit(r *http.Request) (origin, session, why string) {
	addr, _ := r.Context().Value(http.LocalAddrContextKey).(net.Addr)
	if addr == nil {
		return "", "", "PEER_DENIED"
	}
	local, lerr := netip.ParseAddrPort(addr.String())
	remote, rerr := netip.ParseAddrPort(r.RemoteAddr)
	if lerr != nil || rerr != nil || !local.Addr().Unmap().IsLoopback() || !remote.Addr().Unmap().IsLoopback() {
		return "", "", "PEER_DENIED"
	}
	local, remote = netip.AddrPortFrom(local.Addr().Unmap(), local.Port()), netip.AddrPortFrom(remote.Addr().Unmap(), remote.Port())
	if p := ":" + strconv.Itoa(int(local.Port())); r.Host != "127.0.0.1"+p && r.Host != "localhost"+p && r.Host != "[::1]"+p {
		return "", "", "HOST_DENIED"
	}
	switch origins := r.Header.Values("Origin"); {
	case len(origins) == 1 && slices.Contains(s.c.Origins, origins[0]):
		origin = origins[0]
	case len(origins) > 0:
		return "", "", "ORIGIN_DENIED"
	case !s.c.Programs:
		return "", "", "ORIGIN_DENIED"
	case r.Header.Get("Sec-Fetch-Site") != "" || r.Header.Get("Sec-Fetch-Mode") != "":
		// A browser leaves Origin out of what a page merely includes (an image, a script). That is no program.
		return "", "", "ORIGIN_DENIED"
	}
	session, err := s.c.Session(r.Context(), local, remote)
	if err != nil || session == "" {
		return "", "", "PEER_DENIED"
	}
	return origin, session, ""
}

// refuse counts a refusal, and logs it rarely: a hostile page can cause any number.
func (s *SocketIO) refuse(w http.ResponseWriter, why string, status int) {
	s.mu.Lock()
	s.refused[why]++
	n, say := s.refused[why], s.said.IsZero() || time.Since(s.said) >= 10*time.Second
	if say {
		s.said = time.Now()
	}
	s.mu.Unlock()
	if say {
		s.c.Log("compat.refused", map[string]any{"reason": why, "count": n})
	}
	w.Header().Set("Tapcheck-Reason", why)
	w.WriteHeader(status)
}

// open makes a client, with the packets that begin its session; nil where there are too many.
func (s *SocketIO) open(eio int, origin, session string) *client {
	var raw [18]byte
	rand.Read(raw[:]) // never fails (crypto/rand)
	now := time.Now()
	c := &client{
		id: base64.RawURLEncoding.EncodeToString(raw[:]), eio: eio, origin: origin, session: session, wake: make(chan struct{}, 1),
		born: now, heard: now, pinged: now,
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	same := 0
	for _, other := range s.clients {
		if other.session == session {
			same++
		}
	}
	if s.closed || len(s.clients) >= maxClients || same >= maxPerSession {
		return nil
	}
	s.clients[c.id] = c
	hello := map[string]any{
		"sid": c.id, "upgrades": []string{"websocket"}, "pingInterval": s.c.beat.Milliseconds(), "pingTimeout": s.c.patience.Milliseconds(),
	}
	if eio == 4 {
		hello["maxPayload"] = maxBody
	}
	raw2, _ := json.Marshal(hello)
	s.push(c, string(packetOpen)+string(raw2))
	if eio == 3 { // its clients are in the main namespace without asking
		c.accepted = true
		s.push(c, "40")
	}
	return c
}

// find gives a client to whom opened it, and to nobody else: its id stands in addresses, so it is no secret.
func (s *SocketIO) find(sid string, eio int, origin, session string) *client {
	s.mu.Lock()
	defer s.mu.Unlock()
	c := s.clients[sid]
	if c == nil || c.eio != eio || c.origin != origin || c.session != session {
		return nil
	}
	return c
}

// push puts a packet into a client's queue. Who is too far behind is let go. The mutex is held.
func (s *SocketIO) push(c *client, packet string) {
	if c.over {
		return
	}
	if len(c.queue) >= maxQueue || c.bytes+len(packet) > maxQueueBytes {
		s.c.Log("compat.slow", nil)
		s.drop(c)
		return
	}
	c.queue = append(c.queue, packet)
	c.bytes += len(packet)
	c.rouse()
}

func (c *client) rouse() {
	select {
	case c.wake <- struct{}{}:
	default:
	}
}

// drop ends a client. The mutex is held.
func (s *SocketIO) drop(c *client) {
	if c.over {
		return
	}
	c.over, c.queue, c.bytes = true, nil, 0
	delete(s.clients, c.id)
	c.rouse()
	if c.joined {
		s.c.Log("compat.left", map[string]any{"clients": len(s.clients)})
	}
}

// end is drop, for who does not hold the mutex.
func (s *SocketIO) end(c *client) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.drop(c)
}

// take empties a client's queue.
func (s *SocketIO) take(c *client) []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	packets := c.queue
	c.queue, c.bytes = nil, 0
	return packets
}

// join counts a client as one that listens: it is in the namespace, and has come back. The mutex is held.
func (s *SocketIO) join(c *client) {
	if c.accepted && !c.joined && !c.over {
		c.joined = true
		s.c.Log("compat.joined", map[string]any{"clients": len(s.clients), "protocol": c.eio, "page": c.origin != ""})
	}
}

// answer sends packets as the answer to a poll.
func (s *SocketIO) answer(w http.ResponseWriter, c *client, packets []string) {
	_ = http.NewResponseController(w).SetWriteDeadline(time.Now().Add(writeTimeout))
	w.Header().Set("Content-Type", "text/plain; charset=UTF-8")
	if _, err := io.WriteString(w, encodePayload(c.eio, packets)); err != nil {
		s.end(c) // the packets are lost, and a client that knows of it begins again
	}
}

// poll waits until there is something to say.
func (s *SocketIO) poll(w http.ResponseWriter, r *http.Request, c *client) {
	s.mu.Lock()
	if c.polling || c.ws {
		s.drop(c) // two at a time: one of them would lose its half
		s.mu.Unlock()
		w.WriteHeader(http.StatusBadRequest)
		return
	}
	c.polling = true
	s.join(c)
	s.mu.Unlock()
	// The time for reading a request is over long before there is an answer to this one, and net/http would end it.
	_ = http.NewResponseController(w).SetReadDeadline(time.Time{})
	defer func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		c.polling = false
	}()
	for {
		s.mu.Lock()
		over, probing, ready := c.over, c.probing, len(c.queue) > 0
		s.mu.Unlock()
		switch {
		case over:
			s.answer(w, c, []string{string(packetClose)})
			return
		case ready && !probing:
			s.answer(w, c, s.take(c))
			return
		case probing: // it waits for this answer before it goes over to the websocket
			s.answer(w, c, []string{string(packetNoop)})
			return
		}
		select {
		case <-r.Context().Done():
			s.end(c) // the page was closed: nobody is there to send a patient to
			return
		case <-c.wake:
		}
	}
}

// post takes what a client sends.
func (s *SocketIO) post(w http.ResponseWriter, r *http.Request, c *client) {
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxBody))
	packets, ok := decodePayload(c.eio, string(body), maxPackets)
	if err != nil || !ok {
		s.end(c)
		w.WriteHeader(http.StatusBadRequest)
		return
	}
	for _, p := range packets {
		if !s.hear(c, p) {
			break
		}
	}
	w.Header().Set("Content-Type", "text/html") // what clients of protocol 3 expect
	_, _ = io.WriteString(w, "ok")
}

// hear is one packet of a client; false ends it.
func (s *SocketIO) hear(c *client, packet string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if c.over {
		return false
	}
	now := time.Now()
	c.heard = now
	if now.Sub(c.second) >= time.Second {
		c.second, c.count = now, 0
	}
	if c.count++; c.count > maxPackets || packet == "" {
		s.drop(c)
		return false
	}
	switch packet[0] {
	case packetPing:
		s.push(c, string(packetPong)+packet[1:min(len(packet), 64)])
	case packetPong, packetNoop:
	case packetMessage:
		switch m := parseMessage(packet[1:]); {
		case m.connect && m.namespace == "/" && c.eio == 4 && !c.accepted:
			c.accepted = true
			s.push(c, `40{"sid":"`+c.id+`"}`)
			if c.ws {
				s.join(c)
			}
		case m.connect && m.namespace != "/":
			word := `"Invalid namespace"`
			if c.eio == 4 {
				word = `{"message":"Invalid namespace"}`
			}
			name, _ := json.Marshal(m.namespace)
			if len(name) < 200 && string(name) == `"`+m.namespace+`"` { // nothing that would have to be escaped
				s.push(c, sioError+m.namespace+","+word)
			}
		case m.disconnect && m.namespace == "/":
			s.drop(c)
		}
	default: // packetClose, and what no client sends
		s.drop(c)
	}
	return !c.over
}

// websocket serves a client over a websocket: one that begins there, or one that goes over from polling.
func (s *SocketIO) websocket(w http.ResponseWriter, r *http.Request, eio int, sid, origin, session string) {
	var c *client
	if sid == "" {
		c = s.open(eio, origin, session)
	} else {
		c = s.find(sid, eio, origin, session)
	}
	s.mu.Lock()
	if c == nil || c.over || c.ws || c.probing || s.closed {
		s.mu.Unlock()
		s.refuse(w, "TOO_MANY_CONNECTIONS", http.StatusServiceUnavailable)
		return
	}
	c.ws, c.probing = sid == "", sid != ""
	s.wg.Add(1)
	s.mu.Unlock()
	defer s.wg.Done()
	_ = http.NewResponseController(w).SetWriteDeadline(time.Time{})
	ws, err := s.upgrader.Upgrade(w, r, nil)
	if err != nil {
		s.end(c)
		return
	}
	ws.SetReadLimit(maxBody)
	if sid != "" && !s.probe(c, ws) {
		_ = ws.Close()
		s.mu.Lock()
		c.probing = false // it may go on polling
		c.rouse()
		s.mu.Unlock()
		return
	}
	s.mu.Lock()
	c.ws, c.probing = true, false
	s.join(c)
	c.rouse()
	s.mu.Unlock()
	written := make(chan struct{})
	go func() {
		defer close(written)
		s.write(c, ws)
	}()
	for {
		_ = ws.SetReadDeadline(time.Now().Add(s.c.beat + s.c.patience))
		kind, raw, err := ws.ReadMessage()
		if err != nil || kind == websocket.TextMessage && !s.hear(c, string(raw)) {
			break
		}
		if kind == websocket.BinaryMessage { // nothing that this dialect knows is binary
			break
		}
	}
	s.end(c)
	<-written
	_ = ws.Close()
}

// probe is how a client makes sure of the websocket before it leaves polling: "2probe", "3probe", and "5" when its last
// poll has been answered.
func (s *SocketIO) probe(c *client, ws *websocket.Conn) bool {
	_ = ws.SetReadDeadline(time.Now().Add(joinTimeout))
	if _, raw, err := ws.ReadMessage(); err != nil || string(raw) != "2probe" {
		return false
	}
	_ = ws.SetWriteDeadline(time.Now().Add(writeTimeout))
	if ws.WriteMessage(websocket.TextMessage, []byte("3probe")) != nil {
		return false
	}
	s.mu.Lock()
	c.rouse() // its poll is answered now
	s.mu.Unlock()
	_, raw, err := ws.ReadMessage()
	return err == nil && string(raw) == string(packetUpgrade)
}

// write sends what there is until the client is over. A websocket that does not take it in time is closed.
func (s *SocketIO) write(c *client, ws *websocket.Conn) {
	for {
		for _, p := range s.take(c) {
			_ = ws.SetWriteDeadline(time.Now().Add(writeTimeout))
			if ws.WriteMessage(websocket.TextMessage, []byte(p)) != nil {
				s.end(c)
				_ = ws.Close()
				return
			}
		}
		s.mu.Lock()
		over, more := c.over, len(c.queue) > 0
		s.mu.Unlock()
		if over {
			_ = ws.Close() // wakes the reader
			return
		}
		if !more {
			<-c.wake
		}
	}
}

// beat pings clients of protocol 4, and ends who has not been heard for too long or never said that it listens.
func (s *SocketIO) beat(ctx context.Context) {
	tick := time.NewTicker(max(s.c.beat/8, 10*time.Millisecond))
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case now := <-tick.C:
			s.mu.Lock()
			for _, c := range s.clients {
				switch {
				case now.Sub(c.heard) > s.c.beat+s.c.patience, !c.joined && now.Sub(c.born) > joinTimeout:
					s.drop(c)
				case c.eio == 4 && now.Sub(c.pinged) >= s.c.beat:
					c.pinged = now
					s.push(c, string(packetPing))
				}
			}
			s.mu.Unlock()
		}
	}
}

// Sessions are the OS sessions in which somebody listens, sorted.
func (s *SocketIO) Sessions() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	var out []string
	for _, c := range s.clients {
		if c.joined && !slices.Contains(out, c.session) {
			out = append(out, c.session)
		}
	}
	slices.Sort(out)
	return out
}

// Send gives an event of the dialect to everybody who listens in one OS session, and to nobody else. Nobody is waited for.
func (s *SocketIO) Send(session string, event any) {
	raw, err := json.Marshal([]any{Event, event})
	if err != nil {
		return // texts only: it cannot be
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, c := range s.clients {
		if c.joined && c.session == session {
			s.push(c, "42"+string(raw))
		}
	}
}
