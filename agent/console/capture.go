package console

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"slices"
	"strconv"
	"sync"
	"time"

	"github.com/tapcheck/tapcheck/agent/catalog"
	"github.com/tapcheck/tapcheck/agent/checkin"
)

// Faces are the comparisons of faces of all programs' jobs, by the jobs' refs; *checkin.Engine is one. Its errors are *catalog.Error.
type Faces interface {
	FaceStateByRef(ctx context.Context, ref string) (checkin.FaceState, error)
	FaceFrameByRef(ctx context.Context, ref string, p checkin.FaceFrameParams) (checkin.FaceFrameResult, error)
	FaceActByRef(ctx context.Context, ref string, a checkin.FaceActByRefParams) error
}

// Bounds of capture windows.
const (
	maxCaptures = 64               // tickets and windows together; the oldest of the session that has the most gives way
	captureLife = 10 * time.Minute // of a ticket; and then of the window that it has opened
	maxPicture  = 1 << 20          // bytes; the page sends some 60 KiB
	maxSeq      = 1_000_000
	maxName     = 64 // of a challenge
)

// capture is a window that takes the pictures of one job, or the ticket for one. It works in one session of the operating system.
type capture struct {
	secret  [sha256.Size]byte // of the ticket; once that is spent, of the key. What is compared is hashed, so comparing tells nothing
	key     bool
	ref     string // the job's
	os      string
	expires time.Time
	busy    bool // a picture is on its way
}

type captures struct {
	now func() time.Time

	mu   sync.Mutex
	port int // 0: nobody is served yet
	list []*capture
}

// fresh lets go of what is over. The mutex is held.
func (c *captures) fresh() {
	kept, now := c.list[:0], c.now()
	for _, one := range c.list {
		if now.Before(one.expires) {
			kept = append(kept, one)
		}
	}
	clear(c.list[len(kept):])
	c.list = kept
}

// issue makes a ticket.
func (c *captures) issue(ref, os string) (ticket string, port int, until time.Time, ok bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.fresh()
	if c.port == 0 || ref == "" || os == "" {
		return "", 0, time.Time{}, false
	}
	if len(c.list) >= maxCaptures {
		c.list = slices.DeleteFunc(c.list, c.spare())
	}
	ticket, until = rand.Text(), c.now().Add(captureLife)
	c.list = append(c.list, &capture{secret: sha256.Sum256([]byte(ticket)), ref: ref, os: os, expires: until})
	return ticket, c.port, until, true
}

// spare is the one that gives way: nobody can crowd out the windows of another session. The mutex is held.
func (c *captures) spare() func(*capture) bool {
	of := map[string]int{}
	for _, one := range c.list {
		of[one.os]++
	}
	gone := c.list[0]
	for _, one := range c.list { // the oldest comes first
		if of[one.os] > of[gone.os] {
			gone = one
		}
	}
	return func(one *capture) bool { return one == gone }
}

// find gives a ticket or a window. The mutex is held.
func (c *captures) find(secret, os string, key bool) *capture {
	c.fresh()
	hash := sha256.Sum256([]byte(secret))
	for _, one := range c.list {
		if one.secret == hash && one.key == key && one.os == os {
			return one
		}
	}
	return nil
}

// spend changes a ticket for a key, once.
func (c *captures) spend(ticket, os string) (key, ref string, ok bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	one := c.find(ticket, os, false)
	if one == nil {
		return "", "", false
	}
	key = rand.Text()
	one.secret, one.key, one.expires = sha256.Sum256([]byte(key)), true, c.now().Add(captureLife)
	return key, one.ref, true
}

// of gives the job of a window.
func (c *captures) of(key, os string) (ref string, ok bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	one := c.find(key, os, true)
	if one == nil {
		return "", false
	}
	return one.ref, true
}

// begin gives the job of a window that sends a picture: one at a time. done must be called where there is no error.
func (c *captures) begin(key, os string) (ref string, done func(), err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	one := c.find(key, os, true)
	switch {
	case one == nil:
		return "", nil, catalog.New(catalog.JobUnknown, nil)
	case one.busy:
		return "", nil, catalog.New(catalog.RateLimited, nil)
	}
	one.busy = true
	return one.ref, func() {
		c.mu.Lock()
		defer c.mu.Unlock()
		one.busy = false
	}, nil
}

// over forgets the window of a job that is none any more.
func (c *captures) over(key, os string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if one := c.find(key, os, true); one != nil {
		one.expires = time.Time{}
	}
}

// ServedAt says at which port of 127.0.0.1 the page is served. Before that there are no capture windows.
func (k *Console) ServedAt(port int) {
	k.captures.mu.Lock()
	defer k.captures.mu.Unlock()
	k.captures.port = port
}

// Capture makes the address of a window that takes the pictures for one job, in the session of the operating system in which its
// program is; checkin.Config.Capture. The ticket in it is good once.
func (k *Console) Capture(ref, session string) (url string, until time.Time, ok bool) {
	if k.c.Faces == nil {
		return "", time.Time{}, false
	}
	ticket, port, until, ok := k.captures.issue(ref, session)
	if !ok {
		return "", time.Time{}, false
	}
	return fmt.Sprintf("http://127.0.0.1:%d/console/#capture=%s", port, ticket), until, true
}

