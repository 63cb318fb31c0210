package icao_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/tapcheck/tapcheck/icao"
	"github.com/tapcheck/tapcheck/icao/access"
	"github.com/tapcheck/tapcheck/icao/chip"
	"github.com/tapcheck/tapcheck/icao/lds"
	"github.com/tapcheck/tapcheck/icao/trust"
)

// verdicts in one line each, for tables.
func verdicts(d *icao.Document) map[string]string {
	v := d.Verdicts
	exchange := func(x lds.ExchangeVerdict) string {
		return strings.TrimSpace(fmt.Sprintf("%s %s / %s", x.Status, x.Reason, x.Exchange))
	}
	m := map[string]string{
		"access":   strings.TrimSpace(fmt.Sprintf("%s %s%s", v.Access.Status, v.Access.Protocol, v.Access.Reason)),
		"passive":  strings.TrimSpace(fmt.Sprintf("%s %s", v.PassiveAuthentication.Status, v.PassiveAuthentication.Reason)),
		"chip":     exchange(v.ChipAuthentication),
		"active":   exchange(v.ActiveAuthentication),
		"validity": strings.TrimSpace(fmt.Sprintf("%s %s %s", v.DocumentValidity.Status, v.DocumentValidity.Reason, v.DocumentValidity.Basis)),
		"key":      strings.TrimSpace(fmt.Sprintf("%s %s %s", v.KeyMatchesChip.Status, v.KeyMatchesChip.Reason, v.KeyMatchesChip.Basis)),
	}
	return m
}

// genuine are the verdicts of a good card of a trusted state.
func genuine(change ...string) map[string]string {
	m := map[string]string{
		"access": "passed PACE", "passive": "passed", "chip": "passed  / passed", "active": "passed  / passed",
		"validity": "passed  anchored", "key": "passed  anchored",
	}
	for i := 0; i < len(change); i += 2 {
		m[change[i]] = change[i+1]
	}
	return m
}

