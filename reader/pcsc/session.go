package pcsc

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/tapcheck/tapcheck/reader"
)

// maxLosses is how many calls may be lost inside drivers before nothing new is started. Each holds a thread.
const maxLosses = 4

// losses counts calls that were left to themselves and have not come back.
type losses struct {
	mu sync.Mutex
	n  int
}

var processLosses losses

func (l *losses) add(n int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.n += n
}

func (l *losses) full() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.n >= maxLosses
}

// Waits between two tries of something that another program may be in the way of.
const (
	connectPause = 50 * time.Millisecond
	statusPause  = 25 * time.Millisecond
	// statusPatience is how long a failed transmission waits for the stack to notice that the card has gone. pcscd looks
	// every 400 ms.
	statusPatience = 1200 * time.Millisecond
)

var (
	errAbandoned = fmt.Errorf("%w: an earlier exchange was given up", reader.ErrTransport)
	errReleased  = fmt.Errorf("%w: session is closed", reader.ErrTransport)
)

// session is one connection. All calls into the stack are made by its worker goroutine, one after the other; everybody else
// only waits for it, as long as he likes.
type session struct {
	m   *monitor
	rec *record

	opened chan error    // gets the outcome of connecting, once
	calls  chan []byte   // commands for the worker
	answer chan answer   // holds one
	quit   chan struct{} // closed when the session is dead: the worker lets go as soon as it can
	ended  chan struct{} // closed when the worker has let go

	turn chan struct{} // held while an exchange goes on

	// set by the worker before opened, then constant
	atr  []byte
	info reader.Info

	// guarded by m.mu
	why  error       // why the session is dead
	lost bool        // the worker is inside a call and nobody waits
	late *time.Timer // says when that is stuck
}

type answer struct {
	rsp []byte
	err error
}

// Connect opens the card exclusively. See reader.Monitor.
func (m *monitor) Connect(ctx context.Context, id string) (reader.Session, error) {
	var s *session
	for s == nil {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		m.mu.Lock()
		r := m.byID(id)
		var before *session
		err := m.unhealthy()
		switch {
		case err != nil:
		case r == nil || !r.present:
			err = reader.ErrReaderGone
		case r.stuck || m.o.lost.full():
			err = reader.ErrReaderStuck
		case r.session != nil && r.session.why == nil:
			err = reader.ErrReaderBusy // by ourselves
		case r.session != nil:
			before = r.session
		default:
			s = &session{
				m: m, rec: r,
				opened: make(chan error, 1), calls: make(chan []byte), answer: make(chan answer, 1),
				quit: make(chan struct{}), ended: make(chan struct{}), turn: make(chan struct{}, 1),
			}
			r.session = s
			m.sessions[s] = struct{}{}
			go s.work(r.name)
		}
		m.mu.Unlock()
		if err != nil {
			return nil, err
		}
		if before != nil {
			// The session before this one is just letting go.
			late := time.NewTimer(m.o.grace)
			select {
			case <-before.ended:
			case <-late.C:
				err = reader.ErrReaderStuck
			case <-ctx.Done():
				err = ctx.Err()
			}
			late.Stop()
			if err != nil {
				return nil, err
			}
		}
	}
	limit := time.NewTimer(m.o.CallTimeout)
	defer limit.Stop()
	select {
	case err := <-s.opened:
		if err != nil {
			return nil, err
		}
		return s, nil
	case <-s.quit: // the monitor was closed
		return nil, s.reason()
	case <-ctx.Done():
		s.giveUp(errAbandoned)
		return nil, ctx.Err()
	case <-limit.C:
		s.giveUp(reader.ErrReaderStuck)
		return nil, reader.ErrReaderStuck
	}
}

// work is the life of a session, in a goroutine of its own.
func (s *session) work(name string) {
	defer s.end()
	c, card, err := s.open(name)
	if err != nil {
		s.die(err)
		s.opened <- err
		return
	}
	let := resetCard
	defer func() {
		_ = card.disconnect(let)
		_ = c.release()
	}()
	s.m.mu.Lock()
	s.info = s.m.info(s.rec)
	s.info.State, s.info.ATR = reader.Card, append([]byte(nil), s.atr...)
	s.m.mu.Unlock()
	s.opened <- nil
	for {
		select {
		case <-s.quit:
			return
		case apdu := <-s.calls:
			rsp, err := card.transmit(apdu)
			if err == nil && (len(rsp) < 2 || len(rsp) > maxResponse) {
				// Some drivers report a card that has gone as an answer of no bytes.
				err = &Error{Op: fmt.Sprintf("SCardTransmit gave %d bytes", len(rsp)), Code: codeNotTransacted}
			}
			if err != nil {
				rsp, err = nil, s.explain(card, err)
				if errors.Is(err, reader.ErrTransport) || errors.Is(err, reader.ErrCardMute) {
					let = unpowerCard // it may hang in the middle of something; a reset is not always enough
				}
			}
			s.answer <- answer{rsp, err}
			if err != nil {
				return
			}
		}
	}
}

