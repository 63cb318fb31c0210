package update

import (
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

// pc is a PC whose program is a file that holds its version, and a release in a folder.
type pc struct {
	t       *testing.T
	dir     string // the updater's
	program string
	source  string
	key     ed25519.PrivateKey
	c       Config

	kind     string
	sick     map[string]bool // versions that do not become healthy
	cannot   map[string]bool // versions whose installation fails
	cut      bool            // the next installation is broken off half-way
	restarts int
	looping  bool
	calls    []string
	// Other things that are wrong with the service, whatever the version.
	down    []string
	stopped bool
	busy    int // looks that find a patient at the desk
}

var noon = time.Date(2026, 12, 1, 12, 0, 0, 0, time.Local)

func newPC(t *testing.T, version string) *pc {
	t.Helper()
	root := t.TempDir()
	p := &pc{t: t, dir: filepath.Join(root, "updater"), program: filepath.Join(root, "tapcheck"), source: filepath.Join(root, "source"), kind: Program,
		sick: map[string]bool{}, cannot: map[string]bool{}}
	_, p.key, _ = ed25519.GenerateKey(rand.Reader)
	if err := os.Mkdir(p.source, 0o755); err != nil {
		t.Fatal(err)
	}
	p.write(p.program, version)
	p.c = Config{
		Dir: p.dir, Source: Folder(p.source), Keys: []ed25519.PublicKey{p.key.Public().(ed25519.PublicKey)}, OS: "linux", Arch: "amd64", Host: p,
		Now:  func() time.Time { return noon },
		Free: func(string) (uint64, bool) { return 1 << 40, true },
		Wait: func(context.Context, time.Duration) error { return nil },
	}
	return p
}

func (p *pc) write(path, text string) {
	p.t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		p.t.Fatal(err)
	}
}

func (p *pc) read(path string) string {
	p.t.Helper()
	raw, err := os.ReadFile(path)
	if err != nil {
		p.t.Fatal(err)
	}
	return string(raw)
}

// file puts a version's file into the source.
func (p *pc) file(version string) File {
	name := "tapcheck-" + version
	p.write(filepath.Join(p.source, name), version)
	sum := sha256.Sum256([]byte(version))
	return File{Name: name, Version: version, Kind: p.kind, OS: "linux", Arch: "amd64", SHA256: hex.EncodeToString(sum[:]), Size: int64(len(version))}
}

func release(version string, files ...File) Manifest {
	return Manifest{Version: version, Made: noon.Add(-time.Hour), Expires: noon.Add(30 * 24 * time.Hour), Rings: []time.Time{noon.Add(-time.Minute)}, Files: files}
}

func (p *pc) publish(m Manifest) {
	p.t.Helper()
	raw, err := Sign(m, p.key)
	if err != nil {
		p.t.Fatal(err)
	}
	p.write(filepath.Join(p.source, ManifestName), string(raw))
}

func (p *pc) Installed(context.Context) (string, string, error) {
	v := p.read(p.program)
	if v == "half" {
		v = ""
	}
	return v, p.kind, nil
}

func (p *pc) Install(_ context.Context, path string, f File, back bool) error {
	p.calls = append(p.calls, fmt.Sprintf("install %s back=%v", f.Version, back))
	if p.cut {
		p.cut = false
		p.write(p.program, "half")
		panic("cut")
	}
	if p.cannot[f.Version] {
		p.write(p.program, "half")
		return errors.New("dpkg says no")
	}
	p.write(p.program, p.read(path))
	return nil
}

func (p *pc) Keep(_ context.Context, path string) error {
	p.write(path, p.read(p.program))
	return nil
}

func (p *pc) Health(context.Context) (Health, error) {
	v := p.read(p.program)
	if p.looping {
		p.restarts++
	}
	if p.stopped {
		return Health{}, nil
	}
	p.busy--
	return Health{Busy: p.busy >= 0, Running: v != "half", Serving: v != "half" && !p.sick[v], Version: v, Restarts: p.restarts, Down: p.down}, nil
}

func (p *pc) apply() (*Finish, error) { return Apply(context.Background(), p.c, false) }

