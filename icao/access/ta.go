package access

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/rand"
	"crypto/rsa"
	"errors"
	"fmt"
	"math/big"
	"slices"

	"github.com/tapcheck/tapcheck/icao/lds"
)

var (
	// ErrTerminalRefused says that the card did not accept the terminal: a certificate, or the signature. The session goes on.
	ErrTerminalRefused = errors.New("card refuses the terminal")
	// ErrNoChain says that the terminal's certificates do not lead to a trust point of the card. Nothing was sent.
	ErrNoChain = errors.New("terminal's certificates do not lead to a trust point of the card")
)

// TerminalKey signs for a terminal. It may stand for a key in a security module or at a server: it is asked once per session.
type TerminalKey interface {
	// Sign gives the signature over the message, which it hashes itself, in the form of the algorithm.
	Sign(ctx context.Context, a TerminalAlgorithm, message []byte) ([]byte, error)
}

// Terminal is what a hospital that may read DG3 or DG4 was given by its state.
type Terminal struct {
	// Certificates are card verifiable certificates in any order: the terminal's own, that of its document verifier, and link
	// certificates for cards with older trust points.
	Certificates []Certificate
	Key          TerminalKey
}

// maxCertificates bounds a terminal's certificates, and what is sent of them to a card.
const maxCertificates = 32

// SignerKey makes a TerminalKey of a key that speaks the standard library's interface. RSA and ECDSA keys do.
func SignerKey(key crypto.Signer) TerminalKey { return signerKey{key} }

type signerKey struct{ crypto.Signer }

func (k signerKey) Sign(ctx context.Context, a TerminalAlgorithm, message []byte) ([]byte, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	digest := sum(a.Hash, message)
	if a.RSA {
		if _, ok := k.Public().(*rsa.PublicKey); !ok {
			return nil, errors.New("terminal's certificate is for RSA, and its key is not")
		}
		if a.PKCS1 {
			return k.Signer.Sign(rand.Reader, digest, a.Hash)
		}
		return k.Signer.Sign(rand.Reader, digest, &rsa.PSSOptions{SaltLength: rsa.PSSSaltLengthEqualsHash, Hash: a.Hash})
	}
	public, ok := k.Public().(*ecdsa.PublicKey)
	if !ok {
		return nil, errors.New("terminal's certificate is for ECDSA, and its key is not")
	}
	der, err := k.Signer.Sign(rand.Reader, digest, a.Hash)
	if err != nil {
		return nil, err
	}
	size := (public.Curve.Params().N.BitLen() + 7) / 8
	r, s, err := signatureNumbers(der)
	if err != nil || r.BitLen() > 8*size || s.BitLen() > 8*size {
		return nil, errors.New("terminal's key gives no ECDSA signature")
	}
	return append(r.FillBytes(make([]byte, size)), s.FillBytes(make([]byte, size))...), nil
}

// signatureNumbers reads an ECDSA signature in DER.
func signatureNumbers(der []byte) (r, s *big.Int, err error) {
	body, err := lds.Only(der, 0x30)
	if err != nil {
		return nil, nil, err
	}
	if r, body, err = readInteger(body); err != nil {
		return nil, nil, err
	}
	s, err = integer(body)
	return r, s, err
}

// TerminalRights are what terminal authentication opened, as the certificates say it; the card may still give less.
type TerminalRights struct {
	TrustPoint string // the card's, from which the chain was built
	Holder     string // the terminal's reference
	DG3, DG4   bool
}