func TestReadEveryCard(t *testing.T) {
	for _, c := range []struct {
		name     string
		card     card
		key      string // "qr" by default, "can", "mrz", "passport"
		trust    *trust.Store
		want     map[string]string
		missing  []lds.FileID
		portrait string
		warnings []lds.Reason
		zoneName bool // the name is the zone's, without diacritics
	}{
		{name: "MK", card: card{profile: "cccd-mk"}, want: genuine(), portrait: "jpeg"},
		{name: "MK, by CAN", card: card{profile: "cccd-mk"}, key: "can", want: genuine("key", "not_done NOTHING_TO_COMPARE"), portrait: "jpeg"},
		{name: "MK, by MRZ", card: card{profile: "cccd-mk"}, key: "mrz", want: genuine(), portrait: "jpeg"},
		{name: "Javelin, JPEG 2000, AA by RSA", card: card{profile: "cccd-javelin"}, want: genuine(), portrait: "jp2"},
		{name: "2024, little in DG13", card: card{profile: "cccd-2024"}, want: genuine(), portrait: "jpeg"},
		{name: "RSA-2048 that fits no short response", card: card{profile: "cccd-rsa2048"}, want: genuine("active", "not_done RESPONSE_TOO_LONG / not_done"), portrait: "jpeg"},
		{name: "RSA-2048 in extended length", card: card{profile: "cccd-extended"}, want: genuine(), portrait: "jpeg"},
		{name: "no short file identifiers", card: card{profile: "cccd-nosfi"}, want: genuine(), portrait: "jpeg"},
		{name: "P-384", card: card{profile: "cccd-p384"}, want: genuine(), portrait: "jpeg"},
		{name: "passport with BAC", card: card{profile: "passport-bac"}, key: "passport", want: genuine("access", "passed BAC"), portrait: "jpeg"},
		{name: "PACE is taken where BAC is there too", card: card{profile: "cccd-bac"}, key: "mrz", want: genuine(), portrait: "jpeg"},
		{name: "nobody trusted: the everyday verdict", card: card{profile: "cccd-mk"}, trust: trustingNobody(), want: genuine(
			"passive", "not_verifiable SIGNER_NOT_ANCHORED", "chip", "not_verifiable KEY_NOT_ANCHORED / passed", "active", "not_verifiable KEY_NOT_ANCHORED / passed",
			"validity", "passed  unanchored", "key", "passed  unanchored"), portrait: "jpeg"},
		{name: "a forger's own card with perfect exchanges", card: card{profile: "forgery"}, want: genuine(
			"passive", "not_verifiable SIGNER_NOT_ANCHORED", "chip", "not_verifiable KEY_NOT_ANCHORED / passed", "active", "not_verifiable KEY_NOT_ANCHORED / passed",
			"validity", "passed  unanchored", "key", "passed  unanchored"), portrait: "jpeg"},
		{name: "a copy without the keys", card: card{profile: "clone"}, want: genuine("chip", "failed CHIP_AUTH_FAILED / failed", "active", "failed ACTIVE_AUTH_FAILED / failed"),
			portrait: "jpeg", warnings: []lds.Reason{lds.ReasonChipAuthFailed, lds.ReasonActiveAuthFailed}},
		{name: "a copy without the keys, nobody trusted", card: card{profile: "clone"}, trust: trustingNobody(), want: genuine(
			"passive", "not_verifiable SIGNER_NOT_ANCHORED", "chip", "not_verifiable KEY_NOT_ANCHORED / failed", "active", "not_verifiable KEY_NOT_ANCHORED / failed",
			"validity", "passed  unanchored", "key", "passed  unanchored"), portrait: "jpeg", warnings: []lds.Reason{lds.ReasonChipAuthFailed, lds.ReasonActiveAuthFailed}},
		{name: "a copy that says bare 9000 to everything", card: card{profile: "clone-naked"}, want: genuine("chip", "failed CHIP_AUTH_FAILED / failed", "active", "not_done NOT_REACHED /"),
			missing: []lds.FileID{"DG2"}, warnings: []lds.Reason{lds.ReasonChipAuthFailed}},
		{name: "a copy that refuses", card: card{profile: "clone", change: func(p *chip.Profile, _ *chip.Persona) { p.Clone = "refuses" }},
			want: genuine("chip", "not_done REFUSED_BY_CARD / not_done", "active", "not_done REFUSED_BY_CARD / not_done"), portrait: "jpeg"},
		{name: "no CA, no AA", card: card{profile: "cccd-mk", change: func(p *chip.Profile, _ *chip.Persona) { p.CA, p.AA = nil, nil }},
			want: genuine("chip", "not_present FEATURE_ABSENT / not_present", "active", "not_present FEATURE_ABSENT /"), portrait: "jpeg"},
		{name: "CA key that is no point", card: card{profile: "cccd-mk", change: func(p *chip.Profile, _ *chip.Persona) { p.CA.Corrupted = true }},
			want: genuine("chip", "not_done MALFORMED / not_done"), portrait: "jpeg"},
		{name: "expired card", card: card{profile: "cccd-mk", change: func(_ *chip.Profile, w *chip.Persona) { w.ExpiresAt = "2026-11-22" }},
			want: genuine("validity", "failed DOCUMENT_EXPIRED anchored"), portrait: "jpeg"},
		{name: "last day of a card", card: card{profile: "cccd-mk", change: func(_ *chip.Profile, w *chip.Persona) { w.ExpiresAt = "2026-11-23" }}, want: genuine(), portrait: "jpeg"},
		{name: "card without an end", card: card{profile: "cccd-mk", persona: "hoa"}, want: genuine(), portrait: "jpeg"},
		{name: "child without a photo", card: card{profile: "cccd-mk", persona: "khanh", change: func(_ *chip.Profile, w *chip.Persona) { w.NoPhoto = true }},
			want: genuine(), missing: []lds.FileID{"DG2"}},
		{name: "no access control at all", card: card{profile: "cccd-mk", change: func(p *chip.Profile, _ *chip.Persona) {
			p.PACE, p.BAC, p.Open, p.CA = nil, false, true, nil
		}}, want: genuine("access", "not_present NO_ACCESS_CONTROL", "chip", "not_present FEATURE_ABSENT / not_present"), portrait: "jpeg"},
		{name: "DG2 past 32,767 bytes", card: card{profile: "cccd-mk", change: func(p *chip.Profile, _ *chip.Persona) { p.Padding = 40000 }}, want: genuine(), portrait: "jpeg"},
		{name: "DG2 without end", card: card{profile: "cccd-mk", change: func(p *chip.Profile, _ *chip.Persona) { p.Padding = 600000 }}, want: genuine(),
			missing: []lds.FileID{"DG2"}},
		{name: "DG13 of another person, signed", card: card{profile: "cccd-mk", options: chip.Options{Issue: chip.IssueOptions{Replace: map[int][]byte{
			13: otherDG13(t)}}}}, want: genuine(), portrait: "jpeg", warnings: []lds.Reason{lds.ReasonDG13Differs}, zoneName: true},
		{name: "DG13 gone", card: card{profile: "cccd-mk", change: func(p *chip.Profile, _ *chip.Persona) { p.Absent = []string{"DG13"} }},
			want: genuine(), missing: []lds.FileID{"DG13"}, portrait: "jpeg"},
		{name: "DG13 refused", card: card{profile: "cccd-mk", change: func(p *chip.Profile, _ *chip.Persona) { p.Refused = []string{"DG13"} }},
			want: genuine(), missing: []lds.FileID{"DG13"}, portrait: "jpeg"},
		{name: "DG13 of another form, signed", card: card{profile: "cccd-mk", options: chip.Options{Issue: chip.IssueOptions{
			Replace: map[int][]byte{13: {0x6D, 0x03, 'x', 'y', 'z'}}}}}, want: genuine("key", "passed  anchored"), missing: []lds.FileID{"DG13"}, portrait: "jpeg"},
		{name: "DG14 and DG15 gone", card: card{profile: "cccd-mk", change: func(p *chip.Profile, _ *chip.Persona) { p.Absent = []string{"DG14", "DG15"} }},
			want: genuine("chip", "not_done FILE_UNREADABLE /", "active", "not_done FILE_UNREADABLE /"), missing: []lds.FileID{"DG14", "DG15"}, portrait: "jpeg"},
		{name: "DG2 gone", card: card{profile: "cccd-mk", change: func(p *chip.Profile, _ *chip.Persona) { p.Absent = []string{"DG2"} }},
			want: genuine(), missing: []lds.FileID{"DG2"}},
		{name: "DG2 without a picture, signed", card: card{profile: "cccd-mk", options: chip.Options{Issue: chip.IssueOptions{
			Replace: map[int][]byte{2: {0x75, 0x06, 0x7F, 0x61, 0x03, 0x02, 0x01, 0x00}}}}}, want: genuine(), missing: []lds.FileID{"DG2"}},
		{name: "another picture put into DG2", card: card{profile: "cccd-mk", options: chip.Options{Issue: chip.IssueOptions{
			ReplaceAfter: map[string][]byte{"DG2": {0x75, 0x06, 0x7F, 0x61, 0x03, 0x02, 0x01, 0x01}}}}},
			want:    genuine("passive", "failed HASH_MISMATCH", "validity", "passed  unanchored", "key", "passed  unanchored"),
			missing: []lds.FileID{"DG2"}},
		{name: "another key put into DG15", card: card{profile: "cccd-mk", options: chip.Options{Issue: chip.IssueOptions{
			ReplaceAfter: map[string][]byte{"DG15": {0x6F, 0x02, 0x30, 0x00}}}}},
			want: genuine("passive", "failed HASH_MISMATCH", "active", "failed PASSIVE_AUTH_FAILED / not_done",
				"validity", "passed  unanchored", "key", "passed  unanchored"), portrait: "jpeg"},
		{name: "another key put into DG14", card: card{profile: "cccd-mk", options: chip.Options{Issue: chip.IssueOptions{
			ReplaceAfter: map[string][]byte{"DG14": {0x6E, 0x02, 0x31, 0x00}}}}},
			want: genuine("passive", "failed HASH_MISMATCH", "chip", "failed PASSIVE_AUTH_FAILED / not_done",
				"validity", "passed  unanchored", "key", "passed  unanchored"), portrait: "jpeg", warnings: []lds.Reason{lds.ReasonHashNotNamed}},
		{name: "signer's certificate has run out", card: card{profile: "cccd-mk", issuer: signer(t, chip.CertOptions{
			NotBefore: day.AddDate(-5, 0, 0), NotAfter: day.AddDate(0, -1, 0)})},
			want: genuine("passive", "failed EXPIRED"), portrait: "jpeg"},
		{name: "signer's certificate is not valid yet", card: card{profile: "cccd-mk", issuer: signer(t, chip.CertOptions{
			NotBefore: day.AddDate(0, 1, 0), NotAfter: day.AddDate(5, 0, 0)})},
			want: genuine("passive", "failed NOT_YET_VALID"), portrait: "jpeg"},
		{name: "signer's certificate may not sign", card: card{profile: "cccd-mk", issuer: signer(t, chip.CertOptions{KeyUsage: chip.UsageKeyEncipherment})},
			want: genuine("passive", "failed KEY_USAGE", "chip", "not_verifiable KEY_NOT_ANCHORED / passed", "active", "not_verifiable KEY_NOT_ANCHORED / passed",
				"validity", "passed  unanchored", "key", "passed  unanchored"), portrait: "jpeg"},
	} {
		t.Run(c.name, func(t *testing.T) {
			l, who := c.card.insert(t)
			var key lds.Key
			switch c.key {
			case "can":
				key = lds.Key{CAN: who.CAN(), From: lds.FromCAN}
			case "mrz":
				key = mrzKey(t, who, who.MRZ())
			case "passport":
				key = mrzKey(t, who, who.PassportMRZ())
			default:
				key = qrKey(t, who)
			}
			identities := 0
			doc, err := l.read(t, icao.Options{Key: key, Portrait: true, Trust: c.trust, OnIdentity: func(d *icao.Document) error {
				identities++
				if d.Identity == nil || d.Verdicts.DocumentValidity.Status == lds.NotDone {
					t.Error("told of an identity that is not there, or not judged")
				}
				return nil
			}})
			if err != nil {
				t.Fatal(err)
			}
			if d := cmp.Diff(c.want, verdicts(doc)); d != "" {
				t.Errorf("verdicts (-want +got):\n%s\n%s", d, doc.Verdicts.PassiveAuthentication.Detail)
			}
			if d := cmp.Diff(c.missing, slices.Sorted(maps.Keys(doc.Missing))); d != "" {
				t.Errorf("missing (-want +got):\n%s\n%v", d, doc.Missing)
			}
			if d := cmp.Diff(c.warnings, doc.Warnings); d != "" {
				t.Error(d)
			}
			got := ""
			if doc.Portrait != nil {
				got = doc.Portrait.Format
			}
			if got != c.portrait {
				t.Errorf("portrait %q, want %q", got, c.portrait)
			}
			if identities != 1 {
				t.Errorf("told of the identity %d times", identities)
			}
			if doc.Identity == nil || doc.Identity.DateOfBirth != who.DateOfBirth || doc.Identity.Sex != who.Sex {
				t.Fatal("not the person that the card is of")
			}
			if c.key != "passport" && doc.Identity.Number != who.Number {
				t.Error("not the number that the card is of")
			}
			if doc.Identity.NoExpiry != who.NoExpiry || !who.NoExpiry && doc.Identity.ExpiresAt != who.ExpiresAt {
				t.Error("not the expiry of the card")
			}
			if _, ok := doc.Missing["DG13"]; !ok && c.key != "passport" && !c.zoneName && doc.Identity.FullName != who.FullName {
				t.Error("not the name with its diacritics")
			}
			if doc.Anchored != (doc.Verdicts.DocumentValidity.Basis == lds.Anchored) {
				t.Error("the basis is not what the signature says")
			}
		})
	}
}

