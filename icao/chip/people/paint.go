package people

import "math"

// surface is what light falls on.
type surface struct {
	colour vec     // of the skin, in light
	gloss  float64 // how much is mirrored
	sharp  float64 // how narrowly
	shade  float64 // 1 is open to the sky, less lies in a hollow
	normal vec     // instead of the mesh's, in the head's own axes, unless it is zero
	soft   bool    // light goes a little way in, as it does in skin
}

// face is a person with what moves.
type face struct {
	*Person
	blink, open float64 // 0 to 1
	gaze        vec     // of the eyes, to the person's left and up, in radians
	base, lips  vec
	brow        vec
	lash        vec
}

func (p *Person) face(blink, open float64) *face {
	l := func(c [3]float64) vec { return linear(c[0], c[1], c[2]) }
	f := &face{Person: p, blink: clamp(blink, 0, 1), open: clamp(open, 0, 1), base: l(p.Skin), lips: l(p.Lips)}
	hair := l(p.Hair)
	f.brow = hair.mix(greyBrowColour, p.Grey*0.55)
	f.lash = lashesColour
	return f
}

// lids gives the edges of the lids at u, -1 at the inner corner and 1 at the outer one: cm above the line of the eye.
func (f *face) lids(u float64) (lower, upper, shut float64) {
	if u < -1 || u > 1 {
		y := f.EyeTilt * u
		return y, y, y
	}
	line := f.EyeTilt * u
	// The fold at the inner corner, which lies lower.
	line -= 0.12 * bell(u+1, 0.3)
	upper = line + 0.56*f.EyeOpen*math.Pow(1-math.Pow(math.Abs((u+0.08)/1.08), 2.3), 0.75)
	lower = line - 0.44*f.EyeOpen*math.Pow(1-u*u, 0.8)*(1+0.12*u)
	shut = lower + 0.04
	return lower, upper + (shut-upper)*f.blink, shut
}

