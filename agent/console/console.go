// Package console is the server of the desk's own page: who may log in, and what the page asks beside the protocol. The
// page itself (agent/console/page) is static; a check-in goes over the same websocket as any HIS's.
//
// Whoever reaches the agent's port can load the page, so nothing is private before a login. Operators log in with a PIN or
// as the user of the PC who is logged in there, administrators with a password and a second factor (RFC 6238); the first
// administrator is made with a secret that only the PC's own administrator can read. A login gives a token of 256 random
// bits, of which only the hash is kept. The page holds it in its memory and sends it in the Authorization header: there
// are no cookies, which all ports of a host share. A token works only in the session of the operating system in which it
// was made, is locked by the server when nobody has touched the page for a while, and ends after twelve hours.
//
// Guessing is slowed down by account and by session of the operating system. Everything that comes in is bounded, and
// nothing that was typed is logged.
package console

import (
	"context"
	"errors"
	"io/fs"
	"net/http"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/tapcheck/tapcheck/agent/catalog"
	"github.com/tapcheck/tapcheck/agent/checkin"
	"github.com/tapcheck/tapcheck/agent/keys"
	"github.com/tapcheck/tapcheck/agent/settings"
)

// Engine is what the console sees of the jobs of all programs; *checkin.Engine is one. Its errors are *catalog.Error.
type Engine interface {
	Queue() []checkin.Queued
	QueueWatch(ctx context.Context) <-chan struct{}
	ProvideByRef(ctx context.Context, ref string, p checkin.Provision) error
}

// Tokens are the programs that may use the agent; *keys.TokenStore is one.
type Tokens interface {
	List() ([]keys.Token, error)
	Add(r keys.TokenRequest) (secret string, t keys.Token, err error)
	Revoke(id string) error
}

// Pairing is the window in which a program of the hospital gets its token; *keys.Pairing is one.
type Pairing interface {
	Open(by string, d time.Duration, rights, fields []string) error
	Close()
	Window() (w keys.PairingWindow, open bool)
	Watch(ctx context.Context) <-chan struct{}
}

// HealthItem is a coded warning about this PC, never personal.
type HealthItem struct {
	ID       string `json:"id"`
	Severity string `json:"severity"`
	Title    string `json:"title"`
	Cause    string `json:"cause,omitempty"`
	Fix      string `json:"fix,omitempty"`
}

// Config is what a console works with.
type Config struct {
	DataDir   string
	Version   string
	Simulated bool
	Camera    bool // the page may take live pictures

	Settings     settings.Settings // in force
	SettingsFile string            // "": there is none, and the settings cannot be changed here
	// SettingsOver gives what outweighs that file: environment and policy, whose settings cannot be changed here. Nil: nothing.
	SettingsOver func() []settings.Layer
	// Saved is told of settings that were saved here; nil: nobody.
	Saved func(settings.Loaded)

	Page     fs.FS // the static page; its index.html is served at /console/
	Accounts *Accounts
	Tokens   Tokens
	Pairing  Pairing // nil: no pairing here
	Engine   Engine
	Faces    Faces // nil: there are no capture windows
	Health   func(catalog.Lang) []HealthItem
	Access   func() any // the access log by origin, as JSON; nil: none
	Bundle   func(ctx context.Context) (name string, zip []byte, err error)
	// Copy gives the texts of a result that are copied together, in the hospital's own order and form; nil: the page copies
	// the fields of console.copy_order as it shows them.
	Copy func(checkin.Result) []string

	// Papers lists the check-ins of a session of the operating system, of whatever program, whose look-ups have failed since a time;
	// nil: none.
	Papers func(ctx context.Context, session string, since time.Time) (checkin.Papers, error)
	// Proof gives what a paper says about the look-ups of a check-in to a session of the operating system; nil: no papers.
	Proof func(ctx context.Context, session, checkinID string) (checkin.Proof, error)

	// Session is the session of the operating system that a request comes from, as the gate found it; "" is refused.
	Session func(ctx context.Context) string
	// OSUser names the user behind such a session; nil is OSUser.
	OSUser func(session string) (string, error)
	// Log gets what happened, without personal data.
	Log func(event string, fields map[string]any)
}

// Console serves the page and its API. It is safe for concurrent use.
type Console struct {
	c        Config
	now      func() time.Time
	hasher   *hasher
	throttle *throttle
	sessions *sessions
	tickets  *tickets
	captures *captures
	setup    setupSecret
	hub      *hub
	routes   []route

	saving     sync.Mutex
	setupTries atomic.Int64

	mu        sync.Mutex
	settings  settings.Settings // in force; of [console] the ones that were saved last
	pairingBy string            // id of the session that has opened the pairing window
	lastSteps map[string]int64  // second factors that were used, by account: also where the file cannot be written
	health    []string          // ids of the warnings that were told last
}

// New makes a console. Its goroutines run in Run.
func New(c Config) (*Console, error) { return newConsole(c, time.Now, defaultCost) }

