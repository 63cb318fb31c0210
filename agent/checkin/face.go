package checkin

import (
	"context"
	"errors"
	"slices"
	"strings"
	"time"

	"github.com/tapcheck/tapcheck/agent/catalog"
	"github.com/tapcheck/tapcheck/icao/lds"
)

// Faces compares a living face with the photo of a chip. It is safe for concurrent use.
type Faces interface {
	// Warm begins to make ready for a comparison that will come, and returns at once.
	Warm()
	// Begin begins a comparison. The error is ErrFaceModels where this program cannot compare at all; any other is a fault.
	Begin(ctx context.Context, o FaceOptions) (FaceCheck, error)
}

// FaceOptions say how a comparison is made.
type FaceOptions struct {
	Level string   // how sure a match has to be: low, standard, high
	Check string   // how far it is looked for somebody who is not really there: AttackNone and so on
	Nonce [32]byte // the order of challenges comes from it
}

// FaceCheck is one comparison. It is used by one goroutine at a time; a call that its context has ended may come back later, and
// nothing else is called before. It keeps pictures in memory only.
type FaceCheck interface {
	// Chip takes the chip's photo, before any frame. Errors: ErrPhotoUnreadable, ErrPhotoPoor; any other is a fault.
	Chip(ctx context.Context, p lds.Portrait) error
	// Frame takes a live picture. What is wrong with the picture is a finding; an error is a fault, which loses this picture.
	Frame(ctx context.Context, f FaceFrame) (FaceFeedback, error)
	// Outcome is what the attempt has come to; of one that has not ended, what it comes to without more pictures.
	Outcome() FaceOutcome
	// Retry begins a further attempt with the same chip's photo; false where there can be none.
	Retry() bool
	// Close wipes all pictures.
	Close()
}

// Errors of Faces and FaceCheck.
var (
	ErrFaceModels      = errors.New("there are no models to compare faces with")
	ErrPhotoUnreadable = errors.New("the chip's photo cannot be decoded")
	ErrPhotoPoor       = errors.New("the chip's photo is too poor to compare with")
)

// FaceFrame is a live picture.
type FaceFrame struct {
	MIME      string        // image/jpeg or image/png
	Data      []byte        // the picture as it came; wiped when Frame has returned
	Seq       int           // counts upwards
	At        time.Duration // on a clock of the sender that only runs forward
	Challenge string        // the one that it answers
}

// FaceFeedback is said about a frame at once.
type FaceFeedback struct {
	Findings  []FaceHint // the most important one first
	Challenge *FaceTask  // what the person is to do now
	Progress  int        // percent of the attempt
	Done      bool       // the attempt has ended
}

// FaceHint is a finding: an id of catalog.FaceText. Warning says that the picture is used all the same.
type FaceHint struct {
	ID      string
	Warning bool
}

// FaceTask is what a person is asked to do: a kind of catalog.FaceText.
type FaceTask struct {
	ID, Kind string
	Until    time.Time // zero: not limited
}

// FaceOutcome is what an attempt has come to.
type FaceOutcome struct {
	Decision         string     // match, review, no_match, cannot_tell
	Reason           lds.Reason // of review and cannot_tell
	Score, Threshold float64
	Model            string
	Attack           AttackCheck
	Frames, Used     int
}

// Decisions about a face. The values go over the wire and are frozen.
const (
	faceMatch      = "match"
	faceReview     = "review"
	faceNoMatch    = "no_match"
	faceCannotTell = "cannot_tell"
)

// Request.Face. The values go over the wire and are frozen.
const (
	FaceOff      = "off"
	FaceOffered  = "offered"
	FaceRequired = "required"
)

// How far it is looked for somebody who is not really there (AttackCheck.Level). The values go over the wire and are frozen.
const (
	AttackNone      = "none"
	AttackPassive   = "passive_hints"
	AttackChallenge = "active_challenge"
)

