package lds_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/tapcheck/tapcheck/icao/lds"
)

func tlv(tag uint32, parts ...[]byte) []byte { return lds.AppendTLV(nil, tag, bytes.Join(parts, nil)) }

func dg1(zone string) []byte {
	return tlv(0x61, tlv(0x5F1F, []byte(strings.ReplaceAll(zone, "\n", ""))))
}

func TestParseDG1(t *testing.T) {
	for _, zone := range []string{td1, td2, td3, vietnamese} {
		want, err := lds.ParseMRZ(zone)
		if err != nil {
			t.Fatal(err)
		}
		got, err := lds.ParseDG1(dg1(zone))
		if err != nil {
			t.Fatal(err)
		}
		if d := cmp.Diff(want, got); d != "" {
			t.Error(d)
		}
	}
}

func TestDG1WithAWrongDigitIsReadAndSaysSo(t *testing.T) {
	m, err := lds.ParseDG1(dg1(strings.Replace(vietnamese, "9901018", "9901017", 1)))
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff([]string{"dateOfBirth", "composite"}, m.Failed); d != "" {
		t.Error(d)
	}
}

func TestMalformedGroups(t *testing.T) {
	for _, c := range []struct{ name, hex string }{
		{"nothing", ""}, {"other tag", "7500"}, {"empty", "6100"}, {"zone missing", "61035F2000"}, {"zone short", "61045F1F0141"},
		{"cut", "615B5F1F58"}, {"length that lies", "6184FFFFFFFF5F1F"},
	} {
		if _, err := lds.ParseDG1(unhex(t, c.hex)); !errors.Is(err, lds.ErrMalformed) {
			t.Errorf("DG1 %s: %v", c.name, err)
		}
	}
	for _, c := range []struct{ name, hex string }{
		{"nothing", ""}, {"other tag", "6100"}, {"empty", "7500"}, {"group empty", "75037F6100"}, {"count without a template", "75067F6103020101"},
		{"template empty", "75097F61060201017F6000"}, {"block empty", "750C7F61090201017F60035F2E00"},
	} {
		if _, err := lds.ParseDG2(unhex(t, c.hex)); !errors.Is(err, lds.ErrMalformed) {
			t.Errorf("DG2 %s: %v", c.name, err)
		}
	}
}

var (
	jpeg = append([]byte{0xFF, 0xD8, 0xFF, 0xE0}, bytes.Repeat([]byte{0x11}, 300)...)
	jp2  = append([]byte{0, 0, 0, 0x0C, 'j', 'P', ' ', ' ', 0x0D, 0x0A, 0x87, 0x0A}, bytes.Repeat([]byte{0x22}, 300)...)
	j2k  = append([]byte{0xFF, 0x4F, 0xFF, 0x51}, bytes.Repeat([]byte{0x33}, 300)...)
)

// face is a facial record of ISO/IEC 19794-5 with one picture. wrong changes the length that it declares.
func face(points int, declared byte, pic []byte, wrong int) []byte {
	n := 20 + 8*points + 12 + len(pic)
	b := []byte("FAC\x00010\x00")
	b = binary.BigEndian.AppendUint32(b, uint32(14+n+wrong))
	b = append(b, 0, 1)
	b = binary.BigEndian.AppendUint32(b, uint32(n+wrong))
	b = binary.BigEndian.AppendUint16(b, uint16(points))
	b = append(b, make([]byte, 14+8*points)...)
	b = append(b, 1, declared, 1, 0x2C, 1, 0x90, 0, 0, 0, 0, 0, 0)
	return append(b, pic...)
}

func face39794(pic []byte) []byte {
	b := tlv(0x80, pic)
	b = append(b, tlv(0xA1, tlv(0xA0, tlv(0x80, []byte{2})))...)
	for _, tag := range []uint32{0xA0, 0xA0, 0xA1} {
		b = tlv(tag, b)
	}
	b = tlv(0x30, tlv(0x80, []byte{1}), b)
	return tlv(0xA1, tlv(0x65, tlv(0xA0, tlv(0x80, []byte{3}), tlv(0x81, []byte{0x07, 0xE3})), tlv(0xA1, b)))
}

