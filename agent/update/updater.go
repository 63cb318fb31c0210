package update

import (
	"context"
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"time"
)

// Host is the PC, to the updater: how a version is installed on it and how its service does.
type Host interface {
	// Installed says which version is installed, and of which kind. A version that cannot be told, because an installation was broken
	// off, is "".
	Installed(ctx context.Context) (version, kind string, err error)
	// Install installs a file. back says that it is the older one. Doing it again does no harm.
	Install(ctx context.Context, path string, f File, back bool) error
	// Keep copies the program that is installed, of the kind Program, to a path.
	Keep(ctx context.Context, path string) error
	Health(ctx context.Context) (Health, error)
}

// Health is how the service does, as far as can be seen from outside.
type Health struct {
	Running  bool     `json:"running"`           // the service manager says so
	Serving  bool     `json:"serving"`           // it answers discovery on its port
	Version  string   `json:"version,omitempty"` // that it says there
	Restarts int      `json:"restarts"`          // how often the manager has started it again
	Down     []string `json:"down,omitempty"`    // codes of agent/health that keep it from its work
	Busy     bool     `json:"-"`                 // a patient is being checked in
}

// Config is what an updater is made of.
type Config struct {
	Dir      string // its own; made where it is missing
	Source   Source // nil: off
	Keys     []ed25519.PublicKey
	Ring     int
	FromHour int // when a new version may be installed, local time
	ToHour   int // the same as FromHour: at any time
	OS, Arch string
	Host     Host
	Now      func() time.Time
	Free     func(dir string) (bytes uint64, known bool)
	Log      func(event string, fields map[string]any)

	Wait  func(ctx context.Context, d time.Duration) error // nil waits
	Steps func(name string)                                // told before each step, for tests that end there
}

// How long a new version has to become healthy, and what that is: three looks in a row find it so.
const (
	healthyWithin = time.Minute
	lookEvery     = 5 * time.Second
	looks         = 3
	quietWithin   = 10 * time.Minute
	maxTries      = 2 // of a step that was broken off
	room          = 200 << 20
)

// Offer is what the source has for this PC.
type Offer struct {
	Installed string    `json:"installed"`
	Kind      string    `json:"kind"`
	Version   string    `json:"version"`       // of the release
	Newer     bool      `json:"newer"`         // than the installed one
	From      time.Time `json:"from,omitzero"` // when this PC's ring takes it; zero: not at all
	Due       bool      `json:"due"`           // it is installed at the next opportunity
	Refused   bool      `json:"refused"`       // it was taken back on this PC
	manifest  Manifest
}

// Check asks the source and installs nothing. It writes nothing either, so that anybody may ask. Errors: the sentinels of this package.
func Check(ctx context.Context, c Config, s State) (Offer, error) {
	version, kind, err := c.Host.Installed(ctx)
	if err != nil {
		return Offer{}, err
	}
	o := Offer{Installed: version, Kind: kind}
	now, ok := parseVersion(version)
	if !ok {
		return o, ErrNoVersion
	}
	if c.Source == nil {
		return o, ErrOff
	}
	if len(c.Keys) == 0 {
		return o, ErrNoKey
	}
	ctx, stop := context.WithTimeout(ctx, 2*time.Minute)
	defer stop()
	raw, err := read(ctx, c.Source, ManifestName, maxManifest)
	if err != nil {
		return o, err
	}
	m, err := Open(raw, c.Keys)
	if err != nil {
		return o, err
	}
	o.manifest, o.Version = m, m.Version
	at := c.Now()
	if at.Before(s.Seen) {
		at = s.Seen // a clock that was put back makes nothing young again
	}
	switch {
	case !at.Before(m.Expires):
		return o, ErrExpired
	case m.Made.Before(s.Seen):
		return o, ErrReplayed
	}
	offered, _ := parseVersion(m.Version)
	o.Newer = now.less(offered)
	if least, ok := parseVersion(m.Minimum); ok && now.less(least) && o.Newer {
		return o, fmt.Errorf("%w: it wants %s first", ErrTooOld, m.Minimum)
	}
	if c.Ring < len(m.Rings) {
		o.From = m.Rings[c.Ring]
	}
	o.Refused = slices.Contains(s.Refused, m.Version)
	o.Due = o.Newer && !o.Refused && !o.From.IsZero() && !c.Now().Before(o.From)
	return o, nil
}

