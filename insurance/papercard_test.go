package insurance

import (
	"encoding/hex"
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func hexOf(s string) string { return hex.EncodeToString([]byte(s)) }

// The person does not exist; the layout is that of facts/vietnam.md A3.
func TestParsePaperCard(t *testing.T) {
	const code = "GD4010123456789"
	name := hexOf("Nguyễn Văn An")
	whole := PaperCard{Code: code, FullName: "Nguyễn Văn An", DateOfBirth: "1999-01-01", Sex: "male", RegisteredFacility: "01004", From: "2026-01-01", To: "2026-12-31"}
	with := func(change func(c *PaperCard)) PaperCard { c := whole; change(&c); return c }
	line := func(fields ...string) string { return strings.Join(fields, "|") }
	for what, tt := range map[string]struct {
		text string
		want PaperCard
		err  error
	}{
		"whole":                {text: line(code, name, "01/01/1999", "1", hexOf("Số 1, Hà Nội"), "01 - 004", "01/01/2026", "31/12/2026", "x", "$"), want: whole},
		"capital hexadecimal":  {text: line(strings.ToLower(code), strings.ToUpper(name), "01/01/1999", "1", "", "01 - 004", "01/01/2026", "31/12/2026"), want: whole},
		"dates of eight":       {text: line(code, name, "01011999", "1", "", "01004", "01012026", "31122026"), want: whole},
		"around it":            {text: "\ufeff " + line(code, name, "01/01/1999", "1", "", " 01-004 ", "01-01-2026", "31-12-2026") + "\r\n", want: whole},
		"in form D":            {text: line(code, hexOf("Nguyê\u0303n Va\u0306n An"), "01/01/1999", "1", "", "01 - 004", "01/01/2026", "31/12/2026"), want: whole},
		"born in a year":       {text: line(code, name, "1999", "2"), want: PaperCard{Code: code, FullName: "Nguyễn Văn An", DateOfBirth: "1999", Sex: "female"}},
		"born in a month":      {text: line(code, name, "01/1999", ""), want: PaperCard{Code: code, FullName: "Nguyễn Văn An", DateOfBirth: "1999-01"}},
		"no such day":          {text: line(code, name, "31/02/1999", "3"), want: PaperCard{Code: code, FullName: "Nguyễn Văn An"}},
		"no end":               {text: line(code, name, "01/01/1999", "1", "", "01 - 004", "01/01/2026", "-"), want: with(func(c *PaperCard) { c.To = "" })},
		"ends before it began": {text: line(code, name, "01/01/1999", "1", "", "01 - 004", "01/01/2026", "31/12/2025"), want: with(func(c *PaperCard) { c.To = "" })},
		"odd facility":         {text: line(code, name, "01/01/1999", "1", "", "Bệnh viện", "01/01/2026", "31/12/2026"), want: with(func(c *PaperCard) { c.RegisteredFacility = "" })},
		"ten digits":           {text: line("0123456789", name, "01/01/1999", "1"), want: PaperCard{Code: "0123456789", FullName: "Nguyễn Văn An", DateOfBirth: "1999-01-01", Sex: "male"}},
		"the code alone":       {text: code, want: PaperCard{Code: code}},
		"name in plain":        {text: line(code, "Nguyễn Văn An", "01/01/1999", "1"), want: PaperCard{Code: code}},
		"name of digits":       {text: line(code, hexOf("123456"), "01/01/1999"), want: PaperCard{Code: code}},
		"name in Cyrillic":     {text: line(code, hexOf("Нгуен"), "01/01/1999"), want: PaperCard{Code: code}},

		"nothing":              {text: "", err: ErrPaperCardForeign},
		"a citizen card":       {text: "001099012345|012345678|Nguyễn Văn An|01011999|Nam|Hà Nội|15042022", err: ErrPaperCardForeign},
		"an address":           {text: "https://example.org/" + code, err: ErrPaperCardForeign},
		"ten digits alone":     {text: "0123456789", err: ErrPaperCardForeign},
		"ten digits, no name":  {text: line("0123456789", "An", "01/01/1999"), err: ErrPaperCardForeign},
		"no UTF-8":             {text: line(code, name) + "\xff", err: ErrPaperCardForeign},
		"too long":             {text: code + strings.Repeat("|", MaxPaperCard), err: ErrPaperCardForeign},
		"a digit of it eaten":  {text: line(code[:14], name, "01/01/1999", "1"), err: ErrPaperCardMangled},
		"group of insured odd": {text: line("1D4010123456789", name, "01/01/1999", "1"), err: ErrPaperCardMangled},
	} {
		t.Run(what, func(t *testing.T) {
			got, err := ParsePaperCard(tt.text)
			if !errors.Is(err, tt.err) || (err == nil) != (tt.err == nil) {
				t.Fatalf("%v", err)
			}
			if d := cmp.Diff(tt.want, got); d != "" {
				t.Error(d)
			}
			if err != nil && (strings.Contains(err.Error(), "0123") || strings.Contains(err.Error(), "1999")) {
				t.Errorf("the error holds what was scanned: %v", err)
			}
		})
	}
}

// Whatever is scanned, it is one of the two errors or a card whose every field has its form.
func FuzzPaperCard(f *testing.F) {
	f.Add("GD4010123456789|" + hexOf("Nguyễn Văn An") + "|01/01/1999|1|" + hexOf("Hà Nội") + "|01 - 004|01/01/2026|31/12/2026|x")
	f.Add("0123456789|" + hexOf("Nguyễn Văn An") + "|1999|2")
	f.Add("GD4010123456789")
	f.Add("001099012345|012345678|Nguyễn Văn An|01011999|Nam|Hà Nội|15042022")
	f.Fuzz(func(t *testing.T, text string) {
		c, err := ParsePaperCard(text)
		if err != nil {
			if errors.Is(err, ErrPaperCardForeign) == errors.Is(err, ErrPaperCardMangled) || c != (PaperCard{}) {
				t.Fatalf("%v %+v", err, c)
			}
			return
		}
		if !ValidCardCode(c.Code) && !tenDigits.MatchString(c.Code) {
			t.Errorf("code %q", c.Code)
		}
		for _, d := range []string{c.DateOfBirth, c.From, c.To} {
			if n := len(d); n != 0 && n != 4 && n != 7 && n != 10 {
				t.Errorf("date %q", d)
			}
		}
		if c.Sex != "" && c.Sex != "male" && c.Sex != "female" || c.RegisteredFacility != "" && len(c.RegisteredFacility) != 5 || len(c.FullName) > 400 {
			t.Errorf("%+v", c)
		}
		if c.FullName != "" {
			again, err := ParsePaperCard(c.Code + "|" + hexOf(c.FullName))
			if err != nil || again.FullName != c.FullName {
				t.Errorf("%q becomes %q, %v", c.FullName, again.FullName, err)
			}
		}
	})
}
