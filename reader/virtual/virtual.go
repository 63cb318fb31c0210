// Package virtual has readers that exist only in memory or on a loopback port, and the client that puts a simulated chip
// into a reader of a real PC/SC stack.
//
// A Monitor holds any number of slots. A slot made by Add takes chips of the same process (Slot.Insert). A slot made by
// Listen takes whatever card connects to its port with the wire protocol of the virtual reader vpcd (vsmartcard project):
// two bytes of length, most significant first, then that many bytes; a body of one byte is a control (0 power off, 1 power
// on, 2 reset, 4 send the ATR), a longer one is a command APDU, answered by one frame. Only the ATR request and APDUs are
// answered. The card is the TCP client; it is removed by closing the connection. PlugIn is such a client.
//
// Everything here is marked Virtual, and nothing here is real hardware. Chips are trusted code of this project; what comes
// in over a port is not: lengths and times are bounded, and a peer that breaks the protocol is disconnected.
//
// Go cannot stop a chip's Transmit. A call that outlives its context is left to itself; until it returns, the reader is
// in state Error and Connect answers ErrReaderStuck, as with a driver that hangs. The same lets tests play that case.
package virtual

import (
	"context"
	"fmt"
	"strconv"
	"sync"
	"time"

	"github.com/tapcheck/tapcheck/reader"
)

// Chip is a simulated card. Its methods are called one at a time by a slot; the same chip must not be in two slots at
// once. The simulated chips of icao/chip have this shape.
type Chip interface {
	// ATR is the answer to reset, 2 to 33 bytes; nil is a card that does not answer at all.
	ATR() []byte
	// Reset ends whatever goes on in the chip, as a loss of power does.
	Reset()
	// Transmit answers a command APDU with a response APDU of at least two bytes; nil is a mute card.
	Transmit(apdu []byte) []byte
}

// Limits of what is carried. The wire protocol has two bytes for a length.
const (
	minAPDU  = 4
	maxFrame = 0xFFFF
	minATR   = 2
	maxATR   = 33
)

// stuckGrace is how long Connect waits for a call that another session left behind before the reader counts as stuck.
const stuckGrace = 2 * time.Second

// Option changes how a Monitor behaves.
type Option func(*Monitor)

// WithLatency makes every APDU take d longer, as a contactless link does; default 0.
func WithLatency(d time.Duration) Option {
	return func(m *Monitor) { m.latency = d }
}

// Monitor is a reader.Monitor of slots that do not exist. Make it with New, end it with Close.
type Monitor struct {
	latency  time.Duration
	watchers reader.Watchers
	wg       sync.WaitGroup // listeners
	ctx      context.Context
	stop     context.CancelFunc

	mu      sync.Mutex
	slots   []*Slot
	stopped error // why no reader can be used
	closed  bool
}

var _ reader.Monitor = (*Monitor)(nil)

// New makes a Monitor without readers.
func New(options ...Option) *Monitor {
	m := &Monitor{}
	m.ctx, m.stop = context.WithCancel(context.Background())
	for _, o := range options {
		o(m)
	}
	return m
}

// Add makes a new, empty reader and plugs it in. Its ID comes from the name, with a number behind it where another reader
// has that already.
func (m *Monitor) Add(name string, contactless bool) *Slot {
	return m.add(name, "virtual-"+reader.Slug(name), contactless)
}

func (m *Monitor) add(name, id string, contactless bool) *Slot {
	m.mu.Lock()
	defer m.mu.Unlock()
	base := id
	for n := 2; m.slot(id) != nil; n++ {
		id = base + "-" + strconv.Itoa(n)
	}
	s := &Slot{m: m, id: id, name: name, contactless: contactless, plugged: true}
	m.slots = append(m.slots, s)
	m.watchers.Notify()
	return s
}

// slot finds a reader by its ID; m.mu is held.
func (m *Monitor) slot(id string) *Slot {
	for _, s := range m.slots {
		if s.id == id {
			return s
		}
	}
	return nil
}

