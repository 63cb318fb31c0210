package chip

import (
	"encoding/hex"
	"fmt"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
)

// ProfileError says what is wrong with a profile, and where.
type ProfileError struct {
	Profile      string // its name, as far as it is known
	File         string // where its text came from; empty when that is not known
	Line, Column int    // in the text, from 1, in bytes; 0 where there is none, or the profile as a whole is meant
	Field        string // path of the field: "pace[0].cipher"
	Problem      string // in English
	// Allowed is what may stand there instead, the likeliest first; nil where that is no list.
	Allowed []string
	// Close are those of Allowed that what stands there may have meant.
	Close []string
}

func (e *ProfileError) Error() string {
	var b strings.Builder
	b.WriteString("chip: profile")
	switch {
	case e.File != "":
		b.WriteString(" " + e.File)
	case e.Profile != "":
		b.WriteString(" " + e.Profile)
	}
	if e.Line > 0 {
		fmt.Fprintf(&b, ", line %d, column %d", e.Line, e.Column)
	}
	b.WriteString(": " + e.Problem)
	if len(e.Close) > 0 {
		b.WriteString("; did you mean " + strings.Join(e.Close, " or ") + "?")
	}
	if len(e.Allowed) > 0 {
		b.WriteString(" Allowed here: " + strings.Join(e.Allowed, ", "))
	}
	return b.String()
}

// profileValues are the values that text fields may have beside none, by their path without indexes. A text field that is not here
// takes any value, as far as Profile.check lets it.
var profileValues = sync.OnceValue(func() map[string][]string {
	var ciphers, hashes, groups []string
	for _, s := range suites {
		ciphers = append(ciphers, s.name)
	}
	for _, h := range hashAlgs {
		hashes = append(hashes, h.name)
	}
	for n := 1; n <= 16; n++ {
		groups = append(groups, dgName(n))
	}
	domains := append(Curves(), Groups()...)
	forms := []string{formNamed, formStandardized, formX942}
	return map[string][]string{
		"document":        {"td1", "td3"},
		"pace.cipher":     ciphers,
		"pace.curve":      domains,
		"pace.mapping":    {mappingGeneric, mappingIntegrated, mappingChip},
		"pacePasswords":   {"mrz", "can", "pin", "puk"},
		"cardAccessLists": {"ta", "ca"},
		"ca.cipher":       ciphers,
		"ca.curve":        domains,
		"ca.keyForm":      forms,
		"moreCa.cipher":   ciphers,
		"moreCa.curve":    domains,
		"moreCa.keyForm":  forms,
		"aa.type":         {"rsa", "ecdsa"},
		"aa.curve":        Curves(),
		"aa.hash":         hashes,
		"aa.trailer":      {"1", "2"},
		"hash":            hashes,
		"lds":             {"1.7", "1.8"},
		"dg13":            {"A", "B", "little"},
		"photo":           {"jpeg", "jp2"},
		"face":            {"19794", "39794"},
		"extra":           {"DG7", "DG11", "DG12", "DG16"},
		"refused":         groups[2:],
		"absent":          append([]string{fileCardAccess, fileCardSecurity, fileATRInfo, fileDIR, fileCOM, fileSOD}, groups...),
		"clone":           {"wrong-key", "naked-9000", "refuses"},
	}
})

// check says whether the profile holds together. The error is a *ProfileError.
func (p Profile) check() error {
	if err := p.checkValues(reflect.ValueOf(p), ""); err != nil {
		return err
	}
	for _, rule := range []func() error{p.checkForms, p.checkNumbers, p.checkAccess, p.checkChipAuth, p.checkActiveAuth, p.checkContent} {
		if err := rule(); err != nil {
			return err
		}
	}
	return nil
}

func (p Profile) bad(field, format string, args ...any) error {
	return &ProfileError{Profile: p.Name, Field: field, Problem: field + ": " + fmt.Sprintf(format, args...)}
}

// checkValues holds every text field to profileValues.
func (p Profile) checkValues(v reflect.Value, path string) error {
	switch v.Kind() {
	case reflect.Pointer:
		if v.IsNil() {
			return nil
		}
		return p.checkValues(v.Elem(), path)
	case reflect.Struct:
		for i := range v.NumField() {
			name := jsonName(v.Type().Field(i))
			if path != "" {
				name = path + "." + name
			}
			if err := p.checkValues(v.Field(i), name); err != nil {
				return err
			}
		}
	case reflect.Slice:
		for i := range v.Len() {
			if err := p.checkValues(v.Index(i), fmt.Sprintf("%s[%d]", path, i)); err != nil {
				return err
			}
		}
	case reflect.String:
		return p.oneOf(path, v.String())
	}
	return nil
}

