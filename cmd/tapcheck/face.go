package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"image"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/tapcheck/tapcheck/agent/catalog"
	"github.com/tapcheck/tapcheck/agent/face"
	"github.com/tapcheck/tapcheck/agent/face/trial"
	"github.com/tapcheck/tapcheck/agent/portrait"
	"github.com/tapcheck/tapcheck/icao/chip/people"
)

type faceCmd struct {
	Bench faceBenchCmd `cmd:"" help:"Measure the face check on the pictures of people who agreed to it: error rates with confidence intervals, times, memory, attacks."`
}

type faceBenchCmd struct {
	Dir     string `arg:"" help:"Folder with pairs.tsv (columns same, chip, live and any groups, with tabs between them) and the pictures that it names." type:"path"`
	Out     string `help:"Save the curve of both error rates there, as det.csv and det.png." type:"path" placeholder:"DIR"`
	Model   string `help:"Descriptor of a recogniser in the place of the one that comes with Tapcheck." type:"path" placeholder:"FILE"`
	Times   int    `help:"So many pairs are timed, with vector code and without; 0: none." default:"20"`
	Attacks int    `help:"Simulate attacks with so many people of the folder; some minutes." default:"0"`
}

// Run measures.
func (c faceBenchCmd) Run(a *app) error {
	rss, _ := trial.Memory()
	began := time.Now()
	engine, err := face.Load(a.ctx, face.Options{ModelFile: c.Model})
	if errors.Is(err, face.ErrNoModels) {
		return errors.New(a.say("chương trình này không có mô hình khuôn mặt (make models)", "this program was built without face models (make models)"))
	}
	if err != nil {
		return err
	}
	load := time.Since(began)
	loaded, _ := trial.Memory()
	pictures, err := portrait.New(portrait.Options{})
	if err != nil {
		return err
	}
	stream, err := pictures.Open(a.ctx)
	if err != nil {
		return err
	}
	defer stream.Close()
	decode := decodeFor(pictures, stream)
	a.printf("%s %s, %s %s\n", a.say("mô hình", "model"), engine.Model().Name, a.say("trong thư mục", "on the folder"), filepath.Base(c.Dir))

	files, err := c.genuine(max(c.Times, c.Attacks))
	if err != nil {
		return err
	}
	if len(files) > 0 && c.Times > 0 {
		// First, so that the peak is that of verifications.
		if _, err := trial.Time(a.ctx, engine, decode, files[:1]); err != nil {
			return err
		}
	}
	_, peak := trial.Memory()
	report, err := trial.Run(a.ctx, trial.Options{Dir: c.Dir, Decode: decode, Engine: engine})
	if err != nil {
		return err
	}
	c.rates(a, report)
	c.failures(a, report)
	if c.Out != "" {
		if err := c.save(report); err != nil {
			return err
		}
		a.printf("\n%s\n", filepath.Join(c.Out, "det.png"))
	}
	if len(files) > 0 && c.Times > 0 {
		if err := c.times(a, engine, decode, files[:min(c.Times, len(files))]); err != nil {
			return err
		}
	}
	a.printf("\n%s: %s %d ms\n", a.say("Nạp mô hình", "Loading the models"), a.say("mất", "took"), load.Milliseconds())
	if rss > 0 {
		mb := func(b uint64) float64 { return float64(b) / (1 << 20) }
		a.printf(a.say("Bộ nhớ: trước khi nạp %.0f MB, có mô hình thêm %.0f MB, cao nhất khi so khuôn mặt thêm %.0f MB\n",
			"Memory: before loading %.0f MB, with models %.0f MB more, at the peak of a verification %.0f MB more\n"), mb(rss), mb(loaded)-mb(rss), mb(peak)-mb(rss))
	}
	if c.Attacks > 0 {
		return c.attacks(a, engine, decode, files[:min(c.Attacks, len(files))])
	}
	return nil
}

// decodeFor decodes in children, as the agent does.
func decodeFor(pictures *portrait.Decoder, stream *portrait.Stream) trial.Decode {
	return func(ctx context.Context, _ string, data []byte, photo bool) (face.Image, error) {
		var p portrait.Pixels
		var err error
		switch {
		case bytes.HasPrefix(data, []byte("\x89PNG")):
			p, err = stream.Decode(ctx, "image/png", data)
		case bytes.HasPrefix(data, []byte{0, 0, 0, 12, 'j', 'P'}):
			p, err = pictures.ToRGB(ctx, "jp2", data)
		case bytes.HasPrefix(data, []byte{0xff, 0x4f, 0xff, 0x51}):
			p, err = pictures.ToRGB(ctx, "j2k", data)
		case photo && bytes.HasPrefix(data, []byte{0xff, 0xd8}):
			p, err = pictures.ToRGB(ctx, "jpeg", data)
		default:
			p, err = stream.Decode(ctx, "image/jpeg", data)
		}
		if err != nil {
			if id := portrait.Finding(err); id != "" {
				return face.Image{}, errors.New(id)
			}
			return face.Image{}, errors.New("DECODER_FAILED")
		}
		return face.Image{Width: p.Width, Height: p.Height, Pix: p.Pix}, nil
	}
}

