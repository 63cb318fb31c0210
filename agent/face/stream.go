package face

import (
	"time"
)

// Limits of a stream of frames.
const (
	lateBy       = 2 * time.Second // a frame that has been on its way for so much longer than the quickest one is no live picture
	standsStill  = 3 * time.Second // of one and the same picture; a camera in the dark gives the same one twice, a hung one for ever
	comesBack    = 3               // times that an earlier frame, not the last one, comes again: a camera's noise never does that
	outOfOrder   = 5               // times
	rememberLast = 2048            // digests
)

// stream looks at the frames as such: in order, in time, and each a new one.
type stream struct {
	any     bool
	seq     int
	at      time.Duration
	same    time.Duration // At of the first of equal frames in a row
	quick   time.Duration // smallest of (our clock − sender's clock): the frame that was quickest here
	start   time.Time
	digests map[[32]byte]int // how many frames were admitted before it came
	n       int

	loops, disorder int
	frozen          bool
}

// admit says what is wrong with a frame as part of the stream; empty: nothing. captured is when it was taken, on our clock,
// or earlier: the sender's clock and the quickest frame say so.
func (s *stream) admit(f Frame, now time.Time) (finding string, captured time.Time) {
	if !s.any {
		s.any, s.start, s.quick = true, now, -f.At
		s.digests = map[[32]byte]int{}
	} else if f.Seq <= s.seq || f.At <= s.at {
		s.disorder++
		return FrameOutOfOrder, time.Time{}
	}
	s.seq = f.Seq
	since := now.Sub(s.start)
	s.quick = min(s.quick, since-f.At)
	captured = s.start.Add(f.At + s.quick)
	last := s.n
	before, known := s.digests[f.Digest]
	zero := [32]byte{}
	switch {
	case f.Digest == zero: // the sender's bytes are not known; nothing to compare
	case known && before == last:
		s.at = f.At
		if f.At-s.same > standsStill {
			s.frozen = true
		}
		return FrameRepeated, captured
	case known:
		s.at = f.At
		s.loops++
		return FrameRepeated, captured
	}
	s.at, s.same = f.At, f.At
	s.n++
	if len(s.digests) < rememberLast {
		s.digests[f.Digest] = s.n
	}
	if since-f.At-s.quick > lateBy {
		return FrameStale, captured
	}
	return "", captured
}

// suspicious says that these are not the frames of a camera as it takes them.
func (s *stream) suspicious() bool {
	return s.frozen || s.loops >= comesBack || s.disorder >= outOfOrder
}
