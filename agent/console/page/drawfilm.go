//go:build ignore

// Drawfilm draws the pictures that the tests' camera shows: the persona An (icao/chip/people), who looks into a webcam, sways a
// little, and does what a check can ask for. They are committed because drawing them takes longer than all the tests do.
//
//	go run drawfilm.go
package main

import (
	"fmt"
	"image/jpeg"
	"log"
	"os"
	"path/filepath"

	"github.com/tapcheck/tapcheck/icao/chip/people"
)

func main() {
	log.SetFlags(0)
	an, ok := people.Named("an")
	if !ok {
		log.Fatal("nobody of that name")
	}
	model, n := people.New(an), 0
	draw := func(kind string, views ...people.View) {
		for i, v := range views {
			n++
			v.Width, v.Height, v.Noise, v.Seed = 640, 480, 2, uint64(n)
			v.Y = 3 // in the middle of the page's oval
			f, err := os.Create(filepath.Join("testdata", "camera", fmt.Sprintf("%s-%d.jpg", kind, i+1)))
			if err != nil {
				log.Fatal(err)
			}
			if err := jpeg.Encode(f, model.Render(v), &jpeg.Options{Quality: 80}); err != nil {
				log.Fatal(err)
			}
			if err := f.Close(); err != nil {
				log.Fatal(err)
			}
		}
	}
	var sway, left, right, nod []people.View
	for _, x := range []float64{0, 0.8, 1.2, 0.6, -0.3, -1, -1.3, -0.6} {
		sway = append(sway, people.View{Yaw: x, Pitch: 0.5 * x * x, Roll: -0.4 * x, X: 0.2 * x, GazeX: 0.05 * x})
	}
	for _, yaw := range []float64{7, 14, 20, 26, 31} {
		left = append(left, people.View{Yaw: yaw})
		right = append(right, people.View{Yaw: -yaw})
	}
	for _, pitch := range []float64{6, 11, 16, 20} {
		nod = append(nod, people.View{Pitch: pitch})
	}
	draw("look_straight", sway...)
	draw("turn_left", left...)
	draw("turn_right", right...)
	draw("nod", nod...)
	draw("blink", people.View{Blink: 0.5}, people.View{Blink: 1})
	draw("come_closer", people.View{Distance: 56}, people.View{Distance: 52}, people.View{Distance: 48}, people.View{Distance: 45}, people.View{Distance: 43})
}