// skin paints the head at a place of it at rest.
func (f *face) skin(c vec) surface {
	s := surface{colour: f.base, gloss: 0.16, sharp: 14, shade: 1, soft: true}
	if c.x > 20 || c.x < -20 { // ears
		s.colour = f.base.times(vec{0.96, 0.80, 0.76})
		s.shade = 0.62 + 0.38*step(0.3, 0.85, c.z)
		return s
	}
	if c.y < -40 { // the neck, in the shade of the chin
		y := c.y + 60
		s.colour = f.base.times(vec{0.95, 0.90, 0.87})
		s.shade = 0.45 + 0.5*step(-9.5, -15.5, y)
		s.gloss = 0.08
		return s
	}
	a, x, y := math.Abs(c.x), c.x, c.y
	side := 1
	if x < 0 {
		side = 2
	}
	ey, my := f.EyeUp, f.mouth()
	front := step(-2, 3, c.z)

	// Mottle, and what lies under the skin.
	m := 0.5*noise(x*0.9, y*0.9, f.Seed) + 0.3*noise(x*2.3, y*2.3, f.Seed+1)
	fine := noise(x*9, y*9, f.Seed+2)*0.6 + noise(x*21, y*21, f.Seed+3)*0.4
	s.colour = s.colour.mul(1 + 0.035*m*f.Rough + 0.03*fine*f.Rough)
	red := f.Red * (0.55*bell(a-4.2, 1.5)*bell(y+3.2, 1.6) + 0.5*bell(a, 1.1)*bell(y+3.9, 0.9) + 0.25*bell(a, 1.5)*bell(y+10, 1.2))
	s.colour = s.colour.times(vec{1 + 0.02*red, 1 - 0.16*red, 1 - 0.17*red})
	// A forehead that shines, and a nose.
	s.gloss += 0.12*bell(a, 1.0)*bell(y+2.5, 2) + 0.08*bell(a, 3)*bell(y-4.5, 1.6)

	if f.Freckles > 0 {
		n := noise(x*3.1, y*3.1, f.Seed+7)
		k := f.Freckles * step(0.45, 0.8, n) * bell(a-3, 2.4) * bell(y+2.5, 1.9)
		s.colour = s.colour.times(vec{1 - 0.22*k, 1 - 0.38*k, 1 - 0.45*k})
	}
	for _, o := range f.Moles {
		k := step(o.R, o.R*0.6, math.Hypot(x-o.X, y-o.Y))
		s.colour = s.colour.mix(moleColour, 0.85*k*front)
	}

	// Hollows that the sky does not reach.
	tip := -3.95 - f.NoseLong + f.NoseUp*0.6
	hollow := 0.30*bell(a-1.5, 0.55)*bell(y-ey-0.35, 0.8)*f.EyeDeep +
		0.16*bell(a-f.EyeApart, 1.7)*bell(y-ey-0.55, 0.55)*f.EyeDeep +
		0.30*bell(a, 1.25*f.NoseWide)*bell(y-tip+1.35, 0.36) +
		0.22*bell(a-1.95*f.NoseWide, 0.22)*bell(y-tip+0.25, 0.5) +
		0.20*bell(a, 1.5)*bell(y-my+1.4, 0.32) +
		0.14*bell(a-2.75*f.MouthWide, 0.3)*bell(y-my, 0.35) +
		0.45*step(-9.5, -12.2-f.ChinLong, y)*step(9.5, 6.5, c.z) +
		0.25*step(-8, -11, y)*step(6, 2, c.z)
	fold := a - (1.85*f.NoseWide + 0.45*(-y-4.2))
	hollow += (0.05 + 0.26*f.Age) * bell(fold, 0.14+0.08*f.Age) * step(-3.6, -4.8, y) * step(-8.4, -6.8, y)
	if f.Age > 0 {
		// Folds of the forehead, beside the eyes, and below them.
		wave := y + 0.12*math.Sin(x*0.8)
		hollow += 0.13 * f.Age * bell(a, 3.2) * (bell(wave-4.4, 0.08) + bell(wave-5.2, 0.07) + 0.7*bell(wave-3.6, 0.07))
		out := a - f.EyeApart - 1.9
		for i := -1.0; i <= 1; i++ {
			hollow += 0.16 * f.Age * bell(y-ey-0.1-i*(0.25+0.35*out), 0.06) * step(-0.1, 0.3, out) * step(1.6, 0.7, out)
		}
		hollow += 0.12 * f.Age * bell(a-0.45, 0.09) * bell(y-ey-1.9, 0.6)
	}
	bag := y - ey + 1.05 - 0.25*bell(a-f.EyeApart, 0.9)*0 + 0.3*bell(a-f.EyeApart, 0.8)
	hollow += (0.06 + 0.16*f.EyeBag + 0.12*f.Age) * bell(bag, 0.16) * bell(a-f.EyeApart+0.4, 0.95)
	dark := (0.5 + 0.5*f.EyeBag) * bell(a-f.EyeApart+0.5, 1.2) * bell(y-ey+0.95, 0.45)
	s.colour = s.colour.times(vec{1 - 0.10*dark, 1 - 0.13*dark, 1 - 0.08*dark})
	s.shade -= hollow

	// Nostrils.
	nx, ny := (a-0.66*f.NoseWide)/(0.36*f.NoseWide), (y-tip+0.98+0.12*(a-0.6))/0.19
	if k := step(1.5, 0.5, math.Hypot(nx, ny)); k > 0 && c.z > 6 {
		s.colour = s.colour.mix(nostrilColour, 0.9*k)
		s.gloss *= 1 - k
	}

	f.beard(&s, a, x, y, my)
	f.mouthOf(&s, a, x, y, my)
	f.browOf(&s, a, x, y, side)
	f.eye(&s, a, x, y, c.z, side)

	// Scalp, where the hair stands.
	phi := math.Atan2(c.x, c.z)
	if k := step(-0.7, 0.5, y-f.hairline(phi)+0.5*noise(phi*22, 1, f.Seed+4)); k > 0 {
		s.colour = s.colour.mix(f.brow, 0.85*k)
		s.gloss *= 1 - 0.7*k
	}
	return s
}

