package main

import (
	"context"
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"time"

	"github.com/tapcheck/tapcheck/agent"
	"github.com/tapcheck/tapcheck/agent/health"
	"github.com/tapcheck/tapcheck/agent/keys"
	"github.com/tapcheck/tapcheck/agent/settings"
	"github.com/tapcheck/tapcheck/agent/update"
)

// releaseKey is the public key of releases, base64, which the build sets (make release RELEASE_KEY=…). Empty: only keys that an
// administrator has put beside the program count.
var releaseKey string

type updateCmd struct {
	Check  updateCheckCmd  `cmd:"" help:"Say whether the hospital's source has a newer version for this PC. Changes nothing."`
	Apply  updateApplyCmd  `cmd:"" help:"Install the newer version now, and take it back if it is not healthy within a minute. For administrators."`
	Status updateStatusCmd `cmd:"" help:"Say how the last update went."`
	Sign   updateSignCmd   `cmd:"" help:"For whoever makes releases: sign a folder of files as a release."`
	Key    updateKeyCmd    `cmd:"" help:"For whoever makes releases: make a release key, or show the public half of one."`
}

// places are where the updater keeps its own. Both folders are an administrator's alone to write to.
type places struct {
	trust string // whose signature counts (release.pub), and what proves this PC to an https server (credential, ca.pem)
	work  string // state and files
}

// privileged says whether the program may install programs. Tests have an answer of their own.
var privileged = mayInstall

func (a *app) updateConfig(s settings.Update) (update.Config, error) {
	h, err := updateHost(a)
	if err != nil {
		return update.Config{}, err
	}
	at := updatePlaces()
	c := update.Config{
		Dir: at.work, Ring: s.Ring, FromHour: s.FromHour, ToHour: s.ToHour, OS: runtime.GOOS, Arch: runtime.GOARCH, Host: h, Now: time.Now, Free: freeBytes,
		Log: func(event string, fields map[string]any) {
			l := a.logger("info")
			l.Info().Fields(fields).Msg(event)
		},
	}
	if c.Keys, err = releaseKeys(at.trust); err != nil {
		return c, err
	}
	c.Source, err = releaseSource(s.Source, at.trust)
	return c, err
}

// releaseKeys are the build's and the administrator's.
func releaseKeys(dir string) (all []ed25519.PublicKey, err error) {
	if releaseKey != "" {
		raw, err := base64.StdEncoding.DecodeString(releaseKey)
		if err != nil || len(raw) != ed25519.PublicKeySize {
			return nil, errors.New("this build's release key is malformed")
		}
		all = append(all, raw)
	}
	raw, err := update.ReadTrusted(filepath.Join(dir, "release.pub"))
	if errors.Is(err, fs.ErrNotExist) {
		return all, nil
	}
	var more []ed25519.PublicKey
	if err == nil {
		more, err = update.ParsePublic(raw)
	}
	if err != nil {
		return nil, fmt.Errorf("release.pub: %w", err)
	}
	return append(all, more...), nil
}

// releaseSource is where the settings say that releases are. What proves this PC to a server is sent only to the address that
// stands beside it in the administrator's own file: the settings, which the service can save, do not send it elsewhere.
func releaseSource(source, dir string) (update.Source, error) {
	switch {
	case source == "":
		return nil, nil
	case !strings.HasPrefix(source, "https://"):
		return update.Folder(source), nil
	}
	ca, err := update.ReadTrusted(filepath.Join(dir, "ca.pem"))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("ca.pem: %w", err)
	}
	token := ""
	path := filepath.Join(dir, "credential")
	if _, err = update.ReadTrusted(path); err == nil {
		var line string
		if line, err = keys.ReadSecret(path); err == nil {
			base, secret, ok := strings.Cut(line, " ")
			if !ok || !strings.HasPrefix(base, "https://") || !strings.HasSuffix(base, "/") {
				err = errors.New("it must hold one line: https://host/path/ and, after a blank, the token")
			} else if strings.HasPrefix(strings.TrimRight(source, "/")+"/", base) {
				token = secret
			}
		}
	}
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("credential: %w", err)
	}
	return update.NewHTTPS(source, token, ca)
}

type updateCheckCmd struct {
	JSON bool `help:"As JSON."`
}

