package chip

import (
	"encoding/hex"
	"fmt"
	"io"
	"maps"
	"math/big"
	"slices"
	"strings"
	"time"
)

// Names of files as Chip.Files gives them; data groups are "DG1" to "DG16".
const (
	fileCardAccess = "EF_CardAccess"
	fileATRInfo    = "EF_ATR_INFO"
	fileDIR        = "EF_DIR"
	fileCVCA       = "EF_CVCA"

	fileCardSecurity = "EF_CardSecurity"
	fileCOM          = "EF_COM"
	fileSOD          = "EF_SOD"
)

func dgName(n int) string { return fmt.Sprintf("DG%d", n) }

// dgTags are the tags of DG1 … DG16 (ICAO 9303-10 Table 38).
var dgTags = [17]uint32{0, 0x61, 0x75, 0x63, 0x76, 0x65, 0x66, 0x67, 0x68, 0x69, 0x6A, 0x6B, 0x6C, 0x6D, 0x6E, 0x6F, 0x70}

// Card is the content of a chip: its files and its private keys. Issue makes one; New puts one into a chip.
type Card struct {
	Files map[string][]byte // by the names of Chip.Files

	profile Profile
	who     Persona
	ca      []*caKey
	cam     map[int]*caKey // keys of chip authentication mapping, by standardised domain parameter
	aa      *key
	cvca    *cvKey // trust point of terminal authentication
	issued  time.Time
}

// caKey is a static key of chip authentication.
type caKey struct {
	p    CAProfile
	dom  domain
	priv *big.Int
	pub  []byte
}

func newCAKey(p CAProfile, rand io.Reader) (*caKey, error) {
	k := &caKey{p: p, dom: domainByName(p.Curve)}
	var err error
	if k.priv, err = k.dom.scalar(rand); err != nil {
		return nil, err
	}
	k.pub = k.dom.public(k.priv)
	return k, nil
}

// IssueOptions change what Issue makes.
type IssueOptions struct {
	SOD SODOptions
	// Serial tells cards of one persona and profile apart: another number has other keys. 0 is the first.
	Serial int
	// Replace puts other bytes in place of a data group (by number) before it is signed; nil bytes leave it out.
	Replace map[int][]byte
	// ReplaceAfter does so after signing, by file name: a card that was tampered with.
	ReplaceAfter map[string][]byte
	// CardSecurity says how EF.CardSecurity is to be wrong; only what concerns the signature counts.
	CardSecurity SODOptions
	// Terminals is whom the chip trusts in terminal authentication; nil is the issuer's own (Issuer.TerminalPKI).
	Terminals *TerminalPKI
	// A chip authentication key whose secret with this terminal key (X9.62) begins with so many zero bytes.
	caFor   []byte
	caZeros int
}

