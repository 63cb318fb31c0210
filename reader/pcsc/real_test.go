//go:build linux && cgo && !nopcsc

package pcsc_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/tapcheck/tapcheck/reader"
	"github.com/tapcheck/tapcheck/reader/pcsc"
	"github.com/tapcheck/tapcheck/reader/pcsc/pcsctest"
	"github.com/tapcheck/tapcheck/reader/virtual"
)

// These tests drive the real thing: pcscd, its client library, and vpcd as the reader.

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// recovery is the promise: so long after its cause has gone, no fault is to be seen any more.
const recovery = 3 * time.Second

var (
	testATR = []byte{0x3B, 0x80, 0x80, 0x01, 0x01} // a contactless card's, without historical bytes
	command = []byte{0x00, 0xA4, 0x04, 0x0C}
)

// echo answers a command with itself and 9000.
type echo struct {
	mu     sync.Mutex
	gate   chan struct{} // where there is one, it holds every command up
	asked  chan struct{} // gets a value for each command that has come
	resets int
}

func newEcho() *echo       { return &echo{asked: make(chan struct{}, 1000)} }
func (*echo) ATR() []byte  { return testATR }
func (e *echo) Reset()     { e.mu.Lock(); e.resets++; e.mu.Unlock() }
func (e *echo) count() int { e.mu.Lock(); defer e.mu.Unlock(); return e.resets }
func (e *echo) Transmit(apdu []byte) []byte {
	e.asked <- struct{}{}
	if e.gate != nil {
		<-e.gate
	}
	return append(append([]byte(nil), apdu...), 0x90, 0x00)
}

func watch(t *testing.T) reader.Monitor {
	t.Helper()
	m := pcsc.New(pcsc.Options{})
	t.Cleanup(func() {
		if err := m.Close(); err != nil {
			t.Errorf("Close: %v", err)
		}
	})
	return m
}

// within waits for a state of the world by the monitor's own notices.
func within(t *testing.T, m reader.Monitor, limit time.Duration, what string, ok func() bool) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), limit)
	defer cancel()
	begin := time.Now()
	for range m.Watch(ctx) {
		if ok() {
			t.Logf("%s after %v", what, time.Since(begin).Round(time.Millisecond))
			return
		}
	}
	t.Fatalf("not within %v: %s; readers are %+v, health %v", limit, what, m.Readers(), m.Health())
}

// find gives the reader of this ID, or one without a state.
func find(m reader.Monitor, id string) reader.Info {
	for _, info := range m.Readers() {
		if info.ID == id {
			return info
		}
	}
	return reader.Info{}
}

func state(m reader.Monitor, id string, want reader.State) func() bool {
	return func() bool { return find(m, id).State == want }
}

// plugIn puts a chip in and gives a function that takes it out, once.
func plugIn(t *testing.T, d *pcsctest.Daemon, name string, chip virtual.Chip) (out func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- virtual.PlugIn(ctx, d.Addr(name), chip) }()
	out = sync.OnceFunc(func() {
		cancel()
		<-done
	})
	t.Cleanup(out)
	return out
}

