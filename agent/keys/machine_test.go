package keys

import (
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// on gives the keys of a data folder as an agent on a PC gets them.
func on(t *testing.T, dir string, m Machine) (k *Keys, aside string) {
	t.Helper()
	aside, err := Bind(dir, m)
	if err != nil {
		t.Fatal(err)
	}
	if k, err = OpenOn(dir, m); err != nil {
		t.Fatal(err)
	}
	return k, aside
}

func pcOf(n int) Machine {
	return Machine{System: fmt.Sprintf("%032x", n), Board: fmt.Sprintf("%08x-0000-4000-8000-%012x", n, n)}
}

// copyFolder copies a data folder as a person does, with all that lies in it.
func copyFolder(t *testing.T, from string) string {
	t.Helper()
	to := filepath.Join(t.TempDir(), "data")
	if err := os.CopyFS(to, os.DirFS(from)); err != nil {
		t.Fatal(err)
	}
	_ = os.Chmod(to, 0o700)
	entries, _ := os.ReadDir(to)
	for _, e := range entries {
		if !e.IsDir() {
			_ = os.Chmod(filepath.Join(to, e.Name()), 0o600)
		}
	}
	return to
}

// An image without keys makes as many workstations as PCs.
func TestGoldenImage(t *testing.T) {
	seen := map[string]bool{}
	for n := range 200 {
		raw, err := generate(pcOf(n))
		if err != nil {
			t.Fatal(err)
		}
		k, err := parse("", raw, Machine{})
		if err != nil {
			t.Fatal(err)
		}
		seen[k.InstanceID()], seen[k.PublicJWK().X] = true, true
	}
	if len(seen) != 400 {
		t.Errorf("200 PCs have %d ids and keys", len(seen))
	}
}

// desk is a data folder in use.
func desk(t *testing.T, m Machine) (dir string, k *Keys, secret string) {
	t.Helper()
	dir = filepath.Join(t.TempDir(), "data")
	k, _ = on(t, dir, m)
	store, err := OpenTokens(dir)
	if err != nil {
		t.Fatal(err)
	}
	secret, _, err = store.Add(TokenRequest{Desktop: true})
	if err != nil {
		t.Fatal(err)
	}
	key := k.PublicJWK()
	if _, _, err = store.Add(TokenRequest{Origin: "https://his.example", PublicKey: &key}); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"journal.db", "journal.db-wal", WSSFileName, "access.log", "access.log.1", "console-accounts.json", "gateway-password"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(name), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return dir, k, secret
}

// A copied data folder is noticed by whatever it is that differs; the other PC's identity, records and secrets are set aside, and what is
// the hospital's stays.
func TestCopiedFolder(t *testing.T) {
	for name, other := range map[string]Machine{
		"another PC":               pcOf(2),
		"the same image, no reset": {System: pcOf(1).System, Board: pcOf(2).Board},
		"another system":           {System: pcOf(2).System},
	} {
		t.Run(name, func(t *testing.T) {
			dir, before, secret := desk(t, pcOf(1))
			if _, aside := on(t, dir, pcOf(1)); aside != "" {
				t.Fatalf("on its own PC %s was set aside", aside)
			}
			there := copyFolder(t, dir)
			if err := CheckMachine(there, other); !errors.Is(err, ErrCopied) {
				t.Errorf("check: %v", err)
			}
			k, aside := on(t, there, other)
			if aside == "" || k.InstanceID() == before.InstanceID() || k.PublicJWK() == before.PublicJWK() {
				t.Fatalf("aside %q, the same keys: %v", aside, k.InstanceID() == before.InstanceID())
			}
			if !slices.Equal(Aside(there), []string{aside}) {
				t.Errorf("Aside: %v", Aside(there))
			}
			for _, file := range []string{"journal.db", "journal.db-wal", WSSFileName, "access.log", "access.log.1"} {
				if _, err := os.Stat(filepath.Join(there, file)); err == nil {
					t.Errorf("%s is still in use", file)
				}
				if raw, err := os.ReadFile(filepath.Join(there, aside, file)); err != nil || string(raw) != file {
					t.Errorf("%s: %v", file, err)
				}
			}
			for _, file := range []string{"console-accounts.json", "gateway-password"} {
				if _, err := os.Stat(filepath.Join(there, file)); err != nil {
					t.Errorf("%s is gone", file)
				}
			}
			store, err := OpenTokens(there)
			if err != nil {
				t.Fatal(err)
			}
			if _, err := store.Check(secret, ""); !errors.Is(err, ErrTokenRejected) {
				t.Errorf("the other PC's token: %v", err)
			}
			if !store.Allowed("https://his.example") {
				t.Error("the key of the HIS's backend, which is no secret, is gone")
			}
			if _, again := on(t, there, other); again != "" {
				t.Errorf("%s was set aside again", again)
			}
			if err := ForgetAside(there, aside); err != nil || len(Aside(there)) != 0 {
				t.Errorf("%v, %v", err, Aside(there))
			}
		})
	}
}

// What is not known is not compared, and is added once it is.
func TestMachineIsLearnt(t *testing.T) {
	dir, k, _ := desk(t, Machine{})
	for _, m := range []Machine{{}, {System: pcOf(1).System}, {}, pcOf(1), {Board: pcOf(1).Board}, pcOf(1)} {
		if now, aside := on(t, dir, m); aside != "" || now.InstanceID() != k.InstanceID() {
			t.Fatalf("%+v: %s was set aside", m, aside)
		}
	}
	if raw, _ := os.ReadFile(filepath.Join(dir, FileName)); strings.Contains(string(raw), pcOf(1).System) || strings.Contains(string(raw), boardOf(pcOf(1).Board)) {
		t.Error("the file tells which PC it belongs to")
	}
	if _, aside := on(t, dir, Machine{Board: pcOf(2).Board}); aside == "" {
		t.Error("another board was not noticed")
	}
}

// A desk that was installed before its hardware could be known is no copy once it is: it is bound to it then, and a twin from the same image is
// noticed. The same hardware told in SMBIOS's other byte order is the same.
func TestTwin(t *testing.T) {
	const board, otherWay = "4c4c4544004235108052b4c04f4e3332", "44454c4c420010358052b4c04f4e3332"
	system := strings.Repeat("5", 32)
	dir, before, _ := desk(t, Machine{System: system})
	for _, m := range []Machine{{System: system, Board: board}, {System: system, Board: otherWay}, {System: system}, {System: system, Board: strings.ToUpper(board)}} {
		if k, aside := on(t, dir, m); aside != "" || k.InstanceID() != before.InstanceID() {
			t.Fatalf("%+v: %s was set aside", m, aside)
		}
	}
	twin := Machine{System: system, Board: "4c4c4544004235108052b4c04f4e3333"}
	if err := CheckMachine(dir, twin); !errors.Is(err, ErrCopied) {
		t.Errorf("check: %v", err)
	}
	if k, aside := on(t, copyFolder(t, dir), twin); aside == "" || k.InstanceID() == before.InstanceID() {
		t.Error("a twin with the same machine-id was not noticed")
	}
}

// Setting aside can be broken off at each file, and is ended by the next start.
func TestSetAsideBrokenOff(t *testing.T) {
	for n := range len(copied) {
		dir, before, secret := desk(t, pcOf(1))
		to := filepath.Join(dir, CopiedPrefix+before.InstanceID()[:8])
		if err := os.Mkdir(to, 0o700); err != nil {
			t.Fatal(err)
		}
		for _, file := range copied[:n] {
			_ = os.Rename(filepath.Join(dir, file), filepath.Join(to, file))
		}
		k, aside := on(t, dir, pcOf(2))
		if aside != filepath.Base(to) || k.InstanceID() == before.InstanceID() {
			t.Fatalf("%d: %s", n, aside)
		}
		for _, file := range []string{"journal.db", "journal.db-wal", WSSFileName, "access.log", "access.log.1"} {
			_, err := os.Stat(filepath.Join(dir, file))
			if raw, _ := os.ReadFile(filepath.Join(to, file)); err == nil || string(raw) != file {
				t.Errorf("%d: %s", n, file)
			}
		}
		store, err := OpenTokens(dir)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := store.Check(secret, ""); err == nil || !store.Allowed("https://his.example") {
			t.Errorf("%d: tokens", n)
		}
	}
}

// The same copy can come again, and both are kept until somebody decides.
func TestCopiedTwice(t *testing.T) {
	dir, _, _ := desk(t, pcOf(1))
	there := copyFolder(t, dir)
	_, first := on(t, there, pcOf(2))
	raw, err := os.ReadFile(filepath.Join(dir, FileName))
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(there, FileName), raw, 0o600); err != nil {
		t.Fatal(err)
	}
	_, second := on(t, there, pcOf(2))
	if first == second || second == "" || len(Aside(there)) != 2 {
		t.Errorf("%q, %q", first, second)
	}
}

