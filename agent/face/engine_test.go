package face

import (
	"context"
	"errors"
	"math"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
	"testing/fstest"
)

// engine loads the models that this test was built with.
func engine(t testing.TB, o Options) *Engine {
	t.Helper()
	e, err := Load(context.Background(), o)
	if errors.Is(err, ErrNoModels) {
		t.Fatal("built without face models: make models")
	}
	if err != nil {
		t.Fatal(err)
	}
	return e
}

// picture makes a picture of a rule.
func picture(w, h int, at func(x, y, c int) int) Image {
	m := Image{Width: w, Height: h, Pix: make([]byte, 3*w*h)}
	for i := range m.Pix {
		m.Pix[i] = byte(min(max(at(i/3%w, i/3/w, i%3), 0), 255))
	}
	return m
}

// noise is a picture without a face, smooth enough that a crop of it is much the same in every computation.
func noise(w, h int) Image {
	r := rand.New(rand.NewPCG(uint64(w), uint64(h)))
	grid := [16 * 16 * 3]int{}
	for i := range grid {
		grid[i] = r.IntN(256)
	}
	return picture(w, h, func(x, y, c int) int {
		fx, fy := float64(x)*14/float64(w), float64(y)*14/float64(h)
		ix, iy := int(fx), int(fy)
		dx, dy := fx-float64(ix), fy-float64(iy)
		at := func(x, y int) float64 { return float64(grid[(y*16+x)*3+c]) }
		return int((at(ix, iy)*(1-dx)+at(ix+1, iy)*dx)*(1-dy) + (at(ix, iy+1)*(1-dx)+at(ix+1, iy+1)*dx)*dy)
	})
}

// posed is a face whose five points lie as the recogniser wants them, moved by a similarity.
func posed(scale, angle, x, y float64) Face {
	var f Face
	sin, cos := math.Sincos(angle)
	put := func(i int, p Point) {
		u, v := float64(p.X), float64(p.Y)
		f.Mesh[i] = Point3{float32(scale*(cos*u-sin*v) + x), float32(scale*(sin*u+cos*v) + y), 0}
	}
	for _, i := range rightEye {
		put(i, aligned[0])
	}
	for _, i := range leftEye {
		put(i, aligned[1])
	}
	put(noseTip, aligned[2])
	put(mouthRight, aligned[3])
	put(mouthLeft, aligned[4])
	return f
}

func TestNoModels(t *testing.T) {
	was := folder
	defer func() { folder = was }()
	folder = fstest.MapFS{"models/README.md": {Data: []byte("nothing here")}}
	if _, err := Load(context.Background(), Options{}); !errors.Is(err, ErrNoModels) {
		t.Errorf("%v", err)
	}
}

// TestNoFace: a picture without a face is no error, and none is seen in it.
func TestNoFace(t *testing.T) {
	e := engine(t, Options{})
	for name, m := range map[string]Image{
		"black":         picture(64, 64, func(int, int, int) int { return 0 }),
		"white":         picture(300, 400, func(int, int, int) int { return 255 }),
		"a slope":       picture(640, 480, func(x, y, _ int) int { return (x + y) / 5 }),
		"a chess board": picture(500, 500, func(x, y, _ int) int { return 255 * ((x/25 + y/25) % 2) }),
		"clouds":        noise(400, 300),
		"very wide":     noise(4000, 40),
		"very high":     noise(40, 2000),
	} {
		faces, err := e.Find(context.Background(), m)
		if err != nil || len(faces) != 0 {
			t.Errorf("%s: %d faces, %v", name, len(faces), err)
		}
	}
}

// TestPictures: what is no picture of a size within the bounds is refused, by every method.
func TestPictures(t *testing.T) {
	e := engine(t, Options{})
	for name, m := range map[string]Image{
		"nothing":        {},
		"one pixel":      {Width: 1, Height: 1, Pix: make([]byte, 3)},
		"bytes missing":  {Width: 64, Height: 64, Pix: make([]byte, 3*64*64-1)},
		"bytes too many": {Width: 64, Height: 64, Pix: make([]byte, 3*64*64+1)},
		"below nothing":  {Width: -64, Height: -64, Pix: make([]byte, 3*64*64)},
		"too wide":       {Width: MaxSide + 1, Height: 64, Pix: make([]byte, 3*(MaxSide+1)*64)},
		"an overflow":    {Width: 1 << 32, Height: 1 << 32},
		"too many":       {Width: 4096, Height: 4096, Pix: make([]byte, 3*4096*4096)},
	} {
		_, err := e.Find(context.Background(), m)
		_, _, err2 := e.Track(context.Background(), m, posed(1, 0, 0, 0))
		_, err3 := e.Embed(context.Background(), m, posed(1, 0, 0, 0))
		for _, err := range []error{err, err2, err3} {
			if !errors.Is(err, ErrImage) {
				t.Errorf("%s: %v", name, err)
			}
		}
	}
}