func connect(t *testing.T, m reader.Monitor, id string) reader.Session {
	t.Helper()
	s, err := m.Connect(t.Context(), id)
	if err != nil {
		t.Fatalf("Connect(%s): %v", id, err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

// exchange sends commands of many lengths and looks at what comes back.
func exchange(t *testing.T, s reader.Session) {
	t.Helper()
	for _, n := range []int{4, 5, 40, 261, 1000, 30000} {
		apdu := bytes.Repeat([]byte{byte(n)}, n)
		rsp, err := s.Transmit(t.Context(), apdu)
		if err != nil || len(rsp) != n+2 || !bytes.Equal(rsp[:n], apdu) {
			t.Fatalf("%d bytes: %d back, %v", n, len(rsp), err)
		}
	}
}

func TestReadCard(t *testing.T) {
	d := pcsctest.Start(t, "Desk PICC")
	m := watch(t)
	const id = "desk-picc"
	within(t, m, recovery, "reader there", state(m, id, reader.Empty))
	if _, err := m.Connect(t.Context(), id); !errors.Is(err, reader.ErrNoCard) {
		t.Errorf("Connect without a card: %v", err)
	}
	if _, err := m.Connect(t.Context(), "no-such"); !errors.Is(err, reader.ErrReaderGone) {
		t.Errorf("Connect to no reader: %v", err)
	}
	chip := newEcho()
	out := plugIn(t, d, "Desk PICC", chip)
	within(t, m, recovery, "card in", state(m, id, reader.Card))
	info := find(m, id)
	if !bytes.Equal(info.ATR, testATR) || !info.Contactless || info.Insertion != 1 {
		t.Errorf("%+v", info)
	}
	for round := range 3 {
		s := connect(t, m, id)
		if !bytes.Equal(s.ATR(), testATR) || s.Reader().Insertion != 1 || s.Reader().ID != id {
			t.Errorf("session: ATR %X of %+v", s.ATR(), s.Reader())
		}
		if _, err := m.Connect(t.Context(), id); !errors.Is(err, reader.ErrReaderBusy) {
			t.Errorf("second session: %v", err)
		}
		exchange(t, s)
		before := chip.count()
		if err := s.Close(); err != nil {
			t.Errorf("Close: %v", err)
		}
		if _, err := s.Transmit(t.Context(), command); err == nil {
			t.Error("a closed session carries commands")
		}
		if chip.count() == before {
			t.Errorf("round %d: the chip was not reset", round)
		}
	}
	// Our own work on the card is no new card.
	if got := find(m, id); got.Insertion != 1 || got.State != reader.Card {
		t.Errorf("after three sessions: %+v", got)
	}
	out()
	within(t, m, recovery, "card out", state(m, id, reader.Empty))
	if got := find(m, id); got.ATR != nil {
		t.Errorf("an ATR without a card: %X", got.ATR)
	}
}

func TestCardPulledOutAndPutBack(t *testing.T) {
	d := pcsctest.Start(t, "Desk")
	m := watch(t)
	const id = "desk"
	for round := uint64(1); round <= 2; round++ {
		chip := newEcho()
		chip.gate = make(chan struct{})
		out := plugIn(t, d, "Desk", chip)
		within(t, m, recovery, "card in", state(m, id, reader.Card))
		s := connect(t, m, id)
		if s.Reader().Insertion != round {
			t.Errorf("insertion %d, want %d", s.Reader().Insertion, round)
		}
		if round == 1 {
			go func() { // in the middle of a command
				<-chip.asked
				close(chip.gate)
				out()
			}()
		} else {
			close(chip.gate)
			exchange(t, s)
			out() // between two commands
		}
		var err error
		for err == nil {
			_, err = s.Transmit(t.Context(), command)
		}
		if !errors.Is(err, reader.ErrCardRemoved) {
			t.Errorf("round %d: %v, want removed", round, err)
		}
		if _, again := s.Transmit(t.Context(), command); !errors.Is(again, reader.ErrCardRemoved) {
			t.Errorf("round %d: later %v, want removed", round, again)
		}
		s.Close()
		within(t, m, recovery, "card out", state(m, id, reader.Empty))
	}
}

// The daemon is not there at first, comes, is killed with a card in use, and comes again.
func TestDaemonKilledAndRestarted(t *testing.T) {
	d := pcsctest.Start(t, "Desk A", "Desk B")
	d.Kill()
	m := watch(t)
	stopped := func() bool { return errors.Is(m.Health(), reader.ErrServiceStopped) }
	within(t, m, recovery, "no service", stopped)
	var typed *pcsc.Error
	if !errors.As(m.Health(), &typed) {
		t.Errorf("health %v has no PC/SC code", m.Health())
	}
	files := 0
	for round := uint64(1); round <= 2; round++ {
		d.Run()
		within(t, m, recovery, "service there", func() bool {
			return m.Health() == nil && find(m, "desk-a").State == reader.Empty && find(m, "desk-b").State == reader.Empty
		})
		out := plugIn(t, d, "Desk A", newEcho())
		within(t, m, recovery, "card in", state(m, "desk-a", reader.Card))
		if got := find(m, "desk-a").Insertion; got != round {
			t.Errorf("insertion %d, want %d", got, round)
		}
		s := connect(t, m, "desk-a")
		exchange(t, s)
		d.Kill()
		if _, err := s.Transmit(t.Context(), command); !errors.Is(err, reader.ErrServiceStopped) {
			t.Errorf("Transmit without a daemon: %v", err)
		}
		s.Close()
		within(t, m, recovery, "service gone", func() bool { return stopped() && find(m, "desk-a").State == reader.Absent })
		if _, err := m.Connect(t.Context(), "desk-a"); !errors.Is(err, reader.ErrServiceStopped) {
			t.Errorf("Connect without a daemon: %v", err)
		}
		out()
		// libpcsclite must not keep the connections to dead daemons.
		fds, err := os.ReadDir("/proc/self/fd")
		if err != nil {
			t.Fatal(err)
		}
		if round > 1 && len(fds) > files {
			t.Errorf("%d open files, %d before", len(fds), files)
		}
		files = len(fds)
	}
}

// Readers are plugged in and taken away while the monitor runs, with a card in them and in the middle of a session.
func TestReadersComeAndGo(t *testing.T) {
	d := pcsctest.Start(t, "Desk A", "Desk B")
	m := watch(t)
	within(t, m, recovery, "two readers", func() bool {
		return find(m, "desk-a").State == reader.Empty && find(m, "desk-b").State == reader.Empty
	})
	plugIn(t, d, "Desk B", newEcho())
	within(t, m, recovery, "card in B", state(m, "desk-b", reader.Card))
	s := connect(t, m, "desk-b")
	exchange(t, s)
	d.Unplug("Desk B")
	if _, err := s.Transmit(t.Context(), command); !errors.Is(err, reader.ErrReaderGone) {
		t.Errorf("Transmit without the reader: %v", err)
	}
	s.Close()
	within(t, m, recovery, "B gone", func() bool {
		return find(m, "desk-a").State == reader.Empty && find(m, "desk-b").State == reader.Absent
	})
	if _, err := m.Connect(t.Context(), "desk-b"); !errors.Is(err, reader.ErrReaderGone) {
		t.Errorf("Connect to a reader that is gone: %v", err)
	}

	d.Unplug("Desk A")
	within(t, m, recovery, "no reader, and healthy", func() bool {
		return m.Health() == nil && find(m, "desk-a").State == reader.Absent
	})
	// In the other order, so that pcscd may number them anew.
	d.Plug("Desk B")
	plugIn(t, d, "Desk B", newEcho())
	d.Plug("Desk A")
	within(t, m, recovery, "both back under their IDs", func() bool {
		return find(m, "desk-a").State == reader.Empty && find(m, "desk-b").State == reader.Card
	})
	if got := find(m, "desk-b").Insertion; got != 2 {
		t.Errorf("insertion %d, want 2", got)
	}
	exchange(t, connect(t, m, "desk-b"))
}

// A reader that is there and cannot be reached is out of order, and comes back by itself.
func TestReaderBreaks(t *testing.T) {
	d := pcsctest.Start(t, "Desk A", "Desk B")
	m := watch(t)
	plugIn(t, d, "Desk B", newEcho())
	within(t, m, recovery, "card in B", state(m, "desk-b", reader.Card))
	d.Break("Desk B")
	within(t, m, recovery, "B out of order", state(m, "desk-b", reader.Error))
	if _, err := m.Connect(t.Context(), "desk-b"); err == nil {
		t.Error("connected to a reader that is out of order")
	}
	d.Mend("Desk B")
	within(t, m, recovery, "B back", state(m, "desk-b", reader.Card))
	exchange(t, connect(t, m, "desk-b"))
}

func TestTwoReadersAtOnce(t *testing.T) {
	d := pcsctest.Start(t, "Desk A", "Desk B")
	m := watch(t)
	hung := newEcho()
	hung.gate = make(chan struct{})
	plugIn(t, d, "Desk A", hung)
	plugIn(t, d, "Desk B", newEcho())
	within(t, m, recovery, "two cards", func() bool {
		return find(m, "desk-a").State == reader.Card && find(m, "desk-b").State == reader.Card
	})
	a, b := connect(t, m, "desk-a"), connect(t, m, "desk-b")
	done := make(chan error, 1)
	go func() {
		_, err := a.Transmit(t.Context(), command)
		done <- err
	}()
	<-hung.asked
	exchange(t, b) // while the other one computes
	close(hung.gate)
	if err := <-done; err != nil {
		t.Errorf("A: %v", err)
	}
	var wg sync.WaitGroup
	for _, s := range []reader.Session{a, b} {
		wg.Go(func() { exchange(t, s) })
	}
	wg.Wait()
}

// A card that hangs in the middle of a command: the caller is free at once, the reader is stuck, and comes back by itself.
func TestHungCall(t *testing.T) {
	d := pcsctest.Start(t, "Desk A", "Desk B")
	m := watch(t)
	hung := newEcho()
	hung.gate = make(chan struct{})
	plugIn(t, d, "Desk A", hung)
	plugIn(t, d, "Desk B", newEcho())
	within(t, m, recovery, "two cards", func() bool {
		return find(m, "desk-a").State == reader.Card && find(m, "desk-b").State == reader.Card
	})
	s := connect(t, m, "desk-a")
	ctx, cancel := context.WithCancel(t.Context())
	go func() { <-hung.asked; cancel() }()
	if _, err := s.Transmit(ctx, command); !errors.Is(err, context.Canceled) {
		t.Errorf("Transmit: %v", err)
	}
	if _, err := m.Connect(t.Context(), "desk-a"); !errors.Is(err, reader.ErrReaderStuck) {
		t.Errorf("Connect: %v", err)
	}
	within(t, m, recovery, "A stuck", state(m, "desk-a", reader.Error))
	exchange(t, connect(t, m, "desk-b"))
	close(hung.gate)
	within(t, m, recovery, "A back", state(m, "desk-a", reader.Card))
	exchange(t, connect(t, m, "desk-a"))
}

// A card that lies there and does not answer is not a card that was removed.
func TestSilentCard(t *testing.T) {
	d := pcsctest.Start(t, "Desk")
	m := watch(t)
	plugIn(t, d, "Desk", silent{newEcho()})
	within(t, m, recovery, "card in", state(m, "desk", reader.Card))
	s := connect(t, m, "desk")
	if _, err := s.Transmit(t.Context(), command); !errors.Is(err, reader.ErrTransport) {
		t.Errorf("got %v", err)
	}
	s.Close()
	connect(t, m, "desk")
	if got := find(m, "desk"); got.State != reader.Card || got.Insertion != 1 {
		t.Errorf("%+v", got)
	}
}

// silent has an ATR and no answer.
type silent struct{ *echo }

func (silent) Transmit([]byte) []byte { return nil }

func TestCloseIsQuick(t *testing.T) {
	d := pcsctest.Start(t, "Desk")
	m := pcsc.New(pcsc.Options{})
	within(t, m, recovery, "reader there", state(m, "desk", reader.Empty))
	plugIn(t, d, "Desk", newEcho())
	within(t, m, recovery, "card in", state(m, "desk", reader.Card))
	s := connect(t, m, "desk")
	w := m.Watch(t.Context())
	if err := m.Close(); err != nil {
		t.Error(err)
	}
	for range w {
	}
	if _, err := s.Transmit(t.Context(), command); !errors.Is(err, reader.ErrClosed) {
		t.Errorf("Transmit after Close: %v", err)
	}
	if _, err := m.Connect(t.Context(), "desk"); !errors.Is(err, reader.ErrClosed) {
		t.Errorf("Connect after Close: %v", err)
	}
	if err := m.Close(); err != nil {
		t.Error(err)
	}
}

// The daemon lives, but does not answer.
func TestFrozenDaemon(t *testing.T) {
	d := pcsctest.Start(t, "Desk")
	m := watch(t)
	plugIn(t, d, "Desk", newEcho())
	within(t, m, recovery, "card in", state(m, "desk", reader.Card))
	s := connect(t, m, "desk")
	d.Freeze()
	ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
	defer cancel()
	if _, err := s.Transmit(ctx, command); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("Transmit: %v", err)
	}
	within(t, m, 15*time.Second, "service hangs", func() bool { return errors.Is(m.Health(), reader.ErrServiceStopped) })
	d.Thaw()
	within(t, m, recovery, "back", func() bool { return m.Health() == nil && find(m, "desk").State == reader.Card })
	exchange(t, connect(t, m, "desk"))
}

func BenchmarkAPDU(b *testing.B) {
	d := pcsctest.Start(b, "Desk")
	m := pcsc.New(pcsc.Options{})
	defer m.Close()
	ctx, cancel := context.WithCancel(b.Context())
	defer cancel()
	e := newEcho()
	e.asked = make(chan struct{}, 10_000_000)
	go virtual.PlugIn(ctx, d.Addr("Desk"), e)
	for range m.Watch(ctx) {
		if find(m, "desk").State == reader.Card {
			break
		}
	}
	s, err := m.Connect(ctx, "desk")
	if err != nil {
		b.Fatal(err)
	}
	defer s.Close()
	for b.Loop() {
		if _, err := s.Transmit(ctx, command); err != nil {
			b.Fatal(fmt.Errorf("after %d: %w", b.N, err))
		}
	}
}
