package face

import (
	"context"
	"errors"
	"math/rand/v2"
	"slices"
	"testing"
	"time"
)

var ann, bob = person{who: 1}, person{who: 2}

// turnFirst is a seed with which a turn is asked first.
var turnFirst = func() [32]byte {
	for n := 0; ; n++ {
		if k := draw(seed(n), 1).kinds[0]; k == TurnLeft || k == TurnRight {
			return seed(n)
		}
	}
}()

func seed(n int) (s [32]byte) {
	s[0], s[1] = byte(n), byte(n>>8)
	return s
}

func TestTheHolderPassesWhateverIsAsked(t *testing.T) {
	asked := map[ChallengeKind]bool{}
	for n := range 8 {
		k := newTake(VerifyOptions{Seed: seed(n)}).chip(ann)
		o := k.play(willing(ann), time.Minute)
		if o.Decision != Match || o.Attack != (AttackOutcome{Level: ActiveChallenge, Status: CheckPassed}) || o.Used != MaxCompared || o.Reason != "" {
			t.Errorf("seed %d: %+v after %v, findings %v", n, o, k.kinds, k.found)
		}
		if took := k.now.Sub(k.begin); took > 10*time.Second {
			t.Errorf("seed %d: took %v", n, took)
		}
		if !k.last.Done || k.last.Progress != 100 || k.last.Challenge != nil {
			t.Errorf("seed %d: the last feedback says %+v", n, k.last)
		}
		for _, kind := range k.kinds {
			asked[kind] = true
		}
	}
	for _, kind := range ChallengeKinds {
		if !asked[kind] {
			t.Errorf("%s was never asked", kind)
		}
	}
}

// Each row is somebody before the camera, and the least that must be said of it.
func TestOutcomes(t *testing.T) {
	still := func(p person) actor { return func(ChallengeKind, time.Duration) (person, held) { return p, held{} } }
	flat := person{who: 1, flat: true}
	for _, c := range []struct {
		name     string
		check    AttackLevel
		chip     *person
		act      actor
		frames   int // 0: until it is done
		decision Decision
		reason   string
		attack   AttackOutcome
	}{
		{"one picture without checks", AttackNone, &ann, still(ann), 1, Match, "", AttackOutcome{AttackNone, CheckNotDone, ReasonCheckOff}},
		{"one picture", PassiveHints, &ann, still(ann), 1, Match, "", AttackOutcome{PassiveHints, CheckUnknown, ReasonTooFewFrames}},
		{"hints", PassiveHints, &ann, still(ann), 0, Match, "", AttackOutcome{PassiveHints, CheckPassed, ""}},
		{"one picture, where a challenge is wanted", ActiveChallenge, &ann, still(ann), 1, Review, ReasonAttackCheckFailed, AttackOutcome{ActiveChallenge, CheckUnknown, ReasonTooFewFrames}},
		{"in the middle of the challenge", ActiveChallenge, &ann, willing(ann), 8, Review, ReasonAttackCheckFailed, AttackOutcome{ActiveChallenge, CheckUnknown, ReasonChallengeRunning}},
		{"nobody moves", ActiveChallenge, &ann, still(ann), 0, Review, ReasonAttackCheckFailed, AttackOutcome{ActiveChallenge, CheckUnknown, ReasonChallengeNotMet}},
		{"somebody else", ActiveChallenge, &ann, willing(bob), 0, NoMatch, "", AttackOutcome{ActiveChallenge, CheckNotDone, ReasonNotReached}},
		{"somebody else, hints", PassiveHints, &ann, willing(bob), 0, NoMatch, "", AttackOutcome{PassiveHints, CheckPassed, ""}},
		{"a picture that is moved", ActiveChallenge, &ann, willing(flat), 0, Review, ReasonAttackCheckFailed, AttackOutcome{ActiveChallenge, CheckFailed, ReasonFlatPicture}},
		{"no photo", ActiveChallenge, nil, willing(ann), 0, CannotTell, ReasonNoChipPhoto, AttackOutcome{ActiveChallenge, CheckNotDone, ReasonNotReached}},
		{"nobody", ActiveChallenge, &ann, func(ChallengeKind, time.Duration) (person, held) { return ann, held{gone: true} }, 0, CannotTell, ReasonNoLivePicture, AttackOutcome{ActiveChallenge, CheckUnknown, ReasonTooFewFrames}},
		{"two people", ActiveChallenge, &ann, still(person{who: 1, twin: 1}), 0, CannotTell, ReasonNoLivePicture, AttackOutcome{ActiveChallenge, CheckUnknown, ReasonTooFewFrames}},
		{"never straight", ActiveChallenge, &ann, func(ChallengeKind, time.Duration) (person, held) { return ann, held{yaw: 35} }, 0, CannotTell, ReasonLivePicturePoor, AttackOutcome{ActiveChallenge, CheckUnknown, ReasonTooFewFrames}},
		{"one face at first, then another", ActiveChallenge, &ann, func(k ChallengeKind, since time.Duration) (person, held) {
			if k != LookStraight {
				return willing(bob)(k, since)
			}
			return ann, held{}
		}, 0, Review, ReasonOtherFace, AttackOutcome{ActiveChallenge, CheckFailed, ReasonOtherFace}},
	} {
		k := newTake(VerifyOptions{Check: c.check, Seed: turnFirst})
		if c.chip == nil {
			k.v.ChipMissing(ReasonNoChipPhoto)
		} else {
			k.chip(*c.chip)
		}
		var o Outcome
		if c.frames == 0 {
			o = k.play(c.act, 2*time.Minute)
			if !k.last.Done {
				t.Errorf("%s: never ends", c.name)
			}
		} else {
			k.asked.Kind, k.since = LookStraight, k.now
			for range c.frames {
				k.frame(c.act)
			}
			o = k.v.Outcome()
		}
		if o.Decision != c.decision || o.Reason != c.reason || o.Attack != c.attack {
			t.Errorf("%s: %s %s %+v\nwant %s %s %+v\nasked %v found %v", c.name, o.Decision, o.Reason, o.Attack, c.decision, c.reason, c.attack, k.kinds, k.found)
		}
		if o.Model == "" || o.Threshold != 0.6 || o.Attempt != 1 {
			t.Errorf("%s: model %q threshold %v attempt %d", c.name, o.Model, o.Threshold, o.Attempt)
		}
	}
}