// otherDG13 is the DG13 of somebody else's card.
func otherDG13(t *testing.T) []byte {
	t.Helper()
	l, _ := card{profile: "cccd-mk", persona: "binh"}.insert(t)
	return l.chip.Files()["DG13"]
}

// signer is another document signer of the test's CSCA.
func signer(t *testing.T, o chip.CertOptions) *chip.Issuer {
	t.Helper()
	iss, err := issuer().Signer(o, t.Name())
	if err != nil {
		t.Fatal(err)
	}
	return iss
}

// Where two descriptions of the person disagree, both values are there, for whoever is to say why.
func TestConflicts(t *testing.T) {
	l, who := card{profile: "cccd-mk", options: chip.Options{Issue: chip.IssueOptions{Replace: map[int][]byte{13: otherDG13(t)}}}}.insert(t)
	key := qrKey(t, who)
	key.Stated.FullName, key.Stated.Sex = "Phạm Thị Dung", "female"
	doc, err := l.read(t, icao.Options{Key: key, NoChip: true})
	if err != nil {
		t.Fatal(err)
	}
	got := map[string][]string{}
	for _, c := range doc.Conflicts {
		got[c.Between] = append(got[c.Between], c.Field)
		if c.One == "" || c.Other == "" || c.One == c.Other {
			t.Errorf("%s of %s: %q and %q", c.Field, c.Between, c.One, c.Other)
		}
	}
	if !slices.Contains(got[icao.ConflictMRZ], "number") || !slices.Contains(got[icao.ConflictMRZ], "fullName") || len(slices.Compact(slices.Sorted(slices.Values(got[icao.ConflictMRZ])))) != len(got[icao.ConflictMRZ]) {
		t.Errorf("zone and DG13: %v", got[icao.ConflictMRZ])
	}
	if want := doc.Verdicts.KeyMatchesChip.Differs; !slices.Equal(got[icao.ConflictScanned], want) || !slices.Contains(want, "fullName") || !slices.Contains(want, "sex") {
		t.Errorf("scan and chip: %v, the verdict says %v", got[icao.ConflictScanned], want)
	}
}

