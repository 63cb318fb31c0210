package pcsc

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"sync"
	"time"

	"github.com/tapcheck/tapcheck/reader"
)

const (
	// maxRecords bounds how many readers that are gone are remembered.
	maxRecords = 64
	// closePatience is how long Close waits for calls inside drivers.
	closePatience = 3 * time.Second
	// watchdogGrace is how much longer than its timeout a wait may take before the service counts as hung.
	watchdogGrace = 3 * time.Second
	// spinPause slows a stack down that reports changes where there are none.
	spinPause = 100 * time.Millisecond
	// ownEcho is how long the stack may still say "in use" after we ourselves have let the card go.
	ownEcho = 1500 * time.Millisecond
)

// monitor is the reader.Monitor over a stack.
type monitor struct {
	stack    stack
	o        Options
	watchers reader.Watchers
	stop     chan struct{}
	done     chan struct{} // the watching goroutine has ended

	mu       sync.Mutex
	closed   bool
	health   error
	hung     error // set by the watchdog while a wait does not return
	records  []*record
	context  stackContext // of the watching goroutine, for cancel
	sessions map[*session]struct{}
}

// record is one reader that is or was there. Its fields are guarded by monitor.mu.
type record struct {
	id, name    string
	contactless bool
	present     bool
	flags       flags
	known       bool // flags are what the stack said since the reader came
	shown       bool // known at least once
	atr         []byte
	insertion   uint64
	session     *session  // open, or given up and not back yet
	stuck       bool      // the session was given up and does not come back
	ownUntil    time.Time // until then, "in use" may still mean us
}

func start(s stack, o Options) *monitor {
	o.defaults()
	m := &monitor{
		stack: s, o: o,
		stop: make(chan struct{}), done: make(chan struct{}),
		sessions: make(map[*session]struct{}),
	}
	go m.run()
	return m
}

// run keeps a context and watches with it, for ever again.
func (m *monitor) run() {
	defer close(m.done)
	for {
		m.lost(m.watch())
		select {
		case <-m.stop:
			return
		case <-time.After(m.o.Retry):
		}
	}
}

