package icao_test

import (
	"bytes"
	"errors"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/tapcheck/tapcheck/icao"
	"github.com/tapcheck/tapcheck/icao/chip"
	"github.com/tapcheck/tapcheck/icao/lds"
)

// What a live read decodes, its saved files give again.
func TestContents(t *testing.T) {
	extra := []lds.FileID{lds.ATRInfo, lds.CardSecurity, lds.COM, "DG5", "DG7", "DG11", "DG12", "DG16"}
	for _, profile := range []string{"cccd-mk", "cccd-javelin", "passport-pace-gm", "passport-pace-cam", "passport-eac"} {
		t.Run(profile, func(t *testing.T) {
			l, who := card{profile: profile, change: func(p *chip.Profile, _ *chip.Persona) {
				if p.Name == "passport-pace-gm" {
					p.Extra = []string{"DG7", "DG11", "DG12", "DG16"}
				}
			}}.insert(t)
			key := qrKey(t, who)
			if l.chip.Profile().Document == "td3" {
				key = mrzKey(t, who, who.PassportMRZ())
			}
			live, err := l.read(t, icao.Options{Key: key, Portrait: true, Extra: extra})
			if err != nil {
				t.Fatal(err)
			}
			c := live.Contents
			listed := func(name string) bool { return l.chip.Files()[name] != nil }
			for name, there := range map[string]bool{
				"EF_COM": c.COM != nil, "EF_ATR_INFO": c.Extents != nil, "EF_CardSecurity": c.CardSecurity != nil, "DG5": len(c.Displayed) > 0,
				"DG7": len(c.Marks) > 0, "DG11": c.Person != nil, "DG12": c.Issue != nil, "DG13": c.Vietnam != nil, "DG14": len(c.Security) > 0,
				"DG15": c.ActiveKey != nil, "DG16": len(c.Contacts) > 0,
			} {
				if there != listed(name) {
					t.Errorf("%s: decoded %v, on the chip %v, %v", name, there, listed(name), live.Missing[lds.FileID(name)])
				}
			}
			if c.Person != nil && c.Person.FullName == (lds.Name{}) || c.Issue != nil && c.Issue.DateOfIssue == "" || c.CardSecurity != nil && c.CardSecurity.Status != lds.Passed {
				t.Errorf("%+v %+v %+v", c.Person, c.Issue, c.CardSecurity)
			}
			saved, err := icao.Inspect(live.Files, icao.Options{Trust: trusting(), Now: l.clock})
			if err != nil {
				t.Fatal(err)
			}
			if d := cmp.Diff(c, saved.Contents); d != "" {
				t.Error(d)
			}
			noPersonalData(t, who, live.Missing[lds.DG(11)])
		})
	}
}

// A data group that does not match its signed hash, or that nobody can read, is said to be so, and nothing of it is given.
func TestContentsAreSigned(t *testing.T) {
	files, _ := saved(t, card{profile: "passport-pace-gm"})
	for _, c := range []struct {
		name   string
		change func([]byte) []byte
		want   error
	}{
		{"changed", func(b []byte) []byte { b[len(b)-1] ^= 1; return b }, lds.ErrInconsistent},
		{"cut", func(b []byte) []byte { return b[:len(b)/2] }, lds.ErrInconsistent},
	} {
		files[lds.DG(11)] = c.change(bytes.Clone(files[lds.DG(11)]))
		doc, err := icao.Inspect(files, icao.Options{Trust: trusting(), Now: func() time.Time { return day }})
		if err != nil || doc.Contents.Person != nil || doc.Contents.Issue == nil || !errors.Is(doc.Missing[lds.DG(11)], c.want) {
			t.Errorf("%s: %v, %+v, %v", c.name, err, doc.Contents.Person, doc.Missing)
		}
	}
	l, who := card{profile: "passport-pace-gm", options: chip.Options{Issue: chip.IssueOptions{Replace: map[int][]byte{11: {0x6B, 0x03, 0x5F, 0x0E, 0x7F}}}}}.insert(t)
	doc, err := l.read(t, icao.Options{Key: mrzKey(t, who, who.PassportMRZ()), Extra: []lds.FileID{"DG11", "DG16"}})
	if err != nil || doc.Verdicts.PassiveAuthentication.Status != lds.Passed || !errors.Is(doc.Missing[lds.DG(11)], lds.ErrMalformed) {
		t.Errorf("broken, and signed so: %v, %+v, %v", err, doc.Verdicts.PassiveAuthentication, doc.Missing)
	}
	if !errors.Is(doc.Missing[lds.DG(16)], lds.ErrFileAbsent) {
		t.Errorf("not listed: %v", doc.Missing[lds.DG(16)])
	}
}

