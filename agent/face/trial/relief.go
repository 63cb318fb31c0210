package trial

import (
	"math"
	"slices"
	"time"

	"github.com/tapcheck/tapcheck/agent/face"
)

// Relief is a picture of a face laid over the depth that FaceMesh sees in it: it turns in space as a head does, and can close its eyes. It
// stands in for a living person where only single pictures are at hand. Its depth comes from the same network that later looks
// at it, so it says more of what follows than of that network.
type Relief struct {
	picture   face.Image
	points    [468][3]float64 // millimetres, round the middle of the eyes
	texture   [468]face.Point
	triangles [][3]int
	back      *Carrier // hair and shoulders, flat behind the face
	closed    *Carrier // the same picture with closed eyes
}

// depthBehind is how far hair and shoulders lie behind the eyes.
const depthBehind = 45.0

// Upper and lower lids, from the outer corner to the inner one.
var lids = [][2][]int{
	{{33, 246, 161, 160, 159, 158, 157, 173, 133}, {33, 7, 163, 144, 145, 153, 154, 155, 133}},
	{{263, 466, 388, 387, 386, 385, 384, 398, 362}, {263, 249, 390, 373, 374, 380, 381, 382, 362}},
}

// NewRelief makes one of a picture and the face that was found in it.
func NewRelief(picture face.Image, f face.Face) *Relief {
	r := &Relief{picture: picture, back: NewCarrier(picture, f)}
	scale := r.back.pixel
	roll := math.Atan2(float64(f.Mesh[263].Y-f.Mesh[33].Y), float64(f.Mesh[263].X-f.Mesh[33].X))
	cos, sin := math.Cos(roll), math.Sin(roll)
	flat := make([]face.Point, len(f.Mesh))
	eyes := (float64(f.Mesh[33].Z) + float64(f.Mesh[263].Z)) / 2
	for i, p := range f.Mesh {
		x, y := float64(p.X-r.back.centre.X), float64(p.Y-r.back.centre.Y)
		r.points[i] = [3]float64{(x*cos + y*sin) * scale, (y*cos - x*sin) * scale, (float64(p.Z) - eyes) * scale}
		r.texture[i] = face.Point{X: p.X, Y: p.Y}
		flat[i] = r.texture[i]
	}
	r.triangles = triangulate(flat)
	closed := *r.back
	closed.picture = closeEyes(picture, f, roll)
	r.closed = &closed
	return r
}

// closeEyes draws the upper lids down: their skin over the eyes, and the lashes at the lower edge.
func closeEyes(picture face.Image, f face.Face, roll float64) face.Image {
	out := face.Image{Width: picture.Width, Height: picture.Height, Pix: slices.Clone(picture.Pix)}
	from := Carrier{picture: picture}
	sin, cos := math.Sincos(roll)
	for _, l := range lids {
		a, b := f.Mesh[l[0][0]], f.Mesh[l[0][len(l[0])-1]]
		width := math.Hypot(float64(a.X-b.X), float64(a.Y-b.Y))
		ox, oy := float64(a.X+b.X)/2, float64(a.Y+b.Y)/2
		edge := func(line []int, along float64) float64 { // how far below the line through the corners
			best, y := math.Inf(1), 0.0
			for i := range len(line) - 1 {
				p, q := f.Mesh[line[i]], f.Mesh[line[i+1]]
				px, py := (float64(p.X)-ox)*cos+(float64(p.Y)-oy)*sin, (float64(p.Y)-oy)*cos-(float64(p.X)-ox)*sin
				qx, qy := (float64(q.X)-ox)*cos+(float64(q.Y)-oy)*sin, (float64(q.Y)-oy)*cos-(float64(q.X)-ox)*sin
				t := min(max((along-px)/(qx-px), 0), 1)
				if d := math.Abs(px + t*(qx-px) - along); d < best {
					best, y = d, py+t*(qy-py)
				}
			}
			return y
		}
		for v := int(oy - width); v <= int(oy+width); v++ {
			for u := int(ox - width); u <= int(ox+width); u++ {
				if u < 0 || v < 0 || u >= out.Width || v >= out.Height {
					continue
				}
				x, y := (float64(u)-ox)*cos+(float64(v)-oy)*sin, (float64(v)-oy)*cos-(float64(u)-ox)*sin
				if math.Abs(x) > 0.56*width {
					continue
				}
				top, low := edge(l[0], x)-0.12*width, edge(l[1], x)+0.06*width
				if y < top || y > low {
					continue
				}
				// The strip of skin above the eye, stretched.
				sy := top - 0.02*width - 0.25*(y-top)
				r, g, bl := from.colour(x*cos-sy*sin+ox, x*sin+sy*cos+oy)
				if d := (low - y) / width; d < 0.07 && math.Abs(x) < 0.48*width {
					r, g, bl = 0.45*r, 0.42*g, 0.42*bl
				}
				k := 3 * (v*out.Width + u)
				out.Pix[k], out.Pix[k+1], out.Pix[k+2] = byte(r), byte(g), byte(bl)
			}
		}
	}
	return out
}

