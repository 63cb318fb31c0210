package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/gorilla/websocket"

	"github.com/tapcheck/tapcheck/agent/checkin"
	"github.com/tapcheck/tapcheck/agent/his"
	"github.com/tapcheck/tapcheck/agent/keys"
)

// flood is what comes at the agent while somebody works with it.
type flood struct {
	frames      int // malformed or oversized, on sockets with an open session and without
	connections int // that are opened and held, most of which are refused
	slow        int // clients that ask and never read
	checkins    int // of the client that must not notice
}

// TestFlood sends frames that are malformed or oversized, opens more connections than there may be, and does not read what it has
// asked for, all at once, while another client's patients are checked in: each of them is, and the agent goes on.
func TestFlood(t *testing.T) {
	f := flood{frames: 400, connections: 100, slow: 3, checkins: 3}
	if os.Getenv("TAPCHECK_BENCH") != "" {
		f = flood{frames: 10_000, connections: 1000, slow: 10, checkins: 20}
	}
	p := start(t, configured("[his]\nrequests_per_second = 1000\nmax_connections = 60\n"), "demo", "--json", "--no-tap", "--latency", "0")
	desk := p.open("", p.token("--desktop", "--rights", "read,insurance,simulator"))
	hostile := p.token("--desktop", "--rights", "read")

	quiet := desk.patients(f.checkins)
	ctx, stop := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	counts := &floodCounts{}
	p.holdOpen(ctx, &wg, f.connections, counts)
	p.readNothing(ctx, &wg, f.slow, hostile, counts)
	done := make(chan struct{})
	wg.Go(func() {
		defer close(done)
		p.spoilFrames(ctx, f.frames, hostile, counts)
	})
	var flooded []time.Duration
	began := time.Now()
	for more := true; more; { // as long as the flood lasts, and as many as are wanted
		flooded = append(flooded, desk.patients(1)...)
		select {
		case <-done:
			// A slow reader has the kernel's buffers to fill first.
			patience := os.Getenv("TAPCHECK_BENCH") != "" && counts.slow.Load() == 0 && time.Since(began) < 30*time.Second
			more = len(flooded) < f.checkins || patience
		default:
		}
	}
	stop()
	wg.Wait()
	select {
	case <-p.done:
		t.Fatalf("the program ended: %v\n%s", p.err, p.stderr)
	default:
	}
	desk.must("agent.status", nil)
	if sent := counts.frames.Load(); sent < int64(f.frames) {
		t.Errorf("%d frames were sent", sent)
	}
	if os.Getenv("TAPCHECK_BENCH") == "" {
		return
	}
	fmt.Printf("\n%-34s %10s %10s %10s\n", "a patient by chip, ms", "p50", "p99", "number")
	fmt.Printf("%-34s %10.1f %10.1f %10d\n", "alone", percentile(quiet, 50), percentile(quiet, 99), len(quiet))
	fmt.Printf("%-34s %10.1f %10.1f %10d\n", "during the flood", percentile(flooded, 50), percentile(flooded, 99), len(flooded))
	fmt.Printf("the flood: %d bad frames (%d sockets ended for them), %d connections held of %d tried, %d slow readers let go, %d requests refused\n",
		counts.frames.Load(), counts.ended.Load(), counts.held.Load(), f.connections, counts.slow.Load(), counts.refused.Load())
}

type floodCounts struct{ frames, ended, held, slow, refused atomic.Int64 }

// configured gives the simulation settings of its own.
func configured(toml string) func(*exec.Cmd) {
	return func(cmd *exec.Cmd) {
		dir := filepath.Join(cmd.Args[slices.Index(cmd.Args, "--data")+1], simulationFolder)
		if err := errors.Join(os.MkdirAll(filepath.Dir(dir), 0o700), keys.Claim(dir, true), os.WriteFile(filepath.Join(dir, "tapcheck.toml"), []byte(toml), 0o600)); err != nil {
			panic(err)
		}
	}
}

var patient atomic.Int64