// Run asks the source.
func (c updateCheckCmd) Run(a *app) error {
	s, err := a.settings()
	if err != nil {
		return err
	}
	u, err := a.updateConfig(s.Update)
	if err != nil {
		return updateError(err)
	}
	state, err := update.ReadState(u.Dir)
	if err != nil {
		return updateError(err)
	}
	o, err := update.Check(a.ctx, u, state)
	if err != nil {
		return updateError(err)
	}
	if c.JSON {
		return a.json(o)
	}
	switch {
	case !o.Newer:
		a.printf("%s %s\n", a.say("Đang dùng bản mới nhất:", "This is the newest version:"), o.Installed)
	case o.Due:
		a.printf(a.say("Có bản %s (đang dùng %s); sẽ cài vào giờ cho phép, hoặc ngay bằng tapcheck update apply.\n", "Version %s is there (%s is installed); it is installed at the next hour that the settings allow, or now by tapcheck update apply.\n"), o.Version, o.Installed)
	case o.Refused:
		a.printf(a.say("Bản %s đã được cài và phải gỡ lại trên máy này; xem tapcheck update status.\n", "Version %s was installed on this PC and taken back; see tapcheck update status.\n"), o.Version)
	case o.From.IsZero():
		a.printf(a.say("Có bản %s, nhưng không dành cho nhóm %d.\n", "Version %s is there, and not for ring %d.\n"), o.Version, s.Update.Ring)
	default:
		a.printf(a.say("Có bản %s; nhóm %d cài từ %s.\n", "Version %s is there; ring %d takes it from %s on.\n"), o.Version, s.Update.Ring, o.From.Local().Format("2006-01-02 15:04"))
	}
	return nil
}

type updateApplyCmd struct {
	Scheduled bool `help:"Only what is due at this hour; nothing is said where updates are off. The PC's scheduler runs this."`
}

// Run installs what is there.
func (c updateApplyCmd) Run(a *app) error {
	s, err := a.settings()
	if err != nil {
		return err
	}
	if !privileged() {
		return failWith(exitUpdate, nil, "cần quyền quản trị (root; trên Windows: quản trị viên)", "an administrator's rights are needed (root; on Windows: an administrator)")
	}
	if started, err := a.applyElsewhere(); started || err != nil {
		return err
	}
	u, err := a.updateConfig(s.Update)
	if err != nil {
		return updateError(err)
	}
	f, err := update.Apply(a.ctx, u, !c.Scheduled)
	switch {
	case c.Scheduled && (errors.Is(err, update.ErrOff) || errors.Is(err, update.ErrBusy)):
		return nil
	case errors.Is(err, update.ErrRolledBack):
		return failWith(exitTakenBack, err, "bản mới không chạy được nên đã trở lại bản cũ: "+err.Error(), err.Error())
	case err != nil:
		return updateError(err)
	case f != nil:
		a.printf(a.say("Đã nâng từ %s lên %s.\n", "Updated from %s to %s.\n"), f.From, f.To)
	case !c.Scheduled:
		a.printf("%s\n", a.say("Không có bản nào mới hơn.", "There is no newer version."))
	}
	return nil
}

// updateError puts what is wrong with a release, or with how it is reached, into words.
func updateError(err error) error {
	for _, k := range []struct {
		is     error
		vi, en string
	}{
		{update.ErrOff, "chưa bật cập nhật: điền update.source trong cấu hình", "updates are off: set update.source"},
		{update.ErrNoKey, "bản này không kèm khóa công khai của bản phát hành: đặt release.pub vào thư mục của trình cập nhật", "this build brings no release key: put release.pub into the updater's folder"},
		{update.ErrNoVersion, "bản đang cài không có số phiên bản", "the installed build has no version number"},
		{update.ErrUnreachable, "không đọc được nơi đặt bản phát hành", "the source cannot be read"},
		{update.ErrForm, "tệp mô tả bản phát hành sai dạng", "the release's manifest is malformed"},
		{update.ErrSignature, "tệp mô tả không do khóa phát hành ký: không cài, báo cho người phụ trách", "the manifest is not signed by the release key: nothing is installed; tell who is in charge"},
		{update.ErrExpired, "bản phát hành đã hết hạn", "the release has ended"},
		{update.ErrReplayed, "bản phát hành này cũ hơn bản đã thấy trước đó", "the release is older than one that was seen before"},
		{update.ErrTooOld, "bản đang cài quá cũ để nâng thẳng", "the installed version is too old for this step"},
		{update.ErrNoFile, "bản phát hành không có tệp cho máy này", "the release has no file for this PC"},
		{update.ErrDamaged, "một tệp không đúng như đã ký", "a file is not the one that was signed"},
		{update.ErrNoWayBack, "không có gói của bản đang cài nên không có đường lui: đặt gói đó cạnh bản mới và ký lại (tapcheck update sign --also)", "the package of the installed version is not there, so there would be no way back: put it beside the new one and sign again (tapcheck update sign --also)"},
		{update.ErrDisk, "ổ đĩa không đủ chỗ", "there is not enough room on the disk"},
		{update.ErrBusy, "một trình cập nhật khác đang chạy", "another updater is at work"},
		{update.ErrExposed, "người khác ghi được vào thư mục hoặc tệp của trình cập nhật", "others can write to the updater's folder or files"},
		{update.ErrState, "tệp trạng thái của trình cập nhật bị hỏng: xóa tệp đó rồi chạy lại", "the updater's state is damaged: delete it and run again"},
	} {
		if errors.Is(err, k.is) {
			return failWith(exitUpdate, err, k.vi+"\n  "+err.Error(), k.en+"\n  "+err.Error())
		}
	}
	return failWith(exitUpdate, err, err.Error(), err.Error())
}

