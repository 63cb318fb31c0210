package chip

import (
	"bytes"
	"crypto/x509"
	"encoding/asn1"
	"math/big"
	"slices"
	"strings"
	"testing"
	"time"
)

// The standard library is an independent reader of certificates, for the keys that it knows.
func TestCertificatesAgainstStandardLibrary(t *testing.T) {
	for _, tt := range []struct{ csca, ds CertOptions }{
		{CertOptions{Key: "P-256", Named: true}, CertOptions{Key: "P-256", Named: true}},
		{CertOptions{Key: "P-384", Named: true, Hash: "SHA-384"}, CertOptions{Key: "RSA-2048", Hash: "SHA-384"}},
		{CertOptions{Key: "P-521", Named: true, Hash: "SHA-512"}, CertOptions{Key: "P-256", Named: true, Hash: "SHA-512"}},
		{CertOptions{Key: "RSA-2048"}, CertOptions{Key: "P-256", Named: true}},
		{CertOptions{Key: "RSA-2048", PSS: true}, CertOptions{Key: "RSA-2048", PSS: true}},
	} {
		t.Run(tt.csca.Key+" "+tt.ds.Key, func(t *testing.T) {
			iss, err := NewIssuer(IssuerOptions{Seed: []byte("x509"), CSCA: tt.csca, DS: tt.ds})
			if err != nil {
				t.Fatal(err)
			}
			csca, err := x509.ParseCertificate(iss.CSCA())
			if err != nil {
				t.Fatal(err)
			}
			ds, err := x509.ParseCertificate(iss.DocumentSigner())
			if err != nil {
				t.Fatal(err)
			}
			if err := csca.CheckSignatureFrom(csca); err != nil {
				t.Errorf("CSCA: %v", err)
			}
			if err := ds.CheckSignatureFrom(csca); err != nil {
				t.Errorf("document signer: %v", err)
			}
			if !csca.IsCA || csca.KeyUsage != x509.KeyUsageCertSign|x509.KeyUsageCRLSign || ds.KeyUsage != x509.KeyUsageDigitalSignature {
				t.Errorf("usage %v %v %v", csca.IsCA, csca.KeyUsage, ds.KeyUsage)
			}
			if !bytes.Equal(ds.AuthorityKeyId, csca.SubjectKeyId) || len(csca.SubjectKeyId) == 0 || !bytes.Equal(iss.CSCAKeyIdentifier(), csca.SubjectKeyId) {
				t.Error("key identifiers do not fit")
			}
			if got := ds.Issuer.String(); got != csca.Subject.String() || !slices.Equal(ds.Issuer.Country, []string{"VN"}) {
				t.Errorf("issuer %s", got)
			}
			der, err := iss.CRL(time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC), time.Date(2026, 7, 1, 0, 0, 0, 0, time.UTC), iss.DocumentSigner())
			if err != nil {
				t.Fatal(err)
			}
			crl, err := x509.ParseRevocationList(der)
			if err != nil {
				t.Fatal(err)
			}
			if err := crl.CheckSignatureFrom(csca); err != nil {
				t.Errorf("CRL: %v", err)
			}
			if len(crl.RevokedCertificateEntries) != 1 || crl.RevokedCertificateEntries[0].SerialNumber.Cmp(ds.SerialNumber) != 0 {
				t.Error("CRL does not name the signer")
			}
		})
	}
}

