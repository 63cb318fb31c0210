package chip

import (
	"bytes"
	"crypto/sha1"
	"crypto/subtle"
	"math/big"
	"slices"
)

// paceRun is one run of PACE (ICAO 9303-11 §4.4).
type paceRun struct {
	offer    PACEOffer
	suite    suite
	dom      domain
	password string // "mrz", "can", "pin", "puk"
	secret   []byte // of the password
	wantsCAR bool   // the terminal asks which certification authorities the chip trusts
	step     int
	nonce    []byte
	mapKey   *big.Int // ephemeral key of the mapping, which chip authentication mapping needs again
	mapped   domain
	own      []byte
	theirs   []byte
	shared   []byte
}

func find(nodes []node, tag uint32) []byte {
	for _, n := range nodes {
		if n.tag == tag {
			return n.value
		}
	}
	return nil
}

func (c *Chip) manageSecurity(a apdu) uint16 {
	nodes, ok := allTLV(a.data)
	if !ok {
		c.violation("MANAGE SECURITY ENVIRONMENT whose data do not parse")
		return 0x6A80
	}
	c.pace, c.ca = nil, nil
	switch uint16(a.p1)<<8 | uint16(a.p2) {
	case 0xC1A4:
		return c.setPACE(nodes)
	case 0x41A4:
		return c.setChipAuth(nodes)
	case 0x41A6:
		return c.keyAgreementTemplate(nodes)
	case 0x81B6:
		return c.setVerificationKey(nodes)
	case 0x81A4:
		return c.setTerminal(nodes)
	}
	return 0x6A86
}

func (c *Chip) setPACE(nodes []node) uint16 {
	if len(c.p.PACE) == 0 {
		return 0x6A81
	}
	var offers []PACEOffer
	for _, o := range c.p.PACE {
		if bytes.Equal(oidValue(o.oid()), find(nodes, 0x80)) {
			offers = append(offers, o)
		}
	}
	id := find(nodes, 0x84)
	if id != nil {
		offers = slices.DeleteFunc(offers, func(o PACEOffer) bool {
			return len(id) != 1 || int(id[0]) != domainByName(o.Curve).parameterID()
		})
	} else if c.p.AskParameterID || len(offers) > 1 || c.p.ExplicitPACE && bytes.Equal(find(nodes, 0x80), oidValue(oidExplicit)) {
		c.violation("PACE: MSE:Set AT without the domain parameters although they are ambiguous")
		return 0x6A80
	}
	if len(offers) == 0 {
		c.violation("PACE: MSE:Set AT for what EF.CardAccess does not offer")
		return 0x6A80
	}
	run := &paceRun{offer: offers[0], dom: domainByName(offers[0].Curve)}
	if chat := find(nodes, 0x7F4C); chat != nil && c.p.TA {
		parts, ok := allTLV(chat)
		if !ok || len(parts) != 2 || !bytes.Equal(parts[0].raw, oid(oidIS)) || parts[1].tag != 0x53 || len(parts[1].value) != 1 || parts[1].value[0]|roleMask != 0xFF {
			c.violation("PACE: the authorization template must name an inspection system and have all access bits set (ICAO 9303-11 §4.4.4.1)")
			return 0x6A80
		}
		run.wantsCAR = true
	}
	run.suite, _ = suiteByName(run.offer.Cipher)
	sw := uint16(0x9000)
	ref := find(nodes, 0x83)
	if len(ref) != 1 || ref[0] < 1 || ref[0] > 4 {
		return 0x6A88
	}
	run.password = []string{"mrz", "can", "pin", "puk"}[ref[0]-1]
	if !slices.Contains(c.p.PACEPasswords, run.password) {
		return 0x6A88
	}
	switch run.password {
	case "mrz":
		h := sha1.Sum(c.mrzSecret())
		run.secret = h[:]
	case "can":
		run.secret = []byte(c.card.who.CAN())
	case "pin":
		run.secret = []byte(c.card.who.PIN)
		if c.pin < pinTries {
			sw = 0x63C0 | uint16(c.pin) // selected, with a warning
		}
	case "puk":
		run.secret = []byte(c.card.who.PUK)
	}
	c.pace = run
	return sw
}

// Tries of a PIN and of its PUK (BSI TR-03110-2 §2.2; the numbers are those of the German card).
const (
	pinTries = 3
	pukTries = 10
)

func (c *Chip) mrzSecret() []byte {
	who := c.card.who
	doc := who.DocumentNumber()
	if c.p.Document == "td3" {
		doc = who.Passport
	}
	return mrzSecret(doc, yymmdd(who.DateOfBirth), who.expiryMRZ())
}

