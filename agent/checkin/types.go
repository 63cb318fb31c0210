package checkin

import (
	"encoding/json"
	"time"

	"github.com/tapcheck/tapcheck/agent/catalog"
	"github.com/tapcheck/tapcheck/icao/lds"
	"github.com/tapcheck/tapcheck/insurance"
	"github.com/tapcheck/tapcheck/insurance/claim"
)

// Owner is whom a job belongs to: one client program or web origin within one session of the operating system. It is
// comparable; two tabs of one origin are the same owner.
//
// A session ends, and what was checked in yesterday must still be found. So a check-in in the book belongs to the client and
// to User, which outlast the agent, the session and the PC's restart: see Owner.String. A desktop program with a new token is
// a new client.
type Owner struct {
	Client  string // the origin, or "desktop:" and the id of the token
	Session string // the operating system's session, as the gate found it
	// User is whose session it is: "uid:1000", a SID. Empty is Session itself.
	User string
}

// Means is how the person is identified. The values go over the wire and are frozen.
type Means string

// Means of a check-in.
const (
	MeansChip      Means = "chip"
	MeansNumber    Means = "number"
	MeansPaperCard Means = "paper_card"
	MeansVNeID     Means = "vneid"
	MeansNoCard    Means = "no_card"
	MeansEmergency Means = "emergency"
)

// State of a job. The values go over the wire and are frozen.
type State string

// States of a job.
const (
	Waiting   State = "waiting"
	Running   State = "running"
	Needs     State = "needs"
	Complete  State = "complete"
	Failed    State = "failed"
	Cancelled State = "cancelled"
	Void      State = "void"
)

// Final says that nothing follows.
func (s State) Final() bool { return s == Complete || s == Failed || s == Cancelled || s == Void }

// Phase of a job; the phases of a chip read lie among them (icao.Phase). The values go over the wire and are frozen.
type Phase string

// Phases.
const (
	PhaseWaiting    Phase = "waiting"
	PhaseConnecting Phase = "connecting"
	PhaseAccess     Phase = "access"
	PhaseIdentity   Phase = "identity"
	PhaseChip       Phase = "chip"
	PhasePortrait   Phase = "portrait"
	PhaseFace       Phase = "face"
	PhaseInsurance  Phase = "insurance"
	PhaseDone       Phase = "done"
)

// KeyInput is the key as a client gives it: at most one of CAN, MRZ, QR, Number and DocumentNumber. Number may come
// with DateOfBirth and ExpiresAt (ISO dates), DocumentNumber must. It is secret and personal and is never echoed or logged.
type KeyInput struct {
	CAN            string `json:"can,omitempty"`
	MRZ            string `json:"mrz,omitempty"`
	QR             string `json:"qr,omitempty"`
	Number         string `json:"number,omitempty"`
	DocumentNumber string `json:"documentNumber,omitempty"`
	DateOfBirth    string `json:"dateOfBirth,omitempty"`
	ExpiresAt      string `json:"expiresAt,omitempty"`
}

// Expect turns another person's card away before anything of it is disclosed.
type Expect struct {
	Number string `json:"number,omitempty"`
}

// Subject is the person, where the means is not a chip. On the client's word.
type Subject struct {
	Number      string `json:"number,omitempty"`
	CardCode    string `json:"cardCode,omitempty"`
	FullName    string `json:"fullName,omitempty"`
	DateOfBirth string `json:"dateOfBirth,omitempty"`
	Sex         string `json:"sex,omitempty"`
}

// Operator is who sits at the desk, and on whose word.
type Operator struct {
	ID     string `json:"id"`
	Source string `json:"source,omitempty"` // "his", "console", "assertion"
}

// Visit is the HIS's own reference.
type Visit struct {
	MaLK string `json:"maLk,omitempty"`
	MaBN string `json:"maBn,omitempty"`
}

// Timeouts in milliseconds; 0 is the default.
type Timeouts struct {
	WaitMs      int `json:"waitMs,omitempty"`      // for a card; at most 600000
	NeedMs      int `json:"needMs,omitempty"`      // for an answer to job.needs; at most 600000
	InsuranceMs int `json:"insuranceMs,omitempty"` // for eligibility before it is pending; 1000 to 30000
}

