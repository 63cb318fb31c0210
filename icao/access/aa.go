package access

import (
	"bytes"
	"context"
	"crypto"
	_ "crypto/sha1" // the hashes that a card may choose
	"crypto/sha256"
	_ "crypto/sha512"
	"crypto/subtle"
	"errors"
	"fmt"
	"math/big"
	"slices"

	"github.com/tapcheck/tapcheck/icao/lds"
)

// minModulus is the shortest RSA modulus, in bits, that says anything; maxModulus what we compute with.
const (
	minModulus = 1024
	maxModulus = 8192
)

// aaKey is the public key of DG15: one of RSA and EC.
type aaKey struct {
	n, e  *big.Int
	curve *curve
	point point
	spki  []byte
}

func (k aaKey) signatureLength() int {
	if k.n != nil {
		return (k.n.BitLen() + 7) / 8
	}
	return 2*k.curve.nLength + 9 // room for DER
}

// parseDG15 reads the key of DG15 (ICAO 9303-10 §4.7.15). lds.ErrMalformed, or ErrUnsupported for a kind that we do not speak.
func parseDG15(dg15 []byte) (aaKey, error) {
	body, _, err := lds.Expect(dg15, 0x6F)
	if err != nil {
		return aaKey{}, err
	}
	_, rest, err := lds.Expect(body, 0x30)
	if err != nil {
		return aaKey{}, err
	}
	k := aaKey{spki: body[:len(body)-len(rest)]}
	algorithm, _, key, err := subjectKey(k.spki)
	if err != nil {
		return aaKey{}, err
	}
	if !bytes.Equal(algorithm, oidRSA) {
		k.curve, k.point, err = ecKey(k.spki)
		return k, err
	}
	numbers, err := lds.Only(key, 0x30)
	if err != nil {
		return aaKey{}, err
	}
	if k.n, numbers, err = readInteger(numbers); err != nil {
		return aaKey{}, err
	}
	if k.e, err = integer(numbers); err != nil {
		return aaKey{}, err
	}
	if k.n.BitLen() > maxModulus || k.e.BitLen() > 64 {
		return aaKey{}, errUnknownKey
	}
	if k.n.Bit(0) == 0 || k.e.Bit(0) == 0 || k.e.BitLen() < 2 {
		return aaKey{}, fmt.Errorf("RSA key of impossible numbers: %w", lds.ErrMalformed)
	}
	return k, nil
}

// ActiveAuthentication runs ICAO 9303-11 §6.1 with the key of DG15 and, for ECDSA, the hash named in DG14 (nil without
// one). challenge is eight bytes.
//
// The verdict's Exchange is Passed (with AA_HASH_NOT_NAMED where DG14 does not name the hash of ECDSA, which it must, and the one that fits the
// key's size did), Failed (ACTIVE_AUTH_FAILED, or WEAK_KEY for RSA below 1,024 bits, which is not even
// asked) or NotDone with UNSUPPORTED, MALFORMED, REFUSED_BY_CARD or RESPONSE_TOO_LONG: the signature fits no short response,
// and card or reader refuse extended length, which is tried whatever Options.Extended says, and pieces. Status and Challenge are the caller's. key is the SHA-256 of DG15's
// SubjectPublicKeyInfo. An error is a transport failure or a broken session.
func (c *Channel) ActiveAuthentication(ctx context.Context, dg15, dg14, challenge []byte) (v lds.ExchangeVerdict, key []byte, err error) {
	if len(challenge) != 8 {
		return v, nil, fmt.Errorf("active authentication with a challenge of %d bytes: %w", len(challenge), lds.ErrProtocol)
	}
	judge := func(s lds.Status, r lds.Reason) (lds.ExchangeVerdict, []byte, error) {
		v.Exchange, v.Reason = s, r
		return v, key, nil
	}
	k, err := parseDG15(dg15)
	switch {
	case errors.Is(err, lds.ErrMalformed):
		return judge(lds.NotDone, lds.ReasonMalformed)
	case err != nil:
		return judge(lds.NotDone, lds.ReasonUnsupported)
	}
	sum := sha256.Sum256(k.spki)
	key = sum[:]
	var hash crypto.Hash
	named := true
	if k.n != nil {
		v.Protocol = fmt.Sprintf("AA RSA-%d", k.n.BitLen())
		if k.n.BitLen() < minModulus {
			return judge(lds.Failed, lds.ReasonWeakKey)
		}
		if k.n.BitLen()%8 != 0 {
			return judge(lds.NotDone, lds.ReasonUnsupported)
		}
	} else {
		if hash, named = ecdsaHash(k.curve, dg14); hash == 0 {
			v.Protocol = "AA ECDSA " + k.curve.name
			return judge(lds.NotDone, lds.ReasonUnsupported) // a signature with a hash that we lack would look like a wrong one
		}
		v.Protocol = "AA ECDSA " + k.curve.name + " " + hash.String()
	}

	const op = "INTERNAL AUTHENTICATE"
	cmd := command{ins: 0x88, data: challenge, le: 256}
	if c.sm != nil {
		cmd.le = c.sm.capacity(256)
		if k.signatureLength() > cmd.le {
			cmd.le, cmd.extended = k.signatureLength(), true
		}
	} else if k.signatureLength() > 256 {
		cmd.le = k.signatureLength()
	}
	long := cmd.extended || cmd.le > 256
	r, err := c.send(ctx, op, cmd)
	if long && (err == nil && r.sw == swWrongLength || naked(err) == swWrongLength) {
		// Some cards take no extended length and give long answers in pieces all the same (61xx).
		cmd.le, cmd.extended = 256, false
		r, err = c.send(ctx, op, cmd)
	}
	switch {
	case err != nil && long && (naked(err) != 0 || errors.Is(err, errTruncated)):
		return judge(lds.NotDone, lds.ReasonResponseTooLong)
	case naked(err) != 0:
		return judge(lds.NotDone, lds.ReasonRefusedByCard)
	case err != nil:
		return v, nil, err
	case r.sw == swOK:
	case long && (r.sw == swWrongLength || r.sw>>8 == 0x6C || r.sw>>8 == 0x61 || len(r.data) > 0):
		return judge(lds.NotDone, lds.ReasonResponseTooLong)
	default:
		return judge(lds.NotDone, lds.ReasonRefusedByCard)
	}
	ok := false
	if k.n != nil {
		ok = verifyRecovery(k.n, k.e, challenge, r.data)
	} else {
		ok = verifyECDSA(k.curve, k.point, hash, challenge, r.data)
	}
	switch {
	case !ok && !named && slices.ContainsFunc(ecdsaHashes, func(h crypto.Hash) bool { return h != hash && verifyECDSA(k.curve, k.point, h, challenge, r.data) }):
		// A card that has the key, and is made against the standard. To pass it, we would have to choose the hash by the signature.
		return judge(lds.NotDone, lds.ReasonHashNotNamed)
	case !ok:
		return judge(lds.Failed, lds.ReasonActiveAuthFailed)
	case !named:
		return judge(lds.Passed, lds.ReasonHashNotNamed)
	}
	return judge(lds.Passed, "")
}

