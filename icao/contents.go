package icao

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"slices"

	"github.com/tapcheck/tapcheck/icao/access"
	"github.com/tapcheck/tapcheck/icao/cccd"
	"github.com/tapcheck/tapcheck/icao/lds"
)

// Contents are the files beyond identity and portrait, decoded. A data group is here only if its hash is the signed one; a field is nil
// where the file was not read, is another one, or cannot be understood, and Document.Missing says which of that. It is as personal
// as the identity, and nothing of it is in a check-in's result.
type Contents struct {
	COM       *lds.COMInfo    // EF.COM; nobody signs it
	Extents   *access.Extents // EF.ATR/INFO; nobody signs it
	Fingers   []lds.Biometric // DG3, its data blocks as they are
	Irises    []lds.Biometric // DG4
	Displayed []lds.Portrait  // DG5
	Marks     []lds.Portrait  // DG7: signatures or usual marks
	Person    *lds.PersonDetails
	Issue     *lds.DocumentDetails // DG12
	Vietnam   *cccd.DG13           // of Vietnamese documents only
	Security  []lds.SecurityInfo   // DG14
	ActiveKey *PublicKey           // DG15
	Contacts  []lds.Contact        // DG16
	// CardSecurity is the judgement of EF.CardSecurity, which has a signature of its own: whether it is this state's and whose it is, not
	// that it is this document's (ICAO 9303-11 §9.2.11).
	CardSecurity *lds.PassiveVerdict
}

// PublicKey names a key of a chip.
type PublicKey struct {
	Algorithm string // object identifier
	SHA256    string // of the SubjectPublicKeyInfo, lower-case hex
}

// decode fills Contents from the files that are there. A file that nothing else looks at and that is wrong is noted in Missing.
func (r *reading) decode() {
	d, c := r.doc, &r.doc.Contents
	faults := map[lds.FileID]error{}
	keep := func(id lds.FileID, err error) {
		if err != nil {
			faults[id] = asFileError(id, err)
		}
	}
	if raw, ok := d.Files[lds.COM]; ok {
		if v, err := lds.ParseCOM(raw); err == nil { // passive authentication says it otherwise
			c.COM = &v
		}
	}
	if raw, ok := d.Files[lds.ATRInfo]; ok {
		v, err := access.ParseATRInfo(raw)
		switch {
		case err == nil:
			c.Extents = &v
		case !errors.Is(err, access.ErrNoExtents):
			keep(lds.ATRInfo, err)
		}
	}
	if _, ok := d.Files[lds.CardSecurity]; ok {
		v := r.cardSecurity().Verdict
		c.CardSecurity = &v
	}
	for n := 1; n <= 16; n++ {
		id := lds.DG(n)
		raw, ok := d.Files[id]
		if !ok || !slices.Contains([]int{3, 4, 5, 7, 11, 12, 13, 14, 15, 16}, n) {
			continue
		}
		if !r.sound(id, raw) {
			if n != 13 && n != 14 && n != 15 { // of these the verdicts speak
				keep(id, lds.ErrInconsistent)
			}
			continue
		}
		var err error
		switch n {
		case 3:
			c.Fingers, err = lds.ParseDG3(raw)
			keep(id, err)
		case 4:
			c.Irises, err = lds.ParseDG4(raw)
			keep(id, err)
		case 5:
			c.Displayed, err = lds.ParseDG5(raw)
			keep(id, err)
		case 7:
			c.Marks, err = lds.ParseDG7(raw)
			keep(id, err)
		case 11:
			var v lds.PersonDetails
			if v, err = lds.ParseDG11(raw); err == nil {
				c.Person = &v
			}
			keep(id, err)
		case 12:
			var v lds.DocumentDetails
			if v, err = lds.ParseDG12(raw); err == nil {
				c.Issue = &v
			}
			keep(id, err)
		case 13: // compose has noted what is wrong with it
			if v, err := cccd.ParseDG13(raw); err == nil && d.zone.Vietnamese() {
				c.Vietnam = &v
			}
		case 14:
			c.Security, _ = lds.ParseDG14(raw) // chip authentication's verdict says it otherwise
		case 15:
			if algorithm, spki, err := lds.ParseDG15(raw); err == nil {
				sum := sha256.Sum256(spki)
				c.ActiveKey = &PublicKey{algorithm, hex.EncodeToString(sum[:])}
			}
		case 16:
			c.Contacts, err = lds.ParseDG16(raw)
			keep(id, err)
		}
	}
	for id, err := range faults {
		if d.Missing[id] == nil {
			d.Missing[id] = err
		}
	}
}
