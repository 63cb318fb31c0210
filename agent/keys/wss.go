package keys

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/hex"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"
)

// Files of wss:// within the data folder: the certificate with its key, and the CA that browsers must trust, which is
// public.
const (
	WSSFileName   = "wss.key"
	WSSCAFileName = "wss-ca.crt"
)

// WSSLife is how long a certificate is good: within the 397 days that browsers accept.
const WSSLife = 396 * 24 * time.Hour

// ErrNoWSS says that no certificate was made yet, or that it was removed.
var ErrNoWSS = errors.New("there is no certificate for wss")

// WSS is the certificate of wss:// and the CA that signed it. It holds no secret.
type WSS struct {
	CA       *x509.Certificate
	Leaf     *x509.Certificate
	NotAfter time.Time // of both
}

// Fingerprint is the SHA-256 of the CA, in lower-case hex: what an administrator compares before he trusts it.
func (w WSS) Fingerprint() string {
	sum := sha256.Sum256(w.CA.Raw)
	return hex.EncodeToString(sum[:])
}

// CAPEM is the CA as a file that certutil, update-ca-certificates and browsers take.
func (w WSS) CAPEM() []byte {
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: w.CA.Raw})
}

// RenewWSS makes a new CA and a new certificate in the data folder, in place of older ones. The CA can sign for this PC's
// own loopback names and for nothing else (name constraints that are critical, RFC 5280 §4.2.1.10), only for servers, and
// its key is gone when this returns: it was never written, so nobody can ever sign with it again. Trusting it therefore
// trusts this one certificate. Errors: *FileError.
func RenewWSS(dir string, now time.Time) (WSS, error) {
	if err := makePrivateDir(dir); err != nil {
		return WSS{}, err
	}
	caKey, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return WSS{}, err
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return WSS{}, err
	}
	begin := now.UTC().Truncate(time.Second).Add(-time.Hour) // clocks of one PC differ by little, those of a restored one by more
	end := begin.Add(WSSLife)
	serial := func() *big.Int {
		b := make([]byte, 16)
		_, _ = rand.Read(b) // never fails (crypto/rand)
		b[0] = b[0]&0x7f | 0x40
		return new(big.Int).SetBytes(b)
	}
	name := "Tapcheck on this PC " + strings.ToLower(rand.Text()[:8]) // so that several can be told apart in a list
	ca := &x509.Certificate{
		SerialNumber: serial(), Subject: pkix.Name{CommonName: name}, NotBefore: begin, NotAfter: end,
		IsCA: true, BasicConstraintsValid: true, MaxPathLenZero: true,
		KeyUsage: x509.KeyUsageCertSign, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
		PermittedDNSDomainsCritical: true,
		PermittedDNSDomains:         []string{"localhost"},
		ExcludedDNSDomains:          []string{".localhost"}, // the name itself, and nothing below it
		PermittedIPRanges:           []*net.IPNet{{IP: net.IPv4(127, 0, 0, 1).To4(), Mask: net.CIDRMask(32, 32)}, {IP: net.IPv6loopback, Mask: net.CIDRMask(128, 128)}},
		// Names of the other kinds can only be one that does not exist (RFC 2606 §2).
		PermittedEmailAddresses: []string{"invalid"}, PermittedURIDomains: []string{"invalid"},
	}
	caDER, err := x509.CreateCertificate(rand.Reader, ca, ca, caKey.Public(), caKey)
	if err != nil {
		return WSS{}, err
	}
	if ca, err = x509.ParseCertificate(caDER); err != nil {
		return WSS{}, err
	}
	leaf := &x509.Certificate{
		SerialNumber: serial(), Subject: pkix.Name{CommonName: "localhost"}, NotBefore: begin, NotAfter: end, BasicConstraintsValid: true,
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
		DNSNames: []string{"localhost"}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1), net.IPv6loopback},
	}
	leafDER, err := x509.CreateCertificate(rand.Reader, leaf, ca, key.Public(), caKey)
	if err != nil {
		return WSS{}, err
	}
	keyDER, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return WSS{}, err
	}
	var file []byte
	for _, b := range []pem.Block{{Type: "CERTIFICATE", Bytes: leafDER}, {Type: "CERTIFICATE", Bytes: caDER}, {Type: "PRIVATE KEY", Bytes: keyDER}} {
		file = append(file, pem.EncodeToMemory(&b)...)
	}
	if err := writePrivate(filepath.Join(dir, WSSFileName), file, true); err != nil {
		return WSS{}, err
	}
	_, w, err := loadWSS(filepath.Join(dir, WSSFileName))
	if err != nil {
		return WSS{}, err
	}
	// For the administrator's hand only: the agent does not read it.
	if err := writePrivate(filepath.Join(dir, WSSCAFileName), w.CAPEM(), true); err != nil {
		return WSS{}, err
	}
	return w, nil
}