func TestSourcesAreNamed(t *testing.T) {
	l, who := card{profile: "cccd-mk", persona: "binh"}.insert(t)
	doc, err := l.read(t, icao.Options{Key: qrKey(t, who), NoChip: true})
	if err != nil {
		t.Fatal(err)
	}
	want := lds.Identity{Number: who.Number, FullName: who.FullName, DateOfBirth: who.DateOfBirth, Sex: who.Sex, Nationality: "VNM",
		Residence: who.Residence, Origin: who.Origin, DocumentNumber: who.DocumentNumber(), DocumentType: "ID", IssuingState: "VNM",
		IssuedAt: who.IssuedAt, ExpiresAt: who.ExpiresAt, Ethnicity: who.Ethnicity, Religion: who.Religion, Features: who.Features,
		Father: who.Father, Mother: who.Mother, Spouse: who.Spouse, OldNumber: who.OldNumber}
	got := *doc.Identity
	sources := got.Source
	got.Source = nil
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
	for name, from := range map[string]string{"fullName": "dg13", "dateOfBirth": "dg13", "documentNumber": "dg1", "nationality": "dg1", "issuedAt": "dg13"} {
		if sources[name] != from {
			t.Errorf("%s is from %q, want %q", name, sources[name], from)
		}
	}
}

// Only what is wanted is read, and in the order that the desk needs.
func TestFilesAreReadInOrder(t *testing.T) {
	for _, c := range []struct {
		name string
		o    icao.Options
		want []lds.FileID
	}{
		{"everything", icao.Options{Portrait: true}, []lds.FileID{"EF_CardAccess", "EF_SOD", "DG1", "DG13", "DG14", "DG15", "DG2"}},
		{"no portrait", icao.Options{}, []lds.FileID{"EF_CardAccess", "EF_SOD", "DG1", "DG13", "DG14", "DG15"}},
		{"identity only", icao.Options{NoChip: true}, []lds.FileID{"EF_CardAccess", "EF_SOD", "DG1", "DG13"}},
		{"raw", icao.Options{NoChip: true, Extra: []lds.FileID{lds.COM, lds.DG(3), lds.DG(11), lds.CardAccess}}, []lds.FileID{"EF_CardAccess", "EF_SOD", "DG1", "DG13", "EF_COM"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			l, who := card{profile: "cccd-mk"}.insert(t)
			var order []lds.FileID
			c.o.Key = qrKey(t, who)
			c.o.OnProgress = func(p icao.Progress) {
				if p.File != "" && !slices.Contains(order, p.File) {
					order = append(order, p.File)
				}
			}
			doc, err := l.read(t, c.o)
			if err != nil {
				t.Fatal(err)
			}
			if d := cmp.Diff(c.want, order); d != "" {
				t.Error(d)
			}
			files := l.chip.Files()
			for id, raw := range doc.Files {
				if !bytes.Equal(raw, files[string(id)]) {
					t.Errorf("%s is not as on the chip", id)
				}
			}
			if c.name == "raw" {
				if !errors.Is(doc.Missing[lds.DG(3)], lds.ErrFileRefused) || !errors.Is(doc.Missing[lds.DG(11)], lds.ErrFileAbsent) {
					t.Errorf("missing: %v", doc.Missing)
				}
			}
		})
	}
}

func TestProgressNeverGoesBack(t *testing.T) {
	for _, profile := range []string{"cccd-mk", "cccd-javelin", "cccd-2024"} {
		for _, padding := range []int{0, 60000} {
			l, who := card{profile: profile, change: func(p *chip.Profile, _ *chip.Persona) { p.Padding = padding }}.insert(t)
			last, phases, calls := 0, []icao.Phase{}, 0
			_, err := l.read(t, icao.Options{Key: qrKey(t, who), Portrait: true, OnProgress: func(p icao.Progress) {
				calls++
				if p.Percent < last || p.Percent > 100 {
					t.Errorf("%d%% after %d%%", p.Percent, last)
				}
				last = p.Percent
				if len(phases) == 0 || phases[len(phases)-1] != p.Phase {
					phases = append(phases, p.Phase)
				}
			}})
			if err != nil {
				t.Fatal(err)
			}
			if last != 100 || calls < 20 {
				t.Errorf("ended at %d%% after %d calls", last, calls)
			}
			if d := cmp.Diff([]icao.Phase{icao.PhaseAccess, icao.PhaseIdentity, icao.PhaseChip, icao.PhasePortrait}, phases); d != "" {
				t.Error(d)
			}
		}
	}
}

