package icao_test

import (
	"bytes"
	"errors"
	"strings"
	"testing"

	"github.com/tapcheck/tapcheck/icao"
	"github.com/tapcheck/tapcheck/icao/chip"
	"github.com/tapcheck/tapcheck/icao/lds"
)

// clearCardAccess changes EF.CardAccess on its way, which goes in clear.
func clearCardAccess(answer []byte) func(int, []byte, []byte) []byte {
	return func(_ int, cmd, resp []byte) []byte {
		if len(cmd) > 3 && cmd[0] == 0 && cmd[1] == 0xB0 && len(resp) > 4 && resp[0] == 0x31 {
			return answer
		}
		return resp
	}
}

// A card that is put back is opened anew: what is taken out of its EF.CardAccess then is on record as at the first time.
func TestDowngradeAfterResume(t *testing.T) {
	p, err := chip.ProfileByName("passport-pace-gm")
	if err != nil {
		t.Fatal(err)
	}
	who, err := chip.PersonaByName("an")
	if err != nil {
		t.Fatal(err)
	}
	insert := func() *faultLink { return newFaultLink(repeating(t, p, who, func(*chip.Profile) {})) }
	o := icao.Options{Key: mrzKey(t, who, who.PassportMRZ()), Portrait: true, Trust: trusting()}
	l := insert()
	o.Now = l.clock
	o.OnChip = func(*icao.Document) error { return errGone }
	partial, err := icao.Read(t.Context(), l, o)
	if !errors.Is(err, errGone) || partial.Verdicts.Access.Protocol != "PACE" || len(partial.Warnings) != 0 {
		t.Fatalf("%+v, %v, %v", partial.Verdicts.Access, partial.Warnings, err)
	}
	o.OnChip, o.Resume = nil, partial
	l = insert()
	l.between = clearCardAccess([]byte{0x6A, 0x82})
	doc, err := icao.Read(t.Context(), l, o)
	if err != nil || doc.Verdicts.Access.Protocol != "BAC" {
		t.Fatalf("%+v, %v", doc.Verdicts.Access, err)
	}
	if doc.Verdicts.Access.Fallback == "" || len(doc.Warnings) != 1 || doc.Warnings[0] != lds.ReasonAccessAltered {
		t.Errorf("%+v, warnings %v", doc.Verdicts.Access, doc.Warnings)
	}
}

// An EF.CardAccess that cannot be read to its end may offer PACE: BAC in its place is on record.
func TestBACAfterBrokenCardAccess(t *testing.T) {
	for name, answer := range map[string][]byte{
		"no length":   {0x31, 0x80, 0x90, 0x00},
		"much length": {0x31, 0x83, 0xFF, 0xFF, 0xFF, 0x90, 0x00},
	} {
		l, who := card{profile: "passport-pace-gm"}.insert(t)
		f := newFaultLink(l.chip)
		f.between = clearCardAccess(answer)
		doc, err := icao.Read(t.Context(), f, icao.Options{Key: mrzKey(t, who, who.PassportMRZ()), Trust: trusting(), Now: f.clock, NoChip: true})
		if err != nil || doc.Verdicts.Access.Protocol != "BAC" || !strings.HasPrefix(doc.Verdicts.Access.Fallback, "PACE") {
			t.Errorf("%s: %+v, %v", name, doc.Verdicts.Access, err)
		}
	}
}

// Chip authentication that was never tried has not failed: the session broke at DG15, and could not be opened again.
func TestLostBeforeChipAuthentication(t *testing.T) {
	l, who := card{profile: "cccd-rsa2048"}.insert(t) // its DG15 takes two blocks
	f := newFaultLink(l.chip)
	o := icao.Options{Key: qrKey(t, who), Trust: trusting(), Now: f.clock}
	o.OnProgress = func(p icao.Progress) {
		if p.File == lds.DG(15) {
			f.instead = func(_ int, cmd []byte) ([]byte, bool) {
				if cmd[1] == 0x22 && cmd[2] == 0x41 {
					t.Errorf("chip authentication without a session: %X", cmd[:4])
				}
				return []byte{0x69, 0x88}, true
			}
		}
	}
	doc, err := icao.Read(t.Context(), f, o)
	if doc.Files[lds.DG(14)] == nil || doc.Missing[lds.DG(15)] == nil {
		t.Fatalf("missing %v, %v", doc.Missing, err)
	}
	if v := doc.Verdicts.ChipAuthentication; err != nil || v.Status != lds.NotDone || v.Exchange != "" {
		t.Errorf("%+v, missing %v, %v", v, doc.Missing, err)
	}
}

// EF.CardSecurity names no document: that of a trusted state's card proves nothing about a forger's files.
func TestProofInPACEOfAnotherDocument(t *testing.T) {
	p, err := chip.ProfileByName("passport-pace-cam")
	if err != nil {
		t.Fatal(err)
	}
	who, err := chip.PersonaByName("an")
	if err != nil {
		t.Fatal(err)
	}
	p.CA, p.MoreCA, p.SparseDG14 = nil, nil, true
	genuine, err := chip.Issue(p, who, issuer(), chip.IssueOptions{})
	if err != nil {
		t.Fatal(err)
	}
	p.Forged = true
	o := chip.Options{Issue: chip.IssueOptions{KeysOf: genuine, ReplaceAfter: map[string][]byte{"EF_CardSecurity": genuine.Files["EF_CardSecurity"]}}}
	c, err := chip.New(p, who, issuer(), o)
	if err != nil {
		t.Fatal(err)
	}
	f := newFaultLink(c)
	doc, err := icao.Read(t.Context(), f, icao.Options{Key: mrzKey(t, who, who.PassportMRZ()), Trust: trusting(), Now: f.clock})
	if err != nil || doc.Verdicts.PassiveAuthentication.Status != lds.NotVerifiable {
		t.Fatalf("%+v, %v", doc.Verdicts.PassiveAuthentication, err)
	}
	if v := doc.Verdicts.ChipAuthentication; v.Exchange != lds.Passed || v.Status != lds.NotVerifiable || v.Reason != lds.ReasonKeyNotAnchored {
		t.Errorf("%+v", v)
	}
}

