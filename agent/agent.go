// Package agent is one desk's service: it puts readers, chips, insurer, journal and websocket together and runs them.
//
// It knows no card format and no wire format; those are its rooms'. What it owns is the order of starting and stopping,
// what is wrong at the moment (agent/health), and the rule that neither a missing reader nor a full disk nor a gateway
// that is down keeps it from serving.
package agent

import (
	"context"
	"errors"
	"fmt"
	"net"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"github.com/rs/zerolog"

	"github.com/tapcheck/tapcheck/agent/catalog"
	"github.com/tapcheck/tapcheck/agent/checkin"
	"github.com/tapcheck/tapcheck/agent/console"
	"github.com/tapcheck/tapcheck/agent/console/manual"
	"github.com/tapcheck/tapcheck/agent/diagnostics"
	"github.com/tapcheck/tapcheck/agent/health"
	"github.com/tapcheck/tapcheck/agent/his"
	"github.com/tapcheck/tapcheck/agent/his/client/ts"
	"github.com/tapcheck/tapcheck/agent/his/reference"
	"github.com/tapcheck/tapcheck/agent/journal"
	"github.com/tapcheck/tapcheck/agent/keys"
	"github.com/tapcheck/tapcheck/agent/portrait"
	"github.com/tapcheck/tapcheck/agent/settings"
	"github.com/tapcheck/tapcheck/agent/update"
	"github.com/tapcheck/tapcheck/icao"
	"github.com/tapcheck/tapcheck/icao/access"
	"github.com/tapcheck/tapcheck/icao/cccd"
	"github.com/tapcheck/tapcheck/icao/lds"
	"github.com/tapcheck/tapcheck/icao/trust"
	"github.com/tapcheck/tapcheck/insurance"
	"github.com/tapcheck/tapcheck/insurance/claim"
	"github.com/tapcheck/tapcheck/reader"
)

// JournalFile is the journal's name within the data folder.
const JournalFile = "journal.db"

// Options are what an agent is made of.
type Options struct {
	Settings settings.Settings
	DataDir  string // made if it is missing, for its owner only
	Version  string
	Log      zerolog.Logger
	Readers  reader.Monitor     // the agent closes it
	Insurer  insurance.Provider // nil: eligibility is off
	Trust    func() (*trust.Store, *trust.Report, error)
	// Simulation is set in `demo` only: every result is then marked simulated.
	Simulation *Simulation
	// SettingsFile is where the settings came from, for the console to change; "" where there is no file.
	SettingsFile string
	// SettingsFrom says where each setting is from, for the bundle.
	SettingsFrom map[string]settings.Origin
	// SettingsOver gives what outweighs that file: environment and policy. Nil: nothing does.
	SettingsOver func() []settings.Layer
	// SettingsWrong is set where the last good settings stand in for some with a mistake; health says so.
	SettingsWrong bool
	// Renew gives settings that were read anew while the agent runs; nil: never. Those that are live are in force at once.
	Renew <-chan settings.Loaded
	// Renewed is told of good settings that came by Renew or were saved by the console; nil: nobody.
	Renewed func(settings.Loaded)
	// Machine is the PC, for tests; nil is the one that this runs on.
	Machine *keys.Machine
	// Free says how much room a disk has; nil: nobody knows.
	Free func(dir string) (bytes uint64, known bool)
	// Updates says how the last update went, for health; nil: there is no updater.
	Updates func() (update.State, error)
	// PortFiles are where the port in use is published. Their folders must be writable by nobody else.
	PortFiles []string
	// Ready is told once, when the first client can connect.
	Ready func(Ready)
	// Service is set where nobody sits in front of the program: where all ports are taken the agent comes up all the same, says
	// so in its health, and serves as soon as one is free.
	Service bool
	// Moments tells what happens to the PC; nil: nothing does.
	Moments <-chan Moment
	// Present says whether somebody is present in a session of the operating system; nil is his.SessionPresent.
	Present func(session string) bool
	// Pulse is told every few seconds where the agent serves (host:port, "" while it has no port) and what is wrong. Every part
	// has been asked before, so an agent that hangs gives no sign of life. The first call comes once the ports have been tried.
	Pulse func(addr string, wrong []health.Warning)
	// Busy is told before each pulse whether a patient is being checked in; nil: nobody.
	Busy func(busy bool)

	// Frames is his.Config.Frames: for tests.
	Frames func() func(fromClient, binary bool, frame []byte)

	paired func(*keys.Pairing) // for tests, which have no administrator
}

