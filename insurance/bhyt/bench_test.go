package bhyt_test

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"os"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/tapcheck/tapcheck/insurance"
	"github.com/tapcheck/tapcheck/insurance/bhyt"
	"github.com/tapcheck/tapcheck/insurance/bhyt/localgateway"
)

// TestBenchLookup is the table of `make bench`: what a look-up adds to a gateway that takes 50 ms for each call. The floor is a bare
// HTTP call to the same path, so that what is left is ours: question, token, checks, reading and judging the answer.
func TestBenchLookup(t *testing.T) {
	if os.Getenv("TAPCHECK_BENCH") == "" {
		t.Skip("measured by make bench (TAPCHECK_BENCH=1): times mean nothing beside other tests")
	}
	const latency, rounds = 50 * time.Millisecond, 200
	g, base := gateway(t, localgateway.Options{Latency: latency, Now: time.Now})
	client := newClient(t, base, func(c *bhyt.Config) { c.Now = nil })
	bare := &http.Client{Transport: &http.Transport{}}
	defer bare.CloseIdleConnections()
	measure := func(do func() error) (all []time.Duration) {
		if err := do(); err != nil { // a connection and a token
			t.Fatal(err)
		}
		for range rounds {
			start := time.Now()
			if err := do(); err != nil {
				t.Fatal(err)
			}
			all = append(all, time.Since(start))
		}
		slices.Sort(all)
		return all
	}
	floor := measure(func() error {
		resp, err := bare.Post(base+bhyt.PathLookup, "application/json", nil)
		if err != nil {
			return err
		}
		defer resp.Body.Close()
		_, err = io.Copy(io.Discard, resp.Body)
		return err
	})
	lookup := measure(func() error { _, err := client.Check(context.Background(), an); return err })
	history := measure(func() error { _, err := client.History(context.Background(), an); return err })

	before := g.Calls()
	desks := newClient(t, base, func(c *bhyt.Config) { c.Now = nil })
	start := time.Now()
	var wg sync.WaitGroup
	for range 100 {
		wg.Go(func() {
			if e, err := desks.Check(context.Background(), an); err != nil || e.State != insurance.Eligible {
				t.Error(e.State, err)
			}
		})
	}
	wg.Wait()
	hundred := time.Since(start)

	at := func(all []time.Duration, q int) time.Duration { return all[len(all)*q/100] }
	ms := func(d time.Duration) string { return fmt.Sprintf("%8.2f", float64(d.Microseconds())/1000) }
	fmt.Printf("\nLook-up at a gateway that takes %v for a call (%d rounds, ms)\n\n%-28s %8s %8s\n", latency, rounds, "", "median", "95 %")
	for _, row := range []struct {
		name string
		all  []time.Duration
	}{{"bare HTTP call", floor}, {"look-up", lookup}, {"history", history}} {
		fmt.Printf("%-28s %s %s\n", row.name, ms(at(row.all, 50)), ms(at(row.all, 95)))
	}
	ours := at(lookup, 50) - latency
	fmt.Printf("%-28s %s %s   (bound: 5 ms)\n", "added to the latency", ms(ours), ms(at(lookup, 95)-latency))
	fmt.Printf("%-28s %s %s\n", "of these ours", ms(at(lookup, 50)-at(floor, 50)), ms(at(lookup, 95)-at(floor, 95)))
	fmt.Printf("%-28s %s            %d token(s), %d look-ups, 8 at a time\n", "100 look-ups at once", ms(hundred), g.Calls().Token-before.Token, g.Calls().Lookup-before.Lookup)
	if ours > 5*time.Millisecond {
		t.Errorf("a look-up adds %v", ours)
	}
}