// patients checks some in by chip, one after the other, and tells how long each took.
func (s *session) patients(n int) (took []time.Duration) {
	s.t.Helper()
	for range n {
		job := fmt.Sprintf("patient-%d", patient.Add(1))
		s.must("checkin.start", map[string]any{"jobId": job, "means": "chip", "key": map[string]string{"can": "012345"}})
		began := time.Now()
		s.must("sim.insert", map[string]string{"persona": "an"})
		if r := s.result(job); r.State != checkin.Complete || r.Identity == nil || r.Portrait == nil || r.Eligibility == nil || !r.Recorded {
			s.t.Fatalf("%s: state %s, error %v, eligibility %+v, recorded %v", job, r.State, r.Error, r.Eligibility, r.Recorded)
		}
		took = append(took, time.Since(began))
		s.must("sim.remove", map[string]string{})
	}
	return took
}

// holdOpen opens connections that say nothing, until ctx ends.
func (p *program) holdOpen(ctx context.Context, wg *sync.WaitGroup, n int, counts *floodCounts) {
	addr := p.addr()
	wg.Go(func() {
		var open []net.Conn
		defer func() {
			for _, c := range open {
				_ = c.Close()
			}
		}()
		for range n {
			c, err := net.DialTimeout("tcp", addr, time.Second)
			if err != nil {
				counts.refused.Add(1)
				continue
			}
			open = append(open, c)
			counts.held.Add(1)
		}
		<-ctx.Done()
	})
}

// dialAs connects as a desktop program, or gives nothing where the agent has had enough of it.
func dialAs(ctx context.Context, addr, token string, readBuffer int) *websocket.Conn {
	d := websocket.Dialer{Subprotocols: []string{his.Subprotocol}, HandshakeTimeout: 5 * time.Second}
	if readBuffer > 0 {
		d.NetDialContext = func(ctx context.Context, network, addr string) (net.Conn, error) {
			c, err := (&net.Dialer{}).DialContext(ctx, network, addr)
			if tcp, ok := c.(*net.TCPConn); ok {
				_ = tcp.SetReadBuffer(readBuffer)
			}
			return c, err
		}
	}
	ws, _, err := d.DialContext(ctx, "ws://"+addr+"/v1", http.Header{"Authorization": {"Bearer " + token}})
	if err != nil {
		return nil
	}
	return ws
}

// readNothing asks, again and again, for what it does not read.
func (p *program) readNothing(ctx context.Context, wg *sync.WaitGroup, n int, token string, counts *floodCounts) {
	addr := p.addr()
	for range n {
		wg.Go(func() {
			for ctx.Err() == nil {
				ws := dialAs(ctx, addr, token, 4<<10)
				if ws == nil {
					counts.refused.Add(1)
					time.Sleep(20 * time.Millisecond)
					continue
				}
				stop := context.AfterFunc(ctx, func() { _ = ws.Close() })
				_ = ws.SetWriteDeadline(time.Now().Add(time.Minute))
				err := ws.WriteMessage(websocket.TextMessage, []byte(`{"jsonrpc":"2.0","id":1,"method":"session.open","params":{"protocol":1}}`))
				for i := 0; err == nil && ctx.Err() == nil; i++ {
					err = ws.WriteMessage(websocket.TextMessage, []byte(`{"jsonrpc":"2.0","id":2,"method":"agent.status"}`))
					if i%20 == 19 {
						time.Sleep(20 * time.Millisecond) // within the limit of requests, so that it is the answers that pile up
					}
				}
				if err != nil {
					counts.slow.Add(1)
				}
				stop()
				_ = ws.Close()
			}
		})
	}
}

// badFrames are the kinds of frames that nobody should send.
var badFrames = []struct {
	kind int
	text string
}{
	{websocket.TextMessage, "hello"},
	{websocket.TextMessage, `{"jsonrpc":"2.0","id":1,"method":`},
	{websocket.TextMessage, strings.Repeat("[", 100_000)},
	{websocket.TextMessage, `{"jsonrpc":"2.0","id":1,"method":"checkin.start","params":` + strings.Repeat(`{"a":`, 1000) + "1" + strings.Repeat("}", 1000) + "}"},
	{websocket.TextMessage, `{"jsonrpc":"2.0","id":1,"method":"` + strings.Repeat("x", 100_000) + `"}`},
	{websocket.TextMessage, `{"jsonrpc":"2.0","id":1,"method":"job.provide","params":{"jobId":7,"key":"x"}}`},
	{websocket.TextMessage, `{"jsonrpc":"2.0","id":` + strings.Repeat("1", 1000) + `,"method":"reader.list"}`},
	{websocket.TextMessage, "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"\xff\xfe\"}"},
	{websocket.BinaryMessage, "\x00\x00\x00\x01picture"},
	{websocket.TextMessage, `{"jsonrpc":"2.0","id":1,"method":"checkin.start","params":{"jobId":"` + strings.Repeat("j", 9<<20) + `"}}`},
	{websocket.CloseMessage, "\x03"},
}

