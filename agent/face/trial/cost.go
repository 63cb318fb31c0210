package trial

import (
	"context"
	"runtime"
	"slices"
	"time"

	"github.com/tapcheck/tapcheck/agent/face"
)

// Stage is how long a part of the work takes on one core.
type Stage struct {
	Name        string
	Processor   time.Duration // median of what this process used; 0 where a child does the work, or the system does not say
	Median, P95 time.Duration // of the time that passed, which other programs lengthen
}

// Stages of Time, in order. Verification is all that happens from the bytes of a photo and of one frame to the decision.
const (
	StageDecodePhoto  = "decode the chip's photo"
	StageDecodeLive   = "decode a frame"
	StageFind         = "find faces and mesh"
	StageTrack        = "follow a face"
	StageQuality      = "quality"
	StageEmbed        = "template"
	StageCompare      = "compare"
	StageFeedback     = "a frame's feedback"
	StageVerification = "verification"
)

// Time measures the stages on pairs of files (photo and frame of one person each) with one core. The first round is not counted.
func Time(ctx context.Context, e *face.Engine, decode Decode, pairs [][2]File) ([]Stage, error) {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(1))
	took, used := map[string][]time.Duration{}, map[string][]time.Duration{}
	counted := false
	var watch stopwatch
	note := func(name string, w stopwatch) {
		if counted && name != "" {
			t, u := w.since()
			took[name], used[name] = append(took[name], t), append(used[name], u)
		}
	}
	lap := func(name string) {
		note(name, watch)
		watch = start()
	}
	template := func(f File, photo bool) (face.Template, face.Image, face.Face, error) {
		lap("")
		img, err := decode(ctx, f.Path, f.Data, photo)
		if err != nil {
			return nil, img, face.Face{}, err
		}
		lap(map[bool]string{true: StageDecodePhoto, false: StageDecodeLive}[photo])
		faces, err := e.Find(ctx, img)
		if err != nil || len(faces) == 0 {
			return nil, img, face.Face{}, err
		}
		lap(StageFind)
		face.Assess(img, faces, photo)
		lap(StageQuality)
		t, err := e.Embed(ctx, img, faces[0])
		lap(StageEmbed)
		return t, img, faces[0], err
	}
	for i, p := range slices.Insert(slices.Clone(pairs), 0, pairs[0]) {
		counted = i > 0
		all := start()
		a, _, _, err := template(p[0], true)
		if err != nil {
			return nil, err
		}
		b, img, f, err := template(p[1], false)
		if err != nil {
			return nil, err
		}
		if a == nil || b == nil {
			continue // a picture without a face says nothing about time
		}
		face.Similarity(a, b)
		lap(StageCompare)
		note(StageVerification, all)
		lap("")
		all = start()
		g, ok, err := e.Track(ctx, img, f)
		if err != nil {
			return nil, err
		}
		lap(StageTrack)
		if ok {
			face.Assess(img, []face.Face{g}, false)
			note(StageFeedback, all)
		}
	}
	var all []Stage
	for _, name := range []string{StageDecodePhoto, StageDecodeLive, StageFind, StageTrack, StageQuality, StageEmbed, StageCompare, StageFeedback, StageVerification} {
		d, u := took[name], used[name]
		if len(d) == 0 {
			continue
		}
		slices.Sort(d)
		slices.Sort(u)
		s := Stage{name, u[len(u)/2], d[len(d)/2], d[(len(d)*95-1)/100]}
		if name == StageDecodePhoto || name == StageDecodeLive {
			s.Processor = 0
		}
		all = append(all, s)
	}
	return all, nil
}

// stopwatch measures the time that passes, and how much of a processor this process uses meanwhile.
type stopwatch struct {
	at   time.Time
	used time.Duration
}

func start() stopwatch { return stopwatch{time.Now(), processor()} }

func (w stopwatch) since() (passed, used time.Duration) {
	return time.Since(w.at), processor() - w.used
}

// File is a file's name and bytes.
type File struct {
	Path string
	Data []byte
}
