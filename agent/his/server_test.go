package his

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"os"
	"path/filepath"
	"reflect"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/creachadair/jrpc2"
	"github.com/creachadair/jrpc2/channel"
	"github.com/gorilla/websocket"

	"github.com/tapcheck/tapcheck/agent/catalog"
	"github.com/tapcheck/tapcheck/agent/catalog/catalogtest"
	"github.com/tapcheck/tapcheck/agent/checkin"
	"github.com/tapcheck/tapcheck/agent/keys"
	"github.com/tapcheck/tapcheck/icao/lds"
	"github.com/tapcheck/tapcheck/reader"
)

// Many clients of four owners at once: each sees its owner's jobs, all of them, in order, and no other's.
func TestOwnersSeeTheirOwnJobsOnly(t *testing.T) {
	r := start(t, nil)
	owners := []struct{ origin, token string }{
		{"https://his.example", "WEB"}, {"http://10.0.0.7:8080", "OTHER"}, {"", "DESKTOP"}, {"", "DESKTOP2"},
	}
	const tabs, jobs = 3, 20
	type tab struct {
		*client
		owner int
	}
	var all []tab
	for i, o := range owners {
		for range tabs {
			all = append(all, tab{r.open(o.origin, o.token), i})
		}
	}
	var started, wg sync.WaitGroup
	started.Add(len(owners))
	for n, c := range all {
		wg.Go(func() {
			first := n%tabs == 0
			if first { // one tab of each owner starts the jobs; all use the same job ids
				for j := range jobs {
					c.send("checkin.start", map[string]any{"jobId": strconv.Itoa(j), "means": "chip", "desk": strconv.Itoa(c.owner)})
				}
			}
			answered := map[string]bool{}
			for seen := 0; seen < jobs || first && len(answered) < jobs; {
				m, err := c.next()
				if err != nil {
					t.Error(err)
					return
				}
				if m.Method == "" {
					var a checkin.Accepted
					if json.Unmarshal(m.Result, &a) != nil || a.JobID == "" {
						t.Errorf("answer %s", m.Result)
					}
					answered[a.JobID] = true
					continue
				}
				var p checkin.Progress
				if json.Unmarshal(m.Params, &p) != nil || m.Method != "job.progress" || p.JobID != strconv.Itoa(seen) {
					t.Errorf("owner %d got %s %s as event %d", c.owner, m.Method, m.Params, seen)
				}
				if first && !answered[p.JobID] {
					t.Errorf("job %s is told about before its start is answered", p.JobID)
				}
				seen++
			}
			if first {
				started.Done()
			}
			started.Wait() // now every owner has its jobs, with ids that all owners use
			if m := c.call("job.status", map[string]string{"jobId": "3"}); m.Error != nil {
				t.Error("an own job is unknown")
			}
		})
	}
	wg.Wait()
	// A job that only one has is as unknown to others as one that never was: the same answer, byte for byte.
	if m := all[0].call("checkin.start", map[string]any{"jobId": "only-mine", "means": "chip"}); m.Error != nil {
		t.Fatal(m.Error)
	}
	for _, c := range []tab{all[tabs], all[2*tabs], all[3*tabs]} {
		for _, method := range []string{"job.status", "job.cancel", "job.resume", "job.provide"} {
			theirs, never := c.call(method, map[string]string{"jobId": "only-mine"}), c.call(method, map[string]string{"jobId": "never was"})
			if theirs.Error == nil || theirs.Error.Data.ID != catalog.JobUnknown || !reflect.DeepEqual(theirs.Error, never.Error) {
				t.Errorf("%s: %+v, %+v", method, theirs.Error, never.Error)
			}
		}
	}
	if m := all[1].call("job.status", map[string]string{"jobId": "only-mine"}); m.Error != nil {
		t.Error("another tab of the same origin does not see the job")
	}
}