// Request is checkin.start.
type Request struct {
	JobID       string                 `json:"jobId"`
	Means       Means                  `json:"means"`
	Reader      string                 `json:"reader,omitempty"` // id; empty is any
	Key         *KeyInput              `json:"key,omitempty"`
	Expect      *Expect                `json:"expect,omitempty"`
	Subject     *Subject               `json:"subject,omitempty"`
	Operator    *Operator              `json:"operator,omitempty"`
	Desk        string                 `json:"desk,omitempty"`
	Visit       *Visit                 `json:"visit,omitempty"`
	Care        *insurance.Care        `json:"care,omitempty"`
	Fields      []string               `json:"fields,omitempty"`    // JSON names of lds.Identity; empty is what admission needs
	Portrait    *bool                  `json:"portrait,omitempty"`  // default true
	Insurance   string                 `json:"insurance,omitempty"` // "agent" (default), "supplied", "off"
	Eligibility *insurance.Eligibility `json:"eligibility,omitempty"`
	Face        string                 `json:"face,omitempty"` // FaceOff (default), FaceOffered, FaceRequired
	Nonce       string                 `json:"nonce,omitempty"`
	Timeouts    *Timeouts              `json:"timeouts,omitempty"`
	Wait        *bool                  `json:"wait,omitempty"` // wait for a card; default true
	Detached    bool                   `json:"detached,omitempty"`

	// Files are raw files of the chip that are kept for TakeFiles, as far as the ceiling allows (FileWithin). No client of
	// the protocol can ask for them.
	Files []lds.FileID `json:"-"`
}

// Accepted answers checkin.start and card.read at once.
type Accepted struct {
	JobID     string `json:"jobId"`
	CheckinID string `json:"checkinId"`
	State     State  `json:"state"`
}

// Picture is a portrait that anybody can show. To a session that wants pictures as binary frames it goes without Data, but
// with Bytes and Frame, and the frame follows.
type Picture struct {
	MIME   string `json:"mime"`
	Width  int    `json:"width"`
	Height int    `json:"height"`
	Data   []byte `json:"data,omitempty"`  // base64 on the wire
	Bytes  int    `json:"bytes,omitempty"` // length of the picture in the binary frame
	Frame  uint32 `json:"frame,omitempty"` // number of the binary frame, from 1, per connection
}

// FaceVerdict is the verdict about the living face against the chip's photo.
type FaceVerdict struct {
	Status      lds.Status   `json:"status"`
	Reason      lds.Reason   `json:"reason,omitempty"`
	Basis       lds.Basis    `json:"basis,omitempty"`
	Decision    string       `json:"decision,omitempty"` // match, no_match, review, cannot_tell
	Score       float64      `json:"score,omitempty"`
	Threshold   float64      `json:"threshold,omitempty"`
	Model       string       `json:"model,omitempty"`
	AttackCheck *AttackCheck `json:"attackCheck,omitempty"`
	Attempts    int          `json:"attempts,omitempty"` // that were made
	Required    bool         `json:"required,omitempty"` // it was asked for as required: without a match a person decides
}

// AttackCheck says how hard it was looked whether a living person sat before the camera.
type AttackCheck struct {
	Level  string     `json:"level"`
	Status lds.Status `json:"status"`
	Reason lds.Reason `json:"reason,omitempty"`
}

// Verdicts of a check-in.
type Verdicts struct {
	lds.Verdicts
	Face FaceVerdict `json:"face"`
}

// Step is something that the desk does now.
type Step struct {
	ID   string `json:"id"`
	Text string `json:"text"`
}

// Warning is something that the desk should know and need not act on.
type Warning struct {
	ID   string `json:"id"`
	Text string `json:"text"`
}

// Timings in milliseconds from the tap (the card being there and the job being served); 0 is not reached.
type Timings struct {
	IdentityMs    int64 `json:"identityMs,omitempty"`
	EligibilityMs int64 `json:"eligibilityMs,omitempty"`
	CompleteMs    int64 `json:"completeMs,omitempty"`
}