func (f *face) beard(s *surface, a, x, y, my float64) {
	area := 0.0
	if f.Stubble > 0 || f.Beard > 0 {
		low := step(-6.2, -8.2, y+0.28*max(0, a-4)*0+0.0) // chin and jaw
		up := step(7.2, 5.0, a) * step(-1.5, -4.5, y-0.55*(a-4)*step(3, 5, a))
		area = max(low*step(9, 6, a), up*step(3.2, 4.6, a)*step(-4, -7, y))
		area *= 1 - bell(a, 1.7*f.MouthWide)*bell(y-my+0.1, 0.9)
	}
	lip := step(3.2, 2.4, a) * bell(y-my-1.25, 0.5) * (1 - 0.6*bell(a, 0.18))
	k := 0.42*f.Stubble*max(area, lip) + 0.9*f.Beard*area
	k = max(k, f.Moustache*lip)
	if k > 0 {
		hairs := 0.75 + 0.25*noise(x*14, y*6, f.Seed+11)
		s.colour = s.colour.mix(f.brow.add(vec{0.015, 0.016, 0.02}), clamp(k*hairs, 0, 0.95))
		s.gloss *= 1 - 0.6*k
	}
}

func (f *face) mouthOf(s *surface, a, x, y, my float64) {
	w := 2.45 * f.MouthWide
	u := a / w
	if u > 1.25 || y > my+1.6 || y < my-2.4 {
		return
	}
	in := clamp(1-u*u, 0, 1)
	line := my + 0.55*f.Smile*u*u - 0.06*(1-u)*f.LipBow*0.5
	top := line + f.LipUpper*(0.62*math.Pow(in, 0.7)+0.10*f.LipBow*(bell(a-0.5, 0.3)-1.15*bell(a, 0.22)))
	gap := 0.62 * f.open * math.Pow(in, 0.6)
	bottom := line - gap - f.LipLower*0.82*math.Pow(in, 0.62)
	edge := 0.10
	upper := step(top+edge, top-edge, y) * step(line-0.03, line+0.03, y)
	lower := step(line-gap+0.03, line-gap-0.03, y) * step(bottom-edge, bottom+edge*1.4, y)
	k := max(upper*0.92, lower) * step(1.02, 0.9, u)
	if k > 0 {
		grain := 1 + 0.05*noise(x*7, y*1.2, f.Seed+12)
		c := f.lips.mul(grain)
		if upper > lower {
			c = c.mul(0.86)
		}
		s.colour = s.colour.mix(c, 0.85*k)
		s.gloss += 0.16 * lower
		s.sharp = 14 + 18*lower
	}
	if gap > 0.03 && y < line && y > line-gap && u < 1 {
		d := min(line-y, y-line+gap)
		k := step(0, 0.06, d)
		inside := throatColour
		if y > line-gap*0.55 && u < 0.75 { // the upper teeth
			inside = teethColour.mul(0.75 + 0.25*step(0.75, 0.2, u))
		}
		s.colour = s.colour.mix(inside, k)
		s.shade *= 1 - 0.3*k
		s.gloss *= 1 - k
	} else if u < 1.06 {
		k := bell(y-line, 0.05+0.02*(1-u)) * step(1.06, 0.9, u) * (1 - f.open)
		s.colour = s.colour.mix(lipLineColour, 0.8*k)
		s.gloss *= 1 - 0.7*k
	}
	k = 0.35 * bell(a-w, 0.2) * bell(y-line, 0.16)
	s.colour = s.colour.mul(1 - k)
}

func (f *face) browOf(s *surface, a, x, y float64, side int) {
	from, length := 1.0+f.BrowApart, 4.1*f.BrowLong
	u := (a - from) / length
	if u < -0.1 || u > 1.1 {
		return
	}
	t := clamp(u, 0, 1)
	mid := f.EyeUp + 1.95 + f.BrowUp + 0.34*f.BrowArch*math.Sin(math.Pi*math.Pow(t, 1.25)) + f.BrowTilt*(u-0.4) - 0.62*step(0.55, 1.1, u)
	thick := 0.36 * f.BrowThick * (0.8 + 0.4*bell(u-0.3, 0.3)) * step(1.08, 0.5, u) * step(-0.12, 0.15, u)
	if thick <= 0.01 {
		return
	}
	d := (y - mid) / thick
	if math.Abs(d) > 1.8 {
		return
	}
	// Hairs lean outwards.
	hairs := 0.5 + 0.5*noise(a*11-(y-mid)*13, (y-mid)*2+a*0.7, f.Seed+20*side)
	k := step(1.5, 0.3, math.Abs(d)) * (0.66 + 0.34*hairs) * clamp(f.BrowDark, 0, 1.3) * (0.55 + 0.45*step(-0.05, 0.3, u))
	s.colour = s.colour.mix(f.brow, clamp(k, 0, 0.96))
	s.gloss *= 1 - 0.8*k
}

