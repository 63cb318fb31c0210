package reader_test

import (
	"context"
	"strings"
	"testing"

	"go.uber.org/goleak"

	"github.com/tapcheck/tapcheck/reader"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

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