// Jobs of one origin in two sessions of the operating system are two owners'.
func TestSessionsOfThePCAreApart(t *testing.T) {
	var session atomic.Value
	session.Store("uid:1000")
	r := start(t, func(c *Config) {
		c.Session = func(context.Context, netip.AddrPort, netip.AddrPort) (string, error) {
			return session.Load().(string), nil
		}
	})
	a := r.open("https://his.example", "WEB")
	a.call("checkin.start", map[string]any{"jobId": "1", "means": "chip"})
	session.Store("uid:1001")
	b := r.open("https://his.example", "WEB")
	if m := b.call("job.status", map[string]string{"jobId": "1"}); m.Error == nil || m.Error.Data.ID != catalog.JobUnknown {
		t.Error("another user of this PC sees the job")
	}
}

func TestReaderThatServesAnotherOwnerIsBusy(t *testing.T) {
	r := start(t, func(c *Config) {
		c.ServesOther = func(o checkin.Owner, id string) bool { return o.Client != "https://his.example" && id == "virtual-1" }
	})
	r.readers.set(reader.Info{ID: "virtual-1", State: reader.Card, ATR: []byte{0x3B}})
	for origin, want := range map[string]string{
		"https://his.example":  `{"readers":[{"id":"virtual-1","name":"","contactless":false,"state":"card","card":{"atr":"3B","kind":"unknown"}}]}`,
		"http://10.0.0.7:8080": `{"readers":[{"id":"virtual-1","name":"","contactless":false,"state":"busy"}]}`,
	} {
		c := r.open(origin, map[string]string{"https://his.example": "WEB", "http://10.0.0.7:8080": "OTHER"}[origin])
		if m := c.call("reader.list", nil); string(m.Result) != want {
			t.Errorf("%s sees %s", origin, m.Result)
		}
	}
}

// Whom a reader serves changes without the reader, and clients hear of that too.
func TestBusyComesAndGoes(t *testing.T) {
	var serves atomic.Bool
	var told reader.Watchers
	r := start(t, func(c *Config) {
		c.ServesOther = func(checkin.Owner, string) bool { return serves.Load() }
		c.ServesChanged = told.Watch
	})
	r.readers.set(reader.Info{ID: "virtual-1", State: reader.Empty})
	c := r.open("https://his.example", "WEB")
	for _, want := range []struct {
		serves bool
		state  string
	}{{true, `"state":"busy"`}, {false, `"state":"empty"`}, {true, `"state":"busy"`}} {
		serves.Store(want.serves)
		told.Notify()
		if m := c.expectMethod("reader.changed"); !strings.Contains(string(m.Params), want.state) {
			t.Errorf("serves another: %v, and hears %s", want.serves, m.Params)
		}
	}
	// An engine that is closed serves nobody any more; readers are still followed.
	serves.Store(false)
	told.Close()
	r.readers.set(reader.Info{ID: "virtual-1", State: reader.Mute})
	for {
		if m := c.expectMethod("reader.changed"); strings.Contains(string(m.Params), `"state":"mute"`) {
			break
		}
	}
}

