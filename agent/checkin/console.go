package checkin

import (
	"cmp"
	"context"
	"slices"
	"strings"
	"time"

	"github.com/tapcheck/tapcheck/agent/catalog"
)

// Queued is an unfinished job as the desk's own console shows it: whose program waits for what. It holds no personal data, and
// no job id, into which a HIS may put a patient's number.
type Queued struct {
	Ref      string    `json:"ref"` // opaque, cannot be guessed, and good for ProvideByRef
	Client   string    `json:"client"`
	Means    Means     `json:"means"`
	State    State     `json:"state"`
	Phase    Phase     `json:"phase"`
	Percent  int       `json:"percent"`
	Need     string    `json:"need,omitempty"`
	Reader   string    `json:"reader,omitempty"` // that serves it
	Since    time.Time `json:"since"`
	WantsKey bool      `json:"wantsKey"`
	// Session is the operating system's session that the job belongs to. Whoever shows this to somebody shows the jobs of that
	// person's session only: a ref is a right to answer.
	Session string `json:"-"`
}

// Queue tells which jobs are not over, in the order of their start.
func (e *Engine) Queue() []Queued {
	e.mu.Lock()
	defer e.mu.Unlock()
	out := []Queued{}
	for _, j := range e.unfinished() {
		w := Queued{
			Ref: j.ref, Client: j.key.owner.Client, Means: j.req.Means, State: j.state, Phase: j.phase, Percent: j.percent,
			Reader: j.reader, Since: j.startedAt, WantsKey: j.wantsKey(), Session: j.key.owner.Session,
		}
		if j.need != nil {
			w.Need = j.need.Need
		}
		out = append(out, w)
	}
	return out
}

// unfinished are the jobs that are not over, in the order of their start. The mutex is held.
func (e *Engine) unfinished() (out []*job) {
	for _, j := range e.jobs {
		if !j.state.Final() {
			out = append(out, j)
		}
	}
	slices.SortFunc(out, func(a, b *job) int {
		return cmp.Or(a.started.Compare(b.started), strings.Compare(a.checkinID, b.checkinID))
	})
	return out
}

// QueueWatch gives a channel that gets a value whenever Queue may answer differently, and one at the start; changes coalesce.
// It is closed when ctx ends or the engine is closed.
func (e *Engine) QueueWatch(ctx context.Context) <-chan struct{} { return e.moved.Watch(ctx) }

// ProvideByRef answers a need of whichever program's job it is: the desk's console gives a key. p.JobID is not looked at. That the
// job belongs to the session of whoever asks (Queued.Session) is for the caller to see to. Errors are those of Provide.
func (e *Engine) ProvideByRef(ctx context.Context, ref string, p Provision) error {
	if err := ctx.Err(); err != nil {
		return Explain(err)
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	for _, j := range e.jobs {
		if ref != "" && j.ref == ref {
			return e.provide(j, p)
		}
	}
	return catalog.New(catalog.JobUnknown, nil)
}

// wantsKey says that a job would take a key now. The mutex is held.
func (j *job) wantsKey() bool {
	if j.state.Final() {
		return false
	}
	if j.need != nil && j.need.Need == NeedKey {
		return true
	}
	return j.req.Means == MeansChip && j.cardKey.Empty() && !j.reading
}

// OfferScan gives what a scanner of this PC read to the job of that session that needs it: one that asks for a key first, then
// one that will. taken is false where no job wants it, or none can use it: it is then for the console, which tells what is
// wrong with it.
func (e *Engine) OfferScan(ctx context.Context, session, text string) (taken bool) {
	if ctx.Err() != nil || text == "" || len(text) > maxScan {
		return false
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	var asked, will []*job
	for _, j := range e.unfinished() {
		switch {
		case j.key.owner.Session != session || !j.wantsKey():
		case j.need != nil && j.need.Need == NeedKey:
			asked = append(asked, j)
		default:
			will = append(will, j)
		}
	}
	for _, j := range slices.Concat(asked, will) {
		if e.provide(j, Provision{Key: scanned(text)}) == nil {
			return true
		}
	}
	return false
}

// maxScan is more than a QR code can hold, in bytes.
const maxScan = 8192

// scanned says what kind of key a scanned text is: six digits are a CAN, twelve the card's number (a bar code, or a QR code that
// holds nothing else), capital letters with fillers a machine readable zone.
func scanned(text string) *KeyInput {
	t := strings.TrimSpace(text)
	switch {
	case len(t) == 6 && strings.Trim(t, "0123456789") == "":
		return &KeyInput{CAN: t}
	case len(t) == 12 && strings.Trim(t, "0123456789") == "":
		return &KeyInput{Number: t}
	case strings.Contains(t, "<<") && !strings.Contains(t, "|"):
		return &KeyInput{MRZ: t}
	}
	return &KeyInput{QR: text}
}
