package console

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"slices"
	"strings"
	"sync"
	"time"
)

const (
	// tokenPrefix makes a console's token recognisable, to us and to secret scanners.
	tokenPrefix = "tapcheckconsole_"
	// sessionPrefix begins the ids of sessions, so that none is ever taken for that of a HIS's token ("t…").
	sessionPrefix = "console-"

	longestSession  = 12 * time.Hour // a long shift
	maxSessions     = 128
	maxUserSessions = 16 // of one session of the operating system; the one that was used least recently gives way
	maxScans        = 4  // that wait for their console
	maxWaiting      = 4  // polls of one session that wait: a reload comes before the old page's poll is known to be gone
	scanLife        = 30 * time.Second
)

// session is one login. Only the hash of its token is kept, in memory.
type session struct {
	id      string
	hash    [sha256.Size]byte
	user    string
	role    Role
	version int    // of the account
	os      string // session of the operating system in which it was made, and in which alone it works
	made    time.Time
	touched time.Time
	locked  bool
	scans   []Scan
	waiting int           // polls that wait for news
	ended   chan struct{} // closed when the session is locked or over
}

// Scan is what the agent's own scanner has read, on its way to the console. It is as personal as a card, is shown to one
// console once, and is forgotten after 30 s.
type Scan struct {
	Seq  uint64 `json:"seq"`
	Text string `json:"text"`
	at   time.Time
}

// standing of a token.
type standing int

const (
	unknown standing = iota // never there, over, or another session's of the operating system
	locked
	live
)

// sessions are all logins.
type sessions struct {
	now  func() time.Time
	idle func() time.Duration

	came chan struct{} // told when somebody logs in
	mu   sync.Mutex
	list []*session
}

// open makes a session and gives its token away, once.
func (s *sessions) open(a Account, os string) (token string, id string) {
	raw := make([]byte, 32)
	_, _ = rand.Read(raw)
	token = tokenPrefix + base64.RawURLEncoding.EncodeToString(raw)
	now := s.now()
	one := &session{
		id: sessionPrefix + strings.ToLower(rand.Text()[:16]), hash: sha256.Sum256([]byte(token)), user: a.Name, role: a.Role, version: a.Version,
		os: os, made: now, touched: now, ended: make(chan struct{}),
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.judge(now)
	var mine []*session
	for _, other := range s.list {
		if other.os == os {
			mine = append(mine, other)
		}
	}
	switch {
	case len(mine) >= maxUserSessions:
		s.drop(oldest(mine))
	case len(s.list) >= maxSessions:
		s.drop(oldest(s.list))
	}
	s.list = append(s.list, one)
	select {
	case s.came <- struct{}{}:
	default:
	}
	return token, one.id
}

func oldest(list []*session) *session {
	return slices.MinFunc(list, func(a, b *session) int { return a.touched.Compare(b.touched) })
}

// judge locks who has been idle and ends who has been there too long. s.mu is held.
func (s *sessions) judge(now time.Time) {
	idle := s.idle()
	for _, one := range slices.Clone(s.list) {
		switch {
		case passed(one.made, now) >= longestSession:
			s.drop(one)
		case !one.locked && passed(one.touched, now) >= idle:
			s.shut(one)
		}
	}
}

// passed is how much time has passed by the steady clock or by the calendar, whichever is more: the steady one stands still
// while a PC sleeps, and the calendar can be set back.
func passed(from, to time.Time) time.Duration {
	return max(to.Sub(from), to.Round(0).Sub(from.Round(0)))
}

// shut locks a session. s.mu is held.
func (s *sessions) shut(one *session) {
	if !one.locked {
		one.locked, one.scans = true, nil
		close(one.ended)
	}
}

// drop ends a session. s.mu is held.
func (s *sessions) drop(one *session) {
	s.shut(one)
	s.list = slices.DeleteFunc(s.list, func(other *session) bool { return other == one })
}

// find gives a copy of the session of a token, in the session of the operating system that asks.
func (s *sessions) find(token, os string) (session, standing) {
	if len(token) > 200 || !strings.HasPrefix(token, tokenPrefix) {
		return session{}, unknown
	}
	hash := sha256.Sum256([]byte(token)) // what is compared says nothing about the token, so the time of comparing does not either
	s.mu.Lock()
	defer s.mu.Unlock()
	s.judge(s.now())
	i := slices.IndexFunc(s.list, func(one *session) bool { return one.hash == hash })
	switch {
	case i < 0 || s.list[i].os != os:
		return session{}, unknown
	case s.list[i].locked:
		return *s.list[i], locked
	}
	return *s.list[i], live
}

// byToken is find for who cannot know the session of the operating system; the caller compares.
func (s *sessions) byToken(token string) (session, standing) {
	hash := sha256.Sum256([]byte(token))
	s.mu.Lock()
	i := slices.IndexFunc(s.list, func(one *session) bool { return one.hash == hash })
	var os string
	if i >= 0 {
		os = s.list[i].os
	}
	s.mu.Unlock()
	return s.find(token, os)
}

// byID says whether a session is live.
func (s *sessions) byID(id string) (session, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.judge(s.now())
	i := slices.IndexFunc(s.list, func(one *session) bool { return one.id == id })
	if i < 0 || s.list[i].locked {
		return session{}, false
	}
	return *s.list[i], true
}

// with changes the session with this id; false: it is over.
func (s *sessions) with(id string, change func(one *session)) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.judge(s.now())
	i := slices.IndexFunc(s.list, func(one *session) bool { return one.id == id })
	if i < 0 {
		return false
	}
	change(s.list[i])
	return true
}

