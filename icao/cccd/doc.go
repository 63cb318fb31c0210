// Package cccd knows the Vietnamese citizen card (căn cước công dân, since July 2024 thẻ căn cước): its twelve-digit
// number, the QR code printed on it, the password that opens its chip, and data group 13, in which Vietnam writes what
// ICAO's data group 1 has no room for.
//
// The card is an ICAO 9303 eMRTD of size TD1. Three things about it are not in the standard:
//
//   - No card access number is printed. The CAN is the last six digits of the card holder's number, so whoever knows the
//     number, or scans the QR code, can open the chip.
//   - The MRZ's document number is the last nine digits of the same number; all twelve stand in the optional data.
//   - DG13 holds the person with diacritics, in numbered fields (see [ParseDG13]).
//
// None of this is published by the issuer. It is what independent readers agree on, and where they differ both forms are
// accepted. Everything here parses a stranger's bytes: input is bounded in length, depth and count, what does not parse is
// lds.ErrMalformed (chip), lds.ErrKeyMalformed or lds.ErrQRForeign (desk), and no error carries a digit of what was read.
//
// Texts come out in Unicode normal form C without control or formatting characters, dates in ISO 8601.
package cccd
