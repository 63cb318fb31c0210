package access

import (
	"bytes"
	"context"
	"crypto/cipher"
	"crypto/sha1"
	"crypto/subtle"
	"fmt"
	"math/big"

	"github.com/gmrtd/gmrtd/cryptoutils"
	"github.com/gmrtd/gmrtd/oid"

	"github.com/tapcheck/tapcheck/icao/lds"
)

// mapping turns the chip's nonce into the generator of the key agreement (ICAO 9303-11 §4.4.3.3). Integrated and chip
// authentication mapping are further ones.
type mapping interface {
	mapNonce(ctx context.Context, c *Channel, cv *curve, nonce []byte) (point, error)
}

// paceProtocol is one of the protocols of ICAO 9303-11 §9.2.3 that we speak.
type paceProtocol struct {
	oid     []byte
	name    string // "ECDH-GM"
	suite   suite
	mapping mapping
}

// paceProtocols in order of preference: the strongest cipher first. All cards of the field offer one.
var paceProtocols = []paceProtocol{
	{oid.OidBytes(oid.OidPaceEcdhGmAesCbcCmac256), "ECDH-GM", suiteAES256, genericMapping{}},
	{oid.OidBytes(oid.OidPaceEcdhGmAesCbcCmac192), "ECDH-GM", suiteAES192, genericMapping{}},
	{oid.OidBytes(oid.OidPaceEcdhGmAesCbcCmac128), "ECDH-GM", suiteAES128, genericMapping{}},
	{oid.OidBytes(oid.OidPaceEcdhGm3DesCbcCbc), "ECDH-GM", suite3DES, genericMapping{}},
}

// choosePACE takes the best of what the card offers. Only standardized domain parameters are used: with its own, a card
// could learn the password (ICAO 9303-11 §9.2.2).
func choosePACE(infos []paceInfo) (paceProtocol, *curve, error) {
	for _, p := range paceProtocols {
		for _, info := range infos {
			if bytes.Equal(info.protocol, p.oid) && info.version == 2 {
				if cv := standardized(info.parameter); cv != nil {
					return p, cv, nil
				}
			}
		}
	}
	return paceProtocol{}, nil, ErrUnsupported
}

// Passwords as MSE:Set AT names them (ICAO 9303-11 §4.4.4.1).
const (
	passwordMRZ = 1
	passwordCAN = 2
)

// password is a key in the form of ICAO 9303-11 §9.7.3.
type password struct {
	kind   lds.KeyKind
	ref    byte
	secret []byte
}

// passwords gives what a key can open PACE with, CAN first: it is shorter to type and harder to get wrong.
func passwords(key lds.Key) ([]password, error) {
	var out []password
	if key.CAN != "" {
		if len(key.CAN) != 6 || !digits(key.CAN) {
			return nil, fmt.Errorf("CAN: %w", lds.ErrKeyMalformed)
		}
		out = append(out, password{lds.KeyCAN, passwordCAN, []byte(key.CAN)})
	}
	if key.MRZ != nil {
		hash, err := mrzHash(key.MRZ)
		if err != nil {
			return nil, err
		}
		out = append(out, password{lds.KeyMRZ, passwordMRZ, hash})
	}
	if len(out) == 0 {
		return nil, lds.ErrKeyMissing
	}
	return out, nil
}

// mrzHash is the SHA-1 of document number, date of birth and date of expiry, each with its check digit (ICAO 9303-11
// §4.3.2 and §9.7.3). A document number of more than nine characters is hashed in full.
func mrzHash(k *lds.MRZKey) ([]byte, error) {
	number := k.DocumentNumber
	for len(number) < 9 {
		number += "<"
	}
	malformed := fmt.Errorf("MRZ: %w", lds.ErrKeyMalformed)
	if k.DocumentNumber == "" || len(number) > 25 || len(k.DateOfBirth) != 6 || len(k.DateOfExpiry) != 6 {
		return nil, malformed
	}
	var text []byte
	for _, field := range []string{number, k.DateOfBirth, k.DateOfExpiry} {
		digit, ok := checkDigit(field)
		if !ok {
			return nil, malformed
		}
		text = append(append(text, field...), digit)
	}
	sum := sha1.Sum(text)
	return sum[:], nil
}

// checkDigit is ICAO 9303-3 §4.9.
func checkDigit(s string) (byte, bool) {
	weights := [...]int{7, 3, 1}
	sum := 0
	for i := range len(s) {
		var v int
		switch ch := s[i]; {
		case ch >= '0' && ch <= '9':
			v = int(ch - '0')
		case ch >= 'A' && ch <= 'Z':
			v = int(ch-'A') + 10
		case ch == '<':
		default:
			return 0, false
		}
		sum += v * weights[i%3]
	}
	return byte('0' + sum%10), true
}

