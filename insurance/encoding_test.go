package insurance_test

import (
	"strings"
	"testing"
	"unicode/utf8"

	"golang.org/x/text/encoding/charmap"

	"github.com/tapcheck/tapcheck/insurance"
)

// Names in every encoding that registers of facilities still hold. Each is what a program shows that takes the bytes for
// Windows-1252.
func TestReadName(t *testing.T) {
	for _, c := range []struct {
		in, want string
		enc      insurance.Encoding
	}{
		{"Nguyễn Văn An", "Nguyễn Văn An", insurance.Unicode},
		{"NGUYEN VAN AN", "NGUYEN VAN AN", insurance.Unicode},
		{"Hoàng Thị Hòa", "Hoàng Thị Hòa", insurance.Unicode},
		{"Nguye\u0302\u0303n Va\u0306n An", "Nguyễn Văn An", insurance.Unicode}, // decomposed
		{"NguyÔn V¨n An", "Nguyễn Văn An", insurance.TCVN3},
		{"TrÇn ThÞ B×nh", "Trần Thị Bình", insurance.TCVN3},
		{"Lª Quèc C\u00adêng", "Lê Quốc Cường", insurance.TCVN3}, // ư is the soft hyphen's code
		{"§ç Hoµng Giang", "Đỗ Hoàng Giang", insurance.TCVN3},
		{"PHẠM THỊ DŨNG", "PHẠM THỊ DŨNG", insurance.Unicode},
		{"Nguyeãn Vaên An", "Nguyễn Văn An", insurance.VNI},
		{"Traàn Thò Bình", "Trần Thị Bình", insurance.VNI},
		{"Leâ Quoác Cöôøng", "Lê Quốc Cường", insurance.VNI},
		{"Ñoã Hoaøng Giang", "Đỗ Hoàng Giang", insurance.VNI},
		{"NGUYEÃN VAÊN AN", "NGUYỄN VĂN AN", insurance.VNI},
		{"Nguyá»…n VÄƒn An", "Nguyễn Văn An", insurance.TwiceUTF8},
		{"Ph¹m ThÞ Dzung", "Phạm Thị Dzung", insurance.TCVN3},
		{"Phaïm Thò Jenny", "Phạm Thị Jenny", insurance.VNI},
		{"Mai Thò Lan", "Mai Thò Lan", insurance.Unicode}, // VNI for Thị, and a word as it stands
		{"Chloé Tran", "Chloé Tran", insurance.Unicode},
		{"Nguy?n V?n An", "Nguy?n V?n An", insurance.Unreadable},
		{"Nguy\ufffdn V\ufffdn An", "Nguy\ufffdn V\ufffdn An", insurance.Unreadable},
		{"V¸¸ V¸¸", "V¸¸ V¸¸", insurance.Unreadable},
		// Who is not Kinh, or comes from elsewhere, is left alone.
		{"Y Moan Êñuôl", "Y Moan Êñuôl", insurance.Unicode},
		{"H'Hen Niê", "H'Hen Niê", insurance.Unicode},
		{"Jürgen Müller", "Jürgen Müller", insurance.Unicode},
		{"José Ñáñez", "José Ñáñez", insurance.Unicode},
		{"Søren Kjær", "Søren Kjær", insurance.Unicode},
		{"Nguyễn Anna-Maria", "Nguyễn Anna-Maria", insurance.Unicode},
		{"", "", insurance.Unicode},
	} {
		if got, enc := insurance.ReadName(c.in); got != c.want || enc != c.enc {
			t.Errorf("%q: %q in %q, want %q in %q", c.in, got, enc, c.want, c.enc)
		}
	}
}

// Every name of the personas comes back from every encoding that it can be written in.
func TestReadNameAndBack(t *testing.T) {
	for _, name := range []string{"Nguyễn Văn An", "Trần Thị Bình", "Lê Quốc Cường", "Phạm Thị Dung", "Đỗ Hoàng Giang", "Hoàng Thị Hoa", "Vũ Minh Khánh", "Mai Thị Lan",
		"Huỳnh Quỳnh Ngọc Giáp", "Nguyễn Thị Ước", "Đặng Ỷ Lan", "Lưu Nguyệt Uyển", "Trịnh Khuya", "Võ Xuân Nghĩa", "Bùi Quyền Thuở"} {
		if got, enc := insurance.ReadName(name); got != name || enc != insurance.Unicode {
			t.Errorf("%s: %q in %q", name, got, enc)
		}
		twice := ""
		for _, b := range []byte(name) {
			twice += string(charmap.Windows1252.DecodeByte(b))
		}
		if got, enc := insurance.ReadName(twice); !strings.ContainsRune(twice, utf8.RuneError) && (got != name || enc != insurance.TwiceUTF8) {
			t.Errorf("%s, encoded twice (%q): %q in %q", name, twice, got, enc)
		}
	}
}

func FuzzReadName(f *testing.F) {
	for _, s := range []string{"NguyÔn V¨n An", "Nguyeãn Vaên An", "Nguyá»…n", "\xff\x00?", "Y Moan Êñuôl"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		got, enc := insurance.ReadName(s)
		if again, e := insurance.ReadName(got); again != got || e != insurance.Unicode && enc != insurance.Unreadable {
			t.Errorf("%q: %q (%s), and read again %q (%s)", s, got, enc, again, e)
		}
		if utf8.ValidString(s) && !utf8.ValidString(got) {
			t.Errorf("%q: broken", s)
		}
	})
}