func TestCertificateOptions(t *testing.T) {
	from, to := time.Date(2019, 1, 1, 0, 0, 0, 0, time.UTC), time.Date(2060, 1, 1, 0, 0, 0, 0, time.UTC)
	iss, err := NewIssuer(IssuerOptions{
		CSCA: CertOptions{Key: "P-256", Named: true, KeyUsage: UsageDigitalSignature, NotCA: true, Subject: Name{Country: "XX", CommonName: "other"}, KeyIdentifier: []byte{1, 2, 3}},
		DS:   CertOptions{Key: "P-256", Named: true, NotBefore: from, NotAfter: to, KeyUsage: -1, UnknownCritical: true},
	})
	if err != nil {
		t.Fatal(err)
	}
	csca, err := x509.ParseCertificate(iss.CSCA())
	if err != nil {
		t.Fatal(err)
	}
	ds, err := x509.ParseCertificate(iss.DocumentSigner())
	if err != nil {
		t.Fatal(err)
	}
	if csca.IsCA || csca.KeyUsage != x509.KeyUsageDigitalSignature || csca.Subject.String() != "CN=other,C=XX" || !bytes.Equal(csca.SubjectKeyId, []byte{1, 2, 3}) {
		t.Errorf("CSCA: %v %v %v %X", csca.IsCA, csca.KeyUsage, csca.Subject, csca.SubjectKeyId)
	}
	if !ds.NotBefore.Equal(from) || !ds.NotAfter.Equal(to) || ds.KeyUsage != 0 || len(ds.UnhandledCriticalExtensions) != 1 || !bytes.Equal(ds.AuthorityKeyId, []byte{1, 2, 3}) {
		t.Errorf("document signer: %v %v %v %v", ds.NotBefore, ds.NotAfter, ds.KeyUsage, ds.UnhandledCriticalExtensions)
	}
	bare, err := NewIssuer(IssuerOptions{CSCA: CertOptions{Key: "P-256", Named: true, NoKeyIdentifiers: true, PathLen: -1}})
	if err != nil {
		t.Fatal(err)
	}
	if c, err := x509.ParseCertificate(bare.CSCA()); err != nil || len(c.SubjectKeyId) != 0 || c.MaxPathLen != -1 {
		t.Errorf("without key identifiers: %v", err)
	}
	for _, o := range []CertOptions{{Key: "P-1"}, {Key: "RSA-x"}, {Key: "RSA-512"}, {Hash: "MD5"}} {
		if _, err := NewIssuer(IssuerOptions{CSCA: o}); err == nil {
			t.Errorf("%+v: no error", o)
		}
		if _, err := NewIssuer(IssuerOptions{DS: o}); err == nil && o.Hash == "" {
			t.Errorf("%+v: no error", o)
		}
	}
}

// cmsSOD is what encoding/asn1, as an independent reader, makes of an EF.SOD without its tag 77.
type cmsSOD struct {
	Type    asn1.ObjectIdentifier
	Content struct {
		Version int
		Digests asn1.RawValue
		Encap   struct {
			Type    asn1.ObjectIdentifier
			Content []byte `asn1:"explicit,tag:0"`
		}
		Certs   asn1.RawValue `asn1:"optional,tag:0"`
		Signers []cmsSigner   `asn1:"set"`
	} `asn1:"explicit,tag:0"`
}

type cmsSigner struct {
	Version   int
	SID       asn1.RawValue
	Digest    asn1.RawValue
	Attrs     asn1.RawValue `asn1:"optional,tag:0"`
	Alg       asn1.RawValue
	Signature []byte
}

type ldsObject struct {
	Version int
	Hash    asn1.RawValue
	Hashes  []struct {
		Number int
		Hash   []byte
	}
}

func parseSOD(t *testing.T, b []byte) (cmsSOD, ldsObject) {
	t.Helper()
	do, rest, ok := takeTLV(b)
	if !ok || do.tag != 0x77 || len(rest) != 0 {
		t.Fatal("no tag 77")
	}
	var s cmsSOD
	if rest, err := asn1.Unmarshal(do.value, &s); err != nil || len(rest) > 0 {
		t.Fatalf("SignedData: %v", err)
	}
	var l ldsObject
	if rest, err := asn1.Unmarshal(s.Content.Encap.Content, &l); err != nil || len(rest) > 0 {
		t.Fatalf("LDS security object: %v", err)
	}
	return s, l
}

// signed says whether a signer's signature and message digest are right, for the elliptic keys of this package.
func (s cmsSigner) signed(h hashAlg, k *key, content []byte) (signature, digest bool) {
	var rs struct{ R, S *big.Int }
	if _, err := asn1.Unmarshal(s.Signature, &rs); err != nil {
		return false, false
	}
	if len(s.Attrs.FullBytes) == 0 {
		return k.c.ecdsaVerify(k.pub, h.sum(content), rs.R, rs.S), true
	}
	over := append([]byte{0x31}, s.Attrs.FullBytes[1:]...)
	return k.c.ecdsaVerify(k.pub, h.sum(over), rs.R, rs.S), bytes.Contains(over, octets(h.sum(content)))
}