// ShootRelief takes its picture in a pose.
func (s *Scene) ShootRelief(r *Relief, p Pose) face.Image {
	img := s.wall()
	depth := make([]float64, cameraWidth*cameraHeight)
	for i := range depth {
		depth[i] = math.Inf(1)
	}
	// A head turns round its neck, not round the point between its eyes.
	const neck = 90.0
	ex, ey, ez := axes(p)
	place := func(q [3]float64) (x, y, z float64) {
		q[2] -= neck
		x = q[0]*ex[0] + q[1]*ey[0] + q[2]*ez[0] + p.X
		y = q[0]*ex[1] + q[1]*ey[1] + q[2]*ez[1] + p.Y - 15
		z = q[0]*ex[2] + q[1]*ey[2] + q[2]*ez[2] + neck + deskDistance/(1+p.Near)
		return cameraWidth/2 + cameraFocal*x/z, cameraHeight/2 + cameraFocal*y/z, z
	}
	skin := r.back
	draw := func(corner [3][3]float64, tex [3]face.Point, light float64) {
		var x, y, w [3]float64
		for i, c := range corner {
			x[i], y[i], w[i] = place(c)
		}
		area := (x[1]-x[0])*(y[2]-y[0]) - (x[2]-x[0])*(y[1]-y[0])
		if math.Abs(area) < 1e-9 {
			return
		}
		for v := max(0, int(math.Floor(min(y[0], y[1], y[2])))); v <= min(cameraHeight-1, int(math.Ceil(max(y[0], y[1], y[2])))); v++ {
			for u := max(0, int(math.Floor(min(x[0], x[1], x[2])))); u <= min(cameraWidth-1, int(math.Ceil(max(x[0], x[1], x[2])))); u++ {
				fu, fv := float64(u), float64(v)
				a := ((x[1]-fu)*(y[2]-fv) - (x[2]-fu)*(y[1]-fv)) / area
				b := ((x[2]-fu)*(y[0]-fv) - (x[0]-fu)*(y[2]-fv)) / area
				c := 1 - a - b
				if a < -1e-6 || b < -1e-6 || c < -1e-6 {
					continue
				}
				z := 1 / (a/w[0] + b/w[1] + c/w[2])
				k := v*cameraWidth + u
				if z >= depth[k] {
					continue
				}
				depth[k] = z
				a, b, c = a*z/w[0], b*z/w[1], c*z/w[2] // in space, not in the picture
				red, green, blue := skin.colour(a*float64(tex[0].X)+b*float64(tex[1].X)+c*float64(tex[2].X), a*float64(tex[0].Y)+b*float64(tex[1].Y)+c*float64(tex[2].Y))
				img.set(u, v, red*light, green*light, blue*light)
			}
		}
	}
	// What lies behind, as one flat thing that turns along.
	w, h := float64(r.picture.Width), float64(r.picture.Height)
	at := func(u, v float64) [3]float64 {
		return [3]float64{(u - float64(r.back.centre.X)) * r.back.pixel, (v - float64(r.back.centre.Y)) * r.back.pixel, depthBehind}
	}
	tl, tr, bl, br := face.Point{}, face.Point{X: float32(w)}, face.Point{Y: float32(h)}, face.Point{X: float32(w), Y: float32(h)}
	draw([3][3]float64{at(0, 0), at(w, 0), at(0, h)}, [3]face.Point{tl, tr, bl}, 1)
	draw([3][3]float64{at(w, 0), at(w, h), at(0, h)}, [3]face.Point{tr, br, bl}, 1)
	if p.Blink > 0.5 {
		skin = r.closed
	}
	points := r.points
	for _, t := range r.triangles {
		draw([3][3]float64{points[t[0]], points[t[1]], points[t[2]]}, [3]face.Point{r.texture[t[0]], r.texture[t[1]], r.texture[t[2]]}, 1)
	}
	return s.expose(img)
}

// triangulate is Delaunay's triangulation, by adding one point after the other (Bowyer and Watson).
func triangulate(points []face.Point) [][3]int {
	n := len(points)
	at := func(i int) (x, y float64) {
		switch i {
		case n:
			return -1e5, -1e5
		case n + 1:
			return 1e5, -1e5
		case n + 2:
			return 0, 1e5
		}
		return float64(points[i].X), float64(points[i].Y)
	}
	inside := func(t [3]int, px, py float64) bool { // the circle through its corners
		ax, ay := at(t[0])
		bx, by := at(t[1])
		cx, cy := at(t[2])
		d := 2 * (ax*(by-cy) + bx*(cy-ay) + cx*(ay-by))
		if d == 0 {
			return false
		}
		ux := ((ax*ax+ay*ay)*(by-cy) + (bx*bx+by*by)*(cy-ay) + (cx*cx+cy*cy)*(ay-by)) / d
		uy := ((ax*ax+ay*ay)*(cx-bx) + (bx*bx+by*by)*(ax-cx) + (cx*cx+cy*cy)*(bx-ax)) / d
		return math.Hypot(px-ux, py-uy) < math.Hypot(ax-ux, ay-uy)
	}
	all := [][3]int{{n, n + 1, n + 2}}
	for i := range points {
		px, py := at(i)
		edges := map[[2]int]int{}
		var kept [][3]int
		for _, t := range all {
			if !inside(t, px, py) {
				kept = append(kept, t)
				continue
			}
			for k := range 3 {
				a, b := t[k], t[(k+1)%3]
				edges[[2]int{min(a, b), max(a, b)}]++
			}
		}
		for e, times := range edges {
			if times == 1 {
				kept = append(kept, [3]int{e[0], e[1], i})
			}
		}
		all = kept
	}
	var out [][3]int
	for _, t := range all {
		if t[0] < n && t[1] < n && t[2] < n {
			out = append(out, t)
		}
	}
	return out
}

// Lifelike is a relief before the camera that does what is asked.
type Lifelike struct {
	Relief *Relief
	Scene  *Scene
	Moves  *Moves
}

// Show takes the picture.
func (l *Lifelike) Show(at time.Duration, asked face.ChallengeKind, since time.Duration) face.Image {
	return l.Scene.ShootRelief(l.Relief, l.Moves.At(at, asked, since))
}
