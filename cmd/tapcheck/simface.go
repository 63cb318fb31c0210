package main

import (
	"bufio"
	"errors"
	"fmt"
	"image"
	"image/color"
	"image/jpeg"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/tapcheck/tapcheck/agent/catalog"
	"github.com/tapcheck/tapcheck/icao/chip/people"
)

// simFaceCmd draws an invented patient for who writes a HIS and has no camera, or no patient.
type simFaceCmd struct {
	Persona string   `help:"Who is seen: a persona that has a photo." default:"an" placeholder:"NAME"`
	Out     string   `help:"Folder for the single pictures, each named by its move: 0017-turn_left.jpg." type:"path" placeholder:"DIR"`
	MJPEG   string   `name:"mjpeg" help:"File for a film as a row of JPEGs. Chromium takes it for its camera: --use-fake-device-for-media-stream --use-file-for-fake-video-capture=FILE." type:"path" placeholder:"FILE"`
	Y4M     string   `name:"y4m" help:"File for an uncompressed film, which Chromium takes too." type:"path" placeholder:"FILE"`
	Moves   []string `help:"What the person does, in this order: look_straight, turn_left, turn_right, nod, blink, come_closer." default:"look_straight" placeholder:"MOVE,..."`
	FPS     int      `name:"fps" help:"Pictures a second." default:"10"`
	Size    string   `help:"Of the pictures, in pixels." default:"640x480" placeholder:"WxH"`
	Dim     bool     `help:"In bad light, which a quality check must find."`
}

const mostFrames = 3000 // of one film

// Run draws what is asked for. Files that exist are not overwritten.
func (c simFaceCmd) Run(a *app) error {
	who, ok := people.Named(c.Persona)
	if !ok {
		return usage("no persona %q with a face: there are %s", c.Persona, strings.Join(people.IDs(), ", "))
	}
	if c.Out == "" && c.MJPEG == "" && c.Y4M == "" {
		return usage("say where it goes: --out DIR, --mjpeg FILE or --y4m FILE")
	}
	view, err := viewOf(c.Size)
	if err != nil {
		return err
	}
	if c.FPS < 1 || c.FPS > 60 {
		return usage("--fps is 1 to 60")
	}
	if c.Dim {
		view.Light, view.Around, view.Noise = 0.25, 0.3, 9
	}
	film, err := people.Film(view, c.FPS, c.Moves...)
	if err != nil {
		return usage("%v", err)
	}
	if len(film) > mostFrames {
		return usage("%d pictures, and %d are the most", len(film), mostFrames)
	}
	moves := people.Moved(c.FPS, c.Moves...)
	var sinks []func(n int, img *image.RGBA) error
	if c.Out != "" {
		if err := os.MkdirAll(c.Out, 0o750); err != nil {
			return err
		}
		sinks = append(sinks, func(n int, img *image.RGBA) (err error) {
			f, err := os.OpenFile(filepath.Join(c.Out, fmt.Sprintf("%04d-%s.jpg", n+1, moves[n])), os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644)
			if err != nil {
				return err
			}
			defer func() { err = errors.Join(err, f.Close()) }()
			return jpeg.Encode(f, img, &jpeg.Options{Quality: 90})
		})
	}
	for name, write := range map[string]func(io.Writer, int, *image.RGBA) error{
		c.MJPEG: func(w io.Writer, _ int, img *image.RGBA) error {
			return jpeg.Encode(w, img, &jpeg.Options{Quality: 90})
		},
		c.Y4M: func(w io.Writer, n int, img *image.RGBA) error { return writeY4M(w, n, c.FPS, img) },
	} {
		if name == "" {
			continue
		}
		f, err := os.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644)
		if err != nil {
			return err
		}
		defer func() { _ = f.Close() }()
		b := bufio.NewWriterSize(f, 1<<20)
		sinks = append(sinks, func(n int, img *image.RGBA) error {
			if err := write(b, n, img); err != nil {
				return err
			}
			if n == len(film)-1 {
				return errors.Join(b.Flush(), f.Sync())
			}
			return nil
		})
	}
	model := people.New(who)
	for n, v := range film {
		if err := a.ctx.Err(); err != nil {
			return err
		}
		img := model.Render(v)
		for _, sink := range sinks {
			if err := sink(n, img); err != nil {
				return err
			}
		}
	}
	text := "%d ảnh\n"
	if a.lang == catalog.EN {
		text = "%d pictures\n"
	}
	fmt.Fprintf(a.Stdout, text, len(film))
	return nil
}

// viewOf takes apart WxH.
func viewOf(size string) (people.View, error) {
	ws, hs, _ := strings.Cut(size, "x")
	w, errW := strconv.Atoi(ws)
	h, errH := strconv.Atoi(hs)
	if errW != nil || errH != nil || w < 64 || h < 64 || w > 1920 || h > 1920 || w%2 != 0 || h%2 != 0 {
		return people.View{}, usage("--size is like 640x480: even numbers from 64 to 1920")
	}
	return people.View{Width: w, Height: h, Distance: 50}, nil // as near as a face check wants it
}

// writeY4M writes one picture of a YUV4MPEG2 stream, with a head before the first: a plane of brightness, and two of colour with
// half as many pixels each way.
func writeY4M(w io.Writer, n, fps int, img *image.RGBA) error {
	width, height := img.Rect.Dx(), img.Rect.Dy()
	var out []byte
	if n == 0 {
		out = fmt.Appendf(out, "YUV4MPEG2 W%d H%d F%d:1 Ip A1:1 C420jpeg\n", width, height, fps)
	}
	out = append(out, "FRAME\n"...)
	cb, cr := make([]byte, 0, width*height/4), make([]byte, 0, width*height/4)
	for y := range height {
		for x := range width {
			i := img.PixOffset(x, y)
			l, _, _ := color.RGBToYCbCr(img.Pix[i], img.Pix[i+1], img.Pix[i+2])
			out = append(out, l)
			if x%2 == 0 && y%2 == 0 {
				var sum [3]int
				for _, j := range []int{i, i + 4, i + img.Stride, i + img.Stride + 4} {
					for c := range 3 {
						sum[c] += int(img.Pix[j+c])
					}
				}
				_, b, r := color.RGBToYCbCr(uint8(sum[0]/4), uint8(sum[1]/4), uint8(sum[2]/4))
				cb, cr = append(cb, b), append(cr, r)
			}
		}
	}
	_, err := w.Write(append(append(out, cb...), cr...))
	return err
}