func TestRevokedTokenLosesItsSession(t *testing.T) {
	t.Run("at the next request", func(t *testing.T) {
		r := start(t, nil)
		c := r.open("https://his.example", "WEB")
		if err := r.tokens.Revoke(r.ids["WEB"]); err != nil {
			t.Fatal(err)
		}
		c.send("reader.list", nil)
		c.expectClose(CloseTokenRejected)
	})
	t.Run("at the next event", func(t *testing.T) {
		r := start(t, nil)
		c := r.open("", "DESKTOP")
		if err := r.tokens.Revoke(r.ids["DESKTOP"]); err != nil {
			t.Fatal(err)
		}
		r.engine.event("job.partial", map[string]any{"jobId": "1", "identity": map[string]string{"fullName": "Nguyễn Thị Thử"}})
		if m, err := c.next(); err == nil {
			t.Fatalf("got %s %s", m.Method, m.Params)
		} else if !websocket.IsCloseError(err, CloseTokenRejected) {
			t.Fatal(err)
		}
	})
	t.Run("before the answer that took long", func(t *testing.T) {
		r := start(t, nil)
		r.engine.insurer = make(chan struct{})
		c := r.open("", "DESKTOP")
		c.send("insurance.check", map[string]string{"jobId": "j"})
		c.call("agent.status", nil) // it is under way
		if err := r.tokens.Revoke(r.ids["DESKTOP"]); err != nil {
			t.Fatal(err)
		}
		r.engine.insurer <- struct{}{}
		if m, err := c.next(); err == nil {
			t.Fatalf("got %s", m.Result)
		} else if !websocket.IsCloseError(err, CloseTokenRejected) {
			t.Fatal(err)
		}
	})
	t.Run("at the next ping", func(t *testing.T) {
		bubble(t, nil, func(r *rig, dial func() *client) {
			c := dial()
			c.expectMethod("agent.hello")
			if m := c.call("session.open", map[string]any{"protocol": 1, "token": r.secrets["WEB"]}); m.Error != nil {
				t.Fatal(m.Error)
			}
			if err := r.tokens.Revoke(r.ids["WEB"]); err != nil {
				t.Fatal(err)
			}
			_ = c.ws.SetReadDeadline(time.Now().Add(time.Minute))
			if _, _, err := c.ws.ReadMessage(); !websocket.IsCloseError(err, CloseTokenRejected) {
				t.Error(err)
			}
			_ = c.ws.Close()
		})
	})
}

// A client that does not read is disconnected; others notice nothing.
func TestSlowClientIsDisconnected(t *testing.T) {
	r := start(t, func(c *Config) { c.Limits.QueueFrames = 4 })
	slow, good := r.open("https://his.example", "WEB"), r.open("", "DESKTOP")
	_ = slow.ws.NetConn().(*net.TCPConn).SetReadBuffer(4 << 10)
	gone := make(chan struct{})
	go func() {
		defer close(gone)
		// Frames that fill the socket's buffers and then the queue. The fake engine tells both owners.
		pad := strings.Repeat("x", 256<<10)
		for i := 0; r.server.open.Load() == 2 && i < 1000; i++ {
			r.engine.event("job.progress", checkin.Progress{JobID: strconv.Itoa(i), Seq: 1, Phase: checkin.PhaseChip, Hint: &checkin.Step{ID: "KEEP_CARD", Text: pad}})
			if m, err := good.next(); err != nil || m.Method != "job.progress" {
				t.Errorf("the good client got %q, %v", m.Method, err)
				return
			}
		}
	}()
	<-gone
	if n := r.server.open.Load(); n != 1 {
		t.Fatalf("%d clients are connected", n)
	}
	if m := good.call("reader.list", nil); m.Error != nil {
		t.Error("the good client is not served")
	}
	if !strings.Contains(r.logged(), "slow client") {
		t.Error("nothing in the log")
	}
	_ = slow.ws.Close()
}

func TestFloodIsAnsweredThenCutOff(t *testing.T) {
	r := start(t, func(c *Config) { c.Limits.RequestsPerSecond = 5; c.Limits.QueueFrames = 4096 })
	c := r.open("https://his.example", "WEB")
	flood := func() {
		for i := 0; i < 5000; i++ {
			frame := []byte(`{"jsonrpc":"2.0","id":7,"method":"reader.list"}`)
			c.check.Sent(frame)
			if c.ws.WriteMessage(websocket.TextMessage, frame) != nil {
				return
			}
		}
	}
	done := make(chan struct{})
	go func() { defer close(done); flood() }()
	limited, served := 0, 0
	for {
		m, err := c.next()
		if err != nil {
			if !websocket.IsCloseError(err, CloseFlood) {
				t.Error(err)
			}
			break
		}
		if m.Error != nil && m.Error.Data.ID == catalog.RateLimited && m.Error.Data.Retriable {
			limited++
		} else {
			served++
		}
	}
	_ = c.ws.Close()
	<-done
	if limited < maxOverLimit || limited > 2*maxOverLimit || served > 100 {
		t.Errorf("%d limited, %d served", limited, served)
	}
}

