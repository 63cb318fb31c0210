package console

import (
	"crypto/rand"
	"sync"
	"time"
)

// purpose of a ticket.
type purpose int

const (
	forLogin   purpose = iota // the password was right, the second factor is to come
	forSetup                  // the first administrator is made once the second factor works
	forAccount                // a further one
	forProof                  // a paper is shown; user is the check-in's id
)

// ticket keeps what the first half of a login or of a new account has settled.
type ticket struct {
	purpose purpose
	user    string
	version int    // of the account
	os      string // session of the operating system; nobody else can go on with it
	hash    string // of a new account's password
	totp    string // of a new account
	by      string // session of the administrator who makes the account
	expires time.Time
	tries   int
}

const (
	maxTickets  = 64
	ticketLife  = 5 * time.Minute
	ticketTries = 5
)

type tickets struct {
	now func() time.Time

	mu sync.Mutex
	m  map[string]*ticket
}

func newTickets(now func() time.Time) *tickets { return &tickets{now: now, m: map[string]*ticket{}} }

// issue gives a ticket; false: there are too many.
func (t *tickets) issue(one ticket) (id string, ok bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	now := t.now()
	for id, old := range t.m {
		if !now.Before(old.expires) {
			delete(t.m, id)
		}
	}
	if len(t.m) >= maxTickets {
		return "", false
	}
	one.expires = now.Add(ticketLife)
	id = rand.Text()
	t.m[id] = &one
	return id, true
}

// look gives a ticket for one try. After five it is void, and so it is in another session of the operating system.
func (t *tickets) look(id string, p purpose, os string) (ticket, bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	one := t.m[id]
	if one == nil || one.purpose != p || one.os != os || !t.now().Before(one.expires) {
		return ticket{}, false
	}
	if one.tries++; one.tries > ticketTries {
		delete(t.m, id)
		return ticket{}, false
	}
	return *one, true
}

// spend makes a ticket void; false: somebody else has done so.
func (t *tickets) spend(id string) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	_, there := t.m[id]
	delete(t.m, id)
	return there
}
