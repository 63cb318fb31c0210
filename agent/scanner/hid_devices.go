//go:build linux || windows

package scanner

import (
	"context"
	"io"
	"sync"
	"time"
)

// hidDevice is a scanner that is open. A Read gives one report; Close ends a Read that is waiting.
type hidDevice interface {
	io.ReadCloser
	size() int // bytes of the longest report
	// decode gives what a report says of a code, and whether the code goes on in the next one.
	decode(report []byte) (data []byte, more, ok bool)
	release() // what decode needs; after the last one
}

// readHID reads every scanner that is there, until none is left or ctx ends; ones that are plugged in meanwhile are found
// too.
func (s *Scanner) readHID(ctx context.Context) error {
	ctx, stop := context.WithCancel(ctx)
	var reading sync.WaitGroup
	defer reading.Wait()
	defer stop()
	var mu sync.Mutex
	open := map[string]bool{}
	var last error
	look := time.NewTicker(s.c.again)
	defer look.Stop()
	for ctx.Err() == nil {
		names, err := hidNames()
		if err != nil {
			last = err
		}
		for _, name := range names {
			mu.Lock()
			there := open[name]
			mu.Unlock()
			if there {
				continue
			}
			d, err := openHID(name)
			if err != nil {
				last = err
				continue
			}
			if d == nil {
				continue // no scanner
			}
			mu.Lock()
			open[name] = true
			mu.Unlock()
			s.set(HID, false, nil)
			reading.Go(func() {
				s.readReports(ctx, d)
				mu.Lock()
				defer mu.Unlock()
				delete(open, name)
			})
		}
		mu.Lock()
		none := len(open) == 0
		mu.Unlock()
		if none {
			if last != nil {
				return last
			}
			return errNoScanner
		}
		select {
		case <-ctx.Done():
		case <-look.C:
		}
	}
	return ctx.Err()
}

// readReports reads one device until it is gone. It closes it.
func (s *Scanner) readReports(ctx context.Context, d hidDevice) {
	defer d.release()
	defer d.Close()
	stop := context.AfterFunc(ctx, func() { _ = d.Close() })
	defer stop()
	var c collector
	buf := make([]byte, d.size())
	for {
		n, err := d.Read(buf)
		if err != nil || n == 0 {
			return
		}
		if data, more, ok := d.decode(buf[:n]); ok {
			s.emit(HID, c.add(data, more, time.Now()))
		}
	}
}