// ecdsaHashes are those that cards sign with. SHA-1 is not allowed (§6.1.2.3), and there are such cards.
var ecdsaHashes = []crypto.Hash{crypto.SHA512, crypto.SHA384, crypto.SHA256, crypto.SHA224, crypto.SHA1}

// ecdsaHash is the hash that DG14 names, as it must (§9.2.4). Where it does not, there is no rule but that the hash is no longer than the
// key (§6.1.2.3): the longest such is taken, and named is false. gmrtd only guesses, and so fails on a P-384 key with SHA-256. The hash
// is 0 if one is named that we lack.
func ecdsaHash(cv *curve, dg14 []byte) (hash crypto.Hash, named bool) {
	if infos, err := parseDG14(dg14); err == nil && infos.aaNamed {
		return infos.aaHash, true
	}
	switch bits := cv.n.BitLen(); {
	case bits >= 512:
		return crypto.SHA512, false
	case bits >= 384:
		return crypto.SHA384, false
	case bits >= 256:
		return crypto.SHA256, false
	}
	return crypto.SHA224, false
}

// verifyECDSA takes the plain form of TR-03111 §5.2.1, which the standard wants, and DER, which some cards send.
func verifyECDSA(cv *curve, q point, hash crypto.Hash, message, signature []byte) bool {
	digest := sum(hash, message)
	if len(signature) == 2*cv.nLength {
		r, s := new(big.Int).SetBytes(signature[:cv.nLength]), new(big.Int).SetBytes(signature[cv.nLength:])
		if cv.verify(q, digest, r, s) {
			return true
		}
	}
	r, s, err := signatureNumbers(signature)
	return err == nil && cv.verify(q, digest, r, s)
}

func sum(h crypto.Hash, data ...[]byte) []byte {
	w := h.New()
	for _, d := range data {
		w.Write(d)
	}
	return w.Sum(nil)
}

// trailers are the hash identifiers of ISO/IEC 10118-3 before a trailer CC; the trailer BC is SHA-1.
var trailers = map[byte]crypto.Hash{
	0x33: crypto.SHA1, 0x34: crypto.SHA256, 0x35: crypto.SHA512, 0x36: crypto.SHA384, 0x38: crypto.SHA224,
}

// verifyRecovery is ISO/IEC 9796-2 signature scheme 1 with partial message recovery (ICAO 9303-11 §6.1.2.2): the signature
// opens to 6A ‖ M1 ‖ hash(M1 ‖ M2) ‖ trailer, where M2 is the challenge.
func verifyRecovery(n, e *big.Int, challenge, signature []byte) bool {
	if len(signature) != (n.BitLen()+7)/8 {
		return false
	}
	s := new(big.Int).SetBytes(signature)
	if s.Cmp(n) >= 0 {
		return false
	}
	f := new(big.Int).Exp(s, e, n)
	if f.Bit(0)|f.Bit(1) != 0 || f.Bit(2)&f.Bit(3) != 1 {
		f.Sub(n, f) // §B.4 signs with the smaller of s and n-s: the last nibble C tells
	}
	// In full length: a header that is searched for behind leading zero bytes would accept representatives far below the
	// modulus, which a forger can make for a small exponent.
	b := f.FillBytes(make([]byte, len(signature)))
	var h crypto.Hash
	body := b[1:]
	switch last := len(b) - 1; b[last] {
	case 0xBC:
		h, body = crypto.SHA1, b[1:last]
	case 0xCC:
		h, body = trailers[b[last-1]], b[1:last-1]
	}
	if b[0] != 0x6A || h == 0 || len(body) < h.Size() {
		return false
	}
	m1, digest := body[:len(body)-h.Size()], body[len(body)-h.Size():]
	return subtle.ConstantTimeCompare(sum(h, m1, challenge), digest) == 1
}
