package trust

import (
	"context"
	"time"

	"github.com/tapcheck/tapcheck/icao/lds"
)

// Service judges the raw files of a chip in our place: a state's verification service, as Vietnam's ministry of public security runs
// one for the citizen card, whose CSCA it does not publish. How such a service is spoken to is not public, so there is none here: this
// is what an adapter has to offer, and nothing is wired to one by default.
//
// An adapter sends personal data to whom it asks. It needs the hospital's agreement with that service and the patient's legal ground; it
// keeps nothing, writes nothing personal into errors, and speaks to nobody else.
type Service interface {
	// Verify asks once. It ends with ctx. An error says that there is no opinion, never that a card is false: it was not reached, it
	// refused to answer, or what it answered cannot be understood.
	Verify(ctx context.Context, e Evidence) (Opinion, error)
}

// Evidence is what a service is shown: files as they lie on the chip, byte for byte, of one card and one read.
type Evidence struct {
	SOD    []byte                // the EF.SOD
	Groups map[lds.FileID][]byte // data groups; as few as the service asks for
	At     time.Time             // when they were read
}

// Opinion is what a service said. It stands beside the verdict of this package with the service's name on it, and never replaces it: each
// claim names on whose word it stands.
type Opinion struct {
	Service string     // who said so
	Status  lds.Status // Passed, Failed or NotVerifiable
	Reason  lds.Reason // why it is not Passed
	Code    string     // the service's own result code, for its support
	At      time.Time  // when it said so
}