func (p *pc) wants(version string) {
	p.t.Helper()
	if got := p.read(p.program); got != version {
		p.t.Errorf("%s is installed, want %s (%v)", got, version, p.calls)
	}
}

func TestAppliesARelease(t *testing.T) {
	p := newPC(t, "1.0.0")
	p.publish(release("1.1.0", p.file("1.1.0")))
	f, err := p.apply()
	if err != nil || f == nil || f.Result != Installed || f.From != "1.0.0" || f.To != "1.1.0" {
		t.Fatalf("%+v, %v", f, err)
	}
	p.wants("1.1.0")
	if f, err := p.apply(); f != nil || err != nil || len(p.calls) != 1 {
		t.Errorf("again: %+v, %v, %v", f, err, p.calls)
	}
	// What the service shows is open to it; the files are not.
	s, err := ReadState(p.dir)
	if err != nil || s.Finished.Result != Installed || s.Kept.Version != "1.1.0" || s.Step != "" {
		t.Errorf("%+v, %v", s, err)
	}
}

// Each case is a change of a release that is good otherwise, or of the PC, with what is said; nothing is installed.
func TestRefuses(t *testing.T) {
	for name, tt := range map[string]struct {
		change func(p *pc, m *Manifest)
		after  func(p *pc) // the manifest is there
		want   error       // nil: it is only not due
	}{
		"another key":            {func(p *pc, m *Manifest) { _, p.key, _ = ed25519.GenerateKey(rand.Reader) }, nil, ErrSignature},
		"no key":                 {func(p *pc, m *Manifest) { p.c.Keys = nil }, nil, ErrNoKey},
		"past its end":           {func(p *pc, m *Manifest) { m.Expires = noon }, nil, ErrExpired},
		"the same version":       {func(p *pc, m *Manifest) { m.Version = "1.0.0" }, nil, nil},
		"an older version":       {func(p *pc, m *Manifest) { m.Version = "0.9.9" }, nil, nil},
		"too great a step":       {func(p *pc, m *Manifest) { m.Minimum = "1.0.1" }, nil, ErrTooOld},
		"its ring comes later":   {func(p *pc, m *Manifest) { m.Rings[0] = noon.Add(time.Second) }, nil, nil},
		"its ring comes never":   {func(p *pc, m *Manifest) { p.c.Ring = 1 }, nil, nil},
		"not at this hour":       {func(p *pc, m *Manifest) { p.c.FromHour, p.c.ToHour = 1, 5 }, nil, nil},
		"not at this hour, late": {func(p *pc, m *Manifest) { p.c.FromHour, p.c.ToHour = 22, 12 }, nil, nil},
		"of another kind":        {func(p *pc, m *Manifest) { p.kind = Deb }, nil, ErrNoFile},
		"of another system":      {func(p *pc, m *Manifest) { p.c.OS = "windows" }, nil, ErrNoFile},
		"of another processor":   {func(p *pc, m *Manifest) { p.c.Arch = "arm64" }, nil, ErrNoFile},
		"full disk":              {func(p *pc, m *Manifest) { p.c.Free = func(string) (uint64, bool) { return room, true } }, nil, ErrDisk},
		"a build without number": {func(p *pc, m *Manifest) { p.write(p.program, "dev") }, nil, ErrNoVersion},
		"no manifest":            {func(p *pc, m *Manifest) {}, func(p *pc) { _ = os.Remove(filepath.Join(p.source, ManifestName)) }, ErrUnreachable},
		"no source":              {func(p *pc, m *Manifest) {}, func(p *pc) { _ = os.RemoveAll(p.source) }, ErrUnreachable},
		"a folder for a file":    {func(p *pc, m *Manifest) {}, func(p *pc) { f := filepath.Join(p.source, "tapcheck-1.1.0"); _ = os.Remove(f); _ = os.Mkdir(f, 0o755) }, ErrUnreachable},
		"no file":                {func(p *pc, m *Manifest) {}, func(p *pc) { _ = os.Remove(filepath.Join(p.source, "tapcheck-1.1.0")) }, ErrUnreachable},
		"another file":           {func(p *pc, m *Manifest) {}, func(p *pc) { p.write(filepath.Join(p.source, "tapcheck-1.1.0"), "9.9.9") }, ErrDamaged},
		"a file cut short":       {func(p *pc, m *Manifest) {}, func(p *pc) { p.write(filepath.Join(p.source, "tapcheck-1.1.0"), "1.1") }, ErrDamaged},
		"a file without end":     {func(p *pc, m *Manifest) {}, func(p *pc) { p.write(filepath.Join(p.source, "tapcheck-1.1.0"), strings.Repeat("1.1.0", 1e5)) }, ErrDamaged},
		"a manifest without end": {func(p *pc, m *Manifest) {}, func(p *pc) { p.write(filepath.Join(p.source, ManifestName), strings.Repeat(" ", maxManifest+1)) }, ErrForm},
		"a manifest changed": {func(p *pc, m *Manifest) {}, func(p *pc) {
			path := filepath.Join(p.source, ManifestName)
			var e envelope
			_ = json.Unmarshal([]byte(p.read(path)), &e)
			e.Payload = []byte(strings.Replace(string(e.Payload), "1.1.0", "1.9.0", 1))
			raw, _ := json.Marshal(e)
			p.write(path, string(raw))
		}, ErrSignature},
	} {
		t.Run(name, func(t *testing.T) {
			p := newPC(t, "1.0.0")
			m := release("1.1.0", p.file("1.1.0"))
			tt.change(p, &m)
			before := p.read(p.program)
			p.publish(m)
			if tt.after != nil {
				tt.after(p)
			}
			f, err := p.apply()
			if !errors.Is(err, tt.want) || tt.want == nil && err != nil || f != nil {
				t.Errorf("%+v, %v, want %v", f, err, tt.want)
			}
			p.wants(before)
			s, err := ReadState(p.dir)
			if err != nil || s.Step != "" || (s.Problem == "") != (tt.want == nil) {
				t.Errorf("state %+v, %v", s, err)
			}
		})
	}
}

