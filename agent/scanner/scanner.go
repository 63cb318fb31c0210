// Package scanner reads the scanners that the agent itself reads: those on a serial port (USB-CDC) and those in the HID
// point-of-sale mode. A scanner that types as a keyboard is none of them: it types into the console or the HIS.
//
// Scanners come and go: a port that is not there is looked for again and again, and one that breaks off is opened anew. What
// they send is bounded (MaxText) and brought into one form: UTF-8, one text a scan, without the prefix that names the kind
// of code. A text is secret and personal: it is never logged.
//
// Sources: USB HID 1.11 (report descriptors, §6.2.2), HID Point of Sale Usage Tables 1.02 (bar code scanners, page 8Ch).
package scanner

import (
	"context"
	"sync"
	"time"
)

// MaxText is the longest scanned text in bytes. A QR code holds at most 2,953.
const MaxText = 8192

// Bounds of time.
const (
	quiet   = 100 * time.Millisecond // without a byte: the scan is over
	again   = 2 * time.Second        // until a scanner that is not there is looked for again
	backlog = 8                      // scans that wait for whoever takes them
)

// Kinds of a scanner.
const (
	Serial = "serial"
	HID    = "hid"
)

// Scan is one scanned text.
type Scan struct {
	Text string
	Kind string // Serial or HID
	At   time.Time
}

// Config says which scanners are read.
type Config struct {
	Serial string // path or name of a port, "auto", or "" for none
	Baud   int
	HID    bool
	// Missing is told whether a scanner that is read is not there. It must return soon.
	Missing func(bool)
	// Log gets what happened, without personal data.
	Log func(event string, fields map[string]any)

	again time.Duration // of tests
}

// Scanner reads scanners.
type Scanner struct {
	c   Config
	out chan Scan

	mu      sync.Mutex
	missing map[string]bool
}

// New makes a scanner; nothing is opened before Watch.
func New(c Config) *Scanner {
	if c.Missing == nil {
		c.Missing = func(bool) {}
	}
	if c.Log == nil {
		c.Log = func(string, map[string]any) {}
	}
	if c.again <= 0 {
		c.again = again
	}
	return &Scanner{c: c, out: make(chan Scan, backlog), missing: map[string]bool{}}
}

// Watch gives the scans until ctx ends; then everything is closed and the channel too. It is called once.
func (s *Scanner) Watch(ctx context.Context) <-chan Scan {
	var reading sync.WaitGroup
	if s.c.Serial != "" {
		reading.Go(func() { s.keep(ctx, Serial, s.readSerial) })
	}
	if s.c.HID {
		reading.Go(func() { s.keep(ctx, HID, s.readHID) })
	}
	go func() {
		reading.Wait()
		close(s.out)
	}()
	return s.out
}

// keep calls read for as long as ctx lasts: it returns when its scanners are gone, or were not there.
func (s *Scanner) keep(ctx context.Context, kind string, read func(context.Context) error) {
	for ctx.Err() == nil {
		err := read(ctx)
		if ctx.Err() != nil {
			return
		}
		s.set(kind, true, err)
		select {
		case <-ctx.Done():
		case <-time.After(s.c.again):
		}
	}
}

// set says whether the scanners of a kind are missing.
func (s *Scanner) set(kind string, missing bool, why error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if was, known := s.missing[kind]; known && was == missing {
		return
	}
	s.missing[kind] = missing
	fields := map[string]any{"kind": kind}
	event := "scanner.ready"
	if missing {
		event = "scanner.missing"
		if why != nil {
			fields["problem"] = why.Error() // of the operating system, about a port
		}
	}
	s.c.Log(event, fields)
	s.c.Missing(s.missing[Serial] || s.missing[HID])
}

// emit hands a burst of bytes on as what was scanned. Nobody is waited for: a scan that nobody took is too old.
func (s *Scanner) emit(kind string, raw []byte) {
	for _, text := range texts(raw) {
		select {
		case s.out <- Scan{text, kind, time.Now()}:
		default:
			s.c.Log("scanner.dropped", map[string]any{"kind": kind})
		}
	}
}
