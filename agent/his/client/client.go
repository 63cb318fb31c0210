// Package client speaks the HIS protocol from the client's side, in Go: for the demo, for tests, and for desktop programs
// that are written in Go. It adds nothing to the protocol: one JSON-RPC 2.0 text frame each way, as shared with every
// other client.
package client

import (
	"context"
	"crypto/ecdsa"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"sync"
	"time"

	"github.com/gorilla/websocket"

	"github.com/tapcheck/tapcheck/agent/catalog"
)

// Subprotocol of version 1.
const Subprotocol = "tapcheck.v1"

// ErrClosed says that the connection is over; the cause is wrapped with it.
var ErrClosed = errors.New("connection to the agent is closed")

// Options say where to and as whom.
type Options struct {
	Addr   string // host:port of the agent, such as 127.0.0.1:27480
	Origin string // of a web page; empty for a desktop program
	Bearer string // token of a desktop program; never together with Origin
	// Key is the agent's own, as it was learnt at pairing or from its administrator. With it Dial asks for the agent's proof
	// before anything secret leaves: by discovery before a bearer token, which goes out with the connection, and by
	// agent.prove otherwise, so that session.open can bring a token. nil: whoever serves the port is trusted.
	Key *ecdsa.PublicKey
	// Trace, where it is set, gets every text frame as it goes out (sent) and comes in, before anything else is done with
	// it. Frames hold tokens and personal data. It may be called by several goroutines.
	Trace func(sent bool, frame []byte)
}

// Error is an error that the agent answered.
type Error struct {
	Code    int          `json:"code"`
	Message string       `json:"message"`
	Data    catalog.Wire `json:"data"`
}

func (e *Error) Error() string { return fmt.Sprintf("agent answered %s (%d)", e.Data.ID, e.Code) }

// Refused is a connection that the agent's gate turned away.
type Refused struct {
	Status int
	Reason string // stable id
}

func (e *Refused) Error() string {
	return fmt.Sprintf("agent refused the connection: %s (%d)", e.Reason, e.Status)
}

// Notification is a message that the agent sent by itself.
type Notification struct {
	Method string
	Params json.RawMessage
}

// Client is one connection. Call may be used by several goroutines.
type Client struct {
	conn  *websocket.Conn
	trace func(sent bool, frame []byte)
	notes chan Notification
	done  chan struct{}

	mu    sync.Mutex
	next  int
	open  map[int]chan frame
	cause error
}

type frame struct {
	ID     *int            `json:"id"`
	Method string          `json:"method"`
	Params json.RawMessage `json:"params"`
	Result json.RawMessage `json:"result"`
	Error  *Error          `json:"error"`
}

// Dial connects. The first notification that Notifications gives is agent.hello. Errors: *Refused, ErrImpostor, or the
// network's.
func Dial(ctx context.Context, o Options) (*Client, error) {
	header := http.Header{}
	if o.Origin != "" {
		header.Set("Origin", o.Origin)
	}
	if o.Bearer != "" {
		header.Set("Authorization", "Bearer "+o.Bearer)
	}
	d := websocket.Dialer{Subprotocols: []string{Subprotocol}, HandshakeTimeout: 5 * time.Second}
	if o.Key != nil && o.Bearer != "" {
		proven, err := provenConn(ctx, o)
		if err != nil {
			return nil, err
		}
		d.NetDialContext = func(context.Context, string, string) (net.Conn, error) { return proven, nil }
	}
	conn, resp, err := d.DialContext(ctx, "ws://"+o.Addr+"/v1", header)
	if err != nil {
		if resp != nil {
			return nil, &Refused{Status: resp.StatusCode, Reason: resp.Header.Get("Tapcheck-Reason")}
		}
		return nil, err
	}
	if o.Trace == nil {
		o.Trace = func(bool, []byte) {}
	}
	c := &Client{conn: conn, trace: o.Trace, notes: make(chan Notification, 256), done: make(chan struct{}), open: map[int]chan frame{}}
	if o.Key != nil && o.Bearer == "" {
		hello, err := c.prove(ctx, o)
		if err != nil {
			_ = conn.Close()
			return nil, err
		}
		c.notes <- Notification{hello.Method, hello.Params}
	}
	go c.receive()
	return c, nil
}

// Notifications gives what the agent sends by itself, in order; it is closed with the connection. A reader that falls 256
// notifications behind loses the connection, as it would lose it at the agent's end.
func (c *Client) Notifications() <-chan Notification { return c.notes }

// Call asks and waits for the answer, which is decoded into result unless that is nil. Errors: *Error, ErrClosed, ctx's.
func (c *Client) Call(ctx context.Context, method string, params, result any) error {
	answer := make(chan frame, 1)
	c.mu.Lock()
	if c.cause != nil {
		defer c.mu.Unlock()
		return c.cause
	}
	c.next++
	id := c.next
	c.open[id] = answer
	request := struct {
		Version string `json:"jsonrpc"`
		ID      int    `json:"id"`
		Method  string `json:"method"`
		Params  any    `json:"params,omitempty"`
	}{"2.0", id, method, params}
	raw, err := json.Marshal(request)
	if err == nil {
		c.trace(true, raw)
		err = c.conn.SetWriteDeadline(time.Now().Add(5 * time.Second))
	}
	if err == nil {
		err = c.conn.WriteMessage(websocket.TextMessage, raw)
	}
	c.mu.Unlock()
	defer func() {
		c.mu.Lock()
		delete(c.open, id)
		c.mu.Unlock()
	}()
	if err != nil {
		return fmt.Errorf("%w: %w", ErrClosed, err)
	}
	select {
	case f := <-answer:
		if f.Error != nil {
			return f.Error
		}
		if result == nil {
			return nil
		}
		return json.Unmarshal(f.Result, result)
	case <-c.done:
		c.mu.Lock()
		defer c.mu.Unlock()
		return c.cause
	case <-ctx.Done():
		return ctx.Err()
	}
}

// Close ends the connection and waits for the end.
func (c *Client) Close() error {
	deadline := time.Now().Add(time.Second)
	_ = c.conn.WriteControl(websocket.CloseMessage, websocket.FormatCloseMessage(websocket.CloseNormalClosure, ""), deadline)
	err := c.conn.Close()
	<-c.done
	return err
}

func (c *Client) receive() {
	defer close(c.done)
	defer close(c.notes)
	for {
		var f frame
		kind, raw, err := c.conn.ReadMessage()
		if err == nil && kind == websocket.TextMessage {
			c.trace(false, raw)
			err = json.Unmarshal(raw, &f)
		}
		if err == nil && f.Method != "" {
			select {
			case c.notes <- Notification{f.Method, f.Params}:
				continue
			default:
				err = errors.New("notifications are not read")
			}
		}
		if err != nil {
			c.mu.Lock()
			c.cause = fmt.Errorf("%w: %w", ErrClosed, err)
			c.mu.Unlock()
			_ = c.conn.Close()
			return
		}
		if f.ID == nil {
			continue // an error that answers nothing that can be told apart
		}
		c.mu.Lock()
		if answer, ok := c.open[*f.ID]; ok {
			delete(c.open, *f.ID)
			answer <- f
		}
		c.mu.Unlock()
	}
}
