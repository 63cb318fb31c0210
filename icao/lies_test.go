package icao_test

import (
	"bytes"
	"fmt"
	"maps"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/tapcheck/tapcheck/agent/checkin"
	"github.com/tapcheck/tapcheck/icao"
	"github.com/tapcheck/tapcheck/icao/chip"
	"github.com/tapcheck/tapcheck/icao/lds"
	"github.com/tapcheck/tapcheck/icao/trust"
)

// The lies of whole cards: what they claim, what their files hold, who stands between. What must come of each is a row of
// testdata/faults/lies.tsv.

// staged is a card made ready to lie, and who believes it.
type staged struct {
	profile chip.Profile
	issuer  *chip.Issuer
	issue   chip.IssueOptions
	store   *trust.Store
	key     lds.Key
	link    func(*faultLink)  // somebody between
	files   map[string][]byte // of the honest card
	who     chip.Persona
}

// lie changes an honest card; false where the card has nothing to lie about.
type lie func(t testing.TB, s *staged) bool

func store(t testing.TB, reject bool, files map[string][]byte) *trust.Store {
	t.Helper()
	st, r, err := trust.Load(trust.Options{Files: files, RejectWeak: reject, At: day})
	if err != nil {
		t.Fatal(err)
	}
	for _, x := range r.Refused {
		t.Fatalf("%s: %s", x.File, x.Reason)
	}
	return st
}

// authority is an issuing state of its own on the fast curve, and a store that trusts it.
func authority(t testing.TB, o chip.IssuerOptions) (*chip.Issuer, *trust.Store) {
	t.Helper()
	if o.Seed == nil {
		o.Seed = []byte("lies")
	}
	for _, c := range []*chip.CertOptions{&o.CSCA, &o.DS} {
		if c.Key == "" {
			c.Key = "P-256"
		}
	}
	iss, err := chip.NewIssuer(o)
	if err != nil {
		t.Fatal(err)
	}
	return iss, store(t, false, map[string][]byte{"csca.cer": iss.CSCA()})
}

func (s *staged) has(name string) bool { return s.files[name] != nil }

// swap puts files in place after signing.
func (s *staged) swap(name string, raw []byte) bool {
	if !s.has(name) {
		return false
	}
	if s.issue.ReplaceAfter == nil {
		s.issue.ReplaceAfter = map[string][]byte{}
	}
	s.issue.ReplaceAfter[name] = raw
	return true
}

// sign puts a data group in place before signing.
func (s *staged) sign(n int, raw []byte) bool {
	if !s.has(fmt.Sprintf("DG%d", n)) {
		return false
	}
	if s.issue.Replace == nil {
		s.issue.Replace = map[int][]byte{}
	}
	s.issue.Replace[n] = raw
	return true
}

// other are the files of another person's card of the same kind.
func (s *staged) other(t testing.TB, serial int, id string) map[string][]byte {
	t.Helper()
	who := s.who
	if id != "" {
		var err error
		if who, err = chip.PersonaByName(id); err != nil {
			t.Fatal(err)
		}
		who.Portrait = bytes.Replace(smallPhoto, []byte("looking"), []byte("another"), 1)
	}
	c, err := chip.Issue(s.profile, who, s.issuer, chip.IssueOptions{Serial: serial})
	if err != nil {
		t.Fatal(err)
	}
	return c.Files
}

// lend puts the keys of another card of the same state, and its EF.CardSecurity, behind this one's files.
func (s *staged) lend(t testing.TB) bool {
	if !s.has("EF_CardSecurity") {
		return false
	}
	c, err := chip.Issue(s.profile, s.who, s.issuer, chip.IssueOptions{Serial: 1})
	if err != nil {
		t.Fatal(err)
	}
	s.issue.KeysOf = c
	return s.swap("EF_CardSecurity", c.Files["EF_CardSecurity"])
}

func swapped(name string) lie {
	return func(t testing.TB, s *staged) bool { return s.has(name) && s.swap(name, s.other(t, 0, "binh")[name]) }
}

func badHash(n int) lie {
	return func(_ testing.TB, s *staged) bool {
		s.issue.SOD.BadHash = []int{n}
		return s.has(fmt.Sprintf("DG%d", n))
	}
}

func unlisted(n int) lie {
	return func(_ testing.TB, s *staged) bool {
		s.issue.SOD.Unlisted = []int{n}
		return s.has(fmt.Sprintf("DG%d", n))
	}
}

