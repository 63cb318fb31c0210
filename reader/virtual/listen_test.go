package virtual_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"io"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/tapcheck/tapcheck/reader"
	"github.com/tapcheck/tapcheck/reader/virtual"
)

func TestAddresses(t *testing.T) {
	m := virtual.New()
	defer m.Close()
	for _, addr := range []string{
		"", "tcp:", "tcp::0", ":0", "0.0.0.0:0", "tcp:0.0.0.0:0", "tcp:[::]:0", "localhost:0", "tcp:192.0.2.1:0", "tcp:127.0.0.1",
		"tcp:127.0.0.1:99999", "tcp:127.0.0.1:-1", "udp:127.0.0.1:0", "tcp:[::ffff:127.0.0.1]:0", "tcp:[::1%lo]:0", "tcp:tcp:127.0.0.1:0",
	} {
		if s, err := m.Listen(t.Context(), addr); err == nil {
			t.Errorf("%q: listens on %s", addr, s.Addr())
		}
	}
	for _, addr := range []string{"tcp:127.0.0.1:0", "127.0.0.1:0"} {
		s, err := m.Listen(t.Context(), addr)
		if err != nil {
			t.Fatalf("%q: %v", addr, err)
		}
		if !strings.HasPrefix(s.Addr(), "tcp:127.0.0.1:") || strings.HasSuffix(s.Addr(), ":0") || s.ID() != s.Addr() {
			t.Errorf("%q: address %q, ID %q", addr, s.Addr(), s.ID())
		}
	}
}

func listen(t *testing.T) (*virtual.Monitor, *virtual.Slot) {
	t.Helper()
	m := virtual.New()
	t.Cleanup(func() { m.Close() })
	s, err := m.Listen(t.Context(), "tcp:127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	return m, s
}

func state(s *virtual.Slot, want reader.State) func() bool {
	return func() bool { return s.Info().State == want }
}

// plugIn puts a chip in and gives a function that takes it out and waits for the client's end.
func plugIn(t *testing.T, addr string, chip virtual.Chip) (out func() error) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- virtual.PlugIn(ctx, addr, chip) }()
	return func() error { cancel(); return <-done }
}

func TestPlugIn(t *testing.T) {
	m, s := listen(t)
	for round := range 3 {
		chip := newEcho()
		out := plugIn(t, s.Addr(), chip)
		eventually(t, m, "card in", state(s, reader.Card))
		x := open(t, m, s.ID())
		if !bytes.Equal(x.ATR(), testATR) || x.Reader().Insertion != uint64(round+1) {
			t.Errorf("ATR %X of %+v", x.ATR(), x.Reader())
		}
		for _, n := range []int{4, 5, 261, 2000, 0xFFFF - 2} {
			apdu := bytes.Repeat([]byte{byte(n)}, n)
			rsp, err := x.Transmit(t.Context(), apdu)
			if err != nil || len(rsp) != n+2 || !bytes.Equal(rsp[:n], apdu) {
				t.Fatalf("%d bytes: %d back, %v", n, len(rsp), err)
			}
		}
		if round == 0 { // let go before it is lifted, once
			x.Close()
		}
		if err := out(); !errors.Is(err, context.Canceled) {
			t.Errorf("PlugIn ended with %v", err)
		}
		eventually(t, m, "card out", state(s, reader.Empty))
		if round > 0 {
			if _, err := x.Transmit(t.Context(), command); !errors.Is(err, reader.ErrCardRemoved) {
				t.Errorf("after the card went: %v", err)
			}
		}
	}
}

// Lifted while the chip computes.
func TestPulledOutInTheMiddle(t *testing.T) {
	m, s := listen(t)
	chip := newEcho()
	chip.gate = make(chan struct{})
	out := plugIn(t, s.Addr(), chip)
	eventually(t, m, "card in", state(s, reader.Card))
	x := open(t, m, s.ID())
	done := make(chan error, 1)
	go func() {
		<-chip.asked
		close(chip.gate)
		done <- out()
	}()
	for {
		if _, err := x.Transmit(t.Context(), command); err != nil {
			if !errors.Is(err, reader.ErrCardRemoved) {
				t.Errorf("got %v", err)
			}
			break
		}
	}
	<-done
}

// The second card waits for the first to go.
func TestOneAtATime(t *testing.T) {
	m, s := listen(t)
	out1 := plugIn(t, s.Addr(), newEcho())
	eventually(t, m, "first card", state(s, reader.Card))
	second := newEcho()
	second.atr = []byte{0x3B, 0x00}
	out2 := plugIn(t, s.Addr(), second)
	if got := s.Info(); got.Insertion != 1 || !bytes.Equal(got.ATR, testATR) {
		t.Errorf("the second card pushed the first out: %+v", got)
	}
	out1()
	eventually(t, m, "second card", func() bool { return bytes.Equal(s.Info().ATR, second.atr) })
	out2()
}

