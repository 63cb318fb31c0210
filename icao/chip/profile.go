package chip

import (
	"embed"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync"
)

//go:embed data
var data embed.FS

// Profile is a kind of card as data: what it answers to reset, what it holds, and every habit that a reader has to cope
// with. It is a plain value: a test takes one by name and changes what it wants to try. Status words are written as four
// hexadecimal digits; an empty one stands for the default that is named with the field.
type Profile struct {
	Name        string `json:"name"`
	Description string `json:"description"`
	ATR         string `json:"atr"` // hexadecimal
	Contactless bool   `json:"contactless"`

	NoApplication bool   `json:"noApplication,omitempty"` // no eMRTD at all: every command is 6D00, SELECT 6A82
	Document      string `json:"document"`                // "td1" (card) or "td3" (passport)

	PACE          []PACEOffer `json:"pace,omitempty"`          // offered in EF.CardAccess, first is the one without parameter id in MSE
	PACEPasswords []string    `json:"pacePasswords,omitempty"` // "mrz", "can", "pin", "puk"
	BAC           bool        `json:"bac,omitempty"`
	// Open needs no access control at all; every file but DG3 and DG4 is readable in clear.
	Open bool `json:"open,omitempty"`

	CardAccessLists    []string `json:"cardAccessLists,omitempty"`    // further entries: "ta", "ca"
	CardAccessInside   bool     `json:"cardAccessInside,omitempty"`   // EF.CardAccess can also be selected from within the application
	SelectMF           string   `json:"selectMF,omitempty"`           // answer to SELECT MF; default 9000
	SFI                string   `json:"sfi,omitempty"`                // answer to READ BINARY with a short file identifier; default 9000
	MaxLe              int      `json:"maxLe,omitempty"`              // READ BINARY that asks explicitly for more gets 6700; 0 is no such limit
	OverLong           string   `json:"overLong,omitempty"`           // when the bytes asked for do not fit: "9000" gives what fits (default), else this status; "6C00" gets the right length
	PastEnd            string   `json:"pastEnd,omitempty"`            // when an explicit Le goes past the end: "6282" with the data (default), "9000" with the data, else this status alone; "6C00" gets the right length
	WrongPassword      string   `json:"wrongPassword,omitempty"`      // PACE token wrong; default 6300
	FreeTries          int      `json:"freeTries,omitempty"`          // wrong passwords before the chip becomes slow
	SlowMS             int      `json:"slowMs,omitempty"`             // added per further wrong password, doubling, up to 64 times this
	Extended           *Extents `json:"extended,omitempty"`           // extended length, absent where the chip refuses it with 6700
	AskParameterID     bool     `json:"askParameterId,omitempty"`     // MSE:Set AT without DO84 is refused even if unambiguous
	CardAccessTrailer  string   `json:"cardAccessTrailer,omitempty"`  // hexadecimal bytes after the SET, as some files carry
	ActiveAuthOverLong string   `json:"activeAuthOverLong,omitempty"` // answer when the signature does not fit; default 6700
	MaxBlock           int      `json:"maxBlock,omitempty"`           // READ BINARY gives at most that many bytes, whatever was asked, with 9000; 0 is no limit
	// Endless files give zeros past their end, for as long as a reader asks.
	Endless bool `json:"endless,omitempty"`
	// GetResponse makes the chip give long answers in pieces of at most that many bytes, the first ones with 61xx, the rest to GET RESPONSE, as
	// chips with T=0 do. Answers may then be longer than 256 bytes without extended length, which such a chip has not. 0 is no such habit.
	GetResponse int  `json:"getResponse,omitempty"`
	ServesPlain bool `json:"servesPlain,omitempty"` // a plain command under secure messaging still ends the session, but is then served instead of refused with 6987

	CA     *CAProfile  `json:"ca,omitempty"`
	MoreCA []CAProfile `json:"moreCa,omitempty"` // further keys; all of them then need a KeyID
	AA     *AAProfile  `json:"aa,omitempty"`

	// TA is terminal authentication version 1: DG3 and DG4 are readable for whom the chip's CVCA gives the right, and EF.CVCA names it.
	TA bool `json:"ta,omitempty"`
	// Fingers (up to 10) and Irises (up to 2) are how many made-up samples DG3 and DG4 hold; 0 is no such data group.
	Fingers int `json:"fingers,omitempty"`
	Irises  int `json:"irises,omitempty"`
	// Extra are further data groups to be filled from the persona: "DG7", "DG11", "DG12", "DG16".
	Extra []string `json:"extra,omitempty"`
	// SparseDG14 leaves the copies of the SecurityInfos of EF.CardAccess and EF.CardSecurity out of DG14, as older cards do; ICAO 9303-11
	// §9.2.11 wants them there.
	SparseDG14 bool `json:"sparseDg14,omitempty"`
	// UnknownInfos adds SecurityInfos that no reader knows to EF.CardAccess and DG14: of a protocol of nobody's, of PACE with a cipher yet to come,
	// and of chip authentication likewise. A reader passes over them.
	UnknownInfos bool `json:"unknownInfos,omitempty"`
	// ExplicitPACE offers PACE with domain parameters of the card's own as well (PACEDomainParameterInfo), which a reader must not use
	// (ICAO 9303-11 §9.2.2). They are P-256's in disguise, and the chip refuses them.
	ExplicitPACE bool `json:"explicitPace,omitempty"`
	// Chaining takes the data of one command in several (ISO 7816-4 §5.3.3) and says so in EF.ATR/INFO.
	Chaining bool `json:"chaining,omitempty"`
	// Directory has EF.DIR in the master file.
	Directory bool `json:"directory,omitempty"`

	DG13  string `json:"dg13,omitempty"`  // layout of the parents: "A" two sequences, "B" one; "little" the eight sure fields; empty without DG13
	Photo string `json:"photo,omitempty"` // "jpeg", "jp2" or empty without DG2
	// Face is how DG2 frames the photo: "19794" (ISO/IEC 19794-5, the default) or "39794" (ISO/IEC 39794-5, for documents from 2026 on).
	Face    string   `json:"face,omitempty"`
	Refused []string `json:"refused,omitempty"` // "DG3": listed, hashed, and answered with 6982
	Absent  []string `json:"absent,omitempty"`  // files taken away after the EF.SOD was signed
	// Padding makes DG2 that many bytes longer (after the picture), for files past 32,767 bytes.
	Padding int `json:"padding,omitempty"`

	// IssuedAt and ExpiresAt (ISO 8601) take the place of the persona's.
	IssuedAt  string `json:"issuedAt,omitempty"`
	ExpiresAt string `json:"expiresAt,omitempty"`
	// Revoked cards are signed by a document signer that stands on the issuer's revocation list (see Issuer.RevokedSigner).
	Revoked bool `json:"revoked,omitempty"`
	// Forged cards are signed by an issuer of their own with the real one's names (see Issuer.Forger).
	Forged bool `json:"forged,omitempty"`
	// Clone has the files but not the private keys: "wrong-key" answers with other keys, "naked-9000" plays along with bare
	// 9000 under secure messaging, "refuses" with 6982.
	Clone string `json:"clone,omitempty"`
	// CopyOf names the profile whose card this is a copy of: the files are then that card's, byte for byte, where the
	// two profiles ask for the same.
	CopyOf string `json:"copyOf,omitempty"`

	Hash   string `json:"hash,omitempty"` // of the EF.SOD; default SHA-256
	LDS    string `json:"lds,omitempty"`  // version of the logical data structure: "1.7" (default) or "1.8", whose EF.SOD tells it as well
	Timing Timing `json:"timing"`
}

