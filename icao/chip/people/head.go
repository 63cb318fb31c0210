package people

import "math"

// A head is a stack of slices, from below the chin to the crown. Coordinates are in cm: x to the person's own left, y up from
// the line of the eyes, z forward from between the ears.
type slice struct {
	y, w        float64 // height, half width
	front, back float64 // z of the midline
	mid         float64 // z where it is widest
}

// slices of the skull without its features.
func (p *Person) slices() []slice {
	c := p.ChinLong
	jaw, chin, top := p.Width*p.Jaw, p.Width*p.Chin, p.Width*p.Forehead
	w := p.Width
	return []slice{
		{-11.75 - c, 0.02, 7.0, 6.4, 6.7},
		{-11.72 - c, 1.1 * chin, 8.1, 4.6, 6.2},
		{-11.45 - c, 2.2 * chin, 8.75, 2.4, 5.2},
		{-10.6 - c*0.9, 3.25 * (chin + jaw) / 2, 9.05, -0.4, 3.6},
		{-9.4 - c*0.7, 4.45 * jaw, 9.15, -2.8, 2.2},
		{-8.0 - c*0.5, 5.4 * jaw, 9.15, -4.6, 1.2},
		{-6.4 - c*0.3, 6.1 * (jaw + w) / 2, 9.15, -6.0, 0.6},
		{-4.6, 6.6 * w, 9.1, -7.4, 0.4},
		{-2.6, 6.95 * w, 9.05, -8.8, 0.2},
		{-0.4, 7.2 * w, 9.05, -9.7, 0},
		{2, 7.4 * (w + top) / 2, 9.2, -10.2, -0.3},
		{4.4, 7.5 * top, 9.15, -10.3, -0.6},
		{6.8, 7.25 * top, 8.4, -9.9, -0.9},
		{8.9, 6.5 * top, 6.9, -8.8, -1.1},
		{10.5, 5.2 * top, 4.7, -7.0, -1.2},
		{11.5, 3.5 * top, 2.4, -4.8, -1.2},
		{11.95, 1.6 * top, 0.3, -2.6, -1.2},
		{12.02, 0.02, -1.1, -1.3, -1.2},
	}
}

// at interpolates a stack; t counts slices (Catmull and Rom).
func at(s []slice, t float64) slice {
	i := int(clamp(math.Floor(t), 0, float64(len(s)-2)))
	k := t - float64(i)
	get := func(j int) slice { return s[min(max(j, 0), len(s)-1)] }
	a, b, c, d := get(i-1), get(i), get(i+1), get(i+2)
	f := func(a, b, c, d float64) float64 {
		return b + 0.5*k*(c-a+k*(2*a-5*b+4*c-d+k*(3*(b-c)+d-a)))
	}
	return slice{f(a.y, b.y, c.y, d.y), max(0.01, f(a.w, b.w, c.w, d.w)), f(a.front, b.front, c.front, d.front), f(a.back, b.back, c.back, d.back), f(a.mid, b.mid, c.mid, d.mid)}
}

// around is the place of a slice at an angle from the front, in radians.
func (s slice) around(phi, flat float64) vec {
	sin, cos := math.Sincos(phi)
	x := s.w * sin
	if cos >= 0 {
		// A super-ellipse: flatter in front than a round one.
		n := 2 * flat
		r := math.Pow(math.Pow(math.Abs(sin), n)+math.Pow(cos, n), -1/n)
		return vec{x * r, s.y, s.mid + (s.front-s.mid)*cos*r}
	}
	return vec{x, s.y, s.mid + (s.mid-s.back)*cos}
}