// FaceRules are the hospital's own.
type FaceRules struct {
	Level   string // FaceOptions.Level; empty is standard
	Check   string // FaceOptions.Check; empty is active_challenge
	Consent bool   // the person is asked first
}

// ConsentNeed is what has to be asked, and of whom.
type ConsentNeed struct {
	Purpose     string   `json:"purpose"`
	TextVersion string   `json:"textVersion"`
	Text        string   `json:"text"`
	By          []string `json:"by"` // patient, guardian: all of them
}

// FaceNeed is how far a comparison is.
type FaceNeed struct {
	Attempt     int            `json:"attempt"`
	Attempts    int            `json:"attempts"`
	AttackCheck string         `json:"attackCheck"`
	Challenge   *FaceChallenge `json:"challenge,omitempty"`
	Verdict     *FaceVerdict   `json:"verdict,omitempty"` // of this attempt, which has ended: the desk tries again or goes on
}

// FaceChallenge is what the person is asked to do.
type FaceChallenge struct {
	ID        string    `json:"id"`
	Kind      string    `json:"kind"`
	Text      string    `json:"text"`
	ExpiresAt time.Time `json:"expiresAt,omitzero"`
}

// Capture is the console's window for one job.
type Capture struct {
	URL       string    `json:"url"`
	ExpiresAt time.Time `json:"expiresAt"`
}

// FaceAct is what the operator does about a comparison.
type FaceAct struct {
	Action string    `json:"action"` // retry, skip
	Reason string    `json:"reason,omitempty"`
	By     *Operator `json:"by,omitempty"`
}

// FaceImage is a picture.
type FaceImage struct {
	MIME string `json:"mime"`
	Data []byte `json:"data"` // base64 on the wire
}

// FaceFrameParams is face.frame, and without Seq, AtMs and Challenge face.verify. The engine wipes Image.Data.
type FaceFrameParams struct {
	JobID     string    `json:"jobId"`
	Seq       *int      `json:"seq"`
	AtMs      *int64    `json:"atMs"`
	Image     FaceImage `json:"image"`
	Challenge string    `json:"challenge,omitempty"`
}

// FaceFinding is something about a picture, in words.
type FaceFinding struct {
	ID      string `json:"id"`
	Text    string `json:"text"`
	Warning bool   `json:"warning,omitempty"`
}

// FaceFrameResult answers face.frame.
type FaceFrameResult struct {
	Findings  []FaceFinding  `json:"findings"`
	Challenge *FaceChallenge `json:"challenge,omitempty"`
	Progress  int            `json:"progress"`
	Done      bool           `json:"done"`
	Attempt   int            `json:"attempt"`
	Face      *FaceVerdict   `json:"face,omitempty"` // where it is done
}

// FaceVerifyResult answers face.verify.
type FaceVerifyResult struct {
	Face     FaceVerdict   `json:"face"`
	Findings []FaceFinding `json:"findings"`
	Attempt  int           `json:"attempt"`
}

// ConsentRequest is consent.record.
type ConsentRequest struct {
	JobID       string    `json:"jobId,omitempty"`
	CheckinID   string    `json:"checkinId,omitempty"`
	Purpose     string    `json:"purpose"`
	TextVersion string    `json:"textVersion"`
	Given       *bool     `json:"given"`
	By          string    `json:"by"` // patient, guardian, both
	Operator    *Operator `json:"operator,omitempty"`
}

// ConsentRecorded answers consent.record.
type ConsentRecorded struct {
	ConsentID string `json:"consentId"`
	CheckinID string `json:"checkinId"`
	Recorded  bool   `json:"recorded"`
}

// Consent is one consent as it is kept.
type Consent struct {
	ID          string    `json:"id"`
	Purpose     string    `json:"purpose"`
	TextVersion string    `json:"textVersion"`
	Given       bool      `json:"given"`
	By          string    `json:"by"`
	Operator    *Operator `json:"operator,omitempty"`
	At          time.Time `json:"at"`
}

