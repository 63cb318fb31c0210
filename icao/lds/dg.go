package lds

import (
	"bytes"
	"encoding/binary"
)

// MaxPicture bounds the picture of a DG2, in bytes as it lies on the chip. Cards carry 10 to 30 kB.
const MaxPicture = 1 << 20

// ParseDG1 reads the machine readable zone out of DG1 (ICAO 9303-10 §4.7.1). Check digits that do not fit are in Failed and
// no error: the zone is signed as it is. The error is ErrMalformed.
func ParseDG1(raw []byte) (MRZ, error) {
	body, _, err := Expect(raw, 0x61)
	if err != nil {
		return MRZ{}, err
	}
	zone, ok := Find(body, 0x5F1F)
	if !ok {
		return MRZ{}, malformed("DG1 without a machine readable zone")
	}
	if n := len(zone); n != 90 && n != 72 && n != 88 {
		return MRZ{}, malformed("length is not that of a machine readable zone")
	}
	lines, err := mrzLines(string(zone))
	if err != nil {
		return MRZ{}, err
	}
	return decodeMRZ(lines)
}

// COMInfo is what EF.COM says. Nothing of it is signed: a reader that believes its list of data groups can be shown fewer
// than there are, so the list of the EF.SOD counts and this one only informs.
type COMInfo struct {
	LDSVersion     string `json:"ldsVersion,omitempty"`     // four digits, "0107" is 1.7
	UnicodeVersion string `json:"unicodeVersion,omitempty"` // six digits
	Groups         []int  `json:"groups,omitempty"`         // numbers of the data groups, in the order of the list
}

// ParseCOM reads EF.COM (ICAO 9303-10 §4.6.1). The error is ErrMalformed.
func ParseCOM(raw []byte) (COMInfo, error) {
	body, _, err := Expect(raw, 0x60)
	if err != nil {
		return COMInfo{}, err
	}
	var c COMInfo
	if v, ok := Find(body, 0x5F01); ok && len(v) == 4 && digits(string(v)) {
		c.LDSVersion = string(v)
	}
	if v, ok := Find(body, 0x5F36); ok && len(v) == 6 && digits(string(v)) {
		c.UnicodeVersion = string(v)
	}
	list, ok := Find(body, 0x5C)
	if !ok || len(list) > 32 {
		return COMInfo{}, malformed("EF.COM without a list of tags")
	}
	for _, tag := range list {
		for n := 1; n <= 16; n++ {
			if a, _ := DG(n).Address(); a.Tag == uint32(tag) {
				c.Groups = append(c.Groups, n)
			}
		}
	}
	return c, nil
}

// ParseDG2 finds the holder's picture in DG2 (ICAO 9303-10 §4.7.2): the first one of the first biometric template that has
// one, coded by ISO/IEC 19794-5 (tag 5F2E) or ISO/IEC 39794-5 (tag 7F2E).
//
// Issuers get lengths, counts and types of these records wrong, and the picture is for people to look at: so the picture's
// first bytes decide what it is, and where the record's own arithmetic does not lead to a picture, it is looked for inside
// the data block that the template declares, and nowhere else. Errors: ErrMalformed, ErrTooLarge.
func ParseDG2(raw []byte) (Portrait, error) {
	body, _, err := Expect(raw, 0x75)
	if err != nil {
		return Portrait{}, err
	}
	group, ok := Find(body, 0x7F61)
	if !ok {
		return Portrait{}, malformed("DG2 without a group of biometric templates")
	}
	templates, err := Children(group)
	if err != nil {
		return Portrait{}, err
	}
	for _, t := range templates {
		if t.Tag != 0x7F60 {
			continue
		}
		var pic []byte
		if block, ok := Find(t.Value, 0x5F2E); ok {
			pic = face19794(block)
		} else if block, ok := Find(t.Value, 0x7F2E); ok {
			// Some issuers put the old record under the new tag, bare or in its own.
			if inner, ok := Find(block, 0x5F2E); ok {
				pic = face19794(inner)
			} else if bytes.HasPrefix(block, facMagic) {
				pic = face19794(block)
			} else {
				pic = face39794(block)
			}
		}
		if pic == nil {
			continue
		}
		if len(pic) > MaxPicture {
			return Portrait{}, ErrTooLarge
		}
		return Portrait{Format: PictureFormat(pic), Data: bytes.Clone(pic)}, nil
	}
	return Portrait{}, malformed("DG2 without a picture")
}

