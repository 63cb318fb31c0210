package console

import (
	"sync"
	"time"
)

// Bounds of guessing. A six-digit PIN has a million values: with these delays somebody who never rests tries some
// hundred of them a day.
const (
	freeTries    = 3 // wrong ones without any delay
	firstDelay   = 2 * time.Second
	longestDelay = 15 * time.Minute
	forgetTries  = time.Hour // after the last one
	maxTried     = 2048      // doors that are remembered at a time
)

// throttle makes guessing slow, by account and by session of the operating system. A try counts as wrong from its
// beginning until it has turned out to be right, so many at a time gain nothing.
type throttle struct {
	now func() time.Time

	mu    sync.Mutex
	doors map[string]*door
}

type door struct {
	wrong int
	last  time.Time
	until time.Time // no try before
}

func newThrottle(now func() time.Time) *throttle {
	return &throttle{now: now, doors: map[string]*door{}}
}

// try asks to try at all of the doors, and says how long to wait where that is not yet allowed.
func (t *throttle) try(doors ...string) (wait time.Duration) {
	t.mu.Lock()
	defer t.mu.Unlock()
	now := t.now()
	for _, name := range doors {
		if d := t.doors[name]; d != nil {
			wait = max(wait, d.until.Sub(now))
		}
	}
	if wait > 0 {
		return wait
	}
	for _, name := range doors {
		d := t.doors[name]
		if d == nil || now.Sub(d.last) > forgetTries {
			if d == nil && len(t.doors) >= maxTried && !t.tidy(now) {
				return firstDelay
			}
			d = &door{}
			t.doors[name] = d
		}
		d.wrong++
		d.last, d.until = now, now.Add(delay(d.wrong))
	}
	return 0
}

func delay(wrong int) time.Duration {
	d := firstDelay
	for n := wrong - freeTries; n > 1 && d < longestDelay; n-- {
		d *= 2
	}
	if wrong <= freeTries {
		return 0
	}
	return min(d, longestDelay)
}

// right forgets what was wrong before.
func (t *throttle) right(doors ...string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, name := range doors {
		delete(t.doors, name)
	}
}

// untried takes a try back that could not be judged.
func (t *throttle) untried(doors ...string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, name := range doors {
		if d := t.doors[name]; d != nil {
			d.wrong = max(0, d.wrong-1)
			d.until = d.last.Add(delay(d.wrong))
		}
	}
}

// tidy forgets doors that nobody has tried for long, and says whether there is room again.
func (t *throttle) tidy(now time.Time) bool {
	for name, d := range t.doors {
		if now.Sub(d.last) > forgetTries {
			delete(t.doors, name)
		}
	}
	return len(t.doors) < maxTried
}