// Readers is a snapshot, in the order in which the readers were added.
func (m *Monitor) Readers() []reader.Info {
	m.mu.Lock()
	defer m.mu.Unlock()
	infos := make([]reader.Info, 0, len(m.slots))
	for _, s := range m.slots {
		infos = append(infos, s.info())
	}
	return infos
}

// Watch gives a channel that gets a value after each change, and one at the start.
func (m *Monitor) Watch(ctx context.Context) <-chan struct{} { return m.watchers.Watch(ctx) }

// Health is nil but between StopService and StartService.
func (m *Monitor) Health() error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.closed {
		return reader.ErrClosed
	}
	return m.stopped
}

// StopService plays the end of the PC/SC service: every reader is absent, every session dead with ErrServiceStopped, until
// StartService. Cards stay where they are and count as inserted anew afterwards, since nobody watched them.
func (m *Monitor) StopService() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.stopped = reader.ErrServiceStopped
	for _, s := range m.slots {
		s.kill(reader.ErrServiceStopped)
	}
	m.watchers.Notify()
}

// StartService ends what StopService began.
func (m *Monitor) StartService() {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.stopped == nil {
		return
	}
	m.stopped = nil
	for _, s := range m.slots {
		if s.card != nil {
			s.insertion++
		}
	}
	m.watchers.Notify()
}

// Close removes everything and waits for the listeners. A chip that is inside Transmit is not waited for.
func (m *Monitor) Close() error {
	m.mu.Lock()
	if m.closed {
		m.mu.Unlock()
		return nil
	}
	m.closed = true
	for _, s := range m.slots {
		s.take(reader.ErrClosed)
	}
	m.mu.Unlock()
	m.stop()
	m.wg.Wait()
	m.watchers.Close()
	return nil
}

// Slot is one virtual reader.
type Slot struct {
	m           *Monitor
	id, name    string
	contactless bool
	addr        string

	// all below is guarded by m.mu
	plugged   bool
	busy      bool
	card      *card
	session   *session
	insertion uint64
}

// card is a chip that lies in a slot, from its insertion to its removal.
type card struct {
	chip Chip
	atr  []byte
	// turn is held by whoever calls the chip. A call that was abandoned keeps it until the chip returns.
	turn  chan struct{}
	stuck bool          // a call was abandoned and has not returned; guarded by m.mu
	gone  chan struct{} // closed when it has been taken out
}

// ID of the reader, as in reader.Info.
func (s *Slot) ID() string { return s.id }

// Addr is where a slot made by Listen takes cards: "tcp:127.0.0.1:35963". It is empty for others.
func (s *Slot) Addr() string { return s.addr }

// Info is the reader as it is now.
func (s *Slot) Info() reader.Info {
	s.m.mu.Lock()
	defer s.m.mu.Unlock()
	return s.info()
}

func (s *Slot) info() reader.Info {
	info := reader.Info{
		ID: s.id, Name: s.name, Contactless: s.contactless, Virtual: true,
		State: reader.Empty, Insertion: s.insertion,
	}
	switch {
	case !s.plugged || s.m.stopped != nil || s.m.closed:
		info.State = reader.Absent
	case s.card == nil:
	case s.card.stuck:
		info.State = reader.Error
	case len(s.card.atr) == 0:
		info.State = reader.Mute
	case s.busy:
		info.State = reader.Busy
	default:
		info.State = reader.Card
	}
	if info.State != reader.Absent && s.card != nil {
		info.ATR = append([]byte(nil), s.card.atr...)
	}
	return info
}

// Insert puts a chip into the reader; one that lies there already is removed first. The chip is powered on, thus reset,
// when a session begins.
func (s *Slot) Insert(c Chip) {
	atr := c.ATR()
	if len(atr) < minATR || len(atr) > maxATR {
		atr = nil // no reader reports anything else as an ATR
	}
	s.insert(newCard(c, atr))
}

func newCard(c Chip, atr []byte) *card {
	return &card{
		chip: c, atr: append([]byte(nil), atr...),
		turn: make(chan struct{}, 1), gone: make(chan struct{}),
	}
}

