//go:build linux && cgo && !nopcsc

package pcsctest

import (
	"bytes"
	"encoding/binary"
	"io"
	"net"
	"strconv"
	"sync"
	"testing"
	"time"
	"unicode/utf16"

	"github.com/ebfe/scard"
)

// Operations of the bridge, as installer/wine/winscard.c numbers them.
const (
	opEstablish = iota + 1
	opRelease
	opCancel
	opList
	opChange
	opConnect
	opDisconnect
	opStatus
	opTransmit
)

// BridgeEnv names the bridge's port to the stand-in for winscard.dll.
const BridgeEnv = "TAPCHECK_WINSCARD"

// maxBridgeFrame is what the stand-in sends and takes at most.
const maxBridgeFrame = 1 << 18

// Bridge lets Windows programs under Wine reach this daemon: it does what installer/wine/winscard.c, the stand-in for
// winscard.dll, asks for. It gives the environment that they need, and ends with the test.
//
// Each call is a connection: a frame of 4 bytes little-endian length and content, answered by one whose content begins with
// the PC/SC code. A handle is 8 bytes, a number 4, a string or list its length in bytes and UTF-16.
func (d *Daemon) Bridge(t testing.TB) []string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	b := &bridge{contexts: map[uint64]*scard.Context{}, cards: map[uint64]*scard.Card{}}
	var all sync.WaitGroup
	all.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			all.Go(func() {
				defer c.Close()
				b.answer(c)
			})
		}
	})
	t.Cleanup(func() {
		_ = l.Close()
		b.end()
		all.Wait()
	})
	return []string{BridgeEnv + "=" + strconv.Itoa(l.Addr().(*net.TCPAddr).Port)}
}

type bridge struct {
	mu       sync.Mutex
	last     uint64
	contexts map[uint64]*scard.Context
	cards    map[uint64]*scard.Card
	waiting  sync.Mutex // scard cannot wait for one reader twice at a time
}

// end gives back what programs that were killed have left, which also ends their waits.
func (b *bridge) end() {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, c := range b.contexts {
		_ = c.Cancel()
		_ = c.Release()
	}
	clear(b.contexts)
}

func (b *bridge) answer(c net.Conn) {
	_ = c.SetReadDeadline(time.Now().Add(patience))
	var n uint32
	if binary.Read(c, binary.LittleEndian, &n) != nil || n == 0 || n > maxBridgeFrame {
		return
	}
	raw := make([]byte, n)
	if _, err := io.ReadFull(c, raw); err != nil {
		return
	}
	in := &fields{rest: raw[1:]}
	var out bytes.Buffer
	err := b.do(raw[0], in, &out)
	if err == nil && in.short {
		err = scard.ErrInvalidParameter
	}
	var code uint32
	if err != nil {
		code = uint32(scard.ErrUnknownError)
		if e, ok := err.(scard.Error); ok {
			code = uint32(e)
		}
		out.Reset()
	}
	frame := binary.LittleEndian.AppendUint32(nil, uint32(4+out.Len()))
	frame = binary.LittleEndian.AppendUint32(frame, code)
	_, _ = c.Write(append(frame, out.Bytes()...))
}

var errHandle = scard.ErrInvalidHandle

