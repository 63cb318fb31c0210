package agent

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"image"
	"image/jpeg"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"github.com/tapcheck/tapcheck/agent/catalog"
	"github.com/tapcheck/tapcheck/agent/checkin"
	"github.com/tapcheck/tapcheck/agent/face"
	"github.com/tapcheck/tapcheck/agent/health"
	"github.com/tapcheck/tapcheck/agent/his/client"
	"github.com/tapcheck/tapcheck/agent/keys"
	"github.com/tapcheck/tapcheck/agent/portrait"
	"github.com/tapcheck/tapcheck/agent/settings"
	"github.com/tapcheck/tapcheck/icao/chip"
	"github.com/tapcheck/tapcheck/icao/lds"
)

// faceDesk is an agent in a simulation, and a HIS that may compare faces.
type faceDesk struct {
	*serving
	c   *client.Client
	log *logBook
}

func serveFaces(t *testing.T, change func(*settings.Settings)) *faceDesk {
	t.Helper()
	sim, err := NewSimulation(t.Context(), SimulationOptions{Seed: "faces"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = sim.Close() })
	d := &faceDesk{log: &logBook{}}
	var token string
	d.serving = serve(t, func(o *Options) {
		if err := keys.Claim(o.DataDir, true); err != nil {
			t.Fatal(err)
		}
		tokens, err := keys.OpenTokens(o.DataDir)
		if err != nil {
			t.Fatal(err)
		}
		if token, _, err = tokens.Add(keys.TokenRequest{Desktop: true, Rights: []string{keys.RightRead, keys.RightInsurance, keys.RightFace, keys.RightSimulator}}); err != nil {
			t.Fatal(err)
		}
		o.Simulation, o.Readers, o.Insurer, o.Trust, o.Log = sim, sim.Readers, sim.Insurer, sim.Trust, zerolog.New(d.log)
		if change != nil {
			change(&o.Settings)
		}
	})
	if d.c, err = client.Dial(t.Context(), client.Options{Addr: d.addr, Bearer: token}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = d.c.Close() })
	go func() { // nobody listens: the tests ask
		for range d.c.Notifications() {
		}
	}()
	d.must("session.open", map[string]any{"protocol": 1, "language": "en"})
	return d
}

func can(t *testing.T, persona string) string {
	t.Helper()
	who, err := chip.PersonaByName(persona)
	if err != nil {
		t.Fatal(err)
	}
	return who.CAN()
}

// must asks for something that has to succeed.
func (d *faceDesk) must(method string, params any) (answer map[string]any) {
	d.t.Helper()
	if err := d.c.Call(d.t.Context(), method, params, &answer); err != nil {
		d.t.Fatalf("%s: %v", method, err)
	}
	return answer
}

// begin starts a check-in with a face and goes on until it wants a live picture.
func (d *faceDesk) begin(job, persona, face string) {
	d.t.Helper()
	d.must("checkin.start", map[string]any{"jobId": job, "means": "chip", "key": map[string]string{"can": can(d.t, persona)}, "face": face, "insurance": "off"})
	d.must("consent.record", map[string]any{"jobId": job, "purpose": "face_verification", "textVersion": "1", "given": true, "by": "patient"})
	d.must("sim.insert", map[string]string{"persona": persona})
	d.until(job, func(s map[string]any) bool {
		need, _ := s["need"].(map[string]any)
		return need["need"] == "live_image"
	})
	d.must("sim.remove", map[string]string{})
}

func (d *faceDesk) until(job string, is func(status map[string]any) bool) map[string]any {
	d.t.Helper()
	var s map[string]any
	for range 600 {
		if s = d.must("job.status", map[string]string{"jobId": job}); is(s) {
			return s
		}
		time.Sleep(25 * time.Millisecond)
	}
	d.t.Fatalf("it never comes: %v", s)
	return nil
}

// verdict waits for the end of a check-in and gives what it says of the face.
func (d *faceDesk) verdict(job string) (v checkin.FaceVerdict) {
	d.t.Helper()
	s := d.until(job, func(s map[string]any) bool { return s["state"] == "complete" })
	raw, _ := json.Marshal(s["result"].(map[string]any)["verdicts"].(map[string]any)["face"])
	if err := json.Unmarshal(raw, &v); err != nil {
		d.t.Fatal(err)
	}
	return v
}

func (d *faceDesk) frame(job string, seq int, picture []byte, challenge string) checkin.FaceFrameResult {
	d.t.Helper()
	return d.frameAt(job, seq, time.Duration(seq)*100*time.Millisecond, picture, challenge)
}

