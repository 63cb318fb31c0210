// Package icao opens a chip, reads the few files that a reception desk needs in the order in which it needs them, and says
// what they prove.
package icao

import (
	"context"
	"time"

	"github.com/tapcheck/tapcheck/icao/access"
	"github.com/tapcheck/tapcheck/icao/lds"
	"github.com/tapcheck/tapcheck/icao/trust"
)

// Phase of a read. The values go over the wire and are frozen.
type Phase string

// Phases in their order.
const (
	PhaseAccess   Phase = "access"
	PhaseIdentity Phase = "identity"
	PhaseChip     Phase = "chip"
	PhasePortrait Phase = "portrait"
)

// Progress of a read. Percent is by bytes over the files that are wanted, 0 to 100, and never goes back.
type Progress struct {
	Phase   Phase
	Percent int
	File    lds.FileID
}

// Options say what to read and whom to tell.
type Options struct {
	Key      lds.Key
	Trust    *trust.Store
	Now      func() time.Time // nil is time.Now
	Portrait bool             // read DG2
	NoChip   bool             // leave chip and active authentication out
	Extra    []lds.FileID     // further files to read, after the portrait (read --raw)
	Access   access.Options
	// Challenge is the eight bytes of active authentication; nil makes one.
	Challenge []byte

	// Resume is a document whose reading broke off when the card was lifted; the same chip is proved before anything is
	// added to it (lds.ErrOtherCard). A document without EF.SOD is read afresh.
	Resume *Document

	OnProgress func(Progress)
	// OnIdentity is called once, when the identity is consistent, before the chip's keys and the portrait are read. An
	// error stops the read and is returned as it is. The document must not be changed or kept.
	OnIdentity func(*Document) error
	// OnChip is called when chip and active authentication are over, before the portrait.
	OnChip func(*Document) error
}

// Document is one chip as far as it was read.
type Document struct {
	Files    map[lds.FileID][]byte
	Missing  map[lds.FileID]error // wanted files that could not be had, with why: typed as in lds
	Identity *lds.Identity        // nil until consistent
	Portrait *lds.Portrait        // nil without one
	Verdicts lds.Verdicts
	Anchored bool
	Count    access.Count
	// At says when identity, chip proof and everything were done, counted from the start of the read.
	IdentityAfter, ChipAfter, DoneAfter time.Duration
}

// Read reads a chip. It returns the document as far as it came, also with an error. It does not close the transmitter.
func Read(ctx context.Context, t access.Transmitter, o Options) (*Document, error) { panic("unwritten") }

// Inspect decodes and judges the saved files of a chip, with the same code and the same verdicts as Read, as far as files can tell.
func Inspect(files map[lds.FileID][]byte, o Options) (*Document, error) { panic("unwritten") }
