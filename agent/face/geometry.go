package face

import "math"

// Places of FaceMesh's 468 that are used here. Right and left are the person's; the right side is the left one in the image.
const (
	meshForehead   = 10
	meshBrow       = 151 // middle of the forehead
	meshChin       = 152
	meshNoseTip    = 1
	meshNoseRoot   = 168
	meshRightOuter = 33 // corners of the eyes
	meshRightInner = 133
	meshLeftInner  = 362
	meshLeftOuter  = 263
	meshRightSide  = 234 // before the ears
	meshLeftSide   = 454
	meshLipTop     = 13 // inner edge of the lips
	meshLipBottom  = 14
	meshMouthRight = 78
	meshMouthLeft  = 308
	meshUnderLip   = 18
	meshChinFront  = 199
	meshRightCheek = 50
	meshLeftCheek  = 280
)

// Lids: upper and lower points that lie one over the other.
var (
	rightLids = [][2]int{{160, 144}, {159, 145}, {158, 153}}
	leftLids  = [][2]int{{385, 380}, {386, 374}, {387, 373}}
)

// The outline of the face, once round.
var meshOval = []int{
	10, 338, 297, 332, 284, 251, 389, 356, 454, 323, 361, 288, 397, 365, 379, 378, 400, 377,
	152, 148, 176, 149, 150, 136, 172, 58, 132, 93, 234, 127, 162, 21, 54, 103, 67, 109,
}

// The skull: what neither the jaw nor lids nor lips move, so that it turns as one body. The nose stands out of it and the
// temples lie back, which is what tells a head from a flat picture of one.
var meshSkull = []int{
	1, 2, 4, 5, 6, 8, 9, 19, 45, 48, 51, 64, 94, 97, 98, 101, 107, 108, 109, 111, 114, 115, 116, 117, 118, 119, 120, 121, 122, 123, 126, 128,
	127, 129, 131, 139, 143, 151, 162, 168, 174, 188, 193, 195, 196, 197, 198, 209, 217, 21, 34, 35, 50, 54, 67, 69, 71, 103, 104, 10,
	275, 278, 281, 294, 326, 327, 330, 336, 337, 338, 340, 343, 344, 345, 346, 347, 348, 349, 350, 351, 352, 355, 357,
	356, 358, 360, 368, 372, 389, 399, 412, 417, 419, 420, 429, 437, 251, 264, 265, 280, 284, 297, 299, 301, 332, 333,
	33, 133, 362, 263,
}

// Pose is how a head is held, in degrees, 0 0 0 looking at the camera.
type Pose struct {
	Yaw   float64 // positive: turned to the person's own left
	Pitch float64 // positive: looking down
	Roll  float64 // positive: leaning to the person's own left shoulder
}

// levelPitch is how FaceMesh sees a head that looks level into the camera: chins lie back.
const levelPitch = 7

// shape is what is measured of a face's mesh.
type shape struct {
	rightEye, leftEye Point   // centres
	eyes              float64 // distance between them in the picture, pixels
	span              float64 // the same in space: not smaller because the head is turned, pixels
	pose              Pose
	lids              float64 // opening of the eyes, height over width, mean of both
	mouth             float64 // opening of the mouth, height over width
	box               Box     // round the mesh
}

func measure(f *Face) shape {
	m := &f.Mesh
	s := shape{
		rightEye: middle(m[meshRightInner], m[meshRightOuter]),
		leftEye:  middle(m[meshLeftInner], m[meshLeftOuter]),
		box:      Box{m[0].X, m[0].Y, m[0].X, m[0].Y},
	}
	s.eyes = math.Hypot(float64(s.leftEye.X-s.rightEye.X), float64(s.leftEye.Y-s.rightEye.Y))
	across := sub3(m[meshLeftOuter], m[meshRightOuter])
	down := sub3(m[meshChin], m[meshForehead])
	s.pose.Roll = degrees(math.Atan2(across[1], across[0]))
	s.pose.Yaw = degrees(math.Atan2(across[2], math.Hypot(across[0], across[1])))
	s.pose.Pitch = degrees(math.Atan2(down[2], math.Hypot(down[0], down[1]))) - levelPitch
	eyes := func(lids [][2]int, a, b int) float64 {
		var open float64
		for _, l := range lids {
			open += dist3(m[l[0]], m[l[1]])
		}
		return open / float64(len(lids)) / math.Max(dist3(m[a], m[b]), 1e-6)
	}
	s.lids = (eyes(rightLids, meshRightOuter, meshRightInner) + eyes(leftLids, meshLeftInner, meshLeftOuter)) / 2
	s.mouth = dist3(m[meshLipTop], m[meshLipBottom]) / math.Max(dist3(m[meshMouthRight], m[meshMouthLeft]), 1e-6)
	s.span = s.eyes / math.Max(math.Cos(s.pose.Yaw*math.Pi/180), 0.5)
	for _, p := range m {
		s.box.X0, s.box.Y0 = min(s.box.X0, p.X), min(s.box.Y0, p.Y)
		s.box.X1, s.box.Y1 = max(s.box.X1, p.X), max(s.box.Y1, p.Y)
	}
	return s
}