// documentNumber is the number of the MRZ with its check digit, by which terminal authentication after BAC names the chip.
func (c *Chip) documentNumber() []byte { return c.mrzSecret()[:10] }

func (c *Chip) generalAuthenticate(a apdu) ([]byte, uint16) {
	do, rest, ok := takeTLV(a.data)
	if a.p1 != 0 || a.p2 != 0 {
		return nil, 0x6A86
	}
	if !ok || len(rest) != 0 || do.tag != 0x7C {
		c.violation("GENERAL AUTHENTICATE without DO7C")
		c.pace, c.ca = nil, nil
		return nil, 0x6A80
	}
	nodes, ok := allTLV(do.value)
	if !ok {
		c.pace, c.ca = nil, nil
		return nil, 0x6A80
	}
	chained := a.cla&0x10 != 0
	switch {
	case c.pace != nil:
		run := c.pace
		c.pace = nil // each step puts it back; any error ends the run
		if last := run.step == 3; last == chained {
			c.violation("PACE: GENERAL AUTHENTICATE with the wrong chaining bit (ICAO 9303-11 §4.4.4.2)")
			if last {
				return nil, 0x6883
			}
			return nil, 0x6985
		}
		return c.paceStep(run, nodes)
	case c.ca != nil:
		s := *c.ca
		c.ca = nil
		if chained {
			c.violation("chip authentication: GENERAL AUTHENTICATE is not chained")
			return nil, 0x6883
		}
		return c.chipAuthenticate(s, nodes)
	}
	c.violation("GENERAL AUTHENTICATE without MSE:Set AT")
	return nil, 0x6985
}

func (c *Chip) paceStep(run *paceRun, nodes []node) ([]byte, uint16) {
	answer := func(tag uint32, value []byte) ([]byte, uint16) {
		run.step++
		c.pace = run
		return tlv(0x7C, tlv(tag, value)), 0x9000
	}
	only := func(tag uint32) []byte {
		if len(nodes) != 1 || nodes[0].tag != tag {
			c.violation("PACE: wrong data object for this step")
			return nil
		}
		return nodes[0].value
	}
	t := c.p.Timing
	switch run.step {
	case 0:
		if len(nodes) != 0 {
			c.violation("PACE: first GENERAL AUTHENTICATE must be empty")
			return nil, 0x6A80
		}
		if sw := c.usable(run.password); sw != 0x9000 {
			return nil, sw
		}
		c.penalty()
		c.delay("nonce", t.NonceMS)
		run.nonce = c.random(run.offer.nonceBytes())
		return answer(0x80, run.suite.cbc(run.suite.kdf(run.secret, 3), nil, run.nonce, true))

	case 1:
		c.delay("mapping", t.MappingMS)
		if run.offer.Mapping == mappingIntegrated {
			return c.mapIntegrated(run, only(0x81), answer)
		}
		theirs := only(0x81)
		if err := run.dom.valid(theirs); err != nil {
			c.violation("PACE: mapping key is " + err.Error())
			return nil, 0x6A80
		}
		k, err := run.dom.scalarFor(theirs, max(c.o.Secrets.Mapping, 0), c.o.Rand)
		if err != nil {
			return nil, 0x6F00
		}
		mapped, h, ok := run.dom.mapGeneric(new(big.Int).SetBytes(run.nonce), theirs, k)
		if !ok {
			return nil, 0x6A80
		}
		c.last = Secrets{leadingZeros(h), -1, -1}
		run.mapped, run.mapKey = mapped, k
		return answer(0x82, run.dom.public(k))

	case 2:
		c.delay("agreement", t.AgreementMS)
		theirs := only(0x83)
		if err := run.mapped.valid(theirs); err != nil {
			c.violation("PACE: ephemeral key is " + err.Error())
			return nil, 0x6A80
		}
		k, err := run.mapped.scalarFor(theirs, max(c.o.Secrets.Agreement, 0), c.o.Rand)
		if err != nil {
			return nil, 0x6F00
		}
		run.own, run.theirs = run.mapped.public(k), slices.Clone(theirs)
		if bytes.Equal(run.own, theirs) {
			c.violation("PACE: terminal sent the chip's own key")
			return nil, 0x6A80
		}
		run.shared = run.mapped.shared(theirs, k)
		c.last.Agreement = leadingZeros(run.shared)
		return answer(0x84, run.own)
	}

	c.delay("token", t.TokenMS)
	token := only(0x85)
	kmac := run.suite.kdf(run.shared, 2)
	if subtle.ConstantTimeCompare(token, run.token(kmac, run.own)) != 1 {
		return nil, c.wrong(run.password)
	}
	c.right(run.password)
	out := tlv(0x86, run.token(kmac, run.theirs))
	out = append(out, c.paceExtras(run)...)
	c.next = func() {
		c.sm = newSession(run.suite, run.shared, nil)
		c.opened, c.password = true, run.password
		c.ta.drop()
		c.chipID, c.terminalKey = run.mapped.compress(run.own), nil
		if run.offer.Mapping == mappingChip {
			c.terminalKey = run.mapped.compress(run.theirs)
		}
	}
	return tlv(0x7C, out), 0x9000
}

