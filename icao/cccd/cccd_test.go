package cccd

import (
	"bytes"
	"encoding/hex"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/text/unicode/norm"

	"github.com/tapcheck/tapcheck/icao/lds"
)

func TestParseNumber(t *testing.T) {
	for in, want := range map[string]Number{
		"001099012345": "001099012345", " 001 099 012 345\r\n": "001099012345", "001.099.012.345": "001099012345", "００１０９９０１２３４５": "001099012345",
		"079305000001": "079305000001",
	} {
		if got, err := ParseNumber(in); err != nil || got != want {
			t.Errorf("%q: %q, %v", in, got, err)
		}
	}
	for _, in := range []string{"", "00109901234", "0010990123456", "00109901234A", "000099012345", "001999012345", strings.Repeat("0", 1000), "099012345"} {
		_, err := ParseNumber(in)
		if !errors.Is(err, lds.ErrKeyMalformed) {
			t.Errorf("%q: %v", in, err)
		}
		if err != nil && len(in) > 4 && strings.Contains(err.Error(), in) {
			t.Errorf("%q: the error repeats it", in)
		}
	}
	n, _ := ParseNumber("001099012345")
	if n.CAN() != "012345" || n.DocumentNumber() != "099012345" || n.Sex() != "male" || n.BirthYear() != 1999 || n.Province() != "001" {
		t.Errorf("%s %s %s %d %s", n.CAN(), n.DocumentNumber(), n.Sex(), n.BirthYear(), n.Province())
	}
	if n, _ := ParseNumber("079305000001"); n.Sex() != "female" || n.BirthYear() != 2005 {
		t.Errorf("%s %d", n.Sex(), n.BirthYear())
	}
}

func TestKeyFromNumber(t *testing.T) {
	k, err := KeyFromNumber("001099012345", "", "")
	if err != nil || k.CAN != "012345" || k.MRZ != nil || k.From != lds.FromNumber || k.Stated.Number != "001099012345" {
		t.Errorf("%#v, %v", k.Stated, err)
	}
	k, err = KeyFromNumber("001099012345", "1999-01-01", "2039-01-01")
	if err != nil || k.MRZ == nil || *k.MRZ != (lds.MRZKey{DocumentNumber: "099012345", DateOfBirth: "990101", DateOfExpiry: "390101"}) {
		t.Errorf("%v, %v", k.MRZ, err)
	}
	if k, err = KeyFromNumber("001099012345", "1999-01-01", ""); err != nil || k.MRZ != nil || k.Stated.DateOfBirth != "1999-01-01" {
		t.Errorf("%v, %v", k.MRZ, err)
	}
	for _, bad := range [][3]string{{"1", "", ""}, {"001099012345", "01/01/1999", ""}, {"001099012345", "1999-02-30", "2039-01-01"}, {"001099012345", "1999-01-01", "1990-01-01"}} {
		if _, err := KeyFromNumber(bad[0], bad[1], bad[2]); !errors.Is(err, lds.ErrKeyMalformed) {
			t.Errorf("%v: %v", bad, err)
		}
	}
}

const code = "001099012345|012345678|Nguyễn Văn An|01011999|Nam|Số 1, Phố X, Phường Y, Hà Nội|15042022"

