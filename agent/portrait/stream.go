package portrait

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"
)

// childWork is how long a child decodes before another takes its place, far from where its processor time ends.
const childWork = 20 * time.Second

// ErrClosed is what Decode says after Close.
var ErrClosed = errors.New("stream of pictures is closed")

// Stream decodes the pictures of a camera, one at a time, in a child that waits between them. It keeps no picture. It is safe
// for concurrent use, and must be closed.
type Stream struct {
	d         *Decoder
	turn      chan struct{} // holds one token: who has it, may use the child
	child     *process      // nil when there is none
	worked    time.Duration
	closed    context.Context
	close     context.CancelFunc
	closeOnce sync.Once
}

// Open starts a stream and its child. It waits while as many streams are open as may be. The errors are ctx.Err(), or that no
// child could be started.
func (d *Decoder) Open(ctx context.Context) (*Stream, error) {
	select {
	case d.streams <- struct{}{}:
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	s := &Stream{d: d, turn: make(chan struct{}, 1)}
	s.closed, s.close = context.WithCancel(context.Background())
	var err error
	if s.child, err = d.start(); err != nil {
		s.close()
		<-d.streams
		return nil, err
	}
	s.turn <- struct{}{}
	return s, nil
}

// Decode decodes one picture. mime is "image/jpeg" or "image/png". A picture with more than LiveWidth pixels either way comes
// back scaled down to that; a JPEG that says by Exif that it lies on its side or its head comes back upright, as a phone's does
// (what a browser draws on a canvas has no Exif). Transparent pixels are on white. The errors are those of ToJPEG and ErrClosed;
// Finding names them. After ErrTimeout and ErrCrashed the next call starts a new child.
func (s *Stream) Decode(ctx context.Context, mime string, data []byte) (Pixels, error) {
	format := map[string]string{"image/jpeg": "jpeg", "image/png": "png"}[mime]
	if format == "" {
		return Pixels{}, fmt.Errorf("%w: %.32q", ErrType, mime)
	}
	if len(data) > MaxLiveBytes {
		return Pixels{}, fmt.Errorf("%w: %d bytes", ErrTooLarge, len(data))
	}
	if err := ctx.Err(); err != nil {
		return Pixels{}, err
	}
	select {
	case <-s.turn:
		defer func() { s.turn <- struct{}{} }()
	case <-s.closed.Done():
		return Pixels{}, ErrClosed
	case <-ctx.Done():
		return Pixels{}, ctx.Err()
	}
	if s.closed.Err() != nil {
		return Pixels{}, ErrClosed
	}
	if s.child != nil && s.worked > childWork {
		s.drop()
	}
	if s.child == nil {
		var err error
		if s.child, err = s.d.start(); err != nil {
			return Pixels{}, err
		}
	}
	limited, cancel := context.WithTimeout(ctx, s.d.o.Timeout)
	defer cancel()
	defer context.AfterFunc(s.closed, cancel)()
	began := time.Now()
	a, err := s.child.ask(limited, jobLive, formats[format], data, false)
	s.worked += time.Since(began)
	var p Pixels
	if err == nil {
		// A narrow picture that was scaled down may be less than MinLivePixels the other way.
		p, err = a.pixels(1, LiveWidth)
	}
	over := limited.Err()
	if over != nil || errors.Is(err, ErrCrashed) || errors.Is(err, ErrTimeout) {
		s.drop()
	}
	switch {
	case over == nil:
		return p, err
	case ctx.Err() != nil:
		err = ctx.Err()
	case s.closed.Err() != nil:
		err = ErrClosed
	default:
		err = ErrTimeout
	}
	p.Wipe()
	return Pixels{}, err
}

// drop ends the child.
func (s *Stream) drop() {
	s.child.end()
	s.child, s.worked = nil, 0
}

// Close ends the child, and a Decode that is under way. It may be called more than once.
func (s *Stream) Close() {
	s.closeOnce.Do(func() {
		s.close()
		<-s.turn // for good
		if s.child != nil {
			s.drop()
		}
		<-s.d.streams
	})
}
