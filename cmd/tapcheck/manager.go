package main

import (
	"net"
	"strings"
	"sync"

	"github.com/tapcheck/tapcheck/agent"
	"github.com/tapcheck/tapcheck/agent/health"
)

// manager tells systemd how the service goes, by the datagrams of sd_notify(3); where systemd did not start the program it
// tells nobody. A service is ready once it runs: a port that is taken, a reader that is missing or a PC/SC service that does not
// run is said in the status line, not by a start that fails.
type manager struct {
	mu     sync.Mutex
	at     *net.UnixAddr // nil: nobody
	ready  bool
	ending bool
	busy   bool
}

func newManager(getenv func(string) string) *manager {
	m := &manager{}
	if path := getenv("NOTIFY_SOCKET"); strings.HasPrefix(path, "/") || strings.HasPrefix(path, "@") { // @ is the abstract namespace, which net knows by the same sign
		m.at = &net.UnixAddr{Name: path, Net: "unixgram"}
	}
	return m
}

// tell passes on what happens to the PC. Who listens looks at what is, so one that finds no place is not missed.
func (a *app) tell(m agent.Moment) {
	select {
	case a.moments <- m:
	default:
	}
}

// busyWord stands in the status line while a patient is being checked in: the updater waits for a pause.
const busyWord = "BUSY"

// work is agent.Options.Busy.
func (m *manager) work(busy bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.busy = busy
}

// pulse is agent.Options.Pulse. The status line holds codes of agent/health and the address, nothing personal.
func (m *manager) pulse(addr string, wrong []health.Warning) {
	said := []string{"no port"}
	if addr != "" {
		said[0] = "ws://" + addr + "/v1"
	}
	for _, w := range wrong {
		said = append(said, string(w.Code))
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.busy {
		said = append(said, busyWord)
	}
	lines := []string{"STATUS=" + strings.Join(said, " "), "WATCHDOG=1"}
	if m.ending {
		return
	}
	if !m.ready {
		m.ready = true
		lines = append(lines, "READY=1")
	}
	m.tell(lines...)
}

// stopping says that the end has begun.
func (m *manager) stopping() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.ending = true
	m.tell("STOPPING=1", "STATUS=")
}

// tell never fails: a manager that is gone is no reason to stop.
func (m *manager) tell(lines ...string) {
	if m.at == nil {
		return
	}
	c, err := net.DialUnix("unixgram", nil, m.at)
	if err != nil {
		return
	}
	defer c.Close()
	_, _ = c.Write([]byte(strings.Join(lines, "\n")))
}