// An old release, whole and signed, does not come again: neither because somebody puts it there, nor because the clock was put back.
func TestOldReleasesDoNotComeAgain(t *testing.T) {
	p := newPC(t, "1.0.0")
	old := release("1.1.0", p.file("1.1.0"))
	old.Made = old.Made.Add(-time.Hour)
	p.c.Ring = 1 // which takes neither, so the newer one is only seen
	p.publish(release("1.2.0", p.file("1.2.0")))
	if _, err := p.apply(); err != nil {
		t.Fatal(err)
	}
	p.c.Ring = 0
	p.publish(old)
	if _, err := p.apply(); !errors.Is(err, ErrReplayed) {
		t.Errorf("an older one: %v", err)
	}
	m := release("1.2.0", p.file("1.2.0"))
	m.Expires = m.Made.Add(time.Minute)
	p.publish(m)
	p.c.Now = func() time.Time { return m.Made }
	if _, err := p.apply(); err != nil && !errors.Is(err, ErrExpired) {
		t.Fatal(err)
	}
	later := m
	later.Made, later.Expires = noon, noon.Add(time.Hour)
	p.publish(later)
	p.c.Now = func() time.Time { return noon }
	if _, err := Check(context.Background(), p.c, State{Seen: noon.Add(2 * time.Hour)}); !errors.Is(err, ErrExpired) {
		t.Errorf("a clock that was put back: %v", err)
	}
}

// What does not do its work is taken back, is not tried again by itself, and is when somebody asks for it.
func TestTakesBack(t *testing.T) {
	for name, tt := range map[string]struct {
		ill func(p *pc)
		why string
	}{
		"does not answer":    {func(p *pc) { p.sick["1.1.0"] = true }, "it does not answer"},
		"starts and ends":    {func(p *pc) { p.looping = true }, "started again"},
		"cannot do the work": {func(p *pc) { p.c.Steps = func(s string) { p.badAfter(s) } }, "DATA_FOLDER_EXPOSED"},
		"is not installed":   {func(p *pc) { p.cannot["1.1.0"] = true }, "dpkg says no"},
	} {
		t.Run(name, func(t *testing.T) {
			p := newPC(t, "1.0.0")
			p.publish(release("1.1.0", p.file("1.1.0")))
			tt.ill(p)
			f, err := p.apply()
			if !errors.Is(err, ErrRolledBack) || f == nil || f.Result != RolledBack || !strings.Contains(f.Why, tt.why) {
				t.Fatalf("%+v, %v", f, err)
			}
			p.wants("1.0.0")
			p.sick, p.cannot, p.looping, p.down, p.c.Steps = nil, nil, false, nil, nil
			if f, err := p.apply(); f != nil || err != nil {
				t.Errorf("it was tried again: %+v, %v", f, err)
			}
			if f, err := Apply(context.Background(), p.c, true); err != nil || f.Result != Installed {
				t.Errorf("asked for: %+v, %v", f, err)
			}
			p.wants("1.1.0")
		})
	}
}