// spoilFrames sends bad frames, with an open session and without, and connects anew whenever it is sent away.
func (p *program) spoilFrames(ctx context.Context, n int, token string, counts *floodCounts) {
	addr := p.addr()
	var wg sync.WaitGroup
	var next atomic.Int64
	for worker := range 8 {
		wg.Go(func() {
			var ws *websocket.Conn
			for ctx.Err() == nil {
				i := next.Add(1)
				if i > int64(n) {
					break
				}
				for ws == nil && ctx.Err() == nil {
					if ws = dialAs(ctx, addr, token, 0); ws == nil {
						counts.refused.Add(1)
						time.Sleep(10 * time.Millisecond)
						continue
					}
					go func(ws *websocket.Conn) { // what it is told, it does not care for
						for {
							if _, _, err := ws.NextReader(); err != nil {
								return
							}
						}
					}(ws)
					if worker%2 == 0 {
						_ = ws.WriteMessage(websocket.TextMessage, []byte(`{"jsonrpc":"2.0","id":0,"method":"session.open","params":{"protocol":1}}`))
					}
				}
				if ws == nil {
					break
				}
				b := badFrames[int(i)%len(badFrames)]
				if len(b.text) > 1<<20 && i%101 != 0 { // 9 MiB are sent some hundred times and not a thousand
					b = badFrames[int(i)%9]
				}
				_ = ws.SetWriteDeadline(time.Now().Add(10 * time.Second))
				err := ws.WriteMessage(b.kind, []byte(b.text))
				counts.frames.Add(1)
				if err != nil || b.kind == websocket.CloseMessage {
					counts.ended.Add(1)
					_ = ws.Close()
					ws = nil
				}
			}
			if ws != nil {
				_ = ws.Close()
			}
		})
	}
	wg.Wait()
}

// percentile of durations, in milliseconds.
func percentile(d []time.Duration, p int) float64 {
	if len(d) == 0 {
		return 0
	}
	d = slices.Sorted(slices.Values(d))
	return float64(d[min(len(d)-1, len(d)*p/100)].Microseconds()) / 1000
}

// TestCheckinsOutlastTheAgent restarts the real program in between: what a client did is still its own, and nobody else's.
func TestCheckinsOutlastTheAgent(t *testing.T) {
	p := start(t, nil, "demo", "--json", "--no-tap", "--latency", "0")
	token, other := p.token("--desktop", "--rights", "read"), p.token("--desktop", "--rights", "read")
	s := p.open("", token)
	s.must("checkin.start", map[string]any{"jobId": "er", "means": "emergency"})
	first := s.result("er")
	s.must("checkin.link", map[string]any{"jobId": "er", "visit": map[string]string{"maLk": "LK1"}})
	p.stop()

	again := start(t, func(cmd *exec.Cmd) {
		i := slices.Index(cmd.Args, "--data")
		cmd.Args[i+1] = strings.TrimSuffix(strings.TrimSuffix(p.data, simulationFolder), "/")
	}, "demo", "--json", "--no-tap", "--latency", "0")
	again.data = p.data
	s = again.open("", token)
	s.must("checkin.void", map[string]any{"checkinId": first.CheckinID, "reason": "test"})
	var mine, theirs checkin.List
	if err := s.call("checkin.list", map[string]any{}, &mine); err != nil {
		t.Fatal(err)
	}
	if err := again.open("", other).call("checkin.list", map[string]any{}, &theirs); err != nil {
		t.Fatal(err)
	}
	if len(mine.Checkins) != 1 || len(theirs.Checkins) != 0 {
		t.Fatalf("%+v %+v", mine, theirs)
	}
	if c := mine.Checkins[0]; c.CheckinID != first.CheckinID || c.JobID != "er" || c.State != checkin.Void || c.Visit == nil || c.Visit.MaLK != "LK1" || !c.Recorded {
		raw, _ := json.Marshal(c)
		t.Errorf("%s", raw)
	}
}
