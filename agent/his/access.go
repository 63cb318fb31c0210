package his

import (
	"bufio"
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"io"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/tapcheck/tapcheck/agent/catalog"
)

// AccessFile is the access log's name within the data folder. Older parts have .1 and .2 behind it.
const AccessFile = "access.log"

// Bounds of the access log.
const (
	accessEvery   = 10 * time.Second // entries of one kind within it are one line with a count
	accessKinds   = 500              // of entries within one interval; what goes beyond is counted together
	accessBytes   = 1 << 20          // of one part
	accessParts   = 3
	accessRecent  = 1000 // entries that Recent can tell
	maxAccessLine = 1 << 10
)

// Access is who used what, how it ended and how often, within ten seconds. Nothing in it is personal: it knows programs and
// sessions, no operator, no job and no patient.
type Access struct {
	At      time.Time `json:"at"`                // of the last one
	Who     string    `json:"who,omitempty"`     // an allowed origin, "desktop:" and a token's id, or "console"; empty: nobody known
	Session string    `json:"session,omitempty"` // of the operating system; empty where it was not found out
	What    string    `json:"what"`              // a method, a notification that carries results, or a route
	Outcome string    `json:"outcome"`           // "ok", "sent", or the id of an error
	Count   int       `json:"count"`
}

type accessKind struct{ who, session, what, outcome string }

// AccessLog keeps who used the agent. Whoever asks at the gate is never kept waiting for the disk: entries are counted in
// memory and written every ten seconds. What cannot be written (a full disk) is lost and counted as such by Lost.
// It is safe for concurrent use.
type AccessLog struct {
	path string
	now  func() time.Time

	mu      sync.Mutex
	pending map[accessKind]Access
	recent  []Access // oldest first
	lost    int

	write sync.Mutex // one flush at a time
}

// OpenAccessLog opens the log in the data folder, which must be private to its owner. What cannot be read of an older log
// is passed over. Error: the file system's.
func OpenAccessLog(dir string) (*AccessLog, error) {
	l := &AccessLog{path: filepath.Join(dir, AccessFile), now: time.Now, pending: map[accessKind]Access{}}
	for part := accessParts - 1; part >= 0; part-- {
		entries, err := readAccess(l.part(part))
		if err != nil {
			return nil, err
		}
		l.remember(entries)
	}
	return l, nil
}

// Run writes until ctx ends, and then what is left.
func (l *AccessLog) Run(ctx context.Context) {
	defer l.Flush()
	tick := time.NewTicker(accessEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			l.Flush()
		}
	}
}

// Note counts one use. who, what and outcome must be our own words or what an administrator has allowed.
func (l *AccessLog) Note(who, session, what, outcome string) {
	if l == nil {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	k := accessKind{who, session, what, outcome}
	e, known := l.pending[k]
	if !known && len(l.pending) >= accessKinds {
		k = accessKind{what: "other", outcome: "other"}
		e = l.pending[k]
	}
	l.pending[k] = Access{At: l.now().UTC().Truncate(time.Second), Who: k.who, Session: k.session, What: k.what, Outcome: k.outcome, Count: e.Count + 1}
}

// Recent gives up to n entries, the newest first, with those that are not written yet.
func (l *AccessLog) Recent(n int) []Access {
	if l == nil || n <= 0 {
		return []Access{}
	}
	l.mu.Lock()
	list := append(slices.Clone(l.recent), l.open()...)
	l.mu.Unlock()
	slices.Reverse(list)
	return list[:min(n, len(list))]
}

// Lost tells how many entries could not be written since the start.
func (l *AccessLog) Lost() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.lost
}

// open are the entries that are counted and not written, oldest first. l.mu is held.
func (l *AccessLog) open() []Access {
	list := make([]Access, 0, len(l.pending))
	for _, e := range l.pending {
		list = append(list, e)
	}
	slices.SortFunc(list, func(a, b Access) int {
		return cmp.Or(a.At.Compare(b.At), cmp.Compare(a.Who, b.Who), cmp.Compare(a.Session, b.Session), cmp.Compare(a.What, b.What), cmp.Compare(a.Outcome, b.Outcome))
	})
	return list
}

