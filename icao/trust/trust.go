// Package trust decides what an EF.SOD proves.
package trust

import (
	"time"

	"github.com/tapcheck/tapcheck/icao/lds"
)

// Store holds the anchors: CSCA certificates and pinned document signers. It is immutable after loading and safe for concurrent use.
type Store struct{}

// Inspection is one EF.SOD under judgement. The signature is checked once, hashes as files arrive.
type Inspection struct{}

// Judgement is what is known so far.
type Judgement struct {
	Verdict    lds.PassiveVerdict
	Consistent bool  // every given file matches its signed hash and the signature matches its signer
	Anchored   bool  // consistent, and the signer chains to a trusted CSCA or is pinned
	Listed     []int // numbers of the data groups that the EF.SOD lists, ascending; nil if it does not parse
}

// Inspect begins the judgement of an EF.SOD, as it lies on the chip. at is the time at which validity is judged. It never
// fails: what does not parse is judged MALFORMED; an empty sod is judged NO_SOD (not_present).
func (s *Store) Inspect(sod []byte, at time.Time) *Inspection { panic("unwritten") }

// Judge compares the hashes of the given data groups (other files are ignored) and gives the verdict for exactly them.
func (i *Inspection) Judge(files map[lds.FileID][]byte) Judgement { panic("unwritten") }
