package icao_test

import (
	"bytes"
	"errors"
	"maps"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/tapcheck/tapcheck/icao"
	"github.com/tapcheck/tapcheck/icao/chip"
	"github.com/tapcheck/tapcheck/icao/lds"
	"github.com/tapcheck/tapcheck/icao/trust"
)

// saved are the files of a card as `tapcheck read --raw` would save them.
func saved(t testing.TB, c card) (map[lds.FileID][]byte, chip.Persona) {
	t.Helper()
	l, who := c.insert(t)
	files := map[lds.FileID][]byte{}
	for name, raw := range l.chip.Files() {
		if name != "DG3" && name != "DG4" {
			files[lds.FileID(name)] = raw
		}
	}
	return files, who
}

// What was read and saved is judged as it was when it was read, as far as files can tell.
func TestInspectSaysWhatReadSaid(t *testing.T) {
	for _, profile := range []string{"cccd-mk", "cccd-javelin", "cccd-2024", "cccd-p384", "forgery", "passport-bac"} {
		for name, store := range map[string]*trust.Store{"trusting": trusting(), "trusting nobody": trustingNobody()} {
			t.Run(profile+", "+name, func(t *testing.T) {
				l, who := card{profile: profile}.insert(t)
				key := qrKey(t, who)
				if profile == "passport-bac" {
					key = mrzKey(t, who, who.PassportMRZ())
				}
				live, err := l.read(t, icao.Options{Key: key, Portrait: true, Trust: store, Extra: []lds.FileID{lds.COM}})
				if err != nil {
					t.Fatal(err)
				}
				doc, err := icao.Inspect(live.Files, icao.Options{Key: key, Trust: store, Now: l.clock})
				if err != nil {
					t.Fatal(err)
				}
				if d := cmp.Diff(live.Identity, doc.Identity); d != "" {
					t.Error(d)
				}
				if d := cmp.Diff(live.Portrait, doc.Portrait, wholeBytes); d != "" {
					t.Error("another portrait")
				}
				want := live.Verdicts
				want.Access = lds.AccessVerdict{Status: lds.NotDone, Reason: lds.ReasonNotReached}
				want.ChipAuthentication = lds.ExchangeVerdict{Status: lds.NotDone, Reason: lds.ReasonNotReached}
				want.ActiveAuthentication = want.ChipAuthentication
				if d := cmp.Diff(want, doc.Verdicts); d != "" {
					t.Error(d)
				}
				if doc.Anchored != live.Anchored {
					t.Error("anchored otherwise")
				}
			})
		}
	}
}