// Ready says where the agent serves.
type Ready struct {
	Addr    string // host:port of the websocket
	Elapsed time.Duration
}

// warnings are the events that IT should see without asking for more.
var warnings = map[string]bool{"book.refused": true, "journal.damaged": true, "book.lost": true, "job.panic": true, "insurance.failed": true, "compat.port_taken": true, "port.taken": true, "compat.unusable": true, "access.unreadable": true, "codes.unusable": true, "dumps.possible": true, "face.models_missing": true, "face.model_unusable": true, "scanner.missing": true, "settings.refused": true, "machine.copied": true, "machine.tpm_keys_lost": true, "backup.failed": true}

// stopWithin is how long all that is left to do at the end may take together. Whoever stops a service waits 5 s for it.
const stopWithin = 4 * time.Second

// pulseEvery is the time between two signs of life where nothing changes, and pulsePause the one between two where something does.
const (
	pulseEvery = 5 * time.Second
	pulsePause = 200 * time.Millisecond
)

// Run starts an agent and serves until ctx ends; then every job is answered and everything is closed, within 5 s. Errors before
// that: of the catalogue, DATA_FOLDER and, but for a service, PORT_TAKEN.
func Run(ctx context.Context, o Options) (err error) {
	began := time.Now()
	ending := sync.OnceValues(func() (context.Context, context.CancelFunc) {
		return context.WithTimeout(context.WithoutCancel(ctx), stopWithin)
	})
	defer func() {
		_, stop := ending()
		stop()
	}()
	defer func() { err = errors.Join(err, o.Readers.Close()) }()
	recent := &diagnostics.Ring{}
	log := func(event string, fields map[string]any) {
		level := zerolog.InfoLevel
		if warnings[event] {
			level = zerolog.WarnLevel
		}
		o.Log.WithLevel(level).Fields(fields).Msg(event)
		recent.Add(time.Now(), level.String(), event, fields)
	}

	if err := noDumps(); err != nil {
		log("dumps.possible", nil)
	}
	if err := keys.Claim(o.DataDir, o.Simulation != nil); err != nil {
		return folderError(err)
	}
	if o.Simulation == nil {
		aside, err := keys.Bind(o.DataDir, o.machine())
		if err != nil {
			return folderError(err)
		}
		if aside != "" {
			event := "machine.copied"
			if slices.Contains(keys.AsideByTPM(o.DataDir, o.machine()), aside) {
				event = "machine.tpm_keys_lost"
			}
			log(event, map[string]any{"folder": aside})
		}
	}
	k, err := keys.OpenOn(o.DataDir, o.machine())
	if err != nil {
		return folderError(err)
	}
	tokens, err := keys.OpenTokens(o.DataDir)
	if err != nil {
		return folderError(err)
	}
	state := &health.Tracker{}
	state.Set(health.Simulation, o.Simulation != nil)
	state.Set(health.InsuranceOff, o.Insurer == nil)
	state.Set(health.SettingsLast, o.SettingsWrong)

	jo := journal.Options{Path: filepath.Join(o.DataDir, JournalFile)}
	copy(jo.Key[:], k.DatabaseKey())
	b, err := openBook(ctx, jo, state, 5*time.Second, log)
	if errors.Is(err, journal.ErrInUse) {
		return catalog.Wrap(catalog.AlreadyRunning, err)
	}
	if err != nil {
		return folderError(err)
	}
	defer func() {
		last, _ := ending()
		err = errors.Join(err, b.close(last))
	}()

	pictures, err := portrait.New(portrait.Options{Streams: maxFaces})
	if err != nil {
		return err
	}
	var compares checkin.Faces // nil: it is switched off
	if o.Settings.Face.Enabled {
		f := newFaces(o.Settings.Face, pictures, state, log)
		defer f.close()
		if compares = f; o.Simulation != nil && o.Simulation.faces != nil {
			compares = o.Simulation.faces.over(f)
		}
	}
	anchors := o.loadAnchors(state)
	codes := codesOf(o.Settings.Facility, state, log)
	var d *desk // made below, before anybody asks
	engine := checkin.New(checkin.Config{
		Capture: func(ref, session string) (string, time.Time, bool) { return d.console.Capture(ref, session) },
		Readers: o.Readers, Read: icao.Read, Access: accessOptions(o.Settings), Trust: anchors.get,
		Facility: facilityOf(o), Codes: codes,
		Insurer: watched(o.Insurer, state), Portrait: Pictures(pictures), Faces: compares, Face: faceRules(o.Settings.Face), MaxFaces: maxFaces, Book: b, Simulated: o.Simulation != nil, Desk: o.Settings.Desk, Log: log,
		WaitForCard:   time.Duration(o.Settings.Checkin.WaitForCardMs) * time.Millisecond,
		WaitForNeed:   time.Duration(o.Settings.Checkin.WaitForNeedMs) * time.Millisecond,
		InsuranceWait: o.Settings.Insurance.Wait(),
		Lookups:       b, GiveUp: o.Settings.Queue.GiveUp(), Keep: o.Settings.Queue.Keep(), LookupsPerMinute: o.Settings.Queue.RatePerMinute,
	})
	b.onCaughtUp(engine.Recorded)
	defer func() { // again where it has been closed, which does nothing
		last, _ := ending()
		err = errors.Join(err, engine.Close(last))
	}()
	wss := o.listenSecure(ctx)
	defer wss.close()
	healthNow := func(l catalog.Lang) []his.HealthItem {
		faults(engine, b, state)
		more := waitingFaults(engine.Lookups(), time.Now(), state, l)
		wss.health(state)
		o.updateHealth(state)
		o.asideHealth(state)
		d.look(state)
		state.Set(health.RemoteDesktop, his.RemoteDesktop())
		state.Set(health.NoClient, !anyLive(tokens))
		items := healthItems(state, l)
		for i, item := range items {
			if add := more[health.Code(item.ID)]; add != "" {
				items[i].Cause += " " + add
			}
		}
		return items
	}
	var server *his.Server // made below; the bundle asks it
	bundle := diagnostic{o, began, recent, healthNow, tokens, engine, anchors, func() map[catalog.ID]uint64 { return server.Refused() }}.bundle
	d, err = openConsole(o, consolePage, tokens, engine, healthNow, bundle, log)
	if err != nil {
		return folderError(err)
	}
	renewed := &renewal{o.Settings, d, state, log, o.Renewed}
	d.renewed = renewed
	if o.paired != nil {
		o.paired(d.pairing)
	}
	hc := his.Config{
		Version: o.Version, Engine: engine, Readers: o.Readers, Tokens: d.console.With(tokens), Identity: k, Origins: o.Settings.HIS.Origins,
		ServesOther: engine.ServesOther, ServesChanged: engine.Watch, Lang: catalog.Lang(o.Settings.Language), Log: log, Help: helpPages(), Kind: cardKind,
		Health: healthNow, Pairing: d.pairing, Pages: d.pages(), Frames: o.Frames, WSSPort: wss.port,
		Bundle: bundle, Paper: func(p checkin.Proof) ([]byte, error) {
			return console.RenderProof(p, o.Settings.Facility.Code, time.Now())
		},
		Limits: his.Limits{
			Connections: o.Settings.HIS.MaxConnections, FrameBytes: int64(o.Settings.HIS.MaxFrameBytes), RequestsPerSecond: o.Settings.HIS.RequestsPerSecond,
		},
	}
	hc.Pages = append(hc.Pages, his.Page{Prefix: reference.Prefix, Handler: reference.Handler(), CSP: reference.CSP})
	hc.Pages = append(hc.Pages, his.Page{Prefix: manual.Prefix, Handler: manual.Handler(o.Version), CSP: manual.CSP})
	hc.Pages = append(hc.Pages, his.Page{Prefix: ts.Prefix, Handler: ts.Handler(), Shared: true, CSP: ts.CSP()})
	if o.Simulation != nil {
		hc.Simulator = o.Simulation
	}
	if o.Settings.HIS.AccessLog {
		// Who used what before is not worth keeping a patient waiting for.
		if hc.Access, err = his.OpenAccessLog(o.DataDir); err != nil {
			log("access.unreadable", nil)
		}
		d.access = hc.Access
	}
	ways := openWays(o, engine, state, d.console.Scan, log)
	server, err = his.New(hc)
	if err != nil {
		return err
	}
	listeners, port, err := his.Listen(ctx, o.Settings.HIS.Ports)
	if err != nil && !o.Service {
		return err
	}
	state.Set(health.PortsTaken, err != nil)

	// What needs no port of its own runs already where there is none yet.
	var tasks sync.WaitGroup
	running, stopTasks := context.WithCancel(ctx)
	defer func() {
		stopTasks()
		tasks.Wait()
	}()
	tasks.Go(func() { watchReaders(running, o.Readers, state) })
	tasks.Go(func() { ways.run(running) })
	if hc.Access != nil {
		defer hc.Access.Flush() // what the last clients did
		tasks.Go(func() { hc.Access.Run(running) })
	}
	tasks.Go(func() { d.console.Run(running) })
	if o.Simulation == nil {
		tasks.Go(func() { o.backups(b, state, log).run(running) })
	}
	tasks.Go(func() { renewed.run(running, o.Renew) })
	tasks.Go(func() { o.watchMoments(running, d.console, engine, log) })
	served := make(chan string, 1) // where, once it is known
	if ready := err == nil; o.Pulse != nil {
		tasks.Go(func() {
			o.pulse(running, served, ready, state.Changes(), func() []health.Warning {
				_ = healthNow(catalog.EN) // asks every part
				if o.Busy != nil {
					o.Busy(atWork(engine.Queue()))
				}
				return state.List(catalog.EN)
			})
		})
	}
	if err != nil {
		log("port.taken", map[string]any{"ports": o.Settings.HIS.Ports})
		if listeners, port, err = listenLater(ctx, o.Settings.HIS.Ports); err != nil {
			last, _ := ending()
			return engine.Close(last) // stopped before there was a port
		}
		state.Set(health.PortsTaken, false)
	}
	addr := fmt.Sprintf("127.0.0.1:%d", port)
	d.console.ServedAt(port)
	for _, file := range o.PortFiles {
		remove, err := his.PublishPort(file, port, wss.port, k.InstanceID())
		if err != nil {
			o.Log.Warn().Msg("port.unpublished") // clients still find the port by discovery
			continue
		}
		defer remove()
	}
	if o.Ready != nil {
		o.Ready(Ready{Addr: addr, Elapsed: time.Since(began)})
	}
	served <- addr
	log("agent.ready", map[string]any{
		"addr": addr, "instance": k.InstanceID(), "version": o.Version, "simulated": o.Simulation != nil, "ms": time.Since(began).Milliseconds(),
	})

	serving, stopServing := context.WithCancel(context.WithoutCancel(ctx))
	defer stopServing()
	ended := make(chan error, 1)
	tasks.Go(func() { ended <- server.Serve(serving, append(listeners, wss.listeners...)) })
	select {
	case <-ctx.Done():
	case err = <-ended:
		ended <- nil
	}
	// Jobs end first, while their clients are still there to be told.
	last, _ := ending()
	err = errors.Join(err, engine.Close(last))
	stopServing()
	err = errors.Join(err, <-ended)
	stopTasks()
	tasks.Wait()
	o.Log.Info().Msg("agent.stopped")
	return err
}

