package lds

// Identity is the person as the chip describes them. Dates are ISO 8601: "1999-01-01", or "1999" and "1999-01" where the
// card knows no more. Empty means that the card does not say.
type Identity struct {
	Number         string `json:"number,omitempty"` // personal number, for Vietnam twelve digits
	FullName       string `json:"fullName,omitempty"`
	DateOfBirth    string `json:"dateOfBirth,omitempty"`
	Sex            string `json:"sex,omitempty"`         // "male", "female" or "unspecified"
	Nationality    string `json:"nationality,omitempty"` // ISO 3166-1 alpha-3 as in the MRZ
	Residence      string `json:"residence,omitempty"`
	Origin         string `json:"origin,omitempty"`
	DocumentNumber string `json:"documentNumber,omitempty"`
	DocumentType   string `json:"documentType,omitempty"` // as in the MRZ: "I", "ID", "P" …
	IssuingState   string `json:"issuingState,omitempty"`
	IssuedAt       string `json:"issuedAt,omitempty"`
	ExpiresAt      string `json:"expiresAt,omitempty"`
	NoExpiry       bool   `json:"noExpiry,omitempty"` // the card says that it does not expire
	// Never given out unless asked for and allowed.
	Ethnicity string `json:"ethnicity,omitempty"`
	Religion  string `json:"religion,omitempty"`
	Features  string `json:"features,omitempty"`
	Father    string `json:"father,omitempty"`
	Mother    string `json:"mother,omitempty"`
	Spouse    string `json:"spouse,omitempty"`
	OldNumber string `json:"oldNumber,omitempty"`

	// Source names the file that a field came from, by JSON name: {"fullName": "dg13"}.
	Source map[string]string `json:"source,omitempty"`
}

// Texts gives the fields that are texts by their JSON names, for what is done to all of them alike: all but noExpiry.
func (i *Identity) Texts() map[string]*string {
	return map[string]*string{
		"number": &i.Number, "fullName": &i.FullName, "dateOfBirth": &i.DateOfBirth, "sex": &i.Sex, "nationality": &i.Nationality,
		"residence": &i.Residence, "origin": &i.Origin, "documentNumber": &i.DocumentNumber, "documentType": &i.DocumentType,
		"issuingState": &i.IssuingState, "issuedAt": &i.IssuedAt, "expiresAt": &i.ExpiresAt, "ethnicity": &i.Ethnicity,
		"religion": &i.Religion, "features": &i.Features, "father": &i.Father, "mother": &i.Mother, "spouse": &i.Spouse,
		"oldNumber": &i.OldNumber,
	}
}

// Portrait is a face picture as it lies on the chip: bytes that nobody has decoded yet.
type Portrait struct {
	Format string // "jpeg", "jp2" (boxed) or "j2k" (raw codestream), by its first bytes
	Data   []byte
}