// Two people one after the other in one attempt, while it settles: whose face matched is not known, whether or not attacks are looked for.
func TestTwoPeopleAreNoMatch(t *testing.T) {
	for _, check := range []AttackLevel{AttackNone, PassiveHints, ActiveChallenge} {
		k := newTake(VerifyOptions{Check: check, Seed: turnFirst}).chip(ann)
		n := 0
		o := k.play(func(ChallengeKind, time.Duration) (person, held) {
			if n++; n == 1 {
				return ann, held{}
			}
			return bob, held{}
		}, 2*time.Minute)
		if o.Decision != Review || o.Reason != ReasonOtherFace || k.now.Sub(k.begin) > 10*time.Second {
			t.Errorf("%s: %+v after %v", check, o, k.now.Sub(k.begin))
		}
	}
}

// Frames that could have been compared, and were not needed, are wiped with those that were.
func TestSpareFramesAreWiped(t *testing.T) {
	k := newTake(VerifyOptions{}).chip(ann)
	var kept [][]byte
	k.play(func(kind ChallengeKind, since time.Duration) (person, held) {
		for _, c := range k.v.good {
			kept = append(kept, c.img.Pix)
		}
		return willing(ann)(kind, since)
	}, time.Minute)
	if len(kept) == 0 {
		t.Fatal("nothing was kept")
	}
	k.v.Close()
	for _, pix := range kept {
		if slices.ContainsFunc(pix, func(b byte) bool { return b != 0 }) {
			t.Fatal("a picture is still there")
		}
	}
}

