package keys

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

const hisOrigin = "https://his.example"

// wrong is a code that is not the right one.
func wrong(code string) string {
	if code == "000000" {
		return "000001"
	}
	return "000000"
}

// code is what the administrator reads to whoever sits at the page.
func code(t *testing.T, p *Pairing, origin string) string {
	t.Helper()
	w, _ := p.Window()
	i := slices.IndexFunc(w.Requests, func(r PairingRequest) bool { return r.Origin == origin })
	if i < 0 {
		t.Fatal("no request of", origin)
	}
	return w.Requests[i].Code
}

func TestPairingGivesATokenForTheCodeThatTheAdministratorSees(t *testing.T) {
	s, _ := open(t)
	p := NewPairing(s)
	if err := p.Open("admin", time.Minute, []string{RightRead}, []string{"number"}); err != nil {
		t.Fatal(err)
	}
	if s.Allowed(hisOrigin) {
		t.Error("an origin is allowed before it is paired")
	}
	if _, err := p.Start(hisOrigin); err != nil {
		t.Fatal(err)
	}
	c := code(t, p, hisOrigin)
	if len(c) != 6 || strings.Trim(c, "0123456789") != "" {
		t.Errorf("the code is %q", c)
	}
	var bad *PairingCodeError
	if _, _, err := p.Confirm(hisOrigin, wrong(c)); !errors.As(err, &bad) || bad.TriesLeft != PairingTries-1 {
		t.Error(err)
	}
	if _, _, err := p.Confirm("https://other.example", c); !errors.Is(err, ErrPairingEnded) {
		t.Error("another origin confirms with the code:", err)
	}
	secret, token, err := p.Confirm(hisOrigin, c)
	if err != nil {
		t.Fatal(err)
	}
	if token.Origin != hisOrigin || !slices.Equal(token.Rights, []string{RightRead}) || !slices.Equal(token.Fields, []string{"number"}) {
		t.Errorf("%+v", token)
	}
	if got, err := s.Check(secret, hisOrigin); err != nil || got.ID != token.ID {
		t.Error(err)
	}
	if _, err := s.Check(secret, "https://other.example"); err == nil {
		t.Error("the token serves another origin")
	}
	if _, _, err := p.Confirm(hisOrigin, c); !errors.Is(err, ErrPairingEnded) {
		t.Error("a code serves twice:", err)
	}
}

func TestPairingEnds(t *testing.T) {
	for name, c := range map[string]struct {
		before func(p *Pairing)
		want   error // of Confirm with the right code
	}{
		"not at all":                    {func(*Pairing) {}, nil},
		"after two minutes":             {func(*Pairing) { time.Sleep(PairingCodeTime) }, ErrPairingEnded},
		"not before two minutes":        {func(*Pairing) { time.Sleep(PairingCodeTime - time.Second) }, nil},
		"with the window":               {func(*Pairing) { time.Sleep(5 * time.Minute) }, ErrPairingClosed},
		"when the administrator closes": {func(p *Pairing) { p.Close() }, ErrPairingClosed},
		"when another window opens":     {func(p *Pairing) { _ = p.Open("admin", time.Minute, nil, nil) }, ErrPairingEnded},
		"after five wrong codes": {func(p *Pairing) {
			for range PairingTries {
				_, _, _ = p.Confirm(hisOrigin, "x")
			}
		}, ErrPairingEnded},
		"not after four": {func(p *Pairing) {
			for range PairingTries - 1 {
				_, _, _ = p.Confirm(hisOrigin, "x")
			}
		}, nil},
		"not by another's wrong codes": {func(p *Pairing) {
			_, _ = p.Start("https://other.example")
			for range PairingTries {
				_, _, _ = p.Confirm("https://other.example", "x")
			}
		}, nil},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s, _ := open(t)
				p := NewPairing(s)
				if err := p.Open("admin", 5*time.Minute, nil, nil); err != nil {
					t.Fatal(err)
				}
				if _, err := p.Start(hisOrigin); err != nil {
					t.Fatal(err)
				}
				right := code(t, p, hisOrigin)
				c.before(p)
				if _, _, err := p.Confirm(hisOrigin, right); !errors.Is(err, c.want) {
					t.Errorf("%v, want %v", err, c.want)
				}
				if s.Allowed(hisOrigin) != (c.want == nil) {
					t.Error("allowed is", s.Allowed(hisOrigin))
				}
				p.Close()
			})
		})
	}
}