// A PC whose board was replaced is the same PC, once an administrator says so; what was made meanwhile is kept.
func TestKeepAside(t *testing.T) {
	dir, before, secret := desk(t, pcOf(1))
	repaired := Machine{System: pcOf(1).System, Board: pcOf(7).Board}
	k, aside := on(t, dir, repaired)
	if err := os.WriteFile(filepath.Join(dir, "journal.db"), []byte("since"), 0o600); err != nil {
		t.Fatal(err)
	}
	since, err := KeepAside(dir, aside, repaired)
	if err != nil {
		t.Fatal(err)
	}
	now, again := on(t, dir, repaired)
	if again != "" || now.InstanceID() != before.InstanceID() || len(Aside(dir)) != 0 {
		t.Errorf("%s, %s, %v", again, now.InstanceID(), Aside(dir))
	}
	if raw, _ := os.ReadFile(filepath.Join(dir, "journal.db")); string(raw) != "journal.db" {
		t.Errorf("the journal is %q", raw)
	}
	if raw, _ := os.ReadFile(filepath.Join(dir, since, "journal.db")); string(raw) != "since" {
		t.Errorf("what was made meanwhile is %q", raw)
	}
	if old, err := InstanceIn(filepath.Join(dir, since)); err != nil || old != k.InstanceID() {
		t.Errorf("%s, %v", old, err)
	}
	store, err := OpenTokens(dir)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := store.Check(secret, ""); err != nil {
		t.Errorf("its tokens: %v", err)
	}
}

