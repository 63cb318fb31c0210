package access

import (
	"bytes"
	"crypto/cipher"
	"fmt"
	"math/big"

	"github.com/gmrtd/gmrtd/cryptoutils"

	"github.com/tapcheck/tapcheck/icao/lds"
)

// camRun is what PACE with chip authentication mapping brought, until it can be held against the chip's key.
type camRun struct {
	suite   suite
	d       domain
	mapping point    // the chip's public key of the mapping
	sent    bool     // the chip sent data
	data    *big.Int // and these; nil if they are none
}

// camData opens the encrypted chip authentication data (ICAO 9303-11 §4.4.3.5). The MAC of the token says nothing about them: whether
// they are right, only the check against the chip's key tells.
func (s suite) camData(ksEnc, encrypted []byte) *big.Int {
	size := s.block()
	if len(encrypted) == 0 || len(encrypted)%size != 0 || len(encrypted) > 128 {
		return nil
	}
	block := s.cipher(ksEnc)
	iv := bytes.Repeat([]byte{0xFF}, size)
	block.Encrypt(iv, iv)
	plain := make([]byte, len(encrypted))
	cipher.NewCBCDecrypter(block, iv).CryptBlocks(plain, encrypted)
	data, err := cryptoutils.ISO9797Method2Unpad(plain)
	if err != nil || len(plain)-len(data) > size || len(data) == 0 {
		return nil
	}
	return new(big.Int).SetBytes(data)
}

// ChipAuthenticationMapping judges the proof that came with PACE with chip authentication mapping (ICAO 9303-11 §4.4.3.5.2). infos is a
// SecurityInfos set with the chip's public key, as it was signed: the content of EF.CardSecurity (see [CardSecurityInfos]).
//
// The proof is worth no more than the signature over infos, which is the caller's to verify; Status is left to the caller. Exchange is
// Passed, Failed (CHIP_AUTH_FAILED), NotPresent (FEATURE_ABSENT: another mapping was run) or NotDone with MALFORMED (infos is none, or
// has no key with the id that EF.CardAccess names: the standard wants that one, and another might be another chip's) or
// REFUSED_BY_CARD (the chip sent no proof). key is the SHA-256 of the key's SubjectPublicKeyInfo. Nothing is sent to the chip.
func (c *Channel) ChipAuthenticationMapping(infos []byte) (v lds.ExchangeVerdict, key []byte) {
	run := c.cam
	if run == nil {
		return lds.ExchangeVerdict{Exchange: lds.NotPresent, Reason: lds.ReasonFeatureAbsent}, nil
	}
	v.Protocol = "PACE-CAM " + run.suite.name + " " + run.d.label()
	judge := func(s lds.Status, r lds.Reason) lds.ExchangeVerdict {
		v.Exchange, v.Reason = s, r
		return v
	}
	parsed, err := parseSecurityInfos(infos)
	if err != nil {
		return judge(lds.NotDone, lds.ReasonMalformed), nil
	}
	if !run.sent {
		return judge(lds.NotDone, lds.ReasonRefusedByCard), nil
	}
	for _, k := range parsed.caKeys {
		if !k.ec || !bytes.Equal(k.keyID, []byte{byte(run.d.parameter())}) {
			continue
		}
		cv, public, err := ecKey(k.spki)
		if err != nil || cv != run.d {
			continue
		}
		if run.data != nil {
			if proof, err := cv.mul(public, run.data); err == nil && proof.equal(run.mapping) {
				return judge(lds.Passed, ""), k.fingerprint()
			}
		}
		return judge(lds.Failed, lds.ReasonChipAuthFailed), k.fingerprint()
	}
	return judge(lds.NotDone, lds.ReasonMalformed), nil
}

// maxCardSecurity bounds EF.CardSecurity: real ones have two to four kilobytes, most of it a certificate.
const maxCardSecurity = 64 << 10

var (
	oidSignedData     = []byte{0x2A, 0x86, 0x48, 0x86, 0xF7, 0x0D, 0x01, 0x07, 0x02}
	oidSecurityObject = []byte{0x04, 0x00, 0x7F, 0x00, 0x07, 0x03, 0x02, 0x01} // id-SecurityObject of TR-03110-3 §A.1.2.5
)

// CardSecurityInfos takes the SecurityInfos set out of EF.CardSecurity, a CMS SignedData (RFC 5652 §5.1) over them. It verifies nothing:
// what it gives is worth nothing until somebody has verified the signature over exactly these bytes. Errors: lds.ErrMalformed,
// lds.ErrTooLarge.
func CardSecurityInfos(cardSecurity []byte) ([]byte, error) {
	if len(cardSecurity) > maxCardSecurity {
		return nil, fmt.Errorf("EF.CardSecurity of %d bytes: %w", len(cardSecurity), lds.ErrTooLarge)
	}
	outer, _, err := lds.Expect(cardSecurity, 0x30)
	if err != nil {
		return nil, err
	}
	signed, err := content(outer, oidSignedData)
	if err != nil {
		return nil, err
	}
	if signed, err = lds.Only(signed, 0x30); err != nil {
		return nil, err
	}
	_, rest, err := lds.Expect(signed, 0x02) // version
	if err != nil {
		return nil, err
	}
	if _, rest, err = lds.Expect(rest, 0x31); err != nil { // digest algorithms
		return nil, err
	}
	inner, _, err := lds.Expect(rest, 0x30)
	if err != nil {
		return nil, err
	}
	if inner, err = content(inner, oidSecurityObject); err != nil {
		return nil, err
	}
	return lds.Only(inner, 0x04)
}

// content reads what ContentInfo and EncapsulatedContentInfo have in common: an object identifier and, explicitly tagged, the content.
func content(b, want []byte) ([]byte, error) {
	kind, rest, err := lds.Expect(b, 0x06)
	if err != nil {
		return nil, err
	}
	if !bytes.Equal(kind, want) {
		return nil, fmt.Errorf("content of another type: %w", lds.ErrMalformed)
	}
	return lds.Only(rest, 0xA0)
}
