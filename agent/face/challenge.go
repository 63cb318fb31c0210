package face

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"math"
	"slices"
	"strconv"
	"time"
)

// An active check asks for three of the five motions, each at most once, at least one of them a turn: 54 orders.
const challengesAsked = 3

// How long a person has for what is asked.
const (
	timeToSettle = 60 * time.Second // until good pictures of a straight look are there
	timeToAct    = 10 * time.Second // for one motion
	// Nobody has understood and moved that far earlier; what is there sooner was not an answer.
	timeToReact = 250 * time.Millisecond
)

// Motions, by the measures of between and measure. Set on rendered heads and on flat pictures of the development set: see the
// table of attacks in the manual.
const (
	turnMet      = 20.0  // degrees of parallax; a head that turns by 16 shows them
	turnDepth    = 0.92  // motion.depth
	turnPlanar   = 0.022 // motion.planar
	turnContrary = 20.0
	nodMet       = 8.0
	nodDepth     = 0.70
	eyesShut     = 0.82 // likeness of each eye to how it was open
	eyesOpen     = 0.88
	restLike     = 0.80 // of nose and mouth meanwhile: nobody moved away, no hand came before the face
	closerMet    = 1.28 // times as large
	neutralTurn  = 8.0  // degrees within which a head is straight again
	neutralNod   = 8.0
)

// plan is what is asked in one attempt. Who does not know the seed can know neither the motions nor the ids.
type plan struct {
	seed    [32]byte
	attempt int
	kinds   []ChallengeKind
	spare   ChallengeKind // in the place of one that was answered with something else
}

func draw(seed [32]byte, attempt int) plan {
	p := plan{seed: seed, attempt: attempt}
	random := p.mac("motions")
	next := func() uint32 {
		v := binary.BigEndian.Uint32(random)
		random = random[4:]
		return v
	}
	all := []ChallengeKind{TurnLeft, TurnRight, Nod, Blink, ComeCloser}
	for i := len(all) - 1; i > 0; i-- {
		j := int(next() % uint32(i+1)) // of 2^32: no bias that anybody could use
		all[i], all[j] = all[j], all[i]
	}
	p.kinds, p.spare = all[:challengesAsked:challengesAsked], all[challengesAsked]
	turns := func(k ChallengeKind) bool { return k == TurnLeft || k == TurnRight }
	if !slices.ContainsFunc(p.kinds, turns) { // nod, blink and come closer: a turn in the place of one of them
		i := int(next() % challengesAsked)
		p.spare, p.kinds[i] = p.kinds[i], p.spare
	}
	return p
}

func (p plan) mac(what string) []byte {
	m := hmac.New(sha256.New, p.seed[:])
	_, _ = m.Write([]byte("tapcheck face " + what + " " + strconv.Itoa(p.attempt)))
	return m.Sum(nil)
}

// id of the n-th thing that is asked.
func (p plan) id(n int) string {
	return strconv.Itoa(p.attempt) + "." + strconv.Itoa(n) + "." + hex.EncodeToString(p.mac("challenge " + strconv.Itoa(n) + " of")[:6])
}

// look is one look at a face: where, and what it looks like.
type look struct {
	face  Face
	patch *patch
}

func (l *look) wipe() {
	l.patch.wipe()
	*l = look{}
}

// eyes are shut if each looks otherwise than when it was open, and the rest of the face does not. The mesh's lids alone do not say
// it: they hardly follow an eye that closes.
func shut(open, now *look) bool {
	if open.patch == nil || now.patch == nil {
		return false
	}
	like := func(p part) float64 { return open.patch.like(now.patch, p) }
	return like(partRightEye) < eyesShut && like(partLeftEye) < eyesShut && like(partNose) > restLike && like(partMouth) > restLike
}

// done says whether what is asked can be seen, and contrary whether something else was done, unmistakably. m is the motion since the
// person looked straight.
func done(kind ChallengeKind, straight, now *look, m motion) (met, contrary bool) {
	turned := math.Abs(m.turn) > turnContrary
	head := m.depth() >= turnDepth && m.planar >= turnPlanar
	switch kind {
	case TurnLeft:
		return m.turn >= turnMet && head, m.turn < -turnContrary
	case TurnRight:
		return m.turn <= -turnMet && head, m.turn > turnContrary
	case Nod:
		return m.nod >= nodMet && m.depth() >= nodDepth && !turned, turned
	case Blink:
		return !turned && shut(straight, now), turned
	case ComeCloser:
		return m.scale >= closerMet && !turned, turned
	}
	return false, false
}

// neutral says whether a head is straight again and the eyes are open, as they were before.
func neutral(before, now *look, m motion) bool {
	if math.Abs(m.turn) >= neutralTurn || math.Abs(m.nod) >= neutralNod || before.patch == nil || now.patch == nil {
		return false
	}
	return before.patch.like(now.patch, partRightEye) > eyesOpen || before.patch.like(now.patch, partLeftEye) > eyesOpen
}
