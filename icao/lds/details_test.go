package lds_test

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/tapcheck/tapcheck/icao/lds"
)

func txt(tag uint32, s string) []byte { return tlv(tag, []byte(s)) }

// dg11 and the others are what an invented issuer writes about an invented person.
func dg11() []byte {
	return tlv(0x6B, tlv(0x5C, []byte{0x5F, 0x0E, 0x5F, 0x0F, 0x5F, 0x10}), txt(0x5F0E, "NGUYỄN<<VĂN<AN"),
		tlv(0xA0, tlv(0x02, []byte{2}), txt(0x5F0F, "NGUYỄN<<AN<LỚN"), txt(0x5F0F, "AN")),
		txt(0x5F10, "099099012345"), txt(0x5F2B, "19990101"), txt(0x5F11, "Xã Mây<Tỉnh Gió"), txt(0x5F42, "Số 1<Đường Trăng<Xã Mây"),
		txt(0x5F12, "+84000000001"), txt(0x5F13, "Thợ vườn"), txt(0x5F14, "Ông"), txt(0x5F15, "Không có gì"), tlv(0x5F16, jpeg),
		txt(0x5F17, "P0000001<P0000002"), txt(0x5F18, "Không"), tlv(0x5F77, []byte{1}))
}

func dg12() []byte {
	return tlv(0x6C, tlv(0x5C, []byte{0x5F, 0x19}), txt(0x5F19, "Cục Mây"), txt(0x5F26, "20240531"), tlv(0xA0, tlv(0x02, []byte{1}), txt(0x5F1A, "TRẦN<<BÌNH")),
		txt(0x5F1B, "Không"), txt(0x5F1C, "Miễn"), tlv(0x5F1D, jpeg), tlv(0x5F1E, jp2), txt(0x5F55, "20240531081500"), txt(0x5F56, "SN-1"))
}

func dg16() []byte {
	return tlv(0x70, tlv(0x02, []byte{2}), tlv(0xA1, txt(0x5F50, "20240531"), txt(0x5F51, "TRẦN<<BÌNH"), txt(0x5F52, "+84000000002"), txt(0x5F53, "Số 2<Xã Mây")),
		tlv(0xA2, txt(0x5F51, "LÊ<<CHI")))
}

func dg3(n int) []byte {
	var all []byte
	for i := range n {
		all = append(all, tlv(0x7F60, tlv(0xA1, tlv(0x81, []byte{8}), tlv(0x82, []byte{byte(9 + i)}), tlv(0x87, []byte{1, 1}), tlv(0x88, []byte{0, 7})), tlv(0x5F2E, []byte("invented ridges")))...)
	}
	return tlv(0x63, tlv(0x7F61, tlv(0x02, []byte{byte(n)}), all), tlv(0x53, []byte("random")))
}