func TestTooManyConnections(t *testing.T) {
	r := start(t, func(c *Config) { c.Limits.Connections = 3 })
	for range 3 {
		r.dial("https://his.example", "").expectMethod("agent.hello")
	}
	_, resp, err := websocket.DefaultDialer.DialContext(t.Context(), fmt.Sprintf("ws://127.0.0.1:%d/v1", r.port), http.Header{"Origin": {"https://his.example"}})
	if err == nil || resp.StatusCode != http.StatusServiceUnavailable || resp.Header.Get(ReasonHeader) != string(catalog.TooManyClients) {
		t.Error(err, resp)
	}
}

// Who opens no session, from one session of the operating system, must not keep the others out.
func TestWaitingConnectionsLeavePlaces(t *testing.T) {
	var stranger atomic.Bool
	r := start(t, func(c *Config) {
		c.Limits.Connections = 8
		c.Session = func(context.Context, netip.AddrPort, netip.AddrPort) (string, error) {
			if stranger.Load() {
				return "uid:1001", nil
			}
			return "uid:1000", nil
		}
	})
	stranger.Store(true)
	in := 0
	for range 12 {
		ws, resp, err := websocket.DefaultDialer.DialContext(t.Context(), fmt.Sprintf("ws://127.0.0.1:%d/v1", r.port), http.Header{"Origin": {"https://his.example"}})
		if err == nil {
			in++
			t.Cleanup(func() { _ = ws.Close() })
		} else if resp == nil || resp.Header.Get(ReasonHeader) != string(catalog.TooManyClients) {
			t.Error(err)
		}
	}
	stranger.Store(false)
	if in != 6 {
		t.Errorf("the stranger has %d places of 8", in)
	}
	r.open("https://his.example", "WEB")
	r.open("https://his.example", "WEB")
	if n := len(r.server.waiting); n != 1 {
		t.Errorf("%d wait", n)
	}
}

func TestTooManyHTTPRequests(t *testing.T) {
	r := start(t, func(c *Config) { c.Limits.RequestsPerSecond = 1 })
	codes := map[int]int{}
	for range 10 {
		req, _ := http.NewRequestWithContext(t.Context(), "GET", fmt.Sprintf("http://127.0.0.1:%d/.well-known/tapcheck.json", r.port), nil)
		resp, err := http.DefaultTransport.RoundTrip(req)
		if err != nil {
			t.Fatal(err)
		}
		_, _ = io.Copy(io.Discard, resp.Body)
		_ = resp.Body.Close()
		codes[resp.StatusCode]++
	}
	http.DefaultTransport.(*http.Transport).CloseIdleConnections()
	if codes[200] < 2 || codes[429] < 1 {
		t.Error(codes)
	}
}

func TestForeignSubprotocolIsRefused(t *testing.T) {
	r := start(t, nil)
	d := websocket.Dialer{Subprotocols: []string{"graphql-ws"}}
	_, resp, err := d.DialContext(t.Context(), fmt.Sprintf("ws://127.0.0.1:%d/v1", r.port), http.Header{"Origin": {"https://his.example"}})
	if err == nil || resp.StatusCode != http.StatusBadRequest || resp.Header.Get(ReasonHeader) != string(catalog.ProtocolVersion) {
		t.Error(err, resp)
	}
}

func TestServerThatStopsSaysGoodbye(t *testing.T) {
	r := newRig(t, nil)
	ls, port, err := Listen(t.Context(), []int{0})
	if err != nil {
		t.Fatal(err)
	}
	r.port = port
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error)
	go func() { done <- r.server.Serve(ctx, ls) }()
	a, b := r.open("https://his.example", "WEB"), r.dial("", "DESKTOP")
	b.expectMethod("agent.hello")
	cancel()
	a.expectClose(websocket.CloseGoingAway)
	b.expectClose(websocket.CloseGoingAway)
	if err := <-done; err != nil {
		t.Error(err)
	}
	if _, err := net.DialTimeout("tcp", ls[0].Addr().String(), time.Second); err == nil {
		t.Error("still listening")
	}
}

