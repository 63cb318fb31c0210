package keys

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"math/big"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func wssDir(t *testing.T) string { return filepath.Join(t.TempDir(), "data") }

func TestWSSCertificateIsForLoopbackAlone(t *testing.T) {
	dir, now := wssDir(t), time.Now()
	if _, err := OpenWSS(dir); !errors.Is(err, ErrNoWSS) {
		t.Error(err)
	}
	w, err := RenewWSS(dir, now)
	if err != nil {
		t.Fatal(err)
	}
	if life := w.Leaf.NotAfter.Sub(w.Leaf.NotBefore); life > 397*24*time.Hour || w.CA.NotAfter.After(w.Leaf.NotAfter) {
		t.Errorf("good for %v, the CA until %v", life, w.CA.NotAfter)
	}
	if !w.CA.IsCA || !w.CA.MaxPathLenZero || w.CA.MaxPathLen != 0 || w.CA.KeyUsage != x509.KeyUsageCertSign || len(w.CA.ExtKeyUsage) != 1 || w.CA.ExtKeyUsage[0] != x509.ExtKeyUsageServerAuth || w.Leaf.IsCA {
		t.Errorf("CA: path %d, usage %v %v", w.CA.MaxPathLen, w.CA.KeyUsage, w.CA.ExtKeyUsage)
	}
	critical := false
	for _, e := range w.CA.Extensions {
		critical = critical || e.Id.String() == "2.5.29.30" && e.Critical
	}
	if !critical {
		t.Error("the name constraints are not critical")
	}
	pool := x509.NewCertPool()
	pool.AddCert(w.CA)
	for name, ok := range map[string]bool{
		"localhost": true, "127.0.0.1": true, "[::1]": true, "::1": true,
		"127.0.0.2": false, "his.example": false, "sub.localhost": false, "localhost.example": false, "[::2]": false, "0.0.0.0": false,
	} {
		if _, err := w.Leaf.Verify(x509.VerifyOptions{Roots: pool, DNSName: name, CurrentTime: now}); (err == nil) != ok {
			t.Errorf("%s: %v", name, err)
		}
	}
	for when, at := range map[string]time.Time{"before": now.Add(-2 * time.Hour), "after": now.Add(WSSLife)} {
		if _, err := w.Leaf.Verify(x509.VerifyOptions{Roots: pool, DNSName: "localhost", CurrentTime: at}); err == nil {
			t.Error("good", when)
		}
	}
	if _, err := w.Leaf.Verify(x509.VerifyOptions{Roots: pool, CurrentTime: now, KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}}); err == nil {
		t.Error("good for a client")
	}
}

// What a CA of this kind signs for other names is refused by whoever trusts it. The real one's key is gone, so another is
// made with its constraints, to the byte.
func TestWSSCACanSignForNothingElse(t *testing.T) {
	w, err := RenewWSS(wssDir(t), time.Now())
	if err != nil {
		t.Fatal(err)
	}
	caKey, _ := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	template := *w.CA
	template.PublicKey, template.Signature, template.SubjectKeyId, template.AuthorityKeyId = nil, nil, nil, nil
	der, err := x509.CreateCertificate(rand.Reader, &template, &template, caKey.Public(), caKey)
	if err != nil {
		t.Fatal(err)
	}
	ca, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	for i, e := range w.CA.Extensions {
		if e.Id.String() == "2.5.29.30" && !bytes.Equal(e.Value, ca.Extensions[i].Value) {
			t.Fatal("the constraints are not the same")
		}
	}
	pool := x509.NewCertPool()
	pool.AddCert(ca)
	uri, _ := url.Parse("https://his.example/")
	for name, c := range map[string]struct {
		leaf x509.Certificate
		ok   bool
	}{
		"its own":               {x509.Certificate{DNSNames: []string{"localhost"}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1), net.IPv6loopback}}, true},
		"a hospital's name":     {x509.Certificate{DNSNames: []string{"his.example"}}, false},
		"beside its own":        {x509.Certificate{DNSNames: []string{"localhost", "his.example"}}, false},
		"a name below":          {x509.Certificate{DNSNames: []string{"his.localhost"}}, false},
		"a name that ends so":   {x509.Certificate{DNSNames: []string{"evillocalhost"}}, false},
		"any name":              {x509.Certificate{DNSNames: []string{"*"}}, false},
		"another loopback":      {x509.Certificate{IPAddresses: []net.IP{net.IPv4(127, 0, 0, 2)}}, false},
		"an address of the LAN": {x509.Certificate{IPAddresses: []net.IP{net.IPv4(192, 168, 1, 1)}}, false},
		"an IPv6 address":       {x509.Certificate{IPAddresses: []net.IP{net.ParseIP("fd00::1")}}, false},
		"mapped loopback":       {x509.Certificate{IPAddresses: []net.IP{net.ParseIP("::2")}}, false},
		"somebody's mail":       {x509.Certificate{EmailAddresses: []string{"a@his.example"}}, false},
		"a URI":                 {x509.Certificate{URIs: []*url.URL{uri}}, false},
	} {
		key, _ := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
		c.leaf.SerialNumber, c.leaf.NotBefore, c.leaf.NotAfter = big.NewInt(1), w.Leaf.NotBefore, w.Leaf.NotAfter
		c.leaf.Subject, c.leaf.ExtKeyUsage = pkix.Name{CommonName: "x"}, []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}
		der, err := x509.CreateCertificate(rand.Reader, &c.leaf, ca, key.Public(), caKey)
		if err != nil {
			t.Fatal(name, err)
		}
		leaf, err := x509.ParseCertificate(der)
		if err != nil {
			if c.ok {
				t.Error(name, err)
			}
			continue // refused even earlier
		}
		if _, err := leaf.Verify(x509.VerifyOptions{Roots: pool}); (err == nil) != c.ok {
			t.Errorf("%s: %v", name, err)
		}
	}
	// Nor for another CA below it.
	subKey, _ := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	sub := &x509.Certificate{SerialNumber: big.NewInt(2), Subject: pkix.Name{CommonName: "sub"}, NotBefore: w.CA.NotBefore, NotAfter: w.CA.NotAfter, IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign}
	subDER, _ := x509.CreateCertificate(rand.Reader, sub, ca, subKey.Public(), caKey)
	subCA, _ := x509.ParseCertificate(subDER)
	end := &x509.Certificate{SerialNumber: big.NewInt(3), DNSNames: []string{"localhost"}, NotBefore: w.CA.NotBefore, NotAfter: w.CA.NotAfter}
	endDER, _ := x509.CreateCertificate(rand.Reader, end, subCA, subKey.Public(), subKey)
	leaf, _ := x509.ParseCertificate(endDER)
	between := x509.NewCertPool()
	between.AddCert(subCA)
	if _, err := leaf.Verify(x509.VerifyOptions{Roots: pool, Intermediates: between}); err == nil {
		t.Error("a CA below it is accepted")
	}
}