func TestParseDG11(t *testing.T) {
	got, err := lds.ParseDG11(dg11())
	if err != nil {
		t.Fatal(err)
	}
	want := lds.PersonDetails{
		FullName: lds.Name{Primary: "NGUYỄN", Secondary: "VĂN AN"}, OtherNames: []lds.Name{{Primary: "NGUYỄN", Secondary: "AN LỚN"}, {Primary: "AN"}},
		PersonalNumber: "099099012345", DateOfBirth: "1999-01-01", PlaceOfBirth: []string{"Xã Mây", "Tỉnh Gió"}, Address: []string{"Số 1", "Đường Trăng", "Xã Mây"},
		Telephone: "+84000000001", Profession: "Thợ vườn", Title: "Ông", Summary: "Không có gì", Citizenship: jpeg,
		OtherDocuments: []string{"P0000001", "P0000002"}, CustodyDetails: "Không", UnknownElements: 1,
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
}

func TestParseDG12(t *testing.T) {
	got, err := lds.ParseDG12(dg12())
	if err != nil {
		t.Fatal(err)
	}
	want := lds.DocumentDetails{
		Authority: "Cục Mây", DateOfIssue: "2024-05-31", OtherPersons: []lds.Name{{Primary: "TRẦN", Secondary: "BÌNH"}}, Endorsements: "Không", TaxOrExit: "Miễn",
		Front: jpeg, Rear: jp2, PersonalizedAt: "2024-05-31T08:15:00", PersonalizedBy: "SN-1",
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
}

func TestParseDG16(t *testing.T) {
	got, err := lds.ParseDG16(dg16())
	if err != nil {
		t.Fatal(err)
	}
	want := []lds.Contact{
		{Recorded: "2024-05-31", Name: lds.Name{Primary: "TRẦN", Secondary: "BÌNH"}, Telephone: "+84000000002", Address: []string{"Số 2", "Xã Mây"}},
		{Name: lds.Name{Primary: "LÊ", Secondary: "CHI"}},
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
}

// Dates are written in digits or in half bytes, and may be known in part.
func TestDatesOfTheDetails(t *testing.T) {
	for _, c := range []struct{ raw, want string }{
		{"19990131", "1999-01-31"}, {"\x19\x99\x01\x31", "1999-01-31"}, {"19990100", "1999-01"}, {"19990000", "1999"}, {"00000000", ""}, {"00000131", ""},
		{"19991301", ""}, {"19990230", ""}, {"19991300", ""}, {"1999013", ""}, {"1999-1-1", ""}, {"\x19\x99\x0A\x31", ""}, {"", ""},
	} {
		got, err := lds.ParseDG11(tlv(0x6B, txt(0x5F2B, c.raw)))
		if err != nil || got.DateOfBirth != c.want {
			t.Errorf("%q: %q, %v", c.raw, got.DateOfBirth, err)
		}
	}
	for raw, want := range map[string]string{"20240531081500": "2024-05-31T08:15:00", "\x20\x24\x05\x31\x08\x15\x00": "2024-05-31T08:15:00", "20240531": "", "20240531250000": ""} {
		got, err := lds.ParseDG12(tlv(0x6C, txt(0x5F55, raw)))
		if err != nil || got.PersonalizedAt != want {
			t.Errorf("%q: %q, %v", raw, got.PersonalizedAt, err)
		}
	}
}

// What issuers get wrong does not cost the rest; what a hostile card writes costs no more than its length.
func TestDetailsOfBadIssuers(t *testing.T) {
	got, err := lds.ParseDG11(tlv(0x6B, txt(0x5F0F, "A<<B"), txt(0x5F0F, "C"), txt(0x5F0E, "M\xFCLLER<<J\xD6RG"), txt(0x5F10, "1 \x00\x00")))
	if err != nil || len(got.OtherNames) != 2 || got.FullName.Primary != "MüLLER" || got.FullName.Secondary != "JÖRG" || got.PersonalNumber != "1" {
		t.Errorf("%+v, %v", got, err)
	}
	// The count that would take gmrtd twenty minutes.
	got, err = lds.ParseDG11(tlv(0x6B, tlv(0xA0, tlv(0x02, []byte{0xFF, 0xFF, 0xFF, 0xFF}), txt(0x5F0F, "A"))))
	if err != nil || len(got.OtherNames) != 1 {
		t.Errorf("%+v, %v", got, err)
	}
	for n, c := range []struct {
		parse func([]byte) error
		tag   uint32
		item  []byte
	}{
		{func(b []byte) error { _, err := lds.ParseDG11(b); return err }, 0x6B, txt(0x5F0F, "A")},
		{func(b []byte) error { _, err := lds.ParseDG12(b); return err }, 0x6C, txt(0x5F1A, "A")},
		{func(b []byte) error { _, err := lds.ParseDG16(b); return err }, 0x70, tlv(0xA1, txt(0x5F51, "A"))},
		{func(b []byte) error { _, err := lds.ParseDG7(b); return err }, 0x67, tlv(0x5F43, jpeg)},
		{func(b []byte) error { _, err := lds.ParseDG5(b); return err }, 0x65, tlv(0x5F40, jpeg)},
	} {
		for name, raw := range map[string][]byte{
			"nothing": nil, "other tag": tlv(0x61), "cut": tlv(c.tag, c.item)[:len(c.item)], "inside cut": tlv(c.tag, c.item[:len(c.item)-1]),
			"a hundred": tlv(c.tag, bytes.Repeat(c.item, 100)), "length that lies": {byte(c.tag), 0x84, 0xFF, 0xFF, 0xFF, 0xFF},
		} {
			if err := c.parse(raw); !errors.Is(err, lds.ErrMalformed) {
				t.Errorf("%d %s: %v", n, name, err)
			}
		}
	}
	for _, raw := range [][]byte{
		tlv(0x6B, txt(0x5F15, strings.Repeat("A", 9000))), tlv(0x6B, tlv(0xA0, bytes.Repeat(txt(0x5F0F, "A"), 100))),
	} {
		if _, err := lds.ParseDG11(raw); !errors.Is(err, lds.ErrMalformed) {
			t.Error(err)
		}
	}
	if _, err := lds.ParseDG12(tlv(0x6C, tlv(0x5F1D, make([]byte, lds.MaxPicture+1)))); !errors.Is(err, lds.ErrTooLarge) {
		t.Error(err)
	}
}

func TestParseDisplayed(t *testing.T) {
	want := []lds.Portrait{{Format: "jpeg", Data: jpeg}, {Format: "jp2", Data: jp2}}
	got, err := lds.ParseDG7(tlv(0x67, tlv(0x02, []byte{2}), tlv(0x5F43, jpeg), tlv(0x5F43, jp2)))
	if d := cmp.Diff(want, got); err != nil || d != "" {
		t.Error(err, d)
	}
	got, err = lds.ParseDG5(tlv(0x65, tlv(0x02, []byte{2}), tlv(0x5F40, jpeg), tlv(0x5F40, jp2)))
	if d := cmp.Diff(want, got); err != nil || d != "" {
		t.Error(err, d)
	}
	if _, err := lds.ParseDG7(tlv(0x67, tlv(0x02, []byte{0}))); !errors.Is(err, lds.ErrMalformed) {
		t.Error(err)
	}
}

func TestParseBiometrics(t *testing.T) {
	got, err := lds.ParseDG3(dg3(2))
	want := []lds.Biometric{{Subtype: 9, Owner: 0x0101, Format: 7, Data: []byte("invented ridges")}, {Subtype: 10, Owner: 0x0101, Format: 7, Data: []byte("invented ridges")}}
	if d := cmp.Diff(want, got); err != nil || d != "" {
		t.Error(err, d)
	}
	if got, err := lds.ParseDG3(dg3(0)); err != nil || len(got) != 0 {
		t.Errorf("%+v, %v", got, err)
	}
	iris := dg3(1)
	iris[0] = 0x76
	if got, err := lds.ParseDG4(iris); err != nil || len(got) != 1 {
		t.Errorf("%+v, %v", got, err)
	}
	for name, raw := range map[string][]byte{
		"nothing": nil, "other group": iris, "no group": tlv(0x63), "template without data": tlv(0x63, tlv(0x7F61, tlv(0x7F60))), "a hundred": dg3(100),
	} {
		if _, err := lds.ParseDG3(raw); !errors.Is(err, lds.ErrMalformed) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestParseDG14And15(t *testing.T) {
	pace := unhex(t, "3012060A04007F0007020204020202010202010D")
	got, err := lds.ParseDG14(tlv(0x6E, tlv(0x31, pace, unhex(t, "300D060804007F0007020202020101"))))
	want := []lds.SecurityInfo{{Protocol: "0.4.0.127.0.7.2.2.4.2.2", Data: unhex(t, "02010202010D")}, {Protocol: "0.4.0.127.0.7.2.2.2", Data: unhex(t, "020101")}}
	if d := cmp.Diff(want, got); err != nil || d != "" {
		t.Error(err, d)
	}
	for name, raw := range map[string][]byte{
		"nothing": nil, "no set": tlv(0x6E), "no sequence": tlv(0x6E, tlv(0x31, unhex(t, "020101"))), "no identifier": tlv(0x6E, tlv(0x31, unhex(t, "3003020101"))),
		"empty identifier": tlv(0x6E, tlv(0x31, unhex(t, "30020600"))), "endless identifier": tlv(0x6E, tlv(0x31, unhex(t, "3003060181"))),
		"a hundred": tlv(0x6E, tlv(0x31, bytes.Repeat(pace, 100))),
	} {
		if _, err := lds.ParseDG14(raw); !errors.Is(err, lds.ErrMalformed) {
			t.Errorf("DG14 %s: %v", name, err)
		}
	}
	spki := unhex(t, "300D300706052B0E03020703020001")
	algorithm, key, err := lds.ParseDG15(tlv(0x6F, spki, []byte{0, 0}))
	if err != nil || algorithm != "1.3.14.3.2.7" || !bytes.Equal(key, spki) {
		t.Errorf("%s %X, %v", algorithm, key, err)
	}
	for name, raw := range map[string][]byte{"nothing": nil, "empty": tlv(0x6F), "no algorithm": tlv(0x6F, tlv(0x30)), "other": tlv(0x6E, spki)} {
		if _, _, err := lds.ParseDG15(raw); !errors.Is(err, lds.ErrMalformed) {
			t.Errorf("DG15 %s: %v", name, err)
		}
	}
}

// FuzzDetails: every decoder of this file, on everything.
func FuzzDetails(f *testing.F) {
	for _, b := range [][]byte{
		dg11(), dg12(), dg16(), dg3(1), tlv(0x67, tlv(0x02, []byte{1}), tlv(0x5F43, jpeg)), tlv(0x6E, tlv(0x31, unhex(f, "300D060804007F0007020202020101"))),
		tlv(0x65, tlv(0x02, []byte{1}), tlv(0x5F40, jpeg)), tlv(0x76, tlv(0x7F61, tlv(0x02, []byte{1}), tlv(0x7F60, tlv(0xA1, tlv(0x88, []byte{0, 9})), tlv(0x7F2E, []byte("iris"))))),
		tlv(0x6F, unhex(f, "300D300706052B0E03020703020001")), tlv(0x6B, tlv(0xA0, tlv(0x02, []byte{0xFF, 0xFF, 0xFF, 0xFF}))),
	} {
		f.Add(b)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		var size int
		typed := func(err error) {
			if err != nil && !errors.Is(err, lds.ErrMalformed) && !errors.Is(err, lds.ErrTooLarge) {
				t.Fatalf("error without a type: %v", err)
			}
		}
		d11, err := lds.ParseDG11(b)
		typed(err)
		d12, err := lds.ParseDG12(b)
		typed(err)
		size += len(fmt.Sprint(d11.OtherNames, d11.Address, d12.OtherPersons))
		d16, err := lds.ParseDG16(b)
		typed(err)
		size += len(fmt.Sprint(d16))
		for _, parse := range []func([]byte) ([]lds.Portrait, error){lds.ParseDG5, lds.ParseDG7} {
			p, err := parse(b)
			typed(err)
			size += len(p)
		}
		for _, parse := range []func([]byte) ([]lds.Biometric, error){lds.ParseDG3, lds.ParseDG4} {
			p, err := parse(b)
			typed(err)
			size += len(p)
		}
		d14, err := lds.ParseDG14(b)
		typed(err)
		_, key, err := lds.ParseDG15(b)
		typed(err)
		if size+len(d14)+len(key) > 100+20*len(b) {
			t.Fatalf("%d bytes out of %d", size, len(b))
		}
	})
}