func TestForgetAsideOfNothing(t *testing.T) {
	dir, _, _ := desk(t, pcOf(1))
	for _, name := range []string{"", ".", "..", "journal.db", CopiedPrefix + "/../..", `copied-\..`} {
		if err := ForgetAside(dir, name); err == nil {
			t.Errorf("%q was deleted", name)
		}
	}
}

// Keys that no operating system opens here were made elsewhere, whatever the machine says.
func TestSealedElsewhere(t *testing.T) {
	dir, before, _ := desk(t, pcOf(1))
	path := filepath.Join(dir, FileName)
	raw, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	var c content
	if err := json.Unmarshal(raw, &c); err != nil {
		t.Fatal(err)
	}
	c.Sealed, c.Database, c.Signing = []byte("of another PC"), nil, nil
	if raw, err = json.Marshal(c); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, raw, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(dir); !errors.Is(err, ErrSealed) {
		t.Errorf("Open: %v", err)
	}
	if k, aside := on(t, dir, pcOf(1)); aside == "" || k.InstanceID() == before.InstanceID() {
		t.Error("it was not set aside")
	}
}

func TestSystemUUID(t *testing.T) {
	u := []byte{0x33, 0x22, 0x11, 0x00, 0x55, 0x44, 0x77, 0x66, 0x88, 0x99, 0xaa, 0xbb, 0xcc, 0xdd, 0xee, 0xff}
	structure := func(kind byte, body []byte, text string) []byte {
		s := append([]byte{kind, byte(4 + len(body)), 0, 0}, body...)
		return append(append(s, text...), 0, 0)
	}
	bios := structure(0, make([]byte, 20), "maker\x00version")
	system := structure(1, append(append(make([]byte, 4), u...), 6, 0, 0), "maker")
	table := func(parts ...[]byte) []byte {
		b := slices.Concat(parts...)
		return append(binary.LittleEndian.AppendUint32(make([]byte, 4), uint32(len(b))), b...)
	}
	if got := systemUUID(table(bios, system)); got != "00112233-4455-6677-8899-aabbccddeeff" {
		t.Errorf("got %s", got)
	}
	whole := table(bios, system)
	for n := range whole {
		_ = systemUUID(whole[:n]) // whatever is cut off, it does not go beyond
	}
	for _, none := range [][]byte{nil, table(), table(bios), table(structure(1, make([]byte, 4), "old")), table(bios[:10])} {
		if got := systemUUID(none); got != "" {
			t.Errorf("%x: %s", none, got)
		}
	}
	for _, filler := range []string{"", "00000000-0000-0000-0000-000000000000", "FFFFFFFF-FFFF-FFFF-FFFF-FFFFFFFFFFFF", "03000200-0400-0500-0006-000700080009", "abc"} {
		if got := boardOf(filler); got != "" {
			t.Errorf("%s counts as a board", filler)
		}
	}
}