// open makes a context and connects, and again while another program is in the way.
func (s *session) open(name string) (stackContext, stackCard, error) {
	c, err := s.m.stack.establish()
	if err != nil {
		return nil, nil, err
	}
	limit := time.Now().Add(s.m.o.BusyPatience)
	for {
		card, err := c.connect(name)
		if err == nil {
			s.atr, err = card.status()
			if err == nil && (len(s.atr) == 0 || len(s.atr) > maxATR) {
				err = &Error{Op: "SCardStatus", Code: codeInvalidATR}
			}
			if err == nil {
				return c, card, nil
			}
			_ = card.disconnect(resetCard)
		}
		again := false
		switch codeOf(err) {
		case codeSharingViolation, codeResetCard, codeUnpoweredCard, codeNotReady:
			again = time.Now().Before(limit)
		case codeRemovedCard:
			// There was one, and it went between two of our calls.
			err.(*Error).means = reader.ErrNoCard
		case codeNotTransacted, codeCommError, codeCommDataLost, codeInternalError:
			// pcsc-lite says some of these when a card was lifted while it was being powered.
		}
		if !again || !s.pause(connectPause) {
			_ = c.release()
			return nil, nil, err
		}
	}
}

// pause waits; false if the session is dead.
func (s *session) pause(d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-s.quit:
		return false
	case <-t.C:
		return true
	}
}

// explain finds out what a failed transmission was: a card that was lifted gives anything from no bytes at all to
// "not transacted", and the stack notices its absence only when it looks the next time.
func (s *session) explain(card stackCard, err error) error {
	e, ok := err.(*Error)
	if !ok || !errors.Is(err, reader.ErrTransport) {
		return err
	}
	for limit := time.Now().Add(statusPatience); ; {
		_, now := card.status()
		for _, means := range []error{
			reader.ErrCardRemoved, reader.ErrReaderGone, reader.ErrServiceStopped, reader.ErrCardReset,
		} {
			if errors.Is(now, means) {
				e.means = means
				return e
			}
		}
		if errors.Is(now, reader.ErrNoCard) || s.cardWent() {
			e.means = reader.ErrCardRemoved
			return e
		}
		if time.Now().After(limit) || !s.pause(statusPause) {
			return e
		}
	}
}

// cardWent says whether the watcher has seen the card go, or the reader.
func (s *session) cardWent() bool {
	s.m.mu.Lock()
	defer s.m.mu.Unlock()
	return s.rec.known && (!s.rec.flags.has(flagPresent) || s.rec.insertion != s.info.Insertion)
}

// Transmit sends one command APDU of 4 to 65544 bytes. See reader.Session.
func (s *session) Transmit(ctx context.Context, apdu []byte) ([]byte, error) {
	if err := s.reason(); err != nil {
		return nil, err
	}
	if len(apdu) < minAPDU || len(apdu) > maxCommand {
		return nil, s.die(fmt.Errorf("%w: command of %d bytes", reader.ErrTransport, len(apdu)))
	}
	if err := ctx.Err(); err != nil {
		s.die(errAbandoned)
		return nil, err
	}
	select {
	case s.turn <- struct{}{}:
		defer func() { <-s.turn }()
	case <-s.quit:
		return nil, s.reason()
	case <-ctx.Done():
		s.die(errAbandoned)
		return nil, ctx.Err()
	}
	// The worker gets its own copy: a call that is given up must not see what the caller does with his bytes next.
	select {
	case s.calls <- append([]byte(nil), apdu...):
	case <-s.quit:
		return nil, s.reason()
	}
	limit := time.NewTimer(s.m.o.CallTimeout)
	defer limit.Stop()
	select {
	case a := <-s.answer:
		if a.err != nil {
			return nil, s.die(a.err)
		}
		return a.rsp, nil
	case <-s.quit:
		return nil, s.reason()
	case <-ctx.Done():
		s.giveUp(errAbandoned)
		return nil, ctx.Err()
	case <-limit.C:
		s.giveUp(reader.ErrReaderStuck)
		return nil, reader.ErrReaderStuck
	}
}

func (s *session) ATR() []byte         { return append([]byte(nil), s.atr...) }
func (s *session) Reader() reader.Info { return s.info }

// Close lets the card go and waits for that, but not for a driver that hangs.
func (s *session) Close() error {
	s.die(errReleased)
	late := time.NewTimer(s.m.o.grace)
	defer late.Stop()
	select {
	case <-s.ended:
		return nil
	case <-late.C:
		s.giveUp(errReleased)
		return reader.ErrReaderStuck
	}
}

// reason is why the session is dead, or nil.
func (s *session) reason() error {
	s.m.mu.Lock()
	defer s.m.mu.Unlock()
	return s.why
}

// die ends the session for the first reason that comes, and gives that.
func (s *session) die(err error) error {
	s.m.mu.Lock()
	defer s.m.mu.Unlock()
	if s.why == nil {
		s.why = err
		close(s.quit)
	}
	return s.why
}

// giveUp ends the session and leaves its worker to itself: it may be inside a call that never returns.
func (s *session) giveUp(err error) {
	s.die(err)
	m := s.m
	m.mu.Lock()
	defer m.mu.Unlock()
	select {
	case <-s.ended:
		return
	default:
	}
	if s.lost {
		return
	}
	s.lost = true
	m.o.lost.add(1)
	s.late = time.AfterFunc(m.o.grace, func() {
		m.mu.Lock()
		defer m.mu.Unlock()
		if s.rec.session == s {
			s.rec.stuck = true
			m.watchers.Notify()
		}
	})
}

// end takes note that the worker has let go.
func (s *session) end() {
	m := s.m
	m.mu.Lock()
	defer m.mu.Unlock()
	if s.lost {
		s.lost = false
		m.o.lost.add(-1)
		s.late.Stop()
	}
	delete(m.sessions, s)
	close(s.ended)
	s.rec.session = nil
	s.rec.ownUntil = time.Now().Add(ownEcho)
	if s.rec.stuck {
		s.rec.stuck = false
		m.watchers.Notify()
	}
}
