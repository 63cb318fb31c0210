package access

import (
	"bytes"
	"context"
	"crypto/cipher"
	"crypto/sha1"
	"crypto/subtle"
	"errors"
	"fmt"
	"math/big"
	"slices"

	"github.com/gmrtd/gmrtd/cryptoutils"

	"github.com/tapcheck/tapcheck/icao/lds"
)

// paceProtocol is one of the protocols of ICAO 9303-11 §9.2.3.
type paceProtocol struct {
	oid     []byte
	ec      bool
	mapping mapping
	suite   suite
}

// name is "ECDH-GM", "DH-IM" and so on.
func (p paceProtocol) name() string {
	if p.ec {
		return "ECDH-" + p.mapping.label()
	}
	return "DH-" + p.mapping.label()
}

// paceProtocols in order of preference, which see [Channel.PACE].
var paceProtocols = func() []paceProtocol {
	var out []paceProtocol
	for i, s := range []suite{suiteAES256, suiteAES192, suiteAES128, suite3DES} {
		cipher := byte(4 - i) // last arc of the object identifier
		for _, v := range []struct {
			arc     byte
			ec      bool
			mapping mapping
		}{
			{6, true, chipAuthenticationMapping{}}, {2, true, genericMapping{}}, {4, true, integratedMapping{}},
			{1, false, genericMapping{}}, {3, false, integratedMapping{}},
		} {
			if v.arc == 6 && !s.aes() {
				continue // ICAO 9303-11 §4.4.3 note 1
			}
			out = append(out, paceProtocol{append(oidPACE[:len(oidPACE):len(oidPACE)], v.arc, cipher), v.ec, v.mapping, s})
		}
	}
	return out
}()

// paceOffer is a way to run PACE that both sides know.
type paceOffer struct {
	paceProtocol
	d domain
}

func (o paceOffer) String() string { return o.name() + " " + o.suite.name + " " + o.d.label() }

// rankPACE puts what the card offers in the order of preference. Only standardized domain parameters are used: with its own, a card
// could learn the password (ICAO 9303-11 §9.2.2). passedOver says that the card offers besides what we do not speak and what may be
// stronger: a longer key, or a variant that is unknown. ErrUnsupported if nothing is left.
func rankPACE(infos []paceInfo) (offers []paceOffer, passedOver bool, err error) {
	usable := func(p paceProtocol, info paceInfo) domain {
		if info.version != 2 || !bytes.Equal(info.protocol, p.oid) {
			return nil
		}
		d := standardDomain(info.parameter)
		if d == nil || (d.kind() == "ECDH") != p.ec || p.mapping.label() == "IM" && !embeddable(d) {
			return nil
		}
		return d
	}
	for _, p := range paceProtocols {
		first := len(offers)
		for _, info := range infos {
			if d := usable(p, info); d != nil {
				offers = append(offers, paceOffer{p, d})
			}
		}
		slices.SortStableFunc(offers[first:], func(a, b paceOffer) int { return a.d.weakness() - b.d.weakness() })
	}
	if len(offers) == 0 {
		return nil, false, ErrUnsupported
	}
	best := offers[0]
	cipher := len(best.oid) - 1 // where the last arc of the object identifier stands: 1 is 3DES, 4 is AES-256
	for _, info := range infos {
		known := slices.IndexFunc(paceProtocols, func(p paceProtocol) bool { return bytes.Equal(p.oid, info.protocol) })
		if known < 0 || info.protocol[cipher] > best.oid[cipher] && usable(paceProtocols[known], info) == nil {
			passedOver = true
		}
	}
	return offers, passedOver, nil
}

// Passwords as MSE:Set AT names them: the first two by ICAO 9303-11 §4.4.4.1, the others by TR-03110-3 §B.11.1.
const (
	passwordMRZ = 1
	passwordCAN = 2
	passwordPIN = 3
	passwordPUK = 4
)

// password is a key in the form of ICAO 9303-11 §9.7.3.
type password struct {
	kind   lds.KeyKind
	ref    byte
	secret []byte
}