func TestInspectVerdicts(t *testing.T) {
	del := func(ids ...lds.FileID) func(map[lds.FileID][]byte) {
		return func(f map[lds.FileID][]byte) {
			for _, id := range ids {
				delete(f, id)
			}
		}
	}
	flip := func(id lds.FileID, at int) func(map[lds.FileID][]byte) {
		return func(f map[lds.FileID][]byte) {
			b := bytes.Clone(f[id])
			if at < 0 {
				at += len(b)
			}
			b[at] ^= 1
			f[id] = b
		}
	}
	cut := func(id lds.FileID, n int) func(map[lds.FileID][]byte) {
		return func(f map[lds.FileID][]byte) { f[id] = f[id][:n] }
	}
	set := func(id lds.FileID, b []byte) func(map[lds.FileID][]byte) {
		return func(f map[lds.FileID][]byte) { f[id] = b }
	}
	for _, c := range []struct {
		name     string
		change   func(map[lds.FileID][]byte)
		at       time.Time
		want     string
		err      error
		identity bool
	}{
		{"as saved", func(map[lds.FileID][]byte) {}, day, "passed", nil, true},
		{"identity files only", del("DG2", "DG14", "DG15", "EF_COM", "EF_CardAccess"), day, "passed", nil, true},
		{"no EF.SOD", del(lds.SOD), day, "not_present NO_SOD", lds.ErrFileAbsent, false},
		{"nothing", del(lds.SOD, lds.COM, lds.CardAccess, "DG1", "DG2", "DG13", "DG14", "DG15"), day, "not_present NO_SOD", lds.ErrFileAbsent, false},
		{"no DG1", del("DG1"), day, "passed", lds.ErrFileAbsent, false},
		{"no DG13", del("DG13"), day, "passed", nil, true},
		{"EF.SOD cut", cut(lds.SOD, 100), day, "failed MALFORMED", lds.ErrMalformed, false},
		{"EF.SOD empty", set(lds.SOD, []byte{}), day, "failed MALFORMED", lds.ErrMalformed, false},
		{"EF.SOD of another tag", flip(lds.SOD, 0), day, "failed MALFORMED", lds.ErrMalformed, false},
		{"signature changed", flip(lds.SOD, -1), day, "failed SIGNATURE_INVALID", lds.ErrInconsistent, false},
		{"DG1 changed at its end", flip("DG1", -1), day, "failed HASH_MISMATCH", lds.ErrMalformed, false},
		{"DG1 changed in a digit", flip("DG1", 12), day, "failed HASH_MISMATCH", lds.ErrInconsistent, false},
		{"DG1 cut", cut("DG1", 40), day, "failed MALFORMED", lds.ErrMalformed, false},
		{"DG1 of another tag", flip("DG1", 0), day, "failed MALFORMED", lds.ErrMalformed, false},
		{"DG2 changed", flip("DG2", -1), day, "failed HASH_MISMATCH", nil, true},
		{"DG2 cut", cut("DG2", 500), day, "failed MALFORMED", nil, true},
		{"DG2 empty", set("DG2", []byte{}), day, "failed MALFORMED", nil, true},
		{"DG13 changed", flip("DG13", -1), day, "failed HASH_MISMATCH", lds.ErrInconsistent, false},
		{"DG14 changed", flip("DG14", -1), day, "failed HASH_MISMATCH", nil, true},
		{"DG15 cut", cut("DG15", 20), day, "failed MALFORMED", nil, true},
		{"a file that the EF.SOD does not list", set("DG12", []byte{0x6C, 0x00}), day, "failed DATA_GROUP_NOT_LISTED", nil, true},
		{"hash before what is not listed", func(f map[lds.FileID][]byte) {
			set("DG12", []byte{0x6C, 0x00})(f)
			flip("DG2", -1)(f)
		}, day, "failed HASH_MISMATCH", nil, true},
		{"malformed before hash", func(f map[lds.FileID][]byte) {
			cut("DG15", 20)(f)
			flip("DG2", -1)(f)
		}, day, "failed MALFORMED", nil, true},
		{"EF.COM of nothing", set(lds.COM, []byte{0x60, 0x00}), day, "failed MALFORMED", nil, true},
		{"EF.CardAccess of nothing", set(lds.CardAccess, []byte{0x31, 0x05, 0x30}), day, "failed MALFORMED", nil, true},
		{"after the signer's time", func(map[lds.FileID][]byte) {}, day.AddDate(20, 0, 0), "failed EXPIRED", nil, true},
		{"before the signer's time", func(map[lds.FileID][]byte) {}, day.AddDate(-10, 0, 0), "failed NOT_YET_VALID", nil, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			files, who := saved(t, card{profile: "cccd-mk"})
			c.change(files)
			before := maps.Clone(files)
			doc, err := icao.Inspect(files, icao.Options{Trust: trusting(), Now: func() time.Time { return c.at }})
			if !errors.Is(err, c.err) || c.err == nil && err != nil {
				t.Errorf("got %v, want %v", err, c.err)
			}
			pa := doc.Verdicts.PassiveAuthentication
			got := string(pa.Status)
			if pa.Reason != "" {
				got += " " + string(pa.Reason)
			}
			if got != c.want {
				t.Errorf("got %s (%s), want %s", got, pa.Detail, c.want)
			}
			if (doc.Identity != nil) != c.identity {
				t.Errorf("identity there: %v", doc.Identity != nil)
			}
			if doc.Verdicts.ChipAuthentication.Status == lds.Passed || doc.Verdicts.ActiveAuthentication.Status == lds.Passed || doc.Verdicts.Access.Status == lds.Passed {
				t.Error("files cannot pass an exchange")
			}
			if d := cmp.Diff(before, files, wholeBytes); d != "" {
				t.Error("the given files were changed")
			}
			noPersonalData(t, who, err)
			noPersonalData(t, who, errors.New(pa.Detail))
		})
	}
}