type updateStatusCmd struct {
	JSON bool `help:"As JSON."`
}

// Run shows the updater's state.
func (c updateStatusCmd) Run(a *app) error {
	s, err := update.ReadState(updatePlaces().work)
	if err != nil {
		return updateError(err)
	}
	if c.JSON {
		return a.json(s)
	}
	if s.Checked.IsZero() {
		a.printf("%s\n", a.say("Chưa kiểm tra lần nào.", "Nothing was looked for yet."))
	} else {
		a.printf("%s %s", a.say("Kiểm tra lần cuối:", "Last look:"), s.Checked.Local().Format("2006-01-02 15:04"))
		if s.Offered != "" {
			a.printf(", %s %s", a.say("có bản", "there is"), s.Offered)
		}
		a.printf("\n")
	}
	if s.Problem != "" {
		a.printf("%s %s\n", a.say("Có lỗi:", "Wrong:"), s.Problem)
	}
	if s.Step != "" {
		a.printf("%s %s → %s (%s)\n", a.say("Đang làm:", "Under way:"), s.From, s.To, s.Step)
	}
	if f := s.Finished; f != nil {
		what := map[string]string{
			update.Installed:  a.say("đã cài", "installed"),
			update.RolledBack: a.say("đã trở lại bản cũ", "taken back"),
			update.Failed:     a.say("hỏng, cần người sửa", "failed, somebody must see to it"),
		}[f.Result]
		a.printf("%s → %s: %s, %s\n", f.From, f.To, what, f.At.Local().Format("2006-01-02 15:04"))
		if f.Why != "" {
			a.printf("  %s\n", f.Why)
		}
	}
	return nil
}

type updateSignCmd struct {
	Folder  string   `arg:"" help:"Folder with the files of the release; the manifest is put there." type:"existingdir"`
	Key     string   `help:"File of the release key (PEM, Ed25519)." required:"" type:"existingfile" placeholder:"FILE"`
	Version string   `help:"The version that is released." required:"" placeholder:"N.N.N"`
	Also    []string `help:"Earlier versions whose files are in the folder too, as ways back." placeholder:"N.N.N"`
	Minimum string   `help:"The least version that may be updated by it." placeholder:"N.N.N"`
	Days    int      `help:"How many days it counts." default:"90"`
	Ring    []string `help:"From when on each ring takes it, first ring 0: now, a time (RFC 3339), or never. Not given: all, now." placeholder:"WHEN,…"`
}

// releaseFile tells the files of a release by the names that make release gives them.
var releaseFile = regexp.MustCompile(`^(?:tapcheck_(\d+\.\d+\.\d+)-1_([a-z0-9]+)\.(deb)|tapcheck-(\d+\.\d+\.\d+)-1\.([a-z0-9_]+)\.(rpm)|tapcheck-(\d+\.\d+\.\d+)\.(msi)|tapcheck-(\d+\.\d+\.\d+)-(linux|windows)-([a-z0-9]+)(?:\.exe)?)$`)

func releaseFileOf(name string) (f update.File, ok bool) {
	m := releaseFile.FindStringSubmatch(name)
	if m == nil {
		return f, false
	}
	f.Name = name
	switch {
	case m[3] != "":
		f.Version, f.Arch, f.Kind, f.OS = m[1], m[2], update.Deb, "linux"
	case m[6] != "":
		arch := map[string]string{"x86_64": "amd64", "aarch64": "arm64"}[m[5]]
		f.Version, f.Arch, f.Kind, f.OS = m[4], arch, update.RPM, "linux"
	case m[8] != "":
		f.Version, f.Arch, f.Kind, f.OS = m[7], "amd64", update.MSI, "windows"
	default:
		f.Version, f.OS, f.Arch, f.Kind = m[9], m[10], m[11], update.Program
	}
	return f, true
}