func (s *Slot) insert(c *card) {
	s.m.mu.Lock()
	defer s.m.mu.Unlock()
	s.take(reader.ErrCardRemoved)
	if !s.plugged || s.m.closed {
		close(c.gone) // into thin air
		return
	}
	s.card = c
	s.insertion++
	s.m.watchers.Notify()
}

// take takes the card out, if there is one; m.mu is held.
func (s *Slot) take(why error) {
	s.kill(why)
	if s.card != nil {
		close(s.card.gone)
		s.card = nil
		s.m.watchers.Notify()
	}
}

// Remove takes the chip out, also in the middle of a command. Without a chip it does nothing.
func (s *Slot) Remove() { s.remove(nil) }

// remove takes out the card, if it is that one; nil is any.
func (s *Slot) remove(c *card) {
	s.m.mu.Lock()
	defer s.m.mu.Unlock()
	if s.card == nil || c != nil && s.card != c {
		return
	}
	s.take(reader.ErrCardRemoved)
}

// Unplug takes the reader away, with the card that lies in it.
func (s *Slot) Unplug() {
	s.m.mu.Lock()
	defer s.m.mu.Unlock()
	s.take(reader.ErrReaderGone)
	s.plugged = false
	s.m.watchers.Notify()
}

// Plug brings the reader back, empty.
func (s *Slot) Plug() {
	s.m.mu.Lock()
	defer s.m.mu.Unlock()
	s.plugged = true
	s.m.watchers.Notify()
}

// SetBusy plays another program that holds the card exclusively. A session of ours is reset by it.
func (s *Slot) SetBusy(busy bool) {
	s.m.mu.Lock()
	defer s.m.mu.Unlock()
	s.busy = busy
	if busy {
		s.kill(reader.ErrCardReset)
	}
	s.m.watchers.Notify()
}

// ResetByOther plays another program that resets the card: the session that is open dies with ErrCardReset.
func (s *Slot) ResetByOther() {
	s.m.mu.Lock()
	defer s.m.mu.Unlock()
	s.kill(reader.ErrCardReset)
}

// kill ends the session that is open, if any; m.mu is held.
func (s *Slot) kill(why error) {
	if s.session != nil {
		s.session.end(why)
	}
}

// Connect opens the card exclusively and resets it.
func (m *Monitor) Connect(ctx context.Context, id string) (reader.Session, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	m.mu.Lock()
	s := m.slot(id)
	if s == nil {
		m.mu.Unlock()
		return nil, reader.ErrReaderGone
	}
	c := s.card
	err := s.usable(c)
	if err == nil && s.session != nil {
		err = reader.ErrReaderBusy
	}
	m.mu.Unlock()
	if err != nil {
		return nil, err
	}

	// A call left behind by an earlier session is let finish; if it does not, the reader is stuck.
	grace := time.NewTimer(stuckGrace)
	defer grace.Stop()
	select {
	case c.turn <- struct{}{}:
	case <-grace.C:
		return nil, reader.ErrReaderStuck
	case <-ctx.Done():
		return nil, ctx.Err()
	case <-m.ctx.Done():
		return nil, reader.ErrClosed
	}
	c.chip.Reset()
	<-c.turn

	m.mu.Lock()
	defer m.mu.Unlock()
	if err := s.usable(c); err != nil {
		return nil, err
	}
	if s.session != nil {
		return nil, reader.ErrReaderBusy
	}
	s.session = &session{slot: s, card: c, info: s.info(), dead: make(chan struct{})}
	return s.session, nil
}

// usable says why c in s cannot be connected to, or nil; m.mu is held.
func (s *Slot) usable(c *card) error {
	switch {
	case s.m.closed:
		return reader.ErrClosed
	case s.m.stopped != nil:
		return s.m.stopped
	case !s.plugged:
		return reader.ErrReaderGone
	case c == nil || s.card != c:
		return reader.ErrNoCard
	case len(c.atr) == 0:
		return reader.ErrCardMute
	case s.busy:
		return reader.ErrReaderBusy
	}
	return nil
}