// signedBy is a document signer of the trusted state with something about its certificate.
func signedBy(o chip.CertOptions) lie {
	return func(t testing.TB, s *staged) bool {
		if o.Key == "" {
			o.Key = "P-256"
		}
		iss, err := s.issuer.Signer(o, fmt.Sprintf("lies %+v", o))
		if err != nil {
			t.Fatal(err)
		}
		s.issuer = iss
		return true
	}
}

// stateOf is a whole state with something about it, trusted.
func stateOf(o chip.IssuerOptions) lie {
	return func(t testing.TB, s *staged) bool {
		s.issuer, s.store = authority(t, o)
		return true
	}
}

func sod(change func(*chip.SODOptions)) lie {
	return func(_ testing.TB, s *staged) bool {
		change(&s.issue.SOD)
		return true
	}
}

// nested is an object in an object in an object.
func nested(tag byte, depth int) []byte {
	b := []byte{0x02, 0x01, 0x01}
	for range depth {
		b = lds.AppendTLV(nil, uint32(tag), b)
	}
	return b
}

// reread gives the response in clear where the command reads EF.CardAccess; both go without protection.
func cardAccess(change func(raw []byte) []byte) func(*faultLink) {
	return func(l *faultLink) {
		l.between = func(_ int, cmd, resp []byte) []byte {
			if len(cmd) > 3 && cmd[0] == 0 && cmd[1] == 0xB0 && len(resp) > 4 && resp[0] == 0x31 {
				file := change(resp[:len(resp)-2])
				if file == nil {
					return []byte{0x6A, 0x82}
				}
				return append(bytes.Clone(file), 0x90, 0x00)
			}
			return resp
		}
	}
}

// confirmed makes DG14 repeat what EF.CardAccess says of PACE, as newer cards do.
func confirmed(t testing.TB, s *staged) bool {
	t.Helper()
	if !s.has("EF_CardAccess") || !s.has("DG14") {
		return false
	}
	set, _, err := lds.Expect(s.files["DG14"], 0x6E)
	if err != nil {
		t.Fatal(err)
	}
	infos, _, err := lds.Expect(set, 0x31)
	if err != nil {
		t.Fatal(err)
	}
	offered, _, err := lds.Expect(s.files["EF_CardAccess"], 0x31)
	if err != nil {
		t.Fatal(err)
	}
	if bytes.Contains(infos, []byte("\x04\x00\x7F\x00\x07\x02\x02\x04")) {
		return true // it does already
	}
	all, err := lds.Children(offered)
	if err != nil {
		t.Fatal(err)
	}
	for _, info := range all {
		if bytes.Contains(info.Raw, []byte("\x04\x00\x7F\x00\x07\x02\x02\x04")) {
			infos = append(bytes.Clone(infos), info.Raw...)
		}
	}
	return s.sign(14, lds.AppendTLV(nil, 0x6E, lds.AppendTLV(nil, 0x31, infos)))
}

// first tells the first APDU of chip authentication: MSE:Set with AT or KAT after secure messaging is up.
func beginsChipAuthentication(cmd []byte) bool {
	return len(cmd) > 3 && cmd[0]&0x0C != 0 && cmd[1] == 0x22 && cmd[2] == 0x41
}

// filled is a file of n bytes that says so.
func filled(tag uint32, n int) []byte { return lds.AppendTLV(nil, tag, make([]byte, n)) }

// forever answers every command from the nth on with the same bytes.
func forever(from int, resp ...byte) lie {
	return func(_ testing.TB, s *staged) bool {
		s.link = func(l *faultLink) {
			l.instead = func(n int, _ []byte) ([]byte, bool) { return resp, n >= from }
		}
		return true
	}
}

