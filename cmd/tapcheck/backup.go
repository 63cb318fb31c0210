package main

import (
	"cmp"
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"time"

	"github.com/tapcheck/tapcheck/agent"
	"github.com/tapcheck/tapcheck/agent/backup"
	"github.com/tapcheck/tapcheck/agent/console"
	"github.com/tapcheck/tapcheck/agent/health"
	"github.com/tapcheck/tapcheck/agent/journal"
	"github.com/tapcheck/tapcheck/agent/keys"
	"github.com/tapcheck/tapcheck/agent/settings"
)

type backupCmd struct {
	Key    backupKeyCmd    `cmd:"" help:"Make the hospital's recovery key. Once, for all desks."`
	Now    backupNowCmd    `cmd:"" help:"Make a backup of this desk now."`
	Status backupStatusCmd `cmd:"" help:"Say how the daily backups go."`
	Show   backupShowCmd   `cmd:"" help:"Say what a backup is, and prove that the recovery key opens it and that it is whole."`
}

type backupKeyCmd struct {
	Out string `help:"File for the secret half, which must not be there. It belongs into a safe, not onto a desk." required:"" placeholder:"FILE"`
}

// Run makes a recovery key.
func (c backupKeyCmd) Run(a *app) error {
	secret, recipient, err := backup.NewKey()
	if err != nil {
		return err
	}
	f, err := os.OpenFile(c.Out, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return usage("--out: %v", err)
	}
	_, err = fmt.Fprintf(f, "# %s\n%s\n", recipient, secret)
	if err = errors.Join(err, f.Sync(), f.Close()); err != nil {
		return err
	}
	a.printf("%s\n", recipient)
	fmt.Fprintf(a.Stderr, "%s\n", a.say(
		"Ghi dòng trên vào backup.recipient của mọi quầy. Cất tệp khóa ngoài các máy, ít nhất hai bản: mất khóa thì không bản sao lưu nào mở được.",
		"Put the line above into backup.recipient of all desks. Keep the file off the PCs, at least twice: without it no backup can be opened."))
	return nil
}

type backupNowCmd struct {
	To        string `help:"Folder for it; otherwise backup.folder." placeholder:"DIR"`
	Recipient string `help:"Recovery key that it is encrypted to; otherwise backup.recipient." placeholder:"age1…"`
}

// Run makes a backup.
func (c backupNowCmd) Run(a *app) error {
	s, err := a.settings()
	if err != nil {
		return err
	}
	folder, recipient := cmp.Or(c.To, s.Backup.Folder), cmp.Or(c.Recipient, s.Backup.Recipient)
	if folder == "" {
		return usage("--to: %s", a.say("cấu hình không có backup.folder", "the settings have no backup.folder"))
	}
	if backup.CheckRecipient(recipient) != nil {
		return usage("--recipient: %s", a.say("không phải khóa age1… (tapcheck backup key)", "no age1… key (tapcheck backup key)"))
	}
	dir, err := a.dataFolder()
	if err != nil {
		return err
	}
	instance, err := keys.InstanceIn(dir)
	if err != nil {
		return dataFolderError(err)
	}
	path := ""
	if a.stopped(dir) != nil { // the journal is the agent's alone: it makes the backup
		ctx, stop := context.WithTimeout(a.ctx, 35*time.Minute)
		defer stop()
		path, err = agent.AskForBackup(ctx, dir, agent.BackupRequest{ID: strings.ToLower(rand.Text()), Recipient: recipient})
	} else {
		path = filepath.Join(dir, "backup-stopped.age")
		_ = os.Remove(path)
		err = agent.WriteBackup(a.ctx, path, recipient, agent.BackupSource{Dir: dir, SettingsFile: a.config, Version: version, Desk: s.Desk, Machine: thisMachine()})
	}
	if err != nil {
		return backupError(err)
	}
	defer os.Remove(path)
	name := agent.BackupName(instance, time.Now())
	if err := agent.PlaceBackup(a.ctx, path, folder, name, instance, 0); err != nil {
		return backupError(err)
	}
	a.printf("%s\n", filepath.Join(folder, name))
	return nil
}

type backupStatusCmd struct {
	JSON bool `help:"As JSON."`
}

