package face

import (
	"math"
	"slices"
)

// Components of ISO/IEC 29794-5 that are looked at, spelled as its reference implementation OFIQ does. The values are our own
// measures, with units of their own: they are no OFIQ scores and cannot be compared with any.
const (
	SingleFacePresent        = "SingleFacePresent"
	InterEyeDistance         = "InterEyeDistance"
	HeadSize                 = "HeadSize"
	LeftwardCrop             = "LeftwardCropOfTheFaceImage"
	RightwardCrop            = "RightwardCropOfTheFaceImage"
	MarginAbove              = "MarginAboveOfTheFaceImage"
	MarginBelow              = "MarginBelowOfTheFaceImage"
	HeadPoseYaw              = "HeadPoseYaw"
	HeadPosePitch            = "HeadPosePitch"
	HeadPoseRoll             = "HeadPoseRoll"
	EyesOpen                 = "EyesOpen"
	MouthClosed              = "MouthClosed"
	Sharpness                = "Sharpness"
	LuminanceMean            = "LuminanceMean"
	UnderExposurePrevention  = "UnderExposurePrevention"
	OverExposurePrevention   = "OverExposurePrevention"
	DynamicRange             = "DynamicRange"
	IlluminationUniformity   = "IlluminationUniformity"
	EyesVisible              = "EyesVisible"
	MouthOcclusionPrevention = "MouthOcclusionPrevention"
	FaceOcclusionPrevention  = "FaceOcclusionPrevention"
	NaturalColour            = "NaturalColour"
)

// limit is one line of the table of limits: a measure and how far it may go. A picture beyond reject is not compared; one
// beyond warn is, and the person is told what would be better. NaN: no such limit.
type limit struct {
	component string
	finding   string // beyond the limit
	less      bool   // the limit is the largest value that is good; otherwise the smallest
	live      bounds // of frames of a camera
	chip      bounds // of the chip's photo, which nobody can take again
}

type bounds struct{ warn, reject float64 }

var none = math.NaN()

// The limits. They were set on development pictures (portraits of consenting adults cropped as chip photos, and simulated
// frames of a webcam), on rendered heads and on pictures spoilt on purpose, so that the untouched ones pass; not on any test.
var limits = []limit{
	// FaceMesh's presence, 0 to 1, and tones: bits of entropy of the face's brightness. A drawing has few tones.
	{FaceOcclusionPrevention, NotAFace, false, bounds{none, 0.5}, bounds{none, 0.5}},
	{NaturalColour, NotAFace, false, bounds{none, 4.2}, bounds{none, 4.2}},

	// Pixels between the eyes, as if the head were not turned. A chip photo of 300×400 has 74; the recogniser looks at 35.
	{InterEyeDistance, FaceTooSmall, false, bounds{55, 40}, bounds{60, 40}},
	// The head's height over the picture's.
	{HeadSize, FaceTooLarge, true, bounds{0.85, 0.97}, bounds{none, none}},
	// How far the face is from the picture's border, in inter-eye distances; negative: outside.
	{RightwardCrop, FaceOffCentre, false, bounds{0.15, -0.05}, bounds{none, -0.3}},
	{LeftwardCrop, FaceOffCentre, false, bounds{0.15, -0.05}, bounds{none, -0.3}},
	{MarginAbove, FaceOffCentre, false, bounds{0.1, -0.1}, bounds{none, -0.3}},
	{MarginBelow, FaceOffCentre, false, bounds{0.05, -0.1}, bounds{none, -0.3}},

	// Degrees.
	{HeadPoseYaw, HeadTurned, true, bounds{12, 20}, bounds{15, 30}},
	{HeadPosePitch, LookUpDown, true, bounds{14, 22}, bounds{18, 28}},
	{HeadPoseRoll, HeadTilted, true, bounds{15, 30}, bounds{15, 35}},

	// Height over width of the opening of the eyes, as the mesh has it, times how much darker than skin it is there; and of the mouth.
	// Narrow eyes are open too. Closed ones are told only roughly, so they keep no picture from being compared.
	{EyesOpen, EyesClosed, false, bounds{0.165, none}, bounds{0.165, none}},
	{MouthClosed, MouthOpen, true, bounds{0.35, 0.6}, bounds{0.4, none}},

	// How much of the fine detail that a face has is there; see sharpness.
	{Sharpness, Blurred, false, bounds{0.12, 0.07}, bounds{0.09, 0.05}},

	// Brightness of the face, 0 to 255, and what part of it has no detail left because it is black or white. Skin is of every
	// brightness: the limits are so low that they ask for light, and of nobody for another skin.
	{LuminanceMean, TooDark, false, bounds{35, 20}, bounds{35, 20}},
	{UnderExposurePrevention, TooDark, true, bounds{0.25, 0.5}, bounds{0.3, 0.6}},
	{OverExposurePrevention, TooBright, true, bounds{0.15, 0.35}, bounds{0.2, 0.5}},
	// From the darkest twentieth of the face to the brightest.
	{DynamicRange, LowContrast, false, bounds{30, 18}, bounds{35, 18}},
	// The darker half of the face over the brighter one.
	{IlluminationUniformity, UnevenLight, false, bounds{0.6, 0.35}, bounds{0.5, none}},

	// The eyes' brightness over the cheeks'; and how far the colour round the mouth is from the forehead's.
	{EyesVisible, FaceCovered, false, bounds{none, 0.30}, bounds{none, none}},
	{MouthOcclusionPrevention, FaceCovered, true, bounds{none, 22}, bounds{none, none}},
}