var lies = map[string]lie{
	"honest": func(testing.TB, *staged) bool { return true },

	// Passive authentication, rule by rule.
	"hash of DG1 is wrong":        badHash(1),
	"hash of DG2 is wrong":        badHash(2),
	"hash of DG13 is wrong":       badHash(13),
	"hash of DG14 is wrong":       badHash(14),
	"hash of DG15 is wrong":       badHash(15),
	"DG1 of another":              swapped("DG1"),
	"DG2 of another":              swapped("DG2"),
	"DG13 of another":             swapped("DG13"),
	"DG14 of another":             swapped("DG14"),
	"DG15 of another":             swapped("DG15"),
	"EF.SOD of another":           swapped("EF_SOD"),
	"DG1 is not listed":           unlisted(1),
	"DG2 is not listed":           unlisted(2),
	"DG13 is not listed":          unlisted(13),
	"DG14 is not listed":          unlisted(14),
	"DG15 is not listed":          unlisted(15),
	"a data group more is listed": sod(func(o *chip.SODOptions) { o.Extra = []int{16} }),
	"a data group more is there": func(_ testing.TB, s *staged) bool {
		if s.issue.ReplaceAfter == nil {
			s.issue.ReplaceAfter = map[string][]byte{}
		}
		s.issue.ReplaceAfter["DG16"] = filled(0x70, 20)
		return !s.has("DG16")
	},
	"signature is wrong":       sod(func(o *chip.SODOptions) { o.BadSignature = true }),
	"message digest is wrong":  sod(func(o *chip.SODOptions) { o.BadMessageDigest = true }),
	"no signed attributes":     sod(func(o *chip.SODOptions) { o.NoSignedAttr = true }),
	"no signing time":          sod(func(o *chip.SODOptions) { o.NoSignedAt = true }),
	"signer by key identifier": sod(func(o *chip.SODOptions) { o.BySKI = true }),
	"no certificate inside":    sod(func(o *chip.SODOptions) { o.NoCert = true }),
	"SHA-1":                    sod(func(o *chip.SODOptions) { o.Hash = "SHA-1" }),
	"SHA-1, which is refused": func(t testing.TB, s *staged) bool {
		s.issue.SOD.Hash = "SHA-1"
		s.store = store(t, true, map[string][]byte{"csca.cer": s.issuer.CSCA()})
		return true
	},
	"unknown algorithm": func(t testing.TB, s *staged) bool {
		known, unknown := []byte{0x06, 8, 0x2A, 0x86, 0x48, 0xCE, 0x3D, 4, 3, 2}, []byte{0x06, 8, 0x2A, 0x86, 0x48, 0xCE, 0x3D, 4, 3, 0x7F}
		raw := s.files["EF_SOD"]
		i := bytes.LastIndex(raw, known)
		return i > len(raw)-100 && s.swap("EF_SOD", slices.Concat(raw[:i], unknown, raw[i+len(known):]))
	},
	"two signers": func(t testing.TB, s *staged) bool {
		more, err := s.issuer.Signer(chip.CertOptions{Key: "P-256"}, "the second")
		if err != nil {
			t.Fatal(err)
		}
		s.issue.SOD.MoreSigners = []*chip.Issuer{more}
		return true
	},
	"a certificate more": func(t testing.TB, s *staged) bool {
		more, err := s.issuer.Signer(chip.CertOptions{Key: "P-256"}, "the second")
		if err != nil {
			t.Fatal(err)
		}
		s.issue.SOD.MoreCerts = [][]byte{more.DocumentSigner()}
		return true
	},
	"another's certificate inside": func(t testing.TB, s *staged) bool {
		more, err := s.issuer.Signer(chip.CertOptions{Key: "P-256"}, "the second")
		if err != nil {
			t.Fatal(err)
		}
		s.issue.SOD.OtherCert = more.DocumentSigner()
		return true
	},
	"signed by a stranger": func(t testing.TB, s *staged) bool {
		s.issuer, _ = authority(t, chip.IssuerOptions{Seed: []byte("stranger")})
		return true
	},
	"signed by a forger with the state's names": func(t testing.TB, s *staged) bool {
		forger, err := s.issuer.Forger()
		if err != nil {
			t.Fatal(err)
		}
		s.issuer = forger
		return true
	},
	"no chain: nobody is trusted": func(_ testing.TB, s *staged) bool {
		s.store = trustingNobody()
		return true
	},
	"signer has run out":                  signedBy(chip.CertOptions{NotBefore: day.AddDate(-5, 0, 0), NotAfter: day.AddDate(0, -1, 0)}),
	"signer is not valid yet":             signedBy(chip.CertOptions{NotBefore: day.AddDate(0, 1, 0), NotAfter: day.AddDate(5, 0, 0)}),
	"signer may not sign":                 signedBy(chip.CertOptions{KeyUsage: chip.UsageKeyEncipherment}),
	"signer's usage is not said":          signedBy(chip.CertOptions{KeyUsage: -1}),
	"signer is for master lists":          signedBy(chip.CertOptions{MasterListSigner: true}),
	"signer with a critical unknown":      signedBy(chip.CertOptions{UnknownCritical: true}),
	"signer with a short key":             signedBy(chip.CertOptions{Key: "RSA-1024"}),
	"signer of SHA-1":                     signedBy(chip.CertOptions{Hash: "SHA-1"}),
	"CSCA of a country that nobody knows": stateOf(chip.IssuerOptions{CSCA: chip.CertOptions{Subject: chip.Name{Country: "ZZ", CommonName: "Invented CSCA of nowhere"}}}),
	"signer of another country": stateOf(chip.IssuerOptions{Seed: []byte("abroad"),
		CSCA: chip.CertOptions{Subject: chip.Name{Country: "LA", CommonName: "Abroad CSCA"}},
		DS:   chip.CertOptions{Subject: chip.Name{Country: "LA", CommonName: "Abroad DS"}}}),
	"signer of a country that nobody knows": stateOf(chip.IssuerOptions{Seed: []byte("nowhere"),
		CSCA: chip.CertOptions{Subject: chip.Name{Country: "XO", CommonName: "Nowhere CSCA"}},
		DS:   chip.CertOptions{Subject: chip.Name{Country: "XO", CommonName: "Nowhere DS"}}}),
	"signer is revoked": func(t testing.TB, s *staged) bool {
		crl, err := s.issuer.CRL(day.AddDate(0, 0, -1), day.AddDate(0, 1, 0), s.issuer.DocumentSigner())
		if err != nil {
			t.Fatal(err)
		}
		s.store = store(t, false, map[string][]byte{"csca.cer": s.issuer.CSCA(), "list.crl": crl})
		return true
	},
	"another signer is revoked": func(t testing.TB, s *staged) bool {
		more, err := s.issuer.Signer(chip.CertOptions{Key: "P-256"}, "the second")
		if err != nil {
			t.Fatal(err)
		}
		crl, err := s.issuer.CRL(day.AddDate(0, 0, -1), day.AddDate(0, 1, 0), more.DocumentSigner())
		if err != nil {
			t.Fatal(err)
		}
		s.store = store(t, false, map[string][]byte{"csca.cer": s.issuer.CSCA(), "list.crl": crl})
		return true
	},
	"no EF.SOD": func(_ testing.TB, s *staged) bool { return s.swap("EF_SOD", nil) },

	// A session that was recorded is played again.
	"replayed session": func(t testing.TB, s *staged) bool {
		c, err := chip.Issue(s.profile, s.who, s.issuer, s.issue)
		if err != nil {
			t.Fatal(err)
		}
		var record [][]byte
		l := newFaultLink(c.Chip(chip.Options{}))
		l.between = func(_ int, _, resp []byte) []byte {
			record = append(record, bytes.Clone(resp))
			return resp
		}
		if _, err := icao.Read(t.Context(), l, icao.Options{Key: s.key, Portrait: true, Trust: s.store, Now: l.clock}); err != nil {
			t.Fatal(err)
		}
		s.link = func(l *faultLink) {
			l.instead = func(n int, _ []byte) ([]byte, bool) {
				if n < len(record) {
					return record[n], true
				}
				return []byte{0x69, 0x82}, true
			}
		}
		return true
	},

	// Somebody changes EF.CardAccess, which nothing protects.
	"EF.CardAccess hidden, DG14 confirms PACE, BAC is there": func(t testing.TB, s *staged) bool {
		s.link = cardAccess(func([]byte) []byte { return nil })
		if !s.profile.BAC || s.profile.Document == "td1" {
			s.key = mrzKey(t, s.who, s.who.MRZ())
		}
		return confirmed(t, s) && s.profile.BAC
	},
	"EF.CardAccess emptied, DG14 confirms PACE, BAC is there": func(t testing.TB, s *staged) bool {
		s.link = cardAccess(func([]byte) []byte { return []byte{0x31, 0x00} })
		if s.profile.Document == "td1" {
			s.key = mrzKey(t, s.who, s.who.MRZ())
		}
		return confirmed(t, s) && s.profile.BAC
	},
	"EF.CardAccess hidden, no BAC, CAN": func(t testing.TB, s *staged) bool {
		s.link = cardAccess(func([]byte) []byte { return nil })
		s.key = lds.Key{CAN: s.who.CAN(), From: lds.FromCAN}
		return s.has("EF_CardAccess") && !s.profile.BAC
	},
	"EF.CardAccess hidden, no BAC, MRZ": func(t testing.TB, s *staged) bool {
		s.link = cardAccess(func([]byte) []byte { return nil })
		s.key = mrzKey(t, s.who, s.who.MRZ())
		if s.profile.Document == "td3" {
			s.key = mrzKey(t, s.who, s.who.PassportMRZ())
		}
		return s.has("EF_CardAccess") && !s.profile.BAC
	},
	"EF.CardAccess offers what the chip has not": func(_ testing.TB, s *staged) bool {
		// The cipher is the last byte of PACE's object identifier: 3DES 1, AES-128 2 …
		s.link = cardAccess(func(raw []byte) []byte {
			i := bytes.Index(raw, []byte("\x04\x00\x7F\x00\x07\x02\x02\x04"))
			if i < 0 {
				return raw
			}
			raw = bytes.Clone(raw)
			raw[i+9] = raw[i+9]%4 + 1
			return raw
		})
		return s.has("EF_CardAccess")
	},

	// Chip authentication with the help of another document.
	"DG14 and DG15 of the person's other card": func(t testing.TB, s *staged) bool {
		files := s.other(t, 1, "")
		return s.has("DG14") && s.swap("DG14", files["DG14"]) && (!s.has("DG15") || s.swap("DG15", files["DG15"]))
	},
	"another card answers from chip authentication on": func(t testing.TB, s *staged) bool {
		if s.profile.CA == nil {
			return false
		}
		s.profile.SparseDG14 = s.profile.SparseDG14 || s.has("EF_CardSecurity") // else PACE is the proof, and chip authentication is not run
		c, err := chip.Issue(s.profile, s.who, s.issuer, chip.IssueOptions{Serial: 1})
		if err != nil {
			t.Fatal(err)
		}
		s.link = func(l *faultLink) {
			l.seen = func(cmd []byte) {
				if beginsChipAuthentication(cmd) {
					l.chip, l.seen = c.Chip(chip.Options{}), nil
				}
			}
		}
		return true
	},
	// The proof within PACE, with the help of another document of the same state: EF.CardSecurity names none.
	"another's genuine chip behind these files": func(t testing.TB, s *staged) bool { return s.lend(t) },
	"another's genuine chip behind these files, and nothing else to ask": func(t testing.TB, s *staged) bool {
		s.profile.CA, s.profile.MoreCA, s.profile.SparseDG14 = nil, nil, true
		return s.lend(t)
	},
	"another's genuine card comes in when a session has broken": func(t testing.TB, s *staged) bool {
		if !s.has("EF_CardSecurity") {
			return false
		}
		s.profile.CA, s.profile.MoreCA, s.profile.SparseDG14 = nil, nil, true
		c, err := chip.Issue(s.profile, s.who, s.issuer, chip.IssueOptions{Serial: 1})
		if err != nil {
			t.Fatal(err)
		}
		s.link = func(l *faultLink) {
			l.seen = func(cmd []byte) {
				if cmd[0]&0x0C != 0 && cmd[1] == 0xA4 && cmd[2] == 0 { // on the way to EF.CardSecurity; this one knows no session
					l.chip, l.seen = c.Chip(chip.Options{}), nil
				}
			}
		}
		return true
	},
	"the mapping's key is in EF.CardSecurity only": func(_ testing.TB, s *staged) bool {
		s.profile.SparseDG14 = true
		return s.has("EF_CardSecurity")
	},
	"the mapping's key is in EF.CardSecurity only, and nothing else to ask": func(_ testing.TB, s *staged) bool {
		s.profile.CA, s.profile.MoreCA, s.profile.SparseDG14 = nil, nil, true
		return s.has("EF_CardSecurity")
	},
	"files of a card whose keys are another's": func(_ testing.TB, s *staged) bool {
		s.profile.Clone = "wrong-key"
		return s.profile.CA != nil
	},

	// Files without end.
	"EF.SOD of 1 MiB": func(_ testing.TB, s *staged) bool { return s.swap("EF_SOD", filled(0x77, 1<<20)) },
	"DG1 of 1 MiB":    func(_ testing.TB, s *staged) bool { return s.swap("DG1", filled(0x61, 1<<20)) },
	"DG2 of 1 MiB":    func(_ testing.TB, s *staged) bool { return s.swap("DG2", filled(0x75, 1<<20)) },
	"DG13 of 1 MiB":   func(_ testing.TB, s *staged) bool { return s.swap("DG13", filled(0x6D, 1<<20)) },
	"DG14 of 1 MiB":   func(_ testing.TB, s *staged) bool { return s.swap("DG14", filled(0x6E, 1<<20)) },
	"DG15 of 1 MiB":   func(_ testing.TB, s *staged) bool { return s.swap("DG15", filled(0x6F, 1<<20)) },
	"DG2 says 4 GiB": func(_ testing.TB, s *staged) bool {
		return s.swap("DG2", []byte{0x75, 0x84, 0xFF, 0xFF, 0xFF, 0xFF, 1, 2, 3})
	},
	"DG2 says more than is there": func(_ testing.TB, s *staged) bool {
		return s.swap("DG2", []byte{0x75, 0x82, 0x40, 0x00, 1, 2, 3})
	},
	"EF.SOD says more than is there": func(_ testing.TB, s *staged) bool {
		return s.swap("EF_SOD", []byte{0x77, 0x82, 0x40, 0x00, 1, 2, 3})
	},
	"every answer is 9000":        forever(0, 0x90, 0x00),
	"every answer is 61FF":        forever(0, 0x61, 0xFF),
	"every answer is 6C00":        forever(0, 0x6C, 0x00),
	"every answer is 6282":        forever(0, 0x62, 0x82),
	"from APDU 5 on 9000":         forever(5, 0x90, 0x00),
	"from APDU 5 on 61FF":         forever(5, 0x61, 0xFF),
	"from APDU 12 on 9000":        forever(12, 0x90, 0x00),
	"from APDU 12 on nothing":     forever(12),
	"every answer is 64 KiB":      forever(0, append(bytes.Repeat([]byte{0x31}, 65536), 0x90, 0x00)...),
	"every answer is zero length": forever(0, 0x31, 0x00, 0x90, 0x00),

	// TLV that is deep, long or many, signed like that: the forger is a state.
	"DG1 nested 5,000 deep, signed":  func(_ testing.TB, s *staged) bool { return s.sign(1, lds.AppendTLV(nil, 0x61, nested(0x30, 5000))) },
	"DG2 nested 5,000 deep, signed":  func(_ testing.TB, s *staged) bool { return s.sign(2, lds.AppendTLV(nil, 0x75, nested(0x30, 5000))) },
	"DG13 nested 5,000 deep, signed": func(_ testing.TB, s *staged) bool { return s.sign(13, lds.AppendTLV(nil, 0x6D, nested(0x30, 5000))) },
	"DG14 nested 5,000 deep, signed": func(_ testing.TB, s *staged) bool { return s.sign(14, lds.AppendTLV(nil, 0x6E, nested(0x31, 5000))) },
	"DG15 nested 5,000 deep, signed": func(_ testing.TB, s *staged) bool { return s.sign(15, lds.AppendTLV(nil, 0x6F, nested(0x30, 5000))) },
	"EF.SOD nested 5,000 deep": func(_ testing.TB, s *staged) bool {
		return s.swap("EF_SOD", lds.AppendTLV(nil, 0x77, nested(0x30, 5000)))
	},
	"EF.CardAccess nested 60 deep": func(_ testing.TB, s *staged) bool { return s.swap("EF_CardAccess", nested(0x31, 60)) },
	"EF.CardAccess of 10,000 entries": func(_ testing.TB, s *staged) bool {
		return s.swap("EF_CardAccess", lds.AppendTLV(nil, 0x31, bytes.Repeat([]byte{0x30, 0x00}, 10000)))
	},
	"DG14 of 10,000 entries, signed": func(_ testing.TB, s *staged) bool {
		return s.sign(14, lds.AppendTLV(nil, 0x6E, lds.AppendTLV(nil, 0x31, bytes.Repeat([]byte{0x30, 0x00}, 10000))))
	},
	"DG2 of 255 pictures that are none, signed": func(_ testing.TB, s *staged) bool {
		return s.sign(2, lds.AppendTLV(nil, 0x75, lds.AppendTLV(nil, 0x7F61, append([]byte{0x02, 0x01, 0xFF}, bytes.Repeat([]byte{0x7F, 0x60, 0x02, 0x5F, 0x2E}, 10000)...))))
	},
	"DG13 of 10,000 fields, signed": func(_ testing.TB, s *staged) bool {
		return s.sign(13, lds.AppendTLV(nil, 0x6D, lds.AppendTLV(nil, 0x30, bytes.Repeat([]byte{0x30, 0x03, 0x02, 0x01, 0x01}, 10000))))
	},
	"DG1 in lengths that are longer than need be, signed": func(_ testing.TB, s *staged) bool {
		body := s.files["DG1"][2:] // 61 5B 5F1F 58 …
		return s.sign(1, slices.Concat([]byte{0x61, 0x84, 0, 0, 0, byte(len(body))}, body))
	},
	"DG1 of indefinite length, signed": func(_ testing.TB, s *staged) bool {
		return s.sign(1, slices.Concat([]byte{0x61, 0x80}, s.files["DG1"][2:], []byte{0, 0}))
	},
	"DG1 with another tag, signed": func(_ testing.TB, s *staged) bool {
		return s.sign(1, append([]byte{0x62}, s.files["DG1"][1:]...))
	},
	"DG2 with another tag, signed": func(_ testing.TB, s *staged) bool {
		return s.has("DG2") && s.sign(2, append([]byte{0x76}, s.files["DG2"][1:]...))
	},
	"EF.SOD with another tag": func(_ testing.TB, s *staged) bool {
		return s.swap("EF_SOD", append([]byte{0x78}, s.files["EF_SOD"][1:]...))
	},
	"DG14 of two same keys, signed": func(_ testing.TB, s *staged) bool {
		if !s.has("DG14") {
			return false
		}
		set, _, err := lds.Expect(s.files["DG14"], 0x6E)
		if err != nil {
			return false
		}
		infos, _, err := lds.Expect(set, 0x31)
		return err == nil && s.sign(14, lds.AppendTLV(nil, 0x6E, lds.AppendTLV(nil, 0x31, slices.Concat(infos, infos))))
	},
	"chip authentication key that is no point": func(_ testing.TB, s *staged) bool {
		if s.profile.CA == nil {
			return false
		}
		ca := *s.profile.CA
		ca.Corrupted = true
		s.profile.CA = &ca
		return true
	},
}

