// Package checkin is the job engine: one tap from card to result. It decides who gets a tap, and survives whatever happens to card, gateway, disk and client.
package checkin

import (
	"context"
	"time"

	"github.com/tapcheck/tapcheck/agent/catalog"
	"github.com/tapcheck/tapcheck/agent/journal"
	"github.com/tapcheck/tapcheck/icao"
	"github.com/tapcheck/tapcheck/icao/access"
	"github.com/tapcheck/tapcheck/icao/lds"
	"github.com/tapcheck/tapcheck/icao/trust"
	"github.com/tapcheck/tapcheck/insurance"
	"github.com/tapcheck/tapcheck/reader"
)

// Book is what the engine writes down; journal.Journal is one. An error never stops a check-in: it is marked unrecorded.
type Book interface {
	PutCheckin(ctx context.Context, c journal.Checkin) error
	PutDisclosure(ctx context.Context, d journal.Disclosure) error
	SignerSeen(ctx context.Context, sha256 string) (int, error)
	PutLookup(ctx context.Context, l journal.Lookup) error
	PutAttempt(ctx context.Context, a journal.Attempt) error
}

// Config is what an engine works with.
type Config struct {
	Readers   reader.Monitor
	Read      func(ctx context.Context, t access.Transmitter, o icao.Options) (*icao.Document, error) // icao.Read
	Access    access.Options
	Trust     func() *trust.Store
	Insurer   insurance.Provider // nil: insurance is off
	Portrait  func(ctx context.Context, p lds.Portrait) (Picture, error)
	Book      Book
	Simulated bool
	Now       func() time.Time
	// Log gets what happened, without personal data.
	Log func(event string, fields map[string]any)

	WaitForCard   time.Duration // 0 is 2 minutes
	WaitForNeed   time.Duration // 0 is 60 s
	InsuranceWait time.Duration // 0 is 5 s
	Reposition    time.Duration // how long a lifted card may stay away; 0 is 10 s
	Claimable     time.Duration // how long a card put down before may be claimed; 0 is 60 s
	Reload        time.Duration // how long an owner without a socket keeps its jobs; 0 is 15 s
}

// Engine runs jobs. It is safe for concurrent use.
type Engine struct{}

// New starts an engine.
func New(c Config) *Engine { panic("unwritten") }

// Start begins a check-in for an owner, within its rights. The same job id with the same request answers the same.
func (e *Engine) Start(ctx context.Context, o Owner, r Rights, lang catalog.Lang, req Request) (Accepted, error) {
	panic("unwritten")
}

// CardRead begins a chip check-in without insurance and face.
func (e *Engine) CardRead(ctx context.Context, o Owner, r Rights, lang catalog.Lang, req Request) (Accepted, error) {
	panic("unwritten")
}

// Provide answers a need.
func (e *Engine) Provide(ctx context.Context, o Owner, p Provision) error { panic("unwritten") }

// Cancel ends a job; a job that is over stays as it is.
func (e *Engine) Cancel(ctx context.Context, o Owner, jobID string) (JobStatus, error) {
	panic("unwritten")
}

// Status tells how a job stands.
func (e *Engine) Status(ctx context.Context, o Owner, jobID string) (JobStatus, error) {
	panic("unwritten")
}

// Attach gives the events of all jobs of an owner until ctx ends. When the last one detaches, the owner's jobs that are
// not detached are cancelled after Config.Reload, unless it attaches again. A channel that is not drained is closed.
func (e *Engine) Attach(ctx context.Context, o Owner) <-chan Event { panic("unwritten") }

// Waiting tells which owners wait for a tap, in order, for the console.
func (e *Engine) Waiting() []Owner { panic("unwritten") }

// Close ends every job as cancelled and waits for them.
func (e *Engine) Close(ctx context.Context) error { panic("unwritten") }
