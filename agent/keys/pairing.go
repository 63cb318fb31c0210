package keys

import (
	"context"
	"crypto/rand"
	"crypto/subtle"
	"errors"
	"fmt"
	"math/big"
	"slices"
	"sync"
	"time"
)

// Bounds of pairing. A code is one of a million, so in one window a stranger guesses right once in ten thousand windows
// at best, and an administrator watches all the while.
const (
	MaxPairingWindow  = 10 * time.Minute
	PairingCodeTime   = 2 * time.Minute
	PairingTries      = 5  // of one request
	maxPairingPending = 5  // requests at a time, one an origin
	maxPairingOrigin  = 5  // requests of one origin within one window
	maxPairingStarts  = 20 // requests within one window
)

// Why an origin is not paired.
var (
	ErrPairingClosed = errors.New("no administrator has opened pairing")
	ErrPairingBusy   = errors.New("too many requests for pairing")
	ErrPairingEnded  = errors.New("no request for pairing is under way for this origin")
	ErrPairingCode   = errors.New("the code is wrong")
)

// PairingCodeError is a wrong code; it unwraps to ErrPairingCode.
type PairingCodeError struct{ TriesLeft int }

func (e *PairingCodeError) Error() string {
	return fmt.Sprintf("%v; %d tries left", ErrPairingCode, e.TriesLeft)
}

// Unwrap gives ErrPairingCode.
func (e *PairingCodeError) Unwrap() error { return ErrPairingCode }

// PairingWindow is what an administrator sees of the window that is open.
type PairingWindow struct {
	OpenedBy  string           `json:"openedBy"`
	ExpiresAt time.Time        `json:"expiresAt"`
	Rights    []string         `json:"rights"`
	Fields    []string         `json:"fields"`
	Requests  []PairingRequest `json:"requests"`
}

// PairingRequest is an origin that asks to be let in. The code is for the administrator's eyes: who sits at the page
// reads it from the console, and so has stood beside the administrator.
type PairingRequest struct {
	Origin    string    `json:"origin"`
	Code      string    `json:"code"` // six digits
	ExpiresAt time.Time `json:"expiresAt"`
	TriesLeft int       `json:"triesLeft"`
}

// Pairing lets web origins in while an administrator holds a window open. It lives in memory: a restart closes the window.
// It is safe for concurrent use.
type Pairing struct {
	store *TokenStore
	now   func() time.Time

	mu       sync.Mutex
	window   *PairingWindow // nil: closed
	started  map[string]int // requests of this window by origin
	starts   int
	timer    *time.Timer // for the next thing that ends by itself
	watchers map[chan struct{}]struct{}
}

// NewPairing makes the pairing of a store's tokens, with no window open.
func NewPairing(store *TokenStore) *Pairing {
	return &Pairing{store: store, now: time.Now, watchers: map[chan struct{}]struct{}{}}
}

// Open opens the window for at most MaxPairingWindow, in place of one that is open: requests of that one end. by names the
// administrator; rights and fields are the ceiling of every token that comes out, nil being the defaults. Error:
// ErrTokenForm.
func (p *Pairing) Open(by string, d time.Duration, rights, fields []string) error {
	if d <= 0 || d > MaxPairingWindow {
		return fmt.Errorf("%w: pairing is open for at most %v", ErrTokenForm, MaxPairingWindow)
	}
	if rights == nil {
		rights = DefaultRights
	}
	if fields == nil {
		fields = DefaultFields
	}
	if err := checkWish(pairedLabel(by), rights, fields); err != nil {
		return err
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.window = &PairingWindow{OpenedBy: by, ExpiresAt: p.now().Add(d), Rights: slices.Clone(rights), Fields: slices.Clone(fields)}
	p.started, p.starts = map[string]int{}, 0
	p.changed()
	return nil
}

func pairedLabel(by string) string { return "paired by " + by }

// Close closes the window; requests under way end.
func (p *Pairing) Close() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.window != nil {
		p.window = nil
		p.changed()
	}
}

// Window is the open window, or open is false. It holds the codes: it is for administrators.
func (p *Pairing) Window() (w PairingWindow, open bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.open() {
		return PairingWindow{}, false
	}
	w = *p.window
	w.Rights, w.Fields, w.Requests = slices.Clone(w.Rights), slices.Clone(w.Fields), slices.Clone(w.Requests)
	if w.Requests == nil {
		w.Requests = []PairingRequest{}
	}
	return w, true
}

