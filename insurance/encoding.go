package insurance

import (
	"regexp"
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/encoding/charmap"
	"golang.org/x/text/unicode/norm"
)

// Encoding is how a name was written before Unicode, or wrongly since.
type Encoding string

// Encodings.
const (
	Unicode    Encoding = ""
	TCVN3      Encoding = "tcvn3"      // TCVN 5712:1993, the "ABC" fonts: "NguyÔn V¨n An"
	VNI        Encoding = "vni"        // the VNI fonts, two characters for a letter with a mark: "Nguyeãn Vaên An"
	TwiceUTF8  Encoding = "utf8_twice" // UTF-8 that was taken for Windows-1252 and encoded again: "Nguyá»…n"
	Unreadable Encoding = "unreadable" // characters were lost on the way: "Nguy?n"
)

// ReadName reads a Vietnamese name whatever encoding it is in, and says which that was. It only ever changes a name that cannot be
// Vietnamese as it stands and is, in every word with a mark, once it is decoded: a name of another language stays as it is. An
// unreadable one comes back unchanged. What is good Vietnamese in both readings ("Thò" is VNI for "Thị") is taken for what it is.
func ReadName(s string) (string, Encoding) {
	s = norm.NFC.String(s)
	if vietnamese(s) {
		return s, Unicode
	}
	for _, c := range []struct {
		encoding Encoding
		decode   func(string) (string, bool)
	}{{TwiceUTF8, decodeTwice}, {TCVN3, decodeTCVN3}, {VNI, decodeVNI}} {
		if d, ok := c.decode(s); ok && d != s && vietnamese(d) {
			return d, c.encoding
		}
	}
	if strings.ContainsFunc(s, lost) {
		return s, Unreadable
	}
	return s, Unicode
}

// lost says that a character is none that a name in any script has.
func lost(r rune) bool {
	return r == utf8.RuneError || r == '?' || r == 0xAD || unicode.IsControl(r) || unicode.In(r, unicode.Sm, unicode.Sc, unicode.So) || r == '¨' || r == '¸' || r == '¿'
}

// Vowels of a syllable without tone, as they stand between the consonants, and these.
var (
	onsetForm = regexp.MustCompile(`^(ngh|ch|dz|gh|gi|kh|ng|nh|ph|qu|th|tr|[bcdđghklmnpqrstvx])`)
	rhymeForm = regexp.MustCompile(`^(iê|yê|ia|ya|ươ|ưa|uô|uơ|uyê|uya|uâ|uê|uy|ua|oa|oă|oe|oo|ie|[aăâeêioôơuưy])(ch|ng|nh|[cmnptiyou])?$`)
)

const tones = "\u0300\u0301\u0303\u0309\u0323" // grave, acute, tilde, hook above, dot below

// vietnamese says whether every word of a name that is more than bare Latin letters is a syllable of Vietnamese, with one tone at most.
func vietnamese(name string) bool {
	for _, w := range strings.Fields(name) {
		if strings.ContainsFunc(w, func(r rune) bool { return r >= utf8.RuneSelf || lost(r) }) && !syllable(strings.ToLower(w)) {
			return false
		}
	}
	return true
}

func syllable(w string) bool {
	n := 0
	bare := norm.NFC.String(strings.Map(func(r rune) rune {
		if strings.ContainsRune(tones, r) {
			n++
			return -1
		}
		return r
	}, norm.NFD.String(w)))
	if n > 1 {
		return false
	}
	if rhymeForm.MatchString(bare) {
		return true
	}
	onset := onsetForm.FindString(bare)
	rest := bare[len(onset):]
	// "gi" and "qu" lend their vowel where there is no other: gì, gìn, quy.
	return onset != "" && (rhymeForm.MatchString(rest) || (onset == "gi" || onset == "qu") && rhymeForm.MatchString(bare[1:]))
}

func decodeTwice(s string) (string, bool) {
	b := make([]byte, 0, len(s))
	for _, r := range s {
		if c, ok := charmap.Windows1252.EncodeRune(r); ok {
			b = append(b, c)
		} else if r < 0x100 {
			b = append(b, byte(r))
		} else {
			return "", false
		}
	}
	return norm.NFC.String(string(b)), utf8.Valid(b)
}

// tcvn3 is the upper half of TCVN 5712:1993 from 0xA1 on. The letters of marks alone, which it has too, are in no name.
var tcvn3 = []rune("ĂÂÊÔƠƯĐăâêôơưđẰ     àảãáạẲằẳẵắẴẮẦẨẪẤỀặầẩẫấậèỂẻẽéẹềểễếệìỉỄẾỒĩíịòỔỏõóọồổỗốộờởỡớợùỖủũúụừửữứựỳỷỹýỵỐ")

func decodeTCVN3(s string) (string, bool) {
	return decodeEach(s, func(r rune) rune {
		if r < 0xA1 || r > 0xFF || tcvn3[r-0xA1] == ' ' {
			return -1
		}
		return tcvn3[r-0xA1]
	})
}

func decodeEach(s string, letter func(rune) rune) (string, bool) {
	var b strings.Builder
	for _, r := range s {
		if r >= 0x80 {
			if r = letter(r); r < 0 {
				return "", false
			}
		}
		b.WriteRune(r)
	}
	return b.String(), true
}

// VNI writes a letter and then its marks as one character more, and has a few letters whole.
var (
	vniWhole = map[rune]string{'ñ': "đ", 'Ñ': "Đ", 'ô': "ơ", 'Ô': "Ơ", 'ö': "ư", 'Ö': "Ư", 'í': "í", 'Í': "Í", 'ì': "ì", 'Ì': "Ì", 'æ': "ỉ", 'Æ': "Ỉ", 'ó': "ĩ", 'Ó': "Ĩ", 'ò': "ị", 'Ò': "Ị", 'î': "ỵ", 'Î': "Ỵ"}
	vniMarks = map[rune]string{
		'ù': "\u0301", 'ø': "\u0300", 'û': "\u0309", 'õ': "\u0303", 'ï': "\u0323",
		'â': "\u0302", 'á': "\u0302\u0301", 'à': "\u0302\u0300", 'å': "\u0302\u0309", 'ã': "\u0302\u0303", 'ä': "\u0302\u0323",
		'ê': "\u0306", 'é': "\u0306\u0301", 'è': "\u0306\u0300", 'ú': "\u0306\u0309", 'ü': "\u0306\u0303", 'ë': "\u0306\u0323",
	}
)

func decodeVNI(s string) (string, bool) {
	var b strings.Builder
	base := rune(0)
	for _, r := range s {
		whole, isWhole := vniWhole[r]
		marks, isMark := vniMarks[unicode.ToLower(r)]
		switch {
		case isMark && strings.ContainsRune("aeouyôöAEOUYÔÖ", base):
			b.WriteString(marks)
			base = 0
			continue
		case isWhole:
			b.WriteString(whole)
		case r >= 0x80:
			return "", false
		default:
			b.WriteRune(r)
		}
		base = r
	}
	return norm.NFC.String(b.String()), true
}