// The CA's key is nowhere: the one private key in the data folder is the certificate's.
func TestWSSCAKeyIsNotKept(t *testing.T) {
	dir := wssDir(t)
	w, err := RenewWSS(dir, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	pair, err := tls.LoadX509KeyPair(filepath.Join(dir, WSSFileName), filepath.Join(dir, WSSFileName))
	if err != nil {
		t.Fatal(err)
	}
	private := 0
	entries, _ := os.ReadDir(dir)
	for _, e := range entries {
		raw, err := os.ReadFile(filepath.Join(dir, e.Name()))
		if err != nil {
			t.Fatal(err)
		}
		private += strings.Count(string(raw), "PRIVATE KEY-----\n") / 2
	}
	if private != 1 || w.CA.PublicKey.(*ecdsa.PublicKey).Equal(pair.PrivateKey.(*ecdsa.PrivateKey).Public()) {
		t.Errorf("%d private keys", private)
	}
}

func TestWSSIsRenewedWhileServed(t *testing.T) {
	dir := wssDir(t)
	if _, err := NewWSSServer(dir); !errors.Is(err, ErrNoWSS) {
		t.Error(err)
	}
	first, err := RenewWSS(dir, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	s, err := NewWSSServer(dir)
	if err != nil {
		t.Fatal(err)
	}
	serial := func() string {
		c, err := s.TLS().GetCertificate(nil)
		if err != nil {
			return err.Error()
		}
		return c.Leaf.SerialNumber.String()
	}
	if serial() != first.Leaf.SerialNumber.String() {
		t.Error("another certificate")
	}
	second, err := RenewWSS(dir, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	if serial() != second.Leaf.SerialNumber.String() || first.Fingerprint() == second.Fingerprint() || first.CA.Subject.String() == second.CA.Subject.String() {
		t.Error("the renewed certificate is not served, or its CA cannot be told from the old one")
	}
	if again, err := OpenWSS(dir); err != nil || again.Fingerprint() != second.Fingerprint() || len(again.Fingerprint()) != 64 {
		t.Error(err)
	}
	if err := RemoveWSS(dir); err != nil {
		t.Fatal(err)
	}
	if got := serial(); got != ErrNoWSS.Error() {
		t.Error("removed, and still served:", got)
	}
	if err := RemoveWSS(dir); err != nil {
		t.Error("removed twice:", err)
	}
	for name, content := range map[string]string{"empty": "", "text": "hello", "a certificate alone": string(second.CAPEM())} {
		if err := os.WriteFile(filepath.Join(dir, WSSFileName), []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := OpenWSS(dir); !errors.Is(err, ErrMalformed) {
			t.Errorf("%s: %v", name, err)
		}
	}
}
