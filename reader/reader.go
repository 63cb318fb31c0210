// Package reader says what a card reader and a card in it are, whatever carries them: a PC/SC stack (reader/pcsc) or
// memory and loopback ports (reader/virtual).
//
// A Monitor keeps a level-triggered picture of all readers: whoever missed an event loses nothing, because each Info
// carries counters. A Card carries APDUs and nothing else. Go cannot stop a call into a hung driver: such a call is
// abandoned, counted and bounded, and the reader is Stuck until it returns.
package reader

import (
	"context"
	"errors"
)

// State is what a reader is like. The values go over the wire and are frozen.
type State string

// States of a reader.
const (
	Absent State = "absent" // was there, has been unplugged
	Empty  State = "empty"
	Card   State = "card"
	Mute   State = "mute"  // a card is there and does not answer
	Busy   State = "busy"  // another program holds the card
	Error  State = "error" // reader or driver is faulty, or stuck in a call
)

// Info is one reader as it is now.
type Info struct {
	ID          string // stable across restarts and replugging at the same place; safe to show and to log
	Name        string // as the stack names it
	Contactless bool   // best knowledge; contact readers say false
	Virtual     bool   // never real hardware
	State       State
	ATR         []byte // answer to reset of the card that is there; nil without one
	// Insertion counts the cards that came to this reader since the monitor started. A card that was lifted and put down
	// again has another number, even if nobody saw it leave.
	Insertion uint64
}

// Monitor watches readers and connects to cards. It is safe for concurrent use.
type Monitor interface {
	// Readers is a snapshot, in a stable order.
	Readers() []Info
	// Watch gives a channel that gets a value after each change of Readers or Health, and one at the start; changes
	// coalesce. It is closed when ctx ends or the monitor is closed.
	Watch(ctx context.Context) <-chan struct{}
	// Connect opens the card in the reader exclusively. Errors: ErrReaderGone, ErrNoCard, ErrCardMute, ErrReaderBusy,
	// ErrReaderStuck, ErrServiceStopped, or ctx's.
	Connect(ctx context.Context, id string) (Session, error)
	// Health is nil, or why no reader can be used at all (ErrServiceStopped).
	Health() error
	// Close stops everything and waits for it, but for calls that are stuck in a driver.
	Close() error
}

// Session is a card that is connected.
type Session interface {
	ATR() []byte
	Reader() Info // as it was when the card was connected
	// Transmit sends one command APDU and gives the response with its status word, at least two bytes. Errors:
	// ErrCardRemoved, ErrCardReset, ErrCardMute, ErrReaderGone, ErrServiceStopped, ErrReaderStuck, ErrTransport, or ctx's.
	// After any error the session is dead.
	Transmit(ctx context.Context, apdu []byte) ([]byte, error)
	// Close lets the card go, reset.
	Close() error
}

// What can go wrong with a reader or a card. Typed errors of reader/pcsc keep the PC/SC code and unwrap to one of these.
var (
	ErrServiceStopped = errors.New("PC/SC service is not running")
	ErrReaderGone     = errors.New("reader is gone")
	ErrReaderBusy     = errors.New("another program uses the card")
	ErrReaderStuck    = errors.New("reader does not return from a call")
	ErrNoCard         = errors.New("no card in the reader")
	ErrCardRemoved    = errors.New("card was removed")
	ErrCardReset      = errors.New("card was reset by another program")
	ErrCardMute       = errors.New("card does not answer")
	ErrTransport      = errors.New("transmission to the card failed")
	ErrClosed         = errors.New("monitor is closed")
	// ErrAccessDenied is a PC/SC service that runs and refuses this user (polkit, or the account of a Windows service). It
	// comes with ErrServiceStopped: nothing can be read either way, but the cure is another.
	ErrAccessDenied = errors.New("PC/SC service refuses this user")
)
