package trust_test

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"encoding/pem"
	"math/big"
	"testing"
	"time"

	"github.com/tapcheck/tapcheck/icao/chip"
	"github.com/tapcheck/tapcheck/icao/lds"
	"github.com/tapcheck/tapcheck/icao/trust"
)

// A state signs for itself only, however DG1 is written, and whatever its signer's certificate says of itself.
func TestNoStateSignsForAnother(t *testing.T) {
	laos := chip.CertOptions{Subject: chip.Name{Country: "LA", CommonName: "Invented CSCA of Laos"}}
	plain := issuer(t, chip.IssuerOptions{Seed: []byte("another state"), CSCA: laos})
	nowhere := issuer(t, chip.IssuerOptions{Seed: []byte("nowhere"), CSCA: laos, DS: chip.CertOptions{Subject: chip.Name{Country: "ZZ", CommonName: "Invented signer of nowhere"}}})
	zone := groupFiles[1][5:]
	for _, c := range []struct {
		name   string
		signer *chip.Issuer
		dg1    []byte
	}{
		{"as the standard has it", plain, groupFiles[1]},
		{"something before the zone", plain, lds.AppendTLV(nil, 0x61, append([]byte{0x53, 0x00}, groupFiles[1][2:]...))},
		{"a long length", plain, lds.AppendTLV(nil, 0x61, append([]byte{0x5F, 0x1F, 0x81, 90}, zone...))},
		{"a signer of no country that is", nowhere, groupFiles[1]},
	} {
		t.Run(c.name, func(t *testing.T) {
			if m, err := lds.ParseDG1(c.dg1); err != nil || !m.Vietnamese() {
				t.Fatalf("%+v, %v", m, err) // the identity would be read from it
			}
			store, _, err := trust.Load(trust.Options{Files: map[string][]byte{"other.cer": c.signer.CSCA()}})
			if err != nil {
				t.Fatal(err)
			}
			sod, err := c.signer.SOD(map[int][]byte{1: c.dg1}, chip.SODOptions{})
			if err != nil {
				t.Fatal(err)
			}
			j := store.Inspect(sod, noon(t, c.signer)).Judge(map[lds.FileID][]byte{"DG1": c.dg1})
			if v := j.Verdict; v.Status != lds.Failed || v.Reason != lds.ReasonCountryMismatch || j.Anchored {
				t.Errorf("%s %s, anchored %v", v.Status, v.Reason, j.Anchored)
			}
		})
	}
}

// A CSCA of no country is in no state's place because a master list holds it.
func TestListedCSCAOfNoCountry(t *testing.T) {
	publisher := issuer(t, chip.IssuerOptions{
		Seed: []byte("publisher"), CSCA: chip.CertOptions{Subject: chip.Name{Country: "LA", CommonName: "Invented CSCA of Laos"}}, DS: chip.CertOptions{MasterListSigner: true},
	})
	signer := chip.CertOptions{Subject: chip.Name{Country: "VN", CommonName: "Invented signer"}}
	for country, want := range map[string]lds.Reason{"VN": "", "ZZ": lds.ReasonCountryMismatch, "": lds.ReasonCountryMismatch} {
		i := issuer(t, chip.IssuerOptions{Seed: []byte("listed"), CSCA: chip.CertOptions{Subject: chip.Name{Country: country, CommonName: "Invented CSCA"}}, DS: signer})
		at := noon(t, i)
		list, err := publisher.MasterList(at, publisher.CSCA(), i.CSCA())
		if err != nil {
			t.Fatal(err)
		}
		store, report, err := trust.Load(trust.Options{At: at, Files: map[string][]byte{"list.ml": list}})
		if err != nil || len(report.Refused) > 0 {
			t.Fatalf("%+v, %v", report, err)
		}
		sod, err := i.SOD(groupFiles, chip.SODOptions{})
		if err != nil {
			t.Fatal(err)
		}
		j := store.Inspect(sod, at).Judge(map[lds.FileID][]byte{"DG1": groupFiles[1]})
		if j.Verdict.Reason != want || j.Anchored != (want == "") {
			t.Errorf("%q: %s %s, anchored %v", country, j.Verdict.Status, j.Verdict.Reason, j.Anchored)
		}
	}
}