// bubble runs a server on pipes in a synctest bubble, where time is fake.
func bubble(t *testing.T, change func(c *Config), test func(r *rig, dial func() *client)) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, func(c *Config) {
			c.Session = func(context.Context, netip.AddrPort, netip.AddrPort) (string, error) { return "uid:1000", nil }
			if change != nil {
				change(c)
			}
		})
		l := newPipeListener()
		r.run([]net.Listener{l})
		test(r, func() *client {
			d := websocket.Dialer{NetDialContext: func(context.Context, string, string) (net.Conn, error) { return l.dial("127.0.0.1:50000"), nil }}
			ws, _, err := d.DialContext(t.Context(), "ws://127.0.0.1:27480/v1", http.Header{"Origin": {"https://his.example"}})
			if err != nil {
				t.Fatal(err)
			}
			return &client{t: t, ws: ws}
		})
	})
}

func TestSessionMustOpenWithinTenSeconds(t *testing.T) {
	bubble(t, nil, func(r *rig, dial func() *client) {
		began := time.Now()
		idle, open := dial(), dial()
		idle.expectMethod("agent.hello")
		open.expectMethod("agent.hello")
		if m := open.call("session.open", map[string]any{"protocol": 1, "token": r.secrets["WEB"]}); m.Error != nil {
			t.Fatal(m.Error)
		}
		idle.expectClose(CloseSessionTimeout)
		if d := time.Since(began); d != 10*time.Second {
			t.Errorf("closed after %v", d)
		}
		time.Sleep(5 * time.Second)
		if m := open.call("reader.list", nil); m.Error != nil {
			t.Error("the open session was closed too")
		}
		_ = open.ws.Close()
		_ = idle.ws.Close()
	})
}

// agent.prove and wrong tokens do not buy more time.
func TestSessionTimeoutIsNotPutOff(t *testing.T) {
	bubble(t, nil, func(_ *rig, dial func() *client) {
		began := time.Now()
		c := dial()
		c.expectMethod("agent.hello")
		for i := range 5 {
			time.Sleep(1900 * time.Millisecond)
			if m := c.call("agent.prove", map[string]string{"nonce": strings.Repeat("A", 43)}); m.Error != nil {
				t.Fatal(i, m.Error)
			}
		}
		c.expectClose(CloseSessionTimeout)
		if d := time.Since(began); d != 10*time.Second {
			t.Errorf("closed after %v", d)
		}
		_ = c.ws.Close()
	})
}

func TestClientThatIsGoneWithoutAWordIsNoticed(t *testing.T) {
	bubble(t, nil, func(r *rig, dial func() *client) {
		c := dial()
		c.expectMethod("agent.hello")
		if m := c.call("session.open", map[string]any{"protocol": 1, "token": r.secrets["WEB"]}); m.Error != nil {
			t.Fatal(m.Error)
		}
		began := time.Now()
		// It takes no more pings. (The pipe has no buffer, so the first one cannot be written.)
		for r.server.open.Load() == 1 && time.Since(began) < time.Hour {
			time.Sleep(time.Second)
		}
		if d := time.Since(began); d > 3*30*time.Second+time.Second {
			t.Errorf("noticed after %v", d)
		}
		_ = c.ws.Close()
	})
}