// TestFacesOfNobody: faces that no engine has found are lost, or have no template; nothing panics.
func TestFacesOfNobody(t *testing.T) {
	e := engine(t, Options{})
	m := noise(320, 240)
	nan, inf := float32(math.NaN()), float32(math.Inf(1))
	fill := func(p Point3) (f Face) {
		for i := range f.Mesh {
			f.Mesh[i] = p
		}
		return f
	}
	far := posed(1, 0, 1e7, -1e7)
	huge := posed(1e6, 0, 0, 0)
	broken := posed(1, 0, 0, 0)
	broken.Mesh[noseTip].X = nan
	for name, f := range map[string]Face{"zero": {}, "one spot": fill(Point3{100, 100, 0}), "not a number": fill(Point3{nan, nan, nan}), "endless": fill(Point3{inf, -inf, 0}), "far away": far, "huge": huge, "one point": broken} {
		if _, ok, err := e.Track(context.Background(), m, f); ok || err != nil {
			t.Errorf("%s: tracked %v, %v", name, ok, err)
		}
		if _, err := e.Embed(context.Background(), m, f); !errors.Is(err, ErrNoFace) {
			t.Errorf("%s: embedded, %v", name, err)
		}
	}
}

// TestEmbed: a template has unit length and follows the face through moving, turning and scaling of the picture; plain Go and vector code
// agree.
func TestEmbed(t *testing.T) {
	e := engine(t, Options{})
	m := noise(400, 400)
	first, err := e.Embed(context.Background(), m, posed(2, 0.1, 60, 40))
	if err != nil {
		t.Fatal(err)
	}
	if s := Similarity(first, first); math.Abs(s-1) > 1e-6 || len(first) != e.Model().Dim {
		t.Errorf("length² %g of %d numbers", s, len(first))
	}
	other, err := e.Embed(context.Background(), m, posed(1.2, -0.7, 150, 200))
	if err != nil {
		t.Fatal(err)
	}
	if s := Similarity(first, other); s > 0.9 {
		t.Errorf("two places of a picture are alike: %g", s)
	}
	plain := engine(t, Options{NoVector: true})
	same, err := plain.Embed(context.Background(), m, posed(2, 0.1, 60, 40))
	if err != nil {
		t.Fatal(err)
	}
	for i := range same {
		if math.Abs(float64(same[i]-first[i])) > 1e-4 {
			t.Fatalf("number %d: %g and %g", i, first[i], same[i])
		}
	}
}

// TestTogether: calls beyond those that may run at the same time wait, all of them get what one alone gets, and a context ends the waiting.
func TestTogether(t *testing.T) {
	e := engine(t, Options{Parallel: 1})
	m := noise(200, 200)
	want, err := e.Embed(context.Background(), m, posed(1, 0, 40, 40))
	if err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			got, err := e.Embed(context.Background(), m, posed(1, 0, 40, 40))
			if err != nil || !slices.Equal(got, want) {
				t.Errorf("another template, or %v", err)
			}
		})
	}
	wg.Wait()

	// The one worker is away.
	err = e.use(context.Background(), m, func(*worker) error {
		ctx, cancel := context.WithCancel(context.Background())
		go cancel()
		_, err := e.Find(ctx, m)
		return err
	})
	if !errors.Is(err, context.Canceled) {
		t.Errorf("waiting: %v", err)
	}
	// And back, without what it saw.
	w := <-e.workers
	for i, v := range w.models.recogniser.program.Input(w.arena) {
		if v != 0 {
			t.Fatalf("number %d of the crop is left: %g", i, v)
		}
	}
	if slices.ContainsFunc(w.out, func(v float32) bool { return v != 0 }) {
		t.Error("outputs are left")
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if _, err := e.Embed(ctx, m, posed(1, 0, 40, 40)); !errors.Is(err, context.Canceled) {
		t.Errorf("ended before: %v", err)
	}
	if _, err := Load(ctx, Options{}); !errors.Is(err, context.Canceled) {
		t.Errorf("loading: %v", err)
	}
}

// TestSimilarityTransform: the alignment finds a similarity again that has moved the five points, and of other points the nearest.
func TestSimilarityTransform(t *testing.T) {
	for _, c := range [][4]float64{{1, 0, 0, 0}, {2.5, 0.3, 100, -20}, {0.4, -2, 7, 9}, {1, math.Pi, 0, 0}} {
		f := posed(c[0], c[1], c[2], c[3])
		got, ok := similarity(fivePoints(&f), 224)
		sin, cos := math.Sincos(c[1])
		want := affine{a: c[0] * cos / 2, b: -c[0] * sin / 2, c: c[2], d: c[0] * sin / 2, e: c[0] * cos / 2, f: c[3]}
		if d := max(math.Abs(got.a-want.a), math.Abs(got.b-want.b), math.Abs(got.c-want.c), math.Abs(got.d-want.d), math.Abs(got.e-want.e), math.Abs(got.f-want.f)); !ok || d > 1e-3 {
			t.Errorf("%v: %+v, want %+v", c, got, want)
		}
	}
	// A point that is off by 5 moves the map, and no other similarity is nearer.
	f := posed(1, 0, 0, 0)
	f.Mesh[noseTip].X += 5
	p := fivePoints(&f)
	t0, _ := similarity(p, alignedSide)
	miss := func(t affine) (sum float64) {
		for i, q := range aligned {
			x, y := t.at(float64(q.X), float64(q.Y))
			sum += math.Pow(x-float64(p[i].X), 2) + math.Pow(y-float64(p[i].Y), 2)
		}
		return sum
	}
	best := miss(t0)
	for _, d := range []affine{{a: 1e-3, e: 1e-3}, {b: -1e-3, d: 1e-3}, {c: 0.01}, {f: 0.01}} {
		for _, k := range []float64{1, -1} {
			if m := miss(affine{t0.a + k*d.a, t0.b + k*d.b, t0.c + k*d.c, t0.d + k*d.d, t0.e + k*d.e, t0.f + k*d.f}); m < best {
				t.Errorf("%+v is nearer: %g < %g", d, m, best)
			}
		}
	}
}