func digits(s string) bool {
	for i := range len(s) {
		if s[i] < '0' || s[i] > '9' {
			return false
		}
	}
	return true
}

// PACE opens the chip (ICAO 9303-11 §4.4) with the key's CAN, or its MRZ. cardAccess is the file. On success secure
// messaging is up and the verdict is passed. lds.ErrKeyRejected for a wrong key, lds.ErrKeyUnsuitable, lds.ErrAccessFailed,
// or ErrUnsupported if the card offers nothing that we speak.
func (c *Channel) PACE(ctx context.Context, cardAccess []byte, key lds.Key) (lds.AccessVerdict, error) {
	v := lds.AccessVerdict{Status: lds.Failed, Protocol: "PACE", KeyFrom: key.From}
	choices, err := passwords(key)
	if err != nil {
		return v, err
	}
	infos, err := parseSecurityInfos(cardAccess)
	if err != nil {
		return v, &lds.FileError{File: lds.CardAccess, Err: err}
	}
	p, cv, err := choosePACE(infos.pace)
	if err != nil {
		return v, err
	}
	v.Detail = p.name + " " + p.suite.name + " " + cv.name

	pw, err := c.setPACE(ctx, p, cv, choices)
	v.Key = pw.kind
	if err != nil {
		return v, err
	}
	m, err := c.runPACE(ctx, p, cv, pw)
	if err != nil {
		return v, err
	}
	c.startMessaging(m)
	v.Status = lds.Passed
	return v, nil
}

// setPACE tells the card which protocol, password and curve come. A card without the password (it may have no CAN) says so here,
// before any try is used up, and then the key's other password may serve.
func (c *Channel) setPACE(ctx context.Context, p paceProtocol, cv *curve, choices []password) (password, error) {
	const op = "MSE:Set AT for PACE"
	for i, pw := range choices {
		data := appendTLV(nil, 0x80, p.oid)
		data = appendTLV(data, 0x83, []byte{pw.ref})
		// Only required where the card has several domain parameters, but there are cards that always want it.
		data = appendTLV(data, 0x84, []byte{byte(cv.id)})
		r, err := c.send(ctx, op, command{ins: 0x22, p1: 0xC1, p2: 0xA4, data: data})
		if err != nil {
			return pw, err
		}
		switch {
		case r.sw == swOK, r.sw>>4 == 0x63C: // 63Cx: tries left, a warning
			return pw, nil
		case r.sw == swNoReference && i+1 < len(choices):
		case r.sw == swNoReference:
			return pw, status(op, r.sw, lds.ErrKeyUnsuitable)
		default:
			return pw, status(op, r.sw, lds.ErrAccessFailed)
		}
	}
	return password{}, lds.ErrKeyMissing
}

// generalAuthenticate carries one step: DO'7C' with one data object out and one back.
func (c *Channel) generalAuthenticate(ctx context.Context, op string, last bool, tag uint32, data []byte, want uint32) ([]byte, uint16, error) {
	var body []byte
	if tag != 0 {
		body = appendTLV(nil, tag, data)
	}
	cmd := command{cla: 0x10, ins: 0x86, data: appendTLV(nil, 0x7C, body), le: 256}
	if last {
		cmd.cla = 0
	}
	r, err := c.send(ctx, op, cmd)
	if err != nil {
		return nil, 0, err
	}
	if r.sw != swOK {
		return nil, r.sw, status(op, r.sw, lds.ErrAccessFailed)
	}
	dynamic, err := onlyTLV(r.data, 0x7C)
	if err != nil {
		return nil, r.sw, protocolError(op, err)
	}
	if want == 0 {
		return nil, r.sw, nil
	}
	value, _, err := expectTLV(dynamic, want) // the last answer may carry certification authority references behind it
	if err != nil {
		return nil, r.sw, protocolError(op, err)
	}
	return value, r.sw, nil
}

// protocolError is an answer that broke the protocol: the bytes of an answer are not a file, so not lds.ErrMalformed.
func protocolError(op string, err error) error {
	return fmt.Errorf("%s: %v: %w", op, err, lds.ErrProtocol)
}

