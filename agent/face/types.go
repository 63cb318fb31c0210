package face

import (
	"math"
	"time"
)

// Image is RGB, 3 bytes per pixel, row by row from the top, no padding.
type Image struct {
	Width, Height int // pixels
	Pix           []byte
}

// Whole says whether the picture has as many bytes as its size wants.
func (i Image) Whole() bool {
	return i.Width > 0 && i.Height > 0 && len(i.Pix) == 3*i.Width*i.Height
}

// Point is a place in an image, in pixels.
type Point struct{ X, Y float32 }

// Point3 is a place in an image with a depth in the same unit, which is negative towards the camera, as FaceMesh has it.
type Point3 struct{ X, Y, Z float32 }

// Box is a rectangle of an image, in pixels; it may reach beyond the image.
type Box struct{ X0, Y0, X1, Y1 float32 }

// Keypoints of a face. Right and left are those of the person: the right eye is the left one in an image that is not mirrored.
const (
	KeyRightEye = 0
	KeyLeftEye  = 1
	KeyNose     = 2
	KeyMouth    = 3
	KeyRightEar = 4
	KeyLeftEar  = 5
)

// Face is a face that was found in an image.
type Face struct {
	Box       Box
	Score     float32     // of the detector, 0 to 1
	Keypoints [6]Point    // of the detector
	Mesh      [468]Point3 // of FaceMesh, in image pixels
	Presence  float32     // of FaceMesh, 0 to 1: how sure it is that it looks at a face
}

// Template is what the recogniser says of a face: a vector of length 1.
type Template []float32

// Similarity is the cosine between two templates of one model, -1 to 1; 0 for templates that are not of one size.
func Similarity(a, b Template) float64 {
	if len(a) != len(b) || len(a) == 0 {
		return 0
	}
	var dot, aa, bb float64
	for i := range a {
		x, y := float64(a[i]), float64(b[i])
		dot, aa, bb = dot+x*y, aa+x*x, bb+y*y
	}
	if aa == 0 || bb == 0 {
		return 0
	}
	return dot / math.Sqrt(aa*bb)
}

// Level is how sure a match has to be.
type Level string

// Levels.
const (
	LevelLow      Level = "low"
	LevelStandard Level = "standard"
	LevelHigh     Level = "high"
)

// Threshold is what a similarity means: Match and more is a match, less than Review is none, between them a person decides.
type Threshold struct{ Match, Review float64 }

// Decide says what a similarity means.
func (t Threshold) Decide(score float64) Decision {
	switch {
	case score >= t.Match:
		return Match
	case score >= t.Review:
		return Review
	case score < t.Review:
		return NoMatch
	}
	return CannotTell // not a number
}

// Decision is what a verification came to.
type Decision string

// Decisions.
const (
	Match      Decision = "match"
	Review     Decision = "review" // a person has to look: the score lies in between, or an attack check failed
	NoMatch    Decision = "no_match"
	CannotTell Decision = "cannot_tell" // nothing to say either way; Outcome.Reason says why
)

// ModelInfo says which recogniser made a template.
type ModelInfo struct {
	Name       string // as results carry it: "mobilefacenet-192/b67366e0"
	SHA256     string // of its file, hexadecimal
	Dim        int    // length of a template
	Thresholds map[Level]Threshold
}

// AttackLevel is how far a verification looks for somebody who is not really there.
type AttackLevel string

// Attack levels. None of them is a presentation attack detection in the sense of ISO/IEC 30107-3: nothing here was tested
// by a laboratory, and none sees a camera that is fed with a made-up picture.
const (
	AttackNone      AttackLevel = "none"
	PassiveHints    AttackLevel = "passive_hints"    // what the frames show by themselves: one face throughout, fresh frames, no flat picture that moves
	ActiveChallenge AttackLevel = "active_challenge" // and the person does what is asked, in an order nobody knew before
)

// CheckStatus is what an attack check came to.
type CheckStatus string

// Statuses of an attack check.
const (
	CheckPassed  CheckStatus = "passed"
	CheckFailed  CheckStatus = "failed"
	CheckUnknown CheckStatus = "not_verifiable" // too little was seen to say either way
	CheckNotDone CheckStatus = "not_done"
)

// AttackOutcome is what the attack check came to.
type AttackOutcome struct {
	Level  AttackLevel // that was really done, never a higher one
	Status CheckStatus
	Reason string // when it is not passed: one of the Reason constants
}

// Finding is something about a picture or a frame that the person or the desk can mend, or that keeps it from being used.
type Finding struct {
	ID        string  // one of the Finding constants; the text is the catalogue's
	Component string  // of ISO/IEC 29794-5, as OFIQ spells it; empty where the standard has none. The value is ours, no OFIQ score
	Value     float64 // what was measured
	Threshold float64 // what it was held against
	Warning   bool    // the frame is used all the same
}