// badAfter makes the service ill once the new version is there, and well again once the old one is back.
func (p *pc) badAfter(step string) {
	switch step {
	case "installed":
		p.down = []string{"DATA_FOLDER_EXPOSED"}
	case "went back":
		p.down = nil
	}
}

// What was wrong before is not the new version's fault.
func TestOldTroublesDoNotTakeBack(t *testing.T) {
	for name, ill := range map[string]func(p *pc){
		"no port":                   func(p *pc) { p.sick["1.0.0"], p.sick["1.1.0"] = true, true },
		"no reader":                 func(p *pc) { p.down = []string{"NO_READER"} },
		"an administrator's stop":   func(p *pc) { p.stopped = true },
		"had been restarted before": func(p *pc) { p.restarts = 7 },
	} {
		t.Run(name, func(t *testing.T) {
			p := newPC(t, "1.0.0")
			p.publish(release("1.1.0", p.file("1.1.0")))
			ill(p)
			if f, err := p.apply(); err != nil || f.Result != Installed {
				t.Errorf("%+v, %v", f, err)
			}
		})
	}
}

// A patient at the desk is not broken off: the updater waits, and comes again in an hour where there is no pause. An administrator who wants it
// now has it now.
func TestWaitsForAPause(t *testing.T) {
	for looks, want := range map[int]string{0: "1.1.0", 5: "1.1.0", 1000: "1.0.0"} {
		p := newPC(t, "1.0.0")
		p.publish(release("1.1.0", p.file("1.1.0")))
		p.busy = looks
		f, err := p.apply()
		if err != nil || (f != nil) != (want == "1.1.0") {
			t.Errorf("%d: %+v, %v", looks, f, err)
		}
		p.wants(want)
		if want == "1.0.0" {
			if f, err := Apply(context.Background(), p.c, true); err != nil || f.Result != Installed {
				t.Errorf("asked for: %+v, %v", f, err)
			}
		}
	}
}

// Packages have no way back but the package of the old version: from the release, or kept from its own update.
func TestWayBackOfPackages(t *testing.T) {
	p := newPC(t, "1.0.0")
	p.kind = Deb
	p.publish(release("1.1.0", p.file("1.1.0")))
	if _, err := p.apply(); !errors.Is(err, ErrNoWayBack) {
		t.Fatalf("without: %v", err)
	}
	p.publish(release("1.1.0", p.file("1.1.0"), p.file("1.0.0")))
	if _, err := p.apply(); err != nil {
		t.Fatalf("named by the release: %v", err)
	}
	p.sick["1.2.0"] = true
	m := release("1.2.0", p.file("1.2.0"))
	p.publish(m)
	if err := os.Remove(filepath.Join(p.source, "tapcheck-1.1.0")); err != nil {
		t.Fatal(err)
	}
	if f, err := p.apply(); !errors.Is(err, ErrRolledBack) || f.Result != RolledBack {
		t.Fatalf("kept: %+v, %v", f, err)
	}
	p.wants("1.1.0")
}

// killed is how a run ends in the middle.
type killed struct{ step string }