func read(ctx context.Context, s Source, name string, limit int64) ([]byte, error) {
	f, err := s.Get(ctx, name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	raw, err := io.ReadAll(io.LimitReader(within{ctx, f}, limit+1))
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrUnreachable, err)
	}
	if int64(len(raw)) > limit {
		return nil, ErrForm
	}
	return raw, nil
}

// within ends reading with its context.
type within struct {
	ctx context.Context
	r   io.Reader
}

func (w within) Read(p []byte) (int, error) {
	if err := w.ctx.Err(); err != nil {
		return 0, err
	}
	return w.r.Read(p)
}

// updater is one run.
type updater struct {
	Config
	s State
}

// Apply goes on with an update that was broken off; else it asks the source and installs what is due. anytime installs outside of
// the hours too, and once more what was taken back before. The finish is nil where there was nothing to do. Errors: the sentinels of this package;
// ErrRolledBack comes with a finish.
func Apply(ctx context.Context, c Config, anytime bool) (*Finish, error) {
	if c.Log == nil {
		c.Log = func(string, map[string]any) {}
	}
	if c.Steps == nil {
		c.Steps = func(string) {}
	}
	if c.Wait == nil {
		c.Wait = wait
	}
	if c.Source == nil { // nothing is made on a PC where updates are off; but what was begun is ended
		if s, err := ReadState(c.Dir); err != nil || s.Step == idle {
			return nil, errors.Join(err, ErrOff)
		}
	}
	if err := OwnAlone(c.Dir); err != nil {
		return nil, err
	}
	l, err := os.OpenFile(filepath.Join(c.Dir, "lock"), os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, err
	}
	defer l.Close()
	if err := lock(l); err != nil {
		return nil, err
	}
	u := &updater{Config: c}
	if u.s, err = ReadState(c.Dir); err != nil {
		return nil, err
	}
	if u.s.Step == idle {
		ready, err := u.prepare(ctx, anytime)
		if err != nil || !ready {
			return nil, err
		}
	}
	return u.goOn(ctx)
}

func wait(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-t.C:
		return nil
	}
}

// save puts the state on the disk before what it says is done.
func (u *updater) save() error {
	u.Steps("save " + u.s.Step)
	return u.s.write(u.Dir)
}

// prepare asks the source, and brings what is needed into the updater's folder. Nothing on the PC has changed yet.
func (u *updater) prepare(ctx context.Context, anytime bool) (ready bool, err error) {
	u.Steps("check")
	o, err := Check(ctx, u.Config, u.s)
	u.s.Checked, u.s.Problem, u.s.Offered = u.Now().UTC(), "", o.Version
	if err != nil {
		u.s.Problem = err.Error()
		return false, errors.Join(err, u.save())
	}
	u.s.Seen = o.manifest.Made
	due := o.Due || anytime && o.Newer
	if due && !anytime && !u.openHour() {
		due = false
	}
	if !due {
		return false, u.save()
	}
	if err = u.stage(ctx, o); err != nil {
		u.s.Problem = err.Error()
		return false, errors.Join(err, u.save())
	}
	if u.s.Before, err = u.quiet(ctx, anytime); err != nil {
		return false, err
	}
	if u.s.Before.Busy {
		u.s.Before = Health{}
		return false, u.save() // the next run finds the files here
	}
	u.s.Step, u.s.From, u.s.To, u.s.Tries, u.s.Why = installing, o.Installed, o.Version, 0, ""
	return true, u.save()
}