// lost takes note that the service is gone, and why.
func (m *monitor) lost(err error) {
	if err != nil && serviceLost(err) && !errors.Is(err, reader.ErrAccessDenied) && m.stack.idle() {
		err = nil
	} else if err != nil && !serviceLost(err) {
		// Whatever it is, the readers cannot be used now.
		err = fmt.Errorf("%w: %w", reader.ErrServiceStopped, err)
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	changed := (m.health == nil) != (err == nil)
	m.health = err
	for _, r := range m.records {
		changed = r.unplug() || changed
	}
	if changed {
		m.watchers.Notify()
	}
}

// watch establishes a context and follows the readers until something fails or the monitor is closed (nil).
func (m *monitor) watch() error {
	release := m.watchdog(0)
	c, err := m.stack.establish()
	release()
	if err != nil {
		return err
	}
	defer c.release()
	m.mu.Lock()
	m.context = c
	m.mu.Unlock()
	defer func() {
		m.mu.Lock()
		m.context = nil
		m.mu.Unlock()
	}()

	var states []readerState
	for first := true; ; first = false {
		select {
		case <-m.stop:
			return nil
		default:
		}
		release := m.watchdog(0)
		names, err := c.listReaders()
		release()
		if err != nil {
			return err
		}
		states = follow(states, names)
		m.seen(states, first)
		if len(states) == 0 {
			if !m.pause(m.o.tick) {
				return nil
			}
			continue
		}
		before := time.Now()
		most := m.longest()
		release = m.watchdog(most)
		err = c.wait(states, most)
		release()
		switch codeOf(err) {
		case codeSuccess:
			if err != nil {
				return err
			}
		case codeTimeout:
			m.changed(nil) // for "in use" of our own, which fades
			continue
		case codeCancelled:
			continue // the stop is looked at above; a cancel of somebody else means nothing
		case codeUnknownReader, codeReaderUnavailable, codeNoReaders:
			// It went between listing and waiting; the next list will tell.
			if !m.pause(spinPause) {
				return nil
			}
			continue
		default:
			return err
		}
		real := m.changed(states)
		for i := range states {
			// The whole of it goes back, with the count in the high word: a stack that misses its count returns at once.
			states[i].current = states[i].event &^ flagChanged
		}
		if !real && time.Since(before) < spinPause && !m.pause(spinPause) {
			return nil
		}
	}
}

// longest is how long a wait may take. While "in use" may be our own, the clock has to be looked at.
func (m *monitor) longest() time.Duration {
	if !m.stack.tells() {
		return m.o.tick
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, r := range m.records {
		if r.session != nil || !r.ownUntil.IsZero() {
			return m.o.tick
		}
	}
	return m.o.calm
}

// pause waits; false if the monitor is being closed.
func (m *monitor) pause(d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-m.stop:
		return false
	case <-t.C:
		return true
	}
}

// watchdog says that the service hangs if it is not released some time after d.
func (m *monitor) watchdog(d time.Duration) (release func()) {
	set := func(err error) {
		m.mu.Lock()
		defer m.mu.Unlock()
		if (m.hung == nil) != (err == nil) {
			m.hung = err
			m.watchers.Notify()
		}
	}
	t := time.AfterFunc(d+watchdogGrace, func() {
		set(fmt.Errorf("%w: it does not answer", reader.ErrServiceStopped))
	})
	return func() {
		if !t.Stop() {
			set(nil)
		}
	}
}

// follow makes the states to wait for out of the names that are there, keeping what is known of each.
func follow(old []readerState, names []string) []readerState {
	current := make(map[string]flags, len(old))
	for _, s := range old {
		current[s.name] = s.current
	}
	var states []readerState
	listed := make(map[string]bool, len(names))
	for _, name := range names {
		if name == "" || len(name) > maxName || listed[name] || isForeign(name) {
			continue
		}
		if len(states) == maxReaders {
			break
		}
		listed[name] = true
		states = append(states, readerState{name: name, current: current[name]})
	}
	return states
}

// seen brings the records in line with the readers that are there.
func (m *monitor) seen(states []readerState, healthy bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	changed := false
	if healthy && m.health != nil {
		m.health = nil
		changed = true
	}
	there := make(map[string]bool, len(states))
	for _, s := range states {
		there[s.name] = true
	}
	for _, r := range m.records {
		if r.present && !there[r.name] {
			r.unplug()
			changed = true
		}
	}
	for _, s := range states {
		if m.byName(s.name) == nil {
			m.plug(s.name)
			changed = true
		}
	}
	if changed {
		m.watchers.Notify()
	}
}

// byName finds a reader that is plugged in; m.mu is held.
func (m *monitor) byName(name string) *record {
	for _, r := range m.records {
		if r.present && r.name == name {
			return r
		}
	}
	return nil
}

func (m *monitor) byID(id string) *record {
	for _, r := range m.records {
		if r.id == id {
			return r
		}
	}
	return nil
}

// plug gives a reader that came the record of one that is gone and was called alike, or a new one; m.mu is held.
func (m *monitor) plug(name string) {
	base := stableID(name)
	id := base
	var r *record
	for n := 2; ; n++ {
		r = m.byID(id)
		if r == nil || !r.present {
			break
		}
		id = base + "-" + strconv.Itoa(n)
	}
	if r == nil {
		m.forget()
		r = &record{id: id}
		m.records = append(m.records, r)
	}
	r.name, r.present, r.known = name, true, false
	r.contactless = contactlessByName(name)
}

// forget drops the record of a reader that is gone where there are too many; m.mu is held.
func (m *monitor) forget() {
	if len(m.records) < maxRecords {
		return
	}
	for i, r := range m.records {
		if !r.present && r.session == nil {
			m.records = append(m.records[:i], m.records[i+1:]...)
			return
		}
	}
}

// unplug says whether that is news; monitor.mu is held.
func (r *record) unplug() bool {
	was := r.present
	r.present, r.known, r.flags, r.atr = false, false, 0, nil
	return was
}

// changed takes in what a wait brought, and says whether anything is new.
func (m *monitor) changed(states []readerState) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	real := false
	now := time.Now()
	for i := range states {
		s := &states[i]
		r := m.byName(s.name)
		if r == nil {
			continue
		}
		event := s.event &^ flagChanged
		if r.known && event == r.flags {
			continue
		}
		real = true
		had := r.known && r.flags.has(flagPresent)
		has := event.has(flagPresent) && !event.has(flagUnknown|flagIgnore|flagUnavailable)
		switch {
		case !has:
			r.atr = nil
		case !had || event.count() != r.flags.count():
			// New, or another one that came while we looked away.
			r.insertion++
			fallthrough
		default:
			r.atr = nil
			if n := len(s.atr); n > 0 && n <= maxATR && !event.has(flagMute) {
				r.atr = append([]byte(nil), s.atr...)
				r.contactless = r.contactless || contactlessByATR(r.atr)
			}
		}
		r.flags, r.known, r.shown = event, true, true
		if r.session != nil {
			r.ownUntil = now.Add(ownEcho)
		}
	}
	if real || states == nil && m.fading(now) {
		m.watchers.Notify()
	}
	return real
}

