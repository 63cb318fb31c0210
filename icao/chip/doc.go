// Package chip is the other side of the table: a simulated chip of an electronic identity document (eMRTD, ICAO Doc 9303
// parts 10 and 11), the issuing state that makes such documents, and invented people to issue them to. It serves tests,
// the demonstration, and vendors who integrate without a card.
//
// # What it promises
//
// It shares no code with the reader's side: not the packages beside it, not gmrtd, no elliptic curves but its own. A bug that
// both sides had would not be seen. Curves, CMAC, retail MAC and key derivation are held to RFC 5639, RFC 6932, RFC 7027, RFC 4493,
// NIST SP 800-38B and the worked examples of ICAO 9303-11 appendices D, F and G, certificates and signed files to readers of the
// standard library.
//
// It is strict where the standard is: a wrong MAC or counter, a command in clear under secure messaging, a step of PACE out of order
// end the session as on a real chip, and Options.Violation is told what the reader did wrong. It never panics, whatever bytes come,
// and never sleeps: Options.Delay is told how long a real chip would take.
//
// Nothing in it is secret or real: persons, numbers, faces and authorities are invented, keys follow from a seed, and no
// arithmetic is hardened against timing. Never use it for anything but simulation.
//
// # How it is put together
//
// A Profile says what kind of card it is: what it answers to reset, which protocols on which curves, which files, and every
// habit that a reader must cope with. A Persona says whose card it is. An Issuer signs it. All three come as plain data
// (Profiles, Personas) or from a seed (NewIssuer), and the same three always give the same card, byte for byte:
//
//	issuer, err := chip.NewIssuer(chip.IssuerOptions{Seed: []byte("demo")})
//	profile, err := chip.ProfileByName("cccd-mk")
//	person, err := chip.PersonaByName("an")
//	card, err := chip.New(profile, person, issuer, chip.Options{})
//	response := card.Transmit(command) // nil: the chip does not answer
//
// What is wrong with a card's content is asked for when it is issued (IssueOptions, SODOptions, CertOptions), what goes wrong
// on the way is a fault plan (Fault, Chip.SetFaults), what a clone or a forger would do is a field of the profile.
//
// # What it speaks
//
//   - PACE with generic mapping (ICAO 9303-11 §4.4) with CAN or MRZ, 3DES and AES-128 to 256, on the brainpool r1 and NIST curves of
//     Table 4, and basic access control (§4.3)
//   - secure messaging (§9.8), short and extended length; a response holds what fits: 223 bytes with AES and 231 with 3DES in short length
//   - chip authentication version 1 with ECDH (§6.2), by MSE:Set AT and by MSE:Set KAT
//   - active authentication with RSA (ISO/IEC 9796-2 scheme 1) and ECDSA (plain, BSI TR-03111) (§6.1)
//   - SELECT by identifier and by name, READ BINARY by offset and short file identifier, and with odd instruction past 32,767 bytes
//     (9303-10 §3.6)
//
// Terminal authentication is not there: DG3 and DG4 are always refused. Integrated and chip authentication mapping, PACE and
// chip authentication over Diffie-Hellman groups, EF.CardSecurity and EF.DIR are not there either.
//
// # Steps that Options.Delay is told of
//
// "apdu", "nonce", "mapping", "agreement", "token", "bac", "chip authentication", "active authentication", "read", "secure messaging",
// and "penalty" for wrong passwords.
package chip
