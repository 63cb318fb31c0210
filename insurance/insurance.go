// Package insurance says what eligibility is, whoever answers: a request, an answer, and the provider between them.
//
// It also holds what is the same for every insurer of the country: what a card code promises (BenefitRate) and where an answer
// disagrees with the person who was asked about (Compare). Dates are ISO 8601 without a time and meant in Vietnam's; rates are percent.
package insurance

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// State of an eligibility. The values go over the wire and are frozen.
type State string

// States.
const (
	Eligible    State = "eligible"
	NotEligible State = "not_eligible"
	Check       State = "check"   // the desk must look at something
	Pending     State = "pending" // not reachable, queued
	Unknown     State = "unknown" // answered, and the answer says nothing that we know
	Off         State = "off"
)

// Request asks about one person. Dates are ISO 8601; a year alone is allowed for the date of birth.
type Request struct {
	Number      string `json:"number,omitempty"`   // personal number
	CardCode    string `json:"cardCode,omitempty"` // insurance card, where the person showed one
	FullName    string `json:"fullName,omitempty"`
	DateOfBirth string `json:"dateOfBirth,omitempty"`
	Sex         string `json:"sex,omitempty"`

	// Who asks, by ids of the HIS: an insurer that wants to know a registered person finds out by them whom to name. And when
	// the visit was, if it is not now: the day on which a card has to be valid.
	Operator string    `json:"operator,omitempty"`
	Desk     string    `json:"desk,omitempty"`
	At       time.Time `json:"at,omitzero"`

	// Care is what the HIS knows of the visit that its route depends on. An insurer is not told.
	Care *Care `json:"care,omitempty"`

	// Staff is in whose name is asked, where the caller knows it; nil: whom the provider has for Operator and Desk, or the
	// facility's own. Personal: it is never stored with a request, and never logged.
	Staff *Staff `json:"-"`
}

// Care is what of a visit its route depends on. What the HIS does not say is taken for an outpatient's visit without papers, and the
// proposal says so.
type Care struct {
	Setting string   `json:"setting,omitempty"` // CareOutpatient, CareInpatient
	Grounds []string `json:"grounds,omitempty"` // Ground…
}

// Settings of Care. The values go over the wire and are frozen.
const (
	CareOutpatient = "outpatient"
	CareInpatient  = "inpatient"
)

// Grounds of Care: what the patient brought, or is. The values go over the wire and are frozen.
const (
	GroundEmergency     = "emergency"
	GroundTransfer      = "transfer"       // transfer form (phiếu chuyển cơ sở)
	GroundResidence     = "residence"      // stays elsewhere, with its proof (TT 01/2025 Đ4)
	GroundReturn        = "return"         // form of an appointment to come again (phiếu hẹn khám lại)
	GroundDonor         = "donor"          // gave an organ and is treated right after
	GroundNewborn       = "newborn"        // treated right after birth
	GroundListedDisease = "listed_disease" // of the list for this level of facility (TT 01/2025, annexes I and II)
	GroundHardshipArea  = "hardship_area"  // of an ethnic minority or a poor household in such an area, or of an island (Luật BHYT Đ22 k4 b)
	GroundMedicine      = "medicine"       // fetches medicine on an appointment form only
	GroundSelfPaying    = "self_paying"    // does not use the insurance
)

// Staff is a member of staff whom the facility has registered with the insurer.
type Staff struct {
	Name   string
	Number string // personal number, 12 digits
}

// Who answered: Eligibility.Source. More may come.
const (
	SourceGateway  = "bhyt-gateway"  // the gateway of Vietnam Social Security
	SourceTraining = "bhyt-training" // its training system or a simulated gateway, whose answers are true of nobody
	SourceSupplied = "supplied"      // the HIS, on its own word
	SourceRelay    = "relay"         // one machine of the hospital that asks for all desks
	SourceFHIR     = "fhir"          // a FHIR R4 server
)

// Card is the insurance card as the insurer knows it.
type Card struct {
	Code               string `json:"code,omitempty"`
	From               string `json:"from,omitempty"`
	To                 string `json:"to,omitempty"`
	RegisteredFacility string `json:"registeredFacility,omitempty"`
	BenefitRate        int    `json:"benefitRate,omitempty"`   // percent; 0 is not known
	FiveYearsFrom      string `json:"fiveYearsFrom,omitempty"` // five years without a gap, from this day
	Area               string `json:"area,omitempty"`          // K1, K2, K3
	Previous           string `json:"previous,omitempty"`      // code of the old card, where a new one was issued
	Next               string `json:"next,omitempty"`          // code of the new card
}

// Route is a proposal of the care route (MA_DOITUONG_KCB); it is decided when the visit ends (QĐ 3276/QĐ-BYT, annex 1, note 1).
type Route struct {
	Proposal string `json:"proposal"`         // such as "1.1"; empty where nothing can be proposed
	Decided  bool   `json:"decided"`          // of ours always false
	Reason   string `json:"reason,omitempty"` // id of why, or of what is missing
	Text     string `json:"text,omitempty"`   // the same in Vietnamese
	TextEN   string `json:"textEn,omitempty"`
	Source   string `json:"source,omitempty"` // the rule's legal source
	// Alternatives are the codes that apply instead if something is so that the desk has not been told of.
	Alternatives []RouteAlternative `json:"alternatives,omitempty"`
}

// RouteAlternative is another code, and what would have to be so.
type RouteAlternative struct {
	Proposal string   `json:"proposal"`
	Percent  *float64 `json:"percent,omitempty"` // of the cost covered, under this code; nil: not known
	When     string   `json:"when,omitempty"`    // what would have to be so, in Vietnamese
	WhenEN   string   `json:"whenEn,omitempty"`
	Source   string   `json:"source,omitempty"`
}

