package face

// The corners of eyes and mouth, and the tip of the nose, as FaceMesh counts its points. Right and left are the person's.
var (
	rightEye = []int{33, 133, 159, 145}
	leftEye  = []int{263, 362, 386, 374}
)

const (
	noseTip    = 1
	mouthRight = 61
	mouthLeft  = 291
)

// fivePoints are the places by which a face is aligned: the middles of the eyes, the nose, the corners of the mouth.
func fivePoints(f *Face) [5]Point {
	mean := func(list []int) (p Point) {
		for _, i := range list {
			p.X += f.Mesh[i].X / float32(len(list))
			p.Y += f.Mesh[i].Y / float32(len(list))
		}
		return p
	}
	flat := func(i int) Point { return Point{f.Mesh[i].X, f.Mesh[i].Y} }
	return [5]Point{mean(rightEye), mean(leftEye), flat(noseTip), flat(mouthRight), flat(mouthLeft)}
}

// aligned are the places of the five points in a picture of 112 pixels, to which recognisers of the ArcFace family are trained.
var aligned = [5]Point{{38.2946, 51.6963}, {73.5318, 51.5014}, {56.0252, 71.7366}, {41.5493, 92.3655}, {70.7299, 92.2041}}

const alignedSide = 112

// similarity is the map from a crop of n pixels to the picture, by turning, scaling and moving, that brings the five places of the crop
// nearest to those of the face (least squares). ok is false where they lie on one spot.
func similarity(p [5]Point, n int) (t affine, ok bool) {
	k := float64(n) / alignedSide
	var qx, qy, px, py float64
	for i := range p {
		qx, qy = qx+k*float64(aligned[i].X)/5, qy+k*float64(aligned[i].Y)/5
		px, py = px+float64(p[i].X)/5, py+float64(p[i].Y)/5
	}
	var dot, cross, norm float64
	for i := range p {
		x, y := k*float64(aligned[i].X)-qx, k*float64(aligned[i].Y)-qy
		u, v := float64(p[i].X)-px, float64(p[i].Y)-py
		dot += x*u + y*v
		cross += x*v - y*u
		norm += x*x + y*y
	}
	a, b := dot/norm, cross/norm
	if a*a+b*b < 1e-6 {
		return affine{}, false
	}
	return affine{a: a, b: -b, c: px - a*qx + b*qy, d: b, e: a, f: py - b*qx - a*qy}, true
}
