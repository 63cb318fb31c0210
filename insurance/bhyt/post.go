package bhyt

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"strconv"
	"sync/atomic"
	"time"

	"github.com/tapcheck/tapcheck/insurance"
)

// maxAnswer is how much of an answer is read, in bytes.
const maxAnswer = 1 << 20

// reply is what came back, whatever it is.
type reply struct {
	status     int
	body       []byte
	refused    bool
	simulated  bool
	retryAfter time.Duration
}

// Kinds of body.
const (
	jsonType = "application/json; charset=utf-8"
	formType = "application/x-www-form-urlencoded"
)

// How often, and after how long, a call is made again.
const (
	maxAttempts = 3
	firstPause  = 50 * time.Millisecond // then twice that
	maxQuiet    = 2 * time.Minute
)

// post makes one call and reads its answer. All calls that there are only ask, so one that was not answered may be made again: it is,
// twice at most and within Config.Timeout altogether, after a connection that was cut or refused (one that the gateway had already given up
// looks just like that) and after what a proxy or an overloaded server says in its place. What timed out is not, for it has
// used up the patient's time; nor is an answer, whatever it says. A Retry-After is heeded, for everybody.
func (c *Client) post(ctx context.Context, name, target string, body []byte, kind string) (reply, error) {
	began := time.Now()
	for attempt := 1; ; attempt++ {
		start := time.Now()
		r, err := c.once(ctx, target, body, kind, c.cfg.Timeout-start.Sub(began))
		word := insurance.NetworkCause(err)
		fields := map[string]any{"call": name, "ms": time.Since(start).Milliseconds()}
		if err == nil {
			fields["status"] = r.status
		} else {
			fields["error"] = word
		}
		c.cfg.Log("bhyt.call", fields)
		again := word == insurance.NetworkCut || word == insurance.NetworkRefused
		if err == nil {
			again = overloaded(r)
			if wait := r.retryAfter; wait > 0 {
				c.quiet.set(c.cfg.Now().Add(min(wait, maxQuiet)))
				again = false
			}
		}
		if again && attempt < maxAttempts && pause(ctx, firstPause<<(attempt-1), c.cfg.Timeout-time.Since(began)) {
			continue
		}
		switch {
		case err == nil:
			return r, nil
		case ctx.Err() != nil:
			return reply{}, contextError(ctx.Err())
		case errors.Is(err, insurance.ErrGarbage):
			return reply{}, err
		}
		// The error itself holds the URL, and with it the secrets: only its kind goes on.
		return reply{}, fmt.Errorf("%w: %s", insurance.ErrUnreachable, word)
	}
}

// overloaded says that what answered is not the gateway's program, but what stands before it and cannot reach it just now.
func overloaded(r reply) bool {
	switch r.status {
	case http.StatusBadGateway, http.StatusServiceUnavailable, http.StatusGatewayTimeout:
		var code struct {
			MaKetQua Text `json:"maKetQua"`
		}
		return read(r.body, &code) != nil || code.MaKetQua == ""
	}
	return false
}

// pause waits about d, so that calls that failed together do not come back together. It says whether there is still time for a
// call after that: left of the call's own time, and of the caller's.
func pause(ctx context.Context, d, left time.Duration) bool {
	d = d/2 + rand.N(d)
	if end, ok := ctx.Deadline(); ok {
		left = min(left, time.Until(end))
	}
	if d >= left {
		return false
	}
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-ctx.Done():
		return false
	}
}

// quiet is until when the gateway has asked not to be asked.
type quiet struct{ at atomic.Int64 }

func (q *quiet) set(t time.Time)  { q.at.Store(t.UnixNano()) }
func (q *quiet) until() time.Time { return time.Unix(0, q.at.Load()) }

func (c *Client) once(ctx context.Context, target string, body []byte, kind string, limit time.Duration) (reply, error) {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, target, bytes.NewReader(body))
	if err != nil {
		return reply{}, err
	}
	req.Header.Set("Content-Type", kind)
	req.Header.Set("Accept", "application/json")
	req.Header.Set("User-Agent", "tapcheck")
	resp, err := c.http.Do(req)
	if err != nil {
		return reply{}, err
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswer+1))
	if len(b) > maxAnswer {
		return reply{}, fmt.Errorf("%w: more than 1 MiB", insurance.ErrGarbage)
	}
	if err != nil {
		return reply{}, err
	}
	r := reply{status: resp.StatusCode, body: b, simulated: resp.Header.Get(SimulatedHeader) != ""}
	if r.status == http.StatusTooManyRequests || r.status == http.StatusServiceUnavailable {
		r.retryAfter = retryAfter(resp.Header.Get("Retry-After"), c.cfg.Now())
	}
	return r, nil
}

// retryAfter reads the header in both of its forms (RFC 9110, 10.2.3); 0 where it says nothing.
func retryAfter(s string, now time.Time) time.Duration {
	if n, err := strconv.ParseUint(s, 10, 31); err == nil {
		return time.Duration(n) * time.Second
	}
	if at, err := http.ParseTime(s); err == nil {
		return max(at.Sub(now), 0)
	}
	return 0
}