func TestParseQR(t *testing.T) {
	whole := QR{"001099012345", "012345678", "Nguyễn Văn An", "1999-01-01", "male", "Số 1, Phố X, Phường Y, Hà Nội", "2022-04-15", false}
	noOld := whole
	noOld.OldNumber = ""
	inMonth, inYear := whole, whole
	inMonth.DateOfBirth, inYear.DateOfBirth = "1999-01", "1999"
	only := QR{Number: "001099012345"}
	mangled := QR{Number: "001099012345", Mangled: true}
	swap := strings.NewReplacer
	for _, c := range []struct {
		name, text string
		want       QR
		err        error
	}{
		{"seven fields", code, whole, nil},
		{"no old number", strings.Replace(code, "012345678|", "|", 1), noOld, nil},
		{"six fields", strings.Replace(code, "012345678|", "", 1), noOld, nil},
		{"byte order mark, line end, spaces", "\ufeff " + strings.ReplaceAll(code, "|", " | ") + " \r\n", whole, nil},
		{"form D", norm.NFD.String(code), whole, nil},
		{"more fields", code + "|Trần Thị B|Nguyễn Văn C||", whole, nil},
		{"unknown long layout", "001099012345|Trần Thị B|001150000001|x|y|z|1|2|3|4", only, nil},
		{"child without issue date", "001099012345||Nguyễn Văn An|01011999|Nam|Hà Nội|", QR{Number: "001099012345", FullName: "Nguyễn Văn An", DateOfBirth: "1999-01-01", Sex: "male", Residence: "Hà Nội"}, nil},

		{"born in a month", strings.Replace(code, "|01011999|", "|00011999|", 1), inMonth, nil},
		{"born in a year", strings.Replace(code, "|01011999|", "|1999|", 1), inYear, nil},

		{"full-width", swap("|", "｜", "0", "０", "1", "１").Replace(code), mangled, nil},
		{"separators replaced", strings.ReplaceAll(code, "|", "~"), mangled, nil},
		{"separators swallowed", strings.ReplaceAll(code, "|", ""), mangled, nil},
		{"question marks", swap("ễ", "?", "ă", "?").Replace(code), mangled, nil},
		{"wrong character set", swap("ễ", "á»…", "ă", "Äƒ").Replace(code), mangled, nil},
		{"two tones in one word", strings.Replace(code, "Nguyễn", "Ngúyễn", 1), mangled, nil},
		{"VNI ate digits of the date", strings.Replace(code, "|01011999|", "|0á11999|", 1), mangled, nil},
		{"date of another year", strings.Replace(code, "01011999", "01011989", 1), mangled, nil},
		{"broken UTF-8", strings.Replace(code, "ễ", "\xe1\xbb", 1), mangled, nil},
		{"Vietnamese layout", swap("0", "đ", "1", "ă", "2", "â", "3", "ê", "4", "ô", "5", "\u0300", "6", "\u0309", "7", "\u0303", "8", "\u0301", "9", "\u0323").Replace(code), mangled, nil},
		{"digit lost", code[1:], QR{}, lds.ErrKeyMalformed},
		{"digits eaten at the start, no separators", strings.ReplaceAll(code[3:], "|", ""), QR{}, lds.ErrKeyMalformed},

		{"empty", "  \r\n", QR{}, lds.ErrKeyMalformed},
		{"web address", "https://example.vn/001099012345|a|b|c|d|e|f", QR{}, lds.ErrQRForeign},
		{"insurance card, old form", "GD4010123456789|4e677579e1bb856e2056c4836e20416e|01/01/1999|1|48c3a0204ee1bb9969|01 - 004|01/01/2026|31/12/2026", QR{}, lds.ErrQRForeign},
		{"insurance card, number only", "0123456789|4e677579e1bb856e2056c4836e20416e|01/01/1999|1|48c3a0204ee1bb9969|01 - 004|01/01/2026|31/12/2026", QR{}, lds.ErrQRForeign},
		{"insurance card, citizen number", "001099012345|4e677579e1bb856e2056c4836e20416e|01/01/1999|1|48c3a0204ee1bb9969|01 - 004|01/01/2026|31/12/2026", QR{}, lds.ErrQRForeign},
		{"payment", "00020101021138570010A000000727012700069704360113001099012345", QR{}, lds.ErrQRForeign},
		{"digits only", "001099012345", QR{}, lds.ErrQRForeign},
		{"article number", "8938505974192", QR{}, lds.ErrQRForeign},
		{"digits and words", "123456789012 thuốc 500mg", QR{}, lds.ErrQRForeign},
		{"MRZ", "IDVNM0990123459001099012345<<0", QR{}, lds.ErrQRForeign},
		{"JSON", `{"a":"|||||||"}`, QR{}, lds.ErrQRForeign},
		{"too long", strings.Repeat("1|", MaxQR), QR{}, lds.ErrQRForeign},
	} {
		t.Run(c.name, func(t *testing.T) {
			got, err := ParseQR(c.text)
			if !errors.Is(err, c.err) || (err == nil) != (c.err == nil) {
				t.Fatalf("got %v", err)
			}
			if got != c.want {
				t.Error(cmp.Diff(c.want, got))
			}
			if err != nil && (strings.Contains(err.Error(), "0990") || strings.Contains(err.Error(), "Nguy")) {
				t.Errorf("personal: %v", err)
			}
		})
	}
}