// told is what is said of a lie, in the words of the table.
func told(doc *icao.Document, err error, clean *icao.Document) map[string]string {
	v, c := doc.Verdicts, clean.Verdicts
	exchange := func(x, clean lds.ExchangeVerdict) string {
		if x == clean {
			return "="
		}
		return strings.TrimSpace(string(x.Status) + " " + string(x.Reason))
	}
	m := map[string]string{
		"error": "-", "access": strings.TrimSpace(fmt.Sprintf("%s %s", v.Access.Status, v.Access.Protocol)),
		"passive": strings.TrimSpace(string(v.PassiveAuthentication.Status) + " " + string(v.PassiveAuthentication.Reason)),
		"chip":    exchange(v.ChipAuthentication, c.ChipAuthentication),
		"active":  exchange(v.ActiveAuthentication, c.ActiveAuthentication),
	}
	if v.Access == c.Access {
		m["access"] = "="
	}
	if err != nil {
		m["error"] = string(checkin.Explain(err).ID)
	}
	var missing, warnings []string
	for id := range doc.Missing {
		if clean.Missing[id] == nil {
			missing = append(missing, string(id))
		}
	}
	for _, w := range slices.Concat(doc.Warnings, v.PassiveAuthentication.Warnings) {
		if !slices.Contains(clean.Warnings, w) && !slices.Contains(c.PassiveAuthentication.Warnings, w) {
			warnings = append(warnings, string(w))
		}
	}
	slices.Sort(missing)
	slices.Sort(warnings)
	m["missing"], m["warnings"] = "-", "-"
	if len(missing) > 0 {
		m["missing"] = strings.Join(missing, " ")
	}
	if len(warnings) > 0 {
		m["warnings"] = strings.Join(warnings, " ")
	}
	return m
}

