package people

import (
	"image"
	"math"
	"math/rand/v2"
	"runtime"
	"slices"
	"sync"
)

// View is how a person is seen. The zero value of a member is the usual: looking straight into a webcam 60 cm away.
type View struct {
	Width, Height int // pixels; 0 is 640 by 480

	Yaw   float64 // degrees to the person's own left, which is the picture's right
	Pitch float64 // degrees down
	Roll  float64 // degrees towards the person's own right shoulder
	Blink float64 // 1 is shut
	Mouth float64 // 1 is wide open
	GazeX float64 // where the eyes look, to the person's own left and up, -1 to 1
	GazeY float64

	Distance float64 // cm from the camera to the face; 0 is 60
	Angle    float64 // degrees that the camera sees from top to bottom; 0 is 46
	X, Y     float64 // cm of the head beside the picture's middle, to its right and up

	LightX float64 // degrees from which the brightest light comes, from the picture's right
	LightY float64 // degrees from above; 0 is 30
	Light  float64 // its strength; 0 is 1
	Around float64 // strength of the light from everywhere; 0 is 1
	Warm   float64 // colour of the light: 1 is a lamp's, -1 a cloudy sky's

	Plain bool    // a plain bright wall, as in a portrait, instead of a room
	Blur  float64 // radius in pixels
	Noise float64 // of the camera, standard deviation of 0 to 255
	Seed  uint64  // of that noise
}

type light struct {
	dir      vec
	colour   vec
	strength float64
}

type scene struct {
	f             *face
	v             View
	w, h          int // of the large picture, from which the small one is made
	focal         float64
	camera        vec
	head          matrix
	key, fill     light
	around        float64
	meshes        []*mesh
	screen        [][]screenPoint // of each mesh
	depth         []float32       // 1/distance
	pixel         [][3]float32
	shadow        []float32
	shadowX       vec
	shadowY       vec
	world, normal [][]vec
}

type screenPoint struct{ x, y, inv float64 }

const (
	oversample    = 2
	usualDistance = 60.0
	shadowSide    = 360
	shadowSpan    = 64.0 // cm
)

// Model is a person ready to be drawn. It is safe for concurrent use.
type Model struct {
	p     Person
	skull *mesh   // with the mouth shut
	hides []*mesh // what may hide the face, and so comes first: nothing is painted in vain
	rest  []*mesh
}

// New makes the model of a person, which takes longer than drawing a small picture of it.
func New(p Person) *Model {
	m := &Model{p: p, skull: p.skull(0), hides: []*mesh{p.cap()}}
	if p.HairLong > 0 {
		m.hides = append(m.hides, p.curtain())
	}
	if p.HairBun {
		m.hides = append(m.hides, p.bun())
	}
	if p.Glasses {
		m.hides = append(m.hides, p.glasses()...)
	}
	m.rest = append([]*mesh{p.ear(1), p.ear(-1)}, p.body()...)
	return m
}

// Render draws a person once.
func Render(p Person, v View) *image.RGBA { return New(p).Render(v) }

// Render draws the person.
func (m *Model) Render(v View) *image.RGBA {
	if v.Width == 0 || v.Height == 0 {
		v.Width, v.Height = 640, 480
	}
	def := func(x *float64, d float64) {
		if *x == 0 {
			*x = d
		}
	}
	def(&v.Distance, usualDistance)
	def(&v.Angle, 46)
	def(&v.LightY, 30)
	def(&v.Light, 1)
	def(&v.Around, 1)
	s := &scene{f: m.p.face(v.Blink, v.Mouth), v: v, w: v.Width * oversample, h: v.Height * oversample}
	s.f.gaze = vec{0.32 * v.GazeX, 0.2 * v.GazeY, 0}
	s.focal = float64(s.h) / 2 / math.Tan(v.Angle*math.Pi/360)
	s.camera = vec{-v.X, -v.Y, 10.5 + v.Distance}
	s.head = rotation(v.Yaw, v.Pitch, v.Roll)
	tint := vec{1, 1, 1}.mix(vec{1.12, 0.98, 0.80}, max(0, v.Warm)).mix(vec{0.90, 0.99, 1.12}, max(0, -v.Warm))
	from := func(az, el float64) vec {
		sa, ca := math.Sincos(az * math.Pi / 180)
		se, ce := math.Sincos(el * math.Pi / 180)
		return vec{sa * ce, se, ca * ce}
	}
	s.key = light{from(v.LightX-18, v.LightY), tint, 0.95 * v.Light}
	s.fill = light{from(v.LightX+50, 12), vec{1, 1, 1}, 0.34 * v.Around}
	s.around = 0.42 * v.Around
	skull := m.skull
	if s.f.open > 0 {
		skull = m.p.skull(1.7 * s.f.open)
	}
	s.meshes = slices.Concat(m.hides, []*mesh{skull}, m.rest)
	s.place()
	s.shadows()
	s.depth = make([]float32, s.w*s.h)
	s.pixel = make([][3]float32, s.w*s.h)
	bands := runtime.GOMAXPROCS(0)
	var wg sync.WaitGroup
	for b := range bands {
		wg.Go(func() { s.band(b*s.h/bands, (b+1)*s.h/bands) })
	}
	wg.Wait()
	return s.develop()
}