// TestSample: crops of a picture in which every pixel says where it is.
func TestSample(t *testing.T) {
	halvings := map[string]float64{"half as large": 1, "a quarter": 2} // each rounds to bytes
	m := picture(100, 80, func(x, y, c int) int { return [3]int{2 * x, 3 * y, 77}[c] })
	for name, c := range map[string]struct {
		s    square
		n    int
		x, y int // pixel of the crop
		want [3]float64
	}{
		"as it is":         {square{x: 50, y: 40, side: 40}, 40, 0, 0, [3]float64{60, 60, 77}},
		"its other end":    {square{x: 50, y: 40, side: 40}, 40, 39, 39, [3]float64{138, 177, 77}},
		"twice as large":   {square{x: 50, y: 40, side: 20}, 40, 20, 20, [3]float64{2 * 49.75, 3 * 39.75, 77}},
		"half as large":    {square{x: 50, y: 40, side: 80}, 40, 0, 0, [3]float64{2 * 10.5, 3 * 0.5, 77}},
		"a quarter turn":   {square{x: 50, y: 40, side: 40, angle: math.Pi / 2}, 40, 0, 0, [3]float64{138, 60, 77}},
		"half a turn":      {square{x: 50, y: 40, side: 40, angle: math.Pi}, 40, 0, 0, [3]float64{138, 177, 77}},
		"a quarter":        {square{x: 40, y: 40, side: 80}, 20, 10, 10, [3]float64{2 * 41.5, 3 * 41.5, 77}},
		"outside is black": {square{x: 0, y: 0, side: 40}, 40, 0, 0, [3]float64{0, 0, 0}},
		"at the edge":      {square{x: 0, y: 40, side: 40}, 40, 20, 20, [3]float64{0, 120, 77}},
	} {
		to := make([]float32, 3*c.n*c.n)
		for _, bgr := range []bool{false, true} {
			new(worker).sample(m, c.s.crop(c.n), c.n, to, same(2), same(-1), bgr, false)
			for k, want := range c.want {
				if bgr {
					want = c.want[2-k]
				}
				if got := float64(to[(c.y*c.n+c.x)*3+k]); math.Abs(got-(2*want-1)) > 0.01 && !(halvings[name] > 0 && math.Abs(got-(2*want-1)) < 1.01*halvings[name]) {
					t.Errorf("%s, blue first %v: channel %d is %g, want %g", name, bgr, k, got, 2*want-1)
				}
			}
		}
	}
	to := make([]float32, 3*16)
	new(worker).sample(m, square{x: -500, y: -500, side: 4}.crop(4), 4, to, same(1), same(0), false, true)
	if to[0] != 0 || to[2] != 77 {
		t.Errorf("stretched: %v", to[:3])
	}
	new(worker).sample(m, square{x: 500, y: 500, side: 4}.crop(4), 4, to, same(1), same(0), false, true)
	if to[0] != 198 || to[1] != 237 {
		t.Errorf("stretched: %v", to[:3])
	}
}

func TestBoxes(t *testing.T) {
	if anchors[0] != (Point{8, 8}) || anchors[1] != anchors[0] || anchors[2] != (Point{24, 8}) || anchors[511] != (Point{248, 248}) || anchors[512] != (Point{16, 16}) || anchors[518] != (Point{48, 16}) || anchors[895] != (Point{240, 240}) {
		t.Errorf("anchors %v %v %v %v", anchors[0], anchors[2], anchors[512], anchors[895])
	}
	a := Box{0, 0, 10, 10}
	for _, c := range []struct {
		b    Box
		want float32
	}{{a, 1}, {Box{10, 0, 20, 10}, 0}, {Box{5, 0, 15, 10}, 1. / 3}, {Box{20, 20, 30, 30}, 0}, {Box{8, 8, 2, 2}, 0}} {
		if got := a.iou(c.b); math.Abs(float64(got-c.want)) > 1e-6 {
			t.Errorf("%v: %g, want %g", c.b, got, c.want)
		}
	}
}
