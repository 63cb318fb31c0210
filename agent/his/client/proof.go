package client

import (
	"bufio"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/big"
	"net"
	"net/http"
	"slices"
	"strconv"
	"time"

	"github.com/gorilla/websocket"
)

// ErrImpostor says that whoever serves the port is not the agent whose key is known: it could not sign. Nothing secret has
// been sent to it.
var ErrImpostor = errors.New("whoever serves this port is not the agent")

// What the agent's signatures begin with; see agent/his, proof.go.
const (
	proveTag     = "tapcheck agent.prove v1\x00"
	discoveryTag = "tapcheck discovery v1\x00"
)

// proofTime bounds the asking, and proofBytes the answer.
const (
	proofTime  = 5 * time.Second
	proofBytes = 64 << 10
)

// PublicKey is the agent's key from the x and y of its JWK, as pairing.confirm and agent.prove give it.
func PublicKey(x, y string) (*ecdsa.PublicKey, error) {
	rx, err := base64.RawURLEncoding.DecodeString(x)
	if err != nil || len(rx) != 32 {
		return nil, errors.New("x is no coordinate of P-256")
	}
	ry, err := base64.RawURLEncoding.DecodeString(y)
	if err != nil || len(ry) != 32 {
		return nil, errors.New("y is no coordinate of P-256")
	}
	return ecdsa.ParseUncompressedPublicKey(elliptic.P256(), slices.Concat([]byte{4}, rx, ry))
}

// proof is the agent's answer. The key in it is not looked at: anybody can send one.
type proof struct {
	Signature  string `json:"signature"`
	InstanceID string `json:"instanceId"`
	Port       uint16 `json:"port"`
}

// verify says whether the proof is the known key's, for our nonce and for the port that we are connected to.
func (p proof) verify(key *ecdsa.PublicKey, tag string, nonce, challenge []byte, port uint16) error {
	sig, err := base64.RawURLEncoding.DecodeString(p.Signature)
	if err != nil || len(sig) != 64 || p.Port != port {
		return ErrImpostor
	}
	digest := sha256.Sum256(slices.Concat([]byte(tag), nonce, challenge, binary.BigEndian.AppendUint16(nil, port), []byte(p.InstanceID)))
	if !ecdsa.Verify(key, digest[:], new(big.Int).SetBytes(sig[:32]), new(big.Int).SetBytes(sig[32:])) {
		return ErrImpostor
	}
	return nil
}

func newNonce() (nonce []byte, text string) {
	nonce = make([]byte, 32)
	_, _ = rand.Read(nonce) // never fails (crypto/rand)
	return nonce, base64.RawURLEncoding.EncodeToString(nonce)
}

func portOf(addr string) (uint16, error) {
	_, p, err := net.SplitHostPort(addr)
	if err != nil {
		return 0, err
	}
	port, err := strconv.ParseUint(p, 10, 16)
	return uint16(port), err
}

// provenConn connects and asks for the agent's proof by discovery. The upgrade, which brings the token, then goes over the
// same connection: on another one somebody else could be answering by now.
func provenConn(ctx context.Context, o Options) (net.Conn, error) {
	port, err := portOf(o.Addr)
	if err != nil {
		return nil, err
	}
	conn, err := (&net.Dialer{}).DialContext(ctx, "tcp", o.Addr)
	if err != nil {
		return nil, err
	}
	stop := context.AfterFunc(ctx, func() { _ = conn.SetDeadline(time.Now()) })
	defer stop()
	err = func() error {
		_ = conn.SetDeadline(time.Now().Add(proofTime))
		nonce, text := newNonce()
		if _, err := io.WriteString(conn, "GET /.well-known/tapcheck.json?nonce="+text+" HTTP/1.1\r\nHost: "+o.Addr+"\r\n\r\n"); err != nil {
			return err
		}
		in := bufio.NewReader(io.LimitReader(conn, proofBytes))
		resp, err := http.ReadResponse(in, nil)
		if err != nil {
			return fmt.Errorf("%w: %w", ErrImpostor, err)
		}
		raw, err := io.ReadAll(resp.Body)
		if err != nil {
			return fmt.Errorf("%w: %w", ErrImpostor, err)
		}
		var d struct {
			Proof proof `json:"proof"`
		}
		if resp.StatusCode != http.StatusOK || json.Unmarshal(raw, &d) != nil || in.Buffered() > 0 || resp.Close {
			return ErrImpostor
		}
		return d.Proof.verify(o.Key, discoveryTag, nonce, nil, port)
	}()
	if err == nil {
		err = ctx.Err()
	}
	if err == nil {
		err = conn.SetDeadline(time.Time{})
	}
	if err != nil {
		_ = conn.Close()
		return nil, err
	}
	return conn, nil
}

// prove asks for the agent's proof over a connection that was just made, and gives agent.hello, which came first.
func (c *Client) prove(ctx context.Context, o Options) (hello frame, err error) {
	port, err := portOf(o.Addr)
	if err != nil {
		return hello, err
	}
	stop := context.AfterFunc(ctx, func() { _ = c.conn.SetReadDeadline(time.Now()) })
	defer stop()
	_ = c.conn.SetReadDeadline(time.Now().Add(proofTime))
	c.conn.SetReadLimit(proofBytes)
	next := func() (f frame, err error) {
		kind, raw, err := c.conn.ReadMessage()
		if err != nil {
			return f, fmt.Errorf("%w: %w", ErrImpostor, err)
		}
		c.trace(false, raw)
		if kind != websocket.TextMessage || json.Unmarshal(raw, &f) != nil {
			return f, ErrImpostor
		}
		return f, nil
	}
	hello, err = next()
	if err != nil {
		return hello, err
	}
	var said struct {
		Challenge string `json:"challenge"`
	}
	if hello.Method != "agent.hello" || json.Unmarshal(hello.Params, &said) != nil {
		return hello, ErrImpostor
	}
	challenge, err := base64.RawURLEncoding.DecodeString(said.Challenge)
	if err != nil || len(challenge) != 32 {
		return hello, ErrImpostor
	}
	nonce, text := newNonce()
	raw, err := json.Marshal(map[string]any{"jsonrpc": "2.0", "id": 0, "method": "agent.prove", "params": map[string]string{"nonce": text}})
	if err != nil {
		return hello, err
	}
	c.trace(true, raw)
	_ = c.conn.SetWriteDeadline(time.Now().Add(proofTime))
	if err := c.conn.WriteMessage(websocket.TextMessage, raw); err != nil {
		return hello, err
	}
	answer, err := next()
	if err != nil {
		return hello, err
	}
	var p proof
	if answer.ID == nil || *answer.ID != 0 || answer.Error != nil || json.Unmarshal(answer.Result, &p) != nil {
		return hello, ErrImpostor
	}
	if err := p.verify(o.Key, proveTag, nonce, challenge, port); err != nil {
		return hello, err
	}
	c.conn.SetReadLimit(0)
	return hello, errors.Join(c.conn.SetReadDeadline(time.Time{}), ctx.Err())
}