// EF.CardSecurity among saved files is judged by its own signature, as in a live read.
func TestInspectCardSecurity(t *testing.T) {
	bound, _ := saved(t, card{profile: "passport-pace-cam"})
	alone, _ := saved(t, card{profile: "passport-pace-cam", change: func(p *chip.Profile, _ *chip.Persona) {
		p.CA, p.MoreCA, p.SparseDG14, p.UnknownInfos = nil, nil, true, false
	}})
	forged, _ := saved(t, card{profile: "passport-pace-cam", change: func(p *chip.Profile, _ *chip.Persona) { p.Forged = true }})
	if alone["DG14"] != nil {
		t.Fatal("there is a DG14")
	}
	spoil := func(b []byte) []byte {
		b = bytes.Clone(b)
		b[len(b)-1] ^= 1
		return b
	}
	for _, c := range []struct {
		name     string
		files    map[lds.FileID][]byte
		security []byte
		own      string // of EF.CardSecurity
		passive  string
		chip     string
	}{
		{"good", bound, bound[lds.CardSecurity], "passed", "passed", "not_done NOT_REACHED"},
		{"good, no DG14", alone, alone[lds.CardSecurity], "passed", "passed", "not_done NOT_REACHED"},
		{"a forger's", bound, forged[lds.CardSecurity], "not_verifiable SIGNER_NOT_ANCHORED", "passed", "not_done NOT_REACHED"},
		{"changed", bound, spoil(bound[lds.CardSecurity]), "failed SIGNATURE_INVALID", "passed", "not_done NOT_REACHED"},
		{"changed, no DG14", alone, spoil(alone[lds.CardSecurity]), "failed SIGNATURE_INVALID", "passed", "failed PASSIVE_AUTH_FAILED"},
		{"cut", bound, bound[lds.CardSecurity][:200], "failed MALFORMED", "failed MALFORMED", "not_done NOT_REACHED"},
		{"an EF.SOD", bound, bound[lds.SOD], "failed MALFORMED", "failed MALFORMED", "not_done NOT_REACHED"},
		{"empty", bound, []byte{}, "failed MALFORMED", "failed MALFORMED", "not_done NOT_REACHED"},
	} {
		c.files[lds.CardSecurity] = c.security
		doc, err := icao.Inspect(c.files, icao.Options{Trust: trusting(), Now: func() time.Time { return day }})
		if err != nil {
			t.Errorf("%s: %v", c.name, err)
			continue
		}
		say := func(s lds.Status, r lds.Reason) string {
			if r == "" {
				return string(s)
			}
			return string(s) + " " + string(r)
		}
		v := doc.Verdicts
		if own := doc.Contents.CardSecurity; say(own.Status, own.Reason) != c.own {
			t.Errorf("%s: EF.CardSecurity %+v", c.name, own)
		}
		if got := say(v.PassiveAuthentication.Status, v.PassiveAuthentication.Reason); got != c.passive {
			t.Errorf("%s: passive authentication %s", c.name, got)
		}
		if got := say(v.ChipAuthentication.Status, v.ChipAuthentication.Reason); got != c.chip {
			t.Errorf("%s: chip authentication %s", c.name, got)
		}
	}
	// A chip that stays in its application gives its EF.SOD under the identifiers of EF.CardSecurity: no such file is taken for it.
	l, who := card{profile: "cccd-mk"}.insert(t)
	doc, err := l.read(t, icao.Options{Key: qrKey(t, who), Extra: []lds.FileID{lds.CardSecurity}})
	if err != nil || doc.Files[lds.CardSecurity] != nil || doc.Missing[lds.CardSecurity] == nil || doc.Verdicts.PassiveAuthentication.Status != lds.Passed {
		t.Errorf("%v, %v, %+v", err, doc.Missing, doc.Verdicts.PassiveAuthentication)
	}
}
