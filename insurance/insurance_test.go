package insurance

import (
	"errors"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestBenefitRate(t *testing.T) {
	y25, y26 := time.Date(2025, 12, 31, 23, 59, 0, 0, Vietnam), time.Date(2026, 1, 1, 0, 0, 0, 0, Vietnam)
	for _, c := range []struct {
		code string
		on   time.Time
		want int
	}{
		{"TE1010123456789", y26, 100},
		{"CC2010123456789", y26, 100},
		{"HT3010123456789", y26, 95},
		{"GD4010123456789", y26, 80},
		{"QN5010123456789", y26, 100},
		{"CN3010123456789", y25, 95},
		{"CN3010123456789", y26, 100},
		{"LH4010123456789", y25, 80},
		{"LH4010123456789", y26, 100},
		{"CN4010123456789", y26, 80}, // the law speaks of level 3 of this group
		{"0123456789", y26, 0},
		{"001099012345", y26, 0},
		{"GD6010123456789", y26, 0},
		{"gd4010123456789", y26, 0},
		{"", y26, 0},
	} {
		if got := BenefitRate(c.code, c.on); got != c.want {
			t.Errorf("%s on %v: %d, want %d", c.code, c.on, got, c.want)
		}
	}
}

func TestCompare(t *testing.T) {
	name := func(s string) Request { return Request{FullName: s} }
	born := func(s string) Request { return Request{DateOfBirth: s} }
	sex := func(s string) Request { return Request{Sex: s} }
	for _, c := range []struct {
		asked, answered Request
		want            []Difference
	}{
		{name("Nguyễn Văn An"), name("Nguyễn Văn An"), nil},
		{name("Nguyễn Văn An"), name("NGUYỄN  VĂN AN "), nil},
		{name("Nguyễn Văn An"), name("Nguye\u0302\u0303n Va\u0306n An"), nil},
		{name("Nguyễn Văn An"), name("Nguyen Van An"), []Difference{{Field: "fullName", Kind: "diacritics"}}},
		{name("Nguyễn Văn An"), name("Nguyễn Văn Ân"), []Difference{{Field: "fullName", Kind: "diacritics"}}},
		{name("Hoàng Thị Hòa"), name("Hoàng Thị Hoà"), []Difference{{Field: "fullName", Kind: "diacritics"}}},
		{name("Đỗ Hoàng Giang"), name("DO HOANG GIANG"), []Difference{{Field: "fullName", Kind: "diacritics"}}},
		{name("Đỗ Hoàng Giang"), name("\u00d0ỗ Hoàng Giang"), []Difference{{Field: "fullName", Kind: "diacritics"}}},
		{name("Phạm Thị Dung"), name("Phạm Thị Dzung"), []Difference{{Field: "fullName", Kind: "value"}}},
		{name("Phạm Thị Dung"), name(""), nil},
		{name(""), name("Phạm Thị Dung"), nil},
		{born("1999-01-01"), born("1999-01-01"), nil},
		{born("1999-01-01"), born("1999"), []Difference{{Field: "dateOfBirth", Kind: "precision"}}},
		{born("1999"), born("1999-12-31"), []Difference{{Field: "dateOfBirth", Kind: "precision"}}},
		{born("1999-01-01"), born("1999-01-02"), []Difference{{Field: "dateOfBirth", Kind: "value"}}},
		{born("1999-01-01"), born("199"), []Difference{{Field: "dateOfBirth", Kind: "value"}}},
		{sex("male"), sex("female"), []Difference{{Field: "sex", Kind: "value"}}},
		{sex("male"), sex("male"), nil},
		{sex("unspecified"), sex("female"), nil},
		{sex("male"), sex(""), nil},
	} {
		if d := cmp.Diff(c.want, Compare(c.asked, c.answered)); d != "" {
			t.Errorf("%+v and %+v: %s", c.asked, c.answered, d)
		}
	}
}

func TestErrors(t *testing.T) {
	if !errors.Is(ErrNotAsked, ErrUnreachable) {
		t.Error("what was not asked must be asked later")
	}
	if cached := error(&NotAskedError{ErrRejected}); !errors.Is(cached, ErrNotAsked) || !errors.Is(cached, ErrRejected) || errors.Is(cached, ErrUnreachable) {
		t.Error(cached)
	}
	err := error(&CodeError{Code: "054", Err: ErrRejected})
	var coded *CodeError
	if !errors.Is(err, ErrRejected) || !errors.As(err, &coded) || coded.Code != "054" {
		t.Error(err)
	}
}