func bit(tag uint32, block []byte) []byte {
	return tlv(0x7F60, tlv(0xA1, tlv(0x80, []byte{1, 1}), tlv(0x87, []byte{1, 1}), tlv(0x88, []byte{0, 8})), tlv(tag, block))
}

func dg2(bits ...[]byte) []byte {
	return tlv(0x75, tlv(0x7F61, append([][]byte{tlv(0x02, []byte{byte(len(bits))})}, bits...)...))
}

func TestParseDG2(t *testing.T) {
	for _, c := range []struct {
		name   string
		raw    []byte
		format string
		want   []byte
	}{
		{"19794 JPEG", dg2(bit(0x5F2E, face(0, 0, jpeg, 0))), "jpeg", jpeg},
		{"19794 JP2", dg2(bit(0x5F2E, face(3, 1, jp2, 0))), "jp2", jp2},
		{"19794 codestream", dg2(bit(0x5F2E, face(3, 1, j2k, 0))), "j2k", j2k},
		{"many feature points", dg2(bit(0x5F2E, face(200, 0, jpeg, 0))), "jpeg", jpeg},
		{"declared JPEG, is JP2", dg2(bit(0x5F2E, face(0, 0, jp2, 0))), "jp2", jp2},
		{"record length too long", dg2(bit(0x5F2E, face(0, 0, jpeg, 5000))), "jpeg", jpeg},
		{"record length nought", dg2(bit(0x5F2E, face(0, 0, jpeg, -(32+len(jpeg))))), "jpeg", jpeg},
		{"record with bytes behind it", dg2(bit(0x5F2E, append(face(0, 0, jpeg, 0), 0, 0, 0))), "jpeg", jpeg},
		{"point count that lies", func() []byte {
			f := face(0, 0, jpeg, 0)
			f[19] = 0xFF
			return dg2(bit(0x5F2E, f))
		}(), "jpeg", jpeg},
		{"no FAC header", dg2(bit(0x5F2E, append([]byte("XYZ"), jpeg...))), "jpeg", jpeg},
		{"second template has the picture", dg2(bit(0x5F2E, face(0, 0, []byte("nothing"), 0)), bit(0x5F2E, face(0, 0, jpeg, 0))), "jpeg", jpeg},
		{"several pictures: the first", dg2(bit(0x5F2E, face(0, 0, jpeg, 0)), bit(0x5F2E, face(0, 1, jp2, 0))), "jpeg", jpeg},
		{"count that lies", func() []byte {
			return tlv(0x75, tlv(0x7F61, tlv(0x02, []byte{9}), bit(0x5F2E, face(0, 0, jpeg, 0))))
		}(), "jpeg", jpeg},
		{"39794", dg2(bit(0x7F2E, face39794(jp2))), "jp2", jp2},
		{"39794 off its path", dg2(bit(0x7F2E, tlv(0xA5, jpeg))), "jpeg", jpeg},
		{"19794 under the new tag", dg2(bit(0x7F2E, face(0, 0, jpeg, 0))), "jpeg", jpeg},
		{"19794 within the new tag", dg2(bit(0x7F2E, tlv(0x5F2E, face(0, 0, jpeg, 0)))), "jpeg", jpeg},
	} {
		t.Run(c.name, func(t *testing.T) {
			got, err := lds.ParseDG2(c.raw)
			if err != nil {
				t.Fatal(err)
			}
			if got.Format != c.format || !bytes.HasPrefix(got.Data, c.want) {
				t.Errorf("got %s of %d bytes", got.Format, len(got.Data))
			}
		})
	}
}