// listenRetry is how long until a service that has no port tries again.
const listenRetry = 2 * time.Second

// listenLater takes the first port that becomes free. The error is that of ctx.
func listenLater(ctx context.Context, ports []int) ([]net.Listener, int, error) {
	for {
		select {
		case <-ctx.Done():
			return nil, 0, ctx.Err()
		case <-time.After(listenRetry):
		}
		if listeners, port, err := his.Listen(ctx, ports); err == nil {
			return listeners, port, nil
		}
	}
}

// pulse gives signs of life until ctx ends, and one more when something changes. ready says that the address comes at once, and is
// worth waiting for.
func (o *Options) pulse(ctx context.Context, served <-chan string, ready bool, changed <-chan struct{}, wrong func() []health.Warning) {
	addr := ""
	t := time.NewTicker(pulseEvery)
	defer t.Stop()
	for first := ready; ; first = false {
		if !first {
			o.Pulse(addr, wrong())
		}
		listen := changed
		if first {
			listen = nil
		}
		select {
		case <-ctx.Done():
			return
		case addr = <-served:
		case <-t.C:
		case <-listen:
			// What changes together is told together, and what flutters is no flood.
			select {
			case <-ctx.Done():
				return
			case <-time.After(pulsePause):
			}
		}
	}
}