func TestSOD(t *testing.T) {
	iss := mustIssuer(t)
	other, err := iss.Signer(CertOptions{}, "0002")
	if err != nil {
		t.Fatal(err)
	}
	groups := map[int][]byte{1: []byte("one"), 2: []byte("two"), 13: []byte("thirteen")}
	for name, tt := range map[string]struct {
		o                 SODOptions
		hash              string
		signature, digest bool
		listed            []int
		badHash           int
		signers, certs    int
	}{
		"right":            {SODOptions{}, "SHA-256", true, true, []int{1, 2, 13}, 0, 1, 1},
		"SHA-1":            {SODOptions{Hash: "SHA-1"}, "SHA-1", true, true, []int{1, 2, 13}, 0, 1, 1},
		"SHA-512":          {SODOptions{Hash: "SHA-512", SignedAt: time.Date(2024, 5, 6, 0, 0, 0, 0, time.UTC)}, "SHA-512", true, true, []int{1, 2, 13}, 0, 1, 1},
		"no attributes":    {SODOptions{NoSignedAttr: true}, "SHA-256", true, true, []int{1, 2, 13}, 0, 1, 1},
		"by SKI":           {SODOptions{BySKI: true}, "SHA-256", true, true, []int{1, 2, 13}, 0, 1, 1},
		"no certificate":   {SODOptions{NoCert: true}, "SHA-256", true, true, []int{1, 2, 13}, 0, 1, 0},
		"wrong hash":       {SODOptions{BadHash: []int{13}}, "SHA-256", true, true, []int{1, 2, 13}, 13, 1, 1},
		"unlisted":         {SODOptions{Unlisted: []int{2}, Extra: []int{15}}, "SHA-256", true, true, []int{1, 13, 15}, 15, 1, 1},
		"wrong signature":  {SODOptions{BadSignature: true}, "SHA-256", false, true, []int{1, 2, 13}, 0, 1, 1},
		"wrong digest":     {SODOptions{BadMessageDigest: true}, "SHA-256", true, false, []int{1, 2, 13}, 0, 1, 1},
		"two signers":      {SODOptions{MoreSigners: []*Issuer{other}}, "SHA-256", true, true, []int{1, 2, 13}, 0, 2, 2},
		"two certificates": {SODOptions{MoreCerts: [][]byte{other.DocumentSigner()}}, "SHA-256", true, true, []int{1, 2, 13}, 0, 1, 2},
		"other's":          {SODOptions{OtherCert: other.DocumentSigner()}, "SHA-256", true, true, []int{1, 2, 13}, 0, 1, 1},
	} {
		t.Run(name, func(t *testing.T) {
			b, err := iss.SOD(groups, tt.o)
			if err != nil {
				t.Fatal(err)
			}
			s, l := parseSOD(t, b)
			h, err := hashByName(tt.hash)
			if err != nil {
				t.Fatal(err)
			}
			var listed []int
			bad := 0
			for _, e := range l.Hashes {
				listed = append(listed, e.Number)
				if !bytes.Equal(e.Hash, h.sum(groups[e.Number])) || groups[e.Number] == nil {
					bad = e.Number
				}
			}
			if !slices.Equal(listed, tt.listed) || bad != tt.badHash {
				t.Errorf("listed %v, wrong hash in %d", listed, bad)
			}
			if len(s.Content.Signers) != tt.signers {
				t.Fatalf("%d signers", len(s.Content.Signers))
			}
			// With two signers the DER order of the set decides which is first.
			sig, dig := s.Content.Signers[0].signed(h, iss.ds, s.Content.Encap.Content)
			if tt.signers == 2 && !sig {
				sig, dig = s.Content.Signers[1].signed(h, iss.ds, s.Content.Encap.Content)
			}
			if sig != tt.signature || dig != tt.digest {
				t.Errorf("signature %v, message digest %v", sig, dig)
			}
			certs, ok := allTLV(s.Content.Certs.Bytes)
			if !ok || len(certs) != tt.certs {
				t.Errorf("%d certificates", len(certs))
			}
		})
	}
	if _, err := iss.SOD(groups, SODOptions{Hash: "MD5"}); err == nil {
		t.Error("unknown hash is taken")
	}
}

func TestMasterList(t *testing.T) {
	iss := mustIssuer(t)
	signer, err := iss.Signer(CertOptions{Key: "P-256", Named: true, MasterListSigner: true}, "list")
	if err != nil {
		t.Fatal(err)
	}
	forged, err := iss.Forger()
	if err != nil {
		t.Fatal(err)
	}
	b, err := signer.MasterList(time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC), iss.CSCA(), forged.CSCA())
	if err != nil {
		t.Fatal(err)
	}
	var s cmsSOD
	if rest, err := asn1.Unmarshal(b, &s); err != nil || len(rest) > 0 {
		t.Fatal(err)
	}
	var list struct {
		Version int
		Certs   []asn1.RawValue `asn1:"set"`
	}
	if rest, err := asn1.Unmarshal(s.Content.Encap.Content, &list); err != nil || len(rest) > 0 || len(list.Certs) != 2 {
		t.Fatalf("%d certificates, %v", len(list.Certs), err)
	}
	if s.Content.Encap.Type.String() != "2.23.136.1.1.2" {
		t.Errorf("content type %v", s.Content.Encap.Type)
	}
	if sig, dig := s.Content.Signers[0].signed(hashAlgs[2], signer.ds, s.Content.Encap.Content); !sig || !dig {
		t.Errorf("signature %v, message digest %v", sig, dig)
	}
}