func (b *bridge) do(op byte, in *fields, out *bytes.Buffer) error {
	if op == opEstablish {
		c, err := scard.EstablishContext()
		if err != nil {
			return err
		}
		b.mu.Lock()
		defer b.mu.Unlock()
		b.last++
		b.contexts[b.last] = c
		putHandle(out, b.last)
		return nil
	}
	h := in.handle()
	b.mu.Lock()
	context, card := b.contexts[h], b.cards[h]
	switch op {
	case opRelease:
		delete(b.contexts, h)
	case opDisconnect:
		delete(b.cards, h)
	}
	b.mu.Unlock()
	if context == nil && card == nil {
		return errHandle
	}
	switch op {
	case opRelease, opCancel, opList, opChange, opConnect:
		if context == nil {
			return errHandle
		}
	default:
		if card == nil {
			return errHandle
		}
	}
	switch op {
	case opRelease:
		return context.Release()
	case opCancel:
		return context.Cancel()
	case opList:
		names, err := context.ListReaders()
		putList(out, names)
		return err
	case opChange:
		return b.change(context, in, out)
	case opConnect:
		name := in.text()
		card, err := context.Connect(name, scard.ShareMode(in.number()), scard.Protocol(in.number()))
		if err != nil {
			return err
		}
		b.mu.Lock()
		defer b.mu.Unlock()
		b.last++
		b.cards[b.last] = card
		putHandle(out, b.last)
		putNumber(out, uint32(card.ActiveProtocol()))
		return nil
	case opDisconnect:
		return card.Disconnect(scard.Disposition(in.number()))
	case opStatus:
		s, err := card.Status()
		if err != nil {
			return err
		}
		putList(out, []string{s.Reader})
		putNumber(out, windowsState(uint32(s.State)))
		putNumber(out, uint32(s.ActiveProtocol))
		putBytes(out, s.Atr)
		return nil
	case opTransmit:
		if protocol := scard.Protocol(in.number()); protocol != card.ActiveProtocol() {
			return scard.ErrProtoMismatch
		}
		rsp, err := card.Transmit(in.bytes())
		putBytes(out, rsp)
		return err
	}
	return scard.ErrInvalidParameter
}

func (b *bridge) change(context *scard.Context, in *fields, out *bytes.Buffer) error {
	timeout := time.Duration(in.number()) * time.Millisecond
	count := in.number()
	if count > 64 {
		return scard.ErrInvalidParameter
	}
	states := make([]scard.ReaderState, count)
	for i := range states {
		states[i].Reader = in.text()
		states[i].CurrentState = scard.StateFlag(in.number())
	}
	b.waiting.Lock()
	err := context.GetStatusChange(states, timeout)
	b.waiting.Unlock()
	for _, s := range states {
		putNumber(out, uint32(s.EventState))
		putBytes(out, s.Atr)
	}
	return err
}

// windowsState turns pcsc-lite's bit mask of a card's state into Windows' number.
func windowsState(lite uint32) uint32 {
	for _, s := range []struct{ bit, number uint32 }{{64, 6}, {32, 5}, {16, 4}, {4, 2}} { // specific, negotiable, powered, present
		if lite&s.bit != 0 {
			return s.number
		}
	}
	return 1 // absent
}

// fields reads a frame; short is set where it had less than was asked for.
type fields struct {
	rest  []byte
	short bool
}

func (f *fields) take(n int) []byte {
	if n > len(f.rest) {
		f.short, f.rest = true, nil
		return make([]byte, min(n, 8))
	}
	p := f.rest[:n]
	f.rest = f.rest[n:]
	return p
}

func (f *fields) handle() uint64 { return binary.LittleEndian.Uint64(f.take(8)) }
func (f *fields) number() uint32 { return binary.LittleEndian.Uint32(f.take(4)) }
func (f *fields) bytes() []byte  { return f.take(int(f.number())) }

func (f *fields) text() string {
	raw := f.bytes()
	wide := make([]uint16, len(raw)/2)
	for i := range wide {
		wide[i] = binary.LittleEndian.Uint16(raw[2*i:])
	}
	return string(utf16.Decode(wide))
}

func putHandle(b *bytes.Buffer, h uint64) { b.Write(binary.LittleEndian.AppendUint64(nil, h)) }
func putNumber(b *bytes.Buffer, n uint32) { b.Write(binary.LittleEndian.AppendUint32(nil, n)) }
func putBytes(b *bytes.Buffer, p []byte)  { putNumber(b, uint32(len(p))); b.Write(p) }

// putList writes names as Windows lists them: each ends with a zero, and so does the list.
func putList(b *bytes.Buffer, names []string) {
	var raw []byte
	for _, n := range append(names, "") {
		for _, u := range append(utf16.Encode([]rune(n)), 0) {
			raw = binary.LittleEndian.AppendUint16(raw, u)
		}
	}
	putBytes(b, raw)
}