func TestPairingIsBounded(t *testing.T) {
	s, _ := open(t)
	p := NewPairing(s)
	if _, err := p.Start(hisOrigin); !errors.Is(err, ErrPairingClosed) {
		t.Error("without a window:", err)
	}
	for name, err := range map[string]error{
		"too long":      p.Open("admin", MaxPairingWindow+1, nil, nil),
		"no time":       p.Open("admin", 0, nil, nil),
		"unknown right": p.Open("admin", time.Minute, []string{"all"}, nil),
		"unknown field": p.Open("admin", time.Minute, nil, []string{"all"}),
		"two lines":     p.Open("ad\nmin", time.Minute, nil, nil),
	} {
		if !errors.Is(err, ErrTokenForm) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, open := p.Window(); open {
		t.Error("a wrong wish opened the window")
	}
	if err := p.Open("admin", MaxPairingWindow, nil, nil); err != nil {
		t.Fatal(err)
	}
	for _, origin := range []string{"", "null", "https://HIS.example", "https://his.example/", "file://", "*", "https://his.example:443"} {
		if _, err := p.Start(origin); !errors.Is(err, ErrOriginForm) {
			t.Errorf("%q: %v", origin, err)
		}
	}
	// One origin cannot guess for ever by asking for new codes.
	n := 0
	for range 100 {
		if _, err := p.Start(hisOrigin); err == nil {
			n++
		} else if !errors.Is(err, ErrPairingBusy) {
			t.Fatal(err)
		}
	}
	if n != maxPairingOrigin {
		t.Errorf("%d codes for one origin", n)
	}
	// Nor can many, at once or one after the other.
	for i := range 100 {
		_, _ = p.Start(fmt.Sprintf("https://h%d.example", i))
	}
	if w, _ := p.Window(); len(w.Requests) != maxPairingPending {
		t.Errorf("%d requests at once", len(w.Requests))
	}
	for i := range 100 {
		origin := fmt.Sprintf("https://h%d.example", i)
		if _, err := p.Start(origin); err == nil {
			n++
		}
		for range PairingTries {
			_, _, _ = p.Confirm(origin, "x")
		}
	}
	if n+maxPairingPending-1 > maxPairingStarts {
		t.Errorf("%d codes in one window", n)
	}
	if list, _ := s.List(); len(list) != 0 {
		t.Error("guessing made a token")
	}
	p.Close()
}

func TestPairingTellsItsWatchers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, _ := open(t)
		p := NewPairing(s)
		ctx, cancel := context.WithCancel(t.Context())
		w := p.Watch(ctx)
		told := func(when string, want bool) {
			t.Helper()
			synctest.Wait()
			select {
			case <-w:
				if !want {
					t.Error("told", when)
				}
			default:
				if want {
					t.Error("not told", when)
				}
			}
		}
		told("before anything happened", false)
		_ = p.Open("admin", 5*time.Minute, nil, nil)
		told("that it is open", true)
		_, _ = p.Start(hisOrigin)
		told("of a request", true)
		_, _, _ = p.Confirm(hisOrigin, "x")
		told("of a wrong code", true)
		time.Sleep(PairingCodeTime + time.Second)
		told("of a code that is over", true)
		time.Sleep(5 * time.Minute)
		told("of the window's end", true)
		if _, open := p.Window(); open {
			t.Error("still open")
		}
		cancel()
		synctest.Wait()
		if _, open := <-w; open {
			t.Error("the channel is not closed")
		}
	})
}
