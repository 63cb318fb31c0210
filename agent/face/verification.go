package face

import (
	"context"
	"errors"
	"math"
	"slices"
	"time"
)

// ErrClosed says that a verification was closed.
var ErrClosed = errors.New("face verification is closed")

// MaxAttempts is how often one verification may be tried, and MaxCompared how many frames of one attempt are compared with the
// chip's photo; the best one counts. Each is a further chance for a wrong match: the false match rate of a whole verification is at
// most MaxAttempts × MaxCompared times that of one comparison. The frames of one face say nearly the same, so it is really
// far less; the manual has both figures.
const (
	MaxAttempts = 3
	MaxCompared = 3
)

// What it takes.
const (
	goodFrames = 3                      // frames that can be compared, before something is asked or decided
	goodFor    = 500 * time.Millisecond // and the time they reach over
	hintFrames = 8                      // the same for passive hints
	hintFor    = 1200 * time.Millisecond
	maxFrames  = 3000                    // of an attempt: ten minutes at five a second
	findEvery  = 1500 * time.Millisecond // between two looks at the whole picture; in between the face is followed
	maxGap     = 1500 * time.Millisecond // without a frame
	background = 0.5                     // of the first face's width: smaller ones are people far behind
	slips      = 1                       // challenges that may be answered with something else
	restarts   = 4                       // challenges that may be begun again because the face was lost
	gridEvery  = 5                       // frames between two looks for a screen
	gridSeen   = 2                       // looks that saw one
)

// What tells a face from another one, and a head from a flat picture of one. Set on rendered heads, on the development
// pictures and on flat pictures of them.
const (
	sameStraight  = 0.65 // similarity of two straight looks of one person within one check
	otherStraight = 0.55 // of two persons
	otherTurned   = 0.40 // the same with a head that is turned

	flatFrom   = 21.0 // degrees that a flat thing must have turned by, before it is called flat
	flatDepth  = 0.36 // motion.depth of flat things, at most
	flatFrames = 3

	stillMotion = 4e-4 // inter-eye distances between two frames: no head is so still, and no camera so free of noise
	stillFrames = 10
)

// looker is what a verification needs of an Engine.
type looker interface {
	Find(context.Context, Image) ([]Face, error)
	Track(context.Context, Image, Face) (Face, bool, error)
	Embed(context.Context, Image, Face) (Template, error)
	Model() ModelInfo
}

// Verification is one comparison of a chip's photo with live frames of one person. It is not safe for concurrent use. It holds
// pictures only in memory, and Close wipes them.
type Verification struct {
	engine looker
	o      VerifyOptions
	closed bool

	photo       Template
	photoReport Report
	photoReason string // why there is nothing to compare with; empty: nobody looked yet, or there is

	attempt int
	try
}

// try is what belongs to one attempt. What is asked goes up and down: even steps are a straight look, odd ones a motion.
type try struct {
	stream stream
	frames int
	poor   bool // a face was there, and not well enough to be compared

	last     look // where the face was, if it is followed
	followed bool
	lastFind time.Duration
	lastSeen time.Duration
	still    int

	good      []candidate // not compared yet, the best first
	goodSeen  int
	goodSince time.Duration
	templates []Template // of the frames that were compared

	plan     plan
	step     int
	count    int // of challenges that were asked
	asked    Challenge
	askedAt  time.Time
	straight look // the one that all motions are held against: nobody comes back quite as straight
	slips    int
	restarts int

	away    int // straight looks in a row that were not near enough
	flat    int
	screens int

	done   bool
	failed string // why the attack check failed
	unmet  string // why it could not be done
}

// candidate is a frame that can be compared with the photo.
type candidate struct {
	img   Image // a part of the frame
	face  Face
	score float64
}

