package access

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/tapcheck/tapcheck/icao/chip"
	"github.com/tapcheck/tapcheck/icao/lds"
)

// terminalFiles are a terminal as its hospital would get it.
func terminalFiles(simulated *chip.Terminal) map[string][]byte {
	files := map[string][]byte{"terminal.key": simulated.PrivateKey()}
	for i, raw := range simulated.Chain {
		files[fmt.Sprintf("%d.cvcert", i)] = raw
	}
	return files
}

// TestTerminalFromFiles opens DG3 with a terminal out of files, with keys of every kind and form.
func TestTerminalFromFiles(t *testing.T) {
	for _, kind := range []string{"P-256", "brainpoolP256r1", "brainpoolP384r1", "P-521", "RSA-2048"} {
		if underRace && kind != "brainpoolP256r1" {
			continue
		}
		pki := terminalPKI(t, chip.TerminalPKIOptions{Key: kind})
		card := protectedCard(t, pki, nil)
		_, simulated := terminal(t, pki, chip.TerminalOptions{})
		for _, form := range []string{"DER", "PEM", "all in one", "inner"} {
			files := terminalFiles(simulated)
			key := files["terminal.key"]
			switch form {
			case "PEM":
				files["terminal.key"] = append([]byte("what it is for\n"), pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: key})...)
			case "all in one":
				files = map[string][]byte{"chain.cvcert": bytes.Join(simulated.Chain, nil), "key": key}
			case "inner":
				files["terminal.key"] = older(t, key)
			}
			ours, err := TerminalFromFiles(files)
			if err != nil {
				t.Errorf("%s, %s: %v", kind, form, err)
				continue
			}
			c := NewChannel(card, Options{})
			card.Reset()
			if err := ready(t.Context(), c, card); err != nil {
				t.Fatal(err)
			}
			if rights, err := c.TerminalAuthentication(t.Context(), card.Files()["DG14"], ours); err != nil || !rights.DG3 {
				t.Errorf("%s, %s: %+v, %v", kind, form, rights, err)
			}
		}
	}
}

