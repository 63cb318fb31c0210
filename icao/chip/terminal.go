package chip

import (
	"bytes"
	"slices"
	"time"
)

// terminalAuth is terminal authentication version 1 from the chip's side (ICAO 9303-11 §7.1). Trust points and date outlive a
// reset, everything else does not outlive the session.
type terminalAuth struct {
	trust []*cvKey // the most recent first, at most two
	date  time.Time

	selected  *cvKey // by MSE:Set DST, to verify the next certificate
	imported  *cvKey // from the last certificate
	rights    byte   // what the chain has left of them so far
	terminal  *cvKey // by MSE:Set AT
	challenge []byte
	done      bool
	granted   byte
}

func (t *terminalAuth) drop() { *t = terminalAuth{trust: t.trust, date: t.date} }

// protected says whether a command of terminal authentication may come now.
func (c *Chip) protected(what string) uint16 {
	switch {
	case !c.p.TA:
		return 0x6A86
	case c.sm == nil:
		c.violation("terminal authentication: " + what + " without secure messaging")
		return 0x6982
	}
	return 0x9000
}

// setVerificationKey is MSE:Set DST (§7.1.5.1).
func (c *Chip) setVerificationKey(nodes []node) uint16 {
	if sw := c.protected("MSE:Set DST"); sw != 0x9000 {
		return sw
	}
	name := string(find(nodes, 0x83))
	c.ta.selected = nil
	if k := c.ta.imported; k != nil && k.holder == name {
		c.ta.selected = k
		return 0x9000
	}
	for _, k := range c.ta.trust {
		if k.holder == name {
			c.ta.selected = k
			return 0x9000
		}
	}
	c.violation("terminal authentication: MSE:Set DST names a key that the chip does not know")
	return 0x6A88
}

// verifyCertificate is PSO:Verify Certificate (§7.1.5.2).
func (c *Chip) verifyCertificate(a apdu) uint16 {
	if !c.p.TA {
		return 0x6D00
	}
	if sw := c.protected("PSO:Verify Certificate"); sw != 0x9000 {
		return sw
	}
	if a.p1 != 0 || a.p2 != 0xBE {
		return 0x6A86
	}
	issuer := c.ta.selected
	c.ta.selected = nil
	if issuer == nil {
		c.violation("terminal authentication: PSO:Verify Certificate without MSE:Set DST")
		return 0x6985
	}
	c.delay("certificate", c.p.Timing.CertificateMS)
	nodes, ok := allTLV(a.data)
	if !ok || len(nodes) != 2 || nodes[0].tag != 0x7F4E || nodes[1].tag != 0x5F37 {
		c.violation("terminal authentication: a certificate is sent as its body and its signature, without tag 7F21")
		return 0x6A80
	}
	by, k, err := parseCV(nodes[0].raw, issuer)
	if err != nil {
		c.violation("terminal authentication: certificate does not parse")
		return 0x6A80
	}
	refuse := func(why string) uint16 {
		c.violation("terminal authentication: " + why)
		return 0x6300
	}
	link := k.role() == roleCVCA
	switch {
	case by != issuer.holder:
		return refuse("certificate was not issued by the key that MSE:Set DST named")
	case !issuer.verify(nodes[0].raw, nodes[1].value):
		return refuse("signature of a certificate is wrong")
	case !link && k.to.Before(c.ta.date):
		return refuse("certificate has expired")
	case !link && issuer.role() == roleCVCA && issuer.to.Before(c.ta.date):
		return refuse("certificate rests on an expired trust point")
	case link && issuer.role() != roleCVCA,
		(k.role() == roleDV || k.role() == roleForeignDV) && issuer.role() != roleCVCA,
		k.role() == roleInspection && issuer.role() != roleDV && issuer.role() != roleForeignDV:
		return refuse("certificate's role does not follow from its issuer's")
	}
	if issuer.role() == roleCVCA {
		c.ta.rights = issuer.auth
	}
	c.ta.rights &= k.auth
	// A foreign verifier is not trusted to know the date.
	if accurate := link || issuer.role() == roleCVCA || issuer.role() == roleDV; accurate && c.ta.date.Before(k.from) {
		c.ta.date = k.from
	}
	if link {
		c.ta.trust = slices.DeleteFunc(slices.Clone(c.ta.trust), func(t *cvKey) bool { return t.holder == k.holder })
		c.ta.trust = append([]*cvKey{k}, c.ta.trust...)
		c.ta.trust = c.ta.trust[:min(len(c.ta.trust), 2)]
		return 0x9000
	}
	c.ta.imported = k
	return 0x9000
}

// setTerminal is MSE:Set AT for terminal authentication (§7.1.5.3).
func (c *Chip) setTerminal(nodes []node) uint16 {
	if sw := c.protected("MSE:Set AT"); sw != 0x9000 {
		return sw
	}
	c.ta.terminal, c.ta.challenge = nil, nil
	k := c.ta.imported
	if k == nil || k.role() != roleInspection || k.holder != string(find(nodes, 0x83)) {
		c.violation("terminal authentication: MSE:Set AT names a terminal whose certificate was not the last one")
		return 0x6A88
	}
	c.ta.terminal = k
	return 0x9000
}

func (c *Chip) terminalChallenge(a apdu) ([]byte, uint16) {
	if a.ne != 8 && !a.allNe || a.p1 != 0 || a.p2 != 0 || len(a.data) != 0 {
		return nil, 0x6700
	}
	c.ta.challenge = c.random(8)
	return bytes.Clone(c.ta.challenge), 0x9000
}

// authenticateTerminal is EXTERNAL AUTHENTICATE (§7.1.5.5).
func (c *Chip) authenticateTerminal(a apdu) uint16 {
	k, challenge := c.ta.terminal, c.ta.challenge
	c.ta.terminal, c.ta.challenge = nil, nil
	switch {
	case challenge == nil:
		c.violation("terminal authentication: EXTERNAL AUTHENTICATE without a challenge")
		return 0x6985
	case c.ta.done:
		c.violation("terminal authentication: a second time in one session (ICAO 9303-11 §7.1.3)")
		return 0x6982
	case c.terminalKey == nil:
		c.violation("terminal authentication: neither chip authentication nor chip authentication mapping came before")
		return 0x6982
	case a.p1 != 0 || a.p2 != 0:
		return 0x6A86
	}
	c.delay("terminal authentication", c.p.Timing.TerminalAuthMS)
	if !k.verify(slices.Concat(c.chipID, challenge, c.terminalKey), a.data) {
		c.violation("terminal authentication: the terminal's signature is wrong")
		return 0x6300
	}
	c.ta.done, c.ta.granted = true, c.ta.rights
	return 0x9000
}

// cvcaFile is EF.CVCA: the names of the trust points, the most recent first (ICAO 9303-11 appendix K.2).
func (c *Chip) cvcaFile() []byte {
	out := make([]byte, 0, 36)
	for _, k := range c.ta.trust {
		out = append(out, tlv(0x42, []byte(k.holder))...)
	}
	return append(out, make([]byte, max(0, 36-len(out)))...)
}
