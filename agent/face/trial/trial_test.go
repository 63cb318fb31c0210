package trial

import (
	"bytes"
	"encoding/csv"
	"image/png"
	"strings"
	"testing"
)

func TestReadPairs(t *testing.T) {
	l, err := ReadPairs(strings.NewReader("\ufeffsame\tchip\tlive\tsex\tage\r\n1\tchip/1.jp2\tlive/1.jpg\tf\t20-39\r\n\r\n0\tchip/1.jp2\tlive/2.jpg\tf\t20-39\r\n"))
	if err != nil || len(l.Pairs) != 2 || !l.Pairs[0].Same || l.Pairs[1].Same || l.Pairs[1].Live != "live/2.jpg" || strings.Join(l.Groups, " ") != "sex age" || l.Pairs[0].Groups[1] != "20-39" {
		t.Errorf("%+v %v", l, err)
	}
	head := "same\tchip\tlive\n"
	for _, c := range []struct{ name, list, says string }{
		{"empty", "", "no pairs"},
		{"head alone", head, "no pairs"},
		{"other columns", "chip\tlive\tsame\n", "line 1"},
		{"commas", "same,chip,live\n1,a,b\n", "line 1"},
		{"too few", head + "1\ta\n", "line 2: has 2 columns"},
		{"too many", head + "1\ta\tb\tc\n", "line 2: has 4 columns"},
		{"neither", head + "1\ta\tb\nyes\ta\tb\n", "line 3: same"},
		{"out of the folder", head + "1\t../a\tb\n", "line 2: a picture is not within"},
		{"from the root", head + "1\ta\t/b\n", "line 2: a picture is not within"},
		{"endless line", head + "1\t" + strings.Repeat("a", 1<<17), "too long"},
	} {
		if _, err := ReadPairs(strings.NewReader(c.list)); err == nil || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%s: %v", c.name, err)
		}
	}
}

func TestCurve(t *testing.T) {
	s := newScores([]float64{0.4, 0.7, 0.8, 0.9}, []float64{0.1, 0.2, 0.3, 0.5})
	var b bytes.Buffer
	if err := s.WriteCSV(&b); err != nil {
		t.Fatal(err)
	}
	rows, err := csv.NewReader(&b).ReadAll()
	if err != nil || len(rows) != 102 {
		t.Fatalf("%d rows, %v", len(rows), err)
	}
	if got := strings.Join(rows[46], " "); !strings.HasPrefix(got, "0.45 0.25 0.00630946 0.80588 4 0.25 0.00630946 0.80588 4") {
		t.Error(got)
	}
	for _, s := range []Scores{s, {}, newScores([]float64{1}, nil)} {
		b.Reset()
		if err := s.WritePNG(&b, []float64{0.45, 0.6}); err != nil {
			t.Fatal(err)
		}
		img, err := png.Decode(&b)
		if err != nil || img.Bounds().Dx() != plotSize {
			t.Fatalf("%v", err)
		}
		drawn := false
		for y := range plotSize {
			for x := range plotSize {
				r, g, bl, _ := img.At(x, y).RGBA()
				drawn = drawn || r>>8 == uint32(curve.R) && g>>8 == uint32(curve.G) && bl>>8 == uint32(curve.B)
			}
		}
		if want := len(s.Genuine) > 0 && len(s.Impostor) > 0; drawn != want {
			t.Errorf("%d and %d scores: a curve %v", len(s.Genuine), len(s.Impostor), drawn)
		}
	}
	for _, r := range "0123456789.%-FMNR" {
		if glyphs[r] == [7]byte{} {
			t.Errorf("%c is not drawn", r)
		}
	}
}