func (d *faceDesk) frameAt(job string, seq int, at time.Duration, picture []byte, challenge string) (r checkin.FaceFrameResult) {
	d.t.Helper()
	p := map[string]any{"jobId": job, "seq": seq, "atMs": at.Milliseconds(), "image": map[string]any{"mime": "image/jpeg", "data": picture}}
	if challenge != "" {
		p["challenge"] = challenge
	}
	if err := d.c.Call(d.t.Context(), "face.frame", p, &r); err != nil {
		d.t.Fatal(err)
	}
	return r
}

// secretMark is in the pictures of TestLivePicturesLeaveNoTrace, and looked for afterwards.
const secretMark = "Ảnh-sống-không-được-lưu-0123456789-xyzzy-plugh"

// marked is a picture that holds the mark in a comment, as JPEG allows.
func marked(t *testing.T) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := jpeg.Encode(&b, image.NewRGBA(image.Rect(0, 0, 320, 240)), nil); err != nil {
		t.Fatal(err)
	}
	comment := []byte(strings.Repeat(secretMark, 20))
	head := []byte{0xFF, 0xD8, 0xFF, 0xFE, byte((len(comment) + 2) >> 8), byte(len(comment) + 2)}
	return append(append(head, comment...), b.Bytes()[2:]...)
}

// traces are what the mark looks like: as it is, and within base64, wherever it begins.
func traces() [][]byte {
	out := [][]byte{[]byte(secretMark)}
	for i := range 3 {
		enc := base64.StdEncoding.EncodeToString([]byte(secretMark[i:]))
		out = append(out, []byte(enc[4:len(enc)-8]))
	}
	return out
}