// place puts the meshes where they are seen.
func (s *scene) place() {
	pivot := vec{0, -9, -2}
	for _, m := range s.meshes {
		world, normal, screen := make([]vec, len(m.v)), make([]vec, len(m.v)), make([]screenPoint, len(m.v))
		for i, v := range m.v {
			world[i], normal[i] = v.at, v.normal
			if m.head {
				world[i], normal[i] = s.head.of(v.at.sub(pivot)).add(pivot), s.head.of(v.normal)
			} else if m.kind == skinOf { // the neck's upper end goes with the head
				k := 0.8 * step(-18, -7, v.at.y)
				world[i] = v.at.mix(s.head.of(v.at.sub(pivot)).add(pivot), k)
			}
			d := world[i].sub(s.camera)
			inv := 1 / max(1, -d.z)
			screen[i] = screenPoint{float64(s.w)/2 + s.focal*d.x*inv, float64(s.h)/2 - s.focal*d.y*inv, inv}
		}
		s.world, s.normal, s.screen = append(s.world, world), append(s.normal, normal), append(s.screen, screen)
	}
}

// shadows draws the distances that the brightest light sees.
func (s *scene) shadows() {
	s.shadow = make([]float32, shadowSide*shadowSide)
	for i := range s.shadow {
		s.shadow[i] = -1e9
	}
	s.shadowX = vec{0, 1, 0}.cross(s.key.dir).unit()
	s.shadowY = s.key.dir.cross(s.shadowX)
	for n, m := range s.meshes {
		if m.kind == frameOf || m.kind == clothOf {
			continue
		}
		for _, t := range m.tri {
			var p [3]screenPoint
			for i, k := range t {
				x, y, d := s.seenByLight(s.world[n][k])
				p[i] = screenPoint{x, y, d}
			}
			triangle(p, 0, shadowSide, shadowSide, func(x, y int, a, b, c float64) {
				d := float32(a*p[0].inv + b*p[1].inv + c*p[2].inv)
				if i := y*shadowSide + x; d > s.shadow[i] {
					s.shadow[i] = d
				}
			})
		}
	}
}

func (s *scene) seenByLight(p vec) (x, y, d float64) {
	k := shadowSide / shadowSpan
	return shadowSide/2 + k*p.dot(s.shadowX), shadowSide/2 - k*(p.dot(s.shadowY)+4), p.dot(s.key.dir)
}

// lit is how much of the brightest light reaches a place, with a soft edge.
func (s *scene) lit(p vec) float64 {
	x, y, d := s.seenByLight(p)
	var sum, n float64
	for dy := -1.0; dy <= 1; dy++ {
		for dx := -1.0; dx <= 1; dx++ {
			ix, iy := int(x+dx*2.6), int(y+dy*2.6)
			if ix < 0 || iy < 0 || ix >= shadowSide || iy >= shadowSide {
				continue
			}
			n++
			sum += 1 - step(0.45, 1.1, float64(s.shadow[iy*shadowSide+ix])-d)
		}
	}
	if n == 0 {
		return 1
	}
	return sum / n
}

// triangle calls f for each pixel of rows top to bottom whose middle lies in it, with the weights of its corners.
func triangle(p [3]screenPoint, top, bottom, width int, f func(x, y int, a, b, c float64)) {
	area := (p[1].x-p[0].x)*(p[2].y-p[0].y) - (p[2].x-p[0].x)*(p[1].y-p[0].y)
	if math.Abs(area) < 1e-9 {
		return
	}
	x0 := max(0, int(math.Floor(min(p[0].x, p[1].x, p[2].x)-0.5)))
	x1 := min(width-1, int(math.Ceil(max(p[0].x, p[1].x, p[2].x)-0.5)))
	y0 := max(top, int(math.Floor(min(p[0].y, p[1].y, p[2].y)-0.5)))
	y1 := min(bottom-1, int(math.Ceil(max(p[0].y, p[1].y, p[2].y)-0.5)))
	for y := y0; y <= y1; y++ {
		fy := float64(y) + 0.5
		for x := x0; x <= x1; x++ {
			fx := float64(x) + 0.5
			a := ((p[1].x-fx)*(p[2].y-fy) - (p[2].x-fx)*(p[1].y-fy)) / area
			b := ((p[2].x-fx)*(p[0].y-fy) - (p[0].x-fx)*(p[2].y-fy)) / area
			if c := 1 - a - b; a >= 0 && b >= 0 && c >= 0 {
				f(x, y, a, b, c)
			}
		}
	}
}

