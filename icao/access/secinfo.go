package access

import (
	"bytes"
	"crypto"
	"crypto/sha256"
	"encoding/asn1"
	"fmt"
	"math/big"

	"github.com/gmrtd/gmrtd/oid"

	"github.com/tapcheck/tapcheck/icao/lds"
)

// Bounds on a SecurityInfos set (ICAO 9303-11 §9.2): real ones have ten entries in a few hundred bytes.
const (
	maxSecurityInfos     = 64
	maxSecurityInfoBytes = 16 << 10
)

// paceInfo is one way to run PACE that the card offers (ICAO 9303-11 §9.2.1).
type paceInfo struct {
	protocol  []byte // content bytes of the object identifier
	version   int
	parameter int // -1 without one
}

// caInfo is one way to run chip authentication (ICAO 9303-11 §9.2.5).
type caInfo struct {
	protocol []byte
	version  int
	keyID    []byte // as it stands in the file; nil without one
}

// caKey is a public key for chip authentication (ICAO 9303-11 §9.2.6).
type caKey struct {
	ec    bool   // id-PK-ECDH; else id-PK-DH
	spki  []byte // SubjectPublicKeyInfo, DER
	keyID []byte
}

func (k caKey) fingerprint() []byte {
	sum := sha256.Sum256(k.spki)
	return sum[:]
}

// taInfo is the offer of terminal authentication (ICAO 9303-11 §9.2.8 and Appendix K.2).
type taInfo struct {
	version int
	fid     uint16 // of EF.CVCA; 0 for the default
	sfi     byte   // 0 where it must be selected
}

// securityInfos is what of EF.CardAccess or DG14 matters to us. Entries of kinds that we do not know, and broken entries, are
// passed over: one of them must not cost the others (gmrtd gives the whole file up for one unknown version).
type securityInfos struct {
	pace    []paceInfo
	ca      []caInfo
	caKeys  []caKey
	ta      []taInfo
	aaHash  crypto.Hash // of active authentication with ECDSA; 0 if not said, or unknown
	aaNamed bool        // it was said
	skipped int
}

var (
	oidPACE   = oid.OidBytes(oid.OidPace)
	oidCA     = oid.OidBytes(oid.OidCa)
	oidPKDH   = oid.OidBytes(oid.OidPkDh)
	oidPKECDH = oid.OidBytes(oid.OidPkEcdh)
	oidAA     = oid.OidBytes(oid.OidIcaoMrtdSecurityAaProtocolObject)
)

// signatureHashes are the algorithms that an ActiveAuthenticationInfo may name: ecdsa-plain of TR-03111 §5.2.1, which the
// standard wants, and those of ANSI X9.62, which cards have too.
var signatureHashes = func() map[string]crypto.Hash {
	plain := asn1.ObjectIdentifier{0, 4, 0, 127, 0, 7, 1, 1, 4, 1}
	m := map[string]crypto.Hash{
		string(oid.OidBytes(oid.OidEcdsaWithSHA1)):   crypto.SHA1,
		string(oid.OidBytes(oid.OidEcdsaWithSHA224)): crypto.SHA224,
		string(oid.OidBytes(oid.OidEcdsaWithSHA256)): crypto.SHA256,
		string(oid.OidBytes(oid.OidEcdsaWithSHA384)): crypto.SHA384,
		string(oid.OidBytes(oid.OidEcdsaWithSHA512)): crypto.SHA512,
	}
	for i, h := range []crypto.Hash{crypto.SHA1, crypto.SHA224, crypto.SHA256, crypto.SHA384, crypto.SHA512} {
		m[string(oid.OidBytes(append(plain[:len(plain):len(plain)], i+1)))] = h
	}
	return m
}()

// parseSecurityInfos reads a SecurityInfos set. lds.ErrMalformed if it is none.
func parseSecurityInfos(b []byte) (securityInfos, error) {
	var out securityInfos
	if len(b) > maxSecurityInfoBytes {
		return out, fmt.Errorf("security infos of %d bytes: %w", len(b), lds.ErrTooLarge)
	}
	set, _, err := lds.Expect(b, 0x31) // a card may fill the file up behind the set
	if err != nil {
		return out, err
	}
	for n := 0; len(set) > 0; n++ {
		if n == maxSecurityInfos {
			return out, fmt.Errorf("more than %d security infos: %w", maxSecurityInfos, lds.ErrMalformed)
		}
		var info []byte
		if info, set, err = lds.Expect(set, 0x30); err != nil {
			return out, err
		}
		if out.add(info) != nil {
			out.skipped++
		}
	}
	return out, nil
}