// An anchor that somebody has placed by hand speaks for the state that it names, and for no other; what it is good for, the report says.
func TestPlacedAnchorOfNoCountry(t *testing.T) {
	subject := func(country, name string) chip.CertOptions {
		return chip.CertOptions{Subject: chip.Name{Country: country, CommonName: name}}
	}
	dg1 := func(state string) []byte { return bytes.ReplaceAll(groupFiles[1], []byte("VNM"), []byte(state)) }
	for _, c := range []struct {
		csca, signer, state string
		pin                 bool
		status              lds.Status
		reason              lds.Reason
		refused, warned     bool
	}{
		{"VN", "VN", "VNM", false, lds.Passed, "", false, false},
		{"VN", "", "VNM", false, lds.Passed, "", false, false},
		{"VN", "VN", "UTO", false, lds.Failed, lds.ReasonCountryMismatch, false, false},
		{"", "VN", "VNM", false, lds.NotVerifiable, lds.ReasonSignerNotAnchored, true, false},
		{"", "", "UTO", false, lds.NotVerifiable, lds.ReasonSignerNotAnchored, true, false},
		{"ZZ", "VN", "VNM", false, lds.Failed, lds.ReasonCountryMismatch, false, true},
		{"ZZ", "ZZ", "VNM", false, lds.Failed, lds.ReasonCountryMismatch, false, true},
		{"ZZ", "ZZ", "UTO", false, lds.Failed, lds.ReasonCountryMismatch, false, true},
		{"UT", "UT", "UTO", false, lds.Passed, "", false, true}, // the state of specimens
		{"LA", "VN", "VNM", true, lds.Passed, "", false, false}, // a pinned signer speaks for itself
		{"VN", "", "VNM", true, lds.Passed, "", false, false},   // of its issuer's country
		{"", "", "VNM", true, lds.NotVerifiable, lds.ReasonSignerNotAnchored, true, false},
		{"VN", "ZZ", "VNM", true, lds.Failed, lds.ReasonCountryMismatch, false, true},
		{"VN", "UT", "UTO", true, lds.Passed, "", false, true},
	} {
		i := issuer(t, chip.IssuerOptions{Seed: []byte("placed"), CSCA: subject(c.csca, "Invented CSCA"), DS: subject(c.signer, "Invented signer")})
		at := noon(t, i)
		files := map[string][]byte{"csca.cer": i.CSCA()}
		if c.pin {
			files = map[string][]byte{"pinned/ds.cer": i.DocumentSigner()}
		}
		store, report, err := trust.Load(trust.Options{At: at, Files: files})
		if err != nil {
			t.Fatal(err)
		}
		if (len(report.Refused) > 0) != c.refused || c.refused && (report.Refused[0].Cure == "" || report.Refused[0].Reason != "names no state that it speaks for") {
			t.Errorf("%+v: refused %+v", c, report.Refused)
		}
		if warned := len(report.Sources) > 0 && len(report.Sources[0].Warnings) > 0; warned != c.warned {
			t.Errorf("%+v: warned %v", c, warned)
		}
		sod, err := i.SOD(map[int][]byte{1: dg1(c.state)}, chip.SODOptions{})
		if err != nil {
			t.Fatal(err)
		}
		j := store.Inspect(sod, at).Judge(map[lds.FileID][]byte{"DG1": dg1(c.state)})
		if j.Verdict.Status != c.status || j.Verdict.Reason != c.reason || j.Anchored != (c.status == lds.Passed) {
			t.Errorf("%+v: %s %s (%s), anchored %v", c, j.Verdict.Status, j.Verdict.Reason, j.Verdict.Detail, j.Anchored)
		}
	}
}