// FaceState is how the comparison of a job stands, for the window that takes its pictures. Nothing in it says who the patient is.
type FaceState struct {
	Stage     string       `json:"stage"` // FaceWaits and so on
	Lang      catalog.Lang `json:"lang"`  // of the job's client
	Simulated bool         `json:"simulated,omitempty"`
	ExpiresAt time.Time    `json:"expiresAt,omitzero"`
	Consent   *ConsentNeed `json:"consent,omitempty"`
	Face      *FaceNeed    `json:"face,omitempty"`
	Verdict   *FaceVerdict `json:"verdict,omitempty"` // once it is over
}

// Stages of a comparison.
const (
	FaceWaits   = "waiting" // for the card to be read, or for the program to be ready
	FaceConsent = "consent"
	FaceLive    = "live_image"
	FaceDecided = "decided" // an attempt has ended; the desk tries again or goes on
	FaceOver    = "over"
)

// FaceActByRefParams is what the window does: exactly one of the two.
type FaceActByRefParams struct {
	Consent *ConsentRequest `json:"consent,omitempty"` // its ids are not looked at
	Face    *FaceAct        `json:"face,omitempty"`
}

// Bounds of a comparison.
const (
	faceAttempts  = 3
	maxPicture    = 4 << 20               // bytes of a live picture as it comes
	frameGap      = 50 * time.Millisecond // between two frames that are looked at
	frameLimit    = 10 * time.Second      // of one frame
	readyLimit    = 20 * time.Second      // until the models are there and the chip's photo was looked at
	outcomeLimit  = 2 * time.Second       // of an attempt that nobody goes on with
	maxFrameFault = 3                     // faults of frames in a row; then the attempt has ended
	maxConsents   = 16                    // of one check-in
	maxVersion    = 64
)

var (
	consentPurposes = []string{purposeFace, "insurance_lookup", "evidence"}
	consentBy       = []string{byPatient, byGuardian, byBoth}
	faceActions     = []string{actRetry, actSkip}
	faceReasons     = []string{"camera_missing", "patient_cannot", "patient_refuses", "compared_by_eye", "no_time", "other"}
)

const (
	purposeFace = "face_verification"
	byPatient   = "patient"
	byGuardian  = "guardian"
	byBoth      = "both"
	actRetry    = "retry"
	actSkip     = "skip"
)

// wantsFace says that a request asks for a comparison.
func (r *Request) wantsFace() bool { return r.Face == FaceOffered || r.Face == FaceRequired }

// comparesFaces says that a job can come to a comparison.
func (j *job) comparesFaces() bool {
	return j.req.wantsFace() && j.req.Means == MeansChip && j.e.cfg.Faces != nil
}

func (i FaceImage) check() error {
	switch {
	case i.MIME != "image/jpeg" && i.MIME != "image/png":
		return bad("image.mime", "image/jpeg or image/png")
	case len(i.Data) == 0:
		return bad("image.data", "missing")
	case len(i.Data) > maxPicture:
		return bad("image.data", "longer than 4 MiB")
	}
	return nil
}

func (p FaceFrameParams) check() error {
	switch {
	case p.Seq == nil:
		return bad("seq", "missing")
	case *p.Seq < 0 || *p.Seq > 1_000_000:
		return bad("seq", "not within 0 to 1000000")
	case p.AtMs == nil:
		return bad("atMs", "missing")
	case *p.AtMs < 0 || *p.AtMs > 1<<53:
		return bad("atMs", "not within 0 to 9007199254740992")
	case len(p.Challenge) > 64 || strings.ContainsFunc(p.Challenge, func(r rune) bool { return r <= ' ' || r > '~' }):
		return bad("challenge", "not an id of a challenge")
	}
	return p.Image.check()
}