// What is sent as frames, and what is not a camera's.
func TestFramesThatAreNone(t *testing.T) {
	var first Frame
	for _, c := range []struct {
		name    string
		edit    func(k *take, f *Frame)
		finding string
		status  CheckStatus
	}{
		{"each twice, as of a slow camera", func(k *take, f *Frame) { f.Digest[0] = byte(k.seq / 2) }, FrameRepeated, CheckPassed},
		{"one again and again", func(k *take, f *Frame) { f.Digest = [32]byte{1} }, FrameRepeated, CheckFailed},
		{"three in a circle", func(k *take, f *Frame) { f.Digest = [32]byte{byte(k.seq % 3), 1} }, FrameRepeated, CheckFailed},
		{"backwards", func(k *take, f *Frame) { f.Seq = 1000 - k.seq }, FrameOutOfOrder, CheckFailed},
		{"times that stand", func(k *take, f *Frame) {
			if k.seq > 1 {
				f.At = 0
			}
		}, FrameOutOfOrder, CheckFailed},
		{"old ones", func(k *take, f *Frame) {
			if k.seq > 3 {
				f.At = 600*time.Millisecond + f.At/1000
			}
		}, FrameStale, CheckUnknown},
		{"the same pixels in other bytes", func(k *take, f *Frame) {
			if k.seq == 1 {
				first = *f
			}
			f.Image = first.Image
		}, "", CheckFailed},
		{"no digests", func(k *take, f *Frame) { f.Digest = [32]byte{} }, "", CheckPassed},
	} {
		k := newTake(VerifyOptions{Seed: seed(1)}).chip(ann)
		k.edit = func(f *Frame) { c.edit(k, f) }
		o := k.play(willing(ann), 2*time.Minute)
		if o.Attack.Status != c.status || c.finding != "" && k.found[c.finding] == 0 {
			t.Errorf("%s: %+v, found %v", c.name, o, k.found)
		}
		if o.Attack.Status == CheckFailed && o.Attack.Reason != ReasonFramesRepeated {
			t.Errorf("%s: failed because %s", c.name, o.Attack.Reason)
		}
		if (o.Decision == Match) != (c.status == CheckPassed) {
			t.Errorf("%s: %s", c.name, o.Decision)
		}
	}
}

func TestBrokenFramesAreSaidToBeSo(t *testing.T) {
	k := newTake(VerifyOptions{})
	b, err := k.v.Frame(context.Background(), Frame{Image: Image{Width: 10, Height: 10, Pix: make([]byte, 5)}})
	if err != nil || len(b.Findings) != 1 || b.Findings[0].ID != PictureBroken {
		t.Errorf("%+v %v", b, err)
	}
}

// Left for right is human, once; and what is asked then is something else.
func TestSlips(t *testing.T) {
	wrong := func(until int) actor {
		slips := 0
		var last ChallengeKind
		return func(kind ChallengeKind, since time.Duration) (person, held) {
			if kind != LookStraight && kind != last && since < 200*time.Millisecond {
				slips++
			}
			last = kind
			if kind != LookStraight && slips <= until {
				as := TurnLeft
				if kind == TurnLeft {
					as = TurnRight
				}
				return willing(ann)(as, since)
			}
			return willing(ann)(kind, since)
		}
	}
	k := newTake(VerifyOptions{Seed: seed(5)}).chip(ann)
	if o := k.play(wrong(1), time.Minute); o.Decision != Match {
		t.Errorf("one slip: %+v %v", o, k.kinds)
	}
	if first, second := k.kinds[1], k.kinds[3]; first == second {
		t.Errorf("the same is asked again: %v", k.kinds)
	}
	k = newTake(VerifyOptions{Seed: seed(5)}).chip(ann)
	if o := k.play(wrong(9), time.Minute); o.Decision != Review || o.Attack.Reason != ReasonChallengeNotMet {
		t.Errorf("slips without end: %+v %v", o, k.kinds)
	}
}

// A face that was lost may be another one: the person looks straight again and is asked again, under another id.
func TestLostFace(t *testing.T) {
	k := newTake(VerifyOptions{Seed: seed(2)}).chip(ann)
	gone := false
	act := func(kind ChallengeKind, since time.Duration) (person, held) {
		p, h := willing(ann)(kind, since)
		if kind != LookStraight && !gone {
			h.gone = since > 500*time.Millisecond
			gone = h.gone
		}
		return p, h
	}
	o := k.play(act, time.Minute)
	if o.Decision != Match || k.kinds[1] != k.kinds[3] || k.ids[1] == k.ids[3] {
		t.Errorf("%+v %v %v", o, k.kinds, k.ids)
	}
}