// A state takes back its own signers: a list of one with the name of another's CSCA among its own says nothing of that one's.
func TestNoStateRevokesForAnother(t *testing.T) {
	good := issuer(t, chip.IssuerOptions{})
	at := noon(t, good)
	var serial *big.Int
	var name asn1.RawValue
	var outer, tbs asn1.RawValue
	if _, err := asn1.Unmarshal(good.DocumentSigner(), &outer); err != nil {
		t.Fatal(err)
	}
	if _, err := asn1.Unmarshal(outer.Bytes, &tbs); err != nil {
		t.Fatal(err)
	}
	rest := tbs.Bytes
	for _, into := range []any{new(asn1.RawValue), &serial, new(asn1.RawValue), &name} {
		var err error
		if rest, err = asn1.Unmarshal(rest, into); err != nil {
			t.Fatal(err)
		}
	}
	for _, c := range []struct {
		country string
		status  lds.Status
	}{{"LA", lds.Passed}, {"VN", lds.Failed}} {
		key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
		if err != nil {
			t.Fatal(err)
		}
		template := &x509.Certificate{
			SerialNumber: big.NewInt(1), Subject: pkix.Name{Country: []string{c.country}, CommonName: "Invented CSCA"}, SubjectKeyId: []byte("invented"),
			NotBefore: at.AddDate(-1, 0, 0), NotAfter: at.AddDate(1, 0, 0), IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign | x509.KeyUsageCRLSign,
		}
		csca, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
		if err != nil {
			t.Fatal(err)
		}
		names := lds.AppendTLV(nil, 0x30, lds.AppendTLV(nil, 0xA4, name.FullBytes))
		list, err := x509.CreateRevocationList(rand.Reader, &x509.RevocationList{
			Number: big.NewInt(1), ThisUpdate: at, NextUpdate: at.AddDate(0, 1, 0),
			RevokedCertificateEntries: []x509.RevocationListEntry{{SerialNumber: serial, RevocationTime: at}},
			ExtraExtensions:           []pkix.Extension{{Id: asn1.ObjectIdentifier{2, 5, 29, 18}, Value: names}},
		}, template, key)
		if err != nil {
			t.Fatal(err)
		}
		store, report, err := trust.Load(trust.Options{At: at, Files: map[string][]byte{"good.cer": good.CSCA(), "other.cer": csca, "other.crl": list}})
		if err != nil || len(report.Refused) > 0 {
			t.Fatalf("%+v, %v", report, err)
		}
		sod, err := good.SOD(groupFiles, chip.SODOptions{})
		if err != nil {
			t.Fatal(err)
		}
		if v := store.Inspect(sod, at).Judge(map[lds.FileID][]byte{"DG1": groupFiles[1]}).Verdict; v.Status != c.status {
			t.Errorf("a list of %s: %s %s", c.country, v.Status, v.Reason)
		}
	}
}

// Every list of a file counts, and what cannot be read of it is told.
func TestManyListsInOneFile(t *testing.T) {
	good := issuer(t, chip.IssuerOptions{})
	at := noon(t, good)
	var file []byte
	for n := range 30 {
		var revoked [][]byte
		if n == 29 {
			revoked = append(revoked, good.DocumentSigner())
		}
		list, err := good.CRL(at.Add(time.Duration(n)*time.Minute), at.AddDate(0, 1, 0), revoked...)
		if err != nil {
			t.Fatal(err)
		}
		file = append(file, pem.EncodeToMemory(&pem.Block{Type: "X509 CRL", Bytes: list})...)
	}
	for _, c := range []struct {
		file    []byte
		refused int
	}{{file, 0}, {append(bytes.Clone(file), "-----BEGIN X509 CRL-----\n????\n-----END X509 CRL-----\n"...), 1}} {
		store, report, err := trust.Load(trust.Options{At: at.Add(time.Hour), Files: map[string][]byte{"good.cer": good.CSCA(), "lists.crl": c.file}})
		if err != nil || len(report.Refused) != c.refused {
			t.Fatalf("%+v, %v", report.Refused, err)
		}
		sod, err := good.SOD(groupFiles, chip.SODOptions{})
		if err != nil {
			t.Fatal(err)
		}
		if v := store.Inspect(sod, at).Judge(map[lds.FileID][]byte{"DG1": groupFiles[1]}).Verdict; v.Reason != lds.ReasonRevoked {
			t.Errorf("%s %s", v.Status, v.Reason)
		}
	}
}
