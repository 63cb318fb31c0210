package pcsc

import (
	"bytes"
	"context"
	"errors"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tapcheck/tapcheck/reader"
)

// Everything here runs on synctest's clock: seconds cost nothing, and a goroutine that is left behind fails the test.

var (
	someATR = []byte{0x3B, 0x88, 0x80, 0x01, 0x00, 0x00, 0x00, 0x00, 0x33, 0x81, 0x81, 0x00, 0x3A}
	apdu    = []byte{0x00, 0xA4, 0x04, 0x0C}
)

func card(name string) *fakeReader {
	return &fakeReader{name: name, flags: 0x10000 | flagPresent, atr: someATR}
}

func empty(name string) *fakeReader { return &fakeReader{name: name, flags: flagEmpty} }

// play runs a test with a monitor over a fake stack.
func play(t *testing.T, f *fake, test func(t *testing.T, m *monitor)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		f.changed = make(chan struct{}) // of this bubble
		m := start(f, Options{lost: new(losses)})
		settle(0)
		test(t, m)
		if err := m.Close(); err != nil {
			t.Errorf("Close: %v", err)
		}
		if n := f.contexts(); n != 0 {
			t.Errorf("%d contexts are left open", n)
		}
	})
}

// settle lets time pass and everybody come to rest.
func settle(d time.Duration) {
	time.Sleep(d)
	synctest.Wait()
}

func info(m *monitor, id string) reader.Info {
	for _, i := range m.Readers() {
		if i.ID == id {
			return i
		}
	}
	return reader.Info{}
}

func wantState(t *testing.T, m *monitor, when, id string, state reader.State, insertion uint64) {
	t.Helper()
	got := info(m, id)
	if got.State != state || got.Insertion != insertion {
		t.Errorf("%s: %s, insertion %d; want %s, %d", when, got.State, got.Insertion, state, insertion)
	}
	if withATR := state == reader.Card || state == reader.Busy; withATR != (len(got.ATR) > 0) {
		t.Errorf("%s: ATR %X in state %s", when, got.ATR, got.State)
	}
}

// Windows ends the service with the last reader: that is a PC without readers, not a fault. Elsewhere it is one.
func TestServiceGoes(t *testing.T) {
	for _, code := range []Code{
		codeServiceStopped, codeNoService, codeCommError, codeInvalidHandle, codeSystemCancelled, codeShutdown,
		codeWinInvalidHandle, codeWinBrokenPipe, codeInternalError,
	} {
		for _, op := range []string{"wait", "list"} {
			for _, idle := range []bool{false, true} {
				t.Run(code.String()+" "+op, func(t *testing.T) {
					r := card("Desk 0")
					f := newFake(r)
					f.isIdle = idle
					play(t, f, func(t *testing.T, m *monitor) {
						wantState(t, m, "at first", "desk", reader.Card, 1)
						f.do(func() {
							f.readers = nil
							f.down[op], f.down["establish"] = code, codeNoService
						})
						settle(3 * time.Second)
						wantState(t, m, "without service", "desk", reader.Absent, 1)
						if err := m.Health(); errors.Is(err, reader.ErrServiceStopped) == idle {
							t.Errorf("health %v, idle %v", err, idle)
						}
						_, err := m.Connect(t.Context(), "desk")
						want := reader.ErrServiceStopped
						if idle {
							want = reader.ErrReaderGone
						}
						if !errors.Is(err, want) {
							t.Errorf("Connect: %v, want %v", err, want)
						}
						f.do(func() {
							f.readers = []*fakeReader{r}
							clear(f.down)
						})
						settle(3 * time.Second)
						wantState(t, m, "with service", "desk", reader.Card, 2)
						if err := m.Health(); err != nil {
							t.Errorf("health %v", err)
						}
					})
				})
			}
		}
	}
}

// slowFake takes its time before it says what lies in a reader, as every real stack does.
type slowFake struct{ *fake }

type slowContext struct{ stackContext }

func (f slowFake) establish() (stackContext, error) {
	c, err := f.fake.establish()
	if err != nil {
		return nil, err
	}
	return slowContext{c}, nil
}

func (c slowContext) wait(states []readerState, timeout time.Duration) error {
	time.Sleep(10 * time.Millisecond)
	return c.stackContext.wait(states, timeout)
}