// Run shows how backups go.
func (c backupStatusCmd) Run(a *app) error {
	dir, err := a.dataFolder()
	if err != nil {
		return err
	}
	s, err := agent.ReadBackupState(dir)
	if err != nil {
		return dataFolderError(err)
	}
	if c.JSON {
		return a.json(s)
	}
	if s.Done.IsZero() {
		a.printf("%s\n", a.say("Chưa có bản sao lưu hằng ngày nào.", "There is no daily backup yet."))
	} else {
		a.printf("%s %s %s\n", a.say("Bản gần nhất:", "The last one:"), s.Done.Local().Format("2006-01-02 15:04"), s.File)
	}
	if s.Problem != "" {
		a.printf("%s %s: %s\n", a.say("Lần thử gần nhất hỏng:", "The last try failed:"), s.Tried.Local().Format("2006-01-02 15:04"), s.Problem)
	}
	return nil
}

// recoveryKey reads the secret half. It may have been written by age-keygen, too.
func recoveryKey(path string) (string, error) {
	f, err := os.Open(path)
	if err != nil {
		return "", usage("--key: %v", err)
	}
	defer f.Close()
	raw, err := io.ReadAll(io.LimitReader(f, 64<<10))
	if err != nil {
		return "", usage("--key: %v", err)
	}
	for line := range strings.Lines(string(raw)) {
		if line = strings.TrimSpace(line); line != "" && !strings.HasPrefix(line, "#") {
			return line, nil
		}
	}
	return "", usage("--key: %s holds no key", path)
}

// backupError puts what is wrong with a backup into words, with its exit code.
func backupError(err error) error {
	switch {
	case errors.Is(err, backup.ErrWrongKey):
		return failWith(exitRecovery, err, "bản sao lưu được mã hóa cho khóa phục hồi khác", "the backup is encrypted to another recovery key")
	case errors.Is(err, backup.ErrIdentity):
		return failWith(exitRecovery, err, "tệp khóa không có khóa phục hồi (AGE-SECRET-KEY-1…)", "the key file holds no recovery key (AGE-SECRET-KEY-1…)")
	case errors.Is(err, backup.ErrNewer), errors.Is(err, journal.ErrNewer):
		return failWith(exitNewer, err, "bản sao lưu do phiên bản mới hơn tạo: cài phiên bản đó rồi phục hồi lại", "a newer version has made the backup: install that one and restore again")
	case errors.Is(err, backup.ErrDamaged), errors.Is(err, journal.ErrDamaged), errors.Is(err, journal.ErrWrongKey):
		return failWith(exitBackup, err, "bản sao lưu bị hỏng hoặc bị cắt cụt: dùng bản khác", "the backup is damaged or cut short: take another one")
	case diskFull(err), strings.Contains(err.Error(), errNoRoom.Error()): // the running agent's comes as words
		return failWith(exitDisk, err, "ổ đĩa không đủ chỗ; chưa có gì thay đổi", "there is not enough room on the disk; nothing has changed")
	}
	var f *keys.FileError
	if errors.As(err, &f) {
		return dataFolderError(err)
	}
	var path *fs.PathError
	if errors.As(err, &path) || errors.Is(err, journal.ErrUnwritable) {
		return failWith(exitDisk, err, "không đọc hoặc ghi được: "+err.Error(), "it cannot be read or written: "+err.Error())
	}
	return err
}

// diskFree says how much room a disk has. Tests have an answer of their own.
var diskFree = freeBytes

// errNoRoom has the words of agent's own.
var errNoRoom = errors.New("not enough room on the disk")

type backupShowCmd struct {
	File string `arg:"" help:"The backup." type:"existingfile"`
	Key  string `help:"File with the recovery key." required:"" placeholder:"FILE"`
	JSON bool   `help:"As JSON."`
}

// Run shows a backup.
func (c backupShowCmd) Run(a *app) error {
	secret, err := recoveryKey(c.Key)
	if err != nil {
		return err
	}
	f, err := os.Open(c.File)
	if err != nil {
		return err
	}
	defer f.Close()
	m, err := backup.Read(a.ctx, f, secret, func(_ backup.Manifest, _ string, _ int64, r io.Reader) error {
		_, err := io.Copy(io.Discard, r)
		return err
	})
	if err != nil {
		return backupError(err)
	}
	if c.JSON {
		return a.json(m)
	}
	a.showBackup(m)
	return nil
}

func (a *app) showBackup(m backup.Manifest) {
	a.printf("%s %s, %s, Tapcheck %s\n  %s %s\n", m.Made.Local().Format("2006-01-02 15:04"), m.Host, cmp.Or(m.Desk, "–"), m.Version, a.say("mã bản cài", "instance"), m.InstanceID)
}

type restoreCmd struct {
	File     string `arg:"" help:"The backup." type:"existingfile"`
	Key      string `help:"File with the recovery key." required:"" placeholder:"FILE"`
	Replace  bool   `help:"This PC has data of its own already: set them aside in the data folder."`
	Settings bool   `help:"Take the settings file too, in the place of the one that is there (which stays as .bak)."`
}