// TestKilledAtEachStep ends a run before each of its steps, with the file in work cut short too, and lets the next one go on. At the
// end there is the new version or, if that is ill, the old one, and never something between.
func TestKilledAtEachStep(t *testing.T) {
	for _, sick := range []bool{false, true} {
		prepare := func() *pc {
			p := newPC(t, "1.0.0")
			p.kind = Deb
			p.publish(release("1.1.0", p.file("1.1.0"), p.file("1.0.0")))
			p.sick["1.1.0"] = sick
			return p
		}
		want, result := "1.1.0", Installed
		if sick {
			want, result = "1.0.0", RolledBack
		}
		var steps []string
		p := prepare()
		p.c.Steps = func(s string) { steps = append(steps, s) }
		if _, err := p.apply(); (err != nil) != sick {
			t.Fatal(err)
		}
		for n := range steps {
			t.Run(fmt.Sprintf("sick=%v/%d before %s", sick, n, steps[n]), func(t *testing.T) {
				t.Parallel()
				p := prepare()
				p.t = t
				left := n
				p.c.Steps = func(s string) {
					if left--; left < 0 {
						panic(killed{s})
					}
				}
				func() {
					defer func() {
						if k, ok := recover().(killed); !ok || k.step != steps[n] {
							t.Fatalf("%v", k)
						}
					}()
					_, _ = p.apply()
				}()
				cut, _ := filepath.Glob(filepath.Join(p.dir, "*", "*.part"))
				more, _ := filepath.Glob(filepath.Join(p.dir, "*.part"))
				for _, f := range append(cut, more...) {
					p.write(f, "") // what was not flushed is gone
				}
				p.c.Steps = nil
				if p.read(p.program) != "1.0.0" && p.read(p.program) != "1.1.0" {
					t.Fatalf("%q is installed", p.read(p.program))
				}
				f, err := p.apply()
				if (err != nil) != sick && f != nil {
					t.Errorf("%+v, %v", f, err)
				}
				p.wants(want)
				s, err := ReadState(p.dir)
				if err != nil || s.Step != "" || s.Finished == nil || s.Finished.Result != result {
					t.Errorf("%+v, %v", s, err)
				}
			})
		}
		if len(steps) < 12 {
			t.Errorf("only %v", steps)
		}
	}
}

// An installation that is broken off half-way is done again; one that is broken off again and again is turned back.
func TestInstallationBrokenOff(t *testing.T) {
	for _, times := range []int{1, 2, 5} {
		t.Run(fmt.Sprint(times), func(t *testing.T) {
			p := newPC(t, "1.0.0")
			p.kind = Deb
			p.publish(release("1.1.0", p.file("1.1.0"), p.file("1.0.0")))
			for range times {
				p.cut = true
				func() {
					defer func() { _ = recover() }()
					_, _ = p.apply()
				}()
			}
			p.cut = false
			_, _ = p.apply()
			s, err := ReadState(p.dir)
			if err != nil || s.Step != "" || s.Finished == nil {
				t.Fatalf("%+v, %v", s, err)
			}
			if v := p.read(p.program); v != map[bool]string{true: "1.1.0", false: "1.0.0"}[s.Finished.Result == Installed] || times == 1 && v != "1.1.0" || times == 5 && v != "1.0.0" {
				t.Errorf("%s is there after %+v", v, s.Finished)
			}
		})
	}
}

// A way back that fails is tried again by each run: there is nothing else to do.
func TestWayBackIsTriedAgain(t *testing.T) {
	p := newPC(t, "1.0.0")
	p.kind = Deb
	p.publish(release("1.1.0", p.file("1.1.0"), p.file("1.0.0")))
	p.cannot["1.1.0"], p.cannot["1.0.0"] = true, true
	for range 4 {
		if f, err := p.apply(); f != nil || !errors.Is(err, ErrRolledBack) {
			t.Fatalf("%+v, %v", f, err)
		}
	}
	if s, err := ReadState(p.dir); err != nil || s.Step != returning || !strings.Contains(s.Problem, "dpkg says no") {
		t.Errorf("%+v, %v", s, err)
	}
	p.cannot["1.0.0"] = false
	if f, err := p.apply(); f == nil || f.Result != RolledBack || !errors.Is(err, ErrRolledBack) {
		t.Errorf("%+v, %v", f, err)
	}
	p.wants("1.0.0")
}

