package face

import (
	"cmp"
	"context"
	"math"
	"slices"
)

// Sizes and thresholds of BlazeFace and FaceMesh as they are shipped.
const (
	detectorSide = 256
	meshSide     = 192
	meshPoints   = 468

	minScore    = 0.5 // of the detector
	minPresence = 0.5 // of FaceMesh
	overlap     = 0.3 // two boxes that share more are one face
	maxFaces    = 8
)

func (b Box) area() float32 { return max(b.X1-b.X0, 0) * max(b.Y1-b.Y0, 0) }

// iou is the shared part of two boxes, of what they cover together.
func (b Box) iou(o Box) float32 {
	both := Box{max(b.X0, o.X0), max(b.Y0, o.Y0), min(b.X1, o.X1), min(b.Y1, o.Y1)}.area()
	if both == 0 {
		return 0
	}
	return both / (b.area() + o.area() - both)
}

// anchors are the places from which BlazeFace counts: 2 in each of 16×16 cells, then 6 in each of 8×8.
var anchors = func() (list [896]Point) {
	i := 0
	for _, grid := range []struct{ cells, each int }{{16, 2}, {8, 6}} {
		step := float32(detectorSide) / float32(grid.cells)
		for y := range grid.cells {
			for x := range grid.cells {
				for range grid.each {
					list[i] = Point{(float32(x) + 0.5) * step, (float32(y) + 0.5) * step}
					i++
				}
			}
		}
	}
	return list
}()

// detect finds faces with BlazeFace, which sees the whole picture in a black square. Boxes and keypoints only.
func (w *worker) detect(ctx context.Context, m Image) ([]Face, error) {
	d := &w.models.detector
	side := float64(max(m.Width, m.Height))
	t := square{x: float64(m.Width) / 2, y: float64(m.Height) / 2, side: side}.crop(detectorSide)
	w.sample(m, t, detectorSide, d.program.Input(w.arena), same(1/127.5), same(-1), false, false)
	if err := d.program.Run(ctx, w.arena); err != nil {
		return nil, err
	}
	scores, boxes := w.out[:896], w.out[896:][:896*16]
	d.program.Output(w.arena, d.outputs[0], scores[:512])
	d.program.Output(w.arena, d.outputs[1], scores[512:])
	d.program.Output(w.arena, d.outputs[2], boxes[:512*16])
	d.program.Output(w.arena, d.outputs[3], boxes[512*16:])
	var found []Face
	back := func(x, y float32) Point {
		px, py := t.at(float64(x), float64(y))
		return Point{float32(px), float32(py)}
	}
	for i, a := range anchors {
		score := sigmoid(scores[i])
		b := boxes[i*16:][:16]
		if !(score >= minScore) || !(b[2] > 0 && b[3] > 0) {
			continue
		}
		f := Face{Score: score}
		lo, hi := back(a.X+b[0]-b[2]/2, a.Y+b[1]-b[3]/2), back(a.X+b[0]+b[2]/2, a.Y+b[1]+b[3]/2)
		f.Box = Box{lo.X, lo.Y, hi.X, hi.Y}
		for k := range f.Keypoints {
			f.Keypoints[k] = back(a.X+b[4+2*k], a.Y+b[5+2*k])
		}
		found = append(found, f)
	}
	slices.SortStableFunc(found, func(a, b Face) int { return cmp.Compare(b.Score, a.Score) })
	var kept []Face
	for _, f := range found {
		if len(kept) < maxFaces && !slices.ContainsFunc(kept, func(k Face) bool { return k.Box.iou(f.Box) > overlap }) {
			kept = append(kept, f)
		}
	}
	return kept, nil
}

// mesh puts FaceMesh into the square and takes over what it finds. false: there is no face.
func (w *worker) mesh(ctx context.Context, m Image, s square, f *Face) (bool, error) {
	d := &w.models.mesh
	t := s.crop(meshSide)
	w.sample(m, t, meshSide, d.program.Input(w.arena), same(1/255.), same(0), false, true)
	if err := d.program.Run(ctx, w.arena); err != nil {
		return false, err
	}
	var presence [1]float32
	points := w.out[:3*meshPoints]
	d.program.Output(w.arena, d.outputs[0], presence[:])
	d.program.Output(w.arena, d.outputs[1], points)
	f.Presence = presence[0]
	if !(f.Presence >= minPresence) {
		return false, nil
	}
	k := float32(s.side / meshSide)
	f.Box = Box{math.MaxFloat32, math.MaxFloat32, -math.MaxFloat32, -math.MaxFloat32}
	for i := range f.Mesh {
		x, y := t.at(float64(points[3*i]), float64(points[3*i+1]))
		p := Point3{float32(x), float32(y), points[3*i+2] * k}
		f.Mesh[i] = p
		f.Box = Box{min(f.Box.X0, p.X), min(f.Box.Y0, p.Y), max(f.Box.X1, p.X), max(f.Box.Y1, p.Y)}
	}
	// A mesh that has run away is no face.
	size := max(f.Box.X1-f.Box.X0, f.Box.Y1-f.Box.Y0)
	return size >= 8 && float64(size) <= 4*s.side, nil
}

// around is the square in which FaceMesh is to look: the face upright, with a margin.
func around(x0, y0, x1, y1 float64, right, left Point, margin float64) square {
	return square{x: (x0 + x1) / 2, y: (y0 + y1) / 2, side: margin * max(x1-x0, y1-y0), angle: math.Atan2(float64(left.Y-right.Y), float64(left.X-right.X))}
}

// fromDetector and fromMesh are the squares after a detection and after a mesh.
func fromDetector(f *Face) square {
	b := f.Box
	return around(float64(b.X0), float64(b.Y0), float64(b.X1), float64(b.Y1), f.Keypoints[0], f.Keypoints[1], 1.5)
}

func fromMesh(f *Face) square {
	p := fivePoints(f)
	s := around(0, 0, 1, 1, p[0], p[1], 1)
	// The rectangle around the mesh, in the direction in which the face is turned.
	sin, cos := math.Sincos(-s.angle)
	x0, y0, x1, y1 := math.MaxFloat64, math.MaxFloat64, -math.MaxFloat64, -math.MaxFloat64
	for _, p := range f.Mesh {
		x, y := cos*float64(p.X)-sin*float64(p.Y), sin*float64(p.X)+cos*float64(p.Y)
		x0, y0, x1, y1 = min(x0, x), min(y0, y), max(x1, x), max(y1, y)
	}
	cx, cy := (x0+x1)/2, (y0+y1)/2
	s.x, s.y = cos*cx+sin*cy, -sin*cx+cos*cy
	s.side = 1.5 * max(x1-x0, y1-y0)
	return s
}

func same(v float32) [3]float32 { return [3]float32{v, v, v} }

func sigmoid(x float32) float32 { return float32(1 / (1 + math.Exp(-float64(x)))) }
