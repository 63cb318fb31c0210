package localgateway

import (
	"encoding/json"
	"strings"
	"time"

	"golang.org/x/text/unicode/norm"

	"github.com/tapcheck/tapcheck/insurance"
	"github.com/tapcheck/tapcheck/insurance/bhyt"
)

// Letters in TCVN 5712:1993 (TCVN3), as what they look like to a program that takes the bytes for Latin-1. Written down apart from the
// table that names are read with (insurance.ReadName), so that both cannot share a mistake.
const (
	unicodeLetters = "ĂÂÊÔƠƯĐăâêôơưđàảãáạằẳẵắặầẩẫấậèẻẽéẹềểễếệìỉĩíịòỏõóọồổỗốộờởỡớợùủũúụừửữứựỳỷỹýỵ"
	tcvn3Letters   = "¡¢£¤¥¦§¨©ª«¬\u00ad®µ¶·¸¹»¼½¾ÆÇÈÉÊËÌÎÏÐÑÒÓÔÕÖ×ØÜÝÞßáâãäåæçèéêëìíîïñòóôõö÷øùúûüýþ"
)

var toTCVN3 = func() *strings.Replacer {
	from, to := []rune(unicodeLetters), []rune(tcvn3Letters)
	var pairs []string
	for i, r := range from {
		pairs = append(pairs, string(r), string(to[i]))
	}
	return strings.NewReplacer(pairs...)
}()

// inTCVN3 writes a text in TCVN3. Capital letters with a tone have no code of their own: fonts have them.
func inTCVN3(s string) string { return toTCVN3.Replace(norm.NFC.String(s)) }

// inVNI writes a text in VNI: a letter, and its marks as one character behind it.
func inVNI(s string) string {
	marks := map[string]string{
		"\u0301": "ù", "\u0300": "ø", "\u0309": "û", "\u0303": "õ", "\u0323": "ï",
		"\u0302": "â", "\u0302\u0301": "á", "\u0302\u0300": "à", "\u0302\u0309": "å", "\u0302\u0303": "ã", "\u0323\u0302": "ä",
		"\u0306": "ê", "\u0306\u0301": "é", "\u0306\u0300": "è", "\u0306\u0309": "ú", "\u0306\u0303": "ü", "\u0323\u0306": "ë",
	}
	whole := map[string]string{"đ": "ñ", "Đ": "Ñ", "ơ": "ô", "Ơ": "Ô", "ư": "ö", "Ư": "Ö", "ì": "ì", "ỉ": "æ", "ĩ": "ó", "í": "í", "ị": "ò", "ỵ": "î"}
	var b strings.Builder
	for _, r := range norm.NFC.String(s) {
		if w, ok := whole[string(r)]; ok {
			b.WriteString(w)
			continue
		}
		letters := norm.NFD.String(string(r))
		base, rest := letters[:1], letters[1:]
		if r < 0x80 || letters[0] >= 0x80 {
			base, rest = letters, ""
		}
		if tone, ok := strings.CutPrefix(rest, "\u031b"); ok { // ơ and ư with a tone: the horn stands first
			base, rest = map[string]string{"o": "ô", "u": "ö", "O": "Ô", "U": "Ö"}[base], tone
		}
		b.WriteString(base + marks[rest])
	}
	return b.String()
}

// latin1 writes UTF-8 as one byte a character; what has none stays as it is.
func latin1(b []byte) []byte {
	var out []byte
	for _, r := range string(b) {
		if r < 0x100 {
			out = append(out, byte(r))
		} else {
			out = append(out, string(r)...)
		}
	}
	return out
}

// others are look-ups by other facilities today, and one of the day before.
func others(now time.Time) json.RawMessage {
	at := func(d time.Duration) bhyt.Text {
		return bhyt.Text(now.Add(-d).In(insurance.Vietnam).Format("200601021504"))
	}
	b, _ := json.Marshal([]bhyt.LookUp{
		{UserKT: "01004_BV", ThoiGianKT: at(0), ThongBao: "Thẻ còn giá trị sử dụng!", MaLoi: "000"},
		{UserKT: "01025_BV", ThoiGianKT: at(40 * time.Minute), ThongBao: "Thẻ còn giá trị sử dụng!", MaLoi: "000"},
		{UserKT: "01013_BV", ThoiGianKT: at(95 * time.Minute), ThongBao: "Sai ngày sinh", MaLoi: "070"},
		{UserKT: "79013_BV", ThoiGianKT: at(26 * time.Hour), ThongBao: "Thẻ còn giá trị sử dụng!", MaLoi: "000"},
	})
	return b
}

// visits are what a member was treated for: one at each facility that the member's card names, and a stay.
func (m Member) visits(now time.Time) json.RawMessage {
	at := func(d time.Duration) bhyt.Text {
		return bhyt.Text(now.Add(-d).In(insurance.Vietnam).Format("200601021504"))
	}
	const day = 24 * time.Hour
	b, _ := json.Marshal([]bhyt.PastVisit{
		{MaHoSo: "202500000001", MaCSKCB: bhyt.Text(m.Card.Facility), NgayVao: at(90 * day), NgayRa: at(90*day - 3*time.Hour), TenBenh: "Viêm họng cấp (mô phỏng)", TinhTrang: "1", KqDieuTri: "2", LyDoVV: "1"},
		{MaHoSo: "202500000002", MaCSKCB: "01013", NgayVao: at(400 * day), NgayRa: at(395 * day), TenBenh: "Viêm phổi (mô phỏng)", TinhTrang: "1", KqDieuTri: "1", LyDoVV: "2"},
	})
	return b
}