// mapIntegrated is the mapping step of PACE with integrated mapping: the terminal sends a nonce, and gets nothing back.
func (c *Chip) mapIntegrated(run *paceRun, t []byte, answer func(uint32, []byte) ([]byte, uint16)) ([]byte, uint16) {
	if len(t) != run.suite.key {
		c.violation("PACE: the terminal's nonce is not as long as a key of the cipher (ICAO 9303-11 §4.4.3.3)")
		return nil, 0x6A80
	}
	mapped, ok := run.dom.mapIntegrated(run.suite.integratedElement(run.nonce, t, run.dom.prime()))
	if !ok {
		return nil, 0x6A80
	}
	c.last = Secrets{-1, -1, -1}
	run.mapped = mapped
	return answer(0x82, nil)
}

// paceExtras is what stands after the chip's token: references of certification authorities, and the encrypted chip
// authentication data of chip authentication mapping (ICAO 9303-11 §4.4.3.5 and §4.4.5).
func (c *Chip) paceExtras(run *paceRun) []byte {
	var out []byte
	if run.wantsCAR && c.p.TA {
		for i, k := range c.ta.trust {
			out = append(out, tlv(uint32(0x87+i), []byte(k.holder))...)
		}
	}
	if run.offer.Mapping == mappingChip {
		k := c.card.cam[run.dom.parameterID()]
		priv := k.priv
		if c.p.Clone != "" {
			// A clone has no private key.
			if d, err := run.dom.scalar(c.o.Rand); err == nil {
				priv = d
			}
		}
		n := run.dom.order()
		ca := new(big.Int).ModInverse(priv, n)
		ca.Mul(ca, run.mapKey).Mod(ca, n)
		plain := ca.FillBytes(make([]byte, (n.BitLen()+7)/8))
		kenc := run.suite.kdf(run.shared, 1)
		iv := run.suite.cbc(kenc, nil, bytes.Repeat([]byte{0xFF}, run.suite.block), true)
		out = append(out, tlv(0x8A, run.suite.cbc(kenc, iv, pad(plain, run.suite.block), true))...)
	}
	return out
}

// penalty is how a chip slows down who guesses: longer with each wrong password, also after a reset.
func (c *Chip) penalty() {
	if over := c.tries - c.p.FreeTries; over > 0 && c.p.SlowMS > 0 {
		c.delay("penalty", float64(c.p.SlowMS)*float64(int(1)<<min(over-1, 6)))
	}
}

// usable says whether a password may be tried at all: a PIN with one try left is suspended until the CAN has been shown in the same
// session, and without any it is blocked until the PUK comes (BSI TR-03110-2 §2.2).
func (c *Chip) usable(password string) uint16 {
	switch {
	case password == "pin" && c.pin == 0, password == "puk" && c.puk == 0:
		return 0x6983
	case password == "pin" && c.pin == 1 && c.password != "can":
		return 0x6985
	}
	return 0x9000
}

func (c *Chip) wrong(password string) uint16 {
	switch password {
	case "pin":
		c.pin--
		return 0x63C0 | uint16(c.pin)
	case "puk":
		c.puk--
		return 0x63C0 | uint16(c.puk)
	}
	c.tries++
	return statusWord(c.p.WrongPassword, 0x6300)
}

func (c *Chip) right(password string) {
	switch password {
	case "pin":
		c.pin = pinTries
	case "puk":
		c.puk--
	default:
		c.tries = 0
	}
}

// resetRetryCounter unblocks the PIN after PACE with the PUK (BSI TR-03110-3 §B.4, without a new PIN).
func (c *Chip) resetRetryCounter(a apdu) uint16 {
	switch {
	case !slices.Contains(c.p.PACEPasswords, "puk"):
		return 0x6D00
	case c.sm == nil || c.password != "puk":
		return 0x6982
	case a.p1 != 3 || a.p2 != 3 || len(a.data) != 0:
		return 0x6A86
	}
	c.pin = pinTries
	return 0x9000
}