// quiet waits until nobody is being checked in, which a restart would break off, for some minutes; an administrator who wants it now does not
// wait.
func (u *updater) quiet(ctx context.Context, anytime bool) (Health, error) {
	for free, spent := 0, time.Duration(0); ; spent += lookEvery {
		h, err := u.Host.Health(ctx)
		if err != nil || anytime {
			h.Busy = false
			return h, err
		}
		if free++; h.Busy {
			free = 0
		}
		if free >= 2 || spent >= quietWithin { // what the service says of itself is some seconds old
			return h, nil
		}
		if err := u.Wait(ctx, lookEvery); err != nil {
			return h, err
		}
	}
}

// openHour says whether a version may be installed now: the hours may go over midnight.
func (u *updater) openHour() bool {
	h := u.Now().Local().Hour()
	if u.FromHour <= u.ToHour {
		return u.FromHour == u.ToHour || h >= u.FromHour && h < u.ToHour
	}
	return h >= u.FromHour || h < u.ToHour
}

// stage has the new version's file and the way back in the updater's folder, verified.
func (u *updater) stage(ctx context.Context, o Offer) error {
	m := o.manifest
	fresh, ok := m.file(m.Version, o.Kind, u.OS, u.Arch)
	if !ok {
		return ErrNoFile
	}
	u.s.New = fresh
	if free, known := u.Free(u.Dir); known && free < uint64(2*fresh.Size)+room {
		return ErrDisk
	}
	if err := os.MkdirAll(u.filesDir(), 0o700); err != nil {
		return diskError(err)
	}
	ctx, stop := context.WithTimeout(ctx, 15*time.Minute)
	defer stop()
	switch back, named := m.file(o.Installed, o.Kind, u.OS, u.Arch); {
	case o.Kind == Program:
		back = File{Name: "tapcheck-before", Version: o.Installed, Kind: Program, OS: u.OS, Arch: u.Arch}
		u.Steps("keep")
		path := filepath.Join(u.filesDir(), back.Name)
		if err := u.Host.Keep(ctx, path); err != nil {
			return diskError(err)
		}
		var err error
		if back.SHA256, back.Size, err = digest(path); err != nil {
			return err
		}
		u.s.Back = back
		if err := os.Rename(path, u.path(back)); err != nil {
			return err
		}
	case u.s.Kept.Version == o.Installed && u.s.Kept.Kind == o.Kind && u.verify(u.s.Kept) == nil:
		u.s.Back = u.s.Kept
	case named:
		u.s.Back = back
		if err := u.fetch(ctx, back); err != nil {
			return err
		}
	default:
		return ErrNoWayBack
	}
	return u.fetch(ctx, fresh)
}

func (u *updater) filesDir() string { return filepath.Join(u.Dir, "files") }

// path is where a file of a release lies in the updater's folder. Its name keeps the ending, which installers look at.
func (u *updater) path(f File) string { return filepath.Join(u.filesDir(), f.SHA256[:16]+"-"+f.Name) }

// fetch has a file in the updater's folder, if it is not there already.
func (u *updater) fetch(ctx context.Context, f File) error {
	if u.verify(f) == nil {
		return nil
	}
	u.Steps("fetch " + f.Version)
	r, err := u.Source.Get(ctx, f.Name)
	if err != nil {
		return err
	}
	defer r.Close()
	err = replace(u.path(f), func(w io.Writer) error {
		sum := sha256.New()
		n, err := io.Copy(io.MultiWriter(w, sum), io.LimitReader(within{ctx, r}, f.Size+1))
		u.Steps("fetched " + f.Version)
		if err == nil && (n != f.Size || hex.EncodeToString(sum.Sum(nil)) != f.SHA256) {
			err = fmt.Errorf("%w: %s", ErrDamaged, f.Name)
		}
		return err
	}, 0o600)
	if err != nil && !errors.Is(err, ErrDamaged) {
		err = diskError(err)
	}
	return err
}