// cardKind says what is known of a card before it is opened: the answer to reset of a citizen card, or nothing.
func cardKind(i reader.Info) string {
	if _, known := cccd.KnownATR(i.ATR); known {
		return "emrtd"
	}
	return "unknown"
}

func healthItems(state *health.Tracker, l catalog.Lang) []his.HealthItem {
	var items []his.HealthItem
	for _, w := range state.List(l) {
		items = append(items, his.HealthItem{ID: string(w.Code), Severity: string(w.Severity), Title: w.Title, Cause: w.Cause, Fix: w.Cure})
	}
	return items
}

func folderError(err error) error {
	detail := map[string]any{"problem": err.Error()}
	var f *keys.FileError
	if errors.As(err, &f) {
		detail["file"], detail["problem"] = f.Path, f.Err.Error()
	}
	return &catalog.Error{ID: catalog.DataFolder, Detail: detail, Err: err}
}

func accessOptions(s settings.Settings) access.Options {
	if s.Checkin.ExtendedAPDU {
		return access.Options{Extended: 65536}
	}
	return access.Options{}
}

func anyLive(tokens *keys.TokenStore) bool {
	list, err := tokens.List()
	if err != nil {
		return false
	}
	for _, t := range list {
		if t.Live(time.Now()) {
			return true
		}
	}
	return false
}