// band draws the rows from top to bottom.
func (s *scene) band(top, bottom int) {
	for y := top; y < bottom; y++ {
		for x := range s.w {
			s.pixel[y*s.w+x] = s.wall(x, y)
		}
	}
	for n, m := range s.meshes {
		for _, t := range m.tri {
			p := [3]screenPoint{s.screen[n][t[0]], s.screen[n][t[1]], s.screen[n][t[2]]}
			if max(p[0].y, p[1].y, p[2].y) < float64(top) || min(p[0].y, p[1].y, p[2].y) > float64(bottom) {
				continue
			}
			// Seen from behind: y grows downwards on the screen.
			if area := (p[1].x-p[0].x)*(p[2].y-p[0].y) - (p[2].x-p[0].x)*(p[1].y-p[0].y); area >= 0 && !m.both {
				continue
			}
			va, vb, vc := &m.v[t[0]], &m.v[t[1]], &m.v[t[2]]
			triangle(p, top, bottom, s.w, func(x, y int, a, b, c float64) {
				inv := a*p[0].inv + b*p[1].inv + c*p[2].inv
				i := y*s.w + x
				if float32(inv) <= s.depth[i] {
					return
				}
				a, b, c = a*p[0].inv/inv, b*p[1].inv/inv, c*p[2].inv/inv
				rest := va.rest.mul(a).add(vb.rest.mul(b)).add(vc.rest.mul(c))
				u, v := va.u*a+vb.u*b+vc.u*c, va.v*a+vb.v*b+vc.v*c
				var sf surface
				switch m.kind {
				case skinOf:
					sf = s.f.skin(rest)
				case hairOf:
					var ok bool
					if sf, ok = s.f.hair(u, v, rest); !ok {
						return
					}
				case clothOf:
					sf = s.f.cloth(rest, u, v)
				default:
					sf = surface{colour: frameColour, gloss: 0.5, sharp: 40, shade: 1}
				}
				nm := s.normal[n][t[0]].mul(a).add(s.normal[n][t[1]].mul(b)).add(s.normal[n][t[2]].mul(c)).unit()
				if sf.normal != (vec{}) {
					nm = s.head.of(sf.normal)
				}
				at := s.world[n][t[0]].mul(a).add(s.world[n][t[1]].mul(b)).add(s.world[n][t[2]].mul(c))
				l := s.light(sf, nm, at, m)
				s.depth[i] = float32(inv)
				s.pixel[i] = [3]float32{float32(l.x), float32(l.y), float32(l.z)}
			})
		}
	}
}

// light gives what a surface sends to the camera.
func (s *scene) light(sf surface, n, at vec, m *mesh) vec {
	eye := s.camera.sub(at).unit()
	if m.both && n.dot(eye) < 0 {
		n = n.mul(-1)
	}
	// In skin, light goes a little way, and red farthest: the edge of a shadow is soft and warm.
	wrap := vec{0.12, 0.12, 0.12}
	if sf.soft {
		wrap = vec{0.42, 0.26, 0.20}
	}
	diffuse := func(l light, k float64) vec {
		d := n.dot(l.dir)
		f := func(w float64) float64 {
			return max(0, (d+w)/(1+w)) / (1 + w*0.35)
		}
		return vec{f(wrap.x), f(wrap.y), f(wrap.z)}.times(l.colour).mul(l.strength * k)
	}
	lit := s.lit(at)
	sky := s.around * sf.shade * (0.72 + 0.28*n.y)
	ground := s.around * sf.shade * 0.22 * (1 - n.y)
	sum := vec{0.96, 0.99, 1.04}.mul(sky).add(vec{1.05, 0.96, 0.88}.mul(ground))
	open := 0.45 + 0.55*sf.shade
	sum = sum.add(diffuse(s.key, lit*open)).add(diffuse(s.fill, open))
	out := sf.colour.times(sum)
	shine := func(l light, k float64) {
		h := l.dir.add(eye).unit()
		if d := n.dot(h); d > 0 {
			out = out.add(l.colour.mul(sf.gloss * l.strength * k * math.Pow(d, sf.sharp) * 0.32))
		}
	}
	shine(s.key, lit*sf.shade)
	shine(s.fill, sf.shade)
	// What is seen at a shallow angle mirrors more.
	rim := math.Pow(1-max(0, n.dot(eye)), 4)
	return out.add(vec{1, 1, 1}.mul(0.05 * rim * sf.shade * s.around))
}