func (c *Channel) runPACE(ctx context.Context, p paceProtocol, cv *curve, pw password) (*messaging, error) {
	// 1. The encrypted nonce: whole blocks. The standard wants as many as the key is long; that is the chip's to keep.
	z, _, err := c.generalAuthenticate(ctx, "PACE nonce", false, 0, nil, 0x80)
	if err != nil {
		return nil, err
	}
	nonce, err := p.decryptNonce(pw.secret, z)
	if err != nil {
		return nil, err
	}

	// 2. The mapping.
	base, err := p.mapping.mapNonce(ctx, c, cv, nonce)
	if err != nil {
		return nil, err
	}

	// 3. The key agreement over the mapped generator.
	const agreement = "PACE key agreement"
	private, public, err := c.ephemeral(cv, base)
	if err != nil {
		return nil, err
	}
	answer, _, err := c.generalAuthenticate(ctx, agreement, false, 0x83, cv.encode(public), 0x84)
	if err != nil {
		return nil, err
	}
	chip, err := cv.decode(answer)
	if err != nil {
		return nil, protocolError(agreement, err)
	}
	if chip.equal(public) {
		return nil, fmt.Errorf("%s: chip gave our own key back: %w", agreement, lds.ErrProtocol) // §4.4.1 step 3 d
	}
	shared, err := cv.mul(chip, private)
	if err != nil {
		return nil, err
	}
	secret := cv.secret(shared)
	ksEnc := p.suite.kdf(secret, cryptoutils.KDF_COUNTER_KSENC)
	ksMac := p.suite.kdf(secret, cryptoutils.KDF_COUNTER_KSMAC)

	// 4. The tokens: each side proves over the other's public key that it has the same keys. Only here does a wrong password show.
	const op = "PACE mutual authentication"
	ours := p.token(ksMac, cv, chip)
	theirs, sw, err := c.generalAuthenticate(ctx, op, true, 0x85, ours, 0x86)
	if err != nil {
		if sw>>8 == 0x63 {
			return nil, status(op, sw, lds.ErrKeyRejected)
		}
		return nil, err
	}
	if subtle.ConstantTimeCompare(theirs, p.token(ksMac, cv, public)) != 1 {
		return nil, fmt.Errorf("%s: chip's token is wrong: %w", op, lds.ErrAccessFailed)
	}
	return newMessaging(p.suite, ksEnc, ksMac, nil), nil
}

func (p paceProtocol) decryptNonce(secret, z []byte) ([]byte, error) {
	size := p.suite.block()
	if len(z) == 0 || len(z)%size != 0 || len(z) > 64 {
		return nil, fmt.Errorf("PACE nonce: %d bytes: %w", len(z), lds.ErrProtocol)
	}
	block := p.suite.cipher(p.suite.kdf(secret, cryptoutils.KDF_COUNTER_PACE))
	nonce := make([]byte, len(z))
	cipher.NewCBCDecrypter(block, make([]byte, size)).CryptBlocks(nonce, z)
	return nonce, nil
}

// token is ICAO 9303-11 §4.4.3.4: the MAC over the public key data object of the other side.
func (p paceProtocol) token(ksMac []byte, cv *curve, public point) []byte {
	data := p.tokenInput(cv, public)
	if !p.suite.aes() {
		data = cryptoutils.ISO9797Method2Pad(data, 8)
	}
	return p.suite.mac(ksMac, data)
}

func (p paceProtocol) tokenInput(cv *curve, public point) []byte {
	return appendTLV(nil, 0x7F49, appendTLV(appendTLV(nil, 0x06, p.oid), 0x86, cv.encode(public)))
}

// ephemeral makes a key pair over a generator.
func (c *Channel) ephemeral(cv *curve, base point) (*big.Int, point, error) {
	private, err := c.keygen(cv)
	if err != nil {
		return nil, point{}, fmt.Errorf("random numbers: %w", err)
	}
	public, err := cv.mul(base, private)
	return private, public, err
}

// genericMapping is ICAO 9303-11 §4.4.3.3.1: Ĝ = s·G + H, where H is an anonymous key agreement.
type genericMapping struct{}

func (genericMapping) mapNonce(ctx context.Context, c *Channel, cv *curve, nonce []byte) (point, error) {
	const op = "PACE mapping"
	private, public, err := c.ephemeral(cv, cv.base)
	if err != nil {
		return point{}, err
	}
	answer, _, err := c.generalAuthenticate(ctx, op, false, 0x81, cv.encode(public), 0x82)
	if err != nil {
		return point{}, err
	}
	chip, err := cv.decode(answer)
	if err != nil {
		return point{}, protocolError(op, err)
	}
	if chip.equal(public) {
		return point{}, fmt.Errorf("%s: chip gave our own key back: %w", op, lds.ErrProtocol)
	}
	h, err := cv.mul(chip, private)
	if err != nil {
		return point{}, err
	}
	s := new(big.Int).SetBytes(nonce)
	if s.Mod(s, cv.n).Sign() == 0 {
		return h, nil
	}
	sg, err := cv.mul(cv.base, s)
	if err != nil {
		return point{}, err
	}
	return cv.add(sg, h)
}
