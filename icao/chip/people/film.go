package people

import (
	"fmt"
	"math"
	"slices"
	"strings"
)

// Moves are what a person can be seen to do, by the names that the face check gives its tasks. Left and right are the person's
// own.
func Moves() []string {
	return []string{"look_straight", "turn_left", "turn_right", "nod", "blink", "come_closer"}
}

// lasts is how many seconds a move takes.
func lasts(move string) float64 {
	return map[string]float64{"look_straight": 1.2, "turn_left": 2.2, "turn_right": 2.2, "nod": 2, "blink": 1.6, "come_closer": 3}[move]
}

// Doing is the view of a person, seen as v before, who has begun a move so many seconds ago. When it is over, the view is v again.
// The error is a move that there is not.
func Doing(v View, move string, seconds float64) (View, error) {
	whole := lasts(move)
	if whole == 0 {
		return View{}, fmt.Errorf("no move %q: there are %s", move, strings.Join(Moves(), ", "))
	}
	t := clamp(seconds/whole, 0, 1)
	switch move {
	case "turn_left":
		v.Yaw += 32 * (step(0, 0.35, t) - step(0.68, 1, t))
	case "turn_right":
		v.Yaw -= 32 * (step(0, 0.35, t) - step(0.68, 1, t))
	case "nod": // down, and a little beyond on the way back
		v.Pitch += 20*(step(0, 0.3, t)-step(0.4, 0.7, t)) - 5*(step(0.5, 0.75, t)-step(0.8, 1, t))
	case "blink": // twice
		for _, at := range []float64{0.28, 0.68} {
			v.Blink = max(v.Blink, step(0.16, 0.07, math.Abs(t-at)))
		}
	case "come_closer":
		if v.Distance == 0 {
			v.Distance = usualDistance
		}
		v.Distance *= 1 - 0.36*(step(0, 0.45, t)-step(0.75, 1, t))
	}
	return v, nil
}

// Sway is the view of a person who holds as still as people do, so many seconds after v.
func Sway(v View, seconds float64) View {
	v.Yaw += 1.1 * noise(seconds*0.7, 1, 60)
	v.Pitch += 0.8 * noise(seconds*0.6, 2, 60)
	v.Roll += 0.6 * noise(seconds*0.5, 3, 60)
	v.X += 0.25 * noise(seconds*0.5, 4, 60)
	v.Y += 0.2 * noise(seconds*0.6, 5, 60)
	v.GazeX += 0.08 * noise(seconds*1.1, 6, 60)
	v.Seed += uint64(seconds*1000) + 1
	if v.Noise == 0 {
		v.Noise = 2
	}
	return v
}

// pictures is how many a film has of a move, with a pause after it.
func pictures(move string, perSecond int) int {
	return int(math.Round((lasts(move) + 0.4) * float64(perSecond)))
}

// Moved names the move of each picture that Film gives for the same arguments.
func Moved(perSecond int, moves ...string) []string {
	var names []string
	for _, m := range append(append([]string{"look_straight"}, moves...), "look_straight") {
		names = append(names, slices.Repeat([]string{m}, pictures(m, perSecond))...)
	}
	return names
}

// Film gives the views of a person who looks into the camera for a moment and then does what moves say, one after the other, as
// it is seen in so many pictures a second. v is how the film begins. Nobody holds quite still, and no two views are the same. The
// error names a move that there is not.
func Film(v View, perSecond int, moves ...string) ([]View, error) {
	var film []View
	for _, m := range append(append([]string{"look_straight"}, moves...), "look_straight") {
		if _, err := Doing(v, m, 0); err != nil {
			return nil, err
		}
		for i := range pictures(m, perSecond) {
			w, _ := Doing(v, m, (float64(i)+0.5)/float64(perSecond))
			film = append(film, Sway(w, float64(len(film))/float64(perSecond)))
		}
	}
	return film, nil
}
