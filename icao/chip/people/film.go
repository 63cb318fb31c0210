package people

import (
	"fmt"
	"math"
	"slices"
	"strings"
)

// Moves are what a person can be seen to do in a film, by the names that the face check gives its tasks. Left and right are the
// person's own.
func Moves() []string {
	return []string{"look_straight", "turn_left", "turn_right", "nod", "blink", "come_closer"}
}

// Film gives the views of a person who looks into the camera for a moment and then does what moves say, one after the other, as
// it is seen in so many pictures a second. v is how the film begins. Nobody holds still: the head sways a little, the eyes blink
// now and then. No two views are the same. The error names a move that there is not.
func Film(v View, perSecond int, moves ...string) ([]View, error) {
	if v.Distance == 0 {
		v.Distance = 60
	}
	type part struct {
		seconds float64
		pose    func(v *View, t float64) // t goes from 0 to 1
	}
	// held goes to 1, stays, and comes back.
	held := func(t float64) float64 { return step(0, 0.35, t) - step(0.68, 1, t) }
	straight := part{1.2, func(*View, float64) {}}
	parts := []part{straight}
	for _, m := range moves {
		switch m {
		case "look_straight":
			parts = append(parts, straight)
		case "turn_left", "turn_right":
			side := 1.0
			if m == "turn_right" {
				side = -1
			}
			parts = append(parts, part{2.2, func(v *View, t float64) { v.Yaw += side * 32 * held(t) }})
		case "nod":
			parts = append(parts, part{2.0, func(v *View, t float64) {
				v.Pitch += 20*(step(0, 0.3, t)-step(0.4, 0.7, t)) - 5*(step(0.5, 0.75, t)-step(0.8, 1, t))
			}})
		case "blink":
			parts = append(parts, part{1.6, func(v *View, t float64) {
				for _, at := range []float64{0.28, 0.68} {
					v.Blink = max(v.Blink, step(0.16, 0.07, math.Abs(t-at)))
				}
			}})
		case "come_closer":
			parts = append(parts, part{3.0, func(v *View, t float64) { v.Distance *= 1 - 0.36*(step(0, 0.45, t)-step(0.75, 1, t)) }})
		default:
			return nil, fmt.Errorf("no move %q: there are %s", m, strings.Join(Moves(), ", "))
		}
		parts = append(parts, part{0.5, straight.pose})
	}
	parts = append(parts, straight)
	var film []View
	n := 0
	for _, p := range parts {
		count := max(1, int(math.Round(p.seconds*float64(perSecond))))
		for i := range count {
			w := v
			p.pose(&w, (float64(i)+0.5)/float64(count))
			s := float64(n) / float64(perSecond)
			w.Yaw += 1.1 * noise(s*0.7, 1, 60)
			w.Pitch += 0.8 * noise(s*0.6, 2, 60)
			w.Roll += 0.6 * noise(s*0.5, 3, 60)
			w.X += 0.25 * noise(s*0.5, 4, 60)
			w.Y += 0.2 * noise(s*0.6, 5, 60)
			w.GazeX += 0.08 * noise(s*1.1, 6, 60)
			w.Seed = v.Seed + uint64(n) + 1
			if w.Noise == 0 {
				w.Noise = 2
			}
			film = append(film, w)
			n++
		}
	}
	return slices.Clip(film), nil
}
