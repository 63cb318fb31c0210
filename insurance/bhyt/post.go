package bhyt

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"slices"
	"time"

	"github.com/tapcheck/tapcheck/insurance"
)

// maxAnswer is how much of an answer is read, in bytes.
const maxAnswer = 1 << 20

// reply is what came back, whatever it is.
type reply struct {
	status  int
	body    []byte
	refused bool
}

// post sends one call and reads its answer. Both calls that there are may be sent twice, so one that was cut off is, once: a
// connection that the gateway had already given up looks just like that.
func (c *Client) post(ctx context.Context, call, target string, body []byte) (reply, error) {
	for attempt := 0; ; attempt++ {
		start := time.Now()
		r, err := c.send(ctx, target, body)
		word := cause(err)
		fields := map[string]any{"call": call, "ms": time.Since(start).Milliseconds()}
		if err == nil {
			fields["status"] = r.status
		} else {
			fields["error"] = word
		}
		c.cfg.Log("bhyt.call", fields)
		switch {
		case err == nil:
			return r, nil
		case ctx.Err() != nil:
			return reply{}, contextError(ctx.Err())
		case errors.Is(err, insurance.ErrGarbage):
			return reply{}, err
		case attempt > 0 || word != wordCut || !pause(ctx, 50*time.Millisecond):
			// The error itself holds the URL, and with it the secrets: only its kind goes on.
			return reply{}, fmt.Errorf("%w: %s", insurance.ErrUnreachable, word)
		}
	}
}

// pause waits about d, so that calls that failed together do not come back together. It says whether ctx still lives.
func pause(ctx context.Context, d time.Duration) bool {
	t := time.NewTimer(d/2 + rand.N(d))
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-ctx.Done():
		return false
	}
}

func (c *Client) send(ctx context.Context, target string, body []byte) (reply, error) {
	ctx, cancel := context.WithTimeout(ctx, c.cfg.Timeout)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, target, bytes.NewReader(body))
	if err != nil {
		return reply{}, err
	}
	req.Header.Set("Content-Type", "application/json; charset=utf-8")
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
	return reply{status: resp.StatusCode, body: b}, nil
}

// Words for what went wrong on the way. Nothing else of such an error is ever shown.
const (
	wordTime    = "timeout"
	wordName    = "host name not found"
	wordRefused = "connection refused"
	wordTLS     = "certificate or TLS version not accepted"
	wordCut     = "connection cut"
	wordOther   = "network error"
)

func cause(err error) string {
	var (
		timeout   interface{ Timeout() bool }
		dns       *net.DNSError
		authority x509.UnknownAuthorityError
		host      x509.HostnameError
		invalid   x509.CertificateInvalidError
		verify    *tls.CertificateVerificationError
		record    tls.RecordHeaderError
		alert     tls.AlertError
	)
	switch {
	case err == nil:
		return ""
	case errors.As(err, &dns):
		return wordName
	case errors.Is(err, context.DeadlineExceeded), errors.As(err, &timeout) && timeout.Timeout():
		return wordTime
	case errors.As(err, &authority), errors.As(err, &host), errors.As(err, &invalid), errors.As(err, &verify), errors.As(err, &record), errors.As(err, &alert):
		return wordTLS
	case errors.Is(err, errRefused):
		return wordRefused
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, net.ErrClosed),
		slices.ContainsFunc(errsCut, func(cut error) bool { return errors.Is(err, cut) }):
		return wordCut
	}
	return wordOther
}
