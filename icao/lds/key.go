package lds

// KeyKind is what opens a chip.
type KeyKind string

// The two passwords of ICAO 9303-11 §4.4 that a desk can know, and the two of TR-03110 that only the holder knows.
const (
	KeyCAN KeyKind = "can"
	KeyMRZ KeyKind = "mrz"
	KeyPIN KeyKind = "pin"
	KeyPUK KeyKind = "puk"
)

// KeyFrom is where a key came from.
type KeyFrom string

// Sources of a key.
const (
	FromCAN      KeyFrom = "can"
	FromMRZ      KeyFrom = "mrz"
	FromQR       KeyFrom = "qr"
	FromNumber   KeyFrom = "number"
	FromDocument KeyFrom = "document" // document number with dates of birth and expiry
)

// MRZKey is the part of the machine readable zone that opens a chip (ICAO 9303-11 §4.3.2 and §4.4.4).
type MRZKey struct {
	DocumentNumber string // as in the MRZ, without check digit; may be longer than nine characters
	DateOfBirth    string // YYMMDD
	DateOfExpiry   string // YYMMDD
}

// Key opens a chip, and remembers what else was scanned or typed with it, so that this can be compared with the chip.
// It holds secrets and personal data: it is never logged, and its String says only its kinds.
type Key struct {
	CAN  string // six digits, or empty
	MRZ  *MRZKey
	PIN  string // four to sixteen digits, or empty; never typed by the desk
	PUK  string // the same
	From KeyFrom

	// Stated is what the scan or the typing said about the person; empty fields were not said.
	Stated Identity
	// Mangled says that the scanned text was changed on its way (a keyboard driver): Stated holds the number alone.
	Mangled bool
}

// String never shows the key.
func (k Key) String() string { return "key from " + string(k.From) }

// GoString never shows the key.
func (k Key) GoString() string { return k.String() }

// Empty says that nothing is there that could open a chip.
func (k Key) Empty() bool { return k.CAN == "" && k.MRZ == nil && k.PIN == "" && k.PUK == "" }
