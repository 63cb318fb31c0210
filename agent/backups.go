package agent

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/tapcheck/tapcheck/agent/backup"
	"github.com/tapcheck/tapcheck/agent/console"
	"github.com/tapcheck/tapcheck/agent/health"
	"github.com/tapcheck/tapcheck/agent/journal"
	"github.com/tapcheck/tapcheck/agent/keys"
	"github.com/tapcheck/tapcheck/agent/settings"
)

// Files of backups within the data folder.
const (
	backupStateFile   = "backup.json"
	backupRequestFile = "backup-request.json"
	backupHere        = "backup-ready.age" // what a request has asked for
	backupPart        = "backup.part"
)

// Names of files within a backup that are not the data folder's.
const (
	BackupDatabaseKey = "database.key"
	BackupSettings    = "settings.toml"
)

const (
	backupLook   = 3 * time.Second  // between looks at the clock and for a request
	backupAgain  = time.Hour        // after a failure
	backupLate   = 72 * time.Hour   // without a backup
	backupTime   = 30 * time.Minute // that one may take
	backupFirst  = time.Minute      // after the agent's start
	backupMargin = 100 << 20        // bytes that stay free on the disk
)

// BackupState is how backups go.
type BackupState struct {
	Done    time.Time `json:"done,omitzero"` // of the last one that is in the folder
	File    string    `json:"file,omitempty"`
	Tried   time.Time `json:"tried,omitzero"`
	Problem string    `json:"problem,omitempty"`
	Request string    `json:"request,omitempty"` // the last request that was answered, and how
	Refused string    `json:"refused,omitempty"`
}

// Trouble says whether somebody should see to the daily backups: the last try failed, or there was none for days.
func (s BackupState) Trouble(now time.Time) bool {
	return s.Problem != "" || !s.Done.IsZero() && now.Sub(s.Done) > backupLate
}

// BackupRequest asks a running agent for a backup. It is left in backupHere.
type BackupRequest struct {
	ID        string `json:"id"`
	Recipient string `json:"recipient"`
}

// ReadBackupState gives how backups of a data folder go. Error: *keys.FileError.
func ReadBackupState(dir string) (s BackupState, err error) {
	f, err := keys.OpenFile(dir, backupStateFile)
	if err != nil {
		return s, err
	}
	err = f.Look(func(raw []byte) {
		if raw != nil {
			_ = json.Unmarshal(raw, &s) // what nobody can read is nothing yet
		}
	})
	return s, err
}

// AskForBackup has a running agent leave a backup in the data folder, and gives its path; whoever asked takes it away. Errors:
// *keys.FileError, what the agent says, and ctx's.
func AskForBackup(ctx context.Context, dir string, r BackupRequest) (path string, err error) {
	raw, err := json.Marshal(r)
	if err != nil {
		return "", err
	}
	f, err := keys.OpenFile(dir, backupRequestFile)
	if err != nil {
		return "", err
	}
	if err := f.Change(func([]byte) ([]byte, error) { return raw, nil }); err != nil {
		return "", err
	}
	for {
		select {
		case <-ctx.Done():
			return "", errors.Join(ctx.Err(), f.Remove())
		case <-time.After(200 * time.Millisecond):
		}
		s, err := ReadBackupState(dir)
		if err != nil {
			return "", err
		}
		if s.Request != r.ID {
			continue
		}
		if s.Refused != "" {
			return "", errors.New(s.Refused)
		}
		return filepath.Join(dir, backupHere), nil
	}
}

// BackupSource is what a backup is made of.
type BackupSource struct {
	Dir, SettingsFile, Version, Desk string
	// Snapshot reads the journal while it is in use; nil: nobody uses it, and its files are taken as they are.
	Snapshot func(ctx context.Context, read func(r io.Reader, size int64) error) error
	Machine  keys.Machine
}

// GatewayFile says whether a file of the data folder is of the gateway's account.
func GatewayFile(name string) bool { return gatewayFile.MatchString(name) }

var gatewayFile = regexp.MustCompile(`^gateway-[a-z-]{1,40}$`)