func TestChipsThatCannotBeOpened(t *testing.T) {
	bac := func(p *chip.Profile, _ *chip.Persona) { p.PACE, p.BAC = nil, true }
	wrongCAN := func(testing.TB, chip.Persona) lds.Key { return lds.Key{CAN: "000000", From: lds.FromCAN} }
	wrongMRZ := func(testing.TB, chip.Persona) lds.Key {
		return lds.Key{MRZ: &lds.MRZKey{DocumentNumber: "000000000", DateOfBirth: "000101", DateOfExpiry: "300101"}, From: lds.FromMRZ}
	}
	none := func(testing.TB, chip.Persona) lds.Key { return lds.Key{} }
	for _, c := range []struct {
		name  string
		card  card
		key   func(testing.TB, chip.Persona) lds.Key
		want  error
		apdus int // at most
	}{
		{"wrong CAN", card{profile: "cccd-mk"}, wrongCAN, lds.ErrKeyRejected, 6},
		{"wrong MRZ at PACE", card{profile: "cccd-mk"}, wrongMRZ, lds.ErrKeyRejected, 6},
		{"wrong MRZ at PACE is not tried at BAC", card{profile: "cccd-bac"}, wrongMRZ, lds.ErrKeyRejected, 6},
		{"wrong MRZ at BAC", card{profile: "passport-bac"}, wrongMRZ, lds.ErrKeyRejected, 8},
		{"CAN for a chip with BAC only", card{profile: "cccd-bac", change: bac}, qrKey, lds.ErrKeyUnsuitable, 7},
		{"no key", card{profile: "cccd-mk"}, none, lds.ErrKeyMissing, 1},
		{"no key, BAC only", card{profile: "cccd-bac", change: bac}, none, lds.ErrKeyMissing, 7},
		{"neither PACE nor BAC, and yet closed", card{profile: "cccd-mk", change: func(p *chip.Profile, _ *chip.Persona) { p.PACE, p.BAC = nil, false }}, qrKey, lds.ErrAccessFailed, 9},
		{"neither PACE nor BAC, and yet closed, by MRZ", card{profile: "cccd-mk", change: func(p *chip.Profile, _ *chip.Persona) {
			p.PACE, p.BAC = nil, false
		}}, func(t testing.TB, who chip.Persona) lds.Key { return mrzKey(t, who, who.MRZ()) }, lds.ErrAccessFailed, 9},
		{"no eMRTD", card{profile: "not-emrtd"}, qrKey, lds.ErrCardUnsupported, 6},
		{"no eMRTD and no key", card{profile: "not-emrtd"}, none, lds.ErrCardUnsupported, 6},
		{"password that the chip does not take", card{profile: "cccd-mk", change: func(p *chip.Profile, _ *chip.Persona) {
			p.PACEPasswords = []string{"mrz"}
		}}, qrKey, lds.ErrKeyUnsuitable, 6},
	} {
		t.Run(c.name, func(t *testing.T) {
			l, who := c.card.insert(t)
			doc, err := l.read(t, icao.Options{Key: c.key(t, who), Portrait: true})
			if !errors.Is(err, c.want) {
				t.Fatalf("got %v, want %v", err, c.want)
			}
			if doc == nil || doc.Identity != nil || doc.Portrait != nil || doc.Verdicts.Access.Status == lds.Passed {
				t.Errorf("something came out of a chip that was not opened")
			}
			if doc.Count.APDUs > c.apdus {
				t.Errorf("%d APDUs, want at most %d", doc.Count.APDUs, c.apdus)
			}
			noPersonalData(t, who, err)
		})
	}
}

// A chip whose PACE nobody speaks is opened by BAC, and the verdict says so.
func TestDowngradeIsOnRecord(t *testing.T) {
	own := unhex(t, "31143012060A04007F00070202040202020102020120")
	for _, c := range []struct{ name, says string }{{"domain parameters of its own", "no variant"}, {"malformed", "malformed"}} {
		t.Run(c.name, func(t *testing.T) {
			file := own
			if c.name == "malformed" {
				file = []byte{0x31, 0x03, 0x30, 0x05, 0x06}
			}
			l, who := card{profile: "cccd-bac", options: chip.Options{Issue: chip.IssueOptions{ReplaceAfter: map[string][]byte{"EF_CardAccess": file}}}}.insert(t)
			doc, err := l.read(t, icao.Options{Key: mrzKey(t, who, who.MRZ())})
			if err != nil {
				t.Fatal(err)
			}
			a := doc.Verdicts.Access
			if a.Status != lds.Passed || a.Protocol != "BAC" || !strings.Contains(a.Fallback, c.says) {
				t.Errorf("got %+v", a)
			}
			if doc.Verdicts.PassiveAuthentication.Status != lds.Passed {
				t.Errorf("passive authentication: %+v", doc.Verdicts.PassiveAuthentication)
			}
			l, who = card{profile: "cccd-bac", options: chip.Options{Issue: chip.IssueOptions{ReplaceAfter: map[string][]byte{"EF_CardAccess": file}}}}.insert(t)
			if _, err := l.read(t, icao.Options{Key: qrKey(t, who)}); !errors.Is(err, lds.ErrKeyUnsuitable) {
				t.Errorf("with a CAN: %v", err)
			}
		})
	}
}