// touch says that somebody is there. A locked session stays locked.
func (s *sessions) touch(id string) {
	s.with(id, func(one *session) {
		if !one.locked {
			one.touched = s.now()
		}
	})
}

func (s *sessions) lock(id string) { s.with(id, s.shut) }

func (s *sessions) unlock(id string) {
	s.with(id, func(one *session) {
		if one.locked {
			one.locked, one.touched, one.ended = false, s.now(), make(chan struct{})
		}
	})
}

func (s *sessions) end(id string) { s.with(id, s.drop) }

// lockIf locks the sessions that fit, and gives how many it were.
func (s *sessions) lockIf(fits func(one session) bool) (n int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.judge(s.now())
	for _, one := range s.list {
		if !one.locked && fits(*one) {
			s.shut(one)
			n++
		}
	}
	return n
}

// empty says whether there is no login, live or locked.
func (s *sessions) empty() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.list) == 0
}

// any says whether there is any login that is live.
func (s *sessions) any() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.ContainsFunc(s.list, func(one *session) bool { return !one.locked })
}

// endIf ends the sessions that fit.
func (s *sessions) endIf(fits func(one session) bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.judge(s.now())
	for _, one := range slices.Clone(s.list) {
		if fits(*one) {
			s.drop(one)
		}
	}
}

// offer gives a scan to the console that was used last, of this session of the operating system or, where os is empty, of the
// only one that has any: a patient's data are never guessed into somebody else's. False: there is none.
func (s *sessions) offer(os string, scan Scan) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := s.now()
	s.judge(now)
	var to *session
	for _, one := range s.list {
		switch {
		case one.locked || os != "" && one.os != os:
		case to == nil:
			to = one
		case one.os != to.os:
			return false
		case one.touched.After(to.touched):
			to = one
		}
	}
	if to == nil {
		return false
	}
	scan.at = now
	to.scans = append(to.scans, scan)
	if n := len(to.scans); n > maxScans {
		to.scans = to.scans[n-maxScans:]
	}
	return true
}

// wait counts a poll in; false: the session has enough of them already.
func (s *sessions) wait(id string) (ok bool) {
	s.with(id, func(one *session) {
		if ok = one.waiting < maxWaiting; ok {
			one.waiting++
		}
	})
	return ok
}

func (s *sessions) waited(id string) { s.with(id, func(one *session) { one.waiting-- }) }

// takeScans gives what waits for a session, once.
func (s *sessions) takeScans(id string) []Scan {
	list := []Scan{}
	s.with(id, func(one *session) {
		if one.locked {
			return
		}
		now := s.now()
		for _, scan := range one.scans {
			if now.Sub(scan.at) < scanLife {
				list = append(list, scan)
			}
		}
		one.scans = nil
	})
	return list
}