// A reader that has just come, or come back, is never called empty before the stack has said so: a card may lie there, and
// whoever believes that it was lifted takes the last patient for the next.
func TestNotEmptyBeforeTheStackHasSpoken(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFake(card("Desk 0"))
		m := start(slowFake{f}, Options{lost: new(losses)})
		defer m.Close()
		var story []reader.State
		go func() {
			for range m.Watch(t.Context()) {
				if s := info(m, "desk").State; s != "" && (len(story) == 0 || story[len(story)-1] != s) {
					story = append(story, s)
				}
			}
		}()
		settle(time.Second)
		f.do(func() { f.down["wait"], f.down["establish"] = codeNoService, codeNoService })
		settle(time.Second)
		f.do(func() { clear(f.down) })
		settle(3 * time.Second)
		f.do(func() { f.readers[0].name = "Desk 1" }) // plugged in again, elsewhere
		settle(3 * time.Second)
		if want := []reader.State{reader.Card, reader.Absent, reader.Card, reader.Absent, reader.Card}; !slices.Equal(story, want) {
			t.Errorf("went through %v, want %v", story, want)
		}
	})
}

func TestAccessDenied(t *testing.T) {
	f := newFake(card("Desk 0"))
	f.isIdle = true // not even on Windows is that normal
	f.down["establish"] = codeSecurityViolation
	play(t, f, func(t *testing.T, m *monitor) {
		err := m.Health()
		var typed *Error
		if !errors.Is(err, reader.ErrServiceStopped) || !errors.Is(err, reader.ErrAccessDenied) ||
			!errors.As(err, &typed) || typed.Code != codeSecurityViolation {
			t.Errorf("health %v", err)
		}
	})
}

// A stack that says "changed" for ever must not make us spin; and it gets back all that it said, with the count.
func TestNoSpinning(t *testing.T) {
	r := card("Desk 0")
	f := newFake(r)
	f.eager = true
	play(t, f, func(t *testing.T, m *monitor) {
		before, _ := f.seen()
		settle(10 * time.Second)
		if n, _ := f.seen(); n-before > 110 {
			t.Errorf("%d waits in ten seconds", n-before)
		}
		f.do(func() { f.eager = false })
		settle(10 * time.Second)
		_, last := f.seen()
		if got := last[0].current; got != 0x10000|flagPresent {
			t.Errorf("waits with %#x", got)
		}
	})
	for _, code := range []Code{codeUnknownReader, codeReaderUnavailable, codeNoReaders} {
		gone := newFake(card("Desk 0"))
		gone.down["wait"] = code
		play(t, gone, func(t *testing.T, m *monitor) {
			settle(10 * time.Second)
			if n, _ := gone.seen(); n > 110 {
				t.Errorf("%d waits in ten seconds for a reader that is listed and not there", n)
			}
			if err := m.Health(); err != nil {
				t.Errorf("health %v", err)
			}
		})
	}
}

func TestStatesFromFlags(t *testing.T) {
	r := empty("Desk 0")
	f := newFake(r)
	play(t, f, func(t *testing.T, m *monitor) {
		wantState(t, m, "at first", "desk", reader.Empty, 0)
		f.insert(r, someATR)
		settle(0)
		wantState(t, m, "card in", "desk", reader.Card, 1)
		f.remove(r)
		settle(0)
		wantState(t, m, "card out, its ATR still there", "desk", reader.Empty, 1)
		f.insert(r, someATR)
		settle(0)
		f.do(func() { r.flags += 0x20000 })
		settle(0)
		wantState(t, m, "swapped while nobody looked", "desk", reader.Card, 3)
		for _, step := range []struct {
			add  flags
			want reader.State
		}{
			{flagExclusive | flagInUse, reader.Busy}, {flagInUse, reader.Busy}, {flagMute, reader.Mute}, {0, reader.Card},
		} {
			f.do(func() { r.flags = r.flags&^0xFFFF | flagPresent | step.add })
			settle(0)
			if got := info(m, "desk").State; got != step.want {
				t.Errorf("flags %#x: %s, want %s", step.add, got, step.want)
			}
			if got := info(m, "desk").Insertion; got != 3 {
				t.Errorf("flags %#x: insertion %d", step.add, got)
			}
		}
		f.do(func() { r.flags = flagUnavailable })
		settle(0)
		wantState(t, m, "out of order", "desk", reader.Error, 3)
		f.do(func() { r.flags = flagUnknown })
		settle(0)
		wantState(t, m, "unknown", "desk", reader.Absent, 3)
		f.do(func() { r.flags = 0xFFFF0000 | flagPresent })
		settle(0)
		f.do(func() { r.flags = flagPresent })
		settle(0)
		wantState(t, m, "the count went round", "desk", reader.Card, 5)
	})
}