func middle(a, b Point3) Point { return Point{(a.X + b.X) / 2, (a.Y + b.Y) / 2} }

func sub3(a, b Point3) [3]float64 {
	return [3]float64{float64(a.X - b.X), float64(a.Y - b.Y), float64(a.Z - b.Z)}
}

func dist3(a, b Point3) float64 {
	d := sub3(a, b)
	return math.Sqrt(d[0]*d[0] + d[1]*d[1] + d[2]*d[2])
}

func degrees(rad float64) float64 { return rad * 180 / math.Pi }

// motion is how a face moved between two pictures, as far as it can be seen in the plane: what a flat picture and a head
// have in common, and what only a head does.
//
// Each point of the skull is explained as  p' = A p + t + v z , A any 2×2, z its depth in the first picture. A flat thing that turns
// has v = 0 and a smaller A; a head that turns by θ moves its nose against its temples: v = sin θ, times the scale.
// The depth is what FaceMesh thinks of any face, so it is there for a flat picture too, and what follows is a question to
// the second picture only.
type motion struct {
	scale   float64 // how much larger the face is; for a head that turns it is 1, for a flat thing smaller along one way
	turn    float64 // degrees by which the nose moved against the temples to the person's left: yaw of a head, 0 for a flat picture
	nod     float64 // the same downwards
	shrink  float64 // degrees that a flat thing must have turned by to become so narrow or so low; for a head about that of turn and nod
	planar  float64 // what no homography explains: root mean square, in inter-eye distances
	shifted float64 // how far the middle of the face moved, in inter-eye distances
}

// depth is how much of the turn of a flat thing can be seen as parallax: about 1 and more for a head, 0.2 for a flat picture (the
// mesh follows what it thinks a head would do), 0.6 for one that is bent.
func (m motion) depth() float64 { return math.Hypot(m.turn, m.nod) / math.Max(m.shrink, 1) }

// between measures the motion from a to b. It is not defined for faces without a size, and then gives the zero motion.
func between(a, b *Face) motion {
	sa, sb := measure(a), measure(b)
	if !(sa.eyes > 1) || !(sb.eyes > 1) {
		return motion{}
	}
	// In units of the eyes' distance, round the middle of the eyes, the first upright.
	cos, sin := math.Cos(sa.pose.Roll*math.Pi/180), math.Sin(sa.pose.Roll*math.Pi/180)
	ox, oy := float64(sa.rightEye.X+sa.leftEye.X)/2, float64(sa.rightEye.Y+sa.leftEye.Y)/2
	cos2, sin2 := math.Cos(sb.pose.Roll*math.Pi/180), math.Sin(sb.pose.Roll*math.Pi/180)
	px, py := float64(sb.rightEye.X+sb.leftEye.X)/2, float64(sb.rightEye.Y+sb.leftEye.Y)/2
	n := len(meshSkull)
	from, to := make([][3]float64, n), make([][2]float64, n)
	var mz float64
	for i, k := range meshSkull {
		p, q := a.Mesh[k], b.Mesh[k]
		x, y := float64(p.X)-ox, float64(p.Y)-oy
		from[i] = [3]float64{(x*cos + y*sin) / sa.eyes, (y*cos - x*sin) / sa.eyes, float64(p.Z) / sa.eyes}
		x, y = float64(q.X)-px, float64(q.Y)-py
		to[i] = [2]float64{(x*cos2 + y*sin2) / sa.eyes, (y*cos2 - x*sin2) / sa.eyes}
		mz += from[i][2]
	}
	for i := range from {
		from[i][2] -= mz / float64(n) // depth round its mean, so that it does not pull at the shift
	}
	var m motion
	m.shifted = math.Hypot(px-ox, py-oy) / sa.eyes

	// x, y, 1, z, and x·z or y·z: what comes nearer grows more in its near parts. That term only keeps the others clean. By itself it tells no
	// head from a picture, because the mesh hardly follows it.
	solve := func(axis int) ([]float64, bool) {
		return leastSquares(n, 5, func(i int, row []float64) float64 {
			row[0], row[1], row[2], row[3] = from[i][0], from[i][1], 1, from[i][2]
			row[4] = from[i][axis] * from[i][2]
			return to[i][axis]
		})
	}
	cx, ok1 := solve(0)
	cy, ok2 := solve(1)
	if !ok1 || !ok2 {
		return motion{}
	}
	// A head keeps its size: the row of a rotation has length 1, whatever part of it is depth.
	lx := math.Sqrt(cx[0]*cx[0] + cx[1]*cx[1] + cx[3]*cx[3])
	ly := math.Sqrt(cy[0]*cy[0] + cy[1]*cy[1] + cy[3]*cy[3])
	if lx == 0 || ly == 0 {
		return motion{}
	}
	m.scale = math.Sqrt(lx * ly)
	m.turn = degrees(math.Asin(clamp(-cx[3]/lx, -1, 1)))
	m.nod = degrees(math.Asin(clamp(-cy[3]/ly, -1, 1)))
	// Singular values of A: the smaller over the larger is the cosine of the turn of a flat thing.
	big, small := singular(cx[0], cx[1], cy[0], cy[1])
	if big > 0 {
		m.shrink = degrees(math.Acos(clamp(small/big, 0, 1)))
	}
	m.planar = planarity(from, to) / m.scale
	return m
}

