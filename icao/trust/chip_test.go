package trust_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/tapcheck/tapcheck/icao/chip"
	"github.com/tapcheck/tapcheck/icao/lds"
	"github.com/tapcheck/tapcheck/icao/trust"
)

// What the simulated chip's issuer signs is judged here from outside: its cryptography shares nothing with ours.

var groupFiles = map[int][]byte{
	1:  []byte("a]_\x1fZIDVNM0990123459001099012345<<09901018M3901016VNM<<<<<<<<<<<0NGUYEN<<VAN<AN<<<<<<<<<<<<<<<<"),
	2:  []byte("u\x10invented picture"),
	13: []byte("m\x0finvented fields"),
}

func issuer(t testing.TB, o chip.IssuerOptions) *chip.Issuer {
	t.Helper()
	if o.Seed == nil {
		o.Seed = []byte("trust")
	}
	i, err := chip.NewIssuer(o)
	if err != nil {
		t.Fatal(err)
	}
	return i
}

func judge(t testing.TB, signer *chip.Issuer, so chip.SODOptions, at time.Time, anchors ...*chip.Issuer) trust.Judgement {
	t.Helper()
	o := trust.Options{Files: map[string][]byte{}}
	for n, a := range anchors {
		o.Files[fmt.Sprintf("%d.cer", n)] = a.CSCA()
	}
	store, report, err := trust.Load(o)
	if err != nil || len(report.Refused) > 0 {
		t.Fatalf("%+v, %v", report, err)
	}
	sod, err := signer.SOD(groupFiles, so)
	if err != nil {
		t.Fatal(err)
	}
	files := map[lds.FileID][]byte{}
	for n, f := range groupFiles {
		files[lds.DG(n)] = f
	}
	return store.Inspect(sod, at).Judge(files)
}

// noon is a time at which the issuer's default certificates are valid.
func noon(t testing.TB, i *chip.Issuer) time.Time {
	t.Helper()
	s, _, _ := trust.Load(trust.Options{})
	sod, err := i.SOD(groupFiles, chip.SODOptions{})
	if err != nil {
		t.Fatal(err)
	}
	v := s.Inspect(sod, time.Time{}).Judge(map[lds.FileID][]byte{"DG1": groupFiles[1]}).Verdict
	if v.Signer == nil {
		t.Fatalf("%+v", v)
	}
	from, err := time.Parse(time.RFC3339, v.Signer.NotBefore)
	if err != nil {
		t.Fatal(err)
	}
	return from.Add(12 * time.Hour)
}

