package agent

import (
	"context"
	"fmt"
	"slices"
	"testing"
)

// desktop is a page and a queue that note what happens to them.
type desktop struct{ did chan string }

func (d desktop) LockAbsent(present func(string) bool) int {
	n := 0
	for _, session := range []string{"uid:1000", "uid:1001"} {
		if !present(session) {
			n++
		}
	}
	d.did <- fmt.Sprint("locked ", n)
	return n
}

func (d desktop) Woke() { d.did <- "asked" }

func TestMoments(t *testing.T) {
	ctx, stop := context.WithCancel(t.Context())
	moments := make(chan Moment)
	d := desktop{make(chan string, 9)}
	logged := make(chan string, 9)
	o := Options{Moments: moments, Present: func(session string) bool { return session == "uid:1000" }}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		o.watchMoments(ctx, d, d, func(event string, fields map[string]any) { logged <- fmt.Sprint(event, fields) })
	}()
	for _, m := range []Moment{SessionsChanged, PCSleeps, PCWoke} {
		moments <- m
	}
	var did, said []string
	for range 4 {
		did = append(did, <-d.did)
	}
	for range 3 {
		said = append(said, <-logged)
	}
	stop()
	<-ended
	if want := []string{"locked 1", "locked 1", "asked", "locked 1"}; !slices.Equal(did, want) {
		t.Errorf("it did %q, want %q", did, want)
	}
	if want := []string{"pc.sessionsmap[locked:1]", "pc.sleepsmap[locked:1]", "pc.wokemap[locked:1]"}; !slices.Equal(said, want) {
		t.Errorf("it said %q", said)
	}
}