// genuine reads the files of the first pairs of one person each, another person each time.
func (c faceBenchCmd) genuine(n int) ([][2]trial.File, error) {
	f, err := os.Open(filepath.Join(c.Dir, trial.PairsFile))
	if err != nil {
		return nil, err
	}
	defer func() { _ = f.Close() }()
	list, err := trial.ReadPairs(f)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", trial.PairsFile, err)
	}
	var files [][2]trial.File
	seen := map[string]bool{}
	for _, p := range list.Pairs {
		if len(files) == n {
			break
		}
		if !p.Same || seen[p.Chip] {
			continue
		}
		seen[p.Chip] = true
		var one [2]trial.File
		for i, name := range []string{p.Chip, p.Live} {
			data, err := trial.ReadFile(filepath.Join(c.Dir, filepath.FromSlash(name)))
			if err != nil {
				return nil, err
			}
			one[i] = trial.File{Path: name, Data: data}
		}
		files = append(files, one)
	}
	return files, nil
}

func rate(r trial.Rate) string {
	if r.Of == 0 {
		return "–"
	}
	lo, hi := r.Interval()
	percent := func(v float64) string { return strconv.FormatFloat(100*v, 'g', 3, 64) }
	return fmt.Sprintf("%d/%d  %s %% (%s–%s)", r.Count, r.Of, percent(r.Value()), percent(lo), percent(hi))
}

func (c faceBenchCmd) rates(a *app, r *trial.Report) {
	a.printf("\n%s\n", a.say("Tỷ lệ sai theo ngưỡng, khoảng tin cậy 95 % (Clopper–Pearson). FMR: nhận nhầm người khác; FNMR: không nhận ra đúng người.",
		"Error rates over thresholds, 95 % confidence (Clopper–Pearson). FMR: another person taken for the holder; FNMR: the holder not recognised."))
	levels := map[float64]string{}
	for level, t := range r.Model.Thresholds {
		levels[t.Match] = string(level)
	}
	var at []float64
	for i := 6; i <= 16; i++ {
		at = append(at, float64(i)/20)
	}
	for t := range levels {
		if !slices.Contains(at, t) {
			at = append(at, t)
		}
	}
	slices.Sort(at)
	a.printf("%-18s %-38s %s\n", a.say("ngưỡng", "threshold"), "FMR", "FNMR")
	for _, t := range at {
		a.printf("%-18s %-38s %s\n", strings.TrimSpace(fmt.Sprintf("%.2f %s", t, levels[t])), rate(r.Scores.FMR(t)), rate(r.Scores.FNMR(t)))
	}
	if n := len(r.Scores.Genuine); n > 0 {
		a.printf(a.say("đúng người: thấp nhất %.3f", "holders: lowest %.3f"), r.Scores.Genuine[0])
		if m := len(r.Scores.Impostor); m > 0 {
			a.printf(a.say("; người khác: cao nhất %.3f; EER %.2f %%", "; others: highest %.3f; EER %.2f %%"), r.Scores.Impostor[m-1], 100*r.Scores.EER())
		}
		a.printf("\n")
	}
	a.printf("%s\n", a.say("Các cặp có chung một người không độc lập với nhau: với ít người, khoảng của FMR thực ra rộng hơn.",
		"Pairs that share a person are not independent: with few people the interval of the FMR is really wider."))
	if len(r.Groups) == 0 {
		return
	}
	t := r.Model.Thresholds[face.LevelStandard].Match
	a.printf(a.say("\nTheo nhóm, ở ngưỡng %.2f\n", "\nBy group, at threshold %.2f\n"), t)
	for _, g := range r.Groups {
		a.printf("%-24s %-38s %s\n", g.Name+" = "+g.Value, rate(g.FMR(t)), rate(g.FNMR(t)))
	}
}

func (c faceBenchCmd) failures(a *app, r *trial.Report) {
	a.printf("\n%s\n", a.say("Ảnh không dùng được (failure to acquire)", "Pictures that could not be used (failure to acquire)"))
	a.printf("%-18s %s\n", a.say("ảnh trong chip", "chip photos"), rate(r.Photos))
	a.printf("%-18s %s\n", a.say("ảnh chụp", "live pictures"), rate(r.Live))
	a.printf("%-18s %s\n", a.say("cặp đúng người", "genuine pairs"), rate(r.LeftGenuine))
	for _, f := range r.Failures {
		text, _ := catalog.FaceText(f.Finding, a.lang)
		a.printf("  %s: %s %s\n", f.Path, f.Finding, text)
	}
	var warned []string
	for id, n := range r.Warned {
		warned = append(warned, fmt.Sprintf("%s %d", id, n))
	}
	if slices.Sort(warned); len(warned) > 0 {
		a.printf("%s: %s\n", a.say("dùng được nhưng có nhắc", "used, with a hint"), strings.Join(warned, ", "))
	}
}