// Run puts a desk's backup onto this PC, which takes over its work with keys of its own. Everything is read and proved before anything is changed.
func (c restoreCmd) Run(a *app) error {
	secret, err := recoveryKey(c.Key)
	if err != nil {
		return err
	}
	dir, err := a.dataFolder()
	if err != nil {
		return err
	}
	if err := a.stopped(dir); err != nil {
		return err
	}
	if err := keys.Claim(dir, false); err != nil {
		return dataFolderError(err)
	}
	_, err = os.Lstat(filepath.Join(dir, keys.FileName))
	there := err == nil
	if there && !c.Replace {
		return failWith(exitSettings, nil,
			"máy này đã có dữ liệu riêng ("+dir+"): thêm --replace để cất chúng sang một thư mục con",
			"this PC has data of its own ("+dir+"): --replace sets them aside in a folder there")
	}
	stage, err := stageBeside(dir)
	if err != nil {
		return backupError(err)
	}
	defer os.RemoveAll(stage)
	r, err := a.readBackup(c.File, secret, stage)
	if err != nil {
		return backupError(err)
	}

	if there {
		name, err := keys.SetAsideAll(dir, "before-restore-"+time.Now().UTC().Format("20060102T150405Z"))
		if err != nil {
			return dataFolderError(err)
		}
		a.printf("%s %s\n", a.say("Dữ liệu cũ của máy này:", "This PC's own data:"), filepath.Join(dir, name))
	}
	for name, raw := range r.small {
		f, err := keys.OpenFile(dir, name)
		if err == nil {
			err = f.Change(func([]byte) ([]byte, error) { return raw, nil })
		}
		if err != nil {
			return backupError(err)
		}
	}
	if r.journal {
		to := filepath.Join(dir, agent.JournalFile)
		for _, suffix := range []string{"-wal", "-journal"} { // of a journal that is no more
			_ = os.Remove(to + suffix)
		}
		from := filepath.Join(stage, agent.JournalFile)
		if err := os.Rename(from, to); err != nil { // a data folder that is a disk of its own
			if err := copyDurably(from, to, 0o600); err != nil {
				return backupError(err)
			}
		}
		if err := keys.Own(to); err != nil {
			return backupError(err)
		}
	}
	// The keys come last: until they are there this can be done again.
	k, err := keys.Adopt(dir, r.key, r.former, thisMachine())
	if err != nil {
		return dataFolderError(err)
	}
	a.showBackup(r.m)
	a.printf("  %s %s\n", a.say("nay là bản cài", "is now instance"), k.InstanceID())
	if err := c.settings(a, r.settings); err != nil {
		return err
	}
	fmt.Fprintf(a.Stderr, "%s\n", a.say(
		"Đã phục hồi. Chạy dịch vụ (tapcheck service start), đổi khóa công khai của máy trong phần mềm bệnh viện nếu có kiểm tra (tapcheck token key), tạo lại chứng thư wss nếu dùng (tapcheck wss renew). Máy cũ nếu còn chạy thì phải gỡ Tapcheck: hai máy sẽ cùng hỏi lại một hàng chờ.",
		"Restored. Start the service (tapcheck service start), give the HIS this PC's public key if it checks that (tapcheck token key), and make the certificate of wss anew if it is used (tapcheck wss renew). If the old PC still runs, take Tapcheck off it: both would ask for the same waiting look-ups."))
	return nil
}

// stageBeside makes a folder on the disk of the data folder, beside it where that can be: in it the service, whose folder it is, could meddle. What a
// restore that was broken off has left is removed.
func stageBeside(dir string) (string, error) {
	const pattern = ".tapcheck-restoring-*"
	places := []string{filepath.Dir(filepath.Clean(dir)), dir}
	if runtime.GOOS == "windows" {
		places = places[1:] // a file keeps the access list of where it was made, and only here that is the data folder's
	}
	for _, at := range places {
		left, _ := filepath.Glob(filepath.Join(at, pattern))
		for _, l := range left {
			_ = os.RemoveAll(l)
		}
		if stage, err := os.MkdirTemp(at, pattern); err == nil || at == dir {
			return stage, err
		}
	}
	return "", os.ErrInvalid
}

// restored is what of a backup has been read and proved.
type restored struct {
	m        backup.Manifest
	key      []byte
	former   []keys.Former
	small    map[string][]byte
	settings []byte
	journal  bool // in the stage
}

