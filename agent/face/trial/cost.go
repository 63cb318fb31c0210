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
	Name              string
	Best, Median, P95 time.Duration
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
	took := map[string][]time.Duration{}
	counted := false
	var last time.Time
	lap := func(name string) {
		now := time.Now()
		if counted && name != "" {
			took[name] = append(took[name], now.Sub(last))
		}
		last = now
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
		begin := time.Now()
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
		if counted {
			took[StageVerification] = append(took[StageVerification], time.Since(begin))
		}
		lap("")
		begin = time.Now()
		g, ok, err := e.Track(ctx, img, f)
		if err != nil {
			return nil, err
		}
		lap(StageTrack)
		if ok {
			face.Assess(img, []face.Face{g}, false)
			if counted {
				took[StageFeedback] = append(took[StageFeedback], time.Since(begin))
			}
		}
	}
	var all []Stage
	for _, name := range []string{StageDecodePhoto, StageDecodeLive, StageFind, StageTrack, StageQuality, StageEmbed, StageCompare, StageFeedback, StageVerification} {
		d := took[name]
		if len(d) == 0 {
			continue
		}
		slices.Sort(d)
		all = append(all, Stage{name, d[0], d[len(d)/2], d[(len(d)*95-1)/100]})
	}
	return all, nil
}

// File is a file's name and bytes.
type File struct {
	Path string
	Data []byte
}
