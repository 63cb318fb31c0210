package main

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/godbus/dbus/v5"

	"github.com/tapcheck/tapcheck/agent"
)

// bus is a system bus of a test's own.
func bus(t *testing.T) {
	t.Helper()
	dir := t.TempDir()
	config := filepath.Join(dir, "bus.conf")
	text := `<busconfig><type>system</type><listen>unix:path=` + filepath.Join(dir, "bus") + `</listen><auth>EXTERNAL</auth>
<policy context="default"><allow user="*"/><allow own="*"/><allow send_type="method_call"/><allow send_type="signal"/>
<allow send_requested_reply="true" send_type="method_return"/><allow send_requested_reply="true" send_type="error"/><allow receive_type="method_call"/>
<allow receive_type="method_return"/><allow receive_type="error"/><allow receive_type="signal"/></policy></busconfig>`
	if err := os.WriteFile(config, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command("dbus-daemon", "--config-file="+config, "--nofork", "--nopidfile", "--nosyslog", "--print-address")
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	if err == nil {
		err = cmd.Start()
	}
	if err != nil {
		t.Fatal("no bus: make setup installs what it needs (dbus-daemon): ", err)
	}
	t.Cleanup(func() { _ = cmd.Process.Kill(); _ = cmd.Wait() })
	address, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		t.Fatal(err)
	}
	t.Setenv("DBUS_SYSTEM_BUS_ADDRESS", strings.TrimSpace(address))
}

// seats is a systemd-logind that does what a test says.
type seats struct {
	t    *testing.T
	conn *dbus.Conn

	mu   sync.Mutex
	list map[string]*seat // by id
}

type seat struct {
	uid           uint32
	class, state  string
	active, locks bool
}

type listed struct {
	ID   string
	UID  uint32
	User string
	Seat string
	Path dbus.ObjectPath
}

func connected(t *testing.T) *dbus.Conn {
	t.Helper()
	conn, err := dbus.ConnectSystemBus()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	return conn
}

func newSeats(t *testing.T) *seats {
	t.Helper()
	s := &seats{t: t, conn: connected(t), list: map[string]*seat{}}
	if err := s.conn.ExportMethodTable(map[string]any{"ListSessions": s.sessions}, login1Path, login1Manager); err != nil {
		t.Fatal(err)
	}
	if _, err := s.conn.RequestName(login1, dbus.NameFlagDoNotQueue); err != nil {
		t.Fatal(err)
	}
	return s
}

func seatPath(id string) dbus.ObjectPath { return dbus.ObjectPath(login1Path + "/session/" + id) }

func (s *seats) sessions() (out []listed, err *dbus.Error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for id, one := range s.list {
		out = append(out, listed{id, one.uid, "user", "seat0", seatPath(id)})
	}
	return out, nil
}

func (s *seats) signal(path dbus.ObjectPath, name string, body ...any) {
	s.t.Helper()
	if err := s.conn.Emit(path, name, body...); err != nil {
		s.t.Fatal(err)
	}
}

// add has somebody log in.
func (s *seats) add(id string, one seat) {
	s.t.Helper()
	s.mu.Lock()
	s.list[id] = &one
	s.mu.Unlock()
	all := func(string) (map[string]dbus.Variant, *dbus.Error) {
		s.mu.Lock()
		defer s.mu.Unlock()
		is := s.list[id]
		return map[string]dbus.Variant{
			"Class": dbus.MakeVariant(is.class), "State": dbus.MakeVariant(is.state), "Active": dbus.MakeVariant(is.active), "LockedHint": dbus.MakeVariant(is.locks),
			"IdleSinceHint": dbus.MakeVariant(uint64(7)),
		}, nil
	}
	if err := s.conn.ExportMethodTable(map[string]any{"GetAll": all}, seatPath(id), properties); err != nil {
		s.t.Fatal(err)
	}
	s.signal(login1Path, login1Manager+".SessionNew", id, seatPath(id))
}

// change has something happen to a session, and logind say it.
func (s *seats) change(id, property string, value any, how func(*seat)) {
	s.t.Helper()
	s.mu.Lock()
	how(s.list[id])
	s.mu.Unlock()
	s.signal(seatPath(id), properties+".PropertiesChanged", login1Session, map[string]dbus.Variant{property: dbus.MakeVariant(value)}, []string{})
}

func (s *seats) remove(id string) {
	s.t.Helper()
	s.mu.Lock()
	delete(s.list, id)
	s.mu.Unlock()
	s.signal(login1Path, login1Manager+".SessionRemoved", id, seatPath(id))
}