// token authenticates one side's knowledge of the key by the other side's ephemeral public key (ICAO 9303-11 §4.4.3.4).
func (r *paceRun) token(kmac, public []byte) []byte {
	return r.suite.token(kmac, tlv(0x7F49, oid(r.offer.oid()), tlv(r.dom.pointTag(), public)))
}

func (c *Chip) getChallenge(a apdu) ([]byte, uint16) {
	if c.ta.terminal != nil {
		return c.terminalChallenge(a)
	}
	if !c.p.BAC || !c.inside {
		return nil, 0x6D00
	}
	if a.ne != 8 && !a.allNe || a.p1 != 0 || a.p2 != 0 || len(a.data) != 0 {
		return nil, 0x6700
	}
	c.penalty()
	c.rnd = c.random(8)
	return slices.Clone(c.rnd), 0x9000
}

// externalAuthenticate is the mutual authentication of basic access control (ICAO 9303-11 §4.3.1).
func (c *Chip) externalAuthenticate(a apdu) ([]byte, uint16) {
	if c.ta.terminal != nil {
		return nil, c.authenticateTerminal(a)
	}
	if !c.p.BAC || !c.inside {
		return nil, 0x6D00
	}
	rnd := c.rnd
	c.rnd = nil
	if rnd == nil {
		c.violation("BAC: EXTERNAL AUTHENTICATE without a challenge")
		return nil, 0x6985
	}
	if len(a.data) != 40 || a.p1 != 0 || a.p2 != 0 {
		return nil, 0x6700
	}
	c.delay("bac", c.p.Timing.BACMS)
	s := suites[0]
	seed := sha1.Sum(c.mrzSecret())
	kenc, kmac := s.kdf(seed[:16], 1), s.kdf(seed[:16], 2)
	if subtle.ConstantTimeCompare(s.mac(kmac, pad(a.data[:32], s.block)), a.data[32:]) != 1 {
		c.tries++
		return nil, 0x6300
	}
	m := s.cbc(kenc, nil, a.data[:32], false)
	if !bytes.Equal(m[8:16], rnd) {
		c.violation("BAC: the challenge came back wrong")
		return nil, 0x6300
	}
	kic := c.random(16)
	e := s.cbc(kenc, nil, slices.Concat(rnd, m[:8], kic), true)
	shared := make([]byte, 16)
	for i := range shared {
		shared[i] = kic[i] ^ m[16+i]
	}
	ssc := slices.Concat(rnd[4:], m[4:8])
	c.tries = 0
	c.next = func() {
		c.sm = newSession(s, shared, ssc)
		c.opened, c.password = true, "bac"
		c.ta.drop()
		c.chipID, c.terminalKey = c.documentNumber(), nil
	}
	return append(e, s.mac(kmac, pad(e, s.block))...), 0x9000
}

func (c *Chip) setChipAuth(nodes []node) uint16 {
	if c.p.CA == nil || !c.inside {
		return 0x6A88
	}
	if c.sm == nil {
		c.violation("chip authentication without secure messaging")
		return 0x6982
	}
	if c.p.Clone == "refuses" {
		return 0x6982
	}
	k := c.chipAuthKey(find(nodes, 0x84), func(p CAProfile) bool { return true })
	if k == nil {
		return 0x6A88
	}
	if k.p.NoInfo || !bytes.Equal(find(nodes, 0x80), oidValue(k.p.oid())) {
		c.violation("chip authentication: MSE:Set AT for what DG14 does not offer")
		return 0x6A80
	}
	s, _ := suiteByName(k.p.Cipher)
	c.ca = &caRun{s, k}
	return 0x9000
}

// caRun is chip authentication between MSE:Set AT and GENERAL AUTHENTICATE.
type caRun struct {
	suite suite
	key   *caKey
}

// chipAuthKey finds the key that a private key reference names. Without a reference there must be no choice (ICAO 9303-11 §6.2.4.2).
func (c *Chip) chipAuthKey(ref []byte, fits func(CAProfile) bool) *caKey {
	var found *caKey
	for _, k := range c.card.ca {
		if !fits(k.p) {
			continue
		}
		if ref != nil {
			if len(ref) <= 4 && new(big.Int).SetBytes(ref).Int64() == int64(k.p.KeyID) {
				return k
			}
			continue
		}
		if found != nil {
			c.violation("chip authentication: no reference of a private key although there are several")
			return nil
		}
		found = k
	}
	return found
}