// Rate is the part of the covered cost that the insurer pays, in percent.
type Rate struct {
	BasePercent int      `json:"basePercent,omitempty"` // what the card's code promises; 0: it does not say
	Percent     *float64 `json:"percent,omitempty"`     // under the proposed route; nil: cannot be said
	Decided     bool     `json:"decided"`               // nothing that the desk cannot know yet can change Percent
	Reason      string   `json:"reason,omitempty"`      // id of what decides it, or of what is missing
	Text        string   `json:"text,omitempty"`        // the same in Vietnamese
	TextEN      string   `json:"textEn,omitempty"`
	Source      string   `json:"source,omitempty"` // legal source
}

// Continuity is five years of insurance without a gap: one of the two conditions under which a patient pays no share until
// the end of the year. The other one, how much was paid this year, no desk is told (NĐ 188/2025 Đ18).
type Continuity struct {
	From    string `json:"from"`    // ISO 8601 day from which five years are full
	Reached bool   `json:"reached"` // on the day of the visit
	Source  string `json:"source,omitempty"`
}

// Difference is one field in which two sources disagree about a person. It holds no values.
type Difference struct {
	Field   string `json:"field"`             // JSON name of the identity field
	Kind    string `json:"kind"`              // DiffersIn…
	Cause   string `json:"cause,omitempty"`   // the likely cause: Cause…
	Between string `json:"between,omitempty"` // what disagrees: Between…
	Advice  string `json:"advice,omitempty"`  // id of what the desk does: see the catalogue
}

// Causes of a Difference. The values go over the wire and are frozen.
const (
	CauseSpelling    = "spelling"     // the same person, written otherwise
	CauseOldCard     = "old_card"     // the insurer's record is from before the present card
	CauseOtherPerson = "other_person" // somebody else's card or number
	CauseUnknown     = "unknown"
)

// What disagrees. The values go over the wire and are frozen.
const (
	BetweenGateway = "gateway" // the person at the desk (the chip, or what was typed) and the insurer
	BetweenMRZ     = "mrz"     // the chip's machine readable zone and its Vietnamese data (DG13)
	BetweenScanned = "scanned" // what was scanned or typed and the chip
)

// Eligibility is the answer, ready for the wire.
type Eligibility struct {
	State       State        `json:"state"`
	Source      string       `json:"source,omitempty"`
	AsOf        time.Time    `json:"asOf,omitzero"`
	Code        string       `json:"code,omitempty"` // raw result code of the insurer
	Text        string       `json:"text,omitempty"` // meaning of the code, in Vietnamese as the insurer words it
	TextEN      string       `json:"textEn,omitempty"`
	Advice      string       `json:"advice,omitempty"` // id of what the desk does next: see the catalogue
	Reason      string       `json:"reason,omitempty"` // id of the error behind a pending or unknown state
	Card        *Card        `json:"card,omitempty"`
	Route       *Route       `json:"route,omitempty"`
	Rate        *Rate        `json:"rate,omitempty"`
	Continuity  *Continuity  `json:"continuity,omitempty"`
	Differences []Difference `json:"differences,omitempty"`

	// LookedUpBy is who else looked this card up lately, newest first, at most MaxLookUps.
	LookedUpBy []LookUp `json:"lookedUpBy,omitempty"`
	// History is what the person was treated for. Only for an origin with the right to it, on request, and never stored.
	History *History `json:"history,omitempty"`

	// Raw is the insurer's answer as it came, but for what must not be kept (lists of visits with their diagnoses), for the
	// journal. It never goes over the wire. It may be there beside an error.
	Raw []byte `json:"-"`
}

// Provider answers. Check stops by ctx. Errors: ErrUnreachable (try later), ErrRejected (account, rights or settings are
// wrong: a person must act), ErrGarbage (the answer is none), ErrRequest (this request can never be answered). An answer
// of the insurer that refuses the person is no error.
type Provider interface {
	Name() string
	Check(ctx context.Context, r Request) (Eligibility, error)
}

// What can go wrong with a look-up. No error holds a URL, an account or personal data.
var (
	ErrUnreachable = errors.New("insurer cannot be reached")
	ErrRejected    = errors.New("insurer refuses this facility's access")
	ErrGarbage     = errors.New("insurer's answer makes no sense")
	ErrRequest     = errors.New("request lacks what the insurer needs")
)

// ErrNotAsked says that the insurer was not asked at all, because the last attempts all failed and the next is not due yet. It
// is an ErrUnreachable, and no proof of an attempt.
var ErrNotAsked = fmt.Errorf("%w: not asked again yet", ErrUnreachable)

// NotAskedError is another error that came without anybody being asked: the request lacks something, or an account that was
// refused a moment ago is not tried again yet. errors.Is finds both ErrNotAsked in it and Err, but not that the insurer
// could not be reached.
type NotAskedError struct{ Err error }

func (e *NotAskedError) Error() string { return e.Err.Error() + " (nobody was asked)" }

// Is says that nobody was asked.
func (e *NotAskedError) Is(target error) bool { return target == ErrNotAsked }

// Unwrap gives the error that there is.
func (e *NotAskedError) Unwrap() error { return e.Err }

// CodeError is an error that the insurer itself reported with a result code. It unwraps to one of the errors above.
type CodeError struct {
	Code string // raw result code
	Err  error
}

func (e *CodeError) Error() string { return e.Err.Error() + " (result code " + e.Code + ")" }

// Unwrap gives the error that the code stands for.
func (e *CodeError) Unwrap() error { return e.Err }
