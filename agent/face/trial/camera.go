package trial

import (
	"math"
	"math/rand/v2"

	"github.com/tapcheck/tapcheck/agent/face"
)

// The camera of simulated frames: 640×480, about 56° wide, as cheap webcams are. Lengths are millimetres, x to the right and y
// down in the picture, z away from the camera.
const (
	cameraWidth  = 640
	cameraHeight = 480
	cameraFocal  = 600.0 // pixels
	deskDistance = 520.0
	eyeDistance  = 63.0 // of an adult
)

// Pose is how something is held before the camera; the zero pose is straight before it at a desk's distance. Angles are degrees, as
// those of package face: to the person's left, down, to the left shoulder.
type Pose struct {
	Yaw, Pitch, Roll float64
	X, Y             float64 // millimetres
	Near             float64 // 0 at the desk's distance; 0.4: 1.4 times as large
	Blink            float64 // 0 open, 1 closed; only heads can
}

// Carrier is a flat thing with a picture of a face on it: a print, or a screen.
type Carrier struct {
	picture face.Image
	centre  face.Point // middle of the eyes in the picture
	pixel   float64    // millimetres of a pixel, so that the face has the size of a living one
	Bend    float64    // radius round an upright axis, convex towards the camera; 0: flat
	Screen  bool       // shines: stripes of pixels, a reflection; otherwise paper
}

// NewCarrier puts a picture on paper or on a screen. The face is the one that was found in it.
func NewCarrier(picture face.Image, f face.Face) *Carrier {
	r, l := f.Keypoints[face.KeyRightEye], f.Keypoints[face.KeyLeftEye]
	d := math.Hypot(float64(l.X-r.X), float64(l.Y-r.Y))
	return &Carrier{picture: picture, centre: face.Point{X: (r.X + l.X) / 2, Y: (r.Y + l.Y) / 2}, pixel: eyeDistance / math.Max(d, 1)}
}

// Scene is a camera with its noise, before a wall.
type Scene struct {
	Random *rand.Rand
	Noise  float64 // standard deviation of a pixel, 0 to 255
}

// Shoot takes the carrier's picture in a pose.
func (s *Scene) Shoot(c *Carrier, p Pose) face.Image {
	img := s.wall()
	ex, ey, ez := axes(p)
	z := deskDistance / (1 + p.Near)
	// The middle of the eyes is held a little above the middle of the picture.
	at := [3]float64{p.X, p.Y - 15, z}
	halfW, halfH := float64(c.picture.Width)*c.pixel/2, float64(c.picture.Height)*c.pixel/2
	offX, offY := (float64(c.picture.Width)/2-float64(c.centre.X))*c.pixel, (float64(c.picture.Height)/2-float64(c.centre.Y))*c.pixel
	for v := range cameraHeight {
		for u := range cameraWidth {
			d := [3]float64{(float64(u) - cameraWidth/2) / cameraFocal, (float64(v) - cameraHeight/2) / cameraFocal, 1}
			// The ray in the carrier's own axes.
			dx, dy, dz := dot(d, ex), dot(d, ey), dot(d, ez)
			ox, oy, oz := -dot(at, ex), -dot(at, ey), -dot(at, ez)
			var along, up, facing float64
			if c.Bend == 0 {
				if dz <= 0 {
					continue
				}
				t := -oz / dz
				along, up, facing = ox+t*dx, oy+t*dy, dz/math.Sqrt(dot(d, d))
			} else {
				r := c.Bend
				a, b, k := dx*dx+dz*dz, ox*dx+(oz-r)*dz, ox*ox+(oz-r)*(oz-r)-r*r
				disc := b*b - a*k
				if disc < 0 || a == 0 {
					continue
				}
				t := (-b - math.Sqrt(disc)) / a
				x, zz := ox+t*dx, oz+t*dz
				angle := math.Atan2(x, r-zz)
				along, up, facing = r*angle, oy+t*dy, math.Cos(angle)
			}
			if along < offX-halfW || along > offX+halfW || up < offY-halfH || up > offY+halfH {
				continue
			}
			r, g, b := c.colour(along/c.pixel+float64(c.centre.X), up/c.pixel+float64(c.centre.Y))
			light := 0.75 + 0.25*facing
			if c.Screen {
				// Moiré: the screen's own pixels, a fifth of a millimetre, seen through those of the camera.
				w := 0.10 * math.Cos(2*math.Pi*along/0.21) * math.Cos(2*math.Pi*up/0.21)
				light = 1 + w
				// A lamp's reflection, which wanders as the screen is turned.
				gx, gy := along-60-4*p.Yaw, up+50+4*p.Pitch
				glare := 70 * math.Exp(-(gx*gx+gy*gy)/(2*35*35))
				r, g, b = r*light+glare, g*light+glare, b*light+glare+6
			} else {
				r, g, b = 18+r*0.88*light, 17+g*0.87*light, 16+b*0.85*light // ink is never black, paper never white
			}
			img.set(u, v, r, g, b)
		}
	}
	return s.expose(img)
}