// TestLogind has a logind tell of sleep, locks and people who come and go.
func TestLogind(t *testing.T) {
	bus(t)
	pc := newSeats(t)
	pc.add("1", seat{uid: 1000, class: "user", state: "active", active: true})
	pc.add("c1", seat{uid: 117, class: "greeter", state: "online"})

	told := make(chan agent.Moment, 99)
	l := newLogind(func(m agent.Moment) { told <- m })
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan struct{})
	go func() { defer close(ended); l.run(ctx) }()
	defer func() { stop(); <-ended }()

	hears := func(what string, want agent.Moment) {
		t.Helper()
		select {
		case got := <-told:
			if got != want {
				t.Fatalf("%s: %s, want %s", what, got, want)
			}
		case <-time.After(20 * time.Second):
			t.Fatalf("%s: nothing was heard", what)
		}
	}
	present := func(what string, who string) {
		t.Helper()
		var got []string
		for _, uid := range []int{1000, 1001, 1002, 117} {
			if l.present(fmt.Sprintf("uid:%d", uid)) {
				got = append(got, fmt.Sprint(uid))
			}
		}
		if is := strings.Join(got, " "); is != who {
			t.Errorf("%s: present are %q, want %q", what, is, who)
		}
	}

	// Until it listens, and knows to whom.
	for listening := false; !listening; {
		pc.signal(login1Path, login1Manager+".PrepareForSleep", true)
		select {
		case <-told:
			listening = true
		case <-time.After(20 * time.Millisecond):
		}
	}
	pc.signal(login1Path, login1Manager+".PrepareForSleep", false)
	for m := agent.PCSleeps; m == agent.PCSleeps; { // those of before
		select {
		case m = <-told:
		case <-time.After(20 * time.Second):
			t.Fatal("it never woke")
		}
	}
	present("at first", "1000 1001 1002 117") // of those who never logged in nothing is known

	pc.add("2", seat{uid: 1001, class: "user", state: "online"})
	hears("a second person", agent.SessionsChanged)
	present("who is not at the screen is not here", "1000 1002 117")

	pc.change("1", "LockedHint", true, func(s *seat) { s.locks = true })
	hears("a lock", agent.SessionsChanged)
	present("locked", "1002 117")

	pc.change("1", "IdleHint", true, func(*seat) {}) // says nothing
	pc.change("1", "LockedHint", false, func(s *seat) { s.locks = false })
	hears("unlocked", agent.SessionsChanged)
	present("unlocked", "1000 1002 117")

	// Another program of the PC plays logind. What comes after it on the same connection is what is heard.
	stranger := connected(t)
	l.mu.Lock()
	name := l.conn.Names()[0]
	l.mu.Unlock()
	lie := &dbus.Message{Type: dbus.TypeSignal, Body: []any{true}, Headers: map[dbus.HeaderField]dbus.Variant{
		dbus.FieldDestination: dbus.MakeVariant(name), dbus.FieldPath: dbus.MakeVariant(dbus.ObjectPath(login1Path)), dbus.FieldInterface: dbus.MakeVariant(login1Manager),
		dbus.FieldMember: dbus.MakeVariant("PrepareForSleep"), dbus.FieldSignature: dbus.MakeVariant(dbus.SignatureOf(true)),
	}}
	if call := stranger.Send(lie, nil); call != nil && call.Err != nil {
		t.Fatal(call.Err)
	}
	if _, err := stranger.RequestName("vn.tapcheck.after", 0); err != nil { // the bus has passed the lie on by the time of its answer
		t.Fatal(err)
	}
	pc.remove("2")
	hears("the truth", agent.SessionsChanged)
	pc.remove("1")
	hears("the last one leaves", agent.SessionsChanged)
	present("all are gone", "1002 117")

	// Another logind comes in the place of this one.
	if _, err := pc.conn.ReleaseName(login1); err != nil {
		t.Fatal(err)
	}
	present("no logind", "1000 1001 1002 117")
	again := newSeats(t)
	again.signal(login1Path, login1Manager+".PrepareForSleep", true)
	hears("its successor", agent.PCSleeps)
}

// TestNoBus has nobody taken for absent where there is no bus.
func TestNoBus(t *testing.T) {
	t.Setenv("DBUS_SYSTEM_BUS_ADDRESS", "unix:path="+filepath.Join(t.TempDir(), "none"))
	a := &app{moments: make(chan agent.Moment, 1)}
	ctx, stop := context.WithCancel(t.Context())
	present, ended := a.listen(ctx)
	if !present("uid:1000") || !present("session:3") {
		t.Error("absent")
	}
	stop()
	ended()
}
