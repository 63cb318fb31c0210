package trust

import (
	"bytes"
	"encoding/base64"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/tapcheck/tapcheck/icao/lds"
)

// table reads a file of testdata with lines of that many fields.
func table(t testing.TB, name string, fields int) (rows [][]string) {
	t.Helper()
	for line := range strings.Lines(string(read(t, name))) {
		f := strings.Fields(line)
		if len(f) == 0 || strings.HasPrefix(f[0], "#") {
			continue
		}
		if len(f) != fields {
			t.Fatalf("%s: bad line: %s", name, line)
		}
		rows = append(rows, f)
	}
	return rows
}

// folder loads the named files of testdata/lists from a real folder.
func folder(t testing.TB, names string, at time.Time) (*Store, *Report) {
	t.Helper()
	dir := t.TempDir()
	if names != "-" {
		for _, n := range strings.Split(names, ",") {
			p := filepath.Join(dir, filepath.FromSlash(n))
			if err := os.MkdirAll(filepath.Dir(p), 0o755); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(p, read(t, "lists/"+path.Base(n)), 0o644); err != nil {
				t.Fatal(err)
			}
		}
	}
	s, r, err := Load(Options{Dir: dir, At: at})
	if err != nil {
		t.Fatal(err)
	}
	return s, r
}

func day(t testing.TB, text string) time.Time {
	t.Helper()
	at, err := time.Parse(time.DateOnly, text)
	if err != nil {
		t.Fatal(err)
	}
	return at
}

func TestLists(t *testing.T) {
	silent(t)
	for _, f := range table(t, "lists/cases.txt", 10) {
		name, sod, how, trust, at, status, reason, warnings, anchored, anchor := f[0], f[1], f[2], f[3], day(t, f[4]), f[5], f[6], f[7], f[8], f[9]
		t.Run(name, func(t *testing.T) {
			s, _ := folder(t, trust, at)
			files := groups(t)
			j := s.Inspect(change(t, how, read(t, "lists/"+sod+".sod"), files), at).Judge(files)
			v := j.Verdict
			var warned []string
			for _, w := range v.Warnings {
				warned = append(warned, string(w))
			}
			if string(v.Status) != status || dash(string(v.Reason)) != reason || dash(strings.Join(warned, ",")) != warnings {
				t.Errorf("got %s %s %v (%s)", v.Status, v.Reason, warned, v.Detail)
			}
			if j.Anchored != (anchored == "yes") {
				t.Errorf("anchored %v", j.Anchored)
			}
			got := ""
			if v.Anchor != nil {
				got = v.Anchor.Source + strings.Repeat("+", len(v.Anchor.Links))
			}
			if dash(got) != anchor {
				t.Errorf("anchor %s", dash(got))
			}
			if v.Status != lds.Passed && j.Anchored && v.Reason != lds.ReasonExpired && v.Reason != lds.ReasonNotYetValid {
				t.Error("anchored in spite of that")
			}
			if v.Reason == lds.ReasonRevoked && !strings.Contains(v.Detail, "revoked on 20") {
				t.Errorf("no date: %s", v.Detail)
			}
			if slices.Contains(v.Warnings, lds.ReasonDeviation) && !strings.Contains(v.Detail, "the country is written as UTF-8") {
				t.Errorf("no text: %s", v.Detail)
			}
		})
	}
}

func TestReports(t *testing.T) {
	silent(t)
	at := day(t, "2026-06-01")
	for _, f := range table(t, "lists/reports.txt", 7) {
		t.Run(f[0], func(t *testing.T) {
			s, r := folder(t, f[1], at)
			known := 0
			var taken []string
			for _, src := range r.Sources {
				known += src.Known
				kind := src.Kind
				if src.Kind != SourceCertificates && src.Kind != SourceDirectory {
					kind += ":" + src.VouchedBy
					if src.Signer == "" || src.Country != "VN" {
						t.Errorf("%+v says not who signed it", src)
					}
				}
				if len(src.Warnings) > 0 {
					kind += "!"
				}
				taken = append(taken, kind)
			}
			for i, want := range []int{len(r.Added), known, len(r.Refused)} {
				if strconv.Itoa(want) != f[2+i] {
					t.Errorf("column %d: got %d: %+v", 3+i, want, r)
				}
			}
			slices.Sort(taken)
			want := strings.Split(f[5], ",")
			slices.Sort(want)
			if dash(strings.Join(taken, ",")) != strings.Join(want, ",") {
				t.Errorf("taken %v", taken)
			}
			if f[6] != "-" {
				for _, word := range strings.Split(f[6], ",") {
					if !slices.ContainsFunc(r.Refused, func(r Refused) bool { return strings.Contains(r.Reason, strings.ReplaceAll(word, "_", " ")) }) {
						t.Errorf("nothing is refused because %q: %+v", word, r.Refused)
					}
				}
			}
			for _, x := range r.Refused {
				if x.File == "" || x.Reason == "" || x.Cure == "" || strings.HasSuffix(x.File, ".ldif") && x.Place == "" && !strings.HasPrefix(f[0], "directory-empty") {
					t.Errorf("%+v lacks file, place, reason or cure", x)
				}
			}
			csca, pinned := s.Count()
			if csca+pinned != len(r.Added) {
				t.Errorf("%d anchors", csca+pinned)
			}
		})
	}
}