// EF.CardAccess is held against the signed DG14, where that repeats it.
func TestCardAccessIsConfirmed(t *testing.T) {
	pace := func(parameter byte) []byte {
		return []byte{0x30, 0x12, 0x06, 0x0A, 0x04, 0x00, 0x7F, 0x00, 0x07, 0x02, 0x02, 0x04, 0x02, 0x02, 0x02, 0x01, 0x02, 0x02, 0x01, parameter}
	}
	l, _ := card{profile: "cccd-bac"}.insert(t)
	set, _, err := lds.Expect(l.chip.Files()["DG14"], 0x6E)
	if err != nil {
		t.Fatal(err)
	}
	infos, _, err := lds.Expect(set, 0x31)
	if err != nil {
		t.Fatal(err)
	}
	dg14 := func(extra []byte) []byte {
		return lds.AppendTLV(nil, 0x6E, lds.AppendTLV(nil, 0x31, slices.Concat(infos, extra)))
	}
	if bytes.Contains(infos, pace(13)) {
		infos = bytes.Replace(infos, pace(13), nil, 1)
	}
	for _, c := range []struct {
		name       string
		dg14       []byte
		cardAccess []byte // nil as issued
		warned     bool
		protocol   string
	}{
		{"nothing to confirm with", dg14(nil), nil, false, "PACE"},
		{"the same", dg14(pace(13)), nil, false, "PACE"},
		{"other parameters were signed", dg14(pace(16)), nil, true, "PACE"},
		{"one more was signed", dg14(slices.Concat(pace(13), pace(16))), nil, true, "PACE"},
		{"PACE taken out on the way", dg14(pace(13)), []byte{0x31, 0x00}, true, "BAC"},
	} {
		t.Run(c.name, func(t *testing.T) {
			o := chip.Options{Issue: chip.IssueOptions{Replace: map[int][]byte{14: c.dg14}}}
			if c.cardAccess != nil {
				o.Issue.ReplaceAfter = map[string][]byte{"EF_CardAccess": c.cardAccess}
			}
			l, who := card{profile: "cccd-bac", options: o}.insert(t)
			doc, err := l.read(t, icao.Options{Key: mrzKey(t, who, who.MRZ())})
			if err != nil {
				t.Fatal(err)
			}
			a := doc.Verdicts.Access
			if slices.Contains(doc.Warnings, lds.ReasonAccessAltered) != c.warned || a.Protocol != c.protocol {
				t.Errorf("warnings %v, access %+v", doc.Warnings, a)
			}
			if (a.Fallback != "") != (a.Protocol == "BAC") {
				t.Errorf("fallback %q", a.Fallback)
			}
			if doc.Verdicts.PassiveAuthentication.Status != lds.Passed || doc.Verdicts.ChipAuthentication.Status != lds.Passed {
				t.Errorf("%+v", doc.Verdicts)
			}
		})
	}
}

// Shared secrets that begin with zero bytes are 1 of 256 (65,536) by chance, and look like a wrong key to who cuts them.
func TestLeadingZeroBytes(t *testing.T) {
	for n := 1; n <= 2; n++ {
		for _, s := range []chip.ForcedSecrets{{Mapping: n, Agreement: -1}, {Mapping: -1, Agreement: n}} {
			l, who := card{profile: "cccd-mk", options: chip.Options{Secrets: s}}.insert(t)
			if doc, err := l.read(t, icao.Options{Key: qrKey(t, who), NoChip: true}); err != nil || doc.Identity == nil {
				t.Errorf("%+v: %v", s, err)
			}
			if got := l.chip.Secrets(); got.Mapping != n && got.Agreement != n {
				t.Errorf("%+v was not provoked: %+v", s, got)
			}
		}
	}
}