// An answer to another challenge is none, and neither is one before anybody can have understood.
func TestAnswersCountForTheirChallenge(t *testing.T) {
	k := newTake(VerifyOptions{Seed: seed(2)}).chip(ann)
	k.edit = func(f *Frame) { f.Challenge = "1.1.000000000000" }
	if o := k.play(willing(ann), time.Minute); o.Attack.Status == CheckPassed || o.Decision == Match {
		t.Errorf("%+v", o)
	}
}

func TestPhotos(t *testing.T) {
	ctx := context.Background()
	k := newTake(VerifyOptions{})
	s := k.stage
	for _, c := range []struct {
		name    string
		img     Image
		usable  bool
		finding string
		reason  string
	}{
		{"good", s.shoot(ann, held{}), true, "", ReasonNoLivePicture},
		{"nobody", s.shoot(ann, held{gone: true}), false, NoFace, ReasonChipPhotoPoor},
		{"two", s.shoot(person{who: 1, twin: 1}, held{}), false, SeveralFaces, ReasonChipPhotoPoor},
		{"turned away", s.shoot(ann, held{yaw: 45}), false, HeadTurned, ReasonChipPhotoPoor},
		{"broken", Image{Width: 3, Height: 3}, false, PictureBroken, ReasonChipPhotoUnreadable},
	} {
		r, err := k.v.Chip(ctx, c.img)
		has := slices.ContainsFunc(r.Findings, func(f Finding) bool { return f.ID == c.finding && !f.Warning })
		o := k.v.Outcome()
		if err != nil || r.Usable != c.usable || c.finding != "" && !has || o.Decision != CannotTell || o.Reason != c.reason || len(o.Chip) != len(r.Findings) {
			t.Errorf("%s: %+v %v; outcome %+v", c.name, r, err, o)
		}
	}
	// A photo that comes when it was settled that nothing had to be asked: nobody was asked anything, and that is what is said.
	for _, before := range []func(*take){func(k *take) { k.chip(bob) }, func(k *take) { k.v.ChipMissing(ReasonNoChipPhoto) }} {
		k = newTake(VerifyOptions{})
		before(k)
		k.play(willing(ann), time.Minute)
		k.chip(ann)
		if o := k.v.Outcome(); o.Decision != Review || o.Reason != ReasonAttackCheckFailed || o.Attack != (AttackOutcome{ActiveChallenge, CheckNotDone, ReasonNotReached}) {
			t.Errorf("another photo: %+v", o)
		}
	}
	// A photo that comes after the frames.
	k = newTake(VerifyOptions{Check: AttackNone})
	k.asked.Kind, k.since = LookStraight, k.now
	k.frame(willing(ann))
	k.chip(ann)
	if o := k.v.Outcome(); o.Decision != Match {
		t.Errorf("photo last: %+v", o)
	}
}

func TestRetries(t *testing.T) {
	k := newTake(VerifyOptions{Seed: seed(7)}).chip(ann)
	nobody := func(ChallengeKind, time.Duration) (person, held) { return ann, held{gone: true} }
	var plans [][]ChallengeKind
	for n := 1; ; n++ {
		plans = append(plans, k.v.plan.kinds)
		if o := k.play(nobody, 2*time.Minute); o.Attempt != n || o.Decision != CannotTell {
			t.Errorf("attempt %d: %+v", n, o)
		}
		if !k.v.Retry() {
			if n != MaxAttempts {
				t.Errorf("only %d attempts", n)
			}
			break
		}
	}
	if slices.Equal(plans[0], plans[1]) && slices.Equal(plans[1], plans[2]) {
		t.Errorf("the same is asked every time: %v", plans)
	}
	k = newTake(VerifyOptions{Seed: seed(7)}).chip(ann)
	k.play(nobody, 2*time.Minute)
	k.v.Retry()
	if o := k.play(willing(ann), time.Minute); o.Decision != Match || o.Attempt != 2 {
		t.Errorf("the second attempt: %+v", o)
	}
}