// A report is bounded, however many parts of a file are broken.
func TestReportIsBounded(t *testing.T) {
	var b bytes.Buffer
	for range 5000 {
		b.WriteString("dn: c=VN\nuserCertificate;binary:: !\n\n")
	}
	_, r, err := Load(Options{Files: map[string][]byte{"a.ldif": b.Bytes()}})
	if err != nil || len(r.Refused) != maxRefused || r.Sources[0].Refused != 5000 {
		t.Fatalf("%d refusals, %v", len(r.Refused), err)
	}
}

// A directory that is made to keep us busy is given up with a word about it, and what stood beside it still counts.
func TestLoadIsBounded(t *testing.T) {
	var b bytes.Buffer
	link := base64.StdEncoding.EncodeToString(read(t, "lists/link-forged.cer"))
	crl := base64.StdEncoding.EncodeToString(read(t, "lists/forged.crl"))
	for range maxWaiting + 100 {
		b.WriteString("dn: c=VN\ncACertificate:: " + link + "\ncertificateRevocationList:: " + crl + "\n\n")
	}
	s, r, err := Load(Options{Files: map[string][]byte{"a.ldif": b.Bytes(), "csca.cer": read(t, "lists/csca.cer")}})
	if err != nil {
		t.Fatal(err)
	}
	if n, _ := s.Count(); n != 1 || len(s.crls) != 0 {
		t.Errorf("%d anchors, %d lists", n, len(s.crls))
	}
	for _, word := range []string{"too many link certificates", "more broken parts than are listed"} {
		if !slices.ContainsFunc(r.Refused, func(r Refused) bool { return strings.Contains(r.Reason, word) }) {
			t.Errorf("nothing says %q", word)
		}
	}
}

func TestReadLDIF(t *testing.T) {
	long := strings.Repeat("QUJD", maxLine/4+100)
	for _, c := range []struct{ name, text, want string }{
		{"one", "dn: x\nuserCertificate;binary:: QUJD\n", "1,2:ABC"},
		{"folded", "userCertificate;binary:: QU\n JD\n Q\n UJD", "1,1:ABCABC"},
		{"folded before the value", "userCertificate;binary::\n QUJD", "1,1:ABC"},
		{"folded name", "userCerti\n ficate:: QUJD", "1,1:ABC"},
		{"carriage returns", "dn: x\r\nuserCertificate:: QU\r\n JD\r\n\r\ndn: y\r\nuserCertificate:: QUJD\r\n", "1,2:ABC 2,6:ABC"},
		{"any case", "USERCERTIFICATE;Binary:: QUJD\n", "1,1:ABC"},
		{"comments, also folded", "# a\n b\nversion: 1\n\n# c\nuserCertificate:: QUJD\n# d\n", "1,6:ABC"},
		{"many empty lines", "\n\n\nuserCertificate:: QUJD\n\n\n\nuserCertificate:: QUJD", "1,4:ABC 2,8:ABC"},
		{"others", "cn: x\nsn:: broken!\njpegPhoto:: QUJD\n", ""},
		{"empty value", "userCertificate:: \n", "1,1:"},
		{"broken, then good", "userCertificate:: Q\nuserCertificate:: QUJD\nuserCertificate:: QUJDRA\n", "1,1! 1,2:ABC 1,3!"},
		{"plain", "userCertificate: QUJD\n", "1,1!"},
		{"address", "userCertificate:< file:///x\n", "1,1!"},
		{"no attribute", "hello\n", "1,1!"},
		{"too long, then good", "userCertificate:: " + long + "\nuserCertificate:: QUJD\n", "1,1! 1,2:ABC"},
		{"nothing", "", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			var got []string
			err := readLDIF(strings.NewReader(c.text), wantedInDirectory, func(r record) {
				s := strconv.Itoa(r.entry) + "," + strconv.Itoa(r.line)
				if r.err != "" {
					s += "!"
				} else {
					s += ":" + string(r.value)
				}
				got = append(got, s)
			})
			if err != nil || strings.Join(got, " ") != c.want {
				t.Errorf("got %v, %v", got, err)
			}
		})
	}
}