// A client that another project wrote understands us: creachadair/jrpc2.
func TestAnotherJSONRPCClient(t *testing.T) {
	r := start(t, nil)
	ws := r.dial("https://his.example", "").ws
	notes := make(chan string, 16)
	c := jrpc2.NewClient(wsChannel{ws}, &jrpc2.ClientOptions{OnNotify: func(q *jrpc2.Request) { notes <- q.Method() }})
	defer c.Close()
	var opened struct{ SessionID string }
	if err := c.CallResult(t.Context(), "session.open", map[string]any{"protocol": 1, "token": r.secrets["WEB"]}, &opened); err != nil || opened.SessionID == "" {
		t.Fatal(opened, err)
	}
	var a checkin.Accepted
	if err := c.CallResult(t.Context(), "checkin.start", map[string]any{"jobId": "1", "means": "chip"}, &a); err != nil || a.JobID != "1" {
		t.Fatal(a, err)
	}
	for _, want := range []string{"agent.hello", "job.progress"} {
		if got := <-notes; got != want {
			t.Fatalf("got %s, want %s", got, want)
		}
	}
	_, err := c.Call(t.Context(), "patient.list", nil)
	if e, ok := err.(*jrpc2.Error); !ok || e.Code != jrpc2.MethodNotFound || !strings.Contains(string(e.Data), "UNKNOWN_METHOD") {
		t.Errorf("got %v", err)
	}
	if err := c.Notify(t.Context(), "reader.list", nil); err != nil {
		t.Error(err)
	}
	if _, err := c.Call(t.Context(), "agent.status", nil); err != nil {
		t.Error(err)
	}
}

type wsChannel struct{ ws *websocket.Conn }

var _ channel.Channel = wsChannel{}

func (c wsChannel) Send(b []byte) error   { return c.ws.WriteMessage(websocket.TextMessage, b) }
func (c wsChannel) Recv() ([]byte, error) { _, b, err := c.ws.ReadMessage(); return b, err }
func (c wsChannel) Close() error          { return c.ws.Close() }

// Errors in both languages, each with everything that the protocol promises.
func TestErrorsAreCompleteInBothLanguages(t *testing.T) {
	for _, lang := range []catalog.Lang{catalog.VI, catalog.EN} {
		r := start(t, nil)
		c := r.dial("https://his.example", "")
		c.expectMethod("agent.hello")
		c.call("session.open", map[string]any{"protocol": 1, "token": r.secrets["WEB"], "language": lang})
		m := c.call("job.status", map[string]string{"jobId": "nobody"})
		entry, _ := catalog.Lookup(catalog.JobUnknown)
		if d := m.Error.Data; m.Error.Code != entry.Code || d.Lang != lang || d.Text != entry.Text.In(lang) || d.Next != entry.Next.In(lang) || d.Help == "" || d.Category == "" {
			t.Errorf("%+v", m.Error)
		}
		if m.Error.Message != "job unknown" {
			t.Error(m.Error.Message)
		}
	}
}

// What the HIS says about itself is on its own word, and only on that.
func TestOperatorIsOnTheWordOfTheHIS(t *testing.T) {
	r := start(t, nil)
	c := r.dial("", "DESKTOP")
	c.expectMethod("agent.hello")
	c.check.Lax = true // what else it says of the operator is ignored
	c.call("session.open", map[string]any{"protocol": 1, "operator": map[string]string{"id": "lt.hoa", "source": "policy"}})
	c.call("checkin.start", map[string]any{"jobId": "1", "means": "chip"})
	c.call("checkin.start", map[string]any{"jobId": "2", "means": "chip", "operator": map[string]string{"id": "lt.mai", "source": "assertion"}})
	want := []checkin.Operator{{ID: "lt.hoa", Source: "his"}, {ID: "lt.mai", Source: "his"}}
	for i, w := range want {
		if got := r.engine.reqs[i].Operator; got == nil || *got != w {
			t.Errorf("got %+v, want %+v", got, w)
		}
	}
}

func TestConfigIsChecked(t *testing.T) {
	if _, err := New(Config{}); err == nil {
		t.Error("an empty configuration is accepted")
	}
	r := newRig(t, nil)
	for _, o := range []string{"*", "https://his.example/", "null", "his.example"} {
		c := r.server.c
		c.Origins = []string{o}
		if _, err := New(c); err == nil {
			t.Errorf("origin %q is accepted", o)
		}
	}
}