var (
	facMagic  = []byte("FAC\x00")
	jpegMagic = []byte{0xFF, 0xD8, 0xFF}
	jp2Magic  = []byte{0, 0, 0, 0x0C, 'j', 'P', ' ', ' ', 0x0D, 0x0A, 0x87, 0x0A}
	j2kMagic  = []byte{0xFF, 0x4F, 0xFF, 0x51}
)

// PictureFormat tells "jpeg", "jp2" (boxed JPEG 2000) or "j2k" (its raw codestream) by the first bytes, else "".
func PictureFormat(b []byte) string {
	switch {
	case bytes.HasPrefix(b, jpegMagic):
		return "jpeg"
	case bytes.HasPrefix(b, jp2Magic):
		return "jp2"
	case bytes.HasPrefix(b, j2kMagic):
		return "j2k"
	}
	return ""
}

// face19794 finds the first picture of a facial record of ISO/IEC 19794-5:2005: a record header of 14 bytes, then per
// picture 20 bytes of facial information, eight per feature point, 12 of image information, and the picture. The length
// in the facial information covers all of these.
func face19794(b []byte) []byte {
	const header, facial, point, image = 14, 20, 8, 12
	if !bytes.HasPrefix(b, facMagic) || len(b) < header+facial {
		return scanPicture(b, 0xFF)
	}
	declared := byte(0xFF)
	rec := b[header:]
	length := int64(binary.BigEndian.Uint32(rec))
	at := facial + point*int(binary.BigEndian.Uint16(rec[4:])) + image
	if at <= len(rec) {
		declared = rec[at-image+1]
		pic := rec[at:]
		if n := length - int64(at); n > 0 && n <= int64(len(pic)) {
			pic = pic[:n]
		}
		if PictureFormat(pic) != "" {
			return pic
		}
	}
	return scanPicture(rec, declared)
}

// face39794 finds the picture in a FaceImageDataBlock of ISO/IEC 39794-5 as ICAO's application profile uses it. The path
// is written with the automatic context tags of its ASN.1 module.
func face39794(b []byte) []byte {
	at := b
	for _, tag := range []uint32{
		0xA1, // the profile's choice
		0x65, // [APPLICATION 5] FaceImageDataBlock
		0xA1, // representationBlocks
		0x30, // the first of them
		0xA1, // imageRepresentation
		0xA0, // base
		0xA0, // imageRepresentation2DBlock
		0x80, // representationData2D
	} {
		next, ok := Find(at, tag)
		if !ok {
			return scanPicture(b, 0xFF)
		}
		at = next
	}
	if PictureFormat(at) != "" {
		return at
	}
	return scanPicture(b, 0xFF)
}

// scanPicture looks for the start of a picture inside a data block: of the declared type first (0 JPEG, 1 JPEG 2000 in
// 19794-5), then of any. It goes to the end of the block; decoders find the end of a picture themselves.
func scanPicture(b []byte, declared byte) []byte {
	all := [][]byte{jpegMagic, jp2Magic, j2kMagic}
	switch declared {
	case 0:
		all = [][]byte{jpegMagic}
	case 1:
		all = [][]byte{jp2Magic, j2kMagic}
	}
	best := -1
	for _, m := range all {
		if i := bytes.Index(b, m); i >= 0 && (best < 0 || i < best) {
			best = i
		}
	}
	if best >= 0 {
		return b[best:]
	}
	if declared <= 1 {
		return scanPicture(b, 0xFF)
	}
	return nil
}