func (p Profile) oneOf(field, value string) error {
	allowed := profileValues()[plainPath(field)]
	if allowed == nil || value == "" || slices.Contains(allowed, value) {
		return nil
	}
	e := &ProfileError{Profile: p.Name, Field: field, Problem: fmt.Sprintf("%s cannot be %q", field, value)}
	e.Allowed, e.Close = ranked(value, allowed)
	return e
}

// needed is for text fields that must say something.
func (p Profile) needed(field, value string) error {
	if value != "" {
		return nil
	}
	e := p.bad(field, "must be given").(*ProfileError)
	e.Allowed = profileValues()[plainPath(field)]
	return e
}

// checkForms is for status words, bytes and dates.
func (p Profile) checkForms() error {
	for _, f := range []struct{ field, value string }{
		{"selectMF", p.SelectMF}, {"sfi", p.SFI}, {"overLong", p.OverLong}, {"pastEnd", p.PastEnd},
		{"wrongPassword", p.WrongPassword}, {"activeAuthOverLong", p.ActiveAuthOverLong},
	} {
		if v, err := strconv.ParseUint(f.value, 16, 16); f.value != "" && (err != nil || len(f.value) != 4 || v < 0x6000) {
			return p.bad(f.field, "%q is no status word: four hexadecimal digits, 6000 or more", f.value)
		}
	}
	for _, f := range []struct{ field, value string }{{"atr", p.ATR}, {"cardAccessTrailer", p.CardAccessTrailer}} {
		if _, err := hex.DecodeString(f.value); err != nil {
			return p.bad(f.field, "%q is not hexadecimal", f.value)
		}
	}
	for _, f := range []struct{ field, value string }{{"issuedAt", p.IssuedAt}, {"expiresAt", p.ExpiresAt}} {
		if _, err := time.Parse(time.DateOnly, f.value); f.value != "" && err != nil {
			return p.bad(f.field, "%q is no day in the form 2006-01-02", f.value)
		}
	}
	return p.needed("document", p.Document)
}

func (p Profile) checkNumbers() error {
	const minute = 60_000
	type limit struct {
		field    string
		n        float64
		low, top float64
	}
	limits := []limit{
		{"maxLe", float64(p.MaxLe), 0, 65536}, {"freeTries", float64(p.FreeTries), 0, 1000}, {"slowMs", float64(p.SlowMS), 0, minute},
		{"maxBlock", float64(p.MaxBlock), 0, 65536}, {"getResponse", float64(p.GetResponse), 0, 256}, {"padding", float64(p.Padding), 0, 1 << 20},
		{"fingers", float64(p.Fingers), 0, 10}, {"irises", float64(p.Irises), 0, 2},
	}
	if e := p.Extended; e != nil {
		limits = append(limits, limit{"extended.maxCommand", float64(e.MaxCommand), 256, 65544}, limit{"extended.maxResponse", float64(e.MaxResponse), 256, 65536})
	}
	for i, ca := range p.chipAuth() {
		limits = append(limits, limit{caField(i) + ".keyId", float64(ca.KeyID), 0, 1 << 30})
	}
	t := reflect.ValueOf(p.Timing)
	for i := range t.NumField() {
		limits = append(limits, limit{"timing." + jsonName(t.Type().Field(i)), t.Field(i).Float(), 0, minute})
	}
	for _, l := range limits {
		if !(l.n >= l.low && l.n <= l.top) { // this way round for NaN
			return p.bad(l.field, "%v is not between %v and %v", l.n, l.low, l.top)
		}
	}
	if p.GetResponse > 0 && p.Extended != nil {
		return p.bad("getResponse", "goes with short length only, and extended is there")
	}
	return nil
}

// checkDomain says whether a profile may use these domain parameters. Public keys of 2,048 bits do not fit a short command.
func (p Profile) checkDomain(field, name string) error {
	if err := p.needed(field, name); err != nil {
		return err
	}
	if err := p.oneOf(field, name); err != nil {
		return err
	}
	if domainByName(name).prime().BitLen() > 1024 && p.Extended == nil {
		return p.bad(field, "keys of %s need extended length (field extended)", name)
	}
	return nil
}

func (p Profile) checkAccess() error {
	for i, o := range p.PACE {
		if err := p.checkOffer(fmt.Sprintf("pace[%d]", i), o); err != nil {
			return err
		}
	}
	return nil
}