// TerminalAuthentication runs ICAO 9303-11 §7.1 version 1: it presents the certificates that lead from a trust point of the card to the
// terminal, and proves the terminal's key. It comes after chip authentication or PACE with chip authentication mapping, to whose key
// it is bound. dg14 is the file, for the place of EF.CVCA; trust points are taken from PACE (Options.RequestCAR), else from EF.CVCA.
//
// Errors: ErrUnsupported (the card offers no terminal authentication, or the terminal's algorithm is unknown), ErrNoChain, ErrTerminalRefused
// (an *lds.StatusError), lds.ErrProtocol (before chip authentication), *lds.FileError of EF.CVCA, and of the TerminalKey as they are. After
// all of these the session goes on. The transmitter's, and lds.ErrSecureMessaging, end it.
func (c *Channel) TerminalAuthentication(ctx context.Context, dg14 []byte, t Terminal) (TerminalRights, error) {
	var rights TerminalRights
	if c.sm == nil || c.chipID == nil || c.terminalKey == nil {
		return rights, fmt.Errorf("terminal authentication before chip authentication: %w", lds.ErrProtocol)
	}
	if t.Key == nil || len(t.Certificates) == 0 {
		return rights, ErrNoChain
	}
	infos, err := parseDG14(dg14)
	if err != nil {
		return rights, &lds.FileError{File: lds.DG(14), Err: err}
	}
	at := slices.IndexFunc(infos.ta, func(i taInfo) bool { return i.version == 1 })
	if at < 0 {
		return rights, fmt.Errorf("terminal authentication: %w", ErrUnsupported)
	}
	points := c.references
	if len(points) == 0 {
		if points, err = c.trustPoints(ctx, infos.ta[at]); err != nil {
			return rights, err
		}
	}
	point, chain := chainFrom(points, t.Certificates)
	if chain == nil {
		return rights, ErrNoChain
	}
	terminal := chain[len(chain)-1]
	algorithm, err := terminal.Algorithm()
	if err != nil {
		return rights, err
	}

	for _, cert := range chain {
		if err := c.demand(ctx, "MSE:Set DST", command{ins: 0x22, p1: 0x81, p2: 0xB6, data: lds.AppendTLV(nil, 0x83, []byte(cert.Authority))}); err != nil {
			return rights, err
		}
		body := append(slices.Clone(cert.body), cert.signature...)
		if err := c.demand(ctx, "PSO:Verify Certificate", command{ins: 0x2A, p2: 0xBE, data: body}); err != nil {
			return rights, err
		}
	}
	if err := c.demand(ctx, "MSE:Set AT for terminal authentication", command{ins: 0x22, p1: 0x81, p2: 0xA4, data: lds.AppendTLV(nil, 0x83, []byte(terminal.Holder))}); err != nil {
		return rights, err
	}
	const op = "GET CHALLENGE"
	r, err := c.send(ctx, op, command{ins: 0x84, le: 8})
	switch {
	case err != nil:
		return rights, err
	case r.sw != swOK:
		return rights, status(op, r.sw, ErrTerminalRefused)
	case len(r.data) != 8:
		return rights, fmt.Errorf("%s: %d bytes: %w", op, len(r.data), lds.ErrProtocol)
	}
	message := slices.Concat(c.chipID, r.data, c.terminalKey)
	signature, err := t.Key.Sign(ctx, algorithm, message)
	if err != nil {
		return rights, fmt.Errorf("terminal's key: %w", err)
	}
	if err := c.demand(ctx, "EXTERNAL AUTHENTICATE", command{ins: 0x82, data: signature}); err != nil {
		return rights, err
	}
	granted := byte(0x3F)
	for _, cert := range chain {
		granted &= cert.Rights
	}
	return TerminalRights{TrustPoint: point, Holder: terminal.Holder, DG3: granted&1 != 0, DG4: granted&2 != 0}, nil
}

// demand sends a command that must succeed.
func (c *Channel) demand(ctx context.Context, op string, cmd command) error {
	r, err := c.send(ctx, op, cmd)
	if err != nil {
		return err
	}
	if r.sw != swOK {
		return status(op, r.sw, ErrTerminalRefused)
	}
	return nil
}

// trustPoints reads EF.CVCA, in the application.
func (c *Channel) trustPoints(ctx context.Context, info taInfo) ([]string, error) {
	a, _ := lds.CVCA.Address()
	if info.fid != 0 {
		a.FID, a.SFI = info.fid, info.sfi
	}
	file, err := c.readUnframed(ctx, "READ BINARY "+string(lds.CVCA), a, nil)
	var points []string
	if err == nil {
		points, err = parseCVCA(file)
	}
	if lds.IsFileFault(err) {
		err = &lds.FileError{File: lds.CVCA, Err: err}
	}
	return points, err
}

// chainFrom finds certificates that lead from one of the card's trust points to a terminal, in the order in which the card wants them.
// It goes backwards from the terminal, because there each step has few choices, and takes the shortest way.
func chainFrom(points []string, all []Certificate) (point string, chain []Certificate) {
	if len(all) > maxCertificates {
		all = all[:maxCertificates]
	}
	for _, point := range points {
		for _, last := range all {
			if last.Role != RoleTerminal {
				continue
			}
			// Breadth first; a certificate is visited once.
			ways := [][]Certificate{{last}}
			seen := map[string]bool{string(last.body): true}
			for len(ways) > 0 {
				way := ways[0]
				ways = ways[1:]
				if way[0].Authority == point {
					return point, way
				}
				for _, above := range all {
					if above.Holder != way[0].Authority || above.Role == RoleTerminal || above.Holder == above.Authority || seen[string(above.body)] {
						continue
					}
					seen[string(above.body)] = true
					ways = append(ways, append([]Certificate{above}, way...))
				}
			}
		}
	}
	return "", nil
}