// Run signs a release.
func (c updateSignCmd) Run(a *app) error {
	raw, err := os.ReadFile(c.Key)
	if err != nil {
		return usage("--key: %v", err)
	}
	key, err := update.ParsePrivate(raw)
	if err != nil {
		return usage("--key: %v", err)
	}
	now := time.Now().UTC().Truncate(time.Second)
	m := update.Manifest{Version: c.Version, Minimum: c.Minimum, Made: now, Expires: now.Add(time.Duration(c.Days) * 24 * time.Hour)}
	if len(c.Ring) == 0 {
		c.Ring = slices.Repeat([]string{"now"}, 10)
	}
	never := false
	for i, when := range c.Ring {
		at := now
		switch when {
		case "now":
		case "never":
			never = true
			continue
		default:
			if at, err = time.Parse(time.RFC3339, when); err != nil {
				return usage("--ring: %q is neither now, never nor a time such as 2026-12-01T01:00:00+07:00", when)
			}
		}
		if never {
			return usage("--ring: ring %d would take it and an earlier one never", i)
		}
		m.Rings = append(m.Rings, at)
	}
	entries, err := os.ReadDir(c.Folder)
	if err != nil {
		return err
	}
	for _, e := range entries {
		f, ok := releaseFileOf(e.Name())
		if !ok || f.Version != c.Version && !slices.Contains(c.Also, f.Version) {
			continue
		}
		if f.SHA256, f.Size, err = fileDigest(filepath.Join(c.Folder, f.Name)); err != nil {
			return err
		}
		m.Files = append(m.Files, f)
	}
	signed, err := update.Sign(m, key)
	if err != nil {
		return usage("%v", err)
	}
	// Whoever reads it meanwhile has the old one or the new one, whole.
	path := filepath.Join(c.Folder, update.ManifestName)
	if err := errors.Join(os.WriteFile(path+".part", signed, 0o644), os.Rename(path+".part", path)); err != nil {
		return err
	}
	for _, f := range m.Files {
		a.printf("%s %s %s/%s %s\n", f.Version, f.Kind, f.OS, f.Arch, f.Name)
	}
	return nil
}

func fileDigest(path string) (sum string, size int64, err error) {
	f, err := os.Open(path)
	if err != nil {
		return "", 0, err
	}
	defer f.Close()
	h := sha256.New()
	size, err = io.Copy(h, f)
	return hex.EncodeToString(h.Sum(nil)), size, err
}

type updateKeyCmd struct {
	Out string `help:"Make a key and write it to this file, which must not be there." placeholder:"FILE" xor:"key"`
	Of  string `help:"Show the public half of this key." type:"existingfile" placeholder:"FILE" xor:"key"`
	PEM bool   `name:"pem" help:"As release.pub wants it, not as the build does."`
}

// Run makes or shows a release key.
func (c updateKeyCmd) Run(a *app) error {
	switch {
	case c.Out != "":
		private, _, err := update.NewKey()
		if err != nil {
			return err
		}
		f, err := os.OpenFile(c.Out, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
		if err != nil {
			return usage("--out: %v", err)
		}
		_, err = f.Write(private)
		if err = errors.Join(err, f.Close()); err != nil {
			return err
		}
		c.Of = c.Out
	case c.Of == "":
		return usage("--out or --of")
	}
	raw, err := os.ReadFile(c.Of)
	if err != nil {
		return usage("--of: %v", err)
	}
	key, err := update.ParsePrivate(raw)
	if err != nil {
		return usage("--of: %v", err)
	}
	public := key.Public().(ed25519.PublicKey)
	if c.PEM {
		a.printf("%s", update.PublicPEM(public))
		return nil
	}
	a.printf("%s\n", base64.StdEncoding.EncodeToString(public))
	return nil
}

// copyDurably copies a file, and has it on the disk when it returns.
func copyDurably(from, to string, mode os.FileMode) error {
	in, err := os.Open(from)
	if err != nil {
		return err
	}
	defer in.Close()
	_ = os.Remove(to)
	out, err := os.OpenFile(to, os.O_WRONLY|os.O_CREATE|os.O_EXCL, mode)
	if err != nil {
		return err
	}
	_, err = io.Copy(out, in)
	if err == nil {
		err = out.Chmod(mode) // whatever the umask
	}
	if err == nil {
		err = out.Sync()
	}
	if err = errors.Join(err, out.Close()); err != nil {
		_ = os.Remove(to)
	}
	return err
}

// probe asks the agent on a port which version it is.
func probe(ctx context.Context, port int) (version string, ok bool) {
	d, ok := discover(ctx, fmt.Sprintf("127.0.0.1:%d", port))
	return d.Agent.Version, ok && !d.Simulator
}

// checkUpdates says how the last update went.
func checkUpdates(s settings.Settings) finding {
	f := finding{Check: "update"}
	state, err := update.ReadState(updatePlaces().work)
	back, failing := agent.UpdateTrouble(state, err)
	switch {
	case back:
		f.Code = health.UpdateTakenBack
		if state.Finished != nil {
			f.Detail = state.Finished.To + ": " + state.Finished.Why
		}
	case failing && s.Update.Source != "":
		f.Code, f.Detail = health.UpdateFailing, state.Problem
	case state.Finished != nil:
		f.Detail = state.Finished.From + " → " + state.Finished.To
	}
	return f
}
