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

// maxBuckets bounds the askers that are remembered at a time.
const maxBuckets = 1024

// asker is whose HTTP requests are counted together. Any page can make a browser send requests without an Origin
// (<img src=…>), in the session of the very desk that the HIS works at: they count for nobody else, or such a page could
// keep the HIS out. origin and token are ones that have come through the gate, so no page can make up a new asker.
type asker struct {
	session string // of the operating system
	need    need
	origin  string
	token   string // id
	near    bool   // no page of others has caused it, as the browser says: the console must load while such a page floods
}

// mayAsk counts an HTTP request.
func (s *Server) mayAsk(a *admission, n need) bool {
	who := asker{a.session, n, a.origin, a.token.ID, a.near}
	s.mu.Lock()
	defer s.mu.Unlock()
	b := s.buckets[who]
	if b == nil {
		if len(s.buckets) >= maxBuckets {
			clear(s.buckets) // far more than a PC has; forgetting them costs one burst
		}
		b = newBucket(s.c.Limits.RequestsPerSecond)
		s.buckets[who] = b
	}
	return b.take()
}