func TestForger(t *testing.T) {
	iss := mustIssuer(t)
	forged, err := iss.Forger()
	if err != nil {
		t.Fatal(err)
	}
	serial, issuerName, err := serialAndIssuer(forged.DocumentSigner())
	if err != nil {
		t.Fatal(err)
	}
	realSerial, realName, err := serialAndIssuer(iss.DocumentSigner())
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(issuerName, realName) || bytes.Equal(serial, realSerial) || bytes.Equal(forged.CSCA(), iss.CSCA()) || forged.ds.pub.equal(iss.ds.pub) {
		t.Error("a forger has the names, and nothing else")
	}
	c, err := New(mustProfile(t, "forgery"), mustPersona(t, "an"), iss, Options{})
	if err != nil {
		t.Fatal(err)
	}
	sod := c.Files()["EF_SOD"]
	if bytes.Contains(sod, iss.DocumentSigner()) || !bytes.Contains(sod, forged.DocumentSigner()) {
		t.Error("the forgery is not signed by the forger")
	}
}

func TestTamperedCard(t *testing.T) {
	card, err := Issue(mustProfile(t, "cccd-mk"), mustPersona(t, "an"), mustIssuer(t), IssueOptions{
		Replace:      map[int][]byte{13: {0x6D, 0}, 2: nil},
		ReplaceAfter: map[string][]byte{"DG1": []byte("other"), "EF_COM": nil},
	})
	if err != nil {
		t.Fatal(err)
	}
	_, l := parseSOD(t, card.Files["EF_SOD"])
	for _, e := range l.Hashes {
		ok := bytes.Equal(e.Hash, hashAlgs[2].sum(card.Files[dgName(e.Number)]))
		if e.Number == 2 || ok == (e.Number == 1) {
			t.Errorf("DG%d: hash fits: %v", e.Number, ok)
		}
	}
	if _, has := card.Files["EF_COM"]; has {
		t.Error("EF.COM was not taken away")
	}
}

func TestPersonas(t *testing.T) {
	seen := map[string]bool{}
	for _, p := range Personas() {
		t.Run(p.ID, func(t *testing.T) {
			if seen[p.Number] || seen[p.ID] {
				t.Error("twice")
			}
			seen[p.Number], seen[p.ID] = true, true
			// Digit 4 of the number is century and sex, digits 5 and 6 the year of birth.
			century := map[string]int{"male1900": 0, "female1900": 1, "male2000": 2, "female2000": 3}[p.Sex+p.DateOfBirth[:2]+"00"]
			if int(p.Number[3]-'0') != century || p.Number[4:6] != p.DateOfBirth[2:4] {
				t.Error("number does not fit sex and year of birth")
			}
			// Luật Căn cước 26/2023, article 21: renewal at 14, 25, 40 and 60; a card that is issued in the two years before
			// holds until the next of them.
			born, _ := time.Parse(time.DateOnly, p.DateOfBirth)
			issued, _ := time.Parse(time.DateOnly, p.IssuedAt)
			want := ""
			for _, age := range []int{14, 25, 40, 60} {
				if d := born.AddDate(age, 0, 0); issued.Before(d.AddDate(-2, 0, 0)) {
					want = d.Format(time.DateOnly)
					break
				}
			}
			if p.ExpiresAt != want || p.NoExpiry != (want == "") {
				t.Errorf("expires %q, by the law %q", p.ExpiresAt, want)
			}
			mrz := p.MRZ()
			for _, l := range mrz {
				if len(l) != 30 || strings.Trim(l, "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789<") != "" {
					t.Errorf("MRZ line %q", l)
				}
			}
			for _, l := range p.PassportMRZ() {
				if len(l) != 44 {
					t.Errorf("passport line %q", l)
				}
			}
			if mrz[0][15:27] != p.Number || mrz[0][5:14] != p.Number[3:] {
				t.Error("number is not where it belongs")
			}
			if n := strings.Count(p.QR(), "|"); n != 6 {
				t.Errorf("QR has %d bars", n)
			}
			for _, s := range []string{p.FullName, p.Origin, p.Residence, p.Features, p.Father, p.Mother, p.Spouse, p.Ethnicity, p.Religion} {
				if strings.ContainsFunc(s, func(r rune) bool { return r >= 0x300 && r < 0x370 }) {
					t.Errorf("%q is not NFC", s)
				}
			}
		})
	}
	if got := checkDigit("520727"); got != "3" { // ICAO 9303-3 §4.9, example 1
		t.Errorf("check digit %s", got)
	}
	if got := checkDigit("AB2134<<<"); got != "5" { // example 2
		t.Errorf("check digit %s", got)
	}
}
