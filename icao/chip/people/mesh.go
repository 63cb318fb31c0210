package people

import "math"

// material says who paints a mesh.
type material int

const (
	skinOf material = iota
	hairOf
	clothOf
	frameOf
	wallOf
)

// vertex is a corner: where it is, where it was before anything moved, and the way its surface looks.
type vertex struct {
	at, rest, normal vec
	u, v             float64
}

type mesh struct {
	kind material
	v    []vertex
	tri  [][3]int32
	head bool // turns with the head
	both bool // is seen from both sides
}

// grid makes a mesh of rows and columns. wrap joins the last column to the first.
func grid(kind material, rows, cols int, wrap bool, place func(r, c float64) vertex) *mesh {
	m := &mesh{kind: kind, v: make([]vertex, rows*cols)}
	span := float64(cols - 1)
	if wrap {
		span = float64(cols)
	}
	for r := range rows {
		for c := range cols {
			m.v[r*cols+c] = place(float64(r)/float64(rows-1), float64(c)/span)
		}
	}
	last := cols - 1
	if wrap {
		last = cols
	}
	m.tri = make([][3]int32, 0, 2*(rows-1)*last)
	for r := range rows - 1 {
		for c := range last {
			a, b := int32(r*cols+c), int32(r*cols+(c+1)%cols)
			d, e := a+int32(cols), b+int32(cols)
			m.tri = append(m.tri, [3]int32{a, b, e}, [3]int32{a, e, d})
		}
	}
	return m
}

// smooth computes the normals, each the mean of the faces around it.
func (m *mesh) smooth() {
	for i := range m.v {
		m.v[i].normal = vec{}
	}
	for _, t := range m.tri {
		a, b, c := m.v[t[0]].at, m.v[t[1]].at, m.v[t[2]].at
		n := b.sub(a).cross(c.sub(a))
		for _, i := range t {
			m.v[i].normal = m.v[i].normal.add(n)
		}
	}
	for i := range m.v {
		m.v[i].normal = m.v[i].normal.unit()
	}
}

// spread puts more columns in front, where the face is: k goes from 0 to 1 around the head, starting behind.
func spread(k float64) float64 {
	t := 2*k - 1
	return math.Pi * (0.42*t + 0.58*t*t*t)
}

// skull is the head's skin. Its jaw is dropped by jaw cm.
func (p *Person) skull(jaw float64) *mesh {
	s := p.slices()
	my := p.mouth()
	m := grid(skinOf, 210, 220, true, func(r, c float64) vertex {
		sl := at(s, r*float64(len(s)-1))
		phi := spread(c)
		v := sl.around(phi, p.Flat)
		front := step(1.45, 0.9, math.Abs(phi)) * step(0, 1.2, sl.w)
		v.z += p.relief(v.x, v.y) * front
		rest := v
		v.y -= jaw * step(my+0.05, my-0.75, v.y) * step(1.5, 0.8, math.Abs(phi))
		return vertex{at: v, rest: rest, u: phi}
	})
	m.head = true
	m.smooth()
	return m
}

// hairline is the height where hair begins, at an angle from the front.
func (p *Person) hairline(phi float64) float64 {
	a := math.Abs(phi)
	front := p.Hairline - 0.35*p.Temples*bell(a-0.75, 0.25)*4
	side := table(a, [2]float64{0.55, front}, [2]float64{1.0, 4.6 - 1.0*p.Temples + 0.3*(p.Hairline-6.2)}, [2]float64{1.25, 1.0}, [2]float64{1.42, -2.4 - p.HairLong}, [2]float64{1.58, -2.0}, [2]float64{1.66, 1.4}, [2]float64{1.95, 0.5}, [2]float64{2.3, -5.5}, [2]float64{3.1, -7.5})
	if p.Fringe > 0 && a < 1.15 {
		low := p.Hairline - 5.0*p.Fringe + 1.2*math.Sin(1.4*phi)*p.FringeTo
		return min(side, low+2.2*step(0.75, 1.15, a))
	}
	return side
}

