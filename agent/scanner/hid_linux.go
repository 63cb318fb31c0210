package scanner

import (
	"context"
	"io"
	"os"
	"path/filepath"
	"sync"
	"time"
)

// root is where dev and sys are, which tests put elsewhere.
var root = "/"

// readHID reads every scanner that is there through hidraw, until none is left or ctx ends; ones that are plugged in
// meanwhile are found too. Reading needs the right to read /dev/hidrawN, which a udev rule gives.
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
		nodes, _ := filepath.Glob(filepath.Join(root, "sys/class/hidraw/hidraw*"))
		for _, node := range nodes {
			name := filepath.Base(node)
			mu.Lock()
			there := open[name]
			mu.Unlock()
			if there {
				continue
			}
			l, ok := hidraw(node)
			if !ok {
				continue
			}
			f, err := os.OpenFile(filepath.Join(root, "dev", name), os.O_RDONLY, 0)
			if err != nil {
				last = err
				continue
			}
			mu.Lock()
			open[name] = true
			mu.Unlock()
			s.set(HID, false, nil)
			reading.Go(func() {
				s.readReports(ctx, f, l)
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

// hidraw reads what a device says of its reports; ok is false for one that is no scanner.
func hidraw(node string) (l layout, ok bool) {
	f, err := os.Open(filepath.Join(node, "device", "report_descriptor"))
	if err != nil {
		return l, false
	}
	defer f.Close()
	raw, err := io.ReadAll(io.LimitReader(f, maxDescriptor+1))
	if err != nil {
		return l, false
	}
	l, err = parseDescriptor(raw)
	return l, err == nil && len(l.reports) > 0
}

// readReports reads one device until it is gone. It closes it.
func (s *Scanner) readReports(ctx context.Context, f *os.File, l layout) {
	defer f.Close()
	stop := context.AfterFunc(ctx, func() { _ = f.Close() })
	defer stop()
	var c collector
	buf := make([]byte, l.size())
	for {
		n, err := f.Read(buf) // one report at a time (hidraw)
		if err != nil || n == 0 {
			return
		}
		data, more, ok := l.decode(buf[:n])
		if !ok {
			continue
		}
		s.emit(HID, c.add(data, more, time.Now()))
	}
}