func (s *securityInfos) add(info []byte) error {
	protocol, rest, err := lds.Expect(info, 0x06)
	if err != nil {
		return err
	}
	switch {
	case child(protocol, oidPACE) && len(protocol) == len(oidPACE)+2:
		version, optional, err := smallInteger(rest)
		if err != nil {
			return err
		}
		p := paceInfo{protocol: protocol, version: version, parameter: -1}
		if len(optional) > 0 {
			if p.parameter, _, err = smallInteger(optional); err != nil {
				return err
			}
		}
		s.pace = append(s.pace, p)
	case child(protocol, oidCA) && len(protocol) == len(oidCA)+2:
		version, optional, err := smallInteger(rest)
		if err != nil {
			return err
		}
		keyID, err := keyReference(optional)
		if err != nil {
			return err
		}
		s.ca = append(s.ca, caInfo{protocol, version, keyID})
	case bytes.Equal(protocol, oidPKECDH), bytes.Equal(protocol, oidPKDH):
		_, optional, err := lds.Expect(rest, 0x30)
		if err != nil {
			return err
		}
		keyID, err := keyReference(optional)
		if err != nil {
			return err
		}
		s.caKeys = append(s.caKeys, caKey{bytes.Equal(protocol, oidPKECDH), rest[:len(rest)-len(optional)], keyID})
	case bytes.Equal(protocol, oidTA):
		version, optional, err := smallInteger(rest)
		if err != nil {
			return err
		}
		info := taInfo{version: version}
		if len(optional) > 0 {
			if info.fid, info.sfi, err = fileID(optional); err != nil {
				return err
			}
		}
		s.ta = append(s.ta, info)
	case bytes.Equal(protocol, oidAA):
		_, rest, err := smallInteger(rest)
		if err != nil {
			return err
		}
		algorithm, _, err := lds.Expect(rest, 0x06)
		if err != nil {
			return err
		}
		s.aaHash, s.aaNamed = signatureHashes[string(algorithm)], true
	}
	return nil
}

// child says whether an object identifier lies below another.
func child(id, parent []byte) bool { return len(id) > len(parent) && bytes.HasPrefix(id, parent) }

func smallInteger(b []byte) (int, []byte, error) {
	n, rest, err := readInteger(b)
	if err != nil {
		return 0, nil, err
	}
	if n.Cmp(big.NewInt(0xFFFF)) > 0 {
		return 0, nil, fmt.Errorf("integer is too large: %w", lds.ErrMalformed)
	}
	return int(n.Int64()), rest, nil
}

// fileID reads the place of EF.CVCA: its file identifier and, optionally, its short one.
func fileID(b []byte) (fid uint16, sfi byte, err error) {
	body, err := lds.Only(b, 0x30)
	if err != nil {
		return 0, 0, err
	}
	long, body, err := lds.Expect(body, 0x04)
	if err != nil {
		return 0, 0, err
	}
	if len(body) > 0 {
		short, err := lds.Only(body, 0x04)
		if err != nil {
			return 0, 0, err
		}
		if len(short) == 1 && short[0] > 0 && short[0] < 31 {
			sfi = short[0]
		}
	}
	if len(long) != 2 || long[0]|long[1] == 0 {
		return 0, 0, fmt.Errorf("file identifier that is none: %w", lds.ErrMalformed)
	}
	return uint16(long[0])<<8 | uint16(long[1]), sfi, nil
}

// keyReference is the optional integer at the end of an info, as the bytes that DO'84' takes: the value without the sign byte.
func keyReference(b []byte) ([]byte, error) {
	if len(b) == 0 {
		return nil, nil
	}
	n, err := integer(b)
	if err != nil {
		return nil, err
	}
	if n.BitLen() > 64 {
		return nil, fmt.Errorf("key reference is too long: %w", lds.ErrMalformed)
	}
	if n.Sign() == 0 {
		return []byte{0}, nil
	}
	return n.Bytes(), nil
}