func newConsole(c Config, now func() time.Time, hashes cost) (*Console, error) {
	if c.Accounts == nil || c.Tokens == nil || c.Engine == nil || c.Session == nil || c.Page == nil {
		return nil, errors.New("console: Accounts, Tokens, Engine, Session and Page are needed")
	}
	f, err := keys.OpenFile(c.DataDir, SetupFileName)
	if err != nil {
		return nil, err
	}
	if c.OSUser == nil {
		c.OSUser = OSUser
	}
	if c.Health == nil {
		c.Health = func(catalog.Lang) []HealthItem { return nil }
	}
	if c.Log == nil {
		c.Log = func(string, map[string]any) {}
	}
	k := &Console{
		c: c, now: now, hasher: newHasher(hashes), throttle: newThrottle(now), tickets: newTickets(now), captures: &captures{now: now}, setup: setupSecret{f}, hub: newHub(),
		settings: c.Settings, lastSteps: map[string]int64{},
	}
	k.sessions = &sessions{came: make(chan struct{}, 1), now: now, idle: func() time.Duration { return k.set().IdleTime() }}
	k.routes = k.table()
	return k, nil
}

// set is the settings of the console that are in force.
func (k *Console) set() settings.Console {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.settings.Console
}

// Renew puts settings in force that were changed elsewhere: those of the console, at once.
func (k *Console) Renew(s settings.Settings) {
	k.mu.Lock()
	k.settings.Console = s.Console
	k.mu.Unlock()
	k.hub.bump()
}

// LockAbsent locks the logins in sessions of the operating system where nobody is present any more, and gives how many it were.
func (k *Console) LockAbsent(present func(session string) bool) int {
	n := k.sessions.lockIf(func(one session) bool { return !present(one.os) })
	if n > 0 {
		k.hub.bump()
	}
	return n
}

// Run tells the pages what happens, and locks who is idle, until ctx ends.
func (k *Console) Run(ctx context.Context) {
	queue := k.c.Engine.QueueWatch(ctx)
	var pairing <-chan struct{}
	if k.c.Pairing != nil {
		pairing = k.c.Pairing.Watch(ctx)
	}
	tick := time.NewTicker(time.Second) // only while somebody is logged in: an idle PC is left to sleep
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-k.sessions.came:
			tick.Reset(time.Second)
		case _, open := <-queue:
			if !open {
				queue = nil
			}
			k.hub.bump()
		case _, open := <-pairing:
			if !open {
				pairing = nil
			}
			k.hub.bump()
		case <-tick.C:
			if nobody := k.sessions.empty(); nobody {
				tick.Stop() // once more below: whoever was there last may have had pairing open
			}
			k.sweep()
		}
	}
}

// sweep does what time brings.
func (k *Console) sweep() {
	k.dismiss()
	k.closePairing()
	if !k.sessions.any() { // whoever comes asks for the state first, and then hears of what changes
		return
	}
	var ids []string
	for _, h := range k.c.Health(catalog.EN) {
		ids = append(ids, h.ID)
	}
	k.mu.Lock()
	same := slices.Equal(ids, k.health)
	k.health = ids
	k.mu.Unlock()
	if !same {
		k.hub.bump()
	}
}

// dismiss ends the sessions of accounts that were switched off or whose secret was changed.
func (k *Console) dismiss() {
	list, err := k.c.Accounts.List()
	k.sessions.endIf(func(one session) bool {
		i := slices.IndexFunc(list, func(a Account) bool { return a.Name == one.user })
		return err != nil || i < 0 || !list[i].Enabled() || list[i].Version != one.version || list[i].Role != one.role
	})
}

// closePairing closes the window whose administrator has gone: pairing stands under somebody's eyes or not at all.
func (k *Console) closePairing() {
	k.mu.Lock()
	by := k.pairingBy
	k.mu.Unlock()
	if by == "" || k.c.Pairing == nil {
		return
	}
	if _, there := k.sessions.byID(by); there {
		return
	}
	k.mu.Lock()
	ours := k.pairingBy == by
	if ours {
		k.pairingBy = ""
	}
	k.mu.Unlock()
	if ours {
		k.c.Pairing.Close()
		k.hub.bump()
	}
}

// Scan takes what a scanner of the PC has read. session is that of the operating system at which the scanner is; ""
// where that is not to be known. False: no console is there for it, or one in each of several sessions.
func (k *Console) Scan(session, text string) bool {
	if text == "" || len(text) > maxScanText {
		return false
	}
	k.dismiss()
	if !k.sessions.offer(session, Scan{Seq: k.hub.bump(), Text: text}) {
		return false
	}
	k.hub.bump()
	return true
}

const maxScanText = 8 << 10 // bytes

// Handler serves everything below /console/, behind the gate.
func (k *Console) Handler() http.Handler { return http.HandlerFunc(k.servePage) }

// API serves everything below /console/api/, behind the gate.
func (k *Console) API() http.Handler { return http.HandlerFunc(k.serveAPI) }
