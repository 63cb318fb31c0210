package access

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"maps"
	"math/big"
	"slices"
	"strings"

	"github.com/tapcheck/tapcheck/icao/lds"
)

// Bounds of the files that a terminal is made of.
const (
	maxTerminalFiles = 64
	maxTerminalFile  = 64 << 10
)

// TerminalFileError says what is wrong with a file of a terminal, and what to do. It holds no bytes of it.
type TerminalFileError struct {
	File, Reason, Cure string
}

func (e *TerminalFileError) Error() string {
	return fmt.Sprintf("%s: %s → %s", e.File, e.Reason, e.Cure)
}

// TerminalFromFiles puts a terminal together from the files that its hospital was given, by name: card verifiable certificates (DO'7F21' of
// ICAO 9303-12 §7.2, one or several in a row; .cvcert as a rule) and one private key, RSA or on a standardized curve (PKCS #8, or the
// older forms of PKCS #1 and SEC 1, in DER or PEM, not encrypted). What a file is, its content says. A key in a security module needs no file:
// see TerminalKey. The error is a *TerminalFileError.
func TerminalFromFiles(files map[string][]byte) (Terminal, error) {
	var t Terminal
	bad := func(file, reason, cure string) (Terminal, error) {
		return Terminal{}, &TerminalFileError{file, reason, cure}
	}
	if len(files) > maxTerminalFiles {
		return bad("folder", fmt.Sprintf("holds more than %d files", maxTerminalFiles), "keep only the terminal's certificates and its key there")
	}
	keyFile := ""
	for _, name := range slices.Sorted(maps.Keys(files)) {
		raw := files[name]
		switch {
		case len(raw) == 0:
			return bad(name, "is empty", "get it again from who issued it")
		case len(raw) > maxTerminalFile:
			return bad(name, fmt.Sprintf("is larger than %d KiB", maxTerminalFile>>10), "keep only the terminal's certificates and its key there")
		case bytes.HasPrefix(raw, []byte{0x7F, 0x21}):
			for n := 1; len(raw) > 0; n++ {
				_, _, rest, err := lds.ReadTLV(raw)
				var c Certificate
				if err == nil {
					c, err = ParseCertificate(raw[:len(raw)-len(rest)])
				}
				if err != nil {
					return bad(name, fmt.Sprintf("certificate %d is no card verifiable certificate of an inspection system", n), "get it again from the document verifier")
				}
				if len(t.Certificates) == maxCertificates {
					return bad(name, fmt.Sprintf("there are more than %d certificates", maxCertificates), "leave out those that have run out")
				}
				t.Certificates, raw = append(t.Certificates, c), rest
			}
		default:
			key, reason := privateKey(raw)
			if reason != "" {
				return bad(name, reason, "give certificates as DO'7F21' and the key as PKCS #8, in DER or PEM")
			}
			if keyFile != "" {
				return bad(name, "is a second key beside "+keyFile, "keep one key in the folder")
			}
			keyFile, t.Key = name, SignerKey(key)
		}
	}
	switch {
	case len(t.Certificates) == 0:
		return bad("folder", "holds no certificate", "put the terminal's certificate and its document verifier's there")
	case t.Key == nil:
		return bad("folder", "holds no private key", "put the terminal's key there, or use one in a security module")
	case !slices.ContainsFunc(t.Certificates, func(c Certificate) bool { return c.Role == RoleTerminal }):
		return bad("folder", "holds no certificate of a terminal", "put the terminal's own certificate there, beside its document verifier's")
	}
	return t, nil
}

// privateKey reads a key in one of its forms, or says why not.
func privateKey(raw []byte) (crypto.Signer, string) {
	if bytes.Contains(raw, []byte("-----BEGIN ")) {
		for rest := raw; ; {
			var b *pem.Block
			if b, rest = pem.Decode(rest); b == nil {
				return nil, "holds no key that can be read"
			}
			if b.Type == "ENCRYPTED PRIVATE KEY" || b.Headers["DEK-Info"] != "" {
				return nil, "holds a key that is encrypted"
			}
			if strings.HasSuffix(b.Type, "PRIVATE KEY") {
				raw = b.Bytes
				break
			}
		}
	}
	if key, err := x509.ParsePKCS8PrivateKey(raw); err == nil {
		return usable(key)
	}
	if key, err := x509.ParsePKCS1PrivateKey(raw); err == nil {
		return key, ""
	}
	if key, err := x509.ParseECPrivateKey(raw); err == nil {
		return usable(key)
	}
	// The standard library has no curves but NIST's.
	key, err := ecPrivateKey(raw, nil)
	if err != nil {
		return nil, "is neither a card verifiable certificate nor a private key that can be used here"
	}
	return key, ""
}

func usable(key any) (crypto.Signer, string) {
	switch k := key.(type) {
	case *ecdsa.PrivateKey:
		return k, ""
	case *rsa.PrivateKey:
		return k, ""
	}
	return nil, "holds a key of a kind that no card takes"
}

var errKeyForm = errors.New("not an elliptic curve's private key")

// ecPrivateKey reads a PKCS #8 PrivateKeyInfo (RFC 5208) or an ECPrivateKey (RFC 5915) on a standardized curve. c is the curve that
// was named around it.
func ecPrivateKey(raw []byte, c *curve) (*ecdsa.PrivateKey, error) {
	body, err := lds.Only(raw, 0x30)
	if err != nil {
		return nil, err
	}
	version, body, err := smallInteger(body)
	if err != nil {
		return nil, err
	}
	if version == 0 && c == nil {
		algorithm, body, err := lds.Expect(body, 0x30)
		if err != nil {
			return nil, err
		}
		kind, parameters, err := lds.Expect(algorithm, 0x06)
		if err != nil {
			return nil, err
		}
		inner, _, err := lds.Expect(body, 0x04)
		if err != nil {
			return nil, err
		}
		if !bytes.Equal(kind, oidECPublicKey) {
			return nil, errKeyForm
		}
		if c, err = ecParameters(parameters); err != nil || c == nil {
			return nil, errKeyForm
		}
		return ecPrivateKey(inner, c)
	}
	if version != 1 {
		return nil, errKeyForm
	}
	secret, body, err := lds.Expect(body, 0x04)
	if err != nil {
		return nil, err
	}
	if c == nil {
		parameters, _, err := lds.Expect(body, 0xA0)
		if err != nil {
			return nil, err
		}
		if c, err = ecParameters(parameters); err != nil || c == nil {
			return nil, errKeyForm
		}
	}
	g, ok := c.g.(elliptic.Curve)
	d := new(big.Int).SetBytes(secret)
	if !ok || len(secret) > c.nLength+8 || d.Sign() == 0 || d.Cmp(c.n) >= 0 {
		return nil, errKeyForm
	}
	public, err := c.mul(c.base, d)
	if err != nil {
		return nil, err
	}
	//lint:ignore SA1019 the library's newer constructor knows the NIST curves alone; it signs on brainpool's as well
	return &ecdsa.PrivateKey{PublicKey: ecdsa.PublicKey{Curve: g, X: public.x, Y: public.y}, D: d}, nil
}