// diskError tells a full disk from a source that broke off.
func diskError(err error) error {
	if isFull(err) {
		return ErrDisk
	}
	var p *fs.PathError
	if errors.As(err, &p) {
		return err
	}
	return fmt.Errorf("%w: %w", ErrUnreachable, err)
}

func digest(path string) (sum string, size int64, err error) {
	f, err := openRegular(path)
	if err != nil {
		return "", 0, err
	}
	defer f.Close()
	h := sha256.New()
	n, err := io.Copy(h, io.LimitReader(f, maxFile+1))
	return hex.EncodeToString(h.Sum(nil)), n, err
}

// verify looks at a file as it lies there now.
func (u *updater) verify(f File) error {
	if f.check() != nil {
		return ErrForm
	}
	sum, n, err := digest(u.path(f))
	if err != nil {
		return err
	}
	if sum != f.SHA256 || n != f.Size {
		return fmt.Errorf("%w: %s", ErrDamaged, f.Name)
	}
	return nil
}

// goOn does the steps from the one that is on the disk to the end.
func (u *updater) goOn(ctx context.Context) (*Finish, error) {
	for {
		var err error
		switch u.s.Step {
		case installing:
			err = u.install(ctx)
		case watching:
			err = u.watch(ctx)
		case returning:
			err = u.goBack(ctx)
		default:
			return u.s.Finished, u.outcome()
		}
		if err != nil {
			return nil, err // the next run goes on
		}
	}
}

func (u *updater) outcome() error {
	if u.s.Finished.Result == Installed {
		return nil
	}
	return fmt.Errorf("%w: %s", ErrRolledBack, u.s.Finished.Why)
}

// install puts the new version there. What was broken off in the middle is done again.
func (u *updater) install(ctx context.Context) error {
	version, _, err := u.Host.Installed(ctx)
	if err == nil && version == u.s.To && u.s.Tries > 0 {
		u.s.Step, u.s.Tries = watching, 0 // it was done, and only not written down
		return u.save()
	}
	u.s.Tries++
	if u.s.Tries > maxTries {
		return u.turn("its installation was broken off again and again")
	}
	if err := u.save(); err != nil {
		return err
	}
	if err := errors.Join(u.verify(u.s.New), u.verify(u.s.Back)); err != nil {
		if version == u.s.From {
			// Nothing has happened yet: another run begins anew.
			u.s.Step, u.s.Problem = idle, err.Error()
			return errors.Join(err, u.save())
		}
		return u.turn("its file was damaged")
	}
	u.Log("update.install", map[string]any{"from": u.s.From, "to": u.s.To})
	u.Steps("install")
	if err := u.Host.Install(ctx, u.path(u.s.New), u.s.New, false); err != nil {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		return u.turn("it could not be installed: " + short(err))
	}
	u.Steps("installed")
	u.s.Step, u.s.Tries = watching, 0
	return u.save()
}

// turn begins the way back.
func (u *updater) turn(why string) error {
	u.s.Step, u.s.Tries, u.s.Why = returning, 0, why
	u.Log("update.rollback", map[string]any{"from": u.s.To, "to": u.s.From, "why": why})
	return u.save()
}

// watch waits until the new version is healthy, or turns back.
func (u *updater) watch(ctx context.Context) error {
	why, err := u.becomes(ctx, u.s.To)
	if err != nil {
		return err
	}
	if why != "" {
		return u.turn("it was not healthy within a minute: " + why)
	}
	u.s.Kept = u.s.New
	return u.finish(Installed, "")
}

