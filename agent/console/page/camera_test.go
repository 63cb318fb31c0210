package page_test

import (
	"bufio"
	"encoding/base64"
	"errors"
	"fmt"
	"image"
	"image/jpeg"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"

	cdp "github.com/chromedp/cdproto/page"
)

// The browser's camera shows the persona An (testdata/camera, made by drawfilm.go).

const cameraFrames = 150 // five seconds; then it begins anew

// writeCamera makes the film that the browser takes for its camera: An looks straight into it. No two pictures of it are the same,
// as no two of a real camera are.
func writeCamera(path string) error {
	names, err := filepath.Glob(filepath.Join("testdata", "camera", "look_straight-*.jpg"))
	if err != nil || len(names) == 0 {
		return errors.Join(err, fs.ErrNotExist)
	}
	var looks []*image.YCbCr
	for _, name := range names {
		f, err := os.Open(name)
		if err != nil {
			return err
		}
		img, err := jpeg.Decode(f)
		if err := errors.Join(err, f.Close()); err != nil {
			return err
		}
		y, ok := img.(*image.YCbCr)
		if !ok || y.SubsampleRatio != image.YCbCrSubsampleRatio420 {
			return fmt.Errorf("%s is not what drawfilm.go makes", name)
		}
		looks = append(looks, y)
	}
	out, err := os.Create(path)
	if err != nil {
		return err
	}
	b := bufio.NewWriterSize(out, 1<<20)
	size := looks[0].Rect.Size()
	fmt.Fprintf(b, "YUV4MPEG2 W%d H%d F30:1 Ip A1:1 C420jpeg\n", size.X, size.Y)
	random := rand.New(rand.NewPCG(1, 2))
	for i := range cameraFrames {
		// There and back again, so that nobody jumps.
		at := i / 4 % (2*len(looks) - 2)
		if at >= len(looks) {
			at = 2*len(looks) - 2 - at
		}
		m := looks[at]
		y := append([]byte(nil), m.Y...)
		for range 600 {
			y[random.IntN(len(y))] ^= byte(random.IntN(8))
		}
		fmt.Fprint(b, "FRAME\n")
		for _, plane := range []struct {
			pix          []byte
			stride, w, h int
		}{{y, m.YStride, size.X, size.Y}, {m.Cb, m.CStride, size.X / 2, size.Y / 2}, {m.Cr, m.CStride, size.X / 2, size.Y / 2}} {
			for row := range plane.h {
				_, _ = b.Write(plane.pix[row*plane.stride : row*plane.stride+plane.w])
			}
		}
	}
	return errors.Join(b.Flush(), out.Close())
}

// obey gives the page a camera before which An does what the page asks for: a film cannot know that, for it is drawn by lot. It
// reacts no faster than a person.
func (p *tab) obey() {
	p.t.Helper()
	films := map[string][]string{}
	names, err := filepath.Glob(filepath.Join("testdata", "camera", "*.jpg"))
	if err != nil {
		p.t.Fatal(err)
	}
	for _, name := range names { // in order: there are never ten
		raw, err := os.ReadFile(name)
		if err != nil {
			p.t.Fatal(err)
		}
		kind, _, _ := strings.Cut(filepath.Base(name), "-")
		films[kind] = append(films[kind], "data:image/jpeg;base64,"+base64.StdEncoding.EncodeToString(raw))
	}
	command(p, cdp.AddScriptToEvaluateOnNewDocument, cdp.AddScriptToEvaluateOnNewDocumentParams{Source: `(() => {
		const films = ` + mustJSON(films) + `;
		const load = (src) => new Promise((done) => { const i = new Image(); i.onload = () => done(i); i.src = src; });
		navigator.mediaDevices.getUserMedia = async () => {
			const shots = {};
			for (const [kind, list] of Object.entries(films)) shots[kind] = await Promise.all(list.map(load));
			const canvas = document.createElement("canvas");
			canvas.width = 480;
			canvas.height = 360;
			const c = canvas.getContext("2d");
			let doing = "", plan = [], tick = 0, began = 0;
			const timer = setInterval(() => {
				tick++;
				const sign = document.querySelector(".sign .do");
				const asked = sign ? (/do-(\w+)/.exec(sign.getAttribute("class")) || ["", ""])[1] : "";
				if (asked !== doing || plan.length === 0 && tick - began > 100) { // and once more, where nobody has seen it
					doing = asked;
					began = tick;
					(window.asked = window.asked || []).push(asked + "@" + Math.round(performance.now()));
					plan = [];
					if (shots[asked] && asked !== "look_straight") {
						const steps = shots[asked].flatMap((s) => [s, s, s]);
						const held = Array(20).fill(steps[steps.length - 1]);
						plan = [...Array(10).fill(null), ...steps, ...held, ...steps.toReversed()];
					}
				}
				const straight = shots.look_straight[Math.floor(tick / 5) % shots.look_straight.length];
				c.drawImage(plan.shift() || straight, Math.random() - .5, Math.random() - .5, 481, 361);
				c.fillStyle = "rgba(" + [0, 0, 0].map(() => Math.floor(Math.random() * 255)) + ", .3)";
				c.fillRect(Math.random() * 480, Math.random() * 40, 3, 3);
				if (!canvas.stream.active) clearInterval(timer);
			}, 40);
			canvas.stream = canvas.captureStream(30);
			return canvas.stream;
		};
	})()`})
}
