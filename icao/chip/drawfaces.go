//go:build ignore

// Drawfaces draws the personas' photos (package people) into data/ as JPEG, and as PPM into the directory given, from which
// opj_compress (Debian: libopenjp2-tools) makes the JPEG 2000 files:
//
//	go run drawfaces.go DIR && for f in DIR/*.ppm; do opj_compress -i $f -o data/$(basename $f .ppm).jp2 -r 30; done
package main

import (
	"bufio"
	"fmt"
	"image"
	"image/jpeg"
	"log"
	"os"
	"path/filepath"

	"github.com/tapcheck/tapcheck/icao/chip/people"
)

func main() {
	log.SetFlags(0)
	if len(os.Args) != 2 {
		log.Fatal("usage: go run drawfaces.go DIR")
	}
	for _, id := range people.IDs() {
		p, _ := people.Named(id)
		if err := write(id, people.Render(p, people.Portrait()), os.Args[1]); err != nil {
			log.Fatal(err)
		}
	}
}

func write(id string, img *image.RGBA, dir string) error {
	f, err := os.Create(filepath.Join("data", "face-"+id+".jpg"))
	if err != nil {
		return err
	}
	if err := jpeg.Encode(f, img, &jpeg.Options{Quality: 86}); err != nil {
		return err
	}
	if err := f.Close(); err != nil {
		return err
	}
	p, err := os.Create(filepath.Join(dir, "face-"+id+".ppm"))
	if err != nil {
		return err
	}
	b := bufio.NewWriter(p)
	fmt.Fprintf(b, "P6\n%d %d\n255\n", img.Rect.Dx(), img.Rect.Dy())
	for i := 0; i < len(img.Pix); i += 4 {
		b.Write(img.Pix[i : i+3])
	}
	if err := b.Flush(); err != nil {
		return err
	}
	return p.Close()
}