// Result is the final result, or what is already known of it.
type Result struct {
	JobID       string                 `json:"jobId"`
	Seq         int                    `json:"seq,omitempty"`       // as in Progress; absent where no job stands behind it
	CheckinID   string                 `json:"checkinId,omitempty"` // absent where nothing is kept, as of tapcheck read
	State       State                  `json:"state"`
	Recorded    bool                   `json:"recorded"`
	Simulated   bool                   `json:"simulated,omitempty"`
	Means       Means                  `json:"means"`
	StartedAt   time.Time              `json:"startedAt"`
	FinishedAt  time.Time              `json:"finishedAt,omitzero"`
	Operator    *Operator              `json:"operator,omitempty"`
	Desk        string                 `json:"desk,omitempty"`
	Visit       *Visit                 `json:"visit,omitempty"`
	Reader      string                 `json:"reader,omitempty"` // "virtual" where it is no real hardware
	Identity    *lds.Identity          `json:"identity,omitempty"`
	Subject     *Subject               `json:"subject,omitempty"` // where the means is not a chip: on whose word, says the means
	Portrait    *Picture               `json:"portrait,omitempty"`
	Verdicts    *Verdicts              `json:"verdicts,omitempty"`
	Eligibility *insurance.Eligibility `json:"eligibility,omitempty"`
	Differences []insurance.Difference `json:"differences,omitempty"` // where two sources disagree about the person
	Claim       map[string]string      `json:"claim,omitempty"`       // values as the ministry writes them
	Address     *claim.Place           `json:"address,omitempty"`     // codes of the units that the residence names
	Next        []Step                 `json:"next"`
	Warnings    []Warning              `json:"warnings"`
	Timings     Timings                `json:"timings"`
	Error       *catalog.Wire          `json:"error,omitempty"` // what ended a failed job

	DecisionNeeded []string   `json:"decisionNeeded,omitempty"` // what a person must decide on (DecideRequest.About), and has not
	Decisions      []Decision `json:"decisions,omitempty"`
	Void           *Voiding   `json:"void,omitempty"` // why it was taken back
}

// Need is job.needs: what a job waits for before it goes on.
type Need struct {
	JobID     string        `json:"jobId"`
	Seq       int           `json:"seq"`             // as in Progress
	Need      string        `json:"need"`            // insert_card, reposition_card, return_card, key, choose_reader, consent, live_image
	Cause     *catalog.Wire `json:"cause,omitempty"` // why, in words for the desk
	ExpiresAt time.Time     `json:"expiresAt"`
	Readers   []string      `json:"readers,omitempty"` // choose_reader: ids

	Consent *ConsentNeed `json:"consent,omitempty"` // consent
	Face    *FaceNeed    `json:"face,omitempty"`    // live_image
	Capture *Capture     `json:"capture,omitempty"` // consent, live_image
}

// What a job can need. The values go over the wire and are frozen.
const (
	NeedInsertCard     = "insert_card"
	NeedRepositionCard = "reposition_card"
	NeedReturnCard     = "return_card"
	NeedKey            = "key"
	NeedChooseReader   = "choose_reader"
	NeedConsent        = "consent"
	NeedLiveImage      = "live_image"
)

// Provision is job.provide: the answer to a need.
type Provision struct {
	JobID  string    `json:"jobId"`
	Key    *KeyInput `json:"key,omitempty"`
	Reader string    `json:"reader,omitempty"`
	Face   *FaceAct  `json:"face,omitempty"`
}

// Progress is job.progress.
type Progress struct {
	JobID   string `json:"jobId"`
	Seq     int    `json:"seq"` // per job, from 1, shared by all events of the job
	Phase   Phase  `json:"phase"`
	Percent int    `json:"percent"`
	Hint    *Step  `json:"hint,omitempty"`
}

// Methods of events. The values go over the wire and are frozen.
const (
	EventProgress = "job.progress"
	EventPartial  = "job.partial"
	EventNeeds    = "job.needs"
	EventResult   = "job.result"

	EventEligibility = "eligibility.changed"
)

// Event is a notification for the owner of a job. Method is job.progress, job.partial, job.needs, job.result or eligibility.changed; Params is
// already encoded, so that one event is encoded once however many sockets get it.
type Event struct {
	Method  string
	JobID   string
	Params  json.RawMessage
	Result  *Result  // that Params are, of job.partial and job.result; never changed
	Need    *Need    // that Params are, of job.needs; never changed
	Notice  int64    // of eligibility.changed: the owner gets it until Engine.Got hears that it has it
	Picture *Picture // that Params holds as "portrait", for who would rather have it beside them; never changed
}

// JobStatus is job.status.
type JobStatus struct {
	JobID     string  `json:"jobId"`
	CheckinID string  `json:"checkinId"`
	State     State   `json:"state"`
	Phase     Phase   `json:"phase"`
	Percent   int     `json:"percent"`
	Need      *Need   `json:"need,omitempty"`
	Result    *Result `json:"result,omitempty"` // once the state is final
}

// Rights bound what an owner may start and see. The zero value allows nothing.
type Rights struct {
	Read      bool     `json:"read"`
	Insurance bool     `json:"insurance"`
	Face      bool     `json:"face,omitempty"`    // have the living face compared
	History   bool     `json:"history,omitempty"` // what the insurer says that a person was treated for
	Simulator bool     `json:"simulator"`
	Fields    []string `json:"fields"` // ceiling of identity fields, JSON names of lds.Identity, and "portrait"
}
