//go:build linux && cgo && !nopcsc

package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/tapcheck/tapcheck/agent/checkin"
	"github.com/tapcheck/tapcheck/icao/chip"
	"github.com/tapcheck/tapcheck/insurance"
	"github.com/tapcheck/tapcheck/insurance/bhyt/localgateway"
	"github.com/tapcheck/tapcheck/reader"
	"github.com/tapcheck/tapcheck/reader/pcsc/pcsctest"
	"github.com/tapcheck/tapcheck/reader/virtual"
)

// desk is the real agent (`tapcheck run`) on a real pcscd, with a client.
type desk struct {
	t      *testing.T
	daemon *pcsctest.Daemon
	agent  *program
	client *session
	issuer *chip.Issuer
}

func newDesk(t *testing.T) *desk {
	daemon := pcsctest.Start(t, "Desk", "Side")
	gateway := localgateway.New(localgateway.Options{})
	base, err := gateway.Start(t.Context(), "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = gateway.Close() })
	issuer, err := chip.NewIssuer(chip.IssuerOptions{})
	if err != nil {
		t.Fatal(err)
	}
	account := gateway.Account()
	p := start(t, func(cmd *exec.Cmd) {
		dir := filepath.Dir(cmd.Args[2]) // beside the data folder
		secret := func(name, content string) string {
			file := filepath.Join(dir, name)
			if err := os.WriteFile(file, []byte(content+"\n"), 0o600); err != nil {
				t.Fatal(err)
			}
			return file
		}
		settings := fmt.Sprintf("[his]\nports = [%d, %d]\n[insurance]\nprovider = \"bhyt\"\nurl = %q\nusername = %q\npassword_file = %q\nstaff_name = %q\nstaff_number_file = %q\n",
			freePort(t), freePort(t), base, account.Username, secret("password", string(account.Password)), account.StaffName, secret("staff", string(account.StaffNumber)))
		if err := os.WriteFile(filepath.Join(dir, "tapcheck.toml"), []byte(settings), 0o600); err != nil {
			t.Fatal(err)
		}
		cmd.Env = append(cmd.Env, daemon.Env()...)
	}, "run")
	d := &desk{t: t, daemon: daemon, agent: p, issuer: issuer}
	d.client = p.open("", p.token("--desktop"))
	return d
}

// card is a simulated card, and what happens to it.
type card struct {
	*chip.Chip
	mu    sync.Mutex
	after int    // commands until trip
	trip  func() // nil: nothing happens
}

func (c *card) Transmit(apdu []byte) []byte {
	c.mu.Lock()
	c.after--
	trip := c.trip
	if c.after != 0 {
		trip = nil
	}
	c.mu.Unlock()
	if trip != nil {
		trip()
		return nil
	}
	return c.Chip.Transmit(apdu)
}

func (d *desk) card(persona, profile string) *card {
	d.t.Helper()
	who, err := chip.PersonaByName(persona)
	if err != nil {
		d.t.Fatal(err)
	}
	p, err := chip.ProfileByName(profile)
	if err != nil {
		d.t.Fatal(err)
	}
	c, err := chip.New(p, who, d.issuer, chip.Options{})
	if err != nil {
		d.t.Fatal(err)
	}
	return &card{Chip: c}
}

// insert plugs a card into a reader of pcscd; the returned function pulls it out.
func (d *desk) insert(name string, c *card) (pull func()) {
	ctx, cancel := context.WithCancel(context.Background())
	gone := make(chan struct{})
	go func() {
		defer close(gone)
		_ = virtual.PlugIn(ctx, d.daemon.Addr(name), c)
	}()
	pull = sync.OnceFunc(func() { cancel(); <-gone })
	d.t.Cleanup(pull)
	return pull
}

// take takes a card away, and waits until the agent has seen it: pcscd looks for cards now and then, and takes one that is put down in
// the place of another between two looks for the same.
func (d *desk) take(pull func()) {
	d.t.Helper()
	pull()
	d.until("an empty reader", recovery, func(states map[reader.State]int) bool {
		return states[reader.Card]+states[reader.Busy]+states[reader.Mute] == 0
	})
}

// readers waits until the client sees that many usable readers, at most so long.
func (d *desk) readers(n int, limit time.Duration) {
	d.t.Helper()
	d.until(fmt.Sprint(n, " readers"), limit, func(states map[reader.State]int) bool {
		usable := 0
		for state, of := range states {
			if state != reader.Absent && state != reader.Error {
				usable += of
			}
		}
		return usable == n
	})
}

// until waits until the readers are as they should be, at most so long.
func (d *desk) until(what string, limit time.Duration, so func(states map[reader.State]int) bool) {
	d.t.Helper()
	ctx, stop := context.WithTimeout(d.t.Context(), limit)
	defer stop()
	var list struct {
		Readers []struct {
			State reader.State `json:"state"`
		} `json:"readers"`
	}
	for {
		if err := d.client.Call(ctx, "reader.list", nil, &list); err != nil {
			d.t.Fatalf("want %s within %v, have %+v: %v\n%s", what, limit, list, err, d.agent.stderr)
		}
		states := map[reader.State]int{}
		for _, r := range list.Readers {
			states[r.State]++
		}
		if so(states) {
			return
		}
		select {
		case <-time.After(50 * time.Millisecond):
		case <-ctx.Done():
		}
	}
}

func (d *desk) begin(job, readerID string) {
	d.t.Helper()
	d.client.must("checkin.start", map[string]any{"jobId": job, "means": "chip", "reader": readerID, "key": map[string]string{"number": "001099012345"}})
}

// need waits for a job.needs of that kind.
func (d *desk) need(job, what string) {
	d.t.Helper()
	d.client.wait(checkin.EventNeeds, func(raw json.RawMessage) bool {
		var n checkin.Need
		return json.Unmarshal(raw, &n) == nil && n.JobID == job && n.Need == what
	})
}

func (d *desk) complete(job string) checkin.Result {
	d.t.Helper()
	r := d.client.result(job)
	switch {
	case r.State != checkin.Complete:
		d.t.Fatalf("%s ended as %s: %+v\n%s", job, r.State, r.Error, d.agent.stderr)
	case r.Identity == nil || r.Identity.FullName != "Nguyễn Văn An":
		d.t.Errorf("%s: identity %+v", job, r.Identity)
	case r.Portrait == nil || r.Portrait.MIME != "image/jpeg":
		d.t.Errorf("%s has no portrait", job)
	case r.Eligibility == nil || r.Eligibility.State != insurance.Eligible:
		d.t.Errorf("%s: eligibility %+v", job, r.Eligibility)
	case !r.Recorded || r.Simulated:
		d.t.Errorf("%s: recorded %v, simulated %v", job, r.Recorded, r.Simulated)
	}
	return r
}

// recovery is the promise: so long after its cause has gone, the agent has found back by itself, and clients see it.
const recovery = 3 * time.Second

// TestRealReaders is the main job on a real PC/SC stack, with everything that happens to readers and cards at a desk.
func TestRealReaders(t *testing.T) {
	d := newDesk(t)
	d.readers(2, recovery)

	t.Run("check-in", func(t *testing.T) {
		d.begin("whole", "")
		pull := d.insert("Desk", d.card("an", "cccd-mk"))
		r := d.complete("whole")
		if r.Reader == "virtual" {
			t.Error("a PC/SC reader is called virtual")
		}
		d.take(pull)
	})
	t.Run("card pulled out in the middle and put back", func(t *testing.T) {
		c := d.card("an", "cccd-mk")
		var pull func()
		pulled := make(chan struct{})
		c.after, c.trip = 25, func() { go func() { pull(); close(pulled) }() }
		d.begin("pulled", "")
		pull = d.insert("Desk", c)
		d.need("pulled", checkin.NeedRepositionCard)
		<-pulled
		again := d.insert("Desk", c)
		d.complete("pulled")
		d.take(again)
	})
	t.Run("two readers at once", func(t *testing.T) {
		var ids []string
		var list struct {
			Readers []reader.Info `json:"readers"`
		}
		d.client.must("reader.list", nil)
		if err := d.client.call("reader.list", nil, &list); err != nil || len(list.Readers) != 2 {
			t.Fatalf("%+v, %v", list, err)
		}
		for _, r := range list.Readers {
			ids = append(ids, r.ID)
		}
		d.begin("left", ids[0])
		d.begin("right", ids[1])
		pull1, pull2 := d.insert("Desk", d.card("an", "cccd-mk")), d.insert("Side", d.card("an", "cccd-javelin"))
		states := map[string]checkin.State{}
		d.client.wait(checkin.EventResult, func(raw json.RawMessage) bool {
			var r checkin.Result
			if json.Unmarshal(raw, &r) == nil {
				states[r.JobID] = r.State
			}
			return len(states) == 2
		})
		if states["left"] != checkin.Complete || states["right"] != checkin.Complete {
			t.Errorf("%v", states)
		}
		pull1()
		pull2()
	})
	t.Run("reader unplugged and plugged in", func(t *testing.T) {
		d.daemon.Unplug("Side")
		d.readers(1, recovery)
		d.daemon.Plug("Side")
		d.readers(2, recovery)
	})
	t.Run("pcscd killed and restarted", func(t *testing.T) {
		d.daemon.Kill()
		d.readers(0, recovery)
		d.daemon.Run()
		d.readers(2, recovery)
	})
	t.Run("pcscd killed in the middle of a read", func(t *testing.T) {
		c := d.card("an", "cccd-mk")
		killed := make(chan struct{})
		c.after, c.trip = 25, func() { go func() { d.daemon.Kill(); close(killed) }() }
		d.begin("killed", "")
		pull := d.insert("Desk", c)
		<-killed
		pull()
		d.daemon.Run()
		d.readers(2, recovery)
		again := d.insert("Desk", c)
		d.complete("killed")
		again()
	})
}
