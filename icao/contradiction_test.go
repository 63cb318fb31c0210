package icao

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/tapcheck/tapcheck/icao/lds"
)

// Vietnam's DG13 may add to the zone, and may not say something else: of the person the zone counts, of two dates of
// expiry the earlier.
func TestDG13AgainstTheZone(t *testing.T) {
	zone := lds.MRZ{Primary: "NGUYEN", Secondary: "VAN AN"}
	base := lds.Identity{Number: "001099012345", FullName: "NGUYEN VAN AN", DateOfBirth: "1999-01-01", Sex: "male", ExpiresAt: "2039-01-01"}
	for name, c := range map[string]struct {
		says  lds.Identity
		want  lds.Identity // what is left of it
		found string       // the field
	}{
		"the same with diacritics": {says: lds.Identity{FullName: "Nguyễn Văn An", DateOfBirth: "1999-01-01", Sex: "male", ExpiresAt: "2039-01-01"},
			want: lds.Identity{FullName: "Nguyễn Văn An", DateOfBirth: "1999-01-01", Sex: "male", ExpiresAt: "2039-01-01"}},
		"less":           {says: lds.Identity{DateOfBirth: "1999"}, want: lds.Identity{DateOfBirth: "1999"}},
		"another name":   {says: lds.Identity{FullName: "Triệu Thị Trinh"}, found: "fullName"},
		"another birth":  {says: lds.Identity{DateOfBirth: "1991-01-01"}, found: "dateOfBirth"},
		"another sex":    {says: lds.Identity{Sex: "female"}, found: "sex"},
		"a later end":    {says: lds.Identity{ExpiresAt: "2050-01-01"}, found: "expiresAt"},
		"an earlier end": {says: lds.Identity{ExpiresAt: "2030-01-01"}, want: lds.Identity{ExpiresAt: "2030-01-01"}, found: "expiresAt"},
		"no end":         {says: lds.Identity{NoExpiry: true}, found: "expiresAt"},
	} {
		id, over := base, c.says
		if got := strings.Join(contradicts(&id, &over, zone), " "); got != c.found {
			t.Errorf("%s: contradicts in %q", name, got)
		}
		if d := cmp.Diff(c.want, over); d != "" {
			t.Errorf("%s:\n%s", name, d)
		}
	}
}

// What a scanner or a keyboard driver loses of a name is no difference between a code and its card.
func TestNamesThatScannersLose(t *testing.T) {
	chip := &lds.Identity{Number: "001099012345", FullName: "Nguyễn Văn An", DateOfBirth: "1999-01-01", Source: map[string]string{"fullName": "dg13"}}
	for said, want := range map[string]lds.Status{
		"Nguyễn Văn An":  lds.Passed,
		"NGUYỄN VĂN AN":  lds.Passed,
		"NGUYEN VAN AN":  lds.Passed, // a scanner without diacritics
		"Nguyn Vn An":    lds.Passed, // one that drops what is not ASCII: the name is left out
		"Nguyễn Vân An":  lds.Failed, // another name
		"Nguyen Van Anh": lds.Failed,
		"Trần Văn An":    lds.Failed,
	} {
		key := lds.Key{From: lds.FromQR, Stated: lds.Identity{Number: chip.Number, FullName: said}}
		if v := keyMatches(key, chip, lds.MRZ{}, lds.Anchored); v.Status != want {
			t.Errorf("%s: %+v, want %s", said, v, want)
		}
	}
}