func clamp(v, lo, hi float64) float64 { return math.Max(lo, math.Min(hi, v)) }

// singular values of a 2×2 matrix, the larger first.
func singular(a, b, c, d float64) (big, small float64) {
	s := a*a + b*b + c*c + d*d
	det := a*d - b*c
	r := math.Sqrt(math.Max(s*s-4*det*det, 0))
	return math.Sqrt((s + r) / 2), math.Sqrt(math.Max((s-r)/2, 0))
}

// planarity is what is left when the points are explained as one flat thing seen from elsewhere (a homography): root mean
// square in the unit of the points.
func planarity(from [][3]float64, to [][2]float64) float64 {
	h, ok := leastSquares(2*len(from), 8, func(i int, row []float64) float64 {
		f, t := from[i/2], to[i/2]
		for k := range row {
			row[k] = 0
		}
		o := 3 * (i % 2)
		row[o], row[o+1], row[o+2] = f[0], f[1], 1
		w := t[i%2]
		row[6], row[7] = -w*f[0], -w*f[1]
		return w
	})
	if !ok {
		return 0
	}
	var sum float64
	for i, f := range from {
		d := h[6]*f[0] + h[7]*f[1] + 1
		if math.Abs(d) < 1e-6 {
			return 0
		}
		dx := (h[0]*f[0]+h[1]*f[1]+h[2])/d - to[i][0]
		dy := (h[3]*f[0]+h[4]*f[1]+h[5])/d - to[i][1]
		sum += dx*dx + dy*dy
	}
	return math.Sqrt(sum / float64(len(from)))
}

// leastSquares solves n equations in k unknowns; equation fills a row and gives the right side. False: they do not say.
func leastSquares(n, k int, equation func(i int, row []float64) float64) ([]float64, bool) {
	normal := make([]float64, k*(k+1))
	row := make([]float64, k)
	for i := range n {
		r := equation(i, row)
		for a := range k {
			for b := range k {
				normal[a*(k+1)+b] += row[a] * row[b]
			}
			normal[a*(k+1)+k] += row[a] * r
		}
	}
	at := func(a, b int) *float64 { return &normal[a*(k+1)+b] }
	for c := range k {
		pivot := c
		for r := c + 1; r < k; r++ {
			if math.Abs(*at(r, c)) > math.Abs(*at(pivot, c)) {
				pivot = r
			}
		}
		if !(math.Abs(*at(pivot, c)) > 1e-9) { // also for what is not a number
			return nil, false
		}
		for b := range k + 1 {
			*at(c, b), *at(pivot, b) = *at(pivot, b), *at(c, b)
		}
		for r := range k {
			if r == c {
				continue
			}
			f := *at(r, c) / *at(c, c)
			for b := c; b <= k; b++ {
				*at(r, b) -= f * *at(c, b)
			}
		}
	}
	x := make([]float64, k)
	for c := range k {
		x[c] = *at(c, k) / *at(c, c)
	}
	return x, true
}
