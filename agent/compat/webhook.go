package compat

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"crypto/tls"
	"encoding/hex"
	"encoding/json"
	"errors"
	"io"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"syscall"
	"time"

	"github.com/tapcheck/tapcheck/agent/mapping"
)

// Bounds of the webhook.
const (
	hookQueue   = 16 // deliveries that wait, in memory only
	hookTries   = 4
	hookTimeout = 10 * time.Second // of one try
	hookPause   = time.Second      // before the second try; it doubles
	hookAnswer  = 4 << 10          // of an answer is read, and dropped
)

// Headers of a delivery. The signature is "sha256=" and the HMAC-SHA256, in hexadecimal, over the time stamp, a point and
// the body, with the secret that both sides have.
const (
	HeaderDelivery  = "Tapcheck-Delivery"  // id of the check-in: the same in each try, so that a receiver can drop a second one
	HeaderTimestamp = "Tapcheck-Timestamp" // seconds since 1970
	HeaderSignature = "Tapcheck-Signature"
)

// WebhookConfig says where to and how.
type WebhookConfig struct {
	URL    string // https, or http to this PC
	Secret []byte // nil signs nothing
	// Failing is told how the last delivery went.
	Failing func(bool)
	Log     func(event string, fields map[string]any)

	tls   *tls.Config // of tests
	pause time.Duration
}

// Webhook delivers check-ins. What cannot be delivered within some seconds is dropped: nothing of it is ever on a disk.
type Webhook struct {
	c      WebhookConfig
	client *http.Client
	queue  chan delivery
}

type delivery struct {
	id   string
	body []byte
}

// errElsewhere is an address that is not this PC's although it should be.
var errElsewhere = errors.New("address is not on this PC")

// NewWebhook makes one; the URL must have one of the allowed forms (settings).
func NewWebhook(c WebhookConfig) (*Webhook, error) {
	u, err := url.Parse(c.URL)
	if err != nil || u.Hostname() == "" || u.Scheme != "https" && u.Scheme != "http" {
		return nil, errors.New("webhook: address has the wrong form")
	}
	if c.Log == nil {
		c.Log = func(string, map[string]any) {}
	}
	if c.Failing == nil {
		c.Failing = func(bool) {}
	}
	if c.pause <= 0 {
		c.pause = hookPause
	}
	dialer := &net.Dialer{Timeout: 5 * time.Second}
	if u.Scheme == "http" {
		// Whatever the name resolves to: in clear it goes to this PC or nowhere.
		dialer.Control = func(_, address string, _ syscall.RawConn) error {
			host, _, err := net.SplitHostPort(address)
			if ip := net.ParseIP(host); err != nil || ip == nil || !ip.IsLoopback() {
				return errElsewhere
			}
			return nil
		}
	}
	config := &tls.Config{MinVersion: tls.VersionTLS12}
	if c.tls != nil {
		config = c.tls
	}
	return &Webhook{c: c, queue: make(chan delivery, hookQueue), client: &http.Client{
		Timeout: hookTimeout,
		// No proxy of the environment: a patient's data goes where the settings say.
		Transport: &http.Transport{
			DialContext: dialer.DialContext, TLSClientConfig: config, TLSHandshakeTimeout: 5 * time.Second, MaxIdleConns: 1, MaxConnsPerHost: 1,
			IdleConnTimeout: 30 * time.Second, MaxResponseHeaderBytes: 16 << 10, ForceAttemptHTTP2: true,
		},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}, nil
}

// Send queues a delivery. Where too many wait already, it is dropped and counts as a failure.
func (h *Webhook) Send(id string, fields []mapping.Pair) {
	select {
	case h.queue <- delivery{id, object(fields)}:
	default:
		h.c.Log("webhook.full", nil)
		h.c.Failing(true)
	}
}

// object is a JSON object with the fields in their order.
func object(fields []mapping.Pair) []byte {
	b := []byte("{")
	for i, f := range fields {
		if i > 0 {
			b = append(b, ',')
		}
		name, _ := json.Marshal(f.Name)
		value, _ := json.Marshal(f.Value)
		b = append(append(append(b, name...), ':'), value...)
	}
	return append(b, '}')
}

// Run delivers until ctx ends. What waits then is dropped.
func (h *Webhook) Run(ctx context.Context) {
	defer h.client.CloseIdleConnections()
	for {
		select {
		case <-ctx.Done():
			return
		case d := <-h.queue:
			h.deliver(ctx, d)
		}
	}
}

// deliver tries as often as it makes sense: again after an error of the network or of the server, not after a refusal.
func (h *Webhook) deliver(ctx context.Context, d delivery) {
	pause := h.c.pause
	for try := 1; ; try++ {
		status, err := h.post(ctx, d)
		if ctx.Err() != nil {
			return
		}
		ok := err == nil && status/100 == 2
		again := err != nil || status/100 == 5 || status == http.StatusTooManyRequests || status == http.StatusRequestTimeout
		if errors.Is(err, errElsewhere) {
			again = false
		}
		if ok || !again || try == hookTries {
			fields := map[string]any{"status": status, "tries": try, "ok": ok}
			if err != nil {
				fields["error"] = "unreachable" // the error of net/http has the address in it
			}
			h.c.Log("webhook.delivered", fields)
			h.c.Failing(!ok)
			return
		}
		select {
		case <-ctx.Done():
			return
		case <-time.After(pause):
		}
		pause *= 2
	}
}

func (h *Webhook) post(ctx context.Context, d delivery) (status int, err error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, h.c.URL, bytes.NewReader(d.body))
	if err != nil {
		return 0, err
	}
	r.Header.Set("Content-Type", "application/json; charset=utf-8")
	r.Header.Set("User-Agent", "tapcheck")
	r.Header.Set(HeaderDelivery, d.id)
	stamp := strconv.FormatInt(time.Now().Unix(), 10)
	r.Header.Set(HeaderTimestamp, stamp)
	if h.c.Secret != nil {
		r.Header.Set(HeaderSignature, Sign(h.c.Secret, stamp, d.body))
	}
	a, err := h.client.Do(r)
	if err != nil {
		return 0, err
	}
	defer a.Body.Close()
	_, _ = io.Copy(io.Discard, io.LimitReader(a.Body, hookAnswer))
	return a.StatusCode, nil
}

// Sign is the signature of a delivery; a receiver makes its own and compares them in constant time.
func Sign(secret []byte, timestamp string, body []byte) string {
	m := hmac.New(sha256.New, secret)
	m.Write([]byte(timestamp + "."))
	m.Write(body)
	return "sha256=" + hex.EncodeToString(m.Sum(nil))
}