func (c *Chip) chipAuthenticate(r caRun, nodes []node) ([]byte, uint16) {
	sw := c.agree(r.suite, r.key, find(nodes, 0x80))
	if sw != 0x9000 {
		return nil, sw
	}
	return tlv(0x7C), 0x9000
}

// keyAgreementTemplate is chip authentication in one command, for 3DES (ICAO 9303-11 §6.2.4.1).
func (c *Chip) keyAgreementTemplate(nodes []node) uint16 {
	if c.p.CA == nil || !c.inside {
		return 0x6A88
	}
	k := c.chipAuthKey(find(nodes, 0x84), func(p CAProfile) bool { return p.KAT || p.NoInfo })
	if k == nil {
		return 0x6A88
	}
	if c.sm == nil {
		c.violation("chip authentication without secure messaging")
		return 0x6982
	}
	if c.p.Clone == "refuses" {
		return 0x6982
	}
	return c.agree(suites[0], k, find(nodes, 0x91))
}

// agree computes new session keys; they count from the next command on.
func (c *Chip) agree(s suite, k *caKey, public []byte) uint16 {
	c.delay("chip authentication", c.p.Timing.ChipAuthMS)
	if err := k.dom.valid(public); err != nil {
		c.violation("chip authentication: terminal's key is " + err.Error())
		return 0x6A80
	}
	d := k.priv
	if c.p.Clone == "wrong-key" || c.p.Clone == "naked-9000" {
		var err error
		if d, err = k.dom.scalar(c.o.Rand); err != nil {
			return 0x6F00
		}
	}
	shared := k.dom.shared(public, d)
	c.last.ChipAuth = leadingZeros(shared)
	terminal := k.dom.compress(public)
	c.next = func() {
		c.sm = newSession(s, shared, nil)
		c.naked = c.p.Clone == "naked-9000"
		// Rights belong to the keys under which they were given (ICAO 9303-11 §7.1.3).
		c.terminalKey, c.ta.granted = terminal, 0
	}
	return 0x9000
}

// internalAuthenticate is active authentication (ICAO 9303-11 §6.1).
func (c *Chip) internalAuthenticate(a apdu) ([]byte, uint16) {
	if !c.inside || c.card.aa == nil {
		return nil, 0x6D00
	}
	if !c.opened && !c.p.Open {
		return nil, 0x6982
	}
	if c.p.Clone == "refuses" {
		return nil, 0x6982
	}
	if len(a.data) != 8 || a.p1 != 0 || a.p2 != 0 {
		c.violation("active authentication: the challenge has eight bytes")
		return nil, 0x6700
	}
	c.delay("active authentication", c.p.Timing.ActiveAuthMS)
	h, err := hashByName(c.p.AA.Hash)
	if err != nil {
		return nil, 0x6F00
	}
	k := c.card.aa
	if k.c == nil {
		sig := k.iso9796(h, a.data, c.p.AA.Trailer, c.random)
		if c.p.AA.Smaller {
			if v := new(big.Int).SetBytes(sig); v.Cmp(new(big.Int).Rsh(k.n, 1)) > 0 {
				v.Sub(k.n, v).FillBytes(sig)
			}
		}
		if c.p.Clone != "" {
			// A clone has no private key: something of the right length must do.
			sig = append([]byte{0}, c.random(len(sig)-1)...)
		}
		return sig, 0x9000
	}
	d := k.priv
	if c.p.Clone != "" {
		if d, err = k.c.scalar(c.o.Rand); err != nil {
			return nil, 0x6F00
		}
	}
	r, s, err := k.c.ecdsaSign(d, h.sum(a.data), c.o.Rand)
	if err != nil {
		return nil, 0x6F00
	}
	if c.p.AA.DER {
		return seq(bigInteger(r), bigInteger(s)), 0x9000
	}
	return k.c.plain(r, s), 0x9000
}

// iso9796 signs with digital signature scheme 1 of ISO/IEC 9796-2, partial recovery: M1 is the chip's random part, M2 the challenge.
// option is the trailer's; see AAProfile.Trailer.
func (k *key) iso9796(h hashAlg, m2 []byte, option string, random func(int) []byte) []byte {
	trailer := []byte{0xBC}
	if h.name != "SHA-1" && option == "" || option == "2" {
		trailer = []byte{map[string]byte{"SHA-1": 0x33, "SHA-224": 0x38, "SHA-256": 0x34, "SHA-384": 0x36, "SHA-512": 0x35}[h.name], 0xCC}
	}
	m1 := random(k.size() - 1 - h.new().Size() - len(trailer))
	return k.rsaPrivate(slices.Concat([]byte{0x6A}, m1, h.sum(slices.Concat(m1, m2)), trailer))
}
