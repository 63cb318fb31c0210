package claim

import (
	"bytes"
	"encoding/json"
	"errors"
	"math/rand/v2"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/tapcheck/tapcheck/insurance"
)

var cases = filepath.Join("..", "..", "testdata", "insurance")

func load(t *testing.T, name string, into any) {
	t.Helper()
	raw, err := os.ReadFile(filepath.Join(cases, name))
	if err != nil {
		t.Fatal(err)
	}
	d := json.NewDecoder(bytes.NewReader(raw))
	d.DisallowUnknownFields()
	if err := d.Decode(into); err != nil {
		t.Fatalf("%s: %v", name, err)
	}
}

// invented is a table of units that do not exist.
func invented(t *testing.T) *Table {
	t.Helper()
	table, err := LoadTable(filepath.Join(cases, "codes.csv"))
	if err != nil {
		t.Fatal(err)
	}
	return table
}

// TestValues walks testdata/insurance/claims.json, and holds every value to the form that its tag promises.
func TestValues(t *testing.T) {
	var list []struct {
		Name        string
		Person      Person
		Eligibility *insurance.Eligibility
		Earlier     []insurance.Card
		Table       bool
		Want        map[string]string
	}
	load(t, "claims.json", &list)
	forms := map[string]*regexp.Regexp{}
	for tag, form := range map[string]string{
		Number: `[0-9]{12}`, Birth: `[0-9]{12}`, Sex: `[123]`, Province: `[0-9]{2,3}`, Commune: `[0-9]{5}`, CardCode: `[A-Z0-9;]+`, Facility: `[0-9;]+`,
		ValidFrom: `([0-9]{8})?(;([0-9]{8})?)*`, ValidTo: `([0-9]{8})?(;([0-9]{8})?)*`, Area: `K[123]`, FiveYears: `[0-9]{8}`, Route: `[0-9.]+`,
	} {
		forms[tag] = regexp.MustCompile("^" + form + "$")
	}
	seen := map[string]bool{}
	for _, c := range list {
		t.Run(c.Name, func(t *testing.T) {
			var table *Table
			if c.Table {
				table = invented(t)
			}
			got := Values(c.Person, c.Eligibility, table, c.Earlier...)
			if d := cmp.Diff(c.Want, got); d != "" {
				t.Error(d)
			}
			for tag, value := range got {
				seen[tag] = true
				if !slices.Contains(Tags, tag) || forms[tag] != nil && !forms[tag].MatchString(value) {
					t.Errorf("%s=%q", tag, value)
				}
			}
		})
	}
	for _, tag := range Tags {
		if !seen[tag] {
			t.Errorf("no case gives %s", tag)
		}
	}
}

// TestAddress walks testdata/insurance/addresses.json with the invented table.
func TestAddress(t *testing.T) {
	var list []struct {
		Address, Day      string
		Province, Commune *Unit
	}
	load(t, "addresses.json", &list)
	table := invented(t)
	reasons := map[string]bool{}
	for _, c := range list {
		t.Run(c.Address, func(t *testing.T) {
			day, err := time.ParseInLocation(time.DateOnly, c.Day, insurance.Vietnam)
			if err != nil {
				t.Fatal(err)
			}
			got := table.Address(c.Address, day)
			if got == nil {
				t.Fatal("nothing")
			}
			shape := cmpopts.IgnoreFields(Unit{}, "Name", "Source")
			if d := cmp.Diff(Place{c.Province, c.Commune}, *got, shape); d != "" {
				t.Error(d)
			}
			for _, u := range []*Unit{got.Province, got.Commune} {
				reasons[u.Reason] = true
				if (u.Code != "") != (u.Name != "" && u.Source != "") || u.Decided && u.Code == "" || u.Code != "" && u.Candidates != nil {
					t.Errorf("%+v", u)
				}
			}
		})
	}
	for _, r := range []string{UnitFound, UnitMerged, UnitSplit, UnitAmbiguous, UnitMarks, UnitUnknown, UnitNoDistrict, UnitNoParent} {
		if !reasons[r] {
			t.Errorf("no case ends with %s", r)
		}
	}
	for _, none := range []*Place{(*Table)(nil).Address("Bình Minh", time.Time{}), (&Table{}).Address("Bình Minh", time.Time{}), table.Address("", time.Time{}), table.Address(strings.Repeat("a,", 40), time.Time{})} {
		if none != nil {
			t.Errorf("%+v", none)
		}
	}
}