// Limit is one line of the table of limits, as documents print it. NaN: there is none.
type Limit struct {
	Component, Finding  string
	Least               bool // the value must not be smaller; otherwise not larger
	LiveWarn, LiveBad   float64
	PhotoWarn, PhotoBad float64
}

// Limits is the table of limits.
func Limits() []Limit {
	var all []Limit
	for _, l := range limits {
		all = append(all, Limit{l.component, l.finding, !l.less, l.live.warn, l.live.reject, l.chip.warn, l.chip.reject})
	}
	return all
}

// quality is what was measured of one face in one picture.
type quality struct {
	values []float64 // by the table of limits
	shape  shape
	patch  *patch
}

// assess measures a face. The picture must be whole.
func assess(img Image, f *Face) quality {
	s := measure(f)
	p := newPatch(img, f, s)
	q := quality{values: make([]float64, len(limits)), shape: s, patch: p}
	seen := p.light()
	for i, l := range limits {
		var v float64
		switch l.component {
		case FaceOcclusionPrevention:
			v = float64(f.Presence)
		case NaturalColour:
			v = seen.entropy
		case InterEyeDistance:
			v = s.span
		case HeadSize:
			v = float64(s.box.Y1-s.box.Y0) / float64(img.Height)
		case RightwardCrop: // as the person sees it: the picture's left border
			v = float64(s.box.X0) / s.span
		case LeftwardCrop:
			v = (float64(img.Width) - float64(s.box.X1)) / s.span
		case MarginAbove:
			v = float64(s.box.Y0) / s.span
		case MarginBelow:
			v = (float64(img.Height) - float64(s.box.Y1)) / s.span
		case HeadPoseYaw:
			v = math.Abs(s.pose.Yaw)
		case HeadPosePitch:
			v = math.Abs(s.pose.Pitch)
		case HeadPoseRoll:
			v = math.Abs(s.pose.Roll)
		case EyesOpen:
			v = s.lids * (1 - p.iris())
		case MouthClosed:
			v = s.mouth
		case Sharpness:
			v = p.sharpness()
		case LuminanceMean:
			v = seen.mean
		case UnderExposurePrevention:
			v = seen.black
		case OverExposurePrevention:
			v = seen.white
		case DynamicRange:
			v = seen.spread
		case IlluminationUniformity:
			v = seen.balance
		case EyesVisible:
			v = p.eyes()
		case MouthOcclusionPrevention:
			v = p.mask()
		}
		q.values[i] = v
	}
	return q
}