// remember keeps entries for Recent. l.mu is held, or l is not shared yet.
func (l *AccessLog) remember(entries []Access) {
	l.recent = append(l.recent, entries...)
	if extra := len(l.recent) - accessRecent; extra > 0 {
		l.recent = slices.Clone(l.recent[extra:])
	}
}

// Flush writes what was counted.
func (l *AccessLog) Flush() {
	l.write.Lock()
	defer l.write.Unlock()
	l.mu.Lock()
	entries := l.open()
	clear(l.pending)
	l.remember(entries)
	l.mu.Unlock()
	if len(entries) == 0 {
		return
	}
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	for _, e := range entries {
		_ = enc.Encode(e)
	}
	if l.append(b.Bytes()) != nil {
		l.mu.Lock()
		l.lost += len(entries)
		l.mu.Unlock()
	}
}

// append writes to the newest part, and begins a new one where that is full. The file is closed in between: Windows
// renames no open one.
func (l *AccessLog) append(lines []byte) error {
	if info, err := os.Stat(l.path); err == nil && info.Size()+int64(len(lines)) > accessBytes {
		for part := accessParts - 1; part > 0; part-- {
			if err := os.Rename(l.part(part-1), l.part(part)); err != nil && !errors.Is(err, fs.ErrNotExist) {
				return err // the log does not grow beyond its bound
			}
		}
	}
	f, err := os.OpenFile(l.path, os.O_WRONLY|os.O_APPEND|os.O_CREATE, 0o600)
	if err != nil {
		return err
	}
	_, err = f.Write(lines)
	return errors.Join(err, f.Close())
}

func (l *AccessLog) part(n int) string {
	if n == 0 {
		return l.path
	}
	return l.path + "." + strconv.Itoa(n)
}

// readAccess reads one part, with as much as Recent can tell.
func readAccess(path string) ([]Access, error) {
	f, err := os.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	defer f.Close()
	var list []Access
	lines := bufio.NewScanner(io.LimitReader(f, 2*accessBytes))
	lines.Buffer(make([]byte, maxAccessLine), maxAccessLine)
	for lines.Scan() {
		var e Access
		if json.Unmarshal(lines.Bytes(), &e) != nil || e.Count < 1 || e.What == "" {
			continue // a line that a power cut has left
		}
		if list = append(list, e); len(list) > 2*accessRecent {
			list = slices.Clone(list[accessRecent:])
		}
	}
	return list, nil // a line that is too long ends the part; it is none of ours
}

// outcome is how the access log names the end of a request.
func outcome(e *catalog.Error) string {
	if e == nil {
		return "ok"
	}
	return string(e.ID)
}

// route is how the access log names a path: by our own words, never by what was asked for.
func (s *Server) route(path string) string {
	switch {
	case path == "/v1" || path == "/.well-known/tapcheck.json":
		return path
	case s.page(path) != nil:
		return s.page(path).Prefix
	case strings.HasPrefix(path, "/help/"):
		return "/help/"
	}
	return "other"
}

// noteRoute counts a request by its route. a is nil where nobody came through the gate.
func (s *Server) noteRoute(r *http.Request, a *admission, outcome string) {
	if a == nil {
		a = &admission{}
	}
	s.c.Access.Note(a.name(), a.session, s.route(r.URL.Path), outcome)
}

// name is how the access log names who came through the gate: an origin only if an administrator has allowed it.
func (a *admission) name() string {
	switch {
	case a.own:
		return ConsoleClient
	case a.pairing:
		return ""
	case a.origin == "" && a.token.ID != "":
		return "desktop:" + a.token.ID
	}
	return a.origin
}