// A changed picture is not shown, and a changed key not believed.
func TestInspectGivesNothingUnsigned(t *testing.T) {
	files, _ := saved(t, card{profile: "cccd-mk"})
	for _, id := range []lds.FileID{"DG2", "DG14", "DG15"} {
		b := bytes.Clone(files[id])
		b[len(b)-1] ^= 1
		files[id] = b
	}
	doc, err := icao.Inspect(files, icao.Options{Trust: trusting(), Now: func() time.Time { return day }})
	if err != nil {
		t.Fatal(err)
	}
	if doc.Portrait != nil {
		t.Error("a picture that nobody signed")
	}
	for _, v := range []lds.ExchangeVerdict{doc.Verdicts.ChipAuthentication, doc.Verdicts.ActiveAuthentication} {
		if v.Status != lds.Failed || v.Reason != lds.ReasonPassiveAuthFailed {
			t.Errorf("got %+v", v)
		}
	}
}

func FuzzInspect(f *testing.F) {
	files, _ := saved(f, fast("cccd-mk"))
	passport, _ := saved(f, card{profile: "passport-pace-cam", change: func(p *chip.Profile, _ *chip.Persona) {
		curve(p, "P-256")
		p.Extra = []string{"DG7", "DG11", "DG12", "DG16"}
	}})
	ids := []lds.FileID{lds.SOD, "DG1", "DG13", "DG14", "DG15", lds.COM, lds.CardAccess, "DG2", lds.CardSecurity, "DG7", "DG11", "DG12", "DG16", "DG3", "DG4", "DG5", lds.ATRInfo}
	for i, id := range ids {
		for _, set := range []map[lds.FileID][]byte{files, passport} {
			if raw := set[id]; raw != nil && id != "DG2" {
				f.Add(i, raw)
			}
		}
	}
	f.Add(7, []byte{0x75, 0x06, 0x7F, 0x61, 0x03, 0x02, 0x01, 0x01})
	f.Fuzz(func(t *testing.T, which int, b []byte) {
		n := uint(which) % uint(2*len(ids))
		set := files
		if n >= uint(len(ids)) || n == 8 {
			set = passport
		}
		id := ids[n%uint(len(ids))]
		given := maps.Clone(set)
		same := bytes.Equal(given[id], b)
		given[id] = b
		doc, _ := icao.Inspect(given, icao.Options{Trust: trusting(), Now: func() time.Time { return day }})
		// The signature covers every byte of a data group: nothing but the original passes.
		if doc.Verdicts.PassiveAuthentication.Status == lds.Passed && !same && id.Number() != 0 {
			t.Fatalf("a changed %s passes", id)
		}
		c := doc.Contents
		if given, ok := map[lds.FileID]bool{
			"DG3": c.Fingers != nil, "DG4": c.Irises != nil, "DG5": c.Displayed != nil, "DG7": c.Marks != nil, "DG11": c.Person != nil,
			"DG12": c.Issue != nil, "DG13": c.Vietnam != nil, "DG14": c.Security != nil, "DG15": c.ActiveKey != nil, "DG16": c.Contacts != nil,
		}[id]; ok && given && !same {
			t.Fatalf("something of a changed %s is given out", id)
		}
		if v := c.CardSecurity; id == lds.CardSecurity && v.Status == lds.Passed && !bytes.HasPrefix(b, set[id]) {
			t.Fatal("a changed EF.CardSecurity passes")
		}
	})
}
