package agent

import (
	"context"
	"errors"
	"net/netip"
	"sync"
	"time"

	"github.com/tapcheck/tapcheck/agent/checkin"
	"github.com/tapcheck/tapcheck/agent/compat"
	"github.com/tapcheck/tapcheck/agent/health"
	"github.com/tapcheck/tapcheck/agent/his"
	"github.com/tapcheck/tapcheck/agent/keys"
	"github.com/tapcheck/tapcheck/agent/mapping"
	"github.com/tapcheck/tapcheck/agent/scanner"
)

// portRetry is how long until a port that another program has is tried again: the old box's software may be on its way out.
const portRetry = 10 * time.Second

// errNobody is a server that lets nobody in: safe, and not what somebody meant who switched it on.
var errNobody = errors.New("compat.socketio is on, and neither compat.socketio_origins nor compat.socketio_programs lets anybody listen")

// ways are the compatibility ways that the settings ask for, and the scanners. None of them ever keeps the agent from
// serving: what is wrong with one is in the list of what is wrong.
type ways struct {
	engine   *checkin.Engine
	bridge   *compat.Bridge // nil: all off
	socketIO *compat.SocketIO
	webhook  *compat.Webhook
	port     int
	scanner  *scanner.Scanner // nil: none is read
	console  func(session, text string) bool
	state    *health.Tracker
	log      func(string, map[string]any)

	simulation *Simulation // nil: real
}

// openWays makes what the settings ask for. console gets the scans that no job takes.
func openWays(o Options, engine *checkin.Engine, state *health.Tracker, console func(session, text string) bool, log func(string, map[string]any)) *ways {
	w := &ways{engine: engine, port: o.Settings.Compat.SocketIOPort, console: console, state: state, log: log, simulation: o.Simulation}
	if sc := o.Settings.Scanner; sc.Serial != "" || sc.HID {
		w.scanner = scanner.New(scanner.Config{Serial: sc.Serial, Baud: sc.Baud, HID: sc.HID, Log: log, Missing: func(m bool) { state.Set(health.ScannerAbsent, m) }})
	}
	c := o.Settings.Compat
	if !c.SocketIO && c.WebhookURL == "" {
		_, err := mapping.Load(c.MappingFile) // the console uses it too
		state.Set(health.CompatUnusable, err != nil)
		return w
	}
	if err := w.open(o, log); err != nil {
		w.bridge, w.socketIO, w.webhook = nil, nil, nil
		state.Set(health.CompatUnusable, true)
		log("compat.unusable", nil) // tapcheck config check says why
	}
	return w
}

func (w *ways) open(o Options, log func(string, map[string]any)) error {
	c := o.Settings.Compat
	set, err := mapping.Load(c.MappingFile)
	if err != nil {
		return err
	}
	if c.WebhookURL != "" {
		hook := compat.WebhookConfig{URL: c.WebhookURL, Log: log, Failing: func(f bool) { w.state.Set(health.WebhookFailing, f) }}
		if c.WebhookSecret != "" {
			secret, err := keys.ReadSecret(c.WebhookSecret)
			if err != nil {
				return err
			}
			hook.Secret = []byte(secret)
		}
		if w.webhook, err = compat.NewWebhook(hook); err != nil {
			return err
		}
	}
	if c.SocketIO && len(c.SocketIOOrigins) == 0 && !c.SocketIOPrograms {
		return errNobody
	}
	if c.SocketIO {
		w.socketIO = compat.NewSocketIO(compat.SocketIOConfig{
			Origins: c.SocketIOOrigins, Programs: c.SocketIOPrograms, Log: log,
			Session: func(ctx context.Context, local, remote netip.AddrPort) (string, error) {
				return his.PeerSession(ctx, local, remote)
			},
		})
	}
	fields := c.Fields
	if len(fields) == 0 {
		fields = append(checkin.DefaultFields(), checkin.FieldPortrait)
	}
	w.bridge = compat.New(compat.Config{
		Engine: w.engine, Readers: o.Readers, Mapping: set, SocketIO: w.socketIO, Webhook: w.webhook, Fields: fields, Insurer: o.Insurer != nil,
		Active: his.ActiveSession, Log: log,
	})
	return nil
}

// run runs everything until ctx ends, and waits for it.
func (w *ways) run(ctx context.Context) {
	var tasks sync.WaitGroup
	defer tasks.Wait()
	if w.scanner != nil {
		tasks.Go(func() {
			for s := range w.scanner.Watch(ctx) {
				w.scanned(ctx, s.Text)
			}
		})
	}
	if w.simulation != nil {
		tasks.Go(func() {
			for {
				select {
				case <-ctx.Done():
					return
				case text := <-w.simulation.scans:
					w.scanned(ctx, text)
				}
			}
		})
	}
	if w.bridge == nil {
		return
	}
	tasks.Go(func() { w.bridge.Run(ctx) })
	if w.webhook != nil {
		tasks.Go(func() { w.webhook.Run(ctx) })
	}
	if w.socketIO != nil {
		tasks.Go(func() { w.serve(ctx) })
	}
}

// serve serves the Socket.IO dialect as soon as its port is free.
func (w *ways) serve(ctx context.Context) {
	for said := false; ctx.Err() == nil; {
		listeners, _, err := his.Listen(ctx, []int{w.port})
		w.state.Set(health.CompatPortTaken, err != nil)
		if err != nil && !said {
			said = true
			w.log("compat.port_taken", map[string]any{"port": w.port})
		}
		if err == nil {
			if w.socketIO.Serve(ctx, listeners) != nil {
				w.state.Set(health.CompatUnusable, true)
			}
			return
		}
		select {
		case <-ctx.Done():
		case <-time.After(portRetry):
		}
	}
}

// scanned gives what a scanner read to who needs it: a job that wants a key, else the next card of a compatibility way, else
// the console.
//
// A scanner is a thing of the desk, not of a session. So a scan belongs to whom it was made for by all appearances: the person
// who sits at the PC; where that is not to be known (a terminal server, no login manager), the only session in which a program
// waits for a key, or else a console is open. Where several do, nobody gets it: a patient's data are never guessed into
// somebody else's session.
func (w *ways) scanned(ctx context.Context, text string) {
	session, known := his.ActiveSession(ctx)
	if !known {
		var several bool
		if session, several = waitingSession(w.engine.Queue()); several {
			w.log("scanner.ambiguous", nil)
			return
		}
	}
	taken := session != "" && w.engine.OfferScan(ctx, session, text) ||
		w.bridge != nil && w.bridge.OfferScan(ctx, session, text) || w.console(session, text)
	w.log("scanner.read", map[string]any{"taken": taken})
}

// waitingSession is the session in which programs wait for a key; several says that there is more than one.
func waitingSession(queue []checkin.Queued) (session string, several bool) {
	for _, q := range queue {
		switch {
		case !q.WantsKey || q.Session == session:
		case session != "":
			return "", true
		default:
			session = q.Session
		}
	}
	return session, false
}
