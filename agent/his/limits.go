package his

import "time"

// bucket lets rate requests per second pass, and twice as many at once. Its user guards it.
type bucket struct {
	rate  float64
	level float64
	last  time.Time
}

func newBucket(rate int) *bucket {
	return &bucket{rate: float64(rate), level: 2 * float64(rate), last: time.Now()}
}

func (b *bucket) take() bool {
	now := time.Now()
	b.level = min(2*b.rate, b.level+b.rate*now.Sub(b.last).Seconds())
	b.last = now
	if b.level < 1 {
		return false
	}
	b.level--
	return true
}

// maxBuckets bounds the sessions of the operating system that are remembered at a time.
const maxBuckets = 256

// mayAsk counts an HTTP request of a session of the operating system.
func (s *Server) mayAsk(session string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	b := s.buckets[session]
	if b == nil {
		if len(s.buckets) >= maxBuckets {
			clear(s.buckets) // far more sessions than a PC has; forgetting them costs one burst
		}
		b = newBucket(s.c.Limits.RequestsPerSecond)
		s.buckets[session] = b
	}
	return b.take()
}