// cap is the hair on the skull: a shell that comes out of the skin at the hairline.
func (p *Person) cap() *mesh {
	s := p.slices()
	m := grid(hairOf, 120, 200, true, func(r, c float64) vertex {
		t := 6 + r*float64(len(s)-7)
		sl := at(s, t)
		phi := spread(c)
		v := sl.around(phi, p.Flat)
		over := v.y - p.hairline(phi)
		out := step(-0.6, 1.4, over)*(0.22+0.9*p.HairThick*step(3.5, 9, v.y)+0.22*p.HairThick) - 0.25*step(0, -0.6, over)
		if p.Parting != 0 {
			out -= 0.4 * bell(v.x-4.5*p.Parting, 0.45) * step(5, 9, v.y) * step(-1, 1, v.z)
		}
		out += 0.10 * noise(phi*5, v.y*0.5, p.Seed+5) * p.HairThick
		centre := vec{0, min(v.y, 2), sl.mid}
		n := v.sub(centre).unit()
		w := v.add(n.mul(out))
		return vertex{at: w, rest: w, u: phi, v: over}
	})
	m.head = true
	m.smooth()
	return m
}

// curtain is long hair: it hangs beside and behind the neck.
func (p *Person) curtain() *mesh {
	s := p.slices()
	length := 5 + 13*p.HairLong
	top := 7.0
	m := grid(hairOf, 70, 110, false, func(r, c float64) vertex {
		y := top - r*(length+top-4)
		open := 1.10 - 0.06*math.Sin(r*3)
		phi := open + c*(2*math.Pi-2*open)
		sl := at(s, 8)
		for t := 8.0; t < float64(len(s)-1) && sl.y < y; t += 0.1 {
			sl = at(s, t)
		}
		edge := step(0.0, 0.45, math.Pi-open-math.Abs(phi-math.Pi)) // the hair beside the face lies close to it
		out := 0.25 + 0.65*p.HairThick*edge + 0.5*step(0, 1, r)
		// Below the jaw it falls straight, and a little inwards in front.
		k := step(-2.5, -9, y)
		sl.w, sl.front, sl.back, sl.mid = sl.w+0.7*k, sl.front-5.0*k, sl.back+1.2*k, sl.mid-0.8*k
		out += 1.0 * bell(y+1.5, 4) * edge * bell(math.Abs(phi-math.Pi)-1.5, 0.5) // around the ears
		v := sl.around(phi, 1)
		n := vec{v.x, 0, v.z - sl.mid}.unit()
		v = v.add(n.mul(out + 0.25*noise(phi*6, r*2, p.Seed+9)))
		v.y = y
		return vertex{at: v, rest: v, u: phi, v: 3*step(1, 0.9, r) - 0.4}
	})
	m.head, m.both = true, true
	m.smooth()
	return m
}

// bun is a knot of hair on the crown's back.
func (p *Person) bun() *mesh {
	m := grid(hairOf, 20, 30, true, func(r, c float64) vertex {
		th, ph := math.Pi*r, 2*math.Pi*c
		n := vec{math.Sin(th) * math.Cos(ph), -math.Cos(th), -math.Sin(th) * math.Sin(ph)}
		v := vec{0, 11.0, -6.5}.add(n.mul(3.4))
		return vertex{at: v, rest: v, u: ph, v: 3}
	})
	m.head = true
	m.smooth()
	return m
}

// ear is on side 1, the person's left, or -1.
func (p *Person) ear(side float64) *mesh {
	s := p.slices()
	w := at(s, 8.6).w
	m := grid(skinOf, 26, 26, true, func(r, c float64) vertex {
		th, ph := math.Pi*r, 2*math.Pi*c
		st, ct := math.Sincos(th)
		sp, cp := math.Sincos(ph)
		// A flat shell with a raised rim: its own axes are out, up, forward.
		out, up, fwd := 0.62*st*sp, -3.05*ct, 1.75*st*cp*(1-0.25*ct)
		rim := math.Hypot(up/3.05, fwd/1.75)
		if out > 0 {
			out += 0.35*bell(rim-0.88, 0.12) - 0.45*bell(rim-0.45, 0.22)
		}
		x := w + 0.25 + out + 0.35*(-fwd)*0.55
		v := vec{side * x, -1.3 + up - 0.15*fwd, -0.6 + fwd}
		return vertex{at: v, rest: vec{side * 30, v.y, rim}, u: rim}
	})
	if side > 0 {
		m.flip()
	}
	m.head = true
	m.smooth()
	return m
}