// findings hold the values against the limits: what keeps the picture from being compared first, then what would make it better.
// A value that is not a number is beyond every limit.
func (q quality) findings(of func(limit) bounds) []Finding {
	var all []Finding
	for i, l := range limits {
		b := of(l)
		beyond := func(limit float64) bool {
			if math.IsNaN(limit) {
				return false
			}
			if l.less {
				return !(q.values[i] <= limit)
			}
			return !(q.values[i] >= limit)
		}
		switch {
		case beyond(b.reject):
			all = append(all, Finding{ID: l.finding, Component: l.component, Value: q.values[i], Threshold: b.reject})
		case beyond(b.warn):
			all = append(all, Finding{ID: l.finding, Component: l.component, Value: q.values[i], Threshold: b.warn, Warning: true})
		}
	}
	slices.SortStableFunc(all, func(a, b Finding) int {
		switch {
		case a.Warning == b.Warning:
			return 0
		case b.Warning:
			return -1
		}
		return 1
	})
	return all
}

func live(l limit) bounds { return l.live }
func chip(l limit) bounds { return l.chip }

// score orders frames by how well they can be compared, 0 to 1: the mean of how far each value is from its rejection towards
// a good one, times the worst of them.
func (q quality) score() float64 {
	worst, sum, n := 1.0, 0.0, 0.0
	for i, l := range limits {
		b := l.live
		if math.IsNaN(b.warn) || math.IsNaN(b.reject) {
			continue
		}
		good := b.warn + (b.warn - b.reject) // as far on the good side of the warning as the rejection is on the bad one
		v := clamp((q.values[i]-b.reject)/(good-b.reject), 0, 1)
		if math.IsNaN(v) {
			v = 0
		}
		worst, sum, n = math.Min(worst, v), sum+v, n+1
	}
	return sum / n * (0.25 + 0.75*worst)
}

// usable says whether no finding keeps a picture from being compared.
func usable(findings []Finding) bool {
	return !slices.ContainsFunc(findings, func(f Finding) bool { return !f.Warning })
}

// patch is a face cut out upright at one size, as brightness and colour, whatever its size and place in the picture.
type patch struct {
	y, cb, cr []float32 // ITU-R BT.601, 0 to 255
	inside    []bool    // within the outline of the face
	mesh      [468]Point
}

const (
	patchSize = 160
	patchEyes = 48 // pixels between the eyes
	patchX    = 80 // middle of the eyes
	patchY    = 58
)

func newPatch(img Image, f *Face, s shape) *patch {
	p := &patch{
		y: make([]float32, patchSize*patchSize), cb: make([]float32, patchSize*patchSize), cr: make([]float32, patchSize*patchSize),
		inside: make([]bool, patchSize*patchSize),
	}
	scale := s.span / patchEyes
	if !(scale > 0) || math.IsInf(scale, 0) {
		return p // no face that anything could be said of
	}
	cos, sin := math.Cos(s.pose.Roll*math.Pi/180), math.Sin(s.pose.Roll*math.Pi/180)
	ox, oy := float64(s.rightEye.X+s.leftEye.X)/2, float64(s.rightEye.Y+s.leftEye.Y)/2
	for i, m := range f.Mesh {
		// Far out is as good as anywhere out; and no integer overflows below.
		x, y := clamp(float64(m.X)-ox, -1e4*scale, 1e4*scale), clamp(float64(m.Y)-oy, -1e4*scale, 1e4*scale)
		p.mesh[i] = Point{float32((x*cos+y*sin)/scale + patchX), float32((y*cos-x*sin)/scale + patchY)}
	}
	// A large face is averaged down, so that noise and size do not pass for detail.
	sub := int(clamp(math.Round(scale), 1, 4))
	for v := range patchSize {
		for u := range patchSize {
			var r, g, b float64
			for j := range sub {
				for i := range sub {
					x := (float64(u) + (float64(i)+0.5)/float64(sub) - 0.5 - patchX) * scale
					y := (float64(v) + (float64(j)+0.5)/float64(sub) - 0.5 - patchY) * scale
					dr, dg, db := img.at(x*cos-y*sin+ox, x*sin+y*cos+oy)
					r, g, b = r+dr, g+dg, b+db
				}
			}
			n := float64(sub * sub)
			r, g, b = r/n, g/n, b/n
			k := v*patchSize + u
			y := 0.299*r + 0.587*g + 0.114*b
			p.y[k], p.cb[k], p.cr[k] = float32(y), float32(128+0.564*(b-y)), float32(128+0.713*(r-y))
		}
	}
	p.outline()
	return p
}