// wall is what is seen beside the person.
func (s *scene) wall(x, y int) [3]float32 {
	fx, fy := float64(x)/float64(s.w), float64(y)/float64(s.h)
	if s.v.Plain {
		k := 1.0 - 0.10*fy - 0.10*(fx-0.5)*(fx-0.5)*4
		c := plainWallColour.mul(k)
		return [3]float32{float32(c.x), float32(c.y), float32(c.z)}
	}
	// A room, out of focus: a wall, a darker cupboard, a window's light.
	c := roomWallColour.mul(0.85 + 0.2*(1-fy))
	c = c.mix(cupboardColour, 0.75*step(0.70, 0.74, fx)*step(0.16, 0.2, fy))
	c = c.mix(shelfColour, 0.6*step(0.80, 0.82, fx)*step(0.3, 0.32, fy)*step(0.62, 0.6, fy))
	c = c.mix(windowColour, 0.7*step(0.26, 0.22, fx)*step(0.05, 0.09, fx)*step(0.52, 0.47, fy)*step(0.06, 0.1, fy))
	c = c.mul(0.35*s.v.Light + 0.45*s.v.Around)
	return [3]float32{float32(c.x), float32(c.y), float32(c.z)}
}

// develop makes the picture: the mean of what falls on each pixel, the camera's blur, its curve and its noise.
func (s *scene) develop() *image.RGBA {
	w, h := s.v.Width, s.v.Height
	buf := make([][3]float32, w*h)
	for y := range h {
		for x := range w {
			var sum [3]float32
			for dy := range oversample {
				for dx := range oversample {
					p := s.pixel[(y*oversample+dy)*s.w+x*oversample+dx]
					for i := range 3 {
						sum[i] += min(p[i], 1.3)
					}
				}
			}
			for i := range 3 {
				buf[y*w+x][i] = sum[i] / (oversample * oversample)
			}
		}
	}
	if s.v.Blur > 0 {
		buf = blur(buf, w, h, s.v.Blur)
	}
	r := rand.New(rand.NewPCG(s.v.Seed, 20))
	img := image.NewRGBA(image.Rect(0, 0, w, h))
	for i, p := range buf {
		for c := range 3 {
			v := float64(p[c])
			// A shoulder instead of a hard end.
			if v > 0.75 {
				v = 0.75 + 0.25*(1-math.Exp(-(v-0.75)/0.25))
			}
			v = curve[int(clamp(v, 0, 1)*float64(len(curve)-1)+0.5)]
			if s.v.Noise > 0 {
				v += r.NormFloat64() * s.v.Noise
			}
			img.Pix[4*i+c] = uint8(clamp(v+0.5, 0, 255))
		}
		img.Pix[4*i+3] = 255
	}
	return img
}

// curve is what a screen is given for light of 0 to 1.
var curve = func() (c [4097]float64) {
	for i := range c {
		c[i] = 255 * math.Pow(float64(i)/float64(len(c)-1), 1/2.2)
	}
	return c
}()

func blur(in [][3]float32, w, h int, sigma float64) [][3]float32 {
	n := int(math.Ceil(2.5 * sigma))
	kernel := make([]float32, 2*n+1)
	var sum float32
	for i := range kernel {
		kernel[i] = float32(bell(float64(i-n), sigma))
		sum += kernel[i]
	}
	for i := range kernel {
		kernel[i] /= sum
	}
	pass := func(in [][3]float32, dx, dy int) [][3]float32 {
		out := make([][3]float32, len(in))
		for y := range h {
			for x := range w {
				var s [3]float32
				for i, k := range kernel {
					p := in[min(max(y+dy*(i-n), 0), h-1)*w+min(max(x+dx*(i-n), 0), w-1)]
					for c := range 3 {
						s[c] += k * p[c]
					}
				}
				out[y*w+x] = s
			}
		}
		return out
	}
	return pass(pass(in, 1, 0), 0, 1)
}

// Portrait is how a chip's photo shows somebody: 300 by 400 pixels, a plain wall, even light.
func Portrait() View {
	return View{Width: 300, Height: 400, Plain: true, Distance: 110, Angle: 17.5, Y: 1.6, Light: 0.85, Around: 1.2, LightX: 8, LightY: 24, Noise: 1.6}
}