// Readers get the same ID when they come back, in whatever order and with whatever number.
func TestIDs(t *testing.T) {
	a, b := empty("ACS ACR122 0"), card("ACS ACR122 1")
	hello, virtualCard := card("Windows Hello for Business 1"), card("Microsoft Virtual Smart Card 0")
	f := newFake(a, hello, b, virtualCard)
	play(t, f, func(t *testing.T, m *monitor) {
		ids := func() (ids []string) {
			for _, i := range m.Readers() {
				if i.State != reader.Absent {
					ids = append(ids, i.ID+"="+i.Name)
				}
			}
			return ids
		}
		steps := []struct {
			readers []*fakeReader
			want    []string
		}{
			{[]*fakeReader{a, hello, b, virtualCard}, []string{"acs-acr122=ACS ACR122 0", "acs-acr122-2=ACS ACR122 1"}},
			{[]*fakeReader{b}, []string{"acs-acr122-2=ACS ACR122 1"}},
			{[]*fakeReader{b, empty("ACS ACR122 2")}, []string{"acs-acr122=ACS ACR122 2", "acs-acr122-2=ACS ACR122 1"}},
			{nil, nil},
			{[]*fakeReader{b}, []string{"acs-acr122=ACS ACR122 1"}},
		}
		for _, s := range steps {
			f.do(func() { f.readers = s.readers })
			settle(2 * time.Second)
			if got := ids(); !slices.Equal(got, s.want) {
				t.Errorf("readers are %q, want %q", got, s.want)
			}
		}
		_, last := f.seen()
		for _, s := range last {
			if isForeign(s.name) {
				t.Errorf("waited for %q", s.name)
			}
		}
	})
}

// What comes from drivers is bounded.
func TestManyReaders(t *testing.T) {
	f := newFake(empty(""), empty(string(bytes.Repeat([]byte{'x'}, maxName+1))))
	play(t, f, func(t *testing.T, m *monitor) {
		if n := len(m.Readers()); n != 0 {
			t.Errorf("%d readers with names of no use", n)
		}
		for round := range 5 {
			f.do(func() {
				f.readers = nil
				for i := range 3 * maxReaders {
					f.readers = append(f.readers, empty(string(rune('a'+round))+" reader with number"+string(rune('A'+i%26))+string(rune('A'+i/26))))
				}
			})
			settle(2 * time.Second)
			if n := len(m.Readers()); n > maxRecords {
				t.Errorf("%d readers are remembered", n)
			}
		}
	})
}

// Right after insertion others hold the card for a moment; some never let it go.
func TestBusyAtFirst(t *testing.T) {
	for name, c := range map[string]struct {
		codes []Code
		want  error
		took  time.Duration
	}{
		"free":         {nil, nil, 0},
		"propagation":  {[]Code{codeSharingViolation, codeSharingViolation, codeResetCard, codeUnpoweredCard, codeSuccess}, nil, 200 * time.Millisecond},
		"held":         {[]Code{codeSharingViolation}, reader.ErrReaderBusy, 2 * time.Second},
		"no card":      {[]Code{codeNoSmartcard}, reader.ErrNoCard, 0},
		"lifted":       {[]Code{codeRemovedCard}, reader.ErrNoCard, 0},
		"mute":         {[]Code{codeUnresponsiveCard}, reader.ErrCardMute, 0},
		"no protocol":  {[]Code{codeProtoMismatch}, reader.ErrCardMute, 0},
		"reader gone":  {[]Code{codeReaderUnavailable}, reader.ErrReaderGone, 0},
		"device gone":  {[]Code{codeWinDeviceGone}, reader.ErrReaderGone, 0},
		"service gone": {[]Code{codeNoService}, reader.ErrServiceStopped, 0},
	} {
		t.Run(name, func(t *testing.T) {
			r := card("Desk 0")
			r.connect = c.codes
			play(t, newFake(r), func(t *testing.T, m *monitor) {
				begin := time.Now()
				s, err := m.Connect(t.Context(), "desk")
				if !errors.Is(err, c.want) {
					t.Errorf("Connect: %v, want %v", err, c.want)
				}
				if took := time.Since(begin); took != c.took {
					t.Errorf("took %v, want %v", took, c.took)
				}
				if err == nil {
					s.Close()
				}
			})
		})
	}
}

