package trust

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"log"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/tapcheck/tapcheck/icao/chip"
	"github.com/tapcheck/tapcheck/icao/lds"
)

func read(t testing.TB, name string) []byte {
	t.Helper()
	b, err := os.ReadFile(filepath.Join("testdata", name))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// made is the day on which the files of testdata were made.
func made(t testing.TB) time.Time {
	t.Helper()
	c, err := parseCertificate(read(t, "csca.cer"))
	if err != nil {
		t.Fatal(err)
	}
	return c.notBefore
}

// load trusts the named files of testdata: "csca" or "pinned/ds".
func load(t testing.TB, list string, weak bool) *Store {
	t.Helper()
	o := Options{Files: map[string][]byte{}, RejectWeak: weak}
	if list != "-" {
		for _, n := range strings.Split(list, ",") {
			if base, pin := strings.CutPrefix(n, "pinned/"); pin {
				o.Files[n+".der"] = read(t, base+".der")
			} else {
				o.Files[n+".cer"] = read(t, n+".cer")
			}
		}
	}
	s, r, err := Load(o)
	if err != nil || len(r.Refused) > 0 || len(r.Added) != len(o.Files) {
		t.Fatalf("load %s: %+v, %v", list, r, err)
	}
	return s
}

func groups(t testing.TB) map[lds.FileID][]byte {
	t.Helper()
	return map[lds.FileID][]byte{lds.DG(1): read(t, "DG1.bin"), lds.DG(2): read(t, "DG2.bin"), lds.DG(13): read(t, "DG13.bin"), lds.COM: {1, 2, 3}}
}

// change spoils one thing.
func change(t *testing.T, how string, sod []byte, files map[lds.FileID][]byte) []byte {
	flip := func(b []byte, at int) { b[at] ^= 1 }
	hashAt := func(n int) int {
		sum := sha256.Sum256(files[lds.DG(n)])
		i := bytes.Index(sod, sum[:])
		if i < 0 {
			t.Fatal("hash not found")
		}
		return i
	}
	switch how {
	case "-":
	case "change-dg2":
		flip(files[lds.DG(2)], 10)
	case "swap":
		files[lds.DG(2)], files[lds.DG(13)] = files[lds.DG(13)], files[lds.DG(2)]
	case "extra-dg":
		files[lds.DG(11)] = []byte{0x6B, 1, 0}
	case "extra-and-wrong":
		files[lds.DG(11)] = []byte{0x6B, 1, 0}
		flip(files[lds.DG(13)], 5)
	case "cut-dg2":
		files[lds.DG(2)] = files[lds.DG(2)][:10]
	case "empty-dg2":
		files[lds.DG(2)] = nil
	case "only-dg1":
		delete(files, lds.DG(2))
		delete(files, lds.DG(13))
	case "no-dg1":
		delete(files, lds.DG(1))
	case "no-dg":
		clear(files)
	case "no-sod":
		return nil
	case "cut-sod":
		return sod[:len(sod)-1]
	case "longer-sod":
		return append(sod, 0)
	case "garbage-sod":
		return bytes.Repeat([]byte{0x77}, 600)
	case "huge-sod":
		return append([]byte{0x77, 0x83, 2, 0, 0}, make([]byte, 0x20000)...)
	case "change-hash":
		flip(sod, hashAt(2))
	case "change-unread":
		flip(sod, hashAt(13))
		delete(files, lds.DG(13))
	case "change-sig":
		flip(sod, len(sod)-1)
	default:
		t.Fatalf("no such change: %s", how)
	}
	return sod
}

type testCase struct {
	name, sod, change, trust string
	day                      int
	status, reason, warnings string
	consistent, anchored     bool
}

func cases(t testing.TB) (out []testCase) {
	t.Helper()
	for line := range strings.Lines(string(read(t, "cases.txt"))) {
		f := strings.Fields(line)
		if len(f) == 0 || f[0] == "#" {
			continue
		}
		if len(f) != 10 {
			t.Fatalf("bad line: %s", line)
		}
		day, err := strconv.Atoi(f[4])
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, testCase{f[0], f[1], f[2], f[3], day, f[5], f[6], f[7], f[8] == "yes", f[9] == "yes"})
	}
	return out
}

func dash(s string) string {
	if s == "" {
		return "-"
	}
	return s
}

// silent fails the test if anything is logged at the levels that are on by default: gmrtd logs bytes of certificates, and
// prints before it panics. Nothing that it says of a stranger's bytes may reach a log.
func silent(t *testing.T) {
	t.Helper()
	var said bytes.Buffer
	before := slog.Default()
	slog.SetDefault(slog.New(slog.NewTextHandler(&said, &slog.HandlerOptions{Level: slog.LevelInfo})))
	log.SetOutput(&said)
	t.Cleanup(func() {
		slog.SetDefault(before)
		log.SetOutput(os.Stderr)
		if said.Len() > 0 {
			t.Errorf("logged: %.500s", said.String())
		}
	})
}

