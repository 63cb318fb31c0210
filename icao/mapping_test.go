package icao_test

import (
	"bytes"
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/tapcheck/tapcheck/icao"
	"github.com/tapcheck/tapcheck/icao/access"
	"github.com/tapcheck/tapcheck/icao/chip"
	"github.com/tapcheck/tapcheck/icao/lds"
)

// Passports of every kind that the simulated chip knows are read whole.
func TestEveryPassport(t *testing.T) {
	for _, c := range []struct {
		profile, detail, chip, active string
		files                         []lds.FileID
	}{
		{"passport-pace-gm", "ECDH-GM AES-128 P-256", "CA ECDH AES-128 P-256", "AA ECDSA P-256 SHA-256", []lds.FileID{"DG11", "DG12"}},
		{"passport-pace-im", "ECDH-IM AES-256 brainpoolP384r1", "CA ECDH AES-256 brainpoolP384r1", "", nil},
		{"passport-pace-cam", "ECDH-CAM AES-128 brainpoolP256r1", "PACE-CAM AES-128 brainpoolP256r1", "", nil},
		{"passport-dh-gm", "DH-GM AES-128 MODP-2048/256", "CA DH AES-128 MODP-2048/256", "", nil},
		{"passport-dh-im", "DH-IM AES-128 MODP-1024/160", "CA DH 3DES MODP-1024/160", "", nil},
		{"passport-eac", "ECDH-GM AES-128 brainpoolP256r1", "CA ECDH AES-128 brainpoolP256r1", "", nil},
		{"passport-aa-rsa", "ECDH-GM AES-128 P-256", "", "AA RSA-2048", nil},
		{"passport-3des", "ECDH-GM 3DES brainpoolP224r1", "CA ECDH 3DES brainpoolP224r1", "AA RSA-1024", nil},
		{"passport-39794", "ECDH-GM AES-128 P-256", "CA ECDH AES-128 P-256", "", nil},
		{"passport-pieces", "ECDH-GM AES-128 P-256", "", "AA RSA-2048", nil},
	} {
		t.Run(c.profile, func(t *testing.T) {
			l, who := card{profile: c.profile}.insert(t)
			doc, err := l.read(t, icao.Options{Key: mrzKey(t, who, who.PassportMRZ()), Portrait: true, Extra: c.files})
			if err != nil {
				t.Fatal(err)
			}
			v := doc.Verdicts
			if v.Access.Detail != c.detail || v.Access.Status != lds.Passed {
				t.Errorf("access %+v", v.Access)
			}
			if v.PassiveAuthentication.Status != lds.Passed || doc.Portrait == nil {
				t.Errorf("passive authentication %+v, portrait %v", v.PassiveAuthentication, doc.Portrait != nil)
			}
			for want, got := range map[string]lds.ExchangeVerdict{c.chip: v.ChipAuthentication, c.active: v.ActiveAuthentication} {
				if want != "" && (got.Status != lds.Passed || got.Protocol != want) || want == "" && got.Status == lds.Passed {
					t.Errorf("got %+v, want %s", got, want)
				}
			}
			for _, id := range c.files {
				if !bytes.Equal(doc.Files[id], l.chip.Files()[string(id)]) {
					t.Errorf("%s: %v", id, doc.Missing[id])
				}
			}
			t.Logf("%d APDUs", doc.Count.APDUs)
		})
	}
}

// mapping is a card that proves itself in PACE, and only there.
func mappingOnly(change func(*chip.Profile), o chip.Options) card {
	return card{profile: "passport-pace-cam", options: o, change: func(p *chip.Profile, _ *chip.Persona) {
		p.CA, p.MoreCA = nil, nil
		if change != nil {
			change(p)
		}
	}}
}

// unbound is a card whose DG14 lacks the key of the mapping, so that nothing signed ties it to the document.
func unbound(change func(*chip.Profile), o chip.Options) card {
	return mappingOnly(func(p *chip.Profile) {
		p.SparseDG14 = true
		if change != nil {
			change(p)
		}
	}, o)
}

