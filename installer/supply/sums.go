package main

import (
	"bytes"
	"crypto/ed25519"
	"crypto/sha256"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
)

// Names of what stands beside the files of a release.
const (
	sumsName   = "SHA256SUMS"
	sigName    = "SHA256SUMS.sig" // of that file's bytes: Ed25519, 64 bytes, as openssl pkeyutl -rawin has it
	publicName = "release.pub"    // PEM; of use only to whoever knows it from elsewhere
)

// sums writes the checksums of all files of a folder, and where there is a release key (PEM, Ed25519) its signature over them and
// its public half. It says which it is.
func sums(folder, keyFile string, out io.Writer) error {
	for _, old := range []string{sumsName, sigName, publicName} {
		if err := os.Remove(filepath.Join(folder, old)); err != nil && !errors.Is(err, os.ErrNotExist) {
			return err
		}
	}
	var key ed25519.PrivateKey
	if keyFile != "" {
		var err error
		if key, err = readKey(keyFile); err != nil {
			return err
		}
	}
	entries, err := os.ReadDir(folder) // by name
	if err != nil {
		return err
	}
	var list bytes.Buffer
	for _, e := range entries {
		if !e.Type().IsRegular() {
			continue
		}
		f, err := os.Open(filepath.Join(folder, e.Name()))
		if err != nil {
			return err
		}
		h := sha256.New()
		_, err = io.Copy(h, f)
		if err = errors.Join(err, f.Close()); err != nil {
			return err
		}
		fmt.Fprintf(&list, "%x  %s\n", h.Sum(nil), e.Name())
	}
	if err := os.WriteFile(filepath.Join(folder, sumsName), list.Bytes(), 0o644); err != nil {
		return err
	}
	if key == nil {
		fmt.Fprintf(out, "%s: the checksums are NOT SIGNED (no RELEASE_KEY): they show a broken download, not a changed one\n", folder)
		return nil
	}
	der, err := x509.MarshalPKIXPublicKey(key.Public())
	if err != nil {
		return err
	}
	err = errors.Join(
		os.WriteFile(filepath.Join(folder, sigName), ed25519.Sign(key, list.Bytes()), 0o644),
		os.WriteFile(filepath.Join(folder, publicName), pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der}), 0o644),
	)
	if err == nil {
		fmt.Fprintf(out, "%s: the checksums are signed: openssl pkeyutl -verify -rawin -pubin -inkey %s -in %s -sigfile %s\n", folder, publicName, sumsName, sigName)
	}
	return err
}

// readKey reads a release key. What is wrong with it is said without quoting it.
func readKey(file string) (ed25519.PrivateKey, error) {
	raw, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	block, _ := pem.Decode(raw)
	if block == nil {
		return nil, fmt.Errorf("%s: no PEM", file)
	}
	parsed, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	key, ok := parsed.(ed25519.PrivateKey)
	if err != nil || !ok {
		return nil, fmt.Errorf("%s: no Ed25519 private key in PKCS #8", file)
	}
	return key, nil
}