func (p Profile) checkOffer(field string, o PACEOffer) error {
	if err := p.needed(field+".cipher", o.Cipher); err != nil {
		return err
	}
	if err := p.checkDomain(field+".curve", o.Curve); err != nil {
		return err
	}
	s, _ := suiteByName(o.Cipher)
	c := curveByName(o.Curve)
	switch n := o.nonceBytes(); {
	case o.Mapping == mappingIntegrated && c != nil && c.p.Bit(1) == 0:
		return p.bad(field+".curve", "%s cannot be used with integrated mapping (ICAO 9303-11 Table 12)", o.Curve)
	case o.Mapping == mappingChip && (c == nil || s.tdes()):
		return p.bad(field+".mapping", "chip authentication mapping is for curves and AES (ICAO 9303-11 §4.4.3)")
	case n%s.block != 0 || n > 32 || o.Nonce < 0 || o.Mapping == mappingIntegrated && o.Nonce != 0 && o.Nonce != n:
		return p.bad(field+".nonce", "%d bytes do not go with %s %s (ICAO 9303-11 §4.4.3.3)", o.Nonce, o.Cipher, o.Mapping)
	}
	return nil
}

// caField is the path of a chip authentication key.
func caField(i int) string {
	if i == 0 {
		return "ca"
	}
	return fmt.Sprintf("moreCa[%d]", i-1)
}

func (p Profile) checkChipAuth() error {
	if p.CA == nil && len(p.MoreCA) > 0 {
		return p.bad("moreCa", "is there without ca")
	}
	seen := map[int]bool{}
	for i, ca := range p.chipAuth() {
		field := caField(i)
		if err := p.needed(field+".cipher", ca.Cipher); err != nil {
			return err
		}
		if err := p.checkDomain(field+".curve", ca.Curve); err != nil {
			return err
		}
		group := curveByName(ca.Curve) == nil
		switch {
		case (ca.KAT || ca.NoInfo) && ca.Cipher != "3DES":
			return p.bad(field+".cipher", "MSE:Set KAT is for 3DES only (ICAO 9303-11 §6.2.4.1)")
		case len(p.MoreCA) > 0 && (ca.KeyID == 0 || seen[ca.KeyID]):
			return p.bad(field+".keyId", "several keys need each an identifier of its own (ICAO 9303-11 §9.2.6)")
		case group && ca.form() == formNamed, !group && ca.form() == formX942:
			return p.bad(field+".keyForm", "a key on %s cannot be written as %q", ca.Curve, ca.form())
		}
		seen[ca.KeyID] = true
	}
	switch {
	case p.TA && p.CA == nil && !slices.ContainsFunc(p.PACE, func(o PACEOffer) bool { return o.Mapping == mappingChip }):
		return p.bad("ta", "terminal authentication needs chip authentication before it (ICAO 9303-11 §7.1)")
	case p.TA && p.CardAccessInside:
		return p.bad("cardAccessInside", "the identifier 011C within the application is EF.CVCA's on a card with ta")
	}
	return nil
}

func (p Profile) checkActiveAuth() error {
	if p.AA == nil {
		return nil
	}
	for _, f := range []struct{ field, value string }{{"aa.type", p.AA.Type}, {"aa.hash", p.AA.Hash}} {
		if err := p.needed(f.field, f.value); err != nil {
			return err
		}
	}
	if p.AA.Type == "ecdsa" {
		return p.needed("aa.curve", p.AA.Curve)
	}
	if b := p.AA.Bits; b < 1024 || b > 4096 || b%16 != 0 {
		return p.bad("aa.bits", "%d bits: 1,024 to 4,096 in steps of 16", b)
	}
	return nil
}

func (p Profile) checkContent() error {
	if p.Fingers > 0 && slices.Contains(p.Refused, "DG3") || p.Irises > 0 && slices.Contains(p.Refused, "DG4") {
		return p.bad("refused", "a data group cannot be refused to everybody and have samples as well")
	}
	return nil
}

// ranked orders what is allowed by its likeness to what stands there, and picks what may have been meant.
func ranked(s string, allowed []string) (all, near []string) {
	type scored struct {
		name string
		d    int
	}
	list := make([]scored, len(allowed))
	for i, a := range allowed {
		list[i] = scored{a, distance(strings.ToLower(s), strings.ToLower(a))}
	}
	slices.SortStableFunc(list, func(a, b scored) int { return a.d - b.d })
	for _, l := range list {
		all = append(all, l.name)
		if l.d <= max(1, len(l.name)/3) && len(near) < 3 {
			near = append(near, l.name)
		}
	}
	return all, near
}

// distance is the number of letters to insert, remove or change (Levenshtein). Long strings are cut: they are like nothing.
func distance(a, b string) int {
	a, b = a[:min(len(a), 64)], b[:min(len(b), 64)]
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		last := row[0]
		row[0] = i + 1
		for j := range len(b) {
			d := last
			if a[i] != b[j] {
				d = 1 + min(last, row[j], row[j+1])
			}
			last, row[j+1] = row[j+1], d
		}
	}
	return row[len(b)]
}