// Issue makes all files of a card for a persona, signed by an issuer. The same issuer, profile, persona and options give
// the same bytes.
func Issue(p Profile, who Persona, iss *Issuer, o IssueOptions) (*Card, error) {
	if err := p.check(); err != nil {
		return nil, err
	}
	if err := who.check(); err != nil {
		return nil, err
	}
	c := &Card{Files: map[string][]byte{}, profile: p.clone(), who: who}
	if p.NoApplication {
		return c, nil
	}
	if iss == nil {
		return nil, fmt.Errorf("chip: profile %s needs an issuer", p.Name)
	}
	if p.Forged {
		var err error
		if iss, err = iss.Forger(); err != nil {
			return nil, err
		}
	}
	name := p.Name
	if p.CopyOf != "" {
		name = p.CopyOf
	}
	label := []string{name, who.Number, fmt.Sprint(o.Serial)}
	rnd := func(use string) *stream { return newStream(iss.seed, append([]string{use}, label...)...) }

	c.issued, _ = time.Parse(time.DateOnly, who.IssuedAt) // checked above
	if len(p.PACE) > 0 {
		c.Files[fileCardAccess] = p.cardAccess()
	}
	if p.Directory {
		// One application template (ICAO 9303-10 §3.11.1).
		c.Files[fileDIR] = tlv(0x61, tlv(0x4F, applicationID))
	}
	if p.Chaining || p.Extended != nil && p.Extended.Announce {
		c.Files[fileATRInfo] = p.atrInfo()
	}
	groups := map[int][]byte{1: dg1(p, who)}
	if p.Photo != "" && !who.NoPhoto {
		b, err := dg2(p, who)
		if err != nil {
			return nil, err
		}
		groups[2] = b
	}
	for _, name := range p.Refused {
		var n int
		if _, err := fmt.Sscanf(name, "DG%d", &n); err != nil || n < 3 || n > 16 {
			return nil, fmt.Errorf("chip: profile %s: cannot refuse %q", p.Name, name)
		}
		if n == 3 || n == 4 {
			// Nobody can read these without terminal authentication; only their hash is ever seen.
			b, err := randomBytes(rnd(name), 64)
			if err != nil {
				return nil, err
			}
			groups[n] = tlv(dgTags[n], b)
		}
	}
	if p.DG13 != "" {
		groups[13] = dg13(p.DG13, who, rnd("card id"))
	}
	var err error
	if err = c.makeKeys(rnd, o); err != nil {
		return nil, err
	}
	if p.AA != nil {
		if p.AA.Type == "rsa" {
			c.aa, err = newRSAKey(p.AA.Bits, rnd("aa"))
		} else {
			c.aa, err = newECKey(curveByName(p.AA.Curve), rnd("aa"+p.AA.Curve))
		}
		if err != nil {
			return nil, err
		}
		groups[15] = tlv(0x6F, c.aa.spki(p.AA.NamedKey))
	}
	if len(c.cam) > 0 {
		if c.Files[fileCardSecurity], err = c.cardSecurity(iss, o.CardSecurity); err != nil {
			return nil, err
		}
	}
	if p.TA {
		pki := o.Terminals
		if pki == nil {
			if pki, err = iss.TerminalPKI(); err != nil {
				return nil, err
			}
		}
		c.cvca = pki.cvca
	}
	if b := c.dg14(); b != nil {
		groups[14] = b
	}
	for n, b := range o.Replace {
		if b == nil {
			delete(groups, n)
		} else {
			groups[n] = b
		}
	}
	so := o.SOD
	if so.Hash == "" {
		so.Hash = p.Hash
	}
	if so.SignedAt.IsZero() && !so.NoSignedAttr {
		so.SignedAt, _ = time.Parse(time.DateOnly, who.IssuedAt)
	}
	sod, err := iss.SOD(groups, so)
	if err != nil {
		return nil, err
	}
	c.Files[fileSOD] = sod
	c.Files[fileCOM] = com(groups)
	for n, b := range groups {
		c.Files[dgName(n)] = b
	}
	for name, b := range o.ReplaceAfter {
		if b == nil {
			delete(c.Files, name)
		} else {
			c.Files[name] = b
		}
	}
	for _, name := range p.Absent {
		delete(c.Files, name)
	}
	return c, nil
}