func TestFieldsOfTokensAreThoseOfAnIdentity(t *testing.T) {
	var names []string
	for f := range reflect.TypeFor[lds.Identity]().Fields() {
		if name, _, _ := strings.Cut(f.Tag.Get("json"), ","); name != "source" {
			names = append(names, name)
		}
	}
	known := append(slices.Clone(keys.DefaultFields), keys.SensitiveFields...)
	known = slices.DeleteFunc(known, func(s string) bool { return s == "portrait" })
	slices.Sort(names)
	slices.Sort(known)
	if !slices.Equal(names, known) {
		t.Errorf("an identity has %v, a token can carry %v", names, known)
	}
}

func TestFirstFreePortIsTakenAndNobodyElseGetsIt(t *testing.T) {
	first, port, err := Listen(t.Context(), []int{0})
	if err != nil {
		t.Fatal(err)
	}
	defer closeAll(first)
	second, next, err := Listen(t.Context(), []int{port, 0})
	if err != nil || next == port {
		t.Fatal(next, err)
	}
	defer closeAll(second)
	if _, _, err := Listen(t.Context(), []int{port}); err == nil || err.Error() != string(catalog.PortTaken) {
		t.Error(err)
	} else {
		catalogtest.Saw(catalog.PortTaken)
	}
	// Not even for every address of the PC, with the option that lets servers restart fast.
	lc := net.ListenConfig{Control: func(_, _ string, c syscall.RawConn) error { return reuse(c) }}
	if l, err := lc.Listen(t.Context(), "tcp4", fmt.Sprintf("0.0.0.0:%d", port)); err == nil {
		_ = l.Close()
		t.Error("another program can listen on our port")
	}
	for _, l := range first {
		if a := l.Addr().(*net.TCPAddr); !a.IP.IsLoopback() || a.Port != port {
			t.Errorf("listens on %v", a)
		}
	}
}

func closeAll(ls []net.Listener) {
	for _, l := range ls {
		_ = l.Close()
	}
}

// Where somebody holds the port on one of the two addresses only, it is not ours.
func TestPortHalfTakenIsNotUsed(t *testing.T) {
	l6, err := net.Listen("tcp6", "[::1]:0")
	if err != nil {
		t.Skip("no IPv6 here")
	}
	defer l6.Close()
	port := l6.Addr().(*net.TCPAddr).Port
	if ls, _, err := Listen(t.Context(), []int{port}); err == nil {
		closeAll(ls)
		t.Error("listens on half a port: a client of [::1] would talk to the other program")
	}
}

func TestPublishedPort(t *testing.T) {
	path := filepath.Join(t.TempDir(), "port.json")
	remove, err := PublishPort(path, 27481, 0, "instance")
	if err != nil {
		t.Fatal(err)
	}
	raw, _ := os.ReadFile(path)
	var p PortInfo
	if json.Unmarshal(raw, &p) != nil || p.Port != 27481 || p.URL != "ws://127.0.0.1:27481/v1" || p.InstanceID != "instance" {
		t.Errorf("%s", raw)
	}
	if info, _ := os.Stat(path); runtime.GOOS != "windows" && info.Mode().Perm()&0o022 != 0 {
		t.Errorf("others may change it: %v", info.Mode())
	}
	second, err := PublishPort(path, 27482, 27484, "instance")
	if err != nil {
		t.Fatal(err)
	}
	remove()
	if _, err := os.Stat(path); err != nil {
		t.Error("an agent that stops removes another one's file")
	}
	second()
	if _, err := os.Stat(path); err == nil {
		t.Error("the file stays")
	}
	if entries, _ := os.ReadDir(filepath.Dir(path)); len(entries) > 0 {
		t.Error("something was left behind")
	}
	if _, err := PublishPort(filepath.Join(path, "no", "folder"), 1, 0, ""); err == nil {
		t.Error("no error")
	}
}
