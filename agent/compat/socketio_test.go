package compat

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/gorilla/websocket"
	"go.uber.org/goleak"
)

const page = "https://his.example"

// sessions says which OS session a connection is of: a test's own header cannot, so the port of the peer does.
type sessions struct {
	mu sync.Mutex
	is string
}

func (s *sessions) set(name string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.is = name
}

func (s *sessions) of(context.Context, netip.AddrPort, netip.AddrPort) (string, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.is, nil
}

// No goroutine outlives the server that it belongs to.
func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// serving runs a server for a test.
func serving(t *testing.T, change func(*SocketIOConfig)) (s *SocketIO, addr string) {
	t.Helper()
	c := SocketIOConfig{Origins: []string{page}, Programs: true, Session: (&sessions{is: "uid:1000"}).of}
	if change != nil {
		change(&c)
	}
	s = NewSocketIO(c)
	l, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- s.Serve(ctx, []net.Listener{l}) }()
	t.Cleanup(func() {
		stop()
		if err := <-ended; err != nil {
			t.Error(err)
		}
		http.DefaultClient.CloseIdleConnections()
	})
	return s, l.Addr().String()
}

// his is a real client of Socket.IO in Node.
type his struct {
	t     *testing.T
	lines chan line
}

type line struct {
	What  string          `json:"what"`
	Value json.RawMessage `json:"value"`
}

func listen(t *testing.T, version, addr, transport string, namespace ...string) *his {
	t.Helper()
	dir := filepath.Join("testdata", "socketio")
	if _, err := os.Stat(filepath.Join(dir, "node_modules")); err != nil {
		t.Fatal("the clients are not there: run installer/setup.sh test")
	}
	args := append([]string{"listen.js", version, "http://" + addr, transport}, namespace...)
	cmd := exec.Command("node", args...)
	cmd.Dir, cmd.Stderr = dir, os.Stderr
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	h := &his{t, make(chan line, 100)}
	var reading sync.WaitGroup
	reading.Go(func() {
		defer close(h.lines)
		sc := bufio.NewScanner(out)
		sc.Buffer(nil, 16<<20)
		for sc.Scan() {
			var l line
			if json.Unmarshal(sc.Bytes(), &l) == nil {
				h.lines <- l
			}
		}
	})
	t.Cleanup(func() {
		_ = in.Close()
		reading.Wait()
		_ = cmd.Wait()
	})
	return h
}

// next waits for something of a kind, and gives its value.
func (h *his) next(what string) string {
	h.t.Helper()
	limit := time.After(20 * time.Second)
	for {
		select {
		case l, open := <-h.lines:
			if !open {
				h.t.Fatalf("the client has ended before %s", what)
			}
			if l.What == what {
				return string(l.Value)
			}
		case <-limit:
			h.t.Fatalf("no %s", what)
		}
	}
}

// until waits for something to become true.
func until(t *testing.T, what string, is func() bool) {
	t.Helper()
	for range 2000 {
		if is() {
			return
		}
		time.Sleep(5 * time.Millisecond)
	}
	t.Fatalf("never: %s", what)
}

// Clients as they are in use, old and new, over each transport: they connect, change over, stay through several heartbeats,
// hear what they are told, and are gone when they leave.
func TestRealClients(t *testing.T) {
	for _, version := range []string{"2", "4"} {
		for _, transport := range []string{"polling", "websocket", "both"} {
			t.Run(version+" "+transport, func(t *testing.T) {
				t.Parallel()
				s, addr := serving(t, func(c *SocketIOConfig) { c.beat, c.patience = 300*time.Millisecond, 2*time.Second })
				h := listen(t, version, addr, transport)
				// It may be over there before it is in the namespace.
				if at := h.next("connect"); transport == "both" && at != `"websocket"` {
					if got := h.next("upgrade"); got != `"websocket"` {
						t.Errorf("went over to %s", got)
					}
				}
				until(t, "it listens", func() bool { return slices.Equal(s.Sessions(), []string{"uid:1000"}) })
				s.mu.Lock()
				for _, c := range s.clients {
					c.heard = time.Now() // from here on it must keep itself alive
				}
				s.mu.Unlock()
				time.Sleep(1200 * time.Millisecond) // four heartbeats
				s.Send("uid:1000", event{idNewCard, messageNewCard, nil})
				s.Send("uid:1001", event{idError, "not for this session", nil})
				s.Send("uid:1000", event{idPerson, messageOK, map[string]string{"personName": "Nguyễn Văn An 😀"}})
				big := strings.Repeat("QUFB", 100_000)
				s.Send("uid:1000", event{idFiles, messageOK, map[string]string{"img_data": big}})
				if got := h.next("event"); got != `{"id":1,"message":"new card!"}` {
					t.Error(got)
				}
				if got := h.next("event"); got != `{"id":2,"message":"success","data":{"personName":"Nguyễn Văn An 😀"}}` {
					t.Error(got)
				}
				if got := h.next("event"); got != `{"id":4,"message":"success","data":{"img_data":"`+big+`"}}` {
					t.Errorf("%d bytes", len(got))
				}
			})
		}
	}
}