func TestJudge(t *testing.T) {
	silent(t)
	at := made(t)
	for _, c := range cases(t) {
		t.Run(c.name, func(t *testing.T) {
			files := groups(t)
			sod := change(t, c.change, read(t, c.sod+".sod"), files)
			j := load(t, c.trust, false).Inspect(sod, at.Add(time.Duration(c.day)*24*time.Hour)).Judge(files)
			v := j.Verdict
			var warnings []string
			for _, w := range v.Warnings {
				warnings = append(warnings, string(w))
			}
			if string(v.Status) != c.status || dash(string(v.Reason)) != c.reason || dash(strings.Join(warnings, ",")) != c.warnings {
				t.Errorf("got %s %s %v (%s)", v.Status, v.Reason, warnings, v.Detail)
			}
			if j.Consistent != c.consistent || j.Anchored != c.anchored {
				t.Errorf("consistent %v, anchored %v", j.Consistent, j.Anchored)
			}
			if v.Status != lds.Passed && v.Reason == "" {
				t.Error("a verdict that is not passed has no reason")
			}
			if (v.Anchor != nil) && !j.Consistent || v.Status == lds.Passed && (v.Anchor == nil || v.Signer == nil || len(v.Checked) == 0) {
				t.Errorf("anchor %v, signer %v, checked %v", v.Anchor, v.Signer, v.Checked)
			}
		})
	}
}

func TestVerdictTells(t *testing.T) {
	s := load(t, "csca", false)
	j := s.Inspect(read(t, "good.sod"), made(t).Add(time.Hour)).Judge(groups(t))
	if want := []int{1, 2, 13}; !slices.Equal(j.Listed, want) {
		t.Errorf("listed %v", j.Listed)
	}
	if want := []lds.FileID{"DG1", "DG2", "DG13"}; !slices.Equal(j.Verdict.Checked, want) {
		t.Errorf("checked %v", j.Verdict.Checked)
	}
	sum := sha256.Sum256(read(t, "ds.der"))
	signer := j.Verdict.Signer
	if signer == nil || signer.SHA256 != hex.EncodeToString(sum[:]) || signer.Subject != "CN=Invented signer,O=Invented State,C=VN" ||
		signer.Issuer != "CN=Invented CSCA,O=Invented State,C=VN" || signer.SignedAt == "" || signer.NotBefore == "" || signer.NotAfter == "" {
		t.Errorf("signer %+v", signer)
	}
	if a := j.Verdict.Anchor; a == nil || a.Kind != "csca" || a.Source != "csca.cer" || a.Subject != "CN=Invented CSCA,O=Invented State,C=VN" {
		t.Errorf("anchor %+v", a)
	}
}

func TestRejectWeak(t *testing.T) {
	for sod, anchor := range map[string]string{"sha1": "csca-sha1", "sha1-object": "csca", "rsa1024": "csca"} {
		j := load(t, anchor, true).Inspect(read(t, sod+".sod"), made(t).Add(time.Hour)).Judge(groups(t))
		if j.Verdict.Status != lds.Failed {
			t.Errorf("%s: %s", sod, j.Verdict.Status)
		}
	}
}

// Every byte of the EF.SOD and of each data group, one bit changed: never passed, and never consistent, but where the byte is one that the
// signature does not cover and that means the same either way.
func TestEveryFlip(t *testing.T) {
	silent(t)
	s := load(t, "csca,pinned/ds-forger", false)
	at := made(t).Add(time.Hour)
	good := read(t, "good.sod")
	files := groups(t)
	passed := 0
	for i := range good {
		if os.Getenv("TAPCHECK_CAMPAIGN") == "" && i%7 != 3 {
			continue
		}
		sod := bytes.Clone(good)
		sod[i] ^= 1 << (i % 8)
		j := s.Inspect(sod, at).Judge(files)
		if j.Verdict.Status == lds.Passed {
			passed++
			// What is not signed in a SignedData (RFC 5652 §5.4): the list of digest algorithms, versions, and how the one
			// certificate is named.
			signedFrom, signedTo := bytes.Index(good, read(t, "ds.der")), bytes.Index(good, read(t, "ds.der"))+len(read(t, "ds.der"))
			if i >= signedFrom && i < signedTo {
				t.Errorf("byte %d inside the certificate changed, and passed", i)
			}
		}
	}
	if passed > 150 {
		t.Errorf("%d bytes could be changed", passed)
	}
	for id, f := range files {
		if id.Number() == 0 {
			continue
		}
		for i := range f {
			spoiled := groups(t)
			spoiled[id][i] ^= 1 << (i % 8)
			if j := s.Inspect(good, at).Judge(spoiled); j.Consistent || j.Anchored || j.Verdict.Status != lds.Failed {
				t.Fatalf("%s byte %d changed: %+v", id, i, j.Verdict)
			}
		}
	}
}