// PACEOffer is one PACEInfo.
type PACEOffer struct {
	Cipher string `json:"cipher"` // "3DES", "AES-128", "AES-192", "AES-256"
	Curve  string `json:"curve"`  // one of Curves or of Groups
	// Mapping is "GM" (generic, the default), "IM" (integrated; not on P-224) or "CAM" (chip authentication mapping: a curve and AES).
	Mapping string `json:"mapping,omitempty"`
	// Nonce is the length of the chip's nonce in bytes. 0 is 16, which chips use for generic mapping, and what ICAO 9303-11 §4.4.3.3 demands for
	// integrated mapping: 16 with 3DES and AES-128, 32 with the longer keys. With generic mapping it may be any whole number of blocks up to 32.
	Nonce int `json:"nonce,omitempty"`
}

// Mappings of PACE as a profile names them.
const (
	mappingGeneric    = "GM"
	mappingIntegrated = "IM"
	mappingChip       = "CAM"
)

func (o PACEOffer) nonceBytes() int {
	switch {
	case o.Mapping == mappingIntegrated:
		s, _ := suiteByName(o.Cipher)
		return s.integratedNonce()
	case o.Nonce > 0:
		return o.Nonce
	}
	return 16
}

// Extents are what a chip takes in extended length, in bytes of the whole APDU.
type Extents struct {
	MaxCommand  int  `json:"maxCommand"`
	MaxResponse int  `json:"maxResponse"` // data bytes of the (protected) response, without status word
	Announce    bool `json:"announce"`    // EF.ATR/INFO is there and says so (ISO 7816-4 DO7F66)
}

// CAProfile is chip authentication version 1 with one key.
type CAProfile struct {
	Cipher   string `json:"cipher"`
	Curve    string `json:"curve"`              // one of Curves or of Groups
	KeyID    int    `json:"keyId,omitempty"`    // 0 without
	KAT      bool   `json:"kat,omitempty"`      // MSE:Set KAT as well (3DES only)
	NoInfo   bool   `json:"noInfo,omitempty"`   // DG14 holds the key alone, which means KAT with 3DES
	NamedKey bool   `json:"namedKey,omitempty"` // KeyForm "named"
	// KeyForm is how DG14 writes the key's domain parameters: empty in full (curves as ECParameters, groups as PKCS #3), "named" a curve by
	// its object identifier, "standardized" by their number in ICAO 9303-11 Table 12, "x942" a group as X9.42 has it (ICAO 9303-11 §8.5, note 2).
	KeyForm   string `json:"keyForm,omitempty"`
	Corrupted bool   `json:"corrupted,omitempty"` // the key in DG14 is not one of its domain
}