// captureForJob makes a window for a job of another program, for the desk to open.
func (k *Console) captureForJob(ctx context.Context, q *call) (any, error) {
	var p struct {
		Ref string `json:"ref"`
	}
	if err := q.decode(&p); err != nil {
		return nil, err
	}
	if p.Ref == "" || len(p.Ref) > 100 {
		return nil, badField("ref")
	}
	// A job of somebody else's session is none.
	if !slices.ContainsFunc(k.queue(q.os), func(j checkin.Queued) bool { return j.Ref == p.Ref }) {
		return nil, catalog.New(catalog.JobUnknown, nil)
	}
	if _, err := k.c.Faces.FaceStateByRef(ctx, p.Ref); err != nil {
		return nil, err
	}
	url, until, ok := k.Capture(p.Ref, q.os)
	if !ok {
		return nil, catalog.New(catalog.NotAvailable, nil)
	}
	return struct {
		URL       string    `json:"url"`
		ExpiresAt time.Time `json:"expiresAt"`
	}{url, until}, nil
}

// captureWire is how the step of a window's job stands.
type captureWire struct {
	Key    string `json:"key,omitempty"`
	Client string `json:"client,omitempty"` // whose check-in it is
	checkin.FaceState
}

func (k *Console) captureState(ctx context.Context, q *call, key, ref string) (any, error) {
	s, err := k.c.Faces.FaceStateByRef(ctx, ref)
	if err != nil {
		return nil, err
	}
	w := captureWire{FaceState: s}
	for _, j := range k.queue(q.os) {
		if j.Ref == ref {
			w.Client = j.Client
		}
	}
	w.Key = key
	return w, nil
}

// faces is a call that an agent without the comparison of faces does not serve.
func (k *Console) faces(run func(context.Context, *call) (any, error)) func(context.Context, *call) (any, error) {
	if k.c.Faces == nil {
		return func(context.Context, *call) (any, error) { return nil, catalog.New(catalog.NotAvailable, nil) }
	}
	return run
}

// openCapture changes a ticket for the key of a window. Nobody has to be logged in: the ticket is for one job and for nothing else.
func (k *Console) openCapture(ctx context.Context, q *call) (any, error) {
	var p struct {
		Ticket string `json:"ticket"`
	}
	if err := q.decode(&p); err != nil {
		return nil, err
	}
	key, ref, ok := k.captures.spend(p.Ticket, q.os)
	if !ok {
		return nil, catalog.New(catalog.JobUnknown, nil)
	}
	k.c.Log("console.capture", nil)
	a, err := k.captureState(ctx, q, key, ref)
	if err != nil {
		k.captures.over(key, q.os)
	}
	return a, err
}

// lookCapture tells how it stands.
func (k *Console) lookCapture(ctx context.Context, q *call) (any, error) {
	var p struct {
		Key string `json:"key"`
	}
	if err := q.decode(&p); err != nil {
		return nil, err
	}
	ref, ok := k.captures.of(p.Key, q.os)
	if !ok {
		return nil, catalog.New(catalog.JobUnknown, nil)
	}
	a, err := k.captureState(ctx, q, "", ref)
	if e, is := errors.AsType[*catalog.Error](err); is && e.ID == catalog.JobUnknown {
		k.captures.over(p.Key, q.os)
	}
	return a, err
}

// actCapture records what the person has said, or what the desk does. Who does it is who has begun the check-in: whatever the window
// says about that is not looked at.
func (k *Console) actCapture(ctx context.Context, q *call) (any, error) {
	var p struct {
		Key string `json:"key"`
		checkin.FaceActByRefParams
	}
	if err := q.decode(&p); err != nil {
		return nil, err
	}
	ref, ok := k.captures.of(p.Key, q.os)
	if !ok {
		return nil, catalog.New(catalog.JobUnknown, nil)
	}
	if p.Consent != nil {
		p.Consent.Operator = nil
	}
	if p.Face != nil {
		p.Face.By = nil
	}
	return nil, k.c.Faces.FaceActByRef(ctx, ref, p.FaceActByRefParams)
}

// frameCapture takes one picture: the body as it is, what belongs to it in headers. The body of whoever has no window is not read.
func (k *Console) frameCapture(ctx context.Context, q *call) (any, error) {
	h := q.r.Header
	ref, done, err := k.captures.begin(h.Get("X-Tapcheck-Key"), q.os)
	if err != nil {
		return nil, err
	}
	defer done()
	kind, _, err := mime.ParseMediaType(h.Get("Content-Type"))
	if err != nil || kind != "image/jpeg" && kind != "image/png" { // neither can be sent by a form of another page
		return nil, status{http.StatusUnsupportedMediaType, badField("content-type")}
	}
	seq, err := strconv.Atoi(h.Get("X-Tapcheck-Seq"))
	if err != nil || seq < 0 || seq > maxSeq {
		return nil, badField("seq")
	}
	at, err := strconv.ParseInt(h.Get("X-Tapcheck-At"), 10, 53)
	if err != nil || at < 0 {
		return nil, badField("at")
	}
	challenge := h.Get("X-Tapcheck-Challenge")
	if len(challenge) > maxName {
		return nil, badField("challenge")
	}
	picture, err := io.ReadAll(io.LimitReader(q.r.Body, maxPicture+1))
	defer clear(picture)
	var long *http.MaxBytesError
	switch {
	case len(picture) > maxPicture, errors.As(err, &long):
		return nil, status{http.StatusRequestEntityTooLarge, badField("body")}
	case err != nil:
		return nil, catalog.New(catalog.BadRequest, nil)
	}
	return k.c.Faces.FaceFrameByRef(ctx, ref, checkin.FaceFrameParams{
		Seq: &seq, AtMs: &at, Image: checkin.FaceImage{MIME: kind, Data: picture}, Challenge: challenge,
	})
}
