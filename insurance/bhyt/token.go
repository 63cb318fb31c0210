package bhyt

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/tapcheck/tapcheck/insurance"
)

const (
	maxToken = 8 << 10 // bytes; it goes into a URL

	refreshEarly = 60 * time.Second
	// What a token is worth whose end cannot be read, and the most and the least that one is trusted for. The least is for a PC
	// whose clock is wrong: by its clock every token may be over, and a token for each look-up would be a flood. The gateway
	// says by itself when a token is over.
	unknownLife = 10 * time.Minute
	longestLife = 20 * time.Hour
	leastLife   = 30 * time.Second
	// For so long an account is not tried again that was refused, or that may not make a call, lest the portal lock it.
	refusalLife = 30 * time.Second
	// So often is tried to refresh a token that is still good.
	refreshPause = 10 * time.Second
)

// token of the gateway. Never printed.
type token struct {
	access, id string
	until      time.Time // refreshed from then on
	end        time.Time // used until then, where no newer one is to be had
}

func newToken(k APIKey, now time.Time) *token {
	life, rest := unknownLife, time.Duration(0)
	if end, ok := parseExpiry(string(k.ExpiresIn)); ok {
		life = end.Sub(now) - refreshEarly
		if life >= leastLife {
			rest = refreshEarly
		}
	}
	until := now.Add(max(min(life, longestLife), leastLife))
	return &token{access: string(k.AccessToken), id: string(k.IDToken), until: until, end: until.Add(rest)}
}

// parseExpiry reads a moment in UTC, with or without its Z, with as many digits of a fraction as there are.
func parseExpiry(s string) (time.Time, bool) {
	for _, form := range []string{time.RFC3339Nano, "2006-01-02T15:04:05.999999999"} {
		if t, err := time.Parse(form, s); err == nil {
			return t.UTC(), true
		}
	}
	return time.Time{}, false
}

// tokens keeps one token, and fetches one for however many calls wait for it.
type tokens struct {
	fetch func(context.Context) (*token, error)
	now   func() time.Time

	mu      sync.Mutex
	current *token
	flight  *flight
	refused error // the last answer, where it was that the account is wrong
	again   time.Time
	closed  bool
}

// flight is one fetch. It lives as long as somebody waits for it.
type flight struct {
	cancel  context.CancelFunc
	waiting int
	alone   bool          // begun for nobody in particular
	done    chan struct{} // closed when token and err are set
	token   *token
	err     error
}

// get gives the token, but not the one that the gateway has just refused. In its last minute it is refreshed beside the calls that
// use it; where there is none, each caller waits by its own ctx, and the fetch ends with the last of them. Where nobody was asked for one, the error says so (insurance.ErrNotAsked).
func (t *tokens) get(ctx context.Context, bad *token) (*token, error) {
	if err := ctx.Err(); err != nil {
		return nil, &insurance.NotAskedError{Err: contextError(err)}
	}
	t.mu.Lock()
	now := t.now()
	if t.current != nil && t.current != bad && now.Before(t.current.until) {
		defer t.mu.Unlock()
		return t.current, nil
	}
	if t.current != nil && t.current != bad && now.Before(t.current.end) && !t.closed {
		defer t.mu.Unlock()
		if t.flight == nil && !now.Before(t.again) {
			t.again = now.Add(refreshPause)
			f := t.start()
			f.waiting, f.alone = 1, true // it waits for itself: it ends with close, not with a caller
		}
		return t.current, nil
	}
	if t.refused != nil && now.Before(t.again) {
		defer t.mu.Unlock()
		return nil, &insurance.NotAskedError{Err: t.refused}
	}
	f := t.flight
	if f == nil {
		f = t.start()
	}
	f.waiting++
	t.mu.Unlock()

	defer func() {
		t.mu.Lock()
		defer t.mu.Unlock()
		f.waiting--
		if f.waiting == 0 {
			f.cancel()
			if t.flight == f {
				t.flight = nil
			}
		}
	}()
	select {
	case <-f.done:
		return f.token, f.err
	case <-ctx.Done():
		return nil, contextError(ctx.Err())
	}
}

// start begins a fetch. The lock is held.
func (t *tokens) start() *flight {
	ctx, cancel := context.WithCancel(context.Background())
	f := &flight{cancel: cancel, done: make(chan struct{})}
	t.flight = f
	go func() {
		defer cancel()
		tok, err := t.safely(ctx)
		t.mu.Lock()
		defer t.mu.Unlock()
		if t.flight == f {
			t.flight = nil
		}
		if err == nil {
			t.current, t.refused = tok, nil
		} else if errors.Is(err, insurance.ErrRejected) {
			t.current, t.refused, t.again = nil, err, t.now().Add(refusalLife)
		}
		f.token, f.err = tok, err
		close(f.done)
	}()
	return f
}

// close ends a fetch that nobody waits for, and lets none begin that nobody waits for.
func (t *tokens) close() {
	t.mu.Lock()
	t.closed = true
	f := t.flight
	nobody := f != nil && f.alone && f.waiting == 1
	if nobody {
		f.cancel()
	}
	t.mu.Unlock()
	if nobody {
		<-f.done
	}
}

// safely keeps a bug in the fetch to those who wait for it.
func (t *tokens) safely(ctx context.Context) (tok *token, err error) {
	defer func() {
		if recover() != nil {
			tok, err = nil, fmt.Errorf("%w: internal fault", insurance.ErrGarbage)
		}
	}()
	return t.fetch(ctx)
}

// contextError is the end of a caller's context as package insurance words it.
func contextError(err error) error {
	if errors.Is(err, context.DeadlineExceeded) {
		return fmt.Errorf("%w: %w", insurance.ErrUnreachable, err)
	}
	return err
}