// A mistake is named with its line and what may stand there, in both languages, and without what stands there.
func TestBadTables(t *testing.T) {
	const head = "kind;code;name;parent;from;to;into;source\n"
	const row = "province;91;Tỉnh Bình Minh;;;;;Hư cấu\n"
	for name, c := range map[string]struct {
		text   string
		line   int
		column string
	}{
		"empty":                  {"", 1, ""},
		"no rows":                {head, 1, ""},
		"unknown column":         {"kind;code;name;secret\n", 1, ""},
		"column twice":           {"kind;code;name;code\n", 1, ""},
		"no code column":         {"kind;name\n", 1, "code"},
		"unknown kind":           {head + row + "secret;1;x\n", 3, "kind"},
		"no code":                {head + row + "province;;x\n", 3, "code"},
		"a long code":            {head + row + "province;secret00000;x\n", 3, "code"},
		"no name":                {head + row + "province;92; \n", 3, "name"},
		"no source":              {head + "province;91;secret\n", 2, "source"},
		"a parent":               {head + row + "province;92;x;91\n", 3, "parent"},
		"no parent":              {head + row + "commune;91001;x\n", 3, "parent"},
		"unknown parent":         {head + row + "commune;91001;secret;99\n", 3, "parent"},
		"a commune's parent":     {head + row + "commune;91001;x;91\ncommune;91002;x;91001\n", 4, "parent"},
		"no day":                 {head + row + "commune;91001;x;91;01/07/2025\n", 3, "from"},
		"no day of a calendar":   {head + row + "commune;91001;x;91;2025-02-30\n", 3, "from"},
		"ends before":            {head + row + "commune;91001;x;91;2025-07-01;2025-06-30\n", 3, "to"},
		"became what is not":     {head + row + "commune;91001;x;91;;2025-06-30;99999\n", 3, "into"},
		"became no code":         {head + row + "commune;91001;x;91;;2025-06-30;a-b\n", 3, "into"},
		"became too many":        {head + row + "commune;91001;x;91;;2025-06-30;" + strings.Repeat("1 ", 33) + "\n", 3, "into"},
		"an open quote":          {head + row + "province;92;\"secret\n", 3, ""},
		"a quote within":         {head + row + "\"secret\"x;92;y\n", 3, ""},
		"a long cell":            {head + row + "province;92;" + strings.Repeat("a", 300) + "\n", 3, ""},
		"a control character":    {head + row + "province;92;a\x07\n", 3, ""},
		"another encoding":       {head + row + "province;92;\xd0\xd1\n", 3, ""},
		"too large":              {head + strings.Repeat("\n", MaxTable), 1, ""},
		"quotes and empty lines": {head + "\n" + row + "\n\"commune\";91001;x;98\n", 5, "parent"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := ReadTable(strings.NewReader(c.text))
			var p Problem
			if !errors.As(err, &p) {
				t.Fatalf("%v", err)
			}
			if p.Line != c.line || p.Column != c.column || p.What == "" || p.Cure == "" || p.VI == "" || p.CureVI == "" {
				t.Errorf("%+v", p)
			}
			for _, words := range []string{p.Error(), p.Words()} {
				if strings.Contains(words, "secret") || !strings.Contains(words, "(") {
					t.Error(words)
				}
			}
		})
	}
	if _, err := LoadTable(filepath.Join(t.TempDir(), "none.csv")); !errors.Is(err, os.ErrNotExist) {
		t.Error(err)
	}
}