// The proof of PACE with chip authentication mapping counts as much as the signature over the key does, and only for the document that the
// signature is about.
func TestProofInPACE(t *testing.T) {
	l, _ := unbound(nil, chip.Options{}).insert(t)
	spoiled := bytes.Clone(l.chip.Files()["EF_CardSecurity"])
	spoiled[len(spoiled)-1] ^= 1
	after := func(file []byte) chip.Options {
		return chip.Options{Issue: chip.IssueOptions{ReplaceAfter: map[string][]byte{"EF_CardSecurity": file}}}
	}
	extra := []lds.FileID{lds.CardSecurity}
	for _, c := range []struct {
		name     string
		card     card
		nobody   bool
		extra    []lds.FileID
		status   lds.Status
		reason   lds.Reason
		exchange lds.Status
		protocol string
	}{
		{name: "the only proof", card: mappingOnly(nil, chip.Options{}), status: lds.Passed, exchange: lds.Passed, protocol: "PACE-CAM"},
		{name: "EF.CardSecurity read, too", card: card{profile: "passport-pace-cam"}, extra: extra, status: lds.Passed, exchange: lds.Passed, protocol: "PACE-CAM"},
		{name: "chip authentication is there as well", card: card{profile: "passport-pace-cam"}, status: lds.Passed, exchange: lds.Passed, protocol: "PACE-CAM"},
		{name: "nobody trusted", card: mappingOnly(nil, chip.Options{}), nobody: true, status: lds.NotVerifiable, reason: lds.ReasonKeyNotAnchored, exchange: lds.Passed, protocol: "PACE-CAM"},
		{name: "a forger's own", card: mappingOnly(func(p *chip.Profile) { p.Forged = true }, chip.Options{}), status: lds.NotVerifiable, reason: lds.ReasonKeyNotAnchored, exchange: lds.Passed, protocol: "PACE-CAM"},
		{name: "a copy", card: mappingOnly(func(p *chip.Profile) { p.Clone = "wrong-key" }, chip.Options{}), status: lds.Failed, reason: lds.ReasonChipAuthFailed, exchange: lds.Failed, protocol: "PACE-CAM"},
		{name: "a copy, chip authentication is there as well", card: card{profile: "passport-pace-cam", change: func(p *chip.Profile, _ *chip.Persona) { p.Clone = "wrong-key" }},
			status: lds.Failed, reason: lds.ReasonChipAuthFailed, exchange: lds.Failed, protocol: "CA ECDH"},
		{name: "EF.CardSecurity gone, and not needed", card: mappingOnly(func(p *chip.Profile) { p.Absent = []string{"EF_CardSecurity"} }, chip.Options{}), status: lds.Passed, exchange: lds.Passed, protocol: "PACE-CAM"},

		{name: "unbound", card: unbound(nil, chip.Options{}), status: lds.NotVerifiable, reason: lds.ReasonKeyNotBound, exchange: lds.Passed, protocol: "PACE-CAM"},
		{name: "unbound, and chip authentication", card: card{profile: "passport-pace-cam", change: func(p *chip.Profile, _ *chip.Persona) { p.SparseDG14 = true }},
			status: lds.Passed, exchange: lds.Passed, protocol: "CA ECDH"},
		{name: "unbound, and chip authentication, EF.CardSecurity read before", extra: extra, card: card{profile: "passport-pace-cam", change: func(p *chip.Profile, _ *chip.Persona) { p.SparseDG14 = true }},
			status: lds.Passed, exchange: lds.Passed, protocol: "CA ECDH"},
		{name: "unbound, nobody trusted", card: unbound(nil, chip.Options{}), nobody: true, status: lds.NotVerifiable, reason: lds.ReasonKeyNotAnchored, exchange: lds.Passed, protocol: "PACE-CAM"},
		{name: "unbound, a forger's own", card: unbound(func(p *chip.Profile) { p.Forged = true }, chip.Options{}), status: lds.NotVerifiable, reason: lds.ReasonKeyNotAnchored, exchange: lds.Passed, protocol: "PACE-CAM"},
		{name: "unbound, a copy", card: unbound(func(p *chip.Profile) { p.Clone = "wrong-key" }, chip.Options{}), status: lds.Failed, reason: lds.ReasonChipAuthFailed, exchange: lds.Failed, protocol: "PACE-CAM"},
		{name: "EF.CardSecurity with another signature", card: unbound(nil, after(spoiled)), status: lds.Failed, reason: lds.ReasonPassiveAuthFailed, exchange: lds.NotDone, protocol: "PACE-CAM"},
		{name: "EF.CardSecurity that is none", card: unbound(nil, after([]byte{0x30, 0x00})), status: lds.Failed, reason: lds.ReasonPassiveAuthFailed, exchange: lds.NotDone, protocol: "PACE-CAM"},
		{name: "EF.CardSecurity gone", card: unbound(func(p *chip.Profile) { p.Absent = []string{"EF_CardSecurity"} }, chip.Options{}), status: lds.NotDone, reason: lds.ReasonFileUnreadable, protocol: "PACE-CAM"},
		{name: "no way back to the master file", card: unbound(func(p *chip.Profile) { p.SelectMF = "6D00" }, chip.Options{}), status: lds.NotDone, reason: lds.ReasonFileUnreadable, protocol: "PACE-CAM"},
		{name: "no way back, but read in time", card: unbound(func(p *chip.Profile) { p.SelectMF = "6D00" }, chip.Options{}), extra: extra, status: lds.NotVerifiable, reason: lds.ReasonKeyNotBound, exchange: lds.Passed, protocol: "PACE-CAM"},
		{name: "another signature, and chip authentication", card: card{profile: "passport-pace-cam", options: after(spoiled), change: func(p *chip.Profile, _ *chip.Persona) { p.SparseDG14 = true }},
			extra: extra, status: lds.Passed, exchange: lds.Passed, protocol: "CA ECDH"},
	} {
		t.Run(c.name, func(t *testing.T) {
			l, who := c.card.insert(t)
			o := icao.Options{Key: mrzKey(t, who, who.PassportMRZ()), Portrait: true, Extra: c.extra}
			if c.nobody {
				o.Trust = trustingNobody()
			}
			doc, err := l.read(t, o)
			if err != nil {
				t.Fatal(err)
			}
			v := doc.Verdicts.ChipAuthentication
			if v.Status != c.status || v.Reason != c.reason || v.Exchange != c.exchange || !strings.HasPrefix(v.Protocol, c.protocol) {
				t.Errorf("got %+v", v)
			}
			if doc.Portrait == nil {
				t.Error("the photo is missing")
			}
		})
	}
}