// FaceFrame takes a live picture of a job that needs one, and answers when it was looked at: as a rule within a fifth of a second.
// Image.Data is wiped. Errors are of the catalogue: BAD_REQUEST, JOB_UNKNOWN, JOB_NOT_WAITING.
func (e *Engine) FaceFrame(ctx context.Context, o Owner, p FaceFrameParams) (FaceFrameResult, error) {
	defer clear(p.Image.Data)
	if err := p.check(); err != nil {
		return FaceFrameResult{}, err
	}
	return e.faceFrame(ctx, func() (*job, error) { return e.find(o, p.JobID) }, p)
}

// FaceFrameByRef does the same for whichever program's job it is: the console's window sends it. p.JobID is not looked at. That the
// job belongs to the session of whoever asks is for the caller to see to.
func (e *Engine) FaceFrameByRef(ctx context.Context, ref string, p FaceFrameParams) (FaceFrameResult, error) {
	defer clear(p.Image.Data)
	if err := p.check(); err != nil {
		return FaceFrameResult{}, err
	}
	return e.faceFrame(ctx, func() (*job, error) { return e.byRef(ref) }, p)
}

func (e *Engine) faceFrame(ctx context.Context, find func() (*job, error), p FaceFrameParams) (FaceFrameResult, error) {
	t := faceTask{kind: taskFrame, frame: FaceFrame{MIME: p.Image.MIME, Data: p.Image.Data, Seq: *p.Seq, At: time.Duration(min(*p.AtMs, 1<<42)) * time.Millisecond, Challenge: p.Challenge}}
	j, answer, err := e.offerFrame(ctx, find, t)
	if err != nil {
		return FaceFrameResult{}, err
	}
	out := FaceFrameResult{Findings: findingsOf(answer.hints, j.lang), Challenge: answer.challenge, Progress: answer.progress, Done: answer.done, Attempt: answer.attempt}
	if answer.done {
		out.Face = answer.verdict
	}
	return out, nil
}

// FaceDropped answers a frame that came while so many were under way that it was not even read.
func (e *Engine) FaceDropped(o Owner, jobID string) (FaceFrameResult, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	j, err := e.find(o, jobID)
	if err != nil {
		return FaceFrameResult{}, err
	}
	if j.face.stage != FaceLive {
		return FaceFrameResult{}, catalog.New(catalog.JobNotWaiting, nil)
	}
	a := j.face.dropped()
	return FaceFrameResult{Findings: findingsOf(a.hints, j.lang), Challenge: a.challenge, Progress: a.progress, Attempt: a.attempt}, nil
}

// FaceVerify compares a single picture: an attempt of its own, whose attack check is passive at most. After an attempt whose attack
// check failed it comes to no match any more, but to a review. Errors are those of FaceFrame,
// and RATE_LIMITED while a frame of the same job is being looked at.
func (e *Engine) FaceVerify(ctx context.Context, o Owner, p FaceFrameParams) (FaceVerifyResult, error) {
	defer clear(p.Image.Data)
	if err := p.Image.check(); err != nil {
		return FaceVerifyResult{}, err
	}
	t := faceTask{kind: taskVerify, frame: FaceFrame{MIME: p.Image.MIME, Data: p.Image.Data}}
	j, answer, err := e.offerFrame(ctx, func() (*job, error) { return e.find(o, p.JobID) }, t)
	if err != nil {
		return FaceVerifyResult{}, err
	}
	if answer.verdict == nil { // the comparison ended otherwise meanwhile
		return FaceVerifyResult{}, catalog.New(catalog.JobNotWaiting, nil)
	}
	return FaceVerifyResult{Face: *answer.verdict, Findings: findingsOf(answer.hints, j.lang), Attempt: answer.attempt}, nil
}

func findingsOf(hints []FaceHint, l catalog.Lang) []FaceFinding {
	out := []FaceFinding{} // never null on the wire
	for _, h := range hints {
		if text, ok := catalog.FaceText(h.ID, l); ok && len(out) < maxFindings {
			out = append(out, FaceFinding{ID: h.ID, Text: text, Warning: h.Warning})
		}
	}
	return out
}