// canvas is a picture before it is noise and bytes.
type canvas struct{ pix []float32 }

func (c canvas) set(u, v int, r, g, b float64) {
	k := 3 * (v*cameraWidth + u)
	c.pix[k], c.pix[k+1], c.pix[k+2] = float32(r), float32(g), float32(b)
}

func (s *Scene) wall() canvas {
	c := canvas{make([]float32, 3*cameraWidth*cameraHeight)}
	for v := range cameraHeight {
		for u := range cameraWidth {
			l := 150 + 40*float64(u)/cameraWidth - 30*float64(v)/cameraHeight
			c.set(u, v, l, l, l*0.97)
		}
	}
	return c
}

// expose adds the lens's softness, the noise, and the bytes.
func (s *Scene) expose(c canvas) face.Image {
	out := face.Image{Width: cameraWidth, Height: cameraHeight, Pix: make([]byte, len(c.pix))}
	const row = 3 * cameraWidth
	for k := range c.pix {
		v := c.pix[k]
		if k >= row+3 && k < len(c.pix)-row-3 {
			v = 0.5*v + 0.125*(c.pix[k-3]+c.pix[k+3]+c.pix[k-row]+c.pix[k+row])
		}
		v += float32(s.Random.NormFloat64() * s.Noise)
		out.Pix[k] = byte(min(max(v+0.5, 0), 255))
	}
	return out
}

// Camera lets a frame that somebody else has drawn pass the same noise, before nothing else.
func (s *Scene) Camera(img face.Image) face.Image {
	out := face.Image{Width: img.Width, Height: img.Height, Pix: make([]byte, len(img.Pix))}
	for k, p := range img.Pix {
		out.Pix[k] = byte(min(max(float64(p)+s.Random.NormFloat64()*s.Noise+0.5, 0), 255))
	}
	return out
}

// colour of the picture between its pixels.
func (c *Carrier) colour(x, y float64) (r, g, b float64) {
	w, h := c.picture.Width, c.picture.Height
	x, y = min(max(x, 0), float64(w-1)), min(max(y, 0), float64(h-1))
	x0, y0 := int(x), int(y)
	x1, y1 := min(x0+1, w-1), min(y0+1, h-1)
	fx, fy := x-float64(x0), y-float64(y0)
	p := c.picture.Pix
	a, d, e, f := 3*(y0*w+x0), 3*(y0*w+x1), 3*(y1*w+x0), 3*(y1*w+x1)
	mix := func(i int) float64 {
		return (float64(p[a+i])*(1-fx)+float64(p[d+i])*fx)*(1-fy) + (float64(p[e+i])*(1-fx)+float64(p[f+i])*fx)*fy
	}
	return mix(0), mix(1), mix(2)
}

func dot(a, b [3]float64) float64 { return a[0]*b[0] + a[1]*b[1] + a[2]*b[2] }

// axes are those of a carrier that was straight before the camera: to the right, down, away.
func axes(p Pose) (ex, ey, ez [3]float64) {
	sin := func(d float64) float64 { return math.Sin(d * math.Pi / 180) }
	cos := func(d float64) float64 { return math.Cos(d * math.Pi / 180) }
	turn := func(v [3]float64) [3]float64 {
		x, y, z := v[0], v[1], v[2]
		// Down: the upper edge comes nearer.
		y, z = y*cos(p.Pitch)-z*sin(p.Pitch), y*sin(p.Pitch)+z*cos(p.Pitch)
		// To the person's left: the right edge of the picture goes away.
		x, z = x*cos(p.Yaw)-z*sin(p.Yaw), x*sin(p.Yaw)+z*cos(p.Yaw)
		x, y = x*cos(p.Roll)-y*sin(p.Roll), x*sin(p.Roll)+y*cos(p.Roll)
		return [3]float64{x, y, z}
	}
	return turn([3]float64{1, 0, 0}), turn([3]float64{0, 1, 0}), turn([3]float64{0, 0, 1})
}