// makeKeys makes the static keys of chip authentication and of chip authentication mapping.
func (c *Card) makeKeys(rnd func(string) *stream, o IssueOptions) error {
	p := c.profile
	for i, ca := range p.chipAuth() {
		use := "ca"
		if i > 0 {
			use = fmt.Sprint("ca", i)
		}
		if i == 0 && o.caFor != nil {
			dom := domainByName(ca.Curve)
			if err := dom.valid(o.caFor); err != nil {
				return fmt.Errorf("chip: terminal key for chip authentication: %w", err)
			}
			d, err := dom.scalarFor(o.caFor, o.caZeros, rnd("ca"))
			if err != nil {
				return err
			}
			c.ca = append(c.ca, &caKey{ca, dom, d, dom.public(d)})
			continue
		}
		k, err := newCAKey(ca, rnd(use+ca.Curve))
		if err != nil {
			return err
		}
		c.ca = append(c.ca, k)
	}
	for _, offer := range p.PACE {
		if offer.Mapping != mappingChip {
			continue
		}
		id := domainByName(offer.Curve).parameterID()
		if c.cam == nil {
			c.cam = map[int]*caKey{}
		}
		for _, k := range c.ca {
			if k.p.Curve == offer.Curve && k.p.KeyID == id {
				c.cam[id] = k
			}
		}
		if c.cam[id] == nil {
			k, err := newCAKey(CAProfile{Cipher: offer.Cipher, Curve: offer.Curve, KeyID: id}, rnd("cam"+offer.Curve))
			if err != nil {
				return err
			}
			c.cam[id] = k
		}
	}
	return nil
}

// chipAuth is all keys of chip authentication, the main one first.
func (p Profile) chipAuth() []CAProfile {
	if p.CA == nil {
		return nil
	}
	return append([]CAProfile{*p.CA}, p.MoreCA...)
}

const (
	oidPACE = "0.4.0.127.0.7.2.2.4" // id-PACE; then the mapping with its key agreement, and the cipher
	oidCA   = "0.4.0.127.0.7.2.2.3" // id-CA; then the key agreement, and the cipher
	oidPK   = "0.4.0.127.0.7.2.2.1" // id-PK; then the key agreement
	oidTA   = "0.4.0.127.0.7.2.2.2"
	oidAA   = "2.23.136.1.1.5"
	oidIS   = "0.4.0.127.0.7.3.1.2.1" // id-IS, an inspection system (ICAO 9303-12 §7.2)
)

// oid is that of ICAO 9303-11 §9.2.3: DH-GM 1, ECDH-GM 2, DH-IM 3, ECDH-IM 4, ECDH-CAM 6.
func (o PACEOffer) oid() string {
	s, _ := suiteByName(o.Cipher)
	arc := domainByName(o.Curve).kind()
	switch o.Mapping {
	case mappingIntegrated:
		arc += 2
	case mappingChip:
		arc += 4
	}
	return fmt.Sprintf("%s.%d.%d", oidPACE, arc, s.arc)
}

func (c CAProfile) oid() string {
	s, _ := suiteByName(c.Cipher)
	return fmt.Sprintf("%s.%d.%d", oidCA, domainByName(c.Curve).kind(), s.arc)
}

func (c CAProfile) form() string {
	if c.NamedKey {
		return formNamed
	}
	return c.KeyForm
}

// info is the ChipAuthenticationPublicKeyInfo (ICAO 9303-11 §9.2.6).
func (k *caKey) info(form string) []byte {
	pub := k.dom.spki(k.pub, form)
	if k.p.Corrupted {
		pub[len(pub)-1] ^= 1
	}
	return seq(oid(fmt.Sprintf("%s.%d", oidPK, k.dom.kind())), pub, k.p.id())
}

func (c CAProfile) id() []byte {
	if c.KeyID == 0 {
		return nil
	}
	return integer(int64(c.KeyID))
}

// cardAccess is EF.CardAccess (ICAO 9303-10 §3.11.3).
func (p Profile) cardAccess() []byte {
	trailer, _ := hex.DecodeString(p.CardAccessTrailer)
	return append(setOf(p.cardAccessInfos()...), trailer...)
}

func (p Profile) cardAccessInfos() [][]byte {
	var infos [][]byte
	for _, o := range p.PACE {
		infos = append(infos, seq(oid(o.oid()), integer(2), integer(int64(domainByName(o.Curve).parameterID()))))
	}
	if slices.Contains(p.CardAccessLists, "ta") {
		infos = append(infos, seq(oid(oidTA), integer(1)))
	}
	if slices.Contains(p.CardAccessLists, "ca") && p.CA != nil {
		infos = append(infos, seq(oid(p.CA.oid()), integer(1)))
	}
	return infos
}