// at is the colour at a place between pixels; beyond the border that of the border.
func (i Image) at(x, y float64) (r, g, b float64) {
	x, y = clamp(x, 0, float64(i.Width-1)), clamp(y, 0, float64(i.Height-1))
	x0, y0 := int(x), int(y)
	x1, y1 := min(x0+1, i.Width-1), min(y0+1, i.Height-1)
	fx, fy := x-float64(x0), y-float64(y0)
	p00, p10 := 3*(y0*i.Width+x0), 3*(y0*i.Width+x1)
	p01, p11 := 3*(y1*i.Width+x0), 3*(y1*i.Width+x1)
	mix := func(c int) float64 {
		top := float64(i.Pix[p00+c])*(1-fx) + float64(i.Pix[p10+c])*fx
		low := float64(i.Pix[p01+c])*(1-fx) + float64(i.Pix[p11+c])*fx
		return top*(1-fy) + low*fy
	}
	return mix(0), mix(1), mix(2)
}

// outline marks what lies within the face's oval, row by row.
func (p *patch) outline() {
	var cuts []float64
	for v := range patchSize {
		cuts = cuts[:0]
		for i, k := range meshOval {
			a, b := p.mesh[k], p.mesh[meshOval[(i+1)%len(meshOval)]]
			y := float32(v)
			if (a.Y <= y) != (b.Y <= y) {
				cuts = append(cuts, float64(a.X+(y-a.Y)*(b.X-a.X)/(b.Y-a.Y)))
			}
		}
		slices.Sort(cuts)
		for i := 0; i+1 < len(cuts); i += 2 {
			for u := max(0, int(math.Ceil(cuts[i]))); u <= min(patchSize-1, int(cuts[i+1])); u++ {
				p.inside[v*patchSize+u] = true
			}
		}
	}
}

// light is how bright a face is and how that is spread.
type light struct {
	mean    float64
	black   float64 // part of the face
	white   float64
	spread  float64 // from the 5th to the 95th percentile
	balance float64 // the darker half over the brighter
	entropy float64 // bits, of the brightness in 256 steps
}

func (p *patch) light() light {
	var hist [256]float64
	var n, sum, black, white float64
	var half [2]struct{ sum, n float64 }
	nose := p.mesh[meshNoseRoot].X
	for k, in := range p.inside {
		if !in {
			continue
		}
		y := float64(p.y[k])
		n, sum = n+1, sum+y
		hist[int(clamp(math.Round(y), 0, 255))]++
		if y < 20 {
			black++
		}
		if y > 248 {
			white++
		}
		side := 0
		if float32(k%patchSize) > nose {
			side = 1
		}
		half[side].sum, half[side].n = half[side].sum+y, half[side].n+1
	}
	if n == 0 {
		return light{mean: math.NaN(), black: math.NaN(), white: math.NaN(), spread: math.NaN(), balance: math.NaN(), entropy: math.NaN()}
	}
	l := light{mean: sum / n, black: black / n, white: white / n}
	var below, lo, hi float64
	lo = -1
	for v, c := range hist {
		below += c
		if lo < 0 && below >= 0.05*n {
			lo = float64(v)
		}
		if below >= 0.95*n {
			hi = float64(v)
			break
		}
	}
	for _, c := range hist {
		if c > 0 {
			l.entropy -= c / n * math.Log2(c/n)
		}
	}
	l.spread = hi - lo
	l.balance = 1
	if half[0].n > 0 && half[1].n > 0 {
		a, b := half[0].sum/half[0].n+1, half[1].sum/half[1].n+1
		l.balance = math.Min(a, b) / math.Max(a, b)
	}
	return l
}