func (f *face) eye(s *surface, a, x, y, z float64, side int) {
	w := 1.46 * f.EyeWide
	u := (a - f.EyeApart) / w
	if math.Abs(u) > 1.5 || math.Abs(y-f.EyeUp) > 1.6 || z < 3 {
		return
	}
	v := y - f.EyeUp
	lower, upper, _ := f.lids(u)
	// The crease of the upper lid, and the lid below it.
	if uc := (u - 0.05) / 1.15; math.Abs(uc) < 1 {
		crease := f.EyeTilt*u + (0.60+0.26*f.EyeOpen+0.12*clamp(f.EyeFold, 0, 1))*math.Pow(1-uc*uc, 0.55) - 0.06
		k := clamp(f.EyeFold, 0, 1.2) * bell(v-crease, 0.055) * step(1, 0.75, math.Abs(uc)) * (1 - 0.5*f.blink)
		s.colour = s.colour.times(vec{1 - 0.42*k, 1 - 0.5*k, 1 - 0.52*k})
		if v > upper && v < crease {
			s.colour = s.colour.times(vec{0.95, 0.90, 0.88})
		}
	}
	if math.Abs(u) <= 1 && v > lower && v < upper {
		ball := 1.22
		cx, cy := 0.0, 0.02
		dx, dy := (a-f.EyeApart)-cx, v-cy
		c := scleraColour
		// Redder at the corners, in the shade of the lid above.
		c = c.times(vec{1, 1 - 0.16*u*u, 1 - 0.18*u*u}).mul(1 - 0.28*step(0.85, 1.05, math.Abs(u)))
		if u < -0.8 {
			c = c.mix(caruncleColour, step(-0.8, -0.95, u))
		}
		lookX := f.gaze.x
		if side == 2 {
			lookX = -lookX
		}
		ix, iy := dx-lookX, dy-f.gaze.y
		r := math.Hypot(ix, iy) / (0.62 * f.Iris)
		if r < 1.1 {
			iris := irisDarkColour.mix(irisLightColour, clamp(f.IrisLight, 0, 1)*(0.4+0.6*step(-0.4, 0.5, -iy)))
			ray := 0.85 + 0.3*noise(math.Atan2(iy, ix)*9, r*2, f.Seed+30)
			iris = iris.mul(ray * (1 - 0.55*step(0.72, 1, r)))
			iris = iris.mix(pupilColour, step(0.44, 0.36, r))
			c = c.mix(iris, step(1.06, 0.94, r))
		}
		s.shade = 1 - 0.42*step(0.42, 0.0, upper-v)
		sgn := 1.0
		if side == 2 {
			sgn = -1
		}
		s.colour, s.gloss, s.sharp, s.soft = c, 0.75, 160, false
		s.normal = vec{sgn * dx / ball, dy / ball, 1.0}.unit()
		s.colour = s.colour.mix(whiteColour, 0.85*step(0.15, 0.07, math.Hypot(sgn*ix+0.2, iy-0.2))) // a window in front
	}
	// Lashes: a dark rim above, a faint one below.
	if math.Abs(u) < 1.06 {
		thick := 0.085 * (0.8 + 0.5*step(-0.6, 0.8, u))
		k := step(1.2, 0.4, math.Abs(v-upper-thick*0.4)/thick) * step(1.06, 0.95, math.Abs(u))
		l := 0.5 * step(1.3, 0.3, math.Abs(v-lower)/0.05) * step(1.0, 0.85, math.Abs(u)) * (1 - 0.7*f.blink)
		if t := max(k*0.93, l); t > 0 {
			s.colour = s.colour.mix(f.lash, t)
			s.gloss *= 1 - t
			if t > 0.3 {
				s.normal = vec{}
			}
		}
	}
}

