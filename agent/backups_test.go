package agent

import (
	"context"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/tapcheck/tapcheck/agent/backup"
	"github.com/tapcheck/tapcheck/agent/catalog"
	"github.com/tapcheck/tapcheck/agent/health"
	"github.com/tapcheck/tapcheck/agent/keys"
	"github.com/tapcheck/tapcheck/agent/settings"
)

// daily is the backups of a desk whose clock the test has.
func daily(t *testing.T) (b *backups, secret string, at *time.Time) {
	t.Helper()
	secret, recipient, err := backup.NewKey()
	if err != nil {
		t.Fatal(err)
	}
	dir := filepath.Join(t.TempDir(), "data")
	if _, err := keys.Open(dir); err != nil {
		t.Fatal(err)
	}
	now := time.Date(2026, 12, 1, 8, 0, 0, 0, time.Local)
	b = &backups{
		s: settings.Backup{Folder: t.TempDir(), Recipient: recipient, Hour: 2, Keep: 3}, now: func() time.Time { return now }, began: now, health: &health.Tracker{},
		log: func(string, map[string]any) {}, free: func(string) (uint64, bool) { return 0, false }, source: BackupSource{Dir: dir, Version: "1.0.0", Machine: keys.ThisMachine()},
	}
	return b, secret, &now
}

// round makes a backup and waits for it.
func (b *backups) round(t *testing.T) {
	t.Helper()
	b.make(t.Context())
	if b.placed != nil {
		err := <-b.placed
		b.placed = nil
		b.done(err)
	}
	b.tell()
}

func (b *backups) there() (list []string) {
	entries, _ := os.ReadDir(b.s.Folder)
	for _, e := range entries {
		list = append(list, e.Name())
	}
	return list
}

// A day's backup is made once, at its hour or as soon as the PC is on, and again an hour after it has failed.
func TestWhenABackupIsDue(t *testing.T) {
	day := time.Date(2026, 12, 1, 0, 0, 0, 0, time.Local)
	for name, tt := range map[string]struct {
		now, began, done, tried time.Time
		want                    bool
	}{
		"never made":              {day.Add(8 * time.Hour), day, time.Time{}, time.Time{}, true},
		"just started":            {day.Add(8 * time.Hour), day.Add(8*time.Hour - time.Second), time.Time{}, time.Time{}, false},
		"made today":              {day.Add(8 * time.Hour), day, day.Add(2*time.Hour + time.Second), day.Add(2 * time.Hour), false},
		"made yesterday":          {day.Add(8 * time.Hour), day, day.Add(-22 * time.Hour), day.Add(-22 * time.Hour), true},
		"before its hour":         {day.Add(time.Hour), day, day.Add(-22 * time.Hour), day.Add(-22 * time.Hour), false},
		"at its hour":             {day.Add(2 * time.Hour), day, day.Add(-22 * time.Hour), day.Add(-22 * time.Hour), true},
		"failed a moment ago":     {day.Add(8 * time.Hour), day, day.Add(-22 * time.Hour), day.Add(8*time.Hour - time.Minute), false},
		"failed an hour ago":      {day.Add(8 * time.Hour), day, day.Add(-22 * time.Hour), day.Add(7 * time.Hour), true},
		"a clock that went back":  {day.Add(8 * time.Hour), day, day.Add(-22 * time.Hour), day.Add(90 * time.Hour), true},
		"off for a week, and off": {day.Add(8 * time.Hour), day, day.Add(-170 * time.Hour), day.Add(-170 * time.Hour), true},
	} {
		t.Run(name, func(t *testing.T) {
			b := &backups{s: settings.Backup{Folder: "/f", Hour: 2}, now: func() time.Time { return tt.now }, began: tt.began, state: BackupState{Done: tt.done, Tried: tt.tried}}
			if got := b.due(); got != tt.want {
				t.Errorf("due is %v", got)
			}
			b.s.Folder = ""
			if b.due() {
				t.Error("it is due although it is off")
			}
		})
	}
}

// The folder keeps as many of this desk's as it should, and nothing of another's is touched.
func TestBackupsAreKept(t *testing.T) {
	b, secret, now := daily(t)
	other := []string{"tapcheck-other-abcdefgh-20200101T000000Z.age", "notes.txt"}
	instance, err := keys.InstanceIn(b.source.Dir)
	if err != nil {
		t.Fatal(err)
	}
	broken := "." + BackupName(instance, now.Add(-time.Hour)) + ".part"
	for _, name := range append(slices.Clone(other), broken) {
		if err := os.WriteFile(filepath.Join(b.s.Folder, name), nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for range 5 {
		b.round(t)
		*now = now.Add(24 * time.Hour)
	}
	list := b.there()
	ours := slices.DeleteFunc(slices.Clone(list), func(n string) bool { return slices.Contains(other, n) })
	if len(list) != 5 || len(ours) != 3 || ours[2] != b.state.File || slices.Contains(list, broken) {
		t.Errorf("in the folder: %v", list)
	}
	f, err := os.Open(filepath.Join(b.s.Folder, b.state.File))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if m, err := backup.Read(t.Context(), f, secret, nil); err != nil || m.InstanceID != instance || m.Version != "1.0.0" {
		t.Errorf("%+v, %v", m, err)
	}
	if s, err := ReadBackupState(b.source.Dir); err != nil || s.File != b.state.File || s.Problem != "" {
		t.Errorf("%+v, %v", s, err)
	}
}

// A folder that is not there, and a disk without room, are told, and are over once they are cured; so is a desk without a backup for days.
func TestBackupsThatFailAreTold(t *testing.T) {
	b, _, now := daily(t)
	failing := func() bool {
		b.tell()
		return slices.ContainsFunc(b.health.List(catalog.EN), func(w health.Warning) bool { return w.Code == health.BackupFailing })
	}
	folder := b.s.Folder
	b.s.Folder = filepath.Join(folder, "not-mounted")
	b.round(t)
	if !failing() || !strings.Contains(b.state.Problem, "not-mounted") {
		t.Errorf("no folder: %+v", b.state)
	}
	b.s.Folder = folder
	b.round(t)
	if failing() || len(b.there()) != 1 {
		t.Errorf("with the folder: %+v", b.state)
	}
	if err := os.WriteFile(filepath.Join(b.source.Dir, JournalFile), make([]byte, 1<<20), 0o600); err != nil {
		t.Fatal(err)
	}
	b.free = func(string) (uint64, bool) { return backupMargin, true }
	b.round(t)
	if !failing() {
		t.Errorf("no room: %+v", b.state)
	}
	b.free = func(string) (uint64, bool) { return 1 << 40, true }
	b.round(t)
	if failing() {
		t.Errorf("with room: %+v", b.state)
	}
	b.placed = make(chan error)
	*now = now.Add(2*backupTime + time.Minute)
	if !failing() {
		t.Error("a share that does not answer is not told")
	}
	b.placed = nil
	if failing() {
		t.Error("it is told although it has answered")
	}
	*now = now.Add(backupLate)
	if !failing() {
		t.Error("days without a backup are not told")
	}
	b.s.Folder = ""
	if failing() {
		t.Error("it is told although backups are off")
	}
}

// The run ends with its context, also while a share does not answer, and leaves nothing half done in the data folder.
func TestBackupsEnd(t *testing.T) {
	b, _, now := daily(t)
	b.began = now.Add(-time.Hour)
	b.placed = make(chan error) // a copy that never ends
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan struct{})
	go func() { b.run(ctx); close(ended) }()
	stop()
	<-ended
}