func TestCloseWipes(t *testing.T) {
	k := newTake(VerifyOptions{}).chip(ann)
	k.asked.Kind, k.since = LookStraight, k.now
	for range 6 {
		k.frame(willing(ann))
	}
	photo, live, patch := k.v.photo, k.v.templates[0], k.v.last.patch
	k.v.Close()
	for what, empty := range map[string]bool{
		"photo": !slices.ContainsFunc(photo, func(f float32) bool { return f != 0 }), "frame": !slices.ContainsFunc(live, func(f float32) bool { return f != 0 }),
		"picture": !slices.ContainsFunc(patch.y, func(f float32) bool { return f != 0 }), "mesh": k.v.last.face == Face{} && k.v.straight.face == Face{},
	} {
		if !empty {
			t.Errorf("the %s is still there", what)
		}
	}
	if _, err := k.v.Frame(context.Background(), Frame{}); !errors.Is(err, ErrClosed) {
		t.Errorf("a frame after the end: %v", err)
	}
	if _, err := k.v.Chip(context.Background(), Image{}); !errors.Is(err, ErrClosed) || k.v.Retry() {
		t.Errorf("a photo after the end: %v", err)
	}
	if o := k.v.Outcome(); o.Decision != CannotTell {
		t.Errorf("%+v", o)
	}
	k.v.Close()
}

// The order of challenges comes from the seed, always has a turn, and all orders come.
func TestDraw(t *testing.T) {
	orders := map[[3]ChallengeKind]int{}
	ids := map[string]bool{}
	for n := range 5400 {
		p := draw(seed(n), 1)
		turns, seen := 0, map[ChallengeKind]bool{p.spare: true}
		for _, k := range p.kinds {
			if k == TurnLeft || k == TurnRight {
				turns++
			}
			if seen[k] {
				t.Fatalf("%v and %v: one twice", p.kinds, p.spare)
			}
			seen[k] = true
		}
		if turns == 0 || seen[LookStraight] {
			t.Fatalf("%v", p.kinds)
		}
		orders[[3]ChallengeKind(p.kinds)]++
		if again := draw(seed(n), 1); !slices.Equal(again.kinds, p.kinds) || again.id(3) != p.id(3) {
			t.Fatal("one seed, two orders")
		}
		ids[p.id(0)] = true
	}
	if len(orders) != 54 || len(ids) != 5400 {
		t.Errorf("%d orders, %d ids", len(orders), len(ids))
	}
	for o, n := range orders {
		if n < 40 || n > 260 {
			t.Errorf("%v comes %d times of 5400", o, n)
		}
	}
}

// Whatever is sent: a match is never better than the truth.
func TestAMatchIsEarned(t *testing.T) {
	r := rand.New(rand.NewPCG(11, 12))
	levels := []AttackLevel{AttackNone, PassiveHints, ActiveChallenge}
	people := []person{ann, bob, {who: 1, flat: true}, {who: 1, twin: 1}}
	matches := 0
	for n := range 24 {
		check := levels[r.IntN(3)]
		k := newTake(VerifyOptions{Check: check, Seed: seed(n)}).chip(ann)
		p := people[r.IntN(len(people))]
		strange := 0
		act := func(kind ChallengeKind, since time.Duration) (person, held) {
			if r.IntN(12) == 0 {
				strange++
				p = people[r.IntN(len(people))]
			}
			q, h := willing(p)(kind, since)
			if r.IntN(10) == 0 {
				h = held{yaw: 60 * (r.Float64() - 0.5), pitch: 30 * (r.Float64() - 0.5), gone: r.IntN(3) == 0, shut: r.IntN(3) == 0}
			}
			return q, h
		}
		o := k.play(act, 9*time.Second)
		if o.Attack.Level != check {
			t.Fatalf("level %s is said to be %s", check, o.Attack.Level)
		}
		if o.Decision == Match {
			matches++
			if o.Score < o.Threshold || o.Attack.Status == CheckFailed || check == ActiveChallenge && o.Attack.Status != CheckPassed {
				t.Fatalf("%+v", o)
			}
		}
		if (o.Reason == "") != (o.Decision == Match || o.Decision == NoMatch) || (o.Attack.Reason == "") != (o.Attack.Status == CheckPassed) {
			t.Fatalf("a reason too many or too few: %+v", o)
		}
	}
	if matches == 0 {
		t.Error("nothing ever matched, so nothing was tested")
	}
}