// Another namespace is another box's: the client is told, and stays out.
func TestOnlyTheMainNamespace(t *testing.T) {
	for version, want := range map[string]string{"2": "error", "4": "connect_error"} {
		_, addr := serving(t, nil)
		h := listen(t, version, addr, "websocket", "/image")
		if got := h.next(want); !strings.Contains(got, "Invalid namespace") {
			t.Errorf("%s: %s", version, got)
		}
	}
}

func do(t *testing.T, r *http.Request) (status int, body string) {
	t.Helper()
	a, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer a.Body.Close()
	raw, _ := io.ReadAll(a.Body)
	return a.StatusCode, string(raw)
}

// The gate, row by row: who may open a session of Engine.IO, and who not.
func TestCompatGate(t *testing.T) {
	const poll = "/socket.io/?EIO=4&transport=polling"
	for name, c := range map[string]struct {
		path, method, host string
		header             map[string]string
		programs           bool
		session            string
		status             int
		reason             string
	}{
		"an allowed page":            {path: poll, header: map[string]string{"Origin": page}, status: 200},
		"another page":               {path: poll, header: map[string]string{"Origin": "https://evil.example"}, programs: true, status: 403, reason: "ORIGIN_DENIED"},
		"the same page on a port":    {path: poll, header: map[string]string{"Origin": page + ":444"}, programs: true, status: 403, reason: "ORIGIN_DENIED"},
		"the same name in clear":     {path: poll, header: map[string]string{"Origin": "http://his.example"}, programs: true, status: 403, reason: "ORIGIN_DENIED"},
		"a name that ends like it":   {path: poll, header: map[string]string{"Origin": "https://evil.his.example"}, status: 403, reason: "ORIGIN_DENIED"},
		"no origin of its own":       {path: poll, header: map[string]string{"Origin": "null"}, programs: true, status: 403, reason: "ORIGIN_DENIED"},
		"an empty origin":            {path: poll, header: map[string]string{"Origin": ""}, programs: true, status: 403, reason: "ORIGIN_DENIED"},
		"a program":                  {path: poll, programs: true, status: 200},
		"a program, not allowed":     {path: poll, status: 403, reason: "ORIGIN_DENIED"},
		"an image of a page":         {path: poll, header: map[string]string{"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "no-cors"}, programs: true, status: 403, reason: "ORIGIN_DENIED"},
		"a script of a page":         {path: poll + "&j=0", programs: true, status: 400},
		"a script of a page, EIO 3":  {path: "/socket.io/?EIO=3&transport=polling&j=0", header: map[string]string{"Origin": page}, status: 400},
		"DNS rebinding":              {path: poll, host: "his.example:8000", header: map[string]string{"Origin": page}, status: 403, reason: "HOST_DENIED"},
		"another port of ours":       {path: poll, host: "127.0.0.1:1", header: map[string]string{"Origin": page}, status: 403, reason: "HOST_DENIED"},
		"no port":                    {path: poll, host: "127.0.0.1", header: map[string]string{"Origin": page}, status: 403, reason: "HOST_DENIED"},
		"nobody's session":           {path: poll, header: map[string]string{"Origin": page}, session: "-", status: 403, reason: "PEER_DENIED"},
		"protocol 2":                 {path: "/socket.io/?EIO=2&transport=polling", header: map[string]string{"Origin": page}, status: 400},
		"no protocol":                {path: "/socket.io/", header: map[string]string{"Origin": page}, status: 400},
		"another path":               {path: "/", header: map[string]string{"Origin": page}, status: 404},
		"the client's script":        {path: "/socket.io/socket.io.js", header: map[string]string{"Origin": page}, status: 404},
		"a session that is not":      {path: poll + "&sid=xxxx", header: map[string]string{"Origin": page}, status: 400},
		"another transport":          {path: "/socket.io/?EIO=4&transport=webtransport", header: map[string]string{"Origin": page}, status: 400},
		"a preflight":                {path: poll, method: "OPTIONS", header: map[string]string{"Origin": page, "Access-Control-Request-Method": "POST"}, status: 204},
		"another page's preflight":   {path: poll, method: "OPTIONS", header: map[string]string{"Origin": "https://evil.example"}, status: 403, reason: "ORIGIN_DENIED"},
		"DELETE":                     {path: poll, method: "DELETE", header: map[string]string{"Origin": page}, status: 400},
		"a websocket that is none":   {path: "/socket.io/?EIO=4&transport=websocket", header: map[string]string{"Origin": page}, status: 400},
		"a POST without a session":   {path: poll, method: "POST", header: map[string]string{"Origin": page}, status: 400},
		"another page's websocket":   {path: "/socket.io/?EIO=4&transport=websocket", header: map[string]string{"Origin": "https://evil.example"}, status: 403, reason: "ORIGIN_DENIED"},
		"a program's websocket, off": {path: "/socket.io/?EIO=4&transport=websocket", status: 403, reason: "ORIGIN_DENIED"},
	} {
		t.Run(name, func(t *testing.T) {
			is := &sessions{is: "uid:1000"}
			if c.session == "-" {
				is.is = ""
			}
			_, addr := serving(t, func(s *SocketIOConfig) { s.Programs, s.Session = c.programs, is.of })
			method := "GET"
			if c.method != "" {
				method = c.method
			}
			r, err := http.NewRequest(method, "http://"+addr+c.path, nil)
			if err != nil {
				t.Fatal(err)
			}
			for k, v := range c.header {
				r.Header[k] = []string{v}
			}
			r.Host = c.host
			a, err := http.DefaultClient.Do(r)
			if err != nil {
				t.Fatal(err)
			}
			_ = a.Body.Close()
			if a.StatusCode != c.status || a.Header.Get("Tapcheck-Reason") != c.reason {
				t.Errorf("%d %s, want %d %s", a.StatusCode, a.Header.Get("Tapcheck-Reason"), c.status, c.reason)
			}
			echoed, allowed := a.Header.Get("Access-Control-Allow-Origin"), c.header["Origin"] == page && c.status != 403
			if allowed && echoed != page || !allowed && echoed != "" {
				t.Errorf("the origin that may read the answer is %q", echoed)
			}
		})
	}
}

// dial opens a session over a websocket.
func dial(t *testing.T, addr string, eio int) *websocket.Conn {
	t.Helper()
	ws, a, err := websocket.DefaultDialer.Dial(fmt.Sprintf("ws://%s/socket.io/?EIO=%d&transport=websocket", addr, eio), nil)
	if err != nil {
		t.Fatalf("%v %+v", err, a)
	}
	t.Cleanup(func() { _ = ws.Close() })
	return ws
}

// Whatever a client sends, the server goes on serving the others, and waits for nobody.
func TestHostileFrames(t *testing.T) {
	s, addr := serving(t, nil)
	good := dial(t, addr, 4)
	if err := good.WriteMessage(websocket.TextMessage, []byte("40")); err != nil {
		t.Fatal(err)
	}
	until(t, "the good one listens", func() bool { return len(s.Sessions()) == 1 })
	frames := []string{
		"", "4", "42", "42[", "42{}", "42[]", "43[]", "430[]", "45", "451-[\"a\",{\"_placeholder\":true,\"num\":0}]", "459999999-[\"a\"]", "42/event,99999999999999999999[1]",
		"40{\"a\":1}", "40/event,{\"a\":", "40/nope", "40/\",", "41", "41/event,", "44", "9", "6", "5", "5probe", "2probe", "1", "0", "b", "bAAA", "x",
		"40" + strings.Repeat("/x", 5000) + ",", "42" + strings.Repeat("[", 20_000), "42\x00", "42[\"disconnect\"]", "2" + strings.Repeat("p", 1000), "40/event?x=%zz,", "\x1e", "3:abc",
	}
	for _, eio := range []int{3, 4} {
		for _, f := range frames {
			for _, kind := range []int{websocket.TextMessage, websocket.BinaryMessage} {
				ws := dial(t, addr, eio)
				_ = ws.WriteMessage(kind, []byte(f))
				_ = ws.WriteMessage(kind, []byte(f))
				_ = ws.Close()
			}
			// The same as the body of a POST.
			a, err := http.Get(fmt.Sprintf("http://%s/socket.io/?EIO=%d&transport=polling", addr, eio))
			if err != nil {
				t.Fatal(err)
			}
			raw, _ := io.ReadAll(a.Body)
			_ = a.Body.Close()
			_, open, _ := strings.Cut(string(raw), `"sid":"`)
			sid, _, found := strings.Cut(open, `"`)
			if !found {
				t.Fatalf("no session: %d %s", a.StatusCode, raw)
			}
			for _, body := range []string{f, strconv.Itoa(len(f)) + ":" + f, "999:" + f, "-1:" + f, strings.Repeat("2\x1e", 200)} {
				a, err := http.Post(fmt.Sprintf("http://%s/socket.io/?EIO=%d&transport=polling&sid=%s", addr, eio, sid), "text/plain", strings.NewReader(body))
				if err != nil {
					t.Fatal(err)
				}
				_ = a.Body.Close()
			}
			s.mu.Lock()
			if c := s.clients[sid]; c != nil {
				s.drop(c)
			}
			s.mu.Unlock()
		}
		until(t, "the bad ones are gone", func() bool { s.mu.Lock(); defer s.mu.Unlock(); return len(s.clients) == 1 })
	}
	huge := dial(t, addr, 4)
	_ = huge.WriteMessage(websocket.TextMessage, make([]byte, maxBody+1))
	_ = huge.SetReadDeadline(time.Now().Add(20 * time.Second))
	for {
		if _, _, err := huge.ReadMessage(); err != nil {
			break // it was shown the door
		}
	}
	s.Send("uid:1000", event{ID: idNewCard, Message: messageNewCard})
	_ = good.SetReadDeadline(time.Now().Add(20 * time.Second))
	for {
		_, raw, err := good.ReadMessage()
		if err != nil {
			t.Fatal(err)
		}
		if string(raw) == `42["/event",{"id":1,"message":"new card!"}]` {
			return
		}
	}
}

// A flood of packets, clients without end, and one that reads nothing: each costs what the bounds say and no more.
func TestBounds(t *testing.T) {
	is := &sessions{is: "uid:1000"}
	s, addr := serving(t, func(c *SocketIOConfig) { c.Session = is.of })
	flood := dial(t, addr, 4)
	for range maxPackets * 4 {
		_ = flood.WriteMessage(websocket.TextMessage, []byte("2"))
	}
	until(t, "the flood is over", func() bool { s.mu.Lock(); defer s.mu.Unlock(); return len(s.clients) == 0 })

	slow := dial(t, addr, 3)
	until(t, "the slow one listens", func() bool { return len(s.Sessions()) == 1 })
	chunk := event{idFiles, "", map[string]string{"img_data": strings.Repeat("A", 1<<20)}}
	for range 2 * maxQueueBytes >> 20 {
		s.Send("uid:1000", chunk) // returns at once, whatever the client does
	}
	until(t, "the slow one is let go", func() bool { return len(s.Sessions()) == 0 })
	_ = slow.Close()

	open := func() int {
		status, _ := do(t, request(t, "GET", "http://"+addr+"/socket.io/?EIO=4&transport=polling"))
		return status
	}
	for i := range maxPerSession {
		if got := open(); got != 200 {
			t.Fatalf("client %d: %d", i, got)
		}
	}
	if got := open(); got != 503 {
		t.Errorf("one more of the same user: %d", got)
	}
	is.set("uid:1001")
	if got := open(); got != 200 {
		t.Errorf("another user: %d", got)
	}
	// Who never comes back does not listen: a page that cannot read the answer is nobody to send a patient to.
	if got := s.Sessions(); len(got) != 0 {
		t.Errorf("listening: %v", got)
	}
}

func request(t *testing.T, method, url string) *http.Request {
	t.Helper()
	r, err := http.NewRequest(method, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// The id of a session stands in addresses. In another OS session, or of another page, it is good for nothing.
func TestAnotherUserCannotTakeASessionOver(t *testing.T) {
	is := &sessions{is: "uid:1000"}
	s, addr := serving(t, func(c *SocketIOConfig) { c.Session = is.of })
	_, body := do(t, request(t, "GET", "http://"+addr+"/socket.io/?EIO=3&transport=polling"))
	_, rest, _ := strings.Cut(body, `"sid":"`)
	sid, _, _ := strings.Cut(rest, `"`)
	poll := "http://" + addr + "/socket.io/?EIO=3&transport=polling&sid=" + sid
	is.set("uid:1001")
	if status, _ := do(t, request(t, "GET", poll)); status != 400 {
		t.Errorf("another user polls: %d", status)
	}
	is.set("uid:1000")
	r := request(t, "GET", poll)
	r.Header.Set("Origin", page)
	if status, _ := do(t, r); status != 400 {
		t.Errorf("a page polls a program's: %d", status)
	}
	if len(s.Sessions()) != 0 {
		t.Error("somebody listens")
	}
}

// Who is not heard for too long is gone.
func TestSilentClientsEnd(t *testing.T) {
	s, addr := serving(t, func(c *SocketIOConfig) { c.beat, c.patience = 50*time.Millisecond, 50*time.Millisecond })
	ws := dial(t, addr, 3)
	for {
		if _, _, err := ws.ReadMessage(); err != nil {
			break
		}
	}
	until(t, "it is gone", func() bool { s.mu.Lock(); defer s.mu.Unlock(); return len(s.clients) == 0 })
}

func TestPayloads(t *testing.T) {
	for _, c := range []struct {
		eio     int
		body    string
		packets []string
		ok      bool
	}{
		{4, "40", []string{"40"}, true}, {4, "40\x1e2", []string{"40", "2"}, true}, {4, "", nil, false}, {4, "\xff", nil, false},
		{3, "2:40", []string{"40"}, true}, {3, "2:401:2", []string{"40", "2"}, true}, {3, "2:4ế", []string{"4ế"}, true}, {3, "3:4😀", []string{"4😀"}, true},
		{3, "2:4😀", nil, false}, {3, "5:40", nil, false}, {3, "x", nil, false}, {3, "99999999:4", nil, false}, {3, "-1:4", nil, false}, {3, "0:", []string{""}, true},
	} {
		got, ok := decodePayload(c.eio, c.body, maxPackets)
		if ok != c.ok || ok && !slices.Equal(got, c.packets) {
			t.Errorf("%d %q: %q, %v", c.eio, c.body, got, ok)
		}
		if ok {
			if again := encodePayload(c.eio, got); again != c.body {
				t.Errorf("%q becomes %q", c.body, again)
			}
		}
	}
	if _, ok := decodePayload(4, strings.Repeat("2\x1e", maxPackets), maxPackets); ok {
		t.Error("too many packets")
	}
	if d := cmp.Diff(message{connect: true, namespace: "/event"}, parseMessage("0/event?x=1,{}"), cmp.AllowUnexported(message{})); d != "" {
		t.Error(d)
	}
}

func FuzzDecodePayload(f *testing.F) {
	f.Add(3, "2:401:2")
	f.Add(4, "40\x1e2")
	f.Fuzz(func(t *testing.T, eio int, body string) {
		packets, ok := decodePayload(eio, body, maxPackets)
		if !ok {
			return
		}
		if len(packets) > maxPackets {
			t.Errorf("%d packets", len(packets))
		}
		for _, p := range packets {
			parseMessage(p)
		}
	})
}
