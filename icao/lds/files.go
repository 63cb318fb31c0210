package lds

import "fmt"

// FileID names one elementary file of the chip. Its value is the base name under which `tapcheck read --raw` saves the
// file (EF_SOD.bin, DG1.bin …) and under which `tapcheck inspect` finds it again.
type FileID string

// The files that Tapcheck knows (ICAO 9303-10 §4.6 and §4.7).
const (
	CardAccess   FileID = "EF_CardAccess"
	CardSecurity FileID = "EF_CardSecurity"
	ATRInfo      FileID = "EF_ATR_INFO"
	COM          FileID = "EF_COM"
	CVCA         FileID = "EF_CVCA" // trust points for terminal authentication (ICAO 9303-11 Appendix K)
	SOD          FileID = "EF_SOD"
)

// DG is the FileID of data group n, 1 to 16.
func DG(n int) FileID { return FileID(fmt.Sprintf("DG%d", n)) }

// Address says where a file lies on the chip.
type Address struct {
	FID  uint16 // two-byte file identifier
	SFI  byte   // short file identifier, 1 to 30
	Tag  uint32 // tag of the data object that the file consists of; 0 where it is not one, or where nothing but its form matters (EF.CardAccess)
	InMF bool   // true for files of the master file, false for those of the eMRTD application
}

// Address looks a file up in the table of ICAO 9303-10 §4.6 (Tables 31 to 37); ok is false for a name that is none.
func (f FileID) Address() (a Address, ok bool) {
	a, ok = addresses[f]
	return a, ok
}

// Number is the data group's number, or 0 for a file that is no data group.
func (f FileID) Number() int {
	var n int
	if _, err := fmt.Sscanf(string(f), "DG%d", &n); err != nil || n < 1 || n > 16 || DG(n) != f {
		return 0
	}
	return n
}

var addresses = func() map[FileID]Address {
	m := map[FileID]Address{
		CardAccess: {FID: 0x011C, SFI: 0x1C, InMF: true},
		// The tag tells it from EF.SOD, which has the same identifiers in the application: there are cards that stay in it.
		CardSecurity: {FID: 0x011D, SFI: 0x1D, Tag: 0x30, InMF: true},
		ATRInfo:      {FID: 0x2F01, SFI: 0x01, InMF: true},
		COM:          {FID: 0x011E, SFI: 0x1E, Tag: 0x60},
		CVCA:         {FID: 0x011C, SFI: 0x1C},
		SOD:          {FID: 0x011D, SFI: 0x1D, Tag: 0x77},
	}
	// The tags of the data groups do not follow their numbers (ICAO 9303-10 §4.7, Table 38).
	tags := [...]uint32{0x61, 0x75, 0x63, 0x76, 0x65, 0x66, 0x67, 0x68, 0x69, 0x6A, 0x6B, 0x6C, 0x6D, 0x6E, 0x6F, 0x70}
	for i, tag := range tags {
		m[DG(i+1)] = Address{FID: 0x0101 + uint16(i), SFI: byte(i + 1), Tag: tag}
	}
	return m
}()