// hair paints hair: u goes around the head, v is how far from the hairline. It is false where there is none.
func (f *face) hair(u, v float64, at vec) (surface, bool) {
	jag := 0.55*noise(u*26, 2, f.Seed+40) + 0.45*noise(u*70, 3, f.Seed+41)
	reach := -0.15
	if f.Fringe > 0 && math.Abs(u) < 1.0 {
		reach = 0.1
		jag *= 1.5
	}
	if v < reach+0.45*jag {
		return surface{}, false
	}
	flow := u*34 + 1.3*noise(u*5, at.y*0.25, f.Seed+42)
	strand := 0.5*noise(flow, at.y*0.22, f.Seed+43) + 0.5*noise(flow*2.7, at.y*0.3, f.Seed+44)
	c := linear(f.Hair[0], f.Hair[1], f.Hair[2])
	if f.Grey > 0 {
		g := clamp(f.Grey*1.15+0.4*noise(flow*2.3, at.y*0.1, f.Seed+45)-0.15, 0, 1)
		c = c.mix(greyHairColour, g)
	}
	c = c.mul(1 + 0.5*strand*(1-0.6*f.Grey))
	if f.Parting != 0 && at.z > -2 && at.y > 6 {
		k := bell(at.x-4.5*f.Parting+0.1*noise(at.z, 0, f.Seed+46), 0.07) * step(6.5, 8, at.y)
		c = c.mix(f.base.mul(0.5), 0.6*k)
	}
	return surface{colour: c, gloss: 0.22 + 0.16*strand, sharp: 18, shade: 0.72 + 0.28*step(-0.2, 2.5, v)}, true
}

func (f *face) cloth(at vec, u, v float64) surface {
	c := linear(f.Cloth[0], f.Cloth[1], f.Cloth[2])
	weave := 1 + 0.05*noise(at.x*6, at.y*6, f.Seed+50) + 0.06*noise(at.x*0.6, at.y*0.4, f.Seed+51)
	s := surface{colour: c.mul(weave), gloss: 0.03, sharp: 6, shade: 0.8 + 0.2*step(-15, -19, at.y)}
	x, y := math.Abs(at.x), at.y
	switch f.Collar {
	case "shirt":
		// A white collar in two leaves, and buttons.
		edge := 5.8 + 0.55*(-17.2-y)
		if at.z > 2 && y > -22 && x < edge && x > (-17.5-y)*0.55 && u < 0.5 {
			s.colour = c.mix(whiteColour, 0.72)
			if x > edge-0.35 {
				s.colour = s.colour.mul(0.72)
			}
		}
		if x < 0.22 && at.z > 0 {
			s.colour = s.colour.mul(0.75)
		}
	case "v":
		if at.z > 0 && x < 4.2*step(-23, -15.5, y)*1.1 && y > -22.5 {
			s.colour = f.base.times(vec{0.95, 0.9, 0.87})
			s.soft = true
		}
	default:
		if u < 0.12 {
			s.colour = s.colour.mul(0.8)
		}
	}
	return s
}

// Colours that all people and all walls share.
var (
	moleColour      = linear(62, 38, 30)
	nostrilColour   = linear(48, 22, 18)
	throatColour    = linear(52, 18, 18)
	teethColour     = linear(214, 204, 190)
	lipLineColour   = linear(84, 32, 30)
	scleraColour    = linear(220, 210, 203)
	caruncleColour  = linear(196, 120, 110)
	irisDarkColour  = linear(58, 36, 24)
	irisLightColour = linear(120, 78, 44)
	pupilColour     = linear(8, 7, 7)
	greyHairColour  = linear(176, 174, 172)
	whiteColour     = linear(240, 240, 240)
	lashesColour    = linear(24, 17, 15)
	greyBrowColour  = linear(120, 116, 112)
	frameColour     = linear(38, 36, 38)
	plainWallColour = linear(226, 232, 238)
	roomWallColour  = linear(186, 182, 172)
	cupboardColour  = linear(120, 104, 88)
	shelfColour     = linear(150, 132, 112)
	windowColour    = linear(226, 234, 240)
)