// A card that proved itself in PACE is lifted: another one with the same files does not take its place.
func TestResumeAfterProofInPACE(t *testing.T) {
	for _, copied := range []bool{false, true} {
		o := chip.Options{}
		l, who := mappingOnly(nil, o).insert(t)
		key := mrzKey(t, who, who.PassportMRZ())
		l.before = func(n int, cmd []byte) {
			if n == 60 {
				l.chip.SetFaults([]chip.Fault{{At: 0, Kind: chip.FaultRemove}})
				l.chip.Reset()
			}
		}
		partial, err := l.read(t, icao.Options{Key: key, Portrait: true})
		if !errors.Is(err, errGone) || partial.Verdicts.ChipAuthentication.Status != lds.Passed {
			t.Fatalf("%+v, %v", partial.Verdicts.ChipAuthentication, err)
		}
		again, _ := mappingOnly(func(p *chip.Profile) {
			if copied {
				p.Clone = "wrong-key"
			}
		}, o).insert(t)
		doc, err := again.read(t, icao.Options{Key: key, Portrait: true, Resume: partial})
		switch {
		case copied && !errors.Is(err, lds.ErrOtherCard):
			t.Errorf("a copy: %v", err)
		case !copied && (err != nil || doc.Portrait == nil || doc.Verdicts.ChipAuthentication.Status != lds.Passed):
			t.Errorf("%+v, %v", doc.Verdicts.ChipAuthentication, err)
		}
	}
}

