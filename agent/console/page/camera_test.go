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

const cameraFrames = 90 // three seconds; then it begins anew

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
		for range 1000 {
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
		// A step with each picture that the page takes, so that a slow machine sees no other movement than a quick one.
		let taken = 0;
		const send = WebSocket.prototype.send;
		WebSocket.prototype.send = function (x) {
			if (typeof x === "string" && x.includes('"face.frame"')) taken++;
			return send.call(this, x);
		};
		const load = (src) => new Promise((done) => { const i = new Image(); i.onload = () => done(i); i.src = src; });
		navigator.mediaDevices.getUserMedia = async () => {
			const shots = {};
			for (const [kind, list] of Object.entries(films)) shots[kind] = await Promise.all(list.map(load));
			const canvas = document.createElement("canvas");
			canvas.width = 640;
			canvas.height = 480;
			const c = canvas.getContext("2d");
			// How far the person is in a movement: nobody jumps, neither there nor back.
			let doing = "", at = 0, asked = "", since = 0, tick = 0, seen = -1;
			const timer = setInterval(() => {
				tick++;
				const sign = document.querySelector(".sign .do");
				const now = sign ? (/do-(\w+)/.exec(sign.getAttribute("class")) || ["", ""])[1] : "";
				if (now !== asked) {
					asked = now;
					since = tick;
					(window.asked = window.asked || []).push(asked + "@" + Math.round(performance.now())); // for whoever wonders what went wrong
				}
				if (at === 0) doing = shots[asked] && asked !== "look_straight" ? asked : "";
				const steps = doing ? shots[doing] : [];
				if (taken !== seen) at = doing && doing === asked ? Math.min(at + (tick - since > 10 ? 1 : 0), steps.length) : Math.max(at - 1, 0);
				seen = taken;
				const straight = shots.look_straight[Math.floor(tick / 5) % shots.look_straight.length];
				const shot = at > 0 ? steps[at - 1] : straight;
				c.drawImage(shot, Math.random() - .5, Math.random() - .5, 641, 481);
				c.fillStyle = "rgba(" + [0, 0, 0].map(() => Math.floor(Math.random() * 255)) + ", .3)";
				c.fillRect(Math.random() * 640, Math.random() * 40, 3, 3);
				if (!canvas.stream.active) clearInterval(timer);
			}, 40);
			canvas.stream = canvas.captureStream(30);
			return canvas.stream;
		};
	})()`})
}