// A session that breaks is opened again with what the card then takes: a weaker offer is on record.
func TestDowngradeAfterABrokenSession(t *testing.T) {
	c := card{profile: "passport-pace-gm", change: func(p *chip.Profile, _ *chip.Persona) {
		weaker := p.PACE[0]
		weaker.Cipher = "3DES"
		p.PACE = append(p.PACE, weaker)
	}}
	l, who := c.insert(t)
	f := newFaultLink(l.chip)
	broken := false
	f.instead = func(_ int, cmd []byte) ([]byte, bool) {
		if broken && cmd[0] == 0 && cmd[1] == 0x22 && cmd[2] == 0xC1 {
			f.instead = nil
			return []byte{0x6A, 0x80}, true
		}
		return nil, false
	}
	o := icao.Options{Key: mrzKey(t, who, who.PassportMRZ()), Portrait: true, Trust: trusting(), Now: f.clock}
	o.OnProgress = func(p icao.Progress) {
		if p.File == lds.DG(2) && !broken {
			broken = true
			l.chip.SetFaults([]chip.Fault{{At: 0, Kind: chip.FaultStatus, SW: 0x6988}})
		}
	}
	doc, err := icao.Read(t.Context(), f, o)
	if err != nil || doc.Portrait == nil {
		t.Fatalf("missing %v, %v", doc.Missing, err)
	}
	if v := doc.Verdicts.Access; !strings.Contains(v.Detail, "3DES") || v.Fallback == "" {
		t.Errorf("%+v", v)
	}
}

// repeating is a card whose DG14 repeats what EF.CardAccess says of PACE.
func repeating(t *testing.T, p chip.Profile, who chip.Persona, change func(*chip.Profile)) *chip.Chip {
	t.Helper()
	plain, err := chip.Issue(p, who, quick(), chip.IssueOptions{})
	if err != nil {
		t.Fatal(err)
	}
	st := &staged{files: plain.Files}
	if !confirmed(t, st) {
		t.Fatal("DG14 does not repeat EF.CardAccess")
	}
	if st.issue.Replace == nil { // it did already, and must not lose that with the change
		st.sign(14, plain.Files["DG14"])
	}
	change(&p)
	c, err := chip.Issue(p, who, quick(), st.issue)
	if err != nil {
		t.Fatal(err)
	}
	return c.Chip(chip.Options{})
}

// A chip that is read in clear, and whose signed DG14 says that it has PACE, is not one without access control as it was made.
func TestClearInPlaceOfPACE(t *testing.T) {
	p, err := chip.ProfileByName("cccd-mk")
	if err != nil {
		t.Fatal(err)
	}
	who, err := chip.PersonaByName("an")
	if err != nil {
		t.Fatal(err)
	}
	f := newFaultLink(repeating(t, p, who, func(p *chip.Profile) { p.PACE, p.BAC, p.Open = nil, false, true }))
	doc, err := icao.Read(t.Context(), f, icao.Options{Key: qrKey(t, who), Trust: trusting(), Now: f.clock})
	if v := doc.Verdicts.Access; err != nil || v.Reason != lds.ReasonNoAccessControl || v.Fallback == "" || len(doc.Warnings) != 1 {
		t.Errorf("%+v, warnings %v, %v", v, doc.Warnings, err)
	}
}

// DG13 is Vietnam's only on a document of Vietnam, also in files that are inspected all at once.
func TestInspectForeignDG13(t *testing.T) {
	p, err := chip.ProfileByName("cccd-mk")
	if err != nil {
		t.Fatal(err)
	}
	who, err := chip.PersonaByName("an")
	if err != nil {
		t.Fatal(err)
	}
	own, err := chip.Issue(p, who, quick(), chip.IssueOptions{})
	if err != nil {
		t.Fatal(err)
	}
	foreign := bytes.Replace(own.Files["DG1"], []byte("VNM"), []byte("UTO"), 1)
	for name, dg13 := range map[string][]byte{"of the same form": own.Files["DG13"], "of another form": {0x6D, 0x02, 0x04, 0x00}} {
		c, err := chip.Issue(p, who, quick(), chip.IssueOptions{Replace: map[int][]byte{1: foreign, 13: dg13}})
		if err != nil {
			t.Fatal(err)
		}
		files := map[lds.FileID][]byte{}
		for id, raw := range c.Files {
			files[lds.FileID(id)] = raw
		}
		doc, err := icao.Inspect(files, icao.Options{Trust: trusting(), Now: newFaultLink(nil).clock})
		if err != nil || doc.Identity == nil || doc.Identity.Source["fullName"] != "dg1" || doc.Missing[lds.DG(13)] != nil {
			t.Errorf("%s: missing %v, %v", name, doc.Missing, err)
		}
	}
}
