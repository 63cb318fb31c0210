package chip

import (
	"bytes"
	"encoding/hex"
	"fmt"
	"image"
	"image/color"
	"image/jpeg"
	"io"
	"maps"
	"math"
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

// Versions of the logical data structure as EF.COM and EF.SOD write them.
const (
	ldsVersion     = "0107"
	lds18          = "0108"
	unicodeVersion = "040000"
)

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
	// KeysOf gives the chip that card's private keys in place of its own, while its files name its own public keys: one card's files before
	// another card's chip. With ReplaceAfter for DG14 and DG15 as well, the chip's authentication is perfect and belongs to the other card.
	KeysOf *Card
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
	if p.IssuedAt != "" {
		who.IssuedAt = p.IssuedAt
	}
	if p.ExpiresAt != "" {
		who.ExpiresAt, who.NoExpiry = p.ExpiresAt, false
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
	if p.Revoked {
		var err error
		if iss, err = iss.RevokedSigner(); err != nil {
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
		if _, err := fmt.Sscanf(name, "DG%d", &n); err == nil && (n == 3 || n == 4) {
			// Nobody can read these without terminal authentication; only their hash is ever seen.
			b, err := randomBytes(rnd(name), 64)
			if err != nil {
				return nil, err
			}
			groups[n] = tlv(dgTags[n], b)
		}
	}
	for n, count := range map[int]int{3: p.Fingers, 4: p.Irises} {
		if count > 0 {
			groups[n] = samples(n, count, rnd(dgName(n)))
		}
	}
	for _, name := range p.Extra {
		n, b, err := extra(name, who)
		if err != nil {
			return nil, err
		}
		groups[n] = b
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
	so.LDS18 = so.LDS18 || p.LDS == "1.8"
	if so.SignedAt.IsZero() && !so.NoSignedAttr {
		so.SignedAt, _ = time.Parse(time.DateOnly, who.IssuedAt)
	}
	sod, err := iss.SOD(groups, so)
	if err != nil {
		return nil, err
	}
	c.Files[fileSOD] = sod
	version := ldsVersion
	if so.LDS18 {
		version = lds18
	}
	c.Files[fileCOM] = com(version, groups)
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
	if o := o.KeysOf; o != nil {
		c.ca, c.cam, c.aa = o.ca, o.cam, o.aa
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

	oidExplicit = oidPACE + ".2.2" // what Profile.ExplicitPACE offers: ECDH-GM with AES-128
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
	if p.ExplicitPACE {
		const local = 32 // the first number that is not reserved
		infos = append(infos, seq(oid(oidPACE+".2"), seq(oid("1.2.840.10045.2.1"), curveByName("P-256").parameters(false)), integer(local)),
			seq(oid(oidExplicit), integer(2), integer(local)))
	}
	if p.UnknownInfos {
		infos = append(infos, seq(oid("1.3.6.1.4.1.55555.1.2"), integer(1)), seq(oid(oidPACE+".2.9"), integer(2), integer(13)))
	}
	return infos
}

// cardSecurity is EF.CardSecurity (ICAO 9303-10 §3.11.4): the SecurityInfos with the keys of chip authentication mapping, signed.
func (c *Card) cardSecurity(iss *Issuer, o SODOptions) ([]byte, error) {
	infos := append(c.profile.cardAccessInfos(), c.mappingKeys()...)
	return iss.signed("0.4.0.127.0.7.3.2.1", setOf(unique(infos)...), o)
}

// mappingKeys are the SecurityInfos with the keys of chip authentication mapping.
func (c *Card) mappingKeys() [][]byte {
	var infos [][]byte
	for _, id := range slices.Sorted(maps.Keys(c.cam)) {
		form := formStandardized
		if f := c.cam[id].p.form(); f != formExplicit {
			form = f
		}
		infos = append(infos, c.cam[id].info(form))
	}
	return infos
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

func com(version string, groups map[int][]byte) []byte {
	var nums []int
	for n := range groups {
		nums = append(nums, n)
	}
	slices.Sort(nums)
	var tags []byte
	for _, n := range nums {
		tags = append(tags, byte(dgTags[n]))
	}
	return tlv(0x60, tlv(0x5F01, []byte(version)), tlv(0x5F36, []byte(unicodeVersion)), tlv(0x5C, tags))
}

// dg2 is one face in the frame of ICAO 9303-10 §4.7.2.
func dg2(p Profile, who Persona) ([]byte, error) {
	img, err := portrait(p, who)
	if err != nil {
		return nil, err
	}
	w, h := who.PortraitWidth, who.PortraitHeight
	if who.Portrait == nil || w <= 0 || h <= 0 || w > 0xFFFF || h > 0xFFFF {
		w, h = 300, 400
	}
	isJPEG := len(img) > 2 && img[0] == 0xFF && img[1] == 0xD8
	img = append(slices.Clone(img), make([]byte, p.Padding)...)
	var block []byte
	format := byte(0x08)
	if p.Face == "39794" {
		format = 0x2A
		block = tlv(0x7F2E, face39794(img, isJPEG, w, h, who))
	} else {
		block = tlv(0x5F2E, face19794(img, isJPEG, w, h, who))
	}
	bht := tlv(0xA1, tlv(0x81, []byte{2}), tlv(0x82, []byte{0}), tlv(0x87, []byte{1, 1}), tlv(0x88, []byte{0, format}))
	return tlv(0x75, tlv(0x7F61, integer(1), tlv(0x7F60, bht, block))), nil
}

func face19794(img []byte, isJPEG bool, w, h int, who Persona) []byte {
	kind := byte(0)
	if !isJPEG {
		kind = 1
	}
	gender := byte(1)
	if who.Sex == "female" {
		gender = 2
	}
	u32 := func(n int) []byte { return []byte{byte(n >> 24), byte(n >> 16), byte(n >> 8), byte(n)} }
	block := 20 + 12 + len(img)
	rec := append([]byte("FAC\x00010\x00"), u32(14+block)...)
	rec = append(rec, 0, 1)
	rec = append(rec, u32(block)...)
	rec = append(rec, 0, 0, gender)
	rec = append(rec, make([]byte, 13)...) // colours, expression and pose are not said
	rec = append(rec, 1, kind, byte(w>>8), byte(w), byte(h>>8), byte(h), 1, 2, 0, 0, 0, 0)
	return append(rec, img...)
}

// face39794 is the FaceImageDataBlock of ISO/IEC 39794-5 in the choice of ICAO's application profile, with the automatic tags of its
// ASN.1 module: version, one representation with its picture, format and size, and the day of issue as that of the capture.
func face39794(img []byte, isJPEG bool, w, h int, who Persona) []byte {
	num := func(tag uint32, n int64) []byte {
		i, _, _ := takeTLV(integer(n))
		return tlv(tag, i.value)
	}
	format := int64(2)
	if !isJPEG {
		format = 3
	}
	issued, _ := time.Parse(time.DateOnly, who.IssuedAt)
	info := tlv(0xA1, tlv(0xA0, num(0x80, format)), tlv(0xA7, num(0x80, int64(w)), num(0x81, int64(h))))
	picture := tlv(0xA1, tlv(0xA0, tlv(0xA0, tlv(0x80, img), info)))
	day := tlv(0xA2, num(0x80, int64(issued.Year())), num(0x81, int64(issued.Month())), num(0x82, int64(issued.Day())))
	return tlv(0xA1, tlv(0x65, tlv(0xA0, num(0x80, 3), num(0x81, 2019)), tlv(0xA1, seq(num(0x80, 1), picture, day))))
}

// samples is DG3 or DG4: biometric templates whose records nobody can match with anybody, as they are random bytes behind the
// head that ISO/IEC 19794-4 or 19794-6 gives them.
func samples(n, count int, rnd *stream) []byte {
	head, kind, format, size := "FIR\x00010\x00", byte(0x08), byte(0x07), 1200
	if n == 4 {
		head, kind, format, size = "IIR\x00010\x00", 0x10, 0x09, 1800
	}
	out := integer(int64(count))
	for i := range count {
		b := make([]byte, size)
		_, _ = rnd.Read(b) // never fails
		copy(b, head)
		copy(b[8:], []byte{0, 0, byte(size >> 8), byte(size)})
		bht := tlv(0xA1, tlv(0x81, []byte{kind}), tlv(0x82, []byte{byte(i + 1)}), tlv(0x87, []byte{1, 1}), tlv(0x88, []byte{0, format}))
		out = append(out, tlv(0x7F60, bht, tlv(0x5F2E, b))...)
	}
	return tlv(dgTags[n], tlv(0x7F61, out))
}

// tagged is a data group that begins with the list of its tags (tag 5C), as DG11 and DG12 do. Empty values are left out.
func tagged(n int, fields ...[]byte) []byte {
	var tags, body []byte
	for _, f := range fields {
		do, _, _ := takeTLV(f)
		if len(do.value) == 0 {
			continue
		}
		if do.tag == 0xA0 {
			inner, _ := allTLV(do.value)
			tags = append(tags, byte(inner[1].tag>>8), byte(inner[1].tag))
		} else {
			tags = append(tags, byte(do.tag>>8), byte(do.tag))
		}
		body = append(body, f...)
	}
	return tlv(dgTags[n], tlv(0x5C, tags), body)
}

// extra is DG7, DG11, DG12 or DG16 of a persona (ICAO 9303-10 §4.7.7, §4.7.11, §4.7.12 and §4.7.16).
func extra(name string, who Persona) (int, []byte, error) {
	name7816 := func(s string) []byte { return []byte(strings.Replace(s, " ", "<<", 1)) } // primary identifier first, as in the MRZ
	date := func(iso string) []byte { return []byte(strings.ReplaceAll(iso, "-", "")) }
	switch name {
	case "DG7":
		img, err := signature(who)
		return 7, tlv(0x67, integer(1), tlv(0x5F43, img)), err
	case "DG11":
		return 11, tagged(11, tlv(0x5F0E, name7816(who.FullName)), tlv(0x5F10, []byte(who.Number)), tlv(0x5F2B, date(who.DateOfBirth)),
			tlv(0x5F11, []byte(who.Origin)), tlv(0x5F42, []byte(who.Residence))), nil
	case "DG12":
		return 12, tagged(12, tlv(0x5F19, []byte("TAPCHECK SIMULATION")), tlv(0x5F26, date(who.IssuedAt)),
			tlv(0x5F55, append(date(who.IssuedAt), "083000"...)), tlv(0x5F56, []byte("SIM 1"))), nil
	}
	var people [][]byte
	for _, p := range []string{who.Father, who.Mother, who.Spouse} {
		if p != "" {
			people = append(people, tlv(uint32(0xA1+len(people)), tlv(0x5F50, date(who.IssuedAt)), tlv(0x5F51, name7816(p)),
				tlv(0x5F52, []byte("0000000000")), tlv(0x5F53, []byte(who.Residence))))
		}
	}
	return 16, tlv(0x70, append([][]byte{integer(int64(len(people)))}, people...)...), nil
}

// signature draws something like one: a loop for each letter of the name.
func signature(who Persona) ([]byte, error) {
	img := image.NewGray(image.Rect(0, 0, 240, 80))
	for i := range img.Pix {
		img.Pix[i] = 0xFF
	}
	letters := []byte(who.Surname + who.GivenNames)
	for i := range 4000 {
		t := float64(i) / 4000 * float64(len(letters))
		l := float64(letters[int(t)]%13) + 4
		x := 15 + t*210/float64(len(letters)) + 6*math.Cos(t*2*math.Pi)
		y := 40 + l*1.5*math.Sin(t*2*math.Pi)
		img.SetGray(int(x), int(y), color.Gray{})
		img.SetGray(int(x)+1, int(y), color.Gray{})
	}
	var b bytes.Buffer
	err := jpeg.Encode(&b, img, nil)
	return b.Bytes(), err
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

// dg14 holds the SecurityInfos of chip, active and terminal authentication, and copies of those of EF.CardAccess
// and EF.CardSecurity (ICAO 9303-11 §9.2.11); nil when
// there is nothing to say.
func (c *Card) dg14() []byte {
	p := c.profile
	var infos [][]byte
	if !p.SparseDG14 {
		infos = append(p.cardAccessInfos(), c.mappingKeys()...)
	}
	for _, k := range c.ca {
		infos = append(infos, k.info(k.p.form()))
		if !k.p.NoInfo {
			infos = append(infos, seq(oid(k.p.oid()), integer(1), k.p.id()))
		}
	}
	if p.UnknownInfos {
		infos = append(infos, seq(oid(oidCA+".2.9"), integer(1)), seq(oid("1.3.6.1.4.1.55555.1.2"), integer(1)))
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
