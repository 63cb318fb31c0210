package virtual

import (
	"context"
	"errors"
	"fmt"
	"net"
	"sync"
	"time"

	"github.com/tapcheck/tapcheck/reader"
)

// Times that a card on a port is given. They are no part of the protocol.
const (
	atrTimeout    = 5 * time.Second  // from connecting to the ATR
	answerTimeout = 30 * time.Second // for one APDU; then the card is disconnected
	acceptPause   = 100 * time.Millisecond
)

// Listen makes a reader on a loopback TCP port, into which any simulated card can be put that speaks vpcd's protocol (see
// the package's documentation). addr is "tcp:127.0.0.1:PORT" or "tcp:[::1]:PORT"; port 0 takes a free one, and Slot.Addr
// says which. Every other address is refused. The reader's ID is its address.
//
// It holds one card at a time; the next one that connects waits until the first has gone. A card that does not send a
// proper ATR within 5 s is a mute card until it goes; so is one whose answer is too short for a status word. A card that
// sends what it was not asked for, or leaves a command unanswered for 30 s, is disconnected, which removes it.
//
// When ctx ends, the port is closed and the reader is absent. Whoever may connect to loopback ports of this PC can put a
// card in: that is what it is for, and why a real desk never has such a reader.
func (m *Monitor) Listen(ctx context.Context, addr string) (*Slot, error) {
	ap, err := loopback(addr)
	if err != nil {
		return nil, err
	}
	var lc net.ListenConfig
	l, err := lc.Listen(ctx, "tcp", ap.String())
	if err != nil {
		return nil, err
	}
	m.mu.Lock()
	if m.closed {
		m.mu.Unlock()
		_ = l.Close()
		return nil, reader.ErrClosed
	}
	m.wg.Add(1)
	m.mu.Unlock()

	name := "tcp:" + l.Addr().String()
	s := m.add(name, name, true)
	s.addr = name
	ctx, cancel := context.WithCancel(ctx)
	stop := context.AfterFunc(m.ctx, cancel)
	go func() {
		defer m.wg.Done()
		defer stop()
		defer cancel()
		context.AfterFunc(ctx, func() { _ = l.Close() })
		for ctx.Err() == nil {
			c, err := l.Accept()
			if err != nil {
				// Out of descriptors, or an aborted connection: wait a little rather than spin.
				select {
				case <-ctx.Done():
				case <-time.After(acceptPause):
				}
				continue
			}
			s.host(ctx, c)
		}
		s.Unplug()
	}()
	return s, nil
}

// host keeps one connected card in the slot until it goes.
func (s *Slot) host(ctx context.Context, conn net.Conn) {
	defer conn.Close()
	defer context.AfterFunc(ctx, func() { _ = conn.Close() })()
	c, err := newEager(conn)
	if err != nil {
		return
	}
	if err := writeFrame(c, []byte{ctrlATR}); err != nil {
		return
	}
	_ = c.SetReadDeadline(time.Now().Add(atrTimeout))
	atr, err := readFrame(c)
	var late net.Error
	switch {
	case errors.As(err, &late) && late.Timeout(), err == nil && (len(atr) < minATR || len(atr) > maxATR):
		atr = nil // a card is there that does not answer, which is its own thing to say to the desk
	case err != nil:
		return
	}
	_ = c.SetReadDeadline(time.Time{})

	r := &remote{conn: c, answers: make(chan []byte, 1)}
	k := newCard(r, atr)
	r.gone = k.gone
	s.insert(k)
	stop := context.AfterFunc(ctx, func() { s.remove(k) })
	defer stop()
	go func() {
		// Taken out by hand, unplugged, or out of patience: let the card know.
		<-k.gone
		_ = conn.Close()
	}()
	// This ends as soon as the connection does, also between commands: that is how a removal is seen.
	for {
		body, err := readFrame(c)
		if err != nil || !r.deliver(body) {
			break
		}
	}
	s.remove(k)
}