// WriteBackup writes a backup to a file that is not there yet, whole or not at all. Errors: backup's, *keys.FileError, the journal's, the disk's,
// and ctx's.
func WriteBackup(ctx context.Context, path, recipient string, s BackupSource) (err error) {
	if err := backup.CheckRecipient(recipient); err != nil {
		return err
	}
	k, err := keys.OpenOn(s.Dir, s.Machine)
	if err != nil {
		return err
	}
	public, err := json.Marshal(k.PublicJWK())
	if err != nil {
		return err
	}
	former, err := json.Marshal(k.Former())
	if err != nil {
		return err
	}
	host, _ := os.Hostname()
	m := backup.Manifest{Version: s.Version, Made: time.Now().UTC(), InstanceID: k.InstanceID(), PublicKey: public, Former: former, Desk: s.Desk, Host: host, Schema: journal.Schema()}
	files := []backup.File{{Name: BackupDatabaseKey, Size: 32, Data: bytes.NewReader(k.DatabaseKey())}}
	entries, err := os.ReadDir(s.Dir)
	if err != nil {
		return err
	}
	for _, e := range entries {
		if e.Name() != keys.TokensFileName && e.Name() != console.AccountsFileName && !GatewayFile(e.Name()) {
			continue
		}
		raw, err := keys.ReadPrivate(filepath.Join(s.Dir, e.Name()))
		if err != nil {
			return err
		}
		files = append(files, backup.File{Name: e.Name(), Size: int64(len(raw)), Data: bytes.NewReader(raw)})
	}
	if raw, err := readSettings(s.SettingsFile); err == nil {
		files = append(files, backup.File{Name: BackupSettings, Size: int64(len(raw)), Data: bytes.NewReader(raw)})
	} else if !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	defer func() {
		if err = errors.Join(err, f.Close()); err != nil {
			_ = os.Remove(path)
		}
	}()
	write := func(more ...backup.File) error {
		if err := backup.Write(ctx, f, recipient, m, append(files, more...)); err != nil {
			return err
		}
		return f.Sync()
	}
	if s.Snapshot != nil {
		return s.Snapshot(ctx, func(r io.Reader, size int64) error {
			return write(backup.File{Name: JournalFile, Size: size, Data: r})
		})
	}
	var more []backup.File
	for _, suffix := range []string{"", "-wal"} {
		j, err := keys.OpenPrivate(filepath.Join(s.Dir, JournalFile+suffix))
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return err
		}
		defer j.Close()
		info, err := j.Stat()
		if err != nil {
			return err
		}
		more = append(more, backup.File{Name: JournalFile + suffix, Size: info.Size(), Data: j})
	}
	return write(more...)
}

func readSettings(path string) ([]byte, error) {
	if path == "" {
		return nil, fs.ErrNotExist
	}
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return io.ReadAll(io.LimitReader(f, settings.MaxFile))
}

// BackupName is what a backup is called: the PC, the instance, and when, in an order that sorts by time.
func BackupName(instance string, at time.Time) string {
	return backupPrefix(instance) + at.UTC().Format("20060102T150405Z") + ".age"
}

func backupPrefix(instance string) string {
	host, _ := os.Hostname()
	host = strings.Map(func(r rune) rune {
		if r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || r == '-' {
			return r
		}
		return '-'
	}, host)
	if host == "" {
		host = "desk"
	}
	return "tapcheck-" + host[:min(len(host), 40)] + "-" + instance[:8] + "-"
}