// sharpness is how much of the brightness's variation is between neighbours: the mean strength of the Laplacian over the
// standard deviation of the face. Both go with contrast, so that a flat light is no blur. A picture with fewer pixels than
// the patch has no detail to show, which the inter-eye distance says already: it is scaled for that.
func (p *patch) sharpness() float64 {
	var n, sum, squares, edges float64
	for v := 1; v < patchSize-1; v++ {
		for u := 1; u < patchSize-1; u++ {
			k := v*patchSize + u
			if !p.inside[k] || !p.inside[k-1] || !p.inside[k+1] || !p.inside[k-patchSize] || !p.inside[k+patchSize] {
				continue
			}
			y := float64(p.y[k])
			l := 4*y - float64(p.y[k-1]+p.y[k+1]+p.y[k-patchSize]+p.y[k+patchSize])
			n, sum, squares, edges = n+1, sum+y, squares+y*y, edges+math.Abs(l)
		}
	}
	if n == 0 {
		return math.NaN()
	}
	deviation := math.Sqrt(math.Max(squares/n-sum/n*sum/n, 0))
	return edges / n / (deviation + 2)
}

// spot is the mean of a small square round a point of the mesh.
func (p *patch) spot(mesh int, radius int) (y, cb, cr float64) {
	c := p.mesh[mesh]
	var n float64
	for v := int(c.Y) - radius; v <= int(c.Y)+radius; v++ {
		for u := int(c.X) - radius; u <= int(c.X)+radius; u++ {
			if u < 0 || v < 0 || u >= patchSize || v >= patchSize {
				continue
			}
			k := v*patchSize + u
			y, cb, cr, n = y+float64(p.y[k]), cb+float64(p.cb[k]), cr+float64(p.cr[k]), n+1
		}
	}
	if n == 0 {
		return 0, 128, 128
	}
	return y / n, cb / n, cr / n
}

// iris is the darkest of each eye over the skin below it, the mean of both.
func (p *patch) iris() float64 {
	var sum float64
	for _, e := range [][2]int{{meshRightOuter, meshRightInner}, {meshLeftInner, meshLeftOuter}} {
		cx, cy, w := p.between(e)
		skin, n, dark := 0.0, 0.0, 255.0
		p.window(cx, cy+0.57*w, 0.4*w, 0.13*w, func(k int) { skin, n = skin+float64(p.y[k]), n+1 })
		p.window(cx, cy, 0.25*w, 0.3*w, func(k int) { dark = math.Min(dark, float64(p.y[k])) })
		sum += dark / (skin/math.Max(n, 1) + 1) / 2
	}
	return math.Min(sum, 1)
}

// between is the middle of two points of the mesh and how far they are apart.
func (p *patch) between(m [2]int) (cx, cy, w float64) {
	a, b := p.mesh[m[0]], p.mesh[m[1]]
	return float64(a.X+b.X) / 2, float64(a.Y+b.Y) / 2, math.Hypot(float64(b.X-a.X), float64(b.Y-a.Y))
}

func (p *patch) window(cx, cy, halfWide, halfTall float64, each func(k int)) {
	for v := max(0, int(cy-halfTall)); v <= min(patchSize-1, int(cy+halfTall)); v++ {
		for u := max(0, int(cx-halfWide)); u <= min(patchSize-1, int(cx+halfWide)); u++ {
			each(v*patchSize + u)
		}
	}
}

