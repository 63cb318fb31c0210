package face

import (
	"cmp"
	"context"
	"errors"
	"math"
	"runtime"
	"slices"

	"github.com/tapcheck/tapcheck/agent/face/nn"
)

// Errors of an engine. Those of a replaced recogniser are in recogniser.go.
var (
	ErrNoModels = errors.New("this program was built without face models")
	ErrNoFace   = errors.New("no face there")
)

// Options of Load. The zero value is the recogniser that the program carries.
type Options struct {
	ModelFile string // descriptor of a recogniser that replaces ours; see Descriptor
	NoVector  bool   // plain Go even where there is vector code
	Parallel  int    // pictures at the same time; 0 is 2, and never more than there are processors
}

// Engine finds and compares faces. It is safe for concurrent use; calls beyond Options.Parallel wait. It holds about 20 MB,
// and 12 MB for each picture at the same time; nobody need close it.
type Engine struct {
	models  *models
	workers chan *worker
	made    chan struct{} // a token for each worker that may still be made
}

// worker is what one call at a time uses.
type worker struct {
	models *models
	arena  *nn.Arena
	out    []float32
	half   []byte // a smaller picture, while one is sampled
}

// keptHalf is how large a worker's smaller picture may be to be kept for the next: that of a frame of 1280×960.
const keptHalf = 3 * 640 * 480

// Load makes an engine: unpacks the weights and lays them out, some 100 ms. The errors are ErrNoModels, those of a descriptor, or
// the context's.
func Load(ctx context.Context, o Options) (*Engine, error) {
	m, err := loadModels(ctx, o)
	if err != nil {
		return nil, err
	}
	n := min(cmp.Or(max(o.Parallel, 0), 2), runtime.GOMAXPROCS(0))
	e := &Engine{models: m, workers: make(chan *worker, n), made: make(chan struct{}, n)}
	for range n {
		e.made <- struct{}{}
	}
	return e, nil
}

// use lends a worker to a call.
func (e *Engine) use(ctx context.Context, m Image, do func(*worker) error) error {
	if err := m.Check(); err != nil {
		return err
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	var w *worker
	select {
	case w = <-e.workers: // rather one that is there
	default:
		select {
		case w = <-e.workers:
		case <-e.made:
			w = &worker{models: e.models, arena: nn.NewArena(e.models.detector.program, e.models.mesh.program, e.models.recogniser.program), out: make([]float32, e.models.out)}
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	defer func() {
		// What was computed is a picture of a face in other words.
		w.arena.Wipe()
		clear(w.out)
		clear(w.half)
		if cap(w.half) > keptHalf {
			w.half = nil
		}
		e.workers <- w
	}()
	return do(w)
}

// Find finds the faces of a picture, largest first, at most 8. No face is no error. The errors are ErrImage and the context's.
func (e *Engine) Find(ctx context.Context, m Image) (faces []Face, err error) {
	err = e.use(ctx, m, func(w *worker) error {
		found, err := w.detect(ctx, m)
		if err != nil {
			return err
		}
		for i := range found {
			f := found[i]
			ok, err := w.mesh(ctx, m, fromDetector(&f), &f)
			if err != nil {
				return err
			}
			if ok {
				faces = append(faces, f)
			}
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	slices.SortStableFunc(faces, func(a, b Face) int { return cmp.Compare(b.Box.area(), a.Box.area()) })
	return faces, nil
}

// Track puts the mesh on a face that was there in the frame before, without looking for others: a quarter of Find's time. false means
// that it is lost there; Find may find it elsewhere. Keypoints stay those of the last Find.
func (e *Engine) Track(ctx context.Context, m Image, prev Face) (Face, bool, error) {
	ok := false
	f := prev
	err := e.use(ctx, m, func(w *worker) (err error) {
		s := fromMesh(&prev)
		if !(s.side >= 16 && s.side <= 4*MaxSide && math.Abs(s.x) <= 2*MaxSide && math.Abs(s.y) <= 2*MaxSide) {
			return nil // no mesh of ours
		}
		ok, err = w.mesh(ctx, m, s, &f)
		return err
	})
	if err != nil || !ok {
		return Face{}, false, err
	}
	return f, true, nil
}

// Embed makes the template of a face that Find or Track has found in that picture. The errors are ErrNoFace, where its points lie on one spot
// or the recogniser sees nothing, ErrImage and the context's.
func (e *Engine) Embed(ctx context.Context, m Image, f Face) (t Template, err error) {
	err = e.use(ctx, m, func(w *worker) error {
		t, err = w.embed(ctx, m, &f)
		return err
	})
	return t, err
}

func (w *worker) embed(ctx context.Context, m Image, f *Face) (Template, error) {
	r := &w.models.recogniser
	at, ok := similarity(fivePoints(f), r.Input)
	if !ok {
		return nil, ErrNoFace
	}
	if x, y := at.at(float64(r.Input)/2, float64(r.Input)/2); !(math.Abs(x) <= 2*MaxSide && math.Abs(y) <= 2*MaxSide) {
		return nil, ErrNoFace
	}
	var scale, shift [3]float32
	for c := range scale {
		scale[c], shift[c] = float32(r.Scale), float32(-r.Mean[c]*r.Scale)
	}
	w.sample(m, at, r.Input, r.program.Input(w.arena), scale, shift, r.Colour == "bgr", false)
	if err := r.program.Run(ctx, w.arena); err != nil {
		return nil, err
	}
	t := make(Template, r.Dim)
	r.program.Output(w.arena, 0, t)
	sum := 0.0
	for _, v := range t {
		sum += float64(v) * float64(v)
	}
	if !(sum > 1e-12) || math.IsInf(sum, 0) {
		return nil, ErrNoFace
	}
	by := float32(1 / math.Sqrt(sum))
	for i := range t {
		t[i] *= by
	}
	return t, nil
}

// Model says what compares, and at which thresholds.
func (e *Engine) Model() ModelInfo { return e.models.recogniser.info() }