// cardSecurity is EF.CardSecurity (ICAO 9303-10 §3.11.4): the SecurityInfos with the keys of chip authentication mapping, signed.
func (c *Card) cardSecurity(iss *Issuer, o SODOptions) ([]byte, error) {
	infos := c.profile.cardAccessInfos()
	for _, id := range slices.Sorted(maps.Keys(c.cam)) {
		form := formStandardized
		if f := c.cam[id].p.form(); f != formExplicit {
			form = f
		}
		infos = append(infos, c.cam[id].info(form))
	}
	return iss.signed("0.4.0.127.0.7.3.2.1", setOf(unique(infos)...), o)
}

// unique leaves out what was there before.
func unique(infos [][]byte) [][]byte {
	var out [][]byte
	for _, i := range infos {
		if !slices.ContainsFunc(out, func(o []byte) bool { return string(o) == string(i) }) {
			out = append(out, i)
		}
	}
	return out
}

// atrInfo is EF.ATR/INFO with the card capabilities and the extended length of ICAO 9303-10 §3.11.2.
func (p Profile) atrInfo() []byte {
	var third byte // ISO 7816-4 Table 119: command chaining, extended length
	if p.Chaining {
		third |= 0x80
	}
	var lengths []byte
	if p.Extended != nil && p.Extended.Announce {
		third |= 0x40
		lengths = tlv(0x7F66, integer(int64(p.Extended.MaxCommand)), integer(int64(p.Extended.MaxResponse)))
	}
	return append(tlv(0x47, []byte{0, 0x80, third}), lengths...)
}

func dg1(p Profile, who Persona) []byte {
	lines := who.MRZ()
	if p.Document == "td3" {
		lines = who.PassportMRZ()
	}
	return tlv(0x61, tlv(0x5F1F, []byte(strings.Join(lines, ""))))
}

func com(groups map[int][]byte) []byte {
	var nums []int
	for n := range groups {
		nums = append(nums, n)
	}
	slices.Sort(nums)
	var tags []byte
	for _, n := range nums {
		tags = append(tags, byte(dgTags[n]))
	}
	return tlv(0x60, tlv(0x5F01, []byte("0107")), tlv(0x5F36, []byte("040000")), tlv(0x5C, tags))
}

// dg2 is one ISO/IEC 19794-5 face record in the frame of ICAO 9303-10 §4.7.2.
func dg2(p Profile, who Persona) ([]byte, error) {
	img, err := portrait(p, who)
	if err != nil {
		return nil, err
	}
	w, h := who.PortraitWidth, who.PortraitHeight
	if who.Portrait == nil || w <= 0 || h <= 0 || w > 0xFFFF || h > 0xFFFF {
		w, h = 300, 400
	}
	kind := byte(0)
	if !(len(img) > 2 && img[0] == 0xFF && img[1] == 0xD8) {
		kind = 1
	}
	gender := byte(1)
	if who.Sex == "female" {
		gender = 2
	}
	img = append(slices.Clone(img), make([]byte, p.Padding)...)
	u32 := func(n int) []byte { return []byte{byte(n >> 24), byte(n >> 16), byte(n >> 8), byte(n)} }
	block := 20 + 12 + len(img)
	rec := append([]byte("FAC\x00010\x00"), u32(14+block)...)
	rec = append(rec, 0, 1)
	rec = append(rec, u32(block)...)
	rec = append(rec, 0, 0, gender)
	rec = append(rec, make([]byte, 13)...) // colours, expression and pose are not said
	rec = append(rec, 1, kind, byte(w>>8), byte(w), byte(h>>8), byte(h), 1, 2, 0, 0, 0, 0)
	rec = append(rec, img...)
	bht := tlv(0xA1, tlv(0x81, []byte{2}), tlv(0x82, []byte{0}), tlv(0x87, []byte{1, 1}), tlv(0x88, []byte{0, 8}))
	return tlv(0x75, tlv(0x7F61, integer(1), tlv(0x7F60, bht, tlv(0x5F2E, rec)))), nil
}