// Files that lie in the updater's folder are verified again before they are used.
func TestStagedFileIsVerifiedAgain(t *testing.T) {
	p := newPC(t, "1.0.0")
	p.publish(release("1.1.0", p.file("1.1.0")))
	p.c.Steps = func(s string) {
		if s == "save installing" {
			list, _ := filepath.Glob(filepath.Join(p.dir, "files", "*-tapcheck-1.1.0"))
			for _, f := range list {
				p.write(f, "9.9.9")
			}
		}
	}
	if _, err := p.apply(); !errors.Is(err, ErrDamaged) || len(p.calls) != 0 {
		t.Fatalf("%v %v", err, p.calls)
	}
	p.wants("1.0.0")
	p.c.Steps = nil
	if _, err := p.apply(); err != nil {
		t.Errorf("once more: %v", err)
	}
	p.wants("1.1.0")
}

func TestOneUpdaterAtATime(t *testing.T) {
	p := newPC(t, "1.0.0")
	p.publish(release("1.1.0", p.file("1.1.0")))
	var second error
	p.c.Steps = func(s string) {
		if s == "install" {
			c := p.c
			c.Steps = nil
			_, second = Apply(context.Background(), c, true)
		}
	}
	if _, err := p.apply(); err != nil || !errors.Is(second, ErrBusy) {
		t.Errorf("%v, %v", err, second)
	}
}

// While it is off nothing is asked, made or written.
func TestOff(t *testing.T) {
	p := newPC(t, "1.0.0")
	p.publish(release("1.1.0", p.file("1.1.0")))
	p.c.Source = nil
	if _, err := p.apply(); !errors.Is(err, ErrOff) {
		t.Error(err)
	}
	if _, err := os.Stat(p.dir); err == nil {
		t.Error("it made its folder")
	}
}

// A state that nobody wrote is no reason to install anything.
func TestStateOfNobody(t *testing.T) {
	p := newPC(t, "1.0.0")
	p.publish(release("1.1.0", p.file("1.1.0")))
	if err := os.Mkdir(p.dir, 0o755); err != nil {
		t.Fatal(err)
	}
	p.write(filepath.Join(p.dir, stateName), "{")
	if _, err := p.apply(); !errors.Is(err, ErrState) {
		t.Error(err)
	}
	p.wants("1.0.0")
}

func TestHTTPS(t *testing.T) {
	p := newPC(t, "1.0.0")
	p.publish(release("1.1.0", p.file("1.1.0")))
	asked := 0
	var auth string
	files := http.FileServer(http.Dir(p.source))
	s := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked++
		auth = r.Header.Get("Authorization")
		if strings.HasPrefix(r.URL.Path, "/else/") {
			http.Redirect(w, r, "/t/"+ManifestName, http.StatusFound)
			return
		}
		http.StripPrefix("/t", files).ServeHTTP(w, r)
	}))
	t.Cleanup(s.Close)
	s.Config.ErrorLog = log.New(io.Discard, "", 0)
	ca := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: s.Certificate().Raw})
	source := func(base string, ca []byte) {
		t.Helper()
		h, err := NewHTTPS(base, "TOKEN", ca)
		if err != nil {
			t.Fatal(err)
		}
		p.c.Source = h
	}
	p.c.Source = nil
	if _, err := p.apply(); !errors.Is(err, ErrOff) || asked != 0 {
		t.Fatalf("off: %v, asked %d times", err, asked)
	}
	source(s.URL+"/else/", ca)
	if _, err := p.apply(); !errors.Is(err, ErrUnreachable) {
		t.Errorf("a redirect: %v", err)
	}
	source(s.URL+"/nothing", ca)
	if _, err := p.apply(); !errors.Is(err, ErrUnreachable) {
		t.Errorf("404: %v", err)
	}
	source(s.URL+"/t/", nil)
	if _, err := p.apply(); !errors.Is(err, ErrUnreachable) {
		t.Errorf("an unknown CA: %v", err)
	}
	source(s.URL+"/t/", ca)
	if f, err := p.apply(); err != nil || f.Result != Installed || auth != "Bearer TOKEN" {
		t.Errorf("%+v, %v, %s", f, err, auth)
	}
	if _, err := NewHTTPS("http://127.0.0.1/", "", nil); err == nil {
		t.Error("in the clear")
	}
}