// relief is how far the face stands out at a place seen from the front.
func (p *Person) relief(x, y float64) float64 {
	a := math.Abs(x)
	y -= 0 // heights below are of the average face; what moves, moves by its own term
	ey := p.EyeUp
	var d float64
	// Sockets, lids, brows.
	d -= 0.85 * p.EyeDeep * bell(a-p.EyeApart+0.2, 1.5) * bell(y-ey-0.1, 1.0)
	d += 0.5 * bell(a-p.EyeApart, 1.05) * bell(y-ey+0.1, 0.62)
	d += 0.38 * p.BrowRidge * bell(a-2.8, 1.9) * bell(y-ey-2.0-p.BrowUp*0.5, 0.65)
	d += 0.15 * p.BrowRidge * bell(x, 1.1) * bell(y-ey-1.9, 0.9)
	// The inner corners lie deep beside the nose.
	d -= 0.45 * p.EyeDeep * bell(a-1.35, 0.5) * bell(y-ey, 0.8)
	// The nose: a ridge, its tip and wings.
	l := p.NoseLong
	tip := -3.95 - l + p.NoseUp*0.6
	ny := y
	h := table(-ny, [2]float64{-2.2, 0}, [2]float64{-0.4, 0.72 * p.NoseBridge}, [2]float64{1.4 + l*0.4, 0.72*p.NoseBridge + 0.45 + 0.25*p.NoseHump},
		[2]float64{2.8 + l*0.7, 1.75*p.NoseTip + 0.08*p.NoseHump}, [2]float64{-tip, 2.25 * p.NoseTip}, [2]float64{-tip + 0.45, 2.05 * p.NoseTip},
		[2]float64{-tip + 1.15 - p.NoseUp*0.2, 0.55}, [2]float64{-tip + 1.7, 0})
	breadth := p.NoseThin * table(-ny, [2]float64{-1, 0.62}, [2]float64{1.5, 0.66}, [2]float64{3.4 + l, 0.85}, [2]float64{-tip + 0.6, 0.78})
	d += h * bell(a, breadth)
	wing := 1.38 * p.NoseWide
	d += 1.02 * bell(a-wing+0.12, 0.46) * bell(y-tip+0.28, 0.55)
	d -= 0.25 * bell(a-wing-0.75, 0.35) * bell(y-tip+0.3, 0.8)
	d -= 0.5 * bell(a-0.62*p.NoseWide, 0.3) * bell(y-tip+0.95, 0.22)
	// Cheeks.
	d += 0.5 * p.CheekBone * bell(a-4.7, 1.5) * bell(y+1.9, 1.25)
	d += 0.55 * p.Cheek * bell(a-4.3, 1.5) * bell(y+5.6, 1.9)
	d += 0.22 * (p.Age + 0.35) * bell(a-2.9, 1.0) * bell(y+3.2, 0.9)
	fold := a - (1.85*p.NoseWide + 0.45*(-y-4.2))
	d -= (0.05 + 0.2*p.Age) * bell(fold, 0.28) * step(-3.4, -4.6, y) * step(-8.6, -7.0, y)
	d -= 0.22 * (p.Age + p.EyeBag*0.6) * bell(a-p.EyeApart+0.5+0.25*(y-ey+1.4), 1.1) * bell(y-ey+1.35, 0.25)
	d += 0.25 * p.EyeBag * bell(a-p.EyeApart, 1.1) * bell(y-ey+0.95, 0.3)
	// Mouth and chin.
	my := p.mouth()
	d += 0.55 * p.Muzzle * bell(a, 2.3) * bell(y-my, 1.5)
	d += 0.34 * p.LipUpper * bell(a, 1.45*p.MouthWide) * bell(y-my-0.42, 0.3)
	d += 0.42 * p.LipLower * bell(a, 1.25*p.MouthWide) * bell(y-my+0.5, 0.34)
	d -= 0.3 * bell(a/(2.2*p.MouthWide), 0.6) * bell(y-my, 0.12)
	d -= 0.22 * bell(a-2.6*p.MouthWide, 0.32) * bell(y-my+0.05, 0.4)
	d -= 0.13 * p.LipBow * bell(a, 0.24) * bell(y-my-1.25, 0.5)
	chin := -9.9 - p.ChinLong
	d -= 0.34 * bell(a, 1.6) * bell(y-(my-1.45), 0.42)
	d += 0.55 * (1 + p.ChinOut) * bell(a, 1.35*p.Chin) * bell(y-chin, 0.95)
	return d
}

// mouth is the height of the line between the lips.
func (p *Person) mouth() float64 { return -7.0 + p.MouthUp - 0.6*p.NoseLong - 0.3*p.ChinLong }