// fading says whether some reader's "in use" has just stopped to be taken for our own; m.mu is held.
func (m *monitor) fading(now time.Time) bool {
	faded := false
	for _, r := range m.records {
		if !r.ownUntil.IsZero() && r.session == nil && now.After(r.ownUntil) {
			r.ownUntil = time.Time{}
			faded = true
		}
	}
	return faded
}

func (m *monitor) info(r *record) reader.Info {
	info := reader.Info{
		ID: r.id, Name: r.name, Contactless: r.contactless, Virtual: isVirtual(r.name),
		State: reader.Empty, Insertion: r.insertion,
	}
	switch {
	case !r.present || !r.known || r.flags.has(flagUnknown|flagIgnore):
		// A reader that is listed is not empty for that: until the stack has said what lies in it, nobody knows.
		info.State = reader.Absent
	case m.hung != nil || r.stuck || r.flags.has(flagUnavailable):
		info.State = reader.Error
	case !r.flags.has(flagPresent):
	case r.flags.has(flagMute):
		info.State = reader.Mute
	case r.flags.has(flagExclusive|flagInUse) && r.session == nil && time.Now().After(r.ownUntil):
		info.State = reader.Busy
	default:
		info.State = reader.Card
	}
	if info.State != reader.Absent {
		info.ATR = append([]byte(nil), r.atr...)
	}
	if len(info.ATR) == 0 {
		info.ATR = nil
	}
	return info
}

// Readers is a snapshot, in the order in which the readers were first seen.
func (m *monitor) Readers() []reader.Info {
	m.mu.Lock()
	defer m.mu.Unlock()
	infos := make([]reader.Info, 0, len(m.records))
	for _, r := range m.records {
		if r.shown { // of one that has just come for the first time there is nothing to tell yet
			infos = append(infos, m.info(r))
		}
	}
	return infos
}

func (m *monitor) Watch(ctx context.Context) <-chan struct{} { return m.watchers.Watch(ctx) }

func (m *monitor) Health() error {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.unhealthy()
}

// unhealthy is Health; m.mu is held.
func (m *monitor) unhealthy() error {
	switch {
	case m.closed:
		return reader.ErrClosed
	case m.hung != nil:
		return m.hung
	}
	return m.health
}

// Close stops everything. Calls that are inside a driver are waited for three seconds at most.
func (m *monitor) Close() error {
	m.mu.Lock()
	if m.closed {
		m.mu.Unlock()
		return nil
	}
	m.closed = true
	var open []*session
	for s := range m.sessions {
		open = append(open, s)
	}
	m.mu.Unlock()
	defer m.watchers.Close()
	for _, s := range open {
		s.giveUp(reader.ErrClosed)
	}
	close(m.stop)
	// A cancel that comes between two waits is lost, so it is said again; and it may hang itself.
	cancelled := make(chan struct{})
	go func() {
		defer close(cancelled)
		for {
			m.mu.Lock()
			c := m.context
			m.mu.Unlock()
			if c != nil {
				_ = c.cancel()
			}
			select {
			case <-m.done:
				return
			case <-time.After(20 * time.Millisecond):
			}
		}
	}()

	patience := time.NewTimer(closePatience)
	defer patience.Stop()
	wait := []<-chan struct{}{m.done, cancelled}
	for _, s := range open {
		wait = append(wait, s.ended)
	}
	for _, done := range wait {
		select {
		case <-done:
		case <-patience.C:
			return fmt.Errorf("%w: closed without waiting any longer", reader.ErrReaderStuck)
		}
	}
	return nil
}