// What a failed transmission really was.
func TestTransmitFails(t *testing.T) {
	still := func() Code { return codeSuccess }
	for name, c := range map[string]struct {
		transmit func([]byte) ([]byte, Code)
		after    Code // what the status is after the transmission; the first one is for connecting
		want     error
		let      disposition
	}{
		"removed":              {fails(codeRemovedCard), codeRemovedCard, reader.ErrCardRemoved, resetCard},
		"reset":                {fails(codeResetCard), codeResetCard, reader.ErrCardReset, resetCard},
		"not transacted, gone": {fails(codeNotTransacted), codeRemovedCard, reader.ErrCardRemoved, resetCard},
		"no bytes, gone":       {gives(0), codeRemovedCard, reader.ErrCardRemoved, resetCard},
		"no bytes, no card":    {gives(0), codeNoSmartcard, reader.ErrCardRemoved, resetCard},
		"no bytes, no reader":  {gives(0), codeReaderUnavailable, reader.ErrReaderGone, resetCard},
		"no bytes, no service": {gives(0), codeNoService, reader.ErrServiceStopped, resetCard},
		"no bytes, still here": {gives(0), codeSuccess, reader.ErrTransport, unpowerCard},
		"one byte":             {gives(1), codeSuccess, reader.ErrTransport, unpowerCard},
		"too many bytes":       {gives(maxResponse + 1), codeSuccess, reader.ErrTransport, unpowerCard},
		"unknown code":         {fails(0x12345678), codeSuccess, reader.ErrTransport, unpowerCard},
		"mute":                 {fails(codeUnresponsiveCard), codeSuccess, reader.ErrCardMute, unpowerCard},
		"reader gone":          {fails(codeReaderUnavailable), codeReaderUnavailable, reader.ErrReaderGone, resetCard},
		"service gone":         {fails(codeCommError), codeNoService, reader.ErrServiceStopped, resetCard},
		"handle gone":          {fails(codeInvalidHandle), codeInvalidHandle, reader.ErrServiceStopped, resetCard},
	} {
		t.Run(name, func(t *testing.T) {
			r := card("Desk 0")
			r.card.status = still
			r.card.transmit = func(apdu []byte) ([]byte, Code) {
				r.card.status = func() Code { return c.after }
				return c.transmit(apdu)
			}
			play(t, newFake(r), func(t *testing.T, m *monitor) {
				s, err := m.Connect(t.Context(), "desk")
				if err != nil {
					t.Fatal(err)
				}
				_, err = s.Transmit(t.Context(), apdu)
				var typed *Error
				if !errors.Is(err, c.want) || !errors.As(err, &typed) {
					t.Errorf("Transmit: %v, want %v", err, c.want)
				}
				if _, again := s.Transmit(t.Context(), apdu); !errors.Is(again, c.want) {
					t.Errorf("later: %v", again)
				}
				s.Close()
				if got := r.card.disconnected; len(got) != 1 || got[0] != c.let {
					t.Errorf("disconnected with %v, want %v once", got, c.let)
				}
			})
		})
	}
}

func fails(c Code) func([]byte) ([]byte, Code) {
	return func([]byte) ([]byte, Code) { return nil, c }
}

func gives(n int) func([]byte) ([]byte, Code) {
	return func([]byte) ([]byte, Code) { return make([]byte, n), codeSuccess }
}

// The status still says "present" when a card was lifted a moment ago; the watcher may know before.
func TestRemovalSeenLate(t *testing.T) {
	r := card("Desk 0")
	r.card.transmit = gives(0)
	f := newFake(r)
	play(t, f, func(t *testing.T, m *monitor) {
		s, err := m.Connect(t.Context(), "desk")
		if err != nil {
			t.Fatal(err)
		}
		time.AfterFunc(400*time.Millisecond, func() { f.remove(r) })
		if _, err := s.Transmit(t.Context(), apdu); !errors.Is(err, reader.ErrCardRemoved) {
			t.Errorf("got %v", err)
		}
		s.Close()
	})
}

