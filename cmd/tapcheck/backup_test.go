package main

import (
	"archive/tar"
	"bytes"
	"crypto/ecdsa"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"math/big"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"filippo.io/age"

	"github.com/tapcheck/tapcheck/agent"
	"github.com/tapcheck/tapcheck/agent/backup"
	"github.com/tapcheck/tapcheck/agent/catalog"
	"github.com/tapcheck/tapcheck/agent/his/client"
	"github.com/tapcheck/tapcheck/agent/journal"
	"github.com/tapcheck/tapcheck/agent/keys"
)

// pcWith is a PC with a data folder and settings of its own, on which commands are run.
type pcWith struct {
	t            *testing.T
	data, config string
}

func newPCWith(t *testing.T, settings string) *pcWith {
	t.Helper()
	root := t.TempDir()
	p := &pcWith{t, filepath.Join(root, "data"), filepath.Join(root, "tapcheck.toml")}
	if settings != "" {
		if err := os.WriteFile(p.config, []byte(settings), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return p
}

func (p *pcWith) tapcheck(args ...string) (string, int) {
	var out bytes.Buffer
	code := run(p.t.Context(), append([]string{"--config", p.config, "--data", p.data, "--lang", "en"}, args...), Env{Stdin: strings.NewReader(""), Stdout: &out, Stderr: &out, Getenv: func(string) string { return "" }})
	return out.String(), code
}

func (p *pcWith) expect(code int, text string, args ...string) string {
	p.t.Helper()
	out, got := p.tapcheck(args...)
	if got != code || !strings.Contains(out, text) {
		p.t.Errorf("%v: %d, want %d with %q:\n%s", args, got, code, text, out)
	}
	return out
}

// serve runs the agent of a PC, and gives what ends it without a word, as a power cut does.
func (p *pcWith) serve() (dies func()) {
	p.t.Helper()
	said := &lockedBuffer{}
	c := exec.Command(binary(), "--config", p.config, "--data", p.data, "--lang", "en", "run")
	c.Stdout, c.Stderr = said, said
	if err := c.Start(); err != nil {
		p.t.Fatal(err)
	}
	dead := false
	dies = func() {
		if !dead {
			dead = true
			_ = c.Process.Kill()
			_ = c.Wait()
			_ = os.Remove(filepath.Join(p.data, portFile))
		}
	}
	p.t.Cleanup(dies)
	for range 2000 {
		if _, ok := portIn(filepath.Join(p.data, portFile)); ok {
			return dies
		}
		time.Sleep(10 * time.Millisecond)
	}
	p.t.Fatalf("the agent does not serve:\n%s", said)
	return nil
}

// desk starts jobs, and gives those that are on record.
func (p *pcWith) desk(token string, jobs ...string) []string {
	p.t.Helper()
	port, _ := portIn(filepath.Join(p.data, portFile))
	cl, err := client.Dial(p.t.Context(), client.Options{Addr: fmt.Sprintf("127.0.0.1:%d", port), Bearer: token})
	if err != nil {
		p.t.Fatal(err)
	}
	defer cl.Close()
	s := &session{p.t, cl}
	s.must("session.open", map[string]any{"protocol": 1, "client": map[string]string{"name": "test", "version": "1"}, "language": "vi"})
	for _, job := range jobs {
		s.must("checkin.start", map[string]any{"jobId": job, "means": "emergency", "insurance": "off"})
		if r := s.result(job); !r.Recorded {
			p.t.Errorf("%s is not recorded", job)
		}
	}
	var list struct {
		Checkins []struct {
			JobID string `json:"jobId"`
		} `json:"checkins"`
	}
	if err := s.call("checkin.list", map[string]any{}, &list); err != nil {
		p.t.Fatal(err)
	}
	ids := []string{}
	for _, c := range list.Checkins {
		ids = append(ids, c.JobID)
	}
	slices.Sort(ids)
	return ids
}

// TestReplacementOfADeadPC: a desk at work is backed up, its PC dies, and another one takes its work over: records, tokens, accounts and settings
// are there, the keys are its own, and what the dead one has signed can still be judged.
func TestReplacementOfADeadPC(t *testing.T) {
	share, safe := t.TempDir(), filepath.Join(t.TempDir(), "recovery.key")
	old := newPCWith(t, fmt.Sprintf("desk = \"Quầy 7\"\n[his]\nports = [%d]\n[backup]\nfolder = '%s'\nrecipient = \"age1%s\"\n", freePort(t), share, strings.Repeat("q", 58)))
	recipient := strings.Split(old.expect(exitOK, "age1", "backup", "key", "--out", safe), "\n")[0]
	config, err := os.ReadFile(old.config)
	if err != nil {
		t.Fatal(err)
	}
	config = bytes.Replace(config, []byte("age1"+strings.Repeat("q", 58)), []byte(recipient), 1)
	if err := os.WriteFile(old.config, config, 0o600); err != nil {
		t.Fatal(err)
	}
	dies := old.serve()
	token := regexp.MustCompile(`tapcheck_\S+`).FindString(old.expect(exitOK, "tapcheck_", "token", "add", "--desktop", "--rights", "read,history"))
	old.desk(token, "one", "two")
	before, err := keys.Open(old.data)
	if err != nil {
		t.Fatal(err)
	}
	evidence, err := before.SignES256([]byte("evidence"))
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(old.data, "gateway-password"), []byte("SECRETVALUE\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	file := strings.TrimSpace(old.expect(exitOK, share, "backup", "now"))
	old.desk(token, "after-the-backup")
	old.expect(exitSettings, "stop it first", "restore", file, "--key", safe)
	dies()

	raw, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	for _, word := range []string{"SECRETVALUE", "emergency", "Quầy", before.InstanceID()} {
		if bytes.Contains(raw, []byte(word)) {
			t.Errorf("%q can be read in the backup", word)
		}
	}
	fresh := newPCWith(t, "")
	fresh.config = filepath.Join(t.TempDir(), "none-yet", "tapcheck.toml")
	// --config names a file that must be there; restore makes it.
	if out, code := fresh.tapcheck("restore", file, "--key", safe); code != exitOK || !strings.Contains(out, "Quầy 7") || strings.Contains(out, "SECRETVALUE") {
		t.Fatalf("restore: %d\n%s", code, out)
	}
	if now, err := os.ReadFile(fresh.config); err != nil || !bytes.Equal(now, config) {
		t.Errorf("settings: %v\n%s", err, now)
	}
	fresh.serve()
	if ids := fresh.desk(token, "three"); !slices.Equal(ids, []string{"one", "three", "two"}) {
		t.Errorf("on record: %v", ids)
	}
	if secret, err := os.ReadFile(filepath.Join(fresh.data, "gateway-password")); err != nil || string(secret) != "SECRETVALUE\n" {
		t.Errorf("the gateway's account: %v", err)
	}
	k, err := keys.Open(fresh.data)
	if err != nil || k.InstanceID() == before.InstanceID() || k.PublicJWK() == before.PublicJWK() {
		t.Fatalf("the new PC goes by the old one's name: %v", err)
	}
	former := k.Former()
	if len(former) != 1 || former[0].InstanceID != before.InstanceID() || !verifies(former[0].PublicKey, []byte("evidence"), evidence) {
		t.Errorf("former: %+v", former)
	}

	// A backup of the new one remembers both.
	file = strings.TrimSpace(fresh.expect(exitOK, share, "backup", "now"))
	fresh.expect(exitOK, k.InstanceID(), "backup", "show", file, "--key", safe)
	third := newPCWith(t, string(config))
	third.expect(exitOK, "Restored", "restore", file, "--key", safe)
	if k, err = keys.Open(third.data); err != nil || len(k.Former()) != 2 || k.Former()[0].InstanceID != before.InstanceID() {
		t.Errorf("former of the third: %v", err)
	}
}

func verifies(k keys.JWK, message, sig []byte) bool {
	public, err := client.PublicKey(k.X, k.Y)
	if err != nil || len(sig) != 64 {
		return false
	}
	sum := sha256.Sum256(message)
	return ecdsa.Verify(public, sum[:], new(big.Int).SetBytes(sig[:32]), new(big.Int).SetBytes(sig[32:]))
}

// ofNewer is a backup as a version to come may make it.
func ofNewer(t *testing.T, recipient string) []byte {
	t.Helper()
	to, err := age.ParseX25519Recipient(recipient)
	if err != nil {
		t.Fatal(err)
	}
	var b bytes.Buffer
	w, err := age.Encrypt(&b, to)
	if err != nil {
		t.Fatal(err)
	}
	a := tar.NewWriter(w)
	manifest := []byte(`{"format":2,"version":"9.0.0"}`)
	err = a.WriteHeader(&tar.Header{Name: "manifest.json", Mode: 0o600, Size: int64(len(manifest))})
	_, writeErr := a.Write(manifest)
	if err = errors.Join(err, writeErr, a.Close(), w.Close()); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// What cannot be restored has a message and a code of its own, and changes nothing; what is there stays until it has been proved that the backup
// is good.
func TestRestoreRefuses(t *testing.T) {
	dir := t.TempDir()
	safe, other := filepath.Join(dir, "recovery.key"), filepath.Join(dir, "other.key")
	pc := newPCWith(t, "desk = \"Quầy 8\"\n")
	recipient := strings.Split(pc.expect(exitOK, "age1", "backup", "key", "--out", safe), "\n")[0]
	pc.expect(exitOK, "age1", "backup", "key", "--out", other)
	pc.expect(exitUsage, "--out", "backup", "key", "--out", other)
	k, err := keys.Open(pc.data)
	if err != nil {
		t.Fatal(err)
	}
	o := journal.Options{Path: filepath.Join(pc.data, agent.JournalFile)}
	copy(o.Key[:], k.DatabaseKey())
	j, err := journal.Open(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	if err := j.PutCheckin(t.Context(), journal.Checkin{ID: "1", Owner: "o", State: "complete", Body: bytes.Repeat([]byte("x"), 100_000)}); err != nil {
		t.Fatal(err)
	}
	if err := j.Close(); err != nil {
		t.Fatal(err)
	}
	pc.expect(exitUsage, "no backup.folder", "backup", "now")
	pc.expect(exitUsage, "--recipient", "backup", "now", "--to", dir)
	pc.expect(exitDisk, "cannot be read or written", "backup", "now", "--to", filepath.Join(dir, "no-folder"), "--recipient", recipient)
	file := strings.TrimSpace(pc.expect(exitOK, dir, "backup", "now", "--to", dir, "--recipient", recipient))
	pc.expect(exitOK, "Quầy 8", "backup", "show", file, "--key", safe)
	raw, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	made := func(name string, raw []byte) string {
		t.Helper()
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, raw, 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	flipped := bytes.Clone(raw)
	flipped[len(flipped)*2/3] ^= 1
	// A backup whose journal is not of its key.
	with := func(key []byte) []byte {
		t.Helper()
		path := filepath.Join(t.TempDir(), "journal.db")
		o := journal.Options{Path: path}
		copy(o.Key[:], k.DatabaseKey())
		j, err := journal.Open(t.Context(), o)
		if err != nil {
			t.Fatal(err)
		}
		if err := j.Close(); err != nil {
			t.Fatal(err)
		}
		db, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		var b bytes.Buffer
		public, _ := json.Marshal(k.PublicJWK())
		err = backup.Write(t.Context(), &b, recipient, backup.Manifest{InstanceID: k.InstanceID(), PublicKey: public}, []backup.File{
			{Name: agent.BackupDatabaseKey, Size: int64(len(key)), Data: bytes.NewReader(key)}, {Name: agent.JournalFile, Size: int64(len(db)), Data: bytes.NewReader(db)},
		})
		if err != nil {
			t.Fatal(err)
		}
		return b.Bytes()
	}
	for name, tt := range map[string]struct {
		file, key string
		code      int
		text      string
	}{
		"another key":        {file, other, exitRecovery, "another recovery key"},
		"no key":             {file, file, exitRecovery, "no recovery key"},
		"a changed bit":      {made("flipped.age", flipped), safe, exitBackup, "damaged"},
		"cut short":          {made("short.age", raw[:len(raw)-100]), safe, exitBackup, "damaged"},
		"no backup":          {made("none.age", []byte("x")), safe, exitBackup, "damaged"},
		"another desk's key": {made("mixed.age", with(make([]byte, 32))), safe, exitBackup, "damaged"},
		"half a key":         {made("half.age", with(make([]byte, 16))), safe, exitBackup, "damaged"},
		"no key in it":       {made("key.age", with(nil)), safe, exitBackup, "damaged"},
		"of a newer version": {made("newer.age", ofNewer(t, recipient)), safe, exitNewer, "newer version"},
	} {
		t.Run(name, func(t *testing.T) {
			fresh := newPCWith(t, "language = \"en\"\n")
			fresh.expect(tt.code, tt.text, "restore", tt.file, "--key", tt.key)
			if entries, _ := os.ReadDir(fresh.data); len(entries) > 0 {
				t.Errorf("it left %v", entries)
			}
		})
	}

	t.Run("a full disk", func(t *testing.T) {
		fresh := newPCWith(t, "")
		diskFree = func(string) (uint64, bool) { return 50 << 20, true }
		defer func() { diskFree = freeBytes }()
		fresh.expect(exitDisk, "nothing has changed", "restore", file, "--key", safe)
		if entries, _ := os.ReadDir(fresh.data); len(entries) > 0 {
			t.Errorf("it left %v", entries)
		}
	})

	// The keys are put in their place last: until then a restore that was broken off is simply done again.
	t.Run("broken off", func(t *testing.T) {
		fresh := newPCWith(t, "")
		fresh.config = filepath.Join(t.TempDir(), "tapcheck.toml")
		beside := filepath.Dir(fresh.data) // where a restore is prepared
		if runtime.GOOS == "windows" {
			beside = fresh.data
		}
		fresh.expect(exitOK, "Restored", "restore", file, "--key", safe)
		first, err := keys.InstanceIn(fresh.data)
		if err != nil {
			t.Fatal(err)
		}
		if err := errors.Join(os.Remove(filepath.Join(fresh.data, keys.FileName)), os.WriteFile(filepath.Join(fresh.data, agent.JournalFile+"-wal"), []byte("torn"), 0o600),
			os.Mkdir(filepath.Join(beside, ".tapcheck-restoring-1"), 0o700)); err != nil {
			t.Fatal(err)
		}
		fresh.expect(exitOK, "Restored", "restore", file, "--key", safe)
		k, err := keys.Open(fresh.data)
		if err != nil || k.InstanceID() == first {
			t.Fatalf("%v", err)
		}
		o := journal.Options{Path: filepath.Join(fresh.data, agent.JournalFile)}
		copy(o.Key[:], k.DatabaseKey())
		j, err := journal.Open(t.Context(), o)
		if err != nil {
			t.Fatal(err)
		}
		defer j.Close()
		if _, err := j.CheckinByID(t.Context(), "1"); err != nil {
			t.Error(err)
		}
		if left, _ := filepath.Glob(filepath.Join(beside, ".tapcheck-restoring-*")); left != nil {
			t.Errorf("left: %v", left)
		}
	})

	t.Run("a PC with data of its own", func(t *testing.T) {
		used := newPCWith(t, "language = \"en\"\n")
		own, err := keys.Open(used.data)
		if err != nil {
			t.Fatal(err)
		}
		used.expect(exitSettings, "--replace", "restore", file, "--key", safe)
		used.expect(exitBackup, "damaged", "restore", filepath.Join(dir, "flipped.age"), "--key", safe, "--replace")
		if now, err := keys.InstanceIn(used.data); err != nil || now != own.InstanceID() {
			t.Errorf("its own keys: %v", err)
		}
		used.expect(exitOK, "tapcheck.toml.restored", "restore", file, "--key", safe, "--replace")
		aside, _ := filepath.Glob(filepath.Join(used.data, "before-restore-*"))
		if len(aside) != 1 {
			t.Fatalf("aside: %v", aside)
		}
		if old, err := keys.InstanceIn(aside[0]); err != nil || old != own.InstanceID() {
			t.Errorf("aside: %v", err)
		}
		if now, err := os.ReadFile(used.config); err != nil || string(now) != "language = \"en\"\n" {
			t.Errorf("its settings are %q", now)
		}
		used.expect(exitOK, "settings", "restore", file, "--key", safe, "--replace", "--settings")
		if now, err := os.ReadFile(used.config); err != nil || string(now) != "desk = \"Quầy 8\"\n" {
			t.Errorf("its settings are %q", now)
		}
		n, err := keys.Open(used.data)
		if err != nil {
			t.Fatal(err)
		}
		o := journal.Options{Path: filepath.Join(used.data, agent.JournalFile)}
		copy(o.Key[:], n.DatabaseKey())
		j, err := journal.Open(t.Context(), o)
		if err != nil {
			t.Fatal(err)
		}
		defer j.Close()
		if c, err := j.CheckinByID(t.Context(), "1"); err != nil || len(c.Body) != 100_000 {
			t.Errorf("its records: %v", err)
		}
	})
}

// TestSecretsOfTheDeadPC: a restore names the secrets that the dead PC alone could open, and those that lie where no backup looks.
func TestSecretsOfTheDeadPC(t *testing.T) {
	var out bytes.Buffer
	away := filepath.Join(t.TempDir(), "staff")
	a := &app{Env: Env{Stdout: &out}, lang: catalog.EN, config: filepath.Join(t.TempDir(), "tapcheck.toml")}
	text := fmt.Sprintf("[insurance]\npassword_file = \"credential:no-such-one\"\nstaff_number_file = %q\n", away)
	if err := (restoreCmd{}).settings(a, []byte(text)); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"insurance.password_file: tapcheck secret set no-such-one\n", "not on this PC: insurance.staff_number_file: " + away} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("no %q in %s", want, out.String())
		}
	}
}
