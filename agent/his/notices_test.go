package his

import (
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/gorilla/websocket"

	"github.com/tapcheck/tapcheck/agent/checkin"
)

// A notice counts as got when a client has answered the ping behind it, which its websocket does by itself; not when it was sent,
// not for a client that does not subscribe or may not know, and not because a client says so of another.
func TestNoticeIsGotWhenAnswered(t *testing.T) {
	r := start(t, nil)
	got := func() []int64 {
		r.engine.mu.Lock()
		defer r.engine.mu.Unlock()
		return slices.Clone(r.engine.got)
	}
	tell := func(notice int64) {
		r.engine.mu.Lock()
		defer r.engine.mu.Unlock()
		for o := range r.engine.subs {
			for ch := range r.engine.subs[o] {
				ch <- checkin.Event{Method: checkin.EventEligibility, JobID: "j", Notice: notice,
					Params: []byte(`{"jobId":"j","lookupId":"l","cause":"end","eligibility":{"state":"eligible"},"attempts":[]}`)}
			}
		}
	}
	may := r.open("", "DESKTOP")
	var pings []string
	may.ws.SetPingHandler(func(payload string) error { pings = append(pings, payload); return nil }) // answers none
	mayNot, deaf := r.open("", "MINIMAL"), r.dial("", "DESKTOP2")
	if m := deaf.call("session.open", map[string]any{"protocol": 1, "subscriptions": []string{"readers"}}); m.Error != nil {
		t.Fatalf("%+v", m.Error)
	}
	tell(7)
	for name, c := range map[string]*client{"who may know": may, "who may not": mayNot, "who did not ask": deaf} {
		told, answered := 0, false
		for id := strconv.Itoa(c.send("agent.status", nil)); ; {
			m, err := c.next()
			if err != nil {
				t.Fatal(name, err)
			}
			if m.Method == checkin.EventEligibility {
				told++
			}
			if answered = answered || string(m.ID) == id; answered && (c != may || told > 0) {
				break
			}
		}
		if want := map[bool]int{true: 1}[c == may]; told != want {
			t.Errorf("%s was told %d times", name, told)
		}
	}
	if m := may.call("agent.status", nil); m.Error != nil { // what was sent behind the notice has been read now
		t.Fatalf("%+v", m.Error)
	}
	if len(got()) != 0 {
		t.Error("it counts as got because it was sent")
	}
	if len(pings) != 1 {
		t.Fatalf("pings %q", pings)
	}
	pong := func(payload string) {
		if err := may.ws.WriteControl(websocket.PongMessage, []byte(payload), time.Now().Add(time.Second)); err != nil {
			t.Fatal(err)
		}
	}
	for _, payload := range []string{noticePing + "8", noticePing + "-7", noticePing + "x", "", pings[0], pings[0]} {
		pong(payload)
	}
	if m := may.call("agent.status", nil); m.Error != nil {
		t.Fatalf("%+v", m.Error)
	}
	if n := got(); !slices.Equal(n, []int64{7}) {
		t.Errorf("got %v, want the one that was sent, once", n)
	}
}