func (m *mesh) flip() {
	for i, t := range m.tri {
		m.tri[i] = [3]int32{t[0], t[2], t[1]}
	}
}

// body is neck and shoulders: they stay where they are when the head turns.
func (p *Person) body() []*mesh {
	r := 5.3 * p.Width
	if p.Slight {
		r = 4.6 * p.Width
	}
	neck := grid(skinOf, 40, 60, true, func(k, c float64) vertex {
		y := -19 + 15*k
		phi := 2*math.Pi*c - math.Pi
		w := r + 1.6*step(-14, -19, y)
		v := vec{w * math.Sin(phi), y, -1.6 + 0.9*w*math.Cos(phi) - 0.12*(y+12)}
		return vertex{at: v, rest: vec{v.x, -60 + y, v.z}}
	})
	neck.smooth()
	wide := 21.5
	if p.Slight {
		wide = 18.5
	}
	trunk := grid(clothOf, 60, 90, true, func(k, c float64) vertex {
		t := 1 - k // from below
		y := table(t, [2]float64{0, -14.6}, [2]float64{0.06, -15.0}, [2]float64{0.35, -17.8}, [2]float64{0.6, -21.5}, [2]float64{0.75, -26}, [2]float64{1, -50})
		w := table(t, [2]float64{0, r + 0.3}, [2]float64{0.06, r + 0.9}, [2]float64{0.22, 9}, [2]float64{0.45, wide * 0.72}, [2]float64{0.7, wide}, [2]float64{1, wide * 1.04})
		d := table(t, [2]float64{0, r + 0.6}, [2]float64{0.06, r + 1.1}, [2]float64{0.45, 8.2}, [2]float64{1, 11})
		phi := 2*math.Pi*c - math.Pi
		sn, cs := math.Sincos(phi)
		x := w * math.Copysign(math.Pow(math.Abs(sn), 0.85), sn)
		v := vec{x, y - 0.02*x*x*step(0.2, 0.6, t)*0.5, -2.2 + d*cs}
		if t < 0.3 { // the neck of the garment lies lower in front
			v.y -= 1.6 * max(0, cs) * (1 - t/0.3)
			v.z += 0.9 * max(0, cs) * (1 - t/0.3)
		}
		return vertex{at: v, rest: v, u: t, v: phi}
	})
	trunk.smooth()
	return []*mesh{neck, trunk}
}

// glasses are two rings, a bridge, and the temples.
func (p *Person) glasses() []*mesh {
	tube := func(path func(k float64) vec, n int, wrap bool) *mesh {
		m := grid(frameOf, n, 8, true, func(r, c float64) vertex {
			a, b := path(r-0.001), path(r+0.001)
			t := b.sub(a).unit()
			side := t.cross(vec{0.1, 0.3, 1}).unit()
			up := t.cross(side)
			s, co := math.Sincos(2 * math.Pi * c)
			v := path(r).add(side.mul(0.14 * co)).add(up.mul(0.14 * s))
			return vertex{at: v, rest: v}
		})
		m.head, m.both = true, true
		m.smooth()
		return m
	}
	var all []*mesh
	front := func(x float64) float64 { return 11.0 - 0.02*x*x }
	for _, s := range []float64{-1, 1} {
		all = append(all, tube(func(k float64) vec {
			sn, cs := math.Sincos(2 * math.Pi * k)
			pow := func(v float64) float64 { return math.Copysign(math.Pow(math.Abs(v), 0.75), v) }
			x := p.EyeApart + 0.1 + 2.5*pow(cs)
			return vec{s * x, p.EyeUp - 0.35 + 1.85*pow(sn), front(x)}
		}, 60, true), tube(func(k float64) vec {
			x := p.EyeApart + 2.6 + 1.3*k*k
			return vec{s * (x + 0.6*step(0, 0.2, k)), p.EyeUp + 0.2, front(x) - 11*k}
		}, 20, false))
	}
	return append(all, tube(func(k float64) vec {
		x := (p.EyeApart - 2.4) * (2*k - 1)
		return vec{x, p.EyeUp + 0.35 + 0.35*(1-(2*k-1)*(2*k-1)), front(x)}
	}, 14, false))
}