// older takes a key out of its PKCS #8 frame. A curve's key then has to name its curve itself (RFC 5915 §3).
func older(t testing.TB, pkcs8 []byte) []byte {
	t.Helper()
	if key, err := x509.ParsePKCS8PrivateKey(pkcs8); err == nil {
		if k, ok := key.(*rsa.PrivateKey); ok {
			return x509.MarshalPKCS1PrivateKey(k)
		}
	}
	k, err := ecPrivateKey(pkcs8, nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range curves() {
		if c.g == k.Curve {
			//lint:ignore SA1019 the library's newer encoder knows the NIST curves alone
			d := k.D.FillBytes(make([]byte, c.nLength))
			body := append(unhex("020101"), lds.AppendTLV(nil, 0x04, d)...)
			return lds.AppendTLV(nil, 0x30, append(body, lds.AppendTLV(nil, 0xA0, lds.AppendTLV(nil, 0x06, c.oid))...))
		}
	}
	t.Fatal("no such curve")
	return nil
}

func TestTerminalFilesThatAreNone(t *testing.T) {
	pki := terminalPKI(t, chip.TerminalPKIOptions{Key: "brainpoolP256r1"})
	_, simulated := terminal(t, pki, chip.TerminalOptions{})
	_, ed, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	edKey, err := x509.MarshalPKCS8PrivateKey(ed)
	if err != nil {
		t.Fatal(err)
	}
	p256, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	second, err := x509.MarshalECPrivateKey(p256)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name   string
		change func(map[string][]byte)
		file   string
		reason string
	}{
		{"no key", func(f map[string][]byte) { delete(f, "terminal.key") }, "folder", "no private key"},
		{"no certificates", func(f map[string][]byte) { delete(f, "0.cvcert"); delete(f, "1.cvcert") }, "folder", "no certificate"},
		{"no terminal's", func(f map[string][]byte) { delete(f, "1.cvcert") }, "folder", "of a terminal"},
		{"two keys", func(f map[string][]byte) { f["zweiter.key"] = second }, "zweiter.key", "second key beside terminal.key"},
		{"an encrypted key", func(f map[string][]byte) {
			f["terminal.key"] = pem.EncodeToMemory(&pem.Block{Type: "ENCRYPTED PRIVATE KEY", Bytes: []byte{1}})
		}, "terminal.key", "encrypted"},
		{"an encrypted key of the old kind", func(f map[string][]byte) {
			f["terminal.key"] = pem.EncodeToMemory(&pem.Block{Type: "EC PRIVATE KEY", Headers: map[string]string{"DEK-Info": "AES-128-CBC,00"}, Bytes: []byte{1}})
		}, "terminal.key", "encrypted"},
		{"Ed25519", func(f map[string][]byte) { f["terminal.key"] = edKey }, "terminal.key", "of a kind that no card takes"},
		{"a broken key", func(f map[string][]byte) { f["terminal.key"] = f["terminal.key"][:20] }, "terminal.key", "neither"},
		{"PEM of something else", func(f map[string][]byte) {
			f["terminal.key"] = pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: []byte{1}})
		}, "terminal.key", "no key"},
		{"a broken certificate", func(f map[string][]byte) { f["1.cvcert"] = f["1.cvcert"][:100] }, "1.cvcert", "certificate 1 is no"},
		{"something behind a certificate", func(f map[string][]byte) { f["1.cvcert"] = append(bytes.Clone(f["1.cvcert"]), 0x30) }, "1.cvcert", "certificate 2 is no"},
		{"empty", func(f map[string][]byte) { f["1.cvcert"] = nil }, "1.cvcert", "empty"},
		{"huge", func(f map[string][]byte) { f["x"] = make([]byte, maxTerminalFile+1) }, "x", "larger"},
		{"too many certificates", func(f map[string][]byte) {
			f["all.cvcert"] = bytes.Repeat(f["0.cvcert"], maxCertificates+1)
		}, "all.cvcert", "more than 32 certificates"},
		{"too many files", func(f map[string][]byte) {
			for i := range maxTerminalFiles {
				f[fmt.Sprint("more", i)] = []byte{1}
			}
		}, "folder", "more than 64 files"},
	} {
		files := terminalFiles(simulated)
		c.change(files)
		_, err := TerminalFromFiles(files)
		var e *TerminalFileError
		if !errors.As(err, &e) || e.File != c.file || !strings.Contains(e.Reason, c.reason) || e.Cure == "" {
			t.Errorf("%s: %v", c.name, err)
		}
	}
}

// FuzzTerminalFromFiles: a file as a terminal's certificates, and as its key. A key that is taken signs.
func FuzzTerminalFromFiles(f *testing.F) {
	for _, kind := range []string{"brainpoolP256r1", "P-256"} {
		pki := terminalPKI(f, chip.TerminalPKIOptions{Key: kind})
		_, simulated := terminal(f, pki, chip.TerminalOptions{})
		f.Add(simulated.PrivateKey(), bytes.Join(simulated.Chain, nil))
		f.Add(older(f, simulated.PrivateKey()), simulated.Chain[0])
		f.Add(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: simulated.PrivateKey()}), []byte{0x7F, 0x21})
	}
	f.Fuzz(func(t *testing.T, key, certificates []byte) {
		terminal, err := TerminalFromFiles(map[string][]byte{"a": key, "b": certificates})
		var e *TerminalFileError
		if err != nil && (!errors.As(err, &e) || e.Cure == "") || err == nil && (terminal.Key == nil || len(terminal.Certificates) == 0) {
			t.Fatalf("%+v, %v", terminal, err)
		}
		signer, _ := privateKey(key)
		if k, ok := signer.(*ecdsa.PrivateKey); ok {
			if _, err := k.Sign(rand.Reader, make([]byte, 32), nil); err != nil {
				t.Fatal(err)
			}
		}
	})
}