// What makes an identity must be consistent, or nothing comes out but the verdict.
func TestNoIdentityFromInconsistentFiles(t *testing.T) {
	other, err := chip.PersonaByName("binh")
	if err != nil {
		t.Fatal(err)
	}
	p, err := chip.ProfileByName("cccd-mk")
	if err != nil {
		t.Fatal(err)
	}
	theirs, err := chip.Issue(p, other, issuer(), chip.IssueOptions{})
	if err != nil {
		t.Fatal(err)
	}
	after := func(name string, raw []byte) chip.IssueOptions {
		return chip.IssueOptions{ReplaceAfter: map[string][]byte{name: raw}}
	}
	for _, c := range []struct {
		name   string
		issue  chip.IssueOptions
		want   error
		status lds.Status
		reason lds.Reason
	}{
		{"another person's DG1", after("DG1", theirs.Files["DG1"]), lds.ErrInconsistent, lds.Failed, lds.ReasonHashMismatch},
		{"another person's DG13", after("DG13", theirs.Files["DG13"]), lds.ErrInconsistent, lds.Failed, lds.ReasonHashMismatch},
		{"another person's EF.SOD", after("EF_SOD", theirs.Files["EF_SOD"]), lds.ErrInconsistent, lds.Failed, lds.ReasonHashMismatch},
		{"signature", chip.IssueOptions{SOD: chip.SODOptions{BadSignature: true}}, lds.ErrInconsistent, lds.Failed, lds.ReasonSignatureInvalid},
		{"DG1 not listed", chip.IssueOptions{SOD: chip.SODOptions{Unlisted: []int{1}}}, lds.ErrInconsistent, lds.Failed, lds.ReasonNotListed},
		{"no EF.SOD", after("EF_SOD", nil), lds.ErrFileAbsent, lds.NotPresent, lds.ReasonNoSOD},
		{"EF.SOD of nothing", after("EF_SOD", []byte{0x77, 0x02, 0x30, 0x00}), lds.ErrMalformed, lds.Failed, lds.ReasonMalformed},
		{"EF.SOD with a lying length", after("EF_SOD", []byte{0x77, 0x82, 0x40, 0x00, 0x30, 0x00}), lds.ErrMalformed, lds.Failed, lds.ReasonMalformed},
		{"DG1 gone", after("DG1", nil), lds.ErrFileAbsent, lds.NotDone, lds.ReasonNotReached},
		{"DG1 is no zone, signed", chip.IssueOptions{Replace: map[int][]byte{1: {0x61, 0x02, 0x04, 0x00}}}, lds.ErrMalformed, lds.Failed, lds.ReasonMalformed},
		{"endless EF.SOD", after("EF_SOD", append([]byte{0x77, 0x83, 0x10, 0x00, 0x00}, make([]byte, 1<<20)...)), lds.ErrTooLarge, lds.Failed, lds.ReasonMalformed},
	} {
		t.Run(c.name, func(t *testing.T) {
			l, who := card{profile: "cccd-mk", options: chip.Options{Issue: c.issue}}.insert(t)
			doc, err := l.read(t, icao.Options{Key: qrKey(t, who), Portrait: true, OnIdentity: func(*icao.Document) error {
				t.Error("told of an identity that is not consistent")
				return nil
			}})
			if !errors.Is(err, c.want) {
				t.Fatalf("got %v, want %v", err, c.want)
			}
			pa := doc.Verdicts.PassiveAuthentication
			if pa.Status != c.status || pa.Reason != c.reason {
				t.Errorf("passive authentication %s %s (%s), want %s %s", pa.Status, pa.Reason, pa.Detail, c.status, c.reason)
			}
			if doc.Identity != nil || doc.Portrait != nil || doc.Anchored {
				t.Error("an identity or a picture came out")
			}
			noPersonalData(t, who, err)
		})
	}
}

func TestOnIdentityStopsTheRead(t *testing.T) {
	l, who := card{profile: "cccd-mk"}.insert(t)
	stop := fmt.Errorf("not this one: %w", lds.ErrPersonUnexpected)
	doc, err := l.read(t, icao.Options{Key: qrKey(t, who), Portrait: true, OnIdentity: func(*icao.Document) error { return stop }})
	if err != stop {
		t.Errorf("got %v", err)
	}
	if doc.Portrait != nil || doc.Files["DG14"] != nil {
		t.Error("the read went on")
	}
}

func TestKeyAgainstChip(t *testing.T) {
	for _, c := range []struct {
		name    string
		change  func(*lds.Key)
		status  lds.Status
		differs []string
	}{
		{"all the same", func(*lds.Key) {}, lds.Passed, nil},
		{"decomposed, capitals, blanks", func(k *lds.Key) { k.Stated.FullName = "NGUYE\u0302\u0303N  VĂN AN" }, lds.Passed, nil},
		{"another number with the same last digits", func(k *lds.Key) { k.Stated.Number = "079" + k.Stated.Number[3:] }, lds.Failed, []string{"number"}},
		{"another diacritic", func(k *lds.Key) { k.Stated.FullName = "Nguyễn Vân An" }, lds.Failed, []string{"fullName"}},
		{"another person", func(k *lds.Key) {
			k.Stated.DateOfBirth, k.Stated.Sex, k.Stated.IssuedAt = "1999-01-02", "female", "2022-04-16"
		}, lds.Failed, []string{"dateOfBirth", "sex", "issuedAt"}},
		{"from the zone", func(k *lds.Key) { k.From, k.Stated.FullName = lds.FromMRZ, "NGUYEN VAN AN" }, lds.Passed, nil},
		{"from the zone, another name", func(k *lds.Key) { k.From, k.Stated.FullName = lds.FromMRZ, "NGUYEN VAN ANH" }, lds.Failed, []string{"fullName"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			l, who := card{profile: "cccd-mk"}.insert(t)
			key := qrKey(t, who)
			c.change(&key)
			doc, err := l.read(t, icao.Options{Key: key, NoChip: true})
			if err != nil {
				t.Fatal(err)
			}
			v := doc.Verdicts.KeyMatchesChip
			if v.Status != c.status {
				t.Errorf("got %+v", v)
			}
			if d := cmp.Diff(c.differs, v.Differs); d != "" {
				t.Error(d)
			}
			if c.status == lds.Failed && v.Reason != lds.ReasonKeyDiffersFromDoc {
				t.Errorf("reason %q", v.Reason)
			}
		})
	}
}

// A read stops before the next APDU, wherever it is cancelled, and leaves nothing behind.
func TestCancelAtEveryAPDU(t *testing.T) {
	l, who := fast("cccd-mk").insert(t)
	if _, err := l.read(t, icao.Options{Key: qrKey(t, who), Portrait: true}); err != nil {
		t.Fatal(err)
	}
	whole := l.apdus // or one more or less: a signature is as long as it comes out
	for n := 0; n < whole; n += 1 + n/20 {
		l, who := fast("cccd-mk").insert(t)
		ctx, cancel := context.WithCancel(t.Context())
		l.before = func(i int, _ []byte) {
			if i == n {
				cancel()
			}
		}
		doc, err := icao.Read(ctx, l, icao.Options{Key: qrKey(t, who), Portrait: true, Trust: trusting(), Now: l.clock})
		cancel()
		if err == nil && n >= whole-2 && l.apdus == n+1 {
			continue // it was the last APDU
		}
		if !errors.Is(err, context.Canceled) {
			t.Fatalf("cancelled at %d: %v", n, err)
		}
		if l.apdus != n+1 {
			t.Errorf("cancelled at %d, and %d APDUs were sent", n, l.apdus)
		}
		if doc == nil {
			t.Fatal("no document")
		}
	}
}

