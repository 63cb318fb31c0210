//go:build !windows

package main

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/tapcheck/tapcheck/agent/catalog"
	"github.com/tapcheck/tapcheck/agent/settings"
	"github.com/tapcheck/tapcheck/insurance"
	"github.com/tapcheck/tapcheck/insurance/fhir/fhirtest"
)

// TestFHIRInsurer: a settings file is all that another insurer needs. The program asks its server, tells the HIS what it said, and puts
// nothing of it into a claim of the state's insurance; a token that another program replaces is in force with the next look-up.
func TestFHIRInsurer(t *testing.T) {
	insurer := fhirtest.New(t, (*httptest.Server).Start, fhirtest.Answer{Body: fhirtest.InForce})
	insurer.Needs("first")
	var token string
	p := start(t, func(cmd *exec.Cmd) {
		dir := filepath.Dir(cmd.Args[2])
		token = filepath.Join(dir, "token")
		file := fmt.Sprintf("[his]\nports = [%d, %d]\n[insurance]\nprovider = \"fhir\"\n[insurance.fhir]\nurl = %q\ninsurer = \"https://insurer.example/id|PVI\"\nfacility = \"01004\"\ntoken_file = %q\n",
			freePort(t), freePort(t), insurer.Base(), token)
		if err := errors.Join(os.WriteFile(token, []byte("first\n"), 0o600), os.WriteFile(filepath.Join(dir, "tapcheck.toml"), []byte(file), 0o600)); err != nil {
			t.Fatal(err)
		}
	}, "run")
	c := p.open("", p.token("--desktop"))
	person := map[string]string{"number": "001099012345", "fullName": "Nguyễn Văn An", "dateOfBirth": "1999-01-01", "sex": "male"}
	ask := func(job string) *insurance.Eligibility {
		t.Helper()
		c.must("checkin.start", map[string]any{"jobId": job, "means": "number", "subject": person})
		r := c.result(job)
		if r.Eligibility == nil {
			t.Fatalf("%+v", r)
		}
		if r.Eligibility.Route != nil || r.Eligibility.Rate != nil {
			t.Errorf("the state's routes and rates for another insurer: %+v %+v", r.Eligibility.Route, r.Eligibility.Rate)
		}
		if r.Claim["MA_THE_BHYT"]+r.Claim["GT_THE_TU"] != "" {
			t.Errorf("another insurer's card in the claim: %v", r.Claim)
		}
		return r.Eligibility
	}
	e := ask("desk-1")
	if e.State != insurance.Eligible || e.Source != "fhir" || e.Card == nil || e.Card.Code != "PVI-7711" || e.Card.BenefitRate != 80 || e.Card.To != "2026-12-31" {
		t.Errorf("%+v %+v", e, e.Card)
	}
	insurer.Needs("second")
	if e := ask("desk-2"); e.State != insurance.Pending || e.Reason != string(catalog.InsuranceRejected) {
		t.Errorf("with an old token: %+v", e)
	}
	if err := os.WriteFile(token, []byte("second\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if e := ask("desk-3"); e.State != insurance.Eligible {
		t.Errorf("with the new token: %+v", e)
	}
	// Its cards have codes of their own.
	var check struct {
		Eligibility insurance.Eligibility `json:"eligibility"`
	}
	if err := c.call("insurance.check", map[string]any{"cardCode": "Pvi-7711", "fullName": "Nguyễn Văn An", "dateOfBirth": "1999-01-01"}, &check); err != nil || check.Eligibility.State != insurance.Eligible {
		t.Errorf("by a card of its own: %v %+v", err, check.Eligibility)
	}
	if bodies, _, _ := insurer.Asked(); !strings.Contains(string(bodies[len(bodies)-1]), `"subscriberId":"Pvi-7711"`) {
		t.Errorf("asked: %s", bodies[len(bodies)-1])
	}
	for _, secret := range []string{"001099012345", "Nguyễn", "PVI-7711", "Pvi", "Bearer", insurer.URL, "$submit"} {
		if strings.Contains(p.stderr.String(), secret) {
			t.Errorf("%q is in the log", secret)
		}
	}
}

// TestFHIRSettings: what the settings allow makes a client, and what its files lack is said by the setting's name.
func TestFHIRSettings(t *testing.T) {
	dir := t.TempDir()
	write := func(name, content string, mode os.FileMode) string {
		path := filepath.Join(dir, name)
		if err := errors.Join(os.WriteFile(path, []byte(content), 0o600), os.Chmod(path, mode)); err != nil {
			t.Fatal(err)
		}
		return strconv.Quote(path)
	}
	cert, key := desksCertificate(t)
	certFile, keyFile := write("cert.pem", cert, 0o644), write("key.pem", key, 0o600)
	longToken := strings.Repeat("x", 4000) // a JWT is longer than a password
	for name, c := range map[string]struct {
		change  map[string]string
		problem string // setting that is to blame; empty: none
	}{
		"as it should be":       {nil, ""},
		"on this PC":            {map[string]string{"url": `"http://127.0.0.1:8080/fhir"`}, ""},
		"value alone":           {map[string]string{"insurer": `"PVI"`}, ""},
		"a token":               {map[string]string{"token_file": write("token", longToken, 0o600)}, ""},
		"a token to be had":     {map[string]string{"token_url": `"https://login.example/token"`, "client_id": `"desk"`, "client_secret_file": write("secret", "s3cret", 0o600)}, ""},
		"mutual TLS":            {map[string]string{"certificate_file": certFile, "key_file": keyFile, "ca_file": certFile}, ""},
		"in clear":              {map[string]string{"url": `"http://fhir.example/r4"`}, "insurance.fhir.url"},
		"with a login":          {map[string]string{"url": `"https://u:p@fhir.example/r4"`}, "insurance.fhir.url"},
		"no address":            {map[string]string{"url": `""`}, "insurance.fhir.url"},
		"no insurer":            {map[string]string{"insurer": `""`}, "insurance.fhir.insurer"},
		"a system alone":        {map[string]string{"insurer": `"https://x.example|"`}, "insurance.fhir.insurer"},
		"both tokens":           {map[string]string{"token_file": `"x"`, "token_url": `"https://login.example/token"`, "client_id": `"desk"`, "client_secret_file": `"x"`}, "insurance.fhir.token_file"},
		"no client":             {map[string]string{"token_url": `"https://login.example/token"`, "client_secret_file": `"x"`}, "insurance.fhir.client_id"},
		"no secret":             {map[string]string{"token_url": `"https://login.example/token"`, "client_id": `"desk"`}, "insurance.fhir.client_secret_file"},
		"a token in clear":      {map[string]string{"token_url": `"http://login.example/token"`, "client_id": `"desk"`, "client_secret_file": `"x"`}, "insurance.fhir.token_url"},
		"no key":                {map[string]string{"certificate_file": certFile}, "insurance.fhir.key_file"},
		"a token that all read": {map[string]string{"token_file": write("open", "secretvalue", 0o644)}, "insurance.fhir.token_file"},
		"a key that all read":   {map[string]string{"certificate_file": certFile, "key_file": write("open.pem", key, 0o644)}, "insurance.fhir.key_file"},
		"no key of it":          {map[string]string{"certificate_file": certFile, "key_file": write("other", "secretvalue", 0o600)}, "insurance.fhir.certificate_file"},
		"no CA":                 {map[string]string{"ca_file": write("ca", "secretvalue", 0o644)}, "insurance.fhir.ca_file"},
	} {
		lines := map[string]string{"url": `"https://fhir.example/r4"`, "insurer": `"https://insurer.example/id|PVI"`}
		for k, v := range c.change {
			lines[k] = v
		}
		file := "[insurance]\nprovider = \"fhir\"\n[insurance.fhir]\n"
		for k, v := range lines {
			file += k + " = " + v + "\n"
		}
		said := ""
		s, err := settings.Parse([]byte(file))
		var problems settings.Problems
		if errors.As(err, &problems) {
			said = problems[0].Setting
		} else if err != nil {
			t.Fatal(name, err)
		} else if _, err = insurer(s.Insurance); err != nil {
			var e *catalog.Error
			if !errors.As(err, &e) || e.ID != catalog.ConfigInvalid {
				t.Errorf("%s: %v", name, err)
				continue
			}
			said, _ = e.Detail["setting"].(string)
			if strings.Contains(settingsProblem(err), "secretvalue") {
				t.Errorf("%s: %s", name, settingsProblem(err))
			}
		}
		if said != c.problem {
			t.Errorf("%s: %q is to blame, want %q (%v)", name, said, c.problem, err)
		}
	}
}

// desksCertificate is a self-signed certificate and its key, PEM.
func desksCertificate(t *testing.T) (cert, key string) {
	k, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour), IsCA: true, BasicConstraintsValid: true}
	der, err := x509.CreateCertificate(rand.Reader, template, template, k.Public(), k)
	if err != nil {
		t.Fatal(err)
	}
	private, err := x509.MarshalPKCS8PrivateKey(k)
	if err != nil {
		t.Fatal(err)
	}
	return string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})), string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: private}))
}