const maxFindings = 16

// byRef gives a job that somebody has a ref of. The mutex is held.
func (e *Engine) byRef(ref string) (*job, error) {
	for _, j := range e.jobs {
		if ref != "" && j.ref == ref {
			return j, nil
		}
	}
	return nil, catalog.New(catalog.JobUnknown, nil)
}

// FaceStateByRef tells how the comparison of a job stands. The error is JOB_UNKNOWN, also for a job without one.
func (e *Engine) FaceStateByRef(_ context.Context, ref string) (FaceState, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	j, err := e.byRef(ref)
	if err != nil {
		return FaceState{}, err
	}
	if !j.comparesFaces() {
		return FaceState{}, catalog.New(catalog.JobUnknown, nil)
	}
	s := FaceState{Stage: j.face.stage, Lang: j.lang, Simulated: e.cfg.Simulated}
	if n := j.need; n != nil && (n.Need == NeedConsent || n.Need == NeedLiveImage) {
		s.ExpiresAt, s.Consent, s.Face = n.ExpiresAt, n.Consent, n.Face
	}
	if s.Stage == "" {
		s.Stage = FaceWaits
	}
	if s.Stage == FaceOver || j.state.Final() {
		v := j.faceVerdict()
		s.Stage, s.Verdict = FaceOver, &v
	}
	return s, nil
}

// FaceActByRef records a consent, or what the operator does, for whichever program's job it is. Errors are those of RecordConsent
// and Provide.
func (e *Engine) FaceActByRef(ctx context.Context, ref string, a FaceActByRefParams) error {
	if (a.Consent == nil) == (a.Face == nil) {
		return bad("consent", "either consent or face")
	}
	if err := ctx.Err(); err != nil {
		return Explain(err)
	}
	e.mu.Lock()
	j, err := e.byRef(ref)
	if err != nil {
		e.mu.Unlock()
		return err
	}
	if a.Face != nil {
		defer e.mu.Unlock()
		return j.act(*a.Face)
	}
	over := j.state.Final() || j.face.stage == FaceOver
	e.mu.Unlock()
	if over {
		return catalog.New(catalog.JobNotWaiting, nil)
	}
	c := *a.Consent
	c.JobID, c.CheckinID = "", j.checkinID
	_, err = e.RecordConsent(ctx, j.key.owner, c)
	return err
}

// RecordConsent records what a person said about a purpose, of a job that still runs or of a check-in that is over. For a job that
// compares faces it is also the answer. Errors are those of Link.
func (e *Engine) RecordConsent(ctx context.Context, o Owner, r ConsentRequest) (ConsentRecorded, error) {
	if err := errors.Join(checkName(r.JobID, r.CheckinID), oneOf("purpose", r.Purpose, consentPurposes), oneOf("by", r.By, consentBy), r.Operator.check()); err != nil {
		return ConsentRecorded{}, Explain(err)
	}
	if r.TextVersion == "" {
		return ConsentRecorded{}, bad("textVersion", "missing")
	}
	if err := text("textVersion", r.TextVersion, maxVersion); err != nil {
		return ConsentRecorded{}, err
	}
	if r.Given == nil {
		return ConsentRecorded{}, bad("given", "missing")
	}
	now := e.cfg.Now()
	c := Consent{ID: newID(now), Purpose: r.Purpose, TextVersion: r.TextVersion, Given: *r.Given, By: r.By, Operator: copyOf(r.Operator), At: now}
	said := 0
	f, recorded, err := e.amend(ctx, o, r.JobID, r.CheckinID, func(f *file) (string, any, error) {
		switch {
		case f.void != nil:
			return "", nil, catalog.New(catalog.CheckinVoid, nil)
		case f.consents >= maxConsents:
			return "", nil, bad("purpose", "said too often")
		}
		if j := f.job; j != nil {
			if c.Operator == nil {
				c.Operator = copyOf(j.req.Operator)
			}
			if c.Purpose == purposeFace && c.Given && !j.state.Final() && j.face.stage != "" {
				if missing := missingConsent(j.face.by, c.By); missing != "" {
					return "", nil, bad("by", "the "+missing+" has to agree")
				}
			}
		}
		f.consents++
		if j := f.job; j != nil && c.Purpose == purposeFace {
			j.face.asked++
			if said = j.face.asked; !c.Given { // nobody looks at a face until the disk has heard of that
				j.face.consent = &c
				e.broadcast()
			}
		}
		return amendConsent, c, nil
	})
	if err != nil {
		return ConsentRecorded{}, err
	}
	if j := f.job; j != nil && c.Purpose == purposeFace {
		e.locked(func() {
			if said == j.face.asked { // otherwise something else was said while this was written down
				j.face.consent = &c
				e.broadcast()
			}
		})
	}
	return ConsentRecorded{ConsentID: c.ID, CheckinID: f.result.CheckinID, Recorded: recorded}, nil
}