// Ids of findings. Frozen.
const (
	NoFace          = "NO_FACE"
	SeveralFaces    = "SEVERAL_FACES"
	NotAFace        = "NOT_A_FACE"
	FaceTooSmall    = "FACE_TOO_SMALL"
	FaceTooLarge    = "FACE_TOO_LARGE"
	FaceOffCentre   = "FACE_OFF_CENTRE"
	HeadTurned      = "HEAD_TURNED"
	HeadTilted      = "HEAD_TILTED"
	LookUpDown      = "LOOK_UP_DOWN"
	EyesClosed      = "EYES_CLOSED"
	MouthOpen       = "MOUTH_OPEN"
	Blurred         = "BLURRED"
	TooDark         = "TOO_DARK"
	TooBright       = "TOO_BRIGHT"
	UnevenLight     = "UNEVEN_LIGHT"
	LowContrast     = "LOW_CONTRAST"
	FaceCovered     = "FACE_COVERED"
	FrameRepeated   = "FRAME_REPEATED"
	FrameStale      = "FRAME_STALE"
	FrameOutOfOrder = "FRAME_OUT_OF_ORDER"
	FindOtherFace   = "OTHER_FACE"
	ScreenHint      = "SCREEN_HINT"

	// Of pictures that never become an Image. Whoever decodes says them.
	PictureTooSmall = "PICTURE_TOO_SMALL"
	PictureTooLarge = "PICTURE_TOO_LARGE"
	PictureBroken   = "PICTURE_BROKEN"
	PictureType     = "PICTURE_TYPE"

	// FrameDropped is a frame that nobody looked at, because the one before was still being worked on. Whoever takes the frames says it.
	FrameDropped = "FRAME_DROPPED"
)

// FindingIDs are all ids that a Finding can have.
var FindingIDs = []string{
	NoFace, SeveralFaces, NotAFace, FaceTooSmall, FaceTooLarge, FaceOffCentre, HeadTurned, HeadTilted, LookUpDown, EyesClosed, MouthOpen,
	Blurred, TooDark, TooBright, UnevenLight, LowContrast, FaceCovered, FrameRepeated, FrameStale, FrameOutOfOrder, FindOtherFace, ScreenHint,
	PictureTooSmall, PictureTooLarge, PictureBroken, PictureType, FrameDropped,
}

// Reasons why an outcome is neither match nor no match, or why an attack check did not pass.
const (
	ReasonNoChipPhoto         = "NO_CHIP_PHOTO"
	ReasonChipPhotoPoor       = "CHIP_PHOTO_POOR"
	ReasonChipPhotoUnreadable = "CHIP_PHOTO_UNREADABLE"
	ReasonNoLivePicture       = "NO_LIVE_PICTURE"
	ReasonLivePicturePoor     = "LIVE_PICTURE_POOR"
	ReasonScoreInBetween      = "SCORE_IN_BETWEEN"
	ReasonOtherFace           = "OTHER_FACE" // the face changed while it was looked at
	ReasonAttackCheckFailed   = "ATTACK_CHECK_FAILED"

	// Of attack checks only.
	ReasonChallengeNotMet  = "CHALLENGE_NOT_MET" // asked and not done in time
	ReasonFlatPicture      = "FLAT_PICTURE"      // what turned was flat
	ReasonFramesRepeated   = "FRAMES_REPEATED"   // the same frame again and again, or frames in a wrong order or of a wrong time
	ReasonTooFewFrames     = "TOO_FEW_FRAMES"    // too little was seen
	ReasonChallengeRunning = "CHALLENGE_RUNNING" // not at its end yet
	ReasonCheckOff         = "ATTACK_CHECK_OFF"  // level none
	ReasonNotReached       = "NOT_REACHED"       // no match: nothing was left to check
)

// AttackReasons are all that AttackOutcome.Reason can be.
var AttackReasons = []string{
	ReasonOtherFace, ReasonChallengeNotMet, ReasonChallengeRunning, ReasonFlatPicture, ReasonFramesRepeated, ReasonTooFewFrames, ReasonCheckOff, ReasonNotReached,
}

// Report is what there is to say about one picture.
type Report struct {
	Usable   bool // a face can be compared; Findings then are warnings
	Findings []Finding
}

// VerifyOptions say how a verification is done.
type VerifyOptions struct {
	Level Level       // empty: standard
	Check AttackLevel // empty: active_challenge
	Seed  [32]byte    // the nonce of the job: which challenges are asked, and in which order, comes from it
	Now   func() time.Time
}

// Frame is one picture of a living face, with when and for what it was taken.
type Frame struct {
	Image     Image
	Seq       int           // counts up
	At        time.Duration // on the sender's monotonic clock
	Challenge string        // id of the challenge that it answers; may be empty
	Digest    [32]byte      // of its encoded bytes
}

// Feedback is what one frame led to.
type Feedback struct {
	Findings  []Finding
	Challenge *Challenge // that is asked now; nil: none
	Progress  int        // percent
	Done      bool       // the outcome is final, send no more frames
}

// Challenge is something that the person is asked to do.
type Challenge struct {
	ID    string // unique within a verification and its retries
	Kind  ChallengeKind
	Until time.Time
}

// ChallengeKind is what a person can be asked to do. Left and right are the person's own.
type ChallengeKind string

// Kinds of challenges.
const (
	LookStraight ChallengeKind = "look_straight"
	TurnLeft     ChallengeKind = "turn_left"
	TurnRight    ChallengeKind = "turn_right"
	Nod          ChallengeKind = "nod"
	Blink        ChallengeKind = "blink"
	ComeCloser   ChallengeKind = "come_closer"
)

// ChallengeKinds are all that can be asked.
var ChallengeKinds = []ChallengeKind{LookStraight, TurnLeft, TurnRight, Nod, Blink, ComeCloser}

// Outcome is what a verification came to.
type Outcome struct {
	Decision  Decision
	Reason    string  // when the decision is review or cannot_tell: one of the Reason constants
	Score     float64 // the best similarity of the frames that were compared; 0 without one
	Threshold float64 // at which a score matches
	Model     string  // ModelInfo.Name
	Attack    AttackOutcome
	Frames    int // that were looked at
	Used      int // that were compared with the chip's photo
	Attempt   int // 1 is the first
	Chip      []Finding
}
