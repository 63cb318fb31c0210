package access

import (
	"bytes"
	"crypto"
	"fmt"
	"time"

	"github.com/tapcheck/tapcheck/icao/lds"
)

// Bounds of a card verifiable certificate: one with RSA-3072 has some 800 bytes.
const (
	maxCertificate = 4096
	maxReference   = 16 // ICAO 9303-12 §7.2.2.2: country, mnemonic, sequence number
	maxReferences  = 2
)

// Role of a certificate's holder, in the two highest bits of its authorization (ICAO 9303-12 §7.2.2.5).
type Role byte

// The four roles.
const (
	RoleTerminal   Role = 0
	RoleForeignDV  Role = 1
	RoleDomesticDV Role = 2
	RoleCVCA       Role = 3
)

// Certificate is a card verifiable certificate as far as a terminal has to understand it (ICAO 9303-12 §7.2). Nothing of it is verified
// here: the chip does that.
type Certificate struct {
	Authority string // reference of the key that signed it, ISO 8859-1
	Holder    string // reference of the key in it
	Role      Role
	Rights    byte      // the six access bits: 1 is DG3, 2 is DG4 (ICAO 9303-11 Appendix K.1)
	Effective time.Time // first day, UTC
	Expiry    time.Time // last day, UTC

	algorithm []byte // object identifier of the key, content bytes
	body      []byte // DO'7F4E' whole
	signature []byte // DO'5F37' whole
}

var oidInspectionSystem = []byte{0x04, 0x00, 0x7F, 0x00, 0x07, 0x03, 0x01, 0x02, 0x01} // id-IS of ICAO 9303-12

// inspectionSystem is what asks a chip in PACE for its trust points (ICAO 9303-11 §4.4.4.1): id-IS, and all access bits.
var inspectionSystem = lds.AppendTLV(nil, 0x7F4C, append(lds.AppendTLV(nil, 0x06, oidInspectionSystem), 0x53, 0x01, 0x3F))

// reference reads a certification authority or certificate holder reference; empty for what is none.
func reference(b []byte) string {
	if len(b) == 0 || len(b) > maxReference || bytes.IndexFunc(b, func(r rune) bool { return r < 0x20 }) >= 0 {
		return ""
	}
	return string(b)
}

// ParseCertificate reads one certificate, DO'7F21'. The error is lds.ErrMalformed or lds.ErrTooLarge.
func ParseCertificate(b []byte) (Certificate, error) {
	var out Certificate
	if len(b) > maxCertificate {
		return out, fmt.Errorf("card verifiable certificate of %d bytes: %w", len(b), lds.ErrTooLarge)
	}
	outer, err := lds.Only(b, 0x7F21)
	if err != nil {
		return out, err
	}
	body, rest, err := lds.Expect(outer, 0x7F4E)
	if err != nil {
		return out, err
	}
	out.body, out.signature = outer[:len(outer)-len(rest)], rest
	if signature, err := lds.Only(rest, 0x5F37); err != nil {
		return out, err
	} else if len(signature) == 0 {
		return out, fmt.Errorf("certificate without signature: %w", lds.ErrMalformed)
	}
	// Profile, authority, key, holder, authorization, dates, in this order and each once; extensions may follow.
	var parts [7][]byte
	for i, tag := range []uint32{0x5F29, 0x42, 0x7F49, 0x5F20, 0x7F4C, 0x5F25, 0x5F24} {
		if parts[i], body, err = lds.Expect(body, tag); err != nil {
			return out, err
		}
	}
	if !bytes.Equal(parts[0], []byte{0}) {
		return out, fmt.Errorf("certificate of another profile: %w", lds.ErrMalformed)
	}
	if len(body) > 0 {
		if _, err := lds.Only(body, 0x65); err != nil {
			return out, err
		}
	}
	out.Authority, out.Holder = reference(parts[1]), reference(parts[3])
	if out.Authority == "" || out.Holder == "" {
		return out, fmt.Errorf("certificate with a reference that is none: %w", lds.ErrMalformed)
	}
	if out.algorithm, _, err = lds.Expect(parts[2], 0x06); err != nil {
		return out, err
	}
	kind, rights, err := lds.Expect(parts[4], 0x06)
	if err != nil {
		return out, err
	}
	if rights, err = lds.Only(rights, 0x53); err != nil {
		return out, err
	}
	if !bytes.Equal(kind, oidInspectionSystem) || len(rights) != 1 {
		return out, fmt.Errorf("certificate that is not of inspection systems: %w", lds.ErrMalformed)
	}
	out.Role, out.Rights = Role(rights[0]>>6), rights[0]&0x3F
	if out.Effective, err = certificateDate(parts[5]); err != nil {
		return out, err
	}
	out.Expiry, err = certificateDate(parts[6])
	return out, err
}