func TestParseDG2Refuses(t *testing.T) {
	for _, c := range []struct {
		name string
		raw  []byte
		want error
	}{
		{"another kind of picture", dg2(bit(0x5F2E, face(0, 0, []byte("\x89PNG\r\n\x1a\n"), 0))), lds.ErrMalformed},
		{"picture outside the declared block", tlv(0x75, tlv(0x7F61, bit(0x5F2E, face(0, 0, []byte("x"), 0))), jpeg), lds.ErrMalformed},
		{"too large", dg2(bit(0x5F2E, face(0, 0, append(bytes.Clone(jpeg), make([]byte, lds.MaxPicture)...), 0))), lds.ErrTooLarge},
		{"too many templates", dg2(bytes.Repeat([]byte{0x05, 0x00}, lds.MaxChildren+1)), lds.ErrMalformed},
	} {
		t.Run(c.name, func(t *testing.T) {
			if _, err := lds.ParseDG2(c.raw); !errors.Is(err, c.want) {
				t.Errorf("got %v, want %v", err, c.want)
			}
		})
	}
}

func TestParseCOM(t *testing.T) {
	raw := tlv(0x60, tlv(0x5F01, []byte("0107")), tlv(0x5F36, []byte("040000")), tlv(0x5C, []byte{0x61, 0x75, 0x63, 0x6D, 0x6E, 0x6F, 0xEE}))
	got, err := lds.ParseCOM(raw)
	if err != nil {
		t.Fatal(err)
	}
	want := lds.COMInfo{LDSVersion: "0107", UnicodeVersion: "040000", Groups: []int{1, 2, 3, 13, 14, 15}}
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
	for _, bad := range [][]byte{nil, {0x60, 0}, tlv(0x61), tlv(0x60, tlv(0x5C, make([]byte, 33)))} {
		if _, err := lds.ParseCOM(bad); !errors.Is(err, lds.ErrMalformed) {
			t.Errorf("%X: %v", bad, err)
		}
	}
}

func TestFileNames(t *testing.T) {
	for n := 1; n <= 16; n++ {
		if lds.DG(n).Number() != n {
			t.Errorf("DG%d is number %d", n, lds.DG(n).Number())
		}
	}
	for _, f := range []lds.FileID{"", "DG0", "DG17", "DG01", "DG1x", "EF_SOD", "dg1"} {
		if f.Number() != 0 {
			t.Errorf("%q is number %d", f, f.Number())
		}
	}
}

func FuzzParseDG1(f *testing.F) {
	for _, z := range []string{td1, td2, td3, vietnamese} {
		f.Add(dg1(z))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		m, err := lds.ParseDG1(b)
		if err != nil && !errors.Is(err, lds.ErrMalformed) {
			t.Fatal(err)
		}
		if err == nil {
			_ = m.Identity(ref)
		}
	})
}

func FuzzParseDG2(f *testing.F) {
	f.Add(dg2(bit(0x5F2E, face(0, 0, jpeg[:20], 0))))
	f.Add(dg2(bit(0x5F2E, face(2, 1, j2k[:20], 3))))
	f.Add(dg2(bit(0x7F2E, face39794(jp2[:20]))))
	f.Fuzz(func(t *testing.T, b []byte) {
		p, err := lds.ParseDG2(b)
		if err != nil {
			if !errors.Is(err, lds.ErrMalformed) && !errors.Is(err, lds.ErrTooLarge) {
				t.Fatal(err)
			}
			return
		}
		if p.Format == "" || p.Format != lds.PictureFormat(p.Data) || len(p.Data) > len(b) {
			t.Fatalf("%q of %d bytes out of %d", p.Format, len(p.Data), len(b))
		}
	})
}

func FuzzParseCOM(f *testing.F) {
	f.Add(tlv(0x60, tlv(0x5F01, []byte("0107")), tlv(0x5C, []byte{0x61, 0x75})))
	f.Fuzz(func(t *testing.T, b []byte) {
		if _, err := lds.ParseCOM(b); err != nil && !errors.Is(err, lds.ErrMalformed) {
			t.Fatal(err)
		}
	})
}
