package main

import (
	"context"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/godbus/dbus/v5"

	"github.com/tapcheck/tapcheck/agent"
)

// Names of systemd-logind on the system's bus (org.freedesktop.login1(5)). Who may read them: everybody.
const (
	login1        = "org.freedesktop.login1"
	login1Path    = "/org/freedesktop/login1"
	login1Manager = "org.freedesktop.login1.Manager"
	login1Session = "org.freedesktop.login1.Session"
	properties    = "org.freedesktop.DBus.Properties"
	busName       = "org.freedesktop.DBus" // of the bus itself
)

const (
	busAgain  = time.Minute     // until a bus that is not there, or has gone, is looked for again
	busWait   = 2 * time.Second // for an answer of logind
	maxLogins = 256             // sessions of the PC that are looked at
	userClass = "user"          // of a session: not the login screen, nor a background one
)

// logind is what systemd-logind says of this PC: that it sleeps and wakes, and who is at it. Where there is no logind nothing is
// known, and nobody is taken for absent.
type logind struct {
	tell func(agent.Moment)

	mu    sync.Mutex
	conn  *dbus.Conn
	known map[uint32]bool // users who have had a session since the start
}

// listen listens to logind until ctx ends, and gives whom it knows to be present. ended waits for that end.
func (a *app) listen(ctx context.Context) (present func(session string) bool, ended func()) {
	l := newLogind(a.tell)
	var listening sync.WaitGroup
	listening.Go(func() { l.run(ctx) })
	return l.present, listening.Wait
}

func newLogind(tell func(agent.Moment)) *logind {
	return &logind{tell: tell, known: map[uint32]bool{}}
}

// run listens until ctx ends. It takes nothing of the processor while nothing happens.
func (l *logind) run(ctx context.Context) {
	for {
		l.listen(ctx)
		t := time.NewTimer(busAgain)
		select {
		case <-ctx.Done():
			t.Stop()
			return
		case <-t.C:
		}
	}
}

// listen passes on what logind tells until the bus is gone or ctx ends.
func (l *logind) listen(ctx context.Context) {
	conn, err := dbus.ConnectSystemBus(dbus.WithContext(ctx))
	if err != nil {
		return
	}
	defer conn.Close()
	signals := make(chan *dbus.Signal, 64)
	conn.Signal(signals)
	for _, rule := range [][]dbus.MatchOption{
		{dbus.WithMatchSender(busName), dbus.WithMatchInterface(busName), dbus.WithMatchMember("NameOwnerChanged"), dbus.WithMatchArg(0, login1)},
		{dbus.WithMatchSender(login1), dbus.WithMatchInterface(login1Manager), dbus.WithMatchMember("PrepareForSleep")},
		{dbus.WithMatchSender(login1), dbus.WithMatchInterface(login1Manager), dbus.WithMatchMember("SessionNew")},
		{dbus.WithMatchSender(login1), dbus.WithMatchInterface(login1Manager), dbus.WithMatchMember("SessionRemoved")},
		{dbus.WithMatchSender(login1), dbus.WithMatchInterface(properties), dbus.WithMatchMember("PropertiesChanged"), dbus.WithMatchPathNamespace(login1Path + "/session")},
	} {
		if conn.AddMatchSignalContext(ctx, rule...) != nil {
			return
		}
	}
	owner := ""
	_ = conn.BusObject().CallWithContext(ctx, busName+".GetNameOwner", 0, login1).Store(&owner) // it may start later
	l.mu.Lock()
	l.conn = conn
	l.mu.Unlock()
	defer func() {
		l.mu.Lock()
		l.conn = nil
		l.mu.Unlock()
	}()
	l.look(ctx)
	for {
		select {
		case <-ctx.Done():
			return
		case s, open := <-signals:
			if !open {
				return
			}
			if s.Sender == busName && s.Name == busName+".NameOwnerChanged" && len(s.Body) == 3 && s.Body[0] == login1 {
				owner, _ = s.Body[2].(string)
				continue
			}
			if s.Sender != owner { // any program of the PC may send us a signal
				continue
			}
			if m, ok := momentOf(s); ok {
				if m == agent.SessionsChanged {
					l.look(ctx) // who is new, is known from now on
				}
				l.tell(m)
			}
		}
	}
}

// momentOf is what a signal means for the desk; false: nothing.
func momentOf(s *dbus.Signal) (agent.Moment, bool) {
	switch s.Name {
	case login1Manager + ".PrepareForSleep":
		if len(s.Body) == 1 {
			if sleeps, ok := s.Body[0].(bool); ok && sleeps {
				return agent.PCSleeps, true
			} else if ok {
				return agent.PCWoke, true
			}
		}
	case login1Manager + ".SessionNew", login1Manager + ".SessionRemoved":
		return agent.SessionsChanged, true
	case properties + ".PropertiesChanged":
		if len(s.Body) != 3 || s.Body[0] != login1Session {
			break
		}
		changed, _ := s.Body[1].(map[string]dbus.Variant)
		stale, _ := s.Body[2].([]string)
		for _, name := range []string{"LockedHint", "Active", "State"} { // and not whether a hand was at the mouse
			if _, ok := changed[name]; ok {
				return agent.SessionsChanged, true
			}
			if slices.Contains(stale, name) {
				return agent.SessionsChanged, true
			}
		}
	}
	return "", false
}

// login is one session of logind's.
type login struct {
	uid  uint32
	here bool // at work in front of a screen that is not locked
}

// look asks logind for the sessions of people, and remembers whose they are; nil: it does not say.
func (l *logind) look(ctx context.Context) []login {
	l.mu.Lock()
	conn := l.conn
	l.mu.Unlock()
	if conn == nil {
		return nil
	}
	ctx, stop := context.WithTimeout(ctx, busWait)
	defer stop()
	var sessions []struct {
		ID   string
		UID  uint32
		User string
		Seat string
		Path dbus.ObjectPath
	}
	if conn.Object(login1, login1Path).CallWithContext(ctx, login1Manager+".ListSessions", 0).Store(&sessions) != nil {
		return nil
	}
	logins := []login{}
	for _, s := range sessions[:min(len(sessions), maxLogins)] {
		var is map[string]dbus.Variant
		if conn.Object(login1, s.Path).CallWithContext(ctx, properties+".GetAll", 0, login1Session).Store(&is) != nil {
			continue // it is over by now
		}
		text := func(name string) string { t, _ := is[name].Value().(string); return t }
		flag := func(name string) bool { b, _ := is[name].Value().(bool); return b }
		if text("Class") != userClass {
			continue
		}
		logins = append(logins, login{s.UID, text("State") != "closing" && flag("Active") && !flag("LockedHint")})
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, s := range logins {
		l.known[s.uid] = true
	}
	return logins
}

// present says whether somebody is present in one of his.PeerSession's sessions, which on Linux is a user: at work in some session
// whose screen is not locked. Who has never had a session of logind's (a kiosk that is a service), or where logind does not
// answer, is taken for present.
func (l *logind) present(session string) bool {
	uid, err := strconv.ParseUint(strings.TrimPrefix(session, "uid:"), 10, 32)
	if err != nil {
		return true
	}
	logins := l.look(context.Background())
	if logins == nil {
		return true
	}
	if slices.Contains(logins, login{uint32(uid), true}) {
		return true
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	return !l.known[uint32(uid)]
}