func (c faceBenchCmd) save(r *trial.Report) error {
	if err := os.MkdirAll(c.Out, 0o755); err != nil {
		return err
	}
	var table, plot bytes.Buffer
	if err := r.Scores.WriteCSV(&table); err != nil {
		return err
	}
	var marks []float64
	for _, t := range r.Model.Thresholds {
		marks = append(marks, t.Match)
	}
	if err := r.Scores.WritePNG(&plot, marks); err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(c.Out, "det.csv"), table.Bytes(), 0o644); err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(c.Out, "det.png"), plot.Bytes(), 0o644)
}

func (c faceBenchCmd) times(a *app, fast *face.Engine, decode trial.Decode, files [][2]trial.File) error {
	plain, err := face.Load(a.ctx, face.Options{ModelFile: c.Model, NoVector: true})
	if err != nil {
		return err
	}
	with, err := trial.Time(a.ctx, fast, decode, files)
	if err != nil {
		return err
	}
	without, err := trial.Time(a.ctx, plain, decode, files)
	if err != nil {
		return err
	}
	a.printf("\n%s\n", a.say("Thời gian trên một nhân, mili giây: bộ xử lý đã dùng, trung vị, 95 %; có mã vectơ, và không có",
		"Times on one core, milliseconds: processor time, then median and 95 % of what passed; with vector code, and without"))
	for i, s := range with {
		ms := func(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }
		p := without[i]
		a.printf("%-28s %7.1f %7.1f %7.1f   %7.1f %7.1f %7.1f\n", s.Name, ms(s.Processor), ms(s.Median), ms(s.P95), ms(p.Processor), ms(p.Median), ms(p.P95))
	}
	return nil
}

func (c faceBenchCmd) attacks(a *app, e *face.Engine, decode trial.Decode, files [][2]trial.File) error {
	var subjects []trial.Subject
	for _, f := range files {
		photo, err := decode(a.ctx, f[0].Path, f[0].Data, true)
		if err != nil {
			return fmt.Errorf("%s: %w", f[0].Path, err)
		}
		live, err := decode(a.ctx, f[1].Path, f[1].Data, false)
		if err != nil {
			return fmt.Errorf("%s: %w", f[1].Path, err)
		}
		subjects = append(subjects, trial.Subject{Photo: photo, Picture: live})
	}
	a.printf("\n%s\n", a.say("Kiểm tra giả mạo (active_challenge), tất cả đều mô phỏng", "Attack checks (active_challenge), all of it simulated"))
	const form = "%-66s %4v %7v %7v %8v %9v %6v %7v  %s\n"
	a.printf(form, "", "n", a.say("đạt", "passed"), a.say("hỏng", "failed"), a.say("chưa rõ", "unclear"), a.say("không làm", "not done"), a.say("khớp", "match"), a.say("nghi MH", "screen?"), "")
	_, err := trial.Campaign(a.ctx, e, subjects, doubles(), func(r trial.Row) {
		var why []string
		for reason, n := range r.Reasons {
			why = append(why, fmt.Sprintf("%s %d", reason, n))
		}
		slices.Sort(why)
		name := r.Name
		if r.BonaFide {
			name = "✓ " + name
		}
		a.printf(form, name, r.Performed, r.Passed, r.Failed, r.Unknown, r.NotDone, r.Matched, r.Hints, strings.Join(why, ", "))
	})
	return err
}

// doubles are the personas, drawn before a webcam: heads that turn, nod, blink and come closer.
func doubles() []trial.Double {
	var all []trial.Double
	for _, id := range people.IDs() {
		p, _ := people.Named(id)
		m := people.New(p)
		all = append(all, trial.Double{Photo: rgb(m.Render(people.Portrait())), Draw: func(q trial.Pose) face.Image {
			// The trial measures in millimetres, downwards, and leans to the left shoulder.
			return rgb(m.Render(people.View{Yaw: q.Yaw, Pitch: q.Pitch, Roll: -q.Roll, Blink: q.Blink, Distance: 52 / (1 + q.Near), X: q.X / 10, Y: -q.Y / 10}))
		}})
	}
	return all
}

// rgb is a drawn picture as the face check takes it.
func rgb(m *image.RGBA) face.Image {
	b := m.Bounds()
	out := face.Image{Width: b.Dx(), Height: b.Dy(), Pix: make([]byte, 0, 3*b.Dx()*b.Dy())}
	for y := b.Min.Y; y < b.Max.Y; y++ {
		for k := m.PixOffset(b.Min.X, y); k < m.PixOffset(b.Max.X, y); k += 4 {
			out.Pix = append(out.Pix, m.Pix[k], m.Pix[k+1], m.Pix[k+2])
		}
	}
	return out
}