// A spreadsheet parts its columns in its own way, in any order, and begins with a byte order mark.
func TestFormsOfTables(t *testing.T) {
	for _, sep := range []string{",", ";", "\t"} {
		text := "\ufeff" + strings.Join([]string{"Name", "code", "KIND", "source"}, sep) + "\r\n" + strings.Join([]string{`"Bình Minh"`, "91", "province", "Hư cấu"}, sep) + "\r\n"
		table, err := ReadTable(strings.NewReader(text))
		if err != nil {
			t.Fatalf("%q: %v", sep, err)
		}
		if p := table.Address("Bình Minh", time.Time{}); p == nil || p.Province.Code != "91" || !p.Province.Decided || p.Province.Source != "Hư cấu" {
			t.Errorf("%q: %+v", sep, p)
		}
	}
}

// Units that became each other are followed to no end, and not for ever.
func TestUnitsInACircle(t *testing.T) {
	table, err := ReadTable(strings.NewReader("kind,code,name,to,into,source\nprovince,1,Một,2025-06-30,2,Hư cấu\nprovince,2,Hai,2025-06-30,1,\n"))
	if err != nil {
		t.Fatal(err)
	}
	if p := table.Address("Một", time.Time{}); p == nil || p.Province.Code != "" || p.Province.Decided {
		t.Errorf("%+v", p.Province)
	}
}

// Whatever a file holds, it is a table or a problem with a line, and whatever an address says, it is answered.
func FuzzTable(f *testing.F) {
	raw, err := os.ReadFile(filepath.Join(cases, "codes.csv"))
	if err != nil {
		f.Fatal(err)
	}
	f.Add(string(raw), "Xã Chia Đôi, Huyện Cũ, Tỉnh Hoàng Hôn")
	f.Add("kind\tcode\tname\tsource\nprovince\t1\tMột\tx", "Một")
	f.Fuzz(func(t *testing.T, text, address string) {
		table, err := ReadTable(strings.NewReader(text))
		if err != nil {
			var p Problem
			if !errors.As(err, &p) || p.Line < 1 {
				t.Fatal(err)
			}
			return
		}
		if p := table.Address(address, time.Time{}); p != nil && (p.Province == nil || p.Commune == nil || p.Commune.Decided && !p.Province.Decided) {
			t.Errorf("%+v", p)
		}
	})
}

// A table that was spoilt on its way is a problem with a line or a table, and whatever is asked of that, it answers.
func TestSpoiltTables(t *testing.T) {
	raw, err := os.ReadFile(filepath.Join(cases, "codes.csv"))
	if err != nil {
		t.Fatal(err)
	}
	random := rand.New(rand.NewPCG(5, 5))
	whole := 0
	for range 3000 {
		b := slices.Clone(raw)
		for range 1 + random.IntN(5) {
			switch i := random.IntN(len(b)); random.IntN(3) {
			case 0:
				b[i] = byte(random.IntN(256))
			case 1:
				b = slices.Delete(b, i, i+1)
			case 2:
				b[i] = b[random.IntN(len(b))]
			}
		}
		table, err := ReadTable(bytes.NewReader(b))
		var p Problem
		switch {
		case err == nil:
			whole++
			for _, a := range []string{"Xã Chia Đôi, Huyện Cũ, Tỉnh Hoàng Hôn", "Sao Mai, Bình Minh"} {
				if p := table.Address(a, time.Time{}); p != nil && (p.Province == nil || p.Commune == nil || p.Commune.Decided && !p.Province.Decided) {
					t.Errorf("%+v", p)
				}
			}
		case !errors.As(err, &p) || p.Line < 1:
			t.Fatal(err)
		}
	}
	if whole == 0 || whole == 3000 {
		t.Errorf("%d of 3000 could be read", whole)
	}
}