func TestCommandLengths(t *testing.T) {
	r := card("Desk 0")
	play(t, newFake(r), func(t *testing.T, m *monitor) {
		for n, ok := range map[int]bool{0: false, 3: false, 4: true, maxCommand: true, maxCommand + 1: false} {
			s, err := m.Connect(t.Context(), "desk")
			if err != nil {
				t.Fatal(err)
			}
			if _, err := s.Transmit(t.Context(), make([]byte, n)); (err == nil) != ok {
				t.Errorf("%d bytes: %v", n, err)
			}
			s.Close()
		}
	})
}

// Calls that never return: the caller is free, the reader stuck, the number bounded, and all is well when they do return.
func TestHungCalls(t *testing.T) {
	var readers []*fakeReader
	for _, name := range []string{"A 0", "B 0", "C 0", "D 0", "E 0"} {
		readers = append(readers, card(name))
	}
	f := newFake(readers...)
	play(t, f, func(t *testing.T, m *monitor) {
		hang := make(chan struct{})
		for i, id := range []string{"a", "b", "c", "d"} {
			readers[i].card.transmit = func([]byte) ([]byte, Code) { <-hang; return []byte{0x90, 0}, codeSuccess }
			s, err := m.Connect(t.Context(), id)
			if err != nil {
				t.Fatal(err)
			}
			ctx, cancel := context.WithTimeout(t.Context(), time.Second)
			if _, err := s.Transmit(ctx, apdu); !errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("%s: %v", id, err)
			}
			cancel()
			if _, err := s.Transmit(t.Context(), apdu); err == nil || errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("%s: a session that was given up says %v", id, err)
			}
			if got := info(m, id).State; got != reader.Card {
				t.Errorf("%s: %s at once; a call may take a moment", id, got)
			}
			begin := time.Now()
			if _, err := m.Connect(t.Context(), id); !errors.Is(err, reader.ErrReaderStuck) {
				t.Errorf("%s: Connect: %v", id, err)
			}
			if i < 3 {
				if took := time.Since(begin); took != 2*time.Second {
					t.Errorf("%s: waited %v", id, took)
				}
			}
			settle(2 * time.Second)
			if got := info(m, id).State; got != reader.Error {
				t.Errorf("%s: %s, want error", id, got)
			}
		}
		if _, err := m.Connect(t.Context(), "e"); !errors.Is(err, reader.ErrReaderStuck) {
			t.Errorf("with four calls lost: %v", err)
		}
		close(hang)
		settle(0)
		for _, id := range []string{"a", "b", "c", "d", "e"} {
			if got := info(m, id).State; got != reader.Card {
				t.Errorf("%s: %s, want card", id, got)
			}
			s, err := m.Connect(t.Context(), id)
			if err != nil {
				t.Errorf("%s: %v", id, err)
				continue
			}
			s.Close()
		}
	})
}

func TestCallTimeout(t *testing.T) {
	r := card("Desk 0")
	play(t, newFake(r), func(t *testing.T, m *monitor) {
		hang := make(chan struct{})
		r.card.transmit = func([]byte) ([]byte, Code) { <-hang; return nil, codeCommError }
		s, err := m.Connect(t.Context(), "desk")
		if err != nil {
			t.Fatal(err)
		}
		begin := time.Now()
		if _, err := s.Transmit(context.Background(), apdu); !errors.Is(err, reader.ErrReaderStuck) {
			t.Errorf("Transmit: %v", err)
		}
		if took := time.Since(begin); took != 30*time.Second {
			t.Errorf("after %v", took)
		}
		if err := s.Close(); !errors.Is(err, reader.ErrReaderStuck) {
			t.Errorf("Close: %v", err)
		}
		close(hang)
		settle(0)
	})
}