// The form of a manifest is held when it is signed and when it is read.
func TestForm(t *testing.T) {
	p := newPC(t, "1.0.0")
	for name, change := range map[string]func(m *Manifest){
		"no version":        func(m *Manifest) { m.Version = "" },
		"four numbers":      func(m *Manifest) { m.Version = "1.1.0.0" },
		"a name":            func(m *Manifest) { m.Version = "1.1.x" },
		"a zero in front":   func(m *Manifest) { m.Version = "1.01.0" },
		"no end":            func(m *Manifest) { m.Expires = time.Time{} },
		"an end too far":    func(m *Manifest) { m.Expires = m.Made.Add(500 * 24 * time.Hour) },
		"no files":          func(m *Manifest) { m.Files = nil },
		"too many files":    func(m *Manifest) { m.Files = slices.Repeat(m.Files, maxFiles+1) },
		"too many rings":    func(m *Manifest) { m.Rings = slices.Repeat(m.Rings, rings+1) },
		"out of the folder": func(m *Manifest) { m.Files[0].Name = "../tapcheck" },
		"another folder":    func(m *Manifest) { m.Files[0].Name = "a/tapcheck" },
		"Windows' folder":   func(m *Manifest) { m.Files[0].Name = `a\tapcheck` },
		"a flag":            func(m *Manifest) { m.Files[0].Name = "--force" },
		"the manifest":      func(m *Manifest) { m.Files[0].Name = ManifestName },
		"no hash":           func(m *Manifest) { m.Files[0].SHA256 = "" },
		"too large":         func(m *Manifest) { m.Files[0].Size = maxFile + 1 },
		"another kind":      func(m *Manifest) { m.Files[0].Kind = "sh" },
	} {
		t.Run(name, func(t *testing.T) {
			m := release("1.1.0", p.file("1.1.0"))
			change(&m)
			if _, err := Sign(m, p.key); !errors.Is(err, ErrForm) {
				t.Errorf("signed: %v", err)
			}
			payload, _ := json.Marshal(m)
			raw, _ := json.Marshal(envelope{format, payload, ed25519.Sign(p.key, signed(payload))})
			if _, err := Open(raw, p.c.Keys); !errors.Is(err, ErrForm) {
				t.Errorf("read: %v", err)
			}
		})
	}
}

func TestVersions(t *testing.T) {
	in := []string{"0.0.1", "0.0.2", "0.0.10", "0.1.0", "1.0.0", "1.0.1", "10.0.0"}
	for i := range in {
		for j := range in {
			a, _ := parseVersion(in[i])
			b, _ := parseVersion(in[j])
			if a.less(b) != (i < j) {
				t.Errorf("%s < %s", in[i], in[j])
			}
		}
	}
}

func TestKeys(t *testing.T) {
	private, half, err := NewKey()
	if err != nil {
		t.Fatal(err)
	}
	public := PublicPEM(half)
	key, err := ParsePrivate(private)
	if err != nil {
		t.Fatal(err)
	}
	two := append(slices.Clone(public), public...)
	keys, err := ParsePublic(two)
	if err != nil || len(keys) != 2 || !keys[0].Equal(key.Public()) {
		t.Errorf("%v, %v", keys, err)
	}
	for name, raw := range map[string][]byte{"nothing": nil, "a private key": private, "five": slices.Repeat(public, 5), "more behind": append(slices.Clone(public), 'x')} {
		if _, err := ParsePublic(raw); err == nil {
			t.Errorf("%s was taken", name)
		}
	}
	if _, err := ParsePrivate(public); err == nil {
		t.Error("a public key was taken for a private one")
	}
}

func FuzzOpen(f *testing.F) {
	_, key, _ := ed25519.GenerateKey(rand.Reader)
	p := File{Name: "a", Version: "1.1.0", Kind: Deb, OS: "linux", Arch: "amd64", SHA256: strings.Repeat("ab", 32), Size: 1}
	raw, _ := Sign(release("1.1.0", p), key)
	f.Add(raw)
	f.Fuzz(func(t *testing.T, raw []byte) {
		if m, err := Open(raw, []ed25519.PublicKey{key.Public().(ed25519.PublicKey)}); err == nil && m.check() != nil {
			t.Error("a manifest that is not allowed was taken")
		}
	})
}