func TestChipIssuer(t *testing.T) {
	good := issuer(t, chip.IssuerOptions{})
	at := noon(t, good)
	other := issuer(t, chip.IssuerOptions{Seed: []byte("another state"), CSCA: chip.CertOptions{Subject: chip.Name{Country: "LA", CommonName: "Invented CSCA of Laos"}}})
	forger, err := good.Forger()
	if err != nil {
		t.Fatal(err)
	}
	second, err := good.Signer(chip.CertOptions{}, "second")
	if err != nil {
		t.Fatal(err)
	}
	past, soon := at.AddDate(-3, 0, 0), at.AddDate(0, 1, 0)
	expired, err := good.Signer(chip.CertOptions{NotBefore: past, NotAfter: at.AddDate(0, 0, -1)}, "expired")
	if err != nil {
		t.Fatal(err)
	}
	early, err := good.Signer(chip.CertOptions{NotBefore: soon, NotAfter: at.AddDate(9, 0, 0)}, "early")
	if err != nil {
		t.Fatal(err)
	}
	critical, err := good.Signer(chip.CertOptions{UnknownCritical: true}, "critical")
	if err != nil {
		t.Fatal(err)
	}
	claimed := issuer(t, chip.IssuerOptions{Seed: []byte("claims the identifier"), CSCA: chip.CertOptions{KeyIdentifier: good.CSCAKeyIdentifier()}})
	notCA := issuer(t, chip.IssuerOptions{Seed: []byte("not a CA"), CSCA: chip.CertOptions{NotCA: true}})
	bare := issuer(t, chip.IssuerOptions{Seed: []byte("bare"), CSCA: chip.CertOptions{NoKeyIdentifiers: true}, DS: chip.CertOptions{NoKeyIdentifiers: true}})

	for _, c := range []struct {
		name    string
		signer  *chip.Issuer
		sod     chip.SODOptions
		anchors []*chip.Issuer
		status  lds.Status
		reason  lds.Reason
	}{
		{"good", good, chip.SODOptions{}, []*chip.Issuer{good}, lds.Passed, ""},
		{"good, signing time", good, chip.SODOptions{SignedAt: at}, []*chip.Issuer{good}, lds.Passed, ""},
		{"good, by identifier", good, chip.SODOptions{BySKI: true}, []*chip.Issuer{other, good}, lds.Passed, ""},
		{"good, SHA-512", good, chip.SODOptions{Hash: "SHA-512"}, []*chip.Issuer{good}, lds.Passed, ""},
		{"good, another certificate beside", good, chip.SODOptions{MoreCerts: [][]byte{second.DocumentSigner()}}, []*chip.Issuer{good}, lds.Passed, ""},
		{"good, CSCA beside", good, chip.SODOptions{MoreCerts: [][]byte{good.CSCA()}}, []*chip.Issuer{good}, lds.Passed, ""},
		{"good, no identifiers", bare, chip.SODOptions{}, []*chip.Issuer{bare}, lds.Passed, ""},
		{"no anchor", good, chip.SODOptions{}, nil, lds.NotVerifiable, lds.ReasonSignerNotAnchored},
		{"forger", forger, chip.SODOptions{}, []*chip.Issuer{good}, lds.NotVerifiable, lds.ReasonSignerNotAnchored},
		{"forger with the CSCA beside", forger, chip.SODOptions{MoreCerts: [][]byte{good.CSCA()}}, []*chip.Issuer{good}, lds.NotVerifiable, lds.ReasonSignerNotAnchored},
		{"forger with the genuine signer inside", forger, chip.SODOptions{OtherCert: good.DocumentSigner()}, []*chip.Issuer{good}, lds.Failed, lds.ReasonSignatureInvalid},
		{"forger claims the identifier", claimed, chip.SODOptions{}, []*chip.Issuer{good}, lds.NotVerifiable, lds.ReasonSignerNotAnchored},
		{"both have the identifier", claimed, chip.SODOptions{}, []*chip.Issuer{good, claimed}, lds.Passed, ""},
		{"other certificate", good, chip.SODOptions{OtherCert: second.DocumentSigner()}, []*chip.Issuer{good}, lds.Failed, lds.ReasonSignatureInvalid},
		{"bad signature", good, chip.SODOptions{BadSignature: true}, []*chip.Issuer{good}, lds.Failed, lds.ReasonSignatureInvalid},
		{"bad message digest", good, chip.SODOptions{BadMessageDigest: true}, []*chip.Issuer{good}, lds.Failed, lds.ReasonSignatureInvalid},
		{"bad signature, no anchor", good, chip.SODOptions{BadSignature: true}, nil, lds.Failed, lds.ReasonSignatureInvalid},
		{"no attributes", good, chip.SODOptions{NoSignedAttr: true}, []*chip.Issuer{good}, lds.Failed, lds.ReasonSignatureInvalid},
		{"bad hash", good, chip.SODOptions{BadHash: []int{2}}, []*chip.Issuer{good}, lds.Failed, lds.ReasonHashMismatch},
		{"bad hash, bad signature", good, chip.SODOptions{BadHash: []int{2}, BadSignature: true}, []*chip.Issuer{good}, lds.Failed, lds.ReasonHashMismatch},
		{"unlisted", good, chip.SODOptions{Unlisted: []int{13}}, []*chip.Issuer{good}, lds.Failed, lds.ReasonNotListed},
		{"listed, not read", good, chip.SODOptions{Extra: []int{3}}, []*chip.Issuer{good}, lds.Passed, ""},
		{"two signers", good, chip.SODOptions{MoreSigners: []*chip.Issuer{second}}, []*chip.Issuer{good}, lds.Failed, lds.ReasonSignerAmbiguous},
		{"no certificate", good, chip.SODOptions{NoCert: true}, []*chip.Issuer{good}, lds.Failed, lds.ReasonSignerAmbiguous},
		{"expired", expired, chip.SODOptions{}, []*chip.Issuer{good}, lds.Failed, lds.ReasonExpired},
		{"expired, no anchor", expired, chip.SODOptions{}, nil, lds.NotVerifiable, lds.ReasonSignerNotAnchored},
		{"not yet valid", early, chip.SODOptions{}, []*chip.Issuer{good}, lds.Failed, lds.ReasonNotYetValid},
		{"unknown critical", critical, chip.SODOptions{}, []*chip.Issuer{good}, lds.Failed, lds.ReasonKeyUsage},
		{"not a CA", notCA, chip.SODOptions{}, []*chip.Issuer{notCA}, lds.Failed, lds.ReasonKeyUsage},
		{"other state", other, chip.SODOptions{}, []*chip.Issuer{other}, lds.Failed, lds.ReasonCountryMismatch},
	} {
		t.Run(c.name, func(t *testing.T) {
			j := judge(t, c.signer, c.sod, at, c.anchors...)
			if v := j.Verdict; v.Status != c.status || v.Reason != c.reason {
				t.Errorf("got %s %s (%s)", v.Status, v.Reason, v.Detail)
			}
			if j.Anchored && j.Verdict.Anchor == nil {
				t.Error("anchored in nothing")
			}
		})
	}
}

func TestKeysAndHashes(t *testing.T) {
	kinds := append(chip.Curves(), "RSA-2048")
	for _, key := range kinds {
		for _, named := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s named %v", key, named), func(t *testing.T) {
				i := issuer(t, chip.IssuerOptions{CSCA: chip.CertOptions{Key: key, Named: named}, DS: chip.CertOptions{Key: key, Named: named}})
				v := judge(t, i, chip.SODOptions{}, noon(t, i), i).Verdict
				if v.Status != lds.Passed {
					t.Errorf("%s %s (%s)", v.Status, v.Reason, v.Detail)
				}
			})
		}
	}
	pss := issuer(t, chip.IssuerOptions{CSCA: chip.CertOptions{Key: "RSA-2048", PSS: true}, DS: chip.CertOptions{Key: "RSA-2048", PSS: true}})
	if v := judge(t, pss, chip.SODOptions{PSS: true}, noon(t, pss), pss).Verdict; v.Status != lds.Passed {
		t.Errorf("PSS: %s %s (%s)", v.Status, v.Reason, v.Detail)
	}
	for _, hash := range []string{"SHA-1", "SHA-224", "SHA-256", "SHA-384", "SHA-512"} {
		i := issuer(t, chip.IssuerOptions{})
		v := judge(t, i, chip.SODOptions{Hash: hash}, noon(t, i), i).Verdict
		if v.Status != lds.Passed || (len(v.Warnings) == 1) != (hash == "SHA-1") {
			t.Errorf("%s: %s %s %v (%s)", hash, v.Status, v.Reason, v.Warnings, v.Detail)
		}
	}
}