// Start makes a code for an origin, exactly as its browser sends it. A further request of the same origin takes the place
// of its last one. Errors: ErrPairingClosed, ErrOriginForm, ErrPairingBusy.
func (p *Pairing) Start(origin string) (expires time.Time, err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.open() {
		return time.Time{}, ErrPairingClosed
	}
	if parsed, err := ParseOrigin(origin); err != nil || parsed != origin {
		return time.Time{}, ErrOriginForm
	}
	i := p.find(origin)
	if p.starts >= maxPairingStarts || p.started[origin] >= maxPairingOrigin || i < 0 && len(p.window.Requests) >= maxPairingPending {
		return time.Time{}, ErrPairingBusy
	}
	n, err := rand.Int(rand.Reader, big.NewInt(1_000_000))
	if err != nil {
		return time.Time{}, err
	}
	p.starts++
	p.started[origin]++
	r := PairingRequest{Origin: origin, Code: fmt.Sprintf("%06d", n), TriesLeft: PairingTries, ExpiresAt: p.now().Add(PairingCodeTime)}
	if r.ExpiresAt.After(p.window.ExpiresAt) {
		r.ExpiresAt = p.window.ExpiresAt
	}
	if i < 0 {
		p.window.Requests = append(p.window.Requests, r)
	} else {
		p.window.Requests[i] = r
	}
	p.changed()
	return r.ExpiresAt, nil
}

// Confirm exchanges the right code for a token of the origin, which is shown this once. Errors: ErrPairingClosed;
// ErrPairingEnded, with the last wrong try too; *PairingCodeError; those of TokenStore.Add.
func (p *Pairing) Confirm(origin, code string) (secret string, t Token, err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.open() {
		return "", Token{}, ErrPairingClosed
	}
	i := p.find(origin)
	if i < 0 {
		return "", Token{}, ErrPairingEnded
	}
	r := &p.window.Requests[i]
	if subtle.ConstantTimeCompare([]byte(r.Code), []byte(code)) != 1 {
		defer p.changed()
		if r.TriesLeft--; r.TriesLeft == 0 {
			p.drop(i)
			return "", Token{}, ErrPairingEnded
		}
		return "", Token{}, &PairingCodeError{TriesLeft: r.TriesLeft}
	}
	secret, t, err = p.store.Add(TokenRequest{Origin: origin, Label: pairedLabel(p.window.OpenedBy), Rights: p.window.Rights, Fields: p.window.Fields})
	if err != nil {
		return "", Token{}, err
	}
	p.drop(i)
	p.changed()
	return secret, t, nil
}

// Watch gives a channel that gets a value whenever Window may answer differently, until ctx ends; then it is closed.
func (p *Pairing) Watch(ctx context.Context) <-chan struct{} {
	ch := make(chan struct{}, 1)
	p.mu.Lock()
	defer p.mu.Unlock()
	p.watchers[ch] = struct{}{}
	context.AfterFunc(ctx, func() {
		p.mu.Lock()
		defer p.mu.Unlock()
		delete(p.watchers, ch)
		close(ch)
	})
	return ch
}

// open says whether the window is open, and forgets what is over. p.mu is held.
func (p *Pairing) open() bool {
	now := p.now()
	if p.window != nil && !now.Before(p.window.ExpiresAt) {
		p.window = nil
	}
	if p.window == nil {
		return false
	}
	p.window.Requests = slices.DeleteFunc(p.window.Requests, func(r PairingRequest) bool { return !now.Before(r.ExpiresAt) })
	return true
}

func (p *Pairing) find(origin string) int {
	return slices.IndexFunc(p.window.Requests, func(r PairingRequest) bool { return r.Origin == origin })
}

func (p *Pairing) drop(i int) { p.window.Requests = slices.Delete(p.window.Requests, i, i+1) }

// changed tells the watchers, now and when the next thing ends by itself. p.mu is held.
func (p *Pairing) changed() {
	for ch := range p.watchers {
		select {
		case ch <- struct{}{}:
		default:
		}
	}
	if p.timer != nil {
		p.timer.Stop()
		p.timer = nil
	}
	if p.window == nil {
		return
	}
	next := p.window.ExpiresAt
	for _, r := range p.window.Requests {
		if r.ExpiresAt.Before(next) {
			next = r.ExpiresAt
		}
	}
	p.timer = time.AfterFunc(next.Sub(p.now())+time.Millisecond, func() {
		p.mu.Lock()
		defer p.mu.Unlock()
		p.open()
		p.changed()
	})
}