// PlaceBackup copies a backup into a folder, where it appears whole, and removes the oldest of this desk beyond keep (0: none). Errors: the
// file system's, and ctx's.
func PlaceBackup(ctx context.Context, path, folder, name, instance string, keep int) error {
	in, err := keys.OpenPrivate(path)
	if err != nil {
		return err
	}
	defer in.Close()
	part := filepath.Join(folder, "."+name+".part")
	_ = os.Remove(part)
	out, err := os.OpenFile(part, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	_, err = io.Copy(out, inTime{ctx, in})
	if err == nil {
		err = out.Sync()
	}
	if err = errors.Join(err, out.Close()); err == nil {
		err = os.Rename(part, filepath.Join(folder, name))
	}
	if err != nil {
		_ = os.Remove(part)
		return err
	}
	if keep == 0 {
		return nil
	}
	entries, err := os.ReadDir(folder)
	if err != nil {
		return nil // the backup is there
	}
	var ours []string
	for _, e := range entries {
		n := strings.TrimPrefix(e.Name(), ".")
		if !strings.HasPrefix(n, backupPrefix(instance)) || !e.Type().IsRegular() {
			continue
		}
		switch {
		case n != e.Name() && strings.HasSuffix(n, ".part"): // broken off
			_ = os.Remove(filepath.Join(folder, e.Name()))
		case n == e.Name() && strings.HasSuffix(n, ".age"):
			ours = append(ours, n)
		}
	}
	slices.Sort(ours)
	for _, n := range ours[:max(0, len(ours)-keep)] {
		_ = os.Remove(filepath.Join(folder, n))
	}
	return nil
}

// inTime ends reading with its context.
type inTime struct {
	ctx context.Context
	r   io.Reader
}

func (i inTime) Read(p []byte) (int, error) {
	if err := i.ctx.Err(); err != nil {
		return 0, err
	}
	return i.r.Read(p)
}

// backups makes the agent's backups: each day's, and those that are asked for.
type backups struct {
	s      settings.Backup
	source BackupSource
	free   func(dir string) (uint64, bool)
	now    func() time.Time
	began  time.Time
	log    func(event string, fields map[string]any)
	health *health.Tracker
	state  BackupState
	placed chan error // of the copy that is under way into the folder; nil: none is
	name   string     // that it will have
}

// run makes backups until ctx ends. What is being copied then to a share that does not answer is left.
func (b *backups) run(ctx context.Context) {
	dir := b.source.Dir
	if s, err := ReadBackupState(dir); err == nil {
		b.state = s
	}
	_ = os.Remove(filepath.Join(dir, backupPart))
	request, err := keys.OpenFile(dir, backupRequestFile)
	if err != nil {
		return // the data folder is not what it was; the agent says so elsewhere
	}
	t := time.NewTicker(backupLook)
	defer t.Stop()
	for {
		b.tell()
		select {
		case <-ctx.Done():
			return
		case err := <-b.placed:
			b.placed = nil
			b.done(err)
		case <-t.C:
			if raw, changed, err := request.Read(); err == nil && changed && raw != nil {
				b.answer(ctx, request, raw)
			}
			if b.due() {
				b.make(ctx)
			}
		}
	}
}

func (b *backups) tell() {
	stuck := b.placed != nil && b.now().Sub(b.state.Tried) > 2*backupTime // a share that does not answer
	b.health.Set(health.BackupFailing, b.s.Folder != "" && (b.state.Trouble(b.now()) || stuck))
}

// due says whether the day's backup is to be made: none since the last time that the clock showed the hour.
func (b *backups) due() bool {
	now := b.now()
	if b.s.Folder == "" || b.placed != nil || now.Sub(b.began) < backupFirst || now.Sub(b.state.Tried) < backupAgain && !now.Before(b.state.Tried) {
		return false
	}
	y, m, d := now.Local().Date()
	last := time.Date(y, m, d, b.s.Hour, 0, 0, 0, time.Local)
	if now.Before(last) {
		last = time.Date(y, m, d-1, b.s.Hour, 0, 0, 0, time.Local)
	}
	return b.state.Done.Before(last)
}

// write makes a backup in the data folder.
func (b *backups) write(ctx context.Context, name, recipient string) (string, error) {
	path := filepath.Join(b.source.Dir, name)
	_ = os.Remove(path)
	if info, err := os.Stat(filepath.Join(b.source.Dir, JournalFile)); err == nil {
		if free, known := b.free(b.source.Dir); known && free < uint64(info.Size())+backupMargin {
			return "", errBackupRoom
		}
	}
	ctx, stop := context.WithTimeout(ctx, backupTime)
	defer stop()
	err := WriteBackup(ctx, path, recipient, b.source)
	if errors.Is(err, journal.ErrMoved) {
		err = WriteBackup(ctx, path, recipient, b.source)
	}
	return path, err
}

var errBackupRoom = errors.New("not enough room on the disk of the data folder")

// make makes the day's backup. The copy into the folder is not waited for: a share that is dead lets go of nobody.
func (b *backups) make(ctx context.Context) {
	b.state.Tried = b.now().UTC()
	b.name = ""
	path, err := b.write(ctx, backupPart, b.s.Recipient)
	if err != nil {
		b.done(err)
		return
	}
	k, err := keys.InstanceIn(b.source.Dir)
	if err != nil {
		b.done(err)
		return
	}
	b.name = BackupName(k, b.now())
	placed := make(chan error, 1)
	b.placed = placed
	limit, stop := context.WithTimeout(ctx, backupTime)
	go func() {
		defer stop()
		placed <- PlaceBackup(limit, path, b.s.Folder, b.name, k, b.s.Keep)
	}()
}

// done writes down what came of the day's backup.
func (b *backups) done(err error) {
	_ = os.Remove(filepath.Join(b.source.Dir, backupPart))
	b.state.Problem = ""
	if err != nil {
		b.state.Problem = plainly(err)
		b.log("backup.failed", map[string]any{"problem": b.state.Problem})
	} else {
		b.state.Done, b.state.File = b.now().UTC(), b.name
		b.log("backup.done", map[string]any{"file": b.name})
	}
	b.keep()
}

// plainly is an error without a part of it that could quote what is backed up.
func plainly(err error) string {
	var p *fs.PathError
	if errors.As(err, &p) {
		return fmt.Sprintf("%s: %v", p.Path, p.Err)
	}
	return err.Error()
}

// answer makes a backup that a command has asked for.
func (b *backups) answer(ctx context.Context, f *keys.File, raw []byte) {
	var r BackupRequest
	if json.Unmarshal(raw, &r) != nil || len(r.ID) > 64 {
		_ = f.Remove()
		return
	}
	_, err := b.write(ctx, backupHere, r.Recipient)
	if ctx.Err() != nil {
		return
	}
	_ = f.Remove()
	b.state.Request, b.state.Refused = r.ID, ""
	if err != nil {
		b.state.Refused = plainly(err)
	}
	b.keep()
}

func (b *backups) keep() {
	raw, err := json.Marshal(b.state)
	if err != nil {
		return
	}
	if f, err := keys.OpenFile(b.source.Dir, backupStateFile); err == nil {
		_ = f.Change(func([]byte) ([]byte, error) { return raw, nil }) // a disk that is full says so elsewhere
	}
}

// snapshot reads the journal that is in use now.
func (b *book) snapshot(ctx context.Context, read func(r io.Reader, size int64) error) error {
	var now *journal.Journal
	if err := b.ask(ctx, func(_ context.Context, j *journal.Journal) error { now = j; return nil }); err != nil {
		return err
	}
	return now.Snapshot(ctx, read) // beside the book's writes
}