type terminalKey struct{ *chip.Terminal }

func (k terminalKey) Sign(_ context.Context, _ access.TerminalAlgorithm, message []byte) ([]byte, error) {
	return k.Terminal.Sign(message)
}

// Fingerprints come out only for a terminal that the card admits.
func TestFingerprints(t *testing.T) {
	pki, err := issuer().TerminalPKI()
	if err != nil {
		t.Fatal(err)
	}
	terminal := func(o chip.TerminalOptions) *access.Terminal {
		simulated, err := pki.Terminal(o)
		if err != nil {
			t.Fatal(err)
		}
		out := &access.Terminal{Key: terminalKey{simulated}}
		for _, raw := range simulated.Chain {
			cert, err := access.ParseCertificate(raw)
			if err != nil {
				t.Fatal(err)
			}
			out.Certificates = append(out.Certificates, cert)
		}
		return out
	}
	// As a hospital gets it: files in a folder.
	simulated, err := pki.Terminal(chip.TerminalOptions{})
	if err != nil {
		t.Fatal(err)
	}
	filed, err := access.TerminalFromFiles(map[string][]byte{"key.der": simulated.PrivateKey(), "chain.cvcert": bytes.Join(simulated.Chain, nil)})
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name     string
		terminal *access.Terminal
		extra    []lds.FileID
		opened   bool
		want     error
	}{
		{"admitted, out of files", &filed, []lds.FileID{lds.DG(3)}, true, nil},
		{"admitted", terminal(chip.TerminalOptions{}), []lds.FileID{lds.DG(3)}, true, nil},
		{"not asked for", terminal(chip.TerminalOptions{}), nil, false, nil},
		{"no certificates", nil, []lds.FileID{lds.DG(3)}, false, lds.ErrFileRefused},
		{"irises only", terminal(chip.TerminalOptions{Rights: chip.RightDG4}), []lds.FileID{lds.DG(3)}, true, lds.ErrFileRefused},
		{"not admitted", terminal(chip.TerminalOptions{BadSignature: true}), []lds.FileID{lds.DG(3)}, false, access.ErrTerminalRefused},
	} {
		t.Run(c.name, func(t *testing.T) {
			l, who := card{profile: "passport-eac"}.insert(t)
			doc, err := l.read(t, icao.Options{Key: mrzKey(t, who, who.PassportMRZ()), Portrait: true, Extra: c.extra, Terminal: c.terminal})
			if err != nil {
				t.Fatal(err)
			}
			if (doc.Terminal != nil) != c.opened || doc.Portrait == nil || doc.Verdicts.PassiveAuthentication.Status != lds.Passed {
				t.Errorf("terminal %+v, passive %+v", doc.Terminal, doc.Verdicts.PassiveAuthentication)
			}
			got, why := doc.Files[lds.DG(3)], doc.Missing[lds.DG(3)]
			if len(c.extra) == 0 && got != nil || !errors.Is(why, c.want) || c.want == nil && len(c.extra) > 0 && !bytes.Equal(got, l.chip.Files()["DG3"]) {
				t.Errorf("DG3: %d bytes, %v", len(got), why)
			}
			if c.want == nil && got != nil {
				if prints := doc.Contents.Fingers; len(prints) != 2 || len(prints[0].Data) == 0 {
					t.Errorf("%d fingerprints", len(prints))
				}
			}
			noPersonalData(t, who, why)
		})
	}
}
