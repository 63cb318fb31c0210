package access

import (
	"context"
	"crypto/cipher"
	"fmt"
	"io"
	"math/big"

	"github.com/tapcheck/tapcheck/icao/lds"
)

// mapping turns the chip's nonce into the generator of the key agreement (ICAO 9303-11 §4.4.3.3).
type mapping interface {
	label() string // "GM", "IM" or "CAM"
	mapNonce(ctx context.Context, c *Channel, p paceProtocol, d domain, nonce []byte) (mapped, error)
}

type mapped struct {
	base point // the generator
	chip point // the chip's public key of the mapping, if it has one
}

const mappingOp = "PACE mapping"

// genericMapping is ICAO 9303-11 §4.4.3.3.1: Ĝ = s·G + H, where H is an anonymous key agreement.
type genericMapping struct{}

func (genericMapping) label() string { return "GM" }

func (genericMapping) mapNonce(ctx context.Context, c *Channel, _ paceProtocol, d domain, nonce []byte) (mapped, error) {
	private, public, err := c.ephemeral(d, d.generator())
	if err != nil {
		return mapped{}, err
	}
	answer, err := c.step(ctx, mappingOp, 0x81, d.encode(public), 0x82)
	if err != nil {
		return mapped{}, err
	}
	chip, err := d.decode(answer)
	if err != nil {
		return mapped{}, protocolError(mappingOp, err)
	}
	if chip.equal(public) {
		return mapped{}, fmt.Errorf("%s: chip gave our own key back: %w", mappingOp, lds.ErrProtocol)
	}
	h, err := d.mul(chip, private)
	if err != nil {
		return mapped{}, err
	}
	s := new(big.Int).SetBytes(nonce)
	if s.Mod(s, d.order()).Sign() == 0 {
		return mapped{h, chip}, nil
	}
	sg, err := d.mul(d.generator(), s)
	if err != nil {
		return mapped{}, err
	}
	base, err := d.add(sg, h)
	return mapped{base, chip}, err
}

// chipAuthenticationMapping is the generic one, after which the chip sends a proof along (ICAO 9303-11 §4.4.3.3.3).
type chipAuthenticationMapping struct{ genericMapping }

func (chipAuthenticationMapping) label() string { return "CAM" }

// integratedMapping is ICAO 9303-11 §4.4.3.3.2: both nonces go through a pseudo-random function into the field, and from there into
// the group.
type integratedMapping struct{}

func (integratedMapping) label() string { return "IM" }

func (integratedMapping) mapNonce(ctx context.Context, c *Channel, p paceProtocol, d domain, nonce []byte) (mapped, error) {
	key, length := p.suite.nonces()
	if len(nonce) != length {
		return mapped{}, fmt.Errorf("PACE nonce: %d bytes, and not %d: %w", len(nonce), length, lds.ErrProtocol)
	}
	t := make([]byte, key)
	if _, err := io.ReadFull(c.rand, t); err != nil {
		return mapped{}, fmt.Errorf("random numbers: %w", err)
	}
	// The answer's DO'82' is empty (§4.4.5.2.2), and chips leave it out: nothing depends on it.
	if _, _, err := c.generalAuthenticate(ctx, mappingOp, false, 0x81, t); err != nil {
		return mapped{}, err
	}
	base, err := d.embed(p.suite.pseudoRandom(nonce, t, d.field()))
	return mapped{base: base}, err
}

// nonces gives the lengths in bytes of the integrated mapping's two nonces: the terminal's is as long as the key, the chip's has whole
// blocks for that.
func (s suite) nonces() (terminal, chip int) {
	terminal = 16
	if s.aes() {
		terminal = s.bits / 8
	}
	return terminal, (terminal + s.block() - 1) / s.block() * s.block()
}

// Constants of the pseudo-random function: for keys of 128 bits, and for longer ones.
var mappingConstants = [2][2][]byte{
	{hexInt("a668892a7c41e3ca739f40b057d85904").Bytes(), hexInt("a4e136ac725f738b01c1f60217c188ad").Bytes()},
	{
		hexInt("d463d65234124ef7897054986dca0a174e28df758cbaa03f240616414d5a1676").Bytes(),
		hexInt("54bd7255f0aaf831bec3423fcf39d69b6cbf066677d0faae5aadd99df8e53517").Bytes(),
	},
}

// pseudoRandom is Rp(s,t) of ICAO 9303-11 §4.4.3.3.2: a number of the field, made of 64 bits more than it has.
func (s suite) pseudoRandom(nonce, t []byte, p *big.Int) *big.Int {
	out := new(big.Int).SetBytes(s.pseudoRandomBytes(nonce, t, p.BitLen()))
	return out.Mod(out, p)
}

// pseudoRandomBytes is R(s,t). A CBC run under the key before makes the next key and the next output; with 3DES a key has 128 bits
// here, parity and all.
func (s suite) pseudoRandomBytes(nonce, t []byte, bits int) []byte {
	constants := mappingConstants[0]
	if len(nonce) == 32 {
		constants = mappingConstants[1]
	}
	encrypt := func(key, data []byte) []byte {
		out := make([]byte, len(data))
		cipher.NewCBCEncrypter(s.cipher(key), make([]byte, s.block())).CryptBlocks(out, data)
		return out
	}
	var out []byte
	key := encrypt(t, nonce)[:len(t)]
	for 8*len(out) < bits+64 {
		out = append(out, encrypt(key, constants[1])...)
		key = encrypt(key, constants[0])[:len(t)] // cut for AES-192 only
	}
	return out
}
