//go:build linux

package main

import (
	"encoding/json"
	"fmt"
	"os"
	"sync"
	"testing"
	"time"

	"github.com/tapcheck/tapcheck/agent/his/client"
)

// TestBenchHIS prints what many clients cost: 200 that only listen and 20 that work. `make bench` runs it on a real binary.
// Nothing is asserted but that everybody is served.
//
// Delivery of an event is the time from the request that causes it (sim.insert: reader.changed; checkin.start: the first
// job.progress) until a client has it; all clients run in the one process of this test, on the same cores as the agent.
func TestBenchHIS(t *testing.T) {
	if os.Getenv("TAPCHECK_BENCH") == "" || os.Getenv("TAPCHECK_BIN") == "" {
		t.Skip("measured by make bench")
	}
	const idle, active, rounds, jobs = 200, 20, 20, 25
	p := start(t, configured("[his]\nrequests_per_second = 1000\nmax_connections = 400\n"), "demo", "--json", "--no-tap", "--latency", "0")
	token := p.token("--desktop", "--rights", "read,insurance,simulator")
	var tokens []string
	for range active {
		tokens = append(tokens, p.token("--desktop", "--rights", "read"))
	}
	time.Sleep(2 * time.Second)
	alone := memory(t, p.cmd.Process.Pid, "Rss:")

	var opened []time.Duration
	connect := func(token string, subscribe ...string) *session {
		c, err := client.Dial(t.Context(), client.Options{Addr: p.addr(), Bearer: token})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = c.Close() })
		s := &session{t, c}
		began := time.Now() // it has its hello
		if err := s.call("session.open", map[string]any{"protocol": 1, "subscriptions": subscribe}, nil); err != nil {
			t.Fatal(err)
		}
		opened = append(opened, time.Since(began))
		return s
	}
	var listeners []*session
	for range idle {
		listeners = append(listeners, connect(token, "readers"))
	}
	time.Sleep(2 * time.Second)
	withIdle := memory(t, p.cmd.Process.Pid, "Rss:")
	var workers []*session
	for _, token := range tokens {
		workers = append(workers, connect(token, "jobs"))
	}

	// Everybody hears of a reader.
	control := connect(token)
	changed := make([]time.Duration, 0, idle*rounds*2)
	for round := range rounds*2 + 2 {
		method, params := "sim.insert", map[string]string{"persona": "an"}
		if round%2 == 1 {
			method, params = "sim.remove", map[string]string{}
		}
		heard := make(chan time.Duration, idle)
		var wg sync.WaitGroup
		began := time.Now()
		for _, l := range listeners {
			wg.Go(func() {
				l.wait("reader.changed", nil)
				heard <- time.Since(began)
			})
		}
		control.must(method, params)
		wg.Wait()
		for range idle {
			if took := <-heard; round >= 2 { // the first card is made then
				changed = append(changed, took)
			}
		}
	}

	// The active ones work, while the idle ones are there.
	var mu sync.Mutex
	var progress, results []time.Duration
	var wg sync.WaitGroup
	for w, s := range workers {
		wg.Go(func() {
			for i := range jobs {
				job := fmt.Sprintf("bench-%d-%d", w, i)
				began := time.Now()
				s.must("checkin.start", map[string]any{"jobId": job, "means": "emergency", "insurance": "off"})
				mine := func(raw json.RawMessage) bool {
					var p struct{ JobID string }
					return json.Unmarshal(raw, &p) == nil && p.JobID == job
				}
				s.wait("job.progress", mine)
				first := time.Since(began)
				s.wait("job.result", mine)
				mu.Lock()
				progress, results = append(progress, first), append(results, time.Since(began))
				mu.Unlock()
				time.Sleep(100 * time.Millisecond) // twenty busy desks are not twenty loops
			}
		})
	}
	wg.Wait()
	working := memory(t, p.cmd.Process.Pid, "Rss:")

	fmt.Printf("\n%d idle and %d active clients\n", idle, active)
	fmt.Printf("%-44s %10s %10s %10s\n", "agent's memory, RSS MB", "alone", "idle", "working")
	fmt.Printf("%-44s %10.1f %10.1f %10.1f\n", "", alone, withIdle, working)
	fmt.Printf("%-44s %10s %10s %10s\n", "ms", "p50", "p99", "number")
	for _, row := range []struct {
		what string
		took []time.Duration
	}{
		{"hello to session", opened}, {"reader.changed to each of the idle", changed}, {"checkin.start to job.progress", progress}, {"checkin.start to job.result, on record", results},
	} {
		fmt.Printf("%-44s %10.2f %10.2f %10d\n", row.what, percentile(row.took, 50), percentile(row.took, 99), len(row.took))
	}
}