// Every byte of the lists, one bit changed: no anchor is added that the list as it was did not add, and no revocation.
func TestEveryFlipOfALists(t *testing.T) {
	silent(t)
	at := day(t, "2026-06-01")
	step := 7
	if os.Getenv("TAPCHECK_CAMPAIGN") != "" {
		step = 1
	}
	_, good := folder(t, "csca.cer,good.ml", at)
	sums := func(r *Report) (out []string) {
		for _, a := range r.Added {
			out = append(out, a.SHA256)
		}
		return out
	}
	allowed := sums(good)
	list := read(t, "lists/good.ml")
	for i := 0; i < len(list); i += step {
		b := bytes.Clone(list)
		b[i] ^= 1 << (i % 8)
		_, r, err := Load(Options{At: at, Files: map[string][]byte{"csca.cer": read(t, "lists/csca.cer"), "good.ml": b}})
		if err != nil {
			t.Fatal(err)
		}
		for _, sum := range sums(r) {
			if !slices.Contains(allowed, sum) {
				t.Fatalf("byte %d changed adds %s", i, sum)
			}
		}
	}
	crl := read(t, "lists/revoked.crl")
	for i := 0; i < len(crl); i += step {
		b := bytes.Clone(crl)
		b[i] ^= 1 << (i % 8)
		s, _, _ := Load(Options{At: at, Files: map[string][]byte{"csca.cer": read(t, "lists/csca.cer"), "a.crl": b}})
		if len(s.crls) > 0 {
			t.Fatalf("byte %d changed, and the list is taken", i)
		}
	}
}

// An embedded list is as good an anchor for lists and links as the folder.
func TestRealListsHoldTogether(t *testing.T) {
	s := &Store{own: newIndex(), embedded: embeddedLists}
	l := &loader{s: s, checks: 100}
	links := 0
	for _, anchors := range embeddedLists().byName {
		for _, a := range anchors {
			c, err := parseCertificate(a.raw)
			if err != nil || bytes.Equal(c.issuer.raw, c.subject.raw) || links >= 10 {
				continue
			}
			by, _, _ := l.vouching(c.aki, c.issuer, usageKeyCertSign, func(by *certificate) error {
				_, err := by.verify(c.sigAlg, 0, c.tbs, c.signature)
				return err
			})
			if by != nil {
				links++
			}
		}
	}
	if links == 0 {
		t.Error("no link certificate of the public lists is found to be signed by another of them")
	}
}

// The master lists that gmrtd comes with are Germany's and the Netherlands': real ones, from 2024 to 2026.
func TestRealMasterLists(t *testing.T) {
	out, err := exec.Command("go", "list", "-m", "-f", "{{.Dir}}", "github.com/gmrtd/gmrtd").Output()
	if err != nil {
		t.Fatalf("go list: %v", err)
	}
	dir := filepath.Join(strings.TrimSpace(string(out)), "cms", "master_list")
	s, r, err := Load(Options{Dir: dir})
	if err != nil || len(r.Refused) != 1 || !strings.Contains(r.Refused[0].Reason, "is a folder") { // with Indonesia's certificates
		t.Fatalf("%+v, %v", r.Refused, err)
	}
	lists := 0
	for _, src := range r.Sources {
		if src.Kind == SourceMasterList {
			lists++
			if src.VouchedBy != "anchor" || src.Country != "DE" && src.Country != "NL" || src.Added+src.Known < 300 || src.SignedAt == nil {
				t.Errorf("%+v", src)
			}
		}
	}
	if n, _ := s.Count(); lists < 10 || n < 600 {
		t.Errorf("%d lists, %d certificates", lists, n)
	}
	embedded, _, _ := Load(Options{Embedded: true})
	if n := len(embedded.Embedded()); n != embedded.EmbeddedCount() {
		t.Errorf("%d embedded certificates listed, %d counted", n, embedded.EmbeddedCount())
	}
}

func seeds(f *testing.F, ext string) {
	names, err := filepath.Glob("testdata/lists/*" + ext)
	if err != nil || len(names) == 0 {
		f.Fatalf("no seeds: %v", err)
	}
	for _, n := range names {
		f.Add(read(f, "lists/"+filepath.Base(n)))
	}
}

// fuzzFile loads a file besides a CSCA. Whatever it holds, nothing is revoked or trusted without a report of it.
func fuzzFile(f *testing.F, name string) {
	csca := read(f, "lists/csca.cer")
	at := day(f, "2026-06-01")
	f.Fuzz(func(t *testing.T, data []byte) {
		s, r, err := Load(Options{At: at, Files: map[string][]byte{"csca.cer": csca, name: data}})
		if err != nil {
			t.Fatal(err)
		}
		if csca, pinned := s.Count(); csca+pinned != len(r.Added) || csca < 1 {
			t.Fatalf("%d and %d, but %d reported", csca, pinned, len(r.Added))
		}
		lists := 0
		for _, src := range r.Sources {
			if src.Kind == SourceRevocationList {
				lists++
			}
		}
		if len(s.crls) > lists {
			t.Fatalf("%d lists, %d reported", len(s.crls), lists)
		}
		if len(data) > 0 && !r.Accepted(name) && len(r.Refused) == 0 {
			t.Fatal("of no use, and nothing says so")
		}
	})
}

func FuzzLDIF(f *testing.F) {
	seeds(f, ".ldif")
	fuzzFile(f, "a.ldif")
}

func FuzzMasterList(f *testing.F) {
	seeds(f, ".ml")
	fuzzFile(f, "a.ml")
}

func FuzzDeviationList(f *testing.F) {
	seeds(f, ".dl")
	fuzzFile(f, "a.dl")
}

func FuzzCRL(f *testing.F) {
	seeds(f, ".crl")
	fuzzFile(f, "a.crl")
}
