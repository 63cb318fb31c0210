package reader_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"testing/synctest"

	"go.uber.org/goleak"

	"github.com/tapcheck/tapcheck/reader"
	"github.com/tapcheck/tapcheck/reader/virtual"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

type chip struct{}

func (chip) ATR() []byte              { return []byte{0x3B, 0x00} }
func (chip) Reset()                   {}
func (chip) Transmit(a []byte) []byte { return []byte{a[0], 0x90, 0x00} }

func TestJoin(t *testing.T) {
	one, two := virtual.New(), virtual.New()
	j := reader.Join(one, two)
	one.Add("Desk", true)
	two.Add("Desk", false).Insert(chip{})
	two.Add("Other", false)
	var ids []string
	for _, i := range j.Readers() {
		ids = append(ids, i.ID)
	}
	if want := []string{"virtual-desk", "virtual-desk@2", "virtual-other"}; !slices.Equal(ids, want) {
		t.Errorf("readers are %q, want %q", ids, want)
	}
	if _, err := j.Connect(t.Context(), "virtual-desk"); !errors.Is(err, reader.ErrNoCard) {
		t.Errorf("first: %v", err)
	}
	if _, err := j.Connect(t.Context(), "virtual-desk@3"); !errors.Is(err, reader.ErrReaderGone) {
		t.Errorf("none: %v", err)
	}
	s, err := j.Connect(t.Context(), "virtual-desk@2")
	if err != nil {
		t.Fatal(err)
	}
	if got := s.Reader(); got.ID != "virtual-desk@2" || got.State != reader.Card {
		t.Errorf("session of %+v", got)
	}
	if rsp, err := s.Transmit(t.Context(), []byte{7, 0, 0, 0}); err != nil || rsp[0] != 7 {
		t.Errorf("%X, %v", rsp, err)
	}
	s.Close()

	one.StopService()
	if err := j.Health(); err != nil {
		t.Errorf("one of two is healthy, and all say %v", err)
	}
	two.StopService()
	if err := j.Health(); !errors.Is(err, reader.ErrServiceStopped) {
		t.Errorf("none is healthy, and all say %v", err)
	}
	if err := j.Close(); err != nil {
		t.Error(err)
	}
	if err := one.Health(); !errors.Is(err, reader.ErrClosed) {
		t.Errorf("the first is not closed: %v", err)
	}
	if err := reader.Join().Health(); err != nil {
		t.Errorf("no monitors: %v", err)
	}
}

// Whoever watches all hears of each, and it ends with the context or with the last monitor.
func TestJoinWatch(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		one, two := virtual.New(), virtual.New()
		j := reader.Join(one, two)
		ctx, cancel := context.WithCancel(t.Context())
		byCtx, byClose := j.Watch(ctx), j.Watch(t.Context())
		drain := func() (n int) {
			for {
				synctest.Wait()
				select {
				case _, ok := <-byClose:
					if !ok {
						return -1
					}
					n++
				default:
					return n
				}
			}
		}
		drain()
		for _, m := range []*virtual.Monitor{one, two} {
			m.Add("Desk", false)
			if drain() != 1 {
				t.Error("a change was not told once")
			}
		}
		one.Close()
		drain()
		two.Add("Desk", false)
		if drain() != 1 {
			t.Error("the second is not heard any more after the first was closed")
		}
		two.Close()
		if drain() != -1 {
			t.Error("does not end with the last monitor")
		}
		cancel()
		for range byCtx {
		}
		none := reader.Join().Watch(ctx)
		for range none {
		}
	})
}

// A listener that sleeps holds nobody up and loses nothing but repetitions.
func TestWatchers(t *testing.T) {
	var w reader.Watchers
	ctx, cancel := context.WithCancel(t.Context())
	a, b := w.Watch(ctx), w.Watch(t.Context())
	for range 100 {
		w.Notify()
	}
	if len(a) != 1 || len(b) != 1 {
		t.Errorf("%d and %d values, want one each", len(a), len(b))
	}
	cancel()
	for range a {
	}
	<-b
	w.Notify()
	if _, ok := <-b; !ok {
		t.Error("another's context ended it")
	}
	w.Close()
	w.Close()
	w.Notify()
	if _, ok := <-b; ok {
		t.Error("a value after the end")
	}
	if _, ok := <-w.Watch(t.Context()); ok {
		t.Error("a watch begins after the end")
	}
	if _, ok := <-new(reader.Watchers).Watch(ctx); ok {
		t.Error("a watch begins with a context that has ended")
	}
}

func TestSlug(t *testing.T) {
	for name, want := range map[string]string{
		"":                        "reader",
		"--":                      "reader",
		"ACS ACR122U  (1)":        "acs-acr122u-1",
		" Ünïcode Desk ":          "n-code-desk",
		strings.Repeat("a", 1000): strings.Repeat("a", 79),
	} {
		if got := reader.Slug(name); got != want {
			t.Errorf("%q: %q, want %q", name, got, want)
		}
	}
}