// missingConsent names somebody of those who have to agree that has not.
func missingConsent(wanted []string, by string) string {
	for _, w := range wanted {
		if by != w && by != byBoth {
			return w
		}
	}
	return ""
}

// Ages at which the law changes who agrees, and at which a photo is no measure of a face. A child is under sixteen (Luật Trẻ em
// 102/2016/QH13 Đ1); of one under seven the guardian agrees alone, from seven on both (Luật 91/2025/QH15).
const (
	adultAge   = 16
	speaksAge  = 7
	neverKnown = 200
)

// ageOf is a person's age in whole years. Of a date that is not known to the day the latest is taken, which is in a child's favour;
// without a date it is neverKnown.
func ageOf(dateOfBirth string, now time.Time) int {
	if len(dateOfBirth) < 4 {
		return neverKnown
	}
	full := dateOfBirth + "-12-31"[max(0, min(6, len(dateOfBirth)-4)):]
	if len(dateOfBirth) == 7 {
		full = dateOfBirth + "-28"
	}
	born, err := time.Parse(time.DateOnly, full)
	if err != nil {
		return neverKnown
	}
	years := now.Year() - born.Year()
	if now.Month() < born.Month() || now.Month() == born.Month() && now.Day() < born.Day() {
		years--
	}
	return years
}

// agreeing are those who have to agree for somebody of an age.
func agreeing(age int) []string {
	switch {
	case age < speaksAge:
		return []string{byGuardian}
	case age < adultAge:
		return []string{byGuardian, byPatient}
	}
	return []string{byPatient}
}

// act is what an operator does about the comparison. The mutex is held.
func (j *job) act(a FaceAct) error {
	if err := oneOf("face.action", a.Action, faceActions); err != nil {
		return err
	}
	if a.Reason != "" && !slices.Contains(faceReasons, a.Reason) {
		return bad("face.reason", "unknown")
	}
	if a.Reason == "" && a.Action == actSkip {
		return bad("face.reason", "missing")
	}
	if err := a.By.check(); err != nil {
		return err
	}
	if a.By == nil {
		a.By = copyOf(j.req.Operator)
	}
	s := &j.face
	switch {
	case j.state.Final() || s.stage == "" || s.stage == FaceOver || s.skip != nil:
		return catalog.New(catalog.JobNotWaiting, nil)
	case a.Action == actSkip:
		s.skip = &a
	case s.stage != FaceDecided || s.busy:
		return catalog.New(catalog.JobNotWaiting, nil)
	default:
		s.attempt++
		s.verdictNow, s.challenge, s.progress = nil, nil, 0
		s.busy = true
		s.until = time.Now().Add(j.needLimit())
		s.stage = FaceLive
		s.tasks <- faceTask{kind: taskRetry, act: a} // there is room: nothing is under way
		j.needsImage()
	}
	j.e.broadcast()
	return nil
}