// Parts of a face that are held against themselves.
var (
	partRightEye = part{[2]int{meshRightOuter, meshRightInner}, 0.6, 0.3}
	partLeftEye  = part{[2]int{meshLeftInner, meshLeftOuter}, 0.6, 0.3}
	partNose     = part{[2]int{129, 358}, 0.6, 0.5}
	partMouth    = part{[2]int{61, 291}, 0.6, 0.4}
)

// part is a window round the middle of two points of the mesh, in parts of their distance.
type part struct {
	mesh       [2]int
	wide, tall float64
}

// like is how alike a part looks in two patches, 1 the same, whatever the light: the correlation, at the best place nearby.
func (p *patch) like(o *patch, of part) float64 {
	const nearby = 3
	ax, ay, w := p.between(of.mesh)
	bx, by, _ := o.between(of.mesh)
	hw, hh := int(of.wide*w), int(of.tall*w)
	best := -1.0
	for dy := -nearby; dy <= nearby; dy++ {
		for dx := -nearby; dx <= nearby; dx++ {
			var n, sx, sy, sxx, syy, sxy float64
			for v := -hh; v <= hh; v++ {
				ra, rb := int(ay)+v, int(by)+v+dy
				if ra < 0 || rb < 0 || ra >= patchSize || rb >= patchSize {
					continue
				}
				for u := -hw; u <= hw; u++ {
					ca, cb := int(ax)+u, int(bx)+u+dx
					if ca < 0 || cb < 0 || ca >= patchSize || cb >= patchSize {
						continue
					}
					x, y := float64(p.y[ra*patchSize+ca]), float64(o.y[rb*patchSize+cb])
					n, sx, sy, sxx, syy, sxy = n+1, sx+x, sy+y, sxx+x*x, syy+y*y, sxy+x*y
				}
			}
			if n > 0 {
				best = math.Max(best, (sxy-sx*sy/n)/math.Sqrt((sxx-sx*sx/n)*(syy-sy*sy/n)+1e-9))
			}
		}
	}
	return best
}

// wipe leaves nothing of the face.
func (p *patch) wipe() {
	if p != nil {
		clear(p.y)
		clear(p.cb)
		clear(p.cr)
		p.mesh = [468]Point{}
	}
}

// eyes is how bright the eyes are against the cheeks: dark glasses make them black all over.
func (p *patch) eyes() float64 {
	var eyes, cheeks float64
	for _, k := range []int{159, 145, 33, 133, 386, 374, 263, 362} {
		y, _, _ := p.spot(k, 2)
		eyes += y / 8
	}
	for _, k := range []int{meshRightCheek, meshLeftCheek} {
		y, _, _ := p.spot(k, 5)
		cheeks += y / 2
	}
	return eyes / (cheeks + 1)
}

// mask is how far the colour of the lower face is from that of the upper one, if mouth and chin look the same, which lips and skin do
// not: a mask. 0 otherwise. The upper face is the forehead or, under a fringe, the root of the nose or what lies below the eyes: whichever is more alike.
func (p *patch) mask() float64 {
	my, mb, mr := p.spot(meshLipTop, 3)
	var lips, tone float64
	far := math.Inf(1)
	for _, upper := range []int{meshBrow, meshNoseRoot, 119, 348} {
		uy, ub, ur := p.spot(upper, 4)
		var off float64
		lips, tone = 0, 0
		for _, k := range []int{meshUnderLip, meshChinFront, 205, 425} {
			y, b, r := p.spot(k, 4)
			off += math.Hypot(b-ub, r-ur)/4 + 0.15*math.Abs(y-uy)/4
			lips += math.Hypot(b-mb, r-mr) / 4
			tone += math.Abs(y-my) / 4
		}
		far = math.Min(far, off)
	}
	if lips > 8 || tone > 40 {
		return 0
	}
	return far
}