// TestLivePicturesLeaveNoTrace sends marked pictures through everything that looks at them, and hunts for the mark in the data
// folder, in the folder of temporary files and in the log. Of what the journal holds, encrypted, agent/checkin's tests look at it.
func TestLivePicturesLeaveNoTrace(t *testing.T) {
	temp := t.TempDir()
	t.Setenv("TMPDIR", temp)
	d := serveFaces(t, nil)
	picture := marked(t)
	for _, does := range []string{"normal", "no_match", "decoder_crash"} {
		d.must("sim.fault", map[string]string{"face": does})
		d.begin("hunt-"+does, "an", "required")
		for i := range 4 {
			time.Sleep(60 * time.Millisecond)
			if r := d.frame("hunt-"+does, i+1, picture, ""); r.Done {
				break
			}
		}
		if does == "no_match" {
			d.must("face.verify", map[string]any{"jobId": "hunt-" + does, "image": map[string]any{"mime": "image/jpeg", "data": picture}})
		}
		d.must("job.provide", map[string]any{"jobId": "hunt-" + does, "face": map[string]string{"action": "skip", "reason": "other"}})
		if v := d.verdict("hunt-" + does); v.Status == lds.Passed {
			t.Errorf("%s: %+v", does, v)
		}
	}
	files := 0
	hunt := func(name string, raw []byte) {
		for _, trace := range traces() {
			if bytes.Contains(raw, trace) {
				t.Errorf("a live picture is in %s", name)
			}
		}
	}
	for _, dir := range []string{d.dir, temp} {
		err := filepath.WalkDir(dir, func(path string, e fs.DirEntry, err error) error {
			if err != nil || e.IsDir() {
				return err
			}
			raw, err := os.ReadFile(path)
			if errors.Is(err, fs.ErrNotExist) { // the journal's own
				return nil
			}
			files++
			hunt(filepath.Base(path), raw)
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	if hunt("the log", []byte(d.log.String())); files < 3 || !strings.Contains(d.log.String(), "face.over") {
		t.Errorf("nothing was hunted: %d files, log of %d bytes", files, len(d.log.String()))
	}
}

// TestFaceModelsComeAndGo: they are loaded for who wants them, once, and let go when nobody has for a while.
func TestFaceModelsComeAndGo(t *testing.T) {
	pictures, err := portrait.New(portrait.Options{})
	if err != nil {
		t.Fatal(err)
	}
	book := &logBook{}
	log := func(event string, _ map[string]any) { _, _ = book.Write([]byte(event + "\n")) }
	f := newFaces(settings.Default().Face, pictures, &health.Tracker{}, log)
	f.idle = 20 * time.Millisecond
	defer f.close()
	f.Warm()
	f.Warm()
	eventually(t, "models that nobody uses are let go", func() bool { return strings.Contains(book.String(), "face.models_released") })
	var checks []checkin.FaceCheck
	for range 3 {
		c, err := f.Begin(t.Context(), checkin.FaceOptions{Level: "standard", Check: "none"})
		if err != nil {
			t.Fatal(err)
		}
		checks = append(checks, c)
	}
	time.Sleep(100 * time.Millisecond)
	if n := strings.Count(book.String(), "released"); n != 1 {
		t.Errorf("let go %d times, also while somebody compares", n)
	}
	for _, c := range checks {
		c.Close()
	}
	eventually(t, "let go again", func() bool { return strings.Count(book.String(), "released") == 2 })
	if n := strings.Count(book.String(), "face.models_loaded"); n != 2 {
		t.Errorf("loaded %d times", n)
	}
}

// TestFaceModelThatCannotBeUsed: no other stands in for a hospital's own, its check-ins go on, and IT is told.
func TestFaceModelThatCannotBeUsed(t *testing.T) {
	d := serveFaces(t, func(s *settings.Settings) {
		s.Face.ModelFile = filepath.Join(t.TempDir(), "none.toml")
		s.Face.Consent = false
	})
	d.must("checkin.start", map[string]any{"jobId": "j1", "means": "chip", "key": map[string]string{"can": can(t, "an")}, "face": "required", "insurance": "off"})
	d.must("sim.insert", map[string]string{"persona": "an"})
	if v := d.verdict("j1"); v.Status != lds.NotDone || v.Reason != lds.ReasonModelsMissing || !v.Required {
		t.Errorf("%+v", v)
	}
	var st struct {
		Health []struct{ ID, Cause, Fix string }
	}
	if err := d.c.Call(t.Context(), "agent.status", nil, &st); err != nil {
		t.Fatal(err)
	}
	told := false
	for _, h := range st.Health {
		told = told || h.ID == string(health.FaceModelUnusable) && h.Cause != "" && h.Fix != ""
	}
	if !told || !strings.Contains(d.log.String(), "face.model_unusable") {
		t.Errorf("%+v", st.Health)
	}
}

// TestAProgramWithoutModels says so, to IT too, and only once somebody has asked for a face.
func TestAProgramWithoutModels(t *testing.T) {
	pictures, err := portrait.New(portrait.Options{})
	if err != nil {
		t.Fatal(err)
	}
	state := &health.Tracker{}
	f := newFaces(settings.Default().Face, pictures, state, quiet)
	defer f.close()
	f.models = func(context.Context, face.Options) (*face.Engine, error) { return nil, face.ErrNoModels }
	if w := state.List(catalog.EN); len(w) != 0 {
		t.Errorf("nobody has asked: %+v", w)
	}
	for range 2 {
		if _, err := f.Begin(t.Context(), checkin.FaceOptions{}); !errors.Is(err, checkin.ErrFaceModels) {
			t.Errorf("%v", err)
		}
	}
	if w := state.List(catalog.EN); len(w) != 1 || w[0].Code != health.FaceModelsMissing || w[0].Cure == "" {
		t.Errorf("%+v", w)
	}
	f.models = func(context.Context, face.Options) (*face.Engine, error) { panic("a file that nobody foresaw") }
	if _, err := f.Begin(t.Context(), checkin.FaceOptions{}); !errors.Is(err, checkin.ErrFaceModels) {
		t.Errorf("%v", err)
	}
	if w := state.List(catalog.EN); len(w) != 1 || w[0].Code != health.FaceModelUnusable {
		t.Errorf("%+v", w)
	}
}

// TestWhatAWrongPictureIsCalled: each is a finding with its instruction, and none an error.
func TestWhatAWrongPictureIsCalled(t *testing.T) {
	d := serveFaces(t, nil)
	d.begin("j1", "an", "offered")
	var small bytes.Buffer
	if err := jpeg.Encode(&small, image.NewRGBA(image.Rect(0, 0, 1, 1)), nil); err != nil {
		t.Fatal(err)
	}
	whole := marked(t)
	seq := 0
	for _, c := range []struct {
		name, want string
		picture    []byte
	}{
		{"1×1", "PICTURE_TOO_SMALL", small.Bytes()}, {"cut off", "PICTURE_BROKEN", whole[:len(whole)-200]}, {"text", "PICTURE_TYPE", []byte("no picture")},
		{"nobody", "NO_FACE", whole},
	} {
		seq++
		time.Sleep(60 * time.Millisecond)
		r := d.frame("j1", seq, c.picture, "")
		if len(r.Findings) == 0 || r.Findings[0].ID != c.want || r.Findings[0].Text == "" || r.Done || r.Challenge == nil {
			t.Errorf("%s: %+v", c.name, r)
		}
		if text, _ := catalog.FaceText(c.want, catalog.EN); len(r.Findings) > 0 && r.Findings[0].Text != text {
			t.Errorf("%s says %q", c.name, r.Findings[0].Text)
		}
	}
}