// OpenWSS looks at the certificate that is there. Errors: ErrNoWSS, *FileError.
func OpenWSS(dir string) (WSS, error) {
	_, w, err := loadWSS(filepath.Join(dir, WSSFileName))
	return w, err
}

// RemoveWSS deletes the certificate and its key. Whoever trusted the CA should take it out there too, though it can sign
// nothing any more. Error: *FileError.
func RemoveWSS(dir string) error {
	for _, name := range []string{WSSFileName, WSSCAFileName} {
		path := filepath.Join(dir, name)
		if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return &FileError{Path: path, Err: err}
		}
	}
	return nil
}

func loadWSS(path string) (*tls.Certificate, WSS, error) {
	raw, err := readPrivate(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, WSS{}, ErrNoWSS
	}
	if err != nil {
		return nil, WSS{}, err
	}
	bad := &FileError{Path: path, Err: ErrMalformed, Cure: "tapcheck wss renew"}
	pair, err := tls.X509KeyPair(raw, raw)
	if err != nil || len(pair.Certificate) != 2 {
		return nil, WSS{}, bad // the decoder's error may quote the file
	}
	ca, err := x509.ParseCertificate(pair.Certificate[1])
	if err != nil || pair.Leaf.CheckSignatureFrom(ca) != nil {
		return nil, WSS{}, bad
	}
	pair.Certificate = pair.Certificate[:1] // the CA is trusted or it is not; sending it changes nothing
	return &pair, WSS{CA: ca, Leaf: pair.Leaf, NotAfter: pair.Leaf.NotAfter}, nil
}

// WSSServer gives the certificate to connections, and notices when the administrator has renewed it. It is safe for
// concurrent use.
type WSSServer struct {
	path string

	mu   sync.Mutex
	seen fileState
	pair *tls.Certificate
}

// NewWSSServer serves the certificate of a data folder. Errors: ErrNoWSS, *FileError.
func NewWSSServer(dir string) (*WSSServer, error) {
	s := &WSSServer{path: filepath.Join(dir, WSSFileName)}
	_, err := s.certificate(nil)
	return s, err
}

// TLS is how a listener serves it: TLS 1.2 or newer, HTTP/1.1, which is what a websocket is upgraded from.
func (s *WSSServer) TLS() *tls.Config {
	return &tls.Config{MinVersion: tls.VersionTLS12, NextProtos: []string{"http/1.1"}, GetCertificate: s.certificate}
}

// NotAfter is when the certificate that is served now ends. Errors: those of NewWSSServer.
func (s *WSSServer) NotAfter() (time.Time, error) {
	pair, err := s.certificate(nil)
	if err != nil {
		return time.Time{}, err
	}
	return pair.Leaf.NotAfter, nil
}

func (s *WSSServer) certificate(*tls.ClientHelloInfo) (*tls.Certificate, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	info, err := os.Lstat(s.path)
	if err != nil {
		if errors.Is(err, fs.ErrNotExist) {
			err = ErrNoWSS
		}
		return nil, err
	}
	now := fileState{true, info.ModTime(), info.Size(), fileIdentity(info), info.Mode()}
	if s.pair != nil && now == s.seen {
		return s.pair, nil
	}
	pair, _, err := loadWSS(s.path)
	if err != nil {
		s.pair = nil
		return nil, fmt.Errorf("wss: %w", err)
	}
	s.pair, s.seen = pair, now
	return pair, nil
}