// anchorWait is how long a tap waits for the trust store. A trust folder may lie on a share that does not answer; the
// verdict is then not_verifiable, as without anchors, and health says why.
const anchorWait = 2 * time.Second

// anchors is the trust store, which takes longer to load than the agent may take to be ready.
type anchors struct {
	loaded chan struct{}
	store  *trust.Store
	state  *health.Tracker
}

// loadAnchors loads the store in a goroutine that nobody waits for: reading a dead share cannot be stopped.
func (o *Options) loadAnchors(state *health.Tracker) *anchors {
	a := &anchors{loaded: make(chan struct{}), state: state}
	go func() {
		store, report, err := o.Trust()
		if store == nil {
			store = &trust.Store{} // trusts nobody: without anchors nothing is verifiable, which is never worse than the truth
		}
		state.Set(health.TrustRefused, err != nil || report != nil && len(report.Refused) > 0)
		a.store = store
		close(a.loaded)
		store.Warm()
	}()
	return a
}

func (a *anchors) get() *trust.Store {
	limit := time.NewTimer(anchorWait)
	defer limit.Stop()
	select {
	case <-a.loaded:
		return a.store
	case <-limit.C:
		a.state.Set(health.TrustRefused, true)
		return &trust.Store{}
	}
}

// watchReaders keeps the health of readers up to date until ctx ends.
func watchReaders(ctx context.Context, m reader.Monitor, state *health.Tracker) {
	changes := m.Watch(ctx)
	for {
		err := m.Health()
		there, stuck := 0, false
		for _, r := range m.Readers() {
			if r.State != reader.Absent {
				there++
			}
			stuck = stuck || r.State == reader.Error
		}
		denied := errors.Is(err, reader.ErrAccessDenied)
		state.Set(health.PCSCDenied, denied)
		state.Set(health.PCSCStopped, err != nil && !denied)
		state.Set(health.NoReader, err == nil && there == 0)
		state.Set(health.ReaderStuck, stuck)
		select {
		case <-ctx.Done():
			return
		case _, open := <-changes:
			if !open {
				return
			}
		}
	}
}