// certificateDate reads six digits YYMMDD, one in each byte, of this century (ICAO 9303-12 §7.2.2.6).
func certificateDate(b []byte) (time.Time, error) {
	malformed := fmt.Errorf("certificate with a date that is none: %w", lds.ErrMalformed)
	if len(b) != 6 {
		return time.Time{}, malformed
	}
	text := []byte("20")
	for _, d := range b {
		if d > 9 {
			return time.Time{}, malformed
		}
		text = append(text, '0'+d)
	}
	t, err := time.Parse("20060102", string(text))
	if err != nil {
		return time.Time{}, malformed
	}
	return t, nil
}

// TerminalAlgorithm is how a terminal signs (ICAO 9303-11 §7.1.4): RSASSA-PSS with MGF1 and a salt as long as the hash, or ECDSA with the
// plain signature of TR-03111 §5.2.1: r and s one behind the other, each as long as the order of the curve.
type TerminalAlgorithm struct {
	RSA   bool
	PKCS1 bool // RSASSA-PKCS1-v1_5 instead of PSS: TR-03110 only
	Hash  crypto.Hash
}

// terminalAlgorithms by the two last arcs of id-TA (ICAO 9303-11 §9.2.9; those with SHA-1 or PKCS #1 v1.5 are TR-03110-3 §A.6.3's). Which of them
// is strong enough is for the card to say, and for the state that issues the certificates.
var terminalAlgorithms = map[[2]byte]TerminalAlgorithm{
	{1, 1}: {true, true, crypto.SHA1}, {1, 2}: {true, true, crypto.SHA256}, {1, 3}: {true, false, crypto.SHA1},
	{1, 4}: {true, false, crypto.SHA256}, {1, 5}: {true, true, crypto.SHA512}, {1, 6}: {true, false, crypto.SHA512},
	{2, 1}: {false, false, crypto.SHA1}, {2, 2}: {false, false, crypto.SHA224}, {2, 3}: {false, false, crypto.SHA256},
	{2, 4}: {false, false, crypto.SHA384}, {2, 5}: {false, false, crypto.SHA512},
}

var oidTA = []byte{0x04, 0x00, 0x7F, 0x00, 0x07, 0x02, 0x02, 0x02}

// Algorithm says how the holder of the certificate signs; ErrUnsupported for what we do not speak.
func (c Certificate) Algorithm() (TerminalAlgorithm, error) {
	if child(c.algorithm, oidTA) && len(c.algorithm) == len(oidTA)+2 {
		if a, ok := terminalAlgorithms[[2]byte(c.algorithm[len(oidTA):])]; ok {
			return a, nil
		}
	}
	return TerminalAlgorithm{}, fmt.Errorf("terminal's algorithm: %w", ErrUnsupported)
}

// parseCVCA reads EF.CVCA (ICAO 9303-11 Appendix K.2): up to two references, then zeros.
func parseCVCA(b []byte) ([]string, error) {
	var out []string
	for len(b) > 0 && b[0] != 0 {
		value, rest, err := lds.Expect(b, 0x42)
		if err != nil {
			return nil, err
		}
		ref := reference(value)
		if ref == "" || len(out) == maxReferences {
			return nil, fmt.Errorf("EF.CVCA with a reference that is none, or too many: %w", lds.ErrMalformed)
		}
		out, b = append(out, ref), rest
	}
	return out, nil
}