func newVerification(l looker, o VerifyOptions) *Verification {
	if _, ok := l.Model().Thresholds[o.Level]; !ok {
		o.Level = LevelStandard
	}
	if o.Check != AttackNone && o.Check != PassiveHints {
		o.Check = ActiveChallenge
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	v := &Verification{engine: l, o: o}
	v.Retry()
	return v
}

// Retry begins a further attempt, with other challenges. False: there were MaxAttempts already, and nothing happens.
func (v *Verification) Retry() bool {
	if v.closed || v.attempt >= MaxAttempts {
		return false
	}
	v.forget()
	v.attempt++
	v.try = try{plan: draw(v.o.Seed, v.attempt)}
	v.ask(0, v.o.Now())
	return true
}

// Close wipes what is left of pictures and faces. The outcome can still be asked for, without a score.
func (v *Verification) Close() {
	v.forget()
	clear(v.photo)
	v.photo = nil
	v.closed, v.done = true, true
}

func (v *Verification) forget() {
	for i := range v.good {
		clear(v.good[i].img.Pix)
	}
	for _, t := range v.templates {
		clear(t)
	}
	v.good, v.templates = nil, nil
	v.last.wipe()
	v.straight.wipe()
}

// Chip takes the chip's photo; before, between or after frames. An error is one of the engine or the context.
func (v *Verification) Chip(ctx context.Context, img Image) (Report, error) {
	if v.closed {
		return Report{}, ErrClosed
	}
	report := func(reason string, f ...Finding) (Report, error) {
		v.photo, v.photoReason, v.photoReport = nil, reason, Report{Findings: f}
		return v.photoReport, nil
	}
	if img.Check() != nil {
		return report(ReasonChipPhotoUnreadable, Finding{ID: PictureBroken})
	}
	faces, err := v.engine.Find(ctx, img)
	if err != nil {
		return Report{}, err
	}
	r := Assess(img, faces, true)
	if !r.Usable {
		return report(ReasonChipPhotoPoor, r.Findings...)
	}
	t, err := v.engine.Embed(ctx, img, faces[0])
	if err != nil {
		return Report{}, err
	}
	v.photo, v.photoReason, v.photoReport = t, "", r
	return r, nil
}

// ChipMissing says that there is no photo to compare with, and why: NO_CHIP_PHOTO, CHIP_PHOTO_UNREADABLE or what else the
// caller knows.
func (v *Verification) ChipMissing(reason string) {
	clear(v.photo)
	v.photo, v.photoReason, v.photoReport = nil, reason, Report{}
}

// Assess says what there is to say about a picture in which Find has found these faces: a chip's photo, or a frame of a camera.
func Assess(img Image, faces []Face, photo bool) Report {
	if f, ok := single(faces); !ok {
		return Report{Findings: []Finding{f}}
	}
	of := live
	if photo {
		of = chip
	}
	f := assess(img, &faces[0]).findings(of)
	return Report{Usable: usable(f), Findings: f}
}

// single says what is wrong with the number of faces. People far behind do not count, nor does a face that is found once more within the first
// one, as happens when it fills the picture.
func single(faces []Face) (Finding, bool) {
	n := 0
	for i, f := range faces {
		b, first := f.Box, faces[0].Box
		x, y := (b.X0+b.X1)/2, (b.Y0+b.Y1)/2
		within := x > first.X0 && x < first.X1 && y > first.Y0 && y < first.Y1
		if i == 0 || f.Presence >= 0.5 && !within && b.X1-b.X0 >= background*(first.X1-first.X0) {
			n++
		}
	}
	f := Finding{ID: NoFace, Component: SingleFacePresent, Value: float64(n), Threshold: 1}
	if n > 1 {
		f.ID = SeveralFaces
	}
	return f, n == 1
}

// Frame looks at one frame and says what the person can do now. Frames come in the order they were taken, of one camera, not
// mirrored. An error is one of the engine or the context; the next frame may do.
func (v *Verification) Frame(ctx context.Context, f Frame) (Feedback, error) {
	if v.closed {
		return Feedback{}, ErrClosed
	}
	now := v.o.Now()
	if v.expire(now); v.done {
		return v.feedback(nil), nil
	}
	v.frames++
	if f.Image.Check() != nil {
		return v.feedback([]Finding{{ID: PictureBroken}}), nil
	}
	wrong, captured := v.stream.admit(f, now)
	if v.stream.suspicious() {
		v.fail(ReasonFramesRepeated)
	}
	if wrong != "" {
		// One picture twice is what a camera does that is slower than its reader.
		return v.feedback([]Finding{{ID: wrong, Warning: wrong == FrameRepeated && !v.stream.frozen}}), nil
	}
	wrongNumber, ok, err := v.see(ctx, f)
	if err != nil {
		return Feedback{}, err
	}
	if !ok {
		return v.feedback([]Finding{wrongNumber}), nil
	}
	q := assess(f.Image, &v.last.face)
	if v.last.patch != v.straight.patch {
		v.last.patch.wipe()
	}
	v.last.patch = q.patch
	findings := q.findings(live)
	good := usable(findings)
	v.poor = v.poor || !good
	if v.o.Check != AttackNone && v.frames%gridEvery == 0 && grid(f.Image, q.shape.box) {
		v.screens++
	}
	if v.step%2 == 1 {
		findings = slices.DeleteFunc(findings, v.asksFor)
	}
	if v.screens >= gridSeen {
		findings = append(findings, Finding{ID: ScreenHint, Warning: true, Value: float64(v.screens), Threshold: gridSeen})
	}
	switch {
	case v.done:
	case v.step%2 == 1:
		err = v.act(ctx, f, captured, now)
	case good && v.step == 0:
		err = v.settle(ctx, f, q, now)
	case good:
		err = v.straighten(ctx, f, now)
	}
	if err != nil {
		return Feedback{}, err
	}
	if v.away > 0 || v.failed == ReasonOtherFace {
		findings = append([]Finding{{ID: FindOtherFace}}, findings...)
	}
	return v.feedback(findings), nil
}

// see finds the one face of a frame or follows it into this frame: v.last. False: there is not one face.
func (v *Verification) see(ctx context.Context, f Frame) (wrong Finding, ok bool, err error) {
	if v.followed && f.At-v.lastSeen > maxGap {
		v.lose()
	}
	if v.followed && f.At-v.lastFind < findEvery {
		face, there, err := v.engine.Track(ctx, f.Image, v.last.face)
		if err != nil {
			return Finding{}, false, err
		}
		if there {
			v.saw(face, f.At)
			return Finding{}, true, nil
		}
	}
	faces, err := v.engine.Find(ctx, f.Image)
	if err != nil {
		return Finding{}, false, err
	}
	if wrong, ok = single(faces); !ok {
		v.lose()
		return wrong, false, nil
	}
	if v.followed && between(&v.last.face, &faces[0]).shifted > 1.5 {
		v.lose() // somewhere else all at once
	}
	v.lastFind = f.At
	v.saw(faces[0], f.At)
	return Finding{}, true, nil
}

func (v *Verification) saw(face Face, at time.Duration) {
	if v.followed {
		v.still++
		if moved(&v.last.face, &face) >= stillMotion {
			v.still = 0
		}
		if v.still >= stillFrames {
			v.fail(ReasonFramesRepeated)
		}
	}
	v.last.face, v.followed, v.lastSeen = face, true, at
}

// moved is how far the points of a mesh moved on average, in inter-eye distances.
func moved(a, b *Face) float64 {
	var sum float64
	for i := range a.Mesh {
		sum += math.Hypot(float64(a.Mesh[i].X-b.Mesh[i].X), float64(a.Mesh[i].Y-b.Mesh[i].Y))
	}
	return sum / float64(len(a.Mesh)) / math.Max(measure(a).eyes, 1)
}

// lose says that the face was not followed without a break. Somebody else may stand there now: a motion that was under way counts
// for nothing, the person looks straight again, is compared with the first looks, and is asked again.
func (v *Verification) lose() {
	v.followed, v.still = false, 0
	if v.done || v.step%2 == 0 {
		return
	}
	v.restarts++
	if v.restarts > restarts {
		v.give(ReasonChallengeNotMet)
		return
	}
	v.ask(v.step-1, v.o.Now())
}

// settle collects frames that can be compared, until there are enough.
func (v *Verification) settle(ctx context.Context, f Frame, q quality, now time.Time) error {
	if v.goodSeen == 0 {
		v.goodSince, v.straight = f.At, v.last
	}
	v.goodSeen++
	v.depth(between(&v.straight.face, &v.last.face))
	if v.done {
		return nil
	}
	img, face := cut(f.Image, v.last.face)
	v.good = append(v.good, candidate{img, face, q.score()})
	slices.SortStableFunc(v.good, func(a, b candidate) int {
		if a.score > b.score {
			return -1
		}
		return 1
	})
	if len(v.good) > MaxCompared {
		clear(v.good[MaxCompared].img.Pix)
		v.good = v.good[:MaxCompared]
	}
	enough, long := goodFrames, goodFor
	if v.o.Check == PassiveHints {
		enough, long = hintFrames, hintFor
	}
	settled := v.goodSeen >= enough && f.At-v.goodSince >= long
	// The first one at once, so that a single picture has an outcome; the others when the best are known.
	for len(v.good) > 0 && (settled && len(v.templates) < MaxCompared || len(v.templates) == 0) {
		if err := v.compare(ctx); err != nil {
			return err
		}
	}
	if !settled {
		return nil
	}
	for _, c := range v.good {
		clear(c.img.Pix)
	}
	v.good = nil
	for _, t := range v.templates[1:] {
		if Similarity(v.templates[0], t) < otherStraight {
			// Not only a matter of attack checks: it is not known whose face was compared.
			v.failed, v.done = ReasonOtherFace, true
			return nil
		}
	}
	v.straight = v.last
	switch d, _ := v.compared(); {
	case v.photoReason != "", d == NoMatch, v.o.Check != ActiveChallenge:
		v.done = true
	default:
		v.ask(1, now)
	}
	return nil
}

// compare makes the template of the best frame that has none yet.
func (v *Verification) compare(ctx context.Context) error {
	c := v.good[0]
	t, err := v.engine.Embed(ctx, c.img, c.face)
	if err != nil {
		return err
	}
	clear(c.img.Pix)
	v.templates, v.good = append(v.templates, t), v.good[1:]
	return nil
}

// cut takes a face with some of its surroundings out of a frame, so that little is kept.
func cut(img Image, f Face) (Image, Face) {
	b := measure(&f).box
	m := 0.5 * max(b.X1-b.X0, b.Y1-b.Y0)
	x0, y0 := int(clamp(float64(b.X0-m), 0, float64(img.Width-1))), int(clamp(float64(b.Y0-m), 0, float64(img.Height-1)))
	x1, y1 := int(clamp(float64(b.X1+m), float64(x0+1), float64(img.Width))), int(clamp(float64(b.Y1+m), float64(y0+1), float64(img.Height)))
	part := Image{Width: x1 - x0, Height: y1 - y0, Pix: make([]byte, 3*(x1-x0)*(y1-y0))}
	for y := range part.Height {
		copy(part.Pix[3*y*part.Width:3*(y+1)*part.Width], img.Pix[3*((y+y0)*img.Width+x0):])
	}
	dx, dy := float32(x0), float32(y0)
	f.Box = Box{f.Box.X0 - dx, f.Box.Y0 - dy, f.Box.X1 - dx, f.Box.Y1 - dy}
	for i := range f.Keypoints {
		f.Keypoints[i].X, f.Keypoints[i].Y = f.Keypoints[i].X-dx, f.Keypoints[i].Y-dy
	}
	for i := range f.Mesh {
		f.Mesh[i].X, f.Mesh[i].Y = f.Mesh[i].X-dx, f.Mesh[i].Y-dy
	}
	return part, f
}

// act holds a frame against the motion that is asked for.
func (v *Verification) act(ctx context.Context, f Frame, captured, now time.Time) error {
	m := between(&v.straight.face, &v.last.face)
	if v.asked.Kind != Blink { // lids that close pull at the whole mesh
		v.depth(m)
	}
	if v.done || f.Challenge != v.asked.ID || captured.Before(v.askedAt.Add(timeToReact)) {
		return nil
	}
	met, contrary := done(v.asked.Kind, &v.straight, &v.last, m)
	switch {
	case contrary:
		v.slips++
		if v.slips > slips {
			v.give(ReasonChallengeNotMet)
			return nil
		}
		// Left for right is human, once. Something else is asked then: whoever plays a film of all motions gains nothing.
		p := &v.plan
		p.kinds[v.step/2], p.spare = p.spare, p.kinds[v.step/2]
		v.ask(v.step-1, now)
	case met:
		s, err := v.sameness(ctx, f)
		if err != nil {
			return err
		}
		if s < otherTurned {
			v.fail(ReasonOtherFace)
			return nil
		}
		v.ask(v.step+1, now)
	}
	return nil
}

// straighten waits for a straight look after a motion, and holds it against the first ones.
func (v *Verification) straighten(ctx context.Context, f Frame, now time.Time) error {
	m := between(&v.straight.face, &v.last.face)
	if f.Challenge != v.asked.ID || !neutral(&v.straight, &v.last, m) {
		return nil
	}
	s, err := v.sameness(ctx, f)
	switch {
	case err != nil:
		return err
	case s < otherStraight || s < sameStraight && v.away > 0:
		v.fail(ReasonOtherFace)
		return nil
	case s < sameStraight:
		v.away++ // a bad frame perhaps: the next one decides
		return nil
	}
	v.away = 0
	if v.step < 2*len(v.plan.kinds) {
		v.ask(v.step+1, now)
		return nil
	}
	v.done = true
	return nil
}

// sameness is how near the face is to those that were compared with the photo.
func (v *Verification) sameness(ctx context.Context, f Frame) (float64, error) {
	t, err := v.engine.Embed(ctx, f.Image, v.last.face)
	if err != nil {
		return 0, err
	}
	best := -1.0
	for _, u := range v.templates {
		best = math.Max(best, Similarity(t, u))
	}
	clear(t)
	return best, nil
}

// depth looks whether what moves is flat.
func (v *Verification) depth(m motion) {
	if m.shrink < flatFrom || m.depth() > flatDepth {
		return
	}
	if v.flat++; v.flat >= flatFrames {
		v.fail(ReasonFlatPicture)
	}
}

// asksFor says whether a finding is what comes of the motion that the person makes.
func (v *Verification) asksFor(f Finding) bool {
	switch f.ID {
	case HeadTurned, HeadTilted, LookUpDown, EyesClosed, MouthOpen, Blurred, FaceOffCentre, UnevenLight, FaceCovered:
		return true
	}
	return f.ID == FaceTooLarge && v.asked.Kind == ComeCloser
}

// ask begins a step.
func (v *Verification) ask(step int, now time.Time) {
	v.step, v.askedAt = step, now
	kind, time := LookStraight, timeToAct
	switch {
	case step == 0:
		time = timeToSettle
	case step%2 == 1:
		kind = v.plan.kinds[step/2]
	}
	v.asked = Challenge{ID: v.plan.id(v.count), Kind: kind, Until: now.Add(time)}
	v.count++
}

// expire ends what took too long.
func (v *Verification) expire(now time.Time) {
	switch {
	case v.done:
	case v.frames >= maxFrames, now.After(v.asked.Until):
		if v.step == 0 {
			v.give(ReasonTooFewFrames)
		} else {
			v.give(ReasonChallengeNotMet)
		}
	}
}

// fail ends the attempt with a failed attack check.
func (v *Verification) fail(reason string) {
	if v.o.Check == AttackNone || v.done {
		return
	}
	v.failed, v.done = reason, true
}

// give ends the attempt: too little was seen to say either way.
func (v *Verification) give(reason string) {
	if !v.done {
		v.unmet, v.done = reason, true
	}
}

func (v *Verification) feedback(findings []Finding) Feedback {
	f := Feedback{Findings: findings, Done: v.done, Progress: 100}
	if v.done {
		return f
	}
	c := v.asked
	f.Challenge = &c
	steps := 1
	if v.o.Check == ActiveChallenge {
		steps += 2 * len(v.plan.kinds)
	}
	f.Progress = 100 * v.step / steps
	if v.step == 0 {
		enough := goodFrames
		if v.o.Check == PassiveHints {
			enough = hintFrames
		}
		f.Progress = 100 * min(v.goodSeen, enough) / (enough + 1) / steps
	}
	return f
}

// compared is what the frames say against the photo, attack checks aside.
func (v *Verification) compared() (Decision, float64) {
	if v.photo == nil || len(v.templates) == 0 {
		return CannotTell, 0
	}
	best := -1.0
	for _, t := range v.templates {
		best = math.Max(best, Similarity(v.photo, t))
	}
	return v.engine.Model().Thresholds[v.o.Level].Decide(best), best
}

// Outcome is what is known now. It is final once a Feedback said Done, or the caller sends no more frames.
func (v *Verification) Outcome() Outcome {
	m := v.engine.Model()
	o := Outcome{
		Threshold: m.Thresholds[v.o.Level].Match, Model: m.Name, Attack: v.attack(),
		Frames: v.frames, Used: len(v.templates), Attempt: v.attempt, Chip: slices.Clone(v.photoReport.Findings),
	}
	o.Decision, o.Score = v.compared()
	switch {
	case o.Decision == CannotTell:
		switch {
		case v.photo == nil && v.photoReason != "":
			o.Reason = v.photoReason
		case v.photo == nil:
			o.Reason = ReasonNoChipPhoto
		case v.poor:
			o.Reason = ReasonLivePicturePoor
		default:
			o.Reason = ReasonNoLivePicture
		}
	case o.Decision == Review:
		o.Reason = ReasonScoreInBetween
	case o.Decision == Match && v.failed == ReasonOtherFace:
		o.Decision, o.Reason = Review, ReasonOtherFace
	case o.Decision == Match && (o.Attack.Status == CheckFailed || v.o.Check == ActiveChallenge && o.Attack.Status != CheckPassed):
		o.Decision, o.Reason = Review, ReasonAttackCheckFailed
	}
	return o
}

// attack is what the attack check came to so far.
func (v *Verification) attack() AttackOutcome {
	a := AttackOutcome{Level: v.o.Check, Status: CheckUnknown}
	d, _ := v.compared()
	switch {
	case v.o.Check == AttackNone:
		a.Status, a.Reason = CheckNotDone, ReasonCheckOff
	case v.failed != "":
		a.Status, a.Reason = CheckFailed, v.failed
	case v.unmet != "":
		a.Reason = v.unmet
	case !v.done || v.closed || len(v.templates) == 0:
		a.Reason = ReasonTooFewFrames
		if v.step > 0 && !v.closed {
			a.Reason = ReasonChallengeRunning
		}
	case v.o.Check == ActiveChallenge && (d != Match && d != Review || v.step < 2*len(v.plan.kinds)):
		// There was nothing to compare with, or no match; or another photo came when that was settled.
		a.Status, a.Reason = CheckNotDone, ReasonNotReached
	default:
		a.Status = CheckPassed
	}
	return a
}

// Verify begins a verification. The seed must not be known to whoever sends the frames.
func (e *Engine) Verify(o VerifyOptions) *Verification { return newVerification(e, o) }