// passwords gives what a key can open PACE with, CAN first: it is shorter to type and harder to get wrong. PIN and PUK come last,
// because chips block them.
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
	for _, p := range []password{{lds.KeyPIN, passwordPIN, []byte(key.PIN)}, {lds.KeyPUK, passwordPUK, []byte(key.PUK)}} {
		if len(p.secret) == 0 {
			continue
		}
		if len(p.secret) < 4 || len(p.secret) > 16 || !digits(string(p.secret)) {
			return nil, fmt.Errorf("PIN or PUK: %w", lds.ErrKeyMalformed)
		}
		out = append(out, p)
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

// PACE opens the chip (ICAO 9303-11 §4.4) with the key's CAN, or its MRZ, PIN or PUK. cardAccess is the file. On success secure
// messaging is up and the verdict is passed. lds.ErrKeyRejected for a wrong key, lds.ErrKeyUnsuitable, lds.ErrAccessFailed,
// or ErrUnsupported if the card offers nothing that we speak.
//
// Of several offers the first in this order is taken: the stronger cipher (AES-256, AES-192, AES-128, 3DES); then the mapping
// (chip authentication mapping, which proves the chip in the same run, before the generic mapping on a curve, the integrated
// one on a curve, and the same two on numbers); then domain parameters of at least 128 bits of security; then the order of the file.
// Nobody signs EF.CardAccess, so whoever stands between could take the better offers out of it: what was used is in the
// verdict's Detail, and the caller can hold the file against the signed DG14. Fallback says so if the card offered something that
// may be stronger and that we do not speak, or refused what it offers, so that the next of its offers had to do.
//
// After the chip authentication mapping, [Channel.ChipAuthenticationMapping] tells what the chip proved.
//
// A PIN whose last try is left is not tried: chips suspend it there, and only the holder may decide (lds.ErrAccessFailed).
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
	offers, passedOver, err := rankPACE(infos.pace)
	if err != nil {
		return v, err
	}
	if passedOver {
		v.Fallback = "PACE: a variant that is offered too is not supported"
	}
	for i, o := range offers[:min(len(offers), maxOffers)] {
		v.Detail = o.String()
		var pw password
		pw, err = c.setPACE(ctx, o, choices)
		v.Key = pw.kind
		if err == nil {
			err = c.runPACE(ctx, o, pw)
			break
		}
		// Cards are made that list what they cannot do. Nothing was tried with the password yet, and so the next is; on record.
		var refused *lds.StatusError
		if i+1 == len(offers) || !errors.As(err, &refused) || refused.SW != swWrongData && refused.SW != swNotSupported {
			break
		}
		v.Fallback = "PACE: the card offers " + o.String() + " and refuses it"
	}
	if err != nil {
		return v, err
	}
	v.Status = lds.Passed
	return v, nil
}

// maxOffers bounds how many of a card's offers are tried: real cards have up to three.
const maxOffers = 4