func TestReaderLetsGo(t *testing.T) {
	for name, do := range map[string]func(*virtual.Monitor, *virtual.Slot, context.CancelFunc){
		"removed":  func(_ *virtual.Monitor, s *virtual.Slot, _ context.CancelFunc) { s.Remove() },
		"unplug":   func(_ *virtual.Monitor, s *virtual.Slot, _ context.CancelFunc) { s.Unplug() },
		"replaced": func(_ *virtual.Monitor, s *virtual.Slot, _ context.CancelFunc) { s.Insert(newEcho()) },
		"closed":   func(m *virtual.Monitor, _ *virtual.Slot, _ context.CancelFunc) { m.Close() },
		"context":  func(_ *virtual.Monitor, _ *virtual.Slot, cancel context.CancelFunc) { cancel() },
	} {
		t.Run(name, func(t *testing.T) {
			m := virtual.New()
			defer m.Close()
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			s, err := m.Listen(ctx, "127.0.0.1:0")
			if err != nil {
				t.Fatal(err)
			}
			done := make(chan error, 1)
			go func() { done <- virtual.PlugIn(t.Context(), s.Addr(), newEcho()) }()
			eventually(t, m, "card in", state(s, reader.Card))
			do(m, s, cancel)
			if err := <-done; err != nil {
				t.Errorf("PlugIn: %v", err)
			}
			if name == "context" {
				eventually(t, m, "reader gone", state(s, reader.Absent))
			}
		})
	}
}

// A peer that breaks the protocol is disconnected, and the reader takes the next card.
func TestRubbish(t *testing.T) {
	m, s := listen(t)
	addr := strings.TrimPrefix(s.Addr(), "tcp:")
	for name, say := range map[string][]byte{
		"web browser":    []byte("GET / HTTP/1.1\r\nHost: localhost\r\n\r\n"),
		"no ATR":         {0, 0},
		"ATR of one":     {0, 1, 0x3B},
		"ATR of 34":      append([]byte{0, 34}, make([]byte, 34)...),
		"cut ATR":        {0, 5, 0x3B},
		"unasked answer": {0, 2, 0x3B, 0x00, 0, 2, 0x90, 0x00},
		"nothing":        {},
	} {
		c, err := net.Dial("tcp", addr)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := c.Write(say); err != nil {
			t.Fatal(err)
		}
		c.(*net.TCPConn).CloseWrite()
		c.SetReadDeadline(time.Now().Add(10 * time.Second))
		if _, err := io.Copy(io.Discard, c); errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("%s: not disconnected", name)
		}
		c.Close()
	}
	out := plugIn(t, s.Addr(), newEcho())
	defer out()
	eventually(t, m, "a proper card", state(s, reader.Card))
}

// A card that answers nothing at all, but stays, is mute; it can be tried again.
func TestMuteOverPort(t *testing.T) {
	m, s := listen(t)
	chip := newEcho()
	mute := true
	chip.answer = func(apdu []byte) []byte {
		if mute {
			mute = false
			return nil
		}
		return []byte{0x90, 0x00}
	}
	defer plugIn(t, s.Addr(), chip)()
	eventually(t, m, "card in", state(s, reader.Card))
	if _, err := open(t, m, s.ID()).Transmit(t.Context(), command); !errors.Is(err, reader.ErrCardMute) {
		t.Errorf("got %v", err)
	}
	if _, err := open(t, m, s.ID()).Transmit(t.Context(), command); err != nil {
		t.Errorf("second try: %v", err)
	}
}

// A reader that talks rubbish does not get through to the chip.
func TestPlugInRubbishReader(t *testing.T) {
	for name, c := range map[string]struct {
		say   []byte
		error bool
	}{
		"unknown control": {[]byte{0, 1, 9}, true},
		"short command":   {[]byte{0, 3, 0, 0xA4, 4}, true},
		"empty":           {[]byte{0, 0}, true},
		"cut":             {[]byte{0, 200, 1}, false},
		"nothing":         {nil, false},
		"controls":        {[]byte{0, 1, 0, 0, 1, 1, 0, 1, 2, 0, 1, 4}, false},
	} {
		t.Run(name, func(t *testing.T) {
			l, err := net.Listen("tcp", "127.0.0.1:0")
			if err != nil {
				t.Fatal(err)
			}
			defer l.Close()
			go func() {
				conn, err := l.Accept()
				if err != nil {
					return
				}
				conn.Write(c.say)
				conn.(*net.TCPConn).CloseWrite()
				io.Copy(io.Discard, conn)
				conn.Close()
			}()
			chip := newEcho()
			if err := virtual.PlugIn(t.Context(), l.Addr().String(), chip); (err != nil) != c.error {
				t.Errorf("got %v", err)
			}
			if len(chip.asked) > 0 {
				t.Error("the chip got a command")
			}
		})
	}
}

