package virtual_test

import (
	"bytes"
	"context"
	"errors"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/tapcheck/tapcheck/reader"
	"github.com/tapcheck/tapcheck/reader/virtual"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// echo answers a command with itself and 9000. A gate, where there is one, holds every command up.
type echo struct {
	atr    []byte
	gate   chan struct{}
	resets int
	asked  chan struct{} // gets a value for each command that has come
	answer func(apdu []byte) []byte
}

var testATR = []byte{0x3B, 0x80, 0x80, 0x01, 0x01}

func newEcho() *echo { return &echo{atr: testATR, asked: make(chan struct{}, 100)} }

func (e *echo) ATR() []byte { return e.atr }
func (e *echo) Reset()      { e.resets++ }
func (e *echo) Transmit(apdu []byte) []byte {
	e.asked <- struct{}{}
	if e.gate != nil {
		<-e.gate
	}
	if e.answer != nil {
		return e.answer(apdu)
	}
	return append(append([]byte(nil), apdu...), 0x90, 0x00)
}

var command = []byte{0x00, 0xA4, 0x04, 0x0C}

func open(t *testing.T, m *virtual.Monitor, id string) reader.Session {
	t.Helper()
	s, err := m.Connect(t.Context(), id)
	if err != nil {
		t.Fatalf("Connect: %v", err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

// eventually waits for a state of the world by the monitor's own notices.
func eventually(t *testing.T, m reader.Monitor, what string, ok func() bool) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	for range m.Watch(ctx) {
		if ok() {
			return
		}
	}
	t.Fatalf("never: %s; readers are %+v", what, m.Readers())
}

func TestStates(t *testing.T) {
	m := virtual.New()
	defer m.Close()
	s := m.Add("Front desk", true)
	steps := []struct {
		name      string
		do        func()
		state     reader.State
		insertion uint64
		connect   error
	}{
		{"new", func() {}, reader.Empty, 0, reader.ErrNoCard},
		{"card in", func() { s.Insert(newEcho()) }, reader.Card, 1, nil},
		{"card swapped", func() { s.Insert(newEcho()) }, reader.Card, 2, nil},
		{"busy", func() { s.SetBusy(true) }, reader.Busy, 2, reader.ErrReaderBusy},
		{"free", func() { s.SetBusy(false) }, reader.Card, 2, nil},
		{"card out", func() { s.Remove() }, reader.Empty, 2, reader.ErrNoCard},
		{"out again", func() { s.Remove() }, reader.Empty, 2, reader.ErrNoCard},
		{"mute card", func() { s.Insert(&echo{}) }, reader.Mute, 3, reader.ErrCardMute},
		{"silly ATR", func() { s.Insert(&echo{atr: make([]byte, 34)}) }, reader.Mute, 4, reader.ErrCardMute},
		{"unplugged", func() { s.Unplug() }, reader.Absent, 4, reader.ErrReaderGone},
		{"card into nothing", func() { s.Insert(newEcho()) }, reader.Absent, 4, reader.ErrReaderGone},
		{"plugged", func() { s.Plug() }, reader.Empty, 4, reader.ErrNoCard},
		{"card again", func() { s.Insert(newEcho()) }, reader.Card, 5, nil},
		{"service stopped", func() { m.StopService() }, reader.Absent, 5, reader.ErrServiceStopped},
		{"service back", func() { m.StartService() }, reader.Card, 6, nil},
		{"closed", func() { m.Close() }, reader.Absent, 6, reader.ErrClosed},
	}
	for _, step := range steps {
		step.do()
		info := m.Readers()[0]
		if info.State != step.state || info.Insertion != step.insertion {
			t.Errorf("%s: state %s, insertion %d; want %s, %d", step.name, info.State, info.Insertion, step.state, step.insertion)
		}
		if !info.Virtual || !info.Contactless || info.ID != "virtual-front-desk" {
			t.Errorf("%s: %+v", step.name, info)
		}
		if (info.State == reader.Card || info.State == reader.Busy) != (info.ATR != nil) {
			t.Errorf("%s: ATR %X in state %s", step.name, info.ATR, info.State)
		}
		c, err := m.Connect(t.Context(), info.ID)
		if !errors.Is(err, step.connect) {
			t.Errorf("%s: Connect gives %v, want %v", step.name, err, step.connect)
		}
		if c != nil {
			c.Close()
		}
	}
	if _, err := m.Connect(t.Context(), "no-such"); !errors.Is(err, reader.ErrReaderGone) {
		t.Errorf("unknown reader: %v", err)
	}
}

// What happens to a session that is in the middle of a command, from outside.
func TestSessionDies(t *testing.T) {
	for name, c := range map[string]struct {
		do   func(m *virtual.Monitor, s *virtual.Slot, cancel func())
		want error
	}{
		"card removed":    {func(_ *virtual.Monitor, s *virtual.Slot, _ func()) { s.Remove() }, reader.ErrCardRemoved},
		"card swapped":    {func(_ *virtual.Monitor, s *virtual.Slot, _ func()) { s.Insert(newEcho()) }, reader.ErrCardRemoved},
		"reset by other":  {func(_ *virtual.Monitor, s *virtual.Slot, _ func()) { s.ResetByOther() }, reader.ErrCardReset},
		"reader unplug":   {func(_ *virtual.Monitor, s *virtual.Slot, _ func()) { s.Unplug() }, reader.ErrReaderGone},
		"service stopped": {func(m *virtual.Monitor, _ *virtual.Slot, _ func()) { m.StopService() }, reader.ErrServiceStopped},
		"monitor closed":  {func(m *virtual.Monitor, _ *virtual.Slot, _ func()) { m.Close() }, reader.ErrClosed},
		"context":         {func(_ *virtual.Monitor, _ *virtual.Slot, cancel func()) { cancel() }, context.Canceled},
	} {
		t.Run(name, func(t *testing.T) {
			m := virtual.New()
			defer m.Close()
			s := m.Add("r", false)
			chip := newEcho()
			chip.gate = make(chan struct{})
			defer close(chip.gate)
			s.Insert(chip)
			x := open(t, m, s.ID())
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			go func() {
				<-chip.asked
				c.do(m, s, cancel)
			}()
			if _, err := x.Transmit(ctx, command); !errors.Is(err, c.want) {
				t.Errorf("Transmit gives %v, want %v", err, c.want)
			}
			// Dead for good, and never with somebody else's cancellation.
			_, err := x.Transmit(t.Context(), command)
			if err == nil || errors.Is(err, context.Canceled) {
				t.Errorf("Transmit on a dead session gives %v", err)
			}
		})
	}
}

func TestBadAnswers(t *testing.T) {
	for name, c := range map[string]struct {
		apdu, answer []byte
		want         error
	}{
		"mute":          {command, nil, reader.ErrCardMute},
		"one byte":      {command, []byte{0x90}, reader.ErrTransport},
		"too long":      {command, make([]byte, 0x10000), reader.ErrTransport},
		"short command": {command[:3], []byte{0x90, 0}, reader.ErrTransport},
		"long command":  {make([]byte, 0x10000), []byte{0x90, 0}, reader.ErrTransport},
	} {
		t.Run(name, func(t *testing.T) {
			m := virtual.New()
			defer m.Close()
			s := m.Add("r", false)
			chip := newEcho()
			chip.answer = func([]byte) []byte { return c.answer }
			s.Insert(chip)
			x := open(t, m, s.ID())
			if _, err := x.Transmit(t.Context(), c.apdu); !errors.Is(err, c.want) {
				t.Errorf("got %v, want %v", err, c.want)
			}
			if _, err := x.Transmit(t.Context(), command); !errors.Is(err, c.want) {
				t.Errorf("afterwards %v, want %v", err, c.want)
			}
			x.Close()
			if y := open(t, m, s.ID()); y == nil {
				t.Error("no new session")
			}
		})
	}
}

// A chip that hangs makes its reader stuck until it returns, and nothing else.
func TestStuck(t *testing.T) {
	m := virtual.New()
	defer m.Close()
	s, other := m.Add("r", false), m.Add("r", false)
	if other.ID() != "virtual-r-2" {
		t.Errorf("second reader of the same name has ID %q", other.ID())
	}
	chip := newEcho()
	chip.gate = make(chan struct{})
	s.Insert(chip)
	other.Insert(newEcho())
	x := open(t, m, s.ID())
	ctx, cancel := context.WithCancel(t.Context())
	go func() { <-chip.asked; cancel() }()
	if _, err := x.Transmit(ctx, command); !errors.Is(err, context.Canceled) {
		t.Fatalf("Transmit: %v", err)
	}
	x.Close()
	if got := s.Info().State; got != reader.Error {
		t.Errorf("state %s, want error", got)
	}
	if _, err := m.Connect(t.Context(), s.ID()); !errors.Is(err, reader.ErrReaderStuck) {
		t.Errorf("Connect to a stuck reader: %v", err)
	}
	if _, err := open(t, m, other.ID()).Transmit(t.Context(), command); err != nil {
		t.Errorf("the other reader: %v", err)
	}
	close(chip.gate)
	eventually(t, m, "reader free", func() bool { return s.Info().State == reader.Card })
	if _, err := open(t, m, s.ID()).Transmit(t.Context(), command); err != nil {
		t.Errorf("after the chip returned: %v", err)
	}
}

func TestExclusiveAndReset(t *testing.T) {
	m := virtual.New(virtual.WithLatency(time.Millisecond))
	defer m.Close()
	s := m.Add("r", false)
	chip := newEcho()
	s.Insert(chip)
	x := open(t, m, s.ID())
	if _, err := m.Connect(t.Context(), s.ID()); !errors.Is(err, reader.ErrReaderBusy) {
		t.Errorf("second session: %v", err)
	}
	rsp, err := x.Transmit(t.Context(), command)
	if want := append(append([]byte(nil), command...), 0x90, 0); err != nil || !bytes.Equal(rsp, want) {
		t.Errorf("Transmit: %X, %v", rsp, err)
	}
	if x.Reader().Insertion != 1 || !bytes.Equal(x.ATR(), testATR) {
		t.Errorf("session of %+v with ATR %X", x.Reader(), x.ATR())
	}
	before := chip.resets
	x.Close()
	if chip.resets == before {
		t.Error("the chip was not reset when it was let go")
	}
	if _, err := x.Transmit(t.Context(), command); err == nil {
		t.Error("a closed session carries commands")
	}
	open(t, m, s.ID())
}

func TestWatchEnds(t *testing.T) {
	m := virtual.New()
	ctx, cancel := context.WithCancel(t.Context())
	byCtx, byClose := m.Watch(ctx), m.Watch(t.Context())
	cancel()
	for range byCtx {
	}
	m.Close()
	for range byClose {
	}
	for range m.Watch(t.Context()) {
	}
}