// setPACE tells the card which protocol, password and curve come. A card without the password (it may have no CAN) says so here,
// before any try is used up, and then the key's other password may serve.
func (c *Channel) setPACE(ctx context.Context, o paceOffer, choices []password) (password, error) {
	const op = "MSE:Set AT for PACE"
	for i, pw := range choices {
		data := lds.AppendTLV(nil, 0x80, o.oid)
		data = lds.AppendTLV(data, 0x83, []byte{pw.ref})
		// Only required where the card has several domain parameters, but there are cards that always want it.
		data = lds.AppendTLV(data, 0x84, []byte{byte(o.d.parameter())})
		if c.o.RequestCAR {
			data = append(data, inspectionSystem...)
		}
		r, err := c.send(ctx, op, command{ins: 0x22, p1: 0xC1, p2: 0xA4, data: data})
		if err != nil {
			return pw, err
		}
		switch {
		case pw.ref == passwordPIN && (r.sw == 0x63C0 || r.sw == 0x63C1):
			return pw, status(op, r.sw, lds.ErrAccessFailed)
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

// generalAuthenticate carries one step: DO'7C' with one data object out, and what is in the DO'7C' that comes back.
func (c *Channel) generalAuthenticate(ctx context.Context, op string, last bool, tag uint32, data []byte) ([]byte, uint16, error) {
	var body []byte
	if tag != 0 {
		body = lds.AppendTLV(nil, tag, data)
	}
	cmd := command{cla: 0x10, ins: 0x86, data: lds.AppendTLV(nil, 0x7C, body), le: 256}
	if last {
		cmd.cla = 0
	}
	if c.sm == nil && len(cmd.data) > maxShort {
		cmd.le = 65536 // a number of 2,048 bits goes out, and such a one comes back
	}
	r, err := c.send(ctx, op, cmd)
	if err != nil {
		return nil, 0, err
	}
	if r.sw != swOK {
		return nil, r.sw, status(op, r.sw, lds.ErrAccessFailed)
	}
	dynamic, err := lds.Only(r.data, 0x7C)
	if err != nil {
		return nil, r.sw, protocolError(op, err)
	}
	return dynamic, r.sw, nil
}

// step is a step of PACE that must bring one data object.
func (c *Channel) step(ctx context.Context, op string, tag uint32, data []byte, want uint32) ([]byte, error) {
	dynamic, _, err := c.generalAuthenticate(ctx, op, false, tag, data)
	if err != nil {
		return nil, err
	}
	value, _, err := lds.Expect(dynamic, want)
	if err != nil {
		return nil, protocolError(op, err)
	}
	return value, nil
}

// protocolError is an answer that broke the protocol: the bytes of an answer are not a file, so not lds.ErrMalformed.
func protocolError(op string, err error) error {
	return fmt.Errorf("%s: %v: %w", op, err, lds.ErrProtocol)
}

// runPACE is the chain of GENERAL AUTHENTICATE (ICAO 9303-11 §4.4.4.2), after which secure messaging is up.
func (c *Channel) runPACE(ctx context.Context, o paceOffer, pw password) error {
	p, d := o.paceProtocol, o.d
	// 1. The encrypted nonce: whole blocks. The standard wants as many as the key is long; that is the chip's to keep.
	z, err := c.step(ctx, "PACE nonce", 0, nil, 0x80)
	if err != nil {
		return err
	}
	nonce, err := p.decryptNonce(pw.secret, z)
	if err != nil {
		return err
	}

	// 2. The mapping.
	m, err := p.mapping.mapNonce(ctx, c, p, d, nonce)
	if err != nil {
		return err
	}

	// 3. The key agreement over the mapped generator.
	const agreement = "PACE key agreement"
	private, public, err := c.ephemeral(d, m.base)
	if err != nil {
		return err
	}
	answer, err := c.step(ctx, agreement, 0x83, d.encode(public), 0x84)
	if err != nil {
		return err
	}
	chip, err := d.decode(answer)
	if err != nil {
		return protocolError(agreement, err)
	}
	if chip.equal(public) {
		return fmt.Errorf("%s: chip gave our own key back: %w", agreement, lds.ErrProtocol) // §4.4.1 step 3 d
	}
	shared, err := d.mul(chip, private)
	if err != nil {
		return err
	}
	secret := d.secret(shared)
	ksEnc := p.suite.kdf(secret, cryptoutils.KDF_COUNTER_KSENC)
	ksMac := p.suite.kdf(secret, cryptoutils.KDF_COUNTER_KSMAC)

	// 4. The tokens: each side proves over the other's public key that it has the same keys. Only here does a wrong password show.
	const op = "PACE mutual authentication"
	ours := p.token(ksMac, d, answer)
	dynamic, sw, err := c.generalAuthenticate(ctx, op, true, 0x85, ours)
	if err != nil {
		if sw>>8 == 0x63 {
			return status(op, sw, lds.ErrKeyRejected)
		}
		return err
	}
	theirs, rest, err := lds.Expect(dynamic, 0x86)
	if err != nil {
		return protocolError(op, err)
	}
	if subtle.ConstantTimeCompare(theirs, p.token(ksMac, d, d.encode(public))) != 1 {
		return fmt.Errorf("%s: chip's token is wrong: %w", op, lds.ErrAccessFailed)
	}
	// Everything behind the token is the chip's word, from now on over an authentic channel.
	last, err := parseLast(rest)
	if err != nil {
		return protocolError(op, err)
	}
	c.references, c.chipID = last.references, d.compress(chip)
	if p.mapping.label() == "CAM" {
		c.cam = &camRun{suite: p.suite, d: d, mapping: m.chip, sent: last.encrypted != nil, data: p.suite.camData(ksEnc, last.encrypted)}
		c.terminalKey = d.compress(public)
	}
	c.startMessaging(newMessaging(p.suite, ksEnc, ksMac, nil))
	return nil
}

// lastAnswer is what may stand behind the chip's token (ICAO 9303-11 §4.4.5).
type lastAnswer struct {
	references []string // certification authority references, the most recent first
	encrypted  []byte   // chip authentication data
}

func parseLast(b []byte) (lastAnswer, error) {
	var out lastAnswer
	for n := 0; len(b) > 0; n++ {
		tag, value, rest, err := lds.ReadTLV(b)
		if err != nil {
			return out, err
		}
		switch {
		case n == 8:
			return out, fmt.Errorf("too many data objects: %w", lds.ErrMalformed)
		case tag == 0x87 || tag == 0x88:
			if ref := reference(value); ref != "" && len(out.references) < maxReferences {
				out.references = append(out.references, ref)
			}
		case tag == 0x8A && out.encrypted == nil:
			out.encrypted = value
		}
		b = rest
	}
	return out, nil
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

// token is ICAO 9303-11 §4.4.3.4: the MAC over the public key data object of the other side, with the key as it was sent.
func (p paceProtocol) token(ksMac []byte, d domain, public []byte) []byte {
	data := p.tokenInput(d, public)
	if !p.suite.aes() {
		data = cryptoutils.ISO9797Method2Pad(data, 8)
	}
	return p.suite.mac(ksMac, data)
}

func (p paceProtocol) tokenInput(d domain, public []byte) []byte {
	return lds.AppendTLV(nil, 0x7F49, lds.AppendTLV(lds.AppendTLV(nil, 0x06, p.oid), d.publicTag(), public))
}

// ephemeral makes a key pair over a generator.
func (c *Channel) ephemeral(d domain, base point) (*big.Int, point, error) {
	private, err := c.keygen(d)
	if err != nil {
		return nil, point{}, fmt.Errorf("random numbers: %w", err)
	}
	public, err := d.mul(base, private)
	return private, public, err
}