var liesColumns = []string{"error", "access", "passive", "chip", "active", "missing", "warnings"}

// TestLies: every lie on every honest kind of card, and what the table says of it.
func TestLies(t *testing.T) {
	rows, lines := table(t, "lies.tsv", 1+len(liesColumns))
	type want struct {
		line  int
		cells map[string]string
	}
	wants := map[string]want{}
	for i, row := range rows {
		w := want{lines[i], map[string]string{}}
		for j, name := range liesColumns {
			w.cells[name] = row[j+1]
		}
		if lies[row[0]] == nil {
			t.Errorf("lies.tsv:%d: nobody tells %q", lines[i], row[0])
		}
		wants[row[0]] = w
	}
	an, err := chip.PersonaByName("an")
	if err != nil {
		t.Fatal(err)
	}
	an.Portrait = smallPhoto
	trusted := store(t, false, map[string][]byte{"csca.cer": quick().CSCA()})
	var counts tally
	var mu sync.Mutex
	learned := map[string]map[string][]string{}
	met := map[string]bool{}
	all := chip.Profiles()
	if !campaign {
		all = slices.DeleteFunc(all, func(p chip.Profile) bool {
			return p.Name != "cccd-mk" && p.Name != "passport-pace-gm" && p.Name != "passport-bac" && p.Name != "passport-pace-cam"
		})
	}
	begin := time.Now()
	work := make(chan chip.Profile)
	var wg sync.WaitGroup
	for range runtime.GOMAXPROCS(0) {
		wg.Go(func() {
			for p := range work {
				curve(&p, "P-256")
				s := newSubject(t, p.Name, p, an, quick())
				for _, name := range slices.Sorted(maps.Keys(lies)) {
					st := &staged{profile: p, issuer: quick(), store: trusted, key: s.options.Key, files: s.content.Files, who: s.who}
					if !lies[name](t, st) {
						continue
					}
					c, err := chip.Issue(st.profile, an, st.issuer, st.issue)
					if err != nil {
						t.Errorf("%s, %s: %v", p.Name, name, err)
						continue
					}
					l := newFaultLink(c.Chip(chip.Options{}))
					if st.link != nil {
						st.link(l)
					}
					var before, after runtime.MemStats
					runtime.ReadMemStats(&before)
					o := s.options
					o.Key, o.Trust, o.Now = st.key, st.store, l.clock
					doc, err := icao.Read(t.Context(), l, o)
					runtime.ReadMemStats(&after)
					// Two at a time share the count; a bound for what a bomb would take.
					if used := after.TotalAlloc - before.TotalAlloc; used > 1<<30 {
						t.Errorf("%s, %s: %d MiB allocated", p.Name, name, used>>20)
					}
					got := told(doc, err, s.clean)
					mu.Lock()
					met[name] = true
					row := strings.Join(columns(got), "\t")
					if learned[name] == nil {
						learned[name] = map[string][]string{}
					}
					learned[name][row] = append(learned[name][row], p.Name)
					mu.Unlock()
					counts.add(name, got["error"]+" / "+got["passive"])
					w, ok := wants[name]
					if !ok {
						t.Errorf("lies.tsv has no row for %q: %s", name, row)
						continue
					}
					honest := map[string]lds.Status{"chip": s.clean.Verdicts.ChipAuthentication.Status, "active": s.clean.Verdicts.ActiveAuthentication.Status}
					for _, col := range liesColumns {
						if !allowed(w.cells[col], got[col], honest[col]) {
							t.Errorf("lies.tsv:%d: %s on %s: %s is %q, want %q (%v)", w.line, name, p.Name, col, got[col], w.cells[col], err)
						}
					}
					if err != nil && tells(s.who, err) {
						t.Errorf("%s, %s: the error holds personal data", p.Name, name)
					}
					if doc.Identity != nil && doc.Identity.Number != s.clean.Identity.Number {
						t.Errorf("%s, %s: another person", p.Name, name)
					}
				}
				if doc, err := s.tap(t.Context(), s.content.Chip(chip.Options{}), 0, nil); err != nil || len(differences(s.clean, doc)) > 0 {
					t.Errorf("%s: the good tap after all lies: %v", p.Name, err)
				}
			}
		})
	}
	for _, p := range all {
		if !p.NoApplication && !p.Forged && p.Clone == "" && !p.Revoked {
			work <- p
		}
	}
	close(work)
	wg.Wait()
	t.Logf("%d lies, %d cases in %v", len(met), counts.total(), time.Since(begin).Round(time.Second))
	if campaign {
		t.Logf("\n%s", &counts)
		for name := range lies {
			if !met[name] {
				t.Errorf("no card tells %q", name)
			}
		}
	}
	if t.Failed() {
		var b strings.Builder
		for _, name := range slices.Sorted(maps.Keys(learned)) {
			for row, who := range learned[name] {
				fmt.Fprintf(&b, "%s\t%s\t%v\n", name, row, who)
			}
		}
		t.Logf("what was said:\n%s", b.String())
	}
}

func columns(m map[string]string) []string {
	var list []string
	for _, c := range liesColumns {
		list = append(list, m[c])
	}
	return list
}

// allowed: a cell holds one value, several parted by " | ", or "*". "=" beside others is for cards that have no such feature: where the
// honest card passes it must be said as "==".
func allowed(cell, got string, honest lds.Status) bool {
	values := strings.Split(cell, " | ")
	if got == "=" && len(values) > 1 && honest == lds.Passed {
		got = "=="
	}
	return cell == "*" || slices.Contains(values, got)
}