// FuzzPeer: whatever a peer sends, the reader survives and takes a proper card afterwards.
func FuzzPeer(f *testing.F) {
	f.Add([]byte{0, 2, 0x3B, 0x00, 0, 2, 0x90, 0x00})
	f.Add([]byte{0xFF, 0xFF, 0x00})
	f.Add([]byte{0, 0})
	f.Add([]byte("GET / HTTP/1.1\r\n\r\n"))
	f.Fuzz(func(t *testing.T, say []byte) {
		m, s := listen(t)
		c, err := net.Dial("tcp", strings.TrimPrefix(s.Addr(), "tcp:"))
		if err != nil {
			t.Fatal(err)
		}
		c.Write(say)
		c.(*net.TCPConn).CloseWrite()
		io.Copy(io.Discard, c)
		c.Close()
		out := plugIn(t, s.Addr(), newEcho())
		eventually(t, m, "a proper card", func() bool { return bytes.Equal(s.Info().ATR, testATR) })
		out()
	})
}

// FuzzPlugIn: whatever a reader sends, the card's side answers within the protocol or ends, and the chip gets whole APDUs only.
func FuzzPlugIn(f *testing.F) {
	f.Add([]byte{0, 1, 1, 0, 1, 4, 0, 5, 0, 0xA4, 0, 0x0C, 0, 0, 1, 2, 0, 1, 0})
	f.Add([]byte{0, 0})
	f.Add([]byte{0, 1, 0x77})
	f.Add([]byte{0, 2, 0x3B, 0x00})
	f.Add([]byte{0xFF, 0xFF, 0x00})
	f.Fuzz(func(t *testing.T, say []byte) {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		defer l.Close()
		done := make(chan error, 1)
		chip := &countingChip{}
		go func() { done <- virtual.PlugIn(t.Context(), l.Addr().String(), chip) }()
		c, err := l.Accept()
		if err != nil {
			t.Fatal(err)
		}
		heard := make(chan []byte, 1)
		go func() {
			b, _ := io.ReadAll(c)
			heard <- b
		}()
		c.Write(say)
		c.(*net.TCPConn).CloseWrite()
		select {
		case <-done:
		case <-time.After(10 * time.Second):
			t.Fatal("it does not end")
		}
		answers := <-heard
		c.Close()
		for len(answers) > 0 {
			if len(answers) < 2 || len(answers) < 2+int(binary.BigEndian.Uint16(answers)) {
				t.Fatalf("half a frame: %X", answers)
			}
			answers = answers[2+int(binary.BigEndian.Uint16(answers)):]
		}
		if chip.short {
			t.Fatal("the chip got something that is no APDU")
		}
	})
}

type countingChip struct{ short bool }

func (*countingChip) ATR() []byte { return testATR }
func (*countingChip) Reset()      {}
func (c *countingChip) Transmit(cmd []byte) []byte {
	c.short = c.short || len(cmd) < 4
	if len(cmd) > 4 && cmd[4] == 1 {
		return nil // mute
	}
	return []byte{0x90, 0x00}
}

func BenchmarkPortAPDU(b *testing.B) {
	m := virtual.New()
	defer m.Close()
	s, err := m.Listen(b.Context(), "tcp:127.0.0.1:0")
	if err != nil {
		b.Fatal(err)
	}
	go virtual.PlugIn(b.Context(), s.Addr(), &echo{atr: testATR, asked: make(chan struct{}, b.N+1_000_000)})
	for range m.Watch(b.Context()) {
		if s.Info().State == reader.Card {
			break
		}
	}
	x, err := m.Connect(b.Context(), s.ID())
	if err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		if _, err := x.Transmit(b.Context(), command); err != nil {
			b.Fatal(err)
		}
	}
}

// A card that connects and has no proper answer to reset is a mute card until it goes: the desk is told to move it, not
// that nobody put one down.
func TestMuteCardOverPort(t *testing.T) {
	m := virtual.New()
	defer m.Close()
	s, err := m.Listen(t.Context(), "tcp:127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	for name, answer := range map[string][]byte{"none": {0, 0}, "one byte": {0, 1, 0x3B}, "34 bytes": append([]byte{0, 34}, make([]byte, 34)...)} {
		conn, err := net.Dial("tcp", strings.TrimPrefix(s.Addr(), "tcp:"))
		if err != nil {
			t.Fatal(err)
		}
		if _, err := conn.Write(answer); err != nil {
			t.Fatal(err)
		}
		eventually(t, m, name+": mute", func() bool { return s.Info().State == reader.Mute })
		conn.Close()
		eventually(t, m, name+": gone", func() bool { return s.Info().State == reader.Empty })
	}
}