func portrait(p Profile, who Persona) ([]byte, error) {
	if who.Portrait != nil {
		return who.Portrait, nil
	}
	ext := ".jpg"
	if p.Photo == "jp2" {
		ext = ".jp2"
	}
	b, err := data.ReadFile("data/face-" + who.ID + ext)
	if err != nil {
		// A persona of a test's own borrows a face.
		b, err = data.ReadFile("data/face-an" + ext)
	}
	return b, err
}

// dg13 is the national data group of Vietnamese cards: numbered fields, each a sequence of number and value.
func dg13(layout string, who Persona, rnd *stream) []byte {
	field := func(n int64, value ...[]byte) []byte { return seq(append([][]byte{integer(n)}, value...)...) }
	text := func(n int64, s string) []byte {
		if s == "" {
			return field(n)
		}
		return field(n, utf8String(s))
	}
	expiry := slashed(who.ExpiresAt)
	if who.NoExpiry {
		expiry = "Không thời hạn"
	}
	fields := [][]byte{
		field(1, printable(who.Number)),
		text(2, who.FullName),
		field(3, printable(slashed(who.DateOfBirth))),
		text(4, who.sexVietnamese()),
		text(5, who.Nationality),
	}
	if layout != "little" {
		fields = append(fields, text(6, who.Ethnicity), text(7, who.Religion))
	}
	fields = append(fields, text(8, who.Origin))
	if layout != "little" {
		fields = append(fields, text(9, who.Residence), text(10, who.Features), field(11, printable(slashed(who.IssuedAt))))
	}
	fields = append(fields, text(12, expiry))
	if layout != "little" {
		if layout == "A" {
			fields = append(fields, field(13, seq(utf8String(who.Father)), seq(utf8String(who.Mother))))
		} else {
			fields = append(fields, field(13, seq(utf8String(who.Father), utf8String(who.Mother))))
		}
		if who.Spouse == "" {
			fields = append(fields, field(14))
		} else {
			fields = append(fields, field(14, seq(utf8String(who.Spouse))))
		}
		if who.OldNumber != "" {
			fields = append(fields, field(15, printable(who.OldNumber)))
		}
		id := make([]byte, 8)
		_, _ = rnd.Read(id) // never fails
		fields = append(fields, field(16, printable(strings.ToUpper(hex.EncodeToString(id)))))
	}
	// The fields stand in the order of their numbers: the real cards' SET is not sorted as DER would have it.
	return tlv(0x6D, seq(integer(1), tlv(0x06, []byte{0x28, 0xD3, 0x16, 0x01, 0x00, 0x08}), tlv(0x31, fields...)))
}

// dg14 holds the SecurityInfos of chip, active and terminal authentication, and a copy of EF.CardAccess's (ICAO 9303-11 §9.2.11); nil when
// there is nothing to say.
func (c *Card) dg14() []byte {
	p := c.profile
	var infos [][]byte
	if !p.SparseDG14 {
		infos = p.cardAccessInfos()
	}
	for _, k := range c.ca {
		infos = append(infos, k.info(k.p.form()))
		if !k.p.NoInfo {
			infos = append(infos, seq(oid(k.p.oid()), integer(1), k.p.id()))
		}
	}
	if p.TA || slices.Contains(p.CardAccessLists, "ta") {
		infos = append(infos, seq(oid(oidTA), integer(1)))
	}
	if p.AA != nil && p.AA.Announce {
		if h, err := hashByName(p.AA.Hash); err == nil && p.AA.Type == "ecdsa" {
			infos = append(infos, seq(oid(oidAA), integer(1), oid(h.plain)))
		}
	}
	if len(infos) == 0 {
		return nil
	}
	return tlv(0x6E, setOf(unique(infos)...))
}