func TestChallengeIsTheCallers(t *testing.T) {
	l, who := card{profile: "cccd-mk"}.insert(t)
	given := []byte{1, 2, 3, 4, 5, 6, 7, 8}
	doc, err := l.read(t, icao.Options{Key: qrKey(t, who), Challenge: given})
	if err != nil {
		t.Fatal(err)
	}
	if v := doc.Verdicts.ActiveAuthentication; v.Challenge != "given" || v.Status != lds.Passed {
		t.Errorf("got %+v", v)
	}
}

// An endless chip is bounded.
func TestEndlessChip(t *testing.T) {
	calls := 0
	doc, err := icao.Read(t.Context(), transmitter(func([]byte) []byte {
		calls++
		return []byte{0x61, 0x00}
	}), icao.Options{Key: lds.Key{CAN: "123456"}, Trust: trusting()})
	if err == nil || calls > 30000 {
		t.Errorf("%v after %d APDUs", err, calls)
	}
	if doc.Identity != nil {
		t.Error("an identity")
	}
}

type transmitter func([]byte) []byte

func (f transmitter) Transmit(_ context.Context, cmd []byte) ([]byte, error) { return f(cmd), nil }

func TestNonsenseFromTheReader(t *testing.T) {
	for _, resp := range [][]byte{nil, {}, {0x90}, {0x90, 0x00}, {0x6F, 0x00}, bytes.Repeat([]byte{0x31}, 70000)} {
		doc, err := icao.Read(t.Context(), transmitter(func([]byte) []byte { return resp }), icao.Options{
			Key: lds.Key{CAN: "123456", MRZ: &lds.MRZKey{DocumentNumber: "099012345", DateOfBirth: "990101", DateOfExpiry: "390101"}}})
		if err == nil || doc == nil || doc.Identity != nil {
			t.Errorf("%d bytes: %v", len(resp), err)
		}
		if len(resp) < 2 && !errors.Is(err, access.ErrShortResponse) {
			t.Errorf("%d bytes: %v", len(resp), err)
		}
	}
}

// noPersonalData fails if an error tells anything of the persona.
func noPersonalData(t *testing.T, who chip.Persona, err error) {
	t.Helper()
	if err == nil {
		return
	}
	for _, s := range []string{who.Number, who.CAN(), who.DocumentNumber(), who.FullName, who.Surname, who.GivenNames, who.DateOfBirth,
		strings.ReplaceAll(who.DateOfBirth, "-", "")[2:]} {
		if s != "" && strings.Contains(err.Error(), s) {
			t.Errorf("the error holds personal data: %v", err)
		}
	}
}

func TestTimesAreTheClocks(t *testing.T) {
	l, who := card{profile: "cccd-mk"}.insert(t)
	var chipAt time.Duration
	doc, err := l.read(t, icao.Options{Key: qrKey(t, who), Portrait: true, OnChip: func(d *icao.Document) error { chipAt = d.ChipAfter; return nil }})
	if err != nil {
		t.Fatal(err)
	}
	if !(0 < doc.IdentityAfter && doc.IdentityAfter < doc.ChipAfter && doc.ChipAfter < doc.DoneAfter && chipAt == doc.ChipAfter) {
		t.Errorf("%v %v %v", doc.IdentityAfter, doc.ChipAfter, doc.DoneAfter)
	}
	if got := l.now.Sub(day); got != doc.DoneAfter {
		t.Errorf("done after %v, the clock says %v", doc.DoneAfter, got)
	}
}

func TestCheckDigitsOfDG1OnlyWarn(t *testing.T) {
	l, _ := card{profile: "cccd-mk"}.insert(t)
	dg1 := l.chip.Files()["DG1"]
	dg1[5+29] = '0' + (dg1[5+29]-'0'+1)%10 // Vietnam's own digit, the last of the first line
	l, who := card{profile: "cccd-mk", options: chip.Options{Issue: chip.IssueOptions{Replace: map[int][]byte{1: dg1}}}}.insert(t)
	doc, err := l.read(t, icao.Options{Key: qrKey(t, who)})
	if err != nil {
		t.Fatal(err)
	}
	if !slices.Contains(doc.Warnings, lds.ReasonMRZCheckDigit) || doc.Verdicts.PassiveAuthentication.Status != lds.Passed {
		t.Errorf("warnings %v, %+v", doc.Warnings, doc.Verdicts.PassiveAuthentication)
	}
}

// Without a trust store nobody is trusted, and that is all.
func TestNoStoreTrustsNobody(t *testing.T) {
	l, who := card{profile: "cccd-mk"}.insert(t)
	doc, err := icao.Read(t.Context(), l, icao.Options{Key: qrKey(t, who), Now: l.clock, Extra: []lds.FileID{lds.ATRInfo, lds.CardSecurity}})
	if err != nil {
		t.Fatal(err)
	}
	if v := doc.Verdicts.PassiveAuthentication; v.Reason != lds.ReasonSignerNotAnchored || doc.Anchored {
		t.Errorf("got %+v", v)
	}
	for _, id := range []lds.FileID{lds.ATRInfo, lds.CardSecurity} {
		if !errors.Is(doc.Missing[id], lds.ErrFileAbsent) {
			t.Errorf("%s: %v", id, doc.Missing[id])
		}
	}
}