// AAProfile is active authentication.
type AAProfile struct {
	Type     string `json:"type"`            // "rsa" or "ecdsa"
	Curve    string `json:"curve,omitempty"` // ecdsa
	Bits     int    `json:"bits,omitempty"`  // rsa
	Hash     string `json:"hash"`            // of the signature
	Announce bool   `json:"announce"`        // ActiveAuthenticationInfo in DG14
	NamedKey bool   `json:"namedKey,omitempty"`
	// Trailer is the trailer of the RSA representative: empty as ICAO 9303-11 §6.1.2.2 wants it (BC for SHA-1, else two bytes that name the
	// hash), "1" always BC, "2" always two bytes, with 33CC for SHA-1.
	Trailer string `json:"trailer,omitempty"`
	// Smaller gives the smaller of an RSA signature and its complement to the modulus (ISO/IEC 9796-2 B.4, which ICAO 9303-11 advises against).
	Smaller bool `json:"smaller,omitempty"`
	DER     bool `json:"der,omitempty"` // ECDSA as DER, as some chips answer against ICAO 9303-11 §6.1.2.3
}

// Timing is what a chip of this kind takes to compute, in milliseconds per step. It is told to Options.Delay, and nothing here sleeps.
type Timing struct {
	APDUMS           float64 `json:"apduMs"` // per command, without transmission
	KBitPerSecond    float64 `json:"kbitPerSecond"`
	NonceMS          float64 `json:"nonceMs"`
	MappingMS        float64 `json:"mappingMs"`
	AgreementMS      float64 `json:"agreementMs"`
	TokenMS          float64 `json:"tokenMs"`
	BACMS            float64 `json:"bacMs"`
	ChipAuthMS       float64 `json:"chipAuthMs"`
	ActiveAuthMS     float64 `json:"activeAuthMs"`
	CertificateMS    float64 `json:"certificateMs,omitempty"`
	TerminalAuthMS   float64 `json:"terminalAuthMs,omitempty"`
	ReadMSPerKiB     float64 `json:"readMsPerKiB"`
	SecureMSPerBlock float64 `json:"secureMsPerBlock"`
}

func (p Profile) clone() Profile {
	p.PACE = slices.Clone(p.PACE)
	p.PACEPasswords = slices.Clone(p.PACEPasswords)
	p.MoreCA = slices.Clone(p.MoreCA)
	p.CardAccessLists = slices.Clone(p.CardAccessLists)
	p.Refused = slices.Clone(p.Refused)
	p.Extra = slices.Clone(p.Extra)
	p.Absent = slices.Clone(p.Absent)
	if p.Extended != nil {
		e := *p.Extended
		p.Extended = &e
	}
	if p.CA != nil {
		e := *p.CA
		p.CA = &e
	}
	if p.AA != nil {
		e := *p.AA
		p.AA = &e
	}
	return p
}

// statusWord reads a status word that a profile declares.
func statusWord(s string, def uint16) uint16 {
	if s == "" {
		return def
	}
	v, err := strconv.ParseUint(s, 16, 16)
	if err != nil {
		return def
	}
	return uint16(v)
}

var profiles = sync.OnceValue(func() []Profile {
	var list []Profile
	mustLoad("data/profiles.json", &list)
	for _, p := range list {
		if err := p.check(); err != nil {
			panic(err)
		}
	}
	return list
})

func mustLoad(name string, into any) {
	raw, err := data.ReadFile(name)
	if err != nil {
		panic("chip: " + err.Error())
	}
	d := json.NewDecoder(strings.NewReader(string(raw)))
	d.DisallowUnknownFields()
	if err := d.Decode(into); err != nil {
		panic("chip: " + name + ": " + err.Error())
	}
}

// Profiles lists the kinds of cards that come with the package. Each is the caller's own copy.
func Profiles() []Profile {
	out := make([]Profile, 0, len(profiles()))
	for _, p := range profiles() {
		out = append(out, p.clone())
	}
	return out
}

// ProfileByName finds one of Profiles. The error, a *ProfileError, names those that come closest.
func ProfileByName(name string) (Profile, error) {
	for _, p := range profiles() {
		if p.Name == name {
			return p.clone(), nil
		}
	}
	var names []string
	for _, p := range profiles() {
		names = append(names, p.Name)
	}
	e := &ProfileError{Problem: fmt.Sprintf("there is no %q", name)}
	e.Allowed, e.Close = ranked(name, names)
	return Profile{}, e
}