// becomes waits until a version is healthy: why it is not, or "".
func (u *updater) becomes(ctx context.Context, version string) (why string, err error) {
	good, restarts := 0, -1
	for spent := time.Duration(0); ; spent += lookEvery {
		u.Steps("look")
		h, err := u.Host.Health(ctx)
		switch {
		case ctx.Err() != nil:
			return "", ctx.Err()
		case err != nil:
			why = short(err)
		default:
			why = h.worse(u.s.Before, version)
		}
		if why == "" && restarts >= 0 && h.Restarts != restarts {
			why = "it ends and is started again"
		}
		restarts = h.Restarts
		if good++; why != "" {
			good = 0
		}
		if good >= looks {
			return "", nil
		}
		if spent >= healthyWithin {
			if why == "" {
				why = "it comes and goes"
			}
			return why, nil
		}
		if err := u.Wait(ctx, lookEvery); err != nil {
			return "", err
		}
	}
}

// worse says why a service does worse than before, or "". What the old version could not do either (a port that another program
// has, a reader that is missing, a service that an administrator has stopped) is nothing that the new one has to heal.
func (h Health) worse(before Health, version string) string {
	switch {
	case !h.Running && before.Running:
		return "it does not run"
	case !h.Running:
		return ""
	case !h.Serving && before.Serving:
		return "it does not answer"
	case h.Serving && h.Version != version:
		return "another version answers"
	}
	for _, code := range h.Down {
		if !slices.Contains(before.Down, code) {
			return code
		}
	}
	return ""
}

// goBack puts the old version back, and waits for its health only to say how it went: there is no third way.
func (u *updater) goBack(ctx context.Context) error {
	version, _, err := u.Host.Installed(ctx)
	if err != nil || version != u.s.From || u.s.Tries == 0 {
		u.s.Tries++
		if err := u.save(); err != nil {
			return err
		}
		if err := u.verify(u.s.Back); err != nil {
			return u.finish(Failed, u.s.Why+"; the old version's file: "+short(err))
		}
		u.Steps("back")
		if err := u.Host.Install(ctx, u.path(u.s.Back), u.s.Back, true); err != nil {
			if ctx.Err() != nil {
				return ctx.Err()
			}
			// There is nothing else to do than this, so the next run does it again.
			u.s.Problem = "the old version could not be put back: " + short(err)
			return errors.Join(fmt.Errorf("%w: %s", ErrRolledBack, u.s.Problem), u.save())
		}
		u.Steps("went back")
	}
	why, err := u.becomes(ctx, u.s.From)
	if err != nil {
		return err
	}
	if why != "" {
		u.s.Why += "; the old version is back and not healthy: " + why
	}
	u.s.Kept, u.s.Problem = u.s.Back, ""
	return u.finish(RolledBack, u.s.Why)
}

// finish writes down how it ended, and clears what is needed no more.
func (u *updater) finish(result, why string) error {
	u.Log("update.finished", map[string]any{"from": u.s.From, "to": u.s.To, "result": result, "why": why})
	u.s.Finished = &Finish{From: u.s.From, To: u.s.To, Result: result, Why: why, At: u.Now().UTC()}
	u.s.Refused = slices.DeleteFunc(u.s.Refused, func(v string) bool { return v == u.s.To })
	if result != Installed {
		u.s.Refused = append(u.s.Refused, u.s.To)
		u.s.Refused = u.s.Refused[max(0, len(u.s.Refused)-20):]
	}
	u.s.Step, u.s.From, u.s.To, u.s.Tries, u.s.Why, u.s.Before = idle, "", "", 0, "", Health{}
	u.s.New, u.s.Back = File{}, File{}
	if err := u.save(); err != nil {
		return err
	}
	u.Steps("clear")
	entries, _ := os.ReadDir(u.filesDir())
	for _, e := range entries {
		if u.s.Kept.SHA256 == "" || e.Name() != filepath.Base(u.path(u.s.Kept)) {
			_ = os.Remove(filepath.Join(u.filesDir(), e.Name()))
		}
	}
	return nil
}

// short bounds a text that goes into the state and the log.
func short(err error) string {
	s := []rune(err.Error())
	if len(s) > 300 {
		s = append(s[:300], '…')
	}
	return string(s)
}