// remote is a card at the other end of a connection.
type remote struct {
	conn    eager
	answers chan []byte // holds one, so that delivering never waits: no more than one is owed
	gone    <-chan struct{}

	mu    sync.Mutex
	asked bool // an answer is owed
}

// deliver hands an answer to whoever asked; false if nobody did.
func (r *remote) deliver(body []byte) bool {
	r.mu.Lock()
	ok := r.asked
	r.asked = false
	r.mu.Unlock()
	if ok {
		r.answers <- body
	}
	return ok
}

func (r *remote) ATR() []byte { return nil } // the card carries it since it was put in

func (r *remote) Reset() {
	// Two commands and no answer; a connection that is gone shows in host.
	if writeFrame(r.conn, []byte{ctrlOn}) == nil {
		_ = writeFrame(r.conn, []byte{ctrlReset})
	}
}

func (r *remote) Transmit(apdu []byte) []byte {
	r.mu.Lock()
	r.asked = true
	r.mu.Unlock()
	if err := writeFrame(r.conn, apdu); err != nil {
		_ = r.conn.Close()
		<-r.gone
		return nil
	}
	patience := time.NewTimer(answerTimeout)
	defer patience.Stop()
	select {
	case rsp := <-r.answers:
		if len(rsp) < 2 {
			return nil
		}
		return rsp
	case <-patience.C:
		_ = r.conn.Close()
		<-r.gone
	case <-r.gone:
	}
	return nil
}

// errRubbish is a reader that breaks the protocol.
var errRubbish = errors.New("the reader sent what is no command")

// PlugIn puts a chip into a reader of vpcd's kind, as its TCP client: into a real PC/SC stack with the vpcd driver (which
// listens on port 35963 unless configured otherwise), or into a reader made by Listen. addr is "host:port", with or
// without "tcp:" before it. It answers until the reader closes the connection, which is no error; when ctx ends it takes
// the card out and returns ctx's error. It does not connect again.
//
// The protocol has no way to say that a card is mute. A chip that answers nil is passed on as an answer of one byte, which
// is none and which every reader takes for a failed exchange; an answer of no bytes would make vpcd wait for ever.
func PlugIn(ctx context.Context, addr string, chip Chip) error {
	if len(addr) > 4 && addr[:4] == "tcp:" {
		addr = addr[4:]
	}
	d := net.Dialer{Timeout: 10 * time.Second}
	conn, err := d.DialContext(ctx, "tcp", addr)
	if err != nil {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		return err
	}
	defer conn.Close()
	defer context.AfterFunc(ctx, func() { _ = conn.Close() })()
	c, err := newEager(conn)
	if err != nil {
		return err
	}
	for {
		cmd, err := readFrame(c)
		if err == nil {
			err = serve(c, chip, cmd)
		}
		switch {
		case err == nil:
		case ctx.Err() != nil:
			return ctx.Err()
		case errors.Is(err, errRubbish):
			return err
		default:
			return nil // the reader has closed the connection, one way or another
		}
	}
}

// serve does what one frame asks of the chip.
func serve(c eager, chip Chip, cmd []byte) error {
	switch {
	case len(cmd) >= minAPDU:
		rsp := chip.Transmit(cmd)
		if len(rsp) > maxFrame {
			return fmt.Errorf("%w: the chip answered %d bytes, more than the protocol carries", errRubbish, len(rsp))
		}
		if len(rsp) == 0 {
			rsp = []byte{0}
		}
		return writeFrame(c, rsp)
	case len(cmd) != 1:
		return fmt.Errorf("%w: %d bytes", errRubbish, len(cmd))
	}
	switch cmd[0] {
	case ctrlOff, ctrlOn, ctrlReset:
		chip.Reset()
	case ctrlATR:
		return writeFrame(c, chip.ATR())
	default:
		return fmt.Errorf("%w: control %#02x", errRubbish, cmd[0])
	}
	return nil
}