func (a *app) readBackup(file, secret, stage string) (restored, error) {
	r := restored{small: map[string][]byte{}}
	f, err := os.Open(file)
	if err != nil {
		return r, err
	}
	defer f.Close()
	r.m, err = backup.Read(a.ctx, f, secret, func(m backup.Manifest, name string, size int64, data io.Reader) error {
		switch {
		case name == agent.JournalFile || name == agent.JournalFile+"-wal":
			if free, known := diskFree(stage); known && free < uint64(size)+100<<20 {
				return errNoRoom
			}
			out, err := os.OpenFile(filepath.Join(stage, name), os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
			if err != nil {
				return err
			}
			_, err = io.Copy(out, data)
			r.journal = true
			return errors.Join(err, out.Sync(), out.Close())
		case size > 1<<20:
			return backup.ErrDamaged
		}
		raw, err := io.ReadAll(data)
		switch {
		case err != nil:
			return err
		case name == agent.BackupDatabaseKey:
			r.key = raw
		case name == agent.BackupSettings:
			r.settings = raw
		case name == keys.TokensFileName, name == console.AccountsFileName, agent.GatewayFile(name):
			r.small[name] = raw
		} // what else a version to come may put in is left out
		return nil
	})
	if err != nil {
		return r, err
	}
	var public keys.JWK
	if len(r.key) != 32 || json.Unmarshal(r.m.PublicKey, &public) != nil || public.X == "" || r.m.Former != nil && json.Unmarshal(r.m.Former, &r.former) != nil {
		return r, backup.ErrDamaged
	}
	r.former = append(r.former, keys.Former{InstanceID: r.m.InstanceID, PublicKey: public, Until: r.m.Made})
	if !r.journal {
		return r, nil
	}
	o := journal.Options{Path: filepath.Join(stage, agent.JournalFile)}
	copy(o.Key[:], r.key)
	j, err := journal.Open(a.ctx, o)
	if err != nil {
		return r, err
	}
	return r, errors.Join(j.Verify(a.ctx), j.Close())
}

// settings puts the backup's settings where there are none, or beside those that are there.
func (c restoreCmd) settings(a *app, raw []byte) error {
	if raw == nil {
		return nil
	}
	now, err := os.ReadFile(a.config)
	to := a.config
	switch {
	case err == nil && string(now) == string(raw):
		return nil
	case err == nil && c.Settings:
		if err := os.WriteFile(a.config+".bak", now, 0o644); err != nil {
			return backupError(err)
		}
	case err == nil:
		to += ".restored"
	case !errors.Is(err, fs.ErrNotExist):
		return backupError(err)
	}
	if err := os.MkdirAll(filepath.Dir(to), 0o755); err != nil {
		return backupError(err)
	}
	if err := os.WriteFile(to+".part", raw, 0o644); err != nil {
		return backupError(err)
	}
	if err := os.Rename(to+".part", to); err != nil {
		return backupError(err)
	}
	a.printf("  %s %s\n", a.say("cấu hình:", "settings:"), to)
	// Secrets that lie outside of the data folder are not in a backup.
	s, err := settings.Parse(raw)
	if err != nil {
		return nil // config check says what is wrong with it
	}
	for _, e := range settings.List(s) {
		name, is := e.Value.(string)
		if !is || name == "" || !strings.HasSuffix(e.Name, "_file") && !strings.HasPrefix(e.Name, "insurance.relay_c") && e.Name != "insurance.relay_key" && e.Name != "trust.folder" {
			continue
		}
		if credential, is := keys.Credential(name); is { // which no other PC can open
			if _, err := keys.ReadPrivate(name); err != nil {
				a.printf("  %s %s: tapcheck secret set %s\n", a.say("máy cũ giữ riêng, đặt lại trên máy này:", "the dead PC's alone, set it again here:"), e.Name, credential)
			}
			continue
		}
		if _, err := os.Stat(name); err != nil {
			a.printf("  %s %s: %s\n", a.say("không có trên máy này:", "not on this PC:"), e.Name, name)
		}
	}
	return nil
}

// checkBackups says how the daily backups go.
func (a *app) checkBackups(s settings.Settings) finding {
	f := finding{Check: "backup"}
	dir, err := a.dataFolder()
	if err != nil || s.Backup.Folder == "" {
		return f
	}
	if _, err := os.Stat(dir); err != nil {
		return f // the agent makes it; doctor changes nothing
	}
	state, err := agent.ReadBackupState(dir)
	switch {
	case errors.Is(err, fs.ErrPermission): // who may not look cannot tell
	case err != nil:
		f.Code, f.Detail = health.BackupFailing, err.Error()
	case state.Trouble(time.Now()):
		f.Code, f.Detail = health.BackupFailing, state.Problem
	default:
		f.Detail = state.File
	}
	return f
}
