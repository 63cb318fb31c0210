package people

import "math"

type vec struct{ x, y, z float64 }

func (a vec) add(b vec) vec            { return vec{a.x + b.x, a.y + b.y, a.z + b.z} }
func (a vec) sub(b vec) vec            { return vec{a.x - b.x, a.y - b.y, a.z - b.z} }
func (a vec) mul(k float64) vec        { return vec{a.x * k, a.y * k, a.z * k} }
func (a vec) times(b vec) vec          { return vec{a.x * b.x, a.y * b.y, a.z * b.z} }
func (a vec) dot(b vec) float64        { return a.x*b.x + a.y*b.y + a.z*b.z }
func (a vec) mix(b vec, k float64) vec { return a.add(b.sub(a).mul(k)) }
func (a vec) cross(b vec) vec {
	return vec{a.y*b.z - a.z*b.y, a.z*b.x - a.x*b.z, a.x*b.y - a.y*b.x}
}

func (a vec) unit() vec {
	l := math.Sqrt(a.dot(a))
	if l < 1e-12 {
		return vec{0, 0, 1}
	}
	return a.mul(1 / l)
}

// matrix is a rotation: rows.
type matrix [3]vec

func (m matrix) of(a vec) vec { return vec{m[0].dot(a), m[1].dot(a), m[2].dot(a)} }

// rotation turns about the upright axis by yaw, then nods by pitch, then tilts by roll, all in degrees.
func rotation(yaw, pitch, roll float64) matrix {
	sy, cy := math.Sincos(yaw * math.Pi / 180)
	sp, cp := math.Sincos(pitch * math.Pi / 180)
	sr, cr := math.Sincos(roll * math.Pi / 180)
	y := matrix{{cy, 0, sy}, {0, 1, 0}, {-sy, 0, cy}}
	p := matrix{{1, 0, 0}, {0, cp, -sp}, {0, sp, cp}}
	r := matrix{{cr, -sr, 0}, {sr, cr, 0}, {0, 0, 1}}
	return r.times(p.times(y))
}

func (m matrix) times(b matrix) matrix {
	var out matrix
	col := [3]vec{{b[0].x, b[1].x, b[2].x}, {b[0].y, b[1].y, b[2].y}, {b[0].z, b[1].z, b[2].z}}
	for i := range 3 {
		out[i] = vec{m[i].dot(col[0]), m[i].dot(col[1]), m[i].dot(col[2])}
	}
	return out
}

func clamp(v, lo, hi float64) float64 { return max(lo, min(hi, v)) }

// step goes smoothly from 0 at a to 1 at b; a may be above b.
func step(a, b, v float64) float64 {
	t := clamp((v-a)/(b-a), 0, 1)
	return t * t * (3 - 2*t)
}

// bell is 1 at 0, and wide as s says.
func bell(v, s float64) float64 {
	t := v * v / (2 * s * s)
	if t > 9 {
		return 0
	}
	return math.Exp(-t)
}

// table interpolates smoothly between pairs of argument (rising) and value.
func table(v float64, pairs ...[2]float64) float64 {
	if v <= pairs[0][0] {
		return pairs[0][1]
	}
	for i := 1; i < len(pairs); i++ {
		if a, b := pairs[i-1], pairs[i]; v < b[0] {
			return a[1] + (b[1]-a[1])*step(a[0], b[0], v)
		}
	}
	return pairs[len(pairs)-1][1]
}

// hash is a number of 0 to 1 for a place of a grid.
func hash(x, y, seed int) float64 {
	n := uint32(x)*374761393 + uint32(y)*668265263 + uint32(seed)*2246822519
	n = (n ^ n>>13) * 1274126177
	return float64((n^n>>16)&0xFFFFFF) / 0xFFFFFF
}

// noise is smooth, of -1 to 1, with a period of about 1.
func noise(x, y float64, seed int) float64 {
	fx, fy := math.Floor(x), math.Floor(y)
	ix, iy := int(fx), int(fy)
	tx, ty := x-fx, y-fy
	tx, ty = tx*tx*(3-2*tx), ty*ty*(3-2*ty)
	a := hash(ix, iy, seed) + (hash(ix+1, iy, seed)-hash(ix, iy, seed))*tx
	b := hash(ix, iy+1, seed) + (hash(ix+1, iy+1, seed)-hash(ix, iy+1, seed))*tx
	return 2*(a+(b-a)*ty) - 1
}

// linear is what a colour of 0 to 255 a channel is in light, 0 to 1.
func linear(r, g, b float64) vec {
	return vec{math.Pow(r/255, 2.2), math.Pow(g/255, 2.2), math.Pow(b/255, 2.2)}
}
