package virtual

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"strings"
	"time"
)

// Controls of the wire protocol: bodies of one byte.
const (
	ctrlOff   = 0x00
	ctrlOn    = 0x01
	ctrlReset = 0x02
	ctrlATR   = 0x04
)

// writeTimeout ends a connection whose other side takes nothing any more.
const writeTimeout = 5 * time.Second

// writeFrame sends the length and the body as one write, so that they leave in one packet.
func writeFrame(w io.Writer, body []byte) error {
	if len(body) > maxFrame {
		return fmt.Errorf("a frame of %d bytes does not fit the protocol", len(body))
	}
	if c, ok := w.(net.Conn); ok {
		_ = c.SetWriteDeadline(time.Now().Add(writeTimeout))
	}
	buf := binary.BigEndian.AppendUint16(make([]byte, 0, 2+len(body)), uint16(len(body)))
	_, err := w.Write(append(buf, body...))
	return err
}

// readFrame receives one frame. It takes memory for what has really come, never for what a length promises.
func readFrame(r io.Reader) ([]byte, error) {
	var head [2]byte
	if _, err := io.ReadFull(r, head[:]); err != nil {
		return nil, err
	}
	n := int(binary.BigEndian.Uint16(head[:]))
	body, err := io.ReadAll(io.LimitReader(r, int64(n)))
	if err != nil {
		return nil, err
	}
	if len(body) < n {
		return nil, io.ErrUnexpectedEOF
	}
	return body, nil
}

// eager is a connection that acknowledges at once. vpcd, and many simulated cards, send the length and the body of a frame
// as two packets with Nagle's algorithm on; with Linux's delayed acknowledgements every APDU then takes about 45 ms instead
// of 0.1 ms. The kernel forgets the setting, so it is set before every read.
type eager struct{ *net.TCPConn }

func (c eager) Read(p []byte) (int, error) {
	quickACK(c.TCPConn)
	return c.TCPConn.Read(p)
}

func newEager(c net.Conn) (eager, error) {
	tcp, ok := c.(*net.TCPConn)
	if !ok {
		return eager{}, errors.New("not a TCP connection")
	}
	return eager{tcp}, tcp.SetNoDelay(true)
}

// errNotLoopback refuses every address that other machines could reach or be.
var errNotLoopback = errors.New(`a virtual reader's address is "tcp:127.0.0.1:PORT" or "tcp:[::1]:PORT", nothing else`)

// loopback checks an address; the "tcp:" before it may be missing. Names are refused, also localhost: what a name means
// is for others to say.
func loopback(addr string) (netip.AddrPort, error) {
	ap, err := netip.ParseAddrPort(strings.TrimPrefix(addr, "tcp:"))
	if err != nil || !ap.Addr().IsLoopback() || ap.Addr().Zone() != "" || ap.Addr().Is4In6() {
		return netip.AddrPort{}, errNotLoopback
	}
	return ap, nil
}