// session is one connection to a card.
type session struct {
	slot *Slot
	card *card
	info reader.Info
	dead chan struct{} // closed with why set
	why  error         // guarded by slot.m.mu until dead is closed
}

func (x *session) ATR() []byte         { return append([]byte(nil), x.card.atr...) }
func (x *session) Reader() reader.Info { return x.info }

// end makes the session dead; slot.m.mu is held.
func (x *session) end(why error) {
	if x.why == nil {
		x.why = why
		close(x.dead)
	}
	if x.slot.session == x {
		x.slot.session = nil
	}
}

// fail ends the session with err, unless it was dead before, and gives the reason for which it is dead.
func (x *session) fail(err error) error {
	x.slot.m.mu.Lock()
	defer x.slot.m.mu.Unlock()
	x.end(err)
	return x.why
}

// Transmit sends one command APDU, 4 to 65535 bytes.
func (x *session) Transmit(ctx context.Context, apdu []byte) ([]byte, error) {
	select {
	case <-x.dead:
		return nil, x.why
	default:
	}
	if err := ctx.Err(); err != nil {
		x.fail(errAbandoned)
		return nil, err
	}
	if len(apdu) < minAPDU || len(apdu) > maxFrame {
		return nil, x.fail(fmt.Errorf("%w: command of %d bytes", reader.ErrTransport, len(apdu)))
	}
	if d := x.slot.m.latency; d > 0 {
		t := time.NewTimer(d)
		defer t.Stop()
		select {
		case <-t.C:
		case <-x.dead:
			return nil, x.why
		case <-ctx.Done():
			x.fail(errAbandoned)
			return nil, ctx.Err()
		}
	}
	select {
	case x.card.turn <- struct{}{}:
	case <-x.dead:
		return nil, x.why
	case <-ctx.Done():
		x.fail(errAbandoned)
		return nil, ctx.Err()
	}
	// The chip gets its own copy: a call that is abandoned must not see what the caller does with his bytes next.
	cmd := append([]byte(nil), apdu...)
	answer := make(chan []byte, 1)
	var returned bool // guarded by m.mu
	go func() {
		rsp := x.card.chip.Transmit(cmd)
		x.slot.m.mu.Lock()
		returned = true
		if x.card.stuck {
			x.card.stuck = false
			x.slot.m.watchers.Notify()
		}
		x.slot.m.mu.Unlock()
		<-x.card.turn
		answer <- rsp
	}()
	select {
	case rsp := <-answer:
		// A card that was pulled out while it answered has not answered.
		select {
		case <-x.dead:
			return nil, x.why
		default:
		}
		switch {
		case len(rsp) == 0:
			return nil, x.fail(reader.ErrCardMute)
		case len(rsp) == 1 || len(rsp) > maxFrame:
			return nil, x.fail(fmt.Errorf("%w: response of %d bytes", reader.ErrTransport, len(rsp)))
		}
		return rsp, nil
	case <-x.dead:
		return nil, x.why
	case <-ctx.Done():
		x.slot.m.mu.Lock()
		if !returned {
			x.card.stuck = true
			x.slot.m.watchers.Notify()
		}
		x.end(errAbandoned)
		x.slot.m.mu.Unlock()
		return nil, ctx.Err()
	}
}

// errAbandoned is what later calls get after a session was given up in the middle of an exchange by its context.
var errAbandoned = fmt.Errorf("%w: an earlier exchange was given up", reader.ErrTransport)

// errReleased is what calls get after Close.
var errReleased = fmt.Errorf("%w: session is closed", reader.ErrTransport)

// Close lets the card go. The chip is reset when the next session begins, and at once if nothing goes on in it.
func (x *session) Close() error {
	_ = x.fail(errReleased)
	select {
	case x.card.turn <- struct{}{}:
		x.card.chip.Reset()
		<-x.card.turn
	default:
	}
	return nil
}