// facilityOf is whose desk it is, for the rules.
func facilityOf(o Options) insurance.Facility {
	s := o.Settings.Facility
	if o.Simulation != nil && s == (settings.Facility{}) {
		return simulatedFacility
	}
	return insurance.Facility{
		Code: s.Code, Level: s.Level, PrimaryKind: s.PrimaryKind, Points: s.Points, Provisional: s.Provisional, FormerTier: s.FormerTier,
	}
}

// codesOf is the hospital's own table. One that cannot be used is none: patients are admitted without it, and IT is told.
func codesOf(s settings.Facility, state *health.Tracker, log func(string, map[string]any)) *claim.Table {
	if s.CodesFile == "" {
		return nil
	}
	t, err := claim.LoadTable(s.CodesFile)
	state.Set(health.CodesUnusable, err != nil)
	if err != nil {
		log("codes.unusable", nil) // tapcheck config check says why
		return nil
	}
	return t
}

// watchedInsurer keeps the health of the insurer's gateway up to date.
type watchedInsurer struct {
	insurance.Provider
	state *health.Tracker
}

func watched(p insurance.Provider, state *health.Tracker) insurance.Provider {
	if p == nil {
		return nil
	}
	w := watchedInsurer{p, state}
	if h, ok := p.(insurance.HistoryProvider); ok { // whose failures say nothing about look-ups
		return watchedHistorian{w, h}
	}
	return w
}

// watchedHistorian is one that also tells what a person was treated for.
type watchedHistorian struct {
	watchedInsurer
	historian insurance.HistoryProvider
}

// History implements insurance.HistoryProvider.
func (w watchedHistorian) History(ctx context.Context, r insurance.Request) (insurance.History, error) {
	return w.historian.History(ctx, r)
}

// Check implements insurance.Provider.
func (w watchedInsurer) Check(ctx context.Context, r insurance.Request) (insurance.Eligibility, error) {
	e, err := w.Provider.Check(ctx, r)
	// A job that was cancelled says nothing about the gateway, nor does one for which nobody was asked.
	if !errors.Is(err, context.Canceled) && !errors.Is(err, insurance.ErrNotAsked) {
		w.state.Set(health.InsuranceDown, errors.Is(err, insurance.ErrUnreachable) || errors.Is(err, insurance.ErrGarbage) || errors.Is(err, context.DeadlineExceeded))
		w.state.Set(health.InsuranceRefused, errors.Is(err, insurance.ErrRejected))
	}
	return e, err
}

// Pictures makes a chip's portrait showable by means of a decoder.
func Pictures(d *portrait.Decoder) func(ctx context.Context, p lds.Portrait) (checkin.Picture, error) {
	return func(ctx context.Context, p lds.Portrait) (checkin.Picture, error) {
		pic, err := d.ToJPEG(ctx, p.Format, p.Data)
		if err != nil {
			return checkin.Picture{}, fmt.Errorf("portrait: %w", err)
		}
		return checkin.Picture{MIME: "image/jpeg", Width: pic.Width, Height: pic.Height, Data: pic.JPEG}, nil
	}
}