func TestKeyFromQR(t *testing.T) {
	k, err := KeyFromQR(code)
	if err != nil || k.CAN != "012345" || k.From != lds.FromQR {
		t.Fatal(k, err)
	}
	want := lds.Identity{Number: "001099012345", DocumentNumber: "099012345", FullName: "Nguyễn Văn An", DateOfBirth: "1999-01-01", Sex: "male",
		Residence: "Số 1, Phố X, Phường Y, Hà Nội", IssuedAt: "2022-04-15", OldNumber: "012345678"}
	if d := cmp.Diff(want, k.Stated); d != "" {
		t.Error(d)
	}
	// A mangled text gives the key and nothing to compare names with.
	k, err = KeyFromQR(strings.ReplaceAll(code, "ễ", "?"))
	if err != nil || k.CAN != "012345" {
		t.Fatal(k, err)
	}
	if d := cmp.Diff(lds.Identity{Number: "001099012345", DocumentNumber: "099012345"}, k.Stated); d != "" {
		t.Error(d)
	}
}

func TestExpiry(t *testing.T) {
	d := func(s string) time.Time {
		v, err := time.Parse("2006-01-02", s)
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
	for _, c := range []struct{ birth, issued, want string }{
		{"1999-01-01", "2022-04-15", "2039-01-01"}, // the change at 25 was less than two years away
		{"1999-01-01", "2021-12-31", "2024-01-01"},
		{"1980-05-05", "2022-04-15", "2040-05-05"},
		{"1963-05-05", "2022-04-15", "never"},
		{"2010-05-05", "2022-04-15", "2035-05-05"},
		{"2015-05-05", "2024-08-01", "2029-05-05"},
		{"2011-05-05", "2024-08-01", "2036-05-05"},
		{"2011-05-05", "2010-08-01", "invalid"},
	} {
		got, never, ok := Expiry(d(c.birth), d(c.issued))
		s := got.Format("2006-01-02")
		switch {
		case !ok:
			s = "invalid"
		case never:
			s = "never"
		}
		if s != c.want {
			t.Errorf("born %s, issued %s: %s", c.birth, c.issued, s)
		}
	}
}

func TestKnownATR(t *testing.T) {
	for atr, want := range map[string]string{
		"3B898001 4D4B6A434F532D3337 12":                     "MKjCOS-37",
		"3B9F96C00A31FE45 754A6176656C696E2D4F5320312E30 51": "Javelin-OS 1.0",
		"3B8980014D4B6A434F532D333713":                       "",
		"":                                                   "",
	} {
		b, err := hex.DecodeString(strings.ReplaceAll(atr, " ", ""))
		if err != nil {
			t.Fatal(err)
		}
		if got, ok := KnownATR(b); got != want || ok != (want != "") {
			t.Errorf("%s: %q %v", atr, got, ok)
		}
	}
}

// der writes one element; its lengths are as short as they can be.
func der(tag byte, parts ...[]byte) []byte {
	v := bytes.Join(parts, nil)
	switch n := len(v); {
	case n < 0x80:
		return append([]byte{tag, byte(n)}, v...)
	case n < 0x100:
		return append([]byte{tag, 0x81, byte(n)}, v...)
	default:
		return append([]byte{tag, 0x82, byte(n >> 8), byte(n)}, v...)
	}
}

func field(n byte, value ...[]byte) []byte {
	return der(0x30, append([][]byte{{2, 1, n}}, value...)...)
}

func utf(s string) []byte       { return der(0x0C, []byte(s)) }
func printable(s string) []byte { return der(0x13, []byte(s)) }

func dg13(fields ...[]byte) []byte {
	return der(0x6D, der(0x30, []byte{2, 1, 1}, []byte{6, 6, 0x28, 0xD3, 0x16, 1, 0, 8}, der(0x31, fields...)))
}

var longAddress = "Thôn " + strings.Repeat("Xa Xôi ", 20) + "Huyện Z, Tỉnh W"

func person(parents []byte) [][]byte {
	return [][]byte{
		field(1, printable("001099012345")), field(2, utf("Nguyễn Văn An")), field(3, printable("01/01/1999")), field(4, utf("Nam")), field(5, utf("Việt Nam")),
		field(6, utf("Kinh")), field(7, utf("Không")), field(8, utf("Phường Y, Hà Nội")), field(9, utf(longAddress)), field(10, utf("Nốt ruồi C: 1cm")),
		field(11, printable("15/04/2022")), field(12, utf("01/01/2039")), parents, field(14), field(15, printable("012345678")), field(16, printable("0123456789ABCDEF")),
	}
}

func TestParseDG13(t *testing.T) {
	two := field(13, der(0x30, utf("Nguyễn Văn Ba")), der(0x30, utf("Trần Thị Tư")))
	one := field(13, der(0x30, utf("Nguyễn Văn Ba"), utf("Trần Thị Tư")))
	want := DG13{
		Number: "001099012345", FullName: "Nguyễn Văn An", DateOfBirth: "1999-01-01", Sex: "male", Nationality: "Việt Nam", Ethnicity: "Kinh", Religion: "Không",
		Origin: "Phường Y, Hà Nội", Residence: longAddress, Features: "Nốt ruồi C: 1cm", IssuedAt: "2022-04-15", ExpiresAt: "2039-01-01",
		Father: "Nguyễn Văn Ba", Mother: "Trần Thị Tư", OldNumber: "012345678", Unknown: map[int][]byte{16: printable("0123456789ABCDEF")},
	}
	for name, raw := range map[string][]byte{
		"two sequences": dg13(person(two)...),
		"one sequence":  dg13(person(one)...),
		"no version":    der(0x6D, der(0x30, der(0x31, person(two)...))),
		"set only":      der(0x6D, der(0x31, person(two)...)),
		"form D":        dg13(append([][]byte{field(2, utf(norm.NFD.String("Nguyễn Văn An")))}, append(person(two)[:1:1], person(two)[2:]...)...)...),
	} {
		got, err := ParseDG13(raw)
		if err != nil {
			t.Errorf("%s: %v", name, err)
		} else if d := cmp.Diff(want, got); d != "" {
			t.Errorf("%s: %s", name, d)
		}
	}

	id := want.Identity()
	if id.Nationality != "VNM" || id.Source["fullName"] != "dg13" || id.Source["spouse"] != "" || id.FullName != want.FullName || len(id.Source) != 15 {
		t.Errorf("%+v", id)
	}

	few, err := ParseDG13(dg13(field(2, utf("Nguyễn Văn An")), field(12, utf("Không thời hạn")), field(14, der(0x30, utf("Lê Thị Năm"))), field(4, utf("Nữ")), field(3, printable("1950"))))
	if err != nil || !few.NoExpiry || few.ExpiresAt != "" || few.Spouse != "Lê Thị Năm" || few.Sex != "female" || few.DateOfBirth != "1950" {
		t.Errorf("%+v, %v", few, err)
	}
	odd, err := ParseDG13(dg13(field(3, printable("99/99/1999")), field(4, utf("?")), field(1, printable("12")), field(2, utf("An\u202e\x00 \t B")), field(77, []byte{5, 0})))
	if err != nil || odd.DateOfBirth != "" || odd.Sex != "" || odd.Number != "" || odd.FullName != "An B" || len(odd.Unknown) != 4 {
		t.Errorf("%+v, %v", odd, err)
	}
	if empty, err := ParseDG13(dg13()); err != nil || empty.Identity().Source != nil {
		t.Errorf("%+v, %v", empty, err)
	}
}

func TestParseDG13Malformed(t *testing.T) {
	nested := utf("x")
	for range 20 {
		nested = der(0x30, nested)
	}
	var many [][]byte
	for n := range 100 {
		many = append(many, field(byte(n+1)))
	}
	for name, raw := range map[string][]byte{
		"empty":            nil,
		"other tag":        der(0x61, der(0x31)),
		"trailing":         append(dg13(), 0),
		"cut":              dg13(person(field(13))...)[:100],
		"no set":           der(0x6D, der(0x30, []byte{2, 1, 1})),
		"length of nine":   {0x6D, 0x89, 1, 1, 1, 1, 1, 1, 1, 1, 1},
		"indefinite":       {0x6D, 0x80, 0, 0},
		"long tag":         der(0x6D, []byte{0x1F, 0x81, 1, 0}),
		"twice":            dg13(field(2, utf("A")), field(2, utf("B"))),
		"no number":        dg13(der(0x30, utf("A"))),
		"field is text":    dg13(utf("A")),
		"nested":           dg13(field(13, nested)),
		"too many fields":  dg13(many...),
		"too long text":    dg13(field(9, utf(strings.Repeat("a", maxText+1)))),
		"not UTF-8":        dg13(field(2, der(0x0C, []byte{0xFF, 0xFE}))),
		"too large":        make([]byte, maxDG13+1),
		"inner length lie": der(0x6D, []byte{0x31, 0x05, 0x30, 0x10, 0x02, 0x01, 0x01}),
	} {
		_, err := ParseDG13(raw)
		var f *lds.FileError
		if !errors.Is(err, lds.ErrMalformed) || !errors.As(err, &f) || f.File != "DG13" {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestVietnameseLayout(t *testing.T) {
	typed := func(s string) string {
		return strings.NewReplacer("0", "đ", "1", "ă", "2", "â", "3", "ê", "4", "ô", "5", "\u0300", "6", "\u0309", "7", "\u0303", "8", "\u0301", "9", "\u0323").Replace(s)
	}
	for _, s := range []string{"001012345678", "001099012345"} {
		if got, ok := undoVietnameseLayout(typed(s)); !ok || got != s {
			t.Errorf("%s: %q %v", s, got, ok)
		}
		if got, ok := undoVietnameseLayout(norm.NFC.String(typed(s))); ok && got != s {
			t.Errorf("%s in form C became %q", s, got)
		}
	}
	// 9 before 5 may have been 5 before 9.
	if _, ok := undoVietnameseLayout(typed("001095012345")); ok {
		t.Error("an order in doubt was taken")
	}
	if _, ok := undoVietnameseLayout("Nguyễn Văn An"); ok {
		t.Error("a name was taken for digits")
	}
}

func FuzzParseQR(f *testing.F) {
	for _, s := range []string{code, strings.ReplaceAll(code, "|", ""), "đđăđ\u0323\u0323đăâêồ|a|b|c|d|e", "https://x", "00020101021138"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		q, err := ParseQR(s)
		if err != nil {
			if !errors.Is(err, lds.ErrQRForeign) && !errors.Is(err, lds.ErrKeyMalformed) {
				t.Fatal(err)
			}
			if q != (QR{}) {
				t.Fatal("an error and a result")
			}
			return
		}
		if _, err := ParseNumber(string(q.Number)); err != nil || len(q.Number) != 12 {
			t.Fatal("the number is none")
		}
		if q.Mangled && q != (QR{Number: q.Number, Mangled: true}) {
			t.Fatal("a mangled text gave more than the number")
		}
		if !norm.NFC.IsNormalString(q.FullName + "|" + q.Residence) {
			t.Fatal("not in form C")
		}
	})
}

func FuzzParseDG13(f *testing.F) {
	f.Add(dg13(person(field(13, der(0x30, utf("A")), der(0x30, utf("B"))))...))
	f.Add(dg13(person(field(13, der(0x30, utf("A"), utf("B"))))...))
	f.Fuzz(func(t *testing.T, raw []byte) {
		d, err := ParseDG13(raw)
		if err != nil {
			if !errors.Is(err, lds.ErrMalformed) {
				t.Fatal(err)
			}
			return
		}
		for k := range d.Identity().Source {
			if k == "" {
				t.Fatal("a source without a field")
			}
		}
	})
}
