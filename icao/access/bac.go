package access

import (
	"context"
	"crypto/cipher"
	"crypto/subtle"
	"fmt"
	"io"

	"github.com/gmrtd/gmrtd/cryptoutils"

	"github.com/tapcheck/tapcheck/icao/lds"
)

// BAC opens the chip with the key's MRZ (ICAO 9303-11 §4.3). The application must have been selected.
//
// Errors: lds.ErrKeyRejected for a wrong key, lds.ErrKeyUnsuitable for a key without MRZ, lds.ErrKeyMissing for an empty
// one, ErrUnsupported if the card has no BAC, lds.ErrAccessFailed if the card's answer is wrong.
func (c *Channel) BAC(ctx context.Context, key lds.Key) (lds.AccessVerdict, error) {
	v := lds.AccessVerdict{Status: lds.Failed, Protocol: "BAC", Detail: suite3DES.name, Key: lds.KeyMRZ, KeyFrom: key.From}
	if key.MRZ == nil {
		v.Key = ""
		if key.Empty() {
			return v, lds.ErrKeyMissing
		}
		return v, fmt.Errorf("BAC: %w", lds.ErrKeyUnsuitable)
	}
	hash, err := mrzHash(key.MRZ)
	if err != nil {
		return v, err
	}
	m, err := c.runBAC(ctx, hash[:16])
	if err != nil {
		return v, err
	}
	c.startMessaging(m)
	c.chipID = documentNumber(key.MRZ)
	v.Status = lds.Passed
	return v, nil
}

// documentNumber is the number of the zone with its check digit, which names the chip to terminal authentication (ICAO 9303-11 §7.1.2).
func documentNumber(k *lds.MRZKey) []byte {
	number := []byte(k.DocumentNumber)
	for len(number) < 9 {
		number = append(number, '<')
	}
	digit, _ := checkDigit(string(number))
	return append(number, digit)
}

func (c *Channel) runBAC(ctx context.Context, seed []byte) (*messaging, error) {
	const challengeOp = "GET CHALLENGE"
	r, err := c.send(ctx, challengeOp, command{ins: 0x84, le: 8})
	if err != nil {
		return nil, err
	}
	switch {
	case r.sw == swOK && len(r.data) == 8:
	case r.sw == swWrongIns, r.sw == swNotSupported, r.sw == swWrongP1P2:
		return nil, status(challengeOp, r.sw, ErrUnsupported)
	case r.sw == swOK:
		return nil, fmt.Errorf("%s: %d bytes: %w", challengeOp, len(r.data), lds.ErrProtocol)
	default:
		return nil, status(challengeOp, r.sw, lds.ErrAccessFailed)
	}
	rndIC := r.data

	own := make([]byte, 8+16) // RND.IFD and K.IFD
	if _, err := io.ReadFull(c.rand, own); err != nil {
		return nil, fmt.Errorf("random numbers: %w", err)
	}
	rndIFD, kIFD := own[:8], own[8:]
	kEnc := suite3DES.cipher(suite3DES.kdf(seed, cryptoutils.KDF_COUNTER_KSENC))
	kMac := suite3DES.kdf(seed, cryptoutils.KDF_COUNTER_KSMAC)

	s := append(append(append([]byte(nil), rndIFD...), rndIC...), kIFD...)
	iv := make([]byte, 8)
	cipher.NewCBCEncrypter(kEnc, iv).CryptBlocks(s, s)
	s = append(s, suite3DES.mac(kMac, cryptoutils.ISO9797Method2Pad(s, 8))...)

	const op = "EXTERNAL AUTHENTICATE for BAC"
	if r, err = c.send(ctx, op, command{ins: 0x82, data: s, le: 40}); err != nil {
		return nil, err
	}
	switch {
	case r.sw == swOK:
	case r.sw>>8 == 0x63, r.sw == swSecurity, r.sw == swConditions, r.sw == swSMWrong:
		return nil, status(op, r.sw, lds.ErrKeyRejected)
	default:
		return nil, status(op, r.sw, lds.ErrAccessFailed)
	}
	wrong := fmt.Errorf("%s: chip's answer is wrong: %w", op, lds.ErrAccessFailed)
	if len(r.data) != 40 {
		return nil, wrong
	}
	answer, mac := r.data[:32], r.data[32:]
	if subtle.ConstantTimeCompare(suite3DES.mac(kMac, cryptoutils.ISO9797Method2Pad(answer, 8)), mac) != 1 {
		return nil, wrong
	}
	plain := make([]byte, 32)
	cipher.NewCBCDecrypter(kEnc, iv).CryptBlocks(plain, answer)
	if subtle.ConstantTimeCompare(plain[:8], rndIC)&subtle.ConstantTimeCompare(plain[8:16], rndIFD) != 1 {
		return nil, wrong
	}
	kSeed := plain[16:]
	for i := range kSeed {
		kSeed[i] ^= kIFD[i]
	}
	ssc := append(append(counter(nil), rndIC[4:]...), rndIFD[4:]...)
	return newMessaging(suite3DES,
		suite3DES.kdf(kSeed, cryptoutils.KDF_COUNTER_KSENC), suite3DES.kdf(kSeed, cryptoutils.KDF_COUNTER_KSMAC), ssc), nil
}