// Close does not wait for ever, and a wait that hangs is no secret.
func TestHungService(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFake(card("Desk 0"))
		m := start(f, Options{lost: new(losses)})
		settle(0)
		hang := make(chan struct{})
		f.do(func() { f.hang = hang })
		settle(10 * time.Second)
		if err := m.Health(); !errors.Is(err, reader.ErrServiceStopped) {
			t.Errorf("health %v", err)
		}
		if got := info(m, "desk").State; got != reader.Error {
			t.Errorf("reader is %s", got)
		}
		f.do(func() { f.hang = nil })
		close(hang)
		settle(2 * time.Second)
		if err := m.Health(); err != nil {
			t.Errorf("health %v afterwards", err)
		}
		wantState(t, m, "afterwards", "desk", reader.Card, 1)

		again := make(chan struct{})
		f.do(func() { f.hang = again })
		settle(0)
		begin := time.Now()
		if err := m.Close(); !errors.Is(err, reader.ErrReaderStuck) {
			t.Errorf("Close: %v", err)
		}
		if took := time.Since(begin); took != closePatience {
			t.Errorf("Close took %v", took)
		}
		f.do(func() { f.hang = nil })
		close(again)
		settle(time.Second)
	})
}

// "In use" is for a while taken for our own after we let go, and then for somebody else's.
func TestOwnEcho(t *testing.T) {
	r := card("Desk 0")
	f := newFake(r)
	play(t, f, func(t *testing.T, m *monitor) {
		s, err := m.Connect(t.Context(), "desk")
		if err != nil {
			t.Fatal(err)
		}
		f.do(func() { r.flags |= flagExclusive | flagInUse })
		settle(10 * time.Second)
		wantState(t, m, "our session", "desk", reader.Card, 1)
		s.Close()
		settle(time.Second)
		wantState(t, m, "just let go", "desk", reader.Card, 1)
		w := m.Watch(t.Context())
		<-w // the first look
		settle(10 * time.Second)
		wantState(t, m, "somebody else", "desk", reader.Busy, 1)
		select {
		case <-w:
		default:
			t.Error("nobody was told")
		}
	})
}

func TestConnectEnds(t *testing.T) {
	r := card("Desk 0")
	r.connect = []Code{codeSharingViolation}
	play(t, newFake(r), func(t *testing.T, m *monitor) {
		ctx, cancel := context.WithTimeout(t.Context(), 500*time.Millisecond)
		defer cancel()
		begin := time.Now()
		if _, err := m.Connect(ctx, "desk"); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("Connect: %v", err)
		}
		if took := time.Since(begin); took != 500*time.Millisecond {
			t.Errorf("took %v", took)
		}
		if _, err := m.Connect(ctx, "desk"); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("Connect with a context that has ended: %v", err)
		}
		go func() {
			time.Sleep(300 * time.Millisecond)
			m.Close()
		}()
		if _, err := m.Connect(t.Context(), "desk"); !errors.Is(err, reader.ErrClosed) {
			t.Errorf("Connect while the monitor is closed: %v", err)
		}
		settle(time.Second)
	})
}

func TestNotBuiltIn(t *testing.T) {
	m := newNone()
	w := m.Watch(t.Context())
	if err := m.Health(); !errors.Is(err, reader.ErrServiceStopped) || !errors.Is(err, ErrNotBuiltIn) {
		t.Errorf("health %v", err)
	}
	if _, err := m.Connect(t.Context(), "desk"); !errors.Is(err, reader.ErrServiceStopped) {
		t.Errorf("Connect: %v", err)
	}
	if len(m.Readers()) != 0 {
		t.Error("readers")
	}
	if err := m.Close(); err != nil {
		t.Error(err)
	}
	for range w {
	}
}

// Where the stack tells of readers that come, nothing is asked each second; while a card of ours is open, it is.
func TestCalm(t *testing.T) {
	f := newFake(card("Desk 00 00"))
	f.telling = true
	play(t, f, func(t *testing.T, m *monitor) {
		waits := func(d time.Duration) int {
			before, _ := f.seen()
			settle(d)
			after, _ := f.seen()
			return after - before
		}
		if n := waits(time.Minute); n > 12 {
			t.Errorf("%d waits in a minute", n)
		}
		f.do(func() { f.readers = append(f.readers, card("Counter 01 00")) })
		settle(time.Second)
		wantState(t, m, "within a second", "counter", reader.Card, 1)
		s, err := m.Connect(t.Context(), "counter")
		if err != nil {
			t.Fatal(err)
		}
		waits(10 * time.Second)
		if n := waits(time.Minute); n < 59 {
			t.Errorf("%d waits in a minute while a card is open", n)
		}
		s.Close()
		waits(10 * time.Second)
		if n := waits(time.Minute); n > 12 {
			t.Errorf("%d waits in a minute, afterwards", n)
		}
	})
}