func TestCut(t *testing.T) {
	s := load(t, "csca", false)
	good := read(t, "good.sod")
	for n := 1; n < len(good); n++ {
		if j := s.Inspect(good[:n], made(t)).Judge(groups(t)); j.Verdict.Reason != lds.ReasonMalformed || j.Consistent || j.Listed != nil {
			t.Fatalf("cut at %d: %+v", n, j)
		}
	}
}

func TestCountries(t *testing.T) {
	for _, c := range []struct {
		cert, state string
		same        bool
	}{
		{"VN", "VNM", true}, {"vn", "VNM", true}, {"VN", "LAO", false}, {"DE", "D", true}, {"GB", "GBD", true}, {"KS", "RKS", true},
		{"MO", "CHN", true}, {"HK", "CHN", true}, {"UN", "UNO", true}, {"EU", "EUE", true}, {"QQ", "VNM", true}, {"VN", "UTO", true}, {"", "VNM", true},
		{"VNM", "VNM", true}, {"FR", "D", false},
	} {
		if got := sameCountry(c.cert, c.state); got != c.same {
			t.Errorf("%s and %s: %v", c.cert, c.state, got)
		}
	}
}

func TestLoadFolder(t *testing.T) {
	dir := t.TempDir()
	put := func(name string, data []byte) {
		t.Helper()
		p := filepath.Join(dir, filepath.FromSlash(name))
		if err := os.MkdirAll(filepath.Dir(p), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(p, data, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	put("state.cer", read(t, "csca.cer"))
	put("again.der", read(t, "csca.cer")) // the same one is no error and is not added twice
	put("several.crt", append(read(t, "csca-rsa.cer"), read(t, "csca-pss.cer")...))
	put("text.pem", pemOf(read(t, "csca-brainpool.cer")))
	put("text.cer", pemOf(read(t, "csca-noskid.cer")))
	put("broken.cer", read(t, "csca-laos.cer")[:100])
	put("empty.cer", nil)
	put("notes.txt", []byte("x"))
	put("signer.cer", read(t, "ds.der"))
	put("key.pem", []byte("-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n"))
	put("huge.cer", make([]byte, maxTrustFile+1))
	put("pinned/ds.der", read(t, "ds.der"))
	put("pinned/ca.der", read(t, "csca.cer"))
	put("more/csca.cer", read(t, "csca-laos.cer"))
	put(".hidden/csca.cer", read(t, "csca-laos.cer"))
	put(".hidden.cer", read(t, "csca-laos.cer"))
	put("half.cer", append(read(t, "csca-sha1.cer"), 0x30, 0x05, 0))
	s, r, err := Load(Options{Dir: dir})
	if err != nil {
		t.Fatal(err)
	}
	if csca, pinned := s.Count(); csca != 6 || pinned != 1 {
		t.Errorf("%d CSCA, %d pinned", csca, pinned)
	}
	if len(r.Added) != 7 {
		t.Errorf("added %+v", r.Added)
	}
	var refused []string
	for _, f := range r.Refused {
		refused = append(refused, f.File)
		if f.Reason == "" || f.Cure == "" {
			t.Errorf("%+v has no reason or cure", f)
		}
	}
	slices.Sort(refused)
	want := []string{"broken.cer", "empty.cer", "half.cer", "huge.cer", "key.pem", "more", "notes.txt", "pinned/ca.der", "signer.cer"}
	if !slices.Equal(refused, want) {
		t.Errorf("refused %v", refused)
	}
	if _, _, err := Load(Options{Dir: filepath.Join(dir, "absent")}); err != nil {
		t.Errorf("a folder that is not there: %v", err)
	}
	if _, _, err := Load(Options{Dir: filepath.Join(dir, "notes.txt")}); err == nil {
		t.Error("a folder that is a file")
	}
}

func pemOf(der []byte) []byte {
	var b bytes.Buffer
	b.WriteString("Text before it\n-----BEGIN CERTIFICATE-----\n")
	b.WriteString(base64.StdEncoding.EncodeToString(der) + "\n")
	b.WriteString("-----END CERTIFICATE-----\n")
	return b.Bytes()
}

func TestEmbedded(t *testing.T) {
	s, _, err := Load(Options{Embedded: true, Files: map[string][]byte{"csca.cer": read(t, "csca.cer")}})
	if err != nil {
		t.Fatal(err)
	}
	s.Warm()
	if n := s.EmbeddedCount(); n < 600 {
		t.Errorf("only %d embedded certificates", n)
	}
	// The one Vietnamese certificate of the public lists is there, for passports (facts of the lists of January 2026).
	ski, _ := hex.DecodeString("88918f5a25ece37a3e04c52d38a4f2b5123c85c7")
	if len(embeddedLists().byKey[string(ski)]) != 1 {
		t.Error("CSCA ePassport Vietnam is missing")
	}
	at := made(t).Add(time.Hour)
	if v := s.Inspect(read(t, "good.sod"), at).Judge(groups(t)).Verdict; v.Status != lds.Passed {
		t.Errorf("%s %s", v.Status, v.Reason)
	}
	if v := s.Inspect(read(t, "rsa.sod"), at).Judge(groups(t)).Verdict; v.Reason != lds.ReasonSignerNotAnchored {
		t.Errorf("%s %s", v.Status, v.Reason)
	}
	none, _, _ := Load(Options{})
	if none.EmbeddedCount() != 0 {
		t.Error("a store without lists has some")
	}
}

func FuzzInspect(f *testing.F) {
	for _, n := range []string{"good", "ber", "rsa", "two-certificates", "keyid", "no-certificate"} {
		f.Add(read(f, n+".sod"))
	}
	i, err := chip.NewIssuer(chip.IssuerOptions{Seed: []byte("fuzz")})
	if err != nil {
		f.Fatal(err)
	}
	sod, err := i.SOD(map[int][]byte{1: read(f, "DG1.bin"), 2: read(f, "DG2.bin")}, chip.SODOptions{SignedAt: made(f)})
	if err != nil {
		f.Fatal(err)
	}
	f.Add(sod)
	s := load(f, "csca,csca-rsa", false)
	at := made(f).Add(time.Hour)
	files := groups(f)
	f.Fuzz(func(t *testing.T, sod []byte) {
		j := s.Inspect(sod, at).Judge(files)
		if j.Verdict.Status == "" || j.Verdict.Status != lds.Passed && j.Verdict.Reason == "" {
			t.Fatalf("%+v", j)
		}
		if j.Verdict.Status == lds.Passed && (!j.Consistent || !j.Anchored) {
			t.Fatalf("passed, but %+v", j)
		}
		// With the files changed, nothing that anybody puts into the EF.SOD makes it pass.
		spoiled := map[lds.FileID][]byte{lds.DG(2): []byte("u\x10forged a picture")}
		if j := s.Inspect(sod, at).Judge(spoiled); j.Anchored {
			t.Fatal("a forged picture is anchored")
		}
	})
}

func FuzzTrustFile(f *testing.F) {
	f.Add(read(f, "csca.cer"))
	f.Add(pemOf(read(f, "csca-brainpool.cer")))
	f.Fuzz(func(t *testing.T, data []byte) {
		s, r, err := Load(Options{Files: map[string][]byte{"a.cer": data, "pinned/b.der": data}})
		if err != nil || s == nil {
			t.Fatal(err)
		}
		if csca, pinned := s.Count(); csca+pinned != len(r.Added) {
			t.Fatalf("%d and %d, but %d reported", csca, pinned, len(r.Added))
		}
	})
}

func FuzzToDER(f *testing.F) {
	f.Add(read(f, "ber.sod")[4:])
	f.Fuzz(func(t *testing.T, b []byte) {
		out, err := toDER(b)
		if err != nil {
			return
		}
		again, err := toDER(out)
		if err != nil || !bytes.Equal(out, again) {
			t.Fatalf("not stable: %v", err)
		}
	})
}

func BenchmarkInspect(b *testing.B) {
	for _, c := range [][2]string{{"good", "csca"}, {"brainpool", "csca-brainpool"}, {"rsa", "csca-rsa"}} {
		s, sod, at, files := load(b, c[1], false), read(b, c[0]+".sod"), made(b).Add(time.Hour), groups(b)
		b.Run(c[0], func(b *testing.B) {
			for b.Loop() {
				if s.Inspect(sod, at).Judge(files).Verdict.Status != lds.Passed {
					b.Fatal("not passed")
				}
			}
		})
	}
}

func BenchmarkLoad(b *testing.B) {
	for b.Loop() {
		if _, _, err := Load(Options{Embedded: true}); err != nil {
			b.Fatal(err)
		}
	}
}

// A store and an inspection serve several readers at once.
func TestConcurrent(t *testing.T) {
	s, _, err := Load(Options{Embedded: true, Files: map[string][]byte{"csca.cer": read(t, "csca.cer")}})
	if err != nil {
		t.Fatal(err)
	}
	good, at, files := read(t, "good.sod"), made(t).Add(time.Hour), groups(t)
	shared := s.Inspect(good, at)
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			for _, i := range []*Inspection{shared, s.Inspect(good, at)} {
				if v := i.Judge(files).Verdict; v.Status != lds.Passed {
					t.Errorf("%s %s", v.Status, v.Reason)
				}
			}
		})
	}
	wg.Wait()
}
